/*
 * journal_read.h - the relay's half of the journal: hands out segments and
 *                  bodies, finds the records, marks what is done, frees what is
 *                  empty.
 * Used by:    relay/dispatch; ctl/doctor_local (JOURNAL_RESERVE).
 * Invariant:  what the receiver may still write to is only read as far as its
 *             statement goes; nothing is handed out, reused or deleted before
 *             it is known what the receiver holds.
 * Blocks:     only in journal_reader_open(); everything else syncs in threads.
 * Source:     ARCHITECTURE.md, "The journal"; gmrelayd-spool(5).
 */
#ifndef GMRELAY_SPOOL_JOURNAL_READ_H
#define GMRELAY_SPOOL_JOURNAL_READ_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stdint.h>

/* Segments and bodies are given out only while so much stays free for queue/:
 * mail that is in can always get on. */
#define JOURNAL_RESERVE (64ULL * 1024 * 1024)
/* Marks are synced this long after the first one that is not. */
#define JOURNAL_MARK_SYNC_MS 1000
/* A segment is looked at so often whether the little that is left of it leaves
 * by itself. */
#define JOURNAL_SPARSE_MS 10000
/* Free segments kept for use, the others are deleted. */
#define JOURNAL_STOCK 2

struct event_base;
struct journal_reader;
struct journal_segment;

/* Where a record stands. Valid until it is marked. */
struct journal_place {
	struct journal_segment *segment;
	uint32_t offset;
	uint32_t length;
};

/* What is known of a record without reading it again. */
struct journal_found {
	uint64_t id;
	uint64_t body;       /* the name of its body file, 0 for none */
	const char *account; /* that in its envelope, as it stands there */
	int64_t arrived_s;   /* the same: by the wall clock, 0 unknown */
};

struct journal_reader_callbacks {
	/* A record that has no mark. */
	void (*on_record)(void *arg, const struct journal_place *place,
		const struct journal_found *found);
	/* Everything that a dead process may have left has been read. Once. */
	void (*on_recovered)(void *arg);
	/* A segment that will not be written again has less than a quarter of
	 * its records left, and for JOURNAL_SPARSE_MS none of them was marked:
	 * they had better move to queue/. What is about to be delivered is not
	 * worth a file of its own. */
	void (*on_sparse)(void *arg, const struct journal_segment *segment);
	void *arg;
};

/* Opens SPOOL/journal and SPOOL/large below spool_fd (borrowed), syncs what is
 * found there, and begins to read on the loop. body_size_max: what a body may
 * grow to. Foreign files are left alone, with a warning. Returns NULL with
 * err. */
struct journal_reader *journal_reader_open(struct event_base *base,
	int spool_fd, uint64_t body_size_max,
	const struct journal_reader_callbacks *callbacks, struct err *err);

/* Waits for what is under way in threads. NULL is fine. */
void journal_reader_free(struct journal_reader **r);

/* A new link to a receiver, owned from here on: what the old one held is not
 * known before its first statement. */
void journal_reader_set_link(struct journal_reader *r, int link_fd);

/* No receiver lives: nothing is held any more. */
void journal_reader_peer_gone(struct journal_reader *r);

/* Tells the receiver upstream's SIZE, under which a body may grow to
 * body_size_max. Where that is more than before: not until there is so much
 * room for the bodies it has in hand. */
void journal_reader_tell_size(
	struct journal_reader *r, uint64_t size, uint64_t body_size_max);

/* Reads the record at place into *out (cleared first): the envelope begins at
 * JOURNAL_HEAD_SIZE. Returns 0; -1 with err: read error, or ERR_DAMAGED with
 * what is there in *out. */
int journal_reader_read(struct journal_reader *r,
	const struct journal_place *place, struct buf *out, struct err *err);

/* The record is done with. on_synced (may be NULL) is called once the disk
 * has the mark; asking for it hurries the sync. */
typedef void journal_mark_fn(void *arg);
void journal_reader_mark(struct journal_reader *r,
	const struct journal_place *place, journal_mark_fn *on_synced,
	void *arg);

/* True once nothing that a dead process may have left is unread. */
bool journal_reader_recovered(const struct journal_reader *r);

/* True when moreover every segment could be read: no record of before the start
 * is to come. */
bool journal_reader_all_read(const struct journal_reader *r);

/* A record or queue file names this body: it is not deleted as left over.
 * Returns false where it was not found at the start. */
bool journal_reader_keep_body(struct journal_reader *r, uint64_t body);

/* Every queue file was read and has named its body: bodies found at the start
 * that nobody named and nobody holds are left over, and deleted. */
void journal_reader_sweep_bodies(struct journal_reader *r);

#endif
