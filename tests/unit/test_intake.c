/*
 * test_intake.c - messages through a session: what is stored of DATA and BDAT,
 *                 what is refused, how a draft's fate is told.
 */
#include "config.h"

#include "fake_journal.h"
#include "session_fixture.h"

#include "base/util.h"
#include "proto/body.h"
#include "proto/header.h"
#include "spool/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define BEGIN MAIL RCPT
#define HEAD                                                                   \
	"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\nFrom: a@example.org\r\n"     \
	"Message-ID: <1@example.org>\r\n"

/* Line ends and dots in other places, which must neither end the message nor
 * begin a command: what comes behind them is text. */
static const struct smuggling_row {
	const char *end;    /* as it comes, in place of CRLF.CRLF */
	const char *stored; /* for it */
} smuggling_rows[] = {
	{"\n.\n", "\r\n\r\n"},
	{"\n.\r\n", "\r\n\r\n"},
	{"\r\n.\n", "\r\n\r\n"},
	{"\r.\r", "\r\n.\r\n"},
	{"\r.\r\n", "\r\n.\r\n"},
	{"\r\n.\r", "\r\n\r\n"},
	{"\n.\r", "\r\n\r\n"},
	{"\r\n\r.\r\n", "\r\n\r\n.\r\n"},
	{"\r\n.\r\r\n", "\r\n\r\n"},
	{"\r\r\n.\n", "\r\n\r\n"},
	{"\r\n..\r\n", "\r\n.\r\n"},
	{"\r\n .\r\n", "\r\n .\r\n"},
};

#define SMUGGLED                                                               \
	"MAIL FROM:<admin@example.org>\r\nRCPT TO:<victim@example.net>\r\n"    \
	"DATA\r\nSubject: fraud\r\n"

static void smuggling(void **state)
{
	struct fixture f;
	struct buf text, stored;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(smuggling_rows); i++) {
		buf_init(&text, 4096);
		buf_init(&stored, 4096);
		assert_int_equal(buf_addf(&text,
					 BEGIN "DATA\r\n" HEAD
					       "\r\none%s" SMUGGLED "\r\n.\r\n",
					 smuggling_rows[i].end),
			0);
		assert_int_equal(
			buf_addf(&stored, HEAD "\r\none%s" SMUGGLED "\r\n",
				smuggling_rows[i].stored),
			0);
		fixture_open(&f);
		fixture_connect(&f);
		fixture_expect(
			&f, text.data, "250/2.1.0 250/2.1.5 354 250/2.0.0");
		assert_int_equal(fake_journal()->count, 1);
		assert_string_equal(fixture_message(0), stored.data);
		fixture_close(&f);
		buf_free(&text);
		buf_free(&stored);
	}
}

static void received_line(void **state)
{
	static const struct {
		const char *before;
		const char *from;
		const char *with;
	} rows[] = {
		{"EHLO printer", "from printer ([10.0.0.31])",
			"with ESMTP id 0000000000000001;"},
		{"HELO printer", "from printer ([10.0.0.31])",
			"with SMTP id 0000000000000001;"},
		{"NOOP", "from unknown ([10.0.0.31])",
			"with SMTP id 0000000000000001;"},
		{"EHLO (x)\t; y", "from ?x????y ([10.0.0.31])",
			"with ESMTP id 0000000000000001;"},
	};
	char text[1024], received[1024], *p;
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		snprintf(text, sizeof(text),
			"%s\r\n" BEGIN "DATA\r\n" HEAD "\r\nx\r\n.\r\n",
			rows[i].before);
		fixture_say(&f, text);
		assert_string_equal(fixture_message(0), HEAD "\r\nx\r\n");
		/* unfolded */
		snprintf(received, sizeof(received), "%s",
			fake_journal()->messages[0].text.data);
		*strstr(received, "\r\nDate:") = '\0';
		while ((p = strstr(received, "\r\n")) != NULL)
			memmove(p, p + 2, strlen(p + 2) + 1);
		for (p = received; *p != '\0'; p++)
			if (*p == '\t')
				*p = ' ';
		assert_memory_equal(received, "Received: ", 10);
		assert_non_null(strstr(received, rows[i].from));
		assert_non_null(
			strstr(received, " by relay.example.org (gmrelayd) "));
		assert_non_null(strstr(received, rows[i].with));
		assert_non_null(strstr(received, " +0000"));
		fixture_close(&f);
	}
}

static void repairs(void **state)
{
	struct fixture f;
	const char *text;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, BEGIN "DATA\r\nSubject: s\r\nBcc: x@example.net\r\n"
			      "\r\nx\r\n.\r\n");
	text = fixture_message(0);
	assert_non_null(strstr(text, "\r\nFrom: a@example.org\r\n"));
	assert_non_null(strstr(text, "\r\nMessage-ID: <0000000000000001."));
	assert_non_null(strstr(text, "@relay.example.org>\r\n"));
	assert_non_null(strstr(text, "\r\nDate: "));
	assert_null(strstr(text, "Bcc"));
	/* from nobody: the account */
	fixture_say(&f, "MAIL FROM:<>\r\nRCPT TO:<b@example.net>\r\nDATA\r\n"
			"Subject: s\r\n\r\nx\r\n.\r\n");
	assert_non_null(
		strstr(fixture_message(1), "\r\nFrom: someone@gmail.com\r\n"));
	assert_non_null(strstr(fixture_envelope(1), "\nfrom \n"));
	fixture_close(&f);
}

/* What is stored of a text without the empty line, or without anything. */
static void odd_shapes(void **state)
{
	static const struct {
		const char *text;
		const char *stored; /* the end of it */
	} rows[] = {
		{HEAD, HEAD "\r\n"},
		{HEAD "\r\n", HEAD "\r\n"},
		{HEAD "no header\r\nmore\r\n",
			HEAD "\r\nno header\r\nmore\r\n"},
		{"", "\r\n\r\n"},
		{"\r\nbody\r\n", "\r\n\r\nbody\r\n"},
		{"body only\r\n", "\r\n\r\nbody only\r\n"},
		{"From x Sun Nov 22\r\n" HEAD "\r\nx\r\n", HEAD "\r\nx\r\n"},
		{HEAD "\r\n..\r\n", HEAD "\r\n.\r\n"},
	};
	const char *stored;
	char text[1024];
	struct fixture f;
	size_t i, len;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		snprintf(text, sizeof(text), BEGIN "DATA\r\n%s.\r\nNOOP\r\n",
			rows[i].text);
		fixture_expect(&f, text,
			"250/2.1.0 250/2.1.5 354 250/2.0.0 250/2.0.0");
		stored = fake_journal()->messages[0].text.data;
		len = strlen(rows[i].stored);
		assert_true(strlen(stored) > len);
		assert_string_equal(
			stored + strlen(stored) - len, rows[i].stored);
		fixture_close(&f);
	}
}

static void envelope_tells_what_is_needed(void **state)
{
	static const struct {
		const char *mail; /* and RCPT */
		const char *text;
		bool eight_bit, smtputf8;
	} rows[] = {
		{BEGIN, "\r\nx\r\n", false, false},
		{BEGIN, "\r\n\xc3\xa4\r\n", true, false},
		{BEGIN, "Subject: \xc3\xa4\r\n\r\nx\r\n", false, false},
		{BEGIN, "no header, \xe4\r\nx\r\n", true, false},
		{"MAIL FROM:<a@example.org> SMTPUTF8\r\n"
		 "RCPT TO:<b@example.net>\r\n",
			"Subject: \xc3\xa4\r\n\r\nx\r\n", true, true},
		{"MAIL FROM:<\xc3\xa4@example.org>\r\n"
		 "RCPT TO:<b@example.net>\r\n",
			"From: x@example.org\r\n\r\nx\r\n", false, true},
		{"MAIL FROM:<a@example.org>\r\nRCPT TO:<\xc3\xa4@example.net>\r\n",
			"\r\nx\r\n", false, true},
	};
	struct envelope *env;
	char text[1024];
	struct fixture f;
	size_t i, used;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		snprintf(text, sizeof(text), "EHLO c\r\n%sDATA\r\n%s.\r\n",
			rows[i].mail, rows[i].text);
		fixture_expect(
			&f, text, "250 250/2.1.0 250/2.1.5 354 250/2.0.0");
		env = envelope_parse(fixture_envelope(0),
			strlen(fixture_envelope(0)), &used, NULL);
		assert_non_null(env);
		assert_int_equal(env->eight_bit, rows[i].eight_bit);
		assert_int_equal(env->smtputf8, rows[i].smtputf8);
		assert_string_equal(env->client, "10.0.0.31");
		assert_int_equal(env->id, 1);
		assert_int_equal(
			env->size, fake_journal()->messages[0].text.len);
		assert_true(env->arrived_s > 0);
		envelope_free(&env);
		fixture_close(&f);
	}
}

/* Adds count times text to out. */
static void repeat(struct buf *out, const char *text, size_t count)
{
	while (count-- > 0)
		assert_int_equal(buf_add_string(out, text), 0);
}

/* Sends a message of three parts, the middle one repeated, by DATA and by BDAT,
 * and wants this answer; the session must go on well. */
static void refused(
	const char *first, const char *middle, size_t count, const char *reply)
{
	struct fixture f;
	struct buf text, chunk;
	char expected[64];

	buf_init(&text, 8 * 1024 * 1024);
	buf_init(&chunk, 8 * 1024 * 1024);
	repeat(&text, first, 1);
	repeat(&text, middle, count);
	repeat(&text, "\r\nend\r\n", 1);
	assert_int_equal(
		buf_addf(&chunk, BEGIN "BDAT %zu LAST\r\n", text.len), 0);
	assert_int_equal(buf_add(&chunk, text.data, text.len), 0);
	repeat(&text, ".\r\nNOOP\r\n", 1);
	repeat(&chunk, "NOOP\r\n", 1);
	fixture_open(&f);
	f.conf.message_size = 1024 * 1024;
	fixture_connect(&f);
	fixture_expect(&f, BEGIN "DATA\r\n", "250/2.1.0 250/2.1.5 354");
	snprintf(expected, sizeof(expected), "%s 250/2.0.0", reply);
	fixture_expect(&f, text.data, expected);
	assert_int_equal(fixture_session(&f)->state, SESSION_IDLE);
	snprintf(expected, sizeof(expected), "250/2.1.0 250/2.1.5 %s 250/2.0.0",
		reply);
	fixture_expect(&f, chunk.data, expected);
	assert_int_equal(fixture_session(&f)->state, SESSION_IDLE);
	assert_int_equal(fake_journal()->count, 0);
	assert_int_equal(fake_journal()->drafts, 0);
	assert_int_equal(f.counters.rejected, 2);
	fixture_close(&f);
	buf_free(&text);
	buf_free(&chunk);
}

static void refused_messages(void **state)
{
	(void)state;
	/* the limit is 1 MiB */
	refused("A: b\r\n\r\n", "0123456789abcde\r\n", 65536, "552/5.3.4");
	refused("A: b\r\n\r\n", "0123456789", 6554, "554/5.6.0");
	refused("A: b\r\n", "X: 0123456789\r\n", 36000, "554/5.6.0");
	refused("", "Received: x\r\n", HEADER_RECEIVED_MAX + 1, "554/5.4.6");
}

static void a_nul(void **state)
{
	static const char text[] = "a: b\r\n\r\nx\0y\r\n.\r\nNOOP\r\n";
	static const char chunk[] = BEGIN "BDAT 3\r\na\0b"
					  "BDAT 3\r\nabc"
					  "MAIL FROM:<>\r\nRSET\r\nNOOP\r\n";
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, BEGIN "DATA\r\n");
	fixture_clear(&f);
	fixture_send(&f, text, sizeof(text) - 1);
	assert_string_equal(f.said.data,
		"554 5.6.0 the message holds NUL bytes\r\n250 2.0.0 ok\r\n");
	/* a chunk that fails asks for RSET */
	fixture_clear(&f);
	fixture_send(&f, chunk, sizeof(chunk) - 1);
	fixture_expect(&f, "NOOP\r\n", "250/2.0.0");
	fixture_send(&f, chunk, sizeof(chunk) - 1);
	assert_non_null(strstr(f.said.data,
		"\r\n554 5.6.0 the message holds NUL bytes\r\n"
		"503 5.5.1 BDAT failed before: RSET first\r\n"
		"503 5.5.1 not now: BDAT LAST or RSET comes first\r\n"
		"250 2.0.0 reset\r\n250 2.0.0 ok\r\n"));
	assert_int_equal(fake_journal()->drafts, 0);
	fixture_close(&f);
}

/* As much as the limit passes, one octet more does not. */
static void the_exact_size(void **state)
{
	static const char text[] = "BDAT 20\r\nSubject: x\r\n\r\nabcd\r\n"
				   "BDAT 80 LAST\r\n";
	struct fixture f;
	char body[82];

	(void)state;
	memset(body, 'x', sizeof(body));
	memcpy(body + 78, "\r\n", 3);
	fixture_open(&f);
	fixture_connect(&f);
	f.conf.message_size = 100;
	fixture_say(&f, BEGIN);
	fixture_say(&f, text);
	fixture_expect(&f, body, "250/2.0.0");
	f.conf.message_size = 99;
	fixture_say(&f, BEGIN);
	fixture_say(&f, text);
	fixture_expect(&f, body, "552/5.3.4");
	fixture_say(&f, BEGIN "DATA\r\nSubject: x\r\n\r\nabcd\r\n");
	fixture_expect(&f, body, "");
	fixture_expect(&f, ".\r\n", "552/5.3.4");
	f.conf.message_size = 100;
	fixture_say(&f, BEGIN "DATA\r\nSubject: x\r\n\r\nabcd\r\n");
	fixture_say(&f, body);
	fixture_expect(&f, ".\r\n", "250/2.0.0");
	/* a dot that is removed does not count */
	fixture_say(&f, BEGIN "DATA\r\nSubject: x\r\n\r\nabcd\r\n.");
	body[0] = '.';
	fixture_say(&f, body);
	fixture_expect(&f, ".\r\n", "250/2.0.0");
	fixture_close(&f);
}

static void chunks(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	/* cut in the midst of lines; dots are text; no line end at the end */
	fixture_expect(&f,
		BEGIN "BDAT 14\r\nSubject: x\r\n\r\n"
		      "BDAT 2\r\na\r"
		      "BDAT 0\r\n"
		      "BDAT 6\r\n\n.\r\n.."
		      "BDAT 4 LAST\r\n\r\n.x"
		      "NOOP\r\n",
		"250/2.1.0 250/2.1.5 250/2.0.0 250/2.0.0 250/2.0.0 250/2.0.0 "
		"250/2.0.0 250/2.0.0");
	assert_non_null(strstr(f.said.data, "chunk taken, octets: 14\r\n"));
	assert_non_null(
		strstr(fixture_message(0), "\r\n\r\na\r\n.\r\n..\r\n.x\r\n"));
	/* an end by a chunk of nothing */
	fixture_expect(&f, BEGIN "BDAT 8\r\na: b\r\n\r\nBDAT 0 LAST\r\n",
		"250/2.1.0 250/2.1.5 250/2.0.0 250/2.0.0");
	/* bytes that look like commands are swallowed even where they are not
	 * wanted */
	fixture_expect(&f,
		"BDAT 24 LAST\r\nMAIL FROM:<>\r\nQUIT\r\nRSETNOOP\r\n",
		"503/5.5.1 250/2.0.0");
	/* too big is known before it comes */
	fixture_expect(
		&f, BEGIN "BDAT 99999999999\r\nabc", "250/2.1.0 250/2.1.5");
	assert_int_equal(fake_journal()->drafts, 0);
	fixture_expect(&f, "BDAT 1 LAST\r\n", "");
	fixture_close(&f);
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f, BEGIN "BDAT 1\r\nxDATA\r\n",
		"250/2.1.0 250/2.1.5 250/2.0.0 503/5.5.1.");
	fixture_close(&f);
}

static void a_chunk_too_big_then_rset(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	f.conf.message_size = 10;
	fixture_expect(&f,
		BEGIN "BDAT 8\r\na: b\r\n\r\n"
		      "BDAT 3\r\nabc"
		      "BDAT 3 LAST\r\nabc" BEGIN "RSET\r\n" BEGIN
		      "BDAT 10 LAST\r\na: b\r\n\r\nxy",
		"250/2.1.0 250/2.1.5 250/2.0.0 552/5.3.4 503/5.5.1 503/5.5.1 "
		"503/5.5.1 250/2.0.0 250/2.1.0 250/2.1.5 552/5.3.4");
	/* its last line end, which we would add, counts as well */
	assert_int_equal(fake_journal()->count, 0);
	fixture_close(&f);
}

/* One message by DATA; the journal says how it ends. */
static void outcomes(void **state)
{
	static const struct {
		enum draft_result result;
		const char *reply;
		unsigned accepted, deferred;
	} rows[] = {
		{DRAFT_DURABLE, "250/2.0.0", 1, 0},
		{DRAFT_NO_ROOM, "452/4.3.1", 0, 1},
		{DRAFT_IO_ERROR, "451/4.3.0", 0, 1},
	};
	struct fixture f;
	size_t i, early;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(rows); i++) {
		early = i / COUNT_OF(rows);
		if (early && rows[i % 3].result == DRAFT_DURABLE)
			continue;
		fixture_open(&f);
		fixture_connect(&f);
		fake_journal()->result = rows[i % 3].result;
		/* the draft breaks in the midst of the body */
		fake_journal()->break_at = early ? 400 : 0;
		fixture_say(&f, BEGIN "DATA\r\n" HEAD "\r\n");
		fixture_expect(&f,
			"0123456789012345678901234567890123456789012345678901\r\n"
			"0123456789012345678901234567890123456789012345678901\r\n"
			"0123456789012345678901234567890123456789012345678901\r\n"
			"0123456789012345678901234567890123456789012345678901\r\n",
			"");
		fixture_expect(&f, "x\r\n", "");
		fixture_expect(&f, ".\r\n", rows[i % 3].reply);
		assert_int_equal(f.counters.accepted, rows[i % 3].accepted);
		assert_int_equal(f.counters.deferred, rows[i % 3].deferred);
		assert_int_equal(fake_journal()->drafts, 0);
		fake_journal()->break_at = 0;
		fake_journal()->result = DRAFT_DURABLE;
		fixture_expect(&f, BEGIN "DATA\r\na: b\r\n\r\n.\r\n",
			"250/2.1.0 250/2.1.5 354 250/2.0.0");
		fixture_close(&f);
	}
}

/* Breaks in the very turn that ends the message. */
static void broken_at_the_end(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->result = DRAFT_IO_ERROR;
	fake_journal()->break_at = 10;
	fixture_expect(&f, BEGIN "DATA\r\n" HEAD "\r\nx\r\n.\r\nNOOP\r\n",
		"250/2.1.0 250/2.1.5 354 451/4.3.0 250/2.0.0");
	fixture_close(&f);
}

/* While a draft waits for its file, the client is not read. */
static void a_draft_that_waits(void **state)
{
	struct fixture f;
	struct buf body;
	size_t i;

	(void)state;
	buf_init(&body, 1024 * 1024);
	repeat(&body, "0123456789012345678901234567890123456789\r\n", 8000);
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, BEGIN "DATA\r\n" HEAD "\r\n");
	fake_journal()->hold = true;
	fake_journal()->wait_at = 50000;
	fixture_clear(&f);
	for (i = 0; i < body.len && fixture_session(&f)->paused == 0; i += 4200)
		fixture_send(&f, body.data + i, 4200);
	assert_true(i < 70000);
	fixture_send(&f, body.data + i, 4200);
	assert_int_equal(fixture_session(&f)->paused, SESSION_PAUSE_DRAFT);
	assert_true(intake_size(fixture_session(&f)->mail.intake) < 70000);
	fake_release();
	fixture_turn(&f);
	assert_int_equal(fixture_session(&f)->paused, 0);
	fixture_send(&f, body.data + i + 4200, body.len - i - 4200);
	fixture_expect(&f, ".\r\nNOOP\r\n", "250/2.0.0 250/2.0.0");
	assert_true(strlen(fixture_message(0)) == strlen(HEAD) + 2 + body.len);
	/* ends while it waits; and leaves while it waits */
	fake_journal()->hold = true;
	fixture_say(&f, BEGIN "DATA\r\n");
	fake_journal()->wait_at = 10;
	fixture_expect(&f, HEAD "\r\n.\r\nNOOP\r\n", "");
	fake_release();
	fixture_expect(&f, NULL, "250/2.0.0 250/2.0.0");
	fake_journal()->hold = true;
	fixture_say(&f, BEGIN "DATA\r\n" HEAD "\r\nx\r\n");
	assert_int_equal(fixture_session(&f)->paused, SESSION_PAUSE_DRAFT);
	fixture_disconnect(&f);
	fake_release();
	fixture_turn(&f);
	assert_null(fixture_session(&f));
	assert_int_equal(fake_journal()->count, 2);
	fixture_close(&f);
	buf_free(&body);
}

/* A header whose repair makes it much longer stays one piece for the draft. */
static void a_header_that_grows(void **state)
{
	struct fixture f;
	struct buf text;

	(void)state;
	buf_init(&text, 1024 * 1024);
	repeat(&text, HEAD, 1);
	repeat(&text, "X: \xc3\xa4 \xc3\xb6 \xc3\xbc\r\n", 38000);
	repeat(&text, "\r\n.\r\n", 1);
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, BEGIN "DATA\r\n");
	fixture_expect(&f, text.data, "554/5.6.0");
	assert_int_equal(fake_journal()->drafts, 0);
	assert_int_equal(f.shared.scratch.cap, 0);
	fixture_close(&f);
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(smuggling),
		cmocka_unit_test(received_line),
		cmocka_unit_test(repairs),
		cmocka_unit_test(odd_shapes),
		cmocka_unit_test(envelope_tells_what_is_needed),
		cmocka_unit_test(refused_messages),
		cmocka_unit_test(a_nul),
		cmocka_unit_test(the_exact_size),
		cmocka_unit_test(chunks),
		cmocka_unit_test(a_chunk_too_big_then_rset),
		cmocka_unit_test(outcomes),
		cmocka_unit_test(broken_at_the_end),
		cmocka_unit_test(a_draft_that_waits),
		cmocka_unit_test(a_header_that_grows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
