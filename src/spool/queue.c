/*
 * queue.c - the spool's files of single messages.
 */
#include "config.h"

#include "spool/queue.h"

#include "base/util.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Names of files being written; removed when found at a start. */
static const char temp_prefix[] = ".new.";

enum {
	TEMP_NAME_MAX = sizeof(temp_prefix) + 255,
	IDS_FIRST = 64,
	PEEK_SIZE = 512
};

static int write_temp(int dir_fd, const char *temp, const struct buf *bytes)
{
	int fd, rc, saved;

	(void)unlinkat(dir_fd, temp, 0);
	fd = openat(dir_fd, temp,
		O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return -1;
	rc = write_full(fd, bytes->data, bytes->len);
	if (rc == 0)
		rc = fsync(fd);
	saved = errno;
	if (close(fd) != 0 && rc == 0)
		return -1;
	errno = saved;
	return rc;
}

/* Never over another file; every file system can do it this way. */
static int name_first_time(int dir_fd, const char *temp, const char *name)
{
	if (linkat(dir_fd, temp, dir_fd, name, 0) != 0 && errno != EEXIST)
		return -1;
	return unlinkat(dir_fd, temp, 0);
}

/* All of queue_write() but the directory's sync. */
static int write_named(int dir_fd, const char *name, const struct buf *bytes,
	bool replace, struct err *err)
{
	char temp[TEMP_NAME_MAX];
	int rc;

	snprintf(temp, sizeof(temp), "%s%s", temp_prefix, name);
	if (write_temp(dir_fd, temp, bytes) != 0) {
		err_errno(err, "writing %s", temp);
		goto fail;
	}
	if (replace)
		rc = renameat(dir_fd, temp, dir_fd, name);
	else
		rc = name_first_time(dir_fd, temp, name);
	if (rc == 0)
		return 0;
	err_errno(err, "renaming %s", temp);
fail:
	(void)unlinkat(dir_fd, temp, 0);
	return -1;
}

int queue_write(int dir_fd, const char *name, const struct buf *bytes,
	bool replace, struct err *err)
{
	if (write_named(dir_fd, name, bytes, replace, err) != 0)
		return -1;
	if (fsync(dir_fd) != 0)
		return err_errno(err, "syncing the directory of %s", name);
	return 0;
}

int queue_replace(
	int dir_fd, const char *name, const struct buf *bytes, struct err *err)
{
	return write_named(dir_fd, name, bytes, true, err);
}

int queue_sync_names(int dir_fd, struct err *err)
{
	if (fsync(dir_fd) != 0)
		return err_errno(err, "syncing a directory of the spool");
	return 0;
}

int queue_remove(int dir_fd, const char *name, struct err *err)
{
	if (unlinkat(dir_fd, name, 0) != 0 && errno != ENOENT)
		return err_errno(err, "removing %s", name);
	if (fsync(dir_fd) != 0)
		return err_errno(err, "syncing the directory of %s", name);
	return 0;
}

int queue_read_bytes(int dir_fd, uint64_t id, struct buf *out, struct err *err)
{
	char name[HEX64_SIZE];
	struct stat st;
	ssize_t n;
	int fd;

	hex64(name, id);
	fd = openat(
		dir_fd, name, O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	/* Nothing of this kind comes back by waiting. */
	if (fd < 0 && (errno == ENOENT || errno == ELOOP))
		return err_set(err, ERR_DAMAGED, "%s is %s", name,
			errno == ENOENT ? "missing" : "a symbolic link");
	if (fd < 0)
		return err_errno(err, "opening %s", name);
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return err_set(err, ERR_DAMAGED, "%s is no regular file", name);
	}
	if (st.st_size > QUEUE_FILE_MAX ||
		buf_reserve(out, (size_t)st.st_size) == NULL) {
		close(fd);
		return err_set(err, ERR_DAMAGED, "%s is too large", name);
	}
	n = pread_full(fd, out->data, (size_t)st.st_size, 0);
	close(fd);
	if (n < 0)
		return err_errno(err, "reading %s", name);
	out->len = (size_t)n;
	return 0;
}

static int check_content(
	const struct envelope *env, uint64_t id, size_t behind, struct err *err)
{
	if (env->id != id)
		return err_set(err, ERR_DAMAGED,
			"the file %016llx holds another message",
			(unsigned long long)id);
	if (behind != (env->body_name == 0 ? env->size : 0))
		return err_set(err, ERR_DAMAGED,
			"the file %016llx has a wrong length",
			(unsigned long long)id);
	return 0;
}

int queue_read(int dir_fd, int large_fd, uint64_t id, struct envelope **env_out,
	struct content **content_out, struct err *err)
{
	struct envelope *env = NULL;
	struct content *content = NULL;
	struct buf bytes;
	size_t used = 0;

	buf_init(&bytes, QUEUE_FILE_MAX);
	if (queue_read_bytes(dir_fd, id, &bytes, err) != 0)
		goto fail;
	env = envelope_parse(bytes.data, bytes.len, &used, err);
	if (env == NULL || check_content(env, id, bytes.len - used, err) != 0)
		goto fail;
	if (content_out != NULL) {
		content = env->body_name == 0
				  ? content_of_buf(&bytes, used)
				  : content_of_file(large_fd, env->body_name,
					    env->size, env->body_check, err);
		if (content == NULL)
			goto fail;
		*content_out = content;
	}
	*env_out = env;
	buf_free(&bytes);
	return 0;
fail:
	envelope_free(&env);
	buf_free(&bytes);
	return -1;
}

int queue_peek_body(int dir_fd, uint64_t id, uint64_t *body_out)
{
	char head[PEEK_SIZE], name[HEX64_SIZE];
	struct stat st;
	ssize_t n = -1;
	int fd;

	*body_out = 0;
	fd = openat(dir_fd, hex64(name, id),
		O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0)
		return errno == ENOENT ? 0 : -1;
	if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode))
		n = pread_full(fd, head, sizeof(head), 0);
	close(fd);
	return n < 0 ? -1 : envelope_peek_body(head, (size_t)n, body_out);
}

bool queue_is_file(int dir_fd, uint64_t id)
{
	char name[HEX64_SIZE];
	struct stat st;

	return fstatat(dir_fd, hex64(name, id), &st, AT_SYMLINK_NOFOLLOW) ==
		       0 &&
	       S_ISREG(st.st_mode);
}

/* The same file under the same name in both: a move that was cut short. */
static bool same_file(int dir_fd, int other_fd, const char *name)
{
	struct stat a, b;

	return fstatat(dir_fd, name, &a, AT_SYMLINK_NOFOLLOW) == 0 &&
	       fstatat(other_fd, name, &b, AT_SYMLINK_NOFOLLOW) == 0 &&
	       a.st_ino == b.st_ino && a.st_dev == b.st_dev;
}

int queue_move(int from_fd, int to_fd, const char *name, struct err *err)
{
	if (linkat(from_fd, name, to_fd, name, 0) != 0 &&
		(errno != EEXIST || !same_file(from_fd, to_fd, name)) &&
		(errno != ENOENT || faccessat(to_fd, name, F_OK, 0) != 0))
		return err_errno(err, "moving %s", name);
	if (fsync(to_fd) != 0)
		return err_errno(err, "syncing the directory of %s", name);
	return queue_remove(from_fd, name, err);
}

static int compare_u64(const void *a, const void *b)
{
	uint64_t x, y;

	memcpy(&x, a, sizeof(x));
	memcpy(&y, b, sizeof(y));
	return (x > y) - (x < y);
}

static int append_id(uint64_t **ids, size_t *count, uint64_t id)
{
	size_t cap = IDS_FIRST;
	uint64_t *grown;

	while (cap < *count)
		cap *= 2;
	if (*count == 0 || *count == cap) {
		cap = *count == 0 ? IDS_FIRST : 2 * cap;
		grown = realloc(*ids, cap * sizeof(*grown));
		if (grown == NULL)
			return -1;
		*ids = grown;
	}
	(*ids)[(*count)++] = id;
	return 0;
}

ssize_t queue_scan(int dir_fd, uint64_t **ids_out,
	void (*foreign)(void *arg, const char *name), void *arg,
	struct err *err)
{
	int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	DIR *dir = fd >= 0 ? fdopendir(fd) : NULL;
	struct dirent *entry;
	uint64_t id;
	size_t count = 0;

	*ids_out = NULL;
	if (dir == NULL)
		return err_errno(err, "reading a directory of the spool");
	while ((entry = readdir(dir)) != NULL) {
		const char *name = entry->d_name;

		if (strncmp(name, temp_prefix, sizeof(temp_prefix) - 1) == 0) {
			(void)unlinkat(dir_fd, name, 0);
		} else if (strlen(name) != HEX64_LEN ||
			   hex64_parse(name, &id) != 0) {
			if (name[0] != '.')
				foreign(arg, name);
		} else if (append_id(ids_out, &count, id) != 0) {
			closedir(dir);
			return err_set(err, ERR_SYSTEM, "out of memory");
		}
	}
	closedir(dir);
	if (count > 1)
		qsort(*ids_out, count, sizeof(**ids_out), compare_u64);
	return (ssize_t)count;
}
