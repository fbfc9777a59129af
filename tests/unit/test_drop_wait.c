/*
 * test_drop_wait.c - what of drop/ was refused for now waits, each file alone.
 */
#include "config.h"

#include "relay/drop_wait.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void what_is_not_known_is_due(void **state)
{
	struct drop_waits *w = drop_waits_new();

	(void)state;
	drop_waits_begin_pass(w);
	assert_true(drop_waits_is_due(w, 0, 0));
	assert_true(drop_waits_is_due(w, UINT64_MAX, 0));
	assert_int_equal(drop_waits_end_pass(w), DROP_WAITS_NEVER);
	drop_waits_free(&w);
	assert_null(w);
	drop_waits_free(&w);
}

static void each_waits_alone_and_ever_longer(void **state)
{
	const int64_t first = DROP_DELAY_FIRST_MS, longest = DROP_DELAY_MAX_MS;
	struct drop_waits *w = drop_waits_new();
	int64_t now = 1000, delay;

	(void)state;
	for (delay = first; delay < 4 * longest; delay *= 2) {
		const int64_t wait = delay < longest ? delay : longest;

		drop_waits_begin_pass(w);
		assert_true(drop_waits_is_due(w, 7, now));
		assert_int_equal(
			drop_waits_refuse(w, 7, now), delay == first ? 1 : 0);
		assert_false(drop_waits_is_due(w, 7, now + wait - 1));
		assert_true(drop_waits_is_due(w, 7, now + wait));
		assert_true(drop_waits_is_due(w, 8, now));
		assert_int_equal(drop_waits_end_pass(w), now + wait);
		now += wait;
	}
	drop_waits_begin_pass(w);
	assert_true(drop_waits_is_due(w, 7, now));
	assert_true(drop_waits_refuse(w, 0, now));
	assert_int_equal(drop_waits_end_pass(w), now); /* of 7 */
	drop_waits_forget(w, 7);
	drop_waits_forget(w, 7);
	assert_true(drop_waits_refuse(w, 7, now));
	assert_false(drop_waits_is_due(w, 7, now + first - 1));
	drop_waits_free(&w);
}

static void a_flush_begins_anew(void **state)
{
	struct drop_waits *w = drop_waits_new();

	(void)state;
	drop_waits_flush(w);
	drop_waits_begin_pass(w);
	assert_true(drop_waits_refuse(w, 0, 0));
	assert_true(drop_waits_refuse(w, 1, 0));
	assert_false(drop_waits_refuse(w, 1, 0));
	drop_waits_flush(w);
	assert_true(drop_waits_is_due(w, 0, 0));
	assert_true(drop_waits_is_due(w, 1, 0));
	assert_false(drop_waits_refuse(w, 1, 0)); /* it is known all the same */
	assert_false(drop_waits_is_due(w, 1, DROP_DELAY_FIRST_MS - 1));
	assert_true(drop_waits_is_due(w, 1, DROP_DELAY_FIRST_MS));
	drop_waits_free(&w);
}

static void what_is_gone_is_forgotten(void **state)
{
	struct drop_waits *w = drop_waits_new();

	(void)state;
	drop_waits_begin_pass(w);
	assert_true(drop_waits_refuse(w, 0, 0));
	assert_true(drop_waits_refuse(w, 1, 0));
	assert_true(drop_waits_refuse(w, 2, 10));
	assert_int_equal(drop_waits_end_pass(w), DROP_DELAY_FIRST_MS);
	drop_waits_begin_pass(w);
	assert_false(drop_waits_is_due(w, 2, 10));
	assert_int_equal(drop_waits_end_pass(w), DROP_DELAY_FIRST_MS + 10);
	assert_true(drop_waits_is_due(w, 0, 10));
	assert_true(drop_waits_is_due(w, 1, 10));
	/* a pass that was given up says nothing */
	drop_waits_begin_pass(w);
	drop_waits_begin_pass(w);
	assert_false(drop_waits_is_due(w, 2, 10));
	drop_waits_free(&w);
}

static void so_many_fit_in(void **state)
{
	struct drop_waits *w = drop_waits_new();
	uint64_t id;

	(void)state;
	drop_waits_begin_pass(w);
	for (id = 0; id < DROP_WAITS_MAX; id++)
		assert_true(drop_waits_refuse(w, id, 0));
	for (; id < DROP_WAITS_MAX + 10; id++) {
		assert_false(drop_waits_refuse(w, id, 0));
		assert_true(drop_waits_is_due(w, id, 0));
	}
	assert_false(drop_waits_is_due(w, DROP_WAITS_MAX - 1, 0));
	/* what found no room is looked at again all the same */
	for (id = 0; id < DROP_WAITS_MAX; id++)
		drop_waits_forget(w, id);
	assert_int_equal(drop_waits_end_pass(w), DROP_DELAY_MAX_MS);
	drop_waits_begin_pass(w);
	assert_int_equal(drop_waits_end_pass(w), DROP_WAITS_NEVER);
	drop_waits_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_not_known_is_due),
		cmocka_unit_test(each_waits_alone_and_ever_longer),
		cmocka_unit_test(a_flush_begins_anew),
		cmocka_unit_test(what_is_gone_is_forgotten),
		cmocka_unit_test(so_many_fit_in),
	};

	return cmocka_run_group_tests_name("drop_wait", tests, NULL, NULL);
}
