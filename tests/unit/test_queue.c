/*
 * test_queue.c - files of single messages: whole under their name or not there.
 */
#include "config.h"

#include "spool_fixture.h"

#include "base/hash.h"
#include "base/util.h"
#include "spool/content.h"
#include "spool/envelope.h"
#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define ID   0xabULL
#define NAME "00000000000000ab"
#define PATH "queue/" NAME
#define TEMP "queue/.new." NAME
#define TO   "queue/to"

struct desk {
	struct rig rig; /* first */
	int fd;         /* queue/ */
	struct buf text;
};

static int setup(void **state)
{
	struct desk *desk = xcalloc(1, sizeof(*desk));

	rig_open(&desk->rig);
	desk->fd = openat(desk->rig.spool_fd, "queue",
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_init(&desk->text, QUEUE_FILE_MAX);
	*state = desk;
	return desk->fd >= 0 ? 0 : -1;
}

static int teardown(void **state)
{
	struct desk *desk = *state;

	buf_free(&desk->text);
	close(desk->fd);
	rig_close(&desk->rig);
	free(desk);
	return 0;
}

/* A message's file with that id, the body behind it. */
static void make_text(struct desk *desk, uint64_t id, const char *body)
{
	struct envelope *env = envelope_new();

	env->id = id;
	env->size = strlen(body);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	buf_clear(&desk->text);
	assert_int_equal(envelope_print(env, &desk->text), 0);
	assert_int_equal(buf_add_string(&desk->text, body), 0);
	envelope_free(&env);
}

/* As anybody may have put it there. */
static void put(const struct desk *desk, const char *bytes, size_t len)
{
	int fd;

	unlinkat(desk->fd, NAME, 0);
	fd = openat(desk->fd, NAME, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write_full(fd, bytes, len), 0);
	close(fd);
}

static void must_read(struct desk *desk, const char *body)
{
	struct content *content = NULL;
	struct envelope *env = NULL;
	char bytes[1000];
	struct err err;

	assert_int_equal(queue_read(desk->fd, desk->rig.large_fd, ID, &env,
				 &content, &err),
		0);
	assert_true(env->id == ID);
	assert_int_equal(content_size(content), strlen(body));
	assert_int_equal(content_read(content, bytes, sizeof(bytes), &err),
		strlen(body));
	assert_memory_equal(bytes, body, strlen(body));
	envelope_free(&env);
	content_free(&content);
}

static void must_not_read(struct desk *desk, enum err_kind kind)
{
	struct content *content = NULL;
	struct envelope *env = NULL;
	struct err err;

	assert_int_equal(queue_read(desk->fd, desk->rig.large_fd, ID, &env,
				 &content, &err),
		-1);
	assert_int_equal(err.kind, kind);
	assert_null(env);
	assert_null(content);
}

static void a_file_is_written_synced_named_and_its_directory_synced(
	void **state)
{
	static const enum io_kind first[] = {IO_CREATE, IO_WRITE, IO_SYNC,
		IO_SYNCED, IO_LINK, IO_UNLINK, IO_SYNC, IO_SYNCED};
	static const enum io_kind again[] = {IO_CREATE, IO_WRITE, IO_SYNC,
		IO_SYNCED, IO_RENAME, IO_SYNC, IO_SYNCED};
	struct desk *desk = *state;
	size_t i, n = 0;

	make_text(desk, ID, "body");
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, NULL), 0);
	for (i = 0; i < io_count(); i++) {
		if (io_at(i)->error != 0)
			continue; /* no left-over to remove */
		assert_int_equal(io_at(i)->kind, first[n++]);
		if (n <= 4)
			assert_string_equal(io_at(i)->name, TEMP);
	}
	assert_int_equal(n, COUNT_OF(first));
	assert_string_equal(io_at(i - 1)->name, "queue");
	must_read(desk, "body");
	make_text(desk, ID, "another");
	io_forget();
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, true, NULL), 0);
	for (i = 0, n = 0; i < io_count(); i++)
		if (io_at(i)->error == 0)
			assert_int_equal(io_at(i)->kind, again[n++]);
	assert_int_equal(n, COUNT_OF(again));
	must_read(desk, "another");
	assert_false(rig_exists(&desk->rig, TEMP));
}

static void the_first_rename_is_never_over_another_file(void **state)
{
	struct desk *desk = *state;
	struct stat st;

	make_text(desk, ID, "old");
	put(desk, desk->text.data, desk->text.len);
	make_text(desk, ID, "new");
	io_forget();
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, NULL), 0);
	must_read(desk, "old");
	/* it may be there by a hair: what says so is synced all the same */
	assert_string_equal(io_at(io_count() - 1)->name, "queue");
	assert_int_equal(io_at(io_count() - 1)->kind, IO_SYNCED);
	assert_false(rig_exists(&desk->rig, TEMP));
	assert_int_equal(fstatat(desk->fd, NAME, &st, 0), 0);
	assert_int_equal(st.st_nlink, 1);
	assert_int_equal(st.st_mode & 0777, 0600);
}

/* Every step of it, for a new and for an old file. */
static void a_step_that_fails_changes_nothing(void **state)
{
	static const struct {
		enum io_kind kind;
		const char *name;
		bool replace;
	} steps[] = {
		{IO_CREATE, TEMP, false},
		{IO_WRITE, TEMP, false},
		{IO_SYNC, TEMP, false},
		{IO_LINK, PATH, false},
		{IO_CREATE, TEMP, true},
		{IO_WRITE, TEMP, true},
		{IO_SYNC, TEMP, true},
		{IO_RENAME, PATH, true},
	};
	struct desk *desk = *state;
	struct err err;
	size_t i;

	for (i = 0; i < COUNT_OF(steps); i++) {
		unlinkat(desk->fd, NAME, 0);
		make_text(desk, ID, "old");
		if (steps[i].replace)
			put(desk, desk->text.data, desk->text.len);
		make_text(desk, ID, "new");
		io_fail(steps[i].kind, steps[i].name, ENOSPC, 1);
		assert_int_equal(queue_write(desk->fd, NAME, &desk->text,
					 steps[i].replace, &err),
			-1);
		assert_int_equal(err.kind, ERR_SYSTEM);
		assert_non_null(strstr(err.text, strerror(ENOSPC)));
		assert_false(rig_exists(&desk->rig, TEMP));
		if (steps[i].replace)
			must_read(desk, "old");
		else
			assert_false(rig_exists(&desk->rig, PATH));
		/* and again: now it works */
		assert_int_equal(queue_write(desk->fd, NAME, &desk->text,
					 steps[i].replace, &err),
			0);
		must_read(desk, "new");
	}
}

static void a_directory_that_cannot_be_synced_is_told(void **state)
{
	struct desk *desk = *state;
	struct err err;

	make_text(desk, ID, "body");
	io_fail(IO_SYNC, "=queue", EIO, 2);
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, &err), -1);
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, &err), -1);
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, &err), 0);
	io_fail(IO_SYNC, "=queue", EIO, 1);
	assert_int_equal(queue_remove(desk->fd, NAME, &err), -1);
	/* gone already, but that is not yet known to the disk */
	io_forget();
	assert_int_equal(queue_remove(desk->fd, NAME, &err), 0);
	assert_int_equal(io_tally(IO_SYNCED, "queue"), 1);
	io_fail(IO_UNLINK, PATH, EACCES, 1);
	assert_int_equal(queue_remove(desk->fd, NAME, &err), -1);
	assert_non_null(strstr(err.text, "removing"));
}

/* Each is synced before it has its name; the names are synced once for all. */
static void many_files_are_replaced_with_one_sync_of_their_names(void **state)
{
	enum { FILES = 5 };
	struct desk *desk = *state;
	char name[HEX64_SIZE], temp[40];
	struct err err;
	uint64_t id;

	for (id = ID; id < ID + FILES; id++) {
		make_text(desk, id, "old");
		assert_int_equal(queue_write(desk->fd, hex64(name, id),
					 &desk->text, false, &err),
			0);
	}
	io_forget();
	for (id = ID; id < ID + FILES; id++) {
		make_text(desk, id, "new");
		assert_int_equal(queue_replace(desk->fd, hex64(name, id),
					 &desk->text, &err),
			0);
		snprintf(temp, sizeof(temp), "queue/.new.%s", name);
		assert_int_equal(io_tally(IO_SYNCED, temp), 1);
		assert_int_equal(io_at(io_count() - 1)->kind, IO_RENAME);
	}
	/* names of files in it begin alike */
	assert_int_equal(io_tally(IO_SYNCED, "queue"), FILES);
	assert_int_equal(queue_sync_names(desk->fd, &err), 0);
	assert_int_equal(io_tally(IO_SYNCED, "queue"), FILES + 1);
	assert_string_equal(io_at(io_count() - 1)->name, "queue");
	must_read(desk, "new");
	io_fail(IO_SYNC, "=queue", EIO, 1);
	assert_int_equal(queue_sync_names(desk->fd, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
}

/* The power goes behind the new name and before its sync. */
static void a_file_that_is_replaced_is_whole_in_any_case(void **state)
{
	struct desk *desk = *state;
	struct envelope *env;
	struct content *content;
	unsigned seed, old = 0, new = 0;
	char byte;

	for (seed = 1; seed <= 64; seed++) {
		(void)unlinkat(desk->fd, NAME, 0);
		io_seed(seed);
		io_track(true);
		make_text(desk, ID, "o");
		assert_int_equal(
			queue_write(desk->fd, NAME, &desk->text, false, NULL),
			0);
		make_text(desk, ID, "n");
		assert_int_equal(
			queue_replace(desk->fd, NAME, &desk->text, NULL), 0);
		if (seed % 2 == 0)
			assert_int_equal(queue_sync_names(desk->fd, NULL), 0);
		io_cut_power();
		io_track(false);
		assert_int_equal(queue_read(desk->fd, desk->rig.large_fd, ID,
					 &env, &content, NULL),
			0);
		assert_int_equal(content_read(content, &byte, 1, NULL), 1);
		old += byte == 'o';
		new += byte == 'n';
		if (seed % 2 == 0)
			assert_int_equal(byte, 'n');
		envelope_free(&env);
		content_free(&content);
	}
	assert_int_equal(old + new, 64);
	assert_true(old > 0);
}

/* Of a process that died: whatever stands there is written anew. */
static void a_left_over_temporary_file_is_no_hindrance(void **state)
{
	struct desk *desk = *state;
	int fd;

	fd = openat(desk->fd, ".new." NAME, O_WRONLY | O_CREAT, 0400);
	assert_int_equal(write_full(fd, "something long that is there", 28), 0);
	close(fd);
	make_text(desk, ID, "body");
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, NULL), 0);
	must_read(desk, "body");
	assert_false(rig_exists(&desk->rig, TEMP));
	/* nor a symbolic link to somewhere else */
	assert_int_equal(
		symlinkat("/tmp/not-to-be-written", desk->fd, ".new." NAME), 0);
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, true, NULL), 0);
	must_read(desk, "body");
	assert_int_equal(access("/tmp/not-to-be-written", F_OK), -1);
}

static void what_is_no_right_file_is_refused(void **state)
{
	struct desk *desk = *state;
	size_t len;

	must_not_read(desk, ERR_DAMAGED); /* none */
	put(desk, "", 0);
	must_not_read(desk, ERR_DAMAGED);
	make_text(desk, ID + 1, "body"); /* another message's */
	put(desk, desk->text.data, desk->text.len);
	must_not_read(desk, ERR_DAMAGED);
	make_text(desk, ID, "a body of some length");
	for (len = 0; len < desk->text.len; len++) {
		put(desk, desk->text.data, len);
		must_not_read(desk, ERR_DAMAGED);
	}
	assert_int_equal(buf_add_string(&desk->text, "x"), 0);
	put(desk, desk->text.data, desk->text.len); /* too long */
	must_not_read(desk, ERR_DAMAGED);
	make_text(desk, ID, "body");
	put(desk, desk->text.data, desk->text.len);
	must_read(desk, "body");
}

static void what_is_no_regular_file_is_refused(void **state)
{
	struct desk *desk = *state;
	struct err err;

	make_text(desk, ID, "body");
	put(desk, desk->text.data, desk->text.len);
	assert_int_equal(renameat(desk->fd, NAME, desk->fd, "other"), 0);
	assert_int_equal(symlinkat("other", desk->fd, NAME), 0);
	must_not_read(desk, ERR_DAMAGED);
	assert_int_equal(queue_remove(desk->fd, NAME, &err), 0);
	assert_int_equal(mkfifoat(desk->fd, NAME, 0600), 0);
	must_not_read(desk, ERR_DAMAGED);
	assert_int_equal(queue_remove(desk->fd, NAME, &err), 0);
	assert_int_equal(mkdirat(desk->fd, NAME, 0700), 0);
	must_not_read(desk, ERR_DAMAGED);
}

static void a_huge_file_is_refused(void **state)
{
	struct desk *desk = *state;
	char path[80];

	make_text(desk, ID, "body");
	put(desk, desk->text.data, desk->text.len);
	snprintf(path, sizeof(path), "%s/" PATH, desk->rig.dir);
	assert_int_equal(truncate(path, QUEUE_FILE_MAX + 1), 0);
	must_not_read(desk, ERR_DAMAGED);
	assert_int_equal(truncate(path, 1LL << 40), 0);
	must_not_read(desk, ERR_DAMAGED);
}

/* It holds what the longest envelope and message come to. */
static void the_longest_message_is_queued(void **state)
{
	struct envelope *env = envelope_new();
	struct desk *desk = *state;
	char address[1001], reply[ENVELOPE_REPLY_MAX + 1];
	static char text[64 * 1024];
	struct content *content;
	struct err err;
	size_t i;

	memset(address, 'a', sizeof(address) - 1);
	address[sizeof(address) - 1] = '\0';
	memset(reply, 'r', sizeof(reply) - 1);
	reply[sizeof(reply) - 1] = '\0';
	env->id = ID;
	env->size = sizeof(text);
	for (i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++) {
		assert_int_equal(envelope_add_rcpt(env, address), 0);
		assert_int_equal(envelope_set_reply(&env->rcpts[i], reply), 0);
	}
	assert_int_equal(envelope_print(env, &desk->text), 0);
	assert_int_equal(buf_add(&desk->text, text, sizeof(text)), 0);
	envelope_free(&env);
	assert_int_equal(
		queue_write(desk->fd, NAME, &desk->text, false, &err), 0);
	assert_int_equal(queue_read(desk->fd, desk->rig.large_fd, ID, &env,
				 &content, &err),
		0);
	assert_int_equal(env->rcpt_count, ENVELOPE_RECIPIENTS_MAX);
	assert_int_equal(content_size(content), sizeof(text));
	envelope_free(&env);
	content_free(&content);
}

static void a_message_with_a_body_file_is_read_from_there(void **state)
{
	struct envelope *env = envelope_new();
	struct desk *desk = *state;
	int fd;

	env->id = ID;
	env->size = 4;
	env->body_name = 0x77;
	env->body_check = hash_of(0x77, 0, "body", 4);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	assert_int_equal(envelope_print(env, &desk->text), 0);
	put(desk, desk->text.data, desk->text.len);
	must_not_read(desk, ERR_DAMAGED); /* it is not there */
	fd = openat(desk->rig.large_fd, "0000000000000077", O_WRONLY | O_CREAT,
		0600);
	assert_int_equal(write_full(fd, "body", 4), 0);
	close(fd);
	must_read(desk, "body");
	/* nothing may stand behind its envelope */
	assert_int_equal(buf_add_string(&desk->text, "body"), 0);
	put(desk, desk->text.data, desk->text.len);
	must_not_read(desk, ERR_DAMAGED);
	envelope_free(&env);
}

static int peek(const struct desk *desk, uint64_t *body)
{
	return queue_peek_body(desk->fd, ID, body);
}

/* Where the rest is damaged it still tells which body must stay. */
static void a_damaged_file_tells_its_body_or_that_it_cannot(void **state)
{
	struct envelope *env = envelope_new();
	struct desk *desk = *state;
	uint64_t body;
	size_t len;

	assert_int_equal(peek(desk, &body), 0); /* no file */
	assert_true(body == 0);
	make_text(desk, ID, "text"); /* no body */
	put(desk, desk->text.data, desk->text.len);
	assert_int_equal(peek(desk, &body), 0);
	assert_true(body == 0);
	env->id = ID;
	env->body_name = 0x77;
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	buf_clear(&desk->text);
	assert_int_equal(envelope_print(env, &desk->text), 0);
	envelope_free(&env);
	for (len = 0; len <= desk->text.len; len++) {
		put(desk, desk->text.data, len);
		if (peek(desk, &body) == 0)
			assert_true(body == 0x77);
		else
			assert_true(len < 80);
	}
	for (len = 0; len < 78; len++) {
		desk->text.data[len] ^= 0x01;
		put(desk, desk->text.data, desk->text.len);
		if (peek(desk, &body) == 0)
			assert_true(body != 0);
		desk->text.data[len] ^= 0x01;
	}
	io_fail(IO_OPEN, PATH, EMFILE, 1);
	assert_int_equal(peek(desk, &body), -1);
	io_fail(IO_READ, PATH, EIO, 1);
	assert_int_equal(peek(desk, &body), -1);
	memcpy(strstr(desk->text.data, "body ") + 5, "x", 1);
	put(desk, desk->text.data, desk->text.len);
	assert_int_equal(peek(desk, &body), -1);
}

/* What the real file named nobody knows. */
static void in_place_of_a_file_nothing_is_told(void **state)
{
	static const char other[] =
		"not ours, but a long text of somebody else, who has put it "
		"here for a reason that we neither know of nor want to";
	struct desk *desk = *state;
	uint64_t body;

	put(desk, "", 0);
	assert_int_equal(peek(desk, &body), -1);
	put(desk, other, strlen(other));
	assert_int_equal(peek(desk, &body), -1);
	assert_true(queue_is_file(desk->fd, ID));
	assert_int_equal(queue_remove(desk->fd, NAME, NULL), 0);
	assert_false(queue_is_file(desk->fd, ID));
	assert_int_equal(symlinkat("other", desk->fd, NAME), 0);
	assert_int_equal(peek(desk, &body), -1);
	assert_false(queue_is_file(desk->fd, ID));
	assert_int_equal(queue_remove(desk->fd, NAME, NULL), 0);
	assert_int_equal(mkfifoat(desk->fd, NAME, 0600), 0);
	assert_int_equal(peek(desk, &body), -1);
	assert_int_equal(queue_remove(desk->fd, NAME, NULL), 0);
	assert_int_equal(mkdirat(desk->fd, NAME, 0700), 0);
	assert_int_equal(peek(desk, &body), -1);
	assert_int_equal(unlinkat(desk->fd, NAME, AT_REMOVEDIR), 0);
}

static void must_hold(int dir_fd, const char *text)
{
	struct buf bytes;

	buf_init(&bytes, QUEUE_FILE_MAX);
	assert_int_equal(queue_read_bytes(dir_fd, ID, &bytes, NULL), 0);
	assert_int_equal(bytes.len, strlen(text));
	assert_memory_equal(bytes.data, text, bytes.len);
	buf_free(&bytes);
}

/* As it is, whatever it is; each step may be the last one. */
static void a_file_is_moved_and_never_over_another(void **state)
{
	struct desk *desk = *state;
	struct err err;
	int to;

	assert_int_equal(mkdirat(desk->fd, "to", 0700), 0);
	to = openat(desk->fd, "to", O_RDONLY | O_DIRECTORY);
	assert_true(to >= 0);
	/* the new name's sync, the removal, its sync */
	put(desk, "what is left", 12);
	io_fail(IO_SYNC, TO, EIO, 1);
	assert_int_equal(queue_move(desk->fd, to, NAME, &err), -1);
	must_hold(desk->fd, "what is left");
	io_fail(IO_UNLINK, PATH, EIO, 1);
	assert_int_equal(queue_move(desk->fd, to, NAME, &err), -1);
	must_hold(desk->fd, "what is left");
	io_fail(IO_SYNC, "=queue", EIO, 1);
	assert_int_equal(queue_move(desk->fd, to, NAME, &err), -1);
	must_hold(to, "what is left");
	assert_int_equal(queue_move(desk->fd, to, NAME, &err), 0);
	must_hold(to, "what is left");
	assert_false(queue_is_file(desk->fd, ID));
	/* another one */
	put(desk, "other", 5);
	assert_int_equal(queue_move(desk->fd, to, NAME, &err), -1);
	must_hold(desk->fd, "other");
	must_hold(to, "what is left");
	assert_int_equal(unlinkat(to, NAME, 0), 0);
	close(to);
	assert_int_equal(unlinkat(desk->fd, "to", AT_REMOVEDIR), 0);
}

static void count_foreign(void *arg, const char *name)
{
	assert_true(name[0] != '.');
	++*(size_t *)arg;
}

static void names_are_found_sorted_and_foreign_ones_left_alone(void **state)
{
	static const char *const names[] = {"README", "00000000000000AB",
		"00000000000000a", "00000000000000abc", ".hidden"};
	struct desk *desk = *state;
	char name[HEX64_SIZE];
	uint64_t *ids = NULL;
	size_t i, foreign = 0;
	struct err err;
	int fd;

	assert_int_equal(
		queue_scan(desk->fd, &ids, count_foreign, &foreign, &err), 0);
	free(ids);
	for (i = 0; i < COUNT_OF(names); i++) {
		fd = openat(desk->fd, names[i], O_WRONLY | O_CREAT, 0600);
		close(fd);
	}
	for (i = 0; i < 3; i++) {
		fd = openat(desk->fd,
			i == 0   ? ".new." NAME
			: i == 1 ? ".new."
				 : ".new.x",
			O_WRONLY | O_CREAT, 0600);
		close(fd);
	}
	for (i = 0; i < 1000; i++) {
		hex64(name, (i * 7919 % 1000 + 1) << 40);
		fd = openat(desk->fd, name, O_WRONLY | O_CREAT, 0600);
		close(fd);
	}
	assert_int_equal(
		queue_scan(desk->fd, &ids, count_foreign, &foreign, &err),
		1000);
	for (i = 0; i < 1000; i++)
		assert_true(ids[i] == (uint64_t)(i + 1) << 40);
	assert_int_equal(foreign, COUNT_OF(names) - 1);
	free(ids);
	/* temporary files of ours are removed, and nothing else */
	assert_false(rig_exists(&desk->rig, TEMP));
	assert_false(rig_exists(&desk->rig, "queue/.new.x"));
	assert_true(rig_exists(&desk->rig, "queue/.hidden"));
	assert_true(rig_exists(&desk->rig, "queue/README"));
	io_fail(IO_OPEN, "queue/.", EMFILE, 1);
	assert_int_equal(
		queue_scan(desk->fd, &ids, count_foreign, &foreign, &err), -1);
}

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		RULE(a_file_is_written_synced_named_and_its_directory_synced),
		RULE(the_first_rename_is_never_over_another_file),
		RULE(a_step_that_fails_changes_nothing),
		RULE(a_directory_that_cannot_be_synced_is_told),
		RULE(many_files_are_replaced_with_one_sync_of_their_names),
		RULE(a_file_that_is_replaced_is_whole_in_any_case),
		RULE(a_left_over_temporary_file_is_no_hindrance),
		RULE(what_is_no_right_file_is_refused),
		RULE(what_is_no_regular_file_is_refused),
		RULE(a_huge_file_is_refused),
		RULE(the_longest_message_is_queued),
		RULE(a_message_with_a_body_file_is_read_from_there),
		RULE(a_damaged_file_tells_its_body_or_that_it_cannot),
		RULE(in_place_of_a_file_nothing_is_told),
		RULE(a_file_is_moved_and_never_over_another),
		RULE(names_are_found_sorted_and_foreign_ones_left_alone),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
