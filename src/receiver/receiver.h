/*
 * receiver.h - the receiver role: listeners, limits on clients, draining.
 * Used by:    parent/ (in the forked process, after it gave up its rights).
 * Invariant:  opens nothing: sockets and the journal's descriptors are handed
 *             to it. Without clients it never wakes up.
 */
#ifndef GMRELAY_RECEIVER_RECEIVER_H
#define GMRELAY_RECEIVER_RECEIVER_H

struct role;

/* Serves until it is told to drain or the parent is gone. Returns the exit
 * status of the process. */
int receiver_run(const struct role *role);

#endif
