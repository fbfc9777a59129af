/*
 * budget.h - memory that all transactions under way may have together, beside
 *            the little that each may have anyhow.
 * Used by:    receiver/mail (recipients), receiver/intake (headers).
 * Pure:       it counts, and allocates nothing.
 * Why:        a header of 500 KB and 1000 recipients are each somebody's right;
 *             a thousand clients that begin them and never end are not.
 */
#ifndef GMRELAY_RECEIVER_BUDGET_H
#define GMRELAY_RECEIVER_BUDGET_H

#include <stddef.h>

/* Octets that are never counted, for one header and for one transaction's
 * recipients: 64 KiB is more than any usual header, and 100 recipients are to
 * be taken by RFC 5321 4.5.3.1.8. */
#define BUDGET_FREE_MAX (64 * 1024)
/* All that is beyond, of all clients. */
#define BUDGET_MAX (32 * 1024 * 1024)

struct budget {
	size_t used;
};

/* Makes *share, which was taken before (0: nothing), as large as size needs.
 * Returns 0; -1 when so much is not to be had, *share stays. */
int budget_take(struct budget *b, size_t *share, size_t size);
void budget_return(struct budget *b, size_t *share);

#endif
