/*
 * aside.c - a piece of work in a process of its own, which ends with it.
 */
#include "config.h"

#include "parent/aside.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

/* The child: says 0 and the result, or why there is none. */
static void work_in_child(const struct aside *work, int to_fd)
{
	struct err err = {0};

	if (work->run(work->in, work->out, &err) != 0)
		write_full(to_fd, &err, sizeof(err));
	else if (write_full(to_fd, &(struct err){.kind = ERR_NONE},
			 sizeof(err)) == 0 &&
		 work->out_size > 0)
		write_full(to_fd, work->out, work->out_size);
	_exit(0);
}

/* Returns 0; -1 with errno, which is ETIMEDOUT after the deadline, or 0 when
 * the child ended early. */
static int read_until(int fd, void *data, size_t size, int64_t deadline_ms)
{
	struct pollfd waits = {.fd = fd, .events = POLLIN};
	size_t len = 0;
	int64_t left;
	ssize_t n;

	while (len < size) {
		left = deadline_ms - clock_boot_ms();
		if (left <= 0) {
			errno = ETIMEDOUT;
			return -1;
		}
		if (poll(&waits, 1, (int)left) <= 0)
			continue;
		n = read(fd, (char *)data + len, size - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n == 0)
			errno = 0;
		if (n <= 0)
			return -1;
		len += (size_t)n;
	}
	return 0;
}

static int read_result(const struct aside *work, int fd, struct err *err)
{
	const int64_t deadline_ms = clock_boot_ms() + work->limit_ms;
	struct err told;

	if (read_until(fd, &told, sizeof(told), deadline_ms) == 0) {
		if (told.kind != ERR_NONE)
			return err_set(err, told.kind, "%s", told.text);
		if (read_until(fd, work->out, work->out_size, deadline_ms) == 0)
			return 0;
	}
	if (errno == ETIMEDOUT)
		return err_set(err, ERR_LIMIT, "%s: no end within %d s",
			work->what, work->limit_ms / 1000);
	if (errno != 0)
		return err_errno(
			err, "%s: cannot read from a child", work->what);
	return err_set(
		err, ERR_SYSTEM, "%s: the child process has died", work->what);
}

int aside_run(const struct aside *work, struct err *err)
{
	int fds[2], rc;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_errno(err, "%s: cannot make a pipe", work->what);
	pid = fork();
	if (pid == 0)
		work_in_child(work, fds[1]);
	close(fds[1]);
	if (pid > 0) {
		rc = read_result(work, fds[0], err);
		kill(pid, SIGKILL);
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	} else {
		rc = err_errno(err, "%s: cannot fork", work->what);
	}
	close(fds[0]);
	return rc;
}
