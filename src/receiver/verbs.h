/*
 * verbs.h - the commands of SMTP: a table of verbs and one of extensions.
 * Used by:    receiver/session (dispatch).
 * To add:     a verb is a row and a handler in verbs.c, an extension a row.
 * Source:     RFC 5321 4.1.1, 4.1.4; RFC 1870 (SIZE), 2034, 2920, 3030, 3207,
 *             3461, 4954, 6152, 6531.
 */
#ifndef GMRELAY_RECEIVER_VERBS_H
#define GMRELAY_RECEIVER_VERBS_H

#include "receiver/session.h"

#include <stddef.h>

/* Does what the line asks for and says the reply. more: bytes came behind it,
 * before the client could have heard that reply. Handlers never free the
 * session. */
enum session_next verbs_dispatch(
	struct session *s, const struct line *line, bool more);

/* The name of the verb in row i, or NULL behind the last one: for tests. */
const char *verbs_name(size_t i);

#endif
