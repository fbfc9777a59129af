/*
 * recipients.c - for whom a message is: the command line's and the header's.
 */
#include "config.h"

#include "sendmail/recipients.h"

#include "base/util.h"
#include "proto/header_field.h"
#include "proto/mailbox_list.h"
#include "submit/drop_format.h"

#include <stdlib.h>
#include <string.h>

enum { BAD_SHOWN_MAX = 100 };

void recipients_init(struct recipients *r)
{
	memset(r, 0, sizeof(*r));
}

void recipients_free(struct recipients *r)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		free(r->all[i]);
	free(r->all);
	memset(r, 0, sizeof(*r));
}

static void tell_bad(struct recipients *r, const struct mailbox_item *item)
{
	char shown[BAD_SHOWN_MAX + 1];
	size_t i;

	for (i = 0; i < item->len && i < BAD_SHOWN_MAX; i++)
		shown[i] = (unsigned char)item->text[i] < ' ' ? ' '
							      : item->text[i];
	shown[i] = '\0';
	r->bad++;
	if (r->on_bad != NULL)
		r->on_bad(r->arg, shown);
}

static bool has(const struct recipients *r, const char *address)
{
	size_t i;

	for (i = 0; i < r->count; i++)
		if (address_same(r->all[i], address))
			return true;
	return false;
}

static int keep(struct recipients *r, const char *address, struct err *err)
{
	if (has(r, address))
		return 0;
	if (r->count == DROP_RECIPIENTS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d recipients",
			DROP_RECIPIENTS_MAX);
	if (r->count == r->cap) {
		r->cap = r->cap > 0 ? 2 * r->cap : 8;
		r->all = realloc(r->all, r->cap * sizeof(*r->all));
		if (r->all == NULL)
			abort();
	}
	r->all[r->count++] = xstrdup(address);
	return 0;
}

int recipients_add(
	struct recipients *r, const char *text, size_t len, struct err *err)
{
	struct mailbox_item item;
	struct mailbox_list list;

	mailbox_list_begin(&list, text, len);
	while (mailbox_list_next(&list, &item) > 0) {
		if (item.address.text[0] == '\0')
			tell_bad(r, &item);
		else if (keep(r, item.address.text, err) != 0)
			return -1;
	}
	return 0;
}

static bool is_one_of(
	const struct header_field *f, const char *const *names, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (header_field_is(f, names[i]))
			return true;
	return false;
}

static const char *const plain[] = {"To", "Cc", "Bcc"};
static const char *const resent[] = {"Resent-To", "Resent-Cc", "Resent-Bcc"};

/* Where the latest resending ends, which stands first (RFC 5322 3.6.6): at a
 * trace field or a second Resent-From, -Date or -Message-ID behind it. *any_out
 * tells whether there is one with recipients. */
static size_t resent_end(const char *block, size_t len, bool *any_out)
{
	static const char *const begins[] = {
		"Resent-From", "Resent-Date", "Resent-Message-ID"};
	static const char *const trace[] = {"Received", "Return-Path"};
	unsigned seen = 0; /* a bit each of begins */
	bool inside = false;
	struct header_field f;
	size_t pos = 0, before = 0, i;

	*any_out = false;
	for (; header_field_next(block, len, &pos, &f) > 0; before = pos) {
		if (inside && is_one_of(&f, trace, COUNT_OF(trace)))
			return before;
		if (is_one_of(&f, resent, COUNT_OF(resent)))
			*any_out = inside = true;
		for (i = 0; i < COUNT_OF(begins); i++) {
			if (!header_field_is(&f, begins[i]))
				continue;
			if (*any_out && (seen & 1U << i) != 0)
				return before;
			seen |= 1U << i;
			inside = true;
		}
	}
	return len;
}

int recipients_add_header(
	struct recipients *r, const char *block, size_t len, struct err *err)
{
	const char *const *names = plain;
	struct header_field f;
	size_t pos = 0, end;
	bool any;

	end = resent_end(block, len, &any);
	if (any) {
		names = resent;
		len = end;
	}
	while (header_field_next(block, len, &pos, &f) > 0)
		if (is_one_of(&f, names, COUNT_OF(plain)) &&
			recipients_add(r, f.value, f.value_len, err) != 0)
			return -1;
	return 0;
}
