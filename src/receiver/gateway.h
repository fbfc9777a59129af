/*
 * gateway.h - notices that all clients come from one address that looks like a
 *             gateway's.
 * Used by:    receiver/doors.
 * Pure:       no descriptor, no clock, no log.
 *
 * A container's gateway, or a router, that puts its own address in the place of
 * the clients' makes `allow` useless: whoever gets through it looks allowed.
 * The rule is modest: of the connections from other machines GATEWAY_SESSIONS
 * in a row, since the start, came from one address, and that ends in .1 or ::1,
 * as gateways' do.
 */
#ifndef GMRELAY_RECEIVER_GATEWAY_H
#define GMRELAY_RECEIVER_GATEWAY_H

#include "receiver/clients.h"

#include <stdbool.h>

#define GATEWAY_SESSIONS 20

struct gateway_watch {
	struct in6_addr first;
	unsigned count;
	bool over; /* there is another one, or it was told */
};

/* A connection came. Returns true, once, when it is time to tell. */
bool gateway_is_alone(struct gateway_watch *watch, const struct peer *peer);

#endif
