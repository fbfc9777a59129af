/*
 * upstream.h - one connection to the submission server: TCP, TLS, login, then
 *              one transaction after the other. A state table and one setter.
 * Used by:    relay/account (sends mail), relay/probe (doctor: up to login).
 * Invariant:  no credential leaves before the certificate was verified for the
 *             configured host name; nothing is sent without TLS but EHLO,
 *             STARTTLS and QUIT.
 * Blocks:     never. Callbacks run on the event loop, never from inside
 *             upstream_open().
 * Source:     RFC 5321, 2920, 3030, 3207, 4954, 6152, 6531, 8314.
 */
#ifndef GMRELAY_RELAY_UPSTREAM_H
#define GMRELAY_RELAY_UPSTREAM_H

#include "base/err.h"
#include "proto/reply.h"
#include "relay/delivery.h"
#include "relay/gmail.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

/* A connection with nothing to send says QUIT after this long. */
#define UPSTREAM_IDLE_MS 30000
/* How long to wait for the answer to QUIT. */
#define UPSTREAM_QUIT_MS 2000
/* A connection says QUIT after this long, between two messages. */
#define UPSTREAM_LIFE_MS (5 * 60 * 1000)

struct conf_account;
struct credential;
struct event_base;
struct tls_client;
struct upstream;

struct upstream_params {
	const struct conf_account *account;
	const struct credential *credential;
	struct tls_client *tls; /* see relay/tls.h; borrowed */
	struct sockaddr_storage address;
	socklen_t address_len;
	const char *ehlo_name; /* copied, said as it is; "": our address */
	bool probe;   /* say QUIT after the login: no mail, only findings */
	bool careful; /* nothing pipelined, no BDAT: see GMAIL_AGAIN */
};

/* Why a connection ended badly. */
struct upstream_trouble {
	enum phase phase;
	enum scope scope;   /* SCOPE_CONNECTION or SCOPE_ACCOUNT */
	enum action action; /* RECONNECT, BACK_OFF, THROTTLE, QUOTA, HOLD */
	enum pause pause;
	struct reply reply;      /* code 0: no reply, see text */
	char text[ERR_TEXT_MAX]; /* what happened, in words */
	const char *advice;      /* what to do; never NULL */
	bool was_idle;           /* it came before anything was sent on a reused
				    connection: nobody's fault */
	bool again;              /* to be tried on a careful connection */
};

struct upstream_callbacks {
	/* Login done: size is upstream's SIZE, 0 if it told none. */
	void (*on_ready)(void *arg, struct upstream *u, uint64_t size);
	/* Gives the next transaction, or NULL for none now. Stays the
	 * callee's; it comes back by on_finished before the connection ends. */
	struct delivery *(*next)(void *arg, struct upstream *u);
	/* The results of *d are in; also called, with UNTRIED recipients, for
	 * what was under way when the connection broke. Account trouble in a
	 * transaction comes by on_closed behind it. */
	void (*on_finished)(void *arg, struct upstream *u, struct delivery *d);
	/* The last callback; trouble is NULL after an orderly end. The object
	 * is freed when it returns. */
	void (*on_closed)(void *arg, struct upstream *u,
		const struct upstream_trouble *trouble);
	/* Debugging and doctor: a step succeeded ("TLS", "TLSv1.3, certificate
	 * of smtp.gmail.com"). May be NULL. */
	void (*on_step)(void *arg, enum phase phase, const char *text);
	void *arg;
};

/* Starts connecting to params->address. *params and *callbacks are copied,
 * what they point to must outlive the connection. Returns NULL with err. */
struct upstream *upstream_open(struct event_base *base,
	const struct upstream_params *params,
	const struct upstream_callbacks *callbacks, struct err *err);

/* There may be something to send now: a ready connection asks next(). */
void upstream_wake(struct upstream *u);

/* True when logged in and between transactions. */
bool upstream_is_ready(const struct upstream *u);

/* Finishes the transaction under way, says QUIT, closes. */
void upstream_quit(struct upstream *u);

/* Closes at once: on_finished (UNTRIED) and on_closed (no trouble) are called
 * before it returns. */
void upstream_abort(struct upstream *u);

/* "ENVELOPE": for tests. */
const char *upstream_state_name(const struct upstream *u);

#endif
