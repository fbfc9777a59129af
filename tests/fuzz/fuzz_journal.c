/*
 * fuzz_journal.c - what the relay finds in a segment and its marks: exactly the
 *                  records whose checksum is right and that have no mark,
 *                  whatever else is there; and a segment with mail in it stays.
 *
 * Of an input the first octet chooses what the segment is:
 *   raw      the rest, as it is;
 *   damaged  right records (the second octet says how many), changed by what
 *            follows, six octets a change; what no change hit is found;
 *   hostile  right records around what the input says, as a receiver that was
 *            broken into could write: two octets of length, then the payload.
 * The third octet is a mask of records that have marks, the fourth one of those
 * that get marks; with RAW_MARKS the rest of the input is the file of marks
 * instead, behind right records.
 */
#include "config.h"

#include "fuzz.h"
#include "fuzz_spool.h"

#include "spool/envelope.h"
#include "spool/journal.h"

enum {
	HEADER_SIZE = 4,
	FUZZ_JOURNAL_MAX = HEADER_SIZE + 16 * 1024,
	SEGMENT_MAX = 256 * 1024,
	CHANGE_SIZE = 6,
	RECORDS = 8,
};

enum mode { MODE_RAW, MODE_DAMAGED, MODE_HOSTILE, MODE_RAW_MARKS };
enum change { CHANGE_XOR, CHANGE_ZERO, CHANGE_COPY, CHANGE_CUT };

static struct fuzz_spool spool;
static struct fuzz_records intended, expected;

/* --- the segment ---------------------------------------------------------- */

static void append_mail(struct buf *segment, size_t i)
{
	static const char *const rcpts[] = {"a@x.example", "b@y.example"};
	struct envelope *env = envelope_new();
	struct buf payload;
	size_t n;

	fuzz_buf(&payload);
	FUZZ_REQUIRE(env != NULL);
	env->id = i + 1;
	env->arrived_s = 1700000000;
	FUZZ_REQUIRE(envelope_set_reverse_path(env, "s@x.example") == 0);
	FUZZ_REQUIRE(envelope_add_rcpt(env, rcpts[i % 2]) == 0);
	env->size = 30 * i;
	if (i == 3) {
		env->body_name = FUZZ_BODY;
		env->body_check = 1;
	}
	FUZZ_REQUIRE(envelope_print(env, &payload) == 0);
	for (n = 0; env->body_name == 0 && n < env->size; n++)
		FUZZ_REQUIRE(buf_add(&payload, "x", 1) == 0);
	fuzz_spool_append(segment, env->id, payload.data, payload.len);
	envelope_free(&env);
	buf_free(&payload);
}

/* Every second one begins a block, as behind a sync. */
static void append_mails(struct buf *segment, size_t count)
{
	static const char zeros[JOURNAL_BLOCK];
	size_t i;

	for (i = 0; i < count; i++) {
		if (i % 2 == 0)
			FUZZ_REQUIRE(
				buf_add(segment, zeros,
					(size_t)journal_block_up(segment->len) -
						segment->len) == 0);
		append_mail(segment, i);
	}
	FUZZ_REQUIRE(buf_add(segment, zeros, JOURNAL_STEP) == 0);
}

static void change(struct buf *segment, const uint8_t *c)
{
	size_t at = (size_t)(c[1] | c[2] << 8), len = c[3] * (size_t)8, from;

	if (at >= segment->len)
		return;
	if (len > segment->len - at)
		len = segment->len - at;
	from = (size_t)(c[4] | c[5] << 8);
	switch (c[0] & 3) {
	case CHANGE_XOR:
		segment->data[at] = (char)(segment->data[at] ^ c[4]);
		break;
	case CHANGE_ZERO:
		memset(segment->data + at, 0, len);
		break;
	case CHANGE_COPY:
		if (from + len <= segment->len)
			memmove(segment->data + at, segment->data + from, len);
		break;
	default:
		if (c[3] == 0)
			segment->len = at;
	}
}

/* What no change hit must be among what is expected: so the reference itself
 * overlooks nothing. */
static void require_intact(const struct buf *before, const struct buf *after)
{
	const struct fuzz_record *r;
	size_t i, n = 0;

	for (i = 0; i < intended.count; i++) {
		r = &intended.all[i];
		if (journal_padded(r->offset + r->length) > after->len ||
			memcmp(before->data + r->offset,
				after->data + r->offset, r->length) != 0)
			continue;
		while (n < expected.count && expected.all[n].offset < r->offset)
			n++;
		FUZZ_REQUIRE(n < expected.count &&
			     expected.all[n].offset == r->offset &&
			     expected.all[n].id == r->id);
	}
}

static void make_damaged(
	struct buf *segment, size_t count, const uint8_t *data, size_t len)
{
	struct buf before;

	append_mails(segment, 1 + count % RECORDS);
	fuzz_spool_reference(segment, 1, &intended);
	FUZZ_REQUIRE(intended.count == 1 + count % RECORDS);
	fuzz_buf(&before);
	FUZZ_REQUIRE(buf_add(&before, segment->data, segment->len) == 0);
	for (; len >= CHANGE_SIZE; data += CHANGE_SIZE, len -= CHANGE_SIZE)
		change(segment, data);
	fuzz_spool_reference(segment, 1, &expected);
	require_intact(&before, segment);
	buf_free(&before);
}

static void make_hostile(struct buf *segment, const uint8_t *data, size_t len)
{
	static const char zeros[JOURNAL_STEP];
	uint64_t id = 0;
	size_t n;

	while (len > 2 && id < FUZZ_RECORDS_MAX / 2) {
		n = (size_t)(data[0] | data[1] << 8);
		data += 2;
		len -= 2;
		if (n == 0 || n > len)
			n = len;
		fuzz_spool_append(segment, ++id, data, n);
		data += n;
		len -= n;
	}
	FUZZ_REQUIRE(buf_add(segment, zeros, sizeof(zeros)) == 0);
	fuzz_spool_reference(segment, 1, &expected);
	FUZZ_REQUIRE(expected.count == id);
}

/* --- marks ---------------------------------------------------------------- */

static void add_mark(struct buf *marks, uint64_t offset)
{
	uint8_t mark[JOURNAL_MARK_SIZE];

	journal_mark_write(mark, FUZZ_KEY, offset);
	FUZZ_REQUIRE(buf_add(marks, mark, sizeof(mark)) == 0);
}

static void make_marks(struct buf *marks, unsigned mask)
{
	size_t i;

	for (i = 0; i < expected.count && i < 8; i++)
		if (mask >> i & 1)
			add_mark(marks, expected.all[i].offset);
}

static bool has_mark(const void *marks, size_t len, uint32_t offset)
{
	const uint8_t *mark = marks;
	uint64_t at;

	for (; len >= JOURNAL_MARK_SIZE;
		mark += JOURNAL_MARK_SIZE, len -= JOURNAL_MARK_SIZE)
		if (journal_mark_read(mark, FUZZ_KEY, &at) == 0 && at == offset)
			return true;
	return false;
}

/* --- what is required ----------------------------------------------------- */

static void require_told(const struct buf *marks)
{
	const struct fuzz_record *told = spool.told.all, *r;
	size_t i, n = 0;

	for (i = 0; i < expected.count; i++) {
		r = &expected.all[i];
		if (has_mark(marks->data, marks->len, r->offset))
			continue;
		FUZZ_REQUIRE(n < spool.told.count);
		FUZZ_REQUIRE(told[n].offset == r->offset &&
			     told[n].length == r->length &&
			     told[n].id == r->id);
		n++;
	}
	FUZZ_REQUIRE(n == spool.told.count);
}

static void require_read(const struct buf *segment)
{
	const struct fuzz_record *r;
	struct buf out;
	struct err err;
	size_t i;

	buf_init(&out, JOURNAL_RECORD_MAX);
	for (i = 0; i < spool.told.count; i++) {
		r = &spool.told.all[i];
		FUZZ_REQUIRE(journal_reader_read(
				     spool.reader, &r->place, &out, &err) == 0);
		FUZZ_REQUIRE(out.len == r->length);
		FUZZ_REQUIRE(memcmp(out.data, segment->data + r->offset,
				     r->length) == 0);
	}
	buf_free(&out);
}

/* Marks those of the mask, ends, and looks at what is left. */
static void mark_and_end(unsigned mask)
{
	static uint8_t marks[FUZZ_JOURNAL_MAX + RECORDS * JOURNAL_MARK_SIZE];
	const bool named_body = spool.named_body;
	size_t i, len, left = spool.told.count;

	for (i = 0; i < spool.told.count && i < 8; i++)
		if (mask >> i & 1) {
			journal_reader_mark(spool.reader,
				&spool.told.all[i].place, NULL, NULL);
			left--;
		}
	fuzz_spool_turn(&spool);
	len = fuzz_spool_read_marks(1, marks, sizeof(marks));
	for (i = 0; i < spool.told.count && i < 8; i++)
		FUZZ_REQUIRE(!(mask >> i & 1) || !fuzz_spool_has_segment(1) ||
			     has_mark(marks, len, spool.told.all[i].offset));
	journal_reader_sweep_bodies(spool.reader);
	fuzz_spool_turn(&spool);
	journal_reader_free(&spool.reader);
	FUZZ_REQUIRE(left == 0 || fuzz_spool_has_segment(1));
	FUZZ_REQUIRE(!named_body || fuzz_spool_has_body());
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const uint8_t *rest = data + HEADER_SIZE;
	const size_t len = size - HEADER_SIZE;
	struct buf segment, marks;
	enum mode mode;

	if (size < HEADER_SIZE || size > FUZZ_JOURNAL_MAX)
		return 0;
	mode = data[0] & 3;
	buf_init(&segment, SEGMENT_MAX);
	fuzz_buf(&marks);
	FUZZ_REQUIRE(buf_add(&segment, "", 0) == 0);
	intended.count = expected.count = 0;
	fuzz_spool_open(&spool);
	switch (mode) {
	case MODE_DAMAGED:
		make_damaged(&segment, data[1], rest, len);
		break;
	case MODE_HOSTILE:
		make_hostile(&segment, rest, len);
		break;
	case MODE_RAW_MARKS:
		append_mails(&segment, 1 + data[1] % RECORDS);
		fuzz_spool_reference(&segment, 1, &expected);
		make_marks(&marks, data[2]);
		FUZZ_REQUIRE(buf_add(&marks, rest, len) == 0);
		break;
	default:
		FUZZ_REQUIRE(buf_add(&segment, rest, len) == 0);
		fuzz_spool_reference(&segment, 1, &expected);
	}
	if (mode != MODE_RAW_MARKS)
		make_marks(&marks, data[2]);
	fuzz_spool_segment(1, &segment);
	if (marks.len > 0)
		fuzz_spool_marks(1, marks.data, marks.len);
	fuzz_spool_body();
	fuzz_spool_read(&spool);
	journal_reader_peer_gone(spool.reader);
	fuzz_spool_turn(&spool);
	FUZZ_REQUIRE(spool.recovered == 1);
	require_told(&marks);
	if (fuzz_spool_has_segment(1))
		require_read(&segment);
	mark_and_end(data[3]);
	fuzz_spool_close(&spool);
	buf_free(&segment);
	buf_free(&marks);
	return 0;
}
