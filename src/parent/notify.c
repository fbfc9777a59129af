/*
 * notify.c - what systemd is told: the datagrams of sd_notify(3).
 */
#include "config.h"

#include "parent/notify.h"

#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

/* Three signs of life in the time systemd allows for one. */
enum { WATCHDOG_SHARE = 3, USEC_PER_MS = 1000 };

static int connect_to(const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(path);
	socklen_t sa_len;
	int fd;

	if ((path[0] != '/' && path[0] != '@') || len >= sizeof(sa.sun_path))
		return err_set(err, ERR_CONFIG,
			"NOTIFY_SOCKET: not an absolute path nor an abstract name");
	memcpy(sa.sun_path, path, len);
	sa_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (path[0] == '@')
		sa.sun_path[0] = '\0';
	else
		sa_len++;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || connect(fd, (const struct sockaddr *)&sa, sa_len) != 0) {
		err_errno(err, "NOTIFY_SOCKET %s", path);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	return fd;
}

/* A number and nothing else, or -1. */
static int64_t env_number(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long long value;

	if (text == NULL || text[0] < '0' || text[0] > '9')
		return -1;
	errno = 0;
	value = strtoll(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : -1;
}

static unsigned watchdog_interval(void)
{
	int64_t usec = env_number("WATCHDOG_USEC");
	int64_t ms;

	if (usec <= 0)
		return 0;
	if (getenv("WATCHDOG_PID") != NULL &&
		env_number("WATCHDOG_PID") != (int64_t)getpid())
		return 0;
	ms = usec / USEC_PER_MS / WATCHDOG_SHARE;
	if (ms > INT32_MAX)
		ms = INT32_MAX;
	return ms > 0 ? (unsigned)ms : 1;
}

int notify_open(struct notify *n, struct err *err)
{
	const char *path = getenv("NOTIFY_SOCKET");

	n->fd = -1;
	n->watchdog_ms = 0;
	if (path == NULL)
		return 0;
	n->fd = connect_to(path, err);
	unsetenv("NOTIFY_SOCKET");
	if (n->fd < 0)
		return -1;
	n->watchdog_ms = watchdog_interval();
	return 0;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

static void send_text(const struct notify *n, const char *text)
{
	ssize_t sent;

	if (n->fd < 0)
		return;
	do
		sent = send(
			n->fd, text, strlen(text), MSG_NOSIGNAL | MSG_DONTWAIT);
	while (sent < 0 && errno == EINTR);
}

/* Appends STATUS= and the text, made harmless, to the message. */
static void put_status(char *message, size_t size, const char *text)
{
	size_t at = strlen(message);
	size_t i;

	snprintf(message + at, size - at, "STATUS=%s", text);
	for (i = at; message[i] != '\0'; i++)
		if ((unsigned char)message[i] < 0x20 || message[i] == 0x7f)
			message[i] = '?';
}

void notify_ready(const struct notify *n, const char *status)
{
	char message[NOTIFY_MESSAGE_MAX] = "READY=1\n";

	put_status(message, sizeof(message), status);
	send_text(n, message);
}

void notify_reloading(const struct notify *n)
{
	char message[NOTIFY_MESSAGE_MAX];
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	snprintf(message, sizeof(message),
		"RELOADING=1\nMONOTONIC_USEC=%" PRIu64,
		(uint64_t)now.tv_sec * 1000000 + (uint64_t)now.tv_nsec / 1000);
	send_text(n, message);
}

void notify_stopping(const struct notify *n)
{
	send_text(n, "STOPPING=1");
}

void notify_watchdog(const struct notify *n)
{
	send_text(n, "WATCHDOG=1");
}

void notify_status(const struct notify *n, const char *text)
{
	char message[NOTIFY_MESSAGE_MAX] = "";

	put_status(message, sizeof(message), text);
	send_text(n, message);
}
