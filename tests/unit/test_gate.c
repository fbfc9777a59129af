/*
 * test_gate.c - proxies: what of the stream is taken, and what is left; and the
 *               one address behind which all clients seem to be.
 */
#include "config.h"

#include "base/util.h"
#include "receiver/gate.h"
#include "receiver/gateway.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <arpa/inet.h>
#include <cmocka.h>
#include <event2/event.h>
#include <unistd.h>

#define V1 "PROXY TCP4 192.168.1.31 10.0.0.5 54321 25\r\n"
#define V2                                                                     \
	"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0f\xc0\xa8\x01\x1f\x0a\x00\x00\x05" \
	"\xd4\x31\x00\x19\x04\x00\x00"

struct fixture {
	struct event_base *base;
	struct gates gates;
	struct sockaddr_in proxy;
	int fd; /* the proxy's end */
	int given;
	unsigned opened;
	unsigned shut;
	bool named;
	char client[INET6_ADDRSTRLEN];
	char why[128];
};

static void on_open(void *arg, int fd, const struct sockaddr *client,
	const struct sockaddr *proxy)
{
	struct fixture *f = arg;

	assert_memory_equal(proxy, &f->proxy, sizeof(f->proxy));
	f->opened++;
	f->given = fd;
	f->named = client != NULL;
	if (client == NULL)
		return;
	if (client->sa_family == AF_INET)
		inet_ntop(AF_INET,
			&((const struct sockaddr_in *)(const void *)client)
				 ->sin_addr,
			f->client, sizeof(f->client));
	else
		inet_ntop(AF_INET6,
			&((const struct sockaddr_in6 *)(const void *)client)
				 ->sin6_addr,
			f->client, sizeof(f->client));
}

static void on_shut(
	void *arg, int fd, const struct sockaddr *proxy, const char *why)
{
	struct fixture *f = arg;

	assert_memory_equal(proxy, &f->proxy, sizeof(f->proxy));
	f->shut++;
	snprintf(f->why, sizeof(f->why), "%s", why);
	close(fd);
}

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->base = event_base_new();
	f->gates.base = f->base;
	f->gates.on_open = on_open;
	f->gates.on_shut = on_shut;
	f->proxy.sin_family = AF_INET;
	f->proxy.sin_addr.s_addr = htonl(0x0a000005);
	f->fd = f->given = -1;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	gates_close(&f->gates);
	if (f->fd >= 0)
		close(f->fd);
	if (f->given >= 0)
		close(f->given);
	event_base_free(f->base);
	free(f);
	return 0;
}

static void turn(struct fixture *f)
{
	event_base_loop(f->base, EVLOOP_NONBLOCK);
}

static void send_all(struct fixture *f, const char *data, size_t len)
{
	assert_int_equal(send(f->fd, data, len, MSG_NOSIGNAL), len);
	turn(f);
}

/* A connection from the proxy; data is in it before it is looked at. */
static void connect_with(struct fixture *f, const char *data, size_t len)
{
	int fds[2];

	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	if (f->fd >= 0)
		close(f->fd);
	if (f->given >= 0)
		close(f->given);
	f->given = -1;
	f->opened = f->shut = 0;
	f->fd = fds[0];
	if (len > 0)
		assert_int_equal(send(f->fd, data, len, MSG_NOSIGNAL), len);
	gate_new(&f->gates, fds[1], (const struct sockaddr *)&f->proxy, f);
	turn(f);
}

/* Whether the rest is what the session would find. */
static void check_left(const struct fixture *f, const char *expected)
{
	char data[64] = "";
	ssize_t n = recv(f->given, data, sizeof(data) - 1, MSG_DONTWAIT);

	assert_int_equal(n < 0 ? 0 : n, strlen(expected));
	assert_string_equal(data, expected);
}

static void the_header_alone_is_taken(void **state)
{
	static const struct {
		const char *data;
		size_t len;
	} v[] = {
		{V1 "EHLO x\r\n", sizeof(V1 "EHLO x\r\n") - 1},
		{V2 "EHLO x\r\n", sizeof(V2 "EHLO x\r\n") - 1},
	};
	struct fixture *f = *state;
	size_t i, at;

	for (i = 0; i < COUNT_OF(v); i++) {
		connect_with(f, v[i].data, v[i].len);
		assert_int_equal(f->opened, 1);
		assert_string_equal(f->client, "::ffff:192.168.1.31");
		check_left(f, "EHLO x\r\n");
		/* byte by byte, before and after */
		connect_with(f, v[i].data, 1);
		for (at = 1; at < v[i].len; at++) {
			assert_int_equal(f->opened, at >= v[i].len - 8);
			send_all(f, v[i].data + at, 1);
		}
		assert_int_equal(f->opened, 1);
		check_left(f, "EHLO x\r\n");
		assert_int_equal(f->gates.count, 0);
	}
}

static void itself_and_nobody(void **state)
{
	static const char local[] = "\r\n\r\n\0\r\nQUIT\n\x20\x00\x00\x00";
	struct fixture *f = *state;

	connect_with(f, local, sizeof(local) - 1);
	assert_true(f->opened == 1 && f->named);
	assert_string_equal(f->client, "10.0.0.5");
	connect_with(f, "PROXY UNKNOWN\r\n", 15);
	assert_true(f->opened == 1 && !f->named);
}

static void without_a_header_nobody_passes(void **state)
{
	struct fixture *f = *state;

	connect_with(f, "EHLO x\r\n", 8);
	assert_true(f->opened == 0 && f->shut == 1);
	assert_non_null(strstr(f->why, "does not begin with a PROXY header"));
	connect_with(f, "PROXY TCP4 1.2.3.4 x 1 2\r\n", 26);
	assert_true(f->opened == 0 && f->shut == 1);
	connect_with(f, "PROXY TCP4", 10);
	assert_true(f->opened == 0 && f->shut == 0);
	close(f->fd);
	f->fd = -1;
	turn(f);
	assert_int_equal(f->shut, 1);
	assert_int_equal(f->gates.count, 0);
}

static void only_so_many_wait(void **state)
{
	struct fixture *f = *state;
	int fds[GATES_MAX][2], last[2];
	size_t i;

	for (i = 0; i < GATES_MAX; i++) {
		assert_int_equal(
			socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0,
				fds[i]),
			0);
		gate_new(&f->gates, fds[i][1],
			(const struct sockaddr *)&f->proxy, f);
	}
	assert_true(f->shut == 0 && f->gates.count == GATES_MAX);
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, last), 0);
	gate_new(&f->gates, last[1], (const struct sockaddr *)&f->proxy, f);
	assert_int_equal(f->shut, 1);
	gates_close(&f->gates);
	assert_int_equal(f->gates.count, 0);
	close(last[0]);
	for (i = 0; i < GATES_MAX; i++)
		close(fds[i][0]);
}

static struct peer peer_of(const char *text)
{
	struct sockaddr_in6 sa = {.sin6_family = AF_INET6};
	struct peer peer;

	assert_int_equal(inet_pton(AF_INET6, text, &sa.sin6_addr), 1);
	assert_int_equal(peer_identify(&peer, -1, LISTENER_SMTP,
				 (const struct sockaddr *)&sa),
		0);
	return peer;
}

/* How often it is told in so many connections from this address. */
static unsigned told(struct gateway_watch *w, const char *text, unsigned times)
{
	struct peer peer = peer_of(text);
	unsigned sum = 0;

	while (times-- > 0)
		sum += gateway_is_alone(w, &peer);
	return sum;
}

static void a_gateway_alone_is_told_once(void **state)
{
	static const struct {
		const char *address;
		unsigned told;
	} v[] = {
		{"::ffff:172.17.0.1", 1},
		{"::ffff:172.17.0.2", 0},
		{"fd00:1::1", 1},
		{"fd00:1::5:1", 0},
		{"::ffff:127.0.0.1", 0},
		{"::1", 0},
	};
	struct gateway_watch w;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(v); i++) {
		memset(&w, 0, sizeof(w));
		assert_int_equal(
			told(&w, v[i].address, GATEWAY_SESSIONS - 1), 0);
		assert_int_equal(told(&w, v[i].address, 100), v[i].told);
	}
	/* there are others: it hides nobody */
	memset(&w, 0, sizeof(w));
	assert_int_equal(told(&w, "::ffff:10.0.0.1", 5), 0);
	assert_int_equal(told(&w, "::ffff:127.0.0.1", 5), 0);
	assert_int_equal(told(&w, "::ffff:10.0.0.7", 1), 0);
	assert_int_equal(told(&w, "::ffff:10.0.0.1", 100), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			the_header_alone_is_taken, setup, teardown),
		cmocka_unit_test_setup_teardown(
			itself_and_nobody, setup, teardown),
		cmocka_unit_test_setup_teardown(
			without_a_header_nobody_passes, setup, teardown),
		cmocka_unit_test_setup_teardown(
			only_so_many_wait, setup, teardown),
		cmocka_unit_test(a_gateway_alone_is_told_once),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
