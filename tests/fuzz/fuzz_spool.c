/*
 * fuzz_spool.c - a spool in a directory of its own.
 */
#include "config.h"

#include "fuzz_spool.h"

#include "fuzz.h"

#include "base/hash.h"
#include "base/log.h"
#include "spool/journal.h"
#include "spool/journal_read_internal.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <event2/event.h>

enum { QUIET_TURNS = 3, TURNS_MAX = 1000, SPOOL_DIR_MAX = 200 };

static char spool_dir[SPOOL_DIR_MAX];
static int spool_fd = -1, journal_fd, large_fd;
static pid_t maker; /* the directory's */

/* --- the kernel ----------------------------------------------------------- */

/* Nothing here is to outlive a power cut. */
int fsync(int fd)
{
	(void)fd;
	return 0;
}

int fdatasync(int fd)
{
	(void)fd;
	return 0;
}

int fstatvfs(int fd, struct statvfs *st)
{
	(void)fd;
	memset(st, 0, sizeof(*st));
	return 0;
}

/* --- files ---------------------------------------------------------------- */

static void remove_files(void)
{
	char name[JOURNAL_NAME_SIZE], done[JOURNAL_DONE_NAME_SIZE];
	uint64_t number;

	for (number = 1; number <= FUZZ_SEGMENTS_MAX; number++) {
		journal_segment_name(name, number, FUZZ_KEY);
		journal_done_name(done, number);
		(void)unlinkat(journal_fd, name, 0);
		(void)unlinkat(journal_fd, done, 0);
	}
	hex64(name, FUZZ_BODY);
	(void)unlinkat(large_fd, name, 0);
}

static void remove_spool(void)
{
	if (getpid() != maker)
		return;
	remove_files();
	(void)unlinkat(spool_fd, "journal", AT_REMOVEDIR);
	(void)unlinkat(spool_fd, "large", AT_REMOVEDIR);
	(void)rmdir(spool_dir);
}

/* Where TMPDIR says: in memory a target runs several times as often. */
static void make_spool(void)
{
	const char *parent = getenv("TMPDIR");
	int len = snprintf(spool_dir, sizeof(spool_dir), "%s/fuzz_spool.XXXXXX",
		parent != NULL ? parent : "/tmp");

	FUZZ_REQUIRE(len > 0 && (size_t)len < sizeof(spool_dir));
	FUZZ_REQUIRE(mkdtemp(spool_dir) != NULL);
	maker = getpid();
	spool_fd = open(spool_dir, O_RDONLY | O_DIRECTORY);
	FUZZ_REQUIRE(spool_fd >= 0);
	FUZZ_REQUIRE(mkdirat(spool_fd, "journal", 0700) == 0);
	FUZZ_REQUIRE(mkdirat(spool_fd, "large", 0700) == 0);
	journal_fd = openat(spool_fd, "journal", O_RDONLY | O_DIRECTORY);
	large_fd = openat(spool_fd, "large", O_RDONLY | O_DIRECTORY);
	FUZZ_REQUIRE(journal_fd >= 0 && large_fd >= 0);
	atexit(remove_spool);
}

static void write_file(
	int dir_fd, const char *name, const void *data, size_t len)
{
	int fd = openat(dir_fd, name, O_WRONLY | O_CREAT | O_EXCL, 0600);

	FUZZ_REQUIRE(fd >= 0);
	FUZZ_REQUIRE(write(fd, data, len) == (ssize_t)len);
	close(fd);
}

void fuzz_spool_segment(uint64_t number, const struct buf *bytes)
{
	char name[JOURNAL_NAME_SIZE];

	journal_segment_name(name, number, FUZZ_KEY);
	write_file(journal_fd, name, bytes->data, bytes->len);
}

void fuzz_spool_marks(uint64_t number, const void *marks, size_t len)
{
	char name[JOURNAL_DONE_NAME_SIZE];

	journal_done_name(name, number);
	write_file(journal_fd, name, marks, len);
}

void fuzz_spool_body(void)
{
	char name[HEX64_SIZE];

	write_file(large_fd, hex64(name, FUZZ_BODY), "body", 4);
}

bool fuzz_spool_has_segment(uint64_t number)
{
	char name[JOURNAL_NAME_SIZE];

	journal_segment_name(name, number, FUZZ_KEY);
	return faccessat(journal_fd, name, F_OK, 0) == 0;
}

bool fuzz_spool_has_body(void)
{
	char name[HEX64_SIZE];

	return faccessat(large_fd, hex64(name, FUZZ_BODY), F_OK, 0) == 0;
}

size_t fuzz_spool_read_marks(uint64_t number, void *marks, size_t size)
{
	char name[JOURNAL_DONE_NAME_SIZE];
	ssize_t n = 0;
	int fd;

	journal_done_name(name, number);
	fd = openat(journal_fd, name, O_RDONLY);
	if (fd >= 0) {
		n = read(fd, marks, size);
		close(fd);
	}
	FUZZ_REQUIRE(n >= 0);
	return (size_t)n;
}

/* --- the reader ----------------------------------------------------------- */

static void on_record(void *arg, const struct journal_place *place,
	const struct journal_found *found)
{
	struct fuzz_spool *s = arg;
	struct fuzz_record *r = &s->told.all[s->told.count];

	FUZZ_REQUIRE(s->told.count++ < FUZZ_RECORDS_MAX);
	FUZZ_REQUIRE(strlen(found->account) <= CONF_NAME_MAX);
	s->named_body |= found->body == FUZZ_BODY;
	r->number = place->segment->number;
	r->id = found->id;
	r->offset = place->offset;
	r->length = place->length;
	r->place = *place;
}

static void on_recovered(void *arg)
{
	struct fuzz_spool *s = arg;

	FUZZ_REQUIRE(s->recovered++ == 0);
}

static void on_sparse(void *arg, const struct journal_segment *segment)
{
	(void)arg;
	(void)segment;
}

void fuzz_spool_open(struct fuzz_spool *s)
{
	static struct event_base *base;

	if (spool_fd < 0) {
		log_open(LOG_LEVEL_NONE, false);
		make_spool();
		base = event_base_new();
	}
	s->base = base;
	s->reader = NULL;
	s->told.count = 0;
	s->named_body = false;
	s->recovered = 0;
}

void fuzz_spool_close(struct fuzz_spool *s)
{
	journal_reader_free(&s->reader);
	remove_files();
}

int fuzz_spool_dir(void)
{
	return spool_fd;
}

void fuzz_spool_read(struct fuzz_spool *s)
{
	const struct journal_reader_callbacks callbacks = {
		.on_record = on_record,
		.on_recovered = on_recovered,
		.on_sparse = on_sparse,
		.arg = s,
	};
	struct err err;

	s->reader = journal_reader_open(
		s->base, spool_fd, 1024 * 1024, &callbacks, &err);
	FUZZ_REQUIRE(s->reader != NULL);
}

void fuzz_spool_turn(struct fuzz_spool *s)
{
	int i;

	for (i = 0; i < QUIET_TURNS; i++)
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	for (; event_base_get_num_events(s->base, EVENT_BASE_COUNT_ACTIVE) > 0;
		i++) {
		FUZZ_REQUIRE(i < TURNS_MAX);
		event_base_loop(s->base, EVLOOP_NONBLOCK);
	}
}

/* --- the format ----------------------------------------------------------- */

uint64_t fuzz_spool_append(
	struct buf *bytes, uint64_t id, const void *payload, size_t len)
{
	static const char zeros[JOURNAL_HEAD_SIZE];
	const size_t at = (size_t)journal_padded(bytes->len);

	FUZZ_REQUIRE(buf_add(bytes, zeros, at - bytes->len) == 0);
	FUZZ_REQUIRE(buf_add(bytes, zeros, JOURNAL_HEAD_SIZE) == 0);
	FUZZ_REQUIRE(buf_add(bytes, payload, len) == 0);
	journal_head_write(bytes->data + at, FUZZ_KEY, at,
		(uint32_t)(JOURNAL_HEAD_SIZE + len), id);
	return at;
}

static uint64_t number_at(const char *data, size_t octets)
{
	uint64_t value = 0;

	while (octets-- > 0)
		value = value << 8 | (unsigned char)data[octets];
	return value;
}

/* gmrelayd-spool(5): key, offset, length, zero, id, check. */
static bool is_record(
	const char *data, size_t left, uint64_t offset, struct fuzz_record *out)
{
	struct hash h;

	if (left < JOURNAL_HEAD_SIZE)
		return false;
	out->offset = (uint32_t)offset;
	out->length = (uint32_t)number_at(data + 16, 4);
	out->id = number_at(data + 24, 8);
	if (number_at(data, 8) != FUZZ_KEY ||
		number_at(data + 8, 8) != offset ||
		out->length <= JOURNAL_HEAD_SIZE || out->length > left ||
		number_at(data + 20, 4) != 0 || out->id == 0)
		return false;
	hash_init(&h, FUZZ_KEY, offset);
	hash_add(&h, data + 24, 8);
	hash_add(&h, data + JOURNAL_HEAD_SIZE, out->length - JOURNAL_HEAD_SIZE);
	return hash_end(&h) == number_at(data + 32, 8);
}

void fuzz_spool_reference(
	const struct buf *bytes, uint64_t number, struct fuzz_records *out)
{
	const size_t len = bytes->len / JOURNAL_STEP * JOURNAL_STEP;
	struct fuzz_record r = {.number = number};
	size_t at = 0;

	while (at < len) {
		if (!is_record(bytes->data + at, len - at, at, &r)) {
			at += JOURNAL_STEP;
			continue;
		}
		FUZZ_REQUIRE(out->count < FUZZ_RECORDS_MAX);
		out->all[out->count++] = r;
		at += (size_t)journal_padded(r.length);
	}
}
