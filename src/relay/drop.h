/*
 * drop.h - takes in what users left in SPOOL/drop/ while the daemon was down.
 * Used by:    relay/relay, relay/control (counts).
 * Invariant:  a file goes when the receiver has said 250 for all of it, or its
 *             sender was told why not; else it stays, at worst under another
 *             name. What is in a file reaches the receiver by SMTP alone.
 * Blocks:     never, but for drop_count(); a thread does the work, and there is
 *             none while drop/ is empty.
 * Source:     gmrelayd-spool(5), "Dropped messages".
 */
#ifndef GMRELAY_RELAY_DROP_H
#define GMRELAY_RELAY_DROP_H

#include "base/err.h"

#include <stdbool.h>

struct drop;
struct event_base;
struct role;

/* Begins to look after SPOOL/drop/, whose directory is below spool_fd. Returns
 * NULL with err. */
struct drop *drop_new(struct event_base *base, const struct role *role,
	int spool_fd, struct err *err);

/* What waits there, and what was set aside; see relay/drop_file.h. Reads the
 * directory, DROP_COUNT_MAX names at most: for people who ask. Returns 0, -1
 * when it cannot be read; also for NULL. */
struct drop_counts;
int drop_count(const struct drop *d, struct drop_counts *out);

/* Looks again at once, at what was refused for now too; NULL is fine. */
void drop_flush(struct drop *d);

/* Begins no further message. */
void drop_drain(struct drop *d);

/* True when nothing is under way. */
bool drop_idle(const struct drop *d);

/* Ends what is under way, by breaking it off; NULL is fine. */
void drop_free(struct drop **d);

#endif
