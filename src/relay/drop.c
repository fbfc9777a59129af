/*
 * drop.c - takes in what users left in SPOOL/drop/ while the daemon was down.
 *
 * The loop looks whether there is anything, and waits for the kernel to tell of
 * new names; a thread takes the files in, one connection each.
 */
#include "config.h"

#include "relay/drop.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/role.h"
#include "base/util.h"
#include "base/worker.h"
#include "relay/drop_file.h"
#include "relay/drop_wait.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

/* Of what inotify tells at a time; the names do not matter. */
enum { EVENTS_SIZE = 4096 };

struct drop {
	struct event_base *base;
	struct event *watch; /* NULL: the kernel does not tell */
	struct event *timer;
	struct worker *worker; /* NULL: nothing to do */
	struct worker_job job;
	struct drop_look look; /* the thread's while running */
	bool running;
	bool again;     /* something came meanwhile */
	bool shut;      /* nothing is taken; so far in this pass */
	bool shut_told; /* and was said before */
	bool draining;
	bool flushed; /* by the next look nothing waits any more */
	bool waited;  /* this look is the one that the timer was for */
	int delay_ms; /* while nothing is taken; else 0 */
};

/* --- what came out -------------------------------------------------------- */

static void log_outcome(struct drop *d, const struct drop_outcome *o)
{
	const unsigned uid = (unsigned)o->uid;
	struct log_text name, why;

	log_text(&name, o->name);
	log_text(&why, o->why);
	switch (o->fate) {
	case DROP_TAKEN:
		log_info("drop-taken file=%s uid=%u nrcpt=%zu", name.text, uid,
			o->rcpt_count);
		break;
	case DROP_REFUSED:
		log_warn("drop-refused file=%s uid=%u nrcpt=%zu reply=%s "
			 "advice=\"a report was sent\"",
			name.text, uid, o->rcpt_count, why.text);
		break;
	case DROP_SET_ASIDE:
		log_warn("drop-set-aside file=%s uid=%u reason=%s advice=\"it "
			 "is in drop/ with .refused behind its name: delete it "
			 "when you have seen it\"",
			name.text, uid, why.text);
		break;
	case DROP_LEFT_ALONE:
		log_warn("foreign-file dir=drop name=%s advice=\"others there "
			 "are not told\"",
			name.text);
		break;
	default:
		if (!o->told && !(o->fate == DROP_UNREACHABLE && d->shut_told))
			log_warn("drop-waits file=%s uid=%u reason=%s",
				name.text, uid, why.text);
		break;
	}
}

/* Goes through the outcomes: a receiver that took something, or a pass without
 * trouble, begins the waits anew. */
static void judge(struct drop *d)
{
	bool progress = false;
	size_t i;

	for (i = 0; i < d->look.count; i++) {
		log_outcome(d, &d->look.outcomes[i]);
		d->shut |= d->look.outcomes[i].fate == DROP_UNREACHABLE;
		progress |= d->look.outcomes[i].fate == DROP_TAKEN;
	}
	if (progress || !d->shut)
		d->delay_ms = 0;
	d->shut_told = d->shut;
}

static void wait_a_while(struct drop *d)
{
	if (d->delay_ms == 0)
		d->delay_ms = DROP_DELAY_FIRST_MS;
	else if (d->waited) /* what came meanwhile makes nothing later */
		d->delay_ms *= 2;
	d->waited = false;
	if (d->delay_ms > DROP_DELAY_MAX_MS)
		d->delay_ms = DROP_DELAY_MAX_MS;
	loop_after(d->timer, d->delay_ms);
}

/* --- looks ---------------------------------------------------------------- */

static struct drop *of_job(struct worker_job *job)
{
	return (struct drop *)(void *)((char *)job -
				       offsetof(struct drop, job));
}

static void run(struct worker_job *job)
{
	drop_look_run(&of_job(job)->look);
}

static void submit(struct drop *d)
{
	d->running = true;
	worker_submit(d->worker, &d->job);
}

/* Goes through the directory once more, when that is being done. */
static void look(struct drop *d)
{
	struct log_text text;
	struct err err;

	d->again = d->running;
	if (d->running || d->draining)
		return;
	d->shut = false;
	if (d->flushed)
		drop_waits_flush(d->look.waits);
	d->flushed = false;
	if (d->worker == NULL)
		d->worker = worker_new(d->base, "gm-drop", &err);
	if (d->worker == NULL) {
		log_err("drop-failed reason=%s", log_text(&text, err.text));
		wait_a_while(d);
		return;
	}
	event_del(d->timer);
	submit(d);
}

/* Until it is time for another look. */
static void rest(struct drop *d)
{
	const int64_t now = clock_boot_ms(), next = d->look.next_ms;

	if (d->shut)
		wait_a_while(d);
	else if (next != DROP_WAITS_NEVER)
		loop_after(d->timer, next > now ? next - now : 0);
	else
		/* on the loop's next turn: the thread is not ended from here */
		event_active(d->timer, 0, 0);
}

static void done(struct worker_job *job)
{
	struct drop *d = of_job(job);

	judge(d);
	d->running = false;
	if (d->draining)
		return;
	if (d->look.more)
		submit(d);
	else if (d->again)
		look(d);
	else
		rest(d);
}

/* Time to look again; or, without a time-out, to end the idle thread. */
static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	struct drop *d = arg;

	(void)fd;
	d->waited = (what & EV_TIMEOUT) != 0;
	if (d->waited)
		look(d);
	else if (!d->running)
		worker_free(&d->worker);
}

static void on_names(evutil_socket_t fd, short what, void *arg)
{
	char events[EVENTS_SIZE];
	ssize_t n;

	(void)what;
	do
		n = read(fd, events, sizeof(events));
	while (n > 0 || (n < 0 && errno == EINTR));
	look(arg);
}

/* --- beginning and end ---------------------------------------------------- */

/* A name appears when a file is whole; nothing else is of interest. */
static int watch(struct drop *d, const char *spool, struct err *err)
{
	char path[PATH_MAX];
	int fd = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "inotify");
	if (snprintf(path, sizeof(path), "%s/drop", spool) >= (int)sizeof(path))
		path[0] = '\0';
	if (inotify_add_watch(fd, path, IN_MOVED_TO | IN_ONLYDIR) >= 0)
		d->watch = event_new(
			d->base, fd, EV_READ | EV_PERSIST, on_names, d);
	if (d->watch == NULL || event_add(d->watch, NULL) != 0) {
		err_errno(err, "%s", path);
		close(fd);
		return -1;
	}
	return 0;
}

struct drop *drop_new(struct event_base *base, const struct role *role,
	int spool_fd, struct err *err)
{
	struct drop *d = xcalloc(1, sizeof(*d));
	struct log_text text;

	d->base = base;
	d->job.run = run;
	d->job.done = done;
	drop_look_init(&d->look);
	d->look.conf = role->conf;
	d->look.names = role->names;
	d->look.tell_strays = true;
	d->look.dir_fd = openat(spool_fd, "drop",
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	d->timer = event_new(base, -1, 0, on_timer, d);
	if (d->look.dir_fd < 0 || d->timer == NULL) {
		err_errno(err, "drop");
		drop_free(&d);
		return NULL;
	}
	/* first the watch: what comes after the look is seen */
	if (watch(d, role->conf->spool, err) != 0)
		log_warn("drop-failed reason=%s advice=\"what is left there "
			 "is taken in at the next start or reload\"",
			log_text(&text, err->text));
	if (!drop_look_is_empty(&d->look))
		look(d);
	return d;
}

int drop_count(const struct drop *d, struct drop_counts *out)
{
	return d != NULL ? drop_look_count(&d->look, out) : -1;
}

void drop_flush(struct drop *d)
{
	if (d == NULL || (!d->running && drop_look_is_empty(&d->look)))
		return;
	d->flushed = true;
	d->delay_ms = 0;
	look(d);
}

void drop_drain(struct drop *d)
{
	d->draining = true;
	event_del(d->timer);
	drop_look_stop(&d->look, false);
}

bool drop_idle(const struct drop *d)
{
	return !d->running;
}

void drop_free(struct drop **dp)
{
	struct drop *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	d->draining = true;
	drop_look_stop(&d->look, true);
	worker_free(&d->worker);
	if (d->watch != NULL) {
		close(event_get_fd(d->watch));
		event_free(d->watch);
	}
	if (d->timer != NULL)
		event_free(d->timer);
	if (d->look.dir_fd >= 0)
		close(d->look.dir_fd);
	drop_look_free(&d->look);
	free(d);
}
