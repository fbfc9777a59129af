/*
 * envelope_internal.h - shared by envelope.c (the struct) and envelope_text.c
 *                       (its text form): texts that no NUL ends.
 */
#ifndef GMRELAY_SPOOL_ENVELOPE_INTERNAL_H
#define GMRELAY_SPOOL_ENVELOPE_INTERNAL_H

#include "spool/envelope.h"

/* Puts a copy of len bytes, at most max, in the place of *at; control bytes are
 * spaces, so that it is one line. Returns 0, -1 without memory. */
int envelope_keep_text(char **at, const char *text, size_t len, size_t max);

/* As those of envelope.h. Return 0; -1 beyond a limit, where the text is not
 * what it should be, or without memory. */
int envelope_keep_reverse_path(
	struct envelope *env, const char *path, size_t len);
int envelope_keep_envid(struct envelope *env, const char *text, size_t len);
int envelope_keep_rcpt(struct envelope *env, const char *address, size_t len,
	enum rcpt_state state);
int envelope_keep_orcpt(
	struct envelope_rcpt *rcpt, const char *text, size_t len);

#endif
