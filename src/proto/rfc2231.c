/*
 * rfc2231.c - 8-bit text in MIME parameters.
 */
#include "config.h"

#include "proto/rfc2231.h"

#include "proto/header_field.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum {
	CONTINUED_MAX = 60, /* octets of encoded value in a continued line */
};

/* A segment taken apart; what lies around these is white space and '='. */
struct parameter {
	struct text_span before; /* white space */
	struct text_span attribute;
	struct text_span value; /* quotes included */
	struct text_span after; /* white space */
};

static struct text_span span(const char *from, const char *to)
{
	struct text_span s = {from, (size_t)(to - from)};

	return s;
}

/* The octets of the quoted-string at text, to the end where it is not closed.
 */
static size_t quoted_length(const char *text, size_t len)
{
	size_t i = 1;

	while (i < len && text[i] != '"') {
		i += text[i] == '\\' ? header_pair_length(text + i, len - i)
				     : 1;
	}
	return i < len ? i + 1 : len;
}

size_t rfc2231_segment_length(const char *text, size_t len)
{
	size_t i = 0;

	while (i < len && text[i] != ';')
		i += text[i] == '"' ? quoted_length(text + i, len - i) : 1;
	return i;
}

/* RFC 2045 5.1: a token, without the characters RFC 2231 gives a meaning. */
static bool is_token_char(char c)
{
	return c > 32 && c < 127 && strchr("()<>@,;:\\\"/[]?='%", c) == NULL;
}

/* Returns 0, -1 when it is no "attribute=value". */
static int parse(struct parameter *out, struct text_span segment)
{
	const char *p = segment.text, *end = segment.text + segment.len;
	const char *from = p, *to = end;

	while (p < end && header_is_space(*p))
		p++;
	out->before = span(from, p);
	from = p;
	while (p < end && is_token_char(*p))
		p++;
	out->attribute = span(from, p);
	while (p < end && header_is_space(*p))
		p++;
	if (out->attribute.len == 0 || p == end || *p != '=')
		return -1;
	p++;
	while (p < end && header_is_space(*p))
		p++;
	while (to > p && header_is_space(to[-1]))
		to--;
	out->value = span(p, to);
	out->after = span(to, end);
	return 0;
}

static bool is_extended(struct text_span attribute)
{
	return attribute.text[attribute.len - 1] == '*';
}

/* "attribute*1" and later hold no charset: "attribute*0" does. */
static bool is_later_section(struct text_span attribute)
{
	const char *star = memchr(attribute.text, '*', attribute.len);

	return star != NULL && star + 1 < attribute.text + attribute.len &&
	       star[1] != '0';
}

/* There is an "attribute*=" in the field. */
static bool has_twin(struct text_span all, struct text_span attribute)
{
	struct parameter p;
	struct text_span segment;
	size_t pos;

	if (all.len > RFC2231_TWIN_MAX)
		return false;
	for (pos = 0; pos < all.len; pos += segment.len + 1) {
		segment.text = all.text + pos;
		segment.len =
			rfc2231_segment_length(segment.text, all.len - pos);
		if (parse(&p, segment) == 0 && is_extended(p.attribute) &&
			p.attribute.len == attribute.len + 1 &&
			strncasecmp(p.attribute.text, attribute.text,
				attribute.len) == 0)
			return true;
	}
	return false;
}

/* The next octet a value stands for; *pos moves behind it. Quotes, the first
 * half of quoted-pairs and line ends are no part. Returns -1 at the end. */
static int next_octet(struct text_span value, size_t *pos)
{
	bool quoted = value.text[0] == '"';
	size_t step;
	char c;

	while (*pos < value.len) {
		step = quoted && value.text[*pos] == '\\'
			       ? header_pair_length(
					 value.text + *pos, value.len - *pos)
			       : 1;
		c = value.text[*pos + step - 1];
		*pos += step;
		if (step == 2 || (c != '"' && c != '\r' && c != '\n'))
			return (unsigned char)c;
	}
	return -1;
}

/* Appends one octet of an extended value (RFC 2231 section 7). */
static int add_octet(struct buf *out, int octet, bool keep_percent)
{
	static const char also[] = "!#$&+-.^_`|~";
	bool bare = (octet >= '0' && octet <= '9') ||
		    (octet >= 'A' && octet <= 'Z') ||
		    (octet >= 'a' && octet <= 'z') ||
		    (octet != 0 && strchr(also, octet) != NULL) ||
		    (keep_percent && octet > 32 && octet < 127);
	char c = (char)octet;

	return bare ? buf_add(out, &c, 1)
		    : buf_addf(out, "%%%02X", (unsigned)octet);
}

/* attribute*=charset''value, or attribute*0*=..., attribute*1*=... */
static int add_extended(
	struct buf *out, const struct parameter *p, enum text_charset charset)
{
	bool continued =
		3 * p->value.len > RFC2231_VALUE_MAX &&
		memchr(p->attribute.text, '*', p->attribute.len) == NULL;
	int name_len = (int)p->attribute.len, octet;
	size_t pos = 0, line_at;
	unsigned section = 0;

	if (buf_addf(out, continued ? "%.*s*0*=" : "%.*s*=", name_len,
		    p->attribute.text) != 0)
		return -1;
	if (!is_later_section(p->attribute) &&
		buf_addf(out, "%s''", text_charset_name(charset)) != 0)
		return -1;
	line_at = out->len;
	while ((octet = next_octet(p->value, &pos)) >= 0) {
		if (continued && out->len - line_at >= CONTINUED_MAX) {
			if (buf_addf(out, ";\r\n %.*s*%u*=", name_len,
				    p->attribute.text, ++section) != 0)
				return -1;
			line_at = out->len;
		}
		if (add_octet(out, octet, false) != 0)
			return -1;
	}
	return 0;
}

/* attribute*=value that held 8-bit octets all the same: only these change. */
static int add_repaired(struct buf *out, const struct parameter *p)
{
	size_t pos = 0;
	int octet;

	if (buf_addf(out, "%.*s=", (int)p->attribute.len, p->attribute.text) !=
		0)
		return -1;
	while ((octet = next_octet(p->value, &pos)) >= 0) {
		if (add_octet(out, octet, true) != 0)
			return -1;
	}
	return 0;
}

static int add_plain(
	struct buf *out, const struct parameter *p, enum text_charset charset)
{
	size_t i, n;

	if (buf_addf(out, "%.*s=", (int)p->attribute.len, p->attribute.text) !=
		0)
		return -1;
	for (i = 0; i < p->value.len; i += n) {
		n = charset == TEXT_UTF8 ? text_char_length(p->value.text + i,
						   p->value.len - i)
					 : 1;
		if (n == 0)
			n = 1; /* not reached: the charset was looked up */
		if (buf_add(out,
			    text_is_ascii(p->value.text + i, n)
				    ? p->value.text + i
				    : "_",
			    1) != 0)
			return -1;
	}
	return 0;
}

int rfc2231_encode_segment(struct buf *out, struct text_span segment,
	struct text_span all, enum text_charset charset)
{
	struct parameter p;
	int rc;

	if (parse(&p, segment) != 0 || p.value.len == 0)
		return 0;
	if (buf_add(out, p.before.text, p.before.len) != 0)
		return -1;
	if (is_extended(p.attribute))
		rc = add_repaired(out, &p);
	else if (has_twin(all, p.attribute))
		rc = add_plain(out, &p, charset);
	else
		rc = add_extended(out, &p, charset);
	if (rc != 0 || buf_add(out, p.after.text, p.after.len) != 0)
		return -1;
	return 1;
}
