/*
 * privs.h - users by name or number; what a role gives up before it works.
 * Used by:    parent/check, parent/spooldir (users), parent/setup (no cores);
 *             in a child's own process parent/child, parent/alert and
 *             parent/check_ca (dropping).
 * Invariant:  after privs_drop() there is no way back: no capability, no other
 *             uid or gid, no new privileges by exec, no core, no ptrace by the
 *             same uid.
 */
#ifndef GMRELAY_PARENT_PRIVS_H
#define GMRELAY_PARENT_PRIVS_H

#include "base/err.h"

#include <stdbool.h>
#include <sys/types.h>

/* Of gmrelay-sendmail, which has it by its set-group-ID bit. */
#define PRIVS_DROP_GROUP "gmrelay-drop"

struct conf;

struct privs_user {
	uid_t uid;
	gid_t gid;
};

/* The users of both roles. */
struct privs_users {
	bool root; /* started as root: the roles drop to these */
	struct privs_user receiver;
	struct privs_user relay;
	gid_t drop_gid; /* of PRIVS_DROP_GROUP; 0: there is none */
};

/* Finds the users the configuration names, and the group. Not as root, both are
 * the user we are and nothing is looked up. Returns 0; -1 with err: no such
 * user (and how to make it), root, one user for both, or the look-up does not
 * end (ASIDE_LIMIT_MS). */
int privs_find_users(
	const struct conf *conf, struct privs_users *out, struct err *err);

struct privs_plan {
	struct privs_user user;
	bool root;     /* the process is root's: change root, user and groups */
	gid_t extra;   /* a group to have beside the user's; 0: none */
	int chroot_fd; /* directory to be locked into, -1: none; closed */
};

/* Gives everything up, for good. Returns 0; -1 with err: the process must end
 * then. */
int privs_drop(const struct privs_plan *plan, struct err *err);

/* Allows this process count descriptors, or as many as it can. Returns how many
 * it may have, at most UINT_MAX. */
unsigned privs_allow_files(unsigned count);

/* RLIMIT_CORE 0: no core files from here on. */
void privs_forbid_cores(void);

#endif
