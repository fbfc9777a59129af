/*
 * setup.c - the parent's way from its options to the fork, and its end.
 */
#include "config.h"

#include "parent/parent_internal.h"

#include "base/conf.h"
#include "base/util.h"

#include <signal.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { ROLES_WAIT_NS = 100 * 1000 * 1000 };

gid_t parent_control_gid(const struct check_result *checked)
{
	return checked->users.root ? checked->users.relay.gid : (gid_t)-1;
}

static int open_signals(struct err *err)
{
	static const int taken[] = {SIGTERM, SIGINT, SIGHUP, SIGUSR1, SIGCHLD};
	sigset_t set;
	size_t i;
	int fd;

	signal(SIGPIPE, SIG_IGN);
	sigemptyset(&set);
	for (i = 0; i < COUNT_OF(taken); i++) {
		/* nohup and some shells leave them ignored */
		signal(taken[i], SIG_DFL);
		sigaddset(&set, taken[i]);
	}
	if (sigprocmask(SIG_BLOCK, &set, NULL) != 0)
		return err_errno(err, "signals");
	fd = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
	return fd >= 0 ? fd : err_errno(err, "signals");
}

struct waiting {
	bool told;
	bool stop_asked;
};

/* Sleeps a little; false when asked to stop meanwhile. */
static bool wait_for_roles(void *arg)
{
	const struct timespec pause = {0, ROLES_WAIT_NS};
	struct waiting *w = arg;
	sigset_t stop;

	if (!w->told)
		log_info("waiting reason=\"roles of an earlier instance have "
			 "not ended yet\"");
	w->told = true;
	sigemptyset(&stop);
	sigaddset(&stop, SIGTERM);
	sigaddset(&stop, SIGINT);
	w->stop_asked = sigtimedwait(&stop, NULL, &pause) > 0;
	return !w->stop_asked;
}

static int lock_roles(struct parent *p, struct err *err)
{
	struct waiting w = {false, false};
	int rc = spooldir_lock_roles(&p->spool, wait_for_roles, &w, err);

	if (w.stop_asked)
		p->phase = PARENT_STOPPING;
	return rc;
}

static int take_spool(struct parent *p, struct err *err)
{
	const char *spool = p->now.conf->spool;
	const char *volatile_name;
	struct log_text text;

	if (spooldir_make(spool, &p->now.users, err) != 0 ||
		spooldir_open(&p->spool, spool, err) != 0 ||
		lock_roles(p, err) != 0)
		return -1;
	volatile_name = spooldir_volatile(spool);
	if (volatile_name != NULL)
		log_warn("spool volatile spool=%s filesystem=%s "
			 "advice=\"mail in it is lost when the machine or the "
			 "container goes: name a directory on a disk\"",
			log_text(&text, spool), volatile_name);
	if (spooldir_drop_gid(spool, &p->now.users) != 0 &&
		!spooldir_drop_in_reach(spool))
		log_warn("spool closed spool=%s advice=\"gmrelay-sendmail "
			 "leaves mail in drop/ there while this daemon is "
			 "down: chmod o+x the spool; all else in it stays "
			 "closed\"",
			log_text(&text, spool));
	return 0;
}

static int take_sockets(struct parent *p, struct err *err)
{
	char name[LISTENER_NAME_MAX];
	struct log_text text;
	size_t unused;

	p->listen = listen_open(
		p->now.conf, parent_control_gid(&p->now), NULL, &p->pool, err);
	if (p->listen == NULL)
		return -1;
	unused = listen_unclaimed(&p->pool, p->listen, name);
	if (unused > 0)
		log_warn("sockets unused count=%zu first=%s config=%s "
			 "reason=\"systemd passes them, and no setting names "
			 "them\" advice=\"add them to listen, or take them out "
			 "of gmrelayd.socket\"",
			unused, name, log_text(&text, p->options->file));
	return 0;
}

static int prepare(struct parent *p, struct err *err)
{
	p->signal_fd = open_signals(err);
	if (p->signal_fd < 0 || take_spool(p, err) != 0 ||
		take_sockets(p, err) != 0)
		return -1;
	p->counters = counters_pages_new(err);
	return p->counters != NULL ? 0 : -1;
}

static void log_begin(const struct parent *p)
{
	struct log_text file, spool;

	log_info("start version=%s pid=%ld config=%s spool=%s", PACKAGE_VERSION,
		(long)getpid(), log_text(&file, p->options->file),
		log_text(&spool, p->now.conf->spool));
	if (!p->now.users.root)
		log_warn("users missing uid=%u reason=\"not started as root: "
			 "both roles run as this user\"",
			(unsigned)p->now.users.relay.uid);
}

void parent_log_finding(bool warning, const char *text)
{
	struct log_text shown;

	if (warning)
		log_warn("config warning reason=%s", log_text(&shown, text));
	else
		log_err("config wrong reason=%s", log_text(&shown, text));
}

/* Findings go into the log, and as -t prints them to whom starts us by hand. */
static void tell_start(void *arg, bool warning, const char *text)
{
	const struct parent *p = arg;
	const bool by_hand = isatty(STDERR_FILENO) != 0;

	if (by_hand)
		check_tell_stderr(NULL, warning, text);
	if (!by_hand || p->options->to_syslog)
		parent_log_finding(warning, text);
}

static void clean(struct parent *p)
{
	listen_free(&p->next_listen, p->listen);
	listen_free(&p->listen, NULL);
	counters_pages_free(&p->counters);
	spooldir_close(&p->spool);
	notify_close(&p->notify);
	if (p->signal_fd >= 0)
		close(p->signal_fd);
	check_free(&p->next);
	check_free(&p->now);
}

/* Warnings are the daemon's own to give. */
static void tell_error(void *arg, bool warning, const char *text)
{
	if (!warning)
		tell_start(arg, warning, text);
}

int parent_prepare(const struct parent_options *options)
{
	struct parent p = {.options = options};
	struct log_text text;
	struct err err;
	int rc;

	if (fill_stdio() != 0)
		return 1;
	umask(077);
	privs_forbid_cores();
	if (check_file(options->file, CHECK_ONLY, tell_error, &p, &p.now) != 0)
		return 1;
	rc = spooldir_make(p.now.conf->spool, &p.now.users, &err);
	if (rc != 0)
		log_err("start failed reason=%s", log_text(&text, err.text));
	check_free(&p.now);
	return rc == 0 ? 0 : 1;
}

int parent_run(const struct parent_options *options)
{
	struct parent p = {
		.options = options,
		.spool = {-1, -1, -1},
		.notify = {.fd = -1},
		.signal_fd = -1,
		.children = {{.kind = CHILD_RECEIVER, .channel_fd = -1},
			{.kind = CHILD_RELAY, .channel_fd = -1}},
	};
	struct log_text text;
	struct err err;

	if (fill_stdio() != 0)
		return 1;
	umask(077);
	privs_forbid_cores();
	if (listen_inherit(&p.pool, &err) != 0) {
		log_err("start failed reason=%s", log_text(&text, err.text));
		return 1;
	}
	if (notify_open(&p.notify, &err) != 0)
		log_warn("notify failed reason=%s", log_text(&text, err.text));
	if (check_file(options->file, CHECK_TO_RUN, tell_start, &p, &p.now) !=
		0) {
		log_err("start failed config=%s reason=\"see the lines above\"",
			log_text(&text, options->file));
		return 1;
	}
	log_begin(&p);
	if (prepare(&p, &err) == 0) {
		if (p.notify.watchdog_ms > 0)
			p.watchdog_ms = clock_boot_ms() + p.notify.watchdog_ms;
		parent_loop(&p);
	} else if (p.phase != PARENT_STOPPING) {
		log_err("start failed reason=%s", log_text(&text, err.text));
		p.exit_status = 1;
	}
	clean(&p);
	log_info("stopped status=%d", p.exit_status);
	return p.exit_status;
}
