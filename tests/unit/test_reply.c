/*
 * test_reply.c - replies: parsed line by line, printed, read back, formatted.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/reply.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct vector {
	const char *in; /* lines, ended by LF */
	int code;
	unsigned lines;
	const char *enhanced;
	const char *text;
} vectors[] = {
	{"250 OK\n", 250, 1, "", "OK"},
	{"250\n", 250, 1, "", ""},
	{"250 \n", 250, 1, "", ""},
	{"250-\n250\n", 250, 2, "", ""},
	{"250-a\n250-\n250-b\n250 c\n", 250, 4, "", "a b c"},
	{"250-smtp.gmail.com at your service, [192.0.2.10]\n"
	 "250-SIZE 35882577\n250 SMTPUTF8\n",
		250, 3, "",
		"smtp.gmail.com at your service, [192.0.2.10] SIZE 35882577 "
		"SMTPUTF8"},
	{"220 smtp.gmail.com ESMTP d2e1a72fcca58 - gsmtp\n", 220, 1, "",
		"smtp.gmail.com ESMTP d2e1a72fcca58 - gsmtp"},
	{"354  Go ahead d2e1a72fcca58 - gsmtp\n", 354, 1, "",
		"Go ahead d2e1a72fcca58 - gsmtp"},
	{"250 2.0.0 OK  1725842199 d2e1a - gsmtp\n", 250, 1, "2.0.0",
		"OK  1725842199 d2e1a - gsmtp"},
	{"553-5.1.3 The recipient address <bad@@example.net> is not a valid "
	 "RFC 5321 address. For more\n"
	 "553-5.1.3 information, go to\n"
	 "553-5.1.3  https://support.google.com/a/answer/3221692 and review\n"
	 "553 5.1.3 specifications. d2e1a - gsmtp\n",
		553, 4, "5.1.3",
		"The recipient address <bad@@example.net> is not a valid RFC "
		"5321 address. For more information, go to "
		"https://support.google.com/a/answer/3221692 and review "
		"specifications. d2e1a - gsmtp"},
	{"535-5.7.8 Username and Password not accepted. For more "
	 "information, go to\n"
	 "535 5.7.8  https://support.google.com/mail/?p=BadCredentials x - "
	 "gsmtp\n",
		535, 2, "5.7.8",
		"Username and Password not accepted. For more information, go "
		"to https://support.google.com/mail/?p=BadCredentials x - "
		"gsmtp"},
	/* an address broken in the middle can be opened again */
	{"534-5.7.14 <https://accounts.google.com/signin/continue?sarp=1&plt=AK\n"
	 "534-5.7.14 gnsbu\n"
	 "534-5.7.14 x_-Q> Please log in via your web browser and\n"
	 "534-5.7.14 then try again.\n"
	 "534 5.7.14  https://support.google.com/mail/answer/78754\n",
		534, 5, "5.7.14",
		"<https://accounts.google.com/signin/continue?sarp=1&plt=AK"
		"gnsbux_-Q> Please log in via your web browser and then try "
		"again. https://support.google.com/mail/answer/78754"},
	{"550-a <b@c.org\n550 d>\n", 550, 2, "", "a <b@c.org d>"},
	{"550-a <https://c.org d\n550 e>\n", 550, 2, "",
		"a <https://c.org d e>"},
	{"550-a <http://c.org>\n550 e\n", 550, 2, "", "a <http://c.org> e"},
	{"334 VXNlcm5hbWU6\n", 334, 1, "", "VXNlcm5hbWU6"},
	{"334 \n", 334, 1, "", ""},
	{"421-4.7.0 Try again later, closing connection. (EHLO)\n"
	 "421 4.7.0  x - gsmtp\n",
		421, 2, "4.7.0",
		"Try again later, closing connection. (EHLO) x - gsmtp"},
	/* the last line's enhanced code counts */
	{"550-5.1.1 a\n550-5.1.2 b\n550 5.2.1 c\n", 550, 3, "5.2.1", "a b c"},
	{"550-5.1.1 a\n550 b\n", 550, 2, "", "a b"},
	{"550-a\n550 5.1.1\n", 550, 2, "5.1.1", "a"},
	/* the reply code wins */
	{"550 2.1.5 no\n", 550, 1, "", "no"},
	{"550 4.2.1 no\n", 550, 1, "", "no"},
	{"450 5.1.1 later\n", 450, 1, "", "later"},
	{"354 2.0.0 go\n", 354, 1, "", "go"},
	{"550-5.1.1 a\n550 4.1.1 b\n", 550, 2, "", "a b"},
	/* what is an enhanced code, and what only looks like one */
	{"550 5.123.456 x\n", 550, 1, "5.123.456", "x"},
	{"550 5.1.1\n", 550, 1, "5.1.1", ""},
	{"550  5.1.1   x \n", 550, 1, "5.1.1", "x"},
	{"550 5.1.1234 x\n", 550, 1, "", "5.1.1234 x"},
	{"550 5.1 x\n", 550, 1, "", "5.1 x"},
	{"550 5.1. x\n", 550, 1, "", "5.1. x"},
	{"550 5..1 x\n", 550, 1, "", "5..1 x"},
	{"550 5.1.1.1 x\n", 550, 1, "", "5.1.1.1 x"},
	{"550 5.1.1x\n", 550, 1, "", "5.1.1x"},
	{"550 3.1.1 x\n", 550, 1, "", "3.1.1 x"},
	{"550 5\n", 550, 1, "", "5"},
	/* control bytes */
	{"250 a\tb\x1b[31mc\x7f\n", 250, 1, "", "a b [31mc"},
	{"250 \t \n", 250, 1, "", ""},
	{"200 x\n", 200, 1, "", "x"},
	{"599 x\n", 599, 1, "", "x"},
};

/* Takes all lines of in. Returns the last result. */
static int add_lines(struct reply *r, const char *in)
{
	const char *lf;
	int rc = 0;

	for (; *in != '\0' && rc >= 0; in = lf + 1) {
		lf = strchr(in, '\n');
		assert_non_null(lf);
		rc = reply_add_line(r, in, (size_t)(lf - in));
		assert_int_equal(r->complete, rc == 1);
		if (lf[1] != '\0' && rc >= 0)
			assert_int_equal(rc, 0);
	}
	return rc;
}

static void check(const struct reply *r, const struct vector *v)
{
	assert_int_equal(r->code, v->code);
	assert_int_equal(r->lines, v->lines);
	assert_string_equal(r->enhanced, v->enhanced);
	assert_string_equal(r->text, v->text);
}

static void test_vectors(void **state)
{
	struct reply r;
	size_t i;

	(void)state;
	reply_init(&r);
	assert_int_equal(r.code, 0);
	/* one after the other: a complete reply starts afresh */
	for (i = 0; i < COUNT_OF(vectors); i++) {
		assert_int_equal(add_lines(&r, vectors[i].in), 1);
		check(&r, &vectors[i]);
	}
}

static void test_printed_and_read_back(void **state)
{
	char text[REPLY_TEXT_MAX + 64];
	struct reply r, again;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		reply_init(&r);
		add_lines(&r, vectors[i].in);
		assert_ptr_equal(reply_print(&r, text, sizeof(text)), text);
		assert_int_equal(reply_scan(&again, text), 0);
		assert_int_equal(again.code, r.code);
		assert_string_equal(again.enhanced, r.enhanced);
		assert_string_equal(again.text, r.text);
		assert_true(again.complete);
	}
}

static void test_no_replies(void **state)
{
	static const char *const bad[] = {"\n", "2\n", "25\n", "25x OK\n",
		"OK\n", " 250 OK\n", "250x\n", "2500 OK\n", "250_OK\n",
		"250\tOK\n", "100 x\n", "199 x\n", "600 x\n", "999 x\n",
		"000 x\n", "-50 x\n", "2\xc3\xa4 x\n", "250-a\n550 b\n",
		"250-a\n251-b\n", "250-a\nb\n", "250-a\n25\n"};
	struct reply r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++) {
		reply_init(&r);
		assert_int_equal(add_lines(&r, bad[i]), -1);
		assert_false(r.complete);
	}
	assert_int_equal(reply_scan(&r, ""), -1);
	assert_int_equal(reply_scan(&r, "250-more to come"), -1);
	assert_int_equal(reply_scan(&r, "none"), -1);
}

static void test_too_many_lines(void **state)
{
	struct reply r;
	int i;

	(void)state;
	reply_init(&r);
	for (i = 0; i < REPLY_LINES_MAX - 1; i++)
		assert_int_equal(reply_add_line(&r, "250-x", 5), 0);
	assert_int_equal(reply_add_line(&r, "250 x", 5), 1);
	assert_int_equal(r.lines, REPLY_LINES_MAX);
	for (i = 0; i < REPLY_LINES_MAX; i++)
		assert_int_equal(reply_add_line(&r, "250-x", 5), 0);
	assert_int_equal(reply_add_line(&r, "250 x", 5), -1);
}

static void test_text_is_cut(void **state)
{
	char line[2 * REPLY_TEXT_MAX] = "250-";
	struct reply r;
	int i;

	(void)state;
	memset(line + 4, 'x', sizeof(line) - 4);
	reply_init(&r);
	assert_int_equal(reply_add_line(&r, line, sizeof(line)), 0);
	assert_int_equal(strlen(r.text), REPLY_TEXT_MAX);
	for (i = 0; i < 3; i++)
		assert_int_equal(reply_add_line(&r, line, 10), 0);
	assert_int_equal(strlen(r.text), REPLY_TEXT_MAX);
	assert_int_equal(reply_add_line(&r, "250 2.0.0 end", 13), 1);
	assert_string_equal(r.enhanced, "2.0.0");
	/* no room for more than the space between */
	assert_int_equal(reply_add_line(&r, line, 4 + REPLY_TEXT_MAX - 1), 0);
	assert_int_equal(reply_add_line(&r, "250 end", 7), 1);
	assert_int_equal(strlen(r.text), REPLY_TEXT_MAX - 1);
}

/* The text has room for n more bytes: no half character is put there. */
static void test_text_is_cut_between_characters(void **state)
{
	char line[REPLY_TEXT_MAX + 16];
	struct reply r;
	size_t fill;

	(void)state;
	for (fill = REPLY_TEXT_MAX - 5; fill <= REPLY_TEXT_MAX; fill++) {
		memset(line, 'x', sizeof(line));
		memcpy(line, "250 ", 4);
		memcpy(line + 4 + fill, "\xe2\x82\xac\xe2\x82\xac", 6);
		reply_init(&r);
		assert_int_equal(reply_add_line(&r, line, 4 + fill + 6), 1);
		assert_int_equal(strlen(r.text),
			fill + 3 > REPLY_TEXT_MAX ? fill : fill + 3);
	}
}

static void test_print_is_cut(void **state)
{
	char text[32];
	struct reply r;
	size_t size;

	(void)state;
	reply_scan(&r, "550 5.1.1 no such user");
	for (size = 1; size < 23; size++) {
		memset(text, '#', sizeof(text));
		reply_print(&r, text, size);
		assert_int_equal(strlen(text), size - 1);
		assert_memory_equal(text, "550 5.1.1 no such user", size - 1);
		assert_int_equal(text[size], '#');
	}
	assert_string_equal(
		reply_print(&r, text, 32), "550 5.1.1 no such user");
	reply_init(&r);
	assert_string_equal(reply_print(&r, text, 32), "");
}

static void test_format(void **state)
{
	static const struct {
		const char *codes;
		const char *text;
		const char *out;
	} formats[] = {
		{"250 2.0.0", "OK", "250 2.0.0 OK\r\n"},
		{"220", "host ready", "220 host ready\r\n"},
		{"334", "", "334 \r\n"},
		{"250 2.0.0", "", "250 2.0.0\r\n"},
		{"250", "h\nSIZE 1\nHELP",
			"250-h\r\n250-SIZE 1\r\n250 HELP\r\n"},
		{"550 5.1.1", "a\nb", "550-5.1.1 a\r\n550 5.1.1 b\r\n"},
		{"550 5.7.1", "\n", "550-5.7.1\r\n550 5.7.1\r\n"},
		/* no text begins a line of its own */
		{"500", "a\r250 b\x1b\tc\x7f", "500 a 250 b  c \r\n"},
		{"250", "\xc3\xa4", "250 \xc3\xa4\r\n"},
	};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 100);
	for (i = 0; i < COUNT_OF(formats); i++) {
		buf_clear(&out);
		assert_int_equal(
			reply_format(&out, formats[i].codes, formats[i].text),
			0);
		assert_string_equal(out.data, formats[i].out);
	}
	assert_int_equal(reply_format(&out, "221", "bye"), 0);
	assert_string_equal(out.data, "250 \xc3\xa4\r\n221 bye\r\n");
	buf_free(&out);
}

static void test_format_without_room(void **state)
{
	static const char whole[] = "first250-2.0.0 ab\r\n250 2.0.0 c\r\n";
	struct buf out;
	size_t max;
	int rc;

	(void)state;
	for (max = 5; max < sizeof(whole); max++) {
		buf_init(&out, max);
		buf_add_string(&out, "first");
		rc = reply_format(&out, "250 2.0.0", "ab\nc");
		assert_int_equal(rc, max < sizeof(whole) - 1 ? -1 : 0);
		assert_string_equal(out.data, rc == 0 ? whole : "first");
		assert_int_equal(out.len, strlen(out.data));
		buf_free(&out);
	}
	buf_init(&out, 0);
	assert_int_equal(reply_format(&out, "250", "x"), -1);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_printed_and_read_back),
		cmocka_unit_test(test_no_replies),
		cmocka_unit_test(test_too_many_lines),
		cmocka_unit_test(test_text_is_cut),
		cmocka_unit_test(test_text_is_cut_between_characters),
		cmocka_unit_test(test_print_is_cut),
		cmocka_unit_test(test_format),
		cmocka_unit_test(test_format_without_room),
	};

	return cmocka_run_group_tests_name("reply", tests, NULL, NULL);
}
