/*
 * fuzz_spool.h - a spool in a directory of its own, whose files a target makes,
 *                and an independent reading of a segment.
 * Used by:    fuzz_journal, fuzz_link, fuzz_queue, fuzz_state.
 * Invariant:  nothing is synced, and there never is room for new files.
 */
#ifndef GMRELAY_TESTS_FUZZ_SPOOL_H
#define GMRELAY_TESTS_FUZZ_SPOOL_H

#include "base/buf.h"
#include "spool/journal_read.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define FUZZ_KEY          0x656b79656b79656bULL /* "keykeyke" */
#define FUZZ_RECORDS_MAX  512
#define FUZZ_SEGMENTS_MAX 2
#define FUZZ_BODY         0x1122334455667788ULL

struct fuzz_record {
	uint64_t number; /* of its segment */
	uint64_t id;
	uint32_t offset;
	uint32_t length;
	struct journal_place place; /* of one that was told */
};

struct fuzz_records {
	struct fuzz_record all[FUZZ_RECORDS_MAX];
	size_t count;
};

struct fuzz_spool {
	struct event_base *base;
	struct journal_reader *reader;
	struct fuzz_records told; /* by the reader */
	bool named_body;          /* one of them names FUZZ_BODY */
	unsigned recovered;
};

/* An empty spool, the same directory for all inputs; removed when the process
 * ends. */
void fuzz_spool_open(struct fuzz_spool *s);
/* Frees the reader, and removes all files that have a function here. */
void fuzz_spool_close(struct fuzz_spool *s);

/* The directory, for a target's own files; once a spool was opened. */
int fuzz_spool_dir(void);

/* Writes segment number, its marks (NULL: none), the body FUZZ_BODY. */
void fuzz_spool_segment(uint64_t number, const struct buf *bytes);
void fuzz_spool_marks(uint64_t number, const void *marks, size_t len);
void fuzz_spool_body(void);

bool fuzz_spool_has_segment(uint64_t number);
bool fuzz_spool_has_body(void);
/* The marks as they stand there now. Returns their length. */
size_t fuzz_spool_read_marks(uint64_t number, void *marks, size_t size);

/* Opens a reader over what is there. */
void fuzz_spool_read(struct fuzz_spool *s);
/* Lets it do all there is to do now. */
void fuzz_spool_turn(struct fuzz_spool *s);

/* Appends a right record with this payload behind bytes, which it pads to a
 * step before. Returns its offset. */
uint64_t fuzz_spool_append(
	struct buf *bytes, uint64_t id, const void *payload, size_t len);

/* The records of a segment, read straight from the format's description. */
void fuzz_spool_reference(
	const struct buf *bytes, uint64_t number, struct fuzz_records *out);

#endif
