/*
 * upstream_mail.c - one connection to the submission server: the states of a
 *                   transaction, READY to RSET.
 *
 * In one flight go, where PIPELINING is offered (RFC 2920): MAIL, the RCPTs and
 * DATA; or, with CHUNKING (RFC 3030) and a small message, MAIL, the RCPTs, BDAT
 * and the message. What was asked is answered in order, so the number of the
 * answer tells what it is about.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/upstream_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include <string.h>

/* --- what became of the recipients --- */

static enum rcpt_outcome outcome_of(
	const struct delivery *d, enum action action)
{
	switch (action) {
	case ACTION_FAIL:
		return OUTCOME_FAIL;
	case ACTION_SPLIT:
		return OUTCOME_SPLIT;
	case ACTION_SENDER:
		return d->own_sender ? OUTCOME_SUSPECT : OUTCOME_SENDER;
	case ACTION_SUSPECT:
		return OUTCOME_SUSPECT;
	default:
		return OUTCOME_RETRY;
	}
}

static void decide(struct delivery_rcpt *rcpt, enum rcpt_outcome outcome,
	const struct gmail_rule *rule, const struct reply *r)
{
	if (rcpt->outcome != OUTCOME_UNTRIED)
		return;
	rcpt->outcome = outcome;
	rcpt->rule = rule;
	rcpt->reply = *r;
}

static void decide_all(struct upstream_tx *tx, enum rcpt_outcome outcome,
	const struct gmail_rule *rule, const struct reply *r)
{
	size_t i;

	for (i = 0; i < tx->delivery->rcpt_count; i++)
		decide(&tx->delivery->rcpts[i], outcome, rule, r);
}

/* In RCPT a reply that speaks of the message decides the one recipient only:
 * the others hear their own, and may be delivered to by what is in flight. */
void upstream_refuse(
	struct upstream *u, struct delivery_rcpt *rcpt, const struct reply *r)
{
	const enum phase phase = upstream_phase(u);
	const struct gmail_rule *rule = gmail_judge(phase, r);

	if (rule->scope == SCOPE_CONNECTION || rule->scope == SCOPE_ACCOUNT ||
		upstream_wants_again(u, phase, rule))
		upstream_note_reply(u, phase, rule, r);
	else if (rcpt != NULL)
		decide(rcpt, outcome_of(u->tx.delivery, rule->action), rule, r);
	else
		decide_all(&u->tx, outcome_of(u->tx.delivery, rule->action),
			rule, r);
}

bool upstream_was_idle(const struct upstream *u)
{
	if (u->state == STATE_READY)
		return u->transactions > 0;
	return u->state == STATE_ENVELOPE && u->transactions > 1 &&
	       u->tx.answered == 0 && !u->tx.ahead;
}

enum phase upstream_phase(const struct upstream *u)
{
	if (u->state != STATE_ENVELOPE || u->tx.delivery == NULL ||
		u->tx.answered == 0)
		return upstream_row(u->state)->phase;
	if (u->tx.answered <= u->tx.delivery->rcpt_count)
		return PHASE_RCPT;
	return PHASE_DATA;
}

/* The message may have been delivered though nobody said so. */
static bool is_in_doubt(const struct upstream *u, const struct upstream_tx *tx)
{
	if (!tx->last_byte || tx->judged || tx->mail_refused ||
		!(tx->flushed || upstream_flushed(u)))
		return false;
	return tx->accepted_count > 0 ||
	       tx->answered <= tx->delivery->rcpt_count;
}

/* What ended the connection came in the middle of a message, and was nothing
 * that is known to be another's matter. */
static bool ends_connection(const struct upstream *u)
{
	return u->troubled && u->trouble.scope == SCOPE_CONNECTION &&
	       !u->trouble.was_idle && !u->trouble.again;
}

/* Recipients that the server wants in further transactions: at once, but only
 * if this one got anywhere. */
static void check_split(struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		if (d->rcpts[i].outcome != OUTCOME_SPLIT)
			return;
	for (i = 0; i < d->rcpt_count; i++)
		d->rcpts[i].outcome = OUTCOME_RETRY;
}

void upstream_finish_delivery(struct upstream *u, struct upstream_tx *tx)
{
	struct delivery *d = tx->delivery;
	size_t i;

	if (d == NULL)
		return;
	d->in_doubt = is_in_doubt(u, tx);
	d->cut = tx == &u->tx && ends_connection(u);
	d->rcpt_count += tx->left_out;
	check_split(d);
	for (i = 0; i < d->rcpt_count; i++) {
		if (d->rcpts[i].outcome != OUTCOME_UNTRIED)
			continue;
		reply_init(&d->rcpts[i].reply);
		d->rcpts[i].rule = NULL;
	}
	tx->delivery = NULL;
	u->callbacks.on_finished(u->callbacks.arg, u, d);
}

/* --- READY --- */

void upstream_ready_enter(struct upstream *u)
{
	u->pump = true;
	if (u->ready_ms == 0)
		u->callbacks.on_ready(u->callbacks.arg, u, u->offer.size_max);
	u->ready_ms = clock_boot_ms();
}

bool upstream_is_worn(const struct upstream *u)
{
	const unsigned max = u->params.account->messages_per_connection;

	return u->quitting || u->params.probe ||
	       (max > 0 && u->transactions >= max) ||
	       clock_boot_ms() - u->opened_ms >= UPSTREAM_LIFE_MS;
}

void upstream_begin(
	struct upstream *u, struct upstream_tx *tx, struct delivery *d)
{
	memset(tx, 0, sizeof(*tx));
	tx->delivery = d;
	tx->stuffer.at_line_start = true;
	u->transactions++;
}

void upstream_ready_pump(struct upstream *u)
{
	struct delivery *d;

	u->pump = false;
	if (upstream_is_worn(u)) {
		upstream_set_state(u, STATE_QUIT);
		return;
	}
	/* one that could not go ahead is the next */
	d = u->next.delivery;
	u->next.delivery = NULL;
	if (d == NULL)
		d = u->callbacks.next(u->callbacks.arg, u);
	if (d == NULL)
		return;
	if (u->state != STATE_READY)
		bug("a delivery for a connection that was aborted");
	upstream_begin(u, &u->tx, d);
	upstream_set_state(u, STATE_ENVELOPE);
}

/* Nothing was asked: a goodbye, or nonsense. */
void upstream_ready_reply(struct upstream *u, const struct reply *r)
{
	const struct gmail_rule *rule = gmail_judge(PHASE_READY, r);

	if (r->code / 100 != 4 && r->code / 100 != 5) {
		upstream_break(u, "the server said %d unasked", r->code);
		return;
	}
	upstream_note_reply(u, PHASE_READY, rule, r);
	if (upstream_was_idle(u) && rule->scope == SCOPE_CONNECTION) {
		u->trouble.was_idle = true;
		u->trouble.action = ACTION_RECONNECT;
	}
	upstream_set_state(u, STATE_CLOSED);
}

/* --- the end of a transaction --- */

static void end_transaction(struct upstream *u)
{
	u->tx.judged = true;
	upstream_finish_delivery(u, &u->tx);
	if (u->state == STATE_CLOSED)
		return;
	if (upstream_ahead_promote(u))
		return;
	if (u->troubled || upstream_is_worn(u))
		upstream_set_state(u, STATE_QUIT);
	else
		upstream_set_state(u, u->tx.open ? STATE_RSET : STATE_READY);
}

/* Whatever it is about, the connection ends with it (RFC 5321 3.8). */
static void closing(
	struct upstream *u, struct delivery_rcpt *rcpt, const struct reply *r)
{
	const enum phase phase = upstream_phase(u);
	const struct gmail_rule *rule = gmail_judge(phase, r);
	/* what is said of the account is no mere goodbye */
	const bool was_idle =
		upstream_was_idle(u) && rule->scope != SCOPE_ACCOUNT;

	if (!was_idle)
		upstream_refuse(u, rcpt, r);
	upstream_note_reply(u, phase, rule, r);
	if (was_idle) {
		u->trouble.was_idle = true;
		u->trouble.action = ACTION_RECONNECT;
	}
	u->tx.judged = true;
	u->next.judged = true; /* it says nothing more */
	upstream_set_state(u, STATE_CLOSED);
}

/* "Timeout - closing connection" is one, though it is no 421. */
static bool is_goodbye(const struct reply *r)
{
	return r->code == 421 ||
	       (r->code == 451 && strcmp(r->enhanced, "4.4.2") == 0);
}

/* --- ENVELOPE --- */

void upstream_envelope_enter(struct upstream *u)
{
	struct upstream_tx *tx = &u->tx;

	if (tx->ahead)
		return;
	if (!upstream_sort_out(u, tx)) {
		end_transaction(u);
		return;
	}
	if (!u->offer.pipelining) {
		tx->asked = 1;
		upstream_add_mail(
			u, tx->delivery, bufferevent_get_output(u->bev));
		return;
	}
	tx->whole = u->offer.chunking &&
		    tx->delivery->size <= UPSTREAM_WHOLE_MAX &&
		    clock_boot_ms() - u->ready_ms < UPSTREAM_FRESH_MS;
	if (upstream_send_flight(u, tx) != 0) {
		/* nothing has left, so the connection is as good as before */
		tx->open = false;
		end_transaction(u);
	}
}

/* All that was asked is answered: what is asked next? */
static void ask_next(struct upstream *u)
{
	struct upstream_tx *tx = &u->tx;
	struct evbuffer *out = bufferevent_get_output(u->bev);

	if (tx->mail_refused) {
		end_transaction(u);
	} else if (tx->answered <= tx->delivery->rcpt_count) {
		upstream_add_rcpt(u, tx->delivery, out, tx->answered - 1);
		tx->asked++;
		upstream_arm_timer(u);
	} else if (tx->accepted_count == 0 || u->troubled) {
		end_transaction(u);
	} else if (u->offer.chunking) {
		upstream_add_bdat(tx->delivery, out);
		tx->asked++;
		upstream_set_state(u, STATE_BODY);
	} else {
		upstream_add(out, "DATA\r\n");
		tx->asked++;
		upstream_arm_timer(u);
	}
}

static void mail_reply(struct upstream *u, const struct reply *r)
{
	if (upstream_is_refusal(r)) {
		upstream_refuse(u, NULL, r);
		u->tx.mail_refused = true;
	} else {
		u->tx.open = true;
	}
}

static void rcpt_reply(struct upstream *u, size_t index, const struct reply *r)
{
	struct upstream_tx *tx = &u->tx;

	if (!upstream_is_refusal(r)) {
		tx->taken_count++;
		if (tx->mail_refused)
			return;
		tx->accepted[index] = true;
		tx->accepted_count++;
	} else if (!tx->mail_refused) {
		/* else it only echoes what MAIL got */
		upstream_refuse(u, &tx->delivery->rcpts[index], r);
	}
}

/* The answer to DATA. After a 354 that follows an accepted recipient there is
 * no way back but to hang up (RFC 2920 3.1). */
static void data_reply(struct upstream *u, const struct reply *r)
{
	struct upstream_tx *tx = &u->tx;

	if (r->code / 100 == 3 && tx->accepted_count > 0 && !u->troubled) {
		upstream_set_state(u, STATE_BODY);
	} else if (r->code / 100 == 3 && tx->taken_count == 0) {
		upstream_send(u, ".\r\n");
		upstream_set_state(u, STATE_FINAL);
	} else if (r->code / 100 == 3) {
		upstream_break(u, "the server asks for a message it refused");
	} else {
		/* with nobody accepted it echoes the earlier refusals */
		if (tx->accepted_count > 0)
			upstream_refuse(u, NULL, r);
		end_transaction(u);
	}
}

/* Replies of other classes than the command can have. */
static bool makes_sense(size_t number, size_t rcpt_count, const struct reply *r)
{
	if (upstream_is_refusal(r))
		return true;
	return r->code / 100 == (number <= rcpt_count ? 2 : 3);
}

void upstream_envelope_reply(struct upstream *u, const struct reply *r)
{
	struct upstream_tx *tx = &u->tx;
	const size_t count = tx->delivery->rcpt_count;
	const size_t number = tx->answered;
	const bool about_rcpt = number > 0 && number <= count;

	if (tx->rset_due) {
		upstream_ahead_rset_reply(u, r);
		return;
	}
	if (is_goodbye(r)) {
		closing(u, about_rcpt ? &tx->delivery->rcpts[number - 1] : NULL,
			r);
		return;
	}
	if (!makes_sense(number, count, r)) {
		upstream_break(u, "the server answers %d to %s", r->code,
			phase_name(upstream_phase(u)));
		return;
	}
	if (number == 0)
		mail_reply(u, r);
	else if (about_rcpt)
		rcpt_reply(u, number - 1, r);
	tx->answered++;
	if (number > count)
		data_reply(u, r);
	else if (tx->answered == tx->asked)
		ask_next(u);
	else if (tx->whole && tx->answered > count)
		upstream_set_state(u, STATE_BODY);
	else
		upstream_arm_timer(u);
}

/* --- FINAL --- */

static void delivered(struct upstream *u, const struct reply *r)
{
	struct delivery *d = u->tx.delivery;
	size_t i;

	d->dsn_passed = u->offer.dsn && d->pass_dsn;
	for (i = 0; i < d->rcpt_count; i++)
		if (u->tx.accepted[i])
			decide(&d->rcpts[i], OUTCOME_DELIVERED, NULL, r);
}

void upstream_final_reply(struct upstream *u, const struct reply *r)
{
	struct upstream_tx *tx = &u->tx;

	if (r->code == 421) {
		closing(u, NULL, r);
		return;
	}
	if (r->code / 100 == 3) {
		upstream_break(
			u, "the server answers %d to a whole message", r->code);
		return;
	}
	/* after DATA the transaction is over in any case (RFC 5321 3.3); after
	 * BDAT only with success (RFC 3030 section 2) */
	if (!u->offer.chunking || !upstream_is_refusal(r))
		tx->open = false;
	/* with nobody accepted it echoes the earlier refusals */
	if (tx->accepted_count > 0 && upstream_is_refusal(r))
		upstream_refuse(u, NULL, r);
	else if (tx->accepted_count > 0)
		delivered(u, r);
	end_transaction(u);
}

/* --- RSET --- */

void upstream_rset_enter(struct upstream *u)
{
	upstream_send(u, "RSET\r\n");
}

void upstream_rset_reply(struct upstream *u, const struct reply *r)
{
	if (r->code / 100 == 2) {
		upstream_set_state(u, STATE_READY);
		return;
	}
	upstream_note_reply(u, PHASE_RSET, gmail_judge(PHASE_RSET, r), r);
	upstream_set_state(u, r->code == 421 ? STATE_CLOSED : STATE_QUIT);
}
