/*
 * drop_file.c - one look through SPOOL/drop/, and what becomes of each file.
 *
 * Who has the directory's group can put there what they like: links, pipes,
 * files that change. So nothing is believed but what an open descriptor says,
 * and names that the command does not give are left alone.
 */
#include "config.h"

#include "relay/drop_internal.h"

#include "base/buf.h"
#include "base/util.h"
#include "relay/drop_wait.h"
#include "relay/report_cap.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	BLOCK_SIZE = 16 * 1024,
	FILE_MODE = 0640,
	READ_FLAGS = O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC,
};

/* --- names ---------------------------------------------------------------- */

enum kind { KIND_NONE, KIND_MESSAGE, KIND_TEMPORARY, KIND_ASIDE, KIND_STRAY };

static enum kind kind_of(const char *name)
{
	const size_t len = strlen(name), aside = sizeof(DROP_ASIDE) - 1;
	uint64_t number;

	if (strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
		return KIND_NONE;
	if (len == HEX64_LEN && hex64_parse(name, &number) == 0)
		return KIND_MESSAGE;
	if (strncmp(name, DROP_TEMPORARY, sizeof(DROP_TEMPORARY) - 1) == 0)
		return KIND_TEMPORARY;
	if (len > aside && strcmp(name + len - aside, DROP_ASIDE) == 0)
		return KIND_ASIDE;
	return KIND_STRAY;
}

static void set_aside(const struct drop_look *look, const char *name,
	struct drop_outcome *out)
{
	char aside[HEX64_LEN + sizeof(DROP_ASIDE)];

	out->fate = DROP_SET_ASIDE;
	snprintf(aside, sizeof(aside), "%.*s" DROP_ASIDE, HEX64_LEN, name);
	/* where that fails it is looked at again, at a time */
	if (renameat(look->dir_fd, name, look->dir_fd, aside) != 0)
		out->fate = DROP_LATER;
}

/* What its writer left unfinished: locked while it lives. */
static void sweep(const struct drop_look *look, const char *name)
{
	int fd = openat(look->dir_fd, name, READ_FLAGS);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) &&
		flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(look->dir_fd, name, 0);
	close(fd);
}

/* --- one file ------------------------------------------------------------- */

/* Reads the lines before the message; *length_out is theirs. Returns 0, -1 with
 * err. */
static int read_envelope(
	struct drop_mail *mail, size_t *length_out, struct err *err)
{
	char block[BLOCK_SIZE];
	size_t at = 0, used = 0;
	ssize_t n;
	int rc = 0;

	while (rc == 0) {
		n = pread_full(mail->fd, block, sizeof(block), (off_t)at);
		if (n < 0)
			return err_errno(err, "cannot read it");
		if (n == 0)
			return err_set(err, ERR_SYNTAX, "it ends too early");
		rc = drop_parser_feed(
			&mail->parser, block, (size_t)n, &used, err);
		at += used;
	}
	*length_out = at;
	return rc > 0 ? 0 : -1;
}

/* The file must be what the command makes. */
static int examine(struct drop_mail *mail, struct err *err)
{
	const struct drop_envelope *e = &mail->parser.envelope;
	struct submit_message *m = &mail->message;
	struct stat st;
	size_t length = 0;
	uint64_t octets;

	if (fstat(mail->fd, &st) != 0)
		return err_errno(err, "cannot look at it");
	mail->uid = st.st_uid;
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_ACCESS, "it is no regular file");
	if (st.st_nlink != 1)
		return err_set(err, ERR_ACCESS, "it has other names");
	if (st.st_size > DROP_ENVELOPE_MAX + DROP_MESSAGE_MAX)
		return err_set(err, ERR_LIMIT, "it is too large");
	if (read_envelope(mail, &length, err) != 0)
		return -1;
	octets = (uint64_t)st.st_size - length;
	if (octets != e->size)
		return err_set(err, ERR_DAMAGED,
			"its message has %llu octet%s, its size line says %llu",
			(unsigned long long)octets, plural(octets),
			(unsigned long long)e->size);
	if (e->has_uid && st.st_uid != geteuid())
		return err_set(
			err, ERR_ACCESS, "it claims to be another user's");
	if (e->has_uid)
		mail->uid = e->uid;
	m->from = e->from;
	m->rcpts = (const char *const *)e->rcpts;
	m->rcpt_count = e->rcpt_count;
	m->smtputf8 = e->smtputf8;
	m->has_owner = true;
	m->owner = mail->uid;
	m->notify = e->notify;
	m->ret = e->ret;
	m->envid = e->envid;
	m->parts[0] = (struct submit_part){
		.fd = mail->fd, .offset = (off_t)length, .len = e->size};
	m->part_count = 1;
	return 0;
}

/* The file as it is to be for those recipients that are still open. */
static int write_rest(int fd, const struct submit_message *m)
{
	struct buf lines;
	int rc;

	buf_init(&lines, DROP_ENVELOPE_MAX);
	rc = drop_envelope_print(m, &lines);
	if (rc == 0 &&
		(fchmod(fd, FILE_MODE) != 0 ||
			write_full(fd, lines.data, lines.len) != 0 ||
			drop_message_write(m, fd) != 0 || fsync(fd) != 0))
		rc = -1;
	buf_free(&lines);
	return rc;
}

/* Puts a file of ours in its place, which names the user. Where that fails all
 * recipients are tried again, the lesser evil. */
static void keep_rest(
	const struct drop_look *look, const struct drop_mail *mail)
{
	char temporary[sizeof(DROP_TEMPORARY) + HEX64_LEN], hex[HEX64_SIZE];
	int fd;

	snprintf(temporary, sizeof(temporary), DROP_TEMPORARY "%s",
		hex64(hex, random_u64()));
	fd = openat(look->dir_fd, temporary,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC,
		FILE_MODE);
	if (fd < 0)
		return;
	if (write_rest(fd, &mail->message) != 0 ||
		renameat(look->dir_fd, temporary, look->dir_fd, mail->name) !=
			0)
		unlinkat(look->dir_fd, temporary, 0);
	else
		fsync(look->dir_fd);
	close(fd);
}

static void hand_in(struct drop_look *look, struct drop_mail *mail,
	struct drop_outcome *out)
{
	struct submit_message *m = &mail->message;
	size_t open;

	m->fates = calloc(m->rcpt_count, sizeof(*m->fates));
	if (m->fates == NULL) {
		out->fate = DROP_LATER;
		snprintf(out->why, sizeof(out->why), "out of memory");
		return;
	}
	drop_send(look, mail, out);
	open = submit_count(m, SUBMIT_OPEN);
	out->rcpt_count = m->rcpt_count;
	if (open == 0)
		unlinkat(look->dir_fd, mail->name, 0);
	else if (open < m->rcpt_count)
		keep_rest(look, mail);
	if (out->fate == DROP_SET_ASIDE)
		set_aside(look, mail->name, out);
	free(m->fates);
}

/* The machine's trouble, not the file's: no descriptors, no memory, a disk that
 * comes and goes. */
static bool may_pass(int error)
{
	return error == EMFILE || error == ENFILE || error == ENOMEM ||
	       error == EIO || error == EINTR;
}

static void take(
	struct drop_look *look, const char *name, struct drop_outcome *out)
{
	struct drop_mail mail = {.name = name};
	struct err err = {.kind = ERR_NONE};
	bool wait = false;

	mail.fd = openat(look->dir_fd, name, READ_FLAGS);
	if (mail.fd < 0 && errno == ENOENT)
		return;
	drop_parser_init(&mail.parser);
	look->count++;
	if (mail.fd < 0) {
		wait = may_pass(errno);
		err_errno(&err, "cannot open it");
	} else if (examine(&mail, &err) != 0) {
		wait = err.kind == ERR_SYSTEM;
	}
	out->uid = mail.uid;
	snprintf(
		out->why, sizeof(out->why), "%.*s", DROP_WHY_MAX - 1, err.text);
	if (err.kind == ERR_NONE)
		hand_in(look, &mail, out);
	else if (wait)
		out->fate = DROP_LATER;
	else
		set_aside(look, name, out);
	if (mail.fd >= 0)
		close(mail.fd);
	drop_parser_free(&mail.parser);
}

/* --- the look ------------------------------------------------------------- */

void drop_look_init(struct drop_look *look)
{
	memset(look, 0, sizeof(*look));
	pthread_mutex_init(&look->mutex, NULL);
	look->cap = report_cap_new();
	look->waits = drop_waits_new();
	look->connection = -1;
	look->dir_fd = -1;
}

void drop_look_free(struct drop_look *look)
{
	if (look->dir != NULL)
		closedir(look->dir);
	look->dir = NULL;
	report_cap_free(&look->cap);
	drop_waits_free(&look->waits);
	pthread_mutex_destroy(&look->mutex);
}

static bool is_stopped(struct drop_look *look)
{
	bool stop;

	pthread_mutex_lock(&look->mutex);
	stop = look->stop;
	pthread_mutex_unlock(&look->mutex);
	return stop;
}

static DIR *open_look(const struct drop_look *look)
{
	int fd = openat(look->dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL && fd >= 0)
		close(fd);
	return dir;
}

static void count_one(
	const struct drop_look *look, const char *name, struct drop_counts *out)
{
	struct stat st;

	switch (kind_of(name)) {
	case KIND_MESSAGE:
		/* one that was taken in meanwhile is none */
		if (fstatat(look->dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			break;
		if (out->waiting++ == 0 || st.st_mtime < out->oldest_s)
			out->oldest_s = st.st_mtime;
		break;
	case KIND_ASIDE:
		out->refused++;
		break;
	default:
		break;
	}
}

int drop_look_count(const struct drop_look *look, struct drop_counts *out)
{
	const struct dirent *entry = NULL;
	DIR *dir = open_look(look);
	size_t seen = 0;

	memset(out, 0, sizeof(*out));
	if (dir == NULL)
		return -1;
	while (seen++ < DROP_COUNT_MAX && (entry = readdir(dir)) != NULL)
		count_one(look, entry->d_name, out);
	out->more = entry != NULL;
	closedir(dir);
	return 0;
}

bool drop_look_is_empty(const struct drop_look *look)
{
	const struct dirent *entry;
	DIR *dir = open_look(look);
	bool empty = dir != NULL; /* else nobody knows */
	enum kind kind;

	while (empty && (entry = readdir(dir)) != NULL) {
		kind = kind_of(entry->d_name);
		empty = kind == KIND_NONE || kind == KIND_ASIDE;
	}
	if (dir != NULL)
		closedir(dir);
	return empty;
}

/* Takes it in, unless it was refused for now and waits. */
static void take_if_due(
	struct drop_look *look, const char *name, struct drop_outcome *out)
{
	uint64_t id = 0;

	(void)hex64_parse(name, &id);
	if (!drop_waits_is_due(look->waits, id, clock_boot_ms()))
		return;
	take(look, name, out);
	if (out->fate == DROP_LATER)
		out->told =
			!drop_waits_refuse(look->waits, id, clock_boot_ms());
	else if (out->fate != DROP_UNREACHABLE)
		drop_waits_forget(look->waits, id);
}

static void look_at(struct drop_look *look, const char *name)
{
	struct drop_outcome *out = &look->outcomes[look->count];

	memset(out, 0, sizeof(*out));
	snprintf(out->name, sizeof(out->name), "%.*s", DROP_NAME_MAX, name);
	switch (kind_of(name)) {
	case KIND_MESSAGE:
		take_if_due(look, name, out);
		break;
	case KIND_TEMPORARY:
		sweep(look, name);
		break;
	case KIND_STRAY:
		if (!look->tell_strays)
			break;
		look->tell_strays = false;
		out->fate = DROP_LEFT_ALONE;
		look->count++;
		break;
	default:
		break;
	}
}

/* Whether the receiver takes nothing now. */
static bool is_hopeless(const struct drop_look *look)
{
	return look->count > 0 &&
	       look->outcomes[look->count - 1].fate == DROP_UNREACHABLE;
}

static void note_unreadable(struct drop_look *look)
{
	struct drop_outcome *out = &look->outcomes[look->count++];

	memset(out, 0, sizeof(*out));
	out->fate = DROP_UNREACHABLE;
	snprintf(out->name, sizeof(out->name), ".");
	snprintf(out->why, sizeof(out->why), "cannot read the directory: %s",
		strerror(errno));
}

/* The next name; NULL at the end, or where the directory cannot be read. */
static const struct dirent *next_entry(struct drop_look *look)
{
	const struct dirent *entry = NULL;

	errno = 0;
	if (look->dir == NULL) {
		look->dir = open_look(look);
		drop_waits_begin_pass(look->waits);
	}
	if (look->dir != NULL)
		entry = readdir(look->dir);
	if (entry == NULL && errno != 0)
		note_unreadable(look);
	else if (entry == NULL)
		look->next_ms = drop_waits_end_pass(look->waits);
	return entry;
}

void drop_look_run(struct drop_look *look)
{
	const struct dirent *entry = NULL;

	look->count = 0;
	while (look->count < DROP_LOOK_MAX && !is_stopped(look) &&
		!is_hopeless(look) && (entry = next_entry(look)) != NULL)
		look_at(look, entry->d_name);
	/* a pass that is given up is no pass to go on with later */
	look->more = look->dir != NULL && entry != NULL && !is_hopeless(look);
	if (look->dir != NULL && !look->more) {
		closedir(look->dir);
		look->dir = NULL;
	}
}
