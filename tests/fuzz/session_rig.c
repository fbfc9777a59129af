/*
 * session_rig.c - one session of the receiver over a socket pair, on doubles.
 */
#include "config.h"

#include "session_rig.h"

#include "fake_journal.h"
#include "fake_login.h"
#include "fuzz.h"

#include "base/log.h"
#include "receiver/login.h"
#include "receiver/session_internal.h"
#include "receiver/users.h"
#include "spool/envelope.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/event.h>

enum {
	REPLY_LINE_OCTETS = 512, /* RFC 5321 4.5.3.1.5 */
	SMALL_SIZE = 2000,
	QUIET_TURNS = 2,
	NARROW = 4096, /* the buffer towards a client that does not read */
};

/* --- set up --------------------------------------------------------------- */

static struct users *the_users(void)
{
	static const char text[] = "user:secret\nother:word\n";
	static struct users *users;
	struct err err;

	if (users == NULL)
		users = users_parse(text, sizeof(text) - 1, &err);
	FUZZ_REQUIRE(users != NULL);
	return users;
}

static void set_profile(struct rig *rig)
{
	static char sender[] = "device@example.org";
	static const enum conf_auth auths[] = {
		CONF_AUTH_NONE, CONF_AUTH_ANY, CONF_AUTH_USERS, CONF_AUTH_NONE};
	static const enum conf_client_tls tls[] = {CONF_CLIENT_TLS_OFFER,
		CONF_CLIENT_TLS_OFFER, CONF_CLIENT_TLS_REQUIRE,
		CONF_CLIENT_TLS_NONE};
	const struct choice *c = &rig->choice;
	struct conf_client *p = &rig->f.profile;

	if (c->profile & WITH_STRICT)
		p->syntax = CONF_SYNTAX_STRICT;
	p->lf_dot = (c->profile & WITH_LF_DOT) != 0;
	p->account_index = (c->profile & BY_SECOND_ACCOUNT) != 0;
	if (c->profile & WITH_DEFAULTS) {
		p->default_sender = sender;
		rig->f.names.default_domain = "example.org";
	}
	p->messages_per_hour = c->profile & WITH_RATE ? 2 : 0;
	p->auth = auths[c->login & 3];
	p->tls = tls[c->login >> 2 & 3];
	p->message_size = c->login & WITH_SMALL_SIZE ? SMALL_SIZE : 0;
}

static void set_journal(const struct rig *rig)
{
	static const enum draft_result results[] = {
		DRAFT_DURABLE, DRAFT_NO_ROOM, DRAFT_IO_ERROR, DRAFT_DURABLE};
	struct fake_journal *j = fake_journal();

	j->result = results[rig->choice.journal & 3];
	j->hold = (rig->choice.journal & WITH_HOLD) != 0;
	j->wait_at = rig->choice.journal & WITH_WAIT ? 200 : 0;
	j->break_at = rig->choice.journal & WITH_BREAK ? 300 : 0;
	if (j->break_at > 0 && j->result == DRAFT_DURABLE)
		j->result = DRAFT_IO_ERROR;
}

static void set_up(struct rig *rig, const struct choice *choice)
{
	static struct event_base *base;

	if (base == NULL) {
		log_open(LOG_LEVEL_NONE, false);
		base = event_base_new();
	}
	rig->choice = *choice;
	rig->deaf = false;
	fixture_set_up(&rig->f, base);
	fake_handshakes = 0;
	FUZZ_REQUIRE(buf_add(&rig->f.said, "", 0) == 0);
	set_profile(rig);
	set_journal(rig);
	rig->f.shared.relay_uid = getuid();
	if (choice->login >> 2 & 3)
		rig->f.shared.tls = fake_tls_server();
	rig->f.shared.logins = logins_new(base, the_users());
}

struct session *rig_session(const struct rig *rig)
{
	const struct client *client = TAILQ_FIRST(&rig->f.shared.clients.all);

	return client != NULL ? client->session : NULL;
}

void rig_close(struct rig *rig)
{
	if (rig->f.fd >= 0)
		close(rig->f.fd);
	FUZZ_REQUIRE(rig_session(rig) == NULL);
	FUZZ_REQUIRE(rig->f.counters.open_sessions == 0);
	FUZZ_REQUIRE(rig->f.gone == rig->f.counters.connections);
	FUZZ_REQUIRE(fake_journal()->drafts == 0);
	session_shared_free(&rig->f.shared);
	journal_free(&rig->f.shared.journal);
	buf_free(&rig->f.said);
}

/* --- the connection ------------------------------------------------------- */

static void require_sane(const struct rig *rig)
{
	const struct session *s = rig_session(rig);

	if (rig->f.profile.tls == CONF_CLIENT_TLS_REQUIRE &&
		(rig->choice.profile & BY_SUBMIT) == 0 && fake_handshakes == 0)
		FUZZ_REQUIRE(fake_journal()->count == 0);
	if (s == NULL)
		return;
	FUZZ_REQUIRE(s->state >= SESSION_NEW && s->state <= SESSION_CLOSING);
	FUZZ_REQUIRE((s->state == SESSION_COMMIT) ==
		     ((s->paused & SESSION_PAUSE_COMMIT) != 0));
	if (s->state != SESSION_CLOSING) {
		FUZZ_REQUIRE(
			(s->mail.env != NULL) == (s->state >= SESSION_MAIL));
		FUZZ_REQUIRE(
			(s->mail.intake != NULL) == (s->state >= SESSION_BDAT));
	}
	/* behind a message that a bare LF ended there is no other */
	FUZZ_REQUIRE(!s->only_quit || s->state < SESSION_MAIL ||
		     s->state >= SESSION_COMMIT);
	FUZZ_REQUIRE(s->chunk.left <= s->chunk.size);
	FUZZ_REQUIRE(s->mail.env == NULL ||
		     s->mail.env->rcpt_count <= FIXTURE_RECIPIENTS_MAX);
	FUZZ_REQUIRE(s->errors <= SESSION_ERRORS_MAX + 1);
	FUZZ_REQUIRE(s->out.len <= SESSION_OUTPUT_MAX);
	FUZZ_REQUIRE(s->held.len <= SESSION_TURN_MAX);
}

/* Reads what there is. Returns true when something came. */
static bool hear(struct rig *rig)
{
	static char data[64 * 1024];
	bool heard = false;
	ssize_t n;

	while (!rig->f.ended &&
		(n = recv(rig->f.fd, data, sizeof(data), 0)) != 0) {
		if (n < 0) {
			rig->f.ended = errno != EAGAIN;
			return heard;
		}
		FUZZ_REQUIRE(buf_add(&rig->f.said, data, (size_t)n) == 0);
		heard = true;
	}
	rig->f.ended = true;
	return heard;
}

/* It has something to look at in its next turn. */
static bool has_more(const struct rig *rig)
{
	const struct session *s = rig_session(rig);

	return s != NULL && s->more;
}

void rig_turn(struct rig *rig)
{
	int quiet;

	for (quiet = 0; quiet < QUIET_TURNS; quiet++) {
		event_base_loop(rig->f.base, EVLOOP_NONBLOCK);
		if ((!rig->deaf && hear(rig)) || has_more(rig))
			quiet = -1;
	}
	require_sane(rig);
}

static void connect_client(struct rig *rig)
{
	const bool submit = (rig->choice.profile & BY_SUBMIT) != 0;
	const struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(rig->choice.login & FROM_LOOPBACK
						 ? INADDR_LOOPBACK
						 : 0x0a00001f),
	};
	const int narrow = NARROW;
	struct peer peer;
	int fds[2];

	FUZZ_REQUIRE(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds) == 0);
	rig->deaf = rig->choice.pieces >= PIECE_RANDOM &&
		    (rig->choice.pieces & READS_NOTHING);
	rig->was_deaf = rig->deaf;
	if (rig->deaf)
		FUZZ_REQUIRE(setsockopt(fds[1], SOL_SOCKET, SO_SNDBUF, &narrow,
				     sizeof(narrow)) == 0);
	FUZZ_REQUIRE(peer_identify(&peer, fds[1],
			     submit ? LISTENER_SUBMIT : LISTENER_SMTP,
			     (const struct sockaddr *)&sa) == 0);
	rig->f.fd = fds[0];
	FUZZ_REQUIRE(session_new(&rig->f.shared, fds[1], &peer,
			     &rig->f.profile) == 0);
	rig_turn(rig);
}

void rig_open(struct rig *rig, const struct choice *choice)
{
	set_up(rig, choice);
	connect_client(rig);
}

void rig_pass_time(struct rig *rig)
{
	const struct session *s = rig_session(rig);

	if (s == NULL)
		return;
	if (s->reading)
		event_active(s->read_event, EV_TIMEOUT, 0);
	else if (s->write_event != NULL)
		event_active(s->write_event, EV_TIMEOUT, 0);
	rig_turn(rig);
}

void rig_send(struct rig *rig, const char *data, size_t len)
{
	ssize_t n = send(rig->f.fd, data, len, MSG_NOSIGNAL);

	/* what it leaves in the socket's buffer makes room in time */
	FUZZ_REQUIRE(n == (ssize_t)len || (n < 0 && rig->f.ended) ||
		     (n < 0 && (errno == EPIPE || errno == ECONNRESET)));
	rig_turn(rig);
}

/* --- replies -------------------------------------------------------------- */

static const char *require_line(const char *line, const char *end)
{
	const char *next = memchr(line, '\n', (size_t)(end - line));
	const char *at;

	FUZZ_REQUIRE(next != NULL && next - line >= 5 && next[-1] == '\r');
	next++;
	FUZZ_REQUIRE(next - line <= REPLY_LINE_OCTETS);
	FUZZ_REQUIRE(line[0] >= '2' && line[0] <= '5' && line[1] >= '0' &&
		     line[1] <= '9' && line[2] >= '0' && line[2] <= '9');
	FUZZ_REQUIRE(line[3] == ' ' || line[3] == '-');
	for (at = line; at < next - 2; at++)
		FUZZ_REQUIRE(*at >= ' ' && *at <= '~');
	return next;
}

/* Replies from this offset on. */
unsigned rig_count_replies(const struct rig *rig, size_t from)
{
	const char *end = rig->f.said.data + rig->f.said.len;
	const char *line, *next;
	unsigned count = 0;

	for (line = rig->f.said.data + from; line < end; line = next) {
		next = require_line(line, end);
		count += line[3] == ' ';
	}
	return count;
}

/* The end of the whole lines: one who is sent away without having read what
 * was said before hears as much as there was room for. */
static const char *end_of_lines(const struct rig *rig)
{
	const char *end = rig->f.said.data + rig->f.said.len;

	if (rig->was_deaf && rig->f.ended)
		while (end > rig->f.said.data && end[-1] != '\n')
			end--;
	return end;
}

/* "queued as ID" is said once for each message that is durable, in order, and
 * only where the client may send. */
void rig_require_promises(const struct rig *rig)
{
	static const char queued[] = "250 2.0.0 queued as ";
	const char *end = end_of_lines(rig);
	const struct fake_message *m = fake_journal()->messages;
	const bool needs_login = rig->f.profile.auth == CONF_AUTH_USERS &&
				 (rig->choice.profile & BY_SUBMIT) == 0;
	bool logged_in = false;
	const char *line, *next;
	char line_of_id[64];
	size_t i = 0;

	for (line = rig->f.said.data; line < end; line = next) {
		next = require_line(line, end);
		logged_in |= strncmp(line, "235 ", 4) == 0;
		if (strncmp(line, queued, sizeof(queued) - 1) != 0)
			continue;
		FUZZ_REQUIRE(logged_in || !needs_login);
		FUZZ_REQUIRE(i < fake_journal()->count && m[i].told);
		snprintf(line_of_id, sizeof(line_of_id), "\nid %.16s\n",
			line + sizeof(queued) - 1);
		FUZZ_REQUIRE(strstr(m[i].envelope.data, line_of_id) != NULL);
		i++;
	}
	FUZZ_REQUIRE(i <= rig->f.counters.accepted);
	for (; i < fake_journal()->count; i++)
		FUZZ_REQUIRE(!m[i].told || rig->f.ended ||
			     fake_journal()->result != DRAFT_DURABLE);
}

/* --- messages ------------------------------------------------------------- */

/* Lines that end with CRLF, and nothing else that could end one. */
static void require_text(const struct buf *text)
{
	const char *at = text->data, *end = at + text->len, *cr;

	FUZZ_REQUIRE(text->len > 0 && strncmp(at, "Received: ", 10) == 0);
	FUZZ_REQUIRE(memchr(at, '\0', text->len) == NULL);
	while (at < end) {
		cr = memchr(at, '\r', (size_t)(end - at));
		FUZZ_REQUIRE(cr != NULL && cr + 1 < end && cr[1] == '\n');
		FUZZ_REQUIRE(memchr(at, '\n', (size_t)(cr - at)) == NULL);
		FUZZ_REQUIRE(cr - at <= TEXT_LINE_MAX);
		at = cr + 2;
	}
}

void rig_require_messages(void)
{
	const struct fake_message *m = fake_journal()->messages;
	struct envelope *env;
	struct err err;
	size_t i, used;

	for (i = 0; i < fake_journal()->count; i++) {
		require_text(&m[i].text);
		env = envelope_parse(
			m[i].envelope.data, m[i].envelope.len, &used, &err);
		FUZZ_REQUIRE(env != NULL && used == m[i].envelope.len);
		FUZZ_REQUIRE(env->rcpt_count > 0 &&
			     env->rcpt_count <= FIXTURE_RECIPIENTS_MAX);
		FUZZ_REQUIRE(env->size == m[i].text.len);
		envelope_free(&env);
	}
}
