/*
 * session_internal.h - what the parts of a session share: session (turns,
 *                      replies, its end), session_message (texts and chunks).
 * Used by:    receiver/session*.c only.
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

#endif
