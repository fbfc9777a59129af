/*
 * auth.c - how clients log in: the AUTH mechanisms, a row each.
 */
#include "config.h"

#include "receiver/auth.h"

#include "base/util.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Copies len bytes and a NUL. What cannot be a name or a password makes the
 * name "", which is nobody's. */
static void keep(
	struct auth_exchange *x, bool password, const char *data, size_t len)
{
	char *to = password ? x->password : x->name;
	const size_t room = password ? sizeof(x->password) : sizeof(x->name);

	if (len >= room || memchr(data, '\0', len) != NULL) {
		x->nobody = true;
		return;
	}
	memcpy(to, data, len);
	to[len] = '\0';
}

/* RFC 4616: authzid NUL authcid NUL password. To act for somebody else is
 * allowed to nobody. */
static int take_plain(struct auth_exchange *x, const char *data, size_t len)
{
	const char *first = memchr(data, '\0', len), *second;
	size_t for_len, name_len;

	if (first == NULL)
		return -1;
	for_len = (size_t)(first - data);
	second = memchr(first + 1, '\0', len - for_len - 1);
	if (second == NULL)
		return -1;
	name_len = (size_t)(second - first) - 1;
	keep(x, false, first + 1, name_len);
	keep(x, true, second + 1, len - for_len - name_len - 2);
	if (for_len > 0 &&
		(for_len != name_len || memcmp(data, first + 1, name_len) != 0))
		x->nobody = true;
	return 0;
}

static int take_login(struct auth_exchange *x, const char *data, size_t len)
{
	keep(x, x->step > 0, data, len);
	return 0;
}

/* The prompts of LOGIN are "Username:" and "Password:", to the letter: there
 * are devices that give up on others. */
static const struct auth_mechanism mechanisms[] = {
	{"PLAIN", {""}, take_plain},
	{"LOGIN", {"VXNlcm5hbWU6", "UGFzc3dvcmQ6"}, take_login},
};

const struct auth_mechanism *auth_find(const char *name, size_t len)
{
	size_t i;

	for (i = 0; i < COUNT_OF(mechanisms); i++)
		if (strlen(mechanisms[i].name) == len &&
			strncasecmp(mechanisms[i].name, name, len) == 0)
			return &mechanisms[i];
	return NULL;
}

void auth_print_names(char text[AUTH_NAMES_MAX])
{
	size_t i, len = 0;

	text[0] = '\0';
	for (i = 0; i < COUNT_OF(mechanisms) && len < AUTH_NAMES_MAX; i++)
		len += (size_t)snprintf(text + len, AUTH_NAMES_MAX - len, " %s",
			mechanisms[i].name);
}

static bool more_to_ask(const struct auth_exchange *x)
{
	return x->step < AUTH_STEPS_MAX &&
	       x->mechanism->prompts[x->step] != NULL;
}

/* Decodes an answer and hands it to the mechanism. No copy is left behind. */
static int take_base64(struct auth_exchange *x, const char *text, size_t len)
{
	struct buf raw;
	int rc = -1;

	buf_init(&raw, len + 1);
	/* room for all at once, and a byte where there is none */
	if (buf_reserve(&raw, len + 1) != NULL && buf_add(&raw, "", 0) == 0 &&
		base64_decode(&raw, text, len) == 0)
		rc = x->mechanism->take(x, raw.data, raw.len);
	if (raw.data != NULL)
		wipe(raw.data, raw.cap);
	buf_free(&raw);
	return rc;
}

static enum auth_result take(
	struct auth_exchange *x, const char *text, size_t len)
{
	if (!x->blind && take_base64(x, text, len) != 0)
		return AUTH_MALFORMED;
	x->step++;
	if (more_to_ask(x))
		return AUTH_PROMPT;
	if (x->nobody)
		x->name[0] = '\0';
	return AUTH_GIVEN;
}

enum auth_result auth_begin(struct auth_exchange *x,
	const struct auth_mechanism *mechanism, bool blind, const char *initial,
	size_t len)
{
	memset(x, 0, sizeof(*x));
	x->mechanism = mechanism;
	x->blind = blind;
	if (initial == NULL)
		return AUTH_PROMPT;
	if (len == 1 && initial[0] == '=')
		len = 0;
	return take(x, initial, len);
}

enum auth_result auth_answer(
	struct auth_exchange *x, const char *line, size_t len)
{
	while (len > 0 && (line[len - 1] == ' ' || line[len - 1] == '\t'))
		len--;
	if (len == 1 && line[0] == '*')
		return AUTH_CANCELLED;
	return take(x, line, len);
}

const char *auth_prompt(const struct auth_exchange *x)
{
	return more_to_ask(x) ? x->mechanism->prompts[x->step] : "";
}

void auth_wipe(struct auth_exchange *x)
{
	wipe(x, sizeof(*x));
}
