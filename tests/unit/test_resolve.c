/*
 * test_resolve.c - look-ups: literals, names that need no network, names that
 *                  do not exist, cancelling at any moment.
 */
#include "config.h"

#include "relay/resolve.h"

#include "base/util.h"

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <arpa/inet.h>
#include <netinet/in.h>

#include <cmocka.h>

struct outcome {
	struct event_base *base;
	unsigned calls;
	bool found;
	struct resolved result;
	struct err err;
};

static void on_result(
	void *arg, const struct resolved *result, const struct err *err)
{
	struct outcome *o = arg;

	o->calls++;
	o->found = result != NULL;
	assert_true((result == NULL) == (err != NULL));
	if (result != NULL)
		o->result = *result;
	else
		o->err = *err;
	event_base_loopbreak(o->base);
}

static void look_up(struct outcome *o, const char *host, uint16_t port)
{
	struct event_base *base = o->base;

	memset(o, 0, sizeof(*o));
	o->base = base;
	assert_non_null(resolve_start(base, host, port, on_result, o, &o->err));
	assert_int_equal(o->calls, 0); /* never from inside */
	event_base_dispatch(base);
	assert_int_equal(o->calls, 1);
}

static int make_base(void **state)
{
	struct outcome *o = xcalloc(1, sizeof(*o));

	o->base = event_base_new();
	*state = o;
	return 0;
}

static int free_base(void **state)
{
	struct outcome *o = *state;

	event_base_free(o->base);
	free(o);
	return 0;
}

static void test_literals(void **state)
{
	struct outcome *o = *state;
	const struct sockaddr_in *in;
	const struct sockaddr_in6 *in6;

	look_up(o, "192.0.2.7", 587);
	assert_true(o->found);
	assert_int_equal(o->result.count, 1);
	in = (const struct sockaddr_in *)&o->result.addresses[0].sa;
	assert_int_equal(in->sin_family, AF_INET);
	assert_int_equal(in->sin_port, htons(587));
	assert_int_equal(in->sin_addr.s_addr, inet_addr("192.0.2.7"));
	assert_int_equal(o->result.addresses[0].len, sizeof(*in));

	look_up(o, "2001:db8::1", 465);
	assert_true(o->found);
	in6 = (const struct sockaddr_in6 *)&o->result.addresses[0].sa;
	assert_int_equal(in6->sin6_family, AF_INET6);
	assert_int_equal(in6->sin6_port, htons(465));
	assert_int_equal(o->result.addresses[0].len, sizeof(*in6));
}

/* From /etc/hosts or the resolver itself: in a thread, without network. */
static void test_name(void **state)
{
	struct outcome *o = *state;
	size_t i;

	look_up(o, "localhost", 25);
	assert_true(o->found);
	assert_true(o->result.count >= 1);
	for (i = 0; i < o->result.count; i++)
		assert_true(o->result.addresses[i].len > 0);
}

/* Nothing, or a name that can be said in EHLO. */
static void test_own_name(void **state)
{
	static const char *const hosts[] = {"localhost", "127.0.0.1"};
	struct outcome *o = *state;
	const char *name;
	size_t i;

	for (i = 0; i < COUNT_OF(hosts); i++) {
		look_up(o, hosts[i], 25);
		assert_true(o->found);
		name = o->result.own_name;
		if (name[0] == '\0')
			continue;
		assert_non_null(strchr(name, '.'));
		assert_int_not_equal(strncasecmp(name, "localhost", 9), 0);
		assert_true(name[strlen(name) - 1] != '.');
	}
}

static void test_names_for_ehlo(void **state)
{
	static const struct {
		const char *name, *taken; /* NULL: it is not */
	} vectors[] = {
		{"relay.example.org", "relay.example.org"},
		{"Relay-1.example.org.", "Relay-1.example.org"},
		{"", NULL},
		{".", NULL},
		{"host", NULL},
		{"host.", NULL},
		{".example.org", NULL},
		{"localhost", NULL},
		{"LocalHost.localdomain", NULL},
		{"my_host.example.org", NULL},
		{"a b.example.org", NULL},
		{"x.org\r\nMAIL", NULL},
	};
	char name[RESOLVE_NAME_MAX + 1];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		assert_int_equal(resolve_take_name(name, vectors[i].name),
			vectors[i].taken != NULL);
		if (vectors[i].taken != NULL)
			assert_string_equal(name, vectors[i].taken);
	}
}

/* RFC 1035 2.3.4: a label has 63 octets at most, so nobody need be asked. */
static void test_no_such_name(void **state)
{
	static const char host[] =
		"a-label-of-far-more-than-sixty-three-letters-is-one-that-cannot-be.invalid";
	struct outcome *o = *state;

	look_up(o, host, 25);
	assert_false(o->found);
	assert_int_equal(o->err.kind, ERR_SYSTEM);
	assert_non_null(strstr(o->err.text, host));
}

static void test_no_name_at_all(void **state)
{
	struct outcome *o = *state;
	char longer[RESOLVE_NAME_MAX + 2];

	memset(longer, 'a', sizeof(longer) - 1);
	longer[sizeof(longer) - 1] = '\0';
	assert_null(resolve_start(o->base, "", 25, on_result, o, &o->err));
	assert_int_equal(o->err.kind, ERR_CONFIG);
	assert_null(resolve_start(o->base, longer, 25, on_result, o, &o->err));
	assert_int_equal(o->calls, 0);
}

/* Whether the thread is done or not: nothing is called, nothing is lost (the
 * address sanitizer watches). */
static void test_cancel(void **state)
{
	struct outcome *o = *state;
	struct resolve *r;
	struct err err;
	int i;

	for (i = 0; i < 3; i++) {
		r = resolve_start(o->base, i == 0 ? "127.0.0.1" : "localhost",
			25, on_result, o, &err);
		assert_non_null(r);
		resolve_cancel(&r);
		assert_null(r);
		resolve_cancel(&r);
	}
	event_base_loop(o->base, EVLOOP_NONBLOCK);
	assert_int_equal(o->calls, 0);
}

static void on_count(
	void *arg, const struct resolved *result, const struct err *err)
{
	unsigned *calls = arg;

	assert_non_null(result);
	assert_null(err);
	(*calls)++;
}

/* More at a time than there are threads is refused, and says so; when they are
 * done there is room again. */
static void test_limit(void **state)
{
	struct outcome *o = *state;
	unsigned started = 0, calls = 0, i;
	struct err err;

	memset(&err, 0, sizeof(err));
	for (i = 0; i < 10 * RESOLVE_THREADS_MAX; i++)
		if (resolve_start(o->base, "localhost", 25, on_count, &calls,
			    &err) != NULL)
			started++;
		else
			assert_int_equal(err.kind, ERR_LIMIT);
	assert_true(started > 0);
	event_base_dispatch(o->base);
	assert_int_equal(calls, started);
	/* a literal needs no thread */
	assert_non_null(resolve_start(
		o->base, "127.0.0.1", 25, on_count, &calls, &err));
	event_base_dispatch(o->base);
	assert_int_equal(calls, started + 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_literals, make_base, free_base),
		cmocka_unit_test_setup_teardown(
			test_name, make_base, free_base),
		cmocka_unit_test_setup_teardown(
			test_own_name, make_base, free_base),
		cmocka_unit_test(test_names_for_ehlo),
		cmocka_unit_test_setup_teardown(
			test_no_such_name, make_base, free_base),
		cmocka_unit_test_setup_teardown(
			test_no_name_at_all, make_base, free_base),
		cmocka_unit_test_setup_teardown(
			test_cancel, make_base, free_base),
		cmocka_unit_test_setup_teardown(
			test_limit, make_base, free_base),
	};

	return cmocka_run_group_tests_name("resolve", tests, NULL, NULL);
}
