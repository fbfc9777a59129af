/*
 * loop.c - events that are sure to come.
 */
#include "config.h"

#include "base/loop.h"

#include "base/log.h"

#include <event2/event.h>
#include <event2/listener.h>

void loop_after(struct event *event, int64_t delay_ms)
{
	struct timeval delay = {0, 0};

	if (delay_ms > 0) {
		delay.tv_sec = delay_ms / 1000;
		delay.tv_usec = delay_ms % 1000 * 1000;
	}
	if (event == NULL || event_add(event, &delay) != 0)
		bug("a timer cannot be set: out of memory");
}

void loop_watch(struct event *event)
{
	if (event == NULL || event_add(event, NULL) != 0)
		bug("a descriptor cannot be watched: out of memory");
}

void loop_accept(struct evconnlistener *listener)
{
	if (evconnlistener_enable(listener) != 0)
		bug("a socket cannot be watched: out of memory");
}
