/*
 * test_counters.c - two pages: each side writes its own and only reads the
 *                   other's.
 */
#include "config.h"

#include "base/counters.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* Runs work in a process of its own; it returns the number of the check that
 * failed, 0 when all is well. */
static void in_child(
	struct counters_pages *pages, int (*work)(struct counters_pages *pages))
{
	int status;
	pid_t pid = fork();

	assert_true(pid >= 0);
	if (pid == 0)
		_exit(work(pages));
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
}

static int count_as_receiver(struct counters_pages *pages)
{
	struct counters c;

	if (counters_map(pages, COUNTERS_RECEIVER, &c, NULL) != 0)
		return 1;
	if (atomic_load(&c.receiver->open_sessions) != 0)
		return 2;
	atomic_fetch_add(&c.receiver->accepted, 7);
	atomic_fetch_add(&c.receiver->open_sessions, 3);
	if (mprotect(c.relay, PAGE, PROT_READ | PROT_WRITE) == 0)
		return 3;
	return errno == EACCES ? 0 : 4;
}

static int look_as_relay(struct counters_pages *pages)
{
	struct counters c;

	if (counters_map(pages, COUNTERS_RELAY, &c, NULL) != 0)
		return 1;
	if (atomic_load(&c.receiver->accepted) != 7)
		return 2;
	atomic_fetch_add(&c.relay->delivered, 5);
	if (mprotect(c.receiver, PAGE, PROT_READ | PROT_WRITE) == 0)
		return 3;
	return errno == EACCES ? 0 : 4;
}

/* A receiver started again: counts go on, sessions begin at 0. */
static int look_as_next_receiver(struct counters_pages *pages)
{
	struct counters c;

	if (counters_map(pages, COUNTERS_RECEIVER, &c, NULL) != 0)
		return 1;
	if (atomic_load(&c.receiver->accepted) != 7)
		return 2;
	if (atomic_load(&c.receiver->open_sessions) != 0)
		return 3;
	return atomic_load(&c.relay->delivered) == 5 ? 0 : 4;
}

static void test_each_writes_its_own(void **state)
{
	struct counters_pages *pages = counters_pages_new(NULL);

	(void)state;
	assert_non_null(pages);
	in_child(pages, count_as_receiver);
	in_child(pages, look_as_relay);
	in_child(pages, look_as_next_receiver);
	counters_pages_free(&pages);
	assert_null(pages);
	counters_pages_free(&pages);
}

static int write_to_the_other(struct counters_pages *pages)
{
	struct counters c;

	if (counters_map(pages, COUNTERS_RELAY, &c, NULL) != 0)
		return 1;
	signal(SIGSEGV, SIG_DFL);
	atomic_store(&c.receiver->accepted, 1);
	return 2;
}

static void test_a_write_to_the_other_is_death(void **state)
{
	struct counters_pages *pages = counters_pages_new(NULL);
	int status;
	pid_t pid;

	(void)state;
	assert_non_null(pages);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(STDERR_FILENO); /* a sanitizer would tell at length */
		_exit(write_to_the_other(pages));
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFSIGNALED(status));
	assert_int_equal(WTERMSIG(status), SIGSEGV);
	counters_pages_free(&pages);
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	while (dir != NULL && readdir(dir) != NULL)
		count++;
	if (dir != NULL)
		closedir(dir);
	return count;
}

static void test_no_descriptor_stays(void **state)
{
	unsigned before = open_descriptors();
	struct counters_pages *pages = counters_pages_new(NULL);
	struct counters c;

	(void)state;
	assert_non_null(pages);
	assert_int_equal(open_descriptors(), before + 4);
	assert_int_equal(counters_map(pages, COUNTERS_RELAY, &c, NULL), 0);
	assert_int_equal(open_descriptors(), before);
	munmap(c.receiver, PAGE);
	munmap(c.relay, PAGE);
	counters_pages_free(&pages);
}

static void test_mapped_twice_is_an_error(void **state)
{
	struct counters_pages *pages = counters_pages_new(NULL);
	struct err err = {ERR_NONE, ""};
	struct counters c;

	(void)state;
	assert_non_null(pages);
	assert_int_equal(counters_map(pages, COUNTERS_RELAY, &c, &err), 0);
	munmap(c.receiver, PAGE);
	munmap(c.relay, PAGE);
	assert_int_equal(counters_map(pages, COUNTERS_RELAY, &c, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	counters_pages_free(&pages);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_each_writes_its_own),
		cmocka_unit_test(test_a_write_to_the_other_is_death),
		cmocka_unit_test(test_no_descriptor_stays),
		cmocka_unit_test(test_mapped_twice_is_an_error),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
