/*
 * local.h - addresses without a domain, or with this machine's: whom they mean.
 * Used by:    receiver/mail (recipients), receiver/verbs_mail (senders),
 *             relay/report (whom to tell), parent/names (aliases that lead
 *             nowhere), proto/sender.
 * Pure:       no descriptor, no clock, no log.
 * Invariant:  what comes out has a domain.
 * Source:     gmrelayd.conf(5), "aliases" and "default-domain".
 *
 * This machine keeps no mailboxes, so a local name is worth what leads on:
 *   1. its alias;
 *   2. postmaster and mailer-daemon: the owner (the setting postmaster, else
 *      the account's address);
 *   3. the name at default-domain, where that is set;
 *   4. root and the other accounts that a system is born with: what root's
 *      alias says, else the owner;
 *   5. nobody.
 * Names at localhost and at a host name without a dot are local names. Names at
 * this machine's full name are, where 1, 2 or 4 apply; else they are left as
 * they are, since mail may well go there. That does not hold where it is the
 * domain of the account or default-domain: there a full address means what it
 * says.
 */
#ifndef GMRELAY_PROTO_LOCAL_H
#define GMRELAY_PROTO_LOCAL_H

#include "proto/address.h"

#include <stdbool.h>

struct aliases;

/* All borrowed. */
struct local_names {
	const struct aliases *aliases; /* NULL: none */
	const char *default_domain;    /* "": none */
	const char *host;              /* this machine's name, or a literal */
	const char *postmaster;        /* a whole address; "": none */
	const char *account;           /* a whole address */
};

enum local_outcome {
	LOCAL_NOT,     /* no local name: nothing was added */
	LOCAL_KNOWN,   /* everybody it means was added */
	LOCAL_NOBODY,  /* no alias, no domain */
	LOCAL_REFUSED, /* its alias has nothing that is done here */
	LOCAL_FAILED,  /* add said so, or no memory */
};

/* Takes one whole address. Returns 0, -1 to stop. */
typedef int local_add_fn(void *arg, const struct address *address);

/* Whom an address means. Each is added once as far as aliases say. */
enum local_outcome local_expand(const struct local_names *names,
	const struct address *address, local_add_fn *add, void *arg);

/* The domain that an address without one gets where it is not a recipient:
 * default-domain, else the host. */
const char *local_domain(const struct local_names *names);

/* Gives *address this domain where it has none. Returns 0; -1 with err where it
 * does not fit. */
int local_qualify(struct address *address, const char *domain, struct err *err);

/* Whom to tell of a message from this address, if it is a local name, or one at
 * default-domain, with an alias: the first address behind it. Returns whether
 * there is one. */
bool local_alias(const struct local_names *names, const struct address *address,
	struct address *out);

#endif
