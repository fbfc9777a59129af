/*
 * test_header_field.c - a header block to fields.
 */
#include "config.h"

#include "base/util.h"
#include "proto/header_field.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const struct {
	const char *line;
	size_t name_len;
	size_t value_at;
} name_vectors[] = {
	{"Subject: x", 7, 8},
	{"Subject:", 7, 8},
	{"Subject:x\r\n", 7, 8},
	{"Subject : x", 7, 9},
	{"Subject \t : x", 7, 11},
	{"X-!#$%&'*+~: x", 11, 12},
	{"a:b:c", 1, 2},
	{"", 0, 0},
	{":", 0, 0},
	{": x", 0, 0},
	{" Subject: x", 0, 0},
	{"Sub ject: x", 0, 0},
	{"Subject", 0, 0},
	{"Subject ", 0, 0},
	{"Subject\r\n", 0, 0},
	{"Subj\xc3\xa4"
	 "ct: x",
		0, 0},
	{"Subj\x7f"
	 "ct: x",
		0, 0},
	{"Subj\x01"
	 "ct: x",
		0, 0},
};

static void names(void **state)
{
	size_t i, value_at;

	(void)state;
	for (i = 0; i < COUNT_OF(name_vectors); i++) {
		value_at = 0;
		assert_int_equal(
			header_name_length(name_vectors[i].line,
				strlen(name_vectors[i].line), &value_at),
			name_vectors[i].name_len);
		assert_int_equal(value_at, name_vectors[i].value_at);
	}
}

static void check_field(const struct header_field *f, const char *name,
	const char *value, const char *whole)
{
	assert_int_equal(f->name_len, strlen(name));
	assert_memory_equal(f->name, name, f->name_len);
	assert_int_equal(f->value_len, strlen(value));
	assert_memory_equal(f->value, value, f->value_len);
	assert_int_equal(f->whole_len, strlen(whole));
	assert_memory_equal(f->whole, whole, f->whole_len);
}

static void fields(void **state)
{
	static const char text[] = "A: 1\r\n"
				   "B:\r\n"
				   "C : x\r\n\ty\r\n \r\n z\r\n"
				   "D: \r\n d\r\n"
				   "\r\n"
				   "E: body\r\n";
	struct header_field f;
	size_t pos = 0;

	(void)state;
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	check_field(&f, "A", " 1", "A: 1\r\n");
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	check_field(&f, "B", "", "B:\r\n");
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	check_field(
		&f, "C", " x\r\n\ty\r\n \r\n z", "C : x\r\n\ty\r\n \r\n z\r\n");
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	check_field(&f, "D", " \r\n d", "D: \r\n d\r\n");
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 0);
	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 0);
}

static void ends(void **state)
{
	static const char *const none[] = {
		"", "\r\n", " a: b\r\n", "no header\r\n", "\n"};
	struct header_field f;
	size_t pos, i;

	(void)state;
	for (i = 0; i < COUNT_OF(none); i++) {
		pos = 0;
		assert_int_equal(
			header_field_next(none[i], strlen(none[i]), &pos, &f),
			0);
		assert_int_equal(pos, 0);
	}
	/* a last line without its end, or with half of it */
	pos = 0;
	assert_int_equal(header_field_next("A: b", 4, &pos, &f), 1);
	check_field(&f, "A", " b", "A: b");
	pos = 0;
	assert_int_equal(header_field_next("A:\r", 3, &pos, &f), 1);
	check_field(&f, "A", "", "A:\r");
	pos = 0;
	assert_int_equal(header_field_next("A:\n", 3, &pos, &f), 1);
	check_field(&f, "A", "", "A:\n");
	assert_int_equal(header_field_next("A:\n", 3, &pos, &f), 0);
}

static struct header_field parse(const char *text)
{
	struct header_field f;
	size_t pos = 0;

	assert_int_equal(header_field_next(text, strlen(text), &pos, &f), 1);
	return f;
}

static void looks(void **state)
{
	static const struct {
		const char *text;
		bool empty;
	} vectors[] = {
		{"From:\r\n", true},
		{"From: \t\r\n \r\n", true},
		{"From: <>\r\n", true},
		{"From:\r\n <\r\n >\r\n", true},
		{"From: \"\"\r\n", false},
		{"From: a\r\n", false},
		{"From:\r\n a\r\n", false},
	};
	struct header_field f = parse("reply-TO: x\r\n");
	size_t i;

	(void)state;
	assert_true(header_field_is(&f, "Reply-To"));
	assert_false(header_field_is(&f, "Reply-T"));
	assert_false(header_field_is(&f, "Reply-To:"));
	assert_false(header_field_is(&f, "To"));
	for (i = 0; i < COUNT_OF(vectors); i++) {
		f = parse(vectors[i].text);
		assert_int_equal(header_field_is_empty(&f), vectors[i].empty);
	}
}

static void kinds(void **state)
{
	static const struct {
		const char *text;
		enum header_kind kind;
	} vectors[] = {
		{"FROM: x\r\n", HEADER_KIND_ADDRESSES},
		{"Resent-Cc: x\r\n", HEADER_KIND_ADDRESSES},
		{"references: x\r\n", HEADER_KIND_IDS},
		{"Received: x\r\n", HEADER_KIND_TOKENS},
		{"Content-type: x\r\n", HEADER_KIND_PARAMETERS},
		{"Subject: x\r\n", HEADER_KIND_TEXT},
		{"Comments: x\r\n", HEADER_KIND_TEXT},
		{"X-Mailer: x\r\n", HEADER_KIND_TEXT},
		{"Fro: x\r\n", HEADER_KIND_TEXT},
	};
	struct header_field f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		f = parse(vectors[i].text);
		assert_int_equal(header_field_kind(&f), vectors[i].kind);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names),
		cmocka_unit_test(fields),
		cmocka_unit_test(ends),
		cmocka_unit_test(looks),
		cmocka_unit_test(kinds),
	};

	return cmocka_run_group_tests_name("header_field", tests, NULL, NULL);
}
