/*
 * upstream_login.c - one connection to the submission server: EHLO and AUTH.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/credential.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/upstream_internal.h"

#include <event2/bufferevent.h>

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#define LITERAL_MAX (INET6_ADDRSTRLEN + 8) /* "[IPv6:...]" */

void upstream_refused(struct upstream *u, const struct reply *r)
{
	const enum phase phase = upstream_phase(u);

	/* a yes that is no answer to what was asked is none */
	upstream_note_reply(u, phase,
		upstream_is_refusal(r) ? gmail_judge(phase, r) : gmail_misfit(),
		r);
	upstream_set_state(u, r->code == 421 ? STATE_CLOSED : STATE_QUIT);
}

/* --- EHLO --- */

static bool has_keyword(
	const char *line, size_t len, const char *keyword, size_t *param_out)
{
	const size_t n = strlen(keyword);

	if (len < n || strncasecmp(line, keyword, n) != 0)
		return false;
	if (len > n && line[n] != ' ' && line[n] != '=')
		return false;
	*param_out = len > n ? n + 1 : n;
	return true;
}

static uint64_t parse_size(const char *text, size_t len)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < len && text[i] >= '0' && text[i] <= '9'; i++) {
		if (size > UINT64_MAX / 10 - 1)
			return 0;
		size = size * 10 + (uint64_t)(text[i] - '0');
	}
	return size;
}

/* RFC 5321 4.1.1.1: a keyword and its parameters a line. The first line names
 * the server; that it should read like a keyword does no harm. */
void upstream_offer_line(
	struct upstream_offer *offer, const char *line, size_t len)
{
	size_t param;

	if (len < 4)
		return;
	line += 4;
	len -= 4;
	if (has_keyword(line, len, "STARTTLS", &param)) {
		offer->starttls = true;
	} else if (has_keyword(line, len, "PIPELINING", &param)) {
		offer->pipelining = true;
	} else if (has_keyword(line, len, "CHUNKING", &param)) {
		offer->chunking = true;
	} else if (has_keyword(line, len, "8BITMIME", &param)) {
		offer->eight_bit = true;
	} else if (has_keyword(line, len, "SMTPUTF8", &param)) {
		offer->smtputf8 = true;
	} else if (has_keyword(line, len, "DSN", &param)) {
		offer->dsn = true;
	} else if (has_keyword(line, len, "SIZE", &param)) {
		offer->size = true;
		offer->size_max = parse_size(line + param, len - param);
	} else if (has_keyword(line, len, "AUTH", &param)) {
		/* "AUTH=LOGIN", of old, stands beside the real one */
		if (offer->auth[0] == '\0' || (len > 4 && line[4] == ' '))
			snprintf(offer->auth, sizeof(offer->auth), "%.*s",
				(int)(len - param), line + param);
	}
}

/* RFC 5321 4.1.3: the address of our end, in brackets. */
static void print_literal(const struct upstream *u, char text[LITERAL_MAX])
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);
	const struct sockaddr_in *in = (const struct sockaddr_in *)&sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)&sa;
	char address[INET6_ADDRSTRLEN] = "127.0.0.1";
	const char *kind = "";

	memset(&sa, 0, sizeof(sa));
	getsockname(bufferevent_getfd(u->bev), (struct sockaddr *)&sa, &len);
	if (sa.ss_family == AF_INET) {
		inet_ntop(AF_INET, &in->sin_addr, address, sizeof(address));
	} else if (sa.ss_family == AF_INET6 &&
		   IN6_IS_ADDR_V4MAPPED(&in6->sin6_addr)) {
		inet_ntop(AF_INET, &in6->sin6_addr.s6_addr[12], address,
			sizeof(address));
	} else if (sa.ss_family == AF_INET6) {
		inet_ntop(AF_INET6, &in6->sin6_addr, address, sizeof(address));
		kind = "IPv6:";
	}
	snprintf(text, LITERAL_MAX, "[%s%s]", kind, address);
}

void upstream_ehlo_enter(struct upstream *u)
{
	char literal[LITERAL_MAX];

	memset(&u->offer, 0, sizeof(u->offer));
	if (u->ehlo_name[0] == '\0')
		u->ehlo_literal = true;
	print_literal(u, literal);
	upstream_send(
		u, "EHLO %s\r\n", u->ehlo_literal ? literal : u->ehlo_name);
}

void upstream_ehlo_reply(struct upstream *u, const struct reply *r)
{
	if (r->code == 250) {
		u->offer.pipelining &= !u->params.careful;
		u->offer.chunking &= !u->params.careful;
		upstream_step(u, PHASE_EHLO, "%s", r->text);
		upstream_set_state(u, u->tls ? STATE_AUTH : STATE_STARTTLS);
	} else if (r->code == 501 && !u->ehlo_literal) {
		u->ehlo_literal = true;
		u->ehlo_refused = true;
		u->refusal = *r;
		upstream_set_state(u, u->state);
	} else {
		upstream_refused(u, r);
	}
}

/* --- AUTH --- */

/* Sends "AUTH NAME[ response]", or the response alone; the line is wiped by
 * whoever has it last. Returns 0; 1: no response for this step; -1 with err. */
static int send_response(struct upstream *u, const char *prefix,
	const char *challenge, struct err *err)
{
	const struct auth_login login = {
		.username = u->params.account->username,
		.secret = u->params.credential->secret,
	};
	struct buf line;
	int rc = -1;

	buf_init(&line, COMMAND_LINE_MAX);
	/* room for all of it at once: growing would leave copies behind */
	if (buf_reserve(&line, COMMAND_LINE_MAX) == NULL ||
		buf_add_string(&line, prefix) != 0)
		bug("out of memory");
	rc = u->mechanism->respond(&login, u->auth_step, challenge, &line, err);
	if (rc == 0 && prefix[0] != '\0' && line.len + 2 > UPSTREAM_COMMAND_MAX)
		rc = 1;
	if (rc == 0 && line.len + 2 <= COMMAND_LINE_MAX) {
		upstream_send_secret(u, &line);
		return 0;
	}
	wipe(line.data, line.cap);
	buf_free(&line);
	return rc == 0 ? err_set(err, ERR_LIMIT, "the login is too long") : rc;
}

static void auth_cancel(struct upstream *u, const struct err *err)
{
	upstream_note(u, PHASE_AUTH,
		"The login could not be carried through. Check that host and port are those of a submission server, and username and password-file.",
		"%s", err->text);
	u->auth_cancelled = true;
	upstream_send(u, "*\r\n");
}

static void auth_begin(struct upstream *u)
{
	char prefix[64];
	struct err err;
	int rc = 1;

	u->auth_step = 0;
	u->auth_initial = false;
	snprintf(prefix, sizeof(prefix), "AUTH %s ", u->mechanism->name);
	if (!u->auth_bare)
		rc = send_response(u, prefix, "", &err);
	if (rc == 0)
		u->auth_initial = true;
	else
		upstream_send(u, "AUTH %s\r\n", u->mechanism->name);
}

/* The next mechanism, or the end: r is what the last one got. */
static void auth_next(struct upstream *u, const struct reply *r)
{
	u->mechanism = auth_choose(u->offer.auth, u->mechanism);
	u->auth_bare = false;
	if (u->mechanism != NULL)
		auth_begin(u);
	else
		upstream_refused(u, r);
}

void upstream_auth_enter(struct upstream *u)
{
	const struct reply none = {
		.code = 504,
		.enhanced = "5.7.4",
		.text = "(of the mechanisms offered none is known)",
		.lines = 1,
		.complete = true,
	};

	if (!u->tls)
		bug("login without TLS");
	if (u->offer.auth[0] == '\0') {
		upstream_note(u, PHASE_AUTH,
			"Without a login Gmail takes no mail. Check that host and port are those of a submission server.",
			"the server offers no login");
		upstream_set_state(u, STATE_QUIT);
		return;
	}
	u->mechanism = NULL;
	auth_next(u, &none);
}

static void auth_challenged(struct upstream *u, const struct reply *r)
{
	struct err err;
	int rc;

	u->auth_step++;
	rc = send_response(u, "", r->text, &err);
	if (rc > 0)
		rc = err_set(&err, ERR_PROTOCOL,
			"the server asks for what AUTH %s does not have",
			u->mechanism->name);
	if (rc < 0)
		auth_cancel(u, &err);
}

void upstream_auth_reply(struct upstream *u, const struct reply *r)
{
	if (u->auth_cancelled) {
		upstream_set_state(u, STATE_QUIT);
	} else if (r->code == 235) {
		upstream_step(u, PHASE_AUTH, "%s as %s", u->mechanism->name,
			u->params.account->username);
		upstream_set_state(u, STATE_READY);
	} else if (r->code == 334) {
		auth_challenged(u, r);
	} else if (r->code == 535 && strcmp(r->enhanced, "5.5.4") == 0 &&
		   u->auth_initial) {
		u->auth_bare = true;
		auth_begin(u);
	} else if (r->code == 504) {
		auth_next(u, r);
	} else {
		upstream_refused(u, r);
	}
}
