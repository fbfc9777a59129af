/*
 * sandbox.h - the system calls a role may make, and no others: seccomp(2).
 * Used by:    parent/child (in the role's process, after it dropped its user).
 * Invariant:  what is not in the table is refused with EPERM; nothing that runs
 *             in the receiver's place can open a file, connect anywhere or
 *             start a program. There is no way back, and threads inherit it.
 * To add:     a call is a row of the table in sandbox.c.
 */
#ifndef GMRELAY_PARENT_SANDBOX_H
#define GMRELAY_PARENT_SANDBOX_H

#include "base/err.h"

enum sandbox_role {
	SANDBOX_RECEIVER = 1,
	SANDBOX_RELAY = 2,
};

/* Enters it. Returns 1; 0 when this program was built without libseccomp; -1
 * with err where the kernel does not let us. */
int sandbox_enter(enum sandbox_role role, struct err *err);

#endif
