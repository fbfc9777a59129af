/*
 * test_tolerance.c - what devices do, from their own dialogues: overlooked and
 *                    counted where the syntax is tolerant, refused where it is
 *                    strict.
 */
#include "config.h"

#include "base/util.h"
#include "fake_journal.h"
#include "receiver/tolerance.h"
#include "session_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define HELO  "EHLO c.example.org\r\n"
#define HELO7 "HELO c.example.org\r\n"
#define WHOLE "Date: x\r\nFrom: a@example.org\r\nMessage-ID: <x@y>\r\n"
#define QUIT  "QUIT\r\n"

/* What is sent after what; each piece of text once its predecessor has its
 * replies. What a strict one says, and is said in it. */
static const struct row {
	enum quirk quirk;
	const char *before;
	const char *text;
	const char *tolerant;
	const char *strict; /* NULL: the same */
} rows[] = {
	{QUIRK_NO_HELO, "", MAIL, "250/2.1.0", "503/5.5.1"},
	{QUIRK_EMPTY_HELO, "", "HELO\r\n", "250", "501/5.5.4"},
	{QUIRK_EMPTY_HELO, "", "EHLO \r\n", "250", "501/5.5.4"},
	{QUIRK_JUNK_HELO, "", "HELO NPI_F65E56\r\n", "250", "501/5.5.4"},
	{QUIRK_JUNK_HELO, "", "EHLO Kopierer 2. Stock\r\n", "250", "501/5.5.4"},
	{QUIRK_JUNK_HELO, "", "EHLO fe80::1\r\n", "250", "501/5.5.4"},
	{QUIRK_JUNK_HELO, "", "EHLO [fe80::1]\r\n", "250", "501/5.5.4"},
	{QUIRK_JUNK_HELO, "", "EHLO -x-.\r\n", "250", "501/5.5.4"},
	{QUIRK_HELO_AGAIN, HELO, "HELO c.example.org\r\n", "250", NULL},
	{QUIRK_HELO_AGAIN, HELO MAIL, "EHLO c.example.org\r\n", "250", NULL},
	{QUIRK_NO_BRACKETS, HELO, "MAIL FROM:a@example.org\r\n", "250/2.1.0",
		"501/5.5.4"},
	{QUIRK_NO_BRACKETS, HELO MAIL, "RCPT TO:b@example.net\r\n", "250/2.1.5",
		"501/5.5.4"},
	{QUIRK_DOUBLED_BRACKETS, HELO, "MAIL FROM:<<a@example.org>>\r\n",
		"250/2.1.0", "501/5.5.4"},
	{QUIRK_DOUBLED_BRACKETS, HELO MAIL, "RCPT TO:<<b@example.net>>\r\n",
		"250/2.1.5", "501/5.5.4"},
	{QUIRK_STRAY_SPACE, HELO, "MAIL FROM: <a@example.org>\r\n", "250/2.1.0",
		"501/5.5.4"},
	{QUIRK_STRAY_SPACE, HELO MAIL, "RCPT TO : <b@example.net>\r\n",
		"250/2.1.5", "501/5.5.4"},
	{QUIRK_NAME_IN_PATH, HELO, "MAIL FROM:Scanner <a@example.org>\r\n",
		"250/2.1.0", "501/5.5.4"},
	{QUIRK_NAME_IN_PATH, HELO MAIL,
		"RCPT TO:<\"Front door\" b@example.net>\r\n", "250/2.1.5",
		"501/5.5.4"},
	{QUIRK_TRAILING_DOT, HELO, "MAIL FROM:<a@example.org.>\r\n",
		"250/2.1.0", "501/5.5.4"},
	{QUIRK_TRAILING_DOT, HELO MAIL, "RCPT TO:<b@example.net.>\r\n",
		"250/2.1.5", "501/5.5.4"},
	{QUIRK_UNQUALIFIED, HELO, "MAIL FROM:<scanner>\r\n", "250/2.1.0",
		"501/5.5.4"},
	{QUIRK_UNQUALIFIED, HELO MAIL, "RCPT TO:<root>\r\n", "250/2.1.5",
		"501/5.5.4"},
	{QUIRK_UNKNOWN_PARAMETER, HELO,
		"MAIL FROM:<a@example.org> AUTH=<> RET=HDRS\r\n", "250/2.1.0",
		"555/5.5.4"},
	{QUIRK_BAD_DSN, HELO, "MAIL FROM:<a@example.org> RET=BODY\r\n",
		"250/2.1.0", "501/5.5.4"},
	{QUIRK_BAD_DSN, HELO, "MAIL FROM:<a@example.org> ENVID=a=b\r\n",
		"250/2.1.0", "501/5.5.4"},
	{QUIRK_BAD_DSN, HELO MAIL,
		"RCPT TO:<b@example.net> NOTIFY=NEVER,DELAY\r\n", "250/2.1.5",
		"501/5.5.4"},
	{QUIRK_BAD_DSN, HELO MAIL,
		"RCPT TO:<b@example.net> NOTIFY=DELAY NOTIFY=DELAY\r\n",
		"250/2.1.5", "501/5.5.4"},
	{QUIRK_BAD_DSN, HELO MAIL,
		"RCPT TO:<b@example.net> ORCPT=b@example.net\r\n", "250/2.1.5",
		"501/5.5.4"},
	{QUIRK_UNKNOWN_PARAMETER, HELO MAIL,
		"RCPT TO:<b@example.net> RET=HDRS\r\n", "250/2.1.5",
		"555/5.5.4"},
	{QUIRK_LOWER_CASE, HELO, "mail from:<a@example.org>\r\n", "250/2.1.0",
		NULL},
	{QUIRK_LOWER_CASE, "", "ehlo c.example.org\r\n", "250", NULL},
	{QUIRK_LEADING_SPACE, HELO, " NOOP\r\n", "250/2.0.0", "500/5.5.2"},
	{QUIRK_BARE_LF, "", "EHLO c.example.org\n", "250", "500/5.5.2"},
	{QUIRK_BARE_LF, HELO MAIL RCPT "DATA\r\n",
		WHOLE "\r\none\ntwo\r\n.\r\n", "250/2.0.0", "554/5.6.0"},
	{QUIRK_BARE_LF, HELO MAIL RCPT,
		"BDAT 55 LAST\r\nDate: x\nFrom: a@example.org\n"
		"Message-ID: <x@y>\n\none\ntwo\n",
		"250/2.0.0", "554/5.6.0"},
	{QUIRK_BARE_CR, "", "EHLO c.example.org\r\r\n", "250", "500/5.5.2"},
	{QUIRK_BARE_CR, HELO MAIL RCPT "DATA\r\n",
		WHOLE "\r\none\rtwo\r\n.\r\n", "250/2.0.0", "554/5.6.0"},
	/* none was told that commands may come in groups */
	{QUIRK_EARLY_PIPELINING, HELO7, MAIL RCPT, "250/2.1.0 250/2.1.5",
		"503/5.5.1."},
	{QUIRK_EARLY_PIPELINING, "", HELO MAIL, "250 250/2.1.0", "503/5.5.1."},
	/* these end a group */
	{QUIRK_EARLY_PIPELINING, HELO, MAIL RCPT "DATA\r\n" WHOLE "\r\n.\r\n",
		"250/2.1.0 250/2.1.5 354 250/2.0.0",
		"250/2.1.0 250/2.1.5 503/5.5.1."},
	{QUIRK_EARLY_PIPELINING, HELO, "NOOP\r\nNOOP\r\n",
		"250/2.0.0 250/2.0.0", "503/5.5.1."},
	{QUIRK_NEEDLESS_AUTH, HELO, "AUTH PLAIN x\r\n", "235/2.7.0",
		"502/5.5.1"},
	{QUIRK_TLS_FIRST, "", "\x16\x03\x01\x02", ".", NULL},
	{QUIRK_HTTP, "", "GET / HTTP/1.1\r\nHost: x\r\n\r\n", "421/4.7.0.",
		NULL},
	{QUIRK_HTTP, "", "POST /x HTTP/1.0\r\n\r\nHELO x\r\n" MAIL,
		"421/4.7.0.", NULL},
	{QUIRK_HTTP, "", "PUT / HTTP/1.1\r\n\r\n", "421/4.7.0.", NULL},
	{QUIRK_HTTP, "", "HEAD / HTTP/1.1\r\n\r\n", "421/4.7.0.", NULL},
	{QUIRK_HTTP, "", "OPTIONS * HTTP/1.1\r\n\r\n", "421/4.7.0.", NULL},
	{QUIRK_HTTP, "", "CONNECT x:25 HTTP/1.1\r\n\r\n", "421/4.7.0.", NULL},
	{QUIRK_NO_DATE, HELO MAIL RCPT "DATA\r\n",
		"From: a@example.org\r\nMessage-ID: <x@y>\r\n\r\nx\r\n.\r\n",
		"250/2.0.0", "554/5.6.0"},
	{QUIRK_NO_FROM, HELO MAIL RCPT "DATA\r\n",
		"Date: x\r\nMessage-ID: <x@y>\r\n\r\nx\r\n.\r\n", "250/2.0.0",
		"554/5.6.0"},
	{QUIRK_NO_MESSAGE_ID, HELO MAIL RCPT "DATA\r\n",
		"Date: x\r\nFrom: a@example.org\r\n\r\nx\r\n.\r\n", "250/2.0.0",
		NULL},
};

/* To the letter: nothing is noted, nothing is refused. */
static const char *const clean[] = {
	"EHLO c.example.org\r\n",
	"EHLO [127.0.0.1]\r\n",
	"EHLO [IPv6:::1]\r\n",
	"HELO localhost\r\n",
	HELO MAIL RCPT "RSET\r\n" MAIL "RCPT TO:<postmaster>\r\n",
	HELO "MAIL FROM:<> SIZE=10 BODY=8BITMIME SMTPUTF8\r\n" RCPT,
	HELO "MAIL FROM:<> RET=HDRS ENVID=a+2Bb\r\n"
	     "RCPT TO:<b@example.net> NOTIFY=NEVER ORCPT=rfc822;b+3Dc@d\r\n",
	HELO "MAIL FROM:<@x.org:a@example.org>\r\n",
	HELO "NOOP text \r\nRSET\r\nHELP\r\nVRFY x\r\n",
	HELO MAIL RCPT "DATA\r\n" WHOLE "\r\nx\r\n..\r\n.\r\n",
	HELO MAIL RCPT "BDAT 22\r\nDate: x\r\nFrom: a@b.c\r\nBDAT 21 LAST\r\n"
		       "Message-ID: <x@y>\r\n\r\n",
	HELO7 MAIL RCPT "DATA\r\n" WHOLE "\r\nx\r\n.\r\n",
};

/* Line by line: the next one when the last one has its reply. */
static void say_politely(struct fixture *f, const char *text)
{
	const char *end;

	while (*text != '\0') {
		end = strstr(text, "\r\n");
		end = end != NULL ? end + 2 : text + strlen(text);
		fixture_send(f, text, (size_t)(end - text));
		text = end;
	}
}

static unsigned noted(const struct fixture *f)
{
	const struct client_record *r = &f->counters.clients[0];
	unsigned quirks = 0;
	int i;

	for (i = 0; i < QUIRK_COUNT; i++)
		quirks |= r->quirks[i] > 0 ? QUIRK_BIT(i) : 0;
	return quirks;
}

/* Leaves politely, where it still can. */
static void leave(struct fixture *f)
{
	fixture_clear(f);
	if (!f->ended && fixture_session(f) != NULL &&
		fixture_session(f)->state != SESSION_DATA)
		fixture_say(f, QUIT);
}

static void check_row(const struct row *row, enum conf_syntax syntax)
{
	const char *reply = row->tolerant;
	struct fixture f;

	if (syntax == CONF_SYNTAX_STRICT && row->strict != NULL)
		reply = row->strict;
	fixture_open(&f);
	f.profile.syntax = syntax;
	fixture_connect(&f);
	say_politely(&f, row->before);
	fixture_expect(&f, row->text, reply);
	if (reply == row->strict)
		assert_non_null(strstr(f.said.data, quirk_text(row->quirk)));
	leave(&f);
	/* tolerated or refused: it is told */
	if (noted(&f) != QUIRK_BIT(row->quirk))
		fail_msg("after \"%s\": %#x, not %s", row->text, noted(&f),
			quirk_name(row->quirk));
	fixture_close(&f);
}

static void dialogues(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		check_row(&rows[i], CONF_SYNTAX_TOLERANT);
		check_row(&rows[i], CONF_SYNTAX_STRICT);
	}
}

static void what_is_right_is_not_noted(void **state)
{
	struct fixture f;
	size_t i;
	int syntax;

	(void)state;
	for (i = 0; i < COUNT_OF(clean); i++)
		for (syntax = 0; syntax <= CONF_SYNTAX_STRICT; syntax++) {
			fixture_open(&f);
			f.profile.syntax = (enum conf_syntax)syntax;
			fixture_connect(&f);
			say_politely(&f, clean[i]);
			if (strstr(f.said.data, "\r\n5") != NULL ||
				f.said.data[0] == '5')
				fail_msg("after \"%s\": %s", clean[i],
					f.said.data);
			leave(&f);
			if (noted(&f) != 0)
				fail_msg("after \"%s\": %#x", clean[i],
					noted(&f));
			fixture_close(&f);
		}
}

/* Bytes that are refused for being early are not looked at: neither text as
 * commands nor commands at all. */
static void what_came_too_early_is_dropped(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	f.profile.syntax = CONF_SYNTAX_STRICT;
	fixture_connect(&f);
	fixture_say(&f, HELO);
	fixture_expect(&f,
		MAIL RCPT "DATA\r\n" WHOLE "\r\n.\r\n" MAIL RCPT
			  "DATA\r\n" TEXT,
		"250/2.1.0 250/2.1.5 503/5.5.1.");
	assert_int_equal(fake_journal()->count, 0);
	fixture_close(&f);
}

/* What stands behind a line that is refused: a text, or octets of a chunk. A
 * stranger may have written these. */
static void nothing_is_obeyed_behind_a_refused_line(void **state)
{
	static const struct {
		const char *text;
		const char *reply;
	} lines[] = {
		{"DATA\n" WHOLE "\r\n" MAIL RCPT "DATA\r\n" TEXT, "500/5.5.2."},
		{" DATA\r\nRSET\r\n" MAIL RCPT "DATA\r\n" TEXT, "500/5.5.2."},
		{"BDAT 77 LAST\nRSET\r\n" MAIL RCPT "DATA\r\n" TEXT,
			"500/5.5.2."},
		/* its octets are on their way */
		{" BDAT 77 LAST\r\n", "500/5.5.2."},
		/* one that waits is told, and may go on */
		{"DATA\n", "500/5.5.2"},
		{" DATA\r\n", "500/5.5.2"},
	};
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(lines); i++) {
		fixture_open(&f);
		f.profile.syntax = CONF_SYNTAX_STRICT;
		fixture_connect(&f);
		say_politely(&f, HELO MAIL RCPT);
		fixture_expect(&f, lines[i].text, lines[i].reply);
		assert_int_equal(fake_journal()->count, 0);
		fixture_close(&f);
	}
}

static void leaving_without_a_word(void **state)
{
	struct fixture f;
	int syntax;

	(void)state;
	for (syntax = 0; syntax <= CONF_SYNTAX_STRICT; syntax++) {
		fixture_open(&f);
		f.profile.syntax = (enum conf_syntax)syntax;
		fixture_connect(&f);
		say_politely(&f, HELO MAIL RCPT "DATA\r\n" WHOLE "\r\n.\r\n");
		fixture_disconnect(&f);
		fixture_turn(&f);
		assert_int_equal(noted(&f), QUIRK_BIT(QUIRK_NO_QUIT));
		assert_int_equal(fake_journal()->count, 1);
		/* a look whether somebody is there is none */
		fixture_connect(&f);
		fixture_disconnect(&f);
		fixture_turn(&f);
		assert_int_equal(
			f.counters.clients[0].quirks[QUIRK_NO_QUIT], 1);
		fixture_close(&f);
	}
}

static void counted_once_a_message(void **state)
{
	struct fixture f;
	const struct client_record *r;
	int i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	r = &f.counters.clients[0];
	say_politely(&f, HELO);
	for (i = 0; i < 3; i++)
		say_politely(&f, "MAIL FROM: <a@example.org>\r\n"
				 "RCPT TO: <b@example.net>\r\n"
				 "RCPT TO: <c@example.net>\r\nDATA\r\n" WHOLE
				 "\r\nx\n\r\n.\r\n");
	assert_int_equal(r->kind, CLIENT_ADDRESS);
	assert_int_equal(r->accepted, 3);
	assert_int_equal(r->refused, 0);
	assert_int_equal(r->quirks[QUIRK_STRAY_SPACE], 3);
	assert_int_equal(r->quirks[QUIRK_BARE_LF], 3);
	say_politely(&f, "MAIL FROM:<> SIZE=99999999\r\n" MAIL
			 "RCPT TO:<>\r\n" RCPT "DATA\r\nx\r\n");
	fixture_send(&f, "\0\r\n.\r\n", 6);
	assert_int_equal(r->accepted, 3);
	assert_int_equal(r->refused, 3);
	fixture_close(&f);
}

/* Every mistake has its words; every one with a reply has a row above. */
static void every_quirk_is_known(void **state)
{
	static const enum quirk elsewhere[] = {
		QUIRK_NO_SENDER, /* with default-sender */
		QUIRK_LF_DOT,    /* with lf-dot */
		QUIRK_NO_QUIT,   /* above */
	};
	bool seen[QUIRK_COUNT] = {false};
	size_t i, j;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		seen[rows[i].quirk] = true;
		assert_int_equal(rows[i].strict != NULL,
			tolerance_refusal(rows[i].quirk) != RX_NONE);
	}
	for (i = 0; i < COUNT_OF(elsewhere); i++)
		seen[elsewhere[i]] = true;
	for (i = 0; i < QUIRK_COUNT; i++) {
		assert_true(seen[i]);
		assert_non_null(quirk_name((enum quirk)i));
		assert_non_null(quirk_text((enum quirk)i));
		for (j = 0; j < i; j++)
			assert_string_not_equal(quirk_name((enum quirk)i),
				quirk_name((enum quirk)j));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(dialogues),
		cmocka_unit_test(what_is_right_is_not_noted),
		cmocka_unit_test(what_came_too_early_is_dropped),
		cmocka_unit_test(nothing_is_obeyed_behind_a_refused_line),
		cmocka_unit_test(leaving_without_a_word),
		cmocka_unit_test(counted_once_a_message),
		cmocka_unit_test(every_quirk_is_known),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
