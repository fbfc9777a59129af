/*
 * secret_file.c - a file that holds a secret: where it is, and who may read it.
 */
#include "config.h"

#include "base/secret_file.h"

#include "base/as_user.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *credentials_directory(void)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");

	return directory != NULL ? directory : "";
}

bool secret_file_is_elsewhere(const char *path)
{
	return path[0] != '/' && credentials_directory()[0] == '\0';
}

/* Sets the path to read. The name itself is shown nowhere before it is known to
 * be a path: people write the password there. */
static int find(struct secret_file *out, const char *path, const char *what,
	bool *by_systemd, struct err *err)
{
	const char *directory = credentials_directory();
	size_t len = strlen(directory);
	int n;

	*by_systemd = false;
	if (path[0] == '/') {
		n = snprintf(out->path, sizeof(out->path), "%s", path);
		*by_systemd = len > 0 && strncmp(path, directory, len) == 0 &&
			      path[len] == '/' &&
			      strchr(path + len + 1, '/') == NULL;
	} else if (len == 0) {
		return err_set(err, ERR_CONFIG,
			"%s's path does not begin with \"/\", and "
			"$CREDENTIALS_DIRECTORY is not set",
			what);
	} else if (path[0] == '\0' || strchr(path, '/') != NULL) {
		return err_set(err, ERR_CONFIG,
			"a credential's name is a bare name; a path begins "
			"with \"/\"");
	} else {
		n = snprintf(
			out->path, sizeof(out->path), "%s/%s", directory, path);
		*by_systemd = true;
	}
	if (n < 0 || (size_t)n >= sizeof(out->path))
		return err_set(err, ERR_LIMIT, "%s's path is too long", what);
	return 0;
}

/* systemd shows its service's right to read as group-read (an ACL's mask). */
static int check_mode(const struct secret_file *file,
	const struct secret_rules *rules, bool by_systemd, struct err *err)
{
	struct stat st;
	mode_t others;

	if (fstat(file->fd, &st) != 0)
		return err_errno(err, "%s: cannot be looked at", file->path);
	if (!S_ISREG(st.st_mode))
		return err_set(err, ERR_ACCESS, "%s: is not a regular file",
			file->path);
	others = st.st_mode & 077;
	if (others == 0)
		return 0;
	if (others == S_IRGRP && by_systemd)
		return 0;
	if (others == S_IRGRP && st.st_uid == 0 &&
		(rules->any_group || st.st_gid == rules->gid))
		return 0;
	return err_set(err, ERR_ACCESS,
		"%s: others may use it (mode %03o); right would be: chmod 600 "
		"(or owner root, mode 640 and %s%s)",
		file->path, st.st_mode & 0777,
		rules->any_group ? "a group such as ssl-cert" : rules->reader,
		rules->any_group ? "" : "'s own group");
}

int secret_file_open(struct secret_file *out, const char *path,
	const struct secret_rules *rules, struct err *err)
{
	bool by_systemd;

	out->fd = -1;
	if (find(out, path, rules->what, &by_systemd, err) != 0)
		return -1;
	/* non-blocking: a FIFO is to be refused, not waited for */
	out->fd = as_owner_open(
		out->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (out->fd < 0)
		return err_errno(err, "%s: cannot be opened", out->path);
	if (check_mode(out, rules, by_systemd, err) == 0)
		return 0;
	close(out->fd);
	out->fd = -1;
	return -1;
}

ssize_t secret_file_read(const struct secret_file *file, char *data,
	size_t size, struct err *err)
{
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = read(file->fd, data + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_errno(err, "%s: cannot be read", file->path);
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

char *secret_file_load(const char *path, const struct secret_rules *rules,
	size_t max, size_t *len_out, struct err *err)
{
	struct secret_file file;
	char *data;
	ssize_t got;

	if (secret_file_open(&file, path, rules, err) != 0)
		return NULL;
	/* one more than allowed, to tell; and a NUL */
	data = xcalloc(1, max + 2);
	got = secret_file_read(&file, data, max + 1, err);
	close(file.fd);
	if (got >= 0 && (size_t)got <= max) {
		*len_out = (size_t)got;
		return data;
	}
	if (got >= 0)
		err_set(err, ERR_LIMIT, "%s: is larger than %zu octets",
			file.path, max);
	secret_free(&data, max + 1);
	return NULL;
}

void secret_free(char **data, size_t len)
{
	if (*data == NULL)
		return;
	wipe(*data, len);
	free(*data);
	*data = NULL;
}
