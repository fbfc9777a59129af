/*
 * reload.c - a new configuration for the running daemon.
 */
#include "config.h"

#include "parent/parent_internal.h"

#include "base/conf.h"
#include "base/util.h"

#include <stdio.h>
#include <string.h>

/* The first error, for whoever asked. */
struct refusal {
	char text[CHANNEL_TEXT_MAX + 1];
	size_t errors;
};

static void take_finding(void *arg, bool warning, const char *text)
{
	struct refusal *refusal = arg;

	parent_log_finding(warning, text);
	if (!warning && refusal->errors++ == 0)
		snprintf(refusal->text, sizeof(refusal->text), "%s", text);
}

static int prepare(struct parent *p, struct err *err)
{
	const struct conf *now = p->now.conf;
	const struct conf *next = p->next.conf;

	if (strcmp(now->spool, next->spool) != 0)
		return err_set(err, ERR_CONFIG,
			"spool cannot change from %s while running: restart",
			now->spool);
	if (spooldir_make(next->spool, &p->next.users, err) != 0)
		return -1;
	/* New sockets are bound before anything is given up. */
	p->next_listen = listen_open(
		next, parent_control_gid(&p->next), p->listen, &p->pool, err);
	return p->next_listen != NULL ? 0 : -1;
}

static void refuse(struct parent *p, const char *why)
{
	const struct child *relay = &p->children[CHILD_RELAY];
	struct log_text file, text;

	log_err("reload refused config=%s reason=%s advice=\"the old "
		"configuration stays in force until this is put right\"",
		log_text(&file, p->options->file), log_text(&text, why));
	notify_ready(&p->notify,
		"reload refused, the old configuration stays in force: see "
		"the log");
	/* for gmrelayctl; a relay that does not listen has other troubles */
	if (relay->channel_fd >= 0)
		channel_send(relay->channel_fd, CHANNEL_REFUSED, -1, why, NULL);
}

void parent_reload_begin(struct parent *p)
{
	int64_t now = clock_boot_ms();
	struct refusal refusal = {.errors = 0};
	struct log_text file;
	struct err err;
	int i;

	p->reload_ms = 0;
	p->reloaded_ms = now;
	log_info("reload config=%s", log_text(&file, p->options->file));
	notify_reloading(&p->notify);
	if (check_file(p->options->file, CHECK_TO_RUN, take_finding, &refusal,
		    &p->next) != 0) {
		refuse(p, refusal.text);
		return;
	}
	if (prepare(p, &err) != 0) {
		check_free(&p->next);
		refuse(p, err.text);
		return;
	}
	p->phase = PARENT_RELOADING;
	for (i = 0; i < CHILD_COUNT; i++) {
		p->children[i].restart_ms = 0;
		child_drain(&p->children[i], now);
	}
}

void parent_reload_switch(struct parent *p)
{
	listen_free(&p->listen, p->next_listen);
	p->listen = p->next_listen;
	p->next_listen = NULL;
	check_free(&p->now);
	p->now = p->next;
	memset(&p->next, 0, sizeof(p->next));
	p->reloaded_ms = clock_boot_ms();
	p->announced = false;
	p->phase = PARENT_RUNNING;
}
