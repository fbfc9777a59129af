/*
 * control_json.c - what the commands answer, as JSON objects.
 */
#include "config.h"

#include "relay/control_json.h"

#include "base/buf.h"
#include "base/counters.h"
#include "base/util.h"
#include "proto/dsn.h"
#include "relay/report.h"

#include <string.h>

enum {
	ROW_RECIPIENTS_MAX = 3,
	TEXT_MAX = 64 * 1024,
};

json_t *control_json_text(const char *text)
{
	static const char replacement[] = "\xef\xbf\xbd"; /* U+FFFD */
	struct buf clean;
	json_t *string;
	size_t i, n, len;
	int rc = 0;

	if (text == NULL)
		return json_null();
	string = json_string(text);
	if (string != NULL)
		return string;
	len = strlen(text);
	buf_init(&clean, TEXT_MAX);
	for (i = 0; i < len && rc == 0; i += n) {
		n = utf8_char_len(text + i, len - i);
		rc = n > 0 ? buf_add(&clean, text + i, n)
			   : buf_add_string(&clean, replacement);
		n = n > 0 ? n : 1;
	}
	string = json_stringn(clean.data, clean.len);
	buf_free(&clean);
	return string;
}

json_t *control_json_id(uint64_t id)
{
	char text[HEX64_SIZE];

	return json_string(hex64(text, id));
}

static void add_recipients(
	json_t *list, const struct envelope *env, enum rcpt_state state)
{
	size_t i;

	for (i = 0; i < env->rcpt_count &&
		    json_array_size(list) < ROW_RECIPIENTS_MAX;
		i++)
		if (env->rcpts[i].state == state)
			json_array_append_new(
				list, control_json_text(env->rcpts[i].address));
}

/* First those whom the reply in the same row is about. */
static json_t *row_recipients(const struct envelope *env)
{
	json_t *list = json_array();

	add_recipients(list, env, RCPT_FAILED);
	add_recipients(list, env, RCPT_REPORTED);
	add_recipients(list, env, RCPT_PENDING);
	add_recipients(list, env, RCPT_DELIVERED);
	return list;
}

/* The reply that tells most: of a recipient that failed, else that waits. */
static const char *telling_reply(const struct envelope *env)
{
	const char *found = NULL;
	size_t i;

	for (i = 0; i < env->rcpt_count; i++) {
		if (env->rcpts[i].reply == NULL ||
			env->rcpts[i].state == RCPT_DELIVERED)
			continue;
		if (env->rcpts[i].state != RCPT_PENDING)
			return env->rcpts[i].reply;
		if (found == NULL)
			found = env->rcpts[i].reply;
	}
	return found;
}

/* What the xtext of ENVID, or ORCPT, which is longer, stands for; JSON null for
 * NULL. */
static json_t *decoded(const char *xtext)
{
	char text[DSN_ORCPT_MAX + 1];

	if (xtext == NULL || strlen(xtext) > DSN_ORCPT_MAX)
		return json_null();
	dsn_decode(xtext, text);
	return control_json_text(text);
}

/* Words that are "" where nothing was said. */
static json_t *said(const char *words)
{
	return control_json_text(words[0] != '\0' ? words : NULL);
}

static void add_envelope(json_t *row, const struct envelope *env)
{
	json_object_set_new(row, "from", control_json_text(env->reverse_path));
	json_object_set_new(row, "to", row_recipients(env));
	json_object_set_new(row, "client", control_json_text(env->client));
	json_object_set_new(row, "account", said(env->account));
	json_object_set_new(row, "envid", decoded(env->envid));
	json_object_set_new(row, "ret", said(dsn_ret_name(env->ret)));
	json_object_set_new(
		row, "reply", control_json_text(telling_reply(env)));
	json_object_set_new(row, "reason", control_json_text(env->reason));
	json_object_update_new(
		row, json_pack("{s:I,s:I,s:I,s:I,s:I,s:I}", "recipients",
			     (json_int_t)env->rcpt_count, "pending",
			     (json_int_t)envelope_count(env, RCPT_PENDING),
			     "delivered",
			     (json_int_t)envelope_count(env, RCPT_DELIVERED),
			     "failed",
			     (json_int_t)(envelope_count(env, RCPT_FAILED) +
					  envelope_count(env, RCPT_REPORTED)),
			     "size", (json_int_t)env->size, "arrived_s",
			     (json_int_t)env->arrived_s));
	json_object_update_new(row,
		json_pack("{s:I,s:I,s:I,s:b,s:b,s:b,s:b,s:b}", "untold",
			(json_int_t)report_count(REPORT_FAILED, env),
			"attempts", (json_int_t)env->attempts, "waited_ms",
			(json_int_t)env->waited_ms, "eight_bit", env->eight_bit,
			"smtputf8", env->smtputf8, "report", env->report,
			"notified", env->notified, "seen", env->seen));
}

json_t *control_json_message(const struct message_info *info)
{
	json_t *row = json_pack("{s:o,s:s,s:b,s:I,s:o,s:b}", "id",
		control_json_id(info->id), "state",
		message_state_name(info->state), "in_journal", info->in_journal,
		"next_ms", (json_int_t)info->next_ms, "account_waits",
		control_json_text(info->account_waits), "damaged",
		info->envelope == NULL || info->envelope->damaged);

	if (row != NULL && info->envelope != NULL)
		add_envelope(row, info->envelope);
	return row;
}

json_t *control_json_rcpt(const struct envelope_rcpt *rcpt)
{
	static const char *const states[] = {
		[RCPT_PENDING] = "pending",
		[RCPT_DELIVERED] = "delivered",
		[RCPT_FAILED] = "failed",
		[RCPT_REPORTED] = "failed",
	};
	char notify[DSN_NOTIFY_SIZE];

	return json_pack("{s:o,s:s,s:o,s:o,s:o}", "address",
		control_json_text(rcpt->address), "state", states[rcpt->state],
		"reply", control_json_text(rcpt->reply), "notify",
		said(dsn_print_notify(rcpt->notify, notify)), "orcpt",
		decoded(rcpt->orcpt));
}

json_t *control_json_account(const struct account_info *info)
{
	json_t *row = json_pack("{s:o,s:o,s:o,s:i,s:s,s:b,s:o}", "name",
		control_json_text(info->name), "username",
		control_json_text(info->username), "host",
		control_json_text(info->host), "port", (int)info->port, "state",
		account_state_name(info->state), "paused_by_hand",
		info->paused_by_hand, "reason",
		control_json_text(info->reason));

	if (row == NULL)
		return NULL;
	json_object_update_new(
		row, json_pack("{s:I,s:b,s:b,s:I,s:I,s:I,s:I}", "next_ms",
			     (json_int_t)info->next_ms, "backing_off",
			     info->backing_off, "lasting", info->lasting,
			     "gap_ms", (json_int_t)info->gap_ms, "connections",
			     (json_int_t)info->connections, "messages_day",
			     (json_int_t)info->messages_day, "recipients_day",
			     (json_int_t)info->recipients_day));
	json_object_update_new(row,
		json_pack("{s:I,s:I,s:I,s:I}", "messages_limit",
			(json_int_t)info->messages_limit, "recipients_limit",
			(json_int_t)info->recipients_limit, "upstream_size",
			(json_int_t)info->upstream_size, "delivered",
			(json_int_t)info->delivered));
	return row;
}

json_t *control_json_counts(const struct dispatch_counts *counts)
{
	return json_pack("{s:I,s:I,s:I,s:I,s:I,s:I,s:b,s:I}", "queued",
		(json_int_t)counts->queued, "sending",
		(json_int_t)counts->sending, "held", (json_int_t)counts->held,
		"failed", (json_int_t)counts->failed, "failed_unseen",
		(json_int_t)counts->failed_unseen, "failed_untold",
		(json_int_t)counts->failed_untold, "starting", counts->starting,
		"oldest_ms", (json_int_t)counts->oldest_ms);
}

json_t *control_json_drop(const struct drop_counts *counts, int64_t now_s)
{
	int64_t oldest_s;

	if (counts == NULL)
		return json_null();
	/* a clock that was set back makes nothing younger than now */
	oldest_s = counts->waiting > 0 && counts->oldest_s < now_s
			   ? now_s - counts->oldest_s
			   : 0;
	return json_pack("{s:I,s:I,s:I,s:b}", "waiting",
		(json_int_t)counts->waiting, "oldest_ms",
		(json_int_t)(1000 * oldest_s), "refused",
		(json_int_t)counts->refused, "more", counts->more);
}

static json_t *quirks_json(const struct client_view *view)
{
	json_t *list = json_array();
	enum quirk quirk;

	for (quirk = 0; quirk < QUIRK_COUNT; quirk++)
		if (view->quirks[quirk] > 0)
			json_array_append_new(
				list, json_pack("{s:s,s:s,s:I}", "name",
					      quirk_name(quirk), "text",
					      quirk_text(quirk), "count",
					      (json_int_t)view->quirks[quirk]));
	return list;
}

json_t *control_json_clients(const struct receiver_counters *counters)
{
	json_t *list = json_array();
	char text[CLIENT_TEXT_SIZE];
	struct client_view view;
	int rc;
	size_t i;

	for (i = 0; counters != NULL && i < CLIENT_RECORDS_MAX; i++) {
		rc = client_record_read(&counters->clients[i], &view);
		if (rc == 0)
			break;
		if (rc < 0)
			continue;
		json_array_append_new(
			list, json_pack("{s:s,s:I,s:I,s:I,s:I,s:o}", "client",
				      client_view_text(&view, text), "first_s",
				      (json_int_t)view.first_s, "last_s",
				      (json_int_t)view.last_s, "accepted",
				      (json_int_t)view.accepted, "refused",
				      (json_int_t)view.refused, "quirks",
				      quirks_json(&view)));
	}
	return list;
}

static json_t *receiver_json(const struct receiver_counters *r)
{
	json_t *json = json_pack("{s:I,s:I,s:I,s:I}", "connections",
		(json_int_t)r->connections, "refused", (json_int_t)r->refused,
		"busy", (json_int_t)r->busy, "accepted",
		(json_int_t)r->accepted);

	json_object_update_new(
		json, json_pack("{s:I,s:I,s:I,s:I}", "accepted_bytes",
			      (json_int_t)r->accepted_bytes, "rejected",
			      (json_int_t)r->rejected, "deferred",
			      (json_int_t)r->deferred, "open_sessions",
			      (json_int_t)r->open_sessions));
	return json;
}

static json_t *relay_json(const struct relay_counters *r)
{
	json_t *json = json_pack("{s:I,s:I,s:I,s:I}", "delivered",
		(json_int_t)r->delivered, "delivered_recipients",
		(json_int_t)r->delivered_recipients, "attempts",
		(json_int_t)r->attempts, "deferred", (json_int_t)r->deferred);

	json_object_update_new(json,
		json_pack("{s:I,s:I,s:I,s:I}", "failed", (json_int_t)r->failed,
			"in_doubt", (json_int_t)r->in_doubt, "reports",
			(json_int_t)r->reports, "upstream_connections",
			(json_int_t)r->upstream_connections));
	return json;
}

json_t *control_json_counters(const struct counters *counters)
{
	json_t *json = json_object();

	if (counters != NULL && counters->receiver != NULL)
		json_object_set_new(
			json, "receiver", receiver_json(counters->receiver));
	if (counters != NULL && counters->relay != NULL)
		json_object_set_new(json, "relay", relay_json(counters->relay));
	return json;
}
