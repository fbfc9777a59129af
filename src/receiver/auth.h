/*
 * auth.h - how clients log in: the AUTH mechanisms, a row each.
 * Used by:    receiver/login.
 * To add:     a row in auth.c: its name, its prompts, what takes an answer.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 4954, RFC 4616 (PLAIN), draft-murchison-sasl-login (LOGIN).
 */
#ifndef GMRELAY_RECEIVER_AUTH_H
#define GMRELAY_RECEIVER_AUTH_H

#include "base/password_hash.h"
#include "receiver/users.h"

#include <stdbool.h>
#include <stddef.h>

/* Answers of a client in one exchange, at most. */
#define AUTH_STEPS_MAX 2
/* Of the list that auth_print_names() writes. */
#define AUTH_NAMES_MAX 64

struct auth_exchange;

struct auth_mechanism {
	const char *name;
	/* One for each answer that is expected, base64. */
	const char *prompts[AUTH_STEPS_MAX];
	/* Takes the answer to prompts[x->step]. Returns 0, -1: it makes no
	 * sense. */
	int (*take)(struct auth_exchange *x, const char *data, size_t len);
};

struct auth_exchange {
	const struct auth_mechanism *mechanism;
	bool blind; /* take whatever comes, and keep nothing of it */
	unsigned step;
	bool nobody;                   /* what was given cannot be anybody's */
	char name[USERS_NAME_MAX + 1]; /* "": nobody's, at the end */
	char password[PASSWORD_MAX + 1];
};

enum auth_result {
	AUTH_PROMPT,    /* say auth_prompt() and hear the answer */
	AUTH_GIVEN,     /* name and password are there (but if blind) */
	AUTH_CANCELLED, /* the client said "*" */
	AUTH_MALFORMED, /* no base64, or not what the mechanism sends */
};

/* The row of that name (any case), or NULL. */
const struct auth_mechanism *auth_find(const char *name, size_t len);

/* " PLAIN LOGIN" */
void auth_print_names(char text[AUTH_NAMES_MAX]);

/* Begins. initial is what stands behind the mechanism's name: NULL nothing, "="
 * an empty answer (RFC 4954 section 4). */
enum auth_result auth_begin(struct auth_exchange *x,
	const struct auth_mechanism *mechanism, bool blind, const char *initial,
	size_t len);

/* The client's answer to the last prompt, a line. */
enum auth_result auth_answer(
	struct auth_exchange *x, const char *line, size_t len);

const char *auth_prompt(const struct auth_exchange *x);

/* Forgets what was given. */
void auth_wipe(struct auth_exchange *x);

#endif
