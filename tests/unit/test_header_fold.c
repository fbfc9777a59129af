/*
 * test_header_fold.c - long header lines to shorter ones that mean the same.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/header_fold.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum {
	LIMIT = 20,
	OUT_MAX = 4 * 1024 * 1024,
	BIG = 500 * 1024,
	ROUNDS = 20000,
	RANDOM_LEN = 120,
};

/* All with a limit of 20 octets. */
static const struct {
	const char *in;
	const char *out;
	bool folded;
} vectors[] = {
	/* what fits stays */
	{"Subject: 1 2 3 4 5 6\r\n", "Subject: 1 2 3 4 5 6\r\n", false},
	{"Subject: a b\r\n c d\r\n\te f\r\n",
		"Subject: a b\r\n c d\r\n\te f\r\n", false},
	{"Subject:\r\n", "Subject:\r\n", false},
	{"Subject:                  \r\n", "Subject:\r\n", false},
	/* before white space, as far right as it goes */
	{"Subject: aaa bbb ccc ddd\r\n", "Subject: aaa bbb ccc\r\n ddd\r\n",
		true},
	{"Subject: aaa bbb cccc ddd\r\n", "Subject: aaa bbb\r\n cccc ddd\r\n",
		true},
	{"Subject: aaa bbb\tccccc\tddd\r\n",
		"Subject: aaa bbb\r\n\tccccc\tddd\r\n", true},
	{"Subject: aaa bbb    cccccc\r\n", "Subject: aaa bbb\r\n    cccccc\r\n",
		true},
	{"X: 1\r\n aaaa bbbb cccc dddd eeee\r\n z\r\n",
		"X: 1\r\n aaaa bbbb cccc dddd\r\n eeee\r\n z\r\n", true},
	/* white space at the end goes, and makes no line of its own */
	{"Subject: aaaaaaaaaaa   \r\n", "Subject: aaaaaaaaaaa\r\n", false},
	{"Subject: aaa bbb ccc    \r\n", "Subject: aaa bbb ccc\r\n", false},
	{"X: 1\r\n                         \r\n", "X: 1\r\n \r\n", false},
	/* behind the colon only where nothing else helps */
	{"Subject: aaaaaaaaaaaaaaaa\r\n", "Subject:\r\n aaaaaaaaaaaaaaaa\r\n",
		true},
	{"Subject: aaaaaaaaaaaa bbbb\r\n", "Subject:\r\n aaaaaaaaaaaa bbbb\r\n",
		true},
	/* nowhere: it stays, and the rest is folded */
	{"Subject:aaaaaaaaaaaaaaaaaa\r\n", "Subject:aaaaaaaaaaaaaaaaaa\r\n",
		false},
	{"Subject:aaaaaaaaaaaaaaaaaa bbb\r\n",
		"Subject:aaaaaaaaaaaaaaaaaa\r\n bbb\r\n", true},
	{"X: a aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa b\r\n",
		"X: a\r\n aaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\r\n b\r\n", true},
	{"X: a,b,c,d;e;f;g>h><i><jkl\r\n", "X:\r\n a,b,c,d;e;f;g>h><i><jkl\r\n",
		true},
	/* addresses: behind a comma rather than inside a name */
	{"To: aa@b.c, b ccc <d@e>\r\n", "To: aa@b.c,\r\n b ccc <d@e>\r\n",
		true},
	{"To: a, bb ccc <dddd@e>\r\n", "To: a, bb ccc\r\n <dddd@e>\r\n", true},
	{"To: \"a, b, c\" <ddddd@e>\r\n", "To: \"a, b, c\"\r\n <ddddd@e>\r\n",
		true},
	{"To: \"aa, bb, c\\\" d, e\" <d>\r\n",
		"To: \"aa, bb, c\\\" d,\r\n e\" <d>\r\n", true},
	/* addresses without spaces: a space is added */
	{"To:aaaa@b,cccc@d,eeee@f\r\n", "To:aaaa@b,cccc@d,\r\n eeee@f\r\n",
		true},
	{"To:\"a,b,c,d\"<e@f>,<ggg@h>\r\n",
		"To:\"a,b,c,d\"<e@f>,\r\n <ggg@h>\r\n", true},
	{"To:(a,b,(c),d)e@f,ggggg@h\r\n", "To:(a,b,(c),d)e@f,\r\n ggggg@h\r\n",
		true},
	{"To:\"a,b,c,d,e,f,g,h,i,j\"\r\n", "To:\"a,b,c,d,e,f,g,h,i,j\"\r\n",
		false},
	/* quotes that were opened in a line before */
	{"To: \"a\r\n b,c,d,e,f,g,h,i,j,k,l\"\r\n",
		"To: \"a\r\n b,c,d,e,f,g,h,i,j,k,l\"\r\n", false},
	{"To: \"a\r\n b,c,d,e,f\",g,h,i,j,k,l\r\n",
		"To: \"a\r\n b,c,d,e,f\",g,h,i,j,\r\n k,l\r\n", true},
	{"To: \"a b c d e f g h\r\n i j k l m n,o,p,q,r\",s\r\n",
		"To: \"a b c d e f g h\r\n i j k l m\r\n n,o,p,q,r\",s\r\n",
		true},
	/* a quoted space is not torn from its backslash */
	{"To: \"aaaaaaaa\\ bbbbbbbb\"\r\n",
		"To:\r\n \"aaaaaaaa\\ bbbbbbbb\"\r\n", true},
	{"To: (aaaaaaaa\\ bbbbbbbbb)\r\n", "To:\r\n (aaaaaaaa\\ bbbbbbbbb)\r\n",
		true},
	/* ids, parameters */
	{"References:<aaaa@b><cccc@d>\r\n",
		"References:<aaaa@b>\r\n <cccc@d>\r\n", true},
	{"References:<aaaa@bbbbbbbbbbbb>x\r\n",
		"References:<aaaa@bbbbbbbbbbbb>x\r\n", false},
	{"Content-Type:a/b;c=d;e=f\r\n", "Content-Type:a/b;\r\n c=d;e=f\r\n",
		true},
	{"Content-Type:a/b;c=\"d;e;f\"\r\n",
		"Content-Type:a/b;\r\n c=\"d;e;f\"\r\n", true},
};

static void fold(struct buf *out, const char *text, size_t len, size_t limit,
	bool *folded)
{
	struct header_field f;
	size_t pos = 0;

	buf_init(out, OUT_MAX);
	assert_int_equal(header_field_next(text, len, &pos, &f), 1);
	assert_int_equal(pos, len);
	assert_int_equal(header_fold(out, &f, limit, folded), 0);
}

static void table(void **state)
{
	struct buf out;
	bool folded;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		folded = false;
		fold(&out, vectors[i].in, strlen(vectors[i].in), LIMIT,
			&folded);
		assert_string_equal(out.data, vectors[i].out);
		assert_int_equal(folded, vectors[i].folded);
		/* doing it again changes nothing */
		buf_free(&out);
		fold(&out, vectors[i].out, strlen(vectors[i].out), LIMIT,
			&folded);
		assert_string_equal(out.data, vectors[i].out);
		buf_free(&out);
	}
	folded = true;
	fold(&out, "A: b\r\n", 6, LIMIT, &folded);
	assert_true(folded); /* it is set, never cleared */
	buf_free(&out);
}

/* Lines without their end are taken too. */
static void no_end(void **state)
{
	bool folded = false;
	struct buf out;

	(void)state;
	fold(&out, "Subject: aaa bbb ccc ddd", 24, LIMIT, &folded);
	assert_string_equal(out.data, "Subject: aaa bbb ccc\r\n ddd\r\n");
	buf_free(&out);
}

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

/* What is left when line ends, spaces, tabs are taken away. */
static size_t squeeze(const char *text, size_t len, char *out)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++) {
		if (!header_is_space(text[i]))
			out[n++] = text[i];
	}
	return n;
}

/* Every line end is CRLF, every line but the first begins with white space. */
static void check_lines(const struct buf *out)
{
	size_t i;

	for (i = 0; i < out->len; i++) {
		if (out->data[i] == '\r')
			assert_int_equal(out->data[i + 1], '\n');
		if (out->data[i] != '\n')
			continue;
		assert_true(i > 0);
		assert_int_equal(out->data[i - 1], '\r');
		if (i + 1 < out->len)
			assert_true(out->data[i + 1] == ' ' ||
				    out->data[i + 1] == '\t');
	}
	assert_true(out->len > 2);
	assert_int_equal(out->data[out->len - 1], '\n');
}

/* Random text of the characters that matter, in every kind of field: all of it
 * is still there, in one field. */
static void random_text(void **state)
{
	static const char alphabet[] = "a  \t,;<>\"()\\:@b";
	static const char *const starts[] = {
		"Subject:", "To:", "References:", "Received:", "Content-Type:"};
	char text[RANDOM_LEN + 32], before[sizeof(text)], after[8 * RANDOM_LEN];
	uint32_t seed = 1;
	struct buf out;
	size_t i, k, len, n;
	bool folded = false;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		len = strlen(starts[i % COUNT_OF(starts)]);
		memcpy(text, starts[i % COUNT_OF(starts)], len);
		n = next_random(&seed) % RANDOM_LEN;
		for (k = 0; k < n; k++)
			text[len++] = alphabet[next_random(&seed) %
					       (sizeof(alphabet) - 1)];
		memcpy(text + len, "\r\n", 2);
		len += 2;
		fold(&out, text, len, LIMIT, &folded);
		check_lines(&out);
		n = squeeze(text, len, before);
		assert_int_equal(squeeze(out.data, out.len, after), n);
		assert_memory_equal(before, after, n);
		buf_free(&out);
	}
}

/* One line of half a megabyte of each pattern: no line of the result is longer
 * than it must be. That it ends at all in the time of a test shows that the
 * work does not grow with the square. */
static void big(void **state)
{
	static const struct {
		const char *name;
		const char *pattern;
		bool foldable;
	} patterns[] = {
		{"To:", "someone@example.org,", true},
		{"To:", "\"a, b\" <someone@example.org>, ", true},
		{"References:", "<0123456789@example.org>", true},
		{"Subject:", " a", true},
		{"Subject:", "a", false},
		{"To:", "(", false},
		{"To:", "\"", false},
		{"To:", "\\", false},
		{"Content-Type:", "; a=b", true},
	};
	size_t i, len, start, k;
	struct buf in, out;
	bool folded;

	(void)state;
	for (i = 0; i < COUNT_OF(patterns); i++) {
		buf_init(&in, OUT_MAX);
		assert_int_equal(buf_add_string(&in, patterns[i].name), 0);
		while (in.len < BIG)
			assert_int_equal(
				buf_add_string(&in, patterns[i].pattern), 0);
		assert_int_equal(buf_add_string(&in, "z\r\n"), 0);
		folded = false;
		fold(&out, in.data, in.len, 998, &folded);
		assert_int_equal(folded, patterns[i].foldable);
		check_lines(&out);
		for (start = k = 0; k < out.len; k++) {
			if (out.data[k] != '\n')
				continue;
			len = k - 1 - start;
			assert_true(!patterns[i].foldable || len <= 998);
			start = k + 1;
		}
		buf_free(&in);
		buf_free(&out);
	}
}

static void full(void **state)
{
	static const char text[] = "Subject: aaa bbb ccc ddd\r\n";
	struct header_field f;
	bool folded = false;
	size_t pos = 0, max;
	struct buf out;

	(void)state;
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	for (max = 0; max <= strlen(text) + 2; max++) {
		buf_init(&out, max);
		assert_int_equal(header_fold(&out, &f, LIMIT, &folded),
			max < strlen(text) + 2 ? -1 : 0);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(no_end),
		cmocka_unit_test(random_text),
		cmocka_unit_test(big),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("header_fold", tests, NULL, NULL);
}
