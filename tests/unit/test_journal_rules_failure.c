/*
 * test_journal_rules_failure.c - the receiver's half: writes and syncs that
 *                                fail, segments and bodies that do not come.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* The i-th write to a segment's file since io_forget(). */
static const struct io_op *journal_write_at(size_t number)
{
	size_t i = 0, at;

	for (at = io_find(0, IO_WRITE, "journal/"); at < io_count();
		at = io_find(at + 1, IO_WRITE, "journal/"))
		if (strstr(io_at(at)->name, ".done") == NULL && i++ == number)
			return io_at(at);
	fail_msg("no write number %zu", number);
	return NULL;
}

static void a_failed_or_short_write_does_not_advance(void **state)
{
	struct rig *rig = *state;
	struct post *first, *failed, *next;
	struct found *found;
	uint64_t where;

	first = rig_must_end(rig, 3000, DRAFT_DURABLE);
	io_fail(IO_WRITE, "journal/", EIO, 1);
	failed = rig_must_end(rig, 20000, DRAFT_IO_ERROR);
	where = journal_write_at(1)->offset;
	next = rig_must_end(rig, 100, DRAFT_DURABLE);
	/* between them its key was wiped */
	assert_int_equal(journal_write_at(2)->length, 8);
	assert_int_equal(journal_write_at(3)->offset, where);
	rig_settle(rig);
	rig_must_find(rig, first);
	found = rig_must_find(rig, next);
	assert_int_equal(found->place.offset, where);
	assert_null(rig_find(rig, failed));
}

static void a_failed_write_leaves_no_record_behind(void **state)
{
	struct rig *rig = *state;
	struct post *failed;

	rig_must_end(rig, 100, DRAFT_DURABLE);
	/* the record is there, the zeros behind it fail */
	io_fail(IO_WRITE, "journal/", EIO, 1);
	failed = rig_must_end(rig, 1000, DRAFT_IO_ERROR);
	rig_kill_receiver(rig);
	rig_tell_receiver_gone(rig);
	rig_settle(rig);
	assert_int_equal(rig->found_count, 1);
	(void)failed;
}

static bool key_is_wiped(const struct rig *rig, const struct io_op *op)
{
	static const char zeros[8];
	char bytes[8];
	int fd = openat(rig->spool_fd, op->name, O_RDONLY);

	assert_true(fd >= 0);
	assert_int_equal(pread_full(fd, bytes, 8, (off_t)op->offset), 8);
	close(fd);
	return memcmp(bytes, zeros, 8) == 0;
}

static void a_failed_sync_answers_451_wipes_the_key_and_leaves_the_segment(
	void **state)
{
	struct rig *rig = *state;
	struct post *good, *bad, *late, *next;
	struct io_op bad_op, late_op, good_op;
	size_t i, failed_at;

	good = rig_must_end(rig, 3000, DRAFT_DURABLE);
	good_op = *journal_write_at(0);
	io_hold("journal/");
	io_fail(IO_SYNC, "journal/", EIO, 1);
	bad = rig_post(rig, 5000);
	rig_settle(rig);
	late = rig_post(rig, 6000);
	rig_settle(rig);
	bad_op = *journal_write_at(1);
	late_op = *journal_write_at(2);
	failed_at = io_count();
	io_hold(NULL);
	rig_wait(bad);
	rig_wait(late);
	assert_int_equal(bad->result, DRAFT_IO_ERROR);
	assert_int_equal(late->result, DRAFT_IO_ERROR);
	assert_true(key_is_wiped(rig, &bad_op));
	assert_true(key_is_wiped(rig, &late_op));
	assert_false(key_is_wiped(rig, &good_op));
	next = rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_settle(rig);
	for (i = failed_at + 1; i < io_count(); i++) {
		if (io_at(i)->file != bad_op.file)
			continue;
		assert_int_equal(io_at(i)->kind, IO_WRITE);
		assert_int_equal(io_at(i)->length, 8);
	}
	/* read to its end: nothing but what was acknowledged */
	rig_must_find(rig, next);
	assert_null(rig_find(rig, bad));
	assert_null(rig_find(rig, late));
	rig_mark(rig, rig_must_find(rig, good));
	assert_true(rig_exists(rig, bad_op.name));
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig_exists(rig, bad_op.name))
		rig_turn(rig);
	rig_settle(rig);
	/* deleted, not used again */
	assert_int_equal(io_tally(IO_RENAME, "journal/"), 0);
}

static void a_failed_body_sync_is_that_messages_alone(void **state)
{
	struct rig *rig = *state;
	struct post *bad, *good, *small;

	io_hold("large/");
	bad = rig_post(rig, 100000);
	good = rig_post(rig, 200000);
	rig_settle(rig);
	io_fail(IO_SYNC, "large/", EIO, 1);
	small = rig_must_end(rig, 10, DRAFT_DURABLE);
	io_hold(NULL);
	rig_wait(bad);
	rig_wait(good);
	assert_int_equal(bad->result, DRAFT_IO_ERROR);
	assert_int_equal(good->result, DRAFT_DURABLE);
	rig_settle(rig);
	assert_null(rig_find(rig, bad));
	rig_must_find(rig, good);
	rig_must_find(rig, small);
	assert_int_equal(journal_write_at(0)->file, journal_write_at(1)->file);
}

static void a_failed_body_write_is_that_messages_alone(void **state)
{
	struct rig *rig = *state;
	struct post *bad, *full;

	io_fail(IO_WRITE, "large/", EIO, 1);
	bad = rig_post(rig, 100000);
	rig_wait(bad);
	assert_int_equal(bad->result, DRAFT_IO_ERROR);
	io_fail(IO_WRITE, "large/", ENOSPC, 1);
	full = rig_begin_post(rig, 100000);
	rig_wait(full);
	assert_int_equal(full->result, DRAFT_NO_ROOM);
	rig_must_end(rig, 100000, DRAFT_DURABLE);
	rig_settle(rig);
	assert_int_equal(
		rig_count_files(rig, "large", ""), LINK_BODIES_READY + 1);
}

static void a_session_without_segment_for_5_seconds_gets_no_room(void **state)
{
	struct rig *rig = *state;
	struct post *p, *large;

	rig_kill_receiver(rig);
	rig_start_receiver(rig);
	p = rig_post(rig, 1000);
	large = rig_begin_post(rig, 100000);
	assert_true(large->waits);
	io_advance_ms(JOURNAL_WAIT_MS - 500);
	rig_settle(rig);
	assert_false(p->done || large->done);
	io_advance_ms(500);
	rig_settle(rig);
	assert_true(p->done && large->done);
	assert_int_equal(p->result, DRAFT_NO_ROOM);
	assert_int_equal(large->result, DRAFT_NO_ROOM);
	assert_false(journal_busy(rig->journal));
}

/* One segment and no more. */
static void hand_one_segment(struct rig *rig)
{
	const struct link_handover h = {
		LINK_SEGMENT, 1, 2, open("/dev/null", O_WRONLY | O_CLOEXEC)};
	int ends[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0, ends),
		0);
	journal_set_link(rig->journal, ends[0]);
	assert_int_equal(link_send_handover(ends[1], &h, NULL), 1);
	close(h.fd);
	rig_settle(rig);
	close(ends[1]);
}

static void the_wait_for_a_segment_is_not_begun_anew(void **state)
{
	struct rig *rig = *state;
	struct post *p = NULL;
	size_t size;

	rig_kill_receiver(rig);
	rig_start_receiver(rig);
	for (size = 0; size <= JOURNAL_SEGMENT_SIZE; size += 60000)
		p = rig_post(rig, 60000);
	io_advance_ms(JOURNAL_WAIT_MS / 2);
	hand_one_segment(rig);
	/* full before its turn came */
	assert_false(p->done);
	io_advance_ms(JOURNAL_WAIT_MS / 2);
	rig_settle(rig);
	assert_true(p->done);
	assert_int_equal(p->result, DRAFT_NO_ROOM);
	assert_int_not_equal(TAILQ_FIRST(&rig->posts)->result, DRAFT_NO_ROOM);
}

static void a_session_that_waits_goes_on_when_a_segment_comes(void **state)
{
	struct rig *rig = *state;
	struct post *posts[10], *large;
	size_t i;

	rig_kill_receiver(rig);
	rig_tell_receiver_gone(rig);
	rig_start_receiver(rig);
	for (i = 0; i < COUNT_OF(posts); i++)
		posts[i] = rig_post(rig, 1000 * i);
	large = rig_post(rig, 70000);
	assert_true(large->waits);
	rig_settle(rig);
	rig_connect(rig);
	for (i = 0; i < COUNT_OF(posts); i++)
		rig_wait(posts[i]);
	rig_wait(large);
	assert_int_equal(large->result, DRAFT_DURABLE);
	rig_settle(rig);
	for (i = 0; i < COUNT_OF(posts); i++)
		rig_must_find(rig, posts[i]);
	rig_must_find(rig, large);
}

static void a_body_that_could_not_be_opened_is_made_up_for(void **state)
{
	struct rig *rig = *state;

	io_fail(IO_OPEN, "large/", EMFILE, 1);
	assert_false(rig_begin_post(rig, 100000)->waits);
	rig_settle(rig);
	/* for a while, and not before something else happens */
	io_advance_ms(JOURNAL_WAIT_MS);
	rig_settle(rig);
	assert_int_equal(rig->reader->empty_bodies, LINK_BODIES_READY);
	assert_int_equal(
		rig_count_files(rig, "large", ""), LINK_BODIES_READY + 1);
}

/* Those in stock, ahead of need. */
static void remove_stock(struct rig *rig)
{
	const struct journal_segment *s;
	char name[JOURNAL_NAME_SIZE];
	size_t count = 0;

	TAILQ_FOREACH(s, &rig->reader->segments, link) {
		if (s->state != SEGMENT_STOCK)
			continue;
		journal_segment_name(name, s->number, s->key);
		assert_int_equal(unlinkat(rig->journal_fd, name, 0), 0);
		count++;
	}
	assert_true(count > 0);
}

static void a_segment_that_somebody_removed_is_made_up_for(void **state)
{
	struct rig *rig = *state;
	struct post *p = NULL;
	size_t i;

	remove_stock(rig);
	for (i = 0; i < 3 * (JOURNAL_SEGMENT_SIZE / 60000); i++) {
		p = rig_post(rig, 60000);
		if (i % 50 == 0)
			rig_settle(rig);
	}
	rig_wait(p);
	assert_int_equal(p->result, DRAFT_DURABLE);
	rig_settle(rig);
	rig_must_find(rig, p);
}

#define RULE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, rig_setup_started, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_failed_or_short_write_does_not_advance),
		RULE(a_failed_write_leaves_no_record_behind),
		RULE(a_failed_sync_answers_451_wipes_the_key_and_leaves_the_segment),
		RULE(a_failed_body_sync_is_that_messages_alone),
		RULE(a_failed_body_write_is_that_messages_alone),
		RULE(a_session_without_segment_for_5_seconds_gets_no_room),
		RULE(the_wait_for_a_segment_is_not_begun_anew),
		RULE(a_session_that_waits_goes_on_when_a_segment_comes),
		RULE(a_body_that_could_not_be_opened_is_made_up_for),
		RULE(a_segment_that_somebody_removed_is_made_up_for),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
