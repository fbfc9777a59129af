/*
 * test_control_queue.c - the queue by the control socket: lists, bytes,
 * changes.
 */
#include "config.h"

#include "base/util.h"
#include "control_fixture.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- the queue ----------------------------------------------------------- */

static void check_page(struct fixture *f, const char *request, size_t rows,
	bool more, const char *last_id)
{
	json_t *list = ask(f, request);
	const json_t *row;

	assert_int_equal(json_array_size(list), rows + 1);
	assert_int_equal(
		json_is_true(json_object_get(end_of(list), "more")), more);
	if (rows > 0) {
		row = json_object_get(nth(list, rows - 1), "message");
		assert_string_equal(text_at(row, "id"), last_id);
	}
	json_decref(list);
}

static void test_list_page_by_page(void **state)
{
	struct fixture *f = *state;

	f->dispatch.queued = 450;
	f->dispatch.failed = 3;
	check_page(f, "{\"command\":\"queue.list\"}", 200, true,
		"00000000000000c8");
	check_page(f,
		"{\"command\":\"queue.list\",\"after\":\"00000000000000c8\","
		"\"limit\":200}",
		200, true, "0000000000000190");
	check_page(f,
		"{\"command\":\"queue.list\",\"after\":\"0000000000000190\"}",
		50, false, "00000000000001c2");
	check_page(f,
		"{\"command\":\"queue.list\",\"after\":\"00000000000001c2\"}",
		0, false, "");
	check_page(f, "{\"command\":\"queue.list\",\"limit\":1}", 1, true,
		"0000000000000001");
	check_page(f,
		"{\"command\":\"queue.list\",\"after\":\"0000000000000190\","
		"\"limit\":50}",
		50, false, "00000000000001c2");
	/* not all envelopes in memory at once */
	assert_true(f->dispatch.list_max <= 20);
	check_page(f, "{\"command\":\"queue.list\",\"failed\":true}", 3, false,
		"0000000000000003");
	assert_int_equal(f->dispatch.seen, 0);
	check_page(f,
		"{\"command\":\"queue.list\",\"failed\":true,\"seen\":true}", 3,
		false, "0000000000000003");
	assert_int_equal(f->dispatch.seen, 3);
	check_page(f, "{\"command\":\"queue.list\",\"seen\":true}", 200, true,
		"00000000000000c8");
	assert_int_equal(f->dispatch.seen, 3);
}

static void test_rows(void **state)
{
	struct fixture *f = *state;
	const json_t *row;
	json_t *list;

	f->dispatch.queued = 2;
	f->dispatch.damaged = 2;
	f->dispatch.recipients = 5;
	f->dispatch.address = "caf\xe9@y.org";
	f->dispatch.reply = "450 4.2.1 \x80 later";
	list = ask(f, "{\"command\":\"queue.list\"}");
	row = json_object_get(nth(list, 0), "message");
	assert_string_equal(text_at(row, "from"), "a@x.org");
	assert_int_equal(number_at(row, "recipients"), 5);
	assert_int_equal(json_array_size(json_object_get(row, "to")), 3);
	assert_string_equal(
		json_string_value(nth(json_object_get(row, "to"), 0)),
		"caf\xef\xbf\xbd@y.org");
	assert_string_equal(
		text_at(row, "reply"), "450 4.2.1 \xef\xbf\xbd later");
	assert_true(json_is_false(json_object_get(row, "damaged")));
	row = json_object_get(nth(list, 1), "message");
	assert_true(json_is_true(json_object_get(row, "damaged")));
	json_decref(list);
}

static void test_show(void **state)
{
	struct fixture *f = *state;
	const json_t *rcpt;
	json_t *list;
	size_t i;

	f->dispatch.queued = 5;
	f->dispatch.failed = 1;
	f->dispatch.recipients = 250;
	list = ask(
		f, "{\"command\":\"queue.show\",\"id\":\"0000000000000005\"}");
	assert_int_equal(json_array_size(list), 252);
	assert_string_equal(
		text_at(json_object_get(nth(list, 0), "message"), "id"),
		"0000000000000005");
	for (i = 1; i <= 250; i++) {
		rcpt = json_object_get(nth(list, i), "recipient");
		assert_string_equal(text_at(rcpt, "address"), "b@y.org");
		assert_string_equal(text_at(rcpt, "state"), "pending");
		assert_true(json_is_null(json_object_get(rcpt, "reply")));
	}
	json_decref(list);
	json_decref(ask(
		f, "{\"command\":\"queue.show\",\"id\":\"0000000000000001\"}"));
	assert_int_equal(f->dispatch.seen, 0);
	json_decref(ask(f,
		"{\"command\":\"queue.show\",\"id\":\"0000000000000001\","
		"\"seen\":true}"));
	assert_int_equal(f->dispatch.seen, 1);
}

static void test_show_what_was_asked_of_reports(void **state)
{
	static const char request[] =
		"{\"command\":\"queue.show\",\"id\":\"0000000000000001\"}";
	struct fixture *f = *state;
	const json_t *message, *rcpt;
	json_t *list;

	f->dispatch.queued = 1;
	f->dispatch.recipients = 1;
	list = ask(f, request);
	message = json_object_get(nth(list, 0), "message");
	rcpt = json_object_get(nth(list, 1), "recipient");
	assert_true(json_is_null(json_object_get(message, "envid")));
	assert_true(json_is_null(json_object_get(message, "ret")));
	assert_true(json_is_null(json_object_get(rcpt, "notify")));
	assert_true(json_is_null(json_object_get(rcpt, "orcpt")));
	json_decref(list);
	f->dispatch.envid = "QQ+2B314";
	f->dispatch.ret = DSN_RET_FULL;
	f->dispatch.notify = DSN_SUCCESS | DSN_DELAY;
	f->dispatch.orcpt = "rfc822;b+40y+2Eorg";
	list = ask(f, request);
	message = json_object_get(nth(list, 0), "message");
	rcpt = json_object_get(nth(list, 1), "recipient");
	assert_string_equal(text_at(message, "envid"), "QQ+314");
	assert_string_equal(text_at(message, "ret"), "FULL");
	assert_string_equal(text_at(rcpt, "notify"), "SUCCESS,DELAY");
	assert_string_equal(text_at(rcpt, "orcpt"), "rfc822;b@y.org");
	json_decref(list);
}

static void cat_whole(struct fixture *f, size_t size)
{
	const char *chunk;
	struct buf bytes;
	json_t *list;
	size_t i;

	f->dispatch.queued = 1;
	f->dispatch.content_size = size;
	list = ask(
		f, "{\"command\":\"queue.cat\",\"id\":\"0000000000000001\"}");
	buf_init(&bytes, size);
	for (i = 0; i + 1 < json_array_size(list); i++) {
		chunk = text_at(nth(list, i), "data");
		assert_int_equal(
			base64_decode(&bytes, chunk, strlen(chunk)), 0);
	}
	json_decref(list);
	assert_int_equal(bytes.len, size);
	for (i = 0; i < size; i++)
		if ((unsigned char)bytes.data[i] != i % 251)
			fail_msg("octet %zu is wrong", i);
	buf_free(&bytes);
}

static void test_cat(void **state)
{
	cat_whole(*state, 0);
	cat_whole(*state, 1);
	cat_whole(*state, 48 * 1024);
	cat_whole(*state, 48 * 1024 + 1);
	cat_whole(*state, 1000000);
}

/* A client that does not read stops the reading of the message. */
static void test_cat_waits_for_its_reader(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);
	json_t *list;

	f->dispatch.queued = 1;
	f->dispatch.content_size = 8 * 1024 * 1024;
	say(fd, "{\"command\":\"queue.cat\",\"id\":\"0000000000000001\"}\n");
	settle(f);
	assert_non_null(f->dispatch.content);
	assert_false(content_at_end(f->dispatch.content));
	list = answer(f, fd);
	assert_null(json_object_get(end_of(list), "error"));
	assert_true(json_array_size(list) > 100);
	json_decref(list);
}

static void test_client_that_leaves_in_cat(void **state)
{
	struct fixture *f = *state;
	int fd = open_client(f, 0);

	f->dispatch.queued = 1;
	f->dispatch.content_size = 8 * 1024 * 1024;
	say(fd, "{\"command\":\"queue.cat\",\"id\":\"0000000000000001\"}\n");
	settle(f);
	close_client(f, 0);
	settle(f);
	ask_fine(f, "{\"command\":\"ping\"}");
}

static void test_changes(void **state)
{
	static const struct {
		const char *command, *noted;
	} changes[] = {
		{"hold", "hold 18"},
		{"release", "release 18"},
		{"retry", "retry 18"},
		{"delete", "delete 18"},
	};
	struct fixture *f = *state;
	char request[100];
	size_t i;

	for (i = 0; i < COUNT_OF(changes); i++) {
		snprintf(request, sizeof(request),
			"{\"command\":\"queue.%s\",\"id\":"
			"\"0000000000000012\"}",
			changes[i].command);
		f->dispatch.refuse = false;
		ask_fine(f, request);
		assert_string_equal(f->dispatch.last, changes[i].noted);
		f->dispatch.refuse = true;
		ask_refused(f, request, "limit", "being sent");
	}
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_list_page_by_page),
		TEST(test_rows),
		TEST(test_show),
		TEST(test_show_what_was_asked_of_reports),
		TEST(test_cat),
		TEST(test_cat_waits_for_its_reader),
		TEST(test_client_that_leaves_in_cat),
		TEST(test_changes),
	};

	return cmocka_run_group_tests_name("control_queue", tests, NULL, NULL);
}
