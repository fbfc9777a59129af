/*
 * conf.c - the schema of the configuration, its defaults, and loading it.
 *
 * A new setting is a row here, a field in conf.h, a paragraph in
 * gmrelayd.conf(5) and lines in etc/gmrelayd.conf; `make lint` compares them.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/log.h"
#include "base/util.h"

#include <confuse.h>

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#define SECOND 1000LL
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define KIB 1024LL
#define MIB (1024 * KIB)

#define GLOBAL(field)  CONF_GLOBAL, offsetof(struct conf, field)
#define ACCOUNT(field) CONF_ACCOUNT, offsetof(struct conf_account, field)
#define CLIENT(field)  CONF_CLIENT, offsetof(struct conf_client, field)
#define ONE            false
#define LIST           true

/* clang-format off */
static const struct conf_setting schema[] = {
	{"hostname", "", ONE, GLOBAL(hostname),
		conf_read_hostname, 0, 0},
	{"spool", "/var/spool/gmrelayd", ONE, GLOBAL(spool),
		conf_read_path, 0, 0},
	{"listen", "127.0.0.1:25, [::1]:25", LIST, GLOBAL(listen),
		conf_read_listen, 0, 0},
	{"allow", "127.0.0.0/8, ::1", LIST, GLOBAL(clients),
		conf_read_allow, 0, 0},
	{"control", "/run/gmrelayd/control.sock", ONE, GLOBAL(control),
		conf_read_socket, 0, 0},
	{"submit", "/run/gmrelayd/submit.sock", ONE, GLOBAL(submit),
		conf_read_socket, 0, 0},
	{"user", "gmrelayd", ONE, GLOBAL(user),
		conf_read_user, 0, 0},
	{"relay-user", "gmrelayd-relay", ONE, GLOBAL(relay_user),
		conf_read_user, 0, 0},
	{"message-size", "0", ONE, GLOBAL(message_size),
		conf_read_size, KIB, KIB * MIB},
	{"max-clients", "1000", ONE, GLOBAL(max_clients),
		conf_read_number, 1, CONF_CLIENTS_MAX},
	{"max-clients-per-address", "100", ONE, GLOBAL(max_clients_per_address),
		conf_read_number, 1, CONF_CLIENTS_MAX},
	{"max-recipients", "1000", ONE, GLOBAL(max_recipients),
		conf_read_number, 1, CONF_RECIPIENTS_MAX},
	{"client-timeout", "5m", ONE, GLOBAL(client_timeout_ms),
		conf_read_duration, SECOND, DAY},
	{"retry", "1m, 5m, 15m, 30m, 1h", LIST, GLOBAL(retry_ms),
		conf_read_retry, SECOND, DAY},
	{"backoff", "5s, 5m", LIST, GLOBAL(backoff_first_ms),
		conf_read_backoff, SECOND, DAY},
	{"delay-notice", "4h", ONE, GLOBAL(delay_notice_ms),
		conf_read_duration, SECOND, 100 * DAY},
	{"expire", "5d", ONE, GLOBAL(expire_ms),
		conf_read_duration, SECOND, 100 * DAY},
	{"failed-keep", "30d", ONE, GLOBAL(failed_keep_ms),
		conf_read_duration, SECOND, 3650 * DAY},
	{"postmaster", "", ONE, GLOBAL(postmaster),
		conf_read_postmaster, 0, 0},
	{"alert-command", "", LIST, GLOBAL(alert_command),
		conf_read_alert_command, 0, 0},
	{"tls-cert", "", ONE, GLOBAL(tls_cert),
		conf_read_optional_path, 0, 0},
	{"tls-key", "", ONE, GLOBAL(tls_key),
		conf_read_optional_path, 0, 0},
	{"users-file", "", ONE, GLOBAL(users_file),
		conf_read_optional_path, 0, 0},
	{"proxy", "", LIST, GLOBAL(proxy),
		conf_read_networks, 0, 0},
	{"aliases", "/etc/aliases", ONE, GLOBAL(aliases),
		conf_read_aliases, 0, 0},
	{"default-domain", "", ONE, GLOBAL(default_domain),
		conf_read_default_domain, 0, 0},

	{"name", "default", ONE, ACCOUNT(name),
		conf_read_name, 0, 0},
	{"username", "", ONE, ACCOUNT(username),
		conf_read_username, 0, 0},
	{"password-file", "", ONE, ACCOUNT(password_file),
		conf_read_password_file, 0, 0},
	{"host", "smtp.gmail.com", ONE, ACCOUNT(host),
		conf_read_host, 0, 0},
	{"port", "587", ONE, ACCOUNT(port),
		conf_read_port, 1, 65535},
	{"tls", "starttls", ONE, ACCOUNT(tls),
		conf_read_tls, 0, 0},
	{"ca-file", "", ONE, ACCOUNT(ca_file),
		conf_read_ca_file, 0, 0},
	{"connect-timeout", "30s", ONE, ACCOUNT(connect_timeout_ms),
		conf_read_duration, SECOND, HOUR},
	{"reply-timeout", "5m", ONE, ACCOUNT(reply_timeout_ms),
		conf_read_duration, SECOND, HOUR},
	{"final-timeout", "10m", ONE, ACCOUNT(final_timeout_ms),
		conf_read_duration, SECOND, DAY},
	{"connections", "1", ONE, ACCOUNT(connections),
		conf_read_number, 1, 100},
	{"messages-per-connection", "50", ONE, ACCOUNT(messages_per_connection),
		conf_read_number, 1, 1000000},
	{"message-gap", "1s", ONE, ACCOUNT(message_gap_ms),
		conf_read_duration, 0, HOUR},
	{"daily-messages", "0", ONE, ACCOUNT(daily_messages),
		conf_read_number, 0, 100000000},
	{"daily-recipients", "0", ONE, ACCOUNT(daily_recipients),
		conf_read_number, 0, 100000000},
	{"from", "auto", ONE, ACCOUNT(sender.mode),
		conf_read_from, 0, 0},
	{"send-as", "", LIST, ACCOUNT(sender.send_as),
		conf_read_send_as, 0, 0},

	{"name", "", ONE, CLIENT(name),
		conf_read_optional_name, 0, 0},
	{"networks", "", LIST, CLIENT(networks),
		conf_read_networks, 0, 0},
	{"auth", "none", ONE, CLIENT(auth),
		conf_read_auth, 0, 0},
	{"tls", "offer", ONE, CLIENT(tls),
		conf_read_client_tls, 0, 0},
	{"min-tls", "1.2", ONE, CLIENT(min_tls),
		conf_read_min_tls, 0, 0},
	{"syntax", "tolerant", ONE, CLIENT(syntax),
		conf_read_syntax, 0, 0},
	{"lf-dot", "false", ONE, CLIENT(lf_dot),
		conf_read_flag, 0, 0},
	{"account", "", ONE, CLIENT(account),
		conf_read_optional_name, 0, 0},
	{"default-sender", "", ONE, CLIENT(default_sender),
		conf_read_default_sender, 0, 0},
	{"messages-per-hour", "0", ONE, CLIENT(messages_per_hour),
		conf_read_number, 0, 1000000},
	{"message-size", "0", ONE, CLIENT(message_size),
		conf_read_size, KIB, KIB * MIB},
};
/* clang-format on */

const struct conf_section_kind conf_section_kinds[CONF_KINDS] = {
	[CONF_ACCOUNT] = {"account", "an account", "username = \"...\"",
		CONF_ACCOUNTS_MAX},
	[CONF_CLIENT] = {"client", "a client", "networks = {\"...\"}",
		CONF_PROFILES_MAX},
};

const struct conf_setting *conf_schema(size_t *count_out)
{
	*count_out = COUNT_OF(schema);
	return schema;
}

const struct conf_setting *conf_setting_find(
	const char *name, enum conf_kind kind)
{
	size_t i;

	for (i = 0; i < COUNT_OF(schema); i++)
		if (schema[i].kind == kind && strcmp(schema[i].name, name) == 0)
			return &schema[i];
	return NULL;
}

/* What libconfuse still finds is a difference between its rules and ours;
 * conf_load() says so, and nothing goes to stderr from here. */
static void on_confuse_error(cfg_t *cfg, const char *format, va_list args)
{
	(void)cfg;
	(void)format;
	(void)args;
}

/* All values are strings for libconfuse: its numbers take "010" for eight, and
 * its messages name no line of a list. Sets the options of one kind of section
 * and returns how many. */
static size_t fill_options(cfg_opt_t *options, enum conf_kind kind)
{
	cfg_opt_t end = CFG_END();
	size_t i, n = 0;

	for (i = 0; i < COUNT_OF(schema); i++) {
		cfg_opt_t one = CFG_STR(schema[i].name, NULL, CFGF_NODEFAULT);
		cfg_opt_t list =
			CFG_STR_LIST(schema[i].name, NULL, CFGF_NODEFAULT);

		if (schema[i].kind == kind)
			options[n++] = schema[i].list ? list : one;
	}
	options[n] = end;
	return n;
}

/* Returns NULL where libconfuse cannot read what the walk let pass. */
static cfg_t *parse(const struct conf_text *text)
{
	cfg_opt_t inside[CONF_KINDS][COUNT_OF(schema) + 1];
	cfg_opt_t options[COUNT_OF(schema) + CONF_KINDS + 1];
	cfg_opt_t end = CFG_END();
	size_t n = fill_options(options, CONF_GLOBAL);
	enum conf_kind kind;
	cfg_t *cfg;

	for (kind = CONF_GLOBAL + 1; kind < CONF_KINDS; kind++) {
		cfg_opt_t section = CFG_SEC(conf_section_kinds[kind].name,
			inside[kind], CFGF_MULTI);

		fill_options(inside[kind], kind);
		options[n++] = section;
	}
	options[n] = end;
	cfg = cfg_init(options, CFGF_NONE);
	if (cfg == NULL)
		abort();
	cfg_set_error_function(cfg, on_confuse_error);
	if (text->len == 0 || cfg_parse_buf(cfg, text->data) == CFG_SUCCESS)
		return cfg;
	cfg_free(cfg);
	return NULL;
}

/* The values of a setting that was written. Returns -1 where libconfuse has
 * another number of them than the walk. */
static int written_values(cfg_t *cfg, const struct conf_text *text,
	const struct conf_place *place, struct conf_values *out)
{
	cfg_opt_t *option = cfg_getopt(cfg, place->setting->name);
	size_t i;

	out->written = true;
	out->line = place->line;
	out->count = cfg_opt_size(option);
	if (out->count != place->count)
		return -1;
	for (i = 0; i < out->count; i++) {
		out->text[i] = cfg_opt_getnstr(option, (unsigned)i);
		out->lines[i] = text->value_lines[place->first + i];
	}
	return 0;
}

/* The default's values; copy is cut up. */
static void default_values(
	const struct conf_setting *s, char *copy, struct conf_values *out)
{
	char *save = NULL;
	char *word = copy;

	out->count = 0;
	if (s->list)
		word = strtok_r(copy, ", ", &save);
	for (; word != NULL; word = strtok_r(NULL, ", ", &save)) {
		out->lines[out->count] = out->line;
		out->text[out->count++] = word;
		if (!s->list)
			break;
	}
}

struct load {
	struct conf_report report;
	struct conf_text *text;
	cfg_t *cfg;
};

/* libconfuse's own view of a section. */
static cfg_t *confuse_section(const struct load *l, unsigned section)
{
	const struct conf_section *s;

	if (section == 0)
		return l->cfg;
	s = &l->text->sections[section - 1];
	return cfg_getnsec(
		l->cfg, conf_section_kinds[s->kind].name, (unsigned)s->index);
}

/* Reads one setting into target. Of a kind that section is not: its default. */
static void load_setting(struct load *l, unsigned section,
	const struct conf_setting *s, void *target)
{
	struct conf_place *place = conf_place_find(l->text, section, s);
	struct conf_values values = {.count = 0};
	struct conf_reader reader = {
		.report = &l->report,
		.setting = s,
		.values = &values,
		.target = target,
	};
	char *copy = xstrdup(s->fallback);

	values.line = section == 0 ? l->text->last_line
				   : l->text->sections[section - 1].line;
	if (place == NULL)
		default_values(s, copy, &values);
	else if (!place->bad && written_values(confuse_section(l, section),
					l->text, place, &values))
		conf_bad_setting(&reader, "cannot be read; write its value in "
					  "double quotes");
	if (!reader.bad && (place == NULL || !place->bad))
		s->read(&reader);
	if (place != NULL)
		place->bad |= reader.bad;
	free(copy);
}

static void load_section(
	struct load *l, unsigned section, enum conf_kind kind, void *target)
{
	size_t i;

	for (i = 0; i < COUNT_OF(schema); i++)
		if (schema[i].kind == kind)
			load_setting(l, section, &schema[i], target);
}

/* The accounts that clients name; one that is not there is found by
 * conf_check(). */
static void find_accounts(struct conf *conf)
{
	struct conf_client *client;
	size_t i, n;

	for (i = 0; i < conf->client_count; i++) {
		client = &conf->clients[i];
		for (n = 0; n < conf->account_count; n++)
			if (client->account != NULL &&
				conf->accounts[n].name != NULL &&
				strcasecmp(client->account,
					conf->accounts[n].name) == 0)
				client->account_index = n;
	}
}

static struct conf *load_all(struct load *l)
{
	struct conf *conf = xcalloc(1, sizeof(*conf));
	const struct conf_section *section;
	struct conf_account *account;
	struct conf_client *client;
	unsigned n;

	conf->file = xstrdup(l->report.file);
	conf->account_count = l->text->kind_counts[CONF_ACCOUNT];
	conf->accounts =
		xcalloc(conf->account_count + 1, sizeof(conf->accounts[0]));
	conf->client_count = l->text->kind_counts[CONF_CLIENT] + 1;
	conf->clients = xcalloc(conf->client_count, sizeof(conf->clients[0]));
	load_section(l, 0, CONF_CLIENT, &conf->clients[0]);
	/* the unnamed one's networks are what `allow` says */
	free(conf->clients[0].networks.items);
	memset(&conf->clients[0].networks, 0,
		sizeof(conf->clients[0].networks));
	load_section(l, 0, CONF_GLOBAL, conf);
	for (n = 1; n <= l->text->section_count; n++) {
		section = &l->text->sections[n - 1];
		if (section->kind == CONF_ACCOUNT) {
			account = &conf->accounts[section->index];
			account->line = section->line;
			load_section(l, n, CONF_ACCOUNT, account);
			account->sender.account = account->username;
		} else {
			client = &conf->clients[section->index + 1];
			client->line = section->line;
			load_section(l, n, CONF_CLIENT, client);
		}
	}
	find_accounts(conf);
	conf_check(&l->report, l->text, conf);
	return conf;
}

struct conf *conf_load(const char *file, struct conf_problems *problems)
{
	struct load l = {.report = {.file = file, .problems = problems}};
	struct conf *conf = NULL;

	memset(problems, 0, sizeof(*problems));
	l.text = conf_text_read(&l.report);
	if (l.text == NULL)
		return NULL;
	if (conf_text_walk(l.text, &l.report) == 0) {
		l.cfg = parse(l.text);
		if (l.cfg == NULL)
			conf_error(&l.report, 0,
				"cannot be read; write each setting on a line "
				"of its own: name = \"value\"");
	}
	if (l.cfg != NULL) {
		conf = load_all(&l);
		cfg_free(l.cfg);
	}
	conf_text_free(&l.text);
	if (problems->errors > 0)
		conf_free(&conf);
	return conf;
}

const char *conf_default(const char *name)
{
	const struct conf_setting *s = conf_setting_find(name, CONF_GLOBAL);

	if (s == NULL)
		bug("no setting %s", name);
	return s->fallback;
}

static void free_account(struct conf_account *account)
{
	size_t i;

	for (i = 0; i < account->sender.send_as_count; i++)
		free(account->sender.send_as[i]);
	free(account->sender.send_as);
	free(account->name);
	free(account->username);
	free(account->password_file);
	free(account->host);
	free(account->ca_file);
}

static void free_client(struct conf_client *client)
{
	free(client->name);
	free(client->networks.items);
	free(client->account);
	free(client->default_sender);
}

void conf_free(struct conf **conf)
{
	struct conf *c = *conf;
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->account_count; i++)
		free_account(&c->accounts[i]);
	free(c->accounts);
	for (i = 0; i < c->client_count; i++)
		free_client(&c->clients[i]);
	free(c->clients);
	free(c->file);
	free(c->hostname);
	free(c->spool);
	free(c->listen);
	free(c->control);
	free(c->submit);
	free(c->user);
	free(c->relay_user);
	free(c->postmaster);
	for (i = 0; c->alert_command != NULL && c->alert_command[i] != NULL;
		i++)
		free(c->alert_command[i]);
	free(c->alert_command);
	free(c->tls_cert);
	free(c->tls_key);
	free(c->users_file);
	free(c->proxy.items);
	free(c->aliases);
	free(c->default_domain);
	free(c);
	*conf = NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

bool conf_is_google(const struct conf_account *account)
{
	return ends_with(account->host, ".gmail.com") ||
	       ends_with(account->host, ".googlemail.com") ||
	       ends_with(account->host, ".google.com");
}

/* Gmail's own limits, by kind of account; elsewhere nobody has told us any. */
static unsigned daily_limit(const struct conf_account *account,
	unsigned consumer, unsigned workspace)
{
	if (!conf_is_google(account))
		return 0;
	if (ends_with(account->username, "@gmail.com") ||
		ends_with(account->username, "@googlemail.com"))
		return consumer;
	return workspace;
}

unsigned conf_daily_messages(const struct conf_account *account)
{
	if (account->daily_messages > 0)
		return account->daily_messages;
	return daily_limit(account, 500, 2000);
}

unsigned conf_daily_recipients(const struct conf_account *account)
{
	if (account->daily_recipients > 0)
		return account->daily_recipients;
	return daily_limit(account, 500, 10000);
}
