/*
 * test_header_qualify.c - addresses without a domain in To, Cc and their like.
 */
#include "config.h"

#include "proto/header_qualify.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 4 * 1024 * 1024 };

#define DOMAIN "web1.example.org"
#define D      "@" DOMAIN

static const struct vector {
	const char *in;
	const char *out; /* NULL: unchanged */
} vectors[] = {
	{"To: root\r\n", "To: root" D "\r\n"},
	{"to:root\r\n", "to:root" D "\r\n"},
	{"To: <root>\r\n", "To: <root" D ">\r\n"},
	{"To: < root >\r\n", "To: < root" D " >\r\n"},
	{"To: Charlie Root <root>\r\n", "To: Charlie Root <root" D ">\r\n"},
	{"To: root (Cron)\r\n", "To: root" D " (Cron)\r\n"},
	{"To: (Cron) root\r\n", "To: (Cron) root" D "\r\n"},
	{"To: root, a@b.c,jan\r\n", "To: root" D ", a@b.c,jan" D "\r\n"},
	{"To: root,\r\n jan\r\n", "To: root" D ",\r\n jan" D "\r\n"},
	{"Cc: us: root, a@b.c;\r\n", "Cc: us: root" D ", a@b.c;\r\n"},
	{"Cc: a.b-c+d\r\n", "Cc: a.b-c+d" D "\r\n"},
	{"Reply-To: root\r\n", "Reply-To: root" D "\r\n"},
	{"Sender: root\r\n", "Sender: root" D "\r\n"},
	{"Resent-To: root\r\n", "Resent-To: root" D "\r\n"},
	{"Errors-To: <root>\r\n", "Errors-To: <root" D ">\r\n"},
	/* whole ones, and what is no name of a user */
	{"To: root@localhost\r\n", NULL},
	{"To: \"A, B\" <a@b.c>, c@d.e\r\n", NULL},
	{"To: a@b.c (root)\r\n", NULL},
	{"To:\r\n", NULL},
	{"To: undisclosed-recipients:;\r\n", NULL},
	{"To: Undisclosed recipients:;\r\n", NULL},
	{"To: two words\r\n", NULL},
	{"To: \"root\"\r\n", NULL},
	{"To: =?UTF-8?Q?root?=\r\n", NULL},
	{"To: =?UTF-8?Q?root\r\n", NULL},
	{"To: J\xc3\xb6rg\r\n", NULL},
	{"To: <>\r\n", NULL},
	{"To: root@\r\n", NULL},
	{"To: <root\r\n", NULL},
	{"To: .root\r\n", NULL},
	{"To: ,,;\r\n", NULL},
	{"To: <@x:root>\r\n", NULL},
	/* other fields */
	{"From: root\r\n", NULL},
	{"Subject: root\r\n", NULL},
	{"X-To: root\r\n", NULL},
	{"Bcc: root\r\n", NULL},
};

static void fields(void **state)
{
	struct header_field f;
	struct buf out;
	bool changed;
	size_t i, pos;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		buf_init(&out, OUT_MAX);
		buf_add(&out, "", 0);
		pos = 0;
		assert_int_equal(header_field_next(vectors[i].in,
					 strlen(vectors[i].in), &pos, &f),
			1);
		assert_int_equal(header_qualify(&out, &f, DOMAIN, &changed), 0);
		if (vectors[i].out == NULL && changed)
			fail_msg("%s", out.data);
		assert_int_equal(changed, vectors[i].out != NULL);
		assert_string_equal(
			out.data, vectors[i].out != NULL ? vectors[i].out : "");
		buf_free(&out);
	}
}

/* Twice is once: what comes out is whole. */
static void what_comes_out_stays(void **state)
{
	struct header_field f;
	struct buf out;
	bool changed;
	size_t i, pos;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		if (vectors[i].out == NULL)
			continue;
		buf_init(&out, OUT_MAX);
		pos = 0;
		header_field_next(
			vectors[i].out, strlen(vectors[i].out), &pos, &f);
		assert_int_equal(header_qualify(&out, &f, DOMAIN, &changed), 0);
		assert_false(changed);
		buf_free(&out);
	}
}

static void a_full_buffer_is_told(void **state)
{
	struct header_field f;
	struct buf out;
	bool changed;
	size_t pos = 0;

	(void)state;
	header_field_next("To: root, jan\r\n", 15, &pos, &f);
	buf_init(&out, 40);
	assert_int_equal(header_qualify(&out, &f, DOMAIN, &changed), -1);
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields),
		cmocka_unit_test(what_comes_out_stays),
		cmocka_unit_test(a_full_buffer_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
