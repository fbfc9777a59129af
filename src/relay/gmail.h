/*
 * gmail.h - what a reply of Gmail means: the table of replies, and the default
 *           rules. The one place for it: reports, status and doctor quote
 *           the advice of its rows.
 * Used by:    relay/upstream*, relay/account*, relay/dispatch*,
 *             relay/probe.
 * Pure:       no descriptor, no clock, no log.
 * Source:     Google's list of SMTP errors and the reports gathered beside it.
 */
#ifndef GMRELAY_RELAY_GMAIL_H
#define GMRELAY_RELAY_GMAIL_H

#include "proto/reply.h"

#include <stdbool.h>
#include <stdint.h>

/* What was said or done when the reply came. */
enum phase {
	PHASE_CONNECT,
	PHASE_BANNER,
	PHASE_EHLO,
	PHASE_STARTTLS,
	PHASE_TLS,
	PHASE_AUTH,
	PHASE_READY, /* nothing asked: a 421 out of the blue */
	PHASE_MAIL,
	PHASE_RCPT,
	PHASE_DATA,  /* the answer to DATA itself */
	PHASE_FINAL, /* the answer to the last byte (DATA or BDAT) */
	PHASE_RSET,
	PHASE_QUIT,
	PHASE_COUNT
};

const char *phase_name(enum phase phase); /* "AUTH" */

/* What the reply is about. */
enum scope {
	SCOPE_NONE,       /* a success */
	SCOPE_RECIPIENT,  /* this recipient of this message */
	SCOPE_MESSAGE,    /* this message, all its recipients */
	SCOPE_CONNECTION, /* this connection: back off, nobody's fault */
	SCOPE_ACCOUNT,    /* the account: stop for a while, queue untouched */
};

enum action {
	ACTION_NONE,
	ACTION_RETRY,     /* later, by the retry schedule */
	ACTION_FAIL,      /* for good: report */
	ACTION_SPLIT,     /* in a further transaction, at once */
	ACTION_RECONNECT, /* at once, no penalty, no attempt counted */
	ACTION_BACK_OFF,  /* connection trouble: wait, doubling */
	ACTION_THROTTLE,  /* account: pause, growing */
	ACTION_QUOTA,     /* account: over its daily limit; probe, growing */
	ACTION_HOLD, /* account: until new credentials or resume; rare probe */
	ACTION_SENDER,  /* at once, with the account's own address as sender;
			   where it is that already: as ACTION_SUSPECT */
	ACTION_SUSPECT, /* unknown 5xx to MAIL or DATA: retry now; final at the
			   next attempt if the account had a 250 since */
};

/* Growing waits by name: first, factor 2, cap. Saved states hold the numbers:
 * a new one goes to the end. */
enum pause {
	PAUSE_NONE,
	PAUSE_BRIEF,    /* 1 min .. 30 min: 421 4.3.0 and kin */
	PAUSE_EHLO,     /* 5 min .. 1 h */
	PAUSE_LOGINS,   /* 15 min .. 4 h: too many logins */
	PAUSE_AUTH_4XX, /* 5 min .. 1 h: AUTH not available now */
	PAUSE_PEAK,    /* 10 min .. 1 h: a limit counted in 10-minute windows */
	PAUSE_RATE,    /* 1 h .. 6 h: unusual rate */
	PAUSE_QUOTA,   /* 1 h .. 4 h */
	PAUSE_HOLD,    /* first probe 1 h, then 12 h */
	PAUSE_WEB,     /* 12 h: log in by browser first */
	PAUSE_SUSPECT, /* 30 min: three messages refused alike */
	PAUSE_MAILBOX, /* 30 min .. 4 h: a recipient gets too much mail */
	PAUSE_SAME,    /* 4 h: the same message too often */
	PAUSE_TRUST,   /* 4 h: the sending address or domain is distrusted */
	PAUSE_SPAM,    /* 1 h .. 6 h: three messages in a row taken for spam */
	PAUSE_COUNT
};

/* In a row's phases. The reply may be about the connection, or about how it is
 * used: first the same is tried on a new one, with nothing pipelined; the row's
 * action is for the second time. */
#define GMAIL_AGAIN (1u << PHASE_COUNT)

struct gmail_rule {
	int code;             /* 0: any of the class below */
	int code_class;       /* 2, 4, 5; 0: by code (both 0: any reply) */
	const char *enhanced; /* "5.7.8"; NULL: any */
	const char *fragment; /* of the text, without regard to case; NULL */
	unsigned phases;      /* bit set of 1 << enum phase; 0: all */
	enum scope scope;
	enum action action;
	enum pause pause;   /* of the account; with RETRY: the least wait; with
			       FAIL: of the account, when three messages in a
			       row got it */
	const char *advice; /* a sentence for a person: cause and cure */
};

/* The first row that fits; there always is one (the default rules close the
 * table). Up to and including AUTH no row has a message's scope. */
const struct gmail_rule *gmail_judge(enum phase phase, const struct reply *r);

/* The row for an answer that does not fit what was asked. */
const struct gmail_rule *gmail_misfit(void);

/* The table, and its words: for tests. */
const struct gmail_rule *gmail_rules(size_t *count_out);
const char *action_name(enum action action);
const char *scope_name(enum scope scope);

/* How long to pause the step-th time in a row (from 0), milliseconds, without
 * jitter. */
int64_t gmail_pause_ms(enum pause pause, unsigned step);

/* True for the advice of a row that says: the message goes round in circles. A
 * report about it would go the same way. NULL is fine. */
bool gmail_means_loop(const char *advice);

/* True for the advice of a row that blames this program. NULL is fine. */
bool gmail_means_our_bug(const char *advice);

/* The step-th pause in a row (from 0) is one that somebody should be told of.
 */
bool gmail_pause_is_lasting(enum pause pause, unsigned step);

/* True where somebody should look, though only one message got the reply, at
 * its attempt-th attempt (from 1): what it says is of this program, of the
 * sending domain, or may come to be of the account; or the recipient's domain
 * refuses what would have to be arranged with it, every third time. What pauses
 * the account is told anyhow. */
bool gmail_is_alarming(const struct gmail_rule *rule, unsigned attempt);

#endif
