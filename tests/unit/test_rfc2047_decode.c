/*
 * test_rfc2047_decode.c - encoded-words back to text.
 */
#include "config.h"

#include "base/util.h"
#include "proto/rfc2047_decode.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* out NULL: it cannot be decoded. */
static const struct vector {
	const char *word, *out;
	bool safe;
} vectors[] = {
	/* RFC 2047 section 8 */
	{"=?US-ASCII?Q?Keith_Moore?=", "Keith Moore", true},
	{"=?ISO-8859-1?Q?Keld_J=F8rn_Simonsen?=", "Keld J\xc3\xb8rn Simonsen",
		true},
	{"=?ISO-8859-1?B?SWYgeW91IGNhbiByZWFkIHRoaXMgeW8=?=",
		"If you can read this yo", true},
	{"=?ISO-8859-1?Q?a?=", "a", true},
	/* charsets */
	{"=?utf-8?q?=c3=bc?=", "\xc3\xbc", true},
	{"=?UTF8?Q?=C3=BC?=", "\xc3\xbc", true},
	{"=?utf-8*de?Q?=C3=BC?=", "\xc3\xbc", true},
	{"=?utf-8?Q?=C3?=", "\xc3", true},
	{"=?ISO-8859-15?Q?=A4=A6=BD=E9?=",
		"\xe2\x82\xac\xc5\xa0\xc5\x93\xc3\xa9", true},
	{"=?Windows-1252?Q?=80=9F=93=E9=81?=",
		"\xe2\x82\xac\xc5\xb8\xe2\x80\x9c\xc3\xa9\xc2\x81", true},
	{"=?iso-8859-1?Q?=80=A4?=", "\xe2\x82\xac\xc2\xa4", true},
	{"=?koi8-r?B?8NI=?=", NULL, true},
	{"=?utf-80?Q?a?=", NULL, true},
	/* Q and B, broken */
	{"=?utf-8?Q?a=?=", "a=", true},
	{"=?utf-8?Q?=4?=", "=4", true},
	{"=?utf-8?Q?=4g=zz?=", "=4g=zz", true},
	{"=?utf-8?Q?a b,(c)@d?=", "a b,(c)@d", false},
	{"=?utf-8?Q?=0D=0A=00?=", "\r\n", true},
	{"=?utf-8?Q?\?=", "", true},
	{"=?utf-8?B?YQ==?=", "a", true},
	{"=?utf-8?B?YQ?=", "a", true},
	{"=?utf-8?B?YWI?=", "ab", true},
	{"=?utf-8?B?YQ=?=", "a", true},
	{"=?utf-8?B?Y?=", NULL, true},
	{"=?utf-8?B?_-!?=", NULL, true},
	/* longer than the RFC allows */
	{"=?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaa?=",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
		true},
	{"=?utf-8?Q?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaa?=",
		"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
		"aaaaaaaaaaa",
		false},
};

static const char *const none[] = {"", "=", "=?", "=?a", "=?a?", "=?a?q",
	"=?a?q?", "=?a?q?b", "=?a?q?b?", "=?a?q?b?x",
	"=\?\?q?b?=", "=?a?x?b?=", "=?a b?q?c?=", "=?a?q?b\"?=", "=?a?q?b<c>?=",
	"=?a?q?b\r\n?=", "=?a?qq?b?=", "?a?q?b?=",
	"=?aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa?q?b?="};

static void table(void **state)
{
	struct buf out;
	size_t i, len;
	int rc;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *v = &vectors[i];

		len = strlen(v->word);
		assert_int_equal(rfc2047_word_length(v->word, len), len);
		assert_int_equal(rfc2047_word_is_safe(v->word, len), v->safe);
		buf_init(&out, 1000);
		assert_int_equal(buf_add_string(&out, "x"), 0);
		rc = rfc2047_decode(&out, v->word, len);
		assert_int_equal(rc, v->out != NULL ? 1 : 0);
		assert_string_equal(out.data + 1, v->out != NULL ? v->out : "");
		buf_free(&out);
	}
}

static void no_words(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(none); i++)
		assert_int_equal(
			rfc2047_word_length(none[i], strlen(none[i])), 0);
	/* what follows a word is not part of it */
	assert_int_equal(rfc2047_word_length("=?a?q?b?=?= c", 13), 9);
	assert_false(rfc2047_word_is_safe("=?a?q?b?=?= c", 13));
}

/* Cut at each place, in memory of just that length. */
static void cut(void **state)
{
	size_t i, len;
	char *copy;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++)
		for (len = 1; len < strlen(vectors[i].word); len++) {
			copy = malloc(len);
			assert_non_null(copy);
			memcpy(copy, vectors[i].word, len);
			assert_int_equal(rfc2047_word_length(copy, len), 0);
			free(copy);
		}
}

static void full(void **state)
{
	static const char word[] = "=?iso-8859-1?Q?=E4=E4?=";
	struct buf out;

	(void)state;
	buf_init(&out, 5);
	assert_int_equal(rfc2047_decode(&out, word, strlen(word)), -1);
	assert_int_equal(out.len, 0);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(no_words),
		cmocka_unit_test(cut),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("rfc2047_decode", tests, NULL, NULL);
}
