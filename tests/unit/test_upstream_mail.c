/*
 * test_upstream_mail.c - transactions that succeed: what is sent with and
 *                        without PIPELINING and CHUNKING, and how often.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/util.h"
#include "relay/upstream_internal.h"
#include "upstream_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const char *const one[] = {"a@example.net", NULL};
static const char *const two[] = {"a@example.net", "b@example.net", NULL};

#define FROM     "C MAIL FROM:<user@fake.test> SIZE=[0-9]*"
#define TO(name) "C RCPT TO:<" name "@example.net>"
#define OK       "S 250 2.1.0 OK"
#define TAKEN    "S 250 2.0.0 OK  1725842199 x - gsmtp"

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

	d->utf8_message = d->smtputf8 = true;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_FAIL);
	assert_string_equal(d->rcpts[0].reply.enhanced, "5.6.9");
	assert_non_null(strstr(d->rcpts[0].rule->advice, "ASCII"));
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
}

/* Only they are refused; the others get it, each with the answer that is
 * theirs. */
static void test_some_need_smtputf8(void **state)
{
	static const char *const script[] = {READY_PLAIN, FROM, OK, TO("a"),
		"S 550 5.1.1 nobody", TO("b"), OK, "C DATA", "S 354 go", "DATA",
		TAKEN, FROM, OK, TO("a"), OK, "C DATA", "S 354 go", "DATA",
		TAKEN, GOODBYE, NULL};
	static const char *const mixed[] = {"j\xc3\xb6rg@example.net",
		"a@example.net", "b@ex\xc3\xa4mple.net", "b@example.net", NULL};
	static const char *const all[] = {"j\xc3\xb6rg@example.net", NULL};
	static const enum rcpt_outcome outcomes[] = {
		OUTCOME_FAIL, OUTCOME_DELIVERED, OUTCOME_FAIL, OUTCOME_FAIL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, mixed);
	size_t i;

	d->smtputf8 = true;
	fixture_add(f, "x\r\n", 0, all)->smtputf8 = true;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(d->rcpt_count, 4);
	for (i = 0; i < 4; i++)
		assert_int_equal(d->rcpts[i].outcome, outcomes[i]);
	assert_string_equal(d->rcpts[0].address, "a@example.net");
	assert_string_equal(d->rcpts[0].reply.enhanced, "5.1.1");
	assert_string_equal(d->rcpts[1].address, "b@example.net");
	for (i = 2; i < 4; i++) {
		assert_string_equal(d->rcpts[i].reply.enhanced, "5.6.7");
		assert_int_equal(d->rcpts[i].rule->scope, SCOPE_RECIPIENT);
	}
	fixture_assert_outcome(f->deliveries[1], OUTCOME_FAIL);
	fixture_assert_outcome(f->deliveries[2], OUTCOME_DELIVERED);
}

/* RFC 6152 section 3: raw 8-bit text does not go to a server that does not
 * offer 8BITMIME. */
static void test_no_eight_bit(void **state)
{
	static const char *const script[] = {GREETING, "TLS", LINE_EHLO,
		"S 250-fake", "S 250 AUTH PLAIN", LOGIN,
		"C MAIL FROM:<user@fake.test>", OK, TO("a"), OK, "C DATA",
		"S 354 go", "DATA", TAKEN, GOODBYE, NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "caf\xe9\r\n", 0, two);

	d->eight_bit = true;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_FAIL);
	assert_string_equal(d->rcpts[1].reply.enhanced, "5.6.3");
	assert_non_null(strstr(d->rcpts[1].rule->advice, "8BITMIME"));
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

/* Mail that comes while the connection waits. */
static void test_wake(void **state)
{
	static const char *const script[] = {
		READY_BOTH, ONE_WHOLE, GOODBYE, NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, one);
	f->late = true;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_DELIVERED);
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
		TEST(test_some_need_smtputf8),
		TEST(test_no_eight_bit),
		TEST(test_hostile_addresses),
		TEST(test_reuse),
		TEST(test_wake),
		TEST(test_messages_per_connection),
		TEST(test_quit_in_transaction),
		TEST(test_rset_refused),
	};

	return cmocka_run_group_tests_name("upstream mail", tests,
		fixture_group_setup, fixture_group_teardown);
}
