/*
 * test_upstream_mail.c - transactions: what is sent with and without
 *                        PIPELINING and CHUNKING, and to whom each reply goes.
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

/* Starts with dots where they need care, 45 octets. */
static const char dotted[] =
	"Subject: x\r\n\r\n.\r\n..two\r\n.x\r\nmiddle . dot\r\n.\r\n";
static const char stuffed[] =
	"Subject: x\r\n\r\n..\r\n...two\r\n..x\r\nmiddle . dot\r\n..\r\n";

/* --- the four ways of sending --- */

static void test_plain(void **state)
{
	static const char *const script[] = {READY_PLAIN, FROM, "QUIET", OK,
		TO("a"), "QUIET", OK, TO("b"), "QUIET", OK, "C DATA", "QUIET",
		"S 354  Go ahead", "DATA", "QUIET", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, dotted, 0, two);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
	assert_int_equal(d->rcpts[1].reply.code, 250);
	assert_non_null(strstr(d->rcpts[1].reply.text, "1725842199"));
	assert_false(d->in_doubt);
	assert_string_equal(f->server.body.data, stuffed);
}

static void test_pipelining(void **state)
{
	static const char *const script[] = {READY_PIPELINING, FROM, TO("a"),
		TO("b"), "C DATA", "QUIET", OK, OK, OK, "S 354  Go ahead",
		"DATA", "QUIET", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, dotted, 0, two);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
	assert_string_equal(f->server.body.data, stuffed);
}

static void test_chunking(void **state)
{
	static const char *const script[] = {READY_CHUNKING, FROM, OK, TO("a"),
		OK, TO("b"), OK, "C BDAT 45 LAST", "BYTES 45", "QUIET", TAKEN,
		GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, dotted, 0, two);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
	assert_string_equal(f->server.body.data, dotted);
}

static void test_both(void **state)
{
	static const char *const script[] = {READY_BOTH, FROM, TO("a"), TO("b"),
		"C BDAT 45 LAST", "BYTES 45", "QUIET", OK, OK, OK, TAKEN,
		GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, dotted, 0, two);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
	assert_string_equal(f->server.body.data, dotted);
}

/* RFC 2920 3.1: replies may come in any pieces. */
static void test_replies_in_pieces(void **state)
{
	static const char *const script[] = {READY_BOTH, FROM, TO("a"),
		"C BDAT 3 LAST", "BYTES 3", "RAW 250-2.1.0 ye", "RAW s|25",
		"RAW 0 2.1.0 yes|250 2.1.5 OK", "RAW |250 OK|", GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, one);

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
}

/* At the limit of one flight and just beyond; and an empty message. */
static void test_sizes(void **state)
{
	static const char *const script[] = {READY_BOTH, FROM, TO("a"),
		"C BDAT 65536 LAST", "BYTES 65536", OK, OK, TAKEN, FROM,
		TO("a"), "QUIET", OK, OK, "C BDAT 65537 LAST", "BYTES 65537",
		TAKEN, FROM, TO("a"), "C BDAT 0 LAST", OK, OK, TAKEN, GOODBYE,
		NULL};
	static const char *const data[] = {READY_PIPELINING, FROM, TO("a"),
		"C DATA", OK, OK, "S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	size_t i;

	fixture_add(f, NULL, UPSTREAM_WHOLE_MAX, one);
	fixture_add(f, NULL, UPSTREAM_WHOLE_MAX + 1, one);
	fixture_add(f, "", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_add(f, "", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, data);
	fixture_assert_fine(f);
	assert_int_equal(f->server.body.len, 0);
	for (i = 0; i < f->added; i++)
		fixture_assert_outcome(f->deliveries[i], OUTCOME_DELIVERED);
}

/* Megabytes, through bounded buffers, every byte. */
static void test_large(void **state)
{
	static const char *const bdat[] = {READY_BOTH, FROM, TO("a"), OK, OK,
		"C BDAT 7800000 LAST", "BYTES 7800000", TAKEN, GOODBYE, NULL};
	static const char *const data[] = {READY_PIPELINING, FROM, TO("a"),
		"C DATA", OK, OK, "S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	struct buf first;

	fixture_add(f, NULL, 7800000, one);
	fixture_run(f, FAKE_CERT_GOOD, bdat);
	fixture_assert_fine(f);
	first = f->server.body;
	buf_init(&f->server.body, 1);
	fixture_add(f, NULL, 7800000, one);
	fixture_run(f, FAKE_CERT_GOOD, data);
	fixture_assert_fine(f);
	assert_int_equal(first.len, 7800000);
	assert_int_equal(f->server.body.len, first.len);
	assert_memory_equal(f->server.body.data, first.data, first.len);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_DELIVERED);
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
	buf_free(&first);
}

/* A line end and the dot behind it, with the border between two readings at
 * each place in them; and a message whose last line has no end. */
static void test_dots_between_chunks(void **state)
{
	static const char *const script[] = {READY_PIPELINING, FROM, TO("a"),
		"C DATA", OK, OK, "S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	enum { LINES = 10000 };
	struct fixture *f = *state;
	struct buf text, wanted;
	size_t shift, i;

	for (shift = 0; shift < 4; shift++) {
		buf_init(&text, 8 * LINES);
		buf_init(&wanted, 8 * LINES);
		buf_add(&text, "xxxx", shift);
		buf_add(&wanted, "xxxx", shift);
		for (i = 0; i < LINES; i++) {
			buf_add_string(&text, "\r\n..");
			buf_add_string(&wanted, "\r\n...");
		}
		buf_add_string(&wanted, "\r\n");
		fixture_add(f, text.data, 0, one);
		fixture_run(f, FAKE_CERT_GOOD, script);
		fixture_assert_fine(f);
		assert_string_equal(f->server.body.data, wanted.data);
		buf_free(&text);
		buf_free(&wanted);
	}
}

/* --- parameters of MAIL --- */

static void test_parameters(void **state)
{
	static const char *const script[] = {READY_BOTH,
		"C MAIL FROM:<> SIZE=3 BODY=8BITMIME SMTPUTF8",
		"C RCPT TO:<j\xc3\xb6rg@example.net>", "C BDAT 3 LAST",
		"BYTES 3", OK, OK, TAKEN, GOODBYE, NULL};
	static const char *const bare[] = {GREETING, "TLS", LINE_EHLO,
		"S 250-fake", "S 250 AUTH PLAIN", LOGIN,
		"C MAIL FROM:<user@fake.test>", OK, TO("a"), OK, "C DATA",
		"S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	static const char *const rcpts[] = {"j\xc3\xb6rg@example.net", NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, rcpts);

	d->reverse_path = "";
	d->eight_bit = true;
	d->smtputf8 = true;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
	/* nothing is asked that was not offered */
	d = fixture_add(f, "x\r\n", 0, one);
	d->eight_bit = true;
	fixture_run(f, FAKE_CERT_GOOD, bare);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_DELIVERED);
}

/* RFC 6531 3.2: there is no downgrade. The next message is not concerned. */
static void test_no_smtputf8(void **state)
{
	static const char *const script[] = {READY_PLAIN, FROM, OK, TO("a"), OK,
		"C DATA", "S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, two);

	d->smtputf8 = true;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_FAIL);
	assert_string_equal(d->rcpts[0].reply.enhanced, "5.6.7");
	assert_non_null(strstr(d->rcpts[0].rule->advice, "ASCII"));
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
}

/* No command of a stranger's gets into the dialogue. */
static void test_hostile_addresses(void **state)
{
	static const char *const script[] = {READY_BOTH, GOODBYE, NULL};
	static const char *const bad[] = {"a@example.net",
		"b@example.net>\r\nRCPT TO:<c@example.net", NULL};
	static char longest[400];
	static const char *const too_long[] = {longest, NULL};
	struct fixture *f = *state;

	memset(longest, 'a', sizeof(longest) - 1);
	fixture_add(f, "x\r\n", 0, bad);
	fixture_add(f, "x\r\n", 0, too_long);
	fixture_add(f, "x\r\n", 0, one)->reverse_path = "x\r\nQUIT";
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_FAIL);
	fixture_assert_outcome(f->deliveries[1], OUTCOME_FAIL);
	fixture_assert_outcome(f->deliveries[2], OUTCOME_FAIL);
}

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
		f->added = f->given = f->finished = 0;
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
		free(d->content);
		free(d);
		free(next->content);
		free(next);
	}
	f->added = 0;
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
		{"S 553 5.1.7 sender", OUTCOME_FAIL},
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

		f->given = f->finished = f->added = 0;
		d = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i % 3]);
		fixture_assert_fine(f);
		fixture_assert_outcome(d, rows[i / 3].outcome);
		assert_string_equal(
			d->rcpts[0].reply.text, reply + strlen("S 552 5.3.4 "));
		assert_false(d->in_doubt);
		free(d->content);
		free(d);
	}
	f->added = 0;
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

		f->given = f->finished = f->added = 0;
		d = fixture_add(f, "x\r\n", 0, two);
		next = fixture_add(f, "x\r\n", 0, one);
		fixture_run(f, FAKE_CERT_GOOD, scripts[i % 3]);
		fixture_assert_fine(f);
		assert_int_equal(d->rcpts[0].outcome, rows[i / 3].outcome);
		assert_int_equal(d->rcpts[1].outcome, OUTCOME_FAIL);
		assert_string_equal(d->rcpts[1].reply.text, "b");
		fixture_assert_outcome(next, OUTCOME_DELIVERED);
		free(d->content);
		free(d);
		free(next->content);
		free(next);
	}
	f->added = 0;
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

/* A login that was lost is worth one reconnection; one that never counted is
 * for a person. */
static void test_login_lost(void **state)
{
#define NO_LOGIN "S 530 5.7.0 Authentication Required."
	static const char *const first[] = {
		READY_PLAIN, FROM, NO_LOGIN, GOODBYE, NULL};
	static const char *const second[] = {READY_PLAIN, FROM, OK, TO("a"), OK,
		"C DATA", "S 354 go", "DATA", TAKEN, FROM, NO_LOGIN, GOODBYE,
		NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, first);
	fixture_assert_trouble(f, PHASE_MAIL, ACTION_HOLD, PAUSE_HOLD);
	fixture_add(f, "x\r\n", 0, one);
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, second);
	fixture_assert_trouble(f, PHASE_MAIL, ACTION_RECONNECT, PAUSE_NONE);
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
	fixture_assert_outcome(f->deliveries[2], OUTCOME_UNTRIED);
}

/* --- one connection, several messages --- */

#define ONE_WHOLE FROM, TO("a"), "C BDAT 3 LAST", "BYTES 3", OK, OK, TAKEN

static void test_reuse(void **state)
{
	static const char *const script[] = {
		READY_BOTH, ONE_WHOLE, ONE_WHOLE, ONE_WHOLE, GOODBYE, NULL};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 3; i++)
		fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(f->ready, 1);
	for (i = 0; i < 3; i++)
		fixture_assert_outcome(f->deliveries[i], OUTCOME_DELIVERED);
}

static void test_messages_per_connection(void **state)
{
	static const char *const script[] = {
		READY_BOTH, ONE_WHOLE, ONE_WHOLE, GOODBYE, NULL};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 4; i++)
		fixture_add(f, "x\r\n", 0, one);
	f->account.messages_per_connection = 2;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(f->given, 2);
	fixture_run(f, FAKE_CERT_GOOD, script);
	assert_int_equal(f->given, 4);
}

static void test_quit_in_transaction(void **state)
{
	static const char *const script[] = {
		READY_PLAIN, FROM, OK, TO("a"), "S 450 4.2.1 x", GOODBYE, NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, one);
	fixture_add(f, "x\r\n", 0, one);
	f->quit_when_giving = true;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(f->given, 1);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_RETRY);
}

static void test_rset_refused(void **state)
{
	static const char *const script[] = {READY_PLAIN, FROM, OK, TO("a"),
		"S 450 4.2.1 x", "C RSET", "S 502 5.5.1 what", GOODBYE, NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, one);
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_RSET, ACTION_BACK_OFF, PAUSE_NONE);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_RETRY);
	assert_int_equal(f->given, 1);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_plain),
		TEST(test_pipelining),
		TEST(test_chunking),
		TEST(test_both),
		TEST(test_replies_in_pieces),
		TEST(test_sizes),
		TEST(test_large),
		TEST(test_dots_between_chunks),
		TEST(test_parameters),
		TEST(test_no_smtputf8),
		TEST(test_hostile_addresses),
		TEST(test_mixed_recipients),
		TEST(test_all_recipients_refused),
		TEST(test_split_that_leads_nowhere),
		TEST(test_mail_refused),
		TEST(test_data_after_refused_mail),
		TEST(test_final_refused),
		TEST(test_quota),
		TEST(test_quota_for_one_recipient),
		TEST(test_login_lost),
		TEST(test_reuse),
		TEST(test_messages_per_connection),
		TEST(test_quit_in_transaction),
		TEST(test_rset_refused),
	};

	return cmocka_run_group_tests_name("upstream mail", tests,
		fixture_group_setup, fixture_group_teardown);
}
