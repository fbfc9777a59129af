/*
 * test_header_limits.c - header blocks that are long, large, looping, hostile.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "header_fixture.h"
#include "proto/header.h"
#include "proto/header_field.h"
#include "proto/rfc2047.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum {
	ROUNDS = 5000,
	RANDOM_LEN = 400,
	FROM_LONG = 1200,
};

static void long_lines(void **state)
{
	char text[3 * FROM_LONG];
	struct header_result result;
	struct buf out;
	size_t i, len;

	(void)state;
	/* at the limit: as it is */
	len = (size_t)snprintf(text, sizeof(text), COMPLETE "Subject: ");
	for (i = 0; i < HEADER_LINE_MAX - 9; i++)
		text[len++] = i % 10 == 9 ? ' ' : 'a';
	memcpy(text + len, "\n\n", 3);
	result = repair(&out, text, &plain, NULL);
	assert_int_equal(result.repairs, 0);
	assert_int_equal(out.len, strlen(RECEIVED) + strlen(text) + 2);
	buf_free(&out);
	/* one more: folded once, before the last space */
	memcpy(text + len, "a\n\n", 4);
	result = repair(&out, text, &plain, NULL);
	assert_int_equal(result.repairs, HEADER_FOLDED);
	assert_non_null(strstr(out.data, " aaaaaaaaa\r\n aaaaaaaaa"));
	assert_int_equal(out.len, strlen(RECEIVED) + strlen(text) + 4);
	buf_free(&out);
	/* nowhere to fold: as it is */
	memset(text + strlen(COMPLETE), 'a', FROM_LONG);
	memcpy(text + strlen(COMPLETE), "X-A:", 4);
	memcpy(text + strlen(COMPLETE) + FROM_LONG, "\n\n", 3);
	result = repair(&out, text, &plain, NULL);
	assert_int_equal(result.repairs, 0);
	assert_int_equal(out.len, strlen(RECEIVED) + strlen(text) + 2);
	buf_free(&out);
}

/* A list of 3000 people in one line, some of them with umlauts. */
static void huge_list(void **state)
{
	static const char person[] = "\"Person, No. 1\" <person@example.org>, ";
	struct header_result result;
	struct buf in, out;
	const char *line, *end;
	size_t i;

	(void)state;
	buf_init(&in, OUT_MAX);
	buf_add_string(&in, COMPLETE "To: ");
	for (i = 0; i < 3000; i++)
		buf_addf(&in, "%s", person);
	buf_add_string(&in, "J\xc3\xb6rg <j@example.org>\nCc: ");
	for (i = 0; i < 3000; i++)
		buf_add_string(&in, "person@example.org,");
	buf_add_string(&in, "x@y\n\n");
	result = repair(&out, in.data, &plain, NULL);
	assert_int_equal(result.repairs, HEADER_ENCODED_8BIT | HEADER_FOLDED);
	for (line = out.data; *line != '\0'; line = end + 2) {
		end = strstr(line, "\r\n");
		assert_true(end - line <= HEADER_LINE_MAX);
	}
	/* no name was torn at its comma */
	assert_null(strstr(out.data, "\"Person,\r\n"));
	buf_free(&in);
	buf_free(&out);
}

static void loops(void **state)
{
	struct header_result result;
	struct header_block h;
	struct err err;
	struct buf in, out;
	unsigned i;

	(void)state;
	buf_init(&in, OUT_MAX);
	for (i = 0; i < HEADER_RECEIVED_MAX; i++)
		buf_addf(&in, "%s: x\n Received: y\n",
			i % 3 == 0   ? "Received"
			: i % 3 == 1 ? "RECEIVED "
				     : "received");
	buf_add_string(&in, "X-Received: x\n");
	add_lines(&h, in.data);
	assert_int_equal(h.received, HEADER_RECEIVED_MAX);
	buf_init(&out, OUT_MAX);
	assert_int_equal(header_repair(&h, &plain, &out, &result, &err), 0);
	header_block_free(&h);
	buf_clear(&out);
	buf_add_string(&out, "before");
	buf_add_string(&in, "Received: x\n");
	add_lines(&h, in.data);
	assert_int_equal(header_repair(&h, &plain, &out, &result, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_non_null(strstr(err.text, "31 Received"));
	assert_string_equal(out.data, "before");
	header_block_free(&h);
	buf_free(&in);
	buf_free(&out);
}

static void too_large(void **state)
{
	struct header_result result;
	char line[1024];
	struct header_block h;
	struct err err;
	struct buf out;
	size_t i;

	(void)state;
	memset(line, 'a', sizeof(line));
	memcpy(line, "X: ", 3);
	buf_init(&out, OUT_MAX);
	header_block_init(&h);
	for (i = 0; i < HEADER_BLOCK_MAX / 1024; i++)
		assert_int_equal(header_block_add(&h, line, 1022), 1);
	assert_int_equal(h.text.len, HEADER_BLOCK_MAX);
	assert_false(h.too_large);
	assert_int_equal(header_repair(&h, &plain, &out, &result, &err), 0);
	/* the rest of the header is not kept, but still header */
	assert_int_equal(header_block_add(&h, " x", 2), 1);
	assert_true(h.too_large);
	assert_int_equal(header_block_add(&h, "Received: x", 11), 1);
	assert_int_equal(header_block_add(&h, "", 0), 1);
	assert_int_equal(header_block_add(&h, "Y: z", 4), 0);
	assert_int_equal(h.text.len, HEADER_BLOCK_MAX);
	assert_int_equal(h.received, 1);
	buf_clear(&out);
	assert_int_equal(header_repair(&h, &plain, &out, &result, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.text, "524288"));
	assert_int_equal(out.len, 0);
	header_block_free(&h);
	buf_free(&out);
}

/* A full buffer is told, and holds what it held. */
static void full(void **state)
{
	static const char text[] = "Subject :B\xc3\xbcro\nX: y\n\n";
	struct header_result result;
	struct header_block h;
	struct err err;
	struct buf out;
	size_t max, whole;

	(void)state;
	repair(&out, text, &plain, NULL);
	whole = out.len;
	buf_free(&out);
	for (max = 3; max <= whole + 3; max++) {
		add_lines(&h, text);
		buf_init(&out, max);
		buf_add_string(&out, "abc");
		assert_int_equal(header_repair(&h, &plain, &out, &result, &err),
			max < whole + 3 ? -1 : 0);
		if (max < whole + 3) {
			assert_int_equal(err.kind, ERR_LIMIT);
			assert_string_equal(out.data, "abc");
		}
		header_block_free(&h);
		buf_free(&out);
	}
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* A repaired block is fields and an empty line; only names that were in the
 * input, or that we add, begin a line. */
static void check_block(const struct buf *out, const char *in)
{
	static const char *const ours[] = {
		"Received", "Date", "Message-ID", "From"};
	struct header_field f;
	char name[64];
	size_t pos = 0, i;
	bool known;

	while (header_field_next(out->data, out->len, &pos, &f) == 1) {
		assert_true(f.name_len < sizeof(name));
		snprintf(name, sizeof(name), "\n%.*s", (int)f.name_len, f.name);
		known = strstr(in, name) != NULL;
		for (i = 0; i < COUNT_OF(ours); i++)
			known |= header_field_is(&f, ours[i]);
		assert_true(known);
		assert_false(header_field_is(&f, "Bcc"));
		for (i = 0; i < f.whole_len; i++) {
			if (f.whole[i] == '\r')
				assert_int_equal(f.whole[i + 1], '\n');
			if (f.whole[i] == '\n')
				assert_int_equal(f.whole[i - 1], '\r');
		}
	}
	assert_int_equal(pos + 2, out->len);
	assert_memory_equal(out->data + pos, "\r\n", 2);
	assert_true(text_is_utf8(out->data, out->len));
}

static void random_blocks(void **state)
{
	static const char *const pieces[] = {
		"\nTo:", "\nSubject:", "\nBcc:", "\nContent-Type:a/b;",
		"\nReferences:", "\nDate:", "\nFrom :", "\nReceived:", "\n ",
		"\n\t", "\r", " ", "a", "@", "<", ">", "\"", "(", ")", "\\",
		",", ";", ":", "=", "\xc3\xa4", "\xe4",
		"=?UTF-8?Q?x?=", "name=", "aaaaaaaaaa", "          "};
	char text[12 * RANDOM_LEN + 2];
	struct header_result result;
	struct buf out, again;
	uint32_t seed = 11;
	const char *piece;
	bool utf8;
	size_t i, n, len;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		len = 0;
		text[len++] = '\n';
		n = next_random(&seed) % RANDOM_LEN;
		while (n-- > 0) {
			piece = pieces[next_random(&seed) % COUNT_OF(pieces)];
			/* in front of text alone, names would be random */
			if (len == 1 && piece[0] != '\n')
				continue;
			memcpy(text + len, piece + (len == 1), strlen(piece));
			len += strlen(piece) - (len == 1);
		}
		text[len] = '\0';
		if (strstr(text, "\n\n") != NULL)
			continue;
		result = repair(&out, text + 1, &plain, NULL);
		check_block(&out, text);
		assert_int_equal(result.needs_smtputf8,
			!text_is_ascii(out.data, out.len));
		/* a block in US-ASCII needs no second repair */
		utf8 = result.needs_smtputf8;
		result = repair(&again, out.data, &plain, NULL);
		if (!utf8) {
			assert_int_equal(result.repairs, 0);
			assert_string_equal(
				again.data + strlen(RECEIVED), out.data);
		}
		buf_free(&out);
		buf_free(&again);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(long_lines),
		cmocka_unit_test(huge_list),
		cmocka_unit_test(loops),
		cmocka_unit_test(too_large),
		cmocka_unit_test(full),
		cmocka_unit_test(random_blocks),
	};

	return cmocka_run_group_tests_name("header_limits", tests, NULL, NULL);
}
