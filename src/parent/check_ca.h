/*
 * check_ca.h - certificates to trust: whether the relay will be able to read
 *              and use them.
 * Used by:    parent/check.
 * Blocks:     for a process a file, which reads it as the relay's user.
 */
#ifndef GMRELAY_PARENT_CHECK_CA_H
#define GMRELAY_PARENT_CHECK_CA_H

#include "parent/check.h"

#include <stddef.h>

/* Looks at the ca-file of each account, where there is one, and tells what is
 * wrong. Returns how many errors there are. */
size_t check_ca_files(
	const struct check_result *r, check_tell_fn *tell, void *arg);

#endif
