/*
 * password_hash.c - salted hashes of passwords, as crypt(5) writes them.
 */
#include "config.h"

#include "base/password_hash.h"

#include "base/util.h"

#include <crypt.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char letters[] = "./0123456789"
			      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
			      "abcdefghijklmnopqrstuvwxyz";

/* crypt(5): PREFIX [PARAMETERS$] SALT $ HASH. */
static const struct method {
	const char *prefix;
	size_t parameters;  /* '$'-separated ones that must be there */
	const char *option; /* one more that may: how it begins */
	size_t salt_min, salt_max;
	size_t hash_len;
} methods[] = {
	{"$y$", 1, NULL, 1, 86, 43},
	{"$6$", 0, "rounds=", 1, 16, 86},
};

static const struct method *find_method(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < COUNT_OF(methods); i++)
		if (len > strlen(methods[i].prefix) &&
			memcmp(text, methods[i].prefix,
				strlen(methods[i].prefix)) == 0)
			return &methods[i];
	return NULL;
}

/* The letters from *at on, and the '$' behind them. Returns how many letters;
 * *at moves behind the '$', if there is one. */
static size_t take_part(const char **at, const char *extra, bool *more)
{
	size_t n = 0;

	while ((*at)[n] != '\0' && (strchr(letters, (*at)[n]) != NULL ||
					   strchr(extra, (*at)[n]) != NULL))
		n++;
	*more = (*at)[n] == '$';
	*at += n + (*more ? 1 : 0);
	return n;
}

static bool has_form(const struct method *m, const char *text)
{
	const char *at = text + strlen(m->prefix);
	bool more = true;
	size_t i, n;

	if (m->option != NULL && strncmp(at, m->option, strlen(m->option)) == 0)
		take_part(&at, "=", &more);
	for (i = 0; i < m->parameters && more; i++)
		if (take_part(&at, "", &more) == 0)
			return false;
	if (!more)
		return false;
	n = take_part(&at, "", &more);
	if (!more || n < m->salt_min || n > m->salt_max)
		return false;
	return take_part(&at, "", &more) == m->hash_len && !more && *at == '\0';
}

bool password_hash_is_good(const char *text, size_t len, struct err *err)
{
	const struct method *m = find_method(text, len);
	char copy[PASSWORD_HASH_SIZE];
	int known;

	if (m == NULL) {
		err_set(err, ERR_SYNTAX,
			"is no hash of a kind that is taken ($y$ or $6$); a "
			"password in plain text is refused: `gmrelayctl "
			"password` makes the line");
		return false;
	}
	if (len >= sizeof(copy) || memchr(text, '\0', len) != NULL) {
		err_set(err, ERR_LIMIT, "is too long, or has a NUL");
		return false;
	}
	memcpy(copy, text, len);
	copy[len] = '\0';
	if (!has_form(m, copy)) {
		err_set(err, ERR_SYNTAX,
			"is a damaged hash: parts are missing, or too much is "
			"behind it");
		return false;
	}
	known = crypt_checksalt(copy);
	if (known == CRYPT_SALT_OK || known == CRYPT_SALT_METHOD_LEGACY)
		return true;
	err_set(err, ERR_CONFIG,
		"is a hash that crypt(3) of this machine cannot compute");
	return false;
}

static bool same(const char *a, const char *b, size_t len)
{
	unsigned char differ = 0;
	size_t i;

	for (i = 0; i < len; i++)
		differ |= (unsigned char)a[i] ^ (unsigned char)b[i];
	return differ == 0;
}

int password_hash_compare(const char *hash, const char *password)
{
	struct crypt_data *data;
	const char *got;
	int rc = -1;

	data = calloc(1, sizeof(*data));
	if (data == NULL)
		return -1;
	got = crypt_r(password, hash, data);
	/* crypt(3) tells a failure by "*0" or "*1"; by yescrypt, which takes
	 * megabytes, of a good hash it is that */
	if (got != NULL && got[0] != '*')
		rc = strlen(got) == strlen(hash) &&
		     same(got, hash, strlen(hash));
	wipe(data, sizeof(*data));
	free(data);
	return rc;
}

int password_hash_make(
	const char *password, char out[PASSWORD_HASH_SIZE], struct err *err)
{
	char setting[CRYPT_GENSALT_OUTPUT_SIZE];
	struct crypt_data *data;
	const char *got = NULL;
	int rc;

	if (strlen(password) > PASSWORD_MAX)
		return err_set(err, ERR_LIMIT,
			"a password has at most %d octets", PASSWORD_MAX);
	data = xcalloc(1, sizeof(*data));
	if (crypt_gensalt_rn("$y$", 0, NULL, 0, setting, sizeof(setting)) !=
		NULL)
		got = crypt_r(password, setting, data);
	/* crypt(3) tells a failure by "*0" or "*1" */
	rc = got != NULL && got[0] != '*' ? 0 : err_errno(err, "crypt");
	if (rc == 0)
		snprintf(out, PASSWORD_HASH_SIZE, "%s", got);
	wipe(data, sizeof(*data));
	free(data);
	return rc;
}
