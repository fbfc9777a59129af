/*
 * control_commands.c - the table of commands, and those answered at once.
 */
#include "config.h"

#include "base/channel.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/role.h"
#include "base/util.h"
#include "relay/control_client.h"
#include "relay/control_json.h"
#include "relay/control_stream.h"
#include "relay/dispatch.h"
#include "relay/drop.h"
#include "relay/drop_file.h"

#include <string.h>
#include <unistd.h>

enum argument {
	ARG_ID = 1 << 0,
	ARG_AFTER = 1 << 1,
	ARG_LIMIT = 1 << 2,
	ARG_FAILED = 1 << 3,
	ARG_SEEN = 1 << 4,
	ARG_NAME = 1 << 5,
	ARG_ALL = 1 << 6,
	ARG_WHY = 1 << 7,
};

/* --- at once ------------------------------------------------------------- */

static void run_ping(struct control_client *c, const struct control_request *r)
{
	(void)r;
	control_done(c, json_pack("{s:s,s:i}", "version", PACKAGE_VERSION,
				"pid", (int)getpid()));
}

static json_t *accounts_json(struct dispatch *d)
{
	json_t *list = json_array();
	struct account_info info;
	size_t i;

	for (i = 0; i < dispatch_account_count(d); i++) {
		account_info(dispatch_account(d, i), &info);
		json_array_append_new(list, control_json_account(&info));
	}
	return list;
}

static void run_status(
	struct control_client *c, const struct control_request *r)
{
	struct dispatch *d = control_client_dispatch(c);
	struct dispatch_counts counts;
	struct drop_counts drop;
	int rc;

	(void)r;
	dispatch_counts(d, &counts);
	rc = drop_count(control_client_drop(c), &drop);
	control_done(c, json_pack("{s:s,s:i,s:o,s:o,s:o,s:o}", "version",
				PACKAGE_VERSION, "pid", (int)getpid(), "queue",
				control_json_counts(&counts), "drop",
				control_json_drop(
					rc == 0 ? &drop : NULL, clock_wall_s()),
				"accounts", accounts_json(d), "counters",
				control_json_counters(
					control_client_role(c)->counters)));
}

static void run_account_list(
	struct control_client *c, const struct control_request *r)
{
	struct account_info info;
	struct dispatch *d = control_client_dispatch(c);
	json_t *line;
	size_t i;

	(void)r;
	for (i = 0; i < dispatch_account_count(d); i++) {
		account_info(dispatch_account(d, i), &info);
		line = json_pack(
			"{s:o}", "account", control_json_account(&info));
		control_send(c, &line);
	}
	control_done(c, NULL);
}

static void run_clients(
	struct control_client *c, const struct control_request *r)
{
	const struct counters *counters = control_client_role(c)->counters;

	(void)r;
	control_done(c, json_pack("{s:o}", "clients",
				control_json_clients(counters->receiver)));
}

typedef void account_change_fn(struct account *a, const char *why);

static void resume_account(struct account *a, const char *why)
{
	(void)why;
	account_resume(a);
}

/* Changes the account NAME, or all of them; answers how many, and what they are
 * then: one that is resumed may be over its own daily limit. */
static void change_accounts(struct control_client *c,
	const struct control_request *r, account_change_fn *change)
{
	struct dispatch *d = control_client_dispatch(c);
	json_t *accounts = json_array();
	struct account_info info;
	struct log_text name;
	struct err err;
	int changed = 0;
	size_t i;

	for (i = 0; i < dispatch_account_count(d); i++) {
		account_info(dispatch_account(d, i), &info);
		if (!r->all &&
			(r->name == NULL || strcmp(r->name, info.name) != 0))
			continue;
		change(dispatch_account(d, i),
			r->why != NULL ? r->why : "paused by gmrelayctl");
		changed++;
		account_info(dispatch_account(d, i), &info);
		json_array_append_new(accounts, control_json_account(&info));
	}
	if (changed > 0) {
		control_done(c, json_pack("{s:i,s:o}", "changed", changed,
					"accounts", accounts));
		return;
	}
	json_decref(accounts);
	if (r->name == NULL)
		err_set(&err, ERR_SYNTAX, "name an account, or all");
	else
		err_set(&err, ERR_CONFIG, "there is no account %s",
			log_text(&name, r->name));
	control_fail(c, &err);
}

static void run_account_pause(
	struct control_client *c, const struct control_request *r)
{
	change_accounts(c, r, account_pause);
}

static void run_account_resume(
	struct control_client *c, const struct control_request *r)
{
	change_accounts(c, r, resume_account);
}

typedef int message_change_fn(struct dispatch *d, uint64_t id, struct err *err);

static void change_message(struct control_client *c,
	const struct control_request *r, message_change_fn *change)
{
	struct err err;

	if (change(control_client_dispatch(c), r->id, &err) == 0)
		control_done(c, NULL);
	else
		control_fail(c, &err);
}

static void run_queue_hold(
	struct control_client *c, const struct control_request *r)
{
	change_message(c, r, dispatch_hold);
}

static void run_queue_release(
	struct control_client *c, const struct control_request *r)
{
	change_message(c, r, dispatch_release);
}

static void run_queue_retry(
	struct control_client *c, const struct control_request *r)
{
	change_message(c, r, dispatch_retry);
}

static void run_queue_delete(
	struct control_client *c, const struct control_request *r)
{
	change_message(c, r, dispatch_delete);
}

static void run_queue_flush(
	struct control_client *c, const struct control_request *r)
{
	(void)r;
	dispatch_flush(control_client_dispatch(c));
	drop_flush(control_client_drop(c));
	control_done(c, NULL);
}

static void forget_reload(struct control_client *c, void *state)
{
	(void)c;
	(void)state;
}

const struct control_stream control_reload_stream = {
	.free = forget_reload, .ends_at_eof = true};

/* The parent says when it refuses; else this process ends, and with it the
 * connection. */
static void run_reload(
	struct control_client *c, const struct control_request *r)
{
	struct err err;
	json_t *line;

	(void)r;
	if (channel_send(control_client_role(c)->channel_fd, CHANNEL_RELOAD, -1,
		    NULL, &err) != 0) {
		control_fail(c, &err);
		return;
	}
	line = json_pack("{s:b}", "asked", 1);
	control_send(c, &line);
	control_begin_stream(c, &control_reload_stream, NULL);
}

static void run_stop(struct control_client *c, const struct control_request *r)
{
	struct err err;

	(void)r;
	if (channel_send(control_client_role(c)->channel_fd, CHANNEL_STOP, -1,
		    NULL, &err) == 0)
		control_done(c, NULL);
	else
		control_fail(c, &err);
}

/* --- the table ----------------------------------------------------------- */

static const struct command_row {
	const char *name;
	void (*run)(struct control_client *c, const struct control_request *r);
	unsigned may;  /* arguments it takes */
	unsigned must; /* those of them without which it cannot run */
	bool changes;  /* is logged */
} commands[] = {
	{"ping", run_ping, 0, 0, false},
	{"status", run_status, 0, 0, false},
	{"queue.list", control_queue_list,
		ARG_AFTER | ARG_LIMIT | ARG_FAILED | ARG_SEEN, 0, false},
	{"queue.show", control_queue_show, ARG_ID | ARG_SEEN, ARG_ID, false},
	{"queue.cat", control_queue_cat, ARG_ID | ARG_SEEN, ARG_ID, false},
	{"queue.hold", run_queue_hold, ARG_ID, ARG_ID, true},
	{"queue.release", run_queue_release, ARG_ID, ARG_ID, true},
	{"queue.retry", run_queue_retry, ARG_ID, ARG_ID, true},
	{"queue.delete", run_queue_delete, ARG_ID, ARG_ID, true},
	{"queue.flush", run_queue_flush, 0, 0, true},
	{"account.list", run_account_list, 0, 0, false},
	{"account.pause", run_account_pause, ARG_NAME | ARG_ALL | ARG_WHY, 0,
		true},
	{"account.resume", run_account_resume, ARG_NAME | ARG_ALL, 0, true},
	{"clients", run_clients, 0, 0, false},
	{"doctor", control_doctor, ARG_NAME, 0, true},
	{"follow", control_follow, ARG_ID, ARG_ID, false},
	{"reload", run_reload, 0, 0, true},
	{"stop", run_stop, 0, 0, true},
};

/* --- arguments ----------------------------------------------------------- */

static int read_id(const json_t *value, uint64_t *out)
{
	const char *text = json_string_value(value);

	return text != NULL && strlen(text) == HEX64_LEN &&
			       hex64_parse(text, out) == 0 && *out != 0
		       ? 0
		       : -1;
}

static int read_bool(const json_t *value, bool *out)
{
	*out = json_is_true(value);
	return json_is_boolean(value) ? 0 : -1;
}

static int read_text(const json_t *value, const char **out)
{
	*out = json_string_value(value);
	return *out != NULL ? 0 : -1;
}

static int read_limit(const json_t *value, int64_t *out)
{
	*out = json_integer_value(value);
	return *out >= 1 && *out <= CONTROL_LIST_MAX ? 0 : -1;
}

_Static_assert(CONTROL_LIST_MAX == 200, "the row of limit names it");
static const struct argument_row {
	const char *name;
	enum argument argument;
	const char *form;
} arguments[] = {
	{"id", ARG_ID, "16 hex digits"},
	{"after", ARG_AFTER, "16 hex digits"},
	{"limit", ARG_LIMIT, "a number from 1 to 200"},
	{"failed", ARG_FAILED, "true or false"},
	{"seen", ARG_SEEN, "true or false"},
	{"name", ARG_NAME, "a text"},
	{"all", ARG_ALL, "true or false"},
	{"why", ARG_WHY, "a text"},
};

static int read_argument(enum argument argument, const json_t *value,
	struct control_request *out)
{
	switch (argument) {
	case ARG_ID:
		return read_id(value, &out->id);
	case ARG_AFTER:
		return read_id(value, &out->after);
	case ARG_LIMIT:
		return read_limit(value, &out->limit);
	case ARG_FAILED:
		return read_bool(value, &out->failed);
	case ARG_SEEN:
		return read_bool(value, &out->seen);
	case ARG_NAME:
		return read_text(value, &out->name);
	case ARG_ALL:
		return read_bool(value, &out->all);
	case ARG_WHY:
		return read_text(value, &out->why);
	}
	return -1;
}

static const struct argument_row *find_argument(const char *key, unsigned may)
{
	size_t i;

	for (i = 0; i < COUNT_OF(arguments); i++)
		if (strcmp(arguments[i].name, key) == 0)
			return (may & arguments[i].argument) != 0
				       ? &arguments[i]
				       : NULL;
	return NULL;
}

/* Every key must be one the command takes, in its form: a misspelt one must
 * not pass as if it were not there. */
static int read_arguments(const struct command_row *row, json_t *request,
	struct control_request *out, struct err *err)
{
	const struct argument_row *argument;
	unsigned missing = row->must;
	struct log_text text;
	const char *key;
	json_t *value;

	json_object_foreach(request, key, value) {
		if (strcmp(key, "command") == 0)
			continue;
		argument = find_argument(key, row->may);
		if (argument == NULL)
			return err_set(err, ERR_SYNTAX, "%s takes no %s",
				row->name, log_text(&text, key));
		if (read_argument(argument->argument, value, out) != 0)
			return err_set(err, ERR_SYNTAX, "\"%s\" must be %s",
				argument->name, argument->form);
		missing &= ~(unsigned)argument->argument;
	}
	if (missing != 0)
		return err_set(err, ERR_SYNTAX, "%s needs \"id\"", row->name);
	return 0;
}

/* A person's hand in the queue leaves a line in the log. */
static void log_change(
	const struct command_row *row, const struct control_request *r)
{
	char id[HEX64_SIZE];
	struct log_text name;

	if (r->id != 0)
		log_info("control command=%s id=%s", row->name,
			hex64(id, r->id));
	else if (r->name != NULL)
		log_info("control command=%s account=%s", row->name,
			log_text(&name, r->name));
	else
		log_info("control command=%s", row->name);
}

void control_dispatch_request(struct control_client *c, json_t *request)
{
	const char *name =
		json_string_value(json_object_get(request, "command"));
	struct control_request r = {0};
	struct log_text text;
	struct err err;
	size_t i;

	for (i = 0; name != NULL && i < COUNT_OF(commands); i++) {
		if (strcmp(commands[i].name, name) != 0)
			continue;
		if (read_arguments(&commands[i], request, &r, &err) != 0) {
			control_fail(c, &err);
			return;
		}
		if (commands[i].changes)
			log_change(&commands[i], &r);
		commands[i].run(c, &r);
		return;
	}
	if (name == NULL)
		err_set(&err, ERR_SYNTAX, "a request names its \"command\"");
	else
		err_set(&err, ERR_SYNTAX, "there is no command %s",
			log_text(&text, name));
	control_fail(c, &err);
}
