/*
 * client.c - gmrelayctl's end of the control socket.
 */
#include "config.h"

#include "ctl/client.h"

#include "base/buf.h"
#include "base/util.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

enum { READ_SIZE = 64 * 1024 };

struct client {
	int fd;
	struct buf in;
	size_t used; /* octets of in that were given out */
};

/* What to do about a socket that cannot be reached. */
static int explain_connect(const char *path, struct err *err)
{
	switch (errno) {
	case ENOENT:
	case ECONNREFUSED:
		return err_set(err, ERR_SYSTEM,
			"nobody answers at %s: gmrelayd is not running "
			"(systemctl start gmrelayd), or -s should name another "
			"socket",
			path);
	case EACCES:
	case EPERM:
		return err_set(err, ERR_ACCESS,
			"you may not use %s: run this as root, or as a member "
			"of the socket's group",
			path);
	default:
		return err_errno(err, "cannot connect to %s", path);
	}
}

struct client *client_open(const char *path, struct err *err)
{
	struct sockaddr_un sa = {.sun_family = AF_UNIX};
	struct client *c;
	int fd;

	if (strlen(path) >= sizeof(sa.sun_path)) {
		err_set(err, ERR_LIMIT, "the name of the socket is too long");
		return NULL;
	}
	memcpy(sa.sun_path, path, strlen(path));
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0) {
		err_errno(err, "cannot make a socket");
		return NULL;
	}
	if (connect(fd, (const struct sockaddr *)&sa, sizeof(sa)) != 0) {
		explain_connect(path, err);
		close(fd);
		return NULL;
	}
	c = xcalloc(1, sizeof(*c));
	c->fd = fd;
	buf_init(&c->in, CLIENT_LINE_MAX + READ_SIZE);
	return c;
}

void client_close(struct client **cp)
{
	struct client *c = *cp;

	*cp = NULL;
	if (c == NULL)
		return;
	close(c->fd);
	buf_free(&c->in);
	free(c);
}

int client_ask(struct client *c, const char *command, json_t *arguments,
	struct err *err)
{
	json_t *request = arguments != NULL ? arguments : json_object();
	size_t len;
	char *text;
	ssize_t n;

	json_object_set_new(request, "command", json_string(command));
	text = json_dumps(request, JSON_COMPACT);
	json_decref(request);
	if (text == NULL)
		return err_set(err, ERR_SYNTAX, "an argument is no UTF-8");
	len = strlen(text);
	text[len++] = '\n'; /* in place of the NUL */
	n = send(c->fd, text, len, MSG_NOSIGNAL);
	free(text);
	/* who closed may have said why: that is to be read */
	if (n < 0 && (errno == EPIPE || errno == ECONNRESET))
		return 0;
	if (n != (ssize_t)len)
		return err_errno(err, "cannot write to gmrelayd");
	return 0;
}

/* Waits for more bytes. Returns 0, -1 with err. */
static int read_more(struct client *c, int64_t until_ms, struct err *err)
{
	struct pollfd wait = {.fd = c->fd, .events = POLLIN};
	int64_t left = until_ms - clock_boot_ms();
	char *to;
	ssize_t n;

	if (poll(&wait, 1, left > 0 ? (int)left : 0) == 0)
		return err_set(err, ERR_SYSTEM, "gmrelayd does not answer");
	to = buf_reserve(&c->in, READ_SIZE);
	if (to == NULL)
		return err_set(err, ERR_PROTOCOL,
			"gmrelayd sent a line that is too long");
	n = recv(c->fd, to, READ_SIZE, MSG_DONTWAIT);
	if (n < 0 && (errno == EAGAIN || errno == EINTR))
		return 0;
	if (n < 0 && errno != ECONNRESET)
		return err_errno(err, "cannot read from gmrelayd");
	if (n <= 0)
		return err_set(
			err, ERR_PROTOCOL, "gmrelayd closed the connection");
	c->in.len += (size_t)n;
	return 0;
}

/* Drops what was given out, so that a line may be as long as the buffer. */
static void drop_used(struct client *c)
{
	memmove(c->in.data, c->in.data + c->used, c->in.len - c->used);
	c->in.len -= c->used;
	c->used = 0;
}

static enum err_kind kind_of(const char *name)
{
	enum err_kind kind;

	for (kind = ERR_SYSTEM; name != NULL && kind <= ERR_DAMAGED; kind++)
		if (strcmp(err_kind_name(kind), name) == 0)
			return kind;
	return ERR_SYSTEM;
}

/* The object of a line; an error in it becomes err. */
static json_t *read_object(const char *line, size_t len, struct err *err)
{
	json_t *object = json_loadb(line, len, 0, NULL);
	const char *kind = NULL, *text = NULL;
	json_t *error;

	if (object == NULL || !json_is_object(object)) {
		err_set(err, ERR_PROTOCOL,
			"what answers does not speak the control protocol");
		json_decref(object);
		return NULL;
	}
	error = json_object_get(object, "error");
	if (error == NULL)
		return object;
	json_unpack(error, "{s?s,s?s}", "kind", &kind, "text", &text);
	err_set(err, kind_of(kind), "%s", text != NULL ? text : "no reason");
	json_decref(object);
	return NULL;
}

/* The end of the line that begins at used; NULL with err. */
static char *await_line(struct client *c, int timeout_ms, struct err *err)
{
	int64_t until_ms = clock_boot_ms() + timeout_ms;
	size_t searched = c->used;
	char *end;

	for (;;) {
		end = c->in.len > searched ? memchr(c->in.data + searched, '\n',
						     c->in.len - searched)
					   : NULL;
		if (end != NULL)
			return end;
		if (c->used > 0)
			drop_used(c);
		searched = c->in.len;
		if (read_more(c, until_ms, err) != 0)
			return NULL;
	}
}

json_t *client_next(
	struct client *c, int timeout_ms, bool *last_out, struct err *err)
{
	char *end = await_line(c, timeout_ms, err);
	json_t *object;

	*last_out = false;
	if (end == NULL)
		return NULL;
	object = read_object(c->in.data + c->used,
		(size_t)(end - c->in.data) - c->used, err);
	c->used = (size_t)(end + 1 - c->in.data);
	if (object != NULL)
		*last_out = json_is_true(json_object_get(object, "done"));
	return object;
}

json_t *client_call(struct client *c, const char *command, json_t *arguments,
	struct err *err)
{
	json_t *object;
	bool last;

	if (client_ask(c, command, arguments, err) != 0)
		return NULL;
	object = client_next(c, CLIENT_TIMEOUT_MS, &last, err);
	if (object != NULL && !last) {
		json_decref(object);
		err_set(err, ERR_PROTOCOL, "an answer of more than one line");
		return NULL;
	}
	return object;
}
