/*
 * test_upstream_broken.c - connections that break: where, what is known of the
 *                          message then, and whether anybody is to blame.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/util.h"
#include "relay/upstream_internal.h"
#include "upstream_fixture.h"

#include <dlfcn.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/buffer.h>

#include "aborts.h"

static const char *const one[] = {"a@example.net", NULL};
static const char *const two[] = {"a@example.net", "b@example.net", NULL};

#define SCRIPT(...)                                                            \
	(const char *const[])                                                  \
	{                                                                      \
		__VA_ARGS__, NULL                                              \
	}
#define FROM      "C MAIL FROM:<user@fake.test> SIZE=[0-9]*"
#define TO(name)  "C RCPT TO:<" name "@example.net>"
#define OK        "S 250 2.1.0 OK"
#define TAKEN     "S 250 2.0.0 OK"
#define FLIGHT    FROM, TO("a"), "C DATA"
#define WHOLE     FROM, TO("a"), "C BDAT 3 LAST", "BYTES 3"
#define ONE_DATA  FLIGHT, OK, OK, "S 354 go", "DATA", TAKEN
#define ONE_WHOLE WHOLE, OK, OK, TAKEN

enum {
	/* more than the buffers of two sockets hold */
	HUGE = 24 * 1024 * 1024,
};

struct row {
	const char *const *script;
	enum phase phase;
	enum action action;
	enum pause pause;
	enum rcpt_outcome outcome; /* of the last delivery */
	bool in_doubt;
	bool was_idle;
};

/* Each script gets as many deliveries as count, of size octets (0: three). */
static void run_rows(struct fixture *f, const struct row *rows, size_t n,
	size_t count, size_t size)
{
	struct delivery *d;
	size_t i, j;

	for (i = 0; i < n; i++) {
		fixture_forget(f);
		for (j = 0; j < count; j++)
			fixture_add(f, size > 0 ? NULL : "x\r\n", size, one);
		fixture_run(f, FAKE_CERT_GOOD, rows[i].script);
		fixture_assert_trouble(
			f, rows[i].phase, rows[i].action, rows[i].pause);
		assert_int_equal(f->trouble.was_idle, rows[i].was_idle);
		d = f->deliveries[count - 1];
		fixture_assert_outcome(d, rows[i].outcome);
		if (d->in_doubt != rows[i].in_doubt)
			fail_msg("row %zu: in doubt: %d", i, d->in_doubt);
		for (j = 0; j + 1 < count; j++)
			fixture_assert_outcome(
				f->deliveries[j], OUTCOME_DELIVERED);
	}
}

#define BACK_OFF  ACTION_BACK_OFF, PAUSE_NONE
#define RECONNECT ACTION_RECONNECT, PAUSE_NONE
#define UNTRIED   OUTCOME_UNTRIED, false, false
#define DOUBT     OUTCOME_UNTRIED, true, false
#define IDLE      OUTCOME_UNTRIED, false, true

/* --- a first message --- */

static void test_lost_before_the_message(void **state)
{
	const struct row rows[] = {
		{SCRIPT(READY_PLAIN, FROM, "CLOSE"), PHASE_MAIL, BACK_OFF,
			UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, "RESET"), PHASE_MAIL, BACK_OFF,
			UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, OK, TO("a"), "CLOSE"), PHASE_RCPT,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, OK, TO("a"), OK, "C DATA", "CLOSE"),
			PHASE_DATA, BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "CLOSE"), PHASE_DATA,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, "S 421 4.4.5 Server busy",
			 "EOF"),
			PHASE_MAIL, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, "S 421 x", "EOF"),
			PHASE_RCPT, BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK,
			 "S 421 4.7.0 Connection expired, try reconnecting",
			 "EOF"),
			PHASE_DATA, RECONNECT, UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, "S 451 4.4.2 Timeout", "EOF"),
			PHASE_MAIL, RECONNECT, UNTRIED},
		/* whose message it is, is told; that the connection ends, too
		 */
		{SCRIPT(READY_PIPELINING, FLIGHT, OK,
			 "S 421 4.7.0 IP not in whitelist for RCPT domain",
			 "EOF"),
			PHASE_RCPT, RECONNECT, OUTCOME_RETRY, false, false},
		/* nonsense */
		{SCRIPT(READY_PLAIN, FROM, "S 354 go", "EOF"), PHASE_MAIL,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, OK, TO("a"), OK, "C DATA",
			 "S 250 fine", "EOF"),
			PHASE_DATA, BACK_OFF, UNTRIED},
		{SCRIPT(READY_PLAIN, FROM, "S what?", "EOF"), PHASE_MAIL,
			BACK_OFF, UNTRIED},
	};

	run_rows(*state, rows, COUNT_OF(rows), 1, 0);
}

/* Once its last byte may have left, a message without an answer is in doubt;
 * one whose refusal was heard is not. */
static void test_lost_behind_the_message(void **state)
{
	const struct row rows[] = {
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "DATA",
			 "CLOSE"),
			PHASE_FINAL, BACK_OFF, DOUBT},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "DATA",
			 "RESET"),
			PHASE_FINAL, BACK_OFF, DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, OK, OK, "CLOSE"), PHASE_FINAL,
			BACK_OFF, DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, OK, "CLOSE"), PHASE_RCPT, BACK_OFF,
			DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, "CLOSE"), PHASE_MAIL, BACK_OFF,
			DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, OK, OK, "S 354 what", "EOF"),
			PHASE_FINAL, BACK_OFF, DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, OK, OK, "S what", "EOF"),
			PHASE_FINAL, BACK_OFF, DOUBT},
		/* the answer was heard */
		{SCRIPT(READY_BOTH, WHOLE, "S 552 5.3.4 big", "CLOSE"),
			PHASE_RCPT, BACK_OFF, OUTCOME_FAIL, false, false},
		{SCRIPT(READY_BOTH, WHOLE, OK, "S 550 5.1.1 no", "CLOSE"),
			PHASE_FINAL, BACK_OFF, OUTCOME_FAIL, false, false},
		{SCRIPT(READY_BOTH, WHOLE, OK, "S 421 x", "EOF"), PHASE_RCPT,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_BOTH, WHOLE, OK, OK, "S 421 4.3.0 later", "EOF"),
			PHASE_FINAL, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "DATA",
			 "S 421 4.3.0 later", "EOF"),
			PHASE_FINAL, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "DATA",
			 "S 421 4.7.28 quota for messages with the same Message-ID",
			 "EOF"),
			PHASE_FINAL, RECONNECT, OUTCOME_RETRY, false, false},
	};

	run_rows(*state, rows, COUNT_OF(rows), 1, 0);
}

/* In the midst of a message: nothing was sent that could be taken for it. */
static void test_lost_within_the_message(void **state)
{
#define GO   OK, OK, "S 354 go", "BYTES 100000"
#define BDAT FROM, TO("a"), OK, OK, "C BDAT 25165824 LAST", "BYTES 100000"
	const struct row rows[] = {
		{SCRIPT(READY_PIPELINING, FLIGHT, GO, "RESET"), PHASE_FINAL,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, GO,
			 "S 421 4.3.0 Temporary System Problem", "WAIT"),
			PHASE_FINAL, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, GO, "S 552 5.7.0 blocked",
			 "WAIT"),
			PHASE_FINAL, RECONNECT, OUTCOME_FAIL, false, false},
		{SCRIPT(READY_PIPELINING, FLIGHT, GO, "S 250 fine", "WAIT"),
			PHASE_FINAL, BACK_OFF, UNTRIED},
		{SCRIPT(READY_BOTH, BDAT, "RESET"), PHASE_FINAL, BACK_OFF,
			UNTRIED},
		{SCRIPT(READY_BOTH, BDAT, "S 552 5.3.4 big", "WAIT"),
			PHASE_FINAL, RECONNECT, OUTCOME_FAIL, false, false},
		{SCRIPT(READY_BOTH, BDAT, "S 550 5.4.5 Daily limit", "WAIT"),
			PHASE_FINAL, ACTION_QUOTA, PAUSE_QUOTA, UNTRIED},
	};

	run_rows(*state, rows, COUNT_OF(rows), 1, HUGE);
}

/* --- a reused connection --- */

/* It may just have been idle for too long: nobody's fault, no attempt. With a
 * message in flight it is in doubt all the same. */
static void test_reused(void **state)
{
	const struct row rows[] = {
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT, "CLOSE"),
			PHASE_MAIL, RECONNECT, IDLE},
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT,
			 "S 421 4.9.9 Goodbye", "EOF"),
			PHASE_MAIL, RECONNECT, IDLE},
		/* said of the account, it is no mere goodbye */
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT,
			 "S 421 4.7.0 Temporary System Problem", "EOF"),
			PHASE_MAIL, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT,
			 "S 451 4.4.2 Timeout - closing connection.", "EOF"),
			PHASE_MAIL, RECONNECT, IDLE},
		{SCRIPT(READY_BOTH, ONE_WHOLE, WHOLE, "S 421 x", "EOF"),
			PHASE_MAIL, RECONNECT, IDLE},
		{SCRIPT(READY_BOTH, ONE_WHOLE, WHOLE, "CLOSE"), PHASE_MAIL,
			RECONNECT, OUTCOME_UNTRIED, true, true},
		/* something was accepted: not idle */
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT, OK, "CLOSE"),
			PHASE_RCPT, BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, ONE_DATA, FLIGHT, OK, "S 421 4.3.0 x",
			 "EOF"),
			PHASE_RCPT, ACTION_THROTTLE, PAUSE_BRIEF, UNTRIED},
	};

	run_rows(*state, rows, COUNT_OF(rows), 2, 0);
}

/* Between two messages. */
static void test_lost_while_ready(void **state)
{
	const struct row rows[] = {
		{SCRIPT(READY_BOTH, ONE_WHOLE, "CLOSE"), PHASE_READY, RECONNECT,
			OUTCOME_DELIVERED, false, true},
		{SCRIPT(READY_BOTH, ONE_WHOLE, "S 421 4.4.2 idle", "EOF"),
			PHASE_READY, RECONNECT, OUTCOME_DELIVERED, false, true},
		{SCRIPT(READY_BOTH, ONE_WHOLE, "S 421 4.3.0 slow down", "EOF"),
			PHASE_READY, ACTION_THROTTLE, PAUSE_BRIEF,
			OUTCOME_DELIVERED, false, false},
	};
	const char *const *const fresh[] = {SCRIPT(READY_BOTH, "CLOSE"),
		SCRIPT(READY_BOTH, "S 421 x", "EOF"),
		SCRIPT(READY_BOTH, "S 250 unasked", "EOF")};
	struct fixture *f = *state;
	size_t i;

	f->stay = true;
	run_rows(f, rows, COUNT_OF(rows), 1, 0);
	fixture_forget(f);
	for (i = 0; i < COUNT_OF(fresh); i++) {
		fixture_run(f, FAKE_CERT_GOOD, fresh[i]);
		fixture_assert_trouble(f, PHASE_READY, BACK_OFF);
		assert_false(f->trouble.was_idle);
	}
}

/* The 250 was there: what QUIT gets is nothing. */
static void test_lost_quit(void **state)
{
	static const char *const closed[] = {
		READY_BOTH, ONE_WHOLE, "C QUIT", "CLOSE", NULL};
	static const char *const odd[] = {
		READY_BOTH, ONE_WHOLE, "C QUIT", "S 500 what", "EOF", NULL};
	static const char *const silent[] = {
		READY_BOTH, ONE_WHOLE, "C QUIT", "EOF", NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, closed);
	fixture_assert_fine(f);
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, odd);
	fixture_assert_fine(f);
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, silent);
	fixture_assert_fine(f);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_DELIVERED);
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
}

/* RFC 3030 section 2: the chunk is read to its end whatever was answered, so
 * the connection goes on. */
static void test_bdat_refused_early(void **state)
{
	static const char *const script[] = {READY_BOTH, FROM, TO("a"),
		"C BDAT 65000 LAST", "S 250 ok", "S 550 5.1.1 no",
		"S 503 5.5.1 no valid recipients", "BYTES 65000", "C RSET", OK,
		ONE_WHOLE, GOODBYE, NULL};
	struct fixture *f = *state;

	f->narrow = true;
	fixture_add(f, NULL, 65000, one);
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	fixture_assert_outcome(f->deliveries[0], OUTCOME_FAIL);
	assert_int_equal(f->deliveries[0]->rcpts[0].reply.code, 550);
	fixture_assert_outcome(f->deliveries[1], OUTCOME_DELIVERED);
}

/* --- time --- */

static void test_timeouts(void **state)
{
	const struct row replies[] = {
		{SCRIPT(READY_PLAIN, FROM, "EOF"), PHASE_MAIL, BACK_OFF,
			UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, "EOF"), PHASE_RCPT,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "EOF"), PHASE_DATA,
			BACK_OFF, UNTRIED},
	};
	const struct row finals[] = {
		{SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "DATA",
			 "EOF"),
			PHASE_FINAL, BACK_OFF, DOUBT},
		{SCRIPT(READY_BOTH, WHOLE, OK, OK, "EOF"), PHASE_FINAL,
			BACK_OFF, DOUBT},
	};
	const struct row stalled[] = {
		{SCRIPT(READY_PIPELINING, FLIGHT, GO, "WAIT"), PHASE_FINAL,
			BACK_OFF, UNTRIED},
		{SCRIPT(READY_BOTH, BDAT, "WAIT"), PHASE_FINAL, BACK_OFF,
			UNTRIED},
	};
	struct fixture *f = *state;

	f->account.final_timeout_ms = 30;
	run_rows(f, finals, COUNT_OF(finals), 1, 0);
	f->account.final_timeout_ms = 20000;
	f->account.reply_timeout_ms = 400;
	run_rows(f, replies, COUNT_OF(replies), 1, 0);
	run_rows(f, stalled, COUNT_OF(stalled), 1, HUGE);
}

/* --- content that cannot be read --- */

static void test_damaged_in_data(void **state)
{
	static const char *const data[] = {
		READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "CUT", NULL};
	static const char *const bdat[] = {READY_BOTH, FROM, TO("a"), OK, OK,
		"C BDAT 1000000 LAST", "CUT", NULL};
	struct fixture *f = *state;
	struct delivery *d;
	int i;

	for (i = 0; i < 4; i++) {
		fixture_forget(f);
		d = fixture_add(f, NULL, 1000000, one);
		if (i < 2)
			d->content->damaged_at = 500000;
		else
			d->content->len -= 5;
		fixture_run(f, FAKE_CERT_GOOD, i % 2 == 0 ? data : bdat);
		fixture_assert_trouble(f, PHASE_FINAL, RECONNECT);
		fixture_assert_outcome(d, OUTCOME_UNTRIED);
		assert_true(d->damaged);
		assert_int_equal(d->problem.kind, ERR_DAMAGED);
		assert_false(d->in_doubt);
		/* no end was sent that a server could believe in */
		assert_true(f->server.body.len < 1000000);
		assert_null(memmem(f->server.body.data, f->server.body.len,
			"\r\n.\r\n", 5));
	}
}

/* Found before anything was sent: the connection carries the next message. */
static void test_damaged_before_sending(void **state)
{
	static const char *const script[] = {
		READY_BOTH, ONE_WHOLE, GOODBYE, NULL};
	struct fixture *f = *state;
	size_t i;

	fixture_add(f, "xxxx\r\n", 0, one)->content->damaged_at = 0;
	fixture_add(f, "xxxx\r\n", 0, one)->size++;
	fixture_add(f, "xxxx\r\n", 0, one)->size--;
	fixture_add(f, "x\r\n", 0, one);
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	for (i = 0; i < 3; i++) {
		fixture_assert_outcome(f->deliveries[i], OUTCOME_UNTRIED);
		assert_true(f->deliveries[i]->damaged);
	}
	fixture_assert_outcome(f->deliveries[3], OUTCOME_DELIVERED);
}

/* A content that is longer than was announced is no less wrong. */
static void test_longer_than_announced(void **state)
{
	static const char *const script[] = {
		READY_PIPELINING, FLIGHT, OK, OK, "S 354 go", "CUT", NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "xxxx\r\n", 0, one);

	d->size--;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_FINAL, RECONNECT);
	assert_true(d->damaged);
	assert_int_equal(f->server.body.len, 0);
}

/* --- from outside --- */

/* What the test takes for the lack of memory. */
static enum { ENOUGH, NONE_FOR_DATA, NONE_FOR_BDAT } memory;

int evbuffer_add(struct evbuffer *out, const void *data, size_t len)
{
	static int (*real)(struct evbuffer *, const void *, size_t);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "evbuffer_add");
	return memory == NONE_FOR_DATA && len > 8 * 1024 ? -1
							 : real(out, data, len);
}

int evbuffer_add_vprintf(struct evbuffer *out, const char *format, va_list args)
{
	static int (*real)(struct evbuffer *, const char *, va_list);

	if (real == NULL)
		*(void **)&real = dlsym(RTLD_NEXT, "evbuffer_add_vprintf");
	return memory == NONE_FOR_BDAT && strncmp(format, "BDAT", 4) == 0
		       ? -1
		       : real(out, format, args);
}

struct play {
	struct fixture *fixture;
	const char *const *script;
};

static void run_play(void *arg)
{
	const struct play *play = arg;

	fixture_run(play->fixture, FAKE_CERT_GOOD, play->script);
}

/* A message with a hole would be sent as if it were whole, and without its BDAT
 * its text would be taken for commands. */
static void test_no_memory(void **state)
{
	struct fixture *f = *state;
	struct play play = {.fixture = f};

	fixture_add(f, NULL, 40000, one);
	memory = NONE_FOR_DATA;
	play.script = SCRIPT(READY_PIPELINING, FLIGHT, OK, OK, "S 354 go",
		"DATA", TAKEN, GOODBYE);
	assert_true(aborts(run_play, &play));
	memory = NONE_FOR_BDAT;
	play.script = SCRIPT(READY_CHUNKING, FROM, OK, TO("a"), OK,
		"C BDAT 40000 LAST", "BYTES 40000", TAKEN, GOODBYE);
	assert_true(aborts(run_play, &play));
	memory = ENOUGH;
}

static void test_abort(void **state)
{
	static const char *const envelope[] = {READY_PIPELINING, "CUT", NULL};
	static const char *const last[] = {READY_BOTH, FROM, TO("a"), TO("b"),
		"C BDAT 3 LAST", "BYTES 3", OK, "S 550 5.1.1 no", OK, "EOF",
		NULL};
	struct fixture *f = *state;
	struct delivery *d = fixture_add(f, "x\r\n", 0, one);

	f->abort_in = "ENVELOPE";
	fixture_run(f, FAKE_CERT_GOOD, envelope);
	fixture_assert_fine(f);
	fixture_assert_outcome(d, OUTCOME_UNTRIED);
	assert_false(d->in_doubt);
	f->abort_in = "FINAL";
	d = fixture_add(f, "x\r\n", 0, two);
	fixture_run(f, FAKE_CERT_GOOD, last);
	fixture_assert_fine(f);
	assert_int_equal(d->rcpts[0].outcome, OUTCOME_FAIL);
	assert_int_equal(d->rcpts[1].outcome, OUTCOME_UNTRIED);
	assert_true(d->in_doubt);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_lost_before_the_message),
		TEST(test_lost_behind_the_message),
		TEST(test_lost_within_the_message),
		TEST(test_reused),
		TEST(test_lost_while_ready),
		TEST(test_lost_quit),
		TEST(test_bdat_refused_early),
		TEST(test_timeouts),
		TEST(test_damaged_in_data),
		TEST(test_damaged_before_sending),
		TEST(test_longer_than_announced),
		TEST(test_no_memory),
		TEST(test_abort),
	};

	return cmocka_run_group_tests_name("upstream broken", tests,
		fixture_group_setup, fixture_group_teardown);
}
