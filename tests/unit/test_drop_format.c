/*
 * test_drop_format.c - the lines before a dropped message: what is written is
 *                      read again, and nothing else; whole and byte by byte.
 */
#include "config.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/util.h"
#include "submit/drop_format.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define HEAD  "gmrelay-drop 1\n"
#define SIZE  "size 10\n"
#define SIZED HEAD SIZE

static const char *const good[] = {
	SIZED "from a@b\nto c@d\n\n",
	SIZED "from \nto c@d\nto e@f\n\n",
	SIZED "from a@b\nto c@d\nnotify SUCCESS,DELAY\nret HDRS\nenvid "
	      "a+2Bb\n\n",
	SIZED "from a@b\nto \"x y\"@d\n\n",
	SIZED "from a@b\nto \xc3\xbc@d\n\n",
	SIZED "to c@d\nfrom a@b\n\n",
	SIZED "from root\nto root\n\n",
	SIZED "from a@b\nto c@d\nuid 4294967294\n\n",
	HEAD "from a@b\nto c@d\nsize 134217728\n\n",
};

static const char *const bad[] = {
	"\n",
	"gmrelay-drop 2\nfrom a@b\nto c@d\n\n",
	"from a@b\nto c@d\n\n",
	HEAD "\n",
	SIZED "\n",
	/* its end could not be told */
	HEAD "from a@b\nto c@d\n\n",
	SIZED SIZE "from a@b\nto c@d\n\n",
	HEAD "size \nfrom a@b\nto c@d\n\n",
	HEAD "size -1\nfrom a@b\nto c@d\n\n",
	HEAD "size +1\nfrom a@b\nto c@d\n\n",
	HEAD "size 1 \nfrom a@b\nto c@d\n\n",
	HEAD "size 0x10\nfrom a@b\nto c@d\n\n",
	HEAD "size 134217729\nfrom a@b\nto c@d\n\n",
	HEAD "size 18446744073709551617\nfrom a@b\nto c@d\n\n",
	SIZED "from a@b\n\n",
	SIZED "to c@d\n\n",
	SIZED "from a@b\nfrom a@b\nto c@d\n\n",
	SIZED "from a@b\nto c@d\nXUID 0\n\n",
	SIZED "from a@b\nto c@d\nuid \n\n",
	SIZED "from a@b\nto c@d\nuid -1\n\n",
	SIZED "from a@b\nto c@d\nuid 1 SIZE=0\n\n",
	SIZED "from a@b\nto c@d\nuid 4294967295\n\n",
	SIZED "from a@b\nto c@d\nuid 1\nuid 1\n\n",
	SIZED "from a@b\nto\n\n",
	SIZED "from a@b\nto \n\n",
	/* commands among the addresses */
	SIZED "from a@b>\r\nRCPT TO:<x@y\nto c@d\n\n",
	SIZED "from a@b> XUID=0\nto c@d\n\n",
	SIZED "from a@b\nto c@d>\n\n",
	SIZED "from a@b\nto <c@d>\n\n",
	SIZED "from a@b\nto c@d \n\n",
	SIZED "from a@b\nto c@d\r\n\n",
	SIZED "from a@b\nto c\001@d\n\n",
	SIZED "from a@b\nto c\x7f@d\n\n",
	SIZED "from a@b\nto \xff@d\n\n",
	SIZED "from a@b\nto c@d.\n\n",
	SIZED "from a@b\nto c@d\nnotify SOMETIMES\n\n",
	SIZED "from a@b\nto c@d\nnotify NEVER,DELAY\n\n",
	SIZED "from a@b\nto c@d\nret FULL XUID=0\n\n",
	SIZED "from a@b\nto c@d\nenvid a=b\n\n",
	SIZED "from a@b\nto c@d\nenvid +\n\n",
	SIZED "from a@b\nto c@d\nret FULL\nret FULL\n\n",
};

/* Returns what the parser said; *used the bytes it took. */
static int parse(struct drop_parser *p, const char *text, size_t len,
	size_t step, size_t *used)
{
	struct err err;
	size_t n, took;
	int rc = 0;

	drop_parser_init(p);
	for (*used = 0; *used < len && rc == 0; *used += took) {
		n = len - *used < step ? len - *used : step;
		took = n;
		rc = drop_parser_feed(p, text + *used, n, &took, &err);
	}
	if (rc < 0)
		assert_true(err.text[0] != '\0');
	return rc;
}

static void reads_what_is_good(void **state)
{
	char text[512];
	struct drop_parser p;
	size_t i, step, used;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++)
		for (step = 1; step < 80; step += 6) {
			snprintf(text, sizeof(text), "%sbody\n\nmore", good[i]);
			assert_int_equal(
				parse(&p, text, strlen(text), step, &used), 1);
			assert_int_equal(used, strlen(good[i]));
			assert_int_equal(p.taken, used);
			drop_parser_free(&p);
		}
}

static void refuses_what_is_bad(void **state)
{
	struct drop_parser p;
	size_t i, step, used;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++)
		for (step = 1; step < 80; step += 13) {
			assert_int_equal(
				parse(&p, bad[i], strlen(bad[i]), step, &used),
				-1);
			drop_parser_free(&p);
		}
}

static void ends_early(void **state)
{
	struct drop_parser p;
	size_t i, len, used;

	(void)state;
	for (i = 0; i < COUNT_OF(good); i++)
		for (len = 0; len < strlen(good[i]); len++) {
			assert_int_equal(
				parse(&p, good[i], len, 1000, &used), 0);
			drop_parser_free(&p);
		}
}

static void limits(void **state)
{
	struct drop_parser p;
	struct buf text;
	size_t used;
	int i;

	(void)state;
	buf_init(&text, 8 * 1024 * 1024);
	buf_add_string(&text, SIZED "from a@b\nto ");
	for (i = 0; i < 500; i++)
		buf_add(&text, "x", 1);
	assert_int_equal(parse(&p, text.data, text.len, 100, &used), -1);
	drop_parser_free(&p);
	buf_clear(&text);
	buf_add_string(&text, SIZED "from a@b\n");
	for (i = 0; i < DROP_RECIPIENTS_MAX; i++)
		buf_addf(&text, "to %d@d\n", i);
	assert_int_equal(parse(&p, text.data, text.len, 4096, &used), 0);
	drop_parser_free(&p);
	buf_add_string(&text, "to x@d\n");
	assert_int_equal(parse(&p, text.data, text.len, 4096, &used), -1);
	drop_parser_free(&p);
	buf_free(&text);
}

static void prints_what_it_reads(void **state)
{
	const char *const rcpts[] = {"c@d", "gone@d", "e@f"};
	unsigned char fates[] = {SUBMIT_OPEN, SUBMIT_TAKEN, SUBMIT_OPEN};
	const struct submit_message m = {
		.from = "a@b",
		.rcpts = rcpts,
		.rcpt_count = COUNT_OF(rcpts),
		.fates = fates,
		.has_owner = true,
		.owner = 1000,
		.notify = "NEVER",
		.envid = "x",
		.parts = {{.data = "", .len = 5}, {.fd = -1, .len = 70000}},
		.part_count = 2,
	};
	struct drop_parser p;
	struct buf text;
	size_t used;

	(void)state;
	buf_init(&text, 1000);
	assert_int_equal(drop_envelope_print(&m, &text), 0);
	assert_int_equal(parse(&p, text.data, text.len, 7, &used), 1);
	assert_string_equal(p.envelope.from, "a@b");
	assert_int_equal(p.envelope.rcpt_count, 2);
	assert_string_equal(p.envelope.rcpts[1], "e@f");
	assert_string_equal(p.envelope.notify, "NEVER");
	assert_null(p.envelope.ret);
	assert_string_equal(p.envelope.envid, "x");
	assert_false(p.envelope.smtputf8);
	assert_int_equal(p.envelope.size, 70005);
	assert_true(p.envelope.has_uid);
	assert_int_equal(p.envelope.uid, 1000);
	drop_parser_free(&p);
	buf_free(&text);
}

/* The command reads no configuration: where it looks is the default. */
static void places_are_the_defaults(void **state)
{
	static const char text[] = "account {\n  username = \"a@gmail.com\"\n"
				   "  password-file = \"/nowhere\"\n}\n";
	char file[] = "/tmp/gm-drop-XXXXXX", drop[256];
	struct conf_problems problems = {0};
	int fd = mkstemp(file);
	struct conf *conf;

	(void)state;
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, text, strlen(text)), 0);
	close(fd);
	conf = conf_load(file, &problems);
	unlink(file);
	assert_non_null(conf);
	assert_string_equal(conf->submit, SUBMIT_SOCKET);
	snprintf(drop, sizeof(drop), "%s/drop", conf->spool);
	assert_string_equal(drop, DROP_DIRECTORY);
	conf_free(&conf);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(reads_what_is_good),
		cmocka_unit_test(refuses_what_is_bad),
		cmocka_unit_test(ends_early),
		cmocka_unit_test(limits),
		cmocka_unit_test(prints_what_it_reads),
		cmocka_unit_test(places_are_the_defaults),
	};

	return cmocka_run_group_tests_name("drop_format", tests, NULL, NULL);
}
