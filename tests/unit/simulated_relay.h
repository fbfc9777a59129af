/*
 * simulated_relay.h - what a relay does with the mail in its spool, in short:
 *                     delivers it, moves it to queue/, delivers it from there.
 * Used by:    tests/unit/test_spool_simulation.
 * Invariant:  the order of syncs is the real relay's: a file before its mark,
 *             a mark's sync before the file or the removal of a body.
 */
#ifndef GMRELAY_TESTS_SIMULATED_RELAY_H
#define GMRELAY_TESTS_SIMULATED_RELAY_H

#include "spool_fixture.h"

#define SIM_LETTERS_MAX 500

/* What a client knows of its message. */
struct letter {
	uint64_t id;
	size_t size;
	bool acknowledged;
	bool refused;
	unsigned delivered;
};

/* What the relay knows of it. */
struct known {
	TAILQ_ENTRY(known) link;
	struct sim *sim;
	uint64_t id;
	uint64_t body;
	struct journal_place place;
	bool queued; /* in queue/ */
	bool busy;   /* a mark's sync is awaited */
	/* its file may be there, may be gone: nothing else but to go on */
	bool moving, removing;
};

struct sim {
	struct rig rig; /* first */
	struct letter letters[SIM_LETTERS_MAX];
	size_t letter_count;
	TAILQ_HEAD(known_list, known) known;
	int queue_fd;
	uint64_t *queue_ids; /* found at the relay's start */
	size_t queue_id_count;
	size_t marks_awaited; /* of records that have a file there */
	bool taken_up;
	bool relay_dead; /* what is called back now is not heard */
	bool stopping;   /* nothing new any more */
	bool syncs_fail; /* some of them */
	unsigned spoilt; /* records found in part */
	unsigned relays; /* that died */
};

struct letter *sim_letter(struct sim *sim, uint64_t id);

/* Reads the names in queue/, opens the journal. */
void sim_relay_start(struct sim *sim);
void sim_relay_kill(struct sim *sim);
/* Takes up queue/ when the journal has been read. */
void sim_relay_take_up(struct sim *sim);
/* Something, or nothing, with each message it knows. */
void sim_relay_acts(struct sim *sim);

#endif
