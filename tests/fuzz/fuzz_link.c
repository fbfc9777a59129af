/*
 * fuzz_link.c - what receiver and relay read from each other.
 *
 * To the relay, where the first octet is even: whatever a receiver states, of
 * segments that are its own or that it never had, a record is told only when it
 * lies before a stated end or its segment was given up; none is told twice; and
 * when the receiver is gone every one was told. No descriptor is taken.
 * To the receiver, where it is odd: a hand-over is taken or refused, and no
 * descriptor is lost.
 *
 * The rest are messages: two octets of length (its top bits: with a descriptor,
 * with two), then the message. A statement stands there without the segments
 * that are not held; one of BUILT octets is about one segment: number, use,
 * end.
 */
#include "config.h"

#include "fuzz.h"
#include "fuzz_spool.h"

#include "spool/journal.h"
#include "spool/link.h"

#include <fcntl.h>
#include <stddef.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	FUZZ_LINK_MAX = 8192,
	MESSAGES_MAX = 64,
	WITH_FD = 0x8000,
	WITH_TWO = 0x4000,
	BUILT = 4,
	RECORDS = 6, /* in each of two segments */
	PAYLOAD = 40,
	DESCRIPTORS_MAX = 64, /* that are looked at */
};

static struct fuzz_spool spool;
static struct fuzz_records expected;

static int open_descriptors(void)
{
	int fd, count = 0;

	for (fd = 0; fd < DESCRIPTORS_MAX; fd++)
		count += fcntl(fd, F_GETFD) >= 0;
	return count;
}

/* --- messages ------------------------------------------------------------- */

static void send_message(int fd, const void *data, size_t len, size_t fd_count)
{
	union {
		struct cmsghdr head;
		char space[CMSG_SPACE(2 * sizeof(int))];
	} control;
	const int passed[] = {fd, fd};
	char *copy = fuzz_copy(data, len);
	struct iovec part = {copy, len};
	struct msghdr msg = {.msg_iov = &part, .msg_iovlen = 1};
	struct cmsghdr *cmsg;

	if (fd_count > 0) {
		memset(&control, 0, sizeof(control));
		msg.msg_control = &control;
		msg.msg_controllen = CMSG_SPACE(fd_count * sizeof(int));
		cmsg = CMSG_FIRSTHDR(&msg);
		cmsg->cmsg_level = SOL_SOCKET;
		cmsg->cmsg_type = SCM_RIGHTS;
		cmsg->cmsg_len = CMSG_LEN(fd_count * sizeof(int));
		memcpy(CMSG_DATA(cmsg), passed, fd_count * sizeof(int));
	}
	/* whoever hung up hears no more */
	(void)sendmsg(fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
	free(copy);
}

/* With room for all segments; what can be no statement goes as it is. */
static void send_statement(
	int fd, const uint8_t *data, size_t len, size_t fd_count)
{
	const size_t segments = offsetof(struct link_statement, segments);
	const size_t bodies = offsetof(struct link_statement, bodies);
	static uint8_t wire[FUZZ_LINK_MAX +
			    LINK_SEGMENTS_MAX * sizeof(struct link_segment)];
	uint32_t count = LINK_SEGMENTS_MAX;
	size_t used;

	if (len >= segments)
		memcpy(&count,
			data + offsetof(struct link_statement, segment_count),
			sizeof(count));
	used = segments + count * sizeof(struct link_segment);
	if (count > LINK_SEGMENTS_MAX || used > len) {
		send_message(fd, data, len, fd_count);
		return;
	}
	memcpy(wire, data, used);
	memset(wire + used, 0, bodies - used);
	memcpy(wire + bodies, data + used, len - used);
	send_message(fd, wire, len + bodies - used, fd_count);
}

static void send_built(int fd, const uint8_t *data)
{
	static const uint64_t uses[] = {
		LINK_SPARE, LINK_IN_USE, LINK_WAITING, LINK_FINISHED};
	static struct link_statement b = {.segment_count = 1};

	b.segments[0] = (struct link_segment){
		.number = data[0] & 3,
		.end = (uint64_t)(data[2] | data[3] << 8),
		.use = uses[data[1] & 3],
	};
	send_message(fd, &b, offsetof(struct link_statement, bodies), 0);
}

/* Takes one message of the input; returns what is left. */
static size_t next_message(
	int fd, const uint8_t *data, size_t len, bool to_relay)
{
	const unsigned head = (unsigned)(data[0] | data[1] << 8);
	const size_t fd_count = head & WITH_TWO ? 2 : head & WITH_FD ? 1 : 0;
	size_t n = head & ~(unsigned)(WITH_FD | WITH_TWO);

	data += 2;
	len -= 2;
	if (n > len)
		n = len;
	if (!to_relay)
		send_message(fd, data, n, fd_count);
	else if (n == BUILT)
		send_built(fd, data);
	else
		send_statement(fd, data, n, fd_count);
	return len - n;
}

/* --- to the relay --------------------------------------------------------- */

static void make_segments(void)
{
	static const char payload[PAYLOAD] = "gmrelay-envelope 1\n";
	static const char zeros[JOURNAL_STEP];
	struct buf segment;
	uint64_t number, i;

	expected.count = 0;
	for (number = 1; number <= FUZZ_SEGMENTS_MAX; number++) {
		fuzz_buf(&segment);
		for (i = 1; i <= RECORDS; i++)
			fuzz_spool_append(&segment, number * 100 + i, payload,
				sizeof(payload));
		FUZZ_REQUIRE(buf_add(&segment, zeros, sizeof(zeros)) == 0);
		fuzz_spool_segment(number, &segment);
		fuzz_spool_reference(&segment, number, &expected);
		buf_free(&segment);
	}
	FUZZ_REQUIRE(expected.count == (size_t)RECORDS * FUZZ_SEGMENTS_MAX);
}

static const struct fuzz_record *find_told(const struct fuzz_record *wanted)
{
	const struct fuzz_record *r, *found = NULL;

	for (r = spool.told.all; r < spool.told.all + spool.told.count; r++)
		if (r->number == wanted->number &&
			r->offset == wanted->offset) {
			FUZZ_REQUIRE(found == NULL);
			found = r;
		}
	return found;
}

static void require_known(void)
{
	const struct fuzz_record *r;
	size_t i, n = 0;

	for (i = 0; i < expected.count; i++) {
		r = find_told(&expected.all[i]);
		if (r == NULL)
			continue;
		FUZZ_REQUIRE(r->id == expected.all[i].id &&
			     r->length == expected.all[i].length);
		n++;
	}
	FUZZ_REQUIRE(n == spool.told.count);
}

static void to_relay(const uint8_t *data, size_t len)
{
	int fds[2], before;
	size_t left, messages = 0;

	fuzz_spool_open(&spool);
	make_segments();
	fuzz_spool_read(&spool);
	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     fds) == 0);
	journal_reader_set_link(spool.reader, fds[1]);
	fuzz_spool_turn(&spool);
	FUZZ_REQUIRE(spool.told.count == 0);
	before = open_descriptors();
	while (len > 2 && messages++ < MESSAGES_MAX) {
		left = next_message(fds[0], data, len, true);
		data += len - left;
		len = left;
		fuzz_spool_turn(&spool);
		require_known();
	}
	/* the link may have been closed, the segments opened */
	FUZZ_REQUIRE(open_descriptors() <= before + FUZZ_SEGMENTS_MAX);
	journal_reader_peer_gone(spool.reader);
	fuzz_spool_turn(&spool);
	require_known();
	FUZZ_REQUIRE(spool.told.count == expected.count);
	FUZZ_REQUIRE(spool.recovered == 1);
	close(fds[0]);
	fuzz_spool_close(&spool);
}

/* --- to the receiver ------------------------------------------------------ */

static void to_receiver(const uint8_t *data, size_t len)
{
	struct link_handover handover;
	const int before = open_descriptors();
	struct err err;
	size_t left, messages = 0;
	int fds[2], rc;

	FUZZ_REQUIRE(socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_NONBLOCK, 0,
			     fds) == 0);
	while (len > 2 && messages++ < MESSAGES_MAX) {
		left = next_message(fds[0], data, len, false);
		data += len - left;
		len = left;
		rc = link_receive_handover(fds[1], &handover, &err);
		FUZZ_REQUIRE(rc >= -1 && rc <= 1);
		if (rc < 0)
			FUZZ_REQUIRE(err.text[0] != '\0');
		if (rc < 1)
			continue;
		FUZZ_REQUIRE(handover.kind == LINK_SEGMENT ||
			     handover.kind == LINK_BODY ||
			     handover.kind == LINK_UPSTREAM);
		FUZZ_REQUIRE(
			(handover.fd >= 0) == (handover.kind != LINK_UPSTREAM));
		if (handover.fd >= 0)
			close(handover.fd);
	}
	close(fds[0]);
	close(fds[1]);
	FUZZ_REQUIRE(open_descriptors() == before);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < 1 || size > FUZZ_LINK_MAX)
		return 0;
	if (data[0] & 1)
		to_receiver(data + 1, size - 1);
	else
		to_relay(data + 1, size - 1);
	return 0;
}
