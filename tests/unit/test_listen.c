/*
 * test_listen.c - sockets: bound, kept over a reload, passed by systemd, and
 *                 what is said when they cannot be had.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "parent/listen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

enum { ADDRESSES_MAX = 4 };

/* A configuration with nothing but sockets, in a directory of its own. */
struct setting {
	struct conf conf;
	struct conf_address listen[ADDRESSES_MAX];
	struct listen_pool pool;
	char directory[40];
	char control[64];
	char submit[64];
};

static int setting_new(void **state)
{
	struct setting *s = xcalloc(1, sizeof(*s));

	snprintf(s->directory, sizeof(s->directory), "/tmp/listen-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(
		s->control, sizeof(s->control), "%s/run/control", s->directory);
	snprintf(s->submit, sizeof(s->submit), "%s/submit", s->directory);
	s->conf.listen = s->listen;
	s->conf.control = s->control;
	s->conf.submit = s->submit;
	*state = s;
	return 0;
}

static int setting_free(void **state)
{
	struct setting *s = *state;
	char run[64];

	snprintf(run, sizeof(run), "%s/run", s->directory);
	unlink(s->control);
	rmdir(run);
	unlink(s->submit);
	assert_int_equal(rmdir(s->directory), 0);
	free(s);
	return 0;
}

static void add(struct setting *s, const char *ip, unsigned port)
{
	struct conf_address *a = &s->listen[s->conf.listen_count++];
	struct sockaddr_in *in = (struct sockaddr_in *)&a->sa;
	struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)&a->sa;
	char name[LISTENER_NAME_MAX];

	memset(a, 0, sizeof(*a));
	if (inet_pton(AF_INET, ip, &in->sin_addr) == 1) {
		in->sin_family = AF_INET;
		in->sin_port = htons((uint16_t)port);
		a->len = sizeof(*in);
	} else {
		assert_int_equal(inet_pton(AF_INET6, ip, &in6->sin6_addr), 1);
		in6->sin6_family = AF_INET6;
		in6->sin6_port = htons((uint16_t)port);
		a->len = sizeof(*in6);
	}
	snprintf(a->text, sizeof(a->text), "%.63s", listen_name(&a->sa, name));
}

static struct listen_set *must_open(
	struct setting *s, const struct listen_set *old)
{
	struct listen_set *set;
	struct err err = {ERR_NONE, ""};

	set = listen_open(&s->conf, (gid_t)-1, old, &s->pool, &err);
	assert_string_equal(err.text, "");
	assert_non_null(set);
	return set;
}

static void must_fail(
	struct setting *s, const struct listen_set *old, const char *words)
{
	struct err err = {ERR_NONE, ""};

	assert_null(listen_open(&s->conf, (gid_t)-1, old, &s->pool, &err));
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" says nothing of \"%s\"", err.text, words);
}

static unsigned port_of(int fd)
{
	struct sockaddr_in sa;
	socklen_t len = sizeof(sa);

	assert_int_equal(getsockname(fd, (struct sockaddr *)&sa, &len), 0);
	return ntohs(sa.sin_port);
}

/* 0 when somebody listens on that port of 127.0.0.1, else errno. */
static int knock(unsigned port)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)port),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int rc;

	assert_true(fd >= 0);
	rc = connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) == 0 ? 0
									: errno;
	close(fd);
	return rc;
}

/* A socket of somebody else's. */
static int foreign_tcp(int type)
{
	struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	int fd = socket(AF_INET, type | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	if (type == SOCK_STREAM)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static int foreign_unix(const char *path, bool listening)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	snprintf(sa.sun_path, sizeof(sa.sun_path), "%s", path);
	assert_int_equal(bind(fd, (const struct sockaddr *)&sa, sizeof(sa)), 0);
	if (listening)
		assert_int_equal(listen(fd, 4), 0);
	return fd;
}

static void test_all_kinds(void **state)
{
	struct listener listeners[LISTENERS_MAX];
	struct setting *s = *state;
	struct listen_set *set;
	struct stat st;
	struct buf text;
	char wanted[300];
	int control;

	add(s, "127.0.0.1", 0);
	add(s, "127.0.0.1", 0);
	set = must_open(s, NULL);
	assert_int_equal(set->count, 4);
	assert_int_equal(listen_receivers(set, listeners), 3);
	assert_int_equal(listeners[0].kind, LISTENER_SMTP);
	assert_int_equal(listeners[1].kind, LISTENER_SMTP);
	assert_int_equal(listeners[2].kind, LISTENER_SUBMIT);
	assert_string_equal(listeners[2].name, s->submit);
	assert_true(port_of(listeners[0].fd) != port_of(listeners[1].fd));
	control = listen_control(set);
	assert_true(control >= 0);
	assert_true(fcntl(control, F_GETFL) & O_NONBLOCK);
	assert_true(fcntl(control, F_GETFD) & FD_CLOEXEC);
	assert_true(fcntl(listeners[0].fd, F_GETFL) & O_NONBLOCK);
	assert_int_equal(stat(s->control, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0660);
	assert_int_equal(stat(s->submit, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0666);

	buf_init(&text, 1000);
	listen_describe(set, &text);
	snprintf(wanted, sizeof(wanted),
		"listen=127.0.0.1:%u,127.0.0.1:%u control=%s submit=%s",
		port_of(listeners[0].fd), port_of(listeners[1].fd), s->control,
		s->submit);
	assert_string_equal(text.data, wanted);
	buf_free(&text);

	listen_free(&set, NULL);
	assert_null(set);
	assert_int_equal(stat(s->control, &st), -1);
	assert_int_equal(stat(s->submit, &st), -1);
	listen_free(&set, NULL);
}

static void test_reload_keeps_and_replaces(void **state)
{
	struct setting *s = *state;
	struct listen_set *old, *set;
	unsigned first, second, third;
	int fd;

	add(s, "127.0.0.1", 0);
	add(s, "127.0.0.1", 0);
	old = must_open(s, NULL);
	fd = old->sockets[0].fd;
	first = port_of(old->sockets[0].fd);
	second = port_of(old->sockets[1].fd);

	/* nothing changed: the same descriptors, each once */
	set = must_open(s, old);
	assert_int_equal(set->count, old->count);
	assert_int_equal(set->sockets[0].fd, fd);
	assert_int_equal(set->sockets[1].fd, old->sockets[1].fd);
	assert_int_equal(listen_control(set), listen_control(old));
	listen_free(&old, set);
	old = set;

	/* one goes, another comes */
	s->conf.listen_count = 1;
	add(s, "127.0.0.2", 0);
	set = must_open(s, old);
	third = port_of(set->sockets[1].fd);
	listen_free(&old, set);
	assert_int_equal(set->sockets[0].fd, fd);
	assert_int_equal(knock(first), 0);
	assert_int_equal(knock(second), ECONNREFUSED);
	assert_true(third != 0);
	assert_int_equal(access(s->control, F_OK), 0);
	listen_free(&set, NULL);
	assert_int_equal(knock(first), ECONNREFUSED);
}

static void test_reload_that_fails_changes_nothing(void **state)
{
	int foreign = foreign_tcp(SOCK_STREAM);
	struct setting *s = *state;
	struct listen_set *old;
	unsigned port;

	add(s, "127.0.0.1", 0);
	old = must_open(s, NULL);
	port = port_of(old->sockets[0].fd);
	add(s, "127.0.0.1", port_of(foreign));
	must_fail(s, old, "is in use, probably by another mail server");
	assert_int_equal(knock(port), 0);
	assert_int_equal(access(s->control, F_OK), 0);
	/* from an address to all of them on one port */
	s->conf.listen_count = 0;
	add(s, "127.0.0.1", 0);
	listen_free(&old, NULL);
	old = must_open(s, NULL);
	port = port_of(old->sockets[0].fd);
	old->sockets[0].wanted = s->listen[0].sa;
	((struct sockaddr_in *)&old->sockets[0].wanted)->sin_port =
		htons((uint16_t)port);
	s->conf.listen_count = 0;
	add(s, "0.0.0.0", port);
	must_fail(s, old, "own 127.0.0.1");
	listen_free(&old, NULL);
	close(foreign);
}

static void test_bind_failures_have_words(void **state)
{
	int foreign = foreign_tcp(SOCK_STREAM);
	struct setting *s = *state;

	add(s, "127.0.0.1", port_of(foreign));
	must_fail(s, NULL, "choose another listen");
	/* a default is no excuse for a port in use */
	s->listen[0].defaulted = true;
	must_fail(s, NULL, "choose another listen");
	s->conf.listen_count = 0;
	add(s, "192.0.2.1", 0); /* TEST-NET-1 of RFC 5737: nobody's */
	must_fail(s, NULL, "no such address");
	close(foreign);
}

static void test_defaults_may_be_missing(void **state)
{
	struct setting *s = *state;
	struct listen_set *set;

	add(s, "192.0.2.1", 0);
	s->listen[0].defaulted = true;
	must_fail(s, NULL, "no address of listen");
	add(s, "127.0.0.1", 0);
	set = must_open(s, NULL);
	assert_int_equal(set->count, 3);
	assert_memory_equal(set->sockets[0].name, "127.0.0.1:", 10);
	listen_free(&set, NULL);
}

static void test_stale_socket_is_replaced(void **state)
{
	struct setting *s = *state;
	struct listen_set *set;

	add(s, "127.0.0.1", 0);
	close(foreign_unix(s->submit, true));
	assert_int_equal(access(s->submit, F_OK), 0);
	set = must_open(s, NULL);
	listen_free(&set, NULL);
	/* bound, but nobody listens: a daemon that died between the two */
	close(foreign_unix(s->submit, false));
	set = must_open(s, NULL);
	listen_free(&set, NULL);
}

static void *close_soon(void *arg)
{
	const struct timespec pause = {0, 200 * 1000 * 1000};

	nanosleep(&pause, NULL);
	close(*(int *)arg);
	return NULL;
}

/* Its process was killed, and lets go of it a moment later. */
static void test_dying_socket_is_replaced(void **state)
{
	struct setting *s = *state;
	int fd = foreign_unix(s->submit, true);
	struct listen_set *set;
	pthread_t thread;

	add(s, "127.0.0.1", 0);
	assert_int_equal(pthread_create(&thread, NULL, close_soon, &fd), 0);
	set = must_open(s, NULL);
	pthread_join(thread, NULL);
	listen_free(&set, NULL);
}

static void test_live_socket_is_left_alone(void **state)
{
	struct setting *s = *state;
	struct stat before, after;
	int fd = foreign_unix(s->submit, true);

	add(s, "127.0.0.1", 0);
	assert_int_equal(stat(s->submit, &before), 0);
	must_fail(s, NULL, "somebody answers");
	assert_int_equal(stat(s->submit, &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	close(fd);
}

static void test_a_file_is_left_alone(void **state)
{
	struct setting *s = *state;
	int fd = open(s->submit, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	close(fd);
	add(s, "127.0.0.1", 0);
	must_fail(s, NULL, "is no socket");
	assert_int_equal(access(s->submit, F_OK), 0);
}

static void test_bad_paths(void **state)
{
	struct setting *s = *state;
	char path[200];

	add(s, "127.0.0.1", 0);
	memset(path, 'x', sizeof(path) - 1);
	path[sizeof(path) - 1] = '\0';
	s->conf.submit = path;
	must_fail(s, NULL, "absolute");
	path[0] = '/';
	must_fail(s, NULL, "at most 107 bytes");
	snprintf(path, sizeof(path), "%s/no/such/path", s->directory);
	must_fail(s, NULL, "cannot make the directory");
}

static void pass(struct setting *s, int fd)
{
	socklen_t len = sizeof(s->pool.passed[0].sa);
	size_t i = s->pool.count++;

	s->pool.passed[i].fd = fd;
	assert_int_equal(
		getsockname(fd, (struct sockaddr *)&s->pool.passed[i].sa, &len),
		0);
}

static void test_passed_sockets_match_by_address(void **state)
{
	int tcp = foreign_tcp(SOCK_STREAM), spare = foreign_tcp(SOCK_STREAM);
	char name[LISTENER_NAME_MAX] = "", wanted[LISTENER_NAME_MAX];
	struct setting *s = *state;
	int un = foreign_unix(s->submit, true);
	struct listen_set *set, *next;

	pass(s, spare);
	pass(s, tcp);
	pass(s, un);
	add(s, "127.0.0.1", port_of(tcp));
	set = must_open(s, NULL);
	assert_int_equal(set->sockets[0].fd, tcp);
	assert_true(set->sockets[0].inherited);
	assert_int_equal(set->sockets[2].fd, un);
	assert_int_equal(listen_unclaimed(&s->pool, set, name), 1);
	snprintf(wanted, sizeof(wanted), "127.0.0.1:%u", port_of(spare));
	assert_string_equal(name, wanted);

	/* to the other and back: systemd's sockets are never closed */
	s->conf.listen_count = 0;
	add(s, "127.0.0.1", port_of(spare));
	next = must_open(s, set);
	assert_int_equal(next->sockets[0].fd, spare);
	listen_free(&set, next);
	set = next;
	s->conf.listen_count = 0;
	add(s, "127.0.0.1", port_of(tcp));
	next = must_open(s, set);
	assert_int_equal(next->sockets[0].fd, tcp);
	listen_free(&set, next);
	listen_free(&next, NULL);
	assert_int_equal(access(s->submit, F_OK), 0);
	close(tcp);
	close(spare);
	close(un);
}

/* Puts fd where systemd would (3 and up), whatever was there. */
static int inherit(
	int fd, const char *pid, struct listen_pool *pool, struct err *err)
{
	int saved = fcntl(3, F_DUPFD_CLOEXEC, 10);
	int rc;

	setenv("LISTEN_FDS", "1", 1);
	setenv("LISTEN_FDNAMES", "x", 1);
	setenv("LISTEN_PID", pid, 1);
	assert_int_equal(dup2(fd, 3), 3);
	rc = listen_inherit(pool, err);
	if (rc == 0 && pool->count > 0) {
		assert_int_equal(fcntl(3, F_GETFD), FD_CLOEXEC);
		assert_true(fcntl(3, F_GETFL) & O_NONBLOCK);
	}
	close(3);
	if (saved >= 0) {
		dup2(saved, 3);
		close(saved);
	}
	assert_null(getenv("LISTEN_FDS"));
	assert_null(getenv("LISTEN_PID"));
	assert_null(getenv("LISTEN_FDNAMES"));
	return rc;
}

static void test_listen_fds(void **state)
{
	int tcp, udp, connected[2];
	struct listen_pool *pool = xcalloc(1, sizeof(*pool));
	struct err err = {ERR_NONE, ""};
	char self[24];

	(void)state;
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, connected), 0);
	tcp = fcntl(foreign_tcp(SOCK_STREAM), F_DUPFD, 20);
	udp = fcntl(foreign_tcp(SOCK_DGRAM), F_DUPFD, 20);
	snprintf(self, sizeof(self), "%ld", (long)getpid());
	assert_int_equal(inherit(tcp, self, pool, &err), 0);
	assert_int_equal(pool->count, 1);
	assert_int_equal(pool->passed[0].fd, 3);
	assert_int_equal(pool->passed[0].sa.ss_family, AF_INET);
	/* meant for another process */
	assert_int_equal(inherit(tcp, "1", pool, &err), 0);
	assert_int_equal(pool->count, 0);
	assert_int_equal(inherit(tcp, "", pool, &err), 0);
	assert_int_equal(pool->count, 0);
	assert_int_equal(inherit(udp, self, pool, &err), -1);
	assert_int_equal(err.kind, ERR_CONFIG);
	assert_int_equal(inherit(connected[0], self, pool, &err), -1);
	setenv("LISTEN_FDS", "66", 1);
	setenv("LISTEN_PID", self, 1);
	assert_int_equal(listen_inherit(pool, &err), -1);
	assert_int_equal(err.kind, ERR_LIMIT);
	assert_int_equal(listen_inherit(pool, &err), 0);
	assert_int_equal(pool->count, 0);
	free(pool);
}

static void test_names(void **state)
{
	struct setting *s = *state;

	add(s, "127.0.0.1", 25);
	add(s, "::1", 25);
	add(s, "::", 65535);
	add(s, "fd00::1:2", 0);
	assert_string_equal(s->listen[0].text, "127.0.0.1:25");
	assert_string_equal(s->listen[1].text, "[::1]:25");
	assert_string_equal(s->listen[2].text, "[::]:65535");
	assert_string_equal(s->listen[3].text, "[fd00::1:2]:0");
}

int main(void)
{
#define WITH_SETTING(test)                                                     \
	cmocka_unit_test_setup_teardown(test, setting_new, setting_free)
	const struct CMUnitTest tests[] = {
		WITH_SETTING(test_all_kinds),
		WITH_SETTING(test_reload_keeps_and_replaces),
		WITH_SETTING(test_reload_that_fails_changes_nothing),
		WITH_SETTING(test_bind_failures_have_words),
		WITH_SETTING(test_defaults_may_be_missing),
		WITH_SETTING(test_stale_socket_is_replaced),
		WITH_SETTING(test_dying_socket_is_replaced),
		WITH_SETTING(test_live_socket_is_left_alone),
		WITH_SETTING(test_a_file_is_left_alone),
		WITH_SETTING(test_bad_paths),
		WITH_SETTING(test_passed_sockets_match_by_address),
		cmocka_unit_test(test_listen_fds),
		WITH_SETTING(test_names),
	};

	/* warnings are expected, and no part of the TAP output */
	log_open(LOG_LEVEL_ERR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
