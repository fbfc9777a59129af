/*
 * test_client_tls.c - TLS towards clients: how much of what one sends is taken
 *                     in one turn.
 */
#include "config.h"

#include "receiver/tls.h"

#include "base/buf.h"
#include "base/util.h"

#include <openssl/bio.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DAY_S = 24 * 3600, ROOM = 64 * 1024 };

struct pair {
	int fds[2]; /* the client's, the server's */
	SSL_CTX *ctx;
	SSL *client;
	struct tls_server *server;
	struct tls_conn *conn;
	char room[ROOM];
};

/* A certificate that signs itself, in a file, and its key. */
static void make_server(struct pair *p)
{
	char file[] = "/tmp/gmrelay-cert-XXXXXX";
	EVP_PKEY *key = EVP_EC_gen("P-256");
	BIO *bio = BIO_new(BIO_s_mem());
	struct tls_setup setup = {
		.cert_file = file,
		.key_file = "key",
		.versions = 1U << CONF_TLS_1_2,
	};
	FILE *out = fdopen(mkstemp(file), "w");
	X509 *cert = X509_new();
	struct err err;
	char *text;

	assert_non_null(out);
	X509_gmtime_adj(X509_getm_notBefore(cert), 0);
	X509_gmtime_adj(X509_getm_notAfter(cert), DAY_S);
	assert_int_equal(X509_set_pubkey(cert, key), 1);
	assert_true(X509_sign(cert, key, EVP_sha256()) > 0);
	assert_int_equal(PEM_write_X509(out, cert), 1);
	fclose(out);
	assert_int_equal(
		PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL),
		1);
	setup.key_len = (size_t)BIO_get_mem_data(bio, &text);
	setup.key = text;
	p->server = tls_server_new(&setup, &err);
	assert_non_null(p->server);
	unlink(file);
	X509_free(cert);
	EVP_PKEY_free(key);
	BIO_free(bio);
}

static void open_pair(struct pair *p)
{
	enum tls_result result = TLS_WANTS_READ;
	struct err err;
	int i;

	make_server(p);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, p->fds), 0);
	p->ctx = SSL_CTX_new(TLS_client_method());
	p->client = SSL_new(p->ctx);
	assert_int_equal(SSL_set_fd(p->client, p->fds[0]), 1);
	SSL_set_connect_state(p->client);
	p->conn = tls_conn_new(p->server, CONF_TLS_1_2, p->fds[1], &err);
	assert_non_null(p->conn);
	for (i = 0; i < 10 && result != TLS_DONE; i++) {
		SSL_do_handshake(p->client);
		result = tls_conn_handshake(p->conn, &err);
	}
	assert_int_equal(result, TLS_DONE);
	assert_string_equal(SSL_get_version(p->client), "TLSv1.3");
}

static void close_pair(struct pair *p)
{
	tls_conn_close(&p->conn);
	tls_server_free(&p->server);
	SSL_free(p->client);
	SSL_CTX_free(p->ctx);
	close(p->fds[0]);
	close(p->fds[1]);
}

static bool more_waits(const struct pair *p)
{
	char first;

	return recv(p->fds[1], &first, 1, MSG_PEEK) == 1;
}

/* A record of one octet costs as much as one of 16 KiB. */
static void a_turn_takes_some_records(void **state)
{
	enum { RECORDS = 4 * TLS_READ_RECORDS_MAX };
	enum tls_result result;
	struct pair p = {.fds = {-1, -1}};
	size_t got = 0, n;
	char octet;
	int i;

	(void)state;
	open_pair(&p);
	for (i = 0; i < RECORDS; i++) {
		octet = (char)i;
		assert_int_equal(SSL_write(p.client, &octet, 1), 1);
	}
	while (got < RECORDS) {
		assert_int_not_equal(
			tls_conn_read(p.conn, p.room, ROOM, &n), TLS_FAILED);
		assert_true(n > 0 && n <= TLS_READ_RECORDS_MAX);
		for (i = 0; i < (int)n; i++)
			assert_int_equal(p.room[i], (char)(got + (size_t)i));
		got += n;
		assert_int_equal(more_waits(&p), got < RECORDS);
		assert_false(tls_conn_pending(p.conn));
	}
	/* and then the end, which the client did not announce */
	SSL_write(p.client, "x", 1);
	shutdown(p.fds[0], SHUT_WR);
	assert_int_equal(tls_conn_read(p.conn, p.room, ROOM, &n), TLS_DONE);
	assert_int_equal(n, 1);
	assert_true(tls_conn_pending(p.conn));
	result = tls_conn_read(p.conn, p.room, ROOM, &n);
	assert_true(n == 0 && (result == TLS_DONE || result == TLS_FAILED));
	close_pair(&p);
}

/* New keys are no data: a client could send nothing else, and without end. */
static void a_turn_ends_with_each_new_key(void **state)
{
	enum { KEYS = 100 };
	struct pair p = {.fds = {-1, -1}};
	int i, turns = 0;
	size_t n = 0;

	(void)state;
	open_pair(&p);
	for (i = 0; i < KEYS; i++) {
		assert_int_equal(
			SSL_key_update(p.client, SSL_KEY_UPDATE_NOT_REQUESTED),
			1);
		assert_int_equal(SSL_do_handshake(p.client), 1);
	}
	assert_int_equal(SSL_write(p.client, "x", 1), 1);
	for (; n == 0; turns++) {
		assert_true(more_waits(&p));
		assert_int_not_equal(
			tls_conn_read(p.conn, p.room, ROOM, &n), TLS_FAILED);
	}
	assert_int_equal(p.room[0], 'x');
	assert_true(turns >= KEYS);
	close_pair(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_turn_takes_some_records),
		cmocka_unit_test(a_turn_ends_with_each_new_key),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
