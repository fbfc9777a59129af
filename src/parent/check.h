/*
 * check.h - a configuration looked at as a whole: its text, the users it
 *           names, its password files, its aliases.
 * Used by:    main (-t), parent/setup (start), parent/reload.
 * Invariant:  what passes here can be run with; nothing is changed.
 */
#ifndef GMRELAY_PARENT_CHECK_H
#define GMRELAY_PARENT_CHECK_H

#include "parent/privs.h"

#include <stdbool.h>

struct conf;
struct names;

enum check_purpose {
	CHECK_ONLY,  /* -t, perhaps not in the daemon's environment */
	CHECK_TO_RUN /* start, reload */
};

struct check_result {
	enum check_purpose purpose;
	struct conf *conf;
	struct names *names;
	struct privs_users users;
};

/* Takes one finding: "FILE:LINE: what is wrong, and what would be right". */
typedef void check_tell_fn(void *arg, bool warning, const char *text);

/* Loads and checks FILE, and tells every finding. Returns 0 and fills in *out
 * (free it with check_free); -1 when any finding is an error. */
int check_file(const char *file, enum check_purpose purpose,
	check_tell_fn *tell, void *arg, struct check_result *out);

void check_free(struct check_result *result);

/* The -t option: findings to stderr, a summary to stdout. Returns the exit
 * status, 0 or 1. */
int check_main(const char *file);

/* A check_tell_fn for stderr. arg is not used. */
void check_tell_stderr(void *arg, bool warning, const char *text);

#endif
