/*
 * recipients.h - for whom a message is: the command line's and the header's.
 * Used by:    sendmail/deliver.
 * Pure:       no descriptor, no clock, no environment.
 * Source:     RFC 5322 3.6.3, 3.6.6 (Resent-), appendix A.
 */
#ifndef GMRELAY_SENDMAIL_RECIPIENTS_H
#define GMRELAY_SENDMAIL_RECIPIENTS_H

#include "base/err.h"

#include <stddef.h>

struct recipients {
	/* What was written is no address; NULL is fine. */
	void (*on_bad)(void *arg, const char *text);
	void *arg;
	char **all; /* canonical, each once; some without a domain: what they
		       mean is the daemon's to say */
	size_t count;
	size_t cap;
	size_t bad;
};

void recipients_init(struct recipients *r);
void recipients_free(struct recipients *r);

/* Adds what one argument, or the value of one field, holds: addresses with
 * commas between them. Returns 0; -1 with err: too many, no memory. */
int recipients_add(
	struct recipients *r, const char *text, size_t len, struct err *err);

/* Adds those in a header block (CRLF lines): of To, Cc and Bcc, or, when there
 * are such, of Resent-To, Resent-Cc and Resent-Bcc, of the latest resending
 * only. Returns 0, -1 with err. */
int recipients_add_header(
	struct recipients *r, const char *block, size_t len, struct err *err);

#endif
