/*
 * test_census.c - which clients are known, who makes way for whom, and what
 *                 another process makes of it.
 */
#include "config.h"

#include "base/util.h"
#include "receiver/census.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct fixture {
	struct client_record records[CLIENT_RECORDS_MAX];
	struct census census;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	census_init(&f->census, f->records);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	free(*state);
	return 0;
}

/* 10.0.x.y */
static struct peer peer_of(unsigned number)
{
	struct peer peer = {.kind = LISTENER_SMTP};

	peer.address.s6_addr[10] = 0xff;
	peer.address.s6_addr[11] = 0xff;
	peer.address.s6_addr[12] = 10;
	peer.address.s6_addr[14] = (unsigned char)(number >> 8);
	peer.address.s6_addr[15] = (unsigned char)number;
	return peer;
}

/* Finds the text's record, and reads it as another process would. */
static bool look_up(
	const struct fixture *f, const char *text, struct client_view *out)
{
	char name[CLIENT_TEXT_SIZE];
	size_t i;

	for (i = 0; i < CLIENT_RECORDS_MAX; i++)
		if (client_record_read(&f->records[i], out) == 1 &&
			strcmp(client_view_text(out, name), text) == 0)
			return true;
	return false;
}

static void each_has_its_record(void **state)
{
	struct fixture *f = *state;
	struct peer a = peer_of(1), b = peer_of(2);
	struct peer user = {.kind = LISTENER_SUBMIT, .uid = 4294967294U};
	struct peer v6 = {.kind = LISTENER_SMTP};
	struct client_view view;

	v6.address.s6_addr[0] = 0xfd;
	v6.address.s6_addr[15] = 7;
	census_quirks(&f->census, &a,
		QUIRK_BIT(QUIRK_BARE_LF) | QUIRK_BIT(QUIRK_NO_FROM));
	census_accepted(&f->census, &a);
	census_quirks(&f->census, &a, QUIRK_BIT(QUIRK_BARE_LF));
	census_accepted(&f->census, &a);
	census_refused(&f->census, &b);
	census_accepted(&f->census, &user);
	census_accepted(&f->census, &v6);
	assert_int_equal(f->census.count, 4);
	assert_true(look_up(f, "10.0.0.1", &view));
	assert_int_equal(view.accepted, 2);
	assert_int_equal(view.refused, 0);
	assert_int_equal(view.quirks[QUIRK_BARE_LF], 2);
	assert_int_equal(view.quirks[QUIRK_NO_FROM], 1);
	assert_int_equal(view.quirks[QUIRK_NO_DATE], 0);
	assert_true(view.first_s > 0 && view.last_s >= view.first_s);
	assert_true(look_up(f, "10.0.0.2", &view));
	assert_int_equal(view.refused, 1);
	assert_true(look_up(f, "uid 4294967294", &view));
	assert_true(look_up(f, "fd00::7", &view));
	assert_int_equal(client_record_read(&f->records[4], &view), 0);
}

static void the_oldest_makes_way(void **state)
{
	struct fixture *f = *state;
	struct client_view view;
	struct peer peer;
	unsigned i;
	char name[32];

	for (i = 0; i < CLIENT_RECORDS_MAX; i++) {
		peer = peer_of(i);
		census_accepted(&f->census, &peer);
		f->records[i].last_s = 1000 + i;
		f->records[i].slots[0] = 5;
	}
	f->records[0].last_s = 999999;
	f->census.pending[1] = 1;
	for (i = 0; i < 3; i++) {
		peer = peer_of(1000 + i);
		census_quirks(&f->census, &peer, 0);
	}
	assert_int_equal(f->census.count, CLIENT_RECORDS_MAX);
	/* 0 was seen lately, 1 is busy: 2, 3, 4 went */
	for (i = 0; i < CLIENT_RECORDS_MAX; i++) {
		snprintf(name, sizeof(name), "10.0.0.%u", i);
		assert_int_equal(
			look_up(f, name, &view), i < 2 || i > 4 ? 1 : 0);
	}
	assert_true(look_up(f, "10.0.3.232", &view));
	/* nothing of its predecessor is left */
	assert_int_equal(view.accepted, 0);
	assert_int_equal(f->records[2].slots[0], 0);
	/* the others are still found by their chains */
	for (i = 5; i < CLIENT_RECORDS_MAX; i++) {
		peer = peer_of(i);
		census_accepted(&f->census, &peer);
		assert_int_equal(f->records[i].accepted, 2);
	}
	/* all are busy: one more is not counted, and nobody goes */
	for (i = 0; i < CLIENT_RECORDS_MAX; i++)
		f->census.pending[i] = 1;
	peer = peer_of(2000);
	census_accepted(&f->census, &peer);
	assert_false(look_up(f, "10.0.7.208", &view));
}

/* Random comings, the same every time: each is found where the list says. */
static void chains_hold(void **state)
{
	struct fixture *f = *state;
	uint32_t seed = 7, round;
	struct client_view view;
	struct peer peer;
	char name[32];

	for (round = 0; round < 20000; round++) {
		seed = seed * 1664525 + 1013904223;
		peer = peer_of((seed >> 16) % 700);
		census_accepted(&f->census, &peer);
		f->records[(seed >> 8) % CLIENT_RECORDS_MAX].last_s = round;
		if (round % 500 != 0)
			continue;
		snprintf(name, sizeof(name), "10.0.%u.%u",
			(seed >> 16) % 700 / 256, (seed >> 16) % 700 % 256);
		assert_true(look_up(f, name, &view));
		assert_true(view.accepted > 0);
	}
	assert_int_equal(f->census.count, CLIENT_RECORDS_MAX);
}

static void the_next_process_goes_on(void **state)
{
	struct fixture *f = *state;
	struct peer a = peer_of(1), b = peer_of(2);

	census_accepted(&f->census, &a);
	census_accepted(&f->census, &b);
	census_init(&f->census, f->records);
	assert_int_equal(f->census.count, 2);
	census_accepted(&f->census, &b);
	assert_int_equal(f->records[1].accepted, 2);
	/* what no process of ours wrote is not gone on with */
	f->records[1].kind = 77;
	census_init(&f->census, f->records);
	assert_int_equal(f->census.count, 1);
}

static void nonsense_is_not_shown(void **state)
{
	struct fixture *f = *state;
	struct client_view view;
	struct peer a = peer_of(1);

	census_accepted(&f->census, &a);
	f->records[0].version = 7; /* for ever in the midst of a change */
	assert_int_equal(client_record_read(&f->records[0], &view), -1);
	f->records[0].version = 8;
	assert_int_equal(client_record_read(&f->records[0], &view), 1);
	f->records[0].kind = 3;
	assert_int_equal(client_record_read(&f->records[0], &view), -1);
	f->records[0].kind = CLIENT_ADDRESS;
	f->records[0].first_s = UINT64_MAX;
	assert_int_equal(client_record_read(&f->records[0], &view), 1);
	assert_int_equal(view.first_s, INT64_MAX);
}

static void told_of_once_an_hour(void **state)
{
	struct fixture *f = *state;
	struct peer a = peer_of(1), b = peer_of(2);

	assert_true(census_alert(&f->census, &a));
	assert_false(census_alert(&f->census, &a));
	assert_true(census_alert(&f->census, &b));
	f->census.alerted_ms[0] -= 60 * 60 * 1000 + 1;
	assert_true(census_alert(&f->census, &a));
	assert_false(census_alert(&f->census, &a));
	assert_false(census_alert(&f->census, &b));
}

/* More clients at the same time than are known: those that cannot be counted
 * have to wait. */
static void one_that_cannot_be_counted_waits(void **state)
{
	struct fixture *f = *state;
	struct peer peer;
	unsigned i;

	for (i = 0; i < CLIENT_RECORDS_MAX; i++) {
		peer = peer_of(i);
		assert_int_equal(census_begin(&f->census, &peer, 1), 0);
		assert_int_equal(census_begin(&f->census, &peer, 1), -1);
	}
	peer = peer_of(1000);
	assert_int_equal(census_begin(&f->census, &peer, 1), -1);
	peer = peer_of(3);
	census_end(&f->census, &peer);
	peer = peer_of(1000);
	assert_int_equal(census_begin(&f->census, &peer, 1), 0);
}

/* The clock that slots are counted by begins anew with the machine. */
static void a_slot_to_come_is_nonsense(void **state)
{
	struct fixture *f = *state;
	struct peer a = peer_of(1);

	census_accepted(&f->census, &a);
	f->records[0].slot = UINT64_MAX;
	f->records[0].slots[0] = 9;
	assert_int_equal(census_begin(&f->census, &a, 1), 0);
	assert_int_equal(f->records[0].slots[0], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			each_has_its_record, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_oldest_makes_way, setup, teardown),
		cmocka_unit_test_setup_teardown(chains_hold, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_next_process_goes_on, setup, teardown),
		cmocka_unit_test_setup_teardown(
			nonsense_is_not_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(
			told_of_once_an_hour, setup, teardown),
		cmocka_unit_test_setup_teardown(
			one_that_cannot_be_counted_waits, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_slot_to_come_is_nonsense, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
