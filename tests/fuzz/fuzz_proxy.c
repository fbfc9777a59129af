/*
 * fuzz_proxy.c - the PROXY protocol: as it grows, nothing is decided too early
 *                and nothing too late.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/proxy.h"

static int parse(const char *text, size_t len, struct proxy_header *out)
{
	char *copy = fuzz_copy(text, len);
	struct err err = {.text = ""};
	int rc = proxy_parse(out, copy, len, &err);

	free(copy);
	FUZZ_REQUIRE(rc >= -1 && rc <= 1);
	FUZZ_REQUIRE((rc < 0) == (err.text[0] != '\0'));
	if (rc == 1)
		FUZZ_REQUIRE(out->used > 0 && out->used <= len &&
			     out->used <= PROXY_MAX);
	return rc;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const char *text = (const char *)data;
	struct proxy_header whole, part;
	size_t len;
	int rc, grown = 0;

	if (size > 2 * PROXY_MAX)
		return 0;
	rc = parse(text, size, &whole);
	/* what needs more is never longer than a header may be */
	FUZZ_REQUIRE(rc != 0 || size < PROXY_MAX);
	for (len = 0; len <= size && grown == 0; len++)
		grown = parse(text, len, &part);
	FUZZ_REQUIRE(grown == rc);
	if (rc != 1)
		return 0;
	FUZZ_REQUIRE(part.used == whole.used && part.used == len - 1);
	FUZZ_REQUIRE(part.client == whole.client && part.port == whole.port);
	FUZZ_REQUIRE(
		memcmp(&part.source, &whole.source, sizeof(part.source)) == 0);
	return 0;
}
