/*
 * body_feed.h - feeds a body decoder in every way, collects what it hands on.
 * Used by:    test_body, test_body_limits.
 */
#ifndef GMRELAY_TESTS_BODY_FEED_H
#define GMRELAY_TESTS_BODY_FEED_H

#include "base/buf.h"
#include "proto/body.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum { OUT_MAX = 1024 * 1024 };

/* How a vector is fed. */
enum way { WHOLE, BYTES, SPLIT, RANDOM };

enum { HEADER = 1, BDAT = 2, LF_DOT = 4, LINE_BY_LINE = 8 };

static void on_line(void *arg, const char *text, size_t len)
{
	struct buf *out = arg;

	assert_null(memchr(text, '\r', len));
	assert_null(memchr(text, '\n', len));
	assert_int_equal(buf_add(out, text, len), 0);
	assert_int_equal(buf_add(out, "|", 1), 0);
}

static void on_lines(void *arg, const char *text, size_t len)
{
	const char *end;

	assert_true(len > 0 && len <= BODY_LINES_MAX);
	for (; len > 0; len -= (size_t)(end + 1 - text), text = end + 1) {
		end = memchr(text, '\n', len);
		assert_true(end != NULL && end > text && end[-1] == '\r');
		assert_null(memchr(text, '\0', (size_t)(end - text)));
		on_line(arg, text, (size_t)(end - 1 - text));
	}
}

static void start(struct body_decoder *d, struct buf *out, unsigned flags)
{
	buf_init(out, OUT_MAX);
	buf_add(out, "", 0);
	body_decoder_init(
		d, (flags & BDAT) != 0 ? BODY_BDAT : BODY_DATA, on_line, out);
	assert_true(d->in_header);
	d->in_header = (flags & HEADER) != 0;
	d->on_lines = (flags & LINE_BY_LINE) != 0 ? NULL : on_lines;
	d->lf_dot = (flags & LF_DOT) != 0;
}

/* Feeds a copy of exactly len bytes, so that a sanitizer sees every byte read
 * beyond them. */
static int feed_copy(
	struct body_decoder *d, const char *data, size_t len, size_t *used)
{
	char *copy = malloc(len > 0 ? len : 1);
	int rc;

	assert_non_null(copy);
	memcpy(copy, data, len);
	rc = body_decoder_feed(d, copy, len, used);
	assert_true(*used <= len);
	assert_true(rc == 1 || *used == len);
	free(copy);
	return rc;
}

static size_t piece_len(enum way way, size_t at, size_t left, size_t split)
{
	size_t n = left;

	if (way == BYTES)
		n = 1;
	else if (way == RANDOM)
		n = 1 + (size_t)rand() % 5;
	else if (way == SPLIT && at < split)
		n = split - at;
	return n < left ? n : left;
}

/* Returns whether the end came; *used_out is how much was used. */
static int feed_all(struct body_decoder *d, const struct buf *in, enum way way,
	size_t split, size_t *used_out)
{
	size_t at = 0, n, used;
	int ended = 0;

	while (at < in->len && !ended) {
		n = piece_len(way, at, in->len - at, split);
		ended = feed_copy(d, in->data + at, n, &used);
		at += used;
	}
	if (d->mode == BODY_BDAT)
		body_decoder_end(d);
	*used_out = at;
	return ended;
}

#endif
