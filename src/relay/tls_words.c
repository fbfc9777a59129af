/*
 * tls_words.c - certificates, and why they were refused, in words a person can
 *               act on.
 */
#include "config.h"

#include "relay/tls_internal.h"

#include "relay/tls.h"

#include <event2/bufferevent_ssl.h>

#include <openssl/err.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Writes a DNS name or an address; "" for names of other kinds. */
static void print_name(const GENERAL_NAME *name, char *text, size_t size)
{
	const unsigned char *data;
	int len;

	text[0] = '\0';
	if (name->type == GEN_DNS) {
		data = ASN1_STRING_get0_data(name->d.dNSName);
		len = ASN1_STRING_length(name->d.dNSName);
		snprintf(text, size, "%.*s", len, (const char *)data);
	} else if (name->type == GEN_IPADD) {
		data = ASN1_STRING_get0_data(name->d.iPAddress);
		len = ASN1_STRING_length(name->d.iPAddress);
		if (len != 4 && len != 16)
			return;
		inet_ntop(len == 4 ? AF_INET : AF_INET6, data, text,
			(socklen_t)size);
	}
}

/* Lists what cert is for, as far as there is room. */
static void list_names(const X509 *cert, char text[TLS_NAMES_MAX])
{
	GENERAL_NAMES *names =
		X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
	const int count = names != NULL ? sk_GENERAL_NAME_num(names) : 0;
	char name[TLS_NAMES_MAX];
	size_t len = 0;
	int i;

	for (i = 0; i < count; i++) {
		print_name(sk_GENERAL_NAME_value(names, i), name, sizeof(name));
		if (name[0] == '\0' || len + strlen(name) + 3 > TLS_NAMES_MAX)
			continue;
		len += (size_t)snprintf(text + len, TLS_NAMES_MAX - len, "%s%s",
			len > 0 ? ", " : "", name);
	}
	if (len == 0)
		snprintf(text, TLS_NAMES_MAX, "no name at all");
	GENERAL_NAMES_free(names);
}

void tls_print_time(const ASN1_TIME *when, char *text, size_t size)
{
	struct tm tm;

	if (when == NULL || ASN1_TIME_to_tm(when, &tm) != 1)
		snprintf(text, size, "?");
	else
		strftime(text, size, "%Y-%m-%d %H:%M UTC", &tm);
}

void tls_print_issuer(const X509 *cert, char *text, size_t size)
{
	X509_NAME *issuer = X509_get_issuer_name(cert);

	if (X509_NAME_get_text_by_NID(
		    issuer, NID_organizationName, text, (int)size) < 0 &&
		X509_NAME_get_text_by_NID(
			issuer, NID_commonName, text, (int)size) < 0)
		snprintf(text, size, "an unnamed issuer");
}

const char *tls_wanted_host(SSL *ssl, char **owned)
{
	X509_VERIFY_PARAM *param = SSL_get0_param(ssl);
	const char *host = X509_VERIFY_PARAM_get0_host(param, 0);

	*owned = NULL;
	if (host != NULL)
		return host;
	*owned = X509_VERIFY_PARAM_get1_ip_asc(param);
	return *owned != NULL ? *owned : "?";
}

/* The server's own certificate, even of a handshake that failed. */
static X509 *seen_certificate(SSL *ssl)
{
	STACK_OF(X509) *chain = SSL_get_peer_cert_chain(ssl);
	X509 *cert = SSL_get0_peer_certificate(ssl);

	if (cert == NULL && chain != NULL && sk_X509_num(chain) > 0)
		cert = sk_X509_value(chain, 0);
	return cert;
}

static void explain_name(SSL *ssl, struct err *err)
{
	X509 *cert = seen_certificate(ssl);
	char names[TLS_NAMES_MAX] = "another name", *owned;
	const char *host = tls_wanted_host(ssl, &owned);

	if (cert != NULL)
		list_names(cert, names);
	err_set(err, ERR_PROTOCOL,
		"certificate is for %s, not %s: check the setting host; something between this machine and the server may be posing as it",
		names, host);
	OPENSSL_free(owned);
}

static void explain_time(SSL *ssl, bool expired, struct err *err)
{
	X509 *cert = seen_certificate(ssl);
	char when[64] = "?";

	if (cert != NULL)
		tls_print_time(expired ? X509_get0_notAfter(cert)
				       : X509_get0_notBefore(cert),
			when, sizeof(when));
	err_set(err, ERR_PROTOCOL,
		"certificate %s %s: check this machine's clock; if it is right, the server's certificate has to be renewed",
		expired ? "expired on" : "is not valid before", when);
}

static void explain_issuer(SSL *ssl, struct err *err)
{
	X509 *cert = seen_certificate(ssl);
	char issuer[TLS_NAMES_MAX] = "an unknown issuer";

	if (cert != NULL)
		tls_print_issuer(cert, issuer, sizeof(issuer));
	err_set(err, ERR_PROTOCOL,
		"certificate is issued by %s, which this machine does not know: install or update the package ca-certificates, or set ca-file for a server of your own; something between this machine and the server may be posing as it",
		issuer);
}

static void explain_verify(SSL *ssl, long result, struct err *err)
{
	switch (result) {
	case X509_V_ERR_HOSTNAME_MISMATCH:
	case X509_V_ERR_IP_ADDRESS_MISMATCH:
		explain_name(ssl, err);
		break;
	case X509_V_ERR_CERT_HAS_EXPIRED:
		explain_time(ssl, true, err);
		break;
	case X509_V_ERR_CERT_NOT_YET_VALID:
		explain_time(ssl, false, err);
		break;
	case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
	case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
	case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
	case X509_V_ERR_UNABLE_TO_VERIFY_LEAF_SIGNATURE:
	case X509_V_ERR_CERT_UNTRUSTED:
	case X509_V_ERR_CERT_SIGNATURE_FAILURE:
		explain_issuer(ssl, err);
		break;
	default:
		err_set(err, ERR_PROTOCOL, "certificate cannot be trusted: %s",
			X509_verify_cert_error_string(result));
	}
}

static void explain_openssl(unsigned long code, struct err *err)
{
	const char *reason = ERR_reason_error_string(code);

	switch (ERR_GET_REASON(code)) {
	case SSL_R_WRONG_VERSION_NUMBER:
		err_set(err, ERR_PROTOCOL,
			"the answer is not TLS: check port and tls (587 is for \"starttls\", 465 for \"implicit\"); something between this machine and the server may interfere");
		break;
	case SSL_R_UNSUPPORTED_PROTOCOL:
	case SSL_R_TLSV1_ALERT_PROTOCOL_VERSION:
		err_set(err, ERR_PROTOCOL,
			"the server speaks no TLS 1.2 or later, which is the least");
		break;
	default:
		err_set(err, ERR_PROTOCOL, "TLS failed: %s",
			reason != NULL ? reason : "unknown error of OpenSSL");
	}
}

void tls_client_explain(struct bufferevent *bev, struct err *err)
{
	const int error = errno;
	SSL *ssl = bufferevent_openssl_get_ssl(bev);
	const long verified = SSL_get_verify_result(ssl);
	unsigned long code = 0, next;

	/* the first is the cause, the rest is what followed from it */
	while ((next = bufferevent_get_openssl_error(bev)) != 0)
		if (code == 0 && ERR_GET_LIB(next) == ERR_LIB_SSL)
			code = next;
	if (verified != X509_V_OK) {
		explain_verify(ssl, verified, err);
	} else if (code != 0) {
		explain_openssl(code, err);
	} else if (error != 0) {
		errno = error;
		err_errno(err, "connection lost during TLS");
	} else {
		err_set(err, ERR_PROTOCOL,
			"the server closed the connection during TLS");
	}
}
