/*
 * conf_internal.h - what the files of conf share: the rows of the schema, the
 *                   places where settings stand, problems, readers of values.
 * Used by:    conf*.c alone.
 * Order:      conf_text (structure, names, lines), libconfuse (values as text),
 *             conf_value and conf_net (each value), conf_check (the whole).
 */
#ifndef GMRELAY_BASE_CONF_INTERNAL_H
#define GMRELAY_BASE_CONF_INTERNAL_H

#include "base/conf.h"

/* Values of one list. */
#define CONF_VALUES_MAX CONF_ALLOW_MAX

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

struct conf_setting {
	const char *name;
	const char *fallback; /* as in the file; a list's apart by ", " */
	bool list;
	bool in_account;
	size_t offset; /* in struct conf or struct conf_account */
	conf_read_fn *read;
	int64_t min, max; /* ms, octets or a count; of no meaning elsewhere */
};

/* All rows. */
const struct conf_setting *conf_schema(size_t *count_out);

/* The row of that name on that side, or NULL. */
const struct conf_setting *conf_setting_find(const char *name, bool in_account);

/* --- names that are none (conf_nearest.c); all but the first want them folded:
 * --- lower case, '-' for '_', cut at CONF_NAME_MAX --- */

void conf_name_fold(char out[CONF_NAME_MAX + 1], const char *name, size_t len);

/* A setting's name in other programs, or NULL. */
const struct conf_setting *conf_name_other(const char *folded, bool in_account);

/* The setting whose name is most like this one, or NULL. */
const struct conf_setting *conf_name_nearest(
	const char *folded, bool in_account);

/* True for names that announce a password. */
bool conf_name_is_secret(const char *folded);

/* --- the file's text (conf_text.c, conf_walk.c) --- */

/* A setting that was written; bad: a problem with it was reported already. */
struct conf_place {
	unsigned section; /* 0: outside, n: the n-th account */
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
	unsigned account_lines[CONF_ACCOUNTS_MAX];
	size_t account_count;
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

/* What a reader works on: reads values into target (a struct conf or struct
 * conf_account) at the setting's offset, or reports and sets bad. */
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
conf_read_fn conf_read_backoff, conf_read_duration, conf_read_from,
	conf_read_number, conf_read_port, conf_read_retry, conf_read_size,
	conf_read_tls;
/* conf_name.c */
conf_read_fn conf_read_ca_file, conf_read_host, conf_read_hostname,
	conf_read_name, conf_read_password_file, conf_read_path,
	conf_read_postmaster, conf_read_send_as, conf_read_socket,
	conf_read_user, conf_read_username;
/* conf_net.c */
conf_read_fn conf_read_allow, conf_read_listen;

/* --- addresses (conf_net.c); IPv4 as ::ffff:a.b.c.d throughout --- */

/* Reads an IPv4 or IPv6 address without brackets. Returns 0 or -1. */
int conf_ip_parse(const char *text, struct in6_addr *out);
int conf_ip_of(const struct sockaddr *sa, struct in6_addr *out);
bool conf_ip_is_loopback(const struct in6_addr *ip);
bool conf_ip_is_any(const struct in6_addr *ip);
bool conf_network_is_loopback(const struct conf_network *network);
uint16_t conf_port_of(const struct conf_address *address);

/* --- the whole (conf_check.c) --- */

/* Checks settings against each other; those with a bad place are left out. */
void conf_check(struct conf_report *r, const struct conf_text *text,
	const struct conf *conf);

#endif
