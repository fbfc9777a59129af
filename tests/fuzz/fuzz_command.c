/*
 * fuzz_command.c - command lines: verbs, arguments, the parameters of MAIL,
 * RCPT and BDAT.
 */
#include "config.h"

#include "fuzz.h"

#include "proto/command.h"

static void require_word(const char *verb)
{
	size_t i, len = strlen(verb);

	FUZZ_REQUIRE(len <= VERB_MAX);
	for (i = 0; i < len; i++)
		FUZZ_REQUIRE((verb[i] >= 'A' && verb[i] <= 'Z') ||
			     (verb[i] >= '0' && verb[i] <= '9') ||
			     verb[i] == '-');
}

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void require_argument(
	const struct command *c, const char *line, size_t len)
{
	FUZZ_REQUIRE(c->arg >= line && c->arg + c->arg_len <= line + len);
	FUZZ_REQUIRE(
		c->arg_len == 0 ||
		(!is_blank(c->arg[0]) && !is_blank(c->arg[c->arg_len - 1])));
	FUZZ_REQUIRE(memchr(c->arg, '\r', c->arg_len) == NULL);
	FUZZ_REQUIRE(memchr(c->arg, '\n', c->arg_len) == NULL);
	FUZZ_REQUIRE(memchr(c->arg, '\0', c->arg_len) == NULL);
}

/* What it stands for is no longer than it may be and ends no line. */
static void require_xtext(const char *text, size_t max, bool utf8)
{
	char decoded[DSN_ORCPT_MAX + 1];
	size_t i, len;

	FUZZ_REQUIRE(strlen(text) <= DSN_ORCPT_MAX);
	dsn_decode(text, decoded);
	len = strlen(decoded);
	FUZZ_REQUIRE(len > 0 && len <= max);
	for (i = 0; i < len; i++)
		FUZZ_REQUIRE((unsigned char)decoded[i] >= ' ' &&
			     decoded[i] != 0x7f &&
			     (utf8 || (unsigned char)decoded[i] < 0x80));
}

/* The set is the same when its words are read again. */
static void require_notify(unsigned notify)
{
	char text[DSN_NOTIFY_SIZE];
	unsigned again;

	dsn_print_notify(notify, text);
	FUZZ_REQUIRE(dsn_parse_notify(text, strlen(text), &again) == 0 &&
		     again == notify);
}

static void require_rcpt(const struct command_rcpt *rcpt)
{
	const char *semicolon = strchr(rcpt->orcpt, ';');

	fuzz_require_address(&rcpt->address, false);
	if (rcpt->notify != 0)
		require_notify(rcpt->notify);
	if (rcpt->orcpt[0] == '\0')
		return;
	FUZZ_REQUIRE(dsn_is_orcpt(rcpt->orcpt, strlen(rcpt->orcpt)));
	FUZZ_REQUIRE(semicolon != NULL && semicolon > rcpt->orcpt);
	require_xtext(semicolon + 1, DSN_ORCPT_MAX, true);
}

static void parse_mail(const char *arg, size_t len)
{
	struct command_mail strict, tolerant;
	struct err err;
	int strict_rc = command_parse_mail(&strict, arg, len, false, &err);
	int rc = command_parse_mail(&tolerant, arg, len, true, &err);

	if (rc == 0 && tolerant.reverse_path.text[0] != '\0')
		fuzz_require_address(&tolerant.reverse_path, false);
	if (rc == 0 && tolerant.envid[0] != '\0')
		require_xtext(tolerant.envid, DSN_ENVID_MAX, false);
	if (rc == 0 && !tolerant.has_size)
		FUZZ_REQUIRE(tolerant.size == 0);
	if (rc != 0)
		FUZZ_REQUIRE(err.kind == ERR_SYNTAX || err.kind == ERR_LIMIT);
	if (strict_rc != 0)
		return;
	FUZZ_REQUIRE(rc == 0);
	FUZZ_REQUIRE(strict.size == tolerant.size);
	FUZZ_REQUIRE(strict.smtputf8 == tolerant.smtputf8);
	FUZZ_REQUIRE(strict.body == tolerant.body);
	FUZZ_REQUIRE(
		fuzz_is_same(&strict.reverse_path, &tolerant.reverse_path));
	FUZZ_REQUIRE(strict.ret == tolerant.ret);
	FUZZ_REQUIRE(strcmp(strict.envid, tolerant.envid) == 0);
}

static void parse_rcpt(const char *arg, size_t len)
{
	struct command_rcpt strict, tolerant;
	struct err err;
	int strict_rc = command_parse_rcpt(&strict, arg, len, false, &err);
	int rc = command_parse_rcpt(&tolerant, arg, len, true, &err);

	if (rc == 0)
		require_rcpt(&tolerant);
	if (strict_rc != 0)
		return;
	FUZZ_REQUIRE(
		rc == 0 && fuzz_is_same(&strict.address, &tolerant.address));
	FUZZ_REQUIRE(strict.notify == tolerant.notify);
	FUZZ_REQUIRE(strcmp(strict.orcpt, tolerant.orcpt) == 0);
}

static void parse_bdat(const char *arg, size_t len)
{
	char text[64];
	uint64_t size, again;
	bool last, last_again;
	int n;

	if (command_parse_bdat(arg, len, &size, &last) != 0)
		return;
	n = snprintf(text, sizeof(text), "%llu%s", (unsigned long long)size,
		last ? " LAST" : "");
	FUZZ_REQUIRE(
		command_parse_bdat(text, (size_t)n, &again, &last_again) == 0);
	FUZZ_REQUIRE(again == size && last_again == last);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct command command;
	struct err err;
	char *line;

	if (size > FUZZ_INPUT_MAX)
		return 0;
	line = fuzz_copy(data, size);
	if (command_parse(&command, line, size, &err) == 0) {
		require_word(command.verb);
		require_argument(&command, line, size);
		parse_mail(command.arg, command.arg_len);
		parse_rcpt(command.arg, command.arg_len);
		parse_bdat(command.arg, command.arg_len);
	} else {
		FUZZ_REQUIRE(err.kind == ERR_SYNTAX && err.text[0] != '\0');
	}
	free(line);
	return 0;
}
