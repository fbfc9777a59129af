/*
 * dispatch.h - all messages in the spool: which is due, what became of it.
 * Used by:    relay/relay (makes it), relay/control (shows and changes it).
 * Invariant:  every message taken over ends delivered, in failed/ with a
 *             report, or deleted by a person; one that is damaged on disk as
 *             well, with a report where it can be told about whom.
 */
#ifndef GMRELAY_RELAY_DISPATCH_H
#define GMRELAY_RELAY_DISPATCH_H

#include "base/err.h"
#include "relay/account.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct dispatch;

enum message_state {
	MESSAGE_WAITING, /* for its next time, or its account */
	MESSAGE_SENDING,
	MESSAGE_HELD,   /* by hand */
	MESSAGE_FAILED, /* in failed/ */
};

const char *message_state_name(enum message_state state);

struct message_info {
	uint64_t id;
	enum message_state state;
	bool in_journal;           /* no history yet */
	int64_t next_ms;           /* until due; 0 or less: due */
	const char *account_waits; /* NULL: its account sends */
	struct envelope *envelope; /* owned by the receiver of the info */
};

struct dispatch_counts {
	size_t queued; /* all but failed */
	size_t sending;
	size_t held;
	size_t failed;
	size_t failed_unseen; /* nobody has looked at them */
	size_t failed_untold; /* a digest is to tell of them */
	bool starting;        /* queue/ is not yet read to its end */
	int64_t oldest_ms; /* since the first of the queued came in; 0: none */
};

/* Looks at every message. */
void dispatch_counts(const struct dispatch *d, struct dispatch_counts *out);
/* The one of them that is told with every change. */
size_t dispatch_failed_unseen(const struct dispatch *d);

/* Up to max messages with ids above after_id (0: from the start), in the order
 * of ids, of the queue or of failed/. Envelopes are read; a message that cannot
 * be read comes without. Returns how many. */
size_t dispatch_list(struct dispatch *d, bool failed, uint64_t after_id,
	struct message_info *out, size_t max);

/* One message, wherever it is. content_out may be NULL; the caller owns what
 * it gets. With it, one in failed/ whose envelope cannot be read comes without,
 * the file as the content. Returns 0, -1 with err (none of that id, or
 * damaged). */
int dispatch_read(struct dispatch *d, uint64_t id, struct message_info *out,
	struct content **content_out, struct err *err);

/* By hand. Return 0, -1 with err: none of that id, or being sent just now. A
 * failed message is put back into the queue by retry, with its clocks at the
 * start. The disk follows at once, in a thread. */
int dispatch_hold(struct dispatch *d, uint64_t id, struct err *err);
int dispatch_release(struct dispatch *d, uint64_t id, struct err *err);
int dispatch_retry(struct dispatch *d, uint64_t id, struct err *err);
int dispatch_delete(struct dispatch *d, uint64_t id, struct err *err);

/* Somebody has looked at this failed message. */
void dispatch_seen(struct dispatch *d, uint64_t id);

/* Every message is due now, back-off forgotten, throttled accounts probed at
 * once; held ones are left. During a start that holds for what is still to be
 * read. */
void dispatch_flush(struct dispatch *d);

size_t dispatch_account_count(const struct dispatch *d);
struct account *dispatch_account(const struct dispatch *d, size_t index);

/* What happens to the message id from now on is told to fn, until its end or
 * dispatch_unfollow(): "attempt", "deferred", "delivered", "failed", "paused"
 * and "deleted", with a sentence. One that is not known may be on its way; one
 * that ended lately, or waits for its account, is told of from inside. Who
 * follows is forgotten when last was told. At most FOLLOWERS_MAX at a time.
 * Returns 0, -1 with err. */
#define FOLLOWERS_MAX 32
typedef void follow_fn(
	void *arg, uint64_t id, const char *event, const char *text, bool last);
int dispatch_follow(struct dispatch *d, uint64_t id, follow_fn *fn, void *arg,
	struct err *err);
void dispatch_unfollow(struct dispatch *d, follow_fn *fn, void *arg);

#endif
