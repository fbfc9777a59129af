/*
 * fuzz_line.c - lines: the same whole, byte by byte and in pieces.
 *
 * The first byte chooses the limit and the size of the pieces.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/line.h"

/* Writes "text\n" for each line, "!\n" for one that is too long. */
static void split(
	const char *data, size_t len, size_t piece, size_t max, struct buf *out)
{
	struct line_splitter s;
	struct line line;
	size_t have = 0, begin = 0;
	char *held;
	int rc;

	line_splitter_init(&s, max);
	while (have < len) {
		have += piece < len - have ? piece : len - have;
		do {
			held = fuzz_copy(data + begin, have - begin);
			rc = line_split(&s, held, have - begin, &line);
			FUZZ_REQUIRE(line.used <= have - begin);
			FUZZ_REQUIRE(rc == 0 || line.used > 0);
			if (rc == 1) {
				FUZZ_REQUIRE(line.len < max);
				FUZZ_REQUIRE(memchr(line.text, '\n',
						     line.len) == NULL);
				FUZZ_REQUIRE(
					buf_add(out, line.text, line.len) == 0);
			} else if (rc < 0) {
				FUZZ_REQUIRE(buf_add(out, "!", 1) == 0);
			}
			if (rc != 0)
				FUZZ_REQUIRE(buf_add(out, "\n", 1) == 0);
			begin += line.used;
			free(held);
		} while (rc != 0 && begin < have);
		/* what is kept for later has its limit */
		FUZZ_REQUIRE(have - begin <= max);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const size_t limits[] = {4, 16, 512, COMMAND_LINE_MAX};
	const char *text = (const char *)data + 1;
	struct buf whole, bytes, pieces;
	size_t max;

	if (size == 0 || size > 4096)
		return 0;
	max = limits[data[0] % 4];
	fuzz_buf(&whole);
	fuzz_buf(&bytes);
	fuzz_buf(&pieces);
	split(text, size - 1, size, max, &whole);
	split(text, size - 1, 1, max, &bytes);
	split(text, size - 1, 1 + data[0] / 4, max, &pieces);
	FUZZ_REQUIRE(strcmp(whole.data, bytes.data) == 0 ||
		     memchr(text, '\0', size - 1) != NULL);
	FUZZ_REQUIRE(whole.len == bytes.len &&
		     memcmp(whole.data, bytes.data, whole.len) == 0);
	FUZZ_REQUIRE(whole.len == pieces.len &&
		     memcmp(whole.data, pieces.data, whole.len) == 0);
	buf_free(&whole);
	buf_free(&bytes);
	buf_free(&pieces);
	return 0;
}
