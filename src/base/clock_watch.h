/*
 * clock_watch.h - tells when the machine was suspended, or its clock was set.
 * Used by:    relay/relay.
 * Why:        timers of the event loop stand still while the machine sleeps,
 *             but what waits is planned by clock_boot_ms(), which does not: its
 *             timers have to be set anew then.
 * Blocks:     never. It wakes up for such a jump alone.
 */
#ifndef GMRELAY_BASE_CLOCK_WATCH_H
#define GMRELAY_BASE_CLOCK_WATCH_H

struct clock_watch;
struct event_base;

/* on_jump(arg) runs on the event loop after each. Returns NULL where the kernel
 * cannot tell: timers are late then, by as long as the machine slept. */
struct clock_watch *clock_watch_new(
	struct event_base *base, void (*on_jump)(void *arg), void *arg);

/* NULL is fine. */
void clock_watch_free(struct clock_watch **w);

#endif
