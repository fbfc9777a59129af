/*
 * census.h - the clients: who came, what each did, how much it sent lately.
 * Used by:    receiver/session*, receiver/rate.
 * Invariant:  at most CLIENT_RECORDS_MAX are known; a new one takes the place
 *             of the one that was seen longest ago. One with a transaction that
 *             is counted for messages-per-hour keeps its place.
 * Blocks:     never.
 */
#ifndef GMRELAY_RECEIVER_CENSUS_H
#define GMRELAY_RECEIVER_CENSUS_H

#include "base/client_record.h"
#include "receiver/clients.h"

#include <stdbool.h>
#include <stdint.h>

/* Chains of records with the same hash. */
#define CENSUS_CHAINS 512

struct census {
	struct client_record
		*records; /* CLIENT_RECORDS_MAX, in shared memory */
	unsigned count;
	/* private: index + 1 in records, 0 for none */
	uint16_t chains[CENSUS_CHAINS];
	uint16_t next[CLIENT_RECORDS_MAX];
	uint32_t pending[CLIENT_RECORDS_MAX];   /* transactions */
	int64_t alerted_ms[CLIENT_RECORDS_MAX]; /* boot clock; 0: never */
};

/* Goes on with what an earlier process left in records. */
void census_init(struct census *c, struct client_record *records);

/* The client did these (a set of enum quirk): each is counted once. */
void census_quirks(struct census *c, const struct peer *peer, unsigned quirks);

void census_refused(struct census *c, const struct peer *peer);
void census_accepted(struct census *c, const struct peer *peer);

/* A transaction begins. Returns 0; -1 when it would be one more than limit in
 * an hour, transactions under way counted, or nobody can tell. */
int census_begin(struct census *c, const struct peer *peer, unsigned limit);

/* It is over. Its client still has its record. */
void census_end(struct census *c, const struct peer *peer);

/* True when the client was not told of within the last hour; it is now. */
bool census_alert(struct census *c, const struct peer *peer);

#endif
