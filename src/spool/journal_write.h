/*
 * journal_write.h - the receiver's half of the journal: drafts, append, commit.
 * Used by:    receiver/.
 * Invariant:  a message is absent or whole on disk, never partial; its
 *             on_done comes after the disk has it, never before.
 * Blocks:     never: one thread syncs the journal, a second one bodies.
 * Source:     ARCHITECTURE.md, "The journal"; gmrelayd-spool(5).
 */
#ifndef GMRELAY_SPOOL_JOURNAL_WRITE_H
#define GMRELAY_SPOOL_JOURNAL_WRITE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define DRAFT_MEMORY_MAX (64 * 1024)   /* beyond, a file of its own */
#define DRAFT_PIECE_MAX  (1024 * 1024) /* given to draft_add() at once */
#define JOURNAL_WAIT_MS  5000          /* for a segment or body: then 452 */
#define JOURNAL_LOST_MS  10000         /* a link ended, and nobody said why */

struct draft;
struct envelope;
struct event_base;
struct journal;

/* Starts both threads. No segment is there before journal_set_link(). Returns
 * NULL with err. */
struct journal *journal_new(struct event_base *base, struct err *err);

/* Takes link_fd (this end of a new link; owned from here on) in place of the
 * old one, and tells the new relay what is held. */
void journal_set_link(struct journal *j, int link_fd);

/* The relay is dead: the link is no more, another one comes with another relay.
 */
void journal_peer_gone(struct journal *j);

/* A link that ends while the relay lives was closed for what was said on it, by
 * either side, and no other one comes: without segments all mail is answered
 * 452. on_lost is called when neither journal_peer_gone() nor a new link
 * followed such an end within JOURNAL_LOST_MS. */
void journal_watch_link(
	struct journal *j, void (*on_lost)(void *arg), void *arg);

/* SIZE as the relay has learnt it from upstream; 0 until known. */
uint64_t journal_upstream_size(const struct journal *j);

/* True while a draft is open or a record waits for its sync. */
bool journal_busy(const struct journal *j);

/* Waits for syncs under way; drafts must be gone. NULL is fine. */
void journal_free(struct journal **j);

enum draft_result {
	DRAFT_DURABLE,  /* on disk: 250 */
	DRAFT_NO_ROOM,  /* no segment or body in time: 452 4.3.1 */
	DRAFT_IO_ERROR, /* a write or sync failed: 451 4.3.0 */
};

struct draft_callbacks {
	/* A draft that answered "wait" takes more now. */
	void (*on_resume)(void *arg);
	/* The end of a commit, or of a draft that cannot go on (then before
	 * any commit; the draft takes and drops what still comes). Not called
	 * from inside the draft_ functions, nor after draft_free(). */
	void (*on_done)(void *arg, enum draft_result result);
	void *arg;
};

/* A message that is being received. Its id is drawn now. */
struct draft *draft_new(
	struct journal *j, const struct draft_callbacks *callbacks);

uint64_t draft_id(const struct draft *d);

/* The errno of the write or sync that ended it; 0: none failed. */
int draft_error(const struct draft *d);

/* Appends at most DRAFT_PIECE_MAX bytes of the message in its stored form.
 * Returns 0, or 1 when the caller should feed no more before on_resume (what
 * was given is kept). */
int draft_add(struct draft *d, const void *data, size_t len);

/* The message is whole. Sets id, size and body of *env, prints it into the
 * record; on_done tells the outcome, after which the draft is to be freed. *env
 * stays the caller's. */
void draft_commit(struct draft *d, struct envelope *env);

/* Drops the draft; with a commit under way it is finished unheard (the message
 * may then be delivered). NULL is fine. */
void draft_free(struct draft **d);

#endif
