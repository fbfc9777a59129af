/*
 * credential.h - the stored password: who may read its file, and its form.
 * Used by:    parent/check (-t and reload), relay/relay (reads before it drops
 *             its user), relay/upstream_login (sends), ctl/doctor_local.
 * Invariant:  the secret stands in one allocation, wiped when freed; it never
 *             reaches argv, environment, configuration, log or core.
 */
#ifndef GMRELAY_BASE_CREDENTIAL_H
#define GMRELAY_BASE_CREDENTIAL_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

#define CREDENTIAL_MAX 4096

struct credential {
	size_t len;
	char secret[]; /* NUL behind it */
};

/* Reads the first line of path: trailing white space goes; where 16 letters
 * a-z in four groups remain (an app password as Google shows it), the white
 * space between them goes too. A relative path is looked for in
 * $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential). Refused, with what
 * would be right in err: a mode with any bit of 077, except group-read on a
 * root-owned file whose group is relay_gid; not a regular file; empty; too
 * long; NUL inside. In $CREDENTIALS_DIRECTORY systemd's own modes count as
 * right. Returns NULL with err. The caller owns the result. */
struct credential *credential_read(
	const char *path, gid_t relay_gid, struct err *err);

/* The same checks without keeping anything; *app_password_out says whether it
 * has the form of an app password. Returns 0, -1 with err. */
int credential_check(const char *path, gid_t relay_gid, bool *app_password_out,
	struct err *err);

/* Wipes and frees; NULL is fine. */
void credential_free(struct credential **credential);

#endif
