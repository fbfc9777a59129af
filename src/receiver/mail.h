/*
 * mail.h - one mail transaction: sender, recipients, message, outcome.
 * Used by:    receiver/session*, receiver/verbs_mail.
 * Invariant:  mail->env is there from MAIL to the end of the transaction;
 *             mail->intake from the first byte of the message on.
 * Blocks:     never.
 */
#ifndef GMRELAY_RECEIVER_MAIL_H
#define GMRELAY_RECEIVER_MAIL_H

#include "base/buf.h"
#include "base/quirk.h"
#include "proto/command.h"
#include "receiver/intake.h"
#include "receiver/replies.h"
#include "spool/envelope.h"
#include "spool/journal_write.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct local_names;
struct receiver_counters;

/* From MAIL to the last byte: a client that trickles does not hold a draft for
 * ever. */
#define MAIL_TIME_MAX_MS (60 * 60 * 1000)
/* Octets of local names kept for the log. */
#define MAIL_LOCAL_RCPTS_MAX 200

struct mail {
	struct envelope *env; /* NULL: no transaction */
	struct intake *intake;
	struct intake_setup setup;
	uint32_t *hashes; /* of the recipients, in the envelope's order: one
			     that comes again is found without comparing all */
	size_t hash_cap;
	size_t rcpts_size;      /* about what they take in memory */
	size_t share;           /* of setup.budget, for them */
	struct buf local_rcpts; /* "root,scan": what became others */
	unsigned refused;       /* recipients */
	enum quirk against;     /* RX_STRICT_TEXT: this is why */
	bool chunk_failed;      /* and the client was told: RSET is due */
	int64_t began_ms;
	int64_t ended_ms; /* the last byte of the message */
};

/* Begins a transaction; budget (borrowed) is for what is large in it. Returns
 * 0, -1 without memory. */
int mail_begin(struct mail *m, const struct command_mail *command,
	struct budget *budget);

/* Adds a recipient, once, with the reports that were asked for; one of this
 * machine's becomes those whom it means, or nobody is added. Returns the reply.
 */
enum rx_reply mail_add_rcpt(struct mail *m, const struct command_rcpt *rcpt,
	const struct local_names *names, unsigned rcpts_max);

/* Ends the transaction, whatever it holds; fine without one. */
void mail_reset(struct mail *m);

bool mail_overdue(const struct mail *m);

/* The journal said how it went. Returns the reply. */
enum rx_reply mail_reply_of(enum draft_result result);

/* The message ended with this reply: one log line, and counters. peer as in
 * peer.log. */
void mail_log_outcome(const struct mail *m, enum rx_reply reply,
	const char *peer, struct receiver_counters *counters);

/* The client left, or was sent away, before its message was whole. */
void mail_log_lost(const struct mail *m, const char *peer, const char *why);

#endif
