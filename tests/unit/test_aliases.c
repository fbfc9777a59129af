/*
 * test_aliases.c - files of aliases: what they mean, and what is told of them.
 */
#include "config.h"

#include "proto/aliases.h"

#include "base/buf.h"
#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 4 * 1024 * 1024 };

struct told {
	struct buf text; /* "E3: ...\n", "W4: ...\n" */
	size_t count;
};

static void on_told(void *arg, bool error, unsigned line, const char *text)
{
	struct told *t = arg;

	t->count++;
	assert_int_equal(
		buf_addf(&t->text, "%c%u: %s\n", error ? 'E' : 'W', line, text),
		0);
}

static struct aliases *parse(struct told *t, const char *text, size_t len)
{
	memset(t, 0, sizeof(*t));
	buf_init(&t->text, TEXT_MAX);
	buf_add(&t->text, "", 0);
	return aliases_parse(text, len, on_told, t);
}

static int on_address(void *arg, const struct address *address)
{
	struct buf *out = arg;

	if (out->len > 0)
		assert_int_equal(buf_add_string(out, ", "), 0);
	return buf_add_string(out, address->text);
}

/* "a@b, c", "" for one with nothing, "-" for none. */
static const char *expand(
	struct buf *out, const struct aliases *a, const char *name)
{
	buf_free(out);
	buf_init(out, TEXT_MAX);
	buf_add(out, "", 0);
	return aliases_expand(a, name, on_address, out) == 0 ? "-" : out->data;
}

#define LOOP "leads back to where it came from: a loop; it is left out"

static const struct vector {
	const char *in;
	const char *name;
	const char *out;
	const char *told[3]; /* each in a line of its own */
} vectors[] = {
	/* the format */
	{"", "root", "-", {NULL}},
	{"root: jan@example.com\n", "root", "jan@example.com", {NULL}},
	{"root: jan@example.com", "ROOT", "jan@example.com", {NULL}},
	{"ROOT:jan@Example.com\n", "root", "jan@Example.com", {NULL}},
	{"root : jan@example.com \t\n", "root", "jan@example.com", {NULL}},
	{"root:\tjan@example.com\r\n", "root", "jan@example.com", {NULL}},
	{"root: a@b.c,d@e.f , g@h.i\n", "root", "a@b.c, d@e.f, g@h.i", {NULL}},
	{"root: a@b.c,\n d@e.f,\n\tg@h.i\nx: y@z.a\n", "root",
		"a@b.c, d@e.f, g@h.i", {NULL}},
	{"root: a@b.c,\n\n# x\n \n d@e.f\n", "root", "a@b.c, d@e.f", {NULL}},
	{"root:\n a@b.c\n", "root", "a@b.c", {NULL}},
	{"root: a@b.c,\n", "root", "a@b.c", {NULL}},
	{"# c\n\n  # d\nroot: a@b.c # e, f\n", "root", "a@b.c", {NULL}},
	{"root: a#b@b.c\n", "root", "a#b@b.c", {NULL}},
	{"\"root\": a@b.c\n", "root", "a@b.c", {NULL}},
	{"\"two words\": a@b.c\n", "\"two words\"", "a@b.c", {NULL}},
	{"root: \"a@b.c\", \"x y\"@b.c\n", "root", "a@b.c, \"x y\"@b.c",
		{NULL}},
	{"root: Jan B <a@b.c>, \"B, J\" <d@e.f>\n", "root", "a@b.c, d@e.f",
		{NULL}},
	{"root: j\xc3\xb6@b.c\n", "root", "j\xc3\xb6@b.c", {NULL}},
	{"root@localhost: a@b.c\n", "root", "a@b.c", {NULL}},
	{"root: a@b.c.\n", "root", "a@b.c", {NULL}},
	/* names */
	{"root: jan\n", "root", "jan", {NULL}},
	{"root: jan\njan: a@b.c, d@e.f\n", "root", "a@b.c, d@e.f", {NULL}},
	{"root: Jan@localhost\njan: a@b.c\n", "root", "a@b.c", {NULL}},
	{"root: jan@localhost.localdomain\n", "root", "jan", {NULL}},
	{"root: jan@web1\njan: a@b.c\n", "root", "jan@web1", {NULL}},
	{"root: \\jan\njan: a@b.c\n", "root", "jan", {NULL}},
	{"root: \\root, a@b.c\n", "root", "root, a@b.c", {NULL}},
	{"a: b, c\nb: d\nc: d\nd: e@f.g\n", "a", "e@f.g, e@f.g", {NULL}},
	/* what sendmail does and we do not */
	{"x: |/usr/bin/y\nr: a@b.c\n", "x", "",
		{"W1: x: |/usr/bin/y starts a program, which is not done "
		 "here"}},
	{"x: |/usr/bin/y\nr: a@b.c\n", "r", "a@b.c", {"W1: "}},
	{"x: \"|/usr/bin/y a, b\", a@b.c\n", "x", "a@b.c",
		{"W1: x: \"|/usr/bin/y a, b\" starts a program"}},
	{"x: a@b.c,\n /var/mail/x\n", "x", "a@b.c",
		{"W2: x: /var/mail/x writes into a file"}},
	{"x: /dev/null\n", "x", "", {"W1: x: /dev/null writes into a file"}},
	{"x: :include:/etc/list\n", "x", "",
		{"W1: x: :include:/etc/list reads addresses from another "
		 "file"}},
	{"x: \":include:/etc/list\"\n", "x", "", {"W1: x: \":include:"}},
	{"x: :fail: gone\n", "x", "", {"W1: x: :fail: gone is an order"}},
	/* what is wrong */
	{"root a@b.c\nr: d@e.f\n", "r", "d@e.f", {"E1: \"name: address\" is"}},
	{"root\n", "root", "-", {"E1: \"name: address\" is missing its colon"}},
	{": a@b.c\n", "", "-", {"E1:  is no name: the address is missing"}},
	{"two words: a@b.c\n", "two", "-", {"E1: two words is no name"}},
	{"a@b.c: d@e.f\n", "a", "-",
		{"E1: a@b.c: a name has no domain here; write a: address"}},
	{"r: a b\n", "r", "", {"E1: r: a b is no address: "}},
	{"r: a@b.c d@e.f, g@h.i\n", "r", "g@h.i", {"E1: r: a@b.c d@e.f is no"}},
	{"r: <a@b.c> d\n", "r", "", {"E1: r: <a@b.c> d is no address"}},
	{"r: \"a@b.c\n", "r", "", {"E1: r: \"a@b.c is no address"}},
	{"r: a@\x1b[2J\n", "r", "", {"E1: r: a@?[2J is no address"}},
	{"r: \"\\a@b\"\n", "r", "", {"E1: r: \"\\a@b\" is no address: an @"}},
	{"\"\\a@b\": a@b.c\n", "r", "-", {"E1: \"\\a@b\" is no name: an @"}},
	{"r: \\\n", "r", "", {"E1: r:  is no address"}},
	{"r: a@b.c\nR: d@e.f\n", "r", "a@b.c",
		{"E2: r stands in line 1 already, which counts"}},
	/* round and round */
	{"a: a\n", "a", "", {"E1: a: a " LOOP}},
	{"a: b\nb: a\n", "a", "", {"E2: b: a " LOOP}},
	{"a: b\nb: a, x@y.z\n", "b", "x@y.z", {"E2: b: a " LOOP}},
	{"a: b\nb: c\nc: d@e.f, A@localhost\n", "a", "d@e.f",
		{"E3: c: A " LOOP}},
	{"a: b, c\nb: a\nc: a\n", "a", "", {"E2: ", "E3: "}},
};

static void files(void **state)
{
	const struct vector *v;
	struct aliases *a;
	struct told told;
	struct buf out = {NULL, 0, 0, 0};
	size_t i, n;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		v = &vectors[i];
		a = parse(&told, v->in, strlen(v->in));
		if (strcmp(expand(&out, a, v->name), v->out) != 0)
			fail_msg("%s: %s", v->in, out.data);
		for (n = 0; n < COUNT_OF(v->told) && v->told[n] != NULL; n++)
			if (strstr(told.text.data, v->told[n]) == NULL)
				fail_msg("%s: told %s", v->in, told.text.data);
		if (told.count != n)
			fail_msg("%s: told %s", v->in, told.text.data);
		aliases_free(&a);
		buf_free(&told.text);
	}
	buf_free(&out);
}

/* As exim4-config and postfix leave it. */
static void debians_own_file_loads_cleanly(void **state)
{
	static const char debian[] =
		"# See man 5 aliases for format\n"
		"mailer-daemon: postmaster\npostmaster:    root\n"
		"nobody: root\nhostmaster: root\nusenet: root\nnews: root\n"
		"webmaster: root\nwww: root\nftp: root\nabuse: root\n"
		"noc: root\nsecurity: root\nroot: jan\n";
	struct aliases *a;
	struct told told;
	struct buf out = {NULL, 0, 0, 0};
	unsigned line;

	(void)state;
	a = parse(&told, debian, strlen(debian));
	assert_string_equal(told.text.data, "");
	assert_int_equal(aliases_count(a), 13);
	assert_string_equal(expand(&out, a, "Mailer-Daemon"), "jan");
	assert_string_equal(aliases_name(a, 0, &line), "abuse");
	assert_int_equal(line, 11);
	buf_free(&out);
	aliases_free(&a);
	assert_null(a);
	aliases_free(&a);
	buf_free(&told.text);
}

/* a0: a1, a1: a2 ... the last one an address. */
static void depth_has_its_limit(void **state)
{
	struct buf text, out = {NULL, 0, 0, 0};
	struct aliases *a;
	struct told told;
	unsigned i, depth;

	(void)state;
	for (depth = ALIASES_DEPTH_MAX; depth <= ALIASES_DEPTH_MAX + 1;
		depth++) {
		buf_init(&text, TEXT_MAX);
		for (i = 0; i < depth; i++)
			buf_addf(&text, "n%02u: n%02u\n", i, i + 1);
		buf_addf(&text, "n%02u: x@y.z\n", depth);
		a = parse(&told, text.data, text.len);
		if (depth > ALIASES_DEPTH_MAX) {
			assert_int_equal(told.count, 1);
			assert_non_null(
				strstr(told.text.data, "too many aliases"));
			assert_string_equal(expand(&out, a, "n00"), "");
			assert_string_equal(expand(&out, a, "n21"), "x@y.z");
		} else {
			assert_int_equal(told.count, 0);
			assert_string_equal(expand(&out, a, "n00"), "x@y.z");
		}
		aliases_free(&a);
		buf_free(&told.text);
		buf_free(&text);
	}
	buf_free(&out);
}

/* In the other order the deep ends are known before the limit is reached. */
static void depth_counts_from_below_too(void **state)
{
	struct buf text, out = {NULL, 0, 0, 0};
	struct aliases *a;
	struct told told;
	unsigned i;

	(void)state;
	buf_init(&text, TEXT_MAX);
	buf_addf(&text, "n00: x@y.z\n");
	for (i = 1; i <= 100; i++)
		buf_addf(&text, "n%02u: n%02u\n", i, i - 1);
	a = parse(&told, text.data, text.len);
	assert_string_equal(expand(&out, a, "n20"), "x@y.z");
	assert_string_equal(expand(&out, a, "n21"), "");
	aliases_free(&a);
	buf_free(&told.text);
	buf_free(&text);
	buf_free(&out);
}

/* Each doubles the one before it: 2^19 addresses, were there no limit. */
static void size_has_its_limit(void **state)
{
	struct buf text, out = {NULL, 0, 0, 0};
	struct aliases *a;
	struct told told;
	unsigned i;

	(void)state;
	buf_init(&text, TEXT_MAX);
	buf_addf(&text, "n00: x@y.z\n");
	for (i = 1; i < ALIASES_DEPTH_MAX; i++)
		buf_addf(&text, "n%02u: n%02u, n%02u\n", i, i - 1, i - 1);
	a = parse(&told, text.data, text.len);
	assert_true(told.count > 0);
	assert_non_null(strstr(told.text.data, "makes it too many addresses"));
	for (i = 0; i < aliases_count(a); i++) {
		unsigned line;

		expand(&out, a, aliases_name(a, i, &line));
		assert_true(out.len < ALIASES_EXPANDED_MAX * sizeof("x@y.z, "));
	}
	aliases_free(&a);
	buf_free(&told.text);
	buf_free(&text);
	buf_free(&out);
}

static void a_file_has_its_limits(void **state)
{
	struct buf text;
	struct aliases *a;
	struct told told;
	unsigned i;

	(void)state;
	buf_init(&text, TEXT_MAX);
	for (i = 0; i <= ALIASES_MAX; i++)
		buf_addf(&text, "n%05u: x@y.z\n", i);
	a = parse(&told, text.data, text.len);
	assert_int_equal(aliases_count(a), ALIASES_MAX);
	assert_int_equal(told.count, 1);
	assert_non_null(
		strstr(told.text.data, "E10001: more than 10000 names"));
	aliases_free(&a);
	buf_free(&told.text);

	buf_clear(&text);
	for (i = 0; i <= ALIASES_TARGETS_MAX; i++)
		buf_addf(&text, "%sx@y.z,", i % 100 == 0 ? "\nn: " : "");
	a = parse(&told, text.data, text.len);
	assert_non_null(strstr(told.text.data, "more than 20000 addresses"));
	aliases_free(&a);
	buf_free(&told.text);
	buf_free(&text);
}

static int stop_at_once(void *arg, const struct address *address)
{
	unsigned *calls = arg;

	(void)address;
	++*calls;
	return -1;
}

static void the_caller_may_stop(void **state)
{
	static const char text[] = "a: b, x@y.z\nb: c@d.e, f@g.h\n";
	struct aliases *a;
	struct told told;
	unsigned calls = 0;

	(void)state;
	a = parse(&told, text, strlen(text));
	assert_int_equal(aliases_expand(a, "a", stop_at_once, &calls), -1);
	assert_int_equal(calls, 1);
	assert_int_equal(aliases_expand(NULL, "a", stop_at_once, &calls), 0);
	aliases_free(&a);
	buf_free(&told.text);
}

/* Any cut of a good file is told and no more. */
static void every_cut_is_survived(void **state)
{
	static const char text[] =
		"root: \"|/usr/bin/x\", Jan <jan@example.com>,\n"
		"\tb # c\nb: \\b, :include:/x, root\n\"q\\\"r\": root\n";
	struct aliases *a;
	struct told told;
	size_t len;

	(void)state;
	for (len = 0; len <= strlen(text); len++) {
		a = parse(&told, text, len);
		assert_true(aliases_count(a) <= 3);
		aliases_free(&a);
		buf_free(&told.text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(files),
		cmocka_unit_test(debians_own_file_loads_cleanly),
		cmocka_unit_test(depth_has_its_limit),
		cmocka_unit_test(depth_counts_from_below_too),
		cmocka_unit_test(size_has_its_limit),
		cmocka_unit_test(a_file_has_its_limits),
		cmocka_unit_test(the_caller_may_stop),
		cmocka_unit_test(every_cut_is_survived),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
