/*
 * test_log.c - escaping of strangers' text; prefixes, levels and limits of the
 *              lines.
 */
#include "config.h"

#include "base/log.h"
#include "base/util.h"

#include <regex.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "aborts.h"

static const struct {
	const char *in;
	size_t len;
	const char *out;
} texts[] = {
	{"", 0, "\"\""},
	{"word", 4, "word"},
	{"user@example.com", 16, "user@example.com"},
	{"two words", 9, "\"two words\""},
	{"a=b", 3, "\"a=b\""},
	{"a\"b", 3, "\"a\\\"b\""},
	{"a\\b", 3, "a\\x5cb"},
	{"a\nid=7", 6, "\"a\\x0aid=7\""},
	{"a\r\n\t", 4, "a\\x0d\\x0a\\x09"},
	{"\0x", 2, "\\x00x"},
	{"\x1b[31m\x7f", 6, "\\x1b[31m\\x7f"},
	{"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7", 9,
		"\xc3\xa4\xe2\x82\xac\xf0\x9f\x93\xa7"},
	{"\xc3", 1, "\\xc3"},
	{"\xff\xfe", 2, "\\xff\\xfe"},
	{"\xc0\xaf", 2, "\\xc0\\xaf"},
	{"\xc2\x9b", 2, "\\xc2\\x9b"}, /* C1: a terminal's escape */
	/* U+202E turns what follows, U+2028 ends the line, U+200B is nothing */
	{"a\xe2\x80\xaemoc", 7, "a\\xe2\\x80\\xaemoc"},
	{"a\xe2\x80\xa8id", 6, "a\\xe2\\x80\\xa8id"},
	{"\xe2\x80\x8b", 3, "\\xe2\\x80\\x8b"},
	{"\xf3\xa0\x80\xa0", 4, "\\xf3\\xa0\\x80\\xa0"}, /* a tag */
	{"\xe2\x82x", 3, "\\xe2\\x82x"},
	{"\xed\xa0\x80", 3, "\\xed\\xa0\\x80"},
};

static void test_text(void **state)
{
	struct log_text out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(texts); i++) {
		assert_ptr_equal(
			log_text_n(&out, texts[i].in, texts[i].len), out.text);
		assert_string_equal(out.text, texts[i].out);
	}
	assert_string_equal(log_text(&out, "two words"), "\"two words\"");
}

static void check_long(const char *piece, bool quoted)
{
	char text[2 * LOG_TEXT_MAX];
	struct log_text out;
	size_t i, len, n = strlen(piece);

	for (i = 0; i < sizeof(text); i++)
		text[i] = piece[i % n];
	log_text_n(&out, text, sizeof(text));
	len = strlen(out.text);
	assert_true(len < LOG_TEXT_MAX && len > LOG_TEXT_MAX - 16);
	assert_string_equal(
		out.text + len - (quoted ? 4 : 3), quoted ? "...\"" : "...");
	assert_int_equal(out.text[0] == '"', quoted);
	/* nothing is cut in two */
	for (i = 0; i < len; i += n) {
		n = utf8_char_len(out.text + i, len - i);
		assert_true(n > 0);
	}
}

static void test_long_text(void **state)
{
	struct log_text out;
	char text[LOG_TEXT_MAX];

	(void)state;
	check_long("x", false);
	check_long("x ", true);
	check_long("\xff", false);
	check_long("\xf0\x9f\x93\xa7", false);
	check_long("x\xf0\x9f\x93\xa7", false);
	check_long(" \xe2\x82\xac\n", true);
	memset(text, 'x', sizeof(text));
	log_text_n(&out, text, LOG_TEXT_MAX - 12);
	assert_int_equal(strlen(out.text), LOG_TEXT_MAX - 12);
	assert_null(strchr(out.text, '.'));
}

/* stderr goes into a file meanwhile. */
struct capture {
	int file;
	int saved;
	char text[2 * LOG_LINE_MAX];
};

static void capture_start(struct capture *c)
{
	char name[] = "/tmp/gmrelay-test-XXXXXX";

	c->file = mkstemp(name);
	assert_true(c->file >= 0);
	unlink(name);
	fflush(stderr);
	c->saved = dup(STDERR_FILENO);
	assert_true(dup2(c->file, STDERR_FILENO) >= 0);
}

static void capture_end(struct capture *c)
{
	ssize_t n;

	dup2(c->saved, STDERR_FILENO);
	close(c->saved);
	n = pread_full(c->file, c->text, sizeof(c->text) - 1, 0);
	assert_true(n >= 0);
	c->text[n] = '\0';
	close(c->file);
}

static void assert_matches(const char *text, const char *pattern)
{
	regex_t re;

	assert_int_equal(regcomp(&re, pattern, REG_EXTENDED | REG_NOSUB), 0);
	if (regexec(&re, text, 0, NULL, 0) != 0)
		fail_msg("no match: %s", text);
	regfree(&re);
}

#define STAMP "[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9:]{8}\\.[0-9]{3}Z"

static void log_one_of_each(void)
{
	log_err("error a=%d", 1);
	log_warn("warning b=%s", "x");
	log_info("info");
	log_debug("debug");
}

static void test_levels(void **state)
{
	static const char *const patterns[] = {
		"^$",
		"^" STAMP " parent error: error a=1\n$",
		"^" STAMP " parent error: error a=1\n" STAMP
		" parent warning: warning b=x\n$",
		"^[^\n]+\n[^\n]+\n" STAMP " parent info: info\n$",
		"^[^\n]+\n[^\n]+\n[^\n]+\n" STAMP " parent debug: debug\n$",
	};
	struct capture c;
	enum log_level level;

	(void)state;
	unsetenv("JOURNAL_STREAM");
	for (level = LOG_LEVEL_NONE; level <= LOG_LEVEL_DEBUG; level++) {
		capture_start(&c);
		log_open(level, false);
		log_one_of_each();
		capture_end(&c);
		assert_matches(c.text, patterns[level]);
		assert_int_equal(log_debugging(), level == LOG_LEVEL_DEBUG);
	}
}

static void test_journal(void **state)
{
	char stream[64];
	struct capture c;
	struct stat st;
	int other;

	(void)state;
	for (other = 0; other < 2; other++) {
		capture_start(&c);
		fstat(c.file, &st);
		snprintf(stream, sizeof(stream), "%llu:%llu",
			(unsigned long long)st.st_dev,
			(unsigned long long)st.st_ino + (other ? 1 : 0));
		setenv("JOURNAL_STREAM", stream, 1);
		log_open(LOG_LEVEL_DEBUG, false);
		log_set_role("relay");
		log_one_of_each();
		capture_end(&c);
		if (other == 0)
			assert_string_equal(c.text,
				"<3>relay: error a=1\n"
				"<4>relay: warning b=x\n"
				"<6>relay: info\n<7>relay: debug\n");
		else
			/* inherited from a service, but stderr is not its */
			assert_matches(c.text, "^" STAMP " relay error: ");
	}
	setenv("JOURNAL_STREAM", "junk", 1);
	capture_start(&c);
	log_open(LOG_LEVEL_INFO, false);
	log_info("x");
	capture_end(&c);
	assert_matches(c.text, "^" STAMP " relay info: x\n$");
	unsetenv("JOURNAL_STREAM");
	log_open(LOG_LEVEL_INFO, false);
	log_set_role("parent");
}

static void test_long_line(void **state)
{
	char text[2 * LOG_LINE_MAX];
	struct capture c;
	size_t len;

	(void)state;
	memset(text, 'x', sizeof(text));
	for (len = LOG_LINE_MAX - 60; len < LOG_LINE_MAX; len++) {
		capture_start(&c);
		log_info("%.*s", (int)len, text);
		capture_end(&c);
		assert_true(strlen(c.text) < LOG_LINE_MAX);
		assert_true(strlen(c.text) >= LOG_LINE_MAX - 60);
		assert_ptr_equal(
			strchr(c.text, '\n'), c.text + strlen(c.text) - 1);
		assert_int_equal(c.text[strlen(c.text) - 2], 'x');
	}
}

static void be_impossible(void *arg)
{
	bug("cannot be: state=%d", *(int *)arg);
}

static void test_bug_aborts(void **state)
{
	struct capture c;
	int number = 9;

	(void)state;
	capture_start(&c);
	assert_true(aborts(be_impossible, &number));
	capture_end(&c);
	assert_matches(c.text, "error: cannot be: state=9\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_text),
		cmocka_unit_test(test_long_text),
		cmocka_unit_test(test_levels),
		cmocka_unit_test(test_journal),
		cmocka_unit_test(test_long_line),
		cmocka_unit_test(test_bug_aborts),
	};

	return cmocka_run_group_tests_name("log", tests, NULL, NULL);
}
