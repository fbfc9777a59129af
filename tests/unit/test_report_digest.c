/*
 * test_report_digest.c - one report about many messages: what it names, and
 *                        that it stays small.
 */
#include "config.h"

#include "report_sample.h"

#include "relay/report_digest.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static size_t occurrences(const struct buf *out, const char *what)
{
	const char *at = out->data;
	size_t count = 0;

	while ((at = strstr(at, what)) != NULL) {
		count++;
		at += strlen(what);
	}
	return count;
}

static void it_tells_number_and_list(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, REPORT_SIZE_MAX);
	assert_int_equal(report_sample_digest(3, 3, &out), 0);
	assert_int_equal(
		occurrences(&out, "Subject: Undelivered: 3 messages"), 1);
	assert_int_equal(occurrences(&out, "Given up: "), 3);
	assert_int_equal(occurrences(&out, "     Id: 0123456789abcdef"), 1);
	assert_int_equal(occurrences(&out, "     Id: 0123456789abcdf1"), 1);
	assert_int_equal(occurrences(&out, "of the 3 messages"), 0);
	/* who is pending or got it is not named */
	assert_int_equal(occurrences(&out, "fine@example.net"), 0);
	assert_int_equal(occurrences(&out, "slow@example.net"), 0);
	/* in the text and in the fields */
	assert_int_equal(occurrences(&out, "nobody@example.net"), 2);
	assert_int_equal(occurrences(&out, "gmrelayctl queue list"), 1);
	buf_free(&out);
}

static void its_list_ends(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, REPORT_SIZE_MAX);
	assert_int_equal(
		report_sample_digest(3 * DIGEST_MESSAGES_MAX, 5000, &out), 0);
	assert_int_equal(occurrences(&out, "Given up: "), DIGEST_MESSAGES_MAX);
	assert_int_equal(occurrences(&out, "100 of the 5000 messages:"), 1);
	assert_true(out.len < REPORT_SIZE_MAX / 4);
	buf_free(&out);
}

/* The longest of everything, in all of the messages it names. */
static void the_largest_one_fits(void **state)
{
	const struct digest_params params = {
		.to = "device@example.org",
		.from = "someone@gmail.com",
		.id = 1,
		.messages = DIGEST_MESSAGES_MAX,
	};
	struct digest *digest = digest_new("relay.example.org");
	struct envelope *env = envelope_new();
	char address[ADDRESS_MAX + 1], reply[ENVELOPE_REPLY_MAX];
	struct buf out;
	size_t i;

	(void)state;
	/* each letter is the longest in quoted-printable, and in a field */
	memset(address, '=', ADDRESS_LOCAL_MAX);
	address[ADDRESS_LOCAL_MAX] = '@';
	memset(address + ADDRESS_LOCAL_MAX + 1, 'd', ADDRESS_DOMAIN_MAX);
	address[ADDRESS_MAX] = '\0';
	memset(reply, '\xc3', sizeof(reply));
	for (i = 1; i < sizeof(reply); i += 2)
		reply[i] = '\xa9';
	memcpy(reply, "550 ", 4);
	reply[sizeof(reply) - 1] = '\0';
	assert_non_null(env);
	assert_int_equal(envelope_set_reason(env, "given up"), 0);
	for (i = 0; i < 2 * DIGEST_RECIPIENTS_MAX; i++) {
		assert_int_equal(envelope_add_rcpt(env, address), 0);
		assert_int_equal(envelope_set_reply(&env->rcpts[i], reply), 0);
		env->rcpts[i].state = RCPT_FAILED;
	}
	for (i = 0; i < DIGEST_MESSAGES_MAX; i++)
		digest_add(digest, env, NULL, 0);
	assert_int_equal(digest_count(digest), DIGEST_MESSAGES_MAX);
	buf_init(&out, REPORT_SIZE_MAX);
	assert_int_equal(digest_write(digest, &params, &out, NULL), 0);
	assert_int_equal(occurrences(&out, "Final-Recipient:"),
		DIGEST_MESSAGES_MAX * DIGEST_RECIPIENTS_MAX);
	assert_int_equal(occurrences(&out, "and 5 more recipients"),
		DIGEST_MESSAGES_MAX);
	buf_free(&out);
	digest_free(&digest);
	envelope_free(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_tells_number_and_list),
		cmocka_unit_test(its_list_ends),
		cmocka_unit_test(the_largest_one_fits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
