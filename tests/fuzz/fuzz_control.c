/*
 * fuzz_control.c - what a client may say to the control socket: each line has
 *                  one answer, every line of which is a JSON object and the
 *                  last one says "done"; what is no request ends the client.
 *
 * Of an input the first octet chooses how it is cut (two bits, see enum
 * pieces), how the client ends (two bits), and what the relay's other parts do;
 * the second is passed over; the rest is what the client says.
 */
#include "config.h"

#include "fake_dispatch.h"
#include "fuzz.h"

#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/role.h"
#include "base/util.h"
#include "relay/control.h"
#include "relay/probe.h"

#include <jansson.h>

#include <errno.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/event.h>

enum {
	HEADER_SIZE = 2,
	/* twice what a request may be */
	FUZZ_CONTROL_MAX = HEADER_SIZE + 2 * CONTROL_REQUEST_MAX,
	PIECES_MAX = 64,
	QUIET_TURNS = 3,
	SAID_MAX = 16 * 1024 * 1024,
	QUEUED = 5,
};

enum pieces { PIECE_WHOLE, PIECE_LINES, PIECE_SMALL, PIECE_OCTETS };
enum end { END_CLOSE, END_SHUT, END_SHUT_AFTER_MORE, END_RELOAD_REFUSED };

enum {
	WITH_REFUSALS = 16, /* by the dispatch */
	WITH_DAMAGE = 32,
};

struct probe {
	struct probe_params params;
};

struct rig {
	struct event_base *base; /* these, the same for all inputs */
	struct control *control;
	struct sockaddr_un sa;
	socklen_t sa_len;
	int parent_fd;
	int fd;
	struct buf said;
	bool ended;
	size_t lines; /* that were sent whole */
};

static struct dispatch dispatch;
static struct probe *running;

/* --- a probe that goes on when the target says so ------------------------- */

const char *probe_status_name(enum probe_status status)
{
	return status == PROBE_FAIL ? "fail" : "ok";
}

struct probe *probe_new(const struct probe_params *params, struct err *err)
{
	(void)err;
	FUZZ_REQUIRE(running == NULL);
	running = xcalloc(1, sizeof(*running));
	running->params = *params;
	return running;
}

void probe_free(struct probe **p)
{
	if (*p != NULL)
		running = NULL;
	free(*p);
	*p = NULL;
}

/* --- the socket ----------------------------------------------------------- */

static void start(struct rig *rig)
{
	static char none[] = "";
	static struct conf conf;
	static struct receiver_counters receiver;
	static struct relay_counters relay;
	static struct counters counters = {&receiver, &relay};
	static struct role role;
	int fds[2], fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

	log_open(LOG_LEVEL_NONE, false);
	rig->sa.sun_family = AF_UNIX;
	/* without a name in any directory */
	FUZZ_REQUIRE(fd >= 0 && bind(fd, (struct sockaddr *)&rig->sa,
					sizeof(rig->sa.sun_family)) == 0);
	rig->sa_len = sizeof(rig->sa);
	FUZZ_REQUIRE(getsockname(fd, (struct sockaddr *)&rig->sa,
			     &rig->sa_len) == 0);
	FUZZ_REQUIRE(listen(fd, 1) == 0);
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     fds) == 0);
	rig->parent_fd = fds[0];
	conf.hostname = none;
	role.conf = &conf;
	role.control_fd = fd;
	role.channel_fd = fds[1];
	role.counters = &counters;
	rig->base = event_base_new();
	rig->control = control_new(rig->base, &role, &dispatch, NULL, NULL);
	control_start(rig->control);
	FUZZ_REQUIRE(rig->control != NULL);
}

static void set_dispatch(unsigned choice)
{
	memset(&dispatch, 0, sizeof(dispatch));
	dispatch.queued = QUEUED;
	dispatch.failed = 2;
	dispatch.recipients = 2;
	dispatch.address = "b@y.example";
	dispatch.reply = "550 5.1.1 no";
	dispatch.content_size = 300;
	dispatch.refuse = (choice & WITH_REFUSALS) != 0;
	dispatch.damaged = choice & WITH_DAMAGE ? 2 : 0;
	dispatch.ended = (choice & WITH_DAMAGE) != 0;
}

static void hear(struct rig *rig)
{
	static char data[64 * 1024];
	ssize_t n;

	while (!rig->ended && (n = recv(rig->fd, data, sizeof(data), 0)) != 0) {
		if (n < 0) {
			rig->ended = errno != EAGAIN;
			return;
		}
		FUZZ_REQUIRE(buf_add(&rig->said, data, (size_t)n) == 0);
	}
	rig->ended = true;
}

static void turn(struct rig *rig)
{
	size_t before;
	int quiet;

	for (quiet = 0; quiet < QUIET_TURNS; quiet++) {
		before = rig->said.len;
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
		hear(rig);
		if (rig->said.len > before)
			quiet = -1;
	}
}

static void connect_client(struct rig *rig)
{
	rig->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
	FUZZ_REQUIRE(rig->fd >= 0);
	FUZZ_REQUIRE(connect(rig->fd, (struct sockaddr *)&rig->sa,
			     rig->sa_len) == 0);
	rig->ended = false;
	rig->lines = 0;
	turn(rig);
	FUZZ_REQUIRE(!rig->ended);
}

static void say(struct rig *rig, const char *data, size_t len)
{
	size_t i;

	if (send(rig->fd, data, len, MSG_NOSIGNAL) == (ssize_t)len)
		for (i = 0; i < len; i++)
			rig->lines += data[i] == '\n';
	turn(rig);
}

static void say_all(
	struct rig *rig, enum pieces pieces, const char *data, size_t len)
{
	static const size_t sizes[] = {[PIECE_SMALL] = 37, [PIECE_OCTETS] = 1};
	unsigned left = PIECES_MAX;
	const char *lf;
	size_t n;

	while (len > 0 && !rig->ended) {
		lf = memchr(data, '\n', len);
		n = len;
		if (left > 0 && pieces >= PIECE_SMALL)
			n = sizes[pieces];
		else if (left > 0 && pieces == PIECE_LINES && lf != NULL)
			n = (size_t)(lf - data) + 1;
		if (n > len)
			n = len;
		say(rig, data, n);
		data += n;
		len -= n;
		left -= left > 0;
	}
}

/* --- answers -------------------------------------------------------------- */

/* Returns how many answers are whole; *last says whether the last one is. */
static size_t count_answers(const struct rig *rig, bool *whole, bool *asked)
{
	const char *line = rig->said.data, *end = line + rig->said.len, *lf;
	size_t count = 0;
	json_t *object;

	*whole = true;
	*asked = false;
	for (; line < end; line = lf + 1) {
		lf = memchr(line, '\n', (size_t)(end - line));
		FUZZ_REQUIRE(lf != NULL);
		object = json_loadb(line, (size_t)(lf - line),
			JSON_REJECT_DUPLICATES, NULL);
		FUZZ_REQUIRE(json_is_object(object));
		*whole = json_is_true(json_object_get(object, "done"));
		*asked = json_object_get(object, "asked") != NULL;
		count += *whole;
		json_decref(object);
	}
	return count;
}

static void require_answers(const struct rig *rig)
{
	bool whole, asked;
	size_t count = count_answers(rig, &whole, &asked);
	const bool waits = running != NULL || dispatch.follow != NULL || asked;

	if (!rig->ended) {
		FUZZ_REQUIRE(count <= rig->lines);
		FUZZ_REQUIRE(waits ? count < rig->lines : whole);
		FUZZ_REQUIRE(waits || count == rig->lines);
	}
	FUZZ_REQUIRE(dispatch.list_max <= 200);
	FUZZ_REQUIRE(dispatch.seen <= count * QUEUED);
}

/* What a stream waits for. */
static void go_on(struct rig *rig)
{
	const struct probe_finding finding = {
		"tls", "IPv4", PROBE_FAIL, "no \xff TLS", "look \x01 there"};
	follow_fn *fn = dispatch.follow;
	int i;

	for (i = 0; i < FAKE_ACCOUNTS && running != NULL; i++) {
		running->params.on_finding(running->params.arg, &finding);
		running->params.on_done(running->params.arg);
	}
	if (fn != NULL) {
		dispatch.follow = NULL;
		fn(dispatch.follow_arg, dispatch.follow_id, "deferred",
			"450 \xff", false);
		fn(dispatch.follow_arg, dispatch.follow_id, "delivered", "250",
			true);
	}
	turn(rig);
}

static void finish(struct rig *rig, enum end end)
{
	char packet[64];
	int i;

	require_answers(rig);
	if (end == END_RELOAD_REFUSED)
		control_reload_refused(rig->control, "no \xff good");
	if (end == END_SHUT_AFTER_MORE || end == END_RELOAD_REFUSED) {
		go_on(rig);
		require_answers(rig);
	}
	if (end == END_SHUT && !rig->ended) {
		shutdown(rig->fd, SHUT_WR);
		turn(rig);
	}
	close(rig->fd);
	rig->ended = true;
	for (i = 0; i < QUIET_TURNS; i++)
		event_base_loop(rig->base, EVLOOP_NONBLOCK);
	FUZZ_REQUIRE(running == NULL);
	FUZZ_REQUIRE(dispatch.follow == NULL);
	while (recv(rig->parent_fd, packet, sizeof(packet), 0) > 0)
		continue;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct rig rig;

	if (size < HEADER_SIZE || size > FUZZ_CONTROL_MAX)
		return 0;
	if (rig.control == NULL)
		start(&rig);
	set_dispatch(data[0]);
	fuzz_buf(&rig.said);
	connect_client(&rig);
	say_all(&rig, data[0] & 3, (const char *)data + HEADER_SIZE,
		size - HEADER_SIZE);
	finish(&rig, data[0] >> 2 & 3);
	buf_free(&rig.said);
	return 0;
}
