/*
 * rfc2047.c - encoded-words: 8-bit text in a header; is it UTF-8?
 */
#include "config.h"

#include "proto/rfc2047.h"

#include "base/util.h"

#include <stdint.h>
#include <string.h>

/* The least text in a first word that is kept short: it takes any one
 * character in Q (12) or B (8). */
enum { ROOM_USEFUL = 16 };

/* Octets of an encoded-word besides charset and text: "=", four '?', the
 * encoding, "=". The shortest has one octet of charset and none of text. */
enum { FRAME_LEN = 7, WORD_MIN = FRAME_LEN + 1 };

const char *text_charset_name(enum text_charset charset)
{
	return charset == TEXT_UTF8 ? "UTF-8" : "ISO-8859-1";
}

bool text_is_ascii(const char *text, size_t len)
{
	const uint64_t high_bits = 0x8080808080808080ULL;
	uint64_t all = 0, word;

	for (; len >= sizeof(word); text += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, text, sizeof(word));
		all |= word;
	}
	for (; len > 0; text++, len--)
		all |= (unsigned char)*text;
	return (all & high_bits) == 0;
}

size_t text_char_length(const char *text, size_t len)
{
	size_t n = utf8_char_len(text, len);

	/* C1 control characters, which no log takes, are still UTF-8. */
	if (n == 0 && len > 1 && (unsigned char)text[0] == 0xC2 &&
		(unsigned char)text[1] >= 0x80 &&
		(unsigned char)text[1] <= 0x9F)
		return 2;
	return n;
}

bool text_is_utf8(const char *text, size_t len)
{
	size_t n;

	if (text_is_ascii(text, len))
		return true;
	while (len > 0) {
		n = text_char_length(text, len);
		if (n == 0)
			return false;
		text += n;
		len -= n;
	}
	return true;
}

int utf8_add_latin1(struct buf *out, const char *text, size_t len)
{
	char *to = buf_reserve(out, 2 * len);
	unsigned char c;
	size_t i, n = 0;

	if (to == NULL)
		return -1;
	for (i = 0; i < len; i++) {
		c = (unsigned char)text[i];
		if (c > 127) {
			to[n++] = (char)(0xC0 | (c >> 6));
			c = 0x80 | (c & 0x3F);
		}
		to[n++] = (char)c;
	}
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

bool rfc2047_is_word(const char *word, size_t len)
{
	const char *charset_end, *end;

	if (len < WORD_MIN)
		return false;
	end = word + len - 2;
	if (memcmp(word, "=?", 2) != 0 || memcmp(end, "?=", 2) != 0)
		return false;
	word += 2;
	charset_end = memchr(word, '?', (size_t)(end - word));
	if (charset_end == NULL || charset_end == word || end - charset_end < 3)
		return false;
	return strchr("bBqQ", charset_end[1]) != NULL &&
	       charset_end[1] != '\0' && charset_end[2] == '?' &&
	       memchr(charset_end + 3, '?', (size_t)(end - charset_end - 3)) ==
		       NULL;
}

/* RFC 2047 section 5 (3): what may stand for itself in a phrase. */
static bool is_bare(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || c == '!' || c == '*' || c == '+' ||
	       c == '-' || c == '/';
}

static size_t q_length(const char *text, size_t len)
{
	size_t i, n = 0;

	for (i = 0; i < len; i++)
		n += is_bare(text[i]) || text[i] == ' ' ? 1 : 3;
	return n;
}

static int q_add(struct buf *out, const char *text, size_t len)
{
	static const char digits[] = "0123456789ABCDEF";
	char *to = buf_reserve(out, 3 * len);
	size_t i, n = 0;

	if (to == NULL)
		return -1;
	for (i = 0; i < len; i++) {
		if (is_bare(text[i])) {
			to[n++] = text[i];
		} else if (text[i] == ' ') {
			to[n++] = '_';
		} else {
			to[n++] = '=';
			to[n++] = digits[(unsigned char)text[i] >> 4];
			to[n++] = digits[(unsigned char)text[i] & 15];
		}
	}
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

/* People read Q, in logs and sources, so B must be worth it. */
static char choose_encoding(const char *text, size_t len)
{
	size_t b_len = (len + 2) / 3 * 4;

	return q_length(text, len) <= b_len + b_len / 2 ? 'Q' : 'B';
}

/* How many octets of text, whole characters, fill room when encoded. */
static size_t fitting(const char *text, size_t len, enum text_charset charset,
	char encoding, size_t room)
{
	size_t used = 0, q_used = 0, n;

	while (used < len) {
		n = charset == TEXT_UTF8
			    ? text_char_length(text + used, len - used)
			    : 1;
		if (n == 0)
			n = 1; /* not reached: the charset was looked up */
		q_used += q_length(text + used, n);
		if (encoding == 'Q' ? q_used > room
				    : (used + n + 2) / 3 * 4 > room)
			break;
		used += n;
	}
	return used;
}

int rfc2047_encode(struct buf *out, const char *text, size_t len,
	enum text_charset charset, size_t column)
{
	const char *name = text_charset_name(charset);
	char encoding = choose_encoding(text, len);
	size_t frame = FRAME_LEN + strlen(name);
	size_t room = RFC2047_WORD_MAX - frame, n;

	if (column + frame + ROOM_USEFUL <= RFC2047_LINE_MAX &&
		column + frame + room > RFC2047_LINE_MAX)
		room = RFC2047_LINE_MAX - frame - column;
	while (len > 0) {
		n = fitting(text, len, charset, encoding, room);
		if (buf_addf(out, "=?%s?%c?", name, encoding) != 0 ||
			(encoding == 'Q' ? q_add(out, text, n)
					 : base64_encode(out, text, n)) != 0 ||
			buf_add_string(out, "?=") != 0)
			return -1;
		text += n;
		len -= n;
		if (len > 0 && buf_add_string(out, "\r\n ") != 0)
			return -1;
		room = RFC2047_WORD_MAX - frame;
	}
	return 0;
}
