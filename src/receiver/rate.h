/*
 * rate.h - messages-per-hour: a client that sends too many is put off, the
 *          others are not.
 * Used by:    receiver/verbs_mail, receiver/session.
 * Invariant:  never more than the limit in any hour from one address, whatever
 *             it does at the same time: a transaction counts from MAIL on.
 * Blocks:     never.
 */
#ifndef GMRELAY_RECEIVER_RATE_H
#define GMRELAY_RECEIVER_RATE_H

struct session;

/* The client begins a transaction. Returns 0; -1 when it may not now: the reply
 * was said, and once an hour the log told. */
int rate_begin(struct session *s);

/* The transaction is over; fine without one. One that was accepted was counted
 * by census_accepted() before. */
void rate_end(struct session *s);

#endif
