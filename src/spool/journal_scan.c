/*
 * journal_scan.c - the relay's half of the journal: finding the records.
 *
 * What is no record is stepped over, so damage costs what it hit. Where the
 * disk does not give a part of a segment at all, the segment stays, and every
 * body: a record that was not seen may name it.
 */
#include "config.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "spool/envelope.h"
#include "spool/journal_read_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>

/* Read at a time, and once a turn of the loop. */
#define SCAN_WINDOW (256 * 1024)
/* Octets of damaged records in a segment that are looked at. */
#define SCAN_WASTE_MAX (8ULL * JOURNAL_SEGMENT_SIZE)
/* A segment that cannot be opened is tried again so much later. */
#define SCAN_RETRY_S 10

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
	const char *text = record + JOURNAL_HEAD_SIZE;
	const size_t len = head->length - JOURNAL_HEAD_SIZE;
	char account[ENVELOPE_ACCOUNT_MAX + 1];
	struct journal_found found = {.id = head->id, .account = account};

	s->records++;
	if (journal_marks_has(s, head->offset))
		return;
	s->undone++;
	/* A bad line shows when the message is read to be sent. */
	(void)envelope_peek_body(text, len, &found.body);
	body = found.body != 0 ? journal_body_find(r, found.body) : NULL;
	if (body != NULL)
		body->named = true;
	envelope_peek_account(text, len, account);
	found.arrived_s = envelope_peek_arrived(text, len);
	r->callbacks.on_record(r->callbacks.arg, &place, &found);
}

/* A part of the segment cannot be read, now or ever: what it held is not known,
 * so neither the segment nor a body that seems to have no record goes. */
static void segment_hurt(struct journal_segment *s, const char *why)
{
	struct log_text text;
	char name[HEX64_SIZE];

	if (s->hurt)
		return;
	s->hurt = true;
	s->undone++;
	s->reader->blind = true;
	log_err("journal-damaged segment=%s offset=%llu reason=%s "
		"advice=\"check the disk; the segment is kept\"",
		hex64(name, s->number), (unsigned long long)s->scanned,
		log_text(&text, why));
}

/* A head that was right, with a record that is not. Told once a segment: a
 * power cut and a dead receiver leave one too, of a message that was not
 * acknowledged. */
static void tell_damaged(struct journal_segment *s, uint64_t offset)
{
	char name[HEX64_SIZE];

	if (s->told_damaged)
		return;
	s->told_damaged = true;
	log_warn("journal-record-damaged segment=%s offset=%llu "
		 "advice=\"nothing is lost if the machine or the receiver "
		 "died at that moment; else check the disk\"",
		hex64(name, s->number), (unsigned long long)offset);
}

/* What a broken disk leaves of records costs little; what somebody made up must
 * not keep us for ever. */
static void count_waste(
	struct journal_segment *s, const struct journal_head *head)
{
	if (head->length <= JOURNAL_RECORD_MAX)
		s->wasted += head->length;
	if (s->wasted <= SCAN_WASTE_MAX)
		return;
	segment_hurt(s, "too many damaged records");
	s->scanned = s->limit;
}

/* The receiver may still say that more is durable. */
static bool may_go_on(const struct journal_segment *s)
{
	return s->state == SEGMENT_OUT && s->limit < JOURNAL_SEGMENT_SIZE;
}

/* What is left before the limit is no record. But where the limit may be raised
 * it is looked at again then: a stated end can lie anywhere, and must not hide
 * a record that it cuts. */
static void scan_rest(struct journal_segment *s)
{
	if (may_go_on(s))
		s->limit = s->scanned;
	else
		s->scanned = s->limit;
}

/* Looks for records in the len bytes that were read at s->scanned. Returns 0
 * when all was looked at, or the length of a record of which more must be
 * read. */
static size_t scan_window(
	struct journal_segment *s, const char *data, size_t len)
{
	const uint64_t from = s->scanned;
	struct journal_head head;
	size_t at = 0;
	int rc;

	while (at + JOURNAL_HEAD_SIZE <= len) {
		/* two million times in an empty segment */
		if (!journal_key_is_at(data + at, s->key)) {
			at += JOURNAL_STEP;
			continue;
		}
		head.length = 0;
		rc = journal_head_read(
			data + at, len - at, s->key, from + at, &head);
		if (rc == 0 && from + at + head.length <= s->limit) {
			s->scanned = from + at;
			return head.length;
		}
		if (rc == 0 && may_go_on(s)) {
			s->scanned = from + at;
			scan_rest(s);
			return 0;
		}
		if (rc == 1) {
			on_found(s, &head, data + at);
			at += (size_t)journal_padded(head.length);
			continue;
		}
		if (head.length > 0)
			tell_damaged(s, from + at);
		if (rc < 0 && head.length > 0)
			count_waste(s, &head);
		if (s->scanned == s->limit)
			return 0;
		at += JOURNAL_STEP;
	}
	s->scanned = from + at;
	if (s->scanned + JOURNAL_HEAD_SIZE > s->limit)
		scan_rest(s);
	return 0;
}

/* Reads *want bytes at s->scanned, or fewer where the disk does not give them
 * all. Returns the count, less than *want at the end of the file; -1: not even
 * what is left of this block. */
static ssize_t read_window(struct journal_segment *s, size_t *want)
{
	const size_t block = JOURNAL_BLOCK - s->scanned % JOURNAL_BLOCK;
	ssize_t n;

	for (;;) {
		n = pread_full(s->fd, s->reader->window.data, *want,
			(off_t)s->scanned);
		if (n >= 0 || *want <= block)
			return n;
		*want = *want > 2 * JOURNAL_BLOCK
				? *want / 2 / JOURNAL_STEP * JOURNAL_STEP
				: block;
	}
}

/* Reads on in s. Returns false when it cannot be read for now. */
static bool scan_some(struct journal_segment *s)
{
	struct buf *window = &s->reader->window;
	size_t want, need = 0;
	ssize_t n;

	if (s->scanned % JOURNAL_STEP != 0)
		bug("a segment is read off its steps");
	if (journal_segment_open(s) != 0)
		return false;
	do {
		want = need > 0 ? need : SCAN_WINDOW;
		if (want > s->limit - s->scanned)
			want = (size_t)(s->limit - s->scanned);
		buf_clear(window);
		if (buf_reserve(window, want) == NULL)
			return false;
		n = read_window(s, &want);
		if (n < 0) {
			segment_hurt(s, strerror(errno));
			s->scanned = journal_block_up(s->scanned + 1);
			return true;
		}
		if ((size_t)n < want) {
			/* the file ends here */
			want = (size_t)n / JOURNAL_STEP * JOURNAL_STEP;
			s->limit = s->scanned + want;
		} else if (want < need) {
			segment_hurt(s, "a record could not be read");
			s->scanned += JOURNAL_STEP;
			return true;
		}
		need = scan_window(s, window->data, want);
	} while (need > 0);
	return true;
}

void journal_scan_finished(struct journal_segment *s)
{
	struct journal_segment *older =
		TAILQ_PREV(s, journal_segment_list, link);

	if (s->state != SEGMENT_LEFT || s->scanned < s->limit)
		return;
	free(s->old_marks);
	s->old_marks = NULL;
	s->old_mark_count = 0;
	journal_stock_reclaim(s);
	journal_marks_look_at_rest(s);
	if (older != NULL)
		journal_marks_look_at_rest(older);
}

static bool is_unread(const struct journal_segment *s)
{
	return (s->state == SEGMENT_OUT || s->state == SEGMENT_LEFT) &&
	       s->scanned < s->limit;
}

static struct journal_segment *next_to_scan(const struct journal_reader *r)
{
	struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link)
		if (is_unread(s) && !s->unreadable)
			return s;
	return NULL;
}

bool journal_scan_complete(const struct journal_reader *r)
{
	const struct journal_segment *s;

	TAILQ_FOREACH(s, &r->segments, link)
		if (is_unread(s))
			return false;
	return !r->blind;
}

static void on_scan_retry(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;
	struct journal_segment *s;

	(void)fd;
	(void)what;
	TAILQ_FOREACH(s, &r->segments, link)
		s->unreadable = false;
	journal_scan_soon(r);
}

static void scan_later(struct journal_segment *s)
{
	struct journal_reader *r = s->reader;
	struct log_text text;
	char name[HEX64_SIZE];

	s->unreadable = true;
	loop_after(r->scan_retry, SCAN_RETRY_S * 1000);
	if (s->told_unreadable)
		return;
	s->told_unreadable = true;
	log_err("journal-read-failed segment=%s reason=%s retry=%ds",
		hex64(name, s->number), log_text(&text, strerror(errno)),
		SCAN_RETRY_S);
}

static void on_scan(evutil_socket_t fd, short what, void *arg)
{
	struct journal_reader *r = arg;
	struct journal_segment *s = next_to_scan(r);

	(void)fd;
	(void)what;
	if (s != NULL) {
		if (scan_some(s))
			journal_scan_finished(s);
		else
			scan_later(s);
	}
	if (next_to_scan(r) != NULL) {
		/* What was found does not wait for the rest: an event made
		 * active would run before any other is polled. */
		loop_after(r->scan, 0);
		return;
	}
	buf_free(&r->window);
	if (r->holdings_known && !r->recovered) {
		r->recovered = true;
		journal_marks_sweep(r);
		r->callbacks.on_recovered(r->callbacks.arg);
	}
	journal_stock_settle_bodies(r);
	journal_stock_supply(r);
}

void journal_scan_init(struct journal_reader *r)
{
	r->scan = event_new(r->base, -1, 0, on_scan, r);
	r->scan_retry = evtimer_new(r->base, on_scan_retry, r);
	if (r->scan == NULL || r->scan_retry == NULL)
		abort();
}
