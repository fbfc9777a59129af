/*
 * drop_wait.c - which files of SPOOL/drop/ were refused for now.
 */
#include "config.h"

#include "relay/drop_wait.h"

#include "base/util.h"
#include "relay/by_id.h"

#include <stddef.h>
#include <stdlib.h>

struct waiting {
	struct by_id by_id;
	int64_t due_ms;
	int32_t delay_ms;
	unsigned pass; /* the last one that came across it */
};

struct drop_waits {
	struct by_id_tree tree;
	unsigned pass;
	int64_t others_due_ms; /* of those that found no room in this pass */
};

struct drop_waits *drop_waits_new(void)
{
	struct drop_waits *w = xcalloc(1, sizeof(*w));

	by_id_init(&w->tree);
	w->others_due_ms = DROP_WAITS_NEVER;
	return w;
}

static struct waiting *of_node(struct by_id *node)
{
	return (struct waiting *)(void *)((char *)node -
					  offsetof(struct waiting, by_id));
}

static struct waiting *find(const struct drop_waits *w, uint64_t id)
{
	struct by_id *node = by_id_find(&w->tree, id);

	return node != NULL ? of_node(node) : NULL;
}

static struct waiting *first(const struct drop_waits *w)
{
	struct by_id *node = by_id_find(&w->tree, 0);

	if (node == NULL)
		node = by_id_above(&w->tree, 0);
	return node != NULL ? of_node(node) : NULL;
}

static struct waiting *behind(const struct drop_waits *w, uint64_t id)
{
	struct by_id *node = by_id_above(&w->tree, id);

	return node != NULL ? of_node(node) : NULL;
}

static void drop(struct drop_waits *w, struct waiting *waiting)
{
	by_id_remove(&w->tree, &waiting->by_id);
	free(waiting);
}

void drop_waits_free(struct drop_waits **wp)
{
	struct drop_waits *w = *wp;
	struct waiting *waiting;

	*wp = NULL;
	if (w == NULL)
		return;
	while ((waiting = first(w)) != NULL)
		drop(w, waiting);
	free(w);
}

void drop_waits_begin_pass(struct drop_waits *w)
{
	w->pass++;
	w->others_due_ms = DROP_WAITS_NEVER;
}

int64_t drop_waits_end_pass(struct drop_waits *w)
{
	int64_t due_ms = w->others_due_ms;
	struct waiting *waiting, *next;

	for (waiting = first(w); waiting != NULL; waiting = next) {
		next = behind(w, waiting->by_id.id);
		if (waiting->pass != w->pass)
			drop(w, waiting);
		else if (waiting->due_ms < due_ms)
			due_ms = waiting->due_ms;
	}
	return due_ms;
}

bool drop_waits_is_due(struct drop_waits *w, uint64_t id, int64_t now_ms)
{
	struct waiting *waiting = find(w, id);

	if (waiting == NULL)
		return true;
	waiting->pass = w->pass;
	return waiting->due_ms <= now_ms;
}

static struct waiting *add(struct drop_waits *w, uint64_t id)
{
	struct waiting *waiting = NULL;

	if (w->tree.count < DROP_WAITS_MAX)
		waiting = calloc(1, sizeof(*waiting));
	if (waiting == NULL)
		return NULL;
	waiting->by_id.id = id;
	waiting->pass = w->pass;
	by_id_add(&w->tree, &waiting->by_id);
	return waiting;
}

bool drop_waits_refuse(struct drop_waits *w, uint64_t id, int64_t now_ms)
{
	struct waiting *waiting = find(w, id);
	const bool known = waiting != NULL;

	if (!known)
		waiting = add(w, id);
	if (waiting == NULL) {
		w->others_due_ms = now_ms + DROP_DELAY_MAX_MS;
		return false;
	}
	waiting->delay_ms = waiting->delay_ms > 0 ? 2 * waiting->delay_ms
						  : DROP_DELAY_FIRST_MS;
	if (waiting->delay_ms > DROP_DELAY_MAX_MS)
		waiting->delay_ms = DROP_DELAY_MAX_MS;
	waiting->due_ms = now_ms + waiting->delay_ms;
	return !known;
}

void drop_waits_flush(struct drop_waits *w)
{
	struct waiting *waiting;

	for (waiting = first(w); waiting != NULL;
		waiting = behind(w, waiting->by_id.id)) {
		waiting->due_ms = INT64_MIN;
		waiting->delay_ms = 0;
	}
}

void drop_waits_forget(struct drop_waits *w, uint64_t id)
{
	struct waiting *waiting = find(w, id);

	if (waiting != NULL)
		drop(w, waiting);
}
