/*
 * account_quota.c - an account's daily limits: nothing is sent beyond them.
 *
 * What is under way counts as sent until its result is in, and a transaction
 * gets no more recipients than there is room for.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/account_internal.h"

#include <stdio.h>

/* Told at this share of a daily limit. */
#define QUOTA_WARN_PERCENT 80
/* A pause ends when this share of the limit is free again, so that a queue that
 * waits does not make it come and go with every message. */
#define QUOTA_FREE_PERCENT 5

static bool has_limits(const struct account *a)
{
	return conf_daily_messages(a->params.settings) > 0 ||
	       conf_daily_recipients(a->params.settings) > 0;
}

/* A limit that is reached is taken for a little less. */
static unsigned eased(unsigned limit, unsigned used)
{
	unsigned margin =
		(unsigned)(limit * (uint64_t)QUOTA_FREE_PERCENT / 100);

	if (limit == 0 || used < limit || margin < 2)
		return limit;
	return limit - margin + 1;
}

/* Until there is room again; 0: there is. */
static int64_t wait_ms(struct account *a)
{
	const unsigned messages = conf_daily_messages(a->params.settings);
	const unsigned recipients = conf_daily_recipients(a->params.settings);
	const int64_t now_s = clock_wall_s();
	struct ledger_sum sum;

	if (!has_limits(a) ||
		ledger_wait_s(&a->ledger, now_s, messages, recipients) <= 0)
		return 0;
	sum = ledger_total(&a->ledger, now_s);
	return 1000 * ledger_wait_s(&a->ledger, now_s,
			      eased(messages, sum.messages),
			      eased(recipients, sum.recipients));
}

static void print_reason(struct account *a, char out[ACCOUNT_REASON_MAX])
{
	struct ledger_sum sum = ledger_total(&a->ledger, clock_wall_s());

	snprintf(out, ACCOUNT_REASON_MAX,
		"%u message%s to %u recipient%s went out in the last 24 hours, "
		"the limit is %u and %u: mail waits until the window has "
		"moved on. Nothing is lost. Where the account may send more, "
		"raise daily-messages and daily-recipients and reload.",
		sum.messages, plural(sum.messages), sum.recipients,
		plural(sum.recipients), conf_daily_messages(a->params.settings),
		conf_daily_recipients(a->params.settings));
}

bool account_quota_reached(struct account *a)
{
	const int64_t wait = wait_ms(a);
	char reason[ACCOUNT_REASON_MAX];

	if (wait <= 0)
		return false;
	if (a->state == ACCOUNT_HELD) {
		/* That is the graver reason, and stays the one that is told. */
		account_arm_timer(a, clock_boot_ms() + wait);
		return true;
	}
	print_reason(a, reason);
	a->pause = PAUSE_QUOTA;
	a->own_limit = true;
	account_pause_for(a, ACCOUNT_OVER_QUOTA, wait, reason);
	return true;
}

static unsigned left_of(unsigned limit, unsigned used)
{
	if (limit == 0)
		return UINT32_MAX;
	return used < limit ? limit - used : 0;
}

unsigned account_quota_room(struct account *a)
{
	struct ledger_sum sum = ledger_total(&a->ledger, clock_wall_s());

	if (left_of(conf_daily_messages(a->params.settings),
		    sum.messages + a->flying_messages) == 0)
		return 0;
	return left_of(conf_daily_recipients(a->params.settings),
		sum.recipients + a->flying_recipients);
}

void account_quota_take_off(struct account *a, size_t rcpt_count)
{
	a->flying_messages++;
	a->flying_recipients += (unsigned)rcpt_count;
}

void account_quota_land(struct account *a, size_t rcpt_count)
{
	a->flying_messages--;
	a->flying_recipients -= (unsigned)rcpt_count;
	/* Another connection may have had no room. */
	if (has_limits(a))
		account_look_soon(a);
}

void account_quota_recover(struct account *a)
{
	if (a->state == ACCOUNT_OVER_QUOTA && a->own_limit &&
		account_quota_room(a) > 0)
		account_set_state(a, ACCOUNT_ACTIVE, "");
}

bool account_quota_restore(struct account *a)
{
	const int64_t wait = wait_ms(a);

	if (wait <= 0)
		return false;
	a->own_limit = true;
	a->until_ms = clock_boot_ms() + wait;
	print_reason(a, a->reason);
	return true;
}

void account_quota_warn(struct account *a)
{
	const struct conf_account *settings = a->params.settings;
	struct ledger_sum sum = ledger_total(&a->ledger, clock_wall_s());
	unsigned messages = conf_daily_messages(settings);
	unsigned recipients = conf_daily_recipients(settings);
	struct log_text name;
	bool near;

	near = (messages > 0 &&
		       sum.messages * 100ULL >=
			       messages * (uint64_t)QUOTA_WARN_PERCENT) ||
	       (recipients > 0 &&
		       sum.recipients * 100ULL >=
			       recipients * (uint64_t)QUOTA_WARN_PERCENT);
	if (near && !a->warned_quota)
		log_warn("quota-near account=%s messages=%u "
			 "messages-limit=%u recipients=%u recipients-limit=%u",
			log_text(&name, settings->name), sum.messages, messages,
			sum.recipients, recipients);
	a->warned_quota = near;
}
