/*
 * test_names.c - the file of aliases, as the parent reads it.
 */
#include "config.h"

#include "parent/names.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/util.h"
#include "proto/aliases.h"
#include "proto/local.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

enum { TEXT_MAX = 64 * 1024 };

struct fixture {
	struct conf conf;
	struct conf_account account;
	char file[64];
	struct buf told; /* "error: FILE:LINE: ...\n" without FILE */
	size_t errors;
};

static int setup(void **state)
{
	static char user[] = "me@gmail.com", none[] = "", host[] = "web1.lan";
	struct fixture *f = xcalloc(1, sizeof(*f));
	int fd;

	snprintf(f->file, sizeof(f->file), "/tmp/test_names.XXXXXX");
	fd = mkstemp(f->file);
	if (fd < 0)
		return -1;
	close(fd);
	f->account.username = user;
	f->conf.accounts = &f->account;
	f->conf.account_count = 1;
	f->conf.hostname = host;
	f->conf.postmaster = none;
	f->conf.default_domain = none;
	f->conf.aliases = f->file;
	f->conf.aliases_written = true;
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->file);
	buf_free(&f->told);
	free(f);
	return 0;
}

static void on_told(void *arg, bool warning, const char *text)
{
	struct fixture *f = arg;
	size_t len = strlen(f->file);

	assert_memory_equal(text, f->conf.aliases, len);
	buf_addf(&f->told, "%s%s\n", warning ? "warning" : "error", text + len);
}

static struct names *load(struct fixture *f, const char *text)
{
	FILE *file;

	if (text != NULL) {
		file = fopen(f->file, "w");
		assert_non_null(file);
		assert_true(fputs(text, file) >= 0);
		assert_int_equal(fclose(file), 0);
	}
	buf_free(&f->told);
	buf_init(&f->told, TEXT_MAX);
	buf_add(&f->told, "", 0);
	f->errors = 0;
	return names_load(&f->conf, on_told, f, &f->errors);
}

static void a_good_file(void **state)
{
	struct fixture *f = *state;
	struct names *n = load(f, "root: me@example.com\nx: root\n");
	const struct local_names *local = names_local(n);

	assert_string_equal(f->told.data, "");
	assert_int_equal(f->errors, 0);
	assert_int_equal(names_aliases(n), 2);
	assert_string_equal(local->host, "web1.lan");
	assert_string_equal(local->account, "me@gmail.com");
	assert_int_equal(aliases_count(local->aliases), 2);
	names_free(&n);
	assert_null(n);
	names_free(&n);
}

static const char broken[] = "a: b\nb: a\npipe: |x\nuser: jan\nroot: jan\n"
			     "no colon\n";

static void a_file_that_was_written_must_be_right(void **state)
{
	struct fixture *f = *state;
	struct names *n = load(f, broken);

	assert_int_equal(f->errors, 2);
	assert_non_null(strstr(f->told.data, "error:6: \"name: address\""));
	assert_non_null(strstr(f->told.data, "error:2: b: a leads back"));
	assert_non_null(strstr(f->told.data, "warning:3: pipe: |x starts"));
	assert_non_null(strstr(f->told.data,
		"warning:4: user leads to a user of this machine"));
	/* root's mail reaches the owner */
	assert_null(strstr(f->told.data, ":5:"));
	names_free(&n);
	f->conf.aliases_written = true;
	unlink(f->file);
	n = load(f, NULL);
	assert_int_equal(f->errors, 1);
	assert_string_equal(f->told.data,
		"error: cannot be read: No such file or directory\n");
	assert_int_equal(names_aliases(n), 0);
	names_free(&n);
}

static void the_default_file_may_be_anything(void **state)
{
	struct fixture *f = *state;
	struct names *n;

	f->conf.aliases_written = false;
	n = load(f, broken);
	assert_int_equal(f->errors, 0);
	assert_non_null(strstr(f->told.data, "warning:6: \"name: address\""));
	assert_null(strstr(f->told.data, "error"));
	assert_int_equal(names_aliases(n), 5);
	names_free(&n);
	unlink(f->file);
	n = load(f, NULL);
	assert_string_equal(f->told.data, "");
	names_free(&n);
	assert_int_equal(mkdir(f->file, 0700), 0);
	n = load(f, NULL);
	assert_int_equal(f->errors, 0);
	assert_string_equal(f->told.data, "warning: is not a file\n");
	names_free(&n);
	rmdir(f->file);
	/* nobody writes there: an open that waits would hang the test */
	assert_int_equal(mkfifo(f->file, 0600), 0);
	n = load(f, NULL);
	assert_string_equal(f->told.data, "warning: is not a file\n");
	names_free(&n);
}

static void no_file_at_all(void **state)
{
	static char none[] = "";
	struct fixture *f = *state;
	char *file = f->conf.aliases;
	struct names *n;

	f->conf.aliases = none;
	n = load(f, "root: x\n");
	assert_string_equal(f->told.data, "");
	assert_null(names_local(n)->aliases);
	names_free(&n);
	f->conf.aliases = file;
}

static void limits(void **state)
{
	struct fixture *f = *state;
	struct names *n;
	struct buf text;
	int i;

	buf_init(&text, TEXT_MAX);
	for (i = 0; i < 100; i++)
		buf_add_string(&text, "x\n");
	n = load(f, text.data);
	assert_int_equal(f->errors, 100);
	assert_non_null(strstr(f->told.data, "error:20: "));
	assert_null(strstr(f->told.data, ":21: "));
	assert_non_null(strstr(f->told.data, "and 80 findings more\n"));
	names_free(&n);
	buf_free(&text);
	assert_int_equal(truncate(f->file, ALIASES_SIZE_MAX + 1), 0);
	n = load(f, NULL);
	assert_string_equal(
		f->told.data, "error: has more than 1048576 octets\n");
	names_free(&n);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_good_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			a_file_that_was_written_must_be_right, setup, teardown),
		cmocka_unit_test_setup_teardown(
			the_default_file_may_be_anything, setup, teardown),
		cmocka_unit_test_setup_teardown(
			no_file_at_all, setup, teardown),
		cmocka_unit_test_setup_teardown(limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
