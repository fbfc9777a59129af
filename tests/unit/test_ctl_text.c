/*
 * test_ctl_text.c - what gmrelayctl lets through to a terminal (ctl/text.h):
 *                   cleaned, wrapped, in columns.
 */
#include "config.h"

#include "ctl/text.h"

#include "base/util.h"

#include <locale.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* --- cleaned ------------------------------------------------------------- */

static const struct text_vector {
	const char *in, *utf8, *ascii;
} cleaned[] = {
	{"plain text", "plain text", "plain text"},
	{"", "", ""},
	{"\x1b[2J", "?[2J", "?[2J"},
	{"a\r\nb\tc", "a??b?c", "a??b?c"},
	{"\x7f", "?", "?"},
	/* what turns the direction of text */
	{"a\xe2\x80\xae"
	 "b\xe2\x81\xa6"
	 "c",
		"a?b?c", "a?b?c"},
	{"gr\xc3\xbcn", "gr\xc3\xbcn", "gr?n"},
	{"\xc2\x9b"
	 "2J",
		"??2J", "??2J"}, /* C1: a terminal's CSI */
	{"\xff\xc3", "??", "??"},
	{"\xc0\x80", "??", "??"},
};

static void check_cleaned(const char *in, const char *expected)
{
	struct buf out;

	buf_init(&out, 1000);
	buf_add(&out, "", 0);
	text_clean(&out, in);
	assert_string_equal(out.data, expected);
	buf_free(&out);
}

static void test_clean(void **state)
{
	size_t i;

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C"));
	for (i = 0; i < COUNT_OF(cleaned); i++)
		check_cleaned(cleaned[i].in, cleaned[i].ascii);
	assert_non_null(setlocale(LC_CTYPE, "C.UTF-8"));
	for (i = 0; i < COUNT_OF(cleaned); i++)
		check_cleaned(cleaned[i].in, cleaned[i].utf8);
}

/* --- times and sizes ----------------------------------------------------- */

static const struct {
	int64_t ms;
	const char *span, *until, *ago;
} times[] = {
	{-5, "0s", "now", "just now"},
	{0, "0s", "now", "just now"},
	{1, "0s", "in 1s", "just now"},
	{1000, "1s", "in 1s", "1s ago"},
	{59999, "59s", "in 1m", "59s ago"},
	{60000, "1m", "in 1m", "1m ago"},
	{3599999, "59m", "in 1h", "59m ago"},
	{3600000, "1h", "in 1h", "1h ago"},
	{47LL * 3600000, "47h", "in 47h", "47h ago"},
	{48LL * 3600000, "2d", "in 2d", "2d ago"},
	{INT64_MAX / 2, "53375995583d", "in 53375995583d", "53375995583d ago"},
};

static void test_times(void **state)
{
	char text[TEXT_SHORT];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(times); i++) {
		assert_string_equal(
			text_span(text, times[i].ms), times[i].span);
		assert_string_equal(
			text_until(text, times[i].ms), times[i].until);
		assert_string_equal(text_ago(text, times[i].ms), times[i].ago);
	}
}

static void test_sizes(void **state)
{
	char text[TEXT_SHORT];

	(void)state;
	assert_string_equal(text_size(text, 0), "0");
	assert_string_equal(text_size(text, 1023), "1023");
	assert_string_equal(text_size(text, 1024), "1K");
	assert_string_equal(text_size(text, 1024 * 1024 - 1), "1023K");
	assert_string_equal(text_size(text, 1536 * 1024), "1.5M");
	assert_string_equal(text_size(text, 12ULL << 30), "12G");
}

/* --- what is printed ----------------------------------------------------- */

typedef void print_fn(void);

/* What fn writes to stdout, in out. */
static void capture(print_fn *fn, char *out, size_t size)
{
	FILE *file = tmpfile();
	int saved;
	size_t n;

	assert_non_null(file);
	fflush(stdout);
	saved = dup(STDOUT_FILENO);
	assert_true(dup2(fileno(file), STDOUT_FILENO) >= 0);
	fn();
	fflush(stdout);
	dup2(saved, STDOUT_FILENO);
	close(saved);
	rewind(file);
	n = fread(out, 1, size - 1, file);
	out[n] = '\0';
	fclose(file);
}

static const struct table_column columns[] = {
	{.title = "ID"},
	{.title = "SIZE", .right = true},
	{.title = "WHO", .flexible = true},
	{.title = "WHY", .flexible = true},
};

static void print_table(unsigned width)
{
	struct table *t = table_new(columns, COUNT_OF(columns), width);

	table_row(t, (const char *const[]){"1", "10", "someone@example.org",
			     "it was\x1b[1m refused for a long reason"});
	table_row(t, (const char *const[]){"22", "7", "", NULL});
	assert_int_equal(table_end(&t), 2);
	assert_null(t);
}

static void print_wide(void)
{
	print_table(0);
}

static void print_narrow(void)
{
	print_table(40);
}

static void print_tiny(void)
{
	print_table(5);
}

static void print_many(void)
{
	struct table *t = table_new(columns, COUNT_OF(columns), 0);
	size_t i;

	for (i = 0; i < TABLE_ROWS_MAX + 1; i++)
		table_row(t, (const char *const[]){"1", "2", "3", "4"});
	assert_int_equal(table_end(&t), TABLE_ROWS_MAX + 1);
}

static void print_none(void)
{
	struct table *t = table_new(columns, COUNT_OF(columns), 80);

	assert_int_equal(table_end(&t), 0);
}

static void test_table(void **state)
{
	char out[64 * 1024];
	size_t lines = 0, i;

	(void)state;
	assert_non_null(setlocale(LC_CTYPE, "C"));
	capture(print_wide, out, sizeof(out));
	assert_string_equal(out, "ID  SIZE  WHO                  WHY\n"
				 "1     10  someone@example.org  "
				 "it was?[1m refused for a long reason\n"
				 "22     7  -                    -\n");
	capture(print_narrow, out, sizeof(out));
	assert_string_equal(out, "ID  SIZE  WHO             WHY\n"
				 "1     10  someone@examp~  it was?[1m re~\n"
				 "22     7  -               -\n");
	capture(print_tiny, out, sizeof(out));
	assert_non_null(strstr(out, "1     10  someone~  it was?~\n"));
	capture(print_none, out, sizeof(out));
	assert_string_equal(out, "");
	capture(print_many, out, sizeof(out));
	for (i = 0; out[i] != '\0'; i++)
		lines += out[i] == '\n';
	/* its titles stand again above the next rows */
	assert_int_equal(lines, TABLE_ROWS_MAX + 1 + 2);
}

static void print_wrapped(void)
{
	text_put_wrapped(stdout, "one two  three four", 2, 11);
	text_put_wrapped(stdout, "averyveryverylongword x", 2, 11);
	text_put_wrapped(stdout, "", 2, 11);
	text_put_wrapped(stdout, "a\nb", 0, 11);
}

static void test_wrap(void **state)
{
	char out[1024];

	(void)state;
	capture(print_wrapped, out, sizeof(out));
	assert_string_equal(out, "  one two\n  three\n  four\n"
				 "  averyveryverylongword\n  x\n"
				 "\n"
				 "a?b\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clean),
		cmocka_unit_test(test_times),
		cmocka_unit_test(test_sizes),
		cmocka_unit_test(test_table),
		cmocka_unit_test(test_wrap),
	};

	return cmocka_run_group_tests_name("ctl_text", tests, NULL, NULL);
}
