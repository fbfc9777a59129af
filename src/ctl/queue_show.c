/*
 * queue_show.c - gmrelayctl queue: show and cat.
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

enum { CHUNK_MAX = 256 * 1024 };

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
	int64_t size = json_number(message, "size");
	int64_t deferred = json_number(message, "attempts");
	struct tm tm;

	if (localtime_r(&arrived, &tm) != NULL)
		strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S %z", &tm);
	printf("arrived    %s (%s) from ", date,
		text_ago(text, ((int64_t)time(NULL) - arrived) * 1000));
	text_put(stdout, json_text(message, "client"));
	printf("\nsize       %lld octet%s\n", (long long)size,
		plural((uint64_t)size));
	if (deferred > 0)
		printf("deferred   %lld time%s\n", (long long)deferred,
			plural((uint64_t)deferred));
	print_value("next", ctl_next_try(text, message));
}

static void print_message(const json_t *message)
{
	const char *from = json_text(message, "from");

	print_value("id", json_text(message, "id"));
	print_value("state", json_text(message, "state"));
	print_value("from", from[0] != '\0' ? from : "<>");
	if (json_text(message, "account")[0] != '\0')
		print_value("account", json_text(message, "account"));
	print_value("envid", json_text(message, "envid"));
	print_value("ret", json_text(message, "ret"));
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
	print_value("  notify", json_text(rcpt, "notify"));
	print_value("  orcpt", json_text(rcpt, "orcpt"));
}

static void print_shown(const json_t *document)
{
	const json_t *rcpts = json_object_get(document, "recipients");
	size_t i;

	print_message(document);
	for (i = 0; i < json_array_size(rcpts); i++)
		print_rcpt(json_array_get(rcpts, i));
}

const char *ctl_next_try(char text[TEXT_SHORT], const json_t *message)
{
	const char *waits = json_text(message, "account_waits");
	int64_t ms = json_number(message, "next_ms");

	if (strcmp(json_text(message, "state"), "waiting") != 0)
		text[0] = '\0';
	else if (ms <= 0 && waits[0] != '\0')
		snprintf(text, TEXT_SHORT, "account %s", waits);
	else
		text_until(text, ms);
	return text;
}

json_t *ctl_id_argument(const char *id)
{
	return json_pack("{s:s}", "id", id);
}

enum ctl_status ctl_check_ids(
	const struct ctl *ctl, const struct ctl_args *args)
{
	uint64_t id;
	int i;

	for (i = 0; i < args->count; i++)
		if (strlen(args->rest[i]) != HEX64_LEN ||
			hex64_parse(args->rest[i], &id) != 0)
			return ctl_misused(ctl,
				"%s is no id: these have 16 of the characters "
				"0-9 and a-f, as in gmrelayctl queue list",
				args->rest[i]);
	return CTL_FINE;
}

/* The answer as one object, all of it before anything is printed: the daemon
 * does not wait for whoever reads us. NULL with err. */
static json_t *fetch_shown(
	struct client *client, const char *id, bool seen, struct err *err)
{
	json_t *document = json_object(), *rcpts = json_array(), *object;
	bool last = false;

	/* the row's count gives way to the recipients themselves */
	if (client_ask(client, "queue.show",
		    json_pack("{s:s,s:b}", "id", id, "seen", seen), err) != 0)
		goto failed;
	while (!last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, err);
		if (object == NULL)
			goto failed;
		json_object_update(
			document, json_object_get(object, "message"));
		json_array_append(rcpts, json_object_get(object, "recipient"));
		json_decref(object);
	}
	json_object_set_new(document, "recipients", rcpts);
	return document;
failed:
	json_decref(document);
	json_decref(rcpts);
	return NULL;
}

enum ctl_status ctl_queue_show(struct ctl *ctl, const struct ctl_args *args)
{
	enum ctl_status status = ctl_check_ids(ctl, args);
	struct client *client;
	json_t *document;
	struct err err;

	if (status != CTL_FINE)
		return status;
	client = ctl_open(ctl);
	if (client == NULL)
		return CTL_UNKNOWN;
	document = fetch_shown(client, args->rest[0], !ctl->json, &err);
	client_close(&client);
	if (document == NULL)
		return ctl_fail(ctl, CTL_TROUBLE, &err);
	if (ctl->json)
		json_print(document);
	else
		print_shown(document);
	json_decref(document);
	return CTL_FINE;
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
		if (n == 0 || (utf8_is_invisible(data + i, n) &&
				      data[i] != '\n' && data[i] != '\t')) {
			n = n > 0 ? n : 1;
			if (data[i] != '\r')
				putchar('?');
			continue;
		}
		fwrite(data + i, 1, n, stdout);
	}
}

/* Appends the bytes of one line of the answer to the file. Returns 0, -1 with
 * err. */
static int keep_chunk(FILE *file, const json_t *object, struct err *err)
{
	const char *text = json_text(object, "data");
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, CHUNK_MAX);
	if (base64_decode(&bytes, text, strlen(text)) != 0)
		rc = err_set(err, ERR_PROTOCOL, "the answer is no base64");
	else if (bytes.len > 0 &&
		 fwrite(bytes.data, 1, bytes.len, file) != bytes.len)
		rc = err_errno(err, "cannot keep the message for printing");
	buf_free(&bytes);
	return rc;
}

/* The message into a file that nobody else sees: the daemon does not wait for
 * whoever reads what we print. Returns 0, -1 with err, then the file has what
 * came. */
static int fetch_message(
	struct client *client, const char *id, FILE *file, struct err *err)
{
	json_t *object;
	bool last = false;
	int rc;

	rc = client_ask(client, "queue.cat", ctl_id_argument(id), err);
	while (rc == 0 && !last) {
		object = client_next(client, CLIENT_TIMEOUT_MS, &last, err);
		rc = object != NULL ? keep_chunk(file, object, err) : -1;
		json_decref(object);
	}
	return rc;
}

/* By lines, so that no character is cut in two. */
static void print_file(const struct ctl *ctl, FILE *file)
{
	char *line = NULL;
	size_t size = 0;
	ssize_t len;

	rewind(file);
	while ((len = getline(&line, &size, file)) > 0 && !ferror(stdout))
		put_bytes(ctl, line, (size_t)len);
	free(line);
}

/* {"id": ..., "data": the whole message in base64}. */
static void print_file_json(const char *id, FILE *file)
{
	char data[3 * 1024]; /* of three octets each: no padding between */
	struct buf text;
	size_t len;

	rewind(file);
	printf("{\"id\":\"%s\",\"data\":\"", id);
	while ((len = fread(data, 1, sizeof(data), file)) > 0) {
		buf_init(&text, 2 * sizeof(data));
		if (base64_encode(&text, data, len) == 0)
			fwrite(text.data, 1, text.len, stdout);
		buf_free(&text);
	}
	fputs("\"}\n", stdout);
}

static enum ctl_status cat(struct ctl *ctl, const char *id, FILE *file)
{
	struct client *client = ctl_open(ctl);
	struct err err;
	int rc;

	if (client == NULL)
		return CTL_UNKNOWN;
	rc = fetch_message(client, id, file, &err);
	client_close(&client);
	if (ctl->json && rc == 0)
		print_file_json(id, file);
	else if (!ctl->json)
		print_file(ctl, file); /* a damaged one as far as it goes */
	return rc == 0 ? CTL_FINE : ctl_fail(ctl, CTL_TROUBLE, &err);
}

enum ctl_status ctl_queue_cat(struct ctl *ctl, const struct ctl_args *args)
{
	enum ctl_status status = ctl_check_ids(ctl, args);
	struct err err;
	FILE *file;

	if (status != CTL_FINE)
		return status;
	file = tmpfile();
	if (file == NULL) {
		err_errno(&err, "cannot make a temporary file");
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	}
	status = cat(ctl, args->rest[0], file);
	fclose(file);
	return status;
}
