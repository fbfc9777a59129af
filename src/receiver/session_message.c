/*
 * session_message.c - a session's message: its text, chunks and outcome.
 */
#include "config.h"

#include "receiver/session_internal.h"

#include "base/conf.h"
#include "base/util.h"
#include "proto/local.h"
#include "receiver/login.h"
#include "receiver/tls.h"
#include "receiver/tolerance.h"

#include <stdio.h>

/* The client's, else the one for all; 0: none. */
static uint64_t size_setting(const struct session *s)
{
	return s->profile->message_size > 0 ? s->profile->message_size
					    : s->shared->conf->message_size;
}

uint64_t session_size_max(const struct session *s)
{
	uint64_t upstream = journal_upstream_size(s->shared->journal);

	if (size_setting(s) > 0)
		return size_setting(s);
	if (upstream == 0)
		upstream = UPSTREAM_SIZE_DEFAULT;
	return upstream > SIZE_RESERVE ? upstream - SIZE_RESERVE : upstream;
}

void session_reply_too_big(struct session *s)
{
	const uint64_t max = session_size_max(s);
	char detail[128];

	snprintf(detail, sizeof(detail),
		"the limit is %llu octets (%.1f MB), %s",
		(unsigned long long)max, (double)max / 1e6,
		size_setting(s) > 0
			? "by the setting message-size"
			: "which is what the upstream server takes");
	session_reply_detail(s, RX_TOO_BIG, detail);
}

static void say_outcome(struct session *s, enum rx_reply reply)
{
	char id[HEX64_SIZE];

	mail_log_outcome(&s->mail, reply, s->peer.log, s->shared->counters);
	census_quirks(&s->shared->census, &s->peer, s->quirks);
	s->quirks = 0;
	if (reply == RX_QUEUED)
		census_accepted(&s->shared->census, &s->peer);
	else
		census_refused(&s->shared->census, &s->peer);
	if (reply == RX_TOO_BIG) {
		session_reply_too_big(s);
	} else if (reply == RX_STRICT_TEXT) {
		session_reply_detail(s, reply, quirk_text(s->mail.against));
	} else if (reply == RX_QUEUED) {
		s->errors = s->refused_rcpts = 0;
		session_reply_detail(
			s, reply, hex64(id, intake_id(s->mail.intake)));
	} else {
		session_reply(s, reply);
	}
}

/* The message is over: says how it went and makes room for the next one. */
static void conclude(struct session *s, enum rx_reply reply)
{
	say_outcome(s, reply);
	session_reset(s);
}

static void end_message(struct session *s)
{
	struct mail *m = &s->mail;

	m->ended_ms = clock_boot_ms();
	intake_end(m->intake);
	m->against = tolerance_of_text(s, intake_quirks(m->intake));
	if (m->against != QUIRK_COUNT)
		intake_refuse(m->intake, RX_STRICT_TEXT);
	if (intake_problem(m->intake) != RX_NONE) {
		conclude(s, intake_problem(m->intake));
		return;
	}
	session_set_state(s, SESSION_COMMIT);
	s->paused |= SESSION_PAUSE_COMMIT;
	intake_commit(m->intake, m->env);
}

static void feed(struct session *s, const char *data, size_t len, size_t *used,
	int *ended)
{
	*ended = intake_feed(s->mail.intake, data, len, used);
	if (!*ended && intake_waits(s->mail.intake))
		s->paused |= SESSION_PAUSE_DRAFT;
}

enum session_next session_take_data(
	struct session *s, const char *data, size_t len, size_t *used)
{
	int ended;

	feed(s, data, len, used, &ended);
	if (ended)
		end_message(s);
	return SESSION_CONTINUE;
}

bool session_text_may_end(const struct session *s)
{
	return s->state == SESSION_DATA && intake_may_end(s->mail.intake);
}

void session_end_by_dot(struct session *s)
{
	s->quirks |= QUIRK_BIT(QUIRK_LF_DOT);
	s->only_quit = true;
	end_message(s);
}

/* RFC 3030 section 2: one reply a chunk. After one that failed, and was not the
 * last, the transaction stays until RSET. */
static void end_chunk(struct session *s)
{
	char octets[32];

	s->chunk.open = false;
	if (s->chunk.verdict != RX_NONE) {
		session_reply(s, s->chunk.verdict);
	} else if (s->chunk.last) {
		end_message(s);
	} else if (intake_problem(s->mail.intake) != RX_NONE) {
		s->mail.chunk_failed = true;
		say_outcome(s, intake_problem(s->mail.intake));
	} else {
		snprintf(octets, sizeof(octets), "%llu",
			(unsigned long long)s->chunk.size);
		session_reply_detail(s, RX_CHUNK_OK, octets);
	}
}

enum session_next session_take_chunk(
	struct session *s, const char *data, size_t len, size_t *used)
{
	int ended;

	if (len > s->chunk.left)
		len = (size_t)s->chunk.left;
	*used = len;
	if (s->chunk.verdict == RX_NONE)
		feed(s, data, len, used, &ended);
	s->chunk.left -= len;
	if (s->chunk.left == 0)
		end_chunk(s);
	return s->expelled ? SESSION_CLOSE : SESSION_CONTINUE;
}

void session_begin_chunk(struct session *s)
{
	s->chunk.open = true;
	s->chunk.left = s->chunk.size;
	if (s->chunk.left == 0)
		end_chunk(s);
}

static void on_draft_resume(void *arg)
{
	struct session *s = arg;

	intake_resume(s->mail.intake);
	s->paused &= ~(unsigned)SESSION_PAUSE_DRAFT;
	session_settle(s, session_take_held(s));
}

static void on_draft_done(void *arg, enum draft_result result)
{
	struct session *s = arg;

	s->paused &= ~(unsigned)(SESSION_PAUSE_DRAFT | SESSION_PAUSE_COMMIT);
	if (s->state == SESSION_COMMIT)
		conclude(s, mail_reply_of(result));
	else
		intake_refuse(s->mail.intake, mail_reply_of(result));
	session_settle(
		s, s->gone || s->ending ? SESSION_CLOSE : session_take_held(s));
}

/* RFC 3848, RFC 6531 4.3. */
static const char *protocol_name(const struct session *s)
{
	static const char *const names[2][4] = {
		{"ESMTP", "ESMTPS", "ESMTPA", "ESMTPSA"},
		{"UTF8SMTP", "UTF8SMTPS", "UTF8SMTPA", "UTF8SMTPSA"},
	};

	if (!s->esmtp && !s->mail.setup.smtputf8)
		return "SMTP";
	return names[s->mail.setup.smtputf8]
		    [session_tls_is_on(s) + 2 * login_is_known(s)];
}

static const struct conf_account *account_of(const struct session *s)
{
	return &s->shared->conf->accounts[s->profile->account_index];
}

/* Which account sends it is said where it is not the first one. */
static void name_account(struct session *s)
{
	if (s->profile->account_index > 0)
		snprintf(s->mail.env->account, sizeof(s->mail.env->account),
			"%s", account_of(s)->name);
}

/* What a missing From becomes. */
static const char *from_address(const struct session *s)
{
	if (s->mail.env->reverse_path[0] != '\0')
		return s->mail.env->reverse_path;
	return account_of(s)->username;
}

int session_begin_message(struct session *s, enum body_mode mode)
{
	struct intake_setup *setup = &s->mail.setup;

	setup->journal = s->shared->journal;
	setup->callbacks.on_resume = on_draft_resume;
	setup->callbacks.on_done = on_draft_done;
	setup->callbacks.arg = s;
	setup->scratch = &s->shared->scratch;
	setup->size_max = session_size_max(s);
	setup->helo = s->helo[0] != '\0' ? s->helo : "unknown";
	setup->client = s->peer.literal;
	setup->host = s->shared->host;
	setup->protocol = protocol_name(s);
	if (session_tls_is_on(s))
		tls_conn_describe(s->transport.tls, setup->tls);
	setup->lf_dot = s->profile->lf_dot;
	setup->id_domain = s->shared->id_domain;
	setup->address_domain = local_domain(s->shared->names);
	setup->domain_takes_mail = s->shared->names->default_domain[0] != '\0';
	setup->sender = &account_of(s)->sender;
	setup->from_address = from_address(s);
	name_account(s);
	text_join(s->mail.env->client, sizeof(s->mail.env->client),
		STRINGS(s->peer.text));
	s->mail.intake = intake_new(setup, mode);
	return s->mail.intake != NULL ? 0 : -1;
}
