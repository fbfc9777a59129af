/*
 * dispatch_damaged.c - messages that are not what they were.
 *
 * A disk that fails, somebody who wrote into the spool, or a power cut behind a
 * sync that failed. Such a message goes to failed/ with all that is left of it,
 * and is told once; it is never sent. Where its envelope can be read it fails
 * like any other, with a report; else its bytes are kept as they are. Nothing
 * of it goes before a person deletes it, or failed-keep ends.
 *
 * One that was refused with 451 and came back by a power cut, in part, cannot
 * be told from one that was acknowledged: the report says so.
 */
#include "config.h"

#include "base/log.h"
#include "base/util.h"
#include "relay/dispatch_internal.h"
#include "spool/journal.h"
#include "spool/queue.h"

#include <stdio.h>

static const char advice[] =
	"Send it again, unless it has arrived. (If it was not taken when you "
	"sent it, and you have done so already, forget about this report.)";

/* The bytes of the record or file; the envelope begins at *at. */
static int read_bytes(struct dispatch *d, const struct message *m,
	struct buf *out, size_t *at, struct err *err)
{
	int rc;

	*at = 0;
	if (m->place.segment == NULL)
		return queue_read_bytes(d->queue_fd, m->id, out, err);
	rc = journal_reader_read(d->journal, &m->place, out, err);
	*at = out->len < JOURNAL_HEAD_SIZE ? out->len : JOURNAL_HEAD_SIZE;
	return rc;
}

static void tell(
	struct dispatch *d, const struct message *m, const struct err *why)
{
	struct log_text text;
	char id[HEX64_SIZE];

	log_err("spool-damaged id=%s reason=%s advice=\"set aside in failed/: "
		"gmrelayctl queue cat shows what is left of it, queue delete "
		"drops it; the disk or the memory of this machine is failing, "
		"or somebody has written into the spool\"",
		hex64(id, m->id), log_text(&text, why->text));
	dispatch_tell(d, m->id, "failed", why->text, true);
	d->counters->relay->failed++;
}

/* Nothing is left, or what is there now is none of ours. */
static void forget(struct dispatch *d, struct message *m, const struct err *why)
{
	struct log_text text;
	char id[HEX64_SIZE];

	log_err("spool-missing id=%s reason=%s advice=\"somebody has removed "
		"or replaced its file in queue/: the message is lost\"",
		hex64(id, m->id), log_text(&text, why->text));
	dispatch_tell(d, m->id, "failed", why->text, true);
	d->counters->relay->failed++;
	dispatch_drop(d, m);
	d->on_change(d->change_arg);
}

/* Everybody who did not get it is told of. */
static void fail(struct dispatch *d, struct message *m, struct envelope *env,
	struct content *content)
{
	struct report_wish wish = {m, env, content, REPORT_FAILED, advice};
	uint64_t report_key;
	struct buf report;
	size_t i;

	buf_init(&report, QUEUE_FILE_MAX);
	for (i = 0; i < env->rcpt_count; i++)
		if (env->rcpts[i].state == RCPT_PENDING)
			env->rcpts[i].state = RCPT_FAILED;
	report_key = dispatch_report_outcome(d, &wish, env, &report);
	dispatch_fail(d, m, env, content, &report, report_key);
}

/* *bytes from at on is what is left of the message's text. */
static void set_aside(struct dispatch *d, struct message *m,
	struct envelope *env, struct buf *bytes, size_t at)
{
	struct content *content;

	if (env->body_name == 0) {
		env->size = bytes->len - at;
		content = content_of_buf(bytes, at);
	} else {
		content = content_of_file(d->large_fd, env->body_name,
			env->size, env->body_check, NULL);
	}
	fail(d, m, env, content);
	content_free(&content);
}

void dispatch_damaged(
	struct dispatch *d, struct message *m, const struct err *why)
{
	char reason[ENVELOPE_REASON_MAX];
	struct envelope *env = NULL;
	const char *left = "";
	struct buf bytes;
	size_t at, used, left_len = 0;
	struct err err;

	buf_init(&bytes, QUEUE_FILE_MAX);
	if (read_bytes(d, m, &bytes, &at, &err) != 0 &&
		err.kind != ERR_DAMAGED) {
		dispatch_read_later(d, m, &err);
		buf_free(&bytes);
		return;
	}
	if (m->place.segment == NULL && !queue_is_file(d->queue_fd, m->id)) {
		forget(d, m, why);
		buf_free(&bytes);
		return;
	}
	tell(d, m, why);
	/* of a file that is too long nothing was read */
	if (bytes.len > at) {
		left = bytes.data + at;
		left_len = bytes.len - at;
		env = envelope_parse(left, left_len, &used, NULL);
	}
	if (env != NULL && env->id == m->id) {
		env->damaged = true;
		snprintf(reason, sizeof(reason), "damaged in the spool: %.200s",
			why->text);
		if (envelope_set_reason(env, reason) != 0)
			bug("out of memory for a reason");
		set_aside(d, m, env, &bytes, at + used);
	} else {
		dispatch_keep_bytes(d, m, left, left_len);
	}
	envelope_free(&env);
	buf_free(&bytes);
}
