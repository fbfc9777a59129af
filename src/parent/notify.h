/*
 * notify.h - what systemd is told: the datagrams of sd_notify(3), written by
 *            ourselves.
 * Used by:    parent/setup, parent/parent, parent/reload.
 * Invariant:  without NOTIFY_SOCKET every call does nothing; what cannot be
 *             sent is lost, and nothing waits for it.
 */
#ifndef GMRELAY_PARENT_NOTIFY_H
#define GMRELAY_PARENT_NOTIFY_H

#include "base/err.h"

#define NOTIFY_MESSAGE_MAX 512

struct notify {
	int fd;               /* -1: nobody asked */
	unsigned watchdog_ms; /* a third of WATCHDOG_USEC; 0: none asked for */
};

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID and takes the first out
 * of the environment. Returns 0; -1 with err when the socket is named but
 * cannot be used (*n does nothing then, and is usable). */
int notify_open(struct notify *n, struct err *err);
void notify_close(struct notify *n);

/* READY=1 with a status line; also ends a RELOADING=1. */
void notify_ready(const struct notify *n, const char *status);

/* RELOADING=1 with MONOTONIC_USEC. */
void notify_reloading(const struct notify *n);

void notify_stopping(const struct notify *n);
void notify_watchdog(const struct notify *n);

/* STATUS=text; control bytes in it become '?', so that a role's text cannot
 * carry a line of its own. */
void notify_status(const struct notify *n, const char *text);

#endif
