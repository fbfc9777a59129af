/*
 * conf_check.c - settings that must fit each other.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <string.h>
#include <strings.h>

/* Hosts that people take for Gmail's submission server. */
static const char *const wrong_hosts[] = {
	"aspmx.l.google.com",
	"gmail-smtp-in.l.google.com",
	"gmail.com",
	"googlemail.com",
	"imap.gmail.com",
	"imap.googlemail.com",
	"mail.google.com",
	"pop.gmail.com",
	"pop.googlemail.com",
	"www.gmail.com",
};

const struct conf_place *conf_check_place(
	const struct conf_check *c, unsigned section, const char *name)
{
	return conf_place_find(c->text, section,
		conf_setting_find(name, conf_section_kind(c->text, section)));
}

bool conf_check_good(
	const struct conf_check *c, unsigned section, const char *name)
{
	const struct conf_place *place = conf_check_place(c, section, name);

	return place == NULL || !place->bad;
}

unsigned conf_check_line(
	const struct conf_check *c, unsigned section, const char *name)
{
	const struct conf_place *place = conf_check_place(c, section, name);

	if (place != NULL)
		return place->line;
	return section > 0 ? c->text->sections[section - 1].line
			   : c->text->last_line;
}

/* Two settings that do not fit each other: where the first stands, else where
 * the second does. */
static unsigned line_of_pair(
	const struct conf_check *c, const char *first, const char *second)
{
	return conf_check_line(
		c, 0, conf_check_place(c, 0, first) != NULL ? first : second);
}

static bool ip_of(const struct conf_address *address, struct in6_addr *out)
{
	return conf_ip_of((const struct sockaddr *)&address->sa, out) == 0;
}

static void check_some_account(const struct conf_check *c)
{
	if (c->conf->account_count == 0)
		conf_error(c->report, c->text->last_line,
			"there is no account to send through; write: account { "
			"username = \"someone@gmail.com\" password-file = "
			"\"/etc/gmrelayd/password\" }");
}

static const char *name_of(const struct conf_check *c, unsigned section)
{
	const struct conf_section *s = &c->text->sections[section - 1];

	return s->kind == CONF_ACCOUNT ? c->conf->accounts[s->index].name
				       : c->conf->clients[s->index + 1].name;
}

/* The earlier section of the same kind and name, or 0. */
static unsigned same_name(const struct conf_check *c, unsigned section)
{
	const struct conf_section *sections = c->text->sections;
	const char *name = name_of(c, section);
	unsigned i;

	for (i = 1; i < section; i++)
		if (sections[i - 1].kind == sections[section - 1].kind &&
			conf_check_good(c, i, "name") && name[0] != '\0' &&
			strcasecmp(name_of(c, i), name) == 0)
			return i;
	return 0;
}

static void check_names(const struct conf_check *c)
{
	const struct conf_section *sections = c->text->sections;
	unsigned i, other;
	const char *kind;

	for (i = 1; i <= c->text->section_count; i++) {
		other = conf_check_good(c, i, "name") ? same_name(c, i) : 0;
		if (other == 0)
			continue;
		kind = conf_section_kinds[sections[i - 1].kind].name;
		conf_error(c->report, conf_check_line(c, i, "name"),
			"the name \"%s\" is taken by the %s in line %u; give "
			"each %s a name of its own",
			name_of(c, i), kind, sections[other - 1].line, kind);
	}
}

static void check_postmaster(const struct conf_check *c)
{
	if (c->conf->account_count > 0 && conf_check_good(c, 0, "postmaster") &&
		c->conf->postmaster[0] == '\0')
		conf_warning(c->report, conf_check_line(c, 0, "postmaster"),
			"postmaster is not set: reports have nowhere to go "
			"where a sender has no real address; write: "
			"postmaster = \"someone@example.com\"");
}

/* One that is written to be as long as expire is how notices are switched off
 * (gmrelayd.conf(5)). */
static void check_times(const struct conf_check *c)
{
	const int64_t notice = c->conf->delay_notice_ms;
	const int64_t expire = c->conf->expire_ms;
	const bool written = conf_check_place(c, 0, "delay-notice") != NULL;

	if (conf_check_good(c, 0, "expire") &&
		conf_check_good(c, 0, "delay-notice") &&
		(expire < notice || (expire == notice && !written)))
		conf_warning(c->report,
			line_of_pair(c, "delay-notice", "expire"),
			"delay-notice is not shorter than expire: no notice "
			"will be sent before mail is given up");
}

static void check_paths(const struct conf_check *c)
{
	if (conf_check_good(c, 0, "control") &&
		conf_check_good(c, 0, "submit") &&
		strcmp(c->conf->control, c->conf->submit) == 0)
		conf_error(c->report, line_of_pair(c, "submit", "control"),
			"submit and control are the same socket; write two "
			"paths");
}

static void check_users(const struct conf_check *c)
{
	if (conf_check_good(c, 0, "user") &&
		conf_check_good(c, 0, "relay-user") &&
		strcmp(c->conf->user, c->conf->relay_user) == 0)
		conf_error(c->report, line_of_pair(c, "relay-user", "user"),
			"user and relay-user are the same: the process that "
			"talks to clients could reach the credentials; name "
			"two users");
}

/* An address that others can reach, and nobody else allowed: something was
 * forgotten, and it is not for us to guess what. The other way round too. */
static void check_reach(const struct conf_check *c)
{
	const struct conf *conf = c->conf;
	bool far_listener = false, far_network = false;
	struct in6_addr ip;
	size_t i;

	if (!conf_check_good(c, 0, "listen") || !conf_check_good(c, 0, "allow"))
		return;
	for (i = 1; i <= c->text->section_count; i++)
		if (conf_section_kind(c->text, (unsigned)i) == CONF_CLIENT &&
			!conf_check_good(c, (unsigned)i, "networks"))
			return;
	for (i = 0; i < conf->listen_count; i++)
		if (ip_of(&conf->listen[i], &ip) && !conf_ip_is_loopback(&ip))
			far_listener = true;
	for (i = 0; i < conf->client_count; i++)
		if (!conf_networks_are_loopback(&conf->clients[i].networks))
			far_network = true;
	if (far_listener && !far_network)
		conf_error(c->report, line_of_pair(c, "listen", "allow"),
			"listen opens a port to other machines, but allow "
			"names none; write: allow = {\"127.0.0.0/8\", "
			"\"::1\", \"192.168.1.0/24\"} with your own network");
	else if (far_network && !far_listener && conf->proxy.count == 0)
		conf_warning(c->report, line_of_pair(c, "allow", "listen"),
			"%s names other machines, but listen has no "
			"address that they can reach; write: listen = "
			"{\"*:25\"}",
			conf_networks_are_loopback(&conf->clients[0].networks)
				? "a client"
				: "allow");
}

static const struct conf_account *account_of(
	const struct conf_check *c, unsigned section)
{
	return &c->conf->accounts[c->text->sections[section - 1].index];
}

static void check_loop(const struct conf_check *c, unsigned section)
{
	const struct conf_account *account = account_of(c, section);
	size_t i;

	if (!conf_check_good(c, section, "host") ||
		!conf_check_good(c, section, "port") ||
		!conf_check_good(c, 0, "listen"))
		return;
	for (i = 0; i < c->conf->listen_count; i++) {
		if (!conf_host_is_listener(c, account, &c->conf->listen[i]))
			continue;
		conf_error(c->report, conf_check_line(c, section, "host"),
			"host \"%s\" with port %u is this relay itself (listen "
			"\"%s\"): mail would go round in a circle; write the "
			"provider's server, like \"smtp.gmail.com\" with port "
			"587",
			account->host, account->port, c->conf->listen[i].text);
		return;
	}
}

/* An account whose host is wrong has none; it is reported for that. */
static bool some_google(const struct conf_check *c)
{
	const struct conf_account *account;
	size_t i;

	for (i = 0; i < c->conf->account_count; i++) {
		account = &c->conf->accounts[i];
		if (account->host != NULL && conf_is_google(account))
			return true;
	}
	return false;
}

static void check_size(const struct conf_check *c)
{
	const struct conf_section *s;
	uint64_t size;
	unsigned i;

	/* number 0 is outside of all sections */
	for (i = 0; i <= c->text->section_count; i++) {
		s = i > 0 ? &c->text->sections[i - 1] : NULL;
		if ((s != NULL && s->kind != CONF_CLIENT) ||
			!conf_check_good(c, i, "message-size"))
			continue;
		size = s != NULL ? c->conf->clients[s->index + 1].message_size
				 : c->conf->message_size;
		if (size > UPSTREAM_SIZE_DEFAULT && some_google(c))
			conf_warning(c->report,
				conf_check_line(c, i, "message-size"),
				"message-size is more than Gmail takes (%d "
				"octets): what is larger would be accepted "
				"here and come back; leave the setting out",
				UPSTREAM_SIZE_DEFAULT);
	}
}

static void check_host(const struct conf_check *c, unsigned section)
{
	const struct conf_account *account = account_of(c, section);
	size_t i;

	if (!conf_check_good(c, section, "host"))
		return;
	for (i = 0; i < COUNT_OF(wrong_hosts); i++)
		if (strcasecmp(account->host, wrong_hosts[i]) == 0)
			conf_error(c->report,
				conf_check_line(c, section, "host"),
				"host \"%s\" does not take mail to send; write "
				"host = \"smtp.gmail.com\"",
				account->host);
}

static void check_port(const struct conf_check *c, unsigned section)
{
	const struct conf_account *account = account_of(c, section);
	bool implicit = account->tls == CONF_TLS_IMPLICIT;
	const char *where =
		conf_check_place(c, section, "port") != NULL ? "port" : "tls";
	unsigned line = conf_check_line(c, section, where);

	if (!conf_check_good(c, section, "host") ||
		!conf_check_good(c, section, "port") ||
		!conf_check_good(c, section, "tls"))
		return;
	if (account->port == 25 && conf_is_google(account))
		conf_warning(c->report, line,
			"port 25 is closed to most connections, and Gmail "
			"takes no login there; write port = 587");
	else if (account->port == 587 && implicit)
		conf_warning(c->report, line,
			"port 587 begins without TLS, but tls = \"implicit\"; "
			"write port = 465, or tls = \"starttls\"");
	else if (account->port == 465 && !implicit)
		conf_warning(c->report, line,
			"port 465 begins with TLS, but tls = \"starttls\"; "
			"write tls = \"implicit\", or port = 587");
}

static void check_send_as(const struct conf_check *c, unsigned section)
{
	const struct sender_policy *sender = &account_of(c, section)->sender;

	if (conf_check_good(c, section, "from") &&
		conf_check_good(c, section, "send-as") &&
		sender->send_as_count > 0 && sender->mode != SENDER_AUTO)
		conf_warning(c->report, conf_check_line(c, section, "send-as"),
			"send-as is of use only with from = \"auto\"");
}

void conf_check(struct conf_report *r, const struct conf_text *text,
	const struct conf *conf)
{
	static void (*const for_all[])(const struct conf_check *c) = {
		check_some_account,
		check_names,
		check_postmaster,
		check_times,
		check_paths,
		check_users,
		check_reach,
		check_size,
		conf_check_clients,
	};
	static void (*const for_each_account[])(
		const struct conf_check *c, unsigned section) = {
		check_loop,
		check_host,
		check_port,
		check_send_as,
	};
	const struct conf_check c = {.report = r, .text = text, .conf = conf};
	unsigned section;
	size_t i;

	for (i = 0; i < COUNT_OF(for_all); i++)
		for_all[i](&c);
	for (section = 1; section <= text->section_count; section++)
		for (i = 0; i < COUNT_OF(for_each_account); i++)
			if (conf_section_kind(text, section) == CONF_ACCOUNT)
				for_each_account[i](&c, section);
}
