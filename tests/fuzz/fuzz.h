/*
 * fuzz.h - what the fuzz targets share. A target is one function that takes any
 *          bytes and requires what its module promises; libFuzzer calls it
 *          (--enable-fuzzing), or replay.c with the corpus (make check).
 * Used by:    tests/fuzz/.
 */
#ifndef GMRELAY_TESTS_FUZZ_H
#define GMRELAY_TESTS_FUZZ_H

#include "base/buf.h"
#include "proto/address.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Larger inputs teach nothing here and are passed over. */
#define FUZZ_INPUT_MAX ((size_t)64 * 1024)
#define FUZZ_OUT_MAX   ((size_t)64 * 1024 * 1024)

/* libFuzzer's entry; always returns 0. */
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Ends the process with its place and text where a promise is broken. */
#define FUZZ_REQUIRE(condition)                                                \
	do {                                                                   \
		if (!(condition))                                              \
			fuzz_broken(__FILE__, __LINE__, #condition);           \
	} while (0)

_Noreturn static inline void fuzz_broken(
	const char *file, int line, const char *what)
{
	fprintf(stderr, "%s:%d: broken: %s\n", file, line, what);
	abort();
}

/* A copy of exactly len bytes, so that a sanitizer sees each byte read beyond
 * them. */
static inline char *fuzz_copy(const void *data, size_t len)
{
	char *copy = malloc(len > 0 ? len : 1);

	FUZZ_REQUIRE(copy != NULL);
	if (len > 0)
		memcpy(copy, data, len);
	return copy;
}

static inline void fuzz_buf(struct buf *b)
{
	buf_init(b, FUZZ_OUT_MAX);
	FUZZ_REQUIRE(buf_add(b, "", 0) == 0);
}

static inline bool fuzz_is_same(
	const struct address *a, const struct address *b)
{
	return strcmp(a->text, b->text) == 0 && a->local_len == b->local_len &&
	       a->utf8 == b->utf8;
}

/* Printable ASCII or UTF-8 in one line, and what address_parse() makes of it is
 * the same again. whole: with a domain. */
static inline void fuzz_require_address(const struct address *a, bool whole)
{
	struct address again;
	size_t len = strnlen(a->text, sizeof(a->text));
	size_t i;

	FUZZ_REQUIRE(len <= ADDRESS_MAX);
	FUZZ_REQUIRE(a->local_len > 0 && a->local_len <= ADDRESS_LOCAL_MAX);
	FUZZ_REQUIRE(a->text[a->local_len] == '@' ||
		     (!whole && a->local_len == len));
	for (i = 0; i < len; i++)
		FUZZ_REQUIRE(
			(unsigned char)a->text[i] >= ' ' && a->text[i] != 0x7f);
	FUZZ_REQUIRE(address_parse(&again, a->text, len, !whole, NULL) == 0);
	FUZZ_REQUIRE(fuzz_is_same(&again, a));
}

#endif
