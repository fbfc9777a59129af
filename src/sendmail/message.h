/*
 * message.h - the message as it comes on standard input, and what it lacks.
 * Used by:    sendmail/deliver.
 * Invariant:  the text is kept byte by byte as it came; what is added stands in
 *             front of it.
 * Blocks:     message_read, until the input ends.
 */
#ifndef GMRELAY_SENDMAIL_MESSAGE_H
#define GMRELAY_SENDMAIL_MESSAGE_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/header.h"
#include "submit/client.h"

#include <stdbool.h>
#include <stdint.h>

/* Kept in memory; of a longer message the rest goes to a file without a name.
 * A header that is looked at fits in. */
#define MESSAGE_MEMORY_MAX (1024 * 1024)

struct message {
	bool keep_dots;
	bool ended;
	char pending[3]; /* bytes of a line that may be the last: a dot */
	size_t pending_len;
	bool in_line; /* the line has begun with something else */
	struct buf memory;
	int fd; /* -1: all is in memory */
	uint64_t file_size;
	struct buf added;
	size_t skipped; /* of memory: a mailbox's "From " line */
};

void message_init(struct message *m, bool keep_dots);
void message_free(struct message *m);

/* Takes the next len bytes. Returns 1 when the message ended with them (a lone
 * dot; what follows is not looked at), 0 otherwise; -1 with err. */
int message_add(
	struct message *m, const char *data, size_t len, struct err *err);

/* The input ended. */
void message_end(struct message *m);

/* Reads all of fd: the two above. */
int message_read(struct message *m, int fd, struct err *err);

/* Reads the header block out of what came. */
void message_header(const struct message *m, struct header_block *out);

/* Who sends, for what the header lacks. */
struct message_author {
	const char *name;    /* "": none */
	const char *address; /* canonical */
	const char *host;
	int64_t now_s;
	int utc_offset_s;
	uint64_t id; /* of a Message-ID */
};

/* Puts From, Date and Message-ID in front where h has none: a message that is
 * handed over twice, or late, stays the same. Returns 0, -1 with err. */
int message_complete(struct message *m, const struct header_block *h,
	const struct message_author *author, struct err *err);

/* What is to be sent, in order. Returns the number of parts. */
size_t message_parts(
	const struct message *m, struct submit_part parts[SUBMIT_PARTS_MAX]);

#endif
