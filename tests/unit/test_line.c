/*
 * test_line.c - bytes to lines: whole, byte by byte, at every split, too long.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/line.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { MAX = 8, OUT_MAX = 4096 };

/* Lines as they come, each in brackets, with "~" behind it for a bare LF and
 * "+" for more CRs than one; "!" for one that was too long. */
static const struct vector {
	const char *in;
	const char *out;
	const char *left; /* not taken at the end */
} vectors[] = {
	{"", "", ""},
	{"\n", "[]~", ""},
	{"\r\n", "[]", ""},
	{"\r\r\n", "[]+", ""},
	{"QUIT\r\n", "[QUIT]", ""},
	{"QUIT\n", "[QUIT]~", ""},
	{"QUIT\r\r\n", "[QUIT]+", ""},
	{"a\rb\r\n", "[a\rb]", ""},
	{"a\nb\r\nc", "[a]~[b]", "c"},
	{"\n\n\r\n", "[]~[]~[]", ""},
	{"abc\r", "", "abc\r"},
	/* max is 8, with the line end */
	{"123456\r\n", "[123456]", ""},
	{"1234567\n", "[1234567]~", ""},
	{"1234567\r\n", "!", ""},
	{"12345678\n", "!", ""},
	{"1234567", "", "1234567"},
	{"12345678", "", ""},
	{"1234567890123456789\r\nNOOP\r\n", "![NOOP]", ""},
	{"12345678\nNOOP\n123456789\n\n", "![NOOP]~![]~", ""},
};

/* What a session does: bytes come in pieces, lines go out. */
struct feeder {
	struct line_splitter splitter;
	struct buf in;
	struct buf out;
};

static void feed(struct feeder *f, const char *data, size_t len)
{
	struct line line;
	int rc;

	assert_int_equal(buf_add(&f->in, data, len), 0);
	do {
		rc = line_split(&f->splitter, f->in.data, f->in.len, &line);
		assert_true(line.used <= f->in.len);
		if (rc == 1) {
			assert_true(line.len < line.used);
			buf_add_string(&f->out, "[");
			buf_add(&f->out, line.text, line.len);
			buf_add_string(&f->out, "]");
			buf_add_string(&f->out, line.bare_lf ? "~" : "");
			buf_add_string(&f->out, line.bare_cr ? "+" : "");
		} else if (rc == -1) {
			buf_add_string(&f->out, "!");
		}
		memmove(f->in.data, f->in.data + line.used,
			f->in.len - line.used);
		f->in.len -= line.used;
		/* a line that goes on forever costs no memory */
		assert_true(rc != 0 || f->in.len < MAX);
	} while (rc != 0);
}

static void start(struct feeder *f)
{
	line_splitter_init(&f->splitter, MAX);
	buf_init(&f->in, OUT_MAX);
	buf_init(&f->out, OUT_MAX);
	buf_add_string(&f->out, "");
}

static void finish(struct feeder *f, const struct vector *v)
{
	assert_string_equal(f->out.data, v->out);
	assert_int_equal(f->in.len, strlen(v->left));
	assert_memory_equal(f->in.data, v->left, f->in.len);
	buf_free(&f->in);
	buf_free(&f->out);
}

static void test_whole(void **state)
{
	struct feeder f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		start(&f);
		feed(&f, vectors[i].in, strlen(vectors[i].in));
		finish(&f, &vectors[i]);
	}
}

static void test_byte_by_byte(void **state)
{
	struct feeder f;
	size_t i, at;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		start(&f);
		feed(&f, "", 0);
		for (at = 0; vectors[i].in[at] != '\0'; at++)
			feed(&f, vectors[i].in + at, 1);
		finish(&f, &vectors[i]);
	}
}

static void test_every_split(void **state)
{
	struct feeder f;
	size_t i, at, len;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		len = strlen(vectors[i].in);
		for (at = 0; at <= len; at++) {
			start(&f);
			feed(&f, vectors[i].in, at);
			feed(&f, vectors[i].in + at, len - at);
			finish(&f, &vectors[i]);
		}
	}
}

static void test_points_into_the_bytes(void **state)
{
	static const char data[] = "EHLO x\r\nrest";
	struct line_splitter s;
	struct line line;

	(void)state;
	line_splitter_init(&s, COMMAND_LINE_MAX);
	assert_int_equal(line_split(&s, data, sizeof(data) - 1, &line), 1);
	assert_ptr_equal(line.text, data);
	assert_int_equal(line.len, 6);
	assert_int_equal(line.used, 8);
}

static void test_nul_is_a_byte(void **state)
{
	struct line_splitter s;
	struct line line;

	(void)state;
	line_splitter_init(&s, COMMAND_LINE_MAX);
	assert_int_equal(line_split(&s, "a\0b\r\n", 5, &line), 1);
	assert_int_equal(line.len, 3);
	assert_memory_equal(line.text, "a\0b", 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_every_split),
		cmocka_unit_test(test_points_into_the_bytes),
		cmocka_unit_test(test_nul_is_a_byte),
	};

	return cmocka_run_group_tests_name("line", tests, NULL, NULL);
}
