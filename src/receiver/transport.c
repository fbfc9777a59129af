/*
 * transport.c - a client's bytes, in clear or through TLS.
 */
#include "config.h"

#include "receiver/transport.h"

#include "receiver/tls.h"

#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DROP_READS_MAX = 8 };

static enum transport_result of_tls(enum tls_result result)
{
	switch (result) {
	case TLS_DONE:
		return TRANSPORT_DONE;
	case TLS_WANTS_READ:
		return TRANSPORT_WAIT_READ;
	case TLS_WANTS_WRITE:
		return TRANSPORT_WAIT_WRITE;
	default:
		return TRANSPORT_BROKEN;
	}
}

static bool would_block(void)
{
	return errno == EAGAIN || errno == EWOULDBLOCK || errno == EINTR;
}

enum transport_result transport_read(
	struct transport *t, void *data, size_t size, size_t *n_out)
{
	ssize_t n;

	if (t->tls != NULL)
		return of_tls(tls_conn_read(t->tls, data, size, n_out));
	*n_out = 0;
	n = recv(t->fd, data, size, MSG_DONTWAIT);
	if (n < 0)
		return would_block() ? TRANSPORT_WAIT_READ : TRANSPORT_BROKEN;
	*n_out = (size_t)n;
	return TRANSPORT_DONE;
}

enum transport_result transport_write(
	struct transport *t, const void *data, size_t size, size_t *n_out)
{
	ssize_t n;

	if (t->tls != NULL)
		return of_tls(tls_conn_write(t->tls, data, size, n_out));
	*n_out = 0;
	n = send(t->fd, data, size, MSG_NOSIGNAL | MSG_DONTWAIT);
	if (n < 0)
		return would_block() ? TRANSPORT_WAIT_WRITE : TRANSPORT_BROKEN;
	*n_out = (size_t)n;
	return TRANSPORT_DONE;
}

bool transport_pending(const struct transport *t)
{
	return t->tls != NULL && tls_conn_pending(t->tls);
}

int transport_peek(const struct transport *t)
{
	unsigned char first;

	if (recv(t->fd, &first, 1, MSG_PEEK | MSG_DONTWAIT) != 1)
		return -1;
	return first;
}

void transport_drop_unread(struct transport *t, void *scratch, size_t size)
{
	int i;

	for (i = 0; i < DROP_READS_MAX; i++)
		if (recv(t->fd, scratch, size, MSG_DONTWAIT) <= 0)
			break;
}

void transport_close(struct transport *t)
{
	tls_conn_close(&t->tls);
	close(t->fd);
	t->fd = -1;
}
