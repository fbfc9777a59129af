/*
 * account_suspect.c - what one message cannot tell of an account, and several
 * in a row do.
 */
#include "config.h"

#include "base/conf.h"
#include "relay/account_internal.h"

#include <stdio.h>

/* Different messages refused by an unknown 5xx with no 250 in between. */
#define SUSPECTS_MAX 3
/* Different messages taken for spam with no other delivered in between. */
#define SPAM_MAX 3

unsigned account_delivered_count(const struct delivery *d)
{
	unsigned count = 0;
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		count += d->rcpts[i].outcome == OUTCOME_DELIVERED;
	return count;
}

void account_count_spam(struct account *a, const struct delivery *d)
{
	const struct delivery_rcpt *bad = NULL;
	char words[REPLY_TEXT_MAX + 32], reason[ACCOUNT_REASON_MAX];
	size_t i;

	for (i = 0; i < d->rcpt_count && bad == NULL; i++)
		if (d->rcpts[i].outcome == OUTCOME_FAIL &&
			d->rcpts[i].rule != NULL &&
			d->rcpts[i].rule->pause != PAUSE_NONE)
			bad = &d->rcpts[i];
	if (bad == NULL) {
		if (account_delivered_count(d) > 0 && !d->report)
			a->spam_count = 0;
		return;
	}
	if (a->spam_count > 0 && a->spam_id == d->id)
		return;
	a->spam_id = d->id;
	if (++a->spam_count < SPAM_MAX)
		return;
	a->spam_count = 0;
	snprintf(reason, sizeof(reason),
		"%d different messages in a row were taken for unwanted mail: "
		"\"%.200s\". Sending pauses, for the account may be blocked "
		"otherwise. Find out what sends them (gmrelayctl queue list "
		"--failed).",
		SPAM_MAX, reply_print(&bad->reply, words, sizeof(words)));
	account_pause_for(a, ACCOUNT_THROTTLED,
		account_next_pause_ms(a, bad->rule->pause), reason);
}

void account_suspect(
	struct account *a, uint64_t message_id, const struct reply *reply)
{
	char words[REPLY_TEXT_MAX + 32], reason[ACCOUNT_REASON_MAX];
	size_t i;

	for (i = 0; i < a->suspect_count; i++)
		if (a->suspects[i] == message_id)
			return;
	if (a->suspect_count < SUSPECTS_MAX - 1) {
		a->suspects[a->suspect_count++] = message_id;
		return;
	}
	a->suspect_count = 0;
	snprintf(reason, sizeof(reason),
		"%d different messages in a row were refused: \"%.200s\". That "
		"looks like trouble with the account rather than with the "
		"mail, so nothing is given up. Look into the account in a "
		"browser.",
		SUSPECTS_MAX, reply_print(reply, words, sizeof(words)));
	account_pause_for(a, ACCOUNT_THROTTLED,
		account_next_pause_ms(a, PAUSE_SUSPECT), reason);
}
