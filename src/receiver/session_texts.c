/*
 * session_texts.c - texts share their time.
 *
 * A command is soon done with; a text takes its time, and the end of a large
 * header most of all: a hundred milliseconds. When many such are under way, a
 * client with a few commands would have to wait for all of them at each. So in
 * one turn of the loop the texts get SESSION_TEXTS_NS together, those that wait
 * one after the other, in the order in which they came.
 */
#include "config.h"

#include "receiver/session_internal.h"

#include "base/log.h"

#include <event2/event.h>

static void arm(struct session_shared *shared)
{
	static const struct timeval now = {0, 0};

	if (event_add(shared->texts_turn, &now) != 0)
		bug("a timer cannot be set");
}

/* Comes when all others have had a turn; see start_reading(). */
static void on_turn(evutil_socket_t fd, short what, void *arg)
{
	struct session_shared *shared = arg;
	struct session *s;

	(void)fd;
	(void)what;
	shared->texts_ns = 0;
	do {
		s = TAILQ_FIRST(&shared->texts);
		if (s == NULL)
			return;
		session_texts_leave(s);
		if (s->paused == 0)
			session_settle(s, session_take_turn(s));
	} while (shared->texts_ns < shared->texts_max_ns);
	if (!TAILQ_EMPTY(&shared->texts))
		arm(shared);
}

void session_texts_init(struct session_shared *shared)
{
	TAILQ_INIT(&shared->texts);
	shared->texts_max_ns = SESSION_TEXTS_NS;
	shared->texts_turn = evtimer_new(shared->base, on_turn, shared);
	if (shared->texts_turn == NULL)
		bug("no memory for an event");
}

void session_texts_free(struct session_shared *shared)
{
	if (shared->texts_turn != NULL)
		event_free(shared->texts_turn);
	shared->texts_turn = NULL;
}

void session_texts_spend(struct session_shared *shared, int64_t took_ns)
{
	shared->texts_ns += took_ns;
	if (shared->texts_ns >= shared->texts_max_ns)
		arm(shared);
}

bool session_texts_wait(struct session *s)
{
	struct session_shared *shared = s->shared;

	if (shared->texts_ns < shared->texts_max_ns &&
		TAILQ_EMPTY(&shared->texts))
		return false;
	session_stop_reading(s);
	if (!s->in_texts)
		TAILQ_INSERT_TAIL(&shared->texts, s, text_link);
	s->in_texts = true;
	arm(shared);
	return true;
}

void session_texts_leave(struct session *s)
{
	if (s->in_texts)
		TAILQ_REMOVE(&s->shared->texts, s, text_link);
	s->in_texts = false;
}
