/*
 * test_upstream.c - an upstream connection from connecting to login: what it
 *                   says and to whom, and how each refusal is judged.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/credential.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/tls.h"
#include "relay/upstream_internal.h"
#include "upstream_fixture.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define USER_64   "dXNlckBmYWtlLnRlc3Q="
#define SECRET_64 "czNjcmV0"

/* --- all is well --- */

static void test_starttls(void **state)
{
	static const char *const script[] = {READY_BOTH, GOODBYE, NULL};
	struct fixture *f = *state;

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->size, 35882577);
	assert_string_equal(
		f->steps, "CONNECT BANNER EHLO STARTTLS TLS EHLO AUTH ");
	assert_string_equal(f->last_step, "PLAIN as user@fake.test");
	assert_string_equal(f->server.sni, FAKE_HOST);
}

static void test_implicit(void **state)
{
	static const char *const script[] = {"TLS", "S 220 fake ESMTP",
		OFFER_BEGIN, "S 250 SMTPUTF8", LOGIN, GOODBYE, NULL};
	struct fixture *f = *state;

	f->account.tls = CONF_TLS_IMPLICIT;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_string_equal(f->steps, "CONNECT TLS BANNER EHLO AUTH ");
}

/* No mail is asked for. */
static void test_probe(void **state)
{
	static const char *const script[] = {READY_BOTH, GOODBYE, NULL};
	static const char *const rcpts[] = {"a@example.net", NULL};
	struct fixture *f = *state;

	fixture_add(f, "x\r\n", 0, rcpts);
	f->params.probe = true;
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_fine(f);
	assert_int_equal(f->ready, 1);
	assert_int_equal(f->given, 0);
}

/* --- the name in EHLO --- */

/* As configured or found: what fits was judged there. */
static void test_ehlo_name(void **state)
{
	static const struct {
		const char *name, *line;
	} said[] = {
		{"relay.example.org", "C EHLO relay.example.org"},
		{"printer", "C EHLO printer"},
		{"[192.0.2.77]", "C EHLO \\[192.0.2.77]"},
		{"[IPv6:2001:db8::1]", "C EHLO \\[IPv6:2001:db8::1]"},
		{"", LINE_EHLO},
	};
	const char *script[] = {
		"S 220 fake", NULL, "S 554 5.7.1 no", GOODBYE, NULL};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(said); i++) {
		f->params.ehlo_name = said[i].name;
		script[1] = said[i].line;
		fixture_run(f, FAKE_CERT_GOOD, script);
	}
	fixture_assert_trouble(f, PHASE_EHLO, ACTION_BACK_OFF, PAUSE_NONE);
}

static void test_ehlo_name_refused(void **state)
{
	static const char *const again[] = {"S 220 fake",
		"C EHLO relay.example.org", "S 501 5.5.4 bad name", LINE_EHLO,
		"S 250-fake", "S 250 STARTTLS", "C STARTTLS", "S 220 go", "TLS",
		OFFER_BEGIN, "S 250 SIZE", LOGIN, GOODBYE, NULL};
	static const char *const twice[] = {"S 220 fake",
		"C EHLO relay.example.org", "S 501 5.5.4 bad name", LINE_EHLO,
		"S 501 5.5.4 bad name", GOODBYE, NULL};
	static const char *const gone[] = {"S 220 fake",
		"C EHLO relay.example.org",
		"S 501 5.5.4 bad name, closing connection", LINE_EHLO, "CLOSE",
		NULL};
	static const char *const last[] = {"S 220 fake", LINE_EHLO,
		"S 501 5.5.4 bad name, closing connection", GOODBYE, NULL};
	struct fixture *f = *state;

	f->params.ehlo_name = "relay.example.org";
	fixture_run(f, FAKE_CERT_GOOD, again);
	fixture_assert_fine(f);
	assert_int_equal(f->size, 0);
	fixture_run(f, FAKE_CERT_GOOD, twice);
	fixture_assert_trouble(f, PHASE_EHLO, ACTION_HOLD, PAUSE_HOLD);
	assert_false(f->trouble.again);
	/* nobody heard the literal: another connection begins with it */
	fixture_run(f, FAKE_CERT_GOOD, gone);
	fixture_assert_trouble(f, PHASE_EHLO, ACTION_RECONNECT, PAUSE_NONE);
	assert_true(f->trouble.again);
	assert_int_equal(f->trouble.reply.code, 501);
	f->params.ehlo_name = "";
	f->params.careful = true;
	fixture_run(f, FAKE_CERT_GOOD, last);
	fixture_assert_trouble(f, PHASE_EHLO, ACTION_HOLD, PAUSE_HOLD);
}

static void test_offer_lines(void **state)
{
	static const char *const lines[] = {
		"250-smtp.gmail.com at your service", "250-SIZE 35882577",
		"250-8bitmime", "250-AUTH=LOGIN", "250-AUTH LOGIN PLAIN",
		"250-AUTH=XOAUTH2", "250-PIPELININGS", "250-CHUNKING",
		"250 SMTPUTF8", "250", "250-", ""};
	struct upstream_offer offer;
	char *copy;
	size_t i, len;

	(void)state;
	memset(&offer, 0, sizeof(offer));
	for (i = 0; i < COUNT_OF(lines); i++) {
		/* of its own, so that reading beyond it is seen */
		len = strlen(lines[i]);
		copy = malloc(len + 1);
		assert_non_null(copy);
		memcpy(copy, lines[i], len);
		copy = realloc(copy, len > 0 ? len : 1);
		upstream_offer_line(&offer, copy, len);
		free(copy);
	}
	assert_true(offer.size && offer.eight_bit && offer.chunking);
	assert_true(offer.smtputf8);
	assert_false(offer.pipelining);
	assert_false(offer.starttls);
	assert_int_equal(offer.size_max, 35882577);
	assert_string_equal(offer.auth, "LOGIN PLAIN");
	upstream_offer_line(&offer, "250 SIZE 99999999999999999999999", 32);
	assert_int_equal(offer.size_max, 0);
}

/* --- refusals before the login: nobody's fault, the queue waits --- */

struct refusal {
	const char *const *script;
	enum phase phase;
	enum action action;
	enum pause pause;
};

static void run_refusals(
	struct fixture *f, const struct refusal *rows, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++) {
		fixture_run(f, FAKE_CERT_GOOD, rows[i].script);
		fixture_assert_trouble(
			f, rows[i].phase, rows[i].action, rows[i].pause);
		assert_int_equal(f->ready, 0);
		assert_false(f->trouble.was_idle);
	}
}

#define SCRIPT(...)                                                            \
	(const char *const[])                                                  \
	{                                                                      \
		__VA_ARGS__, NULL                                              \
	}
#define EHLO_CLEAR "S 220 fake", LINE_EHLO

static void test_refused_early(void **state)
{
	const struct refusal rows[] = {
		{SCRIPT("S 554 5.7.1 go away", GOODBYE), PHASE_BANNER,
			ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT("S 421 4.3.0 busy", "EOF"), PHASE_BANNER,
			ACTION_THROTTLE, PAUSE_BRIEF},
		{SCRIPT("S 421 later", "EOF"), PHASE_BANNER, ACTION_BACK_OFF,
			PAUSE_NONE},
		{SCRIPT("S HTTP/1.1 400 Bad Request", "EOF"), PHASE_BANNER,
			ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT("CLOSE"), PHASE_BANNER, ACTION_BACK_OFF, PAUSE_NONE},
		/* at once, it could come before the connection is seen */
		{SCRIPT(EHLO_CLEAR, "RESET"), PHASE_EHLO, ACTION_BACK_OFF,
			PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR, "S 502 5.5.1 what", GOODBYE), PHASE_EHLO,
			ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR,
			 "S 421 4.7.0 Try again later, closing connection. (EHLO)",
			 "EOF"),
			PHASE_EHLO, ACTION_THROTTLE, PAUSE_EHLO},
		{SCRIPT(EHLO_CLEAR, "S 250-fake", "S 550 odd", "EOF"),
			PHASE_EHLO, ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR, "S 250 STARTTLS", "C STARTTLS",
			 "S 454 4.7.0 TLS not available", GOODBYE),
			PHASE_STARTTLS, ACTION_BACK_OFF, PAUSE_NONE},
		/* a yes, but to what? */
		{SCRIPT("S 299 hello", GOODBYE), PHASE_BANNER, ACTION_BACK_OFF,
			PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR, "S 220 hello", GOODBYE), PHASE_EHLO,
			ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR, "S 250 STARTTLS", "C STARTTLS", "S 250 go",
			 GOODBYE),
			PHASE_STARTTLS, ACTION_BACK_OFF, PAUSE_NONE},
	};

	run_refusals(*state, rows, COUNT_OF(rows));
}

/* RFC 3207 section 6; no QUIT but in clear, no credential at all. */
static void test_no_starttls(void **state)
{
	static const char *const script[] = {EHLO_CLEAR, "S 250-fake",
		"S 250-XXXXXXXX", "S 250 AUTH PLAIN LOGIN", GOODBYE, NULL};
	struct fixture *f = *state;

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_STARTTLS, ACTION_BACK_OFF, PAUSE_NONE);
	assert_non_null(strstr(f->trouble.text, "no STARTTLS"));
	assert_non_null(strstr(f->trouble.advice, "tampers"));
}

/* In one piece with the 220: whatever it says, nothing follows. */
static void test_bytes_behind_starttls(void **state)
{
	static const char *const script[] = {EHLO_CLEAR, "S 250 STARTTLS",
		"C STARTTLS", "RAW 220 go|250-fake|250 AUTH PLAIN|", "EOF",
		NULL};
	static const char *const one[] = {EHLO_CLEAR, "S 250 STARTTLS",
		"C STARTTLS", "RAW 220 go||", "EOF", NULL};
	struct fixture *f = *state;

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_STARTTLS, ACTION_BACK_OFF, PAUSE_NONE);
	assert_non_null(strstr(f->trouble.text, "in clear"));
	fixture_run(f, FAKE_CERT_GOOD, one);
	fixture_assert_trouble(f, PHASE_STARTTLS, ACTION_BACK_OFF, PAUSE_NONE);
}

static void test_bad_certificates(void **state)
{
	static const struct {
		enum fake_cert cert;
		const char *words;
	} rows[] = {
		{FAKE_CERT_WRONG_NAME, "mail.other.test"},
		{FAKE_CERT_EXPIRED, "expired"},
		{FAKE_CERT_UNKNOWN_CA, "Strange Authority"},
		{FAKE_CERT_CN_ONLY, "not " FAKE_HOST},
	};
	static const char *const starttls[] = {GREETING, "NOTLS", NULL};
	static const char *const implicit[] = {"NOTLS", NULL};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < 2 * COUNT_OF(rows); i++) {
		f->account.tls =
			i % 2 == 0 ? CONF_TLS_STARTTLS : CONF_TLS_IMPLICIT;
		fixture_run(
			f, rows[i / 2].cert, i % 2 == 0 ? starttls : implicit);
		fixture_assert_trouble(
			f, PHASE_TLS, ACTION_BACK_OFF, PAUSE_NONE);
		assert_non_null(strstr(f->trouble.text, rows[i / 2].words));
	}
}

static void test_bad_ca_file(void **state)
{
	static const char *const script[] = {GREETING, "EOF", NULL};
	struct fixture *f = *state;

	tls_client_free(&f->params.tls);
	f->params.tls = tls_client_new("/nonexistent/ca.pem");
	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_TLS, ACTION_BACK_OFF, PAUSE_NONE);
	assert_non_null(strstr(f->trouble.text, "/nonexistent/ca.pem"));
}

static void test_no_tls_behind_starttls(void **state)
{
	static const char *const script[] = {GREETING, "CLOSE", NULL};
	struct fixture *f = *state;

	fixture_run(f, FAKE_CERT_GOOD, script);
	fixture_assert_trouble(f, PHASE_TLS, ACTION_BACK_OFF, PAUSE_NONE);
}

/* --- login --- */

#define SECURE(offer) GREETING, "TLS", LINE_EHLO, "S 250-fake", "S 250 " offer

static void test_login_refused(void **state)
{
	const struct refusal rows[] = {
		{SCRIPT(SECURE("SIZE"), GOODBYE), PHASE_AUTH, ACTION_BACK_OFF,
			PAUSE_NONE},
		{SCRIPT(SECURE("AUTH XOAUTH2 CRAM-MD5"), GOODBYE), PHASE_AUTH,
			ACTION_HOLD, PAUSE_HOLD},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 535-5.7.8 Username and Password not accepted.",
			 "S 535 5.7.8  https://support.google.com/x", GOODBYE),
			PHASE_AUTH, ACTION_HOLD, PAUSE_HOLD},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 534 5.7.9 Application-specific password required",
			 GOODBYE),
			PHASE_AUTH, ACTION_HOLD, PAUSE_HOLD},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 534 5.7.14 Please log in via your web browser",
			 GOODBYE),
			PHASE_AUTH, ACTION_HOLD, PAUSE_WEB},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 454 4.7.0 Too many login attempts", GOODBYE),
			PHASE_AUTH, ACTION_THROTTLE, PAUSE_LOGINS},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 454 4.7.0 Cannot authenticate now", GOODBYE),
			PHASE_AUTH, ACTION_THROTTLE, PAUSE_AUTH_4XX},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 421 4.7.0 Temporary System Problem", "EOF"),
			PHASE_AUTH, ACTION_THROTTLE, PAUSE_BRIEF},
		/* it hangs up before the QUIT: still the 535 */
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *",
			 "S 535 5.7.8 no", "CLOSE"),
			PHASE_AUTH, ACTION_HOLD, PAUSE_HOLD},
		{SCRIPT(SECURE("AUTH PLAIN LOGIN"), "C AUTH PLAIN *",
			 "S 504 5.7.4 no", "C AUTH LOGIN", "S 504 5.7.4 no",
			 GOODBYE),
			PHASE_AUTH, ACTION_HOLD, PAUSE_HOLD},
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *", "CLOSE"),
			PHASE_AUTH, ACTION_BACK_OFF, PAUSE_NONE},
		/* challenges that make no sense are cancelled */
		{SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN *", "S 334 ",
			 "C ?*", "S 334 eyJz", "C \\*", "S 501 cancelled",
			 GOODBYE),
			PHASE_AUTH, ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT(SECURE("AUTH LOGIN"), "C AUTH LOGIN",
			 "S 334 UGFzc3dvcmQ6", "C \\*", "S 501 cancelled",
			 GOODBYE),
			PHASE_AUTH, ACTION_BACK_OFF, PAUSE_NONE},
	};

	run_refusals(*state, rows, COUNT_OF(rows));
}

static void test_login_ways(void **state)
{
	const char *const *const scripts[] = {
		SCRIPT(SECURE("AUTH LOGIN"), "C AUTH LOGIN",
			"S 334 VXNlcm5hbWU6", "C " USER_64,
			"S 334 UGFzc3dvcmQ6", "C " SECRET_64, "S 235 yes",
			GOODBYE),
		SCRIPT(SECURE("AUTH PLAIN LOGIN"), "C AUTH PLAIN *",
			"S 504 5.7.4 no", "C AUTH LOGIN", "S 334 VXNlcm5hbWU6",
			"C " USER_64, "S 334 UGFzc3dvcmQ6", "C " SECRET_64,
			"S 235 yes", GOODBYE),
		SCRIPT(SECURE("AUTH PLAIN"), "C AUTH PLAIN ?*",
			"S 535 5.5.4 Optional argument not permitted",
			"C AUTH PLAIN", "S 334 ",
			"C AHVzZXJAZmFrZS50ZXN0AHMzY3JldA==", "S 235 yes",
			GOODBYE),
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(scripts); i++) {
		f->ready = 0;
		fixture_run(f, FAKE_CERT_GOOD, scripts[i]);
		fixture_assert_fine(f);
		assert_int_equal(f->ready, 1);
	}
}

/* RFC 4954 section 4: a line beyond 512 octets has no initial response. */
static void test_long_login(void **state)
{
	static const char *const at_limit[] = {SECURE("AUTH PLAIN"),
		"C AUTH PLAIN ?*", "S 235 yes", GOODBYE, NULL};
	static const char *const beyond[] = {SECURE("AUTH PLAIN"),
		"C AUTH PLAIN", "QUIET", "S 334 ", "C ?*", "S 235 yes", GOODBYE,
		NULL};
	/* "AUTH PLAIN " and CRLF leave 499: 124 groups, 372 octets */
	const size_t most = 372 - 2 - strlen("user@fake.test");
	struct fixture *f = *state;
	struct credential *credential;
	struct credential *c = calloc(1, sizeof(*c) + most + 2);

	assert_non_null(c);
	memcpy(&credential, &f->params.credential, sizeof(credential));
	free(credential);
	memset(c->secret, 's', most);
	c->len = most;
	memcpy(&f->params.credential, &c, sizeof(c));
	fixture_run(f, FAKE_CERT_GOOD, at_limit);
	fixture_assert_fine(f);
	c->secret[most] = 's';
	c->len++;
	fixture_run(f, FAKE_CERT_GOOD, beyond);
	fixture_assert_fine(f);
}

/* --- time, and no connection at all --- */

static void test_timeouts(void **state)
{
	const struct refusal rows[] = {
		{SCRIPT("EOF"), PHASE_BANNER, ACTION_BACK_OFF, PAUSE_NONE},
		{SCRIPT(EHLO_CLEAR, "EOF"), PHASE_EHLO, ACTION_BACK_OFF,
			PAUSE_NONE},
		/* a reply that never ends */
		{SCRIPT(EHLO_CLEAR, "S 250-fake", "EOF"), PHASE_EHLO,
			ACTION_BACK_OFF, PAUSE_NONE},
	};
	static const char *const handshake[] = {GREETING, "WAIT", NULL};
	struct fixture *f = *state;

	f->account.reply_timeout_ms = 30;
	run_refusals(f, rows, COUNT_OF(rows));
	assert_non_null(strstr(f->trouble.text, "did not answer"));
	f->account.reply_timeout_ms = 20000;
	f->account.connect_timeout_ms = 30;
	fixture_run(f, FAKE_CERT_GOOD, handshake);
	fixture_assert_trouble(f, PHASE_TLS, ACTION_BACK_OFF, PAUSE_NONE);
}

struct refused_call {
	struct event_base *base;
	unsigned closed;
	struct upstream_trouble trouble;
};

static void on_refused(
	void *arg, struct upstream *u, const struct upstream_trouble *trouble)
{
	struct refused_call *call = arg;

	(void)u;
	assert_non_null(trouble);
	call->closed++;
	call->trouble = *trouble;
	event_base_loopbreak(call->base);
}

/* A port that nobody listens at, and addresses that lead nowhere: told from
 * the loop, not from inside. */
static void test_no_connection(void **state)
{
	struct fixture *f = *state;
	struct refused_call call = {.base = f->base};
	const struct upstream_callbacks callbacks = {
		.on_closed = on_refused, .arg = &call};
	struct sockaddr_in *in = (struct sockaddr_in *)&f->params.address;
	struct err err;
	int i;

	for (i = 0; i < 3; i++) {
		memset(&f->params.address, 0, sizeof(f->params.address));
		in->sin_family = i == 2 ? 255 : AF_INET;
		/* 255.255.255.255: refused by the kernel at once */
		in->sin_addr.s_addr =
			i == 1 ? INADDR_NONE : htonl(INADDR_LOOPBACK);
		in->sin_port = htons(1);
		f->params.address_len = sizeof(*in);
		call.closed = 0;
		assert_non_null(
			upstream_open(f->base, &f->params, &callbacks, &err));
		assert_int_equal(call.closed, 0);
		event_base_dispatch(f->base);
		assert_int_equal(call.closed, 1);
		assert_int_equal(call.trouble.phase, PHASE_CONNECT);
		assert_int_equal(call.trouble.action, ACTION_BACK_OFF);
		assert_non_null(strstr(call.trouble.text, "cannot connect"));
	}
}

/* --- ended from outside --- */

static void test_abort(void **state)
{
	static const char *const waits[] = {"S 220 fake", "CUT", NULL};
	static const char *const ready[] = {READY_BOTH, "EOF", NULL};
	struct fixture *f = *state;

	f->abort_in = "EHLO";
	fixture_run(f, FAKE_CERT_GOOD, waits);
	fixture_assert_fine(f);
	f->abort_in = NULL;
	f->abort_when_ready = true;
	fixture_run(f, FAKE_CERT_GOOD, ready);
	fixture_assert_fine(f);
	assert_int_equal(f->ready, 1);
}

static void test_quit_early(void **state)
{
	static const char *const waits[] = {"S 220 fake", "CUT", NULL};
	static const char *const idle[] = {READY_BOTH, GOODBYE, NULL};
	struct fixture *f = *state;

	f->quit_in = "EHLO";
	fixture_run(f, FAKE_CERT_GOOD, waits);
	fixture_assert_fine(f);
	f->quit_in = "READY";
	f->stay = true;
	fixture_run(f, FAKE_CERT_GOOD, idle);
	fixture_assert_fine(f);
}

/* --- secrets --- */

/* Not even an echo of the login gets into the log. */
static void test_log_has_no_secret(void **state)
{
	static const char *const script[] = {SECURE("AUTH LOGIN"),
		"C AUTH LOGIN", "S 334 VXNlcm5hbWU6", "C " USER_64,
		"S 334 UGFzc3dvcmQ6", "C " SECRET_64,
		"S 235 welcome " SECRET_64 " " FIXTURE_SECRET, GOODBYE, NULL};
	char path[] = "/tmp/gmrelay-log-XXXXXX", log[16384];
	const int file = mkstemp(path), saved = dup(STDERR_FILENO);
	struct fixture *f = *state;
	ssize_t n;

	assert_true(file >= 0 && saved >= 0);
	log_open(LOG_LEVEL_DEBUG, false);
	dup2(file, STDERR_FILENO);
	fixture_run(f, FAKE_CERT_GOOD, script);
	dup2(saved, STDERR_FILENO);
	log_open(LOG_LEVEL_INFO, false);
	n = pread(file, log, sizeof(log) - 1, 0);
	assert_true(n > 0);
	log[n] = '\0';
	assert_non_null(strstr(log, "state=READY from=AUTH"));
	assert_null(strstr(log, FIXTURE_SECRET));
	assert_null(strstr(log, SECRET_64));
	assert_null(strstr(log, USER_64));
	unlink(path);
	close(file);
	close(saved);
}

#define TEST(name)                                                             \
	cmocka_unit_test_setup_teardown(name, fixture_setup, fixture_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_starttls),
		TEST(test_implicit),
		TEST(test_probe),
		TEST(test_ehlo_name),
		TEST(test_ehlo_name_refused),
		cmocka_unit_test(test_offer_lines),
		TEST(test_refused_early),
		TEST(test_no_starttls),
		TEST(test_bytes_behind_starttls),
		TEST(test_bad_certificates),
		TEST(test_bad_ca_file),
		TEST(test_no_tls_behind_starttls),
		TEST(test_login_refused),
		TEST(test_login_ways),
		TEST(test_long_login),
		TEST(test_timeouts),
		TEST(test_no_connection),
		TEST(test_abort),
		TEST(test_quit_early),
		TEST(test_log_has_no_secret),
	};

	return cmocka_run_group_tests_name(
		"upstream", tests, fixture_group_setup, fixture_group_teardown);
}
