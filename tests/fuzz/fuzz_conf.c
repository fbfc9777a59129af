/*
 * fuzz_conf.c - configuration files: what is wrong is told in words, with a
 *               line that is there; what is right is whole and within its
 *               limits; and libconfuse reads what our walk lets pass, as we
 *               did.
 */
#include "config.h"

#include "fuzz.h"

#include "base/conf.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FUZZ_CONF_MAX = 16 * 1024 };

static char name[64];

/* In place of the C library's: what a file names is not opened, for it may be
 * any device. */
int open(const char *path, int flags, ...)
{
	if (strcmp(path, name) == 0)
		return openat(AT_FDCWD, path, flags);
	errno = ENOENT;
	return -1;
}

/* A file in memory, the same for all inputs. Returns its name. */
static const char *write_file(const uint8_t *data, size_t size)
{
	static int fd = -1;

	if (fd < 0) {
		fd = memfd_create("fuzz_conf", MFD_CLOEXEC);
		FUZZ_REQUIRE(fd >= 0 && fchmod(fd, 0600) == 0);
		snprintf(name, sizeof(name), "/proc/self/fd/%d", fd);
		unsetenv("CREDENTIALS_DIRECTORY");
	}
	FUZZ_REQUIRE(ftruncate(fd, 0) == 0);
	FUZZ_REQUIRE(pwrite(fd, data, size, 0) == (ssize_t)size);
	return name;
}

/* --- problems ------------------------------------------------------------- */

/* "FILE:LINE: " or "FILE: ". Returns the line, 0 for none. */
static unsigned long line_of(const char *text, const char *file)
{
	const size_t len = strlen(file);
	unsigned long line = 0;
	char *end;

	FUZZ_REQUIRE(strncmp(text, file, len) == 0 && text[len] == ':');
	text += len + 1;
	if (*text == ' ')
		return 0;
	line = strtoul(text, &end, 10);
	FUZZ_REQUIRE(line > 0 && end[0] == ':' && end[1] == ' ');
	return line;
}

static bool ends_with(const char *text, const char *end)
{
	return strlen(text) >= strlen(end) &&
	       strcmp(text + strlen(text) - strlen(end), end) == 0;
}

static void require_words(const char *text)
{
	/* what libconfuse makes of it differs from what we made */
	FUZZ_REQUIRE(!ends_with(text, "of its own: name = \"value\""));
	FUZZ_REQUIRE(!ends_with(text, "write its value in double quotes"));
	FUZZ_REQUIRE(*text != '\0');
	for (; *text != '\0'; text++)
		FUZZ_REQUIRE((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void require_problems(
	const struct conf_problems *p, const char *file, unsigned long lines)
{
	unsigned long line, before = 0;
	size_t i, errors = 0;

	FUZZ_REQUIRE(p->count <= CONF_PROBLEMS_MAX);
	FUZZ_REQUIRE(p->count <= p->errors + p->warnings);
	for (i = 0; i < p->count; i++) {
		line = line_of(p->items[i].text, file);
		FUZZ_REQUIRE(line <= lines && line >= before);
		before = line;
		errors += !p->items[i].warning;
		require_words(p->items[i].text);
	}
	FUZZ_REQUIRE(errors <= p->errors && (errors > 0) == (p->errors > 0));
}

/* --- what was read -------------------------------------------------------- */

static void require_account(const struct conf_account *a)
{
	FUZZ_REQUIRE(a->name != NULL && strlen(a->name) <= CONF_NAME_MAX);
	FUZZ_REQUIRE(a->username != NULL && a->username[0] != '\0');
	FUZZ_REQUIRE(a->password_file != NULL && a->password_file[0] != '\0');
	FUZZ_REQUIRE(a->host != NULL && a->host[0] != '\0' && a->port > 0);
	FUZZ_REQUIRE(a->ca_file != NULL && a->sender.account == a->username);
	FUZZ_REQUIRE(a->connect_timeout_ms > 0 && a->reply_timeout_ms > 0 &&
		     a->final_timeout_ms > 0 && a->message_gap_ms >= 0);
	FUZZ_REQUIRE(a->connections > 0);
	FUZZ_REQUIRE(a->sender.send_as_count <= CONF_SEND_AS_MAX);
	(void)conf_daily_messages(a);
	(void)conf_daily_recipients(a);
}

static void require_client(const struct conf *conf, const struct conf_client *c)
{
	FUZZ_REQUIRE(c->name != NULL && c->account != NULL &&
		     c->default_sender != NULL);
	FUZZ_REQUIRE(c->account_index < conf->account_count);
	FUZZ_REQUIRE(c->networks.count <= CONF_NETWORKS_MAX);
	FUZZ_REQUIRE(c->auth <= CONF_AUTH_USERS &&
		     c->tls <= CONF_CLIENT_TLS_REQUIRE &&
		     c->min_tls <= CONF_TLS_1_3 &&
		     c->syntax <= CONF_SYNTAX_STRICT);
}

static void ask(const struct conf *conf)
{
	struct sockaddr_in sa = {.sin_family = AF_INET};
	const struct sockaddr *address = (const struct sockaddr *)&sa;
	const struct conf_client *client;
	static const char *const addresses[] = {
		"127.0.0.1", "10.0.0.1", "192.168.1.1", "8.8.8.8"};
	size_t i;

	for (i = 0; i < sizeof(addresses) / sizeof(addresses[0]); i++) {
		inet_pton(AF_INET, addresses[i], &sa.sin_addr);
		client = conf_client_for(conf, address);
		FUZZ_REQUIRE(
			client == NULL ||
			(size_t)(client - conf->clients) < conf->client_count);
		(void)conf_is_proxy(conf, address);
	}
	FUZZ_REQUIRE(conf_client_local(conf) != NULL);
}

static void require_conf(const struct conf *conf)
{
	size_t i;

	FUZZ_REQUIRE(conf->hostname != NULL && conf->spool != NULL &&
		     conf->control != NULL && conf->submit != NULL &&
		     conf->user != NULL && conf->relay_user != NULL &&
		     conf->postmaster != NULL && conf->aliases != NULL &&
		     conf->default_domain != NULL && conf->tls_cert != NULL &&
		     conf->tls_key != NULL && conf->users_file != NULL);
	FUZZ_REQUIRE(conf->listen_count <= CONF_LISTEN_MAX);
	FUZZ_REQUIRE(
		conf->max_clients > 0 && conf->max_clients <= CONF_CLIENTS_MAX);
	FUZZ_REQUIRE(conf->max_recipients > 0 &&
		     conf->max_recipients <= CONF_RECIPIENTS_MAX);
	FUZZ_REQUIRE(conf->client_timeout_ms > 0 && conf->expire_ms > 0);
	FUZZ_REQUIRE(
		conf->retry_count > 0 && conf->retry_count <= CONF_RETRY_MAX);
	for (i = 0; i < conf->retry_count; i++)
		FUZZ_REQUIRE(conf->retry_ms[i] > 0);
	FUZZ_REQUIRE(conf->backoff_first_ms > 0 &&
		     conf->backoff_first_ms <= conf->backoff_cap_ms);
	FUZZ_REQUIRE(conf->account_count > 0 &&
		     conf->account_count <= CONF_ACCOUNTS_MAX);
	for (i = 0; i < conf->account_count; i++)
		require_account(&conf->accounts[i]);
	FUZZ_REQUIRE(conf->client_count > 0 &&
		     conf->client_count <= CONF_PROFILES_MAX + 1);
	for (i = 0; i < conf->client_count; i++)
		require_client(conf, &conf->clients[i]);
	ask(conf);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct conf_problems problems;
	unsigned long lines = 1;
	struct conf *conf;
	const char *file;
	size_t i;

	if (size > FUZZ_CONF_MAX)
		return 0;
	file = write_file(data, size);
	for (i = 0; i < size; i++)
		lines += data[i] == '\n';
	conf = conf_load(file, &problems);
	FUZZ_REQUIRE((conf == NULL) == (problems.errors > 0));
	require_problems(&problems, file, lines);
	if (conf != NULL)
		require_conf(conf);
	conf_free(&conf);
	return 0;
}
