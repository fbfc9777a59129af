/*
 * test_header_encode.c - raw 8-bit text in every place of a header.
 */
#include "config.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/header_encode.h"
#include "proto/rfc2047.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

enum {
	OUT_MAX = 16 * 1024 * 1024,
	BIG = 500 * 1024,
	ROUNDS = 20000,
	RANDOM_LEN = 150,
};

#define AE   "\xc3\xa4"
#define OE   "\xc3\xb6"
#define UE   "\xc3\xbc"
#define E_AE "=?UTF-8?Q?=C3=A4?="
#define L_AE "\xe4"

static const struct vector {
	const char *in; /* without the last CRLF */
	const char *out;
	bool utf8;
} vectors[] = {
	/* unstructured: the words that need it and what lies between */
	{"Subject: Pr" UE "fung", "Subject: =?UTF-8?Q?Pr=C3=BCfung?=", false},
	{"Subject:Pr" UE "fung", "Subject: =?UTF-8?Q?Pr=C3=BCfung?=", false},
	{"Subject: Die Pr" UE "fung ist da",
		"Subject: Die =?UTF-8?Q?Pr=C3=BCfung?= ist da", false},
	{"Subject: Die Pr" UE "fung ist Sch" OE "n heute",
		"Subject: Die =?UTF-8?Q?Pr=C3=BCfung_ist_Sch=C3=B6n?= heute",
		false},
	{"Subject: Die Pr" UE "fung  \tist\r\n\tSch" OE "n  heute\r\n so",
		"Subject: Die =?UTF-8?Q?Pr=C3=BCfung___ist_Sch=C3=B6n?="
		"  heute\r\n so",
		false},
	{"Subject: Gr\xfc\xdf"
	 "e aus dem Norden",
		"Subject: =?ISO-8859-1?Q?Gr=FC=DFe?= aus dem Norden", false},
	{"Subject: cost=100% (\"" UE "ber\") a",
		"Subject: cost=100% =?UTF-8?B?KCLDvGJlciIp?= a", false},
	{"Subject: " UE "ber", "Subject: =?UTF-8?Q?=C3=BCber?=", false},
	{"Subject:\r\n " UE "ber", "Subject:\r\n =?UTF-8?Q?=C3=BCber?=", false},
	{"X-Printer-Name: B" UE "ro",
		"X-Printer-Name: =?UTF-8?Q?B=C3=BCro?=", false},
	{"Comments: \"B" UE "ro\" <x>",
		"Comments: =?UTF-8?Q?=22B=C3=BCro=22?= <x>", false},
	/* valid UTF-8 in one place, not in another: the field is ISO-8859-1 */
	{"Subject: aaa" UE " aaa\xfc",
		"Subject: =?ISO-8859-1?Q?aaa=C3=BC_aaa=FC?=", false},
	/* beside encoded-words: the space between would not be shown */
	{"Subject: =?utf-8?Q?a?= Pr" UE "fung",
		"Subject: =?utf-8?Q?a?= =?UTF-8?Q?_Pr=C3=BCfung?=", false},
	{"Subject: Pr" UE "fung =?utf-8?Q?a?=",
		"Subject: =?UTF-8?Q?Pr=C3=BCfung_?= =?utf-8?Q?a?=", false},
	{"Subject: =?utf-8?Q?a?=\r\n  Pr" UE "fung\r\n =?utf-8?Q?a?=",
		"Subject: =?utf-8?Q?a?=\r\n  =?UTF-8?Q?__Pr=C3=BCfung_?=\r\n "
		"=?utf-8?Q?a?=",
		false},
	{"Subject: =?utf-8?Q?a?= b Pr" UE "fung c =?utf-8?Q?a?=",
		"Subject: =?utf-8?Q?a?= b =?UTF-8?Q?Pr=C3=BCfung?= c "
		"=?utf-8?Q?a?=",
		false},
	{"Subject: Pr" UE "fung b =?utf-8?Q?a?= c Pr" UE "fung",
		"Subject: =?UTF-8?Q?Pr=C3=BCfung?= b =?utf-8?Q?a?= c "
		"=?UTF-8?Q?Pr=C3=BCfung?=",
		false},
	/* addresses: atoms */
	{"From: J" OE "rg M" UE "ller <jm@example.org>",
		"From: =?UTF-8?Q?J=C3=B6rg_M=C3=BCller?= <jm@example.org>",
		false},
	{"From: Hans M" UE "ller Junior <jm@example.org>",
		"From: Hans =?UTF-8?Q?M=C3=BCller?= Junior <jm@example.org>",
		false},
	{"From: M\xfcller <jm@example.org>",
		"From: =?ISO-8859-1?Q?M=FCller?= <jm@example.org>", false},
	{"From:M" UE "ller<jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller?= <jm@example.org>", false},
	/* quoted: no longer */
	{"From: \"M" UE "ller, Hans\" <jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller=2C_Hans?= <jm@example.org>",
		false},
	{"From: \"M" UE "ller\"<jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller?= <jm@example.org>", false},
	{"From: \"M" UE "ller \\\"Hansi\\\" \\\\ GmbH\" <jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller_=22Hansi=22_=5C_GmbH?= "
		"<jm@example.org>",
		false},
	{"From: \"Hans\" \"M" UE "ller\" \"Junior\" <jm@example.org>",
		"From: \"Hans\" =?UTF-8?Q?M=C3=BCller?= \"Junior\" "
		"<jm@example.org>",
		false},
	{"From: \"M" UE "ller\" \"Jr.\" \"J" OE "rgsen\" <jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller_Jr=2E_J=C3=B6rgsen?= "
		"<jm@example.org>",
		false},
	{"From: \"M" UE "ller\r\n Hans\"\r\n <jm@example.org>",
		"From: =?UTF-8?Q?M=C3=BCller_Hans?=\r\n <jm@example.org>",
		false},
	{"From: Hans\"M" UE "ller\"Junior <jm@example.org>",
		"From: =?UTF-8?Q?HansM=C3=BCllerJunior?= <jm@example.org>",
		false},
	{"From: =?utf-8?Q?a?= \"M" UE "ller\" =?utf-8?Q?a?= <a@b>",
		"From: =?utf-8?Q?a?= =?UTF-8?Q?_M=C3=BCller_?= =?utf-8?Q?a?= "
		"<a@b>",
		false},
	/* lists, groups */
	{"To: a@b, \"M" UE "ller\" <c@d>,Hans <e@f>",
		"To: a@b, =?UTF-8?Q?M=C3=BCller?= <c@d>,Hans <e@f>", false},
	{"To: a@b,M" UE "ller <c@d>, Schr" OE "der <e@f>",
		"To: a@b, =?UTF-8?Q?M=C3=BCller?= <c@d>, "
		"=?UTF-8?Q?Schr=C3=B6der?= <e@f>",
		false},
	{"To: Empf" AE "nger: a@b, M" UE "ller <c@d>;",
		"To: =?UTF-8?Q?Empf=C3=A4nger?= : a@b, =?UTF-8?Q?M=C3=BCller?= "
		"<c@d>;",
		false},
	{"To: M" UE "ller", "To: =?UTF-8?Q?M=C3=BCller?=", false},
	{"To: J" OE "rg jm@example.org",
		"To: =?UTF-8?Q?J=C3=B6rg?= jm@example.org", false},
	{"To: j" OE "rg@work <j@example.org>",
		"To: =?UTF-8?Q?j=C3=B6rg=40work?= <j@example.org>", false},
	{"To: \"j" OE "rg@work.org\" <j@example.org>",
		"To: =?UTF-8?Q?j=C3=B6rg=40work=2Eorg?= <j@example.org>",
		false},
	/* comments */
	{"From: a@b (M" UE "ller)", "From: a@b (=?UTF-8?Q?M=C3=BCller?=)",
		false},
	{"From: a@b (Hans M" UE "ller (der\r\n \xc3\x84ltere) \\(x\\) )",
		"From: a@b (Hans =?UTF-8?Q?M=C3=BCller?= (der\r\n "
		"=?UTF-8?Q?=C3=84ltere?=) \\(x\\) )",
		false},
	{"From: a@b (\\(M" UE "ller\\) a \\\\ \xc3\xa4 b\\) c)",
		"From: a@b (=?UTF-8?Q?=28M=C3=BCller=29_a_=5C_=C3=A4?= b\\) c)",
		false},
	{"From: a@b (M" UE "ller(x))",
		"From: a@b (=?UTF-8?Q?M=C3=BCller?= (x))", false},
	{"From: M" UE "ller(x)Hansen <a@b>",
		"From: =?UTF-8?Q?M=C3=BCller?= (x)Hansen <a@b>", false},
	{"From: (x)M" UE "ller <a@b>",
		"From: (x) =?UTF-8?Q?M=C3=BCller?= <a@b>", false},
	{"Received: from mail (M" UE "ller [192.0.2.1]) by x; Sun, 22 Nov 2026",
		"Received: from mail (=?UTF-8?Q?M=C3=BCller?= [192.0.2.1]) by "
		"x; Sun, 22 Nov 2026",
		false},
	{"Date: So, 1 M" AE "rz 2026 10:00:00 +0100 (Mitteleurop" AE "isch)",
		"Date: So, 1 =?UTF-8?Q?M=C3=A4rz?= 2026 10:00:00 +0100 "
		"(=?UTF-8?Q?Mitteleurop=C3=A4isch?=)",
		false},
	/* addresses and ids cannot be written otherwise */
	{"To: <j" OE "rg@example.org>", "To: <j" OE "rg@example.org>", true},
	{"To: j" OE "rg@example.org", "To: j" OE "rg@example.org", true},
	{"To: \"j" OE "rg m\"@example.org", "To: \"j" OE "rg m\"@example.org",
		true},
	{"To: J" OE "rg <j" OE "rg@example.org>, M" UE "ller <a@b>",
		"To: =?UTF-8?Q?J=C3=B6rg?= <j" OE "rg@example.org>, "
		"=?UTF-8?Q?M=C3=BCller?= <a@b>",
		true},
	{"To: J\xf6rg <j\xf6rg@example.org>",
		"To: =?ISO-8859-1?Q?J=F6rg?= <j" OE "rg@example.org>", true},
	{"To: j\xf6rg@example.org", "To: j" OE "rg@example.org", true},
	{"Message-ID: <1@b" UE "ro>", "Message-ID: <1@b" UE "ro>", true},
	{"References: <1@a> <2@b" UE "ro>\r\n <3@c>",
		"References: <1@a> <2@b" UE "ro>\r\n <3@c>", true},
	/* broken: never closed */
	{"From: \"M" UE "ller <a@b>", "From: =?UTF-8?Q?=22M=C3=BCller?= <a@b>",
		false},
	{"From: M" UE "ller (x <a@b>", "From: =?UTF-8?Q?M=C3=BCller?= (x <a@b>",
		false},
	{"From: M" UE "ller <a@b", "From: =?UTF-8?Q?M=C3=BCller?= <a@b", false},
	{"From: M" UE "ller> a@b)", "From: =?UTF-8?Q?M=C3=BCller=3E?= a@b)",
		false},
	{"From: \"a\" M" UE "ller\" b <a@b>",
		"From: \"a\" =?UTF-8?Q?M=C3=BCller=22?= b <a@b>", false},
	{"From: a@b (M" UE "ller\\\r\n x)",
		"From: a@b (=?UTF-8?Q?M=C3=BCller=5C?=\r\n x)", false},
	/* parameters */
	{"Content-Type: application/pdf; name=\"Pr" UE "fung.pdf\"; x=y",
		"Content-Type: application/pdf; "
		"name*=UTF-8''Pr%C3%BCfung.pdf; x=y",
		false},
	{"Content-Disposition: attachment;\r\n\tfilename=Pr\xfc"
	 "fung 1.pdf",
		"Content-Disposition: attachment;\r\n\t"
		"filename*=ISO-8859-1''Pr%FCfung%201.pdf",
		false},
	{"Content-Type: text/plain (M" UE "ller); charset=utf-8",
		"Content-Type: text/plain (=?UTF-8?Q?M=C3=BCller?=); "
		"charset=utf-8",
		false},
	{"Content-Type: text/plain; (M" UE "ller) x; charset=utf-8;",
		"Content-Type: text/plain; (=?UTF-8?Q?M=C3=BCller?=) x; "
		"charset=utf-8;",
		false},
	{"Content-Disposition: a; filename=\"" UE "x\"; filename*=utf-8''x",
		"Content-Disposition: a; filename=\"_x\"; filename*=utf-8''x",
		false},
};

static struct header_encoding encode(
	struct buf *out, const char *text, size_t len)
{
	struct header_encoding done;
	struct header_field f;
	size_t pos = 0;

	buf_init(out, OUT_MAX);
	assert_int_equal(header_field_next(text, len, &pos, &f), 1);
	assert_int_equal(pos, len);
	assert_int_equal(header_encode(out, &f, &done), 0);
	return done;
}

static void table(void **state)
{
	struct header_encoding done;
	struct buf in, out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		buf_init(&in, OUT_MAX);
		assert_int_equal(buf_addf(&in, "%s\r\n", vectors[i].in), 0);
		done = encode(&out, in.data, in.len);
		assert_int_equal(out.data[out.len - 1], '\n');
		out.data[out.len - 2] = '\0';
		assert_string_equal(out.data, vectors[i].out);
		assert_int_equal(done.utf8, vectors[i].utf8);
		assert_int_equal(done.changed,
			strcmp(vectors[i].in, vectors[i].out) != 0);
		buf_free(&in);
		buf_free(&out);
	}
}

/* A long text: words of at most 75 octets, the first one fills the line. */
static void long_text(void **state)
{
	static const char in[] =
		"Subject: "
		"\xd0\x9f\xd1\x80\xd0\xb8\xd0\xb2\xd0\xb5\xd1\x82, "
		"\xd1\x8d\xd1\x82\xd0\xbe "
		"\xd0\xbe\xd1\x87\xd0\xb5\xd0\xbd\xd1\x8c "
		"\xd0\xb4\xd0\xbb\xd0\xb8\xd0\xbd\xd0\xbd\xd0\xb0\xd1\x8f "
		"\xd1\x82\xd0\xb5\xd0\xbc\xd0\xb0\r\n";
	static const char expected[] =
		"Subject: =?UTF-8?B?"
		"0J/RgNC40LLQtdGCLCDRjdGC0L4g0L7Rh9C10L3RjCDQtNC70LjQ?=";
	struct buf out;
	const char *end;

	(void)state;
	encode(&out, in, strlen(in));
	end = strstr(out.data, "\r\n ");
	assert_non_null(end);
	assert_true(end - out.data <= 76);
	assert_true(end - out.data > 70);
	assert_memory_equal(out.data, expected, 60);
	buf_free(&out);
}

/* --- random fields, read back by a decoder of our own --- */

static uint32_t next_random(uint32_t *seed)
{
	*seed = *seed * 1664525 + 1013904223;
	return *seed >> 8;
}

static int hex_value(char c)
{
	return c <= '9' ? c - '0' : c - 'A' + 10;
}

/* Appends what an encoded-word stands for. */
static void decode_word(struct buf *out, const char *word, size_t len)
{
	const char *text = memchr(word + 2, '?', len - 2), *end;
	char c;

	end = word + len - 2;
	if (text[1] == 'B') {
		assert_int_equal(
			base64_decode(out, text + 3, (size_t)(end - text) - 3),
			0);
		return;
	}
	for (text += 3; text < end; text++) {
		c = *text == '_' ? ' ' : *text;
		if (*text == '=') {
			c = (char)(hex_value(text[1]) << 4 |
				   hex_value(text[2]));
			text += 2;
		}
		assert_int_equal(buf_add(out, &c, 1), 0);
	}
}

/* RFC 2047 section 6.2: an unstructured value as it is shown. */
static void decode_text(struct buf *out, const char *p, size_t len)
{
	const char *end = p + len, *from, *gap = p;
	size_t gap_len = 0, i;
	bool is, was = false;

	buf_init(out, OUT_MAX);
	while (p < end) {
		for (gap = p, gap_len = 0; p < end && header_is_space(*p); p++)
			gap_len++;
		for (from = p; p < end && !header_is_space(*p);)
			p++;
		is = rfc2047_is_word(from, (size_t)(p - from));
		for (i = 0; i < gap_len && !(is && was); i++) {
			if (gap[i] != '\r' && gap[i] != '\n')
				assert_int_equal(buf_add(out, gap + i, 1), 0);
		}
		if (is)
			decode_word(out, from, (size_t)(p - from));
		else
			assert_int_equal(
				buf_add(out, from, (size_t)(p - from)), 0);
		was = is;
	}
}

/* Words, spaces, folds and encoded-words at random. */
static size_t random_value(uint32_t *seed, char *text, bool latin1)
{
	static const char *const pieces[] = {" ", "  ", "\r\n ", "a", "word",
		"=?UTF-8?Q?x_y?=", " =?UTF-8?B?w6Q=?= ", "(", "\"", "\\", "<",
		"=?", "?=", "_"};
	size_t len = 0, n = next_random(seed) % 24, k;
	const char *piece;

	text[len++] = ' ';
	while (n-- > 0) {
		k = next_random(seed) % (COUNT_OF(pieces) + 4);
		piece = k < COUNT_OF(pieces) ? pieces[k] : latin1 ? L_AE : AE;
		/* no blank lines: these have gone before */
		if (piece[0] == '\r' && header_is_space(text[len - 1]))
			continue;
		memcpy(text + len, piece, strlen(piece));
		len += strlen(piece);
	}
	if (header_is_space(text[len - 1]))
		text[len++] = 'z';
	return len;
}

/* What a person sees of a Subject is what was sent. */
static void random_subjects(void **state)
{
	struct buf out, was, is;
	char text[16 + 24 * 24];
	struct header_field f;
	uint32_t seed = 7;
	size_t i, len, pos;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		memcpy(text, "Subject:", 8);
		len = 8 + random_value(&seed, text + 8, i % 2);
		memcpy(text + len, "\r\n", 2);
		encode(&out, text, len + 2);
		assert_true(text_is_ascii(out.data, out.len));
		pos = 0;
		assert_int_equal(
			header_field_next(out.data, out.len, &pos, &f), 1);
		assert_int_equal(pos, out.len);
		decode_text(&was, text + 8, len - 8);
		decode_text(&is, f.value, f.value_len);
		assert_string_equal(is.data, was.data);
		buf_free(&out);
		buf_free(&was);
		buf_free(&is);
	}
}

/* Every line end is CRLF and followed by white space, but for the last. */
static void check_lines(const struct buf *out)
{
	size_t i;

	for (i = 0; i < out->len; i++) {
		if (out->data[i] == '\r')
			assert_int_equal(out->data[i + 1], '\n');
		if (out->data[i] != '\n')
			continue;
		assert_true(i > 0);
		assert_int_equal(out->data[i - 1], '\r');
		if (i + 1 < out->len)
			assert_true(out->data[i + 1] == ' ' ||
				    out->data[i + 1] == '\t');
	}
	assert_true(out->len > 2);
	assert_int_equal(out->data[out->len - 1], '\n');
}

/* Random octets in every kind of field: one field comes out, in US-ASCII or in
 * UTF-8 and said so. */
static void random_octets(void **state)
{
	static const char alphabet[] =
		"ab@<>\"()\\,;:= \t\r\n?_%'*" L_AE AE AE OE "\xff\x80";
	static const char *const starts[] = {"Subject:", "To:", "References:",
		"Received:", "Content-Type: a/b;", "Content-Disposition:"};
	char text[3 * RANDOM_LEN + 32];
	struct header_encoding done;
	uint32_t seed = 3;
	struct buf out;
	size_t i, len, n;
	char c;

	(void)state;
	for (i = 0; i < ROUNDS; i++) {
		len = strlen(starts[i % COUNT_OF(starts)]);
		memcpy(text, starts[i % COUNT_OF(starts)], len);
		for (n = next_random(&seed) % RANDOM_LEN; n > 0; n--) {
			c = alphabet[next_random(&seed) %
				     (sizeof(alphabet) - 1)];
			if (c == '\r' || c == '\n') {
				memcpy(text + len, "\r\n ", 3);
				len += 3;
			} else {
				text[len++] = c;
			}
		}
		memcpy(text + len, "\r\n", 2);
		done = encode(&out, text, len + 2);
		check_lines(&out);
		assert_true(text_is_utf8(out.data, out.len));
		assert_int_equal(done.utf8, !text_is_ascii(out.data, out.len));
		buf_free(&out);
	}
}

/* Half a megabyte of what could cost squares: that this ends at all in the time
 * of a test is what it shows. */
static void big(void **state)
{
	static const struct {
		const char *start;
		const char *pattern;
	} patterns[] = {
		{"Subject:", AE " "},
		{"Subject:", AE " a "},
		{"Subject:", "a "},
		{"Subject:", AE " =?UTF-8?Q?a?= "},
		{"To:", "(" AE ")"},
		{"To:", "("},
		{"To:", "(a) "},
		{"To:", "\""},
		{"To:", "\"\\"},
		{"To:", "<"},
		{"To:", "\\\"\"<\">"},
		{"To:", "<\">"},
		{"To:", ",\"(<"},
		{"To:", AE " <"},
		{"To:", AE "@"},
		{"To:", "\"" AE "\" <a@b>, "},
		{"References:", "<" AE "@b> "},
		{"Content-Type: a/b", ";a=" AE},
		{"Content-Type: a/b", ";a*=" AE},
		{"Content-Type: a/b", ";\"" AE},
		{"Content-Type: a/b;c=", AE},
	};
	struct header_encoding done;
	struct buf in, out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(patterns); i++) {
		buf_init(&in, OUT_MAX);
		assert_int_equal(buf_add_string(&in, patterns[i].start), 0);
		while (in.len < BIG)
			assert_int_equal(
				buf_add_string(&in, patterns[i].pattern), 0);
		assert_int_equal(buf_add_string(&in, AE "\r\n"), 0);
		done = encode(&out, in.data, in.len);
		check_lines(&out);
		assert_true(done.changed || done.utf8);
		buf_free(&in);
		buf_free(&out);
	}
}

/* A full buffer is told, wherever it fills. */
static void full(void **state)
{
	static const char *const texts[] = {
		"To: \"M" UE "ller\" (B" UE "ro) <a@b" UE ">, x\xc3\xa4 y\r\n",
		"To: M\xfcller <a@b\xfc>\r\n",
		"Content-Type: a/b; c=" UE "; d=e\r\n",
	};
	struct header_encoding done;
	struct header_field f;
	struct buf out;
	size_t i, max, whole, pos;

	(void)state;
	for (i = 0; i < COUNT_OF(texts); i++) {
		encode(&out, texts[i], strlen(texts[i]));
		whole = out.len;
		buf_free(&out);
		for (max = 0; max < whole; max++) {
			pos = 0;
			header_field_next(texts[i], strlen(texts[i]), &pos, &f);
			buf_init(&out, max);
			assert_int_equal(header_encode(&out, &f, &done), -1);
			buf_free(&out);
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(long_text),
		cmocka_unit_test(random_subjects),
		cmocka_unit_test(random_octets),
		cmocka_unit_test(big),
		cmocka_unit_test(full),
	};

	return cmocka_run_group_tests_name("header_encode", tests, NULL, NULL);
}
