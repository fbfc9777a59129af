/*
 * test_link.c - statements and hand-overs over a real pair of sockets, and
 *               whatever else can come out of one.
 */
#include "config.h"

#include "base/channel.h"
#include "base/util.h"
#include "spool/link.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

struct pair {
	int fds[2];
	struct link_statement sent;
	struct link_statement got;
	struct link_statement incoming;
};

static int setup(void **state)
{
	struct pair *p = xcalloc(1, sizeof(*p));
	struct err err;

	*state = p;
	return channel_pair(p->fds, &err);
}

static int teardown(void **state)
{
	struct pair *p = *state;

	close(p->fds[0]);
	close(p->fds[1]);
	free(p);
	return 0;
}

static int receive(struct pair *p, struct err *err)
{
	return link_receive_statement(p->fds[1], &p->got, &p->incoming, err);
}

static void fill(struct link_statement *s, size_t segments, size_t bodies)
{
	static const enum link_segment_use uses[] = {
		LINK_SPARE, LINK_IN_USE, LINK_WAITING, LINK_FINISHED};
	size_t i;

	s->received = 0x123456789abcdefULL + bodies;
	s->segment_count = segments;
	s->body_count = bodies;
	for (i = 0; i < segments; i++)
		s->segments[i] = (struct link_segment){
			UINT64_MAX - i, 4096 * i, uses[i % 4]};
	for (i = 0; i < bodies; i++)
		s->bodies[i] = (struct link_body){i * 7 + 1, i % 3 == 0};
}

static void same(const struct link_statement *a, const struct link_statement *b)
{
	size_t i;

	assert_true(a->received == b->received);
	assert_int_equal(a->segment_count, b->segment_count);
	assert_int_equal(a->body_count, b->body_count);
	for (i = 0; i < a->segment_count; i++) {
		assert_true(a->segments[i].number == b->segments[i].number);
		assert_true(a->segments[i].end == b->segments[i].end);
		assert_int_equal(a->segments[i].use, b->segments[i].use);
	}
	for (i = 0; i < a->body_count; i++) {
		assert_true(a->bodies[i].name == b->bodies[i].name);
		assert_int_equal(a->bodies[i].empty, b->bodies[i].empty);
	}
}

/* The longest one fits the system's own socket buffer. */
static void a_statement_comes_out_as_it_went_in(void **state)
{
	static const size_t bodies[] = {0, 1, 2, 500, LINK_BODIES_MAX};
	struct pair *p = *state;
	struct err err;
	size_t i, n;

	assert_int_equal(receive(p, &err), 0);
	for (i = 0; i < COUNT_OF(bodies); i++)
		for (n = 0; n <= LINK_SEGMENTS_MAX; n++) {
			fill(&p->sent, n, bodies[i]);
			assert_int_equal(
				link_send_statement(p->fds[0], &p->sent, &err),
				1);
			assert_int_equal(receive(p, &err), 1);
			same(&p->sent, &p->got);
		}
	assert_int_equal(receive(p, &err), 0);
}

static void a_hand_over_brings_its_descriptor(void **state)
{
	struct link_handover h = {LINK_SEGMENT, 7, 8, -1}, got;
	struct pair *p = *state;
	char byte = 0;
	struct err err;
	int pipes[2];

	assert_int_equal(pipe(pipes), 0);
	h.fd = pipes[1];
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	h.kind = LINK_BODY;
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	h = (struct link_handover){LINK_UPSTREAM, 35882577, 0, -1};
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), 1);
	assert_int_equal(got.kind, LINK_SEGMENT);
	assert_true(got.number == 7 && got.key == 8);
	assert_true(got.fd >= 0 && got.fd != pipes[1]);
	assert_true(fcntl(got.fd, F_GETFD) & FD_CLOEXEC);
	assert_int_equal(write(got.fd, "x", 1), 1);
	assert_int_equal(read(pipes[0], &byte, 1), 1);
	assert_int_equal(byte, 'x');
	close(got.fd);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), 1);
	assert_int_equal(got.kind, LINK_BODY);
	close(got.fd);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), 1);
	assert_int_equal(got.kind, LINK_UPSTREAM);
	assert_true(got.number == 35882577);
	assert_int_equal(got.fd, -1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), 0);
	close(pipes[0]);
	close(pipes[1]);
}

static size_t open_files(void)
{
	size_t count = 0;
	int fd;

	for (fd = 0; fd < 256; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

static void no_bad_hand_over_is_taken(void **state)
{
	struct link_handover h = {LINK_SEGMENT, 7, 8, -1}, got;
	struct pair *p = *state;
	size_t before = open_files();
	struct err err;

	/* a segment without, SIZE with a descriptor, a kind there is not */
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	h = (struct link_handover){LINK_UPSTREAM, 7, 8, 0};
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	h = (struct link_handover){(enum link_handover_kind)'Z', 7, 8, 0};
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	h.fd = -1;
	assert_int_equal(link_send_handover(p->fds[0], &h, &err), 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	assert_int_equal(send(p->fds[0], "short", 5, 0), 5);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	assert_int_equal(send(p->fds[0], &p->sent, 25, 0), 25);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	assert_int_equal(open_files(), before);
}

/* Sends len octets of nothing and count descriptors with them. */
static void send_with_files(int fd, size_t len, size_t count)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	const int passed[] = {fd, fd};
	char bytes[64] = "";
	struct iovec part = {bytes, len};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	memset(&control, 0, sizeof(control));
	msg.msg_control = &control;
	msg.msg_controllen = CMSG_SPACE(count * sizeof(int));
	cmsg = CMSG_FIRSTHDR(&msg);
	cmsg->cmsg_level = SOL_SOCKET;
	cmsg->cmsg_type = SCM_RIGHTS;
	cmsg->cmsg_len = CMSG_LEN(count * sizeof(int));
	memcpy(CMSG_DATA(cmsg), passed, count * sizeof(int));
	assert_int_equal(sendmsg(fd, &msg, 0), len);
}

/* What comes with a hand-over that is refused is closed, however many. */
static void no_descriptor_of_a_bad_hand_over_stays_open(void **state)
{
	struct pair *p = *state;
	struct link_handover got;
	size_t before = open_files();
	struct err err;

	send_with_files(p->fds[0], 25, 1);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	send_with_files(p->fds[0], 24, 2);
	assert_int_equal(link_receive_handover(p->fds[1], &got, &err), -1);
	assert_int_equal(open_files(), before);
}

static void no_bad_statement_is_taken_not_even_in_part(void **state)
{
	struct pair *p = *state;
	unsigned char bytes[16 + 24 * LINK_SEGMENTS_MAX + 16 * 3];
	struct link_statement was;
	struct err err;
	size_t n;

	fill(&p->sent, 2, 3);
	assert_int_equal(link_send_statement(p->fds[0], &p->sent, &err), 1);
	assert_int_equal(
		recv(p->fds[1], bytes, sizeof(bytes), 0), sizeof(bytes));
	fill(&p->got, 1, 1);
	was = p->got;
	for (n = 1; n < sizeof(bytes); n++) {
		assert_int_equal(send(p->fds[0], bytes, n, 0), n);
		assert_int_equal(receive(p, &err), -1);
		assert_int_equal(err.kind, ERR_PROTOCOL);
	}
	bytes[16 + 24 + 16] = 'x'; /* the second segment's use */
	assert_int_equal(
		send(p->fds[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(receive(p, &err), -1);
	bytes[16 + 24 + 16] = LINK_IN_USE;
	memset(bytes + 8, 0xff, 8); /* the counts */
	assert_int_equal(
		send(p->fds[0], bytes, sizeof(bytes), 0), sizeof(bytes));
	assert_int_equal(receive(p, &err), -1);
	assert_memory_equal(&p->got, &was, sizeof(was));
}

static void a_message_too_long_is_refused(void **state)
{
	const int size = 1024 * 1024;
	struct pair *p = *state;
	char *bytes = xcalloc(1, 200000);
	struct link_handover h;
	struct err err;

	assert_int_equal(setsockopt(p->fds[0], SOL_SOCKET, SO_SNDBUF, &size,
				 sizeof(size)),
		0);
	assert_int_equal(send(p->fds[0], bytes, 200000, 0), 200000);
	assert_int_equal(receive(p, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	assert_int_equal(send(p->fds[0], bytes, 1000, 0), 1000);
	assert_int_equal(link_receive_handover(p->fds[1], &h, &err), -1);
	free(bytes);
}

static void a_full_socket_is_tried_later(void **state)
{
	struct pair *p = *state;
	struct err err;
	int rc, sent = 0, got = 0;

	fill(&p->sent, 2, 2);
	while ((rc = link_send_statement(p->fds[0], &p->sent, &err)) == 1 &&
		sent < 100000)
		sent++;
	assert_int_equal(rc, 0);
	while (receive(p, &err) == 1)
		got++;
	assert_int_equal(got, sent);
	assert_int_equal(link_send_statement(p->fds[0], &p->sent, &err), 1);
}

static void a_peer_that_is_gone_is_told(void **state)
{
	struct link_handover h = {LINK_UPSTREAM, 1, 0, -1};
	struct pair *p = *state;
	struct err err;

	close(p->fds[0]);
	assert_int_equal(receive(p, &err), -1);
	assert_int_equal(link_receive_handover(p->fds[1], &h, &err), -1);
	/* no signal either */
	assert_int_equal(link_send_handover(p->fds[1], &h, &err), -1);
	assert_int_equal(link_send_statement(p->fds[1], &p->sent, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
	p->fds[0] = dup(p->fds[1]);
}

#define OVER_A_PAIR(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		OVER_A_PAIR(a_statement_comes_out_as_it_went_in),
		OVER_A_PAIR(a_hand_over_brings_its_descriptor),
		OVER_A_PAIR(no_bad_hand_over_is_taken),
		OVER_A_PAIR(no_descriptor_of_a_bad_hand_over_stays_open),
		OVER_A_PAIR(no_bad_statement_is_taken_not_even_in_part),
		OVER_A_PAIR(a_message_too_long_is_refused),
		OVER_A_PAIR(a_full_socket_is_tried_later),
		OVER_A_PAIR(a_peer_that_is_gone_is_told),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
