/*
 * test_journal_rules_link.c - whose a segment or body is: hand-overs and
 *                             statements, deaths of either half.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/channel.h"
#include "base/util.h"
#include "spool/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static void a_hand_over_is_write_only_and_the_relay_keeps_no_copy(void **state)
{
	struct rig *rig = *state;
	struct segment *s;
	struct body *b;
	size_t i;

	rig_start(rig);
	TAILQ_FOREACH(s, &rig->journal->segments, link)
		assert_int_equal(fcntl(s->fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	TAILQ_FOREACH(b, &rig->journal->bodies, link)
		assert_int_equal(fcntl(b->fd, F_GETFL) & O_ACCMODE, O_WRONLY);
	io_forget();
	rig_wait(rig_post(rig, 1000));
	rig_wait(rig_post(rig, 100000));
	rig_settle(rig);
	/* nothing is written or synced through a descriptor of the relay's */
	for (i = 0; i < io_count(); i++)
		if (io_at(i)->kind == IO_WRITE || io_at(i)->kind == IO_SYNC)
			assert_true(!io_at(i)->by_reader ||
				    strcmp(io_at(i)->name, "large") == 0);
}

static void the_receiver_has_one_in_use_and_a_spare_and_two_bodies(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	int i;

	rig_start(rig);
	assert_int_equal(rig->reader->spare, LINK_SEGMENTS_READY);
	assert_int_equal(rig->reader->empty_bodies, LINK_BODIES_READY);
	/* a stock of one, ready to follow */
	assert_int_equal(rig_count_files(rig, "journal", ""), 3);
	/* this stops the thread that syncs, whatever the segment */
	io_hold("journal/0000000000000001");
	for (i = 0; i < 1500; i++) {
		p = rig_post(rig, 60000);
		if (i % 50 == 0)
			rig_settle(rig);
	}
	rig_settle(rig);
	/* all full of what waits for a sync; no fifth one */
	assert_int_equal(
		rig->reader->statement.segment_count, LINK_SEGMENTS_MAX);
	assert_true(p->draft->state == DRAFT_WANTS_SEGMENT);
	io_hold(NULL);
	rig_wait(p);
	assert_int_equal(p->result, DRAFT_DURABLE);
}

static void a_new_segment_is_full_of_zeros_and_synced_with_its_name(
	void **state)
{
	struct rig *rig = *state;
	size_t created, i, octets = 0, named;
	char data[4096], zeros[4096];
	uint64_t at;
	int fd;

	memset(zeros, 0, sizeof(zeros));
	rig_start_receiver(rig);
	rig_start_relay(rig);
	io_hold("journal");
	rig_connect(rig);
	rig_settle(rig);
	created = io_find(0, IO_CREATE, "journal/");
	assert_true(created < io_count());
	for (i = created; i < io_count(); i = io_find(i + 1, IO_WRITE, ""))
		octets += io_at(i)->length;
	assert_int_equal(octets, JOURNAL_SEGMENT_SIZE);
	assert_true(TAILQ_EMPTY(&rig->journal->segments));
	io_let_go(1);
	rig_settle(rig);
	named = io_find(created, IO_SYNC, "journal");
	assert_string_equal(io_at(named)->name, io_at(created)->name);
	named = io_find(named + 2, IO_SYNC, "journal");
	assert_string_equal(io_at(named)->name, "journal");
	assert_true(TAILQ_EMPTY(&rig->journal->segments));
	io_let_go(1);
	rig_settle(rig);
	assert_false(TAILQ_EMPTY(&rig->journal->segments));
	fd = openat(rig->spool_fd, io_at(created)->name, O_RDONLY);
	for (at = 0; at < JOURNAL_SEGMENT_SIZE; at += sizeof(data)) {
		assert_int_equal(
			pread_full(fd, data, sizeof(data), (off_t)at), 4096);
		assert_memory_equal(data, zeros, sizeof(data));
	}
	close(fd);
	io_hold(NULL);
}

static void the_relay_reads_only_to_the_stated_end(void **state)
{
	struct rig *rig = *state;
	struct post *durable, *air;

	rig_start(rig);
	durable = rig_must_end(rig, 1000, DRAFT_DURABLE);
	io_hold("journal/");
	air = rig_post(rig, 1000);
	rig_settle(rig);
	rig_must_find(rig, durable);
	assert_null(rig_find(rig, air));
	/* a new relay neither */
	rig_kill_relay(rig);
	io_hold("journal/");
	air = rig_post(rig, 2000);
	rig_start_relay(rig);
	rig_connect(rig);
	while (rig->recovered == 0)
		rig_turn(rig);
	rig_must_find(rig, durable);
	assert_null(rig_find(rig, air));
	io_hold(NULL);
	rig_wait(air);
	rig_settle(rig);
	rig_must_find(rig, air);
}

static void a_surviving_receiver_keeps_its_segments_over_a_new_relay(
	void **state)
{
	struct rig *rig = *state;
	struct post *before, *without, *after, *large, *waiting;
	uint64_t number;

	rig_start(rig);
	before = rig_must_end(rig, 1000, DRAFT_DURABLE);
	large = rig_begin_post(rig, 100000);
	number = TAILQ_FIRST(&rig->journal->segments)->number;
	rig_kill_relay(rig);
	/* what it has serves it on */
	without = rig_must_end(rig, 2000, DRAFT_DURABLE);
	waiting = rig_post(rig, 70000);
	rig_start_relay(rig);
	rig_connect(rig);
	rig_settle(rig);
	after = rig_must_end(rig, 3000, DRAFT_DURABLE);
	assert_int_equal(TAILQ_FIRST(&rig->journal->segments)->number, number);
	rig_wait(waiting);
	rig_settle(rig);
	journal_reader_sweep_bodies(rig->reader);
	rig_settle(rig);
	rig_must_find(rig, before);
	rig_must_find(rig, without);
	rig_must_find(rig, after);
	rig_must_find(rig, waiting);
	/* the body that is being filled is still there */
	rig_finish(large);
	rig_wait(large);
	assert_int_equal(large->result, DRAFT_DURABLE);
	rig_settle(rig);
	rig_must_find(rig, large);
}

static void a_dead_receivers_segments_are_read_to_the_end_and_never_reused(
	void **state)
{
	struct rig *rig = *state;
	struct post *told, *untold;
	uint64_t id, number;
	size_t i;

	rig_start(rig);
	told = rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_settle(rig);
	/* acknowledged, but the statement never comes */
	io_hold("journal/");
	untold = rig_post(rig, 2000);
	id = untold->id;
	rig_settle(rig);
	rig_must_find(rig, told);
	number = rig->found[0].place.segment->number;
	rig_kill_receiver(rig);
	assert_int_equal(rig->found_count, 1);
	rig_tell_receiver_gone(rig);
	rig_settle(rig);
	assert_int_equal(rig->found_count, 2);
	assert_true(rig->found[1].id == id);
	assert_int_equal(rig->found[1].place.segment->number, number);
	io_forget();
	rig_start_receiver(rig);
	rig_connect(rig);
	rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_settle(rig);
	for (i = 0; i < 2; i++)
		rig_mark(rig, &rig->found[i]);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (io_tally(IO_UNLINK, "journal/0000000000000001.") < 2)
		rig_turn(rig); /* segment and marks */
	rig_settle(rig);
	assert_int_equal(io_tally(IO_RENAME, "journal/"), 0);
}

/* Fills segments until so many have been left, marking all that is found. */
static void fill_segments(struct rig *rig, unsigned count)
{
	struct post *p;
	unsigned i;
	size_t n;

	for (i = 0; i < count * (JOURNAL_SEGMENT_SIZE / 61500 + 1); i++) {
		p = rig_post(rig, 60000);
		if (i % 20 != 0)
			continue;
		rig_wait(p);
		rig_settle(rig);
		for (n = 0; n < rig->found_count; n++)
			if (!rig->found[n].marked)
				rig_mark(rig, &rig->found[n]);
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		rig_settle(rig);
		rig_forget_found(rig);
	}
}

static void finished_segments_are_used_again_under_a_new_number_and_key(
	void **state)
{
	struct rig *rig = *state;
	size_t renamed, synced, removed, i, reused = 0, made = 0;
	uint64_t number, key, made_number, made_key;

	rig_start(rig);
	fill_segments(rig, 5);
	renamed = io_find(0, IO_RENAME, "journal/");
	assert_true(renamed < io_count());
	assert_int_equal(journal_segment_name_parse(
				 io_at(renamed)->name + 8, &number, &key),
		0);
	assert_true(number > 2);
	synced = io_find(renamed, IO_SYNCED, "journal");
	while (strcmp(io_at(synced)->name, "journal") != 0)
		synced = io_find(synced + 1, IO_SYNCED, "journal");
	removed = io_find(renamed, IO_UNLINK, "journal/");
	assert_true(synced < removed && removed < io_count());
	assert_non_null(strstr(io_at(removed)->name, ".done"));
	/* it is written to under its new name */
	i = io_find(renamed, IO_WRITE, io_at(renamed)->name);
	assert_true(i < io_count());
	for (i = io_find(0, IO_CREATE, "journal/"); i < io_count();
		i = io_find(i + 1, IO_CREATE, "journal/"))
		if (journal_segment_name_parse(
			    io_at(i)->name + 8, &made_number, &made_key) == 0) {
			assert_true(made_number != number && made_key != key);
			made++;
		}
	for (i = renamed; i < io_count();
		i = io_find(i + 1, IO_RENAME, "journal/"))
		reused++;
	/* in the end none is made any more */
	assert_true(reused >= 3);
	assert_true(made <= 4);
}

static void two_free_segments_are_kept_the_rest_deleted(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	unsigned i;
	size_t n;

	rig_start(rig);
	for (i = 0; i < 8 * (JOURNAL_SEGMENT_SIZE / 61500); i++) {
		p = rig_post(rig, 60000);
		if (i % 20 == 0)
			rig_wait(p);
	}
	rig_wait(p);
	rig_settle(rig);
	assert_true(rig_count_files(rig, "journal", "") >= 8);
	for (n = 0; n < rig->found_count; n++)
		rig_mark(rig, &rig->found[n]);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig_count_files(rig, "journal", "") > 5)
		rig_turn(rig);
	rig_settle(rig);
	/* in use, spare, two in stock; and the marks of the one in use */
	assert_int_equal(rig_count_files(rig, "journal", ".done"), 1);
	assert_int_equal(rig_count_files(rig, "journal", ""), 5);
}

static void a_segment_is_free_when_every_record_has_a_synced_mark(void **state)
{
	char name[JOURNAL_NAME_SIZE + 8] = "journal/";
	struct rig *rig = *state;
	size_t i;

	rig_start(rig);
	for (i = 0; i < 3; i++)
		rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_settle(rig);
	journal_segment_name(name + 8, rig->found[0].place.segment->number,
		rig->found[0].place.segment->key);
	rig_mark(rig, &rig->found[0]);
	rig_mark(rig, &rig->found[2]);
	rig_kill_receiver(rig);
	rig_tell_receiver_gone(rig);
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	rig_settle(rig);
	assert_true(rig_exists(rig, name));
	/* the last one is written, not yet synced */
	rig_mark(rig, &rig->found[1]);
	rig_settle(rig);
	assert_true(rig_exists(rig, name));
	io_hold(".done");
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (io_held() == 0)
		rig_turn(rig);
	rig_settle(rig);
	assert_true(rig_exists(rig, name));
	io_hold(NULL);
	while (rig_exists(rig, name))
		rig_turn(rig);
}

/* The same when it was marked before it was left. */
static void a_segment_left_with_unsynced_marks_waits_for_them(void **state)
{
	char name[JOURNAL_NAME_SIZE + 8] = "journal/";
	struct rig *rig = *state;

	rig_start(rig);
	rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_settle(rig);
	journal_segment_name(name + 8, rig->found[0].place.segment->number,
		rig->found[0].place.segment->key);
	rig_mark(rig, &rig->found[0]);
	rig_kill_receiver(rig);
	rig_tell_receiver_gone(rig);
	rig_settle(rig);
	assert_true(rig_exists(rig, name));
	io_advance_ms(JOURNAL_MARK_SYNC_MS);
	while (rig_exists(rig, name))
		rig_turn(rig);
}

static void room_is_kept_for_the_queue(void **state)
{
	struct rig *rig = *state;
	struct post *p, *large;

	io_set_room(JOURNAL_RESERVE + JOURNAL_SEGMENT_SIZE - 1);
	rig_start(rig);
	assert_true(TAILQ_EMPTY(&rig->journal->segments));
	assert_int_equal(rig_count_files(rig, "journal", ""), 0);
	p = rig_post(rig, 1000);
	io_advance_ms(JOURNAL_WAIT_MS);
	rig_wait(p);
	assert_int_equal(p->result, DRAFT_NO_ROOM);
	io_set_room(JOURNAL_RESERVE + JOURNAL_SEGMENT_SIZE +
		    LINK_BODIES_READY * RIG_BODY_SIZE_MAX);
	io_advance_ms(10000);
	rig_must_end(rig, 1000, DRAFT_DURABLE);
	/* the two that are out may grow to their full size */
	io_set_room(JOURNAL_RESERVE + 3 * RIG_BODY_SIZE_MAX - 1);
	large = rig_begin_post(rig, 100000);
	rig_settle(rig);
	assert_false(large->waits);
	assert_int_equal(rig_count_files(rig, "large", ""), 2);
	io_set_room(JOURNAL_RESERVE + 3 * RIG_BODY_SIZE_MAX);
	io_advance_ms(10000);
	while (rig_count_files(rig, "large", "") < 3)
		rig_turn(rig);
}

/* Those a former relay gave out can still grow. */
static void bodies_out_count_at_full_size_over_a_new_relay(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	rig_begin_post(rig, 100000);
	rig_settle(rig);
	assert_int_equal(rig_count_files(rig, "large", ""), 3);
	rig_kill_relay(rig);
	rig_start_relay(rig);
	rig_connect(rig);
	rig_settle(rig);
	io_set_room(JOURNAL_RESERVE + 4 * RIG_BODY_SIZE_MAX - 1);
	rig_begin_post(rig, 100000);
	rig_settle(rig);
	assert_int_equal(rig_count_files(rig, "large", ""), 3);
	io_set_room(JOURNAL_RESERVE + 4 * RIG_BODY_SIZE_MAX);
	io_advance_ms(10000);
	while (rig_count_files(rig, "large", "") < 4)
		rig_turn(rig);
}

/* A body's record may not have been read yet when the body is released. */
static void a_released_body_waits_until_its_record_was_read(void **state)
{
	struct rig *rig = *state;
	struct post *posts[400], *large[10];
	size_t i;

	rig_start(rig);
	for (i = 0; i < COUNT_OF(posts); i++)
		posts[i] = rig_post(rig, 9000);
	for (i = 0; i < COUNT_OF(large); i++)
		large[i] = rig_post(rig, 70000);
	for (i = 0; i < COUNT_OF(large); i++)
		rig_wait(large[i]);
	rig_settle(rig);
	for (i = 0; i < COUNT_OF(large); i++)
		rig_must_find(rig, large[i]);
	rig_must_find(rig, posts[0]);
}

static void a_full_socket_loses_nothing(void **state)
{
	const int small = 4608;
	struct rig *rig = *state;
	struct post *p;
	int fds[2], i;
	struct err err;

	rig_start_receiver(rig);
	rig_start_relay(rig);
	assert_int_equal(channel_pair(fds, &err), 0);
	for (i = 0; i < 2; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF,
					 &small, sizeof(small)),
			0);
	journal_set_link(rig->journal, fds[0]);
	rig_settle(rig);
	/* nobody reads at the other end; statements pile up, one a sync */
	for (i = 0; i < 50; i++)
		journal_state_soon(rig->journal), rig_turn(rig);
	assert_true(rig->journal->statement_due);
	/* the last one said is the one that counts */
	journal_reader_set_link(rig->reader, fds[1]);
	rig_settle(rig);
	assert_false(rig->journal->statement_due);
	/* the same for hand-overs */
	for (i = 0; i < 40; i++)
		rig_begin_post(rig, 70000);
	rig_settle(rig);
	p = TAILQ_LAST(&rig->posts, post_list);
	while (p->waits)
		rig_turn(rig);
	rig_must_end(rig, 1000, DRAFT_DURABLE);
}

static void upstreams_size_is_told(void **state)
{
	struct rig *rig = *state;

	rig_start(rig);
	assert_true(journal_upstream_size(rig->journal) == 0);
	journal_reader_tell_size(rig->reader, 35882577, 0);
	while (journal_upstream_size(rig->journal) == 0)
		rig_turn(rig);
	assert_true(journal_upstream_size(rig->journal) == 35882577);
	rig_kill_receiver(rig);
	rig_tell_receiver_gone(rig);
	rig_start_receiver(rig);
	rig_connect(rig);
	while (journal_upstream_size(rig->journal) == 0)
		rig_turn(rig);
	assert_true(journal_upstream_size(rig->journal) == 35882577);
}

static void count_loss(void *arg)
{
	(*(unsigned *)arg)++;
}

/* Turns until the receiver has no link any more, then long after that. */
static void outwait_the_end(struct rig *rig)
{
	while (rig->journal->link_fd >= 0)
		rig_turn(rig);
	io_advance_ms(JOURNAL_LOST_MS);
	rig_settle(rig);
}

/* Whichever side closed it for what was said on it. */
static void a_link_that_ends_while_both_live_is_lost(void **state)
{
	struct rig *rig = *state;
	unsigned lost = 0;

	rig_start(rig);
	journal_watch_link(rig->journal, count_loss, &lost);
	/* the relay has closed its side: it may be dead, wait and see */
	shutdown(rig->reader->link_fd, SHUT_RDWR);
	while (rig->journal->link_fd >= 0)
		rig_turn(rig);
	io_advance_ms(JOURNAL_LOST_MS / 2);
	rig_settle(rig);
	assert_int_equal(lost, 0);
	/* and then another one lives */
	rig_connect(rig);
	io_advance_ms(JOURNAL_LOST_MS);
	rig_settle(rig);
	assert_int_equal(lost, 0);
	/* it is dead: the next one may take its time */
	shutdown(rig->reader->link_fd, SHUT_RDWR);
	while (rig->journal->link_fd >= 0)
		rig_turn(rig);
	journal_peer_gone(rig->journal);
	io_advance_ms(JOURNAL_LOST_MS);
	rig_settle(rig);
	assert_int_equal(lost, 0);
	/* told before the end was seen */
	rig_connect(rig);
	shutdown(rig->reader->link_fd, SHUT_RDWR);
	journal_peer_gone(rig->journal);
	outwait_the_end(rig);
	assert_int_equal(lost, 0);
	/* nobody says why */
	rig_connect(rig);
	shutdown(rig->reader->link_fd, SHUT_RDWR);
	outwait_the_end(rig);
	assert_int_equal(lost, 1);
	/* nobody asks: no harm */
	journal_watch_link(rig->journal, NULL, NULL);
	rig_connect(rig);
	shutdown(rig->reader->link_fd, SHUT_RDWR);
	outwait_the_end(rig);
}

#define RULE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_hand_over_is_write_only_and_the_relay_keeps_no_copy),
		RULE(the_receiver_has_one_in_use_and_a_spare_and_two_bodies),
		RULE(a_new_segment_is_full_of_zeros_and_synced_with_its_name),
		RULE(the_relay_reads_only_to_the_stated_end),
		RULE(a_surviving_receiver_keeps_its_segments_over_a_new_relay),
		RULE(a_dead_receivers_segments_are_read_to_the_end_and_never_reused),
		RULE(finished_segments_are_used_again_under_a_new_number_and_key),
		RULE(two_free_segments_are_kept_the_rest_deleted),
		RULE(a_segment_is_free_when_every_record_has_a_synced_mark),
		RULE(a_segment_left_with_unsynced_marks_waits_for_them),
		RULE(room_is_kept_for_the_queue),
		RULE(bodies_out_count_at_full_size_over_a_new_relay),
		RULE(a_released_body_waits_until_its_record_was_read),
		RULE(a_full_socket_loses_nothing),
		RULE(upstreams_size_is_told),
		RULE(a_link_that_ends_while_both_live_is_lost),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
