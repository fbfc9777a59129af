/*
 * tls.h - TLS towards the submission server: the only user of OpenSSL's SSL in
 *         this role.
 * Used by:    relay/upstream*, relay/account and relay/probe (own the struct
 *             tls_client), relay/relay (a check of ca-file).
 * Invariant:  the peer's certificate is verified against the store and the
 *             host name (SAN, RFC 9525; the CN never counts); SNI is always
 *             sent (without it Google shows a self-signed certificate); TLS 1.2
 *             at least; there is no switch to turn any of it off.
 */
#ifndef GMRELAY_RELAY_TLS_H
#define GMRELAY_RELAY_TLS_H

#include "base/err.h"

#include <stddef.h>

struct bufferevent;
struct event_base;
struct tls_client;

/* Remembers ca_file ("": the system's store) and loads nothing yet. The SSL_CTX
 * is made by the first connection and freed by tls_client_release(). */
struct tls_client *tls_client_new(const char *ca_file);
void tls_client_free(struct tls_client **t);

/* Whether a connection could be made with that ca_file, as far as files go.
 * Returns 0, -1 with err. */
int tls_client_check(const char *ca_file, struct err *err);

/* No connection is open: frees the SSL_CTX and its memory until needed again.
 * The last TLS session is kept for resumption. */
void tls_client_release(struct tls_client *t);

/* A bufferevent that speaks TLS over the connected socket fd and owns it; host
 * is what SNI (a name only) and the certificate must say. Returns NULL with
 * err; fd is closed then. */
struct bufferevent *tls_client_connect(struct tls_client *t,
	struct event_base *base, int fd, const char *host, struct err *err);

/* After BEV_EVENT_CONNECTED: verifies once more that the certificate was
 * verified for the name and the version is high enough, and describes the
 * connection ("TLSv1.3 TLS_AES_256_GCM_SHA384, certificate for HOST by ISSUER,
 * valid until DATE"). Returns 0, -1 with err: then nothing may be sent. */
int tls_client_confirm(
	struct bufferevent *bev, char *text, size_t size, struct err *err);

/* Why the handshake or connection failed, in words a person can act on
 * ("certificate is for mail.example.com, not smtp.gmail.com"). */
void tls_client_explain(struct bufferevent *bev, struct err *err);

/* Says goodbye (close_notify, so that the session can be resumed) and frees
 * the bufferevent and its socket. NULL is fine. */
void tls_client_close(struct bufferevent **bev);

#endif
