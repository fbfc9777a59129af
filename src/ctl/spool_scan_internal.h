/*
 * spool_scan_internal.h - what the halves of the spool's reader share.
 * Used by:    ctl/spool_scan (directories), ctl/spool_journal (segments).
 */
#ifndef GMRELAY_CTL_SPOOL_SCAN_INTERNAL_H
#define GMRELAY_CTL_SPOOL_SCAN_INTERNAL_H

#include "ctl/spool_scan.h"

/* Sorted when it is looked into. */
struct id_set {
	uint64_t *ids;
	size_t count;
	size_t cap;
};

bool id_set_has(const struct id_set *set, uint64_t id);

struct spool_scan {
	int journal_fd;
	int large_fd;
	struct spool_callbacks callbacks;
	struct spool_counts counts;
	struct id_set files;  /* ids in queue/ and failed/ */
	struct id_set bodies; /* names that messages mention */
};

void scan_problem(struct spool_scan *s, bool damaged, const char *where,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* Hands a message on, with the body where it has one. *content is taken over
 * (NULL: the message has a body file). */
void scan_message(struct spool_scan *s, enum spool_place place,
	const struct envelope *env, struct content **content,
	const char *where);

/* Calls fn for every name in the directory but "." and "..". Returns 0, -1 with
 * err. */
int scan_names(int dir_fd, void (*fn)(struct spool_scan *s, const char *name),
	struct spool_scan *s, struct err *err);

/* Reads every segment below s->journal_fd. Returns 0, -1 with err. */
int scan_journal(struct spool_scan *s, struct err *err);

#endif
