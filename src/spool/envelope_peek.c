/*
 * envelope_peek.c - single lines of a printed envelope, found by where they
 *                   stand.
 */
#include "config.h"

#include "spool/envelope.h"

#include "base/util.h"

#include <string.h>

static const char first_line[] = ENVELOPE_FIRST_LINE;

/* Where the values of the line "body" stand: what is before has a fixed
 * length. */
static const char body_key[] = "body ";
static const char account_key[] = "account ";
static const char arrived_key[] = "arrived ";
enum {
	BODY_LINE_AT = sizeof(first_line) + sizeof("id ") + HEX64_LEN,
	BODY_NAME_AT = BODY_LINE_AT + sizeof(body_key) - 1,
	BODY_CHECK_AT = BODY_NAME_AT + HEX64_LEN + 1,
};

/* What stands there where no body is named. */
static bool is_next_key(const char *text, size_t len)
{
	static const char *const next[] = {
		"account ", "arrived ", "size ", "client "};
	size_t i;

	for (i = 0; i < COUNT_OF(next); i++)
		if (len >= strlen(next[i]) &&
			memcmp(text, next[i], strlen(next[i])) == 0)
			return true;
	return false;
}

int envelope_peek_body(const char *data, size_t len, uint64_t *name_out)
{
	static const size_t id_at = sizeof(first_line);
	uint64_t number;

	*name_out = 0;
	if (len <= BODY_LINE_AT ||
		memcmp(data, first_line, sizeof(first_line) - 1) != 0 ||
		data[id_at - 1] != '\n' ||
		memcmp(data + id_at, "id ", 3) != 0 ||
		hex64_parse(data + id_at + 3, &number) != 0 ||
		data[BODY_LINE_AT - 1] != '\n')
		return -1;
	if (is_next_key(data + BODY_LINE_AT, len - BODY_LINE_AT))
		return 0;
	if (len <= BODY_CHECK_AT + HEX64_LEN ||
		memcmp(data + BODY_LINE_AT, body_key, sizeof(body_key) - 1) !=
			0 ||
		hex64_parse(data + BODY_NAME_AT, &number) != 0 ||
		data[BODY_CHECK_AT + HEX64_LEN] != '\n')
		return -1;
	*name_out = number;
	return 0;
}

static bool has_key(const char *data, size_t len, size_t at, const char *key)
{
	const size_t key_len = strlen(key);

	return len >= at + key_len && memcmp(data + at, key, key_len) == 0;
}

/* Where the line behind that of the body begins. */
static size_t account_line_at(const char *data, size_t len)
{
	return len > BODY_LINE_AT && data[BODY_LINE_AT] == 'b'
		       ? BODY_CHECK_AT + HEX64_LEN + 1
		       : BODY_LINE_AT;
}

void envelope_peek_account(
	const char *data, size_t len, char out[ENVELOPE_ACCOUNT_MAX + 1])
{
	size_t at = account_line_at(data, len), n = 0;

	out[0] = '\0';
	if (!has_key(data, len, at, account_key))
		return;
	at += sizeof(account_key) - 1;
	while (at + n < len && data[at + n] != '\n')
		if (++n > ENVELOPE_ACCOUNT_MAX)
			return;
	if (at + n == len || memchr(data + at, '\0', n) != NULL)
		return;
	memcpy(out, data + at, n);
	out[n] = '\0';
}

int64_t envelope_peek_arrived(const char *data, size_t len)
{
	size_t at = account_line_at(data, len);
	const char *end;
	int64_t value = 0;

	if (has_key(data, len, at, account_key)) {
		end = memchr(data + at, '\n', len - at);
		at = end != NULL ? (size_t)(end + 1 - data) : len;
	}
	if (!has_key(data, len, at, arrived_key))
		return 0;
	at += sizeof(arrived_key) - 1;
	for (; at < len && data[at] >= '0' && data[at] <= '9'; at++) {
		if (value > INT64_MAX / 10 - 1)
			return 0;
		value = value * 10 + (data[at] - '0');
	}
	return at < len && data[at] == '\n' ? value : 0;
}

void envelope_patch_body(char *printed, uint64_t name, uint64_t check)
{
	char text[HEX64_SIZE];

	memcpy(printed + BODY_NAME_AT, hex64(text, name), HEX64_LEN);
	memcpy(printed + BODY_CHECK_AT, hex64(text, check), HEX64_LEN);
}
