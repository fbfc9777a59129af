/*
 * alert.c - the user's own command that hears of an account's trouble.
 */
#include "config.h"

#include "parent/alert.h"

#include "base/as_user.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "parent/check.h"
#include "parent/child.h"
#include "parent/privs.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <sysexits.h>
#include <unistd.h>

enum { ENVIRONMENT_MAX = CHANNEL_TEXT_MAX + 32 };

/* What a CHANNEL_ALERT says: STATE, account and reason, a tab in between. */
struct news {
	char text[CHANNEL_TEXT_MAX + 1];
	const char *state;
	const char *account;
	const char *reason;
};

static int read_news(struct news *out, const char *text)
{
	char *account, *reason;

	snprintf(out->text, sizeof(out->text), "%s", text);
	account = strchr(out->text, '\t');
	reason = account != NULL ? strchr(account + 1, '\t') : NULL;
	if (reason == NULL)
		return -1;
	*account = *reason = '\0';
	out->state = out->text;
	out->account = account + 1;
	out->reason = reason + 1;
	return 0;
}

static void run_command(char **command, const struct news *news)
{
	char account[ENVIRONMENT_MAX], state[ENVIRONMENT_MAX];
	char reason[ENVIRONMENT_MAX], sentence[ENVIRONMENT_MAX];
	char path[] = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:"
		      "/usr/bin:/sbin:/bin";
	char *environment[] = {path, account, state, reason, NULL};
	char *arguments[CONF_ALERT_WORDS_MAX + 2];
	size_t n = 0;

	snprintf(account, sizeof(account), "GMRELAY_ACCOUNT=%s", news->account);
	snprintf(state, sizeof(state), "GMRELAY_STATE=%s", news->state);
	snprintf(reason, sizeof(reason), "GMRELAY_REASON=%s", news->reason);
	snprintf(sentence, sizeof(sentence), "gmrelayd: account %s is %s%s%s",
		news->account, news->state, news->reason[0] != '\0' ? ": " : "",
		news->reason);
	for (; n < CONF_ALERT_WORDS_MAX && command[n] != NULL; n++)
		arguments[n] = command[n];
	arguments[n++] = sentence;
	arguments[n] = NULL;
	execve(arguments[0], arguments, environment);
	log_err("alert-failed command=%s reason=\"cannot start it: %s\"",
		arguments[0], strerror(errno));
}

/* The child: nothing of the parent's goes along. */
static void become_command(
	const struct check_result *checked, const struct news *news)
{
	const struct privs_plan plan = {
		.user = checked->users.relay,
		.root = checked->users.root,
		.chroot_fd = -1,
	};
	struct err err;
	sigset_t none;
	int fd;

	setsid();
	signal(SIGPIPE, SIG_DFL);
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	fd = open("/dev/null", O_RDONLY);
	if (fd < 0 || dup2(fd, STDIN_FILENO) < 0 ||
		dup2(STDERR_FILENO, STDOUT_FILENO) < 0 || chdir("/") != 0)
		_exit(EX_OSERR);
	child_close_files(STDERR_FILENO + 1, INT32_MAX);
	if (privs_drop(&plan, &err) != 0)
		log_err("alert-failed reason=\"%s\"", err.text);
	else
		run_command(checked->conf->alert_command, news);
	_exit(EX_OSERR);
}

static void start_next(struct alert *a, const struct check_result *checked)
{
	struct news news;
	pid_t pid;

	while (a->pid == 0 && a->count > 0) {
		if (read_news(&news, a->waiting[0]) != 0)
			news.account = NULL;
		a->count--;
		memmove(a->waiting[0], a->waiting[1],
			a->count * sizeof(a->waiting[0]));
		if (news.account == NULL)
			continue;
		pid = fork();
		if (pid == 0)
			become_command(checked, &news);
		if (pid < 0) {
			log_err("alert-failed reason=\"cannot fork: %s\"",
				strerror(errno));
			return;
		}
		a->pid = pid;
		a->uid = checked->users.relay.uid;
		a->kill_ms = clock_boot_ms() + ALERT_TIME_MS;
	}
}

void alert_add(
	struct alert *a, const struct check_result *checked, const char *text)
{
	struct log_text shown;

	if (checked->conf->alert_command[0] == NULL)
		return;
	if (a->count == ALERT_WAITING_MAX) {
		log_err("alert-failed reason=\"too many at once\" text=%s",
			log_text(&shown, text));
		return;
	}
	snprintf(a->waiting[a->count++], sizeof(a->waiting[0]), "%s", text);
	start_next(a, checked);
}

int alert_reap(struct alert *a, const struct check_result *checked, pid_t pid,
	int status)
{
	const char *command = checked->conf->alert_command[0];

	if (a->pid == 0 || pid != a->pid)
		return 0;
	if (command == NULL) /* a reload took it away meanwhile */
		command = "-";
	if (WIFSIGNALED(status))
		log_err("alert-failed command=%s signal=%d", command,
			WTERMSIG(status));
	else if (WEXITSTATUS(status) != 0)
		log_err("alert-failed command=%s status=%d", command,
			WEXITSTATUS(status));
	a->pid = 0;
	a->kill_ms = 0;
	start_next(a, checked);
	return 1;
}

/* Its children too; the group is its own. */
static void kill_all(const struct alert *a)
{
	as_user_kill(a->uid, -a->pid, SIGKILL);
	as_user_kill(a->uid, a->pid, SIGKILL);
}

void alert_kill_overdue(struct alert *a, int64_t now_ms)
{
	if (a->pid == 0 || now_ms < a->kill_ms)
		return;
	log_err("alert-failed reason=\"it did not end within %d s\"",
		ALERT_TIME_MS / 1000);
	kill_all(a);
	a->kill_ms = now_ms + ALERT_TIME_MS;
}

void alert_end(struct alert *a)
{
	a->count = 0;
	if (a->pid == 0)
		return;
	kill_all(a);
}
