/*
 * command.c - one SMTP command line to verb and argument; the parameters of
 *             MAIL, RCPT and BDAT.
 */
#include "config.h"

#include "proto/command.h"

#include "base/quirk.h"
#include "base/util.h"

#include <string.h>

/* Of a parameter's keyword in an error text. */
enum { KEYWORD_SHOWN_MAX = 40 };

/* A stretch of the line that is taken from its front. */
struct reader {
	const char *p;
	const char *end;
};

/* One esmtp-param (RFC 5321 4.1.2). value is NULL where there is no '='. */
struct param {
	const char *keyword;
	size_t keyword_len;
	const char *value;
	size_t value_len;
};

/* What the parameters are taken into: the one whose command it is. */
struct taken {
	struct command_mail *mail;
	struct command_rcpt *rcpt;
};

/* What MAIL or RCPT takes: a row a parameter. */
struct param_row {
	const char *keyword;
	/* Returns 0, -1 with err and nothing taken. */
	int (*take)(const struct taken *to, const struct param *param,
		struct err *err);
	/* All goes well without it: nonsense can be overlooked, as this. */
	unsigned quirk;
};

static char upper(char c)
{
	return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

static bool is_space(char c)
{
	return c == ' ' || c == '\t';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

/* esmtp-keyword of RFC 5321 4.1.2; verbs are of the same kind. */
static bool is_word(const char *text, size_t len)
{
	size_t i;
	char c;

	for (i = 0; i < len; i++) {
		c = upper(text[i]);
		if (!is_digit(c) && (c < 'A' || c > 'Z') &&
			(c != '-' || i == 0))
			return false;
	}
	return len > 0;
}

/* text is the upper-case word, whatever the case of its letters. */
static bool is(const char *text, size_t len, const char *word)
{
	size_t i;

	for (i = 0; i < len && word[i] != '\0'; i++)
		if (upper(text[i]) != word[i])
			return false;
	return i == len && word[i] == '\0';
}

/* Decimal digits and nothing else. Returns 0; 1 when the number does not fit
 * and *out is the highest that does; -1 for anything else. */
static int parse_size(const char *text, size_t len, uint64_t *out)
{
	uint64_t value = 0, digit;
	bool fits = true;
	size_t i;

	for (i = 0; i < len; i++) {
		if (!is_digit(text[i]))
			return -1;
		digit = (uint64_t)(text[i] - '0');
		fits = fits && value <= (UINT64_MAX - digit) / 10;
		value = fits ? value * 10 + digit : UINT64_MAX;
	}
	*out = value;
	if (len == 0)
		return -1;
	return fits ? 0 : 1;
}

static void skip_spaces(struct reader *in)
{
	while (in->p < in->end && is_space(*in->p))
		in->p++;
}

/* Takes what comes before the next space. Returns its length. */
static size_t take_word(struct reader *in)
{
	const char *from = in->p;

	while (in->p < in->end && !is_space(*in->p))
		in->p++;
	return (size_t)(in->p - from);
}

int command_parse(
	struct command *out, const char *line, size_t len, struct err *err)
{
	struct reader in = {line, line + len};
	const char *word;
	size_t i, n;

	memset(out, 0, sizeof(*out));
	for (i = 0; i < len; i++)
		if (line[i] == '\0' || line[i] == '\r' || line[i] == '\n')
			return err_set(err, ERR_SYNTAX,
				"the command holds a NUL or a bare CR");
	skip_spaces(&in);
	if (in.p > line)
		out->quirks |= QUIRK_BIT(QUIRK_LEADING_SPACE);
	while (in.end > in.p && is_space(in.end[-1]))
		in.end--;
	if (in.p == in.end)
		return err_set(err, ERR_SYNTAX, "the command is empty");
	word = in.p;
	n = take_word(&in);
	if (n <= VERB_MAX && is_word(word, n))
		for (i = 0; i < n; i++) {
			out->verb[i] = upper(word[i]);
			if (out->verb[i] != word[i])
				out->quirks |= QUIRK_BIT(QUIRK_LOWER_CASE);
		}
	skip_spaces(&in);
	out->arg = in.p;
	out->arg_len = (size_t)(in.end - in.p);
	return 0;
}

static int take_size(
	const struct taken *to, const struct param *param, struct err *err)
{
	/* of what does not fit it is enough to know that it is too large */
	if (param->value == NULL ||
		parse_size(param->value, param->value_len, &to->mail->size) < 0)
		return err_set(
			err, ERR_LIMIT, "SIZE= wants a number of octets");
	to->mail->has_size = true;
	return 0;
}

static int take_body(
	const struct taken *to, const struct param *param, struct err *err)
{
	if (param->value != NULL &&
		is(param->value, param->value_len, "8BITMIME"))
		to->mail->body = COMMAND_BODY_8BITMIME;
	else if (param->value != NULL &&
		 is(param->value, param->value_len, "7BIT"))
		to->mail->body = COMMAND_BODY_7BIT;
	else
		return err_set(err, ERR_LIMIT, "BODY= is 7BIT or 8BITMIME");
	return 0;
}

static int take_smtputf8(
	const struct taken *to, const struct param *param, struct err *err)
{
	/* RFC 6531 section 3.4: no value */
	if (param->value != NULL)
		return err_set(err, ERR_LIMIT, "SMTPUTF8 takes no value");
	to->mail->smtputf8 = true;
	return 0;
}

/* Ours alone: whether this client may say it is the caller's to judge. */
static int take_uid(
	const struct taken *to, const struct param *param, struct err *err)
{
	uint64_t uid;

	/* the highest one means "nobody" to the kernel */
	if (param->value == NULL ||
		parse_size(param->value, param->value_len, &uid) != 0 ||
		uid >= UINT32_MAX)
		return err_set(err, ERR_LIMIT, "XUID= wants a user's number");
	to->mail->has_uid = true;
	to->mail->uid = (uint32_t)uid;
	return 0;
}

/* --- reports that are asked for (RFC 3461 section 4) ---------------------- */

static int take_ret(
	const struct taken *to, const struct param *param, struct err *err)
{
	if (param->value != NULL &&
		dsn_parse_ret(param->value, param->value_len, &to->mail->ret) ==
			0)
		return 0;
	return err_set(err, ERR_SYNTAX, "RET= is FULL or HDRS");
}

static int take_envid(
	const struct taken *to, const struct param *param, struct err *err)
{
	if (param->value == NULL ||
		!dsn_is_envid(param->value, param->value_len))
		return err_set(err, ERR_SYNTAX,
			"ENVID= wants xtext for at most %d characters",
			DSN_ENVID_MAX);
	memcpy(to->mail->envid, param->value, param->value_len);
	return 0;
}

static int take_notify(
	const struct taken *to, const struct param *param, struct err *err)
{
	if (param->value != NULL &&
		dsn_parse_notify(
			param->value, param->value_len, &to->rcpt->notify) == 0)
		return 0;
	return err_set(err, ERR_SYNTAX,
		"NOTIFY= is NEVER alone, or some of SUCCESS,FAILURE,DELAY");
}

static int take_orcpt(
	const struct taken *to, const struct param *param, struct err *err)
{
	if (param->value == NULL ||
		!dsn_is_orcpt(param->value, param->value_len))
		return err_set(err, ERR_SYNTAX,
			"ORCPT= wants a type, a semicolon, and an address as "
			"xtext, at most %d characters",
			DSN_ORCPT_MAX);
	memcpy(to->rcpt->orcpt, param->value, param->value_len);
	return 0;
}

enum {
	UNKNOWN = QUIRK_BIT(QUIRK_UNKNOWN_PARAMETER),
	BAD_DSN = QUIRK_BIT(QUIRK_BAD_DSN),
};

static const struct param_row mail_params[] = {
	{"BODY", take_body, 0},
	{"SIZE", take_size, UNKNOWN},
	{"SMTPUTF8", take_smtputf8, 0},
	{"XUID", take_uid, 0},
	{"RET", take_ret, BAD_DSN},
	{"ENVID", take_envid, BAD_DSN},
	{NULL, NULL, 0},
};

static const struct param_row rcpt_params[] = {
	{"NOTIFY", take_notify, BAD_DSN},
	{"ORCPT", take_orcpt, BAD_DSN},
	{NULL, NULL, 0},
};

static struct param split_param(const char *text, size_t len)
{
	struct param param = {.keyword = text, .keyword_len = len};
	const char *equals = memchr(text, '=', len);

	if (equals != NULL) {
		param.keyword_len = (size_t)(equals - text);
		param.value = equals + 1;
		param.value_len = len - param.keyword_len - 1;
	}
	return param;
}

static int unknown_param(
	const struct param *param, unsigned *quirks, struct err *err)
{
	if (quirks != NULL) {
		*quirks |= QUIRK_BIT(QUIRK_UNKNOWN_PARAMETER);
		return 0;
	}
	if (!is_word(param->keyword, param->keyword_len))
		return err_set(err, ERR_SYNTAX,
			"what follows the address is no parameter");
	if (param->keyword_len > KEYWORD_SHOWN_MAX)
		return err_set(err, ERR_LIMIT, "a parameter is not known here");
	return err_set(err, ERR_LIMIT, "the parameter %.*s is not known here",
		(int)param->keyword_len, param->keyword);
}

/* There before: of what can be overlooked that is wrong with DSN, the first
 * one counts. */
static int take_again(
	const struct param_row *row, unsigned *quirks, struct err *err)
{
	if (row->quirk == BAD_DSN && quirks != NULL) {
		*quirks |= row->quirk;
		return 0;
	}
	return err_set(err, row->quirk == BAD_DSN ? ERR_SYNTAX : ERR_LIMIT,
		"%s is there twice", row->keyword);
}

static int take_known(const struct param_row *row, const struct param *param,
	const struct taken *to, unsigned *quirks, struct err *err)
{
	struct err why;

	if (row->take(to, param, &why) == 0)
		return 0;
	if (row->quirk != 0 && quirks != NULL) {
		*quirks |= row->quirk;
		return 0;
	}
	return err_set(err, why.kind, "%s", why.text);
}

/* Unknown ones, and hints that make no sense, are overlooked where quirks is
 * not NULL. */
static int take_params(struct reader *in, const struct param_row *rows,
	const struct taken *to, unsigned *quirks, struct err *err)
{
	unsigned seen = 0; /* a bit a row */
	const char *text;
	struct param param;
	size_t row;
	int rc = 0;

	for (skip_spaces(in); in->p < in->end && rc == 0; skip_spaces(in)) {
		text = in->p;
		param = split_param(text, take_word(in));
		for (row = 0; rows[row].keyword != NULL; row++)
			if (is(param.keyword, param.keyword_len,
				    rows[row].keyword))
				break;
		if (rows[row].keyword == NULL)
			rc = unknown_param(&param, quirks, err);
		else if ((seen & 1U << row) != 0)
			rc = take_again(&rows[row], quirks, err);
		else
			rc = take_known(&rows[row], &param, to, quirks, err);
		seen |= 1U << row;
	}
	return rc;
}

/* Takes "FROM:" or "TO:"; spaces only where quirks is not NULL. */
static int take_label(
	struct reader *in, const char *label, unsigned *quirks, struct err *err)
{
	size_t len = strlen(label);

	if ((size_t)(in->end - in->p) >= len && is(in->p, len, label)) {
		in->p += len;
		if (quirks != NULL && in->p < in->end && is_space(*in->p)) {
			*quirks |= QUIRK_BIT(QUIRK_STRAY_SPACE);
			skip_spaces(in);
		}
		if (in->p < in->end && *in->p == ':') {
			in->p++;
			return 0;
		}
	}
	return err_set(err, ERR_SYNTAX, "\"%s:<address>\" is missing", label);
}

static int take_path(struct reader *in, struct address *out, bool null_ok,
	bool tolerant, struct err *err)
{
	struct err why = {.kind = ERR_NONE};
	size_t used;

	if (address_parse_path(out, in->p, (size_t)(in->end - in->p), null_ok,
		    tolerant, &used, &why) != 0)
		/* ERR_LIMIT is for parameters here */
		return err_set(err, ERR_SYNTAX, "%s", why.text);
	in->p += used;
	return 0;
}

int command_parse_mail(struct command_mail *out, const char *arg, size_t len,
	bool tolerant, struct err *err)
{
	const struct taken to = {.mail = out};
	struct reader in = {arg, arg + len};
	unsigned quirks = 0;

	memset(out, 0, sizeof(*out));
	if (take_label(&in, "FROM", tolerant ? &quirks : NULL, err) != 0 ||
		take_path(&in, &out->reverse_path, true, tolerant, err) != 0 ||
		take_params(&in, mail_params, &to, tolerant ? &quirks : NULL,
			err) != 0)
		return -1;
	out->reverse_path.quirks |= quirks;
	return 0;
}

int command_parse_rcpt(struct command_rcpt *out, const char *arg, size_t len,
	bool tolerant, struct err *err)
{
	const struct taken to = {.rcpt = out};
	struct reader in = {arg, arg + len};
	unsigned quirks = 0;

	memset(out, 0, sizeof(*out));
	if (take_label(&in, "TO", tolerant ? &quirks : NULL, err) != 0 ||
		take_path(&in, &out->address, false, tolerant, err) != 0 ||
		take_params(&in, rcpt_params, &to, tolerant ? &quirks : NULL,
			err) != 0)
		return -1;
	out->address.quirks |= quirks;
	return 0;
}

int command_parse_bdat(
	const char *arg, size_t len, uint64_t *size_out, bool *last_out)
{
	struct reader in = {arg, arg + len};
	const char *word = in.p;

	*last_out = false;
	if (parse_size(word, take_word(&in), size_out) != 0)
		return -1;
	skip_spaces(&in);
	if (in.p == in.end)
		return 0;
	word = in.p;
	*last_out = is(word, take_word(&in), "LAST");
	skip_spaces(&in);
	return *last_out && in.p == in.end ? 0 : -1;
}
