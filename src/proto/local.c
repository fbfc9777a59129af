/*
 * local.c - addresses without a domain, or with this machine's: whom they mean.
 */
#include "config.h"

#include "proto/local.h"

#include "base/util.h"
#include "proto/aliases.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

/* Domains by what a name at them is. */
enum place {
	PLACE_ELSEWHERE,
	PLACE_HERE, /* a local name */
	PLACE_HOST, /* one, if it is known here */
};

/* Mail to these is for whoever runs the machine (RFC 5321 4.5.1). */
static const char *const owners[] = {"postmaster", "mailer-daemon"};

/* The accounts that systems are born with: their mail is root's. */
static const char *const system_names[] = {"root", "abuse", "admin",
	"administrator", "backup", "bin", "cron", "daemon", "games",
	"hostmaster", "irc", "list", "lp", "mail", "man", "news", "nobody",
	"noc", "operator", "proxy", "security", "sync", "sys", "uucp",
	"webmaster", "www", "www-data"};

struct expansion {
	const struct local_names *names;
	local_add_fn *add;
	void *arg;
	size_t added;
	size_t unknown; /* names that nothing is known of */
	bool in_root;   /* what root's alias says is being added */
};

static bool is_one_of(const char *name, const char *const *list, size_t count)
{
	size_t i;

	for (i = 0; i < count; i++)
		if (address_same(name, list[i]))
			return true;
	return false;
}

static bool is_owner(const char *name)
{
	return is_one_of(name, owners, COUNT_OF(owners));
}

static bool is_system(const char *name)
{
	return is_one_of(name, system_names, COUNT_OF(system_names));
}

static const char *domain_of(const char *address)
{
	const char *at = strrchr(address, '@');

	return at != NULL ? at + 1 : "";
}

/* a is b, or b's first label alone. */
static bool is_short_for(const char *a, const char *b)
{
	size_t len = strlen(a);

	return strncasecmp(a, b, len) == 0 && (b[len] == '\0' || b[len] == '.');
}

static enum place place_of(
	const struct local_names *n, const struct address *address)
{
	const char *domain = address->text + address->local_len;

	if (*domain == '\0' || address_is_localhost(address))
		return PLACE_HERE;
	domain++;
	if (strpbrk(domain, ".[") == NULL && is_short_for(domain, n->host))
		return PLACE_HERE;
	if (!address_same(domain, n->host) ||
		address_same(domain, n->default_domain) ||
		address_same(domain, domain_of(n->account)))
		return PLACE_ELSEWHERE;
	return PLACE_HOST;
}

static int add(struct expansion *x, const struct address *address)
{
	x->added++;
	return x->add(x->arg, address);
}

static int add_owner(struct expansion *x)
{
	const struct local_names *n = x->names;
	const char *to = n->postmaster[0] != '\0' ? n->postmaster : n->account;
	struct address address;

	if (address_parse(&address, to, strlen(to), false, NULL) != 0) {
		x->unknown++;
		return 0;
	}
	return add(x, &address);
}

static int on_target(void *arg, const struct address *address);

/* To where root's mail goes. */
static int add_root(struct expansion *x, const char *name)
{
	const size_t before = x->added;

	/* root's alias may lead to such a name again */
	if (!x->in_root && !address_same(name, "root")) {
		x->in_root = true;
		if (aliases_expand(x->names->aliases, "root", on_target, x) < 0)
			return -1;
		x->in_root = false;
		if (x->added > before)
			return 0;
	}
	return add_owner(x);
}

/* A name without an alias. */
static int add_name(struct expansion *x, const struct address *name)
{
	const char *domain = x->names->default_domain;
	struct address whole = *name;

	if (is_owner(name->text))
		return add_owner(x);
	if (domain[0] != '\0' && local_qualify(&whole, domain, NULL) == 0)
		return add(x, &whole);
	if (is_system(name->text))
		return add_root(x, name->text);
	x->unknown++;
	return 0;
}

static int on_target(void *arg, const struct address *address)
{
	struct expansion *x = arg;

	if (address->text[address->local_len] != '\0')
		return add(x, address);
	return add_name(x, address);
}

/* Without an alias, and leads to somebody of this machine. */
static bool is_known(const struct local_names *n, const char *name)
{
	return is_owner(name) ||
	       (n->default_domain[0] == '\0' && is_system(name));
}

enum local_outcome local_expand(const struct local_names *names,
	const struct address *address, local_add_fn *add_one, void *arg)
{
	struct expansion x = {.names = names, .add = add_one, .arg = arg};
	const enum place place = place_of(names, address);
	struct address name = *address;
	int found;

	if (place == PLACE_ELSEWHERE)
		return LOCAL_NOT;
	name.text[name.local_len] = '\0';
	found = aliases_expand(names->aliases, name.text, on_target, &x);
	if (found < 0)
		return LOCAL_FAILED;
	if (found == 0 && place == PLACE_HOST && !is_known(names, name.text))
		return LOCAL_NOT;
	if (found == 0 && add_name(&x, &name) != 0)
		return LOCAL_FAILED;
	/* an alias of root's that leads to a user of this machine, say */
	if (x.added == 0 && x.unknown > 0 && is_system(name.text) &&
		add_owner(&x) != 0)
		return LOCAL_FAILED;
	if (x.added > 0)
		return LOCAL_KNOWN;
	return x.unknown > 0 ? LOCAL_NOBODY : LOCAL_REFUSED;
}

const char *local_domain(const struct local_names *names)
{
	return names->default_domain[0] != '\0' ? names->default_domain
						: names->host;
}

int local_qualify(struct address *address, const char *domain, struct err *err)
{
	struct address whole;
	char text[ADDRESS_MAX + 1];
	int len;

	if (address->text[0] == '\0' ||
		address->text[address->local_len] != '\0')
		return 0;
	len = snprintf(text, sizeof(text), "%s@%s", address->text, domain);
	if (len < 0 || (size_t)len >= sizeof(text))
		return err_set(err, ERR_SYNTAX,
			"the address is too long with its domain");
	if (address_parse(&whole, text, (size_t)len, false, err) != 0)
		return -1;
	*address = whole;
	return 0;
}

static int keep_first(void *arg, const struct address *address)
{
	struct address *out = arg;

	*out = *address;
	return -1;
}

/* Only what an alias says: the caller knows who comes after that. */
bool local_alias(const struct local_names *names, const struct address *address,
	struct address *out)
{
	struct expansion x = {.names = names, .add = keep_first, .arg = out};
	const char *domain = address->text + address->local_len;
	struct address name = *address;

	if (place_of(names, address) == PLACE_ELSEWHERE &&
		!(names->default_domain[0] != '\0' &&
			address_same(domain + 1, names->default_domain)))
		return false;
	name.text[name.local_len] = '\0';
	aliases_expand(names->aliases, name.text, on_target, &x);
	return x.added > 0;
}
