/*
 * reply.h - SMTP replies: parse one (multi-line), format one.
 * Used by:    relay/ and submit/client (parse), receiver/replies (formats),
 *             relay/report (quotes).
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 5321 4.2; RFC 2034, RFC 3463 (enhanced status codes).
 */
#ifndef GMRELAY_PROTO_REPLY_H
#define GMRELAY_PROTO_REPLY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define REPLY_TEXT_MAX     1024 /* kept; what is beyond is cut */
#define REPLY_LINES_MAX    128  /* taken; more is an error */
#define REPLY_ENHANCED_MAX 12   /* "5.123.456" */

struct reply {
	int code;                              /* 200-599; 0: none yet */
	char enhanced[REPLY_ENHANCED_MAX + 1]; /* of the last line, or "" */
	char text[REPLY_TEXT_MAX + 1]; /* all lines, joined by a space, but not
					  within <http...>, without codes;
					  control bytes are spaces */
	unsigned lines;
	bool complete;
};

void reply_init(struct reply *r);

/* Takes one line without its end. Returns 1 complete, 0 more lines to come, -1
 * no reply (no three digits, codes differ, too many lines). An enhanced code
 * whose class contradicts the reply code is dropped: the reply code wins. A
 * complete reply starts afresh with the next line. */
int reply_add_line(struct reply *r, const char *line, size_t len);

/* "550 5.1.1 text" into text, one line, cut at size. Returns text. */
char *reply_print(const struct reply *r, char *text, size_t size);

/* Parses what reply_print() wrote. Returns 0, -1 when it is none. */
int reply_scan(struct reply *r, const char *text);

/* Appends "CODES text CRLF" to out, where codes are "250" or "250 2.0.0"; text
 * may hold '\n' for a multi-line reply. Returns 0, -1 when out is full. */
int reply_format(struct buf *out, const char *codes, const char *text);

#endif
