/*
 * conf_value.c - values of settings: numbers, sizes, times, choices.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	SHOWN_MAX = 80,   /* of a value, in a message */
	DIGITS_MAX = 15,  /* of a number; more is AMOUNT_MAX */
	AMOUNT_SIZE = 32, /* a time or size in words */
};

/* More than any setting takes. */
#define AMOUNT_MAX 1000000000000000LL

struct unit {
	char letter;
	int64_t factor;
};

/* Largest first: the way they are shown. */
static const struct unit time_units[] = {
	{'d', 86400000},
	{'h', 3600000},
	{'m', 60000},
	{'s', 1000},
	{'\0', 0},
};
static const struct unit size_units[] = {
	{'M', 1048576},
	{'K', 1024},
	{'\0', 0},
};
static const struct unit no_units[] = {
	{'\0', 0},
};

void conf_bad_value(
	struct conf_reader *r, size_t index, const char *format, ...)
{
	const struct conf_values *v = r->values;
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_error(r->report, v->lines[index], "%s: \"%.*s\" %s",
		r->setting->name, SHOWN_MAX, v->text[index], text);
	r->bad = true;
}

void conf_bad_setting(struct conf_reader *r, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	conf_error(
		r->report, r->values->line, "%s: %s", r->setting->name, text);
	r->bad = true;
}

static void *field(const struct conf_reader *r)
{
	return (char *)r->target + r->setting->offset;
}

enum amount { AMOUNT_OK, AMOUNT_BAD, AMOUNT_NO_UNIT };

/* Digits and one of the units; beyond AMOUNT_MAX it is that. Without a unit the
 * number counts as it is and AMOUNT_NO_UNIT is returned. */
static enum amount parse_amount(
	const char *text, const struct unit *units, int64_t *out)
{
	size_t digits = strspn(text, "0123456789");
	int64_t value = 0;
	size_t i;

	if (digits == 0)
		return AMOUNT_BAD;
	for (i = 0; i < digits; i++)
		value = i < DIGITS_MAX ? value * 10 + (text[i] - '0')
				       : AMOUNT_MAX;
	*out = value;
	if (text[digits] == '\0')
		return AMOUNT_NO_UNIT;
	for (i = 0; units[i].letter != '\0'; i++) {
		if (text[digits] != units[i].letter || text[digits + 1] != '\0')
			continue;
		*out = value > AMOUNT_MAX / units[i].factor
			       ? AMOUNT_MAX
			       : value * units[i].factor;
		return AMOUNT_OK;
	}
	return AMOUNT_BAD;
}

/* The amount in the largest unit that fits without a rest. */
static const char *amount_text(
	char out[AMOUNT_SIZE], int64_t value, const struct unit *units)
{
	size_t i = 0;

	while (units[i].letter != '\0' &&
		(value < units[i].factor || value % units[i].factor != 0))
		i++;
	if (units[i].letter == '\0')
		snprintf(out, AMOUNT_SIZE, "%lld", (long long)value);
	else
		snprintf(out, AMOUNT_SIZE, "%lld%c",
			(long long)(value / units[i].factor), units[i].letter);
	return out;
}

static void check_range(struct conf_reader *r, size_t index, int64_t value,
	const struct unit *units)
{
	const struct conf_setting *s = r->setting;
	char min[AMOUNT_SIZE], max[AMOUNT_SIZE];

	if (value >= s->min && value <= s->max)
		return;
	conf_bad_value(r, index, "is too %s; from %s to %s is allowed",
		value < s->min ? "small" : "large",
		amount_text(min, s->min, units),
		amount_text(max, s->max, units));
}

static int64_t read_duration(struct conf_reader *r, size_t index)
{
	const char *text = r->values->text[index];
	int64_t ms = 0;

	switch (parse_amount(text, time_units, &ms)) {
	case AMOUNT_BAD:
		conf_bad_value(r, index,
			"is not a time; write a number and one of s, m, h, d, "
			"such as \"90s\" or \"4h\"");
		return 0;
	case AMOUNT_NO_UNIT:
		if (ms != 0) {
			conf_bad_value(r, index,
				"has no unit; write \"%lus\", \"%lum\", "
				"\"%luh\" or \"%lud\"",
				(unsigned long)ms, (unsigned long)ms,
				(unsigned long)ms, (unsigned long)ms);
			return 0;
		}
		break;
	case AMOUNT_OK:
		break;
	}
	check_range(r, index, ms, time_units);
	return ms;
}

void conf_read_duration(struct conf_reader *r)
{
	int64_t *out = field(r);

	*out = read_duration(r, 0);
}

void conf_read_retry(struct conf_reader *r)
{
	struct conf *conf = r->target;
	size_t i, count = r->values->count;

	if (count == 0 || count > CONF_RETRY_MAX) {
		conf_bad_setting(r,
			"%zu times; from 1 to %d are allowed, the last one "
			"repeats",
			count, CONF_RETRY_MAX);
		return;
	}
	for (i = 0; i < count; i++)
		conf->retry_ms[i] = read_duration(r, i);
	conf->retry_count = count;
}

void conf_read_backoff(struct conf_reader *r)
{
	struct conf *conf = r->target;

	if (r->values->count != 2) {
		conf_bad_setting(r,
			"%zu time%s; two are needed, the first wait and the "
			"longest: {\"5s\", \"5m\"}",
			r->values->count, plural(r->values->count));
		return;
	}
	conf->backoff_first_ms = read_duration(r, 0);
	conf->backoff_cap_ms = read_duration(r, 1);
	if (!r->bad && conf->backoff_first_ms > conf->backoff_cap_ms)
		conf_bad_setting(r,
			"the first wait is longer than the longest; write "
			"{\"%.*s\", \"%.*s\"}",
			SHOWN_MAX, r->values->text[1], SHOWN_MAX,
			r->values->text[0]);
}

void conf_read_size(struct conf_reader *r)
{
	uint64_t *out = field(r);
	int64_t value = 0;

	if (parse_amount(r->values->text[0], size_units, &value) ==
		AMOUNT_BAD) {
		conf_bad_value(r, 0,
			"is not a size; write octets, or a number with K or "
			"M, such as \"30M\"");
		return;
	}
	if (value != 0)
		check_range(r, 0, value, size_units);
	*out = (uint64_t)value;
}

/* Decimal digits only: "0x10" and "010" mean different things to different
 * people. */
static int64_t read_number(struct conf_reader *r)
{
	const char *text = r->values->text[0];
	int64_t value = 0;

	if (parse_amount(text, no_units, &value) != AMOUNT_NO_UNIT ||
		(text[0] == '0' && text[1] != '\0')) {
		conf_bad_value(r, 0,
			"is not a number; from %lld to %lld is allowed",
			(long long)r->setting->min, (long long)r->setting->max);
		return 0;
	}
	check_range(r, 0, value, no_units);
	return value;
}

void conf_read_number(struct conf_reader *r)
{
	unsigned *out = field(r);

	*out = (unsigned)read_number(r);
}

void conf_read_port(struct conf_reader *r)
{
	uint16_t *out = field(r);

	*out = (uint16_t)read_number(r);
}

/* --- words --- */

struct word {
	const char *text;
	int value;
};

/* Returns the value of the word, or -1 with advice reported. */
static int read_word(struct conf_reader *r, const struct word *words,
	size_t count, const char *advice)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (strcmp(r->values->text[0], words[i].text) == 0)
			return words[i].value;
	conf_bad_value(r, 0, "is unknown; write %s", advice);
	return -1;
}

void conf_read_from(struct conf_reader *r)
{
	static const struct word words[] = {
		{"auto", SENDER_AUTO},
		{"keep", SENDER_KEEP},
		{"account", SENDER_ACCOUNT},
	};
	int value = read_word(r, words, COUNT_OF(words),
		"\"auto\", \"keep\" or \"account\"; an address belongs into "
		"username or send-as");

	if (value >= 0)
		*(enum sender_mode *)field(r) = (enum sender_mode)value;
}

void conf_read_tls(struct conf_reader *r)
{
	static const struct word words[] = {
		{"starttls", CONF_TLS_STARTTLS},
		{"implicit", CONF_TLS_IMPLICIT},
	};
	int value = read_word(r, words, COUNT_OF(words),
		"\"starttls\" (port 587) or \"implicit\" (port 465); never "
		"without TLS");

	if (value >= 0)
		*(enum conf_tls *)field(r) = (enum conf_tls)value;
}

void conf_read_auth(struct conf_reader *r)
{
	static const struct word words[] = {
		{"none", CONF_AUTH_NONE},
		{"any", CONF_AUTH_ANY},
		{"users", CONF_AUTH_USERS},
	};
	int value = read_word(r, words, COUNT_OF(words),
		"\"none\", \"any\" (whatever the device sends is accepted) or "
		"\"users\" (those of users-file)");

	if (value >= 0)
		*(enum conf_auth *)field(r) = (enum conf_auth)value;
}

void conf_read_client_tls(struct conf_reader *r)
{
	static const struct word words[] = {
		{"none", CONF_CLIENT_TLS_NONE},
		{"offer", CONF_CLIENT_TLS_OFFER},
		{"require", CONF_CLIENT_TLS_REQUIRE},
	};
	int value = read_word(r, words, COUNT_OF(words),
		"\"offer\", \"require\" or \"none\"; how an account connects "
		"is said in account { }");

	if (value >= 0)
		*(enum conf_client_tls *)field(r) = (enum conf_client_tls)value;
}

void conf_read_min_tls(struct conf_reader *r)
{
	static const struct word words[] = {
		{"1.0", CONF_TLS_1_0},
		{"1.1", CONF_TLS_1_1},
		{"1.2", CONF_TLS_1_2},
		{"1.3", CONF_TLS_1_3},
	};
	int value = read_word(r, words, COUNT_OF(words),
		"\"1.2\" or \"1.3\"; \"1.0\" or \"1.1\" for old devices");

	if (value >= 0)
		*(enum conf_tls_version *)field(r) =
			(enum conf_tls_version)value;
}

void conf_read_syntax(struct conf_reader *r)
{
	static const struct word words[] = {
		{"tolerant", CONF_SYNTAX_TOLERANT},
		{"strict", CONF_SYNTAX_STRICT},
	};
	int value = read_word(
		r, words, COUNT_OF(words), "\"tolerant\" or \"strict\"");

	if (value >= 0)
		*(enum conf_syntax *)field(r) = (enum conf_syntax)value;
}

void conf_read_flag(struct conf_reader *r)
{
	static const struct word words[] = {
		{"false", 0},
		{"no", 0},
		{"true", 1},
		{"yes", 1},
	};
	int value = read_word(r, words, COUNT_OF(words), "true or false");

	if (value >= 0)
		*(bool *)field(r) = value != 0;
}
