/*
 * spool_scan.h - reads a spool directory as it lies there, without the daemon:
 *                every message, and what is damaged.
 * Used by:    ctl/spool.
 * Invariant:  nothing in the spool is changed, created, locked or removed.
 * Blocks:     yes.
 * Format:     gmrelayd-spool(5).
 */
#ifndef GMRELAY_CTL_SPOOL_SCAN_H
#define GMRELAY_CTL_SPOOL_SCAN_H

#include "base/err.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <stdbool.h>
#include <stddef.h>

enum spool_place { SPOOL_JOURNAL, SPOOL_QUEUE, SPOOL_FAILED };

struct spool_counts {
	size_t segments;
	size_t records; /* whole ones in the journal */
	size_t done;    /* of these, delivered or moved to a file */
	size_t journal; /* messages that stand in the journal alone */
	size_t queue;
	size_t failed;
	size_t bodies; /* files in large/ */
	size_t spare;  /* of these, in stock, left over, or just coming in */
	size_t notes;  /* what is odd, but loses nothing */
	size_t damaged;
};

struct spool_callbacks {
	/* A message that is not delivered to all. Its content is to be read
	 * to the end, which checks it. Returns 0, -1 with err: damaged. */
	int (*on_message)(void *arg, enum spool_place place,
		const struct envelope *env, struct content *content,
		struct err *err);
	/* Something is odd, or damaged; where names the file. */
	void (*on_problem)(
		void *arg, bool damaged, const char *where, const char *text);
	void *arg;
};

/* Returns 0 with the counts; -1 with err when there is no spool to read. */
int spool_scan(const char *directory, const struct spool_callbacks *callbacks,
	struct spool_counts *out, struct err *err);

#endif
