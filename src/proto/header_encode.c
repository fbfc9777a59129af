/*
 * header_encode.c - raw 8-bit text of a field to what every server takes.
 */
#include "config.h"

#include "proto/header_encode.h"

#include "proto/rfc2047.h"
#include "proto/rfc2231.h"

#include <string.h>

/* What quotes and backslashes mean inside a word. */
enum syntax {
	SYNTAX_TEXT,    /* nothing */
	SYNTAX_COMMENT, /* a backslash quotes */
	SYNTAX_PHRASE,  /* quotes quote, a backslash does inside them */
};

enum token {
	TOKEN_SPACE,
	TOKEN_ATOM, /* also dots, '@', '[' and what is left of broken text */
	TOKEN_QUOTED,
	TOKEN_COMMENT,
	TOKEN_ANGLE,   /* <...> */
	TOKEN_SPECIAL, /* ',' ';' ':', one character */
};

/*
 * A span is the text from the first word that needs encoding to the last one
 * before something that cannot be in an encoded-word. Words are added to it in
 * the hope of another such word; what came behind the last one is then taken
 * from the raw text.
 */
struct encoder {
	struct buf *out;
	struct buf span;  /* decoded */
	size_t keep;      /* octets of it that need encoding */
	const char *tail; /* the raw text behind these; NULL: no span */
	enum text_charset charset;
	bool after_word; /* an encoded-word and spaces were last, */
	const char *gap; /* these spaces */
	size_t gap_len;
	bool glued;  /* an encoded-word of ours was last, no space yet */
	bool failed; /* out or memory is full */
	struct header_encoding done;
	/* Openings that are never closed are ordinary characters; looked for
	 * once, so that many of them cost no more than one. */
	const char *open_quote;
	const char *open_paren;
	const char *open_angle;
};

static void put(struct encoder *e, const char *text, size_t len)
{
	if (len == 0)
		return;
	if (buf_add(e->out, text, len) != 0)
		e->failed = true;
	e->glued = false;
}

/* Adds to the span what raw text stands for. */
static void span_add(
	struct encoder *e, const char *raw, size_t len, enum syntax syntax)
{
	char *to = buf_reserve(&e->span, len);
	bool quoted = false, pair;
	size_t i, n = 0;

	if (to == NULL) {
		e->failed = true;
		return;
	}
	for (i = 0; i < len; i++) {
		pair = raw[i] == '\\' && (quoted || syntax == SYNTAX_COMMENT) &&
		       header_pair_length(raw + i, len - i) == 2;
		if (pair) {
			i++;
		} else if (syntax == SYNTAX_PHRASE && raw[i] == '"' &&
			   raw + i < e->open_quote) {
			quoted = !quoted;
			continue;
		}
		if (raw[i] != '\r' && raw[i] != '\n')
			to[n++] = raw[i] == '\t' ? ' ' : raw[i];
	}
	e->span.len += n;
}

/* Octets in the line that out is at; as good as infinite beyond a line. */
static size_t column(const struct buf *out)
{
	size_t n = 0;

	while (n < out->len && n < RFC2047_LINE_MAX &&
		out->data[out->len - 1 - n] != '\n')
		n++;
	return n;
}

static bool is_all_spaces(const char *text, size_t len)
{
	while (len > 0 && text[len - 1] == ' ')
		len--;
	return len == 0;
}

/* Writes the span out; raw text goes on at next. before_word: with an encoded-
 * word. The space between two of these is not shown (RFC 2047 section 6.2), so
 * it is put inside ours as well. */
static void span_end(struct encoder *e, const char *next, bool before_word)
{
	const struct buf *out = e->out;
	char last;

	if (e->tail == NULL)
		return;
	if (before_word &&
		is_all_spaces(e->span.data + e->keep, e->span.len - e->keep))
		e->keep = e->span.len;
	last = out->len > 0 ? out->data[out->len - 1] : ' ';
	if (last != ' ' && last != '\t' && last != '(')
		put(e, " ", 1);
	if (e->failed || rfc2047_encode(e->out, e->span.data, e->keep,
				 e->charset, column(e->out)) != 0)
		e->failed = true;
	e->glued = true;
	put(e, e->tail, (size_t)(next - e->tail));
	e->tail = NULL;
	e->done.changed = true;
}

static void add_word(
	struct encoder *e, const char *raw, size_t len, enum syntax syntax)
{
	if (!text_is_ascii(raw, len)) {
		if (e->tail == NULL) {
			buf_clear(&e->span);
			if (e->after_word)
				span_add(e, e->gap, e->gap_len, SYNTAX_TEXT);
		}
		span_add(e, raw, len, syntax);
		e->keep = e->span.len;
		e->tail = raw + len;
		e->after_word = false;
	} else if (rfc2047_is_word(raw, len)) {
		span_end(e, raw, true);
		put(e, raw, len);
		e->after_word = true;
		e->gap_len = 0;
	} else if (e->tail != NULL) {
		span_add(e, raw, len, syntax);
	} else {
		put(e, raw, len);
		e->after_word = false;
	}
}

static void add_space(struct encoder *e, const char *raw, size_t len)
{
	if (e->tail != NULL) {
		span_add(e, raw, len, SYNTAX_TEXT);
	} else {
		put(e, raw, len);
		e->gap = raw;
		e->gap_len = len;
	}
}

/* Adds what is never encoded: a special, an address. */
static void add_raw(struct encoder *e, const char *raw, size_t len)
{
	span_end(e, raw, false);
	if (e->glued && *raw != ')')
		put(e, " ", 1);
	e->after_word = false;
	if (text_is_ascii(raw, len)) {
		put(e, raw, len);
		return;
	}
	e->done.utf8 = true;
	e->glued = false;
	if (e->charset == TEXT_UTF8) {
		put(e, raw, len);
		return;
	}
	e->done.changed = true;
	if (utf8_add_latin1(e->out, raw, len) != 0)
		e->failed = true;
}

static size_t space_length(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && header_is_space(*p))
		p++;
	return (size_t)(p - from);
}

static void encode_text(struct encoder *e, const char *p, const char *end)
{
	const char *from;

	while (p < end) {
		from = p;
		p += space_length(p, end);
		add_space(e, from, (size_t)(p - from));
		from = p;
		while (p < end && !header_is_space(*p))
			p++;
		if (p > from)
			add_word(e, from, (size_t)(p - from), SYNTAX_TEXT);
	}
	span_end(e, end, false);
}

/* A whole comment, its parentheses and those inside it included. */
static void encode_comment(struct encoder *e, const char *p, const char *end)
{
	const char *from;

	while (p < end) {
		from = p;
		if (header_is_space(*p)) {
			p += space_length(p, end);
			add_space(e, from, (size_t)(p - from));
			continue;
		}
		if (*p == '(' || *p == ')') {
			add_raw(e, p++, 1);
			continue;
		}
		while (p < end && !header_is_space(*p) && *p != '(' &&
			*p != ')')
			p += *p == '\\'
				     ? header_pair_length(p, (size_t)(end - p))
				     : 1;
		add_word(e, from, (size_t)(p - from), SYNTAX_COMMENT);
	}
}

/* These return what is behind the closing character, NULL where it misses. */
static const char *quoted_end(const char *p, const char *end)
{
	for (p++; p < end && *p != '"';)
		p += *p == '\\' ? header_pair_length(p, (size_t)(end - p)) : 1;
	return p < end ? p + 1 : NULL;
}

static const char *comment_end(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p + 1;
		p += *p == '\\' ? header_pair_length(p, (size_t)(end - p)) : 1;
	}
	return NULL;
}

/* A quoted local part with a '>' in it is not looked for: where the quote ends
 * could then depend on where one began to read, and reading cost squares. */
static const char *angle_end(const char *p, const char *end)
{
	p = memchr(p, '>', (size_t)(end - p));
	return p != NULL ? p + 1 : NULL;
}

/* Tries an opening; where it is not closed, *open is where that was seen. */
static const char *closed_end(const char *(*find)(const char *, const char *),
	const char *p, const char *end, const char **open)
{
	const char *behind;

	if (p >= *open)
		return NULL;
	behind = find(p, end);
	if (behind == NULL)
		*open = p;
	return behind;
}

/* The token at p, and in *next_out what follows it. */
static enum token next_token(struct encoder *e, const char *p, const char *end,
	const char **next_out)
{
	const char *behind = NULL;
	enum token token = TOKEN_ATOM;

	if (header_is_space(*p)) {
		token = TOKEN_SPACE;
		behind = p + space_length(p, end);
	} else if (strchr(",;:", *p) != NULL) {
		token = TOKEN_SPECIAL;
		behind = p + 1;
	} else if (*p == '"') {
		token = TOKEN_QUOTED;
		behind = closed_end(quoted_end, p, end, &e->open_quote);
	} else if (*p == '(') {
		token = TOKEN_COMMENT;
		behind = closed_end(comment_end, p, end, &e->open_paren);
	} else if (*p == '<') {
		token = TOKEN_ANGLE;
		behind = closed_end(angle_end, p, end, &e->open_angle);
	}
	if (behind == NULL) {
		token = TOKEN_ATOM;
		for (behind = p + 1; behind < end && !header_is_space(*behind);
			behind++) {
			if (strchr(",;:\"(<", *behind) != NULL)
				break;
		}
	}
	*next_out = behind;
	return token;
}

/* Looks whether the list element at p has its address in angle brackets: then
 * the words before these are a phrase, '@' or not. */
static bool has_angle(struct encoder *e, const char *p, const char *end)
{
	enum token token;

	while (p < end) {
		token = next_token(e, p, end, &p);
		if (token == TOKEN_ANGLE)
			return true;
		if (token == TOKEN_SPECIAL)
			return false;
	}
	return false;
}

/* The end of the word at p: atoms and quoted-strings without a space between
 * them. *address_out: it has an '@' outside quotes. */
static const char *word_end(
	struct encoder *e, const char *p, const char *end, bool *address_out)
{
	const char *next;
	enum token token;

	*address_out = false;
	while (p < end) {
		token = next_token(e, p, end, &next);
		if (token != TOKEN_ATOM && token != TOKEN_QUOTED)
			break;
		if (token == TOKEN_ATOM &&
			memchr(p, '@', (size_t)(next - p)) != NULL)
			*address_out = true;
		p = next;
	}
	return p;
}

/* Phrases, comments, addresses, ids; and whatever a broken field has. */
static void encode_structured(struct encoder *e, const char *p, const char *end)
{
	bool element_begins = true, angle = false, address;
	const char *next;

	e->open_quote = e->open_paren = e->open_angle = end;
	for (; p < end; p = next) {
		if (element_begins)
			angle = has_angle(e, p, end);
		element_begins = false;
		switch (next_token(e, p, end, &next)) {
		case TOKEN_SPACE:
			add_space(e, p, (size_t)(next - p));
			break;
		case TOKEN_COMMENT:
			encode_comment(e, p, next);
			break;
		case TOKEN_SPECIAL:
			element_begins = true;
			/* fallthrough */
		case TOKEN_ANGLE:
			add_raw(e, p, (size_t)(next - p));
			break;
		default:
			next = word_end(e, p, end, &address);
			if (address && !angle)
				add_raw(e, p, (size_t)(next - p));
			else
				add_word(e, p, (size_t)(next - p),
					SYNTAX_PHRASE);
		}
	}
	span_end(e, end, false);
}

/* A value, then "; attribute=value" segments (RFC 2045 5.1). */
static void encode_parameters(struct encoder *e, const char *p, const char *end)
{
	struct text_span all = {p, (size_t)(end - p)};
	struct text_span segment;
	bool is_parameter = false;
	int done;

	while (p < end) {
		if (is_parameter)
			put(e, p++, 1); /* the semicolon */
		segment.text = p;
		segment.len = rfc2231_segment_length(p, (size_t)(end - p));
		p += segment.len;
		done = 0;
		if (is_parameter && !text_is_ascii(segment.text, segment.len))
			done = rfc2231_encode_segment(
				e->out, segment, all, e->charset);
		if (done < 0)
			e->failed = true;
		else if (done > 0)
			e->done.changed = true;
		else
			encode_structured(e, segment.text, p);
		is_parameter = true;
	}
}

int header_encode(struct buf *out, const struct header_field *f,
	struct header_encoding *done_out)
{
	const char *value = f->value, *end = f->value + f->value_len;
	struct encoder e = {
		.out = out,
		.charset = text_is_utf8(f->value, f->value_len) ? TEXT_UTF8
								: TEXT_LATIN1,
	};

	buf_init(&e.span, f->value_len + 1);
	put(&e, f->whole, (size_t)(value - f->whole));
	switch (header_field_kind(f)) {
	case HEADER_KIND_TEXT:
		encode_text(&e, value, end);
		break;
	case HEADER_KIND_PARAMETERS:
		encode_parameters(&e, value, end);
		break;
	default:
		encode_structured(&e, value, end);
	}
	put(&e, "\r\n", 2);
	buf_free(&e.span);
	*done_out = e.done;
	return e.failed ? -1 : 0;
}
