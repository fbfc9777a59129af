/*
 * test_queue_write.c - files of single messages: whole under their name or not
 *                      there.
 */
#include "config.h"

#include "queue_desk.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

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
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
