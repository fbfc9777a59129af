/*
 * dispatch_disk.c - what is written about a message: jobs for the mover.
 *
 * The order is the promise: a report is durable before the message is in
 * failed/, the message's new file before the mark on its record or the removal
 * of its old file, the mark before the new file is used. Every step may be
 * repeated, so a job that fails is simply tried again as a whole.
 */
#include "config.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LATE_RETRY_S   5
#define REPORT_BUF_MAX QUEUE_FILE_MAX

bool dispatch_disk_is_behind(const struct dispatch *d)
{
	return d->disk_octets >= DISK_OCTETS_MAX;
}

bool dispatch_disk_busy(const struct dispatch *d)
{
	return d->disk_jobs >= DISK_JOBS_MAX || dispatch_disk_is_behind(d);
}

/* As it is now; a job that waits for a mark is little, but one of many. */
static void count_octets(struct disk_job *job)
{
	const size_t octets = sizeof(*job) + job->report.cap + job->file.cap;

	job->dispatch->disk_octets += octets - job->octets;
	job->octets = octets;
}

struct disk_job *disk_job_new(struct dispatch *d, uint64_t id)
{
	struct disk_job *job = xcalloc(1, sizeof(*job));

	job->dispatch = d;
	job->id = id;
	buf_init(&job->report, REPORT_BUF_MAX);
	buf_init(&job->file, QUEUE_FILE_MAX);
	count_octets(job);
	return job;
}

/* They are on disk, or never will be. */
static void free_octets(struct disk_job *job)
{
	buf_free(&job->report);
	buf_free(&job->file);
	count_octets(job);
}

void disk_job_free(struct disk_job **job)
{
	free_octets(*job);
	(*job)->dispatch->disk_octets -= (*job)->octets;
	free(*job);
	*job = NULL;
}

static int dir_of(const struct dispatch *d, enum disk_dir dir)
{
	return dir == DISK_QUEUE ? d->queue_fd : d->failed_fd;
}

/* One sync for all files that are gone when it begins. */
static int sync_removals(struct dispatch *d, struct disk_job *job)
{
	const uint64_t gone = d->removed;

	if (job->removed <= d->removed_synced)
		return 0;
	if (fsync(d->queue_fd) != 0)
		return err_errno(&job->err, "syncing queue/");
	d->removed_synced = gone;
	return 0;
}

/* A process that died behind this step left the report: then it was taken up
 * like any message, and may even be delivered by now. */
static int write_report(struct disk_job *job)
{
	const int dir_fd = job->dispatch->queue_fd;
	char name[HEX64_SIZE];
	struct stat st;

	hex64(name, job->report_id);
	if (!job->report_new &&
		fstatat(dir_fd, name, &st, AT_SYMLINK_NOFOLLOW) == 0)
		return 0;
	job->report_new = true;
	return queue_write(dir_fd, name, &job->report, false, &job->err);
}

/* A job that was late finds a message that was put back into queue/ meanwhile.
 */
static bool is_the_last(const struct disk_job *job)
{
	return job->copy && !queue_is_file(job->dispatch->failed_fd, job->id);
}

static int run_steps(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;
	char name[HEX64_SIZE];

	if (job->report.len > 0 && write_report(job) != 0)
		return -1;
	if (job->write_to != DISK_NONE &&
		queue_write(dir_of(d, job->write_to), hex64(name, job->id),
			&job->file, job->replace, &job->err) != 0)
		return -1;
	if (job->move && queue_move(d->queue_fd, d->failed_fd,
				 hex64(name, job->id), &job->err) != 0)
		return -1;
	if (job->remove_from != DISK_NONE && !is_the_last(job) &&
		queue_remove(dir_of(d, job->remove_from), hex64(name, job->id),
			&job->err) != 0)
		return -1;
	if (sync_removals(d, job) != 0)
		return -1;
	if (job->remove_body != 0)
		(void)unlinkat(d->large_fd, hex64(name, job->remove_body), 0);
	return 0;
}

static void run_job(struct worker_job *job)
{
	struct disk_job *disk = (struct disk_job *)job;

	disk->failed = run_steps(disk);
}

static void job_is_late(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;
	struct log_text text;
	char id[HEX64_SIZE];

	if (!d->disk_trouble)
		log_err("spool-write-failed id=%s reason=%s retry=%ds "
			"advice=\"make room in the spool, check the disk\"",
			hex64(id, job->id), log_text(&text, job->err.text),
			job->optional ? 0 : LATE_RETRY_S);
	if (job->optional) {
		disk_job_free(&job);
		return;
	}
	d->disk_trouble = true;
	STAILQ_INSERT_TAIL(&d->late_jobs, job, link);
	/* the first one's time: new ones do not put the others off */
	if (!evtimer_pending(d->late_timer, NULL))
		loop_after(d->late_timer, LATE_RETRY_S * 1000);
}

static void take_up_report(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;
	char id[HEX64_SIZE], about[HEX64_SIZE];

	if (!job->report_new)
		return;
	job->report_new = false;
	d->counters->relay->reports++;
	log_info("report id=%s about=%s", hex64(id, job->report_id),
		hex64(about, job->id));
	dispatch_add(d, job->report_id, NULL, job->slot, clock_boot_ms());
}

static void after_mark(void *arg)
{
	struct disk_job *job = arg;

	if (job->after != NULL)
		job->after(job);
	disk_job_free(&job);
}

static void on_job(struct worker_job *worker_job)
{
	struct disk_job *job = (struct disk_job *)worker_job;
	struct dispatch *d = job->dispatch;

	d->disk_jobs--;
	dispatch_settle_soon(d); /* somebody may wait for the disk */
	if (job->failed != 0) {
		job_is_late(job);
		return;
	}
	d->disk_trouble = false;
	free_octets(job);
	take_up_report(job);
	/* The file is there: the record is done with. */
	if (job->message != NULL && job->message->place.segment != NULL)
		journal_reader_mark(
			d->journal, &job->message->place, after_mark, job);
	else
		after_mark(job);
}

void disk_job_submit(struct disk_job *job)
{
	if (job->dispatch->mover == NULL) {
		/* The end: what is left undone is done at the next start. */
		disk_job_free(&job);
		return;
	}
	job->job.run = run_job;
	job->job.done = on_job;
	count_octets(job);
	job->dispatch->disk_jobs++;
	worker_submit(job->dispatch->mover, &job->job);
}

void dispatch_retry_jobs(struct dispatch *d)
{
	struct disk_job *job;

	while ((job = STAILQ_FIRST(&d->late_jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&d->late_jobs, link);
		disk_job_submit(job);
	}
}

void dispatch_end_jobs(struct dispatch *d)
{
	struct disk_job *job;

	dispatch_retry_jobs(d);
	worker_free(&d->mover);
	/* what is left undone is done, or repeated, after the next start */
	while ((job = STAILQ_FIRST(&d->late_jobs)) != NULL) {
		STAILQ_REMOVE_HEAD(&d->late_jobs, link);
		disk_job_free(&job);
	}
}

void dispatch_remove_copy(struct dispatch *d, uint64_t id)
{
	struct disk_job *job = disk_job_new(d, id);

	job->remove_from = DISK_QUEUE;
	job->copy = true;
	disk_job_submit(job);
}

static void remove_body_now(void *arg)
{
	struct disk_job *job = arg;

	disk_job_submit(job);
}

/* At once, like a mark, so that a process that is killed repeats nothing; the
 * job makes it durable. */
static void remove_file_now(struct dispatch *d, struct disk_job *job)
{
	char name[HEX64_SIZE];

	if (unlinkat(d->queue_fd, hex64(name, job->id), 0) == 0 ||
		errno == ENOENT)
		job->removed = ++d->removed;
	else
		job->remove_from = DISK_QUEUE;
}

void dispatch_done(struct dispatch *d, struct message *m, uint64_t body)
{
	const struct journal_place place = m->place;
	struct disk_job *job;
	uint64_t id = m->id;

	/* First of all: nobody may find it any more. */
	dispatch_drop(d, m);
	if (place.segment != NULL && body == 0) {
		journal_reader_mark(d->journal, &place, NULL, NULL);
		return;
	}
	job = disk_job_new(d, id);
	job->remove_body = body;
	if (place.segment != NULL) {
		/* The body goes after the mark is synced. */
		journal_reader_mark(d->journal, &place, remove_body_now, job);
	} else {
		remove_file_now(d, job);
		disk_job_submit(job);
	}
}

/* Puts the message's file together: envelope, then what is not in a body. */
static int print_file(const struct envelope *env, struct content *content,
	struct buf *out, struct err *err)
{
	if (envelope_print(env, out) != 0)
		return err_set(err, ERR_LIMIT, "the envelope is too long");
	if (env->body_name != 0 || content == NULL)
		return 0;
	if (content_rewind(content, err) != 0)
		return -1;
	return content_read_rest(content, out, err);
}

/* A message without a body file is in memory, and the limits leave room. */
static void must_print(const struct envelope *env, struct content *content,
	struct disk_job *job)
{
	if (print_file(env, content, &job->file, &job->err) != 0)
		bug("a message cannot be written down: %s", job->err.text);
}

static void after_save(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;
	struct message *m = job->message;

	m->place.segment = NULL;
	m->to_hold = false;
	if (job->hold)
		dispatch_set_stage(d, m, STAGE_HOLD);
	else
		dispatch_wait_until(d, m, job->due_ms);
	dispatch_grant_wish(d, m);
	d->on_change(d->change_arg);
}

static struct disk_job *begin_job(struct dispatch *d, struct message *m,
	struct buf *report, uint64_t report_key)
{
	struct disk_job *job = disk_job_new(d, m->id);

	job->message = m;
	job->slot = m->slot;
	if (report != NULL && report->len > 0) {
		job->report = *report;
		job->report_id = report_key;
		buf_init(report, report->max);
	}
	dispatch_set_stage(d, m, STAGE_DISK);
	return job;
}

void dispatch_save(struct dispatch *d, struct message *m, struct envelope *env,
	struct content *content, int64_t due_ms, struct buf *report,
	uint64_t report_key)
{
	struct disk_job *job = begin_job(d, m, report, report_key);
	int64_t left_s = (due_ms - clock_boot_ms()) / 1000;

	env->next_s = clock_wall_s() + (left_s > 0 ? left_s : 0);
	job->write_to = DISK_QUEUE;
	job->replace = m->place.segment == NULL;
	job->due_ms = due_ms;
	job->hold = env->hold;
	m->to_hold = env->hold;
	job->after = after_save;
	must_print(env, content, job);
	disk_job_submit(job);
}

static void after_told(struct disk_job *job)
{
	struct dispatch *d = job->dispatch;
	struct disk_job *rest;

	if (job->body_left != 0) {
		rest = disk_job_new(d, job->id);
		rest->remove_body = job->body_left;
		disk_job_submit(rest);
	}
	dispatch_drop(d, job->message);
	d->on_change(d->change_arg);
}

/* Not marked at once, as others are: a process that is killed before the report
 * is there delivers it again, rather than telling nobody. */
void dispatch_done_told(struct dispatch *d, struct message *m, uint64_t body,
	struct buf *report, uint64_t report_key)
{
	struct disk_job *job = begin_job(d, m, report, report_key);

	if (m->place.segment != NULL) {
		job->body_left = body;
	} else {
		job->remove_from = DISK_QUEUE;
		job->remove_body = body;
	}
	job->after = after_told;
	disk_job_submit(job);
}

static void after_fail(struct disk_job *job)
{
	const bool unwanted = job->message->wish == WISH_DELETE;

	dispatch_remember_failed(job->dispatch, &job->gave_up);
	dispatch_drop(job->dispatch, job->message);
	if (unwanted)
		(void)dispatch_delete(job->dispatch, job->id, NULL);
}

void dispatch_fail(struct dispatch *d, struct message *m, struct envelope *env,
	struct content *content, struct buf *report, uint64_t report_key)
{
	struct disk_job *job = begin_job(d, m, report, report_key);

	job->write_to = DISK_FAILED;
	job->replace = true;
	job->remove_from = m->place.segment == NULL ? DISK_QUEUE : DISK_NONE;
	job->gave_up.id = m->id;
	job->gave_up.failed_s = clock_wall_s();
	job->gave_up.told_key = dispatch_report_key(d, env);
	job->after = after_fail;
	must_print(env, content, job);
	disk_job_submit(job);
}

void dispatch_keep_bytes(
	struct dispatch *d, struct message *m, const char *data, size_t len)
{
	struct disk_job *job = begin_job(d, m, NULL, 0);

	job->move = m->place.segment == NULL;
	if (!job->move) {
		job->write_to = DISK_FAILED;
		job->replace = true;
		if (len > 0 && buf_add(&job->file, data, len) != 0)
			bug("a record cannot be kept");
	}
	job->gave_up.id = m->id;
	job->gave_up.failed_s = clock_wall_s();
	job->gave_up.damaged = true;
	job->after = after_fail;
	disk_job_submit(job);
}

/* Its record is moved to queue/, as it is. */
static void move_away(struct dispatch *d, struct message *m)
{
	struct content *content = NULL;
	struct envelope *env = NULL;

	if (dispatch_load(d, m, &env, &content, NULL) == 0)
		dispatch_save(d, m, env, content, m->scheduled.due_ms, NULL, 0);
	envelope_free(&env);
	content_free(&content);
}

void dispatch_on_sparse(void *arg, const struct journal_segment *segment)
{
	struct dispatch *d = arg;
	struct message **found, *m;
	size_t s, i, count = 0;

	/* then they go there one by one, when they are tried again */
	if (dispatch_disk_is_behind(d))
		return;
	for (s = 0; s < d->slot_count; s++)
		count += schedule_count(d->slots[s].schedule);
	found = xcalloc(count > 0 ? count : 1, sizeof(struct message *));
	count = 0;
	for (s = 0; s < d->slot_count; s++)
		for (i = 0; i < schedule_count(d->slots[s].schedule); i++) {
			m = (struct message *)schedule_at(
				d->slots[s].schedule, i);
			if (m->place.segment == segment &&
				m->stage == STAGE_WAIT)
				found[count++] = m;
		}
	/* Only now: moving one changes the order of the others. */
	for (i = 0; i < count; i++)
		move_away(d, found[i]);
	free(found);
}
