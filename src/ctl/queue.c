/*
 * queue.c - gmrelayctl queue: list, and changes by hand.
 */
#include "config.h"

#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

enum { PAGE = 100 };

/* Takes each row of a list. */
typedef void row_fn(void *arg, const json_t *message);

/* Appends one page of queue.list to rows. A connection of its own: the daemon
 * ends one that asks nothing for a minute, and whoever reads what we print may
 * take longer for a page. Returns 0, -1 with err. */
static int fetch_page(struct ctl *ctl, json_t *arguments, json_t *rows,
	bool *more_out, struct err *err)
{
	struct client *client = client_open(ctl_socket_path(ctl), err);
	bool last = false;
	json_t *object;
	int rc;

	if (client == NULL) {
		json_decref(arguments);
		return -1;
	}
	rc = client_ask(client, "queue.list", arguments, err);
	while (rc == 0 && !last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, err);
		rc = object != NULL ? 0 : -1;
		json_array_append(rows, json_object_get(object, "message"));
		*more_out = json_flag(object, "more");
		json_decref(object);
	}
	client_close(&client);
	return rc;
}

/* All messages of the queue, or of failed/, page by page. Returns 0, -1 with
 * err. */
static int walk(
	struct ctl *ctl, json_t *what, row_fn *fn, void *arg, struct err *err)
{
	json_t *arguments, *rows;
	const json_t *message;
	bool more = true;
	size_t i;
	int rc = 0;

	json_object_set_new(what, "limit", json_integer(PAGE));
	while (rc == 0 && more) {
		rows = json_array();
		arguments = json_copy(what);
		rc = fetch_page(ctl, arguments, rows, &more, err);
		for (i = 0; i < json_array_size(rows); i++) {
			message = json_array_get(rows, i);
			json_object_set(
				what, "after", json_object_get(message, "id"));
			fn(arg, message);
		}
		json_decref(rows);
	}
	json_decref(what);
	return rc;
}

/* What to list; walk() takes it over. */
static json_t *listed(bool failed, bool seen)
{
	return json_pack("{s:b,s:b}", "failed", failed, "seen", seen);
}

/* --- list ---------------------------------------------------------------- */

static const struct table_column list_columns[] = {
	{.title = "ID"},
	{.title = "AGE", .right = true},
	{.title = "SIZE", .right = true},
	{.title = "STATE"},
	{.title = "NEXT"},
	{.title = "FROM", .flexible = true},
	{.title = "TO", .flexible = true},
	{.title = "WHY", .flexible = true},
};

static void print_recipients(const json_t *message, char *text, size_t size)
{
	const json_t *to = json_object_get(message, "to");
	int64_t count = json_number(message, "recipients");
	const char *first = json_string_value(json_array_get(to, 0));

	if (count > 1)
		snprintf(text, size, "%s +%lld", first != NULL ? first : "",
			(long long)count - 1);
	else
		snprintf(text, size, "%s", first != NULL ? first : "");
}

/* Not even its envelope can be read. */
static bool is_illegible(const json_t *message)
{
	return json_object_get(message, "arrived_s") == NULL;
}

static const char *why_of(const json_t *message)
{
	if (is_illegible(message))
		return "cannot be read: damaged";
	return json_text(message, "reason")[0] != '\0'
		       ? json_text(message, "reason")
		       : json_text(message, "reply");
}

static void print_row(void *arg, const json_t *message)
{
	char age[TEXT_SHORT] = "", size[TEXT_SHORT] = "", next[TEXT_SHORT];
	bool illegible = is_illegible(message);
	const char *from = json_text(message, "from");
	char to[512];

	if (!illegible) {
		text_span(age, ((int64_t)time(NULL) -
				       json_number(message, "arrived_s")) *
				       1000);
		text_size(size, (uint64_t)json_number(message, "size"));
	}
	ctl_next_try(next, message);
	print_recipients(message, to, sizeof(to));
	table_row(arg, (const char *const[]){json_text(message, "id"), age,
			       size, json_text(message, "state"), next,
			       from[0] == '\0' && !illegible ? "<>" : from, to,
			       why_of(message)});
}

struct json_rows {
	struct json_list list;
	bool begun;
};

static void print_json_row(void *arg, const json_t *message)
{
	struct json_rows *rows = arg;

	if (!rows->begun)
		json_list_begin(&rows->list);
	rows->begun = true;
	json_list_item(&rows->list, message);
}

static enum ctl_status list_json(struct ctl *ctl, bool failed)
{
	struct json_rows rows = {.begun = false};
	struct err err;
	json_t *error;
	int rc;

	rc = walk(ctl, listed(failed, false), print_json_row, &rows, &err);
	if (rc != 0 && !rows.begun)
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	if (!rows.begun)
		json_list_begin(&rows.list);
	if (rc != 0) {
		/* a list that is cut short says so, for it is a document */
		error = json_error(&err);
		json_list_item(&rows.list, error);
		json_decref(error);
		ctl_complain(&err);
	}
	json_list_end(&rows.list);
	return rc == 0 ? CTL_FINE : CTL_UNKNOWN;
}

enum ctl_status ctl_queue_list(struct ctl *ctl, const struct ctl_args *args)
{
	struct table *table;
	struct err err;
	int rc;

	if (ctl->json)
		return list_json(ctl, args->failed);
	table = table_new(list_columns, COUNT_OF(list_columns),
		ctl->tty ? ctl->width : 0);
	/* a person looks at it */
	rc = walk(ctl, listed(args->failed, true), print_row, table, &err);
	table_end(&table);
	if (rc == 0)
		return CTL_FINE;
	ctl_complain(&err);
	return CTL_UNKNOWN;
}

/* --- changes ------------------------------------------------------------- */

struct change {
	struct ctl *ctl;
	struct client *client; /* for the changes */
	const char *command;
	json_t *changed;
	json_t *problems;
};

static void change_one(struct change *change, const char *id)
{
	struct err err;
	json_t *answer;

	answer = client_call(
		change->client, change->command, ctl_id_argument(id), &err);
	if (answer != NULL) {
		json_array_append_new(change->changed, json_string(id));
	} else {
		json_array_append_new(change->problems,
			json_pack("{s:s,s:s}", "id", id, "text", err.text));
		if (!change->ctl->json)
			ctl_complain(&err);
	}
	json_decref(answer);
}

static void change_row(void *arg, const json_t *message)
{
	change_one(arg, json_text(message, "id"));
}

static int change_all(
	struct change *change, const struct ctl_args *args, struct err *err)
{
	int i, rc = 0;

	for (i = 0; i < args->count; i++)
		change_one(change, args->rest[i]);
	if (args->all)
		rc = walk(change->ctl, listed(false, false), change_row, change,
			err);
	if (rc == 0 && args->failed)
		rc = walk(change->ctl, listed(true, false), change_row, change,
			err);
	return rc;
}

/* Changes them and prints what became of it. */
static enum ctl_status run_change(
	struct change *change, const struct ctl_args *args)
{
	json_t *document;
	struct err err;
	int rc;

	change->changed = json_array();
	change->problems = json_array();
	rc = change_all(change, args, &err);
	if (rc != 0)
		ctl_complain(&err);
	document = rc != 0 ? json_error(&err) : json_object();
	rc |= json_array_size(change->problems) > 0;
	json_object_set_new(document, "changed", change->changed);
	json_object_set_new(document, "problems", change->problems);
	if (change->ctl->json)
		json_print(document);
	else if (args->count != 1)
		printf("%zu changed\n", json_array_size(change->changed));
	json_decref(document);
	return rc == 0 ? CTL_FINE : CTL_TROUBLE;
}

static enum ctl_status change_messages(
	struct ctl *ctl, const struct ctl_args *args, const char *command)
{
	struct change change = {.ctl = ctl, .command = command};
	enum ctl_status status;

	if ((args->all || args->failed) == (args->count > 0))
		return ctl_misused(ctl,
			"name messages by their ids, or say --all%s",
			strcmp(command, "queue.retry") == 0 ||
					strcmp(command, "queue.delete") == 0
				? " or --failed"
				: "");
	status = ctl_check_ids(ctl, args);
	if (status != CTL_FINE)
		return status;
	change.client = ctl_open(ctl);
	if (change.client == NULL)
		return CTL_UNKNOWN;
	status = run_change(&change, args);
	client_close(&change.client);
	return status;
}

enum ctl_status ctl_queue_hold(struct ctl *ctl, const struct ctl_args *args)
{
	return change_messages(ctl, args, "queue.hold");
}

enum ctl_status ctl_queue_release(struct ctl *ctl, const struct ctl_args *args)
{
	return change_messages(ctl, args, "queue.release");
}

enum ctl_status ctl_queue_retry(struct ctl *ctl, const struct ctl_args *args)
{
	return change_messages(ctl, args, "queue.retry");
}

enum ctl_status ctl_queue_delete(struct ctl *ctl, const struct ctl_args *args)
{
	return change_messages(ctl, args, "queue.delete");
}
