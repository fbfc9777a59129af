/*
 * census.c - the clients: who came, what each did, how much it sent lately.
 */
#include "config.h"

#include "receiver/census.h"

#include "base/util.h"

#include <arpa/inet.h>
#include <string.h>

enum { SLOT_MS = 5 * 60 * 1000, ALERT_EVERY_MS = 60 * 60 * 1000 };

/* Who a record is about. */
struct who {
	enum client_kind kind;
	uint64_t words[2];
};

static struct who who_is(const struct peer *peer)
{
	struct in6_addr address = peer->address;
	const uint32_t uid = htonl(peer->uid);
	struct who who = {.kind = CLIENT_ADDRESS};

	if (peer->kind != LISTENER_SMTP) {
		who.kind = CLIENT_USER;
		memset(&address, 0, sizeof(address));
		memcpy(address.s6_addr + 12, &uid, sizeof(uid));
	}
	memcpy(who.words, &address, sizeof(who.words));
	return who;
}

static unsigned chain_of(uint32_t kind, uint64_t a, uint64_t b)
{
	/* any odd numbers with many bits do: all clients are allowed ones */
	uint64_t hash = (a ^ kind) * 0x9e3779b97f4a7c15ULL;

	hash = (hash ^ hash >> 32 ^ b) * 0xc2b2ae3d27d4eb4fULL;
	return (unsigned)(hash >> 32) % CENSUS_CHAINS;
}

static unsigned chain_of_record(const struct client_record *r)
{
	return chain_of(r->kind, r->who[0], r->who[1]);
}

static void link_in(struct census *c, unsigned index)
{
	uint16_t *chain = &c->chains[chain_of_record(&c->records[index])];

	c->next[index] = *chain;
	*chain = (uint16_t)(index + 1);
}

static void link_out(struct census *c, unsigned index)
{
	uint16_t *at = &c->chains[chain_of_record(&c->records[index])];

	while (*at != index + 1)
		at = &c->next[*at - 1];
	*at = c->next[index];
}

static bool is_known(const struct client_record *r)
{
	return r->kind == CLIENT_ADDRESS || r->kind == CLIENT_USER;
}

void census_init(struct census *c, struct client_record *records)
{
	memset(c, 0, sizeof(*c));
	c->records = records;
	while (c->count < CLIENT_RECORDS_MAX && is_known(&records[c->count]))
		link_in(c, c->count++);
}

static struct client_record *find(const struct census *c, const struct who *who)
{
	unsigned at =
		c->chains[chain_of(who->kind, who->words[0], who->words[1])];
	struct client_record *r;

	for (; at != 0; at = c->next[at - 1]) {
		r = &c->records[at - 1];
		if (r->kind == (uint32_t)who->kind &&
			r->who[0] == who->words[0] &&
			r->who[1] == who->words[1])
			return r;
	}
	return NULL;
}

/* The place of the one seen longest ago, or CLIENT_RECORDS_MAX: all of them are
 * in the midst of something. */
static unsigned find_oldest(const struct census *c)
{
	unsigned i, oldest = CLIENT_RECORDS_MAX;

	for (i = 0; i < c->count; i++)
		if (c->pending[i] == 0 &&
			(oldest == CLIENT_RECORDS_MAX ||
				c->records[i].last_s <
					c->records[oldest].last_s))
			oldest = i;
	return oldest;
}

static void give_to(
	struct client_record *r, const struct who *who, uint64_t now_s)
{
	size_t i;

	r->version = r->version | 1;
	r->kind = (uint32_t)who->kind;
	r->who[0] = who->words[0];
	r->who[1] = who->words[1];
	r->first_s = now_s;
	r->accepted = r->refused = 0;
	for (i = 0; i < QUIRK_COUNT; i++)
		r->quirks[i] = 0;
	r->slot = 0;
	for (i = 0; i < CLIENT_SLOTS; i++)
		r->slots[i] = 0;
	r->version = r->version + 1;
}

/* The client's record; NULL where there is no room. */
static struct client_record *record_of(
	struct census *c, const struct peer *peer)
{
	const struct who who = who_is(peer);
	const uint64_t now_s = (uint64_t)clock_wall_s();
	struct client_record *r = find(c, &who);
	unsigned place = c->count;

	if (r == NULL) {
		if (place == CLIENT_RECORDS_MAX)
			place = find_oldest(c);
		if (place == CLIENT_RECORDS_MAX)
			return NULL;
		r = &c->records[place];
		if (place < c->count)
			link_out(c, place);
		else
			c->count++;
		give_to(r, &who, now_s);
		c->alerted_ms[place] = 0;
		link_in(c, place);
	}
	r->last_s = now_s;
	return r;
}

void census_quirks(struct census *c, const struct peer *peer, unsigned quirks)
{
	struct client_record *r = record_of(c, peer);
	enum quirk quirk;

	if (r == NULL)
		return;
	for (quirk = 0; quirks != 0 && quirk < QUIRK_COUNT; quirk++)
		if ((quirks & QUIRK_BIT(quirk)) != 0 &&
			r->quirks[quirk] < UINT32_MAX)
			r->quirks[quirk]++;
}

void census_refused(struct census *c, const struct peer *peer)
{
	struct client_record *r = record_of(c, peer);

	if (r != NULL)
		r->refused++;
}

/* --- how much lately ------------------------------------------------------ */

/* On a machine that has just started, too, an hour ago has a number. */
static uint64_t slot_now(void)
{
	return (uint64_t)(clock_boot_ms() / SLOT_MS) + CLIENT_SLOTS;
}

/* Forgets what is longer ago than CLIENT_SLOTS slots. */
static void turn_slots(struct client_record *r, uint64_t now)
{
	uint64_t slot = r->slot;
	size_t i;

	/* a slot to come was not written by this machine's present clock */
	if (now - slot >= CLIENT_SLOTS || slot > now)
		for (i = 0; i < CLIENT_SLOTS; i++)
			r->slots[i] = 0;
	else
		while (slot < now)
			r->slots[++slot % CLIENT_SLOTS] = 0;
	r->slot = now;
}

static uint64_t count_lately(struct client_record *r)
{
	uint64_t sum = 0;
	size_t i;

	turn_slots(r, slot_now());
	for (i = 0; i < CLIENT_SLOTS; i++)
		sum += r->slots[i];
	return sum;
}

void census_accepted(struct census *c, const struct peer *peer)
{
	struct client_record *r = record_of(c, peer);

	if (r == NULL)
		return;
	r->accepted++;
	turn_slots(r, slot_now());
	r->slots[r->slot % CLIENT_SLOTS]++;
}

int census_begin(struct census *c, const struct peer *peer, unsigned limit)
{
	struct client_record *r = record_of(c, peer);
	uint32_t *pending;

	if (r == NULL)
		return -1;
	pending = &c->pending[r - c->records];
	if (count_lately(r) + *pending >= limit)
		return -1;
	++*pending;
	return 0;
}

void census_end(struct census *c, const struct peer *peer)
{
	struct client_record *r = record_of(c, peer);

	if (r != NULL && c->pending[r - c->records] > 0)
		c->pending[r - c->records]--;
}

bool census_alert(struct census *c, const struct peer *peer)
{
	struct client_record *r = record_of(c, peer);
	int64_t now = clock_boot_ms(), *last;

	if (r == NULL)
		return true;
	last = &c->alerted_ms[r - c->records];
	if (*last != 0 && now - *last < ALERT_EVERY_MS)
		return false;
	*last = now;
	return true;
}
