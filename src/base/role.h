/*
 * role.h - what the parent gives a role at its start.
 * Used by:    parent/ (fills it in), receiver/receiver, relay/relay (read it).
 * Ownership:  the role owns the descriptors; conf, names and counters live as
 *             long as the process.
 */
#ifndef GMRELAY_BASE_ROLE_H
#define GMRELAY_BASE_ROLE_H

#include <stddef.h>
#include <sys/types.h>

struct conf;
struct local_names;
struct counters;

#define LISTENERS_MAX     64
#define LISTENER_NAME_MAX 120
/* Connections of proxies that have not said yet for whom they are. */
#define GATES_MAX 256

/* What stands behind our name in the greeting; the relay knows us by it. */
#define GREETING_PRODUCT "ESMTP gmrelayd"

enum listener_kind {
	LISTENER_SMTP,   /* TCP: allowed by address */
	LISTENER_SUBMIT, /* Unix socket: the machine's own users */
};

struct listener {
	int fd; /* bound, listening, non-blocking */
	enum listener_kind kind;
	char name[LISTENER_NAME_MAX]; /* "127.0.0.1:25", "[::1]:25", a path */
};

struct role {
	const struct conf *conf;
	const struct local_names *names;  /* see proto/local.h */
	int channel_fd;                   /* see base/channel.h */
	const struct listener *listeners; /* receiver */
	size_t listener_count;
	unsigned max_clients;      /* receiver: the setting, or as many as there
				      are descriptors for */
	int control_fd;            /* relay: listening Unix socket */
	struct counters *counters; /* see base/counters.h */
	unsigned watchdog_ms;      /* say CHANNEL_ALIVE this often; 0: never */
	uid_t relay_uid;           /* receiver: who may hand in for others */
};

#endif
