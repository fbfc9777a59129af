/*
 * control_fixture.c - a control socket on a fake dispatch and a fake probe.
 */
#include "config.h"

#include "control_fixture.h"

#include "base/channel.h"
#include "base/util.h"

#include <event2/event.h>

#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

enum { DEADLINE_MS = 20000 };

/* --- a fake probe -------------------------------------------------------- */

struct probe *probe_running;
unsigned probes_made;

const char *probe_status_name(enum probe_status status)
{
	return status == PROBE_FAIL ? "fail" : "ok";
}

struct probe *probe_new(const struct probe_params *params, struct err *err)
{
	(void)err;
	probe_running = xcalloc(1, sizeof(*probe_running));
	probe_running->params = *params;
	probes_made++;
	return probe_running;
}

void probe_free(struct probe **p)
{
	if (*p != NULL)
		probe_running = NULL;
	free(*p);
	*p = NULL;
}

/* --- fixture ------------------------------------------------------------- */

static void setup_socket(struct fixture *f)
{
	int fd;

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_control.XXXXXX");
	assert_non_null(mkdtemp(f->dir));
	f->sa.sun_family = AF_UNIX;
	snprintf(f->sa.sun_path, sizeof(f->sa.sun_path), "%s/s", f->dir);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	assert_true(fd >= 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&f->sa, sizeof(f->sa)), 0);
	assert_int_equal(listen(fd, CLIENTS), 0);
	f->role.control_fd = fd;
}

int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fds[2];
	size_t i;

	signal(SIGPIPE, SIG_IGN); /* as the roles do */
	setup_socket(f);
	assert_int_equal(channel_pair(fds, NULL), 0);
	f->channel_fd = fds[0];
	f->role.channel_fd = fds[1];
	f->conf.hostname = f->dir;
	f->role.conf = &f->conf;
	f->receiver.accepted = 42;
	f->counters.receiver = &f->receiver;
	f->role.counters = &f->counters;
	f->base = event_base_new();
	f->dispatch.recipients = 1;
	f->dispatch.address = "b@y.org";
	f->control = control_new(f->base, &f->role, &f->dispatch, NULL, NULL);
	control_start(f->control);
	assert_non_null(f->control);
	for (i = 0; i < CLIENTS; i++)
		f->fds[i] = -1;
	probes_made = 0;
	*state = f;
	return 0;
}

int teardown(void **state)
{
	struct fixture *f = *state;
	size_t i;

	control_free(&f->control);
	assert_null(f->control);
	assert_null(probe_running);
	event_base_free(f->base);
	for (i = 0; i < CLIENTS; i++)
		if (f->fds[i] >= 0)
			close(f->fds[i]);
	close(f->channel_fd);
	close(f->role.channel_fd);
	unlink(f->sa.sun_path);
	rmdir(f->dir);
	free(f);
	return 0;
}

/* --- a client ------------------------------------------------------------ */

int open_client(struct fixture *f, size_t index)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);

	assert_true(fd >= 0);
	assert_int_equal(
		connect(fd, (struct sockaddr *)&f->sa, sizeof(f->sa)), 0);
	f->fds[index] = fd;
	return fd;
}

void close_client(struct fixture *f, size_t index)
{
	close(f->fds[index]);
	f->fds[index] = -1;
}

void turn(struct fixture *f)
{
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

void settle(struct fixture *f)
{
	int i;

	for (i = 0; i < 100; i++)
		turn(f);
}

void say(int fd, const char *text)
{
	assert_int_equal(
		send(fd, text, strlen(text), MSG_NOSIGNAL), strlen(text));
}

char *hear(struct fixture *f, int fd)
{
	int64_t until = clock_boot_ms() + DEADLINE_MS;
	struct buf line;
	ssize_t n;
	char c = 0;

	buf_init(&line, 1 << 20);
	while (c != '\n') {
		assert_true(clock_boot_ms() < until);
		n = recv(fd, &c, 1, 0);
		if (n == 0 || (n < 0 && errno == ECONNRESET)) {
			buf_free(&line);
			return NULL;
		}
		if (n < 0) {
			c = 0;
			turn(f);
			continue;
		}
		assert_int_equal(buf_add(&line, &c, 1), 0);
	}
	return line.data;
}

json_t *answer(struct fixture *f, int fd)
{
	json_t *list = json_array(), *object;
	bool done = false;
	char *line;

	while (!done) {
		line = hear(f, fd);
		assert_non_null(line);
		object = json_loads(line, 0, NULL);
		assert_non_null(object);
		free(line);
		done = json_is_true(json_object_get(object, "done"));
		json_array_append_new(list, object);
	}
	return list;
}

json_t *ask(struct fixture *f, const char *request)
{
	json_t *list;

	if (f->fds[0] < 0)
		open_client(f, 0);
	say(f->fds[0], request);
	say(f->fds[0], "\n");
	list = answer(f, f->fds[0]);
	return list;
}

const json_t *nth(const json_t *list, size_t index)
{
	return json_array_get(list, index);
}

const json_t *end_of(const json_t *list)
{
	return nth(list, json_array_size(list) - 1);
}

const char *text_at(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text != NULL ? text : "(none)";
}

long long number_at(const json_t *object, const char *key)
{
	return json_integer_value(json_object_get(object, key));
}

void ask_fine(struct fixture *f, const char *request)
{
	json_t *list = ask(f, request);

	assert_int_equal(json_array_size(list), 1);
	assert_null(json_object_get(nth(list, 0), "error"));
	json_decref(list);
}

void ask_refused(struct fixture *f, const char *request, const char *kind,
	const char *words)
{
	json_t *list = ask(f, request);
	const json_t *error = json_object_get(end_of(list), "error");

	if (error == NULL || strcmp(text_at(error, "kind"), kind) != 0 ||
		strstr(text_at(error, "text"), words) == NULL)
		fail_msg("%s: answered %s \"%s\"", request,
			text_at(error, "kind"), text_at(error, "text"));
	json_decref(list);
}
