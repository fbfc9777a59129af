/*
 * conf_fixture.h - configurations in a file of their own, and what is wrong
 *                  with them.
 * Used by:    test_conf*.c
 */
#ifndef TESTS_CONF_FIXTURE_H
#define TESTS_CONF_FIXTURE_H

#include "base/conf.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define POSTMASTER "postmaster = \"p@example.com\"\n"
#define ACCOUNT                                                                \
	"account { username = \"a@gmail.com\" password-file = \"/p\" }\n"

/* What makes a network beyond loopback useful. */
#define FAR "listen = {\"*:25\"} "

struct fixture {
	char dir[64];
	char file[96];
	struct conf_problems problems;
};

static inline int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	snprintf(f->dir, sizeof(f->dir), "/tmp/test_conf.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/c", f->dir);
	unsetenv("CREDENTIALS_DIRECTORY");
	*state = f;
	return 0;
}

static inline int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static inline struct conf *load(struct fixture *f, const char *text, size_t len)
{
	FILE *file = fopen(f->file, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, len, file), len);
	assert_int_equal(fclose(file), 0);
	return conf_load(f->file, &f->problems);
}

/* Loads text with a good account and a postmaster behind it. */
static inline struct conf *load_with_account(
	struct fixture *f, const char *text)
{
	char whole[8192];

	snprintf(whole, sizeof(whole), "%s\n%s%s", text, ACCOUNT, POSTMASTER);
	return load(f, whole, strlen(whole));
}

static inline void show_problems(const struct fixture *f, const char *text)
{
	size_t i;

	print_error("for: %s\n", text);
	for (i = 0; i < f->problems.count; i++)
		print_error("%s %s\n", f->problems.items[i].warning ? "W" : "E",
			f->problems.items[i].text);
}

/* Is problem i what is wanted: "E3: words" is an error of line 3 with these
 * words in it, "W0: words" a warning about the file? */
static inline bool problem_is(
	const struct fixture *f, size_t i, const char *want)
{
	const char *text = f->problems.items[i].text;
	size_t len = strlen(f->file);
	const char *words = strchr(want, ' ') + 1;
	unsigned long line = strtoul(want + 1, NULL, 10);
	char prefix[32] = ": ";

	if (line > 0)
		snprintf(prefix, sizeof(prefix), ":%lu: ", line);
	return f->problems.items[i].warning == (want[0] == 'W') &&
	       strncmp(text, f->file, len) == 0 &&
	       strncmp(text + len, prefix, strlen(prefix)) == 0 &&
	       strstr(text, words) != NULL;
}

struct vector {
	const char *text;
	const char *want[4]; /* all problems, in order */
};

static inline void check_vector(
	struct fixture *f, struct conf *conf, const struct vector *v)
{
	size_t i, n = 0, errors = 0;
	bool same;

	while (n < COUNT_OF(v->want) && v->want[n] != NULL)
		errors += v->want[n++][0] == 'E';
	same = f->problems.count == n && f->problems.errors == errors &&
	       f->problems.warnings == n - errors &&
	       (conf != NULL) == (errors == 0);
	for (i = 0; same && i < n; i++)
		same = problem_is(f, i, v->want[i]);
	if (!same)
		show_problems(f, v->text);
	assert_true(same);
	conf_free(&conf);
	assert_null(conf);
}

/* Vectors in front of a good account. */
static inline void run(void **state, const struct vector *v, size_t count)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < count; i++)
		check_vector(f, load_with_account(f, v[i].text), &v[i]);
}

/* Vectors that are the whole file. */
static inline void run_whole(void **state, const struct vector *v, size_t count)
{
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < count; i++)
		check_vector(f, load(f, v[i].text, strlen(v[i].text)), &v[i]);
}

#endif
