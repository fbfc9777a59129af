/*
 * as_user.c - root does one thing as another user, and is root again.
 */
#include "config.h"

#include "base/as_user.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

int as_user_begin(struct as_user *saved, uid_t uid, gid_t gid)
{
	*saved = (struct as_user){geteuid(), getegid(), geteuid() == 0};
	if (!saved->changed)
		return 0;
	/* the group first: who is not root may not change it */
	if (setresgid((gid_t)-1, gid, (gid_t)-1) == 0 &&
		setresuid((uid_t)-1, uid, (uid_t)-1) == 0)
		return 0;
	as_user_end(saved);
	return -1;
}

void as_user_end(const struct as_user *saved)
{
	const int kept = errno;

	if (saved->changed &&
		(setresuid((uid_t)-1, saved->uid, (uid_t)-1) != 0 ||
			setresgid((gid_t)-1, saved->gid, (gid_t)-1) != 0))
		bug("root is not to be had back");
	errno = kept;
}

int as_user_kill(uid_t uid, pid_t pid, int number)
{
	struct as_user saved;
	int rc;

	if (as_user_begin(&saved, uid, (gid_t)-1) != 0)
		return -1;
	rc = kill(pid, number);
	as_user_end(&saved);
	/* it may not have become that user yet */
	return rc == 0 ? 0 : kill(pid, number);
}

int as_owner_open(const char *path, int flags)
{
	struct as_user saved;
	struct stat st;
	int fd = open(path, flags);

	if (fd >= 0 || errno != EACCES || geteuid() != 0)
		return fd;
	if (stat(path, &st) != 0 ||
		as_user_begin(&saved, st.st_uid, st.st_gid) != 0) {
		errno = EACCES;
		return -1;
	}
	fd = open(path, flags);
	as_user_end(&saved);
	return fd;
}
