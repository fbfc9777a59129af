/*
 * shim_others.c - sockets, the clock, the resolver.
 */
#include "shim.h"

#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <time.h>

/* --- other descriptors ---------------------------------------------------- */

int socket(int family, int type, int protocol)
{
	REAL(int, "socket", int, int, int);
	struct call c;

	if (!call_begins(&c, CALL_SOCKET))
		return -1;
	return (int)call_ends(&c, real(family, type, protocol));
}

int accept4(int fd, struct sockaddr *address, socklen_t *len, int flags)
{
	REAL(int, "accept4", int, struct sockaddr *, socklen_t *, int);
	struct call c;

	if (!call_begins(&c, CALL_SOCKET))
		return -1;
	return (int)call_ends(&c, real(fd, address, len, flags));
}

int eventfd(unsigned count, int flags)
{
	REAL(int, "eventfd", unsigned, int);
	struct call c;

	if (!call_begins(&c, CALL_SOCKET))
		return -1;
	return (int)call_ends(&c, real(count, flags));
}

/* Between the roles, and to the parent. */
ssize_t sendmsg(int fd, const struct msghdr *msg, int flags)
{
	REAL(ssize_t, "sendmsg", int, const struct msghdr *, int);
	struct call c;

	if (!call_begins(&c, CALL_SENDMSG))
		return -1;
	return call_ends(&c, real(fd, msg, flags));
}

static bool is_between_processes(int fd)
{
	socklen_t len = sizeof(int);
	int type = 0;

	return getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) == 0 &&
	       type == SOCK_SEQPACKET;
}

ssize_t send(int fd, const void *data, size_t len, int flags)
{
	REAL(ssize_t, "send", int, const void *, size_t, int);
	struct call c;

	if (!is_between_processes(fd))
		return real(fd, data, len, flags);
	if (!call_begins(&c, CALL_SENDMSG))
		return -1;
	return call_ends(&c, real(fd, data, len, flags));
}

/* --- the clock, the resolver ---------------------------------------------- */

/* The timer that is cancelled when the machine has been suspended. */
static _Atomic int watch_fd = -1;

static int settime(
	int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	REAL(int, "timerfd_settime", int, int, const struct itimerspec *,
		struct itimerspec *);

	return real(fd, flags, new, old);
}

int timerfd_settime(
	int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	if (flags & TFD_TIMER_CANCEL_ON_SET)
		watch_fd = fd;
	return settime(fd, flags, new, old);
}

/* As the kernel would; noticed when a process looks at the clock, which our
 * test has to bring about. */
static int64_t slept_s(void)
{
	static const struct itimerspec at_once = {.it_value.tv_nsec = 1};
	static _Atomic int64_t known_s;
	const int64_t slept = shim_page()->boot_s;

	if (atomic_exchange(&known_s, slept) != slept && watch_fd >= 0)
		(void)settime(watch_fd, 0, &at_once, NULL);
	return slept;
}

/* Not time(3): certificates keep their time. */
int clock_gettime(clockid_t clock, struct timespec *now)
{
	int rc = shim_clock(clock, now);

	if (rc == 0 && clock == CLOCK_REALTIME && shim_page() != NULL)
		now->tv_sec += (time_t)shim_page()->wall_s;
	if (rc == 0 && clock == CLOCK_BOOTTIME && shim_page() != NULL)
		now->tv_sec += (time_t)slept_s();
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
	struct call c;

	if (!literal && !call_begins(&c, CALL_RESOLVE))
		return EAI_AGAIN;
	return list_addresses(name, service, hints, list);
}
