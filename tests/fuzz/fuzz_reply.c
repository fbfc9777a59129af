/*
 * fuzz_reply.c - replies of the upstream server, whole and octet by octet, and
 *                what we write of them into queue files.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/line.h"
#include "proto/reply.h"

static void require_text(const char *text)
{
	for (; *text != '\0'; text++)
		FUZZ_REQUIRE((unsigned char)*text >= ' ' && *text != 0x7f);
}

/* What is kept of a reply, and read again after a restart. */
static void require_kept(const struct reply *r)
{
	char printed[REPLY_TEXT_MAX + 64], again[sizeof(printed)];
	struct reply scanned;

	reply_print(r, printed, sizeof(printed));
	require_text(printed);
	FUZZ_REQUIRE(reply_scan(&scanned, printed) == 0);
	FUZZ_REQUIRE(scanned.code == r->code && scanned.lines == 1);
	/* a text that begins like an enhanced code may lose it */
	reply_print(&scanned, again, sizeof(again));
	FUZZ_REQUIRE(strlen(again) <= strlen(printed));
}

static void require_formatted(const struct reply *r)
{
	char codes[4 + REPLY_ENHANCED_MAX + 1];
	struct buf out;

	fuzz_buf(&out);
	snprintf(codes, sizeof(codes), "%03d%s%s", r->code,
		r->enhanced[0] != '\0' ? " " : "", r->enhanced);
	FUZZ_REQUIRE(reply_format(&out, codes, r->text) == 0);
	/* one line, whatever was said */
	FUZZ_REQUIRE(memchr(out.data, '\n', out.len) == out.data + out.len - 1);
	buf_free(&out);
}

/* Returns whether the reply is whole. */
static bool take_line(struct reply *r, const struct line *line)
{
	int rc = reply_add_line(r, line->text, line->len);

	FUZZ_REQUIRE(rc == -1 || (rc == 1) == r->complete);
	FUZZ_REQUIRE(r->lines <= REPLY_LINES_MAX);
	FUZZ_REQUIRE(strnlen(r->text, sizeof(r->text)) <= REPLY_TEXT_MAX);
	if (rc == -1) {
		reply_init(r);
		return false;
	}
	FUZZ_REQUIRE(r->code >= 200 && r->code <= 599);
	FUZZ_REQUIRE(r->enhanced[0] == '\0' ||
		     r->enhanced[0] - '0' == r->code / 100);
	require_text(r->text);
	require_text(r->enhanced);
	if (rc == 1) {
		require_kept(r);
		require_formatted(r);
	}
	return rc == 1;
}

/* Takes up what comes in pieces of this size. Returns how many replies were
 * whole. */
static size_t take_all(const char *text, size_t len, size_t piece)
{
	struct line_splitter splitter;
	struct reply reply;
	struct line line;
	size_t at = 0, have = 0, replies = 0;
	int rc;

	line_splitter_init(&splitter, REPLY_LINE_MAX);
	reply_init(&reply);
	while (have < len) {
		have += piece < len - have ? piece : len - have;
		do {
			rc = line_split(&splitter, text + at, have - at, &line);
			at += line.used;
			if (rc == 1)
				replies += take_line(&reply, &line);
		} while (rc != 0);
	}
	return replies;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	size_t replies;
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	text = fuzz_copy(data, size);
	replies = take_all(text, size, size);
	FUZZ_REQUIRE(take_all(text, size, 1) == replies);
	free(text);
	return 0;
}
