/*
 * dispatch_hand.c - what people ask for: lists, hold, retry, delete, follow.
 */
#include "config.h"

#include "base/log.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/queue.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void dispatch_counts(const struct dispatch *d, struct dispatch_counts *out)
{
	int64_t now_s = clock_boot_ms() / 1000, since_s = now_s;
	const struct message *m;
	size_t s, i;

	memset(out, 0, sizeof(*out));
	out->queued = d->messages.count;
	for (s = 0; s < d->slot_count; s++)
		for (i = 0; i < schedule_count(d->slots[s].schedule); i++) {
			m = (const struct message *)schedule_at(
				d->slots[s].schedule, i);
			if (m->arrived_s < since_s)
				since_s = m->arrived_s;
		}
	out->sending = d->sending;
	out->held = d->held;
	out->failed = d->failed.count;
	out->failed_unseen = d->failed_unseen;
	out->failed_untold = d->failed_untold;
	out->starting = !d->taken_up;
	out->oldest_ms = (now_s - since_s) * 1000;
}

size_t dispatch_failed_unseen(const struct dispatch *d)
{
	return d->failed_unseen;
}

static void fill_info(const struct dispatch *d, const struct message *m,
	struct message_info *out)
{
	int64_t left = m->scheduled.due_ms - clock_boot_ms();

	memset(out, 0, sizeof(*out));
	out->id = m->id;
	out->state = m->stage == STAGE_SEND                 ? MESSAGE_SENDING
		     : m->stage == STAGE_HOLD || m->to_hold ? MESSAGE_HELD
							    : MESSAGE_WAITING;
	out->in_journal = m->place.segment != NULL;
	out->next_ms = m->stage == STAGE_WAIT && left > 0 ? left : 0;
	out->account_waits = account_waits(dispatch_slot(d, m)->account);
}

/* While a job moves it to queue/ it is in one of them, or in both. */
static int load_failed(struct dispatch *d, const struct failed_message *f,
	struct envelope **env, struct content **content, struct err *err)
{
	if (queue_read(d->failed_fd, d->large_fd, f->id, env, content, err) ==
		0)
		return 0;
	if (!f->busy)
		return -1;
	return queue_read(d->queue_fd, d->large_fd, f->id, env, content, err);
}

static size_t list_failed(struct dispatch *d, uint64_t after_id,
	struct message_info *out, size_t max)
{
	const struct failed_message *f;
	size_t count = 0;

	while (count < max &&
		(f = dispatch_failed_above(d, after_id)) != NULL) {
		memset(&out[count], 0, sizeof(out[count]));
		out[count].id = after_id = f->id;
		out[count].state = MESSAGE_FAILED;
		(void)load_failed(d, f, &out[count].envelope, NULL, NULL);
		count++;
	}
	return count;
}

size_t dispatch_list(struct dispatch *d, bool failed, uint64_t after_id,
	struct message_info *out, size_t max)
{
	const struct message *m;
	size_t count = 0;

	if (failed)
		return list_failed(d, after_id, out, max);
	while (count < max && (m = dispatch_above(d, after_id)) != NULL) {
		fill_info(d, m, &out[count]);
		(void)dispatch_load(d, m, &out[count].envelope, NULL, NULL);
		after_id = m->id;
		count++;
	}
	return count;
}

static int no_such(uint64_t id, struct err *err)
{
	err_set(err, ERR_SYNTAX, "there is no message %016llx",
		(unsigned long long)id);
	return -1; /* said here, for the static analysis */
}

/* What is left of it, whatever that is. */
static int read_damaged(struct dispatch *d, const struct failed_message *f,
	struct content **content_out, struct err *err)
{
	struct buf bytes;

	buf_init(&bytes, QUEUE_FILE_MAX);
	if (queue_read_bytes(d->failed_fd, f->id, &bytes, err) != 0) {
		buf_free(&bytes);
		return -1;
	}
	*content_out = content_of_buf(&bytes, 0);
	return 0;
}

int dispatch_read(struct dispatch *d, uint64_t id, struct message_info *out,
	struct content **content_out, struct err *err)
{
	const struct message *m = dispatch_find(d, id);
	const struct failed_message *f = dispatch_find_failed(d, id);

	if (m != NULL) {
		fill_info(d, m, out);
		return dispatch_load(d, m, &out->envelope, content_out, err);
	}
	if (f == NULL)
		return no_such(id, err);
	memset(out, 0, sizeof(*out));
	out->id = id;
	out->state = MESSAGE_FAILED;
	if (f->damaged && content_out != NULL)
		return read_damaged(d, f, content_out, err);
	return load_failed(d, f, &out->envelope, content_out, err);
}

/* The message, unless a connection has it just now. One that a job has is found
 * too: see wish_for(). */
static struct message *find_at_rest(
	struct dispatch *d, uint64_t id, struct err *err)
{
	struct message *m = dispatch_find(d, id);

	if (m == NULL)
		no_such(id, err);
	else if (m->stage == STAGE_SEND)
		err_set(err, ERR_LIMIT,
			"message %016llx is being sent just now: try again in "
			"a moment",
			(unsigned long long)id);
	else
		return m;
	return NULL;
}

/* True when a job has the message: what is asked for is done after it. */
static bool wish_for(struct message *m, enum message_wish wish)
{
	if (m->stage != STAGE_DISK)
		return false;
	m->wish = (uint8_t)wish;
	m->to_hold = wish == WISH_HOLD;
	return true;
}

static int disk_is_behind(struct err *err)
{
	err_set(err, ERR_LIMIT,
		"the spool's disk is behind with what is to be written: make "
		"room in the spool, check the disk, or try again in a moment");
	return -1; /* said here, for the static analysis */
}

/* Whatever the disk does: a wish is kept. */
static int change_hold(
	struct dispatch *d, uint64_t id, bool hold, struct err *err)
{
	struct message *m = find_at_rest(d, id, err);
	struct content *content = NULL;
	struct envelope *env = NULL;

	if (m == NULL)
		return -1;
	if (wish_for(m, hold ? WISH_HOLD : WISH_RELEASE))
		return 0;
	if (dispatch_load(d, m, &env, &content, err) != 0)
		return -1;
	dispatch_count_time(d, m, env);
	env->hold = hold;
	dispatch_save(d, m, env, content, clock_boot_ms(), NULL, 0);
	envelope_free(&env);
	content_free(&content);
	return 0;
}

static int set_hold(struct dispatch *d, uint64_t id, bool hold, struct err *err)
{
	if (dispatch_disk_is_behind(d))
		return disk_is_behind(err);
	return change_hold(d, id, hold, err);
}

int dispatch_hold(struct dispatch *d, uint64_t id, struct err *err)
{
	return set_hold(d, id, true, err);
}

int dispatch_release(struct dispatch *d, uint64_t id, struct err *err)
{
	const struct message *m = dispatch_find(d, id);

	if (m != NULL && m->stage == STAGE_WAIT)
		return 0;
	return set_hold(d, id, false, err);
}

/* What was told of its end is not true any more. */
static void forget_end(struct dispatch *d, uint64_t id)
{
	size_t i;

	for (i = 0; i < RECENT_MAX; i++)
		if (d->recent[i].id == id)
			d->recent[i].id = 0;
}

static void after_requeue(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;

	forget_end(d, job->id);
	dispatch_forget_failed(d, job->id);
	if (dispatch_find(d, job->id) == NULL)
		dispatch_add(d, job->id, NULL, job->slot, clock_boot_ms());
}

/* The whole story begins again, for those who did not get it. */
static void reset_history(struct envelope *env)
{
	size_t i;

	for (i = 0; i < env->rcpt_count; i++) {
		if (env->rcpts[i].state == RCPT_DELIVERED)
			continue;
		env->rcpts[i].state = RCPT_PENDING;
		env->rcpts[i].tried = false;
		free(env->rcpts[i].reply);
		env->rcpts[i].reply = NULL;
	}
	free(env->reason);
	env->reason = NULL;
	env->attempts = 0;
	env->requeued++;
	env->waited_ms = env->refused_ms = 0;
	env->refused = env->notified = env->seen = env->hold = false;
	env->next_s = clock_wall_s();
}

/* For a change: one that is busy is left alone. */
static int read_failed(struct dispatch *d, uint64_t id, struct envelope **env,
	struct content **content, struct err *err)
{
	const struct failed_message *f = dispatch_find_failed(d, id);

	if (f == NULL)
		return no_such(id, err);
	if (f->busy) {
		err_set(err, ERR_LIMIT,
			"message %016llx is being written just now: try again "
			"in a moment",
			(unsigned long long)id);
		return -1; /* said here, for the static analysis */
	}
	return queue_read(d->failed_fd, d->large_fd, id, env, content, err);
}

/* Prints *env, with the message behind it where it has no body file. */
static struct disk_job *file_job(struct dispatch *d, struct envelope *env,
	struct content *content, struct err *err)
{
	struct disk_job *job = disk_job_new(d, env->id);

	if (envelope_print(env, &job->file) == 0 &&
		(env->body_name != 0 ||
			content_read_rest(content, &job->file, err) == 0))
		return job;
	disk_job_free(&job);
	return NULL;
}

static int requeue_failed(struct dispatch *d, uint64_t id, struct err *err)
{
	struct content *content = NULL;
	struct envelope *env = NULL;
	struct disk_job *job = NULL;

	if (dispatch_disk_is_behind(d))
		return disk_is_behind(err);
	if (read_failed(d, id, &env, &content, err) != 0)
		return -1;
	if (env->damaged) {
		envelope_free(&env);
		content_free(&content);
		return err_set(err, ERR_DAMAGED,
			"message %016llx is damaged and is not sent: gmrelayctl "
			"queue cat shows what is left of it, queue delete drops "
			"it",
			(unsigned long long)id);
	}
	reset_history(env);
	job = file_job(d, env, content, err);
	if (job != NULL) {
		job->write_to = DISK_QUEUE;
		job->replace = true;
		job->remove_from = DISK_FAILED;
		job->after = after_requeue;
		job->slot = dispatch_route(d, env->account);
		/* Seen there until it is in the queue; nobody else may ask. */
		dispatch_find_failed(d, id)->busy = true;
		disk_job_submit(job);
	}
	envelope_free(&env);
	content_free(&content);
	return job != NULL ? 0 : -1;
}

int dispatch_retry(struct dispatch *d, uint64_t id, struct err *err)
{
	struct message *m;

	if (dispatch_find_failed(d, id) != NULL)
		return requeue_failed(d, id, err);
	m = find_at_rest(d, id, err);
	if (m == NULL)
		return -1;
	if (wish_for(m, WISH_RETRY))
		return 0;
	if (m->stage != STAGE_WAIT)
		return set_hold(d, id, false, err);
	dispatch_wait_until(d, m, clock_boot_ms());
	return 0;
}

static int delete_failed(struct dispatch *d, uint64_t id, struct err *err)
{
	struct envelope *env = NULL;
	struct disk_job *job;
	struct err why;

	/* A damaged one can be deleted too; its body is found at a start. */
	if (read_failed(d, id, &env, NULL, &why) != 0 &&
		why.kind != ERR_DAMAGED) {
		if (err != NULL)
			*err = why;
		return -1;
	}
	job = disk_job_new(d, id);
	job->remove_from = DISK_FAILED;
	job->remove_body = env != NULL ? env->body_name : 0;
	dispatch_forget_failed(d, id);
	envelope_free(&env);
	disk_job_submit(job);
	return 0;
}

int dispatch_delete(struct dispatch *d, uint64_t id, struct err *err)
{
	struct envelope *env = NULL;
	struct message *m;
	uint64_t body = 0;

	if (dispatch_find_failed(d, id) != NULL)
		return delete_failed(d, id, err);
	m = find_at_rest(d, id, err);
	if (m == NULL)
		return -1;
	if (wish_for(m, WISH_DELETE))
		return 0;
	/* A damaged one can be deleted too; its body is found at a start. */
	if (dispatch_load(d, m, &env, NULL, NULL) == 0)
		body = env->body_name;
	envelope_free(&env);
	dispatch_tell(d, id, "deleted", "by hand", true);
	dispatch_done(d, m, body);
	d->on_change(d->change_arg);
	return 0;
}

void dispatch_grant_wish(struct dispatch *d, struct message *m)
{
	enum message_wish wish = m->wish;

	m->wish = WISH_NONE;
	if (wish == WISH_HOLD && m->stage != STAGE_HOLD)
		(void)change_hold(d, m->id, true, NULL);
	else if ((wish == WISH_RELEASE || wish == WISH_RETRY) &&
		 m->stage == STAGE_HOLD)
		(void)change_hold(d, m->id, false, NULL);
	else if (wish == WISH_RETRY && m->stage == STAGE_WAIT)
		dispatch_wait_until(d, m, clock_boot_ms());
	else if (wish == WISH_DELETE)
		(void)dispatch_delete(d, m->id, NULL);
}

void dispatch_seen(struct dispatch *d, uint64_t id)
{
	struct failed_message *f = dispatch_find_failed(d, id);
	struct content *content = NULL;
	struct envelope *env = NULL;
	struct disk_job *job;

	if (f == NULL || f->seen || f->busy || dispatch_disk_is_behind(d) ||
		queue_read(d->failed_fd, d->large_fd, id, &env, &content,
			NULL) != 0)
		return;
	f->seen = true;
	d->failed_unseen--;
	env->seen = true;
	job = file_job(d, env, content, NULL);
	if (job != NULL) {
		job->write_to = DISK_FAILED;
		job->replace = true;
		job->optional = true;
		disk_job_submit(job);
	}
	envelope_free(&env);
	content_free(&content);
	d->on_change(d->change_arg);
}

void dispatch_flush(struct dispatch *d)
{
	int64_t now = clock_boot_ms();
	struct message *m;
	size_t s, i;

	for (s = 0; s < d->slot_count; s++) {
		/* From the leaves up. One that becomes due goes up, and what
		 * was above it comes to its place: that is looked at next. */
		for (i = schedule_count(d->slots[s].schedule); i > 0;) {
			m = (struct message *)schedule_at(
				d->slots[s].schedule, i - 1);
			if (m->stage == STAGE_WAIT &&
				m->scheduled.due_ms > now) {
				schedule_move(d->slots[s].schedule,
					&m->scheduled, now);
				continue;
			}
			if (m->wish == WISH_NONE && !m->to_hold)
				(void)wish_for(m, WISH_RETRY);
			i--;
		}
		account_flush(d->slots[s].account);
	}
	d->flushed = !d->taken_up;
	dispatch_retry_jobs(d);
	dispatch_settle_soon(d);
}

static void remember(
	struct dispatch *d, uint64_t id, const char *event, const char *text)
{
	struct recent *r = &d->recent[d->recent_next++ % RECENT_MAX];

	r->id = id;
	r->event = event;
	snprintf(r->text, sizeof(r->text), "%s", text);
}

void dispatch_tell(struct dispatch *d, uint64_t id, const char *event,
	const char *text, bool last)
{
	struct follower f;
	size_t i = 0;

	if (last)
		remember(d, id, event, text);
	while (i < d->follower_count) {
		f = d->followers[i];
		if (f.id != id) {
			i++;
			continue;
		}
		if (last)
			d->followers[i] = d->followers[--d->follower_count];
		else
			i++;
		f.fn(f.arg, id, event, text, last);
	}
}

void dispatch_tell_paused(struct dispatch *d, const struct account *a)
{
	struct account_info info;
	struct follower f;
	size_t i;

	account_info(a, &info);
	if (info.reason[0] == '\0')
		return;
	for (i = 0; i < d->follower_count; i++) {
		f = d->followers[i];
		f.fn(f.arg, f.id, "paused", info.reason, false);
	}
}

void dispatch_tell_if_paused(struct dispatch *d, const struct message *m)
{
	struct account_info info;

	if (d->follower_count == 0)
		return;
	account_info(dispatch_slot(d, m)->account, &info);
	if (info.state != ACCOUNT_ACTIVE || info.backing_off)
		dispatch_tell(d, m->id, "paused", info.reason, false);
}

int dispatch_follow(struct dispatch *d, uint64_t id, follow_fn *fn, void *arg,
	struct err *err)
{
	const struct message *m = dispatch_find(d, id);
	struct account_info info;
	size_t i;

	/* Its end has been told though a job may still have it. */
	for (i = 0; i < RECENT_MAX; i++)
		if (d->recent[i].id == id) {
			fn(arg, id, d->recent[i].event, d->recent[i].text,
				true);
			return 0;
		}
	if (d->follower_count == FOLLOWERS_MAX)
		return err_set(err, ERR_LIMIT,
			"%d messages are being followed already",
			FOLLOWERS_MAX);
	d->followers[d->follower_count++] = (struct follower){id, fn, arg};
	/* One that is not known may be on its way from the receiver. */
	if (m == NULL)
		return 0;
	account_info(dispatch_slot(d, m)->account, &info);
	if (info.state != ACCOUNT_ACTIVE || info.backing_off)
		fn(arg, id, "paused", info.reason, false);
	return 0;
}

void dispatch_unfollow(struct dispatch *d, follow_fn *fn, void *arg)
{
	size_t i = 0;

	while (i < d->follower_count) {
		if (d->followers[i].fn == fn && d->followers[i].arg == arg)
			d->followers[i] = d->followers[--d->follower_count];
		else
			i++;
	}
}
