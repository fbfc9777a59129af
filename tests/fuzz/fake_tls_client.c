/*
 * fake_tls_client.c - stands in for relay/tls.h.
 */
#include "config.h"

#include "fake_tls_client.h"

#include <stdio.h>

#include <event2/bufferevent.h>
#include <event2/event.h>

struct fake_tls_client fake_tls_client;

/* In the midst of its handshake. */
static struct bufferevent *shaking;

static void on_shaken(evutil_socket_t fd, short what, void *arg)
{
	struct bufferevent *bev = shaking;

	(void)fd;
	(void)what;
	(void)arg;
	shaking = NULL;
	if (bev != NULL)
		bufferevent_trigger_event(bev,
			fake_tls_client.end == FAKE_TLS_BROKEN
				? BEV_EVENT_ERROR
				: BEV_EVENT_CONNECTED,
			0);
}

struct bufferevent *tls_client_connect(struct tls_client *t,
	struct event_base *base, int fd, const char *host, struct err *err)
{
	const struct fake_tls_client *fake = &fake_tls_client;

	(void)t;
	(void)host;
	(void)err;
	fake->on_begin(fake->arg);
	shaking = bufferevent_socket_new(base, fd, BEV_OPT_CLOSE_ON_FREE);
	event_base_once(base, -1, EV_TIMEOUT, on_shaken, NULL, NULL);
	return shaking;
}

int tls_client_confirm(
	struct bufferevent *bev, char *text, size_t size, struct err *err)
{
	const struct fake_tls_client *fake = &fake_tls_client;

	(void)bev;
	if (fake->end == FAKE_TLS_UNVERIFIED)
		return err_set(
			err, ERR_PROTOCOL, "the certificate is another's");
	snprintf(text, size, "TLSv1.3, certificate for smtp.fake.test");
	fake->on_verified(fake->arg);
	return 0;
}

void tls_client_explain(struct bufferevent *bev, struct err *err)
{
	(void)bev;
	err_set(err, ERR_PROTOCOL, "the handshake failed");
}

void tls_client_close(struct bufferevent **bev)
{
	if (*bev == shaking)
		shaking = NULL;
	if (*bev != NULL)
		bufferevent_free(*bev);
	*bev = NULL;
}
