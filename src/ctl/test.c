/*
 * test.c - gmrelayctl test: sends a message and watches it arrive at Gmail.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/smtp.h"
#include "ctl/text.h"
#include "proto/address.h"

#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { TEST_TIMEOUT_S = 120, TEST_TEXT_MAX = 4096 };

struct test {
	struct ctl *ctl;
	struct address to;
	struct address from;
	char id[HEX64_SIZE];
	json_t *steps;
	bool reached; /* the daemon */
	bool delivered;
	bool ended;
};

static void tell(struct test *t, const char *step, const char *text)
{
	if (t->ctl->json) {
		json_array_append_new(t->steps,
			json_pack("{s:s,s:s}", "step", step, "text", text));
		return;
	}
	printf("%-10s ", step);
	text_put(stdout, text);
	putchar('\n');
	fflush(stdout);
}

/* --- the message --------------------------------------------------------- */

static void write_message(const struct test *t, char *text, size_t size)
{
	char host[256] = "this host", date[64] = "";
	time_t now = time(NULL);
	struct tm tm;

	(void)gethostname(host, sizeof(host) - 1);
	host[sizeof(host) - 1] = '\0';
	if (localtime_r(&now, &tm) != NULL)
		strftime(date, sizeof(date), "%a, %d %b %Y %H:%M:%S %z", &tm);
	snprintf(text, size,
		"From: <%s>\r\n"
		"To: <%s>\r\n"
		"Subject: gmrelayd test from %s\r\n"
		"Date: %s\r\n"
		"\r\n"
		"This is a test of gmrelayd on %s.\r\n"
		"If you can read this, mail from there arrives.\r\n",
		t->from.text, t->to.text, host, date, host);
}

static int send_message(struct test *t, struct err *err)
{
	char text[TEST_TEXT_MAX], place[256], line[1024];
	struct smtp_message message = {
		.from = t->from.text,
		.to = t->to.text,
		.smtputf8 = t->to.utf8 || t->from.utf8,
		.text = text,
	};
	int fd;

	write_message(t, text, sizeof(text));
	fd = smtp_connect(ctl_conf(t->ctl), place, sizeof(place), err);
	if (fd < 0)
		return -1;
	snprintf(line, sizeof(line), "to gmrelayd at %s", place);
	tell(t, "connected", line);
	if (smtp_send(fd, &message, t->id, err) != 0)
		return -1;
	snprintf(line, sizeof(line), "from %s to %s, queued as %s",
		t->from.text, t->to.text, t->id);
	tell(t, "accepted", line);
	return 0;
}

/* --- the account --------------------------------------------------------- */

/* The first account that may send now gives the sender's address. Returns 0,
 * -1 with err: none may, and why. */
static int choose_account(
	struct test *t, struct client *client, struct err *err)
{
	json_t *status = client_call(client, "status", NULL, err);
	const json_t *accounts = json_object_get(status, "accounts");
	const json_t *account = NULL;
	const char *username;
	size_t i;
	int rc;

	if (status == NULL)
		return -1;
	for (i = json_array_size(accounts); i-- > 0;)
		if (account == NULL ||
			strcmp(json_text(json_array_get(accounts, i), "state"),
				"held") != 0)
			account = json_array_get(accounts, i);
	username = json_text(account, "username");
	if (strcmp(json_text(account, "state"), "held") == 0)
		rc = err_set(err, ERR_CONFIG,
			"the account %s is held, nothing was sent: %s",
			json_text(account, "name"),
			json_text(account, "reason"));
	else
		rc = address_parse(
			&t->from, username, strlen(username), false, err);
	json_decref(status);
	return rc;
}

/* --- following ----------------------------------------------------------- */

/* "paused" ends the wait too: the account has trouble that a person or time
 * must cure, and the text says which. */
static void take_event(struct test *t, const json_t *object)
{
	static const char no_words[] = "the account cannot send now: no "
				       "connection, or a pause";
	const char *event = json_text(object, "event");
	const char *text;

	if (strcmp(json_text(object, "id"), t->id) != 0)
		return;
	text = json_text(object, "text");
	if (text[0] == '\0')
		text = no_words;
	tell(t, event, text);
	t->delivered = strcmp(event, "delivered") == 0;
	t->ended = json_flag(object, "last") || strcmp(event, "paused") == 0 ||
		   strcmp(event, "deferred") == 0;
}

static int follow(
	struct test *t, struct client *client, int timeout_s, struct err *err)
{
	int64_t until_ms = clock_boot_ms() + (int64_t)timeout_s * 1000;
	int64_t left;
	json_t *object;
	bool last = false;

	while (!t->ended && !last) {
		left = until_ms - clock_boot_ms();
		object = client_next(
			client, left > 0 ? (int)left : 0, &last, err);
		if (object == NULL && err->kind == ERR_LIMIT)
			return err_set(err, ERR_LIMIT,
				"not delivered within %d s; it stays in the "
				"queue: gmrelayctl queue show %s",
				timeout_s, t->id);
		if (object == NULL)
			return -1;
		take_event(t, object);
		json_decref(object);
	}
	return 0;
}

static int run_test(struct test *t, int timeout_s, struct err *err)
{
	struct client *client = client_open(ctl_socket_path(t->ctl), err);
	int rc = -1;

	t->reached = client != NULL;
	if (client != NULL && choose_account(t, client, err) == 0 &&
		send_message(t, err) == 0 &&
		client_ask(client, "follow", json_pack("{s:s}", "id", t->id),
			err) == 0)
		rc = follow(t, client, timeout_s, err);
	client_close(&client);
	return rc;
}

static void print_end(struct test *t)
{
	json_t *document;

	if (t->ctl->json) {
		document = json_pack("{s:s,s:b,s:O}", "id", t->id, "delivered",
			t->delivered, "steps", t->steps);
		json_print(document);
		json_decref(document);
	} else if (!t->delivered && t->id[0] != '\0') {
		puts("\nIt has not arrived. The message stays in the queue "
		     "until it can be sent;\n\"gmrelayctl doctor\" looks for "
		     "the cause.");
	}
}

enum ctl_status ctl_test(struct ctl *ctl, const struct ctl_args *args)
{
	struct test test = {.ctl = ctl};
	const char *to = args->rest[0];
	struct err err;
	int rc;

	if (address_parse(&test.to, to, strlen(to), false, &err) != 0) {
		ctl_complain(&err);
		return CTL_UNKNOWN;
	}
	test.steps = json_array();
	rc = run_test(&test,
		args->timeout_s > 0 ? args->timeout_s : TEST_TIMEOUT_S, &err);
	if (rc != 0) {
		if (ctl->json)
			tell(&test, "problem", err.text);
		ctl_complain(&err);
	}
	print_end(&test);
	json_decref(test.steps);
	if (!test.reached)
		return CTL_UNKNOWN;
	return test.delivered ? CTL_FINE : CTL_TROUBLE;
}
