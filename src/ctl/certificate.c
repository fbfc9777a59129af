/*
 * certificate.c - `certificate`: a self-signed certificate for clients, and its
 *                 key.
 *
 * It says of itself that it is no authority: a device that is told to trust it
 * trusts this relay, and nobody whom the key would vouch for.
 */
#include "config.h"

#include "base/conf.h"
#include "base/util.h"
#include "ctl/certificate_names.h"
#include "ctl/ctl.h"
#include "ctl/json.h"

#include <openssl/bn.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	DAYS_DEFAULT = 10 * 365, /* devices are seldom told anew */
	DAY_S = 24 * 3600,
	SERIAL_BITS = 127,
	RSA_BITS = 2048,
	FINGERPRINT_SIZE = 3 * 32 + 1,
};

struct pair {
	char cert[PATH_MAX];
	char key[PATH_MAX];
};

static int openssl_error(struct err *err, const char *what)
{
	const char *reason = ERR_reason_error_string(ERR_peek_last_error());

	ERR_clear_error();
	return err_set(err, ERR_SYSTEM, "%s: %s", what,
		reason != NULL ? reason : "unknown error of OpenSSL");
}

/* --- the certificate ------------------------------------------------------ */

static int add_extension(X509 *cert, int nid, const char *value)
{
	X509V3_CTX context;
	X509_EXTENSION *extension;
	int rc;

	X509V3_set_ctx_nodb(&context);
	X509V3_set_ctx(&context, cert, cert, NULL, NULL, 0);
	extension = X509V3_EXT_conf_nid(NULL, &context, nid, value);
	rc = extension != NULL && X509_add_ext(cert, extension, -1) == 1 ? 0
									 : -1;
	X509_EXTENSION_free(extension);
	return rc;
}

static int add_extensions(
	X509 *cert, const struct certificate_names *names, bool rsa)
{
	struct buf list;
	int rc = 0;

	buf_init(&list, CERTIFICATE_NAMES_MAX * (CERTIFICATE_NAME_MAX + 8));
	certificate_print_names(names, &list);
	if (add_extension(cert, NID_subject_alt_name, list.data) != 0 ||
		add_extension(cert, NID_basic_constraints,
			"critical,CA:FALSE") != 0 ||
		/* old TLS encrypts to an RSA key */
		add_extension(cert, NID_key_usage,
			rsa ? "critical,digitalSignature,keyEncipherment"
			    : "critical,digitalSignature") != 0 ||
		add_extension(cert, NID_ext_key_usage, "serverAuth") != 0 ||
		add_extension(cert, NID_subject_key_identifier, "hash") != 0)
		rc = -1;
	buf_free(&list);
	return rc;
}

static int set_serial(X509 *cert)
{
	BIGNUM *number = BN_new();
	int rc = -1;

	if (number != NULL &&
		BN_rand(number, SERIAL_BITS, BN_RAND_TOP_ONE,
			BN_RAND_BOTTOM_ANY) == 1 &&
		BN_to_ASN1_INTEGER(number, X509_get_serialNumber(cert)) != NULL)
		rc = 0;
	BN_free(number);
	return rc;
}

/* RFC 5280 sets an upper bound of 64 for a common name. */
static int set_subject(X509 *cert, const char *name)
{
	X509_NAME *subject = X509_get_subject_name(cert);
	const char *shown = strlen(name) <= 64 ? name : "gmrelayd";

	if (X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC,
		    (const unsigned char *)shown, -1, -1, 0) != 1)
		return -1;
	return X509_set_issuer_name(cert, subject) == 1 ? 0 : -1;
}

static X509 *make_certificate(EVP_PKEY *key,
	const struct certificate_names *names, const struct ctl_args *args)
{
	const long days = args->days > 0 ? args->days : DAYS_DEFAULT;
	X509 *cert = X509_new();

	/* from yesterday on: the clock of a device may be behind */
	if (cert != NULL && X509_set_version(cert, X509_VERSION_3) == 1 &&
		set_serial(cert) == 0 &&
		X509_gmtime_adj(X509_getm_notBefore(cert), -DAY_S) != NULL &&
		X509_time_adj_ex(
			X509_getm_notAfter(cert), (int)days, 0, NULL) != NULL &&
		set_subject(cert, names->names[0]) == 0 &&
		X509_set_pubkey(cert, key) == 1 &&
		add_extensions(cert, names, args->rsa) == 0 &&
		X509_sign(cert, key, EVP_sha256()) > 0)
		return cert;
	X509_free(cert);
	return NULL;
}

/* --- files ---------------------------------------------------------------- */

/* Never over a file: that key may be in use. */
static int write_new(const char *path, BIO *bio, mode_t mode, struct err *err)
{
	const int fd =
		open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	char *data;
	long len = BIO_get_mem_data(bio, &data);
	int rc = 0;

	if (fd < 0)
		return err_errno(err, "%s", path);
	if (fchmod(fd, mode) != 0 || write_full(fd, data, (size_t)len) != 0 ||
		fsync(fd) != 0)
		rc = err_errno(err, "%s", path);
	if (close(fd) != 0 && rc == 0)
		rc = err_errno(err, "%s", path);
	if (rc != 0)
		unlink(path);
	return rc;
}

static int write_pair(
	const struct pair *pair, X509 *cert, EVP_PKEY *key, struct err *err)
{
	BIO *cert_bio = BIO_new(BIO_s_mem()),
	    *key_bio = BIO_new(BIO_s_secmem());
	int rc;

	if (cert_bio == NULL || key_bio == NULL ||
		PEM_write_bio_X509(cert_bio, cert) != 1 ||
		PEM_write_bio_PrivateKey(
			key_bio, key, NULL, NULL, 0, NULL, NULL) != 1) {
		rc = openssl_error(err, "cannot write PEM");
	} else {
		rc = write_new(pair->key, key_bio, 0600, err);
		if (rc == 0)
			rc = write_new(pair->cert, cert_bio, 0644, err);
		if (rc != 0 && access(pair->cert, F_OK) != 0)
			unlink(pair->key);
	}
	BIO_free(cert_bio);
	BIO_free(key_bio);
	return rc;
}

static int name_pair(struct pair *pair, const char *base, struct err *err)
{
	char folder[PATH_MAX], *slash;
	const char *file = strrchr(base, '/');
	char real[PATH_MAX];

	if (strlen(base) >= sizeof(folder) - 1)
		return err_set(err, ERR_LIMIT, "this path is too long");
	snprintf(folder, sizeof(folder), "%s", base);
	slash = strrchr(folder, '/');
	file = file != NULL ? file + 1 : base;
	if (file[0] == '\0')
		return err_set(err, ERR_SYNTAX,
			"%s: a directory; say how the files are to be called",
			base);
	if (slash == folder)
		slash[1] = '\0';
	else if (slash != NULL)
		*slash = '\0';
	/* the settings want absolute paths */
	if (realpath(slash != NULL ? folder : ".", real) == NULL)
		return err_errno(err, "%s", slash != NULL ? folder : ".");
	if (strcmp(real, "/") == 0)
		real[0] = '\0';
	if (snprintf(pair->cert, sizeof(pair->cert), "%s/%s.pem", real, file) >=
			(int)sizeof(pair->cert) ||
		snprintf(pair->key, sizeof(pair->key), "%s/%s.key", real,
			file) >= (int)sizeof(pair->key))
		return err_set(err, ERR_LIMIT, "this path is too long");
	if (access(pair->cert, F_OK) == 0 || access(pair->key, F_OK) == 0)
		return err_set(err, ERR_ACCESS,
			"%s is there already; nothing is overwritten",
			access(pair->key, F_OK) == 0 ? pair->key : pair->cert);
	return 0;
}

/* --- what is printed ------------------------------------------------------ */

static void print_fingerprint(const X509 *cert, char text[FINGERPRINT_SIZE])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned len = 0, i;

	text[0] = '\0';
	if (X509_digest(cert, EVP_sha256(), digest, &len) != 1)
		return;
	for (i = 0; i < len && 3 * i + 4 <= FINGERPRINT_SIZE; i++)
		snprintf(text + 3 * i, 4, "%02X%s", digest[i],
			i + 1 < len ? ":" : "");
}

static void print_end(const X509 *cert, char *text, size_t size)
{
	struct tm tm;

	if (ASN1_TIME_to_tm(X509_get0_notAfter(cert), &tm) != 1 ||
		strftime(text, size, "%Y-%m-%d", &tm) == 0)
		text[0] = '\0';
}

static void print(const struct ctl *ctl, const struct pair *pair,
	const X509 *cert, const struct certificate_names *names)
{
	char fingerprint[FINGERPRINT_SIZE], until[32];
	json_t *document, *list;
	size_t i;

	print_fingerprint(cert, fingerprint);
	print_end(cert, until, sizeof(until));
	if (!ctl->json) {
		printf("tls-cert = \"%s\"\ntls-key = \"%s\"\n# for", pair->cert,
			pair->key);
		for (i = 0; i < names->count; i++)
			printf(" %s", names->names[i]);
		printf("\n# until %s\n# SHA-256 %s\n", until, fingerprint);
		return;
	}
	list = json_array();
	for (i = 0; i < names->count; i++)
		json_array_append_new(list, json_string(names->names[i]));
	document = json_pack("{s:s, s:s, s:s, s:s, s:o}", "cert", pair->cert,
		"key", pair->key, "fingerprint", fingerprint, "until", until,
		"names", list);
	json_print(document);
	json_decref(document);
}

enum ctl_status ctl_certificate(struct ctl *ctl, const struct ctl_args *args)
{
	struct certificate_names names = {.count = 0};
	EVP_PKEY *key = NULL;
	X509 *cert = NULL;
	struct pair pair;
	struct err err;
	int rc;

	rc = name_pair(&pair, args->rest[0], &err);
	if (rc == 0)
		rc = certificate_find_names(&names, args,
			args->name_count == 0 ? ctl_conf(ctl) : NULL, &err);
	if (rc == 0) {
		key = args->rsa ? EVP_RSA_gen(RSA_BITS) : EVP_EC_gen("P-256");
		if (key != NULL)
			cert = make_certificate(key, &names, args);
		if (cert == NULL)
			rc = openssl_error(&err, "cannot make a certificate");
	}
	if (rc == 0)
		rc = write_pair(&pair, cert, key, &err);
	if (rc == 0)
		print(ctl, &pair, cert, &names);
	X509_free(cert);
	EVP_PKEY_free(key);
	return rc == 0 ? CTL_FINE : ctl_fail(ctl, CTL_TROUBLE, &err);
}
