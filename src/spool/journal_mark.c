/*
 * journal_mark.c - marks: which records of a segment are done with.
 *
 * Written by the loop as soon as upstream has said 250, synced by a thread
 * about a second later. A mark that cannot be written is tried again with every
 * sync; until then its record may come again after a crash, never be lost.
 */
#include "config.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "spool/journal_read_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Segments one sync covers; the others wait for the next. */
#define SYNC_SEGMENTS_MAX 64

struct sync_job {
	struct worker_job job;
	struct journal_reader *reader;
	struct journal_segment *segments[SYNC_SEGMENTS_MAX];
	size_t count;
	bool directory; /* names of new files too */
	int failed;     /* errno, 0: fine */
	struct journal_waiters waiters;
};

static int compare_u32(const void *a, const void *b)
{
	uint32_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int open_marks(struct journal_segment *s)
{
	char name[JOURNAL_DONE_NAME_SIZE];
	struct stat st;

	if (s->done_fd >= 0)
		return 0;
	journal_done_name(name, s->number);
	s->done_fd = openat(s->reader->journal_fd, name,
		O_RDWR | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (s->done_fd < 0 && errno == ENOENT) {
		s->done_fd = openat(s->reader->journal_fd, name,
			O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
		s->done_created = true;
	}
	if (s->done_fd < 0)
		return -1;
	if (fstat(s->done_fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(s->done_fd);
		s->done_fd = -1;
		errno = EINVAL;
		return -1;
	}
	s->done_end =
		(uint64_t)st.st_size / JOURNAL_MARK_SIZE * JOURNAL_MARK_SIZE;
	s->done_synced = s->done_end;
	return 0;
}

static void marks_trouble(const char *name)
{
	struct log_text text;

	log_err("marks-read-failed file=journal/%s reason=%s "
		"advice=\"check the disk: mail that was delivered may come "
		"again\"",
		name, log_text(&text, strerror(errno)));
}

void journal_marks_load(struct journal_segment *s)
{
	const size_t max = JOURNAL_SEGMENT_SIZE / JOURNAL_HEAD_SIZE;
	uint8_t mark[JOURNAL_MARK_SIZE];
	char name[JOURNAL_DONE_NAME_SIZE];
	uint64_t offset, at;
	size_t count;

	journal_done_name(name, s->number);
	if (faccessat(s->reader->journal_fd, name, F_OK, 0) != 0)
		return;
	/* A dead process may not have synced them. */
	if (open_marks(s) != 0 || fdatasync(s->done_fd) != 0)
		marks_trouble(name);
	if (s->done_fd < 0)
		return;
	count = (size_t)(s->done_end / JOURNAL_MARK_SIZE);
	if (count > max)
		count = max;
	if (count == 0)
		return;
	s->old_marks = xcalloc(count, sizeof(*s->old_marks));
	for (at = 0; at < count * JOURNAL_MARK_SIZE; at += sizeof(mark)) {
		if (pread_full(s->done_fd, mark, sizeof(mark), (off_t)at) !=
			(ssize_t)sizeof(mark)) {
			marks_trouble(name);
			break;
		}
		if (journal_mark_read(mark, s->key, &offset) == 0)
			s->old_marks[s->old_mark_count++] = (uint32_t)offset;
	}
	qsort(s->old_marks, s->old_mark_count, sizeof(*s->old_marks),
		compare_u32);
}

bool journal_marks_has(const struct journal_segment *s, uint64_t offset)
{
	uint32_t wanted = (uint32_t)offset;

	return s->old_mark_count > 0 &&
	       bsearch(&wanted, s->old_marks, s->old_mark_count,
		       sizeof(*s->old_marks), compare_u32) != NULL;
}

static int write_mark(struct journal_segment *s, uint32_t offset)
{
	uint8_t mark[JOURNAL_MARK_SIZE];

	if (open_marks(s) != 0)
		return -1;
	journal_mark_write(mark, s->key, offset);
	if (pwrite_full(s->done_fd, mark, sizeof(mark), (off_t)s->done_end) !=
		0)
		return -1;
	if (s->undone == 0)
		bug("a mark for a record that was never counted");
	s->undone--;
	s->done_end += sizeof(mark);
	s->unsynced = true;
	return 0;
}

static void add_waiter(
	struct journal_segment *s, journal_mark_fn *fn, void *arg)
{
	struct journal_waiter *w;

	if (fn == NULL)
		return;
	w = xcalloc(1, sizeof(*w));
	w->segment = s;
	w->fn = fn;
	w->arg = arg;
	STAILQ_INSERT_TAIL(&s->waiters, w, link);
}

static void arm_sync(struct journal_reader *r, int64_t delay_ms);

static bool is_sparse(const struct journal_segment *s)
{
	const struct journal_segment *next = TAILQ_NEXT(s, link);

	return s->state == SEGMENT_LEFT && s->scanned == s->limit &&
	       s->undone > 0 && !s->told_sparse &&
	       s->undone < (s->records + 3) / 4 && next != NULL &&
	       next->state == SEGMENT_LEFT;
}

static void arm_sparse(struct journal_reader *r)
{
	if (!evtimer_pending(r->sparse_timer, NULL))
		loop_after(r->sparse_timer, JOURNAL_SPARSE_MS);
}

/* Those of which nothing has left since the last time, one at a time: each
 * means many files. */
void journal_marks_on_sparse(evutil_socket_t fd, short what, void *arg)
{
	struct journal_segment *s, *quiet = NULL;
	struct journal_reader *r = arg;
	bool more = false;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(s, &r->segments, link) {
		if (!is_sparse(s))
			continue;
		if (quiet == NULL && s->undone == s->undone_seen) {
			quiet = s;
			continue;
		}
		s->undone_seen = s->undone;
		more = true;
	}
	if (more)
		arm_sparse(r);
	if (quiet == NULL)
		return;
	quiet->told_sparse = true;
	r->callbacks.on_sparse(r->callbacks.arg, quiet);
}

void journal_marks_look_at_rest(struct journal_segment *s)
{
	if (is_sparse(s))
		arm_sparse(s->reader);
}

void journal_reader_mark(struct journal_reader *r,
	const struct journal_place *place, journal_mark_fn *on_synced,
	void *arg)
{
	struct journal_segment *s = place->segment;
	struct journal_late_mark *late;
	struct log_text text;

	if (write_mark(s, place->offset) == 0) {
		add_waiter(s, on_synced, arg);
		arm_sync(r, on_synced != NULL ? 0 : JOURNAL_MARK_SYNC_MS);
		return;
	}
	if (!r->mark_trouble)
		log_err("mark-failed reason=%s advice=\"make room in the "
			"spool, check the disk: mail that was delivered may "
			"come again after a restart\"",
			log_text(&text, strerror(errno)));
	r->mark_trouble = true;
	late = xcalloc(1, sizeof(*late));
	late->segment = s;
	late->offset = place->offset;
	late->fn = on_synced;
	late->arg = arg;
	STAILQ_INSERT_TAIL(&r->late_marks, late, link);
	arm_sync(r, JOURNAL_MARK_SYNC_MS);
}

static void retry_late_marks(struct journal_reader *r)
{
	struct journal_late_marks late;
	struct journal_late_mark *mark;

	STAILQ_INIT(&late);
	STAILQ_CONCAT(&late, &r->late_marks);
	while ((mark = STAILQ_FIRST(&late)) != NULL) {
		STAILQ_REMOVE_HEAD(&late, link);
		if (write_mark(mark->segment, mark->offset) != 0) {
			STAILQ_INSERT_TAIL(&r->late_marks, mark, link);
			continue;
		}
		add_waiter(mark->segment, mark->fn, mark->arg);
		free(mark);
	}
	if (STAILQ_EMPTY(&r->late_marks))
		r->mark_trouble = false;
}

void journal_marks_drop_late(struct journal_reader *r)
{
	struct journal_late_mark *mark;

	while ((mark = STAILQ_FIRST(&r->late_marks)) != NULL) {
		STAILQ_REMOVE_HEAD(&r->late_marks, link);
		free(mark);
	}
}

/* After a sync that failed the kernel holds what it could not write for
 * written: only what is written again is synced again. */
static int rewrite_marks(struct journal_segment *s)
{
	uint8_t marks[64 * JOURNAL_MARK_SIZE];
	uint64_t at = s->done_synced;
	ssize_t n;

	for (; at < s->done_end; at += (uint64_t)n) {
		n = pread_full(s->done_fd, marks, sizeof(marks), (off_t)at);
		if (n <= 0 || pwrite_full(s->done_fd, marks, (size_t)n,
				      (off_t)at) != 0)
			return -1;
	}
	return 0;
}

static void run_sync(struct worker_job *job)
{
	struct sync_job *sync = (struct sync_job *)job;
	size_t i;

	for (i = 0; i < sync->count; i++)
		if (fdatasync(sync->segments[i]->done_fd) != 0)
			sync->failed = errno;
	if (sync->directory && fsync(sync->reader->journal_fd) != 0)
		sync->failed = errno;
}

static void call_waiters(struct journal_waiters *waiters)
{
	struct journal_waiter *w;

	while ((w = STAILQ_FIRST(waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(waiters, link);
		w->fn(w->arg);
		free(w);
	}
}

/* Everything as before it; the next sync covers it. */
static void sync_again(struct sync_job *sync)
{
	struct journal_reader *r = sync->reader;
	struct journal_waiter *w;
	struct log_text text;
	size_t i;

	if (!r->sync_trouble)
		log_err("mark-sync-failed reason=%s advice=\"check the disk: "
			"mail that was delivered may come again after a power "
			"cut\"",
			log_text(&text, strerror(sync->failed)));
	r->sync_trouble = true;
	for (i = 0; i < sync->count; i++) {
		sync->segments[i]->sync_failed = true;
		sync->segments[i]->unsynced = true;
		sync->segments[i]->done_created |= sync->directory;
	}
	while ((w = STAILQ_FIRST(&sync->waiters)) != NULL) {
		STAILQ_REMOVE_HEAD(&sync->waiters, link);
		STAILQ_INSERT_TAIL(&w->segment->waiters, w, link);
	}
	arm_sync(r, JOURNAL_MARK_SYNC_MS);
}

static void on_synced(struct worker_job *job)
{
	struct sync_job *sync = (struct sync_job *)job;
	struct journal_reader *r = sync->reader;
	struct journal_segment *s;
	bool hurry = false;
	size_t i;

	if (sync->failed != 0)
		sync_again(sync);
	else
		r->sync_trouble = false;
	for (i = 0; i < sync->count; i++) {
		s = sync->segments[i];
		s->syncing = false;
		hurry |= !STAILQ_EMPTY(&s->waiters);
		if (sync->failed != 0)
			continue;
		s->done_synced = s->done_syncing;
		journal_marks_look_at_rest(s);
		journal_stock_reclaim(s);
	}
	call_waiters(&sync->waiters);
	if (hurry && sync->failed == 0)
		arm_sync(r, 0);
	free(sync);
}

/* Returns false when it must wait for a later sync. */
static bool take_into_sync(struct sync_job *sync, struct journal_segment *s)
{
	if (!s->unsynced || s->syncing)
		return false;
	if (s->sync_failed && rewrite_marks(s) != 0)
		return false;
	sync->directory |= s->done_created;
	s->done_created = false;
	s->sync_failed = false;
	s->unsynced = false;
	s->syncing = true;
	s->done_syncing = s->done_end;
	STAILQ_CONCAT(&sync->waiters, &s->waiters);
	return true;
}

void journal_marks_flush(struct journal_reader *r)
{
	struct journal_segment *s;
	struct sync_job *sync;

	retry_late_marks(r);
	sync = xcalloc(1, sizeof(*sync));
	sync->reader = r;
	sync->job.run = run_sync;
	sync->job.done = on_synced;
	STAILQ_INIT(&sync->waiters);
	TAILQ_FOREACH(s, &r->segments, link) {
		if (sync->count == SYNC_SEGMENTS_MAX)
			break;
		if (take_into_sync(sync, s))
			sync->segments[sync->count++] = s;
	}
	if (sync->count == 0)
		free(sync);
	else
		worker_submit(r->syncer, &sync->job);
}

static bool more_to_sync(const struct journal_reader *r)
{
	const struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link)
		if (s->unsynced)
			return true;
	return !STAILQ_EMPTY(&r->late_marks);
}

static void on_sync_timer(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;

	(void)fd;
	(void)what;
	journal_marks_flush(r);
	if (more_to_sync(r))
		arm_sync(r, JOURNAL_MARK_SYNC_MS);
}

static void arm_sync(struct journal_reader *r, int64_t delay_ms)
{
	if (r->sync_timer == NULL)
		r->sync_timer = evtimer_new(r->base, on_sync_timer, r);
	if (r->sync_timer != NULL && delay_ms > 0 &&
		evtimer_pending(r->sync_timer, NULL))
		return;
	loop_after(r->sync_timer, delay_ms);
}

static bool has_segment(const struct journal_reader *r, uint64_t number)
{
	const struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link)
		if (s->number == number)
			return true;
	return false;
}

/* They stayed where a process died between the segment and its marks. */
void journal_marks_sweep(struct journal_reader *r)
{
	int fd = openat(r->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	uint64_t number;

	if (dir == NULL)
		return;
	while ((entry = readdir(dir)) != NULL)
		if (journal_done_name_parse(entry->d_name, &number) == 0 &&
			!has_segment(r, number))
			(void)unlinkat(r->journal_fd, entry->d_name, 0);
	closedir(dir);
}
