/*
 * replies.c - all that the receiver says to clients, each reply by its name.
 */
#include "config.h"

#include "receiver/replies.h"

#include "base/log.h"
#include "proto/reply.h"

#include <string.h>

/* The codes as one literal, so that the log can show them. The greeting and the
 * answers to HELO and EHLO carry no enhanced code (RFC 2034 section 3), nor has
 * any 3xx one. */
struct reply_row {
	int code;
	const char *codes;
	const char *text;
};

/* clang-format off */
#define ROW(code, enhanced, text) {code, #code " " enhanced, text}
#define STRICT "not taken by the setting syntax: "
#define PLAIN(code, text) {code, #code, text}

static const struct reply_row rows[RX_REPLY_COUNT] = {
	[RX_GREETING] = PLAIN(220, ""),
	[RX_HELO] = PLAIN(250, ""),
	[RX_EHLO] = PLAIN(250, ""),
	[RX_SENDER_OK] = ROW(250, "2.1.0", "sender ok"),
	[RX_RECIPIENT_OK] = ROW(250, "2.1.5", "recipient ok"),
	[RX_START_DATA] = PLAIN(354, "go ahead, end with a line of one dot"),
	[RX_CHUNK_OK] = ROW(250, "2.0.0", "chunk taken, octets: "),
	[RX_QUEUED] = ROW(250, "2.0.0", "queued as "),
	[RX_RESET] = ROW(250, "2.0.0", "reset"),
	[RX_NOOP] = ROW(250, "2.0.0", "ok"),
	[RX_VRFY] = ROW(252, "2.5.0",
		"cannot tell, but send and it will be tried"),
	[RX_HELP] = ROW(214, "2.0.0", ""),
	[RX_BYE] = ROW(221, "2.0.0", "bye"),
	[RX_START_TLS] = ROW(220, "2.0.0", "begin TLS now"),
	[RX_LOGGED_IN] = ROW(235, "2.7.0", "logged in"),
	[RX_AUTH_PROMPT] = PLAIN(334, ""),

	[RX_UNKNOWN] = ROW(500, "5.5.2", "unknown command; HELP lists them"),
	[RX_LINE_TOO_LONG] = ROW(500, "5.5.2", "line too long"),
	[RX_BAD_LINE] = ROW(500, "5.5.2", "no command: "),
	[RX_NO_ARGUMENT] = ROW(501, "5.5.4", "this command takes no argument"),
	[RX_NO_EXPN] = ROW(502, "5.5.1", "no mailing lists here"),
	[RX_NO_AUTH] = ROW(502, "5.5.1",
		"no login is needed here, switch it off: "),
	[RX_NO_TLS] = ROW(502, "5.5.1",
		"no TLS on this port: switch encryption off"),
	[RX_NOT_IMPLEMENTED] = ROW(502, "5.5.1", "command not implemented"),
	[RX_BAD_SEQUENCE] = ROW(503, "5.5.1", "not now: BDAT LAST or RSET comes first"),
	[RX_NESTED_MAIL] = ROW(503, "5.5.1",
		"a sender was named already: RSET begins anew"),
	[RX_NEED_MAIL] = ROW(503, "5.5.1", "MAIL FROM comes first"),
	[RX_NEED_RCPT] = ROW(503, "5.5.1", "RCPT TO comes first"),
	[RX_NEED_RSET] = ROW(503, "5.5.1", "BDAT failed before: RSET first"),
	[RX_NO_VALID_RCPT] = ROW(554, "5.5.1", "no valid recipients"),
	[RX_DATA_AFTER_BDAT] = ROW(503, "5.5.1",
		"no DATA after BDAT in one transaction"),
	[RX_BAD_BDAT] = ROW(501, "5.5.4",
		"BDAT needs a size: text cannot be told from commands, closing"),
	[RX_TLS_ALREADY] = ROW(503, "5.5.1", "TLS is on already"),
	[RX_TLS_IN_TRANSACTION] = ROW(503, "5.5.1",
		"not in a transaction: RSET comes first"),
	[RX_TLS_NOT_NOW] = ROW(454, "4.7.0", "no TLS just now, try again later"),
	[RX_BEHIND_STARTTLS] = ROW(503, "5.5.1",
		"nothing may follow STARTTLS before TLS has begun, closing"),
	[RX_NEED_TLS] = ROW(530, "5.7.0",
		"STARTTLS comes first: switch encryption on"),
	[RX_AUTH_NAME_MISSING] = ROW(501, "5.5.4",
		"AUTH needs the name of a mechanism"),
	[RX_AUTH_UNKNOWN] = ROW(504, "5.5.4",
		"this mechanism is not known here; PLAIN and LOGIN are"),
	[RX_AUTH_MALFORMED] = ROW(501, "5.5.2",
		"not what this mechanism sends, in base64"),
	[RX_AUTH_TOO_LONG] = ROW(500, "5.5.6", "line too long, login ended"),
	[RX_AUTH_CANCELLED] = ROW(501, "5.0.0", "login cancelled"),
	[RX_AUTH_ALREADY] = ROW(503, "5.5.1", "logged in already"),
	[RX_AUTH_IN_TRANSACTION] = ROW(503, "5.5.1",
		"not in a transaction: RSET comes first"),
	[RX_AUTH_NEEDS_TLS] = ROW(538, "5.7.11",
		"STARTTLS comes first: no password in clear"),
	[RX_NEED_LOGIN] = ROW(530, "5.7.0",
		"a login comes first: switch authentication on"),
	[RX_BAD_LOGIN] = ROW(535, "5.7.8", "wrong user or password"),
	[RX_LOGIN_HELD] = ROW(454, "4.7.0",
		"too many wrong passwords from your address, try again later"),
	[RX_LOGIN_BUSY] = ROW(454, "4.7.0",
		"too many logins at once, try again later"),
	[RX_BAD_SENDER] = ROW(501, "5.1.7", "bad sender: "),
	[RX_BAD_RECIPIENT] = ROW(501, "5.1.3", "bad recipient: "),
	[RX_BAD_PARAMETER] = ROW(555, "5.5.4", "bad parameter: "),
	[RX_TOO_MANY_RCPTS] = ROW(452, "4.5.3",
		"too many recipients; the limit is "),
	[RX_NOBODY] = ROW(550, "5.1.1",
		"nobody is known by that name: write the whole address, give "
		"it an alias, or set default-domain: "),
	[RX_ALIAS_REFUSED] = ROW(550, "5.2.1",
		"its alias has no address; programs, files and loops are left "
		"out: "),
	[RX_ALIAS_TOO_LARGE] = ROW(550, "5.5.3",
		"its alias has more addresses than max-recipients: "),
	/* behind these: what it was */
	[RX_STRICT_LINE] = ROW(500, "5.5.2", STRICT),
	[RX_STRICT_ARGUMENT] = ROW(501, "5.5.4", STRICT),
	[RX_STRICT_PARAMETER] = ROW(555, "5.5.4", STRICT),
	[RX_STRICT_ORDER] = ROW(503, "5.5.1", STRICT),
	[RX_STRICT_TEXT] = ROW(554, "5.6.0", STRICT),

	[RX_TOO_BIG] = ROW(552, "5.3.4", "message too big: "),
	[RX_NUL] = ROW(554, "5.6.0", "the message holds NUL bytes"),
	[RX_TEXT_LINE_TOO_LONG] = ROW(554, "5.6.0",
		"the message has a line of more than 64 KiB"),
	[RX_HEADER_TOO_LARGE] = ROW(554, "5.6.0",
		"the header of the message is too large"),
	[RX_LOOP] = ROW(554, "5.4.6",
		"mail loop: the message has too many Received lines"),
	[RX_NO_ROOM] = ROW(452, "4.3.1", "no room on disk now, try again later"),
	[RX_IO_ERROR] = ROW(451, "4.3.0",
		"the message could not be stored, try again later"),
	[RX_NO_MEMORY] = ROW(451, "4.3.0", "out of memory, try again later"),

	[RX_TOO_MANY_MESSAGES] = ROW(451, "4.7.1",
		"too many messages from your address, try again later (setting: "
		"messages-per-hour); the limit is "),
	[RX_NOT_ALLOWED] = ROW(554, "5.7.1",
		"your address may not send here (setting: allow), closing"),
	[RX_BUSY] = ROW(421, "4.3.2", "too many clients, try again later"),
	[RX_TOO_MANY_FROM_ADDRESS] = ROW(421, "4.7.0",
		"too many connections from your address, try again later"),
	[RX_STOPPING] = ROW(421, "4.3.2", "stopping, try again later"),
	[RX_IDLE_TOO_LONG] = ROW(421, "4.4.2", "nothing came for too long, closing"),
	[RX_TRANSACTION_TOO_LONG] = ROW(421, "4.4.2",
		"this message took too long, closing"),
	[RX_TOO_MANY_ERRORS] = ROW(421, "4.7.0", "too many errors, closing"),
	[RX_ONLY_QUIT] = ROW(421, "4.3.2",
		"a message that ends with a bare LF is the last of its "
		"connection, closing"),
	[RX_HTTP] = ROW(421, "4.7.0", "this is SMTP, not HTTP, closing"),
};
/* clang-format on */

static const struct reply_row *find(enum rx_reply reply)
{
	if (reply <= RX_NONE || reply >= RX_REPLY_COUNT)
		bug("no such reply: %d", (int)reply);
	return &rows[reply];
}

/* What a client wrote may be part of detail: nothing in it may end the line. */
static void put_detail(char *to, size_t room, const char *detail)
{
	size_t i;

	for (i = 0; i < room && detail[i] != '\0'; i++)
		to[i] = (detail[i] >= ' ' && detail[i] <= '~') ||
					detail[i] == '\n'
				? detail[i]
				: '?';
	to[i] = '\0';
}

int rx_reply_add(struct buf *out, enum rx_reply reply, const char *detail)
{
	const struct reply_row *row = find(reply);
	char text[RX_TEXT_MAX + 1];
	size_t len;

	if (detail == NULL)
		return reply_format(out, row->codes, row->text);
	len = strlen(row->text);
	memcpy(text, row->text, len);
	put_detail(text + len, sizeof(text) - 1 - len, detail);
	return reply_format(out, row->codes, text);
}

int rx_reply_code(enum rx_reply reply)
{
	return find(reply)->code;
}

const char *rx_reply_codes(enum rx_reply reply)
{
	return find(reply)->codes;
}

bool rx_reply_is_mistake(enum rx_reply reply)
{
	int code = find(reply)->code;

	return (code >= 500 && code < 552) || code >= 555;
}
