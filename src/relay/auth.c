/*
 * auth.c - the AUTH mechanisms, a row each.
 */
#include "config.h"

#include "relay/auth.h"

#include "base/util.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

enum { PROMPT_MAX = 1024 };

/* RFC 4616: authzid (none) NUL authcid NUL password, as initial response or as
 * the answer to an empty challenge. */
static int plain_respond(const struct auth_login *login, unsigned step,
	const char *challenge, struct buf *out, struct err *err)
{
	const size_t user_len = strlen(login->username);
	const size_t secret_len = strlen(login->secret);
	struct buf raw;
	int rc = -1;

	(void)challenge;
	if (step > 1)
		return err_set(err, ERR_PROTOCOL,
			"the server asks on after AUTH PLAIN was answered");
	/* room for all at once: no copy is left behind by growing */
	buf_init(&raw, user_len + secret_len + 2);
	if (buf_reserve(&raw, user_len + secret_len + 2) != NULL &&
		buf_add(&raw, "", 1) == 0 &&
		buf_add(&raw, login->username, user_len + 1) == 0 &&
		buf_add(&raw, login->secret, secret_len) == 0)
		rc = base64_encode(out, raw.data, raw.len);
	wipe(raw.data, raw.cap);
	buf_free(&raw);
	if (rc != 0)
		return err_set(err, ERR_LIMIT, "the login is too long");
	return 0;
}

/* The prompt in the challenge, decoded, begins with word. */
static bool prompt_begins(const char *challenge, const char *word)
{
	struct buf prompt;
	bool begins;

	buf_init(&prompt, PROMPT_MAX);
	begins = base64_decode(&prompt, challenge, strlen(challenge)) == 0 &&
		 prompt.len >= strlen(word) &&
		 strncasecmp(prompt.data, word, strlen(word)) == 0;
	buf_free(&prompt);
	return begins;
}

/* The draft fixes the order, user name then password, and leaves the prompts
 * free; only a prompt that plainly asks for the other thing is refused, so that
 * the password is never given as a name. */
static int login_respond(const struct auth_login *login, unsigned step,
	const char *challenge, struct buf *out, struct err *err)
{
	const char *answer = step == 1 ? login->username : login->secret;
	const char *other = step == 1 ? "pass" : "user";

	if (step == 0)
		return 1;
	if (step > 2)
		return err_set(err, ERR_PROTOCOL,
			"the server asks on after AUTH LOGIN was answered");
	if (prompt_begins(challenge, other))
		return err_set(err, ERR_PROTOCOL,
			"the server asks out of order in AUTH LOGIN");
	if (base64_encode(out, answer, strlen(answer)) != 0)
		return err_set(err, ERR_LIMIT, "the login is too long");
	return 0;
}

/* The best first. */
static const struct auth_mechanism mechanisms[] = {
	{"PLAIN", plain_respond},
	{"LOGIN", login_respond},
};

static bool is_offered(const char *offered, const char *name)
{
	const size_t len = strlen(name);
	size_t word;

	for (;;) {
		offered += strspn(offered, " \t");
		word = strcspn(offered, " \t");
		if (word == 0)
			return false;
		if (word == len && strncasecmp(offered, name, len) == 0)
			return true;
		offered += word;
	}
}

const struct auth_mechanism *auth_choose(
	const char *offered, const struct auth_mechanism *previous)
{
	size_t i = previous != NULL ? (size_t)(previous - mechanisms) + 1 : 0;

	for (; i < COUNT_OF(mechanisms); i++)
		if (is_offered(offered, mechanisms[i].name))
			return &mechanisms[i];
	return NULL;
}
