/*
 * drop_file.h - one look through SPOOL/drop/, and what becomes of each file.
 * Used by:    relay/drop, in its thread; relay/control_json (counts).
 * Blocks:     yes. Knows no event loop and no log.
 */
#ifndef GMRELAY_RELAY_DROP_FILE_H
#define GMRELAY_RELAY_DROP_FILE_H

#include "base/err.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct conf;
struct local_names;
struct drop_waits;
struct report_cap;

/* Files a look deals with before it reports; the next one goes on there. */
#define DROP_LOOK_MAX 64
/* Entries that are counted; beyond, there are "at least" so many. */
#define DROP_COUNT_MAX 1000
/* Of a name and of a reason, in the log. */
#define DROP_NAME_MAX 40
#define DROP_WHY_MAX  256

enum drop_fate {
	DROP_TAKEN,       /* 250; the file is gone */
	DROP_REFUSED,     /* for good, to some at least; the sender was told */
	DROP_LATER,       /* it stays, to be tried again; others go on */
	DROP_UNREACHABLE, /* it stays, and so do the others: the receiver lets
			     nobody in. A name of ".": the directory cannot be
			     read */
	DROP_SET_ASIDE,  /* not of the command's making, not whole, or nobody is
			    there to be told: it has another name now */
	DROP_LEFT_ALONE, /* its name means nothing to us */
};

struct drop_outcome {
	enum drop_fate fate;
	char name[DROP_NAME_MAX + 1];
	uid_t uid; /* of whom */
	size_t rcpt_count;
	bool told;              /* LATER: and it was so before */
	char why[DROP_WHY_MAX]; /* TAKEN: "" */
};

struct drop_look {
	/* set by the caller */
	const struct conf *conf;
	const struct local_names *names;
	int dir_fd;
	bool tell_strays; /* say what is LEFT_ALONE */
	/* kept from one look to the next: where it goes on; NULL: anew */
	DIR *dir;
	struct drop_waits *waits;
	struct report_cap *cap; /* reports to senders */
	/* what came out */
	struct drop_outcome outcomes[DROP_LOOK_MAX];
	size_t count;
	bool more;       /* the end of the directory was not reached */
	int64_t next_ms; /* it was: when to look again (boot clock), or
			    DROP_WAITS_NEVER */
	/* between the threads */
	pthread_mutex_t mutex;
	int connection; /* in use; -1 */
	bool stop;
};

void drop_look_init(struct drop_look *look);
void drop_look_free(struct drop_look *look);

struct drop_counts {
	size_t waiting;   /* to be taken in */
	int64_t oldest_s; /* when the first of them came, wall clock; 0: none */
	size_t refused;   /* set aside, for a person to see */
	bool more;        /* not all entries were looked at */
};

/* What is there now. Returns 0, -1 when it cannot be read. May be called while
 * another thread looks. */
int drop_look_count(const struct drop_look *look, struct drop_counts *out);

/* Whether there is nothing to look at. */
bool drop_look_is_empty(const struct drop_look *look);

/* Looks until the end of the directory, DROP_LOOK_MAX outcomes, UNREACHABLE or
 * drop_look_stop(). What was refused for now is left out until its time has
 * come. */
void drop_look_run(struct drop_look *look);

/* From another thread: begins no further message; with break_off, ends the one
 * under way as well (it stays, to be tried again). */
void drop_look_stop(struct drop_look *look, bool break_off);

#endif
