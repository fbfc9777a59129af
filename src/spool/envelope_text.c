/*
 * envelope_text.c - the text form that stands before every message in the
 *                   spool: printed, and parsed.
 */
#include "config.h"

#include "spool/envelope.h"

#include "base/util.h"
#include "spool/envelope_internal.h"

#include <string.h>

static const char first_line[] = ENVELOPE_FIRST_LINE;

enum { NUMBER_TEXT_MAX = 20 };

/* The words of the line "flags". */
struct flag {
	const char *word;
	size_t offset;
};

static const struct flag flags[] = {
	{"8bit", offsetof(struct envelope, eight_bit)},
	{"smtputf8", offsetof(struct envelope, smtputf8)},
	{"report", offsetof(struct envelope, report)},
	{"refused", offsetof(struct envelope, refused)},
	{"hold", offsetof(struct envelope, hold)},
	{"notified", offsetof(struct envelope, notified)},
	{"seen", offsetof(struct envelope, seen)},
	{"damaged", offsetof(struct envelope, damaged)},
};

static bool flag_get(const struct envelope *env, const struct flag *flag)
{
	return *(const bool *)((const char *)env + flag->offset);
}

static int print_flags(const struct envelope *env, struct buf *out)
{
	bool any = false;
	size_t i;
	int rc = 0;

	for (i = 0; i < COUNT_OF(flags); i++) {
		if (!flag_get(env, &flags[i]))
			continue;
		rc |= buf_add_string(out, any ? " " : "flags ");
		rc |= buf_add_string(out, flags[i].word);
		any = true;
	}
	return any ? rc | buf_add(out, "\n", 1) : rc;
}

static int print_text(struct buf *out, const char *key, const char *text)
{
	return buf_add_strings(out, STRINGS(key, " ", text, "\n"));
}

static int print_number(struct buf *out, const char *key, uint64_t value)
{
	char number[DECIMAL_SIZE];

	return value != 0 ? print_text(out, key, decimal(number, value)) : 0;
}

static const char *const rcpt_keys[] = {
	[RCPT_PENDING] = "to",
	[RCPT_DELIVERED] = "done",
	[RCPT_FAILED] = "fail",
	[RCPT_REPORTED] = "told",
};

static const char *rcpt_key(const struct envelope_rcpt *r)
{
	return r->state == RCPT_PENDING && r->tried ? "wait"
						    : rcpt_keys[r->state];
}

static int print_rcpt(const struct envelope_rcpt *r, struct buf *out)
{
	char notify[DSN_NOTIFY_SIZE];
	int rc = print_text(out, rcpt_key(r), r->address);

	if (r->notify != 0)
		rc |= print_text(
			out, "notify", dsn_print_notify(r->notify, notify));
	if (r->orcpt != NULL)
		rc |= print_text(out, "orcpt", r->orcpt);
	if (r->reply != NULL)
		rc |= print_text(out, "reply", r->reply);
	return rc;
}

int envelope_print(const struct envelope *env, struct buf *out)
{
	char name[HEX64_SIZE], check[HEX64_SIZE];
	size_t i;
	int rc;

	rc = buf_add_strings(out, STRINGS(first_line, "\n"));
	rc |= print_text(out, "id", hex64(name, env->id));
	if (env->body_name != 0)
		rc |= buf_addf(out, "body %s %s\n", hex64(name, env->body_name),
			hex64(check, env->body_check));
	if (env->account[0] != '\0')
		rc |= print_text(out, "account", env->account);
	rc |= print_number(out, "arrived",
		env->arrived_s > 0 ? (uint64_t)env->arrived_s : 0);
	rc |= print_number(out, "size", env->size);
	rc |= print_text(out, "client", env->client);
	rc |= print_flags(env, out);
	if (env->ret != DSN_RET_UNSAID)
		rc |= print_text(out, "ret", dsn_ret_name(env->ret));
	if (env->envid != NULL)
		rc |= print_text(out, "envid", env->envid);
	rc |= print_number(out, "attempts", env->attempts);
	rc |= print_number(out, "requeued", env->requeued);
	rc |= print_number(out, "waited", env->waited_ms);
	rc |= print_number(out, "refused", env->refused_ms);
	rc |= print_number(
		out, "next", env->next_s > 0 ? (uint64_t)env->next_s : 0);
	if (env->reason != NULL)
		rc |= print_text(out, "reason", env->reason);
	rc |= print_text(out, "from", env->reverse_path);
	for (i = 0; i < env->rcpt_count; i++)
		rc |= print_rcpt(&env->rcpts[i], out);
	return rc | buf_add(out, "\n", 1);
}

static int parse_number(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0, digit;
	size_t i;

	if (len == 0 || len > NUMBER_TEXT_MAX)
		return -1;
	for (i = 0; i < len; i++) {
		digit = (uint64_t)(text[i] - '0');
		if (text[i] < '0' || text[i] > '9' ||
			value > (UINT64_MAX - digit) / 10)
			return -1;
		value = value * 10 + digit;
	}
	*out = value;
	return 0;
}

static int parse_signed(const char *text, size_t len, int64_t *out)
{
	uint64_t value;

	if (parse_number(text, len, &value) != 0 || value > INT64_MAX)
		return -1;
	*out = (int64_t)value;
	return 0;
}

static int on_id(struct envelope *env, const char *text, size_t len)
{
	return len == HEX64_LEN ? hex64_parse(text, &env->id) : -1;
}

static int on_body(struct envelope *env, const char *text, size_t len)
{
	if (len != 2 * HEX64_LEN + 1 || text[HEX64_LEN] != ' ' ||
		hex64_parse(text, &env->body_name) != 0 || env->body_name == 0)
		return -1;
	return hex64_parse(text + HEX64_LEN + 1, &env->body_check);
}

/* As names may be in the configuration; nothing else gets into a log. */
static int on_account(struct envelope *env, const char *text, size_t len)
{
	static const char allowed[] = "abcdefghijklmnopqrstuvwxyz"
				      "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
				      "0123456789._-";

	if (len == 0 || len > ENVELOPE_ACCOUNT_MAX)
		return -1;
	memcpy(env->account, text, len);
	env->account[len] = '\0';
	return strspn(env->account, allowed) == len ? 0 : -1;
}

static int on_arrived(struct envelope *env, const char *text, size_t len)
{
	return parse_signed(text, len, &env->arrived_s);
}

static int on_size(struct envelope *env, const char *text, size_t len)
{
	return parse_number(text, len, &env->size);
}

static int on_client(struct envelope *env, const char *text, size_t len)
{
	if (len > ENVELOPE_CLIENT_MAX)
		return -1;
	memcpy(env->client, text, len);
	env->client[len] = '\0';
	return 0;
}

static int on_flags(struct envelope *env, const char *text, size_t len)
{
	size_t i, word;

	while (len > 0) {
		word = 0;
		while (word < len && text[word] != ' ')
			word++;
		for (i = 0; i < COUNT_OF(flags); i++)
			if (strlen(flags[i].word) == word &&
				memcmp(flags[i].word, text, word) == 0)
				break;
		if (i == COUNT_OF(flags))
			return -1;
		*(bool *)((char *)env + flags[i].offset) = true;
		text += word;
		len -= word;
		if (len > 0) {
			text++;
			len--;
		}
	}
	return 0;
}

static int parse_count(const char *text, size_t len, uint32_t *out)
{
	uint64_t value;

	if (parse_number(text, len, &value) != 0 || value > UINT32_MAX)
		return -1;
	*out = (uint32_t)value;
	return 0;
}

static int on_attempts(struct envelope *env, const char *text, size_t len)
{
	return parse_count(text, len, &env->attempts);
}

static int on_requeued(struct envelope *env, const char *text, size_t len)
{
	return parse_count(text, len, &env->requeued);
}

static int on_waited(struct envelope *env, const char *text, size_t len)
{
	return parse_number(text, len, &env->waited_ms);
}

static int on_refused(struct envelope *env, const char *text, size_t len)
{
	return parse_number(text, len, &env->refused_ms);
}

static int on_next(struct envelope *env, const char *text, size_t len)
{
	return parse_signed(text, len, &env->next_s);
}

static int on_reason(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_text(&env->reason, text, len, ENVELOPE_REASON_MAX);
}

static int on_from(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_reverse_path(env, text, len);
}

static int on_to(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_rcpt(env, text, len, RCPT_PENDING);
}

static int on_wait(struct envelope *env, const char *text, size_t len)
{
	if (envelope_keep_rcpt(env, text, len, RCPT_PENDING) != 0)
		return -1;
	env->rcpts[env->rcpt_count - 1].tried = true;
	return 0;
}

static int on_done(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_rcpt(env, text, len, RCPT_DELIVERED);
}

static int on_fail(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_rcpt(env, text, len, RCPT_FAILED);
}

static int on_told(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_rcpt(env, text, len, RCPT_REPORTED);
}

static int on_ret(struct envelope *env, const char *text, size_t len)
{
	return dsn_parse_ret(text, len, &env->ret);
}

static int on_envid(struct envelope *env, const char *text, size_t len)
{
	return envelope_keep_envid(env, text, len);
}

/* Whom the lines behind a recipient's are about; NULL: nobody. */
static struct envelope_rcpt *last_rcpt(struct envelope *env)
{
	return env->rcpt_count > 0 ? &env->rcpts[env->rcpt_count - 1] : NULL;
}

static int on_notify(struct envelope *env, const char *text, size_t len)
{
	struct envelope_rcpt *last = last_rcpt(env);

	if (last == NULL || last->notify != 0)
		return -1;
	return dsn_parse_notify(text, len, &last->notify);
}

static int on_orcpt(struct envelope *env, const char *text, size_t len)
{
	struct envelope_rcpt *last = last_rcpt(env);

	return last != NULL && last->orcpt == NULL
		       ? envelope_keep_orcpt(last, text, len)
		       : -1;
}

static int on_reply(struct envelope *env, const char *text, size_t len)
{
	struct envelope_rcpt *last = last_rcpt(env);

	if (last == NULL || last->reply != NULL)
		return -1;
	return envelope_keep_text(&last->reply, text, len, ENVELOPE_REPLY_MAX);
}

/* The keys in the order in which they stand; those of recipients repeat. */
static const struct key {
	const char *name;
	int (*parse)(struct envelope *env, const char *text, size_t len);
	bool repeats;
} keys[] = {
	{"id", on_id, false},
	{"body", on_body, false},
	{"account", on_account, false},
	{"arrived", on_arrived, false},
	{"size", on_size, false},
	{"client", on_client, false},
	{"flags", on_flags, false},
	{"ret", on_ret, false},
	{"envid", on_envid, false},
	{"attempts", on_attempts, false},
	{"requeued", on_requeued, false},
	{"waited", on_waited, false},
	{"refused", on_refused, false},
	{"next", on_next, false},
	{"reason", on_reason, false},
	{"from", on_from, false},
	{"to", on_to, true},
	{"wait", on_wait, true},
	{"done", on_done, true},
	{"fail", on_fail, true},
	{"told", on_told, true},
	{"notify", on_notify, true},
	{"orcpt", on_orcpt, true},
	{"reply", on_reply, true},
};

/* *place: the first row that may come next. Returns 0 or -1. */
static int parse_line(
	struct envelope *env, const char *line, size_t len, size_t *place)
{
	const char *space = memchr(line, ' ', len);
	size_t name_len, i;

	/* A NUL would end the text before its line does. */
	if (space == NULL || memchr(line, '\0', len) != NULL)
		return -1;
	name_len = (size_t)(space - line);
	for (i = *place; i < COUNT_OF(keys); i++)
		if (strlen(keys[i].name) == name_len &&
			memcmp(keys[i].name, line, name_len) == 0)
			break;
	/* the sender stands before the first recipient */
	if (i == COUNT_OF(keys) || (keys[i].repeats && !keys[*place].repeats))
		return -1;
	/* the recipients' keys mix freely among themselves */
	while (*place < i && !keys[*place].repeats)
		(*place)++;
	if (!keys[i].repeats)
		*place = i + 1;
	return keys[i].parse(env, space + 1, len - name_len - 1);
}

static int parse_lines(struct envelope *env, const char *data, size_t len,
	size_t *used_out, struct err *err)
{
	size_t at = 0, place = 0, number = 0, line_len;
	const char *end;

	for (;;) {
		end = memchr(data + at, '\n', len - at);
		if (end == NULL)
			return err_set(
				err, ERR_DAMAGED, "the envelope has no end");
		line_len = (size_t)(end - data) - at;
		if (line_len == 0)
			break;
		if (number == 0 ? line_len != strlen(first_line) ||
					  memcmp(data, first_line, line_len) !=
						  0
				: parse_line(env, data + at, line_len,
					  &place) != 0)
			return err_set(err, ERR_DAMAGED,
				"line %zu of the envelope is not right",
				number + 1);
		at += line_len + 1;
		number++;
	}
	*used_out = at + 1;
	if (env->id == 0 || place == 0 || env->rcpt_count == 0)
		return err_set(err, ERR_DAMAGED,
			"the envelope lacks its id, sender or recipients");
	return 0;
}

struct envelope *envelope_parse(
	const char *data, size_t len, size_t *used_out, struct err *err)
{
	struct envelope *env = envelope_new();

	if (env == NULL) {
		err_set(err, ERR_SYSTEM, "out of memory");
		return NULL;
	}
	if (len > ENVELOPE_SIZE_MAX)
		len = ENVELOPE_SIZE_MAX;
	if (parse_lines(env, data, len, used_out, err) != 0)
		envelope_free(&env);
	return env;
}
