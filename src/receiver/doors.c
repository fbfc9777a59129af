/*
 * doors.c - who comes in: the listening sockets, and which clients are served.
 */
#include "config.h"

#include "receiver/doors.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "receiver/session.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <event2/listener.h>

/* While the process has no descriptor left. */
enum { ACCEPT_PAUSE_MS = 250, ACCEPT_WARN_EVERY_MS = 60 * 1000 };

/* Then those that are there have a turn: a flood of newcomers would keep the
 * loop at its sockets for ever. */
enum { ACCEPTS_IN_A_TURN = 32 };

static void turn_away(struct doors *doors, int fd, enum rx_reply reply)
{
	struct buf out;

	buf_init(&out, RX_TEXT_MAX);
	/* Best effort: whether it is read is no concern of ours. What the
	 * client sent unasked is read first, since a close would answer it
	 * with a reset. */
	if (rx_reply_add(&out, reply, NULL) == 0 &&
		send(fd, out.data, out.len, MSG_NOSIGNAL | MSG_DONTWAIT) > 0)
		recv(fd, doors->shared->turn, SESSION_TURN_MAX, MSG_DONTWAIT);
	buf_free(&out);
	close(fd);
}

static void turn_away_stranger(
	struct door *door, int fd, const struct peer *peer)
{
	door->doors->shared->counters->refused++;
	log_info("refused peer=%s listen=%s setting=allow reply=\"%s\" "
		 "reason=\"to let it send, add %s to allow\"",
		peer->log, door->listener->name, rx_reply_codes(RX_NOT_ALLOWED),
		peer->text);
	turn_away(door->doors, fd, RX_NOT_ALLOWED);
}

static void turn_away_busy(
	struct door *door, int fd, const struct peer *peer, enum rx_reply reply)
{
	const char *setting =
		reply == RX_BUSY ? "max-clients" : "max-clients-per-address";

	door->doors->shared->counters->busy++;
	log_info("refused peer=%s listen=%s setting=%s reply=\"%s\"", peer->log,
		door->listener->name, setting, rx_reply_codes(reply));
	turn_away(door->doors, fd, reply);
}

/* Makes room for one more client. Returns 0, -1 when there is none. */
static int make_room(struct doors *doors, const struct peer *newcomer)
{
	const struct clients *clients = &doors->shared->clients;
	struct session *victim;

	if (clients->count < doors->role->max_clients)
		return 0;
	victim = clients_victim(clients, newcomer);
	if (victim == NULL)
		return -1;
	doors->shared->counters->busy++;
	session_expel(
		victim, RX_BUSY, "silent for long, max-clients is reached");
	/* not if it waits for the disk: that does not take long */
	return clients->count < doors->role->max_clients ? 0 : -1;
}

/* A client whose profile is known, or who has none. */
static void admit(struct door *door, int fd, const struct peer *peer,
	const struct conf_client *profile)
{
	struct session_shared *shared = door->doors->shared;

	if (profile == NULL)
		turn_away_stranger(door, fd, peer);
	else if (!peer->local && clients_from(&shared->clients, peer) >=
					 shared->conf->max_clients_per_address)
		turn_away_busy(door, fd, peer, RX_TOO_MANY_FROM_ADDRESS);
	else if (make_room(door->doors, peer) != 0)
		turn_away_busy(door, fd, peer, RX_BUSY);
	else if (session_new(shared, fd, peer, profile) != 0)
		log_warn("dropped peer=%s reason=\"out of memory\"", peer->log);
}

/* --- proxies -------------------------------------------------------------- */

/* Not to be served: it is a proxy, and does not say for whom. */
static void on_gate_shut(
	void *arg, int fd, const struct sockaddr *proxy, const char *why)
{
	struct door *door = arg;
	struct log_text text;
	struct peer peer;

	door->doors->shared->counters->refused++;
	if (peer_identify(&peer, fd, LISTENER_SMTP, proxy) == 0)
		log_info("refused peer=%s listen=%s setting=proxy reason=%s",
			peer.log, door->listener->name, log_text(&text, why));
	close(fd);
}

/* A client by way of a proxy. One that says it is of the proxy's own machine is
 * so only if the proxy is on this one. */
static void on_gate_open(void *arg, int fd, const struct sockaddr *client,
	const struct sockaddr *proxy)
{
	struct door *door = arg;
	struct peer peer, via;

	if (client == NULL) {
		on_gate_shut(door, fd, proxy,
			"the proxy does not know for whom it connects");
		return;
	}
	if (peer_identify(&via, fd, LISTENER_SMTP, proxy) != 0 ||
		peer_identify(&peer, fd, LISTENER_SMTP, client) != 0) {
		close(fd);
		return;
	}
	peer.local = peer.local && via.local;
	log_debug("proxied peer=%s via=%s", peer.log, via.log);
	admit(door, fd, &peer,
		conf_client_for(door->doors->role->conf, client));
}

static void tell_of_gateway(struct doors *doors, const struct peer *peer)
{
	if (gateway_is_alone(&doors->gateway, peer))
		log_warn(
			"one-gateway peer=%s reason=\"all clients seem to come "
			"from this address: if it is a gateway that hides "
			"them, allow cannot tell them apart, and whoever gets "
			"through it may send\" advice=\"let it pass on their "
			"addresses, or use the PROXY protocol and the setting "
			"proxy\"",
			peer->log);
}

static void accept_all(struct doors *doors, bool accept);

static void pause_accepting(struct doors *doors, int ms)
{
	accept_all(doors, false);
	doors->accepted = 0;
	loop_after(doors->pause, ms);
}

static void on_accept(struct evconnlistener *accepting, evutil_socket_t fd,
	struct sockaddr *sa, int sa_len, void *arg)
{
	struct door *door = arg;
	struct doors *doors = door->doors;
	const struct conf *conf = doors->role->conf;
	const enum listener_kind kind = door->listener->kind;
	struct peer peer;

	(void)accepting;
	(void)sa_len;
	if (++doors->accepted == ACCEPTS_IN_A_TURN)
		pause_accepting(doors, 0);
	if (peer_identify(&peer, fd, kind, sa) != 0) {
		close(fd);
	} else if (kind != LISTENER_SMTP) {
		admit(door, fd, &peer, conf_client_local(conf));
	} else if (conf_is_proxy(conf, sa)) {
		gate_new(&doors->gates, fd, sa, door);
	} else {
		tell_of_gateway(doors, &peer);
		admit(door, fd, &peer, conf_client_for(conf, sa));
	}
}

/* --- doors ---------------------------------------------------------------- */

static void accept_all(struct doors *doors, bool accept)
{
	size_t i;

	for (i = 0; i < doors->role->listener_count; i++) {
		if (doors->all[i].accepting == NULL)
			continue;
		if (accept)
			loop_accept(doors->all[i].accepting);
		else
			evconnlistener_disable(doors->all[i].accepting);
	}
}

static void on_accept_pause_over(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	accept_all(arg, true);
}

/* Those who wait stay in the kernel's queue. */
static void on_accept_error(struct evconnlistener *accepting, void *arg)
{
	struct door *door = arg;
	struct doors *doors = door->doors;
	const int cause = errno;
	const int64_t now = clock_boot_ms();

	(void)accepting;
	if (doors->accept_warned_ms == 0 ||
		now - doors->accept_warned_ms > ACCEPT_WARN_EVERY_MS) {
		doors->accept_warned_ms = now;
		log_warn(
			"accept failed listen=%s reason=\"%s\" state=\"clients wait "
			"until that is over\"",
			door->listener->name, strerror(cause));
	}
	pause_accepting(doors, ACCEPT_PAUSE_MS);
}

static int open_all(struct doors *doors)
{
	const int on = 1;
	const struct listener *listener;
	struct door *door;
	size_t i;

	for (i = 0; i < doors->role->listener_count; i++) {
		listener = &doors->role->listeners[i];
		door = &doors->all[i];
		door->doors = doors;
		door->listener = listener;
		/* Accepted sockets inherit it. A reply is always written as a
		 * whole, so there is nothing to wait for. */
		if (listener->kind == LISTENER_SMTP)
			setsockopt(listener->fd, IPPROTO_TCP, TCP_NODELAY, &on,
				sizeof(on));
		door->accepting =
			evconnlistener_new(doors->shared->base, on_accept, door,
				LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
				0, listener->fd);
		if (door->accepting == NULL)
			return -1;
		evconnlistener_set_error_cb(door->accepting, on_accept_error);
	}
	return 0;
}

int doors_open(struct doors *doors, const struct role *role,
	struct session_shared *shared)
{
	doors->role = role;
	doors->shared = shared;
	doors->gates.base = shared->base;
	doors->gates.on_open = on_gate_open;
	doors->gates.on_shut = on_gate_shut;
	doors->pause =
		event_new(shared->base, -1, 0, on_accept_pause_over, doors);
	return doors->pause != NULL ? open_all(doors) : -1;
}

void doors_close(struct doors *doors)
{
	size_t i;

	gates_close(&doors->gates);
	if (doors->pause != NULL)
		event_free(doors->pause);
	doors->pause = NULL;
	for (i = 0; i < LISTENERS_MAX; i++)
		if (doors->all[i].accepting != NULL) {
			evconnlistener_free(doors->all[i].accepting);
			doors->all[i].accepting = NULL;
		}
}
