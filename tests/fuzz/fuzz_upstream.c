/*
 * fuzz_upstream.c - a whole connection to the submission server, with whatever
 *                   that server may say, and when.
 *
 * Of an input the first three octets choose (six bits each, so that letters
 * do): the account, TLS and the end, the messages; the fourth is passed over.
 * The rest is what the server says, in pieces that 0xFF separates: the next one
 * is said when nothing happens any more.
 */
#include "config.h"

#include "fake_tls_client.h"
#include "fuzz.h"
#include "fuzz_deliveries.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/upstream_internal.h"

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

enum {
	HEADER_SIZE = 4,
	FUZZ_UPSTREAM_MAX = HEADER_SIZE + 8192,
	PIECE_END = 0xff,
	SINGLES_MAX = 64, /* octets said one by one */
	HEARD_MAX = 4 * 1024 * 1024,
	QUIET_TURNS = 2,
	TIMES_MAX = 3, /* timeouts until the end of any connection */
};

enum { /* of the first octet */
	WITH_IMPLICIT_TLS = 1,
	WITH_CARE = 2,
	WITH_GAP = 4,
	WITH_NAME = 8,
	WITH_PROBE = 16,
	WITH_DAMAGE = 32,
};

enum { /* of the second, above fake_tls_end */
	WITH_STAY = 16,
	BY_OCTETS = 32,
};

enum end { END_CLOSE, END_TIME, END_ABORT, END_QUIT };

enum { /* of the third */
	WITH_BIG = 1,
	WITH_UTF8_MESSAGE = 2,
	WITH_ONE_MESSAGE = 4, /* a connection */
	WITH_OWN_SENDER = 8,
	WITH_DSN = 16,
};

struct choice {
	unsigned account, tls, mail;
};

struct rig {
	struct event_base *base;
	struct choice choice;
	struct conf_account account;
	struct upstream_params params;
	struct upstream *u; /* NULL: closed */
	int fd;             /* the server's */
	struct buf heard;
	size_t clear_len; /* of it, before TLS; when that has begun */
	bool tls_begun;
	bool verified;
	unsigned yes_count; /* replies 2yz that were said */
	size_t given, finished;
	unsigned ready, closed;
};

/* --- callbacks ------------------------------------------------------------ */

static void hear(struct rig *rig);

static void on_tls_begin(void *arg)
{
	struct rig *rig = arg;

	FUZZ_REQUIRE(!rig->tls_begun);
	hear(rig);
	rig->tls_begun = true;
	rig->clear_len = rig->heard.len;
}

static void on_tls_verified(void *arg)
{
	struct rig *rig = arg;

	hear(rig);
	FUZZ_REQUIRE(rig->heard.len == rig->clear_len);
	rig->verified = true;
}

static void on_ready(void *arg, struct upstream *u, uint64_t size)
{
	struct rig *rig = arg;

	(void)u;
	(void)size;
	FUZZ_REQUIRE(rig->verified && rig->ready++ == 0);
}

static struct delivery *next(void *arg, struct upstream *u)
{
	struct rig *rig = arg;

	FUZZ_REQUIRE(rig->ready == 1 && rig->closed == 0);
	FUZZ_REQUIRE((rig->choice.account & WITH_PROBE) == 0);
	if (rig->given < FUZZ_DELIVERIES)
		return &fuzz_deliveries[rig->given++];
	if ((rig->choice.tls & WITH_STAY) == 0)
		upstream_quit(u);
	return NULL;
}

/* What is judged is about the recipient or the message, never about the
 * connection or the account. */
static void require_judged(const struct rig *rig, const struct delivery *d,
	const struct delivery_rcpt *r)
{
	static const enum action actions[] = {
		[OUTCOME_RETRY] = ACTION_RETRY,
		[OUTCOME_FAIL] = ACTION_FAIL,
		[OUTCOME_SPLIT] = ACTION_SPLIT,
		[OUTCOME_SENDER] = ACTION_SENDER,
		[OUTCOME_SUSPECT] = ACTION_SUSPECT,
	};
	const struct gmail_rule *rule = r->rule;
	/* there is no other sender that could be tried */
	const bool again = d->own_sender && r->outcome == OUTCOME_SUSPECT &&
			   rule != NULL && rule->action == ACTION_SENDER;

	FUZZ_REQUIRE(d->rcpt_count > 0 && rule != NULL);
	FUZZ_REQUIRE(
		rule->scope == SCOPE_RECIPIENT || rule->scope == SCOPE_MESSAGE);
	FUZZ_REQUIRE(rule->action == actions[r->outcome] ||
		     r->outcome == OUTCOME_RETRY || again);
	FUZZ_REQUIRE(r->outcome != OUTCOME_SENDER || !d->own_sender);
	FUZZ_REQUIRE((rule->phases & GMAIL_AGAIN) == 0 ||
		     (rig->choice.account & WITH_CARE));
	FUZZ_REQUIRE(r->reply.code >= 400 && r->reply.code <= 599);
	FUZZ_REQUIRE(r->outcome != OUTCOME_FAIL || r->reply.code >= 500);
	/* a login, Gmail's daily limit */
	FUZZ_REQUIRE(r->reply.code != 530 && r->reply.code != 534 &&
		     r->reply.code != 535);
	FUZZ_REQUIRE(r->reply.code != 550 ||
		     strcmp(r->reply.enhanced, "5.4.5") != 0);
}

static void on_finished(void *arg, struct upstream *u, struct delivery *d)
{
	struct rig *rig = arg;
	const struct delivery_rcpt *r;
	size_t i;

	FUZZ_REQUIRE(!d->dsn_passed || (d->pass_dsn && u->offer.dsn));
	FUZZ_REQUIRE(d == &fuzz_deliveries[rig->finished] && rig->closed == 0);
	rig->finished++;
	FUZZ_REQUIRE(
		d->rcpt_count == (d == &fuzz_deliveries[1] ? FUZZ_RCPTS : 1));
	for (i = 0; i < d->rcpt_count; i++) {
		r = &d->rcpts[i];
		FUZZ_REQUIRE(r->outcome <= OUTCOME_SUSPECT);
		if (r->outcome == OUTCOME_UNTRIED)
			FUZZ_REQUIRE(r->rule == NULL && r->reply.code == 0);
		else if (r->outcome == OUTCOME_DELIVERED)
			FUZZ_REQUIRE(r->reply.code / 100 == 2 && !d->in_doubt &&
				     !d->damaged);
		else
			require_judged(rig, d, r);
	}
}

static void on_closed(
	void *arg, struct upstream *u, const struct upstream_trouble *trouble)
{
	struct rig *rig = arg;

	FUZZ_REQUIRE(u == rig->u && rig->closed++ == 0);
	FUZZ_REQUIRE(rig->finished == rig->given);
	rig->u = NULL;
	if (trouble == NULL)
		return;
	FUZZ_REQUIRE(trouble->text[0] != '\0' && trouble->advice != NULL);
	FUZZ_REQUIRE(trouble->phase < PHASE_COUNT);
	if (trouble->scope == SCOPE_CONNECTION)
		FUZZ_REQUIRE(trouble->action == ACTION_RECONNECT ||
			     trouble->action == ACTION_BACK_OFF);
	else
		FUZZ_REQUIRE(trouble->scope == SCOPE_ACCOUNT &&
			     (trouble->action == ACTION_THROTTLE ||
				     trouble->action == ACTION_QUOTA ||
				     trouble->action == ACTION_HOLD));
}

static void on_step(void *arg, enum phase phase, const char *text)
{
	const struct rig *rig = arg;

	FUZZ_REQUIRE(phase < PHASE_COUNT && text != NULL);
	FUZZ_REQUIRE(rig->closed == 0);
}

/* --- the connection ------------------------------------------------------- */

static struct credential *the_credential(void)
{
	static const char secret[] = "s3cret";
	static struct credential *c;

	if (c == NULL) {
		c = xcalloc(1, sizeof(*c) + sizeof(secret));
		c->len = sizeof(secret) - 1;
		memcpy(c->secret, secret, sizeof(secret));
	}
	return c;
}

/* A socket without a name in any directory; the same for all inputs. */
static int the_listener(struct rig *rig)
{
	static int fd = -1;
	static struct sockaddr_un sa;
	static socklen_t len;

	if (fd < 0) {
		sa.sun_family = AF_UNIX;
		fd = socket(AF_UNIX, SOCK_STREAM, 0);
		FUZZ_REQUIRE(fd >= 0);
		FUZZ_REQUIRE(bind(fd, (struct sockaddr *)&sa,
				     sizeof(sa.sun_family)) == 0);
		len = sizeof(sa);
		FUZZ_REQUIRE(
			getsockname(fd, (struct sockaddr *)&sa, &len) == 0);
		FUZZ_REQUIRE(listen(fd, 1) == 0);
	}
	memcpy(&rig->params.address, &sa, len);
	rig->params.address_len = len;
	return fd;
}

static void hear(struct rig *rig)
{
	static char data[64 * 1024];
	ssize_t n;

	if (rig->fd < 0)
		return;
	while ((n = recv(rig->fd, data, sizeof(data), MSG_DONTWAIT)) > 0)
		FUZZ_REQUIRE(buf_add(&rig->heard, data, (size_t)n) == 0);
}

static void require_bounded(const struct rig *rig)
{
	const struct upstream *u = rig->u;

	if (u == NULL)
		return;
	FUZZ_REQUIRE(u->state < STATE_CLOSED && u->depth == 0);
	FUZZ_REQUIRE(u->tls == rig->verified);
	FUZZ_REQUIRE(u->tls || u->state <= STATE_HANDSHAKE ||
		     u->state == STATE_QUIT);
	FUZZ_REQUIRE(
		strnlen(u->reply.text, REPLY_TEXT_MAX + 1) <= REPLY_TEXT_MAX);
	if (u->bev == NULL)
		return;
	FUZZ_REQUIRE(evbuffer_get_length(bufferevent_get_input(u->bev)) <=
		     UPSTREAM_INPUT_MAX);
	FUZZ_REQUIRE(evbuffer_get_length(bufferevent_get_output(u->bev)) <=
		     UPSTREAM_OUTPUT_MAX + UPSTREAM_WHOLE_MAX);
}

static void turn(struct rig *rig)
{
	size_t before;
	int quiet;

	for (quiet = 0; quiet < QUIET_TURNS; quiet++) {
		before = rig->heard.len;
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		hear(rig);
		if (rig->heard.len > before)
			quiet = -1;
	}
	require_bounded(rig);
}

static void say(struct rig *rig, const char *data, size_t len)
{
	ssize_t n;

	if (rig->u == NULL || len == 0)
		return;
	n = send(rig->fd, data, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	FUZZ_REQUIRE(
		n == (ssize_t)len || errno == EPIPE || errno == ECONNRESET);
	turn(rig);
}

static void set_account(struct rig *rig)
{
	static char user[] = "user@fake.test", host[] = "smtp.fake.test";
	const struct choice *c = &rig->choice;
	struct conf_account *a = &rig->account;

	a->username = user;
	a->host = host;
	a->tls = c->account & WITH_IMPLICIT_TLS ? CONF_TLS_IMPLICIT
						: CONF_TLS_STARTTLS;
	a->connect_timeout_ms = a->reply_timeout_ms = a->final_timeout_ms =
		20000;
	a->messages_per_connection = c->mail & WITH_ONE_MESSAGE ? 1 : 50;
	a->message_gap_ms = c->account & WITH_GAP ? 1 : 0;
	rig->params.account = a;
	rig->params.credential = the_credential();
	rig->params.ehlo_name = c->account & WITH_NAME ? "relay.example" : "";
	rig->params.careful = (c->account & WITH_CARE) != 0;
	rig->params.probe = (c->account & WITH_PROBE) != 0;
}

static void rig_open(struct rig *rig, const struct choice *choice)
{
	static const enum fake_tls_end ends[] = {FAKE_TLS_GOOD, FAKE_TLS_BROKEN,
		FAKE_TLS_UNVERIFIED, FAKE_TLS_GOOD};
	static struct event_base *base;
	const struct upstream_callbacks callbacks = {.on_ready = on_ready,
		.next = next,
		.on_finished = on_finished,
		.on_closed = on_closed,
		.on_step = on_step,
		.arg = rig};
	const struct fuzz_traits traits = {
		.damaged = (choice->account & WITH_DAMAGE) != 0,
		.big = (choice->mail & WITH_BIG) != 0,
		.utf8_message = (choice->mail & WITH_UTF8_MESSAGE) != 0,
		.own_sender = (choice->mail & WITH_OWN_SENDER) != 0,
		.dsn = (choice->mail & WITH_DSN) != 0,
	};
	struct err err;
	int listener;

	if (base == NULL) {
		log_open(LOG_LEVEL_NONE, false);
		base = event_base_new();
	}
	memset(rig, 0, sizeof(*rig));
	rig->base = base;
	rig->fd = -1;
	rig->choice = *choice;
	buf_init(&rig->heard, HEARD_MAX);
	FUZZ_REQUIRE(buf_add(&rig->heard, "", 0) == 0);
	fake_tls_client = (struct fake_tls_client){
		ends[choice->tls & 3], on_tls_begin, on_tls_verified, rig};
	fuzz_deliveries_set(&traits);
	set_account(rig);
	listener = the_listener(rig);
	rig->u = upstream_open(base, &rig->params, &callbacks, &err);
	FUZZ_REQUIRE(rig->u != NULL);
	rig->fd = accept(listener, NULL, NULL);
	FUZZ_REQUIRE(rig->fd >= 0);
	turn(rig);
}

/* --- the end -------------------------------------------------------------- */

static void hang_up(struct rig *rig)
{
	hear(rig);
	if (rig->fd >= 0)
		close(rig->fd);
	rig->fd = -1;
	turn(rig);
}

static void pass_time(struct rig *rig)
{
	int i;

	for (i = 0; i < TIMES_MAX && rig->u != NULL; i++) {
		event_active(rig->u->timer, EV_TIMEOUT, 0);
		turn(rig);
	}
	FUZZ_REQUIRE(rig->u == NULL);
}

static void finish(struct rig *rig)
{
	const enum end end = rig->choice.tls >> 2 & 3;

	if (end == END_QUIT && rig->u != NULL) {
		upstream_quit(rig->u);
		turn(rig);
	}
	if (end == END_ABORT && rig->u != NULL)
		upstream_abort(rig->u);
	if (end == END_CLOSE)
		hang_up(rig);
	pass_time(rig);
	hang_up(rig);
	FUZZ_REQUIRE(rig->closed == 1);
}

/* --- what was heard ------------------------------------------------------- */

/* Before TLS there is nothing to hear but this, and no more before a
 * certificate was verified. */
static void require_clear(const struct rig *rig)
{
	static const char *const words[] = {
		"EHLO ", "STARTTLS\r\n", "QUIT\r\n"};
	const char *at = rig->heard.data, *end, *lf;
	size_t i;

	end = at + (rig->tls_begun ? rig->clear_len : rig->heard.len);
	FUZZ_REQUIRE(rig->verified || end == at + rig->heard.len);
	for (; at < end; at = lf + 1) {
		lf = memchr(at, '\n', (size_t)(end - at));
		FUZZ_REQUIRE(lf != NULL);
		for (i = 0; i < COUNT_OF(words); i++)
			if (strncmp(at, words[i], strlen(words[i])) == 0)
				break;
		FUZZ_REQUIRE(i < COUNT_OF(words));
	}
}

static bool was_heard(const struct rig *rig, const struct delivery *d)
{
	return fuzz_delivery_was_heard(d, rig->heard.data, rig->heard.len);
}

/* A delivery was heard to its end, and the server said yes to it: to greeting,
 * EHLO and login, and then at least to MAIL, RCPT and the message. */
static void require_delivered(const struct rig *rig)
{
	const struct delivery *d;
	unsigned delivered = 0;
	bool any;
	size_t i;

	for (d = fuzz_deliveries; d < fuzz_deliveries + rig->finished; d++) {
		any = false;
		for (i = 0; i < d->rcpt_count; i++)
			any |= d->rcpts[i].outcome == OUTCOME_DELIVERED;
		FUZZ_REQUIRE(!(any || d->in_doubt) || was_heard(rig, d));
		FUZZ_REQUIRE(!d->damaged || !was_heard(rig, d));
		delivered += any;
	}
	FUZZ_REQUIRE(delivered == 0 || rig->yes_count >= 3 + 3 * delivered);
}

static void count_yes(struct rig *rig, const char *data, size_t len)
{
	size_t i;

	for (i = 0; i + 3 <= len; i++)
		if (data[i] == '2' && (i == 0 || data[i - 1] == '\n' ||
					      data[i - 1] == (char)PIECE_END))
			rig->yes_count++;
}

static void say_piece(struct rig *rig, const char *data, size_t len)
{
	size_t i = 0;

	if (rig->choice.tls & BY_OCTETS)
		for (; i < len && i < SINGLES_MAX; i++)
			say(rig, data + i, 1);
	say(rig, data + i, len - i);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choice choice;
	const char *text, *end, *next_piece;
	struct rig rig;

	if (size < HEADER_SIZE || size > FUZZ_UPSTREAM_MAX)
		return 0;
	choice =
		(struct choice){data[0] & 0x3f, data[1] & 0x3f, data[2] & 0x3f};
	text = (const char *)data + HEADER_SIZE;
	end = (const char *)data + size;
	rig_open(&rig, &choice);
	count_yes(&rig, text, (size_t)(end - text));
	while (text < end && rig.u != NULL) {
		next_piece = memchr(text, PIECE_END, (size_t)(end - text));
		if (next_piece == NULL)
			next_piece = end;
		say_piece(&rig, text, (size_t)(next_piece - text));
		text = next_piece < end ? next_piece + 1 : end;
	}
	finish(&rig);
	require_clear(&rig);
	require_delivered(&rig);
	buf_free(&rig.heard);
	return 0;
}
