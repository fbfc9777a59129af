/*
 * options.c - the command line of sendmail(8), read by one table.
 */
#include "config.h"

#include "sendmail/options.h"

#include "base/util.h"
#include "proto/dsn.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum argument {
	ARG_NONE,
	ARG_NEEDED,   /* attached, or the next word */
	ARG_MAYBE,    /* the same, unless the next word is an option, too */
	ARG_ATTACHED, /* attached or none */
};

struct row {
	char letter;
	enum argument argument;
	/* arg is "" where there is none; NULL: ignored */
	int (*take)(struct options *o, const char *arg, struct err *err);
	const char *meaning;
};

static int take_mode(struct options *o, const char *arg, struct err *err)
{
	static const struct {
		char letter;
		enum mode mode;
	} modes[] = {
		{'m', MODE_DELIVER},
		{'s', MODE_SMTP},
		{'p', MODE_QUEUE},
		{'P', MODE_QUEUE},
		{'i', MODE_ALIASES},
	};
	size_t i;

	for (i = 0; i < COUNT_OF(modes); i++)
		if (arg[0] == modes[i].letter) {
			o->mode = modes[i].mode;
			return 0;
		}
	if (arg[0] == 'd' || arg[0] == 'D')
		return err_set(err, ERR_SYNTAX,
			"-b%c: the daemon is gmrelayd(8); start that", arg[0]);
	return err_set(
		err, ERR_SYNTAX, "-b%.10s: there is no such mode here", arg);
}

static int take_aliases(struct options *o, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	o->mode = MODE_ALIASES;
	return 0;
}

/* A sender is the beginning of a command to others, and of a field. */
static int take_sender(struct options *o, const char *arg, struct err *err)
{
	o->sender = arg;
	if (options_is_one_line(arg))
		return 0;
	return err_set(err, ERR_SYNTAX,
		"-f is followed by one address; this has a line end or another "
		"control character in it");
}

static int take_name(struct options *o, const char *arg, struct err *err)
{
	(void)err;
	o->full_name = arg;
	return 0;
}

static int take_header(struct options *o, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	o->from_header = true;
	return 0;
}

static int take_dots(struct options *o, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	o->keep_dots = true;
	return 0;
}

static int take_verbose(struct options *o, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	o->verbose = true;
	return 0;
}

/* Not over another mode: "-bp -q" shows. */
static int take_flush(struct options *o, const char *arg, struct err *err)
{
	(void)arg;
	(void)err;
	if (o->mode == MODE_DELIVER)
		o->mode = MODE_FLUSH;
	return 0;
}

/* sendmail takes a value that begins with one of these as "no". */
static bool means_no(const char *value)
{
	return *value != '\0' && strchr("fFnN0", *value) != NULL;
}

/* Of sendmail's own settings two are of meaning: -oi and -ov. */
static int take_setting(struct options *o, const char *arg, struct err *err)
{
	(void)err;
	if (arg[0] == 'i')
		o->keep_dots = !means_no(arg + 1);
	else if (arg[0] == 'v')
		o->verbose = !means_no(arg + 1);
	return 0;
}

static int take_long_setting(
	struct options *o, const char *arg, struct err *err)
{
	static const char dots[] = "IgnoreDots";
	const size_t len = sizeof(dots) - 1;

	(void)err;
	if (strncasecmp(arg, dots, len) == 0 &&
		(arg[len] == '=' || arg[len] == '\0'))
		o->keep_dots = arg[len] == '\0' || !means_no(arg + len + 1);
	return 0;
}

static void set_upper(char **to, const char *text)
{
	size_t i;

	free(*to);
	*to = xstrdup(text);
	for (i = 0; (*to)[i] != '\0'; i++)
		if ((*to)[i] >= 'a' && (*to)[i] <= 'z')
			(*to)[i] = (char)((*to)[i] - 'a' + 'A');
}

static int take_notify(struct options *o, const char *arg, struct err *err)
{
	unsigned notify;

	set_upper(&o->notify, arg);
	if (dsn_parse_notify(arg, strlen(arg), &notify) == 0)
		return 0;
	return err_set(err, ERR_SYNTAX,
		"-N is followed by never, or by some of success,failure,delay");
}

static int take_ret(struct options *o, const char *arg, struct err *err)
{
	enum dsn_ret ret;

	set_upper(&o->ret, arg);
	if (dsn_parse_ret(arg, strlen(arg), &ret) == 0)
		return 0;
	return err_set(err, ERR_SYNTAX, "-R is followed by full or hdrs");
}

static int take_envid(struct options *o, const char *arg, struct err *err)
{
	o->envid = arg;
	if (dsn_is_envid(arg, strlen(arg)))
		return 0;
	return err_set(err, ERR_SYNTAX,
		"-V is followed by an identifier of at most %d characters; "
		"blanks, '+' and '=' are written as +20, +2B and +3D",
		DSN_ENVID_MAX);
}

/* clang-format off */
static const struct row rows[] = {
	{'A', ARG_NEEDED, NULL, "which configuration file"},
	{'B', ARG_NEEDED, NULL, "7BIT or 8BITMIME"},
	{'b', ARG_NEEDED, take_mode, "mode: m, s, p, P or i"},
	{'C', ARG_MAYBE, NULL, "a configuration file"},
	{'c', ARG_NONE, NULL, "hold expensive mail"},
	{'D', ARG_NEEDED, NULL, "a file for debugging"},
	{'d', ARG_ATTACHED, NULL, "what to debug"},
	{'e', ARG_NEEDED, NULL, "how errors are told"},
	{'F', ARG_NEEDED, take_name, "full name, for a missing From"},
	{'f', ARG_NEEDED, take_sender, "sender"},
	{'G', ARG_NONE, NULL, "the message is relayed"},
	{'h', ARG_NEEDED, NULL, "hops so far"},
	{'I', ARG_NONE, take_aliases, "the same as -bi"},
	{'i', ARG_NONE, take_dots, "a lone dot does not end the message"},
	{'L', ARG_NEEDED, NULL, "name in the log"},
	{'M', ARG_NEEDED, NULL, "a macro"},
	{'m', ARG_NONE, NULL, "the sender is a member, too"},
	{'N', ARG_NEEDED, take_notify, "DSN: when to notify"},
	{'n', ARG_NONE, NULL, "no aliases"},
	{'O', ARG_NEEDED, take_long_setting, "a setting; IgnoreDots counts"},
	{'o', ARG_NEEDED, take_setting, "a setting; i and v count"},
	{'p', ARG_NEEDED, NULL, "protocol and host of origin"},
	{'Q', ARG_MAYBE, NULL, "quarantine"},
	{'q', ARG_MAYBE, take_flush, "try what waits now"},
	{'R', ARG_NEEDED, take_ret, "DSN: what to return"},
	{'r', ARG_NEEDED, take_sender, "the same as -f"},
	{'s', ARG_NONE, NULL, "keep From lines"},
	{'T', ARG_NONE, NULL, "timeout"},
	{'t', ARG_NONE, take_header, "recipients from the header, too"},
	{'U', ARG_NONE, NULL, "first submission (older sendmails)"},
	{'V', ARG_NEEDED, take_envid, "DSN: identifier"},
	{'v', ARG_NONE, take_verbose, "say what became of it"},
	{'X', ARG_NEEDED, NULL, "a file for the traffic"},
	{'x', ARG_NONE, NULL, "nothing (AIX)"},
};
/* clang-format on */

bool options_is_one_line(const char *text)
{
	size_t len = strlen(text), i;

	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == '\r'))
		len--;
	for (i = 0; i < len; i++)
		if (((unsigned char)text[i] < ' ' && text[i] != '\t') ||
			text[i] == 0x7f)
			return false;
	return true;
}

static const struct row *find_row(char letter)
{
	size_t i;

	for (i = 0; i < COUNT_OF(rows); i++)
		if (rows[i].letter == letter)
			return &rows[i];
	return NULL;
}

const char *options_string(char text[OPTIONS_STRING_MAX])
{
	size_t i, len = 0;

	for (i = 0; i < COUNT_OF(rows); i++) {
		text[len++] = rows[i].letter;
		if (rows[i].argument != ARG_NONE)
			text[len++] = ':';
	}
	text[len] = '\0';
	return text;
}

/* The argument of an option whose letter is followed by rest in its word; *next
 * is the word behind it, taken where the argument is that. */
static const char *find_argument(
	const struct row *row, const char *rest, char *const **next)
{
	if (row->argument == ARG_NONE)
		return "";
	if (*rest != '\0' || row->argument == ARG_ATTACHED)
		return rest;
	if (**next == NULL ||
		(row->argument == ARG_MAYBE && (**next)[0] == '-'))
		return row->argument == ARG_MAYBE ? "" : NULL;
	return *(*next)++;
}

/* Takes one word of options, "-ti" or "-fname". */
static int take_word(struct options *o, const char *word, char *const **next,
	struct err *err)
{
	const struct row *row;
	const char *arg;

	for (word++; *word != '\0'; word++) {
		row = find_row(*word);
		if (row == NULL)
			return err_set(err, ERR_SYNTAX,
				"unknown option -%c; see gmrelay-sendmail(1)",
				*word >= ' ' && *word <= '~' ? *word : '?');
		arg = find_argument(row, word + 1, next);
		if (arg == NULL)
			return err_set(err, ERR_SYNTAX,
				"-%c wants an argument: %s", row->letter,
				row->meaning);
		if (row->take != NULL && row->take(o, arg, err) != 0)
			return -1;
		if (row->argument != ARG_NONE)
			return 0;
	}
	return 0;
}

static enum mode mode_of(const char *name)
{
	const char *slash = strrchr(name, '/');

	name = slash != NULL ? slash + 1 : name;
	if (strcmp(name, "mailq") == 0)
		return MODE_QUEUE;
	if (strcmp(name, "newaliases") == 0)
		return MODE_ALIASES;
	return MODE_DELIVER;
}

int options_read(
	struct options *out, int argc, char *const *argv, struct err *err)
{
	bool options = true;
	const char *word;

	memset(out, 0, sizeof(*out));
	/* execve(2) can be called without any word at all */
	out->rcpts = xcalloc((size_t)argc + 1, sizeof(*out->rcpts));
	if (argc == 0)
		return 0;
	out->mode = mode_of(*argv++);
	while (*argv != NULL) {
		word = *argv++;
		if (options && strcmp(word, "--") == 0)
			options = false;
		else if (!options || word[0] != '-' || word[1] == '\0')
			out->rcpts[out->rcpt_count++] = word;
		else if (take_word(out, word, &argv, err) != 0)
			return -1;
	}
	return 0;
}

void options_free(struct options *options)
{
	free(options->rcpts);
	free(options->notify);
	free(options->ret);
	memset(options, 0, sizeof(*options));
}
