/*
 * rfc2047.h - encoded-words: 8-bit text in a header; is it UTF-8?
 * Used by:    proto/header_encode, proto/rfc2231, proto/sender_name,
 *             relay/report_words (words); what is ASCII or UTF-8, whoever asks.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 2047 sections 2, 4, 5; RFC 3629 section 4 (UTF-8).
 */
#ifndef GMRELAY_PROTO_RFC2047_H
#define GMRELAY_PROTO_RFC2047_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define RFC2047_WORD_MAX 75 /* an encoded-word, section 2 */
#define RFC2047_LINE_MAX 76 /* a line that holds one */

/* What the octets above 127 of a field are taken for. */
enum text_charset {
	TEXT_UTF8,
	TEXT_LATIN1, /* ISO-8859-1, where they are not UTF-8 */
};

/* "UTF-8" or "ISO-8859-1". */
const char *text_charset_name(enum text_charset charset);

bool text_is_ascii(const char *text, size_t len);
bool text_is_utf8(const char *text, size_t len);

/* The octets of the UTF-8 character at text, 0 when it is none (RFC 3629). */
size_t text_char_length(const char *text, size_t len);

/* Appends ISO-8859-1 text as UTF-8. Returns 0, -1 when out is full. */
int utf8_add_latin1(struct buf *out, const char *text, size_t len);

/* The word is an encoded-word already: "=?charset?B-or-Q?text?=". */
bool rfc2047_is_word(const char *word, size_t len);

/* Appends text as encoded-words (Q, or B where that is much shorter), CRLF
 * SPACE between them, none across a character. What Q leaves bare may stand in
 * a phrase (section 5 (3)), so the words fit everywhere. column: octets before
 * the first word in its line, which is kept short to end within
 * RFC2047_LINE_MAX where that leaves it a useful length. Returns 0, -1 when out
 * is full. */
int rfc2047_encode(struct buf *out, const char *text, size_t len,
	enum text_charset charset, size_t column);

#endif
