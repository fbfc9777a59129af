/*
 * budget.c - memory that all transactions under way may have together.
 */
#include "config.h"

#include "receiver/budget.h"

int budget_take(struct budget *b, size_t *share, size_t size)
{
	const size_t wanted =
		size > BUDGET_FREE_MAX ? size - BUDGET_FREE_MAX : 0;

	if (wanted <= *share)
		return 0;
	if (wanted - *share > BUDGET_MAX - b->used)
		return -1;
	b->used += wanted - *share;
	*share = wanted;
	return 0;
}

void budget_return(struct budget *b, size_t *share)
{
	b->used -= *share;
	*share = 0;
}
