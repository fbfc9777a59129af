/*
 * test_mailbox.c - the first mailbox of a From field, good and broken.
 */
#include "config.h"

#include "base/util.h"
#include "proto/mailbox.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { CLEAN = 1, SEVERAL = 2 };

static const struct vector {
	const char *in, *name, *address;
	unsigned flags;
} vectors[] = {
	/* RFC 5322 A.1 and A.5 */
	{" John Doe <jdoe@machine.example>", "John Doe", "jdoe@machine.example",
		CLEAN},
	{"\"Joe Q. Public\" <john.q.public@example.com>", "Joe Q. Public",
		"john.q.public@example.com", CLEAN},
	{"Who? <one@y.test>", "Who?", "one@y.test", CLEAN},
	{"Giant \"Big\" Box <a@b>", "Giant Big Box", "a@b", CLEAN},
	{"\"Giant; \\\"Big\\\" Box\" <a@b>", "Giant; \"Big\" Box", "a@b",
		CLEAN},
	{"Joe Q. Public <a@b>", "Joe Q. Public", "a@b", CLEAN},
	{"jdoe@example.org", "", "jdoe@example.org", CLEAN},
	{"<boss@nil.test>", "", "boss@nil.test", CLEAN},
	{"Pete(A nice \\) chap) <pete(his account)@silly.test(his host)>",
		"Pete", "pete@silly.test", 0},
	{"a@b (Some (nested) one)", "Some (nested) one", "a@b", CLEAN},
	{"X <a@b> (y)", "X", "a@b", CLEAN},
	{"\"a b\"@c.org", "", "\"a b\"@c.org", CLEAN},
	{"a@[192.0.2.1]", "", "a@[192.0.2.1]", CLEAN},
	{"A\r\n B\r\n <a@b>", "A B", "a@b", CLEAN},
	{"\"A\r\n B\" <a@b>", "A B", "a@b", CLEAN},
	{"=?utf-8?q?=C3=BC?= x <a@b>", "=?utf-8?q?=C3=BC?= x", "a@b", CLEAN},
	{"\xc3\xbc <a@b>", "\xc3\xbc", "a@b", CLEAN},
	/* lists and groups */
	{"a@b, c@d", "", "a@b", CLEAN | SEVERAL},
	{"X <a@b>,\r\n Y <c@d>", "X", "a@b", CLEAN | SEVERAL},
	{"us: X <a@b>, c@d;", "X", "a@b", CLEAN | SEVERAL},
	{"us: X <a@b>", "X", "a@b", SEVERAL},
	{"us:;", "", "", SEVERAL},
	{"a@b, c d <e@f", "", "a@b", SEVERAL},
	{"a@b; c@d", "", "a@b", SEVERAL},
	{"a@b,", "", "a@b", 0},
	{",a@b", "", "a@b", 0},
	/* names and addresses that lack something */
	{"root (Cron Daemon)", "Cron Daemon", "root", 0},
	{"=?utf-8?q?Scan?=", "=?utf-8?q?Scan?=", "", 0},
	{"=?utf-8?q?Scan?= (x)", "=?utf-8?q?Scan?=", "", 0},
	{"=?utf-8?q?Scan?=@a.b", "=?utf-8?q?Scan?=@a.b", "", 0},
	{"root", "", "root", 0},
	{"<root>", "", "root", 0},
	{"Charlie Root <root>", "Charlie Root", "root", 0},
	{"Front Door", "Front Door", "", 0},
	{"\"Front Door\"", "Front Door", "", 0},
	{"(Front Door)", "Front Door", "", 0},
	{"Front Door <>", "Front Door", "", 0},
	{"", "", "", 0},
	{"Doe, John <a@b>", "Doe, John", "a@b", 0},
	{"Doe, John", "Doe, John", "", 0},
	/* brackets and quotes */
	{"X <a@b", "X", "a@b", 0},
	{"X a@b>", "X", "a@b", 0},
	{"X a@b", "X", "a@b", 0},
	{"X <<a@b>>", "X", "a@b", 0},
	{"X < a@b >", "X", "a@b", 0},
	{"X <@c,@d:a@b>", "X", "a@b", 0},
	{"X <a@b.>", "X", "a@b", 0},
	{"a@b.", "", "a@b", 0},
	{"a@b <a@b>", "a@b", "a@b", 0},
	{"\"a\r\n b\"@x <a@b>", "\"a b\"@x", "a@b", 0},
	{"X <a@b> Y", "X", "a@b", 0},
	{"X <a@b> <c@d>", "X", "a@b", 0},
	{"\"X <a@b>", "X", "a@b", 0},
	{"X (y <a@b>", "X y", "a@b", 0},
	{"[x] <a@b>", "[x]", "a@b", 0},
	{"X [mailto:a@b]", "X", "a@b", 0},
	{"MAILTO:a@b", "", "a@b", 0},
	{"\"=?utf-8?q?=C3=BC?=\" <a@b>", "=?utf-8?q?=C3=BC?=", "a@b", 0},
	{"=?utf-8?q?Doe, (J)?= <a@b>", "=?utf-8?q?Doe, (J)?=", "a@b", 0},
	{"x=?utf-8?q?y?= <a@b>", "x=?utf-8?q?y?=", "a@b", CLEAN},
	{"=?utf-8?q?y?=\"x\" <a@b>", "=?utf-8?q?y?=x", "a@b", 0},
};

static void table(void **state)
{
	struct mailbox m;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *v = &vectors[i];

		mailbox_first(&m, v->in, strlen(v->in));
		if (m.name_len != strlen(v->name) ||
			memcmp(m.name, v->name, m.name_len) != 0 ||
			strcmp(m.address.text, v->address) != 0 ||
			m.clean != !!(v->flags & CLEAN) ||
			m.several != !!(v->flags & SEVERAL))
			print_error("%s: \"%.*s\" <%s> clean %d several %d\n",
				v->in, (int)m.name_len, m.name, m.address.text,
				m.clean, m.several);
		assert_int_equal(m.name_len, strlen(v->name));
		assert_memory_equal(m.name, v->name, m.name_len);
		assert_string_equal(m.address.text, v->address);
		assert_int_equal(m.clean, !!(v->flags & CLEAN));
		assert_int_equal(m.several, !!(v->flags & SEVERAL));
	}
}

/* Each vector cut at each place, in memory of just that length: nothing is
 * read beyond it. NUL is a character like others. */
static void cut(void **state)
{
	struct mailbox m;
	size_t i, len;
	char *copy;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++)
		for (len = 1; len < strlen(vectors[i].in); len++) {
			copy = malloc(len);
			assert_non_null(copy);
			memcpy(copy, vectors[i].in, len);
			mailbox_first(&m, copy, len);
			copy[len / 2] = '\0';
			mailbox_first(&m, copy, len);
			assert_true(m.name_len <= MAILBOX_NAME_MAX);
			free(copy);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(cut),
	};

	return cmocka_run_group_tests_name("mailbox", tests, NULL, NULL);
}
