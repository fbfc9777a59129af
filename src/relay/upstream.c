/*
 * upstream.c - one connection to the submission server: its life, its input
 *              and output, and how it ends.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/tls.h"
#include "relay/upstream_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <errno.h>
#include <netdb.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* --- the end --- */

static void free_upstream(struct upstream *u)
{
	tls_client_close(&u->bev);
	event_free(u->timer);
	event_free(u->kick);
	free(u->ehlo_name);
	free(u);
}

static void report_end(struct upstream *u, bool troubled)
{
	if (u->reported)
		return;
	u->reported = true;
	upstream_finish_delivery(u, &u->tx);
	upstream_finish_delivery(u, &u->next);
	tls_client_close(&u->bev);
	u->callbacks.on_closed(
		u->callbacks.arg, u, troubled ? &u->trouble : NULL);
}

/* Around everything that comes from outside: the outermost one asks for work,
 * so that a row of deliveries does not nest, and frees. */
static void enter(struct upstream *u)
{
	u->depth++;
}

static void upstream_leave(struct upstream *u)
{
	if (u->depth == 1) {
		while (u->state == STATE_READY && u->pump)
			upstream_ready_pump(u);
		if (u->state == STATE_CLOSED)
			report_end(u, u->troubled);
	}
	u->depth--;
	if (u->depth == 0 && u->state == STATE_CLOSED)
		free_upstream(u);
}

/* --- state and time --- */

static int64_t timeout_ms(const struct upstream *u)
{
	switch (upstream_row(u->state)->timeout) {
	case TIMEOUT_CONNECT:
		return u->params.account->connect_timeout_ms;
	case TIMEOUT_REPLY:
		return u->params.account->reply_timeout_ms;
	case TIMEOUT_FINAL:
		return u->params.account->final_timeout_ms;
	case TIMEOUT_IDLE:
		return UPSTREAM_IDLE_MS;
	case TIMEOUT_QUIT:
		return UPSTREAM_QUIT_MS;
	case TIMEOUT_NONE:
		break;
	}
	return 0;
}

void upstream_arm_timer(struct upstream *u)
{
	const int64_t ms = timeout_ms(u);

	if (ms > 0)
		loop_after(u->timer, ms);
	else
		event_del(u->timer);
}

void upstream_set_state(struct upstream *u, enum upstream_state state)
{
	/* the end is the end, even if a callback brought it about midway */
	if (u->state == STATE_CLOSED)
		return;
	log_debug("upstream peer=%s state=%s from=%s", u->peer,
		upstream_row(state)->label, upstream_row(u->state)->label);
	u->state = state;
	upstream_arm_timer(u);
	if (upstream_row(state)->enter != NULL)
		upstream_row(state)->enter(u);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;

	(void)fd;
	(void)what;
	enter(u);
	if (u->state == STATE_READY)
		upstream_set_state(u, STATE_QUIT);
	else if (u->state == STATE_QUIT)
		upstream_set_state(u, STATE_CLOSED);
	else
		upstream_break(u, "the server did not answer %s within %lld s",
			upstream_awaited(u), (long long)timeout_ms(u) / 1000);
	upstream_leave(u);
}

static void on_kick(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;

	(void)fd;
	(void)what;
	enter(u);
	if (u->state == STATE_CONNECT && u->connect_error != 0)
		upstream_break(
			u, "cannot connect: %s", strerror(u->connect_error));
	else if (u->quitting && u->state < STATE_READY)
		upstream_set_state(u, STATE_CLOSED);
	else if (u->state == STATE_READY)
		u->pump = true;
	upstream_leave(u);
}

/* --- trouble --- */

static struct upstream_trouble *begin_trouble(
	struct upstream *u, enum phase phase)
{
	if (u->troubled)
		return NULL;
	u->troubled = true;
	memset(&u->trouble, 0, sizeof(u->trouble));
	u->trouble.phase = phase;
	u->trouble.scope = SCOPE_CONNECTION;
	u->trouble.action = ACTION_BACK_OFF;
	return &u->trouble;
}

bool upstream_wants_again(const struct upstream *u, enum phase phase,
	const struct gmail_rule *rule)
{
	/* EHLO has its own second way */
	return (rule->phases & GMAIL_AGAIN) != 0 && !u->params.careful &&
	       !(phase == PHASE_EHLO && u->ehlo_literal);
}

void upstream_note_reply(struct upstream *u, enum phase phase,
	const struct gmail_rule *rule, const struct reply *r)
{
	struct upstream_trouble *t = begin_trouble(u, phase);
	char text[ERR_TEXT_MAX / 2];

	if (t == NULL)
		return;
	t->reply = *r;
	t->advice = rule->advice;
	snprintf(t->text, sizeof(t->text), "answer to %s: %s",
		phase_name(phase), reply_print(r, text, sizeof(text)));
	if (upstream_wants_again(u, phase, rule)) {
		t->again = true;
		t->action = ACTION_RECONNECT;
	} else if (rule->scope == SCOPE_CONNECTION ||
		   rule->scope == SCOPE_ACCOUNT) {
		t->scope = rule->scope;
		t->action = rule->action;
		t->pause = rule->pause;
	} else {
		/* the message's own matter, but the connection is gone */
		t->action = ACTION_RECONNECT;
	}
}

static void note_text(struct upstream *u, enum phase phase, const char *advice,
	const char *text)
{
	struct upstream_trouble *t = begin_trouble(u, phase);

	if (t == NULL)
		return;
	t->advice = advice;
	snprintf(t->text, sizeof(t->text), "%s", text);
}

void upstream_note(struct upstream *u, enum phase phase, const char *advice,
	const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	note_text(u, phase, advice, text);
}

void upstream_break(struct upstream *u, const char *format, ...)
{
	const bool was_idle = upstream_was_idle(u);
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	/* some say 501 and hang up: that is the reason then */
	if (u->ehlo_refused && upstream_phase(u) == PHASE_EHLO) {
		u->ehlo_literal = false; /* it was not heard */
		upstream_note_reply(u, PHASE_EHLO,
			gmail_judge(PHASE_EHLO, &u->refusal), &u->refusal);
	}
	if (!u->troubled) {
		note_text(u, upstream_phase(u), upstream_break_advice(u), text);
		u->trouble.was_idle = was_idle;
		if (was_idle)
			u->trouble.action = ACTION_RECONNECT;
	}
	upstream_set_state(u, STATE_CLOSED);
}

void upstream_step(
	struct upstream *u, enum phase phase, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	if (u->callbacks.on_step == NULL)
		return;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	u->callbacks.on_step(u->callbacks.arg, phase, text);
}

/* --- output --- */

static void add(struct evbuffer *out, const char *format, va_list args)
	__attribute__((format(printf, 2, 0)));

/* A hole in what is sent would make commands of a message's text. */
static void add(struct evbuffer *out, const char *format, va_list args)
{
	if (evbuffer_add_vprintf(out, format, args) < 0)
		bug("out of memory");
}

void upstream_add(struct evbuffer *out, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(out, format, args);
	va_end(args);
}

void upstream_send(struct upstream *u, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	add(bufferevent_get_output(u->bev), format, args);
	va_end(args);
}

static void wipe_sent(const void *data, size_t len, void *memory)
{
	(void)data;
	wipe(memory, len);
	free(memory);
}

void upstream_send_secret(struct upstream *u, struct buf *line)
{
	if (buf_add(line, "\r\n", 2) != 0)
		bug("no room for the end of a line");
	if (evbuffer_add_reference(bufferevent_get_output(u->bev), line->data,
		    line->len, wipe_sent, line->data) != 0)
		bug("out of memory");
	buf_init(line, line->max);
}

bool upstream_flushed(const struct upstream *u)
{
	return u->bev == NULL ||
	       evbuffer_get_length(bufferevent_get_output(u->bev)) == 0;
}

/* A body that moves is no stalled one, however slow. */
static void on_output(
	struct evbuffer *output, const struct evbuffer_cb_info *info, void *arg)
{
	struct upstream *u = arg;

	(void)output;
	if (info->n_deleted > 0 && u->state == STATE_BODY)
		upstream_arm_timer(u);
}

static void on_writable(struct bufferevent *bev, void *arg)
{
	struct upstream *u = arg;

	enter(u);
	if (bev == u->bev && u->state == STATE_BODY)
		upstream_body_progress(u);
	upstream_leave(u);
}

/* --- input --- */

static void hand_reply(struct upstream *u)
{
	const struct upstream_state_row *row = upstream_row(u->state);
	char text[LOG_TEXT_MAX];
	struct log_text escaped;

	/* nothing that could hold a login, not even an echo of one */
	if (log_debugging() && row->phase != PHASE_AUTH)
		log_debug("upstream peer=%s state=%s reply=%s", u->peer,
			row->label,
			log_text(&escaped,
				reply_print(&u->reply, text, sizeof(text))));
	if (row->on_reply != NULL)
		row->on_reply(u, &u->reply);
}

/* Takes one line from the input. Returns false when there is none. */
static bool take_line(struct upstream *u)
{
	struct evbuffer *input = bufferevent_get_input(u->bev);
	const size_t len = evbuffer_get_length(input);
	const char *data = (const char *)evbuffer_pullup(input, -1);
	struct line line;
	int rc, got = 0;

	if (len == 0)
		return false;
	rc = line_split(&u->splitter, data, len, &line);
	if (rc == 1) {
		got = reply_add_line(&u->reply, line.text, line.len);
		if (got >= 0 && upstream_row(u->state)->phase == PHASE_EHLO)
			upstream_offer_line(&u->offer, line.text, line.len);
	}
	evbuffer_drain(input, line.used);
	/* not read to its end: it may have none */
	if (rc < 0 || got < 0 || u->splitter.skipping) {
		upstream_break(u,
			"what the server answers to %s is no SMTP reply",
			upstream_awaited(u));
		return false;
	}
	if (got == 1)
		hand_reply(u);
	return rc == 1;
}

static void on_readable(struct bufferevent *bev, void *arg)
{
	struct upstream *u = arg;

	enter(u);
	/* what was sent may not have been noticed yet */
	if (bev == u->bev && u->state == STATE_BODY)
		upstream_body_progress(u);
	while (bev == u->bev && u->state != STATE_CLOSED && take_line(u))
		continue;
	upstream_leave(u);
}

static void on_broken(struct upstream *u, short what, int error)
{
	struct err err;

	if (u->state == STATE_QUIT) {
		upstream_set_state(u, STATE_CLOSED);
	} else if (u->state == STATE_HANDSHAKE) {
		errno = what & BEV_EVENT_EOF ? 0 : error;
		tls_client_explain(u->bev, &err);
		upstream_break(u, "%s", err.text);
	} else if (u->state == STATE_CONNECT) {
		upstream_break(u, "cannot connect: %s", strerror(error));
	} else if (what & BEV_EVENT_EOF || error == 0 || error == EAGAIN) {
		upstream_break(u,
			"the server closed the connection before it answered %s",
			upstream_awaited(u));
	} else {
		upstream_break(u,
			"connection lost before the server answered %s: %s",
			upstream_awaited(u), strerror(error));
	}
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	const int error = errno;
	struct upstream *u = arg;

	if (bev != u->bev || u->state == STATE_CLOSED)
		return;
	enter(u);
	if (what & BEV_EVENT_CONNECTED)
		upstream_connected(u);
	else if (what & (BEV_EVENT_EOF | BEV_EVENT_ERROR))
		on_broken(u, what, error);
	upstream_leave(u);
}

void upstream_use(struct upstream *u, struct bufferevent *bev)
{
	u->bev = bev;
	line_splitter_init(&u->splitter, REPLY_LINE_MAX);
	reply_init(&u->reply);
	bufferevent_setcb(bev, on_readable, on_writable, on_event, u);
	bufferevent_setwatermark(bev, EV_READ, 0, UPSTREAM_INPUT_MAX);
	evbuffer_add_cb(bufferevent_get_output(bev), on_output, u);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

/* --- what the owner calls --- */

struct upstream *upstream_open(struct event_base *base,
	const struct upstream_params *params,
	const struct upstream_callbacks *callbacks, struct err *err)
{
	struct upstream *u = xcalloc(1, sizeof(*u));
	char host[NI_MAXHOST] = "?", port[NI_MAXSERV] = "?";

	u->base = base;
	u->params = *params;
	u->params.ehlo_name = NULL;
	u->callbacks = *callbacks;
	u->ehlo_name = xstrdup(params->ehlo_name);
	u->opened_ms = clock_boot_ms();
	getnameinfo((const struct sockaddr *)&params->address,
		params->address_len, host, sizeof(host), port, sizeof(port),
		NI_NUMERICHOST | NI_NUMERICSERV);
	snprintf(u->peer, sizeof(u->peer),
		strchr(host, ':') != NULL ? "[%.60s]:%.8s" : "%.60s:%.8s", host,
		port);
	u->timer = evtimer_new(base, on_timeout, u);
	u->kick = event_new(base, -1, 0, on_kick, u);
	if (u->timer == NULL || u->kick == NULL) {
		err_set(err, ERR_SYSTEM, "events for a connection failed");
		if (u->timer != NULL)
			event_free(u->timer);
		free(u->ehlo_name);
		free(u);
		return NULL;
	}
	upstream_set_state(u, STATE_CONNECT);
	return u;
}

void upstream_wake(struct upstream *u)
{
	if (u->state != STATE_READY)
		return;
	enter(u);
	u->pump = true;
	upstream_leave(u);
}

bool upstream_is_ready(const struct upstream *u)
{
	return u->state == STATE_READY && !u->quitting;
}

void upstream_quit(struct upstream *u)
{
	u->quitting = true;
	event_active(u->kick, 0, 0);
}

void upstream_abort(struct upstream *u)
{
	enter(u);
	if (u->state != STATE_CLOSED)
		upstream_set_state(u, STATE_CLOSED);
	report_end(u, false);
	upstream_leave(u);
}

const char *upstream_state_name(const struct upstream *u)
{
	return upstream_row(u->state)->label;
}
