/*
 * secrets.h - what the receiver read before it gave up its rights: certificate
 *             and key for clients, and the users.
 * Used by:    receiver/receiver; the functions are in receiver/receiver.h.
 */
#ifndef GMRELAY_RECEIVER_SECRETS_H
#define GMRELAY_RECEIVER_SECRETS_H

struct receiver_secrets {
	struct tls_server *tls; /* NULL: no certificate is configured */
	struct users *users;    /* NULL: no users file is */
};

#endif
