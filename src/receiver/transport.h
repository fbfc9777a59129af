/*
 * transport.h - a client's bytes, in clear or through TLS: the session does not
 *               ask which.
 * Used by:    receiver/session*.
 * Blocks:     never: the socket is non-blocking.
 */
#ifndef GMRELAY_RECEIVER_TRANSPORT_H
#define GMRELAY_RECEIVER_TRANSPORT_H

#include <stdbool.h>
#include <stddef.h>

struct tls_conn;

struct transport {
	int fd;               /* owned */
	struct tls_conn *tls; /* NULL: in clear. Owned */
};

enum transport_result {
	TRANSPORT_DONE,
	TRANSPORT_WAIT_READ,  /* nothing goes before it is readable */
	TRANSPORT_WAIT_WRITE, /* ... writable */
	TRANSPORT_BROKEN,
};

/* Read up to size bytes (with TRANSPORT_DONE and *n_out 0: the client sends no
 * more), write as many as go. */
enum transport_result transport_read(
	struct transport *t, void *data, size_t size, size_t *n_out);
enum transport_result transport_write(
	struct transport *t, const void *data, size_t size, size_t *n_out);

/* True when there is something to read that the socket does not show. */
bool transport_pending(const struct transport *t);

/* The first byte that waits to be read, and stays there. Returns it, or -1. */
int transport_peek(const struct transport *t);

/* Reads away what has come, a bounded part of it, in whatever form: a close
 * with unread bytes would take the last reply away from the client (a reset
 * overtakes it). scratch is overwritten. */
void transport_drop_unread(struct transport *t, void *scratch, size_t size);

/* Closes the socket; TLS was closed before, or is now. */
void transport_close(struct transport *t);

#endif
