/*
 * dispatch.c - all messages in the spool: which there are, which is due.
 */
#include "config.h"

#include "relay/dispatch.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/journal.h"
#include "spool/queue.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* Longer than any message waits: more than that was a clock's jump. */
#define AGE_MAX_S (366 * 24 * 3600)

static const char *const state_names[] = {
	[MESSAGE_WAITING] = "waiting",
	[MESSAGE_SENDING] = "sending",
	[MESSAGE_HELD] = "held",
	[MESSAGE_FAILED] = "failed",
};

const char *message_state_name(enum message_state state)
{
	return state_names[state];
}

void dispatch_settle_soon(struct dispatch *d)
{
	event_active(d->settle, 0, 0);
}

static struct message *message_of(struct by_id *node)
{
	return node == NULL
		       ? NULL
		       : (struct message *)((char *)node -
					    offsetof(struct message, by_id));
}

struct slot *dispatch_slot(const struct dispatch *d, const struct message *m)
{
	return &d->slots[m->slot];
}

uint8_t dispatch_route(struct dispatch *d, const char *account)
{
	struct log_text name;
	size_t i;

	if (account[0] == '\0')
		return 0;
	for (i = 0; i < d->conf->account_count; i++)
		if (strcasecmp(d->conf->accounts[i].name, account) == 0)
			return (uint8_t)i;
	if (!d->told_account)
		log_warn("no-account name=%s account=%s reason=\"mail that is "
			 "in the queue names an account that the configuration "
			 "has no more: this one sends it\"",
			log_text(&name, account), d->conf->accounts[0].name);
	d->told_account = true;
	return 0;
}

static void put_into(
	struct dispatch *d, struct message *m, uint8_t slot, int64_t due_ms)
{
	m->slot = slot;
	m->paused_ms = account_paused_total_ms(dispatch_slot(d, m)->account);
	if (schedule_add(
		    dispatch_slot(d, m)->schedule, &m->scheduled, due_ms) != 0)
		bug("out of memory for the schedule");
	dispatch_tell_if_paused(d, m);
	dispatch_settle_soon(d);
}

struct message *dispatch_add(struct dispatch *d, uint64_t id,
	const struct journal_place *place, uint8_t slot, int64_t due_ms)
{
	struct message *m = xcalloc(1, sizeof(*m));

	m->id = id;
	if (place != NULL)
		m->place = *place;
	m->since_ms = m->round_ms = clock_boot_ms();
	m->arrived_s = (int32_t)(m->since_ms / 1000);
	by_id_add(&d->messages, &m->by_id);
	put_into(d, m, slot, due_ms);
	return m;
}

/* By the clock on the wall, so that the time counts in which nothing ran;
 * unless that clock has jumped. */
void dispatch_set_age(struct message *m, int64_t waited_ms, int64_t arrived_s)
{
	int64_t age_s = clock_wall_s() - arrived_s;

	if (age_s < waited_ms / 1000 || age_s - waited_ms / 1000 > AGE_MAX_S)
		age_s = waited_ms / 1000;
	m->arrived_s = (int32_t)(clock_boot_ms() / 1000 - age_s);
}

bool dispatch_reroute(
	struct dispatch *d, struct message *m, const struct envelope *env)
{
	const uint8_t slot = dispatch_route(d, env->account);

	if (slot == m->slot)
		return false;
	schedule_remove(dispatch_slot(d, m)->schedule, &m->scheduled);
	put_into(d, m, slot, clock_boot_ms());
	return true;
}

void dispatch_drop(struct dispatch *d, struct message *m)
{
	dispatch_set_stage(d, m, STAGE_WAIT);
	schedule_remove(dispatch_slot(d, m)->schedule, &m->scheduled);
	by_id_remove(&d->messages, &m->by_id);
	free(m);
	/* Another one may be the first now: it has its timer to be set. */
	dispatch_settle_soon(d);
}

void dispatch_set_stage(
	struct dispatch *d, struct message *m, enum message_stage stage)
{
	d->sending -= m->stage == STAGE_SEND;
	d->held -= m->stage == STAGE_HOLD;
	m->stage = (uint8_t)stage;
	d->sending += m->stage == STAGE_SEND;
	d->held += m->stage == STAGE_HOLD;
	if (stage == STAGE_WAIT)
		return;
	schedule_move(
		dispatch_slot(d, m)->schedule, &m->scheduled, SCHEDULE_NEVER);
	/* Another one is the first now: it has its timer to be set. */
	dispatch_settle_soon(d);
}

void dispatch_wait_until(struct dispatch *d, struct message *m, int64_t due_ms)
{
	dispatch_set_stage(d, m, STAGE_WAIT);
	schedule_move(dispatch_slot(d, m)->schedule, &m->scheduled, due_ms);
	dispatch_settle_soon(d);
}

struct message *dispatch_find(const struct dispatch *d, uint64_t id)
{
	return message_of(by_id_find(&d->messages, id));
}

struct message *dispatch_above(const struct dispatch *d, uint64_t after_id)
{
	return message_of(by_id_above(&d->messages, after_id));
}

/* While a job moves it to failed/ it is in one of them, or in both. */
static int load_file(struct dispatch *d, const struct message *m,
	struct envelope **env_out, struct content **content_out,
	struct err *err)
{
	if (queue_read(d->queue_fd, d->large_fd, m->id, env_out, content_out,
		    err) == 0)
		return 0;
	if (m->stage != STAGE_DISK)
		return -1;
	return queue_read(
		d->failed_fd, d->large_fd, m->id, env_out, content_out, err);
}

int dispatch_load(struct dispatch *d, const struct message *m,
	struct envelope **env_out, struct content **content_out,
	struct err *err)
{
	struct envelope *env;
	struct buf record;
	size_t used = 0;

	if (m->place.segment == NULL)
		return load_file(d, m, env_out, content_out, err);
	buf_init(&record, JOURNAL_RECORD_MAX);
	if (journal_reader_read(d->journal, &m->place, &record, err) != 0) {
		buf_free(&record);
		return -1;
	}
	env = envelope_parse(record.data + JOURNAL_HEAD_SIZE,
		record.len - JOURNAL_HEAD_SIZE, &used, err);
	used += JOURNAL_HEAD_SIZE;
	if (env != NULL && env->id == m->id && env->body_name == 0 &&
		record.len - used == env->size) {
		if (content_out != NULL)
			*content_out = content_of_buf(&record, used);
	} else if (env != NULL && env->id == m->id && env->body_name != 0) {
		if (content_out != NULL) {
			*content_out =
				content_of_file(d->large_fd, env->body_name,
					env->size, env->body_check, err);
			if (*content_out == NULL)
				envelope_free(&env);
		}
	} else if (env != NULL) {
		err_set(err, ERR_DAMAGED, "the record does not fit its size");
		envelope_free(&env);
	}
	buf_free(&record);
	*env_out = env;
	return env != NULL ? 0 : -1;
}

size_t dispatch_due(void *arg, struct account *a, size_t max)
{
	const struct dispatch *d = arg;
	size_t i;

	for (i = 0; i < d->slot_count; i++)
		if (d->slots[i].account == a)
			break;
	if (i == d->slot_count || dispatch_disk_busy(d))
		return 0;
	return schedule_due(d->slots[i].schedule, clock_boot_ms(), max);
}

void dispatch_on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *d = arg;
	int64_t now = clock_boot_ms(), next = SCHEDULE_NEVER;
	const struct scheduled *first;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < d->slot_count && !d->draining; i++) {
		first = schedule_first(d->slots[i].schedule);
		if (first == NULL)
			continue;
		if (first->due_ms <= now)
			account_wake(d->slots[i].account);
		else if (first->due_ms < next)
			next = first->due_ms;
	}
	if (next == SCHEDULE_NEVER) {
		evtimer_del(d->due);
		return;
	}
	loop_after(d->due, next - now + 1);
}

/* Settling looks at what is due, and sets the timers of what is not. */
void dispatch_clock_jumped(struct dispatch *d)
{
	dispatch_settle_soon(d);
	dispatch_arm_digest(d);
}

void dispatch_drain(struct dispatch *d)
{
	size_t i;

	d->draining = true;
	for (i = 0; i < d->slot_count; i++)
		account_drain(d->slots[i].account);
}

bool dispatch_idle(const struct dispatch *d)
{
	size_t i;

	for (i = 0; i < d->slot_count; i++)
		if (!account_idle(d->slots[i].account))
			return false;
	return worker_pending(d->mover) == 0;
}

struct journal_reader *dispatch_journal(const struct dispatch *d)
{
	return d->journal;
}

size_t dispatch_account_count(const struct dispatch *d)
{
	return d->slot_count;
}

struct account *dispatch_account(const struct dispatch *d, size_t index)
{
	return d->slots[index].account;
}
