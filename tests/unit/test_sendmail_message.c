/*
 * test_sendmail_message.c - the message on standard input: where it ends, what
 *                           is added; whole and byte by byte.
 */
#include "config.h"

#include "base/util.h"
#include "sendmail/message.h"
#include "submit/drop_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const struct vector {
	const char *in, *out;
	bool ended;
} dots[] = {
	{"", "", false},
	{"a\nb\n", "a\nb\n", false},
	{"a\n.\nb\n", "a\n", true},
	{"a\r\n.\r\nb\r\n", "a\r\n", true},
	{".\n", "", true},
	{".", "", true},
	{".\r\n", "", true},
	{"a\n.", "a\n", true},
	{"a\n..\n", "a\n..\n", false},
	{"a\n.b\n", "a\n.b\n", false},
	{"a\n. \n.\n", "a\n. \n", true},
	{"a.\n", "a.\n", false},
	{"a\n.\r.\n", "a\n.\r.\n", false},
	{"a\n.\r\r\n", "a\n.\r\r\n", false},
	{"a\n\n.\n", "a\n\n", true},
	{"a\n.\r", "a\n", true},
};

static void add(struct message *m, const char *text, size_t len, size_t step)
{
	struct err err;
	size_t n;
	int rc = 0;

	for (; len > 0 && rc == 0; text += n, len -= n) {
		n = len < step ? len : step;
		rc = message_add(m, text, n, &err);
		assert_true(rc >= 0);
	}
	message_end(m);
}

static void ends_at_a_dot(void **state)
{
	struct message m;
	size_t i, step;

	(void)state;
	for (i = 0; i < COUNT_OF(dots); i++)
		for (step = 1; step < 12; step++) {
			message_init(&m, false);
			add(&m, dots[i].in, strlen(dots[i].in), step);
			assert_int_equal(m.ended, dots[i].ended);
			assert_int_equal(m.memory.len, strlen(dots[i].out));
			if (m.memory.len > 0)
				assert_memory_equal(m.memory.data, dots[i].out,
					m.memory.len);
			message_free(&m);
		}
}

static void dots_are_kept(void **state)
{
	static const char text[] = "a\n.\nb\n.";
	struct message m;

	(void)state;
	message_init(&m, true);
	add(&m, text, strlen(text), 1);
	assert_false(m.ended);
	assert_string_equal(m.memory.data, text);
	message_free(&m);
}

/* What is to be sent, in one piece. */
static size_t gather(const struct message *m, char *to, size_t size)
{
	struct submit_part parts[SUBMIT_PARTS_MAX];
	size_t count = message_parts(m, parts), i, len = 0;

	for (i = 0; i < count; i++) {
		assert_true(parts[i].len <= size - len);
		if (parts[i].data != NULL)
			memcpy(to + len, parts[i].data, parts[i].len);
		else
			assert_int_equal(pread_full(parts[i].fd, to + len,
						 parts[i].len, 0),
				parts[i].len);
		len += parts[i].len;
	}
	return len;
}

static void large(void **state)
{
	const size_t size = 3 * MESSAGE_MEMORY_MAX + 17;
	char *text = malloc(size), *back = malloc(size);
	const size_t steps[] = {1000, 64 * 1024, MESSAGE_MEMORY_MAX, size};
	struct message m;
	size_t i;

	(void)state;
	assert_non_null(text);
	assert_non_null(back);
	for (i = 0; i < size; i++)
		text[i] = i % 77 == 76 ? '\n' : (char)('a' + i % 23);
	for (i = 0; i < COUNT_OF(steps); i++) {
		message_init(&m, false);
		add(&m, text, size, steps[i]);
		assert_true(m.memory.len <= MESSAGE_MEMORY_MAX);
		assert_int_equal(gather(&m, back, size), size);
		assert_memory_equal(back, text, size);
		message_free(&m);
	}
	free(text);
	free(back);
}

static void too_large(void **state)
{
	const size_t size = 1024 * 1024;
	char *text = calloc(1, size);
	struct message m;
	struct err err;
	size_t total = 0;
	int rc = 0;

	(void)state;
	assert_non_null(text);
	message_init(&m, true);
	while (rc == 0 && total <= DROP_MESSAGE_MAX) {
		rc = message_add(&m, text, size, &err);
		total += size;
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_true(total > DROP_MESSAGE_MAX);
	message_free(&m);
	free(text);
}

/* --- what is added -------------------------------------------------------- */

#define DATE "Date: Thu, 01 Jan 1970 00:00:09 +0000\n"
#define ID   "Message-ID: <00000000000000ff.9@h.test>\n"
#define FROM "From: \"Full Name\" <u@h.test>\n"

static const struct {
	const char *in, *out;
} additions[] = {
	{"From: a@b\nDate: x\nMessage-ID: <y>\n\nt\n",
		"From: a@b\nDate: x\nMessage-ID: <y>\n\nt\n"},
	{"To: a@b\n\nt\n", FROM DATE ID "To: a@b\n\nt\n"},
	{"From: a@b\nDate: x\n\nMessage-ID: <y>\n",
		ID "From: a@b\nDate: x\n\nMessage-ID: <y>\n"},
	{"from: a@b\r\ndate: x\r\n\r\n", ID "from: a@b\r\ndate: x\r\n\r\n"},
	/* no header at all: its text stays text */
	{"just text\n", FROM DATE ID "\njust text\n"},
	{" indented\n", FROM DATE ID "\n indented\n"},
	{"\nFrom: a@b\n", FROM DATE ID "\nFrom: a@b\n"},
	{"", FROM DATE ID},
	/* a mailbox's first line, which could only stand first */
	{"From root Thu Jan  1\nTo: a@b\n\nt\n", FROM DATE ID "To: a@b\n\nt\n"},
	{">From root Thu Jan  1\nSubject: x\n\n",
		FROM DATE ID "Subject: x\n\n"},
	{"From root\njust text\n", FROM DATE ID "\njust text\n"},
};

static void complete(const char *in, const char *name, char *out, size_t size)
{
	const struct message_author author = {
		.name = name,
		.address = "u@h.test",
		.host = "h.test",
		.now_s = 9,
		.id = 0xff,
	};
	struct header_block h;
	struct message m;
	struct err err;

	message_init(&m, false);
	add(&m, in, strlen(in), strlen(in) + 1);
	message_header(&m, &h);
	assert_int_equal(message_complete(&m, &h, &author, &err), 0);
	out[gather(&m, out, size - 1)] = '\0';
	header_block_free(&h);
	message_free(&m);
}

static void added(void **state)
{
	char out[4096];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(additions); i++) {
		complete(additions[i].in, "Full Name", out, sizeof(out));
		assert_string_equal(out, additions[i].out);
	}
}

static void names(void **state)
{
	static const struct {
		const char *name, *from;
	} rows[] = {
		{"", "From: u@h.test\n"},
		{"a\"b\\c", "From: \"a\\\"b\\\\c\" <u@h.test>\n"},
		{"a\r\nBcc: x@y", "From: \"aBcc: x@y\" <u@h.test>\n"},
		{"\xc3\xbc", "From: \"\xc3\xbc\" <u@h.test>\n"},
	};
	char out[4096], longest[2000];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		complete("To: a@b\n", rows[i].name, out, sizeof(out));
		assert_memory_equal(out, rows[i].from, strlen(rows[i].from));
	}
	memset(longest, '"', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	complete("To: a@b\n", longest, out, sizeof(out));
	assert_true(strcspn(out, "\n") < 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ends_at_a_dot),
		cmocka_unit_test(dots_are_kept),
		cmocka_unit_test(large),
		cmocka_unit_test(too_large),
		cmocka_unit_test(added),
		cmocka_unit_test(names),
	};

	return cmocka_run_group_tests_name(
		"sendmail_message", tests, NULL, NULL);
}
