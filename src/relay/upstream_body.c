/*
 * upstream_body.c - one connection to the submission server: what is written
 *                   in a transaction, and the state BODY.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/buf.h"
#include "base/log.h"
#include "base/util.h"
#include "relay/upstream_internal.h"

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include <string.h>

enum {
	CHUNK = 16 * 1024, /* read from the content at a time */
	COMMAND_ROOM = 64, /* a command around an address */
};

void upstream_add_mail(const struct upstream *u, const struct delivery *d,
	struct evbuffer *out)
{
	upstream_add(out, "MAIL FROM:<%s>", d->reverse_path);
	if (u->offer.size)
		upstream_add(out, " SIZE=%llu", (unsigned long long)d->size);
	if (u->offer.eight_bit && d->eight_bit)
		upstream_add(out, " BODY=8BITMIME");
	if (u->offer.smtputf8 && d->smtputf8)
		upstream_add(out, " SMTPUTF8");
	if (u->offer.dsn && d->pass_dsn && d->ret != DSN_RET_UNSAID)
		upstream_add(out, " RET=%s", dsn_ret_name(d->ret));
	if (u->offer.dsn && d->pass_dsn && d->envid != NULL)
		upstream_add(out, " ENVID=%s", d->envid);
	upstream_add(out, "\r\n");
}

void upstream_add_rcpt(const struct upstream *u, const struct delivery *d,
	struct evbuffer *out, size_t index)
{
	const struct delivery_rcpt *rcpt = &d->rcpts[index];
	const bool dsn = u->offer.dsn && d->pass_dsn;
	char notify[DSN_NOTIFY_SIZE];

	upstream_add(out, "RCPT TO:<%s>", rcpt->address);
	if (dsn && rcpt->notify != 0)
		upstream_add(out, " NOTIFY=%s",
			dsn_print_notify(rcpt->notify, notify));
	if (dsn && rcpt->orcpt != NULL &&
		(string_is_ascii(rcpt->orcpt) ||
			(u->offer.smtputf8 && d->smtputf8)))
		upstream_add(out, " ORCPT=%s", rcpt->orcpt);
	upstream_add(out, "\r\n");
}

void upstream_add_bdat(const struct delivery *d, struct evbuffer *out)
{
	upstream_add(out, "BDAT %llu LAST\r\n", (unsigned long long)d->size);
}

static int damaged(struct upstream_tx *tx, const struct err *err)
{
	tx->delivery->damaged = true;
	tx->delivery->problem = *err;
	return -1;
}

/* Counts n octets of content, now in an output buffer. The message is whole
 * when all that was announced was read and nothing is behind it. */
static int count_content(struct upstream_tx *tx, ssize_t n, struct err *err)
{
	const uint64_t size = tx->delivery->size;

	if (n < 0)
		return -1;
	tx->sent += (uint64_t)n;
	if (tx->sent == size && content_at_end(tx->delivery->content))
		tx->last_byte = true;
	else if (n == 0 || tx->sent >= size)
		return err_set(err, ERR_DAMAGED,
			"the content is not of the size on record, %llu octets",
			(unsigned long long)size);
	return 0;
}

/* Appends a chunk of content as it is. Returns 0, -1: damaged, told. */
static int add_plain(struct upstream_tx *tx, struct evbuffer *out)
{
	struct evbuffer_iovec space;
	struct err err;
	ssize_t n;

	if (evbuffer_reserve_space(out, CHUNK, &space, 1) != 1)
		bug("out of memory");
	n = content_read(tx->delivery->content, space.iov_base, CHUNK, &err);
	/* what must not be sent is not committed */
	if (count_content(tx, n, &err) != 0)
		return damaged(tx, &err);
	space.iov_len = (size_t)n;
	if (evbuffer_commit_space(out, &space, 1) != 0)
		bug("a place in the output that is none");
	return 0;
}

/* The same for DATA: dots doubled, and the end of data behind the last. */
static int add_stuffed(struct upstream_tx *tx, struct evbuffer *out)
{
	struct buf stuffed;
	char chunk[CHUNK];
	struct err err;
	int rc;
	ssize_t n = content_read(tx->delivery->content, chunk, CHUNK, &err);

	if (count_content(tx, n, &err) != 0)
		return damaged(tx, &err);
	buf_init(&stuffed, 2 * CHUNK + COMMAND_ROOM);
	rc = dot_stuff(&tx->stuffer, chunk, (size_t)n, &stuffed);
	if (tx->last_byte && !tx->stuffer.at_line_start)
		rc |= buf_add(&stuffed, "\r\n", 2);
	if (tx->last_byte)
		rc |= buf_add(&stuffed, ".\r\n", 3);
	rc |= evbuffer_add(out, stuffed.data, stuffed.len);
	if (rc != 0)
		bug("out of memory");
	buf_free(&stuffed);
	return 0;
}

/* Room for all of the flight in one piece, so that it goes out in one. */
static struct evbuffer *new_flight(const struct upstream_tx *tx)
{
	const struct delivery *d = tx->delivery;
	struct evbuffer *flight = evbuffer_new();
	size_t room = 4 * COMMAND_ROOM + strlen(d->reverse_path);
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		room += COMMAND_ROOM + strlen(d->rcpts[i].address);
	if (tx->whole)
		room += (size_t)d->size + CHUNK;
	if (flight == NULL || evbuffer_expand(flight, room) != 0)
		bug("out of memory");
	return flight;
}

int upstream_send_flight(struct upstream *u, struct upstream_tx *tx)
{
	struct evbuffer *flight = new_flight(tx);
	int rc = 0;
	size_t i;

	if (tx->ahead)
		upstream_add(flight, "RSET\r\n");
	upstream_add_mail(u, tx->delivery, flight);
	for (i = 0; i < tx->delivery->rcpt_count; i++)
		upstream_add_rcpt(u, tx->delivery, flight, i);
	tx->asked = 1 + tx->delivery->rcpt_count;
	if (tx->whole) {
		upstream_add_bdat(tx->delivery, flight);
		while (rc == 0 && !tx->last_byte)
			rc = add_plain(tx, flight);
		tx->open = true;
		tx->asked++;
	} else if (!u->offer.chunking) {
		upstream_add(flight, "DATA\r\n");
		tx->asked++;
	}
	if (rc == 0 && bufferevent_write_buffer(u->bev, flight) != 0)
		bug("out of memory");
	evbuffer_free(flight);
	return rc;
}

/* --- BODY --- */

/* The server must not take what it has for the whole message. */
static void cut(struct upstream *u)
{
	upstream_note(u, PHASE_FINAL,
		"The stored message cannot be read; other messages are not concerned. Check the disk that holds the spool.",
		"the connection was cut, for the message cannot be read to its end: %s",
		u->tx.delivery->problem.text);
	u->trouble.action = ACTION_RECONNECT;
	upstream_set_state(u, STATE_CLOSED);
}

void upstream_body_progress(struct upstream *u)
{
	struct upstream_tx *tx = &u->tx;
	struct evbuffer *out = bufferevent_get_output(u->bev);
	int rc = 0;

	while (rc == 0 && !tx->last_byte &&
		evbuffer_get_length(out) + 2 * CHUNK + COMMAND_ROOM <=
			UPSTREAM_OUTPUT_MAX)
		rc = u->offer.chunking ? add_plain(tx, out)
				       : add_stuffed(tx, out);
	if (rc != 0) {
		cut(u);
		return;
	}
	if (tx->last_byte && upstream_flushed(u))
		upstream_set_state(u, STATE_FINAL);
	else if (tx->last_byte)
		bufferevent_setwatermark(u->bev, EV_WRITE, 0, 0);
}

void upstream_body_enter(struct upstream *u)
{
	bufferevent_setwatermark(u->bev, EV_WRITE, UPSTREAM_OUTPUT_MAX / 2, 0);
	upstream_body_progress(u);
}

/* An answer before the last byte was sent is a refusal, or nonsense. With BDAT
 * the server goes on reading what was announced (RFC 3030 section 2), so what
 * is in the buffer already may follow; anything else cannot be taken back. */
void upstream_body_reply(struct upstream *u, const struct reply *r)
{
	struct upstream_tx *tx = &u->tx;

	if (upstream_is_refusal(r) && u->offer.chunking && tx->last_byte) {
		upstream_final_reply(u, r);
		return;
	}
	if (upstream_is_refusal(r)) {
		upstream_refuse(u, NULL, r);
		upstream_note_reply(
			u, PHASE_FINAL, gmail_judge(PHASE_FINAL, r), r);
		tx->judged = true;
	}
	upstream_break(
		u, "the server answers %d in the middle of a message", r->code);
}
