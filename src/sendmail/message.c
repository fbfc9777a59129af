/*
 * message.c - the message as it comes on standard input, and what it lacks.
 */
#include "config.h"

#include "sendmail/message.h"

#include "base/date.h"
#include "base/util.h"
#include "proto/header_field.h"
#include "submit/drop_format.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

enum {
	READ_SIZE = 64 * 1024,
	ADDED_MAX = 8 * 1024,
	NAME_MAX_KEPT = 256,
	FILE_MODE = 0600,
	NAMED_TRIES = 10,
	PATH_SIZE = 64, /* of a file in one of the places below */
};

void message_init(struct message *m, bool keep_dots)
{
	memset(m, 0, sizeof(*m));
	m->keep_dots = keep_dots;
	m->fd = -1;
	buf_init(&m->memory, MESSAGE_MEMORY_MAX);
	buf_init(&m->added, ADDED_MAX);
}

void message_free(struct message *m)
{
	buf_free(&m->memory);
	buf_free(&m->added);
	if (m->fd >= 0)
		close(m->fd);
	m->fd = -1;
}

/* --- input ---------------------------------------------------------------- */

/* Where a file cannot be made without a name (NFS; overlay, and so containers,
 * before Linux 6.1) it loses its name at once. */
static int open_named(const char *place)
{
	const int flags = O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char path[PATH_SIZE], hex[HEX64_SIZE];
	int fd = -1, i;

	for (i = 0; fd < 0 && i < NAMED_TRIES; i++) {
		text_join(path, sizeof(path),
			STRINGS(place, "/gmrelay-sendmail.",
				hex64(hex, random_u64())));
		fd = open(path, flags, FILE_MODE);
		if (fd < 0 && errno != EEXIST)
			return -1;
	}
	if (fd >= 0)
		unlink(path);
	return fd;
}

static int open_unnamed(const char *place)
{
	return open(place, O_TMPFILE | O_RDWR | O_EXCL | O_CLOEXEC, FILE_MODE);
}

/* A file without a name, in a place that is everybody's: what a user piles up
 * there is counted as the user's, not the spool's. */
static int open_file(struct err *err)
{
	static const char *const places[] = {"/var/tmp", "/tmp"};
	static int (*const ways[])(const char *place) = {
		open_unnamed, open_named};
	size_t way, i;
	int fd;

	for (way = 0; way < COUNT_OF(ways); way++)
		for (i = 0; i < COUNT_OF(places); i++) {
			fd = ways[way](places[i]);
			if (fd >= 0)
				return fd;
		}
	return err_errno(err, "no room for a large message in %s", places[0]);
}

static int store(
	struct message *m, const char *data, size_t len, struct err *err)
{
	if (len == 0)
		return 0;
	if (m->memory.len + m->file_size + len > DROP_MESSAGE_MAX)
		return err_set(err, ERR_LIMIT,
			"the message is larger than %d MiB",
			DROP_MESSAGE_MAX / (1024 * 1024));
	if (m->fd < 0 && len <= MESSAGE_MEMORY_MAX - m->memory.len) {
		if (buf_add(&m->memory, data, len) != 0)
			return err_set(err, ERR_SYSTEM, "out of memory");
		return 0;
	}
	if (m->fd < 0)
		m->fd = open_file(err);
	if (m->fd < 0)
		return -1;
	if (write_full(m->fd, data, len) != 0)
		return err_errno(err, "cannot keep a large message");
	m->file_size += len;
	return 0;
}

static int store_pending(struct message *m, struct err *err)
{
	size_t len = m->pending_len;

	m->pending_len = 0;
	return store(m, m->pending, len, err);
}

/* Looks at one byte at the beginning of a line. Returns 1 the message is over,
 * 0 not, -1 with err. */
static int begin_line(struct message *m, char c, struct err *err)
{
	if (c == '\n' && m->pending_len > 0)
		return 1;
	if ((c == '.' && m->pending_len == 0) ||
		(c == '\r' && m->pending_len == 1)) {
		m->pending[m->pending_len++] = c;
		return 0;
	}
	m->in_line = c != '\n';
	if (store_pending(m, err) != 0)
		return -1;
	return store(m, &c, 1, err);
}

/* The bytes from data on that belong to the line that has begun. */
static size_t rest_of_line(const char *data, size_t len)
{
	const char *lf = memchr(data, '\n', len);

	return lf != NULL ? (size_t)(lf - data) + 1 : len;
}

int message_add(
	struct message *m, const char *data, size_t len, struct err *err)
{
	size_t i, n;
	int rc;

	if (m->keep_dots)
		return store(m, data, len, err);
	for (i = 0; i < len; i += n) {
		if (!m->in_line) {
			n = 1;
			rc = begin_line(m, data[i], err);
			if (rc != 0) {
				m->ended = rc > 0;
				m->pending_len = 0;
				return rc;
			}
			continue;
		}
		n = rest_of_line(data + i, len - i);
		m->in_line = data[i + n - 1] != '\n';
		if (store(m, data + i, n, err) != 0)
			return -1;
	}
	return 0;
}

void message_end(struct message *m)
{
	/* a dot is a whole line at the end of the input, too */
	m->ended |= m->pending_len > 0;
	m->pending_len = 0;
}

int message_read(struct message *m, int fd, struct err *err)
{
	char block[READ_SIZE];
	ssize_t n;
	int rc;

	do {
		do
			n = read(fd, block, sizeof(block));
		while (n < 0 && errno == EINTR);
		if (n < 0)
			return err_errno(err, "cannot read the message");
		rc = message_add(m, block, (size_t)n, err);
		if (rc < 0)
			return -1;
	} while (n != 0 && rc == 0);
	message_end(m);
	return 0;
}

/* --- header --------------------------------------------------------------- */

/* The next line at *pos, without its end. False at the end. */
static bool next_line(const struct buf *text, size_t *pos,
	const char **line_out, size_t *len_out)
{
	const char *from;
	size_t len;

	if (*pos == text->len)
		return false;
	from = text->data + *pos;
	len = rest_of_line(from, text->len - *pos);
	*pos += len;
	while (len > 0 && (from[len - 1] == '\n' || from[len - 1] == '\r'))
		len--;
	*line_out = from;
	*len_out = len;
	return true;
}

void message_header(const struct message *m, struct header_block *out)
{
	const char *line;
	size_t pos = 0, len;

	header_block_init(out);
	while (!out->ended && next_line(&m->memory, &pos, &line, &len))
		header_block_add(out, line, len);
}

static bool has_field(const struct header_block *h, const char *name)
{
	struct header_field f;
	size_t pos = 0;

	while (header_field_next(h->text.data, h->text.len, &pos, &f) > 0)
		if (header_field_is(&f, name))
			return true;
	return false;
}

/* The name as a quoted-string (RFC 5322 3.2.4). */
static int add_from(struct buf *out, const struct message_author *a)
{
	char name[2 * NAME_MAX_KEPT + 1];
	size_t i, len = 0;

	for (i = 0; i < NAME_MAX_KEPT && a->name[i] != '\0'; i++) {
		if ((unsigned char)a->name[i] < ' ' || a->name[i] == 0x7f)
			continue;
		if (a->name[i] == '"' || a->name[i] == '\\')
			name[len++] = '\\';
		name[len++] = a->name[i];
	}
	name[len] = '\0';
	if (len == 0)
		return buf_addf(out, "From: %s\n", a->address);
	return buf_addf(out, "From: \"%s\" <%s>\n", name, a->address);
}

/* What stands first is no header line: it must not become part of ours. */
static bool begins_with_text(const struct message *m)
{
	const char *line;
	size_t pos = m->skipped, len, value_at;

	return next_line(&m->memory, &pos, &line, &len) && len > 0 &&
	       header_name_length(line, len, &value_at) == 0;
}

/* A mailbox's "From sender date", which may stand first and nowhere else. */
static size_t mbox_line(const struct message *m)
{
	const char *line;
	size_t pos = 0, len, value_at, quoted;

	if (!next_line(&m->memory, &pos, &line, &len))
		return 0;
	quoted = len > 0 && line[0] == '>' ? 1 : 0;
	if (len < quoted + 5 || memcmp(line + quoted, "From ", 5) != 0 ||
		header_name_length(line, len, &value_at) > 0)
		return 0;
	return pos;
}

int message_complete(struct message *m, const struct header_block *h,
	const struct message_author *a, struct err *err)
{
	struct buf *out = &m->added;
	char date[64];
	int rc = 0;

	if (!has_field(h, "From"))
		rc |= add_from(out, a);
	if (!has_field(h, "Date"))
		rc |= buf_addf(out, "Date: %s\n",
			date_print(
				a->now_s, a->utc_offset_s, date, sizeof(date)));
	if (!has_field(h, "Message-ID"))
		rc |= buf_addf(out, "Message-ID: <%016llx.%lld@%s>\n",
			(unsigned long long)a->id, (long long)a->now_s,
			a->host);
	m->skipped = mbox_line(m);
	if (begins_with_text(m))
		rc |= buf_add(out, "\n", 1);
	return rc == 0 ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

static size_t add_part(struct submit_part *part, const char *data, size_t len)
{
	*part = (struct submit_part){.data = data, .len = len};
	return len > 0 ? 1 : 0;
}

size_t message_parts(
	const struct message *m, struct submit_part parts[SUBMIT_PARTS_MAX])
{
	size_t count = 0;

	count += add_part(&parts[count], m->added.data, m->added.len);
	if (m->memory.len > m->skipped)
		count += add_part(&parts[count], m->memory.data + m->skipped,
			m->memory.len - m->skipped);
	if (m->fd >= 0)
		parts[count++] =
			(struct submit_part){.fd = m->fd, .len = m->file_size};
	return count;
}
