/*
 * session_tls.c - how TLS begins on a connection.
 *
 * By STARTTLS (RFC 3207): nothing may stand behind that command. What the
 * client said before in clear counts no more, and a word that somebody slipped
 * in behind it must not count as said under TLS.
 *
 * Or at once, also on a port for plain SMTP: there are devices that know
 * nothing else. SMTP lets the server speak first, and such a client takes the
 * greeting for broken TLS. So where a certificate is shown, the greeting waits
 * for a moment: a client that begins with TLS does so at once, one that waits
 * for the greeting hardly notices. One that was too slow fails, and is waited
 * for longer when it comes again.
 */
#include "config.h"

#include "receiver/session_internal.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "receiver/login.h"
#include "receiver/tls.h"

#include <netinet/in.h>
#include <sys/socket.h>

enum {
	/* The first byte of a TLS record with a ClientHello (RFC 8446 5.1). */
	TLS_HELLO = 0x16,
	/* From the connection to the first byte: one way, and what a small
	 * processor needs to make a key. */
	HOLD_MS = 200,
	/* Who was seen to begin with TLS, and too late. */
	HOLD_KNOWN_MS = 3 * 1000,
	/* RFC 8314 3.3: on this port clients begin with TLS. */
	TLS_PORT = 465,
	HOLD_TLS_PORT_MS = 10 * 1000,
	HANDSHAKE_MAX_MS = 30 * 1000,
};

bool session_tls_is_available(const struct session *s)
{
	return s->shared->tls != NULL && s->peer.kind == LISTENER_SMTP &&
	       s->profile->tls != CONF_CLIENT_TLS_NONE;
}

bool session_tls_is_on(const struct session *s)
{
	return s->transport.tls != NULL && s->wire == SESSION_TALK;
}

bool session_tls_is_hello(char first)
{
	return first == TLS_HELLO;
}

/* --- at once -------------------------------------------------------------- */

static bool is_known(const struct session *s)
{
	const struct session_shared *shared = s->shared;
	unsigned i;

	for (i = 0; i < shared->tls_first_count && i < SESSION_TLS_FIRST_MAX;
		i++)
		if (IN6_ARE_ADDR_EQUAL(&shared->tls_first[i], &s->peer.address))
			return true;
	return false;
}

static bool is_at_tls_port(const struct session *s)
{
	struct sockaddr_storage sa = {.ss_family = AF_UNSPEC};
	socklen_t len = sizeof(sa);

	if (getsockname(s->transport.fd, (struct sockaddr *)&sa, &len) != 0)
		return false;
	if (sa.ss_family == AF_INET)
		return ((struct sockaddr_in *)&sa)->sin_port == htons(TLS_PORT);
	return sa.ss_family == AF_INET6 &&
	       ((struct sockaddr_in6 *)&sa)->sin6_port == htons(TLS_PORT);
}

/* Programs of this machine speak SMTP, and many of them: they are not kept
 * waiting, unless a client section is about them. */
static bool is_waited_for(const struct session *s)
{
	return session_tls_is_available(s) &&
	       (!s->peer.local || s->profile != s->shared->conf->clients ||
		       is_at_tls_port(s));
}

static unsigned hold_ms(const struct session *s)
{
	if (is_at_tls_port(s))
		return HOLD_TLS_PORT_MS;
	return is_known(s) ? HOLD_KNOWN_MS : HOLD_MS;
}

bool session_tls_may_come(struct session *s)
{
	if (!is_waited_for(s))
		return false;
	s->wire = SESSION_HOLD;
	return true;
}

void session_tls_too_late(struct session *s)
{
	struct session_shared *shared = s->shared;
	const char *advice;

	s->quirks |= QUIRK_BIT(QUIRK_TLS_FIRST);
	if (is_waited_for(s) && !is_known(s))
		shared->tls_first[shared->tls_first_count++ %
				  SESSION_TLS_FIRST_MAX] = s->peer.address;
	if (is_waited_for(s))
		advice = "began with TLS, but late: its next connection is "
			 "waited for longer";
	else if (session_tls_is_available(s))
		advice = "began with TLS: let it use STARTTLS, or name its "
			 "address in a client section";
	else if (shared->tls != NULL)
		advice = "expects TLS, which its client section forbids (tls = "
			 "\\\"none\\\"): switch its encryption off";
	else
		advice = "expects TLS on this port: switch its encryption off, "
			 "or set tls-cert and tls-key";
	log_info("refused peer=%s reason=\"this client %s\"", s->peer.log,
		advice);
}

/* --- the handshake -------------------------------------------------------- */

static enum session_next fail(struct session *s, const struct err *err)
{
	struct log_text why;

	log_info("closed peer=%s reason=%s", s->peer.log,
		log_text(&why, err->text));
	s->gone = true;
	return SESSION_CLOSE;
}

/* RFC 3207 4.2: what was said in clear is forgotten. */
static void forget(struct session *s)
{
	login_forget(s);
	session_reset(s);
	session_set_state(s, SESSION_NEW);
	s->helo[0] = '\0';
	s->esmtp = false;
}

static enum session_next established(struct session *s)
{
	char text[TLS_TEXT_MAX];

	tls_conn_describe(s->transport.tls, text);
	log_debug("tls peer=%s with=\"%s\"", s->peer.log, text);
	session_stop_reading(s);
	s->wire = SESSION_TALK;
	/* one that began with TLS is still to be greeted */
	if (!s->spoke)
		session_greet(s);
	forget(s);
	return SESSION_CONTINUE;
}

static enum session_next shake_hands(struct session *s)
{
	struct err err = {.text = "TLS: the handshake took too long"};

	if (clock_boot_ms() >= s->handshake_end_ms)
		return fail(s, &err);
	switch (tls_conn_handshake(s->transport.tls, &err)) {
	case TLS_DONE:
		return established(s);
	case TLS_WANTS_READ:
		return SESSION_CONTINUE;
	case TLS_WANTS_WRITE:
		session_wait_writable(s);
		return SESSION_CONTINUE;
	default:
		return fail(s, &err);
	}
}

static void begin(struct session *s, struct tls_conn *conn)
{
	session_stop_reading(s);
	s->transport.tls = conn;
	s->wire = SESSION_HANDSHAKE;
	s->handshake_end_ms = clock_boot_ms() + HANDSHAKE_MAX_MS;
}

static struct tls_conn *new_conn(const struct session *s, struct err *err)
{
	return tls_conn_new(
		s->shared->tls, s->profile->min_tls, s->transport.fd, err);
}

enum session_next session_tls_start(struct session *s, bool more)
{
	struct err err;

	if (more) {
		log_info("closed peer=%s reason=\"something stood behind "
			 "STARTTLS, before TLS had begun\"",
			s->peer.log);
		session_reply(s, RX_BEHIND_STARTTLS);
		return SESSION_CLOSE;
	}
	s->tls_due = new_conn(s, &err);
	if (s->tls_due == NULL) {
		log_warn("tls failed peer=%s reason=\"%s\"", s->peer.log,
			err.text);
		session_reply(s, RX_TLS_NOT_NOW);
		return SESSION_CONTINUE;
	}
	session_reply(s, RX_START_TLS);
	s->wire = SESSION_TLS_DUE;
	return SESSION_CONTINUE;
}

void session_tls_begin(struct session *s)
{
	struct tls_conn *conn = s->tls_due;

	s->tls_due = NULL;
	begin(s, conn);
}

static enum session_next first_byte(struct session *s)
{
	struct tls_conn *conn;
	struct err err;

	if (transport_peek(&s->transport) != TLS_HELLO) {
		session_stop_reading(s);
		s->wire = SESSION_TALK;
		session_greet(s);
		return SESSION_CONTINUE;
	}
	s->quirks |= QUIRK_BIT(QUIRK_TLS_FIRST);
	conn = new_conn(s, &err);
	if (conn == NULL)
		return fail(s, &err);
	begin(s, conn);
	return shake_hands(s);
}

enum session_next session_tls_event(struct session *s, bool timeout)
{
	switch (s->wire) {
	case SESSION_HOLD:
		return first_byte(s);
	case SESSION_HANDSHAKE:
		if (timeout)
			s->handshake_end_ms = 0;
		return shake_hands(s);
	default:
		session_stop_reading(s);
		return SESSION_CONTINUE;
	}
}

struct timeval session_tls_wait(const struct session *s)
{
	unsigned ms;

	if (s->wire != SESSION_HOLD && s->wire != SESSION_HANDSHAKE)
		return s->shared->idle_timeout;
	ms = s->wire == SESSION_HOLD ? hold_ms(s) : HANDSHAKE_MAX_MS;
	return (struct timeval){
		.tv_sec = ms / 1000,
		.tv_usec = (suseconds_t)(ms % 1000) * 1000,
	};
}
