/*
 * sender.h - who a message is from: the policy that Gmail asks for.
 * Used by:    proto/header (the fields), relay/dispatch (the reverse-path).
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  with a policy but "keep" exactly one mailbox is left in From, and
 *             it is the account's or one of send-as.
 * Source:     Gmail replaces any other From by the account's and loses what it
 *             was; RFC 5322 3.6.2; RFC 6409 8.1 (a submission server may change
 *             From and Sender).
 *
 * from = "auto": a From that is neither the account nor in send-as becomes
 *     "Original Name (original@address)" <account>
 * with X-Original-From, and Reply-To where the original can be replied to and
 * there is none. An original without a domain gets one first. Sender goes, and
 * with a changed From its DKIM-Signature. Of several mailboxes or a group the
 * first counts. A From of the account's own is left alone, unless what is
 * written breaks the rules: then it is written anew. "account": the same, and
 * send-as does not count. "keep": a From that breaks the rules is written anew,
 * nothing else.
 */
#ifndef GMRELAY_PROTO_SENDER_H
#define GMRELAY_PROTO_SENDER_H

#include "base/buf.h"
#include "base/sender_policy.h"
#include "proto/header_field.h"

#include <stdbool.h>

/* Octets of a name (UTF-8), and of what X-Original-From repeats. */
#define SENDER_NAME_MAX     200
#define SENDER_ORIGINAL_MAX 900

struct sender_input {
	const struct sender_policy *policy;
	const struct header_field *from; /* NULL: there is none */
	const char *from_address;        /* to use where there is none */
	const char *domain;     /* for an address without one; NULL: none */
	bool domain_takes_mail; /* who is completed by it can be answered */
	bool has_reply_to;      /* one that is not empty */
};

struct sender_plan {
	struct buf fields; /* in place of From; empty: it stays as it is */
	bool rewritten;    /* From was somebody else's */
	bool reply_to;     /* fields has one */
	bool drop_sender;
};

/* Decides what becomes of a message's sender. Returns 0 with *plan set, to be
 * freed; -1 without memory, with nothing to free. */
int sender_plan_make(struct sender_plan *plan, const struct sender_input *in);
void sender_plan_free(struct sender_plan *plan);

/* By the plan, this field goes. From is not asked about. */
bool sender_plan_drops(
	const struct sender_plan *plan, const struct header_field *f);

/* The reverse-path to use with the account: path, or the account's own address.
 * Reports need an address that takes mail: those of others go there by the
 * original path, which is kept with the message. */
const char *sender_reverse_path(
	const struct sender_policy *policy, const char *path);

#endif
