/*
 * test_child.c - a role's process: what it may say, what it inherits, when it
 *                is started again.
 */
#include "config.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/role.h"
#include "base/util.h"
#include "parent/check.h"
#include "parent/child.h"
#include "parent/listen.h"
#include "parent/sandbox.h"
#include "parent/spooldir.h"
#include "receiver/receiver.h"
#include "relay/relay.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* What a role found out about itself is its exit status. */
enum finding {
	ALL_RIGHT = 40,
	WRONG_SOCKETS,
	WRONG_FILES,
	WRONG_PRIVILEGES,
	WRONG_SIGNALS,
	WRONG_COUNTERS,
	OPENS_FILES,
};

enum { DESCRIPTORS_MAX = 256 };

struct relay_secrets {
	uid_t read_as;
};

struct found {
	unsigned listening;
	unsigned sockets; /* that do not listen */
	unsigned files;
	unsigned directories;
};

static struct found look_around(void)
{
	struct found f = {0, 0, 0, 0};
	socklen_t len = sizeof(int);
	struct stat st;
	int fd, accepting;

	for (fd = STDERR_FILENO + 1; fd < DESCRIPTORS_MAX; fd++) {
		if (fstat(fd, &st) != 0)
			continue;
		accepting = 0;
		if (S_ISSOCK(st.st_mode))
			getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting,
				&len);
		f.listening += accepting != 0;
		f.sockets += S_ISSOCK(st.st_mode) && !accepting;
		f.files += S_ISREG(st.st_mode);
		f.directories += S_ISDIR(st.st_mode);
	}
	return f;
}

static bool privileges_are_gone(void)
{
	struct rlimit core;

	return geteuid() != 0 && getuid() != 0 && getegid() != 0 &&
	       setuid(0) != 0 && prctl(PR_GET_DUMPABLE) == 0 &&
	       prctl(PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0) == 1 &&
	       getrlimit(RLIMIT_CORE, &core) == 0 && core.rlim_max == 0 &&
	       umask(077) == 077;
}

static bool survives_signals(void)
{
	sigset_t blocked;

	raise(SIGTERM);
	raise(SIGINT);
	raise(SIGHUP);
	raise(SIGUSR1);
	raise(SIGPIPE);
	return sigprocmask(SIG_BLOCK, NULL, &blocked) == 0 &&
	       !sigismember(&blocked, SIGTERM) &&
	       !sigismember(&blocked, SIGCHLD);
}

static enum finding judge(const struct role *role, unsigned listening)
{
	struct found f = look_around();

	/* the channel is the only other socket; no lock, no pipe */
	if (f.listening != listening || f.sockets != 1)
		return WRONG_SOCKETS;
	if (f.files != 1 || f.directories != 0)
		return WRONG_FILES;
	if (!privileges_are_gone())
		return WRONG_PRIVILEGES;
	if (!survives_signals())
		return WRONG_SIGNALS;
	if (role->counters->receiver == NULL || role->counters->relay == NULL)
		return WRONG_COUNTERS;
	return ALL_RIGHT;
}

static bool is_root_test(const struct role *role)
{
	return strcmp(role->conf->user, "root test") == 0;
}

static enum finding judge_receiver(const struct role *role)
{
	if (role->control_fd != -1 || role->listener_count != 2 ||
		role->watchdog_ms != 1234)
		return WRONG_SOCKETS;
	if (is_root_test(role) && open("/etc/passwd", O_RDONLY) >= 0)
		return OPENS_FILES;
	return judge(role, 2);
}

struct receiver_secrets {
	uid_t read_as;
};

struct receiver_secrets *receiver_secrets_read(
	const struct conf *conf, gid_t gid, struct err *err)
{
	struct receiver_secrets *secrets = xcalloc(1, sizeof(*secrets));

	(void)conf;
	(void)gid;
	(void)err;
	secrets->read_as = geteuid();
	return secrets;
}

/* _exit: a leak checker must not search a process that forbids ptrace. */
/* What is found out takes calls that no role makes. */
int sandbox_enter(enum sandbox_role role, struct err *err)
{
	(void)role;
	(void)err;
	return 0;
}

int receiver_run(const struct role *role, struct receiver_secrets **secrets)
{
	if (is_root_test(role) != ((*secrets)->read_as == 0))
		_exit(WRONG_PRIVILEGES);
	_exit(judge_receiver(role));
}

struct relay_secrets *relay_secrets_read(
	const struct conf *conf, gid_t relay_gid, struct err *err)
{
	struct relay_secrets *secrets = xcalloc(1, sizeof(*secrets));

	(void)conf;
	(void)relay_gid;
	(void)err;
	secrets->read_as = geteuid();
	return secrets;
}

static enum finding judge_relay(const struct role *role, uid_t read_as)
{
	if (role->control_fd < 0 || role->listener_count != 0)
		return WRONG_SOCKETS;
	if (is_root_test(role) != (read_as == 0))
		return WRONG_PRIVILEGES;
	return judge(role, 1);
}

int relay_run(const struct role *role, struct relay_secrets **secrets)
{
	_exit(judge_relay(role, (*secrets)->read_as));
}

static void test_who_may_say_what(void **state)
{
	static const struct {
		enum channel_message type;
		bool receiver;
		bool relay;
	} cases[] = {
		{CHANNEL_READY, true, true},
		{CHANNEL_ALIVE, true, true},
		{CHANNEL_RELOAD, false, true},
		{CHANNEL_STOP, false, true},
		{CHANNEL_STATUS, false, true},
		{CHANNEL_ALERT, false, true},
		{CHANNEL_LINK, false, false},
		{CHANNEL_PEER_GONE, false, false},
		{CHANNEL_DRAIN, false, false},
		{CHANNEL_FLUSH, false, false},
		{CHANNEL_REFUSED, false, false},
	};
	unsigned type;
	size_t i;

	(void)state;
	for (type = 0; type <= UINT8_MAX; type++) {
		for (i = 0; i < COUNT_OF(cases); i++)
			if (cases[i].type == type)
				break;
		assert_int_equal(child_may_say(CHILD_RECEIVER, type),
			i < COUNT_OF(cases) && cases[i].receiver);
		assert_int_equal(child_may_say(CHILD_RELAY, type),
			i < COUNT_OF(cases) && cases[i].relay);
	}
}

static void test_restart_backs_off(void **state)
{
	static const int64_t waits[] = {
		0, 1000, 2000, 4000, 8000, 16000, 32000, 60000, 60000};
	struct child c = {.channel_fd = -1};
	int64_t now = 5000;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(waits); i++) {
		c.started_ms = now;
		now += 10;
		child_plan_restart(&c, now);
		assert_int_equal(c.restart_ms, now + waits[i]);
		now = c.restart_ms;
	}
	/* a minute of life forgives, a little less does not */
	c.started_ms = now;
	child_plan_restart(&c, now + CHILD_FORGIVEN_MS - 1);
	assert_int_equal(c.restart_ms, now + CHILD_FORGIVEN_MS - 1 + 60000);
	child_plan_restart(&c, now + CHILD_FORGIVEN_MS);
	assert_int_equal(c.restart_ms, now + CHILD_FORGIVEN_MS);
	child_plan_restart(&c, now + 1);
	assert_int_equal(c.restart_ms, now + 1 + 1000);
}

static void test_drain_once_and_kill_when_due(void **state)
{
	struct child c = {.kind = CHILD_RELAY, .channel_fd = -1};
	struct channel_packet packet;
	struct err err;
	int fds[2], status;

	(void)state;
	child_drain(&c, 1000);
	assert_int_equal(c.kill_ms, 0);
	assert_int_equal(channel_pair(fds, &err), 0);
	c.pid = fork();
	assert_true(c.pid >= 0);
	if (c.pid == 0)
		for (;;)
			pause();
	c.channel_fd = fds[0];
	child_drain(&c, 1000);
	child_drain(&c, 2000);
	assert_int_equal(c.kill_ms, 1000 + DRAIN_MS + CHILD_GRACE_MS);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_int_equal(packet.type, CHANNEL_DRAIN);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 0);
	child_kill_overdue(&c, c.kill_ms - 1);
	assert_int_equal(waitpid(c.pid, &status, WNOHANG), 0);
	child_kill_overdue(&c, c.kill_ms);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	child_gone(&c);
	assert_int_equal(c.pid, 0);
	assert_int_equal(c.channel_fd, -1);
	close(fds[1]);
}

/* Everything a parent holds, in a directory of its own. */
struct world {
	char directory[40];
	char spool[64];
	struct conf conf;
	struct check_result checked;
	struct listen_set listen;
	struct spooldir dirs;
};

static int a_listener(void)
{
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_true(fd >= 0);
	assert_int_equal(listen(fd, 1), 0); /* at a port of its own choice */
	return fd;
}

static int world_new(void **state)
{
	struct world *w = xcalloc(1, sizeof(*w));
	struct err err = {ERR_NONE, ""};
	size_t i;

	umask(077);
	snprintf(w->directory, sizeof(w->directory), "/tmp/child-XXXXXX");
	assert_non_null(mkdtemp(w->directory));
	assert_int_equal(chmod(w->directory, 0755), 0);
	snprintf(w->spool, sizeof(w->spool), "%s/spool", w->directory);
	w->conf.spool = w->spool;
	w->conf.max_clients = 10;
	w->checked.conf = &w->conf;
	w->checked.users.root = geteuid() == 0;
	w->checked.users.relay = (struct privs_user){geteuid(), getegid()};
	w->checked.users.receiver = w->checked.users.relay;
	w->conf.user = xstrdup(w->checked.users.root ? "root test" : "");
	if (w->checked.users.root) {
		w->checked.users.relay = (struct privs_user){65533, 65533};
		w->checked.users.receiver = (struct privs_user){65534, 65534};
	}
	for (i = 0; i < 3; i++) {
		w->listen.sockets[i].fd = a_listener();
		w->listen.sockets[i].kind = (enum listen_kind)i;
	}
	w->listen.count = 3;
	assert_int_equal(spooldir_make(w->spool, &w->checked.users, &err), 0);
	assert_int_equal(spooldir_open(&w->dirs, w->spool, &err), 0);
	*state = w;
	return 0;
}

static int world_free(void **state)
{
	static const char *const names[] = {"journal", "large", "queue",
		"failed", "state", "empty", "drop", "lock", "roles", ""};
	struct world *w = *state;
	char path[128];
	size_t i;

	spooldir_close(&w->dirs);
	for (i = 0; i < w->listen.count; i++)
		close(w->listen.sockets[i].fd);
	for (i = 0; i < COUNT_OF(names); i++) {
		snprintf(path, sizeof(path), "%s/%s", w->spool, names[i]);
		unlink(path);
		rmdir(path);
	}
	assert_int_equal(rmdir(w->directory), 0);
	free(w->conf.user);
	free(w);
	return 0;
}

static void expect_role(const struct world *w, enum child_kind kind)
{
	struct child c = {.kind = kind, .channel_fd = -1};
	struct child_context context = {
		.checked = &w->checked,
		.listen = &w->listen,
		.spool = &w->dirs,
		.watchdog_ms = 1234,
		.log_level = LOG_LEVEL_INFO,
	};
	struct err err;
	int status;

	context.counters = counters_pages_new(&err);
	assert_non_null(context.counters);
	assert_int_equal(child_start(&c, &context, &err), 0);
	assert_true(c.pid > 0);
	assert_int_equal(waitpid(c.pid, &status, 0), c.pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), ALL_RIGHT);
	/* the other end is gone with it */
	assert_int_equal(
		channel_send(c.channel_fd, CHANNEL_DRAIN, -1, NULL, &err), -1);
	child_gone(&c);
	counters_pages_free(&context.counters);
}

static void test_receiver_inherits_its_own_only(void **state)
{
	expect_role(*state, CHILD_RECEIVER);
}

static void test_relay_inherits_its_own_only(void **state)
{
	expect_role(*state, CHILD_RELAY);
}

int main(void)
{
#define WITH_WORLD(test)                                                       \
	cmocka_unit_test_setup_teardown(test, world_new, world_free)
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_who_may_say_what),
		cmocka_unit_test(test_restart_backs_off),
		cmocka_unit_test(test_drain_once_and_kill_when_due),
		WITH_WORLD(test_receiver_inherits_its_own_only),
		WITH_WORLD(test_relay_inherits_its_own_only),
	};

	/* the warning about a role that was killed is expected */
	log_open(LOG_LEVEL_ERR, false);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
