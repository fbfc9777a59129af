/*
 * header_fold.c - long header lines to shorter ones that mean the same.
 */
#include "config.h"

#include "proto/header_fold.h"

#include <string.h>

/* Where in quotes and comments a place is. */
struct nesting {
	size_t depth; /* of comments */
	bool quoted;
	bool escaped; /* the next character is the second of a quoted-pair */
};

struct folder {
	struct buf *out;
	size_t limit;
	enum header_kind kind;
	struct nesting nesting; /* at the begin of the piece */
	bool first_line;        /* still in the line with the name */
	size_t value_at;        /* in that line: behind the colon */
	bool folded;
};

/* A place to fold at: the octets before it; 0 is none. */
struct place {
	size_t at;
	struct nesting nesting;
};

/* What a piece's places are worth, best first. */
enum rank {
	RANK_SEPARATOR, /* white space behind a separator */
	RANK_SPACE,     /* other white space */
	RANK_NO_SPACE,  /* behind a separator, a space must be added */
	RANK_VALUE,     /* the white space between colon and value */
	RANK_COUNT,
	RANK_NONE = RANK_COUNT,
};

static void nesting_step(struct nesting *n, char c)
{
	if (n->escaped) {
		n->escaped = false;
	} else if (c == '\\') {
		n->escaped = n->quoted || n->depth > 0;
	} else if (n->depth == 0 && c == '"') {
		n->quoted = !n->quoted;
	} else if (!n->quoted && c == '(') {
		n->depth++;
	} else if (!n->quoted && c == ')' && n->depth > 0) {
		n->depth--;
	}
}

/* The character ends an item of the field. */
static bool is_separator(enum header_kind kind, char c)
{
	switch (kind) {
	case HEADER_KIND_ADDRESSES:
		return c == ',';
	case HEADER_KIND_TOKENS:
	case HEADER_KIND_PARAMETERS:
		return c == ';';
	case HEADER_KIND_IDS:
		return c == '>';
	default:
		return false;
	}
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

/* The worth of a fold before line[i], i > 0, with nesting *n there. */
static enum rank rank_place(const struct folder *f, const char *line, size_t i,
	const struct nesting *n)
{
	const bool separator = is_separator(f->kind, line[i - 1]);
	const bool separated = separator && !n->quoted && n->depth == 0;

	/* Within a word. */
	if (!is_blank(line[i]) && !separator)
		return RANK_NONE;
	/* A quoted-pair is never torn: its second character is no fold. */
	if (n->escaped)
		return RANK_NONE;
	if (f->first_line && i <= f->value_at)
		return i == f->value_at && is_blank(line[i]) ? RANK_VALUE
							     : RANK_NONE;
	if (!is_blank(line[i])) {
		/* An id may only be followed by an id without a space. */
		if (f->kind == HEADER_KIND_IDS && line[i] != '<')
			return RANK_NONE;
		return separated ? RANK_NO_SPACE : RANK_NONE;
	}
	/* At the begin of white space only: no line ends in it. */
	if (is_blank(line[i - 1]))
		return RANK_NONE;
	return separated ? RANK_SEPARATOR : RANK_SPACE;
}

/* Chooses among the last place of each rank. */
static const struct place *best_place(
	const struct place places[RANK_COUNT], size_t room)
{
	size_t rank;

	/* A separator far to the left would make many short lines. */
	if (places[RANK_SEPARATOR].at > room / 2)
		return &places[RANK_SEPARATOR];
	if (places[RANK_SPACE].at < places[RANK_SEPARATOR].at)
		return &places[RANK_SEPARATOR];
	for (rank = RANK_SPACE; rank < RANK_COUNT; rank++) {
		if (places[rank].at > 0)
			return &places[rank];
	}
	return NULL;
}

/* Finds where the first piece of line ends: within room octets if it can be,
 * else as early as it can. *place_out is that place. Returns 0, -1 when there
 * is none. */
static int find_place(const struct folder *f, const char *line, size_t len,
	size_t room, struct place *place_out)
{
	struct place places[RANK_COUNT] = {{0}};
	struct nesting nesting = f->nesting;
	const struct place *best = NULL;
	enum rank rank;
	size_t i;

	for (i = 0; i < len && best == NULL; i++) {
		if (i > 0) {
			rank = rank_place(f, line, i, &nesting);
			if (rank != RANK_NONE) {
				places[rank].at = i;
				places[rank].nesting = nesting;
			}
			if (i >= room)
				best = best_place(places, room);
		}
		nesting_step(&nesting, line[i]);
	}
	if (best == NULL)
		return -1;
	*place_out = *best;
	return 0;
}

/* Adds what is short enough, or cannot be made so. */
static int add_piece(struct folder *f, const char *piece, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		nesting_step(&f->nesting, piece[i]);
	return buf_add(f->out, piece, len);
}

/* Adds a line of more than the limit, without its end, in pieces. */
static int fold_line(struct folder *f, const char *line, size_t len)
{
	struct place place;
	size_t lead = 0; /* a space put before the piece */

	/* White space at the end means nothing and might become a line of its
	 * own. One character stays: an empty line would end the header. */
	while (len > 1 && is_blank(line[len - 1]))
		len--;
	while (len + lead > f->limit &&
		find_place(f, line, len, f->limit - lead, &place) == 0) {
		if (buf_add(f->out, line, place.at) != 0)
			return -1;
		line += place.at;
		len -= place.at;
		lead = is_blank(*line) ? 0 : 1;
		if (buf_add_string(f->out, lead ? "\r\n " : "\r\n") != 0)
			return -1;
		f->nesting = place.nesting;
		f->first_line = false;
		f->folded = true;
	}
	return add_piece(f, line, len);
}

int header_fold(struct buf *out, const struct header_field *f, size_t limit,
	bool *folded_out)
{
	struct folder folder = {
		.out = out,
		.limit = limit,
		.kind = header_field_kind(f),
		.first_line = true,
		.value_at = (size_t)(f->value - f->whole),
	};
	const char *line = f->whole, *end = f->whole + f->whole_len, *lf;
	size_t len;

	while (line < end) {
		lf = memchr(line, '\n', (size_t)(end - line));
		len = (size_t)((lf != NULL ? lf : end) - line);
		if (len > 0 && line[len - 1] == '\r')
			len--;
		if ((len > limit ? fold_line(&folder, line, len)
				 : add_piece(&folder, line, len)) != 0 ||
			buf_add_string(out, "\r\n") != 0)
			return -1;
		folder.first_line = false;
		line = lf != NULL ? lf + 1 : end;
	}
	*folded_out |= folder.folded;
	return 0;
}
