/*
 * ledger.h - messages and recipients sent in the last 24 hours, in a ring of
 *            buckets.
 * Used by:    relay/account.
 * Pure:       no descriptor, no log; the time comes in.
 * Source:     Gmail counts in a rolling day.
 */
#ifndef GMRELAY_RELAY_LEDGER_H
#define GMRELAY_RELAY_LEDGER_H

#include "base/buf.h"

#include <stdint.h>

#define LEDGER_BUCKET_S 300
#define LEDGER_BUCKETS  (24 * 3600 / LEDGER_BUCKET_S)

struct ledger {
	int64_t newest; /* number of the newest bucket: seconds / BUCKET_S */
	struct {
		uint32_t messages;
		uint32_t recipients;
	} buckets[LEDGER_BUCKETS]; /* by number modulo LEDGER_BUCKETS */
};

struct ledger_sum {
	unsigned messages;
	unsigned recipients;
};

/* Counts one message. A clock that went back adds to the newest bucket. */
void ledger_add(struct ledger *l, int64_t now_s, unsigned recipients);

struct ledger_sum ledger_total(struct ledger *l, int64_t now_s);

/* Seconds until the totals fall below both limits (0: no limit); 0 when they
 * are below now. */
int64_t ledger_wait_s(struct ledger *l, int64_t now_s, unsigned messages,
	unsigned recipients);

/* Lines "sent BUCKET MESSAGES RECIPIENTS" for the buckets that hold something.
 * Returns 0, -1 when out is full. */
int ledger_print(const struct ledger *l, struct buf *out);

/* Takes up one such bucket of an older print. Older than a day: ignored. */
void ledger_restore(struct ledger *l, int64_t now_s, int64_t bucket,
	uint32_t messages, uint32_t recipients);

#endif
