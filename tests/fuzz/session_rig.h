/*
 * session_rig.h - one session of the receiver over a socket pair, on doubles,
 *                 with what is required of it at any time and in the end.
 * Used by:    fuzz_session.
 */
#ifndef GMRELAY_TESTS_SESSION_RIG_H
#define GMRELAY_TESTS_SESSION_RIG_H

#include "session_fixture.h"

#include <stdbool.h>
#include <stddef.h>

enum { /* choice.profile */
	WITH_STRICT = 1,
	WITH_LF_DOT = 2,
	BY_SUBMIT = 4,
	BY_SECOND_ACCOUNT = 8,
	WITH_DEFAULTS = 16,
	WITH_RATE = 32,
};

/* choice.login: two bits of auth, two of TLS, and these. */
enum {
	WITH_SMALL_SIZE = 16,
	FROM_LOOPBACK = 32,
};

/* choice.journal: two bits of the result, and these. */
enum {
	WITH_HOLD = 4,
	WITH_WAIT = 8,
	WITH_BREAK = 16,
	ENDS_BY_TIME = 32,
};

/* choice.pieces: one of these, or more: a seed of random lengths, with bits
 * that say how the client is. */
enum {
	PIECE_WHOLE,
	PIECE_LINES,
	PIECE_COMPARE,
	PIECE_RANDOM,
	IS_EXPELLED = 16, /* in the place of ENDS_BY_TIME */
	READS_NOTHING = 32,
};

struct choice {
	unsigned profile, login, journal, pieces;
};

struct rig {
	struct fixture f; /* its loop is the same for all inputs */
	struct choice choice;
	bool deaf;     /* the client reads nothing for now */
	bool was_deaf; /* then its last line may be cut */
};

/* A client that has connected; and what it all came to. */
void rig_open(struct rig *rig, const struct choice *choice);
void rig_close(struct rig *rig);

/* NULL: it has ended. */
struct session *rig_session(const struct rig *rig);

/* Sends, and lets everything happen that can; looks whether all is sane. */
void rig_send(struct rig *rig, const char *data, size_t len);
void rig_turn(struct rig *rig);

/* The time is over for which the session waits. */
void rig_pass_time(struct rig *rig);

/* Whole replies in what was said from this offset on; each line is sane. */
unsigned rig_count_replies(const struct rig *rig, size_t from);

/* What was promised is kept, and what was stored is in order. */
void rig_require_promises(const struct rig *rig);
void rig_require_messages(void);

#endif
