/*
 * test_auth.c - the AUTH mechanisms.
 */
#include "config.h"

#include "relay/auth.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* RFC 4616's example, and what it comes to. */
static const struct auth_login tim = {"tim", "tanstaaftanstaaf"};
#define PLAIN_TIM "AHRpbQB0YW5zdGFhZnRhbnN0YWFm"

static void test_chooses_the_best_offered(void **state)
{
	static const struct {
		const char *offered;
		const char *first; /* NULL: none */
		const char *second;
	} rows[] = {
		{"LOGIN PLAIN XOAUTH2 PLAIN-CLIENTTOKEN OAUTHBEARER XOAUTH",
			"PLAIN", "LOGIN"},
		{"LOGIN", "LOGIN", NULL},
		{"plain login", "PLAIN", "LOGIN"},
		{"PLAIN-CLIENTTOKEN XPLAIN LOGINS", NULL, NULL},
		{"XOAUTH2 OAUTHBEARER", NULL, NULL},
		{"  LOGIN\t PLAIN  ", "PLAIN", "LOGIN"},
		{"CRAM-MD5 PLAIN", "PLAIN", NULL},
		{"", NULL, NULL},
		{"   ", NULL, NULL},
	};
	const struct auth_mechanism *first, *second;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		first = auth_choose(rows[i].offered, NULL);
		if (rows[i].first == NULL) {
			assert_null(first);
			continue;
		}
		assert_non_null(first);
		assert_string_equal(first->name, rows[i].first);
		second = auth_choose(rows[i].offered, first);
		if (rows[i].second == NULL) {
			assert_null(second);
			continue;
		}
		assert_non_null(second);
		assert_string_equal(second->name, rows[i].second);
		assert_null(auth_choose(rows[i].offered, second));
	}
}

struct exchange {
	const char *mechanism;
	unsigned step;
	const char *challenge;
	int rc;
	const char *answer; /* where rc is 0 */
};

static const struct exchange exchanges[] = {
	{"PLAIN", 0, "", 0, PLAIN_TIM},
	{"PLAIN", 1, "", 0, PLAIN_TIM},
	{"PLAIN", 2, "", -1, NULL},
	{"LOGIN", 0, "", 1, NULL},
	{"LOGIN", 1, "VXNlcm5hbWU6", 0, "dGlt"}, /* Username: */
	{"LOGIN", 2, "UGFzc3dvcmQ6", 0,
		"dGFuc3RhYWZ0YW5zdGFhZg=="},         /* Password: */
	{"LOGIN", 1, "VXNlciBOYW1lAA==", 0, "dGlt"}, /* User Name\0 */
	{"LOGIN", 1, "", 0, "dGlt"},
	{"LOGIN", 1, "not base64!", 0, "dGlt"},
	{"LOGIN", 2, "", 0, "dGFuc3RhYWZ0YW5zdGFhZg=="},
	/* the other way round: the password must not go out as a name */
	{"LOGIN", 1, "UGFzc3dvcmQ6", -1, NULL},
	{"LOGIN", 2, "VXNlcm5hbWU6", -1, NULL},
	{"LOGIN", 2, "dXNlcm5hbWU=", -1, NULL}, /* username */
	{"LOGIN", 3, "VXNlcm5hbWU6", -1, NULL},
};

static void test_answers_challenges(void **state)
{
	const struct auth_mechanism *m;
	const struct exchange *e;
	struct buf out;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(exchanges); i++) {
		e = &exchanges[i];
		m = auth_choose(e->mechanism, NULL);
		assert_non_null(m);
		memset(&err, 0, sizeof(err));
		buf_init(&out, 12288);
		assert_int_equal(buf_add_string(&out, "> "), 0);
		assert_int_equal(
			m->respond(&tim, e->step, e->challenge, &out, &err),
			e->rc);
		if (e->rc == 0)
			assert_string_equal(out.data + 2, e->answer);
		else
			assert_string_equal(out.data, "> ");
		assert_int_equal(err.kind != ERR_NONE, e->rc < 0);
		assert_null(strstr(err.text, tim.secret));
		buf_free(&out);
	}
}

static void test_refuses_what_does_not_fit(void **state)
{
	struct buf out;
	struct err err;

	(void)state;
	buf_init(&out, 10);
	assert_int_equal(
		auth_choose("PLAIN", NULL)->respond(&tim, 0, "", &out, &err),
		-1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(
		auth_choose("LOGIN", NULL)->respond(&tim, 2, "", &out, &err),
		-1);
	buf_free(&out);
}

/* RFC 4616 section 2: UTF-8 as it is. */
static void test_takes_any_octets(void **state)
{
	const struct auth_login login = {
		"j\xc3\xb6rg@example.org", "p\xc3\xa4 ss"};
	static const char wanted[] = "\0j\xc3\xb6rg@example.org\0p\xc3\xa4 ss";
	struct buf out, raw;
	struct err err;

	(void)state;
	buf_init(&out, 1000);
	buf_init(&raw, 1000);
	assert_int_equal(
		auth_choose("PLAIN", NULL)->respond(&login, 0, "", &out, &err),
		0);
	assert_int_equal(base64_decode(&raw, out.data, out.len), 0);
	assert_int_equal(raw.len, sizeof(wanted) - 1);
	assert_memory_equal(raw.data, wanted, raw.len);
	buf_free(&out);
	buf_free(&raw);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_chooses_the_best_offered),
		cmocka_unit_test(test_answers_challenges),
		cmocka_unit_test(test_refuses_what_does_not_fit),
		cmocka_unit_test(test_takes_any_octets),
	};

	return cmocka_run_group_tests_name("auth", tests, NULL, NULL);
}
