/*
 * mailbox.h - the first mailbox of a From field, however it is written.
 * Used by:    proto/sender (From), sendmail/deliver (-f).
 * Pure:       no descriptor, no clock, no log, no allocation.
 * Invariant:  an address that comes out was built by address_parse().
 * Source:     RFC 5322 3.4, 4.4; RFC 6854 (groups); what devices send.
 */
#ifndef GMRELAY_PROTO_MAILBOX_H
#define GMRELAY_PROTO_MAILBOX_H

#include "proto/address.h"

#include <stdbool.h>
#include <stddef.h>

#define MAILBOX_NAME_MAX     1024 /* octets of a name; more is cut off */
#define MAILBOX_ELEMENTS_MAX 1000 /* of a list; more are not looked at */

struct mailbox {
	/* Quotes, backslashes and folds are undone; encoded-words and 8-bit
	 * text are as they came. Else what a comment says. */
	char name[MAILBOX_NAME_MAX];
	size_t name_len;
	/* Without a domain where it had none ("root"); "" where there was none
	 * ("Front door"). */
	struct address address;
	bool clean;   /* RFC 5322 and RFC 2047 allow what was written */
	bool several; /* further mailboxes, or a group */
};

/* Reads the value of a field. What is broken is understood as far as it goes:
 * a missing bracket or domain, a name alone, a comma in a name without quotes,
 * a source route. Linear in len. */
void mailbox_first(struct mailbox *out, const char *value, size_t len);

#endif
