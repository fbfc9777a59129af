/*
 * header.h - the header block of a message: repaired so that Gmail takes it.
 *            The only changes we make to a message (ARCHITECTURE.md,
 *            "Normalisation").
 * Used by:    receiver/intake; sendmail/message and relay/drop_send (the block
 *             alone).
 * Pure:       no descriptor, no log; time and ids come in.
 * Source:     RFC 5322 2.2, 3.6; RFC 2047; RFC 6409 section 8 (a submission
 *             server may complete a message); RFC 5321 4.4 and 6.3.
 */
#ifndef GMRELAY_PROTO_HEADER_H
#define GMRELAY_PROTO_HEADER_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sender_policy;

#define HEADER_BLOCK_MAX    (512 * 1024) /* octets, all lines with CRLF */
#define HEADER_LINE_MAX     998          /* RFC 5322 2.1.1, without CRLF */
#define HEADER_RECEIVED_MAX 30           /* hops; more is a loop */
#define HEADER_REPAIRS_SIZE 256          /* header_repairs_print() at most */

struct header_block {
	struct buf text; /* the lines as they came, each with CRLF */
	bool ended;      /* the empty line, or what cannot be a header, came */
	bool empty_line; /* it was the empty line; not kept in text */
	bool too_large;  /* beyond HEADER_BLOCK_MAX */
	bool no_memory;
	unsigned received; /* Received fields */
	size_t lines;      /* taken, dropped ones included */
};

void header_block_init(struct header_block *h);
void header_block_free(struct header_block *h);

/* Takes the next line of the message, without its end. Returns 1 when it
 * belonged to the header block (the empty line that ends it included), 0 when
 * the block had ended before it or ends with it because it is no header line
 * (a first "From " or ">From " line is dropped and counts as header): the
 * line is then the first of the body. */
int header_block_add(struct header_block *h, const char *line, size_t len);

struct header_context {
	const char *received;     /* our Received field's value, one line */
	const char *message_id;   /* to use where there is none: "x@host" */
	const char *from_address; /* to use where there is no From */
	const char *domain;     /* for addresses without one; NULL: they stay */
	bool domain_takes_mail; /* who is completed by it can be answered */
	/* What counts for From (proto/sender); NULL: it stays. */
	const struct sender_policy *sender;
	int64_t now_s; /* for a missing Date */
	int utc_offset_s;
	bool smtputf8; /* the client asked: raw UTF-8 may stay */
};

/* What was done, for the log line and the counters. */
enum header_repair {
	HEADER_ADDED_DATE = 1 << 0,
	HEADER_ADDED_MESSAGE_ID = 1 << 1,
	HEADER_ADDED_FROM = 1 << 2,
	HEADER_REMOVED_BCC = 1 << 3,
	HEADER_ENCODED_8BIT = 1 << 4,
	HEADER_FOLDED = 1 << 5,
	HEADER_ENDED_EARLY = 1 << 6, /* no empty line before the body */
	HEADER_REMOVED_DUPLICATE = 1 << 7,
	HEADER_REWROTE_FROM = 1 << 8,  /* it was somebody else's */
	HEADER_REPAIRED_FROM = 1 << 9, /* it broke the rules */
	HEADER_ADDED_REPLY_TO = 1 << 10,
	HEADER_REMOVED_SENDER = 1 << 11,
	HEADER_REMOVED_DKIM = 1 << 12,
	HEADER_ADDED_DOMAIN = 1 << 13, /* to an address in To, Cc, ... */
};

struct header_result {
	unsigned repairs;    /* enum header_repair */
	bool needs_smtputf8; /* raw UTF-8 is left, in an address or as asked */
};

/* Appends the repaired block with its final empty line to out: Received first,
 * then the fields in their order (of those that may stand once the first that
 * is not empty), then what was missing. It can be longer than
 * HEADER_BLOCK_MAX; out's limit decides. Linear in the block's size. Returns 0;
 * -1 with err and out as it was: ERR_LIMIT too large (554 5.6.0), ERR_PROTOCOL
 * more than HEADER_RECEIVED_MAX hops (554 5.4.6), ERR_SYSTEM no memory. */
int header_repair(const struct header_block *h, const struct header_context *c,
	struct buf *out, struct header_result *result, struct err *err);

/* "no-date,bcc-removed" for the log, "" for none. Returns text. */
const char *header_repairs_print(unsigned repairs, char *text, size_t size);

#endif
