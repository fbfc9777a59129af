/*
 * test_header.c - the header block: what belongs to it, and its repair.
 */
#include "config.h"

#include "base/buf.h"
#include "base/date.h"
#include "base/util.h"
#include "header_fixture.h"
#include "proto/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* In: lines that end in LF. Out: lines that end in CRLF, our Received first and
 * the empty line last, which the vectors leave out. */
static const struct vector {
	const char *name;
	const char *in;
	const char *out;
	const char *body;
	unsigned repairs;
} vectors[] = {
	{"complete", "Date: now\nMessage-ID: <1@a>\nFrom: a@b\n\nbody\n",
		COMPLETE, "body\n", 0},
	{"any case, any order, folded",
		"FROM:\n a@b\nmessage-id:\n\t<1@a>\nTo: x\nDATE: x\n\n",
		"FROM:\r\n a@b\r\nmessage-id:\r\n\t<1@a>\r\nTo: x\r\nDATE: "
		"x\r\n",
		"", 0},
	{"nothing at all", "", ADDED_DATE ADDED_ID ADDED_FROM, "",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM | HEADER_ENDED_EARLY},
	{"an empty header", "\nbody\n\nmore\n", ADDED_DATE ADDED_ID ADDED_FROM,
		"body\n\nmore\n",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM},
	{"a body without header", "Paper jam in tray 2\nFix: it\n",
		ADDED_DATE ADDED_ID ADDED_FROM,
		"Paper jam in tray 2\nFix: it\n",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM | HEADER_ENDED_EARLY},
	{"a first line that goes on nothing", " Subject: x\nTo: y\n\n",
		ADDED_DATE ADDED_ID ADDED_FROM, " Subject: x\nTo: y\n\n",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM | HEADER_ENDED_EARLY},
	{"8-bit in a name", "Date: now\nBetr\xc3\xa4ge: x\n",
		"Date: now\r\n" ADDED_ID ADDED_FROM, "Betr\xc3\xa4ge: x\n",
		HEADER_ADDED_MESSAGE_ID | HEADER_ADDED_FROM |
			HEADER_ENDED_EARLY},
	{"the body begins too early",
		"Date: now\nMessage-ID: <1@a>\nFrom: a@b\nHello all,\n\nx: y\n",
		COMPLETE, "Hello all,\n\nx: y\n", HEADER_ENDED_EARLY},
	{"ends in the header", "Date: now\nMessage-ID: <1@a>\nFrom: a@b\n",
		COMPLETE, "", HEADER_ENDED_EARLY},
	/* the line of a mailbox file */
	{"From_",
		"From root Sun Nov 22 04:05:06 2026\nDate: now\n"
		"Message-ID: <1@a>\nFrom: a@b\n\n",
		COMPLETE, "", 0},
	{">From_",
		">From root Sun Nov 22 04:05:06 2026\nDate: now\n"
		"Message-ID: <1@a>\nFrom: a@b\n\n",
		COMPLETE, "", 0},
	{"From_ is not the first line",
		"Date: now\nMessage-ID: <1@a>\nFrom: a@b\nFrom x\n", COMPLETE,
		"From x\n", HEADER_ENDED_EARLY},
	{"two From_ lines", "From a\nFrom b\n", ADDED_DATE ADDED_ID ADDED_FROM,
		"From b\n",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM | HEADER_ENDED_EARLY},
	{"nothing continues From_", "From a\n b\n",
		ADDED_DATE ADDED_ID ADDED_FROM, " b\n",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM | HEADER_ENDED_EARLY},
	{"a field, not From_", "From : a@b\nDate\t:now\nMessage-ID \t: <1>\n\n",
		"From: a@b\r\nDate:now\r\nMessage-ID: <1>\r\n", "", 0},
	/* missing though there */
	{"blank From, Date, Message-ID",
		"From:\nSubject: x\nDate: \n\t \nMessage-ID: <>\n\n",
		"Subject: x\r\n" ADDED_DATE ADDED_ID ADDED_FROM, "",
		HEADER_ADDED_DATE | HEADER_ADDED_MESSAGE_ID |
			HEADER_ADDED_FROM},
	{"a blank From and a good one",
		"From: <>\nDate: now\nMessage-ID: <1@a>\nFrom: a@b\n\n",
		COMPLETE, "", 0},
	{"other blank fields stay", COMPLETE "To:\nSubject: \n\n",
		COMPLETE "To:\r\nSubject: \r\n", "", 0},
	/* Bcc */
	{"Bcc", COMPLETE "Bcc: secret@x\nTo: y\n\n", COMPLETE "To: y\r\n", "",
		HEADER_REMOVED_BCC},
	{"several, folded, any case",
		"bcc: a,\n b,\n\tc\n" COMPLETE "BCC:\nTo: y\nResent-Bcc:\n d\n"
		"resent-BCC : e\n f\n\n",
		COMPLETE "To: y\r\n", "", HEADER_REMOVED_BCC},
	{"like Bcc", COMPLETE "X-Bcc: x\nBccs: y\nBc: z\n\n",
		COMPLETE "X-Bcc: x\r\nBccs: y\r\nBc: z\r\n", "", 0},
	/* lines */
	{"blank continuation lines",
		COMPLETE "Subject: a\n \n b\n\t\n \t \nTo: \n \n\n",
		COMPLETE "Subject: a\r\n b\r\nTo: \r\n", "", 0},
	{"white space before the colon", COMPLETE "Subject \t: a\n b\n\n",
		COMPLETE "Subject: a\r\n b\r\n", "", 0},
	{"control characters stay", COMPLETE "Subject: a\x01\x7f\tb\n\n",
		COMPLETE "Subject: a\x01\x7f\tb\r\n", "", 0},
	{"bare CR is a space", COMPLETE "Subject: a\rX-Evil: b\n\n",
		COMPLETE "Subject: a X-Evil: b\r\n", "", 0},
	/* 8-bit */
	{"encoded", COMPLETE "Subject: B\xc3\xbcro\nTo: \"B\xfcro\" <a@b>\n\n",
		COMPLETE "Subject: =?UTF-8?Q?B=C3=BCro?=\r\n"
			 "To: =?ISO-8859-1?Q?B=FCro?= <a@b>\r\n",
		"", HEADER_ENCODED_8BIT},
	{"encoded and put in order",
		COMPLETE "Subject :B\xc3\xbcro\n \n eins\n\n",
		COMPLETE "Subject: =?UTF-8?Q?B=C3=BCro?=\r\n eins\r\n", "",
		HEADER_ENCODED_8BIT},
	{"lines of a list that was encoded",
		COMPLETE
		"To: \"M\xc3\xbcller, Hans\" <hans.mueller@example.org>, "
		"Erika Mustermann <em@example.org>, x@y\n\n",
		COMPLETE "To: =?UTF-8?Q?M=C3=BCller=2C_Hans?= "
			 "<hans.mueller@example.org>,\r\n"
			 " Erika Mustermann <em@example.org>, x@y\r\n",
		"", HEADER_ENCODED_8BIT},
};

static void table(void **state)
{
	struct header_result result;
	struct buf out, expected;
	const char *body;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		result = repair(&out, vectors[i].in, &plain, &body);
		buf_init(&expected, OUT_MAX);
		assert_int_equal(
			buf_addf(&expected, RECEIVED "%s\r\n", vectors[i].out),
			0);
		assert_string_equal(out.data, expected.data);
		assert_string_equal(body, vectors[i].body);
		assert_int_equal(result.repairs, vectors[i].repairs);
		assert_false(result.needs_smtputf8);
		buf_free(&out);
		buf_free(&expected);
	}
}

/* Real mail, whole. What is fine is the same octet by octet. */
static const struct {
	const char *name;
	const char *in;
	const char *out; /* NULL: as it was */
} samples[] = {
	{"a scanner",
		"From: \"Kopierer B\xfcro\" <scan@kopierer.lan>\n"
		"To: chef@example.org\n"
		"Subject: Gescanntes Dokument f\xfcr Herrn M\xfcller\n"
		"MIME-Version: 1.0\n"
		"X-Mailer: KONICA MINOLTA bizhub C258\n"
		"Content-Type: application/pdf; name=\"Pr\xfc"
		"fung.pdf\"\n\n",
		"From: =?ISO-8859-1?Q?Kopierer_B=FCro?= <scan@kopierer.lan>\r\n"
		"To: chef@example.org\r\n"
		"Subject: Gescanntes Dokument "
		"=?ISO-8859-1?Q?f=FCr_Herrn_M=FCller?=\r\n"
		"MIME-Version: 1.0\r\n"
		"X-Mailer: KONICA MINOLTA bizhub C258\r\n"
		"Content-Type: application/pdf; "
		"name*=ISO-8859-1''Pr%FCfung.pdf\r\n" ADDED_DATE ADDED_ID},
	{"cron",
		"From: root (Cron Daemon)\n"
		"To: root\n"
		"Subject: Cron <root@nas> test -x /usr/sbin/anacron || ( cd / "
		"&& run-parts --report /etc/cron.daily )\n"
		"MIME-Version: 1.0\n"
		"Content-Type: text/plain; charset=UTF-8\n"
		"Content-Transfer-Encoding: 8bit\n"
		"X-Cron-Env: <SHELL=/bin/sh>\n"
		"Message-Id: <20261122040506.1@nas>\n"
		"Date: Sun, 22 Nov 2026 04:05:06 +0000 (UTC)\n\n",
		NULL},
	{"PHP mail()",
		"To: J\xc3\xb6rg <joerg@example.org>\n"
		"Subject: Ihre Bestellung \xe2\x80\x93 vielen Dank!\n"
		"X-PHP-Originating-Script: 1000:shop.php\n"
		"From: Shop <shop@example.org>\n"
		"Bcc: archiv@example.org\n\n",
		"To: =?UTF-8?Q?J=C3=B6rg?= <joerg@example.org>\r\n"
		"Subject: Ihre Bestellung =?UTF-8?B?4oCT?= vielen Dank!\r\n"
		"X-PHP-Originating-Script: 1000:shop.php\r\n"
		"From: Shop <shop@example.org>\r\n" ADDED_DATE ADDED_ID},
	{"Outlook",
		"From: \"M\xfcller, Hans (Einkauf)\" <hans@example.org>\n"
		"To: =?iso-8859-1?Q?J=F6rg?= <joerg@example.org>,\n"
		"\t'erika@example.org'\n"
		"Subject: AW: Angebot\n"
		"Thread-Topic: Angebot\n"
		"Thread-Index: Ac3x2BzPZ9L0C0bqTbqEx2Z5xq1hXQ==\n"
		"Date: Sun, 22 Nov 2026 04:05:06 +0000\n"
		"Message-ID: <000001d3$0a1b2c3d$@example.org>\n"
		"X-MS-Has-Attach:\n"
		"X-MS-TNEF-Correlator:\n"
		"Content-Type: multipart/mixed;\n"
		"\tboundary=\"----=_NextPart_000_0001_01D3.ABC\"\n\n",
		"From: =?ISO-8859-1?Q?M=FCller=2C_Hans_=28Einkauf=29?= "
		"<hans@example.org>\r\n"
		"To: =?iso-8859-1?Q?J=F6rg?= <joerg@example.org>,\r\n"
		"\t'erika@example.org'\r\n"
		"Subject: AW: Angebot\r\n"
		"Thread-Topic: Angebot\r\n"
		"Thread-Index: Ac3x2BzPZ9L0C0bqTbqEx2Z5xq1hXQ==\r\n"
		"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\n"
		"Message-ID: <000001d3$0a1b2c3d$@example.org>\r\n"
		"X-MS-Has-Attach:\r\n"
		"X-MS-TNEF-Correlator:\r\n"
		"Content-Type: multipart/mixed;\r\n"
		"\tboundary=\"----=_NextPart_000_0001_01D3.ABC\"\r\n"},
	{"a mailing list, signed",
		"Return-Path: <list-bounces@example.org>\n"
		"Received: from a.example by b.example; Sun, 22 Nov 2026 "
		"04:05:06 +0000\n"
		"Received: (from x@localhost)\n"
		"\tby a.example\n"
		"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; "
		"d=example.org; s=2026;\n"
		"        h=from:to:subject : date;  t=1795320306;\n"
		"\tbh=frcCV1k9oG9oKj3dpUqdJg1PxRT2RSN/XKdLCPjaYaY=;\n"
		" b=dzdVyOfAKCdLXdJOc9G2q8LoXSlEniSbav+yuU4zGeeruD00lszZ\n"
		"      VoG4ZHRNiYzR\n"
		"Date: Sun, 22 Nov 2026 04:05:06 +0000\n"
		"From: \"A via List\" <list@example.org>\n"
		"Message-ID: <abc@example.org>\n"
		"References: <1@example.org>\n <2@example.org>\n"
		"\t<3@example.org>\n"
		"List-Id: The list <list.example.org>\n"
		"List-Unsubscribe: <mailto:list-off@example.org>,\n"
		"  <https://example.org/off?a=b&c=%20d>\n"
		"Precedence: list\n\n",
		NULL},
};

static void real_samples(void **state)
{
	struct buf out, expected;
	char text[2048];
	size_t i, k;

	(void)state;
	for (i = 0; i < COUNT_OF(samples); i++) {
		repair(&out, samples[i].in, &plain, NULL);
		buf_init(&expected, OUT_MAX);
		buf_add_string(&expected, RECEIVED);
		if (samples[i].out != NULL) {
			buf_add_string(&expected, samples[i].out);
			buf_add_string(&expected, "\r\n");
		} else {
			snprintf(text, sizeof(text), "%s", samples[i].in);
			for (k = 0; text[k] != '\0'; k++)
				buf_add(&expected,
					text[k] == '\n' ? "\r\n" : text + k,
					text[k] == '\n' ? 2 : 1);
		}
		assert_string_equal(out.data, expected.data);
		buf_free(&out);
		buf_free(&expected);
	}
}

static void smtputf8(void **state)
{
	static const char raw[] = COMPLETE "Subject: B\xc3\xbcro\r\n"
					   "To: J\xc3\xb6rg <j\xc3\xb6@a>\r\n";
	static const char latin1[] = COMPLETE "Subject: B\xfcro\n\n";
	static const char address[] =
		COMPLETE "To: J\xc3\xb6rg <j\xc3\xb6@a>\n\n";
	struct header_context c = plain;
	struct header_result result;
	struct buf out;

	(void)state;
	c.smtputf8 = true;
	result = repair(&out, raw, &c, NULL);
	assert_non_null(strstr(out.data, raw));
	assert_true(result.needs_smtputf8);
	assert_int_equal(result.repairs, HEADER_ENDED_EARLY);
	buf_free(&out);
	/* asked for and not needed */
	result = repair(&out, COMPLETE "\n", &c, NULL);
	assert_false(result.needs_smtputf8);
	buf_free(&out);
	/* no UTF-8: encoded in any case */
	result = repair(&out, latin1, &c, NULL);
	assert_non_null(
		strstr(out.data, "Subject: =?ISO-8859-1?Q?B=FCro?=\r\n"));
	assert_false(result.needs_smtputf8);
	assert_int_equal(result.repairs, HEADER_ENCODED_8BIT);
	buf_free(&out);
	/* not asked for and needed */
	result = repair(&out, address, &plain, NULL);
	assert_non_null(strstr(
		out.data, "To: =?UTF-8?Q?J=C3=B6rg?= <j\xc3\xb6@a>\r\n"));
	assert_true(result.needs_smtputf8);
	assert_int_equal(result.repairs, HEADER_ENCODED_8BIT);
	buf_free(&out);
	/* nothing but the address: nothing was encoded */
	result = repair(&out, COMPLETE "To: <j\xc3\xb6@a>\n\n", &plain, NULL);
	assert_true(result.needs_smtputf8);
	assert_int_equal(result.repairs, 0);
	buf_free(&out);
}

/* What we add ourselves quotes strangers: the name of a client, an address. */
static void own_fields(void **state)
{
	struct header_context c = plain;
	struct header_result result;
	struct buf out;

	(void)state;
	c.received = "from a\r\nX-Evil: b\x7f (\xc3\xbc) by \xff";
	c.message_id = "a\nb@c";
	c.from_address = "a\rb@c";
	result = repair(&out, "\n", &c, NULL);
	assert_string_equal(out.data,
		"Received: from a  X-Evil: b? (?"
		"?) by ?\r\n" ADDED_DATE
		"Message-ID: <a b@c>\r\nFrom: a b@c\r\n\r\n");
	assert_false(result.needs_smtputf8);
	buf_free(&out);

	c = plain;
	c.from_address = "j\xc3\xb6@a";
	result = repair(&out, "\n", &c, NULL);
	assert_non_null(strstr(out.data, "From: j\xc3\xb6@a\r\n"));
	assert_true(result.needs_smtputf8);
	buf_free(&out);

	c = plain;
	c.smtputf8 = true;
	c.received = "from a for <j\xc3\xb6@a>";
	result = repair(&out, COMPLETE "\n", &c, NULL);
	assert_non_null(strstr(out.data, "Received: from a for <j\xc3\xb6@a>"));
	assert_true(result.needs_smtputf8);
	buf_free(&out);
}

static void received_folded(void **state)
{
	struct header_context c = plain;
	struct header_result result;
	struct buf out;

	(void)state;
	c.received = "from printer.lan (printer.lan [192.168.1.20]) by "
		     "relay.example.org (gmrelayd) with ESMTP id "
		     "0123456789abcdef for <someone@example.org>; Sun, 22 Nov "
		     "2026 04:05:06 +0000";
	result = repair(&out, COMPLETE "\n", &c, NULL);
	assert_string_equal(out.data,
		"Received: from printer.lan (printer.lan [192.168.1.20]) by "
		"relay.example.org\r\n"
		" (gmrelayd) with ESMTP id 0123456789abcdef for "
		"<someone@example.org>;\r\n"
		" Sun, 22 Nov 2026 04:05:06 +0000\r\n" COMPLETE "\r\n");
	assert_int_equal(result.repairs, 0);
	buf_free(&out);
}

static void dates(void **state)
{
	static const struct {
		int64_t now_s;
		int utc_offset_s;
		const char *text;
	} rows[] = {
		{0, 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
		{1795320306, 0, "Sun, 22 Nov 2026 04:05:06 +0000"},
		{1795320306, 3600, "Sun, 22 Nov 2026 05:05:06 +0100"},
		{1795320306, -18000, "Sat, 21 Nov 2026 23:05:06 -0500"},
		{1795320306, 19800, "Sun, 22 Nov 2026 09:35:06 +0530"},
		{1795320306, -12600, "Sun, 22 Nov 2026 00:35:06 -0330"},
		{1795320306, -1800, "Sun, 22 Nov 2026 03:35:06 -0030"},
		/* what is no whole minute cannot be written */
		{1795320306, 3661, "Sun, 22 Nov 2026 05:06:06 +0101"},
		{1795320306, -1830, "Sun, 22 Nov 2026 03:35:06 -0030"},
		{1709164800, 0, "Thu, 29 Feb 2024 00:00:00 +0000"},
		{1704067199, 0, "Sun, 31 Dec 2023 23:59:59 +0000"},
		{-1, 0, "Wed, 31 Dec 1969 23:59:59 +0000"},
		{4102444800, 0, "Fri, 01 Jan 2100 00:00:00 +0000"},
		/* nonsense */
		{1795320306, 86400, "Sun, 22 Nov 2026 04:05:06 +0000"},
		{1795320306, -2147483647, "Sun, 22 Nov 2026 04:05:06 +0000"},
		{INT64_MAX, 3600, "Thu, 01 Jan 1970 00:00:00 +0000"},
		{INT64_MIN, -3600, "Thu, 01 Jan 1970 00:00:00 +0000"},
		{300000000000, 0, "Thu, 01 Jan 1970 00:00:00 +0000"},
	};
	char text[64], small[8], stamp[DATE_STAMP_SIZE];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		assert_string_equal(
			date_print(rows[i].now_s, rows[i].utc_offset_s, text,
				sizeof(text)),
			rows[i].text);
	assert_string_equal(date_print(0, 0, small, 8), "Thu, 01");
	assert_ptr_equal(date_print_stamp(1795320306, 7, stamp), stamp);
	assert_string_equal(stamp, "2026-11-22T04:05:06.007Z");
	date_print_stamp(951868799, 999, stamp);
	assert_string_equal(stamp, "2000-02-29T23:59:59.999Z");
	date_print_stamp(INT64_MAX, 0, stamp);
	assert_string_equal(stamp, "1970-01-01T00:00:00.000Z");
}

static void repairs(void **state)
{
	char text[HEADER_REPAIRS_SIZE], small[16];
	unsigned all = (HEADER_ENDED_EARLY << 1) - 1;
	const char *last = ",domain-added";

	(void)state;
	assert_string_equal(header_repairs_print(0, text, sizeof(text)), "");
	assert_string_equal(
		header_repairs_print(HEADER_ADDED_DATE | HEADER_REMOVED_BCC,
			text, sizeof(text)),
		"no-date,bcc-removed");
	assert_string_equal(header_repairs_print(all, text, sizeof(text)),
		"no-date,no-message-id,no-from,bcc-removed,8bit-encoded,folded,"
		"ended-early");
	/* all there are fit, or the last would miss */
	header_repairs_print(~0U, text, sizeof(text));
	assert_string_equal(text + strlen(text) - strlen(last), last);
	assert_string_equal(header_repairs_print(all, small, 8), "no-date");
	assert_string_equal(header_repairs_print(all, small, 7), "");
	assert_string_equal(header_repairs_print(all, small, 15), "no-date");
	small[0] = 'x';
	header_repairs_print(all, small, 0);
	assert_int_equal(small[0], 'x');
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(real_samples),
		cmocka_unit_test(smtputf8),
		cmocka_unit_test(own_fields),
		cmocka_unit_test(received_folded),
		cmocka_unit_test(dates),
		cmocka_unit_test(repairs),
	};

	return cmocka_run_group_tests_name("header", tests, NULL, NULL);
}
