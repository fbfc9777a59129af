/*
 * queue.c - gmrelayctl queue: list, show, cat and changes by hand.
 */
#include "config.h"

#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 100, CHUNK_MAX = 256 * 1024 };

/* Takes each row of a list; returns 0, -1 to end the walk. */
typedef int row_fn(void *arg, const json_t *message);

/* One page of queue.list behind after. Returns 1 when there are more, 0 at the
 * end, -1 with err. after is moved on. */
static int walk_page(struct client *client, json_t *arguments,
	char after[HEX64_SIZE], row_fn *fn, void *arg, struct err *err)
{
	bool last = false, more = false;
	const json_t *message;
	json_t *object;
	int rc = 0;

	if (client_ask(client, "queue.list", arguments, err) != 0)
		return -1;
	while (!last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, err);
		if (object == NULL)
			return -1;
		message = json_object_get(object, "message");
		if (message != NULL && rc == 0) {
			snprintf(after, HEX64_SIZE, "%s",
				json_text(message, "id"));
			rc = fn(arg, message);
		}
		more = json_flag(object, "more");
		json_decref(object);
	}
	return rc == 0 && more;
}

/* All messages of the queue, or of failed/, page by page. Returns 0, -1 with
 * err. */
static int walk(struct client *client, bool failed, bool seen, row_fn *fn,
	void *arg, struct err *err)
{
	char after[HEX64_SIZE] = "";
	json_t *arguments;
	int rc = 1;

	while (rc > 0) {
		arguments = json_pack("{s:i,s:b,s:b}", "limit", PAGE, "failed",
			failed, "seen", seen);
		if (after[0] != '\0')
			json_object_set_new(
				arguments, "after", json_string(after));
		rc = walk_page(client, arguments, after, fn, arg, err);
	}
	return rc;
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

static int print_row(void *arg, const json_t *message)
{
	char age[TEXT_SHORT] = "", size[TEXT_SHORT] = "", next[TEXT_SHORT] = "";
	bool waits = strcmp(json_text(message, "state"), "waiting") == 0;
	bool illegible = is_illegible(message);
	const char *from = json_text(message, "from");
	char to[512];

	if (!illegible) {
		text_span(age, ((int64_t)time(NULL) -
				       json_number(message, "arrived_s")) *
				       1000);
		text_size(size, (uint64_t)json_number(message, "size"));
	}
	if (waits)
		text_until(next, json_number(message, "next_ms"));
	print_recipients(message, to, sizeof(to));
	table_row(arg, (const char *const[]){json_text(message, "id"), age,
			       size, json_text(message, "state"), next,
			       from[0] == '\0' && !illegible ? "<>" : from, to,
			       why_of(message)});
	return 0;
}

static int print_json_row(void *arg, const json_t *message)
{
	json_list_item(arg, message);
	return 0;
}

enum ctl_status ctl_queue_list(struct ctl *ctl, const struct ctl_args *args)
{
	struct client *client = ctl_open(ctl);
	struct json_list list;
	struct table *table = NULL;
	struct err err;
	int rc;

	if (client == NULL)
		return CTL_UNKNOWN;
	if (ctl->json) {
		json_list_begin(&list);
		rc = walk(client, args->failed, false, print_json_row, &list,
			&err);
		json_list_end(&list);
	} else {
		table = table_new(list_columns, COUNT_OF(list_columns),
			ctl->tty ? ctl->width : 0);
		/* a person looks at it */
		rc = walk(client, args->failed, true, print_row, table, &err);
		table_end(&table);
	}
	client_close(&client);
	if (rc == 0)
		return CTL_FINE;
	ctl_complain(&err);
	return CTL_UNKNOWN;
}

/* --- show ---------------------------------------------------------------- */

static void print_value(const char *key, const char *value)
{
	if (value[0] == '\0')
		return;
	printf("%-11s", key);
	text_put(stdout, value);
	putchar('\n');
}

static void print_times(const json_t *message)
{
	char text[TEXT_SHORT], date[64] = "";
	time_t arrived = (time_t)json_number(message, "arrived_s");
	struct tm tm;

	if (localtime_r(&arrived, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("arrived    %s (%s) from ", date,
		text_ago(text, ((int64_t)time(NULL) - arrived) * 1000));
	text_put(stdout, json_text(message, "client"));
	printf("\nsize       %lld octets\nattempts   %lld\n",
		(long long)json_number(message, "size"),
		(long long)json_number(message, "attempts"));
	if (strcmp(json_text(message, "state"), "waiting") == 0)
		printf("next       %s\n",
			text_until(text, json_number(message, "next_ms")));
}

static void print_message(const json_t *message)
{
	const char *from = json_text(message, "from");

	print_value("id", json_text(message, "id"));
	print_value("state", json_text(message, "state"));
	print_value("from", from[0] != '\0' ? from : "<>");
	print_times(message);
	print_value("why", json_text(message, "reason"));
}

static void print_rcpt(const json_t *rcpt)
{
	printf("to         ");
	text_put(stdout, json_text(rcpt, "address"));
	fputs(": ", stdout);
	text_put(stdout, json_text(rcpt, "state"));
	if (json_text(rcpt, "reply")[0] != '\0') {
		fputs("; ", stdout);
		text_put(stdout, json_text(rcpt, "reply"));
	}
	putchar('\n');
}

/* One line of the answer: printed, or collected. */
static void take_shown(const struct ctl *ctl, const json_t *object,
	json_t *document, json_t *rcpts)
{
	json_t *message = json_object_get(object, "message");
	json_t *rcpt = json_object_get(object, "recipient");

	if (message != NULL && ctl->json)
		json_object_update(document, message);
	else if (message != NULL)
		print_message(message);
	if (rcpt != NULL && ctl->json)
		json_array_append(rcpts, rcpt);
	else if (rcpt != NULL)
		print_rcpt(rcpt);
}

static json_t *id_argument(const char *id)
{
	return json_pack("{s:s}", "id", id);
}

enum ctl_status ctl_queue_show(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *document, *rcpts, *object;
	json_t *arguments = id_argument(args->rest[0]);
	struct client *client = ctl_open(ctl);
	bool last = false;
	struct err err;
	int rc;

	if (client == NULL) {
		json_decref(arguments);
		return CTL_UNKNOWN;
	}
	document = json_object();
	rcpts = json_array();
	json_object_set_new(arguments, "seen", json_boolean(!ctl->json));
	rc = client_ask(client, "queue.show", arguments, &err);
	while (rc == 0 && !last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, &err);
		if (object == NULL)
			rc = -1;
		else
			take_shown(ctl, object, document, rcpts);
		json_decref(object);
	}
	client_close(&client);
	/* the row's count gives way to the recipients themselves */
	json_object_set_new(document, "recipients", rcpts);
	if (rc != 0)
		ctl_complain(&err);
	else if (ctl->json)
		json_print(document);
	json_decref(document);
	return rc == 0 ? CTL_FINE : CTL_TROUBLE;
}

/* --- cat ----------------------------------------------------------------- */

/* The bytes as they are; to a terminal without what could control it. */
static void put_bytes(const struct ctl *ctl, const char *data, size_t len)
{
	size_t i, n;

	if (!ctl->tty) {
		fwrite(data, 1, len, stdout);
		return;
	}
	for (i = 0; i < len; i += n) {
		n = utf8_char_len(data + i, len - i);
		if (n == 0 || (n == 1 &&
				      ((unsigned char)data[i] < ' ' ||
					      data[i] == 127) &&
				      data[i] != '\n' && data[i] != '\t')) {
			n = n > 0 ? n : 1;
			if (data[i] != '\r')
				putchar('?');
			continue;
		}
		fwrite(data + i, 1, n, stdout);
	}
}

static int put_chunk(const struct ctl *ctl, const json_t *object)
{
	const char *text = json_text(object, "data");
	struct buf bytes;
	int rc;

	buf_init(&bytes, CHUNK_MAX);
	rc = base64_decode(&bytes, text, strlen(text));
	if (rc == 0 && bytes.len > 0)
		put_bytes(ctl, bytes.data, bytes.len);
	buf_free(&bytes);
	return rc == 0 && !ferror(stdout) ? 0 : -1;
}

enum ctl_status ctl_queue_cat(struct ctl *ctl, const struct ctl_args *args)
{
	struct client *client = ctl_open(ctl);
	struct err err = {.kind = ERR_SYSTEM, .text = "cannot write"};
	json_t *object, *arguments = id_argument(args->rest[0]);
	bool last = false;
	int rc;

	if (client == NULL) {
		json_decref(arguments);
		return CTL_UNKNOWN;
	}
	rc = client_ask(client, "queue.cat", arguments, &err);
	while (rc == 0 && !last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, &err);
		rc = object != NULL ? put_chunk(ctl, object) : -1;
		json_decref(object);
	}
	client_close(&client);
	if (rc != 0)
		ctl_complain(&err);
	return rc == 0 ? CTL_FINE : CTL_TROUBLE;
}

/* --- changes ------------------------------------------------------------- */

struct change {
	struct ctl *ctl;
	struct client *client; /* for the changes; lists have their own */
	const char *command;
	json_t *changed;
	json_t *problems;
};

static void change_one(struct change *change, const char *id)
{
	struct err err;
	json_t *answer;

	answer = client_call(
		change->client, change->command, id_argument(id), &err);
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

static int change_row(void *arg, const json_t *message)
{
	change_one(arg, json_text(message, "id"));
	return 0;
}

static int change_all(
	struct change *change, const struct ctl_args *args, struct err *err)
{
	struct client *lister;
	int i, rc = 0;

	for (i = 0; i < args->count; i++)
		change_one(change, args->rest[i]);
	if (!args->all && !args->failed)
		return 0;
	lister = client_open(ctl_socket_path(change->ctl), err);
	if (lister == NULL)
		return -1;
	if (args->all)
		rc = walk(lister, false, false, change_row, change, err);
	if (rc == 0 && args->failed)
		rc = walk(lister, true, false, change_row, change, err);
	client_close(&lister);
	return rc;
}

static enum ctl_status change_messages(
	struct ctl *ctl, const struct ctl_args *args, const char *command)
{
	struct change change = {.ctl = ctl, .command = command};
	json_t *document;
	struct err err;
	int rc;

	if ((args->all || args->failed) == (args->count > 0)) {
		err_set(&err, ERR_SYNTAX,
			"name messages by their ids, or say --all%s",
			strcmp(command, "queue.retry") == 0 ||
					strcmp(command, "queue.delete") == 0
				? " or --failed"
				: "");
		ctl_complain(&err);
		return CTL_UNKNOWN;
	}
	change.client = ctl_open(ctl);
	if (change.client == NULL)
		return CTL_UNKNOWN;
	change.changed = json_array();
	change.problems = json_array();
	rc = change_all(&change, args, &err);
	client_close(&change.client);
	if (rc != 0)
		ctl_complain(&err);
	rc |= json_array_size(change.problems) > 0;
	document = json_pack("{s:o,s:o}", "changed", change.changed, "problems",
		change.problems);
	if (ctl->json)
		json_print(document);
	else if (args->count != 1)
		printf("%zu changed\n", json_array_size(change.changed));
	json_decref(document);
	return rc == 0 ? CTL_FINE : CTL_TROUBLE;
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
