/*
 * envelope.h - who a message is from and for, and what has happened to it: the
 *              text form that stands before every message in the spool.
 * Used by:    receiver/ (writes), relay/ (reads, adds history), ctl/ (spool).
 * Pure:       no descriptor, no clock, no log.
 * Format:     gmrelayd-spool(5), "The envelope".
 */
#ifndef GMRELAY_SPOOL_ENVELOPE_H
#define GMRELAY_SPOOL_ENVELOPE_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/dsn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define ENVELOPE_FIRST_LINE "gmrelay-envelope 1"

#define ENVELOPE_RECIPIENTS_MAX 10000
#define ENVELOPE_SIZE_MAX       (16 * 1024 * 1024)
#define ENVELOPE_CLIENT_MAX     80
#define ENVELOPE_ACCOUNT_MAX    64
#define ENVELOPE_REPLY_MAX      512 /* of one kept reply */
#define ENVELOPE_REASON_MAX     256

enum rcpt_state {
	RCPT_PENDING,   /* to be tried, again perhaps */
	RCPT_DELIVERED, /* Gmail said 250 */
	RCPT_FAILED,    /* refused for good, or given up; not yet reported */
	RCPT_REPORTED,  /* the same, and the report about it is in queue/ */
};

struct envelope_rcpt {
	char *address;
	enum rcpt_state state;
	bool tried;  /* PENDING: already tried in this round */
	char *reply; /* the last one, "550 5.1.1 text"; NULL: none yet */
	/* What the client asked (RFC 3461). SUCCESS goes when it was told. */
	unsigned notify; /* DSN_NEVER ...; 0: unsaid */
	char *orcpt;     /* "type;xtext"; NULL: none */
};

struct envelope {
	uint64_t id;
	int64_t arrived_s;                    /* wall clock */
	char *reverse_path;                   /* "" is <> */
	char client[ENVELOPE_CLIENT_MAX + 1]; /* "10.0.0.31", "uid 1000" */
	/* Whose account sends it, by name; "": the first one's. */
	char account[ENVELOPE_ACCOUNT_MAX + 1];
	uint64_t size; /* of the message as stored: CRLF lines, no dots */
	bool eight_bit;
	bool smtputf8;
	bool report; /* made by us: never reported about again */
	/* What the client asked of reports (RFC 3461). */
	enum dsn_ret ret;
	char *envid; /* xtext; NULL: none */

	/* the message itself: behind the envelope, or in large/NAME */
	uint64_t body_name;  /* 0: behind the envelope */
	uint64_t body_check; /* hash_of(body_name, 0, message) */

	/* history; all zero in the journal */
	uint32_t attempts;
	uint32_t requeued;   /* times it was put back from failed/ */
	uint64_t waited_ms;  /* since arrival, while running */
	uint64_t refused_ms; /* since the first refusal of its own; see below */
	bool refused;        /* such a refusal was: refused_ms counts */
	int64_t next_s;      /* wall clock; a hint, clamped when read */
	bool hold;           /* until gmrelayctl releases it */
	bool notified;       /* a delay notice was sent */
	bool seen;           /* failed/: somebody has looked at it */
	bool damaged;        /* failed/: what is left of it is no message */
	char *reason;        /* failed/: why, in words; NULL */

	struct envelope_rcpt *rcpts;
	size_t rcpt_count;
	size_t rcpt_cap; /* private */
};

struct envelope *envelope_new(void);
void envelope_free(struct envelope **env); /* NULL is fine */

/* Set copies of the texts. Return 0; -1 beyond the limit or without memory. */
int envelope_set_reverse_path(struct envelope *env, const char *path);
int envelope_add_rcpt(struct envelope *env, const char *address);
int envelope_set_reply(struct envelope_rcpt *rcpt, const char *reply);
int envelope_set_reason(struct envelope *env, const char *reason);
/* The same for what proto/dsn.h says is right; "" sets nothing. */
int envelope_set_envid(struct envelope *env, const char *envid);
int envelope_set_orcpt(struct envelope_rcpt *rcpt, const char *orcpt);

/* Forgets all but the first count recipients. */
void envelope_truncate(struct envelope *env, size_t count);

size_t envelope_count(const struct envelope *env, enum rcpt_state state);

/* Appends the text form, with the empty line that ends it. Returns 0, -1 when
 * out is full. */
int envelope_print(const struct envelope *env, struct buf *out);

/* Parses the text form at data. *used_out is its length with the empty line.
 * Everything is checked: counts, lengths, line order, hex. Unknown keys are an
 * error: another version wrote it. Returns NULL with err. The caller owns the
 * result. */
struct envelope *envelope_parse(
	const char *data, size_t len, size_t *used_out, struct err *err);

/* Only the name of the body file, 0 for none, without parsing the rest. Returns
 * 0, -1 when it cannot be told: the first lines, up to that one, are not whole.
 */
int envelope_peek_body(const char *data, size_t len, uint64_t *name_out);

/* Only the name of the account, "" for the first, without parsing the rest. */
void envelope_peek_account(
	const char *data, size_t len, char out[ENVELOPE_ACCOUNT_MAX + 1]);

/* Only the time of its arrival by the clock on the wall, 0 where it cannot be
 * told, without parsing the rest. */
int64_t envelope_peek_arrived(const char *data, size_t len);

/* Puts the body's name and checksum into a printed envelope that has a body
 * (body_name was not 0). */
void envelope_patch_body(char *printed, uint64_t name, uint64_t check);

#endif
