/*
 * test_rfc2231.c - 8-bit text in MIME parameters.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/rfc2231.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 64 * 1024, LONG_LEN = 300 };

#define UE "\xc3\xbc"

static const struct {
	const char *segment;
	const char *all; /* NULL: the segment alone */
	enum text_charset charset;
	const char *out; /* NULL: no parameter */
} vectors[] = {
	{" name=\"Pr" UE "fung.pdf\"", NULL, TEXT_UTF8,
		" name*=UTF-8''Pr%C3%BCfung.pdf"},
	{"name=\"Pr\xfc"
	 "fung.pdf\"",
		NULL, TEXT_LATIN1, "name*=ISO-8859-1''Pr%FCfung.pdf"},
	/* no quotes, as devices write it, with spaces */
	{"\r\n\tfilename = Pr" UE "fung 1.pdf ", NULL, TEXT_UTF8,
		"\r\n\tfilename*=UTF-8''Pr%C3%BCfung%201.pdf "},
	/* quoted-pairs, a semicolon, a quote, a fold inside */
	{"name=\"a\\\"b;\\\\" UE "\"", NULL, TEXT_UTF8,
		"name*=UTF-8''a%22b%3B%5C%C3%BC"},
	{"name=\"a\r\n " UE "\"", NULL, TEXT_UTF8, "name*=UTF-8''a%20%C3%BC"},
	{"name=\"a\\\r\n " UE "\"", NULL, TEXT_UTF8,
		"name*=UTF-8''a%5C%20%C3%BC"},
	{"name=\"" UE "\\", NULL, TEXT_UTF8, "name*=UTF-8''%C3%BC%5C"},
	{"name=\"" UE, NULL, TEXT_UTF8, "name*=UTF-8''%C3%BC"},
	{"name=*'%" UE "!#$&+-.^_`|~", NULL, TEXT_UTF8,
		"name*=UTF-8''%2A%27%25%C3%BC!#$&+-.^_`|~"},
	/* already extended: only the octets that must not be there */
	{"name*=UTF-8''Pr" UE "%20x", NULL, TEXT_UTF8,
		"name*=UTF-8''Pr%C3%BC%20x"},
	{"name*0=\"Pr" UE "\"", NULL, TEXT_UTF8, "name*0*=UTF-8''Pr%C3%BC"},
	{"name*1=\"Pr" UE "\"", NULL, TEXT_UTF8, "name*1*=Pr%C3%BC"},
	/* both are there: one stays for programs that know no better */
	{"name=\"Pr" UE "f.pdf\"",
		" name=\"Pr" UE "f.pdf\"; NAME*=UTF-8''Pr%C3%BCf.pdf",
		TEXT_UTF8, "name=\"Pr_f.pdf\""},
	{"name=\"Pr\xfc"
	 "f.pdf\"",
		"name*=x; name=y", TEXT_LATIN1, "name=\"Pr_f.pdf\""},
	{"name=\"" UE "\"", "filename*=x", TEXT_UTF8, "name*=UTF-8''%C3%BC"},
	{"name=\"" UE "\"", "a=\"; name*=x\"", TEXT_UTF8,
		"name*=UTF-8''%C3%BC"},
	/* no parameters */
	{" Pr" UE "fung", NULL, TEXT_UTF8, NULL},
	{"n" UE "me=x", NULL, TEXT_UTF8, NULL},
	{"=" UE, NULL, TEXT_UTF8, NULL},
	{"name x=" UE, NULL, TEXT_UTF8, NULL},
	{"name=", NULL, TEXT_UTF8, NULL},
	{"", NULL, TEXT_UTF8, NULL},
	{" \t", NULL, TEXT_UTF8, NULL},
	/* an attribute that is a star alone */
	{"*=" UE, NULL, TEXT_UTF8, "*=%C3%BC"},
};

static struct text_span span(const char *text)
{
	struct text_span s = {text, strlen(text)};

	return s;
}

static void segments(void **state)
{
	struct text_span segment, all;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		segment = span(vectors[i].segment);
		all = vectors[i].all != NULL ? span(vectors[i].all) : segment;
		buf_init(&out, OUT_MAX);
		assert_int_equal(rfc2231_encode_segment(&out, segment, all,
					 vectors[i].charset),
			vectors[i].out != NULL ? 1 : 0);
		if (vectors[i].out != NULL)
			assert_string_equal(out.data, vectors[i].out);
		else
			assert_int_equal(out.len, 0);
		buf_free(&out);
	}
}

static void lengths(void **state)
{
	(void)state;
	assert_int_equal(rfc2231_segment_length("", 0), 0);
	assert_int_equal(rfc2231_segment_length(";", 1), 0);
	assert_int_equal(rfc2231_segment_length("a=b", 3), 3);
	assert_int_equal(rfc2231_segment_length("a=b;c", 5), 3);
	assert_int_equal(rfc2231_segment_length("a=\"b;c\";d", 9), 7);
	assert_int_equal(rfc2231_segment_length("a=\"b\\\";c\";d", 11), 9);
	assert_int_equal(rfc2231_segment_length("a=\"b;c", 6), 6);
	assert_int_equal(rfc2231_segment_length("a=\"b\\", 5), 5);
}

/* A value too long for a line is continued, in order, charset in front. */
static void continued(void **state)
{
	static const char expected[] =
		"f*0*=UTF-8''"
		"%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC"
		";\r\n f*1*="
		"%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC%C3%BC"
		";\r\n f*2*=%C3";
	char text[4 + 2 * LONG_LEN + 1];
	struct buf out;
	size_t i;

	(void)state;
	memcpy(text, "f=", 2);
	for (i = 0; i < LONG_LEN; i++)
		memcpy(text + 2 + 2 * i, UE, 3);
	buf_init(&out, OUT_MAX);
	assert_int_equal(
		rfc2231_encode_segment(&out, span(text), span(text), TEXT_UTF8),
		1);
	assert_memory_equal(out.data, expected, strlen(expected));
	assert_non_null(strstr(out.data, ";\r\n f*29*="));
	assert_null(strstr(out.data, "f*30*="));
	buf_free(&out);
}

static void full(void **state)
{
	struct text_span segment = span(" name=" UE "x ");
	size_t max, whole = strlen(" name*=UTF-8''%C3%BCx ");
	struct buf out;

	(void)state;
	for (max = 0; max <= whole; max++) {
		buf_init(&out, max);
		assert_int_equal(rfc2231_encode_segment(
					 &out, segment, segment, TEXT_UTF8),
			max < whole ? -1 : 1);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(segments),
		cmocka_unit_test(lengths),
		cmocka_unit_test(continued),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("rfc2231", tests, NULL, NULL);
}
