/*
 * listen.h - the sockets the world comes in by: `listen` (TCP), `submit` and
 *            `control` (Unix), bound by us or passed by systemd.
 * Used by:    parent/setup and parent/reload (open), parent/child (hands them
 *             to the roles), parent/parent (names them).
 * Invariant:  a socket that stays in the configuration is never closed and
 *             never bound anew, so that no connection is refused at a reload.
 * Blocks:     never.
 */
#ifndef GMRELAY_PARENT_LISTEN_H
#define GMRELAY_PARENT_LISTEN_H

#include "base/err.h"
#include "base/role.h"

#include <stdbool.h>
#include <stddef.h>
#include <sys/socket.h>
#include <sys/types.h>

struct buf;
struct conf;

/* The receiver's, and `control`. */
#define LISTEN_SOCKETS_MAX (LISTENERS_MAX + 1)

enum listen_kind { LISTEN_SMTP, LISTEN_SUBMIT, LISTEN_CONTROL };

struct listen_socket {
	int fd;
	enum listen_kind kind;
	bool inherited;                 /* systemd's: its path is not ours */
	struct sockaddr_storage wanted; /* as configured; the port may be 0 */
	char name[LISTENER_NAME_MAX];   /* with the real port */
};

struct listen_set {
	struct listen_socket sockets[LISTEN_SOCKETS_MAX];
	size_t count;
};

/* Sockets passed by systemd. They stay open to the end: systemd holds them
 * too, and a later reload may want one. */
struct listen_pool {
	struct {
		int fd;
		struct sockaddr_storage sa;
	} passed[LISTEN_SOCKETS_MAX];
	size_t count;
};

/* Takes the sockets of LISTEN_FDS (sd_listen_fds(3)) if LISTEN_PID is us, and
 * the variables out of the environment. Returns 0; -1 with err: something that
 * is no listening stream socket, or too many. */
int listen_inherit(struct listen_pool *pool, struct err *err);

/* How many passed sockets set does not use; one of their names in name_out. */
size_t listen_unclaimed(const struct listen_pool *pool,
	const struct listen_set *set, char name_out[LISTENER_NAME_MAX]);

/* Makes the sockets of conf: kept from old (NULL is fine) where unchanged,
 * taken from pool where systemd passed one of that address, else bound. The
 * control socket gets group gid unless that is -1. Default addresses of a
 * family this machine lacks are left out with a warning in the log; anything
 * else that fails is an error. Returns NULL with err; old is as it was then.
 * Both sets share the kept descriptors until listen_free(). */
struct listen_set *listen_open(const struct conf *conf, gid_t gid,
	const struct listen_set *old, const struct listen_pool *pool,
	struct err *err);

/* Closes what is not in keep (NULL is fine) nor systemd's, and unlinks the
 * paths that go. */
void listen_free(struct listen_set **set, const struct listen_set *keep);

/* The receiver's sockets, as it gets them. Returns how many. */
size_t listen_receivers(
	const struct listen_set *set, struct listener out[LISTENERS_MAX]);

/* The control socket, or -1. */
int listen_control(const struct listen_set *set);

/* Appends "listen=A,B control=PATH submit=PATH" (those there are). */
void listen_describe(const struct listen_set *set, struct buf *out);

/* "127.0.0.1:25", "[::1]:25", or the path. Returns name_out. */
const char *listen_name(
	const struct sockaddr_storage *sa, char name_out[LISTENER_NAME_MAX]);

#endif
