/*
 * control_stream.h - the commands whose answer is made piece by piece: lists,
 *                    a message's details and bytes, doctor, follow.
 * Used by:    relay/control_commands (its table).
 * Invariant:  memory is bounded however slowly a client reads and however long
 *             a list or a message is.
 */
#ifndef GMRELAY_RELAY_CONTROL_STREAM_H
#define GMRELAY_RELAY_CONTROL_STREAM_H

#include "relay/control_client.h"

#include <stdint.h>

/* The most rows one queue.list answers; more by "after". */
#define CONTROL_LIST_MAX 200

/* Arguments of a request, checked against the command's table row. */
struct control_request {
	uint64_t id;    /* "id"; 0: none */
	uint64_t after; /* "after"; 0: none */
	int64_t limit;  /* "limit"; 0: none */
	bool failed;
	bool seen;
	bool all;
	const char *name; /* NULL: none. Of the request: lives for the call */
	const char *why;
};

void control_queue_list(
	struct control_client *c, const struct control_request *r);
void control_queue_show(
	struct control_client *c, const struct control_request *r);
void control_queue_cat(
	struct control_client *c, const struct control_request *r);
void control_follow(struct control_client *c, const struct control_request *r);
void control_doctor(struct control_client *c, const struct control_request *r);

#endif
