/*
 * secret_file.h - a file that holds a secret: where it is, and who may read it.
 * Used by:    base/credential (passwords), receiver/secrets (the key of our
 *             certificate, the users file); parent/check and ctl/doctor_local
 *             ask where one is.
 */
#ifndef GMRELAY_BASE_SECRET_FILE_H
#define GMRELAY_BASE_SECRET_FILE_H

#include "base/err.h"

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <sys/types.h>

struct secret_rules {
	const char *what;   /* "the password file": for messages */
	const char *reader; /* "the relay": whose group may read it */
	gid_t gid;          /* that group */
	bool any_group;     /* or, in a file of root's, any other */
};

struct secret_file {
	int fd;
	char path[PATH_MAX]; /* as found */
};

/* True for the bare name of a credential where $CREDENTIALS_DIRECTORY is not
 * set: only the service that systemd starts can see it. */
bool secret_file_is_elsewhere(const char *path);

/* Opens path for reading. A relative path is looked for in
 * $CREDENTIALS_DIRECTORY (systemd.exec(5), LoadCredential), where systemd's own
 * modes count as right. Refused, with what would be right in err: not a regular
 * file; a mode with any bit of 077, except group-read on a root-owned file of
 * the group that the rules name. Returns 0, and the caller closes fd; -1 with
 * err. */
int secret_file_open(struct secret_file *out, const char *path,
	const struct secret_rules *rules, struct err *err);

/* Reads up to size bytes of it. Returns how many, -1 with err. */
ssize_t secret_file_read(const struct secret_file *file, char *data,
	size_t size, struct err *err);

/* The whole file, of at most max bytes, NUL behind it: to be wiped and freed by
 * the caller (secret_free). Returns NULL with err. */
char *secret_file_load(const char *path, const struct secret_rules *rules,
	size_t max, size_t *len_out, struct err *err);

/* Wipes and frees; NULL is fine. */
void secret_free(char **data, size_t len);

#endif
