/*
 * test_secret_file.c - who may read a file with a secret, and how large it may
 *                      be. Run as root it tests owners and groups as well; the
 *                      rest of the rules is in test_credential.
 */
#include "config.h"

#include "base/secret_file.h"

#include "base/util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define ITS_GID   54321
#define OTHER_GID 54322

static char file[64];

static int setup(void **state)
{
	int fd;

	(void)state;
	unsetenv("CREDENTIALS_DIRECTORY");
	snprintf(file, sizeof(file), "/tmp/test_secret_file.XXXXXX");
	fd = mkstemp(file);
	if (fd < 0 || write_full(fd, "0123456789", 10) != 0)
		return -1;
	return close(fd);
}

static int teardown(void **state)
{
	(void)state;
	return unlink(file);
}

static bool may(mode_t mode, bool any_group, size_t max)
{
	const struct secret_rules rules = {
		.what = "the key",
		.reader = "the receiver",
		.gid = ITS_GID,
		.any_group = any_group,
	};
	struct err err = {0};
	size_t len = 0;
	char *data;

	assert_int_equal(chmod(file, mode), 0);
	data = secret_file_load(file, &rules, max, &len, &err);
	if (data == NULL) {
		assert_int_not_equal(err.text[0], '\0');
		return false;
	}
	assert_int_equal(len, 10);
	assert_string_equal(data, "0123456789");
	secret_free(&data, len);
	assert_null(data);
	secret_free(&data, len);
	return true;
}

static void modes(void **state)
{
	static const mode_t wrong[] = {
		0604, 0602, 0601, 0644, 0666, 0620, 0660, 0610, 0777};
	size_t i;

	(void)state;
	assert_true(may(0600, false, 10));
	assert_true(may(0400, true, 10));
	for (i = 0; i < COUNT_OF(wrong); i++) {
		assert_false(may(wrong[i], false, 10));
		assert_false(may(wrong[i], true, 10));
	}
}

static void groups(void **state)
{
	(void)state;
	if (geteuid() != 0) {
		/* what is not root's has no such exception */
		assert_false(may(0640, false, 10));
		assert_false(may(0640, true, 10));
		return;
	}
	assert_int_equal(chown(file, 0, ITS_GID), 0);
	assert_true(may(0640, false, 10));
	assert_int_equal(chown(file, 0, OTHER_GID), 0);
	assert_false(may(0640, false, 10));
	assert_true(may(0640, true, 10));
	assert_int_equal(chown(file, 1234, OTHER_GID), 0);
	assert_false(may(0640, true, 10));
}

static void sizes(void **state)
{
	(void)state;
	assert_true(may(0600, false, 11));
	assert_false(may(0600, false, 9));
	assert_false(may(0600, false, 0));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(modes, setup, teardown),
		cmocka_unit_test_setup_teardown(groups, setup, teardown),
		cmocka_unit_test_setup_teardown(sizes, setup, teardown),
	};

	return cmocka_run_group_tests_name("secret_file", tests, NULL, NULL);
}
