/*
 * simulated_relay.c - what a relay does with the mail in its spool, in short.
 */
#include "config.h"

#include "simulated_relay.h"

#include "base/util.h"
#include "spool/content.h"
#include "spool/envelope.h"
#include "spool/queue.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct letter *sim_letter(struct sim *sim, uint64_t id)
{
	size_t i;

	for (i = 0; i < sim->letter_count; i++)
		if (sim->letters[i].id == id)
			return &sim->letters[i];
	fail_msg("a message that nobody sent");
	return NULL;
}

static struct known *know(
	struct sim *sim, uint64_t id, const struct journal_place *place)
{
	struct known *k = xcalloc(1, sizeof(*k));

	k->sim = sim;
	k->id = id;
	k->queued = place == NULL;
	if (place != NULL)
		k->place = *place;
	TAILQ_INSERT_TAIL(&sim->known, k, link);
	return k;
}

static void forget(struct known *k)
{
	TAILQ_REMOVE(&k->sim->known, k, link);
	free(k);
}

static void after_win(void *arg)
{
	((struct sim *)arg)->marks_awaited--;
}

/* The file in queue/ wins; it is used when the mark is synced. */
static void on_record(struct rig *rig, const struct found *found)
{
	struct sim *sim = (struct sim *)rig;
	size_t i;

	for (i = 0; i < sim->queue_id_count; i++)
		if (sim->queue_ids[i] == found->id) {
			sim->marks_awaited++;
			journal_reader_mark(
				rig->reader, &found->place, after_win, sim);
			return;
		}
	know(sim, found->id, &found->place)->body = found->body;
}

static void remove_body(struct sim *sim, uint64_t body)
{
	char name[HEX64_SIZE];

	if (body != 0)
		(void)unlinkat(sim->rig.large_fd, hex64(name, body), 0);
}

static void after_delivery(void *arg)
{
	struct known *k = arg;

	if (k->sim->relay_dead)
		return;
	remove_body(k->sim, k->body);
	forget(k);
}

static void after_move(void *arg)
{
	struct known *k = arg;

	if (k->sim->relay_dead)
		return;
	k->busy = k->moving = false;
	k->queued = true;
}

/* Upstream has it, whole or not at all. */
static void count_delivery(struct sim *sim, uint64_t id, size_t size)
{
	struct letter *letter = sim_letter(sim, id);

	assert_int_equal(letter->size, size);
	letter->delivered++;
}

/* A power cut can bring back what a failed sync left in doubt: the key of a
 * message that was refused, whose body is deleted; a message that was delivered
 * and lost its mark. */
static bool is_spoilt(struct known *k)
{
	const struct found found = {k->place, k->id, k->body, false};
	struct rig *rig = &k->sim->rig;
	const struct letter *letter;

	if (k->queued || rig_read(rig, &found, NULL) == 0)
		return false;
	letter = sim_letter(k->sim, k->id);
	if (!k->sim->syncs_fail || (!letter->refused && letter->delivered == 0))
		fail_msg("record: %s", rig->err.text);
	journal_reader_mark(rig->reader, &k->place, NULL, NULL);
	k->sim->spoilt++;
	return true;
}

static void deliver_record(struct known *k)
{
	const struct found found = {k->place, k->id, k->body, false};
	struct rig *rig = &k->sim->rig;
	size_t size;

	assert_int_equal(rig_read(rig, &found, &size), 0);
	count_delivery(k->sim, k->id, size);
	k->busy = true;
	journal_reader_mark(rig->reader, &k->place,
		k->body != 0 ? after_delivery : NULL, k);
	if (k->body == 0)
		forget(k);
}

static struct envelope *read_queued(
	struct sim *sim, uint64_t id, struct content **content)
{
	struct envelope *env = NULL;
	struct err err;

	if (queue_read(sim->queue_fd, sim->rig.large_fd, id, &env, content,
		    &err) != 0)
		fail_msg("queue file: %s", err.text);
	return env;
}

static void remove_queued(struct known *k)
{
	char name[HEX64_SIZE];

	k->removing = true;
	if (queue_remove(k->sim->queue_fd, hex64(name, k->id), NULL) != 0)
		return;
	remove_body(k->sim, k->body);
	forget(k);
}

static void deliver_queued(struct known *k)
{
	struct content *content;
	struct envelope *env = read_queued(k->sim, k->id, &content);
	struct err err;

	if (rig_check_text(content, k->id, &err) != 0)
		fail_msg("queue file: %s", err.text);
	count_delivery(k->sim, k->id, (size_t)env->size);
	envelope_free(&env);
	content_free(&content);
	remove_queued(k);
}

/* As the mover does, here and now; and again when it fails. */
static void write_queued(struct known *k)
{
	struct sim *sim = k->sim;
	struct buf record, file;
	char name[HEX64_SIZE];
	struct envelope *env;
	struct err err;
	size_t used;

	k->moving = true;
	buf_init(&record, JOURNAL_RECORD_MAX);
	buf_init(&file, QUEUE_FILE_MAX);
	assert_int_equal(
		journal_reader_read(sim->rig.reader, &k->place, &record, &err),
		0);
	env = envelope_parse(record.data + JOURNAL_HEAD_SIZE,
		record.len - JOURNAL_HEAD_SIZE, &used, &err);
	assert_non_null(env);
	env->attempts = 1;
	assert_int_equal(envelope_print(env, &file), 0);
	used += JOURNAL_HEAD_SIZE;
	assert_int_equal(
		buf_add(&file, record.data + used, record.len - used), 0);
	if (queue_write(sim->queue_fd, hex64(name, k->id), &file, false,
		    &err) == 0) {
		k->busy = true;
		journal_reader_mark(sim->rig.reader, &k->place, after_move, k);
	}
	envelope_free(&env);
	buf_free(&file);
	buf_free(&record);
}

/* Another attempt, another time: the file is replaced as a whole. */
static void rewrite_queued(struct known *k)
{
	struct content *content;
	struct envelope *env = read_queued(k->sim, k->id, &content);
	struct buf file;
	char name[HEX64_SIZE];

	buf_init(&file, QUEUE_FILE_MAX);
	env->attempts++;
	assert_int_equal(envelope_print(env, &file), 0);
	if (env->body_name == 0)
		assert_int_equal(content_read_rest(content, &file, NULL), 0);
	(void)queue_write(
		k->sim->queue_fd, hex64(name, k->id), &file, true, NULL);
	buf_free(&file);
	envelope_free(&env);
	content_free(&content);
}

void sim_relay_acts(struct sim *sim)
{
	struct known *k, *next;
	uint32_t what;

	for (k = TAILQ_FIRST(&sim->known); k != NULL; k = next) {
		next = TAILQ_NEXT(k, link);
		what = sim->stopping ? 0 : io_random(10);
		if (k->busy || what > 5)
			continue;
		if (is_spoilt(k))
			forget(k);
		else if (k->moving)
			write_queued(k);
		else if (k->removing)
			remove_queued(k);
		else if (k->queued && what <= 3)
			deliver_queued(k);
		else if (k->queued)
			rewrite_queued(k);
		else if (what <= 3)
			deliver_record(k);
		else
			write_queued(k);
	}
}

/* After the journal, queue/ is taken up. */
void sim_relay_take_up(struct sim *sim)
{
	struct envelope *env;
	size_t i;

	if (sim->rig.recovered == 0 || sim->taken_up || sim->marks_awaited > 0)
		return;
	for (i = 0; i < sim->queue_id_count; i++) {
		env = read_queued(sim, sim->queue_ids[i], NULL);
		if (env->body_name != 0)
			journal_reader_keep_body(
				sim->rig.reader, env->body_name);
		know(sim, env->id, NULL)->body = env->body_name;
		envelope_free(&env);
	}
	sim->taken_up = true;
	journal_reader_sweep_bodies(sim->rig.reader);
}

static void on_foreign(void *arg, const char *name)
{
	(void)arg;
	fail_msg("foreign file %s", name);
}

void sim_relay_start(struct sim *sim)
{
	struct err err;
	ssize_t n;

	n = queue_scan(sim->queue_fd, &sim->queue_ids, on_foreign, NULL, &err);
	assert_true(n >= 0);
	assert_int_equal(fsync(sim->queue_fd), 0);
	sim->queue_id_count = (size_t)n;
	sim->taken_up = false;
	sim->marks_awaited = 0;
	sim->rig.on_record = on_record;
	rig_start_relay(&sim->rig);
	if (sim->rig.journal == NULL)
		rig_tell_receiver_gone(&sim->rig);
}

void sim_relay_kill(struct sim *sim)
{
	if (sim->rig.reader == NULL)
		return;
	sim->relay_dead = true;
	rig_kill_relay(&sim->rig);
	sim->relay_dead = false;
	while (!TAILQ_EMPTY(&sim->known))
		forget(TAILQ_FIRST(&sim->known));
	free(sim->queue_ids);
	sim->queue_ids = NULL;
	sim->queue_id_count = 0;
	sim->relays++;
}
