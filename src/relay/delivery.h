/*
 * delivery.h - one transaction: what the upstream session is given to send,
 *              and the results it brings back.
 * Used by:    relay/dispatch (makes it, judges the whole), relay/upstream
 *             (sends it, fills in the results).
 */
#ifndef GMRELAY_RELAY_DELIVERY_H
#define GMRELAY_RELAY_DELIVERY_H

#include "base/err.h"
#include "proto/dsn.h"
#include "proto/reply.h"
#include "relay/gmail.h"
#include "spool/content.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DELIVERY_RCPT_MAX 100 /* a transaction; Gmail's limit */

enum rcpt_outcome {
	OUTCOME_UNTRIED,   /* nothing is known: as if it had not been sent */
	OUTCOME_DELIVERED, /* 250 after the last byte */
	OUTCOME_RETRY,     /* refused for now, the message's own matter */
	OUTCOME_FAIL,      /* refused for good */
	OUTCOME_SPLIT,     /* belongs into a further transaction, at once */
	OUTCOME_SENDER,    /* again at once, with the account's own sender */
	OUTCOME_SUSPECT,   /* see ACTION_SUSPECT */
};

struct delivery_rcpt {
	const char *address; /* no brackets; borrowed from the maker */
	size_t index;        /* the owner's */
	unsigned notify;     /* DSN_NEVER ... */
	const char *orcpt;   /* NULL: none; borrowed likewise */
	enum rcpt_outcome outcome;
	struct reply reply;            /* code 0: none */
	const struct gmail_rule *rule; /* that judged reply; NULL: none */
};

struct delivery {
	uint64_t id;
	const char *reverse_path;    /* for the wire, without its brackets */
	bool own_sender;             /* that is the account's own address */
	struct delivery_rcpt *rcpts; /* the maker's: most are one */
	size_t rcpt_count;           /* at most DELIVERY_RCPT_MAX */
	uint64_t size;               /* octets of content */
	bool eight_bit;
	/* RFC 6531, see delivery_find_needs() */
	bool utf8_message; /* header or reverse_path cannot do without it */
	bool smtputf8;     /* somebody or something cannot */
	bool report;       /* of ours, about another message */
	bool tried;        /* before, and refused or in doubt */
	/* RFC 3461: for a server that offers DSN, where pass_dsn says so */
	bool pass_dsn;
	enum dsn_ret ret;
	const char *envid; /* xtext, or NULL; borrowed from the maker */
	bool dsn_passed;   /* it got them, and the message: it is to report */
	struct content *content; /* owned */
	bool in_doubt; /* the answer to the last byte was lost: outcomes are
			  UNTRIED, but it may have been delivered */
	bool cut; /* the connection was lost or closed in the middle of it */
	bool damaged; /* content could not be read; the connection was cut */
	struct err problem; /* why, when damaged */
	void *owner;        /* the maker's */
};

/* Looks for what needs SMTPUTF8: addresses with letters beyond ASCII, and, with
 * header, raw ones in the header. The content is at its start before and after;
 * one that cannot be read needs nothing more. */
void delivery_find_needs(struct delivery *d, bool header);

#endif
