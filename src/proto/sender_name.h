/*
 * sender_name.h - a display name, decoded and written again.
 * Used by:    proto/sender.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  what comes out is US-ASCII: one quoted-string or encoded-words,
 *             never one inside the other, no line above RFC 5322's 998.
 * Source:     RFC 5322 3.2.5 (phrase); RFC 2047 section 5 (3).
 */
#ifndef GMRELAY_PROTO_SENDER_NAME_H
#define GMRELAY_PROTO_SENDER_NAME_H

#include "base/buf.h"
#include "proto/mailbox.h"

#include <stddef.h>

/* Appends the mailbox's name as a phrase, cut after max octets of text. With
 * its address in parentheses behind the name, or alone where there is none,
 * when with_address. Appends nothing where there is neither. Returns 0, -1 when
 * out is full. */
int sender_name_add(struct buf *out, const struct mailbox *m, size_t max,
	bool with_address);

#endif
