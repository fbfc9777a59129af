/*
 * test_notify.c - the datagrams systemd would get, and when there are none.
 */
#include "config.h"

#include "base/util.h"
#include "parent/notify.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* A socket as systemd makes it, at an abstract name or a path. */
struct manager {
	int fd;
	char name[100];
	char directory[40];
};

static void manager_bind(struct manager *m)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	size_t len = strlen(m->name);

	memcpy(sa.sun_path, m->name, len);
	if (sa.sun_path[0] == '@')
		sa.sun_path[0] = '\0';
	m->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_true(m->fd >= 0);
	assert_int_equal(
		bind(m->fd, (const struct sockaddr *)&sa,
			(socklen_t)(offsetof(struct sockaddr_un, sun_path) +
				    len)),
		0);
	setenv("NOTIFY_SOCKET", m->name, 1);
}

static int manager_new(void **state)
{
	struct manager *m = xcalloc(1, sizeof(*m));

	snprintf(m->directory, sizeof(m->directory), "/tmp/notify-XXXXXX");
	assert_non_null(mkdtemp(m->directory));
	snprintf(m->name, sizeof(m->name), "%s/socket", m->directory);
	manager_bind(m);
	unsetenv("WATCHDOG_USEC");
	unsetenv("WATCHDOG_PID");
	*state = m;
	return 0;
}

static int manager_free(void **state)
{
	struct manager *m = *state;

	close(m->fd);
	unlink(m->name);
	rmdir(m->directory);
	free(m);
	return 0;
}

static void expect(const struct manager *m, const char *wanted)
{
	char got[2 * NOTIFY_MESSAGE_MAX];
	ssize_t n = recv(m->fd, got, sizeof(got) - 1, 0);

	assert_true(n >= 0);
	got[n] = '\0';
	assert_string_equal(got, wanted);
}

static void expect_nothing(const struct manager *m)
{
	char got[16];

	assert_int_equal(recv(m->fd, got, sizeof(got), 0), -1);
	assert_int_equal(errno, EAGAIN);
}

static void test_words(void **state)
{
	const struct manager *m = *state;
	struct notify n;
	struct err err;

	assert_int_equal(notify_open(&n, &err), 0);
	assert_null(getenv("NOTIFY_SOCKET"));
	notify_ready(&n, "serving");
	expect(m, "READY=1\nSTATUS=serving");
	notify_stopping(&n);
	expect(m, "STOPPING=1");
	notify_watchdog(&n);
	expect(m, "WATCHDOG=1");
	notify_status(&n, "7 queued");
	expect(m, "STATUS=7 queued");
	notify_close(&n);
	notify_status(&n, "closed");
	expect_nothing(m);
}

static void test_reloading_has_the_time(void **state)
{
	const struct manager *m = *state;
	unsigned long long usec;
	char got[NOTIFY_MESSAGE_MAX] = "";
	struct notify n;
	struct err err;

	assert_int_equal(notify_open(&n, &err), 0);
	notify_reloading(&n);
	assert_true(recv(m->fd, got, sizeof(got) - 1, 0) > 0);
	assert_int_equal(
		sscanf(got, "RELOADING=1\nMONOTONIC_USEC=%llu", &usec), 1);
	assert_true(usec > 0);
	notify_close(&n);
}

static void test_status_is_one_line(void **state)
{
	const struct manager *m = *state;
	char text[2 * NOTIFY_MESSAGE_MAX], got[2 * NOTIFY_MESSAGE_MAX];
	struct notify n;
	struct err err;

	assert_int_equal(notify_open(&n, &err), 0);
	notify_status(&n, "a\nREADY=1\r\tb\x7f");
	expect(m, "STATUS=a?READY=1??b?");
	notify_ready(&n, "x\ny");
	expect(m, "READY=1\nSTATUS=x?y");
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	notify_status(&n, text);
	assert_int_equal(
		recv(m->fd, got, sizeof(got), 0), NOTIFY_MESSAGE_MAX - 1);
	notify_close(&n);
}

static void test_abstract_name(void **state)
{
	struct manager m = {.fd = -1};
	struct notify n;
	struct err err;

	(void)state;
	snprintf(m.name, sizeof(m.name), "@gmrelay-test-%ld-%016llx",
		(long)getpid(), (unsigned long long)random_u64());
	manager_bind(&m);
	assert_int_equal(notify_open(&n, &err), 0);
	notify_stopping(&n);
	expect(&m, "STOPPING=1");
	notify_close(&n);
	close(m.fd);
}

static void test_nobody_asked(void **state)
{
	struct notify n;
	struct err err;

	(void)state;
	unsetenv("NOTIFY_SOCKET");
	setenv("WATCHDOG_USEC", "3000000", 1);
	assert_int_equal(notify_open(&n, &err), 0);
	assert_int_equal(n.fd, -1);
	assert_int_equal(n.watchdog_ms, 0);
	notify_ready(&n, "x");
	notify_reloading(&n);
	notify_stopping(&n);
	notify_close(&n);
}

static void test_bad_socket(void **state)
{
	static const char *const bad[] = {
		"", "relative/path", "/nonexistent/notify-socket", "vsock:2:1"};
	char name[200];
	struct notify n;
	struct err err;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++) {
		setenv("NOTIFY_SOCKET", bad[i], 1);
		assert_int_equal(notify_open(&n, &err), -1);
		assert_int_equal(n.fd, -1);
		notify_ready(&n, "does nothing");
	}
	memset(name, 'x', sizeof(name) - 1);
	name[sizeof(name) - 1] = '\0';
	name[0] = '/';
	setenv("NOTIFY_SOCKET", name, 1);
	assert_int_equal(notify_open(&n, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
}

static void test_watchdog(void **state)
{
	static const struct {
		const char *usec;
		const char *pid; /* "self": ours */
		unsigned ms;
	} cases[] = {
		{NULL, NULL, 0},
		{"30000000", NULL, 10000},
		{"30000000", "self", 10000},
		{"30000000", "1", 0},
		{"30000000", "", 0},
		{"1", NULL, 1},
		{"0", NULL, 0},
		{"-5", NULL, 0},
		{"30s", NULL, 0},
		{"", NULL, 0},
		{"99999999999999999999999", NULL, 0},
		{"9000000000000000000", NULL, 2147483647},
	};
	const struct manager *m = *state;
	char self[24];
	struct notify n;
	struct err err;
	size_t i;

	snprintf(self, sizeof(self), "%ld", (long)getpid());
	for (i = 0; i < COUNT_OF(cases); i++) {
		setenv("NOTIFY_SOCKET", m->name, 1);
		unsetenv("WATCHDOG_USEC");
		unsetenv("WATCHDOG_PID");
		if (cases[i].usec != NULL)
			setenv("WATCHDOG_USEC", cases[i].usec, 1);
		if (cases[i].pid != NULL)
			setenv("WATCHDOG_PID",
				strcmp(cases[i].pid, "self") == 0
					? self
					: cases[i].pid,
				1);
		assert_int_equal(notify_open(&n, &err), 0);
		assert_int_equal(n.watchdog_ms, cases[i].ms);
		notify_close(&n);
	}
}

int main(void)
{
#define WITH_MANAGER(test)                                                     \
	cmocka_unit_test_setup_teardown(test, manager_new, manager_free)
	const struct CMUnitTest tests[] = {
		WITH_MANAGER(test_words),
		WITH_MANAGER(test_reloading_has_the_time),
		WITH_MANAGER(test_status_is_one_line),
		WITH_MANAGER(test_watchdog),
		cmocka_unit_test(test_abstract_name),
		cmocka_unit_test(test_nobody_asked),
		cmocka_unit_test(test_bad_socket),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
