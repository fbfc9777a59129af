/*
 * sender.c - who a message is from: the policy that Gmail asks for.
 */
#include "config.h"

#include "proto/sender.h"

#include "proto/local.h"
#include "proto/mailbox.h"
#include "proto/rfc2047_decode.h"
#include "proto/sender_name.h"

#include <stdio.h>
#include <string.h>

enum {
	LINE_LENGTH = 76,       /* RFC 2047 section 2; RFC 5322 allows more */
	FIELDS_MAX = 16 * 1024, /* three fields; all that is in them is short */
};

static bool is_send_as(const struct sender_policy *policy, const char *address)
{
	size_t i;

	if (policy->mode != SENDER_AUTO)
		return false;
	for (i = 0; i < policy->send_as_count; i++)
		if (address_same(policy->send_as[i], address))
			return true;
	return false;
}

/* Gmail lets the account use this address. */
static bool is_own(const struct sender_policy *policy, const char *address)
{
	return address_same(policy->account, address) ||
	       is_send_as(policy, address);
}

/* Appends the address behind a name that may have begun at name_at: in angle
 * brackets where there is one, in a line of its own where it does not fit. */
static int add_address(struct buf *out, size_t name_at, const char *address)
{
	size_t column = 0;

	if (address[0] == '\0')
		return buf_add_string(out, "\r\n");
	if (out->len == name_at)
		/* bare, an encoded-word would be taken for a name */
		return rfc2047_word_length(address, strlen(address)) > 0
			       ? buf_add_strings(
					 out, STRINGS("<", address, ">\r\n"))
			       : buf_add_strings(out, STRINGS(address, "\r\n"));
	while (column < out->len && out->data[out->len - 1 - column] != '\n')
		column++;
	return buf_add_strings(out,
		STRINGS(column + strlen(address) + 3 > LINE_LENGTH ? "\r\n "
								   : " ",
			"<", address, ">\r\n"));
}

/* Appends "NAME: phrase <address>". With an account the address is this one,
 * and the mailbox's own goes into the phrase. */
static int add_mailbox(struct buf *out, const char *name,
	const struct mailbox *m, const char *account)
{
	size_t name_at;

	if (buf_add_strings(out, STRINGS(name, ": ")) != 0)
		return -1;
	name_at = out->len;
	if (sender_name_add(out, m, SENDER_NAME_MAX, account != NULL) != 0)
		return -1;
	return add_address(
		out, name_at, account != NULL ? account : m->address.text);
}

static int add_original(struct sender_plan *plan, const struct sender_input *in,
	const struct mailbox *m)
{
	const struct header_field *from = in->from;

	if (from == NULL || header_field_is_empty(from))
		return 0;
	if (from->value_len > SENDER_ORIGINAL_MAX && m->name_len == 0 &&
		m->address.text[0] == '\0')
		return 0;
	if (from->value_len > SENDER_ORIGINAL_MAX)
		return add_mailbox(&plan->fields, "X-Original-From", m, NULL);
	if (buf_add_strings(&plan->fields,
		    STRINGS("X-Original-From:",
			    from->value[0] == ' ' ? "" : " ")) != 0 ||
		buf_add(&plan->fields, from->value, from->value_len) != 0)
		return -1;
	return buf_add_string(&plan->fields, "\r\n");
}

/* From was somebody else's: it becomes the account's. */
static int rewrite(struct sender_plan *plan, const struct sender_input *in,
	const struct mailbox *m, bool answerable)
{
	plan->rewritten = true;
	if (add_mailbox(&plan->fields, "From", m, in->policy->account) != 0)
		return -1;
	if (!in->has_reply_to && answerable &&
		address_is_routable(&m->address)) {
		plan->reply_to = true;
		if (add_mailbox(&plan->fields, "Reply-To", m, NULL) != 0)
			return -1;
	}
	return add_original(plan, in, m);
}

/* A name alone gets the domain; returns whether it did. */
static bool qualify(struct mailbox *m, const struct sender_input *in)
{
	struct address *a = &m->address;

	return in->domain != NULL && a->text[0] != '\0' &&
	       a->text[a->local_len] == '\0' &&
	       local_qualify(a, in->domain, NULL) == 0;
}

/* A From that is to be a whole address, and is none, is from_address. */
static void complete(struct mailbox *m, const struct sender_input *in)
{
	if (m->address.text[m->address.local_len] != '\0')
		return;
	memset(&m->address, 0, sizeof(m->address));
	snprintf(m->address.text, sizeof(m->address.text), "%s",
		in->from_address);
}

static int decide(struct sender_plan *plan, const struct sender_input *in)
{
	const struct sender_policy *policy = in->policy;
	bool keep = policy->mode == SENDER_KEEP;
	bool qualified;
	struct mailbox m;

	plan->drop_sender = !keep;
	if (in->from != NULL)
		mailbox_first(&m, in->from->value, in->from->value_len);
	else
		mailbox_first(&m, in->from_address, strlen(in->from_address));
	qualified = qualify(&m, in);
	if (!keep && !is_own(policy, m.address.text))
		return rewrite(
			plan, in, &m, !qualified || in->domain_takes_mail);
	if (in->from == NULL || (m.clean && !qualified && (keep || !m.several)))
		return 0;
	complete(&m, in);
	return add_mailbox(&plan->fields, "From", &m, NULL);
}

int sender_plan_make(struct sender_plan *plan, const struct sender_input *in)
{
	memset(plan, 0, sizeof(*plan));
	buf_init(&plan->fields, FIELDS_MAX);
	if (decide(plan, in) == 0)
		return 0;
	buf_free(&plan->fields);
	return -1;
}

void sender_plan_free(struct sender_plan *plan)
{
	buf_free(&plan->fields);
}

bool sender_plan_drops(
	const struct sender_plan *plan, const struct header_field *f)
{
	if (plan->drop_sender && header_field_is(f, "Sender"))
		return true;
	if (plan->fields.len > 0 && header_field_is(f, "DKIM-Signature"))
		return true;
	if (plan->rewritten && header_field_is(f, "X-Original-From"))
		return true;
	return plan->reply_to && header_field_is(f, "Reply-To");
}

const char *sender_reverse_path(
	const struct sender_policy *policy, const char *path)
{
	/* Whether Gmail takes <> from a login is not known: the account. */
	if (path[0] == '\0')
		return policy->account;
	if (policy->mode == SENDER_KEEP || is_own(policy, path))
		return path;
	return policy->account;
}
