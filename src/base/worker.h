/*
 * worker.h - one thread that takes jobs in order; results come back to the
 *            event loop. The only threads of the program, look-ups apart.
 * Used by:    the committer and the body syncer (receiver); the maker of
 *             segments, the mover of queue files, the syncer of marks (relay).
 * Invariant:  run() touches its job alone: no libevent, no log, no shared
 *             state. done() runs on the loop, in the order of submission.
 * Blocks:     never, but for worker_free. An idle worker never wakes up.
 */
#ifndef GMRELAY_BASE_WORKER_H
#define GMRELAY_BASE_WORKER_H

#include "base/err.h"

#include <stddef.h>

/* Stack of a worker or look-up thread, bytes; glibc's resolver wants room. */
#define WORKER_STACK_SIZE (128 * 1024)

struct event_base;
struct worker;

/* Embed it in a struct of your own. run() is called in the thread, then done()
 * on the event loop; the job belongs to the worker in between, and to done()
 * afterwards. */
struct worker_job {
	void (*run)(struct worker_job *job);
	void (*done)(struct worker_job *job);
	struct worker_job *next;
};

/* Starts a thread whose results are handed to base; name (at most 15 bytes) is
 * shown by ps. Returns NULL with err set when it cannot. */
struct worker *worker_new(
	struct event_base *base, const char *name, struct err *err);

/* Hands *job over. */
void worker_submit(struct worker *w, struct worker_job *job);

/* Jobs submitted whose done() has not run. */
size_t worker_pending(const struct worker *w);

/* Runs what was submitted to its end, in the thread, then the done() of each,
 * then ends the thread. What a done() submits meanwhile is run here and now.
 * NULL is fine. No done() may call it. */
void worker_free(struct worker **w);

#endif
