/*
 * ctl.h - what the commands of gmrelayctl share: options, arguments, exit
 *         status, the table of commands.
 * Used by:    ctl/.
 * Source:     gmrelayctl(8).
 */
#ifndef GMRELAY_CTL_CTL_H
#define GMRELAY_CTL_CTL_H

#include "base/err.h"
#include "ctl/text.h"

#include <jansson.h>
#include <stdbool.h>

struct client;
struct conf;
struct conf_problems;

/* Exit status. */
enum ctl_status {
	CTL_FINE = 0,
	CTL_TROUBLE = 1, /* something failed, or needs a person */
	CTL_UNKNOWN = 2, /* cannot tell: usage, daemon out of reach */
};

struct ctl {
	const char *conf_file;
	const char *socket; /* as given; NULL: by the configuration */
	bool json;
	bool tty;       /* stdout is a terminal */
	unsigned width; /* of the terminal */
	bool loaded;
	struct conf *conf; /* NULL: cannot be read */
	struct conf_problems *problems;
};

enum ctl_option {
	OPT_ALL = 1 << 0,
	OPT_FAILED = 1 << 1,
	OPT_TIMEOUT = 1 << 2,
	OPT_SPOOL = 1 << 3,
	OPT_DAYS = 1 << 4,
	OPT_NAME = 1 << 5,
	OPT_RSA = 1 << 6,
};

#define CTL_NAMES_MAX 32

/* The arguments of a command, options taken out. */
struct ctl_args {
	bool all;
	bool failed;
	int timeout_s; /* 0: none given */
	const char *spool;
	int days; /* 0: none given */
	const char *names[CTL_NAMES_MAX];
	int name_count;
	bool rsa;
	char **rest;
	int count;
};

typedef enum ctl_status ctl_run_fn(
	struct ctl *ctl, const struct ctl_args *args);

/* The configuration, read at the first call; NULL when it cannot be used
 * (ctl->problems says why). */
const struct conf *ctl_conf(struct ctl *ctl);

/* True when the configuration's file is there for this user: what is wrong with
 * it then is its content. */
bool ctl_conf_is_readable(const struct ctl *ctl);

const char *ctl_socket_path(struct ctl *ctl);

/* Opens the control socket. Returns NULL after ctl_fail(). */
struct client *ctl_open(struct ctl *ctl);

/* Asks the daemon, with what arguments (taken over), and takes an answer of one
 * object. Returns CTL_FINE with the answer, which is the caller's; CTL_UNKNOWN
 * (no daemon) or CTL_TROUBLE (an error of its) after ctl_fail(). */
enum ctl_status ctl_call(struct ctl *ctl, const char *command,
	json_t *arguments, json_t **answer_out);

/* Tells err on stderr, as one clean line. */
void ctl_complain(const struct err *err);

/* The end of a command that has printed nothing: tells err on stderr, and with
 * --json as the document too. Returns status. */
enum ctl_status ctl_fail(
	const struct ctl *ctl, enum ctl_status status, const struct err *err);

/* The same for wrong usage. Returns CTL_UNKNOWN. */
enum ctl_status ctl_misused(const struct ctl *ctl, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* CTL_FINE if all arguments are ids of messages, else ctl_misused(). */
enum ctl_status ctl_check_ids(
	const struct ctl *ctl, const struct ctl_args *args);

/* {"id": id}, for a request. */
json_t *ctl_id_argument(const char *id);

/* When a waiting message is tried next, or what its account does instead; ""
 * for others. Returns text. */
const char *ctl_next_try(char text[TEXT_SHORT], const json_t *message);

ctl_run_fn ctl_status;
ctl_run_fn ctl_queue_list;
ctl_run_fn ctl_queue_show;
ctl_run_fn ctl_queue_cat;
ctl_run_fn ctl_queue_hold;
ctl_run_fn ctl_queue_release;
ctl_run_fn ctl_queue_retry;
ctl_run_fn ctl_queue_delete;
ctl_run_fn ctl_queue_flush;
ctl_run_fn ctl_account_list;
ctl_run_fn ctl_account_pause;
ctl_run_fn ctl_account_resume;
ctl_run_fn ctl_clients;
ctl_run_fn ctl_reload;
ctl_run_fn ctl_test;
ctl_run_fn ctl_doctor;
ctl_run_fn ctl_spool_check;
ctl_run_fn ctl_spool_export;
ctl_run_fn ctl_certificate;
ctl_run_fn ctl_password;

#endif
