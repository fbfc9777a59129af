/*
 * line.h - bytes to command or reply lines, with a limit.
 * Used by:    receiver/session (commands); relay/upstream and submit/client
 *             (replies).
 * Pure:       no descriptor, no clock, no log.
 */
#ifndef GMRELAY_PROTO_LINE_H
#define GMRELAY_PROTO_LINE_H

#include <stdbool.h>
#include <stddef.h>

/* Longest command line taken, with its line end: RFC 5321 4.5.3.1.4 asks for
 * 512, RFC 4954 section 4 for 12288 in an AUTH exchange. */
#define COMMAND_LINE_MAX 12288
/* Longest reply line taken: RFC 5321 4.5.3.1.5 asks for 512. */
#define REPLY_LINE_MAX 4096

struct line_splitter {
	size_t max;
	bool skipping; /* inside a line that was too long */
};

struct line {
	const char *text; /* into the caller's bytes, no line end */
	size_t len;
	size_t used;  /* bytes the caller must drop before the next call */
	bool bare_lf; /* it ended in LF alone */
	bool bare_cr; /* in more CRs than one */
};

void line_splitter_init(struct line_splitter *s, size_t max);

/* Looks for one line in the len bytes at data: ended by CRLF or LF, or by CR CR
 * LF, as some devices do. Returns 1 with *out set; 0 need more (out->used
 * bytes, maybe 0, can be dropped); -1 a line beyond max just ended (drop
 * out->used bytes). */
int line_split(struct line_splitter *s, const char *data, size_t len,
	struct line *out);

#endif
