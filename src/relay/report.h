/*
 * report.h - delivery status notifications: failures, delays, and what was
 *            handed over.
 * Used by:    relay/dispatch_report, relay/drop_send; its parts by
 *             relay/report_digest.
 * Pure:       no descriptor, no log; time and names come in.
 * Source:     RFC 3461, 3462/6522, 3464, 3834; RFC 5321 4.5.5 and 6.1.
 */
#ifndef GMRELAY_RELAY_REPORT_H
#define GMRELAY_RELAY_REPORT_H

#include "base/buf.h"
#include "base/err.h"
#include "proto/address.h"
#include "proto/local.h"
#include "spool/content.h"
#include "spool/envelope.h"

#include <stdbool.h>
#include <stdint.h>

/* How much of the original's header block a report quotes. */
#define REPORT_HEADERS_MAX (32 * 1024)
/* Recipients named in a report; beyond, only their number is told. */
#define REPORT_RECIPIENTS_MAX 1000
/* A longer message is not returned, even to who asked for it (RET=FULL): its
 * header is. */
#define REPORT_RETURNED_MAX (1024 * 1024)
/* Room that is always enough for a report. */
#define REPORT_SIZE_MAX (4 * 1024 * 1024)

enum report_kind {
	REPORT_FAILED,  /* recipients failed for good */
	REPORT_DELAYED, /* still trying */
	REPORT_RELAYED, /* upstream took it, and says no more */
};

struct report {
	enum report_kind kind;
	/* Reported are the recipients that report_is_wanted() says; in a report
	 * of failures those of REPORT_RELAYED as well. */
	const struct envelope *original;
	struct content *content; /* the original; read from its start */
	const char *to;          /* who gets the report */
	const char *from;        /* the account's address */
	const char *hostname;    /* of this relay */
	const char *remote;      /* the server that answered, or NULL */
	uint64_t id;             /* of the report itself */
	uint64_t size_max; /* upstream's SIZE; 0: not known. A report with the
			      whole message that is larger has its header */
	int64_t now_s;
	int64_t expire_s;   /* DELAYED: seconds until we give up; -1 unknown */
	const char *advice; /* what to do, or NULL */
};

/* The one place that says whether this kind of report is about the recipient,
 * by what happened to him and what NOTIFY asks (RFC 3461 4.1). */
bool report_is_wanted(enum report_kind kind, const struct envelope_rcpt *rcpt);
size_t report_count(enum report_kind kind, const struct envelope *env);

/* Whether something is to be told of recipients with whom it is over, and in
 * which kind of report. */
bool report_is_due(const struct envelope *env, enum report_kind *kind_out);

/* Those of this kind were told of (not of a delay, which is the message's):
 * never again. */
void report_mark_told(enum report_kind kind, struct envelope *env);

/* RET=FULL, and a report can hold the whole message: it is not too long, not
 * damaged, and was not refused for its content. */
bool report_returns_all(const struct envelope *env);

/* Appends the whole report message (CRLF lines, 7-bit but for a UTF-8 address
 * in To and for an 8-bit message that is returned whole, not dot-stuffed) to
 * out. Returns 0, -1 with err when out is full. An unreadable original only
 * loses its part. */
int report_write(const struct report *r, struct buf *out, struct err *err);

/* Who hears about a message: what the alias of its reverse-path says where that
 * is a name of this machine, else the reverse-path when that is an address that
 * can be reached from Gmail, else postmaster, else NULL (nobody: log it). Never
 * for a null reverse-path or a report. The result points into the arguments. */
const char *report_recipient(const struct envelope *original,
	const struct local_names *names, struct address *scratch);

/* The report's id follows from the message's, so that a report written again
 * after a crash is the same one. */
uint64_t report_id(uint64_t message_id, enum report_kind kind);

#endif
