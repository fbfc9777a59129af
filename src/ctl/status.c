/*
 * status.c - gmrelayctl status, account.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <string.h>

static bool needs_person(const json_t *status)
{
	const json_t *accounts = json_object_get(status, "accounts");
	size_t i;

	for (i = 0; i < json_array_size(accounts); i++)
		/* one that is slowed down for some minutes helps itself */
		if (json_flag(json_array_get(accounts, i), "lasting"))
			return true;
	return json_number(json_object_get(status, "queue"), "failed_unseen") >
		       0 ||
	       json_number(json_object_get(status, "drop"), "refused") > 0;
}

/* --- status -------------------------------------------------------------- */

static void print_queue(const json_t *queue)
{
	char oldest[TEXT_SHORT];
	int64_t failed = json_number(queue, "failed");
	int64_t unseen = json_number(queue, "failed_unseen");
	int64_t untold = json_number(queue, "failed_untold");

	printf("queue     %lld waiting, %lld of them being sent, %lld held",
		(long long)json_number(queue, "queued"),
		(long long)json_number(queue, "sending"),
		(long long)json_number(queue, "held"));
	if (json_number(queue, "oldest_ms") > 0)
		printf("; the oldest for %s",
			text_span(oldest, json_number(queue, "oldest_ms")));
	if (json_flag(queue, "starting"))
		printf(" (still being read)");
	printf("\nfailed    %lld", (long long)failed);
	if (unseen > 0)
		printf(", %lld nobody has looked at: gmrelayctl queue list "
		       "--failed",
			(long long)unseen);
	if (untold > 0)
		printf("; one report will tell of %lld", (long long)untold);
	putchar('\n');
}

/* Left by the sendmail command; mostly there is nothing. */
static void print_drop(const json_t *drop)
{
	const char *more = json_flag(drop, "more") ? "at least " : "";
	int64_t waiting = json_number(drop, "waiting");
	int64_t refused = json_number(drop, "refused");
	char oldest[TEXT_SHORT];

	if (json_is_null(drop))
		printf("drop      cannot be read: see the log\n");
	if (waiting > 0)
		printf("drop      %s%lld left by the sendmail command wait%s "
		       "to be taken in, the oldest for %s\n",
			more, (long long)waiting, waiting == 1 ? "s" : "",
			text_span(oldest, json_number(drop, "oldest_ms")));
	if (refused > 0)
		printf("drop      %s%lld set aside in the spool's drop/, as "
		       "NAME.refused: the log says why; delete what you have seen\n",
			more, (long long)refused);
}

static void print_number(
	const json_t *object, const char *key, const char *noun)
{
	const int64_t number = json_number(object, key);

	printf("%lld %s%s", (long long)number, noun, plural((uint64_t)number));
}

static void print_counters(const json_t *counters)
{
	const json_t *receiver = json_object_get(counters, "receiver");
	const json_t *relay = json_object_get(counters, "relay");

	if (receiver != NULL) {
		fputs("accepted  ", stdout);
		print_number(receiver, "accepted", "message");
		fputs("; ", stdout);
		print_number(receiver, "open_sessions", "client");
		printf(" open, %lld refused\n",
			(long long)json_number(receiver, "refused"));
	}
	if (relay != NULL) {
		fputs("delivered ", stdout);
		print_number(relay, "delivered", "message");
		fputs(" to ", stdout);
		print_number(relay, "delivered_recipients", "recipient");
		printf(", %lld in doubt\n",
			(long long)json_number(relay, "in_doubt"));
	}
}

/* Of the last 24 hours: "3 messages", "1 of 500 messages". */
static void print_sent(
	const json_t *a, const char *key, const char *limit, const char *noun)
{
	if (json_number(a, limit) > 0) {
		printf("%lld of ", (long long)json_number(a, key));
		key = limit;
	}
	print_number(a, key, noun);
}

static void print_account(const struct ctl *ctl, const json_t *a)
{
	char next[TEXT_SHORT];

	printf("account   ");
	text_put(stdout, json_text(a, "name"));
	fputs(" (", stdout);
	text_put(stdout, json_text(a, "username"));
	fputs("): ", stdout);
	text_put(stdout, json_text(a, "state"));
	if (json_flag(a, "backing_off"))
		fputs(", no connection", stdout);
	if (json_number(a, "next_ms") >= 0)
		printf(", next try %s",
			text_until(next, json_number(a, "next_ms")));
	fputs("; in 24 h ", stdout);
	print_sent(a, "messages_day", "messages_limit", "message");
	fputs(", ", stdout);
	print_sent(a, "recipients_day", "recipients_limit", "recipient");
	putchar('\n');
	if (json_text(a, "reason")[0] != '\0')
		text_put_wrapped(
			stdout, json_text(a, "reason"), 10, ctl->width);
}

static void print_status(const struct ctl *ctl, const json_t *status)
{
	const json_t *accounts = json_object_get(status, "accounts");
	size_t i;

	fputs("gmrelayd  ", stdout);
	text_put(stdout, json_text(status, "version"));
	printf(" is running\n");
	print_queue(json_object_get(status, "queue"));
	print_drop(json_object_get(status, "drop"));
	print_counters(json_object_get(status, "counters"));
	for (i = 0; i < json_array_size(accounts); i++)
		print_account(ctl, json_array_get(accounts, i));
}

enum ctl_status ctl_status(struct ctl *ctl, const struct ctl_args *args)
{
	bool attention;
	json_t *status;

	(void)args;
	if (ctl_call(ctl, "status", NULL, &status) != CTL_FINE)
		return CTL_UNKNOWN;
	attention = needs_person(status);
	json_object_set_new(status, "needs_person", json_boolean(attention));
	if (ctl->json)
		json_print(status);
	else
		print_status(ctl, status);
	json_decref(status);
	return attention ? CTL_TROUBLE : CTL_FINE;
}

/* --- accounts ------------------------------------------------------------ */

enum { LIMITED_SIZE = 2 * TEXT_SHORT };

/* "3 of 500"; "3" without a limit. */
static void print_limited(const json_t *a, const char *key, const char *limit,
	char out[LIMITED_SIZE])
{
	const int64_t max = json_number(a, limit);
	int len = snprintf(
		out, LIMITED_SIZE, "%lld", (long long)json_number(a, key));

	if (max > 0)
		snprintf(out + len, LIMITED_SIZE - (size_t)len, " of %lld",
			(long long)max);
}

static void print_account_table(const struct ctl *ctl, const json_t *accounts)
{
	static const struct table_column columns[] = {
		{.title = "NAME", .flexible = true},
		{.title = "USERNAME", .flexible = true},
		{.title = "STATE"},
		{.title = "NEXT"},
		{.title = "MESSAGES", .right = true},
		{.title = "RECIPIENTS", .right = true},
		{.title = "REASON", .flexible = true},
	};
	char next[TEXT_SHORT], messages[LIMITED_SIZE], recipients[LIMITED_SIZE];
	struct table *t = table_new(
		columns, COUNT_OF(columns), ctl->tty ? ctl->width : 0);
	const json_t *a;
	size_t i;

	for (i = 0; i < json_array_size(accounts); i++) {
		a = json_array_get(accounts, i);
		print_limited(a, "messages_day", "messages_limit", messages);
		print_limited(
			a, "recipients_day", "recipients_limit", recipients);
		table_row(t,
			(const char *const[]){json_text(a, "name"),
				json_text(a, "username"), json_text(a, "state"),
				json_number(a, "next_ms") >= 0
					? text_until(next,
						  json_number(a, "next_ms"))
					: "",
				messages, recipients, json_text(a, "reason")});
	}
	table_end(&t);
}

enum ctl_status ctl_account_list(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *status;

	(void)args;
	if (ctl_call(ctl, "status", NULL, &status) != CTL_FINE)
		return CTL_UNKNOWN;
	if (ctl->json)
		json_print(json_object_get(status, "accounts"));
	else
		print_account_table(ctl, json_object_get(status, "accounts"));
	json_decref(status);
	return CTL_FINE;
}

/* ctl_call() for what has nothing to print but the document. */
static enum ctl_status change(struct ctl *ctl, const char *command,
	json_t *arguments, json_t **answer_out)
{
	enum ctl_status status = ctl_call(ctl, command, arguments, answer_out);

	if (status == CTL_FINE && ctl->json)
		json_print(*answer_out);
	return status;
}

static enum ctl_status change_account(struct ctl *ctl,
	const struct ctl_args *args, const char *command, json_t **answer_out)
{
	if (args->all == (args->count > 0))
		return ctl_misused(ctl, "name one account, or say --all");
	return change(ctl, command,
		args->all ? json_pack("{s:b}", "all", 1)
			  : json_pack("{s:s}", "name", args->rest[0]),
		answer_out);
}

enum ctl_status ctl_account_pause(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *answer = NULL;
	enum ctl_status status =
		change_account(ctl, args, "account.pause", &answer);

	json_decref(answer);
	return status;
}

/* What stands in the way of an account that was resumed. Returns whether
 * anything does. */
static bool tell_what_stops(const struct ctl *ctl, const json_t *account)
{
	if (strcmp(json_text(account, "state"), "active") == 0)
		return false;
	if (ctl->json)
		return true;
	fputs("account ", stdout);
	text_put(stdout, json_text(account, "name"));
	printf(" is %s still:\n", json_text(account, "state"));
	text_put_wrapped(stdout, json_text(account, "reason"), 2, ctl->width);
	return true;
}

enum ctl_status ctl_account_resume(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *answer = NULL;
	enum ctl_status status =
		change_account(ctl, args, "account.resume", &answer);
	const json_t *accounts = json_object_get(answer, "accounts");
	size_t i;

	for (i = 0; i < json_array_size(accounts); i++)
		if (tell_what_stops(ctl, json_array_get(accounts, i)))
			status = CTL_TROUBLE;
	json_decref(answer);
	return status;
}

enum ctl_status ctl_queue_flush(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *answer;
	enum ctl_status status = change(ctl, "queue.flush", NULL, &answer);

	(void)args;
	json_decref(answer);
	return status;
}
