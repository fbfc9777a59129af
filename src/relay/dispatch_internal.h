/*
 * dispatch_internal.h - shared by the files of dispatch: dispatch.c (taking
 *          up, due, listing), dispatch_send.c (transactions and what became of
 *          them; a verdict is dispatch_verdict.c's), dispatch_report.c (who is
 *          told), dispatch_digest.c (of many at once), dispatch_damaged.c (what
 *          is damaged on disk), dispatch_disk.c (what is written),
 *          dispatch_failed.c (what is in failed/), dispatch_hand.c (what people
 *          ask for).
 */
#ifndef GMRELAY_RELAY_DISPATCH_INTERNAL_H
#define GMRELAY_RELAY_DISPATCH_INTERNAL_H

#include "base/buf.h"
#include "base/counters.h"
#include "base/worker.h"
#include "relay/by_id.h"
#include "relay/dispatch.h"
#include "relay/report.h"
#include "relay/report_cap.h"
#include "relay/resolve.h"
#include "relay/schedule.h"
#include "spool/journal_read.h"

#include <event2/event.h>

#include <stdatomic.h>
#include <sys/queue.h>

/* A message that cannot be read just now is tried again so much later. */
#define UNREADABLE_RETRY_MS (60 * 1000)

enum message_stage {
	STAGE_WAIT, /* for its time */
	STAGE_SEND, /* a connection has it */
	STAGE_DISK, /* a job has it */
	STAGE_HOLD, /* by hand */
};

/* What people ask for while a job has the message: done when the job is. */
enum message_wish {
	WISH_NONE,
	WISH_HOLD,
	WISH_RELEASE,
	WISH_RETRY, /* released, and due at once */
	WISH_DELETE,
};

/* One message in memory: kept small, there may be a million. */
struct message {
	struct scheduled scheduled; /* first: the heap holds these */
	union {
		struct by_id by_id; /* in d->messages */
		uint64_t id;        /* the same: its first member */
	};
	struct journal_place place; /* segment NULL: in queue/ */
	int64_t since_ms;  /* boot clock: its kept times count from here */
	int64_t paused_ms; /* account_paused_total_ms() at that time */
	int64_t round_ms;  /* boot clock: when its last round of attempts
			      ended, or it was taken up */
	int32_t arrived_s; /* boot clock, in seconds; for people */
	uint8_t stage;     /* enum message_stage */
	uint8_t slot;
	uint8_t wish;          /* enum message_wish */
	bool to_hold : 1;      /* the job under way ends in a hold */
	bool own_sender : 1;   /* goes with the account's address as sender */
	uint32_t named_wait_s; /* of the waits that refusals of this round
				  named, the longest */
	uint32_t cut_s; /* boot clock: when the connection was lost in the
			   middle of it; 0: never */
};

/* With its pointer in the heap, and what malloc(3) adds, below 130. */
_Static_assert(sizeof(struct message) <= 96, "a message is kept small");

/* One account and what waits for it. */
struct slot {
	struct dispatch *dispatch;
	struct account *account;
	struct schedule *schedule;
	uint64_t size_max; /* that its server offers; 0: not known */
};

struct failed_message {
	union {
		struct by_id by_id; /* in d->failed */
		uint64_t id;        /* the same: its first member */
	};
	int64_t failed_s;  /* wall clock */
	uint64_t told_key; /* who is to be told of it (report_cap_key());
			      0: nobody, or it has been done */
	bool in_digest;    /* the one under way tells of it */
	bool seen;
	bool damaged; /* the file cannot be read: it stays until a person
			 deletes it */
	bool busy;    /* a job moves it, or its record's mark is not synced: it
			 can be looked at, no more */
};

/* A file of queue/ or failed/, found at the start. */
struct found_file {
	uint64_t id;
	struct dispatch *dispatch;
	struct message *message; /* it waits for the mark's sync */
	int64_t due_ms;          /* then */
	bool hold;               /* or it is held then */
	bool unmarked;           /* its record's mark is not yet synced */
};

struct found_files {
	struct found_file *files; /* sorted by id */
	size_t count;
	size_t taken; /* so many have been read */
};

struct follower {
	uint64_t id;
	follow_fn *fn;
	void *arg;
};

/* How the last messages ended, for one who asks a moment too late. */
#define RECENT_MAX      64
#define RECENT_TEXT_MAX 160

struct recent {
	uint64_t id;
	const char *event;
	char text[RECENT_TEXT_MAX];
};

/* With so many jobs under way no further transaction begins: each has a message
 * in memory, and what it is to write is what a killed process forgets. */
#define DISK_JOBS_MAX 16

/* Octets of jobs, with the messages and reports that they have yet to write,
 * also while the disk fails. Beyond it no transaction begins, nothing is
 * changed by hand, the start reads on later. On top come the transactions under
 * way then, and what is left of one segment. Only the mover makes it less, and
 * that waits for nothing of these. */
#define DISK_OCTETS_MAX (16 * 1024 * 1024)

enum disk_dir { DISK_NONE, DISK_QUEUE, DISK_FAILED };

/* Up to four steps in this order; the first that fails ends the job, which is
 * then tried again as a whole: every step may be repeated. */
struct disk_job {
	struct worker_job job;
	STAILQ_ENTRY(disk_job) link; /* of d->late_jobs */
	struct dispatch *dispatch;
	uint64_t id; /* of the message */
	/* 1: a report, into queue/, never over another file */
	struct buf report; /* len 0: none */
	uint64_t report_id;
	bool report_new; /* it was not there before */
	uint8_t slot;    /* of the report, or of what is put back */
	/* 2: the message's file */
	enum disk_dir write_to;
	bool replace;
	struct buf file;
	bool move; /* or its file of queue/ to failed/, as it is */
	/* 3: its old file: is to go, or went as this one of d->removed */
	enum disk_dir remove_from;
	bool copy; /* of one in failed/: it stays where that is gone */
	uint64_t removed;
	/* 4: its body */
	uint64_t remove_body;
	uint64_t body_left; /* the same, but behind the mark: for after */

	size_t octets; /* counted in d->disk_octets */
	bool optional; /* not tried again */
	int failed;
	struct err err;
	/* What comes then, on the loop. */
	void (*after)(struct disk_job *job);
	struct message *message;       /* NULL: it has left memory */
	struct failed_message gave_up; /* for after */
	int64_t due_ms;                /* for after */
	bool hold;                     /* for after */
};

struct dispatch {
	struct event_base *base;
	const struct conf *conf;
	const struct local_names *names;
	char hostname[RESOLVE_NAME_MAX + 1]; /* of this relay, for reports */
	struct counters *counters;
	void (*on_change)(void *arg); /* for the status line */
	void *change_arg;
	int queue_fd;
	int failed_fd;
	int large_fd;
	int state_fd;
	struct journal_reader *journal;
	struct worker *mover;
	struct slot *slots;
	size_t slot_count;
	struct event *settle; /* once a turn: wake accounts, arm the timer */
	struct event *due;    /* timer: the first time in the future */
	bool draining;
	int64_t started_ms;

	/* the start: names found, then read bit by bit */
	struct found_files queue_found;
	struct found_files failed_found;
	size_t unmarked; /* records of theirs, see on_record() */
	struct event *take_up;
	bool taken_up;
	bool flushed; /* before that: what is still to be read is due at once */
	bool blind;   /* something in queue/ or failed/ may name any body */

	struct by_id_tree messages;
	struct by_id_tree failed;
	size_t failed_unseen;
	size_t failed_untold;
	struct event *failed_timer;
	struct report_cap *cap;
	struct event *digest_timer;
	bool in_digest; /* one is under way */

	size_t sending;
	size_t held;
	_Atomic uint64_t removed; /* files of queue/, by the loop */
	uint64_t removed_synced;  /* the mover's alone */
	STAILQ_HEAD(, disk_job) late_jobs;
	struct event *late_timer;
	bool disk_trouble; /* told */
	size_t disk_jobs; /* submitted, and not done; what accounts save is none
			   */
	size_t disk_octets; /* of jobs, with what they have yet to write */
	bool told_account;  /* that one is named that is not there */
	struct follower followers[FOLLOWERS_MAX];
	size_t follower_count;
	struct recent recent[RECENT_MAX]; /* a ring */
	size_t recent_next;
};

/* dispatch.c: */
void dispatch_settle_soon(struct dispatch *d);
void dispatch_on_settle(evutil_socket_t fd, short what, void *arg);
size_t dispatch_due(void *arg, struct account *a, size_t max);
struct message *dispatch_add(struct dispatch *d, uint64_t id,
	const struct journal_place *place, uint8_t slot, int64_t due_ms);
/* The slot of the account of that name (in an envelope), else the first. */
uint8_t dispatch_route(struct dispatch *d, const char *account);
/* Gives the message to the account that its envelope names, where it has
 * another. Returns true when it had, and is not this account's any more. */
bool dispatch_reroute(
	struct dispatch *d, struct message *m, const struct envelope *env);
/* It has waited for so long, though it was taken up just now. */
void dispatch_set_age(struct message *m, int64_t waited_ms, int64_t arrived_s);
struct message *dispatch_find(const struct dispatch *d, uint64_t id);
/* The one of the lowest id above after_id, or NULL. */
struct message *dispatch_above(const struct dispatch *d, uint64_t after_id);
struct slot *dispatch_slot(const struct dispatch *d, const struct message *m);
void dispatch_set_stage(
	struct dispatch *d, struct message *m, enum message_stage stage);
void dispatch_wait_until(struct dispatch *d, struct message *m, int64_t due_ms);
/* Out of the schedule and of memory. */
void dispatch_drop(struct dispatch *d, struct message *m);
/* Reads envelope and content from wherever the message is. */
int dispatch_load(struct dispatch *d, const struct message *m,
	struct envelope **env_out, struct content **content_out,
	struct err *err);

/* dispatch_failed.c: */
struct failed_message *dispatch_find_failed(
	const struct dispatch *d, uint64_t id);
struct failed_message *dispatch_failed_above(
	const struct dispatch *d, uint64_t after_id);
/* A copy of *f is kept, in place of one of the same id. */
void dispatch_remember_failed(
	struct dispatch *d, const struct failed_message *f);
void dispatch_forget_failed(struct dispatch *d, uint64_t id);
/* A digest is to tell of it within an hour of its failure, also when the relay
 * was started anew meanwhile, and whatever the clock on the wall says. */
void dispatch_await_digest(struct dispatch *d, const struct failed_message *f);
/* failed/ is kept for failed-keep; what is older goes. */
void dispatch_look_at_failed(struct dispatch *d);
void dispatch_free_failed(struct dispatch *d);

/* dispatch_send.c: */
struct delivery *dispatch_next(void *arg, struct account *a, unsigned rcpt_max);
void dispatch_finished(void *arg, struct account *a, struct delivery *d);
/* Brings the clocks in *env up to now, and starts them anew in m. */
void dispatch_count_time(
	const struct dispatch *d, struct message *m, struct envelope *env);
/* It cannot be read just now; tried again a minute later. */
void dispatch_read_later(
	struct dispatch *d, struct message *m, const struct err *err);

/* dispatch_start.c: */
/* The start has found it in queue/, be it gone by now; known until all is read.
 */
bool dispatch_was_found(const struct dispatch *d, uint64_t id);

/* dispatch_report.c: */
struct report_wish {
	const struct message *message;
	const struct envelope *env;
	struct content *content; /* NULL: cannot be read */
	enum report_kind kind;
	const char *advice; /* what to do, or NULL */
};

/* Writes the report into *out, as a file of queue/. Nothing is written (len 0)
 * where nobody can be told, or the report is queued already. Returns its id. */
uint64_t dispatch_report(
	struct dispatch *d, const struct report_wish *wish, struct buf *out);
/* Whether a report about env may go out on its own just now. Otherwise, those
 * who failed stay RCPT_FAILED, to be told of later: when the message is in
 * failed/, by a digest. Counts it, and logs what is put off. */
bool dispatch_report_now(struct dispatch *d, const struct envelope *env,
	enum report_kind kind, const char *advice);
/* Of whom somebody is still to be told; 0: nobody. */
uint64_t dispatch_report_key(
	const struct dispatch *d, const struct envelope *env);
/* Puts envelope and report into a queue file's form. Of *r only addresses, id
 * and time count. Touches nothing else: the mover uses it. */
int dispatch_print_report(const struct report *r, const char *account,
	const struct buf *message, struct buf *out, struct err *err);
/* What is to be told of those of *env (that of *wish) with whom it is over, if
 * anything; its kind is chosen here. They are marked as told of, but for who
 * failed and has to wait for a digest. */
uint64_t dispatch_report_outcome(struct dispatch *d, struct report_wish *wish,
	struct envelope *env, struct buf *out);

/* dispatch_digest.c: */

/* Sets the timer for the next digest. */
void dispatch_arm_digest(struct dispatch *d);
void dispatch_on_digest_timer(evutil_socket_t fd, short what, void *arg);

/* dispatch_damaged.c: */

/* What is stored of m is not what it was: set aside in failed/, with a report
 * where its envelope can be read. m ends. */
void dispatch_damaged(
	struct dispatch *d, struct message *m, const struct err *why);

/* dispatch_disk.c: */

/* The message is done with: mark or remove it, and its body. Frees m. */
void dispatch_done(struct dispatch *d, struct message *m, uint64_t body);
/* The same, and report (taken over) goes before it. */
void dispatch_done_told(struct dispatch *d, struct message *m, uint64_t body,
	struct buf *report, uint64_t report_id);
/* Writes *env (and the content) to queue/; then due at due_ms, or on hold.
 * report (may be NULL; taken over) goes before it. */
void dispatch_save(struct dispatch *d, struct message *m, struct envelope *env,
	struct content *content, int64_t due_ms, struct buf *report,
	uint64_t report_id);
/* The same to failed/; m ends. content NULL: it cannot be read. */
void dispatch_fail(struct dispatch *d, struct message *m, struct envelope *env,
	struct content *content, struct buf *report, uint64_t report_id);
/* What is left of m to failed/, as it is: the len bytes of its record, or its
 * file of queue/. m ends. */
void dispatch_keep_bytes(
	struct dispatch *d, struct message *m, const char *data, size_t len);
/* What is left of the segment goes to queue/. */
void dispatch_on_sparse(void *arg, const struct journal_segment *segment);
/* The disk is behind: no further transaction before it has caught up. */
bool dispatch_disk_busy(const struct dispatch *d);
/* Above DISK_OCTETS_MAX: only what has to be written may still be added. */
bool dispatch_disk_is_behind(const struct dispatch *d);
/* The file of that id in queue/ goes: the one in failed/ came later. */
void dispatch_remove_copy(struct dispatch *d, uint64_t id);
/* All jobs are done or, where the disk fails still, tried once more. No more
 * can be submitted then. */
void dispatch_end_jobs(struct dispatch *d);
struct disk_job *disk_job_new(struct dispatch *d, uint64_t id);
void disk_job_submit(struct disk_job *job);
/* One that was not submitted. */
void disk_job_free(struct disk_job **job);
void dispatch_retry_jobs(struct dispatch *d);

/* dispatch_hand.c: */
/* The job is done: what was asked for meanwhile. */
void dispatch_grant_wish(struct dispatch *d, struct message *m);
void dispatch_tell(struct dispatch *d, uint64_t id, const char *event,
	const char *text, bool last);
void dispatch_tell_paused(struct dispatch *d, const struct account *a);
/* Tells who follows it that its account cannot send just now. */
void dispatch_tell_if_paused(struct dispatch *d, const struct message *m);

/* relay.c's side: */
struct dispatch_params {
	struct event_base *base;
	const struct conf *conf;
	const struct local_names *names;
	struct counters *counters;
	/* one credential an account, in the order of conf->accounts */
	const struct credential *const *credentials;
	int spool_fd;
	void (*on_change)(void *arg);
	void *arg;
};

struct dispatch *dispatch_new(
	const struct dispatch_params *params, struct err *err);
void dispatch_free(struct dispatch **d);
/* Timers are to be set anew. */
void dispatch_clock_jumped(struct dispatch *d);
void dispatch_drain(struct dispatch *d);
bool dispatch_idle(const struct dispatch *d);
struct journal_reader *dispatch_journal(const struct dispatch *d);

#endif
