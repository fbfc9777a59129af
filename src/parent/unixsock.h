/*
 * unixsock.h - a listening Unix socket at a path, where a dead one may lie.
 * Used by:    parent/listen.
 * Invariant:  a socket that somebody answers on is never replaced, nor is
 *             anything that is no socket.
 */
#ifndef GMRELAY_PARENT_UNIXSOCK_H
#define GMRELAY_PARENT_UNIXSOCK_H

#include "base/err.h"

#include <sys/socket.h>
#include <sys/types.h>
#include <sys/un.h>

struct unixsock_options {
	mode_t mode;
	gid_t gid;           /* -1: as it is made */
	const char *setting; /* its name, for messages */
};

/* Fills in the address. Returns 0; -1 with err: not absolute, or longer than
 * an address may be. */
int unixsock_address(
	const char *path, struct sockaddr_un *out, struct err *err);

/* Binds and listens, non-blocking. The last directory of the path is made
 * (0755) where it is missing. Returns the descriptor, -1 with err. */
int unixsock_listen(const struct sockaddr_un *sa,
	const struct unixsock_options *options, struct err *err);

#endif
