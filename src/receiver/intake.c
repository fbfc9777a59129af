/*
 * intake.c - the bytes of one message, on their way to a draft.
 *
 * The header block is held until its end is seen, repaired as a whole and
 * written; the body goes on line by line. As soon as a message has a problem
 * its draft goes (and with it its memory or file), while the decoder goes on
 * looking for the end.
 */
#include "config.h"

#include "receiver/intake.h"

#include "base/date.h"
#include "base/quirk.h"
#include "base/util.h"
#include "proto/header.h"
#include "proto/rfc2047.h"
#include "receiver/budget.h"
#include "spool/envelope.h"

#include <stdlib.h>

enum { DATE_SIZE = 64, RECEIVED_SIZE = 1024, MESSAGE_ID_SIZE = 512 };

struct intake {
	const struct intake_setup *setup;
	struct body_decoder decoder;
	struct header_block header;
	bool header_done;
	bool header_smtputf8; /* an address in it needs SMTPUTF8 */
	bool eight_bit;       /* what is stored has bytes above 127 */
	bool waits;
	unsigned repairs;
	enum rx_reply problem;
	int disk_error;      /* errno; 0: none */
	struct draft *draft; /* NULL: dropped */
	uint64_t id;
	uint64_t size;
	size_t share; /* of the budget; until the end, since the repaired
			 header may wait in memory for a file */
};

static void put(struct intake *in, const char *data, size_t len)
{
	if (in->draft != NULL && draft_add(in->draft, data, len) != 0)
		in->waits = true;
}

/* RFC 5321 4.4: from, by, with, id and the date. */
static void print_received(const struct intake *in, int64_t now_s, char *text)
{
	const struct intake_setup *setup = in->setup;
	char id[HEX64_SIZE], date[DATE_SIZE];

	text_join(text, RECEIVED_SIZE,
		STRINGS("from ", setup->helo, " (", setup->client, ") by ",
			setup->host, " (gmrelayd) with ", setup->protocol,
			setup->tls[0] != '\0' ? " (" : "", setup->tls,
			setup->tls[0] != '\0' ? ")" : "", " id ",
			hex64(id, in->id), "; ",
			date_print(now_s, 0, date, sizeof(date))));
}

static enum rx_reply header_problem(const struct err *err)
{
	switch (err->kind) {
	case ERR_PROTOCOL:
		return RX_LOOP;
	case ERR_SYSTEM:
		return RX_NO_MEMORY;
	default:
		return RX_HEADER_TOO_LARGE;
	}
}

/* The header block is whole: repairs it and begins the draft with it. */
static void finish_header(struct intake *in)
{
	struct buf *out = in->setup->scratch;
	char received[RECEIVED_SIZE], message_id[MESSAGE_ID_SIZE];
	char id[HEX64_SIZE], now[DECIMAL_SIZE];
	int64_t now_s = clock_wall_s();
	const struct header_context context = {
		.received = received,
		.message_id = message_id,
		.from_address = in->setup->from_address,
		.domain = in->setup->address_domain,
		.domain_takes_mail = in->setup->domain_takes_mail,
		.sender = in->setup->sender,
		.now_s = now_s,
		.utc_offset_s = 0,
		.smtputf8 = in->setup->smtputf8,
	};
	struct header_result result = {0};
	struct err err = {0};

	in->header_done = true;
	in->decoder.in_header = false;
	/* What was seen so far was header, of which raw bytes are encoded. */
	in->decoder.eight_bit = false;
	print_received(in, now_s, received);
	text_join(message_id, sizeof(message_id),
		STRINGS(hex64(id, in->id), ".",
			decimal(now, now_s > 0 ? (uint64_t)now_s : 0), "@",
			in->setup->id_domain));
	buf_clear(out);
	if (header_repair(&in->header, &context, out, &result, &err) == 0) {
		in->repairs = result.repairs;
		in->header_smtputf8 = result.needs_smtputf8;
		in->eight_bit = !text_is_ascii(out->data, out->len);
		put(in, out->data, out->len);
	} else {
		intake_refuse(in, header_problem(&err));
	}
	if (out->cap > INTAKE_HEADER_KEEP)
		buf_free(out);
	header_block_free(&in->header);
}

static void take_header_line(struct intake *in, const char *text, size_t len)
{
	int belongs = header_block_add(&in->header, text, len);

	if (in->header.too_large) {
		intake_refuse(in, RX_HEADER_TOO_LARGE);
		return;
	}
	if (budget_take(in->setup->budget, &in->share, in->header.text.cap) !=
		0) {
		intake_refuse(in, RX_NO_MEMORY);
		return;
	}
	if (belongs && !in->header.ended)
		return;
	finish_header(in);
	if (belongs)
		return;
	in->eight_bit |= !text_is_ascii(text, len);
	put(in, text, len);
	put(in, "\r\n", 2);
}

static void on_line(void *arg, const char *text, size_t len)
{
	struct intake *in = arg;

	in->size += len + 2;
	if (in->problem != RX_NONE)
		return;
	if (in->size > in->setup->size_max) {
		intake_refuse(in, RX_TOO_BIG);
	} else if (in->header_done) {
		put(in, text, len);
		put(in, "\r\n", 2);
	} else {
		take_header_line(in, text, len);
	}
}

/* Lines of the body, as they are to be stored. */
static void on_lines(void *arg, const char *text, size_t len)
{
	struct intake *in = arg;

	in->size += len;
	if (in->problem != RX_NONE)
		return;
	if (in->size > in->setup->size_max)
		intake_refuse(in, RX_TOO_BIG);
	else
		put(in, text, len);
}

struct intake *intake_new(const struct intake_setup *setup, enum body_mode mode)
{
	struct intake *in = calloc(1, sizeof(*in));

	if (in == NULL)
		return NULL;
	in->draft = draft_new(setup->journal, &setup->callbacks);
	if (in->draft == NULL) {
		free(in);
		return NULL;
	}
	in->setup = setup;
	in->id = draft_id(in->draft);
	body_decoder_init(&in->decoder, mode, on_line, in);
	in->decoder.on_lines = on_lines;
	in->decoder.lf_dot = setup->lf_dot && mode == BODY_DATA;
	header_block_init(&in->header);
	return in;
}

void intake_free(struct intake **inp)
{
	struct intake *in = *inp;

	*inp = NULL;
	if (in == NULL)
		return;
	draft_free(&in->draft);
	body_decoder_free(&in->decoder);
	header_block_free(&in->header);
	budget_return(in->setup->budget, &in->share);
	free(in);
}

static void check_decoder(struct intake *in)
{
	if (in->decoder.problem == BODY_NUL)
		intake_refuse(in, RX_NUL);
	else if (in->decoder.problem == BODY_LINE_TOO_LONG)
		intake_refuse(in, RX_TEXT_LINE_TOO_LONG);
}

int intake_feed(
	struct intake *in, const char *data, size_t len, size_t *used_out)
{
	int ended = body_decoder_feed(&in->decoder, data, len, used_out);

	check_decoder(in);
	return ended;
}

bool intake_may_end(const struct intake *in)
{
	return body_decoder_may_end(&in->decoder);
}

bool intake_ends_by_dot(const struct intake *in)
{
	return body_decoder_ends_by_dot(&in->decoder);
}

bool intake_waits(const struct intake *in)
{
	return in->waits;
}

void intake_resume(struct intake *in)
{
	in->waits = false;
}

bool intake_too_big(const struct intake *in, uint64_t len)
{
	return in->size > in->setup->size_max ||
	       len > in->setup->size_max - in->size;
}

void intake_refuse(struct intake *in, enum rx_reply problem)
{
	if (in->problem == RX_NONE)
		in->problem = problem;
	in->waits = false;
	in->disk_error = intake_disk_error(in);
	draft_free(&in->draft);
	header_block_free(&in->header);
	budget_return(in->setup->budget, &in->share);
}

enum rx_reply intake_problem(const struct intake *in)
{
	return in->problem;
}

void intake_end(struct intake *in)
{
	body_decoder_end(&in->decoder);
	check_decoder(in);
	if (in->problem == RX_NONE && !in->header_done)
		finish_header(in);
}

void intake_commit(struct intake *in, struct envelope *env)
{
	env->arrived_s = clock_wall_s();
	env->eight_bit = in->eight_bit || in->decoder.eight_bit;
	env->smtputf8 |= in->header_smtputf8;
	draft_commit(in->draft, env);
}

uint64_t intake_id(const struct intake *in)
{
	return in->id;
}

uint64_t intake_size(const struct intake *in)
{
	return in->size;
}

unsigned intake_quirks(const struct intake *in)
{
	static const struct {
		enum header_repair repair;
		enum quirk quirk;
	} rows[] = {
		{HEADER_ADDED_DATE, QUIRK_NO_DATE},
		{HEADER_ADDED_MESSAGE_ID, QUIRK_NO_MESSAGE_ID},
		{HEADER_ADDED_FROM, QUIRK_NO_FROM},
	};
	unsigned quirks = 0;
	size_t i;

	if (in->decoder.bare_lf)
		quirks |= QUIRK_BIT(QUIRK_BARE_LF);
	if (in->decoder.bare_cr)
		quirks |= QUIRK_BIT(QUIRK_BARE_CR);
	for (i = 0; i < COUNT_OF(rows); i++)
		if ((in->repairs & rows[i].repair) != 0)
			quirks |= QUIRK_BIT(rows[i].quirk);
	return quirks;
}

unsigned intake_repairs(const struct intake *in)
{
	return in->repairs;
}

int intake_disk_error(const struct intake *in)
{
	return in->draft != NULL ? draft_error(in->draft) : in->disk_error;
}
