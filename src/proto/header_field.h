/*
 * header_field.h - a header block to fields; what kind of text a field holds.
 * Used by:    proto/header and its parts; whoever rewrites single fields.
 * Pure:       no descriptor, no clock, no log, no allocation.
 * Invariant:  every pointer lies in the caller's text and lives as long.
 * Source:     RFC 5322 2.2, 3.6, 4.5 (white space before the colon).
 */
#ifndef GMRELAY_PROTO_HEADER_FIELD_H
#define GMRELAY_PROTO_HEADER_FIELD_H

#include <stdbool.h>
#include <stddef.h>

struct header_field {
	const char *name;
	size_t name_len;
	const char *value; /* raw: what follows the colon, folds included, */
	size_t value_len;  /* without the last CRLF */
	const char *whole; /* all its lines, each with CRLF */
	size_t whole_len;
};

/* How 8-bit text in a field is encoded and where its lines may be folded. */
enum header_kind {
	HEADER_KIND_TEXT,       /* unstructured, and all we do not know */
	HEADER_KIND_ADDRESSES,  /* phrases, comments, addresses; commas */
	HEADER_KIND_IDS,        /* <id> <id> */
	HEADER_KIND_TOKENS,     /* other structured fields; semicolons */
	HEADER_KIND_PARAMETERS, /* value; attribute=value (RFC 2045 5.1) */
};

/* Looks whether a line (with or without its end) begins a field. Returns the
 * length of its name, 0 when it is none. *value_at_out is the offset behind the
 * colon. */
size_t header_name_length(const char *line, size_t len, size_t *value_at_out);

/* The field at *pos of text, whose lines end in CRLF; *pos moves behind it.
 * Begin with *pos 0. Returns 1 with *out set; 0 at the end, at the empty line,
 * and at a line that is no header line. */
int header_field_next(
	const char *text, size_t len, size_t *pos, struct header_field *out);

/* The field has this name, without regard to case. Nearly all differ in their
 * first letter already, of which 0x20 is the case. */
bool header_field_is_wholly(const struct header_field *f, const char *name);

static inline bool header_field_is(
	const struct header_field *f, const char *name)
{
	return f->name_len > 0 && (*f->name | 0x20) == (*name | 0x20) &&
	       header_field_is_wholly(f, name);
}

/* The value is nothing but white space, or angle brackets around nothing. */
bool header_field_is_empty(const struct header_field *f);

enum header_kind header_field_kind(const struct header_field *f);

/* SP, HT, CR or LF: what a folded value has between its words. */
static inline bool header_is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

/* The octets of a quoted-pair at text[0] == '\\': 2, or 1 where none follows. A
 * line end is never quoted: it is a fold. */
static inline size_t header_pair_length(const char *text, size_t len)
{
	return len > 1 && text[1] != '\r' && text[1] != '\n' ? 2 : 1;
}

#endif
