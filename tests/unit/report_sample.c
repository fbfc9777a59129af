/*
 * report_sample.c - reports to look at: the kinds and the hard cases.
 */
#include "config.h"

#include "report_sample.h"

#include "base/util.h"
#include "relay/report_digest.h"

#include <stdlib.h>
#include <string.h>

#define REPLY_LONG                                                             \
	"550 5.1.1 The email account that you tried to reach does not exist. " \
	"Please try double-checking the recipient's email address for typos "  \
	"or unnecessary spaces. For more information, go to "                  \
	"https://support.google.com/mail/?p=NoSuchUser x-1 - gsmtp"

const struct report_sample report_samples[] = {
	{.name = "plain",
		.kind = REPORT_FAILED,
		.message = "Subject: The monthly figures\r\n"
			   "Message-ID: <one@device.example.org>\r\n"
			   "From: <device@example.org>\r\n\r\nbody\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.remote = "smtp.gmail.com",
		.advice = "Check the address.",
		.reason = "refused for good",
		.expire_s = -1,
		.rcpts = {{"nobody@example.net", RCPT_FAILED, REPLY_LONG},
			{"fine@example.net", RCPT_DELIVERED, "250 2.0.0 OK"}}},
	{.name = "delayed",
		.kind = REPORT_DELAYED,
		.message = "Subject: =?utf-8?q?Gr=C3=BC=C3=9Fe?= from\r\n"
			   "\t=?ISO-8859-1?B?S/ZsbiE=?=\r\n\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = 400000,
		.rcpts = {{"slow@example.net", RCPT_PENDING,
				  "450 4.2.1 too quickly"},
			{"bad@example.net", RCPT_FAILED, "550 5.1.1 no"}}},
	{.name = "expired",
		.kind = REPORT_FAILED,
		.message = "Subject: \r\n\r\n",
		.to = "device@example.org",
		.hostname = "[192.0.2.1]",
		.reason = "could not be delivered for 5 days",
		.expire_s = -1,
		.rcpts = {{"a@example.net", RCPT_FAILED, NULL},
			{"b@example.net", RCPT_FAILED, "451 busy"}}},
	{.name = "raw utf8",
		.kind = REPORT_FAILED,
		.message = "Subject: Gr\xc3\xbc\xc3\x9f"
			   "e an alle, die das hier lesen, und noch viel mehr "
			   "W\xc3\xb6rter als in eine Zeile passen\r\n"
			   "X-Raw: \xff\xfe bytes \x01 and more\r\n"
			   "From: \xe4\xb8\xad@example.org\r\n\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.advice = "Pr\xc3\xbc"
			  "fe die Adresse.",
		.expire_s = -1,
		.rcpts = {{"\xe4\xb8\xad\xe6\x96\x87+x@example.net",
			RCPT_FAILED,
			"553 5.1.3 <\xe4\xb8\xad> is not\x01 valid"}}},
	{.name = "latin1 subject",
		.kind = REPORT_FAILED,
		.message =
			"Subject: K\xf6ln\r\nMessage-ID: <no at sign>\r\n\r\n",
		.to = "device@example.org",
		.hostname = "",
		.expire_s = -1,
		.rcpts = {{"a@example.net", RCPT_FAILED, "554 5.6.0 x"}}},
	{.name = "unreadable",
		.kind = REPORT_FAILED,
		.message = NULL,
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.rcpts = {{"a@example.net", RCPT_FAILED, "554 5.6.0 x"}}},
	{.name = "hostile",
		.kind = REPORT_FAILED,
		.message =
			"Subject: x\r\n --=_0011223344556677\r\n y =?utf-8?q?"
			"=0D=0ABcc:_evil@example.com?=\r\n"
			"Message-ID: <a@b>\r\n <c@d>\r\n\r\n",
		.to = "device@example.org",
		.hostname = "evil\r\nX-Injected: yes",
		.expire_s = -1,
		.rcpts = {{"\"a\\\" b\"@example.net", RCPT_FAILED,
			"550 5.1.1 x\r\nAction: delivered"}}},
	{.name = "no line end",
		.kind = REPORT_FAILED,
		.message = "Subject: only this",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 no"}}},
	{.name = "relayed",
		.kind = REPORT_RELAYED,
		.message = "Subject: Signed\r\n\r\nbody\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.remote = "smtp.gmail.com",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.envid = "QQ+2B314+20159",
		.rcpts = {{"asked@example.net", RCPT_DELIVERED, "250 2.0.0 OK"},
			{"plain@example.net", RCPT_DELIVERED, "250 ok"},
			{"unasked@example.net", RCPT_DELIVERED, "250 2.0.0 OK"},
			{"failing@example.net", RCPT_FAILED, "550 5.1.1 no"}},
		.notify = {DSN_SUCCESS, DSN_SUCCESS | DSN_DELAY, 0,
			DSN_SUCCESS},
		.orcpt = {"rfc822;first+2Blast@example.net",
			"utf-8;\xe4\xb8\xad\\x{2B}@example.net"}},
	{.name = "failed and relayed",
		.kind = REPORT_FAILED,
		.message = "Subject: Both\r\n\r\nbody\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.remote = "smtp.gmail.com",
		.expire_s = -1,
		.ret = DSN_RET_HDRS,
		.rcpts = {{"asked@example.net", RCPT_DELIVERED, "250 2.0.0 OK"},
			{"bad@example.net", RCPT_FAILED, "550 5.1.1 no"},
			{"secret@example.net", RCPT_FAILED, "550 5.1.1 no"}},
		.notify = {DSN_SUCCESS | DSN_FAILURE, DSN_FAILURE, DSN_NEVER},
		.orcpt = {NULL, "rfc822;bad@old.example.net"}},
	{.name = "returned",
		.kind = REPORT_FAILED,
		.message = "Subject: Whole\r\n"
			   "Message-ID: <two@device.example.org>\r\n\r\n"
			   "The body, 7-bit.\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.size_max = 100000,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 5.1.1 no"}}},
	{.name = "returned 8bit",
		.kind = REPORT_FAILED,
		.message = "Subject: Whole\r\nMIME-Version: 1.0\r\n"
			   "Content-Type: text/plain; charset=utf-8\r\n"
			   "Content-Transfer-Encoding: 8bit\r\n\r\n"
			   "Gr\xc3\xbc\xc3\x9f"
			   "e\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.eight_bit = true,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 5.1.1 no"}}},
	{.name = "raw header returned",
		.kind = REPORT_FAILED,
		.message = "Subject: Gr\xc3\xbc\xc3\x9f"
			   "e\r\n\r\nThe body.\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 5.1.1 no"}}},
	{.name = "refused content",
		.kind = REPORT_FAILED,
		.message = "Subject: Virus\r\n\r\nThe body.\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 5.1.1 no"},
			{"b@example.net", RCPT_FAILED,
				"552 5.7.0 This message was blocked"}}},
	{.name = "upstream takes less",
		.kind = REPORT_FAILED,
		.message = "Subject: Whole\r\n\r\nThe body.\r\n",
		.to = "device@example.org",
		.hostname = "relay.example.org",
		.expire_s = -1,
		.ret = DSN_RET_FULL,
		.size_max = 1000,
		.rcpts = {{"a@example.net", RCPT_FAILED, "550 5.1.1 no"}}},
};
const size_t report_sample_count = COUNT_OF(report_samples);

static struct envelope *sample_envelope(const struct report_sample *sample)
{
	struct envelope *env = envelope_new();
	size_t i;

	if (env == NULL)
		abort();
	env->id = 0x0123456789abcdef;
	env->arrived_s = 1790000000;
	env->size = sample->message != NULL ? strlen(sample->message) : 1234;
	env->attempts = 3;
	memcpy(env->client, "10.0.0.31", sizeof("10.0.0.31"));
	if (envelope_set_reverse_path(env, sample->to) != 0 ||
		(sample->reason != NULL &&
			envelope_set_reason(env, sample->reason) != 0) ||
		(sample->envid != NULL &&
			envelope_set_envid(env, sample->envid) != 0))
		abort();
	env->ret = sample->ret;
	for (i = 0; sample->rcpts[i].address != NULL; i++) {
		if (envelope_add_rcpt(env, sample->rcpts[i].address) != 0 ||
			(sample->rcpts[i].reply != NULL &&
				envelope_set_reply(&env->rcpts[i],
					sample->rcpts[i].reply) != 0) ||
			(sample->orcpt[i] != NULL &&
				envelope_set_orcpt(
					&env->rcpts[i], sample->orcpt[i]) != 0))
			abort();
		env->rcpts[i].notify = sample->notify[i];
		env->rcpts[i].state = sample->rcpts[i].state;
	}
	return env;
}

static struct content *sample_content(const struct report_sample *sample)
{
	struct buf bytes;

	if (sample->message == NULL)
		return NULL;
	buf_init(&bytes, REPORT_SIZE_MAX);
	if (buf_add_string(&bytes, sample->message) != 0)
		abort();
	return content_of_buf(&bytes, 0);
}

int report_sample_digest(size_t named, size_t messages, struct buf *out)
{
	const struct digest_params params = {
		.to = "device@example.org",
		.from = "someone@gmail.com",
		.id = 0x8877665544332211,
		.now_s = 1790007200,
		.messages = messages,
	};
	struct digest *digest = digest_new("relay.example.org");
	struct content *content;
	struct envelope *env;
	size_t i;
	int rc;

	for (i = 0; i < named; i++) {
		const struct report_sample *sample =
			&report_samples[i % report_sample_count];

		env = sample_envelope(sample);
		env->id += i;
		content = sample_content(sample);
		digest_add(digest, env, content, 1790003600 + (int64_t)i);
		content_free(&content);
		envelope_free(&env);
	}
	rc = digest_write(digest, &params, out, NULL);
	digest_free(&digest);
	return rc;
}

int report_sample_write(const struct report_sample *sample, struct buf *out)
{
	struct envelope *env = sample_envelope(sample);
	struct content *content = sample_content(sample);
	struct report report = {
		.kind = sample->kind,
		.original = env,
		.to = sample->to,
		.from = "someone@gmail.com",
		.hostname = sample->hostname,
		.remote = sample->remote,
		.id = report_id(env->id, sample->kind),
		.size_max = sample->size_max,
		.now_s = 1790003600,
		.expire_s = sample->expire_s,
		.advice = sample->advice,
	};
	int rc;

	report.content = content;
	rc = report_write(&report, out, NULL);
	content_free(&content);
	envelope_free(&env);
	return rc;
}
