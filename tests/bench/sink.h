/*
 * sink.h - the two halves of sink: sink.c has connections and replies,
 *          sink_protocol.c what is said on them.
 */
#ifndef GMRELAY_BENCH_SINK_H
#define GMRELAY_BENCH_SINK_H

#include "tool.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <openssl/ssl.h>

#include <stdbool.h>
#include <stdio.h>

/* What the next bytes of a connection are. */
enum mode { COMMAND, LOGIN, TEXT, CHUNK, STARTING_TLS, CLOSING };

struct reply {
	struct reply *next;
	const char *text;
	double due;
	bool of_message;
};

struct server {
	struct event_base *base;
	SSL_CTX *tls; /* NULL: none */
	double round_trip_s;
	double work_s;
	FILE *log; /* of arrivals; NULL: none */
	long messages;
	long connections;
	long open;
	long most_open;
	long logins;
	unsigned long long octets;
	double first_s;
	double last_s;
};

struct conn {
	struct server *server;
	struct bufferevent *bev;
	struct event *timer;
	struct reply *first;
	struct reply **last;
	double busy_until; /* with the messages so far */
	enum mode mode;
	int answers_left; /* of a login */
	bool secure;
	bool last_chunk;
	size_t chunk_left;
	bool id_sought;
	char id[TOOL_ID_MAX + 1];
};

/* Answers a command or, of_message, a message: text leaves in its turn, a round
 * trip from now, after the work that messages take. It is kept as it is. */
void sink_say(struct conn *c, const char *text, bool of_message);

/* Takes what has come from the client, as far as it goes. */
void sink_take(struct conn *c);

#endif
