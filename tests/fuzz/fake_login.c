/*
 * fake_login.c - stands in for receiver/tls.h and base/password_hash.h, without
 *                any cryptography: a handshake is one octet, a hash is its
 *                password. So what a session makes of them is reached by a few
 *                octets, and fast.
 */
#include "config.h"

#include "fake_login.h"

#include "base/err.h"
#include "base/password_hash.h"
#include "base/util.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Bytes that TLS has read and the session has not. */
enum { RECORD_MAX = 512, READ_MAX = 100 };

struct tls_server {
	int unused;
};

struct tls_conn {
	int fd;
	char record[RECORD_MAX];
	size_t at;
	size_t len;
};

unsigned fake_handshakes;

const struct tls_server *fake_tls_server(void)
{
	static const struct tls_server server;

	return &server;
}

struct tls_conn *tls_conn_new(const struct tls_server *server,
	enum conf_tls_version least, int fd, struct err *err)
{
	struct tls_conn *c = xcalloc(1, sizeof(*c));

	(void)server;
	(void)least;
	(void)err;
	c->fd = fd;
	return c;
}

enum tls_result tls_conn_handshake(struct tls_conn *c, struct err *err)
{
	char first = '\0';
	ssize_t n = recv(c->fd, &first, 1, MSG_DONTWAIT);

	if (n < 0 && errno == EAGAIN)
		return TLS_WANTS_READ;
	if (n != 1 || first != FAKE_TLS_HELLO) {
		err_set(err, ERR_PROTOCOL, "TLS: no handshake");
		return TLS_FAILED;
	}
	fake_handshakes++;
	return TLS_DONE;
}

enum tls_result tls_conn_read(
	struct tls_conn *c, void *data, size_t size, size_t *n_out)
{
	ssize_t n;

	*n_out = 0;
	if (c->at == c->len) {
		n = recv(c->fd, c->record, sizeof(c->record), MSG_DONTWAIT);
		if (n < 0)
			return errno == EAGAIN ? TLS_WANTS_READ : TLS_FAILED;
		c->at = 0;
		c->len = (size_t)n;
	}
	if (size > READ_MAX)
		size = READ_MAX;
	if (size > c->len - c->at)
		size = c->len - c->at;
	memcpy(data, c->record + c->at, size);
	c->at += size;
	*n_out = size;
	return TLS_DONE;
}

enum tls_result tls_conn_write(
	struct tls_conn *c, const void *data, size_t size, size_t *n_out)
{
	ssize_t n = send(c->fd, data, size, MSG_DONTWAIT | MSG_NOSIGNAL);

	*n_out = n > 0 ? (size_t)n : 0;
	if (n >= 0)
		return TLS_DONE;
	return errno == EAGAIN ? TLS_WANTS_WRITE : TLS_FAILED;
}

bool tls_conn_pending(const struct tls_conn *c)
{
	return c->at < c->len;
}

void tls_conn_describe(const struct tls_conn *c, char text[TLS_TEXT_MAX])
{
	(void)c;
	snprintf(text, TLS_TEXT_MAX, "TLSv1.3 TLS_AES_256_GCM_SHA384");
}

void tls_conn_close(struct tls_conn **c)
{
	free(*c);
	*c = NULL;
}

bool password_hash_is_good(const char *text, size_t len, struct err *err)
{
	(void)text;
	(void)err;
	return len > 0 && len < PASSWORD_HASH_SIZE;
}

int password_hash_compare(const char *hash, const char *password)
{
	return strcmp(hash, password) == 0;
}
