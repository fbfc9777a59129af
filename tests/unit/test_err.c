/*
 * test_err.c - reasons in words: set, cut, and errno kept.
 */
#include "config.h"

#include "base/err.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void test_set(void **state)
{
	struct err err;

	(void)state;
	assert_int_equal(err_set(&err, ERR_LIMIT, "%s is %d", "x", 3), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_string_equal(err.text, "x is 3");
	assert_int_equal(err_set(NULL, ERR_LIMIT, "%s", "nobody asks"), -1);
	assert_int_equal(err_errno(NULL, "%s", "nobody asks"), -1);
}

static void test_errno(void **state)
{
	struct err err;

	(void)state;
	errno = ENOENT;
	assert_int_equal(err_errno(&err, "cannot open %s", "/x"), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_string_equal(
		err.text, "cannot open /x: No such file or directory");
	assert_int_equal(errno, ENOENT);
}

static void test_cut(void **state)
{
	char text[2 * ERR_TEXT_MAX];
	struct err err;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (len = ERR_TEXT_MAX - 40; len < ERR_TEXT_MAX + 3; len++) {
		err_set(&err, ERR_SYNTAX, "%.*s", (int)len, text);
		assert_int_equal(strlen(err.text),
			len < ERR_TEXT_MAX ? len : ERR_TEXT_MAX - 1);
		errno = EACCES;
		err_errno(&err, "%.*s", (int)len, text);
		assert_true(strlen(err.text) < ERR_TEXT_MAX);
		assert_memory_equal(err.text, text, ERR_TEXT_MAX - 40);
		assert_int_equal(errno, EACCES);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_set),
		cmocka_unit_test(test_errno),
		cmocka_unit_test(test_cut),
	};

	return cmocka_run_group_tests_name("err", tests, NULL, NULL);
}
