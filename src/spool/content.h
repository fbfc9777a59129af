/*
 * content.h - the bytes of a stored message, read forward once and checked on
 *             the way.
 * Used by:    relay/dispatch (opens), relay/upstream_body (sends),
 *             relay/report, relay/control_stream (cat), ctl/spool.
 * Invariant:  the last bytes come only when the checksum over all of them was
 *             right; a message that was damaged is never sent whole.
 */
#ifndef GMRELAY_SPOOL_CONTENT_H
#define GMRELAY_SPOOL_CONTENT_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/* What is held back of a body file until its checksum was right, octets. */
#define CONTENT_CHUNK (64 * 1024)

struct content;

/* The content in *bytes from offset on; takes the buffer's memory over (*bytes
 * is empty then). It was checked with the record or file it stood in. */
struct content *content_of_buf(struct buf *bytes, size_t offset);

/* The content in the body file NAME below the directory large_fd. Checks that
 * it is a regular file of the right size. Returns NULL with err. */
struct content *content_of_file(int large_fd, uint64_t name, uint64_t size,
	uint64_t check, struct err *err);

/* Octets from the first to the last, whatever was read. For tests. */
uint64_t content_size(const struct content *c);

/* Reads up to len bytes. Returns the count, 0 at the end, -1 with err (a read
 * error, or ERR_DAMAGED: nothing may be sent as its end). */
ssize_t content_read(
	struct content *c, void *data, size_t len, struct err *err);

/* Appends all that was not read yet to out. Returns 0, -1 with err (as above,
 * or ERR_LIMIT: out is full). */
int content_read_rest(struct content *c, struct buf *out, struct err *err);

/* True when everything was read. */
bool content_at_end(const struct content *c);

/* Starts again from the first byte. Returns 0, -1 with err. */
int content_rewind(struct content *c, struct err *err);

void content_free(struct content **c); /* NULL is fine */

#endif
