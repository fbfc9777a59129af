/*
 * test_conf_sample.c - the configuration as it is installed.
 */
#include "config.h"

#include "conf_fixture.h"

static void give_networks(char *text)
{
	static const char networks[] = "\"127.0.0.9\"";
	char *at = strstr(text, "networks = {");

	assert_non_null(at);
	at += strlen("networks = {");
	memmove(at + strlen(networks), at, strlen(at) + 1);
	memcpy(at, networks, strlen(networks));
}

/* The sample as it is installed: wrong only for want of the three lines; right
 * once they are there, with and without the hash signs of its defaults. */
static void test_sample(void **state)
{
	static const char *const missing[] = {
		"username: is missing", "password-file: is missing"};
	const char *top = getenv("top_srcdir");
	struct fixture *f = *state;
	char text[16384], path[4096], *at;
	struct conf *c;
	size_t len, i;
	FILE *file;

	snprintf(path, sizeof(path), "%s/etc/gmrelayd.conf",
		top != NULL ? top : ".");
	file = fopen(path, "r");
	assert_non_null(file);
	len = fread(text, 1, sizeof(text) - 64, file);
	fclose(file);
	text[len] = '\0';
	assert_null(load(f, text, len));
	assert_int_equal(f->problems.errors, 2);
	for (i = 0; i < 2; i++)
		assert_non_null(strstr(f->problems.items[i].text, missing[i]));

	at = strstr(text, "username = \"");
	assert_non_null(at);
	at += strlen("username = \"");
	memmove(at + 7, at, strlen(at) + 1);
	memcpy(at, "a@b.org", 7);
	at = strstr(text, "password-file = \"");
	assert_non_null(at);
	at += strlen("password-file = \"");
	memmove(at + 2, at, strlen(at) + 1);
	memcpy(at, "/p", 2);
	c = load(f, text, strlen(text));
	assert_non_null(c);
	assert_int_equal(f->problems.warnings, 1); /* postmaster */
	conf_free(&c);

	/* take the hash signs away from settings, and give the client what it
	 * cannot be without */
	for (at = text; (at = strchr(at, '#')) != NULL; at++)
		if ((at[1] >= 'a' && at[1] <= 'z') || at[1] == '\t' ||
			at[1] == '}')
			*at = ' ';
	give_networks(text);
	c = load(f, text, strlen(text));
	if (c == NULL)
		show_problems(f, text);
	assert_non_null(c);
	assert_int_equal(c->client_count, 2);
	assert_int_equal(f->problems.warnings, 2);
	assert_non_null(strstr(f->problems.items[0].text, "offers nothing"));
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_sample, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
