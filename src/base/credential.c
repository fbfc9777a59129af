/*
 * credential.c - the stored password: who may read its file, and its form.
 */
#include "config.h"

#include "base/credential.h"

#include "base/secret_file.h"
#include "base/util.h"

#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	APP_PASSWORD_GROUPS = 4,
	APP_PASSWORD_GROUP_LEN = 4,
};

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
	const struct secret_file *file, struct err *err)
{
	const char *newline = memchr(c->secret, '\n', got);

	c->len = newline != NULL ? (size_t)(newline - c->secret) : got;
	if (c->len > CREDENTIAL_MAX)
		return err_set(err, ERR_LIMIT,
			"%s: the first line is longer than %d octets; it "
			"holds the password and nothing else",
			file->path, CREDENTIAL_MAX);
	if (memchr(c->secret, '\0', c->len) != NULL)
		return err_set(err, ERR_SYNTAX,
			"%s: has a NUL in its first line; save it as plain "
			"text (UTF-8)",
			file->path);
	if (strncmp(c->secret, "\xef\xbb\xbf", 3) == 0)
		return err_set(err, ERR_SYNTAX,
			"%s: begins with a byte order mark; save it as plain "
			"text without one",
			file->path);
	wipe(c->secret + c->len, got - c->len);
	c->len = trimmed_length(c->secret, c->len);
	c->secret[c->len] = '\0';
	if (c->len == 0)
		return err_set(err, ERR_SYNTAX,
			"%s: is empty; write the app password into its first "
			"line",
			file->path);
	join_groups(c);
	wipe(c->secret + c->len, got - c->len);
	return 0;
}

static struct credential *read_secret(
	const struct secret_file *file, struct err *err)
{
	/* one more than allowed, to tell; and a NUL. xcalloc: a secret must
	 * not be left behind by a realloc */
	const size_t room = CREDENTIAL_MAX + 1;
	struct credential *c = xcalloc(1, sizeof(*c) + room + 1);
	ssize_t got = secret_file_read(file, c->secret, room, err);

	c->len = room;
	if (got >= 0 && take_line(c, (size_t)got, file, err) == 0)
		return c;
	c->len = room;
	credential_free(&c);
	return NULL;
}

struct credential *credential_read(
	const char *path, gid_t relay_gid, struct err *err)
{
	const struct secret_rules rules = {
		.what = "the password file",
		.reader = "the relay",
		.gid = relay_gid,
	};
	struct credential *c;
	struct secret_file file;

	if (secret_file_open(&file, path, &rules, err) != 0)
		return NULL;
	c = read_secret(&file, err);
	close(file.fd);
	return c;
}

static bool is_app_password(const struct credential *c)
{
	size_t i;

	if (c->len != APP_PASSWORD_GROUPS * APP_PASSWORD_GROUP_LEN)
		return false;
	for (i = 0; i < c->len; i += APP_PASSWORD_GROUP_LEN)
		if (!is_group(c->secret + i))
			return false;
	return true;
}

int credential_check(const char *path, gid_t relay_gid, bool *app_password_out,
	struct err *err)
{
	struct credential *c = credential_read(path, relay_gid, err);
	int result = c != NULL ? 0 : -1;

	*app_password_out = c != NULL && is_app_password(c);
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
