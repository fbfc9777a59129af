/*
 * test_body.c - the body decoder: line ends, dots, the end of data and nothing
 *               that looks like it; limits; the way back to DATA bytes.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
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

enum { HEADER = 1, BDAT = 2 };

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

static void on_line(void *arg, const char *text, size_t len)
{
	struct buf *out = arg;

	assert_null(memchr(text, '\r', len));
	assert_null(memchr(text, '\n', len));
	assert_int_equal(buf_add(out, text, len), 0);
	assert_int_equal(buf_add(out, "|", 1), 0);
}

static void start(struct body_decoder *d, struct buf *out, unsigned flags)
{
	buf_init(out, OUT_MAX);
	buf_add(out, "", 0);
	body_decoder_init(
		d, (flags & BDAT) != 0 ? BODY_BDAT : BODY_DATA, on_line, out);
	assert_true(d->in_header);
	d->in_header = (flags & HEADER) != 0;
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
	size_t i, split;

	(void)state;
	srand(1);
	for (i = 0; i < COUNT_OF(vectors); i++) {
		check(&vectors[i], WHOLE, 0);
		check(&vectors[i], BYTES, 0);
		for (split = 1; split < strlen(vectors[i].in); split++)
			check(&vectors[i], SPLIT, split);
		for (split = 0; split < 20; split++)
			check(&vectors[i], RANDOM, 0);
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

static const struct flag_vector {
	const char *in;
	size_t len;
	bool eight_bit, bare_lf, bare_cr;
} flag_vectors[] = {
	{"a\r\nb\r\n.\r\n", 9, false, false, false},
	{"a\r\nb\n", 5, false, true, false},
	{"a\r\nb\r\r\n", 7, false, false, true},
	{"a\rb\r\n", 5, false, false, true},
	{"\xc3\xa4\r\n", 4, true, false, false},
	{"plain text \x80\r\n", 14, true, false, false},
	{"plain text, long enough \xff, and more\r\n", 37, true, false, false},
	{"a\r\n\x7f\r\n", 6, false, false, false},
	/* what follows the end says nothing about the message */
	{"a\r\n.\r\n\xc3\xa4\nb\rc", 12, false, false, false},
};

static void test_flags(void **state)
{
	const struct flag_vector *v;
	struct body_decoder d;
	struct buf in, out;
	enum way way;
	size_t used, i;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(flag_vectors); i++) {
		v = &flag_vectors[i / 2];
		way = i % 2 == 0 ? WHOLE : BYTES;
		buf_init(&in, OUT_MAX);
		buf_add(&in, v->in, v->len);
		start(&d, &out, 0);
		feed_all(&d, &in, way, 0, &used);
		assert_int_equal(d.eight_bit, v->eight_bit);
		assert_int_equal(d.bare_lf, v->bare_lf);
		assert_int_equal(d.bare_cr, v->bare_cr);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

/* The message up to a problem is handed on, no more; the end is found. */
static void check_problem(const struct buf *in, enum body_problem problem,
	const char *lines, enum way way)
{
	struct body_decoder d;
	struct buf out;
	size_t used;

	start(&d, &out, 0);
	assert_int_equal(feed_all(&d, in, way, 10, &used), 1);
	assert_int_equal(used, in->len - strlen("QUIT"));
	assert_int_equal(d.problem, problem);
	assert_int_equal(d.held.cap, 0);
	assert_string_equal(out.data, lines);
	body_decoder_free(&d);
	buf_free(&out);
}

/* N stands for NUL. */
static const struct nul_vector {
	const char *in;
	const char *lines;
} nul_vectors[] = {
	{"ok\r\nN\r\nmore\r\n.\r\nQUIT", "ok|"},
	{"ok\r\na line of some N length\r\nmore\r\n.\r\nQUIT", "ok|"},
	{"ok\r\nN.\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.N\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.\rN\r\n.\r\nQUIT", "ok||"},
	{"ok\r\na\r\nN\r\n\r\n.\r\nQUIT", "ok|a|"},
	{"ok\r\na\r\n.\nN\r\n.\r\nQUIT", "ok|a||"},
	/* smuggling with NUL: no end either */
	{"ok\r\nN.\r\nb\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.N\r\nb\r\n.\r\nQUIT", "ok|"},
	{"ok\r\n.\rN\nb\r\n.\r\nQUIT", "ok||"},
};

static void test_nul(void **state)
{
	struct buf in;
	enum way way;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(nul_vectors); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, nul_vectors[i].in);
		*strchr(in.data, 'N') = '\0';
		for (way = WHOLE; way <= RANDOM; way++)
			check_problem(&in, BODY_NUL, nul_vectors[i].lines, way);
		buf_free(&in);
	}
}

static void add_many(struct buf *b, char c, size_t count)
{
	char *to = buf_reserve(b, count);

	assert_non_null(to);
	memset(to, c, count);
	b->len += count;
	to[count] = '\0';
}

static void test_line_at_its_limit(void **state)
{
	static const char *const ends[] = {"\r\n", "\n", "\r\r\n"};
	struct body_decoder d;
	struct buf in, out;
	enum way way;
	size_t i, used;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(ends); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, i % 2 == 0 ? "." : "");
		add_many(&in, 'x', TEXT_LINE_MAX);
		buf_add_string(&in, ends[i / 2]);
		buf_add_string(&in, "after\r\n");
		for (way = WHOLE; way <= RANDOM; way++) {
			start(&d, &out, 0);
			feed_all(&d, &in, way, 1000, &used);
			assert_int_equal(d.problem, BODY_FINE);
			assert_int_equal(out.len, TEXT_LINE_MAX + 7);
			assert_string_equal(
				out.data + TEXT_LINE_MAX, "|after|");
			body_decoder_free(&d);
			buf_free(&out);
		}
		buf_free(&in);
	}
}

static void test_line_beyond_its_limit(void **state)
{
	static const char *const ends[] = {"\r\n.\r\nQUIT",
		"\n\n.\n\r\n.\r\nQUIT", "\r\r\nb\r\n.\r\nQUIT",
		"\rb\r\n.\r\nQUIT"};
	struct buf in;
	enum way way;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(ends); i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, "ok\r\n");
		add_many(&in, 'x', TEXT_LINE_MAX + 1);
		buf_add_string(&in, ends[i]);
		for (way = WHOLE; way <= RANDOM; way++)
			check_problem(&in, BODY_LINE_TOO_LONG, "ok|", way);
		buf_free(&in);
	}
}

/* Memory stays bounded whatever comes, and however much. */
static void test_endless_line(void **state)
{
	static const char kinds[] = {'x', '\r', '.', '\x80'};
	struct body_decoder d;
	struct buf out, in;
	size_t i, used;
	int round;

	(void)state;
	for (i = 0; i < 2 * COUNT_OF(kinds); i++) {
		buf_init(&in, OUT_MAX);
		add_many(&in, kinds[i / 2], 10000);
		start(&d, &out, i % 2 == 0 ? HEADER : 0);
		for (round = 0; round < 50; round++)
			body_decoder_feed(&d, in.data, in.len, &used);
		assert_int_equal(d.problem, BODY_LINE_TOO_LONG);
		assert_int_equal(out.len, 0);
		assert_true(d.held.cap <= TEXT_LINE_MAX + 1);
		assert_int_equal(
			body_decoder_feed(&d, "\r\n.\r\nNOOP", 9, &used), 1);
		assert_int_equal(used, 5);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

/* Spaces made of CRs count towards a header line's length. */
static void test_run_of_crs(void **state)
{
	struct body_decoder d;
	struct buf in, out;
	size_t used, i;

	(void)state;
	for (i = 0; i < 2; i++) {
		buf_init(&in, OUT_MAX);
		buf_add_string(&in, i == 0 ? "" : "a");
		add_many(&in, '\r', TEXT_LINE_MAX - 1);
		buf_add_string(&in, "b\r\n");
		start(&d, &out, HEADER);
		body_decoder_feed(&d, in.data, in.len, &used);
		assert_int_equal(
			d.problem, i == 0 ? BODY_FINE : BODY_LINE_TOO_LONG);
		assert_int_equal(out.len, i == 0 ? TEXT_LINE_MAX + 1 : 0);
		body_decoder_free(&d);
		buf_free(&in);
		buf_free(&out);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_vectors),
		cmocka_unit_test(test_every_short_text),
		cmocka_unit_test(test_random_texts),
		cmocka_unit_test(test_whole_lines_are_not_copied),
		cmocka_unit_test(test_header_ends_within_a_feed),
		cmocka_unit_test(test_flags),
		cmocka_unit_test(test_nul),
		cmocka_unit_test(test_line_at_its_limit),
		cmocka_unit_test(test_line_beyond_its_limit),
		cmocka_unit_test(test_endless_line),
		cmocka_unit_test(test_run_of_crs),
	};

	return cmocka_run_group_tests_name("body", tests, NULL, NULL);
}
