/*
 * conf_self.c - an upstream that is this relay itself.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <netdb.h>
#include <netinet/in.h>

#include <limits.h>
#include <resolv.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

/* Whether a socket may have this address here: it sends nothing. */
static bool can_have(const struct in6_addr *ip)
{
	const bool v4 = conf_ip_is_v4(ip);
	struct sockaddr_in6 six = {.sin6_family = AF_INET6, .sin6_addr = *ip};
	struct sockaddr_in four = {.sin_family = AF_INET};
	const struct sockaddr *sa = v4 ? (const struct sockaddr *)&four
				       : (const struct sockaddr *)&six;
	int fd, rc;

	memcpy(&four.sin_addr, ip->s6_addr + 12, sizeof(four.sin_addr));
	fd = socket(sa->sa_family, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return false;
	rc = bind(fd, sa, v4 ? sizeof(four) : sizeof(six));
	close(fd);
	return rc == 0;
}

/* Not by a list of the interfaces: that takes a netlink socket, which the unit
 * forbids. Where any address may be had (sysctl ip_nonlocal_bind), even one of
 * those kept for examples (RFC 5737), nothing is known. */
static bool is_own_interface(const struct in6_addr *ip)
{
	struct in6_addr nobodys;

	return can_have(ip) &&
	       conf_ip_parse(conf_ip_is_v4(ip) ? "192.0.2.1" : "2001:db8::1",
		       &nobodys) == 0 &&
	       !can_have(&nobodys);
}

/* True when a connection to this address ends at a listener on own. */
static bool ends_at(const struct in6_addr *ip, const struct in6_addr *own)
{
	if (memcmp(ip, own, sizeof(*ip)) == 0)
		return true;
	if (conf_ip_is_v4(ip) != conf_ip_is_v4(own))
		return false;
	/* "any" as a destination is this machine's loopback */
	if (conf_ip_is_any(ip))
		return conf_ip_is_loopback(own);
	return conf_ip_is_any(own) &&
	       (conf_ip_is_loopback(ip) || is_own_interface(ip));
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len > end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* RFC 6761 6.3, and what systems have in /etc/hosts of old. */
static bool is_loopback_name(const char *name)
{
	static const char localhost[] = "localhost";

	return strcasecmp(name, localhost) == 0 ||
	       strcasecmp(name, "localhost.localdomain") == 0 ||
	       strcasecmp(name, "localhost4") == 0 ||
	       strcasecmp(name, "localhost6") == 0 ||
	       strcasecmp(name, "ip6-localhost") == 0 ||
	       strcasecmp(name, "ip6-loopback") == 0 ||
	       ends_with(name, ".localhost");
}

static bool loopback_ends_at(const struct in6_addr *own)
{
	struct in6_addr v4, v6;

	return (conf_ip_parse("127.0.0.1", &v4) == 0 && ends_at(&v4, own)) ||
	       (conf_ip_parse("::1", &v6) == 0 && ends_at(&v6, own));
}

static bool has_name(const struct hostent *entry, const char *name)
{
	char **alias;

	if (strcasecmp(entry->h_name, name) == 0)
		return true;
	for (alias = entry->h_aliases; *alias != NULL; alias++)
		if (strcasecmp(*alias, name) == 0)
			return true;
	return false;
}

static bool entry_ends_at(
	const struct hostent *entry, const struct in6_addr *own)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct in6_addr ip;

	if (entry->h_addrtype != AF_INET || entry->h_addr_list[0] == NULL)
		return false;
	memcpy(&v4.sin_addr, entry->h_addr_list[0], sizeof(v4.sin_addr));
	return conf_ip_of((const struct sockaddr *)&v4, &ip) == 0 &&
	       ends_at(&ip, own);
}

/* By /etc/hosts, where the full name of most machines stands. */
static bool hosts_entry_ends_at(const char *name, const struct in6_addr *own)
{
	const struct hostent *entry;
	bool found = false;

	sethostent(0);
	while (!found && (entry = gethostent()) != NULL)
		found = has_name(entry, name) && entry_ends_at(entry, own);
	endhostent();
	return found;
}

/* The name of the system, behind it one of the domains of resolv.conf(5). */
static bool is_in_search_domain(const char *name, const char *system_name)
{
	size_t i, len = strlen(system_name);
	struct __res_state state;
	bool found = false;

	if (strncasecmp(name, system_name, len) != 0 || name[len] != '.')
		return false;
	memset(&state, 0, sizeof(state));
	if (res_ninit(&state) != 0)
		return false;
	for (i = 0; i < MAXDNSRCH && state.dnsrch[i] != NULL; i++)
		found = found ||
			strcasecmp(name + len + 1, state.dnsrch[i]) == 0;
	res_nclose(&state);
	return found;
}

/* The name as configured, or as the system has it. */
static bool is_own_name(const struct conf_check *c, const char *host)
{
	char system_name[HOST_NAME_MAX + 1];

	if (conf_check_good(c, 0, "hostname") &&
		strcasecmp(host, c->conf->hostname) == 0)
		return true;
	if (gethostname(system_name, sizeof(system_name)) != 0)
		return false;
	system_name[HOST_NAME_MAX] = '\0';
	return strcasecmp(host, system_name) == 0 ||
	       is_in_search_domain(host, system_name);
}

bool conf_host_is_listener(const struct conf_check *c,
	const struct conf_account *account, const struct conf_address *listener)
{
	struct in6_addr ip, own;

	if (conf_port_of(listener) != account->port ||
		conf_ip_of((const struct sockaddr *)&listener->sa, &own) != 0)
		return false;
	if (conf_ip_parse(account->host, &ip) == 0)
		return ends_at(&ip, &own);
	if (is_loopback_name(account->host))
		return loopback_ends_at(&own);
	return hosts_entry_ends_at(account->host, &own) ||
	       (!conf_ip_is_loopback(&own) && is_own_name(c, account->host));
}
