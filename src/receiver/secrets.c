/*
 * secrets.c - what the receiver reads before it gives up its rights.
 */
#include "config.h"

#include "receiver/secrets.h"

#include "base/conf.h"
#include "base/secret_file.h"
#include "base/util.h"
#include "receiver/receiver.h"
#include "receiver/tls.h"
#include "receiver/users.h"

#include <stdlib.h>

/* Each min-tls that a profile with TLS has. */
static unsigned versions_in_use(const struct conf *conf)
{
	unsigned versions = 0;
	size_t i;

	for (i = 0; i < conf->client_count; i++)
		if (conf->clients[i].tls != CONF_CLIENT_TLS_NONE)
			versions |= 1U << conf->clients[i].min_tls;
	return versions;
}

static int read_tls(struct receiver_secrets *secrets, const struct conf *conf,
	gid_t gid, struct err *err)
{
	/* root may share a key with other servers, by a group of theirs */
	const struct secret_rules rules = {
		.what = "the key",
		.reader = "the receiver",
		.gid = gid,
		.any_group = true,
	};
	struct tls_setup setup = {
		.cert_file = conf->tls_cert,
		.key_file = conf->tls_key,
		.versions = versions_in_use(conf),
	};
	struct err why;
	char *key;

	if (conf->tls_cert[0] == '\0')
		return 0;
	key = secret_file_load(
		conf->tls_key, &rules, TLS_KEY_MAX, &setup.key_len, &why);
	if (key == NULL)
		return err_set(err, why.kind, "tls-key: %.400s", why.text);
	setup.key = key;
	secrets->tls = tls_server_new(&setup, err);
	secret_free(&key, setup.key_len);
	return secrets->tls != NULL ? 0 : -1;
}

static int read_users(struct receiver_secrets *secrets, const struct conf *conf,
	gid_t gid, struct err *err)
{
	const struct secret_rules rules = {
		.what = "the users file",
		.reader = "the receiver",
		.gid = gid,
	};
	struct err why;
	size_t len;
	char *text;

	if (conf->users_file[0] == '\0')
		return 0;
	text = secret_file_load(
		conf->users_file, &rules, USERS_FILE_MAX, &len, &why);
	if (text == NULL)
		return err_set(err, why.kind, "users-file: %.400s", why.text);
	secrets->users = users_parse(text, len, &why);
	secret_free(&text, len);
	if (secrets->users == NULL)
		err_set(err, why.kind, "users-file %.200s: %.250s",
			conf->users_file, why.text);
	return secrets->users != NULL ? 0 : -1;
}

struct receiver_secrets *receiver_secrets_read(
	const struct conf *conf, gid_t gid, struct err *err)
{
	struct receiver_secrets *secrets = xcalloc(1, sizeof(*secrets));

	if (read_tls(secrets, conf, gid, err) != 0 ||
		read_users(secrets, conf, gid, err) != 0)
		receiver_secrets_free(&secrets);
	return secrets;
}

void receiver_secrets_free(struct receiver_secrets **secrets)
{
	struct receiver_secrets *s = *secrets;

	if (s == NULL)
		return;
	tls_server_free(&s->tls);
	users_free(&s->users);
	free(s);
	*secrets = NULL;
}

int receiver_secrets_check(const struct conf *conf, gid_t gid, char *warning,
	size_t size, struct err *err)
{
	struct receiver_secrets *secrets =
		receiver_secrets_read(conf, gid, err);

	warning[0] = '\0';
	if (secrets == NULL)
		return -1;
	if (secrets->tls != NULL)
		tls_server_warning(secrets->tls, warning, size);
	receiver_secrets_free(&secrets);
	return 0;
}
