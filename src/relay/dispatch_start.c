/*
 * dispatch_start.c - taking up what is in the spool; beginning and end.
 *
 * The names in queue/ and failed/ are read first, then the journal (delivering
 * as it is read), then queue/ and failed/ file by file.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/queue.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Files of queue/ and failed/ read in one turn of the loop. */
#define TAKE_UP_FILES 64
/* The start looks so often whether a disk that was behind has caught up. */
#define TAKE_UP_DISK_MS 1000

static struct found_file *find_file(
	const struct found_files *found, uint64_t id)
{
	size_t low = 0, high = found->count, middle;

	while (low < high) {
		middle = low + (high - low) / 2;
		if (found->files[middle].id == id)
			return &found->files[middle];
		if (found->files[middle].id < id)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}

bool dispatch_was_found(const struct dispatch *d, uint64_t id)
{
	return find_file(&d->queue_found, id) != NULL;
}

static void free_files(struct found_files *found)
{
	free(found->files);
	memset(found, 0, sizeof(*found));
}

/* A segment that could not be opened until now may hold a record of theirs. */
static void forget_files(struct dispatch *d)
{
	if (!d->taken_up || d->unmarked > 0 ||
		!journal_reader_all_read(d->journal))
		return;
	free_files(&d->queue_found);
	free_files(&d->failed_found);
}

static void free_to_move(struct dispatch *d, struct found_file *f)
{
	struct message *m = f->message;

	f->unmarked = false;
	f->message = NULL;
	if (m == NULL)
		return;
	/* What was asked for meanwhile begins from what the file says. */
	if (f->hold)
		dispatch_set_stage(d, m, STAGE_HOLD);
	else
		dispatch_wait_until(d, m, f->due_ms);
	m->to_hold = false;
	dispatch_grant_wish(d, m);
}

/* A digest that came meanwhile has left it out. */
static void free_failed(struct dispatch *d, struct failed_message *failed)
{
	failed->busy = false;
	if (failed->told_key != 0)
		dispatch_await_digest(d, failed);
}

/* The disk has the mark: now the file alone is the message. */
static void on_file_won(void *arg)
{
	struct found_file *f = arg;
	struct dispatch *d = f->dispatch;
	struct failed_message *failed = dispatch_find_failed(d, f->id);
	struct found_file *queued = find_file(&d->queue_found, f->id);

	d->unmarked--;
	f->unmarked = false;
	if (failed != NULL)
		free_failed(d, failed);
	if (queued != NULL)
		free_to_move(d, queued);
	forget_files(d);
}

/* A record of the journal. One whose id has a file in queue/ or failed/ was on
 * its way there when a process died: the file wins. It is not delivered,
 * changed or removed before the mark's sync: without both the record would be
 * mail again. Where that sync fails they wait, and nothing else does. */
static void on_record(void *arg, const struct journal_place *place,
	const struct journal_found *found)
{
	struct dispatch *d = arg;
	struct found_file *queued = find_file(&d->queue_found, found->id);
	struct found_file *failed = find_file(&d->failed_found, found->id);
	struct message *m;

	if (queued == NULL && failed == NULL) {
		m = dispatch_add(d, found->id, place,
			dispatch_route(d, found->account), clock_boot_ms());
		if (!journal_reader_recovered(d->journal))
			dispatch_set_age(m, 0, found->arrived_s);
		return;
	}
	if (queued != NULL)
		queued->unmarked = true;
	if (failed != NULL)
		failed->unmarked = true;
	d->unmarked++;
	journal_reader_mark(d->journal, place, on_file_won,
		failed != NULL ? failed : queued);
}

static void on_recovered(void *arg)
{
	struct dispatch *d = arg;

	event_active(d->take_up, 0, 0);
}

/* A file that cannot be read, or is none: what it names stays. Returns whether
 * it can be set aside. */
static bool note_damaged(struct dispatch *d, enum disk_dir dir, uint64_t id,
	const struct err *err)
{
	const int fd = dir == DISK_QUEUE ? d->queue_fd : d->failed_fd;
	const bool ours = err->kind == ERR_DAMAGED && queue_is_file(fd, id);
	struct log_text text;
	char name[HEX64_SIZE];
	uint64_t body;

	if (queue_peek_body(fd, id, &body) != 0 ||
		(body != 0 && !journal_reader_keep_body(d->journal, body)))
		d->blind = true;
	if (ours && dir == DISK_QUEUE)
		return true;
	log_err("spool-damaged file=%s/%s reason=%s advice=\"%s\"",
		dir == DISK_QUEUE ? "queue" : "failed", hex64(name, id),
		log_text(&text, err->text),
		ours ? "gmrelayctl queue cat shows what is left of it, queue "
		       "delete drops it"
		     : "left alone: look at it, then remove or repair it");
	return ours;
}

/* A stored time is a wall clock's, which may have jumped: never wait longer
 * than the schedule would. */
static int64_t stored_due_ms(
	const struct dispatch *d, const struct envelope *env)
{
	const int64_t left_s = env->next_s - clock_wall_s();
	int64_t longest = 0;
	size_t i;

	for (i = 0; i < d->conf->retry_count; i++)
		if (d->conf->retry_ms[i] > longest)
			longest = d->conf->retry_ms[i];
	if (left_s > longest / 1000)
		return clock_boot_ms() + longest;
	return clock_boot_ms() + (left_s > 0 ? left_s * 1000 : 0);
}

static void take_up_damaged(
	struct dispatch *d, struct found_file *f, const struct err *err)
{
	const bool ours = note_damaged(d, DISK_QUEUE, f->id, err);
	struct message *m;

	if (!ours && err->kind == ERR_DAMAGED)
		return;
	/* It may be readable again soon. */
	f->due_ms = clock_boot_ms() + (ours ? 0 : UNREADABLE_RETRY_MS);
	m = dispatch_add(d, f->id, NULL, 0, f->due_ms);
	if (f->unmarked) {
		f->message = m;
		dispatch_set_stage(d, m, STAGE_DISK);
	} else if (ours) {
		dispatch_damaged(d, m, err);
	}
}

static void take_up_queued(struct dispatch *d, struct found_file *f)
{
	struct envelope *env;
	struct message *m;
	struct err err;

	if (queue_read(d->queue_fd, d->large_fd, f->id, &env, NULL, &err) !=
		0) {
		take_up_damaged(d, f, &err);
		return;
	}
	if (env->body_name != 0)
		journal_reader_keep_body(d->journal, env->body_name);
	f->due_ms = d->flushed ? clock_boot_ms() : stored_due_ms(d, env);
	m = dispatch_add(
		d, f->id, NULL, dispatch_route(d, env->account), f->due_ms);
	dispatch_set_age(m, (int64_t)env->waited_ms, env->arrived_s);
	if (f->unmarked) {
		f->message = m;
		f->hold = m->to_hold = env->hold;
		dispatch_set_stage(d, m, STAGE_DISK);
	} else if (env->hold) {
		dispatch_set_stage(d, m, STAGE_HOLD);
	}
	envelope_free(&env);
}

static void take_up_failed(struct dispatch *d, const struct found_file *found)
{
	struct failed_message f = {.id = found->id, .busy = found->unmarked};
	struct envelope *env = NULL;
	char name[HEX64_SIZE];
	struct stat st;
	struct err err;

	if (queue_read(d->failed_fd, d->large_fd, f.id, &env, NULL, &err) !=
		0) {
		f.damaged = note_damaged(d, DISK_FAILED, f.id, &err);
		f.failed_s = clock_wall_s();
		if (f.damaged)
			dispatch_remember_failed(d, &f);
		return;
	}
	if (env->body_name != 0)
		journal_reader_keep_body(d->journal, env->body_name);
	f.failed_s = fstatat(d->failed_fd, hex64(name, f.id), &st, 0) == 0
			     ? st.st_mtime
			     : clock_wall_s();
	f.seen = env->seen;
	f.told_key = dispatch_report_key(d, env);
	dispatch_remember_failed(d, &f);
	envelope_free(&env);
}

/* An id in both: a move between them was cut short, and failed/ came last. What
 * cannot be read there is no reason to remove anything. */
static bool moved_to_failed(const struct dispatch *d, uint64_t id)
{
	struct envelope *env = NULL;
	struct err err;

	if (find_file(&d->failed_found, id) == NULL ||
		queue_read(d->failed_fd, d->large_fd, id, &env, NULL, &err) !=
			0)
		return false;
	envelope_free(&env);
	return true;
}

static void take_up_or_drop(struct dispatch *d, struct found_file *f)
{
	if (moved_to_failed(d, f->id))
		dispatch_remove_copy(d, f->id);
	else
		take_up_queued(d, f);
}

static void on_take_up(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *d = arg;
	struct found_files *queue = &d->queue_found;
	struct found_files *failed = &d->failed_found;
	int left = TAKE_UP_FILES;

	(void)fd;
	(void)what;
	/* what is damaged means writing */
	if (dispatch_disk_is_behind(d)) {
		loop_after(d->take_up, TAKE_UP_DISK_MS);
		return;
	}
	for (; left > 0 && queue->taken < queue->count; left--)
		take_up_or_drop(d, &queue->files[queue->taken++]);
	for (; left > 0 && failed->taken < failed->count; left--)
		take_up_failed(d, &failed->files[failed->taken++]);
	if (left == 0) {
		/* an event made active would run before others are polled */
		loop_after(d->take_up, 0);
		return;
	}
	d->taken_up = true;
	dispatch_arm_digest(d);
	forget_files(d);
	dispatch_look_at_failed(d);
	/* A body that something we could not read may name is not left over. */
	if (!d->blind)
		journal_reader_sweep_bodies(d->journal);
	else
		log_warn(
			"bodies-kept dir=large reason=\"something in queue/ or "
			"failed/ cannot be read, see above\" advice=\"what no "
			"message names is deleted at the next start at which "
			"all can be read\"");
	d->on_change(d->change_arg);
}

struct looking_at {
	struct dispatch *dispatch;
	const char *dir;
};

/* It may be a message that somebody has renamed. */
static void on_foreign(void *arg, const char *name)
{
	const struct looking_at *at = arg;
	struct log_text text;

	log_warn("foreign-file dir=%s name=%s advice=\"not ours: left alone\"",
		at->dir, log_text(&text, name));
	at->dispatch->blind = true;
}

static void on_account_state(void *arg, struct account *a)
{
	struct dispatch *d = arg;

	dispatch_tell_paused(d, a);
	d->on_change(d->change_arg);
}

/* What a body file may grow to: the largest message that is taken of any
 * client. upstream_size: 0 for not known. */
static uint64_t body_size_max(const struct conf *conf, uint64_t upstream_size)
{
	uint64_t size, largest = 0;
	size_t i;

	if (upstream_size == 0)
		upstream_size = UPSTREAM_SIZE_DEFAULT;
	for (i = 0; i < conf->client_count; i++) {
		size = conf->clients[i].message_size;
		if (size == 0)
			size = conf->message_size;
		if (size == 0)
			size = upstream_size;
		if (size > largest)
			largest = size;
	}
	return largest;
}

static void on_size(void *arg, struct account *a, uint64_t size)
{
	struct dispatch *d = arg;
	size_t i;

	for (i = 0; i < d->slot_count; i++)
		if (d->slots[i].account == a)
			d->slots[i].size_max = size;
	if (a == d->slots[0].account)
		journal_reader_tell_size(
			d->journal, size, body_size_max(d->conf, size));
}

static int open_dir(int spool_fd, const char *name, struct err *err)
{
	int fd = openat(spool_fd, name,
		O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

	if (fd < 0)
		return err_errno(err, "opening the spool's %s/", name);
	/* A dead process may have left names that no disk has. */
	if (fsync(fd) != 0) {
		err_errno(err, "syncing the spool's %s/", name);
		close(fd);
		return -1;
	}
	return fd;
}

/* The names in a directory, sorted. */
static int read_names(struct dispatch *d, enum disk_dir dir, struct err *err)
{
	const bool queue = dir == DISK_QUEUE;
	struct looking_at at = {d, queue ? "queue" : "failed"};
	struct found_files *found = queue ? &d->queue_found : &d->failed_found;
	uint64_t *ids;
	ssize_t n, i;

	n = queue_scan(
		queue ? d->queue_fd : d->failed_fd, &ids, on_foreign, &at, err);
	if (n < 0)
		return -1;
	found->files = xcalloc(n > 0 ? (size_t)n : 1, sizeof(*found->files));
	found->count = (size_t)n;
	for (i = 0; i < n; i++) {
		found->files[i].id = ids[i];
		found->files[i].dispatch = d;
	}
	free(ids);
	return 0;
}

static int make_slots(struct dispatch *d, const struct dispatch_params *params,
	struct err *err)
{
	struct account_params account = {
		.base = d->base,
		.conf = d->conf,
		.state_fd = d->state_fd,
		.worker = d->mover,
		.callbacks = {dispatch_due, dispatch_next, dispatch_finished,
			on_account_state, on_size, d},
	};
	size_t i;

	d->slots = xcalloc(d->conf->account_count, sizeof(*d->slots));
	for (i = 0; i < d->conf->account_count; i++) {
		account.settings = &d->conf->accounts[i];
		account.credential = params->credentials[i];
		d->slots[i].dispatch = d;
		d->slots[i].schedule = schedule_new();
		d->slot_count++;
		d->slots[i].account = account_new(&account, err);
		if (d->slots[i].account == NULL)
			return -1;
	}
	return 0;
}

static void on_late_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_retry_jobs(arg);
}

static void on_failed_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_look_at_failed(arg);
}

static void make_events(struct dispatch *d)
{
	d->settle = event_new(d->base, -1, 0, dispatch_on_settle, d);
	d->due = evtimer_new(d->base, dispatch_on_settle, d);
	d->take_up = event_new(d->base, -1, 0, on_take_up, d);
	d->failed_timer = evtimer_new(d->base, on_failed_timer, d);
	d->late_timer = evtimer_new(d->base, on_late_timer, d);
	d->digest_timer = evtimer_new(d->base, dispatch_on_digest_timer, d);
	if (d->settle == NULL || d->due == NULL || d->take_up == NULL ||
		d->failed_timer == NULL || d->late_timer == NULL ||
		d->digest_timer == NULL)
		bug("out of memory at the start");
}

static void find_hostname(struct dispatch *d)
{
	const char *configured = d->conf->hostname;

	if (configured[0] != '\0')
		snprintf(d->hostname, sizeof(d->hostname), "%s", configured);
	else if (gethostname(d->hostname, sizeof(d->hostname) - 1) != 0)
		snprintf(d->hostname, sizeof(d->hostname), "localhost");
}

struct dispatch *dispatch_new(
	const struct dispatch_params *params, struct err *err)
{
	struct dispatch *d = xcalloc(1, sizeof(*d));
	const struct journal_reader_callbacks callbacks = {
		on_record, on_recovered, dispatch_on_sparse, d};

	d->base = params->base;
	d->conf = params->conf;
	d->names = params->names;
	d->counters = params->counters;
	d->on_change = params->on_change;
	d->change_arg = params->arg;
	d->started_ms = clock_boot_ms();
	STAILQ_INIT(&d->late_jobs);
	by_id_init(&d->messages);
	by_id_init(&d->failed);
	d->cap = report_cap_new();
	find_hostname(d);
	make_events(d);
	d->queue_fd = open_dir(params->spool_fd, "queue", err);
	d->failed_fd = open_dir(params->spool_fd, "failed", err);
	d->large_fd = open_dir(params->spool_fd, "large", err);
	d->state_fd = open_dir(params->spool_fd, "state", err);
	if (d->queue_fd < 0 || d->failed_fd < 0 || d->large_fd < 0 ||
		d->state_fd < 0 || read_names(d, DISK_QUEUE, err) != 0 ||
		read_names(d, DISK_FAILED, err) != 0)
		goto fail;
	d->mover = worker_new(d->base, "mover", err);
	if (d->mover == NULL || make_slots(d, params, err) != 0)
		goto fail;
	d->journal = journal_reader_open(d->base, params->spool_fd,
		body_size_max(d->conf, 0), &callbacks, err);
	if (d->journal == NULL)
		goto fail;
	return d;
fail:
	dispatch_free(&d);
	return NULL;
}

static void free_slots(struct dispatch *d)
{
	struct scheduled *item;
	size_t i;

	for (i = 0; i < d->slot_count; i++) {
		account_free(&d->slots[i].account);
		while ((item = schedule_first(d->slots[i].schedule)) != NULL) {
			schedule_remove(d->slots[i].schedule, item);
			free(item);
		}
		schedule_free(&d->slots[i].schedule);
	}
	free(d->slots);
}

void dispatch_free(struct dispatch **dp)
{
	struct dispatch *d = *dp;
	struct event *events[6];
	size_t i;

	*dp = NULL;
	if (d == NULL)
		return;
	d->draining = true;
	for (i = 0; i < d->slot_count; i++)
		account_end(d->slots[i].account);
	dispatch_end_jobs(d);
	journal_reader_free(&d->journal);
	free_slots(d);
	events[0] = d->settle;
	events[1] = d->due;
	events[2] = d->take_up;
	events[3] = d->failed_timer;
	events[4] = d->late_timer;
	events[5] = d->digest_timer;
	for (i = 0; i < COUNT_OF(events); i++)
		event_free(events[i]);
	free_files(&d->queue_found);
	free_files(&d->failed_found);
	dispatch_free_failed(d);
	report_cap_free(&d->cap);
	close(d->queue_fd);
	close(d->failed_fd);
	close(d->large_fd);
	close(d->state_fd);
	free(d);
}
