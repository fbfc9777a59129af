/*
 * upstream_fixture.h - one upstream connection against a scripted server.
 * Used by:    test_upstream, test_upstream_mail, test_upstream_broken.
 */
#ifndef GMRELAY_TESTS_UPSTREAM_FIXTURE_H
#define GMRELAY_TESTS_UPSTREAM_FIXTURE_H

#include "base/conf.h"
#include "fake_upstream.h"
#include "relay/upstream.h"

#include <event2/event.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FIXTURE_DELIVERIES_MAX 8
#define FIXTURE_SECRET         "s3cret"
#define FIXTURE_STEPS_MAX      600

/* --- pieces of scripts --- */

#define LINE_EHLO "C EHLO \\[127.0.0.1\\]"
#define GREETING                                                               \
	"S 220 fake ESMTP", LINE_EHLO, "S 250-fake at your service",           \
		"S 250-SIZE 35882577", "S 250-STARTTLS", "S 250 8BITMIME",     \
		"C STARTTLS", "S 220 2.0.0 go ahead"
#define OFFER_BEGIN                                                            \
	LINE_EHLO, "S 250-fake at your service", "S 250-SIZE 35882577",        \
		"S 250-8BITMIME", "S 250-AUTH LOGIN PLAIN XOAUTH2"
#define LOGIN                                                                  \
	"C AUTH PLAIN AHVzZXJAZmFrZS50ZXN0AHMzY3JldA==", "S 235 2.7.0 Accepted"
/* up to READY, with extensions as in the name */
#define READY_PLAIN                                                            \
	GREETING, "TLS", OFFER_BEGIN, "S 250 ENHANCEDSTATUSCODES", LOGIN
#define READY_PIPELINING                                                       \
	GREETING, "TLS", OFFER_BEGIN, "S 250-PIPELINING", "S 250 SMTPUTF8",    \
		LOGIN
#define READY_CHUNKING GREETING, "TLS", OFFER_BEGIN, "S 250 CHUNKING", LOGIN
#define READY_BOTH                                                             \
	GREETING, "TLS", OFFER_BEGIN, "S 250-PIPELINING", "S 250-CHUNKING",    \
		"S 250 SMTPUTF8", LOGIN
#define GOODBYE "C QUIT", "S 221 2.0.0 bye", "EOF"

/* --- the fixture --- */

/* Content of one byte repeated, or of text. */
struct content {
	const char *text; /* NULL: lines of 'x' */
	size_t len;
	size_t pos;
	size_t damaged_at; /* reading beyond this offset fails */
};

#define CONTENT_SOUND SIZE_MAX

struct fixture {
	struct fake_pki *pki;
	struct event_base *base;
	struct conf_account account;
	struct upstream_params params;
	struct fake_server server;
	struct upstream *u;
	struct event *watch;

	struct delivery *deliveries[FIXTURE_DELIVERIES_MAX];
	size_t added;
	size_t given;
	size_t finished;

	/* what to do on the way */
	bool stay;             /* do not quit when everything was given */
	const char *abort_in;  /* state; NULL: never */
	const char *quit_in;   /* state; NULL: never */
	bool abort_when_ready; /* from inside on_ready() */
	bool quit_when_giving; /* from inside next() */
	bool narrow;           /* the buffers of both ends are small */
	bool late;             /* nothing to give until it is woken */

	/* what was called */
	unsigned ready;
	uint64_t size;
	unsigned closed;
	bool troubled;
	struct upstream_trouble trouble;
	char steps[FIXTURE_STEPS_MAX]; /* phase names, each with a space */
	char last_step[600];
};

/* For a group, and for a test of it. */
int fixture_group_setup(void **state);
int fixture_group_teardown(void **state);
int fixture_setup(void **state);
int fixture_teardown(void **state);

/* Adds a delivery of text (NULL: size octets of filling) to the recipients,
 * whose list NULL ends. */
struct delivery *fixture_add(struct fixture *f, const char *text, size_t size,
	const char *const *rcpts);

/* Frees those that were added, for others. */
void fixture_forget(struct fixture *f);

/* Plays the script against a connection and checks that it was played to its
 * end and that every delivery that was given came back. */
void fixture_run(
	struct fixture *f, enum fake_cert cert, const char *const *script);

/* The connection ended without trouble. */
void fixture_assert_fine(const struct fixture *f);

/* The connection ended with that trouble. */
void fixture_assert_trouble(const struct fixture *f, enum phase phase,
	enum action action, enum pause pause);

/* All recipients of d have that outcome. */
void fixture_assert_outcome(
	const struct delivery *d, enum rcpt_outcome outcome);

#endif
