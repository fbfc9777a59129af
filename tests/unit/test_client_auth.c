/*
 * test_client_auth.c - how clients log in: dialogues of each mechanism.
 */
#include "config.h"

#include "receiver/auth.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define USERNAME "VXNlcm5hbWU6"
#define PASSWORD "UGFzc3dvcmQ6"
/* NUL me NUL pw; somebody NUL me NUL pw; me NUL me NUL pw */
#define PLAIN       "AG1lAHB3"
#define PLAIN_OTHER "c29tZWJvZHkAbWUAcHc="
#define PLAIN_SAME  "bWUAbWUAcHc="
#define ME          "bWU="
#define PW          "cHc="

/* The client's words after AUTH, each answered: a prompt, "!" malformed, "*"
 * cancelled, else "name/password". words[0] is the rest of the AUTH line. */
static const struct dialogue {
	const char *mechanism;
	const char *words[3];
	const char *answers[3];
} dialogues[] = {
	{"PLAIN", {PLAIN}, {"me/pw"}}, {"plain", {PLAIN}, {"me/pw"}},
	{"PLAIN", {NULL, PLAIN}, {"", "me/pw"}},
	{"PLAIN", {NULL, PLAIN " \t"}, {"", "me/pw"}},
	{"PLAIN", {PLAIN_SAME}, {"me/pw"}}, {"PLAIN", {PLAIN_OTHER}, {"/pw"}},
	{"PLAIN", {NULL, "*"}, {"", "*"}}, {"PLAIN", {NULL, ""}, {"", "!"}},
	{"PLAIN", {"="}, {"!"}}, {"PLAIN", {"bWU="}, {"!"}}, /* me */
	{"PLAIN", {"AG1l"}, {"!"}},                          /* NUL me */
	{"PLAIN", {"AG1lAA=="}, {"me/"}},                    /* no password */
	{"PLAIN", {"AAA="}, {"/"}},
	{"PLAIN", {"AG1lAHAAdw=="}, {"/"}}, /* NUL in the password */
	{"PLAIN", {"AG1lAHB3="}, {"!"}}, {"PLAIN", {"AG1l AHB3"}, {"!"}},
	{"PLAIN", {"\xff"}, {"!"}},
	{"PLAIN", {NULL, "no base64 at all"}, {"", "!"}},
	{"LOGIN", {NULL, ME, PW}, {USERNAME, PASSWORD, "me/pw"}},
	{"login", {ME, PW}, {PASSWORD, "me/pw"}},
	{"LOGIN", {"=", PW}, {PASSWORD, "/pw"}},
	{"LOGIN", {NULL, "", ""}, {USERNAME, PASSWORD, "/"}},
	{"LOGIN", {NULL, "*"}, {USERNAME, "*"}},
	{"LOGIN", {NULL, ME, "*"}, {USERNAME, PASSWORD, "*"}},
	{"LOGIN", {NULL, "me"}, {USERNAME, "!"}},
	{"LOGIN", {NULL, ME, "pw!"}, {USERNAME, PASSWORD, "!"}},
	{"LOGIN", {NULL, "bQBl", PW},
		{USERNAME, PASSWORD, "/pw"}}, /* m NUL e */
};

static void check(const struct auth_exchange *x, enum auth_result result,
	const char *expected)
{
	char got[USERS_NAME_MAX + PASSWORD_MAX + 2];

	if (result == AUTH_GIVEN) {
		snprintf(got, sizeof(got), "%s/%s", x->name, x->password);
		assert_string_equal(got, expected);
	} else if (result == AUTH_PROMPT) {
		assert_string_equal(auth_prompt(x), expected);
	} else {
		assert_string_equal(
			result == AUTH_CANCELLED ? "*" : "!", expected);
	}
}

static void every_dialogue(void **state)
{
	const struct dialogue *d;
	struct auth_exchange x;
	enum auth_result result;
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT_OF(dialogues); i++) {
		d = &dialogues[i];
		result = auth_begin(&x,
			auth_find(d->mechanism, strlen(d->mechanism)), false,
			d->words[0],
			d->words[0] != NULL ? strlen(d->words[0]) : 0);
		check(&x, result, d->answers[0]);
		for (n = 1; n < 3 && d->words[n] != NULL; n++) {
			assert_int_equal(result, AUTH_PROMPT);
			result = auth_answer(
				&x, d->words[n], strlen(d->words[n]));
			check(&x, result, d->answers[n]);
		}
		assert_true(n == 3 || d->answers[n] == NULL);
		auth_wipe(&x);
	}
}

/* A device whose login is not looked at may send what it likes. */
static void blind(void **state)
{
	const struct dialogue *d;
	struct auth_exchange x;
	enum auth_result result;
	static const char nothing[sizeof(x.password)];
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT_OF(dialogues); i++) {
		d = &dialogues[i];
		result = auth_begin(&x,
			auth_find(d->mechanism, strlen(d->mechanism)), true,
			d->words[0],
			d->words[0] != NULL ? strlen(d->words[0]) : 0);
		for (n = 1; result == AUTH_PROMPT; n++) {
			const char *word = n < 3 && d->words[n] != NULL
						   ? d->words[n]
						   : "x";

			assert_true(n < 4);
			result = auth_answer(&x, word, strlen(word));
			if (strcmp(word, "*") == 0)
				assert_int_equal(result, AUTH_CANCELLED);
		}
		assert_int_not_equal(result, AUTH_MALFORMED);
		assert_memory_equal(x.name, nothing, sizeof(x.name));
		assert_memory_equal(x.password, nothing, sizeof(x.password));
	}
}

static void put_base64(struct buf *out, size_t name_len, size_t password_len)
{
	char raw[2 + USERS_NAME_MAX + 1 + PASSWORD_MAX + 1];

	memset(raw, 'n', sizeof(raw));
	raw[0] = '\0';
	raw[1 + name_len] = '\0';
	buf_clear(out);
	assert_int_equal(
		base64_encode(out, raw, 2 + name_len + password_len), 0);
}

static void lengths(void **state)
{
	struct auth_exchange x;
	struct buf text;

	(void)state;
	buf_init(&text, 4096);
	put_base64(&text, USERS_NAME_MAX, PASSWORD_MAX);
	assert_int_equal(auth_begin(&x, auth_find("PLAIN", 5), false, text.data,
				 text.len),
		AUTH_GIVEN);
	assert_int_equal(strlen(x.name), USERS_NAME_MAX);
	assert_int_equal(strlen(x.password), PASSWORD_MAX);
	put_base64(&text, USERS_NAME_MAX + 1, 1);
	assert_int_equal(auth_begin(&x, auth_find("PLAIN", 5), false, text.data,
				 text.len),
		AUTH_GIVEN);
	assert_string_equal(x.name, "");
	/* a password cut short would be another one */
	put_base64(&text, 1, PASSWORD_MAX + 1);
	assert_int_equal(auth_begin(&x, auth_find("PLAIN", 5), false, text.data,
				 text.len),
		AUTH_GIVEN);
	assert_string_equal(x.name, "");
	assert_string_equal(x.password, "");
	buf_free(&text);
}

static void names(void **state)
{
	char text[AUTH_NAMES_MAX];

	(void)state;
	auth_print_names(text);
	assert_string_equal(text, " PLAIN LOGIN");
	assert_null(auth_find("CRAM-MD5", 8));
	assert_null(auth_find("PLAIN2", 6));
	assert_null(auth_find("PLAI", 4));
	assert_null(auth_find("", 0));
}

static void wiping(void **state)
{
	static const struct auth_exchange nothing;
	struct auth_exchange x;

	(void)state;
	auth_begin(&x, auth_find("PLAIN", 5), false, PLAIN, strlen(PLAIN));
	assert_string_equal(x.password, "pw");
	auth_wipe(&x);
	assert_memory_equal(&x, &nothing, sizeof(x));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_dialogue),
		cmocka_unit_test(blind),
		cmocka_unit_test(lengths),
		cmocka_unit_test(names),
		cmocka_unit_test(wiping),
	};

	return cmocka_run_group_tests_name("client_auth", tests, NULL, NULL);
}
