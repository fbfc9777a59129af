/*
 * pump.h - -bs: the bytes between standard input and output and the daemon.
 * Used by:    sendmail/main.
 * Blocks:     yes, until the daemon has closed the connection.
 */
#ifndef GMRELAY_SENDMAIL_PUMP_H
#define GMRELAY_SENDMAIL_PUMP_H

#include "base/err.h"

/* Carries bytes from in to the socket and from there to out until the socket is
 * at its end; in may end before. Returns 0; -1 with err: out or the socket took
 * no more. */
int pump(int socket, int in, int out, struct err *err);

#endif
