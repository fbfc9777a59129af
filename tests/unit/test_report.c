/*
 * test_report.c - delivery status notifications (relay/report.h).
 */
#include "config.h"

#include "relay/report.h"

#include "base/util.h"
#include "proto/aliases.h"
#include "relay/report_text.h"
#include "report_sample.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- whole reports ------------------------------------------------------- */

static const struct expected {
	const char *sample;
	const char *there[9]; /* in this order */
	const char *not_there[6];
} expected[] = {
	{"plain",
		{"From: \"Mail delivery on relay.example.org\" "
		 "<someone@gmail.com>\r\nTo: <device@example.org>\r\n"
		 "Subject: Undelivered: The monthly figures\r\nDate: ",
			"In-Reply-To: <one@device.example.org>\r\n"
			"References: <one@device.example.org>\r\n"
			"Auto-Submitted: auto-replied\r\nMIME-Version: 1.0\r\n"
			"Content-Type: multipart/report; "
			"report-type=delivery-status;\r\n boundary=",
			"could not be delivered", "  nobody@example.net\r\n",
			"What to do: Check the address.",
			"Content-Type: message/delivery-status\r\n",
			"Final-Recipient: rfc822; nobody@example.net\r\n"
			"Action: failed\r\nStatus: 5.1.1\r\n"
			"Remote-MTA: dns; smtp.gmail.com\r\n"
			"Diagnostic-Code: smtp; 550 5.1.1 The email account",
			"Last-Attempt-Date: ",
			"Content-Type: text/rfc822-headers; charset=us-ascii"},
		{"fine@example.net", "Will-Retry-Until", "\r\nbody\r\n"}},
	{"delayed",
		{"Subject: Delayed: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from",
			"quoted-printable", "Gr=C3=BC=C3=9Fe from K=C3=B6ln!",
			"It will be tried again until",
			"Final-Recipient: rfc822; slow@example.net\r\n"
			"Action: delayed\r\nStatus: 4.2.1\r\n",
			"Will-Retry-Until: "},
		{"bad@example.net", "In-Reply-To"}},
	{"expired",
		{"From: \"Mail delivery on gmail.com\"",
			"Subject: Undelivered: (no subject)",
			"Why: could not be delivered for 5 days",
			"Reporting-MTA: dns; [192.0.2.1]\r\n",
			"rfc822; a@example.net\r\nAction: failed\r\n"
			"Status: 4.4.7\r\nLast-Attempt-Date",
			"rfc822; b@example.net\r\nAction: failed\r\n"
			"Status: 4.0.0\r\n"
			"Diagnostic-Code: smtp; 451 busy\r\n"},
		{"In-Reply-To"}},
	{"raw utf8",
		{"Subject: Undelivered: =?",
			"Final-Recipient: utf-8; "
			"\\x{4E2D}\\x{6587}\\x{2B}x@example.net\r\n",
			"text/rfc822-headers; charset=utf-8\r\n"
			"Content-Transfer-Encoding: quoted-printable",
			"X-Raw: =FF=FE"},
		{"\xc3", "\xff", "\x01"}},
	{"latin1 subject", {"Subject: Undelivered: =?", "@gmail.com>"},
		{"In-Reply-To", "\xf6"}},
	{"unreadable", {"Subject: Undelivered: (no subject)", "Status: 5.6.0"},
		{"rfc822-headers"}},
	{"hostile", {"Reporting-MTA: dns; evil X-Injected: yes"},
		{"\r\nX-Injected", "\r\nBcc:", "\r\nAction: delivered",
			"In-Reply-To"}},
	{"no line end", {"Subject: Undelivered: (no subject)"},
		{"rfc822-headers"}},
	{"relayed",
		{"Subject: Relayed: Signed\r\n",
			"Your message was handed over to smtp.gmail.com, which "
			"took it, for:\r\n\r\n  asked@example.net\r\n",
			"no proof that the message has", "no further report",
			"delivery-status\r\nContent-Transfer-Encoding: "
			"7bit\r\n\r\nOriginal-Envelope-Id: QQ+314 159\r\n"
			"Reporting-MTA: ",
			"Original-Recipient: rfc822; first+last@example.net\r\n"
			"Final-Recipient: rfc822; asked@example.net\r\n"
			"Action: relayed\r\nStatus: 2.0.0\r\n"
			"Remote-MTA: dns; smtp.gmail.com\r\n"
			"Diagnostic-Code: smtp; 250 2.0.0 OK\r\n",
			"Original-Recipient: utf-8; \\x{4E2D}\\x{2B}"
			"@example.net\r\n"
			"Final-Recipient: rfc822; plain@example.net\r\n"
			"Action: relayed\r\nStatus: 2.0.0\r\n",
			"text/rfc822-headers"},
		{"unasked@", "failing@", "\r\nbody\r\n", "gmrelayctl",
			"could not"}},
	{"failed and relayed",
		{"Subject: Undelivered: Both",
			"could not be delivered to:\r\n\r\n  bad@example.net",
			"It was handed over to smtp.gmail.com for:\r\n\r\n"
			"  asked@example.net\r\n",
			"no proof",
			"Final-Recipient: rfc822; asked@example.net\r\n"
			"Action: relayed\r\nStatus: 2.0.0\r\n",
			"Original-Recipient: rfc822; bad@old.example.net\r\n"
			"Final-Recipient: rfc822; bad@example.net\r\n"
			"Action: failed\r\nStatus: 5.1.1\r\n"},
		{"secret@", "\r\nbody\r\n", "Original-Envelope-Id"}},
	{"returned",
		{"\r\n boundary=\"=_", "\"\r\n\r\nThis is a report",
			"Content-Type: message/rfc822\r\n"
			"Content-Transfer-Encoding: 7bit\r\n\r\n"
			"Subject: Whole\r\n",
			"\r\n\r\nThe body, 7-bit.\r\n\r\n--=_"},
		{"rfc822-headers"}},
	{"returned 8bit",
		{"\r\n boundary=\"=_",
			"\"\r\nContent-Transfer-Encoding: 8bit\r\n\r\nThis",
			"Content-Type: message/rfc822\r\n"
			"Content-Transfer-Encoding: 8bit\r\n\r\nSubject",
			"\r\n\r\nGr\xc3\xbc\xc3\x9f"
			"e\r\n"},
		{"rfc822-headers"}},
	{"raw header returned", {"text/rfc822-headers"},
		{"message/rfc822", "The body."}},
	{"refused content", {"text/rfc822-headers"},
		{"message/rfc822", "The body."}},
	{"upstream takes less", {"text/rfc822-headers"},
		{"message/rfc822", "The body."}},
};

static const struct report_sample *find_sample(const char *name)
{
	size_t i;

	for (i = 0; i < report_sample_count; i++)
		if (strcmp(report_samples[i].name, name) == 0)
			return &report_samples[i];
	fail_msg("no sample %s", name);
	return NULL;
}

static void write_sample(const char *name, struct buf *out)
{
	buf_init(out, REPORT_SIZE_MAX);
	assert_int_equal(report_sample_write(find_sample(name), out), 0);
}

static void check_sample(const struct expected *e)
{
	const char *at;
	struct buf out;
	size_t i;

	write_sample(e->sample, &out);
	at = out.data;
	for (i = 0; i < COUNT_OF(e->there) && e->there[i] != NULL; i++) {
		at = strstr(at, e->there[i]);
		if (at == NULL)
			fail_msg("%s: no \"%s\" in its place in:\n%s",
				e->sample, e->there[i], out.data);
		at += strlen(e->there[i]);
	}
	for (i = 0; i < COUNT_OF(e->not_there) && e->not_there[i] != NULL; i++)
		if (strstr(out.data, e->not_there[i]) != NULL)
			fail_msg("%s: \"%s\" is in:\n%s", e->sample,
				e->not_there[i], out.data);
	buf_free(&out);
}

static void test_says_what_happened(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(expected); i++)
		check_sample(&expected[i]);
	assert_int_equal(COUNT_OF(expected), report_sample_count);
}

/* Only CRLF ends a line, and none is above 998 octets or, in the text for a
 * person, above 76; no byte is above 127. */
static void test_lines(void **state)
{
	const char *line, *end;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < report_sample_count; i++) {
		write_sample(report_samples[i].name, &out);
		assert_true(report_is_7bit(out.data, out.len) ==
			    !report_samples[i].eight_bit);
		assert_int_equal(out.data[out.len - 1], '\n');
		for (line = out.data; *line != '\0'; line = end + 1) {
			end = strchr(line, '\n');
			assert_non_null(end);
			assert_true(end > out.data && end[-1] == '\r');
			assert_null(
				memchr(line, '\r', (size_t)(end - 1 - line)));
			assert_true(end - line <= 200);
		}
		buf_free(&out);
	}
}

static void test_same_report_again(void **state)
{
	struct buf one, two;

	(void)state;
	write_sample("plain", &one);
	write_sample("plain", &two);
	assert_string_equal(one.data, two.data);
	buf_free(&one);
	buf_free(&two);
	assert_true(report_id(7, REPORT_FAILED) == report_id(7, REPORT_FAILED));
	assert_true(
		report_id(7, REPORT_FAILED) != report_id(7, REPORT_DELAYED));
	assert_true(report_id(7, REPORT_FAILED) != report_id(8, REPORT_FAILED));
	assert_true(report_id(7, REPORT_FAILED) != 7);
}

static void test_full_buffer(void **state)
{
	struct buf out;
	size_t max;

	(void)state;
	write_sample("plain", &out);
	max = out.len;
	buf_free(&out);
	buf_init(&out, max - 1);
	assert_int_equal(report_sample_write(find_sample("plain"), &out), -1);
	buf_free(&out);
	buf_init(&out, max);
	assert_int_equal(report_sample_write(find_sample("plain"), &out), 0);
	buf_free(&out);
}

/* --- big originals ------------------------------------------------------- */

static void test_long_header_is_cut(void **state)
{
	struct report_sample sample = *find_sample("plain");
	const char *at;
	struct buf message, out;
	size_t lines = 0;

	(void)state;
	buf_init(&message, 1 << 20);
	buf_add_string(&message, "Subject: long\r\n");
	while (message.len < 3 * (size_t)REPORT_HEADERS_MAX)
		buf_addf(&message, "X-Line: %zu of them\r\n", lines++);
	buf_add_string(&message, "\r\nbody\r\n");
	sample.message = message.data;
	buf_init(&out, REPORT_SIZE_MAX);
	assert_int_equal(report_sample_write(&sample, &out), 0);
	assert_true(out.len > REPORT_HEADERS_MAX - 100);
	assert_true(out.len < REPORT_HEADERS_MAX + 4096);
	/* the last line is a whole one */
	at = strstr(out.data, "\r\n\r\n--=_");
	assert_non_null(at);
	at = memmem(out.data, out.len, "of them\r\n\r\n--=_", 15);
	assert_non_null(at);
	buf_free(&out);
	buf_free(&message);
}

/* A message up to the limit is returned as it is, one beyond is not; nor is one
 * with a line that no transport is bound to take. */
static void test_what_is_returned_is_bounded(void **state)
{
	struct report_sample sample = *find_sample("returned");
	struct buf message, out;
	size_t size, i;

	(void)state;
	sample.size_max = 0;
	for (i = 0; i < 4; i++) {
		buf_init(&message, 2 * REPORT_RETURNED_MAX);
		size = i == 1 ? REPORT_RETURNED_MAX + 1 : REPORT_RETURNED_MAX;
		buf_add_string(&message, "Subject: x\r\n\r\n");
		while (message.len < size - 2500)
			buf_addf(&message, "%0*d\r\n", i < 3 ? 78 : 998, 0);
		if (i == 2)
			buf_addf(&message, "%0999d\r\n", 0);
		while (message.len < size)
			buf_add_string(&message,
				size - message.len == 3 ? "x\r\n" : "\r\n");
		message.len = size;
		message.data[size] = '\0';
		sample.message = message.data;
		buf_init(&out, REPORT_SIZE_MAX);
		assert_int_equal(report_sample_write(&sample, &out), 0);
		if ((memmem(out.data, out.len, message.data, message.len) !=
			    NULL) != (i == 0 || i == 3))
			fail_msg("case %zu: %zu octets of report", i, out.len);
		buf_free(&out);
		buf_free(&message);
	}
}

static void test_many_recipients(void **state)
{
	struct envelope *env = envelope_new();
	struct report report = {
		.kind = REPORT_FAILED,
		.original = env,
		.to = "a@example.org",
		.from = "someone@gmail.com",
		.hostname = "relay.example.org",
		.id = 1,
		.expire_s = -1,
	};
	char address[64];
	const char *at;
	size_t i, count = 0;
	struct buf out;

	(void)state;
	for (i = 0; i < 10000; i++) {
		snprintf(address, sizeof(address), "n%zu@example.net", i);
		assert_int_equal(envelope_add_rcpt(env, address), 0);
		env->rcpts[i].state = RCPT_FAILED;
	}
	buf_init(&out, REPORT_SIZE_MAX);
	assert_int_equal(report_write(&report, &out, NULL), 0);
	for (at = out.data; (at = strstr(at, "Final-Recipient")) != NULL; at++)
		count++;
	assert_int_equal(count, REPORT_RECIPIENTS_MAX);
	assert_non_null(strstr(out.data, "  and 9950 more\r\n"));
	buf_free(&out);
	envelope_free(&env);
}

/* --- who gets it --------------------------------------------------------- */

static const struct recipient_vector {
	const char *reverse_path;
	bool report;
	const char *postmaster;
	const char *expected;
} recipients[] = {
	{"a@example.org", false, "post@example.com", "a@example.org"},
	{"a@example.org", false, "", "a@example.org"},
	{"root@printer.lan", false, "post@example.com", "post@example.com"},
	{"root@localhost", false, "post@example.com", "post@example.com"},
	{"a@[192.0.2.1]", false, "post@example.com", "post@example.com"},
	{"root", false, "post@example.com", "post@example.com"},
	{"root@nas", false, "", NULL},
	{"root@nas", false, "root@nas", NULL},
	{"", false, "post@example.com", NULL},
	{"a@example.org", true, "post@example.com", NULL},
	/* of this machine: what its alias says, if that can be reached */
	{"jan@localhost", false, "post@example.com", "jan@example.net"},
	{"Jan@web1", false, "", "jan@example.net"},
	{"jan@web1.example.org", false, "", "jan@example.net"},
	{"jan@example.org", false, "", "jan@example.org"},
	{"list@web1", false, "", "jan@example.net"},
	{"lan@web1", false, "post@example.com", "post@example.com"},
	{"pipe@web1", false, "post@example.com", "post@example.com"},
	{"jan@localhost", true, "post@example.com", NULL},
};

static void tell_nobody(void *arg, bool error, unsigned line, const char *text)
{
	(void)arg;
	(void)error;
	(void)line;
	(void)text;
}

static void test_recipient(void **state)
{
	static const char text[] = "jan: jan@example.net\nlan: x@nas.lan\n"
				   "list: jan, y@example.com\npipe: |x\n";
	struct aliases *aliases =
		aliases_parse(text, strlen(text), tell_nobody, NULL);
	struct local_names names = {
		.aliases = aliases,
		.default_domain = "",
		.host = "web1.example.org",
		.account = "me@gmail.com",
	};
	const struct recipient_vector *v;
	struct address scratch;
	struct envelope *env;
	const char *got;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(recipients); i++) {
		v = &recipients[i];
		env = envelope_new();
		envelope_set_reverse_path(env, v->reverse_path);
		env->report = v->report;
		names.postmaster = v->postmaster;
		got = report_recipient(env, &names, &scratch);
		if (v->expected == NULL)
			assert_null(got);
		else
			assert_string_equal(got, v->expected);
		envelope_free(&env);
	}
	aliases_free(&aliases);
}

/* --- forms of text ------------------------------------------------------- */

static const struct text_vector {
	const char *in, *out;
} quoted[] =
	{
		{"", ""},
		{"plain\r\n", "plain\r\n"},
		{"a=b\r\n", "a=3Db\r\n"},
		{"end \r\n", "end=20\r\n"},
		{"tab\t\r\nx", "tab=09\r\nx"},
		{"in the middle", "in the middle"},
		{"\xc3\xbc", "=C3=BC"},
		{"\x01\x7f", "=01=7F"},
		{"bare\rcr\nlf", "bare=0Dcr=0Alf"},
		{"1234567890123456789012345678901234567890123456789012345678901234567"
		 "8901234567890",
			"1234567890123456789012345678901234567890123456789012345678901"
			"23456789012345=\r\n67890"},
		{"123456789012345678901234567890123456789012345678901234567890123456"
		 "78901234\xff",
			"12345678901234567890123456789012345678901234567890123456789"
			"012345678901234=\r\n=FF"},
},
  decoded[] =
	  {
		  {"plain", "plain"},
		  {"=?utf-8?q?a_b?=", "a b"},
		  {"=?UTF-8?B?w7w=?=", "\xc3\xbc"},
		  {"=?utf-8?q?a?= =?utf-8?q?b?= c", "ab c"},
		  {"=?utf-8?q?a?=  c", "a  c"},
		  {"=?iso-8859-1?q?=FC?=", "\xc3\xbc"},
		  {"=?us-ascii?q?x?=", "x"},
		  {"=?koi8-r?q?x?=", "=?koi8-r?q?x?="},
		  {"=?utf-8?x?x?=", "=?utf-8?x?x?="},
		  {"=?utf-8?b?x?=", "=?utf-8?b?x?="},
		  {"=?utf-8?q?=4?=", "=4"},
		  {"=?utf-8?q?a b?=", "a b"},
		  {"=?windows-1252?q?=80?=", "\xe2\x82\xac"},
		  {"=?utf-8?q?a", "=?utf-8?q?a"},
		  {"=?", "=?"},
		  {"a =?utf-8?q?"
		   "?= b",
			  "a  b"},
},
  fields[] = {
	  {"short", "N: short\r\n"},
	  {"", "N:\r\n"},
	  {" white  space\r\n\tgoes ", "N: white space goes\r\n"},
	  {"\xc3\xbc\x01", "N: ???\r\n"},
	  {"123456789012345678901234567890123456789012345678901234567890 23456789"
	   " 123 56",
		  "N: 123456789012345678901234567890123456789012345678901234567"
		  "890 23456789 123\r\n 56\r\n"},
};

static void test_quoted_printable(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(quoted); i++) {
		buf_init(&out, 1000);
		buf_add(&out, "", 0);
		assert_int_equal(report_quoted_printable(&out, quoted[i].in,
					 strlen(quoted[i].in)),
			0);
		assert_string_equal(out.data, quoted[i].out);
		buf_free(&out);
	}
}

static void test_decode_words(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(decoded); i++) {
		buf_init(&out, 1000);
		buf_add(&out, "", 0);
		assert_int_equal(report_decode_words(&out, decoded[i].in,
					 strlen(decoded[i].in)),
			0);
		assert_string_equal(out.data, decoded[i].out);
		buf_free(&out);
	}
}

static void test_fields(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(fields); i++) {
		buf_init(&out, 1000);
		assert_int_equal(report_field(&out, "N", fields[i].in), 0);
		assert_string_equal(out.data, fields[i].out);
		buf_free(&out);
	}
}

static void test_field_of_one_long_word(void **state)
{
	struct buf out;
	char word[2000];

	(void)state;
	memset(word, 'x', sizeof(word) - 1);
	word[sizeof(word) - 1] = '\0';
	buf_init(&out, 4000);
	assert_int_equal(report_field(&out, "Diagnostic-Code", word), 0);
	assert_true(report_is_7bit(out.data, out.len));
	buf_free(&out);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_says_what_happened),
		cmocka_unit_test(test_lines),
		cmocka_unit_test(test_same_report_again),
		cmocka_unit_test(test_full_buffer),
		cmocka_unit_test(test_long_header_is_cut),
		cmocka_unit_test(test_what_is_returned_is_bounded),
		cmocka_unit_test(test_many_recipients),
		cmocka_unit_test(test_recipient),
		cmocka_unit_test(test_quoted_printable),
		cmocka_unit_test(test_decode_words),
		cmocka_unit_test(test_fields),
		cmocka_unit_test(test_field_of_one_long_word),
	};

	return cmocka_run_group_tests_name("report", tests, NULL, NULL);
}
