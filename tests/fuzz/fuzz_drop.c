/*
 * fuzz_drop.c - the lines before a dropped message: the same whole and byte by
 *               byte; what is taken can end no command and is printed alike.
 */
#include "config.h"

#include "fuzz.h"

#include "submit/drop_format.h"

/* Returns the parser's last word; *used the bytes taken. */
static int parse(struct drop_parser *p, const char *text, size_t len,
	size_t piece, size_t *used)
{
	struct err err;
	size_t n, took;
	char *held;
	int rc = 0;

	drop_parser_init(p);
	for (*used = 0; *used < len && rc == 0; *used += took) {
		n = piece < len - *used ? piece : len - *used;
		held = fuzz_copy(text + *used, n);
		took = n;
		rc = drop_parser_feed(p, held, n, &took, &err);
		FUZZ_REQUIRE(took <= n);
		FUZZ_REQUIRE(rc == 0 || rc == 1 || err.text[0] != '\0');
		free(held);
	}
	return rc;
}

static void require_text(const char *text, bool address)
{
	struct address a;

	FUZZ_REQUIRE(strpbrk(text, "\r\n") == NULL);
	if (!address)
		FUZZ_REQUIRE(strchr(text, ' ') == NULL);
	if (!address || *text == '\0')
		return;
	FUZZ_REQUIRE(address_parse(&a, text, strlen(text), true, NULL) == 0);
	FUZZ_REQUIRE(strcmp(a.text, text) == 0);
}

/* What was taken, printed and taken again, is the same. */
static void require_envelope(const struct drop_envelope *e)
{
	struct submit_message m = {
		.from = e->from,
		.rcpts = (const char *const *)e->rcpts,
		.rcpt_count = e->rcpt_count,
		.fates = calloc(e->rcpt_count, 1),
		.has_owner = e->has_uid,
		.owner = e->uid,
		.notify = e->notify,
		.ret = e->ret,
		.envid = e->envid,
		.parts = {{.fd = -1, .len = e->size}},
		.part_count = 1,
	};
	struct buf first, second;
	struct drop_parser again;
	size_t i, used;

	FUZZ_REQUIRE(m.fates != NULL && e->from != NULL && e->rcpt_count > 0);
	require_text(e->from, true);
	for (i = 0; i < e->rcpt_count; i++)
		require_text(e->rcpts[i], true);
	if (e->envid != NULL)
		require_text(e->envid, false);
	fuzz_buf(&first);
	fuzz_buf(&second);
	FUZZ_REQUIRE(drop_envelope_print(&m, &first) == 0);
	FUZZ_REQUIRE(parse(&again, first.data, first.len, 1000, &used) == 1);
	FUZZ_REQUIRE(used == first.len && again.envelope.size == e->size);
	m.from = again.envelope.from;
	m.rcpts = (const char *const *)again.envelope.rcpts;
	FUZZ_REQUIRE(again.envelope.rcpt_count == e->rcpt_count);
	FUZZ_REQUIRE(drop_envelope_print(&m, &second) == 0);
	FUZZ_REQUIRE(strcmp(first.data, second.data) == 0);
	drop_parser_free(&again);
	buf_free(&first);
	buf_free(&second);
	free(m.fates);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct drop_parser whole, bytes;
	size_t used, used_bytes;
	int rc;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	rc = parse(&whole, text, size, size, &used);
	FUZZ_REQUIRE(parse(&bytes, text, size, 1, &used_bytes) == rc);
	if (rc == 1) {
		FUZZ_REQUIRE(used == used_bytes && whole.taken == used);
		require_envelope(&whole.envelope);
	}
	drop_parser_free(&whole);
	drop_parser_free(&bytes);
	return 0;
}
