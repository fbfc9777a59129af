/*
 * verbs.c - the commands of SMTP: a table of verbs and one of extensions.
 *
 * The verb table is the dispatch: a command is looked up by its name, refused
 * where the session's state is not among those of its row, or handed to the
 * row's handler. HELP is made from the same rows, EHLO from the extensions.
 */
#include "config.h"

#include "receiver/verbs.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "proto/command.h"
#include "proto/local.h"
#include "receiver/login.h"
#include "receiver/tolerance.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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
};

/* Extensions add to the first line of EHLO's answer. */
enum { EHLO_TEXT_MAX = SESSION_HOST_MAX + 512 };

typedef enum session_next verb_fn(
	struct session *s, const struct command *command);

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
	snprintf(text, size, " %llu", (unsigned long long)session_size_max(s));
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
	{"STARTTLS", NULL, can_start_tls},
	{"AUTH", login_print_mechanisms, login_is_offered},
};

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
	len = (size_t)snprintf(text, sizeof(text), "%s", s->shared->host);
	for (i = 0; i < COUNT_OF(extensions) && len < sizeof(text); i++) {
		if (extensions[i].is_offered != NULL &&
			!extensions[i].is_offered(s))
			continue;
		value[0] = '\0';
		if (extensions[i].print_value != NULL)
			extensions[i].print_value(s, value, sizeof(value));
		len += (size_t)snprintf(text + len, sizeof(text) - len,
			"\n%s%s", extensions[i].keyword, value);
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

/* --- a transaction -------------------------------------------------------- */

static unsigned mail_quirks(
	const struct session *s, const struct command_mail *mail)
{
	return mail->reverse_path.quirks |
	       (s->state == SESSION_NEW ? QUIRK_BIT(QUIRK_NO_HELO) : 0);
}

/* As command_parse_mail(), tolerant; with default-sender set it takes "FROM:"
 * with nothing behind it, too. */
static int parse_mail(const struct session *s, const struct command *c,
	struct command_mail *out, struct err *err)
{
	static const char label[] = "FROM:", none[] = "FROM:<>";
	const size_t len = sizeof(label) - 1;

	if (s->profile->default_sender[0] == '\0' || c->arg_len != len ||
		strncasecmp(c->arg, label, len) != 0)
		return command_parse_mail(out, c->arg, c->arg_len, true, err);
	if (command_parse_mail(out, none, sizeof(none) - 1, true, err) != 0)
		return -1;
	out->reverse_path.quirks |= QUIRK_BIT(QUIRK_NO_SENDER);
	return 0;
}

/* A sender that nobody could answer, or none at all, is default-sender, where
 * that is set; else a domain is added. Returns 0, -1 with err. */
static int complete_sender(
	const struct session *s, struct address *sender, struct err *err)
{
	const char *instead = s->profile->default_sender;

	if (instead[0] != '\0' && sender->text[sender->local_len] == '\0')
		return address_parse(
			sender, instead, strlen(instead), false, err);
	return local_qualify(sender, local_domain(s->shared->names), err);
}

static enum session_next verb_mail(struct session *s, const struct command *c)
{
	struct command_mail mail;
	struct err err;

	if (parse_mail(s, c, &mail, &err) != 0) {
		session_reply_detail(s,
			err.kind == ERR_LIMIT ? RX_BAD_PARAMETER
					      : RX_BAD_SENDER,
			err.text);
	} else if (!tolerance_permits(s, mail_quirks(s, &mail))) {
		session_count_refused(s);
	} else if (complete_sender(s, &mail.reverse_path, &err) != 0) {
		session_reply_detail(s, RX_BAD_SENDER, err.text);
	} else if (mail.has_size && mail.size > session_size_max(s)) {
		session_count_refused(s);
		session_reply_too_big(s);
	} else if (mail_begin(&s->mail, &mail) != 0) {
		session_reply(s, RX_NO_MEMORY);
	} else {
		session_set_state(s, SESSION_MAIL);
		session_reply(s, RX_SENDER_OK);
	}
	return SESSION_CONTINUE;
}

/* Says that a recipient was refused or taken. */
static void reply_rcpt(
	struct session *s, enum rx_reply reply, const struct address *rcpt)
{
	struct log_text from, to;
	char max[16];

	if (reply == RX_RECIPIENT_OK || reply == RX_NO_MEMORY) {
		session_reply(s, reply);
	} else if (reply == RX_TOO_MANY_RCPTS) {
		s->shared->counters->deferred++;
		snprintf(max, sizeof(max), "%u",
			s->shared->conf->max_recipients);
		session_reply_detail(s, reply, max);
	} else {
		/* mail of this machine that would be missed */
		s->mail.refused++;
		session_count_refused(s);
		log_info("refused to=%s from=%s peer=%s reply=\"%s\"",
			log_text(&to, rcpt->text),
			log_text(&from, s->mail.env->reverse_path), s->peer.log,
			rx_reply_codes(reply));
		session_reply_detail(s, reply, rcpt->text);
	}
}

static enum session_next verb_rcpt(struct session *s, const struct command *c)
{
	const struct conf *conf = s->shared->conf;
	struct address rcpt;
	enum rx_reply reply;
	struct err err;

	if (command_parse_rcpt(&rcpt, c->arg, c->arg_len, true, &err) != 0) {
		s->mail.refused++;
		session_count_refused(s);
		session_reply_detail(s,
			err.kind == ERR_LIMIT ? RX_BAD_PARAMETER
					      : RX_BAD_RECIPIENT,
			err.text);
		return SESSION_CONTINUE;
	}
	if (!tolerance_permits(s, rcpt.quirks)) {
		s->mail.refused++;
		session_count_refused(s);
		return SESSION_CONTINUE;
	}
	reply = mail_add_rcpt(
		&s->mail, &rcpt, s->shared->names, conf->max_recipients);
	if (reply == RX_RECIPIENT_OK)
		session_set_state(s, SESSION_RCPT);
	reply_rcpt(s, reply, &rcpt);
	return SESSION_CONTINUE;
}

/* Why the text of a message may not come now; RX_NONE: it may. */
static enum rx_reply text_refusal(const struct session *s)
{
	if (s->state == SESSION_NEW || s->state == SESSION_IDLE)
		return RX_NEED_MAIL;
	if (s->state == SESSION_MAIL)
		return s->mail.refused > 0 ? RX_NO_VALID_RCPT : RX_NEED_RCPT;
	return RX_NONE;
}

static enum session_next verb_data(struct session *s, const struct command *c)
{
	enum rx_reply refusal = text_refusal(s);

	if (s->state == SESSION_BDAT)
		refusal = RX_DATA_AFTER_BDAT;
	else if (refusal == RX_NONE && c->arg_len > 0)
		refusal = RX_NO_ARGUMENT;
	else if (refusal == RX_NONE && session_begin_message(s, BODY_DATA) != 0)
		refusal = RX_NO_MEMORY;
	if (refusal == RX_NONE) {
		session_set_state(s, SESSION_DATA);
		refusal = RX_START_DATA;
	}
	session_reply(s, refusal);
	return SESSION_CONTINUE;
}

/* RFC 3030 section 2: the octets of the chunk follow at once, whatever the
 * answer will be, so they are read in any case. */
static enum session_next verb_bdat(struct session *s, const struct command *c)
{
	struct chunk *chunk = &s->chunk;

	memset(chunk, 0, sizeof(*chunk));
	if (command_parse_bdat(
		    c->arg, c->arg_len, &chunk->size, &chunk->last) != 0) {
		session_reply(s, RX_BAD_BDAT);
		return SESSION_CLOSE;
	}
	chunk->verdict = text_refusal(s);
	if (chunk->verdict == RX_NONE && s->mail.intake == NULL &&
		session_begin_message(s, BODY_BDAT) != 0)
		chunk->verdict = RX_NO_MEMORY;
	if (chunk->verdict == RX_NONE &&
		intake_problem(s->mail.intake) != RX_NONE)
		chunk->verdict = RX_NEED_RSET;
	if (chunk->verdict == RX_NONE) {
		session_set_state(s, SESSION_BDAT);
		if (intake_too_big(s->mail.intake, chunk->size))
			intake_refuse(s->mail.intake, RX_TOO_BIG);
	}
	session_begin_chunk(s);
	return SESSION_CONTINUE;
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

/* In the order of how often they come. clang-format off */
static const struct verb verbs[] = {
	{"RCPT", verb_rcpt, IN_MAIL | IN_RCPT, RX_NEED_MAIL, "RCPT TO:<to>"},
	{"MAIL", verb_mail, IN_NEW | IN_IDLE | UNDER_TLS | LOGGED_IN,
		RX_NESTED_MAIL,
		"MAIL FROM:<from> [SIZE=n] [BODY=8BITMIME] [SMTPUTF8]"},
	{"DATA", verb_data, IN_ALL | ENDS_GROUP, RX_NONE, "DATA"},
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
/* clang-format on */

static enum session_next verb_help(struct session *s, const struct command *c)
{
	char text[RX_TEXT_MAX];
	size_t i, len;

	(void)c;
	len = (size_t)snprintf(text, sizeof(text), "gmrelayd knows:");
	for (i = 0; i < COUNT_OF(verbs) && len < sizeof(text); i++)
		if (verbs[i].help != NULL)
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
	if (!tolerance_permits(s, line_quirks(line, &command)))
		return SESSION_CONTINUE;
	/* what follows may be text: it is not looked at */
	if (is_too_early(s, verb, more) &&
		!tolerance_permits(s, QUIRK_BIT(QUIRK_EARLY_PIPELINING)))
		return SESSION_CLOSE;
	refusal = state_refusal(s, verb);
	if (refusal == RX_NONE)
		return verb->run(s, &command);
	session_reply(s, refusal);
	return SESSION_CONTINUE;
}

const char *verbs_name(size_t i)
{
	return i < COUNT_OF(verbs) ? verbs[i].name : NULL;
}
