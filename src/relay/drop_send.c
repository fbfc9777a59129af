/*
 * drop_send.c - a dropped message to the receiver, and word of it to its
 * sender.
 */
#include "config.h"

#include "relay/drop_internal.h"

#include "base/conf.h"
#include "base/util.h"
#include "proto/dsn.h"
#include "proto/header.h"
#include "proto/line.h"
#include "proto/local.h"
#include "relay/report.h"
#include "relay/report_cap.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { HOST_MAX = 255 };

/* --- connections that drop_look_stop() can end ---------------------------- */

/* Lends fd to drop_look_stop(). Returns false when it came before. */
static bool lend(struct drop_look *look, int fd)
{
	bool go_on;

	pthread_mutex_lock(&look->mutex);
	go_on = !look->stop;
	/* a descriptor of our own: the client closes its one */
	if (go_on)
		look->connection = dup(fd);
	pthread_mutex_unlock(&look->mutex);
	return go_on;
}

static void take_back(struct drop_look *look)
{
	pthread_mutex_lock(&look->mutex);
	if (look->connection >= 0)
		close(look->connection);
	look->connection = -1;
	pthread_mutex_unlock(&look->mutex);
}

void drop_look_stop(struct drop_look *look, bool break_off)
{
	pthread_mutex_lock(&look->mutex);
	look->stop = true;
	if (break_off && look->connection >= 0)
		shutdown(look->connection, SHUT_RDWR);
	pthread_mutex_unlock(&look->mutex);
}

/* As submit_deliver(). Returns 0 when nothing is open; -1 with err. */
static int deliver(
	struct drop_look *look, struct submit_message *m, struct err *err)
{
	size_t before, left = submit_count(m, SUBMIT_OPEN);
	char host[HOST_MAX + 1];
	int fd, rc;

	if (gethostname(host, sizeof(host)) != 0)
		host[0] = '\0';
	host[HOST_MAX] = '\0';
	do {
		before = left;
		m->let_in = false;
		fd = submit_connect(look->conf->submit, SUBMIT_TIMEOUT_MS, err);
		if (fd < 0)
			return -1;
		if (!lend(look, fd)) {
			close(fd);
			return err_set(err, ERR_LIMIT, "stopping");
		}
		rc = submit_send(
			fd, host[0] != '\0' ? host : "localhost", m, err);
		take_back(look);
		left = submit_count(m, SUBMIT_OPEN);
	} while (rc != 0 && left > 0 && left < before);
	return rc;
}

/* --- word to the sender --------------------------------------------------- */

/* What was refused, as a report wants to know it. */
struct refusals {
	struct envelope *env;
	const struct submit_message *message;
	char first[DROP_WHY_MAX];
	bool no_memory;
};

static void on_refused(void *arg, size_t i, const struct reply *reply)
{
	struct refusals *r = arg;
	const struct submit_message *m = r->message;
	char text[ENVELOPE_REPLY_MAX];
	struct envelope_rcpt *rcpt;

	reply_print(reply, text, sizeof(text));
	if (r->first[0] == '\0')
		snprintf(r->first, sizeof(r->first), "%.*s", DROP_WHY_MAX - 1,
			text);
	if (envelope_add_rcpt(r->env, m->rcpts[i]) != 0) {
		r->no_memory = true;
		return;
	}
	rcpt = &r->env->rcpts[r->env->rcpt_count - 1];
	rcpt->state = RCPT_FAILED;
	if (m->notify != NULL)
		(void)dsn_parse_notify(
			m->notify, strlen(m->notify), &rcpt->notify);
	if (envelope_set_reply(rcpt, text) != 0)
		r->no_memory = true;
}

/* The sender as the receiver would write it. */
static int find_sender(
	const struct drop_look *look, const char *text, struct address *out)
{
	memset(out, 0, sizeof(*out));
	if (*text == '\0')
		return 0;
	if (address_parse(out, text, strlen(text), true, NULL) != 0)
		return -1;
	return local_qualify(out, local_domain(look->names), NULL);
}

static int describe(struct refusals *r, const struct drop_look *look,
	const struct drop_mail *mail)
{
	const struct submit_message *m = &mail->message;
	struct address from;

	r->message = m;
	r->env = envelope_new();
	if (r->env == NULL || find_sender(look, m->from, &from) != 0)
		return -1;
	r->env->arrived_s = clock_wall_s();
	r->env->size = submit_size(m);
	snprintf(r->env->client, sizeof(r->env->client), "uid %u",
		(unsigned)mail->uid);
	if (m->envid != NULL && envelope_set_envid(r->env, m->envid) != 0)
		return -1;
	return envelope_set_reverse_path(r->env, from.text);
}

static void read_header(const char *data, size_t len, struct header_block *out)
{
	struct line_splitter splitter;
	struct line line;
	size_t at = 0;

	header_block_init(out);
	line_splitter_init(&splitter, REPORT_HEADERS_MAX);
	while (!out->ended &&
		line_split(&splitter, data + at, len - at, &line) > 0) {
		header_block_add(out, line.text, line.len);
		at += line.used;
	}
}

/* The header of the message, which a report quotes. */
static struct content *quoted(const struct submit_part *part)
{
	struct header_block header;
	struct buf text, block;
	char *to;
	ssize_t n = -1;

	buf_init(&text, REPORT_HEADERS_MAX);
	buf_init(&block, REPORT_HEADERS_MAX);
	to = buf_reserve(&text, REPORT_HEADERS_MAX - 1);
	if (to != NULL)
		n = pread_full(
			part->fd, to, REPORT_HEADERS_MAX - 1, part->offset);
	if (n > 0) {
		read_header(to, (size_t)n, &header);
		/* what does not fit is not quoted */
		(void)buf_add(&block, header.text.data, header.text.len);
		header_block_free(&header);
	}
	buf_free(&text);
	return content_of_buf(&block, 0);
}

static int write_report(const struct drop_look *look,
	const struct drop_mail *mail, const struct refusals *r, const char *to,
	struct buf *out)
{
	struct report report = {
		.kind = REPORT_FAILED,
		.original = r->env,
		.content = quoted(&mail->message.parts[0]),
		.to = to,
		.from = look->conf->accounts[0].username,
		.hostname = look->names->host,
		.id = random_u64(),
		.now_s = clock_wall_s(),
		.expire_s = -1,
	};
	int rc = report_write(&report, out, NULL);

	content_free(&report.content);
	return rc;
}

static void ignore_refusal(void *arg, size_t i, const struct reply *reply)
{
	(void)arg;
	(void)i;
	(void)reply;
}

/* Returns what became of the report: TAKEN, LATER or, when there is nobody to
 * be told or who was told of so many already, SET_ASIDE. */
static enum drop_fate tell_sender(struct drop_look *look,
	const struct drop_mail *mail, const struct refusals *r)
{
	unsigned char fate = SUBMIT_OPEN;
	struct address scratch;
	const char *to = report_recipient(r->env, look->names, &scratch);
	struct submit_message m = {
		.from = "",
		.rcpts = &to,
		.rcpt_count = 1,
		.fates = &fate,
		.on_refused = ignore_refusal,
		.part_count = 1,
	};
	const int64_t now = clock_boot_ms();
	enum drop_fate result = DROP_LATER;
	struct buf text;
	uint64_t key;

	/* who asked not to be told is as good as told */
	if (report_count(REPORT_FAILED, r->env) == 0)
		return DROP_TAKEN;
	if (to == NULL)
		return DROP_SET_ASIDE;
	key = report_cap_key(look->cap, to);
	if (!report_cap_allows(look->cap, key, now))
		return DROP_SET_ASIDE;
	buf_init(&text, REPORT_SIZE_MAX);
	if (write_report(look, mail, r, to, &text) == 0) {
		m.parts[0].data = text.data;
		m.parts[0].len = text.len;
		(void)deliver(look, &m, NULL);
		if (fate == SUBMIT_TAKEN) {
			(void)report_cap_take(look->cap, key, now);
			result = DROP_TAKEN;
		} else if (fate == SUBMIT_REFUSED)
			result = DROP_SET_ASIDE;
	}
	buf_free(&text);
	return result;
}

/* --- one message ---------------------------------------------------------- */

static void turn(
	struct submit_message *m, enum submit_fate from, enum submit_fate to)
{
	size_t i;

	for (i = 0; i < m->rcpt_count; i++)
		if (m->fates[i] == from)
			m->fates[i] = (unsigned char)to;
}

/* Some were refused: the sender is to know before they are done with. */
static void settle_refused(struct drop_look *look, struct drop_mail *mail,
	const struct refusals *r, struct drop_outcome *out)
{
	struct submit_message *m = &mail->message;
	const bool others = submit_count(m, SUBMIT_OPEN) > 0;
	enum drop_fate told =
		r->no_memory ? DROP_LATER : tell_sender(look, mail, r);

	snprintf(out->why, sizeof(out->why), "%s", r->first);
	if (told == DROP_TAKEN) {
		turn(m, SUBMIT_REFUSED, SUBMIT_TAKEN);
		out->fate = others ? DROP_LATER : DROP_REFUSED;
	} else {
		turn(m, SUBMIT_REFUSED, SUBMIT_OPEN);
		out->fate = others ? DROP_LATER : told;
	}
}

void drop_send(struct drop_look *look, struct drop_mail *mail,
	struct drop_outcome *out)
{
	struct submit_message *m = &mail->message;
	struct refusals refusals = {.first = ""};
	struct err err = {.text = "out of memory"};
	int rc = -1;

	m->on_refused = on_refused;
	m->arg = &refusals;
	m->let_in = true; /* where it does not come so far */
	if (describe(&refusals, look, mail) == 0)
		rc = deliver(look, m, &err);
	out->fate = rc == 0     ? DROP_TAKEN
		    : m->let_in ? DROP_LATER
				: DROP_UNREACHABLE;
	if (rc != 0)
		snprintf(out->why, sizeof(out->why), "%.*s", DROP_WHY_MAX - 1,
			err.text);
	if (submit_count(m, SUBMIT_REFUSED) > 0)
		settle_refused(look, mail, &refusals, out);
	envelope_free(&refusals.env);
}
