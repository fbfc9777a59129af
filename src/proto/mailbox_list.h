/*
 * mailbox_list.h - every mailbox of a To, Cc or Bcc field, in its order.
 * Used by:    sendmail/recipients.
 * Pure:       no descriptor, no clock, no log, no allocation.
 * Invariant:  an address that comes out was built by address_parse().
 * Source:     RFC 5322 3.4, 4.4 (white space and comments around dots, source
 *             routes), appendix A; RFC 6854 (groups).
 */
#ifndef GMRELAY_PROTO_MAILBOX_LIST_H
#define GMRELAY_PROTO_MAILBOX_LIST_H

#include "proto/mailbox_internal.h"

struct mailbox_list {
	struct mailbox_reader reader;
	struct mailbox_element element;
};

struct mailbox_item {
	/* Without a domain where it had none ("root"); "" where what stands
	 * there is no address. */
	struct address address;
	const char *text; /* as written */
	size_t len;
};

/* Begins with the value of a field, which stays the caller's. */
void mailbox_list_begin(
	struct mailbox_list *list, const char *value, size_t len);

/* Returns 1 with the next one, 0 at the end. Names, comments and the names of
 * groups are passed over. Linear in the value's length. */
int mailbox_list_next(struct mailbox_list *list, struct mailbox_item *out);

#endif
