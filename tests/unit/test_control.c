/*
 * test_control.c - the control socket (relay/control.h): requests, bounds,
 *                  accounts, follow, doctor.
 */
#include "config.h"

#include "relay/control.h"

#include "base/channel.h"
#include "base/util.h"
#include "control_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* --- requests ------------------------------------------------------------ */

static void test_ping_and_status(void **state)
{
	struct fixture *f = *state;
	const json_t *part;
	json_t *list;

	list = ask(f, "{\"command\":\"ping\"}");
	assert_string_equal(text_at(nth(list, 0), "version"), PACKAGE_VERSION);
	assert_int_equal(number_at(nth(list, 0), "pid"), getpid());
	json_decref(list);

	f->dispatch.queued = 7;
	f->dispatch.failed = 3;
	list = ask(f, "{\"command\":\"status\"}");
	assert_int_equal(json_array_size(list), 1);
	part = json_object_get(nth(list, 0), "queue");
	assert_int_equal(number_at(part, "queued"), 7);
	assert_int_equal(number_at(part, "failed_unseen"), 3);
	part = json_object_get(nth(list, 0), "accounts");
	assert_int_equal(json_array_size(part), 2);
	part = nth(part, 0);
	assert_string_equal(text_at(part, "state"), "held");
	assert_string_equal(
		text_at(part, "reason"), "wrong password \xef\xbf\xbd");
	part = json_object_get(nth(list, 0), "counters");
	assert_int_equal(
		number_at(json_object_get(part, "receiver"), "accepted"), 42);
	json_decref(list);
}

static const struct refused {
	const char *request, *kind, *words;
} refused[] = {
	{"{}", "syntax", "names its"},
	{"{\"command\":1}", "syntax", "names its"},
	{"{\"command\":\"nothing\"}", "syntax", "no command nothing"},
	{"{\"command\":\"x\\u001b[2J\"}", "syntax", "\\x1b"},
	{"{\"command\":\"ping\",\"id\":\"0000000000000001\"}", "syntax",
		"takes no id"},
	{"{\"command\":\"queue.show\"}", "syntax", "needs"},
	{"{\"command\":\"queue.hold\"}", "syntax", "needs"},
	{"{\"command\":\"queue.hold\",\"id\":1}", "syntax", "16 hex"},
	{"{\"command\":\"queue.hold\",\"id\":\"1\"}", "syntax", "16 hex"},
	{"{\"command\":\"queue.hold\",\"id\":\"000000000000000G\"}", "syntax",
		"16 hex"},
	{"{\"command\":\"queue.hold\",\"id\":\"0000000000000000\"}", "syntax",
		"16 hex"},
	{"{\"command\":\"queue.hold\",\"id\":\"00000000000000001\"}", "syntax",
		"16 hex"},
	{"{\"command\":\"queue.list\",\"limit\":0}", "syntax", "1 to 200"},
	{"{\"command\":\"queue.list\",\"limit\":201}", "syntax", "1 to 200"},
	{"{\"command\":\"queue.list\",\"limit\":\"7\"}", "syntax", "1 to 200"},
	{"{\"command\":\"queue.list\",\"failed\":1}", "syntax", "true or"},
	{"{\"command\":\"queue.list\",\"faild\":true}", "syntax", "no faild"},
	{"{\"command\":\"account.pause\",\"name\":7}", "syntax", "a text"},
	{"{\"command\":\"account.pause\"}", "syntax", "name an account"},
	{"{\"command\":\"account.pause\",\"all\":false}", "syntax", "name an"},
	{"{\"command\":\"account.resume\",\"name\":\"third\"}", "config",
		"no account third"},
	{"{\"command\":\"queue.show\",\"id\":\"00000000000000ff\"}", "syntax",
		"no message"},
	{"{\"command\":\"queue.cat\",\"id\":\"00000000000000ff\"}", "syntax",
		"no message"},
	{"{\"command\":\"doctor\",\"name\":\"third\"}", "config", "no such"},
};

static void test_refuses_what_it_does_not_know(void **state)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(refused); i++)
		ask_refused(f, refused[i].request, refused[i].kind,
			refused[i].words);
	assert_string_equal(f->dispatch.last, "");
	ask_fine(f, "{\"command\":\"ping\"}");
}

static void test_what_is_no_request_ends_the_client(void **state)
{
	static const char *const lines[] = {"GET / HTTP/1.0", "", "[]", "1",
		"{\"command\":\"ping\"",
		"{\"command\":\"ping\",\"command\":\"stop\"}",
		"{\"command\":\"p\xff\"}", "null {}"};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(lines); i++) {
		ask_refused(f, lines[i], "protocol", "one JSON object");
		assert_null(hear(f, f->fds[0]));
		close_client(f, 0);
	}
}

static void test_too_long_a_request(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	char text[CONTROL_REQUEST_MAX + 1];
	json_t *list;

	memset(text, ' ', sizeof(text));
	text[sizeof(text) - 1] = '\0';
	say(fd, text);
	list = answer(f, fd);
	assert_non_null(
		strstr(text_at(json_object_get(nth(list, 0), "error"), "text"),
			"too long"));
	json_decref(list);
	assert_null(hear(f, fd));
}

static void test_a_request_at_the_limit(void **state)
{
	struct fixture *f = *state;
	char text[CONTROL_REQUEST_MAX];

	memset(text, ' ', sizeof(text));
	memcpy(text, "{\"command\":\"ping\"}", 18);
	text[sizeof(text) - 1] = '\0';
	ask_fine(f, text);
}

static void test_byte_by_byte(void **state)
{
	static const char request[] = "{\"command\":\"queue.flush\"}\n";
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	char one[2] = "";
	json_t *list;
	size_t i;

	for (i = 0; request[i] != '\0'; i++) {
		one[0] = request[i];
		say(fd, one);
		turn(f);
	}
	list = answer(f, fd);
	json_decref(list);
	assert_string_equal(f->dispatch.last, "flush 0");
}

/* Answers come in the order of the requests, a streamed one in between. */
static void test_many_requests_at_once(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	json_t *list;
	size_t i;

	f->dispatch.queued = 30;
	for (i = 0; i < 20; i++)
		say(fd, "{\"command\":\"ping\"}\n{\"command\":\"queue.list\"}\n");
	for (i = 0; i < 20; i++) {
		list = answer(f, fd);
		assert_non_null(json_object_get(nth(list, 0), "pid"));
		json_decref(list);
		list = answer(f, fd);
		assert_int_equal(json_array_size(list), 31);
		json_decref(list);
	}
}

static void test_half_closed_client_is_answered(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	json_t *list;

	f->dispatch.queued = 150;
	say(fd, "{\"command\":\"ping\"}\n{\"command\":\"queue.list\"}\n");
	assert_int_equal(shutdown(fd, SHUT_WR), 0);
	list = answer(f, fd);
	json_decref(list);
	list = answer(f, fd);
	assert_int_equal(json_array_size(list), 151);
	json_decref(list);
	assert_null(hear(f, fd));
}

static void test_clients_are_limited(void **state)
{
	struct fixture *f = *state;
	json_t *list;
	size_t i;

	for (i = 0; i < CONTROL_CLIENTS_MAX; i++) {
		open_client(f, i);
		say(f->fds[i], "{\"command\":\"ping\"}\n");
		json_decref(answer(f, f->fds[i]));
	}
	open_client(f, CONTROL_CLIENTS_MAX);
	list = answer(f, f->fds[CONTROL_CLIENTS_MAX]);
	assert_string_equal(
		text_at(json_object_get(nth(list, 0), "error"), "kind"),
		"limit");
	json_decref(list);
	assert_null(hear(f, f->fds[CONTROL_CLIENTS_MAX]));
	/* a place that is free again is given again */
	close_client(f, 0);
	close_client(f, CONTROL_CLIENTS_MAX);
	settle(f);
	ask_fine(f, "{\"command\":\"ping\"}");
}

/* --- accounts, parent ---------------------------------------------------- */

static void test_accounts(void **state)
{
	struct fixture *f = *state;
	json_t *list = ask(f, "{\"command\":\"account.list\"}");

	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(
		text_at(json_object_get(nth(list, 1), "account"), "name"),
		"second");
	json_decref(list);
	ask_fine(f, "{\"command\":\"account.pause\",\"name\":\"second\","
		    "\"why\":\"holidays\"}");
	assert_int_equal(f->dispatch.paused[0], 0);
	assert_int_equal(f->dispatch.paused[1], 1);
	assert_string_equal(f->dispatch.last, "holidays");
	ask_fine(f, "{\"command\":\"account.pause\",\"all\":true}");
	assert_int_equal(f->dispatch.paused[0], 1);
	assert_int_equal(f->dispatch.paused[1], 2);
	ask_fine(f, "{\"command\":\"account.resume\",\"name\":\"first\"}");
	assert_int_equal(f->dispatch.resumed[0], 1);
	assert_int_equal(f->dispatch.resumed[1], 0);
}

static void test_clients(void **state)
{
	struct fixture *f = *state;
	struct client_record *r = f->receiver.clients;
	json_t *list = ask(f, "{\"command\":\"clients\"}");
	const json_t *clients = json_object_get(end_of(list), "clients");

	assert_true(json_is_array(clients));
	assert_int_equal(json_array_size(clients), 0);
	json_decref(list);
	r[0].kind = CLIENT_ADDRESS;
	r[0].accepted = 5;
	r[0].refused = UINT64_MAX; /* written by somebody who broke in */
	r[0].quirks[QUIRK_BARE_LF] = 3;
	r[1].kind = 99;
	r[2].kind = CLIENT_USER;
	r[2].last_s = UINT64_MAX;
	r[4].kind = CLIENT_USER; /* not behind an empty one */
	list = ask(f, "{\"command\":\"clients\"}");
	clients = json_object_get(end_of(list), "clients");
	assert_int_equal(json_array_size(clients), 2);
	assert_string_equal(text_at(nth(clients, 0), "client"), "::");
	assert_int_equal(number_at(nth(clients, 0), "accepted"), 5);
	clients = json_object_get(nth(clients, 0), "quirks");
	assert_int_equal(json_array_size(clients), 1);
	assert_string_equal(text_at(nth(clients, 0), "name"), "bare-lf");
	assert_string_equal(text_at(nth(clients, 0), "text"), "bare LF");
	assert_int_equal(number_at(nth(clients, 0), "count"), 3);
	json_decref(list);
}

static void test_asks_the_parent(void **state)
{
	struct fixture *f = *state;
	struct channel_packet packet;

	ask_fine(f, "{\"command\":\"stop\"}");
	assert_int_equal(channel_receive(f->channel_fd, &packet, NULL), 1);
	assert_int_equal(packet.type, CHANNEL_STOP);
	assert_int_equal(channel_receive(f->channel_fd, &packet, NULL), 0);
}

/* Who asked for it hears why there is none; nobody else does. */
static void test_a_reload_is_refused(void **state)
{
	struct fixture *f = *state;
	struct channel_packet packet;
	char *line;
	size_t i;
	int fd[3];

	for (i = 0; i < 3; i++)
		fd[i] = open_client(f, i);
	for (i = 0; i < 2; i++) {
		say(fd[i], "{\"command\":\"reload\"}\n");
		line = hear(f, fd[i]);
		assert_string_equal(line, "{\"asked\":true}\n");
		free(line);
		assert_int_equal(
			channel_receive(f->channel_fd, &packet, NULL), 1);
		assert_int_equal(packet.type, CHANNEL_RELOAD);
	}
	close_client(f, 1); /* one who leaves is forgotten */
	settle(f);
	control_reload_refused(f->control, "line 7 is wrong");
	line = hear(f, fd[0]);
	assert_non_null(strstr(line, "\"kind\":\"config\""));
	assert_non_null(strstr(line, "line 7 is wrong"));
	assert_non_null(strstr(line, "\"done\":true"));
	free(line);
	control_reload_refused(f->control, "once more");
	for (i = 0; i < 3; i += 2) {
		say(fd[i], "{\"command\":\"ping\"}\n");
		line = hear(f, fd[i]);
		assert_non_null(strstr(line, "version"));
		free(line);
	}
}

/* --- follow -------------------------------------------------------------- */

static void follow(struct fixture *f, int fd)
{
	char *line;

	say(fd, "{\"command\":\"follow\",\"id\":\"0000000000000007\"}\n");
	line = hear(f, fd);
	assert_string_equal(line, "{\"following\":true}\n");
	free(line);
	assert_non_null(f->dispatch.follow);
}

static void test_follow_to_the_end(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	json_t *list;

	follow(f, fd);
	assert_int_equal(f->dispatch.follow_id, 7);
	f->dispatch.follow(
		f->dispatch.follow_arg, 7, "attempt", "to \xff", false);
	f->dispatch.follow(f->dispatch.follow_arg, 7, "delivered", "250", true);
	list = answer(f, fd);
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text_at(nth(list, 0), "event"), "attempt");
	assert_string_equal(text_at(nth(list, 0), "text"), "to \xef\xbf\xbd");
	assert_string_equal(text_at(nth(list, 1), "id"), "0000000000000007");
	assert_true(json_is_true(json_object_get(nth(list, 1), "last")));
	json_decref(list);
	/* it was forgotten by the dispatch itself */
	assert_int_equal(f->dispatch.unfollowed, 0);
	ask_fine(f, "{\"command\":\"ping\"}");
}

/* One that ended lately is told of at once. */
static void test_follow_what_has_ended(void **state)
{
	struct fixture *f = *state;
	json_t *list;

	f->dispatch.ended = true;
	list = ask(f, "{\"command\":\"follow\",\"id\":\"0000000000000007\"}");
	assert_int_equal(json_array_size(list), 3);
	assert_string_equal(text_at(nth(list, 1), "event"), "delivered");
	json_decref(list);
	ask_fine(f, "{\"command\":\"ping\"}");
}

static void test_follower_that_leaves(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);

	follow(f, fd);
	close_client(f, 0);
	settle(f);
	assert_int_equal(f->dispatch.unfollowed, 1);
}

static void test_follow_refused(void **state)
{
	struct fixture *f = *state;

	f->dispatch.refuse = true;
	ask_refused(f, "{\"command\":\"follow\",\"id\":\"0000000000000007\"}",
		"limit", "too many");
	ask_refused(f, "{\"command\":\"follow\"}", "syntax", "needs");
}

static void test_follower_that_does_not_read(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	char text[10000];
	size_t i;

	follow(f, fd);
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	for (i = 0; i < 1000 && f->dispatch.follow != NULL; i++) {
		f->dispatch.follow(
			f->dispatch.follow_arg, i, "attempt", text, false);
		if (i % 10 == 0)
			turn(f);
	}
	settle(f);
	assert_null(f->dispatch.follow);
	assert_int_equal(f->dispatch.unfollowed, 1);
	assert_true(i < 500);
}

/* --- doctor -------------------------------------------------------------- */

static void find(const char *step, enum probe_status status, const char *text)
{
	const struct probe_finding finding = {.step = step,
		.family = "IPv4",
		.status = status,
		.text = text,
		.advice = "do this"};

	assert_non_null(probe_running);
	probe_running->params.on_finding(probe_running->params.arg, &finding);
}

static void test_doctor(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	const json_t *finding;
	json_t *list;

	say(fd, "{\"command\":\"doctor\"}\n");
	settle(f);
	assert_ptr_equal(probe_running->params.hostname, f->conf.hostname);
	find("login", PROBE_FAIL, "535 \xff");
	probe_running->params.on_done(probe_running->params.arg);
	find("login", PROBE_OK, "fine");
	probe_running->params.on_done(probe_running->params.arg);
	assert_null(probe_running);
	assert_int_equal(probes_made, 2);
	list = answer(f, fd);
	assert_int_equal(json_array_size(list), 3);
	finding = json_object_get(nth(list, 0), "finding");
	assert_string_equal(text_at(finding, "account"), "first");
	assert_string_equal(text_at(finding, "step"), "login");
	assert_string_equal(text_at(finding, "family"), "IPv4");
	assert_string_equal(text_at(finding, "status"), "fail");
	assert_string_equal(text_at(finding, "text"), "535 \xef\xbf\xbd");
	assert_string_equal(text_at(finding, "advice"), "do this");
	finding = json_object_get(nth(list, 1), "finding");
	assert_string_equal(text_at(finding, "account"), "second");
	json_decref(list);
}

static void test_doctor_of_one_account(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);

	say(fd, "{\"command\":\"doctor\",\"name\":\"second\"}\n");
	settle(f);
	probe_running->params.on_done(probe_running->params.arg);
	json_decref(answer(f, fd));
	assert_int_equal(probes_made, 1);
}

static void test_one_doctor_at_a_time(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 1);

	say(fd, "{\"command\":\"doctor\"}\n");
	settle(f);
	ask_refused(f, "{\"command\":\"doctor\"}", "limit", "another");
	/* who leaves ends it */
	close_client(f, 1);
	settle(f);
	assert_null(probe_running);
	say(f->fds[0], "{\"command\":\"doctor\"}\n");
	settle(f);
	assert_non_null(probe_running);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_ping_and_status),
		TEST(test_refuses_what_it_does_not_know),
		TEST(test_what_is_no_request_ends_the_client),
		TEST(test_too_long_a_request),
		TEST(test_a_request_at_the_limit),
		TEST(test_byte_by_byte),
		TEST(test_many_requests_at_once),
		TEST(test_half_closed_client_is_answered),
		TEST(test_clients_are_limited),
		TEST(test_accounts),
		TEST(test_clients),
		TEST(test_asks_the_parent),
		TEST(test_a_reload_is_refused),
		TEST(test_follow_to_the_end),
		TEST(test_follow_what_has_ended),
		TEST(test_follower_that_leaves),
		TEST(test_follow_refused),
		TEST(test_follower_that_does_not_read),
		TEST(test_doctor),
		TEST(test_doctor_of_one_account),
		TEST(test_one_doctor_at_a_time),
	};

	return cmocka_run_group_tests_name("control", tests, NULL, NULL);
}
