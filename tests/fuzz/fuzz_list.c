/*
 * fuzz_list.c - the recipients of a To field: whole addresses, in order, and
 * the same when they are written down and read again.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/mailbox_list.h"

/* Writes the addresses as a list. Returns how many stand there, good or bad. */
static size_t read_list(const char *text, size_t len, struct buf *out)
{
	struct mailbox_list list;
	struct mailbox_item item;
	size_t count = 0;
	const char *before = text;

	mailbox_list_begin(&list, text, len);
	while (mailbox_list_next(&list, &item) == 1) {
		FUZZ_REQUIRE(++count <= len);
		FUZZ_REQUIRE(item.text >= before);
		FUZZ_REQUIRE(item.text + item.len <= text + len);
		before = item.text + item.len;
		if (item.address.text[0] == '\0')
			continue;
		fuzz_require_address(&item.address, false);
		/* in brackets these are read in another way */
		if (strpbrk(item.address.text, ">(\"") != NULL)
			continue;
		FUZZ_REQUIRE(buf_addf(out, "%s<%s>", out->len > 0 ? ", " : "",
				     item.address.text) == 0);
	}
	return count;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct buf first, second;
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	fuzz_buf(&first);
	fuzz_buf(&second);
	text = fuzz_copy(data, size);
	(void)read_list(text, size, &first);
	(void)read_list(first.data, first.len, &second);
	FUZZ_REQUIRE(strcmp(first.data, second.data) == 0);
	free(text);
	buf_free(&first);
	buf_free(&second);
	return 0;
}
