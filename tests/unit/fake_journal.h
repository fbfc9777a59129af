/*
 * fake_journal.h - stands in for spool/journal_write.h: messages are kept in
 *                  memory, and the test says how each commit ends and when.
 * Used by:    tests/unit/test_session, test_receiver,
 *             tests/fuzz/fuzz_session.
 */
#ifndef GMRELAY_TESTS_FAKE_JOURNAL_H
#define GMRELAY_TESTS_FAKE_JOURNAL_H

#include "base/buf.h"
#include "spool/journal_write.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* As many as FUZZ_SESSION_MAX octets of commands can make. */
#define FAKE_MESSAGES_MAX 512

struct fake_message {
	struct buf envelope; /* as printed */
	struct buf text;
	bool committed;
	bool told; /* DRAFT_DURABLE was told */
};

struct fake_journal {
	/* what the test wants */
	enum draft_result result; /* of the commits to come */
	bool hold;                /* no commit ends before fake_release() */
	size_t wait_at;  /* draft_add() says "wait" when it holds as much; 0:
			    never */
	size_t break_at; /* the draft breaks then, before its commit; 0: never
			  */
	bool lose_links; /* a link is lost as soon as it comes */
	bool no_memory;  /* for a draft */
	uint64_t upstream_size;
	/* what it got */
	struct fake_message messages[FAKE_MESSAGES_MAX]; /* committed */
	size_t count;
	size_t drafts; /* alive */
	void (*on_lost)(void *arg);
	void *lost_arg;
	int links; /* journal_set_link() calls */
	int gone;  /* journal_peer_gone() calls */
};

/* The one there is. Cleared by fake_reset(). */
struct fake_journal *fake_journal(void);
void fake_reset(void);

/* Ends the commits that were held, and on_resumes those that wait; this happens
 * in the next turn of the loop. */
void fake_release(void);

#endif
