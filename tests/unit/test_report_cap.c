/*
 * test_report_cap.c - no storm of reports, by a simulated clock.
 */
#include "config.h"

#include "base/util.h"
#include "relay/report_cap.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SECOND INT64_C(1000)
#define HOUR   REPORT_CAP_HOUR_MS
#define NOW    (100 * SECOND)

/* What an address gets, and what of its messages it was not told of. */
struct mailbox {
	uint64_t key;
	unsigned singles;
	unsigned digests;
	unsigned waiting;
	unsigned told;
	int64_t hour_ms;       /* since when the next two count */
	unsigned reports_hour; /* in any hour from its first report on */
};

static struct mailbox mailbox_of(
	const struct report_cap *cap, const char *address)
{
	return (struct mailbox){.key = report_cap_key(cap, address)};
}

static void count_report(struct mailbox *m, int64_t now)
{
	if (m->hour_ms == 0 || now - m->hour_ms >= HOUR) {
		m->hour_ms = now;
		m->reports_hour = 0;
	}
	assert_true(++m->reports_hour <= REPORT_CAP_SINGLES);
}

static void fails(struct report_cap *cap, struct mailbox *m, int64_t now)
{
	if (report_cap_take(cap, m->key, now)) {
		m->singles++;
		m->told++;
		count_report(m, now);
		return;
	}
	m->waiting++;
	report_cap_wait(cap, m->key, now, now + HOUR);
}

/* The timer: all digests that are due. */
static void pass(struct report_cap *cap, struct mailbox *boxes, size_t count,
	int64_t now)
{
	uint64_t key;
	size_t i;

	while ((key = report_cap_next(cap, now)) != 0) {
		for (i = 0; boxes[i].key != key; i++)
			assert_true(i + 1 < count);
		assert_true(boxes[i].waiting > 0);
		boxes[i].digests++;
		boxes[i].told += boxes[i].waiting;
		boxes[i].waiting = 0;
		count_report(&boxes[i], now);
	}
}

static void the_first_of_an_hour_go_singly(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");
	int64_t now = NOW;
	int i;

	(void)state;
	for (i = 0; i < REPORT_CAP_SINGLES; i++, now += SECOND) {
		/* to ask costs nothing */
		assert_true(report_cap_allows(cap, m.key, now));
		assert_true(report_cap_allows(cap, m.key, now));
		fails(cap, &m, now);
	}
	assert_int_equal(m.singles, REPORT_CAP_SINGLES);
	assert_true(report_cap_due_ms(cap) == REPORT_CAP_NEVER);
	assert_false(report_cap_allows(cap, m.key, now));
	fails(cap, &m, now);
	assert_int_equal(m.singles, REPORT_CAP_SINGLES);
	assert_int_equal(m.waiting, 1);
	/* the hour began with the first report */
	assert_true(report_cap_due_ms(cap) == NOW + HOUR);
	assert_true(report_cap_next(cap, NOW + HOUR - 1) == 0);
	pass(cap, &m, 1, NOW + HOUR);
	assert_int_equal(m.told, REPORT_CAP_SINGLES + 1);
	assert_true(report_cap_due_ms(cap) == REPORT_CAP_NEVER);
	report_cap_free(&cap);
}

static void a_quiet_hour_begins_anew(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");
	int i;

	(void)state;
	for (i = 0; i < 100; i++)
		fails(cap, &m, NOW + i * (HOUR / REPORT_CAP_SINGLES));
	assert_int_equal(m.singles, 100);
	assert_int_equal(m.waiting, 0);
	report_cap_free(&cap);
}

static void five_thousand_at_once_are_few_reports(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");
	int i;

	(void)state;
	for (i = 0; i < 5000; i++)
		fails(cap, &m, NOW + i / 10);
	pass(cap, &m, 1, NOW + HOUR);
	assert_int_equal(m.singles, REPORT_CAP_SINGLES);
	assert_int_equal(m.digests, 1);
	assert_int_equal(m.told, 5000);
	report_cap_free(&cap);
}

static void a_storm_that_goes_on_stays_capped(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");
	int64_t now;
	unsigned sent = 0;

	(void)state;
	/* two days, one a second; mailbox.count_report() judges each hour */
	for (now = NOW; now < NOW + 48 * HOUR; now += SECOND, sent++) {
		pass(cap, &m, 1, now);
		fails(cap, &m, now);
	}
	pass(cap, &m, 1, now + HOUR);
	assert_int_equal(m.told, sent);
	assert_true(m.digests >= 48 && m.digests <= 49);
	assert_true(m.singles + m.digests <= 49 * REPORT_CAP_SINGLES);
	report_cap_free(&cap);
}

static void one_address_does_not_use_up_anothers(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox boxes[2] = {mailbox_of(cap, "storm@example.org"),
		mailbox_of(cap, "quiet@example.org")};
	int i;

	(void)state;
	for (i = 0; i < 1000; i++)
		fails(cap, &boxes[0], NOW);
	fails(cap, &boxes[1], NOW);
	assert_int_equal(boxes[1].singles, 1);
	assert_int_equal(boxes[0].waiting, 1000 - REPORT_CAP_SINGLES);
	report_cap_free(&cap);
}

static void case_makes_no_other_address(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct report_cap *other = report_cap_new();

	(void)state;
	assert_true(report_cap_key(cap, "Owner@Example.ORG") ==
		    report_cap_key(cap, "owner@example.org"));
	assert_true(report_cap_key(cap, "owner@example.org") !=
		    report_cap_key(cap, "owner@example.com"));
	assert_true(report_cap_key(cap, "owner@example.org") !=
		    report_cap_key(other, "owner@example.org"));
	report_cap_free(&other);
	report_cap_free(&cap);
}

/* Found in failed/ at a start: its hour is the one in which it failed. */
static void what_waited_before_is_told_when_it_was_due(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");

	(void)state;
	m.waiting = 3;
	report_cap_wait(cap, m.key, NOW, NOW + 5 * SECOND);
	report_cap_wait(cap, m.key, NOW, NOW + 2 * SECOND);
	report_cap_wait(cap, m.key, NOW, NOW + 9 * SECOND);
	/* no new allowance by a start */
	fails(cap, &m, NOW + SECOND);
	assert_int_equal(m.singles, 0);
	pass(cap, &m, 1, NOW + 2 * SECOND - 1);
	assert_int_equal(m.digests, 0);
	pass(cap, &m, 1, NOW + 2 * SECOND);
	assert_int_equal(m.digests, 1);
	assert_int_equal(m.told, 4);
	report_cap_free(&cap);
}

/* A digest that is late (nobody ran the timer) is told of once, and nothing
 * goes out singly before it. */
static void a_late_digest_comes_first(void **state)
{
	struct report_cap *cap = report_cap_new();
	struct mailbox m = mailbox_of(cap, "owner@example.org");
	int i;

	(void)state;
	for (i = 0; i <= REPORT_CAP_SINGLES; i++)
		fails(cap, &m, NOW);
	fails(cap, &m, NOW + 5 * HOUR);
	assert_int_equal(m.waiting, 2);
	pass(cap, &m, 1, NOW + 5 * HOUR);
	assert_int_equal(m.digests, 1);
	fails(cap, &m, NOW + 5 * HOUR);
	assert_int_equal(m.singles, REPORT_CAP_SINGLES + 1);
	report_cap_free(&cap);
}

static void the_oldest_is_forgotten(void **state)
{
	struct report_cap *cap = report_cap_new();
	uint64_t key;
	int i;

	(void)state;
	for (key = 1; key <= REPORT_CAP_ADDRESSES_MAX; key++)
		for (i = 0; i < REPORT_CAP_SINGLES; i++)
			assert_true(
				report_cap_take(cap, key, NOW + (int64_t)key));
	/* one more: the first is forgotten, the second is not */
	assert_true(report_cap_take(cap, key, NOW + SECOND));
	assert_false(report_cap_overflowed(cap));
	assert_false(report_cap_take(cap, 2, NOW + SECOND));
	assert_true(report_cap_take(cap, 1, NOW + SECOND));
	report_cap_free(&cap);
}

static void one_that_waits_is_never_forgotten(void **state)
{
	enum { EXTRA = 50, ALL = REPORT_CAP_ADDRESSES_MAX + EXTRA };
	struct report_cap *cap = report_cap_new();
	struct mailbox *boxes = xcalloc(ALL, sizeof(*boxes));
	char address[32];
	int64_t now = NOW;
	size_t i;
	int n;

	(void)state;
	for (i = 0; i < ALL; i++) {
		snprintf(address, sizeof(address), "user%zu@example.org", i);
		boxes[i] = mailbox_of(cap, address);
		for (n = 0; n < 2 * REPORT_CAP_SINGLES; n++)
			fails(cap, &boxes[i], now);
	}
	assert_true(report_cap_overflowed(cap));
	for (i = 0; i < REPORT_CAP_ADDRESSES_MAX; i++)
		assert_int_equal(boxes[i].singles, REPORT_CAP_SINGLES);
	for (; i < ALL; i++)
		assert_int_equal(boxes[i].singles, 0);
	/* who keeps the messages says again what waits */
	for (n = 0; n < 3; n++) {
		now += HOUR;
		pass(cap, boxes, ALL, now);
		for (i = 0; i < ALL; i++)
			if (boxes[i].waiting > 0)
				report_cap_wait(cap, boxes[i].key, now, now);
		pass(cap, boxes, ALL, now);
	}
	for (i = 0; i < ALL; i++) {
		assert_int_equal(boxes[i].told, 2 * REPORT_CAP_SINGLES);
		assert_int_equal(boxes[i].digests, 1);
	}
	free(boxes);
	report_cap_free(&cap);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_of_an_hour_go_singly),
		cmocka_unit_test(a_quiet_hour_begins_anew),
		cmocka_unit_test(five_thousand_at_once_are_few_reports),
		cmocka_unit_test(a_storm_that_goes_on_stays_capped),
		cmocka_unit_test(one_address_does_not_use_up_anothers),
		cmocka_unit_test(case_makes_no_other_address),
		cmocka_unit_test(what_waited_before_is_told_when_it_was_due),
		cmocka_unit_test(a_late_digest_comes_first),
		cmocka_unit_test(the_oldest_is_forgotten),
		cmocka_unit_test(one_that_waits_is_never_forgotten),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
