/*
 * loop.h - events that are sure to come.
 * Used by:    the roles and the spool, wherever something waits for an event.
 * Invariant:  what could not be added would be waited for for ever, so these
 *             abort instead: the parent starts the role again, and what was
 *             acknowledged is on disk. libevent fails only without memory, or
 *             where the kernel has no room for another descriptor. NULL, for
 *             an event that could not be made, is the same.
 */
#ifndef GMRELAY_BASE_LOOP_H
#define GMRELAY_BASE_LOOP_H

#include <stdint.h>

struct event;
struct evconnlistener;

/* The event happens in so many milliseconds, at the soonest in the next turn,
 * after what is ready then; one that is waited for already is moved. With
 * EV_PERSIST it comes again and again. */
void loop_after(struct event *event, int64_t delay_ms);

/* Waits for the event's descriptor, however long. */
void loop_watch(struct event *event);

/* Connections are accepted. */
void loop_accept(struct evconnlistener *listener);

#endif
