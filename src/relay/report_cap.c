/*
 * report_cap.c - how many reports an address gets.
 */
#include "config.h"

#include "relay/report_cap.h"

#include "base/hash.h"
#include "base/util.h"
#include "proto/address.h"

#include <stdlib.h>
#include <string.h>

struct hour {
	uint64_t key; /* 0: free */
	int64_t until_ms;
	unsigned reports; /* so many were made */
	bool waits;       /* something waits for its end */
};

struct report_cap {
	uint64_t salt;
	struct hour hours[REPORT_CAP_ADDRESSES_MAX];
	size_t count; /* in use, from the first */
	bool overflowed;
};

struct report_cap *report_cap_new(void)
{
	struct report_cap *cap = xcalloc(1, sizeof(*cap));

	cap->salt = random_u64();
	return cap;
}

void report_cap_free(struct report_cap **cap)
{
	free(*cap);
	*cap = NULL;
}

uint64_t report_cap_key(const struct report_cap *cap, const char *address)
{
	char lower[ADDRESS_MAX + 1];
	size_t len;
	uint64_t key;

	for (len = 0; len < ADDRESS_MAX && address[len] != '\0'; len++)
		lower[len] = address[len] >= 'A' && address[len] <= 'Z'
				     ? (char)(address[len] | 0x20)
				     : address[len];
	key = hash_of(cap->salt, 0, lower, len);
	return key != 0 ? key : 1;
}

static struct hour *find(struct report_cap *cap, uint64_t key)
{
	size_t i;

	for (i = 0; i < cap->count; i++)
		if (cap->hours[i].key == key)
			return &cap->hours[i];
	return NULL;
}

/* A place for one more: the one whose hour began first, if nothing waits for
 * its end. NULL: something waits for each. */
static struct hour *make_room(struct report_cap *cap)
{
	struct hour *oldest = NULL;
	size_t i;

	if (cap->count < REPORT_CAP_ADDRESSES_MAX)
		return &cap->hours[cap->count++];
	for (i = 0; i < cap->count; i++)
		if (!cap->hours[i].waits &&
			(oldest == NULL ||
				cap->hours[i].until_ms < oldest->until_ms))
			oldest = &cap->hours[i];
	if (oldest == NULL)
		cap->overflowed = true;
	return oldest;
}

/* The address's hour; where none has begun, one that begins now. */
static struct hour *hour_of(
	struct report_cap *cap, uint64_t key, int64_t now_ms)
{
	struct hour *h = find(cap, key);

	/* One that something waits for is over with its digest only. */
	if (h != NULL && (h->waits || h->until_ms > now_ms))
		return h;
	if (h == NULL)
		h = make_room(cap);
	if (h != NULL)
		*h = (struct hour){
			.key = key, .until_ms = now_ms + REPORT_CAP_HOUR_MS};
	return h;
}

static bool has_room(const struct hour *h)
{
	return h != NULL && !h->waits && h->reports < REPORT_CAP_SINGLES;
}

bool report_cap_allows(struct report_cap *cap, uint64_t key, int64_t now_ms)
{
	return has_room(hour_of(cap, key, now_ms));
}

bool report_cap_take(struct report_cap *cap, uint64_t key, int64_t now_ms)
{
	struct hour *h = hour_of(cap, key, now_ms);

	if (!has_room(h))
		return false;
	h->reports++;
	return true;
}

void report_cap_wait(
	struct report_cap *cap, uint64_t key, int64_t now_ms, int64_t due_ms)
{
	struct hour *h = hour_of(cap, key, now_ms);

	if (h == NULL)
		return;
	h->waits = true;
	if (due_ms < h->until_ms)
		h->until_ms = due_ms;
}

int64_t report_cap_due_ms(const struct report_cap *cap)
{
	int64_t due = REPORT_CAP_NEVER;
	size_t i;

	for (i = 0; i < cap->count; i++)
		if (cap->hours[i].waits && cap->hours[i].until_ms < due)
			due = cap->hours[i].until_ms;
	return due;
}

uint64_t report_cap_next(struct report_cap *cap, int64_t now_ms)
{
	struct hour *h;
	size_t i;

	for (i = 0; i < cap->count; i++) {
		h = &cap->hours[i];
		if (!h->waits || h->until_ms > now_ms)
			continue;
		h->waits = false;
		h->reports = 1;
		h->until_ms = now_ms + REPORT_CAP_HOUR_MS;
		return h->key;
	}
	return 0;
}

bool report_cap_overflowed(struct report_cap *cap)
{
	bool overflowed = cap->overflowed;

	cap->overflowed = false;
	return overflowed;
}
