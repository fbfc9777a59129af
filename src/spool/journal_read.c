/*
 * journal_read.c - the relay's half of the journal: link, beginning and end.
 *
 * A segment is the receiver's while its statement lists it or while its
 * hand-over lies above the count received. Such a segment is read to the stated
 * end; one that is nobody's is read to its own end.
 */
#include "config.h"

#include "spool/journal_read.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "spool/envelope.h"
#include "spool/journal_read_internal.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The receiver writes to it no more. */
static void segment_leave(struct journal_segment *s)
{
	s->state = SEGMENT_LEFT;
	s->limit = JOURNAL_SEGMENT_SIZE;
	if (s->scanned == s->limit)
		journal_scan_finished(s);
}

static const struct link_segment *stated_segment(
	const struct link_statement *statement, uint64_t number)
{
	size_t i;

	for (i = 0; i < statement->segment_count; i++)
		if (statement->segments[i].number == number)
			return &statement->segments[i];
	return NULL;
}

static bool stated_body(const struct link_statement *statement, uint64_t name)
{
	size_t i;

	for (i = 0; i < statement->body_count; i++)
		if (statement->bodies[i].name == name)
			return true;
	return false;
}

static void apply_to_segment(
	struct journal_segment *s, const struct link_statement *statement)
{
	const struct link_segment *stated =
		stated_segment(statement, s->number);
	uint64_t end;

	if (stated == NULL) {
		if (s->state == SEGMENT_OUT &&
			s->handover <= statement->received)
			segment_leave(s);
		return;
	}
	/* What is claimed without having been handed over is not believed. */
	if (s->state != SEGMENT_OUT)
		return;
	end = stated->end < JOURNAL_SEGMENT_SIZE ? stated->end
						 : JOURNAL_SEGMENT_SIZE;
	end -= end % JOURNAL_STEP;
	if (end > s->limit)
		s->limit = end;
}

/* Said once: a later statement that is read in the same turn has it no more. */
static void note_finished(struct journal_reader *r)
{
	const struct link_segment *stated;
	struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link) {
		stated = stated_segment(&r->statement, s->number);
		if (stated != NULL && s->state == SEGMENT_OUT &&
			stated->use == LINK_FINISHED)
			s->finished = true;
	}
}

static void apply_to_body(
	struct journal_body *b, const struct link_statement *statement)
{
	if (b->handover > statement->received)
		return;
	b->released = !stated_body(statement, b->name);
}

static void apply_statement(
	struct journal_reader *r, const struct link_statement *statement)
{
	struct journal_segment *s, *next;
	struct journal_body *b;
	size_t i;

	for (s = TAILQ_FIRST(&r->segments); s != NULL; s = next) {
		next = TAILQ_NEXT(s, link);
		apply_to_segment(s, statement);
	}
	TAILQ_FOREACH(b, &r->bodies, link)
		apply_to_body(b, statement);
	r->spare = 0;
	for (i = 0; i < statement->segment_count; i++)
		r->spare += statement->segments[i].use == LINK_SPARE ||
			    statement->segments[i].use == LINK_IN_USE;
	r->empty_bodies = 0;
	for (i = 0; i < statement->body_count; i++)
		r->empty_bodies += statement->bodies[i].empty;
	r->holdings_known = true;
	journal_scan_soon(r);
}

static void link_close(struct journal_reader *r)
{
	if (r->link_fd < 0)
		return;
	event_free(r->link_read);
	event_free(r->link_write);
	close(r->link_fd);
	r->link_read = r->link_write = NULL;
	r->link_fd = -1;
}

/* What was held on a link that is no more, or said on it. */
static void forget_statement(struct journal_reader *r)
{
	r->statement.received = 0;
	r->statement.segment_count = 0;
	r->statement.body_count = 0;
}

static int receive_statement(struct journal_reader *r, struct err *err)
{
	int rc = link_receive_statement(
		r->link_fd, &r->statement, &r->incoming, err);

	if (rc <= 0)
		return rc;
	if (r->statement.received > r->sent) {
		forget_statement(r);
		return err_set(err, ERR_PROTOCOL,
			"link: more received than was handed over");
	}
	note_finished(r);
	return 1;
}

static void on_link_readable(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;
	struct log_text text;
	struct err err;
	bool any = false;
	int rc;

	(void)fd;
	(void)what;
	/* A statement says all: only the last one counts. */
	while ((rc = receive_statement(r, &err)) > 0)
		any = true;
	if (any)
		apply_statement(r, &r->statement);
	if (rc < 0) {
		if (err.kind == ERR_PROTOCOL)
			log_debug("link-closed reason=%s",
				log_text(&text, err.text));
		link_close(r);
	}
}

static void on_link_writable(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	journal_stock_supply(arg);
}

/* Hand-overs are counted anew on each link. */
static void forget_link(struct journal_reader *r)
{
	struct journal_segment *s;
	struct journal_body *b;

	link_close(r);
	forget_statement(r);
	r->sent = 0;
	TAILQ_FOREACH(s, &r->segments, link)
		s->handover = 0;
	TAILQ_FOREACH(b, &r->bodies, link)
		b->handover = 0;
}

void journal_reader_set_link(struct journal_reader *r, int link_fd)
{
	forget_link(r);
	r->link_fd = link_fd;
	r->size_due = r->upstream_size > 0;
	r->link_read = event_new(
		r->base, link_fd, EV_READ | EV_PERSIST, on_link_readable, r);
	r->link_write =
		event_new(r->base, link_fd, EV_WRITE, on_link_writable, r);
	if (r->link_read == NULL || r->link_write == NULL)
		abort();
	loop_watch(r->link_read);
}

void journal_reader_peer_gone(struct journal_reader *r)
{
	forget_link(r);
	apply_statement(r, &r->statement);
}

void journal_reader_tell_size(
	struct journal_reader *r, uint64_t size, uint64_t body_size_max)
{
	if (size == r->upstream_size)
		return;
	r->upstream_size = size;
	r->body_size_told = body_size_max;
	r->size_due = true;
	journal_stock_supply(r);
}

int journal_reader_read(struct journal_reader *r,
	const struct journal_place *place, struct buf *out, struct err *err)
{
	struct journal_segment *s = place->segment;
	struct journal_head head;
	ssize_t n;

	(void)r;
	buf_clear(out);
	if (journal_segment_open(s) != 0)
		return err_errno(err, "opening a segment of the journal");
	if (buf_reserve(out, place->length) == NULL)
		return err_set(err, ERR_LIMIT, "no memory for a record");
	n = pread_full(s->fd, out->data, place->length, (off_t)place->offset);
	if (n < 0)
		return err_errno(err, "reading the journal");
	out->len = (size_t)n;
	if (journal_head_read(
		    out->data, out->len, s->key, place->offset, &head) != 1 ||
		head.length != place->length)
		return err_set(err, ERR_DAMAGED,
			"the record at %u of segment %016llx is damaged",
			place->offset, (unsigned long long)s->number);
	return 0;
}

bool journal_reader_recovered(const struct journal_reader *r)
{
	return r->recovered;
}

bool journal_reader_all_read(const struct journal_reader *r)
{
	return r->recovered && journal_scan_complete(r);
}

static void tell_foreign(const char *dir, const char *name)
{
	struct log_text text;

	log_warn("foreign-file dir=%s name=%s advice=\"not ours: left alone\"",
		dir, log_text(&text, name));
}

/* Takes up one name found in journal/. */
static void take_up(struct journal_reader *r, const char *name)
{
	struct journal_segment *s;
	uint64_t number, key;
	struct stat st;

	if (name[0] == '.' || journal_done_name_parse(name, &number) == 0)
		return;
	if (journal_segment_name_parse(name, &number, &key) != 0 ||
		fstatat(r->journal_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		!S_ISREG(st.st_mode)) {
		tell_foreign("journal", name);
		return;
	}
	s = journal_segment_add(r, number, key);
	/* Perhaps the receiver's: the first statement tells. */
	s->state = SEGMENT_OUT;
	journal_marks_load(s);
}

static int take_up_segments(struct journal_reader *r, struct err *err)
{
	int fd = openat(r->journal_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL)
		return err_errno(err, "reading the spool's journal/");
	while ((entry = readdir(dir)) != NULL)
		take_up(r, entry->d_name);
	closedir(dir);
	return 0;
}

static int take_up_bodies(struct journal_reader *r, struct err *err)
{
	int fd = openat(r->large_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct journal_body *b;
	struct dirent *entry;
	uint64_t name;

	if (dir == NULL)
		return err_errno(err, "reading the spool's large/");
	while ((entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (strlen(entry->d_name) != HEX64_LEN ||
			hex64_parse(entry->d_name, &name) != 0) {
			tell_foreign("large", entry->d_name);
			continue;
		}
		b = xcalloc(1, sizeof(*b));
		b->name = name;
		b->old = true;
		b->released = true;
		TAILQ_INSERT_TAIL(&r->bodies, b, link);
	}
	closedir(dir);
	return 0;
}

struct journal_reader *journal_reader_open(struct event_base *base,
	int spool_fd, uint64_t body_size_max,
	const struct journal_reader_callbacks *callbacks, struct err *err)
{
	struct journal_reader *r = xcalloc(1, sizeof(*r));

	r->base = base;
	r->callbacks = *callbacks;
	r->body_size_max = body_size_max;
	r->link_fd = -1;
	TAILQ_INIT(&r->segments);
	TAILQ_INIT(&r->bodies);
	STAILQ_INIT(&r->late_marks);
	buf_init(&r->window, JOURNAL_RECORD_MAX);
	journal_scan_init(r);
	r->sparse_timer = evtimer_new(base, journal_marks_on_sparse, r);
	if (r->sparse_timer == NULL)
		abort();
	r->journal_fd = openat(spool_fd, "journal",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	r->large_fd = openat(spool_fd, "large",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (r->journal_fd < 0 || r->large_fd < 0) {
		err_errno(err, "opening the spool's journal/ and large/");
		goto fail;
	}
	/* A dead process may have left names and marks that no disk has. */
	if (fsync(r->journal_fd) != 0 || fsync(r->large_fd) != 0) {
		err_errno(err, "syncing the spool's directories");
		goto fail;
	}
	if (take_up_segments(r, err) != 0 || take_up_bodies(r, err) != 0)
		goto fail;
	r->maker = worker_new(base, "segment-maker", err);
	if (r->maker != NULL)
		r->syncer = worker_new(base, "mark-syncer", err);
	if (r->syncer == NULL)
		goto fail;
	journal_scan_soon(r);
	return r;
fail:
	journal_reader_free(&r);
	return NULL;
}

void journal_reader_free(struct journal_reader **rp)
{
	struct journal_reader *r = *rp;
	struct worker *syncer, *maker;
	struct journal_body *b;

	*rp = NULL;
	if (r == NULL)
		return;
	link_close(r);
	if (r->syncer != NULL)
		journal_marks_flush(r);
	/* What their last jobs lead to is submitted once more. */
	syncer = r->syncer;
	worker_free(&syncer);
	maker = r->maker;
	worker_free(&maker);
	journal_marks_drop_late(r);
	while (!TAILQ_EMPTY(&r->segments))
		journal_segment_drop(TAILQ_FIRST(&r->segments));
	while ((b = TAILQ_FIRST(&r->bodies)) != NULL) {
		TAILQ_REMOVE(&r->bodies, b, link);
		free(b);
	}
	event_free(r->scan);
	event_free(r->scan_retry);
	event_free(r->sparse_timer);
	if (r->sync_timer != NULL)
		event_free(r->sync_timer);
	if (r->room_timer != NULL)
		event_free(r->room_timer);
	buf_free(&r->window);
	if (r->journal_fd >= 0)
		close(r->journal_fd);
	if (r->large_fd >= 0)
		close(r->large_fd);
	free(r);
}
