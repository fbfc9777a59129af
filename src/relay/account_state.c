/*
 * account_state.c - what of an account outlives a restart: state, pause and
 *                   ledger, in spool/state/NAME. Format: gmrelayd-spool(5).
 */
#include "config.h"

#include "base/conf.h"
#include "base/credential.h"
#include "base/hash.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/util.h"
#include "base/worker.h"
#include "relay/account_internal.h"
#include "spool/queue.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The ledger is saved this long after the first change. */
#define STATE_SAVE_MS (60 * 1000)
#define STATE_MAX     (64 * 1024)

static const char first_line[] = "gmrelay-account 1";

struct save_job {
	struct worker_job job;
	struct account *account;
	int dir_fd;
	char name[3 * CONF_NAME_MAX + 1];
	struct buf bytes;
	int failed;
	struct err err;
};

/* A file name for any account name: what could mean something to a file system
 * stands as %XX. */
static void file_name(const char *account, char *out, size_t size)
{
	static const char plain[] = "abcdefghijklmnopqrstuvwxyz"
				    "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_";
	size_t at = 0;

	for (; *account != '\0' && at + 4 < size; account++) {
		if (strchr(plain, *account) != NULL)
			out[at++] = *account;
		else
			at += (size_t)snprintf(out + at, size - at, "%%%02x",
				(unsigned char)*account);
	}
	out[at] = '\0';
}

/* Tells whether what a hold was about has changed since, and nothing more: 32
 * bits, salted. */
static uint32_t fingerprint(const struct account *a, uint32_t salt)
{
	const struct conf_account *settings = a->params.settings;
	const struct credential *c = a->params.credential;
	const char *texts[] = {
		settings->username, settings->host, a->params.conf->hostname};
	struct hash h;
	size_t i;

	hash_init(&h, salt, settings->port);
	for (i = 0; i < COUNT_OF(texts); i++)
		hash_add(&h, texts[i], strlen(texts[i]) + 1);
	hash_add(&h, c->secret, c->len);
	return (uint32_t)hash_end(&h);
}

static int print_state(struct account *a, struct buf *out)
{
	const uint32_t salt = random_below(UINT32_MAX);
	int64_t left = a->until_ms - clock_boot_ms();
	int rc;

	rc = buf_addf(out, "%s\nstate %s\n", first_line,
		account_state_name(a->state));
	if (a->state != ACCOUNT_ACTIVE) {
		rc |= buf_addf(
			out, "pause %d %u\n", (int)a->pause, a->pause_step);
		rc |= buf_addf(out, "until %lld\n",
			(long long)(clock_wall_s() + left / 1000));
		rc |= buf_addf(out, "credential %08x %08x\n", salt,
			fingerprint(a, salt));
		rc |= buf_addf(out, "flags%s%s%s\n", a->by_hand ? " hand" : "",
			a->wake_on_login ? " login" : "",
			a->own_limit ? " own" : "");
		rc |= buf_addf(out, "reason %s\n", a->reason);
	}
	return rc | ledger_print(&a->ledger, out);
}

static void run_save(struct worker_job *job)
{
	struct save_job *save = (struct save_job *)job;

	save->failed = queue_write(
		save->dir_fd, save->name, &save->bytes, true, &save->err);
}

static void on_saved(struct worker_job *job)
{
	struct save_job *save = (struct save_job *)job;
	struct log_text name, text;

	if (save->failed != 0)
		log_err("state-not-saved file=state/%s reason=%s "
			"advice=\"make room in the spool: after a restart "
			"pauses and daily counts begin anew\"",
			log_text(&name, save->name),
			log_text(&text, save->err.text));
	buf_free(&save->bytes);
	free(save);
}

static void submit(struct account *a)
{
	struct save_job *save = xcalloc(1, sizeof(*save));

	a->save_due = false;
	save->dir_fd = a->params.state_fd;
	file_name(a->params.settings->name, save->name, sizeof(save->name));
	buf_init(&save->bytes, STATE_MAX);
	if (print_state(a, &save->bytes) != 0)
		abort();
	save->job.run = run_save;
	save->job.done = on_saved;
	worker_submit(a->params.worker, &save->job);
}

static void on_save_timer(evutil_socket_t fd, short what, void *arg)
{
	(void)fd;
	(void)what;
	submit(arg);
}

void account_state_save(struct account *a, bool at_once)
{
	if (at_once) {
		if (a->save_timer != NULL)
			evtimer_del(a->save_timer);
		submit(a);
		return;
	}
	if (a->save_due)
		return;
	a->save_due = true;
	if (a->save_timer == NULL)
		a->save_timer = evtimer_new(a->params.base, on_save_timer, a);
	loop_after(a->save_timer, STATE_SAVE_MS);
}

struct loaded {
	bool hand;
	bool login;
	bool own;
	int pause;
	unsigned step;
	long long until_s;
	unsigned salt;
	unsigned credential;
};

static int parse_state(struct account *a, const char *word)
{
	enum account_state state;

	for (state = ACCOUNT_ACTIVE; state <= ACCOUNT_HELD; state++)
		if (strcmp(word, account_state_name(state)) == 0) {
			a->state = state;
			return 0;
		}
	return -1;
}

static int parse_line(struct account *a, struct loaded *in, char *line)
{
	char *value = strchr(line, ' ');
	unsigned messages, recipients;
	long long bucket;

	if (strncmp(line, "flags", 5) == 0) {
		in->hand = strstr(line, " hand") != NULL;
		in->login = strstr(line, " login") != NULL;
		in->own = strstr(line, " own") != NULL;
		return 0;
	}
	if (value == NULL)
		return -1;
	*value++ = '\0';
	if (strcmp(line, "state") == 0)
		return parse_state(a, value);
	if (strcmp(line, "pause") == 0)
		return sscanf(value, "%d %u", &in->pause, &in->step) == 2 ? 0
									  : -1;
	if (strcmp(line, "until") == 0)
		return sscanf(value, "%lld", &in->until_s) == 1 ? 0 : -1;
	if (strcmp(line, "credential") == 0)
		return sscanf(value, "%8x %8x", &in->salt, &in->credential) == 2
			       ? 0
			       : -1;
	if (strcmp(line, "reason") == 0) {
		snprintf(a->reason, sizeof(a->reason), "%s", value);
		return 0;
	}
	if (strcmp(line, "sent") != 0 || sscanf(value, "%lld %u %u", &bucket,
						 &messages, &recipients) != 3)
		return -1;
	ledger_restore(
		&a->ledger, clock_wall_s(), bucket, messages, recipients);
	return 0;
}

static int parse_lines(struct account *a, struct loaded *in, char *text)
{
	char *rest = NULL, *line = strtok_r(text, "\n", &rest);

	if (line == NULL || strcmp(line, first_line) != 0)
		return -1;
	while ((line = strtok_r(NULL, "\n", &rest)) != NULL)
		if (parse_line(a, in, line) != 0)
			return -1;
	return in->pause >= PAUSE_NONE && in->pause < PAUSE_COUNT ? 0 : -1;
}

/* What the saved pause was about is over. */
static void forget(struct account *a, const char *why)
{
	struct log_text name;

	log_info("account-active account=%s was=%s reason=\"%s\"",
		log_text(&name, a->params.settings->name),
		account_state_name(a->state), why);
	a->state = ACCOUNT_ACTIVE;
	a->pause = PAUSE_NONE;
	a->pause_step = 0;
	a->reason[0] = '\0';
}

/* What is left of a pause until then. A clock that jumped must not make it
 * longer than it could be. */
static int64_t left_ms(const struct account *a, int64_t until_s)
{
	const int64_t longest = gmail_pause_ms(a->pause, a->pause_step);
	const int64_t now_s = clock_wall_s();

	if (until_s <= now_s)
		return 0;
	if (until_s - now_s > (longest + longest / 8) / 1000)
		return longest;
	return (until_s - now_s) * 1000;
}

/* Takes up a pause that was saved. */
static void restore(struct account *a, const struct loaded *in)
{
	if (a->state == ACCOUNT_ACTIVE)
		return;
	a->pause = (enum pause)in->pause;
	a->pause_step = in->step;
	if (!in->hand && account_is_lasting(a))
		a->told_before = a->state;
	if (a->state == ACCOUNT_HELD && !in->hand &&
		in->credential != fingerprint(a, in->salt)) {
		forget(a, "new credential or settings");
		return;
	}
	if (in->own && !account_quota_restore(a)) {
		forget(a, "the daily limits leave room again");
		return;
	}
	a->by_hand = in->hand;
	a->wake_on_login = in->login;
	if (!in->own)
		a->until_ms = clock_boot_ms() + left_ms(a, in->until_s);
}

static void set_aside(struct account *a, const char *name)
{
	char bad[3 * CONF_NAME_MAX + sizeof(".bad")];

	snprintf(bad, sizeof(bad), "%s.bad", name);
	log_err("state-damaged file=state/%s advice=\"set aside as %s: pauses "
		"and daily counts begin anew\"",
		name, bad);
	(void)renameat(a->params.state_fd, name, a->params.state_fd, bad);
}

/* The text of the state's file, to be freed; NULL: it cannot be read. */
static char *read_text(int fd)
{
	struct stat st;
	char *text;
	ssize_t n;

	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		return NULL;
	text = xcalloc(1, STATE_MAX);
	n = pread_full(fd, text, STATE_MAX - 1, 0);
	if (n < 0) {
		free(text);
		return NULL;
	}
	text[n] = '\0';
	return text;
}

void account_state_load(struct account *a)
{
	char name[3 * CONF_NAME_MAX + 1], *text;
	struct loaded in = {.pause = PAUSE_NONE};
	bool good;
	int fd;

	file_name(a->params.settings->name, name, sizeof(name));
	fd = openat(a->params.state_fd, name,
		O_RDONLY | O_NOFOLLOW | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 && errno == ENOENT)
		return;
	text = read_text(fd);
	if (fd >= 0)
		close(fd);
	good = text != NULL && parse_lines(a, &in, text) == 0;
	free(text);
	if (good) {
		restore(a, &in);
		return;
	}
	set_aside(a, name);
	a->state = ACCOUNT_ACTIVE;
	a->reason[0] = '\0';
}
