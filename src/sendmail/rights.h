/*
 * rights.h - the group that may write to SPOOL/drop/, used only while needed.
 * Used by:    sendmail/.
 * Invariant:  between rights_raise() and rights_lower() nothing is done but the
 *             work in drop/; a program that is run has no rights of ours.
 */
#ifndef GMRELAY_SENDMAIL_RIGHTS_H
#define GMRELAY_SENDMAIL_RIGHTS_H

#include <stdbool.h>
#include <sys/types.h>

struct rights {
	gid_t own;
	gid_t raised;
	bool trusted; /* we have no rights but the user's: the environment may
			 say where things are */
};

/* To be called first: lowers the rights, and opens what is closed of standard
 * input, output and error. Returns 0; -1: nothing more may be done. */
int rights_begin(struct rights *r);

int rights_raise(const struct rights *r); /* 0, -1 */
int rights_lower(const struct rights *r);
int rights_give_up(const struct rights *r); /* for good */

/* The variable's value where the environment is trusted, else otherwise. */
const char *rights_setting(
	const struct rights *r, const char *variable, const char *otherwise);

#endif
