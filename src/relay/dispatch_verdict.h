/*
 * dispatch_verdict.h - what one transaction means for its message, and what the
 *          log says of it.
 * Used by:    relay/dispatch_send.
 */
#ifndef GMRELAY_RELAY_DISPATCH_VERDICT_H
#define GMRELAY_RELAY_DISPATCH_VERDICT_H

#include "relay/delivery.h"
#include "relay/dispatch_internal.h"
#include "spool/envelope.h"

/* What the makers of a delivery remember of it. */
struct attempt {
	struct delivery delivery; /* first */
	struct message *message;
	struct envelope *env;
	int64_t begun_ms;
	unsigned attempt; /* counts from 1 */
};

enum said_kind { SAID_DELIVERED, SAID_DEFERRED, SAID_FAILED, SAID_COUNT };

/* An answer, and the recipient it was about; the envelope owns both. */
struct said {
	const char *address;
	const char *words; /* NULL: none */
};

struct verdict {
	size_t delivered;
	size_t failed;
	size_t refused; /* for now, the message's own matter */
	size_t split;   /* belong into a further transaction */
	int64_t retry_ms;
	struct said said[SAID_COUNT]; /* the first of each kind */
	const char *advice;
};

/* Takes one recipient's result into the envelope and *v. */
void verdict_judge(struct verdict *v, struct account *a, struct attempt *t,
	const struct delivery_rcpt *result);

/* The answer to the last byte was lost. */
void verdict_doubt(struct verdict *v, struct attempt *t);

/* The connection was lost in the middle of it. That is nobody's fault, but when
 * it comes again and others went through meanwhile. */
void verdict_cut(struct verdict *v, struct account *a, struct attempt *t);

/* Who still waited has failed. */
void verdict_give_up(struct verdict *v, struct envelope *env);

/* What was said of that kind, else the worst that was. */
struct said verdict_said(const struct verdict *v, const struct attempt *t,
	enum said_kind wanted);

/* Why the message failed: what was said of the first who failed, in whichever
 * transaction that was. Somebody must have. */
struct said verdict_said_of_failed(const struct envelope *env);

/* The line about the transaction; next_ms below 0: no further one. */
void verdict_log(const struct verdict *v, const struct attempt *t,
	const char *event, const struct said *said, int64_t next_ms);

/* What to do about those who failed and were not told of yet; NULL: nothing. */
const char *verdict_advice(const struct verdict *v, const struct envelope *env);

/* A line at error level where the server said what somebody should look at. */
void verdict_log_alarm(const struct attempt *t, const struct account *a);

/* Where there are several recipients that line names one: all who were refused
 * have one each; of those put off, the first ten. */
void verdict_log_refused(const struct attempt *t);

#endif
