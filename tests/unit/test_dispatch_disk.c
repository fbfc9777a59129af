/*
 * test_dispatch_disk.c - jobs for a disk that fails: what they hold is bounded,
 *                        and nothing that is waited for waits for anything but
 *                        the disk.
 */
#include "config.h"

#include "base/util.h"
#include "relay/dispatch_internal.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* Of each job. */
#define FILE_SIZE (256 * 1024)
/* With this id the first one; the others follow. */
#define FIRST_ID 1

struct desk {
	struct dispatch d; /* first */
	char dir[64];
	uint64_t next_id;
	size_t done;
	size_t settled; /* looks for work */
};

static void on_settle(evutil_socket_t fd, short what, void *arg)
{
	struct desk *desk = arg;

	(void)fd;
	(void)what;
	desk->settled++;
}

static void on_late(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	dispatch_retry_jobs(arg);
}

static int setup(void **state)
{
	struct desk *desk = xcalloc(1, sizeof(*desk));
	struct dispatch *d = &desk->d;

	snprintf(
		desk->dir, sizeof(desk->dir), "/tmp/test_dispatch_disk.XXXXXX");
	assert_non_null(mkdtemp(desk->dir));
	desk->next_id = FIRST_ID;
	d->base = event_base_new();
	d->mover = worker_new(d->base, "mover", NULL);
	d->settle = event_new(d->base, -1, 0, on_settle, desk);
	d->late_timer = evtimer_new(d->base, on_late, d);
	STAILQ_INIT(&d->late_jobs);
	/* the disk fails */
	d->queue_fd = d->failed_fd = d->large_fd = -1;
	*state = desk;
	return 0;
}

static int teardown(void **state)
{
	struct desk *desk = *state;
	char name[HEX64_SIZE];
	uint64_t id;

	if (desk->d.mover != NULL)
		worker_free(&desk->d.mover);
	event_free(desk->d.settle);
	event_free(desk->d.late_timer);
	event_base_free(desk->d.base);
	for (id = FIRST_ID; id < desk->next_id; id++)
		(void)unlinkat(desk->d.queue_fd, hex64(name, id), 0);
	if (desk->d.queue_fd >= 0)
		close(desk->d.queue_fd);
	assert_int_equal(rmdir(desk->dir), 0);
	free(desk);
	return 0;
}

static void mend(struct desk *desk)
{
	desk->d.queue_fd = open(desk->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(desk->d.queue_fd >= 0);
}

/* Until the mover has tried all that it was given. */
static void work(struct desk *desk)
{
	while (worker_pending(desk->d.mover) > 0)
		assert_true(event_base_loop(desk->d.base, EVLOOP_ONCE) >= 0);
	/* what was made active by the last of them */
	event_base_loop(desk->d.base, EVLOOP_NONBLOCK);
}

static void after_job(struct disk_job *job)
{
	struct desk *desk = (struct desk *)job->dispatch;

	/* it is written: nothing of it is kept for what comes now */
	assert_int_equal(job->octets, sizeof(*job));
	assert_null(job->file.data);
	desk->done++;
}

static void submit(struct desk *desk)
{
	struct disk_job *job = disk_job_new(&desk->d, desk->next_id++);

	job->write_to = DISK_QUEUE;
	job->after = after_job;
	assert_non_null(buf_reserve(&job->file, FILE_SIZE));
	memset(job->file.data, 'x', FILE_SIZE);
	job->file.len = FILE_SIZE;
	disk_job_submit(job);
}

/* As transactions would, one after the other. */
static size_t submit_until_busy(struct desk *desk)
{
	size_t count = 0;

	while (!dispatch_disk_busy(&desk->d)) {
		submit(desk);
		work(desk);
		count++;
		assert_true(count <= DISK_OCTETS_MAX / FILE_SIZE);
	}
	return count;
}

static void what_waits_for_the_disk_is_bounded(void **state)
{
	struct desk *desk = *state;
	const size_t count = submit_until_busy(desk);

	/* not for want of jobs that are under way, which there are none */
	assert_int_equal(desk->d.disk_jobs, 0);
	assert_true(dispatch_disk_is_behind(&desk->d));
	assert_true(count > DISK_JOBS_MAX);
	assert_true(desk->d.disk_octets >= DISK_OCTETS_MAX);
	assert_true(desk->d.disk_octets < DISK_OCTETS_MAX + 3 * FILE_SIZE);
	assert_int_equal(desk->done, 0);
	mend(desk);
	dispatch_retry_jobs(&desk->d);
	work(desk);
}

static void a_disk_that_works_again_takes_all(void **state)
{
	struct desk *desk = *state;
	const size_t count = submit_until_busy(desk);
	char name[HEX64_SIZE];
	uint64_t id;

	/* nobody has to ask for it */
	assert_true(evtimer_pending(desk->d.late_timer, NULL));
	mend(desk);
	desk->settled = 0;
	event_active(desk->d.late_timer, 0, 0);
	event_base_loop(desk->d.base, EVLOOP_NONBLOCK);
	work(desk);
	assert_int_equal(desk->done, count);
	assert_int_equal(desk->d.disk_octets, 0);
	assert_false(dispatch_disk_busy(&desk->d));
	assert_true(STAILQ_EMPTY(&desk->d.late_jobs));
	/* somebody looked whether more can be sent */
	assert_true(desk->settled > 0);
	for (id = FIRST_ID; id < desk->next_id; id++)
		assert_int_equal(
			faccessat(desk->d.queue_fd, hex64(name, id), F_OK, 0),
			0);
}

/* Nor may those be without number that only wait for a mark's sync. */
static void a_job_that_holds_nothing_counts(void **state)
{
	struct desk *desk = *state;
	struct disk_job *job = disk_job_new(&desk->d, FIRST_ID);

	assert_int_equal(desk->d.disk_octets, sizeof(*job));
	disk_job_free(&job);
	assert_null(job);
	assert_int_equal(desk->d.disk_octets, 0);
	mend(desk);
}

/* One that is not tried again holds nothing. */
static void a_job_that_is_given_up_counts_no_more(void **state)
{
	struct desk *desk = *state;
	struct disk_job *job = disk_job_new(&desk->d, desk->next_id++);

	job->write_to = DISK_QUEUE;
	job->optional = true;
	assert_int_equal(buf_add(&job->file, "text", 4), 0);
	disk_job_submit(job);
	assert_true(desk->d.disk_octets > 0);
	work(desk);
	assert_int_equal(desk->d.disk_octets, 0);
	assert_int_equal(desk->d.disk_jobs, 0);
	mend(desk);
}

/* What is asked for by hand would add to it. */
static void hands_are_told_to_wait(void **state)
{
	struct desk *desk = *state;
	struct err err;

	submit_until_busy(desk);
	assert_int_equal(dispatch_hold(&desk->d, FIRST_ID, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_non_null(strstr(err.text, "disk is behind"));
	assert_int_equal(dispatch_release(&desk->d, FIRST_ID, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	mend(desk);
	dispatch_retry_jobs(&desk->d);
	work(desk);
	assert_int_equal(dispatch_hold(&desk->d, FIRST_ID, &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX); /* there is no such message */
}

static bool is_in(int dir_fd, uint64_t id)
{
	char name[HEX64_SIZE];

	return faccessat(dir_fd, hex64(name, id), F_OK, 0) == 0;
}

static void make_file(int dir_fd, uint64_t id)
{
	char name[HEX64_SIZE];
	int fd = openat(dir_fd, hex64(name, id), O_WRONLY | O_CREAT, 0600);

	assert_true(fd >= 0);
	close(fd);
}

/* failed/, below what is queue/ later. */
static void make_failed(struct desk *desk)
{
	char path[sizeof(desk->dir) + sizeof("/failed")];

	snprintf(path, sizeof(path), "%s/failed", desk->dir);
	assert_int_equal(mkdir(path, 0700), 0);
	desk->d.failed_fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(desk->d.failed_fd >= 0);
}

static void remove_failed(struct desk *desk)
{
	close(desk->d.failed_fd);
	assert_int_equal(unlinkat(desk->d.queue_fd, "failed", AT_REMOVEDIR), 0);
}

/* At a start a message is in queue/ and failed/, and that in queue/ cannot be
 * removed. Somebody has it sent again before the disk works. */
static void a_late_removal_takes_no_only_copy(void **state)
{
	struct desk *desk = *state;
	struct dispatch *d = &desk->d;
	const uint64_t id = desk->next_id++;
	struct disk_job *again = disk_job_new(d, id);

	make_failed(desk);
	make_file(d->failed_fd, id);
	dispatch_remove_copy(d, id);
	work(desk);
	assert_false(STAILQ_EMPTY(&d->late_jobs));
	mend(desk);
	again->write_to = DISK_QUEUE;
	again->replace = true;
	again->remove_from = DISK_FAILED;
	assert_int_equal(buf_add(&again->file, "text", 4), 0);
	disk_job_submit(again);
	work(desk);
	assert_true(is_in(d->queue_fd, id));
	assert_false(is_in(d->failed_fd, id));
	dispatch_retry_jobs(d);
	work(desk);
	assert_true(STAILQ_EMPTY(&d->late_jobs));
	assert_true(is_in(d->queue_fd, id));
	remove_failed(desk);
}

static void a_copy_of_what_failed_is_removed(void **state)
{
	struct desk *desk = *state;
	struct dispatch *d = &desk->d;
	const uint64_t id = desk->next_id++;
	char name[HEX64_SIZE];

	make_failed(desk);
	mend(desk);
	make_file(d->queue_fd, id);
	make_file(d->failed_fd, id);
	dispatch_remove_copy(d, id);
	work(desk);
	assert_false(is_in(d->queue_fd, id));
	assert_true(is_in(d->failed_fd, id));
	assert_int_equal(unlinkat(d->failed_fd, hex64(name, id), 0), 0);
	remove_failed(desk);
}

/* Whom a message has reached already is not forgotten by a stop. */
static void late_jobs_are_tried_once_more_at_the_end(void **state)
{
	struct desk *desk = *state;

	submit(desk);
	work(desk);
	assert_int_equal(desk->done, 0);
	mend(desk);
	dispatch_end_jobs(&desk->d);
	assert_null(desk->d.mover);
	assert_int_equal(desk->done, 1);
	assert_true(is_in(desk->d.queue_fd, FIRST_ID));
	assert_int_equal(desk->d.disk_octets, 0);
}

/* And no longer than that. */
static void a_stop_does_not_wait_for_a_disk_that_fails(void **state)
{
	struct desk *desk = *state;

	submit(desk);
	work(desk);
	dispatch_end_jobs(&desk->d);
	assert_int_equal(desk->done, 0);
	assert_true(STAILQ_EMPTY(&desk->d.late_jobs));
	assert_int_equal(desk->d.disk_octets, 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_waits_for_the_disk_is_bounded),
		TEST(a_disk_that_works_again_takes_all),
		TEST(a_job_that_holds_nothing_counts),
		TEST(a_job_that_is_given_up_counts_no_more),
		TEST(hands_are_told_to_wait),
		TEST(a_late_removal_takes_no_only_copy),
		TEST(a_copy_of_what_failed_is_removed),
		TEST(late_jobs_are_tried_once_more_at_the_end),
		TEST(a_stop_does_not_wait_for_a_disk_that_fails),
	};

	return cmocka_run_group_tests_name("dispatch_disk", tests, NULL, NULL);
}
