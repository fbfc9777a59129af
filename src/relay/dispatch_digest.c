/*
 * dispatch_digest.c - one report about all that an address was not told of yet.
 *
 * What is not told of stands in failed/, with recipients that are RCPT_FAILED.
 * When the address's hour is over the digest is written to queue/, and only
 * when it is durable there are its messages marked as told of. So whoever dies
 * in between may tell of a message again, but never leaves one out. The mover
 * does all of it: the loop neither reads nor waits.
 */
#include "config.h"

#include "base/conf.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "relay/report_digest.h"
#include "spool/queue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/stat.h>

/* A digest that could not be written is tried again then. */
#define DIGEST_RETRY_MS (60 * 1000)
/* Messages marked in one job, with a sync of each file and one of their names:
 * others wait for the mover meanwhile. */
#define MARKS_MAX 8

struct named_message {
	uint64_t id;
	int64_t failed_s;
};

struct digest_job {
	struct worker_job job;
	struct dispatch *dispatch;
	uint64_t key; /* whom it tells, see report_cap.h */
	uint64_t id;  /* of the digest */
	size_t count; /* messages it is about */
	struct named_message named[DIGEST_MESSAGES_MAX];
	size_t named_count;
	/* what the mover found */
	struct address to;
	char account[ENVELOPE_ACCOUNT_MAX + 1];
	bool is_new; /* not there from before */
	int failed;
	struct err err;
};

struct mark_job {
	struct worker_job job;
	struct dispatch *dispatch;
	uint64_t ids[MARKS_MAX];
	size_t count;
	bool told; /* that marks fail */
	int failed;
	struct err err;
};

/* --- in the mover: the digest -------------------------------------------- */

static const struct conf_account *settings_of(
	const struct conf *conf, const char *account)
{
	size_t i;

	for (i = 0; i < conf->account_count; i++)
		if (strcasecmp(conf->accounts[i].name, account) == 0)
			return &conf->accounts[i];
	return &conf->accounts[0];
}

/* A message whose body cannot be read is named without its subject. */
static int read_message(const struct dispatch *d, uint64_t id,
	struct envelope **env, struct content **content, struct err *err)
{
	*content = NULL;
	if (queue_read(d->failed_fd, d->large_fd, id, env, content, err) == 0)
		return 0;
	return queue_read(d->failed_fd, d->large_fd, id, env, NULL, err);
}

static void add_message(struct digest_job *job, struct digest *digest,
	const struct named_message *named)
{
	const struct dispatch *d = job->dispatch;
	struct content *content;
	struct envelope *env;
	struct address scratch;
	const char *to;

	if (read_message(d, named->id, &env, &content, &job->err) != 0)
		return;
	to = report_recipient(env, d->names, &scratch);
	if (to != NULL && report_cap_key(d->cap, to) == job->key) {
		if (digest_count(digest) == 0) {
			snprintf(job->to.text, sizeof(job->to.text), "%s", to);
			snprintf(job->account, sizeof(job->account), "%s",
				env->account);
		}
		digest_add(digest, env, content, named->failed_s);
	}
	content_free(&content);
	envelope_free(&env);
}

/* Into queue/. One that is there is the same: a process died behind it. */
static int store(struct digest_job *job, const struct buf *file)
{
	const int dir_fd = job->dispatch->queue_fd;
	char name[HEX64_SIZE];
	struct stat st;

	hex64(name, job->id);
	if (fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	job->is_new = true;
	return queue_write(dir_fd, name, file, false, &job->err);
}

static int write_digest(struct digest_job *job, const struct digest *digest)
{
	const struct dispatch *d = job->dispatch;
	const struct digest_params params = {
		.to = job->to.text,
		.from = settings_of(d->conf, job->account)->username,
		.id = job->id,
		.now_s = clock_wall_s(),
		.messages = job->count,
	};
	const struct report frame = {
		.to = params.to,
		.from = params.from,
		.id = params.id,
		.now_s = params.now_s,
	};
	struct buf message, file;
	int rc;

	buf_init(&message, REPORT_SIZE_MAX);
	buf_init(&file, QUEUE_FILE_MAX);
	rc = digest_write(digest, &params, &message, &job->err);
	if (rc == 0)
		rc = dispatch_print_report(
			&frame, job->account, &message, &file, &job->err);
	if (rc == 0)
		rc = store(job, &file);
	buf_free(&message);
	buf_free(&file);
	return rc;
}

static void run_digest(struct worker_job *worker_job)
{
	struct digest_job *job = (struct digest_job *)worker_job;
	struct digest *digest = digest_new(job->dispatch->hostname);
	size_t i;

	err_set(&job->err, ERR_DAMAGED, "none of its messages can be read");
	for (i = 0; i < job->named_count; i++)
		add_message(job, digest, &job->named[i]);
	job->failed = digest_count(digest) > 0 ? write_digest(job, digest) : -1;
	digest_free(&digest);
}

/* --- in the mover: the marks --------------------------------------------- */

/* Who failed has been told of; the message behind the envelope stays as it is.
 */
static int mark_message(const struct dispatch *d, uint64_t id, struct err *err)
{
	struct envelope *env = NULL;
	char name[HEX64_SIZE];
	struct buf old, file;
	size_t used;
	int rc = -1;

	buf_init(&old, QUEUE_FILE_MAX);
	buf_init(&file, QUEUE_FILE_MAX);
	if (queue_read_bytes(d->failed_fd, id, &old, err) == 0)
		env = envelope_parse(old.data, old.len, &used, err);
	if (env != NULL) {
		report_mark_told(REPORT_FAILED, env);
		rc = envelope_print(env, &file) |
		     buf_add(&file, old.data + used, old.len - used);
		if (rc != 0)
			err_set(err, ERR_LIMIT, "the envelope is too long");
		else
			rc = queue_replace(
				d->failed_fd, hex64(name, id), &file, err);
	}
	envelope_free(&env);
	buf_free(&old);
	buf_free(&file);
	return rc;
}

static void run_marks(struct worker_job *worker_job)
{
	struct mark_job *job = (struct mark_job *)worker_job;
	size_t i;

	for (i = 0; i < job->count; i++)
		job->failed |=
			mark_message(job->dispatch, job->ids[i], &job->err);
	job->failed |= queue_sync_names(job->dispatch->failed_fd, &job->err);
}

/* --- on the loop --------------------------------------------------------- */

static void end_digest(struct dispatch *d)
{
	d->in_digest = false;
	dispatch_arm_digest(d);
	d->on_change(d->change_arg);
}

/* What a job of its own moves just now is left to that one. */
static void choose_marks(struct mark_job *job)
{
	struct failed_message *f;
	uint64_t id = job->count > 0 ? job->ids[job->count - 1] : 0;

	job->count = 0;
	while (job->count < MARKS_MAX &&
		(f = dispatch_failed_above(job->dispatch, id)) != NULL) {
		id = f->id;
		if (!f->in_digest)
			continue;
		if (f->busy) {
			f->in_digest = false;
			continue;
		}
		f->busy = true;
		job->ids[job->count++] = id;
	}
}

static void go_on_marking(struct mark_job *job)
{
	struct dispatch *d = job->dispatch;

	if (!d->draining)
		choose_marks(job);
	if (d->draining || job->count == 0) {
		free(job);
		end_digest(d);
		return;
	}
	worker_submit(d->mover, &job->job);
}

static void on_marked(struct worker_job *worker_job)
{
	struct mark_job *job = (struct mark_job *)worker_job;
	struct dispatch *d = job->dispatch;
	struct failed_message *f;
	struct log_text text;
	size_t i;

	if (job->failed != 0 && !job->told)
		log_err("digest-failed reason=%s advice=\"its messages may be "
			"told of once more after a restart: make room in the "
			"spool, check the disk\"",
			log_text(&text, job->err.text));
	job->told |= job->failed != 0;
	job->failed = 0;
	for (i = 0; i < job->count; i++) {
		f = dispatch_find_failed(d, job->ids[i]);
		if (f == NULL)
			continue;
		f->busy = f->in_digest = false;
		d->failed_untold -= f->told_key != 0;
		f->told_key = 0;
	}
	go_on_marking(job);
}

static void mark_all(struct dispatch *d)
{
	struct mark_job *job = xcalloc(1, sizeof(*job));

	job->dispatch = d;
	job->job.run = run_marks;
	job->job.done = on_marked;
	go_on_marking(job);
}

static void forget_digest(struct digest_job *job)
{
	struct dispatch *d = job->dispatch;
	const int64_t now = clock_boot_ms();
	struct failed_message *f;
	uint64_t id = 0;

	while ((f = dispatch_failed_above(d, id)) != NULL) {
		id = f->id;
		f->in_digest = false;
	}
	report_cap_wait(d->cap, job->key, now, now + DIGEST_RETRY_MS);
	end_digest(d);
}

static void on_digest(struct worker_job *worker_job)
{
	struct digest_job *job = (struct digest_job *)worker_job;
	struct dispatch *d = job->dispatch;
	struct log_text text;
	char id[HEX64_SIZE];

	hex64(id, job->id);
	if (job->failed != 0) {
		log_err("digest-failed id=%s reason=%s retry=%ds", id,
			log_text(&text, job->err.text), DIGEST_RETRY_MS / 1000);
		forget_digest(job);
	} else {
		if (job->is_new) {
			d->counters->relay->reports++;
			log_info("digest id=%s to=%s messages=%zu", id,
				log_text(&text, job->to.text), job->count);
			dispatch_add(d, job->id, NULL,
				dispatch_route(d, job->account),
				clock_boot_ms());
		}
		mark_all(d);
	}
	free(job);
}

static int by_time(const void *a, const void *b)
{
	const struct named_message *x = a, *y = b;

	return (x->failed_s > y->failed_s) - (x->failed_s < y->failed_s);
}

/* The digest's id follows from its messages: the same again after a crash. */
static void choose_messages(struct digest_job *job)
{
	struct failed_message *f;
	struct hash hash;
	uint64_t id = 0;

	hash_init(&hash, 0, 0);
	while ((f = dispatch_failed_above(job->dispatch, id)) != NULL) {
		id = f->id;
		if (f->told_key != job->key || f->busy)
			continue;
		f->in_digest = true;
		hash_add(&hash, &id, sizeof(id));
		if (job->named_count < DIGEST_MESSAGES_MAX)
			job->named[job->named_count++] =
				(struct named_message){id, f->failed_s};
		job->count++;
	}
	qsort(job->named, job->named_count, sizeof(job->named[0]), by_time);
	job->id = hash_end(&hash);
	job->id += job->id == 0;
}

/* Returns false where nothing is to be told. */
static bool begin_digest(struct dispatch *d, uint64_t key)
{
	struct digest_job *job = xcalloc(1, sizeof(*job));

	job->dispatch = d;
	job->key = key;
	choose_messages(job);
	if (job->count == 0) {
		free(job);
		return false;
	}
	d->in_digest = true;
	job->job.run = run_digest;
	job->job.done = on_digest;
	worker_submit(d->mover, &job->job);
	return true;
}

/* The table had no room for somebody's address; by now it may. */
static void wait_again(struct dispatch *d)
{
	struct failed_message *f;
	uint64_t id = 0;

	while ((f = dispatch_failed_above(d, id)) != NULL) {
		id = f->id;
		if (f->told_key != 0 && !f->in_digest)
			dispatch_await_digest(d, f);
	}
}

void dispatch_arm_digest(struct dispatch *d)
{
	const int64_t due = report_cap_due_ms(d->cap);

	/* Before all of failed/ is read a digest would be about a part of it.
	 */
	if (due == REPORT_CAP_NEVER || d->in_digest || !d->taken_up ||
		d->draining)
		return;
	loop_after(d->digest_timer, due - clock_boot_ms() + 1);
}

void dispatch_on_digest_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *d = arg;
	uint64_t key;

	(void)fd;
	(void)what;
	if (d->in_digest || d->draining)
		return;
	if (report_cap_overflowed(d->cap))
		wait_again(d);
	while ((key = report_cap_next(d->cap, clock_boot_ms())) != 0)
		if (begin_digest(d, key))
			return;
	dispatch_arm_digest(d);
}
