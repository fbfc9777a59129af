/*
 * report_parts.h - the two parts of a report that say what happened: in words
 *                  for a person, and in fields for programs.
 * Used by:    relay/report, relay/report_digest.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 3464, RFC 6533.
 */
#ifndef GMRELAY_RELAY_REPORT_PARTS_H
#define GMRELAY_RELAY_REPORT_PARTS_H

#include "base/buf.h"
#include "relay/report.h"

/* Appends the text for a person. subject is the original's, decoded; NULL or
 * "" where it has none. Returns 0, -1 when out is full. */
int report_person_text(
	const struct report *r, const char *subject, struct buf *out);

/* Appends the body of the message/delivery-status part. Returns 0, -1. */
int report_status_text(const struct report *r, struct buf *out);

/* Its pieces: what stands about the report itself, and a group about what
 * happened (kind) to one recipient, with the empty line before it. Return 0,
 * -1. */
int report_status_message(const struct report *r, struct buf *out);
int report_status_rcpt(const struct report *r, enum report_kind kind,
	const struct envelope_rcpt *to, struct buf *out);

#endif
