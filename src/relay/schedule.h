/*
 * schedule.h - which message is due next: a heap by time; and the retry policy.
 * Used by:    relay/dispatch (the heap), relay/account* (back-off).
 * Pure:       no descriptor, no clock, no log.
 */
#ifndef GMRELAY_RELAY_SCHEDULE_H
#define GMRELAY_RELAY_SCHEDULE_H

#include <stddef.h>
#include <stdint.h>

/* Due time of what waits for something else than time. */
#define SCHEDULE_NEVER INT64_MAX

/* Embed it. Equal times come out in the order of their going in. */
struct scheduled {
	int64_t due_ms;  /* boot clock */
	uint32_t index;  /* its place in the heap */
	uint32_t serial; /* breaks ties */
};

struct schedule;
struct conf;

struct schedule *schedule_new(void);
void schedule_free(struct schedule **s); /* the items are not touched */

/* Returns 0, -1 without memory. */
int schedule_add(struct schedule *s, struct scheduled *item, int64_t due_ms);
void schedule_remove(struct schedule *s, struct scheduled *item);

/* Changes the time of an item that is in the heap. */
void schedule_move(struct schedule *s, struct scheduled *item, int64_t due_ms);

/* The earliest, or NULL. */
struct scheduled *schedule_first(const struct schedule *s);

/* How many are due at now_ms; counts up to max. */
size_t schedule_due(const struct schedule *s, int64_t now_ms, size_t max);

/* All items, in no order: 0 to schedule_count() - 1. */
size_t schedule_count(const struct schedule *s);
struct scheduled *schedule_at(const struct schedule *s, size_t index);

/* The wait before the next attempt after the attempts-th (from 1) refusal of a
 * message's own: `retry`, the last one repeating. Milliseconds. */
int64_t schedule_retry_ms(const struct conf *conf, unsigned attempts);

/* Doubling from first to cap, with up to a quarter of jitter from random (0 to
 * UINT32_MAX). step counts from 0. */
int64_t schedule_backoff_ms(
	int64_t first_ms, int64_t cap_ms, unsigned step, uint32_t random);

#endif
