/*
 * shim_trace.c - what is done to files, in order, for a test that cuts the
 * power afterwards (tests/integration/lib/powercut.py reads it).
 *
 * The trace is a file named by GMRELAY_TRACE, mapped by every process since
 * before the roles part: struct trace, then entries. An entry is noted before
 * its call, and a second one behind it: in between it may have happened or not.
 * Files are told by their inodes.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum trace_kind {
	TRACE_WRITE = 1, /* inode, offset, size; data, if it is not all zeros */
	TRACE_TRUNCATE,  /* inode, size */
	TRACE_SYNC,      /* inode */
	TRACE_MADE,      /* directory in offset, inode, mode in size; name */
	TRACE_RENAME,    /* directories in inode and offset; two names */
	TRACE_LINK,      /* the same */
	TRACE_UNLINK,    /* directory in inode; name */
	TRACE_END,       /* the entry's place in offset, result in size */
};

struct trace {
	_Atomic uint64_t end; /* where the next entry begins */
	uint64_t room;
};

struct entry {
	uint32_t len; /* all of it, in steps of 8 */
	uint32_t data_len;
	_Atomic uint32_t kind;
	uint32_t owner;
	uint64_t inode;
	uint64_t offset;
	uint64_t size;
};

static struct trace *trace;

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("GMRELAY_TRACE");
	struct stat st;
	void *mapped;
	int fd;

	fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0 || fstat(fd, &st) != 0)
		return;
	mapped = mmap(NULL, (size_t)st.st_size, PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	close(fd);
	if (mapped != MAP_FAILED)
		trace = mapped;
}

/* Two pieces of data are joined. Returns the entry's place. */
static uint64_t note(struct entry e, const void *first, size_t first_len,
	const void *second, size_t second_len)
{
	enum { STEP = 8 };
	struct entry *to;
	uint64_t at;

	e.data_len = (uint32_t)(first_len + second_len);
	e.len = (uint32_t)(sizeof(e) + e.data_len + STEP - 1) / STEP * STEP;
	at = atomic_fetch_add(&trace->end, e.len);
	/* a trace without its end would prove nothing */
	if (at + e.len > trace->room)
		abort();
	to = (struct entry *)((char *)trace + at);
	*to = (struct entry){.len = e.len,
		.data_len = e.data_len,
		.owner = e.owner,
		.inode = e.inode,
		.offset = e.offset,
		.size = e.size};
	if (first_len > 0)
		memcpy(to + 1, first, first_len);
	if (second_len > 0)
		memcpy((char *)(to + 1) + first_len, second, second_len);
	to->kind = e.kind;
	return at;
}

/* The calls that every role may make. */
static bool look_at(int fd, struct stat *st)
{
	return trace != NULL && syscall(SYS_fstat, fd, st) == 0 &&
	       (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode));
}

static bool directory(int dir, uint64_t *inode_out)
{
	struct stat st;

	if (trace == NULL || dir == AT_FDCWD || !look_at(dir, &st))
		return false;
	*inode_out = st.st_ino;
	return true;
}

static bool all_zeros(const char *data, size_t len)
{
	return len == 0 ||
	       (data[0] == 0 && memcmp(data, data + 1, len - 1) == 0);
}

void trace_write(
	struct call *c, int fd, const void *data, size_t len, off64_t offset)
{
	struct stat st;
	int saved = errno;

	if (!look_at(fd, &st))
		return;
	if (offset < 0)
		offset = (fcntl(fd, F_GETFL) & O_APPEND) != 0
				 ? st.st_size
				 : lseek(fd, 0, SEEK_CUR);
	c->entry = note((struct entry){.kind = TRACE_WRITE,
				.inode = st.st_ino,
				.offset = (uint64_t)offset,
				.size = len},
		data, all_zeros(data, len) ? 0 : len, NULL, 0);
	errno = saved;
}

void trace_truncate(struct call *c, int fd, off64_t size)
{
	struct stat st;

	if (look_at(fd, &st))
		c->entry = note((struct entry){.kind = TRACE_TRUNCATE,
					.inode = st.st_ino,
					.size = (uint64_t)size},
			NULL, 0, NULL, 0);
}

void trace_sync(struct call *c, int fd)
{
	struct stat st;

	if (look_at(fd, &st))
		c->entry = note(
			(struct entry){.kind = TRACE_SYNC, .inode = st.st_ino},
			NULL, 0, NULL, 0);
}

void trace_made(int dir, const char *name, int fd)
{
	struct entry e = {.kind = TRACE_MADE};
	struct stat st;
	int saved = errno;

	if (directory(dir, &e.offset) && look_at(fd, &st)) {
		e.inode = st.st_ino;
		e.owner = st.st_uid;
		e.size = st.st_mode;
		note(e, name, strlen(name), NULL, 0);
	}
	errno = saved;
}

static void note_names(struct call *c, struct entry e, int to_dir,
	const char *from, const char *to)
{
	if (directory(to_dir, &e.offset))
		c->entry = note(e, from, strlen(from) + 1, to, strlen(to));
}

void trace_rename(struct call *c, int from_dir, const char *from, int to_dir,
	const char *to)
{
	struct entry e = {.kind = TRACE_RENAME};

	if (directory(from_dir, &e.inode))
		note_names(c, e, to_dir, from, to);
}

void trace_link(struct call *c, int from_dir, const char *from, int to_dir,
	const char *to)
{
	struct entry e = {.kind = TRACE_LINK};

	if (directory(from_dir, &e.inode))
		note_names(c, e, to_dir, from, to);
}

void trace_unlink(struct call *c, int dir, const char *name)
{
	struct entry e = {.kind = TRACE_UNLINK};

	if (directory(dir, &e.inode))
		c->entry = note(e, name, strlen(name), NULL, 0);
}

void trace_end(const struct call *c, long result)
{
	note((struct entry){.kind = TRACE_END,
		     .offset = c->entry,
		     .size = (uint64_t)result},
		NULL, 0, NULL, 0);
}
