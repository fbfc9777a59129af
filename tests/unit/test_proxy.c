/*
 * test_proxy.c - the PROXY protocol: what is a header, what is none, and where
 *                it ends.
 */
#include "config.h"

#include "base/util.h"
#include "proto/proxy.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>

#define SIGNATURE "\r\n\r\n\0\r\nQUIT\n"
#define V4        "\xc0\xa8\x01\x1f\x0a\x00\x00\x05\xd4\x31\x00\x19"
#define V6_HALF   "\xfd\0\0\1\0\0\0\0\0\0\0\0\0\0\0\7"
#define V6        V6_HALF V6_HALF "\xd4\x31\x00\x19"
#define TLV       "\x03\x00\x04\x11\x22\x33\x44"

#define TEXT(literal) literal, sizeof(literal) - 1

/* With what follows the header: used tells where it ends. */
static const struct vector {
	const char *in;
	size_t len;
	int result;
	size_t used;
	enum proxy_client client;
	const char *source;
	uint16_t port;
} vectors[] = {
	/* version 1 */
	{TEXT("PROXY TCP4 192.168.1.31 10.0.0.5 54321 25\r\nEHLO x\r\n"), 1, 43,
		PROXY_CLIENT, "192.168.1.31", 54321},
	{TEXT("PROXY TCP6 fd00:1::7 ::1 54321 25\r\n"), 1, 35, PROXY_CLIENT,
		"fd00:1::7", 54321},
	{TEXT("PROXY TCP6 ::ffff:1.2.3.4 ::1 1 25\r\n"), 1, 36, PROXY_CLIENT,
		"1.2.3.4", 1},
	{TEXT("PROXY TCP4 0.0.0.0 255.255.255.255 0 65535\r\n"), 1, 44,
		PROXY_CLIENT, "0.0.0.0", 0},
	/* the longest there is */
	{TEXT("PROXY TCP6 ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		1, 104, PROXY_CLIENT, "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff",
		65535},
	{TEXT("PROXY UNKNOWN\r\nQUIT\r\n"), 1, 15, PROXY_UNKNOWN, NULL, 0},
	{TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 65535\r\n"),
		1, 107, PROXY_UNKNOWN, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 3\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2 \r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4  1.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 65536\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 01 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 -1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.256 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 01.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 ::1 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 ::1 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP6 1.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP6 fe80::1%eth0 ::1 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4\0 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY UDP4 1.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY UNKNOWNX\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY tcp4 1.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY \r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY \n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("proxy TCP4 1.2.3.4 5.6.7.8 1 2\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PROXY UNKNOWN ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff "
	      "ffff:ffff:ffff:ffff:ffff:ffff:ffff:ffff 65535 655350\r\n"),
		-1, 0, 0, NULL, 0},
	/* version 2 */
	{TEXT(SIGNATURE "\x21\x11\x00\x0c" V4 "EHLO x\r\n"), 1, 28,
		PROXY_CLIENT, "192.168.1.31", 54321},
	{TEXT(SIGNATURE "\x21\x21\x00\x24" V6), 1, 52, PROXY_CLIENT,
		"fd00:1::7", 54321},
	{TEXT(SIGNATURE "\x21\x11\x00\x13" V4 TLV "x"), 1, 35, PROXY_CLIENT,
		"192.168.1.31", 54321},
	{TEXT(SIGNATURE "\x20\x00\x00\x00QUIT\r\n"), 1, 16, PROXY_ITSELF, NULL,
		0},
	{TEXT(SIGNATURE "\x20\x11\x00\x0c" V4), 1, 28, PROXY_ITSELF, NULL, 0},
	{TEXT(SIGNATURE "\x20\xff\x00\x01x"), 1, 17, PROXY_ITSELF, NULL, 0},
	{TEXT(SIGNATURE "\x21\x00\x00\x07" TLV), 1, 23, PROXY_UNKNOWN, NULL, 0},
	{TEXT(SIGNATURE "\x21\x31\x00\x00"), 1, 16, PROXY_UNKNOWN, NULL, 0},
	{TEXT(SIGNATURE "\x21\x11\x00\x0b" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x21\x00\x23" V6), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x12\x00\x0c" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x41\x00\x0c" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x22\x11\x00\x0c" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x11\x11\x00\x0c" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x31\x11\x00\x0c" V4), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x11\xff\xff"), -1, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x11\x0f\xf1"), -1, 0, 0, NULL, 0},
	/* neither */
	{TEXT("EHLO x\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("PRO\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("\r\n\r\n\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("\r\nPROXY UNKNOWN\r\n"), -1, 0, 0, NULL, 0},
	{TEXT("\x16\x03\x01"), -1, 0, 0, NULL, 0},
	/* not yet */
	{TEXT(""), 0, 0, 0, NULL, 0},
	{TEXT("PROXY TCP4 1.2.3.4 5.6.7.8 1 2\r"), 0, 0, 0, NULL, 0},
	{TEXT(SIGNATURE), 0, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x11\x0f\xf0"), 0, 0, 0, NULL, 0},
	{TEXT(SIGNATURE "\x21\x11\x00\x0d" V4), 0, 0, 0, NULL, 0},
};

/* In memory of just that size. */
static int parse(
	struct proxy_header *out, const char *data, size_t len, struct err *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = proxy_parse(out, copy, len, err);
	free(copy);
	return rc;
}

static void check(const struct vector *v, const struct proxy_header *got)
{
	const bool v4 = IN6_IS_ADDR_V4MAPPED(&got->source);
	char text[INET6_ADDRSTRLEN];

	assert_int_equal(got->used, v->used);
	assert_int_equal(got->client, v->client);
	if (v->source == NULL)
		return;
	assert_non_null(inet_ntop(v4 ? AF_INET : AF_INET6,
		v4 ? (const void *)(got->source.s6_addr + 12) : &got->source,
		text, sizeof(text)));
	assert_string_equal(text, v->source);
	assert_int_equal(got->port, v->port);
}

static void test_whole(void **state)
{
	struct proxy_header got;
	struct err err;
	size_t i;
	int rc;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		err.text[0] = '\0';
		rc = parse(&got, vectors[i].in, vectors[i].len, &err);
		if (rc != vectors[i].result)
			fail_msg("vector %zu \"%s\": %d", i, vectors[i].in, rc);
		if (rc == 1)
			check(&vectors[i], &got);
		assert_int_equal(rc < 0, err.text[0] != '\0');
	}
}

/* As it grows: nothing is decided too early, and once it is, it stays. */
static void test_byte_by_byte(void **state)
{
	const struct vector *v;
	struct proxy_header got;
	struct err err;
	size_t i, len;
	int rc;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		v = &vectors[i];
		for (len = 0, rc = 0; len <= v->len && rc == 0; len++)
			rc = parse(&got, v->in, len, &err);
		if (rc != v->result)
			fail_msg("vector %zu \"%s\": %d", i, v->in, rc);
		if (rc != 1)
			continue;
		/* decided with its last octet, neither earlier nor later */
		assert_int_equal(len - 1, v->used);
		check(v, &got);
	}
}

static void test_limits(void **state)
{
	char data[PROXY_MAX + 2];
	struct proxy_header got;
	struct err err;

	(void)state;
	memset(data, 'x', sizeof(data));
	memcpy(data, SIGNATURE "\x21\x11\x0f\xf0" V4, 28);
	assert_int_equal(parse(&got, data, PROXY_V2_MAX - 1, &err), 0);
	assert_int_equal(parse(&got, data, sizeof(data), &err), 1);
	assert_int_equal(got.used, PROXY_V2_MAX);
	memset(data, 'x', sizeof(data));
	memcpy(data, "PROXY UNKNOWN ", 14);
	assert_int_equal(parse(&got, data, PROXY_V1_MAX - 1, &err), 0);
	assert_int_equal(parse(&got, data, PROXY_V1_MAX, &err), -1);
	data[PROXY_V1_MAX] = '\n';
	assert_int_equal(parse(&got, data, PROXY_V1_MAX + 1, &err), -1);
	data[PROXY_V1_MAX - 2] = '\r';
	data[PROXY_V1_MAX - 1] = '\n';
	assert_int_equal(parse(&got, data, PROXY_V1_MAX + 1, &err), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_whole),
		cmocka_unit_test(test_byte_by_byte),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
