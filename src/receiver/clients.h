/*
 * clients.h - who is connected: a peer's names, and the list of all sessions.
 * Used by:    receiver/doors (limits), receiver/session (enters itself).
 * Invariant:  idle holds the sessions without a transaction, the one that was
 *             silent longest first.
 */
#ifndef GMRELAY_RECEIVER_CLIENTS_H
#define GMRELAY_RECEIVER_CLIENTS_H

#include "base/role.h"
#include "spool/envelope.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <sys/queue.h>
#include <sys/socket.h>
#include <sys/types.h>

struct session;

#define PEER_LITERAL_MAX (INET6_ADDRSTRLEN + 16)

struct peer {
	enum listener_kind kind;
	struct in6_addr address; /* IPv4 as ::ffff:a.b.c.d; SMTP alone */
	uid_t uid;        /* by a Unix socket alone: for whom it speaks */
	uid_t socket_uid; /* the same: who it is */
	bool local;       /* this machine: not limited per address */
	char text[ENVELOPE_CLIENT_MAX + 1]; /* "10.0.0.31", "uid 1000" */
	char log[ENVELOPE_CLIENT_MAX + 3];  /* text, quoted where it must be */
	char literal[PEER_LITERAL_MAX + 1]; /* "[10.0.0.31]", "[IPv6:::1]",
					       "uid 1000": for Received */
};

/* Fills in *out for the socket fd, accepted from sa by a listener of this kind.
 * Returns 0, or -1 when there is no telling who it is. */
int peer_identify(struct peer *out, int fd, enum listener_kind kind,
	const struct sockaddr *sa);

/* From here on the peer goes by the name of this user, for whom it speaks. */
void peer_speaks_for(struct peer *peer, uid_t uid);

/* Embedded in every session. */
struct client {
	TAILQ_ENTRY(client) all_link;
	TAILQ_ENTRY(client) turn_link; /* of idle or busy */
	bool is_listed, is_idle;
	const struct peer *peer;
	struct session *session;
};

TAILQ_HEAD(client_list, client);

struct clients {
	struct client_list all;
	/* who was silent longest first: without a transaction, with one */
	struct client_list idle;
	struct client_list busy;
	unsigned count;
};

void clients_init(struct clients *c);
void clients_add(struct clients *c, struct client *client);
void clients_remove(struct clients *c, struct client *client);

/* Something came from the client; idle: it has no transaction now. */
void clients_touch(struct clients *c, struct client *client, bool idle);

/* Sessions from the address of this peer. */
unsigned clients_from(const struct clients *c, const struct peer *peer);

/* The session without a transaction that was silent longest, or NULL. */
struct session *clients_idle_longest(const struct clients *c);

/* Who has to go for this newcomer, when all places are taken: of those without
 * a transaction one of somebody who has more connections than the newcomer will
 * have, else one of the newcomer's own, else any; else one in the midst of a
 * transaction, of somebody who has more. So who fills the places pays. Of each
 * the one that was silent longest. NULL: all have as few. */
struct session *clients_victim(
	const struct clients *c, const struct peer *newcomer);

#endif
