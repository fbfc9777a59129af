/*
 * fake_journal.c - stands in for spool/journal_write.h.
 */
#include "config.h"

#include "fake_journal.h"

#include "base/log.h"
#include "base/util.h"
#include "spool/envelope.h"

#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>
#include <unistd.h>

#include <event2/event.h>

enum { TEXT_MAX = 64 * 1024 * 1024 };

struct draft {
	TAILQ_ENTRY(draft) link;
	struct journal *journal;
	struct draft_callbacks callbacks;
	uint64_t id;
	uint64_t size;
	struct buf text;
	struct fake_message *message; /* once committed */
	bool waits, broken, done_due, told, freed;
	enum draft_result result;
};

struct journal {
	struct event *settle;
	TAILQ_HEAD(, draft) drafts;
};

static struct fake_journal state;
static struct journal *the_journal;
static uint64_t next_id;

struct fake_journal *fake_journal(void)
{
	return &state;
}

void fake_reset(void)
{
	size_t i;

	for (i = 0; i < state.count; i++) {
		buf_free(&state.messages[i].envelope);
		buf_free(&state.messages[i].text);
	}
	memset(&state, 0, sizeof(state));
	next_id = 1;
}

static void settle_soon(void)
{
	event_active(the_journal->settle, 0, 0);
}

void fake_release(void)
{
	state.hold = false;
	settle_soon();
}

static void destroy(struct draft *d)
{
	TAILQ_REMOVE(&d->journal->drafts, d, link);
	buf_free(&d->text);
	free(d);
	state.drafts--;
}

/* Tells one draft. Returns false when there was nothing to tell. */
static bool tell_one(struct journal *j)
{
	struct draft *d;

	TAILQ_FOREACH(d, &j->drafts, link) {
		if (state.hold)
			return false;
		if (d->done_due) {
			d->done_due = false;
			d->told = true;
			if (d->message != NULL && d->result == DRAFT_DURABLE)
				d->message->told = true;
			if (d->freed)
				destroy(d);
			else
				d->callbacks.on_done(
					d->callbacks.arg, d->result);
			return true;
		}
		if (d->waits) {
			d->waits = false;
			d->callbacks.on_resume(d->callbacks.arg);
			return true;
		}
	}
	return false;
}

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	while (tell_one(arg))
		;
}

struct journal *journal_new(struct event_base *base, struct err *err)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	(void)err;
	TAILQ_INIT(&j->drafts);
	j->settle = event_new(base, -1, 0, on_settle, j);
	the_journal = j;
	return j;
}

void journal_set_link(struct journal *j, int link_fd)
{
	(void)j;
	state.links++;
	close(link_fd);
	if (state.lose_links)
		state.on_lost(state.lost_arg);
}

void journal_peer_gone(struct journal *j)
{
	(void)j;
	state.gone++;
}

void journal_watch_link(
	struct journal *j, void (*on_lost)(void *arg), void *arg)
{
	(void)j;
	state.on_lost = on_lost;
	state.lost_arg = arg;
}

uint64_t journal_upstream_size(const struct journal *j)
{
	(void)j;
	return state.upstream_size;
}

bool journal_busy(const struct journal *j)
{
	return !TAILQ_EMPTY(&j->drafts);
}

void journal_free(struct journal **jp)
{
	if (*jp == NULL)
		return;
	if (!TAILQ_EMPTY(&(*jp)->drafts))
		bug("a draft is left");
	event_free((*jp)->settle);
	free(*jp);
	*jp = NULL;
}

struct draft *draft_new(
	struct journal *j, const struct draft_callbacks *callbacks)
{
	struct draft *d;

	if (state.no_memory)
		return NULL;
	d = xcalloc(1, sizeof(*d));
	d->journal = j;
	d->callbacks = *callbacks;
	d->id = next_id++;
	buf_init(&d->text, TEXT_MAX);
	TAILQ_INSERT_TAIL(&j->drafts, d, link);
	state.drafts++;
	return d;
}

int draft_error(const struct draft *d)
{
	(void)d;
	return 0;
}

uint64_t draft_id(const struct draft *d)
{
	return d->id;
}

int draft_add(struct draft *d, const void *data, size_t len)
{
	size_t before = d->size;

	if (d->message != NULL)
		bug("bytes behind the commit");
	if (len > DRAFT_PIECE_MAX)
		bug("a piece of %zu bytes", len);
	d->size += len;
	if (d->broken)
		return 0;
	if (buf_add(&d->text, data, len) != 0)
		bug("message beyond the test's limit");
	if (state.break_at > 0 && d->size >= state.break_at) {
		d->broken = true;
		d->done_due = true;
		d->result = state.result;
		settle_soon();
		return 0;
	}
	if (state.wait_at > 0 && before < state.wait_at &&
		d->size >= state.wait_at) {
		d->waits = true;
		settle_soon();
	}
	return d->waits ? 1 : 0;
}

void draft_commit(struct draft *d, struct envelope *env)
{
	struct fake_message *m = &state.messages[state.count];

	d->waits = false;
	if (d->broken)
		return;
	if (state.count++ >= FAKE_MESSAGES_MAX)
		bug("too many messages");
	env->id = d->id;
	env->size = d->size;
	buf_init(&m->envelope, ENVELOPE_SIZE_MAX);
	buf_init(&m->text, TEXT_MAX);
	if (envelope_print(env, &m->envelope) != 0 ||
		buf_add(&m->text, d->text.data, d->text.len) != 0)
		bug("out of memory");
	m->committed = true;
	d->message = m;
	d->done_due = true;
	d->result = state.result;
	settle_soon();
}

void draft_free(struct draft **dp)
{
	struct draft *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	if (d->done_due)
		d->freed = true;
	else
		destroy(d);
}
