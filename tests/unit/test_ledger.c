/*
 * test_ledger.c - what was sent in the last 24 hours, by any clock.
 */
#include "config.h"

#include "base/util.h"
#include "relay/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NOW 1795322706LL
#define DAY (24 * 3600)

static void expect(
	struct ledger *l, int64_t now, unsigned messages, unsigned recipients)
{
	struct ledger_sum sum = ledger_total(l, now);

	assert_int_equal(sum.messages, messages);
	assert_int_equal(sum.recipients, recipients);
}

static void a_day_is_counted_and_then_forgotten(void **state)
{
	struct ledger l = {0};
	int hour;

	(void)state;
	expect(&l, NOW, 0, 0);
	for (hour = 0; hour < 24; hour++)
		ledger_add(&l, NOW + hour * 3600, 3);
	expect(&l, NOW + 23 * 3600, 24, 72);
	for (hour = 24; hour < 48; hour++)
		expect(&l, NOW + hour * 3600 + LEDGER_BUCKET_S,
			(unsigned)(47 - hour), 3 * (unsigned)(47 - hour));
	expect(&l, NOW + 1000LL * DAY, 0, 0);
	ledger_add(&l, NOW + 1000LL * DAY, 1);
	expect(&l, NOW + 1000LL * DAY, 1, 1);
}

static void nothing_is_forgotten_before_a_day_is_over(void **state)
{
	int64_t begun, now;

	(void)state;
	for (begun = NOW; begun < NOW + LEDGER_BUCKET_S; begun += 7) {
		struct ledger l = {0};

		ledger_add(&l, begun, 2);
		for (now = begun; now < begun + DAY - LEDGER_BUCKET_S;
			now += 61)
			expect(&l, now, 1, 2);
		expect(&l, begun + DAY, 0, 0);
	}
}

/* At that time; the ledger itself stays where it is. */
static void expect_later(
	const struct ledger *l, int64_t now, unsigned messages, unsigned rcpts)
{
	struct ledger then = *l;

	expect(&then, now, messages, rcpts);
}

static void the_wait_ends_when_there_is_room(void **state)
{
	struct ledger l = {0};
	int64_t wait;
	int i;

	(void)state;
	assert_int_equal(ledger_wait_s(&l, NOW, 10, 10), 0);
	for (i = 0; i < 10; i++)
		ledger_add(&l, NOW + i * 3600, 2);
	/* no limit, or one that is not reached */
	assert_int_equal(ledger_wait_s(&l, NOW + 36000, 0, 0), 0);
	assert_int_equal(ledger_wait_s(&l, NOW + 36000, 11, 21), 0);
	/* the first one must leave the day; then three of them */
	wait = ledger_wait_s(&l, NOW + 36000, 10, 0);
	assert_true(wait > 0 && wait <= DAY - 36000);
	expect_later(&l, NOW + 36000 + wait, 9, 18);
	wait = ledger_wait_s(&l, NOW + 36000, 0, 15);
	assert_true(wait > 2 * 3600);
	expect_later(&l, NOW + 36000 + wait, 7, 14);
	expect_later(&l, NOW + 36000 + wait - 1, 8, 16);
	/* both limits count */
	assert_int_equal(ledger_wait_s(&l, NOW + 36000, 10, 15), wait);
	/* a limit below one message is waited out */
	assert_true(ledger_wait_s(&l, NOW + 36000, 1, 0) > 8 * 3600);
}

static void a_clock_that_goes_back_forgets_nothing(void **state)
{
	static const int64_t backs[] = {1, 299, 301, 3600, DAY - 1, DAY,
		DAY + 1, 100 * DAY, NOW - DAY, NOW - 3600, NOW};
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < COUNT_OF(backs); i++) {
		struct ledger l = {0};
		int64_t wait;

		for (n = 0; n < 20; n++)
			ledger_add(&l, NOW - DAY + 4000 + n * 4000, 1);
		expect(&l, NOW, 20, 20);
		expect(&l, NOW - backs[i], 20, 20);
		ledger_add(&l, NOW - backs[i], 1);
		expect(&l, NOW - backs[i], 21, 21);
		/* and it is a day still, not the years of the jump */
		wait = ledger_wait_s(&l, NOW - backs[i], 1, 0);
		assert_true(wait > 0 && wait <= DAY + 2 * LEDGER_BUCKET_S);
		expect(&l, NOW - backs[i] + DAY + 2 * LEDGER_BUCKET_S, 0, 0);
	}
}

/* As a state file is written and read again. */
static void restore(struct ledger *l, int64_t now, const struct buf *text)
{
	const char *line = text->data;
	unsigned messages, recipients;
	long long bucket;

	while (line != NULL && *line != '\0') {
		assert_int_equal(sscanf(line, "sent %lld %u %u\n", &bucket,
					 &messages, &recipients),
			3);
		ledger_restore(l, now, bucket, messages, recipients);
		line = strchr(line, '\n') + 1;
	}
}

static void what_is_printed_is_restored(void **state)
{
	struct ledger l = {0}, again = {0}, later = {0}, before = {0};
	struct buf text;
	int i;

	(void)state;
	buf_init(&text, 100000);
	assert_int_equal(ledger_print(&l, &text), 0);
	assert_int_equal(text.len, 0);
	for (i = 0; i < 300; i++)
		ledger_add(&l, NOW + i * 250, (unsigned)i);
	assert_int_equal(ledger_print(&l, &text), 0);
	restore(&again, NOW + 300 * 250, &text);
	expect(&again, NOW + 300 * 250, 300, 300 * 299 / 2);
	for (i = 0; i < 300; i += 13) {
		int64_t now = NOW + 300 * 250 + i * 300;
		struct ledger_sum a = ledger_total(&l, now);
		struct ledger_sum b = ledger_total(&again, now);

		assert_int_equal(a.messages, b.messages);
		assert_int_equal(a.recipients, b.recipients);
	}
	/* two days later it is of no use; by a clock that has gone back it is
	 * all of today's */
	restore(&later, NOW + 300 * 250 + 2 * DAY, &text);
	expect(&later, NOW + 300 * 250 + 2 * DAY, 0, 0);
	restore(&before, NOW - 100 * DAY, &text);
	expect(&before, NOW - 100 * DAY, 300, 300 * 299 / 2);
	buf_free(&text);
}

static void what_was_made_up_is_survived(void **state)
{
	struct ledger l = {0};

	(void)state;
	ledger_restore(&l, NOW, -1, 5, 5);
	ledger_restore(&l, NOW, INT64_MIN, 5, 5);
	ledger_restore(&l, NOW, 0, 5, 5);
	expect(&l, NOW, 0, 0);
	ledger_restore(&l, NOW, INT64_MAX, 5, 5);
	expect(&l, NOW, 5, 5);
}

static void a_full_buffer_is_told(void **state)
{
	struct ledger l = {0};
	struct buf text;

	(void)state;
	ledger_add(&l, NOW, 1);
	buf_init(&text, 5);
	assert_int_not_equal(ledger_print(&l, &text), 0);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_day_is_counted_and_then_forgotten),
		cmocka_unit_test(nothing_is_forgotten_before_a_day_is_over),
		cmocka_unit_test(the_wait_ends_when_there_is_room),
		cmocka_unit_test(a_clock_that_goes_back_forgets_nothing),
		cmocka_unit_test(what_is_printed_is_restored),
		cmocka_unit_test(what_was_made_up_is_survived),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
