/*
 * body.h - the message as it comes in (DATA or BDAT bytes) to clean lines, and
 *          lines to the bytes of a DATA phase.
 * Used by:    receiver/intake (in), relay/upstream_body (out).
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 5321 2.3.8, 4.1.1.4, 4.5.2; RFC 3030; the table in
 *             ARCHITECTURE.md, "Normalisation".
 */
#ifndef GMRELAY_PROTO_BODY_H
#define GMRELAY_PROTO_BODY_H

#include "base/buf.h"

#include <stdbool.h>
#include <stddef.h>

#define TEXT_LINE_MAX  (64 * 1024) /* without line end */
#define BODY_LINES_MAX (8 * 1024)  /* handed on at once, with line ends */

enum body_mode {
	BODY_DATA, /* dots removed; CRLF.CRLF, and nothing else, ends (but see
		      lf_dot) */
	BODY_BDAT, /* no dots; the end is told by body_decoder_end() */
};

enum body_problem {
	BODY_FINE,
	BODY_NUL,           /* 554 5.6.0 after the end of data */
	BODY_LINE_TOO_LONG, /* 554 5.6.0 after the end of data */
};

/* Line ends: CRLF, LF, and any number of CRs before LF (some devices send CR CR
 * LF). After each of them a dot is removed; after a bare CR that became a new
 * line none is, for to the sender no line began there. Out of memory aborts. */

/* One line without its end; text lives for the call. The callee may set
 * decoder->in_header to false: bare CR then means a new line, no longer a
 * space. */
typedef void body_line_fn(void *arg, const char *text, size_t len);

/* Lines of the body that need no change, each with its CRLF, as they lie in
 * what was fed: a line that was whole and clean comes by this instead, with as
 * many of its like as follow, up to BODY_LINES_MAX octets. */
typedef void body_lines_fn(void *arg, const char *text, size_t len);

struct body_decoder {
	enum body_mode mode;
	bool in_header;            /* true at the start */
	bool lf_dot;               /* see body_decoder_may_end(); DATA alone */
	bool eight_bit;            /* a byte above 127 was seen */
	bool bare_lf;              /* a line ended in LF alone */
	bool bare_cr;              /* CR elsewhere than right before LF */
	enum body_problem problem; /* the first; no more lines are handed on */
	body_line_fn *on_line;
	body_lines_fn *on_lines; /* NULL, unless set: all come by on_line */
	void *arg;
	struct buf held; /* the line begun in earlier bytes */
	int state;       /* private to body.c, as are: */
	size_t cr_run;   /* CRs whose meaning the next byte tells */
	bool lone_dot; /* such a line came last; with lf_dot it is held back */
};

/* Starts with the first byte after the DATA or BDAT command. */
void body_decoder_init(struct body_decoder *d, enum body_mode mode,
	body_line_fn *on_line, void *arg);

/* Takes the len bytes at data; *used_out tells how many belong to the message.
 * Returns 1 when the end of data was seen (bytes beyond *used_out are
 * commands), 0 otherwise (all used). Goes on looking for the end after a
 * problem. */
int body_decoder_feed(
	struct body_decoder *d, const char *data, size_t len, size_t *used_out);

/* With lf_dot, set before the first byte: true when all that was fed ends with
 * a line of one dot, by whatever line ends, which was no end of data. It is
 * none if anything follows: the caller is to wait before it takes it for one,
 * by calling body_decoder_end(). Some devices end each line in LF. */
bool body_decoder_may_end(const struct body_decoder *d);

/* The same without lf_dot, where it is text: for a hint. */
bool body_decoder_ends_by_dot(const struct body_decoder *d);

/* The last BDAT chunk has been fed: hands on a last line without line end. In
 * DATA: the lone dot that came last was the end. */
void body_decoder_end(struct body_decoder *d);

void body_decoder_free(struct body_decoder *d);

/* Dot-stuffing for DATA, as a stream: at_line_start begins true and is kept
 * between calls. The input is the stored form: lines that end in CRLF. */
struct dot_stuffer {
	bool at_line_start;
};

/* Appends data to out with a dot before each line's leading dot. Needs at most
 * 2 * len bytes of room. Returns 0, -1 when out is full (out unchanged). */
int dot_stuff(
	struct dot_stuffer *s, const char *data, size_t len, struct buf *out);

#endif
