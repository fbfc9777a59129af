/*
 * fake_upstream.h - a submission server that plays a script, in a thread, and
 *                   the certificates it shows.
 * Used by:    test_tls, test_upstream.
 * Blocks:     the thread does, at most FAKE_WAIT_S at a time; then the script
 *             has failed.
 */
#ifndef GMRELAY_TESTS_FAKE_UPSTREAM_H
#define GMRELAY_TESTS_FAKE_UPSTREAM_H

#include "base/buf.h"

#include <openssl/ssl.h>

#include <netinet/in.h>
#include <pthread.h>
#include <stdbool.h>

#define FAKE_HOST   "smtp.fake.test"
#define FAKE_WAIT_S 10

enum fake_cert {
	FAKE_CERT_GOOD,
	FAKE_CERT_WRONG_NAME, /* mail.other.test, www.other.test */
	FAKE_CERT_CN_ONLY,    /* FAKE_HOST as CN, another SAN */
	FAKE_CERT_PARTIAL,    /* sm*.fake.test */
	FAKE_CERT_EXPIRED,
	FAKE_CERT_FUTURE,
	FAKE_CERT_UNKNOWN_CA,
	FAKE_CERT_ADDRESS, /* 127.0.0.1 */
	FAKE_CERT_COUNT
};

struct fake_pki {
	char dir[64];
	char ca_file[96];
	char junk_file[96]; /* no PEM in it */
	SSL_CTX *contexts[FAKE_CERT_COUNT];
};

void fake_pki_init(struct fake_pki *pki);
void fake_pki_free(struct fake_pki *pki);

/* A script is a list of steps, NULL behind the last:
 *   "S text"    says text and CRLF          "C pattern" hears a line like it
 *   "RAW text"  says text, "|" is CRLF      "QUIET"     has nothing to hear
 *   "TLS"       shakes hands                "NOTLS"     fails to
 *   "DATA"      takes all up to CRLF.CRLF   "BYTES n"   takes n bytes
 *   "EOF"       hears the end               "CLOSE"     hangs up
 *   "RESET"     hangs up with an RST        "ACCEPT"    takes the next call
 *   "CUT"       takes all up to the end     "WAIT"      for fake_server_join()
 * Before the first step the first call is taken. */
struct fake_server {
	struct sockaddr_in address;
	int listen_fd;
	int wait_fds[2]; /* closed by fake_server_join() */
	pthread_t thread;
	const char *const *script;
	SSL_CTX *ctx;
	/* to be read when it has ended */
	char failure[512];
	char sni[256];
	struct buf body;  /* what "DATA", "BYTES" and "CUT" took */
	unsigned resumed; /* TLS sessions */
	/* the thread's */
	int fd;
	SSL *ssl;
	char input[70000];
	size_t input_len;
};

void fake_server_start(
	struct fake_server *s, SSL_CTX *ctx, const char *const *script);

/* The same with a small receive buffer. */
void fake_server_start_narrow(
	struct fake_server *s, SSL_CTX *ctx, const char *const *script);

/* Waits for the script's end. Returns NULL, or what went wrong. */
const char *fake_server_join(struct fake_server *s);

void fake_server_free(struct fake_server *s);

#endif
