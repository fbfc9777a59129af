/*
 * dsn.h - what a client asks of reports about its mail: NOTIFY, RET, ENVID and
 *         ORCPT.
 * Used by:    proto/command, spool/envelope, submit/drop_format,
 *             sendmail/options, relay/report, relay/upstream_body.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 3461 section 4; RFC 6533 section 3 (ORCPT=utf-8;...).
 */
#ifndef GMRELAY_PROTO_DSN_H
#define GMRELAY_PROTO_DSN_H

#include <stdbool.h>
#include <stddef.h>

/* NOTIFY, as a set. DSN_NEVER stands alone; nothing at all means that the
 * client did not say: what failed and what is late is told then. */
enum {
	DSN_NEVER = 1,
	DSN_SUCCESS = 2,
	DSN_FAILURE = 4,
	DSN_DELAY = 8,
};

enum dsn_ret {
	DSN_RET_UNSAID, /* as HDRS */
	DSN_RET_FULL,
	DSN_RET_HDRS,
};

/* RFC 3461 4.4: of an identifier, as it was before it became xtext; then up to
 * three octets stand for one. */
#define DSN_ENVID_MAX      100
#define DSN_ENVID_TEXT_MAX (3 * DSN_ENVID_MAX)
/* RFC 3461 4.2 and 5: of all that ORCPT says, as xtext. */
#define DSN_ORCPT_MAX 500
/* Room for NOTIFY in words, with its NUL. */
#define DSN_NOTIFY_SIZE sizeof("SUCCESS,FAILURE,DELAY")

/* Words in letters of any case. Return 0; -1: not one of these. */
int dsn_parse_notify(const char *text, size_t len, unsigned *notify_out);
int dsn_parse_ret(const char *text, size_t len, enum dsn_ret *ret_out);

/* The same in words, upper case; "" where nothing was said. */
const char *dsn_print_notify(unsigned notify, char text[DSN_NOTIFY_SIZE]);
const char *dsn_ret_name(enum dsn_ret ret);

/* Whether something is to be said when one of these (DSN_SUCCESS ...) happens.
 * Of success only when asked. */
bool dsn_wants(unsigned notify, unsigned event);

/* What is wanted of a recipient who was named twice: what either wanted. */
unsigned dsn_merge(unsigned one, unsigned other);

/* xtext of printable ASCII, blanks included, of 1 to DSN_ENVID_MAX octets. */
bool dsn_is_envid(const char *text, size_t len);

/* "type;xtext", the address printable ASCII, or UTF-8 where the type is utf-8;
 * DSN_ORCPT_MAX octets at most. */
bool dsn_is_orcpt(const char *text, size_t len);

/* What the xtext in text (of one of the above, up to its NUL) stands for, in
 * out, which has room for as much as text has and is ended by NUL. */
void dsn_decode(const char *text, char *out);

#endif
