/*
 * queue.h - sys/queue.h as the analysers can follow it: for them alone.
 *
 * clang's analyser does not see that *elm->tqe_prev is the list's head, so it
 * takes a list that is emptied and freed for a use after free.
 */
#ifndef GMRELAY_LINT_QUEUE_H
#define GMRELAY_LINT_QUEUE_H

#include <sys/queue.h>

#undef TAILQ_REMOVE
#define TAILQ_REMOVE(head, elm, field)                                         \
	do {                                                                   \
		if ((head)->tqh_first == (elm))                                \
			(head)->tqh_first = (elm)->field.tqe_next;             \
		else                                                           \
			*(elm)->field.tqe_prev = (elm)->field.tqe_next;        \
		if ((elm)->field.tqe_next != NULL)                             \
			(elm)->field.tqe_next->field.tqe_prev =                \
				(elm)->field.tqe_prev;                         \
		else                                                           \
			(head)->tqh_last = (elm)->field.tqe_prev;              \
	} while (0)

#endif
