/*
 * verbs.c - the commands of SMTP: a table of verbs and one of extensions.
 *
 * The verb table is the dispatch: a command is looked up by its name, refused
 * where the session's state is not among those of its row, or handed to the
 * row's handler. HELP is made from the same rows, EHLO from the extensions. The
 * handlers of a transaction are in verbs_mail.c.
 */
#include "config.h"

#include "receiver/verbs.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "proto/command.h"
#include "receiver/login.h"
#include "receiver/tolerance.h"
#include "receiver/verbs_internal.h"

#include <stdio.h>
#include <string.h>

enum {
	IN_NEW = 1 << SESSION_NEW,
	IN_IDLE = 1 << SESSION_IDLE,
	IN_MAIL = 1 << SESSION_MAIL,
	IN_RCPT = 1 << SESSION_RCPT,
	IN_BDAT = 1 << SESSION_BDAT,
	IN_ALL = IN_NEW | IN_IDLE | IN_MAIL | IN_RCPT | IN_BDAT,
	/* and only then, where the client's profile asks for it */
	UNDER_TLS = 1 << 16,
	LOGGED_IN = 1 << 17,
	/* its reply is to be waited for (RFC 2920 3.1) */
	ENDS_GROUP = 1 << 18,
	/* text stands behind it, if the client does not wait */
	BEFORE_TEXT = 1 << 19,
};

/* Extensions add to the first line of EHLO's answer. */
enum { EHLO_TEXT_MAX = SESSION_HOST_MAX + 512 };

struct verb {
	const char *name;
	verb_fn *run;
	unsigned states; /* where it is legal, and ENDS_GROUP */
	enum rx_reply
		refusal;  /* elsewhere; or what an unimplemented one says */
	const char *help; /* NULL: HELP is silent about it */
};

struct extension {
	const char *keyword;
	/* Writes what follows the keyword; NULL: nothing. */
	void (*print_value)(const struct session *s, char *text, size_t size);
	bool (*is_offered)(const struct session *s); /* NULL: always */
};

static void print_size(const struct session *s, char *text, size_t size)
{
	char number[DECIMAL_SIZE];

	text_join(
		text, size, STRINGS(" ", decimal(number, session_size_max(s))));
}

static bool can_start_tls(const struct session *s)
{
	return session_tls_is_available(s) && !session_tls_is_on(s);
}

static const struct extension extensions[] = {
	{"SIZE", print_size, NULL},
	{"8BITMIME", NULL, NULL},
	{"SMTPUTF8", NULL, NULL},
	{"PIPELINING", NULL, NULL},
	{"ENHANCEDSTATUSCODES", NULL, NULL},
	{"CHUNKING", NULL, NULL},
	{"DSN", NULL, NULL},
	{"STARTTLS", NULL, can_start_tls},
	{"AUTH", login_print_mechanisms, login_is_offered},
};

/* True for every command but that of an extension which this client is not
 * offered. */
static bool is_offered(const struct session *s, const char *verb)
{
	size_t i;

	for (i = 0; i < COUNT_OF(extensions); i++)
		if (strcmp(extensions[i].keyword, verb) == 0)
			return extensions[i].is_offered == NULL ||
			       extensions[i].is_offered(s);
	return true;
}

/* --- greeting ------------------------------------------------------------- */

/* Whatever a client calls itself is taken (RFC 5321 4.1.4); what could harm a
 * Received line is replaced. */
static void keep_helo(struct session *s, const struct command *c)
{
	static const char harmless[] = "abcdefghijklmnopqrstuvwxyz"
				       "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				       "0123456789-._:[]";
	size_t i;

	for (i = 0; i < c->arg_len && i < SESSION_HELO_MAX; i++)
		s->helo[i] = memchr(harmless, c->arg[i],
				     sizeof(harmless) - 1) != NULL
				     ? c->arg[i]
				     : '?';
	s->helo[i] = '\0';
}

/* HELO and EHLO in mid-session are like RSET (RFC 5321 4.1.4). */
static void begin_session(struct session *s, const struct command *c)
{
	keep_helo(s, c);
	session_set_state(s, SESSION_IDLE);
	session_reset(s);
}

/* What is odd about a greeting. */
static unsigned helo_quirks(const struct session *s, const struct command *c)
{
	unsigned quirks = 0;

	if (s->state != SESSION_NEW)
		quirks |= QUIRK_BIT(QUIRK_HELO_AGAIN);
	if (c->arg_len == 0)
		quirks |= QUIRK_BIT(QUIRK_EMPTY_HELO);
	else if (!address_is_host(c->arg, c->arg_len))
		quirks |= QUIRK_BIT(QUIRK_JUNK_HELO);
	return quirks;
}

static enum session_next verb_helo(struct session *s, const struct command *c)
{
	if (!tolerance_permits(s, helo_quirks(s, c)))
		return SESSION_CONTINUE;
	begin_session(s, c);
	s->esmtp = false;
	session_reply_detail(s, RX_HELO, s->shared->host);
	return SESSION_CONTINUE;
}

static enum session_next verb_ehlo(struct session *s, const struct command *c)
{
	char text[EHLO_TEXT_MAX], value[32];
	size_t i, len;

	if (!tolerance_permits(s, helo_quirks(s, c)))
		return SESSION_CONTINUE;
	begin_session(s, c);
	s->esmtp = true;
	len = text_join(text, sizeof(text), STRINGS(s->shared->host));
	for (i = 0; i < COUNT_OF(extensions); i++) {
		if (extensions[i].is_offered != NULL &&
			!extensions[i].is_offered(s))
			continue;
		value[0] = '\0';
		if (extensions[i].print_value != NULL)
			extensions[i].print_value(s, value, sizeof(value));
		len += text_join(text + len, sizeof(text) - len,
			STRINGS("\n", extensions[i].keyword, value));
	}
	session_reply_detail(s, RX_EHLO, text);
	return SESSION_CONTINUE;
}

/* --- TLS ------------------------------------------------------------------ */

/* RFC 3207. The session goes on from here: it knows what stands behind this
 * command. */
static enum session_next verb_starttls(
	struct session *s, const struct command *c)
{
	enum rx_reply refusal = RX_NONE;

	if (!session_tls_is_available(s))
		refusal = RX_NO_TLS;
	else if (session_tls_is_on(s))
		refusal = RX_TLS_ALREADY;
	else if (s->state != SESSION_NEW && s->state != SESSION_IDLE)
		refusal = RX_TLS_IN_TRANSACTION;
	else if (c->arg_len > 0)
		refusal = RX_NO_ARGUMENT;
	if (refusal == RX_NONE)
		return SESSION_START_TLS;
	session_reply(s, refusal);
	return SESSION_CONTINUE;
}

/* What is missing on this connection for a verb with these states; RX_NONE:
 * nothing. */
static enum rx_reply security_refusal(const struct session *s, unsigned states)
{
	if ((states & UNDER_TLS) != 0 && s->peer.kind == LISTENER_SMTP &&
		s->profile->tls == CONF_CLIENT_TLS_REQUIRE &&
		!session_tls_is_on(s))
		return RX_NEED_TLS;
	if ((states & LOGGED_IN) != 0 && login_is_missing(s))
		return RX_NEED_LOGIN;
	return RX_NONE;
}

/* --- everything else ------------------------------------------------------ */

static enum session_next verb_rset(struct session *s, const struct command *c)
{
	(void)c;
	session_reset(s);
	session_reply(s, RX_RESET);
	return SESSION_CONTINUE;
}

static enum session_next verb_noop(struct session *s, const struct command *c)
{
	(void)c;
	session_reply(s, RX_NOOP);
	return SESSION_CONTINUE;
}

static enum session_next verb_vrfy(struct session *s, const struct command *c)
{
	(void)c;
	session_reply(s, RX_VRFY);
	return SESSION_CONTINUE;
}

static enum session_next verb_quit(struct session *s, const struct command *c)
{
	(void)c;
	session_reply(s, RX_BYE);
	s->polite = true;
	return SESSION_CLOSE;
}

/* A browser, or a page that makes one speak to us: what follows its first line
 * is no better. */
static enum session_next verb_http(struct session *s, const struct command *c)
{
	if (memmem(c->arg, c->arg_len, "HTTP/", 5) == NULL) {
		session_reply(s, RX_UNKNOWN);
		return SESSION_CONTINUE;
	}
	s->quirks |= QUIRK_BIT(QUIRK_HTTP);
	log_info("refused peer=%s reason=\"HTTP, not SMTP\"", s->peer.log);
	session_reply(s, RX_HTTP);
	return SESSION_CLOSE;
}

static enum session_next verb_help(struct session *s, const struct command *c);

/* In the order of how often they come. */
static const struct verb verbs[] = {
	{"RCPT", verb_rcpt, IN_MAIL | IN_RCPT, RX_NEED_MAIL,
		"RCPT TO:<to> [NOTIFY=when] [ORCPT=type;address]"},
	{"MAIL", verb_mail, IN_NEW | IN_IDLE | UNDER_TLS | LOGGED_IN,
		RX_NESTED_MAIL,
		"MAIL FROM:<from> [SIZE=n] [BODY=8BITMIME] [SMTPUTF8] "
		"[RET=what] [ENVID=id]"},
	{"DATA", verb_data, IN_ALL | ENDS_GROUP | BEFORE_TEXT, RX_NONE, "DATA"},
	{"BDAT", verb_bdat, IN_ALL, RX_NONE, "BDAT size [LAST]"},
	{"EHLO", verb_ehlo, IN_ALL | ENDS_GROUP, RX_NONE, "EHLO host"},
	{"HELO", verb_helo, IN_ALL | ENDS_GROUP, RX_NONE, "HELO host"},
	{"QUIT", verb_quit, IN_ALL | ENDS_GROUP, RX_NONE, "QUIT"},
	{"RSET", verb_rset, IN_ALL, RX_NONE, "RSET"},
	{"NOOP", verb_noop, IN_ALL | ENDS_GROUP, RX_NONE, "NOOP"},
	{"VRFY", verb_vrfy, IN_ALL | ENDS_GROUP, RX_NONE, "VRFY address"},
	{"HELP", verb_help, IN_ALL, RX_NONE, "HELP"},
	{"STARTTLS", verb_starttls, IN_ALL, RX_NONE, "STARTTLS"},
	{"AUTH", login_begin, IN_ALL | UNDER_TLS | ENDS_GROUP, RX_NONE,
		"AUTH mechanism [response]"},
	/* known, and not done here: legal nowhere */
	{"EXPN", NULL, ENDS_GROUP, RX_NO_EXPN, NULL},
	{"ETRN", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"TURN", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"ATRN", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"SEND", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"SOML", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"SAML", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	{"BURL", NULL, 0, RX_NOT_IMPLEMENTED, NULL},
	/* from another world */
	{"GET", verb_http, IN_ALL, RX_NONE, NULL},
	{"POST", verb_http, IN_ALL, RX_NONE, NULL},
	{"HEAD", verb_http, IN_ALL, RX_NONE, NULL},
	{"PUT", verb_http, IN_ALL, RX_NONE, NULL},
	{"PATCH", verb_http, IN_ALL, RX_NONE, NULL},
	{"DELETE", verb_http, IN_ALL, RX_NONE, NULL},
	{"TRACE", verb_http, IN_ALL, RX_NONE, NULL},
	{"OPTIONS", verb_http, IN_ALL, RX_NONE, NULL},
	{"CONNECT", verb_http, IN_ALL, RX_NONE, NULL},
	{"PRI", verb_http, IN_ALL, RX_NONE, NULL},
};

static enum session_next verb_help(struct session *s, const struct command *c)
{
	char text[RX_TEXT_MAX];
	size_t i, len;

	(void)c;
	len = (size_t)snprintf(text, sizeof(text), "gmrelayd knows:");
	for (i = 0; i < COUNT_OF(verbs) && len < sizeof(text); i++)
		if (verbs[i].help != NULL && is_offered(s, verbs[i].name))
			len += (size_t)snprintf(text + len, sizeof(text) - len,
				"\n%s", verbs[i].help);
	session_reply_detail(s, RX_HELP, text);
	return SESSION_CONTINUE;
}

static const struct verb *find_verb(const char *name)
{
	size_t i;

	for (i = 0; i < COUNT_OF(verbs); i++)
		if (strcmp(verbs[i].name, name) == 0)
			return &verbs[i];
	return NULL;
}

/* What is odd about the line itself, whatever it asks for. */
static unsigned line_quirks(
	const struct line *line, const struct command *command)
{
	return command->quirks |
	       (line->bare_lf ? QUIRK_BIT(QUIRK_BARE_LF) : 0) |
	       (line->bare_cr ? QUIRK_BIT(QUIRK_BARE_CR) : 0);
}

/* Bytes came behind a command whose reply was to be waited for, because none
 * was told of PIPELINING or the command is the last of its group. After BDAT
 * its octets follow (RFC 3030 4.2). */
static bool is_too_early(
	const struct session *s, const struct verb *verb, bool more)
{
	return more && verb->run != verb_bdat && verb->run != verb_http &&
	       (!s->esmtp || (verb->states & ENDS_GROUP) != 0);
}

/* The command was refused. Behind BDAT its octets come in any case; behind DATA
 * the text, from a client that does not wait for answers. Whoever wrote these
 * must not be obeyed. */
static enum session_next go_on_without(
	const struct session *s, const struct verb *verb)
{
	if (verb->run != verb_bdat &&
		!((verb->states & BEFORE_TEXT) != 0 && s->hasty))
		return SESSION_CONTINUE;
	log_info("closed peer=%s reason=\"text stands behind a %s that was "
		 "refused\"",
		s->peer.log, verb->name);
	return SESSION_CLOSE;
}

static enum session_next run(struct session *s, const struct verb *verb,
	const struct command *command)
{
	const enum session_next next = verb->run(s, command);

	if ((verb->states & BEFORE_TEXT) == 0 || s->state == SESSION_DATA)
		return next;
	return go_on_without(s, verb);
}

/* Why the state forbids the command; RX_NONE: it does not. */
static enum rx_reply state_refusal(
	const struct session *s, const struct verb *verb)
{
	if ((verb->states & 1U << s->state) == 0)
		return verb->run != NULL && s->state == SESSION_BDAT
			       ? RX_BAD_SEQUENCE
			       : verb->refusal;
	return security_refusal(s, verb->states);
}

enum session_next verbs_dispatch(
	struct session *s, const struct line *line, bool more)
{
	const struct verb *verb;
	struct command command;
	enum rx_reply refusal;
	struct err err;
	bool too_early;

	if (command_parse(&command, line->text, line->len, &err) != 0) {
		session_reply_detail(s, RX_BAD_LINE, err.text);
		return SESSION_CONTINUE;
	}
	verb = find_verb(command.verb);
	/* never the argument: some clients send a password unasked */
	log_debug("command peer=%s verb=%s", s->peer.log,
		verb != NULL ? verb->name : "unknown");
	if (verb == NULL) {
		session_reply(s, RX_UNKNOWN);
		return SESSION_CONTINUE;
	}
	too_early = is_too_early(s, verb, more);
	s->hasty |= too_early;
	if (!tolerance_permits(s, line_quirks(line, &command)))
		return go_on_without(s, verb);
	/* what follows may be text: it is not looked at */
	if (too_early &&
		!tolerance_permits(s, QUIRK_BIT(QUIRK_EARLY_PIPELINING)))
		return SESSION_CLOSE;
	if (s->only_quit && verb->run != verb_quit) {
		session_reply(s, RX_ONLY_QUIT);
		return SESSION_CLOSE;
	}
	refusal = state_refusal(s, verb);
	if (refusal == RX_NONE)
		return run(s, verb, &command);
	session_reply(s, refusal);
	return SESSION_CONTINUE;
}

const char *verbs_name(size_t i)
{
	return i < COUNT_OF(verbs) ? verbs[i].name : NULL;
}
