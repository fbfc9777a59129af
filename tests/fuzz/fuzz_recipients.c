/*
 * fuzz_recipients.c - a header as gmrelay-sendmail -t reads it: what comes out
 *                     are canonical addresses, each once.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/header.h"
#include "proto/line.h"
#include "sendmail/recipients.h"

static void on_bad(void *arg, const char *text)
{
	(void)arg;
	FUZZ_REQUIRE(strpbrk(text, "\r\n") == NULL);
}

static void require_recipients(const struct recipients *r)
{
	struct address a;
	size_t i;

	for (i = 0; i < r->count; i++) {
		FUZZ_REQUIRE(address_parse(&a, r->all[i], strlen(r->all[i]),
				     true, NULL) == 0);
		FUZZ_REQUIRE(strcmp(a.text, r->all[i]) == 0);
		fuzz_require_address(&a, false);
		FUZZ_REQUIRE(i == 0 || !address_same(r->all[i], r->all[i - 1]));
	}
}

static void read_block(const char *text, size_t len, struct header_block *block)
{
	struct line_splitter splitter;
	struct line line;
	size_t at = 0;

	header_block_init(block);
	line_splitter_init(&splitter, FUZZ_INPUT_MAX);
	while (!block->ended &&
		line_split(&splitter, text + at, len - at, &line) > 0) {
		header_block_add(block, line.text, line.len);
		at += line.used;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct header_block block;
	struct recipients r;
	struct err err;
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	text = fuzz_copy(data, size);
	recipients_init(&r);
	r.on_bad = on_bad;
	FUZZ_REQUIRE(recipients_add(&r, text, size, &err) == 0 ||
		     err.kind == ERR_LIMIT);
	require_recipients(&r);
	recipients_free(&r);
	recipients_init(&r);
	read_block(text, size, &block);
	if (block.text.len > 0)
		FUZZ_REQUIRE(recipients_add_header(&r, block.text.data,
				     block.text.len, &err) == 0 ||
			     err.kind == ERR_LIMIT);
	require_recipients(&r);
	recipients_free(&r);
	header_block_free(&block);
	free(text);
	return 0;
}
