/*
 * spool_power.c - what a power cut takes back.
 *
 * Every write that no sync has covered is remembered with what stood there
 * before, every name that its directory has not been synced for. A cut goes
 * back through them: each sector of 512 octets keeps one of the versions it had
 * since its last sync, each directory's changes are undone from some point on.
 * A write whose sync failed stays in doubt for good.
 */
#include "config.h"

#include "spool_io_internal.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	SECTOR = 512,
	SECTORS_MAX = 16 * 1024 * 1024 / SECTOR,
	PATH_SIZE = 2 * IO_NAME_MAX,
};

struct pending_write {
	TAILQ_ENTRY(pending_write) link;
	uint64_t seq;
	uint64_t offset;
	size_t len;
	uint64_t old_size; /* of the file */
	char *old;         /* what stood there, as far as the file went */
	bool zeros;        /* only makes the file longer */
	bool failed;       /* a sync of it failed */
};

/* A file with writes in doubt. */
struct pending_file {
	LIST_ENTRY(pending_file) link;
	uint64_t file; /* inode */
	int fd;
	uint64_t synced_size; /* it is not shorter than this */
	TAILQ_HEAD(pending_writes, pending_write) writes;
	bool settled[SECTORS_MAX];
};

struct pending_name {
	TAILQ_ENTRY(pending_name) link;
	uint64_t seq;
	char from[IO_NAME_MAX]; /* of a renamed or removed one; "": made */
	char to[IO_NAME_MAX];   /* below the spool, or in the grave */
	bool buried;
	bool over; /* with the one before it: a file was replaced */
};

static struct {
	char dir[IO_NAME_MAX];
	uint64_t seq;
	uint64_t graves;
	LIST_HEAD(, pending_file) files;
	TAILQ_HEAD(pending_names, pending_name) names;
} power;

static const char *path_of(char path[PATH_SIZE], const char *name)
{
	snprintf(path, PATH_SIZE, "%s%s", power.dir, name);
	return path;
}

static uint64_t size_of(int fd)
{
	struct stat st;

	return fstat(fd, &st) == 0 ? (uint64_t)st.st_size : 0;
}

static struct pending_file *find_file(int fd)
{
	struct pending_file *f;
	struct stat st;

	if (fstat(fd, &st) != 0)
		return NULL;
	LIST_FOREACH(f, &power.files, link)
		if (f->file == st.st_ino)
			return f;
	return NULL;
}

static struct pending_file *file_for(int fd)
{
	struct pending_file *f = find_file(fd);
	struct stat st;
	char link[32];

	if (f != NULL)
		return f;
	f = xcalloc(1, sizeof(*f));
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	f->fd = (int)syscall(SYS_openat, AT_FDCWD, link, O_RDWR | O_CLOEXEC);
	if (f->fd < 0 || fstat(f->fd, &st) != 0)
		abort();
	f->file = st.st_ino;
	TAILQ_INIT(&f->writes);
	LIST_INSERT_HEAD(&power.files, f, link);
	return f;
}

static void drop_write(struct pending_file *f, struct pending_write *w)
{
	TAILQ_REMOVE(&f->writes, w, link);
	free(w->old);
	free(w);
}

static void drop_file(struct pending_file *f)
{
	struct pending_write *w;

	while ((w = TAILQ_FIRST(&f->writes)) != NULL)
		drop_write(f, w);
	LIST_REMOVE(f, link);
	close(f->fd);
	free(f);
}

void power_before_write(int fd, uint64_t offset, size_t len, bool zeros)
{
	struct pending_file *f = file_for(fd);
	struct pending_write *w = xcalloc(1, sizeof(*w));

	w->seq = ++power.seq;
	w->offset = offset;
	w->len = len;
	w->old_size = size_of(fd);
	w->zeros = zeros && offset >= w->old_size;
	if (!w->zeros) {
		w->old = xcalloc(1, len);
		(void)!syscall(SYS_pread64, f->fd, w->old, len, offset);
	}
	TAILQ_INSERT_TAIL(&f->writes, w, link);
}

uint64_t power_mark(void)
{
	return power.seq;
}

/* What was written again and synced is no more in doubt. */
static void drop_older(struct pending_file *f, const struct pending_write *by)
{
	struct pending_write *w, *before;

	for (w = TAILQ_PREV(by, pending_writes, link); w != NULL; w = before) {
		before = TAILQ_PREV(w, pending_writes, link);
		if (w->offset >= by->offset &&
			w->offset + w->len <= by->offset + by->len)
			drop_write(f, w);
	}
}

void power_synced(int fd, uint64_t mark, bool ok)
{
	struct pending_file *f = find_file(fd);
	struct pending_write *w, *next;

	if (f == NULL)
		return;
	for (w = TAILQ_FIRST(&f->writes); w != NULL; w = next) {
		next = TAILQ_NEXT(w, link);
		if (w->seq > mark)
			break;
		if (!ok)
			w->failed = true;
		else if (w->offset + w->len > f->synced_size)
			f->synced_size = w->offset + w->len;
		if (w->failed)
			continue;
		drop_older(f, w);
		drop_write(f, w);
	}
	if (TAILQ_EMPTY(&f->writes))
		drop_file(f);
}

static struct pending_name *add_name(const char *from, const char *to)
{
	struct pending_name *n = xcalloc(1, sizeof(*n));

	n->seq = ++power.seq;
	snprintf(n->from, sizeof(n->from), "%s", from);
	snprintf(n->to, sizeof(n->to), "%s", to);
	TAILQ_INSERT_TAIL(&power.names, n, link);
	return n;
}

void power_created(const char *name)
{
	add_name("", name);
}

void power_linked(const char *name)
{
	add_name("", name);
}

static int move(const char *from, const char *to)
{
	char old[PATH_SIZE], new[PATH_SIZE];

	return (int)syscall(SYS_renameat2, AT_FDCWD, path_of(old, from),
		AT_FDCWD, path_of(new, to), 0);
}

/* What is removed can come back, so it is only moved away. */
int power_unlink(const char *name)
{
	char grave[IO_NAME_MAX];

	snprintf(grave, sizeof(grave), "grave/%llu",
		(unsigned long long)++power.graves);
	if (move(name, grave) != 0)
		return -1;
	add_name(name, grave)->buried = true;
	return 0;
}

void power_renamed(const char *from, const char *to)
{
	char path[PATH_SIZE];
	struct stat st;
	bool over = lstat(path_of(path, to), &st) == 0;

	if (over)
		(void)power_unlink(to);
	add_name(from, to)->over = over;
}

static bool in_directory(const struct pending_name *n, const char *prefix)
{
	const char *name = n->from[0] != '\0' ? n->from : n->to;

	return strncmp(name, prefix, strlen(prefix)) == 0;
}

static void drop_name(struct pending_name *n)
{
	char path[PATH_SIZE];

	if (n->buried)
		(void)syscall(SYS_unlinkat, AT_FDCWD, path_of(path, n->to), 0);
	TAILQ_REMOVE(&power.names, n, link);
	free(n);
}

void power_directory_synced(const char *prefix, uint64_t mark)
{
	struct pending_name *n, *next;

	for (n = TAILQ_FIRST(&power.names); n != NULL; n = next) {
		next = TAILQ_NEXT(n, link);
		if (n->seq <= mark && in_directory(n, prefix))
			drop_name(n);
	}
}

static void undo_name(struct pending_name *n)
{
	char path[PATH_SIZE];

	if (n->from[0] != '\0') {
		if (move(n->to, n->from) != 0)
			abort();
	} else {
		(void)syscall(SYS_unlinkat, AT_FDCWD, path_of(path, n->to), 0);
	}
	TAILQ_REMOVE(&power.names, n, link);
	free(n);
}

/* A journalling file system keeps the order of names in one directory. */
static void cut_directory(const char *prefix)
{
	struct pending_name *n, *before;
	uint32_t count = 0, lost;
	bool over;

	TAILQ_FOREACH(n, &power.names, link)
		count += in_directory(n, prefix) && !n->over;
	lost = io_random(count + 1);
	for (n = TAILQ_LAST(&power.names, pending_names); n != NULL && lost > 0;
		n = before) {
		before = TAILQ_PREV(n, pending_names, link);
		if (in_directory(n, prefix)) {
			over = n->over;
			undo_name(n);
			lost -= !over;
		}
	}
}

static void put_back(const struct pending_file *f,
	const struct pending_write *w, uint64_t at, size_t len)
{
	(void)!syscall(SYS_pwrite64, f->fd, w->old + (at - w->offset), len, at);
}

/* Sector by sector: kept as it is now, or as it was before this write. */
static void cut_write(struct pending_file *f, const struct pending_write *w)
{
	uint64_t at = w->offset, end = w->offset + w->len, stop;

	for (; at < end && !w->zeros; at = stop) {
		stop = (at / SECTOR + 1) * SECTOR;
		if (stop > end)
			stop = end;
		if (f->settled[at / SECTOR])
			continue;
		if (io_random(2) == 0)
			f->settled[at / SECTOR] = true;
		else
			put_back(f, w, at, (size_t)(stop - at));
	}
}

static void cut_file(struct pending_file *f)
{
	const struct pending_write *w;
	uint64_t size = size_of(f->fd);
	uint64_t old_size = TAILQ_FIRST(&f->writes)->old_size;

	if (old_size < f->synced_size)
		old_size = f->synced_size;
	TAILQ_FOREACH_REVERSE(w, &f->writes, pending_writes, link)
		cut_write(f, w);
	if (size > old_size && io_random(2) == 0)
		size = old_size + io_random((uint32_t)(size - old_size));
	if (ftruncate(f->fd, (off_t)size) != 0)
		abort();
}

void io_cut_power(void)
{
	static const char *const dirs[] = {"journal/", "large/", "queue/"};
	struct pending_file *f;
	size_t i;

	while ((f = LIST_FIRST(&power.files)) != NULL) {
		cut_file(f);
		drop_file(f);
	}
	for (i = 0; i < COUNT_OF(dirs); i++)
		cut_directory(dirs[i]);
	while (!TAILQ_EMPTY(&power.names))
		drop_name(TAILQ_FIRST(&power.names));
}

void power_begin(const char *dir)
{
	char path[PATH_SIZE];

	memset(&power, 0, sizeof(power));
	LIST_INIT(&power.files);
	TAILQ_INIT(&power.names);
	snprintf(power.dir, sizeof(power.dir), "%s", dir);
	(void)mkdir(path_of(path, "grave"), 0700);
}

void power_end(void)
{
	char path[PATH_SIZE];

	while (!LIST_EMPTY(&power.files))
		drop_file(LIST_FIRST(&power.files));
	while (!TAILQ_EMPTY(&power.names))
		drop_name(TAILQ_FIRST(&power.names));
	(void)rmdir(path_of(path, "grave"));
}
