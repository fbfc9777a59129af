/*
 * smtp.h - hands one message in by plain SMTP, as any program does.
 * Used by:    ctl/test.
 * Blocks:     yes; until until_ms (boot clock) at most.
 * Source:     RFC 5321.
 */
#ifndef GMRELAY_CTL_SMTP_H
#define GMRELAY_CTL_SMTP_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct conf;

struct smtp_message {
	const char *from;
	const char *to;
	bool smtputf8;
	const char *text; /* headers and body, CRLF lines */
	int64_t until_ms;
};

/* Opens the submit socket, else the first listening address. conf NULL: the
 * default ones. place_out tells which. Returns the descriptor, -1 with err. */
int smtp_connect(const struct conf *conf, int64_t until_ms, char *place_out,
	size_t size, struct err *err);

/* Sends it over fd, which is closed. id_out (17 bytes) gets the id of "queued
 * as". Returns 0, -1 with err: the refusal in the daemon's words. */
int smtp_send(
	int fd, const struct smtp_message *m, char *id_out, struct err *err);

#endif
