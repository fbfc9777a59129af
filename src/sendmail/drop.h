/*
 * drop.h - leaves a message in SPOOL/drop/ while the daemon is down.
 * Used by:    sendmail/deliver.
 * Invariant:  a name of 16 hex digits stands for a whole message that is on
 *             disk; one that begins with "tmp." is locked by whoever writes it.
 * Blocks:     yes, until the disk has it.
 */
#ifndef GMRELAY_SENDMAIL_DROP_H
#define GMRELAY_SENDMAIL_DROP_H

#include "base/err.h"
#include "sendmail/rights.h"
#include "submit/client.h"

/* Leaves what is open of *m in directory. Returns 0 when it is durable; -1 with
 * err, and nothing is left. */
int drop_message(const char *directory, const struct rights *rights,
	const struct submit_message *m, struct err *err);

#endif
