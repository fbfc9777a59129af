/*
 * reply.c - SMTP replies: parse one (multi-line), format one.
 */
#include "config.h"

#include "proto/reply.h"

#include <stdio.h>
#include <string.h>

enum {
	CODE_LEN = 3,
	CODE_MIN = 200,
	CODE_MAX = 599,
	ENHANCED_DIGITS_MAX = 3, /* RFC 3463 section 2, each of two numbers */
};

void reply_init(struct reply *r)
{
	memset(r, 0, sizeof(*r));
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

static bool is_control(char c)
{
	return (unsigned char)c < 0x20 || c == 0x7f;
}

/* The code a line begins with, or -1. */
static int scan_code(const char *line, size_t len)
{
	int code = 0;
	size_t i;

	if (len < CODE_LEN)
		return -1;
	for (i = 0; i < CODE_LEN; i++) {
		if (!is_digit(line[i]))
			return -1;
		code = code * 10 + (line[i] - '0');
	}
	return code >= CODE_MIN && code <= CODE_MAX ? code : -1;
}

/* How long the enhanced status code at text is (RFC 2034 section 4, RFC 3463
 * section 2: class "." subject "." detail), 0 for none. */
static size_t enhanced_len(const char *text, size_t len)
{
	size_t i = 1, digits;
	int part;

	if (len == 0 || (*text != '2' && *text != '4' && *text != '5'))
		return 0;
	for (part = 0; part < 2; part++) {
		if (i == len || text[i] != '.')
			return 0;
		i++;
		digits = 0;
		while (i < len && is_digit(text[i])) {
			i++;
			digits++;
		}
		if (digits == 0 || digits > ENHANCED_DIGITS_MAX)
			return 0;
	}
	return i == len || text[i] == ' ' ? i : 0;
}

/* How much of text to take so that it fits in room and no UTF-8 character is
 * cut in two. */
static size_t cut_at(const char *text, size_t len, size_t room)
{
	if (len <= room)
		return len;
	while (room > 0 && ((unsigned char)text[room] & 0xc0) == 0x80)
		room--;
	return room;
}

/* True when the text so far ends in the midst of "<https://...>": Gmail breaks
 * long addresses between lines, and people are to open them. */
static bool ends_within_url(const char *text)
{
	const char *at = strrchr(text, '<');

	return at != NULL && strncmp(at + 1, "http", 4) == 0 &&
	       strpbrk(at, "> ") == NULL;
}

static void add_text(struct reply *r, const char *text, size_t len)
{
	size_t have = strlen(r->text), i;

	while (len > 0 && (*text == ' ' || is_control(*text))) {
		text++;
		len--;
	}
	while (len > 0 && (text[len - 1] == ' ' || is_control(text[len - 1])))
		len--;
	if (len == 0 || have + 1 >= REPLY_TEXT_MAX)
		return;
	if (have > 0 && !ends_within_url(r->text))
		r->text[have++] = ' ';
	len = cut_at(text, len, REPLY_TEXT_MAX - have);
	for (i = 0; i < len; i++)
		r->text[have + i] = is_control(text[i]) ? ' ' : text[i];
	r->text[have + len] = '\0';
}

int reply_add_line(struct reply *r, const char *line, size_t len)
{
	int code = scan_code(line, len);
	bool last = len == CODE_LEN || (len > CODE_LEN && line[3] == ' ');
	size_t enhanced;

	if (r->complete)
		reply_init(r);
	if (code < 0 || (!last && line[3] != '-') ||
		(r->lines > 0 && code != r->code) ||
		r->lines == REPLY_LINES_MAX)
		return -1;
	r->code = code;
	r->lines++;
	r->complete = last;
	line += CODE_LEN + (len > CODE_LEN);
	len -= CODE_LEN + (len > CODE_LEN);
	while (len > 0 && *line == ' ') {
		line++;
		len--;
	}
	enhanced = enhanced_len(line, len);
	memset(r->enhanced, 0, sizeof(r->enhanced));
	if (enhanced > 0 && *line - '0' == code / 100)
		memcpy(r->enhanced, line, enhanced);
	add_text(r, line + enhanced, len - enhanced);
	return last ? 1 : 0;
}

char *reply_print(const struct reply *r, char *text, size_t size)
{
	char whole[REPLY_TEXT_MAX + 64] = "";
	size_t len;

	if (size == 0)
		return text;
	if (r->code > 0)
		snprintf(whole, sizeof(whole), "%03d%s%s%s%s", r->code,
			*r->enhanced != '\0' ? " " : "", r->enhanced,
			*r->text != '\0' ? " " : "", r->text);
	len = cut_at(whole, strlen(whole), size - 1);
	memcpy(text, whole, len);
	text[len] = '\0';
	return text;
}

int reply_scan(struct reply *r, const char *text)
{
	reply_init(r);
	return reply_add_line(r, text, strlen(text)) == 1 ? 0 : -1;
}

/* separator: behind the code, '-' or a space. */
static int format_line(struct buf *out, const char *codes, char separator,
	const char *text, size_t len)
{
	/* RFC 4954 section 4 wants the space after 334 even before nothing;
	 * behind an enhanced code there is none */
	const size_t codes_len = strlen(codes);
	const bool gap = codes_len == CODE_LEN || len > 0;
	char *to = buf_reserve(out, codes_len + gap + len + strlen("\r\n"));
	size_t i;

	if (to == NULL)
		return -1;
	memcpy(to, codes, codes_len);
	if (gap)
		to[codes_len] = ' ';
	to[CODE_LEN] = separator;
	to += codes_len + gap;
	/* what a client said may be quoted in text; it begins no new line */
	for (i = 0; i < len; i++)
		*to++ = is_control(text[i]) ? ' ' : text[i];
	memcpy(to, "\r\n", sizeof("\r\n"));
	out->len = (size_t)(to - out->data) + strlen("\r\n");
	return 0;
}

int reply_format(struct buf *out, const char *codes, const char *text)
{
	const size_t before = out->len;
	const char *end;
	int rc;

	do {
		end = strchr(text, '\n');
		rc = end != NULL
			     ? format_line(out, codes, '-', text,
				       (size_t)(end - text))
			     : format_line(out, codes, ' ', text, strlen(text));
		if (end != NULL)
			text = end + 1;
	} while (rc == 0 && end != NULL);
	if (rc != 0 && out->data != NULL) {
		out->data[before] = '\0';
		out->len = before;
	}
	return rc;
}
