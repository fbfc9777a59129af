/*
 * tolerance.c - which quirks of clients are overlooked, and what is said to the
 *               others.
 */
#include "config.h"

#include "receiver/tolerance.h"

#include "base/conf.h"
#include "base/log.h"
#include "receiver/session.h"

/* What is legal by the standard has no reply: HELO again (RFC 5321 4.1.4),
 * letters of any case (2.4), to leave without QUIT, no Message-ID (RFC 5322
 * 3.6.4). Nor has what depends on another setting, or is never taken. */
static const enum rx_reply refusals[QUIRK_COUNT] = {
	[QUIRK_NO_HELO] = RX_STRICT_ORDER,
	[QUIRK_EMPTY_HELO] = RX_STRICT_ARGUMENT,
	[QUIRK_JUNK_HELO] = RX_STRICT_ARGUMENT,
	[QUIRK_NO_BRACKETS] = RX_STRICT_ARGUMENT,
	[QUIRK_DOUBLED_BRACKETS] = RX_STRICT_ARGUMENT,
	[QUIRK_STRAY_SPACE] = RX_STRICT_ARGUMENT,
	[QUIRK_NAME_IN_PATH] = RX_STRICT_ARGUMENT,
	[QUIRK_TRAILING_DOT] = RX_STRICT_ARGUMENT,
	[QUIRK_UNQUALIFIED] = RX_STRICT_ARGUMENT,
	[QUIRK_NO_SENDER] = RX_STRICT_ARGUMENT,
	[QUIRK_UNKNOWN_PARAMETER] = RX_STRICT_PARAMETER,
	[QUIRK_LEADING_SPACE] = RX_STRICT_LINE,
	[QUIRK_BARE_LF] = RX_STRICT_LINE,
	[QUIRK_BARE_CR] = RX_STRICT_LINE,
	[QUIRK_EARLY_PIPELINING] = RX_STRICT_ORDER,
	[QUIRK_NEEDLESS_AUTH] = RX_NO_AUTH,
	[QUIRK_NO_DATE] = RX_STRICT_TEXT,
	[QUIRK_NO_FROM] = RX_STRICT_TEXT,
	[QUIRK_BAD_DSN] = RX_STRICT_ARGUMENT,
};

enum rx_reply tolerance_refusal(enum quirk quirk)
{
	if (quirk >= QUIRK_COUNT)
		bug("no such quirk: %d", (int)quirk);
	return refusals[quirk];
}

/* Notes them. Returns the first that is not overlooked, or QUIRK_COUNT. */
static enum quirk note(struct session *s, unsigned quirks)
{
	enum quirk quirk;

	s->quirks |= quirks;
	if (s->profile->syntax != CONF_SYNTAX_STRICT)
		return QUIRK_COUNT;
	for (quirk = 0; quirk < QUIRK_COUNT; quirk++)
		if ((quirks & QUIRK_BIT(quirk)) != 0 &&
			refusals[quirk] != RX_NONE)
			break;
	return quirk;
}

bool tolerance_permits(struct session *s, unsigned quirks)
{
	enum quirk wrong = quirks != 0 ? note(s, quirks) : QUIRK_COUNT;

	if (wrong == QUIRK_COUNT)
		return true;
	session_reply_detail(s, refusals[wrong], quirk_text(wrong));
	return false;
}

enum quirk tolerance_of_text(struct session *s, unsigned quirks)
{
	return note(s, quirks);
}
