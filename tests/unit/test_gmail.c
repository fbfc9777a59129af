/*
 * test_gmail.c - the table of replies: every row by a reply as Gmail words it,
 *                and what must hold for the table as a whole.
 */
#include "config.h"

#include "relay/gmail.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct vector {
	enum phase phase;
	const char *reply;
	enum scope scope;
	enum action action;
	enum pause pause;
};

#define RCPT_RETRY     SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_NONE
#define RCPT_LATER(by) SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_##by
#define RCPT_FAIL      SCOPE_RECIPIENT, ACTION_FAIL, PAUSE_NONE
#define RCPT_SPLIT     SCOPE_RECIPIENT, ACTION_SPLIT, PAUSE_NONE
#define MSG_RETRY      SCOPE_MESSAGE, ACTION_RETRY, PAUSE_NONE
#define MSG_FAIL       SCOPE_MESSAGE, ACTION_FAIL, PAUSE_NONE
#define MSG_SPAM       SCOPE_MESSAGE, ACTION_FAIL, PAUSE_SPAM
#define MSG_SENDER     SCOPE_MESSAGE, ACTION_SENDER, PAUSE_SUSPECT
#define MSG_SUSPECT    SCOPE_MESSAGE, ACTION_SUSPECT, PAUSE_SUSPECT
#define RECONNECT      SCOPE_CONNECTION, ACTION_RECONNECT, PAUSE_NONE
#define BACK_OFF       SCOPE_CONNECTION, ACTION_BACK_OFF, PAUSE_NONE
#define THROTTLE(by)   SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_##by
#define QUOTA          SCOPE_ACCOUNT, ACTION_QUOTA, PAUSE_QUOTA
#define HOLD           SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_HOLD
#define HOLD_WEB       SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_WEB

static const struct vector vectors[] = {
	/* success */
	{PHASE_AUTH, "235 2.7.0 Accepted", SCOPE_NONE, ACTION_NONE, PAUSE_NONE},
	{PHASE_FINAL, "250 2.0.0 OK  1725842199 x - gsmtp", SCOPE_NONE,
		ACTION_NONE, PAUSE_NONE},

	/* 421 */
	{PHASE_DATA,
		"421 4.3.0 Temporary System Problem. Try again later (10). x - gsmtp",
		THROTTLE(BRIEF)},
	{PHASE_EHLO, "421 4.4.5 Server busy, try again later.",
		THROTTLE(BRIEF)},
	{PHASE_MAIL, "421 4.7.0 Temporary System Problem. Try again later.",
		THROTTLE(BRIEF)},
	{PHASE_READY, "421 4.7.0 Connection expired, try reconnecting",
		RECONNECT},
	{PHASE_MAIL, "421 4.7.0 Connection expired, try reconnecting",
		RECONNECT},
	{PHASE_EHLO, "421 4.7.0 Try again later, closing connection. (EHLO)",
		THROTTLE(EHLO)},
	{PHASE_MAIL, "421 4.7.0 Try again later, closing connection. (MAIL)",
		THROTTLE(EHLO)},
	{PHASE_RCPT, "421 4.7.0 IP not in whitelist for RCPT domain",
		RCPT_RETRY},
	{PHASE_RCPT, "421 4.7.0 TLS required for RCPT domain", RCPT_RETRY},
	{PHASE_FINAL, "421 4.7.0 TLS required for RCPT domain", RCPT_RETRY},
	{PHASE_FINAL,
		"421 4.7.0 Gmail has detected an unusual rate of unsolicited mail originating from your IP address",
		THROTTLE(RATE)},
	{PHASE_FINAL, "421 4.7.28 Gmail has detected an unusual rate of mail",
		THROTTLE(RATE)},
	{PHASE_FINAL, "421 4.7.28 worded otherwise", THROTTLE(RATE)},
	{PHASE_FINAL,
		"421 4.7.28 This message exceeded its quota for sending messages with the same Message-ID",
		SCOPE_MESSAGE, ACTION_RETRY, PAUSE_SAME},
	{PHASE_RCPT, "421 4.9.9 unknown", BACK_OFF},
	{PHASE_AUTH, "421 unknown", BACK_OFF},

	/* SPF and kin: 4xx, 5xx */
	{PHASE_FINAL, "421 4.7.23 PTR", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.24 SPF", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.25 PTR", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.26 DMARC", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.27 SPF", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.29 TLS", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.30 DKIM", MSG_RETRY},
	{PHASE_FINAL, "451 4.7.32 alignment", MSG_RETRY},
	{PHASE_FINAL, "550 5.7.23 PTR", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.24 SPF", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.25 PTR", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.26 DMARC", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.27 SPF", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.29 TLS", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.30 DKIM", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.32 alignment", MSG_FAIL},

	/* 450 to 454 */
	{PHASE_RCPT,
		"450 4.2.1 The user you are trying to contact is receiving mail too quickly.",
		RCPT_LATER(MAILBOX)},
	{PHASE_FINAL,
		"450 4.2.1 The user you are trying to contact is receiving mail at a rate that prevents additional messages",
		RCPT_LATER(MAILBOX)},
	{PHASE_MAIL, "450 4.2.1 Peak SMTP relay limit exceeded for customer.",
		THROTTLE(PEAK)},
	{PHASE_FINAL, "451 4.3.0 Mail server temporarily rejected message.",
		MSG_RETRY},
	{PHASE_RCPT,
		"451 4.3.0 Multiple destination domains per transaction is unsupported.",
		RCPT_SPLIT},
	{PHASE_MAIL, "451 4.4.2 Timeout - closing connection.", RECONNECT},
	{PHASE_READY, "451 4.4.2 Timeout - closing connection.", RECONNECT},
	{PHASE_MAIL, "451 4.5.0 SMTP protocol violation, see RFC 2821",
		MSG_RETRY},
	{PHASE_EHLO, "451 4.5.0 SMTP protocol violation, see RFC 2821",
		BACK_OFF},
	{PHASE_RCPT, "452 4.2.2 The recipient's inbox is out of storage",
		RCPT_RETRY},
	{PHASE_MAIL, "452 4.2.2 The email account is over quota", HOLD},
	{PHASE_RCPT, "452 4.5.3 Your message has too many recipients.",
		RCPT_SPLIT},
	{PHASE_RCPT,
		"452 4.5.3 Domain policy size per transaction exceeded, please try this recipient in a separate transaction",
		RCPT_SPLIT},
	{PHASE_RCPT, "452 Too many recipients", RCPT_SPLIT},
	{PHASE_RCPT, "552 5.5.3 Too many recipients", RCPT_SPLIT},
	{PHASE_RCPT, "552 Too many recipients", RCPT_SPLIT},
	{PHASE_RCPT, "550 5.5.3 Your message has too many recipients",
		RCPT_SPLIT},
	{PHASE_STARTTLS,
		"454 4.5.0 SMTP protocol violation, no commands allowed to be pipelined after STARTTLS",
		BACK_OFF},
	{PHASE_STARTTLS, "523 5.7.10 SMTP protocol violation", BACK_OFF},
	{PHASE_STARTTLS, "525 5.7.10 SMTP protocol violation", BACK_OFF},
	{PHASE_STARTTLS, "454 5.5.1 STARTTLS may not be repeated", BACK_OFF},
	{PHASE_AUTH,
		"454 4.7.0 Cannot authenticate due to a temporary system problem.",
		THROTTLE(AUTH_4XX)},
	{PHASE_AUTH,
		"454 4.7.0 Too many login attempts, please try again later.",
		THROTTLE(LOGINS)},

	/* 501 to 504 */
	{PHASE_AUTH, "501 5.5.2 Cannot Decode response x - gsmtp", HOLD},
	{PHASE_RCPT, "501 5.5.2 Syntax error, cannot decode response",
		RCPT_FAIL},
	{PHASE_EHLO, "501 5.5.4 HELO/EHLO argument is invalid", HOLD},
	{PHASE_STARTTLS, "501 5.7.11 Syntax error (no parameters allowed)",
		BACK_OFF},
	{PHASE_RCPT, "502 5.5.1 Unrecognized command.", MSG_RETRY},
	{PHASE_FINAL, "502 5.5.1 Too many unrecognized commands, goodbye.",
		MSG_RETRY},
	{PHASE_EHLO, "502 5.5.1 Unimplemented command.", BACK_OFF},
	{PHASE_RSET, "502 5.5.1 Unimplemented command.", BACK_OFF},
	{PHASE_DATA, "503 5.5.1 RCPT first", MSG_RETRY},
	{PHASE_MAIL, "503 5.5.1 Bad sequence of commands", MSG_RETRY},
	{PHASE_STARTTLS, "503 5.5.1 EHLO/HELO first", BACK_OFF},
	{PHASE_AUTH, "503 5.7.0 No identity changes permitted", BACK_OFF},
	{PHASE_AUTH, "504 5.7.4 Unrecognized Authentication Type", HOLD},
	{PHASE_AUTH, "504 5.7.4 XOAUTH is no longer supported", HOLD},

	/* 530 to 535 */
	{PHASE_MAIL, "530 5.7.0 Authentication Required.", HOLD},
	{PHASE_MAIL, "530 5.5.1 Authentication Required.", HOLD},
	{PHASE_MAIL, "530 5.7.0 Must issue a STARTTLS command first", HOLD},
	{PHASE_AUTH, "534 5.7.9 Application-specific password required.", HOLD},
	{PHASE_AUTH, "534 5.7.9 Please log in with your web browser", HOLD_WEB},
	{PHASE_AUTH,
		"534 5.7.14 <https://accounts.google.com/x> Please log in via your web browser",
		HOLD_WEB},
	{PHASE_AUTH, "535 5.7.8 Username and Password not accepted.", HOLD},
	{PHASE_AUTH, "535 5.7.1 Username and Password not accepted.", HOLD},
	{PHASE_AUTH, "535 5.7.1 Application-specific password required.", HOLD},
	{PHASE_AUTH, "535 5.7.9 Application-specific password required.", HOLD},
	{PHASE_AUTH, "535 5.5.4 Optional Argument not permitted", HOLD},

	/* 550 */
	{PHASE_RCPT, "550 5.1.1 The email account does not exist.", RCPT_FAIL},
	{PHASE_RCPT, "550 5.2.1 The email account is inactive.", RCPT_FAIL},
	{PHASE_RCPT,
		"550 5.2.1 The user is receiving mail at a rate that prevents additional messages",
		RCPT_LATER(RATE)},
	{PHASE_FINAL,
		"550 5.2.1 The user is receiving mail at a rate that prevents additional messages",
		RCPT_LATER(RATE)},
	{PHASE_DATA, "550 5.4.5 Daily user sending limit exceeded.", QUOTA},
	{PHASE_FINAL, "550 5.4.5 Daily user sending limit exceeded.", QUOTA},
	{PHASE_MAIL, "550 5.4.5 Daily user sending quota exceeded.", QUOTA},
	{PHASE_RCPT, "550 5.4.5 Daily SMTP relay limit exceeded for user.",
		QUOTA},
	{PHASE_DATA,
		"550 5.7.1 Daily SMTP relay sending limit exceeded for customer.",
		QUOTA},
	{PHASE_DATA, "550 5.7.1 Daily SMTP relay limit exceeded for customer.",
		QUOTA},
	{PHASE_DATA, "550 5.7.1 Daily user sending quota exceeded.", QUOTA},
	/* whichever 5yz says so */
	{PHASE_MAIL, "552 5.4.5 Daily user sending limit exceeded.", QUOTA},
	{PHASE_RCPT, "552 5.4.5 Daily user sending limit exceeded.", QUOTA},
	{PHASE_DATA, "554 5.4.5 worded otherwise", QUOTA},
	{PHASE_FINAL, "554 5.4.5 worded otherwise", QUOTA},
	{PHASE_AUTH, "553 5.4.5 worded otherwise", QUOTA},
	{PHASE_BANNER, "554 5.4.5 worded otherwise", QUOTA},
	{PHASE_RCPT, "554 5.7.1 Daily SMTP relay limit exceeded.", QUOTA},
	{PHASE_RCPT, "554 5.7.0 Mail relay denied.", HOLD},
	{PHASE_RCPT, "553 5.7.1 Invalid credentials for relay.", HOLD},
	{PHASE_RCPT, "554 5.7.1 Unusual rate of mail", THROTTLE(TRUST)},
	{PHASE_FINAL, "554 5.7.1 Low reputation", THROTTLE(TRUST)},
	{PHASE_FINAL, "550 5.4.6 Message exceeded 50 hops", MSG_FAIL},
	{PHASE_FINAL, "554 5.4.6 Message exceeds 50 hops", MSG_FAIL},
	{PHASE_FINAL, "554 5.6.0 Message exceeded 50 hops", MSG_FAIL},
	{PHASE_FINAL, "554 5.6.0 Mail loop detected", MSG_FAIL},
	{PHASE_FINAL, "554 5.6.0 Mail message is malformed.", MSG_FAIL},
	{PHASE_MAIL, "550 5.7.0 Mail relay denied.", HOLD},
	{PHASE_FINAL, "550 5.7.0 Mail sending denied.", HOLD},
	{PHASE_MAIL, "550 5.7.1 Invalid credentials for relay.", HOLD},
	{PHASE_FINAL, "550 5.7.1 Unusual rate of unsolicited mail",
		THROTTLE(TRUST)},
	{PHASE_FINAL, "550 5.7.1 Very low reputation of the sending domain",
		THROTTLE(TRUST)},
	{PHASE_FINAL, "550 5.7.1 our system has rate limited it",
		THROTTLE(TRUST)},
	{PHASE_FINAL,
		"550 5.7.1 Gmail has detected that this message is likely unsolicited mail.",
		MSG_SPAM},
	{PHASE_FINAL, "550 5.7.1 this message is likely suspicious", MSG_SPAM},
	{PHASE_FINAL, "550 5.7.1 suspicious content", MSG_SPAM},
	{PHASE_RCPT, "550 5.7.1 Email quota exceeded.", RCPT_RETRY},
	{PHASE_FINAL, "550 5.7.1 Email quota exceeded.", RCPT_RETRY},
	{PHASE_RCPT, "550 5.7.1 x gcdp y", RCPT_FAIL},
	{PHASE_FINAL, "550 5.7.1 x gcdp y", MSG_FAIL},
	{PHASE_RCPT, "550 5.7.1 The user has a policy that prohibits the mail",
		RCPT_FAIL},
	{PHASE_FINAL, "550 5.7.1 The user has a policy that prohibits the mail",
		MSG_FAIL},
	{PHASE_FINAL,
		"550 5.7.1 Messages missing a valid address in From: header are not accepted",
		MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 'From' header is missing", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 several addresses in the From header",
		MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 duplicate headers", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 this message is not RFC 5322 compliant",
		MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 no valid Message-ID", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 Messages without a valid messageId", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 encoded-word in a wrong header", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 an encoded word", MSG_FAIL},
	{PHASE_FINAL, "550 5.7.1 unicode in a wrong header", MSG_FAIL},
	{PHASE_MAIL, "550 5.6.7 needs SMTPUTF8", MSG_FAIL},
	{PHASE_RCPT, "553 5.6.7 needs SMTPUTF8", RCPT_FAIL},
	{PHASE_RCPT, "550 5.6.7 needs SMTPUTF8", RCPT_FAIL},
	{PHASE_MAIL, "553 5.6.7 needs SMTPUTF8", MSG_FAIL},

	/* 552 to 555 */
	{PHASE_RCPT, "552 5.2.2 The email account is over quota and inactive.",
		RCPT_FAIL},
	{PHASE_MAIL, "552 5.2.3 Your message exceeded Google's size limits.",
		MSG_FAIL},
	{PHASE_FINAL, "552 5.3.4 Your message exceeded Google's size limits.",
		MSG_FAIL},
	{PHASE_FINAL,
		"552 5.7.0 Your message was blocked because its content presents a potential security issue.",
		MSG_FAIL},
	{PHASE_RCPT, "553 5.1.2 The recipient's domain cannot be found.",
		RCPT_FAIL},
	{PHASE_RCPT, "553 5.1.3 The recipient address is not valid.",
		RCPT_FAIL},
	{PHASE_MAIL, "553 5.1.7 The sender address is not valid.", MSG_SENDER},
	{PHASE_MAIL, "553 5.1.3 The sender address is not valid.", MSG_SENDER},
	{PHASE_EHLO, "554 5.7.0 Too many unauthenticated commands.", BACK_OFF},
	{PHASE_MAIL, "554 5.7.0 Too many unauthenticated commands.", BACK_OFF},
	{PHASE_RCPT, "555 5.5.2 Syntax error, goodbye.", RCPT_FAIL},
	{PHASE_MAIL, "555 5.5.2 Syntax error.", MSG_SENDER},

	/* the default rules */
	{PHASE_BANNER, "554 5.7.1 go away", BACK_OFF},
	{PHASE_BANNER, "450 busy", BACK_OFF},
	{PHASE_EHLO, "550 no", BACK_OFF},
	{PHASE_EHLO, "450 later", BACK_OFF},
	{PHASE_STARTTLS, "454 4.7.0 TLS not available", BACK_OFF},
	{PHASE_STARTTLS, "554 5.9.9 no", BACK_OFF},
	{PHASE_AUTH, "450 4.9.9 later", THROTTLE(AUTH_4XX)},
	{PHASE_AUTH, "432 4.7.12 later", THROTTLE(AUTH_4XX)},
	{PHASE_AUTH, "550 5.9.9 no", HOLD},
	{PHASE_AUTH, "538 5.7.11 no", HOLD},
	{PHASE_RCPT, "450 4.9.9 later", RCPT_RETRY},
	{PHASE_RCPT, "550 5.9.9 no", RCPT_FAIL},
	{PHASE_MAIL, "450 4.9.9 later", MSG_RETRY},
	{PHASE_DATA, "450 4.9.9 later", MSG_RETRY},
	{PHASE_FINAL, "450 4.9.9 later", MSG_RETRY},
	{PHASE_MAIL, "550 5.9.9 no", MSG_SUSPECT},
	{PHASE_DATA, "554 5.9.9 no", MSG_SUSPECT},
	{PHASE_FINAL, "550 5.7.1 worded as never before", MSG_SUSPECT},
	{PHASE_READY, "450 4.9.9 later", BACK_OFF},
	{PHASE_RSET, "550 5.9.9 no", BACK_OFF},
	{PHASE_MAIL, "354 what", BACK_OFF},
};

static void test_judges_every_vector(void **state)
{
	const struct gmail_rule *rule;
	struct reply r;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		assert_int_equal(reply_scan(&r, vectors[i].reply), 0);
		rule = gmail_judge(vectors[i].phase, &r);
		if (rule->scope != vectors[i].scope ||
			rule->action != vectors[i].action ||
			rule->pause != vectors[i].pause)
			fail_msg("%s in %s: %s, %s, %d", vectors[i].reply,
				phase_name(vectors[i].phase),
				scope_name(rule->scope),
				action_name(rule->action), (int)rule->pause);
	}
}

/* A row that no vector meets is untested, or hidden by one above it. */
static void test_meets_every_row(void **state)
{
	const struct gmail_rule *rules, *rule;
	bool met[256] = {false};
	struct reply r;
	size_t count, i;

	(void)state;
	rules = gmail_rules(&count);
	assert_true(count < COUNT_OF(met));
	for (i = 0; i < COUNT_OF(vectors); i++) {
		assert_int_equal(reply_scan(&r, vectors[i].reply), 0);
		rule = gmail_judge(vectors[i].phase, &r);
		met[rule - rules] = true;
	}
	for (i = 0; i < count; i++)
		if (!met[i])
			fail_msg("row %zu is never met: %d %s %s", i,
				rules[i].code,
				rules[i].enhanced != NULL ? rules[i].enhanced
							  : "",
				rules[i].fragment != NULL ? rules[i].fragment
							  : "");
}

static bool is_about_mail(const struct gmail_rule *rule)
{
	return rule->scope == SCOPE_RECIPIENT || rule->scope == SCOPE_MESSAGE;
}

/* For any reply in any phase. */
static void test_keeps_its_invariants(void **state)
{
	static const enum phase in_mail[] = {
		PHASE_MAIL, PHASE_RCPT, PHASE_DATA, PHASE_FINAL};
	const struct gmail_rule *rules, *rule;
	struct reply r;
	unsigned mail = 0;
	size_t count, i;
	int code, phase;

	(void)state;
	for (i = 0; i < COUNT_OF(in_mail); i++)
		mail |= 1u << in_mail[i];
	mail |= GMAIL_AGAIN;
	rules = gmail_rules(&count);
	for (i = 0; i < count; i++) {
		assert_non_null(rules[i].advice);
		assert_true(strlen(rules[i].advice) > 10);
		if (is_about_mail(&rules[i])) {
			assert_true(rules[i].phases != 0);
			assert_int_equal(rules[i].phases & ~mail, 0);
		}
	}
	for (code = 200; code < 600; code++) {
		for (phase = 0; phase < PHASE_COUNT; phase++) {
			reply_init(&r);
			r.code = code;
			r.complete = true;
			rule = gmail_judge((enum phase)phase, &r);
			assert_non_null(rule);
			assert_int_equal(
				rule->scope == SCOPE_NONE, code / 100 == 2);
			if ((mail & 1u << phase) == 0)
				assert_false(is_about_mail(rule));
		}
	}
}

static void test_matches_text_without_case(void **state)
{
	struct reply r;

	(void)state;
	assert_int_equal(
		reply_scan(&r, "454 4.7.0 TOO MANY Login Attempts"), 0);
	assert_int_equal(gmail_judge(PHASE_AUTH, &r)->pause, PAUSE_LOGINS);
}

/* As the multi-line replies really come. */
static void test_reads_whole_replies(void **state)
{
	static const char *const lines[] = {
		"550-5.4.5 Daily user sending limit exceeded. For more information on Gmail",
		"550-5.4.5 sending limits go to",
		"550 5.4.5  https://support.google.com/a/answer/166852 x - gsmtp",
	};
	struct reply r;
	size_t i;

	(void)state;
	reply_init(&r);
	for (i = 0; i < COUNT_OF(lines); i++)
		assert_int_equal(reply_add_line(&r, lines[i], strlen(lines[i])),
			i + 1 == COUNT_OF(lines));
	assert_int_equal(gmail_judge(PHASE_FINAL, &r)->action, ACTION_QUOTA);
}

#define MINUTE INT64_C(60000)
#define HOUR   (60 * MINUTE)

static void test_pauses_grow_to_their_cap(void **state)
{
	static const struct {
		enum pause pause;
		int64_t first, second, cap;
	} rows[] = {
		{PAUSE_NONE, 0, 0, 0},
		{PAUSE_BRIEF, MINUTE, 2 * MINUTE, 30 * MINUTE},
		{PAUSE_EHLO, 5 * MINUTE, 10 * MINUTE, HOUR},
		{PAUSE_LOGINS, 15 * MINUTE, 30 * MINUTE, 4 * HOUR},
		{PAUSE_AUTH_4XX, 5 * MINUTE, 10 * MINUTE, HOUR},
		{PAUSE_PEAK, 10 * MINUTE, 20 * MINUTE, HOUR},
		{PAUSE_RATE, HOUR, 2 * HOUR, 6 * HOUR},
		{PAUSE_QUOTA, HOUR, 2 * HOUR, 4 * HOUR},
		{PAUSE_HOLD, HOUR, 12 * HOUR, 12 * HOUR},
		{PAUSE_WEB, 12 * HOUR, 12 * HOUR, 12 * HOUR},
		{PAUSE_SUSPECT, 30 * MINUTE, 30 * MINUTE, 30 * MINUTE},
		{PAUSE_MAILBOX, 30 * MINUTE, HOUR, 4 * HOUR},
		{PAUSE_SAME, 4 * HOUR, 4 * HOUR, 4 * HOUR},
		{PAUSE_TRUST, 4 * HOUR, 4 * HOUR, 4 * HOUR},
		{PAUSE_SPAM, HOUR, 2 * HOUR, 6 * HOUR},
	};
	unsigned step;
	size_t i;

	(void)state;
	assert_int_equal(COUNT_OF(rows), PAUSE_COUNT);
	for (i = 0; i < COUNT_OF(rows); i++) {
		assert_int_equal(
			gmail_pause_ms(rows[i].pause, 0), rows[i].first);
		assert_int_equal(
			gmail_pause_ms(rows[i].pause, 1), rows[i].second);
		for (step = 0; step < 40; step++)
			assert_true(gmail_pause_ms(rows[i].pause, step) <=
				    gmail_pause_ms(rows[i].pause, step + 1));
		assert_int_equal(
			gmail_pause_ms(rows[i].pause, 40), rows[i].cap);
		assert_int_equal(
			gmail_pause_ms(rows[i].pause, UINT32_MAX), rows[i].cap);
	}
}

static const struct gmail_rule *judge(enum phase phase, const char *text)
{
	struct reply r;

	assert_int_equal(reply_scan(&r, text), 0);
	return gmail_judge(phase, &r);
}

/* What has to be arranged with the recipient's domain, when it was not. */
static void test_alarms_at_every_third_attempt(void **state)
{
	static const char *const replies[] = {
		"421 4.7.0 IP not in whitelist for RCPT domain",
		"421 4.7.0 TLS required for RCPT domain",
	};
	const struct gmail_rule *rule;
	unsigned attempt;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(replies); i++) {
		rule = judge(PHASE_RCPT, replies[i]);
		for (attempt = 1; attempt < 10; attempt++)
			assert_int_equal(gmail_is_alarming(rule, attempt),
				attempt % 3 == 0);
	}
}

static void test_alarms_at_once_or_never(void **state)
{
	static const struct {
		const char *reply;
		bool alarming;
	} rows[] = {
		{"450 4.2.1 receiving mail too quickly", false},
		{"451 4.7.26 unauthenticated", false},
		{"550 5.7.26 unauthenticated", true},
		{"550 5.7.1 likely unsolicited mail", true},
		{"550 5.7.1 gcdp", false},
		{"421 4.7.28 too many with the same Message-ID", true},
		{"503 5.5.1 Bad sequence of commands", true},
	};
	unsigned attempt;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		for (attempt = 1; attempt < 5; attempt++)
			assert_int_equal(
				gmail_is_alarming(
					judge(PHASE_FINAL, rows[i].reply),
					attempt),
				rows[i].alarming);
}

/* From which pause in a row on somebody is told. */
static void test_says_which_pauses_last(void **state)
{
	static const struct {
		enum pause pause;
		unsigned from;
	} rows[] = {
		{PAUSE_BRIEF, UINT32_MAX},
		{PAUSE_EHLO, 2},
		{PAUSE_LOGINS, 2},
		{PAUSE_AUTH_4XX, 4},
		{PAUSE_RATE, 0},
		{PAUSE_TRUST, 0},
		{PAUSE_SUSPECT, UINT32_MAX},
	};
	unsigned step;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++)
		for (step = 0; step < 20; step++)
			assert_int_equal(
				gmail_pause_is_lasting(rows[i].pause, step),
				step >= rows[i].from);
}

static void test_names_everything(void **state)
{
	int i;

	(void)state;
	for (i = 0; i < PHASE_COUNT; i++)
		assert_non_null(phase_name((enum phase)i));
	for (i = ACTION_NONE; i <= ACTION_SUSPECT; i++)
		assert_string_not_equal(action_name((enum action)i), "?");
	for (i = SCOPE_NONE; i <= SCOPE_ACCOUNT; i++)
		assert_string_not_equal(scope_name((enum scope)i), "?");
	assert_string_equal(phase_name(PHASE_AUTH), "AUTH");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_judges_every_vector),
		cmocka_unit_test(test_meets_every_row),
		cmocka_unit_test(test_keeps_its_invariants),
		cmocka_unit_test(test_matches_text_without_case),
		cmocka_unit_test(test_reads_whole_replies),
		cmocka_unit_test(test_pauses_grow_to_their_cap),
		cmocka_unit_test(test_alarms_at_every_third_attempt),
		cmocka_unit_test(test_alarms_at_once_or_never),
		cmocka_unit_test(test_says_which_pauses_last),
		cmocka_unit_test(test_names_everything),
	};

	return cmocka_run_group_tests_name("gmail", tests, NULL, NULL);
}
