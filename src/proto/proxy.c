/*
 * proxy.c - the PROXY protocol: for whom a proxy connects.
 */
#include "config.h"

#include "proto/proxy.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <stdbool.h>
#include <string.h>

static const char v1_begin[] = "PROXY ";
static const char v2_begin[] = "\r\n\r\n\0\r\nQUIT\n";

enum {
	V1_BEGIN = sizeof(v1_begin) - 1,
	V2_BEGIN = sizeof(v2_begin) - 1,
	V2_HEAD = 16,
	/* of the command: version and what to do */
	V2_VERSION = 2,
	V2_LOCAL = 0,
	V2_PROXY = 1,
	/* of the family and the transport */
	V2_UNSPEC = 0x00,
	V2_TCP4 = 0x11,
	V2_TCP6 = 0x21,
	V2_UNIX = 0x31,
	V2_TCP4_LEN = 12,
	V2_TCP6_LEN = 36,
};

static void map_v4(struct in6_addr *out, const void *v4)
{
	memset(out, 0, sizeof(*out));
	out->s6_addr[10] = 0xff;
	out->s6_addr[11] = 0xff;
	memcpy(out->s6_addr + 12, v4, 4);
}

/* --- version 1: a line ---------------------------------------------------- */

struct word {
	char text[INET6_ADDRSTRLEN];
};

/* Takes the next word of the line at *p. They are apart by one space. Returns
 * 0; -1 where there is none, or one that is too long. */
static int take_word(const char **p, const char *end, struct word *out)
{
	size_t len = 0;

	if (*p >= end || **p != ' ')
		return -1;
	++*p;
	while (*p + len < end && (*p)[len] != ' ')
		len++;
	if (len == 0 || len >= sizeof(out->text) ||
		memchr(*p, '\0', len) != NULL)
		return -1;
	memcpy(out->text, *p, len);
	out->text[len] = '\0';
	*p += len;
	return 0;
}

static int parse_address(const char *text, bool v6, struct in6_addr *out)
{
	struct in_addr v4;

	if (v6)
		return inet_pton(AF_INET6, text, out) == 1 ? 0 : -1;
	if (inet_pton(AF_INET, text, &v4) != 1)
		return -1;
	map_v4(out, &v4);
	return 0;
}

/* Digits without a leading zero. */
static int parse_port(const char *text, uint16_t *out)
{
	size_t i, len = strlen(text);
	unsigned value = 0;

	if (len > 5 || (text[0] == '0' && len > 1))
		return -1;
	for (i = 0; i < len; i++) {
		if (text[i] < '0' || text[i] > '9')
			return -1;
		value = value * 10 + (unsigned)(text[i] - '0');
	}
	*out = (uint16_t)value;
	return value <= UINT16_MAX ? 0 : -1;
}

/* The words behind "PROXY": family, both addresses, both ports. */
static int parse_v1_words(
	struct proxy_header *out, const char *p, const char *end)
{
	struct word family, source, destination, ports[2];
	struct in6_addr unused;
	uint16_t port;
	bool v6;

	p--; /* the space belongs to the first word */
	if (take_word(&p, end, &family) != 0)
		return -1;
	if (strcmp(family.text, "UNKNOWN") == 0) {
		/* what follows is to be ignored */
		out->client = PROXY_UNKNOWN;
		return 0;
	}
	v6 = strcmp(family.text, "TCP6") == 0;
	if ((!v6 && strcmp(family.text, "TCP4") != 0) ||
		take_word(&p, end, &source) != 0 ||
		take_word(&p, end, &destination) != 0 ||
		take_word(&p, end, &ports[0]) != 0 ||
		take_word(&p, end, &ports[1]) != 0 || p != end)
		return -1;
	out->client = PROXY_CLIENT;
	if (parse_address(source.text, v6, &out->source) != 0 ||
		parse_address(destination.text, v6, &unused) != 0 ||
		parse_port(ports[0].text, &out->port) != 0)
		return -1;
	return parse_port(ports[1].text, &port);
}

static int parse_v1(
	struct proxy_header *out, const char *data, size_t len, struct err *err)
{
	const size_t within = len < PROXY_V1_MAX ? len : PROXY_V1_MAX;
	const char *lf = memchr(data, '\n', within);

	if (lf == NULL && len >= PROXY_V1_MAX)
		return err_set(err, ERR_SYNTAX, "its PROXY line has no end");
	if (lf == NULL)
		return 0;
	if (lf[-1] != '\r' || parse_v1_words(out, data + V1_BEGIN, lf - 1) != 0)
		return err_set(err, ERR_SYNTAX, "its PROXY line is not right");
	out->used = (size_t)(lf - data) + 1;
	return 1;
}

/* --- version 2: octets ---------------------------------------------------- */

/* The address behind the head; there is room for len octets. */
static int parse_v2_address(struct proxy_header *out, unsigned family,
	const unsigned char *data, size_t len)
{
	out->client = PROXY_CLIENT;
	switch (family) {
	case V2_TCP4:
		if (len < V2_TCP4_LEN)
			return -1;
		map_v4(&out->source, data);
		out->port = (uint16_t)(data[8] << 8 | data[9]);
		return 0;
	case V2_TCP6:
		if (len < V2_TCP6_LEN)
			return -1;
		memcpy(&out->source, data, sizeof(out->source));
		out->port = (uint16_t)(data[32] << 8 | data[33]);
		return 0;
	case V2_UNSPEC:
	case V2_UNIX:
		out->client = PROXY_UNKNOWN;
		return 0;
	default:
		return -1;
	}
}

static int parse_v2(struct proxy_header *out, const unsigned char *data,
	size_t len, struct err *err)
{
	unsigned command;
	size_t more;

	if (len < V2_HEAD)
		return 0;
	command = data[12] & 0x0f;
	more = (size_t)data[14] << 8 | data[15];
	if (data[12] >> 4 != V2_VERSION ||
		(command != V2_LOCAL && command != V2_PROXY))
		return err_set(err, ERR_SYNTAX,
			"its PROXY header is of another version");
	if (more > PROXY_V2_MAX - V2_HEAD)
		return err_set(err, ERR_LIMIT,
			"its PROXY header has more than %d octets",
			PROXY_V2_MAX);
	if (len < V2_HEAD + more)
		return 0;
	if (command == V2_LOCAL)
		out->client = PROXY_ITSELF;
	else if (parse_v2_address(out, data[13], data + V2_HEAD, more) != 0)
		return err_set(err, ERR_SYNTAX,
			"the address in its PROXY header is not right");
	out->used = V2_HEAD + more;
	return 1;
}

/* --- both ----------------------------------------------------------------- */

/* As far as data goes, it is what a header begins with. */
static bool begins(
	const char *data, size_t len, const char *with, size_t with_len)
{
	return memcmp(data, with, len < with_len ? len : with_len) == 0;
}

int proxy_parse(
	struct proxy_header *out, const char *data, size_t len, struct err *err)
{
	memset(out, 0, sizeof(*out));
	if (len == 0)
		return 0;
	if (begins(data, len, v1_begin, V1_BEGIN))
		return len < V1_BEGIN ? 0 : parse_v1(out, data, len, err);
	if (begins(data, len, v2_begin, V2_BEGIN))
		return parse_v2(out, (const unsigned char *)data, len, err);
	return err_set(err, ERR_SYNTAX,
		"it does not begin with a PROXY header: switch that on in the "
		"proxy, or take its address out of the setting proxy");
}
