/*
 * conf_report.c - the list of what is wrong in a configuration file.
 */
#include "config.h"

#include "base/conf_internal.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Frees a place for an error by forgetting the last warning. */
static void drop_warning(struct conf_report *r)
{
	struct conf_problems *p = r->problems;
	size_t i = p->count;

	while (i > 0 && !p->items[i - 1].warning)
		i--;
	if (i == 0)
		return;
	memmove(&p->items[i - 1], &p->items[i],
		(p->count - i) * sizeof(p->items[0]));
	memmove(&r->lines[i - 1], &r->lines[i],
		(p->count - i) * sizeof(r->lines[0]));
	p->count--;
}

/* Opens a gap behind what stands on the same or earlier lines. */
static size_t make_gap(struct conf_report *r, unsigned line)
{
	struct conf_problems *p = r->problems;
	size_t i = p->count;

	while (i > 0 && r->lines[i - 1] > line)
		i--;
	memmove(&p->items[i + 1], &p->items[i],
		(p->count - i) * sizeof(p->items[0]));
	memmove(&r->lines[i + 1], &r->lines[i],
		(p->count - i) * sizeof(r->lines[0]));
	p->count++;
	return i;
}

__attribute__((format(printf, 4, 0))) static void add(struct conf_report *r,
	unsigned line, bool warning, const char *format, va_list args)
{
	struct conf_problems *p = r->problems;
	char *text;
	size_t i;
	int n;

	if (p->count == CONF_PROBLEMS_MAX && !warning)
		drop_warning(r);
	if (p->count == CONF_PROBLEMS_MAX)
		return;
	i = make_gap(r, line);
	r->lines[i] = line;
	p->items[i].warning = warning;
	text = p->items[i].text;
	if (line > 0)
		n = snprintf(text, ERR_TEXT_MAX, "%s:%u: ", r->file, line);
	else
		n = snprintf(text, ERR_TEXT_MAX, "%s: ", r->file);
	if (n >= 0 && n < ERR_TEXT_MAX)
		vsnprintf(text + n, ERR_TEXT_MAX - (size_t)n, format, args);
}

void conf_error(struct conf_report *r, unsigned line, const char *format, ...)
{
	va_list args;

	r->problems->errors++;
	va_start(args, format);
	add(r, line, false, format, args);
	va_end(args);
}

void conf_warning(struct conf_report *r, unsigned line, const char *format, ...)
{
	va_list args;

	r->problems->warnings++;
	va_start(args, format);
	add(r, line, true, format, args);
	va_end(args);
}
