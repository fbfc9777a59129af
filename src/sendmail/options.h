/*
 * options.h - the command line of sendmail(8), read by one table.
 * Used by:    sendmail/main.
 * Pure:       no descriptor, no clock, no environment.
 * Source:     the option string of sendmail 8.18 and its manual.
 */
#ifndef GMRELAY_SENDMAIL_OPTIONS_H
#define GMRELAY_SENDMAIL_OPTIONS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define OPTIONS_STRING_MAX 128

enum mode {
	MODE_DELIVER, /* -bm: a message on standard input */
	MODE_SMTP,    /* -bs: SMTP on standard input and output */
	MODE_QUEUE,   /* -bp, mailq: show what waits */
	MODE_ALIASES, /* -bi, newaliases */
	MODE_FLUSH,   /* -q: try what waits now */
};

/* The texts are those of argv. */
struct options {
	enum mode mode;
	bool from_header; /* -t: recipients stand in the header, too */
	bool keep_dots;   /* -i: a lone dot does not end the message */
	bool verbose;
	const char *sender;    /* NULL: the user who runs us */
	const char *full_name; /* NULL: what passwd(5) knows */
	char *notify;          /* DSN, in upper case; NULL: as usual; owned */
	char *ret;             /* likewise */
	const char *envid;
	const char **rcpts; /* as written; owned, its texts are not */
	size_t rcpt_count;
};

/* Reads argv; argv[0] may choose the mode (mailq, newaliases). Options may
 * stand behind recipients, up to "--". Returns 0; -1 with err, what is wrong
 * with them. */
int options_read(
	struct options *out, int argc, char *const *argv, struct err *err);
void options_free(struct options *options);

/* Whether an address in an argument is without line ends and other control
 * characters, which a program that was given a stranger's text may pass on:
 * what stands behind them is not what was meant. One at the very end, that a
 * script forgot to take off, is nothing. */
bool options_is_one_line(const char *text);

/* Writes the table as getopt(3) would have it: for a test, which compares it
 * with sendmail's. Returns text. */
const char *options_string(char text[OPTIONS_STRING_MAX]);

#endif
