/*
 * users.h - the users file: who may log in, by salted hashes.
 * Used by:    receiver/secrets (reads it), receiver/login (looks users up),
 *             ctl/password (asks what may be a name).
 * Pure:       no descriptor, no clock, no log.
 * Source:     gmrelayd.conf(5), users-file.
 */
#ifndef GMRELAY_RECEIVER_USERS_H
#define GMRELAY_RECEIVER_USERS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define USERS_FILE_MAX (256 * 1024)
#define USERS_MAX      1000
#define USERS_NAME_MAX 128

struct users;

/* Reads the len bytes at text: lines "name:hash"; empty ones, and those that
 * begin with '#', are left out. Strict: err says "line N: ..." and shows
 * neither a hash nor what may be a password. Returns NULL with err, also where
 * no user is left. */
struct users *users_parse(const char *text, size_t len, struct err *err);

/* Wipes and frees; NULL is fine. */
void users_free(struct users **users);

/* For tests. */
size_t users_count(const struct users *users);

/* The hash to compare a password with. Of a name that is no user's, that of
 * some user, always the same one: what it says must not count, and it takes as
 * long. Borrowed. */
const char *users_hash(
	const struct users *users, const char *name, bool *known_out);

#endif
