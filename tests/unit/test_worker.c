/*
 * test_worker.c - jobs run in the thread, in order; results on the loop.
 */
#include "config.h"

#include "base/util.h"
#include "base/worker.h"

#include <event2/event.h>

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

enum { JOBS = 500, LOOPS_MAX = 100000 };

struct fixture {
	struct event_base *base;
	struct worker *worker;
	pthread_t loop_thread;
	unsigned ran;  /* the thread's until the results are back */
	unsigned done; /* the loop's */
};

struct job {
	struct worker_job job;
	struct fixture *f;
	unsigned number;
	unsigned ran_as;
	bool off_loop;
	bool signals_blocked;
	int wait_fd; /* run() waits for a byte; -1: it does not */
};

static void run(struct worker_job *job)
{
	struct job *j = (struct job *)job;
	sigset_t mask;
	char byte;

	while (j->wait_fd >= 0 && read(j->wait_fd, &byte, 1) < 0 &&
		errno == EINTR)
		;
	j->off_loop = !pthread_equal(pthread_self(), j->f->loop_thread);
	pthread_sigmask(SIG_SETMASK, NULL, &mask);
	j->signals_blocked = sigismember(&mask, SIGTERM) == 1 &&
			     sigismember(&mask, SIGCHLD) == 1;
	j->ran_as = j->f->ran++;
}

static void done(struct worker_job *job)
{
	struct job *j = (struct job *)job;
	struct fixture *f = j->f;

	assert_true(pthread_equal(pthread_self(), f->loop_thread));
	assert_int_equal(j->number, f->done);
	assert_int_equal(j->ran_as, f->done);
	if (f->worker != NULL) {
		assert_true(j->off_loop);
		assert_true(j->signals_blocked);
	}
	f->done++;
	free(j);
}

static void submit(struct fixture *f, unsigned number, int wait_fd)
{
	struct job *j = xcalloc(1, sizeof(*j));

	j->job.run = run;
	j->job.done = done;
	j->f = f;
	j->number = number;
	j->wait_fd = wait_fd;
	worker_submit(f->worker, &j->job);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	struct err err;

	f->loop_thread = pthread_self();
	f->base = event_base_new();
	f->worker = worker_new(f->base, "test", &err);
	*state = f;
	return f->base != NULL && f->worker != NULL ? 0 : -1;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	worker_free(&f->worker);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void loop_until(struct fixture *f, unsigned count)
{
	int i;

	for (i = 0; i < LOOPS_MAX && f->done < count; i++)
		assert_int_equal(event_base_loop(f->base, EVLOOP_ONCE), 0);
	assert_int_equal(f->done, count);
}

static void test_order(void **state)
{
	struct fixture *f = *state;
	unsigned i;

	for (i = 0; i < JOBS; i++)
		submit(f, i, -1);
	assert_int_equal(worker_pending(f->worker), JOBS);
	assert_int_equal(f->done, 0);
	loop_until(f, JOBS);
	assert_int_equal(worker_pending(f->worker), 0);
	for (i = 0; i < 20; i++) {
		submit(f, JOBS + i, -1);
		loop_until(f, JOBS + i + 1);
	}
}

/* While one job is stuck the loop goes on, and nothing is handed back. */
static void test_loop_does_not_wait(void **state)
{
	struct fixture *f = *state;
	int ends[2];

	assert_int_equal(pipe(ends), 0);
	submit(f, 0, ends[0]);
	submit(f, 1, -1);
	assert_int_equal(event_base_loop(f->base, EVLOOP_NONBLOCK), 0);
	assert_int_equal(f->done, 0);
	assert_int_equal(worker_pending(f->worker), 2);
	assert_int_equal(write(ends[1], "x", 1), 1);
	loop_until(f, 2);
	close(ends[0]);
	close(ends[1]);
}

static void test_free_finishes_the_jobs(void **state)
{
	struct fixture *f = *state;
	int ends[2];
	unsigned i;

	assert_int_equal(pipe(ends), 0);
	submit(f, 0, ends[0]);
	for (i = 1; i < JOBS; i++)
		submit(f, i, -1);
	assert_int_equal(write(ends[1], "x", 1), 1);
	worker_free(&f->worker);
	assert_null(f->worker);
	assert_int_equal(f->done, JOBS);
	worker_free(&f->worker); /* NULL is fine */
	close(ends[0]);
	close(ends[1]);
}

/* A done() that submits the next job of a chain. */
struct chain {
	struct worker_job job;
	struct worker *worker;
	unsigned runs;
	unsigned dones;
	unsigned length;
};

static void chain_run(struct worker_job *job)
{
	((struct chain *)job)->runs++;
}

static void chain_done(struct worker_job *job)
{
	struct chain *c = (struct chain *)job;

	c->dones++;
	if (c->dones < c->length)
		worker_submit(c->worker, &c->job);
}

static void test_chain_ends_with_the_worker(void **state)
{
	struct fixture *f = *state;
	struct chain c = {.job = {.run = chain_run, .done = chain_done},
		.worker = f->worker,
		.length = 10};

	worker_submit(f->worker, &c.job);
	worker_free(&f->worker);
	assert_int_equal(c.runs, 10);
	assert_int_equal(c.dones, 10);
}

static void test_signals_of_the_caller_stay(void **state)
{
	struct fixture *f = *state;
	struct worker *w;
	sigset_t before, after;
	struct err err;
	int number;

	pthread_sigmask(SIG_SETMASK, NULL, &before);
	w = worker_new(f->base, "a name of more than 15 bytes", &err);
	assert_non_null(w);
	pthread_sigmask(SIG_SETMASK, NULL, &after);
	for (number = 1; number < SIGRTMAX; number++)
		assert_int_equal(sigismember(&before, number),
			sigismember(&after, number));
	worker_free(&w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_order, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_loop_does_not_wait, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_free_finishes_the_jobs, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_chain_ends_with_the_worker, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_signals_of_the_caller_stay, setup, teardown),
	};

	return cmocka_run_group_tests_name("worker", tests, NULL, NULL);
}
