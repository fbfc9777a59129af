/*
 * probe.h - doctor's look at one account's way to Gmail: name, connections over
 *           IPv4 and IPv6, TLS, login. Sends no mail.
 * Used by:    relay/control_doctor.
 * Invariant:  a refused login is not repeated over the other family: Google
 *             counts them. No result changes the account's state.
 * Blocks:     never. Callbacks run on the event loop, never from inside
 *             probe_new().
 */
#ifndef GMRELAY_RELAY_PROBE_H
#define GMRELAY_RELAY_PROBE_H

#include "base/err.h"

/* Addresses tried of each family, at most: doctor is to end in a minute. */
#define PROBE_ADDRESSES_MAX 2

struct conf_account;
struct credential;
struct event_base;
struct probe;

enum probe_status { PROBE_OK, PROBE_WARN, PROBE_FAIL };

/* "ok", "warn", "fail" */
const char *probe_status_name(enum probe_status status);

struct probe_finding {
	const char *step;   /* "name", "ehlo", "connect", "tls", "login" */
	const char *family; /* "IPv4", "IPv6", "" */
	enum probe_status status;
	const char *text;   /* what was found */
	const char *advice; /* what to do; "" when all is well */
};

struct probe_params {
	struct event_base *base;
	const struct conf_account *account; /* borrowed until probe_free() */
	const struct credential *credential;
	const char *hostname; /* as configured; "": found out */
	/* The texts live for the call. */
	void (*on_finding)(void *arg, const struct probe_finding *finding);
	/* The last callback; probe_free() may be called from it. */
	void (*on_done)(void *arg);
	void *arg;
};

/* Starts. *params is copied. Returns NULL with err. */
struct probe *probe_new(const struct probe_params *params, struct err *err);

/* Ends it, without on_done where that has not come. NULL is fine. */
void probe_free(struct probe **p);

#endif
