/*
 * gateway.c - notices that all clients come from one address that looks like a
 *             gateway's.
 */
#include "config.h"

#include "receiver/gateway.h"

/* Of IPv4 the last octet, of IPv6 the last eight. */
static bool looks_like_one(const struct in6_addr *address)
{
	size_t i;

	if (address->s6_addr[15] != 1)
		return false;
	for (i = 8; i < 15 && !IN6_IS_ADDR_V4MAPPED(address); i++)
		if (address->s6_addr[i] != 0)
			return false;
	return true;
}

bool gateway_is_alone(struct gateway_watch *watch, const struct peer *peer)
{
	if (watch->over || peer->kind != LISTENER_SMTP || peer->local)
		return false;
	if (watch->count == 0)
		watch->first = peer->address;
	watch->over = !looks_like_one(&peer->address) ||
		      !IN6_ARE_ADDR_EQUAL(&watch->first, &peer->address);
	if (watch->over || ++watch->count < GATEWAY_SESSIONS)
		return false;
	watch->over = true;
	return true;
}
