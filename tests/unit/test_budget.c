/*
 * test_budget.c - what all transactions may have in memory together.
 */
#include "config.h"

#include "receiver/budget.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void a_little_is_free(void **state)
{
	struct budget b = {.used = BUDGET_MAX};
	size_t share = 0;

	(void)state;
	assert_int_equal(budget_take(&b, &share, BUDGET_FREE_MAX), 0);
	assert_int_equal(share, 0);
	assert_int_equal(budget_take(&b, &share, BUDGET_FREE_MAX + 1), -1);
	assert_int_equal(b.used, BUDGET_MAX);
}

static void it_grows_and_comes_back(void **state)
{
	struct budget b = {0};
	size_t one = 0, other = 0;

	(void)state;
	assert_int_equal(budget_take(&b, &one, BUDGET_FREE_MAX + 1000), 0);
	assert_int_equal(budget_take(&b, &one, BUDGET_FREE_MAX + 3000), 0);
	assert_int_equal(budget_take(&b, &one, BUDGET_FREE_MAX + 2000), 0);
	assert_int_equal(b.used, 3000);
	assert_int_equal(
		budget_take(&b, &other, BUDGET_FREE_MAX + BUDGET_MAX - 3000),
		0);
	assert_int_equal(b.used, BUDGET_MAX);
	assert_int_equal(budget_take(&b, &one, BUDGET_FREE_MAX + 3001), -1);
	assert_int_equal(budget_take(&b, &one, SIZE_MAX), -1);
	budget_return(&b, &other);
	assert_int_equal(budget_take(&b, &one, BUDGET_FREE_MAX + 3001), 0);
	budget_return(&b, &one);
	budget_return(&b, &one);
	assert_int_equal(b.used, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_little_is_free),
		cmocka_unit_test(it_grows_and_comes_back),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
