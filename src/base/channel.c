/*
 * channel.c - what parent and roles say to each other over one SOCK_SEQPACKET
 *             pair a role.
 */
#include "config.h"

#include "base/channel.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

/* CMSG_SPACE rounds up, so that a stranger may fit more than one in anyway. */
enum { CHANNEL_FDS_MAX = 4 };

union control_room {
	struct cmsghdr align;
	char data[CMSG_SPACE(CHANNEL_FDS_MAX * sizeof(int))];
};

int channel_pair(int fds_out[2], struct err *err)
{
	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC | SOCK_NONBLOCK,
		    0, fds_out) != 0)
		return err_errno(err, "cannot make a pair of sockets");
	return 0;
}

static void attach_fd(struct msghdr *msg, union control_room *room, int fd)
{
	struct cmsghdr *header;

	memset(room, 0, sizeof(*room));
	msg->msg_control = room->data;
	msg->msg_controllen = CMSG_SPACE(sizeof(fd));
	header = CMSG_FIRSTHDR(msg);
	header->cmsg_level = SOL_SOCKET;
	header->cmsg_type = SCM_RIGHTS;
	header->cmsg_len = CMSG_LEN(sizeof(fd));
	memcpy(CMSG_DATA(header), &fd, sizeof(fd));
}

int channel_send(int fd, enum channel_message type, int pass_fd,
	const char *text, struct err *err)
{
	char bytes[1 + CHANNEL_TEXT_MAX];
	struct iovec piece = {.iov_base = bytes, .iov_len = 1};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	union control_room room;
	size_t len;
	ssize_t n;

	bytes[0] = (char)type;
	if (text != NULL) {
		len = strnlen(text, CHANNEL_TEXT_MAX);
		memcpy(bytes + 1, text, len);
		piece.iov_len += len;
	}
	if (pass_fd >= 0)
		attach_fd(&msg, &room, pass_fd);
	do
		n = sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return err_errno(err, "channel: cannot send '%c'", type);
	return 0;
}

/* Keeps the first descriptor that came along, if one is wanted, and closes the
 * others. Returns it or -1. */
static int take_fd(struct msghdr *msg, int wanted)
{
	struct cmsghdr *header;
	int kept = -1, fd;
	size_t i, count;

	for (header = CMSG_FIRSTHDR(msg); header != NULL;
		header = CMSG_NXTHDR(msg, header)) {
		if (header->cmsg_level != SOL_SOCKET ||
			header->cmsg_type != SCM_RIGHTS)
			continue;
		count = (header->cmsg_len - CMSG_LEN(0)) / sizeof(fd);
		for (i = 0; i < count; i++) {
			memcpy(&fd, CMSG_DATA(header) + i * sizeof(fd),
				sizeof(fd));
			if (wanted && kept < 0)
				kept = fd;
			else
				close(fd);
		}
	}
	return kept;
}

int channel_receive(int fd, struct channel_packet *out, struct err *err)
{
	char bytes[1 + CHANNEL_TEXT_MAX];
	union control_room room;
	struct iovec piece = {.iov_base = bytes, .iov_len = sizeof(bytes)};
	struct msghdr msg = {
		.msg_iov = &piece,
		.msg_iovlen = 1,
		.msg_control = room.data,
		.msg_controllen = sizeof(room.data),
	};
	size_t len;
	ssize_t n;

	do
		n = recvmsg(fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
	while (n < 0 && errno == EINTR);
	if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
		return 0;
	if (n < 0)
		return err_errno(err, "channel: cannot receive");
	if (n == 0) {
		/* also an empty packet, which nobody honest sends */
		take_fd(&msg, 0);
		return err_set(err, ERR_PROTOCOL, "channel: closed");
	}
	out->type = (enum channel_message)(unsigned char)bytes[0];
	out->fd = take_fd(&msg, out->type == CHANNEL_LINK);
	len = (size_t)n - 1;
	memcpy(out->text, bytes + 1, len);
	out->text[len] = '\0';
	return 1;
}
