/*
 * sender_fixture.h - header blocks under a sender policy.
 * Used by:    test_sender.c, test_sender_hostile.c.
 */
#ifndef GMRELAY_TESTS_SENDER_FIXTURE_H
#define GMRELAY_TESTS_SENDER_FIXTURE_H

#include "base/sender_policy.h"
#include "base/util.h"
#include "header_fixture.h"
#include "proto/header_field.h"

/* What every block has besides, and does not show in the vectors. */
#define REST "Date: now\r\nMessage-ID: <1@a>\r\n"
#define ME   "me@gmail.com"

static char alias_address[] = "Alias@example.com";
static char *alias_list[] = {alias_address};

static inline struct sender_policy policy_with(enum sender_mode mode)
{
	return (struct sender_policy){
		.mode = mode,
		.account = ME,
		.send_as = alias_list,
		.send_as_count = COUNT_OF(alias_list),
	};
}

static inline struct header_context context_of(
	const struct sender_policy *policy)
{
	struct header_context c = plain;

	c.from_address = "root@localhost";
	c.domain = "relay.example.org";
	c.sender = policy;
	return c;
}

/* The repaired block of text without our Received and the last line. */
static inline struct header_result repair_sender(
	struct buf *out, const char *text, enum sender_mode mode)
{
	const struct sender_policy policy = policy_with(mode);
	const struct header_context c = context_of(&policy);
	struct header_result result = repair(out, text, &c, NULL);
	size_t skip = strlen(RECEIVED);

	assert_memory_equal(out->data, RECEIVED, skip);
	assert_string_equal(out->data + out->len - 2, "\r\n");
	out->len -= skip + 2;
	memmove(out->data, out->data + skip, out->len);
	out->data[out->len] = '\0';
	return result;
}

/* How many fields of the name are there; *last_out is the last of them. */
static inline size_t count_fields(
	const struct buf *text, const char *name, struct header_field *last_out)
{
	struct header_field f;
	size_t pos = 0, n = 0;

	while (header_field_next(text->data, text->len, &pos, &f) == 1) {
		if (!header_field_is(&f, name))
			continue;
		*last_out = f;
		n++;
	}
	assert_int_equal(pos, text->len);
	return n;
}

#endif
