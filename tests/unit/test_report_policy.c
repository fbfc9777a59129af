/*
 * test_report_policy.c - who is reported about (relay/report.h).
 */
#include "config.h"

#include "base/util.h"
#include "relay/report.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Whom NOTIFY names, in each state, and what happens when he was told. */
static void who_is_reported(void **state)
{
	static const struct {
		enum rcpt_state state;
		unsigned notify;
		bool failed, delayed, relayed;
	} rows[] = {
		{RCPT_PENDING, 0, false, true, false},
		{RCPT_PENDING, DSN_NEVER, false, false, false},
		{RCPT_PENDING, DSN_FAILURE | DSN_SUCCESS, false, false, false},
		{RCPT_PENDING, DSN_DELAY, false, true, false},
		{RCPT_FAILED, 0, true, false, false},
		{RCPT_FAILED, DSN_NEVER, false, false, false},
		{RCPT_FAILED, DSN_DELAY | DSN_SUCCESS, false, false, false},
		{RCPT_FAILED, DSN_FAILURE, true, false, false},
		{RCPT_REPORTED, 0, false, false, false},
		{RCPT_DELIVERED, 0, false, false, false},
		{RCPT_DELIVERED, DSN_NEVER, false, false, false},
		{RCPT_DELIVERED, DSN_FAILURE | DSN_DELAY, false, false, false},
		{RCPT_DELIVERED, DSN_SUCCESS, false, false, true},
		{RCPT_DELIVERED, DSN_SUCCESS | DSN_DELAY, false, false, true},
	};
	struct envelope *env;
	enum report_kind kind;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		env = envelope_new();
		assert_int_equal(envelope_add_rcpt(env, "a@example.net"), 0);
		env->rcpts[0].state = rows[i].state;
		env->rcpts[0].notify = rows[i].notify;
		assert_int_equal(
			report_count(REPORT_FAILED, env), rows[i].failed);
		assert_int_equal(
			report_count(REPORT_DELAYED, env), rows[i].delayed);
		assert_int_equal(
			report_count(REPORT_RELAYED, env), rows[i].relayed);
		assert_int_equal(report_is_due(env, &kind),
			rows[i].failed || rows[i].relayed);
		if (rows[i].failed)
			assert_int_equal(kind, REPORT_FAILED);
		report_mark_told(REPORT_RELAYED, env);
		assert_int_equal(
			report_count(REPORT_FAILED, env), rows[i].failed);
		report_mark_told(REPORT_FAILED, env);
		assert_false(report_is_due(env, &kind));
		/* who was not told of is not written down as told */
		assert_int_equal(env->rcpts[0].state,
			rows[i].failed ? RCPT_REPORTED : rows[i].state);
		envelope_free(&env);
	}
}

/* A report in which the content comes back would fare as the content did. */
static void what_was_refused_for_its_content_stays_here(void **state)
{
	static const struct {
		enum dsn_ret ret;
		uint64_t size;
		bool damaged;
		const char *reply; /* NULL: none */
		unsigned notify;
		bool returned;
	} rows[] = {
		{DSN_RET_FULL, 100, false, "550 5.1.1 nobody", 0, true},
		{DSN_RET_FULL, 100, false, "550 nobody", 0, true},
		{DSN_RET_FULL, 100, false, "450 4.2.1 later", 0, true},
		{DSN_RET_FULL, 100, false, "550 5.4.1 no", 0, true},
		{DSN_RET_FULL, 100, false, NULL, 0, true},
		{DSN_RET_FULL, 100, false, "nonsense", 0, true},
		{DSN_RET_FULL, REPORT_RETURNED_MAX, false, NULL, 0, true},
		{DSN_RET_FULL, REPORT_RETURNED_MAX + 1, false, NULL, 0, false},
		{DSN_RET_FULL, 100, true, NULL, 0, false},
		{DSN_RET_HDRS, 100, false, NULL, 0, false},
		{DSN_RET_UNSAID, 100, false, NULL, 0, false},
		{DSN_RET_FULL, 100, false, "552 5.3.4 too big", 0, false},
		{DSN_RET_FULL, 100, false, "554 5.6.3 no 8-bit", 0, false},
		{DSN_RET_FULL, 100, false, "552 5.7.0 a virus", 0, false},
		{DSN_RET_FULL, 100, false, "450 4.7.0 a virus", 0, false},
		/* not about who is not told of */
		{DSN_RET_FULL, 100, false, "552 5.7.0 a virus", DSN_NEVER,
			true},
	};
	struct envelope *env;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		env = envelope_new();
		env->ret = rows[i].ret;
		env->size = rows[i].size;
		env->damaged = rows[i].damaged;
		assert_int_equal(envelope_add_rcpt(env, "a@example.net"), 0);
		env->rcpts[0].state = RCPT_FAILED;
		env->rcpts[0].notify = rows[i].notify;
		if (rows[i].reply != NULL)
			assert_int_equal(envelope_set_reply(
						 &env->rcpts[0], rows[i].reply),
				0);
		if (report_returns_all(env) != rows[i].returned)
			fail_msg("row %zu", i);
		envelope_free(&env);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(who_is_reported),
		cmocka_unit_test(what_was_refused_for_its_content_stays_here),
	};

	return cmocka_run_group_tests_name("report_policy", tests, NULL, NULL);
}
