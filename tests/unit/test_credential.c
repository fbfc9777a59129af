/*
 * test_credential.c - who may read the password's file, and its form. Run as
 * root it tests the rules for owner and group as well.
 */
#include "config.h"

#include "base/credential.h"
#include "base/util.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#define RELAY_GID 54321
#define SECRET    "hunter2-hunter2"

struct fixture {
	char dir[64];
	char file[96];
	struct err err;
};

static int setup(void **state)
{
	struct fixture *f = xcalloc(1, sizeof(*f));

	unsetenv("CREDENTIALS_DIRECTORY");
	snprintf(f->dir, sizeof(f->dir), "/tmp/test_credential.XXXXXX");
	if (mkdtemp(f->dir) == NULL)
		return -1;
	snprintf(f->file, sizeof(f->file), "%s/pw", f->dir);
	*state = f;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *f = *state;

	unlink(f->file);
	rmdir(f->dir);
	free(f);
	return 0;
}

static void put(struct fixture *f, const void *data, size_t len, mode_t mode)
{
	int fd;

	unlink(f->file);
	fd = open(f->file, O_WRONLY | O_CREAT | O_EXCL, 0600);
	assert_true(fd >= 0);
	assert_int_equal(write_full(fd, data, len), 0);
	assert_int_equal(fchmod(fd, mode), 0);
	close(fd);
}

/* Reads path; with want NULL it must fail, and with words for it in which the
 * secret does not stand. credential_check() must say the same. */
static void expect(struct fixture *f, const char *path, const char *want)
{
	struct err err = {ERR_NONE, ""};
	struct credential *c;
	bool app_password;

	memset(&f->err, 0, sizeof(f->err));
	c = credential_read(path, RELAY_GID, &f->err);
	assert_int_equal(credential_check(path, RELAY_GID, &app_password, &err),
		want != NULL ? 0 : -1);
	assert_string_equal(err.text, f->err.text);
	if (want == NULL) {
		assert_null(c);
		assert_int_not_equal(f->err.kind, ERR_NONE);
		assert_true(strlen(f->err.text) > 10);
		assert_null(strstr(f->err.text, "hunter2"));
		return;
	}
	if (c == NULL)
		fail_msg("%s", f->err.text);
	assert_string_equal(c->secret, want);
	assert_int_equal(c->len, strlen(want));
	credential_free(&c);
	assert_null(c);
	credential_free(&c);
}

static void test_form(void **state)
{
	static const struct {
		const char *content, *want;
	} v[] = {
		{SECRET, SECRET},
		{SECRET "\n", SECRET},
		{SECRET "\r\n", SECRET},
		{SECRET " \t \n", SECRET},
		{SECRET "\xc2\xa0\n", SECRET},
		{SECRET "\nsecond line\n", SECRET},
		{" " SECRET "\n", " " SECRET},
		{"a", "a"},
		{"abcdefghijklmnop\n", "abcdefghijklmnop"},
		{"abcd efgh ijkl mnop\n", "abcdefghijklmnop"},
		{"abcd efgh ijkl mnop", "abcdefghijklmnop"},
		{"  abcd  efgh\tijkl mnop  \r\n", "abcdefghijklmnop"},
		{"abcd\xc2\xa0"
		 "efgh\xc2\xa0ijkl\xc2\xa0mnop\n",
			"abcdefghijklmnop"},
		/* not an app password: as it is */
		{"abcd efgh ijkl mno1\n", "abcd efgh ijkl mno1"},
		{"Abcd efgh ijkl mnop\n", "Abcd efgh ijkl mnop"},
		{"abcd efgh ijkl\n", "abcd efgh ijkl"},
		{"abcd efgh ijkl mnop qrst\n", "abcd efgh ijkl mnop qrst"},
		{"abcd efgh ijkl mnopq\n", "abcd efgh ijkl mnopq"},
		{"abcdefgh ijkl mnop\n", "abcdefgh ijkl mnop"},
		{"abcd efgh ijkl\xc2mnop\n", "abcd efgh ijkl\xc2mnop"},
		{"p\xc3\xa4ss\xc3\xa0\n", "p\xc3\xa4ss\xc3\xa0"},
		{"a  b\n", "a  b"},
		/* nothing there */
		{"", NULL},
		{"\n", NULL},
		{"  \t\r\n", NULL},
		{"\n" SECRET "\n", NULL},
		{"\xef\xbb\xbf" SECRET, NULL},
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(v); i++) {
		put(f, v[i].content, strlen(v[i].content), 0600);
		expect(f, f->file, v[i].want);
	}
}

static void test_app_password(void **state)
{
	static const struct {
		const char *text;
		bool is;
	} rows[] = {
		{"abcdefghijklmnop\n", true},
		{"abcd efgh ijkl mnop", true},
		{"abcdefghijklmno", false},
		{"abcdefghijklmnopq", false},
		{"abcdefghijklmn0p", false},
		{"ABCDEFGHIJKLMNOP", false},
		{SECRET, false},
	};
	struct fixture *f = *state;
	bool is;
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++) {
		put(f, rows[i].text, strlen(rows[i].text), 0600);
		is = !rows[i].is;
		assert_int_equal(
			credential_check(f->file, RELAY_GID, &is, &f->err), 0);
		assert_int_equal(is, rows[i].is);
	}
}

static void test_nul(void **state)
{
	struct fixture *f = *state;

	put(f, SECRET "\0x\n", sizeof(SECRET "\0x\n") - 1, 0600);
	expect(f, f->file, NULL);
	assert_non_null(strstr(f->err.text, "NUL"));
	/* behind the first line it is nobody's business */
	put(f, SECRET "\n\0x", sizeof(SECRET "\n\0x") - 1, 0600);
	expect(f, f->file, SECRET);
}

static void test_length(void **state)
{
	struct fixture *f = *state;
	char text[2 * CREDENTIAL_MAX + 2];

	memset(text, 'x', sizeof(text));
	text[CREDENTIAL_MAX] = '\0';
	put(f, text, CREDENTIAL_MAX, 0600);
	expect(f, f->file, text);
	text[CREDENTIAL_MAX] = '\n';
	put(f, text, sizeof(text), 0600);
	text[CREDENTIAL_MAX] = '\0';
	expect(f, f->file, text);
	text[CREDENTIAL_MAX] = 'x';
	put(f, text, CREDENTIAL_MAX + 1, 0600);
	expect(f, f->file, NULL);
	assert_int_equal(f->err.kind, ERR_LIMIT);
	text[CREDENTIAL_MAX + 1] = '\n';
	put(f, text, sizeof(text), 0600);
	expect(f, f->file, NULL);
}

static void test_mode(void **state)
{
	struct fixture *f = *state;
	mode_t bits;

	for (bits = 0; bits <= 077; bits++) {
		put(f, SECRET, strlen(SECRET), 0600 | bits);
		expect(f, f->file, bits == 0 ? SECRET : NULL);
		if (bits == 0)
			continue;
		assert_int_equal(f->err.kind, ERR_ACCESS);
		assert_non_null(strstr(f->err.text, "chmod 600"));
	}
	put(f, SECRET, strlen(SECRET), 0400);
	expect(f, f->file, SECRET);
}

/* Group-read is right for the relay's group on root's file, and only there. */
static void test_group(void **state)
{
	static const struct {
		uid_t uid;
		gid_t gid;
		mode_t mode;
		const char *want;
	} v[] = {
		{0, RELAY_GID, 0640, SECRET},
		{0, RELAY_GID, 0440, SECRET},
		{0, RELAY_GID, 0660, NULL},
		{0, RELAY_GID, 0650, NULL},
		{0, RELAY_GID, 0644, NULL},
		{0, RELAY_GID + 1, 0640, NULL},
		{0, 0, 0640, NULL},
		{1, RELAY_GID, 0640, NULL},
		{1, RELAY_GID, 0600, SECRET},
	};
	struct fixture *f = *state;
	size_t i;

	for (i = 0; i < COUNT_OF(v) && geteuid() == 0; i++) {
		put(f, SECRET, strlen(SECRET), v[i].mode);
		assert_int_equal(chown(f->file, v[i].uid, v[i].gid), 0);
		assert_int_equal(chmod(f->file, v[i].mode), 0);
		expect(f, f->file, v[i].want);
	}
}

static void test_kind_of_file(void **state)
{
	struct fixture *f = *state;
	char link[128], none[128];

	expect(f, f->dir, NULL);
	assert_non_null(strstr(f->err.text, "not a regular file"));
	assert_int_equal(mkfifo(f->file, 0600), 0);
	expect(f, f->file, NULL);
	assert_non_null(strstr(f->err.text, "not a regular file"));
	snprintf(none, sizeof(none), "%s/none", f->dir);
	expect(f, none, NULL);
	assert_int_equal(f->err.kind, ERR_SYSTEM);
	assert_non_null(strstr(f->err.text, none));
	assert_non_null(strstr(f->err.text, "No such file"));
	/* a link is as good as its target */
	put(f, SECRET, strlen(SECRET), 0600);
	snprintf(link, sizeof(link), "%s/link", f->dir);
	assert_int_equal(symlink("pw", link), 0);
	expect(f, link, SECRET);
	put(f, SECRET, strlen(SECRET), 0604);
	expect(f, link, NULL);
	unlink(link);
}

static void test_unreadable(void **state)
{
	struct fixture *f = *state;
	uid_t was = geteuid();

	put(f, SECRET, strlen(SECRET), 0);
	if (was == 0)
		assert_int_equal(seteuid(65534), 0);
	expect(f, f->file, NULL);
	if (was == 0)
		assert_int_equal(seteuid(was), 0);
	assert_non_null(strstr(f->err.text, "Permission denied"));
}

static void test_credentials_directory(void **state)
{
	struct fixture *f = *state;
	char path[128];

	put(f, SECRET, strlen(SECRET), 0600);
	/* a bare name needs the directory; it may be the password itself */
	expect(f, "pw", NULL);
	expect(f, SECRET, NULL);
	expect(f, "", NULL);
	setenv("CREDENTIALS_DIRECTORY", "", 1);
	expect(f, "pw", NULL);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	expect(f, "pw", SECRET);
	expect(f, f->file, SECRET);
	expect(f, "none", NULL);
	expect(f, "", NULL);
	expect(f, "../pw", NULL);
	expect(f, "./pw", NULL);
	/* systemd's own modes: 0400, or 0440 with an ACL */
	put(f, SECRET, strlen(SECRET), 0440);
	expect(f, "pw", SECRET);
	expect(f, f->file, SECRET);
	snprintf(path, sizeof(path), "%s/../%s", f->dir, f->file + 5);
	expect(f, path, NULL);
	put(f, SECRET, strlen(SECRET), 0444);
	expect(f, "pw", NULL);
	put(f, SECRET, strlen(SECRET), 0460);
	expect(f, "pw", NULL);
	unsetenv("CREDENTIALS_DIRECTORY");
	put(f, SECRET, strlen(SECRET), 0440);
	expect(f, f->file, NULL);
}

static void test_long_path(void **state)
{
	struct fixture *f = *state;
	char path[8192];

	memset(path, 'a', sizeof(path));
	path[0] = '/';
	path[sizeof(path) - 1] = '\0';
	expect(f, path, NULL);
	assert_int_equal(f->err.kind, ERR_LIMIT);
	setenv("CREDENTIALS_DIRECTORY", f->dir, 1);
	expect(f, path + 1, NULL);
	assert_int_equal(f->err.kind, ERR_LIMIT);
	unsetenv("CREDENTIALS_DIRECTORY");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_form, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_app_password, setup, teardown),
		cmocka_unit_test_setup_teardown(test_nul, setup, teardown),
		cmocka_unit_test_setup_teardown(test_length, setup, teardown),
		cmocka_unit_test_setup_teardown(test_mode, setup, teardown),
		cmocka_unit_test_setup_teardown(test_group, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_kind_of_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_unreadable, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_credentials_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_long_path, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
