/*
 * smtp.c - hands one message in by plain SMTP.
 */
#include "config.h"

#include "ctl/smtp.h"

#include "base/conf.h"
#include "base/util.h"
#include "submit/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- connect ------------------------------------------------------------- */

/* At least a moment: 0 would be none to the kernel. */
static int left_ms(int64_t until_ms)
{
	const int64_t left = until_ms - clock_boot_ms();

	if (left < 1)
		return 1;
	return left < SUBMIT_TIMEOUT_MS ? (int)left : SUBMIT_TIMEOUT_MS;
}

static int connect_to(
	const struct sockaddr *sa, socklen_t len, int64_t until_ms)
{
	int fd = socket(sa->sa_family, SOCK_STREAM | SOCK_CLOEXEC, 0);

	if (fd >= 0 && (submit_set_timeout(fd, left_ms(until_ms)) != 0 ||
			       connect(fd, sa, len) != 0)) {
		close(fd);
		return -1;
	}
	return fd;
}

/* An address to listen on may be "any": then it is reached by loopback. */
static int connect_listen(const struct conf_address *listen, int64_t until_ms)
{
	struct sockaddr_storage sa = listen->sa;
	struct sockaddr_in *v4 = (struct sockaddr_in *)&sa;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)&sa;

	if (sa.ss_family == AF_INET && v4->sin_addr.s_addr == INADDR_ANY)
		v4->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	else if (sa.ss_family == AF_INET6 &&
		 IN6_IS_ADDR_UNSPECIFIED(&v6->sin6_addr))
		v6->sin6_addr = in6addr_loopback;
	return connect_to((const struct sockaddr *)&sa, listen->len, until_ms);
}

static int connect_default(int64_t until_ms)
{
	struct sockaddr_in sa = {.sin_family = AF_INET,
		.sin_port = htons(25),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK)};

	return connect_to((const struct sockaddr *)&sa, sizeof(sa), until_ms);
}

int smtp_connect(const struct conf *conf, int64_t until_ms, char *place_out,
	size_t size, struct err *err)
{
	const char *path = conf_default("submit");
	int fd;

	if (conf != NULL && conf->submit != NULL)
		path = conf->submit;
	fd = submit_connect(path, left_ms(until_ms), err);
	snprintf(place_out, size, "%s", path);
	if (fd >= 0)
		return fd;
	if (conf == NULL) {
		fd = connect_default(until_ms);
		snprintf(place_out, size, "127.0.0.1:25");
	} else if (conf->listen_count > 0) {
		fd = connect_listen(&conf->listen[0], until_ms);
		snprintf(place_out, size, "%s", conf->listen[0].text);
	}
	if (fd < 0)
		return err_errno(err,
			"cannot reach gmrelayd, neither at %s nor at %s", path,
			place_out);
	return fd;
}

/* --- the dialogue -------------------------------------------------------- */

struct answer {
	struct err *err;
	bool taken;
	uint64_t id;
};

static void on_refused(void *arg, size_t i, const struct reply *reply)
{
	const struct answer *a = arg;
	char text[REPLY_TEXT_MAX];

	(void)i;
	err_set(a->err, ERR_PROTOCOL, "gmrelayd refused: %s",
		reply_print(reply, text, sizeof(text)));
}

static void on_taken(void *arg, const struct reply *reply)
{
	static const char queued[] = "queued as ";
	const char *id = strstr(reply->text, queued);
	struct answer *a = arg;

	if (id != NULL && strlen(id + strlen(queued)) >= HEX64_LEN &&
		hex64_parse(id + strlen(queued), &a->id) == 0)
		a->taken = true;
	else
		err_set(a->err, ERR_PROTOCOL, "taken, but without an id: %s",
			reply->text);
}

int smtp_send(
	int fd, const struct smtp_message *m, char *id_out, struct err *err)
{
	struct answer answer = {.err = err};
	unsigned char fate = SUBMIT_OPEN;
	struct submit_message message = {
		.from = m->from,
		.rcpts = &m->to,
		.rcpt_count = 1,
		.fates = &fate,
		.smtputf8 = m->smtputf8,
		.parts = {{.data = m->text, .len = strlen(m->text)}},
		.part_count = 1,
		.until_ms = m->until_ms,
		.on_refused = on_refused,
		.on_taken = on_taken,
		.arg = &answer,
	};

	if (submit_send(fd, "gmrelayctl", &message, err) != 0 || !answer.taken)
		return -1;
	hex64(id_out, answer.id);
	return 0;
}
