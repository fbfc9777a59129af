/*
 * unixsock.c - a listening Unix socket at a path, where a dead one may lie.
 */
#include "config.h"

#include "parent/unixsock.h"

#include "base/as_user.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	DIRECTORY_MODE = 0755,
	/* A process that is killed lets go of its files one by one: of the lock
	 * that we had waited for before this one. */
	DYING_LOOKS = 40,
	DYING_LOOK_NS = 50 * 1000 * 1000,
};

int unixsock_address(const char *path, struct sockaddr_un *out, struct err *err)
{
	size_t len = strlen(path);

	if (path[0] != '/')
		return err_set(err, ERR_CONFIG,
			"%s: the path of a socket must be absolute", path);
	if (len >= sizeof(out->sun_path))
		return err_set(err, ERR_CONFIG,
			"%s: the path of a socket has at most %zu bytes", path,
			sizeof(out->sun_path) - 1);
	memset(out, 0, sizeof(*out));
	out->sun_family = AF_UNIX;
	memcpy(out->sun_path, path, len);
	return 0;
}

static int new_socket(void)
{
	return socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
}

static int make_directory(const char *path, struct err *err)
{
	char directory[sizeof(((struct sockaddr_un *)0)->sun_path)];
	char *slash;

	snprintf(directory, sizeof(directory), "%s", path);
	slash = strrchr(directory, '/');
	if (slash == NULL || slash == directory)
		return err_set(err, ERR_CONFIG, "%s: no such place", path);
	*slash = '\0';
	if (mkdir(directory, DIRECTORY_MODE) != 0)
		return err_errno(
			err, "cannot make the directory %s", directory);
	/* the umask took its share */
	if (chmod(directory, DIRECTORY_MODE) != 0)
		return err_errno(err, "%s", directory);
	return 0;
}

/* 0, or why nobody can be reached at the address; -1 with *err. */
static int knock(const struct sockaddr_un *sa, struct err *err)
{
	int fd = new_socket(), why = 0;

	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	if (connect(fd, (const struct sockaddr *)sa, sizeof(*sa)) != 0 &&
		errno != EAGAIN)
		why = errno;
	close(fd);
	return why;
}

/* Removes what lies at the address if it is a socket nobody listens on. */
static int remove_stale(const struct sockaddr_un *sa, struct err *err)
{
	const struct timespec pause = {0, DYING_LOOK_NS};
	struct stat st;
	int why, looks;

	if (lstat(sa->sun_path, &st) != 0)
		return err_errno(err, "%s", sa->sun_path);
	if (!S_ISSOCK(st.st_mode))
		return err_set(err, ERR_CONFIG,
			"%s exists and is no socket: remove it or choose "
			"another path",
			sa->sun_path);
	for (looks = 0; (why = knock(sa, err)) == 0; looks++) {
		if (looks == DYING_LOOKS)
			return err_set(err, ERR_ACCESS,
				"somebody answers on %s: another gmrelayd? "
				"stop it or choose another path",
				sa->sun_path);
		nanosleep(&pause, NULL);
	}
	if (why < 0)
		return -1;
	if (why != ECONNREFUSED) {
		errno = why;
		return err_errno(err, "%s", sa->sun_path);
	}
	if (unlink(sa->sun_path) != 0)
		return err_errno(err, "cannot remove the old %s", sa->sun_path);
	return 0;
}

/* What is made is of this group: we may lack CAP_CHOWN to give it away. */
static int bind_as_group(int fd, const struct sockaddr_un *sa, gid_t gid)
{
	struct as_user saved;
	int rc;

	if (as_user_begin(&saved, (uid_t)-1, gid) != 0)
		return -1;
	rc = bind(fd, (const struct sockaddr *)sa, sizeof(*sa));
	as_user_end(&saved);
	return rc;
}

/* In a directory with set-group-ID it is of the directory's group. */
static int give_to_group(const char *path, gid_t gid)
{
	struct stat st;

	if (gid == (gid_t)-1 || (lstat(path, &st) == 0 && st.st_gid == gid))
		return 0;
	return lchown(path, (uid_t)-1, gid);
}

static int bind_path(
	int fd, const struct sockaddr_un *sa, gid_t gid, struct err *err)
{
	int why;

	if (bind_as_group(fd, sa, gid) == 0)
		return 0;
	why = errno;
	if (why == EADDRINUSE && remove_stale(sa, err) != 0)
		return -1;
	if (why == ENOENT && make_directory(sa->sun_path, err) != 0)
		return -1;
	if (bind_as_group(fd, sa, gid) != 0)
		return err_errno(err, "cannot bind %s", sa->sun_path);
	return 0;
}

static int prepare(int fd, const struct sockaddr_un *sa,
	const struct unixsock_options *options, struct err *err)
{
	if (bind_path(fd, sa, options->gid, err) != 0)
		return -1;
	/* Mode first: the owner may change it without CAP_FOWNER. */
	if (chmod(sa->sun_path, options->mode) != 0 ||
		give_to_group(sa->sun_path, options->gid) != 0 ||
		listen(fd, SOMAXCONN) != 0) {
		err_errno(err, "%s", sa->sun_path);
		unlink(sa->sun_path);
		return -1;
	}
	return 0;
}

int unixsock_listen(const struct sockaddr_un *sa,
	const struct unixsock_options *options, struct err *err)
{
	struct err cause = {ERR_NONE, ""};
	int fd = new_socket();

	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	if (prepare(fd, sa, options, &cause) != 0) {
		close(fd);
		return err_set(err, cause.kind, "%s: %.*s", options->setting,
			ERR_TEXT_MAX - 32, cause.text);
	}
	return fd;
}
