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

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { TEST_TIMEOUT_S = 120, TEST_TEXT_MAX = 4096 };

struct test {
	struct ctl *ctl;
	struct address to;
	struct address from;
	char id[HEX64_SIZE];
	int timeout_s;
	int64_t until_ms;
	json_t *steps;
	bool reached; /* the daemon */
	bool delivered;
	bool given_up; /* it is in failed/ */
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

static int left_ms(const struct test *t)
{
	const int64_t left = t->until_ms - clock_boot_ms();

	if (left <= 0)
		return 0;
	return left < INT_MAX ? (int)left : INT_MAX;
}

/* A step failed: it may be that the time is over. Returns -1 with err. */
static int stopped(const struct test *t, struct err *err)
{
	if (left_ms(t) > 0)
		return -1;
	return err_set(err, ERR_LIMIT,
		"gmrelayd did not say within %d s that it has the message",
		t->timeout_s);
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

static int send_message(struct test *t, int fd, struct err *err)
{
	char text[TEST_TEXT_MAX], line[1024];
	struct smtp_message message = {
		.from = t->from.text,
		.to = t->to.text,
		.smtputf8 = t->to.utf8 || t->from.utf8,
		.text = text,
		.until_ms = t->until_ms,
	};

	write_message(t, text, sizeof(text));
	if (smtp_send(fd, &message, t->id, err) != 0)
		return stopped(t, err);
	snprintf(line, sizeof(line), "from %s to %s, queued as %s",
		t->from.text, t->to.text, t->id);
	tell(t, "accepted", line);
	return 0;
}

/* --- the account --------------------------------------------------------- */

/* The number of the account that carries what this connection hands in, by the
 * rules that hold for its client, which is us. */
static size_t account_number(struct test *t, int fd)
{
	const struct conf *conf = ctl_conf(t->ctl);
	const struct conf_client *client;
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(&sa, 0, sizeof(sa));
	if (conf == NULL || getsockname(fd, (struct sockaddr *)&sa, &len) != 0)
		return 0;
	client = sa.ss_family == AF_UNIX
			 ? conf_client_local(conf)
			 : conf_client_for(conf, (struct sockaddr *)&sa);
	return client != NULL ? client->account_index : 0;
}

static void tell_account(struct test *t, const json_t *account)
{
	const char *reason = json_text(account, "reason");
	char text[1024], next[TEXT_SHORT];
	int64_t next_ms = json_number(account, "next_ms");
	size_t len;

	len = (size_t)snprintf(text, sizeof(text), "%s (%s): %s%s",
		json_text(account, "name"), json_text(account, "username"),
		json_text(account, "state"),
		json_flag(account, "backing_off") ? ", no connection" : "");
	if (next_ms >= 0 && len < sizeof(text))
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			", next try %s", text_until(next, next_ms));
	if (reason[0] != '\0' && len < sizeof(text))
		snprintf(text + len, sizeof(text) - len, "; %s", reason);
	tell(t, "account", text);
}

/* Takes the sender's address from the account that will carry the message, and
 * tells its state. Returns 0, -1 with err: it is held, and why. */
static int take_account(
	struct test *t, struct client *client, int fd, struct err *err)
{
	const json_t *account;
	json_t *status;
	const char *username;
	bool last;
	int rc;

	if (client_ask(client, "status", NULL, err) != 0)
		return -1;
	status = client_next(client, left_ms(t), &last, err);
	if (status == NULL)
		return stopped(t, err);
	account = json_array_get(
		json_object_get(status, "accounts"), account_number(t, fd));
	username = json_text(account, "username");
	if (strcmp(json_text(account, "state"), "held") == 0) {
		rc = err_set(err, ERR_CONFIG,
			"the account %s is held, nothing was sent: %s",
			json_text(account, "name"),
			json_text(account, "reason"));
	} else {
		tell_account(t, account);
		rc = address_parse(
			&t->from, username, strlen(username), false, err);
	}
	json_decref(status);
	return rc;
}

static int hand_in(struct test *t, struct client *client, struct err *err)
{
	char place[256], line[320];
	int fd;

	fd = smtp_connect(
		ctl_conf(t->ctl), t->until_ms, place, sizeof(place), err);
	if (fd < 0)
		return stopped(t, err);
	snprintf(line, sizeof(line), "to gmrelayd at %s", place);
	tell(t, "connected", line);
	if (take_account(t, client, fd, err) != 0) {
		close(fd);
		return -1;
	}
	return send_message(t, fd, err);
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
	t->given_up = strcmp(event, "failed") == 0;
	t->ended = json_flag(object, "last") || strcmp(event, "paused") == 0 ||
		   strcmp(event, "deferred") == 0;
}

static int follow(struct test *t, struct client *client, struct err *err)
{
	json_t *object;
	bool last = false;

	while (!t->ended && !last) {
		object = client_next(client, left_ms(t), &last, err);
		if (object == NULL && left_ms(t) == 0)
			return err_set(err, ERR_LIMIT,
				"not delivered within %d s; it stays in the "
				"queue: gmrelayctl queue show %s",
				t->timeout_s, t->id);
		if (object == NULL)
			return -1;
		take_event(t, object);
		json_decref(object);
	}
	return 0;
}

static int run_test(struct test *t, struct err *err)
{
	struct client *client = client_open(ctl_socket_path(t->ctl), err);
	int rc = -1;

	t->until_ms = clock_boot_ms() + (int64_t)t->timeout_s * 1000;
	t->reached = client != NULL;
	if (client != NULL && hand_in(t, client, err) == 0 &&
		client_ask(client, "follow", json_pack("{s:s}", "id", t->id),
			err) == 0)
		rc = follow(t, client, err);
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
	} else if (t->given_up) {
		puts("\nIt has not arrived and will not: \"gmrelayctl queue list "
		     "--failed\" lists it.");
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

	if (address_parse(&test.to, to, strlen(to), false, &err) != 0)
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	test.steps = json_array();
	test.timeout_s = args->timeout_s > 0 ? args->timeout_s : TEST_TIMEOUT_S;
	rc = run_test(&test, &err);
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
