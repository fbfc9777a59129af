/*
 * account.c - one account upstream: may it send, and what trouble means.
 */
#include "config.h"

#include "relay/account.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/account_internal.h"
#include "relay/schedule.h"
#include "relay/tls.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* In a row and without a success, then it counts as connection trouble. */
#define RECONNECTS_MAX 3

static const char *const state_names[] = {
	[ACCOUNT_ACTIVE] = "active",
	[ACCOUNT_THROTTLED] = "throttled",
	[ACCOUNT_OVER_QUOTA] = "over-quota",
	[ACCOUNT_HELD] = "held",
};

const char *account_state_name(enum account_state state)
{
	return state_names[state];
}

const struct conf_account *account_settings(const struct account *a)
{
	return a->params.settings;
}

const struct credential *account_credential(const struct account *a)
{
	return a->params.credential;
}

/* From when on it can send, as things stand. */
static int64_t able_at(const struct account *a)
{
	int64_t at = a->state != ACCOUNT_ACTIVE ? a->until_ms : 0;

	if (a->by_hand)
		return INT64_MAX;
	return a->backoff_until_ms > at ? a->backoff_until_ms : at;
}

/* What of the present pause is over: it ends by itself, and nobody looks at
 * that moment. */
static int64_t paused_so_far(const struct account *a, int64_t now)
{
	int64_t end = now < a->paused_until_ms ? now : a->paused_until_ms;

	return end > a->paused_since_ms ? end - a->paused_since_ms : 0;
}

/* Keeps count of the time in which the account could not send: to be called
 * when able_at() changes. */
static void note_ability(struct account *a)
{
	int64_t now = clock_boot_ms();

	a->paused_total_ms += paused_so_far(a, now);
	a->paused_since_ms = now;
	a->paused_until_ms = able_at(a);
}

int64_t account_paused_total_ms(const struct account *a)
{
	return a->paused_total_ms + paused_so_far(a, clock_boot_ms());
}

void account_arm_timer(struct account *a, int64_t at_ms)
{
	const int64_t left = at_ms - clock_boot_ms();

	loop_after(a->timer, left > 0 ? left + 1 : 1);
}

void account_look_soon(struct account *a)
{
	event_active(a->more, 0, 0);
}

/* On one line, for that is how it is saved. */
static void set_reason(struct account *a, const char *reason)
{
	char *c;

	snprintf(a->reason, sizeof(a->reason), "%s", reason);
	for (c = a->reason; *c != '\0'; c++)
		if ((unsigned char)*c < ' ' || *c == 0x7f)
			*c = ' ';
}

void account_set_state(
	struct account *a, enum account_state state, const char *reason)
{
	struct log_text old_text;
	const char *name = a->params.settings->name;

	set_reason(a, reason);
	if (state != a->state && state == ACCOUNT_ACTIVE)
		log_info("account-active account=%s was=%s",
			log_text(&old_text, name), state_names[a->state]);
	a->state = state;
	if (state == ACCOUNT_ACTIVE) {
		a->pause = PAUSE_NONE;
		a->by_hand = false;
		a->wake_on_login = false;
		a->own_limit = false;
		a->until_ms = 0;
	}
	note_ability(a);
	account_state_save(a, true);
	a->params.callbacks.on_state(a->params.callbacks.arg, a);
}

static enum account_state state_for(enum action action)
{
	switch (action) {
	case ACTION_QUOTA:
		return ACCOUNT_OVER_QUOTA;
	case ACTION_HOLD:
		return ACCOUNT_HELD;
	default:
		return ACCOUNT_THROTTLED;
	}
}

int64_t account_next_pause_ms(struct account *a, enum pause pause)
{
	int64_t wait;

	a->pause_step = pause == a->pause ? a->pause_step + 1 : 0;
	a->pause = pause;
	wait = gmail_pause_ms(pause, a->pause_step);
	return wait + wait / 8 * random_below(1000) / 1000;
}

void account_pause_for(struct account *a, enum account_state state,
	int64_t wait, const char *reason)
{
	const char *name = a->params.settings->name;
	struct log_text name_text, text;

	a->until_ms = clock_boot_ms() + wait;
	log_text(&name_text, name);
	log_text(&text, reason);
	if (state != a->state)
		log_err("account-%s account=%s next=%llds reason=%s",
			state_names[state], name_text.text,
			(long long)(wait / 1000), text.text);
	else /* a probe that fails is no news */
		log_warn("account-%s account=%s next=%llds reason=%s",
			state_names[state], name_text.text,
			(long long)(wait / 1000), text.text);
	account_set_state(a, state, reason);
	account_disconnect(a, false);
	/* Mail that waits needs the timer. */
	account_look_soon(a);
}

void account_back_off(struct account *a, enum phase phase, const char *text,
	const char *advice)
{
	const struct conf *conf = a->params.conf;
	struct log_text name, reason, hint;
	int64_t wait;

	/* Its other connections fail alike: that is one trouble. */
	if (clock_boot_ms() < a->backoff_until_ms)
		return;
	wait = schedule_backoff_ms(conf->backoff_first_ms, conf->backoff_cap_ms,
		a->backoff_step++, random_below(UINT32_MAX));
	a->backoff_until_ms = clock_boot_ms() + wait;
	/* What holds it is the graver reason. */
	if (a->state == ACCOUNT_ACTIVE)
		snprintf(a->reason, sizeof(a->reason), "%s: %s. %s",
			phase_name(phase), text, advice);
	log_warn("connection-trouble account=%s host=%s phase=%s reason=%s "
		 "advice=%s next=%lld.%llds",
		log_text(&name, a->params.settings->name),
		a->params.settings->host, phase_name(phase),
		log_text(&reason, text), log_text(&hint, advice),
		(long long)(wait / 1000), (long long)(wait % 1000 / 100));
	if (gmail_means_our_bug(advice))
		log_err("alarm account=%s reason=%s advice=%s", name.text,
			reason.text, hint.text);
	note_ability(a);
	a->params.callbacks.on_state(a->params.callbacks.arg, a);
	account_arm_timer(a, a->backoff_until_ms);
}

/* The wait is over; how long the next one would be is not forgotten. */
static void end_backoff(struct account *a)
{
	bool was = a->backoff_until_ms != 0;

	a->backoff_until_ms = 0;
	if (!was)
		return;
	if (a->state == ACCOUNT_ACTIVE)
		a->reason[0] = '\0';
	note_ability(a);
	a->params.callbacks.on_state(a->params.callbacks.arg, a);
}

static void forget_backoff(struct account *a)
{
	a->backoff_step = 0;
	a->reconnects = 0;
	end_backoff(a);
}

static bool delivering(const struct account *a)
{
	const struct connection *c;

	TAILQ_FOREACH(c, &a->connections, link)
		if (c->deliveries > 0)
			return true;
	return false;
}

bool account_may_send(struct account *a)
{
	int64_t now = clock_boot_ms(), at = able_at(a), gap = account_gap_ms(a);

	if (a->draining || a->by_hand)
		return false;
	if (a->message_ms > 0 && a->message_ms + gap > at)
		at = a->message_ms + gap;
	if (at > now) {
		account_arm_timer(a, at);
		return false;
	}
	account_quota_recover(a);
	if (account_quota_reached(a))
		return false;
	/* One probe at a time wakes it. */
	if (a->state != ACCOUNT_ACTIVE)
		return !delivering(a);
	return account_quota_room(a) > 0;
}

void account_wake(struct account *a)
{
	if (a->params.callbacks.due(a->params.callbacks.arg, a, 1) > 0 &&
		account_may_send(a))
		account_connect(a);
}

static void on_look(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	account_wake(arg);
}

void account_on_ready(struct account *a, uint64_t size)
{
	a->upstream_size = size;
	if (size > 0)
		a->params.callbacks.on_size(a->params.callbacks.arg, a, size);
	end_backoff(a);
	if (a->state != ACCOUNT_ACTIVE && a->wake_on_login && !a->by_hand)
		account_set_state(a, ACCOUNT_ACTIVE, "");
}

/* Something was said about the mail itself: so the account may send. */
static bool was_judged(const struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		if (d->rcpts[i].outcome == OUTCOME_RETRY ||
			d->rcpts[i].outcome == OUTCOME_FAIL)
			return true;
	return false;
}

/* It was a probe that worked, not something under way when the pause began. Who
 * was throttled may send when anything at all is said about the mail. */
static bool ends_pause(const struct account *a, bool judged, bool delivered)
{
	if (a->by_hand || clock_boot_ms() < a->until_ms)
		return false;
	if (a->state == ACCOUNT_THROTTLED)
		return judged;
	return a->state != ACCOUNT_ACTIVE && delivered && !a->own_limit;
}

static void note_success(struct account *a, unsigned rcpt_count)
{
	a->delivered++;
	a->success_ms = clock_boot_ms();
	account_note_sent(a);
	a->suspect_count = 0;
	ledger_add(&a->ledger, clock_wall_s(), rcpt_count);
	account_quota_warn(a);
	account_state_save(a, false);
}

void account_on_result(struct account *a, const struct delivery *d)
{
	const unsigned count = account_delivered_count(d);
	const bool judged = count > 0 || was_judged(d);

	if (judged)
		forget_backoff(a);
	if (count > 0)
		note_success(a, count);
	if (ends_pause(a, judged, count > 0))
		account_set_state(a, ACCOUNT_ACTIVE, "");
	account_count_spam(a, d);
}

static void account_scope_trouble(
	struct account *a, const struct upstream_trouble *trouble)
{
	enum account_state state = state_for(trouble->action);
	char words[REPLY_TEXT_MAX + 32], reason[ACCOUNT_REASON_MAX];

	/* Its other connections hear the same: that is one trouble. */
	if (a->state != ACCOUNT_ACTIVE && clock_boot_ms() < a->until_ms &&
		state <= a->state)
		return;
	if (trouble->reply.code != 0)
		reply_print(&trouble->reply, words, sizeof(words));
	else
		snprintf(words, sizeof(words), "%s", trouble->text);
	snprintf(reason, sizeof(reason), "%s %s said at %s: %.300s",
		trouble->advice, a->params.settings->host,
		phase_name(trouble->phase), words);
	a->wake_on_login = trouble->phase <= PHASE_AUTH;
	a->ehlo_literal = false;
	a->own_limit = false;
	/* its first words in a while, not what a probe hears */
	if (trouble->pause == PAUSE_BRIEF && a->state == ACCOUNT_ACTIVE)
		account_slow_down(a);
	account_pause_for(
		a, state, account_next_pause_ms(a, trouble->pause), reason);
}

void account_on_trouble(
	struct account *a, const struct upstream_trouble *trouble)
{
	if (trouble->scope == SCOPE_ACCOUNT) {
		if (!a->by_hand)
			account_scope_trouble(a, trouble);
		return;
	}
	if (trouble->again) {
		a->careful = true;
		a->ehlo_literal |= trouble->phase == PHASE_EHLO;
	}
	if ((trouble->was_idle || trouble->action == ACTION_RECONNECT) &&
		++a->reconnects < RECONNECTS_MAX) {
		account_look_soon(a);
		return;
	}
	account_back_off(a, trouble->phase, trouble->text, trouble->advice);
}

bool account_had_success_since(const struct account *a, int64_t since_ms)
{
	return a->success_ms > since_ms;
}

void account_info(const struct account *a, struct account_info *out)
{
	const struct conf_account *settings = a->params.settings;
	struct ledger ledger = a->ledger;
	struct ledger_sum sum = ledger_total(&ledger, clock_wall_s());
	int64_t at =
		a->state != ACCOUNT_ACTIVE && !a->by_hand ? a->until_ms : 0;

	if (a->backoff_until_ms > at)
		at = a->backoff_until_ms;
	*out = (struct account_info){
		.name = settings->name,
		.username = settings->username,
		.host = settings->host,
		.port = settings->port,
		.state = a->state,
		.paused_by_hand = a->by_hand,
		.reason = a->reason,
		.next_ms = at > 0 ? at - clock_boot_ms() : -1,
		.backing_off = a->backoff_until_ms > 0,
		.lasting = account_is_lasting(a),
		.gap_ms = account_gap_ms(a),
		.connections = a->connection_count,
		.messages_day = sum.messages,
		.recipients_day = sum.recipients,
		.messages_limit = conf_daily_messages(settings),
		.recipients_limit = conf_daily_recipients(settings),
		.upstream_size = a->upstream_size,
		.delivered = a->delivered,
	};
	if (out->next_ms < -1)
		out->next_ms = 0;
}

const char *account_waits(const struct account *a)
{
	if (a->state != ACCOUNT_ACTIVE)
		return account_state_name(a->state);
	return a->backoff_until_ms > 0 ? "unreachable" : NULL;
}

void account_pause(struct account *a, const char *why)
{
	struct log_text name;

	a->by_hand = true;
	a->own_limit = false; /* it is not for room that it waits */
	log_info("account-held account=%s reason=by-hand",
		log_text(&name, a->params.settings->name));
	account_set_state(a, ACCOUNT_HELD, why);
	account_disconnect(a, false);
}

/* By hand: all that connections have to wait for. */
static void forget_waits(struct account *a)
{
	forget_backoff(a);
	a->grow_ms = 0;
	a->grow_step = 0;
}

void account_resume(struct account *a)
{
	forget_waits(a);
	a->suspect_count = 0;
	a->careful = false;
	a->ehlo_literal = false;
	a->slow_step = 0;
	account_set_state(a, ACCOUNT_ACTIVE, "");
	/* No hand lifts its own limit: told at once, not with the next mail. */
	(void)account_quota_reached(a);
	account_look_soon(a);
}

void account_flush(struct account *a)
{
	forget_waits(a);
	if (a->state == ACCOUNT_THROTTLED) {
		a->until_ms = clock_boot_ms();
		a->message_ms = 0;
	}
	note_ability(a);
	account_look_soon(a);
}

void account_drain(struct account *a)
{
	a->draining = true;
	account_disconnect(a, false);
}

bool account_idle(const struct account *a)
{
	return a->connection_count == 0;
}

struct account *account_new(
	const struct account_params *params, struct err *err)
{
	struct account *a = calloc(1, sizeof(*a));

	if (a == NULL) {
		err_set(err, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	a->params = *params;
	TAILQ_INIT(&a->connections);
	a->timer = evtimer_new(params->base, on_look, a);
	a->more = event_new(params->base, -1, 0, on_look, a);
	a->rest = evtimer_new(params->base, account_on_rest, a);
	a->tls = tls_client_new(params->settings->ca_file);
	if (a->timer == NULL || a->more == NULL || a->rest == NULL ||
		a->tls == NULL) {
		err_set(err, ERR_SYSTEM, "out of memory");
		account_free(&a);
		return NULL;
	}
	account_state_load(a);
	note_ability(a);
	return a;
}

void account_end(struct account *a)
{
	if (a == NULL)
		return;
	a->draining = true;
	account_disconnect(a, true);
	if (a->save_due)
		account_state_save(a, true);
}

void account_free(struct account **ap)
{
	struct account *a = *ap;

	*ap = NULL;
	if (a == NULL)
		return;
	if (a->timer != NULL)
		event_free(a->timer);
	if (a->more != NULL)
		event_free(a->more);
	if (a->rest != NULL)
		event_free(a->rest);
	if (a->save_timer != NULL)
		event_free(a->save_timer);
	tls_client_free(&a->tls);
	free(a);
}
