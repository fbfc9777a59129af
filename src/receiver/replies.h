/*
 * replies.h - all that the receiver says to clients, each reply by its name.
 * Used by:    receiver/.
 * Invariant:  no other file holds a reply's code or text.
 * Source:     RFC 5321 4.2.3 and 4.3.2, RFC 3463, RFC 5248.
 */
#ifndef GMRELAY_RECEIVER_REPLIES_H
#define GMRELAY_RECEIVER_REPLIES_H

#include "base/buf.h"

#include <stdbool.h>

enum rx_reply {
	RX_NONE, /* nothing to say */

	RX_GREETING,
	RX_HELO,
	RX_EHLO,
	RX_SENDER_OK,
	RX_RECIPIENT_OK,
	RX_START_DATA,
	RX_CHUNK_OK,
	RX_QUEUED,
	RX_RESET,
	RX_NOOP,
	RX_VRFY,
	RX_HELP,
	RX_BYE,
	RX_START_TLS,
	RX_LOGGED_IN,
	RX_AUTH_PROMPT,

	RX_UNKNOWN,
	RX_LINE_TOO_LONG,
	RX_BAD_LINE,
	RX_NO_ARGUMENT,
	RX_NO_EXPN,
	RX_NO_AUTH,
	RX_NO_TLS,
	RX_NOT_IMPLEMENTED,
	RX_BAD_SEQUENCE,
	RX_NESTED_MAIL,
	RX_NEED_MAIL,
	RX_NEED_RCPT,
	RX_NEED_RSET,
	RX_NO_VALID_RCPT,
	RX_DATA_AFTER_BDAT,
	RX_BAD_BDAT,
	RX_TLS_ALREADY,
	RX_TLS_IN_TRANSACTION,
	RX_TLS_NOT_NOW,
	RX_BEHIND_STARTTLS,
	RX_NEED_TLS,
	RX_AUTH_NAME_MISSING,
	RX_AUTH_UNKNOWN,
	RX_AUTH_MALFORMED,
	RX_AUTH_TOO_LONG,
	RX_AUTH_CANCELLED,
	RX_AUTH_ALREADY,
	RX_AUTH_IN_TRANSACTION,
	RX_AUTH_NEEDS_TLS,
	RX_NEED_LOGIN,
	RX_BAD_LOGIN,
	RX_LOGIN_HELD,
	RX_LOGIN_BUSY,
	RX_BAD_SENDER,
	RX_BAD_RECIPIENT,
	RX_BAD_PARAMETER,
	RX_TOO_MANY_RCPTS,
	RX_NOBODY,
	RX_ALIAS_REFUSED,
	RX_ALIAS_TOO_LARGE,
	RX_STRICT_LINE,
	RX_STRICT_ARGUMENT,
	RX_STRICT_PARAMETER,
	RX_STRICT_ORDER,
	RX_STRICT_TEXT,

	RX_TOO_BIG,
	RX_NUL,
	RX_TEXT_LINE_TOO_LONG,
	RX_HEADER_TOO_LARGE,
	RX_LOOP,
	RX_NO_ROOM,
	RX_IO_ERROR,
	RX_NO_MEMORY,

	RX_TOO_MANY_MESSAGES,
	RX_NOT_ALLOWED,
	RX_BUSY,
	RX_TOO_MANY_FROM_ADDRESS,
	RX_STOPPING,
	RX_IDLE_TOO_LONG,
	RX_TRANSACTION_TOO_LONG,
	RX_TOO_MANY_ERRORS,
	RX_HTTP,
	RX_ONLY_QUIT,

	RX_REPLY_COUNT
};

/* The longest text, detail included, that is said; what is beyond is cut. */
#define RX_TEXT_MAX 2048

/* Appends the reply to out; detail (NULL: none) stands right behind its text.
 * Lines of a multi-line reply are separated by '\n'; other control bytes and
 * those above 127 are said as '?'. Returns 0, -1 when out is full. */
int rx_reply_add(struct buf *out, enum rx_reply reply, const char *detail);

int rx_reply_code(enum rx_reply reply);

/* "552 5.3.4" for the log. The text is static. */
const char *rx_reply_codes(enum rx_reply reply);

/* True when the client should not have sent the command: these are counted. A
 * message that is refused for what it is (552, 554) is no such mistake. */
bool rx_reply_is_mistake(enum rx_reply reply);

#endif
