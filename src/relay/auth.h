/*
 * auth.h - the AUTH mechanisms, a row each.
 * Used by:    relay/upstream_login.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 4954, RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN).
 * Invariant:  the buffers that hold a response are wiped by their user; the
 *             responses never pass through a log call.
 */
#ifndef GMRELAY_RELAY_AUTH_H
#define GMRELAY_RELAY_AUTH_H

#include "base/buf.h"
#include "base/err.h"

struct auth_login {
	const char *username;
	const char *secret;
};

struct auth_mechanism {
	const char *name;
	/* Appends the answer, base64, to the step-th challenge (0: the initial
	 * response). Returns 0; 1 when this step has none (no initial
	 * response); -1 with err for a challenge that makes no sense. */
	int (*respond)(const struct auth_login *login, unsigned step,
		const char *challenge, struct buf *out, struct err *err);
};

/* The best mechanism of ours that is in the EHLO keyword's list ("LOGIN PLAIN
 * XOAUTH2"), after previous (NULL: from the start). Returns NULL: none left. */
const struct auth_mechanism *auth_choose(
	const char *offered, const struct auth_mechanism *previous);

#endif
