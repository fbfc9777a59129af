/*
 * upstream_needs.c - one connection to the submission server: what it cannot
 *                    take is refused here, in its stead.
 *
 * RFC 6531 section 3.2 and RFC 6152 section 3: what needs an extension is not
 * sent to a server without it. Nothing is converted: that would break
 * signatures, and every server of this century has both.
 */
#include "config.h"

#include "relay/upstream.h"

#include "base/log.h"
#include "base/util.h"
#include "proto/address.h"
#include "relay/upstream_internal.h"

/* A reply of our own, and what it means. */
struct refusal {
	const char *reply;
	struct gmail_rule rule;
};

#define REFUSAL(text, about, hint)                                             \
	{                                                                      \
		(text),                                                        \
		{                                                              \
			.scope = (about), .action = ACTION_FAIL,               \
			.advice = (hint)                                       \
		}                                                              \
	}

static const struct refusal unsafe = REFUSAL(
	"553 5.1.3 (not sent) an address of the envelope holds control bytes or is too long",
	SCOPE_MESSAGE,
	"Correct the addresses in the program or device that wrote the message.");
static const struct refusal utf8_header = REFUSAL(
	"554 5.6.9 (not sent) the message's header or its sender's address holds letters beyond ASCII, and the server does not offer SMTPUTF8",
	SCOPE_MESSAGE,
	"Send the message without asking for SMTPUTF8, or use addresses in plain ASCII letters in its From, To and Cc lines.");
static const struct refusal utf8_recipient = REFUSAL(
	"553 5.6.7 (not sent) the address holds letters beyond ASCII, and the server does not offer SMTPUTF8",
	SCOPE_RECIPIENT,
	"Use an address in plain ASCII letters; other recipients of the message are not concerned.");
static const struct refusal eight_bit = REFUSAL(
	"554 5.6.3 (not sent) the message holds 8-bit text, and the server does not offer 8BITMIME",
	SCOPE_MESSAGE,
	"Let the program encode its messages as quoted-printable or base64, or use a server that offers 8BITMIME, as Gmail does.");

/* No address that was parsed holds such bytes; one that does would be a command
 * of its own. */
static bool is_wire_safe(const char *address)
{
	size_t i;

	for (i = 0; address[i] != '\0'; i++)
		if ((unsigned char)address[i] < 0x20 || address[i] == 0x7f)
			return false;
	return i <= ADDRESS_MAX;
}

static bool are_wire_safe(const struct delivery *d)
{
	size_t i;

	for (i = 0; i < d->rcpt_count; i++)
		if (!is_wire_safe(d->rcpts[i].address))
			return false;
	return is_wire_safe(d->reverse_path);
}

/* Why nobody can get it; NULL: somebody can. */
static const struct refusal *refusal_of(
	const struct upstream *u, const struct delivery *d)
{
	if (!are_wire_safe(d))
		return &unsafe;
	if (d->utf8_message && !u->offer.smtputf8)
		return &utf8_header;
	if (d->eight_bit && !u->offer.eight_bit)
		return &eight_bit;
	return NULL;
}

static void refuse(struct delivery_rcpt *rcpt, const struct refusal *refusal)
{
	if (rcpt->outcome != OUTCOME_UNTRIED)
		return;
	if (reply_scan(&rcpt->reply, refusal->reply) != 0)
		bug("a reply of our own does not parse");
	rcpt->outcome = OUTCOME_FAIL;
	rcpt->rule = &refusal->rule;
}

/* Those who need SMTPUTF8 go behind the others, out of the count. */
static void leave_out_utf8(struct upstream_tx *tx)
{
	struct delivery *d = tx->delivery;
	struct delivery_rcpt rcpt;
	size_t i, kept = 0;

	for (i = 0; i < d->rcpt_count; i++) {
		if (!string_is_ascii(d->rcpts[i].address)) {
			refuse(&d->rcpts[i], &utf8_recipient);
			continue;
		}
		rcpt = d->rcpts[kept];
		d->rcpts[kept++] = d->rcpts[i];
		d->rcpts[i] = rcpt;
	}
	tx->left_out = d->rcpt_count - kept;
	d->rcpt_count = kept;
}

bool upstream_takes_whole(const struct upstream *u, const struct delivery *d)
{
	return refusal_of(u, d) == NULL && (!d->smtputf8 || u->offer.smtputf8);
}

bool upstream_sort_out(struct upstream *u, struct upstream_tx *tx)
{
	const struct refusal *refusal = refusal_of(u, tx->delivery);
	struct delivery *d = tx->delivery;
	size_t i;

	for (i = 0; refusal != NULL && i < d->rcpt_count; i++)
		refuse(&d->rcpts[i], refusal);
	if (refusal == NULL && d->smtputf8 && !u->offer.smtputf8)
		leave_out_utf8(tx);
	return refusal == NULL && d->rcpt_count > 0;
}
