/*
 * test_path.c - envelope paths (proto/address.h): to the letter, and as devices
 *               send them.
 */
#include "config.h"

#include "base/util.h"
#include "proto/address.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { STRICT = 1, TOLERANT = 2, NULL_OK = 4, BOTH = STRICT | TOLERANT };

/* out NULL: refused. rest is what follows the path. */
static const struct vector {
	const char *in;
	const char *out;
	const char *rest;
	unsigned how;
} vectors[] = {
	{"<a@b>", "a@b", "", BOTH},
	{"<a@b> SIZE=1", "a@b", " SIZE=1", BOTH},
	{"<a@b> AUTH=<>", "a@b", " AUTH=<>", BOTH},
	{"<a@b> <c@d>", "a@b", " <c@d>", BOTH},
	{"<a@b>\tSIZE=1", "a@b", "\tSIZE=1", BOTH},
	{"<\"a>b\"@c>", "\"a>b\"@c", "", BOTH},
	{"<\"a\\\">b\"@c> X", "\"a\\\">b\"@c", " X", BOTH},
	{"<\"a b\"@c>", "\"a b\"@c", "", BOTH},
	{"<a@[IPv6:::1]>", "a@[IPv6:::1]", "", BOTH},
	/* the null path */
	{"<>", "", "", BOTH | NULL_OK},
	{"<> SIZE=1", "", " SIZE=1", BOTH | NULL_OK},
	{"<>", NULL, "", BOTH},
	{"< >", "", "", TOLERANT | NULL_OK},
	{"<<>>", "", "", TOLERANT | NULL_OK},
	{"  <>", "", "", TOLERANT | NULL_OK},
	{"< >", NULL, "", STRICT | NULL_OK},
	{"", NULL, "", BOTH | NULL_OK},
	{"   ", NULL, "", BOTH | NULL_OK},
	{">", NULL, "", BOTH | NULL_OK},
	{"<", NULL, "", BOTH | NULL_OK},
	{"<<", NULL, "", BOTH | NULL_OK},
	{" >>", NULL, "", BOTH | NULL_OK},
	/* source routes are dropped */
	{"<@x:a@b>", "a@b", "", BOTH},
	{"<@x,@y.org:a@b> X", "a@b", " X", BOTH},
	{"<@[IPv6:::1],@[1.2.3.4]:a@[IPv6:::2]>", "a@[IPv6:::2]", "", BOTH},
	{"<@x,@y:\"a:b\"@c>", "\"a:b\"@c", "", BOTH},
	{"<@x:postmaster>", "postmaster", "", BOTH},
	{"<@x>", NULL, "", BOTH},
	{"<@x:>", NULL, "", BOTH | NULL_OK},
	{"<@x,y:a@b>", NULL, "", BOTH},
	{"<@x,y@b>", NULL, "", BOTH},
	{"<@x,:a@b>", NULL, "", BOTH},
	{"<@x,>", NULL, "", BOTH},
	{"<@:a@b>", NULL, "", BOTH},
	{"<@x a@b>", NULL, "", BOTH},
	{"<@[IPv6:::1:a@b>", NULL, "", BOTH},
	/* RFC 5321 4.5.1 */
	{"<postmaster>", "postmaster", "", BOTH},
	{"<PostMaster> X", "PostMaster", " X", BOTH},
	{"postmaster", "postmaster", "", TOLERANT},
	{"<postmaster>", NULL, "", STRICT | NULL_OK},
	{"<postmaste>", NULL, "", STRICT},
	{"<postmasters>", NULL, "", STRICT},
	/* system mail */
	{"<root>", NULL, "", STRICT},
	{"<root>", "root", "", TOLERANT},
	{"<root>", "root", "", TOLERANT | NULL_OK},
	{"root SIZE=1", "root", " SIZE=1", TOLERANT | NULL_OK},
	{"Cron <root>", "root", "", TOLERANT},
	{"<\"two words\">", "\"two words\"", "", TOLERANT},
	{"<two words>", NULL, "", TOLERANT},
	/* what devices send */
	{"a@b", "a@b", "", TOLERANT},
	{"a@b SIZE=10", "a@b", " SIZE=10", TOLERANT},
	{"a@b AUTH=<>", "a@b", " AUTH=<>", TOLERANT},
	{"a@b AUTH=<c@d>", "a@b", " AUTH=<c@d>", TOLERANT},
	{" <a@b>  SIZE=10", "a@b", "  SIZE=10", TOLERANT},
	{"\t<a@b>", "a@b", "", TOLERANT},
	{"< a@b >", "a@b", "", TOLERANT},
	{"<<a@b>>", "a@b", "", TOLERANT},
	{"<<a@b>> SIZE=1", "a@b", " SIZE=1", TOLERANT},
	{"<<<a@b>>>", "a@b", "", TOLERANT},
	{"<<a@b>", "a@b", "", TOLERANT},
	{"<a@b>>", "a@b", "", TOLERANT},
	{"< <a@b>>", "a@b", "", TOLERANT},
	{"<a@b", "a@b", "", TOLERANT},
	{"<a@b SIZE=1", "a@b", " SIZE=1", TOLERANT},
	{"a@b> SIZE=1", "a@b", " SIZE=1", TOLERANT},
	{"<a@b.>", "a@b", "", TOLERANT},
	{"a@b. X", "a@b", " X", TOLERANT},
	{"Scanner <a@b>", "a@b", "", TOLERANT},
	{"Front Door <a@b> X", "a@b", " X", TOLERANT},
	{"Scanner<a@b>", "a@b", "", TOLERANT},
	{"\"Scanner\" <a@b>", "a@b", "", TOLERANT},
	{"\"a < b\" <a@b>", "a@b", "", TOLERANT},
	{"a@b <c@d>", "c@d", "", TOLERANT},
	{"\xc3\xa4 <a@b>", "a@b", "", TOLERANT},
	{"<Scanner <a@b>>", "a@b", "", TOLERANT},
	{"<\"Front Door\" a@b>", "a@b", "", TOLERANT},
	{"<Front Door a@b>", "a@b", "", TOLERANT},
	{"\"a b\"@c X", "\"a b\"@c", " X", TOLERANT},
	/* and what not even they may send */
	{"a@b", NULL, "", STRICT},
	{" <a@b>", NULL, "", STRICT},
	{"< a@b>", NULL, "", STRICT},
	{"<<a@b>>", NULL, "", STRICT},
	{"<a@b>>", NULL, "", STRICT},
	{"<a@b", NULL, "", STRICT},
	{"Scanner <a@b>", NULL, "", STRICT},
	{"<Scanner a@b>", NULL, "", STRICT},
	{"<a@b>SIZE=1", NULL, "", BOTH},
	{"<a@b>,<c@d>", NULL, "", BOTH},
	{"<a@b c@d>", NULL, "", BOTH},
	{"<a@b garbage>", NULL, "", BOTH},
	{"<a@b SIZE=1 AUTH=<>", NULL, "", BOTH | NULL_OK},
	{"<a@b><c@d>", NULL, "", BOTH},
	{"a@b,c@d", NULL, "", BOTH},
	{"<a@b\r>", NULL, "", BOTH},
	{"<a@b>\r", NULL, "", BOTH},
	{"<a@b\n>", NULL, "", BOTH},
	{"\"open <a@b>", NULL, "", BOTH},
	{"<\"open@b>", NULL, "", BOTH},
	{"<\xff@b>", NULL, "", BOTH},
	{"<@\xff:a@b>", NULL, "", BOTH},
};

static void check(const struct vector *v, bool tolerant)
{
	bool null_ok = (v->how & NULL_OK) != 0;
	struct err err = {.kind = ERR_NONE};
	struct address a;
	size_t used = 0;
	int rc;

	rc = address_parse_path(
		&a, v->in, strlen(v->in), null_ok, tolerant, &used, &err);
	if (rc != (v->out != NULL ? 0 : -1))
		fail_msg("\"%s\" tolerant=%d: %s", v->in, tolerant,
			rc == 0 ? a.text : err.text);
	if (rc != 0) {
		assert_int_not_equal(err.kind, ERR_NONE);
		return;
	}
	if (strcmp(a.text, v->out) != 0 || strcmp(v->in + used, v->rest) != 0)
		fail_msg("\"%s\": \"%s\", \"%s\"", v->in, a.text, v->in + used);
}

static void test_vectors(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		if ((vectors[i].how & STRICT) != 0)
			check(&vectors[i], false);
		if ((vectors[i].how & TOLERANT) != 0)
			check(&vectors[i], true);
	}
}

static void test_null_path_is_all_zero(void **state)
{
	struct address a;
	size_t used;

	(void)state;
	memset(&a, 'x', sizeof(a));
	assert_int_equal(
		address_parse_path(&a, "<>", 2, true, false, &used, NULL), 0);
	assert_int_equal(used, 2);
	assert_string_equal(a.text, "");
	assert_int_equal(a.local_len, 0);
	assert_false(a.utf8);
}

static void test_nul_bytes(void **state)
{
	static const struct {
		const char *in;
		size_t len;
	} nuls[] = {{"<a\0@b>", 6}, {"\0<a@b>\0", 7}, {"<a@b\0>", 6},
		{"a@b\0", 4}, {"\0", 1}, {"<\0>", 3}, {"<@\0:a@b>", 8},
		{"<@x\0:a@b>", 9}, {"<a@b>\0", 6}};
	struct address a;
	size_t used, i;
	int tolerant;

	(void)state;
	for (i = 0; i < COUNT_OF(nuls); i++)
		for (tolerant = 0; tolerant < 2; tolerant++)
			assert_int_equal(
				address_parse_path(&a, nuls[i].in, nuls[i].len,
					true, tolerant, &used, NULL),
				-1);
}

static void test_limits(void **state)
{
	char text[600];
	struct address a;
	struct err err;
	size_t used;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[0] = '<';
	text[66] = '@';
	text[70] = '>';
	assert_int_equal(
		address_parse_path(&a, text, 71, true, true, &used, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	text[1] = '@';
	text[400] = ':';
	text[402] = '@';
	text[404] = '>';
	text[66] = 'x';
	text[70] = 'x';
	assert_int_equal(
		address_parse_path(&a, text, 405, true, true, &used, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_null_path_is_all_zero),
		cmocka_unit_test(test_nul_bytes),
		cmocka_unit_test(test_limits),
	};

	return cmocka_run_group_tests_name("path", tests, NULL, NULL);
}
