/*
 * drop_format.h - what stands before a message in SPOOL/drop/: a few lines,
 * then an empty one. Used by:    sendmail/drop (writes), relay/drop (reads).
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  addresses come out only as address_parse() would write them, so
 *             nothing in a file can end a command.
 * Format:     gmrelayd-spool(5), "Dropped messages".
 */
#ifndef GMRELAY_SUBMIT_DROP_FORMAT_H
#define GMRELAY_SUBMIT_DROP_FORMAT_H

#include "base/buf.h"
#include "base/err.h"
#include "submit/client.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Where it is unless told otherwise; SPOOL as in gmrelayd.conf(5). */
#ifndef DROP_DIRECTORY
#define DROP_DIRECTORY "/var/spool/gmrelayd/drop"
#endif
#ifndef SUBMIT_SOCKET
#define SUBMIT_SOCKET "/run/gmrelayd/submit.sock"
#endif

/* Names: being written, and (16 hex digits alone) whole. */
#define DROP_TEMPORARY "tmp."
/* Behind the name of one that the relay could not use. */
#define DROP_ASIDE ".refused"

#define DROP_RECIPIENTS_MAX 10000
#define DROP_LINE_MAX       400 /* of the lines before the message */
#define DROP_ENVELOPE_MAX   (4 * 1024 * 1024)
#define DROP_MESSAGE_MAX    (128 * 1024 * 1024)

/* What one user may leave there, and all of them. */
#define DROP_USER_FILES_MAX 1000
#define DROP_USER_BYTES_MAX (256 * 1024 * 1024)
#define DROP_FILES_MAX      20000
/* Stays free on the disk: twice what the spool keeps for its queue. */
#define DROP_RESERVE (128 * 1024 * 1024)

struct drop_envelope {
	char *from; /* "" is <> */
	char **rcpts;
	size_t rcpt_count;
	bool smtputf8; /* an address needs it */
	bool has_size;
	uint64_t size; /* octets of the message that follows */
	bool has_uid;  /* written by the relay for this user */
	uint32_t uid;
	char *notify; /* NULL: as usual */
	char *ret;
	char *envid;
};

/* Appends the lines for those recipients that are SUBMIT_OPEN, the empty one
 * too. Returns 0, -1 when out is full. */
int drop_envelope_print(const struct submit_message *m, struct buf *out);

/* Reads lines as they come. */
struct drop_parser {
	struct drop_envelope envelope;
	size_t rcpt_cap;
	size_t lines;
	size_t taken; /* bytes of whole lines */
	char line[DROP_LINE_MAX + 1];
	size_t len; /* of the line so far */
};

void drop_parser_init(struct drop_parser *p);
void drop_parser_free(struct drop_parser *p);

/* Takes the next len bytes. Returns 1 when they held the empty line (the bytes
 * from *used_out on are the message, envelope.size of them where it is whole),
 * 0 need more (all used), -1 with err. */
int drop_parser_feed(struct drop_parser *p, const char *data, size_t len,
	size_t *used_out, struct err *err);

/* Writes the message itself, all its parts, to the file at fd. Returns 0; -1
 * with errno set. */
int drop_message_write(const struct submit_message *m, int fd);

#endif
