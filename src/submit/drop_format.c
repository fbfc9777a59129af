/*
 * drop_format.c - what stands before a message in SPOOL/drop/.
 */
#include "config.h"

#include "submit/drop_format.h"

#include "base/util.h"
#include "proto/address.h"
#include "proto/dsn.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK_SIZE = 16 * 1024 };

static const char first_line[] = "gmrelay-drop 1";

/* Sets *to to a copy of text, once. */
static int keep(char **to, const char *text, struct err *err)
{
	if (*to != NULL)
		return err_set(err, ERR_SYNTAX, "a line is there twice");
	*to = strdup(text);
	return *to != NULL ? 0 : err_set(err, ERR_SYSTEM, "out of memory");
}

/* The address must be just what address_parse() makes of it. */
static int check_address(
	struct drop_envelope *e, const char *text, struct err *err)
{
	struct address address;

	if (address_parse(&address, text, strlen(text), true, err) != 0)
		return -1;
	if (strcmp(address.text, text) != 0)
		return err_set(err, ERR_SYNTAX, "an address is not canonical");
	e->smtputf8 |= address.utf8;
	return 0;
}

static int take_from(struct drop_parser *p, const char *text, struct err *err)
{
	if (*text != '\0' && check_address(&p->envelope, text, err) != 0)
		return -1;
	return keep(&p->envelope.from, text, err);
}

static int take_to(struct drop_parser *p, const char *text, struct err *err)
{
	struct drop_envelope *e = &p->envelope;
	char **grown;

	if (check_address(e, text, err) != 0)
		return -1;
	if (e->rcpt_count == DROP_RECIPIENTS_MAX)
		return err_set(err, ERR_LIMIT, "more than %d recipients",
			DROP_RECIPIENTS_MAX);
	if (e->rcpt_count == p->rcpt_cap) {
		p->rcpt_cap = p->rcpt_cap > 0 ? 2 * p->rcpt_cap : 8;
		grown = realloc(e->rcpts, p->rcpt_cap * sizeof(*grown));
		if (grown == NULL)
			return err_set(err, ERR_SYSTEM, "out of memory");
		e->rcpts = grown;
	}
	e->rcpts[e->rcpt_count] = NULL;
	if (keep(&e->rcpts[e->rcpt_count], text, err) != 0)
		return -1;
	e->rcpt_count++;
	return 0;
}

static int take_notify(struct drop_parser *p, const char *text, struct err *err)
{
	unsigned notify;

	if (dsn_parse_notify(text, strlen(text), &notify) != 0)
		return err_set(err, ERR_SYNTAX, "a bad notify line");
	return keep(&p->envelope.notify, text, err);
}

static int take_ret(struct drop_parser *p, const char *text, struct err *err)
{
	enum dsn_ret ret;

	if (dsn_parse_ret(text, strlen(text), &ret) != 0)
		return err_set(err, ERR_SYNTAX, "a bad ret line");
	return keep(&p->envelope.ret, text, err);
}

static int take_envid(struct drop_parser *p, const char *text, struct err *err)
{
	if (!dsn_is_envid(text, strlen(text)))
		return err_set(err, ERR_SYNTAX, "a bad envid line");
	return keep(&p->envelope.envid, text, err);
}

/* Decimal digits alone. Returns 0, -1. */
static int parse_number(const char *text, uint64_t max, uint64_t *out)
{
	unsigned long long number;
	char *end;

	errno = 0;
	number = strtoull(text, &end, 10);
	if (*text < '0' || *text > '9' || *end != '\0' || errno != 0 ||
		number > max)
		return -1;
	*out = number;
	return 0;
}

static int take_uid(struct drop_parser *p, const char *text, struct err *err)
{
	uint64_t uid;

	if (p->envelope.has_uid ||
		parse_number(text, UINT32_MAX - 1, &uid) != 0)
		return err_set(err, ERR_SYNTAX, "a bad uid line");
	p->envelope.has_uid = true;
	p->envelope.uid = (uint32_t)uid;
	return 0;
}

static int take_size(struct drop_parser *p, const char *text, struct err *err)
{
	if (p->envelope.has_size ||
		parse_number(text, DROP_MESSAGE_MAX, &p->envelope.size) != 0)
		return err_set(err, ERR_SYNTAX, "a bad size line");
	p->envelope.has_size = true;
	return 0;
}

static const struct {
	const char *key;
	int (*take)(struct drop_parser *p, const char *text, struct err *err);
} rows[] = {
	{"size ", take_size},
	{"from ", take_from},
	{"to ", take_to},
	{"uid ", take_uid},
	{"notify ", take_notify},
	{"ret ", take_ret},
	{"envid ", take_envid},
};

static int take_line(struct drop_parser *p, struct err *err)
{
	size_t i, len;

	p->line[p->len] = '\0';
	for (i = 0; i < p->len; i++)
		if ((unsigned char)p->line[i] < ' ' || p->line[i] == 0x7f)
			return err_set(err, ERR_SYNTAX,
				"line %zu holds a control character", p->lines);
	if (p->lines == 1) {
		if (strcmp(p->line, first_line) == 0)
			return 0;
		return err_set(err, ERR_SYNTAX, "it does not begin with \"%s\"",
			first_line);
	}
	if (p->len == 0) {
		if (!p->envelope.has_size || p->envelope.from == NULL ||
			p->envelope.rcpt_count == 0)
			return err_set(err, ERR_SYNTAX,
				"it lacks its size, the sender or the "
				"recipients");
		return 1;
	}
	for (i = 0; i < COUNT_OF(rows); i++) {
		len = strlen(rows[i].key);
		if (strncmp(p->line, rows[i].key, len) == 0)
			return rows[i].take(p, p->line + len, err);
	}
	return err_set(err, ERR_SYNTAX, "line %zu is not known", p->lines);
}

void drop_parser_init(struct drop_parser *p)
{
	memset(p, 0, sizeof(*p));
}

void drop_parser_free(struct drop_parser *p)
{
	struct drop_envelope *e = &p->envelope;
	size_t i;

	for (i = 0; i < e->rcpt_count; i++)
		free(e->rcpts[i]);
	free(e->rcpts);
	free(e->from);
	free(e->notify);
	free(e->ret);
	free(e->envid);
	memset(p, 0, sizeof(*p));
}

int drop_parser_feed(struct drop_parser *p, const char *data, size_t len,
	size_t *used_out, struct err *err)
{
	size_t i;
	int rc;

	for (i = 0; i < len; i++) {
		if (data[i] != '\n' && p->len == DROP_LINE_MAX)
			return err_set(err, ERR_LIMIT,
				"a line is longer than %d bytes",
				DROP_LINE_MAX);
		if (++p->taken > DROP_ENVELOPE_MAX)
			return err_set(err, ERR_LIMIT,
				"the lines before the message are too many");
		if (data[i] != '\n') {
			p->line[p->len++] = data[i];
			continue;
		}
		p->lines++;
		rc = take_line(p, err);
		p->len = 0;
		if (rc != 0) {
			*used_out = i + 1;
			return rc;
		}
	}
	*used_out = len;
	return 0;
}

static int print_line(struct buf *out, const char *key, const char *value)
{
	return value != NULL ? buf_addf(out, "%s %s\n", key, value) : 0;
}

int drop_envelope_print(const struct submit_message *m, struct buf *out)
{
	size_t i;

	if (buf_addf(out, "%s\nsize %llu\nfrom %s\n", first_line,
		    (unsigned long long)submit_size(m), m->from) != 0)
		return -1;
	for (i = 0; i < m->rcpt_count; i++)
		if (m->fates[i] == SUBMIT_OPEN &&
			print_line(out, "to", m->rcpts[i]) != 0)
			return -1;
	if (m->has_owner && buf_addf(out, "uid %u\n", (unsigned)m->owner) != 0)
		return -1;
	if (print_line(out, "notify", m->notify) != 0 ||
		print_line(out, "ret", m->ret) != 0 ||
		print_line(out, "envid", m->envid) != 0)
		return -1;
	return buf_add(out, "\n", 1);
}

static int copy_file(int to, const struct submit_part *part)
{
	char block[BLOCK_SIZE];
	uint64_t at = 0;
	ssize_t n;

	for (; at < part->len; at += (uint64_t)n) {
		n = pread_full(part->fd, block, sizeof(block),
			part->offset + (off_t)at);
		if (n == 0)
			errno = EIO;
		if (n <= 0 || write_full(to, block, (size_t)n) != 0)
			return -1;
	}
	return 0;
}

int drop_message_write(const struct submit_message *m, int fd)
{
	const struct submit_part *part;
	size_t i;

	for (i = 0; i < m->part_count; i++) {
		part = &m->parts[i];
		if (part->data != NULL ? write_full(fd, part->data,
						 (size_t)part->len) != 0
				       : copy_file(fd, part) != 0)
			return -1;
	}
	return 0;
}
