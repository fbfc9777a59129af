/*
 * report_text.c - the forms of text a report is made of.
 */
#include "config.h"

#include "relay/report_text.h"

#include "base/util.h"

#include <stdint.h>
#include <string.h>

enum {
	LINE_MAX_OCTETS = 998, /* RFC 5322 2.1.1 */
	WORD_MAX = 900,        /* of a folded field, with room for its name */
};

bool report_is_7bit(const char *data, size_t len)
{
	size_t i, line = 0;
	unsigned char c;

	for (i = 0; i < len; i++) {
		c = (unsigned char)data[i];
		if (c > 126 || (c < ' ' && strchr("\r\n\t", c) == NULL) ||
			c == '\0')
			return false;
		line = c == '\n' ? 0 : line + 1;
		if (line > LINE_MAX_OCTETS + 1) /* the CR counts here */
			return false;
	}
	return true;
}

bool report_is_8bit(const char *data, size_t len)
{
	size_t i, line = 0;

	for (i = 0; i < len; i++) {
		line = data[i] == '\n' ? 0 : line + 1;
		if (data[i] == '\0' || line > LINE_MAX_OCTETS + 1)
			return false;
	}
	return true;
}

/* RFC 2045 6.7: white space at a line's end is written out. */
static bool qp_is_plain(const char *data, size_t len, size_t at)
{
	char c = data[at];

	if (c == ' ' || c == '\t')
		return at + 1 < len && data[at + 1] != '\r' &&
		       data[at + 1] != '\n';
	return c > ' ' && c < 127 && c != '=';
}

int report_quoted_printable(struct buf *out, const char *data, size_t len)
{
	size_t i, width, column = 0;
	bool plain;

	for (i = 0; i < len; i++) {
		if (data[i] == '\r' && i + 1 < len && data[i + 1] == '\n') {
			if (buf_add(out, "\r\n", 2) != 0)
				return -1;
			column = 0;
			i++;
			continue;
		}
		plain = qp_is_plain(data, len, i);
		width = plain ? 1 : 3;
		if (column + width > REPORT_TEXT_WIDTH - 1) {
			if (buf_add(out, "=\r\n", 3) != 0)
				return -1;
			column = 0;
		}
		if (plain ? buf_add(out, data + i, 1) != 0
			  : buf_addf(out, "=%02X", (unsigned char)data[i]) != 0)
			return -1;
		column += width;
	}
	return 0;
}

/* Appends len bytes of text with what is no text replaced. */
static int add_clean(struct buf *out, const char *text, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = utf8_char_len(text + i, len - i);
		if (n == 0) {
			n = 1;
			if (buf_add(out, "?", 1) != 0)
				return -1;
		} else if ((unsigned char)text[i] < ' ' || text[i] == 127) {
			if (buf_add(out, " ", 1) != 0)
				return -1;
		} else if (buf_add(out, text + i, n) != 0) {
			return -1;
		}
	}
	return 0;
}

/* The next word of text from *at on; its length, 0 at the end. */
static size_t next_word(const char *text, size_t *at)
{
	static const char space[] = " \t\r\n\f\v";

	*at += strspn(text + *at, space);
	return strcspn(text + *at, space);
}

int report_wrap(struct buf *out, const char *indent, const char *text)
{
	size_t at = 0, column = 0, len;

	while ((len = next_word(text, &at)) > 0) {
		if (column > 0 && column + 1 + len > REPORT_TEXT_WIDTH) {
			if (buf_add(out, "\r\n", 2) != 0)
				return -1;
			column = 0;
		}
		if (buf_add_string(out, column == 0 ? indent : " ") != 0 ||
			add_clean(out, text + at, len) != 0)
			return -1;
		column += (column == 0 ? strlen(indent) : 1) + len;
		at += len;
	}
	return buf_add(out, "\r\n", 2);
}

static int add_ascii(struct buf *out, const char *text, size_t len)
{
	char *to = buf_reserve(out, len);
	size_t i;

	if (to == NULL)
		return -1;
	for (i = 0; i < len; i++)
		to[i] = '?';
	for (i = 0; i < len; i++)
		if (text[i] > ' ' && text[i] < 127)
			to[i] = text[i];
	out->len += len;
	out->data[out->len] = '\0';
	return 0;
}

int report_field(struct buf *out, const char *name, const char *value)
{
	size_t at = 0, column = strlen(name) + 1, len, used;
	bool first = true;

	if (buf_addf(out, "%s:", name) != 0)
		return -1;
	while ((len = next_word(value, &at)) > 0) {
		used = len < WORD_MAX ? len : WORD_MAX;
		if (!first && column + 1 + used > REPORT_TEXT_WIDTH) {
			if (buf_add(out, "\r\n", 2) != 0)
				return -1;
			column = 0;
		}
		if (buf_add(out, " ", 1) != 0 ||
			add_ascii(out, value + at, used) != 0)
			return -1;
		column += 1 + used;
		at += len;
		first = false;
	}
	return buf_add(out, "\r\n", 2);
}

/* escaped: the ASCII characters that are written by their number. */
static int add_utf8_xtext(
	struct buf *out, const char *address, const char *escaped)
{
	size_t i, j, n, len = strlen(address);
	uint32_t point;
	unsigned char c;
	int rc = 0;

	for (i = 0; i < len && rc == 0; i += n) {
		c = (unsigned char)address[i];
		n = utf8_char_len(address + i, len - i);
		if (n == 0) {
			n = 1;
			rc = buf_add(out, "?", 1);
		} else if (n == 1 && c > ' ' && c < 127 &&
			   strchr(escaped, c) == NULL) {
			rc = buf_add(out, address + i, 1);
		} else {
			point = n == 1 ? c : c & (0xffU >> (n + 1));
			for (j = 1; j < n; j++)
				point = point << 6 |
					((unsigned char)address[i + j] & 63);
			rc = buf_addf(out, "\\x{%X}", (unsigned)point);
		}
	}
	return rc;
}

int report_utf8_address(struct buf *out, const char *address)
{
	return add_utf8_xtext(out, address, "\\+=");
}

int report_utf8_orcpt(struct buf *out, const char *address)
{
	return add_utf8_xtext(out, address, "+=");
}
