/*
 * fuzz_address.c - addresses and paths: canonical, and strict is a part of
 *                  tolerant.
 */
#include "config.h"

#include "fuzz.h"

static void parse_both(const char *text, size_t len)
{
	struct address bare, whole;
	struct err err;

	if (address_parse(&bare, text, len, true, &err) == 0) {
		fuzz_require_address(&bare, false);
		(void)address_is_routable(&bare);
		(void)address_is_localhost(&bare);
	} else {
		FUZZ_REQUIRE(err.kind == ERR_SYNTAX || err.kind == ERR_LIMIT);
	}
	if (address_parse(&whole, text, len, false, &err) != 0)
		return;
	fuzz_require_address(&whole, true);
	FUZZ_REQUIRE(fuzz_is_same(&bare, &whole));
}

/* What came out, in brackets, is a strict path to the same. */
static void require_path(const struct address *a, bool null_ok)
{
	struct address again;
	char path[ADDRESS_MAX + 3];
	size_t used, len;

	if (a->text[0] == '\0')
		FUZZ_REQUIRE(null_ok);
	else
		fuzz_require_address(a, false);
	if (a->text[0] != '\0' && a->text[a->local_len] == '\0')
		return;
	len = (size_t)snprintf(path, sizeof(path), "<%s>", a->text);
	FUZZ_REQUIRE(len < sizeof(path));
	FUZZ_REQUIRE(address_parse_path(&again, path, len, null_ok, false,
			     &used, NULL) == 0);
	FUZZ_REQUIRE(used == len);
	FUZZ_REQUIRE(fuzz_is_same(&again, a));
}

static void parse_path(const char *text, size_t len, bool null_ok)
{
	struct address strict, tolerant;
	size_t strict_used, used;
	int strict_rc, rc;

	strict_rc = address_parse_path(
		&strict, text, len, null_ok, false, &strict_used, NULL);
	rc = address_parse_path(
		&tolerant, text, len, null_ok, true, &used, NULL);
	if (rc == 0) {
		FUZZ_REQUIRE(used <= len);
		FUZZ_REQUIRE(
			used == len || text[used] == ' ' || text[used] == '\t');
		require_path(&tolerant, null_ok);
	}
	if (strict_rc != 0)
		return;
	FUZZ_REQUIRE(rc == 0 && used == strict_used);
	FUZZ_REQUIRE(fuzz_is_same(&strict, &tolerant));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	char *text;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	text = fuzz_copy(data, size);
	parse_both(text, size);
	parse_path(text, size, false);
	parse_path(text, size, true);
	free(text);
	return 0;
}
