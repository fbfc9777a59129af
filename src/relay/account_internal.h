/*
 * account_internal.h - shared by the files of an account: account.c (may it
 *          send, what trouble means), account_pace.c (how fast),
 *          account_quota.c (its daily limits), account_suspect.c (what several
 *          messages say of it), account_connect.c (names, addresses,
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
	size_t address; /* index into the account's */
	bool ready;     /* logged in */
	bool careful;
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
	int64_t until_ms;               /* boot clock: when a probe may go */
	enum account_state told_before; /* see account_told_before() */
	unsigned slow_step;             /* see account_gap_ms() */
	unsigned slow_messages;         /* delivered at this step */
	char reason[ACCOUNT_REASON_MAX];
	unsigned backoff_step;
	int64_t backoff_until_ms; /* 0: none */
	unsigned reconnects;      /* in a row, without a success */
	bool careful;             /* the next connection: see GMAIL_AGAIN */
	bool ehlo_literal;        /* the name in EHLO was not taken */
	int64_t message_ms;       /* when the last one began */
	int64_t success_ms;       /* when the last 250 came */
	uint64_t suspects[2];     /* messages refused alike, no 250 since */
	size_t suspect_count;
	uint64_t spam_id; /* the last message taken for spam */
	unsigned spam_count;
	uint64_t delivered;
	int64_t paused_total_ms;
	int64_t paused_since_ms; /* counted up to here */
	int64_t paused_until_ms; /* as far as is known */
	struct event *timer;     /* the time from which it may send again */
	struct event *more;      /* look again, at the end of this turn */
	struct event *rest;      /* no connection has followed the last one */
	bool draining;

	/* account_quota.c */
	struct ledger ledger;
	unsigned flying_messages; /* under way, not yet in the ledger */
	unsigned flying_recipients;
	bool own_limit; /* OVER_QUOTA by our own count, not by a refusal */
	bool warned_quota;

	/* account_connect.c */
	TAILQ_HEAD(connection_list, connection) connections;
	unsigned connection_count;
	struct resolve *resolving;
	struct resolved resolved;
	int64_t resolved_ms; /* 0: not */
	size_t address_next; /* tried next */
	size_t tried;        /* addresses, in this round of connecting */
	int64_t grow_ms;     /* boot clock: no further connection before */
	unsigned grow_step;
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
/* Looks for work then. */
void account_arm_timer(struct account *a, int64_t at_ms);
/* The only writer of state, but for account_state_load(). */
void account_set_state(
	struct account *a, enum account_state state, const char *reason);
/* The account's own trouble: nothing is sent for so long, then one probe. */
void account_pause_for(struct account *a, enum account_state state,
	int64_t wait, const char *reason);
void account_on_ready(struct account *a, uint64_t size);
void account_on_result(struct account *a, const struct delivery *d);
void account_on_trouble(
	struct account *a, const struct upstream_trouble *trouble);
/* How long the next pause of this kind is: the same trouble again waits longer.
 */
int64_t account_next_pause_ms(struct account *a, enum pause pause);
/* Connection trouble: wait, doubling. */
void account_back_off(struct account *a, enum phase phase, const char *text,
	const char *advice);

/* account_pace.c: */

/* Between messages. */
int64_t account_gap_ms(const struct account *a);
/* Gmail slowed the account down: the gap becomes longer, and shorter again when
 * so many messages were sent. */
void account_slow_down(struct account *a);
void account_note_sent(struct account *a);
/* Held, over its quota, or so paused that somebody should know. */
bool account_is_lasting(const struct account *a);

/* account_quota.c: */

/* The day's limit is reached: the account pauses until there is room again. */
bool account_quota_reached(struct account *a);
/* How many recipients the next transaction may have, what is under way counted;
 * 0: none before something has landed. */
unsigned account_quota_room(struct account *a);
/* A transaction with so many recipients begins; and is over. */
void account_quota_take_off(struct account *a, size_t rcpt_count);
void account_quota_land(struct account *a, size_t rcpt_count);
/* Ends a pause for its own count where there is room again: the day has moved
 * on, or the limits were raised. */
void account_quota_recover(struct account *a);
/* The saved pause under the limits of now. Returns false where they no longer
 * ask for one. */
bool account_quota_restore(struct account *a);
/* Tells, once, when a limit is near. */
void account_quota_warn(struct account *a);

/* account_suspect.c: */

/* How many recipients it was delivered to. */
unsigned account_delivered_count(const struct delivery *d);
/* Whoever goes on sending what is taken for spam loses the account: each is
 * failed, and behind some of them a pause. A report about one that went through
 * tells nothing. */
void account_count_spam(struct account *a, const struct delivery *d);

/* account_connect.c: */

/* Wakes idle connections, opens another one where it helps. */
void account_connect(struct account *a);
void account_disconnect(struct account *a, bool at_once);
void account_on_rest(evutil_socket_t fd, short what, void *arg);

/* account_state.c: */

void account_state_load(struct account *a);
/* Saves at once (state) or within a minute (ledger). */
void account_state_save(struct account *a, bool at_once);

#endif
