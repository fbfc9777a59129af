/*
 * test_spool_simulation.c - random histories of a spool: messages of all sizes,
 *                           deaths of either half, power cuts that tear and
 *                           reorder what was not synced, syncs that fail, links
 *                           that are full. What was acknowledged is delivered,
 *                           and nothing but whole messages.
 *
 * SIM_ROUNDS says how many spools live and die, SIM_SEED where to begin.
 */
#include "config.h"

#include "simulated_relay.h"

#include "base/util.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	ROUNDS = 30,
	STEPS = 120,
	SMALL_BUFFER = 4608,
};

static struct {
	unsigned long seed;
	unsigned long rounds;
	unsigned long posted, acknowledged, refused, delivered, repeats;
	unsigned long unanswered; /* delivered without a 250 */
	unsigned long spoilt;     /* left in doubt and found in part */
	unsigned long receivers, relays, cuts; /* that died */
	bool running;
} total;

/* --- the clients' side ---------------------------------------------------- */

static size_t some_size(void)
{
	switch (io_random(8)) {
	case 0:
		return 60000 + io_random(10000);
	case 1:
		return 66000 + io_random(150000);
	case 2:
		return io_random(30000);
	default:
		return io_random(5000);
	}
}

static void clients_act(struct sim *sim)
{
	struct post *p;

	if (sim->rig.journal == NULL || sim->stopping ||
		sim->letter_count == SIM_LETTERS_MAX)
		return;
	if (io_random(10) == 0) {
		/* one that will not come to its end */
		p = rig_begin_post(&sim->rig, some_size());
	} else {
		p = rig_post(&sim->rig, some_size());
		total.posted++;
	}
	sim->letters[sim->letter_count++] =
		(struct letter){.id = p->id, .size = p->size};
}

/* What the clients were answered; some of them leave. */
static void clients_hear(struct sim *sim)
{
	struct post *p, *next;
	struct letter *letter;

	for (p = TAILQ_FIRST(&sim->rig.posts); p != NULL; p = next) {
		next = TAILQ_NEXT(p, link);
		if (p->done) {
			letter = sim_letter(sim, p->id);
			letter->acknowledged = p->result == DRAFT_DURABLE;
			letter->refused = !letter->acknowledged;
		}
		if (p->done || sim->stopping ? p->done || p->open
					     : io_random(100) == 0)
			rig_leave(p);
	}
}

static void kill_receiver(struct sim *sim)
{
	if (sim->rig.journal == NULL)
		return;
	clients_hear(sim);
	rig_kill_receiver(&sim->rig);
	total.receivers++;
	if (sim->rig.reader != NULL)
		rig_tell_receiver_gone(&sim->rig);
}

/* --- histories ------------------------------------------------------------ */

/* As the parent does. */
static void revive(struct sim *sim)
{
	bool new = sim->rig.journal == NULL || sim->rig.reader == NULL;

	io_fail_syncs(0);
	io_hold(NULL);
	if (sim->rig.journal == NULL)
		rig_start_receiver(&sim->rig);
	if (sim->rig.reader == NULL)
		sim_relay_start(sim);
	sim->rig.link_buffer = io_random(3) == 0 ? SMALL_BUFFER : 0;
	if (new)
		rig_connect(&sim->rig);
}

static void cut_power(struct sim *sim)
{
	clients_hear(sim);
	if (io_random(2) == 0) {
		kill_receiver(sim);
		sim_relay_kill(sim);
	} else {
		sim_relay_kill(sim);
		kill_receiver(sim);
	}
	io_cut_power();
	total.cuts++;
}

static void fate(struct sim *sim)
{
	switch (io_random(60)) {
	case 0:
		cut_power(sim);
		break;
	case 1:
		kill_receiver(sim);
		break;
	case 2:
		sim_relay_kill(sim);
		break;
	case 3:
		io_fail_syncs(sim->syncs_fail ? 3 + io_random(10) : 0);
		break;
	case 4:
		io_fail_syncs(0);
		break;
	case 5:
		io_hold("journal/");
		break;
	case 6:
		io_hold("large/");
		break;
	case 7:
	case 8:
		io_hold(NULL);
		break;
	case 9:
		io_advance_ms(2500);
		break;
	case 10:
	case 11:
	case 12:
	case 13:
		revive(sim);
		break;
	default:
		break;
	}
}

static void turn(struct sim *sim)
{
	uint32_t turns = 1 + io_random(4);

	if (sim->rig.reader != NULL)
		sim_relay_take_up(sim);
	clients_act(sim);
	for (; turns > 0; turns--)
		rig_turn(&sim->rig);
	clients_hear(sim);
	if (sim->rig.reader != NULL && io_random(2) == 0)
		sim_relay_acts(sim);
}

/* Everybody lives, nothing fails: all mail leaves. */
static void let_it_end(struct sim *sim)
{
	int i;

	sim->stopping = true;
	io_hold(NULL);
	revive(sim);
	do {
		for (i = 0; i < 3; i++)
			rig_settle(&sim->rig);
		io_advance_ms(JOURNAL_MARK_SYNC_MS);
		clients_hear(sim);
		sim_relay_take_up(sim);
		sim_relay_acts(sim);
		rig_settle(&sim->rig);
	} while (!sim->taken_up || !TAILQ_EMPTY(&sim->known) ||
		 !TAILQ_EMPTY(&sim->rig.posts));
}

/* A last start finds nothing, and leaves what a new spool has. */
static void check_rest(struct sim *sim)
{
	kill_receiver(sim);
	sim_relay_kill(sim);
	let_it_end(sim);
	assert_int_equal(rig_count_files(&sim->rig, "queue", ""), 0);
	assert_int_equal(
		rig_count_files(&sim->rig, "large", ""), LINK_BODIES_READY);
	assert_true(rig_count_files(&sim->rig, "journal", "") <= 5);
	assert_int_equal(rig_count_files(&sim->rig, "journal", ".done"), 0);
}

static void check_letters(const struct sim *sim)
{
	const struct letter *letter;
	size_t i;

	for (i = 0; i < sim->letter_count; i++) {
		letter = &sim->letters[i];
		if (letter->acknowledged && letter->delivered == 0)
			fail_msg("an acknowledged message of %zu octets is "
				 "lost",
				letter->size);
		total.acknowledged += letter->acknowledged;
		total.refused += letter->refused;
		total.delivered += letter->delivered > 0;
		total.unanswered +=
			letter->delivered > 0 && !letter->acknowledged;
		if (letter->delivered > 1)
			total.repeats += letter->delivered - 1;
	}
}

static void one_history(unsigned long seed)
{
	struct sim *sim = xcalloc(1, sizeof(*sim));
	int step;

	rig_open(&sim->rig);
	io_seed(seed);
	io_track(true);
	TAILQ_INIT(&sim->known);
	sim->syncs_fail = io_random(3) == 0;
	sim->queue_fd = openat(
		sim->rig.spool_fd, "queue", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	revive(sim);
	for (step = 0; step < STEPS; step++) {
		fate(sim);
		turn(sim);
	}
	let_it_end(sim);
	check_letters(sim);
	check_rest(sim);
	sim_relay_kill(sim);
	total.relays += sim->relays;
	total.spoilt += sim->spoilt;
	close(sim->queue_fd);
	rig_close(&sim->rig);
	free(sim);
}

static void nothing_acknowledged_is_lost_and_nothing_partial_sent(void **state)
{
	unsigned long i;

	(void)state;
	total.running = true;
	for (i = 0; i < total.rounds; i++, total.seed++)
		one_history(total.seed);
	total.running = false;
	assert_true(total.acknowledged > 0);
}

static int tell(void **state)
{
	(void)state;
	if (total.running)
		fprintf(stderr, "# failed at SIM_SEED=%lu\n", total.seed);
	fprintf(stderr,
		"# %lu posted, %lu acknowledged, %lu refused, %lu delivered, "
		"%lu repeats, %lu delivered without an answer, %lu left "
		"in doubt and found in part; %lu receivers "
		"and %lu relays died, %lu power cuts\n",
		total.posted, total.acknowledged, total.refused,
		total.delivered, total.repeats, total.unanswered, total.spoilt,
		total.receivers, total.relays, total.cuts);
	return 0;
}

static unsigned long number_from(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text != NULL ? strtoul(text, NULL, 10) : otherwise;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(
			nothing_acknowledged_is_lost_and_nothing_partial_sent,
			tell),
	};

	total.rounds = number_from("SIM_ROUNDS", ROUNDS);
	total.seed = number_from("SIM_SEED", 1);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
