/*
 * mailbox_list.c - every mailbox of a To, Cc or Bcc field, in its order.
 *
 * Unlike in From, where a word without an address belongs to the name that goes
 * on behind a comma, a lone word is an address here: a local user.
 */
#include "config.h"

#include "proto/mailbox_list.h"

#include "proto/header_field.h"

#include <string.h>

/* Of an address written with comments and white space in it. */
enum { SPREAD_MAX = 2048 };

void mailbox_list_begin(
	struct mailbox_list *list, const char *value, size_t len)
{
	const char *end = value + len;

	list->reader = (struct mailbox_reader){value, end, end, end, end};
}

/* The octets of the comment at text, 0 where it has no end. */
static size_t comment_length(const char *text, size_t len)
{
	size_t depth = 0, i;

	for (i = 0; i < len;) {
		if (text[i] == '(')
			depth++;
		else if (text[i] == ')' && --depth == 0)
			return i + 1;
		i += text[i] == '\\' ? header_pair_length(text + i, len - i)
				     : 1;
	}
	return 0;
}

static size_t quoted_length(const char *text, size_t len)
{
	size_t i;

	for (i = 1; i < len && text[i] != '"';)
		i += text[i] == '\\' ? header_pair_length(text + i, len - i)
				     : 1;
	return i < len ? i + 1 : 0;
}

/* Comments and white space, which may be none. */
static size_t gap_length(const char *text, size_t len)
{
	size_t i, n;

	for (i = 0; i < len; i += n) {
		n = text[i] == '(' ? comment_length(text + i, len - i)
				   : (size_t)header_is_space(text[i]);
		if (n == 0)
			break;
	}
	return i;
}

static bool joins(char c)
{
	return c == '.' || c == '@';
}

/* Copies text without the gaps around dots and the '@' (RFC 5322 4.4: "a . b @
 * c"); others become a space. Returns the length, 0 when it is too long. */
static size_t squeeze(char to[SPREAD_MAX], const char *text, size_t len)
{
	size_t i = 0, n, gap, out = 0;

	while (i < len) {
		gap = gap_length(text + i, len - i);
		i += gap;
		if (gap > 0 && out > 0 && i < len && !joins(text[i]) &&
			!joins(to[out - 1])) {
			if (out == SPREAD_MAX)
				return 0;
			to[out++] = ' ';
		}
		if (i == len)
			break;
		n = text[i] == '"' ? quoted_length(text + i, len - i) : 1;
		n = n > 0 ? n : 1;
		if (n > SPREAD_MAX - out)
			return 0;
		memcpy(to + out, text + i, n);
		out += n;
		i += n;
	}
	return out;
}

/* A '<' outside quotes and comments. */
static bool has_angle(const char *text, size_t len)
{
	size_t i, n;

	for (i = 0; i < len && text[i] != '<'; i += n > 0 ? n : 1)
		n = text[i] == '"'   ? quoted_length(text + i, len - i)
		    : text[i] == '(' ? comment_length(text + i, len - i)
				     : 1;
	return i < len;
}

/* Two addresses with no comma between them: neither is taken for the other's
 * name. */
static bool has_two(const char *text, size_t len)
{
	size_t i, n, count = 0;

	for (i = 0; i<len; i += n> 0 ? n : 1) {
		n = text[i] == '"' ? quoted_length(text + i, len - i) : 1;
		count += text[i] == '@';
	}
	return count > 1;
}

/* An address that is not in angle brackets. Where there are some and no address
 * is in them, what stands before is a name. */
static void take_bare(
	struct mailbox_item *item, const struct mailbox_element *e)
{
	char spread[SPREAD_MAX];
	bool dirty;
	size_t len;

	if (item->len > SPREAD_MAX || has_angle(item->text, item->len))
		return;
	if (e->words > 1) {
		len = squeeze(spread, item->text, item->len);
		if (len > 0 && mailbox_read_address(&item->address,
				       (struct mailbox_span){spread, len},
				       false, &dirty))
			return;
		if (has_two(spread, len))
			return;
	}
	item->address = e->address;
	if (item->address.text[0] == '\0' && e->words == 1)
		mailbox_read_address(&item->address, e->word, true, &dirty);
}

static void trim(struct mailbox_item *item)
{
	while (item->len > 0 && header_is_space(*item->text)) {
		item->text++;
		item->len--;
	}
	while (item->len > 0 && header_is_space(item->text[item->len - 1]))
		item->len--;
}

/* A colon behind an address: a comma or a line's end is missing. */
static bool is_misplaced(const struct mailbox_element *e)
{
	return e->end == ':' && (e->at.len > 0 || e->angle);
}

/* A group's name, white space, comments. */
static bool is_nothing(
	const struct mailbox_element *e, const struct mailbox_item *item)
{
	if (e->end == ':')
		return !is_misplaced(e);
	return e->words == 0 && !e->angle &&
	       (item->len > SPREAD_MAX || !has_angle(item->text, item->len));
}

int mailbox_list_next(struct mailbox_list *list, struct mailbox_item *out)
{
	struct mailbox_element *e = &list->element;
	struct mailbox_reader *r = &list->reader;

	while (r->p < r->end) {
		out->text = r->p;
		mailbox_read_element(r, e);
		out->len =
			(size_t)(r->p - out->text) - (e->end != '\0' ? 1 : 0);
		if (is_nothing(e, out))
			continue;
		memset(&out->address, 0, sizeof(out->address));
		trim(out);
		if (e->angle && !is_misplaced(e))
			out->address = e->address;
		else if (!is_misplaced(e))
			take_bare(out, e);
		return 1;
	}
	return 0;
}
