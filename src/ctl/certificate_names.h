/*
 * certificate_names.h - the names in a certificate: asked for, or this
 *                       machine's.
 * Used by:    ctl/certificate.
 */
#ifndef GMRELAY_CTL_CERTIFICATE_NAMES_H
#define GMRELAY_CTL_CERTIFICATE_NAMES_H

#include "base/buf.h"
#include "base/err.h"

#include <stdbool.h>
#include <stddef.h>

#define CERTIFICATE_NAMES_MAX 32
#define CERTIFICATE_NAME_MAX  253

struct conf;
struct ctl_args;

struct certificate_names {
	char names[CERTIFICATE_NAMES_MAX][CERTIFICATE_NAME_MAX + 1];
	bool is_address[CERTIFICATE_NAMES_MAX];
	size_t count;
};

/* Those of args; where there are none, the configured (conf NULL: no
 * configuration) or the machine's own name, and its addresses. Returns 0, -1
 * with err. */
int certificate_find_names(struct certificate_names *out,
	const struct ctl_args *args, const struct conf *conf, struct err *err);

/* Appends "DNS:relay.example.com,IP:192.0.2.1". */
void certificate_print_names(
	const struct certificate_names *names, struct buf *out);

#endif
