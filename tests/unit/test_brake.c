/*
 * test_brake.c - who failed to log in too often must wait.
 */
#include "config.h"

#include "receiver/brake.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct in6_addr address(const char *text)
{
	struct in6_addr a;

	assert_int_equal(inet_pton(AF_INET6, text, &a), 1);
	return a;
}

static void after_five(void **state)
{
	const struct in6_addr bad = address("::ffff:10.0.0.1");
	const struct in6_addr good = address("::ffff:10.0.0.2");
	struct brake b = {0};
	int i;

	(void)state;
	for (i = 0; i < BRAKE_FAILURES - 1; i++) {
		assert_false(brake_failed(&b, &bad, 1000 + i));
		assert_false(brake_holds(&b, &bad, 1000 + i));
	}
	assert_true(brake_failed(&b, &bad, 2000));
	assert_true(brake_holds(&b, &bad, 2000));
	assert_true(brake_holds(&b, &bad, 2000 + BRAKE_TIME_MS - 1));
	assert_false(brake_holds(&b, &good, 2000));
	assert_false(brake_holds(&b, &bad, 2000 + BRAKE_TIME_MS));
	/* and again from the beginning */
	for (i = 0; i < BRAKE_FAILURES - 1; i++)
		assert_false(brake_failed(&b, &bad, 2001 + BRAKE_TIME_MS));
	assert_true(brake_failed(&b, &bad, 2001 + BRAKE_TIME_MS));
}

static void seldom_is_nothing(void **state)
{
	const struct in6_addr a = address("2001:db8::1");
	struct brake b = {0};
	int64_t now = 0;
	int i;

	(void)state;
	for (i = 0; i < 100; i++) {
		assert_false(brake_failed(&b, &a, now));
		assert_false(brake_holds(&b, &a, now));
		now += BRAKE_TIME_MS / (BRAKE_FAILURES - 1);
	}
}

static void ipv6_by_network(void **state)
{
	struct brake b = {0};
	char text[64];
	struct in6_addr a;
	int i;

	(void)state;
	for (i = 0; i < BRAKE_FAILURES; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:1::%x", i + 1);
		a = address(text);
		brake_failed(&b, &a, 5);
	}
	a = address("2001:db8:0:1:ffff::");
	assert_true(brake_holds(&b, &a, 5));
	a = address("2001:db8:0:2::1");
	assert_false(brake_holds(&b, &a, 5));
	/* IPv4 by address: the network of all would be one */
	a = address("::ffff:192.0.2.1");
	assert_false(brake_holds(&b, &a, 5));
}

static void more_addresses_than_places(void **state)
{
	const struct in6_addr held = address("::ffff:192.0.2.1");
	struct brake b = {0};
	char text[64];
	struct in6_addr a;
	int i;

	(void)state;
	for (i = 0; i < BRAKE_FAILURES; i++)
		brake_failed(&b, &held, 1);
	for (i = 0; i < BRAKE_PLACES - 1; i++) {
		snprintf(text, sizeof(text), "2001:db8:0:%x::1", i);
		a = address(text);
		assert_false(brake_failed(&b, &a, 10 + i));
	}
	assert_true(brake_holds(&b, &held, 1000));
	/* the one that failed longest ago makes room */
	a = address("2001:db8:1::1");
	assert_false(brake_failed(&b, &a, 1000));
	assert_false(brake_holds(&b, &held, 1000));
	for (i = 0; i < BRAKE_FAILURES - 2; i++)
		assert_false(brake_failed(&b, &a, 1000));
	assert_true(brake_failed(&b, &a, 1000));
	assert_true(brake_holds(&b, &a, 1000));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(after_five),
		cmocka_unit_test(seldom_is_nothing),
		cmocka_unit_test(ipv6_by_network),
		cmocka_unit_test(more_addresses_than_places),
	};

	return cmocka_run_group_tests_name("brake", tests, NULL, NULL);
}
