/*
 * test_journal_rules_marks.c - marks: written at once, synced soon, tried again
 *                              until they are there.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define KEY  0x1122334455667788ULL
#define NAME "journal/0000000000000007.1122334455667788"
#define DONE "journal/0000000000000007.done"

enum { RECORDS = 20 };

/* A dead receiver's segment with some records. */
static int setup(void **state)
{
	uint64_t at = 0, id;
	int fd;

	rig_setup(state);
	fd = rig_make_segment(*state, 7, KEY);
	for (id = 1; id <= RECORDS; id++)
		at = rig_put_record(fd, KEY, at, id, 1000);
	close(fd);
	return 0;
}

static void a_mark_is_written_at_once_and_synced_within_a_second(void **state)
{
	struct rig *rig = *state;

	rig_recover(rig);
	io_forget();
	rig_mark(rig, &rig->found[0]);
	assert_int_equal(io_tally(IO_WRITE, DONE), 1);
	assert_true(io_at(io_find(0, IO_WRITE, DONE))->by_loop);
	io_advance_ms(JOURNAL_MARK_SYNC_MS - 500);
	rig_mark(rig, &rig->found[1]);
	rig_settle(rig);
	assert_int_equal(io_tally(IO_SYNC, DONE), 0);
	io_advance_ms(500);
	while (io_tally(IO_SYNCED, DONE) == 0)
		rig_turn(rig);
	rig_settle(rig);
	/* one for both; the first time the name too */
	assert_int_equal(io_tally(IO_SYNC, DONE), 1);
	assert_false(io_at(io_find(0, IO_SYNC, DONE))->by_loop);
	assert_true(io_find(io_find(0, IO_SYNC, DONE), IO_SYNCED, "journal") <
		    io_count());
	assert_string_equal(io_at(io_count() - 1)->name, "journal");
	/* idle: no more of them */
	io_forget();
	io_advance_ms(100000);
	rig_settle(rig);
	assert_int_equal(io_count(), 0);
}

static void a_body_goes_after_its_mark_is_synced(void **state)
{
	struct rig *rig = *state;

	rig_recover(rig);
	io_hold(".done");
	/* who waits for it hurries it */
	rig_mark_and_tell(rig, &rig->found[0]);
	while (io_held() == 0)
		rig_turn(rig);
	rig_mark_and_tell(rig, &rig->found[1]);
	rig_settle(rig);
	assert_int_equal(rig->synced, 0);
	io_let_go(1);
	while (rig->synced == 0)
		rig_turn(rig);
	rig_settle(rig);
	/* the second was written after the first sync began */
	assert_int_equal(rig->synced, 1);
	io_hold(NULL);
	while (rig->synced < 2)
		rig_turn(rig);
}

static void a_killed_process_repeats_nothing_that_was_marked(void **state)
{
	struct rig *rig = *state;
	size_t i;

	rig_recover(rig);
	for (i = 0; i < RECORDS; i += 2)
		rig_mark(rig, &rig->found[i]);
	rig_kill_relay(rig);
	rig_recover(rig);
	assert_int_equal(rig->found_count, RECORDS / 2);
	for (i = 0; i < rig->found_count; i++)
		assert_int_equal(rig->found[i].id, 2 * i + 2);
}

static void a_mark_that_cannot_be_written_is_tried_again(void **state)
{
	struct rig *rig = *state;

	rig_recover(rig);
	io_fail(IO_CREATE, ".done", ENOSPC, 2);
	rig_mark_and_tell(rig, &rig->found[0]);
	io_fail(IO_WRITE, ".done", ENOSPC, 3);
	rig_mark(rig, &rig->found[1]);
	rig_settle(rig);
	assert_int_equal(rig->synced, 0);
	while (rig->synced == 0) {
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		rig_turn(rig);
	}
	rig_settle(rig);
	rig_kill_relay(rig);
	assert_int_equal(rig_count_after_start(rig), RECORDS - 2);
}

/* One file that takes no marks does not keep those of another. */
static void a_late_mark_holds_up_no_other(void **state)
{
	struct rig *rig = *state;
	int fd = rig_make_segment(rig, 8, KEY);
	size_t i;

	rig_put_record(fd, KEY, 0, 100, 100);
	close(fd);
	rig_recover(rig);
	assert_int_equal(rig->found_count, RECORDS + 1);
	io_fail(IO_CREATE, DONE, EIO, 100000);
	io_fail(IO_CREATE, "8.done", EIO, 1);
	rig_mark(rig, &rig->found[0]);
	rig_mark_and_tell(rig, &rig->found[RECORDS]);
	for (i = 0; i < 1000 && rig->synced == 0; i++) {
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		rig_turn(rig);
	}
	assert_int_equal(rig->synced, 1);
}

static void a_failed_sync_of_marks_is_not_told_as_done(void **state)
{
	struct rig *rig = *state;
	size_t writes;

	rig_recover(rig);
	rig_mark_and_tell(rig, &rig->found[0]);
	while (rig->synced == 0)
		rig_turn(rig);
	io_forget();
	io_fail(IO_SYNC, ".done", EIO, 1);
	rig_mark_and_tell(rig, &rig->found[1]);
	while (io_find(0, IO_SYNCED, DONE) == io_count())
		rig_turn(rig);
	rig_settle(rig);
	assert_int_equal(rig->synced, 1);
	/* what the kernel has given up is written again, then synced */
	writes = io_tally(IO_WRITE, DONE);
	assert_int_equal(writes, 1);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig->synced == 1)
		rig_turn(rig);
	assert_int_equal(io_tally(IO_WRITE, DONE), 2);
	assert_int_equal(io_tally(IO_SYNCED, DONE), 1);
	rig_kill_relay(rig);
	assert_int_equal(rig_count_after_start(rig), RECORDS - 2);
}

static void a_failed_sync_of_the_directory_is_made_up_for(void **state)
{
	struct rig *rig = *state;
	size_t last;

	rig_recover(rig);
	io_fail(IO_SYNC, "journal", EIO, 2); /* the marks', the directory's */
	rig_mark_and_tell(rig, &rig->found[0]);
	rig_settle(rig);
	assert_int_equal(rig->synced, 0);
	io_forget();
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig->synced == 0)
		rig_turn(rig);
	for (last = io_count() - 1; io_at(last)->kind != IO_SYNCED; last--)
		;
	assert_string_equal(io_at(last)->name, "journal");
	assert_int_equal(io_at(last)->error, 0);
}

/* A segment whose marks are not on disk is not given away. */
static void a_segment_with_unsynced_marks_stays(void **state)
{
	struct rig *rig = *state;
	size_t i;

	rig_recover(rig);
	io_fail(IO_SYNC, ".done", EIO, 2);
	for (i = 0; i < RECORDS; i++)
		rig_mark(rig, &rig->found[i]);
	for (i = 0; i < 2; i++) {
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		rig_settle(rig);
		assert_true(rig_exists(rig, NAME));
	}
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig_exists(rig, NAME))
		rig_turn(rig);
	rig_settle(rig);
	assert_false(rig_exists(rig, DONE));
}

static void put_marks(struct rig *rig, const void *bytes, size_t len)
{
	int fd = openat(
		rig->spool_fd, DONE, O_WRONLY | O_CREAT | O_APPEND, 0600);

	assert_int_equal(write_full(fd, bytes, len), 0);
	close(fd);
}

static void a_marks_torn_tail_is_written_over(void **state)
{
	struct rig *rig = *state;
	uint8_t mark[JOURNAL_MARK_SIZE];
	size_t len;

	journal_mark_write(mark, KEY, 0);
	put_marks(rig, mark, sizeof(mark));
	for (len = 1; len < JOURNAL_MARK_SIZE; len += 7) {
		put_marks(rig, mark, len);
		rig_forget_found(rig);
		rig_recover(rig);
		assert_int_equal(rig->found_count, RECORDS - 1 - len / 7);
		rig_mark(rig, &rig->found[0]);
		rig_kill_relay(rig);
	}
	assert_int_equal(rig_count_after_start(rig), RECORDS - 4);
}

static void what_is_no_mark_under_this_key_marks_nothing(void **state)
{
	uint8_t mark[JOURNAL_MARK_SIZE], zeros[JOURNAL_MARK_SIZE] = {0};
	struct rig *rig = *state;

	journal_mark_write(mark, KEY + 1, 0); /* of another use of the file */
	put_marks(rig, mark, sizeof(mark));
	put_marks(rig, zeros, sizeof(zeros));
	journal_mark_write(mark, KEY, 0);
	mark[9] ^= 1;
	put_marks(rig, mark, sizeof(mark));
	journal_mark_write(mark, KEY, 8); /* no record there */
	put_marks(rig, mark, sizeof(mark));
	assert_int_equal(rig_count_after_start(rig), RECORDS);
	journal_mark_write(mark, KEY, 0);
	put_marks(rig, mark, sizeof(mark));
	put_marks(rig, mark, sizeof(mark)); /* twice is once */
	assert_int_equal(rig_count_after_start(rig), RECORDS - 1);
}

static void marks_without_their_segment_are_removed_in_time(void **state)
{
	struct rig *rig = *state;
	uint8_t mark[JOURNAL_MARK_SIZE];
	int fd;

	fd = openat(rig->journal_fd, "0000000000000003.done",
		O_WRONLY | O_CREAT, 0600);
	journal_mark_write(mark, KEY, 0);
	assert_int_equal(write_full(fd, mark, sizeof(mark)), 0);
	close(fd);
	rig_start_relay(rig);
	rig_settle(rig);
	assert_true(rig_exists(rig, "journal/0000000000000003.done"));
	rig_tell_receiver_gone(rig);
	while (rig->recovered == 0)
		rig_turn(rig);
	assert_false(rig_exists(rig, "journal/0000000000000003.done"));
	assert_int_equal(rig->found_count, RECORDS);
}

/* It cannot be removed nor used again, and is done with before the rest of the
 * journal is read: without its marks all of it would be mail once more. */
static void a_segment_that_cannot_go_keeps_its_marks(void **state)
{
	enum { MORE = 2000 };
	struct rig *rig = *state;
	uint64_t at = 0, id;
	size_t i;
	int fd;

	rig_recover(rig);
	for (i = 0; i < RECORDS; i++)
		rig_mark(rig, &rig->found[i]);
	rig_kill_relay(rig);
	fd = rig_make_segment(rig, 8, KEY + 1);
	for (id = 1; id <= MORE; id++)
		at = rig_put_record(fd, KEY + 1, at, RECORDS + id, 4000);
	close(fd);
	io_fail(IO_UNLINK, NAME, EIO, 100);
	io_fail(IO_RENAME, "journal/", EIO, 100);
	for (i = 0; i < 3; i++)
		assert_int_equal(rig_count_after_start(rig), MORE);
	assert_true(rig_exists(rig, NAME));
	assert_true(rig_exists(rig, DONE));
}

static void look_at_the_rest(struct rig *rig)
{
	io_advance_ms(JOURNAL_SPARSE_MS);
	rig_settle(rig);
}

/* What is left of an old segment had better go to queue/. */
static void a_segment_with_under_a_quarter_undone_is_told(void **state)
{
	struct rig *rig = *state;
	size_t i;
	int fd;

	fd = rig_make_segment(rig, 8, KEY);
	rig_put_record(fd, KEY, 0, 100, 100);
	close(fd);
	rig_recover(rig);
	for (i = 0; i < RECORDS * 3 / 4; i++)
		rig_mark(rig, &rig->found[i]);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	rig_settle(rig);
	look_at_the_rest(rig);
	look_at_the_rest(rig);
	assert_null(rig->sparse);
	rig_mark(rig, &rig->found[i]);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	rig_settle(rig);
	look_at_the_rest(rig);
	look_at_the_rest(rig);
	assert_ptr_equal(rig->sparse, rig->found[0].place.segment);
	/* once */
	rig->sparse = NULL;
	look_at_the_rest(rig);
	look_at_the_rest(rig);
	assert_null(rig->sparse);
	/* a new relay finds out as well */
	rig_kill_relay(rig);
	rig_recover(rig);
	rig_settle(rig);
	look_at_the_rest(rig);
	look_at_the_rest(rig);
	assert_non_null(rig->sparse);
	assert_int_equal(rig->found_count, RECORDS / 4);
}

/* It is not worth a file that leaves a moment later. */
static void what_is_being_delivered_stays_in_the_journal(void **state)
{
	struct rig *rig = *state;
	size_t i;
	int fd;

	fd = rig_make_segment(rig, 8, KEY);
	rig_put_record(fd, KEY, 0, 100, 100);
	close(fd);
	rig_recover(rig);
	for (i = 0; i < RECORDS; i++) {
		rig_mark(rig, &rig->found[i]);
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		rig_settle(rig);
		look_at_the_rest(rig);
		assert_null(rig->sparse);
	}
}

static void an_end_leaves_nothing_behind_in_memory(void **state)
{
	struct rig *rig = *state;

	rig_recover(rig);
	io_fail(IO_CREATE, ".done", EIO, 2);
	rig_mark_and_tell(rig, &rig->found[0]);
	rig_mark_and_tell(rig, &rig->found[1]);
	rig_mark_and_tell(rig, &rig->found[2]);
	io_hold(".done");
	rig_settle(rig);
	rig_mark_and_tell(rig, &rig->found[3]);
	io_fail(IO_SYNC, ".done", EIO, 1);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_mark_is_written_at_once_and_synced_within_a_second),
		RULE(a_body_goes_after_its_mark_is_synced),
		RULE(a_killed_process_repeats_nothing_that_was_marked),
		RULE(a_mark_that_cannot_be_written_is_tried_again),
		RULE(a_late_mark_holds_up_no_other),
		RULE(a_failed_sync_of_marks_is_not_told_as_done),
		RULE(a_failed_sync_of_the_directory_is_made_up_for),
		RULE(a_segment_with_unsynced_marks_stays),
		RULE(a_marks_torn_tail_is_written_over),
		RULE(what_is_no_mark_under_this_key_marks_nothing),
		RULE(marks_without_their_segment_are_removed_in_time),
		RULE(a_segment_that_cannot_go_keeps_its_marks),
		RULE(a_segment_with_under_a_quarter_undone_is_told),
		RULE(what_is_being_delivered_stays_in_the_journal),
		RULE(an_end_leaves_nothing_behind_in_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
