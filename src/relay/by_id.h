/*
 * by_id.h - things in the order of their ids: found, added and removed in
 *           logarithmic time, and walked page by page.
 * Used by:    relay/dispatch (messages, failed messages).
 * Pure:       no descriptor, no clock, no log, no memory of its own.
 * Invariant:  a treap: a binary tree by id, and a heap by a keyed hash of each
 *             node's address. So its shape is random, whatever ids a broken
 *             receiver makes up; and it costs two pointers a thing, with no
 *             table that has to grow all at once.
 */
#ifndef GMRELAY_RELAY_BY_ID_H
#define GMRELAY_RELAY_BY_ID_H

#include <stddef.h>
#include <stdint.h>

/* Embed it; do not move it while it is in. */
struct by_id {
	uint64_t id;
	struct by_id *lower;
	struct by_id *higher;
};

struct by_id_tree {
	struct by_id *root;
	uint64_t key; /* random */
	size_t count;
};

void by_id_init(struct by_id_tree *tree);

/* node->id is set. One id may be in more than once. */
void by_id_add(struct by_id_tree *tree, struct by_id *node);

/* The node must be in. */
void by_id_remove(struct by_id_tree *tree, struct by_id *node);

/* One of that id, or NULL. */
struct by_id *by_id_find(const struct by_id_tree *tree, uint64_t id);

/* One of the lowest id above id, or NULL. */
struct by_id *by_id_above(const struct by_id_tree *tree, uint64_t id);

#endif
