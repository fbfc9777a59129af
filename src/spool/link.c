/*
 * link.c - what receiver and relay say to each other.
 *
 * Both ends are the same program on the same machine, so numbers stand in the
 * machine's own order; sizes and ranges are checked all the same.
 */
#include "config.h"

#include "spool/link.h"

#include <errno.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

_Static_assert(sizeof(struct link_statement) ==
		       2 * sizeof(uint64_t) +
			       LINK_SEGMENTS_MAX * sizeof(struct link_segment) +
			       LINK_BODIES_MAX * sizeof(struct link_body),
	"a statement is sent as it is: nothing lies between its parts");

struct wire_handover {
	uint64_t kind;
	uint64_t number;
	uint64_t key;
};

static int send_result(ssize_t n, struct err *err)
{
	if (n >= 0)
		return 1;
	if (errno == EAGAIN || errno == ENOBUFS || errno == EINTR)
		return 0;
	return err_errno(err, "link: send");
}

static size_t statement_size(const struct link_statement *statement)
{
	return offsetof(struct link_statement, bodies) +
	       statement->body_count * sizeof(statement->bodies[0]);
}

int link_send_statement(
	int fd, const struct link_statement *statement, struct err *err)
{
	return send_result(
		send(fd, statement, statement_size(statement), MSG_NOSIGNAL),
		err);
}

int link_send_handover(
	int fd, const struct link_handover *handover, struct err *err)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct wire_handover wire = {
		handover->kind, handover->number, handover->key};
	struct iovec part = {&wire, sizeof(wire)};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (handover->fd >= 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = sizeof(control);
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(sizeof(int));
		memcpy(CMSG_DATA(cmsg), &handover->fd, sizeof(int));
	}
	return send_result(sendmsg(fd, &msg, MSG_NOSIGNAL), err);
}

/* Returns the length of a message, 0 for none now, -1 with err. No descriptor
 * is taken: there is no room for one, so the kernel drops it. */
static ssize_t receive_plain(int fd, struct msghdr *msg, struct err *err)
{
	ssize_t n = recvmsg(fd, msg, MSG_CMSG_CLOEXEC);

	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0)
		return err_errno(err, "link: receive");
	if (n == 0)
		return err_set(err, ERR_PROTOCOL, "link: the peer is gone");
	if (msg->msg_flags & MSG_TRUNC)
		return err_set(err, ERR_PROTOCOL, "link: oversized message");
	return n;
}

static bool segment_is_sane(const struct link_segment *s)
{
	return s->use == LINK_SPARE || s->use == LINK_IN_USE ||
	       s->use == LINK_WAITING || s->use == LINK_FINISHED;
}

int link_receive_statement(int fd, struct link_statement *statement,
	struct link_statement *incoming, struct err *err)
{
	struct iovec part = {incoming, sizeof(*incoming)};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n = receive_plain(fd, &msg, err);
	size_t i;

	if (n <= 0)
		return (int)n;
	if ((size_t)n < offsetof(struct link_statement, bodies))
		return err_set(err, ERR_PROTOCOL, "link: short statement");
	if (incoming->segment_count > LINK_SEGMENTS_MAX ||
		incoming->body_count > LINK_BODIES_MAX)
		return err_set(err, ERR_PROTOCOL, "link: too many held");
	if ((size_t)n != statement_size(incoming))
		return err_set(err, ERR_PROTOCOL, "link: bad statement length");
	for (i = 0; i < incoming->segment_count; i++)
		if (!segment_is_sane(&incoming->segments[i]))
			return err_set(err, ERR_PROTOCOL, "link: bad segment");
	memcpy(statement, incoming, (size_t)n);
	return 1;
}

/* The descriptor that came with a message, or -1. */
static int received_fd(struct msghdr *msg)
{
	struct cmsghdr *cmsg = CMSG_FIRSTHDR(msg);
	int fd = -1;

	if (cmsg != NULL && cmsg->cmsg_level == SOL_SOCKET &&
		cmsg->cmsg_type == SCM_RIGHTS &&
		cmsg->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(cmsg), sizeof(int));
	return fd;
}

int link_receive_handover(
	int fd, struct link_handover *handover, struct err *err)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(sizeof(int))];
	} control;
	struct wire_handover wire;
	struct iovec part = {&wire, sizeof(wire)};
	/* there is room for one; CMSG_SPACE would let a second one in */
	struct msghdr msg = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_LEN(sizeof(int))};
	ssize_t n;
	int passed;

	memset(&control, 0, sizeof(control));
	n = receive_plain(fd, &msg, err);
	passed = received_fd(&msg);
	if (n < 0 && passed >= 0)
		close(passed);
	if (n <= 0)
		return (int)n;
	if (msg.msg_flags & MSG_CTRUNC || n != sizeof(wire) ||
		(passed >= 0 ? wire.kind != LINK_SEGMENT &&
					wire.kind != LINK_BODY
			     : wire.kind != LINK_UPSTREAM)) {
		if (passed >= 0)
			close(passed);
		return err_set(err, ERR_PROTOCOL, "link: bad hand-over");
	}
	*handover = (struct link_handover){(enum link_handover_kind)wire.kind,
		wire.number, wire.key, passed};
	return 1;
}
