/*
 * spool_fixture.h - both halves of the journal in one process, on one loop,
 *                   over a real link and a directory of their own.
 * Used by:    tests/unit/test_journal_rules_*, test_spool_simulation.
 * Invariant:  a message's text follows from its id and size, so whoever has
 *             both can say whether it is whole.
 */
#ifndef GMRELAY_TESTS_SPOOL_FIXTURE_H
#define GMRELAY_TESTS_SPOOL_FIXTURE_H

#include "spool_io.h"

#include "base/buf.h"
#include "spool/journal.h"
#include "spool/journal_read_internal.h"
#include "spool/journal_write_internal.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define RIG_BODY_SIZE_MAX (512 * 1024)

struct content;
struct rig;

/* A message that a client gave in. */
struct post {
	TAILQ_ENTRY(post) link;
	struct rig *rig;
	struct draft *draft;
	uint64_t id;
	size_t size;
	size_t fed;
	bool waits; /* for on_resume */
	bool open;  /* not to be committed */
	bool done;
	enum draft_result result;
};
TAILQ_HEAD(post_list, post);

/* A record that the relay was told of. */
struct found {
	struct journal_place place;
	uint64_t id;
	uint64_t body;
	bool marked;
};

struct rig {
	char dir[40];
	int spool_fd;
	int journal_fd;
	int large_fd;
	struct event_base *base;
	struct event *tick;
	int64_t deadline_ms;     /* of the whole test, by the real clock */
	struct journal *journal; /* the receiver; NULL: dead */
	struct journal_reader *reader; /* the relay; NULL: dead */
	struct post_list posts;
	struct found *found;
	size_t found_count;
	size_t found_cap;
	unsigned recovered;
	unsigned synced; /* mark callbacks */
	const struct journal_segment *sparse;
	struct err err;  /* of the last rig_read() that failed */
	int link_buffer; /* of the next link's sockets; 0: the system's */
	/* in place of keeping them in found */
	void (*on_record)(struct rig *rig, const struct found *found);
	void *user;
};

/* An empty spool, no half alive. */
void rig_open(struct rig *rig);
void rig_close(struct rig *rig);

/* For each test: an empty spool, or all of it started; and its end. */
int rig_setup(void **state);
int rig_setup_started(void **state);
int rig_teardown(void **state);

void rig_start_receiver(struct rig *rig);
void rig_start_relay(struct rig *rig);
/* As the parent does: a new pair of sockets for those who live. */
void rig_connect(struct rig *rig);
/* All of it, until the receiver has what it needs. */
void rig_start(struct rig *rig);

/* They die as if killed: what they had under way is not done any more. */
void rig_kill_receiver(struct rig *rig);
void rig_kill_relay(struct rig *rig);
/* What the parent tells the relay then. */
void rig_tell_receiver_gone(struct rig *rig);

/* One turn of the loop; fails the test when its time is over. */
void rig_turn(struct rig *rig);
/* Turns until nothing moves: no job that is not held, nothing to do. */
void rig_settle(struct rig *rig);

/* A message of size octets, given in and committed. */
struct post *rig_post(struct rig *rig, size_t size);
/* The same, left open behind its last octet. */
struct post *rig_begin_post(struct rig *rig, size_t size);
void rig_finish(struct post *post); /* commits it */
void rig_leave(struct post *post);  /* the client is gone */
/* Posts it, waits for the end, checks that it is this one. */
struct post *rig_must_end(struct rig *rig, size_t size, enum draft_result how);
void rig_wait(struct post *post);

/* Octets of a message's text. */
void rig_text(uint64_t id, size_t offset, char *data, size_t len);
/* Reads all of it and checks every octet. Returns 0, -1 where it is damaged. */
int rig_check_text(struct content *c, uint64_t id, struct err *err);
/* Reads the record and checks every octet; *size_out may be NULL. */
int rig_read(struct rig *rig, const struct found *found, size_t *size_out);
/* The record found for this post, NULL: none; fails when there are two. */
struct found *rig_find(struct rig *rig, const struct post *post);
/* It must be there, whole. */
struct found *rig_must_find(struct rig *rig, const struct post *post);
void rig_mark(struct rig *rig, struct found *found);
/* With a callback, counted in rig->synced. */
void rig_mark_and_tell(struct rig *rig, struct found *found);
void rig_forget_found(struct rig *rig);

/* Names in SPOOL/dir that end in suffix ("" all). */
size_t rig_count_files(struct rig *rig, const char *dir, const char *suffix);
bool rig_exists(struct rig *rig, const char *name);

/* Makes a segment by hand, full of zeros; returns a descriptor for both. */
int rig_make_segment(struct rig *rig, uint64_t number, uint64_t key);
/* Puts a whole record of a message of size octets there. Returns where the
 * next one may stand. */
uint64_t rig_put_record(
	int fd, uint64_t key, uint64_t offset, uint64_t id, size_t size);
/* The same into memory, size + 4096 octets. */
size_t rig_record(
	char *record, uint64_t key, uint64_t offset, uint64_t id, size_t size);
/* Starts a relay over what is there, told that no receiver lives, and lets it
 * read everything. */
void rig_recover(struct rig *rig);
/* The records that a new relay finds; then it dies. */
static inline size_t rig_count_after_start(struct rig *rig)
{
	size_t count;

	rig_forget_found(rig);
	rig_recover(rig);
	count = rig->found_count;
	rig_kill_relay(rig);
	return count;
}

#endif
