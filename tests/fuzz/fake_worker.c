/*
 * fake_worker.c - stands in for base/worker.h, without a thread: a job is run
 *                 when it is submitted, and done in the loop's next turn.
 * Used by:    tests/fuzz/fuzz_session, fuzz_spool, fuzz_state.
 */
#include "config.h"

#include "base/log.h"
#include "base/util.h"
#include "base/worker.h"

#include <stdlib.h>

#include <event2/event.h>

struct worker {
	struct event *settle;
	struct worker_job *first;
	struct worker_job **last;
	size_t pending;
};

static void finish_all(struct worker *w)
{
	struct worker_job *job;

	while ((job = w->first) != NULL) {
		w->first = job->next;
		if (w->first == NULL)
			w->last = &w->first;
		w->pending--;
		job->done(job);
	}
}

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	finish_all(arg);
}

struct worker *worker_new(
	struct event_base *base, const char *name, struct err *err)
{
	struct worker *w = xcalloc(1, sizeof(*w));

	(void)name;
	(void)err;
	w->settle = event_new(base, -1, 0, on_settle, w);
	if (w->settle == NULL)
		bug("out of memory");
	w->last = &w->first;
	return w;
}

void worker_submit(struct worker *w, struct worker_job *job)
{
	job->run(job);
	job->next = NULL;
	*w->last = job;
	w->last = &job->next;
	w->pending++;
	event_active(w->settle, 0, 0);
}

size_t worker_pending(const struct worker *w)
{
	return w->pending;
}

void worker_free(struct worker **wp)
{
	struct worker *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	finish_all(w);
	event_free(w->settle);
	free(w);
}
