/*
 * fuzz_deliveries.h - what the session with the submission server is given to
 *                     send: three small messages with every trait that it looks
 *                     at, and a double of spool/content to read them from.
 * Used by:    tests/fuzz/fuzz_upstream.
 */
#ifndef GMRELAY_TESTS_FUZZ_DELIVERIES_H
#define GMRELAY_TESTS_FUZZ_DELIVERIES_H

#include "relay/delivery.h"

#include <stdbool.h>
#include <stddef.h>

enum {
	FUZZ_DELIVERIES = 3,
	FUZZ_RCPTS = 3, /* of the second, the others have one */
};

struct fuzz_traits {
	bool damaged; /* the last octet of the first cannot be read */
	bool big;     /* the second is too big to be sent ahead */
	bool utf8_message;
	bool own_sender;
	bool dsn;
};

extern struct delivery fuzz_deliveries[FUZZ_DELIVERIES];

/* As they are before they are sent. */
void fuzz_deliveries_set(const struct fuzz_traits *traits);

/* Whether the end of a delivery's text is among what was heard. */
bool fuzz_delivery_was_heard(
	const struct delivery *d, const char *heard, size_t len);

#endif
