/*
 * test_queue.c - files of single messages: what is read, moved, found. How they
 *                are written, test_queue_write.c tests.
 */
#include "config.h"

#include "queue_desk.h"

#include "base/hash.h"

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

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

int main(void)
{
	const struct CMUnitTest tests[] = {
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
