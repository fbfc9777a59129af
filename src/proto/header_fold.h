/*
 * header_fold.h - long header lines to shorter ones that mean the same.
 * Used by:    proto/header.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  every CRLF put in is followed by white space and by text, so no
 *             fold makes a field or an empty line.
 * Source:     RFC 5322 2.1.1, 2.2.3; RFC 2047 section 2 (76 octets).
 */
#ifndef GMRELAY_PROTO_HEADER_FOLD_H
#define GMRELAY_PROTO_HEADER_FOLD_H

#include "base/buf.h"
#include "proto/header_field.h"

#include <stdbool.h>
#include <stddef.h>

/* Appends a whole field, its lines longer than limit octets (without CRLF)
 * folded: before white space, best behind a comma (addresses) or semicolon;
 * where a piece has none, behind a comma, semicolon or between two ids that
 * stand outside quotes and comments, with a space added; where there is no such
 * place, the piece stays too long. Other lines are unchanged. *folded_out is
 * set to true when there was a fold, else left. Linear in len. Returns 0, -1
 * when out is full. */
int header_fold(struct buf *out, const struct header_field *f, size_t limit,
	bool *folded_out);

#endif
