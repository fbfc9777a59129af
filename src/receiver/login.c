/*
 * login.c - a client's AUTH.
 *
 * Three kinds of clients meet here. Devices that insist on a login although
 * none is needed: whatever they send is right, and nothing of it is kept, not
 * even in memory. Clients who must log in: their passwords are compared in a
 * thread, one at a time, since that takes long by design. And those who guess:
 * after five failures their address has to wait, without a word about whether
 * the next password would have been right.
 */
#include "config.h"

#include "receiver/login.h"

#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "base/worker.h"
#include "proto/command.h"
#include "receiver/auth.h"
#include "receiver/brake.h"
#include "receiver/session_internal.h"
#include "receiver/tolerance.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct logins {
	struct event_base *base;
	const struct users *users;
	struct worker *worker; /* NULL: none was needed yet */
	struct brake brake;
};

/* A password on its way through the thread. */
struct login_check {
	struct worker_job job;   /* first: it is all that the thread knows */
	struct session *session; /* NULL: gone meanwhile */
	char name[USERS_NAME_MAX + 1];
	char password[PASSWORD_MAX + 1];
	char hash[PASSWORD_HASH_SIZE];
	bool known; /* there is such a user */
	int right;  /* as password_hash_compare() says */
};

enum login_policy {
	LOGIN_UNASKED,   /* not offered; right, where mistakes are overlooked */
	LOGIN_ANY,       /* offered, and whatever comes is right */
	LOGIN_USERS,     /* offered, and compared */
	LOGIN_NEEDS_TLS, /* not in clear over a network */
};

struct logins *logins_new(struct event_base *base, const struct users *users)
{
	struct logins *logins = xcalloc(1, sizeof(*logins));

	logins->base = base;
	logins->users = users;
	return logins;
}

void logins_free(struct logins **logins)
{
	struct logins *l = *logins;

	if (l == NULL)
		return;
	worker_free(&l->worker);
	free(l);
	*logins = NULL;
}

static enum login_policy policy_of(const struct session *s)
{
	if (s->peer.kind != LISTENER_SMTP)
		return LOGIN_UNASKED;
	switch (s->profile->auth) {
	case CONF_AUTH_ANY:
		return LOGIN_ANY;
	case CONF_AUTH_USERS:
		return session_tls_is_on(s) || s->peer.local ? LOGIN_USERS
							     : LOGIN_NEEDS_TLS;
	default:
		return LOGIN_UNASKED;
	}
}

bool login_is_offered(const struct session *s)
{
	const enum login_policy policy = policy_of(s);

	if (policy == LOGIN_ANY)
		return s->profile->tls != CONF_CLIENT_TLS_REQUIRE ||
		       session_tls_is_on(s);
	return policy == LOGIN_USERS;
}

void login_print_mechanisms(const struct session *s, char *text, size_t size)
{
	char names[AUTH_NAMES_MAX];

	(void)s;
	auth_print_names(names);
	snprintf(text, size, "%s", names);
}

bool login_is_missing(const struct session *s)
{
	const enum login_policy policy = policy_of(s);

	return (policy == LOGIN_USERS || policy == LOGIN_NEEDS_TLS) &&
	       !s->logged_in;
}

bool login_is_known(const struct session *s)
{
	return s->logged_in && s->profile->auth == CONF_AUTH_USERS;
}

static void end_exchange(struct session *s)
{
	if (s->auth == NULL)
		return;
	auth_wipe(s->auth);
	free(s->auth);
	s->auth = NULL;
}

void login_forget(struct session *s)
{
	end_exchange(s);
	if (s->check != NULL)
		s->check->session = NULL;
	s->check = NULL;
	s->logged_in = false;
}

/* --- the check ------------------------------------------------------------ */

static void run_check(struct worker_job *job)
{
	struct login_check *check = (struct login_check *)job;

	check->right = password_hash_compare(check->hash, check->password);
	wipe(check->password, sizeof(check->password));
}

static void log_brake(const struct session *s)
{
	log_warn("login held peer=%s for=%ds reason=\"%d wrong passwords\"",
		s->peer.log, BRAKE_TIME_MS / 1000, BRAKE_FAILURES);
}

static enum rx_reply judge(struct session *s, const struct login_check *check)
{
	struct brake *brake = &s->shared->logins->brake;
	const int64_t now = clock_boot_ms();
	struct log_text name;

	log_text(&name, check->known ? check->name : "");
	/* several may have been under way when the last one failed */
	if (brake_holds(brake, &s->peer.address, now))
		return RX_LOGIN_HELD;
	if (check->right < 0)
		return RX_NO_MEMORY;
	if (check->known && check->right > 0) {
		log_info("login peer=%s user=%s", s->peer.log, name.text);
		s->logged_in = true;
		return RX_LOGGED_IN;
	}
	log_info("login refused peer=%s user=%s reply=\"%s\"", s->peer.log,
		check->known ? name.text : "unknown",
		rx_reply_codes(RX_BAD_LOGIN));
	if (brake_failed(brake, &s->peer.address, now))
		log_brake(s);
	return RX_BAD_LOGIN;
}

static void end_check(struct worker_job *job)
{
	struct login_check *check = (struct login_check *)job;
	struct session *s = check->session;
	enum session_next next;

	if (s != NULL) {
		s->check = NULL;
		s->paused &= ~(unsigned)SESSION_PAUSE_LOGIN;
		session_reply(s, judge(s, check));
		next = s->expelled ? SESSION_CLOSE : session_take_held(s);
		session_settle(s, next);
	}
	wipe(check, sizeof(*check));
	free(check);
}

static struct worker *the_worker(struct logins *logins)
{
	struct err err;

	if (logins->worker == NULL)
		logins->worker =
			worker_new(logins->base, "gmrelayd-login", &err);
	if (logins->worker == NULL)
		log_warn("login reason=\"%s\"", err.text);
	return logins->worker;
}

/* Returns RX_NONE: it is on its way. */
static enum rx_reply begin_check(struct session *s)
{
	struct logins *logins = s->shared->logins;
	struct worker *worker;
	struct login_check *check;

	if (brake_holds(&logins->brake, &s->peer.address, clock_boot_ms()))
		return RX_LOGIN_HELD;
	worker = the_worker(logins);
	if (worker == NULL || worker_pending(worker) >= LOGIN_CHECKS_MAX)
		return RX_LOGIN_BUSY;
	check = calloc(1, sizeof(*check));
	if (check == NULL)
		return RX_NO_MEMORY;
	memcpy(check->name, s->auth->name, sizeof(check->name));
	memcpy(check->password, s->auth->password, sizeof(check->password));
	snprintf(check->hash, sizeof(check->hash), "%s",
		users_hash(logins->users, check->name, &check->known));
	check->job.run = run_check;
	check->job.done = end_check;
	check->session = s;
	s->check = check;
	s->paused |= SESSION_PAUSE_LOGIN;
	worker_submit(worker, &check->job);
	return RX_NONE;
}

/* --- the dialogue --------------------------------------------------------- */

static enum session_next go_on(struct session *s, enum auth_result result)
{
	enum rx_reply reply = RX_NONE;

	switch (result) {
	case AUTH_PROMPT:
		session_reply_detail(s, RX_AUTH_PROMPT, auth_prompt(s->auth));
		return SESSION_CONTINUE;
	case AUTH_CANCELLED:
		reply = RX_AUTH_CANCELLED;
		break;
	case AUTH_MALFORMED:
		reply = RX_AUTH_MALFORMED;
		break;
	case AUTH_GIVEN:
		s->logged_in = s->auth->blind;
		reply = s->auth->blind ? RX_LOGGED_IN : begin_check(s);
		break;
	}
	end_exchange(s);
	if (reply != RX_NONE)
		session_reply(s, reply);
	return SESSION_CONTINUE;
}

/* Why there is no login now; RX_NONE: there is. */
static enum rx_reply refusal_of(const struct session *s)
{
	const enum login_policy policy = policy_of(s);

	if (policy == LOGIN_NEEDS_TLS)
		return RX_AUTH_NEEDS_TLS;
	if (s->logged_in)
		return RX_AUTH_ALREADY;
	if (s->state != SESSION_NEW && s->state != SESSION_IDLE)
		return RX_AUTH_IN_TRANSACTION;
	return RX_NONE;
}

/* Splits "MECHANISM [INITIAL]". Returns the mechanism, or NULL; *initial is
 * NULL where there is none. */
static const struct auth_mechanism *read_arguments(
	const struct command *c, const char **initial, size_t *len)
{
	size_t word = 0, next;

	while (word < c->arg_len && c->arg[word] != ' ' && c->arg[word] != '\t')
		word++;
	next = word;
	while (next < c->arg_len &&
		(c->arg[next] == ' ' || c->arg[next] == '\t'))
		next++;
	*initial = next < c->arg_len ? c->arg + next : NULL;
	*len = c->arg_len - next;
	return auth_find(c->arg, word);
}

enum session_next login_begin(struct session *s, const struct command *c)
{
	const struct auth_mechanism *mechanism;
	enum rx_reply refusal = refusal_of(s);
	const char *initial;
	size_t len;

	s->secret = true;
	if (policy_of(s) == LOGIN_UNASKED &&
		!tolerance_permits(s, QUIRK_BIT(QUIRK_NEEDLESS_AUTH)))
		return SESSION_CONTINUE;
	mechanism = read_arguments(c, &initial, &len);
	if (refusal == RX_NONE && c->arg_len == 0)
		refusal = RX_AUTH_NAME_MISSING;
	else if (refusal == RX_NONE && mechanism == NULL)
		refusal = RX_AUTH_UNKNOWN;
	if (refusal == RX_NONE) {
		s->auth = calloc(1, sizeof(*s->auth));
		if (s->auth == NULL)
			refusal = RX_NO_MEMORY;
	}
	if (refusal != RX_NONE) {
		session_reply(s, refusal);
		return SESSION_CONTINUE;
	}
	return go_on(s, auth_begin(s->auth, mechanism,
				policy_of(s) != LOGIN_USERS, initial, len));
}

enum session_next login_answer(struct session *s, const char *line, size_t len)
{
	s->secret = true;
	return go_on(s, auth_answer(s->auth, line, len));
}

void login_too_long(struct session *s)
{
	end_exchange(s);
	session_reply(s, RX_AUTH_TOO_LONG);
}
