/*
 * test_journal_rules_commit.c - the receiver's half: what an acknowledgement
 *                               means, and what is written when.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/util.h"
#include "spool/envelope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void an_acknowledgement_comes_after_the_sync_that_covers_it(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	size_t wrote, began, ended;

	io_hold("journal/");
	p = rig_post(rig, 1000);
	rig_settle(rig);
	assert_false(p->done);
	assert_int_equal(io_held(), 1);
	io_hold(NULL);
	rig_wait(p);
	assert_int_equal(p->result, DRAFT_DURABLE);
	wrote = io_find(0, IO_WRITE, "journal/");
	began = io_find(wrote, IO_SYNC, "journal/");
	ended = io_find(began, IO_SYNCED, "journal/");
	assert_true(ended < io_count());
	assert_int_equal(io_at(began)->file, io_at(wrote)->file);
	assert_int_equal(io_at(ended)->file, io_at(wrote)->file);
	assert_int_equal(io_find(0, IO_SYNC, "journal/"), began);
}

static void one_sync_acknowledges_all_written_before_it_began(void **state)
{
	struct rig *rig = *state;
	struct post *first, *later[20];
	size_t i;

	io_hold("journal/");
	first = rig_post(rig, 1000);
	rig_settle(rig);
	for (i = 0; i < COUNT_OF(later); i++)
		later[i] = rig_post(rig, 100 * i);
	rig_settle(rig);
	io_let_go(1);
	rig_wait(first);
	rig_settle(rig);
	/* written while the first sync ran: not its to cover */
	for (i = 0; i < COUNT_OF(later); i++)
		assert_false(later[i]->done);
	io_let_go(1);
	for (i = 0; i < COUNT_OF(later); i++)
		rig_wait(later[i]);
	for (i = 0; i < COUNT_OF(later); i++)
		assert_int_equal(later[i]->result, DRAFT_DURABLE);
	rig_settle(rig);
	assert_int_equal(io_tally(IO_SYNC, "journal/"), 2);
}

static void the_loop_never_syncs_and_goes_on_while_a_sync_is_slow(void **state)
{
	struct rig *rig = *state;
	struct post *slow, *other;
	size_t i, writes;

	io_hold("");
	slow = rig_post(rig, 1000);
	rig_settle(rig);
	writes = io_tally(IO_WRITE, "");
	other = rig_post(rig, 2000);
	rig_begin_post(rig, 200000);
	rig_settle(rig);
	assert_true(io_tally(IO_WRITE, "large/") > 0);
	assert_true(io_tally(IO_WRITE, "") > writes + 1);
	assert_false(slow->done || other->done);
	io_hold(NULL);
	rig_wait(other);
	rig_mark_and_tell(rig, rig_must_find(rig, slow));
	while (rig->synced == 0)
		rig_turn(rig);
	for (i = io_find(0, IO_SYNC, ""); i < io_count();
		i = io_find(i + 1, IO_SYNC, ""))
		assert_false(io_at(i)->by_loop);
}

/* What was acknowledged when: so many octets of the segment in use. */
struct progress {
	size_t op; /* io_count() at the time */
	uint64_t durable;
};

static size_t note_progress(
	struct rig *rig, struct progress *progress, size_t count)
{
	const struct segment *s;
	uint64_t durable = 0;

	TAILQ_FOREACH(s, &rig->journal->segments, link)
		if (s->use == LINK_IN_USE)
			durable = s->durable;
	progress[count] = (struct progress){io_count(), durable};
	return count + 1;
}

/* Records of all sizes, with syncs that begin and end whenever. */
static size_t write_many(
	struct rig *rig, size_t count, struct progress *progress)
{
	struct post *p;
	size_t i, n = 0;

	for (i = 0; i < count; i++) {
		p = rig_post(rig, io_random(9000));
		if (io_random(3) == 0) {
			io_hold("journal/");
			rig_turn(rig);
		} else if (io_random(6) == 0) {
			io_hold(NULL);
			rig_wait(p);
		}
		n = note_progress(rig, progress, n);
	}
	io_hold(NULL);
	rig_wait(TAILQ_LAST(&rig->posts, post_list));
	rig_settle(rig);
	return n;
}

enum { MANY = 300 };

static void no_acknowledged_block_is_written_again(void **state)
{
	struct progress progress[MANY];
	struct rig *rig = *state;
	uint64_t durable = 0, end = 0;
	size_t i, next = 0, steps, again = 0;
	const struct io_op *op;

	io_seed(7);
	steps = write_many(rig, MANY, progress);
	for (i = io_find(0, IO_WRITE, "journal/"); i < io_count();
		i = io_find(i + 1, IO_WRITE, "journal/")) {
		op = io_at(i);
		while (next < steps && progress[next].op <= i)
			durable = progress[next++].durable;
		assert_true(op->offset >= journal_block_up(durable));
		again += op->offset < end;
		end = op->offset + op->length;
	}
	assert_true(durable > 0);
	/* the last block is, as long as nobody relies on it */
	assert_true(again > 10);
	assert_true(io_tally(IO_SYNC, "journal/") > 10);
}

static void whole_blocks_are_written_and_no_block_is_read(void **state)
{
	struct progress progress[60];
	struct rig *rig = *state;
	size_t i, writes = 0;

	io_seed(8);
	io_fail(IO_READ, "journal/", EIO, 1);
	rig_kill_relay(rig);
	write_many(rig, 60, progress);
	for (i = io_find(0, IO_WRITE, "journal/"); i < io_count();
		i = io_find(i + 1, IO_WRITE, "journal/")) {
		assert_int_equal(io_at(i)->offset % JOURNAL_BLOCK, 0);
		assert_int_equal(io_at(i)->length % JOURNAL_BLOCK, 0);
		assert_false(io_at(i)->by_reader);
		writes++;
	}
	assert_int_equal(writes, 60);
}

static void up_to_64_kib_a_message_is_one_record(void **state)
{
	struct rig *rig = *state;
	struct post *small, *large;

	small = rig_must_end(rig, 65536, DRAFT_DURABLE);
	rig_settle(rig);
	assert_int_equal(io_tally(IO_WRITE, "large/"), 0);
	assert_int_equal(io_tally(IO_WRITE, "journal/"), 1);
	assert_true(rig_must_find(rig, small)->body == 0);
	large = rig_must_end(rig, 65537, DRAFT_DURABLE);
	rig_settle(rig);
	assert_true(rig_must_find(rig, large)->body != 0);
}

static void a_large_body_is_synced_before_its_record_is_written(void **state)
{
	struct rig *rig = *state;
	size_t written, synced, record, last = 0, i;
	struct post *p;

	io_hold("large/");
	p = rig_post(rig, 300000);
	rig_settle(rig);
	assert_int_equal(io_tally(IO_WRITE, "journal/"), 0);
	io_hold(NULL);
	rig_wait(p);
	assert_int_equal(p->result, DRAFT_DURABLE);
	written = io_find(0, IO_WRITE, "large/");
	synced = io_find(written, IO_SYNCED, "large/");
	record = io_find(0, IO_WRITE, "journal/");
	for (i = written; i < io_count();
		i = io_find(i + 1, IO_WRITE, "large/"))
		last = i;
	assert_true(last < io_find(written, IO_SYNC, "large/"));
	assert_true(synced < record);
	assert_true(record < io_find(record, IO_SYNCED, "journal/"));
	rig_settle(rig);
	rig_must_find(rig, p);
}

/* Its name too: a record never names what is not durable. */
static void a_body_is_handed_out_when_its_name_is_synced(void **state)
{
	struct rig *rig = *state;
	size_t created, named;
	struct post *p;

	io_hold("large");
	p = rig_begin_post(rig, 100000);
	rig_begin_post(rig, 100000);
	rig_begin_post(rig, 100000);
	rig_settle(rig);
	created = io_find(0, IO_CREATE, "large/");
	named = io_find(0, IO_SYNC, "large");
	assert_true(created < named && named < io_count());
	assert_int_equal(io_held(), 1);
	assert_true(TAILQ_EMPTY(&rig->journal->wanting_bodies) == false);
	io_hold(NULL);
	while (!TAILQ_EMPTY(&rig->journal->wanting_bodies))
		rig_turn(rig);
	(void)p;
}

static void a_client_that_leaves_costs_one_file(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	size_t ready;

	rig_settle(rig);
	ready = rig_count_files(rig, "large", "");
	assert_int_equal(ready, LINK_BODIES_READY);
	p = rig_begin_post(rig, 200000);
	rig_settle(rig);
	assert_int_equal(rig_count_files(rig, "large", ""), ready + 1);
	rig_leave(p);
	rig_settle(rig);
	/* a body without a record is deleted */
	assert_int_equal(rig_count_files(rig, "large", ""), ready);
	assert_int_equal(io_tally(IO_WRITE, "journal/"), 0);
}

static void a_message_left_behind_by_its_client_is_still_finished(void **state)
{
	struct rig *rig = *state;
	struct post *small, *large;

	io_hold("");
	small = rig_post(rig, 1000);
	large = rig_post(rig, 100000);
	rig_settle(rig);
	rig_leave(small);
	rig_leave(large);
	assert_true(journal_busy(rig->journal));
	io_hold(NULL);
	while (journal_busy(rig->journal))
		rig_turn(rig);
	rig_settle(rig);
	assert_int_equal(rig->found_count, 2);
}

/* Freed with commits of sessions that are gone in every stage. */
static void an_end_waits_for_syncs_under_way(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	int i;

	io_hold("");
	for (i = 0; i < 3; i++) {
		p = rig_post(rig, 1000);
		rig_settle(rig);
		rig_leave(p);
		p = rig_post(rig, 100000);
		rig_settle(rig);
		rig_leave(p);
	}
	io_hold(NULL);
	journal_free(&rig->journal);
	rig_start_receiver(rig);
	p = rig_post(rig, 1000);
	rig_leave(p); /* one that waits for a segment */
}

static void a_full_segment_is_left_for_the_next(void **state)
{
	struct rig *rig = *state;
	struct post *p;
	unsigned i, count = JOURNAL_SEGMENT_SIZE / 60000 + 20;

	for (i = 0; i < count; i++) {
		p = rig_post(rig, 60000);
		if (i % 16 == 0)
			rig_wait(p);
	}
	rig_wait(TAILQ_LAST(&rig->posts, post_list));
	TAILQ_FOREACH(p, &rig->posts, link)
		assert_int_equal(p->result, DRAFT_DURABLE);
	rig_settle(rig);
	assert_int_equal(rig->found_count, count);
	TAILQ_FOREACH(p, &rig->posts, link)
		rig_must_find(rig, p);
	assert_ptr_not_equal(rig->found[0].place.segment,
		rig->found[count - 1].place.segment);
}

/* Its envelope alone makes it so. */
static void what_fits_no_record_gets_no_room(void **state)
{
	const struct draft_callbacks nobody = {NULL, NULL, NULL};
	struct envelope *env = envelope_new();
	char address[1000];
	struct rig *rig = *state;
	struct draft *d = draft_new(rig->journal, &nobody);
	int i;

	memset(address, 'a', sizeof(address) - 1);
	address[sizeof(address) - 1] = '\0';
	for (i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++)
		assert_int_equal(envelope_add_rcpt(env, address), 0);
	assert_int_equal(draft_add(d, "x", 1), 0);
	draft_commit(d, env);
	assert_int_equal(d->result, DRAFT_NO_ROOM);
	draft_free(&d);
	envelope_free(&env);
	rig_settle(rig);
	assert_false(journal_busy(rig->journal));
	rig_must_end(rig, 1000, DRAFT_DURABLE);
}

#define RULE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, rig_setup_started, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(an_acknowledgement_comes_after_the_sync_that_covers_it),
		RULE(one_sync_acknowledges_all_written_before_it_began),
		RULE(the_loop_never_syncs_and_goes_on_while_a_sync_is_slow),
		RULE(no_acknowledged_block_is_written_again),
		RULE(whole_blocks_are_written_and_no_block_is_read),
		RULE(up_to_64_kib_a_message_is_one_record),
		RULE(a_large_body_is_synced_before_its_record_is_written),
		RULE(a_body_is_handed_out_when_its_name_is_synced),
		RULE(a_client_that_leaves_costs_one_file),
		RULE(a_message_left_behind_by_its_client_is_still_finished),
		RULE(an_end_waits_for_syncs_under_way),
		RULE(a_full_segment_is_left_for_the_next),
		RULE(what_fits_no_record_gets_no_room),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
