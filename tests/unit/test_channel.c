/*
 * test_channel.c - packets between parent and roles, honest and hostile.
 */
#include "config.h"

#include "base/channel.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <dirent.h>
#include <fcntl.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int make_pair(void **state)
{
	int *fds = xcalloc(2, sizeof(*fds));
	struct err err;

	assert_int_equal(channel_pair(fds, &err), 0);
	*state = fds;
	return 0;
}

static int close_pair(void **state)
{
	int *fds = *state;

	close(fds[0]);
	if (fds[1] >= 0)
		close(fds[1]);
	free(fds);
	return 0;
}

static unsigned open_descriptors(void)
{
	DIR *dir = opendir("/proc/self/fd");
	unsigned count = 0;

	assert_non_null(dir);
	while (readdir(dir) != NULL)
		count++;
	closedir(dir);
	return count;
}

/* As a stranger would: any bytes, any descriptors. */
static void send_raw(int fd, const void *data, size_t len, const int *pass,
	size_t pass_count)
{
	union {
		struct cmsghdr align;
		char data[CMSG_SPACE(16 * sizeof(int))];
	} room;
	struct iovec piece = {.iov_len = len};
	struct msghdr msg = {.msg_iov = &piece, .msg_iovlen = 1};
	char copy[1024];
	struct cmsghdr *header;

	assert_true(len <= sizeof(copy));
	memcpy(copy, data, len);
	piece.iov_base = copy;
	if (pass_count > 0) {
		memset(&room, 0, sizeof(room));
		msg.msg_control = room.data;
		msg.msg_controllen = CMSG_SPACE(pass_count * sizeof(int));
		header = CMSG_FIRSTHDR(&msg);
		header->cmsg_level = SOL_SOCKET;
		header->cmsg_type = SCM_RIGHTS;
		header->cmsg_len = CMSG_LEN(pass_count * sizeof(int));
		memcpy(CMSG_DATA(header), pass, pass_count * sizeof(int));
	}
	assert_int_equal(sendmsg(fd, &msg, 0), (ssize_t)len);
}

static void test_every_type(void **state)
{
	static const enum channel_message types[] = {CHANNEL_LINK,
		CHANNEL_PEER_GONE, CHANNEL_DRAIN, CHANNEL_FLUSH, CHANNEL_READY,
		CHANNEL_RELOAD, CHANNEL_STOP, CHANNEL_ALIVE, CHANNEL_STATUS};
	struct channel_packet packet;
	const int *fds = *state;
	struct err err;
	size_t i;

	for (i = 0; i < COUNT_OF(types); i++)
		assert_int_equal(
			channel_send(fds[0], types[i], -1, NULL, &err), 0);
	for (i = 0; i < COUNT_OF(types); i++) {
		assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
		assert_int_equal(packet.type, types[i]);
		assert_int_equal(packet.fd, -1);
		assert_string_equal(packet.text, "");
	}
	assert_int_equal(channel_receive(fds[1], &packet, &err), 0);
}

static void test_text_is_cut(void **state)
{
	struct channel_packet packet;
	char text[2 * CHANNEL_TEXT_MAX];
	const int *fds = *state;
	struct err err;

	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	assert_int_equal(
		channel_send(fds[0], CHANNEL_STATUS, -1, text, &err), 0);
	assert_int_equal(
		channel_send(fds[0], CHANNEL_STATUS, -1, "short", &err), 0);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_int_equal(strlen(packet.text), CHANNEL_TEXT_MAX);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_string_equal(packet.text, "short");
}

static void test_too_long_packet(void **state)
{
	struct channel_packet packet;
	const int *fds = *state;
	char raw[1024];
	struct err err;

	memset(raw, 'T', sizeof(raw));
	send_raw(fds[0], raw, sizeof(raw), NULL, 0);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_int_equal(packet.type, CHANNEL_STATUS);
	assert_int_equal(strlen(packet.text), CHANNEL_TEXT_MAX);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 0);
}

static void test_unknown_type(void **state)
{
	struct channel_packet packet;
	const int *fds = *state;
	struct err err;

	send_raw(fds[0], "\xff", 1, NULL, 0);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_int_equal(packet.type, 0xff);
}

static void test_descriptor_passes(void **state)
{
	struct stat sent, got;
	struct channel_packet packet;
	const int *fds = *state;
	int file = open("/dev/null", O_RDONLY | O_CLOEXEC);
	struct err err;

	assert_true(file >= 0);
	assert_int_equal(fstat(file, &sent), 0);
	assert_int_equal(
		channel_send(fds[0], CHANNEL_LINK, file, NULL, &err), 0);
	close(file);
	assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
	assert_true(packet.fd >= 0);
	assert_int_equal(fstat(packet.fd, &got), 0);
	assert_int_equal(got.st_ino, sent.st_ino);
	assert_int_equal(got.st_rdev, sent.st_rdev);
	assert_int_equal(fcntl(packet.fd, F_GETFD), FD_CLOEXEC);
	close(packet.fd);
}

static void test_descriptors_nobody_wants(void **state)
{
	static const struct {
		char type;
		size_t count;
		bool kept;
	} cases[] = {
		{CHANNEL_LINK, 2, true},
		{CHANNEL_LINK, 4, true},
		{CHANNEL_LINK, 16, true},
		{CHANNEL_READY, 1, false},
		{CHANNEL_READY, 2, false},
		{CHANNEL_RELOAD, 16, false},
	};
	struct channel_packet packet;
	const int *fds = *state;
	unsigned before = open_descriptors();
	struct err err;
	int pass[16];
	size_t i, j;

	for (j = 0; j < COUNT_OF(pass); j++)
		pass[j] = STDIN_FILENO;
	for (i = 0; i < COUNT_OF(cases); i++) {
		send_raw(fds[0], &cases[i].type, 1, pass, cases[i].count);
		assert_int_equal(channel_receive(fds[1], &packet, &err), 1);
		assert_int_equal(packet.fd >= 0, cases[i].kept);
		if (packet.fd >= 0)
			close(packet.fd);
		assert_int_equal(open_descriptors(), before);
	}
}

static void test_end_of_file(void **state)
{
	struct channel_packet packet;
	struct err err = {ERR_NONE, ""};
	int *fds = *state;

	assert_int_equal(
		channel_send(fds[1], CHANNEL_READY, -1, NULL, &err), 0);
	close(fds[1]);
	fds[1] = -1;
	/* what was said before still counts */
	assert_int_equal(channel_receive(fds[0], &packet, &err), 1);
	assert_int_equal(channel_receive(fds[0], &packet, &err), -1);
	assert_int_equal(err.kind, ERR_PROTOCOL);
	err.kind = ERR_NONE;
	assert_int_equal(
		channel_send(fds[0], CHANNEL_DRAIN, -1, NULL, &err), -1);
	assert_int_equal(err.kind, ERR_SYSTEM);
}

static void test_slow_peer_does_not_block(void **state)
{
	const int *fds = *state;
	unsigned sent = 0;
	struct err err;

	while (channel_send(fds[0], CHANNEL_FLUSH, -1, NULL, &err) == 0)
		assert_true(++sent < 1000000);
	assert_true(sent > 0);
	assert_int_equal(err.kind, ERR_SYSTEM);
}

int main(void)
{
#define WITH_PAIR(test)                                                        \
	cmocka_unit_test_setup_teardown(test, make_pair, close_pair)
	const struct CMUnitTest tests[] = {
		WITH_PAIR(test_every_type),
		WITH_PAIR(test_text_is_cut),
		WITH_PAIR(test_too_long_packet),
		WITH_PAIR(test_unknown_type),
		WITH_PAIR(test_descriptor_passes),
		WITH_PAIR(test_descriptors_nobody_wants),
		WITH_PAIR(test_end_of_file),
		WITH_PAIR(test_slow_peer_does_not_block),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
