/*
 * doors.h - who comes in: the listening sockets, and which clients are served.
 * Used by:    receiver/receiver.
 * Invariant:  a session is made for allowed clients alone; by way of a proxy it
 *             is the address that the proxy names which is allowed or not.
 * Blocks:     never.
 */
#ifndef GMRELAY_RECEIVER_DOORS_H
#define GMRELAY_RECEIVER_DOORS_H

#include "base/role.h"
#include "receiver/gate.h"
#include "receiver/gateway.h"

#include <stdint.h>

struct event;
struct evconnlistener;
struct session_shared;

struct doors {
	const struct role *role;
	struct session_shared *shared;
	struct door {
		struct doors *doors;
		const struct listener *listener;
		struct evconnlistener *accepting; /* NULL: closed */
	} all[LISTENERS_MAX];
	struct gates gates;
	struct gateway_watch gateway;
	unsigned accepted;        /* since all others had a turn */
	struct event *pause;      /* pending: not accepting just now */
	int64_t accept_warned_ms; /* by the boot clock; 0: not yet */
};

/* Begins to accept clients. role and shared are borrowed, for longer than doors
 * lives. Returns 0, -1: doors_close() is due in either case. */
int doors_open(struct doors *doors, const struct role *role,
	struct session_shared *shared);

/* Our copies of the sockets: the parent's stay open, so clients go on waiting
 * in the queue. What was never opened, or is closed, is fine. */
void doors_close(struct doors *doors);

#endif
