/*
 * counters.h - shared pages, some written by each role, read by the other.
 * Used by:    parent (makes them), receiver and relay (count),
 *             relay/control_json (shows both).
 * Invariant:  the other role's page is mapped from a read-only descriptor, so
 *             it cannot be made writable again. What is read there is not
 *             trusted: numbers to show, nothing to act on.
 */
#ifndef GMRELAY_BASE_COUNTERS_H
#define GMRELAY_BASE_COUNTERS_H

#include "base/client_record.h"
#include "base/err.h"

#include <stdint.h>

/* Written by the receiver. */
struct receiver_counters {
	_Atomic uint64_t connections; /* sessions begun */
	_Atomic uint64_t refused;     /* clients outside allow */
	_Atomic uint64_t busy;     /* turned away: max-clients and the like */
	_Atomic uint64_t accepted; /* messages acknowledged with 250 */
	_Atomic uint64_t accepted_bytes;
	_Atomic uint64_t rejected; /* messages or recipients answered 5xx */
	_Atomic uint64_t deferred; /* messages answered 4xx: disk, limits */
	_Atomic uint64_t open_sessions;
	struct client_record clients[CLIENT_RECORDS_MAX]; /* in use: the first
							     ones */
};

/* Written by the relay. */
struct relay_counters {
	_Atomic uint64_t delivered; /* messages done with */
	_Atomic uint64_t delivered_recipients;
	_Atomic uint64_t attempts;
	_Atomic uint64_t deferred;
	_Atomic uint64_t failed;
	_Atomic uint64_t in_doubt;
	_Atomic uint64_t reports;
	_Atomic uint64_t upstream_connections;
};

struct counters {
	struct receiver_counters *receiver;
	struct relay_counters *relay;
};

enum counters_side { COUNTERS_RECEIVER, COUNTERS_RELAY };

struct counters_pages; /* the parent's, made before it forks */

/* Makes the pages. Returns NULL with err. */
struct counters_pages *counters_pages_new(struct err *err);

/* Closes the descriptors; what was mapped stays. NULL inside is fine. */
void counters_pages_free(struct counters_pages **pages);

/* In a role's process, after the fork: maps its own page for writing and the
 * other for reading, and closes the descriptors. The counts of an earlier
 * process of this side go on, but for open_sessions. Returns 0, -1 with err. */
int counters_map(struct counters_pages *pages, enum counters_side side,
	struct counters *out, struct err *err);

#endif
