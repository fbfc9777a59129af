/*
 * session.h - one client: its bytes in and out, its timer, its state.
 * Used by:    receiver/doors (makes), receiver/receiver (expels),
 *             receiver/verbs* and receiver/login (handlers).
 * Invariant:  a session ends in one place, session_settle(); handlers return
 *             what is to happen and never free. One that waits for the disk
 *             does not end before it has heard the outcome.
 * Blocks:     never.
 * Source:     RFC 5321 4.1, 4.5.3; RFC 2920 (commands in groups).
 */
#ifndef GMRELAY_RECEIVER_SESSION_H
#define GMRELAY_RECEIVER_SESSION_H

#include "base/buf.h"
#include "proto/line.h"
#include "receiver/budget.h"
#include "receiver/census.h"
#include "receiver/clients.h"
#include "receiver/mail.h"
#include "receiver/replies.h"
#include "receiver/transport.h"

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <sys/time.h>

struct conf;
struct conf_client;
struct event;
struct event_base;
struct journal;
struct local_names;
struct login_check;
struct logins;
struct receiver_counters;

#define SESSION_HELO_MAX 255
/* Bytes looked at in one turn: what was left and what one read brings. It is
 * one buffer for all sessions. */
#define SESSION_TURN_MAX (64 * 1024 + COMMAND_LINE_MAX)
/* As much is read where commands are expected: it is kept for a client that
 * does not read what it is answered. */
#define SESSION_COMMANDS_READ_MAX (16 * 1024)
/* Of a text less and less is read, down to so much, while a turn of it takes
 * longer than so many nanoseconds: one of line ends alone costs ten times what
 * others do. */
#define SESSION_TEXT_READ_MIN (4 * 1024)
#define SESSION_TURN_NS_MAX   (100 * 1000)
/* Together the texts get so many nanoseconds, then all others have a turn: the
 * end of a large header alone costs a hundred milliseconds. */
#define SESSION_TEXTS_NS (20 * 1000 * 1000)
/* Commands, texts and chunks in one turn, and what is answered; then others
 * have theirs. */
#define SESSION_TURN_STEPS_MAX  100
#define SESSION_TURN_OUTPUT_MAX 4096
/* Replies that wait to be sent: above, the client's commands wait too. */
#define SESSION_OUTPUT_PAUSE (16 * 1024)
#define SESSION_OUTPUT_MAX   (SESSION_OUTPUT_PAUSE + 4 * RX_TEXT_MAX)
/* Errors since the last message that was accepted; one more is the last. */
#define SESSION_ERRORS_MAX 10
/* With lf-dot: as long nothing must follow a lone dot that ends a message. A
 * device waits for its answer, few for less than ten seconds. */
#define SESSION_LF_DOT_WAIT_MS (3 * 1000)
/* For the last reply to leave. */
#define SESSION_CLOSE_WAIT_MS (10 * 1000)
#define SESSION_HOST_MAX      255
/* See session_tls.c: clients that begin with TLS, and are remembered. */
#define SESSION_TLS_FIRST_MAX 32

enum session_state {
	SESSION_NEW,     /* no HELO yet */
	SESSION_IDLE,    /* no transaction */
	SESSION_MAIL,    /* a sender */
	SESSION_RCPT,    /* a recipient at least */
	SESSION_BDAT,    /* chunks came, more are to come (or RSET) */
	SESSION_DATA,    /* reading text, no commands */
	SESSION_COMMIT,  /* waiting for the disk */
	SESSION_CLOSING, /* the last reply is on its way */
};

enum session_next {
	SESSION_CONTINUE,
	SESSION_CLOSE,
	SESSION_NEED_MORE, /* all was looked at, a line is not whole yet */
	SESSION_START_TLS,
};

/* What goes over the connection now. */
enum session_wire {
	SESSION_TALK,      /* SMTP */
	SESSION_HOLD,      /* nothing said: the client may begin with TLS */
	SESSION_TLS_DUE,   /* the 220 to STARTTLS is on its way */
	SESSION_HANDSHAKE, /* TLS's own words */
};

/* For what, and how long, a session waits that reads. */
enum session_wait {
	SESSION_WAIT_CLIENT, /* client-timeout, or a time of TLS */
	SESSION_WAIT_DOT,    /* lf_dot_wait: was that the end? */
	SESSION_WAIT_TURN,   /* there is more to look at: for its next turn */
};

/* Why a session reads nothing; bits. */
enum session_pause {
	SESSION_PAUSE_COMMIT = 1,
	SESSION_PAUSE_DRAFT = 2,
	SESSION_PAUSE_OUTPUT = 4,
	SESSION_PAUSE_LOGIN = 8,
};

/* What the sessions of this process share; it outlives them. */
struct session_shared {
	struct event_base *base;
	const struct conf *conf;
	const struct local_names *names;
	uid_t relay_uid; /* may hand in for others */
	struct journal *journal;
	struct receiver_counters *counters;
	struct clients clients;
	struct census census;
	struct timeval idle_timeout;
	struct timeval lf_dot_wait;
	char host[SESSION_HOST_MAX + 1];      /* by that name we go */
	char id_domain[SESSION_HOST_MAX + 1]; /* for Message-IDs */
	char *turn;                           /* SESSION_TURN_MAX bytes */
	struct buf scratch;                   /* see struct intake_setup */
	struct budget budget;                 /* likewise */
	/* Who sends text, and waits for a turn; what they took of texts_max_ns
	 * since all others had one. */
	TAILQ_HEAD(session_list, session) texts;
	struct event *texts_turn;
	int64_t texts_ns, texts_max_ns;
	bool draining;                /* no new transaction */
	const struct tls_server *tls; /* NULL: no certificate */
	struct logins *logins;        /* NULL: no users */
	/* Addresses whose client began with TLS after it was greeted. */
	struct in6_addr tls_first[SESSION_TLS_FIRST_MAX];
	unsigned tls_first_count; /* ever; the ring's next place */
	/* A session is gone; called on the loop, in the midst of its turn. */
	void (*on_gone)(void *arg);
	void *arg;
};

/* One BDAT chunk that is being read. */
struct chunk {
	bool open;
	bool last;
	uint64_t left;
	uint64_t size;
	enum rx_reply verdict; /* RX_NONE: it belongs to the message; else it
				  is dropped and this is the answer */
};

struct session {
	struct session_shared *shared;
	TAILQ_ENTRY(session) text_link;
	bool in_texts; /* of shared */
	struct transport transport;
	struct tls_conn *tls_due; /* SESSION_TLS_DUE */
	enum session_wire wire;
	int64_t handshake_end_ms; /* by the boot clock */
	struct event *read_event;
	struct event *write_event; /* NULL until a client was slow */
	struct peer peer;
	const struct conf_client *profile; /* what holds for this client */
	struct client client;
	enum session_state state;
	unsigned paused;  /* enum session_pause */
	bool reading;     /* read_event is armed */
	bool gone;        /* nobody is there to be answered */
	bool ending;      /* closes as soon as the disk has answered */
	bool spoke;       /* a command came */
	bool hasty;       /* did not wait for an answer that is waited for */
	bool polite;      /* said QUIT */
	bool only_quit;   /* is taken from now on: see session_end_by_dot() */
	size_t text_read; /* octets of a text read at once now */
	bool more;        /* held is to be looked at in the next turn */
	enum session_wait wait; /* with which read_event is armed */
	bool esmtp;
	bool logged_in;
	bool secret; /* what was read in this turn is part of a login */
	struct auth_exchange *auth; /* NULL: no AUTH dialogue */
	struct login_check *check;  /* NULL: no password is looked at */
	bool expelled;              /* by its errors; the reply is said */
	unsigned errors;
	unsigned refused_rcpts; /* since the last message, forgiven ones */
	bool counted;           /* the transaction, for messages-per-hour */
	unsigned quirks;        /* base/quirk.h: since they were last counted */
	char helo[SESSION_HELO_MAX + 1]; /* harmless for a Received line */
	struct line_splitter splitter;
	struct buf held; /* read and not looked at */
	struct buf out;  /* said and not sent */
	struct mail mail;
	struct chunk chunk;
};

/* Makes the rest of what is shared; base, conf, names, journal, counters, tls,
 * host, id_domain and on_gone are filled in by the caller before. */
void session_shared_init(struct session_shared *shared);
void session_shared_free(struct session_shared *shared);

/* Greets the client at fd (owned from here on), for whom profile holds. Returns
 * 0, -1 without memory: fd is closed. */
int session_new(struct session_shared *shared, int fd, const struct peer *peer,
	const struct conf_client *profile);

/* Says reply (RX_NONE: nothing) and ends the session now, unless it waits for
 * the disk. *s may be gone afterwards. */
void session_expel(struct session *s, enum rx_reply reply, const char *why);

/* For the handlers: says a reply; with detail behind its text. */
void session_reply(struct session *s, enum rx_reply reply);
void session_reply_detail(
	struct session *s, enum rx_reply reply, const char *detail);

/* The same for a recipient that is refused. That is not among the errors: it
 * may be one of many in a list of somebody else's. As many are forgiven as
 * there may be recipients, until a message is accepted. */
void session_refuse_rcpt(
	struct session *s, enum rx_reply reply, const char *detail);

void session_set_state(struct session *s, enum session_state state);

/* True when TLS can be had / is in use. */
bool session_tls_is_available(const struct session *s);
bool session_tls_is_on(const struct session *s);

/* Drops the transaction, if there is one. */
void session_reset(struct session *s);

/* Counts a sender or recipient that was refused. */
void session_count_refused(struct session *s);

/* The largest message taken, in octets. */
uint64_t session_size_max(const struct session *s);

/* Says 552, with the limit and where it comes from. */
void session_reply_too_big(struct session *s);

/* The text of a message follows. Returns 0, -1 without memory. */
int session_begin_message(struct session *s, enum body_mode mode);

/* A chunk of s->chunk.size octets follows (maybe none at all). */
void session_begin_chunk(struct session *s);

#endif
