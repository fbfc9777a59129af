/*
 * test_sendmail_options.c - the command line of sendmail, option by option.
 */
#include "config.h"

#include "base/util.h"
#include "sendmail/options.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { WORDS_MAX = 12, TEXT_MAX = 256 };

/* What sendmail 8.18 gives to getopt(3), its variants together; and what only
 * older ones knew. */
static const char of_sendmail[] =
	"A:B:b:C:cD:d:e:F:f:Gh:IiL:M:mN:nO:o:p:Q:q:R:r:sTtV:vX:x";
static const char of_older[] = "U";

static const struct vector {
	const char *argv[WORDS_MAX];
	const char *out; /* see print(); "!": an error */
} vectors[] = {
	{{NULL}, "deliver"},
	{{"sendmail"}, "deliver"},
	{{"/usr/sbin/sendmail", "a", "b"}, "deliver a b"},
	{{"/usr/bin/mailq"}, "queue"},
	{{"newaliases"}, "aliases"},
	{{"sendmail", "-bm", "a"}, "deliver a"},
	{{"sendmail", "-b", "m", "a"}, "deliver a"},
	{{"sendmail", "-bs"}, "smtp"},
	{{"sendmail", "-bp"}, "queue"},
	{{"sendmail", "-bP"}, "queue"},
	{{"sendmail", "-bi"}, "aliases"},
	{{"sendmail", "-I"}, "aliases"},
	{{"sendmail", "-q"}, "flush"},
	{{"sendmail", "-q30m"}, "flush"},
	{{"sendmail", "-q", "30m"}, "flush"},
	{{"sendmail", "-q", "-v"}, "flush -v"},
	{{"sendmail", "-qRexample.com"}, "flush"},
	{{"sendmail", "-bp", "-q"}, "queue"},
	{{"mailq", "-q"}, "queue"},
	{{"sendmail", "-t"}, "deliver -t"},
	{{"sendmail", "-i", "a"}, "deliver -i a"},
	{{"sendmail", "-oi", "a"}, "deliver -i a"},
	{{"sendmail", "-o", "i", "a"}, "deliver -i a"},
	{{"sendmail", "-oiTrue", "a"}, "deliver -i a"},
	{{"sendmail", "-i", "-oiFalse", "a"}, "deliver a"},
	{{"sendmail", "-OIgnoreDots", "a"}, "deliver -i a"},
	{{"sendmail", "-O", "ignoredots=yes", "a"}, "deliver -i a"},
	{{"sendmail", "-i", "-OIgnoreDots=false", "a"}, "deliver a"},
	{{"sendmail", "-O", "DeliveryMode=b", "a"}, "deliver a"},
	{{"sendmail", "-OIgnoreDotsX", "a"}, "deliver a"},
	{{"sendmail", "-ti"}, "deliver -t -i"},
	{{"sendmail", "-it", "-fx@y"}, "deliver -t -i -f x@y"},
	{{"sendmail", "-tifx@y", "z"}, "deliver -t -i -f x@y z"},
	{{"sendmail", "-tif", "x@y", "z"}, "deliver -t -i -f x@y z"},
	{{"sendmail", "-f", "x@y", "z"}, "deliver -f x@y z"},
	{{"sendmail", "-f", "", "z"}, "deliver -f  z"},
	{{"sendmail", "-f<>", "z"}, "deliver -f <> z"},
	{{"sendmail", "-r", "x@y", "z"}, "deliver -f x@y z"},
	{{"sendmail", "-rx@y", "z"}, "deliver -f x@y z"},
	{{"sendmail", "-f", "a", "-f", "b", "z"}, "deliver -f b z"},
	{{"sendmail", "-F", "Full Name", "z"}, "deliver -F Full Name z"},
	{{"sendmail", "-FFull", "z"}, "deliver -F Full z"},
	{{"sendmail", "a", "-f", "b", "c"}, "deliver -f b a c"},
	{{"sendmail", "-i", "--", "-f", "b"}, "deliver -i -f b"},
	{{"sendmail", "-", "a"}, "deliver - a"},
	{{"sendmail", "-N", "success,delay", "a"},
		"deliver -N SUCCESS,DELAY a"},
	{{"sendmail", "-NNEVER", "-Rhdrs", "-VQQ314159", "a"},
		"deliver -N NEVER -R HDRS -V QQ314159 a"},
	{{"sendmail", "-N", "failure", "-Nnever", "a"}, "deliver -N NEVER a"},
	{{"sendmail", "-v", "a"}, "deliver -v a"},
	{{"sendmail", "-ov", "a"}, "deliver -v a"},
	/* taken and ignored, with what belongs to them */
	{{"sendmail", "-Ac", "-B8BITMIME", "-c", "-G", "-m", "-n", "-s", "-U",
		 "a"},
		"deliver a"},
	{{"sendmail", "-A", "m", "-B", "7BIT", "-h", "3", "-L", "x", "a"},
		"deliver a"},
	{{"sendmail", "-C", "/etc/shadow", "-X", "/tmp/x", "-D", "/tmp/y", "a"},
		"deliver a"},
	{{"sendmail", "-C", "-t"}, "deliver -t"},
	{{"sendmail", "-Q", "-t"}, "deliver -t"},
	{{"sendmail", "-d", "a"}, "deliver a"},
	{{"sendmail", "-d0-99.1", "a"}, "deliver a"},
	{{"sendmail", "-oem", "-odi", "-oA/x", "-om", "-oMs", "a"},
		"deliver a"},
	{{"sendmail", "-em", "-p", "UUCP:x", "-Mvx", "-T", "-x", "a"},
		"deliver a"},
	/* not taken */
	{{"sendmail", "-z"}, "!"},
	{{"sendmail", "-tz"}, "!"},
	{{"sendmail", "--help"}, "!"},
	{{"sendmail", "-\xff"}, "!"},
	{{"sendmail", "-f"}, "!"},
	{{"sendmail", "-b"}, "!"},
	{{"sendmail", "-b", ""}, "!"},
	{{"sendmail", "-bd"}, "!"},
	{{"sendmail", "-bD"}, "!"},
	{{"sendmail", "-bt"}, "!"},
	{{"sendmail", "-bv"}, "!"},
	{{"sendmail", "-N", "sometimes", "a"}, "!"},
	{{"sendmail", "-N", "never,delay", "a"}, "!"},
	{{"sendmail", "-N", "", "a"}, "!"},
	{{"sendmail", "-N", "delay,", "a"}, "!"},
	{{"sendmail", "-R", "all", "a"}, "!"},
	{{"sendmail", "-V", "with space", "a"}, "!"},
	{{"sendmail", "-V", "a=b", "a"}, "!"},
	{{"sendmail", "-V", "", "a"}, "!"},
	{{"sendmail", "-V", "x\r\nRCPT", "a"}, "!"},
	/* a line end, and what a stranger wrote behind it */
	{{"sendmail", "-f", "x@y\nz@y", "a"}, "!"},
	{{"sendmail", "-fx@y\rz@y", "a"}, "!"},
	{{"sendmail", "-r", "x@y>\r\nRCPT TO:<z@y", "a"}, "!"},
	{{"sendmail", "-f", "\nz@y", "a"}, "!"},
	{{"sendmail", "-f", "x\x7f@y", "a"}, "!"},
	{{"sendmail", "-f", "x@y\n", "a"}, "deliver -f x@y\n a"},
};

static void add(char *to, const char *option, const char *value)
{
	const size_t len = strlen(to);

	if (value != NULL)
		snprintf(to + len, TEXT_MAX - len, "%s%s%s", option,
			option[0] != '\0' ? " " : "", value);
}

static void print(const struct options *o, char text[TEXT_MAX])
{
	static const char *const modes[] = {
		[MODE_DELIVER] = "deliver",
		[MODE_SMTP] = "smtp",
		[MODE_QUEUE] = "queue",
		[MODE_ALIASES] = "aliases",
		[MODE_FLUSH] = "flush",
	};
	size_t i;

	snprintf(text, TEXT_MAX, "%s%s%s%s", modes[o->mode],
		o->from_header ? " -t" : "", o->keep_dots ? " -i" : "",
		o->verbose ? " -v" : "");
	add(text, " -f", o->sender);
	add(text, " -F", o->full_name);
	add(text, " -N", o->notify);
	add(text, " -R", o->ret);
	add(text, " -V", o->envid);
	for (i = 0; i < o->rcpt_count; i++) {
		add(text, "", " ");
		add(text, "", o->rcpts[i]);
	}
}

static void table(void **state)
{
	struct options o;
	char text[TEXT_MAX];
	struct err err;
	size_t i;
	int argc;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		for (argc = 0; vectors[i].argv[argc] != NULL;)
			argc++;
		memset(&err, 0, sizeof(err));
		snprintf(text, sizeof(text), "!");
		if (options_read(&o, argc,
			    (char *const *)(uintptr_t)vectors[i].argv,
			    &err) == 0)
			print(&o, text);
		else
			assert_true(err.text[0] != '\0');
		options_free(&o);
		if (strcmp(text, vectors[i].out) != 0)
			print_error("vector %zu: %s\n", i, err.text);
		assert_string_equal(text, vectors[i].out);
	}
}

/* Every option of sendmail is in the table, with an argument where it has one,
 * and none that is not. */
static void all_of_sendmails(void **state)
{
	char text[OPTIONS_STRING_MAX];
	const char *c;

	(void)state;
	options_string(text);
	for (c = of_sendmail; *c != '\0'; c++) {
		if (*c == ':')
			continue;
		assert_non_null(strchr(text, *c));
		assert_int_equal(strchr(text, *c)[1] == ':', c[1] == ':');
	}
	for (c = text; *c != '\0'; c++)
		assert_true(strchr(of_sendmail, *c) != NULL ||
			    strchr(of_older, *c) != NULL);
}

/* With each letter there is, alone and with an argument: an answer, and no
 * reading beyond the words (what the sanitizers would see). */
static void every_letter(void **state)
{
	char word[3] = "-x";
	char *alone[] = {"sendmail", word, NULL};
	char *with[] = {"sendmail", word, "argument", NULL};
	struct options o;
	struct err err;
	int c;

	(void)state;
	for (c = 1; c < 256; c++) {
		word[1] = (char)c;
		(void)options_read(&o, 2, alone, &err);
		options_free(&o);
		(void)options_read(&o, 3, with, &err);
		options_free(&o);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(table),
		cmocka_unit_test(all_of_sendmails),
		cmocka_unit_test(every_letter),
	};

	return cmocka_run_group_tests_name(
		"sendmail_options", tests, NULL, NULL);
}
