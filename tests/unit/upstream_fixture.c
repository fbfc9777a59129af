/*
 * upstream_fixture.c - one upstream connection against a scripted server.
 */
#include "config.h"

#include "upstream_fixture.h"

#include "base/credential.h"
#include "base/util.h"
#include "relay/tls.h"
#include "relay/upstream_internal.h"

#include <event2/bufferevent.h>

#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* --- a double of spool/content --- */

ssize_t content_read(struct content *c, void *data, size_t len, struct err *err)
{
	char *to = data;
	size_t i;

	if (len > c->len - c->pos)
		len = c->len - c->pos;
	if (c->pos + len > c->damaged_at)
		return err_set(err, ERR_DAMAGED, "wrong checksum");
	for (i = 0; i < len; i++, c->pos++) {
		if (c->text != NULL)
			to[i] = c->text[c->pos];
		else
			to[i] = "x\r\n"[c->pos % 78 < 76 ? 0
							 : c->pos % 78 - 75];
	}
	return (ssize_t)len;
}

bool content_at_end(const struct content *c)
{
	return c->pos == c->len;
}

/* --- set up --- */

int fixture_group_setup(void **state)
{
	struct fake_pki *pki = xcalloc(1, sizeof(*pki));

	signal(SIGPIPE, SIG_IGN);
	fake_pki_init(pki);
	*state = pki;
	return 0;
}

int fixture_group_teardown(void **state)
{
	fake_pki_free(*state);
	free(*state);
	return 0;
}

static struct credential *make_credential(const char *secret)
{
	struct credential *c = xcalloc(1, sizeof(*c) + strlen(secret) + 1);

	c->len = strlen(secret);
	memcpy(c->secret, secret, c->len);
	return c;
}

int fixture_setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	f->pki = *state;
	f->base = event_base_new();
	f->account.username = xstrdup("user@fake.test");
	f->account.host = xstrdup(FAKE_HOST);
	f->account.tls = CONF_TLS_STARTTLS;
	f->account.connect_timeout_ms = 20000;
	f->account.reply_timeout_ms = 20000;
	f->account.final_timeout_ms = 20000;
	f->account.messages_per_connection = 50;
	/* one after the other: what goes ahead has its scenarios */
	f->account.message_gap_ms = 1;
	f->params.account = &f->account;
	f->params.credential = make_credential(FIXTURE_SECRET);
	f->params.tls = tls_client_new(f->pki->ca_file);
	f->params.ehlo_name = "";
	buf_init(&f->server.body, 1);
	*state = f;
	return 0;
}

int fixture_teardown(void **state)
{
	struct fixture *f = *state;
	struct credential *credential;

	fixture_forget(f);
	/* freed bufferevents go with the next turn of the loop */
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	event_base_free(f->base);
	tls_client_free(&f->params.tls);
	memcpy(&credential, &f->params.credential, sizeof(credential));
	free(credential);
	fake_server_free(&f->server);
	free(f->account.username);
	free(f->account.host);
	*state = f->pki;
	free(f);
	return 0;
}

struct delivery *fixture_add(struct fixture *f, const char *text, size_t size,
	const char *const *rcpts)
{
	struct delivery *d = xcalloc(1, sizeof(*d));

	assert_true(f->added < FIXTURE_DELIVERIES_MAX);
	d->id = f->added + 1;
	d->reverse_path = "user@fake.test";
	d->rcpts = xcalloc(DELIVERY_RCPT_MAX, sizeof(*d->rcpts));
	for (; rcpts[d->rcpt_count] != NULL; d->rcpt_count++)
		d->rcpts[d->rcpt_count].address = rcpts[d->rcpt_count];
	d->content = xcalloc(1, sizeof(*d->content));
	d->content->text = text;
	d->content->len = text != NULL ? strlen(text) : size;
	d->content->damaged_at = CONTENT_SOUND;
	d->size = d->content->len;
	f->deliveries[f->added++] = d;
	return d;
}

/* --- callbacks --- */

static void on_ready(void *arg, struct upstream *u, uint64_t size)
{
	struct fixture *f = arg;

	f->ready++;
	f->size = size;
	if (f->abort_when_ready)
		upstream_abort(u);
}

/* On the way to a server of small buffers: most of a message stays with us. */
static void make_narrow(struct upstream *u)
{
	const int size = 4096;

	assert_int_equal(setsockopt(bufferevent_getfd(u->bev), SOL_SOCKET,
				 SO_SNDBUF, &size, sizeof(size)),
		0);
}

static struct delivery *next(void *arg, struct upstream *u)
{
	struct fixture *f = arg;

	assert_true(upstream_is_ready(u));
	assert_int_equal(f->given, f->finished);
	if (f->late)
		return NULL;
	if (f->given < f->added) {
		if (f->quit_when_giving)
			upstream_quit(u);
		if (f->narrow)
			make_narrow(u);
		return f->deliveries[f->given++];
	}
	if (!f->stay)
		upstream_quit(u);
	return NULL;
}

static void on_finished(void *arg, struct upstream *u, struct delivery *d)
{
	struct fixture *f = arg;

	(void)u;
	assert_ptr_equal(d, f->deliveries[f->finished]);
	assert_int_equal(f->closed, 0);
	f->finished++;
}

static void on_closed(
	void *arg, struct upstream *u, const struct upstream_trouble *trouble)
{
	struct fixture *f = arg;

	assert_ptr_equal(u, f->u);
	f->closed++;
	f->troubled = trouble != NULL;
	if (trouble != NULL)
		f->trouble = *trouble;
	f->u = NULL;
	event_base_loopbreak(f->base);
}

static void on_step(void *arg, enum phase phase, const char *text)
{
	struct fixture *f = arg;
	const size_t len = strlen(f->steps);

	snprintf(f->steps + len, sizeof(f->steps) - len, "%s ",
		phase_name(phase));
	snprintf(f->last_step, sizeof(f->last_step), "%s", text);
}

/* Looks at the state over and over, to act in the midst of things. */
static void on_watch(evutil_socket_t fd, short what, void *arg)
{
	const struct timeval soon = {.tv_usec = 1000};
	struct fixture *f = arg;
	const char *state;

	(void)fd;
	(void)what;
	if (f->u == NULL)
		return;
	state = upstream_state_name(f->u);
	if (f->abort_in != NULL && strcmp(state, f->abort_in) == 0) {
		upstream_abort(f->u);
		assert_int_equal(f->closed, 1);
		return;
	}
	if (f->quit_in != NULL && strcmp(state, f->quit_in) == 0) {
		upstream_quit(f->u);
		assert_int_equal(f->closed, 0);
		return;
	}
	if (f->late && strcmp(state, "READY") == 0) {
		upstream_wake(f->u); /* finds nothing, and stays */
		f->late = false;
		upstream_wake(f->u);
		assert_string_equal(upstream_state_name(f->u), "ENVELOPE");
		assert_false(upstream_is_ready(f->u));
		upstream_wake(f->u); /* of no matter */
		return;
	}
	event_add(f->watch, &soon);
}

void fixture_forget(struct fixture *f)
{
	size_t i;

	for (i = 0; i < f->added; i++) {
		free(f->deliveries[i]->content);
		free(f->deliveries[i]->rcpts);
		free(f->deliveries[i]);
	}
	f->added = f->given = f->finished = 0;
}

void fixture_run(
	struct fixture *f, enum fake_cert cert, const char *const *script)
{
	const struct upstream_callbacks callbacks = {
		.on_ready = on_ready,
		.next = next,
		.on_finished = on_finished,
		.on_closed = on_closed,
		.on_step = on_step,
		.arg = f,
	};
	const struct timeval now = {0};
	const char *failure;
	struct err err;

	fake_server_free(&f->server);
	if (f->narrow)
		fake_server_start_narrow(
			&f->server, f->pki->contexts[cert], script);
	else
		fake_server_start(&f->server, f->pki->contexts[cert], script);
	memcpy(&f->params.address, &f->server.address,
		sizeof(f->server.address));
	f->params.address_len = sizeof(f->server.address);
	f->closed = 0;
	f->u = upstream_open(f->base, &f->params, &callbacks, &err);
	assert_non_null(f->u);
	assert_int_equal(f->closed, 0);
	f->watch = evtimer_new(f->base, on_watch, f);
	if (f->abort_in != NULL || f->quit_in != NULL || f->late)
		event_add(f->watch, &now);
	event_base_dispatch(f->base);
	event_free(f->watch);
	/* sockets are closed by the loop's next turn */
	event_base_loop(f->base, EVLOOP_NONBLOCK);
	failure = fake_server_join(&f->server);
	if (failure != NULL)
		fail_msg("%s", failure);
	assert_int_equal(f->closed, 1);
	assert_int_equal(f->finished, f->given);
}

/* --- what is expected --- */

void fixture_assert_fine(const struct fixture *f)
{
	if (f->troubled)
		fail_msg("trouble in %s: %s", phase_name(f->trouble.phase),
			f->trouble.text);
}

void fixture_assert_trouble(const struct fixture *f, enum phase phase,
	enum action action, enum pause pause)
{
	assert_true(f->troubled);
	if (f->trouble.phase != phase || f->trouble.action != action ||
		f->trouble.pause != pause)
		fail_msg("%s in %s, pause %d: %s",
			action_name(f->trouble.action),
			phase_name(f->trouble.phase), (int)f->trouble.pause,
			f->trouble.text);
	assert_true(strlen(f->trouble.text) > 0);
	assert_non_null(f->trouble.advice);
	assert_int_equal(f->trouble.scope,
		action == ACTION_RECONNECT || action == ACTION_BACK_OFF
			? SCOPE_CONNECTION
			: SCOPE_ACCOUNT);
}

void fixture_assert_outcome(const struct delivery *d, enum rcpt_outcome outcome)
{
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		assert_int_equal(d->rcpts[i].outcome, outcome);
}
