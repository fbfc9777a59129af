/*
 * conf_name.c - values of settings: names, hosts, paths.
 */
#include "config.h"

#include "base/conf_internal.h"
#include "base/util.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum {
	DOMAIN_MAX = 255,    /* RFC 5321 4.5.3.1.2 */
	LABEL_MAX = 63,      /* RFC 1035 2.3.4 */
	ADDRESS_MAX = 254,   /* RFC 5321 4.5.3.1.3, less the brackets */
	LOCAL_PART_MAX = 64, /* RFC 5321 4.5.3.1.1 */
	PATH_LENGTH_MAX = 1024,
	USER_NAME_MAX = 32, /* useradd(8) */
};

#define LETTERS_DIGITS                                                         \
	"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"

static void store(struct conf_reader *r, const char *text)
{
	char **out = (char **)((char *)r->target + r->setting->offset);

	free(*out);
	*out = xstrdup(text);
}

static bool consists_of(const char *text, const char *characters)
{
	return text[strspn(text, characters)] == '\0';
}

/* Letters, digits and hyphens in labels (RFC 1123 2.1). */
static bool is_domain(const char *text)
{
	size_t len;

	if (strlen(text) > DOMAIN_MAX)
		return false;
	for (;;) {
		len = strspn(text, LETTERS_DIGITS "-");
		if (len == 0 || len > LABEL_MAX || text[0] == '-' ||
			text[len - 1] == '-')
			return false;
		text += len;
		if (*text == '\0')
			return true;
		if (*text++ != '.')
			return false;
	}
}

/* Looks like an address, so it is judged as one and never as a name. */
static bool is_numeric(const char *text)
{
	return strchr(text, ':') != NULL || consists_of(text, "0123456789.");
}

/* An address literal as EHLO has it (RFC 5321 4.1.3). */
static bool is_literal(const char *text)
{
	static const char v6_tag[] = "IPv6:";
	size_t len = strlen(text);
	char inside[64];
	struct in6_addr ip;

	if (len < 3 || len >= sizeof(inside) || text[len - 1] != ']')
		return false;
	memcpy(inside, text + 1, len - 2);
	inside[len - 2] = '\0';
	if (strncasecmp(inside, v6_tag, strlen(v6_tag)) == 0)
		return strchr(inside + strlen(v6_tag), ':') != NULL &&
		       conf_ip_parse(inside + strlen(v6_tag), &ip) == 0;
	return strchr(inside, ':') == NULL && conf_ip_parse(inside, &ip) == 0;
}

static bool is_localhost(const char *text)
{
	size_t len = strlen("localhost");

	return strncasecmp(text, "localhost", len) == 0 &&
	       (text[len] == '\0' || text[len] == '.');
}

void conf_read_hostname(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (is_localhost(text))
		conf_bad_value(r, 0,
			"tells Gmail nothing and is refused there at times; "
			"write this machine's full name, or leave the "
			"setting out");
	else if (text[0] == '[' && !is_literal(text))
		conf_bad_value(r, 0,
			"is not an address literal; write it like "
			"\"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\"");
	else if (text[0] != '\0' && text[0] != '[' && is_numeric(text))
		conf_bad_value(r, 0,
			"is an address; write it in brackets, like "
			"\"[192.0.2.1]\" or \"[IPv6:2001:db8::1]\"");
	else if (text[0] != '\0' && text[0] != '[' && !is_domain(text))
		conf_bad_value(r, 0,
			"is not a host name; write one like "
			"\"relay.example.com\"");
	else if (text[0] != '\0' && strpbrk(text, ".:") == NULL)
		conf_warning(r->report, r->values->lines[0],
			"hostname: \"%s\" is no full name; better is one with "
			"a domain, like \"%s.example.com\"",
			text, text);
	store(r, text);
}

/* A host to connect to: brackets go, so that it can be looked up as it is. */
void conf_read_host(struct conf_reader *r)
{
	const char *text = r->values->text[0];
	size_t len = strlen(text);
	struct in6_addr ip;
	char *bare;

	if (strstr(text, "://") != NULL) {
		conf_bad_value(r, 0,
			"is a URL; write the host's name alone, like "
			"\"smtp.gmail.com\"");
		return;
	}
	bare = xstrdup(text);
	if (len > 2 && text[0] == '[' && text[len - 1] == ']') {
		memmove(bare, text + 1, len - 2);
		bare[len - 2] = '\0';
	}
	if (conf_ip_parse(bare, &ip) == 0)
		;
	else if (len > 0 && strchr(bare, ':') == strrchr(bare, ':') &&
		 strchr(bare, ':') != NULL)
		conf_bad_value(r, 0,
			"has a port in it; write the port as a setting of its "
			"own: port = 587");
	else if (is_numeric(bare) || !is_domain(bare))
		conf_bad_value(r, 0,
			"is neither a host name nor an address; write "
			"\"smtp.gmail.com\"");
	store(r, bare);
	free(bare);
}

void conf_read_path(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] != '/')
		conf_bad_value(r, 0,
			"is not an absolute path; write one that begins with "
			"\"/\"");
	else if (strlen(text) > PATH_LENGTH_MAX)
		conf_bad_value(
			r, 0, "is longer than %d octets", PATH_LENGTH_MAX);
	store(r, text);
}

void conf_read_optional_path(struct conf_reader *r)
{
	if (r->values->text[0][0] == '\0')
		store(r, "");
	else
		conf_read_path(r);
}

void conf_read_socket(struct conf_reader *r)
{
	const size_t max = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
	size_t len = strlen(r->values->text[0]);

	conf_read_path(r);
	if (!r->bad && len > max)
		conf_bad_value(r, 0,
			"has %zu octets, a socket's path at most %zu; choose "
			"a shorter one",
			len, max);
}

/* Names go to the log and into state files: nothing to quote in them. */
void conf_read_name(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] == '\0' || strlen(text) > CONF_NAME_MAX ||
		!consists_of(text, LETTERS_DIGITS "._-"))
		conf_bad_value(r, 0,
			"cannot be a name; write up to %d letters, digits, "
			"\".\", \"_\" and \"-\"",
			CONF_NAME_MAX);
	store(r, text);
}

void conf_read_optional_name(struct conf_reader *r)
{
	if (r->values->text[0][0] == '\0')
		store(r, "");
	else
		conf_read_name(r);
}

void conf_read_user(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (strcmp(text, "root") == 0 ||
		(text[0] != '\0' && consists_of(text, "0")))
		conf_bad_value(r, 0,
			"would keep all of root's rights; write a user made "
			"for this, like \"%s\"",
			r->setting->fallback);
	else if (text[0] == '\0' || text[0] == '-' ||
		 strlen(text) > USER_NAME_MAX ||
		 !consists_of(text, LETTERS_DIGITS "._-$"))
		conf_bad_value(r, 0,
			"is neither a user's name nor a number; write one "
			"like \"%s\"",
			r->setting->fallback);
	store(r, text);
}

/* Enough of RFC 5321 4.1.2 for an address that people have: one "@", nothing
 * that would need quotes. */
static bool is_mail_address(const char *text)
{
	const char *at = strchr(text, '@');
	const char *p;

	if (at == NULL || at == text || strlen(text) > ADDRESS_MAX ||
		strchr(at + 1, '@') != NULL)
		return false;
	if (at - text > LOCAL_PART_MAX || text[0] == '.')
		return false;
	for (p = text; p < at; p++)
		if ((unsigned char)*p <= ' ' || *p == 0x7f ||
			strchr("<>()[]\\,;:\"", *p) != NULL ||
			(*p == '.' && (p[1] == '.' || p[1] == '@')))
			return false;
	for (p = at + 1; *p != '\0'; p++)
		if ((*p & 0x80) != 0)
			return true; /* RFC 6531: not ours to judge */
	return is_domain(at + 1);
}

void conf_read_username(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] == '\0')
		conf_bad_setting(r,
			"is missing; an account needs three lines: account {, "
			"username = \"someone@gmail.com\", password-file = "
			"\"/etc/gmrelayd/password\", and }");
	else if (strchr(text, '@') == NULL)
		conf_bad_value(r, 0,
			"is not a full address; write \"%.80s@gmail.com\"",
			text);
	else if (!is_mail_address(text))
		conf_bad_value(r, 0,
			"is not a mail address; write it bare, like "
			"\"someone@gmail.com\"");
	store(r, text);
}

void conf_read_postmaster(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] != '\0' && !is_mail_address(text))
		conf_bad_value(r, 0,
			"is not a mail address; write one that is read, like "
			"\"someone@example.com\"");
	store(r, text);
}

void conf_read_default_sender(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] != '\0' && !is_mail_address(text))
		conf_bad_value(r, 0,
			"is not a mail address; write a full one, like "
			"\"scanner@example.com\"");
	store(r, text);
}

void conf_read_alert_command(struct conf_reader *r)
{
	char ***out =
		(char ***)(void *)((char *)r->target + r->setting->offset);
	size_t i, count = r->values->count;

	*out = xcalloc(CONF_ALERT_WORDS_MAX + 1, sizeof(**out));
	if (count > CONF_ALERT_WORDS_MAX) {
		conf_bad_setting(r, "%zu words; at most %d are allowed", count,
			CONF_ALERT_WORDS_MAX);
		return;
	}
	if (count > 0 && r->values->text[0][0] != '/')
		conf_bad_value(r, 0,
			"is no absolute path; no shell is involved: write "
			"{\"/usr/local/bin/tell-me\", \"an argument\"}");
	for (i = 0; i < count; i++)
		(*out)[i] = xstrdup(r->values->text[i]);
}

void conf_read_aliases(struct conf_reader *r)
{
	struct conf *conf = r->target;

	conf->aliases_written = r->values->written;
	if (r->values->text[0][0] == '\0')
		store(r, "");
	else
		conf_read_path(r);
}

/* What an address can be completed with. */
void conf_read_default_domain(struct conf_reader *r)
{
	const char *text = r->values->text[0];

	if (text[0] == '@')
		conf_bad_value(
			r, 0, "begins with an @; write \"%.80s\"", text + 1);
	else if (text[0] != '\0' &&
		 (is_localhost(text) || is_numeric(text) || !is_domain(text)))
		conf_bad_value(r, 0,
			"is not a domain that takes mail; write one like "
			"\"example.com\", or leave the setting out");
	store(r, text);
}

void conf_read_send_as(struct conf_reader *r)
{
	struct sender_policy *sender =
		&((struct conf_account *)r->target)->sender;
	size_t i, count = r->values->count;

	if (count > CONF_SEND_AS_MAX) {
		conf_bad_setting(r, "%zu addresses; at most %d are allowed",
			count, CONF_SEND_AS_MAX);
		return;
	}
	sender->send_as = xcalloc(count + 1, sizeof(sender->send_as[0]));
	for (i = 0; i < count; i++) {
		if (!is_mail_address(r->values->text[i]))
			conf_bad_value(r, i,
				"is not a mail address; write the bare "
				"addresses Gmail lists under \"Send mail as\"");
		sender->send_as[i] = xstrdup(r->values->text[i]);
	}
	sender->send_as_count = count;
}

/* Never shows the value: people write the password itself here. A bare name is
 * that of a systemd credential, which others than the daemon do not see. */
void conf_read_password_file(struct conf_reader *r)
{
	const char *text = r->values->text[0];
	bool absolute = text[0] == '/';

	if (text[0] == '\0')
		conf_bad_setting(r,
			"is missing; put the app password into a file of mode "
			"600 and write: password-file = "
			"\"/etc/gmrelayd/password\"");
	else if (strlen(text) > PATH_LENGTH_MAX)
		conf_bad_setting(r, "the path is longer than %d octets",
			PATH_LENGTH_MAX);
	else if (!absolute && !consists_of(text, LETTERS_DIGITS "._-"))
		conf_bad_setting(r,
			"this is not the path of a file; put the password "
			"into a file and write its path, like "
			"\"/etc/gmrelayd/password\"");
	store(r, text);
}

void conf_read_ca_file(struct conf_reader *r)
{
	const char *text = r->values->text[0];
	struct stat st;
	int fd;

	store(r, text);
	if (text[0] == '\0')
		return;
	if (text[0] != '/') {
		conf_bad_value(r, 0,
			"is not an absolute path; write one that begins with "
			"\"/\"");
		return;
	}
	fd = open(text, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 || fstat(fd, &st) != 0 || !S_ISREG(st.st_mode))
		conf_bad_value(r, 0,
			"cannot be read as a file; write the path of a PEM "
			"file with certificates, or leave the setting out "
			"for the system's own");
	if (fd >= 0)
		close(fd);
}
