/*
 * control_client.h - one connection of gmrelayctl, as the commands see it.
 * Used by:    relay/control (makes them), relay/control_commands,
 *             relay/control_stream.
 * Invariant:  one request at a time; what a client does not read is bounded:
 *             a stream waits for it, an event that does not fit ends it.
 * Blocks:     never. A handler never frees its client.
 */
#ifndef GMRELAY_RELAY_CONTROL_CLIENT_H
#define GMRELAY_RELAY_CONTROL_CLIENT_H

#include "base/err.h"

#include <jansson.h>
#include <stdbool.h>

/* A stream goes on when less than this waits to be read, octets. */
#define CONTROL_OUTPUT_LOW (128 * 1024)
/* An event that comes when this much waits ends the client. */
#define CONTROL_OUTPUT_MAX (1024 * 1024)

struct control_client;
struct dispatch;
struct drop;
struct event_base;
struct role;

/* An answer that is made piece by piece. */
struct control_stream {
	/* Sends the next piece. Returns 1 for more, 0 when that was the last
	 * (control_done() was called). NULL: pieces come by themselves. */
	int (*step)(struct control_client *c, void *state);
	/* The end, also an early one. */
	void (*free)(struct control_client *c, void *state);
	bool ends_at_eof; /* a client that sends no more hears no more */
};

/* What the commands work with. */
struct dispatch *control_client_dispatch(const struct control_client *c);
struct drop *control_client_drop(const struct control_client *c);
struct event_base *control_client_base(const struct control_client *c);
const struct role *control_client_role(const struct control_client *c);

/* True for the first to ask, until control_client_give_probe(). */
bool control_client_take_probe(struct control_client *c);
void control_client_give_probe(struct control_client *c);

/* Sends one object, a line. *object is taken over; NULL (want of memory) ends
 * the client. */
void control_send(struct control_client *c, json_t **object);

/* Ends the answer: object (taken over; NULL: an empty one) with "done". */
void control_done(struct control_client *c, json_t *object);

/* Ends the answer with the error. */
void control_fail(struct control_client *c, const struct err *err);

/* The handler has begun an answer that the stream will end; state belongs to
 * the stream. */
void control_begin_stream(struct control_client *c,
	const struct control_stream *stream, void *state);

/* Of those who wait for the end of a reload. */
extern const struct control_stream control_reload_stream;

/* Runs the command that the request names. */
void control_dispatch_request(struct control_client *c, json_t *request);

#endif
