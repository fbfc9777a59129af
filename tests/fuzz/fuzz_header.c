/*
 * fuzz_header.c - header blocks: whatever comes in, what leaves are fields, and
 *                 repairing them again changes nothing.
 *
 * The first byte: 0 no policy, 1 auto, 2 account, 3 keep; and 4: the client
 * asked for SMTPUTF8. The rest are lines that end in LF.
 */
#include "config.h"

#include "fuzz.h"

#include "base/sender_policy.h"
#include "proto/header.h"
#include "proto/header_field.h"
#include "proto/mailbox.h"

#define ME "me@gmail.com"

/* Lines behind the header are the body's. */
static void add_lines(struct header_block *h, const char *text, size_t len)
{
	const char *end = text + len, *lf;
	size_t n;
	char *line;
	int rc = 1;

	header_block_init(h);
	while (text < end && rc == 1 && !h->ended) {
		lf = memchr(text, '\n', (size_t)(end - text));
		n = (size_t)((lf != NULL ? lf : end) - text);
		line = fuzz_copy(
			text, n > 0 && text[n - 1] == '\r' ? n - 1 : n);
		rc = header_block_add(
			h, line, n > 0 && text[n - 1] == '\r' ? n - 1 : n);
		free(line);
		text = lf != NULL ? lf + 1 : end;
	}
	FUZZ_REQUIRE(h->text.len <= HEADER_BLOCK_MAX);
}

/* CRLF at the end of lines and nowhere else, no NUL, ASCII where that was
 * said. */
static void require_bytes(const struct buf *out, bool ascii)
{
	size_t i;

	for (i = 0; i < out->len; i++) {
		FUZZ_REQUIRE(out->data[i] != '\0');
		FUZZ_REQUIRE(!ascii || (unsigned char)out->data[i] < 0x80);
		if (out->data[i] == '\r')
			FUZZ_REQUIRE(out->data[i + 1] == '\n');
		if (out->data[i] == '\n')
			FUZZ_REQUIRE(i > 0 && out->data[i - 1] == '\r');
	}
}

static void require_own_from(
	const struct header_field *f, const struct sender_policy *policy)
{
	struct mailbox m;

	mailbox_first(&m, f->value, f->value_len);
	FUZZ_REQUIRE(m.clean);
	if (policy->mode == SENDER_KEEP)
		return;
	FUZZ_REQUIRE(!m.several);
	FUZZ_REQUIRE(address_same(m.address.text, ME) ||
		     (policy->mode == SENDER_AUTO &&
			     address_same(m.address.text, policy->send_as[0])));
}

/* All of it are fields and one empty line; those that may stand once do. */
static void require_fields(
	const struct buf *out, const struct sender_policy *policy)
{
	static const char *const once[] = {"From", "Date", "Message-ID", "To",
		"Cc", "Subject", "Reply-To", "Sender"};
	size_t counts[sizeof(once) / sizeof(once[0])] = {0};
	struct header_field f;
	size_t pos = 0, i;

	while (header_field_next(out->data, out->len, &pos, &f) == 1) {
		FUZZ_REQUIRE(!header_field_is(&f, "Bcc"));
		FUZZ_REQUIRE(!header_field_is(&f, "Resent-Bcc"));
		for (i = 0; i < sizeof(once) / sizeof(once[0]); i++)
			counts[i] += header_field_is(&f, once[i]);
		if (policy != NULL && header_field_is(&f, "From"))
			require_own_from(&f, policy);
	}
	FUZZ_REQUIRE(pos + 2 == out->len);
	FUZZ_REQUIRE(memcmp(out->data + pos, "\r\n", 2) == 0);
	for (i = 0; i < sizeof(once) / sizeof(once[0]); i++)
		FUZZ_REQUIRE(counts[i] == 1 || (counts[i] == 0 && i > 2));
}

/* Returns 1 when it was repaired, 2 when it may be read in another way now:
 * text was encoded, or lines broken, where something only looks like an
 * encoded-word. out is then to be freed. Returns 0 when not. */
static int repair(const struct header_context *c, const char *text, size_t len,
	struct buf *out)
{
	struct header_result result;
	struct header_block h;
	struct err err;
	char words[HEADER_REPAIRS_SIZE];
	int rc;

	add_lines(&h, text, len);
	fuzz_buf(out);
	rc = header_repair(&h, c, out, &result, &err);
	header_block_free(&h);
	if (rc != 0) {
		FUZZ_REQUIRE(err.kind == ERR_PROTOCOL);
		FUZZ_REQUIRE(out->len == 0);
		buf_free(out);
		return 0;
	}
	header_repairs_print(result.repairs, words, sizeof(words));
	require_bytes(out, !result.needs_smtputf8);
	require_fields(out, c->sender);
	return (result.repairs & (HEADER_ENCODED_8BIT | HEADER_FOLDED)) != 0 ||
			       result.needs_smtputf8
		       ? 2
		       : 1;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static char alias[] = "alias@example.com", *send_as[] = {alias};
	static const enum sender_mode modes[] = {
		SENDER_AUTO, SENDER_AUTO, SENDER_ACCOUNT, SENDER_KEEP};
	struct sender_policy policy = {
		.account = ME, .send_as = send_as, .send_as_count = 1};
	struct header_context c = {
		.received = "from c by h; now",
		.message_id = "1@h",
		.from_address = "root@web1",
		.domain = "web1.example.org",
		.now_s = 1795320306,
	};
	struct buf out, again;
	const char *second;
	int rc;

	if (size == 0 || size > FUZZ_INPUT_MAX)
		return 0;
	policy.mode = modes[data[0] % 4];
	c.sender = data[0] % 4 == 0 ? NULL : &policy;
	c.smtputf8 = (data[0] & 4) != 0;
	rc = repair(&c, (const char *)data + 1, size - 1, &out);
	if (rc == 0)
		return 0;
	if (repair(&c, out.data, out.len, &again) != 0) {
		/* but for one Received line more */
		second = strstr(again.data, "\r\n") + 2;
		FUZZ_REQUIRE(rc == 2 || strcmp(second, out.data) == 0);
		buf_free(&again);
	}
	buf_free(&out);
	return 0;
}
