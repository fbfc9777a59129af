/*
 * test_mailbox_list.c - every address of a To field, good and broken.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/mailbox_list.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Addresses in brackets; "!" for what is none. */
static const struct vector {
	const char *in, *out;
} vectors[] = {
	{"", ""},
	{"  \r\n ", ""},
	/* RFC 5322 appendix A */
	{" Mary Smith <mary@x.test>, jdoe@example.org, Who? <one@y.test>",
		"[mary@x.test][jdoe@example.org][one@y.test]"},
	{"<boss@nil.test>, \"Giant; \\\"Big\\\" Box\" <sysservices@example.net>",
		"[boss@nil.test][sysservices@example.net]"},
	{"A Group:Ed Jones <joe@where.test>,John <jdoe@one.test>;",
		"[joe@where.test][jdoe@one.test]"},
	{"Undisclosed recipients:;", ""},
	{"A Group(Some people)\r\n     :Chris Jones <c@(Chris's host.)public."
	 "example>,\r\n joe@example.org,\r\n John <jdoe@one.test> (my dear "
	 "friend); (the end of the group)",
		"[c@public.example][joe@example.org][jdoe@one.test]"},
	{"(Empty list)(start)Hidden recipients  :(nobody(that I know))  ;", ""},
	{"Mary Smith <@node.test:mary@example.net>, , jdoe@test  . example",
		"[mary@example.net][jdoe@test.example]"},
	{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		"[pete@silly.test]"},
	/* what appendix A leaves out */
	{"a:b@c;, d:;, e@f", "[b@c][e@f]"},
	{"john . doe @ example . net", "[john.doe@example.net]"},
	{"john(x)@(y)example.net", "[john@example.net]"},
	{"john(x).(y)doe@example.net (z)", "[john.doe@example.net]"},
	{"X <@a,@b:c@d>, e@f", "[c@d][e@f]"},
	{"\"a,b\"@c, \"d;e\" <f@g>", "[\"a,b\"@c][f@g]"},
	{"\"a b\" <\"c d\"@e>", "[\"c d\"@e]"},
	{"\"a@b\" <c@d>", "[c@d]"},
	{"=?utf-8?q?x=2C_y?= <a@b>, =?utf-8?b?w7w=?= <c@d>", "[a@b][c@d]"},
	{"\xc3\xbc <a@b>, \xc3\xbc@\xc3\xbc.test",
		"[a@b][\xc3\xbc@\xc3\xbc.test]"},
	{"a@[192.0.2.1], b@[IPv6:2001:db8::1]",
		"[a@[192.0.2.1]][b@[IPv6:2001:db8::1]]"},
	{"a@b,\r\n\tc@d,\r\n e@f", "[a@b][c@d][e@f]"},
	/* local users */
	{"root", "[root]"},
	{"root, bob (Bob), Alice <alice>", "[root][bob][alice]"},
	{"root\r\n (Charlie &)", "[root]"},
	{"\"two words\"", "[\"two words\"]"},
	{"Doe, John <a@b>", "[Doe][a@b]"},
	/* broken */
	{"John Doe", "!"},
	{"John <>", "!"},
	{"<>", "!"},
	{"John <a b>", "!"},
	{"John <cam cam@b>", "[cam@b]"},
	{"John <a@b", "[a@b]"},
	{"John a@b", "[a@b]"},
	{"<<a@b>>", "[a@b]"},
	{"a@b; c@d", "[a@b][c@d]"},
	{"a@b,,c@d,", "[a@b][c@d]"},
	{"a@b c@d", "!"},
	/* a line's end or a comma is missing: no group's name */
	{"a@b cc: c@d", "![c@d]"},
	{"a@b, c@d e: f@g", "[a@b]![f@g]"},
	{"<a@b> cc: c@d", "![c@d]"},
	{"John \"c@d\" a@b", "[a@b]"},
	{"a@-", "!"},
	{"a..b@c, d@e", "![d@e]"},
	{"@b", "!"},
	{"\"open <a@b>", "[a@b]"},
	{"a@b (open, c@d", "[a@b][c@d]"},
};

static void list(struct buf *out, const char *text, size_t len)
{
	struct mailbox_list l;
	struct mailbox_item item;

	buf_clear(out);
	assert_int_equal(buf_add(out, "", 0), 0);
	mailbox_list_begin(&l, text, len);
	while (mailbox_list_next(&l, &item) > 0) {
		assert_true(item.text >= text);
		assert_true(item.text + item.len <= text + len);
		if (item.address.text[0] != '\0')
			buf_addf(out, "[%s]", item.address.text);
		else
			buf_add_string(out, "!");
	}
}

static void table(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 64 * 1024);
	for (i = 0; i < COUNT_OF(vectors); i++) {
		list(&out, vectors[i].in, strlen(vectors[i].in));
		if (strcmp(out.len > 0 ? out.data : "", vectors[i].out) != 0)
			print_error("%s\n", vectors[i].in);
		assert_string_equal(
			out.len > 0 ? out.data : "", vectors[i].out);
	}
	buf_free(&out);
}

/* Cut at each place, in memory of just that length. */
static void cut(void **state)
{
	struct buf out;
	size_t i, len;
	char *copy;

	(void)state;
	buf_init(&out, 64 * 1024);
	for (i = 0; i < COUNT_OF(vectors); i++)
		for (len = 1; len < strlen(vectors[i].in); len++) {
			copy = malloc(len);
			assert_non_null(copy);
			memcpy(copy, vectors[i].in, len);
			list(&out, copy, len);
			copy[len / 2] = '\0';
			list(&out, copy, len);
			free(copy);
		}
	buf_free(&out);
}

/* Openings without an end are not looked for again and again. */
static void hostile(void **state)
{
	static const char *const units[] = {
		"(", "\"", "<", "\\\"", "a@b (", ".\"", ":", "@", "a ."};
	enum { SIZE = 256 * 1024 };
	struct buf text, out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(units); i++) {
		buf_init(&text, SIZE);
		buf_init(&out, 4 * SIZE);
		while (buf_add_string(&text, units[i]) == 0)
			continue;
		list(&out, text.data, text.len);
		buf_free(&text);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(cut),
		cmocka_unit_test(hostile),
	};

	return cmocka_run_group_tests_name("mailbox_list", tests, NULL, NULL);
}
