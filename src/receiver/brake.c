/*
 * brake.c - who failed to log in too often must wait: by address.
 */
#include "config.h"

#include "receiver/brake.h"

#include "base/util.h"

#include <string.h>

enum { V6_NETWORK_BYTES = 8 };

static struct in6_addr network_of(const struct in6_addr *address)
{
	struct in6_addr network = *address;

	if (!IN6_IS_ADDR_V4MAPPED(address))
		memset(network.s6_addr + V6_NETWORK_BYTES, 0,
			sizeof(network.s6_addr) - V6_NETWORK_BYTES);
	return network;
}

/* Its place, or -1. */
static int find(const struct brake *b, const struct in6_addr *address)
{
	const struct in6_addr network = network_of(address);
	size_t i;

	for (i = 0; i < COUNT_OF(b->places); i++)
		if (b->places[i].last_ms != 0 &&
			IN6_ARE_ADDR_EQUAL(&b->places[i].network, &network))
			return (int)i;
	return -1;
}

static struct brake_place *oldest(struct brake *b)
{
	struct brake_place *place = &b->places[0];
	size_t i;

	for (i = 1; i < COUNT_OF(b->places); i++)
		if (b->places[i].last_ms < place->last_ms)
			place = &b->places[i];
	return place;
}

bool brake_holds(
	const struct brake *b, const struct in6_addr *address, int64_t now_ms)
{
	const int at = find(b, address);

	return at >= 0 && now_ms < b->places[at].until_ms;
}

bool brake_failed(
	struct brake *b, const struct in6_addr *address, int64_t now_ms)
{
	const int at = find(b, address);
	struct brake_place *place = at >= 0 ? &b->places[at] : oldest(b);

	if (at < 0 || now_ms - place->first_ms >= BRAKE_TIME_MS) {
		memset(place, 0, sizeof(*place));
		place->network = network_of(address);
		place->first_ms = now_ms;
	}
	/* 0 stands for a free place */
	place->last_ms = now_ms > 0 ? now_ms : 1;
	if (++place->failures < BRAKE_FAILURES)
		return false;
	place->failures = 0;
	place->first_ms = now_ms;
	place->until_ms = now_ms + BRAKE_TIME_MS;
	return true;
}
