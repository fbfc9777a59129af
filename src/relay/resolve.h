/*
 * resolve.h - names to addresses by the system's resolver, a thread a look-up.
 * Used by:    relay/account_connect, relay/probe.
 * Blocks:     never; a look-up that hangs holds one thread, no more than
 *             RESOLVE_THREADS_MAX at a time.
 */
#ifndef GMRELAY_RELAY_RESOLVE_H
#define GMRELAY_RELAY_RESOLVE_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define RESOLVE_ADDRESSES_MAX 16
#define RESOLVE_THREADS_MAX   8
#define RESOLVE_TIMEOUT_MS    30000
#define RESOLVE_NAME_MAX      255

struct event_base;

struct resolved {
	size_t count;
	struct {
		struct sockaddr_storage sa;
		socklen_t len;
	} addresses[RESOLVE_ADDRESSES_MAX];
	/* This host's own full name, looked up on the way (gethostname(2),
	 * completed by the resolver); "" when it has none with a dot in it or
	 * it is a localhost name. */
	char own_name[RESOLVE_NAME_MAX + 1];
};

/* Sets own_name and returns true if this name, which the system says is ours,
 * can be said in EHLO (RFC 5321 2.3.5): labels of letters, digits and hyphens
 * with a dot between them, no localhost. A dot at the end goes. */
bool resolve_take_name(char own_name[RESOLVE_NAME_MAX + 1], const char *name);

/* Called once, on the loop. result is NULL with *err where the look-up failed
 * or timed out. */
typedef void resolve_fn(
	void *arg, const struct resolved *result, const struct err *err);

struct resolve;

/* Starts a look-up of host (a name or an address literal, copied). Returns
 * NULL with err when it cannot start; fn is not called then. */
struct resolve *resolve_start(struct event_base *base, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct err *err);

/* Forgets a look-up whose fn has not been called: fn will not be. The thread
 * ends by itself. NULL is fine. */
void resolve_cancel(struct resolve **r);

#endif
