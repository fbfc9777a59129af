/*
 * smtp.c - hands one message in by plain SMTP.
 */
#include "config.h"

#include "ctl/smtp.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/util.h"
#include "proto/line.h"
#include "proto/reply.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { SMTP_LINE_MAX = 1024, SMTP_BUFFER_MAX = 64 * 1024 };

/* --- connect ------------------------------------------------------------- */

static int connect_to(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && connect(fd, sa, len) != 0) {
		close(fd);
		return -1;
	}
	return fd;
}

static int connect_unix(const char *path)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};

	if (strlen(path) >= sizeof(sa.sun_path))
		return -1;
	memcpy(sa.sun_path, path, strlen(path));
	return connect_to((const struct sockaddr *)&sa, sizeof(sa));
}

/* An address to listen on may be "any": then it is reached by loopback. */
static int connect_listen(const struct conf_address *listen)
{
	struct sockaddr_storage sa = listen->sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;

	if (sa.ss_family == AF_INET && v4->sin_addr.s_addr == INADDR_ANY)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (sa.ss_family == AF_INET6 &&
		 IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
	return connect_to((const struct sockaddr *)&sa, listen->len);
}

static int connect_default(void)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(25),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return connect_to((const struct sockaddr *)&sa, sizeof(sa));
}

int smtp_connect(
	const struct conf *conf, char *place_out, size_t size, struct err *err)
{
	const char *path = RUNSTATEDIR "/gmrelayd/submit.sock";
	int fd;

	if (conf != NULL && conf->submit != NULL)
		path = conf->submit;
	fd = path[0] != '\0' ? connect_unix(path) : -1;
	snprintf(place_out, size, "%s", path);
	if (fd >= 0)
		return fd;
	if (conf == NULL) {
		fd = connect_default();
		snprintf(place_out, size, "127.0.0.1:25");
	} else if (conf->listen_count > 0) {
		fd = connect_listen(&conf->listen[0]);
		snprintf(place_out, size, "%s", conf->listen[0].text);
	}
	if (fd < 0)
		return err_errno(err,
			"cannot reach gmrelayd, neither at %s nor at %s", path,
			place_out);
	return fd;
}

/* --- the dialogue -------------------------------------------------------- */

struct dialogue {
	int fd;
	struct buf in;
	size_t used;
	struct line_splitter splitter;
};

static int read_more(struct dialogue *d, struct err *err)
{
	struct pollfd wait = {.fd = d->fd, .events = POLLIN};
	char *to = buf_reserve(&d->in, REPLY_LINE_MAX);
	ssize_t n;

	if (to == NULL)
		return err_set(err, ERR_PROTOCOL, "the answer has no end");
	if (poll(&wait, 1, SMTP_TIMEOUT_MS) == 0)
		return err_set(err, ERR_LIMIT, "gmrelayd does not answer");
	n = recv(d->fd, to, REPLY_LINE_MAX, 0);
	if (n < 0)
		return err_errno(err, "cannot read the answer");
	if (n == 0)
		return err_set(
			err, ERR_PROTOCOL, "gmrelayd closed the connection");
	d->in.len += (size_t)n;
	return 0;
}

/* Reads one reply and checks its code's class. Returns 0, -1 with err. */
static int expect(struct dialogue *d, int code_class, struct reply *reply,
	struct err *err)
{
	char text[REPLY_TEXT_MAX];
	struct line line;
	int rc, got = 0;

	reply_init(reply);
	if (buf_reserve(&d->in, 1) == NULL)
		return err_set(err, ERR_SYSTEM, "out of memory");
	while (got == 0) {
		rc = line_split(&d->splitter, d->in.data + d->used,
			d->in.len - d->used, &line);
		d->used += line.used;
		if (rc > 0)
			got = reply_add_line(reply, line.text, line.len);
		else if (rc < 0 || read_more(d, err) != 0)
			return -1;
	}
	if (got < 0)
		return err_set(err, ERR_PROTOCOL,
			"what answers there does not speak SMTP");
	if (reply->code / 100 != code_class)
		return err_set(err, ERR_PROTOCOL, "gmrelayd refused: %s",
			reply_print(reply, text, sizeof(text)));
	return 0;
}

static int say(struct dialogue *d, const char *text, struct err *err)
{
	size_t len = strlen(text);

	if (send(d->fd, text, len, MSG_NOSIGNAL) != (ssize_t)len)
		return err_errno(err, "cannot write to gmrelayd");
	return 0;
}

/* One command and its reply. */
static int step(struct dialogue *d, const char *command, int code_class,
	struct reply *reply, struct err *err)
{
	char line[SMTP_LINE_MAX];

	snprintf(line, sizeof(line), "%s\r\n", command);
	if (say(d, line, err) != 0)
		return -1;
	return expect(d, code_class, reply, err);
}

static int talk(struct dialogue *d, const struct smtp_message *m,
	struct reply *reply, struct err *err)
{
	char mail[SMTP_LINE_MAX], rcpt[SMTP_LINE_MAX];

	snprintf(mail, sizeof(mail), "MAIL FROM:<%s>%s", m->from,
		m->smtputf8 ? " SMTPUTF8" : "");
	snprintf(rcpt, sizeof(rcpt), "RCPT TO:<%s>", m->to);
	if (expect(d, 2, reply, err) != 0 ||
		step(d, "EHLO gmrelayctl", 2, reply, err) != 0 ||
		step(d, mail, 2, reply, err) != 0 ||
		step(d, rcpt, 2, reply, err) != 0 ||
		step(d, "DATA", 3, reply, err) != 0 ||
		say(d, m->text, err) != 0)
		return -1;
	return step(d, ".", 2, reply, err);
}

int smtp_send(
	int fd, const struct smtp_message *m, char *id_out, struct err *err)
{
	static const char queued[] = "queued as ";
	struct dialogue d = {.fd = fd};
	const char *id = NULL;
	struct reply reply;
	uint64_t number;
	int rc;

	buf_init(&d.in, SMTP_BUFFER_MAX);
	line_splitter_init(&d.splitter, REPLY_LINE_MAX);
	rc = talk(&d, m, &reply, err);
	if (rc == 0) {
		(void)say(&d, "QUIT\r\n", NULL);
		id = strstr(reply.text, queued);
		if (id == NULL || strlen(id + strlen(queued)) < HEX64_LEN ||
			hex64_parse(id + strlen(queued), &number) != 0)
			rc = err_set(err, ERR_PROTOCOL,
				"taken, but without an id: %s", reply.text);
		else
			hex64(id_out, number);
	}
	buf_free(&d.in);
	close(fd);
	return rc;
}
