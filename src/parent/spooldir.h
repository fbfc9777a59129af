/*
 * spooldir.h - the spool's directories and its two locks.
 * Used by:    parent/setup (makes and locks), parent/reload (makes),
 *             parent/child (drop/ and the empty root).
 * Invariant:  one parent a spool (spool/lock, the parent's alone); no role of
 *             an earlier parent beside ours (spool/roles, inherited by both
 *             roles, free when the last of them is gone).
 * Blocks:     only in spooldir_lock_roles(), bounded by its waiter.
 */
#ifndef GMRELAY_PARENT_SPOOLDIR_H
#define GMRELAY_PARENT_SPOOLDIR_H

#include "base/err.h"
#include "parent/privs.h"

#include <stdbool.h>

/* How long a start waits for the roles of an earlier parent: they drain for
 * DRAIN_MS when it is gone. */
#define SPOOLDIR_ROLES_WAIT_MS 10000

struct spooldir {
	int lock_fd;
	int roles_fd;
	int empty_fd; /* SPOOL/empty: the receiver's root directory */
};

/*
 * Makes what is missing:
 *   SPOOL           0751 root, group of relay-user: the relay gets in, its
 *                   user can put nothing in the place of lock or empty;
 *                   others get to drop/, if its mode lets them
 *   SPOOL/empty     0755 root
 *   SPOOL/lock, SPOOL/roles  0600 root
 *   SPOOL/journal, large, queue, failed, state   0700 relay-user
 *   SPOOL/drop      1770 relay-user, group PRIVS_DROP_GROUP: who has that
 *                   group, by the sendmail command, can add files and not
 *                   touch those of others. 0700 where there is no such group
 * Not as root, all of it is the one user's (SPOOL and drop 0700). What exists
 * is checked: owner, and that nobody else may write; nothing is given away.
 */
int spooldir_make(
	const char *spool, const struct privs_users *users, struct err *err);

/* The group of SPOOL/drop, which the relay must have to read the files in it;
 * 0: none but its own. */
gid_t spooldir_drop_gid(const char *spool, const struct privs_users *users);

/* Whether those who have that group get as far as SPOOL/drop. */
bool spooldir_drop_in_reach(const char *spool);

/* Takes spool/lock and opens the others. Returns 0; -1 with err: another
 * instance has it (its pid is named). */
int spooldir_open(struct spooldir *s, const char *spool, struct err *err);

/* Waits until spool/roles is free. wait(arg) sleeps a little and returns false
 * to give up. Returns 0; -1 with err: not free in time or given up. */
int spooldir_lock_roles(const struct spooldir *s, bool (*wait)(void *arg),
	void *arg, struct err *err);

void spooldir_close(struct spooldir *s);

/* The name of the spool's file system where it is one that forgets (tmpfs,
 * ramfs, overlay), else NULL. */
const char *spooldir_volatile(const char *spool);

#endif
