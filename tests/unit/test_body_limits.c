/*
 * test_body_limits.c - the body decoder: what it notes about a message, NUL
 *                      bytes, lines that are too long.
 */
#include "config.h"

#include "body_feed.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct flag_vector {
	const char *in;
	size_t len;
	bool eight_bit, bare_lf, bare_cr;
} flag_vectors[] = {
	{"a\r\nb\r\n.\r\n", 9, false, false, false},
	{"a\r\nb\n", 5, false, true, false},
	{"a\r\nb\r\r\n", 7, false, false, true},
	{"a\rb\r\n", 5, false, false, true},
	{"\xc3\xa4\r\n", 4, true, false, false},
	{"plain text \x80\r\n", 14, true, false, false},
	{"plain text, long enough \xff, and more\r\n", 37, true, false, false},
	{"a\r\n\x7f\r\n", 6, false, false, false},
	/* what follows the end says nothing about the message */
	{"a\r\n.\r\n\xc3\xa4\nb\rc", 12, false, false, false},
};

static void test_flags(void **state)
{
	const struct flag_vector *v;
	struct body_decoder d;
	struct buf in, out;
	enum way way;
	size_t used, i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(flag_vectors); i++) {
		v = &flag_vectors[i / 2];
		way = i % 2 == 0 ? WHOLE : BYTES;
		buf_init(&in, OUT_MAX);
		buf_add(&in, v->in, v->len);
		start(&d, &out, 0);
		feed_all(&d, &in, way, 0, &used);
		assert_int_equal(d.eight_bit, v->eight_bit);
		assert_int_equal(d.bare_lf, v->bare_lf);
		assert_int_equal(d.bare_cr, v->bare_cr);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

/* The message up to a problem is handed on, no more; the end is found. */
static void check_problem(const struct buf *in, enum body_problem problem,
	const char *lines, enum way way)
{
	struct body_decoder d;
	struct buf out;
	size_t used;

	start(&d, &out, 0);
	assert_int_equal(feed_all(&d, in, way, 10, &used), 1);
	assert_int_equal(used, in->len - strlen("QUIT"));
	assert_int_equal(d.problem, problem);
	assert_int_equal(d.held.cap, 0);
	assert_string_equal(out.data, lines);
	body_decoder_free(&d);
	buf_free(&out);
}

/* N stands for NUL. */
static const struct nul_vector {
	const char *in;
	const char *lines;
} nul_vectors[] = {
	{"ok\r\nN\r\nmore\r\n.\r\nQUIT", "ok|"},
	{"ok\r\na line of some N length\r\nmore\r\n.\r\nQUIT", "ok|"},
	{"ok\r\nN.\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.N\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.\rN\r\n.\r\nQUIT", "ok||"},
	{"ok\r\na\r\nN\r\n\r\n.\r\nQUIT", "ok|a|"},
	{"ok\r\na\r\n.\nN\r\n.\r\nQUIT", "ok|a||"},
	/* smuggling with NUL: no end either */
	{"ok\r\nN.\r\nb\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.N\r\nb\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.\rN\nb\r\n.\r\nQUIT", "ok||"},
};

static void test_nul(void **state)
{
	struct buf in;
	enum way way;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(nul_vectors); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, nul_vectors[i].in);
		*strchr(in.data, 'N') = '\0';
		for (way = WHOLE; way <= RANDOM; way++)
			check_problem(&in, BODY_NUL, nul_vectors[i].lines, way);
		buf_free(&in);
	}
}

static void add_many(struct buf *b, char c, size_t count)
{
	char *to = buf_reserve(b, count);

	assert_non_null(to);
	memset(to, c, count);
	b->len += count;
	to[count] = '\0';
}

static void test_line_at_its_limit(void **state)
{
	static const char *const ends[] = {"\r\n", "\n", "\r\r\n"};
	struct body_decoder d;
	struct buf in, out;
	enum way way;
	size_t i, used;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(ends); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, i % 2 == 0 ? "." : "");
		add_many(&in, 'x', TEXT_LINE_MAX);
		buf_add_string(&in, ends[i / 2]);
		buf_add_string(&in, "after\r\n");
		for (way = WHOLE; way <= RANDOM; way++) {
			start(&d, &out, 0);
			feed_all(&d, &in, way, 1000, &used);
			assert_int_equal(d.problem, BODY_FINE);
			assert_int_equal(out.len, TEXT_LINE_MAX + 7);
			assert_string_equal(
				out.data + TEXT_LINE_MAX, "|after|");
			body_decoder_free(&d);
			buf_free(&out);
		}
		buf_free(&in);
	}
}

static void test_line_beyond_its_limit(void **state)
{
	static const char *const ends[] = {"\r\n.\r\nQUIT",
		"\n\n.\n\r\n.\r\nQUIT", "\r\r\nb\r\n.\r\nQUIT",
		"\rb\r\n.\r\nQUIT"};
	struct buf in;
	enum way way;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(ends); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, "ok\r\n");
		add_many(&in, 'x', TEXT_LINE_MAX + 1);
		buf_add_string(&in, ends[i]);
		for (way = WHOLE; way <= RANDOM; way++)
			check_problem(&in, BODY_LINE_TOO_LONG, "ok|", way);
		buf_free(&in);
	}
}

/* However long the text is that comes at once; start() checks the pieces. */
static void test_many_lines_at_once(void **state)
{
	struct body_decoder d;
	struct buf in, out[2];
	size_t i, used;

	(void)state;
	buf_init(&in, OUT_MAX);
	for (i = 0; in.len < 10 * BODY_LINES_MAX; i++) {
		add_many(&in, 'x', i * 37 % 977);
		buf_add_string(&in, i % 50 == 0 ? "\n" : "\r\n");
	}
	add_many(&in, 'x', 2 * BODY_LINES_MAX);
	buf_add_string(&in, "\r\nlast\r\n");
	for (i = 0; i < 2; i++) {
		start(&d, &out[i], i == 0 ? 0 : LINE_BY_LINE);
		feed_all(&d, &in, WHOLE, 0, &used);
		assert_int_equal(d.problem, BODY_FINE);
		body_decoder_free(&d);
	}
	assert_string_equal(out[0].data, out[1].data);
	buf_free(&in);
	buf_free(&out[0]);
	buf_free(&out[1]);
}

/* Memory stays bounded whatever comes, and however much. */
static void test_endless_line(void **state)
{
	static const char kinds[] = {'x', '\r', '.', '\x80'};
	struct body_decoder d;
	struct buf out, in;
	size_t i, used;
	int round;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(kinds); i++) {
		buf_init(&in, OUT_MAX);
		add_many(&in, kinds[i / 2], 10000);
		start(&d, &out, i % 2 == 0 ? HEADER : 0);
		for (round = 0; round < 50; round++)
			body_decoder_feed(&d, in.data, in.len, &used);
		assert_int_equal(d.problem, BODY_LINE_TOO_LONG);
		assert_int_equal(out.len, 0);
		assert_true(d.held.cap <= TEXT_LINE_MAX + 1);
		assert_int_equal(
			body_decoder_feed(&d, "\r\n.\r\nNOOP", 9, &used), 1);
		assert_int_equal(used, 5);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

/* Spaces made of CRs count towards a header line's length. */
static void test_run_of_crs(void **state)
{
	struct body_decoder d;
	struct buf in, out;
	size_t used, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, i == 0 ? "" : "a");
		add_many(&in, '\r', TEXT_LINE_MAX - 1);
		buf_add_string(&in, "b\r\n");
		start(&d, &out, HEADER);
		body_decoder_feed(&d, in.data, in.len, &used);
		assert_int_equal(
			d.problem, i == 0 ? BODY_FINE : BODY_LINE_TOO_LONG);
		assert_int_equal(out.len, i == 0 ? TEXT_LINE_MAX + 1 : 0);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_line_at_its_limit),
		cmocka_unit_test(test_line_beyond_its_limit),
		cmocka_unit_test(test_many_lines_at_once),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_run_of_crs),
	};

	return cmocka_run_group_tests_name("body_limits", tests, NULL, NULL);
}
