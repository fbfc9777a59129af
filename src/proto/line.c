/*
 * line.c - bytes to command or reply lines, with a limit.
 */
#include "config.h"

#include "proto/line.h"

#include <string.h>

void line_splitter_init(struct line_splitter *s, size_t max)
{
	s->max = max;
	s->skipping = false;
}

int line_split(
	struct line_splitter *s, const char *data, size_t len, struct line *out)
{
	const char *lf = len > 0 ? memchr(data, '\n', len) : NULL;

	memset(out, 0, sizeof(*out));
	out->text = data;
	if (lf == NULL) {
		/* max bytes without an end: with it, it is beyond max */
		if (len >= s->max)
			s->skipping = true;
		out->used = s->skipping ? len : 0;
		return 0;
	}
	out->used = (size_t)(lf - data) + 1;
	if (s->skipping || out->used > s->max) {
		s->skipping = false;
		return -1;
	}
	out->len = out->used - 1;
	while (out->len > 0 && data[out->len - 1] == '\r')
		out->len--;
	out->bare_lf = out->used - out->len == 1;
	out->bare_cr = out->used - out->len > 2;
	return 1;
}
