/*
 * rfc2047_decode.c - encoded-words back to text.
 */
#include "config.h"

#include "proto/rfc2047_decode.h"

#include "base/util.h"
#include "proto/rfc2047.h"

#include <stdint.h>
#include <string.h>
#include <strings.h>

enum {
	CHARSET_MAX = 40, /* the longest registered with IANA */
	UTF8_MAX = 3,     /* octets of a character of the tables */
};

/* A charset of one octet a character, where it is not ISO-8859-1. */
struct exception {
	unsigned char octet;
	uint16_t character;
};

static const struct exception latin9[] = {
	{0xA4, 0x20AC},
	{0xA6, 0x0160},
	{0xA8, 0x0161},
	{0xB4, 0x017D},
	{0xB8, 0x017E},
	{0xBC, 0x0152},
	{0xBD, 0x0153},
	{0xBE, 0x0178},
};

static const struct exception windows1252[] = {
	{0x80, 0x20AC},
	{0x82, 0x201A},
	{0x83, 0x0192},
	{0x84, 0x201E},
	{0x85, 0x2026},
	{0x86, 0x2020},
	{0x87, 0x2021},
	{0x88, 0x02C6},
	{0x89, 0x2030},
	{0x8A, 0x0160},
	{0x8B, 0x2039},
	{0x8C, 0x0152},
	{0x8E, 0x017D},
	{0x91, 0x2018},
	{0x92, 0x2019},
	{0x93, 0x201C},
	{0x94, 0x201D},
	{0x95, 0x2022},
	{0x96, 0x2013},
	{0x97, 0x2014},
	{0x98, 0x02DC},
	{0x99, 0x2122},
	{0x9A, 0x0161},
	{0x9B, 0x203A},
	{0x9C, 0x0153},
	{0x9E, 0x017E},
	{0x9F, 0x0178},
};

struct charset {
	const char *name;
	bool utf8;
	const struct exception *exceptions;
	size_t count;
};

/* Mail that says ISO-8859-1 and has octets from 128 to 159 means windows-1252
 * (the WHATWG encodings say so too): there are only control characters else. */
static const struct charset charsets[] = {
	{"utf-8", true, NULL, 0},
	{"utf8", true, NULL, 0},
	{"us-ascii", true, NULL, 0},
	{"iso-8859-1", false, windows1252, COUNT_OF(windows1252)},
	{"iso8859-1", false, windows1252, COUNT_OF(windows1252)},
	{"latin1", false, windows1252, COUNT_OF(windows1252)},
	{"windows-1252", false, windows1252, COUNT_OF(windows1252)},
	{"cp1252", false, windows1252, COUNT_OF(windows1252)},
	{"iso-8859-15", false, latin9, COUNT_OF(latin9)},
	{"iso8859-15", false, latin9, COUNT_OF(latin9)},
	{"latin9", false, latin9, COUNT_OF(latin9)},
};

struct word {
	const char *charset;
	size_t charset_len;
	char encoding; /* 'Q' or 'B' */
	const char *text;
	size_t text_len;
};

static bool is_token(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') ||
	       (c != '\0' && strchr("-_.:+*", c) != NULL);
}

static bool is_word_text(char c)
{
	return (unsigned char)c >= ' ' && c != 127 && c != '?' && c != '<' &&
	       c != '>' && c != '"';
}

/* Returns the word's length, 0 where it is none. No octet behind the next
 * "?" but two is looked at, so that words tried one by one cost one reading. */
static size_t split_word(const char *text, size_t len, struct word *w)
{
	size_t at = 2, from;

	if (len < 2 || text[0] != '=' || text[1] != '?')
		return 0;
	while (at < len && at - 2 <= CHARSET_MAX && is_token(text[at]))
		at++;
	w->charset = text + 2;
	w->charset_len = at - 2;
	if (w->charset_len == 0 || w->charset_len > CHARSET_MAX ||
		len - at < 3 || text[at] != '?' || text[at + 2] != '?')
		return 0;
	w->encoding = (char)(text[at + 1] & ~0x20);
	if (w->encoding != 'Q' && w->encoding != 'B')
		return 0;
	from = at += 3;
	while (at < len && is_word_text(text[at]))
		at++;
	if (len - at < 2 || text[at] != '?' || text[at + 1] != '=')
		return 0;
	w->text = text + from;
	w->text_len = at - from;
	return at + 2;
}

size_t rfc2047_word_length(const char *text, size_t len)
{
	struct word w;

	return split_word(text, len, &w);
}

bool rfc2047_word_is_safe(const char *word, size_t len)
{
	struct word w;
	size_t i;
	char c;

	if (len == 0 || len > RFC2047_WORD_MAX ||
		split_word(word, len, &w) != len)
		return false;
	for (i = 0; i < w.charset_len; i++)
		if (w.charset[i] == ':' || w.charset[i] == '.')
			return false;
	for (i = 0; i < w.text_len; i++) {
		c = w.text[i];
		/* section 5 (3); what base64 has is part of it */
		if (!(is_token(c) || c == '!' || c == '/' || c == '=') ||
			c == '.' || c == ':')
			return false;
	}
	return true;
}

static const struct charset *find_charset(const struct word *w)
{
	const char *star = memchr(w->charset, '*', w->charset_len);
	size_t len =
		star != NULL ? (size_t)(star - w->charset) : w->charset_len;
	size_t i;

	for (i = 0; i < COUNT_OF(charsets); i++)
		if (strlen(charsets[i].name) == len &&
			strncasecmp(charsets[i].name, w->charset, len) == 0)
			return &charsets[i];
	return NULL;
}

static int hex_value(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	c = (char)(c | 0x20);
	return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* Section 4.2; a "=" that quotes nothing stands for itself. */
static int decode_q(struct buf *out, const char *text, size_t len)
{
	char *to = buf_reserve(out, len);
	size_t i, n = 0;
	int high, low;

	if (to == NULL)
		return -1;
	for (i = 0; i < len; i++) {
		high = low = -1;
		if (text[i] == '=' && len - i > 2) {
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
		}
		if (high >= 0 && low >= 0) {
			to[n++] = (char)(high << 4 | low);
			i += 2;
		} else {
			to[n++] = text[i] == '_' ? ' ' : text[i];
		}
	}
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

/* Base64, its padding forgotten or not. */
static int decode_b(struct buf *out, const char *text, size_t len)
{
	struct buf padded;
	int rc;

	if (len % 4 == 0)
		return base64_decode(out, text, len);
	buf_init(&padded, len + 3);
	rc = buf_add(&padded, text, len);
	while (rc == 0 && padded.len % 4 != 0)
		rc = buf_add(&padded, "=", 1);
	if (rc == 0)
		rc = base64_decode(out, padded.data, padded.len);
	buf_free(&padded);
	return rc;
}

static size_t put_utf8(char *to, unsigned character)
{
	if (character < 0x80) {
		to[0] = (char)character;
		return 1;
	}
	if (character < 0x800) {
		to[0] = (char)(0xC0 | character >> 6);
		to[1] = (char)(0x80 | (character & 0x3F));
		return 2;
	}
	to[0] = (char)(0xE0 | character >> 12);
	to[1] = (char)(0x80 | (character >> 6 & 0x3F));
	to[2] = (char)(0x80 | (character & 0x3F));
	return 3;
}

static unsigned character_of(const struct charset *charset, unsigned char octet)
{
	size_t i;

	for (i = 0; i < charset->count; i++)
		if (charset->exceptions[i].octet == octet)
			return charset->exceptions[i].character;
	return octet;
}

static int add_converted(
	struct buf *out, const struct buf *raw, const struct charset *charset)
{
	char *to = buf_reserve(out, UTF8_MAX * raw->len);
	size_t i, n = 0;

	if (to == NULL)
		return -1;
	for (i = 0; i < raw->len; i++)
		n += put_utf8(to + n,
			character_of(charset, (unsigned char)raw->data[i]));
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

int rfc2047_decode(struct buf *out, const char *word, size_t len)
{
	const struct charset *charset;
	struct buf raw;
	struct word w;
	int rc = 0;

	if (len == 0 || split_word(word, len, &w) != len)
		return 0;
	charset = find_charset(&w);
	if (charset == NULL)
		return 0;
	buf_init(&raw, len);
	if ((w.encoding == 'Q' ? decode_q(&raw, w.text, w.text_len)
			       : decode_b(&raw, w.text, w.text_len)) == 0) {
		rc = charset->utf8 ? buf_add(out, raw.data, raw.len)
				   : add_converted(out, &raw, charset);
		rc = rc == 0 ? 1 : -1;
	}
	buf_free(&raw);
	return rc;
}
