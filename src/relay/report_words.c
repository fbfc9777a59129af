/*
 * report_words.c - encoded words (RFC 2047) of a report's subject.
 */
#include "config.h"

#include "relay/report_text.h"

#include "base/util.h"
#include "proto/rfc2047.h"

#include <string.h>
#include <strings.h>

enum {
	SUBJECT_COLUMN = 22, /* "Subject: Undelivered: " */
	DECODED_MAX = 1024,
};

int report_encode_words(struct buf *out, const char *value, size_t len)
{
	if (text_is_ascii(value, len))
		return buf_add(out, value, len);
	return rfc2047_encode(out, value, len,
		text_is_utf8(value, len) ? TEXT_UTF8 : TEXT_LATIN1,
		SUBJECT_COLUMN);
}

/* "=?charset?E?text?=" at text: its parts, and its whole length. */
struct word {
	const char *charset;
	size_t charset_len;
	char encoding; /* 'b' or 'q' */
	const char *text;
	size_t text_len;
	size_t whole;
};

static bool find_word(const char *text, size_t len, struct word *out)
{
	const char *end = text + len;
	const char *q1, *q2, *q3;

	if (len < 8 || memcmp(text, "=?", 2) != 0)
		return false;
	q1 = memchr(text + 2, '?', (size_t)(end - text) - 2);
	if (q1 == NULL || end - q1 < 5 || q1[2] != '?')
		return false;
	q2 = q1 + 2;
	q3 = memchr(q2 + 1, '?', (size_t)(end - q2) - 1);
	if (q3 == NULL || q3 + 1 >= end || q3[1] != '=')
		return false;
	out->charset = text + 2;
	out->charset_len = (size_t)(q1 - out->charset);
	out->encoding = (char)(q1[1] | 0x20);
	out->text = q2 + 1;
	out->text_len = (size_t)(q3 - out->text);
	out->whole = (size_t)(q3 + 2 - text);
	return memchr(text, ' ', out->whole) == NULL &&
	       (out->encoding == 'b' || out->encoding == 'q');
}

static int hex_value(char c)
{
	static const char digits[] = "0123456789abcdef";
	const char *at = c >= '0' ? strchr(digits, c | 0x20) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

static int decode_q(struct buf *out, const char *text, size_t len)
{
	size_t i;
	char c;
	int high, low;

	for (i = 0; i < len; i++) {
		c = text[i] == '_' ? ' ' : text[i];
		if (c == '=') {
			if (i + 2 >= len)
				return -1;
			high = hex_value(text[i + 1]);
			low = hex_value(text[i + 2]);
			if (high < 0 || low < 0)
				return -1;
			c = (char)(high << 4 | low);
			i += 2;
		}
		if (buf_add(out, &c, 1) != 0)
			return -1;
	}
	return 0;
}

static bool charset_is(const struct word *w, const char *name)
{
	return w->charset_len == strlen(name) &&
	       strncasecmp(w->charset, name, w->charset_len) == 0;
}

/* Returns 1 decoded, 0 not to be decoded, -1 full. */
static int decode_word(struct buf *out, const struct word *w)
{
	struct buf bytes;
	int rc = 0;

	buf_init(&bytes, DECODED_MAX);
	if ((w->encoding == 'b'
			    ? base64_decode(&bytes, w->text, w->text_len)
			    : decode_q(&bytes, w->text, w->text_len)) == 0) {
		if (charset_is(w, "iso-8859-1"))
			rc = utf8_add_latin1(out, bytes.data, bytes.len) == 0
				     ? 1
				     : -1;
		else if (charset_is(w, "utf-8") || charset_is(w, "us-ascii"))
			rc = buf_add(out, bytes.data, bytes.len) == 0 ? 1 : -1;
	}
	buf_free(&bytes);
	return rc;
}

int report_decode_words(struct buf *out, const char *value, size_t len)
{
	bool after_word = false;
	struct word word;
	size_t at = 0, n;
	int rc;

	while (at < len) {
		/* white space between two encoded words belongs to neither */
		n = strspn(value + at, " \t");
		n = n < len - at ? n : len - at;
		if (n > 0 && after_word &&
			find_word(value + at + n, len - at - n, &word))
			at += n;
		rc = find_word(value + at, len - at, &word)
			     ? decode_word(out, &word)
			     : 0;
		if (rc < 0)
			return -1;
		after_word = rc > 0;
		n = rc > 0 ? word.whole : 1;
		if (rc == 0 && buf_add(out, value + at, 1) != 0)
			return -1;
		at += n;
	}
	return 0;
}
