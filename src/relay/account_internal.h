/*
 * account_internal.h - shared by the files of an account: account.c (may it
 *          send, what trouble means), account_connect.c (names, addresses,
 *          connections), account_state.c (the saved state).
 */
#ifndef GMRELAY_RELAY_ACCOUNT_INTERNAL_H
#define GMRELAY_RELAY_ACCOUNT_INTERNAL_H

#include "relay/account.h"
#include "relay/ledger.h"
#include "relay/resolve.h"
#include "relay/upstream.h"

#include <event2/event.h>

#include <sys/queue.h>

struct connection {
	TAILQ_ENTRY(connection) link;
	struct account *account;
	struct upstream *upstream;
	size_t address;      /* index into the account's */
	bool ready;          /* logged in */
	unsigned deliveries; /* under way: one, and one ahead */
};

struct account {
	struct account_params params;
	struct tls_client *tls;

	/* account.c */
	enum account_state state;
	bool by_hand;
	bool wake_on_login; /* the login was refused: one that works will do */
	enum pause pause;
	unsigned pause_step;
	int64_t until_ms; /* boot clock: when a probe may go */
	char reason[ACCOUNT_REASON_MAX];
	unsigned backoff_step;
	int64_t backoff_until_ms; /* 0: none */
	unsigned reconnects;      /* in a row, without a success */
	int64_t message_ms;       /* when the last one began */
	int64_t success_ms;       /* when the last 250 came */
	uint64_t suspects[2];     /* messages refused alike, no 250 since */
	size_t suspect_count;
	bool warned_quota;
	uint64_t delivered;
	int64_t paused_total_ms;
	int64_t paused_since_ms; /* 0: able to send */
	struct ledger ledger;
	struct event *timer; /* the time from which it may send again */
	struct event *more;  /* look again, at the end of this turn */
	bool draining;

	/* account_connect.c */
	TAILQ_HEAD(connection_list, connection) connections;
	unsigned connection_count;
	struct resolve *resolving;
	struct resolved resolved;
	int64_t resolved_ms; /* 0: not */
	size_t address_next; /* tried next */
	size_t tried;        /* addresses, in this round of connecting */
	uint64_t upstream_size;

	/* account_state.c */
	struct event *save_timer;
	bool save_due;
};

/* account.c: */

/* Nothing forbids sending now. Otherwise the timer is set. */
bool account_may_send(struct account *a);
/* Looks for work at the end of this turn of the loop. */
void account_look_soon(struct account *a);
void account_on_ready(struct account *a, uint64_t size);
void account_on_result(struct account *a, const struct delivery *d);
void account_on_trouble(
	struct account *a, const struct upstream_trouble *trouble);
/* Connection trouble: wait, doubling. */
void account_back_off(struct account *a, enum phase phase, const char *text,
	const char *advice);

/* account_connect.c: */

/* Wakes idle connections, opens another one where it helps. */
void account_connect(struct account *a);
void account_disconnect(struct account *a, bool at_once);

/* account_state.c: */

void account_state_load(struct account *a);
/* Saves at once (state) or within a minute (ledger). */
void account_state_save(struct account *a, bool at_once);

#endif
