/*
 * report_digest.h - one report about many messages that failed.
 * Used by:    relay/dispatch_digest.
 * Pure:       no descriptor, no log; time and names come in.
 * Source:     RFC 3464 (a group of fields a recipient), 6522, 3834.
 */
#ifndef GMRELAY_RELAY_REPORT_DIGEST_H
#define GMRELAY_RELAY_REPORT_DIGEST_H

#include "base/buf.h"
#include "base/err.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <stddef.h>
#include <stdint.h>

/* Messages that a digest names; of the others it tells the number. */
#define DIGEST_MESSAGES_MAX 100
/* Recipients named of each of them. */
#define DIGEST_RECIPIENTS_MAX 5

struct digest_params {
	const char *to;
	const char *from; /* the account's address */
	uint64_t id;      /* of the digest itself */
	int64_t now_s;
	size_t messages; /* all that it is about */
};

struct digest;

/* An empty one, of the relay on hostname, which is borrowed. Aborts without
 * memory. */
struct digest *digest_new(const char *hostname);
void digest_free(struct digest **digest); /* NULL is fine */

/* Names one message: those of its recipients that failed and were not told of.
 * content is where its subject is read; NULL: it cannot be read. Beyond
 * DIGEST_MESSAGES_MAX nothing is done. failed_s: when it failed, wall clock. */
void digest_add(struct digest *digest, const struct envelope *env,
	struct content *content, int64_t failed_s);
size_t digest_count(const struct digest *digest);

/* Writes the whole message, as report_write() does, about p->messages of which
 * those that were added are named. Returns 0, -1 with err. */
int digest_write(const struct digest *digest, const struct digest_params *p,
	struct buf *out, struct err *err);

#endif
