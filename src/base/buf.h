/*
 * buf.h - a growing byte buffer that is born with its limit.
 * Used by:    everything that collects text or bytes.
 * Invariant:  len <= max; data[len] is NUL once anything was added.
 */
#ifndef GMRELAY_BASE_BUF_H
#define GMRELAY_BASE_BUF_H

#include <stddef.h>

struct buf {
	char *data;
	size_t len;
	size_t cap;
	size_t max;
};

/* Strings to be put one behind the other: a list that NULL ends. */
#define STRINGS(...) ((const char *const[]){__VA_ARGS__, NULL})

/* An empty buffer that grows to at most max bytes. Nothing is allocated. */
void buf_init(struct buf *b, size_t max);

/* Frees the bytes; the buffer is empty and usable again. */
void buf_free(struct buf *b);

/* Forgets the content, keeps the memory. */
void buf_clear(struct buf *b);

/* Appends. Return 0, or -1 (buffer unchanged) beyond max or without memory. */
int buf_add(struct buf *b, const void *data, size_t len);
int buf_add_string(struct buf *b, const char *text);
/* All of STRINGS(), or none. */
int buf_add_strings(struct buf *b, const char *const *strings);
int buf_addf(struct buf *b, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Makes room for len more bytes at data + len; the caller writes them and adds
 * to len itself. Returns the place, or NULL beyond max or without memory. */
char *buf_reserve(struct buf *b, size_t len);

#endif
