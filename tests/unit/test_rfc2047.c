/*
 * test_rfc2047.c - encoded-words: which charset, which encoding, how long.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/rfc2047.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 64 * 1024 };

static const struct {
	const char *text;
	size_t length; /* of the first character, 0: not valid */
	bool valid;    /* the whole */
} utf8_vectors[] = {
	{"a", 1, true},
	{"\xc3\xa4", 2, true},
	{"\xe2\x82\xac", 3, true},
	{"\xf0\x9f\x93\xa0", 4, true},
	{"a\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa0z", 1, true},
	{"\xc2\x80", 2, true},
	{"\xdf\xbf", 2, true},
	{"\xe0\xa0\x80", 3, true},
	{"\xed\x9f\xbf", 3, true},
	{"\xee\x80\x80", 3, true},
	{"\xf0\x90\x80\x80", 4, true},
	{"\xf4\x8f\xbf\xbf", 4, true},
	/* overlong */
	{"\xc0\x80", 0, false},
	{"\xc1\xbf", 0, false},
	{"\xe0\x9f\xbf", 0, false},
	{"\xf0\x8f\xbf\xbf", 0, false},
	/* surrogates, beyond the last */
	{"\xed\xa0\x80", 0, false},
	{"\xed\xbf\xbf", 0, false},
	{"\xf4\x90\x80\x80", 0, false},
	{"\xf5\x80\x80\x80", 0, false},
	{"\xff", 0, false},
	/* cut, or continued wrongly */
	{"\x80", 0, false},
	{"\xbf", 0, false},
	{"\xc3", 0, false},
	{"\xc3(", 0, false},
	{"\xe2\x82", 0, false},
	{"\xe2(\xa1", 0, false},
	{"\xf0\x9f\x93", 0, false},
	{"\xf0\x9f\x93(", 0, false},
	{"a\xe4", 1, false},
	{"\xc3\xa4\xc3", 2, false},
};

static void utf8(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(utf8_vectors); i++) {
		const char *text = utf8_vectors[i].text;
		size_t len = strlen(text);

		assert_int_equal(
			text_char_length(text, len), utf8_vectors[i].length);
		assert_int_equal(
			text_is_utf8(text, len), utf8_vectors[i].valid);
	}
	assert_int_equal(text_char_length("", 0), 0);
	assert_true(text_is_utf8("", 0));
}

static void ascii(void **state)
{
	char text[20];
	size_t at, len;

	(void)state;
	assert_true(text_is_ascii("", 0));
	assert_true(text_is_ascii("\x01 ~\x7f", 4));
	assert_false(text_is_ascii("ab\x80", 3));
	assert_true(text_is_ascii("ab\x80", 2));
	/* wherever it stands among words of eight octets */
	for (at = 0; at < sizeof(text); at++) {
		memset(text, 0x7f, sizeof(text));
		text[at] = '\x80';
		for (len = 0; len <= sizeof(text); len++)
			assert_int_equal(text_is_ascii(text, len), len <= at);
	}
}

static void latin1(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 12);
	assert_int_equal(utf8_add_latin1(&out, "a\xe4\xff\x80z", 5), 0);
	assert_string_equal(out.data, "a\xc3\xa4\xc3\xbf\xc2\x80z");
	assert_int_equal(utf8_add_latin1(&out, "\xe4\xe4\xe4", 3), -1);
	assert_int_equal(out.len, 8);
	buf_free(&out);
}

static const struct {
	const char *word;
	bool is;
} word_vectors[] = {
	{"=?UTF-8?Q?a?=", true},
	{"=?utf-8?b?YQ==?=", true},
	{"=?ISO-8859-1?q?=E4?=", true},
	{"=?iso-8859-1*de?Q?a?=", true},
	{"=?UTF-8?Q?"
	 "?=",
		true},
	{"", false},
	{"=", false},
	{"=?", false},
	{"=?=", false},
	{"=?a?q?=", false},
	{"=?"
	 "?"
	 "?=",
		false},
	{"=?"
	 "?"
	 "?"
	 "?=",
		false},
	{"=?UTF-8?X?a?=", false},
	{"=?UTF-8?Q?a?b?=", false},
	{"=?UTF-8?QB?a?=", false},
	{"=?UTF-8?Q?a=", false},
	{"?UTF-8?Q?a?=", false},
	{"x=?UTF-8?Q?a?=", false},
	{"=?UTF-8?Q?a?=x", false},
	{"=?a?Q?b?==?a?Q?c?=", false},
};

static void words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(word_vectors); i++)
		assert_int_equal(rfc2047_is_word(word_vectors[i].word,
					 strlen(word_vectors[i].word)),
			word_vectors[i].is);
}

#define A10 "\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4\xc3\xa4"
#define L10 "\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4\xe4"

static const struct {
	const char *text;
	enum text_charset charset;
	size_t column;
	const char *out;
} encode_vectors[] = {
	{"", TEXT_UTF8, 0, ""},
	{"Pr\xc3\xbc"
	 "fung",
		TEXT_UTF8, 9, "=?UTF-8?Q?Pr=C3=BCfung?="},
	{"Pr\xfc"
	 "fung",
		TEXT_LATIN1, 9, "=?ISO-8859-1?Q?Pr=FCfung?="},
	/* Q: what a phrase allows, and nothing else, is bare */
	{"\xc3\xa4"
	 "azAZ09!*+-/ abcdefghijklm",
		TEXT_UTF8, 0, "=?UTF-8?Q?=C3=A4azAZ09!*+-/_abcdefghijklm?="},
	{"\xc3\xa4 abcdefghijklmnopqrstuvwxyzabcdef =?_.,;:()<>@\"", TEXT_UTF8,
		0,
		"=?UTF-8?Q?=C3=A4_abcdefghijklmnopqrstuvwxyzabcdef_=3"
		"D=3F=5F=2E=2C=3B=3A?=\r\n "
		"=?UTF-8?Q?=28=29=3C=3E=40=22?="},
	{"\xc3\xa4 line\r\nend, four of them", TEXT_UTF8, 0,
		"=?UTF-8?Q?=C3=A4_line=0D=0Aend=2C_four_of_them?="},
	{"\xc3\xa4 =?_ abcdefghijklmnopqrstuvwxyz", TEXT_UTF8, 0,
		"=?UTF-8?Q?=C3=A4_=3D=3F=5F_abcdefghijklmnopqrstuvwxyz?="},
	/* B where it is much shorter */
	{"\xe2\x82\xac\xe2\x82\xac", TEXT_UTF8, 0, "=?UTF-8?B?4oKs4oKs?="},
	{"\xe4\xe4\xe4", TEXT_LATIN1, 0, "=?ISO-8859-1?B?5OTk?="},
	/* 75 octets a word: in B 45 of text, 42 in ISO-8859-1 */
	{A10 A10 A10 A10 A10, TEXT_UTF8, 0,
		"=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6"
		"TDpMOkw6TDpMOkw6Q=?=\r\n "
		"=?UTF-8?B?w6TDpMOk?="},
	{L10 L10 L10 L10 L10, TEXT_LATIN1, 0,
		"=?ISO-8859-1?B?5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5OTk5"
		"OTk5OTk5OTk5OTk5OTk?=\r\n "
		"=?ISO-8859-1?B?5OTk5OTk5OQ=?="},
	/* the first word fills the line that has begun, if that is worth it */
	{A10 A10 A10, TEXT_UTF8, 44,
		"=?UTF-8?B?w6TDpMOkw6TDpMOkw6Q=?="
		"\r\n "
		"=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpA==?="},
	{A10 A10 A10, TEXT_UTF8, 60,
		"=?UTF-8?B?w6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOkw6TDpMOk?="},
};

static void encode(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(encode_vectors); i++) {
		buf_init(&out, OUT_MAX);
		assert_int_equal(rfc2047_encode(&out, encode_vectors[i].text,
					 strlen(encode_vectors[i].text),
					 encode_vectors[i].charset,
					 encode_vectors[i].column),
			0);
		if (out.len == 0)
			assert_string_equal(encode_vectors[i].out, "");
		else
			assert_string_equal(out.data, encode_vectors[i].out);
		buf_free(&out);
	}
}

/* Every word: at most 75 octets, in a line of at most 76, no character torn. */
static void check_words(const struct buf *out, size_t column)
{
	const char *word = out->data, *end;

	for (;;) {
		end = strstr(word, "\r\n ");
		if (end == NULL)
			end = out->data + out->len;
		assert_true(rfc2047_is_word(word, (size_t)(end - word)));
		assert_true(end - word <= RFC2047_WORD_MAX);
		if (word == out->data && column <= 48)
			assert_true(column + (size_t)(end - word) <= 76);
		if (*end == '\0')
			return;
		word = end + 3;
	}
}

/* Characters of 1 to 4 octets in texts of every length at many columns. */
static void lengths(void **state)
{
	static const char *const characters[] = {
		"a", "\xc3\xa4", "\xe2\x82\xac", "\xf0\x9f\x93\xa0"};
	char text[400];
	struct buf out;
	size_t n, i, len, column;

	(void)state;
	for (n = 1; n <= 300; n++) {
		len = 0;
		for (i = 0; len < n; i++) {
			const char *c = characters[(i * 7 + n / 3) % 4];

			memcpy(text + len, c, strlen(c));
			len += strlen(c);
		}
		for (column = 0; column <= 80; column += 7) {
			buf_init(&out, OUT_MAX);
			assert_int_equal(rfc2047_encode(&out, text, len,
						 TEXT_UTF8, column),
				0);
			check_words(&out, column);
			buf_free(&out);
		}
	}
}

static void decode_b(const char *word, size_t len, struct buf *out)
{
	buf_clear(out);
	assert_memory_equal(word, "=?UTF-8?B?", 10);
	assert_int_equal(base64_decode(out, word + 10, len - 12), 0);
}

/* Three octets a character, shifted against the words in every way. */
static void whole_characters(void **state)
{
	char text[3 * 100 + 4];
	const char *word, *end;
	struct buf out, part, all;
	size_t shift, i, len;

	(void)state;
	buf_init(&out, OUT_MAX);
	buf_init(&part, OUT_MAX);
	buf_init(&all, OUT_MAX);
	for (i = 0; i < 3 * 76; i++) {
		shift = i % 3;
		memset(text, 'x', shift);
		for (len = shift; len < shift + 300; len += 3)
			memcpy(text + len, "\xe2\x82\xac", 4);
		buf_clear(&out);
		buf_clear(&all);
		assert_int_equal(
			rfc2047_encode(&out, text, len, TEXT_UTF8, i / 3), 0);
		for (word = out.data; word != NULL;) {
			end = strstr(word, "\r\n ");
			decode_b(word,
				end != NULL ? (size_t)(end - word)
					    : strlen(word),
				&part);
			assert_true(text_is_utf8(part.data, part.len));
			assert_int_equal(buf_add(&all, part.data, part.len), 0);
			word = end != NULL ? end + 3 : NULL;
		}
		assert_string_equal(all.data, text);
	}
	buf_free(&out);
	buf_free(&part);
	buf_free(&all);
}

static void full(void **state)
{
	struct buf out;
	size_t max;

	(void)state;
	for (max = 0; max < strlen("=?UTF-8?Q?=C3=A4?="); max++) {
		buf_init(&out, max);
		assert_int_equal(rfc2047_encode(&out,
					 "\xc3\xa4"
					 "abcdefgh",
					 10, TEXT_UTF8, 0),
			-1);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8),
		cmocka_unit_test(ascii),
		cmocka_unit_test(latin1),
		cmocka_unit_test(words),
		cmocka_unit_test(encode),
		cmocka_unit_test(lengths),
		cmocka_unit_test(whole_characters),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("rfc2047", tests, NULL, NULL);
}
