/*
 * test_stuff.c - dot-stuffing (proto/body.h), at every split and at the limit.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct vector {
	const char *in;
	const char *out;
} vectors[] = {
	{"", ""},
	{"a\r\n", "a\r\n"},
	{".", ".."},
	{".\r\n", "..\r\n"},
	{"..\r\n", "...\r\n"},
	{"a.b\r\n", "a.b\r\n"},
	{"a\r\n.\r\n", "a\r\n..\r\n"},
	{"a\r\n.b\r\n\r\n..c\r\nd.\r\n", "a\r\n..b\r\n\r\n...c\r\nd.\r\n"},
	{".\r\n.\r\n.\r\n", "..\r\n..\r\n..\r\n"},
	{"\r\n.x", "\r\n..x"},
};

static void check(const struct vector *v, size_t split, size_t step)
{
	struct dot_stuffer s = {.at_line_start = true};
	size_t at = 0, n, len = strlen(v->in);
	struct buf out;

	/* the room that is promised to be enough */
	buf_init(&out, 2 * len);
	buf_add(&out, "", 0);
	assert_int_equal(dot_stuff(&s, v->in, split, &out), 0);
	for (at = split; at < len; at += n) {
		n = step < len - at ? step : len - at;
		assert_int_equal(dot_stuff(&s, v->in + at, n, &out), 0);
	}
	assert_string_equal(out.data, v->out);
	assert_int_equal(s.at_line_start, len == 0 || v->in[len - 1] == '\n');
	buf_free(&out);
}

static void test_vectors(void **state)
{
	size_t i, split, len;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		len = strlen(vectors[i].in);
		check(&vectors[i], 0, 1);
		for (split = 0; split <= len; split++)
			check(&vectors[i], split, len);
	}
}

static void test_goes_on_within_a_line(void **state)
{
	struct dot_stuffer s = {.at_line_start = false};
	struct buf out;

	(void)state;
	buf_init(&out, 100);
	assert_int_equal(dot_stuff(&s, ".a\r\n.b", 6, &out), 0);
	assert_string_equal(out.data, ".a\r\n..b");
	assert_false(s.at_line_start);
	buf_free(&out);
}

static void test_full_buffer_stays_as_it_was(void **state)
{
	static const char in[] = "ab\r\n.c\r\n.d";
	struct dot_stuffer s;
	struct buf out;
	size_t max;

	(void)state;
	for (max = 4; max < 4 + sizeof(in) + 2; max++) {
		buf_init(&out, max);
		buf_add_string(&out, "had\n");
		s.at_line_start = false;
		if (max < 4 + sizeof(in) - 1 + 2) {
			assert_int_equal(
				dot_stuff(&s, in, sizeof(in) - 1, &out), -1);
			assert_int_equal(out.len, 4);
			assert_string_equal(out.data, "had\n");
			assert_false(s.at_line_start);
		} else {
			assert_int_equal(
				dot_stuff(&s, in, sizeof(in) - 1, &out), 0);
			assert_string_equal(out.data, "had\nab\r\n..c\r\n..d");
		}
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_goes_on_within_a_line),
		cmocka_unit_test(test_full_buffer_stays_as_it_was),
	};

	return cmocka_run_group_tests_name("stuff", tests, NULL, NULL);
}
