/*
 * header_field.c - a header block to fields; what kind of text a field holds.
 */
#include "config.h"

#include "proto/header_field.h"

#include "base/util.h"

#include <string.h>
#include <strings.h>

struct kind_row {
	const char *name;
	enum header_kind kind;
};

/* Every structured field that may hold a comment, a phrase or an address. */
static const struct kind_row kind_rows[] = {
	{"From", HEADER_KIND_ADDRESSES},
	{"Sender", HEADER_KIND_ADDRESSES},
	{"Reply-To", HEADER_KIND_ADDRESSES},
	{"To", HEADER_KIND_ADDRESSES},
	{"Cc", HEADER_KIND_ADDRESSES},
	{"Resent-From", HEADER_KIND_ADDRESSES},
	{"Resent-Sender", HEADER_KIND_ADDRESSES},
	{"Resent-Reply-To", HEADER_KIND_ADDRESSES},
	{"Resent-To", HEADER_KIND_ADDRESSES},
	{"Resent-Cc", HEADER_KIND_ADDRESSES},
	{"Return-Path", HEADER_KIND_ADDRESSES},
	{"Errors-To", HEADER_KIND_ADDRESSES},
	{"Apparently-To", HEADER_KIND_ADDRESSES},
	{"Delivered-To", HEADER_KIND_ADDRESSES},
	{"X-Original-To", HEADER_KIND_ADDRESSES},
	{"Mail-Followup-To", HEADER_KIND_ADDRESSES},
	{"Mail-Reply-To", HEADER_KIND_ADDRESSES},
	{"Return-Receipt-To", HEADER_KIND_ADDRESSES},
	{"Disposition-Notification-To", HEADER_KIND_ADDRESSES},
	{"Keywords", HEADER_KIND_ADDRESSES}, /* phrases and commas as well */
	{"Message-ID", HEADER_KIND_IDS},
	{"Resent-Message-ID", HEADER_KIND_IDS},
	{"In-Reply-To", HEADER_KIND_IDS},
	{"References", HEADER_KIND_IDS},
	{"Content-ID", HEADER_KIND_IDS},
	{"List-Id", HEADER_KIND_IDS},
	{"Received", HEADER_KIND_TOKENS},
	{"Date", HEADER_KIND_TOKENS},
	{"Resent-Date", HEADER_KIND_TOKENS},
	{"MIME-Version", HEADER_KIND_TOKENS},
	{"Content-Transfer-Encoding", HEADER_KIND_TOKENS},
	{"Content-Type", HEADER_KIND_PARAMETERS},
	{"Content-Disposition", HEADER_KIND_PARAMETERS},
};

size_t header_name_length(const char *line, size_t len, size_t *value_at_out)
{
	size_t name_len = 0, colon;

	/* RFC 5322 2.2: printable US-ASCII except the colon. */
	while (name_len < len && line[name_len] > 32 && line[name_len] < 127 &&
		line[name_len] != ':')
		name_len++;
	colon = name_len;
	while (colon < len && (line[colon] == ' ' || line[colon] == '\t'))
		colon++;
	if (name_len == 0 || colon == len || line[colon] != ':')
		return 0;
	*value_at_out = colon + 1;
	return name_len;
}

/* The octets up to the line end at or behind text, that included. */
static size_t line_length(const char *text, size_t len)
{
	const char *end = memchr(text, '\n', len);

	return end != NULL ? (size_t)(end - text) + 1 : len;
}

int header_field_next(
	const char *text, size_t len, size_t *pos, struct header_field *out)
{
	size_t left, used, value_at = 0, end;
	const char *whole;

	if (*pos >= len)
		return 0;
	whole = text + *pos;
	left = len - *pos;
	used = line_length(whole, left);
	out->name_len = header_name_length(whole, used, &value_at);
	if (out->name_len == 0)
		return 0;
	while (used < left && (whole[used] == ' ' || whole[used] == '\t'))
		used += line_length(whole + used, left - used);
	end = used;
	if (end > value_at && whole[end - 1] == '\n')
		end--;
	if (end > value_at && whole[end - 1] == '\r')
		end--;
	out->name = out->whole = whole;
	out->whole_len = used;
	out->value = whole + value_at;
	out->value_len = end - value_at;
	*pos += used;
	return 1;
}

bool header_field_is_wholly(const struct header_field *f, const char *name)
{
	return strlen(name) == f->name_len &&
	       strncasecmp(name, f->name, f->name_len) == 0;
}

bool header_field_is_empty(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < f->value_len; i++) {
		if (!header_is_space(f->value[i]) && f->value[i] != '<' &&
			f->value[i] != '>')
			return false;
	}
	return true;
}

enum header_kind header_field_kind(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < COUNT_OF(kind_rows); i++) {
		if (header_field_is(f, kind_rows[i].name))
			return kind_rows[i].kind;
	}
	return HEADER_KIND_TEXT;
}
