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

enum { PERSON_RECIPIENTS_MAX = 50, VALUE_MAX = 4096 };

static bool is_reported(const struct report *r, const struct envelope_rcpt *to)
{
	return to->state ==
	       (r->kind == REPORT_DELAYED ? RCPT_PENDING : RCPT_FAILED);
}

static size_t count_reported(const struct report *r)
{
	return envelope_count(r->original,
		r->kind == REPORT_DELAYED ? RCPT_PENDING : RCPT_FAILED);
}

/* --- for a person -------------------------------------------------------- */

static int write_recipients(const struct report *r, struct buf *out)
{
	const struct envelope *env = r->original;
	size_t i, shown = 0, count = count_reported(r);
	int rc = 0;

	for (i = 0; i < env->rcpt_count && shown < PERSON_RECIPIENTS_MAX; i++) {
		if (!is_reported(r, &env->rcpts[i]))
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
	snprintf(line, sizeof(line), "Arrived: %s from %s, %llu octets", date,
		env->client, (unsigned long long)env->size);
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

int report_person_text(
	const struct report *r, const char *subject, struct buf *out)
{
	char line[VALUE_MAX];
	int rc;

	snprintf(line, sizeof(line), "This is the mail relay on %s.",
		r->hostname[0] != '\0' ? r->hostname : "this host");
	rc = report_wrap(out, "", line);
	snprintf(line, sizeof(line), "Your message %s to:",
		r->kind == REPORT_DELAYED
			? "has not been delivered yet, but is still tried,"
		: r->original->damaged
			? "was damaged on this machine, and cannot be delivered"
			: "could not be delivered");
	rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	rc |= buf_add(out, "\r\n", 2) | write_recipients(r, out);
	if (r->original->reason != NULL && r->kind == REPORT_FAILED) {
		snprintf(line, sizeof(line), "Why: %s", r->original->reason);
		rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	}
	if (r->advice != NULL && r->advice[0] != '\0') {
		snprintf(line, sizeof(line), "What to do: %s", r->advice);
		rc |= buf_add(out, "\r\n", 2) | report_wrap(out, "", line);
	}
	rc |= write_about(r, subject, out);
	return rc | (r->kind == REPORT_DELAYED ? write_delayed_end(r, out)
					       : write_failed_end(r, out));
}

/* --- for programs -------------------------------------------------------- */

/* RFC 3463: what the reply says; without one, 4.4.7 (delivery time expired)
 * for what was given up, 4.0.0 for what still waits. 5.3.0 (trouble of the mail
 * system) is ours. */
static void status_of(const struct report *r, const struct reply *reply,
	char *text, size_t size)
{
	if (r->original->damaged)
		snprintf(text, size, "5.3.0");
	else if (reply->enhanced[0] != '\0')
		snprintf(text, size, "%s", reply->enhanced);
	else if (reply->code >= 400)
		snprintf(text, size, "%d.0.0", reply->code / 100);
	else
		snprintf(text, size, "%s",
			r->kind == REPORT_DELAYED ? "4.0.0" : "4.4.7");
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

int report_status_rcpt(
	const struct report *r, const struct envelope_rcpt *to, struct buf *out)
{
	char status[REPLY_ENHANCED_MAX + 1], line[VALUE_MAX], date[64];
	struct reply reply;
	int rc;

	reply_init(&reply);
	/* nobody else is to blame for what was damaged here */
	if (to->reply == NULL || r->original->damaged ||
		reply_scan(&reply, to->reply) != 0)
		reply_init(&reply);
	status_of(r, &reply, status, sizeof(status));
	rc = buf_add(out, "\r\n", 2);
	rc |= write_final_recipient(to->address, out);
	rc |= report_field(out, "Action",
		r->kind == REPORT_DELAYED ? "delayed" : "failed");
	rc |= report_field(out, "Status", status);
	if (r->remote != NULL && r->remote[0] != '\0' &&
		!r->original->damaged) {
		snprintf(line, sizeof(line), "dns; %s", r->remote);
		rc |= report_field(out, "Remote-MTA", line);
	}
	if (reply.code > 0) {
		snprintf(line, sizeof(line), "smtp; %s", to->reply);
		rc |= report_field(out, "Diagnostic-Code", line);
	}
	if (r->original->attempts > 0) {
		date_print(r->now_s, 0, date, sizeof(date));
		rc |= report_field(out, "Last-Attempt-Date", date);
	}
	if (r->kind == REPORT_DELAYED && r->expire_s >= 0) {
		date_print(r->now_s + r->expire_s, 0, date, sizeof(date));
		rc |= report_field(out, "Will-Retry-Until", date);
	}
	return rc;
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
	size_t i, written = 0;
	int rc = report_status_message(r, out);

	date_print(env->arrived_s, 0, date, sizeof(date));
	rc |= report_field(out, "Arrival-Date", date);
	for (i = 0; i < env->rcpt_count; i++) {
		if (!is_reported(r, &env->rcpts[i]))
			continue;
		if (written++ == REPORT_RECIPIENTS_MAX)
			break;
		rc |= report_status_rcpt(r, &env->rcpts[i], out);
	}
	return rc;
}
