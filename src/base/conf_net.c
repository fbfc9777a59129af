/*
 * conf_net.c - addresses to listen on, networks that may send.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <arpa/inet.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	V4_SHORTEST = 8,  /* a prefix shorter than this is half the Internet */
	V6_SHORTEST = 16, /* the same, but for fc00::/7 (RFC 4193) */
	MAPPED_BITS = 96, /* of ::ffff:0:0/96 */
};

static const struct in6_addr mapped_prefix = {
	.s6_addr = {[10] = 0xff, [11] = 0xff}};

/* Networks that are nobody's in the public Internet. */
static const struct {
	struct in6_addr prefix;
	unsigned bits;
} private_networks[] = {
	{{{{[10] = 0xff, [11] = 0xff, [12] = 127}}}, 96 + 8},
	{{{{[10] = 0xff, [11] = 0xff, [12] = 10}}}, 96 + 8},
	{{{{[10] = 0xff, [11] = 0xff, [12] = 172, [13] = 16}}}, 96 + 12},
	{{{{[10] = 0xff, [11] = 0xff, [12] = 192, [13] = 168}}}, 96 + 16},
	{{{{[10] = 0xff, [11] = 0xff, [12] = 169, [13] = 254}}}, 96 + 16},
	{{{{[10] = 0xff, [11] = 0xff, [12] = 100, [13] = 64}}}, 96 + 10},
	{{{{[15] = 1}}}, 128},
	{{{{[0] = 0xfc}}}, 7},
	{{{{[0] = 0xfe, [1] = 0x80}}}, 10},
};

static bool prefix_matches(
	const struct in6_addr *prefix, unsigned bits, const struct in6_addr *ip)
{
	unsigned whole = bits / 8;
	unsigned mask = 0xff00u >> (bits % 8) & 0xff;

	return memcmp(prefix, ip, whole) == 0 &&
	       (mask == 0 || ((prefix->s6_addr[whole] ^ ip->s6_addr[whole]) &
				     mask) == 0);
}

static bool is_v4(const struct in6_addr *ip)
{
	return prefix_matches(&mapped_prefix, MAPPED_BITS, ip);
}

int conf_ip_parse(const char *text, struct in6_addr *out)
{
	struct in_addr v4;

	if (inet_pton(AF_INET6, text, out) == 1)
		return 0;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return -1;
	*out = mapped_prefix;
	memcpy(&out->s6_addr[12], &v4, sizeof(v4));
	return 0;
}

int conf_ip_of(const struct sockaddr *sa, struct in6_addr *out)
{
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;

	/* copied: a caller's buffer need not be aligned for either */
	if (sa->sa_family == AF_INET) {
		memcpy(&v4, sa, sizeof(v4));
		*out = mapped_prefix;
		memcpy(&out->s6_addr[12], &v4.sin_addr, sizeof(v4.sin_addr));
		return 0;
	}
	if (sa->sa_family == AF_INET6) {
		memcpy(&v6, sa, sizeof(v6));
		*out = v6.sin6_addr;
		return 0;
	}
	return -1;
}

bool conf_ip_is_loopback(const struct in6_addr *ip)
{
	return IN6_IS_ADDR_LOOPBACK(ip) ||
	       (is_v4(ip) && ip->s6_addr[12] == 127);
}

bool conf_ip_is_any(const struct in6_addr *ip)
{
	struct in6_addr v4_any = mapped_prefix;

	return IN6_IS_ADDR_UNSPECIFIED(ip) ||
	       memcmp(ip, &v4_any, sizeof(v4_any)) == 0;
}

bool conf_network_is_loopback(const struct conf_network *network)
{
	return conf_ip_is_loopback(&network->prefix) &&
	       network->bits >= (is_v4(&network->prefix) ? 96u + 8 : 128u);
}

static const char *ip_text(const struct in6_addr *ip, char out[64])
{
	if (is_v4(ip))
		inet_ntop(AF_INET, &ip->s6_addr[12], out, 64);
	else
		inet_ntop(AF_INET6, ip, out, 64);
	return out;
}

bool conf_allows(const struct conf *conf, const struct sockaddr *sa)
{
	const struct conf_network *network;
	struct in6_addr ip;
	size_t i;

	if (conf_ip_of(sa, &ip) != 0)
		return false;
	for (i = 0; i < conf->allow_count; i++) {
		network = &conf->allow[i];
		/* an IPv6 network never lets IPv4 in: ::/16 is refused, and
		 * would not count here either */
		if (is_v4(&ip) == is_v4(&network->prefix) &&
			prefix_matches(&network->prefix, network->bits, &ip))
			return true;
	}
	return false;
}

uint16_t conf_port_of(const struct conf_address *address)
{
	const struct sockaddr *sa = (const struct sockaddr *)&address->sa;

	if (sa->sa_family == AF_INET6)
		return ntohs(
			((const struct sockaddr_in6 *)&address->sa)->sin6_port);
	return ntohs(((const struct sockaddr_in *)&address->sa)->sin_port);
}

/* --- listen --- */

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
	if (is_v4(ip)) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons(e->port);
		memcpy(&v4->sin_addr, &ip->s6_addr[12], sizeof(v4->sin_addr));
		out->len = sizeof(*v4);
		snprintf(out->text, sizeof(out->text), "%.45s:%u",
			ip_text(ip, text), e->port);
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
		ip_text(ip, text), e->zone[0] != '\0' ? "%" : "", e->zone,
		e->port);
}

/* Returns what is wrong with the address, or NULL. */
static const char *check_endpoint(
	const struct endpoint *e, const struct in6_addr *ip)
{
	bool colons = strchr(e->host, ':') != NULL;

	if (colons && is_v4(ip))
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
	size_t before;

	add_address(r, index, &mapped_prefix, e);
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

/* --- allow --- */

static void mask_prefix(struct in6_addr *ip, unsigned bits)
{
	unsigned i;

	for (i = bits; i < 128; i++)
		ip->s6_addr[i / 8] &= (unsigned char)~(0x80u >> i % 8);
}

/* Cuts "address/bits". Returns what is wrong, or NULL. */
static const char *cut_network(const char *text, struct conf_network *out)
{
	const char *slash = strchr(text, '/');
	size_t len = slash != NULL ? (size_t)(slash - text) : strlen(text);
	unsigned long bits;
	unsigned max;
	char host[64];

	if (len >= sizeof(host))
		return "is not a network; write one like \"192.168.1.0/24\"";
	memcpy(host, text, len);
	host[len] = '\0';
	if (conf_ip_parse(host, &out->prefix) != 0)
		return "is not an address or network (names are not looked "
		       "up); write one like \"192.168.1.0/24\" or "
		       "\"fd00:1::/64\"";
	if (is_v4(&out->prefix) && strchr(host, ':') != NULL)
		return "is an IPv4 address in IPv6 clothes; write the IPv4 "
		       "address";
	max = is_v4(&out->prefix) ? 32 : 128;
	bits = max;
	if (slash != NULL) {
		len = strspn(slash + 1, "0123456789");
		if (len == 0 || len > 3 || slash[1 + len] != '\0')
			return "has no right prefix length behind \"/\"; write "
			       "one like \"192.168.1.0/24\"";
		bits = strtoul(slash + 1, NULL, 10);
	}
	if (bits > max)
		return max == 32 ? "has a prefix longer than 32"
				 : "has a prefix longer than 128";
	out->bits = (unsigned)bits + (128 - max);
	return NULL;
}

/* A network so wide that it cannot be the user's own. */
static bool too_wide(const struct conf_network *n)
{
	if (is_v4(&n->prefix))
		return n->bits < MAPPED_BITS + V4_SHORTEST;
	return n->bits < V6_SHORTEST &&
	       !(n->bits >= 7 && (n->prefix.s6_addr[0] & 0xfe) == 0xfc);
}

static bool is_private(const struct conf_network *n)
{
	size_t i;

	for (i = 0; i < COUNT_OF(private_networks); i++)
		if (n->bits >= private_networks[i].bits &&
			prefix_matches(&private_networks[i].prefix,
				private_networks[i].bits, &n->prefix))
			return true;
	return false;
}

static void read_network(
	struct conf_reader *r, size_t index, struct conf_network *out)
{
	const char *wrong = cut_network(r->values->text[index], out);
	struct in6_addr masked = out->prefix;
	unsigned shown;
	char text[64];

	if (wrong != NULL) {
		conf_bad_value(r, index, "%s", wrong);
		return;
	}
	shown = is_v4(&out->prefix) ? out->bits - MAPPED_BITS : out->bits;
	if (too_wide(out)) {
		conf_bad_value(r, index,
			"would let half the world send through your account; "
			"name your own networks, /%d or longer",
			is_v4(&out->prefix) ? V4_SHORTEST : V6_SHORTEST);
		return;
	}
	mask_prefix(&masked, out->bits);
	if (memcmp(&masked, &out->prefix, sizeof(masked)) != 0) {
		conf_bad_value(r, index,
			"has bits set behind its prefix; write \"%s/%u\" for "
			"the network, or the address without \"/%u\"",
			ip_text(&masked, text), shown, shown);
		return;
	}
	ip_text(&out->prefix, text);
	if (out->bits == 128)
		snprintf(out->text, sizeof(out->text), "%.45s", text);
	else
		snprintf(out->text, sizeof(out->text), "%.45s/%u", text, shown);
	if (out->bits < 128 && !is_private(out))
		conf_warning(r->report, r->values->lines[index],
			"allow: \"%s\" is a public network; everyone in it "
			"can send through your account; make sure that it is "
			"all yours",
			out->text);
}

void conf_read_allow(struct conf_reader *r)
{
	struct conf *conf = r->target;
	size_t i, count = r->values->count;

	conf->allow = xcalloc(count + 1, sizeof(conf->allow[0]));
	for (i = 0; i < count; i++)
		read_network(r, i, &conf->allow[i]);
	conf->allow_count = count;
}
