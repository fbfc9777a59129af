/*
 * conf_listen.c - addresses to listen on.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/log.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

uint16_t conf_port_of(const struct conf_address *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)&address->sa;

	if (sa->sa_family == AF_INET6)
		return ntohs(
			((const struct sockaddr_in6 *)&address->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
}

struct endpoint {
	char host[64];
	char zone[IF_NAMESIZE];
	uint16_t port;
	bool brackets;
};

/* Cuts "[host%zone]:port" or "host:port". Returns what is wrong, or NULL. */
static const char *cut_endpoint(const char *text, struct endpoint *out)
{
	const char *colon = strrchr(text, ':');
	const char *bracket = strrchr(text, ']');
	size_t len, digits;
	char *zone;

	memset(out, 0, sizeof(*out));
	if (colon == NULL || (bracket != NULL && bracket > colon))
		return "has no port; write \"ADDRESS:25\"";
	out->brackets = text[0] == '[';
	len = (size_t)(colon - text);
	if (out->brackets) {
		if (bracket == NULL || bracket + 1 != colon)
			return "has no right brackets; write \"[::1]:25\"";
		text++;
		len -= 2;
	}
	if (len == 0 || len >= sizeof(out->host))
		return "has no address; write \"127.0.0.1:25\"";
	memcpy(out->host, text, len);
	digits = strspn(colon + 1, "0123456789");
	if (digits == 0 || digits > 5 || colon[1 + digits] != '\0' ||
		strtoul(colon + 1, NULL, 10) > 65535)
		return "has no right port; it is a number from 0 to 65535";
	out->port = (uint16_t)strtoul(colon + 1, NULL, 10);
	zone = strchr(out->host, '%');
	if (zone == NULL)
		return NULL;
	*zone++ = '\0';
	if (*zone == '\0' || strlen(zone) >= sizeof(out->zone))
		return "names no network interface behind \"%\"";
	memcpy(out->zone, zone, strlen(zone) + 1);
	return NULL;
}

static void set_address(struct conf_address *out, const struct in6_addr *ip,
	const struct endpoint *e)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)&out->sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&out->sa;
	char text[64];

	memset(out, 0, sizeof(*out));
	if (conf_ip_is_v4(ip)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, &ip->s6_addr[12], sizeof(v4->sin_addr));
		out->len = sizeof(*v4);
		snprintf(out->text, sizeof(out->text), "%.45s:%u",
			conf_ip_text(ip, text), e->port);
		return;
	}
	v6->sin6_family = AF_INET6;
	v6->sin6_port = htons(e->port);
	v6->sin6_addr = *ip;
	v6->sin6_scope_id = if_nametoindex(e->zone);
	out->len = sizeof(*v6);
	/* 39 digits and colons, 15 of an interface, 5 of a port: it fits,
	 * and what does not is only shown shorter */
	snprintf(out->text, sizeof(out->text), "[%.39s%s%.15s]:%u",
		conf_ip_text(ip, text), e->zone[0] != '\0' ? "%" : "", e->zone,
		e->port);
}

/* Returns what is wrong with the address, or NULL. */
static const char *check_endpoint(
	const struct endpoint *e, const struct in6_addr *ip)
{
	bool colons = strchr(e->host, ':') != NULL;

	if (colons && conf_ip_is_v4(ip))
		return "is an IPv4 address in IPv6 clothes; write the IPv4 "
		       "address";
	if (!colons && e->brackets)
		return "needs no brackets; write \"127.0.0.1:25\"";
	if (IN6_IS_ADDR_LINKLOCAL(ip) && e->zone[0] == '\0')
		return "is valid on one network interface only; name it, like "
		       "\"[fe80::1%eth0]:25\"";
	if (e->zone[0] != '\0' && if_nametoindex(e->zone) == 0)
		return "names a network interface that does not exist";
	return NULL;
}

static bool overlap(const struct conf_address *a, const struct conf_address *b)
{
	struct in6_addr x, y;

	if (a->sa.ss_family != b->sa.ss_family || conf_port_of(a) == 0 ||
		conf_port_of(a) != conf_port_of(b) ||
		conf_ip_of((const struct sockaddr *)&a->sa, &x) != 0 ||
		conf_ip_of((const struct sockaddr *)&b->sa, &y) != 0)
		return false;
	return strcmp(a->text, b->text) == 0 || conf_ip_is_any(&x) ||
	       conf_ip_is_any(&y);
}

static void add_address(struct conf_reader *r, size_t index,
	const struct in6_addr *ip, const struct endpoint *e)
{
	struct conf *conf = r->target;
	struct conf_address *new = &conf->listen[conf->listen_count];
	size_t i;

	set_address(new, ip, e);
	for (i = 0; i < conf->listen_count; i++) {
		if (!overlap(&conf->listen[i], new))
			continue;
		conf_bad_value(r, index,
			"is there already, by \"%s\"; remove one of them",
			conf->listen[i].text);
		return;
	}
	new->defaulted = !r->values->written;
	conf->listen_count++;
}

/* All addresses, by a socket for each family; like the defaults, the one for
 * IPv6 may fail where there is no IPv6. */
static void add_any(struct conf_reader *r, size_t index, struct endpoint *e)
{
	struct conf *conf = r->target;
	struct in6_addr v4_any;
	size_t before;

	if (conf_ip_parse("0.0.0.0", &v4_any) != 0)
		bug("0.0.0.0 is no address");
	add_address(r, index, &v4_any, e);
	before = conf->listen_count;
	if (!r->bad)
		add_address(r, index, &in6addr_any, e);
	if (conf->listen_count > before)
		conf->listen[before].defaulted = true;
}

static void read_endpoint(struct conf_reader *r, size_t index)
{
	const char *text = r->values->text[index];
	struct endpoint e;
	struct in6_addr ip;
	const char *wrong = cut_endpoint(text, &e);

	if (conf_ip_parse(text, &ip) == 0) {
		if (strchr(text, ':') == NULL)
			conf_bad_value(
				r, index, "has no port; write \"%s:25\"", text);
		else if (wrong == NULL && conf_ip_parse(e.host, &ip) == 0)
			conf_bad_value(r, index,
				"needs brackets; write \"[%s]:%u\"", e.host,
				e.port);
		else
			conf_bad_value(r, index,
				"needs brackets and a port; write \"[%s]:25\"",
				text);
		return;
	}
	if (wrong == NULL && strcmp(e.host, "*") == 0 && !e.brackets) {
		add_any(r, index, &e);
		return;
	}
	if (wrong == NULL && conf_ip_parse(e.host, &ip) != 0)
		wrong = "is not an address (names are not looked up); write "
			"one like \"127.0.0.1:25\", \"[::1]:25\" or \"*:25\"";
	if (wrong == NULL)
		wrong = check_endpoint(&e, &ip);
	if (wrong != NULL)
		conf_bad_value(r, index, "%s", wrong);
	else
		add_address(r, index, &ip, &e);
}

void conf_read_listen(struct conf_reader *r)
{
	struct conf *conf = r->target;
	size_t i, count = r->values->count;

	if (count > CONF_LISTEN_MAX) {
		conf_bad_setting(r, "%zu addresses, %d are allowed", count,
			CONF_LISTEN_MAX);
		return;
	}
	/* a star makes two */
	conf->listen = xcalloc(2 * count + 1, sizeof(conf->listen[0]));
	for (i = 0; i < count; i++)
		read_endpoint(r, i);
}
