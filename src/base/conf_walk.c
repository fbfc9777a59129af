/*
 * conf_walk.c - the structure of a configuration file: sections, settings,
 *               where each stands.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct walk {
	struct conf_scan scan;
	struct conf_text *text;
	struct conf_report *report;
	unsigned section;
};

static int next(struct walk *w)
{
	return conf_scan_next(&w->scan);
}

static enum conf_token_kind kind(const struct walk *w)
{
	return w->scan.token.kind;
}

/* The token for a message. Never what stands in quotes: it may be a secret. */
static const char *token_text(const struct walk *w, char out[CONF_NAME_MAX + 3])
{
	const struct conf_token *t = &w->scan.token;
	int len = t->len < 40 ? (int)t->len : 40;

	if (t->kind == CONF_TOKEN_END)
		snprintf(out, CONF_NAME_MAX + 3, "the end of the file");
	else if (t->kind == CONF_TOKEN_STRING)
		snprintf(out, CONF_NAME_MAX + 3, "text in quotes");
	else
		snprintf(out, CONF_NAME_MAX + 3, "\"%.*s\"", len,
			w->text->data + t->start);
	return out;
}

/* Room for one more in an array that grows by doubling. */
static void *grown(void *array, size_t count, size_t size)
{
	if (count > 0 && (count & (count - 1)) != 0)
		return array;
	array = reallocarray(array, count > 0 ? count * 2 : 1, size);
	if (array == NULL)
		abort();
	return array;
}

static void add_place(struct conf_text *text, const struct conf_place *place)
{
	text->places =
		grown(text->places, text->place_count, sizeof(text->places[0]));
	text->places[text->place_count++] = *place;
}

static void add_value_line(struct conf_text *text, unsigned line)
{
	text->value_lines = grown(text->value_lines, text->value_count,
		sizeof(text->value_lines[0]));
	text->value_lines[text->value_count++] = line;
}

enum conf_kind conf_section_kind(const struct conf_text *text, unsigned section)
{
	return section > 0 ? text->sections[section - 1].kind : CONF_GLOBAL;
}

struct conf_place *conf_place_find(const struct conf_text *text,
	unsigned section, const struct conf_setting *setting)
{
	size_t i;

	for (i = 0; i < text->place_count; i++)
		if (text->places[i].section == section &&
			text->places[i].setting == setting)
			return &text->places[i];
	return NULL;
}

/* Notes that the user thought he had written this setting, so that nobody
 * complains that it is missing. */
static void note_meant(
	struct walk *w, const struct conf_setting *meant, unsigned line)
{
	struct conf_place place = {
		.section = w->section,
		.setting = meant,
		.line = line,
		.bad = true,
	};

	if (conf_place_find(w->text, w->section, meant) == NULL)
		add_place(w->text, &place);
}

static enum conf_kind here(const struct walk *w)
{
	return conf_section_kind(w->text, w->section);
}

/* A kind of section that has this setting. Returns CONF_KINDS for none. */
static enum conf_kind kind_with(const char *name)
{
	enum conf_kind kind = CONF_GLOBAL;

	while (kind < CONF_KINDS && conf_setting_find(name, kind) == NULL)
		kind++;
	return kind;
}

/* The setting stands in another kind of section than it should. */
static void report_misplaced(
	struct walk *w, const char *name, enum conf_kind right, unsigned line)
{
	const struct conf_section_kind *from = &conf_section_kinds[here(w)];
	const struct conf_section_kind *to = &conf_section_kinds[right];

	if (right == CONF_GLOBAL)
		conf_error(w->report, line,
			"\"%s\" does not belong to %s; write it outside of "
			"%s { }",
			name, from->article, from->name);
	else
		conf_error(w->report, line,
			"\"%s\" belongs to %s; write it inside of %s { }", name,
			to->article, to->name);
}

static void report_unknown(struct walk *w, const char *name, unsigned line)
{
	const struct conf_section_kind *section = &conf_section_kinds[here(w)];
	const char *in = w->section > 0 ? " in " : "";
	const char *where = w->section > 0 ? section->name : "";
	const struct conf_setting *meant;
	char folded[CONF_NAME_MAX + 1];

	conf_name_fold(folded, name, strlen(name));
	meant = conf_name_other(folded, here(w));
	if (meant == NULL && kind_with(folded) < CONF_KINDS &&
		conf_setting_find(folded, here(w)) == NULL) {
		report_misplaced(w, folded, kind_with(folded), line);
		return;
	}
	if (meant == NULL)
		meant = conf_name_nearest(folded, here(w));
	if (meant == NULL) {
		conf_error(w->report, line,
			"unknown setting \"%s\"%s%s; gmrelayd.conf(5) lists "
			"them all",
			name, in, where);
		return;
	}
	note_meant(w, meant, line);
	conf_error(w->report, line,
		"unknown setting \"%s\"%s%s; did you mean \"%s\"?", name, in,
		where, meant->name);
}

/* The values between braces; the opening one is the current token. Returns 0
 * with the number of values, -1 reported. */
static int walk_list(struct walk *w, struct conf_place *place)
{
	char text[CONF_NAME_MAX + 3];
	unsigned opened = w->scan.token.line;

	for (;;) {
		if (next(w) != 0)
			return -1;
		if (kind(w) == CONF_TOKEN_CLOSE)
			return 0;
		if (kind(w) != CONF_TOKEN_WORD && kind(w) != CONF_TOKEN_STRING)
			break;
		place->bad |= w->scan.token.bad;
		place->count++;
		add_value_line(w->text, w->scan.token.line);
		if (next(w) != 0)
			return -1;
		if (kind(w) == CONF_TOKEN_CLOSE)
			return 0;
		if (kind(w) != CONF_TOKEN_COMMA)
			break;
	}
	if (kind(w) == CONF_TOKEN_WORD || kind(w) == CONF_TOKEN_STRING)
		conf_error(w->report, w->scan.token.line,
			"a comma is missing before %s, or \"}\" to end the "
			"list opened in line %u",
			token_text(w, text), opened);
	else
		conf_error(w->report, w->scan.token.line,
			"unexpected %s in the list opened in line %u; "
			"\"}\" ends a list",
			token_text(w, text), opened);
	return -1;
}

/* What stands behind the equal sign, which is the current token. */
static int walk_value(struct walk *w, struct conf_place *place,
	const char *name, bool *is_list_out)
{
	char text[CONF_NAME_MAX + 3];
	unsigned line = w->scan.token.line;

	place->first = w->text->value_count;
	if (next(w) != 0)
		return -1;
	*is_list_out = kind(w) == CONF_TOKEN_OPEN;
	if (*is_list_out)
		return walk_list(w, place);
	if ((kind(w) != CONF_TOKEN_WORD && kind(w) != CONF_TOKEN_STRING) ||
		w->scan.token.line != line) {
		conf_error(w->report, line,
			"\"%s\" has no value: found %s behind \"=\"", name,
			w->scan.token.line == line ? token_text(w, text)
						   : "the end of the line");
		return -1;
	}
	place->bad |= w->scan.token.bad;
	place->count = 1;
	add_value_line(w->text, line);
	return 0;
}

/* A setting whose name is known, with its value behind it. */
static void judge_setting(
	struct walk *w, struct conf_place *place, bool is_list)
{
	const struct conf_setting *s = place->setting;
	const struct conf_place *earlier =
		conf_place_find(w->text, w->section, s);

	if (earlier != NULL && !earlier->bad) {
		conf_error(w->report, place->line,
			"\"%s\" is set for the second time, first in line %u; "
			"remove one%s",
			s->name, earlier->line,
			s->list ? " or write one list: {\"a\", \"b\"}" : "");
		place->bad = true;
		return;
	}
	if (is_list && !s->list) {
		conf_error(w->report, place->line,
			"\"%s\" takes one value, not a list; remove the braces",
			s->name);
		place->bad = true;
	} else if (place->count > CONF_VALUES_MAX) {
		conf_error(w->report, place->line,
			"\"%s\" has %zu values, %d are allowed", s->name,
			place->count, CONF_VALUES_MAX);
		place->bad = true;
	}
	add_place(w->text, place);
}

static void report_unknown_section(
	struct walk *w, const char *name, unsigned line)
{
	char folded[CONF_NAME_MAX + 1];
	enum conf_kind meant;

	conf_name_fold(folded, name, strlen(name));
	meant = conf_name_nearest_section(folded);
	if (meant == CONF_GLOBAL)
		conf_error(w->report, line,
			"unknown section \"%s\"; there are account { } and "
			"client { }",
			name);
	else
		conf_error(w->report, line,
			"unknown section \"%s\"; did you mean \"%s\"?", name,
			conf_section_kinds[meant].name);
}

static void report_unclosed(struct walk *w, unsigned before_line)
{
	char before[40] = "the end of the file";

	if (before_line > 0)
		snprintf(before, sizeof(before), "line %u", before_line);
	conf_error(w->report, w->text->sections[w->section - 1].line,
		"the %s that begins here is not closed; \"}\" is missing "
		"before %s",
		conf_section_kinds[here(w)].name, before);
}

/* Behind a name there is to be "=". Returns 0, -1 reported. */
static int walk_equals(struct walk *w, struct conf_place *place,
	const char *name, unsigned line)
{
	char text[CONF_NAME_MAX + 3];
	bool known = place->setting != NULL;

	if (next(w) != 0)
		return -1;
	if (kind(w) == CONF_TOKEN_EQUALS)
		return 0;
	if (kind(w) == CONF_TOKEN_APPEND) {
		conf_error(w->report, w->scan.token.line,
			"\"+=\" is not understood; write \"%s =\" with all "
			"values",
			name);
		place->bad = true;
		return 0;
	}
	if (kind(w) == CONF_TOKEN_OPEN && !known)
		report_unknown_section(w, name, line);
	else if (kind(w) == CONF_TOKEN_OPEN && strcmp(name, "account") == 0)
		report_unclosed(w, line);
	else
		conf_error(w->report, line,
			"\"=\" is missing behind \"%s\": found %s; write "
			"name = \"value\"",
			name, token_text(w, text));
	return -1;
}

/* A name is the current token. */
static int walk_setting(struct walk *w, const char *name)
{
	struct conf_place place = {
		.section = w->section,
		.setting = conf_setting_find(name, here(w)),
		.line = w->scan.token.line,
	};
	size_t from = w->scan.token.start;
	char folded[CONF_NAME_MAX + 1];
	bool is_list;

	conf_name_fold(folded, name, strlen(name));
	if (conf_name_is_secret(folded)) {
		/* what follows is not looked at: it must not be shown */
		conf_error(w->report, place.line,
			"secrets never stand in this file; put it into a file "
			"of mode 600 and write: password-file = "
			"\"/etc/gmrelayd/password\"");
		return -1;
	}
	if (walk_equals(w, &place, name, place.line) != 0)
		return -1;
	if (walk_value(w, &place, name, &is_list) != 0)
		return -1;
	if (place.setting == NULL) {
		report_unknown(w, name, place.line);
		place.bad = true;
	} else {
		judge_setting(w, &place, is_list);
	}
	if (place.bad)
		conf_text_blank(w->text, from, w->scan.at);
	return 0;
}

static int begin_section(struct walk *w, enum conf_kind kind, unsigned line)
{
	const struct conf_section_kind *is = &conf_section_kinds[kind];
	struct conf_text *text = w->text;
	struct conf_section *section;

	if (text->kind_counts[kind] == is->max) {
		conf_error(w->report, line, "more than %zu %ss", is->max,
			is->name);
		return -1;
	}
	section = &text->sections[text->section_count++];
	section->kind = kind;
	section->index = text->kind_counts[kind]++;
	section->line = line;
	w->section = (unsigned)text->section_count;
	return 0;
}

/* The name of a kind of section is the current token. */
static int walk_section(struct walk *w, enum conf_kind of)
{
	const struct conf_section_kind *is = &conf_section_kinds[of];
	unsigned line = w->scan.token.line;

	if (w->section > 0) {
		report_unclosed(w, line);
		return -1;
	}
	if (next(w) != 0)
		return -1;
	if (kind(w) == CONF_TOKEN_WORD || kind(w) == CONF_TOKEN_STRING) {
		conf_error(w->report, line,
			"%s has no title; write: %s { name = \"...\" and so "
			"on }",
			is->article, is->name);
		conf_text_blank(w->text, w->scan.token.start, w->scan.at);
		if (next(w) != 0)
			return -1;
	}
	if (kind(w) != CONF_TOKEN_OPEN) {
		conf_error(w->report, line,
			"\"{\" is missing behind \"%s\"; write: %s { %s and so "
			"on }",
			is->name, is->name, is->example);
		return -1;
	}
	return begin_section(w, of, line);
}

static int walk_word(struct walk *w)
{
	char name[CONF_NAME_MAX + 1];
	const struct conf_token *t = &w->scan.token;
	enum conf_kind of;

	if (t->len > CONF_NAME_MAX) {
		conf_error(w->report, t->line,
			"the name of a setting is expected, not a word of %zu "
			"letters",
			t->len);
		return -1;
	}
	memcpy(name, w->text->data + t->start, t->len);
	name[t->len] = '\0';
	/* "account" is a setting of a client as well */
	for (of = CONF_GLOBAL + 1; of < CONF_KINDS; of++)
		if (strcmp(name, conf_section_kinds[of].name) == 0 &&
			conf_setting_find(name, here(w)) == NULL)
			return walk_section(w, of);
	return walk_setting(w, name);
}

/* The current token, outside of settings. Returns 1 at the end of the file, 0
 * to go on, -1 reported. */
static int walk_token(struct walk *w)
{
	char text[CONF_NAME_MAX + 3];

	switch (kind(w)) {
	case CONF_TOKEN_END:
		if (w->section == 0)
			return 1;
		report_unclosed(w, 0);
		return -1;
	case CONF_TOKEN_WORD:
		return walk_word(w);
	case CONF_TOKEN_CLOSE:
		if (w->section > 0) {
			w->section = 0;
			return 0;
		}
		conf_error(w->report, w->scan.token.line,
			"\"}\" without a \"{\" before it; remove it");
		return -1;
	default:
		conf_error(w->report, w->scan.token.line,
			"the name of a setting is expected, found %s",
			token_text(w, text));
		return -1;
	}
}

int conf_text_walk(struct conf_text *text, struct conf_report *r)
{
	static const char byte_order_mark[] = "\xef\xbb\xbf";
	struct walk w = {
		.scan = {.text = text, .report = r, .line = 1},
		.text = text,
		.report = r,
	};
	int result;

	if (strncmp(text->data, byte_order_mark, 3) == 0)
		conf_text_blank(text, 0, 3);
	do
		result = next(&w) != 0 ? -1 : walk_token(&w);
	while (result == 0);
	text->last_line = w.scan.line;
	return result > 0 ? 0 : -1;
}
