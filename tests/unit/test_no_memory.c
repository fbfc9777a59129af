/*
 * test_no_memory.c - a session without memory: what is temporary is told as
 *                    that, and what was begun is taken back.
 */
#include "config.h"

#include "fake_journal.h"
#include "receiver/brake.h"
#include "receiver/login.h"
#include "receiver/users.h"
#include "session_fixture.h"

#include "base/password_hash.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#if defined(__SANITIZE_ADDRESS__)
#define LIMITED 0
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define LIMITED 0
#endif
#endif
#ifndef LIMITED
#define LIMITED 1
#endif

/* No mapping is made from here on: all that is large fails. */
static void take_memory_away(struct rlimit *saved)
{
	unsigned long pages;
	struct rlimit now;
	FILE *file = fopen("/proc/self/statm", "r");

	assert_non_null(file);
	assert_int_equal(fscanf(file, "%lu", &pages), 1);
	fclose(file);
	assert_int_equal(getrlimit(RLIMIT_AS, saved), 0);
	now = *saved;
	now.rlim_cur = pages * (rlim_t)sysconf(_SC_PAGESIZE);
	assert_int_equal(setrlimit(RLIMIT_AS, &now), 0);
}

/* A program would give its message up for a 5xx. */
static void for_a_header(void **state)
{
	enum { LINES = 3000, LINE = 102 };
	char line[LINE + 1];
	struct rlimit saved;
	struct fixture f;
	int i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\n");
	memset(line, 'x', LINE);
	memcpy(line, "X: ", 3);
	memcpy(line + LINE - 2, "\r\n", 3);
	take_memory_away(&saved);
	fixture_clear(&f);
	for (i = 0; i < LINES; i++)
		fixture_send(&f, line, LINE);
	fixture_say(&f, "\r\nbody\r\n.\r\n");
	assert_int_equal(setrlimit(RLIMIT_AS, &saved), 0);
	fixture_expect_said(&f, "a header", "451/4.3.0");
	assert_int_equal(fake_journal()->count, 0);
	fixture_expect(&f, MAIL RCPT, "250/2.1.0 250/2.1.5");
	fixture_expect(&f, "DATA\r\n", "354");
	fixture_expect(&f, TEXT, "250/2.0.0");
	fixture_close(&f);
}

/* As "me", with "secret word". */
static void log_in(struct fixture *f, const char *expected)
{
	static const char auth[] = "AUTH PLAIN AG1lAHNlY3JldCB3b3Jk\r\n";

	fixture_clear(f);
	fixture_say(f, auth);
	while (fixture_session(f)->check != NULL)
		event_base_loop(f->base, EVLOOP_ONCE);
	fixture_turn(f);
	fixture_expect_said(f, auth, expected);
}

/* Neither wrong, nor one of the failures after which an address must wait. */
static void for_a_password(void **state)
{
	char line[PASSWORD_HASH_SIZE + 4] = "me:";
	struct users *users;
	struct rlimit saved;
	struct fixture f;
	struct err err;
	int i;

	(void)state;
	assert_int_equal(
		password_hash_make("secret word", line + strlen(line), &err),
		0);
	users = users_parse(line, strlen(line), &err);
	assert_non_null(users);
	fixture_open(&f);
	f.shared.logins = logins_new(f.base, users);
	f.profile.auth = CONF_AUTH_USERS;
	fixture_connect(&f);
	fixture_session(&f)->peer.local = true;
	/* the thread takes some, too */
	log_in(&f, "235/2.7.0");
	fixture_session(&f)->logged_in = false;
	for (i = 0; i < BRAKE_FAILURES; i++) {
		take_memory_away(&saved);
		log_in(&f, "451/4.3.0");
		assert_int_equal(setrlimit(RLIMIT_AS, &saved), 0);
	}
	log_in(&f, "235/2.7.0");
	fixture_close(&f);
	users_free(&users);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(for_a_header),
		cmocka_unit_test(for_a_password),
	};

	if (!LIMITED) {
		puts("1..0 # SKIP the sanitizer needs all the memory there is");
		return 0;
	}
	return cmocka_run_group_tests(tests, NULL, NULL);
}
