/*
 * main.c - gmrelay-sendmail: what each mode does.
 *
 * Installed set-group-id, for drop/ alone: see rights.h. What an ordinary user
 * gives us - arguments, input, closed descriptors, limits - is all the input
 * there is; configuration and environment are not looked at.
 */
#include "config.h"

#include "base/util.h"
#include "sendmail/deliver.h"
#include "sendmail/options.h"
#include "sendmail/pump.h"
#include "sendmail/rights.h"
#include "submit/client.h"
#include "submit/drop_format.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

static void complain(const struct err *err)
{
	fprintf(stderr, "gmrelay-sendmail: %s\n", err->text);
}

/* -bs: the daemon speaks; without it, what it would say of itself. */
static int run_smtp(const struct options *o, const struct rights *rights)
{
	static const char down[] =
		"421 4.3.2 gmrelayd is not running, try again later\r\n";
	struct err err;
	int fd;

	(void)o;
	fd = submit_connect(
		rights_setting(rights, "GMRELAY_SUBMIT", SUBMIT_SOCKET),
		SUBMIT_TIMEOUT_MS, &err);
	if (fd < 0) {
		complain(&err);
		(void)write_full(STDOUT_FILENO, down, sizeof(down) - 1);
		return EX_TEMPFAIL;
	}
	if (pump(fd, STDIN_FILENO, STDOUT_FILENO, &err) == 0)
		return EX_OK;
	complain(&err);
	return EX_IOERR;
}

/* Becomes gmrelayctl, which knows whether the user may do that. Returns an exit
 * status, if at all. */
static int become_ctl(
	const struct rights *rights, const char *verb, const char *object)
{
	const char *ctl =
		rights_setting(rights, "GMRELAY_CTL", SBINDIR "/gmrelayctl");
	struct err err;

	if (rights_give_up(rights) == 0)
		execl(ctl, "gmrelayctl", verb, object, (char *)NULL);
	err_errno(&err, "cannot run %s", ctl);
	complain(&err);
	return EX_OSFILE;
}

static int run_queue(const struct options *o, const struct rights *rights)
{
	(void)o;
	return become_ctl(rights, "queue", "list");
}

static int run_aliases(const struct options *o, const struct rights *rights)
{
	(void)o;
	puts("gmrelayd reads its aliases when it starts or is reloaded; "
	     "reloading it now");
	fflush(stdout);
	return become_ctl(rights, "reload", NULL);
}

/* Programs flush the queue without asking who they are: whoever may not is not
 * told, since mail leaves by itself. */
static int run_flush(const struct options *o, const struct rights *rights)
{
	int status, null;
	pid_t pid;

	(void)o;
	if (getuid() == 0)
		return become_ctl(rights, "queue", "flush");
	pid = fork();
	if (pid == 0) {
		null = open("/dev/null", O_WRONLY);
		if (null >= 0) {
			dup2(null, STDOUT_FILENO);
			dup2(null, STDERR_FILENO);
		}
		_exit(become_ctl(rights, "queue", "flush"));
	}
	while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
		continue;
	return EX_OK;
}

static const struct {
	enum mode mode;
	int (*run)(const struct options *o, const struct rights *rights);
} modes[] = {
	{MODE_DELIVER, deliver},
	{MODE_SMTP, run_smtp},
	{MODE_QUEUE, run_queue},
	{MODE_ALIASES, run_aliases},
	{MODE_FLUSH, run_flush},
};

int main(int argc, char **argv)
{
	struct options options;
	struct rights rights;
	struct err err;
	int status = EX_USAGE;
	size_t i;

	if (rights_begin(&rights) != 0)
		return EX_OSERR;
	signal(SIGPIPE, SIG_IGN);
	/* a limit on the size of files is an error like others */
	signal(SIGXFSZ, SIG_IGN);
	if (options_read(&options, argc, argv, &err) != 0)
		complain(&err);
	else
		for (i = 0; i < COUNT_OF(modes); i++)
			if (modes[i].mode == options.mode)
				status = modes[i].run(&options, &rights);
	options_free(&options);
	return status;
}
