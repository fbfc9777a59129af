/*
 * login.h - a client's AUTH: whether it is offered, its dialogue, the check of
 *           the password off the event loop, and the brake on guessing.
 * Used by:    receiver/session*, receiver/verbs, receiver/receiver.
 * Invariant:  what a client sends to log in is wiped when it was looked at, and
 *             is neither stored nor logged; a user's name is logged only when
 *             there is such a user.
 * Source:     RFC 4954.
 */
#ifndef GMRELAY_RECEIVER_LOGIN_H
#define GMRELAY_RECEIVER_LOGIN_H

#include "receiver/session.h"

#include <stdbool.h>
#include <stddef.h>

/* Passwords waiting to be checked, one after the other; more are told to come
 * again. */
#define LOGIN_CHECKS_MAX 16

struct command;
struct event_base;
struct logins;
struct users;

/* What the logins of this process share. users outlive it. The thread is begun
 * by the first login. */
struct logins *logins_new(struct event_base *base, const struct users *users);

/* Waits for the checks that run. NULL is fine. */
void logins_free(struct logins **logins);

/* Is AUTH to stand in the answer to EHLO, and with what? */
bool login_is_offered(const struct session *s);
void login_print_mechanisms(const struct session *s, char *text, size_t size);

/* True when this client must log in before it may send. */
bool login_is_missing(const struct session *s);

/* True when it has shown a user's password. */
bool login_is_known(const struct session *s);

/* The command AUTH; then each line of the dialogue, while s->auth is there. */
enum session_next login_begin(struct session *s, const struct command *c);
enum session_next login_answer(struct session *s, const char *line, size_t len);

/* A line of the dialogue was too long. */
void login_too_long(struct session *s);

/* Forgets a login, and whatever is under way for one. */
void login_forget(struct session *s);

#endif
