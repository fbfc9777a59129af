/*
 * fuzz_session.c - a whole session of the receiver: what a client may send, in
 *                  whatever pieces, by DATA or BDAT, under any profile.
 *
 * Of an input the first four octets choose (six bits of each, so that letters
 * do; see struct choice): the profile, login and TLS, the journal and the end,
 * the pieces; the fifth is passed over; the rest is what the client sends.
 */
#include "config.h"

#include "fake_journal.h"
#include "fake_login.h"
#include "fuzz.h"
#include "session_rig.h"

#include "receiver/session_internal.h"

#include <sys/socket.h>

enum {
	HEADER_SIZE = 5,
	FUZZ_SESSION_MAX = HEADER_SIZE + 16 * 1024,
	PIECES_MAX = 64, /* then the rest at once */
	SINGLES_MAX = 1024,
};

/* --- pieces --------------------------------------------------------------- */

static uint32_t next_random(uint32_t *state)
{
	*state = *state * 1664525U + 1013904223U;
	return *state >> 16;
}

/* A line at a time, each of which has one reply; only a chunk, a message that
 * is held and what is no SMTP have none or a later one. */
static void send_line(struct rig *rig, const char *line, size_t len)
{
	const struct session *s = rig_session(rig);
	const bool counts = s != NULL && s->wire == SESSION_TALK &&
			    s->state != SESSION_DATA &&
			    s->state != SESSION_CLOSING && !s->chunk.open &&
			    s->paused == 0 && s->held.len == 0 &&
			    line[len - 1] == '\n';
	const bool hello = s != NULL && !s->spoke && line[0] == FAKE_TLS_HELLO;
	const size_t from = rig->f.said.len;
	unsigned replies;

	rig_send(rig, line, len);
	if (!counts || hello)
		return;
	s = rig_session(rig);
	replies = rig_count_replies(rig, from);
	if (s != NULL && (s->chunk.open || s->state == SESSION_COMMIT))
		FUZZ_REQUIRE(replies == 0);
	else
		FUZZ_REQUIRE(replies == 1);
}

static size_t piece_length(
	const struct rig *rig, const char *data, size_t len, uint32_t *random)
{
	const char *lf;

	switch (rig->choice.pieces) {
	case PIECE_WHOLE:
		return len;
	case PIECE_LINES:
		lf = memchr(data, '\n', len);
		return lf != NULL ? (size_t)(lf - data) + 1 : len;
	case PIECE_COMPARE:
		return 1;
	default:
		return 1 + next_random(random) % 24;
	}
}

static void send_all(struct rig *rig, const char *data, size_t len)
{
	uint32_t random = rig->choice.pieces;
	unsigned left =
		rig->choice.pieces == PIECE_COMPARE ? SINGLES_MAX : PIECES_MAX;
	const struct session *s;
	size_t n;

	while (len > 0 && !rig->f.ended) {
		n = left-- > 0 ? piece_length(rig, data, len, &random) : len;
		if (n > len)
			n = len;
		if (left == 0)
			n = len;
		if (rig->choice.pieces == PIECE_LINES && left > 0)
			send_line(rig, data, n);
		else
			rig_send(rig, data, n);
		data += n;
		len -= n;
		s = rig_session(rig);
		if (rig->choice.pieces == PIECE_LINES && s != NULL &&
			session_text_may_end(s))
			rig_pass_time(rig);
	}
}

/* The client is sent away, or waited for no longer. */
static void end_by_us(struct rig *rig)
{
	struct session *s = rig_session(rig);

	if (rig->choice.pieces < PIECE_RANDOM ||
		(rig->choice.pieces & IS_EXPELLED) == 0)
		rig_pass_time(rig);
	else if (s != NULL)
		session_expel(s, RX_BUSY, "the input says so");
	rig_turn(rig);
}

/* All that is held comes, then the client leaves, or it is sent away. */
static void finish(struct rig *rig)
{
	if (fake_journal()->hold)
		rig_pass_time(rig);
	fake_release();
	rig_turn(rig);
	if (rig->choice.journal & ENDS_BY_TIME)
		end_by_us(rig);
	rig->deaf = false;
	rig_turn(rig);
	if (!rig->f.ended)
		shutdown(rig->f.fd, SHUT_WR);
	rig_turn(rig);
	rig_require_promises(rig);
	rig_require_messages();
}

static void run(struct rig *rig, const struct choice *choice, const char *data,
	size_t len)
{
	rig_open(rig, choice);
	send_all(rig, data, len);
	finish(rig);
}

/* The text behind a refused DATA is not looked at where it came at once. */
static bool ends_with_refusal(const struct rig *rig)
{
	const char *end = rig->f.said.data + rig->f.said.len - 2;
	const char *lf = memrchr(
		rig->f.said.data, '\n', (size_t)(end - rig->f.said.data));

	return rig->f.ended && lf != NULL && lf[1] == '5';
}

/* The same in one piece and in many, where the pieces are no matter. */
static void compare(const struct choice *choice, const char *data, size_t len)
{
	struct choice whole = *choice;
	struct rig rig, again;
	struct buf said;
	bool cut;

	whole.profile &= ~(unsigned)(WITH_STRICT | WITH_LF_DOT);
	whole.login &= ~(3U << 2);
	whole.journal &= ~(unsigned)(WITH_HOLD | WITH_BREAK | ENDS_BY_TIME);
	whole.pieces = PIECE_WHOLE;
	run(&rig, &whole, data, len);
	cut = ends_with_refusal(&rig);
	said = rig.f.said;
	buf_init(&rig.f.said, FIXTURE_SAID_MAX);
	rig_close(&rig);
	whole.pieces = PIECE_COMPARE;
	run(&again, &whole, data, len);
	FUZZ_REQUIRE(said.len == again.f.said.len ||
		     (cut && said.len < again.f.said.len));
	FUZZ_REQUIRE(memcmp(said.data, again.f.said.data, said.len) == 0);
	buf_free(&said);
	rig_close(&again);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct choice choice;
	struct rig rig;

	if (size < HEADER_SIZE || size > FUZZ_SESSION_MAX)
		return 0;
	choice = (struct choice){
		data[0] & 0x3f, data[1] & 0x3f, data[2] & 0x3f, data[3] & 0x3f};
	data += HEADER_SIZE;
	size -= HEADER_SIZE;
	if (choice.pieces == PIECE_COMPARE) {
		compare(&choice, (const char *)data, size);
		return 0;
	}
	run(&rig, &choice, (const char *)data, size);
	rig_close(&rig);
	return 0;
}
