/*
 * test_sendmail_recipients.c - for whom a message is: arguments and header.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "sendmail/recipients.h"
#include "submit/drop_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const struct vector {
	const char *header, *out;
} vectors[] = {
	{"", ""},
	{"Subject: x\r\nFrom: a@b\r\nReply-To: c@d\r\n", ""},
	{"To: a@b\r\nCc: c@d\r\nBcc: e@f\r\n", "a@b c@d e@f"},
	{"TO: a@b\r\ncc : c@d\r\n", "a@b c@d"},
	{"To: a@b\r\nTo: c@d\r\n", "a@b c@d"},
	{"To: X\r\n <a@b>,\r\n\tc@d\r\n", "a@b c@d"},
	{"To:\r\n a@b\r\n", "a@b"},
	{"To: a@b, A@B\r\nCc: a@b\r\n", "a@b"},
	{"To: us: a@b, X <c@d>; , e@f\r\n", "a@b c@d e@f"},
	{"To: root, bob@b\r\n", "root bob@b"},
	{"To: undisclosed-recipients:;\r\nBcc: a@b\r\n", "a@b"},
	{"To: =?utf-8?q?J=C3=BCrgen=2C?= <a@b>\r\n", "a@b"},
	{"To: John Doe, a@b\r\n", "a@b (John Doe)"},
	{"To: <a b>, c@d\r\n", "c@d (<a b>)"},
	/* RFC 5322 3.6.6: the latest resending stands first */
	{"Resent-To: a@b\r\nTo: c@d\r\nCc: e@f\r\n", "a@b"},
	{"Resent-From: x@y\r\nResent-Cc: a@b\r\nResent-Bcc: c@d\r\n"
	 "To: e@f\r\n",
		"a@b c@d"},
	{"Resent-Date: now\r\nResent-From: x@y\r\nResent-To: a@b\r\n"
	 "Resent-Date: then\r\nResent-From: x@y\r\nResent-To: c@d\r\n"
	 "To: e@f\r\n",
		"a@b"},
	{"Resent-To: a@b\r\nReceived: from x\r\nResent-To: c@d\r\n", "a@b"},
	{"Received: from x\r\nResent-To: a@b\r\nTo: c@d\r\n", "a@b"},
	{"Resent-From: x@y\r\nTo: c@d\r\n", "c@d"},
	/* a field of another name */
	{"X-To: a@b\r\nToo: c@d\r\nT: e@f\r\n", ""},
};

static void on_bad(void *arg, const char *text)
{
	struct buf *out = arg;

	buf_addf(out, "%s(%s)", out->len > 0 ? " " : "", text);
}

static void read_header(const char *header, struct buf *out)
{
	struct recipients r;
	struct buf bad;
	struct err err;
	size_t i;

	buf_init(&bad, 1000);
	recipients_init(&r);
	r.on_bad = on_bad;
	r.arg = &bad;
	assert_int_equal(
		recipients_add_header(&r, header, strlen(header), &err), 0);
	buf_clear(out);
	for (i = 0; i < r.count; i++)
		buf_addf(out, "%s%s", i > 0 ? " " : "", r.all[i]);
	if (bad.len > 0)
		buf_addf(out, " %s", bad.data);
	recipients_free(&r);
	buf_free(&bad);
}

static void header(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 4096);
	for (i = 0; i < COUNT_OF(vectors); i++) {
		read_header(vectors[i].header, &out);
		if (strcmp(out.len > 0 ? out.data : "", vectors[i].out) != 0)
			print_error("%s", vectors[i].header);
		assert_string_equal(
			out.len > 0 ? out.data : "", vectors[i].out);
	}
	buf_free(&out);
}

static void arguments(void **state)
{
	struct recipients r;
	struct err err;
	size_t i;

	(void)state;
	recipients_init(&r);
	assert_int_equal(recipients_add(&r, "a@b,c@d", 7, &err), 0);
	assert_int_equal(recipients_add(&r, "root", 4, &err), 0);
	assert_int_equal(recipients_add(&r, "", 0, &err), 0);
	assert_int_equal(recipients_add(&r, "X <e@f>", 7, &err), 0);
	assert_int_equal(r.count, 4);
	assert_int_equal(r.bad, 0);
	assert_string_equal(r.all[2], "root");
	assert_string_equal(r.all[3], "e@f");
	assert_int_equal(
		recipients_add(&r, "a@b\r\nRCPT TO:<x@y>", 19, &err), 0);
	/* nothing that could end a command comes out */
	for (i = 0; i < r.count; i++)
		assert_null(strpbrk(r.all[i], "\r\n<> "));
	recipients_free(&r);
}

static void too_many(void **state)
{
	struct recipients r;
	struct err err;
	char text[32];
	int i, rc = 0;

	(void)state;
	recipients_init(&r);
	for (i = 0; i <= DROP_RECIPIENTS_MAX && rc == 0; i++) {
		snprintf(text, sizeof(text), "%d@b", i);
		rc = recipients_add(&r, text, strlen(text), &err);
	}
	assert_int_equal(rc, -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(r.count, DROP_RECIPIENTS_MAX);
	recipients_free(&r);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(header),
		cmocka_unit_test(arguments),
		cmocka_unit_test(too_many),
	};

	return cmocka_run_group_tests_name(
		"sendmail_recipients", tests, NULL, NULL);
}
