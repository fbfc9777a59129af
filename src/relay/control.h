/*
 * control.h - the socket gmrelayctl talks to: newline-delimited JSON, a table
 *             of commands.
 * Used by:    relay/relay.
 * Format:     gmrelayctl(8), "The control protocol".
 */
#ifndef GMRELAY_RELAY_CONTROL_H
#define GMRELAY_RELAY_CONTROL_H

#include "base/err.h"

struct control;
struct dispatch;
struct drop;
struct event_base;
struct role;

#define CONTROL_CLIENTS_MAX 32
#define CONTROL_REQUEST_MAX (16 * 1024)
/* Longer than this nobody is kept waiting for a start that reads the spool. */
#define CONTROL_START_S 2

/* Serves role->control_fd (owned from here on), from control_start() on or
 * after CONTROL_START_S. Requests to the parent (reload, stop) go through
 * role->channel_fd. Returns NULL with err. */
struct control *control_new(struct event_base *base, const struct role *role,
	struct dispatch *d, struct drop *drop, struct err *err);

/* The spool is read: whoever asks hears of all that is there. To be called once
 * or more. */
void control_start(struct control *c);

/* Tells the clients that asked for a reload why there is none. NULL is fine. */
void control_reload_refused(struct control *c, const char *why);

void control_free(struct control **c);

#endif
