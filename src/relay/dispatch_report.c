/*
 * dispatch_report.c - reports about messages, as messages.
 */
#include "config.h"

#include "base/conf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/queue.h"

#include <stdio.h>
#include <string.h>

/* Puts envelope and report into a queue file's form. */
static int print_report(
	const struct report *r, struct buf *out, struct err *err)
{
	struct envelope *about = envelope_new();
	struct buf message;
	int rc = -1;

	buf_init(&message, REPORT_SIZE_MAX);
	if (about == NULL || envelope_add_rcpt(about, r->to) != 0) {
		err_set(err, ERR_SYSTEM, "out of memory");
	} else if (report_write(r, &message, err) == 0) {
		about->id = r->id;
		about->arrived_s = r->now_s;
		about->report = true;
		/* What it needs itself, not what it tells of. */
		about->smtputf8 = about->eight_bit =
			!string_is_ascii(r->to) || !string_is_ascii(r->from);
		about->size = message.len;
		snprintf(about->client, sizeof(about->client), "gmrelayd");
		memcpy(about->account, r->original->account,
			sizeof(about->account));
		rc = envelope_print(about, out) |
		     buf_add(out, message.data, message.len);
		if (rc != 0)
			err_set(err, ERR_LIMIT, "the report is too long");
	}
	envelope_free(&about);
	buf_free(&message);
	return rc;
}

/* What a report is about: this message, and what was not yet reported. The same
 * again after a crash, another one for another report. */
static uint64_t report_about(const struct envelope *env)
{
	uint64_t reported = envelope_count(env, RCPT_REPORTED);

	return hash_of(env->id, env->requeued, &reported, sizeof(reported));
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
	if (dispatch_find(d, report.id) != NULL)
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

void dispatch_mark_reported(struct envelope *env)
{
	size_t i;

	for (i = 0; i < env->rcpt_count; i++)
		if (env->rcpts[i].state == RCPT_FAILED)
			env->rcpts[i].state = RCPT_REPORTED;
}
