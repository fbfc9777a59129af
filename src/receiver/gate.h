/*
 * gate.h - connections of proxies, until they have said for whom they connect.
 * Used by:    receiver/doors.
 * Invariant:  nothing is said to a client, and nothing that it sends is looked
 *             at, before the proxy's header is whole; of what comes, the header
 *             alone is taken.
 * Blocks:     never.
 * Source:     proto/proxy.h; "the receiver MUST be configured to only receive
 *             the protocol [from proxies] and MUST NOT try to guess".
 */
#ifndef GMRELAY_RECEIVER_GATE_H
#define GMRELAY_RECEIVER_GATE_H

#include "base/role.h"

#include <sys/queue.h>
#include <sys/socket.h>

struct event_base;

/* For the header: a proxy on the same network sends it with the connection. */
#define GATE_WAIT_MS (5 * 1000)

struct gate;

/* The header is there. client is the address named, NULL: it names none. fd is
 * the callee's. */
typedef void gate_open_fn(void *arg, int fd, const struct sockaddr *client,
	const struct sockaddr *proxy);

/* There is no header, for that reason; fd is the callee's. */
typedef void gate_shut_fn(
	void *arg, int fd, const struct sockaddr *proxy, const char *why);

struct gates {
	struct event_base *base;
	gate_open_fn *on_open;
	gate_shut_fn *on_shut;
	LIST_HEAD(, gate) waiting;
	unsigned count;
};

/* Takes over a connection from a proxy's address; arg is for on_open and
 * on_shut. Both may be called before this returns. Beyond GATES_MAX that wait
 * it is turned away. */
void gate_new(
	struct gates *gates, int fd, const struct sockaddr *proxy, void *arg);

/* Closes all that wait. */
void gates_close(struct gates *gates);

#endif
