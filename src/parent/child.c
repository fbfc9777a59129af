/*
 * child.c - one role's process: fork, what it closes and gives up, restart.
 */
#include "config.h"

#include "parent/child.h"

#include "base/as_user.h"
#include "base/conf.h"
#include "base/counters.h"
#include "base/role.h"
#include "base/util.h"
#include "parent/check.h"
#include "parent/listen.h"
#include "parent/names.h"
#include "parent/sandbox.h"
#include "parent/spooldir.h"
#include "receiver/receiver.h"
#include "relay/relay.h"

#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sysexits.h>
#include <syslog.h>
#include <unistd.h>

enum {
	/* Of the receiver: its connection, and the file of a large message. */
	CLIENT_FILES = 2,
	/* Beside these: listeners, segments, empty bodies, link. */
	RECEIVER_OWN_FILES = LISTENERS_MAX + 64,
	/* stdio, channel, roles, empty, listeners or control */
	KEEP_MAX = 8 + LISTENERS_MAX,
	/* Where close_range(2) is missing (before Linux 5.9). */
	CLOSE_BY_HAND = 1024,
};

const char *child_name(const struct child *c)
{
	return c->kind == CHILD_RECEIVER ? "receiver" : "relay";
}

bool child_may_say(enum child_kind kind, enum channel_message type)
{
	switch (type) {
	case CHANNEL_READY:
	case CHANNEL_ALIVE:
		return true;
	case CHANNEL_RELOAD:
	case CHANNEL_STOP:
	case CHANNEL_STATUS:
	case CHANNEL_ALERT:
		return kind == CHILD_RELAY;
	default:
		return false;
	}
}

struct keep {
	int fds[KEEP_MAX];
	size_t count;
};

static void keep_fd(struct keep *keep, int fd)
{
	size_t i;

	if (fd < 0)
		return;
	if (keep->count == COUNT_OF(keep->fds))
		bug("too many descriptors to keep");
	/* in order, so that the gaps between them can be closed */
	for (i = keep->count++; i > 0 && keep->fds[i - 1] > fd; i--)
		keep->fds[i] = keep->fds[i - 1];
	keep->fds[i] = fd;
}

void child_close_files(int first, int last)
{
	if (first > last)
		return;
	if (close_range((unsigned)first, (unsigned)last, 0) == 0)
		return;
	for (; first <= last && first < CLOSE_BY_HAND; first++)
		close(first);
}

static void close_all_but(const struct keep *keep)
{
	int next = STDERR_FILENO + 1;
	size_t i;

	for (i = 0; i < keep->count; i++) {
		child_close_files(next, keep->fds[i] - 1);
		next = keep->fds[i] + 1;
	}
	child_close_files(next, INT32_MAX);
}

/* A signal at the terminal reaches the whole group; roles go on until the
 * parent drains them, or is gone. */
static void set_signals(void)
{
	static const int ignored[] = {
		SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGUSR2, SIGPIPE};
	sigset_t none;
	size_t i;

	for (i = 0; i < COUNT_OF(ignored); i++)
		signal(ignored[i], SIG_IGN);
	signal(SIGCHLD, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
}

/* The role's own descriptors into *role; everything else is closed. */
static void set_descriptors(struct role *role, struct listener *listeners,
	const struct child_context *context, bool receiver)
{
	struct keep keep = {.count = 0};
	size_t i;

	keep_fd(&keep, role->channel_fd);
	keep_fd(&keep, context->spool->roles_fd);
	if (receiver) {
		keep_fd(&keep, context->spool->empty_fd);
		role->listeners = listeners;
		role->listener_count =
			listen_receivers(context->listen, listeners);
		for (i = 0; i < role->listener_count; i++)
			keep_fd(&keep, listeners[i].fd);
	} else {
		role->control_fd = listen_control(context->listen);
		keep_fd(&keep, role->control_fd);
	}
	/* syslog's descriptor is closed behind its back otherwise */
	closelog();
	close_all_but(&keep);
	log_open(context->log_level, context->to_syslog);
}

/* One wall of several: where the kernel has none, the others must do. */
static void enter_sandbox(enum sandbox_role role)
{
	struct log_text text;
	struct err err;

	switch (sandbox_enter(role, &err)) {
	case 1:
		log_debug("sandbox seccomp=yes");
		break;
	case 0:
		log_debug("sandbox seccomp=no reason=\"built without it\"");
		break;
	default:
		log_warn("sandbox seccomp=no reason=%s",
			log_text(&text, err.text));
		break;
	}
}

static unsigned receiver_files(const struct conf *conf, unsigned clients)
{
	return RECEIVER_OWN_FILES + (conf->proxy.count > 0 ? GATES_MAX : 0) +
	       CLIENT_FILES * clients;
}

/* As many clients as there are descriptors for: when these are all taken,
 * nothing comes from the relay any more, and nobody can be served. */
static unsigned allow_clients(const struct conf *conf)
{
	unsigned clients = conf->max_clients;
	const unsigned wanted = receiver_files(conf, clients);
	const unsigned allowed = privs_allow_files(wanted);

	while (clients > 1 && receiver_files(conf, clients) > allowed)
		clients--;
	if (clients < conf->max_clients)
		log_warn("files limited reason=\"max-clients wants %u "
			 "descriptors, the limit is %u: %u clients are served "
			 "at once\" advice=\"raise it (LimitNOFILE= in the "
			 "unit, ulimit -Hn) or lower max-clients\"",
			wanted, allowed, clients);
	return clients;
}

static int drop(
	const struct child_context *context, bool receiver, struct err *err)
{
	const struct check_result *checked = context->checked;
	struct privs_plan plan = {
		.root = checked->users.root,
		.user = receiver ? checked->users.receiver
				 : checked->users.relay,
		.chroot_fd = receiver ? context->spool->empty_fd : -1,
	};

	if (!receiver)
		plan.extra = spooldir_drop_gid(
			checked->conf->spool, &checked->users);
	if (privs_drop(&plan, err) != 0)
		return -1;
	enter_sandbox(receiver ? SANDBOX_RECEIVER : SANDBOX_RELAY);
	return 0;
}

/* A directory above the spool may be closed to the relay's user. */
static int reach_spool(const char *spool, struct err *err)
{
	if (access(spool, R_OK | X_OK) != 0)
		return err_errno(err,
			"relay-user cannot reach the spool %s (does a "
			"directory above it lack x for others?)",
			spool);
	return 0;
}

static void tell_failed(const struct err *err)
{
	struct log_text text;

	log_err("start failed reason=%s", log_text(&text, err->text));
}

static int run_receiver(
	const struct role *role, const struct child_context *context)
{
	struct receiver_secrets *secrets;
	struct err err;

	secrets = receiver_secrets_read(
		role->conf, context->checked->users.receiver.gid, &err);
	if (secrets == NULL) {
		tell_failed(&err);
		return EX_CONFIG;
	}
	if (drop(context, true, &err) != 0) {
		tell_failed(&err);
		return EX_OSERR;
	}
	return receiver_run(role, &secrets);
}

static int run_relay(
	const struct role *role, const struct child_context *context)
{
	struct relay_secrets *secrets;
	struct err err;

	secrets = relay_secrets_read(
		role->conf, context->checked->users.relay.gid, &err);
	if (secrets == NULL) {
		tell_failed(&err);
		return EX_CONFIG;
	}
	if (drop(context, false, &err) != 0 ||
		reach_spool(role->conf->spool, &err) != 0) {
		tell_failed(&err);
		return EX_OSERR;
	}
	return relay_run(role, &secrets);
}

/* The new process, from fork to exit. */
static int run_role(const struct child *c, int channel_fd,
	const struct child_context *context)
{
	const bool receiver = c->kind == CHILD_RECEIVER;
	struct listener listeners[LISTENERS_MAX];
	struct counters counters;
	struct role role = {
		.conf = context->checked->conf,
		.names = names_local(context->checked->names),
		.channel_fd = channel_fd,
		.control_fd = -1,
		.counters = &counters,
		.watchdog_ms = context->watchdog_ms,
		.relay_uid = context->checked->users.relay.uid,
	};
	struct err err;

	log_set_role(child_name(c));
	prctl(PR_SET_NAME, receiver ? "gmrelayd-recv" : "gmrelayd-relay");
	set_signals();
	umask(077);
	/* One arena: a second one costs memory, and threads allocate little. */
	mallopt(M_ARENA_MAX, 1);
	if (counters_map(context->counters,
		    receiver ? COUNTERS_RECEIVER : COUNTERS_RELAY, &counters,
		    &err) != 0) {
		tell_failed(&err);
		return EX_OSERR;
	}
	set_descriptors(&role, listeners, context, receiver);
	if (receiver)
		role.max_clients = allow_clients(role.conf);
	return receiver ? run_receiver(&role, context)
			: run_relay(&role, context);
}

int child_start(
	struct child *c, const struct child_context *context, struct err *err)
{
	int fds[2];
	pid_t pid;

	c->restart_ms = 0;
	if (channel_pair(fds, err) != 0)
		return -1;
	pid = fork();
	if (pid == 0) {
		close(fds[0]);
		exit(run_role(c, fds[1], context));
	}
	close(fds[1]);
	if (pid < 0) {
		close(fds[0]);
		return err_errno(err, "cannot fork");
	}
	c->pid = pid;
	c->uid = c->kind == CHILD_RECEIVER
			 ? context->checked->users.receiver.uid
			 : context->checked->users.relay.uid;
	c->channel_fd = fds[0];
	c->ready = false;
	c->warned = false;
	c->started_ms = clock_boot_ms();
	c->alive_ms = c->started_ms;
	c->kill_ms = 0;
	return 0;
}

void child_gone(struct child *c)
{
	if (c->channel_fd >= 0)
		close(c->channel_fd);
	c->channel_fd = -1;
	c->pid = 0;
	c->ready = false;
	c->kill_ms = 0;
}

void child_plan_restart(struct child *c, int64_t now_ms)
{
	if (now_ms - c->started_ms >= CHILD_FORGIVEN_MS)
		c->delay_ms = 0;
	/* 0 stands for "never" */
	c->restart_ms = now_ms + c->delay_ms > 0 ? now_ms + c->delay_ms : 1;
	if (c->delay_ms == 0)
		c->delay_ms = CHILD_DELAY_FIRST_MS;
	else if (c->delay_ms < CHILD_DELAY_MAX_MS / 2)
		c->delay_ms *= 2;
	else
		c->delay_ms = CHILD_DELAY_MAX_MS;
}

void child_drain(struct child *c, int64_t now_ms)
{
	if (c->pid == 0 || c->kill_ms != 0)
		return;
	c->kill_ms = now_ms + DRAIN_MS + CHILD_GRACE_MS;
	/* One that cannot be told is killed when its time is up. */
	if (c->channel_fd >= 0)
		channel_send(c->channel_fd, CHANNEL_DRAIN, -1, NULL, NULL);
}

void child_kill(const struct child *c)
{
	if (c->pid > 0)
		as_user_kill(c->uid, c->pid, SIGKILL);
}

void child_kill_overdue(struct child *c, int64_t now_ms)
{
	if (c->pid == 0 || c->kill_ms == 0 || now_ms < c->kill_ms)
		return;
	log_warn("role killed role=%s pid=%ld reason=\"did not end in time\"",
		child_name(c), (long)c->pid);
	child_kill(c);
	c->kill_ms = now_ms + CHILD_GRACE_MS;
}
