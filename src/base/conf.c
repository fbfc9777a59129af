/*
 * conf.c - the schema of the configuration, its defaults, and loading it.
 *
 * A new setting is a row here, a field in conf.h, a paragraph in
 * gmrelayd.conf(5) and lines in etc/gmrelayd.conf; `make lint` compares them.
 */
#include "config.h"

#include "base/conf_internal.h"
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

#define GLOBAL(field)  false, offsetof(struct conf, field)
#define ACCOUNT(field) true, offsetof(struct conf_account, field)
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
	{"allow", "127.0.0.0/8, ::1", LIST, GLOBAL(allow),
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
};
/* clang-format on */

const struct conf_setting *conf_schema(size_t *count_out)
{
	*count_out = COUNT_OF(schema);
	return schema;
}

const struct conf_setting *conf_setting_find(const char *name, bool in_account)
{
	size_t i;

	for (i = 0; i < COUNT_OF(schema); i++)
		if (schema[i].in_account == in_account &&
			strcmp(schema[i].name, name) == 0)
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
 * its messages name no line of a list. Sets one side's options. */
static void fill_options(cfg_opt_t *options, bool in_account, cfg_opt_t *more)
{
	cfg_opt_t end = CFG_END();
	size_t i, n = 0;

	for (i = 0; i < COUNT_OF(schema); i++) {
		cfg_opt_t one = CFG_STR(schema[i].name, NULL, CFGF_NODEFAULT);
		cfg_opt_t list =
			CFG_STR_LIST(schema[i].name, NULL, CFGF_NODEFAULT);

		if (schema[i].in_account == in_account)
			options[n++] = schema[i].list ? list : one;
	}
	if (more != NULL)
		options[n++] = *more;
	options[n] = end;
}

/* Returns NULL where libconfuse cannot read what the walk let pass. */
static cfg_t *parse(const struct conf_text *text)
{
	cfg_opt_t account_options[COUNT_OF(schema) + 1];
	cfg_opt_t options[COUNT_OF(schema) + 2];
	cfg_opt_t section = CFG_SEC("account", account_options, CFGF_MULTI);
	cfg_t *cfg;

	fill_options(account_options, true, NULL);
	fill_options(options, false, &section);
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

/* Reads one setting into target. */
static void load_setting(struct load *l, unsigned section,
	const struct conf_setting *s, void *target)
{
	cfg_t *cfg = section == 0 ? l->cfg
				  : cfg_getnsec(l->cfg, "account", section - 1);
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
				   : l->text->account_lines[section - 1];
	if (place == NULL)
		default_values(s, copy, &values);
	else if (!place->bad && written_values(cfg, l->text, place, &values))
		conf_bad_setting(&reader, "cannot be read; write its value in "
					  "double quotes");
	if (!reader.bad && (place == NULL || !place->bad))
		s->read(&reader);
	if (place != NULL)
		place->bad |= reader.bad;
	free(copy);
}

static struct conf *load_all(struct load *l)
{
	struct conf *conf = xcalloc(1, sizeof(*conf));
	struct conf_account *account;
	size_t i, n;

	conf->file = xstrdup(l->report.file);
	conf->account_count = l->text->account_count;
	if (conf->account_count > 0)
		conf->accounts =
			xcalloc(conf->account_count, sizeof(conf->accounts[0]));
	for (i = 0; i < COUNT_OF(schema); i++)
		if (!schema[i].in_account)
			load_setting(l, 0, &schema[i], conf);
	for (n = 0; n < conf->account_count; n++) {
		account = &conf->accounts[n];
		account->line = l->text->account_lines[n];
		for (i = 0; i < COUNT_OF(schema); i++)
			if (schema[i].in_account)
				load_setting(l, (unsigned)n + 1, &schema[i],
					account);
		account->sender.account = account->username;
	}
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

void conf_free(struct conf **conf)
{
	struct conf *c = *conf;
	size_t i;

	if (c == NULL)
		return;
	for (i = 0; i < c->account_count; i++)
		free_account(&c->accounts[i]);
	free(c->accounts);
	free(c->file);
	free(c->hostname);
	free(c->spool);
	free(c->listen);
	free(c->allow);
	free(c->control);
	free(c->submit);
	free(c->user);
	free(c->relay_user);
	free(c->postmaster);
	free(c);
	*conf = NULL;
}

static bool ends_with(const char *text, const char *end)
{
	size_t len = strlen(text), end_len = strlen(end);

	return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

/* Gmail's own limits, by kind of account; elsewhere nobody has told us any. */
static unsigned daily_limit(const struct conf_account *account,
	unsigned consumer, unsigned workspace)
{
	if (!ends_with(account->host, ".gmail.com") &&
		!ends_with(account->host, ".googlemail.com") &&
		!ends_with(account->host, ".google.com"))
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
