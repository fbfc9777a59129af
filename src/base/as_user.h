/*
 * as_user.h - root does one thing as another user, and is root again.
 * Used by:    parent (signals to roles, sockets), base/secret_file.
 * Invariant:  what was begun is ended in the same function; the real and the
 *             saved user stay root's, so that the other user can neither
 *             signal nor trace this process meanwhile.
 * Why:        so the parent needs neither CAP_KILL, CAP_CHOWN nor CAP_DAC_*:
 *             see systemd/gmrelayd.service.
 */
#ifndef GMRELAY_BASE_AS_USER_H
#define GMRELAY_BASE_AS_USER_H

#include <stdbool.h>
#include <sys/types.h>

struct as_user {
	uid_t uid; /* who we were */
	gid_t gid;
	bool changed;
};

/* From here on as this user and group, as far as files and signals are
 * concerned; (uid_t)-1, (gid_t)-1: that one stays. Nothing where we are not
 * root. Returns 0; -1 with errno, nothing is changed then. */
int as_user_begin(struct as_user *saved, uid_t uid, gid_t gid);

/* As before; errno is kept. */
void as_user_end(const struct as_user *saved);

/* kill(2) of a process of this user. */
int as_user_kill(uid_t uid, pid_t pid, int number);

/* open(2) for reading, of a file that is its owner's alone if need be. */
int as_owner_open(const char *path, int flags);

#endif
