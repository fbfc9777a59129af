/*
 * password_hash.h - salted hashes of passwords, as crypt(5) writes them.
 * Used by:    receiver/users (their form), receiver/login (checks),
 *             ctl/password (makes one).
 * Invariant:  yescrypt and SHA-512 only; a hash never shows in an err.
 * Blocks:     making and comparing take tens of milliseconds by design: not on
 *             an event loop.
 */
#ifndef GMRELAY_BASE_PASSWORD_HASH_H
#define GMRELAY_BASE_PASSWORD_HASH_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

/* With its NUL: CRYPT_OUTPUT_SIZE. */
#define PASSWORD_HASH_SIZE 384
/* crypt(3) takes no longer ones (CRYPT_MAX_PASSPHRASE_SIZE, with its NUL). */
#define PASSWORD_MAX 511

/* True when the len bytes at text are a hash of a kind we take, whole and in
 * its letters; err (NULL is fine) says what is wrong. */
bool password_hash_is_good(const char *text, size_t len, struct err *err);

/* Whether the hash, a good one, is this password's: 1, 0; -1 when there is no
 * memory to tell. */
int password_hash_compare(const char *hash, const char *password);

/* Hashes a password with a fresh salt, by yescrypt. Returns 0, -1 with err. */
int password_hash_make(
	const char *password, char out[PASSWORD_HASH_SIZE], struct err *err);

#endif
