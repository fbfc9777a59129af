/*
 * table.c - aligned columns, cut to the terminal's width.
 */
#include "config.h"

#include "ctl/text.h"

#include "base/util.h"

#include <langinfo.h>
#include <stdlib.h>
#include <string.h>

enum { CELL_MAX = 2048, FLEXIBLE_MIN = 8, GAP = 2 };

struct table {
	const struct table_column *columns;
	size_t column_count;
	unsigned width;
	size_t total;
	size_t row_count;
	char *cells[TABLE_ROWS_MAX][TABLE_COLUMNS_MAX];
};

/* Columns on the terminal: characters, near enough. */
static size_t shown_length(const char *text)
{
	size_t n = 0;

	for (; *text != '\0'; text++)
		n += ((unsigned char)*text & 0xc0) != 0x80;
	return n;
}

struct table *table_new(
	const struct table_column *columns, size_t count, unsigned width)
{
	struct table *t = xcalloc(1, sizeof(*t));

	t->columns = columns;
	t->column_count = count;
	t->width = width;
	return t;
}

static void measure(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t i, row, len;

	for (i = 0; i < t->column_count; i++) {
		widths[i] = shown_length(t->columns[i].title);
		for (row = 0; row < t->row_count; row++) {
			len = shown_length(t->cells[row][i]);
			widths[i] = len > widths[i] ? len : widths[i];
		}
	}
}

/* Takes from the widest flexible column until the line fits. */
static void squeeze(const struct table *t, size_t widths[TABLE_COLUMNS_MAX])
{
	size_t i, total = 0, widest;

	for (i = 0; i < t->column_count; i++)
		total += widths[i] + (i > 0 ? GAP : 0);
	while (total > t->width) {
		widest = t->column_count;
		for (i = 0; i < t->column_count; i++)
			if (t->columns[i].flexible &&
				widths[i] > FLEXIBLE_MIN &&
				(widest == t->column_count ||
					widths[i] > widths[widest]))
				widest = i;
		if (widest == t->column_count)
			return;
		widths[widest]--;
		total--;
	}
}

static const char *ellipsis(void)
{
	return strcmp(nl_langinfo(CODESET), "UTF-8") == 0 ? "\xe2\x80\xa6"
							  : "~";
}

static void put_cut(const char *text, size_t width)
{
	size_t at = 0, n = 0;

	while (text[at] != '\0' && n + 1 < width) {
		at++;
		while (((unsigned char)text[at] & 0xc0) == 0x80)
			at++;
		n++;
	}
	fwrite(text, 1, at, stdout);
	fputs(ellipsis(), stdout);
}

static void put_cell(const char *text, size_t width,
	const struct table_column *column, bool last)
{
	size_t len = shown_length(text);

	if (len > width) {
		put_cut(text, width);
		return;
	}
	if (column->right)
		printf("%*s", (int)(width - len), "");
	fputs(text, stdout);
	if (!column->right && !last)
		printf("%*s", (int)(width - len), "");
}

static void print_rows(struct table *t)
{
	size_t widths[TABLE_COLUMNS_MAX], row, i;

	measure(t, widths);
	if (t->width > 0)
		squeeze(t, widths);
	for (i = 0; i < t->column_count; i++) {
		printf("%*s", i > 0 ? GAP : 0, "");
		put_cell(t->columns[i].title, widths[i], &t->columns[i],
			i + 1 == t->column_count);
	}
	fputc('\n', stdout);
	for (row = 0; row < t->row_count; row++) {
		for (i = 0; i < t->column_count; i++) {
			printf("%*s", i > 0 ? GAP : 0, "");
			put_cell(t->cells[row][i], widths[i], &t->columns[i],
				i + 1 == t->column_count);
			free(t->cells[row][i]);
		}
		fputc('\n', stdout);
	}
	t->row_count = 0;
}

void table_row(struct table *t, const char *const *cells)
{
	struct buf clean;
	size_t i;

	for (i = 0; i < t->column_count; i++) {
		buf_init(&clean, CELL_MAX);
		text_clean(&clean, cells[i] != NULL && cells[i][0] != '\0'
					   ? cells[i]
					   : "-");
		t->cells[t->row_count][i] = xstrdup(clean.data);
		buf_free(&clean);
	}
	t->row_count++;
	t->total++;
	if (t->row_count == TABLE_ROWS_MAX)
		print_rows(t);
}

size_t table_end(struct table **tp)
{
	struct table *t = *tp;
	size_t total = t->total;

	*tp = NULL;
	if (t->row_count > 0)
		print_rows(t);
	free(t);
	return total;
}
