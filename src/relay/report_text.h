/*
 * report_text.h - the forms of text a report is made of: wrapped lines, header
 *                 fields, quoted-printable, encoded words.
 * Used by:    relay/report*.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  what is written is 7-bit, with lines of at most 998 octets.
 * Source:     RFC 2045 6.7, RFC 2047, RFC 5322 2.2.3, RFC 6533 section 3.
 */
#ifndef GMRELAY_RELAY_REPORT_TEXT_H
#define GMRELAY_RELAY_REPORT_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define REPORT_TEXT_WIDTH 76

/* True when data can go as 7bit: no byte above 127 or below space but CR, LF
 * and TAB, no line above 998. */
bool report_is_7bit(const char *data, size_t len);

/* True when data (CRLF lines) can go as 8bit: no NUL, no line above 998. */
bool report_is_8bit(const char *data, size_t len);

/* Appends data (CRLF lines) as quoted-printable. Returns 0, -1 when full. */
int report_quoted_printable(struct buf *out, const char *data, size_t len);

/* Appends text as lines of at most REPORT_TEXT_WIDTH, each with the indent
 * before it; control bytes are spaces, invalid UTF-8 is '?'. Returns 0, -1. */
int report_wrap(struct buf *out, const char *indent, const char *text);

/* Appends "name: value" as a folded field with CRLF; white space runs are one
 * space, bytes that are not printable ASCII are '?', words without end are
 * cut. Returns 0, -1. */
int report_field(struct buf *out, const char *name, const char *value);

/* Appends value to out so that report_field() keeps it: as it is when ASCII,
 * else as encoded words (UTF-8 where valid, else ISO-8859-1). Returns 0, -1. */
int report_encode_words(struct buf *out, const char *value, size_t len);

/* Appends value, behind which stands a NUL, with its encoded words decoded to
 * UTF-8, for a person; what cannot be decoded stays as it is. Returns 0, -1. */
int report_decode_words(struct buf *out, const char *value, size_t len);

/* Appends an address in the 7-bit form of RFC 6533 (utf-8-addr-xtext). */
int report_utf8_address(struct buf *out, const char *address);

/* The same for one of ORCPT, which may have that form in part already. */
int report_utf8_orcpt(struct buf *out, const char *address);

#endif
