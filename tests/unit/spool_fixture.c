/*
 * spool_fixture.c - both halves of the journal in one process.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/channel.h"
#include "base/log.h"
#include "base/util.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TEST_MS = 120 * 1000, /* of the real clock: far too much */
	TICK_US = 500,
	QUIET_TURNS = 4,
	PIECE = 50000,
};

static const char *const dirs[] = {"journal", "large", "queue", "failed"};

static void on_tick(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	(void)arg;
}

void rig_open(struct rig *rig)
{
	const struct timeval tick = {0, TICK_US};
	size_t i;

	memset(rig, 0, sizeof(*rig));
	/* what it says is not for TAP's eyes */
	log_open(LOG_LEVEL_ERR, false);
	snprintf(rig->dir, sizeof(rig->dir), "/tmp/spool-test-XXXXXX");
	assert_non_null(mkdtemp(rig->dir));
	rig->spool_fd = open(rig->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	assert_true(rig->spool_fd >= 0);
	for (i = 0; i < COUNT_OF(dirs); i++)
		assert_int_equal(mkdirat(rig->spool_fd, dirs[i], 0700), 0);
	rig->journal_fd = openat(
		rig->spool_fd, "journal", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	rig->large_fd = openat(
		rig->spool_fd, "large", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	TAILQ_INIT(&rig->posts);
	rig->base = event_base_new();
	rig->tick = event_new(rig->base, -1, EV_PERSIST, on_tick, rig);
	event_add(rig->tick, &tick);
	rig->deadline_ms = io_real_ms() + TEST_MS;
	io_begin(rig->dir);
}

static void remove_all(struct rig *rig, const char *name)
{
	int fd = openat(rig->spool_fd, name, O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		if (strcmp(entry->d_name, ".") == 0 ||
			strcmp(entry->d_name, "..") == 0)
			continue;
		if (unlinkat(dirfd(dir), entry->d_name, 0) != 0)
			unlinkat(dirfd(dir), entry->d_name, AT_REMOVEDIR);
	}
	closedir(dir);
	assert_int_equal(unlinkat(rig->spool_fd, name, AT_REMOVEDIR), 0);
}

static void free_posts(struct rig *rig)
{
	struct post *p;

	while ((p = TAILQ_FIRST(&rig->posts)) != NULL) {
		draft_free(&p->draft);
		TAILQ_REMOVE(&rig->posts, p, link);
		free(p);
	}
}

void rig_close(struct rig *rig)
{
	size_t i;

	io_hold(NULL);
	free_posts(rig);
	journal_free(&rig->journal);
	journal_reader_free(&rig->reader);
	io_end();
	event_free(rig->tick);
	event_base_free(rig->base);
	free(rig->found);
	for (i = 0; i < COUNT_OF(dirs); i++)
		remove_all(rig, dirs[i]);
	close(rig->journal_fd);
	close(rig->large_fd);
	close(rig->spool_fd);
	assert_int_equal(rmdir(rig->dir), 0);
}

int rig_setup(void **state)
{
	static struct rig rig;

	rig_open(&rig);
	*state = &rig;
	return 0;
}

int rig_setup_started(void **state)
{
	rig_setup(state);
	rig_start(*state);
	io_forget();
	return 0;
}

int rig_teardown(void **state)
{
	rig_close(*state);
	return 0;
}

/* --- the halves ----------------------------------------------------------- */

void rig_start_receiver(struct rig *rig)
{
	struct err err;

	rig->journal = journal_new(rig->base, &err);
	assert_non_null(rig->journal);
}

static void on_record(void *arg, const struct journal_place *place,
	const struct journal_found *record)
{
	struct found found = {*place, record->id, record->body, false};
	struct rig *rig = arg;

	if (rig->on_record != NULL) {
		rig->on_record(rig, &found);
		return;
	}
	if (rig->found_count == rig->found_cap) {
		rig->found_cap = rig->found_cap > 0 ? 2 * rig->found_cap : 64;
		rig->found = realloc(
			rig->found, rig->found_cap * sizeof(*rig->found));
		assert_non_null(rig->found);
	}
	rig->found[rig->found_count++] = found;
}

static void on_recovered(void *arg)
{
	struct rig *rig = arg;

	rig->recovered++;
}

static void on_sparse(void *arg, const struct journal_segment *segment)
{
	struct rig *rig = arg;

	rig->sparse = segment;
}

void rig_start_relay(struct rig *rig)
{
	const struct journal_reader_callbacks callbacks = {
		on_record, on_recovered, on_sparse, rig};
	struct err err;

	rig->recovered = 0;
	rig->sparse = NULL;
	rig->reader = journal_reader_open(
		rig->base, rig->spool_fd, RIG_BODY_SIZE_MAX, &callbacks, &err);
	assert_non_null(rig->reader);
}

void rig_connect(struct rig *rig)
{
	struct err err;
	int fds[2], i;

	assert_int_equal(channel_pair(fds, &err), 0);
	for (i = 0; i < 2 && rig->link_buffer > 0; i++)
		assert_int_equal(setsockopt(fds[i], SOL_SOCKET, SO_SNDBUF,
					 &rig->link_buffer, sizeof(int)),
			0);
	if (rig->journal != NULL)
		journal_set_link(rig->journal, fds[0]);
	else
		close(fds[0]);
	if (rig->reader != NULL)
		journal_reader_set_link(rig->reader, fds[1]);
	else
		close(fds[1]);
}

void rig_start(struct rig *rig)
{
	rig_start_receiver(rig);
	rig_start_relay(rig);
	rig_connect(rig);
	rig_settle(rig);
}

void rig_kill_receiver(struct rig *rig)
{
	io_set_dead(IO_RECEIVER_DEAD);
	io_hold(NULL);
	free_posts(rig);
	journal_free(&rig->journal);
	io_set_dead(IO_ALIVE);
}

void rig_kill_relay(struct rig *rig)
{
	io_set_dead(IO_RELAY_DEAD);
	io_hold(NULL);
	journal_reader_free(&rig->reader);
	rig_forget_found(rig);
	io_set_dead(IO_ALIVE);
}

void rig_tell_receiver_gone(struct rig *rig)
{
	journal_reader_peer_gone(rig->reader);
}

/* --- the loop ------------------------------------------------------------- */

void rig_turn(struct rig *rig)
{
	assert_true(io_real_ms() < rig->deadline_ms);
	assert_int_equal(event_base_loop(rig->base, EVLOOP_ONCE), 0);
}

/* Workers that have something to do. */
static unsigned working(const struct rig *rig)
{
	unsigned count = 0;

	if (rig->journal != NULL) {
		count += worker_pending(rig->journal->committer) > 0;
		count += worker_pending(rig->journal->body_syncer) > 0;
	}
	if (rig->reader != NULL) {
		count += worker_pending(rig->reader->maker) > 0;
		count += worker_pending(rig->reader->syncer) > 0;
	}
	return count;
}

static bool is_reading(const struct rig *rig)
{
	const struct journal_segment *s;

	if (rig->reader == NULL)
		return false;
	TAILQ_FOREACH(s, &rig->reader->segments, link)
		if ((s->state == SEGMENT_OUT || s->state == SEGMENT_LEFT) &&
			s->scanned < s->limit && !s->unreadable)
			return true;
	return false;
}

/* Each sync that is held stops one worker. */
static bool is_busy(const struct rig *rig)
{
	return working(rig) > io_held() || is_reading(rig);
}

void rig_settle(struct rig *rig)
{
	size_t ops = io_count();
	int quiet = 0;

	while (quiet < QUIET_TURNS) {
		rig_turn(rig);
		quiet++;
		if (is_busy(rig) || io_count() != ops)
			quiet = 0;
		ops = io_count();
	}
}

/* --- messages ------------------------------------------------------------- */

void rig_text(uint64_t id, size_t offset, char *data, size_t len)
{
	uint64_t x;
	size_t i;

	for (i = 0; i < len; i++) {
		x = (id + (offset + i) / 8) * 0x9e3779b97f4a7c15ULL;
		data[i] = (char)(x >> (8 * ((offset + i) % 8)));
	}
}

static void commit(struct post *p)
{
	struct envelope *env = envelope_new();

	assert_non_null(env);
	assert_int_equal(envelope_set_reverse_path(env, "a@example.org"), 0);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	draft_commit(p->draft, env);
	envelope_free(&env);
}

static void feed(struct post *p)
{
	static char piece[PIECE];
	size_t n;

	while (p->fed < p->size && !p->waits) {
		n = p->size - p->fed < PIECE ? p->size - p->fed : PIECE;
		rig_text(p->id, p->fed, piece, n);
		p->waits = draft_add(p->draft, piece, n) == 1;
		p->fed += n;
	}
	if (p->fed == p->size && !p->open)
		commit(p);
}

static void on_resume(void *arg)
{
	struct post *p = arg;

	p->waits = false;
	if (p->fed < p->size || p->open)
		feed(p);
}

static void on_done(void *arg, enum draft_result result)
{
	struct post *p = arg;

	assert_false(p->done);
	p->done = true;
	p->result = result;
	draft_free(&p->draft);
}

static struct post *new_post(struct rig *rig, size_t size, bool open)
{
	const struct draft_callbacks callbacks = {on_resume, on_done, NULL};
	struct draft_callbacks mine = callbacks;
	struct post *p = xcalloc(1, sizeof(*p));

	mine.arg = p;
	p->rig = rig;
	p->size = size;
	p->open = open;
	p->draft = draft_new(rig->journal, &mine);
	p->id = draft_id(p->draft);
	TAILQ_INSERT_TAIL(&rig->posts, p, link);
	feed(p);
	return p;
}

struct post *rig_post(struct rig *rig, size_t size)
{
	return new_post(rig, size, false);
}

struct post *rig_begin_post(struct rig *rig, size_t size)
{
	return new_post(rig, size, true);
}

void rig_finish(struct post *post)
{
	post->open = false;
	feed(post);
}

void rig_leave(struct post *post)
{
	TAILQ_REMOVE(&post->rig->posts, post, link);
	draft_free(&post->draft);
	free(post);
}

void rig_wait(struct post *post)
{
	while (!post->done)
		rig_turn(post->rig);
}

struct post *rig_must_end(struct rig *rig, size_t size, enum draft_result how)
{
	struct post *p = rig_post(rig, size);

	rig_wait(p);
	assert_int_equal(p->result, how);
	return p;
}

/* --- what the relay reads ------------------------------------------------- */

int rig_check_text(struct content *c, uint64_t id, struct err *err)
{
	char got[1000], want[sizeof(got)];
	size_t at = 0;
	ssize_t n;

	while (!content_at_end(c)) {
		n = content_read(c, got, sizeof(got), err);
		if (n <= 0)
			return -1;
		rig_text(id, at, want, (size_t)n);
		assert_memory_equal(got, want, n);
		at += (size_t)n;
	}
	return 0;
}

int rig_read(struct rig *rig, const struct found *found, size_t *size_out)
{
	struct content *content = NULL;
	struct envelope *env = NULL;
	struct buf record;
	struct err *err = &rig->err;
	size_t used;
	int rc = -1;

	buf_init(&record, JOURNAL_RECORD_MAX);
	if (journal_reader_read(rig->reader, &found->place, &record, err) != 0)
		goto out;
	env = envelope_parse(record.data + JOURNAL_HEAD_SIZE,
		record.len - JOURNAL_HEAD_SIZE, &used, err);
	assert_non_null(env);
	assert_true(env->id == found->id);
	assert_true(env->body_name == found->body);
	content = env->body_name == 0
			  ? content_of_buf(&record, JOURNAL_HEAD_SIZE + used)
			  : content_of_file(rig->large_fd, env->body_name,
				    env->size, env->body_check, err);
	if (content == NULL)
		goto out;
	assert_int_equal(content_size(content), env->size);
	if (size_out != NULL)
		*size_out = (size_t)env->size;
	rc = rig_check_text(content, env->id, err);
out:
	content_free(&content);
	envelope_free(&env);
	buf_free(&record);
	return rc;
}

struct found *rig_find(struct rig *rig, const struct post *post)
{
	struct found *found = NULL;
	size_t i;

	for (i = 0; i < rig->found_count; i++) {
		if (rig->found[i].id != post->id)
			continue;
		assert_null(found);
		found = &rig->found[i];
	}
	return found;
}

struct found *rig_must_find(struct rig *rig, const struct post *post)
{
	struct found *found = rig_find(rig, post);
	size_t size;

	assert_non_null(found);
	assert_int_equal(rig_read(rig, found, &size), 0);
	assert_int_equal(size, post->size);
	return found;
}

void rig_mark(struct rig *rig, struct found *found)
{
	assert_false(found->marked);
	found->marked = true;
	journal_reader_mark(rig->reader, &found->place, NULL, NULL);
}

static void on_mark_synced(void *arg)
{
	struct rig *rig = arg;

	rig->synced++;
}

void rig_mark_and_tell(struct rig *rig, struct found *found)
{
	assert_false(found->marked);
	found->marked = true;
	journal_reader_mark(rig->reader, &found->place, on_mark_synced, rig);
}

void rig_forget_found(struct rig *rig)
{
	rig->found_count = 0;
}

void rig_recover(struct rig *rig)
{
	rig_start_relay(rig);
	rig_tell_receiver_gone(rig);
	while (rig->recovered == 0)
		rig_turn(rig);
}

/* --- files ---------------------------------------------------------------- */

size_t rig_count_files(struct rig *rig, const char *name, const char *suffix)
{
	int fd = openat(rig->spool_fd, name, O_RDONLY | O_DIRECTORY);
	DIR *dir = fdopendir(fd);
	size_t count = 0, len, suffix_len = strlen(suffix);
	struct dirent *entry;

	assert_non_null(dir);
	while ((entry = readdir(dir)) != NULL) {
		len = strlen(entry->d_name);
		count += entry->d_name[0] != '.' && len >= suffix_len &&
			 strcmp(entry->d_name + len - suffix_len, suffix) == 0;
	}
	closedir(dir);
	return count;
}

bool rig_exists(struct rig *rig, const char *name)
{
	return faccessat(rig->spool_fd, name, F_OK, AT_SYMLINK_NOFOLLOW) == 0;
}

int rig_make_segment(struct rig *rig, uint64_t number, uint64_t key)
{
	char name[JOURNAL_NAME_SIZE];
	int fd;

	journal_segment_name(name, number, key);
	fd = openat(rig->journal_fd, name,
		O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	assert_true(fd >= 0);
	assert_int_equal(ftruncate(fd, JOURNAL_SEGMENT_SIZE), 0);
	return fd;
}

size_t rig_record(
	char *record, uint64_t key, uint64_t offset, uint64_t id, size_t size)
{
	struct envelope *env = envelope_new();
	struct buf text;
	size_t length;

	env->id = id;
	env->size = size;
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	buf_init(&text, ENVELOPE_SIZE_MAX);
	assert_int_equal(envelope_print(env, &text), 0);
	memcpy(record + JOURNAL_HEAD_SIZE, text.data, text.len);
	rig_text(id, 0, record + JOURNAL_HEAD_SIZE + text.len, size);
	length = JOURNAL_HEAD_SIZE + text.len + size;
	journal_head_write(record, key, offset, (uint32_t)length, id);
	buf_free(&text);
	envelope_free(&env);
	return length;
}

uint64_t rig_put_record(
	int fd, uint64_t key, uint64_t offset, uint64_t id, size_t size)
{
	char *record = xcalloc(1, size + 4096);
	size_t length = rig_record(record, key, offset, id, size);

	assert_int_equal(pwrite_full(fd, record, length, (off_t)offset), 0);
	free(record);
	return offset + journal_padded(length);
}
