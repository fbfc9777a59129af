/*
 * clients.c - who is connected: a peer's names, and the list of all sessions.
 */
#include "config.h"

#include "receiver/clients.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

/* Each costs a look at all others. Who fills all places has most of those that
 * were silent longest. */
enum { VICTIM_LOOKS_MAX = 16 };

void peer_speaks_for(struct peer *peer, uid_t uid)
{
	peer->uid = uid;
	snprintf(peer->text, sizeof(peer->text), "uid %u", (unsigned)uid);
	snprintf(peer->literal, sizeof(peer->literal), "uid %u", (unsigned)uid);
	snprintf(peer->log, sizeof(peer->log), "\"uid %u\"", (unsigned)uid);
}

static int identify_user(struct peer *out, int fd)
{
	struct ucred cred;
	socklen_t len = sizeof(cred);

	if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0)
		return -1;
	out->socket_uid = cred.uid;
	peer_speaks_for(out, cred.uid);
	out->local = true;
	return 0;
}

static void map_v4(struct in6_addr *out, const struct in_addr *v4)
{
	memset(out, 0, sizeof(*out));
	out->s6_addr[10] = 0xff;
	out->s6_addr[11] = 0xff;
	memcpy(out->s6_addr + 12, v4, sizeof(*v4));
}

static int identify_address(struct peer *out, const struct sockaddr *sa)
{
	const void *v4 = out->address.s6_addr + 12;
	char text[INET6_ADDRSTRLEN];
	bool is_v4;

	if (sa->sa_family == AF_INET)
		map_v4(&out->address,
			&((const struct sockaddr_in *)(const void *)sa)
				 ->sin_addr);
	else if (sa->sa_family == AF_INET6)
		out->address = ((const struct sockaddr_in6 *)(const void *)sa)
				       ->sin6_addr;
	else
		return -1;
	is_v4 = IN6_IS_ADDR_V4MAPPED(&out->address);
	if (inet_ntop(is_v4 ? AF_INET : AF_INET6,
		    is_v4 ? v4 : (const void *)&out->address, text,
		    sizeof(text)) == NULL)
		return -1;
	out->local = is_v4 ? out->address.s6_addr[12] == 127
			   : IN6_IS_ADDR_LOOPBACK(&out->address);
	text_join(out->text, sizeof(out->text), STRINGS(text));
	text_join(out->log, sizeof(out->log), STRINGS(text));
	text_join(out->literal, sizeof(out->literal),
		STRINGS("[", is_v4 ? "" : "IPv6:", text, "]"));
	return 0;
}

int peer_identify(struct peer *out, int fd, enum listener_kind kind,
	const struct sockaddr *sa)
{
	memset(out, 0, sizeof(*out));
	out->kind = kind;
	if (kind == LISTENER_SUBMIT)
		return identify_user(out, fd);
	return identify_address(out, sa);
}

void clients_init(struct clients *c)
{
	TAILQ_INIT(&c->all);
	TAILQ_INIT(&c->idle);
	TAILQ_INIT(&c->busy);
	c->count = 0;
}

static struct client_list *list_of(
	struct clients *c, const struct client *client)
{
	return client->is_idle ? &c->idle : &c->busy;
}

static void unlist(struct clients *c, struct client *client)
{
	if (client->is_listed)
		TAILQ_REMOVE(list_of(c, client), client, turn_link);
	client->is_listed = false;
}

void clients_add(struct clients *c, struct client *client)
{
	TAILQ_INSERT_TAIL(&c->all, client, all_link);
	client->is_listed = false;
	c->count++;
	clients_touch(c, client, true);
}

void clients_remove(struct clients *c, struct client *client)
{
	unlist(c, client);
	TAILQ_REMOVE(&c->all, client, all_link);
	c->count--;
}

void clients_touch(struct clients *c, struct client *client, bool idle)
{
	unlist(c, client);
	client->is_idle = idle;
	TAILQ_INSERT_TAIL(list_of(c, client), client, turn_link);
	client->is_listed = true;
}

/* By address, or by who is at the other end of a Unix socket. */
static bool is_same(const struct peer *a, const struct peer *b)
{
	if (a->kind != b->kind)
		return false;
	return a->kind == LISTENER_SMTP
		       ? IN6_ARE_ADDR_EQUAL(&a->address, &b->address)
		       : a->socket_uid == b->socket_uid;
}

unsigned clients_from(const struct clients *c, const struct peer *peer)
{
	const struct client *client;
	unsigned count = 0;

	TAILQ_FOREACH(client, &c->all, all_link)
		count += is_same(client->peer, peer);
	return count;
}

struct session *clients_idle_longest(const struct clients *c)
{
	const struct client *first = TAILQ_FIRST(&c->idle);

	return first != NULL ? first->session : NULL;
}

/* The first of the list who is somebody's who has more than the newcomer will
 * have. */
static struct session *of_greedy(const struct clients *c,
	const struct client_list *list, const struct peer *newcomer)
{
	const unsigned had = clients_from(c, newcomer);
	const struct client *client;
	unsigned looked_at = 0;

	TAILQ_FOREACH(client, list, turn_link)
		if (!is_same(client->peer, newcomer) &&
			looked_at++ < VICTIM_LOOKS_MAX &&
			clients_from(c, client->peer) > had + 1)
			return client->session;
	return NULL;
}

static struct session *of_same(
	const struct client_list *list, const struct peer *newcomer)
{
	const struct client *client;

	TAILQ_FOREACH(client, list, turn_link)
		if (is_same(client->peer, newcomer))
			return client->session;
	return NULL;
}

struct session *clients_victim(
	const struct clients *c, const struct peer *newcomer)
{
	struct session *victim = of_greedy(c, &c->idle, newcomer);

	if (victim == NULL)
		victim = of_same(&c->idle, newcomer);
	if (victim == NULL)
		victim = clients_idle_longest(c);
	return victim != NULL ? victim : of_greedy(c, &c->busy, newcomer);
}
