/*
 * names.h - this machine's name and the people it knows: the file of aliases is
 *           read here, while there is a file system.
 * Used by:    parent/check (loads), parent/child (hands them to the roles).
 */
#ifndef GMRELAY_PARENT_NAMES_H
#define GMRELAY_PARENT_NAMES_H

#include "parent/check.h"

#include <stddef.h>

struct local_names;
struct names;

/* Reads what conf names and tells what is wrong with it. That is an error where
 * the file was named by the user; the default one may be missing or another
 * mail server's. Adds to *errors. The result borrows from conf. */
struct names *names_load(const struct conf *conf, check_tell_fn *tell,
	void *arg, size_t *errors);
void names_free(struct names **names);

/* For a role; NULL for NULL. Lives as long as names and conf. */
const struct local_names *names_local(const struct names *names);

/* How many aliases there are. */
size_t names_aliases(const struct names *names);

#endif
