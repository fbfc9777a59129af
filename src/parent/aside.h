/*
 * aside.h - a piece of work in a process of its own, which ends with it.
 * Used by:    parent/check_ca, parent/privs.
 * Invariant:  whatever the work loads or allocates never stays in the parent:
 *             OpenSSL's tables, modules of nsswitch.conf(5) with their
 *             connections. No process is left behind.
 * Blocks:     until the work is done, ASIDE_LIMIT_MS at most.
 */
#ifndef GMRELAY_PARENT_ASIDE_H
#define GMRELAY_PARENT_ASIDE_H

#include "base/err.h"

#include <stddef.h>

/* A directory service that does not answer must not hold up a reload for ever.
 */
#define ASIDE_LIMIT_MS 15000

/* The work, in the child: reads *in, fills in *out. Returns 0, -1 with err. */
typedef int aside_fn(const void *in, void *out, struct err *err);

struct aside {
	const char *what; /* is done, as an error has it */
	aside_fn *run;
	const void *in;
	void *out;       /* filled in if all went well; NULL: nothing to tell */
	size_t out_size; /* of *out, which may hold no pointers */
	int limit_ms;
};

/* Does the work in a child. Returns 0; -1 with err: that of the work, or it
 * could not be started, died or took longer than its limit. */
int aside_run(const struct aside *work, struct err *err);

#endif
