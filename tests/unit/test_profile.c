/*
 * test_profile.c - what a section of clients changes for one of them.
 */
#include "config.h"

#include "base/util.h"
#include "fake_journal.h"
#include "session_fixture.h"
#include "spool_io.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>
#include <event2/event.h>

enum { MINUTE_MS = 60 * 1000 };

#define TEXT_FROM "From: x@example.org\r\n" TEXT

/* The sender that the message i is kept with. */
static void check_sender(size_t i, const char *expected)
{
	const char *from = strstr(fixture_envelope(i), "\nfrom ");

	assert_non_null(from);
	from += strlen("\nfrom ");
	assert_int_equal(strcspn(from, "\n"), strlen(expected));
	assert_memory_equal(from, expected, strlen(expected));
}

static void its_own_size(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	f.conf.message_size = 1000;
	f.profile.message_size = 100;
	fixture_say(&f, "EHLO x\r\n");
	assert_non_null(strstr(f.said.data, "250-SIZE 100\r\n"));
	fixture_expect(&f, "MAIL FROM:<> SIZE=101\r\n", "552/5.3.4");
	assert_non_null(strstr(f.said.data, "by the setting message-size"));
	/* more than others, too */
	f.profile.message_size = 2000;
	fixture_expect(&f, "MAIL FROM:<> SIZE=2000\r\n", "250/2.1.0");
	f.profile.message_size = 0;
	fixture_expect(&f, "RSET\r\nMAIL FROM:<> SIZE=1001\r\n",
		"250/2.0.0 552/5.3.4");
	fixture_close(&f);
}

/* What it writes as its sender, and what that becomes. */
static const struct sender_row {
	const char *mail;
	const char *with;    /* with default-sender scanner@example.com */
	const char *without; /* NULL: refused */
} sender_rows[] = {
	{"MAIL FROM:<>\r\n", "scanner@example.com", ""},
	{"MAIL FROM:\r\n", "scanner@example.com", NULL},
	{"MAIL FROM: \r\n", "scanner@example.com", NULL},
	{"mail from:\r\n", "scanner@example.com", NULL},
	{"MAIL FROM:<KONICA>\r\n", "scanner@example.com",
		"KONICA@relay.example.org"},
	{"MAIL FROM:<\"a@b\">\r\n", "scanner@example.com",
		"\"a@b\"@relay.example.org"},
	{"MAIL FROM:<me@example.org>\r\n", "me@example.org", "me@example.org"},
};

static void a_sender_for_those_that_have_none(void **state)
{
	static char instead[] = "scanner@example.com";
	struct fixture f;
	size_t i, taken = 0;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	for (i = 0; i < COUNT_OF(sender_rows); i++) {
		fixture_expect(&f, sender_rows[i].mail,
			sender_rows[i].without != NULL ? "250/2.1.0"
						       : "501/5.1.7");
		if (sender_rows[i].without == NULL)
			continue;
		fixture_say(&f, RCPT "DATA\r\n" TEXT);
		check_sender(taken++, sender_rows[i].without);
	}
	f.profile.default_sender = instead;
	for (i = 0; i < COUNT_OF(sender_rows); i++) {
		fixture_expect(&f, sender_rows[i].mail, "250/2.1.0");
		fixture_say(&f, RCPT "DATA\r\n" TEXT);
		check_sender(taken, sender_rows[i].with);
		/* nor does its mail have a From */
		assert_non_null(strstr(fixture_message(taken), "\r\nFrom: "));
		assert_non_null(
			strstr(fixture_message(taken++), sender_rows[i].with));
	}
	/* by the standard there is no mail without a sender */
	f.profile.syntax = CONF_SYNTAX_STRICT;
	fixture_say(&f, "EHLO x\r\n");
	fixture_expect(&f, "MAIL FROM:\r\n", "501/5.5.4");
	fixture_expect(&f, "MAIL FROM:<>\r\n", "250/2.1.0");
	fixture_close(&f);
}

static void its_own_account(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\n" TEXT_FROM);
	f.profile.account_index = 1;
	fixture_say(&f, MAIL RCPT "DATA\r\n" TEXT_FROM);
	fixture_say(&f, "MAIL FROM:<>\r\n" RCPT "DATA\r\n" TEXT);
	/* the first one is not named: it may change its name */
	assert_null(strstr(fixture_envelope(0), "account"));
	assert_non_null(strstr(fixture_envelope(1), "\naccount second\n"));
	/* each by its own rules about senders */
	assert_non_null(strstr(fixture_message(0), "From: x@example.org\r\n"));
	assert_non_null(strstr(fixture_message(1),
		"From: \"x@example.org\" <office@gmail.com>\r\n"));
	assert_non_null(strstr(fixture_message(2), "<office@gmail.com>\r\n") ||
			strstr(fixture_message(2), "office@gmail.com\r\n"));
	fixture_close(&f);
}

/* A message; its replies. */
static void hand_in(struct fixture *f, const char *expected)
{
	fixture_clear(f);
	fixture_expect(f, MAIL RCPT "DATA\r\n" TEXT, expected);
}

#define TAKEN   "250/2.1.0 250/2.1.5 354 250/2.0.0"
#define PUT_OFF "451/4.7.1"

static void so_many_an_hour(void **state)
{
	struct fixture f;
	unsigned i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	f.profile.messages_per_hour = 3;
	/* what is not accepted does not count */
	fixture_expect(&f,
		MAIL "RSET\r\n" MAIL RCPT "RSET\r\n" MAIL "EHLO x\r\n",
		"250/2.1.0 250/2.0.0 250/2.1.0 250/2.1.5 250/2.0.0 250/2.1.0 "
		"250");
	fixture_say(&f, MAIL RCPT "DATA\r\nx");
	fixture_send(&f, "\0\r\n.\r\n", 6);
	for (i = 0; i < 3; i++)
		hand_in(&f, TAKEN);
	for (i = 0; i < 15; i++)
		fixture_expect(&f, MAIL, PUT_OFF);
	assert_non_null(strstr(f.said.data, "the limit is 3\r\n"));
	/* nor by another connection */
	fixture_connect(&f);
	fixture_expect(&f, MAIL, PUT_OFF);
	/* nearly an hour later, and an hour later */
	io_advance_ms(50 * MINUTE_MS);
	fixture_connect(&f);
	fixture_expect(&f, MAIL, PUT_OFF);
	io_advance_ms(20 * MINUTE_MS);
	fixture_connect(&f);
	hand_in(&f, TAKEN);
	assert_int_equal(fake_journal()->count, 4);
	fixture_close(&f);
}

static void at_the_same_time_too(void **state)
{
	struct fixture f;
	unsigned i;

	(void)state;
	fixture_open(&f);
	f.profile.messages_per_hour = 2;
	fixture_connect(&f);
	fixture_expect(&f, MAIL, "250/2.1.0");
	assert_int_equal(f.shared.census.pending[0], 1);
	/* the client left in the midst of it */
	fixture_disconnect(&f);
	fixture_turn(&f);
	assert_int_equal(f.shared.census.pending[0], 0);
	fake_journal()->hold = true;
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\n" TEXT);
	/* the first waits for the disk */
	f.fd = -1;
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\n" TEXT);
	f.fd = -1;
	fixture_connect(&f);
	fixture_expect(&f, MAIL, PUT_OFF);
	assert_int_equal(f.shared.census.pending[0], 2);
	fake_journal()->hold = false;
	fake_release();
	fixture_turn(&f);
	for (i = 0; i < 2; i++)
		fixture_expect(&f, MAIL, PUT_OFF);
	assert_int_equal(f.shared.census.pending[0], 0);
	assert_int_equal(fake_journal()->count, 2);
	fixture_close(&f);
}

/* The brief wait is over. */
static void wait_briefly(struct fixture *f)
{
	f->shared.lf_dot_wait.tv_sec = 0;
	f->shared.lf_dot_wait.tv_usec = 20 * 1000;
}

#define LF_TEXT "Subject: s\n\nbody\n.\n"

static void a_lone_dot_ends_it(void **state)
{
	struct fixture f;
	size_t i;

	(void)state;
	fixture_open(&f);
	f.profile.lf_dot = true;
	wait_briefly(&f);
	fixture_connect(&f);
	fixture_expect(&f, "EHLO x\r\n" MAIL RCPT "DATA\r\n",
		"250 250/2.1.0 250/2.1.5 354");
	fixture_clear(&f);
	for (i = 0; i < strlen(LF_TEXT); i++)
		fixture_send(&f, &LF_TEXT[i], 1);
	assert_string_equal(f.said.data, "");
	event_base_loop(f.base, EVLOOP_ONCE);
	fixture_expect(&f, NULL, "250/2.0.0");
	assert_non_null(strstr(fixture_message(0), "Subject: s\r\n"));
	assert_non_null(strstr(fixture_message(0), "\r\n\r\nbody\r\n"));
	assert_null(strstr(fixture_message(0), "body\r\n\r\n"));
	assert_int_equal(f.counters.clients[0].quirks[QUIRK_LF_DOT], 1);
	fixture_expect(&f, "QUIT\r\n", "221/2.0.0.");
	/* the end by the standard is one at once, and further mail is taken */
	fixture_connect(&f);
	fixture_expect(&f, "EHLO x\r\n" MAIL RCPT "DATA\r\n" TEXT MAIL,
		"250 250/2.1.0 250/2.1.5 354 250/2.0.0 250/2.1.0");
	fixture_close(&f);
}

/* A text that says commands behind a lone dot: they are text; and those that
 * come after the wait are not obeyed. */
static void nothing_is_smuggled(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	f.profile.lf_dot = true;
	fixture_connect(&f);
	fixture_expect(&f,
		"EHLO x\r\n" MAIL RCPT "DATA\r\nSubject: s\n\nbody\n.\n"
		"MAIL FROM:<evil@example.org>\r\nRCPT TO:<b@example.net>\r\n"
		"DATA\r\n" TEXT,
		"250 250/2.1.0 250/2.1.5 354 250/2.0.0");
	assert_int_equal(fake_journal()->count, 1);
	assert_non_null(strstr(fixture_message(0), "\r\nMAIL FROM:<evil"));
	wait_briefly(&f);
	fixture_connect(&f);
	fixture_expect(&f, "EHLO x\r\n" MAIL RCPT "DATA\r\n" LF_TEXT,
		"250 250/2.1.0 250/2.1.5 354");
	event_base_loop(f.base, EVLOOP_ONCE);
	fixture_expect(&f, NULL, "250/2.0.0");
	fixture_expect(&f, MAIL RCPT "DATA\r\n" TEXT, "421/4.3.2.");
	assert_int_equal(fake_journal()->count, 2);
	fixture_close(&f);
}

static void never_without_the_setting(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	wait_briefly(&f);
	f.shared.idle_timeout = f.shared.lf_dot_wait;
	fixture_connect(&f);
	fixture_say(&f, "EHLO x\r\n" MAIL RCPT "DATA\r\n" LF_TEXT);
	event_base_loop(f.base, EVLOOP_ONCE);
	fixture_expect(&f, NULL, "421/4.4.2.");
	assert_int_equal(fake_journal()->count, 0);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_own_size),
		cmocka_unit_test(a_sender_for_those_that_have_none),
		cmocka_unit_test(its_own_account),
		cmocka_unit_test(so_many_an_hour),
		cmocka_unit_test(at_the_same_time_too),
		cmocka_unit_test(a_lone_dot_ends_it),
		cmocka_unit_test(nothing_is_smuggled),
		cmocka_unit_test(never_without_the_setting),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
