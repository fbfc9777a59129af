/*
 * test_envelope.c - what is printed is read again as it was; what is anything
 *                   else is refused.
 */
#include "config.h"

#include "base/util.h"
#include "proto/address.h"
#include "spool/envelope.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define HEAD "gmrelay-envelope 1\nid 00000000000000ab\n"

static struct envelope *full_envelope(void)
{
	struct envelope *env = envelope_new();

	env->id = 0xfedcba9876543210ULL;
	env->arrived_s = 1795322706;
	env->size = 35882577;
	snprintf(env->client, sizeof(env->client), "10.0.0.31");
	snprintf(env->account, sizeof(env->account), "Office_2.x-y");
	env->eight_bit = env->smtputf8 = env->report = true;
	env->refused = env->hold = env->notified = env->seen = true;
	env->damaged = true;
	env->body_name = 0x0123456789abcdefULL;
	env->body_check = 0xffffffffffffffffULL;
	env->attempts = UINT32_MAX;
	env->requeued = 7;
	env->waited_ms = UINT64_MAX;
	env->refused_ms = 1;
	env->next_s = INT64_MAX;
	assert_int_equal(envelope_set_reason(env, "it was refused"), 0);
	assert_int_equal(envelope_set_reverse_path(env, "a@example.org"), 0);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	assert_int_equal(envelope_add_rcpt(env, "\"c d\"@example.net"), 0);
	assert_int_equal(envelope_add_rcpt(env, "e@example.net"), 0);
	assert_int_equal(envelope_add_rcpt(env, "j\303\274@example.net"), 0);
	assert_int_equal(envelope_add_rcpt(env, "t@example.net"), 0);
	env->rcpts[4].tried = true;
	env->rcpts[1].state = RCPT_DELIVERED;
	env->rcpts[2].state = RCPT_FAILED;
	env->rcpts[3].state = RCPT_REPORTED;
	assert_int_equal(
		envelope_set_reply(&env->rcpts[0], "450 4.2.1 later"), 0);
	env->ret = DSN_RET_FULL;
	env->rcpts[0].notify = DSN_SUCCESS | DSN_DELAY;
	env->rcpts[3].notify = DSN_NEVER;
	assert_int_equal(envelope_set_envid(env, "QQ+2B314"), 0);
	assert_int_equal(
		envelope_set_orcpt(&env->rcpts[0], "rfc822;b+3D@example.net"),
		0);
	assert_int_equal(envelope_set_orcpt(&env->rcpts[1], ""), 0);
	assert_int_equal(
		envelope_set_orcpt(&env->rcpts[4], "utf-8;t\303\274@x"), 0);
	assert_int_equal(envelope_set_reply(&env->rcpts[2], "550 no"), 0);
	return env;
}

static void print(const struct envelope *env, struct buf *out)
{
	buf_init(out, ENVELOPE_SIZE_MAX);
	assert_int_equal(envelope_print(env, out), 0);
}

static struct envelope *parse(const char *text, size_t len)
{
	struct envelope *env;
	struct err err = {.kind = ERR_NONE};
	size_t used = 0;

	env = envelope_parse(text, len, &used, &err);
	if (env == NULL)
		assert_int_equal(err.kind, ERR_DAMAGED);
	else
		assert_true(used <= len);
	return env;
}

static void same_text(const char *a, const char *b)
{
	if (a == NULL || b == NULL)
		assert_ptr_equal(a, b);
	else
		assert_string_equal(a, b);
}

static void same(const struct envelope *a, const struct envelope *b)
{
	size_t i;

	assert_true(a->id == b->id && a->arrived_s == b->arrived_s);
	assert_true(a->size == b->size && a->eight_bit == b->eight_bit);
	assert_true(a->smtputf8 == b->smtputf8 && a->report == b->report);
	assert_true(a->body_name == b->body_name);
	assert_true(a->body_check == b->body_check);
	assert_int_equal(a->attempts, b->attempts);
	assert_int_equal(a->requeued, b->requeued);
	assert_true(a->waited_ms == b->waited_ms);
	assert_true(a->refused_ms == b->refused_ms);
	assert_true(a->refused == b->refused && a->next_s == b->next_s);
	assert_true(a->hold == b->hold && a->notified == b->notified);
	assert_true(a->seen == b->seen && a->damaged == b->damaged);
	assert_true(a->seen == b->seen);
	assert_int_equal(a->ret, b->ret);
	same_text(a->envid, b->envid);
	same_text(a->reason, b->reason);
	assert_string_equal(a->client, b->client);
	assert_string_equal(a->account, b->account);
	assert_string_equal(a->reverse_path, b->reverse_path);
	assert_int_equal(a->rcpt_count, b->rcpt_count);
	for (i = 0; i < a->rcpt_count; i++) {
		assert_string_equal(a->rcpts[i].address, b->rcpts[i].address);
		assert_int_equal(a->rcpts[i].state, b->rcpts[i].state);
		assert_true(a->rcpts[i].tried == b->rcpts[i].tried);
		same_text(a->rcpts[i].reply, b->rcpts[i].reply);
		assert_int_equal(a->rcpts[i].notify, b->rcpts[i].notify);
		same_text(a->rcpts[i].orcpt, b->rcpts[i].orcpt);
	}
}

static void prints_and_parses(struct envelope *env)
{
	struct envelope *again;
	struct err err;
	struct buf out;
	size_t used;

	print(env, &out);
	assert_int_equal(buf_add_string(&out, "Subject: x\r\n\r\n"), 0);
	again = envelope_parse(out.data, out.len, &used, &err);
	assert_non_null(again);
	same(env, again);
	assert_int_equal(used, out.len - strlen("Subject: x\r\n\r\n"));
	envelope_free(&again);
	envelope_free(&env);
	buf_free(&out);
}

static void what_is_printed_is_parsed(void **state)
{
	struct envelope *env;

	(void)state;
	prints_and_parses(full_envelope());
	env = envelope_new(); /* the least there can be */
	env->id = 1;
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	prints_and_parses(env);
	env = full_envelope();
	env->refused = env->hold = env->seen = false;
	env->body_name = env->body_check = 0;
	prints_and_parses(env);
}

/* The manual page's example, so that a change of the format is noticed. */
static void the_format_is_as_it_is_described(void **state)
{
	struct envelope *env = full_envelope();
	struct buf out;

	(void)state;
	print(env, &out);
	assert_string_equal(out.data,
		"gmrelay-envelope 1\n"
		"id fedcba9876543210\n"
		"body 0123456789abcdef ffffffffffffffff\n"
		"account Office_2.x-y\n"
		"arrived 1795322706\n"
		"size 35882577\n"
		"client 10.0.0.31\n"
		"flags 8bit smtputf8 report refused hold notified seen "
		"damaged\n"
		"ret FULL\n"
		"envid QQ+2B314\n"
		"attempts 4294967295\n"
		"requeued 7\n"
		"waited 18446744073709551615\n"
		"refused 1\n"
		"next 9223372036854775807\n"
		"reason it was refused\n"
		"from a@example.org\n"
		"to b@example.net\n"
		"notify SUCCESS,DELAY\n"
		"orcpt rfc822;b+3D@example.net\n"
		"reply 450 4.2.1 later\n"
		"done \"c d\"@example.net\n"
		"fail e@example.net\n"
		"reply 550 no\n"
		"told j\303\274@example.net\n"
		"notify NEVER\n"
		"wait t@example.net\n"
		"orcpt utf-8;t\303\274@x\n"
		"\n");
	envelope_free(&env);
	buf_free(&out);
}

/* What clients that know nothing of DSN send is written as it always was, so
 * that records stay as small. */
static void nothing_asked_takes_no_room(void **state)
{
	struct envelope *env = envelope_new();
	struct buf out;

	(void)state;
	env->id = 1;
	snprintf(env->client, sizeof(env->client), "10.0.0.31");
	assert_int_equal(envelope_set_envid(env, ""), 0);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	print(env, &out);
	assert_string_equal(out.data,
		"gmrelay-envelope 1\nid 0000000000000001\nclient 10.0.0.31\n"
		"from \nto b@example.net\n\n");
	envelope_free(&env);
	buf_free(&out);
}

/* A text cut anywhere is none; one octet more than the envelope is enough. */
static void a_cut_text_is_refused(void **state)
{
	struct envelope *env = full_envelope(), *again;
	struct buf out;
	char *copy;
	size_t len;

	(void)state;
	print(env, &out);
	for (len = 0; len < out.len; len++) {
		copy = malloc(len > 0 ? len : 1); /* the sanitizer watches */
		memcpy(copy, out.data, len);
		assert_null(parse(copy, len));
		free(copy);
	}
	again = parse(out.data, out.len);
	assert_non_null(again);
	envelope_free(&again);
	envelope_free(&env);
	buf_free(&out);
}

/* Any octet may be another: refused or read, never worse. */
static void any_damage_is_survived(void **state)
{
	struct envelope *env = full_envelope(), *again;
	struct buf out;
	size_t i;
	int byte;

	(void)state;
	print(env, &out);
	for (i = 0; i < out.len; i++) {
		char was = out.data[i];

		for (byte = 0; byte < 256; byte += 5) {
			out.data[i] = (char)byte;
			again = parse(out.data, out.len);
			envelope_free(&again);
		}
		out.data[i] = was;
	}
	envelope_free(&env);
	buf_free(&out);
}

static const char *const bad[] = {
	"",
	"\n",
	"gmrelay-envelope 2\nid 00000000000000ab\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1 \nid 00000000000000ab\nfrom \nto b@c\n\n",
	"id 00000000000000ab\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1\nid 0000000000000000\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1\nid 00000000000000AB\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1\nid 00000000000000ab0\nfrom \nto b@c\n\n",
	"gmrelay-envelope 1\nid ab\nfrom \nto b@c\n\n",
	HEAD "\n",
	HEAD "from \n\n",
	HEAD "to b@c\n\n",           /* no sender */
	HEAD "from a@b\nto \n\n",    /* no address */
	HEAD "to b@c\nfrom a@b\n\n", /* wrong order */
	HEAD "from a@b\nfrom a@b\nto b@c\n\n",
	HEAD "id 00000000000000ab\nfrom a@b\nto b@c\n\n",
	HEAD "from a@b\nto b@c\nsize 5\n\n",
	HEAD "size 5\nclient x\nsize 5\nfrom \nto b@c\n\n",
	HEAD "size\nfrom \nto b@c\n\n",
	HEAD "size \nfrom \nto b@c\n\n",
	HEAD "size -1\nfrom \nto b@c\n\n",
	HEAD "size 0x10\nfrom \nto b@c\n\n",
	HEAD "size 18446744073709551616\nfrom \nto b@c\n\n",
	HEAD "size 99999999999999999999999\nfrom \nto b@c\n\n",
	HEAD "attempts 4294967296\nfrom \nto b@c\n\n",
	HEAD "next 9223372036854775808\nfrom \nto b@c\n\n",
	HEAD "colour blue\nfrom \nto b@c\n\n", /* another version's */
	HEAD "flags hold blue\nfrom \nto b@c\n\n",
	HEAD "flags holdall\nfrom \nto b@c\n\n",
	HEAD "flags hol\nfrom \nto b@c\n\n",
	HEAD "from \nreply 250 ok\nto b@c\n\n", /* of nobody */
	HEAD "from \nto b@c\nreply 450 a\nreply 450 b\n\n",
	HEAD "body 0000000000000001\nfrom \nto b@c\n\n",
	HEAD "body 0000000000000001 000000000000000\nfrom \nto b@c\n\n",
	HEAD "body 0000000000000001-0000000000000002\nfrom \nto b@c\n\n",
	HEAD "body 000000000000000g 0000000000000002\nfrom \nto b@c\n\n",
	HEAD "body 0000000000000000 0000000000000002\nfrom \nto b@c\n\n",
	HEAD "account \nfrom \nto b@c\n\n",
	HEAD "account a b\nfrom \nto b@c\n\n",
	HEAD "account a\"b\nfrom \nto b@c\n\n",
	HEAD "arrived 1\naccount a\nfrom \nto b@c\n\n",
	HEAD "account a23456789012345678901234567890123456789012345678901234567"
	     "89012345\nfrom \nto b@c\n\n",
	HEAD "ret \nfrom \nto b@c\n\n",
	HEAD "ret BODY\nfrom \nto b@c\n\n",
	HEAD "ret FULL\nret FULL\nfrom \nto b@c\n\n",
	HEAD "envid a=b\nfrom \nto b@c\n\n",
	HEAD "envid a\nret FULL\nfrom \nto b@c\n\n",
	HEAD "notify NEVER\nfrom \nto b@c\n\n",
	HEAD "from \nnotify NEVER\nto b@c\n\n", /* of nobody */
	HEAD "from \norcpt rfc822;x\nto b@c\n\n",
	HEAD "from \nto b@c\nnotify NEVER,DELAY\n\n",
	HEAD "from \nto b@c\nnotify DELAY\nnotify DELAY\n\n",
	HEAD "from \nto b@c\norcpt rfc822;x\norcpt rfc822;x\n\n",
	HEAD "from \nto b@c\norcpt x\n\n",
	HEAD "from \nto b@c\norcpt rfc822;+0A\n\n",
	HEAD " from \nto b@c\n\n",
	HEAD "From \nto b@c\n\n",
	HEAD "from \nto b@c\n",
	HEAD "from \nto b@c\r\n\r\n\r\n",
};

static void what_is_not_right_is_refused(void **state)
{
	struct envelope *env;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(bad); i++) {
		env = parse(bad[i], strlen(bad[i]));
		if (env != NULL)
			fail_msg("taken: %s", bad[i]);
	}
	env = parse(HEAD "from \nto b@c\n\n", strlen(HEAD "from \nto b@c\n\n"));
	assert_non_null(env);
	envelope_free(&env);
}

static void a_nul_ends_no_text(void **state)
{
	static const char text[] = HEAD "from a@b\nto b@c\0d@e\n\n";

	(void)state;
	assert_null(parse(text, sizeof(text) - 1));
}

static void a_text_cannot_make_lines(void **state)
{
	struct envelope *env = full_envelope(), *again;
	struct buf out;

	(void)state;
	assert_int_equal(envelope_set_reverse_path(env, "a\nto evil@x"), 0);
	assert_int_equal(
		envelope_set_reply(&env->rcpts[0], "450-a\r\n450 b\n\n"), 0);
	assert_int_equal(envelope_set_reason(env, "one\ntwo\033[1m"), 0);
	assert_int_equal(envelope_add_rcpt(env, "z@y\n\nhello"), 0);
	assert_string_equal(env->reverse_path, "a to evil@x");
	print(env, &out);
	again = parse(out.data, out.len);
	assert_non_null(again);
	same(env, again);
	envelope_free(&again);
	envelope_free(&env);
	buf_free(&out);
}

static void everything_has_its_limit(void **state)
{
	struct envelope *env = envelope_new();
	char text[2000];
	size_t i;

	(void)state;
	memset(text, 'x', sizeof(text));
	text[1001] = '\0';
	assert_int_equal(envelope_set_reverse_path(env, text), -1);
	assert_string_equal(env->reverse_path, "");
	assert_int_equal(envelope_add_rcpt(env, text), -1);
	assert_int_equal(envelope_add_rcpt(env, ""), -1);
	text[1000] = '\0';
	assert_int_equal(envelope_set_reverse_path(env, text), 0);
	assert_int_equal(envelope_add_rcpt(env, text), 0);
	/* what Gmail says is cut */
	assert_int_equal(envelope_set_reply(&env->rcpts[0], text), 0);
	assert_int_equal(strlen(env->rcpts[0].reply), ENVELOPE_REPLY_MAX);
	assert_int_equal(envelope_set_reason(env, text), 0);
	assert_int_equal(strlen(env->reason), ENVELOPE_REASON_MAX);
	assert_int_equal(envelope_set_envid(env, text), -1);
	assert_int_equal(envelope_set_orcpt(&env->rcpts[0], text), -1);
	assert_null(env->envid);
	for (i = 1; i < ENVELOPE_RECIPIENTS_MAX; i++)
		assert_int_equal(envelope_add_rcpt(env, "b@example.net"), 0);
	assert_int_equal(envelope_add_rcpt(env, "b@example.net"), -1);
	assert_int_equal(
		envelope_count(env, RCPT_PENDING), ENVELOPE_RECIPIENTS_MAX);
	env->rcpts[5].state = RCPT_FAILED;
	assert_int_equal(envelope_count(env, RCPT_FAILED), 1);
	env->id = 1;
	prints_and_parses(env);
}

/* The longest there can be fits its limit, with all that is kept; of addresses
 * that a client can name, with all that it can ask. */
static void the_longest_envelope_is_printed(void **state)
{
	char text[1001], orcpt[DSN_ORCPT_MAX + 1];
	struct envelope *env;
	size_t i;
	int asked;

	(void)state;
	memset(text, 'x', sizeof(text) - 1);
	text[sizeof(text) - 1] = '\0';
	snprintf(orcpt, sizeof(orcpt), "rfc822;%.*s", DSN_ORCPT_MAX - 7, text);
	for (asked = 0; asked < 2; asked++) {
		env = envelope_new();
		env->id = 1;
		for (i = 0; i < ENVELOPE_RECIPIENTS_MAX; i++) {
			assert_int_equal(envelope_add_rcpt(env, text), 0);
			assert_int_equal(
				envelope_set_reply(&env->rcpts[i], text), 0);
			if (asked)
				assert_int_equal(envelope_set_orcpt(
							 &env->rcpts[i], orcpt),
					0);
			env->rcpts[i].notify =
				asked ? DSN_SUCCESS | DSN_DELAY : 0;
		}
		prints_and_parses(env);
		text[ADDRESS_MAX] = '\0';
	}
}

static void a_full_buffer_is_told(void **state)
{
	struct envelope *env = full_envelope();
	struct buf all, out;
	size_t max;

	(void)state;
	print(env, &all);
	for (max = 0; max < all.len; max++) {
		buf_init(&out, max);
		assert_int_not_equal(envelope_print(env, &out), 0);
		buf_free(&out);
	}
	buf_free(&all);
	envelope_free(&env);
}

static void a_bodys_name_is_put_in_and_found(void **state)
{
	struct envelope *env = full_envelope(), *again;
	struct buf out;
	uint64_t name;
	size_t len;

	(void)state;
	env->body_name = 1;
	print(env, &out);
	envelope_patch_body(out.data, 0xabcdefULL, 0x123ULL);
	assert_int_equal(envelope_peek_body(out.data, out.len, &name), 0);
	assert_true(name == 0xabcdefULL);
	again = parse(out.data, out.len);
	assert_true(again->body_name == 0xabcdefULL);
	assert_true(again->body_check == 0x123ULL);
	envelope_free(&again);
	for (len = 0; len < 60; len++) {
		(void)envelope_peek_body(out.data, len, &name);
		assert_true(name == 0 || name == 0xabcdefULL);
	}
	memcpy(strstr(out.data, "body ") + 5, "x", 1);
	assert_int_equal(envelope_peek_body(out.data, out.len, &name), -1);
	buf_free(&out);
	env->body_name = 0;
	print(env, &out);
	assert_int_equal(envelope_peek_body(out.data, out.len, &name), 0);
	assert_true(name == 0);
	buf_free(&out);
	envelope_free(&env);
	envelope_free(&env); /* NULL is fine */
}

static void an_accounts_name_is_found(void **state)
{
	struct envelope *env = full_envelope();
	char name[ENVELOPE_ACCOUNT_MAX + 1];
	struct buf out;
	size_t len, body;

	(void)state;
	for (body = 0; body < 2; body++) {
		env->body_name = body;
		memset(env->account, 'x', ENVELOPE_ACCOUNT_MAX);
		print(env, &out);
		envelope_peek_account(out.data, out.len, name);
		assert_string_equal(name, env->account);
		/* cut anywhere: all of it, or nothing */
		for (len = 0; len < out.len; len++) {
			char *copy = malloc(len > 0 ? len : 1);

			assert_non_null(copy);
			memcpy(copy, out.data, len);
			envelope_peek_account(copy, len, name);
			free(copy);
			assert_true(name[0] == '\0' ||
				    strcmp(name, env->account) == 0);
		}
		memset(strstr(out.data, "account ") + 8 + ENVELOPE_ACCOUNT_MAX,
			'x', 3);
		envelope_peek_account(out.data, out.len, name);
		assert_string_equal(name, "");
		buf_free(&out);
		memset(env->account, 0, sizeof(env->account));
		print(env, &out);
		envelope_peek_account(out.data, out.len, name);
		assert_string_equal(name, "");
		buf_free(&out);
	}
	envelope_free(&env);
}

/* With and without the lines that may stand before it. */
static void the_arrival_is_found(void **state)
{
	struct envelope *env = full_envelope();
	struct buf out;
	int64_t found;
	size_t kind, len;

	(void)state;
	for (kind = 0; kind < 4; kind++) {
		env->body_name = kind & 1;
		snprintf(env->account, sizeof(env->account), "%s",
			kind & 2 ? "work" : "");
		env->arrived_s = 1795322706;
		print(env, &out);
		for (len = 0; len <= out.len; len++) {
			char *copy = malloc(len > 0 ? len : 1);

			assert_non_null(copy);
			memcpy(copy, out.data, len);
			found = envelope_peek_arrived(copy, len);
			free(copy);
			assert_true(found == 0 || found == env->arrived_s);
		}
		assert_int_equal(found, env->arrived_s);
		memcpy(strstr(out.data, "arrived ") + 8, "x", 1);
		assert_int_equal(envelope_peek_arrived(out.data, out.len), 0);
		buf_free(&out);
		env->arrived_s = INT64_MAX;
		print(env, &out);
		assert_int_equal(envelope_peek_arrived(out.data, out.len), 0);
		buf_free(&out);
	}
	envelope_free(&env);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_is_printed_is_parsed),
		cmocka_unit_test(the_format_is_as_it_is_described),
		cmocka_unit_test(nothing_asked_takes_no_room),
		cmocka_unit_test(a_cut_text_is_refused),
		cmocka_unit_test(any_damage_is_survived),
		cmocka_unit_test(what_is_not_right_is_refused),
		cmocka_unit_test(a_nul_ends_no_text),
		cmocka_unit_test(a_text_cannot_make_lines),
		cmocka_unit_test(everything_has_its_limit),
		cmocka_unit_test(the_longest_envelope_is_printed),
		cmocka_unit_test(a_full_buffer_is_told),
		cmocka_unit_test(a_bodys_name_is_put_in_and_found),
		cmocka_unit_test(an_accounts_name_is_found),
		cmocka_unit_test(the_arrival_is_found),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
