/*
 * report_digest.c - one report about many messages that failed.
 */
#include "config.h"

#include "relay/report_digest.h"

#include "base/date.h"
#include "base/util.h"
#include "relay/report_cap.h"
#include "relay/report_internal.h"
#include "relay/report_parts.h"
#include "relay/report_text.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	LINE_MAX_OCTETS = 4096,
	SUBJECT_DECODED_MAX = 4 * REPORT_SUBJECT_MAX,
};

struct digest {
	struct buf text;   /* the list, for a person */
	struct buf status; /* groups of fields, for programs */
	const char *hostname;
	size_t count;
	bool full; /* something did not fit */
};

struct digest *digest_new(const char *hostname)
{
	struct digest *d = xcalloc(1, sizeof(*d));

	d->hostname = hostname;
	buf_init(&d->text, REPORT_SIZE_MAX);
	buf_init(&d->status, REPORT_SIZE_MAX);
	return d;
}

void digest_free(struct digest **dp)
{
	struct digest *d = *dp;

	*dp = NULL;
	if (d == NULL)
		return;
	buf_free(&d->text);
	buf_free(&d->status);
	free(d);
}

size_t digest_count(const struct digest *d)
{
	return d->count;
}

/* --- one message --------------------------------------------------------- */

static int list_subject(struct digest *d, struct content *content)
{
	struct report_original original;
	struct buf subject;
	char line[LINE_MAX_OCTETS];
	int rc;

	buf_init(&subject, SUBJECT_DECODED_MAX);
	report_original_read(&original, content);
	rc = report_decode_words(
		&subject, original.subject.data, original.subject.len);
	snprintf(line, sizeof(line), "Subject: %s",
		subject.len > 0 ? subject.data : "(none)");
	rc |= report_wrap(&d->text, "     ", line);
	report_original_free(&original);
	buf_free(&subject);
	return rc;
}

static int list_recipient(
	struct digest *d, const struct envelope_rcpt *to, bool damaged)
{
	char line[LINE_MAX_OCTETS];
	int rc;

	snprintf(line, sizeof(line), "To: %s", to->address);
	rc = report_wrap(&d->text, "     ", line);
	if (to->reply == NULL || damaged)
		return rc;
	snprintf(line, sizeof(line), "The answer was: %s", to->reply);
	return rc | report_wrap(&d->text, "     ", line);
}

static int list_recipients(
	struct digest *d, const struct envelope *env, int64_t failed_s)
{
	const struct report r = {
		.kind = REPORT_FAILED,
		.original = env,
		.now_s = failed_s,
	};
	char id[HEX64_SIZE];
	size_t i, shown = 0, count = report_count(REPORT_FAILED, env);
	int rc = 0;

	for (i = 0; i < env->rcpt_count && shown < DIGEST_RECIPIENTS_MAX; i++) {
		if (!report_is_wanted(REPORT_FAILED, &env->rcpts[i]))
			continue;
		rc |= list_recipient(d, &env->rcpts[i], env->damaged);
		rc |= report_status_rcpt(
			&r, REPORT_FAILED, &env->rcpts[i], &d->status);
		rc |= report_field(
			&d->status, "X-Gmrelayd-Id", hex64(id, env->id));
		shown++;
	}
	if (count > shown)
		rc |= buf_addf(&d->text, "     and %zu more recipient%s\r\n",
			count - shown, plural(count - shown));
	return rc;
}

void digest_add(struct digest *d, const struct envelope *env,
	struct content *content, int64_t failed_s)
{
	char line[LINE_MAX_OCTETS], date[64], id[HEX64_SIZE];
	int rc;

	if (d->count == DIGEST_MESSAGES_MAX)
		return;
	d->count++;
	date_print(failed_s, 0, date, sizeof(date));
	rc = buf_addf(&d->text, "\r\n  %zu. Given up: %s\r\n", d->count, date);
	rc |= list_subject(d, content);
	rc |= list_recipients(d, env, failed_s);
	if (env->reason != NULL) {
		snprintf(line, sizeof(line), "Why: %s", env->reason);
		rc |= report_wrap(&d->text, "     ", line);
	}
	rc |= buf_addf(&d->text, "     Id: %s\r\n", hex64(id, env->id));
	d->full |= rc != 0;
}

/* --- the whole ----------------------------------------------------------- */

static int write_text(
	const struct digest *d, const struct digest_params *p, struct buf *out)
{
	const char *here = d->hostname[0] != '\0' ? d->hostname : "this host";
	char line[LINE_MAX_OCTETS];
	int rc;

	snprintf(line, sizeof(line), "This is the mail relay on %s.", here);
	rc = report_wrap(out, "", line);
	snprintf(line, sizeof(line),
		"%zu of your messages could not be delivered. At most %d "
		"reports an hour reach you one by one; what there is to tell "
		"beyond comes together, like this.",
		p->messages, REPORT_CAP_SINGLES);
	rc |= buf_add_string(out, "\r\n") | report_wrap(out, "", line);
	snprintf(line, sizeof(line),
		"What to do: look at the answers below. So many failures "
		"mostly have one cause: a program that writes to a wrong "
		"address, or far too often. The messages are kept on %s for a "
		"while. There, these commands show all of them, show one, and "
		"send it again:",
		here);
	rc |= buf_add_string(out, "\r\n") | report_wrap(out, "", line);
	rc |= buf_add_string(out, "\r\n"
				  "  gmrelayctl queue list --failed\r\n"
				  "  gmrelayctl queue show ID\r\n"
				  "  gmrelayctl queue retry ID\r\n");
	if (p->messages > d->count)
		rc |= buf_addf(out, "\r\n%zu of the %zu messages:\r\n",
			d->count, p->messages);
	return rc | buf_add(out, d->text.data, d->text.len);
}

static int write_parts(const struct digest *d, const struct report *r,
	struct buf *text, struct buf *out)
{
	int rc = report_part(r, "text/plain", text, out);

	buf_clear(text);
	rc |= report_status_message(r, text);
	rc |= buf_add(text, d->status.data, d->status.len);
	rc |= report_part(r, "message/delivery-status", text, out);
	return rc | report_parts_end(r, out);
}

int digest_write(const struct digest *d, const struct digest_params *p,
	struct buf *out, struct err *err)
{
	const struct report r = {
		.kind = REPORT_FAILED,
		.to = p->to,
		.from = p->from,
		.hostname = d->hostname,
		.id = p->id,
		.now_s = p->now_s,
	};
	char subject[64];
	struct buf text;
	int rc;

	snprintf(subject, sizeof(subject), "Undelivered: %zu message%s",
		p->messages, plural(p->messages));
	buf_init(&text, REPORT_SIZE_MAX);
	rc = report_header(&r, subject, NULL, false, out);
	rc |= write_text(d, p, &text);
	rc |= write_parts(d, &r, &text, out);
	buf_free(&text);
	if (rc != 0 || d->full)
		return err_set(err, ERR_LIMIT, "the digest does not fit");
	return 0;
}
