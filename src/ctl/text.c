/*
 * text.c - text for a terminal: cleaned, wrapped; ages and sizes.
 */
#include "config.h"

#include "ctl/text.h"

#include "base/util.h"

#include <langinfo.h>
#include <stdbool.h>
#include <string.h>

enum { TEXT_CLEAN_MAX = 256 * 1024 };

void text_clean(struct buf *out, const char *text)
{
	size_t i, n, len = strlen(text);
	bool utf8 = strcmp(nl_langinfo(CODESET), "UTF-8") == 0;

	for (i = 0; i < len; i += n) {
		n = utf8_char_len(text + i, len - i);
		if (n == 0 || (n > 1 && !utf8) ||
			utf8_is_invisible(text + i, n)) {
			n = n > 0 ? n : 1;
			if (buf_add(out, "?", 1) != 0)
				return;
		} else if (buf_add(out, text + i, n) != 0) {
			return;
		}
	}
}

void text_put(FILE *to, const char *text)
{
	struct buf clean;

	buf_init(&clean, TEXT_CLEAN_MAX);
	text_clean(&clean, text);
	if (clean.len > 0)
		fwrite(clean.data, 1, clean.len, to);
	buf_free(&clean);
}

void text_put_wrapped(
	FILE *to, const char *text, unsigned indent, unsigned width)
{
	size_t at = 0, len, column = 0;
	struct buf clean;

	buf_init(&clean, TEXT_CLEAN_MAX);
	text_clean(&clean, text);
	while (clean.len > at) {
		at += strspn(clean.data + at, " ");
		len = strcspn(clean.data + at, " ");
		if (len == 0)
			break;
		if (column > 0 && indent + column + 1 + len > width) {
			fputc('\n', to);
			column = 0;
		}
		if (column == 0)
			fprintf(to, "%*s", (int)indent, "");
		else
			fputc(' ', to);
		fwrite(clean.data + at, 1, len, to);
		column += len + (column > 0);
		at += len;
	}
	fputc('\n', to);
	buf_free(&clean);
}

const char *text_span(char text[TEXT_SHORT], int64_t ms)
{
	int64_t s = ms > 0 ? ms / 1000 : 0;

	if (s < 60)
		snprintf(text, TEXT_SHORT, "%llds", (long long)s);
	else if (s < 3600)
		snprintf(text, TEXT_SHORT, "%lldm", (long long)s / 60);
	else if (s < 48LL * 3600)
		snprintf(text, TEXT_SHORT, "%lldh", (long long)s / 3600);
	else
		snprintf(text, TEXT_SHORT, "%lldd", (long long)s / 86400);
	return text;
}

const char *text_until(char text[TEXT_SHORT], int64_t ms)
{
	char span[TEXT_SHORT];

	if (ms <= 0)
		snprintf(text, TEXT_SHORT, "now");
	else
		snprintf(text, TEXT_SHORT, "in %s", text_span(span, ms + 999));
	return text;
}

const char *text_ago(char text[TEXT_SHORT], int64_t ms)
{
	char span[TEXT_SHORT];

	if (ms < 1000)
		snprintf(text, TEXT_SHORT, "just now");
	else
		snprintf(text, TEXT_SHORT, "%s ago", text_span(span, ms));
	return text;
}

const char *text_size(char text[TEXT_SHORT], uint64_t octets)
{
	if (octets < 1024)
		snprintf(text, TEXT_SHORT, "%llu", (unsigned long long)octets);
	else if (octets < 1024ULL * 1024)
		snprintf(text, TEXT_SHORT, "%lluK",
			(unsigned long long)octets / 1024);
	else if (octets < 10ULL * 1024 * 1024 * 1024)
		snprintf(text, TEXT_SHORT, "%.1fM",
			(double)octets / (1024.0 * 1024.0));
	else
		snprintf(text, TEXT_SHORT, "%lluG",
			(unsigned long long)octets / (1024 * 1024 * 1024));
	return text;
}
