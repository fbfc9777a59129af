/*
 * main.c - gmrelayctl: options, the table of commands, help.
 */
#include "config.h"

#include "base/buf.h"
#include "base/conf.h"
#include "base/log.h"
#include "base/util.h"
#include "ctl/client.h"
#include "ctl/ctl.h"
#include "ctl/json.h"
#include "ctl/text.h"

#include <errno.h>
#include <getopt.h>
#include <locale.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum {
	TIMEOUT_MAX_S = 24 * 3600,
	DAYS_MAX = 36500,
	WIDTH_DEFAULT = 80,
	WIDTH_MIN = 40
};

static const struct command {
	const char *group; /* "" where the verb stands alone */
	const char *verb;
	ctl_run_fn *run;
	unsigned options; /* enum ctl_option */
	int min, max;     /* arguments; max -1: any number */
	const char *arguments;
	const char *help;
} commands[] = {
	{"", "status", ctl_status, 0, 0, 0, "",
		"how things are; 1 when something needs you"},
	{"queue", "list", ctl_queue_list, OPT_FAILED, 0, 0, "[--failed]",
		"messages that wait, or that failed"},
	{"queue", "show", ctl_queue_show, 0, 1, 1, "ID",
		"a message's recipients and history"},
	{"queue", "cat", ctl_queue_cat, 0, 1, 1, "ID", "the message itself"},
	{"queue", "hold", ctl_queue_hold, OPT_ALL, 0, -1, "ID...|--all",
		"keep, do not send until released"},
	{"queue", "release", ctl_queue_release, OPT_ALL, 0, -1, "ID...|--all",
		"send what was held"},
	{"queue", "retry", ctl_queue_retry, OPT_ALL | OPT_FAILED, 0, -1,
		"ID...|--all|--failed", "try now; also what failed"},
	{"queue", "delete", ctl_queue_delete, OPT_ALL | OPT_FAILED, 0, -1,
		"ID...|--all|--failed", "delete without a report"},
	{"queue", "flush", ctl_queue_flush, 0, 0, 0, "",
		"try everything that waits now"},
	{"account", "list", ctl_account_list, 0, 0, 0, "",
		"accounts, their state and limits"},
	{"account", "pause", ctl_account_pause, OPT_ALL, 0, 1, "NAME|--all",
		"send nothing by it until resumed"},
	{"account", "resume", ctl_account_resume, OPT_ALL, 0, 1, "NAME|--all",
		"use it again, at once"},
	{"", "clients", ctl_clients, 0, 0, 0, "",
		"who sends by this relay, and what each does wrong"},
	{"", "reload", ctl_reload, OPT_TIMEOUT, 0, 0, "[--timeout SECONDS]",
		"read the configuration and credentials again"},
	{"", "test", ctl_test, OPT_TIMEOUT, 1, 1, "ADDRESS [--timeout SECONDS]",
		"send a message and watch it arrive at Gmail"},
	{"", "doctor", ctl_doctor, 0, 0, 0, "",
		"look for what is wrong, and say how to cure it"},
	{"spool", "check", ctl_spool_check, OPT_SPOOL, 0, 0, "[--spool DIR]",
		"read the spool without the daemon"},
	{"spool", "export", ctl_spool_export, OPT_SPOOL | OPT_FAILED, 1, 1,
		"[--spool DIR] [--failed] DIR",
		"write what is not delivered as files"},
	{"", "certificate", ctl_certificate, OPT_DAYS | OPT_NAME | OPT_RSA, 1,
		1, "[--name NAME]... [--days N] [--rsa] FILE",
		"make FILE.pem and FILE.key for clients"},
	{"", "password", ctl_password, 0, 1, 1, "NAME",
		"make a line for the users file"},
};

/* --- what the commands share --------------------------------------------- */

const struct conf *ctl_conf(struct ctl *ctl)
{
	if (!ctl->loaded) {
		ctl->loaded = true;
		ctl->problems = xcalloc(1, sizeof(*ctl->problems));
		ctl->conf = conf_load(ctl->conf_file, ctl->problems);
	}
	return ctl->conf;
}

bool ctl_conf_is_readable(const struct ctl *ctl)
{
	return access(ctl->conf_file, R_OK) == 0;
}

const char *ctl_socket_path(struct ctl *ctl)
{
	if (ctl->socket != NULL)
		return ctl->socket;
	if (ctl_conf(ctl) != NULL)
		return ctl->conf->control;
	return conf_default("control");
}

void ctl_complain(const struct err *err)
{
	fputs("gmrelayctl: ", stderr);
	text_put(stderr, err->text);
	fputc('\n', stderr);
}

enum ctl_status ctl_fail(
	const struct ctl *ctl, enum ctl_status status, const struct err *err)
{
	json_t *document;

	ctl_complain(err);
	if (ctl->json) {
		document = json_error(err);
		json_print(document);
		json_decref(document);
	}
	return status;
}

enum ctl_status ctl_misused(const struct ctl *ctl, const char *format, ...)
{
	char text[ERR_TEXT_MAX];
	struct err err;
	va_list args;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	err_set(&err, ERR_SYNTAX, "%s", text);
	return ctl_fail(ctl, CTL_UNKNOWN, &err);
}

struct client *ctl_open(struct ctl *ctl)
{
	struct err err;
	struct client *client = client_open(ctl_socket_path(ctl), &err);

	if (client == NULL)
		ctl_fail(ctl, CTL_UNKNOWN, &err);
	return client;
}

enum ctl_status ctl_call(struct ctl *ctl, const char *command,
	json_t *arguments, json_t **answer_out)
{
	struct client *client = ctl_open(ctl);
	struct err err;

	*answer_out = NULL;
	if (client == NULL) {
		json_decref(arguments);
		return CTL_UNKNOWN;
	}
	*answer_out = client_call(client, command, arguments, &err);
	client_close(&client);
	return *answer_out != NULL ? CTL_FINE
				   : ctl_fail(ctl, CTL_TROUBLE, &err);
}

/* --- usage --------------------------------------------------------------- */

static void print_command(FILE *to, const char *left, const char *help)
{
	enum { COLUMN = 42 };

	fprintf(to, "  %-*s%s%*s %s\n", COLUMN, left,
		strlen(left) > COLUMN ? "\n" : "",
		strlen(left) > COLUMN ? COLUMN + 2 : 0, "", help);
}

static void print_help(FILE *to)
{
	char left[100];
	size_t i;

	fputs("usage: gmrelayctl [-c FILE] [-s SOCKET] [--json] COMMAND\n\n",
		to);
	for (i = 0; i < COUNT_OF(commands); i++) {
		snprintf(left, sizeof(left), "%s%s%s%s%s", commands[i].group,
			commands[i].group[0] != '\0' ? " " : "",
			commands[i].verb,
			commands[i].arguments[0] != '\0' ? " " : "",
			commands[i].arguments);
		print_command(to, left, commands[i].help);
	}
	print_command(to, "help", "this text");
	fputs("\n-c FILE    configuration, by default " SYSCONFDIR
	      "/gmrelayd/gmrelayd.conf\n"
	      "-s SOCKET  control socket, by default as configured\n"
	      "--json     one JSON document, for programs\n"
	      "\nExit status: 0 all well, 1 something failed or needs you, "
	      "2 cannot tell.\n",
		to);
}

static int read_number(const char *text, long max, int *out)
{
	char *end;
	long value;

	errno = 0;
	value = strtol(text, &end, 10);
	if (errno != 0 || *end != '\0' || end == text || value < 1 ||
		value > max)
		return -1;
	*out = (int)value;
	return 0;
}

/* Takes one option, a bit of enum ctl_option, with its value. */
static enum ctl_status take_option(
	const struct ctl *ctl, unsigned option, struct ctl_args *out)
{
	switch (option) {
	case OPT_ALL:
		out->all = true;
		break;
	case OPT_FAILED:
		out->failed = true;
		break;
	case OPT_RSA:
		out->rsa = true;
		break;
	case OPT_SPOOL:
		out->spool = optarg;
		break;
	case OPT_TIMEOUT:
		if (read_number(optarg, TIMEOUT_MAX_S, &out->timeout_s) != 0)
			return ctl_misused(ctl,
				"--timeout wants seconds, from 1 to %d, not %s",
				TIMEOUT_MAX_S, optarg);
		break;
	case OPT_DAYS:
		if (read_number(optarg, DAYS_MAX, &out->days) != 0)
			return ctl_misused(ctl,
				"--days wants a number, from 1 to %d, not %s",
				DAYS_MAX, optarg);
		break;
	case OPT_NAME:
		if (out->name_count == CTL_NAMES_MAX)
			return ctl_misused(ctl, "more than %d times --name",
				CTL_NAMES_MAX);
		out->names[out->name_count++] = optarg;
		break;
	default:
		bug("no such option: %u", option);
	}
	return CTL_FINE;
}

/* Above all letters; those of enum ctl_option have their bit's number above
 * LONG_FIRST. */
enum { LONG_JSON = 256, LONG_FIRST };

/* What getopt_long() did not take: '?' is no option here, ':' lacks its
 * value. */
static enum ctl_status bad_option(const struct ctl *ctl,
	const struct command *command, int result, char *const *argv)
{
	const char letter[] = {'-', (char)optopt, '\0'};
	/* of letters joined together the word is not done with yet */
	const char *name =
		optopt > 0 && optopt < LONG_JSON ? letter : argv[optind - 1];

	if (result == ':')
		return ctl_misused(
			ctl, "%s wants a value; see gmrelayctl help", name);
	return ctl_misused(ctl,
		"%s is no option of %s%s%s; see gmrelayctl help", name,
		command->group, command->group[0] != '\0' ? " " : "",
		command->verb);
}

/* Takes the options out of argv, wherever they stand; "--" ends them. */
static enum ctl_status read_args(struct ctl *ctl, const struct command *command,
	int argc, char **argv, struct ctl_args *out)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, LONG_JSON},
		{"all", no_argument, NULL, LONG_FIRST},
		{"failed", no_argument, NULL, LONG_FIRST + 1},
		{"timeout", required_argument, NULL, LONG_FIRST + 2},
		{"spool", required_argument, NULL, LONG_FIRST + 3},
		{"days", required_argument, NULL, LONG_FIRST + 4},
		{"name", required_argument, NULL, LONG_FIRST + 5},
		{"rsa", no_argument, NULL, LONG_FIRST + 6},
		{NULL, 0, NULL, 0},
	};
	unsigned used = 0, bit;
	enum ctl_status status;
	int option;

	optind = 0; /* glibc: start afresh, with argv[0] as the verb */
	opterr = 0; /* it is told here */
	while ((option = getopt_long(argc, argv, ":", options, NULL)) != -1) {
		if (option == LONG_JSON) {
			ctl->json = true;
			continue;
		}
		if (option < LONG_FIRST)
			return bad_option(ctl, command, option, argv);
		bit = 1U << (option - LONG_FIRST);
		used |= bit;
		status = take_option(ctl, bit, out);
		if (status != CTL_FINE)
			return status;
	}
	if ((used & ~command->options) != 0)
		return ctl_misused(ctl,
			"an option that is not for %s; see gmrelayctl help",
			command->verb);
	out->rest = argv + optind;
	out->count = argc - optind;
	if (out->count >= command->min &&
		(command->max < 0 || out->count <= command->max))
		return CTL_FINE;
	return ctl_misused(ctl, "usage: gmrelayctl %s%s%s%s%s", command->group,
		command->group[0] != '\0' ? " " : "", command->verb,
		command->arguments[0] != '\0' ? " " : "", command->arguments);
}

static const struct command *find_command(int argc, char **argv, int *used_out)
{
	const struct command *c;
	size_t i;

	for (i = 0; i < COUNT_OF(commands); i++) {
		c = &commands[i];
		*used_out = c->group[0] != '\0' ? 2 : 1;
		if (argc < *used_out ||
			strcmp(argv[*used_out - 1], c->verb) != 0)
			continue;
		if (*used_out == 1 || strcmp(argv[0], c->group) == 0)
			return c;
	}
	return NULL;
}

/* What there is in place of a command that there is not. */
static enum ctl_status no_command(
	const struct ctl *ctl, int argc, char *const *argv)
{
	struct buf verbs;
	enum ctl_status status;
	size_t i;

	buf_init(&verbs, ERR_TEXT_MAX);
	for (i = 0; i < COUNT_OF(commands); i++)
		if (strcmp(commands[i].group, argv[0]) == 0) {
			buf_add_string(&verbs, verbs.len > 0 ? ", " : "");
			buf_add_string(&verbs, commands[i].verb);
		}
	if (verbs.len == 0)
		status = ctl_misused(ctl,
			"there is no command %s; see gmrelayctl help", argv[0]);
	else if (argc > 1)
		status = ctl_misused(ctl, "there is no %s %s, but %s: %s",
			argv[0], argv[1], argv[0], verbs.data);
	else
		status = ctl_misused(
			ctl, "%s wants one of: %s", argv[0], verbs.data);
	buf_free(&verbs);
	return status;
}

static void look_at_terminal(struct ctl *ctl)
{
	struct winsize size;

	ctl->tty = isatty(STDOUT_FILENO) != 0;
	ctl->width = WIDTH_DEFAULT;
	if (ctl->tty && ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0 &&
		size.ws_col >= WIDTH_MIN)
		ctl->width = size.ws_col;
}

static enum ctl_status run_command(struct ctl *ctl, int argc, char **argv)
{
	const struct command *command;
	struct ctl_args args = {0};
	enum ctl_status status;
	int used;

	if (argc > 0 && strcmp(argv[0], "help") == 0) {
		print_help(stdout);
		return CTL_FINE;
	}
	if (argc == 0) {
		print_help(stderr);
		return CTL_UNKNOWN;
	}
	command = find_command(argc, argv, &used);
	if (command == NULL)
		return no_command(ctl, argc, argv);
	status = read_args(
		ctl, command, argc - used + 1, argv + used - 1, &args);
	if (status == CTL_FINE)
		status = command->run(ctl, &args);
	/* a full disk or a closed pipe must not pass as success */
	if (fflush(stdout) != 0 || ferror(stdout))
		status = CTL_UNKNOWN;
	conf_free(&ctl->conf);
	free(ctl->problems);
	return status;
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"json", no_argument, NULL, 'j'},
		{"help", no_argument, NULL, 'h'},
		{"version", no_argument, NULL, 'V'},
		{NULL, 0, NULL, 0},
	};
	struct ctl ctl = {.conf_file = SYSCONFDIR "/gmrelayd/gmrelayd.conf"};
	int option;

	setlocale(LC_CTYPE, "");
	look_at_terminal(&ctl);
	while ((option = getopt_long(argc, argv, "+c:s:hV", options, NULL)) !=
		-1) {
		switch (option) {
		case 'c':
			ctl.conf_file = optarg;
			break;
		case 's':
			ctl.socket = optarg;
			break;
		case 'j':
			ctl.json = true;
			break;
		case 'h':
			print_help(stdout);
			return CTL_FINE;
		case 'V':
			puts("gmrelayctl " PACKAGE_VERSION);
			return CTL_FINE;
		default:
			print_help(stderr);
			return CTL_UNKNOWN;
		}
	}
	return (int)run_command(&ctl, argc - optind, argv + optind);
}
