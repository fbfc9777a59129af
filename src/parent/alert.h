/*
 * alert.h - the user's own command that hears of an account's trouble.
 * Used by:    parent/parent (what the relay says), through parent_internal.h.
 * Invariant:  one runs at a time, as the relay's user, without a shell, for
 *             ALERT_TIME_MS at most. What comes in the meantime waits its turn.
 * Blocks:     never.
 */
#ifndef GMRELAY_PARENT_ALERT_H
#define GMRELAY_PARENT_ALERT_H

#include "base/channel.h"

#include <stdint.h>
#include <sys/types.h>

#define ALERT_TIME_MS     10000
#define ALERT_WAITING_MAX 8

struct check_result;

struct alert {
	pid_t pid;       /* of the command that runs; 0: none */
	uid_t uid;       /* as whom */
	int64_t kill_ms; /* by clock_boot_ms(); 0: none runs */
	char waiting[ALERT_WAITING_MAX][CHANNEL_TEXT_MAX + 1];
	size_t count;
};

/* A CHANNEL_ALERT with this text has come: starts the command, or lets it wait
 * while another runs. Without alert-command nothing happens. */
void alert_add(
	struct alert *a, const struct check_result *checked, const char *text);

/* The process pid has ended. Returns 1 when it was the command (the next one is
 * started), 0 when it was not. */
int alert_reap(struct alert *a, const struct check_result *checked, pid_t pid,
	int status);

/* Kills the command when its time is up. */
void alert_kill_overdue(struct alert *a, int64_t now_ms);

/* Kills what runs and forgets what waits: the parent ends. */
void alert_end(struct alert *a);

#endif
