/*
 * upstream_states.c - one connection to the submission server: the table of its
 *                     states, and those from connecting to TLS.
 *
 *   CONNECT -> BANNER -> EHLO -> STARTTLS -> HANDSHAKE -> EHLO_TLS -> AUTH
 *   CONNECT -> HANDSHAKE -> BANNER -> EHLO_TLS -> AUTH      (implicit TLS)
 *   AUTH -> READY -> ENVELOPE -> BODY -> FINAL -> (RSET ->) READY
 *   any -> QUIT -> CLOSED, any -> CLOSED
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/role.h"
#include "relay/tls.h"
#include "relay/upstream_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <errno.h>
#include <limits.h>
#include <netinet/tcp.h>
#include <string.h>
#include <unistd.h>

static const char tampering[] =
	"Something between this machine and the server tampers with the connection (a firewall that \"inspects\" mail, or an attack). Nothing was sent. Try tls = \"implicit\" and port = 465, which leaves nothing to tamper with.";

static const char own_greeting[] =
	"Mail would go round in a circle, so nothing was sent. Write the provider's server, like host = \"smtp.gmail.com\" with port = 587. If it is the gmrelayd of another machine, give each a hostname of its own.";

static bool implicit_tls(const struct upstream *u)
{
	return u->params.account->tls == CONF_TLS_IMPLICIT;
}

/* --- CONNECT --- */

static int open_socket(const struct upstream *u)
{
	const int one = 1;
	int fd = socket(u->params.address.ss_family,
		SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);

	/* what is written together goes out together, and at once */
	if (fd >= 0)
		setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
	return fd;
}

/* A failure is told from the loop, like one that comes later. */
static void connect_enter(struct upstream *u)
{
	const struct sockaddr *sa = (const struct sockaddr *)&u->params.address;
	struct bufferevent *bev;
	int fd = open_socket(u);

	if (fd < 0) {
		u->connect_error = errno;
		event_active(u->kick, 0, 0);
		return;
	}
	bev = bufferevent_socket_new(u->base, fd, BEV_OPT_CLOSE_ON_FREE);
	if (bev == NULL)
		bug("out of memory");
	upstream_use(u, bev);
	errno = 0;
	if (bufferevent_socket_connect(bev, sa, (int)u->params.address_len) !=
		0) {
		u->connect_error = errno != 0 ? errno : ECONNREFUSED;
		event_active(u->kick, 0, 0);
	}
}

/* --- HANDSHAKE --- */

static void handshake_enter(struct upstream *u)
{
	const int fd = bufferevent_getfd(u->bev);
	struct bufferevent *bev;
	struct err err;

	/* the socket goes on without what wrapped it */
	bufferevent_setfd(u->bev, -1);
	bufferevent_free(u->bev);
	u->bev = NULL;
	bev = tls_client_connect(
		u->params.tls, u->base, fd, u->params.account->host, &err);
	if (bev == NULL) {
		upstream_note(u, PHASE_TLS,
			"Check the setting ca-file and that the package ca-certificates is installed.",
			"%s", err.text);
		upstream_set_state(u, STATE_CLOSED);
		return;
	}
	upstream_use(u, bev);
}

static void handshake_done(struct upstream *u)
{
	char text[ERR_TEXT_MAX];
	struct err err;

	if (tls_client_confirm(u->bev, text, sizeof(text), &err) != 0) {
		upstream_break(u, "%s", err.text);
		return;
	}
	u->tls = true;
	upstream_step(u, PHASE_TLS, "%s", text);
	upstream_set_state(u, implicit_tls(u) ? STATE_BANNER : STATE_EHLO_TLS);
}

void upstream_connected(struct upstream *u)
{
	if (u->state == STATE_HANDSHAKE) {
		handshake_done(u);
		return;
	}
	upstream_step(u, PHASE_CONNECT, "connected to %s", u->peer);
	upstream_set_state(u, implicit_tls(u) ? STATE_HANDSHAKE : STATE_BANNER);
}

/* --- BANNER --- */

static bool is_greeting_of(const char *text, const char *name)
{
	size_t len = strlen(name);

	return len > 0 && strncmp(text, name, len) == 0 && text[len] == ' ' &&
	       strcmp(text + len + 1, GREETING_PRODUCT) == 0;
}

/* What our receiver says: by the configured name, else by the system's. */
static bool is_own_greeting(const struct upstream *u, const char *text)
{
	char system_name[HOST_NAME_MAX + 1];

	if (gethostname(system_name, sizeof(system_name)) != 0)
		system_name[0] = '\0';
	system_name[HOST_NAME_MAX] = '\0';
	return is_greeting_of(text, u->ehlo_name) ||
	       is_greeting_of(text, system_name);
}

static void banner_reply(struct upstream *u, const struct reply *r)
{
	if (r->code != 220) {
		upstream_refused(u, r);
		return;
	}
	if (is_own_greeting(u, r->text)) {
		upstream_note(u, PHASE_BANNER, own_greeting,
			"host and port lead to this relay itself: it greets as "
			"\"%s\"",
			r->text);
		upstream_set_state(u, STATE_QUIT);
		return;
	}
	upstream_step(u, PHASE_BANNER, "%s", r->text);
	upstream_set_state(u, u->tls ? STATE_EHLO_TLS : STATE_EHLO);
}

/* --- STARTTLS --- */

static void starttls_enter(struct upstream *u)
{
	if (u->offer.starttls) {
		upstream_send(u, "STARTTLS\r\n");
		return;
	}
	/* RFC 3207 section 6: taking the offer away is the attack */
	upstream_note(
		u, PHASE_STARTTLS, tampering, "the server offers no STARTTLS");
	upstream_set_state(u, STATE_QUIT);
}

/* Anything there behind the 220 was put in by somebody who could not do so
 * later (CVE-2011-0411): in our buffer, or still in the kernel's. */
static bool bytes_behind(const struct upstream *u)
{
	char byte;

	return evbuffer_get_length(bufferevent_get_input(u->bev)) > 0 ||
	       recv(bufferevent_getfd(u->bev), &byte, 1,
		       MSG_PEEK | MSG_DONTWAIT) > 0;
}

static void starttls_reply(struct upstream *u, const struct reply *r)
{
	if (r->code != 220) {
		upstream_refused(u, r);
		return;
	}
	if (bytes_behind(u)) {
		upstream_note(u, PHASE_STARTTLS, tampering,
			"bytes came in clear behind the answer to STARTTLS");
		upstream_set_state(u, STATE_CLOSED);
		return;
	}
	upstream_step(u, PHASE_STARTTLS, "%s", r->text);
	upstream_set_state(u, STATE_HANDSHAKE);
}

/* --- QUIT, CLOSED --- */

static void quit_enter(struct upstream *u)
{
	upstream_send(u, "QUIT\r\n");
}

static void quit_reply(struct upstream *u, const struct reply *r)
{
	(void)r;
	upstream_set_state(u, STATE_CLOSED);
}

/* --- the table --- */

static const struct upstream_state_row rows[STATE_COUNT] = {
	[STATE_CONNECT] = {"CONNECT", PHASE_CONNECT, TIMEOUT_CONNECT,
		connect_enter, NULL},
	[STATE_BANNER] = {"BANNER", PHASE_BANNER, TIMEOUT_REPLY, NULL,
		banner_reply},
	[STATE_EHLO] = {"EHLO", PHASE_EHLO, TIMEOUT_REPLY, upstream_ehlo_enter,
		upstream_ehlo_reply},
	[STATE_STARTTLS] = {"STARTTLS", PHASE_STARTTLS, TIMEOUT_REPLY,
		starttls_enter, starttls_reply},
	[STATE_HANDSHAKE] = {"HANDSHAKE", PHASE_TLS, TIMEOUT_CONNECT,
		handshake_enter, NULL},
	[STATE_EHLO_TLS] = {"EHLO_TLS", PHASE_EHLO, TIMEOUT_REPLY,
		upstream_ehlo_enter, upstream_ehlo_reply},
	[STATE_AUTH] = {"AUTH", PHASE_AUTH, TIMEOUT_REPLY, upstream_auth_enter,
		upstream_auth_reply},
	[STATE_READY] = {"READY", PHASE_READY, TIMEOUT_IDLE,
		upstream_ready_enter, upstream_ready_reply},
	[STATE_ENVELOPE] = {"ENVELOPE", PHASE_MAIL, TIMEOUT_REPLY,
		upstream_envelope_enter, upstream_envelope_reply},
	[STATE_BODY] = {"BODY", PHASE_FINAL, TIMEOUT_REPLY, upstream_body_enter,
		upstream_body_reply},
	[STATE_FINAL] = {"FINAL", PHASE_FINAL, TIMEOUT_FINAL,
		upstream_final_enter, upstream_final_reply},
	[STATE_RSET] = {"RSET", PHASE_RSET, TIMEOUT_REPLY, upstream_rset_enter,
		upstream_rset_reply},
	[STATE_QUIT] = {"QUIT", PHASE_QUIT, TIMEOUT_QUIT, quit_enter,
		quit_reply},
	[STATE_CLOSED] = {"CLOSED", PHASE_QUIT, TIMEOUT_NONE, NULL, NULL},
};

const struct upstream_state_row *upstream_row(enum upstream_state state)
{
	return &rows[state];
}

const char *upstream_awaited(const struct upstream *u)
{
	static const char *const words[PHASE_COUNT] = {
		[PHASE_CONNECT] = "the call",
		[PHASE_BANNER] = "with a greeting",
		[PHASE_TLS] = "the TLS handshake",
		[PHASE_READY] = "nothing in particular",
		[PHASE_FINAL] = "the message",
	};
	const enum phase phase = upstream_phase(u);

	return words[phase] != NULL ? words[phase] : phase_name(phase);
}

const char *upstream_break_advice(const struct upstream *u)
{
	switch (u->state) {
	case STATE_CONNECT:
		return "Check this machine's network, and that a firewall or the Internet provider lets it reach this host and port; it is tried again by itself.";
	case STATE_BANNER:
		return "The server is there but does not speak SMTP. Check port and tls: 587 goes with tls = \"starttls\", 465 with tls = \"implicit\".";
	case STATE_HANDSHAKE:
		return "No credential and no mail was sent. Mail is kept until the connection is safe; it is tried again by itself.";
	default:
		return "The connection was lost on the way, as happens on the Internet; it is tried again by itself. If it comes often, look at this machine's network.";
	}
}
