/*
 * quirk.h - what clients do against, or beside, the rules: names and words.
 * Used by:    proto (finds them in what was said), receiver (tolerates or
 *             refuses, counts), relay/control and ctl (show).
 * Source:     RFC 5321, RFC 5322; what devices were seen to do.
 *
 * A new one is a constant here, its row in quirk.c, and its reply to clients
 * with syntax = "strict" in receiver/tolerance.c.
 */
#ifndef GMRELAY_BASE_QUIRK_H
#define GMRELAY_BASE_QUIRK_H

enum quirk {
	QUIRK_NO_HELO,
	QUIRK_EMPTY_HELO,
	QUIRK_JUNK_HELO,
	QUIRK_HELO_AGAIN,
	QUIRK_NO_BRACKETS,
	QUIRK_DOUBLED_BRACKETS,
	QUIRK_STRAY_SPACE,
	QUIRK_NAME_IN_PATH,
	QUIRK_TRAILING_DOT,
	QUIRK_UNQUALIFIED,
	QUIRK_NO_SENDER,
	QUIRK_UNKNOWN_PARAMETER,
	QUIRK_LOWER_CASE,
	QUIRK_LEADING_SPACE,
	QUIRK_BARE_LF,
	QUIRK_BARE_CR,
	QUIRK_LF_DOT,
	QUIRK_EARLY_PIPELINING,
	QUIRK_NO_QUIT,
	QUIRK_NEEDLESS_AUTH,
	QUIRK_TLS_FIRST,
	QUIRK_HTTP,
	QUIRK_NO_DATE,
	QUIRK_NO_MESSAGE_ID,
	QUIRK_NO_FROM,
	QUIRK_BAD_DSN,

	QUIRK_COUNT
};

/* Sets of them are bits. */
#define QUIRK_BIT(quirk) (1U << (quirk))

_Static_assert(QUIRK_COUNT <= 32, "quirks fit into a set");

/* Its name in JSON: "bare-lf". */
const char *quirk_name(enum quirk quirk);

/* The same for people: "bare LF". */
const char *quirk_text(enum quirk quirk);

#endif
