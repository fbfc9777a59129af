/*
 * fake_upstream.c - a submission server that plays a script.
 */
#include "config.h"

#include "fake_upstream.h"

#include "base/util.h"

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <fnmatch.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#define DAY       (24 * 60 * 60L)
#define BODY_MAX  (64 * 1024 * 1024)
#define INPUT_MAX sizeof(((struct fake_server *)0)->input)

/* --- certificates --- */

struct cert_recipe {
	const char *cn;
	const char *names; /* SAN; NULL: a CA */
	long from_s, until_s;
	bool own_ca;
};

static const struct cert_recipe recipes[FAKE_CERT_COUNT] = {
	[FAKE_CERT_GOOD] = {"fake", "DNS:" FAKE_HOST, -DAY, DAY, false},
	[FAKE_CERT_WRONG_NAME] = {"fake",
		"DNS:mail.other.test,DNS:www.other.test", -DAY, DAY, false},
	[FAKE_CERT_CN_ONLY] = {FAKE_HOST, "email:a@fake.test", -DAY, DAY,
		false},
	[FAKE_CERT_PARTIAL] = {"fake", "DNS:sm*.fake.test", -DAY, DAY, false},
	[FAKE_CERT_EXPIRED] = {"fake", "DNS:" FAKE_HOST, -9 * DAY, -DAY, false},
	[FAKE_CERT_FUTURE] = {"fake", "DNS:" FAKE_HOST, DAY, 9 * DAY, false},
	[FAKE_CERT_UNKNOWN_CA] = {"fake", "DNS:" FAKE_HOST, -DAY, DAY, true},
	[FAKE_CERT_ADDRESS] = {"fake", "IP:127.0.0.1", -DAY, DAY, false},
};

static const struct cert_recipe ca_recipe = {
	"Fake Authority", NULL, -10 * DAY, 10 * DAY, false};
static const struct cert_recipe stranger_recipe = {
	"Strange Authority", NULL, -10 * DAY, 10 * DAY, false};

static void must(bool good, const char *what)
{
	if (good)
		return;
	fprintf(stderr, "fake upstream: %s: %s\n", what, strerror(errno));
	ERR_print_errors_fp(stderr);
	abort();
}

static void add_extension(X509 *cert, int nid, const char *value)
{
	X509_EXTENSION *ext = X509V3_EXT_conf_nid(NULL, NULL, nid, value);

	must(ext != NULL && X509_add_ext(cert, ext, -1) == 1, value);
	X509_EXTENSION_free(ext);
}

static X509 *make_cert(const struct cert_recipe *recipe, EVP_PKEY *key,
	const X509 *issuer, EVP_PKEY *issuer_key)
{
	X509 *cert = X509_new();
	X509_NAME *name;

	must(cert != NULL && X509_set_version(cert, 2) == 1, "certificate");
	ASN1_INTEGER_set_uint64(X509_get_serialNumber(cert), random_u64() >> 1);
	name = X509_get_subject_name(cert);
	X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
		(const unsigned char *)recipe->cn, -1, -1, 0);
	X509_gmtime_adj(X509_getm_notBefore(cert), recipe->from_s);
	X509_gmtime_adj(X509_getm_notAfter(cert), recipe->until_s);
	X509_set_pubkey(cert, key);
	X509_set_issuer_name(
		cert, issuer != NULL ? X509_get_subject_name(issuer) : name);
	if (recipe->names == NULL)
		add_extension(cert, NID_basic_constraints, "critical,CA:TRUE");
	else
		add_extension(cert, NID_subject_alt_name, recipe->names);
	must(X509_sign(cert, issuer_key, EVP_sha256()) > 0, "signature");
	return cert;
}

void fake_pki_init(struct fake_pki *pki)
{
	EVP_PKEY *ca_key = EVP_EC_gen("P-256"), *key = EVP_EC_gen("P-256");
	EVP_PKEY *other_key = EVP_EC_gen("P-256");
	X509 *ca = make_cert(&ca_recipe, ca_key, NULL, ca_key);
	X509 *other = make_cert(&stranger_recipe, other_key, NULL, other_key);
	X509 *cert;
	FILE *file;
	int i;

	memset(pki, 0, sizeof(*pki));
	snprintf(pki->dir, sizeof(pki->dir), "/tmp/gmrelay-pki-XXXXXX");
	must(mkdtemp(pki->dir) != NULL, "temporary directory");
	snprintf(pki->ca_file, sizeof(pki->ca_file), "%s/ca.pem", pki->dir);
	snprintf(pki->junk_file, sizeof(pki->junk_file), "%s/junk", pki->dir);
	file = fopen(pki->ca_file, "w");
	must(file != NULL && PEM_write_X509(file, ca) == 1, "ca.pem");
	fclose(file);
	file = fopen(pki->junk_file, "w");
	must(file != NULL && fputs("no certificate\n", file) >= 0, "junk");
	fclose(file);
	for (i = 0; i < FAKE_CERT_COUNT; i++) {
		cert = recipes[i].own_ca
			       ? make_cert(&recipes[i], key, other, other_key)
			       : make_cert(&recipes[i], key, ca, ca_key);
		pki->contexts[i] = SSL_CTX_new(TLS_server_method());
		must(SSL_CTX_use_certificate(pki->contexts[i], cert) == 1 &&
				SSL_CTX_use_PrivateKey(pki->contexts[i], key) ==
					1,
			"server");
		X509_free(cert);
	}
	X509_free(ca);
	X509_free(other);
	EVP_PKEY_free(ca_key);
	EVP_PKEY_free(other_key);
	EVP_PKEY_free(key);
}

void fake_pki_free(struct fake_pki *pki)
{
	int i;

	for (i = 0; i < FAKE_CERT_COUNT; i++)
		SSL_CTX_free(pki->contexts[i]);
	unlink(pki->ca_file);
	unlink(pki->junk_file);
	rmdir(pki->dir);
}

/* --- the server --- */

__attribute__((format(printf, 2, 3))) static bool fail(
	struct fake_server *s, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	if (s->failure[0] == '\0')
		vsnprintf(s->failure, sizeof(s->failure), format, args);
	va_end(args);
	return false;
}

static void hang_up(struct fake_server *s)
{
	if (s->ssl != NULL && SSL_is_init_finished(s->ssl))
		SSL_shutdown(s->ssl);
	SSL_free(s->ssl);
	s->ssl = NULL;
	if (s->fd >= 0)
		close(s->fd);
	s->fd = -1;
	s->input_len = 0;
	ERR_clear_error();
}

static bool take_call(struct fake_server *s)
{
	const struct timeval limit = {.tv_sec = FAKE_WAIT_S};
	struct pollfd pollfd = {.fd = s->listen_fd, .events = POLLIN};
	const int one = 1;

	hang_up(s);
	if (poll(&pollfd, 1, FAKE_WAIT_S * 1000) != 1)
		return fail(s, "no call came");
	s->fd = accept4(s->listen_fd, NULL, NULL, SOCK_CLOEXEC);
	if (s->fd < 0)
		return fail(s, "accept: %s", strerror(errno));
	setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	setsockopt(s->fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit));
	setsockopt(s->fd, SOL_SOCKET, SO_SNDTIMEO, &limit, sizeof(limit));
	return true;
}

static bool say(struct fake_server *s, const char *text, size_t len)
{
	ssize_t n;

	if (s->ssl != NULL)
		n = SSL_write(s->ssl, text, (int)len);
	else
		n = send(s->fd, text, len, MSG_NOSIGNAL);
	return n == (ssize_t)len || fail(s, "cannot say %s", text);
}

/* Returns the bytes read, 0 at the end, -1. */
static ssize_t hear_more(struct fake_server *s)
{
	char *to = s->input + s->input_len;
	size_t room = INPUT_MAX - s->input_len;
	ssize_t n;

	if (s->ssl == NULL)
		n = recv(s->fd, to, room, 0);
	else
		n = SSL_read(s->ssl, to, (int)room);
	if (n <= 0 && s->ssl != NULL)
		n = SSL_get_error(s->ssl, (int)n) == SSL_ERROR_ZERO_RETURN ? 0
									   : -1;
	if (n > 0)
		s->input_len += (size_t)n;
	return n;
}

static void drop_input(struct fake_server *s, size_t len)
{
	memmove(s->input, s->input + len, s->input_len - len);
	s->input_len -= len;
}

static bool hear_line(struct fake_server *s, const char *pattern)
{
	char *end;

	while ((end = memmem(s->input, s->input_len, "\r\n", 2)) == NULL)
		if (hear_more(s) <= 0)
			return fail(s, "nothing came for: %s", pattern);
	*end = '\0';
	if (fnmatch(pattern, s->input, 0) != 0)
		return fail(s, "wanted: %s; heard: %s", pattern, s->input);
	drop_input(s, (size_t)(end - s->input) + 2);
	return true;
}

static bool hear_data(struct fake_server *s)
{
	char *dot = NULL;
	size_t len;

	for (;;) {
		if (s->input_len >= 3 && memcmp(s->input, ".\r\n", 3) == 0 &&
			s->body.len == 0) {
			drop_input(s, 3);
			return true;
		}
		dot = memmem(s->input, s->input_len, "\r\n.\r\n", 5);
		if (dot != NULL)
			break;
		/* all but what may be the beginning of the end */
		len = s->input_len > 4 ? s->input_len - 4 : 0;
		buf_add(&s->body, s->input, len);
		drop_input(s, len);
		if (hear_more(s) <= 0)
			return fail(s, "no end of data came");
	}
	len = (size_t)(dot - s->input) + 2;
	buf_add(&s->body, s->input, len);
	drop_input(s, len + 3);
	return true;
}

static bool hear_bytes(struct fake_server *s, const char *step)
{
	size_t left = strtoul(step, NULL, 10), len;

	while (left > 0) {
		if (s->input_len == 0 && hear_more(s) <= 0)
			return fail(s, "%zu bytes are missing", left);
		len = s->input_len < left ? s->input_len : left;
		buf_add(&s->body, s->input, len);
		drop_input(s, len);
		left -= len;
	}
	return true;
}

static bool hear_end(struct fake_server *s)
{
	if (s->input_len > 0 || hear_more(s) > 0)
		return fail(s, "wanted: the end; heard: %.*s",
			(int)s->input_len, s->input);
	return true;
}

static bool hear_cut(struct fake_server *s)
{
	do {
		buf_add(&s->body, s->input, s->input_len);
		s->input_len = 0;
	} while (hear_more(s) > 0);
	return true;
}

static bool wait_for_join(struct fake_server *s)
{
	struct pollfd pollfd = {.fd = s->wait_fds[0], .events = POLLIN};

	return poll(&pollfd, 1, FAKE_WAIT_S * 1000) == 1 ||
	       fail(s, "nobody joins");
}

static bool shake_hands(struct fake_server *s)
{
	const char *sni;

	s->ssl = SSL_new(s->ctx);
	SSL_set_fd(s->ssl, s->fd);
	if (SSL_accept(s->ssl) != 1) {
		SSL_free(s->ssl);
		s->ssl = NULL;
		return fail(s, "no TLS: %s",
			ERR_reason_error_string(ERR_get_error()));
	}
	sni = SSL_get_servername(s->ssl, TLSEXT_NAMETYPE_host_name);
	snprintf(s->sni, sizeof(s->sni), "%s", sni != NULL ? sni : "");
	s->resumed += SSL_session_reused(s->ssl) ? 1 : 0;
	return true;
}

/* The client verifies after the server thinks it is done, so the server may
 * have to read to learn of it. */
static bool fail_to_shake_hands(struct fake_server *s)
{
	if (shake_hands(s) && hear_more(s) > 0)
		return fail(s, "the client speaks over TLS");
	s->failure[0] = '\0';
	return true;
}

static bool say_raw(struct fake_server *s, const char *text)
{
	struct buf raw;
	bool good;

	buf_init(&raw, 4096);
	for (; *text != '\0'; text++)
		buf_add(&raw, *text == '|' ? "\r\n" : text,
			*text == '|' ? 2 : 1);
	good = say(s, raw.data, raw.len);
	buf_free(&raw);
	return good;
}

static bool play(struct fake_server *s, const char *step)
{
	const struct linger reset = {.l_onoff = 1, .l_linger = 0};
	char line[2048];

	if (strncmp(step, "S ", 2) == 0) {
		snprintf(line, sizeof(line), "%s\r\n", step + 2);
		return say(s, line, strlen(line));
	}
	if (strncmp(step, "RAW ", 4) == 0)
		return say_raw(s, step + 4);
	if (strncmp(step, "C ", 2) == 0)
		return hear_line(s, step + 2);
	if (strncmp(step, "BYTES ", 6) == 0)
		return hear_bytes(s, step + 6);
	if (strcmp(step, "DATA") == 0)
		return hear_data(s);
	if (strcmp(step, "EOF") == 0)
		return hear_end(s);
	if (strcmp(step, "CUT") == 0)
		return hear_cut(s);
	if (strcmp(step, "WAIT") == 0)
		return wait_for_join(s);
	if (strcmp(step, "TLS") == 0)
		return shake_hands(s);
	if (strcmp(step, "NOTLS") == 0)
		return fail_to_shake_hands(s);
	if (strcmp(step, "ACCEPT") == 0)
		return take_call(s);
	if (strcmp(step, "QUIET") == 0)
		return (s->input_len == 0 &&
			       (s->ssl == NULL || SSL_pending(s->ssl) == 0)) ||
		       fail(s, "too early: %.*s", (int)s->input_len, s->input);
	if (strcmp(step, "RESET") == 0)
		setsockopt(s->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
	else if (strcmp(step, "CLOSE") != 0)
		return fail(s, "no such step: %s", step);
	hang_up(s);
	return true;
}

static void *server_thread(void *arg)
{
	struct fake_server *s = arg;
	const char *const *step = s->script;

	if (take_call(s))
		while (*step != NULL && play(s, *step))
			step++;
	hang_up(s);
	return NULL;
}

static void start(struct fake_server *s, int receive_buffer)
{
	socklen_t len = sizeof(s->address);

	s->fd = -1;
	buf_init(&s->body, BODY_MAX);
	s->address.sin_family = AF_INET;
	s->address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	s->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (receive_buffer > 0)
		setsockopt(s->listen_fd, SOL_SOCKET, SO_RCVBUF, &receive_buffer,
			sizeof(receive_buffer));
	must(s->listen_fd >= 0 &&
			bind(s->listen_fd, (struct sockaddr *)&s->address,
				len) == 0 &&
			listen(s->listen_fd, 8) == 0 &&
			getsockname(s->listen_fd,
				(struct sockaddr *)&s->address, &len) == 0,
		"listen");
	must(pipe2(s->wait_fds, O_CLOEXEC) == 0, "pipe");
	must(pthread_create(&s->thread, NULL, server_thread, s) == 0, "thread");
}

void fake_server_start(
	struct fake_server *s, SSL_CTX *ctx, const char *const *script)
{
	memset(s, 0, sizeof(*s));
	s->ctx = ctx;
	s->script = script;
	start(s, 0);
}

void fake_server_start_narrow(
	struct fake_server *s, SSL_CTX *ctx, const char *const *script)
{
	memset(s, 0, sizeof(*s));
	s->ctx = ctx;
	s->script = script;
	start(s, 4096);
}

const char *fake_server_join(struct fake_server *s)
{
	close(s->wait_fds[1]);
	pthread_join(s->thread, NULL);
	close(s->wait_fds[0]);
	close(s->listen_fd);
	return s->failure[0] != '\0' ? s->failure : NULL;
}

void fake_server_free(struct fake_server *s)
{
	buf_free(&s->body);
}
