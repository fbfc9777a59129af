/*
 * control.c - the socket gmrelayctl talks to: connections, lines, bounds.
 */
#include "config.h"

#include "relay/control.h"

#include "base/log.h"
#include "base/loop.h"
#include "base/role.h"
#include "base/util.h"
#include "relay/control_client.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>
#include <event2/listener.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	/* A client that asks nothing, or reads nothing of its answer. */
	CONTROL_IDLE_S = 60,
	/* After a failed accept(2): mostly want of descriptors. */
	CONTROL_ACCEPT_PAUSE_S = 1,
};

struct control_client {
	struct control *control;
	struct bufferevent *bev;
	const struct control_stream *stream;
	void *state;
	bool busy;    /* a request is being answered */
	bool closing; /* when everything is written */
	bool broken;  /* at once */
	bool eof;
	struct control_client *next;
};

struct control {
	struct event_base *base;
	const struct role *role;
	struct dispatch *dispatch;
	struct drop *drop; /* NULL: cannot be read */
	struct evconnlistener *listener;
	struct event *resume;
	struct control_client *clients;
	unsigned client_count;
	struct control_client *prober;
	bool started;
};

struct dispatch *control_client_dispatch(const struct control_client *c)
{
	return c->control->dispatch;
}

struct drop *control_client_drop(const struct control_client *c)
{
	return c->control->drop;
}

struct event_base *control_client_base(const struct control_client *c)
{
	return c->control->base;
}

const struct role *control_client_role(const struct control_client *c)
{
	return c->control->role;
}

bool control_client_take_probe(struct control_client *c)
{
	if (c->control->prober != NULL)
		return false;
	c->control->prober = c;
	return true;
}

void control_client_give_probe(struct control_client *c)
{
	if (c->control->prober == c)
		c->control->prober = NULL;
}

/* Ends the client soon, from the event loop: whoever calls may stand inside a
 * callback that still uses it. */
static void break_client(struct control_client *c)
{
	if (c->broken)
		return;
	c->broken = true;
	bufferevent_trigger_event(
		c->bev, BEV_EVENT_ERROR, BEV_TRIG_DEFER_CALLBACKS);
}

static void end_stream(struct control_client *c)
{
	const struct control_stream *stream = c->stream;
	void *state = c->state;

	c->stream = NULL;
	c->state = NULL;
	if (stream != NULL)
		stream->free(c, state);
}

static void client_free(struct control_client **cp)
{
	struct control_client *c = *cp;
	struct control_client **at = &c->control->clients;

	*cp = NULL;
	end_stream(c);
	control_client_give_probe(c);
	while (*at != c)
		at = &(*at)->next;
	*at = c->next;
	c->control->client_count--;
	bufferevent_free(c->bev);
	free(c);
}

/* The idle timer runs while a request is awaited; while one is answered, only
 * the client's reading is timed. */
static void set_timer(struct control_client *c)
{
	static const struct timeval idle = {.tv_sec = CONTROL_IDLE_S};

	bufferevent_set_timeouts(c->bev, c->busy ? NULL : &idle, &idle);
}

static size_t output_length(const struct control_client *c)
{
	return evbuffer_get_length(bufferevent_get_output(c->bev));
}

void control_send(struct control_client *c, json_t **object)
{
	json_t *json = *object;
	char *text = NULL;

	*object = NULL;
	if (c->broken) {
		json_decref(json);
		return;
	}
	if (json != NULL)
		text = json_dumps(json, JSON_COMPACT);
	json_decref(json);
	if (text == NULL || output_length(c) > CONTROL_OUTPUT_MAX ||
		bufferevent_write(c->bev, text, strlen(text)) != 0 ||
		bufferevent_write(c->bev, "\n", 1) != 0)
		break_client(c);
	free(text);
}

void control_done(struct control_client *c, json_t *object)
{
	if (object == NULL)
		object = json_object();
	if (object != NULL)
		json_object_set_new(object, "done", json_true());
	control_send(c, &object);
	end_stream(c);
	c->busy = false;
	set_timer(c);
	/* requests may wait; answered from the loop, so that this never
	 * recurses */
	bufferevent_trigger(c->bev, EV_READ,
		BEV_TRIG_DEFER_CALLBACKS | BEV_TRIG_IGNORE_WATERMARKS);
}

void control_fail(struct control_client *c, const struct err *err)
{
	struct log_text text;
	json_t *string = json_string(err->text);

	if (string == NULL) /* no UTF-8: a stranger's name in it */
		string = json_string(log_text(&text, err->text));
	control_done(c, json_pack("{s:{s:s,s:o}}", "error", "kind",
				err_kind_name(err->kind), "text", string));
}

void control_begin_stream(struct control_client *c,
	const struct control_stream *stream, void *state)
{
	c->stream = stream;
	c->state = state;
}

static void step_stream(struct control_client *c)
{
	while (c->stream != NULL && c->stream->step != NULL && !c->broken &&
		output_length(c) < CONTROL_OUTPUT_LOW)
		if (c->stream->step(c, c->state) == 0)
			break;
}

/* Answers a line, and closes after it, since what follows makes no sense. */
static void refuse_line(struct control_client *c, const char *why)
{
	struct err err;

	err_set(&err, ERR_PROTOCOL, "%s", why);
	c->busy = true;
	control_fail(c, &err);
	c->closing = true;
}

static void take_line(struct control_client *c, const char *line, size_t len)
{
	json_t *request;

	request = json_loadb(line, len, JSON_REJECT_DUPLICATES, NULL);
	if (request == NULL || !json_is_object(request)) {
		refuse_line(c, "a request is one JSON object a line");
	} else {
		c->busy = true;
		set_timer(c);
		control_dispatch_request(c, request);
		step_stream(c);
	}
	json_decref(request);
}

static void take_lines(struct control_client *c)
{
	struct evbuffer *in = bufferevent_get_input(c->bev);
	size_t len;
	char *line;

	while (!c->busy && !c->closing && !c->broken &&
		output_length(c) < CONTROL_OUTPUT_LOW) {
		line = evbuffer_readln(in, &len, EVBUFFER_EOL_LF);
		if (line == NULL)
			break;
		take_line(c, line, len);
		free(line);
	}
	if (!c->busy && !c->closing && !c->broken &&
		evbuffer_get_length(in) >= CONTROL_REQUEST_MAX)
		refuse_line(c, "the request is too long");
}

/* The end of every callback: frees the client where it is done with. */
static void settle(struct control_client *c)
{
	bool written = output_length(c) == 0;

	if (c->broken || (written && c->closing) ||
		(written && c->eof && !c->busy))
		client_free(&c);
}

static void on_read(struct bufferevent *bev, void *arg)
{
	(void)bev;
	take_lines(arg);
	settle(arg);
}

static void on_write(struct bufferevent *bev, void *arg)
{
	(void)bev;
	step_stream(arg);
	take_lines(arg);
	settle(arg);
}

static void on_event(struct bufferevent *bev, short what, void *arg)
{
	struct control_client *c = arg;

	(void)bev;
	if ((what & BEV_EVENT_EOF) == 0)
		c->broken = true;
	c->eof = true;
	take_lines(c);
	if (c->stream != NULL && c->stream->ends_at_eof)
		c->broken = true;
	settle(c);
}

static void refuse_client(evutil_socket_t fd)
{
	static const char text[] =
		"{\"error\":{\"kind\":\"limit\",\"text\":\"too many clients of "
		"the control socket\"},\"done\":true}\n";

	/* a socket just accepted takes this without waiting */
	if (send(fd, text, sizeof(text) - 1, MSG_DONTWAIT | MSG_NOSIGNAL) < 0)
		log_debug("control refused=too-many told=no");
	close(fd);
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd,
	struct sockaddr *sa, int len, void *arg)
{
	struct control *control = arg;
	struct control_client *c;
	struct bufferevent *bev;

	(void)listener;
	(void)sa;
	(void)len;
	if (control->client_count >= CONTROL_CLIENTS_MAX) {
		refuse_client(fd);
		return;
	}
	bev = bufferevent_socket_new(control->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL) {
		close(fd);
		return;
	}
	c = xcalloc(1, sizeof(*c));
	c->control = control;
	c->bev = bev;
	c->next = control->clients;
	control->clients = c;
	control->client_count++;
	bufferevent_setwatermark(bev, EV_READ, 0, CONTROL_REQUEST_MAX);
	bufferevent_setcb(bev, on_read, on_write, on_event, c);
	set_timer(c);
	bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void on_accept_error(struct evconnlistener *listener, void *arg)
{
	struct control *control = arg;

	log_warn("accept failed listen=control reason=\"%s\"",
		evutil_socket_error_to_string(EVUTIL_SOCKET_ERROR()));
	evconnlistener_disable(listener);
	loop_after(control->resume, CONTROL_ACCEPT_PAUSE_S * 1000);
}

static void on_resume(evutil_socket_t fd, short what, void *arg)
{
	struct control *control = arg;

	(void)fd;
	(void)what;
	control->started = true;
	loop_accept(control->listener);
}

struct control *control_new(struct event_base *base, const struct role *role,
	struct dispatch *d, struct drop *drop, struct err *err)
{
	struct control *control = xcalloc(1, sizeof(*control));

	control->base = base;
	control->role = role;
	control->dispatch = d;
	control->drop = drop;
	evutil_make_socket_nonblocking(role->control_fd);
	control->resume = event_new(base, -1, 0, on_resume, control);
	/* the parent has bound it and listens: backlog 0 means no listen(2) */
	if (control->resume != NULL)
		control->listener = evconnlistener_new(base, on_accept, control,
			LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC |
				LEV_OPT_DISABLED,
			0, role->control_fd);
	if (control->listener == NULL) {
		err_set(err, ERR_SYSTEM, "cannot serve the control socket");
		control_free(&control);
		return NULL;
	}
	evconnlistener_set_error_cb(control->listener, on_accept_error);
	loop_after(control->resume, CONTROL_START_S * 1000);
	return control;
}

void control_start(struct control *control)
{
	if (control == NULL || control->started)
		return;
	event_del(control->resume);
	on_resume(-1, 0, control);
}

void control_reload_refused(struct control *control, const char *why)
{
	struct control_client *c;
	struct err err;

	err_set(&err, ERR_CONFIG, "%s", why);
	if (control == NULL)
		return;
	for (c = control->clients; c != NULL; c = c->next)
		if (c->stream == &control_reload_stream)
			control_fail(c, &err);
}

void control_free(struct control **controlp)
{
	struct control *control = *controlp;
	struct control_client *c, *next;

	*controlp = NULL;
	if (control == NULL)
		return;
	for (c = control->clients; c != NULL; c = next) {
		next = c->next;
		client_free(&c);
	}
	if (control->listener != NULL)
		evconnlistener_free(control->listener);
	if (control->resume != NULL)
		event_free(control->resume);
	free(control);
}
