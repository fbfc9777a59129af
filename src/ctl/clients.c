/*
 * clients.c - gmrelayctl clients: who sends by this relay, and how.
 */
#include "config.h"

#include "base/util.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <stdio.h>
#include <stdlib.h>

/* Whom the log would tell of last comes first. */
static int by_last_seen(const void *a, const void *b)
{
	const json_t *const *x = a, *const *y = b;
	int64_t left = json_number(*x, "last_s");
	int64_t right = json_number(*y, "last_s");

	return left < right ? 1 : left > right ? -1 : 0;
}

static json_t *sorted(const json_t *clients)
{
	size_t i, count = json_array_size(clients);
	json_t **items = xcalloc(count + 1, sizeof(json_t *));
	json_t *list = json_array();

	for (i = 0; i < count; i++)
		items[i] = json_array_get(clients, i);
	qsort(items, count, sizeof(json_t *), by_last_seen);
	for (i = 0; i < count; i++)
		json_array_append(list, items[i]);
	free(items);
	return list;
}

static void print_quirks(const json_t *quirks)
{
	size_t i;

	for (i = 0; i < json_array_size(quirks); i++) {
		fputs(i > 0 ? ", " : " ", stdout);
		text_put(stdout, json_text(json_array_get(quirks, i), "text"));
	}
	puts(i > 0 ? "" : " nothing unusual");
}

/* A time that is not there yet, by a clock that was set back, is now. */
static const char *ago(char text[TEXT_SHORT], int64_t then_s, int64_t now_s)
{
	return text_ago(text, then_s < now_s ? (now_s - then_s) * 1000 : 0);
}

static void print_client(const json_t *client, int64_t now_s)
{
	char first[TEXT_SHORT], last[TEXT_SHORT];

	text_put(stdout, json_text(client, "client"));
	putchar(':');
	print_quirks(json_object_get(client, "quirks"));
	printf("    %lld accepted, %lld refused; last seen %s, first %s\n",
		(long long)json_number(client, "accepted"),
		(long long)json_number(client, "refused"),
		ago(last, json_number(client, "last_s"), now_s),
		ago(first, json_number(client, "first_s"), now_s));
}

enum ctl_status ctl_clients(struct ctl *ctl, const struct ctl_args *args)
{
	json_t *answer, *list;
	size_t i;

	(void)args;
	if (ctl_call(ctl, "clients", NULL, &answer) != CTL_FINE)
		return CTL_UNKNOWN;
	list = sorted(json_object_get(answer, "clients"));
	if (ctl->json)
		json_print(list);
	for (i = 0; !ctl->json && i < json_array_size(list); i++)
		print_client(json_array_get(list, i), clock_wall_s());
	if (!ctl->json && i == 0)
		puts("nobody yet");
	json_decref(list);
	json_decref(answer);
	return CTL_FINE;
}
