/*
 * listen.c - the sockets the world comes in by, bound by us or passed by
 *            systemd.
 */
#include "config.h"

#include "parent/listen.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "parent/unixsock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	SYSTEMD_FIRST_FD = 3, /* SD_LISTEN_FDS_START */
	CONTROL_MODE = 0660,
	SUBMIT_MODE = 0666,
};

/* What listen_open() works with. */
struct opening {
	struct listen_set *set;
	const struct listen_set *old;
	const struct listen_pool *pool;
	gid_t gid;
};

const char *listen_name(
	const struct sockaddr_storage *sa, char name_out[LISTENER_NAME_MAX])
{
	const struct sockaddr_in *in = (const struct sockaddr_in *)sa;
	const struct sockaddr_in6 *in6 = (const struct sockaddr_in6 *)sa;
	const struct sockaddr_un *un = (const struct sockaddr_un *)sa;
	char ip[INET6_ADDRSTRLEN] = "?";

	switch (sa->ss_family) {
	case AF_INET:
		inet_ntop(AF_INET, &in->sin_addr, ip, sizeof(ip));
		snprintf(name_out, LISTENER_NAME_MAX, "%s:%u", ip,
			ntohs(in->sin_port));
		break;
	case AF_INET6:
		inet_ntop(AF_INET6, &in6->sin6_addr, ip, sizeof(ip));
		snprintf(name_out, LISTENER_NAME_MAX, "[%s]:%u", ip,
			ntohs(in6->sin6_port));
		break;
	case AF_UNIX:
		snprintf(name_out, LISTENER_NAME_MAX, "%.*s",
			(int)sizeof(un->sun_path), un->sun_path);
		break;
	default:
		snprintf(name_out, LISTENER_NAME_MAX, "family %u",
			(unsigned)sa->ss_family);
	}
	return name_out;
}

static unsigned port_of(const struct sockaddr_storage *sa)
{
	if (sa->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)sa)->sin_port);
	return ntohs(((const struct sockaddr_in6 *)sa)->sin6_port);
}

static bool same_address(
	const struct sockaddr_storage *a, const struct sockaddr_storage *b)
{
	const struct sockaddr_in *a4 = (const struct sockaddr_in *)a;
	const struct sockaddr_in *b4 = (const struct sockaddr_in *)b;
	const struct sockaddr_in6 *a6 = (const struct sockaddr_in6 *)a;
	const struct sockaddr_in6 *b6 = (const struct sockaddr_in6 *)b;

	if (a->ss_family != b->ss_family)
		return false;
	switch (a->ss_family) {
	case AF_INET:
		return a4->sin_port == b4->sin_port &&
		       a4->sin_addr.s_addr == b4->sin_addr.s_addr;
	case AF_INET6:
		return a6->sin6_port == b6->sin6_port &&
		       a6->sin6_scope_id == b6->sin6_scope_id &&
		       memcmp(&a6->sin6_addr, &b6->sin6_addr,
			       sizeof(a6->sin6_addr)) == 0;
	case AF_UNIX:
		return strncmp(((const struct sockaddr_un *)a)->sun_path,
			       ((const struct sockaddr_un *)b)->sun_path,
			       sizeof(((struct sockaddr_un *)0)->sun_path)) ==
		       0;
	default:
		return false;
	}
}

static long env_long(const char *name)
{
	const char *text = getenv(name);
	char *end;
	long value;

	if (text == NULL || *text == '\0')
		return -1;
	errno = 0;
	value = strtol(text, &end, 10);
	return errno == 0 && *end == '\0' ? value : -1;
}

static int check_passed(int fd, struct sockaddr_storage *sa, struct err *err)
{
	int type = 0, accepting = 0, flags;
	socklen_t len = sizeof(type), sa_len = sizeof(*sa);

	if (getsockopt(fd, SOL_SOCKET, SO_TYPE, &type, &len) != 0)
		return err_errno(err, "descriptor %d passed by systemd", fd);
	len = sizeof(accepting);
	getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &accepting, &len);
	if (type != SOCK_STREAM || !accepting)
		return err_set(err, ERR_CONFIG,
			"descriptor %d passed by systemd is no listening "
			"stream socket: use ListenStream= and Accept=no",
			fd);
	memset(sa, 0, sizeof(*sa));
	flags = fcntl(fd, F_GETFL);
	if (getsockname(fd, (struct sockaddr *)sa, &sa_len) != 0 || flags < 0 ||
		fcntl(fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		fcntl(fd, F_SETFD, FD_CLOEXEC) != 0)
		return err_errno(err, "descriptor %d passed by systemd", fd);
	return 0;
}

int listen_inherit(struct listen_pool *pool, struct err *err)
{
	long count = env_long("LISTEN_FDS");
	long i;

	pool->count = 0;
	if (env_long("LISTEN_PID") != (long)getpid())
		count = 0;
	unsetenv("LISTEN_PID");
	unsetenv("LISTEN_FDS");
	unsetenv("LISTEN_FDNAMES");
	if (count > (long)COUNT_OF(pool->passed))
		return err_set(err, ERR_LIMIT,
			"systemd passes %ld sockets; at most %zu can be used",
			count, COUNT_OF(pool->passed));
	for (i = 0; i < count; i++) {
		pool->passed[i].fd = SYSTEMD_FIRST_FD + (int)i;
		if (check_passed(
			    pool->passed[i].fd, &pool->passed[i].sa, err) != 0)
			return -1;
		pool->count++;
	}
	return 0;
}

static bool holds_fd(const struct listen_set *set, int fd)
{
	size_t i;

	for (i = 0; set != NULL && i < set->count; i++)
		if (set->sockets[i].fd == fd)
			return true;
	return false;
}

size_t listen_unclaimed(const struct listen_pool *pool,
	const struct listen_set *set, char name_out[LISTENER_NAME_MAX])
{
	size_t i, found = 0;

	for (i = 0; i < pool->count; i++) {
		if (holds_fd(set, pool->passed[i].fd))
			continue;
		if (found++ == 0)
			listen_name(&pool->passed[i].sa, name_out);
	}
	return found;
}

static const struct listen_socket *find_old(
	const struct opening *o, const struct listen_socket *wanted)
{
	const struct listen_socket *s;
	size_t i;

	for (i = 0; o->old != NULL && i < o->old->count; i++) {
		s = &o->old->sockets[i];
		/* port 0 may stand there twice */
		if (s->kind == wanted->kind &&
			same_address(&s->wanted, &wanted->wanted) &&
			!holds_fd(o->set, s->fd))
			return s;
	}
	return NULL;
}

static int find_passed(
	const struct opening *o, const struct sockaddr_storage *wanted)
{
	size_t i;

	for (i = 0; i < o->pool->count; i++)
		if (same_address(&o->pool->passed[i].sa, wanted) &&
			!holds_fd(o->set, o->pool->passed[i].fd))
			return o->pool->passed[i].fd;
	return -1;
}

static const char *own_conflict(
	const struct listen_set *old, const struct sockaddr_storage *wanted)
{
	size_t i;

	for (i = 0; old != NULL && i < old->count; i++)
		if (old->sockets[i].kind == LISTEN_SMTP &&
			port_of(&old->sockets[i].wanted) == port_of(wanted))
			return old->sockets[i].name;
	return NULL;
}

/* Words for a bind(2) that failed with errno. Returns -1. */
static int explain_bind(const struct opening *o, const char *name,
	const struct sockaddr_storage *sa, struct err *err)
{
	const char *own = own_conflict(o->old, sa);
	unsigned port = port_of(sa);

	switch (errno) {
	case EADDRINUSE:
		if (own != NULL)
			return err_set(err, ERR_CONFIG,
				"listen %s: port %u is held by this daemon's "
				"own %s; to change between an address and all "
				"addresses, restart it: systemctl restart "
				"gmrelayd",
				name, port, own);
		return err_set(err, ERR_CONFIG,
			"listen %s: port %u is in use, probably by another "
			"mail server (exim4, postfix): stop it or choose "
			"another listen",
			name, port);
	case EACCES:
		return err_set(err, ERR_ACCESS,
			"listen %s: port %u is for root only: start as root, "
			"use gmrelayd.socket, or choose a port from 1024 up, "
			"for example listen = {\"127.0.0.1:2525\"}",
			name, port);
	case EADDRNOTAVAIL:
		return err_set(err, ERR_CONFIG,
			"listen %s: this machine has no such address; `ip "
			"address` shows those it has",
			name);
	default:
		return err_errno(err, "listen %s", name);
	}
}

static int bind_tcp(const struct sockaddr_storage *sa)
{
	const int on = 1;
	socklen_t len = sa->ss_family == AF_INET ? sizeof(struct sockaddr_in)
						 : sizeof(struct sockaddr_in6);
	int fd, saved;

	fd = socket(
		sa->ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -1;
	/* [::]:25 is IPv6 alone, whatever the machine's default says, so that
	 * 0.0.0.0:25 may stand beside it. */
	if ((sa->ss_family == AF_INET6 &&
		    setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &on,
			    sizeof(on)) != 0) ||
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) !=
			0 ||
		bind(fd, (const struct sockaddr *)sa, len) != 0 ||
		listen(fd, SOMAXCONN) != 0) {
		saved = errno;
		close(fd);
		errno = saved;
		return -1;
	}
	return fd;
}

static void set_real_name(struct listen_socket *s)
{
	struct sockaddr_storage sa;
	socklen_t len = sizeof(sa);

	memset(&sa, 0, sizeof(sa));
	if (getsockname(s->fd, (struct sockaddr *)&sa, &len) == 0)
		listen_name(&sa, s->name);
}

/* Fills in s->fd. Returns 1, 0 (left out), -1 with err. */
static int open_tcp(const struct opening *o, struct listen_socket *s,
	bool may_be_missing, struct err *err)
{
	s->fd = bind_tcp(&s->wanted);
	if (s->fd < 0 && may_be_missing &&
		(errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL)) {
		log_warn("listen skipped address=%s reason=\"%s\"", s->name,
			strerror(errno));
		return 0;
	}
	if (s->fd < 0)
		return explain_bind(o, s->name, &s->wanted, err);
	return 1;
}

static int open_unix(
	const struct opening *o, struct listen_socket *s, struct err *err)
{
	struct unixsock_options options = {
		.mode = s->kind == LISTEN_CONTROL ? CONTROL_MODE : SUBMIT_MODE,
		.gid = s->kind == LISTEN_CONTROL ? o->gid : (gid_t)-1,
		.setting = s->kind == LISTEN_CONTROL ? "control" : "submit",
	};

	s->fd = unixsock_listen(
		(const struct sockaddr_un *)&s->wanted, &options, err);
	return s->fd >= 0 ? 1 : -1;
}

/* Adds the socket *s, whose kind and wanted are set. Returns 0, -1. */
static int add_socket(struct opening *o, struct listen_socket *s,
	bool may_be_missing, struct err *err)
{
	const struct listen_socket *same = find_old(o, s);
	int rc = 1;

	if (o->set->count == COUNT_OF(o->set->sockets))
		return err_set(err, ERR_LIMIT, "too many sockets to listen on");
	if (same != NULL) {
		o->set->sockets[o->set->count++] = *same;
		return 0;
	}
	listen_name(&s->wanted, s->name);
	s->fd = find_passed(o, &s->wanted);
	s->inherited = s->fd >= 0;
	if (s->fd < 0)
		rc = s->kind == LISTEN_SMTP
			     ? open_tcp(o, s, may_be_missing, err)
			     : open_unix(o, s, err);
	if (rc <= 0)
		return rc;
	set_real_name(s);
	o->set->sockets[o->set->count++] = *s;
	return 0;
}

static int add_path(struct opening *o, enum listen_kind kind, const char *path,
	struct err *err)
{
	struct listen_socket s = {.fd = -1, .kind = kind};

	if (unixsock_address(path, (struct sockaddr_un *)&s.wanted, err) != 0)
		return -1;
	return add_socket(o, &s, false, err);
}

static int add_all(struct opening *o, const struct conf *conf, struct err *err)
{
	size_t i;

	for (i = 0; i < conf->listen_count; i++) {
		struct listen_socket s = {.fd = -1, .kind = LISTEN_SMTP};

		s.wanted = conf->listen[i].sa;
		if (add_socket(o, &s, conf->listen[i].defaulted, err) != 0)
			return -1;
	}
	/* none at all is as it was written: submit is there */
	if (o->set->count == 0 && conf->listen_count > 0)
		return err_set(err, ERR_CONFIG,
			"no address of listen can be bound on this machine");
	if (add_path(o, LISTEN_CONTROL, conf->control, err) != 0)
		return -1;
	return add_path(o, LISTEN_SUBMIT, conf->submit, err);
}

struct listen_set *listen_open(const struct conf *conf, gid_t gid,
	const struct listen_set *old, const struct listen_pool *pool,
	struct err *err)
{
	struct opening o = {.old = old, .pool = pool, .gid = gid};

	o.set = xcalloc(1, sizeof(*o.set));
	if (add_all(&o, conf, err) != 0)
		listen_free(&o.set, old);
	return o.set;
}

void listen_free(struct listen_set **set, const struct listen_set *keep)
{
	const struct listen_socket *s;
	size_t i;

	if (*set == NULL)
		return;
	for (i = 0; i < (*set)->count; i++) {
		s = &(*set)->sockets[i];
		if (s->inherited || holds_fd(keep, s->fd))
			continue;
		if (s->kind != LISTEN_SMTP)
			unlink(s->name);
		close(s->fd);
	}
	free(*set);
	*set = NULL;
}

size_t listen_receivers(
	const struct listen_set *set, struct listener out[LISTENERS_MAX])
{
	const struct listen_socket *s;
	size_t i, count = 0;

	for (i = 0; i < set->count && count < LISTENERS_MAX; i++) {
		s = &set->sockets[i];
		if (s->kind == LISTEN_CONTROL)
			continue;
		out[count].fd = s->fd;
		out[count].kind = s->kind == LISTEN_SMTP ? LISTENER_SMTP
							 : LISTENER_SUBMIT;
		memcpy(out[count].name, s->name, sizeof(s->name));
		count++;
	}
	return count;
}

int listen_control(const struct listen_set *set)
{
	size_t i;

	for (i = 0; i < set->count; i++)
		if (set->sockets[i].kind == LISTEN_CONTROL)
			return set->sockets[i].fd;
	return -1;
}

void listen_describe(const struct listen_set *set, struct buf *out)
{
	static const char *const keys[] = {
		[LISTEN_SMTP] = "listen=",
		[LISTEN_SUBMIT] = " submit=",
		[LISTEN_CONTROL] = " control=",
	};
	const struct listen_socket *s;
	size_t i;

	if (set->count > 0 && set->sockets[0].kind != LISTEN_SMTP)
		buf_add_string(out, "listen=none");
	/* A line that does not fit is cut; the sockets are none the worse. */
	for (i = 0; i < set->count; i++) {
		s = &set->sockets[i];
		buf_add_string(out,
			i > 0 && s->kind == LISTEN_SMTP ? "," : keys[s->kind]);
		buf_add_string(out, s->name);
	}
}
