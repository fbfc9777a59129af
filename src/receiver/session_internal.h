/*
 * session_internal.h - what the parts of a session share: session (turns,
 *                      replies, its end), session_message (texts and chunks),
 *                      session_texts (who waits for a turn), session_tls (how
 *                      TLS begins).
 * Used by:    receiver/session*.c, and login.c, which goes on with a session
 *             when its password was compared.
 */
#ifndef GMRELAY_RECEIVER_SESSION_INTERNAL_H
#define GMRELAY_RECEIVER_SESSION_INTERNAL_H

#include "receiver/session.h"

/* The end of every turn, and the one place where a session ends: *s may be gone
 * afterwards. */
void session_settle(struct session *s, enum session_next next);

/* Goes on with what was held, when nothing is waited for any more. */
enum session_next session_take_held(struct session *s);

/* Take what belongs to the text or chunk; *used is how much that was. */
enum session_next session_take_data(
	struct session *s, const char *data, size_t len, size_t *used);
enum session_next session_take_chunk(
	struct session *s, const char *data, size_t len, size_t *used);

/* True while a text may have ended with a lone dot, by the setting lf-dot: only
 * if nothing more comes for SESSION_LF_DOT_WAIT_MS. */
bool session_text_may_end(const struct session *s);

/* Nothing came: that was the end. A client that was only slow would now say
 * text instead of commands, and somebody who knows that could make it say
 * commands that are no client's: so nothing but QUIT is taken afterwards. */
void session_end_by_dot(struct session *s);

void session_greet(struct session *s);

/* Calls back when something can be sent. */
void session_wait_writable(struct session *s);

/* Until session_settle() begins anew, with the time that is right then. */
void session_stop_reading(struct session *s);

/* What is sent now is text or a chunk, no commands. */
bool session_in_text(const struct session *s);

/* A turn of a session that has something to be looked at. */
enum session_next session_take_turn(struct session *s);

/* --- texts share their time (session_texts.c) --- */

void session_texts_init(struct session_shared *shared);
void session_texts_free(struct session_shared *shared);

/* A text took so long. */
void session_texts_spend(struct session_shared *shared, int64_t took_ns);

/* A text has come. Returns true when others had all the time there is: it is
 * not read from, and has its turn later. */
bool session_texts_wait(struct session *s);

/* The session ends; or has its turn. */
void session_texts_leave(struct session *s);

/* --- how TLS begins (session_tls.c) --- */

/* True when this is how TLS begins. */
bool session_tls_is_hello(char first);

/* A new session: true when its greeting waits for a client that may begin with
 * TLS (SESSION_HOLD). */
bool session_tls_may_come(struct session *s);

/* A client began with TLS after it was greeted: says so in the log. */
void session_tls_too_late(struct session *s);

/* STARTTLS came, and something behind it or not. Says the reply. */
enum session_next session_tls_start(struct session *s, bool more);

/* The 220 has left: the handshake begins. */
void session_tls_begin(struct session *s);

/* In SESSION_HOLD and SESSION_HANDSHAKE: the socket is ready, or the time is
 * over. */
enum session_next session_tls_event(struct session *s, bool timeout);

/* How long to wait for the client now. */
struct timeval session_tls_wait(const struct session *s);

#endif
