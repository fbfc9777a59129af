/*
 * tolerance.h - which quirks of clients are overlooked, and what is said to the
 *               others.
 * Used by:    receiver/session_message, receiver/verbs*, receiver/login.
 * Invariant:  a client whose profile says syntax = "strict" gets a reply of 5xx
 *             for each mistake that has one in the table; what the standard
 *             leaves to the client is counted and never refused.
 * Source:     RFC 5321; RFC 5322 3.6; RFC 2920 3.1.
 */
#ifndef GMRELAY_RECEIVER_TOLERANCE_H
#define GMRELAY_RECEIVER_TOLERANCE_H

#include "base/quirk.h"
#include "receiver/replies.h"

#include <stdbool.h>

struct session;

/* What clients with syntax = "strict" are told about this; RX_NONE: nothing, it
 * is legal, or not a matter of syntax. For tests. */
enum rx_reply tolerance_refusal(enum quirk quirk);

/* Notes what the client did (a set of quirks). Returns true when all of it is
 * overlooked; false when a reply was said, and it is not to be done. */
bool tolerance_permits(struct session *s, unsigned quirks);

/* The same for what is wrong in the text of a message, before it is stored;
 * nothing is said. Returns the quirk that is not overlooked, or QUIRK_COUNT. */
enum quirk tolerance_of_text(struct session *s, unsigned quirks);

#endif
