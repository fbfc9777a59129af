/*
 * command.h - one SMTP command line to verb and argument; the parameters of
 *             MAIL, RCPT and BDAT.
 * Used by:    receiver/verbs*, receiver/login, receiver/mail.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 5321 4.1.1, 4.1.2; RFC 1870, 6152, 6531, 3030, 3461.
 */
#ifndef GMRELAY_PROTO_COMMAND_H
#define GMRELAY_PROTO_COMMAND_H

#include "base/err.h"
#include "proto/address.h"
#include "proto/dsn.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define VERB_MAX 12

struct command {
	char verb[VERB_MAX + 1]; /* upper case; "" when it is no word */
	const char *arg;         /* white space around it removed */
	size_t arg_len;
	unsigned quirks; /* what was overlooked: base/quirk.h */
};

/* Splits a line (no line end). Returns 0; -1 with err when it holds NUL, CR or
 * is empty. Longer words than VERB_MAX give verb "". */
int command_parse(
	struct command *out, const char *line, size_t len, struct err *err);

enum command_body { COMMAND_BODY_7BIT, COMMAND_BODY_8BITMIME };

struct command_mail {
	struct address reverse_path; /* its quirks: those of the whole line */
	bool has_size;
	uint64_t size; /* RFC 1870: octets; the highest where more are told */
	enum command_body body;
	bool smtputf8;
	bool has_uid;
	uint32_t uid; /* XUID: of whom the relay took the message */
	enum dsn_ret ret;
	char envid[DSN_ENVID_TEXT_MAX + 1]; /* xtext; "": none */
};

struct command_rcpt {
	struct address address;        /* its quirks: those of the whole line */
	unsigned notify;               /* DSN_NEVER ... */
	char orcpt[DSN_ORCPT_MAX + 1]; /* "type;xtext"; "": none */
};

/* The argument of MAIL: "FROM:<path> [parameters]". Tolerant: case, spaces
 * around the colon, what address_parse_path() tolerates, unknown parameters, a
 * SIZE that is no number (strict: 555), and what is wrong about DSN, or there
 * twice (strict: 501, RFC 3461 4) ignored. err->kind: ERR_SYNTAX bad syntax
 * (501), ERR_LIMIT an unknown or bad parameter (555). Returns 0, -1 with err.
 */
int command_parse_mail(struct command_mail *out, const char *arg, size_t len,
	bool tolerant, struct err *err);

/* The argument of RCPT: "TO:<path> [parameters]"; as above, the quirks too. */
int command_parse_rcpt(struct command_rcpt *out, const char *arg, size_t len,
	bool tolerant, struct err *err);

/* The argument of BDAT (RFC 3030 section 2): "SIZE [LAST]". Returns 0, -1. */
int command_parse_bdat(
	const char *arg, size_t len, uint64_t *size_out, bool *last_out);

#endif
