/*
 * dispatch_failed.c - what is in failed/: which there are, and how long.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"

#include <stdlib.h>

/* failed/ is looked through this often, while something is in it. */
#define FAILED_LOOK_S (6 * 3600)

/* by_id is its first member. */
static struct failed_message *failed_of(struct by_id *node)
{
	return (struct failed_message *)node;
}

struct failed_message *dispatch_find_failed(
	const struct dispatch *d, uint64_t id)
{
	return failed_of(by_id_find(&d->failed, id));
}

struct failed_message *dispatch_failed_above(
	const struct dispatch *d, uint64_t after_id)
{
	return failed_of(by_id_above(&d->failed, after_id));
}

static void remove_failed(struct dispatch *d, struct failed_message *f)
{
	d->failed_unseen -= !f->seen;
	by_id_remove(&d->failed, &f->by_id);
	free(f);
}

static void arm_timer(struct dispatch *d)
{
	const struct timeval delay = {FAILED_LOOK_S, 0};

	if (d->failed.count > 0 && !evtimer_pending(d->failed_timer, NULL))
		evtimer_add(d->failed_timer, &delay);
}

void dispatch_remember_failed(
	struct dispatch *d, const struct failed_message *f)
{
	struct failed_message *old = dispatch_find_failed(d, f->id);
	struct failed_message *kept = xcalloc(1, sizeof(*kept));

	*kept = *f;
	if (old != NULL)
		remove_failed(d, old);
	by_id_add(&d->failed, &kept->by_id);
	d->failed_unseen += !kept->seen;
	arm_timer(d);
	d->on_change(d->change_arg);
}

void dispatch_forget_failed(struct dispatch *d, uint64_t id)
{
	struct failed_message *f = dispatch_find_failed(d, id);

	if (f == NULL)
		return;
	remove_failed(d, f);
	d->on_change(d->change_arg);
}

void dispatch_on_failed_timer(evutil_socket_t fd, short what, void *arg)
{
	struct dispatch *d = arg;
	int64_t oldest = clock_wall_s() - d->conf->failed_keep_ms / 1000;
	struct failed_message *f;
	char text[HEX64_SIZE];
	uint64_t id = 0;

	(void)fd;
	(void)what;
	while ((f = dispatch_failed_above(d, id)) != NULL) {
		id = f->id;
		if (f->failed_s > oldest || f->busy || f->damaged)
			continue;
		log_info("failed-removed id=%s reason=failed-keep",
			hex64(text, id));
		if (dispatch_delete(d, id, NULL) != 0)
			dispatch_forget_failed(d, id);
	}
	arm_timer(d);
}

void dispatch_free_failed(struct dispatch *d)
{
	while (d->failed.root != NULL)
		remove_failed(d, failed_of(d->failed.root));
}
