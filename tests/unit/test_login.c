/*
 * test_login.c - AUTH in a session: who is asked for it, what is said, who has
 *                to wait.
 */
#include "config.h"

#include "fake_journal.h"
#include "receiver/brake.h"
#include "receiver/login.h"
#include "receiver/users.h"
#include "session_fixture.h"

#include "base/log.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

/* me's: "secret word"; cheap ones */
#define USERS                                                                  \
	"me:$6$rounds=1000$saltsalt$UAvNWimCHicMjCrJkB.ShbcMDmn7Ins43QLvcd077" \
	"tn.ukMYvoFZzAItyyd5BjDXLyfVnm0RvZbWpuhfVrhT9.\n"
/* NUL me NUL "secret word", "wrong"; nobody's */
#define RIGHT  "AG1lAHNlY3JldCB3b3Jk"
#define WRONG  "AG1lAHdyb25n"
#define NOBODY "AG5vYm9keQBzZWNyZXQgd29yZA=="
#define EHLO   "EHLO c\r\n"

struct world {
	struct fixture f;
	struct users *users;
	struct logins *logins;
};

static int setup(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err err;

	fixture_open(&w->f);
	w->users = users_parse(USERS, strlen(USERS), &err);
	assert_non_null(w->users);
	w->logins = logins_new(w->f.base, w->users);
	w->f.shared.logins = w->logins;
	*state = w;
	return 0;
}

static int teardown(void **state)
{
	struct world *w = *state;

	fixture_close(&w->f);
	users_free(&w->users);
	free(w);
	return 0;
}

/* As from this machine, so that passwords are taken without TLS. */
static void connect_local(struct world *w)
{
	fixture_connect(&w->f);
	fixture_session(&w->f)->peer.local = true;
}

static void connect_from(struct world *w, const char *address)
{
	connect_local(w);
	assert_int_equal(inet_pton(AF_INET6, address,
				 &fixture_session(&w->f)->peer.address),
		1);
}

/* fixture_expect, with the end of a check to wait for. */
static void expect_checked(
	struct world *w, const char *text, const char *expected)
{
	struct session *s = fixture_session(&w->f);

	fixture_clear(&w->f);
	fixture_say(&w->f, text);
	while (s->check != NULL)
		event_base_loop(w->f.base, EVLOOP_ONCE);
	fixture_turn(&w->f);
	if (strncmp(w->f.said.data, expected, strlen(expected)) != 0)
		fail_msg("%s: %s", text, w->f.said.data);
}

/* What is said without any check. */
static const struct row {
	enum conf_auth auth;
	enum conf_syntax syntax;
	const char *text;
	const char *expected;
} rows[] = {
#define ANY   CONF_AUTH_ANY, CONF_SYNTAX_TOLERANT
#define NONE  CONF_AUTH_NONE, CONF_SYNTAX_TOLERANT
#define NEVER CONF_AUTH_NONE, CONF_SYNTAX_STRICT
#define KNOWN CONF_AUTH_USERS, CONF_SYNTAX_TOLERANT
	{ANY, "AUTH PLAIN " WRONG "\r\n", "235/2.7.0"},
	{ANY, "AUTH PLAIN\r\n" WRONG "\r\n", "334 235/2.7.0"},
	{ANY, "auth plain\r\n\r\n", "334 235/2.7.0"},
	{ANY, "AUTH PLAIN =\r\n", "235/2.7.0"},
	{ANY, "AUTH LOGIN\r\nuser\r\npassword\r\n", "334 334 235/2.7.0"},
	{ANY, "AUTH LOGIN dXNlcg==\r\ncHc=\r\n", "334 235/2.7.0"},
	{ANY, "AUTH LOGIN\r\n*\r\n", "334 501/5.0.0"},
	{ANY, "AUTH LOGIN\r\nx\r\n*\r\n", "334 334 501/5.0.0"},
	{ANY, "AUTH CRAM-MD5\r\n", "504/5.5.4"},
	{ANY, "AUTH\r\n", "501/5.5.4"},
	{ANY, "AUTH PLAIN x\r\nAUTH PLAIN x\r\n", "235/2.7.0 503/5.5.1"},
	{ANY, MAIL "AUTH PLAIN x\r\n", "250/2.1.0 503/5.5.1"},
	{ANY, MAIL, "250/2.1.0"},
	{ANY, "AUTH PLAIN x\r\n" MAIL, "235/2.7.0 250/2.1.0"},
	/* not offered, and taken all the same */
	{NONE, "AUTH PLAIN " WRONG "\r\n" MAIL, "235/2.7.0 250/2.1.0"},
	{NONE, "AUTH LOGIN\r\nx\r\ny\r\n", "334 334 235/2.7.0"},
	{NEVER, "AUTH PLAIN " WRONG "\r\n", "502/5.5.1"},
	{NEVER, "AUTH LOGIN\r\n", "502/5.5.1"},
	/* of users, what is no password at all */
	{KNOWN, MAIL, "530/5.7.0"},
	{KNOWN, MAIL RCPT, "530/5.7.0 503/5.5.1"},
	{KNOWN, "DATA\r\n", "503/5.5.1"},
	{KNOWN, "AUTH PLAIN x\r\n", "501/5.5.2"},
	{KNOWN, "AUTH PLAIN\r\n*\r\n" MAIL, "334 501/5.0.0 530/5.7.0"},
	{KNOWN, "AUTH LOGIN\r\nNO!\r\n", "334 501/5.5.2"},
	{KNOWN, "AUTH XOAUTH2 x\r\n", "504/5.5.4"},
	{KNOWN, "VRFY x\r\nNOOP\r\nRSET\r\n", "252/2.5.0 250/2.0.0 250/2.0.0"},
};

static void whole(void **state)
{
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		w->f.profile.auth = rows[i].auth;
		w->f.profile.syntax = rows[i].syntax;
		connect_local(w);
		fixture_expect(&w->f, rows[i].text, rows[i].expected);
	}
}

static void byte_by_byte(void **state)
{
	struct world *w = *state;
	size_t i, n;

	for (i = 0; i < COUNT_OF(rows); i++) {
		w->f.profile.auth = rows[i].auth;
		w->f.profile.syntax = rows[i].syntax;
		connect_local(w);
		fixture_clear(&w->f);
		for (n = 0; rows[i].text[n + 1] != '\0'; n++)
			fixture_send(&w->f, rows[i].text + n, 1);
		/* all replies, what was said so far as well */
		fixture_send(&w->f, rows[i].text + n, 1);
		fixture_expect_said(&w->f, rows[i].text, rows[i].expected);
	}
}

static void exact_prompts(void **state)
{
	struct world *w = *state;

	w->f.profile.auth = CONF_AUTH_ANY;
	connect_local(w);
	fixture_clear(&w->f);
	fixture_say(&w->f, "AUTH LOGIN\r\n");
	assert_string_equal(w->f.said.data, "334 VXNlcm5hbWU6\r\n");
	fixture_clear(&w->f);
	fixture_say(&w->f, "x\r\n");
	assert_string_equal(w->f.said.data, "334 UGFzc3dvcmQ6\r\n");
	fixture_say(&w->f, "*\r\n");
	fixture_clear(&w->f);
	fixture_say(&w->f, "AUTH PLAIN\r\n");
	assert_string_equal(w->f.said.data, "334 \r\n");
}

static void offered_where_it_is_asked_for(void **state)
{
	static const struct {
		enum conf_auth auth;
		bool local;
		bool offered;
	} cases[] = {
		{CONF_AUTH_NONE, true, false}, {CONF_AUTH_NONE, false, false},
		{CONF_AUTH_ANY, true, true}, {CONF_AUTH_ANY, false, true},
		{CONF_AUTH_USERS, true, true},
		{CONF_AUTH_USERS, false, false}, /* not without TLS */
	};
	struct world *w = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(cases); i++) {
		w->f.profile.auth = cases[i].auth;
		connect_local(w);
		fixture_session(&w->f)->peer.local = cases[i].local;
		fixture_clear(&w->f);
		fixture_say(&w->f, EHLO);
		assert_int_equal(
			strstr(w->f.said.data, " AUTH PLAIN LOGIN\r\n") != NULL,
			cases[i].offered);
		if (!cases[i].offered)
			assert_null(strstr(w->f.said.data, "AUTH"));
		fixture_clear(&w->f);
		fixture_say(&w->f, "HELP\r\n");
		assert_int_equal(strstr(w->f.said.data, "AUTH") != NULL,
			cases[i].offered);
	}
}

static void no_password_in_clear(void **state)
{
	struct world *w = *state;

	w->f.profile.auth = CONF_AUTH_USERS;
	fixture_connect(&w->f);
	fixture_expect(&w->f, "AUTH PLAIN " RIGHT "\r\n", "538/5.7.11");
	fixture_expect(&w->f, "AUTH LOGIN\r\nNOOP\r\n", "538/5.7.11 250/2.0.0");
	fixture_expect(&w->f, MAIL, "530/5.7.0");
}

static void right_and_wrong(void **state)
{
	struct world *w = *state;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_local(w);
	expect_checked(w, "AUTH PLAIN " WRONG "\r\n", "535 5.7.8 ");
	fixture_expect(&w->f, MAIL, "530/5.7.0");
	expect_checked(w, "AUTH PLAIN " NOBODY "\r\n", "535 5.7.8 ");
	expect_checked(w, "AUTH PLAIN " RIGHT "\r\n", "235 2.7.0 ");
	fixture_expect(&w->f, "AUTH PLAIN " RIGHT "\r\n", "503/5.5.1");
	fixture_expect(&w->f, MAIL RCPT "DATA\r\n" TEXT,
		"250/2.1.0 250/2.1.5 354 250/2.0.0");
	fixture_expect(&w->f, MAIL, "250/2.1.0");
	/* LOGIN; what is pipelined behind it waits for the check */
	connect_local(w);
	fixture_expect(&w->f, "AUTH LOGIN\r\nbWU=\r\n", "334 334");
	expect_checked(w, "c2VjcmV0IHdvcmQ=\r\n" MAIL,
		"235 2.7.0 logged in\r\n250 2.1.0 ");
}

static void the_received_line_says_so(void **state)
{
	struct world *w = *state;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_local(w);
	fixture_say(&w->f, EHLO);
	expect_checked(w, "AUTH PLAIN " RIGHT "\r\n", "235 2.7.0 ");
	fixture_say(&w->f, MAIL RCPT "DATA\r\n" TEXT);
	assert_non_null(strstr(
		fake_journal()->messages[0].text.data, "with ESMTPA id"));
	/* what nobody looked at is no login */
	w->f.profile.auth = CONF_AUTH_ANY;
	connect_local(w);
	fixture_say(&w->f, EHLO "AUTH PLAIN x\r\n" MAIL RCPT "DATA\r\n" TEXT);
	assert_non_null(
		strstr(fake_journal()->messages[1].text.data, "with ESMTP id"));
}

static void errors_are_counted(void **state)
{
	struct world *w = *state;
	int i;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_local(w);
	for (i = 0; i < SESSION_ERRORS_MAX; i++)
		fixture_expect(&w->f, "AUTH PLAIN x\r\n", "501/5.5.2");
	fixture_expect(&w->f, "AUTH PLAIN x\r\n", "421/4.7.0.");
}

static void five_wrong_ones_and_it_waits(void **state)
{
	struct world *w = *state;
	int i;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_from(w, "::ffff:192.0.2.1");
	for (i = 0; i < BRAKE_FAILURES; i++)
		expect_checked(w, "AUTH PLAIN " WRONG "\r\n", "535 5.7.8 ");
	/* no check any more, not even of the right one */
	fixture_expect(&w->f, "AUTH PLAIN " RIGHT "\r\n", "454/4.7.0");
	connect_from(w, "::ffff:192.0.2.1");
	fixture_expect(&w->f, "AUTH PLAIN " RIGHT "\r\n", "454/4.7.0");
	connect_from(w, "::ffff:192.0.2.2");
	expect_checked(w, "AUTH PLAIN " RIGHT "\r\n", "235 2.7.0 ");
}

/* Logins that are all under way before the loop turns. */
struct crowd {
	struct session *sessions[LOGIN_CHECKS_MAX + 1];
	int fds[LOGIN_CHECKS_MAX + 1];
	int count;
};

static void gather(struct world *w, struct crowd *crowd, int count)
{
	int i;

	w->f.profile.auth = CONF_AUTH_USERS;
	w->f.conf.max_clients = LOGIN_CHECKS_MAX + 1;
	crowd->count = count;
	for (i = 0; i < count; i++) {
		connect_from(w, "::ffff:192.0.2.1");
		crowd->sessions[i] = fixture_session(&w->f);
		crowd->fds[i] = w->f.fd;
		w->f.fd = -1;
	}
}

static void log_in(struct session *s, const char *argument)
{
	const struct command command = {
		.verb = "AUTH",
		.arg = argument,
		.arg_len = strlen(argument),
	};

	login_begin(s, &command);
}

static void disperse(struct world *w, struct crowd *crowd)
{
	int i;

	for (i = 0; i < crowd->count; i++)
		while (crowd->sessions[i]->check != NULL)
			event_base_loop(w->f.base, EVLOOP_ONCE);
	for (i = 0; i < crowd->count; i++)
		close(crowd->fds[i]);
}

/* Guesses at the same time bring no more than guesses one by one. */
static void no_more_guesses_at_once(void **state)
{
	struct world *w = *state;
	struct crowd crowd;
	unsigned wrong = 0;
	int i;

	gather(w, &crowd, LOGIN_CHECKS_MAX);
	for (i = 0; i < crowd.count; i++)
		log_in(crowd.sessions[i], "PLAIN " WRONG);
	disperse(w, &crowd);
	for (i = 0; i < crowd.count; i++)
		wrong += crowd.sessions[i]->errors;
	assert_int_equal(wrong, BRAKE_FAILURES);
}

static void the_right_one_too_late(void **state)
{
	struct world *w = *state;
	struct crowd crowd;
	int i;

	gather(w, &crowd, BRAKE_FAILURES + 1);
	for (i = 0; i < BRAKE_FAILURES; i++)
		log_in(crowd.sessions[i], "PLAIN " WRONG);
	log_in(crowd.sessions[BRAKE_FAILURES], "PLAIN " RIGHT);
	disperse(w, &crowd);
	assert_false(crowd.sessions[BRAKE_FAILURES]->logged_in);
	assert_int_equal(crowd.sessions[BRAKE_FAILURES]->errors, 0);
}

static void not_more_than_can_wait(void **state)
{
	struct world *w = *state;
	struct crowd crowd;
	int i;

	gather(w, &crowd, LOGIN_CHECKS_MAX + 1);
	for (i = 0; i < LOGIN_CHECKS_MAX; i++) {
		log_in(crowd.sessions[i], "PLAIN " RIGHT);
		assert_non_null(crowd.sessions[i]->check);
	}
	log_in(crowd.sessions[i], "PLAIN " RIGHT);
	assert_null(crowd.sessions[i]->check);
	assert_memory_equal(crowd.sessions[i]->out.data, "454 4.7.0 ", 10);
	disperse(w, &crowd);
	for (i = 0; i < LOGIN_CHECKS_MAX; i++)
		assert_true(crowd.sessions[i]->logged_in);
}

/* One that leaves while its password is looked at. */
static void leaving_in_the_middle(void **state)
{
	struct world *w = *state;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_local(w);
	log_in(fixture_session(&w->f), "PLAIN " RIGHT);
	assert_non_null(fixture_session(&w->f)->check);
	session_expel(fixture_session(&w->f), RX_STOPPING, "the test says so");
	fixture_turn(&w->f);
	assert_null(fixture_session(&w->f));
	/* the check ends, for nobody: teardown waits for it */
}

static void a_line_too_long(void **state)
{
	struct world *w = *state;
	static char line[COMMAND_LINE_MAX + 1];

	memset(line, 'A', sizeof(line) - 1);
	w->f.profile.auth = CONF_AUTH_ANY;
	connect_local(w);
	fixture_expect(&w->f, "AUTH LOGIN\r\n", "334");
	fixture_expect(&w->f, line, "");
	fixture_expect(&w->f, "\r\n", "500/5.5.6");
	fixture_expect(&w->f, "NOOP\r\n", "250/2.0.0");
	/* the longest that is taken */
	line[COMMAND_LINE_MAX - 2] = '\0';
	fixture_expect(&w->f, "AUTH LOGIN\r\n", "334");
	fixture_expect(&w->f, line, "");
	fixture_expect(&w->f, "\r\n", "334");
}

/* Neither the turn's bytes nor what was held back keep a password. */
static void nothing_is_left(void **state)
{
	struct world *w = *state;
	const char *part = RIGHT;
	struct session *s;

	w->f.profile.auth = CONF_AUTH_USERS;
	connect_local(w);
	s = fixture_session(&w->f);
	fixture_say(&w->f, EHLO "AUTH PLAIN AG1lAHNlY3Jl");
	assert_null(memmem(w->f.shared.turn, SESSION_TURN_MAX, part, 8));
	fixture_say(&w->f, "dCB3b3Jk\r\n");
	assert_null(memmem(w->f.shared.turn, SESSION_TURN_MAX, part, 8));
	assert_null(s->auth);
	if (s->held.data != NULL)
		assert_null(memmem(s->held.data, s->held.cap, part, 8));
	while (s->check != NULL)
		event_base_loop(w->f.base, EVLOOP_ONCE);
	assert_true(s->logged_in);
	connect_local(w);
	s = fixture_session(&w->f);
	fixture_say(&w->f, "AUTH LOGIN\r\nbWU=\r\nc2VjcmV0");
	assert_null(memmem(w->f.shared.turn, SESSION_TURN_MAX, "c2Vj", 4));
	fixture_say(&w->f, "IHdvcmQ=\r\n");
	assert_null(memmem(w->f.shared.turn, SESSION_TURN_MAX, "c2Vj", 4));
	if (s->held.data != NULL)
		assert_null(memmem(s->held.data, s->held.cap, "c2Vj", 4));
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(whole),
		TEST(byte_by_byte),
		TEST(exact_prompts),
		TEST(offered_where_it_is_asked_for),
		TEST(no_password_in_clear),
		TEST(right_and_wrong),
		TEST(the_received_line_says_so),
		TEST(errors_are_counted),
		TEST(five_wrong_ones_and_it_waits),
		TEST(no_more_guesses_at_once),
		TEST(the_right_one_too_late),
		TEST(not_more_than_can_wait),
		TEST(leaving_in_the_middle),
		TEST(a_line_too_long),
		TEST(nothing_is_left),
	};

	return cmocka_run_group_tests_name("login", tests, NULL, NULL);
}
