/*
 * quirk.c - what clients do against, or beside, the rules: names and words.
 */
#include "config.h"

#include "base/quirk.h"

#include "base/log.h"

static const struct {
	const char *name;
	const char *text;
} rows[QUIRK_COUNT] = {
	[QUIRK_NO_HELO] = {"no-helo", "MAIL without HELO"},
	[QUIRK_EMPTY_HELO] = {"empty-helo", "HELO without name"},
	[QUIRK_JUNK_HELO] = {"junk-helo", "junk in HELO"},
	[QUIRK_HELO_AGAIN] = {"helo-again", "HELO again"},
	[QUIRK_NO_BRACKETS] = {"no-brackets", "no angle brackets"},
	[QUIRK_DOUBLED_BRACKETS] = {"doubled-brackets",
		"doubled angle brackets"},
	[QUIRK_STRAY_SPACE] = {"stray-space", "space after the colon"},
	[QUIRK_NAME_IN_PATH] = {"name-in-path", "name in MAIL or RCPT"},
	[QUIRK_TRAILING_DOT] = {"trailing-dot", "trailing dot"},
	[QUIRK_UNQUALIFIED] = {"unqualified", "address without domain"},
	[QUIRK_NO_SENDER] = {"no-sender", "no sender"},
	[QUIRK_UNKNOWN_PARAMETER] = {"unknown-parameter", "unknown parameter"},
	[QUIRK_LOWER_CASE] = {"lower-case", "lower-case command"},
	[QUIRK_LEADING_SPACE] = {"leading-space", "space before a command"},
	[QUIRK_BARE_LF] = {"bare-lf", "bare LF"},
	[QUIRK_BARE_CR] = {"bare-cr", "bare CR"},
	[QUIRK_LF_DOT] = {"lf-dot", "end by LF.LF"},
	[QUIRK_EARLY_PIPELINING] = {"early-pipelining", "early pipelining"},
	[QUIRK_NO_QUIT] = {"no-quit", "no QUIT"},
	[QUIRK_NEEDLESS_AUTH] = {"needless-auth", "needless AUTH"},
	[QUIRK_TLS_FIRST] = {"tls-first", "TLS from the first byte"},
	[QUIRK_HTTP] = {"http", "HTTP"},
	[QUIRK_NO_DATE] = {"no-date", "no Date"},
	[QUIRK_NO_MESSAGE_ID] = {"no-message-id", "no Message-ID"},
	[QUIRK_NO_FROM] = {"no-from", "no From"},
	[QUIRK_BAD_DSN] = {"bad-dsn", "bad RET, ENVID, NOTIFY or ORCPT"},
};

const char *quirk_name(enum quirk quirk)
{
	if (quirk >= QUIRK_COUNT)
		bug("no such quirk: %d", (int)quirk);
	return rows[quirk].name;
}

const char *quirk_text(enum quirk quirk)
{
	if (quirk >= QUIRK_COUNT)
		bug("no such quirk: %d", (int)quirk);
	return rows[quirk].text;
}
