/*
 * test_body.c - the body decoder: line ends, dots, the end of data and nothing
 *               that looks like it; and no end upstream either.
 */
#include "config.h"

#include "body_feed.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* Expected lines are written with '|' behind each. */
static const struct vector {
	const char *in;
	const char *lines;
	int ended;
	const char *rest; /* not used */
	unsigned flags;
} vectors[] = {
	/* ends */
	{".\r\n", "", 1, "", 0},
	{".\r\nQUIT\r\n", "", 1, "QUIT\r\n", 0},
	{"a\r\n.\r\n", "a|", 1, "", 0},
	{"a\r\n.\r\n.\r\n", "a|", 1, ".\r\n", 0},
	{"\r\n.\r\n", "|", 1, "", 0},
	{"a\r\n\r\n.\r\nRSET\r\n", "a||", 1, "RSET\r\n", 0},
	{"a\r\r\n.\r\nb", "a|", 1, "b", 0}, /* the bytes are there */
	{"a\n.\r\n.\r\n", "a||", 1, "", 0},
	/* smuggling: none of these ends */
	{"a\n.\nb\r\n", "a||b|", 0, "", 0},
	{"a\n.\r\nb\r\n", "a||b|", 0, "", 0},
	{"a\r\n.\nb\r\n", "a||b|", 0, "", 0},
	{"a\r.\rb\r\n", "a|.|b|", 0, "", 0},
	{"a\r.\r\nb\r\n", "a|.|b|", 0, "", 0},
	{"a\r.\nb\r\n", "a|.|b|", 0, "", 0},
	{"a\r\n.\rb\r\n", "a||b|", 0, "", 0},
	{"a\n.\rb\r\n", "a||b|", 0, "", 0},
	{"a\r\n.\r\r\nb\r\n", "a||b|", 0, "", 0},
	{"a\r\r\n.\r\r\nb\r\n", "a||b|", 0, "", 0},
	{"a\n\r.\n\rb\r\n", "a||.||b|", 0, "", 0},
	{"a\n\r.\r\n\rb\r\n", "a||.||b|", 0, "", 0},
	{"a\r\n\r.\r\nb\r\n", "a||.|b|", 0, "", 0},
	{"a\r\n .\r\n", "a| .|", 0, "", 0},
	{"a\r\n. \r\n", "a| |", 0, "", 0},
	{"a\r\n..\r\n", "a|.|", 0, "", 0},
	{".\n", "|", 0, "", 0},
	{".\r", "", 0, "", 0},
	{"\n.\n.\r\n", "|||", 0, "", 0},
	/* dots */
	{".a\r\n..b\r\n...c\r\n", "a|.b|..c|", 0, "", 0},
	{".a\n..b\n...c\n", "a|.b|..c|", 0, "", 0},
	{".a\r\r\n..b\r\r\n", "a|.b|", 0, "", 0},
	{"a\r.b\r..c\r\n", "a|.b|..c|", 0, "", 0},
	{"a.\r\n.b.\r\n", "a.|b.|", 0, "", 0},
	{".\r.\r\n", "|.|", 0, "", 0},
	{".\r.\r\n.\r\n", "|.|", 1, "", 0},
	/* line ends */
	{"a\r\nb\nc\r\r\nd\r\r\r\ne\r\n", "a|b|c|d|e|", 0, "", 0},
	{"a\rb\r\rc\r\n", "a|b||c|", 0, "", 0},
	{"\r\n\n\r\r\n", "|||", 0, "", 0},
	{"\ra\r\n", "|a|", 0, "", 0},
	{"a\n\rb\r\n", "a||b|", 0, "", 0},
	{"a\r\n\rb\n", "a||b|", 0, "", 0},
	/* in the header a bare CR is a space */
	{"a\rb\r\rc\r\n", "a b  c|", 0, "", HEADER},
	{"\ra\r\nb\r\r\n", " a|b|", 0, "", HEADER},
	{"a\r.\r\nb\r.\rc\n", "a .|b . c|", 0, "", HEADER},
	{".\r.\r\n.\r\n", " .|", 1, "", HEADER},
	{"a\r\n.\rb\r\n", "a| b|", 0, "", HEADER},
	/* BDAT has neither dots nor an end */
	{".\r\n.\n..\r\na", ".|.|..|a|", 0, "", BDAT},
	{"a\r\n.\r\n", "a|.|", 0, "", BDAT},
	{"", "", 0, "", BDAT},
	{"\r\n", "|", 0, "", BDAT},
	{"a", "a|", 0, "", BDAT},
	{"a\r", "a|", 0, "", BDAT},
	{"a\r\r", "a||", 0, "", BDAT},
	{"a\r", "a |", 0, "", BDAT | HEADER},
	{"\r", "|", 0, "", BDAT},
	{".", ".|", 0, "", BDAT},
};

static void check(const struct vector *v, enum way way, size_t split)
{
	size_t len = strlen(v->in), used;
	struct body_decoder d;
	struct buf in, out;

	buf_init(&in, OUT_MAX);
	buf_add(&in, v->in, len);
	start(&d, &out, v->flags);
	assert_int_equal(feed_all(&d, &in, way, split, &used), v->ended);
	assert_string_equal(out.data, v->lines);
	assert_string_equal(v->in + used, v->rest);
	assert_int_equal(d.problem, BODY_FINE);
	body_decoder_free(&d);
	buf_free(&in);
	buf_free(&out);
}

static void test_vectors(void **state)
{
	struct vector by_line;
	size_t i, split;

	(void)state;
	srand(1);
	for (i = 0; i < COUNT_OF(vectors); i++) {
		by_line = vectors[i];
		by_line.flags |= LINE_BY_LINE;
		check(&by_line, WHOLE, 0);
		check(&vectors[i], WHOLE, 0);
		check(&vectors[i], BYTES, 0);
		for (split = 1; split < strlen(vectors[i].in); split++)
			check(&vectors[i], SPLIT, split);
		for (split = 0; split < 20; split++)
			check(&vectors[i], RANDOM, 0);
	}
}

/* Whether the text so far may have ended, with lf_dot. '!' behind the lines: it
 * may, and the lines are all of it. */
static const struct vector lf_dot_vectors[] = {
	{"a\n.\n", "a|!", 0, "", LF_DOT},
	{".\n", "!", 0, "", LF_DOT},
	{"a\r\n.\n", "a|!", 0, "", LF_DOT},
	{"a\n.\r\n", "a|!", 0, "", LF_DOT},
	{"a\r\r\n.\r\r\n", "a|!", 0, "", LF_DOT},
	{"a\n\n.\n", "a||!", 0, "", LF_DOT},
	{"a: b\n.\n", "a: b|!", 0, "", LF_DOT | HEADER},
	{"a\n..\n", "a|.|", 0, "", LF_DOT},
	{"a\n. \n", "a| |", 0, "", LF_DOT},
	{"a\n.", "a|", 0, "", LF_DOT},
	{"a\n.\r", "a|", 0, "", LF_DOT},
	{"a\n.\rb\n", "a||b|", 0, "", LF_DOT},
	{"a\r.\n", "a|.|", 0, "", LF_DOT},
	{"a.\n", "a.|", 0, "", LF_DOT},
	/* the end by the standard stays one */
	{"a\r\n.\r\nb", "a|", 1, "b", LF_DOT},
	{"a\n.\n\r\n.\r\n", "a|||", 1, "", LF_DOT},
	{"a\n.\n.\n", "a||!", 0, "", LF_DOT},
	{"a\n.\r\n.\r\n", "a||", 1, "", LF_DOT},
	/* what is followed by anything was text */
	{"a\n.\nb", "a||", 0, "", LF_DOT},
	{"a\n.\nb\n", "a||b|", 0, "", LF_DOT},
	{"a\n.\r\nMAIL FROM:<x@y>\r\n", "a||MAIL FROM:<x@y>|", 0, "", LF_DOT},
	{"a\r\n.\nQUIT\r\n", "a||QUIT|", 0, "", LF_DOT},
	{"a\n.\n\n", "a|||", 0, "", LF_DOT},
	/* never without the setting, and never in BDAT */
	{"a\n.\n", "a||", 0, "", 0},
	{"a\r\n.\n", "a||", 0, "", 0},
};

/* Without the setting it is seen as well. */
static void check_dot_is_seen(
	const struct vector *v, enum way way, size_t split, bool seen)
{
	struct body_decoder d;
	struct buf in, out;
	size_t used;

	buf_init(&in, OUT_MAX);
	buf_add(&in, v->in, strlen(v->in));
	start(&d, &out, v->flags & ~LF_DOT);
	assert_int_equal(feed_all(&d, &in, way, split, &used), v->ended);
	assert_int_equal(body_decoder_ends_by_dot(&d), seen);
	assert_false(body_decoder_may_end(&d));
	body_decoder_free(&d);
	buf_free(&in);
	buf_free(&out);
}

static void check_lf_dot(const struct vector *v, enum way way, size_t split)
{
	const bool may_end = strchr(v->lines, '!') != NULL;
	struct body_decoder d;
	struct buf in, out;
	size_t used;

	buf_init(&in, OUT_MAX);
	buf_add(&in, v->in, strlen(v->in));
	start(&d, &out, v->flags);
	assert_int_equal(feed_all(&d, &in, way, split, &used), v->ended);
	assert_int_equal(body_decoder_may_end(&d), may_end);
	if (may_end) {
		/* the end, or text */
		assert_int_equal(out.len, strlen(v->lines) - 1);
		body_decoder_end(&d);
		assert_false(body_decoder_may_end(&d));
	}
	assert_memory_equal(out.data, v->lines, out.len);
	assert_string_equal(v->in + used, v->rest);
	body_decoder_free(&d);
	buf_free(&in);
	buf_free(&out);
	if ((v->flags & LF_DOT) != 0)
		check_dot_is_seen(v, way, split, may_end);
}

static void test_lf_dot(void **state)
{
	size_t i, split;

	(void)state;
	for (i = 0; i < COUNT_OF(lf_dot_vectors); i++) {
		check_lf_dot(&lf_dot_vectors[i], WHOLE, 0);
		check_lf_dot(&lf_dot_vectors[i], BYTES, 0);
		for (split = 1; split < strlen(lf_dot_vectors[i].in); split++)
			check_lf_dot(&lf_dot_vectors[i], SPLIT, split);
	}
}

/* With and without the setting the text is the same, when it goes on. */
static void test_lf_dot_changes_no_text(void **state)
{
	static const char bytes[] = "a..\r\n\n";
	struct buf in, out[2];
	struct body_decoder d;
	size_t round, i, used[2];
	int ended[2];

	(void)state;
	srand(3);
	for (round = 0; round < 20000; round++) {
		buf_init(&in, OUT_MAX);
		for (i = 1 + (size_t)rand() % 12; i > 0; i--)
			buf_add(&in, &bytes[(size_t)rand() % 7], 1);
		buf_add_string(&in, "x\r\n.\r\n");
		for (i = 0; i < 2; i++) {
			start(&d, &out[i], i == 0 ? 0 : LF_DOT);
			ended[i] = feed_all(&d, &in, RANDOM, 0, &used[i]);
			body_decoder_free(&d);
		}
		assert_int_equal(ended[0], ended[1]);
		assert_int_equal(used[0], used[1]);
		assert_string_equal(out[0].data, out[1].data);
		buf_free(&in);
		buf_free(&out[0]);
		buf_free(&out[1]);
	}
}

/* The rules once more, on a whole message at once, as plainly as can be. */
static void model(const char *s, size_t len, bool in_header, struct buf *out)
{
	bool may_have_dot = true;
	size_t i = 0, run;

	while (i < len) {
		if (may_have_dot && s[i] == '.') {
			may_have_dot = false;
			i++;
			continue;
		}
		run = strspn(s + i, "\r");
		may_have_dot = i + run < len && s[i + run] == '\n';
		if (may_have_dot) {
			buf_add(out, "|", 1);
			i += run + 1;
		} else if (i + run >= len && run > 0) {
			break; /* not to be known yet */
		} else if (run > 0) {
			for (; run > 0; run--, i++)
				buf_add(out, in_header ? " " : "|", 1);
		} else {
			buf_add(out, s + i++, 1);
		}
	}
}

/* What is handed on, sent upstream: no end of data, no bare CR or LF. */
static void check_way_out(const struct buf *lines, struct buf *in)
{
	struct dot_stuffer stuffer = {.at_line_start = true};
	struct buf out;
	size_t i;

	buf_clear(in);
	for (i = 0; i < lines->len; i++)
		if (lines->data[i] == '|')
			buf_add(in, "\r\n", 2);
		else
			buf_add(in, lines->data + i, 1);
	buf_init(&out, OUT_MAX);
	buf_add_string(&out, "\r\n");
	assert_int_equal(dot_stuff(&stuffer, in->data, in->len, &out), 0);
	assert_null(strstr(out.data, "\r\n.\r\n"));
	for (i = 0; i < out.len; i++) {
		assert_true(out.data[i] != '\n' || out.data[i - 1] == '\r');
		assert_true(out.data[i] != '\r' || out.data[i + 1] == '\n');
	}
	buf_free(&out);
}

static void check_against_model(const char *text, bool in_header)
{
	size_t used, want, len = strlen(text);
	struct buf in, out, expected;
	struct body_decoder d;
	const char *end;
	enum way way;

	buf_init(&in, OUT_MAX);
	buf_add_string(&in, "\r\n");
	buf_add(&in, text, len);
	end = strstr(in.data, "\r\n.\r\n");
	want = end != NULL ? (size_t)(end - in.data) + 3 : len;
	buf_init(&expected, OUT_MAX);
	buf_add(&expected, "", 0);
	model(text, end != NULL ? want - 3 : len, in_header, &expected);
	for (way = WHOLE; way <= BYTES; way++) {
		buf_clear(&in);
		buf_add(&in, text, len);
		start(&d, &out, in_header ? HEADER : 0);
		assert_int_equal(feed_all(&d, &in, way, 0, &used), end != NULL);
		assert_int_equal(used, want);
		/* what the decoder still holds is in the model's text */
		buf_add(&out, d.held.data, d.held.len);
		assert_string_equal(out.data, expected.data);
		out.len -= d.held.len;
		check_way_out(&out, &in);
		body_decoder_free(&d);
		buf_free(&out);
	}
	buf_free(&expected);
	buf_free(&in);
}

/* Every text of up to 7 of these bytes. */
static void test_every_short_text(void **state)
{
	static const char bytes[] = {'\r', '\n', '.', 'a'};
	char text[8] = "";
	unsigned n, bits, len;

	(void)state;
	for (len = 0; len < sizeof(text); len++)
		for (n = 0; n < 1U << (2 * len); n++) {
			for (bits = 0; bits < len; bits++)
				text[bits] = bytes[n >> (2 * bits) & 3];
			text[len] = '\0';
			check_against_model(text, false);
			check_against_model(text, true);
		}
}

/* Longer ones, so that words of eight bytes are looked at too. */
static void test_random_texts(void **state)
{
	static const char bytes[] = "\r\n\r\n...aaaaaaaaaaaaaaaa";
	char text[64];
	size_t len, i;
	int round;

	(void)state;
	srand(2);
	for (round = 0; round < 5000; round++) {
		len = (size_t)rand() % sizeof(text);
		for (i = 0; i < len; i++)
			text[i] = bytes[(size_t)rand() % (sizeof(bytes) - 1)];
		text[len] = '\0';
		check_against_model(text, round % 2 == 0);
	}
}

struct seen {
	const char *data;
	size_t len;
	unsigned lines;
	unsigned inside;
};

static void on_line_seen(void *arg, const char *text, size_t len)
{
	struct seen *seen = arg;

	seen->lines++;
	seen->inside +=
		text >= seen->data && text + len <= seen->data + seen->len;
}

static void test_whole_lines_are_not_copied(void **state)
{
	static const char data[] =
		"From: a\r\n\r\n..dot\r\nbare\ntext\r\nbegun";
	struct seen seen = {.data = data, .len = sizeof(data) - 1};
	struct body_decoder d;
	size_t used;

	(void)state;
	body_decoder_init(&d, BODY_DATA, on_line_seen, &seen);
	assert_int_equal(body_decoder_feed(&d, data, seen.len, &used), 0);
	assert_int_equal(seen.lines, 5);
	assert_int_equal(seen.inside, 5);
	assert_int_equal(d.held.len, 5);
	body_decoder_free(&d);
}

/* What came by on_lines, '|' between the calls; by on_line in brackets. */
static void on_lines_told(void *arg, const char *text, size_t len)
{
	buf_add(arg, text, len);
	buf_add(arg, "|", 1);
}

static void on_line_told(void *arg, const char *text, size_t len)
{
	buf_add(arg, "[", 1);
	buf_add(arg, text, len);
	buf_add(arg, "]", 1);
}

static void test_clean_lines_go_together(void **state)
{
	static const struct {
		const char *in, *told;
		enum body_mode mode;
	} rows[] = {
		{"a\r\n\r\nb\r\n", "a\r\n\r\nb\r\n|", BODY_DATA},
		{"a\r\nb\r\n.\r\nQUIT\r\n", "a\r\nb\r\n|", BODY_DATA},
		{"a\r\n.b\r\nc\r\n", "a\r\n|[b]c\r\n|", BODY_DATA},
		{"a\r\n.b\r\nc\r\n", "a\r\n.b\r\nc\r\n|", BODY_BDAT},
		{"a\r\nb\nc\r\n", "a\r\n|[b]c\r\n|", BODY_DATA},
		{"a\r\nb\rc\r\nd\r\n", "a\r\n|[b][c]d\r\n|", BODY_DATA},
		{"a\r\nb\r\r\nc\r\n", "a\r\n|[b]c\r\n|", BODY_DATA},
		{"a\r\nb", "a\r\n|", BODY_DATA},
	};
	struct body_decoder d;
	struct buf out;
	size_t i, used;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		buf_init(&out, OUT_MAX);
		body_decoder_init(&d, rows[i].mode, on_line_told, &out);
		d.on_lines = on_lines_told;
		d.in_header = false;
		feed_copy(&d, rows[i].in, strlen(rows[i].in), &used);
		assert_string_equal(out.data, rows[i].told);
		body_decoder_free(&d);
		buf_free(&out);
	}
}

struct header_reader {
	struct body_decoder decoder;
	struct buf out;
};

static void on_line_end_header(void *arg, const char *text, size_t len)
{
	struct header_reader *reader = arg;

	on_line(&reader->out, text, len);
	if (len == 0)
		reader->decoder.in_header = false;
}

static void test_header_ends_within_a_feed(void **state)
{
	static const char data[] = "a\rb\r\n\r\nc\rd\r\n\r\ne\rf\r\n";
	const size_t len = sizeof(data) - 1;
	struct header_reader r;
	size_t split, used;

	(void)state;
	for (split = 0; split <= len; split++) {
		buf_init(&r.out, OUT_MAX);
		body_decoder_init(
			&r.decoder, BODY_DATA, on_line_end_header, &r);
		feed_copy(&r.decoder, data, split, &used);
		feed_copy(&r.decoder, data + split, len - split, &used);
		assert_string_equal(r.out.data, "a b||c|d||e|f|");
		body_decoder_free(&r.decoder);
		buf_free(&r.out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_lf_dot),
		cmocka_unit_test(test_lf_dot_changes_no_text),
		cmocka_unit_test(test_every_short_text),
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_whole_lines_are_not_copied),
		cmocka_unit_test(test_clean_lines_go_together),
		cmocka_unit_test(test_header_ends_within_a_feed),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
