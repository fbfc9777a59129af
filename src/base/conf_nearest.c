/*
 * conf_nearest.c - names of settings that are none: which one was meant.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <ctype.h>
#include <string.h>

/* Names that other programs, or people in a hurry, have for ours. */
static const struct {
	const char *name;
	enum conf_kind kind;
	const char *ours;
} other_names[] = {
	{"credential", CONF_ACCOUNT, "password-file"},
	{"credentials", CONF_ACCOUNT, "password-file"},
	{"login", CONF_ACCOUNT, "username"},
	{"mailhub", CONF_ACCOUNT, "host"},
	{"relayhost", CONF_ACCOUNT, "host"},
	{"server", CONF_ACCOUNT, "host"},
	{"smtp-server", CONF_ACCOUNT, "host"},
	{"starttls", CONF_ACCOUNT, "tls"},
	{"user", CONF_ACCOUNT, "username"},
	{"address", CONF_CLIENT, "networks"},
	{"addresses", CONF_CLIENT, "networks"},
	{"allow", CONF_CLIENT, "networks"},
	{"mynetworks", CONF_CLIENT, "networks"},
	{"network", CONF_CLIENT, "networks"},
	{"rate-limit", CONF_CLIENT, "messages-per-hour"},
	{"sender", CONF_CLIENT, "default-sender"},
	{"starttls", CONF_CLIENT, "tls"},
	{"alias-file", CONF_GLOBAL, "aliases"},
	{"alias-maps", CONF_GLOBAL, "aliases"},
	{"haproxy", CONF_GLOBAL, "proxy"},
	{"mydomain", CONF_GLOBAL, "default-domain"},
	{"myorigin", CONF_GLOBAL, "default-domain"},
	{"mynetworks", CONF_GLOBAL, "allow"},
	{"proxy-protocol", CONF_GLOBAL, "proxy"},
	{"smtpd-tls-cert-file", CONF_GLOBAL, "tls-cert"},
	{"smtpd-tls-key-file", CONF_GLOBAL, "tls-key"},
};

/* A value in this file would be a secret in a file that everybody may read. */
static const char *const secret_names[] = {
	"app-password",
	"apppassword",
	"auth-password",
	"pass",
	"passphrase",
	"passwd",
	"password",
	"secret",
	"smtp-password",
	"token",
};

void conf_name_fold(char out[CONF_NAME_MAX + 1], const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < len && i < CONF_NAME_MAX; i++)
		out[i] = name[i] == '_' ? '-'
					: (char)tolower((unsigned char)name[i]);
	out[i] = '\0';
}

static size_t least(size_t a, size_t b, size_t c)
{
	size_t ab = a < b ? a : b;

	return ab < c ? ab : c;
}

/* Insertions, deletions and changes from a to b (Levenshtein), one row of the
 * matrix at a time. */
static size_t edit_distance(const char *a, const char *b)
{
	size_t row[CONF_NAME_MAX + 1];
	size_t n = strlen(b);
	size_t i, j, diagonal, above;

	for (j = 0; j <= n; j++)
		row[j] = j;
	for (i = 1; a[i - 1] != '\0'; i++) {
		diagonal = row[0];
		row[0] = i;
		for (j = 1; j <= n; j++) {
			above = row[j];
			row[j] = least(row[j] + 1, row[j - 1] + 1,
				diagonal + (a[i - 1] != b[j - 1]));
			diagonal = above;
		}
	}
	return row[n];
}

const struct conf_setting *conf_name_other(
	const char *folded, enum conf_kind kind)
{
	size_t i;

	for (i = 0; i < COUNT_OF(other_names); i++)
		if (other_names[i].kind == kind &&
			strcmp(other_names[i].name, folded) == 0)
			return conf_setting_find(other_names[i].ours, kind);
	return NULL;
}

const struct conf_setting *conf_name_nearest(
	const char *folded, enum conf_kind kind)
{
	const struct conf_setting *schema, *best = NULL;
	size_t best_distance = strlen(folded) / 3 + 2;
	size_t count, i, distance;

	schema = conf_schema(&count);
	for (i = 0; i < count; i++) {
		if (schema[i].kind != kind)
			continue;
		distance = edit_distance(folded, schema[i].name);
		if (distance < best_distance) {
			best_distance = distance;
			best = &schema[i];
		}
	}
	return best;
}

enum conf_kind conf_name_nearest_section(const char *folded)
{
	enum conf_kind kind, best = CONF_GLOBAL;
	size_t best_distance = strlen(folded) / 3 + 2;
	size_t distance;

	for (kind = CONF_GLOBAL + 1; kind < CONF_KINDS; kind++) {
		distance = edit_distance(folded, conf_section_kinds[kind].name);
		if (distance < best_distance) {
			best_distance = distance;
			best = kind;
		}
	}
	return best;
}

const struct conf_account *conf_name_nearest_account(
	const struct conf *conf, const char *name)
{
	const struct conf_account *best = NULL;
	size_t best_distance = strlen(name) / 3 + 2;
	size_t i, distance;

	for (i = 0; i < conf->account_count; i++) {
		if (conf->accounts[i].name == NULL ||
			strlen(conf->accounts[i].name) > CONF_NAME_MAX)
			continue;
		distance = edit_distance(name, conf->accounts[i].name);
		if (distance < best_distance) {
			best_distance = distance;
			best = &conf->accounts[i];
		}
	}
	return best;
}

bool conf_name_is_secret(const char *folded)
{
	size_t i;

	for (i = 0; i < COUNT_OF(secret_names); i++)
		if (strcmp(folded, secret_names[i]) == 0)
			return true;
	return false;
}
