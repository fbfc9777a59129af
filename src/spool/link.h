/*
 * link.h - what receiver and relay say to each other: hand-overs one way, one
 *          repeatable statement the other.
 * Used by:    spool/journal_write (receiver), spool/journal_read (relay).
 * Invariant:  a statement says all there is to say, so a lost or a newer one
 *             is never a problem; what is read is checked as if from an enemy.
 * Blocks:     never: non-blocking SOCK_SEQPACKET sockets.
 */
#ifndef GMRELAY_SPOOL_LINK_H
#define GMRELAY_SPOOL_LINK_H

#include "base/conf.h"
#include "base/err.h"

#include <stdint.h>

/* Segments the receiver may have: one in use, a spare, those that wait for a
 * sync. */
#define LINK_SEGMENTS_MAX 4
/* Unused ones it should have: the one in use and a spare. */
#define LINK_SEGMENTS_READY 2
/* Bodies: every client may be sending one, every one may wait for its sync. */
#define LINK_BODIES_MAX   (2 * CONF_CLIENTS_MAX)
#define LINK_BODIES_READY 2

enum link_segment_use {
	LINK_SPARE = 's',    /* not written yet */
	LINK_IN_USE = 'u',   /* records are appended */
	LINK_WAITING = 'w',  /* no more records; a sync is awaited */
	LINK_FINISHED = 'f', /* all is durable, nothing will be written: may be
				used again when its mail is done. Said once */
};

struct link_segment {
	uint64_t number;
	uint64_t end; /* all before it is durable */
	uint64_t use; /* enum link_segment_use */
};

struct link_body {
	uint64_t name;
	uint64_t empty; /* 1: in stock, not written yet */
};

/* Receiver to relay: sent as it stands here, up to its last body. It is large;
 * where it is kept for good, only what was ever used of it takes memory. */
struct link_statement {
	uint64_t received; /* hand-overs received on this link */
	uint32_t segment_count;
	uint32_t body_count;
	struct link_segment segments[LINK_SEGMENTS_MAX];
	struct link_body bodies[LINK_BODIES_MAX];
};

/* Relay to receiver. */
enum link_handover_kind {
	LINK_SEGMENT = 'S',  /* fd: write-only, empty of our records */
	LINK_BODY = 'B',     /* fd: write-only, empty */
	LINK_UPSTREAM = 'U', /* no fd: upstream's SIZE; not counted */
};

struct link_handover {
	enum link_handover_kind kind;
	uint64_t number; /* a segment's number, a body's name, SIZE */
	uint64_t key;    /* a segment's */
	int fd;          /* -1: none */
};

/* Send. Return 1 sent, 0 the socket is full (try when it is writable), -1 with
 * err: the peer is gone. The hand-over's fd stays the caller's. */
int link_send_statement(
	int fd, const struct link_statement *statement, struct err *err);
int link_send_handover(
	int fd, const struct link_handover *handover, struct err *err);

/* Receive. Return 1 got one, 0 none now, -1 with err: end of file, an error or
 * something that is no message (ERR_PROTOCOL). A received fd is the caller's.
 * incoming is where a statement is looked at before any of it is taken. */
int link_receive_statement(int fd, struct link_statement *statement,
	struct link_statement *incoming, struct err *err);
int link_receive_handover(
	int fd, struct link_handover *handover, struct err *err);

#endif
