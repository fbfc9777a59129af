/*
 * test_aside.c - work in a process of its own: its result, its words, its end.
 */
#include "config.h"

#include "base/util.h"
#include "parent/aside.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LONG_MS = 60 * 1000, SHORT_MS = 50, LARGE = 300 * 1000 };

static char large[LARGE];

static void expect_no_child(void)
{
	assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
	assert_int_equal(errno, ECHILD);
}

static int twice(const void *in, void *out, struct err *err)
{
	(void)err;
	*(int *)out = 2 * *(const int *)in;
	return 0;
}

static void test_the_result_comes_back(void **state)
{
	int number = 21, doubled = 0;
	const struct aside work = {
		.what = "work",
		.run = twice,
		.in = &number,
		.out = &doubled,
		.out_size = sizeof(doubled),
		.limit_ms = LONG_MS,
	};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), 0);
	assert_int_equal(doubled, 42);
	expect_no_child();
}

/* More than a pipe holds. */
static int fill(const void *in, void *out, struct err *err)
{
	(void)in;
	(void)err;
	memset(out, 'x', LARGE);
	return 0;
}

static void test_a_large_result_comes_back(void **state)
{
	const struct aside work = {
		.what = "work",
		.run = fill,
		.out = large,
		.out_size = sizeof(large),
		.limit_ms = LONG_MS,
	};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), 0);
	assert_int_equal(large[0], 'x');
	assert_int_equal(large[LARGE - 1], 'x');
}

static int refuse(const void *in, void *out, struct err *err)
{
	(void)in;
	*(int *)out = 1;
	return err_set(err, ERR_CONFIG, "that is not right");
}

static void test_an_error_comes_back_as_it_was(void **state)
{
	int out = 0;
	const struct aside work = {
		.what = "work",
		.run = refuse,
		.out = &out,
		.out_size = sizeof(out),
		.limit_ms = LONG_MS,
	};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_string_equal(err.text, "that is not right");
	assert_int_equal(out, 0);
}

static int die(const void *in, void *out, struct err *err)
{
	(void)in;
	(void)out;
	(void)err;
	_exit(0);
}

static void test_a_death_is_an_error(void **state)
{
	const struct aside work = {
		.what = "work", .run = die, .limit_ms = LONG_MS};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	assert_non_null(strstr(err.text, "work: the child process has died"));
	expect_no_child();
}

static int hang(const void *in, void *out, struct err *err)
{
	(void)in;
	(void)out;
	(void)err;
	pause();
	return 0;
}

static void test_what_does_not_end_is_ended(void **state)
{
	const struct aside work = {
		.what = "work", .run = hang, .limit_ms = SHORT_MS};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	expect_no_child();
}

static int nothing(const void *in, void *out, struct err *err)
{
	(void)in;
	(void)out;
	(void)err;
	return 0;
}

static void test_work_without_a_result(void **state)
{
	const struct aside work = {
		.what = "work", .run = nothing, .limit_ms = LONG_MS};
	struct err err;

	(void)state;
	assert_int_equal(aside_run(&work, &err), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_the_result_comes_back),
		cmocka_unit_test(test_a_large_result_comes_back),
		cmocka_unit_test(test_an_error_comes_back_as_it_was),
		cmocka_unit_test(test_a_death_is_an_error),
		cmocka_unit_test(test_what_does_not_end_is_ended),
		cmocka_unit_test(test_work_without_a_result),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
