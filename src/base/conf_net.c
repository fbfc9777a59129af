/*
 * conf_net.c - addresses and networks: who may send, and as whom.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <arpa/inet.h>
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

bool conf_ip_is_v4(const struct in6_addr *ip)
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
	       (conf_ip_is_v4(ip) && ip->s6_addr[12] == 127);
}

bool conf_ip_is_any(const struct in6_addr *ip)
{
	struct in6_addr v4_any = mapped_prefix;

	return IN6_IS_ADDR_UNSPECIFIED(ip) ||
	       memcmp(ip, &v4_any, sizeof(v4_any)) == 0;
}

static bool is_loopback(const struct conf_network *network)
{
	return conf_ip_is_loopback(&network->prefix) &&
	       network->bits >=
		       (conf_ip_is_v4(&network->prefix) ? 96u + 8 : 128u);
}

const char *conf_ip_text(const struct in6_addr *ip, char out[64])
{
	if (conf_ip_is_v4(ip))
		inet_ntop(AF_INET, &ip->s6_addr[12], out, 64);
	else
		inet_ntop(AF_INET6, ip, out, 64);
	return out;
}

bool conf_networks_are_loopback(const struct conf_networks *networks)
{
	size_t i;

	for (i = 0; i < networks->count; i++)
		if (!is_loopback(&networks->items[i]))
			return false;
	return true;
}

/* --- look-up --- */

/* The longest prefix of the list that holds ip, or NULL. */
static const struct conf_network *longest(
	const struct conf_networks *networks, const struct in6_addr *ip)
{
	const struct conf_network *n, *best = NULL;
	size_t i;

	for (i = 0; i < networks->count; i++) {
		n = &networks->items[i];
		/* an IPv6 network never lets IPv4 in: ::/16 is refused, and
		 * would not count here either */
		if (conf_ip_is_v4(ip) == conf_ip_is_v4(&n->prefix) &&
			prefix_matches(&n->prefix, n->bits, ip) &&
			(best == NULL || n->bits > best->bits))
			best = n;
	}
	return best;
}

const struct conf_client *conf_client_for(
	const struct conf *conf, const struct sockaddr *sa)
{
	const struct conf_client *found = NULL;
	const struct conf_network *n;
	struct in6_addr ip;
	unsigned bits = 0;
	size_t i;

	if (conf_ip_of(sa, &ip) != 0)
		return NULL;
	for (i = 0; i < conf->client_count; i++) {
		n = longest(&conf->clients[i].networks, &ip);
		/* of two that are the same the first one is a default */
		if (n == NULL || n->bits < bits)
			continue;
		found = &conf->clients[i];
		bits = n->bits;
	}
	return found;
}

const struct conf_client *conf_client_local(const struct conf *conf)
{
	return &conf->clients[0];
}

bool conf_is_proxy(const struct conf *conf, const struct sockaddr *sa)
{
	struct in6_addr ip;

	return conf_ip_of(sa, &ip) == 0 && longest(&conf->proxy, &ip) != NULL;
}

/* --- reading --- */

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
	if (conf_ip_is_v4(&out->prefix) && strchr(host, ':') != NULL)
		return "is an IPv4 address in IPv6 clothes; write the IPv4 "
		       "address";
	max = conf_ip_is_v4(&out->prefix) ? 32 : 128;
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
	if (conf_ip_is_v4(&n->prefix))
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
	shown = conf_ip_is_v4(&out->prefix) ? out->bits - MAPPED_BITS
					    : out->bits;
	if (too_wide(out)) {
		conf_bad_value(r, index,
			"would let half the world send through your account; "
			"name your own networks, /%d or longer",
			conf_ip_is_v4(&out->prefix) ? V4_SHORTEST
						    : V6_SHORTEST);
		return;
	}
	mask_prefix(&masked, out->bits);
	if (memcmp(&masked, &out->prefix, sizeof(masked)) != 0) {
		conf_bad_value(r, index,
			"has bits set behind its prefix; write \"%s/%u\" for "
			"the network, or the address without \"/%u\"",
			conf_ip_text(&masked, text), shown, shown);
		return;
	}
	conf_ip_text(&out->prefix, text);
	if (out->bits == 128)
		snprintf(out->text, sizeof(out->text), "%.45s", text);
	else
		snprintf(out->text, sizeof(out->text), "%.45s/%u", text, shown);
	if (out->bits < 128 && !is_private(out))
		conf_warning(r->report, r->values->lines[index],
			"%s: \"%s\" is a public network; everyone in it "
			"can send through your account; make sure that it is "
			"all yours",
			r->setting->name, out->text);
}

static void read_networks(struct conf_reader *r, struct conf_networks *out)
{
	size_t i, count = r->values->count;

	out->items = xcalloc(count + 1, sizeof(out->items[0]));
	for (i = 0; i < count; i++) {
		read_network(r, i, &out->items[i]);
		out->items[i].line = r->values->lines[i];
		out->items[i].defaulted = !r->values->written;
	}
	out->count = count;
}

void conf_read_networks(struct conf_reader *r)
{
	read_networks(r, (struct conf_networks *)((char *)r->target +
						  r->setting->offset));
}

void conf_read_allow(struct conf_reader *r)
{
	struct conf *conf = r->target;

	read_networks(r, &conf->clients[0].networks);
}
