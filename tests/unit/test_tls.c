/*
 * test_tls.c - which certificates pass, what is said of the others, resuming.
 */
#include "config.h"

#include "relay/tls.h"

#include "base/util.h"
#include "fake_upstream.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct client {
	struct event_base *base;
	struct bufferevent *bev;
	bool connected;
	bool confirmed;
	char text[512]; /* what tls_client_confirm() told */
	struct err err;
};

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	if (what & BEV_EVENT_CONNECTED) {
		c->connected = true;
		c->confirmed = tls_client_confirm(bev, c->text, sizeof(c->text),
				       &c->err) == 0;
		if (c->confirmed)
			return;
	} else if (!c->connected) {
		if (what & BEV_EVENT_EOF)
			errno = 0;
		tls_client_explain(bev, &c->err);
	}
	event_base_loopbreak(c->base);
}

/* A word from the server: with it have come its session tickets. */
static void on_read(struct bufferevent *bev, void *arg)
{
	struct client *c = arg;

	(void)bev;
	event_base_loopbreak(c->base);
}

static int call(const struct fake_server *s)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(connect(fd, (const struct sockaddr *)&s->address,
				 sizeof(s->address)),
		0);
	assert_int_equal(evutil_make_socket_nonblocking(fd), 0);
	return fd;
}

static void talk(struct client *c, struct tls_client *t,
	const struct fake_server *s, const char *host)
{
	memset(c, 0, sizeof(*c));
	c->base = event_base_new();
	c->bev = tls_client_connect(t, c->base, call(s), host, &c->err);
	assert_non_null(c->bev);
	bufferevent_setcb(c->bev, on_read, NULL, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	event_base_dispatch(c->base);
	tls_client_close(&c->bev);
	assert_null(c->bev);
	event_base_loop(c->base, EVLOOP_NONBLOCK);
	event_base_free(c->base);
}

static const char *const friendly[] = {"TLS", "S 220 hello", "EOF", NULL};
static const char *const refused[] = {"NOTLS", NULL};

static int make_pki(void **state)
{
	struct fake_pki *pki = xcalloc(1, sizeof(*pki));

	signal(SIGPIPE, SIG_IGN);
	fake_pki_init(pki);
	*state = pki;
	return 0;
}

static int free_pki(void **state)
{
	fake_pki_free(*state);
	free(*state);
	return 0;
}

static void test_good(void **state)
{
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, pki->contexts[FAKE_CERT_GOOD], friendly);
	talk(&c, t, &s, FAKE_HOST);
	assert_null(fake_server_join(&s));
	assert_true(c.confirmed);
	assert_string_equal(s.sni, FAKE_HOST);
	assert_non_null(strstr(c.text, "TLSv1.3"));
	assert_non_null(strstr(c.text, "certificate for " FAKE_HOST));
	assert_non_null(strstr(c.text, "Fake Authority"));
	assert_non_null(strstr(c.text, "valid until 20"));
	tls_client_free(&t);
	assert_null(t);
	tls_client_free(&t);
}

/* An address as host: in the certificate, not in SNI. */
static void test_address(void **state)
{
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, pki->contexts[FAKE_CERT_ADDRESS], friendly);
	talk(&c, t, &s, "127.0.0.1");
	assert_null(fake_server_join(&s));
	assert_true(c.confirmed);
	assert_string_equal(s.sni, "");
	fake_server_start(&s, pki->contexts[FAKE_CERT_GOOD], refused);
	talk(&c, t, &s, "127.0.0.1");
	assert_null(fake_server_join(&s));
	assert_false(c.connected);
	assert_non_null(strstr(c.err.text, "for " FAKE_HOST));
	assert_non_null(strstr(c.err.text, "not 127.0.0.1"));
	tls_client_free(&t);
}

static void test_bad_certificates(void **state)
{
	static const struct {
		enum fake_cert cert;
		const char *words[3];
	} rows[] = {
		{FAKE_CERT_WRONG_NAME,
			{"mail.other.test, www.other.test", "not " FAKE_HOST,
				"setting host"}},
		{FAKE_CERT_CN_ONLY, {"no name at all", "not " FAKE_HOST, ""}},
		{FAKE_CERT_PARTIAL, {"sm*.fake.test", "not " FAKE_HOST, ""}},
		{FAKE_CERT_ADDRESS, {"127.0.0.1", "not " FAKE_HOST, ""}},
		{FAKE_CERT_EXPIRED, {"expired on 20", "clock", ""}},
		{FAKE_CERT_FUTURE, {"not valid before 20", "clock", ""}},
		{FAKE_CERT_UNKNOWN_CA, {"Strange Authority", "does not know",
					       "ca-certificates"}},
	};
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;
	size_t i, j;

	for (i = 0; i < COUNT_OF(rows); i++) {
		fake_server_start(&s, pki->contexts[rows[i].cert], refused);
		talk(&c, t, &s, FAKE_HOST);
		assert_null(fake_server_join(&s));
		assert_false(c.connected);
		assert_int_equal(c.err.kind, ERR_PROTOCOL);
		for (j = 0; j < 3; j++)
			if (strstr(c.err.text, rows[i].words[j]) == NULL)
				fail_msg("\"%s\" is not in: %s",
					rows[i].words[j], c.err.text);
	}
	tls_client_free(&t);
}

/* The system's store knows no authority of ours. */
static void test_system_store(void **state)
{
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new("");
	struct fake_server s;
	struct client c;

	fake_server_start(&s, pki->contexts[FAKE_CERT_GOOD], refused);
	talk(&c, t, &s, FAKE_HOST);
	assert_null(fake_server_join(&s));
	assert_false(c.connected);
	assert_non_null(strstr(c.err.text, "ca-certificates"));
	tls_client_free(&t);
}

static void test_bad_ca_file(void **state)
{
	struct fake_pki *pki = *state;
	const char *const files[] = {"/nonexistent/ca.pem", pki->junk_file};
	struct event_base *base = event_base_new();
	struct tls_client *t;
	struct err err;
	int fds[2];
	size_t i;

	for (i = 0; i < COUNT_OF(files); i++) {
		t = tls_client_new(files[i]);
		assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
		assert_null(
			tls_client_connect(t, base, fds[0], FAKE_HOST, &err));
		assert_non_null(strstr(err.text, files[i]));
		/* it was closed, on our behalf */
		assert_int_equal(close(fds[0]), -1);
		close(fds[1]);
		tls_client_free(&t);
	}
	event_base_free(base);
}

static SSL_CTX *old_server(const struct fake_pki *pki)
{
	SSL_CTX *good = pki->contexts[FAKE_CERT_GOOD];
	SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());

	SSL_CTX_set_security_level(ctx, 0);
	assert_int_equal(SSL_CTX_set_cipher_list(ctx, "ALL:@SECLEVEL=0"), 1);
	assert_int_equal(SSL_CTX_set_max_proto_version(ctx, TLS1_1_VERSION), 1);
	assert_int_equal(SSL_CTX_set_min_proto_version(ctx, TLS1_VERSION), 1);
	assert_int_equal(
		SSL_CTX_use_certificate(ctx, SSL_CTX_get0_certificate(good)),
		1);
	assert_int_equal(
		SSL_CTX_use_PrivateKey(ctx, SSL_CTX_get0_privatekey(good)), 1);
	return ctx;
}

static void test_old_tls(void **state)
{
	struct fake_pki *pki = *state;
	SSL_CTX *ctx = old_server(pki);
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, ctx, refused);
	talk(&c, t, &s, FAKE_HOST);
	assert_null(fake_server_join(&s));
	assert_false(c.connected);
	assert_non_null(strstr(c.err.text, "TLS 1.2"));
	tls_client_free(&t);
	SSL_CTX_free(ctx);
}

static void test_no_tls(void **state)
{
	static const char *const clear[] = {
		"S 220 mail.fake.test ESMTP, in clear", "EOF", NULL};
	static const char *const silent[] = {"CLOSE", NULL};
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, NULL, clear);
	talk(&c, t, &s, FAKE_HOST);
	fake_server_join(&s); /* hears the ClientHello: of no matter */
	assert_false(c.connected);
	assert_non_null(strstr(c.err.text, "not TLS"));
	assert_non_null(strstr(c.err.text, "implicit"));
	fake_server_start(&s, NULL, silent);
	talk(&c, t, &s, FAKE_HOST);
	assert_null(fake_server_join(&s));
	assert_false(c.connected);
	assert_true(strlen(c.err.text) > 0);
	tls_client_free(&t);
}

static void resume(struct fake_pki *pki, int version)
{
	static const char *const twice[] = {"TLS", "S 220 hello", "EOF",
		"ACCEPT", "TLS", "S 220 hello", "EOF", NULL};
	SSL_CTX *ctx = pki->contexts[FAKE_CERT_GOOD];
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	SSL_CTX_set_max_proto_version(ctx, version);
	fake_server_start(&s, ctx, twice);
	talk(&c, t, &s, FAKE_HOST);
	assert_true(c.confirmed);
	assert_null(strstr(c.text, "resumed"));
	/* the context goes, the session stays */
	tls_client_release(t);
	tls_client_release(t);
	talk(&c, t, &s, FAKE_HOST);
	assert_null(fake_server_join(&s));
	assert_true(c.confirmed);
	assert_non_null(strstr(c.text, "resumed"));
	assert_int_equal(s.resumed, 1);
	tls_client_free(&t);
	SSL_CTX_set_max_proto_version(ctx, 0);
}

static void test_resume(void **state)
{
	resume(*state, TLS1_3_VERSION);
	resume(*state, TLS1_2_VERSION);
}

/* What was verified for one host says nothing about another: the session is
 * not offered, and the certificate is looked at. */
static void test_no_resume_for_another_host(void **state)
{
	static const char *const twice[] = {
		"TLS", "S 220 hello", "EOF", "ACCEPT", "NOTLS", NULL};
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, pki->contexts[FAKE_CERT_GOOD], twice);
	talk(&c, t, &s, FAKE_HOST);
	assert_true(c.confirmed);
	talk(&c, t, &s, "other.fake.test");
	assert_null(fake_server_join(&s));
	assert_false(c.connected);
	assert_int_equal(s.resumed, 0);
	tls_client_free(&t);
}

/* The account may go before its last connection is freed. */
static void test_freed_before_connection(void **state)
{
	struct fake_pki *pki = *state;
	struct tls_client *t = tls_client_new(pki->ca_file);
	struct fake_server s;
	struct client c;

	fake_server_start(&s, pki->contexts[FAKE_CERT_GOOD], friendly);
	memset(&c, 0, sizeof(c));
	c.base = event_base_new();
	c.bev = tls_client_connect(t, c.base, call(&s), FAKE_HOST, &c.err);
	assert_non_null(c.bev);
	tls_client_free(&t);
	bufferevent_setcb(c.bev, on_read, NULL, on_event, &c);
	bufferevent_enable(c.bev, EV_READ | EV_WRITE);
	event_base_dispatch(c.base);
	assert_true(c.confirmed);
	tls_client_close(&c.bev);
	tls_client_close(&c.bev);
	assert_null(fake_server_join(&s));
	event_base_loop(c.base, EVLOOP_NONBLOCK);
	event_base_free(c.base);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_good),
		cmocka_unit_test(test_address),
		cmocka_unit_test(test_bad_certificates),
		cmocka_unit_test(test_system_store),
		cmocka_unit_test(test_bad_ca_file),
		cmocka_unit_test(test_old_tls),
		cmocka_unit_test(test_no_tls),
		cmocka_unit_test(test_resume),
		cmocka_unit_test(test_no_resume_for_another_host),
		cmocka_unit_test(test_freed_before_connection),
	};

	return cmocka_run_group_tests_name("tls", tests, make_pki, free_pki);
}
