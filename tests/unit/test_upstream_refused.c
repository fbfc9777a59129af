/*
 * test_upstream_refused.c - refusals within transactions: whose each reply is,
 *                           with and without PIPELINING and CHUNKING.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/util.h"
#include "relay/upstream_internal.h"
#include "upstream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const one[] = {"a@example.net", NULL};
static const char *const two[] = {"a@example.net", "b@example.net", NULL};
static const char *const four[] = {"a@example.net", "b@example.net",
	"c@example.net", "d@example.net", NULL};

#define SCRIPT(...)                                                            \
	(const char *const[])                                                  \
	{                                                                      \
		__VA_ARGS__, NULL                                              \
	}
#define FROM     "C MAIL FROM:<user@fake.test> SIZE=[0-9]*"
#define TO(name) "C RCPT TO:<" name "@example.net>"
#define OK       "S 250 2.1.0 OK"
#define TAKEN    "S 250 2.0.0 OK  1725842199 x - gsmtp"
#define RESET_TX "C RSET", "S 250 2.1.5 Flushed"

/* --- recipients, each with its own reply --- */

#define MIXED_1 OK
#define MIXED_2 "S 550-5.1.1 No such", "S 550 5.1.1 user"
#define MIXED_3 "S 450 4.2.1 too quickly"
#define MIXED_4 "S 452 4.5.3 Too many recipients"

static void test_mixed_recipients(void **state)
{
	const char *const *const scripts[] = {
		SCRIPT(READY_PLAIN, FROM, OK, TO("a"), MIXED_1, TO("b"),
			MIXED_2, TO("c"), MIXED_3, TO("d"), MIXED_4, "C DATA",
			"S 354 go", "DATA", TAKEN, GOODBYE),
		SCRIPT(READY_PIPELINING, FROM, TO("a"), TO("b"), TO("c"),
			TO("d"), "C DATA", OK, MIXED_1, MIXED_2, MIXED_3,
			MIXED_4, "S 354 go", "DATA", TAKEN, GOODBYE),
		SCRIPT(READY_CHUNKING, FROM, OK, TO("a"), MIXED_1, TO("b"),
			MIXED_2, TO("c"), MIXED_3, TO("d"), MIXED_4,
			"C BDAT 3 LAST", "BYTES 3", TAKEN, GOODBYE),
		SCRIPT(READY_BOTH, FROM, TO("a"), TO("b"), TO("c"), TO("d"),
			"C BDAT 3 LAST", "BYTES 3", OK, MIXED_1, MIXED_2,
			MIXED_3, MIXED_4, TAKEN, GOODBYE),
	};
	struct fixture *f = *state;
	struct delivery *d;
	size_t i;

	for (i = 0; i < COUNT_OF(scripts); i++) {
		d = fixture_add(f, "x\r\n", 0, four);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i]);
		fixture_assert_fine(f);
		assert_int_equal(d->rcpts[0].outcome, OUTCOME_DELIVERED);
		assert_int_equal(d->rcpts[1].outcome, OUTCOME_FAIL);
		assert_int_equal(d->rcpts[1].reply.code, 550);
		assert_string_equal(d->rcpts[1].reply.text, "No such user");
		assert_non_null(d->rcpts[1].rule);
		assert_int_equal(d->rcpts[2].outcome, OUTCOME_RETRY);
		assert_int_equal(d->rcpts[3].outcome, OUTCOME_SPLIT);
	}
}

/* Nobody was accepted: what the rest of the flight gets is only the echo. */
static void test_all_recipients_refused(void **state)
{
#define NO_A "S 550 5.1.1 no a"
#define NO_B "S 553 5.1.2 no b"
	const char *const *const scripts[] = {
		SCRIPT(READY_PLAIN, FROM, OK, TO("a"), NO_A, TO("b"), NO_B,
			RESET_TX, FROM, "S 451 4.3.0 x", GOODBYE),
		SCRIPT(READY_PIPELINING, FROM, TO("a"), TO("b"), "C DATA", OK,
			NO_A, NO_B, "S 503 5.5.1 RCPT first", RESET_TX, FROM,
			TO("a"), "C DATA", "S 451 4.3.0 x", "S 503 5.5.1 x",
			"S 503 5.5.1 x", GOODBYE),
		/* 354 all the same: a lone dot (RFC 2920 3.1) */
		SCRIPT(READY_PIPELINING, FROM, TO("a"), TO("b"), "C DATA", OK,
			NO_A, NO_B, "S 354 go", "DATA",
			"S 554 5.5.1 no valid recipients", FROM, TO("a"),
			"C DATA", "S 451 4.3.0 x", "S 503 5.5.1 x",
			"S 503 5.5.1 x", GOODBYE),
		SCRIPT(READY_CHUNKING, FROM, OK, TO("a"), NO_A, TO("b"), NO_B,
			RESET_TX, FROM, "S 451 4.3.0 x", GOODBYE),
		SCRIPT(READY_BOTH, FROM, TO("a"), TO("b"), "C BDAT 3 LAST",
			"BYTES 3", OK, NO_A, NO_B,
			"S 503 5.5.1 no valid recipients", RESET_TX, FROM,
			TO("a"), "C BDAT 3 LAST", "BYTES 3", "S 451 4.3.0 x",
			"S 503 5.5.1 x", "S 503 5.5.1 x", RESET_TX, GOODBYE),
	};
	struct fixture *f = *state;
	struct delivery *d, *next;
	size_t i;

	f->account.messages_per_connection = 3;
	for (i = 0; i < COUNT_OF(scripts); i++) {
		fixture_forget(f);
		d = fixture_add(f, "x\r\n", 0, two);
		next = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i]);
		fixture_assert_fine(f);
		assert_int_equal(d->rcpts[0].outcome, OUTCOME_FAIL);
		assert_string_equal(d->rcpts[0].reply.text, "no a");
		assert_int_equal(d->rcpts[1].outcome, OUTCOME_FAIL);
		assert_string_equal(d->rcpts[1].reply.text, "no b");
		fixture_assert_outcome(next, OUTCOME_RETRY);
		assert_false(d->in_doubt);
	}
}

/* A further transaction at once only if this one got anywhere. */
static void test_split_that_leads_nowhere(void **state)
{
	static const char *const script[] = {READY_PLAIN, FROM, OK, TO("a"),
		"S 452 4.5.3 Too many recipients", TO("b"),
		"S 452 4.5.3 Too many recipients", RESET_TX, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, two);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_RETRY);
}

/* --- the message --- */

static void test_mail_refused(void **state)
{
	static const struct {
		const char *reply;
		enum rcpt_outcome outcome;
	} rows[] = {
		{"S 552 5.3.4 too big", OUTCOME_FAIL},
		{"S 451 4.9.9 later", OUTCOME_RETRY},
		{"S 550 5.9.9 as never before", OUTCOME_SUSPECT},
		{"S 553 5.1.7 sender", OUTCOME_SENDER},
	};
#define ECHOES "S 503 5.5.1 MAIL first", "S 503 5.5.1 MAIL first"
	struct fixture *f = *state;
	struct delivery *d;
	size_t i;

	for (i = 0; i < 3 * COUNT_OF(rows); i++) {
		const char *reply = rows[i / 3].reply;
		const char *const *const scripts[] = {
			SCRIPT(READY_PLAIN, FROM, reply, GOODBYE),
			SCRIPT(READY_PIPELINING, FROM, TO("a"), "C DATA", reply,
				ECHOES, GOODBYE),
			SCRIPT(READY_BOTH, FROM, TO("a"), "C BDAT 3 LAST",
				"BYTES 3", reply, ECHOES, RESET_TX, GOODBYE),
		};

		fixture_forget(f);
		d = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i % 3]);
		fixture_assert_fine(f);
		fixture_assert_outcome(d, rows[i / 3].outcome);
		assert_string_equal(
			d->rcpts[0].reply.text, reply + strlen("S 552 5.3.4 "));
		assert_false(d->in_doubt);
	}
}

/* RCPT taken after a refused MAIL, and 354: no way back but to hang up. */
static void test_data_after_refused_mail(void **state)
{
	static const char *const script[] = {READY_PIPELINING, FROM, TO("a"),
		"C DATA", "S 552 5.3.4 too big", OK, "S 354 go", "EOF", NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, one);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_DATA, ACTION_BACK_OFF, PAUSE_NONE);
	fixture_assert_outcome(d, OUTCOME_FAIL);
}

static void test_final_refused(void **state)
{
	static const struct {
		const char *reply;
		enum rcpt_outcome outcome;
	} rows[] = {
		{"S 552 5.7.0 blocked", OUTCOME_FAIL},
		{"S 451 4.3.0 later", OUTCOME_RETRY},
		{"S 554 5.9.9 as never before", OUTCOME_SUSPECT},
		{"S 450 4.2.1 too quickly", OUTCOME_RETRY},
	};
	struct fixture *f = *state;
	struct delivery *d, *next;
	size_t i;

	for (i = 0; i < 3 * COUNT_OF(rows); i++) {
		const char *reply = rows[i / 3].reply;
		/* after DATA no RSET is needed, after BDAT it is */
		const char *const *const scripts[] = {
			SCRIPT(READY_PIPELINING, FROM, TO("a"), TO("b"),
				"C DATA", OK, OK, "S 550 5.1.1 b", "S 354 go",
				"DATA", reply, FROM, TO("a"), "C DATA", OK, OK,
				"S 354 go", "DATA", TAKEN, GOODBYE),
			SCRIPT(READY_BOTH, FROM, TO("a"), TO("b"),
				"C BDAT 3 LAST", "BYTES 3", OK, OK,
				"S 550 5.1.1 b", reply, RESET_TX, FROM, TO("a"),
				"C BDAT 3 LAST", "BYTES 3", OK, OK, TAKEN,
				GOODBYE),
			SCRIPT(READY_PIPELINING, FROM, TO("a"), TO("b"),
				"C DATA", OK, OK, "S 550 5.1.1 b", reply,
				RESET_TX, FROM, TO("a"), "C DATA", OK, OK,
				"S 354 go", "DATA", TAKEN, GOODBYE),
		};

		fixture_forget(f);
		d = fixture_add(f, "x\r\n", 0, two);
		next = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i % 3]);
		fixture_assert_fine(f);
		assert_int_equal(d->rcpts[0].outcome, rows[i / 3].outcome);
		assert_int_equal(d->rcpts[1].outcome, OUTCOME_FAIL);
		assert_string_equal(d->rcpts[1].reply.text, "b");
		fixture_assert_outcome(next, OUTCOME_DELIVERED);
	}
}

/* --- the account --- */

#define LIMIT "550-5.4.5 Daily user sending limit exceeded. For more"
#define QUOTA "S " LIMIT, "S 550 5.4.5  https://support.google.com/a x - gsmtp"

static void test_quota(void **state)
{
	const char *const *const scripts[] = {
		/* to the message */
		SCRIPT(READY_PIPELINING, FROM, TO("a"), "C DATA", OK, OK,
			"S 354 go", "DATA", QUOTA, GOODBYE),
		SCRIPT(READY_BOTH, FROM, TO("a"), "C BDAT 3 LAST", "BYTES 3",
			OK, OK, QUOTA, GOODBYE),
		/* to DATA */
		SCRIPT(READY_PLAIN, FROM, OK, TO("a"), OK, "C DATA", QUOTA,
			GOODBYE),
		/* to MAIL */
		SCRIPT(READY_PLAIN, FROM, QUOTA, GOODBYE),
		SCRIPT(READY_PIPELINING, FROM, TO("a"), "C DATA", QUOTA, ECHOES,
			GOODBYE),
		/* to RCPT */
		SCRIPT(READY_PLAIN, FROM, OK, TO("a"), QUOTA, GOODBYE),
	};
	static const enum phase phases[] = {PHASE_FINAL, PHASE_FINAL,
		PHASE_DATA, PHASE_MAIL, PHASE_MAIL, PHASE_RCPT};
	struct fixture *f = *state;
	struct delivery *d;
	size_t i;

	for (i = 0; i < COUNT_OF(scripts); i++) {
		d = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i]);
		fixture_assert_trouble(f, phases[i], ACTION_QUOTA, PAUSE_QUOTA);
		fixture_assert_outcome(d, OUTCOME_UNTRIED);
		assert_int_equal(d->rcpts[0].reply.code, 0);
		assert_null(d->rcpts[0].rule);
		assert_false(d->in_doubt);
		assert_int_equal(f->trouble.reply.code, 550);
	}
}

/* What is in flight already is judged by its own answer; only what is not yet
 * sent is held back. */
static void test_quota_for_one_recipient(void **state)
{
	static const char *const whole[] = {READY_BOTH, FROM, TO("a"), TO("b"),
		"C BDAT 3 LAST", "BYTES 3", OK, OK, QUOTA, TAKEN, GOODBYE,
		NULL};
	static const char *const data[] = {READY_PIPELINING, FROM, TO("a"),
		TO("b"), "C DATA", OK, OK, QUOTA, "S 354 go", "EOF", NULL};
	static const char *const plain[] = {READY_PLAIN, FROM, OK, TO("a"), OK,
		TO("b"), QUOTA, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, two);

	fixture_run(f, FAKE_CERT_GOOD, whole);
	fixture_assert_trouble(f, PHASE_RCPT, ACTION_QUOTA, PAUSE_QUOTA);
	assert_int_equal(d->rcpts[0].outcome, OUTCOME_DELIVERED);
	assert_int_equal(d->rcpts[1].outcome, OUTCOME_UNTRIED);
	d = fixture_add(f, "x\r\n", 0, two);
	fixture_run(f, FAKE_CERT_GOOD, data);
	fixture_assert_trouble(f, PHASE_RCPT, ACTION_QUOTA, PAUSE_QUOTA);
	fixture_assert_outcome(d, OUTCOME_UNTRIED);
	d = fixture_add(f, "x\r\n", 0, two);
	fixture_run(f, FAKE_CERT_GOOD, plain);
	fixture_assert_trouble(f, PHASE_RCPT, ACTION_QUOTA, PAUSE_QUOTA);
	fixture_assert_outcome(d, OUTCOME_UNTRIED);
}

/* What may be about the connection, or about how it is used, is tried on a new
 * one, with nothing pipelined; there it counts. */
static void test_second_connection(void **state)
{
	const struct {
		const char *reply;
		enum rcpt_outcome outcome; /* the second time */
		enum action action;
		enum pause pause;
	} rows[] = {
		{"S 530 5.7.0 Authentication Required.", OUTCOME_UNTRIED,
			ACTION_HOLD, PAUSE_HOLD},
		{"S 451 4.5.0 SMTP protocol violation", OUTCOME_RETRY,
			ACTION_NONE, PAUSE_NONE},
		{"S 502 5.5.1 Unrecognized command.", OUTCOME_RETRY,
			ACTION_NONE, PAUSE_NONE},
		{"S 503 5.5.1 Bad sequence of commands.", OUTCOME_RETRY,
			ACTION_NONE, PAUSE_NONE},
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		const char *const *const first = SCRIPT(READY_BOTH, FROM,
			TO("a"), "C BDAT 3 LAST", "BYTES 3", rows[i].reply,
			"S 503 5.5.1 x", "S 503 5.5.1 x", GOODBYE);
		const char *const *const second =
			SCRIPT(READY_BOTH, FROM, rows[i].reply, GOODBYE);

		f->params.careful = false;
		fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, first);
		fixture_assert_trouble(
			f, PHASE_MAIL, ACTION_RECONNECT, PAUSE_NONE);
		assert_true(f->trouble.again);
		fixture_assert_outcome(f->deliveries[2 * i], OUTCOME_UNTRIED);
		assert_false(f->deliveries[2 * i]->in_doubt);
		f->params.careful = true;
		fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, second);
		fixture_assert_outcome(
			f->deliveries[2 * i + 1], rows[i].outcome);
		if (rows[i].action == ACTION_NONE)
			fixture_assert_fine(f);
		else
			fixture_assert_trouble(
				f, PHASE_MAIL, rows[i].action, rows[i].pause);
	}
}

/* A careful connection uses no extension that saves time. */
static void test_careful(void **state)
{
	struct fixture *f = *state;

	f->params.careful = true;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD,
		SCRIPT(READY_BOTH, FROM, OK, TO("a"), OK, "C DATA", "S 354 go",
			"DATA", TAKEN, GOODBYE));
	fixture_assert_fine(f);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_DELIVERED);
}

/* Our own greeting comes back: a circle, not an attack. */
static void test_a_circle(void **state)
{
	static const char *const ours[] = {
		"S 220 relay.example.org ESMTP gmrelayd", GOODBYE, NULL};
	static const char *const others[] = {
		"S 220 other.example.org ESMTP gmrelayd",
		"C EHLO relay.example.org", "S 554 5.7.1 no", GOODBYE, NULL};
	struct fixture *f = *state;

	f->params.ehlo_name = "relay.example.org";
	fixture_run(f, FAKE_CERT_GOOD, ours);
	fixture_assert_trouble(f, PHASE_BANNER, ACTION_BACK_OFF, PAUSE_NONE);
	assert_non_null(strstr(f->trouble.text, "this relay itself"));
	assert_non_null(strstr(f->trouble.advice, "smtp.gmail.com"));
	fixture_run(f, FAKE_CERT_GOOD, others);
	fixture_assert_trouble(f, PHASE_EHLO, ACTION_BACK_OFF, PAUSE_NONE);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_mixed_recipients),
		TEST(test_all_recipients_refused),
		TEST(test_split_that_leads_nowhere),
		TEST(test_mail_refused),
		TEST(test_data_after_refused_mail),
		TEST(test_final_refused),
		TEST(test_quota),
		TEST(test_quota_for_one_recipient),
		TEST(test_second_connection),
		TEST(test_careful),
		TEST(test_a_circle),
	};

	return cmocka_run_group_tests_name("upstream refused", tests,
		fixture_group_setup, fixture_group_teardown);
}
