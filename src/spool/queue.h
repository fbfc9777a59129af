/*
 * queue.h - the spool's files of single messages: queue/ and failed/, and any
 *           small file that is replaced as a whole.
 * Used by:    relay/dispatch, relay/account_state, ctl/spool_scan (reads).
 * Invariant:  a file under its final name is whole: written under another,
 *             synced, renamed, the directory synced.
 * Blocks:     yes: to be run in a worker's thread, but for queue_read().
 * Format:     gmrelayd-spool(5).
 */
#ifndef GMRELAY_SPOOL_QUEUE_H
#define GMRELAY_SPOOL_QUEUE_H

#include "base/buf.h"
#include "base/err.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <stdbool.h>
#include <stdint.h>

/* The longest envelope, a reply beside each recipient, and a message that has
 * no body file. */
#define QUEUE_FILE_MAX (ENVELOPE_SIZE_MAX + 1024 * 1024)

/* The name of a message's file is its id in hex. */

/* Writes the file as a whole. replace: over an older one; otherwise an existing
 * one is left as it is and counts as success (it holds the same message).
 * Returns 0, -1 with err and nothing changed. */
int queue_write(int dir_fd, const char *name, const struct buf *bytes,
	bool replace, struct err *err);

/* Writes a newer form of the file over it. It is whole after a power cut, the
 * old one or the new: which, is sure only when queue_sync_names() has been
 * called, once for many. Both return 0, -1 with err. */
int queue_replace(
	int dir_fd, const char *name, const struct buf *bytes, struct err *err);
int queue_sync_names(int dir_fd, struct err *err);

/* Removes the file and syncs the directory. One that is not there counts as
 * success. Returns 0, -1 with err. */
int queue_remove(int dir_fd, const char *name, struct err *err);

/* Reads and checks a message's file: regular, not too large, named after its
 * id. content_out may be NULL; large_fd is for messages with a body file.
 * Returns 0 with what the caller then owns; -1 with err. */
int queue_read(int dir_fd, int large_fd, uint64_t id, struct envelope **env_out,
	struct content **content_out, struct err *err);

/* The file's bytes, whatever they are; *out is from buf_init(). Returns 0, -1
 * with err: ERR_DAMAGED where there is no regular file of a possible size. */
int queue_read_bytes(int dir_fd, uint64_t id, struct buf *out, struct err *err);

/* A regular file has this name, and so may be a message of ours. */
bool queue_is_file(int dir_fd, uint64_t id);

/* Moves the file as it is, in this order: its new name, that directory's sync,
 * then as queue_remove(). Never over another file. Repeated, it goes on where
 * it was. Returns 0, -1 with err. */
int queue_move(int from_fd, int to_fd, const char *name, struct err *err);

/* Which body file the file names, although it may be damaged elsewhere; 0:
 * none, or there is no file. Returns 0; -1 when that cannot be told: it cannot
 * be read, its first lines are damaged, or something else has its name. */
int queue_peek_body(int dir_fd, uint64_t id, uint64_t *body_out);

/* The ids of all message files in the directory, sorted. Other names are left
 * alone: foreign(arg, name) is told (temporary files of ours are removed).
 * Returns the count with *ids_out to be freed, -1 with err. */
ssize_t queue_scan(int dir_fd, uint64_t **ids_out,
	void (*foreign)(void *arg, const char *name), void *arg,
	struct err *err);

#endif
