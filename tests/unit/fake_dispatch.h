/*
 * fake_dispatch.h - dispatch and accounts that hold what a test wants and note
 *                   what was asked of them; in place of the library's.
 * Used by:    test_control, tests/fuzz/fuzz_control.
 */
#ifndef GMRELAY_TESTS_FAKE_DISPATCH_H
#define GMRELAY_TESTS_FAKE_DISPATCH_H

#include "relay/dispatch.h"

#define FAKE_ACCOUNTS 2

struct dispatch {
	size_t queued; /* messages 1, 2, ... */
	size_t failed;
	uint64_t damaged; /* the id without an envelope */
	size_t recipients;
	const char *address; /* of every recipient */
	const char *reply;
	unsigned notify; /* of every recipient, too */
	const char *orcpt;
	const char *envid;
	enum dsn_ret ret;
	size_t content_size;     /* bytes i % 251 */
	struct content *content; /* given out last; the taker's */
	bool refuse;             /* changes fail */
	bool ended;              /* what is followed was delivered */

	/* what was asked */
	char last[32]; /* "hold 12" */
	size_t list_max;
	size_t seen;
	unsigned paused[FAKE_ACCOUNTS];
	unsigned resumed[FAKE_ACCOUNTS];
	follow_fn *follow;
	void *follow_arg;
	uint64_t follow_id;
	unsigned unfollowed;
};

#endif
