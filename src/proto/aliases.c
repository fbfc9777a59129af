/*
 * aliases.c - a file of aliases as sendmail's: "root: someone@example.com".
 *
 * Read in two passes: the text to names and targets, each judged alone; then
 * targets that are names are tied to their aliases, and what would lead round
 * in a circle, too deep or to too many is cut off. So looking a name up needs
 * neither memory nor a check.
 */
#include "config.h"

#include "proto/aliases.h"

#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	SHOWN_MAX = 60, /* of a target, in a message */
	NO_ALIAS = -1,
};

struct alias_target {
	char *text; /* canonical */
	unsigned line;
	int alias;    /* the alias it is, or NO_ALIAS */
	bool is_name; /* no domain, and no "\name" */
	bool cut;     /* leads round, too deep or to too many */
};

enum mark { MARK_NEW, MARK_OPEN, MARK_DONE };

struct alias {
	char *name; /* lower case */
	unsigned line;
	size_t first, count; /* its targets */
	enum mark mark;
	unsigned height; /* aliases below */
	unsigned size;   /* names and addresses below */
};

struct aliases {
	struct alias *list; /* sorted by name */
	size_t count;
	struct alias_target *targets;
	size_t target_count;
};

/* --- reading -------------------------------------------------------------- */

struct span {
	const char *text;
	size_t len;
};

struct reading {
	const char *p, *end;
	unsigned line;
	struct aliases *aliases;
	size_t list_max, targets_max;
	aliases_tell_fn *tell;
	void *arg;
};

/* A file is anybody's: nothing of it controls a terminal. */
__attribute__((format(printf, 4, 5))) static void told(const struct reading *r,
	bool error, unsigned line, const char *format, ...)
{
	char text[ERR_TEXT_MAX], *c;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	for (c = text; *c != '\0'; c++)
		if (*c < ' ' || *c > '~')
			*c = '?';
	r->tell(r->arg, error, line, text);
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t' || c == '\r';
}

static void skip_spaces(struct reading *r)
{
	while (r->p < r->end && is_space(*r->p))
		r->p++;
}

/* To the beginning of the next line. */
static void skip_line(struct reading *r)
{
	const char *lf = memchr(r->p, '\n', (size_t)(r->end - r->p));

	r->p = lf != NULL ? lf + 1 : r->end;
	r->line++;
}

/* The line has nothing, or nothing but a comment, from here on. */
static bool is_blank(const struct reading *r)
{
	const char *p = r->p;

	while (p < r->end && is_space(*p))
		p++;
	return p == r->end || *p == '\n' || *p == '#';
}

/* Behind the colon or a target: goes to the next one, over white space, commas,
 * comments and line ends that have a continuation. False at the end of the
 * logical line, with the next one not begun. */
static bool find_target(struct reading *r)
{
	for (;;) {
		while (r->p < r->end && (is_space(*r->p) || *r->p == ','))
			r->p++;
		if (!is_blank(r))
			return true;
		skip_line(r);
		/* neither an empty line nor a comment ends what is going on */
		while (r->p < r->end && is_blank(r))
			skip_line(r);
		if (r->p == r->end || !is_space(*r->p))
			return false;
	}
}

static struct span trimmed(const char *from, const char *to)
{
	while (to > from && is_space(to[-1]))
		to--;
	return (struct span){from, (size_t)(to - from)};
}

/* Up to a byte of ends, a comment or the line's end, all outside quotes. */
static struct span take_word(struct reading *r, const char *ends)
{
	const char *from = r->p;
	bool quoted = false;

	for (; r->p < r->end && *r->p != '\n'; r->p++) {
		if (quoted && *r->p == '\\' && r->p + 1 < r->end &&
			r->p[1] != '\n')
			r->p++;
		else if (*r->p == '"')
			quoted = !quoted;
		else if (quoted || *r->p == '\0')
			continue;
		else if (strchr(ends, *r->p) != NULL)
			break;
		else if (*r->p == '#' && r->p > from && is_space(r->p[-1]))
			break;
	}
	return trimmed(from, r->p);
}

/* What stands inside of quotes around all of it, else what came in. */
static struct span unquoted(struct span s)
{
	if (s.len > 2 && s.text[0] == '"' && s.text[s.len - 1] == '"' &&
		memchr(s.text + 1, '"', s.len - 2) == NULL)
		return (struct span){s.text + 1, s.len - 2};
	return s;
}

/* --- names and targets ---------------------------------------------------- */

/* For "%.*s". */
static int shown(struct span s)
{
	return s.len < SHOWN_MAX ? (int)s.len : SHOWN_MAX;
}

static void lower(char *text)
{
	for (; *text != '\0'; text++)
		if (*text >= 'A' && *text <= 'Z')
			*text += 'a' - 'A';
}

/* What sendmail would do with a target that is no address; NULL: it is one. */
static const char *special_of(struct span s)
{
	static const char include[] = ":include:";

	if (s.len == 0)
		return NULL;
	if (s.text[0] == '|')
		return "starts a program";
	if (s.text[0] == '/')
		return "writes into a file";
	if (s.text[0] != ':')
		return NULL;
	if (s.len >= strlen(include) &&
		memcmp(s.text, include, strlen(include)) == 0)
		return "reads addresses from another file";
	return "is an order to another mail server";
}

static int parse_address(struct address *out, struct span s, struct err *err)
{
	struct span inside = unquoted(s);
	size_t used;

	/* "a@b" in quotes as a whole is what it says */
	if (inside.len < s.len &&
		address_parse(out, inside.text, inside.len, false, NULL) == 0)
		return 0;
	if (memchr(s.text, '<', s.len) == NULL)
		return address_parse(out, s.text, s.len, true, err);
	if (address_parse_path(out, s.text, s.len, false, true, &used, err) !=
		0)
		return -1;
	return used == s.len ? 0
			     : err_set(err, ERR_SYNTAX,
				       "a comma is missing behind an address");
}

/* A whole address, or a user's name: "name@localhost" is that too. One in
 * quotes for the sake of an '@' is neither: nobody is called so, and to many
 * readers it would be the former. */
static int settle_kind(struct address *a, struct err *err)
{
	if (address_is_localhost(a))
		a->text[a->local_len] = '\0';
	if (a->text[a->local_len] == '\0' && strchr(a->text, '@') != NULL)
		return err_set(err, ERR_SYNTAX, "an @ stands inside of quotes");
	return 0;
}

/* Returns NULL where there are too many: nothing more is read. */
static struct alias_target *new_target(struct reading *r, struct alias *alias)
{
	struct aliases *a = r->aliases;

	if (a->target_count == r->targets_max) {
		told(r, true, r->line,
			"more than %d addresses; from here on they are left "
			"out",
			ALIASES_TARGETS_MAX);
		r->p = r->end;
		return NULL;
	}
	alias->count++;
	return &a->targets[a->target_count++];
}

static void read_target(struct reading *r, struct alias *alias)
{
	const unsigned line = r->line;
	struct span s = take_word(r, ",");
	const char *special = special_of(unquoted(s));
	const bool literal = s.len > 0 && s.text[0] == '\\';
	struct alias_target *target;
	struct address address;
	struct err err;

	if (special != NULL) {
		told(r, false, line,
			"%s: %.*s %s, which is not done here: it is left out; "
			"write an address",
			alias->name, shown(s), s.text, special);
		return;
	}
	if (literal)
		s = (struct span){s.text + 1, s.len - 1};
	if (parse_address(&address, s, &err) != 0 ||
		settle_kind(&address, &err) != 0) {
		told(r, true, line, "%s: %.*s is no address: %s", alias->name,
			shown(s), s.text, err.text);
		return;
	}
	target = new_target(r, alias);
	if (target == NULL)
		return;
	*target = (struct alias_target){
		.text = xstrdup(address.text),
		.line = line,
		.alias = NO_ALIAS,
		.is_name = !literal && address.text[address.local_len] == '\0',
	};
}

/* Returns the name of a new alias, canonical, or NULL where it is none. */
static char *parse_name(const struct reading *r, struct span s)
{
	struct span bare = unquoted(s);
	struct address name;
	struct err err;
	char *text;

	if ((address_parse(&name, bare.text, bare.len, true, NULL) != 0 &&
		    address_parse(&name, s.text, s.len, true, &err) != 0) ||
		settle_kind(&name, &err) != 0) {
		told(r, true, r->line, "%.*s is no name: %s", shown(s), s.text,
			err.text);
		return NULL;
	}
	if (name.text[name.local_len] != '\0') {
		told(r, true, r->line,
			"%.*s: a name has no domain here; write %.*s: address",
			shown(s), s.text, (int)name.local_len, name.text);
		return NULL;
	}
	text = xstrdup(name.text);
	lower(text);
	return text;
}

/* A logical line that begins with a name; *alias is filled in. Returns whether
 * it is one. What is not understood is passed over as a whole. */
static bool read_alias(struct reading *r, struct alias *alias)
{
	const struct aliases *a = r->aliases;
	const unsigned line = r->line;
	struct span s = take_word(r, ":,");

	if (r->p == r->end || *r->p != ':') {
		told(r, true, line,
			"\"name: address\" is missing its colon, or a line "
			"that goes on does not begin with a space");
	} else {
		alias->name = parse_name(r, s);
		r->p++;
	}
	alias->line = line;
	alias->first = a->target_count;
	while (find_target(r)) {
		if (alias->name != NULL)
			read_target(r, alias);
		else
			take_word(r, ",");
	}
	return alias->name != NULL;
}

static void read_all(struct reading *r)
{
	struct aliases *a = r->aliases;
	struct alias *alias;

	while (r->p < r->end) {
		if (is_blank(r)) {
			skip_line(r);
			continue;
		}
		if (a->count == r->list_max) {
			told(r, true, r->line,
				"more than %d names; from here on they are "
				"left out",
				ALIASES_MAX);
			return;
		}
		skip_spaces(r);
		alias = &a->list[a->count];
		*alias = (struct alias){.count = 0};
		if (read_alias(r, alias))
			a->count++;
	}
}

/* --- ties ----------------------------------------------------------------- */

static int compare(const void *a, const void *b)
{
	const struct alias *x = a, *y = b;
	int by_name = strcmp(x->name, y->name);

	return by_name != 0 ? by_name
			    : (x->line > y->line) - (x->line < y->line);
}

static void drop_doubles(const struct reading *r)
{
	struct aliases *a = r->aliases;
	size_t from, to = 0;

	for (from = 0; from < a->count; from++) {
		if (to == 0 ||
			strcmp(a->list[to - 1].name, a->list[from].name) != 0) {
			a->list[to++] = a->list[from];
			continue;
		}
		told(r, true, a->list[from].line,
			"%s stands in line %u already, which counts",
			a->list[from].name, a->list[to - 1].line);
		free(a->list[from].name);
	}
	a->count = to;
}

/* name may be in any case. */
static int find(const struct aliases *a, const char *name)
{
	char folded[ADDRESS_MAX + 1];
	size_t low = 0, high = a->count, middle;
	int order;

	snprintf(folded, sizeof(folded), "%s", name);
	lower(folded);
	while (low < high) {
		middle = low + (high - low) / 2;
		order = strcmp(a->list[middle].name, folded);
		if (order == 0)
			return (int)middle;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NO_ALIAS;
}

static void tie_targets(struct aliases *a)
{
	struct alias_target *t;
	size_t i;

	for (i = 0; i < a->target_count; i++) {
		t = &a->targets[i];
		if (t->is_name)
			t->alias = find(a, t->text);
	}
}

static void visit(const struct reading *r, struct alias *alias, unsigned depth);

/* Why a target cannot be followed, with what is below it known; NULL: it can.
 * Adds to alias what is below. */
static const char *follow(const struct reading *r, struct alias *alias,
	const struct alias_target *t, unsigned depth)
{
	struct alias *below = NULL;
	unsigned size = 1;

	if (t->alias != NO_ALIAS) {
		below = &r->aliases->list[t->alias];
		if (below->mark == MARK_OPEN)
			return "leads back to where it came from: a loop";
		if (below->mark == MARK_NEW && depth < ALIASES_DEPTH_MAX)
			visit(r, below, depth + 1);
		if (below->mark == MARK_NEW ||
			below->height + 1 > ALIASES_DEPTH_MAX)
			return "leads through too many aliases";
		size += below->size;
	}
	if (alias->size + size > ALIASES_EXPANDED_MAX)
		return "makes it too many addresses";
	alias->size += size;
	if (below != NULL && below->height + 1 > alias->height)
		alias->height = below->height + 1;
	return NULL;
}

static void visit(const struct reading *r, struct alias *alias, unsigned depth)
{
	struct alias_target *t = &r->aliases->targets[alias->first];
	const struct alias_target *end = t + alias->count;
	const char *problem;

	alias->mark = MARK_OPEN;
	for (; t < end; t++) {
		problem = follow(r, alias, t, depth);
		if (problem == NULL)
			continue;
		t->cut = true;
		told(r, true, t->line, "%s: %.*s %s; it is left out",
			alias->name, SHOWN_MAX, t->text, problem);
	}
	alias->mark = MARK_DONE;
}

static size_t count_of(const char *text, size_t len, const char *set)
{
	size_t i, n = 1;

	for (i = 0; i < len; i++)
		n += text[i] != '\0' && strchr(set, text[i]) != NULL;
	return n;
}

static size_t at_most(size_t n, size_t max)
{
	return n < max ? n : max;
}

struct aliases *aliases_parse(
	const char *text, size_t len, aliases_tell_fn *tell, void *arg)
{
	struct aliases *a = xcalloc(1, sizeof(*a));
	struct reading r = {
		.p = text,
		.end = text + len,
		.line = 1,
		.aliases = a,
		.list_max = at_most(count_of(text, len, "\n"), ALIASES_MAX),
		.targets_max = at_most(
			count_of(text, len, "\n,"), ALIASES_TARGETS_MAX),
		.tell = tell,
		.arg = arg,
	};
	size_t i;

	a->list = xcalloc(r.list_max, sizeof(a->list[0]));
	a->targets = xcalloc(r.targets_max, sizeof(a->targets[0]));
	read_all(&r);
	qsort(a->list, a->count, sizeof(a->list[0]), compare);
	drop_doubles(&r);
	tie_targets(a);
	for (i = 0; i < a->count; i++)
		if (a->list[i].mark == MARK_NEW)
			visit(&r, &a->list[i], 0);
	return a;
}

void aliases_free(struct aliases **aliases)
{
	struct aliases *a = *aliases;
	size_t i;

	*aliases = NULL;
	if (a == NULL)
		return;
	for (i = 0; i < a->count; i++)
		free(a->list[i].name);
	for (i = 0; i < a->target_count; i++)
		free(a->targets[i].text);
	free(a->list);
	free(a->targets);
	free(a);
}

/* --- use ------------------------------------------------------------------ */

size_t aliases_count(const struct aliases *aliases)
{
	return aliases->count;
}

const char *aliases_name(
	const struct aliases *aliases, size_t i, unsigned *line_out)
{
	*line_out = aliases->list[i].line;
	return aliases->list[i].name;
}

/* As deep as ALIASES_DEPTH_MAX and no further: visit() saw to it. */
static int walk(const struct aliases *a, const struct alias *alias,
	aliases_add_fn *add, void *arg)
{
	const struct alias_target *t = &a->targets[alias->first];
	const struct alias_target *end = t + alias->count;
	struct address address;
	int rc = 0;

	for (; t < end && rc == 0; t++) {
		if (t->cut)
			continue;
		if (t->alias != NO_ALIAS) {
			rc = walk(a, &a->list[t->alias], add, arg);
			continue;
		}
		/* canonical, so it parses */
		if (address_parse(&address, t->text, strlen(t->text), true,
			    NULL) == 0)
			rc = add(arg, &address);
	}
	return rc;
}

int aliases_expand(const struct aliases *aliases, const char *name,
	aliases_add_fn *add, void *arg)
{
	int i = aliases != NULL ? find(aliases, name) : NO_ALIAS;

	if (i == NO_ALIAS)
		return 0;
	return walk(aliases, &aliases->list[i], add, arg) == 0 ? 1 : -1;
}
