/*
 * pump.c - -bs: the bytes between standard input and output and the daemon.
 */
#include "config.h"

#include "sendmail/pump.h"

#include "base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BLOCK_SIZE = 16 * 1024 };

/* What was read from standard input and waits for the socket. While it waits
 * the daemon's answers are still carried, so neither side blocks the other. */
struct waiting {
	char block[BLOCK_SIZE];
	size_t at;
	size_t len;
};

/* Returns 1, 0 at the end of the connection, -1 with err. */
static int carry_answers(int socket, int out, struct err *err)
{
	char block[BLOCK_SIZE];
	ssize_t n = recv(socket, block, sizeof(block), MSG_DONTWAIT);

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n <= 0)
		return 0;
	if (write_full(out, block, (size_t)n) != 0)
		return err_errno(err, "cannot write");
	return 1;
}

/* Returns 1, 0 at the end of the input, -1 with err. */
static int take_input(int in, struct waiting *w, struct err *err)
{
	ssize_t n = read(in, w->block, sizeof(w->block));

	if (n < 0 && (errno == EINTR || errno == EAGAIN))
		return 1;
	if (n < 0)
		return err_errno(err, "cannot read");
	w->at = 0;
	w->len = (size_t)n;
	return n > 0;
}

/* Errors are left to carry_answers(): the daemon's last words may be there. */
static void send_waiting(int socket, struct waiting *w)
{
	ssize_t n = send(socket, w->block + w->at, w->len - w->at,
		MSG_NOSIGNAL | MSG_DONTWAIT);

	if (n > 0)
		w->at += (size_t)n;
	else if (n < 0 && errno != EINTR && errno != EAGAIN)
		w->at = w->len;
}

int pump(int socket, int in, int out, struct err *err)
{
	struct pollfd fds[2] = {{.fd = socket}, {.fd = in, .events = POLLIN}};
	struct waiting w = {.at = 0, .len = 0};
	bool open = true;
	int rc = 1;

	while (rc > 0) {
		fds[0].events = POLLIN | (w.at < w.len ? POLLOUT : 0);
		fds[1].fd = open && w.at == w.len ? in : -1;
		if (poll(fds, COUNT_OF(fds), -1) < 0) {
			if (errno != EINTR)
				return err_errno(err, "cannot wait");
			continue;
		}
		if ((fds[0].revents & POLLOUT) != 0)
			send_waiting(socket, &w);
		if ((fds[0].revents & ~POLLOUT) != 0)
			rc = carry_answers(socket, out, err);
		if (rc > 0 && fds[1].fd >= 0 && fds[1].revents != 0) {
			rc = take_input(in, &w, err);
			open = rc > 0;
			if (rc == 0)
				shutdown(socket, SHUT_WR);
			rc = rc == 0 ? 1 : rc;
		}
	}
	return rc;
}
