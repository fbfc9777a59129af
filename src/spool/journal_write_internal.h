/*
 * journal_write_internal.h - shared by the files of the receiver's half of the
 *          journal: journal_write.c (segments, syncs, link) and draft.c
 *          (messages, body files).
 */
#ifndef GMRELAY_SPOOL_JOURNAL_WRITE_INTERNAL_H
#define GMRELAY_SPOOL_JOURNAL_WRITE_INTERNAL_H

#include "base/buf.h"
#include "base/hash.h"
#include "base/worker.h"
#include "spool/journal.h"
#include "spool/journal_write.h"
#include "spool/link.h"

#include <event2/event.h>

#include <sys/queue.h>

TAILQ_HEAD(draft_list, draft);

/* A segment we may write to. */
struct segment {
	TAILQ_ENTRY(segment) link;
	struct journal *journal;
	uint64_t number;
	uint64_t key;
	int fd;
	enum link_segment_use use;
	uint64_t block;    /* offset of the block that is written next */
	size_t block_used; /* octets of it that hold records */
	bool sync_began;   /* since the last append: begin a new block */
	uint64_t written;  /* the end of the last record */
	uint64_t durable;  /* all before it is on disk */
	bool syncing;
	uint64_t sync_target; /* written, when the sync under way began */
	int sync_errno;       /* its result */
	struct worker_job job;
	struct draft_list waiting; /* records not yet durable, in order */
	char tail[JOURNAL_BLOCK];  /* what the block at `block` holds */
};

/* A body file we may write to. */
struct body {
	TAILQ_ENTRY(body) link;
	uint64_t name;
	int fd;
	bool empty; /* in stock */
};

enum draft_state {
	DRAFT_OPEN,
	DRAFT_WANTS_BODY,    /* in wanting_bodies */
	DRAFT_BROKEN,        /* takes and drops what comes; on_done is told */
	DRAFT_SYNCING_BODY,  /* a job of body_syncer */
	DRAFT_WANTS_SEGMENT, /* in wanting_segments */
	DRAFT_WRITTEN,       /* in its segment's waiting list */
	DRAFT_FINISHED,      /* in finished: on_done is due; or told */
};

struct draft {
	TAILQ_ENTRY(draft) link; /* of the list its state names */
	struct journal *journal;
	struct draft_callbacks callbacks; /* on_done NULL: nobody listens */
	enum draft_state state;
	enum draft_result result;
	bool committed;
	bool freed;       /* by its owner, while a commit was under way */
	bool told;        /* on_done was called */
	int64_t deadline; /* boot clock, of a wait */
	uint64_t id;
	uint64_t size;
	struct buf memory;   /* what is not yet in the body file */
	struct buf envelope; /* printed at the commit */
	struct body *body;   /* NULL: the message is in memory alone */
	uint64_t body_size;  /* octets in the body file */
	struct hash body_hash;
	int body_errno; /* of its sync */
	int error;      /* that ended it; 0: none */
	struct worker_job job;
	uint64_t offset; /* of the record, in its segment */
	uint64_t end;    /* behind the record */
};

struct journal {
	struct event_base *base;
	struct worker *committer;
	struct worker *body_syncer;
	struct event *settle; /* once a turn of the loop, when work is due */
	struct event *waits;  /* timer: the wait lists' first deadline */
	struct event *link_read;
	struct event *link_write;
	int link_fd;
	struct event *lost; /* timer: the link has ended, why? */
	void (*on_lost)(void *arg);
	void *lost_arg;
	uint64_t received; /* hand-overs, on this link */
	uint64_t upstream_size;
	bool statement_due;
	size_t drafts;                  /* alive */
	TAILQ_HEAD(, segment) segments; /* all we hold, in order of arrival */
	TAILQ_HEAD(, body) bodies;
	struct draft_list wanting_bodies;
	struct draft_list wanting_segments;
	struct draft_list finished;      /* on_done is due */
	struct buf scratch;              /* the write being put together */
	struct link_statement statement; /* the same for the link */
};

/* journal_write.c: */

/* Something is due at the end of this turn: syncs, results, a statement. */
void journal_settle_soon(struct journal *j);
/* The statement changed. */
void journal_state_soon(struct journal *j);
/* Arms the timer for the first deadline of the wait lists. */
void journal_arm_waits(struct journal *j);
/* Appends the record of *d to a segment, or lets *d wait for one. */
void journal_append(struct journal *j, struct draft *d);

/* draft.c: */

/* The draft's way ends: on_done is called at the end of this turn. */
void draft_finish(struct draft *d, enum draft_result result);

/* The same for a write or sync that failed with this errno. */
void draft_fail(struct draft *d, int error);
/* Calls on_done for all of j->finished; frees those nobody owns. */
void draft_tell_finished(struct journal *j);
/* The end of those that nobody owns any more. */
void draft_drop_all(struct draft_list *list);
/* Gives bodies in stock to the drafts that want them. */
void draft_serve_bodies(struct journal *j);

#endif
