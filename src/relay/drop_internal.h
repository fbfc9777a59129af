/*
 * drop_internal.h - one file of SPOOL/drop/ on its way to the receiver.
 * Used by:    relay/drop_file, relay/drop_send.
 */
#ifndef GMRELAY_RELAY_DROP_INTERNAL_H
#define GMRELAY_RELAY_DROP_INTERNAL_H

#include "relay/drop_file.h"
#include "submit/client.h"
#include "submit/drop_format.h"

struct drop_mail {
	const char *name;
	int fd;
	uid_t uid;
	struct drop_parser parser;
	struct submit_message message;
};

/* Hands the message in for those recipients that are open, and tells the sender
 * who was refused: those are SUBMIT_TAKEN then, as nothing is left to be done
 * for them. Sets out->fate and why:
 *   TAKEN, REFUSED        nothing is open
 *   LATER, UNREACHABLE    something is
 *   SET_ASIDE             what is open was refused, and nobody can be told */
void drop_send(struct drop_look *look, struct drop_mail *mail,
	struct drop_outcome *out);

#endif
