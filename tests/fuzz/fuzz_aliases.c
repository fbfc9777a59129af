/*
 * fuzz_aliases.c - files of aliases: bounded, without loops, and the same when
 *                  written down and read again; and whom local names mean.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/aliases.h"
#include "proto/local.h"

static void on_told(void *arg, bool error, unsigned line, const char *text)
{
	size_t *count = arg;

	(void)error;
	++*count;
	FUZZ_REQUIRE(line > 0);
	for (; *text != '\0'; text++)
		FUZZ_REQUIRE(*text >= ' ' && *text <= '~');
}

struct expanded {
	struct buf text; /* "\\<name>" or "<address>", commas between */
	size_t count;
};

static int on_address(void *arg, const struct address *address)
{
	struct expanded *e = arg;

	fuzz_require_address(address, false);
	FUZZ_REQUIRE(++e->count <= ALIASES_EXPANDED_MAX);
	return buf_addf(&e->text, "%s%s<%s>", e->count > 1 ? ", " : "",
		address->text[address->local_len] == '\0' ? "\\" : "",
		address->text);
}

static void expand(
	const struct aliases *a, const char *name, struct expanded *out)
{
	fuzz_buf(&out->text);
	out->count = 0;
	FUZZ_REQUIRE(aliases_expand(a, name, on_address, out) == 1);
}

/* Each alias with all that is behind it, in a line. */
static void print(const struct aliases *a, struct buf *out)
{
	struct expanded e;
	const char *name, *quote;
	unsigned line;
	size_t i;

	for (i = 0; i < aliases_count(a); i++) {
		name = aliases_name(a, i, &line);
		/* one that begins like a comment needs them */
		quote = name[0] == '"' ? "" : "\"";
		FUZZ_REQUIRE(line > 0);
		expand(a, name, &e);
		FUZZ_REQUIRE(buf_addf(out, "%s%s%s: %s\n", quote, name, quote,
				     e.text.data) == 0);
		buf_free(&e.text);
	}
}

static int on_person(void *arg, const struct address *address)
{
	(void)arg;
	fuzz_require_address(address, true);
	return 0;
}

static void require_people(const struct aliases *a, const char *domain)
{
	const struct local_names names = {
		.aliases = a,
		.default_domain = domain,
		.host = "web1.example.org",
		.postmaster = "",
		.account = "me@gmail.com",
	};
	struct address address, out;
	const char *name;
	unsigned line;
	size_t i;

	for (i = 0; i < aliases_count(a); i++) {
		name = aliases_name(a, i, &line);
		FUZZ_REQUIRE(address_parse(&address, name, strlen(name), true,
				     NULL) == 0);
		FUZZ_REQUIRE(local_expand(&names, &address, on_person, NULL) !=
			     LOCAL_NOT);
		if (local_alias(&names, &address, &out))
			fuzz_require_address(&out, true);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct aliases *a, *again;
	struct buf text, text_again;
	size_t told = 0;
	char *copy;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	copy = fuzz_copy(data, size);
	a = aliases_parse(copy, size, on_told, &told);
	free(copy);
	fuzz_buf(&text);
	fuzz_buf(&text_again);
	print(a, &text);
	told = 0;
	again = aliases_parse(text.data, text.len, on_told, &told);
	FUZZ_REQUIRE(told == 0);
	print(again, &text_again);
	FUZZ_REQUIRE(strcmp(text.data, text_again.data) == 0);
	require_people(a, "");
	require_people(a, "example.com");
	buf_free(&text);
	buf_free(&text_again);
	aliases_free(&a);
	aliases_free(&again);
	return 0;
}
