/*
 * parent.h - the life of the parent: start, fork, wait, restart, signals,
 *            reload, stop.
 * Used by:    main.
 * Invariant:  old and new roles never overlap; what the roles say is never
 *             trusted (see child_may_say); a configuration that is not good
 *             changes nothing.
 * Blocks:     by design, in ppoll(2); it does not wake up when nothing
 *             happens.
 */
#ifndef GMRELAY_PARENT_PARENT_H
#define GMRELAY_PARENT_PARENT_H

#include "base/log.h"

#include <stdbool.h>

struct parent_options {
	const char *file; /* the configuration */
	enum log_level log_level;
	bool to_syslog;
};

/* Runs the daemon in the foreground until a signal stops it. Returns the exit
 * status: 0 stopped, 1 could not start. */
int parent_run(const struct parent_options *options);

/* Makes what is missing of the spool, with the right owners, and nothing else:
 * for who starts the daemon itself with fewer rights than that takes. Returns
 * the exit status. */
int parent_prepare(const struct parent_options *options);

#endif
