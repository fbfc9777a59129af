/*
 * privs.c - users by name or number; what a role gives up before it works.
 */
#include "config.h"

#include "parent/privs.h"

#include "base/conf.h"
#include "base/util.h"
#include "parent/aside.h"

#include <errno.h>
#include <grp.h>
#include <limits.h>
#include <linux/capability.h>
#include <pwd.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

static bool is_number(const char *text)
{
	return text[0] != '\0' && text[strspn(text, "0123456789")] == '\0';
}

static int find_by_number(const char *setting, const char *text,
	struct privs_user *out, struct err *err)
{
	const struct passwd *entry;
	unsigned long long value;

	errno = 0;
	value = strtoull(text, NULL, 10);
	/* (uid_t)-1 means "leave it" to setresuid(2) */
	if (errno != 0 || value >= UINT32_MAX)
		return err_set(err, ERR_CONFIG, "%s = %s: no number of a user",
			setting, text);
	out->uid = (uid_t)value;
	entry = getpwuid(out->uid);
	out->gid = entry != NULL ? entry->pw_gid : (gid_t)value;
	return 0;
}

static int find_user(const char *setting, const char *name,
	struct privs_user *out, struct err *err)
{
	const struct passwd *entry;

	if (is_number(name))
		return find_by_number(setting, name, out, err);
	errno = 0;
	entry = getpwnam(name);
	if (entry == NULL && errno != 0 && errno != ENOENT && errno != ESRCH)
		return err_errno(
			err, "%s = %s: cannot look it up", setting, name);
	if (entry == NULL)
		return err_set(err, ERR_CONFIG,
			"%s = %s: no such user; make it with "
			"`systemd-sysusers` (after `make install`) or "
			"`useradd --system --user-group --no-create-home "
			"--home-dir / --shell /usr/sbin/nologin %s`, or give "
			"another name or a number",
			setting, name, name);
	out->uid = entry->pw_uid;
	out->gid = entry->pw_gid;
	return 0;
}

/* In a child: an aside_fn. What look-ups load is not to stay. */
static int look_up(const void *in, void *out, struct err *err)
{
	const struct conf *conf = in;
	struct privs_users *users = out;
	const struct group *group;

	if (find_user("user", conf->user, &users->receiver, err) != 0 ||
		find_user("relay-user", conf->relay_user, &users->relay, err) !=
			0)
		return -1;
	group = getgrnam(PRIVS_DROP_GROUP);
	users->drop_gid = group != NULL ? group->gr_gid : 0;
	return 0;
}

static int look_up_aside(
	const struct conf *conf, struct privs_users *out, struct err *err)
{
	const struct aside work = {
		.what = "user, relay-user: looking them up",
		.run = look_up,
		.in = conf,
		.out = out,
		.out_size = sizeof(*out),
		.limit_ms = ASIDE_LIMIT_MS,
	};
	if (aside_run(&work, err) == 0)
		return 0;
	if (err->kind != ERR_LIMIT)
		return -1;
	return err_set(err, ERR_LIMIT,
		"user = %s, relay-user = %s: no answer within %d s: a service "
		"that nsswitch.conf(5) names for passwd or group is out of "
		"reach; make it answer, or take it out",
		conf->user, conf->relay_user, ASIDE_LIMIT_MS / 1000);
}

int privs_find_users(
	const struct conf *conf, struct privs_users *out, struct err *err)
{
	memset(out, 0, sizeof(*out));
	out->root = geteuid() == 0;
	if (!out->root) {
		out->receiver = (struct privs_user){geteuid(), getegid()};
		out->relay = out->receiver;
		return 0;
	}
	if (look_up_aside(conf, out, err) != 0)
		return -1;
	if (out->receiver.uid == 0 || out->relay.uid == 0 ||
		out->receiver.gid == 0 || out->relay.gid == 0)
		return err_set(err, ERR_CONFIG,
			"%s = %s: neither role may run as root or in its "
			"group; name a user of its own",
			out->receiver.uid == 0 || out->receiver.gid == 0
				? "user"
				: "relay-user",
			out->receiver.uid == 0 || out->receiver.gid == 0
				? conf->user
				: conf->relay_user);
	/* of two spellings: the configuration's own check sees one */
	if (out->receiver.uid == out->relay.uid)
		return err_set(err, ERR_CONFIG,
			"user %s and relay-user %s are the same: the process "
			"that talks to clients could reach the credentials; "
			"name two users",
			conf->user, conf->relay_user);
	return 0;
}

static int enter_chroot(int fd, struct err *err)
{
	if (fchdir(fd) != 0 || chroot(".") != 0 || chdir("/") != 0)
		return err_errno(err, "cannot change the root directory");
	close(fd);
	return 0;
}

/* Whether these are the groups beside the user's own. */
static bool has_groups(size_t count, gid_t extra)
{
	gid_t have[2] = {0, 0};

	return getgroups(COUNT_OF(have), have) == (int)count &&
	       (count == 0 || have[0] == extra);
}

static int change_user(const struct privs_plan *plan, struct err *err)
{
	const struct privs_user *user = &plan->user;
	const size_t groups = plan->extra != 0 ? 1 : 0;
	uid_t real, effective, saved;
	gid_t real_gid, effective_gid, saved_gid;

	if (setgroups(groups, &plan->extra) != 0 ||
		setresgid(user->gid, user->gid, user->gid) != 0 ||
		setresuid(user->uid, user->uid, user->uid) != 0)
		return err_errno(err, "cannot become uid %u, gid %u",
			(unsigned)user->uid, (unsigned)user->gid);
	if (getresuid(&real, &effective, &saved) != 0 ||
		getresgid(&real_gid, &effective_gid, &saved_gid) != 0 ||
		real != user->uid || effective != user->uid ||
		saved != user->uid || real_gid != user->gid ||
		effective_gid != user->gid || saved_gid != user->gid ||
		!has_groups(groups, plan->extra))
		return err_set(err, ERR_ACCESS,
			"uid or groups are not those asked for");
	return 0;
}

/* What no program that is started could have back. Only who may give it away
 * has CAP_SETPCAP; without it the bounding set stays what started us with,
 * which no_new_privs makes worthless. */
static int drop_bounding_set(struct err *err)
{
	int cap;

	for (cap = 0; prctl(PR_CAPBSET_READ, cap, 0, 0, 0) >= 0; cap++)
		if (prctl(PR_CAPBSET_DROP, cap, 0, 0, 0) != 0 && errno != EPERM)
			return err_errno(err,
				"cannot give up capability %d for good", cap);
	return 0;
}

/* An ordinary user may have been started with capabilities, too. */
static int drop_capabilities(struct err *err)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[_LINUX_CAPABILITY_U32S_3];

	memset(none, 0, sizeof(none));
	if (syscall(SYS_capset, &header, none) != 0)
		return err_errno(err, "cannot give up the capabilities");
	return 0;
}

static int prove_no_return(struct err *err)
{
	if (setuid(0) == 0 || seteuid(0) == 0 || setgid(0) == 0)
		return err_set(err, ERR_ACCESS,
			"root could be had back after it was given up");
	return 0;
}

int privs_drop(const struct privs_plan *plan, struct err *err)
{
	privs_forbid_cores();
	if (plan->root) {
		if (plan->chroot_fd >= 0 &&
			enter_chroot(plan->chroot_fd, err) != 0)
			return -1;
		if (drop_bounding_set(err) != 0 || change_user(plan, err) != 0)
			return -1;
	} else if (plan->chroot_fd >= 0) {
		close(plan->chroot_fd);
	}
	if (drop_capabilities(err) != 0)
		return -1;
	if (prove_no_return(err) != 0)
		return -1;
	/* After the change of user, which resets it. */
	if (prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0)
		return err_errno(err, "cannot forbid cores and ptrace");
	if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0)
		return err_errno(err, "cannot forbid new privileges");
	return 0;
}

unsigned privs_allow_files(unsigned count)
{
	struct rlimit limit;

	if (getrlimit(RLIMIT_NOFILE, &limit) != 0)
		return 0;
	if (limit.rlim_cur < count) {
		limit.rlim_cur =
			limit.rlim_max < count ? limit.rlim_max : count;
		if (setrlimit(RLIMIT_NOFILE, &limit) != 0)
			return 0;
	}
	return limit.rlim_cur < UINT_MAX ? (unsigned)limit.rlim_cur : UINT_MAX;
}

void privs_forbid_cores(void)
{
	const struct rlimit none = {0, 0};

	/* cannot fail: limits may always be lowered */
	setrlimit(RLIMIT_CORE, &none);
}
