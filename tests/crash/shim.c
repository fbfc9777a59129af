/*
 * shim.c - preloaded into gmrelayd by tests: makes the disk or the resolver
 * slow, or fail; kills a process at one of its calls; moves the wall clock.
 *
 * The rules stand in a file named by GMRELAY_FAULTS, which a test writes and
 * every process of the daemon has mapped since before the roles part. So they
 * can be changed at any moment, and reach a role that can open nothing. A rule
 * is for one thread, by its name: /proc does not tell it everywhere, so it is
 * learnt where it is given; or for all threads of one process.
 */
#include "shim.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { THREADS_MAX = 64 };

struct known_thread {
	pthread_t thread;
	char name[NAME_SIZE];
};

static struct {
	struct page *page;
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
	if (page != MAP_FAILED)
		shim.page = page;
}

struct page *shim_page(void)
{
	return shim.page;
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

int shim_clock(clockid_t clock, struct timespec *now)
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

	shim_clock(CLOCK_REALTIME, &until);
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

static bool is_named(const char *wanted, const char *name)
{
	return wanted[0] == '\0' || strncmp(wanted, name, NAME_SIZE) == 0;
}

static bool rule_is_for(struct rule *r, unsigned kind, const char *name)
{
	uint32_t number;

	if (!r->active || (r->calls & kind) == 0 || !is_named(r->who, name) ||
		!is_named(r->process, shim.process))
		return false;
	number = ++r->seen;
	if (number < r->first ||
		(r->times != 0 && number - r->first >= r->times))
		return false;
	r->hit = kind;
	return true;
}

bool call_is_asked(unsigned kind)
{
	size_t i;

	for (i = 0; shim.page != NULL && i < RULES; i++)
		if (shim.page->rules[i].active &&
			(shim.page->rules[i].calls & kind) != 0)
			return true;
	return false;
}

/* Waits as the rules say that stand as the call begins. Returns the error of
 * the first of them. */
static uint32_t obey_rules(unsigned kind)
{
	struct rule *rules = shim.page->rules;
	char name[NAME_SIZE];
	bool meant[RULES];
	uint32_t error = 0;
	size_t i;

	name_of_this(name);
	for (i = 0; i < RULES; i++) {
		meant[i] = rule_is_for(&rules[i], kind, name);
		if (meant[i] && error == 0)
			error = rules[i].error;
	}
	for (i = 0; i < RULES; i++) {
		if (!meant[i])
			continue;
		rules[i].entered++;
		rule_delay(&rules[i]);
		rules[i].left++;
	}
	return error;
}

/* tgkill(2) is the one that the filters let through. */
static void die(void)
{
	syscall(SYS_tgkill, getpid(), syscall(SYS_gettid), SIGKILL);
}

bool call_begins(struct call *c, unsigned kind)
{
	size_t none = 0;

	return call_begins_write(c, kind, &none);
}

bool call_begins_write(struct call *c, unsigned kind, size_t *len)
{
	uint32_t error;

	*c = (struct call){0};
	error = call_is_asked(kind) ? obey_rules(kind) : 0;
	switch (error) {
	case 0:
		return true;
	case KILL_BEFORE:
		die();
		return true;
	case KILL_HALF:
	case SHORT:
		*len = (*len + 1) / 2;
		c->dies = error == KILL_HALF;
		return true;
	case KILL_AFTER:
		c->dies = true;
		return true;
	default:
		errno = (int)error;
		return false;
	}
}

long call_ends(struct call *c, long result)
{
	int saved = errno;

	if (c->dies)
		die();
	if (c->entry != 0)
		trace_end(c, result);
	errno = saved;
	return result;
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
