/*
 * relay.h - the relay role: owns the spool, the credentials, the accounts, the
 *           schedule and the control socket. No listening network socket.
 * Used by:    parent/child (in the forked process), parent/check_ca.
 */
#ifndef GMRELAY_RELAY_RELAY_H
#define GMRELAY_RELAY_RELAY_H

#include "base/err.h"
#include "base/role.h"

#include <sys/types.h>

/* One credential an account. */
struct relay_secrets;

/* Reads the password files; to be called before the role drops its user.
 * relay_gid is the group the relay will have (see base/credential.h). The
 * result is for relay_run(). Returns NULL with err, which names the file. */
struct relay_secrets *relay_secrets_read(
	const struct conf *conf, gid_t relay_gid, struct err *err);

/* Whether this user can read the certificates in ca_file. Returns 0, -1 with
 * err. */
int relay_ca_check(const char *ca_file, struct err *err);

/* Runs the role until the parent drains it or is gone. *secrets is taken over
 * and wiped at the end. Returns the exit status. */
int relay_run(const struct role *role, struct relay_secrets **secrets);

#endif
