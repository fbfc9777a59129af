/*
 * report_cap.h - how many reports an address gets: the first few of an hour one
 *                by one, what follows in one digest when the hour is over.
 * Used by:    relay/dispatch (reports and delay notices), relay/drop_send (a
 *             table of its own).
 * Pure:       no descriptor, no clock, no log; time comes in.
 * Invariant:  from its first report on, an address gets at most
 *             REPORT_CAP_SINGLES an hour, a digest among them. The table is
 *             small and bounded: it holds no message, for which messages are
 *             not told of yet stands in failed/ alone.
 */
#ifndef GMRELAY_RELAY_REPORT_CAP_H
#define GMRELAY_RELAY_REPORT_CAP_H

#include <stdbool.h>
#include <stdint.h>

/* Reports an address gets one by one within an hour. */
#define REPORT_CAP_SINGLES 10
#define REPORT_CAP_HOUR_MS (3600 * INT64_C(1000))
/* Addresses that are remembered. One more takes the place of the one whose hour
 * began first, of those that no digest waits for; where one waits for each, the
 * further one gets no single report until one of them has gone out. */
#define REPORT_CAP_ADDRESSES_MAX 256
/* report_cap_due_ms(): none. */
#define REPORT_CAP_NEVER INT64_MAX

struct report_cap;

/* Aborts without memory. */
struct report_cap *report_cap_new(void);
void report_cap_free(struct report_cap **cap); /* NULL is fine */

/* What an address is remembered by: case does not matter, never 0. Another
 * table has other keys. */
uint64_t report_cap_key(const struct report_cap *cap, const char *address);

/* Whether one more report may go to this address now, on its own. */
bool report_cap_allows(struct report_cap *cap, uint64_t key, int64_t now_ms);

/* The same, and it goes, or is to be. True: now, on its own; false: its
 * hour is full, so what it tells of waits for the digest. */
bool report_cap_take(struct report_cap *cap, uint64_t key, int64_t now_ms);

/* A message waits for this address's digest, which is due at due_ms at the
 * latest (at most an hour from now). Meanwhile no report goes out singly. */
void report_cap_wait(
	struct report_cap *cap, uint64_t key, int64_t now_ms, int64_t due_ms);

/* When the next digest is due, or REPORT_CAP_NEVER. */
int64_t report_cap_due_ms(const struct report_cap *cap);

/* An address whose digest is due, 0 for none. Its hour begins anew, with the
 * digest as the first report. */
uint64_t report_cap_next(struct report_cap *cap, int64_t now_ms);

/* True, once, when an address found no room since the last time: who knows what
 * waits says so again, by report_cap_wait(). */
bool report_cap_overflowed(struct report_cap *cap);

#endif
