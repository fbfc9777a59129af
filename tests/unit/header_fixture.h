/*
 * header_fixture.h - what the tests of proto/header share.
 * Used by:    test_header.c, test_header_limits.c.
 */
#ifndef GMRELAY_TESTS_HEADER_FIXTURE_H
#define GMRELAY_TESTS_HEADER_FIXTURE_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/header.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 8 * 1024 * 1024 };

#define RECEIVED   "Received: from client by host; today\r\n"
#define ADDED_DATE "Date: Sun, 22 Nov 2026 04:05:06 +0000\r\n"
#define ADDED_ID   "Message-ID: <id@host>\r\n"
#define ADDED_FROM "From: account@example.org\r\n"
#define COMPLETE   "Date: now\r\nMessage-ID: <1@a>\r\nFrom: a@b\r\n"

static const struct header_context plain = {
	.received = "from client by host; today",
	.message_id = "id@host",
	.from_address = "account@example.org",
	.now_s = 1795320306, /* 2026-11-22 04:05:06 UTC */
};

/* A message's lines, which end in LF or CRLF, into a block. Returns what is
 * left: the body. */
static inline const char *add_lines(struct header_block *h, const char *text)
{
	const char *end;
	size_t len;

	header_block_init(h);
	while (*text != '\0') {
		end = strchr(text, '\n');
		len = end != NULL ? (size_t)(end - text) : strlen(text);
		if (len > 0 && text[len - 1] == '\r')
			len--;
		if (header_block_add(h, text, len) == 0)
			return text;
		text = end != NULL ? end + 1 : text + len;
	}
	return text;
}

/* Repairs the header of text; *body_out is what follows it. */
static inline struct header_result repair(struct buf *out, const char *text,
	const struct header_context *c, const char **body_out)
{
	struct header_result result;
	struct header_block h;
	struct err err;
	const char *body = add_lines(&h, text);

	buf_init(out, OUT_MAX);
	assert_int_equal(header_repair(&h, c, out, &result, &err), 0);
	header_block_free(&h);
	if (body_out != NULL)
		*body_out = body;
	return result;
}

#endif
