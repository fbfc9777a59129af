/*
 * worker.c - one thread that takes jobs in order.
 */
#include "config.h"

#include "base/worker.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <unistd.h>

struct job_list {
	struct worker_job *first;
	struct worker_job **last;
};

struct worker {
	pthread_t thread;
	pthread_mutex_t mutex;
	sem_t wake;               /* a job, or in the end none, is waiting */
	struct job_list waiting;  /* under mutex */
	struct job_list finished; /* under mutex */
	size_t pending;           /* the loop's alone */
	int eventfd;
	struct event *event;
};

static void list_init(struct job_list *list)
{
	list->first = NULL;
	list->last = &list->first;
}

static void list_append(struct job_list *list, struct worker_job *job)
{
	job->next = NULL;
	*list->last = job;
	list->last = &job->next;
}

static struct worker_job *list_shift(struct job_list *list)
{
	struct worker_job *job = list->first;

	if (job != NULL) {
		list->first = job->next;
		if (list->first == NULL)
			list->last = &list->first;
	}
	return job;
}

/* The next job; NULL: no more will come. */
static struct worker_job *next_job(struct worker *w)
{
	struct worker_job *job;

	while (sem_wait(&w->wake) != 0)
		if (errno != EINTR)
			abort();
	pthread_mutex_lock(&w->mutex);
	job = list_shift(&w->waiting);
	pthread_mutex_unlock(&w->mutex);
	return job;
}

/* The mutex is given back before anybody is woken, who would wait for it. */
static void *worker_thread(void *arg)
{
	struct worker *w = arg;
	const uint64_t one = 1;
	struct worker_job *job;
	bool first;

	while ((job = next_job(w)) != NULL) {
		job->run(job);
		pthread_mutex_lock(&w->mutex);
		first = w->finished.first == NULL;
		list_append(&w->finished, job);
		pthread_mutex_unlock(&w->mutex);
		/* The counter cannot overflow: it is written once for each
		 * time the list was found empty. */
		if (first && write(w->eventfd, &one, sizeof(one)) < 0)
			abort();
	}
	return NULL;
}

static void hand_back(struct worker *w)
{
	struct job_list finished;
	struct worker_job *job;

	pthread_mutex_lock(&w->mutex);
	finished = w->finished;
	if (finished.first == NULL)
		list_init(&finished);
	list_init(&w->finished);
	pthread_mutex_unlock(&w->mutex);
	while ((job = list_shift(&finished)) != NULL) {
		w->pending--;
		job->done(job);
	}
}

static void on_finished(evutil_socket_t fd, short what, void *arg)
{
	uint64_t count;

	(void)what;
	if (read(fd, &count, sizeof(count)) < 0 && errno != EAGAIN)
		abort();
	hand_back(arg);
}

static int start_thread(struct worker *w, const char *name)
{
	pthread_attr_t attr;
	sigset_t all, old;
	int rc;

	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, WORKER_STACK_SIZE);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &old);
	rc = pthread_create(&w->thread, &attr, worker_thread, w);
	pthread_sigmask(SIG_SETMASK, &old, NULL);
	pthread_attr_destroy(&attr);
	if (rc == 0)
		pthread_setname_np(w->thread, name);
	errno = rc;
	return rc == 0 ? 0 : -1;
}

struct worker *worker_new(
	struct event_base *base, const char *name, struct err *err)
{
	struct worker *w = calloc(1, sizeof(*w));

	if (w == NULL) {
		err_errno(err, "thread %s", name);
		return NULL;
	}
	list_init(&w->waiting);
	list_init(&w->finished);
	pthread_mutex_init(&w->mutex, NULL);
	sem_init(&w->wake, 0, 0);
	w->eventfd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	if (w->eventfd < 0) {
		err_errno(err, "eventfd for thread %s", name);
		goto fail;
	}
	w->event = event_new(
		base, w->eventfd, EV_READ | EV_PERSIST, on_finished, w);
	if (w->event == NULL || event_add(w->event, NULL) != 0) {
		err_set(err, ERR_SYSTEM, "event for thread %s failed", name);
		goto fail;
	}
	if (start_thread(w, name) != 0) {
		err_errno(err, "cannot start thread %s", name);
		goto fail;
	}
	return w;
fail:
	if (w->event != NULL)
		event_free(w->event);
	if (w->eventfd >= 0)
		close(w->eventfd);
	free(w);
	return NULL;
}

void worker_submit(struct worker *w, struct worker_job *job)
{
	w->pending++;
	pthread_mutex_lock(&w->mutex);
	list_append(&w->waiting, job);
	pthread_mutex_unlock(&w->mutex);
	sem_post(&w->wake);
}

size_t worker_pending(const struct worker *w)
{
	return w->pending;
}

void worker_free(struct worker **wp)
{
	struct worker *w = *wp;
	struct worker_job *job;

	if (w == NULL)
		return;
	sem_post(&w->wake);
	pthread_join(w->thread, NULL);
	hand_back(w);
	while ((job = list_shift(&w->waiting)) != NULL) {
		/* submitted by a done() just now; the thread is gone */
		job->run(job);
		w->pending--;
		job->done(job);
	}
	event_free(w->event);
	close(w->eventfd);
	sem_destroy(&w->wake);
	pthread_mutex_destroy(&w->mutex);
	free(w);
	/* Only now: a done() may have submitted through the owner's pointer. */
	*wp = NULL;
}
