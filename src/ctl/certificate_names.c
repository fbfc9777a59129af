/*
 * certificate_names.c - the names in a certificate: asked for, or this
 *                       machine's.
 */
#include "config.h"

#include "ctl/certificate_names.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/ctl.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

static bool is_address(const char *text)
{
	unsigned char address[sizeof(struct in6_addr)];

	return inet_pton(AF_INET, text, address) == 1 ||
	       inet_pton(AF_INET6, text, address) == 1;
}

/* Letters, digits, hyphens and dots, labels of 1 to 63. */
static bool is_host_name(const char *text)
{
	static const char letters[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789-_";
	size_t len;

	for (;;) {
		len = strspn(text, letters);
		if (len == 0 || len > 63 || text[0] == '-' ||
			text[len - 1] == '-')
			return false;
		if (text[len] == '\0')
			return true;
		if (text[len] != '.')
			return false;
		text += len + 1;
	}
}

static bool is_there(const struct certificate_names *names, const char *text)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (strcasecmp(names->names[i], text) == 0)
			return true;
	return false;
}

static void add(struct certificate_names *names, const char *text)
{
	if (names->count == CERTIFICATE_NAMES_MAX || is_there(names, text))
		return;
	snprintf(names->names[names->count], sizeof(names->names[0]), "%s",
		text);
	names->is_address[names->count++] = is_address(text);
}

/* Addresses others can reach, as far as one can see that. */
static bool is_reachable(const struct sockaddr *sa)
{
	const struct in6_addr *v6;

	if (sa->sa_family == AF_INET)
		return true;
	if (sa->sa_family != AF_INET6)
		return false;
	v6 = &((const struct sockaddr_in6 *)sa)->sin6_addr;
	return !IN6_IS_ADDR_LINKLOCAL(v6);
}

static void add_addresses(struct certificate_names *names)
{
	char text[INET6_ADDRSTRLEN];
	struct ifaddrs *all, *one;
	const void *address;

	if (getifaddrs(&all) != 0)
		return;
	for (one = all; one != NULL; one = one->ifa_next) {
		if (one->ifa_addr == NULL ||
			(one->ifa_flags & IFF_LOOPBACK) != 0 ||
			!is_reachable(one->ifa_addr))
			continue;
		address =
			one->ifa_addr->sa_family == AF_INET
				? (const void *)&((const struct sockaddr_in *)
							  one->ifa_addr)
					  ->sin_addr
				: (const void *)&((const struct sockaddr_in6 *)
							  one->ifa_addr)
					  ->sin6_addr;
		if (inet_ntop(one->ifa_addr->sa_family, address, text,
			    sizeof(text)) != NULL)
			add(names, text);
	}
	freeifaddrs(all);
}

static void add_own(struct certificate_names *names, const struct conf *conf)
{
	char host[CERTIFICATE_NAME_MAX + 1] = "";

	if (conf != NULL)
		snprintf(host, sizeof(host), "%s", conf->hostname);
	if (!is_host_name(host) && gethostname(host, sizeof(host) - 1) != 0)
		host[0] = '\0';
	if (is_host_name(host))
		add(names, host);
	add_addresses(names);
}

int certificate_find_names(struct certificate_names *out,
	const struct ctl_args *args, const struct conf *conf, struct err *err)
{
	int i;

	for (i = 0; i < args->name_count; i++) {
		if (!is_address(args->names[i]) &&
			(strlen(args->names[i]) > CERTIFICATE_NAME_MAX ||
				!is_host_name(args->names[i])))
			return err_set(err, ERR_SYNTAX,
				"--name %.100s: neither a host's name nor an "
				"address",
				args->names[i]);
		add(out, args->names[i]);
	}
	if (args->name_count == 0)
		add_own(out, conf);
	if (out->count == 0)
		return err_set(err, ERR_CONFIG,
			"this machine has no name of use: give one, --name "
			"NAME");
	return 0;
}

void certificate_print_names(
	const struct certificate_names *names, struct buf *out)
{
	size_t i;

	for (i = 0; i < names->count; i++)
		if (buf_addf(out, "%s%s:%s", i > 0 ? "," : "",
			    names->is_address[i] ? "IP" : "DNS",
			    names->names[i]) != 0)
			return;
}
