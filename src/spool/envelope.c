/*
 * envelope.c - who a message is from and for, and what has happened to it.
 */
#include "config.h"

#include "spool/envelope.h"

#include "spool/envelope_internal.h"

#include <stdlib.h>
#include <string.h>

enum { ENVELOPE_ADDRESS_MAX = 1000 };

struct envelope *envelope_new(void)
{
	struct envelope *env = calloc(1, sizeof(*env));

	if (env == NULL || envelope_set_reverse_path(env, "") != 0)
		envelope_free(&env);
	return env;
}

void envelope_truncate(struct envelope *env, size_t count)
{
	struct envelope_rcpt *rcpt;

	while (env->rcpt_count > count) {
		rcpt = &env->rcpts[--env->rcpt_count];
		free(rcpt->address);
		free(rcpt->reply);
		free(rcpt->orcpt);
	}
}

void envelope_free(struct envelope **envp)
{
	struct envelope *env = *envp;

	*envp = NULL;
	if (env == NULL)
		return;
	envelope_truncate(env, 0);
	free(env->rcpts);
	free(env->reverse_path);
	free(env->reason);
	free(env->envid);
	free(env);
}

/* A copy of len bytes of text in which control bytes are spaces: one line. */
static char *copy_line(const char *text, size_t len, size_t max)
{
	char *copy;
	size_t i;

	if (len > max)
		len = max;
	copy = strndup(text, len);
	if (copy == NULL)
		return NULL;
	for (i = 0; copy[i] != '\0'; i++)
		if ((unsigned char)copy[i] < ' ' || copy[i] == 0x7f)
			copy[i] = ' ';
	return copy;
}

int envelope_keep_text(char **at, const char *text, size_t len, size_t max)
{
	char *copy = copy_line(text, len, max);

	if (copy == NULL)
		return -1;
	free(*at);
	*at = copy;
	return 0;
}

int envelope_keep_reverse_path(
	struct envelope *env, const char *path, size_t len)
{
	if (len > ENVELOPE_ADDRESS_MAX)
		return -1;
	return envelope_keep_text(&env->reverse_path, path, len, len);
}

int envelope_set_reverse_path(struct envelope *env, const char *path)
{
	return envelope_keep_reverse_path(env, path, strlen(path));
}

int envelope_keep_rcpt(struct envelope *env, const char *address, size_t len,
	enum rcpt_state state)
{
	struct envelope_rcpt *grown;
	size_t cap;

	if (len == 0 || len > ENVELOPE_ADDRESS_MAX ||
		env->rcpt_count >= ENVELOPE_RECIPIENTS_MAX)
		return -1;
	if (env->rcpt_count == env->rcpt_cap) {
		cap = env->rcpt_cap > 0 ? 2 * env->rcpt_cap : 1;
		grown = realloc(env->rcpts, cap * sizeof(*grown));
		if (grown == NULL)
			return -1;
		env->rcpts = grown;
		env->rcpt_cap = cap;
	}
	memset(&env->rcpts[env->rcpt_count], 0, sizeof(*env->rcpts));
	env->rcpts[env->rcpt_count].state = state;
	if (envelope_keep_text(&env->rcpts[env->rcpt_count].address, address,
		    len, len) != 0)
		return -1;
	env->rcpt_count++;
	return 0;
}

int envelope_add_rcpt(struct envelope *env, const char *address)
{
	return envelope_keep_rcpt(env, address, strlen(address), RCPT_PENDING);
}

int envelope_set_reply(struct envelope_rcpt *rcpt, const char *reply)
{
	return envelope_keep_text(
		&rcpt->reply, reply, strlen(reply), ENVELOPE_REPLY_MAX);
}

int envelope_set_reason(struct envelope *env, const char *reason)
{
	return envelope_keep_text(
		&env->reason, reason, strlen(reason), ENVELOPE_REASON_MAX);
}

int envelope_keep_envid(struct envelope *env, const char *text, size_t len)
{
	return dsn_is_envid(text, len) ? envelope_keep_text(&env->envid, text,
						 len, DSN_ENVID_TEXT_MAX)
				       : -1;
}

int envelope_set_envid(struct envelope *env, const char *envid)
{
	return envid[0] == '\0'
		       ? 0
		       : envelope_keep_envid(env, envid, strlen(envid));
}

int envelope_keep_orcpt(
	struct envelope_rcpt *rcpt, const char *text, size_t len)
{
	return dsn_is_orcpt(text, len) ? envelope_keep_text(&rcpt->orcpt, text,
						 len, DSN_ORCPT_MAX)
				       : -1;
}

int envelope_set_orcpt(struct envelope_rcpt *rcpt, const char *orcpt)
{
	return orcpt[0] == '\0'
		       ? 0
		       : envelope_keep_orcpt(rcpt, orcpt, strlen(orcpt));
}

size_t envelope_count(const struct envelope *env, enum rcpt_state state)
{
	size_t i, count = 0;

	for (i = 0; i < env->rcpt_count; i++)
		count += env->rcpts[i].state == state;
	return count;
}
