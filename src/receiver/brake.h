/*
 * brake.h - who failed to log in too often must wait: by address.
 * Used by:    receiver/login.
 * Pure:       the clock is given.
 * Invariant:  BRAKE_PLACES addresses at most; a new one takes the place of the
 *             one that failed longest ago. IPv6 counts by /64, which is what
 *             one machine can have.
 */
#ifndef GMRELAY_RECEIVER_BRAKE_H
#define GMRELAY_RECEIVER_BRAKE_H

#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>

#define BRAKE_PLACES 256
/* So many failures within the time, and the address waits for as long. */
#define BRAKE_FAILURES 5
#define BRAKE_TIME_MS  (10 * 60 * 1000)

struct brake_place {
	struct in6_addr network; /* IPv4 as ::ffff:a.b.c.d */
	unsigned failures;
	int64_t first_ms; /* the first of them */
	int64_t last_ms;  /* 0: the place is free */
	int64_t until_ms; /* it waits until then; 0: it does not */
};

struct brake {
	struct brake_place places[BRAKE_PLACES];
};

/* True when this address must wait. */
bool brake_holds(
	const struct brake *b, const struct in6_addr *address, int64_t now_ms);

/* A login from there failed. Returns true when it must wait from now on. */
bool brake_failed(
	struct brake *b, const struct in6_addr *address, int64_t now_ms);

#endif
