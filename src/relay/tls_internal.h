/*
 * tls_internal.h - what tls.c and tls_words.c share.
 */
#ifndef GMRELAY_RELAY_TLS_INTERNAL_H
#define GMRELAY_RELAY_TLS_INTERNAL_H

#include <openssl/ssl.h>

#include <stddef.h>

/* Of a list of names, or one, in a text for a person. */
#define TLS_NAMES_MAX 200

/* What a person calls the issuer of cert. */
void tls_print_issuer(const X509 *cert, char *text, size_t size);

void tls_print_time(const ASN1_TIME *when, char *text, size_t size);

/* The host, name or address, that the certificate was wanted for. *owned is to
 * be freed with OPENSSL_free(). */
const char *tls_wanted_host(SSL *ssl, char **owned);

#endif
