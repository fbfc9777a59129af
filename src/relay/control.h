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

/* Serves role->control_fd (owned from here on). Requests to the parent (reload,
 * stop) go through role->channel_fd. Returns NULL with err. */
struct control *control_new(struct event_base *base, const struct role *role,
	struct dispatch *d, const struct drop *drop, struct err *err);

/* Tells the clients that asked for a reload why there is none. NULL is fine. */
void control_reload_refused(struct control *c, const char *why);

void control_free(struct control **c);

#endif
