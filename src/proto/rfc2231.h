/*
 * rfc2231.h - 8-bit text in MIME parameters.
 * Used by:    proto/header_encode.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 2231 sections 3, 4, 7; RFC 2045 5.1; RFC 2047 section 5 (no
 *             encoded-word inside quotes).
 */
#ifndef GMRELAY_PROTO_RFC2231_H
#define GMRELAY_PROTO_RFC2231_H

#include "base/buf.h"
#include "proto/rfc2047.h"

#include <stddef.h>

/* Longest field that is searched for an extended twin of a parameter: keeps
 * the work linear, and honest fields are shorter. */
#define RFC2231_TWIN_MAX 1024
/* Octets of an encoded value in one line; a longer one is continued. */
#define RFC2231_VALUE_MAX 800

struct text_span {
	const char *text;
	size_t len;
};

/* The octets up to the next ';' outside quotes, or to the end. */
size_t rfc2231_segment_length(const char *text, size_t len);

/* Appends the segment "attribute=value", whose value holds 8-bit text, as
 * attribute*=charset''value. all: the field's parameters; where one of them is
 * attribute*= already, the value is kept with '_' for each such character, as
 * the reading for programs that do not know RFC 2231. Returns 1, 0 when the
 * segment is no parameter (nothing appended), -1 when out is full. */
int rfc2231_encode_segment(struct buf *out, struct text_span segment,
	struct text_span all, enum text_charset charset);

#endif
