/*
 * sender_policy.h - which senders an account may have, what becomes of others.
 * Used by:    base/conf (reads it), proto/sender (follows it).
 */
#ifndef GMRELAY_BASE_SENDER_POLICY_H
#define GMRELAY_BASE_SENDER_POLICY_H

#include <stddef.h>

enum sender_mode {
	SENDER_KEEP,    /* nothing */
	SENDER_AUTO,    /* they become the account's, but for send_as */
	SENDER_ACCOUNT, /* they become the account's */
};

struct sender_policy {
	enum sender_mode mode;
	const char *account; /* its address */
	char **send_as;      /* others it may use */
	size_t send_as_count;
};

#endif
