/*
 * journal_write.c - the receiver's half of the journal: segments, syncs, link.
 *
 * Every record goes to the segment in use with one write. One thread syncs;
 * the loop submits at most one sync a segment at a time, at the end of a turn,
 * so each sync acknowledges whatever was written before it. Behind a sync the
 * next record begins a new block: no acknowledged block is ever written again.
 */
#include "config.h"

#include "spool/journal_write.h"

#include "base/loop.h"
#include "base/util.h"
#include "spool/journal_write_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* A scratch buffer that grew beyond this is given back after the write. */
#define SCRATCH_KEEP (256 * 1024)

void journal_settle_soon(struct journal *j)
{
	event_active(j->settle, 0, 0);
}

void journal_state_soon(struct journal *j)
{
	j->statement_due = true;
	journal_settle_soon(j);
}

static void segment_free(struct journal *j, struct segment *s)
{
	TAILQ_REMOVE(&j->segments, s, link);
	if (s->fd >= 0)
		close(s->fd);
	free(s);
}

/* What was answered with an error is no mail: nobody is to find it. A failure
 * here costs a message that may come twice. */
static void wipe_key(const struct segment *s, uint64_t offset)
{
	static const char no_key[sizeof(s->key)];

	(void)!pwrite(s->fd, no_key, sizeof(no_key), (off_t)offset);
}

/* A sync failed: what it was to cover may never be acknowledged. Takes the key
 * off those records, so that nobody takes them for mail, and lets go of the
 * segment: it is never written or synced again. */
static void segment_fail(struct journal *j, struct segment *s, int error)
{
	struct draft *d;

	while ((d = TAILQ_FIRST(&s->waiting)) != NULL) {
		TAILQ_REMOVE(&s->waiting, d, link);
		wipe_key(s, d->offset);
		draft_fail(d, error);
	}
	segment_free(j, s);
	journal_state_soon(j);
}

static struct segment *segment_of(struct worker_job *job)
{
	return (struct segment *)((char *)job - offsetof(struct segment, job));
}

static void run_sync(struct worker_job *job)
{
	struct segment *s = segment_of(job);

	s->sync_errno = fdatasync(s->fd) == 0 ? 0 : errno;
}

static void on_synced(struct worker_job *job)
{
	struct segment *s = segment_of(job);
	struct journal *j = s->journal;
	struct draft *d;

	s->syncing = false;
	if (s->sync_errno != 0) {
		segment_fail(j, s, s->sync_errno);
		return;
	}
	s->durable = s->sync_target;
	while ((d = TAILQ_FIRST(&s->waiting)) != NULL && d->end <= s->durable) {
		TAILQ_REMOVE(&s->waiting, d, link);
		draft_finish(d, DRAFT_DURABLE);
	}
	journal_state_soon(j);
}

static void segment_sync(struct segment *s)
{
	s->syncing = true;
	s->sync_began = true;
	s->sync_target = s->written;
	s->job.run = run_sync;
	s->job.done = on_synced;
	worker_submit(s->journal->committer, &s->job);
}

/* Where the next record of a segment would begin. */
static void segment_place(
	const struct segment *s, uint64_t *block_out, size_t *used_out)
{
	bool fresh = s->sync_began && s->block_used > 0;

	*block_out = s->block + (fresh ? JOURNAL_BLOCK : 0);
	*used_out = fresh ? 0 : s->block_used;
}

static uint64_t record_length(const struct draft *d)
{
	uint64_t message = d->body == NULL ? d->memory.len : 0;

	return JOURNAL_HEAD_SIZE + d->envelope.len + message;
}

static bool segment_fits(const struct segment *s, uint64_t length)
{
	uint64_t block;
	size_t used;

	segment_place(s, &block, &used);
	return block + journal_block_up(used + journal_padded(length)) <=
	       JOURNAL_SEGMENT_SIZE;
}

/* Puts whole blocks together: what the first one already holds, the record,
 * zeros. Returns their length, 0 without memory. */
static size_t build_write(struct journal *j, const struct segment *s,
	const struct draft *d, size_t used, uint64_t offset)
{
	uint64_t length = record_length(d);
	size_t whole = (size_t)journal_block_up(used + journal_padded(length));
	char *record;

	buf_clear(&j->scratch);
	if (buf_reserve(&j->scratch, whole) == NULL)
		return 0;
	memcpy(j->scratch.data, s->tail, used);
	record = j->scratch.data + used;
	memcpy(record + JOURNAL_HEAD_SIZE, d->envelope.data, d->envelope.len);
	if (d->body == NULL && d->memory.len > 0)
		memcpy(record + JOURNAL_HEAD_SIZE + d->envelope.len,
			d->memory.data, d->memory.len);
	memset(record + length, 0, whole - used - (size_t)length);
	journal_head_write(record, s->key, offset, (uint32_t)length, d->id);
	return whole;
}

/* Returns 0; -1 when the write failed: then nothing has advanced. */
static int segment_write(struct journal *j, struct segment *s, struct draft *d)
{
	uint64_t length = journal_padded(record_length(d)), block, end;
	size_t used, whole;
	int error;

	segment_place(s, &block, &used);
	d->offset = block + used;
	d->end = d->offset + length;
	whole = build_write(j, s, d, used, d->offset);
	error = whole == 0 ? ENOMEM : 0;
	if (whole > 0 &&
		pwrite_full(s->fd, j->scratch.data, whole, (off_t)block) != 0)
		error = errno;
	if (error == 0) {
		end = used + length;
		s->block = block + end / JOURNAL_BLOCK * JOURNAL_BLOCK;
		s->block_used = end % JOURNAL_BLOCK;
		memcpy(s->tail, j->scratch.data + (end - s->block_used),
			s->block_used);
		s->sync_began = false;
		s->written = d->end;
		s->use = LINK_IN_USE;
	} else if (whole > 0) {
		wipe_key(s, d->offset);
	}
	if (j->scratch.cap > SCRATCH_KEEP)
		buf_free(&j->scratch);
	return error;
}

/* The segment takes no more records. */
static void segment_retire(struct journal *j, struct segment *s)
{
	s->use = s->durable == s->written ? LINK_FINISHED : LINK_WAITING;
	journal_state_soon(j);
}

/* The segment for the next record: the one in use if it has room, else a
 * spare. NULL: none is there. */
static struct segment *segment_for(struct journal *j, uint64_t length)
{
	struct segment *s, *spare = NULL;

	TAILQ_FOREACH(s, &j->segments, link) {
		if (s->use == LINK_IN_USE && segment_fits(s, length))
			return s;
		if (s->use == LINK_IN_USE)
			segment_retire(j, s);
		if (s->use == LINK_SPARE && spare == NULL)
			spare = s;
	}
	return spare;
}

void journal_arm_waits(struct journal *j)
{
	struct draft *body = TAILQ_FIRST(&j->wanting_bodies);
	struct draft *segment = TAILQ_FIRST(&j->wanting_segments);
	int64_t left = INT64_MAX, now = clock_boot_ms();

	if (body != NULL)
		left = body->deadline - now;
	if (segment != NULL && segment->deadline - now < left)
		left = segment->deadline - now;
	if (left == INT64_MAX) {
		event_del(j->waits);
		return;
	}
	loop_after(j->waits, left);
}

void journal_append(struct journal *j, struct draft *d)
{
	struct segment *s;
	int error;

	if (record_length(d) > JOURNAL_RECORD_MAX) {
		draft_finish(d, DRAFT_NO_ROOM);
		return;
	}
	s = segment_for(j, record_length(d));
	if (s == NULL) {
		if (d->state != DRAFT_WANTS_SEGMENT)
			d->deadline = clock_boot_ms() + JOURNAL_WAIT_MS;
		d->state = DRAFT_WANTS_SEGMENT;
		TAILQ_INSERT_TAIL(&j->wanting_segments, d, link);
		journal_arm_waits(j);
		return;
	}
	error = segment_write(j, s, d);
	if (error != 0) {
		draft_fail(d, error);
		return;
	}
	d->state = DRAFT_WRITTEN;
	TAILQ_INSERT_TAIL(&s->waiting, d, link);
	journal_settle_soon(j);
}

static void serve_segments(struct journal *j)
{
	struct draft_list wanting;
	struct draft *d;

	TAILQ_INIT(&wanting);
	TAILQ_CONCAT(&wanting, &j->wanting_segments, link);
	while ((d = TAILQ_FIRST(&wanting)) != NULL) {
		TAILQ_REMOVE(&wanting, d, link);
		journal_append(j, d);
	}
	journal_arm_waits(j);
}

static void expire(struct draft_list *list)
{
	int64_t now = clock_boot_ms();
	struct draft *d;

	while ((d = TAILQ_FIRST(list)) != NULL && d->deadline <= now) {
		TAILQ_REMOVE(list, d, link);
		draft_finish(d, DRAFT_NO_ROOM);
	}
}

static void on_waits(evutil_socket_t fd, short what, void *arg)
{
	struct journal *j = arg;

	(void)fd;
	(void)what;
	expire(&j->wanting_bodies);
	expire(&j->wanting_segments);
	journal_arm_waits(j);
}

static void link_close(struct journal *j)
{
	if (j->link_fd < 0)
		return;
	event_free(j->link_read);
	event_free(j->link_write);
	close(j->link_fd);
	j->link_read = j->link_write = NULL;
	j->link_fd = -1;
}

static void on_lost(evutil_socket_t fd, short what, void *arg)
{
	struct journal *j = arg;

	(void)fd;
	(void)what;
	if (j->on_lost != NULL)
		j->on_lost(j->lost_arg);
}

/* The link is no more, for a reason that is still to be told. */
static void link_lost(struct journal *j)
{
	link_close(j);
	loop_after(j->lost, JOURNAL_LOST_MS);
}

/* A statement with these was sent: nobody needs them any more. */
static void drop_finished_segments(struct journal *j)
{
	struct segment *s, *next;

	for (s = TAILQ_FIRST(&j->segments); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->use == LINK_FINISHED) {
			segment_free(j, s);
			j->statement_due = true;
		}
	}
}

static void send_statement(struct journal *j)
{
	struct link_statement *say = &j->statement;
	struct segment *s;
	struct body *b;
	int rc;

	say->received = j->received;
	say->segment_count = 0;
	say->body_count = 0;
	TAILQ_FOREACH(s, &j->segments, link)
		say->segments[say->segment_count++] =
			(struct link_segment){s->number, s->durable, s->use};
	TAILQ_FOREACH(b, &j->bodies, link)
		say->bodies[say->body_count++] =
			(struct link_body){b->name, b->empty};
	rc = link_send_statement(j->link_fd, say, NULL);
	if (rc == 0)
		loop_watch(j->link_write);
	if (rc < 0)
		link_lost(j);
	if (rc <= 0)
		return;
	j->statement_due = false;
	drop_finished_segments(j);
}

static void on_link_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	journal_settle_soon(arg);
}

/* Once a turn: submit syncs, tell results, say what is held. */
static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct journal *j = arg;
	struct segment *s;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(s, &j->segments, link) {
		if (s->syncing)
			continue;
		if (s->written > s->durable)
			segment_sync(s);
		else if (s->use == LINK_WAITING)
			segment_retire(j, s);
	}
	draft_tell_finished(j);
	while (j->statement_due && j->link_fd >= 0 &&
		!event_pending(j->link_write, EV_WRITE, NULL))
		send_statement(j);
}

static size_t held_count(const struct journal *j, enum link_handover_kind kind)
{
	const struct segment *s;
	const struct body *b;
	size_t count = 0;

	if (kind == LINK_SEGMENT)
		TAILQ_FOREACH(s, &j->segments, link)
			count++;
	else
		TAILQ_FOREACH(b, &j->bodies, link)
			count++;
	return count;
}

static void take_segment(struct journal *j, const struct link_handover *h)
{
	struct segment *s = calloc(1, sizeof(*s));

	if (s == NULL || held_count(j, LINK_SEGMENT) >= LINK_SEGMENTS_MAX) {
		free(s);
		close(h->fd);
		return;
	}
	s->journal = j;
	s->number = h->number;
	s->key = h->key;
	s->fd = h->fd;
	s->use = LINK_SPARE;
	TAILQ_INIT(&s->waiting);
	TAILQ_INSERT_TAIL(&j->segments, s, link);
	serve_segments(j);
}

static void take_body(struct journal *j, const struct link_handover *h)
{
	struct body *b = calloc(1, sizeof(*b));

	if (b == NULL || held_count(j, LINK_BODY) >= LINK_BODIES_MAX) {
		free(b);
		close(h->fd);
		return;
	}
	b->name = h->number;
	b->fd = h->fd;
	b->empty = true;
	TAILQ_INSERT_TAIL(&j->bodies, b, link);
	draft_serve_bodies(j);
}

static void on_link_readable(evutil_socket_t fd, short what, void *arg)
{
	struct journal *j = arg;
	struct link_handover h;
	int rc;

	(void)what;
	while ((rc = link_receive_handover(fd, &h, NULL)) > 0) {
		if (h.kind == LINK_UPSTREAM) {
			j->upstream_size = h.number;
			continue;
		}
		j->received++;
		if (h.kind == LINK_SEGMENT)
			take_segment(j, &h);
		else
			take_body(j, &h);
		journal_state_soon(j);
	}
	if (rc < 0)
		link_lost(j);
}

void journal_peer_gone(struct journal *j)
{
	link_close(j);
	evtimer_del(j->lost);
}

void journal_watch_link(struct journal *j, void (*fn)(void *arg), void *arg)
{
	j->on_lost = fn;
	j->lost_arg = arg;
}

void journal_set_link(struct journal *j, int link_fd)
{
	journal_peer_gone(j);
	j->link_fd = link_fd;
	j->received = 0;
	j->link_read = event_new(
		j->base, link_fd, EV_READ | EV_PERSIST, on_link_readable, j);
	j->link_write =
		event_new(j->base, link_fd, EV_WRITE, on_link_writable, j);
	if (j->link_read == NULL || j->link_write == NULL)
		abort();
	loop_watch(j->link_read);
	journal_state_soon(j);
}

uint64_t journal_upstream_size(const struct journal *j)
{
	return j->upstream_size;
}

bool journal_busy(const struct journal *j)
{
	return j->drafts > 0;
}

struct journal *journal_new(struct event_base *base, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->base = base;
	j->link_fd = -1;
	TAILQ_INIT(&j->segments);
	TAILQ_INIT(&j->bodies);
	TAILQ_INIT(&j->wanting_bodies);
	TAILQ_INIT(&j->wanting_segments);
	TAILQ_INIT(&j->finished);
	buf_init(&j->scratch, JOURNAL_RECORD_MAX + 2 * JOURNAL_BLOCK);
	j->settle = event_new(base, -1, 0, on_settle, j);
	j->waits = evtimer_new(base, on_waits, j);
	j->lost = evtimer_new(base, on_lost, j);
	if (j->settle == NULL || j->waits == NULL || j->lost == NULL)
		abort();
	j->committer = worker_new(base, "committer", err);
	if (j->committer != NULL)
		j->body_syncer = worker_new(base, "body-syncer", err);
	if (j->body_syncer == NULL)
		journal_free(&j);
	return j;
}

void journal_free(struct journal **jp)
{
	struct journal *j = *jp;
	struct segment *s;
	struct body *b;

	*jp = NULL;
	if (j == NULL)
		return;
	worker_free(&j->body_syncer);
	worker_free(&j->committer);
	link_close(j);
	while ((s = TAILQ_FIRST(&j->segments)) != NULL) {
		draft_drop_all(&s->waiting);
		segment_free(j, s);
	}
	draft_drop_all(&j->wanting_bodies);
	draft_drop_all(&j->wanting_segments);
	draft_drop_all(&j->finished);
	while ((b = TAILQ_FIRST(&j->bodies)) != NULL) {
		TAILQ_REMOVE(&j->bodies, b, link);
		close(b->fd);
		free(b);
	}
	event_free(j->settle);
	event_free(j->waits);
	event_free(j->lost);
	buf_free(&j->scratch);
	free(j);
}
