/*
 * fake_login.h - stands in for receiver/tls.h and base/password_hash.h.
 * Used by:    tests/fuzz/fuzz_session.
 */
#ifndef GMRELAY_TESTS_FAKE_LOGIN_H
#define GMRELAY_TESTS_FAKE_LOGIN_H

#include "receiver/tls.h"

/* All of a client's handshake, as its first octet is. */
#define FAKE_TLS_HELLO '\x16'

/* Handshakes that succeeded. */
extern unsigned fake_handshakes;

const struct tls_server *fake_tls_server(void);

#endif
