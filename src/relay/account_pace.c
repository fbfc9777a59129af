/*
 * account_pace.c - how fast an account sends, and when a pause of it is worth
 *                  telling.
 *
 * Gmail names no rate. It says 421 when there was too much, so the account goes
 * more slowly from then on, and a little faster with what goes through.
 */
#include "config.h"

#include "base/conf.h"
#include "relay/account_internal.h"

/* What the first slowing down makes of no gap at all, doubled each time; the
 * longest gap it comes to; and after how many messages it is halved again. */
#define SLOW_GAP_FIRST_MS 1000
#define SLOW_STEPS_MAX    4
#define SLOW_GAP_MAX_MS   (10 * INT64_C(1000))
#define SLOW_MESSAGES     50

int64_t account_gap_ms(const struct account *a)
{
	const int64_t gap = a->params.settings->message_gap_ms;
	int64_t slow = gap > 0 ? gap : SLOW_GAP_FIRST_MS / 2;

	if (a->slow_step == 0)
		return gap;
	slow <<= a->slow_step;
	if (slow > SLOW_GAP_MAX_MS)
		slow = SLOW_GAP_MAX_MS;
	return slow > gap ? slow : gap;
}

bool account_is_lasting(const struct account *a)
{
	return a->state == ACCOUNT_HELD || a->state == ACCOUNT_OVER_QUOTA ||
	       (a->state == ACCOUNT_THROTTLED &&
		       gmail_pause_is_lasting(a->pause, a->pause_step));
}

enum account_state account_told_before(const struct account *a)
{
	return a->told_before;
}

void account_slow_down(struct account *a)
{
	a->slow_step += a->slow_step < SLOW_STEPS_MAX;
	a->slow_messages = 0;
}

void account_note_sent(struct account *a)
{
	if (a->slow_step == 0 || ++a->slow_messages < SLOW_MESSAGES)
		return;
	a->slow_step--;
	a->slow_messages = 0;
}
