/*
 * session.c - one client: its bytes in and out, its timer, its state.
 *
 * A turn: bytes are read behind those that were left over, and looked at until
 * they are used up or the session has to wait; the replies gather in out and
 * leave together. A session that waits is not taken out of the event loop
 * before its client really sends something: most clients wait as well.
 */
#include "config.h"

#include "receiver/session_internal.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/role.h"
#include "base/util.h"
#include "receiver/login.h"
#include "receiver/rate.h"
#include "receiver/tls.h"
#include "receiver/verbs.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>
#include <unistd.h>

#include <event2/event.h>

/* An empty buffer of more is given back. */
enum { KEEP_MAX = 4096 };

void session_shared_init(struct session_shared *shared)
{
	const int64_t ms = shared->conf->client_timeout_ms;

	clients_init(&shared->clients);
	census_init(&shared->census, shared->counters->clients);
	shared->idle_timeout.tv_sec = (time_t)(ms / 1000);
	shared->idle_timeout.tv_usec = (suseconds_t)(ms % 1000 * 1000);
	shared->lf_dot_wait.tv_sec = SESSION_LF_DOT_WAIT_MS / 1000;
	shared->turn = xcalloc(1, SESSION_TURN_MAX);
	buf_init(&shared->scratch, INTAKE_HEADER_MAX);
	session_texts_init(shared);
}

void session_shared_free(struct session_shared *shared)
{
	logins_free(&shared->logins);
	session_texts_free(shared);
	free(shared->turn);
	shared->turn = NULL;
	buf_free(&shared->scratch);
}

static bool has_transaction(const struct session *s)
{
	return s->mail.env != NULL;
}

bool session_in_text(const struct session *s)
{
	return s->state == SESSION_DATA || s->chunk.open;
}

void session_set_state(struct session *s, enum session_state state)
{
	s->state = state;
	clients_touch(&s->shared->clients, &s->client,
		state == SESSION_NEW || state == SESSION_IDLE);
}

void session_reset(struct session *s)
{
	rate_end(s);
	mail_reset(&s->mail);
	session_set_state(
		s, s->state == SESSION_NEW ? SESSION_NEW : SESSION_IDLE);
}

/* error: one of SESSION_ERRORS_MAX. */
static void say(
	struct session *s, enum rx_reply reply, const char *detail, bool error)
{
	/* in the midst of a handshake nothing can be said */
	if (s->expelled || s->wire == SESSION_HANDSHAKE)
		return;
	if (error && ++s->errors > SESSION_ERRORS_MAX) {
		s->expelled = true;
		reply = RX_TOO_MANY_ERRORS;
		detail = NULL;
		log_info("closed peer=%s reason=\"too many errors\" "
			 "reply=\"%s\"",
			s->peer.log, rx_reply_codes(reply));
	}
	if (rx_reply_add(&s->out, reply, detail) != 0)
		s->gone = true;
}

void session_reply_detail(
	struct session *s, enum rx_reply reply, const char *detail)
{
	say(s, reply, detail, rx_reply_is_mistake(reply));
}

void session_refuse_rcpt(
	struct session *s, enum rx_reply reply, const char *detail)
{
	const bool forgiven =
		s->refused_rcpts < s->shared->conf->max_recipients;

	s->refused_rcpts += forgiven;
	say(s, reply, detail, !forgiven);
}

void session_count_refused(struct session *s)
{
	s->shared->counters->rejected++;
	census_refused(&s->shared->census, &s->peer);
}

void session_reply(struct session *s, enum rx_reply reply)
{
	session_reply_detail(s, reply, NULL);
}

/* --- waiting ---------------------------------------------------------- */

static void on_writable(evutil_socket_t fd, short what, void *arg);

void session_wait_writable(struct session *s)
{
	const struct timeval closing = {
		.tv_sec = SESSION_CLOSE_WAIT_MS / 1000,
	};

	if (s->write_event == NULL)
		s->write_event = event_new(s->shared->base, s->transport.fd,
			EV_WRITE, on_writable, s);
	if (s->write_event == NULL ||
		event_add(s->write_event, s->state == SESSION_CLOSING
						  ? &closing
						  : &s->shared->idle_timeout) !=
			0)
		s->gone = true;
}

/* What TLS has read already does not show on the socket. */
static enum session_wait wait_for(const struct session *s)
{
	if (s->more ||
		(s->wire == SESSION_TALK && transport_pending(&s->transport)))
		return SESSION_WAIT_TURN;
	return session_text_may_end(s) ? SESSION_WAIT_DOT : SESSION_WAIT_CLIENT;
}

/* The next turn comes by a timer that is over at once, since the loop looks at
 * the sockets before it looks at timers again: all others have had theirs. */
static void start_reading(struct session *s)
{
	const enum session_wait wait = wait_for(s);
	const struct timeval times[] = {
		[SESSION_WAIT_CLIENT] = session_tls_wait(s),
		[SESSION_WAIT_DOT] = s->shared->lf_dot_wait,
		[SESSION_WAIT_TURN] = {0, 0},
	};

	if (s->reading && s->wait == wait && wait != SESSION_WAIT_TURN)
		return;
	/* a timer of no time is not repeated by itself */
	if (s->reading)
		session_stop_reading(s);
	s->wait = wait;
	if (event_add(s->read_event, &times[wait]) == 0)
		s->reading = true;
	else
		s->gone = true;
}

void session_stop_reading(struct session *s)
{
	event_del(s->read_event);
	s->reading = false;
}

/* --- input ---------------------------------------------------------------- */

/* Of the turn's bytes, which are nobody else's to change. */
static void wipe_turn(struct session *s, const char *data, size_t len)
{
	wipe(s->shared->turn + (data - s->shared->turn), len);
}

static enum session_next take_command(
	struct session *s, const char *data, size_t len, size_t *used)
{
	enum session_next next = SESSION_CONTINUE;
	struct line line;
	int rc;

	if (!s->spoke && s->transport.tls == NULL &&
		session_tls_is_hello(data[0])) {
		session_tls_too_late(s);
		*used = len;
		return SESSION_CLOSE;
	}
	rc = line_split(&s->splitter, data, len, &line);
	*used = line.used;
	if (rc == 0)
		return SESSION_NEED_MORE;
	if (rc < 0 && s->auth != NULL)
		login_too_long(s);
	else if (rc < 0)
		session_reply(s, RX_LINE_TOO_LONG);
	else if (s->auth != NULL)
		next = login_answer(s, line.text, line.len);
	else
		next = verbs_dispatch(s, &line, len > line.used);
	if (s->secret && rc > 0)
		wipe_turn(s, line.text, line.len);
	s->spoke = true;
	return s->expelled ? SESSION_CLOSE : next;
}

static enum session_next take(
	struct session *s, const char *data, size_t len, size_t *used)
{
	if (s->state == SESSION_DATA)
		return session_take_data(s, data, len, used);
	if (s->chunk.open)
		return session_take_chunk(s, data, len, used);
	return take_command(s, data, len, used);
}

static void flush(struct session *s);

/* Keeps what cannot be looked at yet. Half a login is not left lying about. */
static int hold(struct session *s, const char *data, size_t len)
{
	static const char verb[] = "AUTH";
	const bool secret = s->auth != NULL ||
			    (len > strlen(verb) &&
				    strncasecmp(data, verb, strlen(verb)) == 0);

	/* all at once: growing would leave copies behind */
	if (secret && len < COMMAND_LINE_MAX &&
		buf_reserve(&s->held, COMMAND_LINE_MAX) == NULL)
		return -1;
	if (buf_add(&s->held, data, len) != 0)
		return -1;
	if (secret)
		wipe_turn(s, data, len);
	return 0;
}

/* Looks at the len bytes at data, and holds what it leaves. */
static enum session_next take_all(
	struct session *s, const char *data, size_t len)
{
	enum session_next next = SESSION_CONTINUE;
	const size_t unsent = s->out.len;
	unsigned steps = 0;
	size_t used;

	while (len > 0 && s->paused == 0 && next == SESSION_CONTINUE &&
		steps++ < SESSION_TURN_STEPS_MAX &&
		s->out.len <= unsent + SESSION_TURN_OUTPUT_MAX) {
		next = take(s, data, len, &used);
		data += used;
		len -= used;
		if (s->out.len > SESSION_OUTPUT_PAUSE)
			flush(s);
	}
	s->more = len > 0 && s->paused == 0 && next == SESSION_CONTINUE;
	if (s->secret && s->held.data != NULL)
		wipe(s->held.data, s->held.cap);
	buf_clear(&s->held);
	s->secret = s->auth != NULL;
	if (next == SESSION_START_TLS)
		next = session_tls_start(s, len > 0);
	if (next == SESSION_CLOSE)
		return next;
	if (len > 0 && hold(s, data, len) != 0)
		return SESSION_CLOSE;
	if (len == 0 && s->held.cap > KEEP_MAX)
		buf_free(&s->held);
	return SESSION_CONTINUE;
}

enum session_next session_take_held(struct session *s)
{
	const size_t len = s->held.len;

	if (len == 0 || s->paused != 0)
		return SESSION_CONTINUE;
	memcpy(s->shared->turn, s->held.data, len);
	return take_all(s, s->shared->turn, len);
}

/* How much to read behind what was held. */
static size_t read_size(const struct session *s)
{
	const size_t room = SESSION_TURN_MAX - s->held.len;
	const size_t wanted =
		session_in_text(s) ? s->text_read : SESSION_COMMANDS_READ_MAX;

	return wanted < room ? wanted : room;
}

static int64_t now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* The turn took so long: the next one is to be shorter, or may be longer. */
static void adapt_turn(struct session *s, int64_t took_ns)
{
	if (took_ns > SESSION_TURN_NS_MAX &&
		s->text_read / 2 >= SESSION_TEXT_READ_MIN)
		s->text_read /= 2;
	else if (took_ns < SESSION_TURN_NS_MAX / 4 &&
		 s->text_read < SESSION_TURN_MAX)
		s->text_read *= 2;
}

static enum session_next read_and_take(struct session *s)
{
	char *turn = s->shared->turn;
	const size_t had = s->held.len;
	enum transport_result result;
	enum session_next next;
	int64_t began_ns;
	size_t n;

	if (had > 0)
		memcpy(turn, s->held.data, had);
	result = transport_read(&s->transport, turn + had, read_size(s), &n);
	if (result == TRANSPORT_WAIT_WRITE)
		session_wait_writable(s);
	if (n == 0 && (result == TRANSPORT_WAIT_READ ||
			      result == TRANSPORT_WAIT_WRITE))
		return SESSION_CONTINUE;
	if (n == 0) {
		if (s->spoke && s->state != SESSION_CLOSING)
			s->quirks |= QUIRK_BIT(QUIRK_NO_QUIT);
		/* one that sends no more may still read */
		s->gone = result == TRANSPORT_BROKEN || s->out.len == 0;
		return SESSION_CLOSE;
	}
	clients_touch(&s->shared->clients, &s->client, !has_transaction(s));
	if (mail_overdue(&s->mail)) {
		session_reply(s, RX_TRANSACTION_TOO_LONG);
		return SESSION_CLOSE;
	}
	began_ns = now_ns();
	next = take_all(s, turn, had + n);
	adapt_turn(s, now_ns() - began_ns);
	return next;
}

/* --- output --------------------------------------------------------------- */

/* Sends what it can; arranges for the rest. */
static void flush(struct session *s)
{
	enum transport_result result = TRANSPORT_DONE;
	size_t sent = 0, n;

	while (sent < s->out.len && result == TRANSPORT_DONE && !s->gone) {
		result = transport_write(&s->transport, s->out.data + sent,
			s->out.len - sent, &n);
		sent += n;
	}
	/* TLS does not wait for the client's bytes to send ours: nothing may
	 * be negotiated anew */
	if (result == TRANSPORT_BROKEN ||
		(result == TRANSPORT_WAIT_READ && s->transport.tls != NULL))
		s->gone = true;
	if (sent > 0 && sent < s->out.len)
		memmove(s->out.data, s->out.data + sent, s->out.len - sent);
	s->out.len -= sent;
	if (s->out.len > 0 && !s->gone)
		session_wait_writable(s);
	else if (s->out.cap > KEEP_MAX)
		buf_free(&s->out);
	if (s->out.len > SESSION_OUTPUT_PAUSE && !s->gone)
		s->paused |= SESSION_PAUSE_OUTPUT;
	else
		s->paused &= ~(unsigned)SESSION_PAUSE_OUTPUT;
}

/* --- the end -------------------------------------------------------------- */

static void session_free(struct session **sp)
{
	struct session *s = *sp;
	struct session_shared *shared = s->shared;

	*sp = NULL;
	session_texts_leave(s);
	mail_log_lost(&s->mail, s->peer.log,
		s->gone ? "the client left" : "the connection was closed");
	rate_end(s);
	mail_reset(&s->mail);
	login_forget(s);
	tls_conn_close(&s->tls_due);
	tls_conn_close(&s->transport.tls);
	if (!s->gone && !s->polite)
		transport_drop_unread(
			&s->transport, shared->turn, SESSION_TURN_MAX);
	if (s->spoke || s->quirks != 0)
		census_quirks(&shared->census, &s->peer, s->quirks);
	clients_remove(&shared->clients, &s->client);
	shared->counters->open_sessions--;
	event_free(s->read_event);
	if (s->write_event != NULL)
		event_free(s->write_event);
	transport_close(&s->transport);
	buf_free(&s->held);
	buf_free(&s->out);
	free(s);
	shared->on_gone(shared->arg);
}

void session_settle(struct session *s, enum session_next next)
{
	if (next != SESSION_CLOSE && s->shared->draining &&
		!has_transaction(s) && !s->chunk.open &&
		s->state != SESSION_CLOSING) {
		session_reply(s, RX_STOPPING);
		next = SESSION_CLOSE;
	}
	if (s->state == SESSION_COMMIT) {
		/* whoever has left: the message is ours, its outcome is to be
		 * heard */
		s->ending |= next == SESSION_CLOSE;
		flush(s);
		return;
	}
	if (next == SESSION_CLOSE && s->state != SESSION_CLOSING) {
		session_set_state(s, SESSION_CLOSING);
		session_stop_reading(s);
	}
	flush(s);
	if (s->wire == SESSION_TLS_DUE && s->out.len == 0)
		session_tls_begin(s);
	if (!s->gone && s->state != SESSION_CLOSING && s->paused == 0 &&
		s->wire != SESSION_TLS_DUE)
		start_reading(s);
	if (s->gone || (s->state == SESSION_CLOSING && s->out.len == 0))
		session_free(&s);
}

/* --- turns ---------------------------------------------------------------- */

enum session_next session_take_turn(struct session *s)
{
	struct session_shared *shared = s->shared;
	const bool text = session_in_text(s);
	const int64_t began_ns = now_ns();
	enum session_next next;

	next = s->more ? session_take_held(s) : read_and_take(s);
	if (text)
		session_texts_spend(shared, now_ns() - began_ns);
	return next;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	enum session_next next;

	(void)fd;
	if (s->paused != 0) {
		session_stop_reading(s);
		return;
	}
	if (s->wire != SESSION_TALK) {
		next = session_tls_event(s, (what & EV_TIMEOUT) != 0);
	} else if (s->more || (what & EV_READ) != 0 ||
		   s->wait == SESSION_WAIT_TURN) {
		if (session_in_text(s) && session_texts_wait(s))
			return;
		next = session_take_turn(s);
	} else if (session_text_may_end(s)) {
		session_end_by_dot(s);
		next = SESSION_CONTINUE;
	} else {
		session_reply(s, RX_IDLE_TOO_LONG);
		next = SESSION_CLOSE;
	}
	session_settle(s, next);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
	struct session *s = arg;
	enum session_next next = SESSION_CONTINUE;

	(void)fd;
	if ((what & EV_WRITE) == 0)
		s->gone = true;
	if (s->wire == SESSION_HANDSHAKE && !s->gone) {
		session_settle(s, session_tls_event(s, false));
		return;
	}
	flush(s);
	if (!s->gone && s->state != SESSION_CLOSING && s->wire == SESSION_TALK)
		next = session_take_held(s);
	session_settle(s, next);
}

/* --- the beginning -------------------------------------------------------- */

void session_greet(struct session *s)
{
	char text[SESSION_HOST_MAX + 32];

	text_join(text, sizeof(text),
		STRINGS(s->shared->host, " " GREETING_PRODUCT));
	session_reply_detail(s, RX_GREETING, text);
}

int session_new(struct session_shared *shared, int fd, const struct peer *peer,
	const struct conf_client *profile)
{
	struct session *s = calloc(1, sizeof(*s));

	if (s != NULL)
		s->read_event = event_new(
			shared->base, fd, EV_READ | EV_PERSIST, on_readable, s);
	if (s == NULL || s->read_event == NULL) {
		free(s);
		close(fd);
		return -1;
	}
	s->shared = shared;
	s->transport.fd = fd;
	s->peer = *peer;
	s->profile = profile;
	s->state = SESSION_NEW;
	s->text_read = SESSION_TURN_MAX;
	line_splitter_init(&s->splitter, COMMAND_LINE_MAX);
	buf_init(&s->held, SESSION_TURN_MAX);
	buf_init(&s->out, SESSION_OUTPUT_MAX);
	s->client.peer = &s->peer;
	s->client.session = s;
	clients_add(&shared->clients, &s->client);
	shared->counters->connections++;
	shared->counters->open_sessions++;
	if (!session_tls_may_come(s))
		session_greet(s);
	session_settle(s, SESSION_CONTINUE);
	return 0;
}

void session_expel(struct session *s, enum rx_reply reply, const char *why)
{
	if (s->state == SESSION_COMMIT)
		return;
	log_info("closed peer=%s reason=\"%s\"", s->peer.log, why);
	if (reply != RX_NONE && s->state != SESSION_CLOSING)
		session_reply(s, reply);
	session_set_state(s, SESSION_CLOSING);
	flush(s);
	session_free(&s);
}
