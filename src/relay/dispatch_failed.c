/*
 * dispatch_failed.c - what is in failed/: which there are, and how long.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"

#include <stdlib.h>

/* failed/ is looked through at the start, and this often while something is in
 * it. */
#define FAILED_LOOK_S (6 * 3600)
/* The year 2020: a wall clock that shows less is not set. */
#define CLOCK_UNSET_S INT64_C(1577836800)

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
	d->failed_untold -= f->told_key != 0;
	by_id_remove(&d->failed, &f->by_id);
	free(f);
}

static void arm_timer(struct dispatch *d)
{
	if (d->failed.count > 0 && !evtimer_pending(d->failed_timer, NULL))
		loop_after(d->failed_timer, FAILED_LOOK_S * 1000);
}

void dispatch_await_digest(struct dispatch *d, const struct failed_message *f)
{
	const int64_t hour_s = REPORT_CAP_HOUR_MS / 1000;
	const int64_t now = clock_boot_ms(), now_s = clock_wall_s();
	int64_t left_s = hour_s;

	if (f->failed_s < now_s - hour_s)
		left_s = 0;
	else if (f->failed_s < now_s)
		left_s = hour_s - (now_s - f->failed_s);
	report_cap_wait(d->cap, f->told_key, now, now + 1000 * left_s);
	dispatch_arm_digest(d);
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
	d->failed_untold += kept->told_key != 0;
	if (kept->told_key != 0)
		dispatch_await_digest(d, kept);
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

/* Old enough to go. One that failed before the clock was set is as old as this
 * is known. */
static bool is_kept_long_enough(
	const struct dispatch *d, struct failed_message *f)
{
	const int64_t now_s = clock_wall_s();

	if (f->failed_s < CLOCK_UNSET_S && now_s >= CLOCK_UNSET_S)
		f->failed_s = now_s;
	return now_s - f->failed_s > d->conf->failed_keep_ms / 1000;
}

void dispatch_look_at_failed(struct dispatch *d)
{
	struct failed_message *f;
	char text[HEX64_SIZE];
	uint64_t id = 0;

	while ((f = dispatch_failed_above(d, id)) != NULL) {
		id = f->id;
		if (f->busy || f->damaged || f->told_key != 0 ||
			!is_kept_long_enough(d, f))
			continue;
		/* One that cannot be read just now is looked at again. */
		if (dispatch_delete(d, id, NULL) == 0)
			log_info("failed-removed id=%s reason=failed-keep",
				hex64(text, id));
	}
	arm_timer(d);
}

void dispatch_free_failed(struct dispatch *d)
{
	while (d->failed.root != NULL)
		remove_failed(d, failed_of(d->failed.root));
}
