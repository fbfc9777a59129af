/*
 * sink_protocol.c - sink's side of the conversation: commands, messages.
 */
#include "config.h"

#include "sink.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum {
	/* The id is looked for in so much of a message. */
	ID_WITHIN = 8192,
	/* Of what was sent as DATA, kept for an end cut in two. */
	END_LEN = 5,
	COMMAND_MAX = 16384,
};

/* --- a message ------------------------------------------------------------ */

/* Looks for the id in what of the message is there: len octets. Returns false
 * when more may tell. */
static bool seek_id(struct conn *c, struct evbuffer *in, size_t len, bool whole)
{
	const size_t field = strlen(TOOL_ID_FIELD);
	struct evbuffer_ptr end, found;

	if (c->id_sought || c->server->log == NULL)
		return true;
	if (!whole && len < ID_WITHIN)
		return false;
	c->id_sought = true;
	evbuffer_ptr_set(
		in, &end, len < ID_WITHIN ? len : ID_WITHIN, EVBUFFER_PTR_SET);
	found = evbuffer_search_range(in, TOOL_ID_FIELD, field, NULL, &end);
	if (found.pos < 0 ||
		evbuffer_ptr_set(in, &found, field, EVBUFFER_PTR_ADD) != 0 ||
		evbuffer_copyout_from(in, &found, c->id, TOOL_ID_MAX) < 0)
		return true;
	c->id[strspn(c->id, "0123456789")] = '\0';
	return true;
}

static void end_message(struct conn *c)
{
	if (c->server->log != NULL)
		fprintf(c->server->log, "%.6f %s\n", tool_now_s(),
			c->id[0] != '\0' ? c->id : "-");
	memset(c->id, 0, sizeof(c->id));
	c->id_sought = false;
	c->mode = COMMAND;
	sink_say(c, "250 2.0.0 OK 1700000000 sink - gsmtp\r\n", true);
}

static bool take_chunk(struct conn *c, struct evbuffer *in)
{
	const size_t have = evbuffer_get_length(in);
	size_t n = have < c->chunk_left ? have : c->chunk_left;

	if (!seek_id(c, in, n, n == c->chunk_left))
		return false;
	evbuffer_drain(in, n);
	c->server->octets += n;
	c->chunk_left -= n;
	if (c->chunk_left > 0)
		return false;
	if (c->last_chunk) {
		end_message(c);
	} else {
		c->mode = COMMAND;
		sink_say(c, "250 2.0.0 OK\r\n", false);
	}
	return true;
}

/* The line end before the text belongs to DATA; it is kept in front, so that a
 * dot alone is found too. */
static bool take_text(struct conn *c, struct evbuffer *in)
{
	struct evbuffer_ptr end =
		evbuffer_search(in, "\r\n.\r\n", END_LEN, NULL);
	const size_t have = evbuffer_get_length(in);
	size_t n;

	if (end.pos >= 0) {
		seek_id(c, in, (size_t)end.pos, true);
		evbuffer_drain(in, (size_t)end.pos + END_LEN);
		c->server->octets += (size_t)end.pos;
		end_message(c);
		return true;
	}
	n = have >= END_LEN ? have - (END_LEN - 1) : 0;
	if (n > 0 && seek_id(c, in, n, false)) {
		evbuffer_drain(in, n);
		c->server->octets += n;
	}
	return false;
}

/* --- commands ------------------------------------------------------------- */

#define EXTENSIONS                                                             \
	"250-ENHANCEDSTATUSCODES\r\n250-PIPELINING\r\n250-CHUNKING\r\n"        \
	"250 SMTPUTF8\r\n"

static void on_ehlo(struct conn *c, const char *argument)
{
	(void)argument;
	if (c->secure)
		sink_say(c,
			"250-sink at your service\r\n250-SIZE 35882577\r\n"
			"250-8BITMIME\r\n250-AUTH LOGIN PLAIN\r\n" EXTENSIONS,
			false);
	else if (c->server->tls != NULL)
		sink_say(c,
			"250-sink at your service\r\n250-SIZE 35882577\r\n"
			"250-8BITMIME\r\n250-STARTTLS\r\n" EXTENSIONS,
			false);
	else
		sink_say(c,
			"250-sink at your service\r\n250-SIZE 35882577\r\n"
			"250-8BITMIME\r\n" EXTENSIONS,
			false);
}

static void on_starttls(struct conn *c, const char *argument)
{
	(void)argument;
	if (c->server->tls == NULL || c->secure) {
		sink_say(c, "502 5.5.1 not here\r\n", false);
		return;
	}
	sink_say(c, "220 2.0.0 Ready to start TLS\r\n", false);
	c->mode = STARTING_TLS;
}

/* Whoever they are. What is asked for in further lines is not looked at. */
static void on_auth(struct conn *c, const char *argument)
{
	const bool with_answer = strchr(argument, ' ') != NULL;

	c->answers_left = strncasecmp(argument, "LOGIN", 5) == 0 ? 2 : 1;
	if (with_answer)
		c->answers_left--;
	if (c->answers_left > 0) {
		c->mode = LOGIN;
		sink_say(c, "334 \r\n", false);
		return;
	}
	c->server->logins++;
	sink_say(c, "235 2.7.0 Accepted\r\n", false);
}

static void take_answer(struct conn *c)
{
	if (--c->answers_left > 0) {
		sink_say(c, "334 \r\n", false);
		return;
	}
	c->mode = COMMAND;
	c->server->logins++;
	sink_say(c, "235 2.7.0 Accepted\r\n", false);
}

static void on_mail(struct conn *c, const char *argument)
{
	(void)argument;
	if (c->server->tls != NULL && !c->secure)
		sink_say(c, "530 5.7.0 Must issue a STARTTLS command first\r\n",
			false);
	else
		sink_say(c, "250 2.1.0 OK\r\n", false);
}

static void on_data(struct conn *c, const char *argument)
{
	(void)argument;
	sink_say(c, "354 Go ahead\r\n", false);
	evbuffer_prepend(bufferevent_get_input(c->bev), "\r\n", 2);
	c->mode = TEXT;
}

static void on_bdat(struct conn *c, const char *argument)
{
	c->chunk_left = (size_t)strtoul(argument, NULL, 10);
	c->last_chunk = strcasestr(argument, "LAST") != NULL;
	c->mode = CHUNK;
}

static void on_quit(struct conn *c, const char *argument)
{
	(void)argument;
	sink_say(c, "221 2.0.0 closing connection\r\n", false);
	c->mode = CLOSING;
}

static void on_rcpt(struct conn *c, const char *argument)
{
	(void)argument;
	sink_say(c, "250 2.1.5 OK\r\n", false);
}

static void on_other(struct conn *c, const char *argument)
{
	(void)argument;
	sink_say(c, "250 2.0.0 OK\r\n", false);
}

static const struct {
	const char *verb;
	void (*fn)(struct conn *c, const char *argument);
} commands[] = {
	{"RCPT", on_rcpt},
	{"MAIL", on_mail},
	{"BDAT", on_bdat},
	{"DATA", on_data},
	{"RSET", on_other},
	{"NOOP", on_other},
	{"EHLO", on_ehlo},
	{"HELO", on_other},
	{"STARTTLS", on_starttls},
	{"AUTH", on_auth},
	{"QUIT", on_quit},
};

static void dispatch(struct conn *c, const char *line)
{
	const size_t len = strcspn(line, " ");
	const char *argument = line + len + strspn(line + len, " ");
	size_t i;

	for (i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (strlen(commands[i].verb) == len &&
			strncasecmp(line, commands[i].verb, len) == 0) {
			commands[i].fn(c, argument);
			return;
		}
	sink_say(c, "502 5.5.1 Unrecognized command\r\n", false);
}

/* Returns false when it needs more. */
static bool take_line(struct conn *c, struct evbuffer *in)
{
	char *line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF);

	if (line == NULL && evbuffer_get_length(in) > COMMAND_MAX) {
		c->mode = CLOSING;
		sink_say(c, "500 5.5.2 line too long\r\n", false);
	}
	if (line == NULL)
		return false;
	if (c->mode == LOGIN)
		take_answer(c);
	else
		dispatch(c, line);
	free(line);
	return true;
}

void sink_take(struct conn *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	bool more = true;

	while (more) {
		switch (c->mode) {
		case TEXT:
			more = take_text(c, in);
			break;
		case CHUNK:
			more = take_chunk(c, in);
			break;
		case COMMAND:
		case LOGIN:
			more = take_line(c, in);
			break;
		default:
			more = false;
			break;
		}
	}
}
