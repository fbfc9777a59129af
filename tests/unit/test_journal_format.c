/*
 * test_journal_format.c - a segment's bytes and names, as they are described in
 *                         gmrelayd-spool(5).
 */
#include "config.h"

#include "base/hash.h"
#include "spool/journal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define KEY    0x8877665544332211ULL
#define OFFSET 0x0000000000012340ULL
#define ID     0x0102030405060708ULL

enum { LENGTH = JOURNAL_HEAD_SIZE + 21 };

static void make_record(unsigned char record[LENGTH])
{
	memcpy(record + JOURNAL_HEAD_SIZE, "envelope and message", 21);
	journal_head_write(record, KEY, OFFSET, LENGTH, ID);
}

static void a_head_is_laid_out_as_described(void **state)
{
	static const unsigned char head[] = {
		0x11, 0x22, 0x33, 0x44, 0x55, 0x66, 0x77, 0x88, /* key */
		0x40, 0x23, 0x01, 0, 0, 0, 0, 0,                /* offset */
		LENGTH, 0, 0, 0,                                /* length */
		0, 0, 0, 0,                                     /* zero */
		8, 7, 6, 5, 4, 3, 2, 1,                         /* id */
	};
	unsigned char record[LENGTH], check[8];
	struct hash h;
	uint64_t sum;
	int i;

	(void)state;
	make_record(record);
	assert_memory_equal(record, head, sizeof(head));
	hash_init(&h, KEY, OFFSET);
	hash_add(&h, record + 24, 8);
	hash_add(&h, record + JOURNAL_HEAD_SIZE, LENGTH - JOURNAL_HEAD_SIZE);
	sum = hash_end(&h);
	for (i = 0; i < 8; i++)
		check[i] = (unsigned char)(sum >> (8 * i));
	assert_memory_equal(record + 32, check, sizeof(check));
}

static void a_right_record_is_read(void **state)
{
	unsigned char record[LENGTH];
	struct journal_head head;

	(void)state;
	make_record(record);
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY, OFFSET, &head), 1);
	assert_true(head.key == KEY && head.offset == OFFSET);
	assert_true(head.id == ID && head.length == LENGTH && head.zero == 0);
	/* more may stand behind it */
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY, OFFSET, &head), 1);
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY + 1, OFFSET, &head), -1);
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY, OFFSET + 8, &head), -1);
}

static void every_bit_counts(void **state)
{
	unsigned char record[LENGTH];
	struct journal_head head;
	size_t i;
	int rc;

	(void)state;
	make_record(record);
	for (i = 0; i < 8 * (size_t)LENGTH; i++) {
		record[i / 8] ^= (unsigned char)(1 << i % 8);
		rc = journal_head_read(record, LENGTH, KEY, OFFSET, &head);
		/* a longer one is asked for, and then found to be wrong */
		assert_true(rc == -1 || (rc == 0 && i / 64 == 2));
		record[i / 8] ^= (unsigned char)(1 << i % 8);
	}
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY, OFFSET, &head), 1);
}

static void a_part_asks_for_the_rest(void **state)
{
	unsigned char record[LENGTH], *part;
	struct journal_head head;
	size_t n;
	int rc;

	(void)state;
	make_record(record);
	for (n = 0; n < LENGTH; n++) {
		part = malloc(n > 0 ? n : 1); /* the sanitizer watches */
		memcpy(part, record, n);
		rc = journal_head_read(part, n, KEY, OFFSET, &head);
		assert_int_equal(rc, n < JOURNAL_HEAD_SIZE ? -1 : 0);
		if (rc == 0)
			assert_int_equal(head.length, LENGTH);
		free(part);
	}
}

static void impossible_lengths_begin_no_record(void **state)
{
	static const uint32_t lengths[] = {
		0, 1, JOURNAL_HEAD_SIZE, JOURNAL_RECORD_MAX + 1, UINT32_MAX};
	unsigned char record[LENGTH];
	struct journal_head head;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(lengths) / sizeof(lengths[0]); i++) {
		make_record(record);
		memcpy(record + 16, &lengths[i], 4);
		assert_int_equal(
			journal_head_read(record, LENGTH, KEY, OFFSET, &head),
			-1);
	}
	make_record(record); /* an id of 0 is none */
	memset(record + 24, 0, 8);
	assert_int_equal(
		journal_head_read(record, LENGTH, KEY, OFFSET, &head), -1);
}

static void a_mark_is_laid_out_as_described(void **state)
{
	uint8_t mark[JOURNAL_MARK_SIZE], want[JOURNAL_MARK_SIZE];
	uint64_t sum = hash_of(KEY, ~OFFSET, "done", 4), offset;
	int i;

	(void)state;
	journal_mark_write(mark, KEY, OFFSET);
	for (i = 0; i < 8; i++) {
		want[i] = (uint8_t)(OFFSET >> (8 * i));
		want[8 + i] = (uint8_t)(sum >> (8 * i));
	}
	assert_memory_equal(mark, want, sizeof(mark));
	assert_int_equal(journal_mark_read(mark, KEY, &offset), 0);
	assert_true(offset == OFFSET);
	assert_int_equal(journal_mark_read(mark, KEY + 1, &offset), -1);
	for (i = 0; i < 8 * JOURNAL_MARK_SIZE; i++) {
		mark[i / 8] ^= (uint8_t)(1 << i % 8);
		assert_int_equal(journal_mark_read(mark, KEY, &offset), -1);
		mark[i / 8] ^= (uint8_t)(1 << i % 8);
	}
	memset(mark, 0, sizeof(mark));
	assert_int_equal(journal_mark_read(mark, KEY, &offset), -1);
}

static void names_are_printed_and_read(void **state)
{
	char name[JOURNAL_NAME_SIZE], done[JOURNAL_DONE_NAME_SIZE];
	uint64_t number, key;

	(void)state;
	journal_segment_name(name, 0x1f, KEY);
	assert_string_equal(name, "000000000000001f.8877665544332211");
	assert_int_equal(journal_segment_name_parse(name, &number, &key), 0);
	assert_true(number == 0x1f && key == KEY);
	journal_done_name(done, 0x1f);
	assert_string_equal(done, "000000000000001f.done");
	assert_int_equal(journal_done_name_parse(done, &number), 0);
	assert_true(number == 0x1f);
}

static void other_names_are_nobodys(void **state)
{
	static const char *const names[] = {
		"",
		".",
		"..",
		"000000000000001f",
		"000000000000001f.",
		"000000000000001f.887766554433221",
		"000000000000001f.88776655443322110",
		"000000000000001f:8877665544332211",
		"000000000000001F.8877665544332211",
		"000000000000001f.887766554433221G",
		"00000000000001f.done",
		"000000000000001f.done2",
		"000000000000001g.done",
		"000000000000001f.Done",
		"000000000000001f-done",
	};
	uint64_t number, key;
	size_t i;

	(void)state;
	for (i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		assert_int_equal(
			journal_segment_name_parse(names[i], &number, &key),
			-1);
		assert_int_equal(
			journal_done_name_parse(names[i], &number), -1);
	}
}

static void lengths_are_rounded_up(void **state)
{
	(void)state;
	assert_int_equal(journal_padded(0), 0);
	assert_int_equal(journal_padded(1), 8);
	assert_int_equal(journal_padded(8), 8);
	assert_int_equal(journal_padded(9), 16);
	assert_int_equal(journal_block_up(0), 0);
	assert_int_equal(journal_block_up(1), 4096);
	assert_int_equal(journal_block_up(4096), 4096);
	assert_int_equal(journal_block_up(4097), 8192);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_head_is_laid_out_as_described),
		cmocka_unit_test(a_right_record_is_read),
		cmocka_unit_test(every_bit_counts),
		cmocka_unit_test(a_part_asks_for_the_rest),
		cmocka_unit_test(impossible_lengths_begin_no_record),
		cmocka_unit_test(a_mark_is_laid_out_as_described),
		cmocka_unit_test(names_are_printed_and_read),
		cmocka_unit_test(other_names_are_nobodys),
		cmocka_unit_test(lengths_are_rounded_up),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
