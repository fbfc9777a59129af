/*
 * tls.c - TLS towards clients.
 */
#include "config.h"

#include "receiver/tls.h"

#include "base/util.h"

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { VERSIONS = CONF_TLS_1_3 + 1 };

struct tls_server {
	char *cert_file;
	SSL_CTX *contexts[VERSIONS]; /* by min-tls; NULL: nobody asks for it */
};

struct tls_conn {
	SSL *ssl;
	bool broken; /* nothing may be said any more */
	bool ended;  /* the client's end is still to be told */
};

/* What a version needs. TLS 1.0 and 1.1 sign with MD5 and SHA-1, which OpenSSL
 * has at level 0 alone; their devices may know no elliptic curves either. */
static const struct version {
	int protocol;
	bool old;
} versions[VERSIONS] = {
	[CONF_TLS_1_0] = {TLS1_VERSION, true},
	[CONF_TLS_1_1] = {TLS1_1_VERSION, true},
	[CONF_TLS_1_2] = {TLS1_2_VERSION, false},
	[CONF_TLS_1_3] = {TLS1_3_VERSION, false},
};

/* What OpenSSL queued last, and the queue emptied. */
static const char *openssl_words(void)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return reason != NULL ? reason : "unknown error of OpenSSL";
}

/* --- certificate and key -------------------------------------------------- */

/* A key that wants a passphrase: nobody is there to type it. */
static int no_passphrase(char *text, int size, int writing, void *arg)
{
	(void)text;
	(void)size;
	(void)writing;
	*(bool *)arg = true;
	return -1;
}

static EVP_PKEY *read_key(const struct tls_setup *setup, struct err *err)
{
	bool encrypted = false;
	EVP_PKEY *key = NULL;
	BIO *bio;

	bio = BIO_new_mem_buf(setup->key, (int)setup->key_len);
	if (bio != NULL)
		key = PEM_read_bio_PrivateKey(
			bio, NULL, no_passphrase, &encrypted);
	BIO_free(bio);
	ERR_clear_error();
	if (key == NULL && encrypted)
		err_set(err, ERR_CONFIG,
			"tls-key %s: the key has a passphrase; store it "
			"without one (openssl pkey -in %s)",
			setup->key_file, setup->key_file);
	else if (key == NULL)
		err_set(err, ERR_CONFIG,
			"tls-key %s: holds no private key in PEM form",
			setup->key_file);
	return key;
}

static int use_certificate(
	SSL_CTX *ctx, const struct tls_setup *setup, struct err *err)
{
	FILE *file;

	/* OpenSSL's own words for a missing file help nobody */
	file = fopen(setup->cert_file, "re");
	if (file == NULL)
		return err_errno(err, "tls-cert %s", setup->cert_file);
	fclose(file);
	if (SSL_CTX_use_certificate_chain_file(ctx, setup->cert_file) == 1)
		return 0;
	/* the first one of several: the rest says where it came from */
	if (ERR_GET_LIB(ERR_peek_error()) == ERR_LIB_PEM) {
		ERR_clear_error();
		return err_set(err, ERR_CONFIG,
			"tls-cert %s: holds no certificate in PEM form",
			setup->cert_file);
	}
	return err_set(err, ERR_CONFIG, "tls-cert %s: %s", setup->cert_file,
		openssl_words());
}

static int use_key(SSL_CTX *ctx, const struct tls_setup *setup, EVP_PKEY *key,
	struct err *err)
{
	if (X509_check_private_key(SSL_CTX_get0_certificate(ctx), key) != 1) {
		ERR_clear_error();
		return err_set(err, ERR_CONFIG,
			"tls-key %s: is not the key of the first certificate "
			"in %s",
			setup->key_file, setup->cert_file);
	}
	if (SSL_CTX_use_PrivateKey(ctx, key) == 1)
		return 0;
	return err_set(err, ERR_CONFIG, "tls-key %s: %s", setup->key_file,
		openssl_words());
}

/* --- the server ----------------------------------------------------------- */

static void set_options(SSL_CTX *ctx, const struct version *version)
{
	/* The buffer that waits to be sent grows, and moves, meanwhile. */
	SSL_CTX_set_mode(ctx, SSL_MODE_ENABLE_PARTIAL_WRITE |
				      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
				      SSL_MODE_RELEASE_BUFFERS);
	/* Without end a client can send what is no data, such as new keys:
	 * each lets go of the loop. */
	SSL_CTX_clear_mode(ctx, SSL_MODE_AUTO_RETRY);
	/* SMTP marks the end of everything itself, so an end of file without
	 * close_notify is one like any other. */
	SSL_CTX_set_options(
		ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION |
			     SSL_OP_NO_TICKET | SSL_OP_IGNORE_UNEXPECTED_EOF);
	SSL_CTX_set_num_tickets(ctx, 0);
	SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
	SSL_CTX_set_verify(ctx, SSL_VERIFY_NONE, NULL);
	if (version->old)
		SSL_CTX_set_dh_auto(ctx, 1);
}

static int set_version(SSL_CTX *ctx, const struct version *version)
{
	if (version->old) {
		SSL_CTX_set_security_level(ctx, 0);
		if (SSL_CTX_set_cipher_list(ctx, "DEFAULT@SECLEVEL=0") != 1)
			return -1;
	}
	return SSL_CTX_set_min_proto_version(ctx, version->protocol) == 1 ? 0
									  : -1;
}

static SSL_CTX *make_context(const struct version *version,
	const struct tls_setup *setup, EVP_PKEY *key, struct err *err)
{
	SSL_CTX *ctx;

	ERR_clear_error();
	ctx = SSL_CTX_new(TLS_server_method());
	if (ctx == NULL || set_version(ctx, version) != 0) {
		err_set(err, ERR_SYSTEM, "cannot start TLS: %s",
			openssl_words());
		SSL_CTX_free(ctx);
		return NULL;
	}
	set_options(ctx, version);
	if (use_certificate(ctx, setup, err) == 0 &&
		use_key(ctx, setup, key, err) == 0)
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

struct tls_server *tls_server_new(
	const struct tls_setup *setup, struct err *err)
{
	struct tls_server *server = xcalloc(1, sizeof(*server));
	EVP_PKEY *key = read_key(setup, err);
	bool good = key != NULL;
	size_t i;

	server->cert_file = xstrdup(setup->cert_file);
	for (i = 0; good && i < VERSIONS; i++) {
		if ((setup->versions & 1U << i) == 0)
			continue;
		server->contexts[i] =
			make_context(&versions[i], setup, key, err);
		good = server->contexts[i] != NULL;
	}
	EVP_PKEY_free(key);
	if (!good)
		tls_server_free(&server);
	return server;
}

void tls_server_free(struct tls_server **serverp)
{
	struct tls_server *server = *serverp;
	size_t i;

	*serverp = NULL;
	if (server == NULL)
		return;
	for (i = 0; i < VERSIONS; i++)
		SSL_CTX_free(server->contexts[i]);
	free(server->cert_file);
	free(server);
}

static void print_date(const ASN1_TIME *time, char *text, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(time, &tm) != 1 ||
		strftime(text, size, "%Y-%m-%d", &tm) == 0)
		snprintf(text, size, "an unknown date");
}

bool tls_server_warning(
	const struct tls_server *server, char *text, size_t size)
{
	time_t soon = time(NULL) + TLS_WARN_DAYS * 24 * 3600;
	const ASN1_TIME *begin, *end;
	const X509 *cert;
	char date[32];
	size_t i = 0;

	while (i < VERSIONS && server->contexts[i] == NULL)
		i++;
	if (i == VERSIONS)
		return false;
	cert = SSL_CTX_get0_certificate(server->contexts[i]);
	begin = X509_get0_notBefore(cert);
	end = X509_get0_notAfter(cert);
	if (X509_cmp_current_time(begin) > 0) {
		print_date(begin, date, sizeof(date));
		snprintf(text, size,
			"tls-cert %s: is valid from %s on only; is the clock "
			"right?",
			server->cert_file, date);
		return true;
	}
	if (X509_cmp_time(end, &soon) > 0)
		return false;
	print_date(end, date, sizeof(date));
	snprintf(text, size, "tls-cert %s: %s on %s; replace it and reload",
		server->cert_file,
		X509_cmp_current_time(end) < 0 ? "has expired" : "expires",
		date);
	return true;
}

/* --- a connection --------------------------------------------------------- */

struct tls_conn *tls_conn_new(const struct tls_server *server,
	enum conf_tls_version least, int fd, struct err *err)
{
	SSL_CTX *ctx = server->contexts[least];
	struct tls_conn *c = calloc(1, sizeof(*c));

	ERR_clear_error();
	if (c != NULL && ctx != NULL)
		c->ssl = SSL_new(ctx);
	if (c == NULL || c->ssl == NULL || SSL_set_fd(c->ssl, fd) != 1) {
		err_set(err, ERR_SYSTEM, "cannot start TLS: no memory");
		ERR_clear_error();
		if (c != NULL)
			SSL_free(c->ssl);
		free(c);
		return NULL;
	}
	SSL_set_accept_state(c->ssl);
	return c;
}

/* What rc of an operation means; a failure is for good. */
static enum tls_result judge(struct tls_conn *c, int rc)
{
	switch (SSL_get_error(c->ssl, rc)) {
	case SSL_ERROR_NONE:
		return TLS_DONE;
	case SSL_ERROR_WANT_READ:
		return TLS_WANTS_READ;
	case SSL_ERROR_WANT_WRITE:
		return TLS_WANTS_WRITE;
	default:
		c->broken = true;
		return TLS_FAILED;
	}
}

static void explain(struct err *err)
{
	static const struct {
		int reason;
		const char *words;
	} known[] = {
		{SSL_R_UNSUPPORTED_PROTOCOL,
			"the client knows only TLS versions that are too old "
			"here: see min-tls"},
		{SSL_R_VERSION_TOO_LOW,
			"the client knows only TLS versions that are too old "
			"here: see min-tls"},
		{SSL_R_NO_SHARED_CIPHER,
			"no cipher in common: an old device may need a lower "
			"min-tls, or a certificate with an RSA key"},
		{SSL_R_WRONG_VERSION_NUMBER, "what came is not TLS"},
		{SSL_R_HTTP_REQUEST, "what came is HTTP, not TLS"},
		{SSL_R_TLSV1_ALERT_UNKNOWN_CA,
			"the client does not trust our certificate"},
		{SSL_R_SSLV3_ALERT_BAD_CERTIFICATE,
			"the client does not like our certificate"},
		{SSL_R_SSLV3_ALERT_CERTIFICATE_UNKNOWN,
			"the client does not trust our certificate"},
		{SSL_R_SSLV3_ALERT_CERTIFICATE_EXPIRED,
			"for the client our certificate has expired"},
		{SSL_R_TLSV1_ALERT_PROTOCOL_VERSION,
			"the client wants another version of TLS"},
	};
	const unsigned long code = ERR_peek_last_error();
	size_t i;

	if (code == 0) {
		err_set(err, ERR_PROTOCOL, "the client left in the handshake");
		return;
	}
	for (i = 0; i < COUNT_OF(known); i++)
		if (ERR_GET_LIB(code) == ERR_LIB_SSL &&
			ERR_GET_REASON(code) == known[i].reason) {
			ERR_clear_error();
			err_set(err, ERR_PROTOCOL, "%s", known[i].words);
			return;
		}
	err_set(err, ERR_PROTOCOL, "TLS: %s", openssl_words());
}

enum tls_result tls_conn_handshake(struct tls_conn *c, struct err *err)
{
	enum tls_result result;

	ERR_clear_error();
	result = judge(c, SSL_do_handshake(c->ssl));
	if (result == TLS_FAILED)
		explain(err);
	return result;
}

enum tls_result tls_conn_read(
	struct tls_conn *c, void *data, size_t size, size_t *n_out)
{
	enum tls_result result = TLS_DONE;
	bool end = false;
	size_t n;
	int rc, records;

	*n_out = 0;
	for (records = 0; *n_out < size && result == TLS_DONE && !end &&
			  records < TLS_READ_RECORDS_MAX;
		records++) {
		ERR_clear_error();
		rc = SSL_read_ex(
			c->ssl, (char *)data + *n_out, size - *n_out, &n);
		if (rc == 1)
			*n_out += n;
		else if (SSL_get_error(c->ssl, rc) == SSL_ERROR_ZERO_RETURN)
			end = true;
		else
			result = judge(c, rc);
	}
	ERR_clear_error();
	/* What came before an end or a failure counts; that is told next. */
	c->ended = *n_out > 0 && (end || result == TLS_FAILED);
	return *n_out > 0 && result == TLS_FAILED ? TLS_DONE : result;
}

enum tls_result tls_conn_write(
	struct tls_conn *c, const void *data, size_t size, size_t *n_out)
{
	enum tls_result result;
	int rc;

	*n_out = 0;
	if (c->broken)
		return TLS_FAILED;
	ERR_clear_error();
	rc = SSL_write_ex(c->ssl, data, size, n_out);
	result = rc == 1 ? TLS_DONE : judge(c, rc);
	ERR_clear_error();
	return result;
}

bool tls_conn_pending(const struct tls_conn *c)
{
	return c->ended || SSL_pending(c->ssl) > 0;
}

void tls_conn_describe(const struct tls_conn *c, char text[TLS_TEXT_MAX])
{
	snprintf(text, TLS_TEXT_MAX, "%s %s", SSL_get_version(c->ssl),
		SSL_get_cipher_name(c->ssl));
}

void tls_conn_close(struct tls_conn **cp)
{
	struct tls_conn *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	/* One way, without waiting for the answer; a socket that takes nothing
	 * more just does not get it. */
	ERR_clear_error();
	if (!c->broken && SSL_is_init_finished(c->ssl)) {
		SSL_set_shutdown(c->ssl, SSL_RECEIVED_SHUTDOWN);
		SSL_shutdown(c->ssl);
	}
	ERR_clear_error();
	SSL_free(c->ssl);
	free(c);
}
