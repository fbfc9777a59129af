/*
 * test_receiver_local.c - recipients and senders of this machine, in a session.
 */
#include "config.h"

#include "fake_journal.h"
#include "session_fixture.h"

#include "base/util.h"
#include "proto/aliases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char file[] = "root: jan\njan: jan@example.net\n"
			   "two: jan, ann@example.net\n"
			   "four: a@x.org, b@x.org, c@x.org, d@x.org\n"
			   "pipe: |/usr/bin/x\n";

static void tell_nobody(void *arg, bool error, unsigned line, const char *text)
{
	(void)arg;
	(void)error;
	(void)line;
	(void)text;
}

/* max-recipients is 3 there. */
static const struct row {
	const char *domain; /* NULL: none */
	const char *said;
	const char *replies;
	const char *envelope; /* NULL: no message */
} rows[] = {
	/* one becomes another, or several */
	{NULL, MAIL "RCPT TO:<root>\r\n", "250/2.1.0 250/2.1.5",
		"from a@example.org\nto jan@example.net\n\n"},
	{NULL, MAIL "RCPT TO:<Jan@LOCALHOST>\r\n", "250/2.1.0 250/2.1.5",
		"from a@example.org\nto jan@example.net\n\n"},
	{NULL, MAIL "RCPT TO: two\r\n", "250/2.1.0 250/2.1.5",
		"\nto jan@example.net\nto ann@example.net\n\n"},
	/* each once */
	{NULL,
		MAIL "RCPT TO:<ann@example.net>\r\nRCPT TO:<two>\r\n"
		     "RCPT TO:<root>\r\n",
		"250/2.1.0 250/2.1.5 250/2.1.5 250/2.1.5",
		"\nto ann@example.net\nto jan@example.net\n\n"},
	/* nobody's alias, the owner's */
	{NULL, MAIL "RCPT TO:<postmaster>\r\n", "250/2.1.0 250/2.1.5",
		"\nto someone@gmail.com\n\n"},
	{NULL, MAIL "RCPT TO:<www-data>\r\n", "250/2.1.0 250/2.1.5",
		"\nto jan@example.net\n\n"},
	{NULL, MAIL "RCPT TO:<bob>\r\n", "250/2.1.0 550/5.1.1", NULL},
	{NULL, MAIL "RCPT TO:<bob@relay.example.org>\r\n",
		"250/2.1.0 250/2.1.5", "\nto bob@relay.example.org\n\n"},
	{"example.com", MAIL "RCPT TO:<bob>\r\n", "250/2.1.0 250/2.1.5",
		"\nto bob@example.com\n\n"},
	{NULL, MAIL "RCPT TO:<pipe>\r\n", "250/2.1.0 550/5.2.1", NULL},
	{NULL, MAIL "RCPT TO:<bob>\r\nRCPT TO:<root>\r\n",
		"250/2.1.0 550/5.1.1 250/2.1.5", "\nto jan@example.net\n\n"},
	/* all of them or none */
	{NULL, MAIL RCPT "RCPT TO:<x@y.z>\r\nRCPT TO:<two>\r\n",
		"250/2.1.0 250/2.1.5 250/2.1.5 452/4.5.3",
		"\nto b@example.net\nto x@y.z\n\n"},
	{NULL, MAIL RCPT "RCPT TO:<x@y.z>\r\nRCPT TO:<root>\r\n",
		"250/2.1.0 250/2.1.5 250/2.1.5 250/2.1.5",
		"\nto b@example.net\nto x@y.z\nto jan@example.net\n\n"},
	{NULL, MAIL "RCPT TO:<four>\r\n", "250/2.1.0 550/5.5.3", NULL},
	/* senders */
	{NULL, "MAIL FROM:<root>\r\n" RCPT, "250/2.1.0 250/2.1.5",
		"\nfrom root@relay.example.org\n"},
	{NULL, "MAIL FROM: scanner\r\n" RCPT, "250/2.1.0 250/2.1.5",
		"\nfrom scanner@relay.example.org\n"},
	{"example.com", "MAIL FROM:<root>\r\n" RCPT, "250/2.1.0 250/2.1.5",
		"\nfrom root@example.com\n"},
	{NULL, "MAIL FROM:<root@localhost>\r\n" RCPT, "250/2.1.0 250/2.1.5",
		"\nfrom root@localhost\n"},
};

static void sessions(void **state)
{
	struct aliases *aliases =
		aliases_parse(file, strlen(file), tell_nobody, NULL);
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		fixture_open(&f);
		f.names.aliases = aliases;
		if (rows[i].domain != NULL)
			f.names.default_domain = rows[i].domain;
		fixture_connect(&f);
		fixture_expect(&f, rows[i].said, rows[i].replies);
		fixture_expect(&f, "DATA\r\n" TEXT,
			rows[i].envelope != NULL ? "354 250/2.0.0"
						 : "554/5.5.1.");
		if (rows[i].envelope != NULL &&
			strstr(fixture_envelope(0), rows[i].envelope) == NULL)
			fail_msg("%s: %s", rows[i].said, fixture_envelope(0));
		fixture_close(&f);
	}
	aliases_free(&aliases);
}

static void the_setting_postmaster_is_the_owner(void **state)
{
	static const char *const owned[] = {
		"postmaster", "Root", "lp", "mailer-daemon", "root@localhost"};
	struct fixture f;
	size_t i;

	(void)state;
	fixture_open(&f);
	f.names.postmaster = "admin@example.org";
	fixture_connect(&f);
	for (i = 0; i < COUNT_OF(owned); i++) {
		fixture_say(&f, MAIL "RCPT TO:<");
		fixture_say(&f, owned[i]);
		fixture_say(&f, ">\r\nDATA\r\n" TEXT);
		assert_non_null(strstr(
			fixture_envelope(i), "\nto admin@example.org\n\n"));
	}
	fixture_close(&f);
}

static void headers_get_the_domain_too(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\nTo: root\r\nCc: <lp>\r\n"
				  "From: a@example.org\r\n\r\nx\r\n.\r\n");
	f.names.default_domain = "example.com";
	fixture_say(&f, MAIL RCPT "DATA\r\nTo: root\r\nCc: <lp>\r\n"
				  "From: a@example.org\r\n\r\nx\r\n.\r\n");
	assert_non_null(strstr(fixture_message(0),
		"To: root@relay.example.org\r\nCc: <lp@relay.example.org>\r\n"));
	assert_non_null(strstr(fixture_message(1),
		"To: root@example.com\r\nCc: <lp@example.com>\r\n"));
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sessions),
		cmocka_unit_test(the_setting_postmaster_is_the_owner),
		cmocka_unit_test(headers_get_the_domain_too),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
