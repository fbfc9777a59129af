/*
 * header.c - the header block of a message: repaired so that Gmail takes it.
 */
#include "config.h"

#include "proto/header.h"

#include "base/date.h"
#include "base/util.h"
#include "proto/header_encode.h"
#include "proto/header_field.h"
#include "proto/header_fold.h"
#include "proto/header_qualify.h"
#include "proto/rfc2047.h"
#include "proto/sender.h"

#include <errno.h>
#include <string.h>

enum {
	RECEIVED_LINE_MAX = 78, /* RFC 5322 2.1.1: lines should be no longer */
	DATE_TEXT_MAX = 64,
};

/* One field under repair cannot take more than this: the shortest comment
 * grows to the eightfold when encoded. */
#define FIELD_WORK_MAX (16 * (size_t)HEADER_BLOCK_MAX)

/* What is to be done about a field. */
enum {
	TRAIT_8BIT = 1 << 0,
	TRAIT_LONG = 1 << 1,  /* a line over HEADER_LINE_MAX */
	TRAIT_BLANK = 1 << 2, /* a continuation line of white space alone */
	TRAIT_GAP = 1 << 3,   /* white space before the colon */
};

/* Fields that may stand once (RFC 5322 3.6); Gmail refuses a second. */
enum single {
	SINGLE_FROM,
	SINGLE_REPLY_TO,
	SINGLE_DATE,
	SINGLE_MESSAGE_ID,
	SINGLE_OTHER,
	SINGLE_COUNT = 10,
};

static const char *const single_names[SINGLE_COUNT] = {
	[SINGLE_FROM] = "From",
	[SINGLE_REPLY_TO] = "Reply-To",
	[SINGLE_DATE] = "Date",
	[SINGLE_MESSAGE_ID] = "Message-ID",
	[SINGLE_OTHER] = "Sender",
	"To",
	"Cc",
	"Subject",
	"In-Reply-To",
	"References",
};

/* Which of them stays: the first that is not empty, else the first. */
struct chosen {
	struct header_field field;
	bool there;
	bool empty;
};

struct repair {
	const struct header_context *context;
	struct buf *out;
	struct header_result *result;
	struct buf qualified; /* the field, its addresses with domains */
	struct buf clean;     /* the field, its lines put in order */
	struct buf encoded;   /* the same, its 8-bit text encoded */
	struct chosen chosen[SINGLE_COUNT];
	struct sender_plan plan;
};

static const struct {
	enum header_repair repair;
	const char *text;
} repair_rows[] = {
	{HEADER_ADDED_DATE, "no-date"},
	{HEADER_ADDED_MESSAGE_ID, "no-message-id"},
	{HEADER_ADDED_FROM, "no-from"},
	{HEADER_REMOVED_BCC, "bcc-removed"},
	{HEADER_ENCODED_8BIT, "8bit-encoded"},
	{HEADER_FOLDED, "folded"},
	{HEADER_ENDED_EARLY, "ended-early"},
	{HEADER_REMOVED_DUPLICATE, "duplicate-removed"},
	{HEADER_REWROTE_FROM, "from-rewritten"},
	{HEADER_REPAIRED_FROM, "from-repaired"},
	{HEADER_ADDED_REPLY_TO, "reply-to-added"},
	{HEADER_REMOVED_SENDER, "sender-removed"},
	{HEADER_REMOVED_DKIM, "dkim-removed"},
	{HEADER_ADDED_DOMAIN, "domain-added"},
};

static unsigned field_traits(const struct header_field *f)
{
	const char *line = f->whole, *end = f->whole + f->whole_len, *lf;
	unsigned traits = 0;
	size_t len, text;

	if (f->whole[f->name_len] != ':')
		traits |= TRAIT_GAP;
	if (!text_is_ascii(f->value, f->value_len))
		traits |= TRAIT_8BIT;
	for (; line < end; line += len) {
		lf = memchr(line, '\n', (size_t)(end - line));
		len = (size_t)((lf != NULL ? lf + 1 : end) - line);
		for (text = 0; text < len && header_is_space(line[text]);)
			text++;
		if (text == len)
			traits |= TRAIT_BLANK;
		if (len > HEADER_LINE_MAX + 2)
			traits |= TRAIT_LONG;
	}
	return traits;
}

/* Copies the field to *to without white space before the colon and without
 * blank lines, and makes *out the copy. */
static int clean_field(
	struct buf *to, const struct header_field *f, struct header_field *out)
{
	const char *line = f->value, *end = f->whole + f->whole_len, *lf;
	size_t len, text, pos = 0;

	buf_clear(to);
	if (buf_add(to, f->name, f->name_len) != 0 || buf_add(to, ":", 1) != 0)
		return -1;
	for (; line < end; line += len) {
		lf = memchr(line, '\n', (size_t)(end - line));
		len = (size_t)((lf != NULL ? lf + 1 : end) - line);
		for (text = 0; text < len && header_is_space(line[text]);)
			text++;
		if (text == len && line != f->value)
			continue;
		if (buf_add(to, line, len) != 0)
			return -1;
	}
	return header_field_next(to->data, to->len, &pos, out) == 1 ? 0 : -1;
}

/* Encodes what must be. Makes *field the result, which lies in r->encoded.
 * *limit_out: of a line. */
static int encode_field(
	struct repair *r, struct header_field *field, size_t *limit_out)
{
	struct header_encoding done;
	size_t pos = 0;

	if (r->context->smtputf8 &&
		text_is_utf8(field->value, field->value_len)) {
		r->result->needs_smtputf8 = true;
		return 0;
	}
	buf_clear(&r->encoded);
	if (header_encode(&r->encoded, field, &done) != 0)
		return -1;
	if (done.utf8)
		r->result->needs_smtputf8 = true;
	if (done.changed) {
		r->result->repairs |= HEADER_ENCODED_8BIT;
		*limit_out = RFC2047_LINE_MAX;
	}
	return header_field_next(
		       r->encoded.data, r->encoded.len, &pos, field) == 1
		       ? 0
		       : -1;
}

/* Makes *f the field with whole addresses, which may lie in r->qualified. */
static int qualify_field(struct repair *r, struct header_field *f)
{
	size_t pos = 0;
	bool changed;

	if (r->context->domain == NULL)
		return 0;
	buf_clear(&r->qualified);
	if (header_qualify(&r->qualified, f, r->context->domain, &changed) != 0)
		return -1;
	if (!changed)
		return 0;
	r->result->repairs |= HEADER_ADDED_DOMAIN;
	return header_field_next(
		       r->qualified.data, r->qualified.len, &pos, f) == 1
		       ? 0
		       : -1;
}

/* Adds a field, with all repairs that its own text needs. */
static int add_field(struct repair *r, const struct header_field *f)
{
	const unsigned traits = field_traits(f);
	struct header_field field = *f;
	size_t limit = HEADER_LINE_MAX;
	bool folded = false;

	if (traits != 0 && clean_field(&r->clean, f, &field) != 0)
		return -1;
	if ((traits & TRAIT_8BIT) && encode_field(r, &field, &limit) != 0)
		return -1;
	/* last: what is encoded may be read in another way than before */
	if (qualify_field(r, &field) != 0)
		return -1;
	if (traits == 0 && field.whole == f->whole)
		return buf_add(r->out, f->whole, f->whole_len);
	if (header_fold(r->out, &field, limit, &folded) != 0)
		return -1;
	if (folded && (traits & TRAIT_LONG))
		r->result->repairs |= HEADER_FOLDED;
	return 0;
}

/* The row of single_names, or SINGLE_COUNT. */
static size_t single_of(const struct header_field *f)
{
	size_t i = 0;

	while (i < SINGLE_COUNT && !header_field_is(f, single_names[i]))
		i++;
	return i;
}

static void choose_singles(struct repair *r, const struct header_block *h)
{
	struct header_field f;
	struct chosen *c;
	size_t pos = 0, i;

	while (header_field_next(h->text.data, h->text.len, &pos, &f) == 1) {
		i = single_of(&f);
		if (i == SINGLE_COUNT)
			continue;
		c = &r->chosen[i];
		if (c->there && !(c->empty && !header_field_is_empty(&f)))
			continue;
		c->field = f;
		c->there = true;
		c->empty = header_field_is_empty(&f);
	}
}

static bool has_single(const struct repair *r, enum single single)
{
	return r->chosen[single].there && !r->chosen[single].empty;
}

static int make_plan(struct repair *r)
{
	const struct header_context *c = r->context;
	unsigned *repairs = &r->result->repairs;
	const bool has_from = has_single(r, SINGLE_FROM);
	const struct sender_input in = {
		.policy = c->sender,
		.from = has_from ? &r->chosen[SINGLE_FROM].field : NULL,
		.from_address = c->from_address,
		.domain = c->domain,
		.domain_takes_mail = c->domain_takes_mail,
		.has_reply_to = has_single(r, SINGLE_REPLY_TO),
	};

	if (c->sender == NULL)
		return 0;
	if (sender_plan_make(&r->plan, &in) != 0)
		return -1;
	if (r->plan.rewritten)
		*repairs |= HEADER_REWROTE_FROM;
	else if (r->plan.fields.len > 0)
		*repairs |= HEADER_REPAIRED_FROM;
	if (r->plan.reply_to)
		*repairs |= HEADER_ADDED_REPLY_TO;
	return 0;
}

/* Adds what stands in place of From. */
static int add_sender(struct repair *r)
{
	const struct buf *fields = &r->plan.fields;
	struct header_field f;
	size_t pos = 0;

	while (header_field_next(fields->data, fields->len, &pos, &f) == 1)
		if (add_field(r, &f) != 0)
			return -1;
	return 0;
}

/* The field is not to stay. */
static bool is_removed(struct repair *r, const struct header_field *f)
{
	unsigned *repairs = &r->result->repairs;
	size_t single = single_of(f);

	if (header_field_is(f, "Bcc") || header_field_is(f, "Resent-Bcc")) {
		*repairs |= HEADER_REMOVED_BCC;
		return true;
	}
	if (sender_plan_drops(&r->plan, f)) {
		if (header_field_is(f, "Sender"))
			*repairs |= HEADER_REMOVED_SENDER;
		if (header_field_is(f, "DKIM-Signature"))
			*repairs |= HEADER_REMOVED_DKIM;
		return true;
	}
	if (single == SINGLE_COUNT)
		return false;
	if (f->whole != r->chosen[single].field.whole) {
		if (!header_field_is_empty(f))
			*repairs |= HEADER_REMOVED_DUPLICATE;
		return true;
	}
	/* An empty one is as good as none, and one is added. */
	return r->chosen[single].empty &&
	       (single == SINGLE_FROM || single == SINGLE_DATE ||
		       single == SINGLE_MESSAGE_ID);
}

static int add_fields(struct repair *r, const struct header_block *h)
{
	struct header_field f;
	size_t pos = 0;
	int rc = 0;

	while (rc == 0 &&
		header_field_next(h->text.data, h->text.len, &pos, &f) == 1) {
		if (is_removed(r, &f))
			continue;
		if (r->plan.fields.len > 0 && header_field_is(&f, "From"))
			rc = add_sender(r);
		else
			rc = add_field(r, &f);
	}
	return rc;
}

/* Adds a field of our own. Its value comes from our side, but may quote what a
 * client said: no line end gets by, and 8-bit text only where it must (an
 * address) or was asked for. */
static int add_own(
	struct repair *r, const char *name, const char *value, size_t limit)
{
	struct header_field f;
	bool folded = false, utf8;
	size_t pos = 0;
	char *c, *end;

	buf_clear(&r->clean);
	if (buf_add_strings(&r->clean, STRINGS(name, ": ", value)) != 0)
		return -1;
	utf8 = text_is_utf8(value, strlen(value)) &&
	       (r->context->smtputf8 || strcmp(name, "From") == 0);
	end = r->clean.data + r->clean.len;
	for (c = r->clean.data; c < end; c++) {
		if ((unsigned char)*c < ' ')
			*c = ' ';
		else if (*c == 127 || ((unsigned char)*c > 127 && !utf8))
			*c = '?';
	}
	if (!text_is_ascii(r->clean.data, r->clean.len))
		r->result->needs_smtputf8 = true;
	if (buf_add_string(&r->clean, "\r\n") != 0 ||
		header_field_next(r->clean.data, r->clean.len, &pos, &f) != 1)
		return -1;
	return header_fold(r->out, &f, limit, &folded);
}

static int add_message_id(struct repair *r)
{
	buf_clear(&r->encoded);
	if (buf_add_strings(&r->encoded,
		    STRINGS("<", r->context->message_id, ">")) != 0)
		return -1;
	return add_own(r, "Message-ID", r->encoded.data, HEADER_LINE_MAX);
}

static int add_missing(struct repair *r)
{
	const struct header_context *c = r->context;
	unsigned *repairs = &r->result->repairs;
	char date[DATE_TEXT_MAX];

	if (!has_single(r, SINGLE_DATE)) {
		*repairs |= HEADER_ADDED_DATE;
		date_print(c->now_s, c->utc_offset_s, date, sizeof(date));
		if (add_own(r, "Date", date, HEADER_LINE_MAX) != 0)
			return -1;
	}
	if (!has_single(r, SINGLE_MESSAGE_ID)) {
		*repairs |= HEADER_ADDED_MESSAGE_ID;
		if (add_message_id(r) != 0)
			return -1;
	}
	if (!has_single(r, SINGLE_FROM)) {
		*repairs |= HEADER_ADDED_FROM;
		if (r->plan.fields.len > 0)
			return add_sender(r);
		if (add_own(r, "From", c->from_address, HEADER_LINE_MAX) != 0)
			return -1;
	}
	return 0;
}

static int add_all(struct repair *r, const struct header_block *h)
{
	choose_singles(r, h);
	if (make_plan(r) != 0)
		return -1;
	if (add_own(r, "Received", r->context->received, RECEIVED_LINE_MAX) !=
		0)
		return -1;
	if (add_fields(r, h) != 0 || add_missing(r) != 0)
		return -1;
	return buf_add_string(r->out, "\r\n");
}

int header_repair(const struct header_block *h, const struct header_context *c,
	struct buf *out, struct header_result *result, struct err *err)
{
	struct repair r = {.context = c, .out = out, .result = result};
	size_t begin = out->len;
	int rc;

	memset(result, 0, sizeof(*result));
	if (h->no_memory)
		return err_set(err, ERR_SYSTEM, "no memory for the header");
	if (h->too_large)
		return err_set(err, ERR_LIMIT,
			"the header is larger than %d octets",
			HEADER_BLOCK_MAX);
	if (h->received > HEADER_RECEIVED_MAX)
		return err_set(err, ERR_PROTOCOL,
			"%u Received fields, more than %d: a mail loop",
			h->received, HEADER_RECEIVED_MAX);
	buf_init(&r.qualified, FIELD_WORK_MAX);
	buf_init(&r.clean, FIELD_WORK_MAX);
	buf_init(&r.encoded, FIELD_WORK_MAX);
	if (!h->empty_line)
		result->repairs |= HEADER_ENDED_EARLY;
	errno = 0;
	rc = add_all(&r, h);
	if (rc != 0) {
		out->len = begin;
		if (out->data != NULL)
			out->data[begin] = '\0';
		if (errno == ENOMEM)
			err_set(err, ERR_SYSTEM, "no memory for the header");
		else
			err_set(err, ERR_LIMIT,
				"the repaired header is larger than %zu octets",
				out->max);
	}
	buf_free(&r.qualified);
	buf_free(&r.clean);
	buf_free(&r.encoded);
	sender_plan_free(&r.plan);
	return rc;
}

const char *header_repairs_print(unsigned repairs, char *text, size_t size)
{
	size_t i, len = 0;

	if (size == 0)
		return text;
	text[0] = '\0';
	for (i = 0; i < COUNT_OF(repair_rows); i++) {
		if (!(repairs & repair_rows[i].repair))
			continue;
		if (len + (len > 0) + strlen(repair_rows[i].text) >= size)
			break; /* no half words */
		len += text_join(text + len, size - len,
			STRINGS(len > 0 ? "," : "", repair_rows[i].text));
	}
	return text;
}
