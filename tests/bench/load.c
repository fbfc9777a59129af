/*
 * load.c - hands in mail by plain SMTP as fast as it is taken, or at a rate.
 *
 * Clients at the same time share a number of messages; each has its connection
 * for one message, as programs do, or with -k for all of its messages. No
 * command is sent before the last one was answered.
 */
#include "config.h"

#include "tool.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <netinet/in.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
	CLIENTS_MAX = 1000,
	MESSAGES_MAX = 2000000,
	MESSAGE_SIZE_MAX = 64 << 20,
	RATE_MAX = 1000000,
	LINE_LEN = 72,
	HEADER_MAX = 512,
	/* So long for all that was taken to arrive upstream. */
	ARRIVAL_WAIT_MAX_S = 60,
	LOOK_AGAIN_US = 10000,
};

/* Where a client is: each step sends something and awaits one reply. */
enum step { GREETING, HELO, MAIL, RCPT, DATA, BODY, QUIT };

struct load {
	struct event_base *base;
	struct sockaddr_in to;
	long clients;
	long messages;
	long rate;            /* messages a second; 0: as fast as they go */
	bool keep;            /* the connection */
	const char *arrivals; /* the sink's list; NULL: none */
	char *text;           /* a message's body */
	size_t text_len;
	double begin_s;
	double end_s;
	long next;
	long taken;
	long refused;
	long broken;      /* connections */
	long working;     /* clients that have something to do */
	double *waited_s; /* of each message taken: for its last reply */
	double *taken_s;  /* when, by the message's number; 0: not */
};

struct client {
	struct load *load;
	struct bufferevent *bev; /* NULL: not connected */
	struct event *timer;
	enum step step;
	long number; /* of its message */
	double sent_s;
	bool refused;
};

static void client_next(struct client *c);

static void disconnect(struct client *c)
{
	if (c->bev != NULL)
		bufferevent_free(c->bev);
	c->bev = NULL;
}

/* --- a conversation ------------------------------------------------------- */

static void send_body(struct client *c)
{
	struct evbuffer *out = bufferevent_get_output(c->bev);
	const struct load *l = c->load;

	evbuffer_add_printf(out,
		"Date: Mon, 1 Jan 2024 00:00:00 +0000\r\n"
		"Message-ID: <%ld.%ld@load.example.org>\r\n"
		"From: <device@example.org>\r\nTo: <person@example.net>\r\n"
		"Subject: a measurement\r\n" TOOL_ID_FIELD "%ld\r\n\r\n",
		c->number, (long)getpid(), c->number);
	evbuffer_add_reference(out, l->text, l->text_len, NULL, NULL);
	evbuffer_add_printf(out, ".\r\n");
	c->sent_s = tool_now_s();
}

static void enter(struct client *c, enum step step)
{
	static const char *const words[] = {
		[HELO] = "EHLO load.example.org\r\n",
		[MAIL] = "MAIL FROM:<device@example.org>\r\n",
		[RCPT] = "RCPT TO:<person@example.net>\r\n",
		[DATA] = "DATA\r\n",
		[QUIT] = "QUIT\r\n",
	};

	c->step = step;
	if (step == BODY)
		send_body(c);
	else
		bufferevent_write(c->bev, words[step], strlen(words[step]));
}

static void end_message(struct client *c, bool taken)
{
	struct load *l = c->load;

	l->end_s = tool_now_s();
	if (taken) {
		l->waited_s[l->taken++] = l->end_s - c->sent_s;
		l->taken_s[c->number] = l->end_s;
	} else {
		l->refused++;
	}
	if (l->keep && taken)
		client_next(c);
	else
		enter(c, QUIT);
}

static void on_reply(struct client *c, char first)
{
	const char wanted = c->step == DATA ? '3' : '2';

	if (c->step == QUIT) {
		disconnect(c);
		client_next(c);
	} else if (first != wanted && c->step >= MAIL) {
		end_message(c, false);
	} else if (first != wanted) {
		c->load->broken++;
		end_message(c, false);
	} else if (c->step == BODY) {
		end_message(c, true);
	} else {
		enter(c, c->step + 1);
	}
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct evbuffer *in = bufferevent_get_input(bev);
	struct client *c = arg;
	char *line, first, fourth;
	size_t len;

	while (c->bev == bev &&
		(line = evbuffer_readln(in, &len, EVBUFFER_EOL_CRLF)) != NULL) {
		first = line[0];
		fourth = len > 3 ? line[3] : ' ';
		free(line);
		if (fourth != '-')
			on_reply(c, first);
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct client *c = arg;

	(void)bev;
	if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0)
		return;
	disconnect(c);
	if (c->step != QUIT) {
		c->load->broken++;
		c->load->refused++;
	}
	client_next(c);
}

static void connect_client(struct client *c)
{
	struct load *l = c->load;

	c->step = GREETING;
	c->bev = bufferevent_socket_new(l->base, -1, BEV_OPT_CLOSE_ON_FREE);
	if (c->bev == NULL)
		tool_die("no memory");
	bufferevent_setcb(c->bev, on_readable, NULL, on_event, c);
	bufferevent_enable(c->bev, EV_READ | EV_WRITE);
	if (bufferevent_socket_connect(
		    c->bev, (struct sockaddr *)&l->to, sizeof(l->to)) != 0)
		tool_die("connecting to port %d", ntohs(l->to.sin_port));
}

/* --- who does what when --------------------------------------------------- */

static void begin(struct client *c)
{
	if (c->bev == NULL)
		connect_client(c);
	else
		enter(c, MAIL);
}

static void on_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	begin(arg);
}

/* Takes the next message, at its time where there is a rate. */
static void client_next(struct client *c)
{
	struct load *l = c->load;
	struct timeval delay = {0};
	double wait;

	if (l->next == l->messages) {
		if (c->bev != NULL)
			enter(c, QUIT);
		else if (--l->working == 0)
			event_base_loopbreak(l->base);
		return;
	}
	c->number = l->next++;
	if (l->rate == 0) {
		begin(c);
		return;
	}
	wait = l->begin_s + (double)c->number / (double)l->rate - tool_now_s();
	if (wait > 0) {
		delay.tv_sec = (time_t)wait;
		delay.tv_usec =
			(suseconds_t)((wait - (double)delay.tv_sec) * 1e6);
	}
	evtimer_add(c->timer, &delay);
}

static void run(struct load *l)
{
	struct client *clients = calloc((size_t)l->clients, sizeof(*clients));
	long i;

	if (clients == NULL)
		tool_die("no memory");
	l->begin_s = l->end_s = tool_now_s();
	l->working = l->clients;
	for (i = 0; i < l->clients; i++) {
		clients[i].load = l;
		clients[i].timer = evtimer_new(l->base, on_timer, &clients[i]);
		if (clients[i].timer == NULL)
			tool_die("no memory");
	}
	for (i = 0; i < l->clients; i++)
		client_next(&clients[i]);
	if (l->working > 0)
		event_base_dispatch(l->base);
	for (i = 0; i < l->clients; i++)
		event_free(clients[i].timer);
	free(clients);
}

/* --- what came of it ------------------------------------------------------ */

static void print_latency(const char *name, double *values, size_t count)
{
	printf(" %s_p50_ms=%.2f %s_p99_ms=%.2f", name,
		tool_percentile(values, count, 50) * 1e3, name,
		tool_percentile(values, count, 99) * 1e3);
}

/* Reads what of the list is new: "seconds number" a line. Returns how many
 * lines there were; times from the 250 on go to took_s. */
static size_t read_arrivals(
	const struct load *l, FILE *list, double *took_s, size_t have)
{
	double when;
	long number, at = ftell(list);

	while (fscanf(list, "%lf %ld\n", &when, &number) == 2) {
		if (number < 0 || number >= l->messages ||
			l->taken_s[number] <= 0 || have == (size_t)l->taken)
			continue;
		took_s[have++] = when - l->taken_s[number];
		at = ftell(list);
	}
	clearerr(list);
	fseek(list, at, SEEK_SET);
	return have;
}

static void print_arrivals(const struct load *l)
{
	const double end = tool_now_s() + ARRIVAL_WAIT_MAX_S;
	double *took_s = calloc((size_t)l->taken + 1, sizeof(*took_s));
	FILE *list = fopen(l->arrivals, "re");
	size_t have = 0;

	if (took_s == NULL || list == NULL)
		tool_die("%s", l->arrivals);
	while ((have = read_arrivals(l, list, took_s, have)) <
			(size_t)l->taken &&
		tool_now_s() < end)
		usleep(LOOK_AGAIN_US);
	fclose(list);
	printf(" arrived=%zu", have);
	print_latency("arrival", took_s, have);
	free(took_s);
}

static void report(struct load *l)
{
	const double seconds = l->end_s - l->begin_s;

	printf("taken=%ld refused=%ld broken=%ld begin=%.6f seconds=%.3f "
	       "rate=%.1f",
		l->taken, l->refused, l->broken, l->begin_s, seconds,
		seconds > 0 ? (double)l->taken / seconds : 0);
	print_latency("answer", l->waited_s, (size_t)l->taken);
	if (l->arrivals != NULL)
		print_arrivals(l);
	putchar('\n');
}

/* --- the beginning -------------------------------------------------------- */

static void make_text(struct load *l, size_t size)
{
	size_t i;

	l->text_len = size > HEADER_MAX ? size - HEADER_MAX : 2;
	l->text = malloc(l->text_len);
	if (l->text == NULL)
		tool_die("no memory");
	memset(l->text, 'x', l->text_len);
	for (i = LINE_LEN; i + 2 < l->text_len; i += LINE_LEN + 2)
		memcpy(l->text + i, "\r\n", 2);
	memcpy(l->text + l->text_len - 2, "\r\n", 2);
}

static void usage(void)
{
	fputs("usage: load -p PORT [-c CLIENTS] [-m MESSAGES] [-s OCTETS]\n"
	      "            [-r MESSAGES_A_SECOND] [-k] [-a ARRIVALS_FILE]\n"
	      "Hands in mail on 127.0.0.1; -k keeps connections; -a is what "
	      "sink -l writes.\nPrints rates, and times: to the 250, and from "
	      "it to the arrival upstream.\n",
		stderr);
	exit(2);
}

static void read_options(struct load *l, size_t *size, int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "p:c:m:s:r:ka:")) != -1) {
		if (option == 'p')
			l->to.sin_port = htons(
				(in_port_t)tool_number('p', optarg, 1, 65535));
		else if (option == 'c')
			l->clients = tool_number('c', optarg, 1, CLIENTS_MAX);
		else if (option == 'm')
			l->messages = tool_number('m', optarg, 1, MESSAGES_MAX);
		else if (option == 's')
			*size = (size_t)tool_number(
				's', optarg, HEADER_MAX, MESSAGE_SIZE_MAX);
		else if (option == 'r')
			l->rate = tool_number('r', optarg, 1, RATE_MAX);
		else if (option == 'k')
			l->keep = true;
		else if (option == 'a')
			l->arrivals = optarg;
		else
			usage();
	}
	if (optind != argc || l->to.sin_port == 0)
		usage();
}

int main(int argc, char **argv)
{
	struct load l = {
		.to = {.sin_family = AF_INET,
			.sin_addr = {htonl(INADDR_LOOPBACK)}},
		.clients = 1,
		.messages = 1000,
	};
	size_t size = 4096;

	read_options(&l, &size, argc, argv);
	l.base = event_base_new();
	l.waited_s = calloc((size_t)l.messages, sizeof(*l.waited_s));
	l.taken_s = calloc((size_t)l.messages, sizeof(*l.taken_s));
	if (l.base == NULL || l.waited_s == NULL || l.taken_s == NULL)
		tool_die("no memory");
	make_text(&l, size);
	run(&l);
	report(&l);
	event_base_free(l.base);
	free(l.waited_s);
	free(l.taken_s);
	free(l.text);
	return l.refused == 0 ? 0 : 1;
}
