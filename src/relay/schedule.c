/*
 * schedule.c - which message is due next: a heap by time; and the retry policy.
 */
#include "config.h"

#include "relay/schedule.h"

#include "base/conf.h"
#include "base/util.h"

#include <stdlib.h>

enum { HEAP_FIRST_SIZE = 64 };

struct schedule {
	struct scheduled **items;
	size_t count;
	size_t cap;
	uint32_t serial;
};

struct schedule *schedule_new(void)
{
	return xcalloc(1, sizeof(struct schedule));
}

void schedule_free(struct schedule **sp)
{
	if (*sp != NULL)
		free((*sp)->items);
	free(*sp);
	*sp = NULL;
}

static bool before(const struct scheduled *a, const struct scheduled *b)
{
	if (a->due_ms != b->due_ms)
		return a->due_ms < b->due_ms;
	return (int32_t)(a->serial - b->serial) < 0;
}

static void put(struct schedule *s, size_t at, struct scheduled *item)
{
	s->items[at] = item;
	item->index = (uint32_t)at;
}

static void sift_up(struct schedule *s, size_t at)
{
	struct scheduled *item = s->items[at];

	while (at > 0 && before(item, s->items[(at - 1) / 2])) {
		put(s, at, s->items[(at - 1) / 2]);
		at = (at - 1) / 2;
	}
	put(s, at, item);
}

static void sift_down(struct schedule *s, size_t at)
{
	struct scheduled *item = s->items[at];
	size_t child;

	while ((child = 2 * at + 1) < s->count) {
		if (child + 1 < s->count &&
			before(s->items[child + 1], s->items[child]))
			child++;
		if (!before(s->items[child], item))
			break;
		put(s, at, s->items[child]);
		at = child;
	}
	put(s, at, item);
}

static int make_room(struct schedule *s)
{
	size_t cap = s->cap > 0 ? 2 * s->cap : HEAP_FIRST_SIZE;
	struct scheduled **grown;

	if (s->count < s->cap)
		return 0;
	grown = realloc(s->items, cap * sizeof(struct scheduled *));
	if (grown == NULL)
		return -1;
	s->items = grown;
	s->cap = cap;
	return 0;
}

int schedule_add(struct schedule *s, struct scheduled *item, int64_t due_ms)
{
	if (make_room(s) != 0)
		return -1;
	item->due_ms = due_ms;
	item->serial = s->serial++;
	put(s, s->count++, item);
	sift_up(s, s->count - 1);
	return 0;
}

void schedule_remove(struct schedule *s, struct scheduled *item)
{
	size_t at = item->index;
	struct scheduled *last = s->items[--s->count];

	if (last != item) {
		put(s, at, last);
		sift_up(s, at);
		sift_down(s, last->index);
	}
	if (s->count == 0) {
		/* An empty queue costs nothing. */
		free(s->items);
		s->items = NULL;
		s->cap = 0;
	}
}

void schedule_move(struct schedule *s, struct scheduled *item, int64_t due_ms)
{
	item->due_ms = due_ms;
	item->serial = s->serial++;
	sift_up(s, item->index);
	sift_down(s, item->index);
}

struct scheduled *schedule_first(const struct schedule *s)
{
	return s->count > 0 ? s->items[0] : NULL;
}

/* Those below an item of the heap that is not due are not due either. */
static size_t count_due(
	const struct schedule *s, size_t at, int64_t now_ms, size_t max)
{
	size_t count = 1;

	if (max == 0 || at >= s->count || s->items[at]->due_ms > now_ms)
		return 0;
	count += count_due(s, 2 * at + 1, now_ms, max - count);
	return count + count_due(s, 2 * at + 2, now_ms, max - count);
}

size_t schedule_due(const struct schedule *s, int64_t now_ms, size_t max)
{
	return count_due(s, 0, now_ms, max);
}

size_t schedule_count(const struct schedule *s)
{
	return s->count;
}

struct scheduled *schedule_at(const struct schedule *s, size_t index)
{
	return s->items[index];
}

int64_t schedule_retry_ms(const struct conf *conf, unsigned attempts)
{
	size_t step = attempts > 0 ? attempts - 1 : 0;

	if (step >= conf->retry_count)
		step = conf->retry_count - 1;
	return conf->retry_ms[step];
}

int64_t schedule_backoff_ms(
	int64_t first_ms, int64_t cap_ms, unsigned step, uint32_t random)
{
	int64_t wait = first_ms;

	while (step-- > 0 && wait < cap_ms)
		wait *= 2;
	if (wait > cap_ms)
		wait = cap_ms;
	return wait + (int64_t)((uint64_t)wait / 4 * random / UINT32_MAX);
}
