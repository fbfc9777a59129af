/*
 * report_sample.h - reports to look at: the kinds and the hard cases.
 * Used by:    test_report, and report_parses.py through report_samples.
 */
#ifndef TESTS_UNIT_REPORT_SAMPLE_H
#define TESTS_UNIT_REPORT_SAMPLE_H

#include "base/buf.h"
#include "relay/report.h"

#include <stddef.h>

#define REPORT_SAMPLE_RCPTS 5

struct report_rcpt {
	const char *address;
	enum rcpt_state state;
	const char *reply; /* NULL: none */
};

struct report_sample {
	const char *name;
	enum report_kind kind;
	const char *message; /* the original; NULL: cannot be read */
	const char *to;
	const char *hostname;
	const char *remote;
	const char *advice;
	const char *reason;
	int64_t expire_s;
	enum dsn_ret ret;
	const char *envid; /* NULL: none */
	uint64_t size_max; /* of upstream; 0: not known */
	bool eight_bit;    /* so is the report, then */
	/* the last one: no address */
	struct report_rcpt rcpts[REPORT_SAMPLE_RCPTS];
	/* what was asked about each of them */
	unsigned notify[REPORT_SAMPLE_RCPTS];
	const char *orcpt[REPORT_SAMPLE_RCPTS]; /* NULL: none */
};

extern const struct report_sample report_samples[];
extern const size_t report_sample_count;

/* Writes the report of the sample. Returns what report_write() does. */
int report_sample_write(const struct report_sample *sample, struct buf *out);

/* Writes a digest that names all samples, over and over, until named messages
 * are named, and is about so many. Returns what digest_write() does. */
int report_sample_digest(size_t named, size_t messages, struct buf *out);

#endif
