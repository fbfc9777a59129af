/*
 * intake.h - the bytes of one message, on their way through body_decoder,
 *            header_block and header_repair to a draft.
 * Used by:    receiver/mail, receiver/session_message.
 * Invariant:  a message with a problem leaves nothing behind, and its end is
 *             still looked for.
 * Blocks:     never.
 * Source:     ARCHITECTURE.md, "Normalisation"; RFC 5321 4.4 (Received).
 */
#ifndef GMRELAY_RECEIVER_INTAKE_H
#define GMRELAY_RECEIVER_INTAKE_H

#include "base/buf.h"
#include "proto/body.h"
#include "receiver/replies.h"
#include "spool/journal_write.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What the header block may grow to by repairs. One piece for a draft, with
 * room for the body lines that one turn may bring behind it; more than Gmail
 * takes. */
#define INTAKE_HEADER_MAX (768 * 1024)
/* Of the buffer for it, kept between messages. */
#define INTAKE_HEADER_KEEP (64 * 1024)

#define INTAKE_TLS_MAX 96

struct budget;
struct envelope;
struct intake;
struct sender_policy;

/* All borrowed, and to live as long as the intake. */
struct intake_setup {
	struct journal *journal;
	struct draft_callbacks callbacks;
	struct budget *budget; /* for headers that are large */
	struct buf *scratch;   /* for the repaired header, during calls alone;
				  made with INTAKE_HEADER_MAX */
	uint64_t size_max;     /* octets: CRLF lines, no dots, as it came */
	/* for the Received line: from HELO (CLIENT) by HOST with PROTOCOL
	 * (TLS) */
	const char *helo;
	const char *client;
	const char *host;
	const char *protocol;
	char tls[INTAKE_TLS_MAX];   /* version and cipher; "": none */
	const char *id_domain;      /* for a missing Message-ID */
	const char *address_domain; /* for addresses without one */
	bool domain_takes_mail;     /* see struct header_context */
	const struct sender_policy *sender;
	const char *from_address; /* for a missing From */
	bool smtputf8;            /* the client asked for it */
	bool lf_dot;              /* see intake_may_end() */
};

/* Starts a message; its id is drawn now. Returns NULL without memory. */
struct intake *intake_new(
	const struct intake_setup *setup, enum body_mode mode);

/* Drops what came, unless a commit took it; NULL is fine. */
void intake_free(struct intake **in);

/* Takes the next len bytes. Returns 1 when they held the end of the data (bytes
 * beyond *used_out are commands), 0 otherwise (all used). In BDAT mode it never
 * returns 1. */
int intake_feed(
	struct intake *in, const char *data, size_t len, size_t *used_out);

/* True when what came last may be the end, if nothing follows for a while (see
 * body_decoder_may_end()): then intake_end(). */
bool intake_may_end(const struct intake *in);

/* True when what came last would be the end with lf_dot, and is text. */
bool intake_ends_by_dot(const struct intake *in);

/* True when no more should be fed before on_resume. */
bool intake_waits(const struct intake *in);
void intake_resume(struct intake *in);

/* True when len more octets would be beyond size_max. */
bool intake_too_big(const struct intake *in, uint64_t len);

/* The message has the problem that this reply names; the first one counts. Its
 * bytes are dropped from here on. */
void intake_refuse(struct intake *in, enum rx_reply problem);

/* The errno of the disk's refusal; 0: it was not the disk, or all is well. */
int intake_disk_error(const struct intake *in);

/* RX_NONE: all is well so far. */
enum rx_reply intake_problem(const struct intake *in);

/* The last byte was fed: completes header and draft. Problems may come. */
void intake_end(struct intake *in);

/* Without a problem, after intake_end: hands the draft to the disk; on_done
 * comes. Sets what *env says about the message itself. */
void intake_commit(struct intake *in, struct envelope *env);

uint64_t intake_id(const struct intake *in);
uint64_t intake_size(const struct intake *in); /* as it came */

/* What was wrong with it, after intake_end: base/quirk.h. */
unsigned intake_quirks(const struct intake *in);

/* What was repaired, for the log: enum header_repair. */
unsigned intake_repairs(const struct intake *in);

#endif
