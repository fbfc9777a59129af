/*
 * upstream_ahead.c - one connection to the submission server: the next message
 *                    goes out while the answer to this one is awaited.
 *
 * Where the server is far away, the way there and back is saved. One message at
 * most, whole, and with BDAT alone: after DATA the next step depends on an
 * answer (RFC 2920 section 3.1). It is in doubt like the one before when the
 * connection breaks; so it is done only where the account asks for no gap
 * between messages. RSET in front of it makes its way independent of how the
 * one before ends: a failed BDAT leaves a transaction open (RFC 3030 section
 * 2).
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/conf.h"
#include "base/log.h"
#include "relay/upstream_internal.h"

#include <string.h>

/* Not of a message that has been in trouble before: one that ends the
 * connection again and again would take the same other one down with it each
 * time. */
static bool may_go_ahead(const struct upstream *u)
{
	return !u->tx.delivery->tried && u->tx.last_byte &&
	       u->offer.pipelining && u->offer.chunking &&
	       u->params.account->message_gap_ms == 0 && !u->troubled &&
	       !upstream_is_worn(u) && u->next.delivery == NULL;
}

void upstream_final_enter(struct upstream *u)
{
	struct upstream_tx *next = &u->next;
	struct delivery *d;

	u->tx.flushed = true;
	if (!may_go_ahead(u))
		return;
	d = u->callbacks.next(u->callbacks.arg, u);
	if (d == NULL)
		return;
	if (u->state != STATE_FINAL)
		bug("a delivery for a connection that was aborted");
	memset(next, 0, sizeof(*next));
	next->delivery = d;
	if (d->size > UPSTREAM_WHOLE_MAX || !upstream_takes_whole(u, d))
		return; /* it waits for its turn */
	upstream_begin(u, next, d);
	next->whole = next->ahead = next->rset_due = true;
	if (upstream_send_flight(u, next) != 0)
		upstream_finish_delivery(u, next);
}

bool upstream_ahead_promote(struct upstream *u)
{
	if (u->next.delivery == NULL || !u->next.ahead)
		return false;
	u->tx = u->next;
	memset(&u->next, 0, sizeof(u->next));
	upstream_set_state(u, STATE_ENVELOPE);
	return true;
}

void upstream_ahead_rset_reply(struct upstream *u, const struct reply *r)
{
	if (r->code / 100 == 2) {
		u->tx.rset_due = false;
		upstream_arm_timer(u);
		return;
	}
	u->tx.judged = r->code == 421;
	upstream_note_reply(u, PHASE_RSET, gmail_judge(PHASE_RSET, r), r);
	upstream_set_state(u, STATE_CLOSED);
}
