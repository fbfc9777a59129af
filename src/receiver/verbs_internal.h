/*
 * verbs_internal.h - the handlers of commands that stand in a file of their
 *                    own.
 * Used by:    receiver/verbs*.c only.
 */
#ifndef GMRELAY_RECEIVER_VERBS_INTERNAL_H
#define GMRELAY_RECEIVER_VERBS_INTERNAL_H

#include "receiver/session.h"

struct command;

/* Does what the command asks for and says the reply. Never frees the session.
 */
typedef enum session_next verb_fn(
	struct session *s, const struct command *command);

/* verbs_mail.c */
verb_fn verb_mail, verb_rcpt, verb_data, verb_bdat;

#endif
