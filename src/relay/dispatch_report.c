/*
 * dispatch_report.c - reports about messages, as messages.
 */
#include "config.h"

#include "base/conf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "proto/rfc2047.h"
#include "relay/dispatch_internal.h"
#include "spool/queue.h"

#include <stdio.h>
#include <string.h>

int dispatch_print_report(const struct report *r, const char *account,
	const struct buf *message, struct buf *out, struct err *err)
{
	struct envelope *env = envelope_new();
	int rc = -1;

	if (env == NULL || envelope_add_rcpt(env, r->to) != 0) {
		err_set(err, ERR_SYSTEM, "out of memory");
	} else {
		env->id = r->id;
		env->arrived_s = r->now_s;
		env->report = true;
		/* What it needs itself, not what it tells of. */
		env->smtputf8 =
			!string_is_ascii(r->to) || !string_is_ascii(r->from);
		env->eight_bit = !text_is_ascii(message->data, message->len);
		env->size = message->len;
		snprintf(env->client, sizeof(env->client), "gmrelayd");
		snprintf(env->account, sizeof(env->account), "%s", account);
		rc = envelope_print(env, out) |
		     buf_add(out, message->data, message->len);
		if (rc != 0)
			err_set(err, ERR_LIMIT, "the report is too long");
	}
	envelope_free(&env);
	return rc;
}

static int print_report(
	const struct report *r, struct buf *out, struct err *err)
{
	struct buf message;
	int rc;

	buf_init(&message, REPORT_SIZE_MAX);
	rc = report_write(r, &message, err);
	if (rc == 0)
		rc = dispatch_print_report(
			r, r->original->account, &message, out, err);
	buf_free(&message);
	return rc;
}

/* What a report is about: this message, and what was not yet reported. The same
 * again after a crash, another one for another report: each makes the number
 * larger (see report_mark_told()). */
static uint64_t report_about(const struct envelope *env)
{
	uint64_t told = envelope_count(env, RCPT_REPORTED);
	size_t i;

	for (i = 0; i < env->rcpt_count; i++)
		told += !dsn_wants(env->rcpts[i].notify, DSN_SUCCESS);
	return hash_of(env->id, env->requeued, &told, sizeof(told));
}

uint64_t dispatch_report(
	struct dispatch *d, const struct report_wish *wish, struct buf *out)
{
	const struct envelope *env = wish->env;
	const struct conf_account *settings =
		account_settings(dispatch_slot(d, wish->message)->account);
	struct address scratch;
	struct report report = {
		.kind = wish->kind,
		.original = env,
		.content = wish->content,
		.to = report_recipient(env, d->names, &scratch),
		.from = settings->username,
		.hostname = d->hostname,
		.remote = settings->host,
		.id = report_id(report_about(env), wish->kind),
		.size_max = dispatch_slot(d, wish->message)->size_max,
		.now_s = clock_wall_s(),
		.expire_s = (int64_t)(d->conf->expire_ms -
				      (int64_t)env->refused_ms) /
			    1000,
		.advice = wish->advice,
	};
	struct log_text text, hint;
	char id[HEX64_SIZE];
	struct err err;

	buf_init(out, QUEUE_FILE_MAX);
	/* A process that died before the message was in failed/ left it. */
	if (dispatch_find(d, report.id) != NULL ||
		dispatch_was_found(d, report.id))
		return report.id;
	if (gmail_means_loop(wish->advice)) {
		log_err("no-report id=%s from=%s reason=\"the message goes "
			"round in circles, and so would a report\" advice=%s",
			hex64(id, env->id), log_text(&text, env->reverse_path),
			log_text(&hint, wish->advice));
		return 0;
	}
	if (report.to == NULL) {
		if (env->reverse_path[0] != '\0' && !env->report)
			log_warn("no-report id=%s from=%s reason=\"this sender "
				 "cannot be reached: set postmaster\"",
				hex64(id, env->id),
				log_text(&text, env->reverse_path));
		return 0;
	}
	if (print_report(&report, out, &err) != 0) {
		log_err("report-failed id=%s reason=%s", hex64(id, env->id),
			log_text(&text, err.text));
		buf_clear(out);
	}
	return report.id;
}

bool dispatch_report_now(struct dispatch *d, const struct envelope *env,
	enum report_kind kind, const char *advice)
{
	struct log_text address;
	struct address scratch;
	const char *to = report_recipient(env, d->names, &scratch);
	char id[HEX64_SIZE];

	/* Nobody is told, which is not to be put off. */
	if (to == NULL || gmail_means_loop(advice) ||
		report_cap_take(
			d->cap, report_cap_key(d->cap, to), clock_boot_ms()))
		return true;
	if (kind == REPORT_FAILED)
		log_info("report-later id=%s to=%s", hex64(id, env->id),
			log_text(&address, to));
	else
		log_info("no-notice id=%s to=%s reason=\"%d reports went there "
			 "within an hour\"",
			hex64(id, env->id), log_text(&address, to),
			REPORT_CAP_SINGLES);
	return false;
}

uint64_t dispatch_report_key(
	const struct dispatch *d, const struct envelope *env)
{
	struct address scratch;
	const char *to;

	if (report_count(REPORT_FAILED, env) == 0)
		return 0;
	to = report_recipient(env, d->names, &scratch);
	return to != NULL ? report_cap_key(d->cap, to) : 0;
}

/* Failures can wait for a digest; success was asked for one by one. */
uint64_t dispatch_report_outcome(struct dispatch *d, struct report_wish *wish,
	struct envelope *env, struct buf *out)
{
	uint64_t report_key;

	if (!report_is_due(env, &wish->kind))
		return 0;
	if (wish->kind == REPORT_FAILED &&
		!dispatch_report_now(d, env, REPORT_FAILED, wish->advice)) {
		if (report_count(REPORT_RELAYED, env) == 0)
			return 0;
		wish->kind = REPORT_RELAYED;
	}
	if (wish->kind == REPORT_RELAYED)
		wish->advice = NULL;
	report_key = dispatch_report(d, wish, out);
	report_mark_told(wish->kind, env);
	report_mark_told(REPORT_RELAYED, env);
	return report_key;
}
