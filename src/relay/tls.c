/*
 * tls.c - TLS towards the submission server.
 */
#include "config.h"

#include "relay/tls.h"

#include "base/util.h"
#include "relay/tls_internal.h"

#include <event2/bufferevent.h>
#include <event2/bufferevent_ssl.h>
#include <event2/event.h>

#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	/* RFC 9525: names in the certificate's SAN alone, whole labels */
	HOST_FLAGS = X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS |
		     X509_CHECK_FLAG_NEVER_CHECK_SUBJECT,
};

struct tls_client {
	char *ca_file;
	SSL_CTX *ctx;
	SSL_SESSION *session;
	char *session_host; /* a session is resumed for the host it was made
			       with: resuming checks no certificate */
};

struct tls_client *tls_client_new(const char *ca_file)
{
	struct tls_client *t = xcalloc(1, sizeof(*t));

	t->ca_file = xstrdup(ca_file);
	return t;
}

static void forget_session(struct tls_client *t)
{
	SSL_SESSION_free(t->session);
	t->session = NULL;
	free(t->session_host);
	t->session_host = NULL;
}

void tls_client_release(struct tls_client *t)
{
	if (t->ctx == NULL)
		return;
	/* a connection that lives on must not find us through it */
	SSL_CTX_set_app_data(t->ctx, NULL);
	SSL_CTX_free(t->ctx);
	t->ctx = NULL;
}

void tls_client_free(struct tls_client **tp)
{
	struct tls_client *t = *tp;

	*tp = NULL;
	if (t == NULL)
		return;
	tls_client_release(t);
	forget_session(t);
	free(t->ca_file);
	free(t);
}

/* What OpenSSL queued last, and the queue emptied. */
static int openssl_error(struct err *err, const char *what)
{
	const unsigned long code = ERR_peek_last_error();
	const char *reason = ERR_reason_error_string(code);

	ERR_clear_error();
	return err_set(err, ERR_SYSTEM, "%s: %s", what,
		reason != NULL ? reason : "unknown error of OpenSSL");
}

static bool is_address(const char *host)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, host, address) == 1 ||
	       inet_pton(AF_INET6, host, address) == 1;
}

/* Called when a session that can be resumed has come: with TLS 1.3 some time
 * after the handshake. Returns 1: the reference is ours now. */
static int on_session(SSL *ssl, SSL_SESSION *session)
{
	struct tls_client *t = SSL_CTX_get_app_data(SSL_get_SSL_CTX(ssl));
	const char *host = X509_VERIFY_PARAM_get0_host(SSL_get0_param(ssl), 0);

	if (t == NULL || host == NULL)
		return 0;
	forget_session(t);
	t->session = session;
	t->session_host = xstrdup(host);
	return 1;
}

static int load_store(SSL_CTX *ctx, const char *ca_file, struct err *err)
{
	FILE *file;

	if (ca_file[0] == '\0') {
		if (SSL_CTX_set_default_verify_paths(ctx) == 1)
			return 0;
		return openssl_error(err, "the system's certificates");
	}
	/* OpenSSL's own words for a missing file help nobody */
	file = fopen(ca_file, "re");
	if (file == NULL && errno == EACCES)
		return err_set(err, ERR_ACCESS,
			"ca-file %s: the relay's user may not read it; there "
			"is no secret in it: chmod 644",
			ca_file);
	if (file == NULL)
		return err_errno(err, "ca-file %s", ca_file);
	fclose(file);
	if (SSL_CTX_load_verify_file(ctx, ca_file) == 1)
		return 0;
	ERR_clear_error();
	return err_set(err, ERR_CONFIG,
		"ca-file %s holds no certificate in PEM form", ca_file);
}

static int make_context(struct tls_client *t, struct err *err)
{
	SSL_CTX *ctx;

	if (t->ctx != NULL)
		return 0;
	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_client_method());
	if (ctx == NULL)
		return openssl_error(err, "cannot start TLS");
	if (SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION) != 1) {
		openssl_error(err, "cannot ask for TLS 1.2");
		SSL_CTX_free(ctx);
		return -1;
	}
	if (load_store(ctx, t->ca_file, err) != 0) {
		SSL_CTX_free(ctx);
		return -1;
	}
	SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER, NULL);
	SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
	/* SMTP marks the end of everything itself, so an end of file without
	 * close_notify is one like any other. */
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION |
					 SSL_OP_NO_COMPRESSION |
					 SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_session_cache_mode(
		ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
	SSL_CTX_sess_set_new_cb(ctx, on_session);
	SSL_CTX_set_app_data(ctx, t);
	t->ctx = ctx;
	return 0;
}

int tls_client_check(const char *ca_file, struct err *err)
{
	struct tls_client *t = tls_client_new(ca_file);
	int rc = make_context(t, err);

	tls_client_free(&t);
	return rc;
}

/* What the certificate must be for, and SNI. RFC 6066 3: no address in SNI. */
static int set_host(SSL *ssl, const char *host)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	char *name;
	long rc;

	SSL_set_hostflags(ssl, HOST_FLAGS);
	if (is_address(host))
		return X509_VERIFY_PARAM_set1_ip_asc(param, host) == 1 ? 0 : -1;
	if (SSL_set1_host(ssl, host) != 1)
		return -1;
	/* what SSL_set_tlsext_host_name() is, but for its cast */
	name = xstrdup(host);
	rc = SSL_ctrl(ssl, SSL_CTRL_SET_TLSEXT_HOSTNAME,
		TLSEXT_NAMETYPE_host_name, name);
	free(name);
	return rc == 1 ? 0 : -1;
}

static SSL *make_ssl(struct tls_client *t, const char *host, struct err *err)
{
	SSL *ssl;

	if (make_context(t, err) != 0)
		return NULL;
	ssl = SSL_new(t->ctx);
	if (ssl == NULL || set_host(ssl, host) != 0) {
		openssl_error(err, "cannot prepare TLS");
		SSL_free(ssl);
		return NULL;
	}
	if (t->session != NULL && strcmp(t->session_host, host) == 0)
		SSL_set_session(ssl, t->session);
	return ssl;
}

struct bufferevent *tls_client_connect(struct tls_client *t,
	struct event_base *base, int fd, const char *host, struct err *err)
{
	SSL *ssl = make_ssl(t, host, err);
	struct bufferevent *bev;

	if (ssl == NULL) {
		close(fd);
		return NULL;
	}
	bev = bufferevent_openssl_socket_new(base, fd, ssl,
		BUFFEREVENT_SSL_CONNECTING, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		err_set(err, ERR_SYSTEM, "cannot start TLS: no memory");
		SSL_free(ssl);
		close(fd);
		return NULL;
	}
	bufferevent_openssl_set_allow_dirty_shutdown(bev, 1);
	return bev;
}

void tls_client_close(struct bufferevent **bevp)
{
	struct bufferevent *bev = *bevp;
	SSL *ssl;

	*bevp = NULL;
	if (bev == NULL)
		return;
	ssl = bufferevent_openssl_get_ssl(bev);
	/* One way, without waiting for the answer; a socket that takes nothing
	 * more just does not get it. */
	if (ssl != NULL && SSL_is_init_finished(ssl)) {
		SSL_set_shutdown(ssl, SSL_RECEIVED_SHUTDOWN);
		SSL_shutdown(ssl);
	}
	ERR_clear_error();
	bufferevent_free(bev);
}

/* Not trusting that the handshake did all it was told to: a resumed session,
 * for one, saw no certificate. */
static int check_peer(SSL *ssl, X509 *cert, const char *host, struct err *err)
{
	const long verified = SSL_get_verify_result(ssl);

	if (SSL_version(ssl) < TLS1_2_VERSION)
		return err_set(err, ERR_PROTOCOL,
			"the server speaks %s only; TLS 1.2 is the least",
			SSL_get_version(ssl));
	if (cert == NULL || verified != X509_V_OK)
		return err_set(
			err, ERR_PROTOCOL, "the certificate was not verified");
	if (X509_cmp_current_time(X509_get0_notAfter(cert)) <= 0)
		return err_set(err, ERR_PROTOCOL,
			"the certificate has expired meanwhile");
	if (is_address(host)
			? X509_check_ip_asc(cert, host, 0) != 1
			: X509_check_host(cert, host, 0, HOST_FLAGS, NULL) != 1)
		return err_set(err, ERR_PROTOCOL,
			"the certificate is not for %s", host);
	return 0;
}

int tls_client_confirm(
	struct bufferevent *bev, char *text, size_t size, struct err *err)
{
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	X509 *cert = SSL_get0_peer_certificate(ssl);
	char issuer[TLS_NAMES_MAX], until[64], *owned;
	const char *host = tls_wanted_host(ssl, &owned);
	int rc = check_peer(ssl, cert, host, err);

	if (rc == 0) {
		tls_print_issuer(cert, issuer, sizeof(issuer));
		tls_print_time(X509_get0_notAfter(cert), until, sizeof(until));
		snprintf(text, size,
			"%s %s, certificate for %s by %s, valid until %s%s",
			SSL_get_version(ssl), SSL_get_cipher_name(ssl), host,
			issuer, until,
			SSL_session_reused(ssl) ? ", resumed" : "");
	}
	OPENSSL_free(owned);
	return rc;
}
