/*
 * spool_io.c - stands between the spool and the kernel.
 *
 * The functions of the C library that the spool uses are defined here; the
 * linker takes these. The real ones are called by syscall(2).
 */
/* The fortified library has definitions of its own. */
#undef _FORTIFY_SOURCE
#include "config.h"

#include "spool_io.h"

#include "spool_io_internal.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { FAILURES_MAX = 8, LOG_MAX = 200000 };

struct failure {
	enum io_kind kind;
	char part[IO_NAME_MAX];
	int error;
	unsigned times;
};

static struct {
	pthread_mutex_t mutex;
	pthread_cond_t turn;
	pthread_t loop;
	bool on;
	bool track;
	char dir[IO_NAME_MAX];
	struct io_op *log;
	size_t count;
	struct failure failures[FAILURES_MAX];
	bool hold;
	char hold_part[IO_NAME_MAX];
	unsigned held;
	unsigned let_go;
	enum io_dead dead;
	unsigned fail_one_in;
	uint64_t random;      /* the loop's */
	uint64_t sync_random; /* the threads' */
} io = {
	.mutex = PTHREAD_MUTEX_INITIALIZER,
	.turn = PTHREAD_COND_INITIALIZER,
	.random = 1,
	.sync_random = 1,
};

/* --- control -------------------------------------------------------------- */

void io_begin(const char *dir)
{
	snprintf(io.dir, sizeof(io.dir), "%s/", dir);
	io.loop = pthread_self();
	/* as a whole, so that what is in it does not move */
	io.log = xcalloc(LOG_MAX, sizeof(*io.log));
	io_set_room(UINT64_MAX);
	io.hold = false;
	io.let_go = 0;
	io.dead = IO_ALIVE;
	io.fail_one_in = 0;
	memset(io.failures, 0, sizeof(io.failures));
	io.on = true;
}

void io_end(void)
{
	io_track(false);
	io.on = false;
	free(io.log);
	io.log = NULL;
	io.count = 0;
}

size_t io_count(void)
{
	size_t count;

	pthread_mutex_lock(&io.mutex);
	count = io.count;
	pthread_mutex_unlock(&io.mutex);
	return count;
}

const struct io_op *io_at(size_t i)
{
	return &io.log[i];
}

void io_forget(void)
{
	pthread_mutex_lock(&io.mutex);
	io.count = 0;
	pthread_mutex_unlock(&io.mutex);
}

static size_t find(size_t i, enum io_kind kind, const char *prefix)
{
	for (; i < io.count; i++)
		if (io.log[i].kind == kind &&
			strncmp(io.log[i].name, prefix, strlen(prefix)) == 0)
			break;
	return i;
}

size_t io_find(size_t i, enum io_kind kind, const char *prefix)
{
	pthread_mutex_lock(&io.mutex);
	i = find(i, kind, prefix);
	pthread_mutex_unlock(&io.mutex);
	return i;
}

size_t io_tally(enum io_kind kind, const char *prefix)
{
	size_t i, tally = 0;

	pthread_mutex_lock(&io.mutex);
	for (i = find(0, kind, prefix); i < io.count;
		i = find(i + 1, kind, prefix))
		tally += io.log[i].error == 0;
	pthread_mutex_unlock(&io.mutex);
	return tally;
}

void io_fail(enum io_kind kind, const char *part, int error, unsigned times)
{
	size_t i;

	pthread_mutex_lock(&io.mutex);
	for (i = 0; i < FAILURES_MAX && io.failures[i].times > 0; i++)
		if (io.failures[i].kind == kind &&
			strcmp(io.failures[i].part, part) == 0)
			break;
	if (i == FAILURES_MAX)
		abort();
	io.failures[i].kind = kind;
	io.failures[i].error = error;
	io.failures[i].times = times;
	snprintf(io.failures[i].part, IO_NAME_MAX, "%s", part);
	pthread_mutex_unlock(&io.mutex);
}

void io_hold(const char *part)
{
	pthread_mutex_lock(&io.mutex);
	io.hold = part != NULL;
	io.let_go = 0;
	if (part != NULL)
		snprintf(io.hold_part, sizeof(io.hold_part), "%s", part);
	pthread_cond_broadcast(&io.turn);
	pthread_mutex_unlock(&io.mutex);
}

void io_let_go(unsigned count)
{
	pthread_mutex_lock(&io.mutex);
	io.let_go += count;
	pthread_cond_broadcast(&io.turn);
	pthread_mutex_unlock(&io.mutex);
}

unsigned io_held(void)
{
	unsigned held;

	pthread_mutex_lock(&io.mutex);
	held = io.held;
	pthread_mutex_unlock(&io.mutex);
	return held;
}

void io_set_dead(enum io_dead dead)
{
	pthread_mutex_lock(&io.mutex);
	io.dead = dead;
	pthread_mutex_unlock(&io.mutex);
}

void io_track(bool on)
{
	pthread_mutex_lock(&io.mutex);
	if (on && !io.track)
		power_begin(io.dir);
	if (!on && io.track)
		power_end();
	io.track = on;
	pthread_mutex_unlock(&io.mutex);
}

void io_fail_syncs(unsigned one_in)
{
	pthread_mutex_lock(&io.mutex);
	io.fail_one_in = one_in;
	pthread_mutex_unlock(&io.mutex);
}

void io_seed(uint64_t seed)
{
	pthread_mutex_lock(&io.mutex);
	io.random = io.sync_random = seed * 2 + 1;
	pthread_mutex_unlock(&io.mutex);
}

static uint32_t next_random(uint64_t *state, uint32_t limit)
{
	*state = *state * 6364136223846793005ULL + 1442695040888963407ULL;
	return (uint32_t)(*state >> 33) % limit;
}

uint32_t io_random(uint32_t limit)
{
	return next_random(&io.random, limit);
}

/* --- what the calls share ------------------------------------------------- */

/* The name of an open file below the directory, or false. */
static bool name_of(int fd, char name[IO_NAME_MAX])
{
	char link[32], path[2 * IO_NAME_MAX];
	size_t dir_len = strlen(io.dir);
	ssize_t n;

	if (!io.on)
		return false;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", fd);
	n = readlink(link, path, sizeof(path) - 1);
	if (n <= 0)
		return false;
	path[n] = '\0';
	if (strncmp(path, io.dir, dir_len) != 0)
		return false;
	snprintf(name, IO_NAME_MAX, "%s", path + dir_len);
	return true;
}

/* The same for a name in an open directory. */
static bool name_at(int dir_fd, const char *file, char name[IO_NAME_MAX])
{
	char dir[IO_NAME_MAX];

	if (file[0] == '/' || dir_fd < 0 || !name_of(dir_fd, dir) ||
		strlen(dir) + strlen(file) + 2 > IO_NAME_MAX)
		return false;
	memcpy(name, dir, strlen(dir) + 1);
	strncat(name, "/", 2);
	strncat(name, file, IO_NAME_MAX - strlen(name) - 1);
	return true;
}

static bool on_loop(void)
{
	return pthread_equal(pthread_self(), io.loop);
}

/* True when whoever calls has died. Only the relay's threads change files. */
static bool is_dead(void)
{
	return io.dead == IO_RELAY_DEAD ||
	       (io.dead == IO_RECEIVER_DEAD && on_loop());
}

static bool is_meant(const char *part, const char *name)
{
	return part[0] == '=' ? strcmp(name, part + 1) == 0
			      : strstr(name, part) != NULL;
}

/* Under the lock. errno for this call, 0: none. */
static int failure_of(enum io_kind kind, const char *name)
{
	size_t i;

	for (i = 0; i < FAILURES_MAX; i++)
		if (io.failures[i].times > 0 && io.failures[i].kind == kind &&
			is_meant(io.failures[i].part, name)) {
			io.failures[i].times--;
			return io.failures[i].error;
		}
	return 0;
}

/* Under the lock. */
static struct io_op *record(enum io_kind kind, int fd, const char *name)
{
	struct io_op *op;
	struct stat st;

	if (io.count == LOG_MAX)
		abort();
	op = &io.log[io.count++];
	memset(op, 0, sizeof(*op));
	op->kind = kind;
	snprintf(op->name, sizeof(op->name), "%s", name);
	op->by_loop = on_loop();
	if (fd >= 0 && fstat(fd, &st) == 0)
		op->file = st.st_ino;
	op->by_reader = fd >= 0 && (fcntl(fd, F_GETFL) & O_ACCMODE) != O_WRONLY;
	return op;
}

/* Ends a call on names. */
static int named(enum io_kind kind, const char *name, int rc)
{
	int saved = errno;

	record(kind, -1, name)->error = rc == 0 ? 0 : saved;
	pthread_mutex_unlock(&io.mutex);
	errno = saved;
	return rc;
}

/* Begins one. Returns 1 to go on, with the lock; else the result. */
static int begin_named(enum io_kind kind, const char *name)
{
	pthread_mutex_lock(&io.mutex);
	if (is_dead()) {
		pthread_mutex_unlock(&io.mutex);
		return 0;
	}
	errno = failure_of(kind, name);
	if (errno == 0)
		return 1;
	return named(kind, name, -1);
}

/* --- the calls ------------------------------------------------------------ */

static ssize_t real_pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return syscall(SYS_pwrite64, fd, data, len, offset);
}

static bool all_zero(const char *data, size_t len)
{
	return len > 0 && data[0] == 0 && memcmp(data, data + 1, len - 1) == 0;
}

/* A stretch of zeros at the end of a file need not be written. */
static ssize_t do_write(int fd, const void *data, size_t len, off_t offset)
{
	struct stat st;
	bool zeros = all_zero(data, len);
	ssize_t n;

	if (io.track)
		power_before_write(fd, (uint64_t)offset, len, zeros);
	if (zeros && fstat(fd, &st) == 0 && offset == st.st_size)
		n = ftruncate(fd, offset + (off_t)len) == 0 ? (ssize_t)len : -1;
	else
		n = real_pwrite(fd, data, len, offset);
	return n;
}

static ssize_t any_write(int fd, const void *data, size_t len, off_t offset)
{
	char name[IO_NAME_MAX];
	struct io_op *op;
	ssize_t n;
	int error;

	if (!name_of(fd, name))
		return real_pwrite(fd, data, len, offset);
	pthread_mutex_lock(&io.mutex);
	if (is_dead()) {
		pthread_mutex_unlock(&io.mutex);
		return (ssize_t)len;
	}
	error = failure_of(IO_WRITE, name);
	n = do_write(fd, data, error == 0 ? len : len / 2, offset);
	op = record(IO_WRITE, fd, name);
	op->offset = (uint64_t)offset;
	op->length = len;
	op->error = error;
	pthread_mutex_unlock(&io.mutex);
	errno = error;
	return error == 0 ? n : -1;
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	return any_write(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
	char name[IO_NAME_MAX];
	ssize_t n;
	off_t at;

	if (!name_of(fd, name))
		return syscall(SYS_write, fd, data, len);
	at = lseek(fd, 0, SEEK_CUR);
	n = any_write(fd, data, len, at);
	if (n > 0)
		lseek(fd, at + n, SEEK_SET);
	return n;
}

ssize_t pread(int fd, void *data, size_t len, off_t offset)
{
	char name[IO_NAME_MAX];
	int error = 0;

	if (name_of(fd, name)) {
		pthread_mutex_lock(&io.mutex);
		error = failure_of(IO_READ, name);
		pthread_mutex_unlock(&io.mutex);
	}
	if (error != 0) {
		errno = error;
		return -1;
	}
	return syscall(SYS_pread64, fd, data, len, offset);
}

static bool sync_must_wait(const char *name)
{
	return io.hold && strstr(name, io.hold_part) != NULL && io.let_go == 0;
}

static int sync_error(const char *name)
{
	int error = failure_of(IO_SYNC, name);

	if (error == 0 && io.fail_one_in > 0 &&
		next_random(&io.sync_random, io.fail_one_in) == 0)
		error = EIO;
	return error;
}

/* Under the lock: a sync of this file ends; mark: where it began. */
static void sync_covers(int fd, char name[IO_NAME_MAX], uint64_t mark, bool ok)
{
	struct stat st;
	bool directory = fstat(fd, &st) == 0 && S_ISDIR(st.st_mode);

	/* the relay's, which is dead: nobody waits for it */
	if (io.dead == IO_RELAY_DEAD &&
		(directory || strstr(name, ".done") != NULL))
		return;
	if (!directory) {
		power_synced(fd, mark, ok);
	} else if (ok) {
		strncat(name, "/", 2);
		power_directory_synced(name, mark);
	}
}

static int any_sync(int fd)
{
	char name[IO_NAME_MAX];
	uint64_t mark;
	int error;

	if (!name_of(fd, name))
		return (int)syscall(SYS_fsync, fd);
	pthread_mutex_lock(&io.mutex);
	record(IO_SYNC, fd, name);
	mark = io.track ? power_mark() : 0;
	if (sync_must_wait(name)) {
		io.held++;
		while (sync_must_wait(name))
			pthread_cond_wait(&io.turn, &io.mutex);
		io.held--;
		if (io.let_go > 0)
			io.let_go--;
	}
	error = sync_error(name);
	record(IO_SYNCED, fd, name)->error = error;
	if (io.track)
		sync_covers(fd, name, mark, error == 0);
	pthread_mutex_unlock(&io.mutex);
	errno = error;
	return error == 0 ? 0 : -1;
}

int fdatasync(int fd)
{
	return any_sync(fd);
}

int fsync(int fd)
{
	return any_sync(fd);
}

int renameat(int from_fd, const char *from, int to_fd, const char *to)
{
	char old[IO_NAME_MAX], new[IO_NAME_MAX];
	int rc;

	if (!name_at(from_fd, from, old) || !name_at(to_fd, to, new))
		return (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
	rc = begin_named(IO_RENAME, new);
	if (rc != 1)
		return rc;
	if (io.track)
		power_renamed(old, new);
	rc = (int)syscall(SYS_renameat2, from_fd, from, to_fd, to, 0);
	return named(IO_RENAME, new, rc);
}

int linkat(int from_fd, const char *from, int to_fd, const char *to, int flags)
{
	char name[IO_NAME_MAX];
	int rc;

	if (!name_at(to_fd, to, name))
		return (int)syscall(
			SYS_linkat, from_fd, from, to_fd, to, flags);
	rc = begin_named(IO_LINK, name);
	if (rc != 1)
		return rc;
	rc = (int)syscall(SYS_linkat, from_fd, from, to_fd, to, flags);
	if (rc == 0 && io.track)
		power_linked(name);
	return named(IO_LINK, name, rc);
}

int unlinkat(int dir_fd, const char *file, int flags)
{
	char name[IO_NAME_MAX];
	int rc;

	if (!name_at(dir_fd, file, name))
		return (int)syscall(SYS_unlinkat, dir_fd, file, flags);
	rc = begin_named(IO_UNLINK, name);
	if (rc != 1)
		return rc;
	if (io.track)
		rc = power_unlink(name);
	else
		rc = (int)syscall(SYS_unlinkat, dir_fd, file, flags);
	return named(IO_UNLINK, name, rc);
}

static int open_named(int dir_fd, const char *file, int flags, mode_t mode)
{
	char name[IO_NAME_MAX];
	bool create = (flags & O_CREAT) != 0;
	int rc;

	if (!name_at(dir_fd, file, name))
		return (int)syscall(SYS_openat, dir_fd, file, flags, mode);
	pthread_mutex_lock(&io.mutex);
	errno = failure_of(create ? IO_CREATE : IO_OPEN, name);
	if (create && is_dead())
		errno = EIO;
	rc = errno != 0 ? -1
			: (int)syscall(SYS_openat, dir_fd, file, flags, mode);
	if (create && rc >= 0 && io.track)
		power_created(name);
	if (create)
		return named(IO_CREATE, name, rc);
	pthread_mutex_unlock(&io.mutex);
	return rc;
}

int openat(int dir_fd, const char *file, int flags, ...)
{
	va_list args;
	mode_t mode = 0;

	va_start(args, flags);
	if ((flags & O_CREAT) != 0)
		mode = va_arg(args, mode_t);
	va_end(args);
	return open_named(dir_fd, file, flags, mode);
}
