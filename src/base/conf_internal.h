/*
 * conf_internal.h - what the files of conf share: the rows of the schema, the
 *                   places where settings stand, problems, readers of values.
 * Used by:    conf*.c alone.
 * Order:      conf_text (structure, names, lines), libconfuse (values as text),
 *             conf_value and conf_net (each value), conf_check and
 *             conf_check_client (the whole).
 */
#ifndef GMRELAY_BASE_CONF_INTERNAL_H
#define GMRELAY_BASE_CONF_INTERNAL_H

#include "base/conf.h"

/* Values of one list. */
#define CONF_VALUES_MAX CONF_NETWORKS_MAX

/* --- problems (conf_report.c) --- */

/* Keeps *problems in the order of lines; an error takes the place of a warning
 * where there is no more room. */
struct conf_report {
	const char *file;
	struct conf_problems *problems;
	unsigned lines[CONF_PROBLEMS_MAX];
};

/* Line 0: the file as a whole. */
void conf_error(struct conf_report *r, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));
void conf_warning(struct conf_report *r, unsigned line, const char *format, ...)
	__attribute__((format(printf, 3, 4)));

/* --- the schema (conf.c) --- */

struct conf_reader;
typedef void conf_read_fn(struct conf_reader *r);

/* Kinds of sections; outside of all is one too. */
enum conf_kind { CONF_GLOBAL, CONF_ACCOUNT, CONF_CLIENT, CONF_KINDS };

#define CONF_SECTIONS_MAX (CONF_ACCOUNTS_MAX + CONF_PROFILES_MAX)

struct conf_section_kind {
	const char *name;    /* "account" */
	const char *article; /* "an account" */
	const char *example; /* what may stand in it */
	size_t max;
};

/* By enum conf_kind; CONF_GLOBAL's is empty. */
extern const struct conf_section_kind conf_section_kinds[CONF_KINDS];

struct conf_setting {
	const char *name;
	const char *fallback; /* as in the file; a list's apart by ", " */
	bool list;
	enum conf_kind kind;
	size_t offset; /* in struct conf, conf_account or conf_client */
	conf_read_fn *read;
	int64_t min, max; /* ms, octets or a count; of no meaning elsewhere */
};

/* All rows. */
const struct conf_setting *conf_schema(size_t *count_out);

/* The row of that name in that kind of section, or NULL. */
const struct conf_setting *conf_setting_find(
	const char *name, enum conf_kind kind);

/* --- names that are none (conf_nearest.c); all but the first want them folded:
 * --- lower case, '-' for '_', cut at CONF_NAME_MAX --- */

void conf_name_fold(char out[CONF_NAME_MAX + 1], const char *name, size_t len);

/* A setting's name in other programs, or NULL. */
const struct conf_setting *conf_name_other(
	const char *folded, enum conf_kind kind);

/* The setting whose name is most like this one, or NULL. */
const struct conf_setting *conf_name_nearest(
	const char *folded, enum conf_kind kind);

/* The kind of section most like this name, or CONF_GLOBAL. */
enum conf_kind conf_name_nearest_section(const char *folded);

/* The account whose name is most like this one, or NULL. */
const struct conf_account *conf_name_nearest_account(
	const struct conf *conf, const char *name);

/* True for names that announce a password. */
bool conf_name_is_secret(const char *folded);

/* --- the file's text (conf_text.c, conf_walk.c) --- */

/* A setting that was written; bad: a problem with it was reported already. */
struct conf_place {
	unsigned section; /* 0: outside, n: sections[n - 1] */
	const struct conf_setting *setting;
	unsigned line;
	size_t first, count; /* its values' lines in value_lines */
	bool bad;
};

struct conf_text {
	char *data; /* what libconfuse is to read; NUL behind it */
	size_t len;
	struct conf_place *places;
	size_t place_count;
	unsigned *value_lines;
	size_t value_count;
	struct conf_section {
		enum conf_kind kind;
		size_t index; /* among those of its kind */
		unsigned line;
	} sections[CONF_SECTIONS_MAX];
	size_t section_count;
	size_t kind_counts[CONF_KINDS];
	unsigned last_line;
};

/* Reads the file whole. Returns NULL with the problem reported. */
struct conf_text *conf_text_read(struct conf_report *r);
void conf_text_free(struct conf_text **text);

enum conf_token_kind {
	CONF_TOKEN_END,
	CONF_TOKEN_WORD,
	CONF_TOKEN_STRING,
	CONF_TOKEN_OPEN,
	CONF_TOKEN_CLOSE,
	CONF_TOKEN_EQUALS,
	CONF_TOKEN_APPEND,
	CONF_TOKEN_COMMA,
};

struct conf_token {
	enum conf_token_kind kind;
	size_t start, len;
	unsigned line;
	bool bad; /* libconfuse must not see it; reported */
};

struct conf_scan {
	struct conf_text *text;
	struct conf_report *report;
	size_t at;
	unsigned line;
	struct conf_token token; /* the latest */
};

/* Goes on to the next token; comments on the way become blanks. Returns 0, or
 * -1 where nothing can be made of the text (reported). */
int conf_scan_next(struct conf_scan *s);

/* Makes text[from, to) blanks; newlines stay. */
void conf_text_blank(struct conf_text *text, size_t from, size_t to);

/* Finds all that libconfuse would pass over or report badly, notes where each
 * setting stands, and blanks what was wrong. Returns 0 when libconfuse can read
 * what is left (errors may have been reported), -1 when it must not. */
int conf_text_walk(struct conf_text *text, struct conf_report *r);

enum conf_kind conf_section_kind(
	const struct conf_text *text, unsigned section);

/* Where the setting stands; NULL: it was not written. */
struct conf_place *conf_place_find(const struct conf_text *text,
	unsigned section, const struct conf_setting *setting);

/* --- values --- */

struct conf_values {
	const char *text[CONF_VALUES_MAX];
	unsigned lines[CONF_VALUES_MAX];
	size_t count;
	unsigned line; /* of the setting; else of its section */
	bool written;
};

/* What a reader works on: reads values into target (a struct conf, conf_account
 * or conf_client) at the setting's offset, or reports and sets bad. */
struct conf_reader {
	struct conf_report *report;
	const struct conf_setting *setting;
	const struct conf_values *values;
	void *target;
	bool bad;
};

/* Reports that values->text[index] is wrong; prefixes the setting's name and,
 * unless hidden, the value. */
void conf_bad_value(struct conf_reader *r, size_t index, const char *format,
	...) __attribute__((format(printf, 3, 4)));
void conf_bad_setting(struct conf_reader *r, const char *format, ...)
	__attribute__((format(printf, 2, 3)));

/* conf_value.c */
conf_read_fn conf_read_auth, conf_read_backoff, conf_read_client_tls,
	conf_read_duration, conf_read_flag, conf_read_from, conf_read_min_tls,
	conf_read_number, conf_read_port, conf_read_retry, conf_read_size,
	conf_read_syntax, conf_read_tls;
/* conf_name.c */
conf_read_fn conf_read_alert_command, conf_read_aliases, conf_read_ca_file,
	conf_read_default_domain, conf_read_default_sender, conf_read_host,
	conf_read_hostname, conf_read_name, conf_read_optional_name,
	conf_read_optional_path, conf_read_password_file, conf_read_path,
	conf_read_postmaster, conf_read_send_as, conf_read_socket,
	conf_read_user, conf_read_username;
/* conf_listen.c */
conf_read_fn conf_read_listen;
/* conf_net.c */
conf_read_fn conf_read_allow, conf_read_networks;

/* --- addresses (conf_net.c); IPv4 as ::ffff:a.b.c.d throughout --- */

/* Reads an IPv4 or IPv6 address without brackets. Returns 0 or -1. */
int conf_ip_parse(const char *text, struct in6_addr *out);
int conf_ip_of(const struct sockaddr *sa, struct in6_addr *out);
bool conf_ip_is_loopback(const struct in6_addr *ip);
bool conf_ip_is_any(const struct in6_addr *ip);
bool conf_ip_is_v4(const struct in6_addr *ip);
const char *conf_ip_text(const struct in6_addr *ip, char out[64]);

/* True when all of them are loopback. */
bool conf_networks_are_loopback(const struct conf_networks *networks);
uint16_t conf_port_of(const struct conf_address *address);

/* --- the whole (conf_check.c, conf_check_client.c) --- */

struct conf_check {
	struct conf_report *report;
	const struct conf_text *text;
	const struct conf *conf;
};

const struct conf_place *conf_check_place(
	const struct conf_check *c, unsigned section, const char *name);

/* False where the value was found wrong: nothing follows from it. */
bool conf_check_good(
	const struct conf_check *c, unsigned section, const char *name);

/* Where a setting stands, else where it would be added. */
unsigned conf_check_line(
	const struct conf_check *c, unsigned section, const char *name);

/* conf_self.c: true when a connection to the account's host and port would end
 * at this listener of ours. Nobody is asked: names are those that this machine
 * has in its own files. */
bool conf_host_is_listener(const struct conf_check *c,
	const struct conf_account *account,
	const struct conf_address *listener);

/* What concerns who may send and how; TLS and users of clients. */
void conf_check_clients(const struct conf_check *c);

/* Checks settings against each other; those with a bad place are left out. */
void conf_check(struct conf_report *r, const struct conf_text *text,
	const struct conf *conf);

#endif
