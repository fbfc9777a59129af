/*
 * fuzz_state.c - the saved state of an account: pauses stay within what they
 *                may be, whatever the file says; what is taken up is the same
 *                when it was saved and taken up again.
 */
#include "config.h"

#include "fuzz.h"
#include "fuzz_spool.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/util.h"
#include "base/worker.h"
#include "relay/account_internal.h"

#include <fcntl.h>
#include <unistd.h>

enum { FUZZ_STATE_MAX = 64 * 1024 };

static const char name[] = "default", bad_name[] = "default.bad";

static struct credential *the_credential(void)
{
	static struct credential *c;

	if (c == NULL)
		c = xcalloc(1, sizeof(*c) + 1);
	return c;
}

static void set_account(
	struct account *a, const struct fuzz_spool *s, struct worker *worker)
{
	static char label[] = "default", user[] = "someone@gmail.com",
		    host[] = "smtp.gmail.com", none[] = "";
	static struct conf_account settings = {
		.name = label, .username = user, .host = host, .port = 587};
	static struct conf conf = {.hostname = none};

	memset(a, 0, sizeof(*a));
	a->params.settings = &settings;
	a->params.conf = &conf;
	a->params.credential = the_credential();
	a->params.state_fd = fuzz_spool_dir();
	a->params.base = s->base;
	a->params.worker = worker;
}

static void require_sane(struct account *a)
{
	/* by an eighth longer, for chance */
	const int64_t longest = gmail_pause_ms(a->pause, a->pause_step);
	const int64_t left = a->until_ms - clock_boot_ms();

	FUZZ_REQUIRE(a->state <= ACCOUNT_HELD && a->pause < PAUSE_COUNT);
	FUZZ_REQUIRE(strnlen(a->reason, sizeof(a->reason)) < sizeof(a->reason));
	if (a->state == ACCOUNT_ACTIVE)
		return;
	if (a->own_limit)
		FUZZ_REQUIRE(left <= 25 * 3600 * INT64_C(1000));
	else
		FUZZ_REQUIRE(left <= longest + longest / 8);
}

static void require_same(struct account *a, struct account *b)
{
	const int64_t now_s = clock_wall_s();
	const struct ledger_sum sum = ledger_total(&a->ledger, now_s);
	const struct ledger_sum again = ledger_total(&b->ledger, now_s);

	FUZZ_REQUIRE(sum.messages == again.messages);
	/* recipients of no message, which we do not write, are not kept */
	if (sum.recipients != again.recipients)
		return;
	FUZZ_REQUIRE(a->state == b->state && a->by_hand == b->by_hand &&
		     a->wake_on_login == b->wake_on_login &&
		     a->own_limit == b->own_limit);
	/* what is no pause has no reason, and one of our own count is worked
	 * out anew */
	if (a->state != ACCOUNT_ACTIVE && !a->own_limit)
		FUZZ_REQUIRE(strcmp(a->reason, b->reason) == 0 &&
			     a->pause == b->pause &&
			     a->pause_step == b->pause_step);
}

static void write_state(const uint8_t *data, size_t size)
{
	const int flags = O_WRONLY | O_CREAT | O_TRUNC;
	int fd = openat(fuzz_spool_dir(), name, flags, 0600);

	FUZZ_REQUIRE(fd >= 0 && write(fd, data, size) == (ssize_t)size);
	close(fd);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct account a, b;
	struct fuzz_spool spool;
	struct worker *worker;

	if (size > FUZZ_STATE_MAX)
		return 0;
	fuzz_spool_open(&spool);
	worker = worker_new(spool.base, "state", NULL);
	write_state(data, size);
	set_account(&a, &spool, worker);
	account_state_load(&a);
	require_sane(&a);
	/* what was damaged is set aside, and what is taken up is not */
	if (faccessat(fuzz_spool_dir(), name, F_OK, 0) != 0)
		FUZZ_REQUIRE(a.state == ACCOUNT_ACTIVE);
	account_state_save(&a, true);
	set_account(&b, &spool, worker);
	account_state_load(&b);
	FUZZ_REQUIRE(faccessat(fuzz_spool_dir(), name, F_OK, 0) == 0);
	require_sane(&b);
	require_same(&a, &b);
	worker_free(&worker);
	(void)unlinkat(fuzz_spool_dir(), name, 0);
	(void)unlinkat(fuzz_spool_dir(), bad_name, 0);
	fuzz_spool_close(&spool);
	return 0;
}
