/*
 * check_ca.c - certificates to trust: whether the relay will be able to read
 *              and use them.
 */
#include "config.h"

#include "parent/check_ca.h"

#include "base/conf.h"
#include "parent/aside.h"
#include "parent/privs.h"
#include "relay/relay.h"

#include <stdio.h>

/* A file name can be as long as it likes; the reason comes behind it. */
enum { FILE_SHOWN_MAX = ERR_TEXT_MAX, FINDING_MAX = 2 * ERR_TEXT_MAX + 128 };

/* As the relay's user, and in memory of its own, for OpenSSL's tables would
 * stay in the parent's. */
struct look {
	const struct privs_users *users;
	const char *ca_file;
};

static int look(const void *in, void *out, struct err *err)
{
	const struct look *at = in;
	const struct privs_plan plan = {
		.user = at->users->relay,
		.root = at->users->root,
		.chroot_fd = -1,
	};

	(void)out;
	if (privs_drop(&plan, err) != 0)
		return -1;
	return relay_ca_check(at->ca_file, err);
}

/* Returns 0, -1 with err. */
static int check_one(const struct check_result *r,
	const struct conf_account *account, struct err *err)
{
	const struct look at = {&r->users, account->ca_file};
	const struct aside work = {
		.what = "ca-file: reading it",
		.run = look,
		.in = &at,
		.limit_ms = ASIDE_LIMIT_MS,
	};

	return aside_run(&work, err);
}

size_t check_ca_files(
	const struct check_result *r, check_tell_fn *tell, void *arg)
{
	const struct conf_account *account;
	char text[FINDING_MAX];
	size_t i, errors = 0;
	struct err err;

	for (i = 0; i < r->conf->account_count; i++) {
		account = &r->conf->accounts[i];
		if (account->ca_file[0] == '\0' ||
			check_one(r, account, &err) == 0)
			continue;
		snprintf(text, sizeof(text), "%.*s:%u: %s", FILE_SHOWN_MAX,
			r->conf->file, account->line, err.text);
		tell(arg, false, text);
		errors++;
	}
	return errors;
}
