/*
 * dispatch.c - all messages in the spool: which there are, which is due.
 */
#include "config.h"

#include "relay/dispatch.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/journal.h"
#include "spool/queue.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* failed/ is looked through this often, while something is in it. */
#define FAILED_LOOK_S (6 * 3600)

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
	put_into(d, m, slot, due_ms);
	return m;
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
	free(m);
}

void dispatch_set_stage(
	struct dispatch *d, struct message *m, enum message_stage stage)
{
	d->sending -= m->stage == STAGE_SEND;
	d->held -= m->stage == STAGE_HOLD;
	m->stage = (uint8_t)stage;
	d->sending += m->stage == STAGE_SEND;
	d->held += m->stage == STAGE_HOLD;
	if (stage != STAGE_WAIT)
		schedule_move(dispatch_slot(d, m)->schedule, &m->scheduled,
			SCHEDULE_NEVER);
}

void dispatch_wait_until(struct dispatch *d, struct message *m, int64_t due_ms)
{
	dispatch_set_stage(d, m, STAGE_WAIT);
	schedule_move(dispatch_slot(d, m)->schedule, &m->scheduled, due_ms);
	dispatch_settle_soon(d);
}

struct message *dispatch_find(const struct dispatch *d, uint64_t id)
{
	struct message *m;
	size_t s, i;

	for (s = 0; s < d->slot_count; s++)
		for (i = 0; i < schedule_count(d->slots[s].schedule); i++) {
			m = (struct message *)schedule_at(
				d->slots[s].schedule, i);
			if (m->id == id)
				return m;
		}
	return NULL;
}

/* Index of the first entry whose id is not below id. */
static size_t failed_place(const struct dispatch *d, uint64_t id)
{
	size_t low = 0, high = d->failed_count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (d->failed[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

struct failed_message *dispatch_find_failed(
	const struct dispatch *d, uint64_t id)
{
	size_t at = failed_place(d, id);

	return at < d->failed_count && d->failed[at].id == id ? &d->failed[at]
							      : NULL;
}

static void arm_failed_timer(struct dispatch *d);

void dispatch_remember_failed(
	struct dispatch *d, const struct failed_message *f)
{
	size_t at = failed_place(d, f->id), cap;
	struct failed_message *grown;

	if (at < d->failed_count && d->failed[at].id == f->id) {
		d->failed[at] = *f;
		return;
	}
	if (d->failed_count == d->failed_cap) {
		cap = d->failed_cap > 0 ? 2 * d->failed_cap : 16;
		grown = realloc(d->failed, cap * sizeof(*grown));
		if (grown == NULL)
			bug("out of memory for the list of failed messages");
		d->failed = grown;
		d->failed_cap = cap;
	}
	memmove(&d->failed[at + 1], &d->failed[at],
		(d->failed_count - at) * sizeof(*d->failed));
	d->failed[at] = *f;
	d->failed_count++;
	arm_failed_timer(d);
	d->on_change(d->change_arg);
}

void dispatch_forget_failed(struct dispatch *d, uint64_t id)
{
	size_t at = failed_place(d, id);

	if (at == d->failed_count || d->failed[at].id != id)
		return;
	d->failed_count--;
	memmove(&d->failed[at], &d->failed[at + 1],
		(d->failed_count - at) * sizeof(*d->failed));
	d->on_change(d->change_arg);
}

/* failed/ is kept for failed-keep; what is older goes. */
void dispatch_on_failed_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *d = arg;
	int64_t oldest = clock_wall_s() - d->conf->failed_keep_ms / 1000;
	size_t i = 0;
	char id[HEX64_SIZE];

	(void)fd;
	(void)what;
	while (i < d->failed_count) {
		if (d->failed[i].failed_s > oldest || d->failed[i].busy ||
			d->failed[i].damaged) {
			i++;
			continue;
		}
		log_info("failed-removed id=%s reason=failed-keep",
			hex64(id, d->failed[i].id));
		if (dispatch_delete(d, d->failed[i].id, NULL) != 0)
			dispatch_forget_failed(d, d->failed[i].id);
	}
	arm_failed_timer(d);
}

static void arm_failed_timer(struct dispatch *d)
{
	const struct timeval delay = {FAILED_LOOK_S, 0};

	if (d->failed_count > 0 && !evtimer_pending(d->failed_timer, NULL))
		evtimer_add(d->failed_timer, &delay);
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
	struct timeval delay;
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
	next -= now;
	delay.tv_sec = next / 1000;
	delay.tv_usec = next % 1000 * 1000 + 1000;
	evtimer_add(d->due, &delay);
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
