/*
 * header_qualify.c - addresses without a domain in To, Cc and their like.
 */
#include "config.h"

#include "proto/header_qualify.h"

#include "base/util.h"
#include "proto/mailbox_internal.h"
#include "proto/rfc2047.h"

#include <string.h>

/* From is proto/sender's. */
static const char *const names[] = {"To", "Cc", "Reply-To", "Sender",
	"Resent-To", "Resent-Cc", "Resent-From", "Resent-Sender",
	"Disposition-Notification-To", "Return-Receipt-To", "Errors-To"};

static bool is_ours(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < COUNT_OF(names); i++)
		if (header_field_is(f, names[i]))
			return true;
	return false;
}

/* A name as users and devices have it, so without '@'; nothing that is, or was
 * meant to be, an encoded-word. */
static bool is_name(struct mailbox_span s)
{
	struct address address;

	return s.len > 0 && s.text[0] != '"' &&
	       memchr(s.text, '@', s.len) == NULL &&
	       text_is_ascii(s.text, s.len) &&
	       !(s.len > 1 && memcmp(s.text, "=?", 2) == 0) &&
	       address_parse(&address, s.text, s.len, true, NULL) == 0 &&
	       address.text[address.local_len] == '\0';
}

/* Where the domain is missing in an element, or NULL. */
static const char *gap_of(const struct mailbox_element *e)
{
	struct mailbox_span s = {NULL, 0};

	if (e->end == ':')
		return NULL; /* a group's name */
	if (e->brackets.text != NULL)
		s = mailbox_trimmed(e->brackets);
	else if (e->words == 1 && e->at.len == 0)
		s = e->word;
	return is_name(s) ? s.text + s.len : NULL;
}

int header_qualify(struct buf *out, const struct header_field *f,
	const char *domain, bool *changed_out)
{
	const char *end = f->value + f->value_len, *done = f->whole, *gap;
	struct mailbox_reader r = {f->value, end, end, end, end};
	struct mailbox_element e;

	*changed_out = false;
	if (!is_ours(f))
		return 0;
	while (r.p < end) {
		mailbox_read_element(&r, &e);
		gap = gap_of(&e);
		if (gap == NULL)
			continue;
		if (buf_add(out, done, (size_t)(gap - done)) != 0 ||
			buf_addf(out, "@%s", domain) != 0)
			return -1;
		done = gap;
		*changed_out = true;
	}
	if (!*changed_out)
		return 0;
	return buf_add(out, done, (size_t)(f->whole + f->whole_len - done));
}
