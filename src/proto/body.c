/*
 * body.c - the message as it comes in to clean lines, and lines to the bytes of
 *          a DATA phase.
 *
 * The decoder is a small machine over bytes (take_some), with a way around it
 * for the usual line, which lies whole and clean inside the bytes given
 * (take_whole_line): that one is looked at once and handed on where it lies. Of
 * the body, such lines go on together (take_clean_lines).
 *
 * Only the bytes CRLF.CRLF end DATA (RFC 5321 4.1.1.4, 4.5.2), wherever they
 * stand; the CRLF of the DATA command itself counts as their beginning.
 * Whatever else looks like an end is text: it leaves with CRLF as its line ends
 * and the lone dot doubled, so the next server sees no end there either.
 *
 * With lf_dot such a line is held back as long as it is the last one: whether
 * it was the end is not told by bytes but by time, and for the caller to say.
 */
#include "config.h"

#include "proto/body.h"

#include "proto/rfc2047.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum state {
	STATE_START,    /* of a line, after CRLF or at the very beginning */
	STATE_LF_START, /* of a line, after LF without CR */
	STATE_DOT,      /* behind a dot in STATE_START; the dot is dropped */
	STATE_LF_DOT,   /* the same in STATE_LF_START */
	STATE_TEXT,     /* within a line */
};

/* What a line holds besides plain text. */
enum { HAS_CR = 1, HAS_NUL = 2, HAS_8BIT = 4 };

#define EACH_BYTE(value) ((uint64_t)(value)*0x0101010101010101ULL)

/* Has its high bit set in a byte if some byte of word is zero (the usual bit
 * trick: a borrow can make a false mark only above a true one). */
static uint64_t zero_bytes(uint64_t word)
{
	return (word - EACH_BYTE(0x01)) & ~word & EACH_BYTE(0x80);
}

static unsigned look_at(const char *text, size_t len)
{
	uint64_t cr = 0, nul = 0, high = 0, word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		cr |= zero_bytes(word ^ EACH_BYTE('\r'));
		nul |= zero_bytes(word);
		high |= word;
	}
	for (; len > 0; text++, len--) {
		cr |= *text == '\r';
		nul |= *text == '\0';
		high |= (unsigned char)*text;
	}
	return (cr != 0 ? HAS_CR : 0) | (nul != 0 ? HAS_NUL : 0) |
	       ((high & EACH_BYTE(0x80)) != 0 ? HAS_8BIT : 0);
}

void body_decoder_init(struct body_decoder *d, enum body_mode mode,
	body_line_fn *on_line, void *arg)
{
	memset(d, 0, sizeof(*d));
	d->mode = mode;
	d->in_header = true;
	d->on_line = on_line;
	d->arg = arg;
	d->state = STATE_START;
	buf_init(&d->held, TEXT_LINE_MAX);
}

void body_decoder_free(struct body_decoder *d)
{
	buf_free(&d->held);
}

static void set_problem(struct body_decoder *d, enum body_problem problem)
{
	if (d->problem == BODY_FINE)
		d->problem = problem;
	buf_free(&d->held);
}

static void hand_on(struct body_decoder *d, const char *text, size_t len)
{
	if (d->problem != BODY_FINE)
		return;
	if (len > TEXT_LINE_MAX)
		set_problem(d, BODY_LINE_TOO_LONG);
	else
		d->on_line(d->arg, text, len);
}

static void hand_on_held(struct body_decoder *d)
{
	hand_on(d, d->held.len > 0 ? d->held.data : "", d->held.len);
	buf_clear(&d->held);
}

static void hold(struct body_decoder *d, const char *text, size_t len)
{
	if (d->problem != BODY_FINE)
		return;
	if (len > TEXT_LINE_MAX - d->held.len)
		set_problem(d, BODY_LINE_TOO_LONG);
	else if (buf_add(&d->held, text, len) != 0)
		abort();
}

/* The CRs before a byte that is no LF were bare ones. */
static void settle_bare_crs(struct body_decoder *d)
{
	for (; d->cr_run > 0; d->cr_run--) {
		d->bare_cr = true;
		d->state = STATE_TEXT;
		if (d->in_header)
			hold(d, " ", 1);
		else
			hand_on_held(d);
	}
}

bool body_decoder_may_end(const struct body_decoder *d)
{
	return d->lf_dot && d->lone_dot;
}

bool body_decoder_ends_by_dot(const struct body_decoder *d)
{
	return d->lone_dot;
}

/* Returns 1 when this LF ended the data. */
static int take_lf(struct body_decoder *d)
{
	if (d->state == STATE_DOT && d->cr_run == 1)
		return 1;
	if (d->cr_run == 0)
		d->bare_lf = true;
	if (d->cr_run > 1)
		d->bare_cr = true;
	d->lone_dot = d->state == STATE_DOT || d->state == STATE_LF_DOT;
	d->state = d->cr_run > 0 ? STATE_START : STATE_LF_START;
	d->cr_run = 0;
	if (!body_decoder_may_end(d))
		hand_on_held(d);
	return 0;
}

static void take_cr(struct body_decoder *d)
{
	if (d->cr_run < TEXT_LINE_MAX)
		d->cr_run++;
	else
		set_problem(d, BODY_LINE_TOO_LONG);
}

/* Takes the text at p up to the next CR, LF or NUL. Returns its length. */
static size_t take_text(struct body_decoder *d, const char *p, size_t len)
{
	size_t n = 0;
	unsigned char high = 0;

	settle_bare_crs(d);
	if (d->mode == BODY_DATA && *p == '.' &&
		(d->state == STATE_START || d->state == STATE_LF_START)) {
		d->state = d->state == STATE_START ? STATE_DOT : STATE_LF_DOT;
		return 1;
	}
	while (n < len && p[n] != '\r' && p[n] != '\n' && p[n] != '\0') {
		high |= (unsigned char)p[n];
		n++;
	}
	if (high >= 0x80)
		d->eight_bit = true;
	d->state = STATE_TEXT;
	hold(d, p, n);
	return n;
}

/* The careful way: one control byte, or a stretch of text. *used_out is how
 * many bytes that were. Returns 1 at the end of data. */
static int take_some(
	struct body_decoder *d, const char *p, size_t len, size_t *used_out)
{
	*used_out = 1;
	switch (*p) {
	case '\n':
		return take_lf(d);
	case '\r':
		take_cr(d);
		return 0;
	case '\0':
		settle_bare_crs(d);
		set_problem(d, BODY_NUL);
		d->state = STATE_TEXT;
		return 0;
	default:
		*used_out = take_text(d, p, len);
		return 0;
	}
}

/* The short way: a whole line that ends in CRLF or LF and holds neither CR nor
 * NUL. *used_out is its length with its end, 0 where p is no such line. Returns
 * 1 at the end of data. */
static int take_whole_line(
	struct body_decoder *d, const char *p, size_t len, size_t *used_out)
{
	const char *lf = memchr(p, '\n', len);
	size_t n = lf != NULL ? (size_t)(lf - p) : 0;
	bool crlf = n > 0 && p[n - 1] == '\r';
	unsigned has;

	*used_out = 0;
	if (lf == NULL)
		return 0;
	n -= crlf;
	has = look_at(p, n);
	if ((has & (HAS_CR | HAS_NUL)) != 0)
		return 0;
	*used_out = (size_t)(lf - p) + 1;
	if (d->mode == BODY_DATA && n > 0 && *p == '.') {
		if (n == 1 && crlf && d->state == STATE_START)
			return 1;
		d->lone_dot = n == 1;
		p++;
		n--;
	}
	if ((has & HAS_8BIT) != 0)
		d->eight_bit = true;
	if (!crlf)
		d->bare_lf = true;
	d->state = crlf ? STATE_START : STATE_LF_START;
	if (!body_decoder_may_end(d))
		hand_on(d, p, n);
	return 0;
}

/* How many bytes at p are lines to be handed on as they are: whole, with CRLF
 * as their end, without NUL, other CR or a dot to be removed. */
static size_t clean_lines(
	const struct body_decoder *d, const char *p, size_t len)
{
	const char *at = p, *lf, *nul;
	const char *end = p + (len < BODY_LINES_MAX ? len : BODY_LINES_MAX);
	size_t n;

	while (at < end && (d->mode != BODY_DATA || *at != '.')) {
		lf = memchr(at, '\n', (size_t)(end - at));
		n = lf != NULL ? (size_t)(lf - at) : 0;
		if (n == 0 || memchr(at, '\r', n) != lf - 1)
			break;
		at = lf + 1;
	}
	nul = memchr(p, '\0', (size_t)(at - p));
	if (nul != NULL)
		for (at = nul; at > p && at[-1] != '\n'; at--)
			;
	return (size_t)(at - p);
}

/* The shortest way: of the body, what is clean goes on in one piece. Returns
 * its length, or 0. */
static size_t take_clean_lines(
	struct body_decoder *d, const char *p, size_t len)
{
	size_t n;

	if (d->in_header || d->on_lines == NULL || d->problem != BODY_FINE)
		return 0;
	n = clean_lines(d, p, len);
	if (n == 0)
		return 0;
	if (!d->eight_bit)
		d->eight_bit = !text_is_ascii(p, n);
	d->state = STATE_START;
	d->on_lines(d->arg, p, n);
	return n;
}

int body_decoder_feed(
	struct body_decoder *d, const char *data, size_t len, size_t *used_out)
{
	size_t at = 0, used;
	int ended = 0;

	while (at < len && !ended) {
		/* text, after all: the dot is removed */
		if (body_decoder_may_end(d))
			hand_on(d, "", 0);
		d->lone_dot = false;
		used = 0;
		/* Only where a line begins, so that no byte is searched for LF
		 * time and again. */
		if (d->cr_run == 0 && (d->state == STATE_START ||
					      d->state == STATE_LF_START)) {
			used = take_clean_lines(d, data + at, len - at);
			if (used == 0)
				ended = take_whole_line(
					d, data + at, len - at, &used);
		}
		if (used == 0)
			ended = take_some(d, data + at, len - at, &used);
		at += used;
	}
	*used_out = at;
	return ended;
}

void body_decoder_end(struct body_decoder *d)
{
	if (d->mode == BODY_DATA) {
		d->lone_dot = false;
		return;
	}
	settle_bare_crs(d);
	if (d->state == STATE_DOT || d->held.len > 0)
		hand_on_held(d);
	d->state = STATE_START;
}

int dot_stuff(
	struct dot_stuffer *s, const char *data, size_t len, struct buf *out)
{
	const char *from = data, *p = data, *end = data + len;
	const size_t before = out->len;
	bool at_start = s->at_line_start;
	int rc = 0;

	while (p < end && rc == 0) {
		if (at_start && *p == '.') {
			/* what came before goes out, then a dot; the line's own
			 * dot begins the next stretch */
			rc = buf_add(out, from, (size_t)(p - from));
			rc = rc == 0 ? buf_add(out, ".", 1) : rc;
			from = p;
		}
		p = memchr(p, '\n', (size_t)(end - p));
		at_start = p != NULL;
		p = p != NULL ? p + 1 : end;
	}
	if (rc == 0)
		rc = buf_add(out, from, (size_t)(end - from));
	if (rc == 0)
		s->at_line_start = at_start;
	else if (out->len > before)
		out->data[before] = '\0';
	if (rc != 0)
		out->len = before;
	return rc;
}
