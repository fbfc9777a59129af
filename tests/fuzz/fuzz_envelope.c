/*
 * fuzz_envelope.c - envelopes: the receiver writes them, the relay believes
 *                   nothing. What is taken is the same when written again.
 */
#include "config.h"

#include "fuzz.h"

#include "spool/envelope.h"

static void print(const struct envelope *env, struct buf *out)
{
	fuzz_buf(out);
	FUZZ_REQUIRE(envelope_print(env, out) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct envelope *env, *again;
	struct buf first, second;
	struct err err;
	uint64_t name;
	size_t used;
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	text = fuzz_copy(data, size);
	env = envelope_parse(text, size, &used, &err);
	if (env == NULL) {
		FUZZ_REQUIRE(err.text[0] != '\0');
		(void)envelope_peek_body(text, size, &name);
		free(text);
		return 0;
	}
	FUZZ_REQUIRE(used <= size);
	/* "cannot tell" is for envelopes that we do not write; a body that is
	 * named is never overlooked */
	FUZZ_REQUIRE(envelope_peek_body(text, size, &name) == 0 ||
		     env->body_name == 0);
	FUZZ_REQUIRE(name == env->body_name);
	print(env, &first);
	again = envelope_parse(first.data, first.len, &used, &err);
	FUZZ_REQUIRE(again != NULL && used == first.len);
	print(again, &second);
	FUZZ_REQUIRE(strcmp(first.data, second.data) == 0);
	buf_free(&first);
	buf_free(&second);
	envelope_free(&env);
	envelope_free(&again);
	free(text);
	return 0;
}
