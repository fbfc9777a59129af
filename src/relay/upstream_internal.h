/*
 * upstream_internal.h - one connection to the submission server, inside.
 * Used by:    upstream.c (life, input and output), upstream_states.c (the state
 *             table, from connecting to TLS), upstream_login.c (EHLO, AUTH),
 *             upstream_mail.c, upstream_needs.c, upstream_body.c and
 *             upstream_ahead.c (transactions).
 * Invariant:  upstream_set_state() alone writes state. Nothing frees a struct
 *             upstream but upstream_leave(), when the outermost of its event
 *             callbacks or calls ends.
 */
#ifndef GMRELAY_RELAY_UPSTREAM_INTERNAL_H
#define GMRELAY_RELAY_UPSTREAM_INTERNAL_H

#include "proto/body.h"
#include "proto/line.h"
#include "relay/auth.h"
#include "relay/upstream.h"

struct buf;
struct bufferevent;
struct evbuffer;
struct event;

#define UPSTREAM_PEER_MAX 80
/* The EHLO keyword AUTH's list of mechanisms; what is beyond is cut. */
#define UPSTREAM_AUTH_LIST_MAX 255
/* RFC 5321 4.5.3.1.4: a longer command line makes AUTH wait for a challenge
 * (RFC 4954 section 4). */
#define UPSTREAM_COMMAND_MAX 512
/* A message of up to this many octets goes out in one flight with its
 * envelope, where BDAT is offered. */
#define UPSTREAM_WHOLE_MAX (64 * 1024)
/* A connection that was idle for longer may be half dead: it gets the envelope
 * first, so that no message is in doubt for a connection long gone. */
#define UPSTREAM_FRESH_MS 5000
/* Of a message in the output buffer at most; filled up below the half. */
#define UPSTREAM_OUTPUT_MAX (128 * 1024)
/* Unread bytes of the server's. */
#define UPSTREAM_INPUT_MAX (64 * 1024)

enum upstream_state {
	STATE_CONNECT,
	STATE_BANNER,
	STATE_EHLO,
	STATE_STARTTLS,
	STATE_HANDSHAKE,
	STATE_EHLO_TLS,
	STATE_AUTH,
	STATE_READY,
	STATE_ENVELOPE,
	STATE_BODY,
	STATE_FINAL,
	STATE_RSET,
	STATE_QUIT,
	STATE_CLOSED,
	STATE_COUNT
};

/* Which setting bounds the stay in a state. */
enum upstream_timeout {
	TIMEOUT_NONE,
	TIMEOUT_CONNECT,
	TIMEOUT_REPLY, /* in BODY: from one progress to the next */
	TIMEOUT_FINAL,
	TIMEOUT_IDLE,
	TIMEOUT_QUIT,
};

struct upstream_state_row {
	const char *label;
	enum phase phase;
	enum upstream_timeout timeout;
	void (*enter)(struct upstream *u);
	void (*on_reply)(struct upstream *u, const struct reply *r);
};

/* What the last EHLO offered. */
struct upstream_offer {
	bool starttls;
	bool pipelining;
	bool chunking;
	bool eight_bit;
	bool smtputf8;
	bool dsn;
	bool size;
	uint64_t size_max; /* 0: no fixed limit */
	char auth[UPSTREAM_AUTH_LIST_MAX + 1];
};

/* One delivery on its way. Its commands are numbered: 0 is MAIL, 1 to
 * rcpt_count the RCPTs, the last one DATA or BDAT. */
struct upstream_tx {
	struct delivery *delivery; /* NULL: none */
	size_t asked;              /* commands sent */
	size_t answered;
	bool accepted[DELIVERY_RCPT_MAX]; /* RCPT got 2yz, after MAIL had */
	size_t accepted_count;
	size_t taken_count; /* RCPTs that got 2yz in any case */
	size_t left_out;    /* refused here, behind rcpt_count */
	bool mail_refused;
	bool whole;     /* the message goes with the envelope */
	bool last_byte; /* the message's last byte is in the output buffer */
	bool judged;    /* the answer to the last byte has come, or 421 */
	bool open;      /* the server needs RSET before the next MAIL */
	bool ahead;     /* it went out before the one before was judged */
	bool rset_due;  /* ahead: RSET was sent in front, unanswered yet */
	bool flushed;   /* all of it has gone to the kernel */
	uint64_t sent;  /* octets of content in the output buffer or beyond */
	struct dot_stuffer stuffer;
};

struct upstream {
	struct event_base *base;
	struct upstream_params params;
	struct upstream_callbacks callbacks;
	char peer[UPSTREAM_PEER_MAX];

	struct bufferevent *bev;
	bool tls; /* verified and confirmed */
	struct event *timer;
	struct event *kick; /* something to look at, on the loop */
	int connect_error;
	unsigned depth; /* of calls and callbacks: who is outermost frees */
	bool reported;  /* on_closed was called */

	enum upstream_state state;
	struct line_splitter splitter;
	struct reply reply;
	struct upstream_offer offer;

	char *ehlo_name;
	bool ehlo_literal; /* the name was not taken */
	bool ehlo_refused; /* by 501; reply kept in refusal */
	struct reply refusal;

	const struct auth_mechanism *mechanism;
	unsigned auth_step;
	bool auth_initial; /* this mechanism's initial response was sent */
	bool auth_bare;    /* do without it */
	bool auth_cancelled;

	bool quitting;
	bool pump; /* ask next() */
	int64_t opened_ms;
	int64_t ready_ms;
	unsigned transactions; /* begun */
	struct upstream_tx tx;
	struct upstream_tx next; /* no delivery: none */

	bool troubled;
	struct upstream_trouble trouble;
};

/* upstream.c */

/* The only writer of state: logs the edge, arms the timer, enters. */
void upstream_set_state(struct upstream *u, enum upstream_state state);

/* Begins the present state's time anew. */
void upstream_arm_timer(struct upstream *u);

/* Appends to what will be sent; aborts without memory. */
void upstream_add(struct evbuffer *out, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* Appends one command to the output. */
void upstream_send(struct upstream *u, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* The same for a line with a secret in it: the line's memory is taken over,
 * sent from where it is and wiped. CRLF is added; *line is empty then. */
void upstream_send_secret(struct upstream *u, struct buf *line);

/* Installs bev as the connection. */
void upstream_use(struct upstream *u, struct bufferevent *bev);

/* All that was written has gone to the kernel. */
bool upstream_flushed(const struct upstream *u);

/* A step succeeded. */
void upstream_step(struct upstream *u, enum phase phase, const char *format,
	...) __attribute__((format(printf, 3, 4)));

/* True when what the row says is for the second time, and this is the first. */
bool upstream_wants_again(const struct upstream *u, enum phase phase,
	const struct gmail_rule *rule);

/* Notes why the connection will end; the first reason stays. upstream_note()
 * is for what no reply told: back off. */
void upstream_note_reply(struct upstream *u, enum phase phase,
	const struct gmail_rule *rule, const struct reply *r);
void upstream_note(struct upstream *u, enum phase phase, const char *advice,
	const char *format, ...) __attribute__((format(printf, 4, 5)));

/* The connection ends as it is: upstream_note() and CLOSED in one. */
void upstream_break(struct upstream *u, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* upstream_states.c */
const struct upstream_state_row *upstream_row(enum upstream_state state);

/* TCP, or TLS, is there. */
void upstream_connected(struct upstream *u);

/* What the server is to answer to, in words. */
const char *upstream_awaited(const struct upstream *u);

/* Where nothing better is known: what a person can do when the connection
 * breaks in this state. */
const char *upstream_break_advice(const struct upstream *u);

/* upstream_login.c: EHLO and AUTH. */
void upstream_ehlo_enter(struct upstream *u);
void upstream_ehlo_reply(struct upstream *u, const struct reply *r);
void upstream_auth_enter(struct upstream *u);
void upstream_auth_reply(struct upstream *u, const struct reply *r);

/* A refusal outside a transaction: noted, and goodbye. */
void upstream_refused(struct upstream *u, const struct reply *r);

/* What EHLO says of the extensions, a line of the reply at a time. */
void upstream_offer_line(
	struct upstream_offer *offer, const char *line, size_t len);

/* upstream_mail.c: the states of a transaction but BODY. */
void upstream_ready_enter(struct upstream *u);
void upstream_ready_pump(struct upstream *u);
void upstream_ready_reply(struct upstream *u, const struct reply *r);
void upstream_envelope_enter(struct upstream *u);
void upstream_envelope_reply(struct upstream *u, const struct reply *r);
void upstream_final_reply(struct upstream *u, const struct reply *r);
void upstream_rset_enter(struct upstream *u);
void upstream_rset_reply(struct upstream *u, const struct reply *r);

/* A refusal within a transaction goes to whom it is about: one recipient, all
 * (rcpt NULL), or the connection. */
void upstream_refuse(
	struct upstream *u, struct delivery_rcpt *rcpt, const struct reply *r);

/* The phase of the command whose answer is awaited. */
enum phase upstream_phase(const struct upstream *u);

/* True when the server has told nothing yet on a connection that had carried a
 * transaction before: it may just have been idle for too long. */
bool upstream_was_idle(const struct upstream *u);

/* Begins a transaction with the delivery, which stays the caller's. */
void upstream_begin(
	struct upstream *u, struct upstream_tx *tx, struct delivery *d);

/* Hands the delivery back, in doubt or not, as things stand. Nothing to do
 * where there is none. */
void upstream_finish_delivery(struct upstream *u, struct upstream_tx *tx);

/* Between two messages: this connection is to end. */
bool upstream_is_worn(const struct upstream *u);

/* upstream_needs.c: what the server does not take. */

/* The delivery can be sent as it is. */
bool upstream_takes_whole(const struct upstream *u, const struct delivery *d);

/* Refuses, in the server's stead, whom and what it cannot take. Returns whether
 * anybody is left to send to. */
bool upstream_sort_out(struct upstream *u, struct upstream_tx *tx);

/* upstream_ahead.c: the next message, before the answer to this one. */
void upstream_final_enter(struct upstream *u);

/* The transaction has ended: goes on with the one that went ahead. Returns
 * false when there is none. */
bool upstream_ahead_promote(struct upstream *u);

/* The answer to the RSET in front of it. */
void upstream_ahead_rset_reply(struct upstream *u, const struct reply *r);

static inline bool upstream_is_refusal(const struct reply *r)
{
	return r->code / 100 == 4 || r->code / 100 == 5;
}

/* upstream_body.c: what is written, and BODY. */
void upstream_add_mail(const struct upstream *u, const struct delivery *d,
	struct evbuffer *out);
void upstream_add_rcpt(const struct upstream *u, const struct delivery *d,
	struct evbuffer *out, size_t index);
void upstream_add_bdat(const struct delivery *d, struct evbuffer *out);

/* Sends MAIL, the RCPTs and what may follow in one flight. Returns 0, -1: the
 * content is damaged, and nothing was sent. */
int upstream_send_flight(struct upstream *u, struct upstream_tx *tx);

void upstream_body_enter(struct upstream *u);
void upstream_body_reply(struct upstream *u, const struct reply *r);

/* The output buffer has room, or is empty: goes on with the body. */
void upstream_body_progress(struct upstream *u);

#endif
