/*
 * delivery.c - what a transaction needs of the server.
 */
#include "config.h"

#include "relay/delivery.h"

#include "base/util.h"

#include <string.h>

/* Read of the header at a time. */
#define HEADER_CHUNK 4096

/* What is read of a header so far. */
struct header_scan {
	bool utf8;
	bool ended;
	char last; /* but for CR: two line feeds in a row end it */
};

static void scan(struct header_scan *s, const char *data, size_t len)
{
	size_t i;

	for (i = 0; i < len && !s->ended && !s->utf8; i++) {
		if (data[i] == '\r')
			continue;
		s->utf8 = (unsigned char)data[i] > 127;
		s->ended = data[i] == '\n' && s->last == '\n';
		s->last = data[i];
	}
}

static bool header_is_utf8(struct content *content)
{
	struct header_scan s = {.last = '\n'};
	char data[HEADER_CHUNK];
	ssize_t n;

	do {
		n = content_read(content, data, sizeof(data), NULL);
		if (n > 0)
			scan(&s, data, (size_t)n);
	} while (n > 0 && !s.ended && !s.utf8);
	return content_rewind(content, NULL) == 0 && s.utf8;
}

void delivery_find_needs(struct delivery *d, bool header)
{
	size_t i;

	d->utf8_message = !string_is_ascii(d->reverse_path) ||
			  (header && header_is_utf8(d->content));
	d->smtputf8 = d->utf8_message;
	for (i = 0; i < d->rcpt_count && !d->smtputf8; i++)
		d->smtputf8 = !string_is_ascii(d->rcpts[i].address);
}
