/*
 * dispatch_send.c - transactions, and what became of them.
 *
 * A message's recipients are tried a hundred at a time. What Gmail says about a
 * recipient or the message is kept with it; what it says about the connection
 * or the account changes nothing here: such recipients come back untried.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "proto/address.h"
#include "proto/sender.h"
#include "relay/delivery.h"
#include "relay/dispatch_internal.h"
#include "relay/dispatch_verdict.h"
#include "spool/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void free_attempt(struct attempt *t)
{
	content_free(&t->delivery.content);
	envelope_free(&t->env);
	free(t->delivery.rcpts);
	free(t);
}

static bool is_untried(const struct envelope_rcpt *r)
{
	return r->state == RCPT_PENDING && !r->tried;
}

static bool any_untried(const struct envelope *env)
{
	size_t i;

	for (i = 0; i < env->rcpt_count; i++)
		if (is_untried(&env->rcpts[i]))
			return true;
	return false;
}

/* Everybody once a round; when all were tried, the next round begins. */
static void choose_recipients(struct attempt *t, size_t max)
{
	struct envelope *env = t->env;
	struct delivery *delivery = &t->delivery;
	bool next_round = !any_untried(env);
	size_t i;

	if (max > env->rcpt_count)
		max = env->rcpt_count;
	delivery->rcpts = xcalloc(max > 0 ? max : 1, sizeof(*delivery->rcpts));
	for (i = 0; i < env->rcpt_count; i++) {
		struct envelope_rcpt *r = &env->rcpts[i];

		if (next_round)
			r->tried = false;
		if (!is_untried(r) || delivery->rcpt_count == max)
			continue;
		delivery->rcpts[delivery->rcpt_count++] =
			(struct delivery_rcpt){.address = r->address,
				.index = i,
				.notify = r->notify,
				.orcpt = r->orcpt};
	}
}

/* RFC 3461 5.2.1, where reports of further servers would reach the one who
 * asked: under another reverse-path they would reach somebody else. */
static void choose_dsn(struct attempt *t)
{
	struct delivery *delivery = &t->delivery;

	delivery->ret = t->env->ret;
	delivery->envid = t->env->envid;
	delivery->pass_dsn =
		strcmp(delivery->reverse_path, t->env->reverse_path) == 0;
}

static struct attempt *make_attempt(struct dispatch *d, struct message *m,
	unsigned rcpt_max, struct err *err)
{
	struct attempt *t = xcalloc(1, sizeof(*t));
	const struct conf_account *settings =
		account_settings(dispatch_slot(d, m)->account);

	t->message = m;
	t->begun_ms = clock_boot_ms();
	if (dispatch_load(d, m, &t->env, &t->delivery.content, err) != 0) {
		free(t);
		return NULL;
	}
	t->attempt = t->env->attempts + 1;
	t->delivery.id = m->id;
	t->delivery.size = t->env->size;
	t->delivery.eight_bit = t->env->eight_bit;
	t->delivery.report = t->env->report;
	t->delivery.tried = t->env->attempts > 0;
	t->delivery.reverse_path =
		m->own_sender ? settings->username
			      : sender_reverse_path(&settings->sender,
					t->env->reverse_path);
	t->delivery.own_sender =
		address_same(t->delivery.reverse_path, settings->username);
	choose_dsn(t);
	choose_recipients(
		t, rcpt_max < DELIVERY_RCPT_MAX ? rcpt_max : DELIVERY_RCPT_MAX);
	/* What was not asked for is not in the header. */
	delivery_find_needs(&t->delivery, t->env->smtputf8);
	return t;
}

/* It may be readable again: no descriptors, no memory, a disk that comes and
 * goes. */
void dispatch_read_later(
	struct dispatch *d, struct message *m, const struct err *err)
{
	struct log_text text;
	char id[HEX64_SIZE];

	log_err("spool-read-failed id=%s reason=%s retry=%ds", hex64(id, m->id),
		log_text(&text, err->text), UNREADABLE_RETRY_MS / 1000);
	dispatch_wait_until(d, m, clock_boot_ms() + UNREADABLE_RETRY_MS);
}

/* One that failed for somebody was not put here by us, but by a person, from
 * failed/ perhaps: nothing of it is to go unseen. */
static void end_without_pending(struct dispatch *d, struct attempt *t)
{
	struct envelope *env = t->env;

	if (envelope_count(env, RCPT_FAILED) +
			envelope_count(env, RCPT_REPORTED) >
		0)
		dispatch_fail(d, t->message, env, t->delivery.content, NULL, 0);
	else
		dispatch_done(d, t->message, env->body_name);
}

struct delivery *dispatch_next(void *arg, struct account *a, unsigned rcpt_max)
{
	struct dispatch *d = arg;
	struct attempt *t;
	struct message *m;
	struct err err;
	size_t i = 0;

	while (d->slots[i].account != a)
		i++;
	while (!d->draining && !dispatch_disk_busy(d)) {
		m = (struct message *)schedule_first(d->slots[i].schedule);
		if (m == NULL || m->scheduled.due_ms > clock_boot_ms())
			return NULL;
		t = make_attempt(d, m, rcpt_max, &err);
		if (t != NULL && dispatch_reroute(d, m, t->env)) {
			free_attempt(t);
			continue;
		}
		if (t != NULL && t->env->hold) {
			/* It could not be read when it was taken up. */
			dispatch_set_stage(d, m, STAGE_HOLD);
			free_attempt(t);
			continue;
		}
		if (t != NULL && t->delivery.rcpt_count == 0) {
			end_without_pending(d, t);
			free_attempt(t);
			continue;
		}
		if (t != NULL) {
			dispatch_set_stage(d, m, STAGE_SEND);
			d->counters->relay->attempts++;
			return &t->delivery;
		}
		if (err.kind == ERR_DAMAGED)
			dispatch_damaged(d, m, &err);
		else
			dispatch_read_later(d, m, &err);
	}
	return NULL;
}

void dispatch_count_time(
	const struct dispatch *d, struct message *m, struct envelope *env)
{
	int64_t now = clock_boot_ms();
	int64_t paused = account_paused_total_ms(dispatch_slot(d, m)->account);
	int64_t waited = now - m->since_ms;
	int64_t own = waited - (paused - m->paused_ms);

	env->waited_ms += waited > 0 ? (uint64_t)waited : 0;
	/* Nor does the time count in which somebody held it. */
	if (env->refused && !env->hold && own > 0)
		env->refused_ms += (uint64_t)own;
	m->since_ms = now;
	m->paused_ms = paused;
}

/* Some refusals name a longer wait than the schedule has. */
static void note_named_waits(
	struct message *m, unsigned attempts, const struct delivery *delivery)
{
	int64_t wait_s;
	size_t i;

	for (i = 0; i < delivery->rcpt_count; i++) {
		const struct delivery_rcpt *r = &delivery->rcpts[i];

		if (r->outcome != OUTCOME_RETRY || r->rule == NULL)
			continue;
		wait_s = gmail_pause_ms(r->rule->pause, attempts) / 1000;
		if (wait_s > m->named_wait_s)
			m->named_wait_s = (uint32_t)wait_s;
	}
}

/* The round is over, in however many transactions. */
static int64_t end_round(
	const struct dispatch *d, struct message *m, struct envelope *env)
{
	const int64_t named = m->named_wait_s * INT64_C(1000);
	int64_t wait;

	env->attempts++;
	m->round_ms = clock_boot_ms();
	m->named_wait_s = 0;
	wait = schedule_retry_ms(d->conf, env->attempts);
	return wait > named ? wait : named;
}

/* What is to be told of those with whom it is over, if anything. */
static uint64_t write_outcome(struct dispatch *d, struct attempt *t,
	const struct verdict *v, struct buf *out)
{
	struct report_wish wish = {t->message, t->env, t->delivery.content,
		REPORT_FAILED, verdict_advice(v, t->env)};

	return dispatch_report_outcome(d, &wish, t->env, out);
}

static void finish_delivered(
	struct dispatch *d, struct attempt *t, struct verdict *v)
{
	const struct said said = verdict_said(v, t, SAID_DELIVERED);
	struct message *m = t->message;
	uint64_t report_key;
	struct buf report;

	buf_init(&report, QUEUE_FILE_MAX);
	verdict_log(v, t, "delivered", &said, -1);
	d->counters->relay->delivered++;
	dispatch_tell(d, m->id, "delivered", said.words, true);
	report_key = write_outcome(d, t, v, &report);
	if (report.len > 0)
		dispatch_done_told(
			d, m, t->env->body_name, &report, report_key);
	else
		dispatch_done(d, m, t->env->body_name);
}

/* No recipient is left to be tried. */
static void finish(struct dispatch *d, struct attempt *t, struct verdict *v)
{
	struct envelope *env = t->env;
	struct message *m = t->message;
	bool failed = envelope_count(env, RCPT_FAILED) +
			      envelope_count(env, RCPT_REPORTED) >
		      0;
	uint64_t report_key;
	struct buf report;
	struct said said;

	if (!failed) {
		finish_delivered(d, t, v);
		return;
	}
	buf_init(&report, QUEUE_FILE_MAX);
	said = verdict_said_of_failed(env);
	verdict_log(v, t, "failed", &said, -1);
	d->counters->relay->failed++;
	dispatch_tell(d, m->id, "failed", said.words, true);
	if (env->reason == NULL && said.words[0] != '\0')
		(void)envelope_set_reason(env, said.words);
	report_key = write_outcome(d, t, v, &report);
	dispatch_fail(d, m, env, t->delivery.content, &report, report_key);
}

/* A round is over, and somebody still waits. */
static uint64_t tell_meanwhile(struct dispatch *d, struct attempt *t,
	const struct verdict *v, struct buf *report)
{
	const struct report_wish notice = {t->message, t->env,
		t->delivery.content, REPORT_DELAYED, v->advice};
	struct envelope *env = t->env;
	struct address scratch;
	enum report_kind kind;
	uint64_t report_key = 0;

	if (report_is_due(env, &kind)) {
		report_key = write_outcome(d, t, v, report);
	} else if (!env->notified && !env->report &&
		   (int64_t)env->waited_ms > d->conf->delay_notice_ms &&
		   report_count(REPORT_DELAYED, env) > 0 &&
		   report_recipient(env, d->names, &scratch) != NULL) {
		/* One that is left out is not made up for: the report comes
		 * anyhow. */
		if (dispatch_report_now(d, env, REPORT_DELAYED, v->advice))
			report_key = dispatch_report(d, &notice, report);
		env->notified = true;
	}
	return report_key;
}

/* Recipients are left: later, or at once in a further transaction. */
static void go_on(struct dispatch *d, struct attempt *t, struct verdict *v)
{
	struct envelope *env = t->env;
	struct message *m = t->message;
	int64_t wait = any_untried(env) ? 0 : v->retry_ms;
	const struct said said = verdict_said(v, t, SAID_DEFERRED);
	uint64_t report_key = 0;
	struct buf report;

	buf_init(&report, QUEUE_FILE_MAX);
	verdict_log(v, t, v->refused > 0 ? "deferred" : "split", &said, wait);
	dispatch_tell(d, m->id, "deferred",
		v->refused > 0 ? said.words
			       : "the rest in a further transaction",
		false);
	d->counters->relay->deferred += v->refused > 0;
	/* One report a round: who else fails is told of in the same. */
	if (!any_untried(env))
		report_key = tell_meanwhile(d, t, v, &report);
	dispatch_save(d, m, env, t->delivery.content, clock_boot_ms() + wait,
		&report, report_key);
}

static bool expired(const struct dispatch *d, const struct envelope *env)
{
	return env->refused && (int64_t)env->refused_ms > d->conf->expire_ms;
}

void dispatch_finished(void *arg, struct account *a, struct delivery *delivery)
{
	struct attempt *t = (struct attempt *)delivery;
	struct verdict v = {0};
	struct dispatch *d = arg;
	struct message *m = t->message;
	struct envelope *env = t->env;
	size_t i;

	dispatch_set_stage(d, m, STAGE_WAIT);
	if (delivery->damaged && delivery->problem.kind == ERR_DAMAGED) {
		dispatch_damaged(d, m, &delivery->problem);
		free_attempt(t);
		return;
	}
	for (i = 0; i < delivery->rcpt_count; i++)
		verdict_judge(&v, a, t, &delivery->rcpts[i]);
	if (delivery->in_doubt) {
		verdict_doubt(&v, t);
		d->counters->relay->in_doubt++;
	} else if (delivery->cut && !delivery->damaged) {
		verdict_cut(&v, a, t);
	}
	d->counters->relay->delivered_recipients += v.delivered;
	if (v.delivered + v.failed + v.refused + v.split == 0) {
		/* Not this message's matter: as if nothing had been. */
		if (delivery->damaged)
			dispatch_read_later(d, m, &delivery->problem);
		else
			dispatch_wait_until(d, m, clock_boot_ms());
		free_attempt(t);
		return;
	}
	verdict_log_refused(t);
	verdict_log_alarm(t, a);
	dispatch_count_time(d, m, env);
	if (v.refused > 0)
		env->refused = true;
	note_named_waits(m, env->attempts, delivery);
	if (envelope_count(env, RCPT_PENDING) > 0 && !any_untried(env))
		v.retry_ms = end_round(d, m, env);
	if (expired(d, env)) {
		verdict_give_up(&v, env);
		(void)envelope_set_reason(env, "given up after the time set by "
					       "expire");
	}
	if (envelope_count(env, RCPT_PENDING) == 0)
		finish(d, t, &v);
	else
		go_on(d, t, &v);
	free_attempt(t);
}
