/*
 * rfc2047_decode.h - encoded-words back to text.
 * Used by:    proto/mailbox_element, proto/sender, proto/sender_name;
 *             relay/report_words.
 * Pure:       no descriptor, no clock, no log. The charsets are tables of our
 *             own: iconv(3) opens files, which the receiver cannot.
 * Source:     RFC 2047 sections 2, 4; RFC 2231 section 5 (language).
 */
#ifndef GMRELAY_PROTO_RFC2047_DECODE_H
#define GMRELAY_PROTO_RFC2047_DECODE_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

/* The octets of the encoded-word at text, 0 when there is none. More than the
 * RFC allows: any length, spaces and specials within, but no quote, angle
 * bracket or line end. */
size_t rfc2047_word_length(const char *text, size_t len);

/* The word is as the RFC wants it in a phrase, so it may go out as it is. */
bool rfc2047_word_is_safe(const char *word, size_t len);

/* Appends what the word of len octets (rfc2047_word_length) stands for, as
 * UTF-8. That of a UTF-8 word may be cut in the midst of a character, which the
 * next word completes, or be no UTF-8 at all; control characters come through.
 * Returns 1; 0 where charset or encoding cannot be read, -1 when out is full
 * (both: nothing was appended). */
int rfc2047_decode(struct buf *out, const char *word, size_t len);

#endif
