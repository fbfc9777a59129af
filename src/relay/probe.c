/*
 * probe.c - doctor's look at one account's way to Gmail.
 */
#include "config.h"

#include "relay/probe.h"

#include "base/conf.h"
#include "base/util.h"
#include "relay/resolve.h"
#include "relay/tls.h"
#include "relay/upstream.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FAMILIES = 2, PROBE_TEXT_MAX = 1024 };

/* What came of one address family. */
struct family {
	const char *name;
	sa_family_t number;
	size_t tried;   /* addresses */
	bool connected; /* one of them answered */
	bool finished;
	char problem[ERR_TEXT_MAX]; /* why none answered */
	char advice[ERR_TEXT_MAX];
};

struct probe {
	struct probe_params params;
	struct resolve *resolve;
	struct resolved found;
	struct tls_client *tls;
	struct upstream *upstream;
	struct event *advance; /* the next step, outside of callbacks */
	struct family families[FAMILIES];
	struct family *now; /* whose connection is open */
	const char *ehlo_name;
	bool logged_in; /* this connection */
	bool refused;   /* a login was */
};

static const char name_advice[] =
	"Check the network and /etc/resolv.conf, and the setting \"host\" of "
	"the account.";
static const char ehlo_advice[] =
	"Some servers refuse mail from a host without a full name. Set "
	"\"hostname\" in the configuration to this machine's full name, or give "
	"it one in /etc/hosts.";
static const char network_advice[] =
	"Check that this machine has a way to the Internet and that no firewall "
	"blocks the port.";

const char *probe_status_name(enum probe_status status)
{
	static const char *const names[] = {[PROBE_OK] = "ok",
		[PROBE_WARN] = "warn",
		[PROBE_FAIL] = "fail"};

	return names[status];
}

static void tell(struct probe *p, const char *step, enum probe_status status,
	const char *text, const char *advice)
{
	struct probe_finding finding = {
		.step = step,
		.family = p->now != NULL ? p->now->name : "",
		.status = status,
		.text = text,
		.advice = advice != NULL ? advice : "",
	};

	p->params.on_finding(p->params.arg, &finding);
}

static void advance_soon(struct probe *p)
{
	event_active(p->advance, EV_TIMEOUT, 0);
}

/* --- one connection ------------------------------------------------------ */

static const char *step_name(enum phase phase)
{
	switch (phase) {
	case PHASE_CONNECT:
		return "connect";
	case PHASE_BANNER:
	case PHASE_EHLO:
		return "greeting";
	case PHASE_STARTTLS:
	case PHASE_TLS:
		return "tls";
	default:
		return "login";
	}
}

static void on_step(void *arg, enum phase phase, const char *text)
{
	struct probe *p = arg;

	if (phase == PHASE_CONNECT)
		p->now->connected = true;
	if (phase == PHASE_AUTH)
		p->logged_in = true;
	if (phase == PHASE_CONNECT || phase == PHASE_TLS || phase == PHASE_AUTH)
		tell(p, step_name(phase), PROBE_OK, text, NULL);
}

static void on_ready(void *arg, struct upstream *u, uint64_t size)
{
	struct probe *p = arg;
	char text[PROBE_TEXT_MAX];

	(void)u;
	p->now->connected = true;
	if (!p->logged_in) {
		snprintf(text, sizeof(text), "logged in as %s",
			p->params.account->username);
		tell(p, "login", PROBE_OK, text, NULL);
	}
	p->logged_in = true;
	if (size > 0) {
		snprintf(text, sizeof(text),
			"takes messages of up to %llu octets",
			(unsigned long long)size);
		tell(p, "size", PROBE_OK, text, NULL);
	}
}

static struct delivery *on_next(void *arg, struct upstream *u)
{
	(void)arg;
	(void)u;
	return NULL;
}

static void on_finished(void *arg, struct upstream *u, struct delivery *d)
{
	(void)arg;
	(void)u;
	(void)d;
}

static void judge_trouble(struct probe *p, const struct upstream_trouble *t)
{
	struct family *f = p->now;
	char text[PROBE_TEXT_MAX + REPLY_TEXT_MAX];
	char reply[REPLY_TEXT_MAX + 32];

	if (t->phase == PHASE_CONNECT) {
		/* judged when the other family is known */
		snprintf(f->problem, sizeof(f->problem), "%s", t->text);
		snprintf(f->advice, sizeof(f->advice), "%s", t->advice);
		return;
	}
	f->connected = true;
	if (t->phase == PHASE_AUTH && t->reply.code >= 400)
		p->refused = true;
	if (t->reply.code > 0 && t->text[0] == '\0')
		snprintf(text, sizeof(text), "the server said: %s",
			reply_print(&t->reply, reply, sizeof(reply)));
	else
		snprintf(text, sizeof(text), "%s", t->text);
	tell(p, step_name(t->phase), PROBE_FAIL, text, t->advice);
}

static void on_closed(
	void *arg, struct upstream *u, const struct upstream_trouble *trouble)
{
	struct probe *p = arg;

	(void)u;
	p->upstream = NULL;
	/* after the login nothing was asked: how it ended says nothing */
	if (trouble != NULL && !p->logged_in)
		judge_trouble(p, trouble);
	p->now->finished = p->now->connected;
	advance_soon(p);
}

static int open_connection(struct probe *p, size_t index, struct err *err)
{
	struct upstream_params params = {
		.account = p->params.account,
		.credential = p->params.credential,
		.tls = p->tls,
		.address = p->found.addresses[index].sa,
		.address_len = p->found.addresses[index].len,
		.ehlo_name = p->ehlo_name,
		.probe = true,
	};
	const struct upstream_callbacks callbacks = {
		.on_ready = on_ready,
		.next = on_next,
		.on_finished = on_finished,
		.on_closed = on_closed,
		.on_step = on_step,
		.arg = p,
	};

	p->logged_in = false;
	p->upstream = upstream_open(p->params.base, &params, &callbacks, err);
	return p->upstream != NULL ? 0 : -1;
}

/* --- one family after the other ------------------------------------------ */

static size_t count_family(const struct probe *p, sa_family_t number)
{
	size_t i, count = 0;

	for (i = 0; i < p->found.count; i++)
		count += p->found.addresses[i].sa.ss_family == number;
	return count;
}

/* The index of the nth address of the family; found.count for none. */
static size_t nth_address(const struct probe *p, sa_family_t number, size_t nth)
{
	size_t i;

	for (i = 0; i < p->found.count; i++)
		if (p->found.addresses[i].sa.ss_family == number && nth-- == 0)
			break;
	return i;
}

/* Starts the next connection of the family. Returns false when it has no
 * address left to try. */
static bool try_family(struct probe *p, struct family *f)
{
	struct err err;
	size_t index;

	while (f->tried < PROBE_ADDRESSES_MAX) {
		index = nth_address(p, f->number, f->tried);
		if (index == p->found.count)
			return false;
		f->tried++;
		p->now = f;
		if (open_connection(p, index, &err) == 0)
			return true;
		snprintf(f->problem, sizeof(f->problem), "%s", err.text);
		snprintf(f->advice, sizeof(f->advice), "%s", network_advice);
	}
	return false;
}

/* A family that cannot be reached is a fault only where the other one cannot
 * be reached either. */
static void tell_unreachable(struct probe *p)
{
	bool any = p->families[0].connected || p->families[1].connected;
	char text[PROBE_TEXT_MAX];
	struct family *f;
	size_t i;

	for (i = 0; i < FAMILIES; i++) {
		f = &p->families[i];
		if (f->connected || f->tried == 0)
			continue;
		p->now = f;
		snprintf(text, sizeof(text), "%s%s", f->problem,
			any ? " (mail takes the other way)" : "");
		tell(p, "connect", any ? PROBE_WARN : PROBE_FAIL, text,
			f->advice);
	}
	p->now = NULL;
}

static void on_advance(evutil_socket_t fd, short what, void *arg)
{
	struct probe *p = arg;
	struct family *f;
	size_t i;

	(void)fd;
	(void)what;
	for (i = 0; i < FAMILIES; i++) {
		f = &p->families[i];
		if (f->finished)
			continue;
		if (p->refused && count_family(p, f->number) > 0) {
			p->now = f;
			tell(p, "login", PROBE_WARN,
				"not tried: the login was refused already, and "
				"Google counts failed logins",
				NULL);
			f->finished = true;
			f->connected = true;
			continue;
		}
		if (try_family(p, f))
			return;
		f->finished = true;
	}
	tell_unreachable(p);
	p->params.on_done(p->params.arg);
}

/* --- names --------------------------------------------------------------- */

static void tell_addresses(struct probe *p)
{
	char text[PROBE_TEXT_MAX];
	size_t v4 = count_family(p, AF_INET), v6 = count_family(p, AF_INET6);

	snprintf(text, sizeof(text), "%s has %zu IPv4 and %zu IPv6 address%s",
		p->params.account->host, v4, v6, v6 == 1 ? "" : "es");
	tell(p, "name", PROBE_OK, text, NULL);
}

static void tell_ehlo_name(struct probe *p)
{
	char text[PROBE_TEXT_MAX];
	bool configured = p->params.hostname[0] != '\0';

	p->ehlo_name = configured ? p->params.hostname : p->found.own_name;
	if (p->ehlo_name[0] == '\0') {
		tell(p, "ehlo", PROBE_WARN,
			"this host has no full name: its address is used as "
			"EHLO name",
			ehlo_advice);
		return;
	}
	snprintf(text, sizeof(text), "EHLO name is %s (%s)", p->ehlo_name,
		configured ? "as configured" : "this host's own name");
	tell(p, "ehlo", PROBE_OK, text, NULL);
}

static void on_resolved(
	void *arg, const struct resolved *result, const struct err *err)
{
	struct probe *p = arg;

	p->resolve = NULL;
	if (result == NULL) {
		tell(p, "name", PROBE_FAIL, err->text, name_advice);
		p->families[0].finished = p->families[1].finished = true;
	} else {
		p->found = *result;
		tell_addresses(p);
		tell_ehlo_name(p);
	}
	advance_soon(p);
}

struct probe *probe_new(const struct probe_params *params, struct err *err)
{
	struct probe *p = xcalloc(1, sizeof(*p));

	p->params = *params;
	p->families[0].name = "IPv4";
	p->families[0].number = AF_INET;
	p->families[1].name = "IPv6";
	p->families[1].number = AF_INET6;
	p->tls = tls_client_new(params->account->ca_file);
	p->advance = evtimer_new(params->base, on_advance, p);
	if (p->tls == NULL || p->advance == NULL)
		err_set(err, ERR_SYSTEM, "no memory");
	else
		p->resolve = resolve_start(params->base, params->account->host,
			params->account->port, on_resolved, p, err);
	if (p->resolve == NULL)
		probe_free(&p);
	return p;
}

void probe_free(struct probe **pp)
{
	struct probe *p = *pp;

	*pp = NULL;
	if (p == NULL)
		return;
	resolve_cancel(&p->resolve);
	/* on_closed() comes at once; the step it asks for is freed below */
	if (p->upstream != NULL)
		upstream_abort(p->upstream);
	tls_client_free(&p->tls);
	if (p->advance != NULL)
		event_free(p->advance);
	free(p);
}
