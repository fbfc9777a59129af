/*
 * drop.c - leaves a message in SPOOL/drop/ while the daemon is down.
 */
#include "config.h"

#include "sendmail/drop.h"

#include "base/buf.h"
#include "base/util.h"
#include "submit/drop_format.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	FILE_MODE = 0640,
	TEMPORARY_SIZE = sizeof(DROP_TEMPORARY) + HEX64_LEN,
	TRIES = 10,
};

/* --- limits --------------------------------------------------------------- */

struct usage {
	size_t files; /* everybody's */
	size_t own_files;
	uint64_t own_bytes;
};

static int count_usage(int dir_fd, struct usage *u, struct err *err)
{
	const struct dirent *entry;
	struct stat st;
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;

	if (dir == NULL) {
		if (fd >= 0)
			close(fd);
		return err_errno(err, "cannot read the directory");
	}
	while (u->files <= DROP_FILES_MAX && (entry = readdir(dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		u->files++;
		if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) !=
				0 ||
			st.st_uid != getuid())
			continue;
		u->own_files++;
		u->own_bytes += (uint64_t)st.st_size;
	}
	closedir(dir);
	return 0;
}

/* One user's mail must not keep out the others', nor fill the disk on which the
 * queue lies. Asked for size octets to come (and a file), then, with 0, of what
 * is there: many commands at once would not see each other else. */
static int check_limits(int dir_fd, uint64_t size, struct err *err)
{
	const size_t more = size > 0 ? 1 : 0;
	struct usage u = {0};
	struct statvfs fs;

	if (count_usage(dir_fd, &u, err) != 0)
		return -1;
	if (u.files + more > DROP_FILES_MAX ||
		u.own_files + more > DROP_USER_FILES_MAX)
		return err_set(err, ERR_LIMIT,
			"%zu messages wait there already, %zu of them yours",
			u.files, u.own_files);
	if (u.own_bytes + size > DROP_USER_BYTES_MAX)
		return err_set(err, ERR_LIMIT,
			"your messages there would take more than %d MiB",
			DROP_USER_BYTES_MAX / (1024 * 1024));
	if (fstatvfs(dir_fd, &fs) != 0)
		return err_errno(err, "cannot tell the free space");
	if ((uint64_t)fs.f_bavail * fs.f_frsize < DROP_RESERVE + size)
		return err_set(err, ERR_LIMIT, "the disk is nearly full");
	return 0;
}

/* --- one file ------------------------------------------------------------- */

/* Makes the temporary file. The relay removes those that nobody has locked, so
 * ours may be gone when the lock is there: then another one is made. */
static int make_file(int dir_fd, char name[TEMPORARY_SIZE], struct err *err)
{
	const int flags = O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC;
	char hex[HEX64_SIZE];
	struct stat st;
	int fd, i;

	for (i = 0; i < TRIES; i++) {
		snprintf(name, TEMPORARY_SIZE, DROP_TEMPORARY "%s",
			hex64(hex, random_u64()));
		fd = openat(dir_fd, name, flags, FILE_MODE);
		if (fd < 0 && errno != EEXIST)
			return err_errno(err, "cannot make a file there");
		if (fd < 0)
			continue;
		if (flock(fd, LOCK_EX) == 0 && fstat(fd, &st) == 0 &&
			st.st_nlink == 1)
			return fd;
		close(fd);
	}
	return err_set(err, ERR_SYSTEM, "cannot make a file there");
}

static int write_file(
	int fd, const struct submit_message *m, gid_t group, struct err *err)
{
	struct buf envelope;
	int rc;

	buf_init(&envelope, DROP_ENVELOPE_MAX);
	rc = drop_envelope_print(m, &envelope);
	if (rc != 0)
		err_set(err, ERR_LIMIT, "too many recipients");
	/* whatever the umask took away; root need not have the relay's group */
	if (rc == 0 &&
		(fchown(fd, (uid_t)-1, group) != 0 ||
			fchmod(fd, FILE_MODE) != 0 ||
			write_full(fd, envelope.data, envelope.len) != 0 ||
			drop_message_write(m, fd) != 0 || fsync(fd) != 0))
		rc = err_errno(err, "cannot write the file");
	buf_free(&envelope);
	return rc;
}

/* Gives the file its name, for good. */
static int publish(int dir_fd, const char *temporary, struct err *err)
{
	char name[HEX64_SIZE];

	hex64(name, random_u64());
	if (renameat(dir_fd, temporary, dir_fd, name) != 0) {
		err_errno(err, "cannot name the file");
		unlinkat(dir_fd, temporary, 0);
		return -1;
	}
	if (fsync(dir_fd) != 0) {
		err_errno(err, "cannot sync the directory");
		/* gone already: the daemon came back and has taken it */
		return unlinkat(dir_fd, name, 0) == 0 ? -1 : 0;
	}
	return 0;
}

static int drop_there(
	int dir_fd, const struct submit_message *m, struct err *err)
{
	char temporary[TEMPORARY_SIZE];
	struct stat st;
	int fd, rc;

	if (fstat(dir_fd, &st) != 0)
		return err_errno(err, "cannot look at it");
	if (check_limits(dir_fd, submit_size(m), err) != 0)
		return -1;
	fd = make_file(dir_fd, temporary, err);
	if (fd < 0)
		return -1;
	rc = write_file(fd, m, st.st_gid, err);
	if (rc == 0)
		rc = check_limits(dir_fd, 0, err);
	if (rc == 0)
		rc = publish(dir_fd, temporary, err);
	else
		unlinkat(dir_fd, temporary, 0);
	close(fd);
	return rc;
}

int drop_message(const char *directory, const struct rights *rights,
	const struct submit_message *m, struct err *err)
{
	struct err why = {.kind = ERR_NONE};
	int dir_fd, rc = -1;

	if (rights_raise(rights) != 0)
		return err_set(err, ERR_ACCESS, "cannot use our group");
	dir_fd = open(
		directory, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (dir_fd < 0) {
		err_errno(err, "%s", directory);
	} else {
		rc = drop_there(dir_fd, m, &why);
		if (rc != 0)
			err_set(err, why.kind, "%.100s: %.380s", directory,
				why.text);
		close(dir_fd);
	}
	if (rights_lower(rights) != 0)
		abort();
	return rc;
}
