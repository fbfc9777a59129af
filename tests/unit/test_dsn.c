/*
 * test_dsn.c - what a client asks of reports (proto/dsn.h), and the parameters
 *              of MAIL and RCPT by which it asks.
 */
#include "config.h"

#include "proto/dsn.h"

#include "base/quirk.h"
#include "base/util.h"
#include "proto/command.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void every_set_is_read_as_it_was_printed(void **state)
{
	char text[DSN_NOTIFY_SIZE];
	unsigned notify, again;

	(void)state;
	assert_string_equal(dsn_print_notify(0, text), "");
	assert_string_equal(dsn_print_notify(DSN_NEVER, text), "NEVER");
	assert_string_equal(
		dsn_print_notify(DSN_DELAY | DSN_SUCCESS | DSN_FAILURE, text),
		"SUCCESS,FAILURE,DELAY");
	for (notify = 0; notify <= 15; notify++) {
		again = 99;
		dsn_print_notify(notify, text);
		if (notify == 0 || ((notify & DSN_NEVER) && notify > 1)) {
			assert_int_equal(
				dsn_parse_notify(text, strlen(text), &again),
				-1);
			assert_int_equal(again, 99);
			continue;
		}
		assert_int_equal(
			dsn_parse_notify(text, strlen(text), &again), 0);
		assert_int_equal(again, notify);
	}
}

static void a_word_may_come_again(void **state)
{
	static const char text[] = "delay,DELAY,Delay,delay,failure";
	unsigned notify;

	(void)state;
	assert_int_equal(dsn_parse_notify(text, strlen(text), &notify), 0);
	assert_int_equal(notify, DSN_DELAY | DSN_FAILURE);
	/* not beyond its length */
	assert_int_equal(dsn_parse_notify(text, 5, &notify), 0);
	assert_int_equal(notify, DSN_DELAY);
}

/* RFC 3461 4.1: nothing said is as an MTA would do without DSN. */
static void what_is_wanted(void **state)
{
	static const struct {
		unsigned notify;
		bool success, failure, delay;
	} rows[] = {
		{0, false, true, true},
		{DSN_NEVER, false, false, false},
		{DSN_SUCCESS, true, false, false},
		{DSN_FAILURE, false, true, false},
		{DSN_DELAY, false, false, true},
		{DSN_SUCCESS | DSN_FAILURE | DSN_DELAY, true, true, true},
	};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(dsn_wants(rows[i].notify, DSN_SUCCESS),
			rows[i].success);
		assert_int_equal(dsn_wants(rows[i].notify, DSN_FAILURE),
			rows[i].failure);
		assert_int_equal(
			dsn_wants(rows[i].notify, DSN_DELAY), rows[i].delay);
	}
}

/* Whoever is named twice is told what either asked for, and no more. */
static void two_wishes_are_one(void **state)
{
	unsigned one, other, both, event;

	(void)state;
	for (one = 0; one <= 15; one++) {
		for (other = 0; other <= 15; other++) {
			if (((one & 1) && one > 1) ||
				((other & 1) && other > 1))
				continue;
			both = dsn_merge(one, other);
			for (event = DSN_SUCCESS; event <= DSN_DELAY;
				event *= 2)
				assert_int_equal(dsn_wants(both, event),
					dsn_wants(one, event) ||
						dsn_wants(other, event));
			assert_true(both == DSN_NEVER || !(both & DSN_NEVER));
		}
	}
}

static void xtext_is_decoded(void **state)
{
	static const struct {
		const char *in, *out;
	} rows[] = {
		{"", ""},
		{"plain", "plain"},
		{"a+2Bb", "a+b"},
		{"+2B+3D+20", "+= "},
		{"+2B2B", "+2B"},
		{"\xc3\xa4+2B", "\xc3\xa4+"},
	};
	char out[64];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		dsn_decode(rows[i].in, out);
		assert_string_equal(out, rows[i].out);
	}
}

static void names_of_ret(void **state)
{
	enum dsn_ret ret = DSN_RET_UNSAID;

	(void)state;
	assert_string_equal(dsn_ret_name(DSN_RET_UNSAID), "");
	assert_int_equal(dsn_parse_ret("", 0, &ret), -1);
	assert_int_equal(dsn_parse_ret("full!", 4, &ret), 0);
	assert_string_equal(dsn_ret_name(ret), "FULL");
	assert_int_equal(dsn_parse_ret("HDRS", 4, &ret), 0);
	assert_string_equal(dsn_ret_name(ret), "HDRS");
}

/* Reports that are asked for: taken, or wrong. What is wrong is 501 for who is
 * strict, and as if it were not there for the others. */
static const struct dsn_vector {
	const char *in; /* parameters */
	bool right;
	enum dsn_ret ret;
	unsigned notify;
	const char *text; /* ENVID or ORCPT; NULL: none */
} asked_of_mail[] =
	{
		{"", true, 0, 0, NULL},
		{"RET=FULL", true, DSN_RET_FULL, 0, NULL},
		{"ret=hdrs", true, DSN_RET_HDRS, 0, NULL},
		{"RET=HDRS ENVID=QQ314159", true, DSN_RET_HDRS, 0, "QQ314159"},
		{"ENVID=a+2Bb+3Dc+20d", true, 0, 0, "a+2Bb+3Dc+20d"},
		{"SIZE=1 ENVID=x BODY=7BIT", true, 0, 0, "x"},
		{"RET", false, 0, 0, NULL},
		{"RET=", false, 0, 0, NULL},
		{"RET=BODY", false, 0, 0, NULL},
		{"RET=FULL,HDRS", false, 0, 0, NULL},
		{"RET=FULL RET=FULL", false, DSN_RET_FULL, 0, NULL},
		{"RET=FULL RET=HDRS", false, DSN_RET_FULL, 0, NULL},
		{"ENVID", false, 0, 0, NULL},
		{"ENVID=", false, 0, 0, NULL},
		{"ENVID=a=b", false, 0, 0, NULL},
		{"ENVID=a+", false, 0, 0, NULL},
		{"ENVID=a+2b", false, 0, 0, NULL},
		{"ENVID=a+0D+0AX:y", false, 0, 0, NULL},
		{"ENVID=\xc3\xa4", false, 0, 0, NULL},
		{"ENVID=one ENVID=two", false, 0, 0, "one"},
},
  asked_of_rcpt[] = {
	  {"", true, 0, 0, NULL},
	  {"NOTIFY=NEVER", true, 0, DSN_NEVER, NULL},
	  {"notify=success", true, 0, DSN_SUCCESS, NULL},
	  {"NOTIFY=SUCCESS,FAILURE,DELAY", true, 0,
		  DSN_SUCCESS | DSN_FAILURE | DSN_DELAY, NULL},
	  {"NOTIFY=DELAY,FAILURE ORCPT=rfc822;a+2Bb@c", true, 0,
		  DSN_FAILURE | DSN_DELAY, "rfc822;a+2Bb@c"},
	  {"ORCPT=x400;+2Fc=1", false, 0, 0, NULL},
	  {"ORCPT=x400;/c+3D1/", true, 0, 0, "x400;/c+3D1/"},
	  {"ORCPT=utf-8;\xc3\xa4@c", true, 0, 0, "utf-8;\xc3\xa4@c"},
	  {"ORCPT=rfc822;\xc3\xa4@c", false, 0, 0, NULL},
	  {"NOTIFY", false, 0, 0, NULL},
	  {"NOTIFY=", false, 0, 0, NULL},
	  {"NOTIFY=,", false, 0, 0, NULL},
	  {"NOTIFY=SUCCESS,", false, 0, 0, NULL},
	  {"NOTIFY=,SUCCESS", false, 0, 0, NULL},
	  {"NOTIFY=SUCCESSES", false, 0, 0, NULL},
	  {"NOTIFY=NEVER,FAILURE", false, 0, 0, NULL},
	  {"NOTIFY=FAILURE,NEVER", false, 0, 0, NULL},
	  {"NOTIFY=NEVER NOTIFY=FAILURE", false, 0, DSN_NEVER, NULL},
	  {"NOTIFY=ALWAYS NOTIFY=NEVER", false, 0, 0, NULL},
	  {"ORCPT=a@b", false, 0, 0, NULL},
	  {"ORCPT=;a@b", false, 0, 0, NULL},
	  {"ORCPT=rfc822;", false, 0, 0, NULL},
	  {"ORCPT=rfc_822;a", false, 0, 0, NULL},
	  {"ORCPT=rfc822;a+00b", false, 0, 0, NULL},
	  {"ORCPT=rfc822;a ORCPT=rfc822;b", false, 0, 0, "rfc822;a"},
};

static void same_or_none(const char *got, const char *wanted)
{
	assert_string_equal(got, wanted != NULL ? wanted : "");
}

static int parse_mail(struct command_mail *out, const char *text, bool tolerant,
	struct err *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len); /* the sanitizer watches its end */
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = command_parse_mail(out, copy, len, tolerant, err);
	free(copy);
	return rc;
}

static int parse_rcpt(struct command_rcpt *out, const char *text, bool tolerant,
	struct err *err)
{
	size_t len = strlen(text);
	char *copy = malloc(len);
	int rc;

	assert_non_null(copy);
	memcpy(copy, text, len);
	rc = command_parse_rcpt(out, copy, len, tolerant, err);
	free(copy);
	return rc;
}

static void check_asked_of_mail(const struct dsn_vector *v, bool tolerant)
{
	struct command_mail mail;
	struct err err;
	char text[128];
	int rc;

	snprintf(text, sizeof(text), "FROM:<a@b> %s", v->in);
	rc = parse_mail(&mail, text, tolerant, &err);
	if ((rc == 0) != (v->right || tolerant))
		fail_msg("%s tolerant=%d: %d", text, tolerant, rc);
	if (rc != 0) {
		/* 501 */
		assert_int_equal(err.kind, ERR_SYNTAX);
		return;
	}
	assert_int_equal(mail.reverse_path.quirks,
		v->right ? 0 : QUIRK_BIT(QUIRK_BAD_DSN));
	assert_int_equal(mail.ret, v->ret);
	same_or_none(mail.envid, v->text);
}

static void check_asked_of_rcpt(const struct dsn_vector *v, bool tolerant)
{
	struct command_rcpt rcpt;
	struct err err;
	char text[128];
	int rc;

	snprintf(text, sizeof(text), "TO:<a@b> %s", v->in);
	rc = parse_rcpt(&rcpt, text, tolerant, &err);
	if ((rc == 0) != (v->right || tolerant))
		fail_msg("%s tolerant=%d: %d", text, tolerant, rc);
	if (rc != 0) {
		assert_int_equal(err.kind, ERR_SYNTAX);
		return;
	}
	assert_int_equal(
		rcpt.address.quirks, v->right ? 0 : QUIRK_BIT(QUIRK_BAD_DSN));
	assert_int_equal(rcpt.notify, v->notify);
	same_or_none(rcpt.orcpt, v->text);
}

static void what_is_asked_of_a_command(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(asked_of_mail); i++)
		check_asked_of_mail(&asked_of_mail[i / 2], i % 2 == 1);
	for (i = 0; i < 2 * COUNT_OF(asked_of_rcpt); i++)
		check_asked_of_rcpt(&asked_of_rcpt[i / 2], i % 2 == 1);
}

/* The longest that is taken, and one octet more. */
static void what_is_asked_has_its_limits(void **state)
{
	char text[DSN_ORCPT_MAX + 64];
	struct command_mail mail;
	struct command_rcpt rcpt;
	struct err err;
	size_t i, len;

	(void)state;
	for (i = 0; i < 2; i++) {
		len = (size_t)snprintf(text, sizeof(text), "FROM:<> ENVID=");
		while (len < sizeof("FROM:<> ENVID=") - 1 + DSN_ENVID_TEXT_MAX)
			len += (size_t)snprintf(
				text + len, sizeof(text) - len, "+2B");
		snprintf(text + len, sizeof(text) - len, "%s", i ? "x" : "");
		assert_int_equal(
			parse_mail(&mail, text, false, &err), i == 0 ? 0 : -1);
		len = (size_t)snprintf(text, sizeof(text), "TO:<a@b> ORCPT=");
		memset(text + len, 'x', DSN_ORCPT_MAX + i);
		memcpy(text + len, "rfc822;", 7);
		text[len + DSN_ORCPT_MAX + i] = '\0';
		assert_int_equal(
			parse_rcpt(&rcpt, text, false, &err), i == 0 ? 0 : -1);
		if (i == 0)
			assert_int_equal(strlen(rcpt.orcpt), DSN_ORCPT_MAX);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_set_is_read_as_it_was_printed),
		cmocka_unit_test(a_word_may_come_again),
		cmocka_unit_test(what_is_wanted),
		cmocka_unit_test(two_wishes_are_one),
		cmocka_unit_test(xtext_is_decoded),
		cmocka_unit_test(names_of_ret),
		cmocka_unit_test(what_is_asked_of_a_command),
		cmocka_unit_test(what_is_asked_has_its_limits),
	};

	return cmocka_run_group_tests_name("dsn", tests, NULL, NULL);
}
