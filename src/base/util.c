/*
 * util.c - clocks, randomness, numbers, UTF-8, base64, whole reads and writes.
 */
#include "config.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

int64_t clock_wall_s(void)
{
	struct timespec now;

	clock_gettime(CLOCK_REALTIME, &now);
	return now.tv_sec;
}

int64_t clock_boot_ms(void)
{
	struct timespec now;

	clock_gettime(CLOCK_BOOTTIME, &now);
	return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

uint64_t random_u64(void)
{
	uint64_t value = 0;

	while (value == 0)
		if (getrandom(&value, sizeof(value), 0) !=
				(ssize_t)sizeof(value) &&
			errno != EINTR)
			abort();
	return value;
}

uint32_t random_below(uint32_t limit)
{
	return (uint32_t)(random_u64() % limit);
}

const char *hex64(char text[HEX64_SIZE], uint64_t value)
{
	static const char digits[] = "0123456789abcdef";
	int i;

	for (i = HEX64_LEN - 1; i >= 0; i--) {
		text[i] = digits[value & 15];
		value >>= 4;
	}
	text[HEX64_LEN] = '\0';
	return text;
}

int hex64_parse(const char *text, uint64_t *value_out)
{
	uint64_t value = 0;
	int i;

	for (i = 0; i < HEX64_LEN; i++) {
		value <<= 4;
		if (text[i] >= '0' && text[i] <= '9')
			value |= (uint64_t)(text[i] - '0');
		else if (text[i] >= 'a' && text[i] <= 'f')
			value |= (uint64_t)(text[i] - 'a' + 10);
		else
			return -1;
	}
	*value_out = value;
	return 0;
}

const char *decimal(char text[DECIMAL_SIZE], uint64_t value)
{
	char digits[DECIMAL_SIZE];
	char *first = digits + sizeof(digits);

	*--first = '\0';
	do {
		*--first = (char)('0' + value % 10);
		value /= 10;
	} while (value > 0);
	return memcpy(text, first, (size_t)(digits + sizeof(digits) - first));
}

const char *plural(uint64_t number)
{
	return number == 1 ? "" : "s";
}

size_t text_join(char *text, size_t size, const char *const *strings)
{
	size_t len = 0, n;

	for (; *strings != NULL; strings++) {
		n = strlen(*strings);
		if (n > size - 1 - len)
			n = size - 1 - len;
		memcpy(text + len, *strings, n);
		len += n;
	}
	text[len] = '\0';
	return len;
}

/* How many bytes the lead byte announces, and the range of the second one that
 * keeps out overlong forms, surrogates, C1 controls and what is beyond
 * U+10FFFF (RFC 3629 section 4). */
static const struct utf8_row {
	unsigned char first, last;
	unsigned char second_first, second_last;
	unsigned char len;
} utf8_rows[] = {
	{0xc2, 0xc2, 0xa0, 0xbf, 2},
	{0xc3, 0xdf, 0x80, 0xbf, 2},
	{0xe0, 0xe0, 0xa0, 0xbf, 3},
	{0xe1, 0xec, 0x80, 0xbf, 3},
	{0xed, 0xed, 0x80, 0x9f, 3},
	{0xee, 0xef, 0x80, 0xbf, 3},
	{0xf0, 0xf0, 0x90, 0xbf, 4},
	{0xf1, 0xf3, 0x80, 0xbf, 4},
	{0xf4, 0xf4, 0x80, 0x8f, 4},
};

size_t utf8_char_len(const char *text, size_t len)
{
	const unsigned char *s = (const unsigned char *)text;
	const struct utf8_row *row = utf8_rows;
	const struct utf8_row *end = utf8_rows + COUNT_OF(utf8_rows);
	size_t i;

	if (len > 0 && s[0] < 0x80)
		return 1;
	while (row < end && len > 0 && s[0] > row->last)
		row++;
	if (len == 0 || row == end || s[0] < row->first || len < row->len ||
		s[1] < row->second_first || s[1] > row->second_last)
		return 0;
	for (i = 2; i < row->len; i++)
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	return row->len;
}

static uint32_t code_point(const unsigned char *s, size_t len)
{
	static const unsigned char lead_bits[] = {0, 0x7f, 0x1f, 0x0f, 0x07};
	uint32_t code = s[0] & lead_bits[len];
	size_t i;

	for (i = 1; i < len; i++)
		code = code << 6 | (s[i] & 0x3f);
	return code;
}

bool string_is_ascii(const char *text)
{
	for (; *text != '\0'; text++)
		if ((unsigned char)*text > 127)
			return false;
	return true;
}

bool utf8_is_invisible(const char *text, size_t len)
{
	/* Unicode 15 */
	static const struct {
		uint32_t first, last;
	} invisible[] = {
		{0x00, 0x1f},
		{0x7f, 0x9f},
		{0xad, 0xad},
		{0x600, 0x605},
		{0x61c, 0x61c},
		{0x6dd, 0x6dd},
		{0x70f, 0x70f},
		{0x890, 0x891},
		{0x8e2, 0x8e2},
		{0x180e, 0x180e},
		{0x200b, 0x200f},
		{0x2028, 0x202e},
		{0x2060, 0x2064},
		{0x2066, 0x206f},
		{0xfeff, 0xfeff},
		{0xfff9, 0xfffb},
		{0x110bd, 0x110bd},
		{0x110cd, 0x110cd},
		{0x13430, 0x1343f},
		{0x1bca0, 0x1bca3},
		{0x1d173, 0x1d17a},
		{0xe0001, 0xe0001},
		{0xe0020, 0xe007f},
	};
	uint32_t code = code_point((const unsigned char *)text, len);
	size_t i;

	if (code >= 0x20 && code < 0x7f)
		return false; /* nearly all of them */
	for (i = 0; i < COUNT_OF(invisible); i++)
		if (code >= invisible[i].first && code <= invisible[i].last)
			return true;
	return false;
}

void *xcalloc(size_t count, size_t size)
{
	void *data = calloc(count, size);

	if (data == NULL)
		abort();
	return data;
}

char *xstrdup(const char *text)
{
	char *copy = strdup(text);

	if (copy == NULL)
		abort();
	return copy;
}

void wipe(void *data, size_t len)
{
	if (data != NULL)
		explicit_bzero(data, len);
}

static const char base64_digits[] =
	"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

int base64_encode(struct buf *out, const void *data, size_t len)
{
	const unsigned char *in = data;
	char *to = buf_reserve(out, (len + 2) / 3 * 4);
	uint32_t bits;
	size_t i, n;

	if (to == NULL)
		return -1;
	for (i = 0; i < len; i += 3) {
		n = len - i < 3 ? len - i : 3;
		bits = (uint32_t)in[i] << 16;
		bits |= n > 1 ? (uint32_t)in[i + 1] << 8 : 0;
		bits |= n > 2 ? (uint32_t)in[i + 2] : 0;
		*to++ = base64_digits[bits >> 18];
		*to++ = base64_digits[bits >> 12 & 63];
		*to++ = n > 1 ? base64_digits[bits >> 6 & 63] : '=';
		*to++ = n > 2 ? base64_digits[bits & 63] : '=';
	}
	out->len += (len + 2) / 3 * 4;
	out->data[out->len] = '\0';
	return 0;
}

static int base64_value(char c)
{
	const char *at = c != '\0' ? strchr(base64_digits, c) : NULL;

	return at != NULL ? (int)(at - base64_digits) : -1;
}

/* Decodes the four digits at text. Returns how many bytes they are, or -1. Only
 * the last four may be padded. */
static int base64_four(const char *text, bool last, unsigned char three[3])
{
	uint32_t bits = 0;
	int i, value, pad = 0;

	for (i = 0; i < 4; i++) {
		value = base64_value(text[i]);
		if (text[i] == '=' && last && i >= 2) {
			pad++;
			value = 0;
		} else if (pad > 0) {
			return -1;
		}
		if (value < 0)
			return -1;
		bits = bits << 6 | (uint32_t)value;
	}
	three[0] = (unsigned char)(bits >> 16);
	three[1] = (unsigned char)(bits >> 8);
	three[2] = (unsigned char)bits;
	return 3 - pad;
}

int base64_decode(struct buf *out, const char *text, size_t len)
{
	size_t before = out->len;
	unsigned char three[3];
	size_t i;
	int n = len % 4 == 0 ? 0 : -1;

	for (i = 0; i < len && n >= 0; i += 4) {
		n = base64_four(text + i, i + 4 == len, three);
		if (n >= 0 && buf_add(out, three, (size_t)n) != 0)
			n = -1;
	}
	wipe(three, sizeof(three));
	if (n >= 0)
		return 0;
	if (out->len > before) {
		out->len = before;
		out->data[before] = '\0';
	}
	return -1;
}

int write_full(int fd, const void *data, size_t len)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = write(fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		len -= (size_t)n;
	}
	return 0;
}

int pwrite_full(int fd, const void *data, size_t len, off_t offset)
{
	const char *p = data;
	ssize_t n;

	while (len > 0) {
		n = pwrite(fd, p, len, offset);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		p += n;
		offset += n;
		len -= (size_t)n;
	}
	return 0;
}

ssize_t pread_full(int fd, void *data, size_t len, off_t offset)
{
	char *p = data;
	size_t got = 0;
	ssize_t n;

	while (got < len) {
		n = pread(fd, p + got, len - got, offset + (off_t)got);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return -1;
		if (n == 0)
			break;
		got += (size_t)n;
	}
	return (ssize_t)got;
}

int fill_stdio(void)
{
	int fd;

	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	if (fd < 0)
		return -1;
	close(fd);
	return 0;
}
