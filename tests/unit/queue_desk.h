/*
 * queue_desk.h - a queue/ of its own for each test, and a message in it.
 * Used by:    test_queue, test_queue_write.
 */
#ifndef TESTS_QUEUE_DESK_H
#define TESTS_QUEUE_DESK_H

#include "spool_fixture.h"

#include "base/util.h"
#include "spool/content.h"
#include "spool/envelope.h"
#include "spool/queue.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
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

static inline int setup(void **state)
{
	struct desk *desk = xcalloc(1, sizeof(*desk));

	rig_open(&desk->rig);
	desk->fd = openat(desk->rig.spool_fd, "queue",
		O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	buf_init(&desk->text, QUEUE_FILE_MAX);
	*state = desk;
	return desk->fd >= 0 ? 0 : -1;
}

static inline int teardown(void **state)
{
	struct desk *desk = *state;

	buf_free(&desk->text);
	close(desk->fd);
	rig_close(&desk->rig);
	free(desk);
	return 0;
}

/* A message's file with that id, the body behind it. */
static inline void make_text(struct desk *desk, uint64_t id, const char *body)
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
static inline void put(const struct desk *desk, const char *bytes, size_t len)
{
	int fd;

	unlinkat(desk->fd, NAME, 0);
	fd = openat(desk->fd, NAME, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write_full(fd, bytes, len), 0);
	close(fd);
}

static inline void must_read(struct desk *desk, const char *body)
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

#define RULE(name) cmocka_unit_test_setup_teardown(name, setup, teardown)

#endif
