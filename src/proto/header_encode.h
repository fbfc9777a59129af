/*
 * header_encode.h - raw 8-bit text of a field to what every server takes.
 * Used by:    proto/header.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  what comes out is US-ASCII, but for addresses and ids that cannot
 *             be written so; these are UTF-8.
 * Source:     RFC 2047 section 5; RFC 2231; RFC 6532 (raw UTF-8).
 */
#ifndef GMRELAY_PROTO_HEADER_ENCODE_H
#define GMRELAY_PROTO_HEADER_ENCODE_H

#include "base/buf.h"
#include "proto/header_field.h"

#include <stdbool.h>

struct header_encoding {
	bool changed; /* something was encoded or converted */
	bool utf8;    /* raw UTF-8 is left: the message needs SMTPUTF8 */
};

/* Appends the field with its 8-bit text encoded, as UTF-8 if the whole value is
 * that, else as ISO-8859-1: encoded-words in unstructured text, phrases and
 * comments, RFC 2231 in MIME parameters. Where words need it, what lies between
 * them goes with them; the rest of the field stays as it is. Lines may come out
 * longer than RFC2047_LINE_MAX. Linear in the field's length. *done_out is set.
 * Returns 0, -1 when out is full. */
int header_encode(struct buf *out, const struct header_field *f,
	struct header_encoding *done_out);

#endif
