/*
 * test_clock_watch.c - a jump of the clock is told, once, and costs nothing
 *                      else; on a timer that the test plays, as no test sets
 *                      the machine's clock.
 */
#include "config.h"

#include "base/clock_watch.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

static bool no_timers; /* this kernel has none */
static bool no_arming;
static int timer = -1;
static unsigned armed;
static unsigned told;

int timerfd_create(int clock, int flags)
{
	if (no_timers) {
		errno = ENOSYS;
		return -1;
	}
	assert_int_equal(clock, CLOCK_REALTIME);
	assert_int_equal(flags, TFD_NONBLOCK | TFD_CLOEXEC);
	timer = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	return timer;
}

int timerfd_settime(
	int fd, int flags, const struct itimerspec *new, struct itimerspec *old)
{
	assert_int_equal(fd, timer);
	assert_int_equal(flags, TFD_TIMER_ABSTIME | TFD_TIMER_CANCEL_ON_SET);
	/* nobody lives to see it, and it does not come again */
	assert_true(new->it_value.tv_sec > INT32_MAX - 1);
	assert_int_equal(new->it_interval.tv_sec, 0);
	assert_null(old);
	if (no_arming) {
		errno = EINVAL;
		return -1;
	}
	armed++;
	return 0;
}

static void on_jump(void *arg)
{
	assert_ptr_equal(arg, &told);
	told++;
}

static void jump(struct event_base *base)
{
	const uint64_t one = 1;

	assert_int_equal(write(timer, &one, sizeof(one)), sizeof(one));
	event_base_loop(base, EVLOOP_NONBLOCK);
}

static int setup(void **state)
{
	*state = event_base_new();
	no_timers = no_arming = false;
	armed = told = 0;
	return 0;
}

static int teardown(void **state)
{
	event_base_free(*state);
	return 0;
}

static void each_jump_is_told_once(void **state)
{
	struct clock_watch *w = clock_watch_new(*state, on_jump, &told);
	unsigned i;

	assert_non_null(w);
	assert_int_equal(armed, 1);
	event_base_loop(*state, EVLOOP_NONBLOCK);
	assert_int_equal(told, 0);
	for (i = 1; i <= 3; i++) {
		jump(*state);
		event_base_loop(*state, EVLOOP_NONBLOCK);
		assert_int_equal(told, i);
		assert_int_equal(armed, i + 1);
	}
	clock_watch_free(&w);
	assert_null(w);
}

/* Told that once, it waits no more, and does not spin. */
static void a_timer_that_cannot_be_set_again_is_the_last(void **state)
{
	struct clock_watch *w = clock_watch_new(*state, on_jump, &told);

	no_arming = true;
	jump(*state);
	assert_int_equal(told, 1);
	jump(*state);
	assert_int_equal(told, 1);
	clock_watch_free(&w);
}

static void a_kernel_without_it_is_no_trouble(void **state)
{
	struct clock_watch *none = NULL;

	no_timers = true;
	assert_null(clock_watch_new(*state, on_jump, &told));
	no_timers = false;
	no_arming = true;
	assert_null(clock_watch_new(*state, on_jump, &told));
	clock_watch_free(&none);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(each_jump_is_told_once),
		TEST(a_timer_that_cannot_be_set_again_is_the_last),
		TEST(a_kernel_without_it_is_no_trouble),
	};

	return cmocka_run_group_tests_name("clock_watch", tests, NULL, NULL);
}
