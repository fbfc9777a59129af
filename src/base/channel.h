/*
 * channel.h - what parent and roles say to each other over one SOCK_SEQPACKET
 *             pair a role: small messages, some with a descriptor.
 * Used by:    parent/, receiver/receiver, relay/relay.
 * Invariant:  end of file means that the other side is gone: a role that reads
 *             it stops. The parent acts only on what a role of that kind may
 *             say (child_may_say in parent/child.h) and on nothing else.
 * Blocks:     never: the sockets are non-blocking.
 */
#ifndef GMRELAY_BASE_CHANNEL_H
#define GMRELAY_BASE_CHANNEL_H

#include "base/err.h"

enum channel_message {
	/* parent to role */
	CHANNEL_LINK = 'L',      /* fd: this role's end of a new link */
	CHANNEL_PEER_GONE = 'G', /* the other role has died and is reaped */
	CHANNEL_DRAIN = 'D',     /* finish within DRAIN_MS, then exit 0 */
	CHANNEL_FLUSH = 'F',     /* relay: every message is due now (USR1) */
	CHANNEL_REFUSED = 'N',   /* relay: no reload, and why (text) */
	/* role to parent */
	CHANNEL_READY = 'R',  /* this role serves */
	CHANNEL_RELOAD = 'H', /* relay: please reload, as by HUP */
	CHANNEL_STOP = 'S',   /* relay: please stop, as by TERM */
	CHANNEL_ALIVE = 'W',  /* the loop turned (only where a watchdog asks) */
	CHANNEL_STATUS = 'T', /* relay: text for systemd's status line */
	CHANNEL_ALERT = '!',  /* relay: state, account, reason; tabs between */
};

#define CHANNEL_TEXT_MAX 700
#define DRAIN_MS         5000

struct channel_packet {
	enum channel_message type;
	int fd;                          /* -1: none; the reader owns it */
	char text[CHANNEL_TEXT_MAX + 1]; /* "" mostly */
};

/* Makes a pair, close-on-exec and non-blocking. Returns 0, -1 with err. */
int channel_pair(int fds_out[2], struct err *err);

/* Sends type, with a copy of pass_fd unless -1, and text unless NULL (cut at
 * CHANNEL_TEXT_MAX). Returns 0; -1 with err when the peer is gone or slow. */
int channel_send(int fd, enum channel_message type, int pass_fd,
	const char *text, struct err *err);

/* Reads one packet. Returns 1 got one, 0 none now, -1 with err: end of file or
 * error. A descriptor beyond the one expected is closed. */
int channel_receive(int fd, struct channel_packet *out, struct err *err);

#endif
