/*
 * address.h - mailbox addresses: paths of the envelope, mailboxes of headers.
 * Used by:    proto/command (paths), proto/mailbox (headers), proto/aliases,
 *             proto/local; whoever reads an address elsewhere.
 * Pure:       no descriptor, no clock, no log.
 * Source:     RFC 5321 4.1.2 and 4.1.3, RFC 5322 3.4, RFC 6531 3.3.
 */
#ifndef GMRELAY_PROTO_ADDRESS_H
#define GMRELAY_PROTO_ADDRESS_H

#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define ADDRESS_LOCAL_MAX  64  /* RFC 5321 4.5.3.1.1, octets */
#define ADDRESS_DOMAIN_MAX 255 /* RFC 5321 4.5.3.1.2 */
#define ADDRESS_MAX        (ADDRESS_LOCAL_MAX + 1 + ADDRESS_DOMAIN_MAX)

struct address {
	char text[ADDRESS_MAX + 1]; /* local@domain, canonical; "" is <> */
	size_t local_len;           /* octets before the '@' */
	bool utf8;                  /* needs SMTPUTF8 (RFC 6531) */
	unsigned quirks;            /* what was overlooked: base/quirk.h */
};

/* Parses one addr-spec of len bytes, without angle brackets. The local part is
 * a dot-string or quoted-string (kept quoted only where it must be), the
 * domain a name (a trailing dot goes) or an address literal; it may hold valid
 * UTF-8. unqualified_ok: a local part alone passes. No control character comes
 * through, and none of "<>,;:()[]\ and space outside quotes or a literal.
 * Returns 0; -1 with err, ERR_LIMIT for a part that is too long. */
int address_parse(struct address *out, const char *text, size_t len,
	bool unqualified_ok, struct err *err);

/* Parses an envelope path at text: "<addr>", "<@a,@b:addr>" (the source route
 * is dropped, RFC 5321 appendix C), "<>" where null_ok, and, when tolerant:
 * spaces before, no brackets, doubled brackets, a display name before or inside
 * the brackets, a trailing dot, no domain. Where no null path is allowed
 * (RCPT), the word "postmaster" always passes without a domain (RFC
 * 5321 4.5.1). *used_out is how far the path reached; what follows is a space,
 * a tab or the end. Returns 0, -1 with err. */
int address_parse_path(struct address *out, const char *text, size_t len,
	bool null_ok, bool tolerant, size_t *used_out, struct err *err);

/* True when the domain is one that mail from outside could be sent to: two
 * labels at least, not an address literal, not .local, .localdomain,
 * .internal, .lan, .home.arpa, .invalid, .test or .example, not localhost. */
bool address_is_routable(const struct address *address);

/* True when the domain is localhost or localhost.localdomain. */
bool address_is_localhost(const struct address *address);

/* True for what RFC 5321 4.1.1.1 lets HELO and EHLO say: the name of a host, to
 * the letter, or an address literal. */
bool address_is_host(const char *text, size_t len);

/* Addresses are the same: domains without regard to case, local parts
 * likewise, as Gmail does. */
bool address_same(const char *a, const char *b);

#endif
