/*
 * shim.h - what the files of shim.so share: rules for calls, and the trace.
 *
 * Each call that is replaced goes:
 *
 *     if (!call_begins(&c, CALL_X))     waits, fails or dies as a rule says
 *             return -1;
 *     trace_x(&c, ...);                 what is about to happen
 *     return (int)call_ends(&c, real(...));   it did; or dies behind it
 */
#ifndef SHIM_H
#define SHIM_H

/* Both families of names are defined here, whatever off_t is elsewhere. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE

#include <dlfcn.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

/* tests/integration/lib/faults.py has the same numbers. */
enum {
	CALL_FDATASYNC = 1,
	CALL_FSYNC = 2,
	CALL_PWRITE = 4,
	CALL_WRITE = 8, /* to regular files but the log */
	CALL_OPEN = 16,
	CALL_RENAME = 32,
	CALL_UNLINK = 64,
	CALL_LINK = 128,
	CALL_STATVFS = 256,
	CALL_RESOLVE = 512,  /* getaddrinfo() of a name; the error: EAI_AGAIN */
	CALL_SOCKET = 1024,  /* socket(), accept4(), eventfd() */
	CALL_SENDMSG = 2048, /* sendmsg(), send(): between processes */
	CALL_FTRUNCATE = 4096,
	CALL_FALLOCATE = 8192,
	CALL_MKDIR = 16384,
	CALL_FSTATAT = 32768,
};

/* Beyond all errno. */
enum {
	SHORT = 100000,       /* the call is made for half of its bytes */
	KILL_BEFORE = 100001, /* the process dies, as by kill -9 */
	KILL_HALF = 100002,   /* behind half of its bytes */
	KILL_AFTER = 100003,
};

enum { RULES = 8, NAME_SIZE = 16, STEP_MS = 5 };

/* Times are counted over all processes. */
struct rule {
	_Atomic uint32_t active;
	uint32_t calls; /* CALL_ */
	uint32_t error; /* errno, or one of those beyond; 0: none */
	uint32_t delay_ms;
	uint32_t first; /* the number of the first call it is for, from 1 */
	uint32_t times; /* for so many; 0: for all */
	_Atomic uint32_t seen;
	_Atomic uint32_t entered; /* it was for this call: before the delay */
	_Atomic uint32_t left;    /* the same, behind it */
	_Atomic uint32_t hit;     /* CALL_ of the last call it was for */
	char who[NAME_SIZE];      /* a thread; "": all */
	char process[NAME_SIZE];  /* all threads of one; "": of all */
};

/* What is mapped. */
struct page {
	struct rule rules[RULES];
	_Atomic int64_t wall_s; /* the wall clock is so far ahead */
	_Atomic int64_t boot_s; /* the machine was suspended for so long */
};

struct call {
	bool dies;      /* behind it */
	uint64_t entry; /* of the trace; 0: none */
};

/* The function of this name behind ours; *(void **) as POSIX has it. */
#define REAL(type, name, ...)                                                  \
	static type (*real)(__VA_ARGS__);                                      \
	if (real == NULL)                                                      \
	*(void **)&real = dlsym(RTLD_NEXT, name)

/* The page, NULL where nothing is asked of us. */
struct page *shim_page(void);

/* The clock as it is. */
int shim_clock(clockid_t clock, struct timespec *now);

/* Is there a rule for this kind of call at all? */
bool call_is_asked(unsigned kind);

/* False with errno when the call is to fail. */
bool call_begins(struct call *c, unsigned kind);

/* The same for one that writes *len bytes, which may become fewer. */
bool call_begins_write(struct call *c, unsigned kind, size_t *len);

/* Returns what the call returned; errno stays. */
long call_ends(struct call *c, long result);

/* --- the trace: what is done to files, see shim_trace.c ---------------------
 */

/* offset -1: where the descriptor stands. */
void trace_write(
	struct call *c, int fd, const void *data, size_t len, off64_t offset);
void trace_truncate(struct call *c, int fd, off64_t size);
void trace_sync(struct call *c, int fd);
/* Behind the call: a file was made. */
void trace_made(int dir, const char *name, int fd);
void trace_rename(struct call *c, int from_dir, const char *from, int to_dir,
	const char *to);
void trace_link(struct call *c, int from_dir, const char *from, int to_dir,
	const char *to);
void trace_unlink(struct call *c, int dir, const char *name);
void trace_end(const struct call *c, long result);

#endif
