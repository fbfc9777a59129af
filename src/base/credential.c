/*
 * credential.c - the stored password: who may read its file, and its form.
 */
#include "config.h"

#include "base/credential.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	APP_PASSWORD_GROUPS = 4,
	APP_PASSWORD_GROUP_LEN = 4,
};

/* A file as it was found. */
struct source {
	char path[PATH_MAX];
	bool by_systemd; /* in $CREDENTIALS_DIRECTORY */
};

/* Sets the path to read. The name itself is shown nowhere before it is known to
 * be a path: people write the password there. */
static int find_source(const char *path, struct source *out, struct err *err)
{
	const char *directory = getenv("CREDENTIALS_DIRECTORY");
	size_t len = directory != NULL ? strlen(directory) : 0;
	int n;

	out->by_systemd = false;
	if (path[0] == '/') {
		n = snprintf(out->path, sizeof(out->path), "%s", path);
		out->by_systemd =
			len > 0 && strncmp(path, directory, len) == 0 &&
			path[len] == '/' && strchr(path + len + 1, '/') == NULL;
	} else if (len == 0) {
		return err_set(err, ERR_CONFIG,
			"the password file's path does not begin with \"/\", "
			"and $CREDENTIALS_DIRECTORY is not set");
	} else if (path[0] == '\0' || strchr(path, '/') != NULL) {
		return err_set(err, ERR_CONFIG,
			"a credential's name is a bare name; a path begins "
			"with \"/\"");
	} else {
		n = snprintf(
			out->path, sizeof(out->path), "%s/%s", directory, path);
		out->by_systemd = true;
	}
	if (n < 0 || (size_t)n >= sizeof(out->path))
		return err_set(
			err, ERR_LIMIT, "the password file's path is too long");
	return 0;
}

/* systemd shows its service's right to read as group-read (an ACL's mask). */
static int check_mode(const struct source *source, const struct stat *st,
	gid_t relay_gid, struct err *err)
{
	mode_t others = st->st_mode & 077;

	if (!S_ISREG(st->st_mode))
		return err_set(err, ERR_ACCESS, "%s: is not a regular file",
			source->path);
	if (others == 0)
		return 0;
	if (others == S_IRGRP &&
		(source->by_systemd ||
			(st->st_uid == 0 && st->st_gid == relay_gid)))
		return 0;
	return err_set(err, ERR_ACCESS,
		"%s: others may use it (mode %03o); right would be: chmod 600 "
		"(or owner root, mode 640 and the relay's own group)",
		source->path, st->st_mode & 0777);
}

/* Up to size bytes. Returns how many, -1 with errno set. */
static ssize_t read_some(int fd, char *data, size_t size)
{
	size_t got = 0;
	ssize_t n;

	while (got < size) {
		n = read(fd, data + got, size - got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

/* The length of the white space at text: Google's page shows app passwords with
 * no-break spaces (U+00A0) between their groups. */
static size_t blank_length(const char *text)
{
	if (text[0] == ' ' || text[0] == '\t' || text[0] == '\r' ||
		text[0] == '\v' || text[0] == '\f')
		return 1;
	return text[0] == '\xc2' && text[1] == '\xa0' ? 2 : 0;
}

static size_t skip_blanks(const char *text)
{
	size_t at = 0, len;

	while ((len = blank_length(text + at)) > 0)
		at += len;
	return at;
}

static size_t trimmed_length(const char *text, size_t len)
{
	for (;;) {
		if (len > 0 && blank_length(text + len - 1) == 1)
			len--;
		else if (len > 1 && blank_length(text + len - 2) == 2)
			len -= 2;
		else
			return len;
	}
}

static bool is_group(const char *text)
{
	size_t i;

	for (i = 0; i < APP_PASSWORD_GROUP_LEN; i++)
		if (text[i] < 'a' || text[i] > 'z')
			return false;
	return true;
}

/* Four groups of four letters, white space between them: an app password as it
 * is shown. The white space goes. Anything else stays as it is. */
static void join_groups(struct credential *c)
{
	size_t starts[APP_PASSWORD_GROUPS];
	size_t at = skip_blanks(c->secret);
	size_t i, blanks;

	for (i = 0; i < APP_PASSWORD_GROUPS; i++) {
		if (!is_group(c->secret + at))
			return;
		starts[i] = at;
		at += APP_PASSWORD_GROUP_LEN;
		blanks = skip_blanks(c->secret + at);
		if (blanks == 0 && i + 1 < APP_PASSWORD_GROUPS)
			return;
		at += blanks;
	}
	if (at != c->len)
		return;
	for (i = 0; i < APP_PASSWORD_GROUPS; i++)
		memmove(c->secret + i * APP_PASSWORD_GROUP_LEN,
			c->secret + starts[i], APP_PASSWORD_GROUP_LEN);
	c->len = APP_PASSWORD_GROUPS * APP_PASSWORD_GROUP_LEN;
}

/* Makes the first line of what was read (got bytes, NUL behind) the secret and
 * wipes the rest. */
static int take_line(struct credential *c, size_t got,
	const struct source *source, struct err *err)
{
	const char *newline = memchr(c->secret, '\n', got);

	c->len = newline != NULL ? (size_t)(newline - c->secret) : got;
	if (c->len > CREDENTIAL_MAX)
		return err_set(err, ERR_LIMIT,
			"%s: the first line is longer than %d octets; it "
			"holds the password and nothing else",
			source->path, CREDENTIAL_MAX);
	if (memchr(c->secret, '\0', c->len) != NULL)
		return err_set(err, ERR_SYNTAX,
			"%s: has a NUL in its first line; save it as plain "
			"text (UTF-8)",
			source->path);
	if (strncmp(c->secret, "\xef\xbb\xbf", 3) == 0)
		return err_set(err, ERR_SYNTAX,
			"%s: begins with a byte order mark; save it as plain "
			"text without one",
			source->path);
	wipe(c->secret + c->len, got - c->len);
	c->len = trimmed_length(c->secret, c->len);
	c->secret[c->len] = '\0';
	if (c->len == 0)
		return err_set(err, ERR_SYNTAX,
			"%s: is empty; write the app password into its first "
			"line",
			source->path);
	join_groups(c);
	wipe(c->secret + c->len, got - c->len);
	return 0;
}

static struct credential *read_secret(
	int fd, const struct source *source, struct err *err)
{
	/* one more than allowed, to tell; and a NUL. xcalloc: a secret must
	 * not be left behind by a realloc */
	const size_t room = CREDENTIAL_MAX + 1;
	struct credential *c = xcalloc(1, sizeof(*c) + room + 1);
	ssize_t got = read_some(fd, c->secret, room);

	c->len = room;
	if (got < 0)
		err_errno(err, "%s: cannot be read", source->path);
	else if (take_line(c, (size_t)got, source, err) == 0)
		return c;
	c->len = room;
	credential_free(&c);
	return NULL;
}

struct credential *credential_read(
	const char *path, gid_t relay_gid, struct err *err)
{
	struct credential *c = NULL;
	struct source source;
	struct stat st;
	int fd;

	if (find_source(path, &source, err) != 0)
		return NULL;
	/* non-blocking: a FIFO is to be refused, not waited for */
	fd = open(source.path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0) {
		err_errno(err, "%s: cannot be opened", source.path);
		return NULL;
	}
	if (fstat(fd, &st) != 0)
		err_errno(err, "%s: cannot be looked at", source.path);
	else if (check_mode(&source, &st, relay_gid, err) == 0)
		c = read_secret(fd, &source, err);
	close(fd);
	return c;
}

int credential_check(const char *path, gid_t relay_gid, struct err *err)
{
	struct credential *c = credential_read(path, relay_gid, err);
	int result = c != NULL ? 0 : -1;

	credential_free(&c);
	return result;
}

void credential_free(struct credential **credential)
{
	struct credential *c = *credential;

	if (c == NULL)
		return;
	wipe(c->secret, c->len);
	free(c);
	*credential = NULL;
}
