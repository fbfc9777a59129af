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

	/* it is written: no octet of it is kept for what comes now */
	assert_int_equal(job->octets, 0);
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

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(what_waits_for_the_disk_is_bounded),
		TEST(a_disk_that_works_again_takes_all),
		TEST(a_job_that_is_given_up_counts_no_more),
		TEST(hands_are_told_to_wait),
	};

	return cmocka_run_group_tests_name("dispatch_disk", tests, NULL, NULL);
}
