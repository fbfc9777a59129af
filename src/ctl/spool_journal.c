/*
 * spool_journal.c - reads the segments of a journal as they lie there.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "ctl/spool_scan_internal.h"
#include "spool/journal.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* One segment in memory. */
struct segment {
	char name[JOURNAL_NAME_SIZE];
	uint64_t number;
	uint64_t key;
	char *data;
	size_t size;
	uint8_t *done; /* a bit for each JOURNAL_STEP */
	size_t records;
	bool suspect; /* a head of ours without a right record behind it */
	uint64_t suspect_offset;
};

enum { DONE_BITS = JOURNAL_SEGMENT_SIZE / JOURNAL_STEP, READ_MARKS = 4096 };

static void set_done(struct segment *g, uint64_t offset)
{
	uint64_t bit = offset / JOURNAL_STEP;

	if (bit < DONE_BITS)
		g->done[bit / 8] |= (uint8_t)(1U << (bit % 8));
}

static bool is_done(const struct segment *g, uint64_t offset)
{
	uint64_t bit = offset / JOURNAL_STEP;

	return (g->done[bit / 8] >> (bit % 8) & 1) != 0;
}

/* What is no mark (a torn end, old bytes) marks nothing: its record would only
 * be delivered again. */
static void read_marks(struct spool_scan *s, struct segment *g)
{
	uint8_t marks[READ_MARKS * JOURNAL_MARK_SIZE];
	char name[JOURNAL_DONE_NAME_SIZE];
	uint64_t offset;
	ssize_t n, i;
	off_t at = 0;
	int fd;

	journal_done_name(name, g->number);
	fd = openat(s->journal_fd, name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd < 0)
		return;
	while ((n = pread_full(fd, marks, sizeof(marks), at)) > 0) {
		for (i = 0; i + JOURNAL_MARK_SIZE <= n; i += JOURNAL_MARK_SIZE)
			if (journal_mark_read(marks + i, g->key, &offset) == 0)
				set_done(g, offset);
		at += n;
	}
	close(fd);
	if (n < 0)
		scan_problem(s, true, name, "cannot be read");
}

/* A whole, right record. */
static void take_record(struct spool_scan *s, struct segment *g,
	const struct journal_head *head)
{
	const char *text = g->data + head->offset + JOURNAL_HEAD_SIZE;
	size_t len = head->length - JOURNAL_HEAD_SIZE, used = 0;
	struct content *content = NULL;
	struct envelope *env;
	struct buf bytes;
	struct err err;

	s->counts.records++;
	if (is_done(g, head->offset) || id_set_has(&s->files, head->id)) {
		s->counts.done++;
		return;
	}
	s->counts.journal++;
	env = envelope_parse(text, len, &used, &err);
	if (env == NULL) {
		scan_problem(s, true, g->name, "the record at %llu: %s",
			(unsigned long long)head->offset, err.text);
		return;
	}
	if (env->id != head->id ||
		len - used != (env->body_name == 0 ? env->size : 0)) {
		scan_problem(s, true, g->name,
			"the record at %llu contradicts its envelope",
			(unsigned long long)head->offset);
		envelope_free(&env);
		return;
	}
	if (env->body_name == 0) {
		buf_init(&bytes, JOURNAL_RECORD_MAX);
		if (buf_add(&bytes, text + used, len - used) != 0)
			abort();
		content = content_of_buf(&bytes, 0);
	}
	scan_message(s, SPOOL_JOURNAL, env, &content, g->name);
	envelope_free(&env);
}

/* A head without its record is damage where whole records follow; at the end
 * it is what a crash leaves of a message that was not acknowledged. */
static void tell_suspect(struct spool_scan *s, struct segment *g, bool followed)
{
	if (!g->suspect)
		return;
	g->suspect = false;
	if (is_done(g, g->suspect_offset))
		return;
	if (followed)
		scan_problem(s, true, g->name,
			"the record at %llu is damaged (or was never "
			"acknowledged, if the power failed)",
			(unsigned long long)g->suspect_offset);
	else
		scan_problem(s, false, g->name,
			"unfinished at %llu: a message that was not "
			"acknowledged",
			(unsigned long long)g->suspect_offset);
}

static void read_records(struct spool_scan *s, struct segment *g)
{
	struct journal_head head;
	size_t at = 0;
	int rc;

	while (at + JOURNAL_HEAD_SIZE <= g->size) {
		memset(&head, 0, sizeof(head));
		rc = journal_head_read(
			g->data + at, g->size - at, g->key, at, &head);
		if (rc == 1) {
			tell_suspect(s, g, true);
			take_record(s, g, &head);
			at += journal_padded(head.length);
			continue;
		}
		if (head.key == g->key && !g->suspect) {
			g->suspect = true;
			g->suspect_offset = at;
		}
		at += JOURNAL_STEP;
	}
	tell_suspect(s, g, false);
}

static int load(struct spool_scan *s, struct segment *g)
{
	struct stat st;
	ssize_t n = -1;
	int fd;

	fd = openat(s->journal_fd, g->name,
		O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
	if (fd >= 0 && fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		st.st_size <= JOURNAL_SEGMENT_SIZE)
		n = pread_full(fd, g->data, (size_t)st.st_size, 0);
	if (fd >= 0)
		close(fd);
	if (n < 0) {
		scan_problem(s, true, g->name, "cannot be read as a segment");
		return -1;
	}
	g->size = (size_t)n;
	return 0;
}

static void on_name(struct spool_scan *s, const char *name)
{
	struct segment g = {.size = 0};
	uint64_t number;

	if (journal_done_name_parse(name, &number) == 0)
		return;
	if (journal_segment_name_parse(name, &g.number, &g.key) != 0) {
		scan_problem(s, false, name,
			"is no segment: one that was being made, or a "
			"stranger's file");
		return;
	}
	memcpy(g.name, name, sizeof(g.name));
	g.data = malloc(JOURNAL_SEGMENT_SIZE);
	g.done = calloc(1, DONE_BITS / 8);
	if (g.data == NULL || g.done == NULL)
		abort();
	s->counts.segments++;
	if (load(s, &g) == 0) {
		read_marks(s, &g);
		read_records(s, &g);
	}
	free(g.data);
	free(g.done);
}

int scan_journal(struct spool_scan *s, struct err *err)
{
	return scan_names(s->journal_fd, on_name, s, err);
}
