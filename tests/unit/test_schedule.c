/*
 * test_schedule.c - the heap against a plain search; the retry policy.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "relay/schedule.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { ITEMS = 500, STEPS = 20000 };

struct item {
	struct scheduled scheduled; /* first */
	int64_t due_ms;
	unsigned long order; /* of its last move */
	bool in;
};

/* The one that ought to be first. */
static struct item *first_of(struct item *items)
{
	struct item *best = NULL;
	size_t i;

	for (i = 0; i < ITEMS; i++)
		if (items[i].in &&
			(best == NULL || items[i].due_ms < best->due_ms ||
				(items[i].due_ms == best->due_ms &&
					items[i].order < best->order)))
			best = &items[i];
	return best;
}

static void check_due(struct schedule *s, const struct item *items)
{
	static const size_t most[] = {0, 1, 3, ITEMS, 10 * ITEMS};
	size_t i, due;
	int64_t now;

	for (now = -1; now <= 50; now += 17) {
		due = 0;
		for (i = 0; i < ITEMS; i++)
			due += items[i].in && items[i].due_ms <= now;
		for (i = 0; i < COUNT_OF(most); i++)
			assert_int_equal(schedule_due(s, now, most[i]),
				due < most[i] ? due : most[i]);
	}
}

static void check(struct schedule *s, struct item *items)
{
	size_t i, count = 0;

	for (i = 0; i < ITEMS; i++)
		count += items[i].in;
	assert_int_equal(schedule_count(s), count);
	assert_ptr_equal(schedule_first(s), first_of(items));
	for (i = 0; i < count; i++)
		assert_int_equal(schedule_at(s, i)->index, i);
	check_due(s, items);
}

static void change(struct schedule *s, struct item *item, uint32_t random)
{
	item->due_ms = random % 7 == 0 ? SCHEDULE_NEVER : random % 50;
	if (!item->in) {
		assert_int_equal(
			schedule_add(s, &item->scheduled, item->due_ms), 0);
		item->in = true;
	} else if (random % 3 == 0) {
		schedule_remove(s, &item->scheduled);
		item->in = false;
	} else {
		schedule_move(s, &item->scheduled, item->due_ms);
	}
}

static void the_first_is_the_earliest_whatever_happens(void **state)
{
	struct item *items = xcalloc(ITEMS, sizeof(*items));
	struct schedule *s = schedule_new();
	uint32_t random = 1;
	unsigned long step;

	(void)state;
	assert_null(schedule_first(s));
	for (step = 0; step < STEPS; step++) {
		random = random * 1664525 + 1013904223;
		items[random / 65536 % ITEMS].order = step;
		change(s, &items[random / 65536 % ITEMS], random >> 7);
		if (step % 16 == 0)
			check(s, items);
	}
	check(s, items);
	schedule_free(&s);
	assert_null(s);
	free(items);
}

static void equal_times_come_in_the_order_of_their_going_in(void **state)
{
	struct item *items = xcalloc(ITEMS, sizeof(*items));
	struct schedule *s = schedule_new();
	size_t i;

	(void)state;
	for (i = 0; i < ITEMS; i++)
		assert_int_equal(schedule_add(s, &items[i].scheduled, 1000), 0);
	for (i = 0; i < ITEMS; i++) {
		assert_ptr_equal(schedule_first(s), &items[i]);
		schedule_remove(s, &items[i].scheduled);
	}
	assert_int_equal(schedule_count(s), 0);
	assert_null(schedule_first(s));
	/* empty, and of use again */
	assert_int_equal(schedule_add(s, &items[3].scheduled, 5), 0);
	assert_ptr_equal(schedule_first(s), &items[3]);
	schedule_free(&s);
	schedule_free(&s); /* NULL is fine */
	free(items);
}

static void the_last_retry_repeats(void **state)
{
	struct conf conf = {
		.retry_ms = {60000, 300000, 3600000}, .retry_count = 3};

	(void)state;
	assert_int_equal(schedule_retry_ms(&conf, 0), 60000);
	assert_int_equal(schedule_retry_ms(&conf, 1), 60000);
	assert_int_equal(schedule_retry_ms(&conf, 2), 300000);
	assert_int_equal(schedule_retry_ms(&conf, 3), 3600000);
	assert_int_equal(schedule_retry_ms(&conf, 4), 3600000);
	assert_int_equal(schedule_retry_ms(&conf, UINT32_MAX), 3600000);
}

static void back_off_doubles_up_to_its_cap(void **state)
{
	const int64_t want[] = {
		5000, 10000, 20000, 40000, 80000, 160000, 300000, 300000};
	int64_t wait;
	unsigned i;

	(void)state;
	for (i = 0; i < COUNT_OF(want); i++) {
		assert_int_equal(
			schedule_backoff_ms(5000, 300000, i, 0), want[i]);
		assert_int_equal(
			schedule_backoff_ms(5000, 300000, i, UINT32_MAX),
			want[i] + want[i] / 4);
		wait = schedule_backoff_ms(5000, 300000, i, UINT32_MAX / 2);
		assert_true(wait > want[i] && wait < want[i] + want[i] / 4);
	}
	assert_int_equal(
		schedule_backoff_ms(5000, 300000, UINT32_MAX, 0), 300000);
	/* a first wait above the cap is the cap */
	assert_int_equal(schedule_backoff_ms(10000, 5000, 0, 0), 5000);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_is_the_earliest_whatever_happens),
		cmocka_unit_test(
			equal_times_come_in_the_order_of_their_going_in),
		cmocka_unit_test(the_last_retry_repeats),
		cmocka_unit_test(back_off_doubles_up_to_its_cap),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
