/*
 * password.c - `password`: a line for the users file.
 */
#include "config.h"

#include "base/password_hash.h"
#include "base/util.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "receiver/users.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { LINE_SIZE = PASSWORD_MAX + 3 }; /* "\n", NUL, and one too many */

/* The same rules as for the file itself: it is asked. */
static int check_name(const char *name, struct err *err)
{
	static const char hash[] =
		":$y$j9T$x$0000000000000000000000000000000000000000000\n";
	struct users *users;
	struct buf line;
	struct err why;

	buf_init(&line, strlen(name) + sizeof(hash));
	if (buf_add_string(&line, name) != 0 ||
		buf_add_string(&line, hash) != 0)
		return err_set(err, ERR_LIMIT, "no memory");
	users = users_parse(line.data, line.len, &why);
	buf_free(&line);
	if (users == NULL || strpbrk(name, ":#") != NULL) {
		users_free(&users);
		return err_set(err, ERR_SYNTAX,
			"a user's name has 1 to %d octets, no blanks, no "
			"control characters, no ':' and no '#'",
			USERS_NAME_MAX);
	}
	users_free(&users);
	return 0;
}

/* A line of stdin, without its end. Returns 0, -1 with err. */
static int read_line(char line[LINE_SIZE], struct err *err)
{
	size_t len;

	errno = 0;
	if (fgets(line, LINE_SIZE, stdin) == NULL)
		return errno != 0
			       ? err_errno(err, "stdin")
			       : err_set(err, ERR_SYNTAX, "no password came");
	len = strlen(line);
	if (len > 0 && line[len - 1] == '\n')
		line[--len] = '\0';
	if (len == 0)
		return err_set(err, ERR_SYNTAX, "an empty password is none");
	if (len > PASSWORD_MAX)
		return err_set(err, ERR_LIMIT,
			"a password has at most %d octets", PASSWORD_MAX);
	return 0;
}

static int ask(const char *prompt, char line[LINE_SIZE], struct err *err)
{
	struct termios shown, hidden;
	int rc;

	if (tcgetattr(STDIN_FILENO, &shown) != 0)
		return read_line(line, err);
	hidden = shown;
	hidden.c_lflag &= ~(tcflag_t)ECHO;
	fputs(prompt, stderr);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &hidden);
	rc = read_line(line, err);
	tcsetattr(STDIN_FILENO, TCSAFLUSH, &shown);
	fputc('\n', stderr);
	return rc;
}

/* Of a person twice, who cannot see it. */
static int read_password(char line[LINE_SIZE], struct err *err)
{
	char again[LINE_SIZE];
	int rc;

	if (ask("Password: ", line, err) != 0)
		return -1;
	if (!isatty(STDIN_FILENO))
		return 0;
	rc = ask("Once more: ", again, err);
	if (rc == 0 && strcmp(line, again) != 0)
		rc = err_set(err, ERR_SYNTAX, "these two differ");
	wipe(again, sizeof(again));
	return rc;
}

static void print(const struct ctl *ctl, const char *name, const char *hash)
{
	json_t *document;

	if (!ctl->json) {
		printf("%s:%s\n", name, hash);
		return;
	}
	document = json_pack("{s:s, s:s}", "name", name, "hash", hash);
	json_print(document);
	json_decref(document);
}

enum ctl_status ctl_password(struct ctl *ctl, const struct ctl_args *args)
{
	char line[LINE_SIZE], hash[PASSWORD_HASH_SIZE];
	struct err err;
	int rc;

	/* what stdio reads ahead would stay in memory */
	setvbuf(stdin, NULL, _IONBF, 0);
	rc = check_name(args->rest[0], &err);
	if (rc == 0)
		rc = read_password(line, &err);
	if (rc == 0)
		rc = password_hash_make(line, hash, &err);
	wipe(line, sizeof(line));
	if (rc != 0)
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	print(ctl, args->rest[0], hash);
	return CTL_FINE;
}
