/*
 * fuzz_mailbox.c - the value of a From field: the first mailbox, encoded-words,
 *                  and names that are written anew.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/mailbox.h"
#include "proto/rfc2047.h"
#include "proto/rfc2047_decode.h"
#include "proto/sender_name.h"

static void require_mailbox(const struct mailbox *m)
{
	FUZZ_REQUIRE(m->name_len <= MAILBOX_NAME_MAX);
	FUZZ_REQUIRE(memchr(m->name, '\r', m->name_len) == NULL);
	FUZZ_REQUIRE(memchr(m->name, '\n', m->name_len) == NULL);
	if (m->address.text[0] != '\0')
		fuzz_require_address(&m->address, false);
}

/* ASCII, each line end a fold, and read as one name of the one address. */
static void require_name(const struct mailbox *m, bool with_address)
{
	struct mailbox again;
	struct buf out;
	size_t i;

	fuzz_buf(&out);
	FUZZ_REQUIRE(sender_name_add(&out, m, 200, with_address) == 0);
	for (i = 0; i < out.len; i++) {
		FUZZ_REQUIRE((unsigned char)out.data[i] < 0x7f);
		FUZZ_REQUIRE(out.data[i] >= ' ' || out.data[i] == '\r' ||
			     out.data[i] == '\n');
		if (out.data[i] == '\n')
			FUZZ_REQUIRE(out.data[i + 1] == ' ');
	}
	FUZZ_REQUIRE(buf_add_string(&out, " <a@example.com>") == 0);
	mailbox_first(&again, out.data, out.len);
	FUZZ_REQUIRE(strcmp(again.address.text, "a@example.com") == 0);
	FUZZ_REQUIRE(again.clean && !again.several);
	buf_free(&out);
}

static void decode_words(const char *text, size_t len)
{
	struct buf out;
	size_t i, n;
	int rc;

	for (i = 0; i < len; i++) {
		n = rfc2047_word_length(text + i, len - i);
		FUZZ_REQUIRE(n <= len - i);
		if (n == 0)
			continue;
		(void)rfc2047_word_is_safe(text + i, n);
		fuzz_buf(&out);
		rc = rfc2047_decode(&out, text + i, n);
		FUZZ_REQUIRE(rc == 1 || (rc == 0 && out.len == 0));
		buf_free(&out);
		i += n - 1;
	}
}

/* Words that say the text, none longer than allowed. */
static void encode(const char *text, size_t len)
{
	struct buf words, back;
	const bool utf8 = text_is_utf8(text, len);
	size_t i, n;

	fuzz_buf(&words);
	fuzz_buf(&back);
	FUZZ_REQUIRE(rfc2047_encode(&words, text, len,
			     utf8 ? TEXT_UTF8 : TEXT_LATIN1, 10) == 0);
	FUZZ_REQUIRE(text_is_ascii(words.data, words.len));
	for (i = 0; i < words.len; i += n) {
		n = rfc2047_word_length(words.data + i, words.len - i);
		FUZZ_REQUIRE(n > 0 && n <= RFC2047_WORD_MAX);
		FUZZ_REQUIRE(rfc2047_decode(&back, words.data + i, n) == 1);
		n += i + n < words.len ? strlen("\r\n ") : 0;
	}
	if (utf8) {
		FUZZ_REQUIRE(back.len == len);
		FUZZ_REQUIRE(memcmp(back.data, text, len) == 0);
	}
	buf_free(&words);
	buf_free(&back);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct mailbox m;
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	text = fuzz_copy(data, size);
	mailbox_first(&m, text, size);
	require_mailbox(&m);
	require_name(&m, false);
	require_name(&m, true);
	decode_words(text, size);
	if (size > 0)
		encode(text, size);
	free(text);
	return 0;
}
