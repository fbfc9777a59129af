/*
 * account.h - one account upstream: its state, pauses, ledger and connections.
 * Used by:    relay/dispatch (gives it messages), relay/control (shows it).
 * Invariant:  an account's trouble never becomes a message's: nothing is
 *             bounced and no message ages because of it. State and ledger
 *             outlive a restart (spool/state/NAME).
 */
#ifndef GMRELAY_RELAY_ACCOUNT_H
#define GMRELAY_RELAY_ACCOUNT_H

#include "base/err.h"
#include "proto/reply.h"
#include "relay/delivery.h"
#include "relay/gmail.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct account;
struct conf;
struct conf_account;
struct credential;
struct event_base;
struct worker;

enum account_state {
	ACCOUNT_ACTIVE,
	ACCOUNT_THROTTLED,  /* until next_ms, then one probe */
	ACCOUNT_OVER_QUOTA, /* until next_ms, then one probe */
	ACCOUNT_HELD,       /* until new credentials or resume; rare probe */
};

const char *account_state_name(enum account_state state);

#define ACCOUNT_REASON_MAX 600

/* A snapshot for people and programs. */
struct account_info {
	const char *name;
	const char *username;
	const char *host;
	uint16_t port;
	enum account_state state;
	bool paused_by_hand; /* ACCOUNT_HELD by gmrelayctl */
	const char *reason;  /* "" or what happened and what to do */
	int64_t next_ms;     /* until the next try; -1: none planned */
	bool backing_off;    /* connection trouble; next_ms counts */
	bool lasting;   /* held, over its quota, or so paused that somebody is
			   to be told: see gmail_pause_is_lasting() */
	int64_t gap_ms; /* between messages, just now */
	unsigned connections;  /* open now */
	unsigned messages_day; /* in the last 24 h */
	unsigned recipients_day;
	unsigned messages_limit;   /* 0: none */
	unsigned recipients_limit; /* 0: none */
	uint64_t upstream_size;    /* SIZE as told; 0: not known */
	uint64_t delivered;        /* since the start */
};

/* Why it sends nothing now: its state, or "unreachable" while connections fail;
 * NULL: it sends. */
const char *account_waits(const struct account *a);

struct account_callbacks {
	/* How many messages are due for this account now, up to max. */
	size_t (*due)(void *arg, struct account *a, size_t max);
	/* The next transaction for this account, to at most rcpt_max (1 or
	 * more) recipients, or NULL for none now. */
	struct delivery *(*next)(
		void *arg, struct account *a, unsigned rcpt_max);
	/* Its results; see relay/delivery.h. */
	void (*on_finished)(void *arg, struct account *a, struct delivery *d);
	/* The state changed (also for the status line). */
	void (*on_state)(void *arg, struct account *a);
	/* Upstream told its SIZE. */
	void (*on_size)(void *arg, struct account *a, uint64_t size);
	void *arg;
};

struct account_params {
	struct event_base *base;
	const struct conf *conf;
	const struct conf_account *settings;
	const struct credential *credential;
	int state_fd;          /* spool/state */
	struct worker *worker; /* writes the state file */
	struct account_callbacks callbacks;
};

/* Reads the saved state; credentials that differ from those at the time of a
 * hold end it. Returns NULL with err only for want of memory: a damaged state
 * file is set aside and logged. */
struct account *account_new(
	const struct account_params *params, struct err *err);

/* Closes connections at once (on_finished is called for what was under way),
 * saves the state by the worker. To be called while all that on_finished needs
 * is still there; NULL is fine. */
void account_end(struct account *a);

/* After account_end(). NULL is fine. */
void account_free(struct account **a);

/* There is something to send: asks next() as connections, gap, state and
 * ledger allow. */
void account_wake(struct account *a);

/* No new transactions; QUIT. account_idle() tells when it is done. */
void account_drain(struct account *a);
bool account_idle(const struct account *a);

/* Had a 250 to a last byte since the boot-clock time since_ms. */
bool account_had_success_since(const struct account *a, int64_t since_ms);

/* A message was refused by an unknown 5xx: the third different one without a
 * 250 in between pauses the account. */
void account_suspect(
	struct account *a, uint64_t message_id, const struct reply *reply);

/* Milliseconds this account has spent unable to send, up to now: what a
 * message's clocks leave out. Never decreases. */
int64_t account_paused_total_ms(const struct account *a);

void account_info(const struct account *a, struct account_info *out);

/* By hand: HELD until resume. */
void account_pause(struct account *a, const char *why);

/* Active again, back-off and pauses forgotten, at once; but for its own daily
 * limit, see account_info(). */
void account_resume(struct account *a);

/* As by USR1: back-off forgotten, a throttled account probed at once, one that
 * is held or over its quota not. */
void account_flush(struct account *a);

/* Its state when the process before this one ended, as far as somebody was told
 * of it (ACTIVE: not of trouble). */
enum account_state account_told_before(const struct account *a);

const struct conf_account *account_settings(const struct account *a);
const struct credential *account_credential(const struct account *a);

#endif
