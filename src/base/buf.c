/*
 * buf.c - a growing byte buffer that is born with its limit.
 */
#include "config.h"

#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BUF_FIRST_SIZE = 256 };

void buf_init(struct buf *b, size_t max)
{
	memset(b, 0, sizeof(*b));
	b->max = max;
}

void buf_free(struct buf *b)
{
	free(b->data);
	buf_init(b, b->max);
}

void buf_clear(struct buf *b)
{
	b->len = 0;
	if (b->data != NULL)
		b->data[0] = '\0';
}

char *buf_reserve(struct buf *b, size_t len)
{
	size_t cap = b->cap > 0 ? b->cap : BUF_FIRST_SIZE;
	char *data;

	if (len > b->max || b->len > b->max - len)
		return NULL;
	if (b->len + len + 1 > b->cap) {
		while (cap < b->len + len + 1)
			cap *= 2;
		if (cap - 1 > b->max)
			cap = b->max + 1;
		data = realloc(b->data, cap);
		if (data == NULL)
			return NULL;
		b->data = data;
		b->cap = cap;
	}
	return b->data + b->len;
}

int buf_add(struct buf *b, const void *data, size_t len)
{
	char *to = buf_reserve(b, len);

	if (to == NULL)
		return -1;
	if (len > 0)
		memcpy(to, data, len);
	b->len += len;
	b->data[b->len] = '\0';
	return 0;
}

int buf_add_string(struct buf *b, const char *text)
{
	return buf_add(b, text, strlen(text));
}

int buf_add_strings(struct buf *b, const char *const *strings)
{
	const char *const *each;
	size_t len = 0;
	char *to;

	for (each = strings; *each != NULL; each++)
		len += strlen(*each);
	to = buf_reserve(b, len);
	if (to == NULL)
		return -1;
	*to = '\0';
	for (each = strings; *each != NULL; each++)
		to = stpcpy(to, *each);
	b->len += len;
	return 0;
}

int buf_addf(struct buf *b, const char *format, ...)
{
	const size_t room = b->cap - b->len;
	va_list args;
	char *to;
	int n;

	/* it often fits in what is there */
	va_start(args, format);
	n = vsnprintf(
		b->data != NULL ? b->data + b->len : NULL, room, format, args);
	va_end(args);
	if (n >= 0 && (size_t)n < room) {
		b->len += (size_t)n;
		return 0;
	}
	to = n >= 0 ? buf_reserve(b, (size_t)n) : NULL;
	if (to == NULL) {
		if (b->data != NULL)
			b->data[b->len] = '\0';
		return -1;
	}
	va_start(args, format);
	vsnprintf(to, (size_t)n + 1, format, args);
	va_end(args);
	b->len += (size_t)n;
	return 0;
}
