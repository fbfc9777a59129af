/*
 * account_connect.c - an account's names, addresses and connections.
 *
 * Every address is tried, each with its own timeout, the one that worked last
 * first; only when all have failed is it connection trouble. One connection
 * tries whether the server is there; once it is logged in, as many more are
 * opened as there is mail for.
 */
#include "config.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "relay/account_internal.h"
#include "relay/schedule.h"
#include "relay/tls.h"

#include <malloc.h>
#include <stdlib.h>
#include <string.h>

/* A look-up's result is used for so long. */
#define RESOLVED_KEEP_MS (5 * 60 * 1000)
/* So long after the last connection memory is given back. */
#define REST_MS 2000

/* Connections that are logged in. */
static unsigned ready_count(const struct account *a)
{
	const struct connection *c;
	unsigned count = 0;

	TAILQ_FOREACH(c, &a->connections, link)
		count += c->ready;
	return count;
}

/* A connection cannot be had. Where others work they go on, and only further
 * ones wait, longer each time: a server that takes no more of them is not to be
 * asked again with every message. */
static void cannot_connect(struct account *a, enum phase phase,
	const char *text, const char *advice)
{
	const struct conf *conf = a->params.conf;
	struct log_text name, reason;
	const unsigned ready = ready_count(a);
	int64_t wait;

	if (ready == 0) {
		account_back_off(a, phase, text, advice);
		return;
	}
	if (clock_boot_ms() < a->grow_ms)
		return;
	wait = schedule_backoff_ms(conf->backoff_first_ms, conf->backoff_cap_ms,
		a->grow_step++, random_below(UINT32_MAX));
	a->grow_ms = clock_boot_ms() + wait;
	log_warn("no-more-connections account=%s host=%s open=%u phase=%s "
		 "reason=%s next=%llds advice=\"the others go on; if it comes "
		 "often, set connections to what the server allows\"",
		log_text(&name, a->params.settings->name),
		a->params.settings->host, ready, phase_name(phase),
		log_text(&reason, text), (long long)(wait / 1000));
}

static void on_ready(void *arg, struct upstream *u, uint64_t size)
{
	struct connection *c = arg;
	struct account *a = c->account;

	(void)u;
	if (ready_count(a) > 0)
		a->grow_step = 0;
	c->ready = true;
	if (c->careful)
		a->careful = false;
	a->address_next = c->address;
	a->tried = 0;
	account_on_ready(a, size);
}

/* A connection is idle, or may still be opened. */
static bool others_could(const struct account *a)
{
	const struct connection *c;

	TAILQ_FOREACH(c, &a->connections, link)
		if (c->deliveries == 0)
			return true;
	return a->connection_count < a->params.settings->connections;
}

static struct delivery *on_next(void *arg, struct upstream *u)
{
	struct connection *c = arg;
	struct account *a = c->account;
	struct delivery *d;
	unsigned room;

	(void)u;
	/* ahead: only what no other connection could send at once */
	if ((c->deliveries > 0 && others_could(a)) || !account_may_send(a))
		return NULL;
	room = account_quota_room(a);
	if (room == 0)
		return NULL;
	d = a->params.callbacks.next(a->params.callbacks.arg, a, room);
	if (d != NULL) {
		c->deliveries++;
		account_quota_take_off(a, d->rcpt_count);
		a->message_ms = clock_boot_ms();
		/* More may be due than this connection can take. */
		account_look_soon(a);
	}
	return d;
}

static void on_finished(void *arg, struct upstream *u, struct delivery *d)
{
	struct connection *c = arg;
	struct account *a = c->account;

	(void)u;
	c->deliveries--;
	account_quota_land(a, d->rcpt_count);
	account_on_result(a, d);
	a->params.callbacks.on_finished(a->params.callbacks.arg, a, d);
}

static void connection_free(struct connection *c)
{
	struct account *a = c->account;

	TAILQ_REMOVE(&a->connections, c, link);
	a->connection_count--;
	free(c);
	if (a->connection_count == 0)
		loop_after(a->rest, REST_MS);
}

/* Not at once: what a connection leaves behind is freed turns later, and the
 * next one may come soon. */
void account_on_rest(evutil_socket_t fd, short what, void *arg)
{
	struct account *a = arg;

	(void)fd;
	(void)what;
	if (a->connection_count > 0)
		return;
	tls_client_release(a->tls);
	malloc_trim(0);
}

static bool open_connection(struct account *a);

/* Another address is left that this round of connecting has not tried. */
static bool try_next_address(struct account *a, size_t failed)
{
	if (a->resolved_ms == 0 || a->tried + 1 >= a->resolved.count)
		return false;
	a->tried++;
	a->address_next = (failed + 1) % a->resolved.count;
	(void)open_connection(a);
	return true;
}

static void on_closed(
	void *arg, struct upstream *u, const struct upstream_trouble *trouble)
{
	struct connection *c = arg;
	struct account *a = c->account;
	size_t address = c->address;
	bool was_ready = c->ready;

	(void)u;
	connection_free(c);
	if (trouble == NULL) {
		account_look_soon(a);
		return;
	}
	/* Silence on one address says nothing about the others. */
	if (trouble->phase <= PHASE_TLS && trouble->reply.code == 0 &&
		!was_ready && !a->draining) {
		log_debug("connect-failed account=%s reason=\"%s\"",
			a->params.settings->name, trouble->text);
		if (try_next_address(a, address))
			return;
		a->resolved_ms = 0;
	}
	a->tried = 0;
	if (!was_ready && trouble->scope == SCOPE_CONNECTION &&
		!trouble->again && ready_count(a) > 0)
		cannot_connect(
			a, trouble->phase, trouble->text, trouble->advice);
	else
		account_on_trouble(a, trouble);
}

static void on_step(void *arg, enum phase phase, const char *text)
{
	const struct connection *c = arg;
	struct log_text said;

	log_debug("upstream account=%s phase=%s text=%s",
		c->account->params.settings->name, phase_name(phase),
		log_text(&said, text));
}

/* Returns false, and has told, when it cannot be opened. */
static bool open_connection(struct account *a)
{
	struct upstream_callbacks callbacks = {
		.on_ready = on_ready,
		.next = on_next,
		.on_finished = on_finished,
		.on_closed = on_closed,
		.on_step = on_step,
	};
	struct upstream_params params = {
		.account = a->params.settings,
		.credential = a->params.credential,
		.tls = a->tls,
		.ehlo_name = a->params.conf->hostname,
		.careful = a->careful,
	};
	struct connection *c = xcalloc(1, sizeof(*c));
	struct err err;

	c->account = a;
	c->careful = a->careful;
	c->address = a->address_next % a->resolved.count;
	callbacks.arg = c;
	params.address = a->resolved.addresses[c->address].sa;
	params.address_len = a->resolved.addresses[c->address].len;
	if (params.ehlo_name[0] == '\0')
		params.ehlo_name = a->resolved.own_name;
	if (a->ehlo_literal)
		params.ehlo_name = "";
	TAILQ_INSERT_TAIL(&a->connections, c, link);
	a->connection_count++;
	c->upstream = upstream_open(a->params.base, &params, &callbacks, &err);
	if (c->upstream != NULL)
		return true;
	connection_free(c);
	cannot_connect(a, PHASE_CONNECT, err.text,
		"Look at the machine: it lacks descriptors or memory, or the "
		"ca-file cannot be read.");
	return false;
}

static void on_resolved(
	void *arg, const struct resolved *result, const struct err *err)
{
	struct account *a = arg;

	a->resolving = NULL;
	if (result == NULL || result->count == 0) {
		cannot_connect(a, PHASE_CONNECT,
			err != NULL ? err->text : "the name has no address",
			"Check the network and the name servers of this "
			"machine (/etc/resolv.conf).");
		return;
	}
	a->resolved = *result;
	a->resolved_ms = clock_boot_ms();
	if (a->address_next >= a->resolved.count)
		a->address_next = 0;
	a->tried = 0;
	account_look_soon(a);
}

static void start_resolving(struct account *a)
{
	const struct conf_account *settings = a->params.settings;
	struct err err;

	if (a->resolving != NULL)
		return;
	a->resolving = resolve_start(a->params.base, settings->host,
		settings->port, on_resolved, a, &err);
	if (a->resolving == NULL)
		cannot_connect(a, PHASE_CONNECT, err.text,
			"Name look-ups hang: check the name servers of this "
			"machine (/etc/resolv.conf).");
}

/* How many connections to open now. */
static size_t wanted(struct account *a)
{
	const struct account_callbacks *callbacks = &a->params.callbacks;
	const size_t opened = a->connection_count, ready = ready_count(a);
	const size_t unready = opened - ready;
	size_t due, max = a->params.settings->connections;

	/* One tries whether the server is there; and one is a probe, or enough
	 * where there was too much. */
	if (opened == 0 || a->state != ACCOUNT_ACTIVE || a->slow_step > 0)
		max = 1;
	else if (ready == 0 || clock_boot_ms() < a->grow_ms)
		return 0;
	if (opened >= max)
		return 0;
	due = callbacks->due(callbacks->arg, a, max + unready);
	if (due <= unready)
		return 0;
	due -= unready;
	return due < max - opened ? due : max - opened;
}

static void wake_idle(struct account *a)
{
	struct connection *c, *next;

	for (c = TAILQ_FIRST(&a->connections); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (upstream_is_ready(c->upstream))
			upstream_wake(c->upstream);
	}
}

void account_connect(struct account *a)
{
	size_t count;

	wake_idle(a);
	count = wanted(a);
	if (count == 0 || !account_may_send(a))
		return;
	if (a->resolved_ms == 0 ||
		clock_boot_ms() - a->resolved_ms > RESOLVED_KEEP_MS) {
		start_resolving(a);
		return;
	}
	while (count-- > 0 && open_connection(a))
		continue;
}

void account_disconnect(struct account *a, bool at_once)
{
	struct connection *c, *next;

	resolve_cancel(&a->resolving);
	for (c = TAILQ_FIRST(&a->connections); c != NULL; c = next) {
		next = TAILQ_NEXT(c, link);
		if (at_once)
			upstream_abort(c->upstream);
		else
			upstream_quit(c->upstream);
	}
}
