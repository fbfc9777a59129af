/*
 * fuzz_body.c - the text of a message: the same whole, byte by byte and in
 *               pieces; and what was made lines and stuffed again is the same.
 *
 * The first byte: 1 = BDAT, 2 = no header, the rest the size of the pieces.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/body.h"

struct decoded {
	struct buf lines; /* each with CRLF */
	size_t used;
	bool ended;
	enum body_problem problem;
	bool eight_bit;
};

static void on_line(void *arg, const char *text, size_t len)
{
	struct decoded *d = arg;

	FUZZ_REQUIRE(len <= TEXT_LINE_MAX);
	FUZZ_REQUIRE(memchr(text, '\r', len) == NULL);
	FUZZ_REQUIRE(memchr(text, '\n', len) == NULL);
	FUZZ_REQUIRE(memchr(text, '\0', len) == NULL);
	FUZZ_REQUIRE(buf_add(&d->lines, text, len) == 0);
	FUZZ_REQUIRE(buf_add(&d->lines, "\r\n", 2) == 0);
}

static void on_lines(void *arg, const char *text, size_t len)
{
	const char *end;

	FUZZ_REQUIRE(len > 0);
	for (; len > 0; len -= (size_t)(end + 1 - text), text = end + 1) {
		end = memchr(text, '\n', len);
		FUZZ_REQUIRE(end != NULL && end > text && end[-1] == '\r');
		on_line(arg, text, (size_t)(end - 1 - text));
	}
}

static void decode(struct decoded *out, const char *data, size_t len,
	unsigned flags, size_t piece)
{
	struct body_decoder d;
	size_t n, used;
	char *copy;

	memset(out, 0, sizeof(*out));
	fuzz_buf(&out->lines);
	body_decoder_init(
		&d, (flags & 1) != 0 ? BODY_BDAT : BODY_DATA, on_line, out);
	d.on_lines = on_lines;
	d.in_header = (flags & 2) == 0;
	while (out->used < len && !out->ended) {
		n = piece < len - out->used ? piece : len - out->used;
		copy = fuzz_copy(data + out->used, n);
		out->ended = body_decoder_feed(&d, copy, n, &used) == 1;
		FUZZ_REQUIRE(used <= n && (out->ended || used == n));
		out->used += used;
		free(copy);
	}
	if ((flags & 1) != 0) {
		FUZZ_REQUIRE(!out->ended);
		body_decoder_end(&d);
	}
	out->problem = d.problem;
	out->eight_bit = d.eight_bit;
	body_decoder_free(&d);
}

static void require_same(const struct decoded *a, const struct decoded *b)
{
	FUZZ_REQUIRE(a->used == b->used && a->ended == b->ended);
	FUZZ_REQUIRE(a->problem == b->problem);
	FUZZ_REQUIRE(a->eight_bit == b->eight_bit);
	FUZZ_REQUIRE(a->lines.len == b->lines.len);
	FUZZ_REQUIRE(memcmp(a->lines.data, b->lines.data, a->lines.len) == 0);
}

/* As it would go to the next server, which would see these lines. */
static void require_round_trip(const struct decoded *a, size_t piece)
{
	struct dot_stuffer stuffer = {.at_line_start = true};
	struct decoded again;
	struct buf wire;
	size_t at, n;

	fuzz_buf(&wire);
	for (at = 0; at < a->lines.len; at += n) {
		n = piece < a->lines.len - at ? piece : a->lines.len - at;
		FUZZ_REQUIRE(
			dot_stuff(&stuffer, a->lines.data + at, n, &wire) == 0);
	}
	FUZZ_REQUIRE(stuffer.at_line_start);
	FUZZ_REQUIRE(buf_add(&wire, ".\r\n", 3) == 0);
	decode(&again, wire.data, wire.len, 2, wire.len);
	FUZZ_REQUIRE(again.ended && again.used == wire.len);
	FUZZ_REQUIRE(again.problem == BODY_FINE);
	FUZZ_REQUIRE(again.lines.len == a->lines.len);
	FUZZ_REQUIRE(
		memcmp(again.lines.data, a->lines.data, a->lines.len) == 0);
	buf_free(&again.lines);
	buf_free(&wire);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data + 1;
	struct decoded whole, bytes, pieces;
	size_t piece;

	if (size == 0 || size > FUZZ_INPUT_MAX)
		return 0;
	piece = 1 + data[0] / 4;
	decode(&whole, text, size - 1, data[0], size);
	decode(&bytes, text, size - 1, data[0], 1);
	decode(&pieces, text, size - 1, data[0], piece);
	require_same(&whole, &bytes);
	require_same(&whole, &pieces);
	if (whole.problem == BODY_FINE)
		require_round_trip(&whole, piece);
	buf_free(&whole.lines);
	buf_free(&bytes.lines);
	buf_free(&pieces.lines);
	return 0;
}
