/*
 * ledger.c - messages and recipients sent in the last 24 hours.
 */
#include "config.h"

#include "relay/ledger.h"

#include <string.h>

/* The clock went back by more than a bucket: what was counted was counted
 * before now, whatever its number says. */
static void renumber(struct ledger *l, int64_t now)
{
	const struct ledger old = *l;
	int64_t back, from, to;

	memset(l->buckets, 0, sizeof(l->buckets));
	for (back = 0; back < LEDGER_BUCKETS && back <= old.newest; back++) {
		from = (old.newest - back) % LEDGER_BUCKETS;
		to = now > back ? (now - back) % LEDGER_BUCKETS : 0;
		l->buckets[to].messages += old.buckets[from].messages;
		l->buckets[to].recipients += old.buckets[from].recipients;
	}
	l->newest = now;
}

/* Moves on to the bucket of now_s; what is older than a day is forgotten. */
static void advance(struct ledger *l, int64_t now_s)
{
	int64_t now = now_s / LEDGER_BUCKET_S;

	if (l->newest > now + 1)
		renumber(l, now);
	if (now - l->newest >= LEDGER_BUCKETS) {
		memset(l->buckets, 0, sizeof(l->buckets));
		l->newest = now;
	}
	while (l->newest < now) {
		l->newest++;
		memset(&l->buckets[l->newest % LEDGER_BUCKETS], 0,
			sizeof(l->buckets[0]));
	}
}

void ledger_add(struct ledger *l, int64_t now_s, unsigned recipients)
{
	advance(l, now_s);
	l->buckets[l->newest % LEDGER_BUCKETS].messages++;
	l->buckets[l->newest % LEDGER_BUCKETS].recipients += recipients;
}

struct ledger_sum ledger_total(struct ledger *l, int64_t now_s)
{
	struct ledger_sum sum = {0, 0};
	size_t i;

	advance(l, now_s);
	for (i = 0; i < LEDGER_BUCKETS; i++) {
		sum.messages += l->buckets[i].messages;
		sum.recipients += l->buckets[i].recipients;
	}
	return sum;
}

int64_t ledger_wait_s(
	struct ledger *l, int64_t now_s, unsigned messages, unsigned recipients)
{
	struct ledger_sum sum = ledger_total(l, now_s);
	int64_t bucket = l->newest - LEDGER_BUCKETS + 1;

	for (;; bucket++) {
		if ((messages == 0 || sum.messages < messages) &&
			(recipients == 0 || sum.recipients < recipients))
			break;
		if (bucket > l->newest)
			break;
		if (bucket < 0)
			continue;
		sum.messages -= l->buckets[bucket % LEDGER_BUCKETS].messages;
		sum.recipients -=
			l->buckets[bucket % LEDGER_BUCKETS].recipients;
	}
	if (bucket == l->newest - LEDGER_BUCKETS + 1)
		return 0;
	/* the bucket before this one leaves the ring a day after it began */
	return (bucket - 1 + LEDGER_BUCKETS) * LEDGER_BUCKET_S - now_s;
}

int ledger_print(const struct ledger *l, struct buf *out)
{
	int64_t bucket = l->newest - LEDGER_BUCKETS + 1;
	size_t at;
	int rc = 0;

	for (; bucket <= l->newest; bucket++) {
		if (bucket < 0)
			continue;
		at = (size_t)(bucket % LEDGER_BUCKETS);
		if (l->buckets[at].messages == 0)
			continue;
		rc |= buf_addf(out, "sent %lld %u %u\n", (long long)bucket,
			l->buckets[at].messages, l->buckets[at].recipients);
	}
	return rc;
}

void ledger_restore(struct ledger *l, int64_t now_s, int64_t bucket,
	uint32_t messages, uint32_t recipients)
{
	size_t at;

	advance(l, now_s);
	if (bucket > l->newest)
		bucket = l->newest; /* the clock went back meanwhile */
	if (bucket < 0 || bucket <= l->newest - LEDGER_BUCKETS)
		return;
	at = (size_t)(bucket % LEDGER_BUCKETS);
	l->buckets[at].messages += messages;
	l->buckets[at].recipients += recipients;
}
