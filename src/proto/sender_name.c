/*
 * sender_name.c - a display name, decoded and written again.
 */
#include "config.h"

#include "proto/sender_name.h"

#include "proto/rfc2047.h"
#include "proto/rfc2047_decode.h"

#include <string.h>

enum {
	QUOTED_MAX = 150,     /* more goes into encoded-words, which fold */
	CHARACTER_OCTETS = 3, /* of one octet, decoded */
	TEXT_MAX = CHARACTER_OCTETS * MAILBOX_NAME_MAX + ADDRESS_MAX + 8,
};

/* Text waits here until it must be written: the name ends, or an encoded-word
 * comes whose charset we do not know. */
struct writer {
	struct buf *out;
	struct buf text; /* UTF-8, perhaps broken */
	size_t left;     /* octets the name may still have */
	bool wrote;
	bool utf8; /* what 8-bit octets are */
};

/* Octets in the line that out is at. */
static size_t column(const struct buf *out)
{
	size_t n = 0;

	while (n < out->len && out->data[out->len - 1 - n] != '\n')
		n++;
	return n;
}

/* The text in place without control characters and broken UTF-8, single spaces
 * between its words, cut after max octets. */
static void tidy(struct buf *text, size_t max)
{
	size_t from = 0, to = 0, n;
	bool space = false;
	unsigned char c, second;

	while (from < text->len) {
		n = text_char_length(text->data + from, text->len - from);
		c = (unsigned char)text->data[from];
		second = n == 2 ? (unsigned char)text->data[from + 1] : 0;
		if (n == 0)
			text->data[from] = '?';
		if (n > 0 && (c <= ' ' || c == 127 ||
				     (c == 0xC2 && second < 0xA0))) {
			space = to > 0;
			from += n;
			continue;
		}
		if (n == 0)
			n = 1;
		if (to + n + (space ? 1 : 0) > max)
			break;
		if (space)
			text->data[to++] = ' ';
		space = false;
		memmove(text->data + to, text->data + from, n);
		to += n;
		from += n;
	}
	text->len = to;
	if (text->data != NULL)
		text->data[to] = '\0';
}

static size_t quoted_length(const struct buf *text)
{
	size_t i, n = 2;

	for (i = 0; i < text->len; i++)
		n += text->data[i] == '"' || text->data[i] == '\\' ? 2 : 1;
	return n;
}

static int add_quoted(struct buf *out, const struct buf *text)
{
	char *to = buf_reserve(out, quoted_length(text));
	size_t i, n = 0;

	if (to == NULL)
		return -1;
	to[n++] = '"';
	for (i = 0; i < text->len; i++) {
		if (text->data[i] == '"' || text->data[i] == '\\')
			to[n++] = '\\';
		to[n++] = text->data[i];
	}
	to[n++] = '"';
	out->len += n;
	out->data[out->len] = '\0';
	return 0;
}

/* Text that looks like an encoded-word is encoded, lest it be decoded. */
static bool may_be_quoted(const struct buf *text)
{
	return text_is_ascii(text->data, text->len) &&
	       strstr(text->data, "=?") == NULL &&
	       quoted_length(text) <= QUOTED_MAX;
}

static int space_before(struct writer *w)
{
	if (!w->wrote)
		return 0;
	return buf_add_string(
		w->out, column(w->out) > RFC2047_LINE_MAX / 2 ? "\r\n " : " ");
}

static int write_text(struct writer *w)
{
	int rc;

	if (w->text.len == 0)
		return 0;
	if (space_before(w) != 0)
		return -1;
	if (may_be_quoted(&w->text))
		rc = add_quoted(w->out, &w->text);
	else
		rc = rfc2047_encode(w->out, w->text.data, w->text.len,
			TEXT_UTF8, column(w->out));
	w->wrote = true;
	buf_clear(&w->text);
	return rc;
}

/* An encoded-word that cannot be decoded goes out as it came. */
static int add_unknown(struct writer *w, const char *word, size_t len)
{
	tidy(&w->text, w->left);
	w->left -= w->text.len;
	if (len > w->left)
		return 0;
	w->left -= len;
	if (write_text(w) != 0 || space_before(w) != 0)
		return -1;
	w->wrote = true;
	return buf_add(w->out, word, len);
}

static int add_raw(struct writer *w, const char *text, size_t len)
{
	return w->utf8 ? buf_add(&w->text, text, len)
		       : utf8_add_latin1(&w->text, text, len);
}

static size_t spaces(const char *text, size_t len)
{
	size_t n = 0;

	while (n < len && text[n] == ' ')
		n++;
	return n;
}

static int add_word(struct writer *w, const char *word, size_t len)
{
	int rc = rfc2047_decode(&w->text, word, len);

	if (rc != 0)
		return rc < 0 ? -1 : 0;
	if (rfc2047_word_is_safe(word, len))
		return add_unknown(w, word, len);
	return add_raw(w, word, len);
}

static int add_name(struct writer *w, const char *name, size_t len)
{
	size_t at = 0, word, gap;

	while (at < len) {
		word = rfc2047_word_length(name + at, len - at);
		if (word == 0) {
			if (add_raw(w, name + at++, 1) != 0)
				return -1;
			continue;
		}
		if (add_word(w, name + at, word) != 0)
			return -1;
		at += word;
		/* not shown between two of them, RFC 2047 section 6.2 */
		gap = spaces(name + at, len - at);
		if (rfc2047_word_length(name + at + gap, len - at - gap) > 0)
			at += gap;
	}
	tidy(&w->text, w->left);
	return 0;
}

static int add_address(struct writer *w, const char *address)
{
	bool alone = !w->wrote && w->text.len == 0;

	if (!w->wrote && w->text.len > 0 && address_same(w->text.data, address))
		return 0;
	if (alone)
		return buf_add_string(&w->text, address);
	return buf_add_strings(
		&w->text, STRINGS(w->text.len > 0 ? " (" : "(", address, ")"));
}

int sender_name_add(
	struct buf *out, const struct mailbox *m, size_t max, bool with_address)
{
	struct writer w = {
		.out = out,
		.left = max,
		.utf8 = text_is_utf8(m->name, m->name_len),
	};
	int rc;

	buf_init(&w.text, TEXT_MAX);
	rc = add_name(&w, m->name, m->name_len);
	if (rc == 0 && with_address && m->address.text[0] != '\0')
		rc = add_address(&w, m->address.text);
	if (rc == 0)
		rc = write_text(&w);
	buf_free(&w.text);
	return rc;
}
