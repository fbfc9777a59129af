/*
 * gate.c - connections of proxies, until they have said for whom they connect.
 *
 * What came is looked at in the socket and taken only as far as it belongs to
 * the header, so that the session finds what follows where it expects it.
 */
#include "config.h"

#include "receiver/gate.h"

#include "base/util.h"
#include "proto/proxy.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

struct gate {
	LIST_ENTRY(gate) link;
	struct gates *gates;
	int fd;
	struct event *event;
	int64_t until_ms; /* boot clock */
	struct sockaddr_storage proxy;
	void *arg;
	size_t len;
	char data[PROXY_MAX];
};

/* Lets go of the descriptor: it is the callee's from here on. */
static void gate_free(struct gate **gp)
{
	struct gate *g = *gp;

	*gp = NULL;
	LIST_REMOVE(g, link);
	g->gates->count--;
	event_free(g->event);
	free(g);
}

static void shut(struct gate *g, const char *why)
{
	const struct sockaddr_storage proxy = g->proxy;
	gate_shut_fn *on_shut = g->gates->on_shut;
	void *arg = g->arg;
	int fd = g->fd;

	gate_free(&g);
	on_shut(arg, fd, (const struct sockaddr *)&proxy, why);
}

static void open_for(struct gate *g, const struct proxy_header *header)
{
	const struct sockaddr_in6 named = {
		.sin6_family = AF_INET6,
		.sin6_port = htons(header->port),
		.sin6_addr = header->source,
	};
	const struct sockaddr_storage proxy = g->proxy;
	const struct sockaddr *client = NULL;
	gate_open_fn *on_open = g->gates->on_open;
	void *arg = g->arg;
	int fd = g->fd;

	if (header->client == PROXY_CLIENT)
		client = (const struct sockaddr *)&named;
	else if (header->client == PROXY_ITSELF)
		client = (const struct sockaddr *)&proxy;
	gate_free(&g);
	on_open(arg, fd, client, (const struct sockaddr *)&proxy);
}

static bool take(struct gate *g, size_t len)
{
	ssize_t n = recv(g->fd, g->data + g->len, len, MSG_DONTWAIT);

	if (n < 0 || (size_t)n != len)
		return false;
	g->len += len;
	return true;
}

/* Looks at what came, and takes what belongs to the header. */
static void look(struct gate *g)
{
	struct proxy_header header;
	struct err err;
	ssize_t n;
	int rc;

	n = recv(g->fd, g->data + g->len, sizeof(g->data) - g->len,
		MSG_DONTWAIT | MSG_PEEK);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return;
	if (n <= 0) {
		shut(g, "it left without a PROXY header");
		return;
	}
	rc = proxy_parse(&header, g->data, g->len + (size_t)n, &err);
	if (rc < 0)
		shut(g, err.text);
	else if (!take(g, rc > 0 ? header.used - g->len : (size_t)n))
		shut(g, "its PROXY header cannot be read");
	else if (rc > 0)
		open_for(g, &header);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct gate *g = arg;

	(void)fd;
	if ((what & EV_READ) == 0 || clock_boot_ms() >= g->until_ms)
		shut(g, "its PROXY header did not come in time");
	else
		look(g);
}

void gate_new(
	struct gates *gates, int fd, const struct sockaddr *proxy, void *arg)
{
	static const struct timeval wait = {
		.tv_sec = GATE_WAIT_MS / 1000,
		.tv_usec = GATE_WAIT_MS % 1000 * 1000,
	};
	struct gate *g =
		gates->count < GATES_MAX ? calloc(1, sizeof(*g)) : NULL;

	if (g != NULL)
		g->event = event_new(
			gates->base, fd, EV_READ | EV_PERSIST, on_event, g);
	if (g == NULL || g->event == NULL) {
		free(g);
		gates->on_shut(
			arg, fd, proxy, "too many wait for their PROXY header");
		return;
	}
	g->gates = gates;
	g->fd = fd;
	g->arg = arg;
	g->until_ms = clock_boot_ms() + GATE_WAIT_MS;
	memcpy(&g->proxy, proxy,
		proxy->sa_family == AF_INET ? sizeof(struct sockaddr_in)
					    : sizeof(struct sockaddr_in6));
	LIST_INSERT_HEAD(&gates->waiting, g, link);
	gates->count++;
	if (event_add(g->event, &wait) != 0)
		shut(g, "out of memory");
	else
		look(g);
}

void gates_close(struct gates *gates)
{
	struct gate *g, *next;

	for (g = LIST_FIRST(&gates->waiting); g != NULL; g = next) {
		next = LIST_NEXT(g, link);
		close(g->fd);
		gate_free(&g);
	}
}
