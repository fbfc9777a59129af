/*
 * session_fixture.c - one session over a socket pair, on a fake journal.
 */
#include "config.h"

#include "session_fixture.h"

#include "base/util.h"
#include "fake_journal.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>
#include <event2/event.h>

enum { QUIET_TURNS = 4 };

void fixture_open(struct fixture *f)
{
	struct event_base *base = event_base_new();

	assert_non_null(base);
	fixture_set_up(f, base);
}

void fixture_close(struct fixture *f)
{
	struct client *client;

	fixture_disconnect(f);
	fake_journal()->hold = false;
	fake_release();
	fixture_turn(f);
	while ((client = TAILQ_FIRST(&f->shared.clients.all)) != NULL)
		session_expel(client->session, RX_NONE, "the test ends");
	assert_int_equal(f->counters.open_sessions, 0);
	assert_int_equal(f->gone, f->counters.connections);
	assert_int_equal(fake_journal()->drafts, 0);
	session_shared_free(&f->shared);
	journal_free(&f->shared.journal);
	event_base_free(f->base);
	buf_free(&f->said);
	fake_reset();
}

void fixture_connect(struct fixture *f)
{
	const struct sockaddr_in sa = {
		.sin_family = AF_INET,
		.sin_addr.s_addr = htonl(0x0a00001f),
	};
	struct peer peer;
	int fds[2];

	fixture_disconnect(f);
	assert_int_equal(
		socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0, fds), 0);
	assert_int_equal(peer_identify(&peer, fds[1], LISTENER_SMTP,
				 (const struct sockaddr *)&sa),
		0);
	f->fd = fds[0];
	f->ended = false;
	assert_int_equal(
		session_new(&f->shared, fds[1], &peer, &f->profile), 0);
	fixture_clear(f);
	fixture_turn(f);
	assert_string_equal(f->said.data, GREETING);
	fixture_clear(f);
}

void fixture_disconnect(struct fixture *f)
{
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
}

struct session *fixture_session(struct fixture *f)
{
	struct client *last = TAILQ_LAST(&f->shared.clients.all, client_list);

	return last != NULL ? last->session : NULL;
}

void fixture_clear(struct fixture *f)
{
	buf_clear(&f->said);
	assert_int_equal(buf_add(&f->said, "", 0), 0);
}

/* Returns true when something came. */
static bool hear(struct fixture *f)
{
	char data[64 * 1024];
	bool heard = false;
	ssize_t n;

	while (f->fd >= 0 && (n = recv(f->fd, data, sizeof(data), 0)) != 0) {
		if (n < 0) {
			if (errno == ECONNRESET)
				f->ended = true;
			return heard;
		}
		assert_int_equal(buf_add(&f->said, data, (size_t)n), 0);
		heard = true;
	}
	f->ended |= f->fd >= 0;
	return heard;
}

void fixture_turn(struct fixture *f)
{
	int quiet;

	for (quiet = 0; quiet < QUIET_TURNS; quiet++) {
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		if (hear(f))
			quiet = -1;
	}
}

void fixture_send(struct fixture *f, const char *data, size_t len)
{
	ssize_t n;

	while (len > 0 && !f->ended) {
		n = send(f->fd, data, len, MSG_NOSIGNAL);
		if (n < 0 && errno != EAGAIN)
			break;
		if (n > 0) {
			data += n;
			len -= (size_t)n;
		}
		event_base_loop(f->base, EVLOOP_NONBLOCK);
		hear(f);
	}
	fixture_turn(f);
}

void fixture_say(struct fixture *f, const char *text)
{
	fixture_send(f, text, strlen(text));
}

/* Makes "250/2.1.0 354" of replies. */
static void summarize(const struct fixture *f, struct buf *out)
{
	const char *line = f->said.data, *next;

	for (; *line != '\0'; line = next) {
		next = strstr(line, "\r\n");
		assert_non_null(next);
		next += 2;
		assert_true(next - line > 5);
		if (line[3] == '-')
			continue;
		assert_int_equal(line[3], ' ');
		assert_int_equal(
			buf_addf(out, "%s%.3s", out->len > 0 ? " " : "", line),
			0);
		if (line[4] >= '2' && line[4] <= '5' && line[5] == '.')
			assert_int_equal(buf_addf(out, "/%.*s",
						 (int)strcspn(line + 4, " \r"),
						 line + 4),
				0);
	}
	if (f->ended)
		assert_int_equal(buf_add_string(out, "."), 0);
}

void fixture_expect(struct fixture *f, const char *text, const char *expected)
{
	fixture_clear(f);
	if (text != NULL)
		fixture_say(f, text);
	else
		fixture_turn(f);
	fixture_expect_said(f, text, expected);
}

void fixture_expect_said(
	struct fixture *f, const char *text, const char *expected)
{
	struct buf got;

	buf_init(&got, FIXTURE_SAID_MAX);
	assert_int_equal(buf_add(&got, "", 0), 0);
	summarize(f, &got);
	if (strcmp(got.data, expected) != 0)
		print_error("after \"%.500s\":\n%.500s",
			text != NULL ? text : "", f->said.data);
	assert_string_equal(got.data, expected);
	buf_free(&got);
}

const char *fixture_message(size_t i)
{
	const char *text;

	assert_true(i < fake_journal()->count);
	text = fake_journal()->messages[i].text.data;
	assert_memory_equal(text, "Received: ", 10);
	do {
		text = strstr(text, "\r\n");
		assert_non_null(text);
		text += 2;
	} while (*text == ' ' || *text == '\t');
	return text;
}

const char *fixture_envelope(size_t i)
{
	assert_true(i < fake_journal()->count);
	return fake_journal()->messages[i].envelope.data;
}
