/*
 * conf.h - the configuration: one schema table, defaults, validation with line
 *          numbers; read once, const afterwards.
 * Used by:    everybody, as a const pointer.
 * Source:     libconfuse parses; gmrelayd.conf(5) describes every setting (a
 *             test compares the two).
 */
#ifndef GMRELAY_BASE_CONF_H
#define GMRELAY_BASE_CONF_H

#include "base/err.h"
#include "base/sender_policy.h"

#include <netinet/in.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

#define CONF_FILE_SIZE_MAX   (256 * 1024)
#define CONF_LISTEN_MAX      32
#define CONF_NETWORKS_MAX    256 /* of one list */
#define CONF_ACCOUNTS_MAX    32
#define CONF_PROFILES_MAX    32 /* sections client { } */
#define CONF_RETRY_MAX       16
#define CONF_ALERT_WORDS_MAX 16
#define CONF_SEND_AS_MAX     100  /* Gmail's own limit is 99 */
#define CONF_CLIENTS_MAX     4000 /* the most max-clients may be */
#define CONF_RECIPIENTS_MAX  10000
#define CONF_NAME_MAX        64
#define CONF_PROBLEMS_MAX    20

/* SIZE taken to be upstream's until an EHLO tells: Gmail's. */
#define UPSTREAM_SIZE_DEFAULT 35882577
/* What we may add to a message: Received, repaired headers. */
#define SIZE_RESERVE 4096

struct conf_address {
	struct sockaddr_storage sa;
	socklen_t len;
	char text[64];  /* "127.0.0.1:25", "[::1]:25" */
	bool defaulted; /* not written by the user: may fail to bind */
};

struct conf_network {
	struct in6_addr prefix; /* IPv4 as ::ffff:a.b.c.d */
	unsigned bits;          /* of 128; IPv4 counts from 96 */
	char text[64];
	unsigned line;
	bool defaulted; /* not written by the user: a client's may replace it */
};

struct conf_networks {
	struct conf_network *items;
	size_t count;
};

enum conf_tls { CONF_TLS_STARTTLS, CONF_TLS_IMPLICIT };

struct conf_account {
	char *name;
	char *username;
	char *password_file;
	char *host;
	uint16_t port;
	enum conf_tls tls;
	char *ca_file; /* "": the system's store */
	int64_t connect_timeout_ms;
	int64_t reply_timeout_ms;
	int64_t final_timeout_ms;
	unsigned connections;
	unsigned messages_per_connection;
	int64_t message_gap_ms;
	unsigned daily_messages;   /* as written; 0: by kind of account */
	unsigned daily_recipients; /* as written; 0: by kind of account */
	struct sender_policy sender;
	unsigned line; /* where its section begins */
};

enum conf_auth { CONF_AUTH_NONE, CONF_AUTH_ANY, CONF_AUTH_USERS };

enum conf_client_tls {
	CONF_CLIENT_TLS_NONE,
	CONF_CLIENT_TLS_OFFER,
	CONF_CLIENT_TLS_REQUIRE,
};

enum conf_tls_version {
	CONF_TLS_1_0,
	CONF_TLS_1_1,
	CONF_TLS_1_2,
	CONF_TLS_1_3,
};

enum conf_syntax { CONF_SYNTAX_TOLERANT, CONF_SYNTAX_STRICT };

/* What holds for clients from some networks: a profile. */
struct conf_client {
	char *name; /* "": it has none */
	struct conf_networks networks;
	enum conf_auth auth;
	enum conf_client_tls tls; /* "offer" without a certificate: nothing */
	enum conf_tls_version min_tls;
	enum conf_syntax syntax;
	bool lf_dot;
	char *account; /* as written; "": the first */
	size_t account_index;
	char *default_sender;       /* "": none */
	unsigned messages_per_hour; /* for each address; 0: no limit */
	uint64_t message_size;      /* 0: that of struct conf */
	unsigned line;              /* where its section begins; 0: allow's */
};

struct conf {
	char *file;
	char *hostname; /* "": found out when needed */
	char *spool;
	struct conf_address *listen;
	size_t listen_count;
	struct conf_networks proxy; /* who must say for whom it connects */
	char *tls_cert;             /* "": no TLS for clients */
	char *tls_key;
	char *users_file;
	char *control;
	char *submit;
	char *user;
	char *relay_user;
	uint64_t message_size; /* 0: what upstream takes less SIZE_RESERVE */
	unsigned max_clients;
	unsigned max_clients_per_address;
	unsigned max_recipients;
	int64_t client_timeout_ms;
	int64_t retry_ms[CONF_RETRY_MAX];
	size_t retry_count;
	int64_t backoff_first_ms;
	int64_t backoff_cap_ms;
	int64_t delay_notice_ms;
	int64_t expire_ms;
	int64_t failed_keep_ms;
	char *postmaster;
	char **alert_command; /* a program and its arguments, then NULL */
	char *aliases;        /* "": none */
	bool aliases_written; /* by the user: it must exist and be right */
	char *default_domain; /* "": none */
	struct conf_account *accounts;
	size_t account_count;
	struct conf_client *clients; /* the first one: `allow`, unnamed */
	size_t client_count;
};

/* What was found wrong, or noteworthy, each "FILE:LINE: what is wrong, and
 * what would be right". */
struct conf_problems {
	size_t errors;
	size_t warnings;
	size_t count; /* of texts kept: errors and warnings, in order */
	struct {
		bool warning;
		char text[ERR_TEXT_MAX];
	} items[CONF_PROBLEMS_MAX];
};

/* Reads and checks the file. Returns the configuration, or NULL when
 * problems->errors > 0; warnings may be there in either case. Never logs. */
struct conf *conf_load(const char *file, struct conf_problems *problems);

void conf_free(struct conf **conf);

/* The default of a global setting, for where no configuration can be read. */
const char *conf_default(const char *name);

/* The profile with the longest prefix that holds the address, or NULL: it may
 * not send. IPv4-mapped IPv6 counts as IPv4; a Unix socket's address never
 * matches. */
const struct conf_client *conf_client_for(
	const struct conf *conf, const struct sockaddr *sa);

/* The profile of programs on this machine that come by the submit socket. */
const struct conf_client *conf_client_local(const struct conf *conf);

/* True when the address is one of `proxy`. */
bool conf_is_proxy(const struct conf *conf, const struct sockaddr *sa);

/* True when the account's server is Google's. */
bool conf_is_google(const struct conf_account *account);

/* The limits of an account in a rolling day: as configured, else 500 messages
 * and 500 recipients for @gmail.com and @googlemail.com, 2000 and 10000 for
 * other accounts at a Google host (support.google.com/mail/answer/22839 and
 * /a/answer/166852), 0 (no limit) at any other host. */
unsigned conf_daily_messages(const struct conf_account *account);
unsigned conf_daily_recipients(const struct conf_account *account);

#endif
