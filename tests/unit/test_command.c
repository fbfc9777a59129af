/*
 * test_command.c - command lines, and the arguments of MAIL, RCPT and BDAT.
 */
#include "config.h"

#include "base/quirk.h"
#include "base/util.h"
#include "proto/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct line_vector {
	const char *in;
	const char *verb; /* NULL: refused */
	const char *arg;
} lines[] = {
	{"QUIT", "QUIT", ""},
	{"quit", "QUIT", ""},
	{"Quit ", "QUIT", ""},
	{" QUIT", "QUIT", ""},
	{"\tNOOP\tx", "NOOP", "x"},
	{"EHLO  relay.example.org \t", "EHLO", "relay.example.org"},
	{"HELO a b", "HELO", "a b"},
	{"MAIL FROM:<a@b> SIZE=1", "MAIL", "FROM:<a@b> SIZE=1"},
	{"X-Y1 z", "X-Y1", "z"},
	{"ABCDEFGHIJKL x", "ABCDEFGHIJKL", "x"},
	{"ABCDEFGHIJKLM x", "", "x"},
	{"{\"json\": 1}", "", "1}"},
	{"MAIL:FROM x", "", "x"},
	{"\x16\x03\x01", "", ""},
	{"\xc3\x84HLO", "", ""},
	{"-X", "", ""},
	{"", NULL, ""},
	{" \t ", NULL, ""},
	{"QUIT\r", NULL, ""},
	{"NOOP a\rb", NULL, ""},
	{"NOOP a\nb", NULL, ""},
	{"\r", NULL, ""},
};

static void test_lines(void **state)
{
	struct command c;
	struct err err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < COUNT_OF(lines); i++) {
		rc = command_parse(&c, lines[i].in, strlen(lines[i].in), &err);
		assert_int_equal(rc, lines[i].verb != NULL ? 0 : -1);
		if (rc != 0) {
			assert_int_equal(err.kind, ERR_SYNTAX);
			continue;
		}
		assert_string_equal(c.verb, lines[i].verb);
		assert_int_equal(c.arg_len, strlen(lines[i].arg));
		assert_memory_equal(c.arg, lines[i].arg, c.arg_len);
		assert_true(
			c.arg >= lines[i].in &&
			c.arg + c.arg_len <= lines[i].in + strlen(lines[i].in));
	}
	assert_int_equal(command_parse(&c, "NOOP \0x", 7, &err), -1);
	assert_int_equal(command_parse(&c, "\0", 1, &err), -1);
}

/* What MAIL and RCPT say: a strict and a tolerant verdict each. */
static const struct mail_vector {
	const char *in;
	enum err_kind strict, tolerant; /* ERR_NONE: taken */
	const char *path;
	int64_t size; /* -1: none */
	enum command_body body;
	bool smtputf8;
} mails[] = {
	{"FROM:<a@b>", 0, 0, "a@b", -1, 0, false},
	{"from:<a@b>", 0, 0, "a@b", -1, 0, false},
	{"FROM:<>", 0, 0, "", -1, 0, false},
	{"FROM:<a@b> SIZE=0", 0, 0, "a@b", 0, 0, false},
	{"FROM:<a@b> SIZE=1843 BODY=8BITMIME", 0, 0, "a@b", 1843,
		COMMAND_BODY_8BITMIME, false},
	{"FROM:<a@b> body=8bitmime size=7 smtputf8", 0, 0, "a@b", 7,
		COMMAND_BODY_8BITMIME, true},
	{"FROM:<a@b> BODY=7BIT", 0, 0, "a@b", -1, COMMAND_BODY_7BIT, false},
	{"FROM:<a@b> SMTPUTF8", 0, 0, "a@b", -1, 0, true},
	{"FROM:<a@b>  SIZE=10  ", 0, 0, "a@b", 10, 0, false},
	{"FROM:<a@b> SIZE=9223372036854775807", 0, 0, "a@b", INT64_MAX, 0,
		false},
	/* tolerated */
	{"FROM: <a@b>", ERR_SYNTAX, 0, "a@b", -1, 0, false},
	{"FROM: <a@b>  SIZE=10", ERR_SYNTAX, 0, "a@b", 10, 0, false},
	{"From : <a@b>", ERR_SYNTAX, 0, "a@b", -1, 0, false},
	{"FROM:user@x", ERR_SYNTAX, 0, "user@x", -1, 0, false},
	{"FROM:user@x SIZE=5", ERR_SYNTAX, 0, "user@x", 5, 0, false},
	{"FROM:<<a@b>> SIZE=5", ERR_SYNTAX, 0, "a@b", 5, 0, false},
	{"FROM:Scanner <a@b> SIZE=5", ERR_SYNTAX, 0, "a@b", 5, 0, false},
	{"FROM:<a@b> AUTH=<>", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> RET=HDRS ENVID=x SIZE=5", 0, 0, "a@b", 5, 0, false},
	{"FROM:<a@b> XYZZY", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> X=1 X=2", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> =", ERR_SYNTAX, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> <c@d>", ERR_SYNTAX, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZES=1", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZ=1", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> "
	 "A-KEYWORD-OF-MORE-THAN-FORTY-LETTERS-IS-NOT-SHOWN=1",
		ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<root>", ERR_SYNTAX, 0, "root", -1, 0, false},
	{"FROM:<postmaster>", ERR_SYNTAX, 0, "postmaster", -1, 0, false},
	{"FROM:scanner SIZE=9", ERR_SYNTAX, 0, "scanner", 9, 0, false},
	/* wrong for everybody */
	{"", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FROM", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FROM:", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FROM <a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FRO:<a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FROMM:<a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"TO:<a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"<a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	{"FROM:<a@b>SIZE=1", ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
	/* only a hint: the message itself is measured */
	{"FROM:<a@b> SIZE", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=x", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=1x", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=-1", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=+1", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=1=2", ERR_LIMIT, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> SIZE=184467440737095516150x", ERR_LIMIT, 0, "a@b", -1, 0,
		false},
	{"FROM:<a@b> SIZE=1 SIZE=1", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> SIZE=1 X=1 size=2", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0,
		false},
	{"FROM:<a@b> BODY=7BIT BODY=7BIT", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0,
		false},
	{"FROM:<a@b> BODY=BINARYMIME", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> BODY=8BIT", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> BODY=", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> BODY", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> SMTPUTF8=", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> SMTPUTF8=1", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> SMTPUTF8 SMTPUTF8", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0,
		false},
	/* the relay's own */
	{"FROM:<a@b> XUID=1000 SIZE=3", 0, 0, "a@b", 3, 0, false},
	{"FROM:<a@b> xuid=0", 0, 0, "a@b", -1, 0, false},
	{"FROM:<a@b> XUID", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> XUID=", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> XUID=-1", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> XUID=4294967295", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	{"FROM:<a@b> XUID=1 XUID=0", ERR_LIMIT, ERR_LIMIT, NULL, 0, 0, false},
	/* an address too long is a bad address, not a bad parameter */
	{"FROM:<12345678901234567890123456789012345678901234567890123456789012"
	 "345@b>",
		ERR_SYNTAX, ERR_SYNTAX, NULL, 0, 0, false},
};

/* On a copy without a NUL, so that a sanitizer sees what is read. */
static int parse_mail(struct command_mail *out, const char *text, bool tolerant,
	struct err *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(err, 0, sizeof(*err));
	rc = command_parse_mail(out, copy, len, tolerant, err);
	free(copy);
	return rc;
}

static void check_mail(const struct mail_vector *v, bool tolerant)
{
	enum err_kind wanted = tolerant ? v->tolerant : v->strict;
	struct command_mail mail;
	struct err err;

	memset(&mail, 'x', sizeof(mail));
	if (parse_mail(&mail, v->in, tolerant, &err) !=
			(wanted == ERR_NONE ? 0 : -1) ||
		err.kind != wanted)
		fail_msg("\"%s\" tolerant=%d: kind %d, %s", v->in, tolerant,
			err.kind, err.text);
	if (wanted != ERR_NONE)
		return;
	/* what was overlooked is told, and nothing else */
	if ((mail.reverse_path.quirks == 0) != (v->strict == ERR_NONE))
		fail_msg("\"%s\" tolerant=%d: quirks %#x", v->in, tolerant,
			mail.reverse_path.quirks);
	assert_string_equal(mail.reverse_path.text, v->path);
	assert_int_equal(mail.has_size, v->size >= 0);
	assert_true(mail.size == (v->size >= 0 ? (uint64_t)v->size : 0));
	assert_int_equal(mail.body, v->body);
	assert_int_equal(mail.smtputf8, v->smtputf8);
}

static void test_mail(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(mails); i++) {
		check_mail(&mails[i], false);
		check_mail(&mails[i], true);
	}
}

static const struct quirk_vector {
	const char *in;
	unsigned quirks;
} mail_quirks[] = {
	{"FROM:<a@b> SIZE=1 BODY=7BIT SMTPUTF8", 0},
	{"from:<>", 0},
	{"FROM:<@x,@y:a@b>", 0},
	{"FROM: <a@b>", QUIRK_BIT(QUIRK_STRAY_SPACE)},
	{"FROM :<a@b>", QUIRK_BIT(QUIRK_STRAY_SPACE)},
	{"FROM:< a@b>", QUIRK_BIT(QUIRK_STRAY_SPACE)},
	{"FROM:a@b", QUIRK_BIT(QUIRK_NO_BRACKETS)},
	{"FROM:<a@b", QUIRK_BIT(QUIRK_NO_BRACKETS)},
	{"FROM:a@b>", QUIRK_BIT(QUIRK_NO_BRACKETS)},
	{"FROM: a@b",
		QUIRK_BIT(QUIRK_NO_BRACKETS) | QUIRK_BIT(QUIRK_STRAY_SPACE)},
	{"FROM:<<a@b>>", QUIRK_BIT(QUIRK_DOUBLED_BRACKETS)},
	{"FROM:<a@b>>", QUIRK_BIT(QUIRK_DOUBLED_BRACKETS)},
	{"FROM:<<a@b>", QUIRK_BIT(QUIRK_DOUBLED_BRACKETS)},
	{"FROM:Scanner <a@b>", QUIRK_BIT(QUIRK_NAME_IN_PATH)},
	{"FROM:<\"Front door\" a@b>", QUIRK_BIT(QUIRK_NAME_IN_PATH)},
	{"FROM:<a@b.>", QUIRK_BIT(QUIRK_TRAILING_DOT)},
	{"FROM:<@x.:a@b>", 0},
	{"FROM:<a@b> X=Y", QUIRK_BIT(QUIRK_UNKNOWN_PARAMETER)},
	{"FROM:<a@b> <c@d>", QUIRK_BIT(QUIRK_UNKNOWN_PARAMETER)},
};

static void test_quirks_of_mail(void **state)
{
	struct command_mail mail;
	struct command_rcpt rcpt;
	struct address root;
	struct err err;
	char text[64];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(mail_quirks); i++) {
		assert_int_equal(
			parse_mail(&mail, mail_quirks[i].in, true, &err), 0);
		if (mail.reverse_path.quirks != mail_quirks[i].quirks)
			fail_msg("\"%s\": %#x", mail_quirks[i].in,
				mail.reverse_path.quirks);
		/* the same for RCPT, but for MAIL's parameters and <> */
		if (i < 2)
			continue;
		snprintf(text, sizeof(text), "TO%s", mail_quirks[i].in + 4);
		assert_int_equal(command_parse_rcpt(
					 &rcpt, text, strlen(text), true, &err),
			0);
		assert_int_equal(rcpt.address.quirks, mail_quirks[i].quirks);
	}
	assert_int_equal(
		command_parse_rcpt(&rcpt, "TO:<postmaster>", 15, true, &err),
		0);
	assert_int_equal(rcpt.address.quirks, 0);
	assert_int_equal(address_parse(&root, "root", 4, true, &err), 0);
	assert_int_equal(root.quirks, QUIRK_BIT(QUIRK_UNQUALIFIED));
}

static void test_quirks_of_lines(void **state)
{
	static const struct quirk_vector v[] = {
		{"EHLO x", 0},
		{"EHLO lower", 0},
		{"NOOP ", 0},
		{"ehlo x", QUIRK_BIT(QUIRK_LOWER_CASE)},
		{"Ehlo x", QUIRK_BIT(QUIRK_LOWER_CASE)},
		{" NOOP", QUIRK_BIT(QUIRK_LEADING_SPACE)},
		{"\tnoop", QUIRK_BIT(QUIRK_LEADING_SPACE) |
				   QUIRK_BIT(QUIRK_LOWER_CASE)},
	};
	struct command c;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(v); i++) {
		assert_int_equal(
			command_parse(&c, v[i].in, strlen(v[i].in), &err), 0);
		assert_int_equal(c.quirks, v[i].quirks);
	}
}

static void test_uid(void **state)
{
	struct command_mail mail;
	struct err err;

	(void)state;
	parse_mail(&mail, "FROM:<>", true, &err);
	assert_false(mail.has_uid);
	parse_mail(&mail, "FROM:<> XUID=4294967294", true, &err);
	assert_true(mail.has_uid);
	assert_int_equal(mail.uid, 4294967294U);
}

/* What is beyond it is no less. */
static void test_largest_size(void **state)
{
	static const char *const sizes[] = {
		"FROM:<> SIZE=18446744073709551615",
		"FROM:<> SIZE=18446744073709551616",
		"FROM:<> SIZE=99999999999999999999",
		"FROM:<> SIZE=184467440737095516150",
		"FROM:<> SIZE=184467440737095516160000000000000000000001",
	};
	struct command_mail mail;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(sizes); i++) {
		assert_int_equal(
			parse_mail(&mail, sizes[i / 2], i % 2 == 0, &err), 0);
		assert_true(mail.has_size && mail.size == UINT64_MAX);
	}
}

static void test_error_names_the_parameter(void **state)
{
	struct command_mail mail;
	struct err err;

	(void)state;
	parse_mail(&mail, "FROM:<> AUTH=<>", false, &err);
	assert_non_null(strstr(err.text, "AUTH"));
	parse_mail(&mail, "FROM:<> RET=BODY", false, &err);
	assert_non_null(strstr(err.text, "RET"));
	parse_mail(&mail, "FROM:<> SIZE=1 size=1", true, &err);
	assert_non_null(strstr(err.text, "SIZE"));
	parse_mail(&mail, "FROM:<root>", false, &err);
	assert_non_null(strstr(err.text, "root needs a domain"));
}

static const struct rcpt_vector {
	const char *in;
	enum err_kind strict, tolerant;
	const char *path;
} rcpts[] = {
	{"TO:<a@b>", 0, 0, "a@b"},
	{"to:<a@b>", 0, 0, "a@b"},
	{"TO:<@x,@y:a@b>", 0, 0, "a@b"},
	{"TO:<postmaster>", 0, 0, "postmaster"},
	{"TO:<Postmaster>", 0, 0, "Postmaster"},
	{"TO:<\xc3\xa4@b.org>", 0, 0, "\xc3\xa4@b.org"},
	{"TO: <a@b>", ERR_SYNTAX, 0, "a@b"},
	{"TO : a@b ", ERR_SYNTAX, 0, "a@b"},
	{"TO:postmaster", ERR_SYNTAX, 0, "postmaster"},
	{"TO:<a@b> NOTIFY=NEVER ORCPT=rfc822;a@b", 0, 0, "a@b"},
	{"TO:<a@b> RET=FULL", ERR_LIMIT, 0, "a@b"},
	{"TO:<a@b> SIZE=x", ERR_LIMIT, 0, "a@b"},
	{"TO:<>", ERR_SYNTAX, ERR_SYNTAX, NULL},
	{"TO:< >", ERR_SYNTAX, ERR_SYNTAX, NULL},
	{"TO:", ERR_SYNTAX, ERR_SYNTAX, NULL},
	{"TO:<root>", ERR_SYNTAX, 0, "root"},
	{"TO:root", ERR_SYNTAX, 0, "root"},
	{"FROM:<a@b>", ERR_SYNTAX, ERR_SYNTAX, NULL},
	{"TO:<a@b>,<c@d>", ERR_SYNTAX, ERR_SYNTAX, NULL},
};

static void test_rcpt(void **state)
{
	struct command_rcpt a;
	struct err err;
	enum err_kind wanted;
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(rcpts); i++) {
		const struct rcpt_vector *v = &rcpts[i / 2];

		wanted = i % 2 == 0 ? v->strict : v->tolerant;
		err.kind = ERR_NONE;
		if (command_parse_rcpt(&a, v->in, strlen(v->in), i % 2 == 1,
			    &err) != (wanted == ERR_NONE ? 0 : -1) ||
			err.kind != wanted)
			fail_msg("\"%s\" tolerant=%zu", v->in, i % 2);
		if (wanted == ERR_NONE)
			assert_string_equal(a.address.text, v->path);
	}
}

static void test_bdat(void **state)
{
	static const struct {
		const char *in;
		int rc;
		uint64_t size;
		bool last;
	} bdats[] = {
		{"0", 0, 0, false},
		{"0 LAST", 0, 0, true},
		{"86 LAST", 0, 86, true},
		{"86  last", 0, 86, true},
		{"1000", 0, 1000, false},
		{"18446744073709551615", 0, UINT64_MAX, false},
		{"", -1, 0, false},
		{"LAST", -1, 0, false},
		{"x", -1, 0, false},
		{"-1", -1, 0, false},
		{"+1", -1, 0, false},
		{"1x", -1, 0, false},
		{"0x10", -1, 0, false},
		{"1 LASTX", -1, 0, false},
		{"1 LAS", -1, 0, false},
		{"1 LAST LAST", -1, 0, false},
		{"1 2", -1, 0, false},
		{"1,LAST", -1, 0, false},
		{"18446744073709551616", -1, 0, false},
		{"99999999999999999999999 LAST", -1, 0, false},
	};
	uint64_t size;
	bool last;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bdats); i++) {
		size = 0;
		assert_int_equal(command_parse_bdat(bdats[i].in,
					 strlen(bdats[i].in), &size, &last),
			bdats[i].rc);
		if (bdats[i].rc == 0) {
			assert_true(size == bdats[i].size);
			assert_int_equal(last, bdats[i].last);
		}
	}
}

/* Random bytes: no crash, and arguments that lie within the line. */
static void test_random_bytes(void **state)
{
	static const char bytes[] =
		"MAIL FROM:TO:<>@ab. =SIZE1\t\"\\\r\xc3\xa4";
	struct command_mail mail;
	struct command_rcpt rcpt;
	struct command c;
	char text[40], *copy;
	size_t len, i;
	int round;

	(void)state;
	srand(4);
	for (round = 0; round < 50000; round++) {
		len = (size_t)rand() % sizeof(text);
		for (i = 0; i < len; i++)
			text[i] = bytes[(size_t)rand() % sizeof(bytes)];
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, text, len);
		copy[len] = '\n';
		if (command_parse(&c, copy, len, NULL) == 0) {
			assert_true(c.arg >= copy);
			assert_true(c.arg + c.arg_len <= copy + len);
		}
		memcpy(copy, "FROM:", len < 5 ? len : 5);
		if (command_parse_mail(
			    &mail, copy, len, round % 2 == 0, NULL) == 0)
			assert_null(strpbrk(mail.reverse_path.text, "\r\n\t"));
		memcpy(copy, "TO:<a> ORCPT=t;", len < 15 ? len : 15);
		if (command_parse_rcpt(
			    &rcpt, copy, len, round % 2 == 0, NULL) == 0)
			assert_null(strpbrk(rcpt.orcpt, "\r\n\t "));
		free(copy);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_mail),
		cmocka_unit_test(test_quirks_of_mail),
		cmocka_unit_test(test_quirks_of_lines),
		cmocka_unit_test(test_uid),
		cmocka_unit_test(test_largest_size),
		cmocka_unit_test(test_error_names_the_parameter),
		cmocka_unit_test(test_rcpt),
		cmocka_unit_test(test_bdat),
		cmocka_unit_test(test_random_bytes),
	};

	return cmocka_run_group_tests_name("command", tests, NULL, NULL);
}
