/*
 * journal.c - what a segment of the journal looks like.
 */
#include "config.h"

#include "spool/journal.h"

#include "base/hash.h"

#include <endian.h>
#include <string.h>

/* Where the fields of struct journal_head stand in a record. */
enum {
	HEAD_KEY = 0,
	HEAD_OFFSET = 8,
	HEAD_LENGTH = 16,
	HEAD_ZERO = 20,
	HEAD_ID = 24,
	HEAD_CHECK = 32,
};

/* A mark: the record's offset, and behind it the check. */
enum { MARK_OFFSET = 0, MARK_CHECK = 8 };

void journal_segment_name(
	char name[JOURNAL_NAME_SIZE], uint64_t number, uint64_t key)
{
	hex64(name, number);
	name[HEX64_LEN] = '.';
	hex64(name + HEX64_LEN + 1, key);
}

void journal_done_name(char name[JOURNAL_DONE_NAME_SIZE], uint64_t number)
{
	hex64(name, number);
	memcpy(name + HEX64_LEN, ".done", sizeof(".done"));
}

int journal_segment_name_parse(
	const char *name, uint64_t *number_out, uint64_t *key_out)
{
	if (strlen(name) != JOURNAL_NAME_SIZE - 1 || name[HEX64_LEN] != '.' ||
		hex64_parse(name, number_out) != 0 ||
		hex64_parse(name + HEX64_LEN + 1, key_out) != 0)
		return -1;
	return 0;
}

int journal_done_name_parse(const char *name, uint64_t *number_out)
{
	if (strlen(name) != JOURNAL_DONE_NAME_SIZE - 1 ||
		strcmp(name + HEX64_LEN, ".done") != 0)
		return -1;
	return hex64_parse(name, number_out);
}

static uint64_t record_check(const void *record, uint64_t key, uint64_t offset,
	uint32_t length, uint64_t id)
{
	uint64_t id_le = htole64(id);
	struct hash h;

	hash_init(&h, key, offset);
	hash_add(&h, &id_le, sizeof(id_le));
	hash_add(&h, (const char *)record + JOURNAL_HEAD_SIZE,
		length - JOURNAL_HEAD_SIZE);
	return hash_end(&h);
}

static void put64(uint8_t *at, uint64_t value)
{
	value = htole64(value);
	memcpy(at, &value, sizeof(value));
}

static void put32(uint8_t *at, uint32_t value)
{
	value = htole32(value);
	memcpy(at, &value, sizeof(value));
}

static uint64_t get64(const uint8_t *at)
{
	uint64_t value;

	memcpy(&value, at, sizeof(value));
	return le64toh(value);
}

static uint32_t get32(const uint8_t *at)
{
	uint32_t value;

	memcpy(&value, at, sizeof(value));
	return le32toh(value);
}

void journal_head_write(void *record, uint64_t key, uint64_t offset,
	uint32_t length, uint64_t id)
{
	uint8_t *head = record;

	put64(head + HEAD_KEY, key);
	put64(head + HEAD_OFFSET, offset);
	put32(head + HEAD_LENGTH, length);
	put32(head + HEAD_ZERO, 0);
	put64(head + HEAD_ID, id);
	put64(head + HEAD_CHECK, record_check(record, key, offset, length, id));
}

int journal_head_read(const void *record, size_t available, uint64_t key,
	uint64_t offset, struct journal_head *out)
{
	const uint8_t *head = record;

	if (available < JOURNAL_HEAD_SIZE || get64(head + HEAD_KEY) != key ||
		get64(head + HEAD_OFFSET) != offset)
		return -1;
	out->key = key;
	out->offset = offset;
	out->length = get32(head + HEAD_LENGTH);
	out->zero = get32(head + HEAD_ZERO);
	out->id = get64(head + HEAD_ID);
	out->check = get64(head + HEAD_CHECK);
	if (out->length <= JOURNAL_HEAD_SIZE ||
		out->length > JOURNAL_RECORD_MAX || out->zero != 0 ||
		out->id == 0)
		return -1;
	if (out->length > available)
		return 0;
	if (record_check(record, key, offset, out->length, out->id) !=
		out->check)
		return -1;
	return 1;
}

/* The mark's check must differ from any hash over a record. */
static uint64_t mark_check(uint64_t key, uint64_t offset)
{
	return hash_of(key, ~offset, "done", 4);
}

void journal_mark_write(
	uint8_t mark[JOURNAL_MARK_SIZE], uint64_t key, uint64_t offset)
{
	put64(mark + MARK_OFFSET, offset);
	put64(mark + MARK_CHECK, mark_check(key, offset));
}

int journal_mark_read(const uint8_t mark[JOURNAL_MARK_SIZE], uint64_t key,
	uint64_t *offset_out)
{
	*offset_out = get64(mark + MARK_OFFSET);
	return get64(mark + MARK_CHECK) == mark_check(key, *offset_out) ? 0
									: -1;
}
