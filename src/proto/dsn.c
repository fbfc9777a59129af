/*
 * dsn.c - what a client asks of reports about its mail.
 */
#include "config.h"

#include "proto/dsn.h"

#include "base/util.h"

#include <string.h>
#include <strings.h>

static const struct {
	const char *word;
	unsigned bit;
} events[] = {
	{"NEVER", DSN_NEVER},
	{"SUCCESS", DSN_SUCCESS},
	{"FAILURE", DSN_FAILURE},
	{"DELAY", DSN_DELAY},
};

static const char *const rets[] = {
	[DSN_RET_UNSAID] = "",
	[DSN_RET_FULL] = "FULL",
	[DSN_RET_HDRS] = "HDRS",
};

static bool is_word(const char *text, size_t len, const char *word)
{
	return strlen(word) == len && strncasecmp(text, word, len) == 0;
}

/* The bit of one word of NOTIFY; 0: none. */
static unsigned event_of(const char *word, size_t len)
{
	size_t i;

	for (i = 0; i < COUNT_OF(events); i++)
		if (is_word(word, len, events[i].word))
			return events[i].bit;
	return 0;
}

int dsn_parse_notify(const char *text, size_t len, unsigned *notify_out)
{
	unsigned notify = 0, event;
	const char *comma;
	size_t word;

	for (;;) {
		comma = memchr(text, ',', len);
		word = comma != NULL ? (size_t)(comma - text) : len;
		event = event_of(text, word);
		if (event == 0)
			return -1;
		notify |= event;
		if (comma == NULL)
			break;
		text += word + 1;
		len -= word + 1;
	}
	if ((notify & DSN_NEVER) != 0 && notify != DSN_NEVER)
		return -1;
	*notify_out = notify;
	return 0;
}

int dsn_parse_ret(const char *text, size_t len, enum dsn_ret *ret_out)
{
	if (is_word(text, len, rets[DSN_RET_FULL]))
		*ret_out = DSN_RET_FULL;
	else if (is_word(text, len, rets[DSN_RET_HDRS]))
		*ret_out = DSN_RET_HDRS;
	else
		return -1;
	return 0;
}

const char *dsn_print_notify(unsigned notify, char text[DSN_NOTIFY_SIZE])
{
	size_t i, len = 0, word;

	text[0] = '\0';
	for (i = 0; i < COUNT_OF(events); i++) {
		word = strlen(events[i].word);
		if ((notify & events[i].bit) == 0 ||
			len + word + 2 > DSN_NOTIFY_SIZE)
			continue;
		if (len > 0)
			text[len++] = ',';
		memcpy(text + len, events[i].word, word + 1);
		len += word;
	}
	return text;
}

const char *dsn_ret_name(enum dsn_ret ret)
{
	return rets[ret];
}

bool dsn_wants(unsigned notify, unsigned event)
{
	if (notify == 0)
		notify = DSN_FAILURE | DSN_DELAY;
	return (notify & event) != 0;
}

unsigned dsn_merge(unsigned one, unsigned other)
{
	static const unsigned unsaid = DSN_FAILURE | DSN_DELAY;

	if (one == other || other == DSN_NEVER)
		return one;
	if (one == DSN_NEVER)
		return other;
	return (one != 0 ? one : unsaid) | (other != 0 ? other : unsaid);
}

/* --- xtext (RFC 3461 section 4) ------------------------------------------- */

static int hex_value(char c)
{
	static const char digits[] = "0123456789ABCDEF"; /* upper case alone */
	const char *at = c != '\0' ? strchr(digits, c) : NULL;

	return at != NULL ? (int)(at - digits) : -1;
}

/* One character of the len at text. Returns how many octets stand for it; 0:
 * this is no xtext. */
static size_t take_char(const char *text, size_t len, unsigned char *out)
{
	int high, low;

	*out = (unsigned char)text[0];
	if (text[0] != '+')
		return *out > ' ' && *out < 0x7f && *out != '=' ? 1 : 0;
	if (len < 3)
		return 0;
	high = hex_value(text[1]);
	low = hex_value(text[2]);
	if (high < 0 || low < 0)
		return 0;
	*out = (unsigned char)(high << 4 | low);
	return 3;
}

static bool is_printable(unsigned char c)
{
	return c >= ' ' && c < 0x7f;
}

/* Whether it is xtext of printable ASCII and, with utf8, letters beyond it as
 * they are (SMTPUTF8). *octets_out is how much it stands for. */
static bool is_xtext(
	const char *text, size_t len, bool utf8, size_t *octets_out)
{
	unsigned char c;
	size_t at, n;

	*octets_out = 0;
	for (at = 0; at < len; at += n) {
		n = take_char(text + at, len - at, &c);
		if (n == 0 && utf8 && c > 0x7f)
			n = utf8_char_len(text + at, len - at);
		else if (!is_printable(c))
			return false;
		if (n == 0)
			return false;
		(*octets_out)++;
	}
	return *octets_out > 0;
}

bool dsn_is_envid(const char *text, size_t len)
{
	size_t octets;

	return len <= DSN_ENVID_TEXT_MAX &&
	       is_xtext(text, len, false, &octets) && octets <= DSN_ENVID_MAX;
}

/* An atom of RFC 822; of these IANA has registered none but letters, digits and
 * hyphens. */
static bool is_type(const char *text, size_t len)
{
	size_t i;

	for (i = 0; i < len; i++)
		if ((text[i] < 'a' || text[i] > 'z') &&
			(text[i] < 'A' || text[i] > 'Z') &&
			(text[i] < '0' || text[i] > '9') && text[i] != '-')
			return false;
	return len > 0;
}

bool dsn_is_orcpt(const char *text, size_t len)
{
	const char *semicolon = memchr(text, ';', len);
	size_t type, octets;

	if (semicolon == NULL || len > DSN_ORCPT_MAX)
		return false;
	type = (size_t)(semicolon - text);
	if (!is_type(text, type))
		return false;
	return is_xtext(semicolon + 1, len - type - 1,
		is_word(text, type, "utf-8"), &octets);
}

void dsn_decode(const char *text, char *out)
{
	unsigned char c;
	size_t n;

	for (; *text != '\0'; text += n > 0 ? n : 1) {
		n = take_char(text, strlen(text), &c);
		*out++ = (char)c;
	}
	*out = '\0';
}
