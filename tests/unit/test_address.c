/*
 * test_address.c - addresses and paths: what is taken, what comes out, and what
 *                  never comes out.
 */
#include "config.h"

#include "base/util.h"
#include "proto/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define L60   "123456789012345678901234567890123456789012345678901234567890"
#define L64   L60 "1234"
#define D63   L60 "123"
#define A_UML "\xc3\xa4"

static const struct good {
	const char *in;
	const char *out;
	size_t local_len;
	bool utf8;
} good[] = {
	{"a@b", "a@b", 1, false},
	{"user@example.com", "user@example.com", 4, false},
	{"User.Name+tag@Example.COM", "User.Name+tag@Example.COM", 13, false},
	{"!#$%&'*+-/=?^_`{|}~@x.org", "!#$%&'*+-/=?^_`{|}~@x.org", 19, false},
	{"a@b.example.", "a@b.example", 1, false},
	{"a@3com.com", "a@3com.com", 1, false},
	{"a@x-y.z_w.com", "a@x-y.z_w.com", 1, false},
	/* quotes only where there must be some */
	{"\"a\"@b", "a@b", 1, false},
	{"\"a.b\"@b", "a.b@b", 3, false},
	{"\"a\\b\"@b", "ab@b", 2, false},
	{"\"john doe\"@b", "\"john doe\"@b", 10, false},
	{"\"john\\ doe\"@b", "\"john doe\"@b", 10, false},
	{"\"a@b\"@c", "\"a@b\"@c", 5, false},
	{"\"<a>\"@c", "\"<a>\"@c", 5, false},
	{"\"a..b\"@c", "\"a..b\"@c", 6, false},
	{"\".a\"@c", "\".a\"@c", 4, false},
	{"\"a.\"@c", "\"a.\"@c", 4, false},
	{"\"\"@c", "\"\"@c", 2, false},
	{"\"\\\"\\\\\"@c", "\"\\\"\\\\\"@c", 6, false},
	/* literals */
	{"a@[192.0.2.1]", "a@[192.0.2.1]", 1, false},
	{"a@[IPv6:2001:db8::1]", "a@[IPv6:2001:db8::1]", 1, false},
	{"a@[ipv6:::1]", "a@[ipv6:::1]", 1, false},
	{"a@[IPv6:::ffff:192.0.2.1]", "a@[IPv6:::ffff:192.0.2.1]", 1, false},
	/* RFC 6531 */
	{A_UML "@x.org", A_UML "@x.org", 2, true},
	{"a@b" A_UML ".org", "a@b" A_UML ".org", 1, true},
	{"\"" A_UML " b\"@x", "\"" A_UML " b\"@x", 6, true},
	{"\"\\" A_UML "\"@x", A_UML "@x", 2, true},
	{"\xe2\x82\xac\xf0\x9f\x93\xa7@x.org",
		"\xe2\x82\xac\xf0\x9f\x93\xa7@x.org", 7, true},
	/* at the limits */
	{L64 "@b", L64 "@b", 64, false},
	{"a@" D63 ".com", "a@" D63 ".com", 1, false},
	{"\"" L64 "\"@b", L64 "@b", 64, false},
	{"\"" L60 " x\"@b", "\"" L60 " x\"@b", 64, false},
};

static const struct bad {
	const char *in;
	enum err_kind kind;
} bad[] = {
	{"", ERR_SYNTAX},
	{"@", ERR_SYNTAX},
	{"@b", ERR_SYNTAX},
	{"a@", ERR_SYNTAX},
	{"a@.", ERR_SYNTAX},
	{"a", ERR_SYNTAX},
	{"root", ERR_SYNTAX},
	{"\"a b\"", ERR_SYNTAX},
	{"a@b@c", ERR_SYNTAX},
	{"bad@@example.net", ERR_SYNTAX},
	{".a@b", ERR_SYNTAX},
	{"a.@b", ERR_SYNTAX},
	{"a..b@c", ERR_SYNTAX},
	{"a b@c", ERR_SYNTAX},
	{"a,b@c", ERR_SYNTAX},
	{"a:b@c", ERR_SYNTAX},
	{"a;b@c", ERR_SYNTAX},
	{"a(b@c", ERR_SYNTAX},
	{"a[b@c", ERR_SYNTAX},
	{"a\\b@c", ERR_SYNTAX},
	{"a\"b@c", ERR_SYNTAX},
	{"a\"b\"@c", ERR_SYNTAX},
	{"<a@b", ERR_SYNTAX},
	{"<a@b>", ERR_SYNTAX},
	{"a@b>", ERR_SYNTAX},
	{"a>b@c", ERR_SYNTAX},
	{"\"a\"b@c", ERR_SYNTAX},
	{"\"a@c", ERR_SYNTAX},
	{"\"a\\", ERR_SYNTAX},
	{"\"", ERR_SYNTAX},
	{"\"a\\\"@c", ERR_SYNTAX},
	{"a@b..c", ERR_SYNTAX},
	{"a@b..", ERR_SYNTAX},
	{"a@.b", ERR_SYNTAX},
	{"a@-b.c", ERR_SYNTAX},
	{"a@b-.c", ERR_SYNTAX},
	{"a@b c", ERR_SYNTAX},
	{"a@b ", ERR_SYNTAX},
	{" a@b", ERR_SYNTAX},
	{"a@b,c", ERR_SYNTAX},
	{"a@b/c", ERR_SYNTAX},
	{"a@\"b\"", ERR_SYNTAX},
	{"a@" L64 ".com", ERR_SYNTAX},
	{"a@[]", ERR_SYNTAX},
	{"a@[", ERR_SYNTAX},
	{"a@[1.2.3]", ERR_SYNTAX},
	{"a@[1.2.3.256]", ERR_SYNTAX},
	{"a@[1.2.3.4", ERR_SYNTAX},
	{"a@[1.2.3.4]x", ERR_SYNTAX},
	{"a@[::1]", ERR_SYNTAX},
	{"a@[IPv6:]", ERR_SYNTAX},
	{"a@[IPv6:1.2.3.4]", ERR_SYNTAX},
	{"a@[IPv6:::1%lo]", ERR_SYNTAX},
	{"a@[tag:x]", ERR_SYNTAX},
	{"a@[IPv6:1111:2222:3333:4444:5555:6666:7777:8888:9999:aaaa:bbbb]",
		ERR_SYNTAX},
	/* bytes that could end a line, a path, or a word */
	{"a\r@b", ERR_SYNTAX},
	{"a\n@b", ERR_SYNTAX},
	{"a@b\r\nRCPT TO:<c@d>", ERR_SYNTAX},
	{"\"a\rb\"@c", ERR_SYNTAX},
	{"\"a\nb\"@c", ERR_SYNTAX},
	{"\"a\\\nb\"@c", ERR_SYNTAX},
	{"\"a\tb\"@c", ERR_SYNTAX},
	{"a\x7f@b", ERR_SYNTAX},
	{"\"\x1b\"@b", ERR_SYNTAX},
	{"\"\x7f\"@b", ERR_SYNTAX},
	{"a@b\t", ERR_SYNTAX},
	/* not UTF-8 */
	{"\xe4@b", ERR_SYNTAX},
	{"a@\xe4.org", ERR_SYNTAX},
	{"a\xc3@b", ERR_SYNTAX},
	{"\xc0\x80@b", ERR_SYNTAX},
	{"\xed\xa0\x80@b", ERR_SYNTAX},
	{"\xf5\x80\x80\x80@b", ERR_SYNTAX},
	{"\xc2\x85@b", ERR_SYNTAX}, /* C1: next line */
	{"a@b\xc3", ERR_SYNTAX},
	/* beyond the limits */
	{L64 "5@b", ERR_LIMIT},
	{"\"" L64 "5\"@b", ERR_LIMIT},
	{"\"" L60 " xy\"@b", ERR_LIMIT},
	{"\"" L60 "\\\"\\\"\"@b", ERR_LIMIT},
	{L64 L64 L64 L64 L64 L64 "@b", ERR_LIMIT},
	{"a@" D63 "." D63 "." D63 "." D63 ".x", ERR_LIMIT},
};

/* On a copy without a NUL behind it, so that a sanitizer sees what is read. */
static int parse(struct address *out, const char *text, size_t len,
	bool unqualified_ok, struct err *err)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	memset(err, 0, sizeof(*err));
	rc = address_parse(out, copy, len, unqualified_ok, err);
	free(copy);
	return rc;
}

static void test_good(void **state)
{
	struct address a, again;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++) {
		if (parse(&a, good[i].in, strlen(good[i].in), false, &err) != 0)
			fail_msg("%s: %s", good[i].in, err.text);
		assert_string_equal(a.text, good[i].out);
		assert_int_equal(a.local_len, good[i].local_len);
		assert_int_equal(a.utf8, good[i].utf8);
		/* what came out is canonical */
		assert_int_equal(
			parse(&again, a.text, strlen(a.text), false, &err), 0);
		assert_int_equal(again.quirks, 0);
		again.quirks = a.quirks;
		assert_memory_equal(&a, &again, sizeof(a));
	}
}

static void test_bad(void **state)
{
	struct address a;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++) {
		if (parse(&a, bad[i].in, strlen(bad[i].in), false, &err) == 0)
			fail_msg("%s is taken", bad[i].in);
		assert_int_equal(err.kind, bad[i].kind);
		assert_true(strlen(err.text) > 0);
	}
	assert_int_equal(parse(&a, "a\0b@c", 5, false, &err), -1);
	assert_int_equal(parse(&a, "a@b\0", 4, false, &err), -1);
	assert_int_equal(parse(&a, "\"a\0\"@b", 6, false, &err), -1);
}

static void test_longest(void **state)
{
	char text[ADDRESS_MAX + 2];
	struct address a;
	struct err err;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[ADDRESS_LOCAL_MAX] = '@';
	memset(text + 65 + 63, '.', 1);
	memset(text + 65 + 127, '.', 1);
	memset(text + 65 + 191, '.', 1);
	assert_int_equal(parse(&a, text, ADDRESS_MAX, false, &err), 0);
	assert_int_equal(strlen(a.text), ADDRESS_MAX);
	text[ADDRESS_MAX] = '.';
	assert_int_equal(parse(&a, text, ADDRESS_MAX + 1, false, &err), 0);
	assert_int_equal(strlen(a.text), ADDRESS_MAX);
	text[ADDRESS_MAX] = 'x';
	assert_int_equal(parse(&a, text, ADDRESS_MAX + 1, false, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

static void test_unqualified(void **state)
{
	struct address a;
	struct err err;

	(void)state;
	assert_int_equal(parse(&a, "root", 4, false, &err), -1);
	assert_non_null(strstr(err.text, "root needs a domain"));
	assert_int_equal(parse(&a, "root", 4, true, &err), 0);
	assert_string_equal(a.text, "root");
	assert_int_equal(a.local_len, 4);
	assert_int_equal(parse(&a, "\"the root\"", 10, true, &err), 0);
	assert_string_equal(a.text, "\"the root\"");
	assert_int_equal(parse(&a, "root@", 5, true, &err), -1);
	assert_int_equal(parse(&a, "", 0, true, &err), -1);
}

static void test_err_may_be_null(void **state)
{
	struct address a;
	size_t used;

	(void)state;
	assert_int_equal(address_parse(&a, "root", 4, false, NULL), -1);
	assert_int_equal(
		address_parse_path(&a, "x", 1, true, false, &used, NULL), -1);
}

/* What comes out of any bytes cannot leave its place in a command or header:
 * outside quotes no space and no bracket but a literal's, nowhere a control
 * byte. */
static void check_harmless(const struct address *a)
{
	const char *p, *domain = a->text + a->local_len;
	bool quoted = a->text[0] == '"';
	size_t i;

	for (p = a->text; *p != '\0'; p++)
		assert_true((unsigned char)*p >= 0x20 && *p != 0x7f);
	for (i = 0; i < a->local_len && !quoted; i++)
		assert_null(strchr(" <>()[]\\,;:\"@", a->text[i]));
	for (i = 1; i + 1 < a->local_len && quoted; i++)
		if (a->text[i] == '\\')
			i++;
		else
			assert_int_not_equal(a->text[i], '"');
	assert_true(!quoted || a->text[a->local_len - 1] == '"');
	assert_true(*domain == '\0' || *domain == '@');
	assert_null(strpbrk(domain, " <>()\\,;\""));
}

static void test_random_bytes(void **state)
{
	static const char bytes[] =
		"aaab@@..<>\"\"\\ \t\r\n:,[]1=\xc3\xa4\x80\x01";
	char text[24];
	struct address a;
	size_t len, i, used;
	int round, taken = 0;

	(void)state;
	srand(3);
	for (round = 0; round < 300000; round++) {
		len = (size_t)rand() % sizeof(text);
		for (i = 0; i < len; i++)
			text[i] = bytes[(size_t)rand() % sizeof(bytes)];
		if (address_parse(&a, text, len, true, NULL) == 0) {
			check_harmless(&a);
			taken++;
		}
		if (address_parse_path(&a, text, len, round % 2 == 0,
			    round % 4 < 2, &used, NULL) == 0) {
			check_harmless(&a);
			assert_true(used > 0 && used <= len);
			assert_true(used == len || text[used] == ' ' ||
				    text[used] == '\t');
			taken++;
		}
	}
	assert_true(taken > 1000);
}

static void test_routable(void **state)
{
	static const char *const yes[] = {"a@b.de", "a@x.example.com",
		"a@example.com", "a@mylocal.org", "a@lan.org", "a@test.de",
		"a@xlan.xtest", "a@home.arpa.net", "a@arpa.home",
		"a@b" A_UML ".org", "a@1.2.3.4.com"};
	static const char *const no[] = {"", "a@localhost", "a@b",
		"a@localhost.localdomain", "a@host.local", "a@host.LOCAL",
		"a@x.internal", "a@x.lan", "a@x.home.arpa", "a@home.arpa",
		"a@x.invalid", "a@x.test", "a@x.example", "a@x.localhost",
		"a@[192.0.2.1]", "a@[IPv6:::1]", "a@192.168.1.1"};
	struct address a;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(yes); i++) {
		assert_int_equal(
			parse(&a, yes[i], strlen(yes[i]), false, &err), 0);
		if (!address_is_routable(&a))
			fail_msg("%s", yes[i]);
	}
	for (i = 0; i < COUNT_OF(no); i++) {
		memset(&a, 0, sizeof(a));
		if (no[i][0] != '\0')
			assert_int_equal(
				parse(&a, no[i], strlen(no[i]), false, &err),
				0);
		if (address_is_routable(&a))
			fail_msg("%s", no[i]);
	}
	assert_int_equal(parse(&a, "postmaster", 10, true, &err), 0);
	assert_false(address_is_routable(&a));
}

static void test_same(void **state)
{
	(void)state;
	assert_true(address_same("a@b.c", "a@b.c"));
	assert_true(address_same("User@Example.COM", "uSER@example.com"));
	assert_true(address_same("", ""));
	assert_false(address_same("a@b.c", "a@b.cd"));
	assert_false(address_same("a@b.cd", "a@b.c"));
	assert_false(address_same("a@b.c", ""));
	assert_false(address_same("a.b@c", "ab@c"));
	assert_false(address_same("a@[1.2.3.4]", "a@{1.2.3.4}"));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_bad),
		cmocka_unit_test(test_longest),
		cmocka_unit_test(test_unqualified),
		cmocka_unit_test(test_err_may_be_null),
		cmocka_unit_test(test_random_bytes),
		cmocka_unit_test(test_routable),
		cmocka_unit_test(test_same),
	};

	return cmocka_run_group_tests_name("address", tests, NULL, NULL);
}
