/*
 * clients.c - who is connected: a peer's names, and the list of all sessions.
 */
#include "config.h"

#include "receiver/clients.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

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
	snprintf(out->text, sizeof(out->text), "%s", text);
	snprintf(out->log, sizeof(out->log), "%s", text);
	snprintf(out->literal, sizeof(out->literal), "[%s%s]",
		is_v4 ? "" : "IPv6:", text);
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
	c->count = 0;
}

void clients_add(struct clients *c, struct client *client)
{
	TAILQ_INSERT_TAIL(&c->all, client, all_link);
	client->is_idle = false;
	c->count++;
	clients_touch(c, client, true);
}

void clients_remove(struct clients *c, struct client *client)
{
	clients_touch(c, client, false);
	TAILQ_REMOVE(&c->all, client, all_link);
	c->count--;
}

void clients_touch(struct clients *c, struct client *client, bool idle)
{
	if (client->is_idle)
		TAILQ_REMOVE(&c->idle, client, idle_link);
	if (idle)
		TAILQ_INSERT_TAIL(&c->idle, client, idle_link);
	client->is_idle = idle;
}

unsigned clients_from(const struct clients *c, const struct peer *peer)
{
	const struct client *client;
	unsigned count = 0;

	TAILQ_FOREACH(client, &c->all, all_link)
	if (client->peer->kind == LISTENER_SMTP &&
		IN6_ARE_ADDR_EQUAL(&client->peer->address, &peer->address))
		count++;
	return count;
}

struct session *clients_idle_longest(const struct clients *c)
{
	const struct client *first = TAILQ_FIRST(&c->idle);

	return first != NULL ? first->session : NULL;
}
