/*
 * test_journal_rules_enemy.c - the relay against a receiver that says what it
 *                              likes; and one that says nothing yet.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/channel.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- a receiver played by the test ---------------------------------------- */

struct enemy {
	int fd;
	unsigned segments; /* handed over */
	unsigned bodies;
	struct link_handover last_segment;
	struct link_handover last_body;
};

static void enemy_connect(struct rig *rig, struct enemy *e)
{
	struct err err;
	int fds[2];

	memset(e, 0, sizeof(*e));
	e->last_segment.fd = e->last_body.fd = -1;
	assert_int_equal(channel_pair(fds, &err), 0);
	e->fd = fds[0];
	journal_reader_set_link(rig->reader, fds[1]);
}

static void enemy_receive(struct enemy *e)
{
	struct link_handover h, *last;

	while (link_receive_handover(e->fd, &h, NULL) == 1) {
		if (h.kind == LINK_UPSTREAM)
			continue;
		last = h.kind == LINK_SEGMENT ? &e->last_segment
					      : &e->last_body;
		*(h.kind == LINK_SEGMENT ? &e->segments : &e->bodies) += 1;
		if (last->fd >= 0)
			close(last->fd);
		*last = h;
	}
}

static void enemy_close(struct enemy *e)
{
	enemy_receive(e);
	if (e->last_segment.fd >= 0)
		close(e->last_segment.fd);
	if (e->last_body.fd >= 0)
		close(e->last_body.fd);
	close(e->fd);
}

/* Says what the test says, plainly: received hand-overs, one segment. */
static void enemy_say(struct rig *rig, struct enemy *e, uint64_t received,
	const struct link_segment *segment)
{
	static struct link_statement statement;

	statement.received = received;
	statement.segment_count = segment != NULL;
	statement.body_count = 0;
	if (segment != NULL)
		statement.segments[0] = *segment;
	assert_int_equal(link_send_statement(e->fd, &statement, NULL), 1);
	rig_settle(rig);
}

static void a_new_relay_touches_nothing_before_the_first_statement(void **state)
{
	struct rig *rig = *state;
	size_t i, segments, bodies;
	struct enemy e;

	rig_start(rig);
	rig_must_end(rig, 1000, DRAFT_DURABLE);
	rig_begin_post(rig, 100000);
	rig_settle(rig);
	segments = rig_count_files(rig, "journal", "");
	bodies = rig_count_files(rig, "large", "");
	rig_kill_relay(rig);
	io_forget();
	rig_start_relay(rig);
	enemy_connect(rig, &e);
	journal_reader_sweep_bodies(rig->reader);
	journal_reader_tell_size(rig->reader, 1000000, 0);
	rig_settle(rig);
	io_advance_ms(10000);
	rig_settle(rig);
	assert_int_equal(rig_count_files(rig, "journal", ""), segments);
	assert_int_equal(rig_count_files(rig, "large", ""), bodies);
	for (i = 0; i < io_count(); i++)
		assert_true(io_at(i)->kind == IO_SYNC ||
			    io_at(i)->kind == IO_SYNCED);
	enemy_receive(&e);
	assert_int_equal(e.segments + e.bodies, 0);
	assert_int_equal(rig->recovered, 0);
	assert_int_equal(rig->found_count, 0);
	/* then all of it */
	enemy_say(rig, &e, 0, NULL);
	assert_int_equal(rig->recovered, 1);
	assert_int_equal(rig->found_count, 1);
	assert_true(rig_count_files(rig, "large", "") < bodies);
	enemy_close(&e);
}

/* A relay that talks to the test alone, and has handed out what it does. */
static void start_enemy(struct rig *rig, struct enemy *e)
{
	rig_start_relay(rig);
	enemy_connect(rig, e);
	enemy_say(rig, e, 0, NULL);
	enemy_receive(e);
	assert_int_equal(e->segments, LINK_SEGMENTS_READY);
	assert_int_equal(e->bodies, LINK_BODIES_READY);
}

static void what_is_in_flight_is_the_receivers(void **state)
{
	struct rig *rig = *state;
	struct enemy e;
	size_t segments, bodies;

	start_enemy(rig, &e);
	segments = rig_count_files(rig, "journal", "");
	bodies = rig_count_files(rig, "large", "");
	/* it lists nothing, but has not received anything either */
	enemy_say(rig, &e, 0, NULL);
	enemy_say(rig, &e, 0, NULL);
	assert_int_equal(rig_count_files(rig, "journal", ""), segments);
	assert_int_equal(rig_count_files(rig, "large", ""), bodies);
	enemy_receive(&e);
	/* nor does it get more meanwhile */
	assert_int_equal(e.segments, LINK_SEGMENTS_READY);
	assert_int_equal(e.bodies, LINK_BODIES_READY);
	/* received and not listed: it has let go of it */
	io_forget();
	enemy_say(rig, &e, e.segments + e.bodies, NULL);
	assert_int_equal(io_tally(IO_UNLINK, "journal/"), LINK_SEGMENTS_READY);
	assert_int_equal(io_tally(IO_UNLINK, "large/"), LINK_BODIES_READY);
	enemy_close(&e);
}

static void an_end_beyond_the_file_or_inside_a_record_is_survived(void **state)
{
	static const uint64_t ends[] = {
		1, 13, 41, 500, JOURNAL_SEGMENT_SIZE + 1, UINT64_MAX, 0};
	struct rig *rig = *state;
	struct link_segment s = {0, 0, LINK_IN_USE};
	uint64_t at = 0, received;
	struct enemy e;
	size_t i;

	start_enemy(rig, &e);
	received = e.segments + e.bodies;
	s.number = e.last_segment.number;
	for (i = 0; i < 3; i++)
		at = rig_put_record(
			e.last_segment.fd, e.last_segment.key, at, i + 1, 1000);
	for (i = 0; i < COUNT_OF(ends); i++) {
		s.end = ends[i];
		enemy_say(rig, &e, received, &s);
	}
	/* none is lost, whatever the end was inside of */
	assert_int_equal(rig->found_count, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(rig_read(rig, &rig->found[i], NULL), 0);
	enemy_close(&e);
}

/* A relay that begins anew cannot know which of the segments it finds are the
 * receiver's: it may claim all. Those of an older receiver hold mail that was
 * acknowledged; they may be kept back for a while, and nothing is overlooked.
 */
static void a_claimed_end_hides_no_mail_of_an_older_receiver(void **state)
{
	static const uint64_t ends[] = {8, 16, 40, 48, 1000, 1200, 1208};
	struct rig *rig = *state;
	struct link_segment s = {7, 0, LINK_IN_USE};
	uint64_t at = 0;
	struct enemy e;
	size_t i;
	int fd = rig_make_segment(rig, 7, 70);

	for (i = 0; i < 3; i++)
		at = rig_put_record(fd, 70, at, i + 1, 1000);
	close(fd);
	rig_start_relay(rig);
	enemy_connect(rig, &e);
	for (i = 0; i < COUNT_OF(ends); i++) {
		s.end = ends[i];
		enemy_say(rig, &e, 0, &s);
	}
	enemy_say(rig, &e, 0, NULL);
	assert_int_equal(rig->found_count, 3);
	for (i = 0; i < 3; i++)
		assert_int_equal(rig->found[i].id, i + 1);
	enemy_close(&e);
}

static void what_was_never_handed_out_is_not_believed(void **state)
{
	struct rig *rig = *state;
	struct link_segment s = {0, JOURNAL_SEGMENT_SIZE, LINK_FINISHED};
	const struct journal_segment *stock;
	struct enemy e;

	start_enemy(rig, &e);
	TAILQ_FOREACH(stock, &rig->reader->segments, link)
		if (stock->state == SEGMENT_STOCK)
			break;
	assert_non_null(stock);
	s.number = stock->number;
	enemy_say(rig, &e, 0, &s);
	assert_int_equal(stock->state, SEGMENT_STOCK);
	assert_false(stock->finished);
	s.number = 0xdeadbeef;
	enemy_say(rig, &e, 0, &s);
	assert_int_equal(rig->found_count, 0);
	enemy_close(&e);
}

/* A dead receiver's, as it lay there at the start, is not taken over by saying
 * that it is finished. */
static void more_than_was_sent_was_not_received(void **state)
{
	struct rig *rig = *state;
	size_t segments;
	struct enemy e;

	start_enemy(rig, &e);
	segments = rig_count_files(rig, "journal", "");
	enemy_say(rig, &e, UINT64_MAX, NULL);
	/* the link is closed, what was handed out stays out */
	assert_int_equal(rig->reader->link_fd, -1);
	assert_int_equal(rig_count_files(rig, "journal", ""), segments);
	/* until the parent says that it is dead */
	rig_tell_receiver_gone(rig);
	rig_settle(rig);
	assert_true(rig_count_files(rig, "journal", "") < segments);
	enemy_close(&e);
}

static void a_bad_message_closes_the_link_and_changes_nothing(void **state)
{
	struct rig *rig = *state;
	uint64_t words[64] = {0};
	struct enemy e;
	size_t segments, i;

	rig_start_relay(rig);
	for (i = 0; i < 6; i++) {
		enemy_connect(rig, &e);
		enemy_say(rig, &e, 0, NULL);
		enemy_receive(&e);
		segments = rig_count_files(rig, "journal", "");
		memset(words, 0, sizeof(words));
		words[0] = e.segments + e.bodies;
		switch (i) {
		case 0: /* too short */
			assert_int_equal(send(e.fd, words, 8, 0), 8);
			break;
		case 1: /* too many segments */
			words[1] = LINK_SEGMENTS_MAX + 1;
			assert_int_equal(
				send(e.fd, words, 16 + 5 * 24, 0), 16 + 5 * 24);
			break;
		case 2: /* fewer than announced */
			words[1] = 2;
			assert_int_equal(send(e.fd, words, 40, 0), 40);
			break;
		case 3: /* too many bodies */
			words[1] = (uint64_t)(LINK_BODIES_MAX + 1) << 32;
			assert_int_equal(send(e.fd, words, 64, 0), 64);
			break;
		case 4: /* a use there is not, behind a good statement */
			assert_int_equal(send(e.fd, words, 16, 0), 16);
			words[1] = 1;
			assert_int_equal(send(e.fd, words, 40, 0), 40);
			break;
		default: /* trailing octets */
			assert_int_equal(send(e.fd, words, 24, 0), 24);
			break;
		}
		rig_settle(rig);
		assert_int_equal(rig->reader->link_fd, -1);
		if (i != 4)
			assert_int_equal(
				rig_count_files(rig, "journal", ""), segments);
		rig_tell_receiver_gone(rig);
		rig_settle(rig);
		enemy_close(&e);
	}
}

static size_t open_files(void)
{
	size_t count = 0;
	int fd;

	for (fd = 0; fd < 1024; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void no_descriptors_are_accepted_from_the_receiver(void **state)
{
	struct rig *rig = *state;
	struct link_handover h = {LINK_SEGMENT, 1, 2, 0};
	struct enemy e;
	size_t before;

	start_enemy(rig, &e);
	before = open_files();
	assert_int_equal(link_send_handover(e.fd, &h, NULL), 1);
	rig_settle(rig);
	assert_true(open_files() <= before);
	enemy_close(&e);
}

/* It lets go of everything at once, again and again. */
static void a_wasteful_receiver_does_not_fill_the_disk(void **state)
{
	struct rig *rig = *state;
	struct enemy e;
	int i;

	start_enemy(rig, &e);
	for (i = 0; i < 30; i++) {
		enemy_say(rig, &e, e.segments + e.bodies, NULL);
		enemy_receive(&e);
		assert_true(rig_count_files(rig, "journal", "") <= 8);
		assert_true(rig_count_files(rig, "large", "") <= 8);
	}
	enemy_close(&e);
}

/* Heads that promise much, one after the other: to check them all would take
 * days. */
static void heads_that_lie_do_not_hold_up_the_relay(void **state)
{
	static char lies[JOURNAL_SEGMENT_SIZE];
	struct rig *rig = *state;
	struct link_segment s = {0, JOURNAL_SEGMENT_SIZE, LINK_IN_USE};
	struct enemy e;
	uint32_t length;
	uint64_t at;

	start_enemy(rig, &e);
	s.number = e.last_segment.number;
	for (at = 0; at + JOURNAL_HEAD_SIZE <= sizeof(lies); at += 40) {
		memcpy(lies + at, &e.last_segment.key, 8);
		memcpy(lies + at + 8, &at, 8);
		length = JOURNAL_RECORD_MAX;
		memcpy(lies + at + 16, &length, 4);
		memset(lies + at + 20, 0, 4);
		memset(lies + at + 24, 1, 16);
	}
	assert_int_equal(
		pwrite_full(e.last_segment.fd, lies, sizeof(lies), 0), 0);
	enemy_say(rig, &e, e.segments + e.bodies, &s);
	assert_int_equal(rig->found_count, 0);
	enemy_close(&e);
}

#define RULE(name)                                                             \
	cmocka_unit_test_setup_teardown(name, rig_setup, rig_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_new_relay_touches_nothing_before_the_first_statement),
		RULE(what_is_in_flight_is_the_receivers),
		RULE(an_end_beyond_the_file_or_inside_a_record_is_survived),
		RULE(a_claimed_end_hides_no_mail_of_an_older_receiver),
		RULE(what_was_never_handed_out_is_not_believed),
		RULE(more_than_was_sent_was_not_received),
		RULE(a_bad_message_closes_the_link_and_changes_nothing),
		RULE(no_descriptors_are_accepted_from_the_receiver),
		RULE(a_wasteful_receiver_does_not_fill_the_disk),
		RULE(heads_that_lie_do_not_hold_up_the_relay),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
