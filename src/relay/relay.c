/*
 * relay.c - the relay role: its start, its end, and what the parent says.
 */
#include "config.h"

#include "relay/relay.h"

#include "base/channel.h"
#include "base/clock_watch.h"
#include "base/conf.h"
#include "base/credential.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/control.h"
#include "relay/dispatch.h"
#include "relay/dispatch_internal.h"
#include "relay/drop.h"
#include "relay/tls.h"

#include <event2/event.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* How often to look whether everything has drained. */
#define DRAIN_LOOK_MS 20
/* Of the line for systemd. */
#define STATUS_TEXT_MAX 200

struct relay_secrets {
	size_t count;
	struct credential *credentials[];
};

struct relay {
	const struct role *role;
	struct event_base *base;
	struct dispatch *dispatch;
	struct control *control;
	struct drop *drop; /* NULL: drop/ cannot be read */
	struct event *channel;
	struct event *alive;
	struct event *drain_look;
	struct event *status;       /* once a turn, when something changed */
	struct clock_watch *clocks; /* NULL: the kernel has none */
	bool receiver_lives;        /* as far as the parent tells */
	int64_t drain_until_ms;     /* 0: not draining */
	char said[STATUS_TEXT_MAX + 1];
	enum account_state alerted[CONF_ACCOUNTS_MAX]; /* told last */
};

/* Wipes and frees; NULL is fine. */
static void secrets_free(struct relay_secrets **sp)
{
	struct relay_secrets *s = *sp;
	size_t i;

	*sp = NULL;
	if (s == NULL)
		return;
	for (i = 0; i < s->count; i++)
		credential_free(&s->credentials[i]);
	free(s);
}

struct relay_secrets *relay_secrets_read(
	const struct conf *conf, gid_t relay_gid, struct err *err)
{
	struct relay_secrets *s;
	size_t i;

	s = xcalloc(1,
		sizeof(*s) + conf->account_count * sizeof(s->credentials[0]));
	for (i = 0; i < conf->account_count; i++) {
		s->credentials[i] = credential_read(
			conf->accounts[i].password_file, relay_gid, err);
		if (s->credentials[i] == NULL) {
			secrets_free(&s);
			return NULL;
		}
		s->count++;
	}
	return s;
}

int relay_ca_check(const char *ca_file, struct err *err)
{
	return tls_client_check(ca_file, err);
}

static void say(struct relay *r, enum channel_message what, const char *text)
{
	struct err err;

	if (channel_send(r->role->channel_fd, what, -1, text, &err) != 0)
		log_debug("channel reason=\"%s\"", err.text);
}

/* One line for systemd's status: the first account in trouble, else counts. */
static void print_status(const struct relay *r, char *text, size_t size)
{
	const size_t unseen = dispatch_failed_unseen(r->dispatch);
	struct account_info info;
	size_t i;

	for (i = 0; i < dispatch_account_count(r->dispatch); i++) {
		account_info(dispatch_account(r->dispatch, i), &info);
		if (info.state == ACCOUNT_ACTIVE && !info.backing_off)
			continue;
		snprintf(text, size, "Account %s %s: %s", info.name,
			info.state == ACCOUNT_ACTIVE
				? "cannot connect"
				: account_state_name(info.state),
			info.reason);
		return;
	}
	if (unseen > 0)
		snprintf(text, size,
			"%zu failed message%s nobody has looked at: see "
			"gmrelayctl queue list --failed",
			unseen, plural(unseen));
	else
		snprintf(text, size, "Relaying");
}

/* The user's own command hears once when an account can send nothing for hours,
 * and once when it can again. A short pause is not worth it, nor one by hand.
 */
static void alert(struct relay *r)
{
	char text[CHANNEL_TEXT_MAX + 1];
	struct account_info info;
	size_t i;

	for (i = 0; i < dispatch_account_count(r->dispatch); i++) {
		account_info(dispatch_account(r->dispatch, i), &info);
		if (info.state == r->alerted[i] || info.paused_by_hand ||
			(info.state == ACCOUNT_THROTTLED && !info.lasting))
			continue;
		r->alerted[i] = info.state;
		snprintf(text, sizeof(text), "%s\t%s\t%s",
			account_state_name(info.state), info.name, info.reason);
		say(r, CHANNEL_ALERT, text);
	}
}

/* What was so before this process began has been told. */
static void note_alerted(struct relay *r)
{
	size_t i;

	for (i = 0; i < dispatch_account_count(r->dispatch); i++)
		r->alerted[i] =
			account_told_before(dispatch_account(r->dispatch, i));
}

static void on_status(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;
	char text[STATUS_TEXT_MAX + 1];
	struct dispatch_counts counts;

	(void)fd;
	(void)what;
	dispatch_counts(r->dispatch, &counts);
	if (!counts.starting)
		control_start(r->control);
	alert(r);
	print_status(r, text, sizeof(text));
	if (strcmp(text, r->said) == 0)
		return;
	memcpy(r->said, text, sizeof(r->said));
	say(r, CHANNEL_STATUS, text);
}

static void on_change(void *arg)
{
	struct relay *r = arg;

	if (r->status != NULL)
		event_active(r->status, 0, 0);
}

static void drain(struct relay *r)
{
	if (r->drain_until_ms != 0)
		return;
	r->drain_until_ms = clock_boot_ms() + DRAIN_MS;
	dispatch_drain(r->dispatch);
	if (r->drop != NULL)
		drop_drain(r->drop);
	loop_after(r->drain_look, DRAIN_LOOK_MS);
}

/* A receiver that drains still needs segments and bodies for what is under
 * way, so the relay goes after it. */
static void on_drain_look(evutil_socket_t fd, short what, void *arg)
{
	struct relay *r = arg;

	(void)fd;
	(void)what;
	if ((!r->receiver_lives && dispatch_idle(r->dispatch) &&
		    (r->drop == NULL || drop_idle(r->drop))) ||
		clock_boot_ms() > r->drain_until_ms)
		event_base_loopbreak(r->base);
}

static void on_packet(struct relay *r, struct channel_packet *packet)
{
	switch (packet->type) {
	case CHANNEL_LINK:
		if (packet->fd < 0)
			return;
		journal_reader_set_link(
			dispatch_journal(r->dispatch), packet->fd);
		packet->fd = -1;
		r->receiver_lives = true;
		break;
	case CHANNEL_PEER_GONE:
		r->receiver_lives = false;
		journal_reader_peer_gone(dispatch_journal(r->dispatch));
		break;
	case CHANNEL_DRAIN:
		drain(r);
		break;
	case CHANNEL_FLUSH:
		dispatch_flush(r->dispatch);
		drop_flush(r->drop);
		break;
	case CHANNEL_REFUSED:
		control_reload_refused(r->control, packet->text);
		break;
	default:
		break;
	}
}

static void on_channel(evutil_socket_t fd, short what, void *arg)
{
	struct channel_packet packet;
	struct relay *r = arg;
	struct err err;
	int rc;

	(void)what;
	while ((rc = channel_receive(fd, &packet, &err)) > 0) {
		on_packet(r, &packet);
		if (packet.fd >= 0)
			close(packet.fd);
	}
	if (rc == 0)
		return;
	/* The parent is gone: nobody would start us again. */
	event_del(r->channel);
	r->receiver_lives = false;
	drain(r);
}

static void on_alive(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	say(arg, CHANNEL_ALIVE, NULL);
}

static void on_clock_jump(void *arg)
{
	struct relay *r = arg;

	log_debug("clock jumped");
	dispatch_clock_jumped(r->dispatch);
}

static int make_events(struct relay *r, struct err *err)
{
	const unsigned ms = r->role->watchdog_ms;

	r->channel = event_new(r->base, r->role->channel_fd,
		EV_READ | EV_PERSIST, on_channel, r);
	r->status = event_new(r->base, -1, 0, on_status, r);
	r->drain_look = event_new(r->base, -1, EV_PERSIST, on_drain_look, r);
	r->alive = event_new(r->base, -1, EV_PERSIST, on_alive, r);
	if (r->channel == NULL || r->status == NULL || r->drain_look == NULL ||
		r->alive == NULL)
		return err_set(err, ERR_SYSTEM, "out of memory");
	loop_watch(r->channel);
	r->clocks = clock_watch_new(r->base, on_clock_jump, r);
	if (r->clocks == NULL)
		log_debug("no clock watch reason=\"%s\"", strerror(errno));
	if (ms > 0)
		loop_after(r->alive, ms);
	return 0;
}

static int start(
	struct relay *r, const struct relay_secrets *secrets, struct err *err)
{
	struct dispatch_params params = {
		.base = r->base,
		.conf = r->role->conf,
		.names = r->role->names,
		.counters = r->role->counters,
		.credentials =
			(const struct credential *const *)secrets->credentials,
		.on_change = on_change,
		.arg = r,
	};
	struct log_text text;
	struct err no_drop;
	int spool_fd =
		open(r->role->conf->spool, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (spool_fd < 0)
		return err_errno(
			err, "opening the spool %s", r->role->conf->spool);
	params.spool_fd = spool_fd;
	r->dispatch = dispatch_new(&params, err);
	if (r->dispatch != NULL)
		r->drop = drop_new(r->base, r->role, spool_fd, &no_drop);
	if (r->dispatch != NULL && r->drop == NULL)
		log_err("drop-failed reason=%s", log_text(&text, no_drop.text));
	close(spool_fd);
	if (r->dispatch == NULL || make_events(r, err) != 0)
		return -1;
	note_alerted(r);
	r->control = control_new(r->base, r->role, r->dispatch, r->drop, err);
	return r->control != NULL ? 0 : -1;
}

static void stop(struct relay *r)
{
	struct event *events[] = {
		r->channel, r->status, r->drain_look, r->alive};
	size_t i;

	r->status = NULL;
	clock_watch_free(&r->clocks);
	control_free(&r->control);
	drop_free(&r->drop);
	dispatch_free(&r->dispatch);
	for (i = 0; i < COUNT_OF(events); i++)
		if (events[i] != NULL)
			event_free(events[i]);
	event_base_free(r->base);
}

int relay_run(const struct role *role, struct relay_secrets **secrets)
{
	struct relay r = {.role = role};
	struct log_text text;
	struct err err;
	int rc = 1;

	r.base = event_base_new();
	if (r.base == NULL) {
		log_err("start failed reason=\"no event base\"");
		secrets_free(secrets);
		return rc;
	}
	if (start(&r, *secrets, &err) == 0) {
		say(&r, CHANNEL_READY, NULL);
		log_info("started role=relay pid=%d", (int)getpid());
		event_base_dispatch(r.base);
		rc = 0;
	} else {
		log_err("start failed reason=%s", log_text(&text, err.text));
	}
	stop(&r);
	secrets_free(secrets);
	log_info("stopped role=relay");
	return rc;
}
