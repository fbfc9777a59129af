/*
 * spool_io_internal.h - shared by spool_io.c (the calls) and spool_power.c
 *                       (what a power cut takes back).
 */
#ifndef GMRELAY_TESTS_SPOOL_IO_INTERNAL_H
#define GMRELAY_TESTS_SPOOL_IO_INTERNAL_H

#include "spool_io.h"

/* All under the lock of spool_io.c. fd is open; name is below the spool. */

/* Octets will be written to fd at offset; zeros: nothing else than zeros. */
void power_before_write(int fd, uint64_t offset, size_t len, bool zeros);
void power_created(const char *name);
void power_renamed(const char *from, const char *to);
void power_linked(const char *name);
/* Removes the file in its own way. Returns 0, -1 with errno. */
int power_unlink(const char *name);

/* A sync begins, and ends. */
uint64_t power_mark(void);
void power_synced(int fd, uint64_t mark, bool ok);
/* The directory above names that begin with prefix ("queue/"). */
void power_directory_synced(const char *prefix, uint64_t mark);
void power_begin(const char *dir);
void power_end(void);

#endif
