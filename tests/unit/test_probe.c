/*
 * test_probe.c - doctor's look at the way to Gmail (relay/probe.h), on fakes of
 *                resolver, TLS and upstream.
 */
#include "config.h"

#include "relay/probe.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/util.h"
#include "relay/resolve.h"
#include "relay/tls.h"
#include "relay/upstream.h"

#include <event2/event.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What the fake upstream at an address does. */
enum play {
	PLAY_NOTHING, /* end of the list */
	PLAY_GOOD,
	PLAY_DEAD,    /* no connection */
	PLAY_CERT,    /* TLS fails */
	PLAY_LOGIN,   /* 535 */
	PLAY_BUSY,    /* 454 at AUTH */
	PLAY_ODD_END, /* trouble behind the login */
	PLAY_NO_OPEN, /* upstream_open() fails */
};

enum { ADDRESSES_MAX = 5 };

struct scenario {
	const char *name;
	const char *hostname;
	const char *own_name;
	enum play v6[ADDRESSES_MAX]; /* as the resolver sorts: these first */
	enum play v4[ADDRESSES_MAX];
	const char *findings; /* "step family status;" ... */
	unsigned logins;
};

static const struct scenario scenarios[] = {
	{"all well", "", "host.example.org", {PLAY_GOOD}, {PLAY_GOOD},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 ok;"
		"size IPv4 ok;connect IPv6 ok;tls IPv6 ok;login IPv6 ok;"
		"size IPv6 ok;",
		2},
	{"no IPv6 address", "mail.example.org", "", {0}, {PLAY_GOOD},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 ok;"
		"size IPv4 ok;",
		1},
	{"IPv6 unreachable", "", "", {PLAY_DEAD, PLAY_DEAD, PLAY_DEAD},
		{PLAY_GOOD},
		"name  ok;ehlo  warn;connect IPv4 ok;tls IPv4 ok;login IPv4 ok;"
		"size IPv4 ok;connect IPv6 warn;",
		1},
	{"IPv4 unreachable", "h.example.org", "", {PLAY_GOOD}, {PLAY_DEAD},
		"name  ok;ehlo  ok;connect IPv6 ok;tls IPv6 ok;login IPv6 ok;"
		"size IPv6 ok;connect IPv4 warn;",
		1},
	{"nothing reachable", "h.example.org", "", {PLAY_DEAD}, {PLAY_DEAD},
		"name  ok;ehlo  ok;connect IPv4 fail;connect IPv6 fail;", 0},
	{"the second address works", "h.example.org", "", {0},
		{PLAY_DEAD, PLAY_GOOD},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 ok;"
		"size IPv4 ok;",
		1},
	{"not every address is tried", "h.example.org", "", {0},
		{PLAY_DEAD, PLAY_DEAD, PLAY_GOOD},
		"name  ok;ehlo  ok;connect IPv4 fail;", 0},
	{"wrong certificate", "h.example.org", "", {PLAY_CERT}, {PLAY_CERT},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 fail;"
		"connect IPv6 ok;tls IPv6 fail;",
		0},
	{"wrong password, tried once", "h.example.org", "", {PLAY_LOGIN},
		{PLAY_LOGIN, PLAY_LOGIN},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 fail;"
		"login IPv6 warn;",
		1},
	{"login refused for now, tried once", "h.example.org", "", {PLAY_BUSY},
		{PLAY_BUSY},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 fail;"
		"login IPv6 warn;",
		1},
	{"an odd end is no finding", "h.example.org", "", {0}, {PLAY_ODD_END},
		"name  ok;ehlo  ok;connect IPv4 ok;tls IPv4 ok;login IPv4 ok;",
		1},
	{"cannot be opened", "h.example.org", "", {0}, {PLAY_NO_OPEN},
		"name  ok;ehlo  ok;connect IPv4 fail;", 0},
	{"no such name", "h.example.org", "", {0}, {0}, "name  fail;", 0},
};

/* --- fakes --------------------------------------------------------------- */

struct resolve {
	struct event *later;
	resolve_fn *fn;
	void *arg;
};

struct upstream {
	struct event *later;
	struct upstream_callbacks callbacks;
	enum play play;
	int step;
};

static struct {
	const struct scenario *scenario;
	struct event_base *base;
	struct buf findings;
	unsigned logins, open, resolving, tls, done;
	unsigned aborted;
	char advice[512];
	char text[512];
	char ehlo_name[64];
} fake;

static enum play play_of(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return fake.scenario
			->v4[ntohs(((const struct sockaddr_in *)sa)->sin_port)];
	return fake.scenario
		->v6[ntohs(((const struct sockaddr_in6 *)sa)->sin6_port)];
}

static void add_address(struct resolved *r, int family, size_t index)
{
	struct sockaddr_in *v4 = (void *)&r->addresses[r->count].sa;
	struct sockaddr_in6 *v6 = (void *)&r->addresses[r->count].sa;

	if (family == AF_INET) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)index);
	} else {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)index);
	}
	r->addresses[r->count++].len = sizeof(struct sockaddr_in6);
}

static void on_resolve(evutil_socket_t fd, short what, void *arg)
{
	struct resolve *r = arg;
	struct resolved found = {0};
	struct err err = {.kind = ERR_SYSTEM, .text = "no such host"};
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; fake.scenario->v6[i] != PLAY_NOTHING; i++)
		add_address(&found, AF_INET6, i);
	for (i = 0; fake.scenario->v4[i] != PLAY_NOTHING; i++)
		add_address(&found, AF_INET, i);
	snprintf(found.own_name, sizeof(found.own_name), "%s",
		fake.scenario->own_name);
	fake.resolving--;
	r->fn(r->arg, found.count > 0 ? &found : NULL, &err);
	event_free(r->later);
	free(r);
}

struct resolve *resolve_start(struct event_base *base, const char *host,
	uint16_t port, resolve_fn *fn, void *arg, struct err *err)
{
	struct resolve *r = xcalloc(1, sizeof(*r));

	(void)host;
	(void)port;
	(void)err;
	r->fn = fn;
	r->arg = arg;
	r->later = evtimer_new(base, on_resolve, r);
	event_active(r->later, EV_TIMEOUT, 0);
	fake.resolving++;
	return r;
}

void resolve_cancel(struct resolve **r)
{
	if (*r != NULL) {
		fake.resolving--;
		event_free((*r)->later);
		free(*r);
	}
	*r = NULL;
}

struct tls_client *tls_client_new(const char *ca_file)
{
	(void)ca_file;
	fake.tls++;
	return xcalloc(1, 1);
}

void tls_client_free(struct tls_client **t)
{
	fake.tls -= *t != NULL;
	free(*t);
	*t = NULL;
}

static void close_upstream(struct upstream *u, enum phase phase, int code)
{
	struct upstream_trouble trouble = {
		.phase = phase,
		.text = "what happened",
		.advice = "what to do",
	};

	trouble.reply.code = code;
	fake.open--;
	u->callbacks.on_closed(
		u->callbacks.arg, u, phase == PHASE_QUIT ? NULL : &trouble);
	event_free(u->later);
	free(u);
}

static void on_upstream(evutil_socket_t fd, short what, void *arg)
{
	struct upstream *u = arg;
	void *to = u->callbacks.arg;

	(void)fd;
	(void)what;
	if (u->play == PLAY_DEAD) {
		close_upstream(u, PHASE_CONNECT, 0);
		return;
	}
	u->callbacks.on_step(to, PHASE_CONNECT, "connected");
	u->callbacks.on_step(to, PHASE_EHLO, "said hello");
	if (u->play == PLAY_CERT) {
		close_upstream(u, PHASE_TLS, 0);
		return;
	}
	u->callbacks.on_step(to, PHASE_TLS, "TLSv1.3");
	fake.logins++;
	if (u->play == PLAY_LOGIN || u->play == PLAY_BUSY) {
		close_upstream(
			u, PHASE_AUTH, u->play == PLAY_LOGIN ? 535 : 454);
		return;
	}
	u->callbacks.on_step(to, PHASE_AUTH, "logged in");
	u->callbacks.on_ready(to, u, u->play == PLAY_ODD_END ? 0 : 1000);
	assert_null(u->callbacks.next(to, u));
	close_upstream(u, u->play == PLAY_ODD_END ? PHASE_RSET : PHASE_QUIT, 0);
}

struct upstream *upstream_open(struct event_base *base,
	const struct upstream_params *params,
	const struct upstream_callbacks *callbacks, struct err *err)
{
	struct upstream *u;

	assert_true(params->probe);
	/* one at a time */
	assert_int_equal(fake.open, 0);
	snprintf(fake.ehlo_name, sizeof(fake.ehlo_name), "%s",
		params->ehlo_name);
	if (play_of(&params->address) == PLAY_NO_OPEN) {
		err_set(err, ERR_SYSTEM, "no socket");
		return NULL;
	}
	u = xcalloc(1, sizeof(*u));
	u->callbacks = *callbacks;
	u->play = play_of(&params->address);
	u->later = evtimer_new(base, on_upstream, u);
	event_active(u->later, EV_TIMEOUT, 0);
	fake.open++;
	return u;
}

void upstream_abort(struct upstream *u)
{
	fake.aborted++;
	close_upstream(u, PHASE_QUIT, 0);
}

/* --- the tests ----------------------------------------------------------- */

static const struct conf_account account = {.name = (char *)(uintptr_t) "a",
	.username = (char *)(uintptr_t) "someone@gmail.com",
	.host = (char *)(uintptr_t) "smtp.gmail.com",
	.ca_file = (char *)(uintptr_t) "",
	.port = 587};

static void on_finding(void *arg, const struct probe_finding *f)
{
	(void)arg;
	buf_addf(&fake.findings, "%s %s %s;", f->step, f->family,
		probe_status_name(f->status));
	if (f->status == PROBE_FAIL) {
		snprintf(fake.advice, sizeof(fake.advice), "%s", f->advice);
		snprintf(fake.text, sizeof(fake.text), "%s", f->text);
	}
}

static void on_done(void *arg)
{
	fake.done++;
	probe_free(arg);
}

static struct probe *start(const struct scenario *s, struct probe **probe)
{
	struct probe_params params = {
		.account = &account,
		.hostname = s->hostname,
		.on_finding = on_finding,
		.on_done = on_done,
		.arg = probe,
	};

	memset(&fake, 0, sizeof(fake));
	fake.scenario = s;
	fake.base = event_base_new();
	params.base = fake.base;
	buf_init(&fake.findings, 4096);
	buf_add(&fake.findings, "", 0);
	*probe = probe_new(&params, NULL);
	assert_non_null(*probe);
	/* never from inside */
	assert_int_equal(fake.findings.len, 0);
	return *probe;
}

static void end(void)
{
	assert_int_equal(fake.open, 0);
	assert_int_equal(fake.resolving, 0);
	assert_int_equal(fake.tls, 0);
	event_base_free(fake.base);
	buf_free(&fake.findings);
}

static void test_scenarios(void **state)
{
	struct probe *probe;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(scenarios); i++) {
		start(&scenarios[i], &probe);
		event_base_dispatch(fake.base);
		if (strcmp(fake.findings.data, scenarios[i].findings) != 0)
			fail_msg("%s:\n%s instead of\n%s", scenarios[i].name,
				fake.findings.data, scenarios[i].findings);
		assert_int_equal(fake.done, 1);
		assert_int_equal(fake.logins, scenarios[i].logins);
		assert_null(probe);
		if (strstr(scenarios[i].findings, "fail") != NULL) {
			assert_string_not_equal(fake.advice, "");
			assert_string_not_equal(fake.text, "");
		}
		end();
	}
}

static void test_ehlo_name(void **state)
{
	struct scenario s = scenarios[0];
	struct probe *probe;

	(void)state;
	start(&s, &probe);
	event_base_dispatch(fake.base);
	assert_string_equal(fake.ehlo_name, "host.example.org");
	end();
	s.hostname = "configured.example.org";
	start(&s, &probe);
	event_base_dispatch(fake.base);
	assert_string_equal(fake.ehlo_name, "configured.example.org");
	end();
	s.hostname = s.own_name = "";
	start(&s, &probe);
	event_base_dispatch(fake.base);
	assert_string_equal(fake.ehlo_name, "");
	end();
}

/* Whoever asked may leave at any time. */
static void test_free_at_any_time(void **state)
{
	struct probe *probe;
	unsigned turns, i;

	(void)state;
	for (turns = 0; turns < 8; turns++) {
		start(&scenarios[0], &probe);
		for (i = 0; i < turns && probe != NULL; i++)
			event_base_loop(fake.base, EVLOOP_ONCE);
		probe_free(&probe);
		assert_null(probe);
		event_base_dispatch(fake.base);
		assert_true(fake.done <= 1);
		end();
	}
	probe_free(&probe);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_scenarios),
		cmocka_unit_test(test_ehlo_name),
		cmocka_unit_test(test_free_at_any_time),
	};

	return cmocka_run_group_tests_name("probe", tests, NULL, NULL);
}
