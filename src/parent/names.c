/*
 * names.c - this machine's name and the people it knows.
 */
#include "config.h"

#include "parent/names.h"

#include "base/conf.h"
#include "base/util.h"
#include "proto/aliases.h"
#include "proto/local.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
	TOLD_MAX = 20,  /* findings about one file */
	HOST_MAX = 255, /* RFC 5321 4.5.3.1.2 */
	FINDING_MAX = ERR_TEXT_MAX + PATH_MAX + 64,
};

struct names {
	struct local_names local;
	struct aliases *aliases;
	char host[HOST_MAX + 1];
};

struct telling {
	const struct conf *conf;
	check_tell_fn *tell;
	void *arg;
	size_t told;
	size_t errors;
};

/* line 0: the file as a whole. */
static void on_finding(void *arg, bool error, unsigned line, const char *text)
{
	struct telling *t = arg;
	char place[32] = "", finding[FINDING_MAX];

	/* the default file may be anybody's, and does not keep us from
	 * starting */
	error = error && t->conf->aliases_written;
	t->errors += error;
	if (t->told++ >= TOLD_MAX)
		return;
	if (line > 0)
		snprintf(place, sizeof(place), ":%u", line);
	snprintf(finding, sizeof(finding), "%.*s%s: %s", PATH_MAX,
		t->conf->aliases, place, text);
	t->tell(t->arg, !error, finding);
}

static void tell_rest(struct telling *t)
{
	const size_t more = t->told > TOLD_MAX ? t->told - TOLD_MAX : 0;
	char text[64];

	if (more == 0)
		return;
	snprintf(text, sizeof(text), "and %zu finding%s more", more,
		plural(more));
	t->told = 0;
	on_finding(t, false, 0, text);
}

/* Reads the file whole. Returns its text, to be freed, or NULL with err. */
static char *read_text(int fd, size_t *len_out, struct err *err)
{
	struct stat st;
	ssize_t len;
	char *text;

	if (fstat(fd, &st) != 0) {
		err_errno(err, "cannot be read");
		return NULL;
	}
	if (!S_ISREG(st.st_mode)) {
		err_set(err, ERR_CONFIG, "is not a file");
		return NULL;
	}
	if (st.st_size > ALIASES_SIZE_MAX) {
		err_set(err, ERR_LIMIT, "has more than %d octets",
			ALIASES_SIZE_MAX);
		return NULL;
	}
	text = xcalloc(1, ALIASES_SIZE_MAX);
	len = pread_full(fd, text, ALIASES_SIZE_MAX, 0);
	if (len < 0) {
		err_errno(err, "cannot be read");
		free(text);
		return NULL;
	}
	*len_out = (size_t)len;
	return text;
}

static struct aliases *read_file(struct telling *t)
{
	const struct conf *conf = t->conf;
	struct aliases *aliases;
	struct err err;
	size_t len = 0;
	char *text;
	int fd;

	if (conf->aliases[0] == '\0')
		return NULL;
	/* a FIFO would keep us waiting */
	fd = open(conf->aliases, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
	if (fd < 0 && errno == ENOENT && !conf->aliases_written)
		return NULL;
	if (fd < 0) {
		err_errno(&err, "cannot be read");
		on_finding(t, true, 0, err.text);
		return NULL;
	}
	text = read_text(fd, &len, &err);
	close(fd);
	if (text == NULL) {
		on_finding(t, true, 0, err.text);
		return NULL;
	}
	aliases = aliases_parse(text, len, on_finding, t);
	free(text);
	return aliases;
}

static int count_none(void *arg, const struct address *address)
{
	(void)arg;
	(void)address;
	return 0;
}

/* An alias for a user of this machine, who has no mailbox here. */
static void check_leads(const struct names *n, struct telling *t)
{
	struct address address;
	char text[ERR_TEXT_MAX];
	const char *name;
	unsigned line;
	size_t i;

	for (i = 0; n->aliases != NULL && i < aliases_count(n->aliases); i++) {
		name = aliases_name(n->aliases, i, &line);
		if (address_parse(&address, name, strlen(name), true, NULL) !=
				0 ||
			local_expand(&n->local, &address, count_none, NULL) !=
				LOCAL_NOBODY)
			continue;
		snprintf(text, sizeof(text),
			"%s leads to a user of this machine, who has neither "
			"an alias nor a mailbox: mail for it is refused; write "
			"a whole address, or set default-domain",
			name);
		on_finding(t, false, line, text);
	}
}

static void find_host(struct names *n, const struct conf *conf)
{
	if (conf->hostname[0] != '\0')
		snprintf(n->host, sizeof(n->host), "%s", conf->hostname);
	else if (gethostname(n->host, sizeof(n->host) - 1) != 0 ||
		 n->host[0] == '\0')
		snprintf(n->host, sizeof(n->host), "localhost");
}

struct names *names_load(
	const struct conf *conf, check_tell_fn *tell, void *arg, size_t *errors)
{
	struct telling t = {.conf = conf, .tell = tell, .arg = arg};
	struct names *n = xcalloc(1, sizeof(*n));

	find_host(n, conf);
	n->aliases = read_file(&t);
	n->local = (struct local_names){
		.aliases = n->aliases,
		.default_domain = conf->default_domain,
		.host = n->host,
		.postmaster = conf->postmaster,
		.account = conf->accounts[0].username,
	};
	check_leads(n, &t);
	tell_rest(&t);
	*errors += t.errors;
	return n;
}

void names_free(struct names **names)
{
	struct names *n = *names;

	*names = NULL;
	if (n == NULL)
		return;
	aliases_free(&n->aliases);
	free(n);
}

const struct local_names *names_local(const struct names *names)
{
	return names != NULL ? &names->local : NULL;
}

size_t names_aliases(const struct names *names)
{
	return names->aliases != NULL ? aliases_count(names->aliases) : 0;
}
