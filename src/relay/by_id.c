/*
 * by_id.c - things in the order of their ids: a treap.
 */
#include "config.h"

#include "relay/by_id.h"

#include "base/hash.h"
#include "base/util.h"

#include <stdbool.h>
#include <string.h>

void by_id_init(struct by_id_tree *tree)
{
	memset(tree, 0, sizeof(*tree));
	tree->key = random_u64();
}

/* Computed, not kept: it would make every node larger. */
static uint64_t rank(const struct by_id_tree *tree, const struct by_id *node)
{
	const uintptr_t address = (uintptr_t)node;

	return hash_of(tree->key, 0, &address, sizeof(address));
}

static bool before(const struct by_id *a, const struct by_id *b)
{
	if (a->id != b->id)
		return a->id < b->id;
	return (uintptr_t)a < (uintptr_t)b;
}

/* What of the tree at t comes before node, and what behind it. */
static void split(struct by_id *t, const struct by_id *node,
	struct by_id **lower, struct by_id **higher)
{
	while (t != NULL) {
		if (before(t, node)) {
			*lower = t;
			lower = &t->higher;
			t = t->higher;
		} else {
			*higher = t;
			higher = &t->lower;
			t = t->lower;
		}
	}
	*lower = *higher = NULL;
}

void by_id_add(struct by_id_tree *tree, struct by_id *node)
{
	const uint64_t own = rank(tree, node);
	struct by_id **at = &tree->root;

	while (*at != NULL && rank(tree, *at) >= own)
		at = before(node, *at) ? &(*at)->lower : &(*at)->higher;
	split(*at, node, &node->lower, &node->higher);
	*at = node;
	tree->count++;
}

void by_id_remove(struct by_id_tree *tree, struct by_id *node)
{
	struct by_id *lower = node->lower, *higher = node->higher;
	struct by_id **at = &tree->root;

	while (*at != node)
		at = before(node, *at) ? &(*at)->lower : &(*at)->higher;
	while (lower != NULL && higher != NULL) {
		if (rank(tree, lower) > rank(tree, higher)) {
			*at = lower;
			at = &lower->higher;
			lower = *at;
		} else {
			*at = higher;
			at = &higher->lower;
			higher = *at;
		}
	}
	*at = lower != NULL ? lower : higher;
	tree->count--;
}

struct by_id *by_id_find(const struct by_id_tree *tree, uint64_t id)
{
	struct by_id *t = tree->root;

	while (t != NULL && t->id != id)
		t = id < t->id ? t->lower : t->higher;
	return t;
}

struct by_id *by_id_above(const struct by_id_tree *tree, uint64_t id)
{
	struct by_id *t = tree->root, *best = NULL;

	while (t != NULL) {
		if (t->id > id) {
			best = t;
			t = t->lower;
		} else {
			t = t->higher;
		}
	}
	return best;
}
