/*
 * content.c - the bytes of a stored message, checked on the way.
 */
#include "config.h"

#include "spool/content.h"

#include "base/hash.h"
#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct content {
	struct buf bytes; /* of a small message; or one chunk of a file */
	uint64_t size;
	uint64_t given;  /* octets handed out */
	size_t at;       /* next octet in bytes */
	int fd;          /* -1: everything is in bytes */
	uint64_t loaded; /* octets read from the file */
	uint64_t name;
	uint64_t check;
	struct hash hash;
};

struct content *content_of_buf(struct buf *bytes, size_t offset)
{
	struct content *c = xcalloc(1, sizeof(*c));

	c->fd = -1;
	c->bytes = *bytes;
	c->at = offset;
	c->size = bytes->len - offset;
	buf_init(bytes, bytes->max);
	return c;
}

struct content *content_of_file(int large_fd, uint64_t name, uint64_t size,
	uint64_t check, struct err *err)
{
	char file[HEX64_SIZE];
	struct content *c;
	struct stat st;
	int fd;

	fd = openat(large_fd, hex64(file, name),
		O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0) {
		/* Nothing of this kind comes back by waiting. */
		if (errno == ENOENT || errno == ELOOP)
			err_set(err, ERR_DAMAGED, "large/%s is %s", file,
				errno == ENOENT ? "missing"
						: "a symbolic link");
		else
			err_errno(err, "large/%s", file);
		return NULL;
	}
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) ||
		(uint64_t)st.st_size < size) {
		err_set(err, ERR_DAMAGED,
			"large/%s is no regular file of %llu octets", file,
			(unsigned long long)size);
		close(fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	buf_init(&c->bytes, CONTENT_CHUNK);
	c->fd = fd;
	c->name = name;
	c->size = size;
	c->check = check;
	hash_init(&c->hash, name, 0);
	return c;
}

uint64_t content_size(const struct content *c)
{
	return c->size;
}

/* Reads the next chunk. The one that ends the message is let through only when
 * the checksum over everything is right. */
static int load_chunk(struct content *c, struct err *err)
{
	uint64_t left = c->size - c->loaded;
	size_t want = left < CONTENT_CHUNK ? (size_t)left : CONTENT_CHUNK;
	struct hash whole;
	ssize_t n;

	buf_clear(&c->bytes);
	c->at = 0;
	if (buf_reserve(&c->bytes, CONTENT_CHUNK) == NULL)
		return err_set(err, ERR_SYSTEM, "out of memory");
	n = pread_full(c->fd, c->bytes.data, want, (off_t)c->loaded);
	if (n < 0)
		return err_errno(err, "reading the message");
	if ((size_t)n < want)
		return err_set(err, ERR_DAMAGED, "the message's file is short");
	c->bytes.len = want;
	c->loaded += want;
	hash_add(&c->hash, c->bytes.data, want);
	if (c->loaded < c->size)
		return 0;
	whole = c->hash;
	if (hash_end(&whole) != c->check) {
		buf_clear(&c->bytes);
		c->loaded -= want;
		return err_set(
			err, ERR_DAMAGED, "the message's checksum is wrong");
	}
	return 0;
}

ssize_t content_read(struct content *c, void *data, size_t len, struct err *err)
{
	size_t n;

	if (c->given == c->size)
		return 0;
	if (c->fd >= 0 && c->at == c->bytes.len && load_chunk(c, err) != 0)
		return -1;
	n = c->bytes.len - c->at;
	if (n > len)
		n = len;
	memcpy(data, c->bytes.data + c->at, n);
	c->at += n;
	c->given += n;
	return (ssize_t)n;
}

int content_read_rest(struct content *c, struct buf *out, struct err *err)
{
	uint64_t left;
	size_t want;
	char *to;
	ssize_t n;

	while ((left = c->size - c->given) > 0) {
		want = left < CONTENT_CHUNK ? (size_t)left : CONTENT_CHUNK;
		to = buf_reserve(out, want);
		if (to == NULL)
			return err_set(
				err, ERR_LIMIT, "the message is too long");
		n = content_read(c, to, want, err);
		if (n <= 0)
			return -1;
		out->len += (size_t)n;
	}
	return 0;
}

bool content_at_end(const struct content *c)
{
	return c->given == c->size;
}

int content_rewind(struct content *c, struct err *err)
{
	(void)err;
	if (c->fd < 0) {
		c->at = c->bytes.len - (size_t)c->size;
	} else {
		buf_clear(&c->bytes);
		c->at = 0;
		c->loaded = 0;
		hash_init(&c->hash, c->name, 0);
	}
	c->given = 0;
	return 0;
}

void content_free(struct content **cp)
{
	struct content *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	buf_free(&c->bytes);
	if (c->fd >= 0)
		close(c->fd);
	free(c);
}
