/*
 * test_session.c - a session's bytes: in groups, one by one, cut anywhere; what
 *                  is no command; how a session waits and ends.
 */
#include "config.h"

#include "fake_journal.h"
#include "session_fixture.h"

#include "base/util.h"

#include <arpa/inet.h>
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

static void tls_hello_is_closed(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f, "\x16\x03\x01\x02", ".");
	/* later it is a bad command like others */
	fixture_connect(&f);
	fixture_expect(&f, "NOOP\r\n\x16\x03\r\n", "250/2.0.0 500/5.5.2");
	fixture_close(&f);
}

static void nul_in_a_command(void **state)
{
	static const char text[] = "NO\0OP\r\nNOOP\r\n";
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_send(&f, text, sizeof(text) - 1);
	assert_memory_equal(f.said.data, "500 5.5.2 ", 10);
	assert_non_null(strstr(f.said.data, "\r\n250 2.0.0 "));
	fixture_close(&f);
}

static void a_bare_cr_begins_no_line(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f, "NOOP\rMAIL FROM:<a@b.example>\r\n", "500/5.5.2");
	assert_int_equal(fixture_session(&f)->state, SESSION_NEW);
	fixture_close(&f);
}

static void line_limit(void **state)
{
	struct fixture f;
	char line[COMMAND_LINE_MAX + 1];

	(void)state;
	memset(line, 'x', sizeof(line));
	memcpy(line, "NOOP ", 5);
	line[sizeof(line) - 2] = '\r';
	line[sizeof(line) - 1] = '\n';
	fixture_open(&f);
	fixture_connect(&f);
	fixture_send(&f, line, sizeof(line));
	assert_string_equal(f.said.data, "500 5.5.2 line too long\r\n");
	fixture_clear(&f);
	line[5] = '\r';
	line[6] = '\n';
	memmove(line + 5, line + 6, sizeof(line) - 6); /* one byte less */
	memcpy(line, "NOOP x", 6);
	fixture_send(&f, line, sizeof(line) - 1);
	assert_string_equal(f.said.data, "250 2.0.0 ok\r\n");
	fixture_expect(&f, "NOOP\r\n", "250/2.0.0");
	fixture_close(&f);
}

static const char dialogue[] =
	"EHLO c\r\nMAIL FROM:<a@example.org> BODY=8BITMIME\r\n" RCPT
	"RCPT TO:<c@example.net>\r\nDATA\r\n"
	"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\nFrom: a@example.org\r\n"
	"Message-ID: <1@example.org>\r\n\r\n..one\r\ntwo\n.\r\r\n.\n\r\n.\r\n"
	"XYZZY\r\nRSET\r\n" MAIL RCPT "BDAT 11\r\nSubject: ab"
	"BDAT 9 LAST\r\nc\r\n\r\n.\r\nx"
	"HELP\r\nNOOP\r\n" MAIL "RSET\r\nQUIT\r\n";

#define DIALOGUE_REPLIES                                                       \
	"250 250/2.1.0 250/2.1.5 250/2.1.5 354 250/2.0.0 500/5.5.2 250/2.0.0 " \
	"250/2.1.0 250/2.1.5 250/2.0.0 250/2.0.0 214/2.0.0 250/2.0.0 "         \
	"250/2.1.0 250/2.0.0 221/2.0.0."

static void check_dialogue(void)
{
	assert_int_equal(fake_journal()->count, 2);
	assert_string_equal(fixture_message(0),
		"Date: Sun, 22 Nov 2026 04:05:06 +0000\r\nFrom: a@example.org\r\n"
		"Message-ID: <1@example.org>\r\n\r\n.one\r\ntwo\r\n\r\n\r\n\r\n");
	assert_non_null(strstr(fixture_message(1), "\r\n\r\n.\r\nx\r\n"));
}

static void a_group_of_commands(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_expect(&f, dialogue, DIALOGUE_REPLIES);
	check_dialogue();
	fixture_close(&f);
}

static void byte_by_byte(void **state)
{
	struct fixture f;
	size_t i;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	for (i = 0; i < sizeof(dialogue) - 1; i++)
		fixture_send(&f, dialogue + i, 1);
	fixture_expect(&f, NULL, ".");
	check_dialogue();
	fixture_close(&f);
}

/* The same in two pieces, cut everywhere: replies and messages are the same. */
static void at_every_split(void **state)
{
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 1; i < sizeof(dialogue) - 1; i++) {
		fixture_open(&f);
		fixture_connect(&f);
		fixture_send(&f, dialogue, i);
		fixture_send(&f, dialogue + i, sizeof(dialogue) - 1 - i);
		check_dialogue();
		assert_true(f.ended);
		assert_non_null(strstr(f.said.data, "221 2.0.0 bye\r\n"));
		fixture_close(&f);
	}
}

/* Whole messages alone are kept, wherever the client leaves. */
static void gone_after_every_byte(void **state)
{
	const char *first = strstr(dialogue, "XYZZY");
	const char *second = strstr(dialogue, "HELP");
	struct fixture f;
	size_t i, whole;

	(void)state;
	assert_non_null(first);
	assert_non_null(second);
	for (i = 0; i < sizeof(dialogue); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		fixture_send(&f, dialogue, i);
		fixture_disconnect(&f);
		fixture_turn(&f);
		assert_null(fixture_session(&f));
		whole = (size_t)(dialogue + i >= first) +
			(size_t)(dialogue + i >= second);
		assert_int_equal(fake_journal()->count, whole);
		assert_int_equal(f.counters.accepted, whole);
		fixture_close(&f);
	}
}

static void gone_before_the_disk_has_it(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->hold = true;
	fixture_say(&f, MAIL RCPT "DATA\r\n" TEXT);
	fixture_disconnect(&f);
	fixture_turn(&f);
	assert_int_equal(f.counters.accepted, 0);
	assert_non_null(fixture_session(&f));
	fake_release();
	fixture_turn(&f);
	assert_int_equal(f.counters.accepted, 1);
	assert_null(fixture_session(&f));
	fixture_close(&f);
}

static void no_reply_before_the_disk_has_it(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->hold = true;
	fixture_expect(&f, MAIL RCPT "DATA\r\n" TEXT "NOOP\r\n",
		"250/2.1.0 250/2.1.5 354");
	fixture_expect(&f, "NOOP\r\nQUIT\r\n", "");
	assert_int_equal(fake_journal()->count, 1);
	fake_release();
	fixture_expect(&f, NULL, "250/2.0.0 250/2.0.0 250/2.0.0 221/2.0.0.");
	assert_non_null(strstr(
		f.said.data, "250 2.0.0 queued as 0000000000000001\r\n"));
	assert_int_equal(f.counters.accepted, 1);
	fixture_close(&f);
}

/* Without memory for what stands behind a message, the rest of it must not be
 * taken for commands. */
static void what_cannot_be_held_ends_it(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->hold = true;
	fixture_say(&f, "EHLO c\r\n" MAIL RCPT "DATA\r\n");
	fixture_session(&f)->held.max = 8;
	fixture_expect(&f, TEXT MAIL RCPT "DATA\r\nSubject: x\r\n\r\n", "");
	fake_release();
	fixture_expect(&f, NULL, "250/2.0.0.");
	assert_int_equal(f.counters.accepted, 1);
	assert_null(fixture_session(&f));
	fixture_close(&f);
}

static void idle_too_long(void **state)
{
	static const char *const before[] = {
		"", "EHLO c\r\n", MAIL RCPT, MAIL RCPT "DATA\r\nhalf a li"};
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(before); i++) {
		fixture_open(&f);
		f.shared.idle_timeout.tv_sec = 0;
		f.shared.idle_timeout.tv_usec = 20 * 1000;
		fixture_connect(&f);
		fixture_say(&f, before[i]);
		event_base_loop(f.base, EVLOOP_ONCE);
		fixture_expect(&f, NULL, "421/4.4.2.");
		assert_null(fixture_session(&f));
		assert_int_equal(fake_journal()->count, 0);
		fixture_close(&f);
	}
}

static void a_transaction_ends_some_time(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT "DATA\r\nhalf");
	fixture_session(&f)->mail.began_ms -= MAIL_TIME_MAX_MS + 1;
	fixture_expect(&f, "a", "421/4.4.2.");
	assert_int_equal(fake_journal()->count, 0);
	fixture_close(&f);
}

/* A client that sends commands and reads no replies is not read either. */
static void a_client_that_never_reads(void **state)
{
	enum { COMMANDS = 200000 };
	struct fixture f;
	char *text = calloc(COMMANDS, 6);
	size_t at = 0;
	ssize_t n;
	int i;

	(void)state;
	assert_non_null(text);
	for (i = 0; i < COMMANDS; i++)
		memcpy(text + 6 * (size_t)i, "NOOP\r\n", 6);
	fixture_open(&f);
	fixture_connect(&f);
	while ((n = send(f.fd, text + at, 6 * (size_t)COMMANDS - at,
			MSG_NOSIGNAL)) > 0) {
		at += (size_t)n;
		for (i = 0; i < 8; i++)
			event_base_loop(f.base, EVLOOP_NONBLOCK);
	}
	assert_true(at < 6 * (size_t)COMMANDS);
	assert_true(fixture_session(&f)->out.len <= SESSION_OUTPUT_MAX);
	assert_true((fixture_session(&f)->paused & SESSION_PAUSE_OUTPUT) != 0);
	/* it reads after all: every reply is there */
	fixture_clear(&f);
	fixture_turn(&f);
	fixture_send(&f, text + at, 6 * (size_t)COMMANDS - at);
	assert_int_equal(f.said.len, 14 * (size_t)COMMANDS);
	fixture_close(&f);
	free(text);
}

static void one_that_half_closes_is_answered(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	assert_true(send(f.fd, MAIL RCPT "DATA\r\n" TEXT "QUIT\r\n",
			    sizeof(MAIL RCPT "DATA\r\n" TEXT "QUIT\r\n") - 1,
			    0) > 0);
	shutdown(f.fd, SHUT_WR);
	fixture_expect(
		&f, NULL, "250/2.1.0 250/2.1.5 354 250/2.0.0 221/2.0.0.");
	fixture_close(&f);
}

static void draining(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fixture_say(&f, MAIL RCPT);
	f.shared.draining = true;
	fixture_expect(&f, "DATA\r\n", "354");
	fake_journal()->hold = true;
	fixture_expect(&f, TEXT, "");
	/* not while the disk has it in hand */
	session_expel(fixture_session(&f), RX_STOPPING, "test");
	assert_non_null(fixture_session(&f));
	fake_release();
	fixture_expect(&f, NULL, "250/2.0.0 421/4.3.2.");
	assert_int_equal(f.counters.accepted, 1);
	fixture_close(&f);
}

static void hear_reply(struct fixture *f, const char *expected)
{
	char text[64] = "";

	assert_true(recv(f->fd, text, sizeof(text) - 1, 0) > 0);
	assert_string_equal(text, expected);
}

static bool has_unread(const struct session *s)
{
	char first;

	return recv(s->transport.fd, &first, 1, MSG_PEEK) == 1;
}

/* A client in the midst of its text, its socket in *fd. */
static struct session *in_text(struct fixture *f, int *fd)
{
	fixture_connect(f);
	fixture_expect(f, MAIL RCPT "DATA\r\n", "250/2.1.0 250/2.1.5 354");
	*fd = f->fd;
	f->fd = -1;
	return fixture_session(f);
}

/* Of those that send text one has a turn, then everybody who does not. */
static void texts_share_their_time(void **state)
{
	static const char line[] = "a: b\r\n";
	struct session *s[3];
	struct fixture f;
	int fds[3], i, turn;

	(void)state;
	fixture_open(&f);
	f.shared.texts_max_ns = 0;
	for (i = 0; i < 3; i++)
		s[i] = in_text(&f, &fds[i]);
	fixture_connect(&f);
	for (i = 0; i < 3; i++)
		assert_true(send(fds[i], line, sizeof(line) - 1, 0) > 0);
	for (turn = 0; turn < 3; turn++) {
		assert_int_equal(send(f.fd, "NOOP\r\n", 6, 0), 6);
		fixture_clear(&f);
		event_base_loop(f.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
		for (i = 0; i < 3; i++)
			assert_int_equal(has_unread(s[i]), i >= turn);
		hear_reply(&f, "250 2.0.0 ok\r\n");
	}
	fixture_turn(&f);
	for (i = 0; i < 3; i++)
		assert_false(has_unread(s[i]));
	/* one that has to go while it waits */
	for (i = 0; i < 3; i++)
		assert_true(send(fds[i], line, sizeof(line) - 1, 0) > 0);
	event_base_loop(f.base, EVLOOP_ONCE | EVLOOP_NONBLOCK);
	session_expel(s[1], RX_BUSY, "test");
	fixture_turn(&f);
	assert_false(has_unread(s[0]));
	assert_false(has_unread(s[2]));
	/* and they end as ever */
	assert_true(send(fds[2], ".\r\n", 3, 0) == 3);
	fixture_turn(&f);
	assert_int_equal(f.counters.accepted, 1);
	for (i = 0; i < 3; i++)
		close(fds[i]);
	fixture_close(&f);
}

static void the_idle_one_goes_first(void **state)
{
	struct fixture f;
	struct session *first, *second, *third;
	int fd_first, fd_second;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	first = fixture_session(&f);
	fd_first = f.fd;
	f.fd = -1;
	fixture_connect(&f);
	second = fixture_session(&f);
	fd_second = f.fd;
	f.fd = -1;
	fixture_connect(&f);
	third = fixture_session(&f);
	assert_ptr_equal(clients_idle_longest(&f.shared.clients), first);
	assert_int_equal(f.shared.clients.count, 3);
	assert_int_equal(clients_from(&f.shared.clients, &first->peer), 3);
	assert_true(send(fd_first, "NOOP\r\n", 6, 0) == 6);
	fixture_turn(&f);
	assert_ptr_equal(clients_idle_longest(&f.shared.clients), second);
	assert_true(send(fd_second, MAIL, sizeof(MAIL) - 1, 0) > 0);
	fixture_turn(&f);
	assert_ptr_equal(clients_idle_longest(&f.shared.clients), third);
	fixture_say(&f, MAIL);
	assert_ptr_equal(clients_idle_longest(&f.shared.clients), first);
	session_expel(first, RX_BUSY, "test");
	assert_null(clients_idle_longest(&f.shared.clients));
	assert_true(send(fd_second, "RSET\r\n", 6, 0) == 6);
	fixture_turn(&f);
	assert_ptr_equal(clients_idle_longest(&f.shared.clients), second);
	close(fd_first);
	close(fd_second);
	fixture_close(&f);
}

static void peers(void **state)
{
	static const struct {
		const char *address;
		const char *text;
		const char *literal;
		bool local;
	} rows[] = {
		{"127.0.0.1", "127.0.0.1", "[127.0.0.1]", true},
		{"127.9.9.9", "127.9.9.9", "[127.9.9.9]", true},
		{"10.0.0.31", "10.0.0.31", "[10.0.0.31]", false},
		{"::1", "::1", "[IPv6:::1]", true},
		{"::ffff:10.0.0.31", "10.0.0.31", "[10.0.0.31]", false},
		{"::ffff:127.0.0.1", "127.0.0.1", "[127.0.0.1]", true},
		{"2001:db8::1", "2001:db8::1", "[IPv6:2001:db8::1]", false},
	};
	struct sockaddr_in6 v6;
	struct sockaddr_in v4;
	struct peer peer;
	int fds[2];
	char text[32];
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		memset(&v4, 0, sizeof(v4));
		memset(&v6, 0, sizeof(v6));
		v4.sin_family = AF_INET;
		v6.sin6_family = AF_INET6;
		if (inet_pton(AF_INET6, rows[i].address, &v6.sin6_addr) != 1)
			assert_int_equal(inet_pton(AF_INET, rows[i].address,
						 &v4.sin_addr),
				1);
		assert_int_equal(peer_identify(&peer, -1, LISTENER_SMTP,
					 v4.sin_addr.s_addr != 0
						 ? (struct sockaddr *)&v4
						 : (struct sockaddr *)&v6),
			0);
		assert_string_equal(peer.text, rows[i].text);
		assert_string_equal(peer.log, rows[i].text);
		assert_string_equal(peer.literal, rows[i].literal);
		assert_int_equal(peer.local, rows[i].local);
	}
	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
	assert_int_equal(
		peer_identify(&peer, fds[0], LISTENER_SUBMIT, NULL), 0);
	snprintf(text, sizeof(text), "uid %u", getuid());
	assert_string_equal(peer.text, text);
	assert_true(peer.local);
	close(fds[0]);
	close(fds[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(tls_hello_is_closed),
		cmocka_unit_test(nul_in_a_command),
		cmocka_unit_test(a_bare_cr_begins_no_line),
		cmocka_unit_test(line_limit),
		cmocka_unit_test(a_group_of_commands),
		cmocka_unit_test(byte_by_byte),
		cmocka_unit_test(at_every_split),
		cmocka_unit_test(gone_after_every_byte),
		cmocka_unit_test(gone_before_the_disk_has_it),
		cmocka_unit_test(no_reply_before_the_disk_has_it),
		cmocka_unit_test(what_cannot_be_held_ends_it),
		cmocka_unit_test(idle_too_long),
		cmocka_unit_test(a_transaction_ends_some_time),
		cmocka_unit_test(a_client_that_never_reads),
		cmocka_unit_test(one_that_half_closes_is_answered),
		cmocka_unit_test(draining),
		cmocka_unit_test(texts_share_their_time),
		cmocka_unit_test(the_idle_one_goes_first),
		cmocka_unit_test(peers),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
