/*
 * client.h - hands messages in by SMTP over a Unix socket, waiting for each
 *            answer.
 * Used by:    sendmail/, relay/drop (in its thread), ctl/test.
 * Blocks:     yes, a connection and each answer for at most the timeout; all
 *             of it until until_ms, where that is set.
 * Source:     RFC 5321 4.1, 4.5.3.1.10 (too many recipients); RFC 1870 (SIZE),
 *             3030 (BDAT: the bytes as they are), 3461 (DSN), 6531 (SMTPUTF8).
 */
#ifndef GMRELAY_SUBMIT_CLIENT_H
#define GMRELAY_SUBMIT_CLIENT_H

#include "base/err.h"
#include "proto/reply.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* For a connection and each answer; the one to the last byte waits for the
 * disk. */
#define SUBMIT_TIMEOUT_MS (60 * 1000)
#define SUBMIT_PARTS_MAX  3

/* A stretch of the message: len bytes at data, or, where that is NULL, of the
 * file fd from offset on. */
struct submit_part {
	const char *data;
	int fd;
	off_t offset;
	uint64_t len;
};

enum submit_fate {
	SUBMIT_OPEN,    /* nothing was decided: later, or in another way */
	SUBMIT_TAKEN,   /* the daemon has the message for this recipient */
	SUBMIT_REFUSED, /* for good */
};

struct submit_message {
	const char *from;         /* canonical; "" is <> */
	const char *const *rcpts; /* canonical */
	size_t rcpt_count;
	unsigned char *fates; /* enum submit_fate, one a recipient; SUBMIT_OPEN
				 are tried, and decided as far as it goes */
	bool smtputf8;
	bool has_owner; /* the relay alone: it speaks for this user */
	uint32_t owner;
	/* passed on where the daemon offers DSN; NULL: nothing */
	const char *notify;
	const char *ret;
	const char *envid;
	struct submit_part parts[SUBMIT_PARTS_MAX];
	size_t part_count;
	/* Recipient i was refused. */
	void (*on_refused)(void *arg, size_t i, const struct reply *reply);
	/* The message was taken, for some recipients at least; NULL is fine. */
	void (*on_taken)(void *arg, const struct reply *reply);
	void *arg;
	int64_t until_ms; /* boot clock: then it is given up; 0: never */
	/* The last connection was welcomed: what is open is so because of the
	 * message. */
	bool let_in;
};

/* Connects to the Unix socket at path. Returns a descriptor, -1 with err. */
int submit_connect(const char *path, int timeout_ms, struct err *err);

/* Bounds each call on a socket that blocks, connect(2) too. Returns 0; -1 with
 * errno set. */
int submit_set_timeout(int fd, int timeout_ms);

/* Speaks to the daemon at fd (closed) and hands the message in; helo is the
 * name it goes by. In several transactions where the daemon takes only so many
 * recipients in one. Returns 0 when nothing is open any more; -1 with err, why
 * something is. */
int submit_send(
	int fd, const char *helo, struct submit_message *m, struct err *err);

/* The same, connecting to path, and again as long as each connection decides
 * something. */
int submit_deliver(const char *path, const char *helo, struct submit_message *m,
	struct err *err);

/* Octets of all parts. */
uint64_t submit_size(const struct submit_message *m);

/* Recipients with this fate. */
size_t submit_count(const struct submit_message *m, enum submit_fate fate);

#endif
