/*
 * finding.h - what doctor finds: told as it comes, counted for the end.
 * Used by:    ctl/doctor, ctl/doctor_local.
 */
#ifndef GMRELAY_CTL_FINDING_H
#define GMRELAY_CTL_FINDING_H

#include "ctl/ctl.h"

#include <jansson.h>
#include <stddef.h>

enum finding_status {
	FINDING_OK,
	FINDING_WARN,
	FINDING_FAIL,
	FINDING_UNKNOWN, /* cannot be told from here, by this user */
	FINDING_COUNT,
};

struct findings {
	struct ctl *ctl;
	json_t *list;
	size_t counts[FINDING_COUNT];
};

/* One finding: where ("spool", "default IPv4 login"), what, and the cure (NULL
 * or "": none is needed). */
void finding_tell(struct findings *f, enum finding_status status,
	const char *where, const char *text, const char *advice);

/* The parts that need no daemon: configuration, credentials, spool. */
void doctor_local(struct findings *f);

#endif
