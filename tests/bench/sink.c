/*
 * sink.c - a submission server that counts and keeps nothing: the upstream of
 *          a measurement. Like Gmail it offers STARTTLS, AUTH, PIPELINING and
 *          CHUNKING; it can be far away and take its time.
 *
 * Replies leave in order, each a round trip after the bytes it answers, a
 * message's a while of work later; so pipelining is worth as much as with a
 * real server at that distance. Without a certificate it speaks no TLS and asks
 * for no login: a server that stores nothing, the ceiling of accepting mail.
 */
#include "config.h"

#include "sink.h"

#include <event2/bufferevent_ssl.h>
#include <event2/listener.h>

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	DELAY_MAX_MS = 10000,
	BACKLOG = 1024,
};

static void print_figures(const struct server *s)
{
	const double seconds = s->last_s - s->first_s;

	printf("messages=%ld connections=%ld most=%ld logins=%ld octets=%llu "
	       "first=%.6f last=%.6f rate=%.1f\n",
		s->messages, s->connections, s->most_open, s->logins, s->octets,
		s->first_s, s->last_s,
		seconds > 0 ? (double)s->messages / seconds : 0);
	fflush(stdout);
}

static void conn_free(struct conn *c)
{
	struct reply *r;

	while ((r = c->first) != NULL) {
		c->first = r->next;
		free(r);
	}
	c->server->open--;
	event_free(c->timer);
	bufferevent_free(c->bev);
	free(c);
}

/* --- replies -------------------------------------------------------------- */

static void count_message(struct server *s)
{
	s->last_s = tool_now_s();
	s->messages++;
}

static void arm(struct conn *c)
{
	const double left = c->first->due - tool_now_s();
	const double wait = left > 0 ? left : 0;
	struct timeval delay = {.tv_sec = (time_t)wait};

	delay.tv_usec = (suseconds_t)((wait - (double)delay.tv_sec) * 1e6);
	evtimer_add(c->timer, &delay);
}

static void say_late(
	struct conn *c, const char *text, double due, bool of_message)
{
	struct reply *r = calloc(1, sizeof(*r));

	if (r == NULL)
		tool_die("no memory");
	r->text = text;
	r->due = due;
	r->of_message = of_message;
	*c->last = r;
	c->last = &r->next;
	if (c->first == r)
		arm(c);
}

void sink_say(struct conn *c, const char *text, bool of_message)
{
	const struct server *s = c->server;
	double now;

	if (c->first == NULL && s->round_trip_s <= 0 &&
		(!of_message || s->work_s <= 0)) {
		bufferevent_write(c->bev, text, strlen(text));
		if (of_message)
			count_message(c->server);
		return;
	}
	now = tool_now_s();
	if (c->busy_until < now)
		c->busy_until = now;
	if (of_message)
		c->busy_until += s->work_s;
	say_late(c, text, c->busy_until + s->round_trip_s, of_message);
}

/* --- events --------------------------------------------------------------- */

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) != 0)
		conn_free(arg);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	(void)bev;
	sink_take(arg);
}

static void start_tls(struct conn *c);

static void on_written(struct bufferevent *bev, void *arg)
{
	struct conn *c = arg;

	(void)bev;
	if (c->first != NULL)
		return;
	if (c->mode == CLOSING)
		conn_free(c);
	else if (c->mode == STARTING_TLS)
		start_tls(c);
}

/* Only when the 220 has left. */
static void start_tls(struct conn *c)
{
	const evutil_socket_t fd = bufferevent_getfd(c->bev);
	SSL *ssl = SSL_new(c->server->tls);

	bufferevent_setfd(c->bev, -1);
	bufferevent_free(c->bev);
	c->bev = ssl != NULL ? bufferevent_openssl_socket_new(c->server->base,
				       fd, ssl, BUFFEREVENT_SSL_ACCEPTING,
				       BEV_OPT_CLOSE_ON_FREE |
					       BEV_OPT_DEFER_CALLBACKS)
			     : NULL;
	if (c->bev == NULL)
		tool_die("no memory");
	bufferevent_openssl_set_allow_dirty_shutdown(c->bev, 1);
	bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	c->secure = true;
	c->mode = COMMAND;
}

static void on_due(evutil_socket_t fd, short what, void *arg)
{
	const double now = tool_now_s() + 1e-5;
	struct conn *c = arg;
	struct reply *r;

	(void)fd;
	(void)what;
	while ((r = c->first) != NULL && r->due <= now) {
		c->first = r->next;
		if (c->first == NULL)
			c->last = &c->first;
		bufferevent_write(c->bev, r->text, strlen(r->text));
		if (r->of_message)
			count_message(c->server);
		free(r);
	}
	if (c->first != NULL)
		arm(c);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *address, int len, void *arg)
{
	struct server *s = arg;
	struct conn *c = calloc(1, sizeof(*c));
	const int one = 1;

	(void)listener;
	(void)address;
	(void)len;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	if (c != NULL) {
		c->timer = evtimer_new(s->base, on_due, c);
		c->bev = bufferevent_socket_new(
			s->base, fd, BEV_OPT_CLOSE_ON_FREE);
	}
	if (c == NULL || c->timer == NULL || c->bev == NULL)
		tool_die("no memory");
	c->server = s;
	c->last = &c->first;
	if (s->connections++ == 0)
		s->first_s = tool_now_s();
	if (++s->open > s->most_open)
		s->most_open = s->open;
	bufferevent_setcb(c->bev, on_readable, on_written, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	sink_say(c, "220 sink ESMTP - gsmtp\r\n", false);
}

static void on_signal(evutil_socket_t number, short what, void *arg)
{
	struct server *s = arg;

	(void)what;
	if (number == SIGUSR1)
		print_figures(s);
	else
		event_base_loopbreak(s->base);
}

/* --- the beginning -------------------------------------------------------- */

static SSL_CTX *make_tls(const char *certificate, const char *key)
{
	SSL_CTX *tls = SSL_CTX_new(TLS_server_method());

	if (tls == NULL ||
		SSL_CTX_use_certificate_chain_file(tls, certificate) != 1 ||
		SSL_CTX_use_PrivateKey_file(tls, key, SSL_FILETYPE_PEM) != 1)
		tool_die("the certificate %s or its key %s cannot be used",
			certificate, key);
	return tls;
}

static void listen_on(struct server *s, long port)
{
	struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((in_port_t)port),
		.sin_addr = {htonl(INADDR_LOOPBACK)},
	};
	socklen_t len = sizeof(address);
	struct evconnlistener *listener = evconnlistener_new_bind(s->base,
		on_accept, s, LEV_OPT_CLOSE_ON_FREE | LEV_OPT_REUSEABLE,
		BACKLOG, (struct sockaddr *)&address, sizeof(address));

	if (listener == NULL || getsockname(evconnlistener_get_fd(listener),
					(struct sockaddr *)&address, &len) != 0)
		tool_die("listening on port %ld", port);
	printf("ready port=%d\n", ntohs(address.sin_port));
	fflush(stdout);
}

static void usage(void)
{
	fputs("usage: sink [-p PORT] [-c CERTIFICATE -k KEY] [-r ROUND_TRIP_MS]\n"
	      "            [-w WORK_MS] [-l ARRIVALS_FILE]\n"
	      "Takes mail on 127.0.0.1 and keeps nothing of it; USR1 prints "
	      "figures,\nTERM prints them and ends it.\n",
		stderr);
	exit(2);
}

struct options {
	long port;
	const char *certificate;
	const char *key;
};

static void read_options(
	struct server *s, struct options *o, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:c:k:r:w:l:")) != -1) {
		if (option == 'p')
			o->port = tool_number('p', optarg, 0, 65535);
		else if (option == 'c')
			o->certificate = optarg;
		else if (option == 'k')
			o->key = optarg;
		else if (option == 'r')
			s->round_trip_s = (double)tool_number('r', optarg, 0,
						  DELAY_MAX_MS) /
					  1e3;
		else if (option == 'w')
			s->work_s = (double)tool_number(
					    'w', optarg, 0, DELAY_MAX_MS) /
				    1e3;
		else if (option != 'l')
			usage();
		else if ((s->log = fopen(optarg, "we")) == NULL)
			tool_die("%s", optarg);
	}
	if (optind != argc || (o->certificate == NULL) != (o->key == NULL))
		usage();
}

int main(int argc, char **argv)
{
	static const int signals[] = {SIGUSR1, SIGTERM, SIGINT};
	struct options options = {0};
	struct server s = {0};
	size_t i;

	read_options(&s, &options, argc, argv);
	signal(SIGPIPE, SIG_IGN);
	if (s.log != NULL)
		setvbuf(s.log, NULL, _IOLBF, 0);
	s.base = event_base_new();
	if (s.base == NULL)
		tool_die("no event base");
	if (options.certificate != NULL)
		s.tls = make_tls(options.certificate, options.key);
	for (i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		event_add(
			evsignal_new(s.base, signals[i], on_signal, &s), NULL);
	listen_on(&s, options.port);
	event_base_dispatch(s.base);
	print_figures(&s);
	if (s.log != NULL)
		fclose(s.log);
	return 0;
}
