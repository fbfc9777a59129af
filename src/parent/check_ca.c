/*
 * check_ca.c - certificates to trust: whether the relay will be able to read
 *              and use them.
 */
#include "config.h"

#include "parent/check_ca.h"

#include "base/conf.h"
#include "base/util.h"
#include "parent/privs.h"
#include "relay/relay.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

/* A file name can be as long as it likes; the reason comes behind it. */
enum { FILE_SHOWN_MAX = ERR_TEXT_MAX, FINDING_MAX = 2 * ERR_TEXT_MAX + 128 };

/* The child: as the relay's user, and with memory of its own, for OpenSSL's
 * tables would stay in the parent's. */
static void look(const struct check_result *r,
	const struct conf_account *account, int to_fd)
{
	const struct privs_plan plan = {
		.user = r->users.relay,
		.root = r->users.root,
		.chroot_fd = -1,
	};
	struct err err;

	if (privs_drop(&plan, &err) == 0 &&
		relay_ca_check(account->ca_file, &err) == 0)
		_exit(0);
	write_full(to_fd, err.text, strlen(err.text));
	_exit(1);
}

/* What the child wrote until it ended; NUL behind it. */
static void read_words(int fd, char *text, size_t size)
{
	size_t len = 0;
	ssize_t n;

	while (len + 1 < size) {
		n = read(fd, text + len, size - 1 - len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		len += (size_t)n;
	}
	text[len] = '\0';
}

/* Returns 0, -1 with err. */
static int check_one(const struct check_result *r,
	const struct conf_account *account, struct err *err)
{
	char text[ERR_TEXT_MAX];
	int fds[2], status = 0;
	pid_t pid;

	if (pipe2(fds, O_CLOEXEC) != 0)
		return err_errno(err, "cannot make a pipe");
	pid = fork();
	if (pid == 0)
		look(r, account, fds[1]);
	close(fds[1]);
	if (pid > 0) {
		read_words(fds[0], text, sizeof(text));
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(fds[0]);
	if (pid < 0)
		return err_errno(err, "cannot fork");
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;
	return err_set(err, ERR_CONFIG, "%s",
		text[0] != '\0' ? text : "ca-file: cannot be looked at");
}

size_t check_ca_files(
	const struct check_result *r, check_tell_fn *tell, void *arg)
{
	const struct conf_account *account;
	char text[FINDING_MAX];
	size_t i, errors = 0;
	struct err err;

	for (i = 0; i < r->conf->account_count; i++) {
		account = &r->conf->accounts[i];
		if (account->ca_file[0] == '\0' ||
			check_one(r, account, &err) == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s:%u: %s", FILE_SHOWN_MAX,
			r->conf->file, account->line, err.text);
		tell(arg, false, text);
		errors++;
	}
	return errors;
}
