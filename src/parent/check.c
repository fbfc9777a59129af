/*
 * check.c - a configuration looked at as a whole.
 */
#include "config.h"

#include "parent/check.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "parent/check_ca.h"
#include "parent/names.h"
#include "receiver/receiver.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FINDING_MAX = 2 * ERR_TEXT_MAX + 64 };

/* A file name can be as long as it likes; the reason comes behind it. */
enum { FILE_SHOWN_MAX = ERR_TEXT_MAX };

/* Returns how many errors there are: 0 or 1. */
static size_t check_password(const struct check_result *r,
	const struct conf_account *account, check_tell_fn *tell, void *arg)
{
	const bool elsewhere = secret_file_is_elsewhere(account->password_file);
	bool warning = elsewhere && r->purpose == CHECK_ONLY, app_password;
	char text[FINDING_MAX];
	struct err err;

	if (credential_check(account->password_file, r->users.relay.gid,
		    &app_password, &err) == 0) {
		if (app_password || !conf_is_google(account))
			return 0;
		warning = true;
		err_set(&err, ERR_CONFIG,
			"%s: does not look like an app password, which is 16 "
			"letters; Gmail refuses the account's own: make one at "
			"https://myaccount.google.com/apppasswords",
			account->password_file);
	} else if (warning) {
		err_set(&err, ERR_CONFIG,
			"not a path that begins with \"/\", so taken for the "
			"name of a systemd credential (LoadCredential), which "
			"only the daemon sees");
	}
	snprintf(text, sizeof(text), "%.*s:%u: password-file: %s",
		FILE_SHOWN_MAX, r->conf->file, account->line, err.text);
	tell(arg, warning, text);
	return warning ? 0 : 1;
}

static size_t check_passwords(
	const struct check_result *r, check_tell_fn *tell, void *arg)
{
	size_t i, errors = 0;

	for (i = 0; i < r->conf->account_count; i++)
		errors += check_password(r, &r->conf->accounts[i], tell, arg);
	return errors;
}

/* Certificate, key and users of clients. */
static size_t check_secrets(
	const struct check_result *r, check_tell_fn *tell, void *arg)
{
	char text[FINDING_MAX], warning[ERR_TEXT_MAX];
	struct err err;
	int rc;

	rc = receiver_secrets_check(
		r->conf, r->users.receiver.gid, warning, sizeof(warning), &err);
	if (rc == 0 && warning[0] == '\0')
		return 0;
	snprintf(text, sizeof(text), "%.*s: %s", FILE_SHOWN_MAX, r->conf->file,
		rc == 0 ? warning : err.text);
	tell(arg, rc == 0, text);
	return rc == 0 ? 0 : 1;
}

static size_t check_users(
	struct check_result *r, check_tell_fn *tell, void *arg)
{
	char text[FINDING_MAX];
	struct err err;

	if (privs_find_users(r->conf, &r->users, &err) == 0)
		return 0;
	snprintf(text, sizeof(text), "%.*s: %s", FILE_SHOWN_MAX, r->conf->file,
		err.text);
	tell(arg, false, text);
	/* so that the password files can be judged all the same */
	r->users.relay.gid = (gid_t)-1;
	r->users.receiver.gid = (gid_t)-1;
	return 1;
}

int check_file(const char *file, enum check_purpose purpose,
	check_tell_fn *tell, void *arg, struct check_result *out)
{
	struct conf_problems *problems = xcalloc(1, sizeof(*problems));
	size_t i, errors;

	memset(out, 0, sizeof(*out));
	out->purpose = purpose;
	out->conf = conf_load(file, problems);
	for (i = 0; i < problems->count; i++)
		tell(arg, problems->items[i].warning, problems->items[i].text);
	free(problems);
	if (out->conf == NULL)
		return -1;
	errors = check_users(out, tell, arg);
	if (errors == 0)
		errors += check_ca_files(out, tell, arg);
	errors += check_passwords(out, tell, arg);
	errors += check_secrets(out, tell, arg);
	out->names = names_load(out->conf, tell, arg, &errors);
	if (errors == 0)
		return 0;
	check_free(out);
	return -1;
}

void check_free(struct check_result *result)
{
	names_free(&result->names);
	conf_free(&result->conf);
}

void check_tell_stderr(void *arg, bool warning, const char *text)
{
	(void)arg;
	fprintf(stderr, "%s%s\n", text, warning ? " (a warning)" : "");
}

static void print_client(const struct conf_client *client)
{
	size_t i;

	if (client->line == 0)
		printf("who may send:");
	else if (client->name[0] != '\0')
		printf("client %s:", client->name);
	else
		printf("client of line %u:", client->line);
	for (i = 0; i < client->networks.count; i++)
		printf(" %s", client->networks.items[i].text);
	putchar('\n');
}

static void print_summary(const struct check_result *r)
{
	const struct conf *conf = r->conf;
	const struct conf_account *a;
	size_t i;

	printf("%s: configuration is good\n", conf->file);
	for (i = 0; i < conf->account_count; i++) {
		a = &conf->accounts[i];
		printf("account %s: %s by %s port %u, %s\n", a->name,
			a->username, a->host, a->port,
			a->tls == CONF_TLS_STARTTLS ? "STARTTLS"
						    : "implicit TLS");
	}
	printf("listen:%s", conf->listen_count == 0 ? " none" : "");
	for (i = 0; i < conf->listen_count; i++)
		printf(" %s", conf->listen[i].text);
	putchar('\n');
	for (i = 0; i < conf->client_count; i++)
		print_client(&conf->clients[i]);
	printf("spool: %s\n", conf->spool);
	if (names_aliases(r->names) > 0)
		printf("aliases: %s, names: %zu\n", conf->aliases,
			names_aliases(r->names));
	if (r->users.root)
		printf("users: receiver uid %u, relay uid %u\n",
			(unsigned)r->users.receiver.uid,
			(unsigned)r->users.relay.uid);
	else
		printf("users: not root, both roles would run as uid %u\n",
			(unsigned)r->users.relay.uid);
}

int check_main(const char *file)
{
	struct check_result result;

	if (check_file(file, CHECK_ONLY, check_tell_stderr, NULL, &result) != 0)
		return 1;
	print_summary(&result);
	check_free(&result);
	return fflush(stdout) == 0 ? 0 : 1;
}
