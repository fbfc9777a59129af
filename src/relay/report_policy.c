/*
 * report_policy.c - who is reported about, and whether the message is returned.
 */
#include "config.h"

#include "relay/report.h"

#include "proto/reply.h"

#include <string.h>

/* What has happened to whom, and how NOTIFY calls that (RFC 3461 4.1). */
static const struct {
	enum rcpt_state state;
	unsigned event;
} kinds[] = {
	[REPORT_FAILED] = {RCPT_FAILED, DSN_FAILURE},
	[REPORT_DELAYED] = {RCPT_PENDING, DSN_DELAY},
	[REPORT_RELAYED] = {RCPT_DELIVERED, DSN_SUCCESS},
};

bool report_is_wanted(enum report_kind kind, const struct envelope_rcpt *rcpt)
{
	return rcpt->state == kinds[kind].state &&
	       dsn_wants(rcpt->notify, kinds[kind].event);
}

size_t report_count(enum report_kind kind, const struct envelope *env)
{
	size_t i, count = 0;

	for (i = 0; i < env->rcpt_count; i++)
		count += report_is_wanted(kind, &env->rcpts[i]);
	return count;
}

bool report_is_due(const struct envelope *env, enum report_kind *kind_out)
{
	*kind_out = report_count(REPORT_FAILED, env) > 0 ? REPORT_FAILED
							 : REPORT_RELAYED;
	return report_count(*kind_out, env) > 0;
}

void report_mark_told(enum report_kind kind, struct envelope *env)
{
	struct envelope_rcpt *rcpt;
	size_t i;

	for (i = 0; i < env->rcpt_count; i++) {
		rcpt = &env->rcpts[i];
		if (!report_is_wanted(kind, rcpt))
			continue;
		if (kind == REPORT_FAILED)
			rcpt->state = RCPT_REPORTED;
		else if (kind == REPORT_RELAYED)
			rcpt->notify &= ~(unsigned)DSN_SUCCESS;
	}
}

/* RFC 3463: X.3 is about what the server can take, X.6 about the content, X.7
 * about what it allows. A report with the same content would fare no better. */
static bool is_about_content(const char *text)
{
	struct reply reply;

	if (text == NULL || reply_scan(&reply, text) != 0)
		return false;
	return reply.enhanced[0] != '\0' && reply.enhanced[1] == '.' &&
	       strchr("367", reply.enhanced[2]) != NULL;
}

bool report_returns_all(const struct envelope *env)
{
	size_t i;

	if (env->ret != DSN_RET_FULL || env->damaged ||
		env->size > REPORT_RETURNED_MAX)
		return false;
	for (i = 0; i < env->rcpt_count; i++)
		if (report_is_wanted(REPORT_FAILED, &env->rcpts[i]) &&
			is_about_content(env->rcpts[i].reply))
			return false;
	return true;
}
