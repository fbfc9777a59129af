/*
 * receiver.h - the receiver role: listeners, limits on clients, draining.
 * Used by:    parent/child (in the forked process); parent/check and
 *             ctl/doctor_local (the check of the secrets).
 * Invariant:  opens nothing: sockets and the journal's descriptors are handed
 *             to it. Without clients it never wakes up.
 */
#ifndef GMRELAY_RECEIVER_RECEIVER_H
#define GMRELAY_RECEIVER_RECEIVER_H

#include "base/err.h"

#include <stddef.h>
#include <sys/types.h>

struct conf;
struct receiver_secrets;
struct role;

/* Certificate, key and users of clients, as the configuration names them (it
 * may name none): to be read before the role drops its user. gid is the
 * receiver's group, which may read the files. The caller owns the result; NULL
 * with err. */
struct receiver_secrets *receiver_secrets_read(
	const struct conf *conf, gid_t gid, struct err *err);
void receiver_secrets_free(struct receiver_secrets **secrets);

/* The same checks without keeping anything. Returns 0, with what is noteworthy
 * in warning ("": nothing); -1 with err. */
int receiver_secrets_check(const struct conf *conf, gid_t gid, char *warning,
	size_t size, struct err *err);

/* Serves until it is told to drain or the parent is gone; takes *secrets.
 * Returns the exit status of the process. */
int receiver_run(const struct role *role, struct receiver_secrets **secrets);

#endif
