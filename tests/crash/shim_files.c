/*
 * shim_files.c - the calls that change files.
 */
#include "shim.h"

#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#define DEFINE_SYNC(name, kind)                                                \
	int name(int fd)                                                       \
	{                                                                      \
		REAL(int, #name, int);                                         \
		struct call c;                                                 \
                                                                               \
		if (!call_begins(&c, kind))                                    \
			return -1;                                             \
		trace_sync(&c, fd);                                            \
		return (int)call_ends(&c, real(fd));                           \
	}

DEFINE_SYNC(fdatasync, CALL_FDATASYNC)
DEFINE_SYNC(fsync, CALL_FSYNC)

#define DEFINE_PWRITE(name, offset_type)                                       \
	ssize_t name(int fd, const void *data, size_t len, offset_type offset) \
	{                                                                      \
		REAL(ssize_t, #name, int, const void *, size_t, offset_type);  \
		struct call c;                                                 \
                                                                               \
		if (!call_begins_write(&c, CALL_PWRITE, &len))                 \
			return -1;                                             \
		trace_write(&c, fd, data, len, offset);                        \
		return call_ends(&c, real(fd, data, len, offset));             \
	}

DEFINE_PWRITE(pwrite, off_t)
DEFINE_PWRITE(pwrite64, off64_t)

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	struct call c;
	struct stat st;

	if (fd <= STDERR_FILENO || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return real(fd, data, len);
	if (!call_begins_write(&c, CALL_WRITE, &len))
		return -1;
	trace_write(&c, fd, data, len, -1);
	return call_ends(&c, real(fd, data, len));
}

#define DEFINE_FTRUNCATE(name, size_type)                                      \
	int name(int fd, size_type size)                                       \
	{                                                                      \
		REAL(int, #name, int, size_type);                              \
		struct call c;                                                 \
                                                                               \
		if (!call_begins(&c, CALL_FTRUNCATE))                          \
			return -1;                                             \
		trace_truncate(&c, fd, size);                                  \
		return (int)call_ends(&c, real(fd, size));                     \
	}

DEFINE_FTRUNCATE(ftruncate, off_t)
DEFINE_FTRUNCATE(ftruncate64, off64_t)

#define DEFINE_FALLOCATE(name, size_type)                                      \
	int name(int fd, int mode, size_type offset, size_type len)            \
	{                                                                      \
		REAL(int, #name, int, int, size_type, size_type);              \
		struct call c;                                                 \
                                                                               \
		if (!call_begins(&c, CALL_FALLOCATE))                          \
			return -1;                                             \
		return (int)call_ends(&c, real(fd, mode, offset, len));        \
	}

DEFINE_FALLOCATE(fallocate, off_t)
DEFINE_FALLOCATE(fallocate64, off64_t)

static mode_t mode_of(int flags, va_list list)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
}

/* Only O_EXCL tells who made it; a name that may be there is no new one. */
static int opened(struct call *c, int fd, int dir, const char *path, int flags)
{
	const int made = O_CREAT | O_EXCL;

	fd = (int)call_ends(c, fd);
	if (fd >= 0 && (flags & made) == made)
		trace_made(dir, path, fd);
	return fd;
}

#define DEFINE_OPEN(name)                                                      \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		REAL(int, #name, const char *, int, ...);                      \
		struct call c;                                                 \
		va_list list;                                                  \
		mode_t mode;                                                   \
                                                                               \
		va_start(list, flags);                                         \
		mode = mode_of(flags, list);                                   \
		va_end(list);                                                  \
		if (!call_begins(&c, CALL_OPEN))                               \
			return -1;                                             \
		return opened(                                                 \
			&c, real(path, flags, mode), AT_FDCWD, path, flags);   \
	}

#define DEFINE_OPENAT(name)                                                    \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		REAL(int, #name, int, const char *, int, ...);                 \
		struct call c;                                                 \
		va_list list;                                                  \
		mode_t mode;                                                   \
                                                                               \
		va_start(list, flags);                                         \
		mode = mode_of(flags, list);                                   \
		va_end(list);                                                  \
		if (!call_begins(&c, CALL_OPEN))                               \
			return -1;                                             \
		return opened(                                                 \
			&c, real(dir, path, flags, mode), dir, path, flags);   \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int mkdirat(int dir, const char *path, mode_t mode)
{
	REAL(int, "mkdirat", int, const char *, mode_t);
	struct call c;

	if (!call_begins(&c, CALL_MKDIR))
		return -1;
	return (int)call_ends(&c, real(dir, path, mode));
}

int rename(const char *from, const char *to)
{
	REAL(int, "rename", const char *, const char *);
	struct call c;

	if (!call_begins(&c, CALL_RENAME))
		return -1;
	trace_rename(&c, AT_FDCWD, from, AT_FDCWD, to);
	return (int)call_ends(&c, real(from, to));
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	REAL(int, "renameat", int, const char *, int, const char *);
	struct call c;

	if (!call_begins(&c, CALL_RENAME))
		return -1;
	trace_rename(&c, from_dir, from, to_dir, to);
	return (int)call_ends(&c, real(from_dir, from, to_dir, to));
}

int unlink(const char *path)
{
	REAL(int, "unlink", const char *);
	struct call c;

	if (!call_begins(&c, CALL_UNLINK))
		return -1;
	trace_unlink(&c, AT_FDCWD, path);
	return (int)call_ends(&c, real(path));
}

int unlinkat(int dir, const char *path, int flags)
{
	REAL(int, "unlinkat", int, const char *, int);
	struct call c;

	if (!call_begins(&c, CALL_UNLINK))
		return -1;
	trace_unlink(&c, dir, path);
	return (int)call_ends(&c, real(dir, path, flags));
}

int linkat(
	int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	REAL(int, "linkat", int, const char *, int, const char *, int);
	struct call c;

	if (!call_begins(&c, CALL_LINK))
		return -1;
	trace_link(&c, from_dir, from, to_dir, to);
	return (int)call_ends(&c, real(from_dir, from, to_dir, to, flags));
}

#define DEFINE_FSTATVFS(name, type)                                            \
	int name(int fd, type *st)                                             \
	{                                                                      \
		REAL(int, #name, int, type *);                                 \
		struct call c;                                                 \
                                                                               \
		if (!call_begins(&c, CALL_STATVFS))                            \
			return -1;                                             \
		return (int)call_ends(&c, real(fd, st));                       \
	}

DEFINE_FSTATVFS(fstatvfs, struct statvfs)
DEFINE_FSTATVFS(fstatvfs64, struct statvfs64)

#define DEFINE_FSTATAT(name, type)                                             \
	int name(int dir, const char *path, type *st, int flags)               \
	{                                                                      \
		REAL(int, #name, int, const char *, type *, int);              \
		struct call c;                                                 \
                                                                               \
		if (!call_begins(&c, CALL_FSTATAT))                            \
			return -1;                                             \
		return (int)call_ends(&c, real(dir, path, st, flags));         \
	}

DEFINE_FSTATAT(fstatat, struct stat)
DEFINE_FSTATAT(fstatat64, struct stat64)
