/*
 * test_sender.c - who a message is from: samples of what programs and devices
 *                 write, and what leaves.
 */
#include "config.h"

#include "proto/sender.h"
#include "sender_fixture.h"

#include <stdio.h>

#define ORIGINAL "X-Original-From: "
#define SIGNED   "DKIM-Signature: v=1; d=x;\r\n b=abc\r\n"

enum {
	REWROTE = HEADER_REWROTE_FROM,
	REPLY = HEADER_REWROTE_FROM | HEADER_ADDED_REPLY_TO,
	MENDED = HEADER_REPAIRED_FROM,
};

struct vector {
	const char *name;
	const char *in; /* behind REST */
	const char *out;
	unsigned repairs;
};

/* from = "auto": the account's own, or a send-as address */
static const struct vector own[] = {
	{"account", "From: me@gmail.com\r\n", "From: me@gmail.com\r\n", 0},
	{"in other case, with a name", "From: A B <ME@Gmail.Com>\r\n",
		"From: A B <ME@Gmail.Com>\r\n", 0},
	{"send-as", "From: \"B, A\" <alias@EXAMPLE.com>\r\n",
		"From: \"B, A\" <alias@EXAMPLE.com>\r\n", 0},
	{"with its signature", SIGNED "From: me@gmail.com (Me)\r\n",
		SIGNED "From: me@gmail.com (Me)\r\n", 0},
	{"encoded-words stay",
		"From: =?ISO-2022-JP?B?GyRC?= =?utf-8?q?=C3=BC?= <me@gmail.com>"
		"\r\n",
		"From: =?ISO-2022-JP?B?GyRC?= =?utf-8?q?=C3=BC?= <me@gmail.com>"
		"\r\n",
		0},
	{"8-bit name", "From: J\xc3\xb6rg <me@gmail.com>\r\n",
		"From: =?UTF-8?Q?J=C3=B6rg?= <me@gmail.com>\r\n",
		HEADER_ENCODED_8BIT},
	{"an encoded-word inside quotes",
		SIGNED "From: \"=?UTF-8?Q?J=C3=B6rg?=\" <me@gmail.com>\r\n",
		"From: =?UTF-8?Q?J=C3=B6rg?= <me@gmail.com>\r\n",
		MENDED | HEADER_REMOVED_DKIM},
	{"a name behind 8-bit text",
		"From: me@gmail.com\r\nTo: \xa2<Sender: f\r\n",
		"From: me@gmail.com\r\nTo: "
		"=?ISO-8859-1?Q?=A2=3CSender?= : f@relay.example.org\r\n",
		HEADER_ENCODED_8BIT | HEADER_ADDED_DOMAIN},
	{"a missing bracket", "From: Me <me@gmail.com\r\n",
		"From: \"Me\" <me@gmail.com>\r\n", MENDED},
	{"no brackets", "From: Me me@gmail.com\r\n",
		"From: \"Me\" <me@gmail.com>\r\n", MENDED},
	{"no quotes", "From: B, A <me@gmail.com>\r\n",
		"From: \"B, A\" <me@gmail.com>\r\n", MENDED},
	{"brackets without quotes", "From: [alert] x <me@gmail.com>\r\n",
		"From: \"[alert] x\" <me@gmail.com>\r\n", MENDED},
	{"several: the first", "From: me@gmail.com, you@example.org\r\n",
		"From: me@gmail.com\r\n", MENDED},
	{"a group", "From: us: Me <me@gmail.com>, you@example.org;\r\n",
		"From: \"Me\" <me@gmail.com>\r\n", MENDED},
	{"Sender goes", "Sender: x@example.org\r\nFrom: me@gmail.com\r\n",
		"From: me@gmail.com\r\n", HEADER_REMOVED_SENDER},
	{"Reply-To and X-Original-From stay",
		"From: me@gmail.com\r\nReply-To: a@b.org\r\n" ORIGINAL "x\r\n",
		"From: me@gmail.com\r\nReply-To: a@b.org\r\n" ORIGINAL "x\r\n",
		0},
};

/* from = "auto": somebody else's */
static const struct vector foreign[] = {
	{"cron", "From: root (Cron Daemon)\r\nTo: root\r\n",
		"From: \"Cron Daemon (root@relay.example.org)\" <me@gmail.com>"
		"\r\n" ORIGINAL
		"root (Cron Daemon)\r\nTo: root@relay.example.org\r\n",
		REWROTE | HEADER_ADDED_DOMAIN},
	{"cronie", "From: \"(Cron Daemon)\" <root@web1.lan>\r\n",
		"From: \"(Cron Daemon) (root@web1.lan)\" <me@gmail.com>\r\n" ORIGINAL
		"\"(Cron Daemon)\" <root@web1.lan>\r\n",
		REWROTE},
	{"systemd-cron", "From: root@localhost (systemd-cron)\r\n",
		"From: \"systemd-cron (root@localhost)\" <me@gmail.com>\r\n" ORIGINAL
		"root@localhost (systemd-cron)\r\n",
		REWROTE},
	{"smtplib", "From: root@localhost\r\n",
		"From: \"root@localhost\" <me@gmail.com>\r\n" ORIGINAL
		"root@localhost\r\n",
		REWROTE},
	{"a user alone", "From: root\r\n",
		"From: \"root@relay.example.org\" <me@gmail.com>\r\n" ORIGINAL
		"root\r\n",
		REWROTE},
	{"a user in brackets", "From: Charlie Root <root>\r\n",
		"From: \"Charlie Root (root@relay.example.org)\" <me@gmail.com>"
		"\r\n" ORIGINAL "Charlie Root <root>\r\n",
		REWROTE},
	{"PHP mail()", "From: webmaster@example.com\r\nX-Mailer: PHP/8.2\r\n",
		"From: \"webmaster@example.com\" <me@gmail.com>\r\n"
		"Reply-To: webmaster@example.com\r\n" ORIGINAL
		"webmaster@example.com\r\nX-Mailer: PHP/8.2\r\n",
		REPLY},
	{"PHP mail(), Reply-To there",
		"From: Shop <www-data@shop>\r\nReply-To: a@example.com\r\n",
		"From: \"Shop (www-data@shop)\" <me@gmail.com>\r\n" ORIGINAL
		"Shop <www-data@shop>\r\nReply-To: a@example.com\r\n",
		REWROTE},
	{"an empty Reply-To", "Reply-To:\r\nFrom: a@example.com\r\n",
		"From: \"a@example.com\" <me@gmail.com>\r\n"
		"Reply-To: a@example.com\r\n" ORIGINAL "a@example.com\r\n",
		REPLY},
	{"a printer", "From: Canon MF240 <scan@printer.local>\r\n",
		"From: \"Canon MF240 (scan@printer.local)\" <me@gmail.com>\r\n" ORIGINAL
		"Canon MF240 <scan@printer.local>\r\n",
		REWROTE},
	{"a printer without address", "From: HP LaserJet 400\r\n",
		"From: \"HP LaserJet 400\" <me@gmail.com>\r\n" ORIGINAL
		"HP LaserJet 400\r\n",
		REWROTE},
	{"a printer, encoded, without address",
		"From: =?utf-8?q?B=C3=BCro?=\r\n",
		"From: =?UTF-8?Q?B=C3=BCro?= <me@gmail.com>\r\n" ORIGINAL
		"=?utf-8?q?B=C3=BCro?=\r\n",
		REWROTE},
	{"a printer, empty brackets", "From: \"Scan To Mail\" <>\r\n",
		"From: \"Scan To Mail\" <me@gmail.com>\r\n" ORIGINAL
		"\"Scan To Mail\" <>\r\n",
		REWROTE},
	{"an address literal", "From: MFP <scan@[192.0.2.9]>\r\n",
		"From: \"MFP (scan@[192.0.2.9])\" <me@gmail.com>\r\n" ORIGINAL
		"MFP <scan@[192.0.2.9]>\r\n",
		REWROTE},
	{"an IPv6 literal, bare", "From: scan@[IPv6:2001:db8::1]\r\n",
		"From: \"scan@[IPv6:2001:db8::1]\" <me@gmail.com>\r\n" ORIGINAL
		"scan@[IPv6:2001:db8::1]\r\n",
		REWROTE},
	{"doubled brackets", "From: Cam <<cam@example.com>>\r\n",
		"From: \"Cam (cam@example.com)\" <me@gmail.com>\r\n"
		"Reply-To: \"Cam\" <cam@example.com>\r\n" ORIGINAL
		"Cam <<cam@example.com>>\r\n",
		REPLY},
	{"the address twice", "From: a@example.com <a@example.com>\r\n",
		"From: \"a@example.com\" <me@gmail.com>\r\n"
		"Reply-To: \"a@example.com\" <a@example.com>\r\n" ORIGINAL
		"a@example.com <a@example.com>\r\n",
		REPLY},
	{"a mailing list",
		SIGNED "Sender: list-bounces@lists.example.org\r\n"
		       "From: Jane Doe via list <list@lists.example.org>\r\n"
		       "Reply-To: jane@example.net\r\n"
		       "List-Id: <list.lists.example.org>\r\n",
		"From: \"Jane Doe via list (list@lists.example.org)\" "
		"<me@gmail.com>\r\n" ORIGINAL
		"Jane Doe via list <list@lists.example.org>\r\n"
		"Reply-To: jane@example.net\r\n"
		"List-Id: <list.lists.example.org>\r\n",
		REWROTE | HEADER_REMOVED_DKIM | HEADER_REMOVED_SENDER},
	{"Outlook", "From: \"M\xfcller, Hans\" <hm@example.com>\r\n",
		"From: =?UTF-8?Q?M=C3=BCller=2C_Hans_=28hm=40example=2Ecom=29?="
		"\r\n <me@gmail.com>\r\n"
		"Reply-To: =?UTF-8?Q?M=C3=BCller=2C_Hans?= <hm@example.com>\r\n" ORIGINAL
		"=?ISO-8859-1?Q?=22M=FCller=2C?= Hans\" <hm@example.com>\r\n",
		REPLY | HEADER_ENCODED_8BIT},
	{"Outlook, semicolons",
		"From: Doe, John; Roe, Jane <jr@example.com>\r\n",
		"From: \"Doe, John, Roe, Jane (jr@example.com)\" "
		"<me@gmail.com>\r\n"
		"Reply-To: \"Doe, John, Roe, Jane\" <jr@example.com>\r\n" ORIGINAL
		"Doe, John; Roe, Jane <jr@example.com>\r\n",
		REPLY},
	{"Outlook [mailto:]", "From: John [mailto:john@example.com]\r\n",
		"From: \"John (john@example.com)\" <me@gmail.com>\r\n"
		"Reply-To: \"John\" <john@example.com>\r\n" ORIGINAL
		"John [mailto:john@example.com]\r\n",
		REPLY},
	{"mailto:", "From: mailto:john@example.com\r\n",
		"From: \"john@example.com\" <me@gmail.com>\r\n"
		"Reply-To: john@example.com\r\n" ORIGINAL
		"mailto:john@example.com\r\n",
		REPLY},
	{"a group of two",
		"From: Staff: Al <al@example.com>, bo@example.com;\r\n",
		"From: \"Al (al@example.com)\" <me@gmail.com>\r\n"
		"Reply-To: \"Al\" <al@example.com>\r\n" ORIGINAL
		"Staff: Al <al@example.com>, bo@example.com;\r\n",
		REPLY},
	{"an empty group", "From: undisclosed-recipients:;\r\n",
		"From: me@gmail.com\r\n" ORIGINAL
		"undisclosed-recipients:;\r\n",
		REWROTE},
	{"no address that anybody could have", "From: a.@b.test\r\n",
		"From: me@gmail.com\r\n" ORIGINAL "a.@b.test\r\n", REWROTE},
	{"several", "From: a@example.com,\r\n b@example.com\r\n",
		"From: \"a@example.com\" <me@gmail.com>\r\n"
		"Reply-To: a@example.com\r\n" ORIGINAL
		"a@example.com,\r\n b@example.com\r\n",
		REPLY},
	{"commas alone", "From: , ,\r\n",
		"From: me@gmail.com\r\n" ORIGINAL ", ,\r\n", REWROTE},
	{"a source route", "From: <@a.org,@b.org:c@example.com>\r\n",
		"From: \"c@example.com\" <me@gmail.com>\r\n"
		"Reply-To: c@example.com\r\n" ORIGINAL
		"<@a.org,@b.org:c@example.com>\r\n",
		REPLY},
	{"Q, several words",
		"From: =?utf-8?Q?J=C3=B6rg?= =?utf-8?q?_M?= <j@x.lan>\r\n",
		"From: =?UTF-8?Q?J=C3=B6rg_M_=28j=40x=2Elan=29?= "
		"<me@gmail.com>\r\n" ORIGINAL
		"=?utf-8?Q?J=C3=B6rg?= =?utf-8?q?_M?= <j@x.lan>\r\n",
		REWROTE},
	{"B, US-ASCII inside", "From: =?UTF-8?B?U2Nhbm5lcg==?= <s@x.lan>\r\n",
		"From: \"Scanner (s@x.lan)\" <me@gmail.com>\r\n" ORIGINAL
		"=?UTF-8?B?U2Nhbm5lcg==?= <s@x.lan>\r\n",
		REWROTE},
	{"in quotes", "From: \"=?windows-1252?Q?=80uro?=\" <s@x.lan>\r\n",
		"From: =?UTF-8?Q?=E2=82=ACuro_=28s=40x=2Elan=29?= "
		"<me@gmail.com>\r\n" ORIGINAL
		"\"=?windows-1252?Q?=80uro?=\" <s@x.lan>\r\n",
		REWROTE},
	{"an unknown charset", "From: =?koi8-r?B?8NLJ18XU?= Bot <s@x.lan>\r\n",
		"From: =?koi8-r?B?8NLJ18XU?= \"Bot (s@x.lan)\" "
		"<me@gmail.com>\r\n" ORIGINAL
		"=?koi8-r?B?8NLJ18XU?= Bot <s@x.lan>\r\n",
		REWROTE},
	{"an unknown charset, unsafe", "From: =?koi8-r?Q?a,b(c?= <s@x.lan>\r\n",
		"From: =?UTF-8?Q?=3D=3Fkoi8-r=3FQ=3Fa=2Cb=28c=3F=3D_=28s=40x"
		"=2Elan=29?=\r\n <me@gmail.com>\r\n" ORIGINAL
		"=?koi8-r?Q?a,b(c?= <s@x.lan>\r\n",
		REWROTE},
	{"quotes in the name", "From: \"The \\\"Box\\\" \\\\\" <b@x.lan>\r\n",
		"From: \"The \\\"Box\\\" \\\\ (b@x.lan)\" <me@gmail.com>\r\n" ORIGINAL
		"\"The \\\"Box\\\" \\\\\" <b@x.lan>\r\n",
		REWROTE},
	{"X-Original-From there", ORIGINAL "x\r\nFrom: a@x.lan\r\n",
		"From: \"a@x.lan\" <me@gmail.com>\r\n" ORIGINAL "a@x.lan\r\n",
		REWROTE},
	{"no From: the reverse-path", "Subject: x\r\n",
		"Subject: x\r\nFrom: \"root@localhost\" <me@gmail.com>\r\n",
		REWROTE | HEADER_ADDED_FROM},
};

/* from = "keep" */
static const struct vector kept[] = {
	{"somebody else's",
		SIGNED "Sender: s@b\r\nFrom: =?koi8-r?B?8NI=?= <a@b>\r\n",
		SIGNED "Sender: s@b\r\nFrom: =?koi8-r?B?8NI=?= <a@b>\r\n", 0},
	{"several", "From: a@b.org, C <c@d.org>\r\nSender: a@b.org\r\n",
		"From: a@b.org, C <c@d.org>\r\nSender: a@b.org\r\n", 0},
	{"a group", "From: us: a@b.org, C <c@d.org>;\r\n",
		"From: us: a@b.org, C <c@d.org>;\r\n", 0},
	{"cron", "From: root (Cron Daemon)\r\n",
		"From: \"Cron Daemon\" <root@relay.example.org>\r\n", MENDED},
	{"a user alone", "From: root\r\n", "From: root@relay.example.org\r\n",
		MENDED},
	{"an encoded-word that is an address", "From: X <=?a?q?b?=>,\r\n",
		"From: \"X\" <=?a?q?b?=@relay.example.org>\r\n", MENDED},
	{"the same, without a name", "From: <=?a?q?b?=>\r\n",
		"From: <=?a?q?b?=@relay.example.org>\r\n", MENDED},
	{"a name alone", "From: Front Door\r\n",
		"From: \"Front Door\" <root@localhost>\r\n", MENDED},
	{"a missing bracket", "From: X <a@b.org\r\n",
		"From: \"X\" <a@b.org>\r\n", MENDED},
	{"a trailing comma", "From: a@b.org,\r\n", "From: a@b.org\r\n", MENDED},
	{"no From", "", "From: root@localhost\r\n", HEADER_ADDED_FROM},
};

/* from = "account" */
static const struct vector of_account[] = {
	{"account", "From: Me <me@gmail.com>\r\nSender: x@y\r\n",
		"From: Me <me@gmail.com>\r\n", HEADER_REMOVED_SENDER},
	{"send-as", "From: Al <alias@example.com>\r\n",
		"From: \"Al (alias@example.com)\" <me@gmail.com>\r\n"
		"Reply-To: \"Al\" <alias@example.com>\r\n" ORIGINAL
		"Al <alias@example.com>\r\n",
		REPLY},
};

/* whatever the policy */
static const struct vector duplicates[] = {
	{"the first wins",
		"From: me@gmail.com\r\nTo: a@a\r\nfrom: b@c\r\nTO: b\r\n"
		"Cc: c@c\r\nCc: d\r\nSubject: e\r\nsubject: f\r\nReply-To: g@h\r\n"
		"Reply-To: i@j\r\nIn-Reply-To: <k>\r\nIn-Reply-To: <l>\r\n"
		"References: <m>\r\nReferences: <n>\r\nDate: o\r\n"
		"Message-ID: <p>\r\nX-A: q\r\nX-A: r\r\n",
		"From: me@gmail.com\r\nTo: a@a\r\nCc: c@c\r\nSubject: e\r\n"
		"Reply-To: g@h\r\nIn-Reply-To: <k>\r\nReferences: <m>\r\n"
		"X-A: q\r\nX-A: r\r\n",
		HEADER_REMOVED_DUPLICATE},
	{"an empty one does not",
		"To: \r\nFrom: <>\r\nFrom: me@gmail.com\r\nTo: a@a\r\n"
		"Subject:\r\n",
		"From: me@gmail.com\r\nTo: a@a\r\nSubject:\r\n", 0},
	{"all of them empty", "From: me@gmail.com\r\nTo:\r\nTo:\r\n",
		"From: me@gmail.com\r\nTo:\r\n", 0},
};

static void check(const struct vector *v, const char *in, enum sender_mode mode)
{
	struct header_result result;
	struct buf out;
	char text[2048];

	snprintf(text, sizeof(text), "%s%s\r\n", REST, in);
	result = repair_sender(&out, text, mode);
	assert_memory_equal(out.data, REST, strlen(REST));
	if (strcmp(out.data + strlen(REST), v->out) != 0 ||
		result.repairs != v->repairs)
		print_error("\n%s (repairs %x):\n%s", v->name, result.repairs,
			out.data);
	assert_string_equal(out.data + strlen(REST), v->out);
	assert_int_equal(result.repairs, v->repairs);
	assert_false(result.needs_smtputf8);
	buf_free(&out);
}

/* Once more over its own output: nothing changes. */
static void check_again(const struct vector *v, enum sender_mode mode)
{
	struct vector again = {v->name, v->out, v->out, 0};

	if (!(v->repairs & HEADER_ADDED_FROM))
		check(&again, v->out, mode);
}

static void run(const struct vector *v, size_t count, enum sender_mode mode)
{
	size_t i;

	for (i = 0; i < count; i++) {
		check(&v[i], v[i].in, mode);
		check_again(&v[i], mode);
	}
}

static void own_from(void **state)
{
	(void)state;
	run(own, COUNT_OF(own), SENDER_AUTO);
}

static void foreign_from(void **state)
{
	(void)state;
	run(foreign, COUNT_OF(foreign), SENDER_AUTO);
}

static void kept_from(void **state)
{
	(void)state;
	run(kept, COUNT_OF(kept), SENDER_KEEP);
}

static void account_from(void **state)
{
	(void)state;
	run(of_account, COUNT_OF(of_account), SENDER_ACCOUNT);
}

static void duplicate_fields(void **state)
{
	(void)state;
	run(duplicates, COUNT_OF(duplicates), SENDER_AUTO);
	run(duplicates, COUNT_OF(duplicates), SENDER_KEEP);
}

/* An address that cannot be written in US-ASCII: the account can. */
static void utf8_address(void **state)
{
	struct header_result result;
	struct buf out;

	(void)state;
	result = repair_sender(
		&out, REST "From: \xc3\xb6@\xc3\xb6.lan\r\n\r\n", SENDER_AUTO);
	assert_int_equal(
		result.repairs, HEADER_REWROTE_FROM | HEADER_ENCODED_8BIT);
	assert_false(result.needs_smtputf8);
	buf_free(&out);
	/* to reply to it needs it as it is */
	result = repair_sender(
		&out, REST "From: \xc3\xb6@\xc3\xb6.org\r\n\r\n", SENDER_AUTO);
	assert_true(result.needs_smtputf8);
	assert_non_null(
		strstr(out.data, "Reply-To: \xc3\xb6@\xc3\xb6.org\r\n"));
	buf_free(&out);
}

/* What is too long to repeat is shortened, names are cut, no line is long. */
/* Where names without a domain are people, they can be answered. */
static void default_domain(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"From: Jan <jan>\r\n",
			"From: \"Jan (jan@relay.example.org)\" <me@gmail.com>\r\n"
			"Reply-To: \"Jan\" <jan@relay.example.org>\r\n" ORIGINAL
			"Jan <jan>\r\n"},
		{"From: jan\r\nReply-To: a@example.com\r\n",
			"From: \"jan@relay.example.org\" <me@gmail.com>\r\n" ORIGINAL
			"jan\r\nReply-To: a@example.com\r\n"},
	};
	const struct sender_policy policy = policy_with(SENDER_AUTO);
	struct header_context c = context_of(&policy);
	char text[512];
	struct buf out;
	size_t i;

	(void)state;
	c.domain_takes_mail = true;
	for (i = 0; i < COUNT_OF(rows); i++) {
		snprintf(text, sizeof(text), REST "%s\r\n", rows[i].in);
		repair(&out, text, &c, NULL);
		assert_non_null(strstr(out.data, rows[i].out));
		buf_free(&out);
	}
}

/* An account may be one of these people. */
static void default_domain_of_account(void **state)
{
	const struct sender_policy policy = policy_with(SENDER_AUTO);
	struct header_context c = context_of(&policy);
	struct buf out;

	(void)state;
	c.domain = "gmail.com";
	c.domain_takes_mail = true;
	repair(&out, REST "From: Me <me>\r\n\r\n", &c, NULL);
	assert_non_null(strstr(out.data, "From: \"Me\" <me@gmail.com>\r\n"));
	assert_null(strstr(out.data, "X-Original-From"));
	assert_null(strstr(out.data, "Reply-To"));
	buf_free(&out);
}

static void long_from(void **state)
{
	char text[8192];
	struct header_field f;
	struct buf out;
	size_t len;

	(void)state;
	len = (size_t)snprintf(text, sizeof(text), REST "From: \"");
	memset(text + len, 'x', 3000);
	snprintf(text + len + 3000, sizeof(text) - len - 3000,
		"\" <a@example.com>\r\n\r\n");
	repair_sender(&out, text, SENDER_AUTO);
	assert_int_equal(count_fields(&out, "From", &f), 1);
	assert_true(f.whole_len < 3 * SENDER_NAME_MAX);
	assert_non_null(strstr(out.data, "=28a=40example=2Ecom=29"));
	assert_int_equal(count_fields(&out, "X-Original-From", &f), 1);
	assert_true(f.whole_len < 3 * SENDER_NAME_MAX);
	assert_int_equal(count_fields(&out, "Reply-To", &f), 1);
	assert_true(f.whole_len < 3 * SENDER_NAME_MAX);
	buf_free(&out);
}

static void reverse_path(void **state)
{
	static const struct {
		enum sender_mode mode;
		const char *path, *used;
	} rows[] = {
		{SENDER_AUTO, "", ME},
		{SENDER_AUTO, "root@localhost", ME},
		{SENDER_AUTO, "a@example.org", ME},
		{SENDER_AUTO, "ME@gmail.com", "ME@gmail.com"},
		{SENDER_AUTO, "alias@example.COM", "alias@example.COM"},
		{SENDER_ACCOUNT, "", ME},
		{SENDER_ACCOUNT, "alias@example.com", ME},
		{SENDER_KEEP, "", ME},
		{SENDER_KEEP, "a@example.org", "a@example.org"},
	};
	struct sender_policy policy;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		policy = policy_with(rows[i].mode);
		assert_string_equal(sender_reverse_path(&policy, rows[i].path),
			rows[i].used);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(own_from),
		cmocka_unit_test(foreign_from),
		cmocka_unit_test(kept_from),
		cmocka_unit_test(account_from),
		cmocka_unit_test(duplicate_fields),
		cmocka_unit_test(utf8_address),
		cmocka_unit_test(default_domain),
		cmocka_unit_test(default_domain_of_account),
		cmocka_unit_test(long_from),
		cmocka_unit_test(reverse_path),
	};

	return cmocka_run_group_tests_name("sender", tests, NULL, NULL);
}
