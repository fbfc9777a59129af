/*
 * drop_wait.h - which files of SPOOL/drop/ were refused for now, and when each
 *               is tried again: none keeps the others waiting.
 * Used by:    relay/drop_file, relay/drop.
 * Pure:       no descriptor, no clock, no log; time comes in.
 * Invariant:  one that is not in here is tried at once. So is what finds no
 *             room: as many fit in as the command leaves there at most.
 */
#ifndef GMRELAY_RELAY_DROP_WAIT_H
#define GMRELAY_RELAY_DROP_WAIT_H

#include "submit/drop_format.h"

#include <stdbool.h>
#include <stdint.h>

/* The first wait, doubling up to the second. */
#define DROP_DELAY_FIRST_MS 5000
#define DROP_DELAY_MAX_MS   (5 * 60 * 1000)
/* Files that are remembered; some 48 octets each. */
#define DROP_WAITS_MAX DROP_FILES_MAX
/* drop_waits_end_pass(): none. */
#define DROP_WAITS_NEVER INT64_MAX

struct drop_waits;

/* Aborts without memory. */
struct drop_waits *drop_waits_new(void);
void drop_waits_free(struct drop_waits **w); /* NULL is fine */

/* Around a pass through the whole directory. At its end those are forgotten
 * about which drop_waits_is_due() was not asked: they are gone. Returns when
 * the first one is due. */
void drop_waits_begin_pass(struct drop_waits *w);
int64_t drop_waits_end_pass(struct drop_waits *w);

/* Whether the file of this number may be tried. */
bool drop_waits_is_due(struct drop_waits *w, uint64_t id, int64_t now_ms);

/* It was refused for now. True: for the first time. */
bool drop_waits_refuse(struct drop_waits *w, uint64_t id, int64_t now_ms);

/* All are due, and wait anew from the shortest on. */
void drop_waits_flush(struct drop_waits *w);

/* It waits no more. */
void drop_waits_forget(struct drop_waits *w, uint64_t id);

#endif
