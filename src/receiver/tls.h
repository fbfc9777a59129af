/*
 * tls.h - TLS towards clients: the only user of OpenSSL's SSL in this role.
 * Used by:    receiver/secrets (makes the server before the role gives up its
 *             rights), receiver/transport, receiver/session_tls.
 * Invariant:  TLS 1.2 at least, but on connections of profiles with a lower
 *             min-tls; no tickets, sessions, renegotiation or client
 *             certificates; nothing is loaded without a certificate.
 * Blocks:     never, tls_server_new() apart.
 */
#ifndef GMRELAY_RECEIVER_TLS_H
#define GMRELAY_RECEIVER_TLS_H

#include "base/conf.h"
#include "base/err.h"
#include "receiver/intake.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

/* A key file, at most. */
#define TLS_KEY_MAX (64 * 1024)
/* Of tls_conn_describe(). */
#define TLS_TEXT_MAX INTAKE_TLS_MAX
/* Records that one tls_conn_read() takes, of up to 16 KiB each: one of an octet
 * costs as much as any. */
#define TLS_READ_RECORDS_MAX 32
/* Before a certificate's end, people are warned. */
#define TLS_WARN_DAYS 14

struct tls_conn;
struct tls_server;

struct tls_setup {
	const char *cert_file; /* PEM, our own first, then its issuers */
	const char *key_file;  /* for messages */
	const char *key;       /* its content */
	size_t key_len;
	unsigned versions; /* 1 << enum conf_tls_version: each min-tls in use */
};

/* Loads certificate and key, and checks that they belong together. Returns NULL
 * with err. */
struct tls_server *tls_server_new(
	const struct tls_setup *setup, struct err *err);
void tls_server_free(struct tls_server **server);

/* True when the certificate has ended, ends soon or has not begun; text says
 * so. */
bool tls_server_warning(
	const struct tls_server *server, char *text, size_t size);

enum tls_result {
	TLS_DONE,
	TLS_WANTS_READ,  /* call again when the socket is readable */
	TLS_WANTS_WRITE, /* ... writable */
	TLS_FAILED,
};

/* A connection over the non-blocking fd, which stays the caller's. Returns NULL
 * with err. */
struct tls_conn *tls_conn_new(const struct tls_server *server,
	enum conf_tls_version least, int fd, struct err *err);

/* Goes on with the handshake. With TLS_FAILED err says why, in words a person
 * can act on. */
enum tls_result tls_conn_handshake(struct tls_conn *c, struct err *err);

/* Read up to size bytes, as many as are there; write as much as goes. Set
 * *n_out (0 from tls_conn_read with TLS_DONE: the client sends no more). */
enum tls_result tls_conn_read(
	struct tls_conn *c, void *data, size_t size, size_t *n_out);
enum tls_result tls_conn_write(
	struct tls_conn *c, const void *data, size_t size, size_t *n_out);

/* True when there is something to read that the socket does not show. */
bool tls_conn_pending(const struct tls_conn *c);

/* "TLSv1.3 TLS_AES_256_GCM_SHA384", once the handshake is done. */
void tls_conn_describe(const struct tls_conn *c, char text[TLS_TEXT_MAX]);

/* Says goodbye where that is possible at once, and frees. NULL is fine. */
void tls_conn_close(struct tls_conn **c);

#endif
