/*
 * test_loop.c - events that are sure to come: they do, or the process ends.
 */
#include "config.h"

#include "base/loop.h"

#include "base/util.h"

#include <fcntl.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <unistd.h>

#include <cmocka.h>

#include "aborts.h"

#include <event2/event.h>
#include <event2/listener.h>

/* Longer than the test takes. */
#define HOUR_MS INT64_C(3600000)

/* In the order in which they happened. */
static int happened[8];
static size_t happened_count;

static int names[] = {0, 1, 2};

static void on_event(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	happened[happened_count++] = *(int *)arg;
}

static void timers_come_in_their_order(void **state)
{
	struct event_base *base = event_base_new();
	struct event *events[COUNT_OF(names)];
	size_t i;

	(void)state;
	happened_count = 0;
	for (i = 0; i < COUNT_OF(names); i++)
		events[i] = evtimer_new(base, on_event, &names[i]);
	loop_after(events[0], 1500);
	loop_after(events[1], HOUR_MS);
	loop_after(events[2], -HOUR_MS);
	/* moved */
	loop_after(events[1], 2);
	assert_int_equal(event_base_dispatch(base), 1);
	assert_int_equal(happened_count, 3);
	assert_int_equal(happened[0], 2);
	assert_int_equal(happened[1], 1);
	assert_int_equal(happened[2], 0);
	for (i = 0; i < COUNT_OF(names); i++)
		event_free(events[i]);
	event_base_free(base);
}

static void a_descriptor_is_watched(void **state)
{
	struct event_base *base = event_base_new();
	struct event *event;
	int ends[2];

	(void)state;
	happened_count = 0;
	assert_int_equal(pipe2(ends, O_CLOEXEC), 0);
	event = event_new(base, ends[0], EV_READ, on_event, &names[1]);
	loop_watch(event);
	assert_int_equal(write(ends[1], "x", 1), 1);
	assert_int_equal(event_base_dispatch(base), 1);
	assert_int_equal(happened_count, 1);
	event_free(event);
	event_base_free(base);
	close(ends[0]);
	close(ends[1]);
}

static void no_timer(struct event_base *base)
{
	(void)base;
	loop_after(NULL, 0);
}

static bool no_memory;

static void *maybe_realloc(void *memory, size_t size)
{
	return no_memory ? NULL : realloc(memory, size);
}

static void a_timer_without_memory(struct event_base *base)
{
	struct event *event = evtimer_new(base, on_event, &names[0]);

	no_memory = true;
	loop_after(event, 1);
}

static void no_descriptor(struct event_base *base)
{
	(void)base;
	loop_watch(NULL);
}

/* What epoll(7) does not take. */
static void a_descriptor_that_cannot_be_watched(struct event_base *base)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	loop_watch(event_new(base, fd, EV_READ, on_event, &names[0]));
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int len, void *arg)
{
	(void)listener;
	(void)fd;
	(void)address;
	(void)len;
	(void)arg;
}

static void a_socket_that_cannot_be_watched(struct event_base *base)
{
	int fd = open("/dev/null", O_RDONLY | O_CLOEXEC);

	loop_accept(evconnlistener_new(
		base, on_accept, NULL, LEV_OPT_DISABLED, 0, fd));
}

typedef void act_fn(struct event_base *base);

static void act_on_a_base(void *arg)
{
	event_set_mem_functions(malloc, maybe_realloc, free);
	(*(act_fn **)arg)(event_base_new());
}

static bool ends(act_fn *act)
{
	return aborts(act_on_a_base, &act);
}

static void what_cannot_come_ends_the_process(void **state)
{
	(void)state;
	assert_true(ends(no_timer));
	assert_true(ends(a_timer_without_memory));
	assert_true(ends(no_descriptor));
	assert_true(ends(a_descriptor_that_cannot_be_watched));
	assert_true(ends(a_socket_that_cannot_be_watched));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(timers_come_in_their_order),
		cmocka_unit_test(a_descriptor_is_watched),
		cmocka_unit_test(what_cannot_come_ends_the_process),
	};

	return cmocka_run_group_tests_name("loop", tests, NULL, NULL);
}
