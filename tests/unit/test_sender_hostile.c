/*
 * test_sender_hostile.c - From fields made to break what reads them: whatever
 *                         comes in, what leaves has one From of the account's,
 *                         no field that was not there, and is read the same.
 */
#include "config.h"

#include "proto/address.h"
#include "proto/mailbox.h"
#include "sender_fixture.h"

#include <stdio.h>
#include <stdlib.h>

enum {
	ROUNDS = 20000,
	PIECES_MAX = 12,
	LARGE = 400 * 1024,
};

/* What each field of the result must be one of. */
static const char *const known[] = {
	"Date", "Message-ID", "From", "Reply-To", "X-Original-From"};

static bool is_known(const struct header_field *f)
{
	size_t i;

	for (i = 0; i < COUNT_OF(known); i++)
		if (header_field_is(f, known[i]))
			return true;
	return false;
}

/* Each line begins a field, or goes on one and is not blank; all is US-ASCII
 * but for an address. */
static void check_block(const struct buf *out, bool ascii)
{
	struct header_field f;
	size_t pos = 0, i;

	while (header_field_next(out->data, out->len, &pos, &f) == 1) {
		assert_true(is_known(&f));
		for (i = 0; i < f.whole_len; i++) {
			if (f.whole[i] == '\r')
				assert_int_equal(f.whole[i + 1], '\n');
			if (ascii)
				assert_true((unsigned char)f.whole[i] < 128);
			assert_int_not_equal(f.whole[i], '\0');
		}
	}
	assert_int_equal(pos, out->len);
	assert_null(strstr(out->data, "\r\n \r\n"));
}

static void check_from(const struct buf *out, bool own_only)
{
	struct mailbox m;
	struct header_field f = {0};

	assert_int_equal(count_fields(out, "From", &f), 1);
	mailbox_first(&m, f.value, f.value_len);
	if (!m.clean)
		print_error("broken: %s", out->data);
	assert_true(m.clean);
	if (!own_only)
		return;
	assert_false(m.several);
	assert_true(address_same(m.address.text, ME) ||
		    address_same(m.address.text, alias_address));
	assert_true(count_fields(out, "Reply-To", &f) <= 1);
	assert_true(count_fields(out, "X-Original-From", &f) <= 1);
}

static void check_value(const char *value, enum sender_mode mode)
{
	const bool keep = mode == SENDER_KEEP;
	struct buf text, out, again;
	struct header_result result;

	buf_init(&text, OUT_MAX);
	assert_int_equal(buf_add_string(&text, REST "From: "), 0);
	assert_int_equal(buf_add_string(&text, value), 0);
	assert_int_equal(buf_add_string(&text, "\r\n\r\n"), 0);
	result = repair_sender(&out, text.data, mode);
	check_block(&out, !result.needs_smtputf8);
	check_from(&out, !keep);
	assert_int_equal(buf_add_string(&out, "\r\n"), 0);
	result = repair_sender(&again, out.data, mode);
	out.len -= 2;
	out.data[out.len] = '\0';
	assert_string_equal(again.data, out.data);
	assert_int_equal(
		result.repairs & (HEADER_REWROTE_FROM | HEADER_REPAIRED_FROM),
		0);
	buf_free(&text);
	buf_free(&out);
	buf_free(&again);
}

static const char *const bad_values[] = {
	/* fields inside encoded-words, both ways */
	"=?UTF-8?Q?a=0D=0ABcc:_x@example.com?= <a@x.lan>",
	"=?UTF-8?B?YQ0KQmNjOiB4QGV4YW1wbGUuY29t?= <a@x.lan>",
	"\"=?UTF-8?Q?a=0D=0A=0D=0Abody?=\" <a@x.lan>",
	"=?UTF-8?Q?=00?= <a@x.lan>",
	"=?UTF-8?Q?=22_<me@gmail.com>,_=22?= <a@x.lan>",
	/* an encoded-word that decodes to another */
	"=?UTF-8?Q?=3D=3FUTF-8=3FQ=3Fa=0D=0Ab=3F=3D?= <a@x.lan>",
	"=?UTF-8?Q?=3D?= =?UTF-8?Q?=3FUTF-8=3FQ=3Fx=3F=3D?= <a@x.lan>",
	"=?x-a?Q?\",<>?= <a@x.lan>",
	"=?x-a?Q?a?==?x-a?Q?b?= <a@x.lan>",
	"=?UTF-8?B?!!!?= <a@x.lan>",
	"=?UTF-8?Q?=C3?= =?UTF-8?Q?=BC?= <a@x.lan>",
	"=?UTF-8?Q?=C3?= =?x-a?Q?=BC?= <a@x.lan>",
	"=?UTF-8?Q?=FF=FE?= <a@x.lan>",
	"=?UTF-8?Q?a b?= <a@x.lan>",
	"=?=?=?=?=?",
	"=?UTF-8?Q?a",
	"=\?\?Q?a?= <a@x.lan>",
	/* ends that miss */
	"\"",
	"\"\\",
	"(",
	"((((",
	"<",
	"<<<<",
	"\"a <b@x.lan>",
	"(a <b@x.lan>",
	"<a@x.lan",
	"a@x.lan>",
	"a\\",
	")",
	">",
	";",
	":",
	",",
	"@",
	"@@",
	"a@",
	"<@>",
	"<@a:>",
	"a@b@c",
	"::",
	"a:",
	"a:b:c@x.lan;;",
	"<me@gmail.com> <a@x.lan>",
	"a@x.lan <me@gmail.com> b",
	"me@gmail.com <a@x.lan>",
	"(me@gmail.com)",
	"\"me@gmail.com\"",
	"<(me@gmail.com)>",
	"\"me\"@gmail.com",
	"me(x)@gmail.com",
	"me @ gmail.com",
	"me@gmail.com.",
	"<\"me\"@gmail.com>",
	"<me@gmail.com >",
	"me@gmail.com\x01",
	"\x01 <me@gmail.com>",
	"\x80\xff <me@gmail.com>",
	"a\r\n b\r\n\t<a@x.lan>",
	"a\r\n \r\n <me@gmail.com>",
	"me\xc2\x80@gmail.com",
	"\xe2\x80\xae <a@x.lan>",
	"[a@b] <me@gmail.com>",
	"a@[",
	"a@[b c]",
	"a@[::1]",
	"root, me@gmail.com",
	"me@gmail.com,",
	",me@gmail.com",
	"x: me@gmail.com",
	"x: me@gmail.com;, a@x.lan",
};

static void samples(void **state)
{
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad_values); i++) {
		check_value(bad_values[i], SENDER_AUTO);
		check_value(bad_values[i], SENDER_ACCOUNT);
		check_value(bad_values[i], SENDER_KEEP);
	}
}

static void random_values(void **state)
{
	static const char *const pieces[] = {"=?UTF-8?Q?", "=?UTF-8?B?",
		"?=", "=?koi8-r?q?", "a", "me@gmail.com", "alias@example.com",
		"x@example.com", "root", "<", ">", "<a@x.lan>", "(", ")", "\"",
		"\\", ",", ";", ":", "@", " ", "\r\n ", "\t", "\xc3\xbc",
		"\xff", "=0D=0A", "=3D", "[", "]", ".", "Name", "\x01",
		"QQ==", "_", "=C3", "?", "="};
	char value[PIECES_MAX * 20];
	size_t round, left, len;
	const char *piece;

	(void)state;
	srandom(13);
	for (round = 0; round < ROUNDS; round++) {
		len = (size_t)snprintf(value, sizeof(value), "x");
		left = (size_t)random() % PIECES_MAX;
		while (left-- > 0) {
			piece = pieces[(size_t)random() % COUNT_OF(pieces)];
			len += (size_t)snprintf(
				value + len, sizeof(value) - len, "%s", piece);
		}
		check_value(value, (enum sender_mode)(round % 3));
	}
}

/* As much as a header takes of what may cost most. Squared cost would show: a
 * hundred thousand million steps for each. */
static void check_large(const char *begin, const char *unit)
{
	char *value = malloc(LARGE + 1);
	size_t len = strlen(begin), n = strlen(unit);

	assert_non_null(value);
	memcpy(value, begin, len);
	for (; len + n <= LARGE; len += n)
		memcpy(value + len, unit, n);
	value[len] = '\0';
	check_value(value, SENDER_AUTO);
	free(value);
}

static void large_values(void **state)
{
	static const char *const units[] = {"<", "\"", "(", "(a", ",", "a,",
		"a@b,", "=?", "=?a?q?", "=?a?q?x?= ", "=?utf-8?q?x?= ", "a ",
		"a:", ":;", "@[", "a@[b ", "\\", "\"\" ", "() ", "<> ", ">",
		"=?utf-8?b?", "\xff ", "\r\n x", "]", ".", "[", "mailto:"};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(units); i++) {
		check_large("y", units[i]);
		check_large("y@x", units[i]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(samples),
		cmocka_unit_test(random_values),
		cmocka_unit_test(large_values),
	};

	return cmocka_run_group_tests_name("sender_hostile", tests, NULL, NULL);
}
