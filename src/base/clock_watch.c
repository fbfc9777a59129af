/*
 * clock_watch.c - tells when the machine was suspended, or its clock was set.
 *
 * A timer of the wall clock that never ends, but is cancelled when that clock
 * goes otherwise than the one that stands still in between: timerfd_create(2),
 * TFD_TIMER_CANCEL_ON_SET.
 */
#include "config.h"

#include "base/clock_watch.h"

#include "base/loop.h"
#include "base/util.h"

#include <event2/event.h>

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define NEVER_S (sizeof(time_t) > 4 ? (time_t)INT64_MAX : (time_t)INT32_MAX)

struct clock_watch {
	int fd;
	struct event *event;
	void (*on_jump)(void *arg);
	void *arg;
};

static int arm(const struct clock_watch *w)
{
	const struct itimerspec never = {.it_value.tv_sec = NEVER_S};

	return timerfd_settime(w->fd,
		TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET, &never, NULL);
}

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	struct clock_watch *w = arg;
	uint64_t count;

	(void)what;
	/* that it was cancelled is the news, and all there is to read */
	if (read(fd, &count, sizeof(count)) < 0 && errno == EAGAIN)
		return;
	if (arm(w) != 0)
		event_del(w->event);
	w->on_jump(w->arg);
}

struct clock_watch *clock_watch_new(
	struct event_base *base, void (*on_jump)(void *arg), void *arg)
{
	struct clock_watch *w = xcalloc(1, sizeof(*w));

	w->on_jump = on_jump;
	w->arg = arg;
	w->fd = timerfd_create(CLOCK_REALTIME, TFD_NONBLOCK | TFD_CLOEXEC);
	if (w->fd < 0 || arm(w) != 0) {
		clock_watch_free(&w);
		return NULL;
	}
	w->event = event_new(base, w->fd, EV_READ | EV_PERSIST, on_event, w);
	loop_watch(w->event);
	return w;
}

void clock_watch_free(struct clock_watch **wp)
{
	struct clock_watch *w = *wp;

	*wp = NULL;
	if (w == NULL)
		return;
	if (w->event != NULL)
		event_free(w->event);
	if (w->fd >= 0)
		close(w->fd);
	free(w);
}
