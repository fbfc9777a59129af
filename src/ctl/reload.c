/*
 * reload.c - gmrelayctl reload: asks, and waits for the new roles.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"

#include <poll.h>
#include <stdio.h>
#include <string.h>

enum { RELOAD_TIMEOUT_S = 30, LOOK_AGAIN_MS = 50 };

/* A configuration that this program can read and finds wrong would be refused
 * by the daemon too: better told here, with its lines. */
static bool conf_is_wrong(struct ctl *ctl)
{
	struct err first = {ERR_NONE, ""}, err;
	size_t i;

	if (ctl_conf(ctl) != NULL || !ctl_conf_is_readable(ctl))
		return false;
	for (i = 0; i < ctl->problems->count; i++) {
		err_set(&err, ERR_CONFIG, "%s", ctl->problems->items[i].text);
		if (first.kind != ERR_NONE || ctl->problems->items[i].warning)
			ctl_complain(&err);
		else
			first = err;
	}
	ctl_fail(ctl, CTL_TROUBLE, &first);
	fputs("gmrelayctl: nothing was changed\n", stderr);
	return true;
}

static bool answers(const char *path)
{
	struct client *client = client_open(path, NULL);
	bool answering = client != NULL;

	client_close(&client);
	return answering;
}

/* Where the new roles will answer: -s may name the old place of a socket that
 * the new configuration moves. Where somebody answers already at the place it
 * names, it is another daemon's. */
static const char *next_place(struct ctl *ctl)
{
	const char *now = ctl_socket_path(ctl);
	const struct conf *conf = ctl_conf(ctl);

	if (conf == NULL || strcmp(conf->control, now) == 0 ||
		answers(conf->control))
		return now;
	return conf->control;
}

static struct client *open_now(struct ctl *ctl, struct err *err)
{
	struct client *client = client_open(ctl_socket_path(ctl), err);
	struct err cause;

	if (client != NULL || ctl->socket != NULL || err->kind == ERR_ACCESS)
		return client;
	cause = *err;
	err_set(err, cause.kind,
		"%.*s; where \"control\" was just changed, -s names the old "
		"socket",
		ERR_TEXT_MAX - 80, cause.text);
	return NULL;
}

static int left_ms(int64_t until_ms)
{
	const int64_t left = until_ms - clock_boot_ms();

	return left > 0 ? (int)left : 0;
}

/* Asks, and waits until the daemon refuses or its old roles are gone: then they
 * close the connection. Returns 0: they are; -1 with err. */
static int await_end(struct client *client, int64_t until_ms, struct err *err)
{
	json_t *answer;
	bool last = false;

	if (client_ask(client, "reload", NULL, err) != 0)
		return -1;
	while (!last) {
		answer = client_next(client, left_ms(until_ms), &last, err);
		if (answer == NULL && err->kind == ERR_PROTOCOL)
			return 0;
		if (answer == NULL)
			return -1;
		json_decref(answer);
	}
	return err_set(err, ERR_PROTOCOL, "the answer to a reload has an end");
}

static int ping(const char *path, int64_t until_ms, struct err *err)
{
	struct client *client = client_open(path, err);
	json_t *answer = NULL;
	bool last;

	if (client == NULL)
		return -1;
	if (client_ask(client, "ping", NULL, err) == 0)
		answer = client_next(client, left_ms(until_ms), &last, err);
	client_close(&client);
	json_decref(answer);
	return answer != NULL ? 0 : -1;
}

/* Between the old roles and the new ones a connection may be closed unserved,
 * and a socket be missing. */
static int await_answer(const char *path, int64_t until_ms, struct err *err)
{
	while (ping(path, until_ms, err) != 0) {
		if (clock_boot_ms() >= until_ms)
			return -1;
		poll(NULL, 0, LOOK_AGAIN_MS);
	}
	return 0;
}

static int reload(
	struct client *client, const char *next, int timeout_s, struct err *err)
{
	int64_t until_ms = clock_boot_ms() + (int64_t)timeout_s * 1000;
	struct err cause;

	if (await_end(client, until_ms, &cause) == 0) {
		if (await_answer(next, until_ms, &cause) == 0)
			return 0;
		return err_set(err, ERR_SYSTEM,
			"the configuration was taken, but within %d s: %.*s",
			timeout_s, ERR_TEXT_MAX - 80, cause.text);
	}
	if (clock_boot_ms() >= until_ms)
		return err_set(err, ERR_SYSTEM,
			"gmrelayd has not taken the configuration within %d s; "
			"its log says why",
			timeout_s);
	return err_set(err, cause.kind,
		"%.*s (gmrelayd goes on with its old configuration)",
		ERR_TEXT_MAX - 80, cause.text);
}

enum ctl_status ctl_reload(struct ctl *ctl, const struct ctl_args *args)
{
	struct client *client;
	const char *next;
	struct err err;
	int rc;

	if (conf_is_wrong(ctl))
		return CTL_TROUBLE;
	next = next_place(ctl);
	client = open_now(ctl, &err);
	if (client == NULL)
		return ctl_fail(ctl, CTL_UNKNOWN, &err);
	rc = reload(client, next,
		args->timeout_s > 0 ? args->timeout_s : RELOAD_TIMEOUT_S, &err);
	client_close(&client);
	if (rc != 0)
		return ctl_fail(ctl, CTL_TROUBLE, &err);
	if (ctl->json)
		puts("{\"reloaded\":true}");
	else
		puts("reloaded");
	return CTL_FINE;
}
