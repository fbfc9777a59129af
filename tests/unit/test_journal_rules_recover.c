/*
 * test_journal_rules_recover.c - the relay's half: what counts as a record
 *                                after whatever has happened.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/util.h"
#include "spool/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define KEY    0x1122334455667788ULL
#define NUMBER 7
#define NAME   "journal/0000000000000007.1122334455667788"
#define DONE   "journal/0000000000000007.done"

enum { CUT = 512 };

/* It stays there for the next look. */
static int keep_one(struct rig *rig)
{
	int fd = rig_make_segment(rig, NUMBER, KEY);

	rig_put_record(fd, KEY, JOURNAL_SEGMENT_SIZE / 2, 4711, 100);
	return fd;
}

static void a_record_counts_only_with_the_right_key_offset_and_checksum(
	void **state)
{
	static const struct {
		size_t at;
		unsigned char flip;
	} damages[] = {
		{0, 1}, {7, 0x80},            /* key */
		{8, 8}, {11, 1},              /* offset */
		{16, 1}, {17, 2}, {19, 0x80}, /* length */
		{20, 1}, {23, 1},             /* zero */
		{24, 1}, {31, 4},             /* id */
		{32, 1}, {39, 0x80},          /* checksum */
		{40, 1}, {60, 1}, {500, 1},   /* envelope, message */
	};
	struct rig *rig = *state;
	int fd = keep_one(rig);
	unsigned char byte;
	size_t i;

	rig_put_record(fd, KEY, 8192, 1, 1000);
	rig_put_record(fd, KEY, 16384, 2, 1000);
	assert_int_equal(rig_count_after_start(rig), 3);
	for (i = 0; i < COUNT_OF(damages); i++) {
		off_t at = 8192 + (off_t)damages[i].at;

		assert_int_equal(pread_full(fd, &byte, 1, at), 1);
		byte ^= damages[i].flip;
		assert_int_equal(pwrite_full(fd, &byte, 1, at), 0);
		assert_int_equal(rig_count_after_start(rig), 2);
		byte ^= damages[i].flip;
		assert_int_equal(pwrite_full(fd, &byte, 1, at), 0);
	}
	assert_int_equal(rig_count_after_start(rig), 3);
	close(fd);
}

/* The same bytes, eight further on, or under another name. */
static void a_record_moved_or_copied_does_not_count(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig), other;
	char record[4096];
	size_t length;

	length = rig_record(record, KEY, 8192, 1, 100);
	assert_int_equal(pwrite_full(fd, record, length, 8200), 0);
	other = rig_make_segment(rig, NUMBER + 1, KEY + 1);
	assert_int_equal(pwrite_full(other, record, length, 8192), 0);
	assert_int_equal(rig_count_after_start(rig), 1);
	close(fd);
	close(other);
}

static void try_cut(struct rig *rig, int fd, const char *record, size_t length,
	size_t cut, bool old_data)
{
	static char noise[65536];
	const uint64_t at = 8 * JOURNAL_BLOCK;

	memset(noise, old_data ? 0xa5 : 0, sizeof(noise));
	assert_int_equal(pwrite_full(fd, noise, sizeof(noise), (off_t)at), 0);
	assert_int_equal(pwrite_full(fd, record, cut, (off_t)at), 0);
	assert_int_equal(rig_count_after_start(rig), cut == length ? 2 : 1);
}

static void a_torn_tail_does_not_count_wherever_it_is_torn(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig);
	static char record[20000];
	size_t length, cut;

	length = rig_record(record, KEY, 8 * JOURNAL_BLOCK, 1, 9001);
	for (cut = 0; cut < length; cut += CUT)
		try_cut(rig, fd, record, length, cut, cut % (2 * CUT) != 0);
	try_cut(rig, fd, record, length, length - 1, true);
	try_cut(rig, fd, record, length, length, true);
	close(fd);
}

/* Each sector is there or not, in any order. */
static void a_record_with_a_missing_sector_does_not_count(void **state)
{
	static char record[8192], noise[CUT];
	struct rig *rig = *state;
	int fd = keep_one(rig);
	size_t length, hole;

	memset(noise, 0x5a, sizeof(noise));
	length = rig_record(record, KEY, 8192, 1, 5000);
	for (hole = 0; hole < length; hole += CUT) {
		assert_int_equal(pwrite_full(fd, record, length, 8192), 0);
		assert_int_equal(
			pwrite_full(fd, noise, CUT, 8192 + (off_t)hole), 0);
		assert_int_equal(rig_count_after_start(rig), 1);
	}
	close(fd);
}

static void old_records_of_a_reused_segment_do_not_count(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig);
	uint64_t at = 0;
	int i;

	for (i = 0; i < 100; i++)
		at = rig_put_record(fd, KEY - 1, at, (uint64_t)i + 1, 3000);
	rig_put_record(fd, KEY, 0, 1, 2000);
	assert_int_equal(rig_count_after_start(rig), 2);
	close(fd);
}

/* It knows everything but the key, which is drawn anew for every segment. */
static void a_clients_bytes_cannot_pass_for_a_record(void **state)
{
	struct draft_callbacks callbacks = {NULL, NULL, NULL};
	struct envelope *env = envelope_new();
	static char text[60000];
	struct rig *rig = *state;
	struct draft *d;
	size_t at;

	rig_start(rig);
	for (at = 0; at + 1000 < sizeof(text); at += 1000)
		rig_record(text + at, KEY, at, at + 1, 100);
	d = draft_new(rig->journal, &callbacks);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	assert_int_equal(draft_add(d, text, sizeof(text)), 0);
	draft_commit(d, env);
	draft_free(&d);
	envelope_free(&env);
	while (journal_busy(rig->journal))
		rig_turn(rig);
	rig_settle(rig);
	assert_int_equal(rig->found_count, 1);
	rig_kill_receiver(rig);
	rig_kill_relay(rig);
	assert_int_equal(rig_count_after_start(rig), 1);
}

/* Nor with the key, as long as it does not know where it stands. */
static void a_record_inside_a_record_does_not_count(void **state)
{
	static char outer[8192], inner[1024];
	struct rig *rig = *state;
	int fd = keep_one(rig);
	size_t length;

	length = rig_record(outer, KEY, 0, 1, 4000);
	rig_record(inner, KEY, 1024, 2, 100);
	memcpy(outer + 1024, inner, sizeof(inner));
	journal_head_write(outer, KEY, 0, (uint32_t)length, 1);
	assert_int_equal(pwrite_full(fd, outer, length, 0), 0);
	assert_int_equal(rig_count_after_start(rig), 2);
	close(fd);
}

static void damage_costs_only_what_it_hit(void **state)
{
	enum { COUNT = 40 };
	const uint32_t huge = 8 * 1024 * 1024;
	struct rig *rig = *state;
	int fd = keep_one(rig);
	uint64_t at[COUNT + 1] = {0};
	char noise[1500];
	int i;

	memset(noise, 0x77, sizeof(noise));
	for (i = 0; i < COUNT; i++)
		at[i + 1] = rig_put_record(fd, KEY, at[i], (uint64_t)i + 1,
			1000 + 777 * (size_t)i);
	/* a length that is a lie */
	assert_int_equal(pwrite_full(fd, &huge, 4, (off_t)at[3] + 16), 0);
	/* the middle of one, the end of one and the begin of the next */
	assert_int_equal(pwrite_full(fd, noise, 10, (off_t)at[9] + 300), 0);
	assert_int_equal(
		pwrite_full(fd, noise, sizeof(noise), (off_t)at[21] - 700), 0);
	/* the last one there is */
	assert_int_equal(pwrite_full(fd, noise, 1, (off_t)at[COUNT] - 30), 0);
	assert_int_equal(rig_count_after_start(rig), 1 + COUNT - 5);
	close(fd);
}

/* Records of odd lengths, across all borders of what is read at a time. */
static void records_are_found_wherever_they_stand(void **state)
{
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, NUMBER, KEY);
	uint64_t at = 0, id = 0;
	size_t size, i;

	io_seed(3);
	for (;;) {
		size = io_random(50) == 0 ? io_random(900000)
					  : io_random(30000);
		if (at + size + 4096 > JOURNAL_SEGMENT_SIZE)
			break;
		at = rig_put_record(fd, KEY, at, ++id, size);
		if (io_random(4) == 0)
			at = journal_block_up(at);
	}
	rig_recover(rig);
	assert_int_equal(rig->found_count, id);
	for (i = 0; i < rig->found_count; i++) {
		assert_int_equal(rig->found[i].id, i + 1);
		assert_int_equal(rig_read(rig, &rig->found[i], NULL), 0);
	}
	close(fd);
}

static void the_largest_record_is_found(void **state)
{
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, NUMBER, KEY);
	struct buf record;
	uint64_t next;

	buf_init(&record, JOURNAL_RECORD_MAX);
	assert_non_null(buf_reserve(&record, JOURNAL_RECORD_MAX));
	memset(record.data, 0x11, JOURNAL_RECORD_MAX);
	next = rig_put_record(fd, KEY, 0, 1, 100000);
	journal_head_write(record.data, KEY, next, JOURNAL_RECORD_MAX, 2);
	assert_int_equal(
		pwrite_full(fd, record.data, JOURNAL_RECORD_MAX, (off_t)next),
		0);
	rig_put_record(fd, KEY, next + JOURNAL_RECORD_MAX, 3, 1000);
	assert_int_equal(rig_count_after_start(rig), 3);
	buf_free(&record);
	close(fd);
}

static void a_segment_cut_short_is_read_as_far_as_it_goes(void **state)
{
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, NUMBER, KEY);
	uint64_t at;

	at = rig_put_record(fd, KEY, 0, 1, 1000);
	at = rig_put_record(fd, KEY, at, 2, 300001);
	rig_put_record(fd, KEY, at, 3, 9000);
	assert_int_equal(ftruncate(fd, (off_t)at + 5001), 0);
	assert_int_equal(rig_count_after_start(rig), 2);
	/* what is left of a damaged one hides none behind it */
	at = rig_put_record(fd, KEY, 0, 1, 1000);
	assert_int_equal(pwrite_full(fd, "\xff\xff\x7f", 3, (off_t)at + 16), 0);
	at = rig_put_record(fd, KEY, at + 400000, 4, 9000);
	assert_int_equal(ftruncate(fd, (off_t)at), 0);
	assert_int_equal(rig_count_after_start(rig), 2);
	close(fd);
}

static void a_record_is_checked_again_when_it_is_read(void **state)
{
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, NUMBER, KEY);
	struct buf record;
	struct err err;

	buf_init(&record, JOURNAL_RECORD_MAX);
	rig_put_record(fd, KEY, 0, 1, 1000);
	rig_recover(rig);
	assert_int_equal(rig_read(rig, &rig->found[0], NULL), 0);
	assert_int_equal(pwrite_full(fd, "!", 1, 700), 0);
	assert_int_equal(journal_reader_read(rig->reader, &rig->found[0].place,
				 &record, &err),
		-1);
	assert_int_equal(err.kind, ERR_DAMAGED);
	/* another one in its place is not the one that was found */
	rig_put_record(fd, KEY, 0, 2, 900);
	assert_int_equal(journal_reader_read(rig->reader, &rig->found[0].place,
				 &record, &err),
		-1);
	assert_int_equal(err.kind, ERR_DAMAGED);
	buf_free(&record);
	close(fd);
}

static void put_body(struct rig *rig, const char *name)
{
	int fd = openat(rig->large_fd, name, O_WRONLY | O_CREAT, 0600);

	assert_int_equal(write_full(fd, "body", 4), 0);
	close(fd);
}

/* A record that names the body 00000000000000aa. */
static void put_record_with_body(int fd, uint64_t offset)
{
	struct envelope *env = envelope_new();
	struct buf record;
	size_t length;

	env->id = 5;
	env->size = 4;
	env->body_name = 0xaa;
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	buf_init(&record, 4096);
	assert_non_null(buf_reserve(&record, JOURNAL_HEAD_SIZE));
	record.len = JOURNAL_HEAD_SIZE;
	assert_int_equal(envelope_print(env, &record), 0);
	length = record.len;
	journal_head_write(record.data, KEY, offset, (uint32_t)length, 5);
	assert_int_equal(
		pwrite_full(fd, record.data, length, (off_t)offset), 0);
	buf_free(&record);
	envelope_free(&env);
}

static void a_body_that_nothing_names_is_deleted(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig);

	put_body(rig, "00000000000000aa"); /* by a record */
	put_body(rig, "00000000000000bb"); /* by a queue file */
	put_body(rig, "00000000000000cc"); /* by nothing */
	put_body(rig, "not-a-body");
	put_record_with_body(fd, 8192);
	rig_recover(rig);
	journal_reader_keep_body(rig->reader, 0xbb);
	rig_settle(rig);
	assert_int_equal(rig_count_files(rig, "large", ""), 4);
	journal_reader_sweep_bodies(rig->reader);
	rig_settle(rig);
	assert_true(rig_exists(rig, "large/00000000000000aa"));
	assert_true(rig_exists(rig, "large/00000000000000bb"));
	assert_false(rig_exists(rig, "large/00000000000000cc"));
	assert_true(rig_exists(rig, "large/not-a-body"));
	close(fd);
}

/* No disk read, no descriptor, no deleting of what may be named there. */
static void a_segment_that_cannot_be_read_keeps_everything(
	struct rig *rig, enum io_kind kind, int error, unsigned times)
{
	int fd = keep_one(rig);

	put_body(rig, "00000000000000aa");
	put_record_with_body(fd, 8192);
	io_fail(kind, "journal/0000000000000007.1", error, times);
	rig_recover(rig);
	journal_reader_sweep_bodies(rig->reader);
	rig_settle(rig);
	assert_true(rig_exists(rig, "large/00000000000000aa"));
	assert_true(rig_exists(rig, NAME));
	io_fail(kind, "journal/0000000000000007.1", 0, 0);
	rig_kill_relay(rig);
	assert_int_equal(rig_count_after_start(rig), 2);
	close(fd);
}

static void a_segment_that_cannot_be_opened_keeps_everything(void **state)
{
	a_segment_that_cannot_be_read_keeps_everything(
		*state, IO_OPEN, EMFILE, 1);
}

static void a_segment_with_a_read_error_keeps_everything(void **state)
{
	a_segment_that_cannot_be_read_keeps_everything(
		*state, IO_READ, EIO, 500);
}

/* It is looked at again while the relay lives. */
static void a_read_error_that_passes_costs_no_restart(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig);

	io_fail(IO_READ, "journal/0000000000000007.1", EIO, 2);
	rig_start_relay(rig);
	rig_tell_receiver_gone(rig);
	rig_settle(rig);
	io_advance_ms(3600 * 1000);
	rig_settle(rig);
	io_advance_ms(3600 * 1000);
	while (rig->found_count == 0)
		rig_turn(rig);
	rig_mark(rig, &rig->found[0]);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig_exists(rig, NAME))
		rig_turn(rig);
	close(fd);
}

/* A million messages are read while the first of them leave. */
static void reading_leaves_the_loop_to_others(void **state)
{
	const uint64_t far = JOURNAL_SEGMENT_SIZE / 2;
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, NUMBER, KEY);
	unsigned turns = 0;

	rig_put_record(fd, KEY, 0, 1, 1000);
	rig_put_record(fd, KEY, far, 2, 1000);
	close(fd);
	rig_start_relay(rig);
	journal_reader_peer_gone(rig->reader);
	for (; rig->found_count < 2 && turns < far / JOURNAL_BLOCK; turns++)
		event_base_loop(rig->base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	assert_int_equal(rig->found_count, 2);
	assert_true(turns > 8);
}

static void foreign_files_are_left_alone(void **state)
{
	static const char *const names[] = {
		"README",
		"0000000000000007.112233445566778",
		"0000000000000007.11223344556677889",
		"0000000000000007.112233445566778G",
		"000000000000000A.1122334455667788",
		"0000000000000007-1122334455667788",
		"0000000000000007.DONE",
		".hidden",
	};
	struct rig *rig = *state;
	char path[80];
	size_t i;
	int fd;

	for (i = 0; i < COUNT_OF(names); i++) {
		fd = openat(
			rig->journal_fd, names[i], O_WRONLY | O_CREAT, 0600);
		assert_true(fd >= 0);
		close(fd);
	}
	assert_int_equal(mkdirat(rig->journal_fd,
				 "0000000000000009.1122334455667788", 0700),
		0);
	assert_int_equal(symlinkat("/etc/passwd", rig->journal_fd,
				 "0000000000000008.1122334455667788"),
		0);
	assert_int_equal(
		symlinkat("/etc/passwd", rig->large_fd, "00000000000000ff"), 0);
	rig_recover(rig);
	journal_reader_sweep_bodies(rig->reader);
	rig_settle(rig);
	assert_int_equal(rig->found_count, 0);
	for (i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "journal/%s", names[i]);
		assert_true(rig_exists(rig, path));
	}
	assert_true(
		rig_exists(rig, "journal/0000000000000009.1122334455667788"));
	assert_true(
		rig_exists(rig, "journal/0000000000000008.1122334455667788"));
	assert_int_equal(faccessat(AT_FDCWD, "/etc/passwd", F_OK, 0), 0);
}

static void a_start_syncs_what_it_finds(void **state)
{
	struct rig *rig = *state;
	int fd = keep_one(rig), done;

	done = openat(rig->spool_fd, DONE, O_WRONLY | O_CREAT, 0600);
	close(done);
	io_forget();
	rig_start_relay(rig);
	assert_true(io_find(0, IO_SYNCED, "journal") < io_count());
	assert_true(io_find(0, IO_SYNCED, "large") < io_count());
	assert_true(io_find(0, IO_SYNCED, DONE) < io_count());
	close(fd);
}

static void a_start_without_its_directories_fails_with_words(void **state)
{
	const struct journal_reader_callbacks none = {NULL, NULL, NULL, NULL};
	struct rig *rig = *state;
	struct err err;

	io_fail(IO_OPEN, "large", EACCES, 1);
	assert_null(journal_reader_open(
		rig->base, rig->spool_fd, 1000, &none, &err));
	assert_non_null(strstr(err.text, "large/"));
	io_fail(IO_SYNC, "journal", EIO, 1);
	assert_null(journal_reader_open(
		rig->base, rig->spool_fd, 1000, &none, &err));
	assert_non_null(strstr(err.text, "syncing"));
}

#define RULE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_record_counts_only_with_the_right_key_offset_and_checksum),
		RULE(a_record_moved_or_copied_does_not_count),
		RULE(a_torn_tail_does_not_count_wherever_it_is_torn),
		RULE(a_record_with_a_missing_sector_does_not_count),
		RULE(old_records_of_a_reused_segment_do_not_count),
		RULE(a_clients_bytes_cannot_pass_for_a_record),
		RULE(a_record_inside_a_record_does_not_count),
		RULE(damage_costs_only_what_it_hit),
		RULE(records_are_found_wherever_they_stand),
		RULE(the_largest_record_is_found),
		RULE(a_segment_cut_short_is_read_as_far_as_it_goes),
		RULE(a_record_is_checked_again_when_it_is_read),
		RULE(a_body_that_nothing_names_is_deleted),
		RULE(a_segment_that_cannot_be_opened_keeps_everything),
		RULE(a_segment_with_a_read_error_keeps_everything),
		RULE(a_read_error_that_passes_costs_no_restart),
		RULE(reading_leaves_the_loop_to_others),
		RULE(foreign_files_are_left_alone),
		RULE(a_start_syncs_what_it_finds),
		RULE(a_start_without_its_directories_fails_with_words),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
