/*
 * test_users.c - the users file, line by line.
 */
#include "config.h"

#include "receiver/users.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HASH                                                                   \
	"$6$rounds=1000$saltsalt$UAvNWimCHicMjCrJkB.ShbcMDmn7Ins43QLvcd077tn." \
	"ukMYvoFZzAItyyd5BjDXLyfVnm0RvZbWpuhfVrhT9."
#define OTHER "$y$j75$saltsalt$9gcf2e0YznPzP6pYGfKS7mnV1DXtAup1glJeVCS0az6"
#define X32   "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
#define X128  X32 X32 X32 X32

static void files(void **state)
{
	static const struct {
		const char *text;
		size_t count; /* 0: refused */
		const char *says;
	} rows[] = {
		{"a:" HASH "\n", 1, NULL},
		{"a:" HASH, 1, NULL},
		{"# people\n\na:" HASH "\nb:" OTHER "\n\n", 2, NULL},
		{"me@example.com:" HASH "\nM\xc3\xbcller:" OTHER "\n", 2, NULL},
		{X128 ":" HASH "\n", 1, NULL},
		{"a:" HASH "\nA:" HASH "\n", 2, NULL},
		{"", 0, "no user"},
		{"\n\n# nobody\n", 0, "no user"},
		{"a\n", 0, "line 1: there is no colon"},
		{"\n\n" HASH "\n", 0, "line 3: there is no colon"},
		{":" HASH "\n", 0, "line 1: there is no name"},
		{"#\n a:" HASH "\n", 0, "line 2: the name has a blank"},
		{"a b:" HASH "\n", 0, "line 1: the name has a blank"},
		{"a\t:" HASH "\n", 0, "line 1: the name has a blank"},
		{"a\x01:" HASH "\n", 0, "line 1: the name has a blank"},
		{X128 "x:" HASH "\n", 0, "line 1: the name is longer"},
		{"a:" HASH "\na:" OTHER "\n", 0,
			"line 2: this user stands in line 1"},
		{"a:" HASH "\r\n", 0, "line 1: ends with a carriage return"},
		{"a:secret\n", 0, "line 1: behind the colon is no hash"},
		{"a:\n", 0, "line 1: behind the colon is no hash"},
		{"a: " HASH "\n", 0, "line 1: behind the colon is no hash"},
		{"a:" HASH " \n", 0, "line 1: behind the colon is a damaged"},
		{"a:" HASH ":\n", 0, "line 1: behind the colon is a damaged"},
		{"b:" HASH "\na:$6$salt\n", 0,
			"line 2: behind the colon is a damaged"},
	};
	struct users *users;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		err.text[0] = '\0';
		users = users_parse(rows[i].text, strlen(rows[i].text), &err);
		if (rows[i].count > 0) {
			assert_non_null(users);
			assert_int_equal(users_count(users), rows[i].count);
		} else {
			assert_null(users);
			if (strstr(err.text, rows[i].says) == NULL)
				fail_msg("%s: %s", rows[i].text, err.text);
			assert_null(strstr(err.text, "saltsalt"));
			assert_null(strstr(err.text, "secret"));
		}
		users_free(&users);
	}
}

static void a_nul_is_refused(void **state)
{
	static const char name[] = "a\0b:" HASH "\n";
	static const char hash[] = "a:" HASH "\0\n";
	struct err err;

	(void)state;
	assert_null(users_parse(name, sizeof(name) - 1, &err));
	assert_null(users_parse(hash, sizeof(hash) - 1, &err));
}

/* No cut of a good file is taken for something else than its whole lines. */
static void cut_anywhere(void **state)
{
	static const char text[] = "# x\nab:" HASH "\nc:" OTHER "\n";
	static const size_t first = sizeof("# x\nab:" HASH) - 1;
	struct users *users;
	struct err err;
	size_t len, second;
	char *copy;

	(void)state;
	for (len = 0; len < sizeof(text); len++) {
		/* of its own, so that a read beyond it is seen */
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, text, len);
		users = users_parse(copy, len, &err);
		free(copy);
		second = sizeof(text) - 2;
		if (len == first || len == first + 1) {
			assert_non_null(users);
			assert_int_equal(users_count(users), 1);
		} else if (len == second || len == second + 1) {
			assert_non_null(users);
			assert_int_equal(users_count(users), 2);
		} else {
			assert_null(users);
		}
		users_free(&users);
	}
}

static void looking_up(void **state)
{
	static const char text[] = "a:" HASH "\nb:" OTHER "\n";
	struct users *users;
	struct err err;
	bool known;
	const char *hash, *again;

	(void)state;
	users = users_parse(text, strlen(text), &err);
	assert_non_null(users);
	assert_string_equal(users_hash(users, "a", &known), HASH);
	assert_true(known);
	assert_string_equal(users_hash(users, "b", &known), OTHER);
	assert_true(known);
	hash = users_hash(users, "c", &known);
	assert_false(known);
	again = users_hash(users, "c", &known);
	assert_ptr_equal(hash, again);
	users_hash(users, "", &known);
	assert_false(known);
	users_hash(users, "A", &known);
	assert_false(known);
	users_free(&users);
	assert_null(users);
	users_free(&users);
}

static void as_many_as_allowed(void **state)
{
	struct buf text;
	struct users *users;
	struct err err;
	int i;

	(void)state;
	buf_init(&text, 1024 * 1024);
	for (i = 0; i < USERS_MAX; i++)
		assert_int_equal(buf_addf(&text, "u%d:%s\n", i, OTHER), 0);
	users = users_parse(text.data, text.len, &err);
	assert_non_null(users);
	assert_int_equal(users_count(users), USERS_MAX);
	users_free(&users);
	assert_int_equal(buf_addf(&text, "more:%s\n", OTHER), 0);
	assert_null(users_parse(text.data, text.len, &err));
	assert_non_null(strstr(err.text, "line 1001: there are more than"));
	buf_free(&text);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(a_nul_is_refused),
		cmocka_unit_test(cut_anywhere),
		cmocka_unit_test(looking_up),
		cmocka_unit_test(as_many_as_allowed),
	};

	return cmocka_run_group_tests_name("users", tests, NULL, NULL);
}
