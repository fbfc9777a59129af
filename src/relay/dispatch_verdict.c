/*
 * dispatch_verdict.c - what one transaction means for its message, and what the
 *                      log says of it.
 */
#include "config.h"

#include "relay/dispatch_verdict.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"

#include <stdio.h>

/* Recipients put off that are named in the log, a transaction; who is refused
 * for good is named always. */
#define DEFERRED_NAMED_MAX 10

/* An unknown 5xx to the whole message: for now it may be the account's fault.
 * The second time, with a success in between, it is the message's. All were
 * refused before the round ended, in however many transactions. */
static bool suspicion_confirmed(const struct message *m, struct account *a,
	const struct envelope_rcpt *r)
{
	return r->reply != NULL && r->reply[0] == '5' &&
	       account_had_success_since(a, m->round_ms);
}

static void note_said(
	struct verdict *v, enum said_kind kind, const struct envelope_rcpt *r)
{
	if (v->said[kind].words == NULL)
		v->said[kind] = (struct said){r->address, r->reply};
}

struct said verdict_said(
	const struct verdict *v, const struct attempt *t, enum said_kind wanted)
{
	int kind = SAID_COUNT;

	if (v->said[wanted].words != NULL)
		return v->said[wanted];
	while (--kind >= 0)
		if (v->said[kind].words != NULL)
			return v->said[kind];
	return (struct said){t->delivery.rcpts[0].address, ""};
}

static bool has_failed(const struct envelope_rcpt *r)
{
	return r->state == RCPT_FAILED || r->state == RCPT_REPORTED;
}

struct said verdict_said_of_failed(const struct envelope *env)
{
	const char *reply;
	size_t i;

	for (i = 0; i < env->rcpt_count; i++) {
		if (!has_failed(&env->rcpts[i]))
			continue;
		reply = env->rcpts[i].reply;
		return (struct said){
			env->rcpts[i].address, reply != NULL ? reply : ""};
	}
	bug("a message failed for nobody");
}

/* An earlier transaction's refusals are judged again by the words that were
 * kept. */
const char *verdict_advice(const struct verdict *v, const struct envelope *env)
{
	const struct gmail_rule *rule;
	struct reply reply;
	size_t i;

	for (i = 0; v->advice == NULL && i < env->rcpt_count; i++) {
		const struct envelope_rcpt *r = &env->rcpts[i];

		if (!report_is_wanted(REPORT_FAILED, r) || r->reply == NULL ||
			reply_scan(&reply, r->reply) != 0)
			continue;
		rule = gmail_judge(PHASE_RCPT, &reply);
		if (rule->action == ACTION_FAIL)
			return rule->advice;
	}
	return v->advice;
}

void verdict_log_refused(const struct attempt *t)
{
	const struct delivery *delivery = &t->delivery;
	size_t i, deferred = 0;
	char id[HEX64_SIZE];

	hex64(id, t->env->id);
	for (i = 0; delivery->rcpt_count > 1 && i < delivery->rcpt_count; i++) {
		const enum rcpt_outcome outcome = delivery->rcpts[i].outcome;
		const struct envelope_rcpt *r =
			&t->env->rcpts[delivery->rcpts[i].index];
		const bool failed = r->state == RCPT_FAILED;
		struct log_text to, reply;

		if (outcome == OUTCOME_UNTRIED || outcome == OUTCOME_SPLIT ||
			outcome == OUTCOME_SENDER ||
			outcome == OUTCOME_DELIVERED ||
			(!failed && ++deferred > DEFERRED_NAMED_MAX))
			continue;
		log_info("refused id=%s to=%s result=%s reply=%s", id,
			log_text(&to, r->address),
			failed ? "failed" : "deferred",
			log_text(&reply, r->reply));
	}
	if (deferred > DEFERRED_NAMED_MAX)
		log_info("refused id=%s more=%zu result=deferred", id,
			deferred - DEFERRED_NAMED_MAX);
}

void verdict_log_alarm(const struct attempt *t, const struct account *a)
{
	const struct delivery_rcpt *r = t->delivery.rcpts;
	const struct delivery_rcpt *end = r + t->delivery.rcpt_count;
	char id[HEX64_SIZE], words[ENVELOPE_REPLY_MAX];
	struct log_text name, reply, advice;

	while (r < end &&
		(r->rule == NULL || !gmail_is_alarming(r->rule, t->attempt)))
		r++;
	if (r == end)
		return;
	reply_print(&r->reply, words, sizeof(words));
	log_err("alarm id=%s account=%s reply=%s advice=%s",
		hex64(id, t->env->id),
		log_text(&name, account_settings(a)->name),
		log_text(&reply, words), log_text(&advice, r->rule->advice));
}

/* The next transaction of this message goes with the account's own address;
 * that is as if this one had not been. */
static void change_sender(struct attempt *t, const struct delivery_rcpt *result)
{
	char id[HEX64_SIZE], words[ENVELOPE_REPLY_MAX];
	struct log_text from, reply;

	if (t->message->own_sender)
		return;
	t->message->own_sender = true;
	reply_print(&result->reply, words, sizeof(words));
	log_warn("sender-refused id=%s from=%s reply=%s advice=\"it is sent "
		 "with the account's own address in the envelope\"",
		hex64(id, t->env->id),
		log_text(&from, t->delivery.reverse_path),
		log_text(&reply, words));
}

void verdict_judge(struct verdict *v, struct account *a, struct attempt *t,
	const struct delivery_rcpt *result)
{
	struct envelope_rcpt *r = &t->env->rcpts[result->index];
	enum rcpt_outcome outcome = result->outcome;
	char words[ENVELOPE_REPLY_MAX];

	v->split += outcome == OUTCOME_SPLIT || outcome == OUTCOME_SENDER;
	if (outcome == OUTCOME_SENDER)
		change_sender(t, result);
	if (outcome == OUTCOME_UNTRIED || outcome == OUTCOME_SPLIT ||
		outcome == OUTCOME_SENDER)
		return;
	if (outcome == OUTCOME_SUSPECT) {
		outcome = suspicion_confirmed(t->message, a, r) ? OUTCOME_FAIL
								: OUTCOME_RETRY;
		account_suspect(a, t->env->id, &result->reply);
	}
	reply_print(&result->reply, words, sizeof(words));
	if (envelope_set_reply(r, words) != 0)
		bug("out of memory for a reply");
	switch (outcome) {
	case OUTCOME_DELIVERED:
		r->state = RCPT_DELIVERED;
		/* RFC 3461 5.2.1: then it is not for us to report */
		if (t->delivery.dsn_passed)
			r->notify &= ~(unsigned)DSN_SUCCESS;
		v->delivered++;
		note_said(v, SAID_DELIVERED, r);
		break;
	case OUTCOME_FAIL:
		r->state = RCPT_FAILED;
		v->failed++;
		note_said(v, SAID_FAILED, r);
		if (report_is_wanted(REPORT_FAILED, r))
			v->advice = result->rule != NULL ? result->rule->advice
							 : NULL;
		break;
	default:
		r->tried = true;
		v->refused++;
		note_said(v, SAID_DEFERRED, r);
		break;
	}
}

/* Nobody said anything about them: as if they were refused for now. */
static void put_off(struct verdict *v, struct attempt *t, const char *why)
{
	struct envelope_rcpt *r;
	size_t i;

	for (i = 0; i < t->delivery.rcpt_count; i++) {
		r = &t->env->rcpts[t->delivery.rcpts[i].index];
		if (t->delivery.rcpts[i].outcome != OUTCOME_UNTRIED)
			continue;
		v->refused++;
		r->tried = true;
		if (envelope_set_reply(r, why) != 0)
			bug("out of memory for a reply");
		note_said(v, SAID_DEFERRED, r);
	}
}

void verdict_doubt(struct verdict *v, struct attempt *t)
{
	struct log_text from;
	char id[HEX64_SIZE];

	log_warn("in-doubt id=%s from=%s nrcpt=%zu reason=\"the answer to the "
		 "last byte was lost: sent again with the same Message-ID, "
		 "recipients may see it twice\"",
		hex64(id, t->env->id), log_text(&from, t->env->reverse_path),
		t->delivery.rcpt_count);
	/* Counted like a refusal, so that a server that always drops here does
	 * not get it every few seconds. */
	put_off(v, t, "the answer to the last byte was lost");
}

void verdict_cut(struct verdict *v, struct account *a, struct attempt *t)
{
	struct message *m = t->message;
	/* rounded up: what went through in the same second was before */
	const int64_t before_ms = (m->cut_s + INT64_C(1)) * 1000;
	const bool first = m->cut_s == 0;

	m->cut_s = (uint32_t)(clock_boot_ms() / 1000);
	if (!first && account_had_success_since(a, before_ms))
		put_off(v, t,
			"the connection was lost in the middle of the message, "
			"again");
}

void verdict_give_up(struct verdict *v, struct envelope *env)
{
	size_t i;

	for (i = 0; i < env->rcpt_count; i++)
		if (env->rcpts[i].state == RCPT_PENDING) {
			env->rcpts[i].state = RCPT_FAILED;
			v->failed++;
		}
}

/* Behind the numbers of the transaction those of the message, where it had
 * several; then the next time. */
static void print_rest(
	const struct envelope *env, size_t nrcpt, int64_t next_ms, char out[80])
{
	int n = 0;

	out[0] = '\0';
	if (nrcpt < env->rcpt_count)
		n = snprintf(out, 80, " message_nrcpt=%zu message_failed=%zu",
			env->rcpt_count,
			envelope_count(env, RCPT_FAILED) +
				envelope_count(env, RCPT_REPORTED));
	if (next_ms >= 0)
		snprintf(out + n, 80 - (size_t)n, " next=%llds",
			(long long)(next_ms / 1000));
}

void verdict_log(const struct verdict *v, const struct attempt *t,
	const char *event, const struct said *said, int64_t next_ms)
{
	const struct envelope *env = t->env;
	struct log_text from, to, reply;
	char id[HEX64_SIZE], rest[80];

	print_rest(env, t->delivery.rcpt_count, next_ms, rest);
	log_info("%s id=%s from=%s to=%s nrcpt=%zu delivered=%zu failed=%zu "
		 "deferred=%zu size=%llu attempt=%u delay=%.1fs took=%.2fs "
		 "reply=%s%s",
		event, hex64(id, env->id), log_text(&from, env->reverse_path),
		log_text(&to, said->address), t->delivery.rcpt_count,
		v->delivered, v->failed, v->refused,
		(unsigned long long)env->size, t->attempt,
		(double)env->waited_ms / 1000,
		(double)(clock_boot_ms() - t->begun_ms) / 1000,
		log_text(&reply, said->words), rest);
}
