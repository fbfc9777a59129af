/*
 * users.c - the users file: who may log in, by salted hashes.
 */
#include "config.h"

#include "receiver/users.h"

#include "base/password_hash.h"
#include "base/util.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct user {
	char name[USERS_NAME_MAX + 1];
	char hash[PASSWORD_HASH_SIZE];
	unsigned line;
};

struct users {
	size_t count;
	struct user *all; /* USERS_MAX at most */
};

/* A line of the file, without its end. */
struct row {
	const char *text;
	size_t len;
	unsigned number;
};

static const struct user *find(const struct users *users, const char *name)
{
	size_t i;

	for (i = 0; i < users->count; i++)
		if (strcmp(users->all[i].name, name) == 0)
			return &users->all[i];
	return NULL;
}

static int bad(const struct row *row, struct err *err, const char *what)
{
	return err_set(err, ERR_SYNTAX, "line %u: %s", row->number, what);
}

static int check_name(const struct row *row, size_t len, struct err *err)
{
	size_t i;

	if (len == 0)
		return bad(row, err, "there is no name before the colon");
	if (len > USERS_NAME_MAX)
		return err_set(err, ERR_SYNTAX,
			"line %u: the name is longer than %d octets",
			row->number, USERS_NAME_MAX);
	for (i = 0; i < len; i++)
		if ((unsigned char)row->text[i] <= ' ' || row->text[i] == 0x7f)
			return bad(row, err,
				"the name has a blank or a control character");
	return 0;
}

static int add_user(struct users *users, const struct row *row, size_t name_len,
	struct err *err)
{
	const size_t hash_at = name_len + 1;
	struct user *user = &users->all[users->count];
	const struct user *twin;
	struct err why;

	if (check_name(row, name_len, err) != 0)
		return -1;
	if (!password_hash_is_good(
		    row->text + hash_at, row->len - hash_at, &why))
		return err_set(err, why.kind, "line %u: behind the colon %s",
			row->number, why.text);
	memcpy(user->name, row->text, name_len);
	user->name[name_len] = '\0';
	twin = find(users, user->name);
	if (twin != NULL)
		return err_set(err, ERR_SYNTAX,
			"line %u: this user stands in line %u already",
			row->number, twin->line);
	memcpy(user->hash, row->text + hash_at, row->len - hash_at);
	user->hash[row->len - hash_at] = '\0';
	user->line = row->number;
	users->count++;
	return 0;
}

static int take_row(struct users *users, const struct row *row, struct err *err)
{
	const char *colon;

	if (row->len == 0 || row->text[0] == '#')
		return 0;
	if (row->text[row->len - 1] == '\r')
		return bad(row, err,
			"ends with a carriage return; save the file with Unix "
			"line ends");
	colon = memchr(row->text, ':', row->len);
	if (colon == NULL)
		return bad(row, err, "there is no colon; write name:hash");
	if (users->count == USERS_MAX)
		return err_set(err, ERR_SYNTAX,
			"line %u: there are more than %d users", row->number,
			USERS_MAX);
	return add_user(users, row, (size_t)(colon - row->text), err);
}

static int take_rows(
	struct users *users, const char *text, size_t len, struct err *err)
{
	struct row row = {.text = text};
	const char *newline;

	while (len > 0) {
		newline = memchr(row.text, '\n', len);
		row.len = newline != NULL ? (size_t)(newline - row.text) : len;
		row.number++;
		if (take_row(users, &row, err) != 0)
			return -1;
		len -= row.len + (newline != NULL ? 1 : 0);
		row.text += row.len + 1;
	}
	if (users->count == 0)
		return err_set(err, ERR_CONFIG,
			"there is no user in it; `gmrelayctl password NAME` "
			"makes a line");
	return 0;
}

/* Room for every user there can be. */
static size_t count_lines(const char *text, size_t len)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += text[i] == '\n';
	return n < USERS_MAX ? n : USERS_MAX;
}

struct users *users_parse(const char *text, size_t len, struct err *err)
{
	struct users *users = xcalloc(1, sizeof(*users));

	users->all = xcalloc(count_lines(text, len), sizeof(users->all[0]));
	if (take_rows(users, text, len, err) != 0)
		users_free(&users);
	return users;
}

void users_free(struct users **users)
{
	struct users *u = *users;

	if (u == NULL)
		return;
	wipe(u->all, u->count * sizeof(u->all[0]));
	free(u->all);
	free(u);
	*users = NULL;
}

size_t users_count(const struct users *users)
{
	return users->count;
}

/* FNV-1a: which user stands in for a name is of no use to anybody. */
static uint32_t hash_name(const char *name)
{
	uint32_t hash = 2166136261U;

	for (; *name != '\0'; name++)
		hash = (hash ^ (unsigned char)*name) * 16777619U;
	return hash;
}

const char *users_hash(
	const struct users *users, const char *name, bool *known_out)
{
	const struct user *user = find(users, name);

	*known_out = user != NULL;
	if (user == NULL)
		user = &users->all[hash_name(name) % users->count];
	return user->hash;
}
