/*
 * resolve.c - names to addresses by the system's resolver, a thread a look-up.
 *
 * Thread and loop share one struct lookup with two references; whoever lets go
 * last frees it, so a look-up that was cancelled or timed out can end whenever
 * the resolver lets it. The thread touches nothing else.
 */
#include "config.h"

#include "relay/resolve.h"

#include "base/util.h"
#include "base/worker.h"

#include <event2/event.h>

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct lookup {
	atomic_uint references;
	char host[RESOLVE_NAME_MAX + 1];
	char service[8];
	int eventfd; /* told once, when the thread is at its end */
	pthread_mutex_t mutex;
	/* under mutex */
	bool found; /* result.addresses are there */
	bool named; /* result.own_name too: the thread has ended */
	bool failed;
	struct resolved result;
	struct err err;
};

struct resolve {
	struct lookup *lookup;
	struct event *ready;
	struct event *timer;
	resolve_fn *fn;
	void *arg;
};

/* A hung look-up holds its thread beyond the struct resolve it belonged to, so
 * the limit can only be counted for the whole process. */
static atomic_uint threads_running;

static void lookup_unref(struct lookup *l)
{
	if (atomic_fetch_sub(&l->references, 1) > 1)
		return;
	if (l->eventfd >= 0)
		close(l->eventfd);
	pthread_mutex_destroy(&l->mutex);
	free(l);
}

static void copy_addresses(struct resolved *out, const struct addrinfo *list)
{
	const struct addrinfo *ai;
	size_t n = 0;

	for (ai = list; ai != NULL && n < RESOLVE_ADDRESSES_MAX;
		ai = ai->ai_next) {
		if (ai->ai_addrlen > sizeof(out->addresses[n].sa))
			continue;
		memcpy(&out->addresses[n].sa, ai->ai_addr, ai->ai_addrlen);
		out->addresses[n].len = ai->ai_addrlen;
		n++;
	}
	out->count = n;
}

/* All families, whatever addresses this machine has (no AI_ADDRCONFIG): each
 * address is tried anyway, and a container's idea of its own is often wrong. */
static int find_addresses(const char *host, const char *service, int flags,
	struct resolved *out, struct err *err)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_NUMERICSERV | flags,
	};
	struct addrinfo *list = NULL;
	int rc = getaddrinfo(host, service, &hints, &list);

	if (rc == EAI_SYSTEM)
		return err_errno(err, "cannot look up %s", host);
	if (rc != 0)
		return err_set(err, ERR_SYSTEM, "cannot look up %s: %s", host,
			gai_strerror(rc));
	copy_addresses(out, list);
	freeaddrinfo(list);
	if (out->count == 0)
		return err_set(
			err, ERR_SYSTEM, "cannot look up %s: no address", host);
	return 0;
}

bool resolve_take_name(char own_name[RESOLVE_NAME_MAX + 1], const char *name)
{
	static const char fine[] = "abcdefghijklmnopqrstuvwxyz"
				   "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-.";
	size_t len = strlen(name);

	if (name[strspn(name, fine)] != '\0' || name[0] == '.')
		return false;
	if (len > 0 && name[len - 1] == '.')
		len--;
	if (len == 0 || len > RESOLVE_NAME_MAX ||
		memchr(name, '.', len) == NULL ||
		strncasecmp(name, "localhost", strlen("localhost")) == 0)
		return false;
	memcpy(own_name, name, len);
	own_name[len] = '\0';
	return true;
}

/* The name set on this machine, completed by the resolver where allowed. */
static void find_own_name(char own_name[RESOLVE_NAME_MAX + 1], bool may_ask)
{
	const struct addrinfo hints = {
		.ai_family = AF_UNSPEC,
		.ai_socktype = SOCK_STREAM,
		.ai_flags = AI_CANONNAME,
	};
	struct addrinfo *list = NULL;
	char name[RESOLVE_NAME_MAX + 1];

	own_name[0] = '\0';
	if (gethostname(name, sizeof(name)) != 0)
		return;
	name[sizeof(name) - 1] = '\0';
	if (resolve_take_name(own_name, name) || !may_ask || name[0] == '\0')
		return;
	if (getaddrinfo(name, NULL, &hints, &list) != 0)
		return;
	if (list->ai_canonname != NULL)
		resolve_take_name(own_name, list->ai_canonname);
	freeaddrinfo(list);
}

static void tell_loop(struct lookup *l)
{
	const uint64_t one = 1;

	if (write(l->eventfd, &one, sizeof(one)) < 0)
		abort(); /* the counter cannot overflow: it is written once */
}

static void *lookup_thread(void *arg)
{
	struct lookup *l = arg;
	struct resolved result;
	struct err err;
	int rc;

	memset(&result, 0, sizeof(result));
	memset(&err, 0, sizeof(err));
	rc = find_addresses(l->host, l->service, 0, &result, &err);
	pthread_mutex_lock(&l->mutex);
	l->found = rc == 0;
	l->failed = rc != 0;
	l->result = result;
	l->err = err;
	pthread_mutex_unlock(&l->mutex);
	if (rc == 0) {
		find_own_name(result.own_name, true);
		pthread_mutex_lock(&l->mutex);
		memcpy(l->result.own_name, result.own_name,
			sizeof(result.own_name));
		l->named = true;
		pthread_mutex_unlock(&l->mutex);
	}
	tell_loop(l);
	atomic_fetch_sub(&threads_running, 1);
	lookup_unref(l);
	return NULL;
}

static int start_thread(struct lookup *l, struct err *err)
{
	pthread_attr_t attr;
	sigset_t all, old;
	pthread_t thread;
	int rc;

	if (atomic_fetch_add(&threads_running, 1) >= RESOLVE_THREADS_MAX) {
		atomic_fetch_sub(&threads_running, 1);
		return err_set(err, ERR_LIMIT,
			"cannot look up %s: %d look-ups hang already", l->host,
			RESOLVE_THREADS_MAX);
	}
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	atomic_fetch_add(&l->references, 1);
	rc = pthread_create(&thread, &attr, lookup_thread, l);
	if (rc == 0)
		pthread_setname_np(thread, "resolve");
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		return 0;
	atomic_fetch_sub(&l->references, 1);
	atomic_fetch_sub(&threads_running, 1);
	errno = rc;
	return err_errno(err, "cannot start a thread to look up %s", l->host);
}

static void resolve_free(struct resolve *r)
{
	if (r->ready != NULL)
		event_free(r->ready);
	if (r->timer != NULL)
		event_free(r->timer);
	lookup_unref(r->lookup);
	free(r);
}

/* Calls fn with what is known, once, and ends the look-up for this side. */
static void finish(struct resolve *r)
{
	struct resolved result;
	struct err err;
	bool found;

	memset(&err, 0, sizeof(err));
	pthread_mutex_lock(&r->lookup->mutex);
	found = r->lookup->found;
	result = r->lookup->result;
	if (r->lookup->failed)
		err = r->lookup->err;
	else if (!found)
		err_set(&err, ERR_SYSTEM,
			"cannot look up %s: no answer within %d s",
			r->lookup->host, RESOLVE_TIMEOUT_MS / 1000);
	/* found, but our own name is still being looked up */
	if (!r->lookup->named)
		result.own_name[0] = '\0';
	pthread_mutex_unlock(&r->lookup->mutex);
	r->fn(r->arg, found ? &result : NULL, found ? NULL : &err);
	resolve_free(r);
}

static void on_ready(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	finish(arg);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish(arg);
}

static struct lookup *lookup_new(
	const char *host, uint16_t port, struct err *err)
{
	struct lookup *l;

	if (strlen(host) > RESOLVE_NAME_MAX || host[0] == '\0') {
		err_set(err, ERR_CONFIG, "%s is no host name",
			host[0] == '\0' ? "(nothing)" : "a text this long");
		return NULL;
	}
	l = xcalloc(1, sizeof(*l));
	atomic_init(&l->references, 1);
	pthread_mutex_init(&l->mutex, NULL);
	snprintf(l->host, sizeof(l->host), "%s", host);
	snprintf(l->service, sizeof(l->service), "%u", (unsigned)port);
	l->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (l->eventfd >= 0)
		return l;
	err_errno(err, "eventfd for a look-up");
	lookup_unref(l);
	return NULL;
}

/* An address literal needs neither thread nor network. */
static bool take_literal(struct lookup *l)
{
	if (find_addresses(
		    l->host, l->service, AI_NUMERICHOST, &l->result, NULL) != 0)
		return false;
	find_own_name(l->result.own_name, false);
	l->found = true;
	l->named = true;
	return true;
}

struct resolve *resolve_start(struct event_base *base, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct err *err)
{
	const struct timeval limit = {.tv_sec = RESOLVE_TIMEOUT_MS / 1000};
	struct lookup *l = lookup_new(host, port, err);
	struct resolve *r;

	if (l == NULL)
		return NULL;
	r = xcalloc(1, sizeof(*r));
	r->lookup = l;
	r->fn = fn;
	r->arg = arg;
	r->ready = event_new(base, l->eventfd, EV_READ, on_ready, r);
	r->timer = evtimer_new(base, on_timeout, r);
	if (r->ready == NULL || r->timer == NULL ||
		event_add(r->ready, NULL) != 0 ||
		event_add(r->timer, &limit) != 0) {
		err_set(err, ERR_SYSTEM, "events for a look-up failed");
		goto fail;
	}
	if (take_literal(l))
		tell_loop(l);
	else if (start_thread(l, err) != 0)
		goto fail;
	return r;
fail:
	resolve_free(r);
	return NULL;
}

void resolve_cancel(struct resolve **rp)
{
	if (*rp != NULL)
		resolve_free(*rp);
	*rp = NULL;
}
