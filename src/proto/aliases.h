/*
 * aliases.h - a file of aliases as sendmail's: "root: someone@example.com".
 * Used by:    parent/names (reads it), proto/local (looks names up).
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  once read there is no loop in it, and nothing that would start a
 *             program or write a file.
 * Source:     aliases(5) of sendmail and Postfix, as far as it names addresses.
 *
 *	name: target, target ...
 *
 * A line that begins with white space goes on with the one before it. A comment
 * begins with '#', at the beginning of a line or behind white space. Names are
 * alike in upper and lower case; the first of two counts. A target is an
 * address ("a@b", "Name <a@b>"), a name (of another alias, or what proto/local
 * makes of it), or "\name", which is not looked up. "|program", "/file",
 * ":include:" and their like are told and left out: what is left of the list
 * counts. A name with nothing left is refused.
 */
#ifndef GMRELAY_PROTO_ALIASES_H
#define GMRELAY_PROTO_ALIASES_H

#include "proto/address.h"

#include <stdbool.h>
#include <stddef.h>

#define ALIASES_SIZE_MAX     (1024 * 1024) /* of the file, octets */
#define ALIASES_MAX          10000         /* names */
#define ALIASES_TARGETS_MAX  20000         /* of all names together */
#define ALIASES_DEPTH_MAX    20            /* aliases of aliases */
#define ALIASES_EXPANDED_MAX 1000          /* names and addresses behind one */

struct aliases;

/* Takes one finding. error: what stands there is wrong; else it is right for
 * sendmail and not done here. */
typedef void aliases_tell_fn(
	void *arg, bool error, unsigned line, const char *text);

/* Reads the text of a file. What is wrong is told, with its line, and left out.
 * Returns what can be used. */
struct aliases *aliases_parse(
	const char *text, size_t len, aliases_tell_fn *tell, void *arg);
void aliases_free(struct aliases **aliases);

size_t aliases_count(const struct aliases *aliases);

/* The i-th name, in alphabetic order, and the line it stands in. */
const char *aliases_name(
	const struct aliases *aliases, size_t i, unsigned *line_out);

/* Takes one of the addresses behind a name; one without a domain is no alias
 * itself. Returns 0, -1 to stop. */
typedef int aliases_add_fn(void *arg, const struct address *address);

/* Hands all addresses behind a name (as struct address has it, without a
 * domain) to add, some perhaps twice. aliases may be NULL. Returns 1 when it is
 * an alias (maybe with nothing behind it), 0 when not, -1 when add said so. */
int aliases_expand(const struct aliases *aliases, const char *name,
	aliases_add_fn *add, void *arg);

#endif
