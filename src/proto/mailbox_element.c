/*
 * mailbox_element.c - one element of an address list: words, comments and angle
 *                     brackets up to a comma, semicolon or colon. What it lacks
 *                     is looked for when it has ended.
 */
#include "config.h"

#include "proto/mailbox_internal.h"

#include "proto/header_field.h"
#include "proto/rfc2047_decode.h"

#include <string.h>
#include <strings.h>

enum { RAW_MAX = 2048 }; /* octets of an address, a source route too */

void mailbox_name_add(struct mailbox_name *n, const char *text, size_t len)
{
	if (len > MAILBOX_NAME_MAX - n->len)
		len = MAILBOX_NAME_MAX - n->len;
	memcpy(n->text + n->len, text, len);
	n->len += len;
}

/* Adds text, its quoted-pairs undone and its folds made spaces. */
static void name_add_quoted(
	struct mailbox_name *n, const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len && n->len < MAILBOX_NAME_MAX; i++) {
		if (text[i] == '\\' &&
			header_pair_length(text + i, len - i) == 2)
			i++;
		else if (text[i] == '\r' || text[i] == '\n')
			continue;
		mailbox_name_add(n, text + i, 1);
	}
}

static void no_address(struct address *a)
{
	a->text[0] = '\0';
	a->local_len = 0;
	a->utf8 = false;
}

static bool is_one_of(char c, const char *set)
{
	return c != '\0' && strchr(set, c) != NULL;
}

static size_t space_length(const char *p, const char *end)
{
	const char *from = p;

	while (p < end && header_is_space(*p))
		p++;
	return (size_t)(p - from);
}

/* These return the closing character, or NULL. */
static const char *quote_close(const char *p, const char *end)
{
	for (p++; p < end && *p != '"';)
		p += *p == '\\' ? header_pair_length(p, (size_t)(end - p)) : 1;
	return p < end ? p : NULL;
}

static const char *comment_close(const char *p, const char *end)
{
	size_t depth = 0;

	while (p < end) {
		if (*p == '(')
			depth++;
		else if (*p == ')' && --depth == 0)
			return p;
		p += *p == '\\' ? header_pair_length(p, (size_t)(end - p)) : 1;
	}
	return NULL;
}

static const char *angle_close(const char *p, const char *end)
{
	return memchr(p, '>', (size_t)(end - p));
}

static const char *close_of(const struct mailbox_reader *r,
	const char *(*find)(const char *, const char *), const char **open)
{
	const char *close = r->p < *open ? find(r->p, r->end) : NULL;

	if (close == NULL && r->p < *open)
		*open = r->p;
	return close;
}

struct mailbox_span mailbox_trimmed(struct mailbox_span s)
{
	while (s.len > 0 && header_is_space(*s.text)) {
		s.text++;
		s.len--;
	}
	while (s.len > 0 && header_is_space(s.text[s.len - 1]))
		s.len--;
	return s;
}

bool mailbox_read_name(
	struct address *out, struct mailbox_span word, bool *dirty)
{
	return word.len > 0 && word.text[0] != '"' &&
	       rfc2047_word_length(word.text, word.len) == 0 &&
	       mailbox_read_address(out, word, true, dirty);
}

bool mailbox_read_address(struct address *out, struct mailbox_span s,
	bool unqualified_ok, bool *dirty)
{
	if (address_parse(out, s.text, s.len, unqualified_ok, NULL) != 0) {
		no_address(out);
		return false;
	}
	if (strlen(out->text) != s.len ||
		memcmp(out->text, s.text, s.len) != 0 ||
		out->text[out->local_len] == '\0')
		*dirty = true;
	return true;
}

/* Copies text without its comments (RFC 5322 A.5 has them in addresses). */
static struct mailbox_span without_comments(
	char to[RAW_MAX], struct mailbox_span s)
{
	struct mailbox_span out = {to, 0};
	size_t depth = 0, i, n;

	for (i = 0; i < s.len; i += n) {
		n = s.text[i] == '\\'
			    ? header_pair_length(s.text + i, s.len - i)
			    : 1;
		if (s.text[i] == '(')
			depth++;
		if (depth == 0) {
			memcpy(to + out.len, s.text + i, n);
			out.len += n;
		}
		if (s.text[i] == ')' && depth > 0)
			depth--;
	}
	return mailbox_trimmed(out);
}

/* Reads what stands in angle brackets, with them in whole. */
static void take_angle(
	struct mailbox_element *e, struct mailbox_span whole, bool closed)
{
	struct mailbox_span inside = {
		whole.text + 1, whole.len - 1 - (closed ? 1 : 0)};
	char bare[RAW_MAX];
	size_t used;

	if (closed && e->brackets.text == NULL)
		e->brackets = inside;
	if (!closed || e->angle || whole.len > RAW_MAX)
		e->dirty = true;
	if (e->angle || whole.len > RAW_MAX)
		return;
	if (mailbox_read_address(&e->address, inside, false, &e->dirty)) {
		e->angle = true;
		return;
	}
	e->dirty = true;
	inside = without_comments(bare, inside);
	while (inside.len > 0 && *inside.text == '<')
		inside = mailbox_trimmed(
			(struct mailbox_span){inside.text + 1, inside.len - 1});
	e->angle = mailbox_read_address(&e->address, inside, true, &e->dirty) ||
		   (address_parse_path(&e->address, whole.text, whole.len, true,
			    true, &used, NULL) == 0 &&
			   e->address.text[0] != '\0');
	if (!e->angle)
		no_address(&e->address);
}

static void read_angle(struct mailbox_reader *r, struct mailbox_element *e)
{
	const char *from = r->p;
	const char *close = close_of(r, angle_close, &r->open_angle);

	if (close != NULL) {
		r->p = close + 1;
	} else {
		for (r->p++; r->p < r->end && !header_is_space(*r->p) &&
			     !is_one_of(*r->p, ",;");)
			r->p++;
	}
	take_angle(e, (struct mailbox_span){from, (size_t)(r->p - from)},
		close != NULL);
	/* "<<address>>" */
	while (close != NULL && r->p < r->end && *r->p == '>') {
		r->p++;
		e->dirty = true;
	}
}

static bool is_atext(char c)
{
	return (c >= '0' && c <= '9') || (c >= 'A' && c <= 'Z') ||
	       (c >= 'a' && c <= 'z') || (unsigned char)c >= 0x80 ||
	       is_one_of(c, "!#$%&'*+-/=?^_`{|}~.");
}

/* An atom, or what is taken for one: up to white space or a character that
 * means something else. The domain-literal of an address is part of it. */
static void read_atom(
	struct mailbox_reader *r, struct mailbox_element *e, bool *at_out)
{
	const char *from = r->p, *close;

	do {
		close = NULL;
		if (*r->p == '[' && r->p > from && r->p[-1] == '@')
			close = memchr(r->p, ']',
				(size_t)(r->end - r->p) < ADDRESS_DOMAIN_MAX
					? (size_t)(r->end - r->p)
					: ADDRESS_DOMAIN_MAX);
		if (close != NULL)
			r->p = close;
		else if (*r->p == '@')
			*at_out = true;
		else if (!is_atext(*r->p))
			e->dirty = true;
		r->p++;
	} while (r->p < r->end && !header_is_space(*r->p) &&
		 !is_one_of(*r->p, ",;:\"(<>)"));
	mailbox_name_add(&e->name, from, (size_t)(r->p - from));
}

/* Encoded-words do not count inside quotes (RFC 2047 section 5), yet are read
 * there by us, as by many programs. */
static bool has_encoded_word(const char *text, const char *end)
{
	const char *p = text;

	while ((p = memchr(p, '=', (size_t)(end - p))) != NULL) {
		if (rfc2047_word_length(p, (size_t)(end - p)) > 0)
			return true;
		p++;
	}
	return false;
}

enum part { PART_NONE, PART_PLAIN, PART_ENCODED };

static enum part read_part(
	struct mailbox_reader *r, struct mailbox_element *e, bool *at_out)
{
	size_t encoded = rfc2047_word_length(r->p, (size_t)(r->end - r->p));
	const char *close;

	if (encoded > 0) {
		if (!rfc2047_word_is_safe(r->p, encoded))
			e->dirty = true;
		mailbox_name_add(&e->name, r->p, encoded);
		r->p += encoded;
		return PART_ENCODED;
	}
	if (*r->p == '"') {
		close = close_of(r, quote_close, &r->open_quote);
		if (close == NULL) {
			e->dirty = true;
			r->p++;
			return PART_PLAIN;
		}
		if (has_encoded_word(r->p, close))
			e->dirty = true;
		name_add_quoted(&e->name, r->p + 1, (size_t)(close - r->p - 1));
		r->p = close + 1;
		return PART_PLAIN;
	}
	if (header_is_space(*r->p) || is_one_of(*r->p, ",;:(<>)"))
		return PART_NONE;
	read_atom(r, e, at_out);
	return PART_PLAIN;
}

/* A word: atoms, encoded-words and quoted-strings with nothing in between. One
 * with an '@' outside quotes is an address and no part of the name. */
static void read_word(struct mailbox_reader *r, struct mailbox_element *e)
{
	struct mailbox_name before = e->name;
	const char *from = r->p;
	size_t parts = 0;
	bool at = false, encoded = false;
	enum part part;

	if (e->angle)
		e->dirty = true;
	if (e->name.len > 0)
		mailbox_name_add(&e->name, " ", 1);
	while (r->p < r->end) {
		part = read_part(r, e, &at);
		if (part == PART_NONE)
			break;
		encoded |= part == PART_ENCODED;
		parts++;
	}
	if (encoded && parts > 1)
		e->dirty = true;
	e->word = (struct mailbox_span){from, (size_t)(r->p - from)};
	e->words++;
	if ((at && !encoded) || e->angle)
		e->name = before;
	if (at && !encoded && e->at.len == 0)
		e->at = e->word;
}

static void read_comment(struct mailbox_reader *r, struct mailbox_element *e)
{
	const char *close = close_of(r, comment_close, &r->open_paren);

	if (close == NULL) {
		e->dirty = true;
		r->p++;
		return;
	}
	if (e->comment.len == 0)
		name_add_quoted(
			&e->comment, r->p + 1, (size_t)(close - r->p - 1));
	r->p = close + 1;
}

/* Outlook's "[mailto:address]": the octets before the address, 0 for none. */
static size_t mailto_length(const struct mailbox_reader *r)
{
	static const char mailto[] = "mailto:";
	const size_t len = sizeof(mailto) - 1, left = (size_t)(r->end - r->p);
	const size_t bracket = *r->p == '[' ? 1 : 0;

	if (left < bracket + len ||
		strncasecmp(r->p + bracket, mailto, len) != 0)
		return 0;
	return bracket + len;
}

static void read_tokens(struct mailbox_reader *r, struct mailbox_element *e)
{
	while (r->p < r->end) {
		if (header_is_space(*r->p)) {
			r->p += space_length(r->p, r->end);
		} else if (is_one_of(*r->p, ",;:")) {
			e->end = *r->p++;
			return;
		} else if (*r->p == '(') {
			read_comment(r, e);
		} else if (*r->p == '<') {
			read_angle(r, e);
		} else if (*r->p == '>' || *r->p == ')') {
			e->dirty = true;
			r->p++;
		} else if (mailto_length(r) > 0) {
			e->dirty = true;
			r->p += mailto_length(r);
		} else {
			read_word(r, e);
		}
	}
}

/* What stands behind an address by mistake. */
static bool ends_badly(struct mailbox_span s)
{
	const char last = s.len > 0 ? s.text[s.len - 1] : '\0';

	return last == '.' ||
	       (last == ']' && memchr(s.text, '[', s.len) == NULL);
}

/* Finds the address of an element that has none in angle brackets. */
static void settle_element(struct mailbox_element *e)
{
	struct mailbox_span s = e->at;

	if (e->angle) {
		/* "a@b <a@b>" needs quotes */
		if (s.len > 0)
			e->dirty = true;
		if (s.len > 0 && e->name.len == 0)
			name_add_quoted(&e->name, s.text, s.len);
	} else if (s.len > 0) {
		if (s.len > RAW_MAX)
			s.len = 0;
		while (ends_badly(s))
			s.len--;
		if (!mailbox_read_address(&e->address, s, false, &e->dirty) ||
			e->words > 1 || s.len < e->at.len)
			e->dirty = true;
	} else {
		e->dirty = true;
		/* cron's "root (Cron Daemon)" */
		if (e->words == 1 && e->comment.len > 0 &&
			mailbox_read_name(&e->address, e->word, &e->dirty))
			e->name.len = 0;
	}
	if (e->address.text[0] != '\0' && e->name.len == 0)
		mailbox_name_add(&e->name, e->comment.text, e->comment.len);
}

void mailbox_read_element(struct mailbox_reader *r, struct mailbox_element *e)
{
	e->name = (struct mailbox_name){e->name_text, 0};
	e->comment = (struct mailbox_name){e->comment_text, 0};
	e->word = e->at = e->brackets = (struct mailbox_span){NULL, 0};
	no_address(&e->address);
	e->words = 0;
	e->angle = e->dirty = false;
	e->end = '\0';
	read_tokens(r, e);
	if (e->end != ':')
		settle_element(e);
}
