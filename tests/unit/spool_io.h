/*
 * spool_io.h - stands between the spool and the kernel: records what is
 *              written, synced, named and removed, in order; holds syncs, makes
 *              calls fail, turns the clock on, cuts the power.
 * Used by:    tests/unit/spool_fixture and the tests on it.
 * Invariant:  only what lies below the directory given to io_begin() is
 *             touched; syncs of it never reach the disk.
 */
#ifndef GMRELAY_TESTS_SPOOL_IO_H
#define GMRELAY_TESTS_SPOOL_IO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define IO_NAME_MAX 96

enum io_kind {
	IO_OPEN,
	IO_CREATE,
	IO_READ,
	IO_WRITE,
	IO_SYNC,   /* a sync begins */
	IO_SYNCED, /* it has ended */
	IO_RENAME, /* name is the new one */
	IO_LINK,   /* the same */
	IO_UNLINK,
	IO_KINDS,
};

struct io_op {
	enum io_kind kind;
	uint64_t file;          /* inode */
	char name[IO_NAME_MAX]; /* below the spool, "journal/..." */
	uint64_t offset;
	uint64_t length;
	int error;
	bool by_loop;   /* the main thread's doing */
	bool by_reader; /* through a descriptor that can read */
};

/* Which half of the journal has died: what it does from now on is not done. */
enum io_dead { IO_ALIVE, IO_RECEIVER_DEAD, IO_RELAY_DEAD };

/* Begins to look after the directory dir (absolute), io_end() ends. */
void io_begin(const char *dir);
void io_end(void);

/* The log, in order; reads and opens are not in it. */
size_t io_count(void);
const struct io_op *io_at(size_t i);
void io_forget(void);
/* The first entry from i on of this kind whose name begins with prefix;
 * io_count() if there is none. */
size_t io_find(size_t i, enum io_kind kind, const char *prefix);
/* How many there are that did not fail. */
size_t io_tally(enum io_kind kind, const char *prefix);

/* The next `times` calls of this kind on names that contain part ("=NAME": on
 * this one) fail. For IO_WRITE, half of the bytes are written before. */
void io_fail(enum io_kind kind, const char *part, int error, unsigned times);

/* Syncs of names that contain part wait; NULL lets all go on. */
void io_hold(const char *part);
/* Lets so many of those that wait go on. */
void io_let_go(unsigned count);
/* Syncs that wait. */
unsigned io_held(void);

/* What fstatvfs() says is free; more than enough at first. */
void io_set_room(uint64_t octets);

/* All clocks jump. */
void io_advance_ms(int64_t ms);
/* Milliseconds of the real clock. */
int64_t io_real_ms(void);

void io_set_dead(enum io_dead dead);

/* From now on remember what no sync has covered, so that io_cut_power() can
 * take it back. */
void io_track(bool on);
/* What was not synced is taken back in part: sectors of 512 octets at random,
 * names from some point on. Nothing may be running. */
void io_cut_power(void);
/* One sync in so many fails; 0: none. */
void io_fail_syncs(unsigned one_in);
/* The tests' random numbers, the same for the same seed. */
void io_seed(uint64_t seed);
uint32_t io_random(uint32_t limit);

#endif
