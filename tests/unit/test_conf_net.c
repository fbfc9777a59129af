/*
 * test_conf_net.c - every rule for addresses and networks.
 */
#include "config.h"

#include "base/buf.h"

#include "conf_fixture.h"

#include <arpa/inet.h>
#include <sys/un.h>

static const struct vector listen_vectors[] = {
	{"listen = {}", {NULL}},
	{"listen = \"127.0.0.1:2525\"", {NULL}},
	{"listen = {\"127.0.0.1:0\", \"127.0.0.1:0\"}", {NULL}},
	{"listen = \"127.0.0.1\"", {"E1: write \"127.0.0.1:25\""}},
	{"listen = \"::1\"", {"E1: write \"[::1]:25\""}},
	{"listen = \"::1:2525\"", {"E1: write \"[::1]:2525\""}},
	{"listen = \"fe80:0:0:0:0:0:0:1\"", {"E1: write \"[fe80:0:0:0:0:0:0"}},
	{"listen = \"[::1]\"", {"E1: has no port"}},
	{"listen = \"[::1:25\"", {"E1: has no right brackets"}},
	{"listen = \"[]:25\"", {"E1: has no address"}},
	{"listen = \":25\"", {"E1: has no address"}},
	{"listen = \"25\"", {"E1: has no port"}},
	{"listen = \"\"", {"E1: has no port"}},
	{"listen = \"127.0.0.1:\"", {"E1: has no right port"}},
	{"listen = \"127.0.0.1:65536\"", {"E1: from 0 to 65535"}},
	{"listen = \"127.0.0.1:smtp\"", {"E1: has no right port"}},
	{"listen = \"127.0.0.1:+25\"", {"E1: has no right port"}},
	{"listen = \"127.0.0.1:000025\"", {"E1: has no right port"}},
	{"listen = \"localhost:25\"", {"E1: names are not looked up"}},
	{"listen = \"127.0.0.256:25\"", {"E1: is not an address"}},
	{"listen = \"[127.0.0.1]:25\"", {"E1: needs no brackets"}},
	{"listen = \"[*]:25\"", {"E1: is not an address"}},
	{"listen = \"[::ffff:127.0.0.1]:25\"", {"E1: IPv4 address"}},
	{"listen = \"[fe80::1]:25\"", {"E1: one network interface"}},
	{"listen = \"[fe80::1%nosuchif]:25\"", {"E1: does not exist"}},
	{"listen = \"[fe80::1%]:25\"", {"E1: names no network"}},
	{"listen = \"[fe80::1%abcdefghijklmnopq]:25\"",
		{"E1: names no network interface"}},
	{"listen = {\n\"127.0.0.1:26\",\n\"127.0.0.1:26\"}",
		{"E3: is there already, by \"127.0.0.1:26\""}},
	{"listen = {\"[::1]:26\",\n\"[0:0::1]:26\"}",
		{"E2: is there already, by \"[::1]:26\""}},
	{"allow = {\"10.0.0.0/8\"} listen = {\"*:26\",\n"
	 "\"127.0.0.1:26\"}",
		{"E2: is there already, by \"0.0.0.0:26\""}},
	{"allow = \"10.0.0.0/8\" listen = {\"[::1]:26\",\n\"*:26\"}",
		{"E2: is there already, by \"[::1]:26\""}},
	/* fail closed */
	{"listen = \"*:25\"", {"E1: but allow names none"}},
	{"\nlisten = {\"127.0.0.1:25\", \"192.168.1.1:25\"}",
		{"E2: opens a port to other machines, but allow"}},
	{"listen = \"[::]:25\"\nallow = {}", {"E1: but allow names"}},
	{"listen = \"0.0.0.0:25\"\nallow = {\"127.0.0.1\"}",
		{"E1: but allow names"}},
	{"listen = \"0.0.0.0:25\"\nallow = {\"192.168.1.7\"}", {NULL}},
	{"listen = \"[::]:25\"\nallow = {\"fd00::/64\"}", {NULL}},
	{"\nallow = {\"192.168.1.0/24\"}",
		{"W2: allow names other machines, but listen has no"}},
	/* nothing follows from what is wrong already */
	{"listen = \"*:25\"\nallow = {\"x\"}", {"E2: is not an"}},
};

static void test_listen(void **state)
{
	run(state, listen_vectors, COUNT_OF(listen_vectors));
}

static void test_listen_limits(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	struct conf *c;
	size_t i, n;

	buf_init(&b, 65536);
	for (n = CONF_LISTEN_MAX; n <= CONF_LISTEN_MAX + 1; n++) {
		buf_clear(&b);
		buf_add_string(&b, "listen = {");
		for (i = 0; i < n; i++)
			buf_addf(&b, "\"127.0.0.1:%zu\",", i + 1000);
		buf_add_string(&b, "}");
		c = load_with_account(f, b.data);
		assert_int_equal(c != NULL, n == CONF_LISTEN_MAX);
		conf_free(&c);
	}
	assert_true(problem_is(f, 0, "E1: listen: 33 addresses, 32 are"));
	/* every star makes two addresses */
	buf_clear(&b);
	buf_add_string(&b, "allow = \"10.0.0.0/8\" listen = {");
	for (i = 0; i < CONF_LISTEN_MAX; i++)
		buf_addf(&b, "\"*:%zu\",", i + 1000);
	buf_add_string(&b, "}");
	c = load_with_account(f, b.data);
	assert_non_null(c);
	assert_int_equal(c->listen_count, 2 * CONF_LISTEN_MAX);
	conf_free(&c);
	buf_free(&b);
}

static const struct vector allow_vectors[] = {
	{"allow = {}", {NULL}},
	{FAR "allow = \"10.0.0.0/8\"", {NULL}},
	{FAR "allow = \"172.16.0.0/12\"", {NULL}},
	{FAR "allow = \"192.168.1.7\"", {NULL}},
	{FAR "allow = \"192.168.1.7/32\"", {NULL}},
	{FAR "allow = \"169.254.0.0/16\"", {NULL}},
	{FAR "allow = \"100.64.0.0/10\"", {NULL}},
	{FAR "allow = \"fc00::/7\"", {NULL}},
	{FAR "allow = \"fd12::/8\"", {"E1: write \"fd00::/8\""}},
	{FAR "allow = \"fe80::/10\"", {"E1: /16 or longer"}},
	{FAR "allow = \"fe80::/64\"", {NULL}},
	{FAR "allow = \"198.51.100.7\"", {NULL}},
	{FAR "allow = \"2001:db8::7\"", {NULL}},
	{FAR "allow = \"8.0.0.0/8\"", {"W1: is a public network"}},
	{FAR "allow = \"172.16.0.0/11\"", {"E1: \"172.0.0.0/11\""}},
	{FAR "allow = \"172.0.0.0/11\"", {"W1: is a public network"}},
	{FAR "allow = \"100.0.0.0/8\"", {"W1: is a public network"}},
	{FAR "allow = \"2001:db8::/32\"", {"W1: is a public network"}},
	{FAR "allow = \"2001::/16\"", {"W1: is a public network"}},
	{FAR "allow = {\"::1\",\n\"0.0.0.0/0\"}",
		{"E2: would let half the world send"}},
	{FAR "allow = \"10.0.0.0/7\"", {"E1: /8 or longer"}},
	{FAR "allow = \"::/0\"", {"E1: /16 or longer"}},
	{FAR "allow = \"2000::/15\"", {"E1: /16 or longer"}},
	{FAR "allow = \"fc00::/6\"", {"E1: /16 or longer"}},
	{FAR "allow = \"::ffff:0:0/96\"", {"E1: IPv4 address in IPv6"}},
	{FAR "allow = \"::ffff:10.0.0.1\"", {"E1: IPv4 address"}},
	{FAR "allow = \"192.168.1.5/24\"",
		{"E1: has bits set behind its prefix; write "
		 "\"192.168.1.0/24\""}},
	{FAR "allow = \"2001:db8::1/64\"", {"E1: write \"2001:db8::/64\""}},
	{FAR "allow = \"192.168.1.0/33\"", {"E1: longer than 32"}},
	{FAR "allow = \"fd00::/129\"", {"E1: longer than 128"}},
	{FAR "allow = \"192.168.1.0/\"", {"E1: no right prefix"}},
	{FAR "allow = \"192.168.1.0/x\"", {"E1: no right prefix"}},
	{FAR "allow = \"192.168.1.0/0024\"", {"E1: no right prefix"}},
	{FAR "allow = \"192.168.1.0/255.255.255.0\"", {"E1: no right prefix"}},
	{FAR "allow = \"192.168.1\"", {"E1: is not an address"}},
	{FAR "allow = \"[::1]\"", {"E1: is not an address"}},
	{FAR "allow = \"printer.lan\"", {"E1: names are not"}},
	{FAR "allow = \"\"", {"E1: is not an address"}},
	{FAR "allow = \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	     "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa\"",
		{"E1: is not a network"}},
};

static void test_allow(void **state)
{
	run(state, allow_vectors, COUNT_OF(allow_vectors));
}

static bool allows(const struct conf *c, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};

	if (inet_pton(AF_INET, address, &v4.sin_addr) == 1)
		return conf_client_for(c, (struct sockaddr *)&v4) != NULL;
	assert_int_equal(inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
	return conf_client_for(c, (struct sockaddr *)&v6) != NULL;
}

static void test_allows(void **state)
{
	static const struct {
		const char *address;
		bool allowed;
	} v[] = {
		{"127.0.0.1", true},
		{"127.255.255.255", true},
		{"128.0.0.0", false},
		{"126.255.255.255", false},
		{"::ffff:127.0.0.9", true},
		{"::1", true},
		{"::2", false},
		{"::", false},
		{"192.168.4.0", true},
		{"192.168.7.255", true},
		{"::ffff:192.168.5.1", true},
		{"192.168.8.0", false},
		{"192.168.3.255", false},
		{"10.1.2.3", true},
		{"10.1.2.4", false},
		{"fd00:1:2:3::", true},
		{"fd00:1:2:3:ffff:ffff:ffff:ffff", true},
		{"fd00:1:2:4::", false},
		{"2001:db8:8000::1", true},
		{"2001:db8:7fff::1", false},
		/* ::/16 holds the mapped addresses, but never lets IPv4 in */
		{"8.8.8.8", false},
		{"::ffff:8.8.8.8", false},
	};
	struct fixture *f = *state;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct conf *c = load_with_account(f,
		FAR "allow = {\"127.0.0.0/8\", \"::1\", \"192.168.4.0/22\","
		    "\"10.1.2.3\", \"fd00:1:2:3::/64\", "
		    "\"2001:db8:8000::/33\"}");
	size_t i;

	assert_non_null(c);
	for (i = 0; i < COUNT_OF(v); i++)
		if (allows(c, v[i].address) != v[i].allowed)
			fail_msg("%s", v[i].address);
	assert_null(conf_client_for(c, (struct sockaddr *)&un));
	conf_free(&c);
	c = load_with_account(f, FAR "allow = \"::/16\"");
	assert_non_null(c);
	assert_true(allows(c, "::5"));
	assert_false(allows(c, "8.8.8.8"));
	assert_false(allows(c, "::ffff:8.8.8.8"));
	conf_free(&c);
	c = load_with_account(f, "allow = {}");
	assert_non_null(c);
	assert_false(allows(c, "127.0.0.1"));
	conf_free(&c);
}

static void test_allow_limit(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	struct conf *c;
	size_t i, n;

	buf_init(&b, 65536);
	for (n = CONF_NETWORKS_MAX; n <= CONF_NETWORKS_MAX + 1; n++) {
		buf_clear(&b);
		buf_add_string(&b, FAR "allow = {");
		for (i = 0; i < n; i++)
			buf_addf(&b, "10.0.%zu.1,", i % 256);
		buf_add_string(&b, "}");
		c = load_with_account(f, b.data);
		assert_int_equal(c != NULL, n == CONF_NETWORKS_MAX);
		if (c != NULL)
			assert_int_equal(c->clients[0].networks.count,
				CONF_NETWORKS_MAX);
		conf_free(&c);
	}
	assert_true(problem_is(f, 0, "E1: has 257 values, 256 are allowed"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_listen, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_listen_limits, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allow, setup, teardown),
		cmocka_unit_test_setup_teardown(test_allows, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_allow_limit, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
