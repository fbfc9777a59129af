/*
 * deliver.h - -bm: a message from standard input to the daemon, or to drop/.
 * Used by:    sendmail/main.
 * Source:     sysexits(3) for what is returned.
 */
#ifndef GMRELAY_SENDMAIL_DELIVER_H
#define GMRELAY_SENDMAIL_DELIVER_H

#include "sendmail/options.h"
#include "sendmail/rights.h"

/* Returns the exit status; what is wrong stands on standard error by then. */
int deliver(const struct options *options, const struct rights *rights);

#endif
