/*
 * test_account_state.c - the saved state of an account: what a pause becomes
 *                        that ends far away, or has ended.
 */
#include "config.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/account.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

#define MINUTE_MS (60 * INT64_C(1000))

static void write_state(int dir_fd, int64_t until_s)
{
	char text[256];
	int fd = openat(dir_fd, "default", O_WRONLY | O_CREAT | O_TRUNC, 0600);

	snprintf(text, sizeof(text),
		"gmrelay-account 1\nstate throttled\npause %d 0\nuntil %lld\n"
		"credential 00000000 00000000\nflags\nreason slowly\n",
		(int)PAUSE_RATE, (long long)until_s);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

/* Until the next try of an account that takes this up. */
static int64_t next_ms_of(struct account_params *params, int64_t until_s)
{
	struct account_info info;
	struct account *a;
	struct err err;
	int64_t next_ms;

	write_state(params->state_fd, until_s);
	a = account_new(params, &err);
	assert_non_null(a);
	account_info(a, &info);
	assert_int_equal(info.state, ACCOUNT_THROTTLED);
	assert_string_equal(info.reason, "slowly");
	next_ms = info.next_ms;
	account_end(a);
	account_free(&a);
	return next_ms;
}

static void a_pause_is_no_longer_than_it_can_be(void **state)
{
	static char name[] = "default", user[] = "a@example.org",
		    host[] = "smtp.example.org", none[] = "";
	const int64_t now_s = clock_wall_s();
	const int64_t longest = gmail_pause_ms(PAUSE_RATE, 0);
	const struct {
		int64_t until_s, left_ms;
	} rows[] = {
		{now_s + 1800, 30 * MINUTE_MS},
		{now_s + 100000, longest},
		{INT64_MAX, longest},
		{INT64_MAX / 1000, longest},
		{now_s - 1, 0},
		{INT64_MIN, 0},
	};
	struct conf_account settings = {.name = name,
		.username = user,
		.host = host,
		.port = 587,
		.ca_file = none};
	struct conf conf = {.hostname = none};
	struct credential *credential = xcalloc(1, sizeof(*credential) + 1);
	char dir[] = "/tmp/test_account_state.XXXXXX";
	struct account_params params = {
		.base = event_base_new(),
		.conf = &conf,
		.settings = &settings,
		.credential = credential,
	};
	int64_t next_ms;
	size_t i;

	(void)state;
	assert_non_null(mkdtemp(dir));
	params.state_fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	for (i = 0; i < COUNT_OF(rows); i++) {
		next_ms = next_ms_of(&params, rows[i].until_s);
		assert_true(next_ms <= rows[i].left_ms);
		/* what the test itself takes */
		assert_true(next_ms >= rows[i].left_ms - 10 * MINUTE_MS);
	}
	assert_int_equal(unlinkat(params.state_fd, "default", 0), 0);
	close(params.state_fd);
	rmdir(dir);
	event_base_free(params.base);
	free(credential);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_pause_is_no_longer_than_it_can_be),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
