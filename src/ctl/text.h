/*
 * text.h - text for a terminal: nothing that is no text reaches it; ages,
 *          sizes, tables.
 * Used by:    ctl/.
 * Invariant:  invisible characters (base/util: controls, turns of direction),
 *             and what is not valid UTF-8, come out as '?'.
 */
#ifndef GMRELAY_CTL_TEXT_H
#define GMRELAY_CTL_TEXT_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define TEXT_SHORT 32 /* room for an age or a size */

/* Appends text, cleaned. */
void text_clean(struct buf *out, const char *text);

/* Writes text, cleaned. */
void text_put(FILE *to, const char *text);

/* The same, wrapped at width, each line behind the indent; ends with '\n'. */
void text_put_wrapped(
	FILE *to, const char *text, unsigned indent, unsigned width);

/* "3s", "5m", "2h", "4d". Returns text. */
const char *text_span(char text[TEXT_SHORT], int64_t ms);

/* "in 3m", "now" / "2h ago", "just now". Return text. */
const char *text_until(char text[TEXT_SHORT], int64_t ms);
const char *text_ago(char text[TEXT_SHORT], int64_t ms);

/* "512", "34K", "1.2M", "12G". Returns text. */
const char *text_size(char text[TEXT_SHORT], uint64_t octets);

/* --- tables -------------------------------------------------------------- */

#define TABLE_COLUMNS_MAX 12
#define TABLE_ROWS_MAX    256

struct table_column {
	const char *title;
	bool right;    /* numbers */
	bool flexible; /* is cut when the terminal is narrow */
};

struct table;

/* width 0: no terminal, nothing is cut. columns is borrowed. */
struct table *table_new(
	const struct table_column *columns, size_t count, unsigned width);

/* A row of one text a column (NULL or "": "-"). A table prints itself, with
 * its titles, when TABLE_ROWS_MAX have come. */
void table_row(struct table *t, const char *const *cells);

/* Prints what is left and frees. Returns how many rows there were. */
size_t table_end(struct table **t);

#endif
