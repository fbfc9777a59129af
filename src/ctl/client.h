/*
 * client.h - gmrelayctl's end of the control socket.
 * Used by:    ctl/.
 * Blocks:     yes, up to the timeout of each call.
 * Format:     gmrelayctl(8), "The control protocol".
 */
#ifndef GMRELAY_CTL_CLIENT_H
#define GMRELAY_CTL_CLIENT_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* The longest line taken from the daemon. */
#define CLIENT_LINE_MAX (8 * 1024 * 1024)
/* How long the daemon may take for an answer. */
#define CLIENT_TIMEOUT_MS 30000

struct client;

/* Connects to the socket at path. Returns NULL with err: ERR_ACCESS where only
 * the right to use it is missing. */
struct client *client_open(const char *path, struct err *err);
void client_close(struct client **c); /* NULL is fine */

/* Sends {"command": command} with what arguments (taken over; NULL: nothing)
 * holds. Returns 0, -1 with err. */
int client_ask(struct client *c, const char *command, json_t *arguments,
	struct err *err);

/* The next object of the answer, within timeout_ms. *last_out tells that it
 * ends the answer. Returns NULL with err: an error told by the daemon, end of
 * file (ERR_PROTOCOL), the timeout (ERR_SYSTEM). The caller owns the object. */
json_t *client_next(
	struct client *c, int timeout_ms, bool *last_out, struct err *err);

/* Asks, and takes an answer of one object. Returns it, or NULL with err. */
json_t *client_call(struct client *c, const char *command, json_t *arguments,
	struct err *err);

#endif
