/*
 * shim.c - preloaded into gmrelayd by tests: makes the disk or the resolver
 * slow, or fail; moves the wall clock.
 *
 * The rules stand in a file named by GMRELAY_FAULTS, which a test writes and
 * every process of the daemon has mapped since before the roles part. So they
 * can be changed at any moment, and reach a role that can open nothing. A rule
 * is for one thread, by its name: /proc does not tell it everywhere, so it is
 * learnt where it is given. tests/integration/lib/faults.py has the same
 * layout.
 */
/* Both families of names are defined here, whatever off_t is elsewhere. */
#undef _FILE_OFFSET_BITS
#undef _FORTIFY_SOURCE
#define _GNU_SOURCE

#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

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
	CALL_RESOLVE = 512, /* getaddrinfo() of a name; the error: EAI_AGAIN */
	CALL_SOCKET = 1024, /* socket(), accept4(), eventfd() */
};

/* Beyond all errno: the call is made for half of its bytes. */
enum { SHORT = 100000 };

enum { RULES = 8, NAME_SIZE = 16, THREADS_MAX = 64, STEP_MS = 5 };

/* Times are counted over all processes. */
struct rule {
	_Atomic uint32_t active;
	uint32_t calls; /* CALL_ */
	uint32_t error; /* errno, SHORT; 0: the call is made */
	uint32_t delay_ms;
	uint32_t first; /* the number of the first call it is for, from 1 */
	uint32_t times; /* for so many; 0: for all */
	_Atomic uint32_t seen;
	_Atomic uint32_t entered; /* it was for this call: before the delay */
	_Atomic uint32_t left;    /* the same, behind it */
	char who[NAME_SIZE];      /* a thread; "": all */
};

/* What is mapped. */
struct page {
	struct rule rules[RULES];
	_Atomic int64_t wall_s; /* the wall clock is so far ahead */
};

struct known_thread {
	pthread_t thread;
	char name[NAME_SIZE];
};

static struct {
	struct page *page;
	struct rule *rules; /* NULL: nothing is asked of us */
	char process[NAME_SIZE];
	pthread_mutex_t mutex;
	struct known_thread threads[THREADS_MAX]; /* under mutex */
	size_t thread_count;
} shim = {.mutex = PTHREAD_MUTEX_INITIALIZER};

static void copy_name(char *to, const char *from)
{
	snprintf(to, NAME_SIZE, "%.*s", NAME_SIZE - 1, from);
}

__attribute__((constructor)) static void begin(void)
{
	const char *path = getenv("GMRELAY_FAULTS");
	void *page;
	int fd;

	copy_name(shim.process, "gmrelayd");
	fd = path != NULL ? open(path, O_RDWR | O_CLOEXEC) : -1;
	if (fd < 0)
		return;
	page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE,
		MAP_SHARED, fd, 0);
	close(fd);
	if (page == MAP_FAILED)
		return;
	shim.page = page;
	shim.rules = shim.page->rules;
}

static void name_of_this(char *name)
{
	size_t i;

	copy_name(name, shim.process);
	pthread_mutex_lock(&shim.mutex);
	for (i = 0; i < shim.thread_count; i++)
		if (pthread_equal(shim.threads[i].thread, pthread_self()))
			copy_name(name, shim.threads[i].name);
	pthread_mutex_unlock(&shim.mutex);
}

/* The function of this name behind ours; *(void **) as POSIX has it. */
#define REAL(type, name, ...)                                                  \
	static type (*real)(__VA_ARGS__);                                      \
	if (real == NULL)                                                      \
	*(void **)&real = dlsym(RTLD_NEXT, name)

static int real_clock(clockid_t clock, struct timespec *now)
{
	REAL(int, "clock_gettime", clockid_t, struct timespec *);

	return real(clock, now);
}

/* Waits by futex(2), which no filter of system calls can do without. */
static void pause_ms(long ms)
{
	pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
	pthread_cond_t never = PTHREAD_COND_INITIALIZER;
	struct timespec until;

	real_clock(CLOCK_REALTIME, &until);
	until.tv_nsec += ms * 1000000L;
	until.tv_sec += until.tv_nsec / 1000000000L;
	until.tv_nsec %= 1000000000L;
	pthread_mutex_lock(&mutex);
	while (pthread_cond_timedwait(&never, &mutex, &until) == 0)
		;
	pthread_mutex_unlock(&mutex);
}

/* The end of a rule is the end of its delays. */
static void rule_delay(const struct rule *r)
{
	uint32_t waited;

	for (waited = 0; waited < r->delay_ms && r->active; waited += STEP_MS)
		pause_ms(STEP_MS);
}

static bool rule_is_for(struct rule *r, unsigned call, const char *name)
{
	uint32_t number;

	if (!r->active || (r->calls & call) == 0 ||
		(r->who[0] != '\0' && strncmp(r->who, name, NAME_SIZE) != 0))
		return false;
	number = ++r->seen;
	return number >= r->first &&
	       (r->times == 0 || number - r->first < r->times);
}

/* Is there a rule for this call at all? */
static bool is_asked(unsigned call)
{
	size_t i;

	for (i = 0; shim.rules != NULL && i < RULES; i++)
		if (shim.rules[i].active && (shim.rules[i].calls & call) != 0)
			return true;
	return false;
}

/* Waits as the rules say that stand as the call begins. Returns true with errno
 * when it is to fail. */
static bool fault(unsigned call)
{
	char name[NAME_SIZE];
	bool meant[RULES];
	uint32_t error = 0;
	size_t i;

	if (!is_asked(call))
		return false;
	name_of_this(name);
	for (i = 0; i < RULES; i++) {
		meant[i] = rule_is_for(&shim.rules[i], call, name);
		if (meant[i] && error == 0)
			error = shim.rules[i].error;
	}
	for (i = 0; i < RULES; i++) {
		if (!meant[i])
			continue;
		shim.rules[i].entered++;
		rule_delay(&shim.rules[i]);
		shim.rules[i].left++;
	}
	errno = (int)error;
	return error != 0;
}

/* The same for a call that writes *len bytes, which may become fewer. */
static bool write_fault(unsigned call, size_t *len)
{
	if (!fault(call))
		return false;
	if (errno != SHORT)
		return true;
	*len = (*len + 1) / 2;
	return false;
}

/* --- names ---------------------------------------------------------------- */

int pthread_setname_np(pthread_t thread, const char *name)
{
	REAL(int, "pthread_setname_np", pthread_t, const char *);
	size_t i;

	pthread_mutex_lock(&shim.mutex);
	/* a new thread may have an old one's number */
	for (i = 0; i < shim.thread_count; i++)
		if (pthread_equal(shim.threads[i].thread, thread))
			break;
	if (i < THREADS_MAX) {
		shim.threads[i].thread = thread;
		copy_name(shim.threads[i].name, name);
		if (i == shim.thread_count)
			shim.thread_count++;
	}
	pthread_mutex_unlock(&shim.mutex);
	return real(thread, name);
}

int prctl(int option, ...)
{
	REAL(int, "prctl", int, ...);
	unsigned long a[4];
	va_list list;
	size_t i;

	va_start(list, option);
	for (i = 0; i < 4; i++)
		a[i] = va_arg(list, unsigned long);
	va_end(list);
	if (option == PR_SET_NAME)
		copy_name(shim.process, (const char *)a[0]);
	return real(option, a[0], a[1], a[2], a[3]);
}

/* --- the disk ------------------------------------------------------------- */

int fdatasync(int fd)
{
	REAL(int, "fdatasync", int);

	return fault(CALL_FDATASYNC) ? -1 : real(fd);
}

int fsync(int fd)
{
	REAL(int, "fsync", int);

	return fault(CALL_FSYNC) ? -1 : real(fd);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
	REAL(ssize_t, "pwrite", int, const void *, size_t, off_t);

	return write_fault(CALL_PWRITE, &len) ? -1
					      : real(fd, data, len, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off64_t offset)
{
	REAL(ssize_t, "pwrite64", int, const void *, size_t, off64_t);

	return write_fault(CALL_PWRITE, &len) ? -1
					      : real(fd, data, len, offset);
}

ssize_t write(int fd, const void *data, size_t len)
{
	REAL(ssize_t, "write", int, const void *, size_t);
	struct stat st;

	if (fd > STDERR_FILENO && is_asked(CALL_WRITE) && fstat(fd, &st) == 0 &&
		S_ISREG(st.st_mode) && write_fault(CALL_WRITE, &len))
		return -1;
	return real(fd, data, len);
}

static mode_t mode_of(int flags, va_list list)
{
	return (flags & (O_CREAT | O_TMPFILE)) != 0 ? va_arg(list, mode_t) : 0;
}

#define DEFINE_OPEN(name)                                                      \
	int name(const char *path, int flags, ...)                             \
	{                                                                      \
		REAL(int, #name, const char *, int, ...);                      \
		va_list list;                                                  \
		mode_t mode;                                                   \
                                                                               \
		va_start(list, flags);                                         \
		mode = mode_of(flags, list);                                   \
		va_end(list);                                                  \
		return fault(CALL_OPEN) ? -1 : real(path, flags, mode);        \
	}

#define DEFINE_OPENAT(name)                                                    \
	int name(int dir, const char *path, int flags, ...)                    \
	{                                                                      \
		REAL(int, #name, int, const char *, int, ...);                 \
		va_list list;                                                  \
		mode_t mode;                                                   \
                                                                               \
		va_start(list, flags);                                         \
		mode = mode_of(flags, list);                                   \
		va_end(list);                                                  \
		return fault(CALL_OPEN) ? -1 : real(dir, path, flags, mode);   \
	}

DEFINE_OPEN(open)
DEFINE_OPEN(open64)
DEFINE_OPENAT(openat)
DEFINE_OPENAT(openat64)

int rename(const char *from, const char *to)
{
	REAL(int, "rename", const char *, const char *);

	return fault(CALL_RENAME) ? -1 : real(from, to);
}

int renameat(int from_dir, const char *from, int to_dir, const char *to)
{
	REAL(int, "renameat", int, const char *, int, const char *);

	return fault(CALL_RENAME) ? -1 : real(from_dir, from, to_dir, to);
}

int unlink(const char *path)
{
	REAL(int, "unlink", const char *);

	return fault(CALL_UNLINK) ? -1 : real(path);
}

int unlinkat(int dir, const char *path, int flags)
{
	REAL(int, "unlinkat", int, const char *, int);

	return fault(CALL_UNLINK) ? -1 : real(dir, path, flags);
}

int linkat(
	int from_dir, const char *from, int to_dir, const char *to, int flags)
{
	REAL(int, "linkat", int, const char *, int, const char *, int);

	return fault(CALL_LINK) ? -1 : real(from_dir, from, to_dir, to, flags);
}

int fstatvfs(int fd, struct statvfs *st)
{
	REAL(int, "fstatvfs", int, struct statvfs *);

	return fault(CALL_STATVFS) ? -1 : real(fd, st);
}

int fstatvfs64(int fd, struct statvfs64 *st)
{
	REAL(int, "fstatvfs64", int, struct statvfs64 *);

	return fault(CALL_STATVFS) ? -1 : real(fd, st);
}

/* --- other descriptors ---------------------------------------------------- */

int socket(int family, int type, int protocol)
{
	REAL(int, "socket", int, int, int);

	return fault(CALL_SOCKET) ? -1 : real(family, type, protocol);
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);

	return fault(CALL_SOCKET) ? -1 : real(fd, address, len, flags);
}

int eventfd(unsigned count, int flags)
{
	REAL(int, "eventfd", unsigned, int);

	return fault(CALL_SOCKET) ? -1 : real(count, flags);
}

/* --- the clock, the resolver ---------------------------------------------- */

/* Not time(3): certificates keep their time. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int rc = real_clock(clock, now);

	if (rc == 0 && clock == CLOCK_REALTIME && shim.page != NULL)
		now->tv_sec += (time_t)shim.page->wall_s;
	return rc;
}

/* GMRELAY_ADDRESSES, "NAME ADDRESS ADDRESS ...": that name has these addresses,
 * in this order. */
static int list_addresses(const char *name, const char *service,
	const struct addrinfo *hints, struct addrinfo **list)
{
	REAL(int, "getaddrinfo", const char *, const char *,
		const struct addrinfo *, struct addrinfo **);
	const char *known = getenv("GMRELAY_ADDRESSES");
	char text[512], *rest = NULL, *word;
	int rc = EAI_NONAME;

	if (known == NULL || name == NULL ||
		(hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0))
		return real(name, service, hints, list);
	snprintf(text, sizeof(text), "%s", known);
	word = strtok_r(text, " ", &rest);
	if (word == NULL || strcmp(word, name) != 0)
		return real(name, service, hints, list);
	*list = NULL;
	while ((word = strtok_r(NULL, " ", &rest)) != NULL) {
		rc = real(word, service, hints, list);
		while (*list != NULL)
			list = &(*list)->ai_next;
	}
	return rc;
}

int getaddrinfo(const char *name, const char *service,
	const struct addrinfo *hints, struct addrinfo **list)
{
	const bool literal =
		hints != NULL && (hints->ai_flags & AI_NUMERICHOST) != 0;

	if (!literal && fault(CALL_RESOLVE))
		return EAI_AGAIN;
	return list_addresses(name, service, hints, list);
}
