/*
 * journal_stock.c - segments and body files: made ahead of need, handed out,
 *                   used again, deleted. All that touches the disk is a job.
 */
#include "config.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "spool/journal_read_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* How soon to look again when there was no room. */
#define ROOM_RETRY_MS 2000
#define FILL_PIECE    (128 * 1024)

struct segment_job {
	struct worker_job job;
	struct journal_reader *reader;
	struct journal_segment *old; /* to be used again or deleted, or NULL */
	uint64_t number;             /* of the new one; 0: none is made */
	uint64_t key;
	uint64_t need; /* octets that must stay free beside it */
	int failed;    /* errno */
};

struct body_job {
	struct worker_job job;
	struct journal_reader *reader;
	uint64_t name;
	bool removal;
	uint64_t need;
	int failed;
};

struct journal_segment *journal_segment_add(
	struct journal_reader *r, uint64_t number, uint64_t key)
{
	struct journal_segment *s = xcalloc(1, sizeof(*s)), *at;

	s->reader = r;
	s->number = number;
	s->key = key;
	s->fd = -1;
	s->done_fd = -1;
	STAILQ_INIT(&s->waiters);
	if (number > r->last_number)
		r->last_number = number;
	TAILQ_FOREACH_REVERSE(at, &r->segments, journal_segment_list, link)
		if (at->number < number)
			break;
	if (at != NULL)
		TAILQ_INSERT_AFTER(&r->segments, at, s, link);
	else
		TAILQ_INSERT_HEAD(&r->segments, s, link);
	return s;
}

void journal_segment_drop(struct journal_segment *s)
{
	struct journal_waiter *w;

	while ((w = STAILQ_FIRST(&s->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&s->waiters, link);
		free(w);
	}
	TAILQ_REMOVE(&s->reader->segments, s, link);
	if (s->fd >= 0)
		close(s->fd);
	if (s->done_fd >= 0)
		close(s->done_fd);
	free(s->old_marks);
	free(s);
}

struct journal_body *journal_body_find(struct journal_reader *r, uint64_t name)
{
	struct journal_body *b;

	TAILQ_FOREACH(b, &r->bodies, link)
		if (b->name == name)
			return b;
	return NULL;
}

/* Bodies the receiver may still fill, at their full size, and the reserve. */
static uint64_t room_for_bodies(
	const struct journal_reader *r, uint64_t body_size)
{
	const struct journal_body *b;
	uint64_t need = JOURNAL_RESERVE;

	TAILQ_FOREACH(b, &r->bodies, link)
		if (!b->named && !b->released)
			need += body_size;
	return need + r->making_bodies * body_size;
}

static uint64_t room_to_keep(const struct journal_reader *r)
{
	return room_for_bodies(r, r->body_size_max);
}

static bool has_room(int fd, uint64_t need)
{
	struct statvfs st;

	if (fstatvfs(fd, &st) != 0)
		return false;
	return (uint64_t)st.f_bavail * st.f_frsize >= need;
}

static void on_room_timer(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;

	(void)fd;
	(void)what;
	r->short_of_room = false;
	journal_stock_supply(r);
}

static void no_room(struct journal_reader *r, int why)
{
	struct log_text text;

	if (!r->told_no_room)
		log_err("spool-full reason=%s advice=\"new mail is refused "
			"with 452 until more than %llu MB are free on the "
			"spool's file system\"",
			log_text(&text, strerror(why)),
			(unsigned long long)(room_to_keep(r) >> 20));
	r->told_no_room = true;
	r->short_of_room = true;
	if (r->room_timer == NULL)
		r->room_timer = evtimer_new(r->base, on_room_timer, r);
	/* Asking again meanwhile does not put it off. */
	if (r->room_timer == NULL || !evtimer_pending(r->room_timer, NULL))
		loop_after(r->room_timer, ROOM_RETRY_MS);
}

static void room_is_there(struct journal_reader *r)
{
	if (r->told_no_room)
		log_info("spool-has-room");
	r->told_no_room = false;
}

/* A new file, full of zeros: its blocks are there, and none of them holds
 * anything of ours. */
static int fill_segment(int dir_fd, const char *name)
{
	static const char zeros[FILL_PIECE];
	size_t done;
	int fd, rc = 0;

	fd = openat(
		dir_fd, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	for (done = 0; done < JOURNAL_SEGMENT_SIZE && rc == 0;
		done += sizeof(zeros))
		rc = write_full(fd, zeros, sizeof(zeros));
	if (rc == 0)
		rc = fsync(fd);
	if (rc != 0) {
		int saved = errno;

		unlinkat(dir_fd, name, 0);
		errno = saved;
	}
	close(fd);
	return rc;
}

static int make_new(struct segment_job *m, const char *name)
{
	int dir_fd = m->reader->journal_fd;

	if (!has_room(dir_fd, m->need + JOURNAL_SEGMENT_SIZE)) {
		errno = ENOSPC;
		return -1;
	}
	return fill_segment(dir_fd, name);
}

static int rename_old(struct segment_job *m, const char *name)
{
	char old[JOURNAL_NAME_SIZE];
	int dir_fd = m->reader->journal_fd;

	journal_segment_name(old, m->old->number, m->old->key);
	return renameat(dir_fd, old, dir_fd, name);
}

static int remove_old(struct segment_job *m)
{
	char old[JOURNAL_NAME_SIZE];

	journal_segment_name(old, m->old->number, m->old->key);
	return unlinkat(m->reader->journal_fd, old, 0);
}

/* The marks go last: without them the records would count again. */
static void remove_marks(struct segment_job *m)
{
	char name[JOURNAL_DONE_NAME_SIZE];

	journal_done_name(name, m->old->number);
	(void)unlinkat(m->reader->journal_fd, name, 0);
}

static void run_segment_job(struct worker_job *job)
{
	struct segment_job *m = (struct segment_job *)job;
	char name[JOURNAL_NAME_SIZE];
	int rc;

	journal_segment_name(name, m->number, m->key);
	if (m->old == NULL)
		rc = make_new(m, name);
	else if (m->number != 0)
		rc = rename_old(m, name);
	else
		rc = remove_old(m);
	if (rc == 0)
		rc = fsync(m->reader->journal_fd);
	m->failed = rc == 0 ? 0 : errno;
	if (rc == 0 && m->old != NULL)
		remove_marks(m);
}

static void on_segment_job(struct worker_job *job)
{
	struct segment_job *m = (struct segment_job *)job;
	struct journal_reader *r = m->reader;
	struct log_text text;

	if (m->number != 0)
		r->making_segments--;
	if (m->failed != 0 && m->old == NULL)
		no_room(r, m->failed);
	else if (m->failed != 0)
		log_err("journal-cleanup-failed reason=%s",
			log_text(&text, strerror(m->failed)));
	if (m->failed == 0 && m->number != 0) {
		journal_segment_add(r, m->number, m->key)->state =
			SEGMENT_STOCK;
		room_is_there(r);
	}
	/* One that could not be removed stays as it is, with its marks, until
	 * the next start finds it. */
	if (m->failed == 0 && m->old != NULL)
		journal_segment_drop(m->old);
	if (m->failed == 0)
		journal_stock_supply(r);
	free(m);
}

static void submit_segment_job(
	struct journal_reader *r, struct journal_segment *old, bool make)
{
	struct segment_job *m = xcalloc(1, sizeof(*m));

	m->reader = r;
	m->old = old;
	if (make) {
		m->number = ++r->last_number;
		m->key = random_u64();
		m->need = room_to_keep(r);
		r->making_segments++;
	}
	m->job.run = run_segment_job;
	m->job.done = on_segment_job;
	worker_submit(r->maker, &m->job);
}

static unsigned stock_count(const struct journal_reader *r)
{
	const struct journal_segment *s;
	unsigned count = 0;

	TAILQ_FOREACH(s, &r->segments, link)
		count += s->state == SEGMENT_STOCK;
	return count;
}

void journal_stock_reclaim(struct journal_segment *s)
{
	struct journal_reader *r = s->reader;

	if (s->state != SEGMENT_LEFT || s->scanned < s->limit ||
		s->undone > 0 || s->unsynced || s->syncing)
		return;
	s->state = SEGMENT_GOING;
	submit_segment_job(r, s,
		s->finished &&
			stock_count(r) + r->making_segments < JOURNAL_STOCK);
}

/* Returns 1 sent, 0 try later, -1 no link. */
static int hand_over(
	struct journal_reader *r, struct link_handover *h, uint64_t *counted)
{
	struct err err;
	int rc;

	if (r->link_fd < 0)
		return -1;
	rc = link_send_handover(r->link_fd, h, &err);
	if (rc == 0)
		loop_watch(r->link_write);
	if (rc > 0 && counted != NULL)
		*counted = ++r->sent;
	return rc;
}

/* Returns 1; 0 when it has to wait; -1 when there is no such file any more. */
static int hand_segment(struct journal_reader *r, struct journal_segment *s)
{
	struct link_handover h = {LINK_SEGMENT, s->number, s->key, -1};
	char name[JOURNAL_NAME_SIZE];
	int rc;

	journal_segment_name(name, s->number, s->key);
	h.fd = openat(r->journal_fd, name, O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (h.fd < 0 && errno == ENOENT)
		return -1;
	if (h.fd < 0) {
		no_room(r, errno);
		return 0;
	}
	rc = hand_over(r, &h, &s->handover);
	close(h.fd);
	if (rc != 1)
		return 0;
	s->state = SEGMENT_OUT;
	return 1;
}

/* Segments handed over that the receiver has not yet counted. */
static unsigned segments_in_flight(const struct journal_reader *r)
{
	const struct journal_segment *s;
	unsigned count = 0;

	TAILQ_FOREACH(s, &r->segments, link)
		count += s->state == SEGMENT_OUT &&
			 s->handover > r->statement.received;
	return count;
}

static unsigned bodies_in_flight(const struct journal_reader *r)
{
	const struct journal_body *b;
	unsigned count = 0;

	TAILQ_FOREACH(b, &r->bodies, link)
		count += b->handover > r->statement.received;
	return count;
}

/* Segments the receiver is short of, and one ahead of need. */
static void fill_stock(struct journal_reader *r, unsigned ready)
{
	unsigned want = 1, stock = stock_count(r) + r->making_segments;

	if (ready < LINK_SEGMENTS_READY)
		want += LINK_SEGMENTS_READY - ready;
	for (; stock < want && !r->short_of_room; stock++)
		submit_segment_job(r, NULL, true);
}

static void supply_segments(struct journal_reader *r)
{
	unsigned flying = segments_in_flight(r);
	unsigned ready = r->spare + flying;
	size_t held = r->statement.segment_count + flying;
	struct journal_segment *s, *next;
	int rc;

	for (s = TAILQ_FIRST(&r->segments); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		if (s->state != SEGMENT_STOCK)
			continue;
		if (ready >= LINK_SEGMENTS_READY || held >= LINK_SEGMENTS_MAX)
			break;
		if (!has_room(r->journal_fd, room_to_keep(r))) {
			no_room(r, ENOSPC);
			return;
		}
		rc = hand_segment(r, s);
		if (rc < 0) {
			/* Somebody removed it; it was empty. */
			journal_segment_drop(s);
			continue;
		}
		if (rc == 0)
			return;
		ready++;
		held++;
	}
	fill_stock(r, ready);
}

static int create_body(struct body_job *m)
{
	int dir_fd = m->reader->large_fd, fd;
	char name[HEX64_SIZE];

	if (!has_room(dir_fd, m->need)) {
		errno = ENOSPC;
		return -1;
	}
	fd = openat(dir_fd, hex64(name, m->name),
		O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	close(fd);
	return fsync(dir_fd);
}

static void run_body_job(struct worker_job *job)
{
	struct body_job *m = (struct body_job *)job;
	char name[HEX64_SIZE];
	int rc;

	if (m->removal)
		rc = unlinkat(m->reader->large_fd, hex64(name, m->name), 0);
	else
		rc = create_body(m);
	m->failed = rc == 0 ? 0 : errno;
}

static void hand_body(struct journal_reader *r, uint64_t name)
{
	struct link_handover h = {LINK_BODY, name, 0, -1};
	struct journal_body *b = xcalloc(1, sizeof(*b));
	char file[HEX64_SIZE];

	b->name = name;
	b->released = true; /* until it is handed over */
	TAILQ_INSERT_TAIL(&r->bodies, b, link);
	h.fd = openat(r->large_fd, hex64(file, name),
		O_WRONLY | O_NOFOLLOW | O_CLOEXEC);
	if (h.fd < 0) {
		no_room(r, errno);
		return;
	}
	if (hand_over(r, &h, &b->handover) == 1)
		b->released = false;
	close(h.fd);
}

static void on_body_job(struct worker_job *job)
{
	struct body_job *m = (struct body_job *)job;
	struct journal_reader *r = m->reader;

	if (!m->removal) {
		r->making_bodies--;
		if (m->failed != 0) {
			no_room(r, m->failed);
		} else {
			room_is_there(r);
			hand_body(r, m->name);
			journal_stock_settle_bodies(r);
		}
	}
	free(m);
}

static void submit_body_job(
	struct journal_reader *r, uint64_t name, bool removal)
{
	struct body_job *m = xcalloc(1, sizeof(*m));

	m->reader = r;
	m->name = name;
	m->removal = removal;
	m->need = room_to_keep(r) + r->body_size_max;
	r->making_bodies += !removal;
	m->job.run = run_body_job;
	m->job.done = on_body_job;
	worker_submit(r->maker, &m->job);
}

static void supply_bodies(struct journal_reader *r)
{
	unsigned ready =
		r->empty_bodies + bodies_in_flight(r) + r->making_bodies;

	for (; ready < LINK_BODIES_READY && !r->short_of_room; ready++)
		submit_body_job(r, random_u64(), false);
}

/* Larger bodies than before: those that are out may grow as well. A smaller
 * size frees nothing, for what is under way keeps the old one. */
static bool may_tell_size(struct journal_reader *r)
{
	if (r->body_size_told <= r->body_size_max)
		return true;
	if (!has_room(r->journal_fd, room_for_bodies(r, r->body_size_told)))
		return false;
	r->body_size_max = r->body_size_told;
	return true;
}

static void supply_size(struct journal_reader *r)
{
	struct link_handover size = {LINK_UPSTREAM, r->upstream_size, 0, -1};

	if (r->size_due && may_tell_size(r) && hand_over(r, &size, NULL) == 1)
		r->size_due = false;
}

void journal_stock_supply(struct journal_reader *r)
{
	if (!r->holdings_known || r->link_fd < 0)
		return;
	supply_size(r);
	supply_segments(r);
	supply_bodies(r);
}

void journal_stock_settle_bodies(struct journal_reader *r)
{
	/* A record that is not read yet may name it. */
	const bool all_known = r->holdings_known && journal_scan_complete(r);
	struct journal_body *b, *next;

	for (b = TAILQ_FIRST(&r->bodies); b != NULL; b = next) {
		next = TAILQ_NEXT(b, link);
		if (!b->released || b->handover > r->statement.received)
			continue;
		if (!b->named && (!all_known || (b->old && !r->may_sweep)))
			continue;
		if (!b->named)
			submit_body_job(r, b->name, true);
		TAILQ_REMOVE(&r->bodies, b, link);
		free(b);
	}
}

bool journal_reader_keep_body(struct journal_reader *r, uint64_t body)
{
	struct journal_body *b = journal_body_find(r, body);

	if (b != NULL)
		b->named = true;
	return b != NULL;
}

void journal_reader_sweep_bodies(struct journal_reader *r)
{
	r->may_sweep = true;
	journal_scan_soon(r);
}
