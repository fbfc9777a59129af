/*
 * conf_check_client.c - clients: settings that must fit each other, and the
 *                       certificate and users that they need.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <string.h>
#include <strings.h>

static const struct conf_client *client_of(
	const struct conf_check *c, unsigned section)
{
	return &c->conf->clients[c->text->sections[section - 1].index + 1];
}

static bool is_client(const struct conf_check *c, unsigned section)
{
	return conf_section_kind(c->text, section) == CONF_CLIENT;
}

/* A path that is set, or was meant to be. */
static bool is_set(
	const struct conf_check *c, const char *name, const char *value)
{
	return !conf_check_good(c, 0, name) ||
	       (value != NULL && value[0] != '\0');
}

static bool has_certificate(const struct conf_check *c)
{
	return is_set(c, "tls-cert", c->conf->tls_cert) &&
	       is_set(c, "tls-key", c->conf->tls_key);
}

static void check_networks(const struct conf_check *c, unsigned section)
{
	if (conf_check_good(c, section, "networks") &&
		client_of(c, section)->networks.count == 0)
		conf_error(c->report, conf_check_line(c, section, "networks"),
			"networks: is missing; say which addresses this client "
			"is: networks = {\"192.168.1.0/24\"}");
}

static void check_account(const struct conf_check *c, unsigned section)
{
	const struct conf_client *client = client_of(c, section);
	const struct conf_account *meant;
	size_t i;

	if (!conf_check_good(c, section, "account") ||
		client->account[0] == '\0')
		return;
	for (i = 0; i < c->conf->account_count; i++)
		if (c->conf->accounts[i].name == NULL ||
			strcasecmp(c->conf->accounts[i].name,
				client->account) == 0)
			return;
	meant = conf_name_nearest_account(c->conf, client->account);
	if (meant != NULL)
		conf_error(c->report, conf_check_line(c, section, "account"),
			"there is no account \"%s\"; did you mean \"%s\"?",
			client->account, meant->name);
	else
		conf_error(c->report, conf_check_line(c, section, "account"),
			"there is no account \"%s\"; write the name of an "
			"account, or leave the setting out for the first one",
			client->account);
}

static void check_tls(const struct conf_check *c, unsigned section)
{
	const struct conf_client *client = client_of(c, section);
	const struct conf_place *place = conf_check_place(c, section, "tls");
	unsigned line = conf_check_line(c, section, "tls");

	if (place == NULL || place->bad || has_certificate(c))
		return;
	if (client->tls == CONF_CLIENT_TLS_REQUIRE)
		conf_error(c->report, line,
			"tls = \"require\" needs a certificate; make one with "
			"gmrelayctl certificate and write tls-cert and "
			"tls-key");
	else if (client->tls == CONF_CLIENT_TLS_OFFER)
		conf_warning(c->report, line,
			"tls = \"offer\" offers nothing without tls-cert and "
			"tls-key");
}

static void check_lf_dot(const struct conf_check *c, unsigned section)
{
	const struct conf_client *client = client_of(c, section);

	if (conf_check_good(c, section, "lf-dot") &&
		conf_check_good(c, section, "syntax") && client->lf_dot &&
		client->syntax == CONF_SYNTAX_STRICT)
		conf_warning(c->report, conf_check_line(c, section, "lf-dot"),
			"lf-dot is of no use with syntax = \"strict\", which "
			"refuses bare line feeds");
}

/* Passwords of ours cross the network under TLS, or not at all. */
static void check_auth(const struct conf_check *c, unsigned section)
{
	const struct conf_client *client = client_of(c, section);
	unsigned line = conf_check_line(c, section, "auth");

	if (!conf_check_good(c, section, "auth") ||
		client->auth != CONF_AUTH_USERS)
		return;
	if (!is_set(c, "users-file", c->conf->users_file))
		conf_error(c->report, line,
			"auth = \"users\" needs to know them; write: "
			"users-file = \"/etc/gmrelayd/users\"");
	if (!conf_check_good(c, section, "networks") ||
		conf_networks_are_loopback(&client->networks))
		return;
	if (!has_certificate(c))
		conf_error(c->report, line,
			"auth = \"users\" needs a certificate, so that "
			"passwords are not sent in clear; write tls-cert and "
			"tls-key");
	else if (conf_check_good(c, section, "tls") &&
		 client->tls == CONF_CLIENT_TLS_NONE)
		conf_error(c->report, line,
			"auth = \"users\" is done under TLS alone; write tls = "
			"\"offer\" or \"require\"");
}

/* True where both are the same and the first is not only a default. */
static bool same_network(
	const struct conf_network *a, const struct conf_network *b)
{
	return !a->defaulted && a->bits == b->bits &&
	       memcmp(&a->prefix, &b->prefix, sizeof(a->prefix)) == 0;
}

static const struct conf_network *network_in(
	const struct conf_networks *networks, const struct conf_network *like)
{
	size_t i;

	for (i = 0; i < networks->count; i++)
		if (same_network(&networks->items[i], like))
			return &networks->items[i];
	return NULL;
}

/* Of two profiles with one network nobody could tell which one holds. */
static void check_overlap(const struct conf_check *c, unsigned section)
{
	const struct conf_client *client = client_of(c, section);
	const struct conf_client *other;
	const struct conf_network *n, *same;
	size_t i;

	if (!conf_check_good(c, section, "networks"))
		return;
	for (i = 0; i < client->networks.count; i++) {
		n = &client->networks.items[i];
		for (other = c->conf->clients; other < client; other++) {
			same = network_in(&other->networks, n);
			if (same == NULL || same->text[0] == '\0')
				continue;
			conf_error(c->report, n->line,
				"networks: \"%s\" stands in line %u already; "
				"remove one of them",
				n->text, same->line);
			break;
		}
	}
}

static void check_certificate(const struct conf_check *c)
{
	bool cert = is_set(c, "tls-cert", c->conf->tls_cert);
	bool key = is_set(c, "tls-key", c->conf->tls_key);

	if (cert && !key)
		conf_error(c->report, conf_check_line(c, 0, "tls-cert"),
			"tls-cert is of no use without its key; write: tls-key "
			"= \"/etc/gmrelayd/key.pem\"");
	else if (key && !cert)
		conf_error(c->report, conf_check_line(c, 0, "tls-key"),
			"tls-key is of no use without its certificate; write: "
			"tls-cert = \"/etc/gmrelayd/cert.pem\"");
}

static void check_users_file(const struct conf_check *c)
{
	unsigned section;
	size_t i;

	if (c->conf->users_file == NULL || c->conf->users_file[0] == '\0')
		return;
	for (i = 0; i < c->conf->client_count; i++)
		if (c->conf->clients[i].auth == CONF_AUTH_USERS)
			return;
	for (section = 1; section <= c->text->section_count; section++)
		if (is_client(c, section) &&
			!conf_check_good(c, section, "auth"))
			return;
	conf_warning(c->report, conf_check_line(c, 0, "users-file"),
		"users-file is of use only to a client with auth = \"users\"");
}

void conf_check_clients(const struct conf_check *c)
{
	static void (*const for_each[])(
		const struct conf_check *c, unsigned section) = {
		check_networks,
		check_account,
		check_tls,
		check_lf_dot,
		check_auth,
		check_overlap,
	};
	unsigned section;
	size_t i;

	check_certificate(c);
	check_users_file(c);
	for (section = 1; section <= c->text->section_count; section++)
		for (i = 0; i < COUNT_OF(for_each); i++)
			if (is_client(c, section))
				for_each[i](c, section);
}
