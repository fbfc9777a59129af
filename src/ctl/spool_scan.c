/*
 * spool_scan.c - reads a spool directory: queue/, failed/, large/.
 */
#include "config.h"

#include "ctl/spool_scan.h"

#include "base/util.h"
#include "ctl/spool_scan_internal.h"
#include "spool/queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- sets of ids --------------------------------------------------------- */

static void id_set_add(struct id_set *set, uint64_t id)
{
	if (set->count == set->cap) {
		set->cap = set->cap > 0 ? 2 * set->cap : 64;
		set->ids = reallocarray(set->ids, set->cap, sizeof(*set->ids));
		if (set->ids == NULL)
			abort();
	}
	set->ids[set->count++] = id;
}

static int compare_ids(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

/* From here on it can be looked into. */
static void id_set_sort(struct id_set *set)
{
	if (set->count > 0)
		qsort(set->ids, set->count, sizeof(*set->ids), compare_ids);
}

bool id_set_has(const struct id_set *set, uint64_t id)
{
	return set->count > 0 && bsearch(&id, set->ids, set->count, sizeof(id),
					 compare_ids) != NULL;
}

/* --- what all parts use -------------------------------------------------- */

void scan_problem(struct spool_scan *s, bool damaged, const char *where,
	const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	if (damaged)
		s->counts.damaged++;
	else
		s->counts.notes++;
	s->callbacks.on_problem(s->callbacks.arg, damaged, where, text);
}

void scan_message(struct spool_scan *s, enum spool_place place,
	const struct envelope *env, struct content **content, const char *where)
{
	struct err err = {.text = "cannot be read"};

	if (env->damaged)
		scan_problem(s, false, where,
			"was found damaged: this is what is left of it");
	if (env->body_name != 0) {
		id_set_add(&s->bodies, env->body_name);
		if (*content == NULL)
			*content = content_of_file(s->large_fd, env->body_name,
				env->size, env->body_check, &err);
	}
	if (*content == NULL)
		scan_problem(s, true, where, "%s", err.text);
	else if (s->callbacks.on_message(
			 s->callbacks.arg, place, env, *content, &err) != 0)
		scan_problem(s, true, where, "%s", err.text);
	content_free(content);
}

int scan_names(int dir_fd, void (*fn)(struct spool_scan *s, const char *name),
	struct spool_scan *s, struct err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return err_errno(err, "cannot read a directory of the spool");
	}
	while ((entry = readdir(dir)) != NULL)
		if (strcmp(entry->d_name, ".") != 0 &&
			strcmp(entry->d_name, "..") != 0)
			fn(s, entry->d_name);
	closedir(dir);
	return 0;
}

/* --- queue/ and failed/ -------------------------------------------------- */

static bool is_id(const char *name, uint64_t *id_out)
{
	return strlen(name) == HEX64_LEN && hex64_parse(name, id_out) == 0 &&
	       *id_out != 0;
}

static void note_file(struct spool_scan *s, const char *name)
{
	uint64_t id;

	if (is_id(name, &id))
		id_set_add(&s->files, id);
	else
		scan_problem(s, false, name,
			"is no message: a file being written when the daemon "
			"ended, or a stranger's");
}

static int open_part(int spool_fd, const char *name, struct err *err)
{
	int fd = openat(spool_fd, name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		err_errno(err, "cannot open %s/ of the spool", name);
	return fd;
}

/* Reads the messages with the ids found from index first on. */
static void read_files(
	struct spool_scan *s, int dir_fd, enum spool_place place, size_t first)
{
	const char *part = place == SPOOL_FAILED ? "failed" : "queue";
	char where[sizeof("failed/") + HEX64_SIZE], name[HEX64_SIZE];
	struct content *content;
	struct envelope *env;
	struct err err;
	size_t i;

	for (i = first; i < s->files.count; i++) {
		snprintf(where, sizeof(where), "%s/%s", part,
			hex64(name, s->files.ids[i]));
		content = NULL;
		if (queue_read(dir_fd, s->large_fd, s->files.ids[i], &env,
			    &content, &err) != 0) {
			scan_problem(s, true, where, "%s", err.text);
			continue;
		}
		scan_message(s, place, env, &content, where);
		envelope_free(&env);
	}
}

static int scan_files(struct spool_scan *s, int spool_fd,
	enum spool_place place, struct err *err)
{
	size_t first = s->files.count;
	int fd = open_part(
		spool_fd, place == SPOOL_FAILED ? "failed" : "queue", err);

	if (fd < 0)
		return -1;
	if (scan_names(fd, note_file, s, err) != 0) {
		close(fd);
		return -1;
	}
	read_files(s, fd, place, first);
	if (place == SPOOL_FAILED)
		s->counts.failed = s->files.count - first;
	else
		s->counts.queue = s->files.count - first;
	close(fd);
	return 0;
}

/* --- large/ -------------------------------------------------------------- */

static void check_body_name(struct spool_scan *s, const char *name)
{
	uint64_t id;

	s->counts.bodies++;
	if (!is_id(name, &id))
		scan_problem(s, false, name, "is no body: a stranger's file");
	else if (!id_set_has(&s->bodies, id))
		s->counts.spare++;
}

/* --- all of it ----------------------------------------------------------- */

static int scan_parts(struct spool_scan *s, int spool_fd, struct err *err)
{
	if (scan_files(s, spool_fd, SPOOL_QUEUE, err) != 0 ||
		scan_files(s, spool_fd, SPOOL_FAILED, err) != 0)
		return -1;
	id_set_sort(&s->files);
	if (scan_journal(s, err) != 0)
		return -1;
	id_set_sort(&s->bodies);
	return scan_names(s->large_fd, check_body_name, s, err);
}

int spool_scan(const char *directory, const struct spool_callbacks *callbacks,
	struct spool_counts *out, struct err *err)
{
	struct spool_scan s = {
		.journal_fd = -1, .large_fd = -1, .callbacks = *callbacks};
	int spool_fd = open(directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	int rc = -1;

	if (spool_fd < 0)
		return err_errno(err, "cannot open the spool %s", directory);
	s.large_fd = open_part(spool_fd, "large", err);
	if (s.large_fd >= 0)
		s.journal_fd = open_part(spool_fd, "journal", err);
	if (s.journal_fd >= 0)
		rc = scan_parts(&s, spool_fd, err);
	*out = s.counts;
	free(s.files.ids);
	free(s.bodies.ids);
	if (s.journal_fd >= 0)
		close(s.journal_fd);
	if (s.large_fd >= 0)
		close(s.large_fd);
	close(spool_fd);
	return rc;
}
