/*
 * report_parts.c - what happened, in words for a person and in fields.
 */
#include "config.h"

#include "relay/report_parts.h"

#include "base/date.h"
#include "base/util.h"
#include "proto/header.h"
#include "proto/reply.h"
#include "relay/report_text.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

enum { PERSON_RECIPIENTS_MAX = 50, VALUE_MAX = 4096 };

/* --- for a person -------------------------------------------------------- */

static int write_recipients(
	const struct envelope *env, enum report_kind kind, struct buf *out)
{
	size_t i, shown = 0, count = report_count(kind, env);
	int rc = 0;

	for (i = 0; i < env->rcpt_count && shown < PERSON_RECIPIENTS_MAX; i++) {
		if (!report_is_wanted(kind, &env->rcpts[i]))
			continue;
		rc |= report_wrap(out, "  ", env->rcpts[i].address);
		if (env->rcpts[i].reply != NULL) {
			rc |= report_wrap(out, "      ", "The answer was:");
			rc |= report_wrap(out, "      ", env->rcpts[i].reply);
		}
		shown++;
	}
	if (count > shown)
		rc |= buf_addf(out, "  and %zu more\r\n", count - shown);
	return rc;
}

static int write_about(
	const struct report *r, const char *subject, struct buf *out)
{
	const struct envelope *env = r->original;
	char date[64], line[VALUE_MAX];
	int rc;

	rc = buf_add_string(out, "\r\nThe message:\r\n\r\n");
	snprintf(line, sizeof(line), "Subject: %s",
		subject != NULL && subject[0] != '\0' ? subject : "(none)");
	rc |= report_wrap(out, "  ", line);
	snprintf(line, sizeof(line), "From: <%s>", env->reverse_path);
	rc |= report_wrap(out, "  ", line);
	date_print(env->arrived_s, 0, date, sizeof(date));
	snprintf(line, sizeof(line), "Arrived: %s from %s, %llu octet%s", date,
		env->client, (unsigned long long)env->size, plural(env->size));
	return rc | report_wrap(out, "  ", line);
}

static int write_failed_end(const struct report *r, struct buf *out)
{
	char line[VALUE_MAX], id[HEX64_SIZE];

	/* refused at the door: nothing is kept */
	if (r->original->id == 0)
		return 0;
	hex64(id, r->original->id);
	if (r->original->damaged)
		snprintf(line, sizeof(line),
			"What is left of the message is kept on %s for a "
			"while. There, \"gmrelayctl queue cat %s\" shows it.",
			r->hostname, id);
	else
		snprintf(line, sizeof(line),
			"The message is kept on %s for a while. There, \"gmrelayctl "
			"queue show %s\" shows it and \"gmrelayctl queue retry %s\" "
			"sends it again.",
			r->hostname, id, id);
	return buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
}

static int write_delayed_end(const struct report *r, struct buf *out)
{
	char line[VALUE_MAX], date[64];

	if (r->expire_s >= 0) {
		date_print(r->now_s + r->expire_s, 0, date, sizeof(date));
		snprintf(line, sizeof(line),
			"It will be tried again until %s. You need not send it "
			"again; if it cannot be delivered by then, you will be "
			"told.",
			date);
	} else {
		snprintf(line, sizeof(line),
			"It will be tried again. You need not send it again; "
			"if it cannot be delivered, you will be told.");
	}
	return buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
}

static const char *remote_name(const struct report *r)
{
	return r->remote != NULL && r->remote[0] != '\0' ? r->remote
							 : "the next server";
}

static int write_relayed_end(const struct report *r, struct buf *out)
{
	char line[VALUE_MAX];

	snprintf(line, sizeof(line),
		"You asked to be told. This is no proof that the message has "
		"arrived: %s does not say what becomes of it, and no further "
		"report may come.",
		remote_name(r));
	return buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
}

/* Others of the same message, in a report of failures. */
static int write_also_relayed(const struct report *r, struct buf *out)
{
	char line[VALUE_MAX];
	int rc;

	if (report_count(REPORT_RELAYED, r->original) == 0)
		return 0;
	snprintf(line, sizeof(line),
		"It was handed over to %s for:", remote_name(r));
	rc = buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	rc |= buf_add(out, "\r\n", 2) |
	      write_recipients(r->original, REPORT_RELAYED, out);
	return rc | write_relayed_end(r, out);
}

static void say_what_happened(const struct report *r, char *line, size_t size)
{
	if (r->kind == REPORT_RELAYED)
		snprintf(line, size,
			"Your message was handed over to %s, which took it, "
			"for:",
			remote_name(r));
	else
		snprintf(line, size, "Your message %s to:",
			r->kind == REPORT_DELAYED
				? "has not been delivered yet, but is still "
				  "tried,"
			: r->original->damaged
				? "was damaged on this machine, and cannot be "
				  "delivered"
				: "could not be delivered");
}

static int write_end(const struct report *r, struct buf *out)
{
	static int (*const ends[])(const struct report *r, struct buf *out) = {
		[REPORT_FAILED] = write_failed_end,
		[REPORT_DELAYED] = write_delayed_end,
		[REPORT_RELAYED] = write_relayed_end,
	};

	return ends[r->kind](r, out);
}

int report_person_text(
	const struct report *r, const char *subject, struct buf *out)
{
	char line[VALUE_MAX];
	int rc;

	snprintf(line, sizeof(line), "This is the mail relay on %s.",
		r->hostname[0] != '\0' ? r->hostname : "this host");
	rc = report_wrap(out, "", line);
	say_what_happened(r, line, sizeof(line));
	rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	rc |= buf_add(out, "\r\n", 2) |
	      write_recipients(r->original, r->kind, out);
	if (r->original->reason != NULL && r->kind == REPORT_FAILED) {
		snprintf(line, sizeof(line), "Why: %s", r->original->reason);
		rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	}
	if (r->advice != NULL && r->advice[0] != '\0') {
		snprintf(line, sizeof(line), "What to do: %s", r->advice);
		rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	}
	if (r->kind == REPORT_FAILED)
		rc |= write_also_relayed(r, out);
	rc |= write_about(r, subject, out);
	return rc | write_end(r, out);
}

/* --- for programs -------------------------------------------------------- */

/* How RFC 3464 2.3.3 calls it, and its status where no reply tells one: given
 * up is 4.4.7 (delivery time expired). */
static const struct {
	const char *action;
	const char *status;
} actions[] = {
	[REPORT_FAILED] = {"failed", "4.4.7"},
	[REPORT_DELAYED] = {"delayed", "4.0.0"},
	[REPORT_RELAYED] = {"relayed", "2.0.0"},
};

/* Nobody else is to blame for what was damaged here. */
static bool is_damage(const struct report *r, enum report_kind kind)
{
	return kind == REPORT_FAILED && r->original->damaged;
}

/* RFC 3463: what the reply says. 5.3.0 (trouble of the mail system) is ours. */
static void status_of(const struct report *r, enum report_kind kind,
	const struct reply *reply, char text[REPLY_ENHANCED_MAX + 1])
{
	const size_t size = REPLY_ENHANCED_MAX + 1;

	if (is_damage(r, kind))
		snprintf(text, size, "5.3.0");
	else if (reply->enhanced[0] != '\0')
		snprintf(text, size, "%s", reply->enhanced);
	else if (reply->code >= 400)
		snprintf(text, size, "%d.0.0", reply->code / 100);
	else
		snprintf(text, size, "%s", actions[kind].status);
}

/* RFC 3464 2.2.1 and 2.3.1: what the sender said, no more xtext. Not folded, so
 * that its blanks stay as they are. */
static int write_envelope_id(const struct envelope *env, struct buf *out)
{
	char id[DSN_ENVID_TEXT_MAX + 1];

	if (env->envid == NULL)
		return 0;
	dsn_decode(env->envid, id);
	return buf_addf(out, "Original-Envelope-Id: %s\r\n", id);
}

static int write_original_recipient(const char *orcpt, struct buf *out)
{
	static const char utf8[] = "utf-8;";
	char address[DSN_ORCPT_MAX + 1];
	const size_t type = strcspn(orcpt, ";");
	struct buf value;
	int rc;

	dsn_decode(orcpt + type + 1, address);
	if (strncasecmp(orcpt, utf8, sizeof(utf8) - 1) != 0)
		return buf_addf(out, "Original-Recipient: %.*s; %s\r\n",
			(int)type, orcpt, address);
	buf_init(&value, VALUE_MAX);
	rc = buf_add_string(&value, "utf-8; ");
	rc |= report_utf8_orcpt(&value, address);
	rc |= report_field(out, "Original-Recipient", value.data);
	buf_free(&value);
	return rc;
}

static int write_final_recipient(const char *address, struct buf *out)
{
	struct buf value;
	int rc;

	buf_init(&value, VALUE_MAX);
	if (string_is_ascii(address)) {
		rc = buf_addf(&value, "rfc822; %s", address);
	} else {
		rc = buf_add_string(&value, "utf-8; ");
		rc |= report_utf8_address(&value, address);
	}
	rc |= report_field(out, "Final-Recipient", value.data);
	buf_free(&value);
	return rc;
}

static int write_dates(
	const struct report *r, enum report_kind kind, struct buf *out)
{
	char date[64];
	int rc = 0;

	if (r->original->attempts > 0) {
		date_print(r->now_s, 0, date, sizeof(date));
		rc |= report_field(out, "Last-Attempt-Date", date);
	}
	if (kind == REPORT_DELAYED && r->expire_s >= 0) {
		date_print(r->now_s + r->expire_s, 0, date, sizeof(date));
		rc |= report_field(out, "Will-Retry-Until", date);
	}
	return rc;
}

int report_status_rcpt(const struct report *r, enum report_kind kind,
	const struct envelope_rcpt *to, struct buf *out)
{
	char status[REPLY_ENHANCED_MAX + 1], line[VALUE_MAX];
	struct reply reply;
	int rc;

	reply_init(&reply);
	if (to->reply == NULL || is_damage(r, kind) ||
		reply_scan(&reply, to->reply) != 0)
		reply_init(&reply);
	status_of(r, kind, &reply, status);
	rc = buf_add(out, "\r\n", 2);
	if (to->orcpt != NULL)
		rc |= write_original_recipient(to->orcpt, out);
	rc |= write_final_recipient(to->address, out);
	rc |= report_field(out, "Action", actions[kind].action);
	rc |= report_field(out, "Status", status);
	if (r->remote != NULL && r->remote[0] != '\0' && !is_damage(r, kind)) {
		snprintf(line, sizeof(line), "dns; %s", r->remote);
		rc |= report_field(out, "Remote-MTA", line);
	}
	if (reply.code > 0) {
		snprintf(line, sizeof(line), "smtp; %s", to->reply);
		rc |= report_field(out, "Diagnostic-Code", line);
	}
	return rc | write_dates(r, kind, out);
}

/* Which kind of report this recipient is of, in r. Returns false: none. */
static bool find_kind(const struct report *r, const struct envelope_rcpt *to,
	enum report_kind *kind_out)
{
	*kind_out = r->kind;
	if (report_is_wanted(r->kind, to))
		return true;
	*kind_out = REPORT_RELAYED;
	return r->kind == REPORT_FAILED && report_is_wanted(REPORT_RELAYED, to);
}

int report_status_message(const struct report *r, struct buf *out)
{
	char line[VALUE_MAX];

	snprintf(line, sizeof(line), "dns; %s",
		r->hostname[0] != '\0' ? r->hostname : "localhost");
	return report_field(out, "Reporting-MTA", line);
}

int report_status_text(const struct report *r, struct buf *out)
{
	const struct envelope *env = r->original;
	char date[64];
	enum report_kind kind;
	size_t i, written = 0;
	int rc = write_envelope_id(env, out);

	rc |= report_status_message(r, out);
	date_print(env->arrived_s, 0, date, sizeof(date));
	rc |= report_field(out, "Arrival-Date", date);
	for (i = 0; i < env->rcpt_count; i++) {
		if (!find_kind(r, &env->rcpts[i], &kind))
			continue;
		if (written++ == REPORT_RECIPIENTS_MAX)
			break;
		rc |= report_status_rcpt(r, kind, &env->rcpts[i], out);
	}
	return rc;
}
