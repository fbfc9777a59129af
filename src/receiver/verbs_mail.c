/*
 * verbs_mail.c - the commands of a mail transaction: MAIL, RCPT, DATA, BDAT.
 */
#include "config.h"

#include "receiver/verbs_internal.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "proto/command.h"
#include "proto/local.h"
#include "receiver/rate.h"
#include "receiver/tolerance.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

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

/* The relay hands in what users left in drop/, by their names: from here on it
 * is one of them, for limits as well. Nobody else may. Returns 0, -1. */
static int take_owner(struct session *s, const struct command_mail *mail)
{
	if (!mail->has_uid)
		return 0;
	if (s->peer.kind != LISTENER_SUBMIT ||
		s->peer.socket_uid != s->shared->relay_uid)
		return -1;
	peer_speaks_for(&s->peer, mail->uid);
	return 0;
}

enum session_next verb_mail(struct session *s, const struct command *c)
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
	} else if (take_owner(s, &mail) != 0) {
		session_reply_detail(
			s, RX_BAD_PARAMETER, "XUID is for gmrelayd itself");
	} else if (mail.has_size && mail.size > session_size_max(s)) {
		session_count_refused(s);
		session_reply_too_big(s);
	} else if (rate_begin(s) != 0) {
		/* said */
	} else if (mail_begin(&s->mail, &mail, &s->shared->budget) != 0) {
		rate_end(s);
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
		session_refuse_rcpt(s, reply, rcpt->text);
	}
}

enum session_next verb_rcpt(struct session *s, const struct command *c)
{
	const struct conf *conf = s->shared->conf;
	struct command_rcpt rcpt;
	enum rx_reply reply;
	struct err err;

	if (command_parse_rcpt(&rcpt, c->arg, c->arg_len, true, &err) != 0) {
		s->mail.refused++;
		session_count_refused(s);
		if (err.kind == ERR_LIMIT)
			session_reply_detail(s, RX_BAD_PARAMETER, err.text);
		else
			session_refuse_rcpt(s, RX_BAD_RECIPIENT, err.text);
		return SESSION_CONTINUE;
	}
	if (!tolerance_permits(s, rcpt.address.quirks)) {
		s->mail.refused++;
		session_count_refused(s);
		return SESSION_CONTINUE;
	}
	reply = mail_add_rcpt(
		&s->mail, &rcpt, s->shared->names, conf->max_recipients);
	if (reply == RX_RECIPIENT_OK)
		session_set_state(s, SESSION_RCPT);
	reply_rcpt(s, reply, &rcpt.address);
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

enum session_next verb_data(struct session *s, const struct command *c)
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

/* Begins the message with its first chunk. Returns RX_NONE, or why this one is
 * none of a message's. What the disk refused between two chunks has not been
 * told yet: that is the answer to the second. */
static enum rx_reply admit_chunk(struct session *s)
{
	struct mail *m = &s->mail;
	enum rx_reply refusal = text_refusal(s);

	if (refusal != RX_NONE)
		return refusal;
	session_set_state(s, SESSION_BDAT);
	if (m->chunk_failed)
		return RX_NEED_RSET;
	if (m->intake != NULL || session_begin_message(s, BODY_BDAT) == 0)
		return RX_NONE;
	m->chunk_failed = true;
	return RX_NO_MEMORY;
}

/* RFC 3030 section 2: the octets of the chunk follow at once, whatever the
 * answer will be, so they are read in any case. */
enum session_next verb_bdat(struct session *s, const struct command *c)
{
	struct chunk *chunk = &s->chunk;

	memset(chunk, 0, sizeof(*chunk));
	if (command_parse_bdat(
		    c->arg, c->arg_len, &chunk->size, &chunk->last) != 0) {
		session_reply(s, RX_BAD_BDAT);
		return SESSION_CLOSE;
	}
	chunk->verdict = admit_chunk(s);
	if (chunk->verdict == RX_NONE &&
		intake_too_big(s->mail.intake, chunk->size))
		intake_refuse(s->mail.intake, RX_TOO_BIG);
	session_begin_chunk(s);
	return SESSION_CONTINUE;
}
