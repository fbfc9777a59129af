/*
 * journal_read.c - the relay's half of the journal: link and scan.
 *
 * A segment is the receiver's while its statement lists it or while its
 * hand-over lies above the count received. Such a segment is read to the stated
 * end; one that is nobody's is read to its own end.
 */
#include "config.h"

#include "spool/journal_read.h"

#include "base/log.h"
#include "base/util.h"
#include "spool/envelope.h"
#include "spool/journal_read_internal.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Read at a time, and once a turn of the loop. */
#define SCAN_WINDOW (256 * 1024)

void journal_scan_soon(struct journal_reader *r)
{
	event_active(r->scan, 0, 0);
}

int journal_segment_open(struct journal_segment *s)
{
	char name[JOURNAL_NAME_SIZE];

	if (s->fd >= 0)
		return 0;
	journal_segment_name(name, s->number, s->key);
	s->fd = openat(s->reader->journal_fd, name,
		O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	return s->fd >= 0 ? 0 : -1;
}

static void on_found(struct journal_segment *s, const struct journal_head *head,
	const char *record)
{
	struct journal_reader *r = s->reader;
	struct journal_place place = {s, (uint32_t)head->offset, head->length};
	struct journal_body *body;
	uint64_t name = 0;

	s->records++;
	if (journal_marks_has(s, head->offset))
		return;
	s->undone++;
	/* A bad line shows when the message is read to be sent. */
	(void)envelope_peek_body(record + JOURNAL_HEAD_SIZE,
		head->length - JOURNAL_HEAD_SIZE, &name);
	body = name != 0 ? journal_body_find(r, name) : NULL;
	if (body != NULL)
		body->named = true;
	r->callbacks.on_record(r->callbacks.arg, &place, head->id, name);
}

/* Looks for records in the len bytes that were read at s->scanned; last: there
 * is nothing behind them. Returns 0 when all was looked at, or the length of a
 * record of which more must be read. */
static size_t scan_window(
	struct journal_segment *s, const char *data, size_t len, bool last)
{
	struct journal_head head;
	size_t at = 0;
	int rc;

	while (at + JOURNAL_HEAD_SIZE <= len) {
		rc = journal_head_read(
			data + at, len - at, s->key, s->scanned + at, &head);
		if (rc == 0 && s->scanned + at + head.length <= s->limit) {
			s->scanned += at;
			return head.length;
		}
		if (rc == 1) {
			on_found(s, &head, data + at);
			at += (size_t)journal_padded(head.length);
		} else {
			at += JOURNAL_STEP;
		}
	}
	/* A record may end a few octets before its step does. */
	s->scanned += last ? len : at;
	return 0;
}

/* Reads on in s. Returns false when the file could not be read: what is left
 * of it is given up for now, and told. */
static bool scan_some(struct journal_segment *s)
{
	struct journal_reader *r = s->reader;
	size_t want = SCAN_WINDOW, need;
	ssize_t n;

	if (s->scanned % JOURNAL_STEP != 0)
		bug("a segment is read off its steps");
	if (journal_segment_open(s) != 0)
		return false;
	do {
		if (want > s->limit - s->scanned)
			want = (size_t)(s->limit - s->scanned);
		buf_clear(&r->window);
		if (buf_reserve(&r->window, want) == NULL)
			return false;
		n = pread_full(s->fd, r->window.data, want, (off_t)s->scanned);
		if (n < 0)
			return false;
		need = scan_window(s, r->window.data, (size_t)n,
			(size_t)n < want || s->scanned + want == s->limit);
		if ((size_t)n < want)
			s->scanned = s->limit; /* a short file: its end */
		want = need;
	} while (need > 0 && s->scanned < s->limit);
	return true;
}

static void scan_finished(struct journal_segment *s)
{
	if (s->state != SEGMENT_LEFT || s->scanned < s->limit)
		return;
	free(s->old_marks);
	s->old_marks = NULL;
	s->old_mark_count = 0;
	journal_stock_reclaim(s);
}

static struct journal_segment *next_to_scan(struct journal_reader *r)
{
	struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link)
	if ((s->state == SEGMENT_OUT || s->state == SEGMENT_LEFT) &&
		s->scanned < s->limit)
		return s;
	return NULL;
}

static void on_scan(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;
	struct journal_segment *s = next_to_scan(r);
	struct log_text text;
	char name[HEX64_SIZE];

	(void)fd;
	(void)what;
	if (s != NULL) {
		if (!scan_some(s)) {
			log_err("journal-read-failed segment=%s reason=%s",
				hex64(name, s->number),
				log_text(&text, strerror(errno)));
			s->scanned = s->limit;
			s->undone++; /* never reclaimed: see it next start */
		}
		scan_finished(s);
	}
	if (next_to_scan(r) != NULL) {
		journal_scan_soon(r);
		return;
	}
	buf_free(&r->window);
	if (r->holdings_known && !r->recovered) {
		r->recovered = true;
		r->callbacks.on_recovered(r->callbacks.arg);
	}
	journal_stock_settle_bodies(r);
	journal_stock_supply(r);
}

/* The receiver writes to it no more. */
static void segment_leave(struct journal_segment *s)
{
	s->state = SEGMENT_LEFT;
	s->limit = JOURNAL_SEGMENT_SIZE;
	if (s->scanned == s->limit)
		scan_finished(s);
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
	s->finished = stated->use == LINK_FINISHED;
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

static void on_link_readable(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;
	struct log_text text;
	struct err err;
	bool any = false;
	int rc;

	(void)what;
	/* A statement says all: only the last one counts. */
	while ((rc = link_receive_statement(fd, &r->statement, &err)) > 0)
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

static void forget_statement(struct journal_reader *r)
{
	r->statement.received = 0;
	r->statement.segment_count = 0;
	r->statement.body_count = 0;
}

void journal_reader_set_link(struct journal_reader *r, int link_fd)
{
	struct journal_segment *s;
	struct journal_body *b;

	link_close(r);
	forget_statement(r);
	r->link_fd = link_fd;
	r->sent = 0;
	r->size_due = r->upstream_size > 0;
	TAILQ_FOREACH(s, &r->segments, link)
	s->handover = 0;
	TAILQ_FOREACH(b, &r->bodies, link)
	b->handover = 0;
	r->link_read = event_new(
		r->base, link_fd, EV_READ | EV_PERSIST, on_link_readable, r);
	r->link_write =
		event_new(r->base, link_fd, EV_WRITE, on_link_writable, r);
	if (r->link_read == NULL || r->link_write == NULL)
		abort();
	event_add(r->link_read, NULL);
}

void journal_reader_peer_gone(struct journal_reader *r)
{
	static const struct link_statement nothing = {.received = UINT64_MAX};

	link_close(r);
	forget_statement(r);
	apply_statement(r, &nothing);
}

void journal_reader_tell_size(struct journal_reader *r, uint64_t size)
{
	if (size == r->upstream_size)
		return;
	r->upstream_size = size;
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
		    out->data, out->len, s->key, place->offset, &head) != 1)
		return err_set(err, ERR_DAMAGED,
			"the record at %u of segment %016llx is damaged",
			place->offset, (unsigned long long)s->number);
	return 0;
}

bool journal_reader_recovered(const struct journal_reader *r)
{
	return r->recovered;
}

/* Takes up one name found in journal/. */
static void take_up(struct journal_reader *r, const char *name)
{
	struct journal_segment *s;
	uint64_t number, key;
	struct log_text text;
	struct stat st;

	if (name[0] == '.' || journal_done_name_parse(name, &number) == 0)
		return;
	if (journal_segment_name_parse(name, &number, &key) != 0 ||
		fstatat(r->journal_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0 ||
		!S_ISREG(st.st_mode)) {
		log_warn("foreign-file dir=journal name=%s "
			 "advice=\"not ours: left alone\"",
			log_text(&text, name));
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
		if (strlen(entry->d_name) != HEX64_LEN ||
			hex64_parse(entry->d_name, &name) != 0)
			continue;
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
	STAILQ_INIT(&r->waiters);
	STAILQ_INIT(&r->late_marks);
	buf_init(&r->window, JOURNAL_RECORD_MAX);
	r->scan = event_new(base, -1, 0, on_scan, r);
	if (r->scan == NULL)
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
	struct journal_segment *s;
	struct journal_body *b;

	*rp = NULL;
	if (r == NULL)
		return;
	link_close(r);
	if (r->syncer != NULL)
		journal_marks_flush(r);
	worker_free(&r->syncer);
	worker_free(&r->maker);
	while ((s = TAILQ_FIRST(&r->segments)) != NULL)
		journal_segment_drop(s);
	while ((b = TAILQ_FIRST(&r->bodies)) != NULL) {
		TAILQ_REMOVE(&r->bodies, b, link);
		free(b);
	}
	event_free(r->scan);
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
