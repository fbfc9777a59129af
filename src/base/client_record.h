/*
 * client_record.h - what is known of one client: part of the receiver's page of
 *                   counters, so that it outlives the process that counts.
 * Used by:    receiver/census (writes), relay/control_json (shows).
 * Invariant:  version is odd while a record is being given to another client;
 *             a reader that saw it change reads again. What is read in another
 *             process is not trusted: numbers to show, nothing to act on.
 */
#ifndef GMRELAY_BASE_CLIENT_RECORD_H
#define GMRELAY_BASE_CLIENT_RECORD_H

#include "base/quirk.h"

#include <netinet/in.h>
#include <stdint.h>

#define CLIENT_RECORDS_MAX 256
/* "10.0.0.31", "fe80::1", "uid 1000" */
#define CLIENT_TEXT_SIZE 64
/* Messages are counted by five minutes; so many of them hold an hour, whenever
 * it begins. */
#define CLIENT_SLOTS 13

enum client_kind {
	CLIENT_NONE,    /* nobody yet, nor in the records behind it */
	CLIENT_ADDRESS, /* IPv4 as ::ffff:a.b.c.d */
	CLIENT_USER,    /* of this machine: the last four octets are its uid */
};

struct client_record {
	_Atomic uint32_t version;
	_Atomic uint32_t kind; /* enum client_kind */
	_Atomic uint64_t who[2];
	_Atomic uint64_t first_s; /* wall clock */
	_Atomic uint64_t last_s;
	_Atomic uint64_t accepted; /* messages */
	_Atomic uint64_t refused;  /* messages, senders, recipients */
	_Atomic uint32_t quirks[QUIRK_COUNT]; /* messages or sessions with it */
	/* The receiver's alone: what it took lately, slots[i] in the five
	 * minutes number slot - (slot - i) % CLIENT_SLOTS of the boot clock. */
	_Atomic uint64_t slot;
	_Atomic uint32_t slots[CLIENT_SLOTS];
};

/* A record as it was at one moment. */
struct client_view {
	enum client_kind kind;
	struct in6_addr who;
	int64_t first_s;
	int64_t last_s;
	uint64_t accepted;
	uint64_t refused;
	uint32_t quirks[QUIRK_COUNT];
};

/* Copies the record. Returns 1; 0 when there is none, nor behind it; -1 when it
 * changed all the time or makes no sense. */
int client_record_read(
	const struct client_record *record, struct client_view *out);

/* "10.0.0.31", "uid 1000". Returns out. */
const char *client_view_text(
	const struct client_view *view, char out[CLIENT_TEXT_SIZE]);

#endif
