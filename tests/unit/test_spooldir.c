/*
 * test_spooldir.c - what is made of a spool, what is refused, and the locks.
 */
#include "config.h"

#include "base/util.h"
#include "parent/spooldir.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

/* The last two are not like the others. */
static const char *const names[] = {
	"journal", "large", "queue", "failed", "state", "drop", "empty"};

struct setting {
	char directory[40];
	char spool[64];
	struct privs_users users;
};

/* As root, two numbers that need not exist; else ourselves. */
static int setting_new(void **state)
{
	struct setting *s = xcalloc(1, sizeof(*s));

	umask(077);
	snprintf(s->directory, sizeof(s->directory), "/tmp/spool-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	snprintf(s->spool, sizeof(s->spool), "%s/spool", s->directory);
	s->users.root = geteuid() == 0;
	s->users.relay = (struct privs_user){geteuid(), getegid()};
	if (s->users.root)
		s->users.relay = (struct privs_user){65533, 65533};
	s->users.receiver = s->users.relay;
	*state = s;
	return 0;
}

static const char *path_of(const struct setting *s, const char *name)
{
	static char path[128];

	snprintf(path, sizeof(path), "%s/%s", s->spool, name);
	return path;
}

static int setting_free(void **state)
{
	struct setting *s = *state;
	char real[64];
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++) {
		unlink(path_of(s, names[i]));
		rmdir(path_of(s, names[i]));
	}
	unlink(path_of(s, "lock"));
	unlink(path_of(s, "roles"));
	rmdir(s->spool);
	unlink(s->spool);
	snprintf(real, sizeof(real), "%s/real", s->directory);
	rmdir(real);
	assert_int_equal(rmdir(s->directory), 0);
	free(s);
	return 0;
}

static void must_make(const struct setting *s)
{
	struct err err = {ERR_NONE, ""};
	int rc = spooldir_make(s->spool, &s->users, &err);

	assert_string_equal(err.text, "");
	assert_int_equal(rc, 0);
}

static void must_fail(const struct setting *s, const char *words)
{
	struct err err = {ERR_NONE, ""};

	assert_int_equal(spooldir_make(s->spool, &s->users, &err), -1);
	if (strstr(err.text, words) == NULL)
		fail_msg("\"%s\" says nothing of \"%s\"", err.text, words);
}

static void expect_place(const char *path, uid_t uid, unsigned mode)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	assert_true(S_ISDIR(st.st_mode));
	assert_int_equal(st.st_uid, uid);
	assert_int_equal(st.st_mode & 07777, mode);
}

static void expect_all(const struct setting *s)
{
	size_t i;

	for (i = 0; i + 2 < COUNT_OF(names); i++)
		expect_place(path_of(s, names[i]), s->users.relay.uid, 0700);
	if (s->users.drop_gid != 0)
		expect_place(path_of(s, "drop"), s->users.relay.uid, 01770);
	else
		expect_place(path_of(s, "drop"), s->users.relay.uid, 0700);
	expect_place(path_of(s, "empty"), geteuid(), 0755);
}

static void test_makes_what_is_missing(void **state)
{
	const struct setting *s = *state;

	must_make(s);
	expect_place(s->spool, geteuid(), s->users.root ? 0751 : 0700);
	expect_all(s);
	must_make(s);
	assert_int_equal(rmdir(path_of(s, "queue")), 0);
	must_make(s);
	expect_all(s);
}

static void test_a_spool_made_by_hand(void **state)
{
	const struct setting *s = *state;
	struct stat st;

	assert_int_equal(mkdir(s->spool, 0700), 0);
	must_make(s);
	expect_all(s);
	/* root's, closed to the relay: its group gets in */
	assert_int_equal(stat(s->spool, &st), 0);
	if (s->users.root) {
		assert_int_equal(st.st_gid, s->users.relay.gid);
		assert_int_equal(st.st_mode & 07777, 0751);
	}
	/* open to all already: left as it is */
	assert_int_equal(chmod(s->spool, 0755), 0);
	must_make(s);
	assert_int_equal(stat(s->spool, &st), 0);
	assert_int_equal(st.st_mode & 07777, 0755);
}

static void test_a_link_to_another_disk(void **state)
{
	const struct setting *s = *state;
	char real[64];

	snprintf(real, sizeof(real), "%s/real", s->directory);
	assert_int_equal(mkdir(real, 0755), 0);
	assert_int_equal(symlink("real", s->spool), 0);
	must_make(s);
	expect_all(s);
}

static void test_links_inside_are_refused(void **state)
{
	const struct setting *s = *state;
	struct spooldir dirs;
	struct err err;

	must_make(s);
	assert_int_equal(rmdir(path_of(s, "queue")), 0);
	assert_int_equal(symlink("/tmp", path_of(s, "queue")), 0);
	must_fail(s, "queue");
	assert_int_equal(symlink("/etc/passwd", path_of(s, "lock")), 0);
	assert_int_equal(spooldir_open(&dirs, s->spool, &err), -1);
	assert_int_equal(dirs.lock_fd, -1);
}

static void test_wrong_modes_and_owners(void **state)
{
	struct setting *s = *state;

	must_make(s);
	assert_int_equal(chmod(path_of(s, "state"), 0750), 0);
	must_fail(s, "chmod 0700");
	assert_int_equal(chmod(path_of(s, "state"), 0700), 0);
	assert_int_equal(chmod(path_of(s, "empty"), 0777), 0);
	must_fail(s, "chmod 0755");
	assert_int_equal(chmod(path_of(s, "empty"), 0755), 0);
	assert_int_equal(chmod(s->spool, 0777), 0);
	must_fail(s, "has mode 0777");
	assert_int_equal(chmod(s->spool, 0755), 0);
	must_make(s);
	/* relay-user was changed */
	s->users.relay.uid++;
	must_fail(s, "chown -R");
}

static void test_drop_is_made_for_its_group(void **state)
{
	struct setting *s = *state;
	struct stat st;

	if (!s->users.root)
		skip();
	s->users.drop_gid = s->users.relay.gid - 1;
	must_make(s);
	expect_all(s);
	assert_int_equal(stat(path_of(s, "drop"), &st), 0);
	assert_int_equal(st.st_gid, s->users.drop_gid);
	assert_int_equal(
		spooldir_drop_gid(s->spool, &s->users), s->users.drop_gid);
}

/* Its group may add files, if it cannot touch those of others. */
static void test_drop_is_shared_with_a_group(void **state)
{
	const struct setting *s = *state;
	const gid_t group = s->users.relay.gid - 1;
	const char *drop;

	must_make(s);
	drop = path_of(s, "drop");
	assert_int_equal(chmod(drop, 0700), 0);
	assert_int_equal(spooldir_drop_gid(s->spool, &s->users), 0);
	assert_int_equal(chmod(drop, 0770), 0);
	must_fail(s, "has mode 0770");
	assert_int_equal(chmod(path_of(s, "drop"), 01777), 0);
	must_fail(s, "has mode 1777");
	if (!s->users.root)
		return;
	drop = path_of(s, "drop");
	assert_int_equal(chown(drop, s->users.relay.uid, group), 0);
	assert_int_equal(chmod(drop, 01770), 0);
	must_make(s);
	assert_int_equal(spooldir_drop_gid(s->spool, &s->users), group);
	assert_true(spooldir_drop_in_reach(s->spool));
	assert_int_equal(chmod(s->spool, 0750), 0);
	assert_false(spooldir_drop_in_reach(s->spool));
	assert_int_equal(chmod(s->spool, 0751), 0);
	/* never the group of root, nor a directory of somebody else's */
	drop = path_of(s, "drop");
	assert_int_equal(chown(drop, s->users.relay.uid, 0), 0);
	assert_int_equal(spooldir_drop_gid(s->spool, &s->users), 0);
	drop = path_of(s, "drop");
	assert_int_equal(chown(drop, s->users.relay.uid - 1, group), 0);
	assert_int_equal(spooldir_drop_gid(s->spool, &s->users), 0);
	must_fail(s, "`chown 65533 ");
}

static void test_second_instance_is_refused(void **state)
{
	const struct setting *s = *state;
	struct spooldir first, second;
	struct err err = {ERR_NONE, ""};
	char words[32];

	must_make(s);
	assert_int_equal(spooldir_open(&first, s->spool, &err), 0);
	assert_int_equal(spooldir_open(&second, s->spool, &err), -1);
	snprintf(words, sizeof(words), "pid %ld:", (long)getpid());
	assert_non_null(strstr(err.text, words));
	assert_int_equal(second.lock_fd, -1);
	spooldir_close(&first);
	assert_int_equal(spooldir_open(&second, s->spool, &err), 0);
	spooldir_close(&second);
	spooldir_close(&second);
}

/* Ends the old role at the third call. */
struct old_role {
	int calls;
	int pipe_fd;
	pid_t pid;
};

static bool wait_a_little(void *arg)
{
	struct old_role *r = arg;
	int status;

	if (++r->calls == 3) {
		close(r->pipe_fd);
		assert_int_equal(waitpid(r->pid, &status, 0), r->pid);
	}
	return r->calls < 100;
}

static void test_waits_for_the_roles_of_before(void **state)
{
	const struct setting *s = *state;
	struct spooldir old, next;
	struct old_role role = {.calls = 0};
	struct err err;
	int fds[2], told[2];
	char byte = 'x';

	must_make(s);
	assert_int_equal(pipe(fds), 0);
	assert_int_equal(pipe(told), 0);
	assert_int_equal(spooldir_open(&old, s->spool, &err), 0);
	assert_int_equal(
		spooldir_lock_roles(&old, wait_a_little, &role, &err), 0);
	assert_int_equal(role.calls, 0);
	role.pid = fork();
	assert_true(role.pid >= 0);
	if (role.pid == 0) {
		close(fds[1]);
		close(old.lock_fd);
		if (write(told[1], &byte, 1) != 1)
			_exit(2);
		_exit(read(fds[0], &byte, 1) == 0 ? 0 : 1);
	}
	close(fds[0]);
	role.pipe_fd = fds[1];
	assert_int_equal(read(told[0], &byte, 1), 1);
	close(told[0]);
	close(told[1]);
	/* the old parent dies; its role lives on */
	spooldir_close(&old);
	assert_int_equal(spooldir_open(&next, s->spool, &err), 0);
	assert_int_equal(
		spooldir_lock_roles(&next, wait_a_little, &role, &err), 0);
	assert_int_equal(role.calls, 3);
	spooldir_close(&next);
}

static bool give_up(void *arg)
{
	(void)arg;
	return false;
}

static void test_gives_up_when_asked(void **state)
{
	const struct setting *s = *state;
	struct spooldir old, next;
	struct err err;
	int roles;

	must_make(s);
	assert_int_equal(spooldir_open(&old, s->spool, &err), 0);
	assert_int_equal(spooldir_lock_roles(&old, give_up, NULL, &err), 0);
	roles = dup(old.roles_fd);
	spooldir_close(&old);
	assert_int_equal(spooldir_open(&next, s->spool, &err), 0);
	assert_int_equal(spooldir_lock_roles(&next, give_up, NULL, &err), -1);
	close(roles);
	assert_int_equal(spooldir_lock_roles(&next, give_up, NULL, &err), 0);
	spooldir_close(&next);
}

static void test_forgetful_file_systems(void **state)
{
	(void)state;
	assert_null(spooldir_volatile("/proc"));
	assert_null(spooldir_volatile("/nonexistent"));
}

int main(void)
{
#define WITH_SETTING(test)                                                     \
	cmocka_unit_test_setup_teardown(test, setting_new, setting_free)
	const struct CMUnitTest tests[] = {
		WITH_SETTING(test_makes_what_is_missing),
		WITH_SETTING(test_a_spool_made_by_hand),
		WITH_SETTING(test_a_link_to_another_disk),
		WITH_SETTING(test_links_inside_are_refused),
		WITH_SETTING(test_wrong_modes_and_owners),
		WITH_SETTING(test_drop_is_made_for_its_group),
		WITH_SETTING(test_drop_is_shared_with_a_group),
		WITH_SETTING(test_second_instance_is_refused),
		WITH_SETTING(test_waits_for_the_roles_of_before),
		WITH_SETTING(test_gives_up_when_asked),
		cmocka_unit_test(test_forgetful_file_systems),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
