/*
 * draft.c - messages being received: in memory up to DRAFT_MEMORY_MAX, beyond
 *           it in a body file that is synced before its record is written.
 */
#include "config.h"

#include "base/util.h"
#include "spool/envelope.h"
#include "spool/journal_write_internal.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct draft *draft_new(
	struct journal *j, const struct draft_callbacks *callbacks)
{
	struct draft *d = xcalloc(1, sizeof(*d));

	d->journal = j;
	d->callbacks = *callbacks;
	d->id = random_u64();
	/* One more piece may come while a body is awaited. */
	buf_init(&d->memory, DRAFT_MEMORY_MAX + DRAFT_PIECE_MAX);
	buf_init(&d->envelope, ENVELOPE_SIZE_MAX);
	j->drafts++;
	return d;
}

uint64_t draft_id(const struct draft *d)
{
	return d->id;
}

int draft_error(const struct draft *d)
{
	return d->error;
}

/* Closes and forgets a body: the relay sees it in the next statement. */
static void body_release(struct journal *j, struct body **body)
{
	struct body *b = *body;

	*body = NULL;
	if (b == NULL)
		return;
	TAILQ_REMOVE(&j->bodies, b, link);
	close(b->fd);
	free(b);
	journal_state_soon(j);
}

static void draft_destroy(struct draft *d)
{
	d->journal->drafts--;
	body_release(d->journal, &d->body);
	buf_free(&d->memory);
	buf_free(&d->envelope);
	free(d);
}

void draft_drop_all(struct draft_list *list)
{
	struct draft *d;

	while ((d = TAILQ_FIRST(list)) != NULL) {
		TAILQ_REMOVE(list, d, link);
		draft_destroy(d);
	}
}

void draft_finish(struct draft *d, enum draft_result result)
{
	d->state = d->committed ? DRAFT_FINISHED : DRAFT_BROKEN;
	d->result = result;
	buf_free(&d->memory);
	body_release(d->journal, &d->body);
	TAILQ_INSERT_TAIL(&d->journal->finished, d, link);
	journal_settle_soon(d->journal);
}

void draft_fail(struct draft *d, int error)
{
	d->error = error;
	draft_finish(d, error == ENOSPC || error == EDQUOT ? DRAFT_NO_ROOM
							   : DRAFT_IO_ERROR);
}

void draft_tell_finished(struct journal *j)
{
	struct draft *d;

	while ((d = TAILQ_FIRST(&j->finished)) != NULL) {
		TAILQ_REMOVE(&j->finished, d, link);
		d->told = true;
		if (d->freed)
			draft_destroy(d);
		else
			d->callbacks.on_done(d->callbacks.arg, d->result);
	}
}

/* Moves what is in memory to the body file. Returns 0, -1: the draft ended. */
static int flush_to_body(struct draft *d)
{
	if (pwrite_full(d->body->fd, d->memory.data, d->memory.len,
		    (off_t)d->body_size) != 0) {
		draft_fail(d, errno);
		return -1;
	}
	hash_add(&d->body_hash, d->memory.data, d->memory.len);
	d->body_size += d->memory.len;
	buf_clear(&d->memory);
	return 0;
}

static struct body *empty_body(struct journal *j)
{
	struct body *b;

	TAILQ_FOREACH(b, &j->bodies, link)
		if (b->empty)
			return b;
	return NULL;
}

/* Returns true when the draft has a body file now. */
static bool take_empty_body(struct draft *d)
{
	struct body *b = empty_body(d->journal);

	if (b == NULL)
		return false;
	b->empty = false;
	d->body = b;
	hash_init(&d->body_hash, b->name, 0);
	journal_state_soon(d->journal);
	return true;
}

static void want_body(struct draft *d)
{
	struct journal *j = d->journal;

	d->state = DRAFT_WANTS_BODY;
	d->deadline = clock_boot_ms() + JOURNAL_WAIT_MS;
	TAILQ_INSERT_TAIL(&j->wanting_bodies, d, link);
	journal_arm_waits(j);
}

int draft_add(struct draft *d, const void *data, size_t len)
{
	d->size += len;
	if (d->state == DRAFT_BROKEN)
		return 0;
	if (buf_add(&d->memory, data, len) != 0) {
		if (d->state == DRAFT_WANTS_BODY)
			TAILQ_REMOVE(&d->journal->wanting_bodies, d, link);
		draft_finish(d, DRAFT_NO_ROOM);
		return 0;
	}
	if (d->memory.len <= DRAFT_MEMORY_MAX)
		return 0;
	if (d->state == DRAFT_WANTS_BODY)
		return 1;
	if (d->body == NULL && !take_empty_body(d)) {
		want_body(d);
		return 1;
	}
	flush_to_body(d);
	return 0;
}

static struct draft *draft_of(struct worker_job *job)
{
	return (struct draft *)((char *)job - offsetof(struct draft, job));
}

static void run_body_sync(struct worker_job *job)
{
	struct draft *d = draft_of(job);

	d->body_errno = fdatasync(d->body->fd) == 0 ? 0 : errno;
}

static void on_body_synced(struct worker_job *job)
{
	struct draft *d = draft_of(job);

	if (d->body_errno != 0)
		draft_fail(d, d->body_errno);
	else
		journal_append(d->journal, d);
}

static void start_body_sync(struct draft *d)
{
	struct hash whole = d->body_hash;

	envelope_patch_body(d->envelope.data, d->body->name, hash_end(&whole));
	d->state = DRAFT_SYNCING_BODY;
	d->job.run = run_body_sync;
	d->job.done = on_body_synced;
	worker_submit(d->journal->body_syncer, &d->job);
}

void draft_serve_bodies(struct journal *j)
{
	struct draft *d;

	while ((d = TAILQ_FIRST(&j->wanting_bodies)) != NULL &&
		take_empty_body(d)) {
		TAILQ_REMOVE(&j->wanting_bodies, d, link);
		d->state = DRAFT_OPEN;
		if (flush_to_body(d) != 0)
			continue;
		if (d->committed)
			start_body_sync(d);
		else
			d->callbacks.on_resume(d->callbacks.arg);
	}
	journal_arm_waits(j);
}

void draft_commit(struct draft *d, struct envelope *env)
{
	bool large = d->body != NULL || d->state == DRAFT_WANTS_BODY;

	if (d->state == DRAFT_BROKEN)
		return; /* on_done is told or on its way */
	env->id = d->id;
	env->size = d->size;
	env->body_name = large; /* stands in for the name, still to come */
	d->committed = true;
	if (envelope_print(env, &d->envelope) != 0) {
		if (d->state == DRAFT_WANTS_BODY)
			TAILQ_REMOVE(&d->journal->wanting_bodies, d, link);
		draft_finish(d, DRAFT_NO_ROOM);
	} else if (!large) {
		journal_append(d->journal, d);
	} else if (d->body != NULL && flush_to_body(d) == 0) {
		start_body_sync(d);
	}
}

void draft_free(struct draft **dp)
{
	struct draft *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	d->freed = true;
	switch (d->state) {
	case DRAFT_WANTS_BODY:
		TAILQ_REMOVE(&d->journal->wanting_bodies, d, link);
		journal_arm_waits(d->journal);
		draft_destroy(d);
		break;
	case DRAFT_OPEN:
		draft_destroy(d);
		break;
	case DRAFT_BROKEN:
	case DRAFT_FINISHED:
		if (d->told)
			draft_destroy(d);
		break;
	case DRAFT_SYNCING_BODY:
	case DRAFT_WANTS_SEGMENT:
	case DRAFT_WRITTEN:
		break; /* destroyed when its way has ended */
	}
}
