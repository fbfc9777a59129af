/*
 * fake_dispatch.c - dispatch and accounts that hold what a test wants.
 */
#include "config.h"

#include "fake_dispatch.h"

#include "base/conf.h"
#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct account {
	struct dispatch *dispatch;
	size_t index;
};

/* --- accounts ------------------------------------------------------------ */

static struct account *accounts(const struct dispatch *d)
{
	static struct account all[FAKE_ACCOUNTS];
	size_t i;

	for (i = 0; i < FAKE_ACCOUNTS; i++) {
		/* the test's own; const for its readers only */
		memcpy(&all[i].dispatch, &d, sizeof(d));
		all[i].index = i;
	}
	return all;
}

size_t dispatch_account_count(const struct dispatch *d)
{
	(void)d;
	return FAKE_ACCOUNTS;
}

struct account *dispatch_account(const struct dispatch *d, size_t index)
{
	return &accounts(d)[index];
}

const char *account_state_name(enum account_state state)
{
	return state == ACCOUNT_HELD ? "held" : "active";
}

void account_info(const struct account *a, struct account_info *out)
{
	memset(out, 0, sizeof(*out));
	out->name = a->index == 0 ? "first" : "second";
	out->username = "someone@gmail.com";
	out->host = "smtp.gmail.com";
	out->port = 587;
	out->state = a->index == 0 ? ACCOUNT_HELD : ACCOUNT_ACTIVE;
	out->reason = a->index == 0 ? "wrong password \xff" : "";
	out->next_ms = a->index == 0 ? 3600000 : -1;
	out->messages_limit = 500;
}

void account_pause(struct account *a, const char *why)
{
	a->dispatch->paused[a->index]++;
	snprintf(a->dispatch->last, sizeof(a->dispatch->last), "%s", why);
}

void account_resume(struct account *a)
{
	a->dispatch->resumed[a->index]++;
}

const struct conf_account *account_settings(const struct account *a)
{
	(void)a;
	return NULL;
}

const struct credential *account_credential(const struct account *a)
{
	(void)a;
	return NULL;
}

/* --- messages ------------------------------------------------------------ */

const char *message_state_name(enum message_state state)
{
	return state == MESSAGE_FAILED ? "failed" : "waiting";
}

void dispatch_counts(const struct dispatch *d, struct dispatch_counts *out)
{
	memset(out, 0, sizeof(*out));
	out->queued = d->queued;
	out->failed = d->failed;
	out->failed_unseen = d->failed - d->seen;
}

static void fill(const struct dispatch *d, bool failed, uint64_t id,
	struct message_info *out)
{
	struct envelope *env;
	size_t i;

	memset(out, 0, sizeof(*out));
	out->id = id;
	out->state = failed ? MESSAGE_FAILED : MESSAGE_WAITING;
	out->next_ms = 1000;
	if (id == d->damaged)
		return;
	env = envelope_new();
	if (env == NULL || envelope_set_reverse_path(env, "a@x.org") != 0)
		abort();
	for (i = 0; i < d->recipients; i++) {
		if (envelope_add_rcpt(env, d->address) != 0 ||
			(d->reply != NULL && envelope_set_reply(&env->rcpts[i],
						     d->reply) != 0))
			abort();
		env->rcpts[i].notify = d->notify;
		if (d->orcpt != NULL &&
			envelope_set_orcpt(&env->rcpts[i], d->orcpt) != 0)
			abort();
	}
	env->ret = d->ret;
	if (d->envid != NULL && envelope_set_envid(env, d->envid) != 0)
		abort();
	out->envelope = env;
}

size_t dispatch_list(struct dispatch *d, bool failed, uint64_t after_id,
	struct message_info *out, size_t max)
{
	size_t count = failed ? d->failed : d->queued, n;

	if (max > d->list_max)
		d->list_max = max;
	for (n = 0; n < max && after_id + n < count; n++)
		fill(d, failed, after_id + n + 1, &out[n]);
	return n;
}

int dispatch_read(struct dispatch *d, uint64_t id, struct message_info *out,
	struct content **content_out, struct err *err)
{
	struct buf bytes;
	char *to;
	size_t i;

	if (id > d->queued)
		return err_set(err, ERR_SYNTAX, "no message of that id");
	/* without its bytes there is nothing to give of it */
	if (id == d->damaged && content_out == NULL)
		return err_set(err, ERR_DAMAGED, "it is damaged");
	fill(d, id <= d->failed, id, out);
	if (content_out == NULL)
		return 0;
	buf_init(&bytes, d->content_size);
	to = buf_reserve(&bytes, d->content_size);
	for (i = 0; i < d->content_size; i++)
		to[i] = (char)(i % 251);
	bytes.len = d->content_size;
	*content_out = d->content = content_of_buf(&bytes, 0);
	return 0;
}

static int change(
	struct dispatch *d, const char *what, uint64_t id, struct err *err)
{
	if (d->refuse)
		return err_set(err, ERR_LIMIT, "it is being sent just now");
	snprintf(d->last, sizeof(d->last), "%s %llu", what,
		(unsigned long long)id);
	return 0;
}

int dispatch_hold(struct dispatch *d, uint64_t id, struct err *err)
{
	return change(d, "hold", id, err);
}

int dispatch_release(struct dispatch *d, uint64_t id, struct err *err)
{
	return change(d, "release", id, err);
}

int dispatch_retry(struct dispatch *d, uint64_t id, struct err *err)
{
	return change(d, "retry", id, err);
}

int dispatch_delete(struct dispatch *d, uint64_t id, struct err *err)
{
	return change(d, "delete", id, err);
}

void dispatch_flush(struct dispatch *d)
{
	(void)change(d, "flush", 0, NULL);
}

void dispatch_seen(struct dispatch *d, uint64_t id)
{
	(void)id;
	d->seen++;
}

int dispatch_follow(struct dispatch *d, uint64_t id, follow_fn *fn, void *arg,
	struct err *err)
{
	if (d->refuse)
		return err_set(err, ERR_LIMIT, "too many follow");
	if (d->ended) {
		fn(arg, id, "delivered", "250", true);
		return 0;
	}
	d->follow = fn;
	d->follow_arg = arg;
	d->follow_id = id;
	return 0;
}

void dispatch_unfollow(struct dispatch *d, follow_fn *fn, void *arg)
{
	if (d->follow == fn && d->follow_arg == arg) {
		d->follow = NULL;
		d->unfollowed++;
	}
}
