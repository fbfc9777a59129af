/*
 * child.h - one role's process, as the parent sees it: fork, what the new
 *           process closes and gives up, restart after a death.
 * Used by:    parent/parent, parent/reload; parent/alert (child_close_files).
 * Invariant:  a role holds only what is its own: its channel end, spool/roles,
 *             its sockets. Forked before any event base or thread exists.
 */
#ifndef GMRELAY_PARENT_CHILD_H
#define GMRELAY_PARENT_CHILD_H

#include "base/channel.h"
#include "base/err.h"
#include "base/log.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct check_result;
struct counters_pages;
struct listen_set;
struct spooldir;

/* A role that died is started again at once the first time, then after
 * 1 s, doubling to 60 s; a life of 60 s forgives. */
#define CHILD_DELAY_FIRST_MS 1000
#define CHILD_DELAY_MAX_MS   60000
#define CHILD_FORGIVEN_MS    60000

/* A role told to drain is killed when this has passed as well. */
#define CHILD_GRACE_MS 2000

enum child_kind { CHILD_RECEIVER, CHILD_RELAY, CHILD_COUNT };

struct child {
	enum child_kind kind;
	pid_t pid;          /* 0: none lives */
	uid_t uid;          /* whom it becomes */
	int channel_fd;     /* the parent's end; -1 */
	bool ready;         /* it said so */
	bool warned;        /* of something it may not say */
	int64_t started_ms; /* these all by clock_boot_ms() */
	int64_t alive_ms;   /* its last CHANNEL_ALIVE */
	int64_t kill_ms;    /* SIGKILL is due; 0: never */
	int64_t restart_ms; /* a new process is due; 0: never */
	int64_t delay_ms;   /* how long the next restart waits */
};

/* What every role is started with. */
struct child_context {
	const struct check_result *checked;
	const struct listen_set *listen;
	const struct spooldir *spool;
	struct counters_pages *counters;
	unsigned watchdog_ms;
	enum log_level log_level;
	bool to_syslog;
};

/* "receiver" or "relay". */
const char *child_name(const struct child *c);

/* Forks the role. Returns 0 in the parent only; -1 with err. */
int child_start(
	struct child *c, const struct child_context *context, struct err *err);

/* True for what a role of this kind may say to the parent. */
bool child_may_say(enum child_kind kind, enum channel_message type);

/* Forgets a dead process. */
void child_gone(struct child *c);

/* Plans the restart of one that died at now_ms, by the rule above. */
void child_plan_restart(struct child *c, int64_t now_ms);

/* Tells it to drain and plans its killing. Nothing when none lives or it was
 * told before. */
void child_drain(struct child *c, int64_t now_ms);

/* Kills it when that is due. */
void child_kill_overdue(struct child *c, int64_t now_ms);

/* Kills it, whatever it does; nothing when none lives. */
void child_kill(const struct child *c);

/* Closes the descriptors first to last. */
void child_close_files(int first, int last);

#endif
