/*
 * test_buf.c - the growing buffer, and that its limit holds.
 */
#include "config.h"

#include "base/buf.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_starts_empty(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 10);
	assert_null(b.data);
	assert_int_equal(b.len, 0);
	assert_int_equal(b.cap, 0);
	assert_int_equal(b.max, 10);
	buf_clear(&b);
	buf_free(&b);
	assert_int_equal(b.max, 10);
}

static void test_add(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 100);
	assert_int_equal(buf_add(&b, NULL, 0), 0);
	assert_string_equal(b.data, "");
	assert_int_equal(buf_add(&b, "a\0b", 3), 0);
	assert_int_equal(buf_add_string(&b, "cd"), 0);
	assert_int_equal(buf_addf(&b, "%d-%s", 7, "x"), 0);
	assert_int_equal(buf_add_string(&b, ""), 0);
	assert_int_equal(b.len, 8);
	assert_memory_equal(b.data, "a\0bcd7-x", 9);
	buf_clear(&b);
	assert_int_equal(b.len, 0);
	assert_string_equal(b.data, "");
	assert_true(b.cap > 0);
	assert_int_equal(buf_add_string(&b, "again"), 0);
	assert_string_equal(b.data, "again");
	buf_free(&b);
	assert_null(b.data);
	assert_int_equal(buf_add_string(&b, "after"), 0);
	assert_string_equal(b.data, "after");
	buf_free(&b);
}

static void check_full(struct buf *b, const char *text)
{
	assert_int_equal(b->len, strlen(text));
	assert_string_equal(b->data, text);
}

static void test_limit(void **state)
{
	struct buf b;

	(void)state;
	buf_init(&b, 5);
	assert_int_equal(buf_add(&b, "123456", 6), -1);
	assert_null(b.data);
	assert_int_equal(buf_add(&b, "1234", 4), 0);
	assert_int_equal(buf_add(&b, "56", 2), -1);
	check_full(&b, "1234");
	assert_int_equal(buf_add_string(&b, "56"), -1);
	assert_int_equal(buf_addf(&b, "%d", 56), -1);
	check_full(&b, "1234");
	assert_null(buf_reserve(&b, 2));
	assert_null(buf_reserve(&b, SIZE_MAX));
	assert_int_equal(buf_addf(&b, "%d", 5), 0);
	check_full(&b, "12345");
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(buf_add(&b, "6", 1), -1);
	buf_free(&b);

	buf_init(&b, 8);
	assert_int_equal(buf_addf(&b, "%s", "123456789"), -1);
	assert_int_equal(b.len, 0);
	assert_int_equal(buf_add_strings(&b, STRINGS("1", "", "234")), 0);
	assert_int_equal(buf_add_strings(&b, STRINGS("5", "67", "89")), -1);
	check_full(&b, "1234");
	assert_int_equal(buf_addf(&b, "%s", "56789"), -1);
	check_full(&b, "1234");
	assert_int_equal(buf_add_strings(&b, STRINGS("5678")), 0);
	check_full(&b, "12345678");
	assert_int_equal(buf_add_strings(&b, STRINGS("")), 0);
	buf_free(&b);

	buf_init(&b, 0);
	assert_int_equal(buf_add(&b, "", 0), 0);
	assert_int_equal(buf_add(&b, "x", 1), -1);
	check_full(&b, "");
	buf_free(&b);
}

static void test_no_more_memory_than_the_limit(void **state)
{
	struct buf b;
	int i;

	(void)state;
	buf_init(&b, 1000);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(buf_add(&b, "x", 1), 0);
		assert_true(b.cap > b.len && b.cap <= 1001);
		assert_int_equal(b.data[b.len], '\0');
	}
	assert_int_equal(buf_add(&b, "x", 1), -1);
	buf_free(&b);

	buf_init(&b, SIZE_MAX);
	assert_int_equal(buf_add(&b, "x", 1), 0);
	assert_null(buf_reserve(&b, SIZE_MAX));
	buf_free(&b);
}

static void test_grows(void **state)
{
	struct buf b;
	size_t i;

	(void)state;
	buf_init(&b, 1 << 20);
	for (i = 0; i < 100000; i++)
		assert_int_equal(buf_addf(&b, "%zu,", i % 10), 0);
	assert_int_equal(b.len, 200000);
	for (i = 0; i < 100000; i++)
		assert_int_equal(b.data[2 * i], '0' + i % 10);
	buf_free(&b);
}

static void test_reserve(void **state)
{
	struct buf b;
	char *to;

	(void)state;
	buf_init(&b, 400);
	assert_int_equal(buf_add_string(&b, "ab"), 0);
	to = buf_reserve(&b, 398);
	assert_ptr_equal(to, b.data + 2);
	memset(to, 'x', 398);
	to[398] = '\0'; /* there is room for it */
	b.len += 398;
	assert_int_equal(strlen(b.data), 400);
	assert_null(buf_reserve(&b, 1));
	assert_ptr_equal(buf_reserve(&b, 0), b.data + 400);
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_starts_empty),
		cmocka_unit_test(test_add),
		cmocka_unit_test(test_limit),
		cmocka_unit_test(test_no_more_memory_than_the_limit),
		cmocka_unit_test(test_grows),
		cmocka_unit_test(test_reserve),
	};

	return cmocka_run_group_tests_name("buf", tests, NULL, NULL);
}
