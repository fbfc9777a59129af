/*
 * report_internal.h - the frame of a report, and what is read of the message
 *                     that it is about: shared by report.c (about one) and
 *                     report_digest.c (about many).
 */
#ifndef GMRELAY_RELAY_REPORT_INTERNAL_H
#define GMRELAY_RELAY_REPORT_INTERNAL_H

#include "relay/report.h"

/* Octets of the original's subject. */
#define REPORT_SUBJECT_MAX 400

/* What is known of the original message. */
struct report_original {
	struct buf block; /* its header fields, whole lines with CRLF */
	struct buf whole; /* all of it, where it is returned; else empty */
	struct buf subject;
	struct buf message_id;
};

/* content may be NULL. What cannot be read is as if it were not there. */
void report_original_read(struct report_original *o, struct content *content);
void report_original_free(struct report_original *o);

/* The header and what stands before the first part. Of *r only the addresses,
 * names, id and time count. answered: the Message-ID it is about, or NULL.
 * eight_bit: a part is. Return 0, -1 when out is full. */
int report_header(const struct report *r, const char *subject,
	const char *answered, bool eight_bit, struct buf *out);

/* A part: boundary, its type, and text in the encoding it needs. */
int report_part(const struct report *r, const char *type,
	const struct buf *text, struct buf *out);
int report_parts_end(const struct report *r, struct buf *out);

#endif
