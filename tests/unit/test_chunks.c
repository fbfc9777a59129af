/*
 * test_chunks.c - BDAT when a message fails between its chunks: each failure is
 *                 told once, as what it is, and no chunk behind it is stored.
 */
#include "config.h"

#include "fake_journal.h"
#include "session_fixture.h"

#include "base/util.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>

#include <cmocka.h>

#define HEADER_CHUNK "BDAT 8\r\na: b\r\n\r\n"

/* The disk's trouble is temporary, so no client may hear a 5xx first. */
static void the_disk_refuses_between_chunks(void **state)
{
	static const struct {
		enum draft_result result;
		const char *reply;
	} rows[] = {
		{DRAFT_NO_ROOM, "452/4.3.1"},
		{DRAFT_IO_ERROR, "451/4.3.0"},
	};
	struct fixture f;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(rows); i++) {
		fixture_open(&f);
		fixture_connect(&f);
		fake_journal()->result = rows[i].result;
		fake_journal()->break_at = 10;
		fixture_expect(&f, MAIL RCPT HEADER_CHUNK,
			"250/2.1.0 250/2.1.5 250/2.0.0");
		/* told by the next chunk, and RSET is due */
		fixture_expect(&f, "BDAT 3\r\nabc", rows[i].reply);
		fixture_expect(
			&f, "BDAT 3 LAST\r\nabc" MAIL, "503/5.5.1 503/5.5.1");
		fixture_expect(&f, "RSET\r\n" MAIL RCPT HEADER_CHUNK,
			"250/2.0.0 250/2.1.0 250/2.1.5 250/2.0.0");
		/* by the last one: that is the message's end */
		fixture_expect(&f, "BDAT 3 LAST\r\nabc", rows[i].reply);
		assert_int_equal(f.counters.deferred, 2);
		fake_journal()->break_at = 0;
		fake_journal()->result = DRAFT_DURABLE;
		fixture_expect(&f, MAIL RCPT "BDAT 3 LAST\r\nabc",
			"250/2.1.0 250/2.1.5 250/2.0.0");
		assert_int_equal(fake_journal()->count, 1);
		assert_int_equal(fake_journal()->drafts, 0);
		fixture_close(&f);
	}
}

/* A first chunk that was refused is missing: what follows is no message. */
static void memory_comes_back_between_chunks(void **state)
{
	struct fixture f;

	(void)state;
	fixture_open(&f);
	fixture_connect(&f);
	fake_journal()->no_memory = true;
	fixture_expect(&f, "EHLO c\r\n", "250");
	fixture_expect(
		&f, MAIL RCPT HEADER_CHUNK, "250/2.1.0 250/2.1.5 451/4.3.0");
	fake_journal()->no_memory = false;
	fixture_expect(&f, "BDAT 4 LAST\r\nrest", "503/5.5.1");
	fixture_expect(&f, "DATA\r\n", "503/5.5.1");
	assert_int_equal(fake_journal()->count, 0);
	fixture_expect(&f, "RSET\r\n" MAIL RCPT "BDAT 8 LAST\r\na: b\r\n\r\n",
		"250/2.0.0 250/2.1.0 250/2.1.5 250/2.0.0");
	assert_int_equal(fake_journal()->count, 1);
	fixture_close(&f);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_disk_refuses_between_chunks),
		cmocka_unit_test(memory_comes_back_between_chunks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
