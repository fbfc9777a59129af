/*
 * parent_internal.h - the parent's state, shared by its three parts: setup
 *                     (until the fork), parent (the loop), reload.
 * Used by:    parent/parent, parent/setup, parent/reload only.
 */
#ifndef GMRELAY_PARENT_PARENT_INTERNAL_H
#define GMRELAY_PARENT_PARENT_INTERNAL_H

#include "base/channel.h"
#include "base/counters.h"
#include "parent/alert.h"
#include "parent/check.h"
#include "parent/child.h"
#include "parent/listen.h"
#include "parent/notify.h"
#include "parent/parent.h"
#include "parent/spooldir.h"

#include <stdbool.h>
#include <stdint.h>

/* Of what the relay says for the status line. */
#define RELAY_STATUS_MAX 200
/* Of the ready line; with more listeners than fit, the line is cut. */
#define READY_LINE_MAX (LOG_LINE_MAX - 128)

enum parent_phase {
	PARENT_STARTING,  /* the first roles have not both said ready */
	PARENT_RUNNING,   /* a role that dies is started again */
	PARENT_RELOADING, /* the old roles drain */
	PARENT_STOPPING,  /* the roles drain, then the parent ends */
};

struct parent {
	const struct parent_options *options;
	enum parent_phase phase;
	struct check_result now;
	struct check_result next; /* while PARENT_RELOADING */
	struct listen_pool pool;
	struct listen_set *listen;
	struct listen_set *next_listen; /* while PARENT_RELOADING */
	struct spooldir spool;
	struct counters_pages *counters;
	struct notify notify;
	struct child children[CHILD_COUNT];
	struct alert alert;
	int signal_fd;
	bool announced;      /* these roles' ready line is out */
	int64_t reload_ms;   /* a reload is due; 0: none asked for */
	int64_t reloaded_ms; /* when the last one was done */
	int64_t watchdog_ms; /* next look by clock_boot_ms(); 0: none */
	int exit_status;
	char relay_says[RELAY_STATUS_MAX + 1]; /* of its state; "": nothing */
};

/* Forks the roles and serves until they have ended for good. */
void parent_loop(struct parent *p);

/* Loads and checks the configuration anew. Good: drains the roles (phase
 * PARENT_RELOADING). Bad: tells, and nothing changes. */
void parent_reload_begin(struct parent *p);

/* The old roles are gone: puts the new configuration and sockets in place. */
void parent_reload_switch(struct parent *p);

/* One finding of a check, as a line of the log. */
void parent_log_finding(bool warning, const char *text);

/* The group of the control socket: relay-user's, or -1 for the one it gets. */
gid_t parent_control_gid(const struct check_result *checked);

#endif
