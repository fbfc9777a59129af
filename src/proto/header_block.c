/*
 * header_block.c - the lines of a message's header, up to its end.
 */
#include "config.h"

#include "proto/header.h"

#include "proto/header_field.h"

#include <string.h>

void header_block_init(struct header_block *h)
{
	memset(h, 0, sizeof(*h));
	buf_init(&h->text, HEADER_BLOCK_MAX);
}

void header_block_free(struct header_block *h)
{
	buf_free(&h->text);
}

/* "From sender date" or ">From ...", what a mailbox file puts first; but not
 * the field "From : address". */
static bool is_mbox_line(const char *line, size_t len)
{
	size_t skip = len > 0 && line[0] == '>' ? 1 : 0, value_at;

	return len - skip >= 5 && memcmp(line + skip, "From ", 5) == 0 &&
	       header_name_length(line, len, &value_at) == 0;
}

/* Keeps a line, with the characters that could end it made spaces. */
static void keep_line(struct header_block *h, const char *line, size_t len)
{
	char *to;
	size_t i;

	if (h->too_large || h->no_memory)
		return;
	if (len + 2 > h->text.max - h->text.len) {
		h->too_large = true;
		return;
	}
	to = buf_reserve(&h->text, len + 2);
	if (to == NULL) {
		h->no_memory = true;
		return;
	}
	for (i = 0; i < len; i++) {
		to[i] = line[i] == '\r' || line[i] == '\n' || line[i] == '\0'
				? ' '
				: line[i];
	}
	memcpy(to + len, "\r\n", 2);
	h->text.len += len + 2;
}

int header_block_add(struct header_block *h, const char *line, size_t len)
{
	struct header_field field;
	bool first = h->lines == 0, folded;
	size_t value_at;

	if (h->ended)
		return 0;
	h->lines++;
	if (first && is_mbox_line(line, len))
		return 1;
	folded = len > 0 && (line[0] == ' ' || line[0] == '\t') &&
		 (h->text.len > 0 || h->too_large || h->no_memory);
	field.name = line;
	field.name_len = header_name_length(line, len, &value_at);
	if (field.name_len == 0 && !folded) {
		h->ended = true;
		h->empty_line = len == 0;
		return len == 0 ? 1 : 0;
	}
	if (field.name_len > 0 && header_field_is(&field, "Received"))
		h->received++;
	keep_line(h, line, len);
	return 1;
}
