/*
 * test_verbs.c - SMTP's commands: every verb in every state, what their
 *                arguments may be, the limits on them.
 */
#include "config.h"

#include "fake_journal.h"
#include "receiver/verbs.h"
#include "session_fixture.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Commands that lead to a state, and one of it. */
static const struct way {
	enum session_state state;
	const char *text;
} ways[] = {
	{SESSION_NEW, ""},
	{SESSION_IDLE, "EHLO c\r\n"},
	{SESSION_MAIL, "HELO c\r\n" MAIL},
	{SESSION_RCPT, "EHLO c\r\n" MAIL RCPT},
	{SESSION_BDAT, MAIL RCPT "BDAT 4\r\na: b"},
};

enum {
	N = SESSION_NEW,
	I = SESSION_IDLE,
	M = SESSION_MAIL,
	R = SESSION_RCPT,
	B = SESSION_BDAT,
	D = SESSION_DATA,
	GONE = 99,
	SAME = 98
};

/* Each verb's reply in the states NEW, IDLE, MAIL, RCPT, BDAT, and the state it
 * leaves (after a commit has ended). */
static const struct verb_row {
	const char *text;
	struct {
		const char *reply;
		int state;
	} in[5];
} verb_rows[] = {
	{"HELO x\r\n",
		{{"250", I}, {"250", I}, {"250", I}, {"250", I}, {"250", I}}},
	{"EHLO x\r\n",
		{{"250", I}, {"250", I}, {"250", I}, {"250", I}, {"250", I}}},
	{MAIL, {{"250/2.1.0", M}, {"250/2.1.0", M}, {"503/5.5.1", M},
		       {"503/5.5.1", R}, {"503/5.5.1", B}}},
	{RCPT, {{"503/5.5.1", N}, {"503/5.5.1", I}, {"250/2.1.5", R},
		       {"250/2.1.5", R}, {"503/5.5.1", B}}},
	{"DATA\r\n", {{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
			     {"354", D}, {"503/5.5.1", B}}},
	{"DATA now\r\n", {{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
				 {"501/5.5.4", R}, {"503/5.5.1", B}}},
	{"BDAT 3\r\nabc", {{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
				  {"250/2.0.0", B}, {"250/2.0.0", B}}},
	{"BDAT 3 LAST\r\nabc",
		{{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
			{"250/2.0.0", I}, {"250/2.0.0", I}}},
	{"BDAT 0 LAST\r\n",
		{{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
			{"250/2.0.0", I}, {"250/2.0.0", I}}},
	{"BDAT 0\r\n", {{"503/5.5.1", N}, {"503/5.5.1", I}, {"503/5.5.1", M},
			       {"250/2.0.0", B}, {"250/2.0.0", B}}},
	{"BDAT\r\n", {{"501/5.5.4.", GONE}, {"501/5.5.4.", GONE},
			     {"501/5.5.4.", GONE}, {"501/5.5.4.", GONE},
			     {"501/5.5.4.", GONE}}},
	{"BDAT 5x\r\n", {{"501/5.5.4.", GONE}, {"501/5.5.4.", GONE},
				{"501/5.5.4.", GONE}, {"501/5.5.4.", GONE},
				{"501/5.5.4.", GONE}}},
	{"RSET\r\n", {{"250/2.0.0", N}, {"250/2.0.0", I}, {"250/2.0.0", I},
			     {"250/2.0.0", I}, {"250/2.0.0", I}}},
	{"QUIT\r\n", {{"221/2.0.0.", GONE}, {"221/2.0.0.", GONE},
			     {"221/2.0.0.", GONE}, {"221/2.0.0.", GONE},
			     {"221/2.0.0.", GONE}}},
#define EVERYWHERE(text, reply)                                                \
	{                                                                      \
		text,                                                          \
		{                                                              \
			{reply, SAME}, {reply, SAME}, {reply, SAME},           \
				{reply, SAME},                                 \
			{                                                      \
				reply, SAME                                    \
			}                                                      \
		}                                                              \
	}
	EVERYWHERE("NOOP\r\n", "250/2.0.0"),
	EVERYWHERE("NOOP with words\r\n", "250/2.0.0"),
	EVERYWHERE("noop\n", "250/2.0.0"),
	EVERYWHERE("VRFY someone\r\n", "252/2.5.0"),
	EVERYWHERE("HELP\r\n", "214/2.0.0"),
	EVERYWHERE("HELP MAIL\r\n", "214/2.0.0"),
	EVERYWHERE("EXPN list\r\n", "502/5.5.1"),
	{"AUTH PLAIN AGEAYg==\r\n",
		{{"235/2.7.0", N}, {"235/2.7.0", I}, {"503/5.5.1", M},
			{"503/5.5.1", R}, {"503/5.5.1", B}}},
	EVERYWHERE("STARTTLS\r\n", "502/5.5.1"),
	EVERYWHERE("ETRN x\r\n", "502/5.5.1"),
	EVERYWHERE("TURN\r\n", "502/5.5.1"),
	EVERYWHERE("ATRN\r\n", "502/5.5.1"),
	EVERYWHERE("SEND FROM:<a@b>\r\n", "502/5.5.1"),
	EVERYWHERE("SOML FROM:<a@b>\r\n", "502/5.5.1"),
	EVERYWHERE("SAML FROM:<a@b>\r\n", "502/5.5.1"),
	EVERYWHERE("BURL imap://x\r\n", "502/5.5.1"),
	EVERYWHERE("XYZZY\r\n", "500/5.5.2"),
	EVERYWHERE("\xff\xfe\r\n", "500/5.5.2"),
	EVERYWHERE("\r\n", "500/5.5.2"),
	EVERYWHERE("GET me a coffee\r\n", "500/5.5.2"),
	EVERYWHERE("POST\r\n", "500/5.5.2"),
	EVERYWHERE("HEAD\r\n", "500/5.5.2"),
	EVERYWHERE("PUT\r\n", "500/5.5.2"),
	EVERYWHERE("PATCH\r\n", "500/5.5.2"),
	EVERYWHERE("DELETE\r\n", "500/5.5.2"),
	EVERYWHERE("TRACE\r\n", "500/5.5.2"),
	EVERYWHERE("OPTIONS\r\n", "500/5.5.2"),
	EVERYWHERE("CONNECT\r\n", "500/5.5.2"),
	EVERYWHERE("PRI\r\n", "500/5.5.2"),
};

/* As a client does that waits for each answer. */
static void say_one_by_one(struct fixture *f, const char *text)
{
	const char *lf;

	for (; *text != '\0'; text = lf + 1) {
		lf = strchr(text, '\n');
		if (lf == NULL)
			lf = text + strlen(text) - 1;
		fixture_send(f, text, (size_t)(lf - text) + 1);
	}
}

static void check_state(struct fixture *f, int expected, int before)
{
	struct session *s = fixture_session(f);

	if (expected == GONE) {
		assert_null(s);
		return;
	}
	assert_non_null(s);
	assert_int_equal(s->state, expected == SAME ? before : expected);
}

static void every_verb_in_every_state(void **state)
{
	struct fixture f;
	size_t row, way;

	(void)state;
	for (row = 0; row < COUNT_OF(verb_rows); row++)
		for (way = 0; way < COUNT_OF(ways); way++) {
			fixture_open(&f);
			fixture_connect(&f);
			say_one_by_one(&f, ways[way].text);
			check_state(&f, ways[way].state, 0);
			fixture_expect(&f, verb_rows[row].text,
				verb_rows[row].in[way].reply);
			check_state(&f, verb_rows[row].in[way].state,
				(int)ways[way].state);
			fixture_close(&f);
		}
}

static void every_verb_has_its_row(void **state)
{
	const char *name;
	size_t i, row;
	bool found;

	(void)state;
	for (i = 0; (name = verbs_name(i)) != NULL; i++) {
		found = false;
		for (row = 0; row < COUNT_OF(verb_rows); row++)
			found |= strncmp(verb_rows[row].text, name,
					 strlen(name)) == 0;
		assert_true(found);
	}
}

/* One command a row, in the state its way leads to. */
static const struct command_row {
	const char *before;
	const char *text;
	const char *reply;
	const char *said; /* stands in it, or NULL */
} command_rows[] = {
	/* whatever a client calls itself */
	{"", "HELO\r\n", "250", "250 relay.example.org\r\n"},
	{"", "EHLO\r\n", "250", NULL},
	{"", "EHLO NPIF65E56_x y z (\"\r\n", "250", NULL},
	{"", "EHLO x\r\n", "250",
		"250-relay.example.org\r\n250-SIZE 35878481\r\n"
		"250-8BITMIME\r\n250-SMTPUTF8\r\n250-PIPELINING\r\n"
		"250-ENHANCEDSTATUSCODES\r\n250-CHUNKING\r\n250 DSN\r\n"},
	{"EHLO x\r\n", "HELO y\r\n", "250", NULL},
	{"", "HELP\r\n", "214/2.0.0",
		"214-2.0.0 RCPT TO:<to> [NOTIFY=when] [ORCPT=type;address]\r\n"},
	/* senders */
	{"", "MAIL FROM:<>\r\n", "250/2.1.0", NULL},
	{"", "MAIL FROM: <a@example.org>\r\n", "250/2.1.0", NULL},
	{"", "MAIL FROM:a@example.org\r\n", "250/2.1.0", NULL},
	{"", "mail from : a@example.org X=Y\r\n", "250/2.1.0", NULL},
	{"", "MAIL FROM:<a@example.org> SIZE=1000 BODY=8BITMIME SMTPUTF8\r\n",
		"250/2.1.0", NULL},
	{"", "MAIL FROM:<root>\r\n", "250/2.1.0", NULL},
	{"", "MAIL\r\n", "501/5.1.7", NULL},
	{"", "MAIL FROM\r\n", "501/5.1.7", NULL},
	{"", "MAIL FROM:<a b@>\r\n", "501/5.1.7", NULL},
	{"", "MAIL FROM:<a@example.org> BODY=x\r\n", "555/5.5.4", NULL},
	{"", "MAIL FROM:<a@example.org> BODY=BINARYMIME\r\n", "555/5.5.4",
		NULL},
	{"", "MAIL FROM:<a@example.org> SIZE=35878481\r\n", "250/2.1.0", NULL},
	{"", "MAIL FROM:<a@example.org> SIZE=35878482\r\n", "552/5.3.4",
		"35878481 octets (35.9 MB), which is what the upstream"},
	{"", "MAIL FROM:<a@example.org> SIZE=18446744073709551616\r\n",
		"552/5.3.4", NULL},
	{"", "MAIL FROM:<a@example.org> SIZE=99999999999999999999999999\r\n",
		"552/5.3.4", NULL},
	{"", "MAIL FROM:<a@example.org> SIZE=huge\r\n", "250/2.1.0", NULL},
	{"", "MAIL FROM:<a@example.org> RET=FULL ENVID=a+2Bb\r\n", "250/2.1.0",
		NULL},
	/* recipients */
	{MAIL, "RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;b@c\r\n",
		"250/2.1.5", NULL},
	{MAIL, "RCPT TO:b@example.net\r\n", "250/2.1.5", NULL},
	{MAIL, "RCPT TO:<@x.org:b@example.net>\r\n", "250/2.1.5", NULL},
	{MAIL, "RCPT TO:<postmaster>\r\n", "250/2.1.5", NULL},
	{MAIL, "RCPT TO:<>\r\n", "501/5.1.3", NULL},
	{MAIL, "RCPT TO:<root>\r\n", "250/2.1.5", NULL},
	{MAIL, "RCPT TO:<jan>\r\n", "550/5.1.1", "set default-domain: jan"},
	{MAIL, "RCPT\r\n", "501/5.1.3", NULL},
	/* no valid recipient is told from none */
	{MAIL "RCPT TO:<>\r\n", "DATA\r\n", "554/5.5.1", NULL},
	{MAIL, "DATA\r\n", "503/5.5.1", NULL},
	/* whoever does not wait sends its text now */
	{MAIL, "DATA\r\nx", "503/5.5.1.", NULL},
	{"EHLO x\r\n" MAIL, "RCPT TO:<>\r\nDATA\r\n", "501/5.1.3 554/5.5.1",
		NULL},
	{"HELO x\r\n" MAIL, "RCPT TO:<>\r\nDATA\r\n", "501/5.1.3 554/5.5.1.",
		NULL},
	{MAIL "RCPT TO:<>\r\n", "BDAT 1 LAST\r\nx", "554/5.5.1", NULL},
	/* HTTP */
	{"", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "421/4.7.0.", NULL},
	{"EHLO x\r\n", "POST /x HTTP/1.0\r\n\r\nMAIL FROM:<x@y>\r\n",
		"421/4.7.0.", NULL},
	{"", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "421/4.7.0.", NULL},
};

static void commands(void **state)
{
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(command_rows); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		say_one_by_one(&f, command_rows[i].before);
		fixture_expect(&f, command_rows[i].text, command_rows[i].reply);
		if (command_rows[i].said != NULL)
			assert_non_null(
				strstr(f.said.data, command_rows[i].said));
		fixture_close(&f);
	}
}

/* One that did not wait with its first message does not with its second: the
 * text behind a refused DATA may come a moment later. */
static void who_did_not_wait_once_is_not_trusted_to(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f, "HELO x\r\n" MAIL RCPT "DATA\r\n" TEXT,
		"250 250/2.1.0 250/2.1.5 354 250/2.0.0");
	fixture_expect(&f, MAIL, "250/2.1.0");
	fixture_expect(&f, "RCPT TO:<>\r\n", "501/5.1.3");
	fixture_expect(&f, "DATA\r\n", "554/5.5.1.");
	/* who always waits is */
	fixture_connect(&f);
	say_one_by_one(&f, "HELO x\r\n" MAIL "RCPT TO:<>\r\n");
	fixture_expect(&f, "DATA\r\n", "554/5.5.1");
	fixture_expect(&f, RCPT, "250/2.1.5");
	fixture_close(&f);
}

static void helo_is_made_harmless(void **state)
{
	struct fixture f;
	char line[400];

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, "EHLO ev(il)\t;\xff[::1]_x\r\n");
	assert_string_equal(fixture_session(&f)->helo, "ev?il????[::1]_x");
	memset(line, 'h', sizeof(line));
	memcpy(line, "HELO ", 5);
	memcpy(line + sizeof(line) - 3, "\r\n", 3);
	fixture_expect(&f, line, "250");
	assert_int_equal(strlen(fixture_session(&f)->helo), SESSION_HELO_MAX);
	fixture_close(&f);
}

static void a_recipient_twice_is_one(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f,
		MAIL RCPT
		"RCPT TO:<B@Example.NET>\r\n"
		"RCPT TO:<c@example.net>\r\n" RCPT
		"RCPT TO:<d@example.net>\r\nRCPT TO:<e@example.net>\r\n" RCPT
		"DATA\r\n" TEXT,
		"250/2.1.0 250/2.1.5 250/2.1.5 250/2.1.5 250/2.1.5 250/2.1.5 "
		"452/4.5.3 250/2.1.5 354 250/2.0.0");
	assert_non_null(strstr(fixture_envelope(0),
		"from a@example.org\nto b@example.net\nto c@example.net\n"
		"to d@example.net\n\n"));
	assert_int_equal(f.counters.deferred, 1);
	fixture_close(&f);
}

static void size_limit_by_setting(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->upstream_size = 1000000;
	fixture_say(&f, "EHLO x\r\n");
	assert_non_null(strstr(f.said.data, "250-SIZE 995904\r\n"));
	f.conf.message_size = 100;
	fixture_clear(&f);
	fixture_say(&f, "EHLO x\r\nMAIL FROM:<> SIZE=101\r\n");
	assert_non_null(strstr(f.said.data, "250-SIZE 100\r\n"));
	assert_non_null(strstr(f.said.data,
		"552 5.3.4 message too big: the limit is 100 octets (0.0 MB), "
		"by the setting message-size\r\n"));
	assert_int_equal(f.counters.rejected, 1);
	fixture_close(&f);
}

static void help_lists_what_is_offered(void **state)
{
	struct fixture f;
	int certificate;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	f.profile.tls = CONF_CLIENT_TLS_OFFER;
	for (certificate = 0; certificate < 2; certificate++) {
		/* nothing here looks into it */
		f.shared.tls = certificate != 0 ? (const void *)&f : NULL;
		fixture_clear(&f);
		fixture_say(&f, "HELP\r\n");
		assert_int_equal(strstr(f.said.data, "STARTTLS\r\n") != NULL,
			certificate);
		assert_null(strstr(f.said.data, "AUTH"));
		assert_non_null(strstr(f.said.data, "214-2.0.0 QUIT\r\n"));
		assert_non_null(strstr(f.said.data, "2.0.0 HELP\r\n"));
	}
	f.shared.tls = NULL;
	fixture_close(&f);
}

static void too_many_errors(void **state)
{
	struct fixture f;
	int i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	for (i = 0; i < SESSION_ERRORS_MAX; i++)
		fixture_expect(&f, "XYZZY\r\n", "500/5.5.2");
	/* a message that is accepted makes up for them */
	say_one_by_one(&f, MAIL RCPT "DATA\r\n" TEXT);
	assert_int_equal(f.counters.accepted, 1);
	for (i = 0; i < SESSION_ERRORS_MAX; i++)
		fixture_expect(&f, "DATA\r\n", "503/5.5.1");
	fixture_expect(&f, "NOOP\r\n", "250/2.0.0");
	fixture_expect(&f, "XYZZY\r\nNOOP\r\n", "421/4.7.0.");
	/* a refused message is not the client's mistake */
	fixture_connect(&f);
	for (i = 0; i < 2 * SESSION_ERRORS_MAX; i++)
		fixture_expect(
			&f, "MAIL FROM:<> SIZE=99999999\r\n", "552/5.3.4");
	fixture_close(&f);
}

/* Those who are somebody get their mail, however many of the list are not. */
static void refused_recipients_are_no_errors(void **state)
{
	struct fixture f;
	int i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	f.conf.max_recipients = 3 * SESSION_ERRORS_MAX;
	fixture_expect(&f, MAIL, "250/2.1.0");
	for (i = 0; i < SESSION_ERRORS_MAX; i++)
		fixture_expect(&f,
			"RCPT TO:<a b@>\r\nRCPT TO:<jan>\r\nRCPT TO:<>\r\n",
			"501/5.1.3 550/5.1.1 501/5.1.3");
	fixture_expect(&f, RCPT "DATA\r\n" TEXT, "250/2.1.5 354 250/2.0.0");
	/* after a message it begins anew; and there is an end to it */
	fixture_expect(&f, MAIL, "250/2.1.0");
	for (i = 0; i < 4 * SESSION_ERRORS_MAX; i++)
		fixture_expect(&f, "RCPT TO:<jan>\r\n", "550/5.1.1");
	fixture_expect(&f, "RCPT TO:<jan>\r\n", "421/4.7.0.");
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_verb_in_every_state),
		cmocka_unit_test(every_verb_has_its_row),
		cmocka_unit_test(commands),
		cmocka_unit_test(who_did_not_wait_once_is_not_trusted_to),
		cmocka_unit_test(helo_is_made_harmless),
		cmocka_unit_test(a_recipient_twice_is_one),
		cmocka_unit_test(size_limit_by_setting),
		cmocka_unit_test(help_lists_what_is_offered),
		cmocka_unit_test(too_many_errors),
		cmocka_unit_test(refused_recipients_are_no_errors),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
