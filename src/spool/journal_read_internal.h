/*
 * journal_read_internal.h - shared by the files of the relay's half of the
 *          journal: journal_read.c (link), journal_scan.c (records),
 *          journal_mark.c (marks), journal_stock.c (segments and bodies: made,
 *          handed out, deleted).
 */
#ifndef GMRELAY_SPOOL_JOURNAL_READ_INTERNAL_H
#define GMRELAY_SPOOL_JOURNAL_READ_INTERNAL_H

#include "base/buf.h"
#include "base/worker.h"
#include "spool/journal.h"
#include "spool/journal_read.h"
#include "spool/link.h"

#include <event2/event.h>

#include <sys/queue.h>

enum segment_state {
	SEGMENT_STOCK, /* ours, empty, may be handed out */
	SEGMENT_OUT,   /* the receiver's: handed over, or stated as held */
	SEGMENT_LEFT,  /* nobody writes to it any more */
	SEGMENT_GOING, /* being reused or deleted, by a job, or that failed */
};

/* To be called when the disk has a mark in this segment. */
struct journal_waiter {
	STAILQ_ENTRY(journal_waiter) link;
	struct journal_segment *segment;
	journal_mark_fn *fn;
	void *arg;
};
STAILQ_HEAD(journal_waiters, journal_waiter);

struct journal_segment {
	TAILQ_ENTRY(journal_segment) link;
	struct journal_reader *reader;
	uint64_t number;
	uint64_t key;
	enum segment_state state;
	uint64_t handover; /* on this link; 0: before it */
	bool finished;     /* the receiver filled it and all is durable */
	uint64_t scanned;  /* read up to here */
	uint64_t limit;    /* may be read up to here */
	uint32_t records;
	uint32_t undone;
	int fd;            /* for reading; -1: not open */
	int done_fd;       /* for marks; -1: not open */
	uint64_t done_end; /* where the next mark goes */
	bool done_created; /* the name is not yet synced */
	bool unsynced;     /* marks were written since the last sync began */
	bool syncing;
	bool sync_failed;     /* marks must be written again */
	uint32_t undone_seen; /* when it was looked at, being sparse */
	bool told_sparse;
	bool unreadable; /* for now: see scan_retry */
	bool told_unreadable;
	bool hurt;             /* a part of it cannot be read: it stays */
	bool told_damaged;     /* that records are */
	uint64_t wasted;       /* octets of damaged records */
	uint64_t done_synced;  /* marks before it are on disk */
	uint64_t done_syncing; /* done_end, when the sync began */
	struct journal_waiters waiters;
	uint32_t *old_marks; /* found at the start; sorted; until scanned */
	size_t old_mark_count;
};

struct journal_body {
	TAILQ_ENTRY(journal_body) link;
	uint64_t name;
	uint64_t handover;
	bool old;      /* found at the start */
	bool released; /* the receiver holds it no more */
	bool named;    /* by a record or a queue file */
};

/* A mark that could not be written: tried again with every sync. */
struct journal_late_mark {
	STAILQ_ENTRY(journal_late_mark) link;
	struct journal_segment *segment;
	uint32_t offset;
	journal_mark_fn *fn;
	void *arg;
};

struct journal_reader {
	struct event_base *base;
	struct journal_reader_callbacks callbacks;
	int journal_fd;
	int large_fd;
	uint64_t body_size_max;
	struct worker *maker;
	struct worker *syncer;
	TAILQ_HEAD(journal_segment_list, journal_segment)
	segments; /* by number */
	TAILQ_HEAD(, journal_body) bodies;
	uint64_t last_number;

	/* the link */
	int link_fd;
	struct event *link_read;
	struct event *link_write;
	uint64_t sent;         /* hand-overs on this link */
	bool holdings_known;   /* a statement came, or no receiver lives */
	unsigned spare;        /* unused ones the receiver has, by its word */
	unsigned empty_bodies; /* the same */
	struct link_statement statement; /* the last one */
	struct link_statement incoming;  /* not yet checked */
	uint64_t upstream_size;
	uint64_t body_size_told; /* what a body may grow to by it */
	bool size_due;

	/* reading */
	struct event *scan; /* once a turn while there is something to read */
	struct buf window;
	struct event *scan_retry;
	bool blind; /* some records are not known and never will be */
	bool recovered;
	bool may_sweep;

	/* marks */
	struct event *sync_timer;
	struct event *sparse_timer; /* while a segment is, and is not told */
	STAILQ_HEAD(journal_late_marks, journal_late_mark) late_marks;
	bool mark_trouble; /* told */
	bool sync_trouble; /* told */

	/* making */
	unsigned making_segments;
	unsigned making_bodies;
	bool short_of_room; /* make nothing before the timer */
	bool told_no_room;
	struct event *room_timer;
};

/* journal_scan.c: */
void journal_scan_init(struct journal_reader *r);
void journal_scan_soon(struct journal_reader *r);
/* After the last of it: may it go? */
void journal_scan_finished(struct journal_segment *s);
int journal_segment_open(struct journal_segment *s);
/* True when every record there is to know is known. */
bool journal_scan_complete(const struct journal_reader *r);

/* journal_mark.c: */
/* Reads the marks a former process left; sorted. */
void journal_marks_load(struct journal_segment *s);
bool journal_marks_has(const struct journal_segment *s, uint64_t offset);
/* Submits a sync of what is not yet synced. */
void journal_marks_flush(struct journal_reader *r);
/* Is little left of the segment, with newer ones behind? Then it is told, when
 * nothing of it leaves for a while. */
void journal_marks_look_at_rest(struct journal_segment *s);
void journal_marks_on_sparse(evutil_socket_t fd, short what, void *arg);
/* Removes marks of segments that are no more. */
void journal_marks_sweep(struct journal_reader *r);
void journal_marks_drop_late(struct journal_reader *r);

/* journal_stock.c: */
/* Hands out what the receiver lacks, makes what is missing. */
void journal_stock_supply(struct journal_reader *r);
/* Reuses or deletes the segment when it is read, empty and nobody's. */
void journal_stock_reclaim(struct journal_segment *s);
void journal_segment_drop(struct journal_segment *s);
/* Deletes or forgets bodies that are no longer held. */
void journal_stock_settle_bodies(struct journal_reader *r);
struct journal_body *journal_body_find(struct journal_reader *r, uint64_t name);
struct journal_segment *journal_segment_add(
	struct journal_reader *r, uint64_t number, uint64_t key);

#endif
