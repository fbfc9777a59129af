/*
 * header_qualify.h - addresses without a domain in To, Cc and their like.
 * Used by:    proto/header.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  the domain goes in, nothing else changes.
 * Source:     RFC 5322 3.4.1; RFC 6409 8.1 (a submission server may complete
 *             addresses). Cron and its like write "To: root".
 */
#ifndef GMRELAY_PROTO_HEADER_QUALIFY_H
#define GMRELAY_PROTO_HEADER_QUALIFY_H

#include "base/buf.h"
#include "proto/header_field.h"

#include <stdbool.h>

/* Appends the field with "@domain" behind each name that stands where an
 * address should ("root", "<root>", "root (Cron)"): one atom in ASCII, alone or
 * in angle brackets, and no encoded-word. Appends nothing where there is none,
 * or the field is none of those that people answer to; *changed_out tells.
 * Linear in the field's length. Returns 0, -1 when out is full. */
int header_qualify(struct buf *out, const struct header_field *f,
	const char *domain, bool *changed_out);

#endif
