/*
 * parent.c - the life of the parent: fork, wait, restart, signals, reload,
 *            stop.
 */
#include "config.h"

#include "parent/parent.h"

#include "base/channel.h"
#include "base/util.h"
#include "parent/child.h"
#include "parent/parent_internal.h"

#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum {
	/* A message of the link is at most 64 KiB. */
	LINK_BUFFER_SIZE = 256 * 1024,
	/* A role that floods its channel does not keep the parent busy. */
	PACKETS_PER_TURN = 16,
	/* A relay that asks for reload upon reload must not keep the receiver
	 * from its clients. */
	RELOAD_GAP_MS = 2000,
};

static struct child *other(struct parent *p, const struct child *c)
{
	return &p->children[c->kind == CHILD_RECEIVER ? CHILD_RELAY
						      : CHILD_RECEIVER];
}

/* A role that does not take what it is told is beyond help: a new one may do
 * better. */
static void tell(struct child *c, enum channel_message type, int fd)
{
	struct err err;

	if (c->pid == 0 || c->channel_fd < 0)
		return;
	if (channel_send(c->channel_fd, type, fd, NULL, &err) == 0 ||
		c->kill_ms != 0) /* it is on its way out already */
		return;
	log_warn("role killed role=%s pid=%ld reason=\"%s\"", child_name(c),
		(long)c->pid, err.text);
	child_kill(c);
}

/* Gives both roles an end of a new link and keeps none. */
static void link_roles(struct parent *p)
{
	const int size = LINK_BUFFER_SIZE;
	struct err err;
	int fds[2], i;

	if (channel_pair(fds, &err) != 0) {
		log_err("link failed reason=\"%s\"", err.text);
		child_kill(&p->children[CHILD_RECEIVER]);
		return;
	}
	for (i = 0; i < 2; i++)
		setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF, &size, sizeof(size));
	tell(&p->children[CHILD_RECEIVER], CHANNEL_LINK, fds[0]);
	tell(&p->children[CHILD_RELAY], CHANNEL_LINK, fds[1]);
	close(fds[0]);
	close(fds[1]);
}

static int start_child(struct parent *p, struct child *c)
{
	const struct child_context context = {
		.checked = &p->now,
		.listen = p->listen,
		.spool = &p->spool,
		.counters = p->counters,
		.watchdog_ms = p->notify.watchdog_ms,
		.log_level = p->options->log_level,
		.to_syslog = p->options->to_syslog,
	};
	struct err err;

	if (child_start(c, &context, &err) != 0) {
		log_err("role not started role=%s reason=\"%s\"", child_name(c),
			err.text);
		return -1;
	}
	log_info("role started role=%s pid=%ld", child_name(c), (long)c->pid);
	return 0;
}

static void begin_stop(struct parent *p, const char *why)
{
	int64_t now = clock_boot_ms();
	int i;

	if (p->phase == PARENT_STOPPING)
		return;
	log_info("stopping reason=\"%s\"", why);
	notify_stopping(&p->notify);
	p->phase = PARENT_STOPPING;
	for (i = 0; i < CHILD_COUNT; i++) {
		p->children[i].restart_ms = 0;
		child_drain(&p->children[i], now);
	}
}

static void fail_start(struct parent *p, const struct child *c)
{
	log_err("start failed role=%s reason=\"see the lines above\"",
		child_name(c));
	p->exit_status = 1;
	begin_stop(p, "start failed");
}

static void start_both(struct parent *p)
{
	int64_t now = clock_boot_ms();
	struct child *c;
	int i, alive = 0;

	for (i = 0; i < CHILD_COUNT; i++) {
		c = &p->children[i];
		c->delay_ms = 0;
		if (start_child(p, c) == 0) {
			alive++;
		} else if (p->phase == PARENT_STARTING) {
			fail_start(p, c);
			return;
		} else {
			c->started_ms = now;
			c->delay_ms = CHILD_DELAY_FIRST_MS;
			child_plan_restart(c, now);
		}
	}
	if (alive == CHILD_COUNT)
		link_roles(p);
}

static void restart(struct parent *p, struct child *c)
{
	struct child *peer = other(p, c);

	if (start_child(p, c) != 0)
		child_plan_restart(c, clock_boot_ms());
	else if (peer->pid != 0)
		link_roles(p);
	else
		tell(c, CHANNEL_PEER_GONE, -1);
}

static void log_death(const struct parent *p, const struct child *c, int status)
{
	bool expected =
		p->phase == PARENT_STOPPING || p->phase == PARENT_RELOADING;

	if (WIFSIGNALED(status))
		log_err("role died role=%s pid=%ld signal=%d reason=\"%s\"",
			child_name(c), (long)c->pid, WTERMSIG(status),
			strsignal(WTERMSIG(status)));
	else if (expected && WEXITSTATUS(status) == 0)
		log_info("role ended role=%s pid=%ld", child_name(c),
			(long)c->pid);
	else
		log_err("role died role=%s pid=%ld status=%d%s", child_name(c),
			(long)c->pid, WEXITSTATUS(status),
			WEXITSTATUS(status) == EX_CONFIG
				? " reason=\"configuration\""
				: "");
}

static void on_death(struct parent *p, struct child *c, int status)
{
	int64_t now = clock_boot_ms();

	log_death(p, c, status);
	child_gone(c);
	if (c->kind == CHILD_RELAY)
		p->relay_says[0] = '\0';
	if (p->phase == PARENT_STARTING) {
		fail_start(p, c);
		return;
	}
	/* Also to one that drains: what nobody writes any more is free. */
	tell(other(p, c), CHANNEL_PEER_GONE, -1);
	if (p->phase != PARENT_RUNNING)
		return;
	child_plan_restart(c, now);
	log_info("role restarts role=%s delay=%.0fs", child_name(c),
		(double)(c->restart_ms - now) / 1000);
	notify_status(
		&p->notify, c->kind == CHILD_RELAY
				    ? "the relay died and is started again"
				    : "the receiver died and is started again");
}

static void reap(struct parent *p)
{
	int status, i;
	pid_t pid;

	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		if (alert_reap(&p->alert, &p->now, pid, status))
			continue;
		for (i = 0; i < CHILD_COUNT; i++)
			if (p->children[i].pid == pid)
				on_death(p, &p->children[i], status);
	}
}

static bool both_ready(const struct parent *p)
{
	return p->children[CHILD_RECEIVER].ready &&
	       p->children[CHILD_RELAY].ready;
}

/* What `systemctl status` shows of a daemon that serves. */
static void print_status(const struct parent *p, char *text, size_t size)
{
	struct buf line;

	buf_init(&line, READY_LINE_MAX);
	listen_describe(p->listen, &line);
	snprintf(text, size, "%s, %s",
		p->relay_says[0] != '\0' ? p->relay_says : "Serving",
		line.data);
	buf_free(&line);
}

static void tell_status(const struct parent *p)
{
	char status[NOTIFY_MESSAGE_MAX];

	if (p->phase != PARENT_RUNNING || !p->announced || !both_ready(p))
		return;
	print_status(p, status, sizeof(status));
	notify_status(&p->notify, status);
}

/* Tells once that these roles serve. */
static void announce(struct parent *p)
{
	char status[NOTIFY_MESSAGE_MAX];
	struct buf line;

	if (p->announced ||
		(p->phase != PARENT_STARTING && p->phase != PARENT_RUNNING) ||
		!both_ready(p))
		return;
	buf_init(&line, READY_LINE_MAX);
	listen_describe(p->listen, &line);
	log_info("ready %s%s", line.data,
		p->phase == PARENT_STARTING ? "" : " reloaded=yes");
	buf_free(&line);
	print_status(p, status, sizeof(status));
	notify_ready(&p->notify, status);
	p->announced = true;
	p->phase = PARENT_RUNNING;
}

/* One reload waits at most, however often it is asked for. */
static void ask_reload(struct parent *p, int64_t not_before_ms)
{
	int64_t now = clock_boot_ms();
	int64_t due = not_before_ms > now ? not_before_ms : now;

	if (p->reload_ms == 0 || due < p->reload_ms)
		p->reload_ms = due;
}

static void on_packet(
	struct parent *p, struct child *c, const struct channel_packet *packet)
{
	struct log_text shown;

	if (!child_may_say(c->kind, packet->type)) {
		if (!c->warned)
			log_warn("role message ignored role=%s type=%u",
				child_name(c), (unsigned)packet->type);
		c->warned = true;
		return;
	}
	switch (packet->type) {
	case CHANNEL_READY:
		if (c->ready)
			break;
		log_info("role ready role=%s pid=%ld", child_name(c),
			(long)c->pid);
		c->ready = true;
		tell_status(p); /* it may have been told of a death */
		break;
	case CHANNEL_ALIVE:
		c->alive_ms = clock_boot_ms();
		break;
	case CHANNEL_RELOAD:
		ask_reload(p, p->reloaded_ms + RELOAD_GAP_MS);
		break;
	case CHANNEL_STOP:
		begin_stop(p, "asked by the relay");
		break;
	case CHANNEL_STATUS:
		log_debug("status text=%s", log_text(&shown, packet->text));
		snprintf(p->relay_says, sizeof(p->relay_says), "%.*s",
			RELAY_STATUS_MAX, packet->text);
		tell_status(p);
		break;
	case CHANNEL_ALERT:
		alert_add(&p->alert, &p->now, packet->text);
		break;
	default:
		break;
	}
}

static void on_readable(struct parent *p, struct child *c)
{
	struct channel_packet packet;
	struct err err;
	int i, rc;

	for (i = 0; i < PACKETS_PER_TURN; i++) {
		rc = channel_receive(c->channel_fd, &packet, &err);
		if (rc == 0)
			return;
		if (rc < 0) {
			/* It ends, or is broken: then it gets no longer than
			 * one that was told to end. */
			close(c->channel_fd);
			c->channel_fd = -1;
			child_drain(c, clock_boot_ms());
			return;
		}
		on_packet(p, c, &packet);
	}
}

static void on_signal(struct parent *p, int number)
{
	switch (number) {
	case SIGTERM:
		begin_stop(p, "SIGTERM");
		break;
	case SIGINT:
		begin_stop(p, "SIGINT");
		break;
	case SIGHUP:
		ask_reload(p, 0);
		break;
	case SIGUSR1:
		log_info("flush reason=\"SIGUSR1\"");
		tell(&p->children[CHILD_RELAY], CHANNEL_FLUSH, -1);
		break;
	default: /* SIGCHLD: reap() is called each turn */
		break;
	}
}

static void read_signals(struct parent *p)
{
	struct signalfd_siginfo info;

	while (read(p->signal_fd, &info, sizeof(info)) == sizeof(info))
		on_signal(p, (int)info.ssi_signo);
}

static int64_t earlier(int64_t a, int64_t b)
{
	if (a == 0 || b == 0)
		return a + b;
	return a < b ? a : b;
}

/* When the next timer is due, by clock_boot_ms(); 0: none runs. */
static int64_t next_due(const struct parent *p)
{
	int64_t due = earlier(p->watchdog_ms, p->alert.kill_ms);
	int i;

	if (p->phase == PARENT_RUNNING)
		due = earlier(due, p->reload_ms);
	for (i = 0; i < CHILD_COUNT; i++) {
		due = earlier(due, p->children[i].kill_ms);
		due = earlier(due, p->children[i].restart_ms);
	}
	return due;
}

/* A role that serves must have said so lately; one that is being started is in
 * the parent's hands, and the parent is alive. */
static void run_watchdog(struct parent *p, int64_t now)
{
	const struct child *c;
	int i;

	if (p->watchdog_ms == 0 || now < p->watchdog_ms)
		return;
	p->watchdog_ms = now + p->notify.watchdog_ms;
	for (i = 0; i < CHILD_COUNT; i++) {
		c = &p->children[i];
		if (c->ready && c->kill_ms == 0 &&
			now - c->alive_ms > 2 * (int64_t)p->notify.watchdog_ms)
			return;
	}
	notify_watchdog(&p->notify);
}

static void run_timers(struct parent *p)
{
	int64_t now = clock_boot_ms();
	struct child *c;
	int i;

	if (p->phase == PARENT_RUNNING && p->reload_ms != 0 &&
		now >= p->reload_ms)
		parent_reload_begin(p);
	for (i = 0; i < CHILD_COUNT; i++) {
		c = &p->children[i];
		child_kill_overdue(c, now);
		if (c->restart_ms != 0 && now >= c->restart_ms)
			restart(p, c);
	}
	alert_kill_overdue(&p->alert, now);
	run_watchdog(p, now);
}

static void wait_for_events(struct parent *p)
{
	struct pollfd fds[1 + CHILD_COUNT] = {
		{.fd = p->signal_fd, .events = POLLIN}};
	int64_t due = next_due(p), now;
	struct timespec timeout = {0, 0};
	int i;

	for (i = 0; i < CHILD_COUNT; i++) {
		fds[1 + i].fd = p->children[i].channel_fd;
		fds[1 + i].events = POLLIN;
	}
	now = due != 0 ? clock_boot_ms() : 0;
	if (due > now) {
		timeout.tv_sec = (due - now) / 1000;
		timeout.tv_nsec = (due - now) % 1000 * 1000000;
	}
	if (ppoll(fds, COUNT_OF(fds), due != 0 ? &timeout : NULL, NULL) < 0)
		return;
	for (i = 0; i < CHILD_COUNT; i++)
		if (fds[1 + i].revents != 0)
			on_readable(p, &p->children[i]);
	if (fds[0].revents != 0)
		read_signals(p);
}

static bool none_lives(const struct parent *p)
{
	return p->children[CHILD_RECEIVER].pid == 0 &&
	       p->children[CHILD_RELAY].pid == 0;
}

void parent_loop(struct parent *p)
{
	start_both(p);
	while (p->phase != PARENT_STOPPING || !none_lives(p)) {
		wait_for_events(p);
		reap(p);
		if (p->phase == PARENT_RELOADING && none_lives(p)) {
			parent_reload_switch(p);
			start_both(p);
		}
		run_timers(p);
		announce(p);
	}
	alert_end(&p->alert);
}
