/*
 * receiver.c - the receiver role: its start, draining, its end.
 *
 * Draining ends in three steps: nobody new is accepted and sessions without a
 * transaction are sent away; the others may finish until shortly before
 * DRAIN_MS is over; when the last one is gone and the journal has nothing left
 * to sync, the loop ends.
 */
#include "config.h"

#include "receiver/receiver.h"

#include "base/channel.h"
#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/role.h"
#include "base/util.h"
#include "receiver/doors.h"
#include "receiver/login.h"
#include "receiver/secrets.h"
#include "receiver/session.h"
#include "spool/journal_write.h"

#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>

/* After so many sessions the memory of a busy time is given back, as soon as
 * nobody is connected. */
enum { TRIM_SESSIONS = 64 };
/* Of DRAIN_MS, for the last replies and syncs. */
enum { DRAIN_MARGIN_MS = 1000 };
/* Between looks at what is still busy when the time is over: the journal, or a
 * client that waits for it. */
enum { DRAIN_LOOK_MS = 10 };

struct receiver {
	const struct role *role;
	struct session_shared shared;
	struct doors doors;
	struct event *channel;
	struct event *watchdog; /* NULL: none asked for */
	struct event *drain;    /* its deadline, then looks at the end */
	unsigned gone;          /* sessions since memory was given back */
};

/* --- draining ------------------------------------------------------------- */

static void send_away(struct receiver *r, bool all, const char *why)
{
	struct client *client, *next;

	for (client = TAILQ_FIRST(&r->shared.clients.all); client != NULL;
		client = next) {
		next = TAILQ_NEXT(client, all_link);
		if (all || client->is_idle)
			session_expel(client->session, RX_STOPPING, why);
	}
}

/* Ends the loop when nothing is left to do, or looks again soon. */
static void end_if_idle(struct receiver *r)
{
	if (!r->shared.draining || r->shared.clients.count > 0)
		return;
	if (journal_busy(r->shared.journal))
		loop_after(r->drain, DRAIN_LOOK_MS);
	else
		event_base_loopbreak(r->shared.base);
}

static void on_drain_timer(evutil_socket_t fd, short what, void *arg)
{
	struct receiver *r = arg;

	(void)fd;
	(void)what;
	send_away(r, true, "stopping, its time is over");
	if (r->shared.clients.count > 0)
		loop_after(r->drain, DRAIN_LOOK_MS);
	end_if_idle(r);
}

static void on_session_gone(void *arg)
{
	struct receiver *r = arg;

	r->gone++;
	if (r->shared.clients.count == 0 && r->gone >= TRIM_SESSIONS) {
		malloc_trim(0);
		r->gone = 0;
	}
	end_if_idle(r);
}

static void drain(struct receiver *r)
{
	if (r->shared.draining)
		return;
	doors_close(&r->doors);
	/* the deadline first: end_if_idle() may set an earlier one */
	loop_after(r->drain, DRAIN_MS - DRAIN_MARGIN_MS);
	r->shared.draining = true;
	send_away(r, false, "stopping");
	end_if_idle(r);
}

/* --- the parent ----------------------------------------------------------- */

static void on_packet(struct receiver *r, struct channel_packet *packet)
{
	switch (packet->type) {
	case CHANNEL_LINK:
		if (packet->fd >= 0)
			journal_set_link(r->shared.journal, packet->fd);
		return;
	case CHANNEL_PEER_GONE:
		journal_peer_gone(r->shared.journal);
		break;
	case CHANNEL_DRAIN:
		drain(r);
		break;
	default:
		break;
	}
	if (packet->fd >= 0)
		close(packet->fd);
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct receiver *r = arg;
	struct channel_packet packet;
	struct err err;
	int rc;

	(void)what;
	while ((rc = channel_receive(fd, &packet, &err)) == 1)
		on_packet(r, &packet);
	if (rc == 0)
		return;
	/* the parent is gone; what was accepted is finished */
	log_warn("stopping reason=\"the parent process is gone\"");
	event_del(r->channel);
	drain(r);
}

/* Only another process gets another link. */
static void on_link_lost(void *arg)
{
	struct receiver *r = arg;

	if (!r->shared.draining)
		log_err("stopping reason=\"the link to the relay was closed, and "
			"it lives: starting again\"");
	drain(r);
}

static void on_watchdog(evutil_socket_t fd, short what, void *arg)
{
	struct receiver *r = arg;
	struct err err;

	(void)fd;
	(void)what;
	/* a parent that is gone is heard of by on_channel */
	(void)channel_send(r->role->channel_fd, CHANNEL_ALIVE, -1, NULL, &err);
}

/* --- start and end -------------------------------------------------------- */

/* What stands behind the last '@', or all of it. */
static const char *domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? at + 1 : address;
}

/* Message-IDs want a name that is one in the whole world: ours where it has a
 * domain, else the account's. */
static void find_names(struct session_shared *shared)
{
	const struct conf *conf = shared->conf;
	char host[SESSION_HOST_MAX + 1] = "";

	if (conf->hostname[0] != '\0')
		snprintf(host, sizeof(host), "%s", conf->hostname);
	else if (gethostname(host, sizeof(host) - 1) != 0 || host[0] == '\0')
		snprintf(host, sizeof(host), "localhost");
	snprintf(shared->host, sizeof(shared->host), "%s", host);
	snprintf(shared->id_domain, sizeof(shared->id_domain), "%s",
		strchr(host, '.') != NULL
			? host
			: domain_of(conf->accounts[0].username));
}

static struct event *new_event(
	struct receiver *r, int fd, short what, event_callback_fn callback)
{
	struct event *event = event_new(r->shared.base, fd, what, callback, r);

	if (event == NULL)
		bug("no memory for an event");
	return event;
}

static int start(struct receiver *r)
{
	const struct role *role = r->role;
	struct err err;

	r->shared.journal = journal_new(r->shared.base, &err);
	if (r->shared.journal == NULL) {
		log_err("start failed reason=\"%s\"", err.text);
		return -1;
	}
	journal_watch_link(r->shared.journal, on_link_lost, r);
	r->channel = new_event(
		r, role->channel_fd, EV_READ | EV_PERSIST, on_channel);
	r->drain = new_event(r, -1, 0, on_drain_timer);
	if (doors_open(&r->doors, role, &r->shared) != 0) {
		log_err("start failed reason=\"cannot watch the listening sockets\"");
		return -1;
	}
	loop_watch(r->channel);
	if (role->watchdog_ms > 0) {
		r->watchdog = new_event(r, -1, EV_PERSIST, on_watchdog);
		loop_after(r->watchdog, role->watchdog_ms);
	}
	if (channel_send(role->channel_fd, CHANNEL_READY, -1, NULL, &err) !=
		0) {
		log_err("start failed reason=\"%s\"", err.text);
		return -1;
	}
	return 0;
}

static void stop(struct receiver *r)
{
	struct event *events[] = {r->channel, r->watchdog, r->drain};
	size_t i;

	doors_close(&r->doors);
	for (i = 0; i < COUNT_OF(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	journal_free(&r->shared.journal);
	session_shared_free(&r->shared);
	event_base_free(r->shared.base);
}

/* Signals to the whole group (a terminal's, a service manager's) are the
 * parent's to act on: it says what to do. */
static void leave_signals_to_parent(void)
{
	static const int ignored[] = {
		SIGHUP, SIGINT, SIGPIPE, SIGTERM, SIGUSR1, SIGUSR2};
	size_t i;

	for (i = 0; i < COUNT_OF(ignored); i++)
		signal(ignored[i], SIG_IGN);
}

int receiver_run(const struct role *role, struct receiver_secrets **secrets)
{
	struct receiver r = {.role = role};
	int status = EXIT_FAILURE;

	leave_signals_to_parent();
	if (role->listener_count > LISTENERS_MAX)
		bug("too many listeners: %zu", role->listener_count);
	r.shared.base = event_base_new();
	if (r.shared.base == NULL) {
		log_err("start failed reason=\"no event loop\"");
		return EXIT_FAILURE;
	}
	r.shared.conf = role->conf;
	r.shared.names = role->names;
	r.shared.relay_uid = role->relay_uid;
	r.shared.counters = role->counters->receiver;
	r.shared.tls = (*secrets)->tls;
	if ((*secrets)->users != NULL)
		r.shared.logins = logins_new(r.shared.base, (*secrets)->users);
	r.shared.on_gone = on_session_gone;
	r.shared.arg = &r;
	find_names(&r.shared);
	session_shared_init(&r.shared);
	if (start(&r) == 0 && event_base_dispatch(r.shared.base) == 0) {
		log_info("stopped role=receiver");
		status = EXIT_SUCCESS;
	}
	stop(&r);
	receiver_secrets_free(secrets);
	return status;
}
