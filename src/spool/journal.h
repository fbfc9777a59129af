/*
 * journal.h - what a segment of the journal looks like: the record's head, the
 *             mark, the names. Both halves of the journal include it.
 * Used by:    spool/journal_write, spool/journal_read; ctl/spool_journal.
 * Pure:       no descriptor, no clock, no log.
 * Format:     gmrelayd-spool(5), "The journal".
 */
#ifndef GMRELAY_SPOOL_JOURNAL_H
#define GMRELAY_SPOOL_JOURNAL_H

#include "base/util.h"

#include <endian.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#define JOURNAL_SEGMENT_SIZE (16 * 1024 * 1024)
/* Writes begin and end at multiples of it, records at multiples of the step. */
#define JOURNAL_BLOCK 4096
#define JOURNAL_STEP  8
/* The head, the envelope, and a message that has no file of its own. An
 * envelope of ENVELOPE_RECIPIENTS_MAX long addresses is what makes it big. */
#define JOURNAL_RECORD_MAX (8 * 1024 * 1024)

/* A segment's name: NUMBER.KEY, 16 hex digits each; its marks: NUMBER.done. */
#define JOURNAL_NAME_SIZE      (HEX64_LEN + 1 + HEX64_LEN + 1)
#define JOURNAL_DONE_NAME_SIZE (HEX64_LEN + sizeof(".done"))

void journal_segment_name(
	char name[JOURNAL_NAME_SIZE], uint64_t number, uint64_t key);
void journal_done_name(char name[JOURNAL_DONE_NAME_SIZE], uint64_t number);

/* Returns 0, or -1 when name is no segment's. */
int journal_segment_name_parse(
	const char *name, uint64_t *number_out, uint64_t *key_out);
int journal_done_name_parse(const char *name, uint64_t *number_out);

/* Stands before every record; all numbers little-endian. */
#define JOURNAL_HEAD_SIZE 40
struct journal_head {
	uint64_t key;    /* the segment's: nothing else in it is a record */
	uint64_t offset; /* where in the segment it stands */
	uint32_t length; /* head, envelope and message */
	uint32_t zero;   /* for later use */
	uint64_t id;
	uint64_t check; /* hash_of(key, offset, id and what follows the head) */
};

/* Writes the head, with its check, before the length - JOURNAL_HEAD_SIZE bytes
 * that already stand behind it at record. */
void journal_head_write(void *record, uint64_t key, uint64_t offset,
	uint32_t length, uint64_t id);

/* Looks at the bytes from record on, of which available are there. Returns 1
 * when a whole, right record stands there; 0 when its head promises more bytes
 * than are there (*out set: read out->length bytes); -1 when none begins here
 * (another key or offset, a bad length, a wrong check). */
int journal_head_read(const void *record, size_t available, uint64_t key,
	uint64_t offset, struct journal_head *out);

/* A mark says: the record at offset is done with. */
#define JOURNAL_MARK_SIZE 16
void journal_mark_write(
	uint8_t mark[JOURNAL_MARK_SIZE], uint64_t key, uint64_t offset);
/* Returns 0 with the offset, or -1 when it is no mark under this key. */
int journal_mark_read(const uint8_t mark[JOURNAL_MARK_SIZE], uint64_t key,
	uint64_t *offset_out);

/* Whether a record may begin here: nothing does without the key. */
static inline bool journal_key_is_at(const char *at, uint64_t key)
{
	uint64_t found;

	memcpy(&found, at, sizeof(found));
	return le64toh(found) == key;
}

/* Where a record of length bytes ends, padding to JOURNAL_STEP included. */
static inline uint64_t journal_padded(uint64_t length)
{
	return (length + JOURNAL_STEP - 1) / JOURNAL_STEP * JOURNAL_STEP;
}

static inline uint64_t journal_block_up(uint64_t offset)
{
	return (offset + JOURNAL_BLOCK - 1) / JOURNAL_BLOCK * JOURNAL_BLOCK;
}

#endif
