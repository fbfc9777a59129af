/*
 * test_util.c - clocks, randomness, hex, UTF-8, base64, whole reads and writes.
 */
#include "config.h"

#include "base/util.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

static void test_clocks(void **state)
{
	int64_t before = clock_boot_ms(), wall = (int64_t)time(NULL);
	struct timespec boot;

	(void)state;
	clock_gettime(CLOCK_BOOTTIME, &boot);
	assert_true(clock_boot_ms() >= before);
	assert_true(before / 1000 <= boot.tv_sec);
	assert_true(before / 1000 + 60 > boot.tv_sec);
	assert_true(clock_wall_s() >= wall && clock_wall_s() < wall + 60);
}

static void test_random(void **state)
{
	uint64_t seen = 0, a = random_u64(), b = random_u64();
	int i;

	(void)state;
	assert_true(a != 0 && b != 0 && a != b);
	for (i = 0; i < 1000; i++) {
		assert_int_equal(random_below(1), 0);
		b = random_below(10);
		assert_true(b < 10);
		seen |= 1U << b;
	}
	/* one of ten missing after 1000 tries: once in 10^44 runs */
	assert_int_equal(seen, 0x3ff);
}

static void test_hex(void **state)
{
	static const char *const bad[] = {"", "0", "0123456789abcde",
		"0123456789abcdeg", "0123456789ABCDEF", "0x23456789abcdef",
		" 123456789abcdef", "-123456789abcdef"};
	char text[HEX64_SIZE];
	uint64_t value = 7;
	size_t i;

	(void)state;
	assert_string_equal(hex64(text, 0), "0000000000000000");
	assert_string_equal(hex64(text, UINT64_MAX), "ffffffffffffffff");
	assert_ptr_equal(hex64(text, 0x0123456789abcdefULL), text);
	assert_string_equal(text, "0123456789abcdef");
	assert_int_equal(hex64_parse(text, &value), 0);
	assert_true(value == 0x0123456789abcdefULL);
	assert_int_equal(hex64_parse("fedcba9876543210 and more", &value), 0);
	assert_true(value == 0xfedcba9876543210ULL);
	for (i = 0; i < COUNT_OF(bad); i++)
		assert_int_equal(hex64_parse(bad[i], &value), -1);
	assert_true(value == 0xfedcba9876543210ULL);
}

static void test_decimal(void **state)
{
	char text[DECIMAL_SIZE];

	(void)state;
	assert_ptr_equal(decimal(text, 0), text);
	assert_string_equal(text, "0");
	assert_string_equal(decimal(text, 9), "9");
	assert_string_equal(decimal(text, 10), "10");
	assert_string_equal(decimal(text, 4096), "4096");
	assert_string_equal(decimal(text, UINT64_MAX), "18446744073709551615");
}

static void test_plural(void **state)
{
	(void)state;
	assert_string_equal(plural(0), "s");
	assert_string_equal(plural(1), "");
	assert_string_equal(plural(2), "s");
	assert_string_equal(plural(UINT64_MAX), "s");
}

static void test_join(void **state)
{
	char text[8];

	(void)state;
	assert_int_equal(text_join(text, sizeof(text), STRINGS("")), 0);
	assert_string_equal(text, "");
	assert_int_equal(
		text_join(text, sizeof(text), STRINGS("abc", "", "defg")), 7);
	assert_string_equal(text, "abcdefg");
	assert_int_equal(
		text_join(text, sizeof(text), STRINGS("abc", "defgh", "i")), 7);
	assert_string_equal(text, "abcdefg");
	assert_int_equal(text_join(text, 1, STRINGS("abc")), 0);
	assert_string_equal(text, "");
}

/* The plain definition: decode, then ask what is forbidden (RFC 3629 3). */
static size_t model_utf8(const unsigned char *s, size_t len)
{
	static const uint32_t least[] = {0, 0, 0xa0, 0x800, 0x10000};
	uint32_t c;
	size_t need, i;

	if (s[0] < 0x80)
		return 1;
	need = s[0] >= 0xf0 ? 4 : s[0] >= 0xe0 ? 3 : 2;
	if (s[0] < 0xc0 || s[0] >= 0xf8 || need > len)
		return 0;
	c = s[0] & (0x7fU >> need);
	for (i = 1; i < need; i++) {
		if (s[i] >> 6 != 2)
			return 0;
		c = c << 6 | (s[i] & 0x3fU);
	}
	if (c < least[need] || c > 0x10ffff || (c >= 0xd800 && c <= 0xdfff))
		return 0;
	return need;
}

static void test_utf8(void **state)
{
	static const unsigned char third[] = {0x7f, 0x80, 0xbf, 0xc0};
	unsigned char s[4];
	unsigned n;
	size_t len, i;

	(void)state;
	assert_int_equal(utf8_char_len("", 0), 0);
	for (n = 0; n < 0x10000; n++) {
		s[0] = (unsigned char)(n >> 8);
		s[1] = (unsigned char)n;
		for (i = 0; i < 16; i++) {
			s[2] = third[i & 3];
			s[3] = third[i >> 2];
			for (len = 1; len <= 4; len++)
				assert_int_equal(
					utf8_char_len((const char *)s, len),
					model_utf8(s, len));
		}
	}
}

static const struct {
	const char *text;
	bool invisible;
} characters[] = {
	{"\x1f", true}, {" ", false}, {"~", false}, {"\x7f", true},
	{"\xc2\xa0", false}, {"\xc2\xad", true}, /* U+00AD soft hyphen */
	{"\xd8\x9c", true},                      /* U+061C */
	{"\xc3\xa4", false},                     /* U+00E4 */
	{"\xe2\x80\x8a", false},                 /* U+200A */
	{"\xe2\x80\x8b", true},                  /* U+200B */
	{"\xe2\x80\x90", false},                 /* U+2010 hyphen */
	{"\xe2\x80\xa8", true},                  /* U+2028 line separator */
	{"\xe2\x80\xa9", true},      /* U+2029 paragraph separator */
	{"\xe2\x80\xae", true},      /* U+202E */
	{"\xe2\x80\xaf", false},     /* U+202F */
	{"\xe2\x81\xa9", true},      /* U+2069 */
	{"\xef\xbb\xbf", true},      /* U+FEFF */
	{"\xf0\x9f\x93\xa7", false}, /* U+1F4E7 */
	{"\xf3\xa0\x81\xbf", true},  /* U+E007F */
	{"\xf4\x8f\xbf\xbf", false}, /* U+10FFFF */
};

static void test_utf8_invisible(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(characters); i++)
		assert_int_equal(utf8_is_invisible(characters[i].text,
					 strlen(characters[i].text)),
			characters[i].invisible);
}

static void test_memory(void **state)
{
	char *text = xstrdup("secret"), *zero = xcalloc(3, 5);
	size_t i;

	(void)state;
	assert_string_equal(text, "secret");
	wipe(text, 6);
	wipe(NULL, 6);
	for (i = 0; i < 7; i++)
		assert_int_equal(text[i], 0);
	for (i = 0; i < 15; i++)
		assert_int_equal(zero[i], 0);
	free(text);
	free(zero);
}

/* RFC 4648 section 10, and bytes of all kinds. */
static const struct {
	const char *plain;
	size_t len;
	const char *text;
} base64s[] = {
	{"", 0, ""},
	{"f", 1, "Zg=="},
	{"fo", 2, "Zm8="},
	{"foo", 3, "Zm9v"},
	{"foob", 4, "Zm9vYg=="},
	{"fooba", 5, "Zm9vYmE="},
	{"foobar", 6, "Zm9vYmFy"},
	{"\0relay@example.org\0abcdefghijklmnop", 35,
		"AHJlbGF5QGV4YW1wbGUub3JnAGFiY2RlZmdoaWprbG1ub3A="},
	{"Username:", 9, "VXNlcm5hbWU6"},
	{"\xff\xff\xfe\x00", 4, "///+AA=="},
};

static void test_base64(void **state)
{
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 100);
	for (i = 0; i < COUNT_OF(base64s); i++) {
		buf_clear(&out);
		buf_add_string(&out, "had ");
		assert_int_equal(
			base64_encode(&out, base64s[i].plain, base64s[i].len),
			0);
		assert_memory_equal(out.data, "had ", 4);
		assert_string_equal(out.data + 4, base64s[i].text);
		buf_clear(&out);
		buf_add_string(&out, "had ");
		assert_int_equal(base64_decode(&out, base64s[i].text,
					 strlen(base64s[i].text)),
			0);
		assert_int_equal(out.len, 4 + base64s[i].len);
		assert_memory_equal(
			out.data + 4, base64s[i].plain, base64s[i].len);
	}
	buf_free(&out);
}

static void test_base64_refuses(void **state)
{
	static const char *const bad[] = {"Z", "Zg",
		"Zg=", "Zg===", "====", "=AAA", "A=AA", "AA=A",
		"A===", "Zg==Zg==", "Zm9v=", "Zm 9", "Zm9\n", "Zm9-", "Zm9_",
		"Zm9vZ*==", "\xff\xff\xff\xff"};
	struct buf out;
	size_t i;

	(void)state;
	buf_init(&out, 100);
	for (i = 0; i < COUNT_OF(bad); i++) {
		assert_int_equal(
			base64_decode(&out, bad[i], strlen(bad[i])), -1);
		assert_int_equal(out.len, 0);
	}
	assert_int_equal(base64_decode(&out, "Zm\0v", 4), -1);
	buf_add_string(&out, "had");
	assert_int_equal(base64_decode(&out, "Zm9vZm9v!!!!", 12), -1);
	assert_string_equal(out.data, "had");
	buf_free(&out);
}

static void test_base64_without_room(void **state)
{
	struct buf out;

	(void)state;
	buf_init(&out, 7);
	assert_int_equal(base64_encode(&out, "fooba", 5), -1);
	assert_int_equal(out.len, 0);
	assert_int_equal(base64_encode(&out, "foo", 3), 0);
	assert_int_equal(base64_decode(&out, "Zm9vZm9v", 8), -1);
	assert_string_equal(out.data, "Zm9v");
	buf_free(&out);
}

static int temp_file(void)
{
	char name[] = "/tmp/gmrelay-test-XXXXXX";
	int fd = mkstemp(name);

	assert_true(fd >= 0);
	unlink(name);
	return fd;
}

static void test_files(void **state)
{
	char text[16] = "";
	int fd = temp_file();

	(void)state;
	assert_int_equal(write_full(fd, "0123456789", 10), 0);
	assert_int_equal(write_full(fd, "", 0), 0);
	assert_int_equal(pwrite_full(fd, "abc", 3, 4), 0);
	assert_int_equal(pread_full(fd, text, 10, 0), 10);
	assert_string_equal(text, "0123abc789");
	assert_int_equal(pread_full(fd, text, 16, 7), 3);
	assert_memory_equal(text, "789", 3);
	assert_int_equal(pread_full(fd, text, 16, 10), 0);
	assert_int_equal(pread_full(fd, text, 0, 0), 0);
	close(fd);
	errno = 0;
	assert_int_equal(write_full(-1, "x", 1), -1);
	assert_int_equal(errno, EBADF);
	assert_int_equal(pwrite_full(-1, "x", 1, 0), -1);
	assert_int_equal(pread_full(-1, text, 1, 0), -1);
}

static void test_disk_full(void **state)
{
	int fd = open("/dev/full", O_WRONLY | O_CLOEXEC);

	(void)state;
	assert_true(fd >= 0);
	errno = 0;
	assert_int_equal(write_full(fd, "x", 1), -1);
	assert_int_equal(errno, ENOSPC);
	assert_int_equal(pwrite_full(fd, "x", 1, 0), -1);
	close(fd);
}

/* A pipe takes it in pieces, as its reader makes room. */
static void test_short_writes(void **state)
{
	enum { LEN = 1 << 20 };
	char *data = xcalloc(1, LEN);
	int ends[2], status;
	size_t got = 0;
	ssize_t n;
	pid_t pid;

	(void)state;
	assert_int_equal(pipe(ends), 0);
	pid = fork();
	assert_true(pid >= 0);
	if (pid == 0) {
		close(ends[1]);
		while ((n = read(ends[0], data, 1000)) > 0)
			got += (size_t)n;
		_exit(got == LEN ? 0 : 1);
	}
	close(ends[0]);
	assert_int_equal(write_full(ends[1], data, LEN), 0);
	close(ends[1]);
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_int_equal(status, 0);
	free(data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_clocks),
		cmocka_unit_test(test_random),
		cmocka_unit_test(test_hex),
		cmocka_unit_test(test_decimal),
		cmocka_unit_test(test_plural),
		cmocka_unit_test(test_join),
		cmocka_unit_test(test_utf8),
		cmocka_unit_test(test_utf8_invisible),
		cmocka_unit_test(test_memory),
		cmocka_unit_test(test_base64),
		cmocka_unit_test(test_base64_refuses),
		cmocka_unit_test(test_base64_without_room),
		cmocka_unit_test(test_files),
		cmocka_unit_test(test_disk_full),
		cmocka_unit_test(test_short_writes),
	};

	return cmocka_run_group_tests_name("util", tests, NULL, NULL);
}
