/*
 * fake_tls_client.h - stands in for relay/tls.h: a handshake without an octet,
 *                     of which the target says how it ends.
 * Used by:    tests/fuzz/fuzz_upstream.
 */
#ifndef GMRELAY_TESTS_FAKE_TLS_CLIENT_H
#define GMRELAY_TESTS_FAKE_TLS_CLIENT_H

#include "relay/tls.h"

enum fake_tls_end { FAKE_TLS_GOOD, FAKE_TLS_BROKEN, FAKE_TLS_UNVERIFIED };

struct fake_tls_client {
	enum fake_tls_end end;
	/* The handshake begins; it has ended, and well. */
	void (*on_begin)(void *arg);
	void (*on_verified)(void *arg);
	void *arg;
};

extern struct fake_tls_client fake_tls_client;

#endif
