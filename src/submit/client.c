/*
 * client.c - hands messages in by SMTP over a Unix socket, waiting for each
 *            answer.
 */
#include "config.h"

#include "submit/client.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/address.h"
#include "proto/line.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	COMMAND_MAX = ADDRESS_MAX + 1024,
	BLOCK_SIZE = 16 * 1024, /* of the message, at a time */
	CLASS_GOOD = 2,
	CLASS_LATER = 4,
};

struct client {
	int fd;
	int64_t until_ms; /* 0: none */
	struct buf in;
	size_t used; /* of in */
	struct line_splitter splitter;
	struct reply reply; /* the last one */
	bool dsn;           /* offered */
};

/* --- connection ----------------------------------------------------------- */

int submit_set_timeout(int fd, int timeout_ms)
{
	const struct timeval timeout = {.tv_sec = timeout_ms / 1000,
		.tv_usec = timeout_ms % 1000 * 1000};

	if (setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &timeout,
		    sizeof(timeout)) != 0 ||
		setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &timeout,
			sizeof(timeout)) != 0)
		return -1;
	return 0;
}

int submit_connect(const char *path, int timeout_ms, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path))
		return err_set(err, ERR_LIMIT,
			"%s: the path of a socket is too long", path);
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_errno(err, "cannot make a socket");
	if (submit_set_timeout(fd, timeout_ms) != 0 ||
		connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		err_errno(err, "cannot connect to gmrelayd at %s", path);
		close(fd);
		return -1;
	}
	return fd;
}

static int no_answer(struct err *err)
{
	if (errno == EAGAIN || errno == EWOULDBLOCK)
		return err_set(err, ERR_LIMIT, "gmrelayd does not answer");
	return err_errno(err, "the connection to gmrelayd broke");
}

/* Before a call that may block. Returns 0; -1 with errno set as by such a call
 * when the time is over. */
static int bound_call(const struct client *c)
{
	int64_t left = c->until_ms - clock_boot_ms();

	if (c->until_ms == 0)
		return 0;
	if (left <= 0) {
		errno = EAGAIN;
		return -1;
	}
	return submit_set_timeout(c->fd,
		left < SUBMIT_TIMEOUT_MS ? (int)left : SUBMIT_TIMEOUT_MS);
}

static int read_more(struct client *c, struct err *err)
{
	char *to;
	ssize_t n;

	if (c->used > 0) {
		memmove(c->in.data, c->in.data + c->used, c->in.len - c->used);
		c->in.len -= c->used;
		c->used = 0;
	}
	to = buf_reserve(&c->in, REPLY_LINE_MAX);
	if (to == NULL)
		return err_set(err, ERR_PROTOCOL, "the answer has no end");
	do
		n = bound_call(c) == 0 ? recv(c->fd, to, REPLY_LINE_MAX, 0)
				       : -1;
	while (n < 0 && errno == EINTR);
	if (n < 0)
		return no_answer(err);
	if (n == 0)
		return err_set(
			err, ERR_PROTOCOL, "gmrelayd closed the connection");
	c->in.len += (size_t)n;
	return 0;
}

static bool offers_dsn(const struct line *line)
{
	static const char keyword[] = "DSN";
	const size_t code = 4; /* "250-" */

	return line->len == code + sizeof(keyword) - 1 &&
	       strncasecmp(line->text + code, keyword, sizeof(keyword) - 1) ==
		       0;
}

/* Reads one reply into c->reply. */
static int read_reply(struct client *c, struct err *err)
{
	struct line line;
	int rc, got = 0;

	reply_init(&c->reply);
	while (got == 0) {
		if (c->in.len == c->used && read_more(c, err) != 0)
			return -1;
		rc = line_split(&c->splitter, c->in.data + c->used,
			c->in.len - c->used, &line);
		if (rc == 0 && read_more(c, err) != 0)
			return -1;
		if (rc == 0)
			continue;
		got = rc > 0 ? reply_add_line(&c->reply, line.text, line.len)
			     : -1;
		c->dsn |= got >= 0 && offers_dsn(&line);
		c->used += line.used;
	}
	if (got < 0)
		return err_set(err, ERR_PROTOCOL,
			"what answers there does not speak SMTP");
	return 0;
}

static int write_all(struct client *c, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0) {
		n = bound_call(c) == 0 ? send(c->fd, data, len, MSG_NOSIGNAL)
				       : -1;
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		data += n;
		len -= (size_t)n;
	}
	return 0;
}

/* One command and its reply. Returns 0 whatever the reply says. */
static int ask(struct client *c, const char *command, struct err *err)
{
	if (write_all(c, command, strlen(command)) != 0)
		return no_answer(err);
	return read_reply(c, err);
}

static int reply_class(const struct client *c)
{
	return c->reply.code / 100;
}

/* The reply is why something stays open. */
static int later(const struct client *c, struct err *err)
{
	char text[ERR_TEXT_MAX / 2];

	return err_set(err, ERR_LIMIT, "gmrelayd says %s",
		reply_print(&c->reply, text, sizeof(text)));
}

static int greet(struct client *c, const char *helo, struct err *err)
{
	char command[COMMAND_MAX];

	if (read_reply(c, err) != 0)
		return -1;
	if (reply_class(c) != CLASS_GOOD)
		return later(c, err);
	c->dsn = false;
	snprintf(command, sizeof(command), "EHLO %s\r\n", helo);
	if (ask(c, command, err) != 0)
		return -1;
	return reply_class(c) == CLASS_GOOD ? 0 : later(c, err);
}

/* --- a transaction -------------------------------------------------------- */

uint64_t submit_size(const struct submit_message *m)
{
	uint64_t size = 0;
	size_t i;

	for (i = 0; i < m->part_count; i++)
		size += m->parts[i].len;
	return size;
}

size_t submit_count(const struct submit_message *m, enum submit_fate fate)
{
	size_t count = 0, i;

	for (i = 0; i < m->rcpt_count; i++)
		count += m->fates[i] == fate;
	return count;
}

/* Accepted by RCPT: decided together with the message. */
enum { FATE_WITH_MESSAGE = SUBMIT_REFUSED + 1 };

/* All recipients with fate from have the fate to now. */
static void decide(struct client *c, struct submit_message *m, unsigned from,
	enum submit_fate to)
{
	size_t i;

	for (i = 0; i < m->rcpt_count; i++) {
		if (m->fates[i] != from)
			continue;
		m->fates[i] = (unsigned char)to;
		if (to == SUBMIT_REFUSED)
			m->on_refused(m->arg, i, &c->reply);
	}
}

static void add_param(
	char *command, size_t size, const char *name, const char *value)
{
	size_t len = strlen(command);

	if (value != NULL)
		snprintf(command + len, size - len, " %s=%s", name, value);
}

static int say_mail(struct client *c, struct submit_message *m, struct err *err)
{
	char command[COMMAND_MAX], owner[16];
	size_t len;

	snprintf(owner, sizeof(owner), "%u", (unsigned)m->owner);
	snprintf(command, sizeof(command), "MAIL FROM:<%s> SIZE=%llu%s",
		m->from, (unsigned long long)submit_size(m),
		m->smtputf8 ? " SMTPUTF8" : "");
	add_param(command, sizeof(command) - 2, "XUID",
		m->has_owner ? owner : NULL);
	if (c->dsn) {
		add_param(command, sizeof(command) - 2, "RET", m->ret);
		add_param(command, sizeof(command) - 2, "ENVID", m->envid);
	}
	len = strlen(command);
	snprintf(command + len, sizeof(command) - len, "\r\n");
	if (ask(c, command, err) != 0)
		return -1;
	if (reply_class(c) == CLASS_GOOD)
		return 0;
	if (reply_class(c) == CLASS_LATER)
		return later(c, err);
	decide(c, m, SUBMIT_OPEN, SUBMIT_REFUSED);
	return 0;
}

/* Names recipient i. Returns 1 accepted, 0 refused, -1 with err: later. */
static int say_rcpt(
	struct client *c, struct submit_message *m, size_t i, struct err *err)
{
	char command[COMMAND_MAX];
	size_t len;

	snprintf(command, sizeof(command), "RCPT TO:<%s>", m->rcpts[i]);
	if (c->dsn)
		add_param(command, sizeof(command) - 2, "NOTIFY", m->notify);
	len = strlen(command);
	snprintf(command + len, sizeof(command) - len, "\r\n");
	if (ask(c, command, err) != 0)
		return -1;
	if (reply_class(c) == CLASS_GOOD) {
		m->fates[i] = FATE_WITH_MESSAGE;
		return 1;
	}
	if (reply_class(c) == CLASS_LATER)
		return later(c, err);
	m->fates[i] = SUBMIT_REFUSED;
	m->on_refused(m->arg, i, &c->reply);
	return 0;
}

/* Names recipients until one has to wait (RFC 5321 4.5.3.1.10: 452 is for
 * another transaction). Returns how many were accepted; -1 with err when none
 * was and one waits, or the connection is gone. */
static ssize_t say_rcpts(
	struct client *c, struct submit_message *m, struct err *err)
{
	ssize_t accepted = 0;
	size_t i;
	int rc;

	for (i = 0; i < m->rcpt_count; i++) {
		if (m->fates[i] != SUBMIT_OPEN)
			continue;
		c->reply.code = 0;
		rc = say_rcpt(c, m, i, err);
		if (rc < 0)
			return accepted > 0 && reply_class(c) == CLASS_LATER
				       ? accepted
				       : -1;
		accepted += rc;
	}
	return accepted;
}

static int send_file(
	struct client *c, const struct submit_part *part, struct err *err)
{
	char block[BLOCK_SIZE];
	uint64_t at = 0;
	ssize_t n;

	for (; at < part->len; at += (uint64_t)n) {
		n = pread_full(part->fd, block,
			part->len - at < sizeof(block)
				? (size_t)(part->len - at)
				: sizeof(block),
			part->offset + (off_t)at);
		if (n < 0)
			return err_errno(err, "cannot read the message");
		if (n == 0)
			return err_set(err, ERR_DAMAGED,
				"the message became shorter meanwhile");
		if (write_all(c, block, (size_t)n) != 0)
			return no_answer(err);
	}
	return 0;
}

static int send_text(
	struct client *c, const struct submit_message *m, struct err *err)
{
	const struct submit_part *part;
	size_t i;

	for (i = 0; i < m->part_count; i++) {
		part = &m->parts[i];
		if (part->data == NULL) {
			if (send_file(c, part, err) != 0)
				return -1;
		} else if (write_all(c, part->data, (size_t)part->len) != 0) {
			return no_answer(err);
		}
	}
	return 0;
}

static int say_text(struct client *c, struct submit_message *m, struct err *err)
{
	char command[64];

	snprintf(command, sizeof(command), "BDAT %llu LAST\r\n",
		(unsigned long long)submit_size(m));
	if (write_all(c, command, strlen(command)) != 0)
		return no_answer(err);
	if (send_text(c, m, err) != 0 || read_reply(c, err) != 0)
		return -1;
	if (reply_class(c) == CLASS_LATER)
		return later(c, err);
	if (reply_class(c) == CLASS_GOOD && m->on_taken != NULL)
		m->on_taken(m->arg, &c->reply);
	decide(c, m, FATE_WITH_MESSAGE,
		reply_class(c) == CLASS_GOOD ? SUBMIT_TAKEN : SUBMIT_REFUSED);
	return 0;
}

static int transaction(
	struct client *c, struct submit_message *m, struct err *err)
{
	ssize_t accepted;

	if (say_mail(c, m, err) != 0)
		return -1;
	if (submit_count(m, SUBMIT_OPEN) == 0)
		return 0;
	accepted = say_rcpts(c, m, err);
	if (accepted < 0)
		return -1;
	return accepted > 0 ? say_text(c, m, err) : 0;
}

int submit_send(
	int fd, const char *helo, struct submit_message *m, struct err *err)
{
	struct client c = {.fd = fd, .until_ms = m->until_ms};
	size_t open = submit_count(m, SUBMIT_OPEN), left = 0, i;
	int rc;

	buf_init(&c.in, 2 * REPLY_LINE_MAX);
	line_splitter_init(&c.splitter, REPLY_LINE_MAX);
	rc = greet(&c, helo, err);
	m->let_in = rc == 0;
	while (rc == 0 && open > 0) {
		rc = transaction(&c, m, err);
		left = submit_count(m, SUBMIT_OPEN);
		/* each decides something, or has failed */
		if (rc == 0 && left == open)
			rc = err_set(err, ERR_PROTOCOL,
				"gmrelayd takes no recipient");
		open = left;
	}
	for (i = 0; i < m->rcpt_count; i++)
		if (m->fates[i] == FATE_WITH_MESSAGE)
			m->fates[i] = SUBMIT_OPEN;
	if (rc == 0)
		(void)write_all(&c, "QUIT\r\n", 6);
	buf_free(&c.in);
	close(fd);
	return rc;
}

int submit_deliver(const char *path, const char *helo, struct submit_message *m,
	struct err *err)
{
	size_t before, left = submit_count(m, SUBMIT_OPEN);
	int fd, rc;

	do {
		before = left;
		m->let_in = false;
		fd = submit_connect(path, SUBMIT_TIMEOUT_MS, err);
		if (fd < 0)
			return -1;
		rc = submit_send(fd, helo, m, err);
		left = submit_count(m, SUBMIT_OPEN);
	} while (rc != 0 && left > 0 && left < before);
	return rc;
}
