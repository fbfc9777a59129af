/*
 * mailbox.c - the first mailbox of a From field, however it is written.
 *
 * A name without an address goes on in the next element of the list: a comma in
 * it lacked its quotes.
 */
#include "config.h"

#include "proto/mailbox.h"

#include "proto/mailbox_internal.h"

#include <string.h>

static bool is_nothing(const struct mailbox_element *e)
{
	return e->words == 0 && !e->angle && e->comment.len == 0;
}

/* Nothing had an address: a bare word is one without its domain. */
static void settle_name(
	struct mailbox *out, const struct mailbox_element *e, size_t count)
{
	bool dirty;

	out->clean = false;
	if (count == 1 && e->words == 1 &&
		mailbox_read_name(&out->address, e->word, &dirty))
		out->name_len = 0;
	if (out->address.text[0] == '\0' && out->name_len == 0) {
		memcpy(out->name, e->comment.text, e->comment.len);
		out->name_len = e->comment.len;
	}
}

/* Takes what an element has that the mailbox lacks. */
static void take_element(struct mailbox *out, const struct mailbox_element *e)
{
	struct mailbox_name name = {out->name, out->name_len};

	if (out->address.text[0] != '\0') {
		out->several = true;
		return;
	}
	if (name.len > 0 && e->name.len > 0)
		mailbox_name_add(&name, ", ", 2);
	mailbox_name_add(&name, e->name.text, e->name.len);
	out->name_len = name.len;
	out->address = e->address;
}

void mailbox_first(struct mailbox *out, const char *value, size_t len)
{
	const char *end = value + len;
	struct mailbox_reader r = {value, end, end, end, end};
	struct mailbox_element e;
	size_t read = 0, count = 0;
	bool group = false, comma = false;

	memset(out, 0, sizeof(*out));
	out->clean = true;
	e.words = 0;
	e.comment = (struct mailbox_name){e.comment_text, 0};
	while (r.p < end && read++ < MAILBOX_ELEMENTS_MAX) {
		mailbox_read_element(&r, &e);
		if (e.end == ':') {
			/* a group's name; what else has a colon is none */
			if (e.dirty || e.words == 0 || group ||
				out->address.text[0] != '\0')
				out->clean = false;
			out->several = group = true;
			continue;
		}
		if (e.end == ';') {
			out->clean = out->clean && group;
			group = false;
		}
		if (is_nothing(&e)) {
			out->clean = out->clean && e.end != ',' && !e.dirty;
			continue;
		}
		count++;
		comma = e.end == ',';
		out->clean = out->clean && !e.dirty;
		take_element(out, &e);
	}
	if (r.p < end || group || comma || (count == 0 && !out->several))
		out->clean = false;
	if (out->address.text[0] == '\0')
		settle_name(out, &e, count);
}
