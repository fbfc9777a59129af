/*
 * test_password_hash.c - which hashes are taken, what they match, making one.
 */
#include "config.h"

#include "base/password_hash.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* of "secret word", both made by another program */
#define SHA512                                                                 \
	"$6$rounds=1000$saltsalt$UAvNWimCHicMjCrJkB.ShbcMDmn7Ins43QLvcd077tn." \
	"ukMYvoFZzAItyyd5BjDXLyfVnm0RvZbWpuhfVrhT9."
#define SHA512_PLAIN                                                           \
	"$6$saltsalt$Gbd7qCDlJSddZ9S5ri9ajiQJKxrbcZm6VQVUgvH3MPS64F04DY8tRDK9" \
	"uBQT/2Mr1LV40gv.JBbSMCRKp6QE21"
#define YESCRYPT "$y$j75$saltsalt$9gcf2e0YznPzP6pYGfKS7mnV1DXtAup1glJeVCS0az6"

static void forms(void **state)
{
	static const struct {
		const char *text;
		bool good;
	} rows[] = {
		{SHA512, true},
		{SHA512_PLAIN, true},
		{YESCRYPT, true},
		{"", false},
		{"secret word", false},
		{"$", false},
		{"$6$", false},
		{"$y$", false},
		{"$6$saltsalt", false},
		{"$6$saltsalt$", false},
		{"$6$saltsalt$short", false},
		{"$6$rounds=1000", false},
		{"$6$rounds=1000$saltsalt$short", false},
		{"$y$j75$saltsalt", false},
		{"$y$$saltsalt$9gcf2e0YznPzP6pYGfKS7mnV1DXtAup1glJeVCS0az6",
			false},
		{"$y$j75$9gcf2e0YznPzP6pYGfKS7mnV1DXtAup1glJeVCS0az6", false},
		{SHA512 "x", false},
		{SHA512 ":", false},
		{SHA512 " ", false},
		{SHA512 "$", false},
		{YESCRYPT "\r", false},
		{YESCRYPT ":19000:0:99999:7:::", false},
		{" " YESCRYPT, false},
		{"!" YESCRYPT, false},
		/* kinds of yesterday, and what other programs call theirs */
		{"$1$saltsalt$4px9i58NU2Z2/vZOUlGjq.", false},
		{"$5$saltsalt$5B8vYYiY.CVt1RlTTf8KbXBH3hsxY/GNooZaBBGWEc8",
			false},
		{"{SHA512-CRYPT}" SHA512, false},
		{"ab01FAX.bQRSU", false},
		{"*", false},
	};
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		err.text[0] = '\0';
		assert_int_equal(password_hash_is_good(rows[i].text,
					 strlen(rows[i].text), &err),
			rows[i].good);
		assert_int_equal(err.text[0] == '\0', rows[i].good);
		/* neither a hash nor a password in the words about it */
		assert_null(strstr(err.text, "secret"));
		assert_null(strstr(err.text, "saltsalt"));
	}
	assert_false(password_hash_is_good(SHA512, sizeof(SHA512), NULL));
	assert_false(password_hash_is_good(SHA512, strlen(SHA512) - 1, NULL));
}

static void matches(void **state)
{
	static const char *const hashes[] = {SHA512, SHA512_PLAIN, YESCRYPT};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(hashes); i++) {
		assert_int_equal(
			password_hash_compare(hashes[i], "secret word"), 1);
		assert_int_equal(
			password_hash_compare(hashes[i], "secret wor"), 0);
		assert_int_equal(
			password_hash_compare(hashes[i], "Secret word"), 0);
		assert_int_equal(password_hash_compare(hashes[i], ""), 0);
	}
	/* what crypt(3) says of a failure is no hash of anything */
	assert_int_equal(password_hash_compare("*0", "x"), -1);
	assert_int_equal(password_hash_compare("*1", "x"), -1);
	assert_int_equal(password_hash_compare("", ""), -1);
}

static void making(void **state)
{
	char a[PASSWORD_HASH_SIZE], b[PASSWORD_HASH_SIZE];
	char longest[PASSWORD_MAX + 2];
	struct err err;

	(void)state;
	assert_int_equal(password_hash_make("p\xc3\xa4ssword", a, &err), 0);
	assert_int_equal(password_hash_make("p\xc3\xa4ssword", b, &err), 0);
	assert_string_not_equal(a, b);
	assert_memory_equal(a, "$y$", 3);
	assert_true(password_hash_is_good(a, strlen(a), &err));
	assert_int_equal(password_hash_compare(a, "p\xc3\xa4ssword"), 1);
	assert_int_equal(password_hash_compare(a, "password"), 0);
	memset(longest, 'x', sizeof(longest));
	longest[PASSWORD_MAX + 1] = '\0';
	assert_int_equal(password_hash_make(longest, a, &err), -1);
	longest[PASSWORD_MAX] = '\0';
	assert_int_equal(password_hash_make(longest, a, &err), 0);
	assert_int_equal(password_hash_compare(a, longest), 1);
	longest[PASSWORD_MAX - 1] = '\0';
	assert_int_equal(password_hash_compare(a, longest), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(forms),
		cmocka_unit_test(matches),
		cmocka_unit_test(making),
	};

	return cmocka_run_group_tests_name("password_hash", tests, NULL, NULL);
}
