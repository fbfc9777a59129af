/*
 * test_content.c - a message's bytes from memory and from a body file; its end
 *                  only when the checksum was right.
 */
#include "config.h"

#include "base/hash.h"
#include "base/util.h"
#include "spool/content.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#define NAME 0xabULL
#define BODY "00000000000000ab"

struct setting {
	char directory[40];
	int fd;
};

static int setting_new(void **state)
{
	struct setting *s = xcalloc(1, sizeof(*s));

	snprintf(s->directory, sizeof(s->directory), "/tmp/content-XXXXXX");
	assert_non_null(mkdtemp(s->directory));
	s->fd = open(s->directory, O_RDONLY | O_DIRECTORY);
	*state = s;
	return s->fd >= 0 ? 0 : -1;
}

static int setting_free(void **state)
{
	struct setting *s = *state;

	unlinkat(s->fd, BODY, 0);
	unlinkat(s->fd, BODY, AT_REMOVEDIR);
	close(s->fd);
	assert_int_equal(rmdir(s->directory), 0);
	free(s);
	return 0;
}

static char byte_at(size_t i)
{
	return (char)(i * 2654435761u >> 13);
}

/* A body of size octets; returns its checksum. */
static uint64_t put_body(const struct setting *s, size_t size)
{
	char *data = xcalloc(1, size + 1);
	uint64_t check;
	size_t i;
	int fd;

	for (i = 0; i < size; i++)
		data[i] = byte_at(i);
	unlinkat(s->fd, BODY, 0);
	fd = openat(s->fd, BODY, O_WRONLY | O_CREAT, 0600);
	assert_int_equal(write_full(fd, data, size), 0);
	close(fd);
	check = hash_of(NAME, 0, data, size);
	free(data);
	return check;
}

/* Reads to the end in pieces of the given size. Returns the octets that were
 * right, and the last result in *rc. */
static size_t read_all(struct content *c, size_t piece, ssize_t *rc)
{
	char *data = malloc(piece);
	struct err err;
	size_t got = 0;
	ssize_t i;

	while ((*rc = content_read(c, data, piece, &err)) > 0) {
		for (i = 0; i < *rc; i++)
			assert_int_equal(data[i], byte_at(got + (size_t)i));
		got += (size_t)*rc;
	}
	if (*rc < 0)
		assert_int_equal(err.kind, ERR_DAMAGED);
	free(data);
	return got;
}

static const size_t sizes[] = {0, 1, 1000, CONTENT_CHUNK - 1, CONTENT_CHUNK,
	CONTENT_CHUNK + 1, 3 * CONTENT_CHUNK, 200001};
static const size_t pieces[] = {1, 7, 4096, CONTENT_CHUNK, 1000000};

static void a_file_is_read_whole_in_any_pieces(void **state)
{
	struct setting *s = *state;
	struct content *c;
	struct err err;
	uint64_t check;
	size_t i, p;
	ssize_t rc;

	for (i = 0; i < COUNT_OF(sizes); i++) {
		check = put_body(s, sizes[i]);
		for (p = 0; p < COUNT_OF(pieces); p++) {
			c = content_of_file(s->fd, NAME, sizes[i], check, &err);
			assert_non_null(c);
			assert_int_equal(content_size(c), sizes[i]);
			assert_int_equal(read_all(c, pieces[p], &rc), sizes[i]);
			assert_int_equal(rc, 0);
			assert_true(content_at_end(c));
			/* and again */
			assert_int_equal(content_rewind(c, &err), 0);
			assert_int_equal(content_at_end(c), sizes[i] == 0);
			assert_int_equal(read_all(c, pieces[p], &rc), sizes[i]);
			assert_int_equal(rc, 0);
			content_free(&c);
		}
	}
}

/* Into a buffer that has room for just that, and into one that has not. */
static void the_rest_is_read_at_once(void **state)
{
	struct setting *s = *state;
	struct content *c;
	struct buf out;
	struct err err;
	uint64_t check;
	size_t i, at;
	char byte;

	for (i = 1; i < COUNT_OF(sizes); i++) {
		check = put_body(s, sizes[i]);
		c = content_of_file(s->fd, NAME, sizes[i], check, &err);
		assert_non_null(c);
		assert_int_equal(content_read(c, &byte, 1, &err), 1);
		buf_init(&out, sizes[i] - 1);
		assert_int_equal(content_read_rest(c, &out, &err), 0);
		assert_true(content_at_end(c));
		assert_int_equal(out.len, sizes[i] - 1);
		for (at = 0; at < out.len; at++)
			assert_int_equal(out.data[at], byte_at(at + 1));
		assert_int_equal(content_rewind(c, &err), 0);
		assert_int_equal(content_read_rest(c, &out, &err), -1);
		assert_int_equal(err.kind, ERR_LIMIT);
		buf_free(&out);
		content_free(&c);
	}
}

static void flip(const struct setting *s, size_t at)
{
	int fd = openat(s->fd, BODY, O_RDWR);
	char byte;

	assert_int_equal(pread_full(fd, &byte, 1, (off_t)at), 1);
	byte ^= 1;
	assert_int_equal(pwrite_full(fd, &byte, 1, (off_t)at), 0);
	close(fd);
}

/* Whatever is damaged: the last octets are not given. */
static void the_end_comes_only_when_the_checksum_was_right(void **state)
{
	static const size_t where[] = {0, 70000, 150000, 200000};
	const size_t size = 200001;
	struct setting *s = *state;
	struct content *c;
	struct err err;
	uint64_t check;
	size_t i, got;
	char byte;

	for (i = 0; i < COUNT_OF(where); i++) {
		check = put_body(s, size);
		flip(s, where[i]);
		c = content_of_file(s->fd, NAME, size, check, &err);
		got = 0;
		while (content_read(c, &byte, 1, &err) == 1)
			got++;
		assert_int_equal(err.kind, ERR_DAMAGED);
		assert_true(got <= size / CONTENT_CHUNK * CONTENT_CHUNK);
		assert_false(content_at_end(c));
		/* asking again does not help, not even after a repair */
		assert_int_equal(content_read(c, &byte, 1, &err), -1);
		flip(s, where[i]);
		assert_int_equal(content_read(c, &byte, 1, &err), -1);
		assert_int_equal(content_rewind(c, &err), 0);
		for (got = 0; content_read(c, &byte, 1, &err) == 1;)
			got++;
		assert_int_equal(got, size);
		content_free(&c);
	}
}

/* A small one is given whole or not at all. */
static void a_small_damaged_body_gives_nothing(void **state)
{
	struct setting *s = *state;
	uint64_t check = put_body(s, 1000);
	struct content *c;
	struct err err;
	ssize_t rc;

	c = content_of_file(s->fd, NAME, 1000, check + 1, &err);
	assert_int_equal(read_all(c, 100, &rc), 0);
	assert_int_equal(rc, -1);
	content_free(&c);
	/* the name is in the checksum */
	assert_int_equal(renameat(s->fd, BODY, s->fd, "00000000000000ac"), 0);
	c = content_of_file(s->fd, NAME + 1, 1000, check, &err);
	assert_int_equal(read_all(c, 100, &rc), 0);
	assert_int_equal(rc, -1);
	content_free(&c);
	unlinkat(s->fd, "00000000000000ac", 0);
}

static void what_is_no_body_is_refused(void **state)
{
	struct setting *s = *state;
	struct err err;

	assert_null(content_of_file(s->fd, NAME, 10, 0, &err));
	assert_int_equal(err.kind, ERR_DAMAGED);
	put_body(s, 9);
	assert_null(content_of_file(s->fd, NAME, 10, 0, &err));
	assert_int_equal(err.kind, ERR_DAMAGED);
	unlinkat(s->fd, BODY, 0);
	assert_int_equal(symlinkat("/etc/passwd", s->fd, BODY), 0);
	assert_null(content_of_file(s->fd, NAME, 10, 0, &err));
	unlinkat(s->fd, BODY, 0);
	assert_int_equal(mkfifoat(s->fd, BODY, 0600), 0);
	assert_null(content_of_file(s->fd, NAME, 0, 0, &err));
	assert_int_equal(err.kind, ERR_DAMAGED);
	unlinkat(s->fd, BODY, 0);
	assert_int_equal(mkdirat(s->fd, BODY, 0700), 0);
	assert_null(content_of_file(s->fd, NAME, 0, 0, &err));
	assert_int_equal(err.kind, ERR_DAMAGED);
}

/* Cut while it is read. */
static void a_file_that_shrinks_is_damaged(void **state)
{
	struct setting *s = *state;
	uint64_t check = put_body(s, 200000);
	struct content *c;
	struct err err;
	char path[80];
	ssize_t rc;

	c = content_of_file(s->fd, NAME, 200000, check, &err);
	snprintf(path, sizeof(path), "%s/" BODY, s->directory);
	assert_int_equal(truncate(path, 150000), 0);
	assert_int_equal(read_all(c, 1000, &rc), 2 * CONTENT_CHUNK);
	assert_int_equal(rc, -1);
	content_free(&c);
}

static void what_stands_in_memory_is_read_from_its_offset(void **state)
{
	struct content *c;
	struct err err;
	struct buf b;
	size_t i, p;
	ssize_t rc;
	char byte;

	(void)state;
	for (p = 0; p < COUNT_OF(pieces); p++) {
		buf_init(&b, 100000);
		assert_int_equal(buf_add_string(&b, "head"), 0);
		for (i = 0; i < 5000; i++) {
			byte = byte_at(i);
			assert_int_equal(buf_add(&b, &byte, 1), 0);
		}
		c = content_of_buf(&b, 4);
		assert_null(b.data);
		assert_int_equal(b.len, 0);
		assert_int_equal(content_size(c), 5000);
		assert_int_equal(read_all(c, pieces[p], &rc), 5000);
		assert_int_equal(rc, 0);
		assert_true(content_at_end(c));
		assert_int_equal(content_rewind(c, &err), 0);
		assert_int_equal(read_all(c, 3, &rc), 5000);
		content_free(&c);
		content_free(&c); /* NULL is fine */
		buf_free(&b);
	}
	buf_init(&b, 100);
	assert_int_equal(buf_add_string(&b, "head"), 0);
	c = content_of_buf(&b, 4);
	assert_true(content_at_end(c));
	assert_int_equal(content_read(c, &byte, 1, &err), 0);
	content_free(&c);
}

#define ON_DISK(name)                                                          \
	cmocka_unit_test_setup_teardown(name, setting_new, setting_free)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_DISK(a_file_is_read_whole_in_any_pieces),
		ON_DISK(the_rest_is_read_at_once),
		ON_DISK(the_end_comes_only_when_the_checksum_was_right),
		ON_DISK(a_small_damaged_body_gives_nothing),
		ON_DISK(what_is_no_body_is_refused),
		ON_DISK(a_file_that_shrinks_is_damaged),
		cmocka_unit_test(what_stands_in_memory_is_read_from_its_offset),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
