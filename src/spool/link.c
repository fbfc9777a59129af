/*
 * link.c - what receiver and relay say to each other.
 *
 * Both ends are the same program on the same machine, so numbers stand in the
 * machine's own order; sizes and ranges are checked all the same.
 */
#include "config.h"

#include "spool/link.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* On the wire: a head, then the segments, then the bodies. */
struct wire_statement {
	uint64_t received;
	uint32_t segment_count;
	uint32_t body_count;
};

struct wire_segment {
	uint64_t number;
	uint64_t end;
	uint64_t use;
};

struct wire_body {
	uint64_t name;
	uint64_t empty;
};

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

int link_send_statement(
	int fd, const struct link_statement *statement, struct err *err)
{
	struct wire_segment segments[LINK_SEGMENTS_MAX];
	struct wire_statement head = {
		.received = statement->received,
		.segment_count = (uint32_t)statement->segment_count,
		.body_count = (uint32_t)statement->body_count,
	};
	struct wire_body bodies[LINK_BODIES_MAX];
	struct iovec parts[] = {
		{&head, sizeof(head)},
		{segments, statement->segment_count * sizeof(segments[0])},
		{bodies, statement->body_count * sizeof(bodies[0])},
	};
	struct msghdr msg = {.msg_iov = parts, .msg_iovlen = 3};
	size_t i;

	for (i = 0; i < statement->segment_count; i++)
		segments[i] = (struct wire_segment){
			statement->segments[i].number,
			statement->segments[i].end, statement->segments[i].use};
	for (i = 0; i < statement->body_count; i++)
		bodies[i] = (struct wire_body){
			statement->bodies[i].name, statement->bodies[i].empty};
	return send_result(sendmsg(fd, &msg, MSG_NOSIGNAL), err);
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

static bool segment_is_sane(const struct wire_segment *s)
{
	return s->use == LINK_SPARE || s->use == LINK_IN_USE ||
	       s->use == LINK_WAITING || s->use == LINK_FINISHED;
}

int link_receive_statement(
	int fd, struct link_statement *statement, struct err *err)
{
	struct {
		struct wire_statement head;
		struct wire_segment segments[LINK_SEGMENTS_MAX];
	} wire;
	struct wire_body bodies[LINK_BODIES_MAX];
	char buffer[sizeof(wire) + sizeof(bodies)];
	struct iovec part = {buffer, sizeof(buffer)};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	ssize_t n = receive_plain(fd, &msg, err);
	size_t segments_size, bodies_size, i;

	if (n <= 0)
		return (int)n;
	if ((size_t)n < sizeof(wire.head))
		return err_set(err, ERR_PROTOCOL, "link: short statement");
	memcpy(&wire.head, buffer, sizeof(wire.head));
	if (wire.head.segment_count > LINK_SEGMENTS_MAX ||
		wire.head.body_count > LINK_BODIES_MAX)
		return err_set(err, ERR_PROTOCOL, "link: too many held");
	segments_size = wire.head.segment_count * sizeof(wire.segments[0]);
	bodies_size = wire.head.body_count * sizeof(bodies[0]);
	if ((size_t)n != sizeof(wire.head) + segments_size + bodies_size)
		return err_set(err, ERR_PROTOCOL, "link: bad statement length");
	memcpy(wire.segments, buffer + sizeof(wire.head), segments_size);
	memcpy(bodies, buffer + sizeof(wire.head) + segments_size, bodies_size);
	/* Nothing is taken before all is known to be right. */
	for (i = 0; i < wire.head.segment_count; i++)
		if (!segment_is_sane(&wire.segments[i]))
			return err_set(err, ERR_PROTOCOL, "link: bad segment");
	statement->received = wire.head.received;
	statement->segment_count = wire.head.segment_count;
	statement->body_count = wire.head.body_count;
	for (i = 0; i < statement->segment_count; i++)
		statement->segments[i] = (struct link_segment){
			wire.segments[i].number, wire.segments[i].end,
			(enum link_segment_use)wire.segments[i].use};
	for (i = 0; i < statement->body_count; i++)
		statement->bodies[i] = (struct link_body){
			bodies[i].name, bodies[i].empty != 0};
	return 1;
}

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
	struct msghdr msg = {.msg_iov = &part,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = sizeof(control)};
	ssize_t n = receive_plain(fd, &msg, err);
	int passed;

	if (n <= 0)
		return (int)n;
	passed = received_fd(&msg);
	if (n != sizeof(wire) || (passed >= 0 ? wire.kind != LINK_SEGMENT &&
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
