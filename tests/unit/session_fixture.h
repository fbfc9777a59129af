/*
 * session_fixture.h - one session over a socket pair, on a fake journal.
 * Used by:    tests/unit/test_session and more, tests/fuzz/session_rig.
 */
#ifndef GMRELAY_TESTS_SESSION_FIXTURE_H
#define GMRELAY_TESTS_SESSION_FIXTURE_H

#include "base/buf.h"
#include "base/conf.h"
#include "base/counters.h"
#include "proto/local.h"
#include "receiver/session.h"

#include <stdbool.h>
#include <stddef.h>

#define GREETING "220 relay.example.org ESMTP gmrelayd\r\n"

#define MAIL "MAIL FROM:<a@example.org>\r\n"
#define RCPT "RCPT TO:<b@example.net>\r\n"
#define TEXT "Subject: s\r\n\r\nbody\r\n.\r\n"

#define FIXTURE_SAID_MAX ((size_t)16 * 1024 * 1024)
enum { FIXTURE_RECIPIENTS_MAX = 3 };

struct fixture {
	struct event_base *base;
	struct conf conf;
	struct local_names names;
	struct conf_account accounts[2];
	struct conf_client profile;
	struct receiver_counters counters;
	struct session_shared shared;
	int fd;          /* the client's end; -1: closed */
	struct buf said; /* what the server said since fixture_clear() */
	bool ended;      /* the server closed the connection */
	unsigned gone;   /* sessions that ended */
};

/* One fixture at a time; its session has not been greeted yet. */
void fixture_open(struct fixture *f);
void fixture_close(struct fixture *f);

/* All of fixture_open() but the loop; there is no client and no session yet. */
void fixture_set_up(struct fixture *f, struct event_base *base);

/* A (further) client; its greeting is read and checked. */
void fixture_connect(struct fixture *f);
void fixture_disconnect(struct fixture *f);

/* The session of the latest client, or NULL when it has ended. */
struct session *fixture_session(struct fixture *f);

/* Sends, and lets the loop turn until nothing happens any more. */
void fixture_send(struct fixture *f, const char *data, size_t len);
void fixture_say(struct fixture *f, const char *text);
void fixture_turn(struct fixture *f);
void fixture_clear(struct fixture *f);

/* Sends text (NULL: nothing) and compares what is said to it. expected is a
 * list of replies separated by spaces, each "CODE" or "CODE/ENHANCED", one a
 * reply (all lines of a multi-line reply are one); a '.' at its end: and the
 * connection was closed. */
void fixture_expect(struct fixture *f, const char *text, const char *expected);

/* The same for what was said since fixture_clear(); text is for messages. */
void fixture_expect_said(
	struct fixture *f, const char *text, const char *expected);

/* The i-th message that was committed, without its Received field. */
const char *fixture_message(size_t i);
const char *fixture_envelope(size_t i);

#endif
