/*
 * test_local.c - addresses without a domain, or with this machine's.
 */
#include "config.h"

#include "proto/local.h"

#include "base/buf.h"
#include "base/util.h"
#include "proto/aliases.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

enum { TEXT_MAX = 4096 };

static const char file[] = "jan: jan@example.net\n"
			   "team: jan, ann@example.net, bob\n"
			   "pipe: |/usr/bin/x\n"
			   "nowhere: bob\n"
			   "lp: bob\n"
			   "games: |/usr/bin/x\n";

/* With an alias for root as well. */
static const char with_root[] = "root: jan\njan: jan@example.net\n"
				"postmaster: root\n";

/* What an installer leaves: a user of the machine. */
static const char debian[] = "root: bob\npostmaster: root\n";

static const char circle[] = "root: www-data, bob\n";

#define OWNER "owner@example.com"
#define ME    "me@gmail.com"
#define FQDN  "web1.example.org"

static const struct vector {
	const char *in;
	const char *file;
	const char *domain;
	const char *host;
	const char *postmaster;
	enum local_outcome outcome;
	const char *out;
} vectors[] = {
	/* whole addresses of others */
	{"jan@example.com", file, "", FQDN, "", LOCAL_NOT, ""},
	{"jan@example.org", file, "example.org", FQDN, "", LOCAL_NOT, ""},
	{"root@gmail.com", file, "", "gmail.com", "", LOCAL_NOT, ""},
	{"jan@xample.org", file, "", FQDN, "", LOCAL_NOT, ""},
	{"jan@web", file, "", FQDN, "", LOCAL_NOT, ""},
	{"jan@[127.0.0.1]", file, "", FQDN, "", LOCAL_NOT, ""},
	/* aliases, by all of this machine's names */
	{"jan", file, "", FQDN, "", LOCAL_KNOWN, "jan@example.net"},
	{"JAN", file, "example.org", FQDN, "", LOCAL_KNOWN, "jan@example.net"},
	{"jan@localhost", file, "", FQDN, "", LOCAL_KNOWN, "jan@example.net"},
	{"jan@LocalHost.LocalDomain", file, "", FQDN, "", LOCAL_KNOWN,
		"jan@example.net"},
	{"jan@WEB1", file, "", FQDN, "", LOCAL_KNOWN, "jan@example.net"},
	{"jan@web1", file, "", "web1", "", LOCAL_KNOWN, "jan@example.net"},
	{"jan@Web1.example.org", file, "", FQDN, "", LOCAL_KNOWN,
		"jan@example.net"},
	{"jan@web1.example.org", file, FQDN, FQDN, "", LOCAL_NOT, ""},
	{"jan@[192.0.2.1]", file, "", "[192.0.2.1]", "", LOCAL_KNOWN,
		"jan@example.net"},
	{"team", file, "example.org", FQDN, "", LOCAL_KNOWN,
		"jan@example.net, ann@example.net, bob@example.org"},
	{"team", file, "", FQDN, "", LOCAL_KNOWN,
		"jan@example.net, ann@example.net"},
	{"pipe", file, "example.org", FQDN, "", LOCAL_REFUSED, ""},
	{"pipe@localhost", file, "", FQDN, OWNER, LOCAL_REFUSED, ""},
	{"games", file, "", FQDN, OWNER, LOCAL_REFUSED, ""},
	/* names without one */
	{"bob", file, "example.org", FQDN, "", LOCAL_KNOWN, "bob@example.org"},
	{"bob@localhost", file, "example.org", FQDN, "", LOCAL_KNOWN,
		"bob@example.org"},
	{"bob", NULL, "", FQDN, OWNER, LOCAL_NOBODY, ""},
	{"bob@localhost", file, "", FQDN, OWNER, LOCAL_NOBODY, ""},
	{"nowhere", file, "", FQDN, OWNER, LOCAL_NOBODY, ""},
	{"bob@web1.example.org", file, "", FQDN, "", LOCAL_NOT, ""},
	{"\"bob b\"", file, "example.org", FQDN, "", LOCAL_KNOWN,
		"\"bob b\"@example.org"},
	/* the owner */
	{"postmaster", file, "", FQDN, OWNER, LOCAL_KNOWN, OWNER},
	{"Postmaster", NULL, "example.org", FQDN, OWNER, LOCAL_KNOWN, OWNER},
	{"postmaster", NULL, "", FQDN, "", LOCAL_KNOWN, ME},
	{"mailer-daemon", NULL, "", FQDN, "", LOCAL_KNOWN, ME},
	{"postmaster@web1.example.org", NULL, "example.org", FQDN, OWNER,
		LOCAL_KNOWN, OWNER},
	{"postmaster", with_root, "", FQDN, OWNER, LOCAL_KNOWN,
		"jan@example.net"},
	/* root and those like it */
	{"root", NULL, "", FQDN, OWNER, LOCAL_KNOWN, OWNER},
	{"root", NULL, "", FQDN, "", LOCAL_KNOWN, ME},
	{"Root@localhost", file, "", "web1", "", LOCAL_KNOWN, ME},
	{"root@web1.example.org", file, "", FQDN, "", LOCAL_KNOWN, ME},
	{"root@web1.example.org", file, "example.org", FQDN, "", LOCAL_NOT, ""},
	{"root", file, "example.org", FQDN, OWNER, LOCAL_KNOWN,
		"root@example.org"},
	{"www-data", NULL, "", FQDN, "", LOCAL_KNOWN, ME},
	{"www-data", with_root, "", FQDN, "", LOCAL_KNOWN, "jan@example.net"},
	{"www-data", with_root, "example.org", FQDN, "", LOCAL_KNOWN,
		"www-data@example.org"},
	{"lp", file, "", FQDN, "", LOCAL_KNOWN, ME},
	{"root", debian, "", FQDN, OWNER, LOCAL_KNOWN, OWNER},
	{"www-data", debian, "", FQDN, "", LOCAL_KNOWN, ME},
	{"root", debian, "example.org", FQDN, "", LOCAL_KNOWN,
		"bob@example.org"},
	{"root", circle, "", FQDN, "", LOCAL_KNOWN, ME},
	{"www-data", circle, "", FQDN, "", LOCAL_KNOWN, ME},
};

static void tell_nobody(void *arg, bool error, unsigned line, const char *text)
{
	(void)arg;
	(void)error;
	(void)line;
	(void)text;
}

static int on_address(void *arg, const struct address *address)
{
	struct buf *out = arg;
	struct address again;

	/* whole, and what address_parse() makes of it */
	assert_int_equal(address_parse(&again, address->text,
				 strlen(address->text), false, NULL),
		0);
	assert_string_equal(again.text, address->text);
	assert_int_equal(again.local_len, address->local_len);
	assert_int_equal(again.utf8, address->utf8);
	return buf_addf(out, "%s%s", out->len > 0 ? ", " : "", address->text);
}

static struct address address_of(const char *text)
{
	struct address a;

	assert_int_equal(address_parse(&a, text, strlen(text), true, NULL), 0);
	return a;
}

static void whom_they_mean(void **state)
{
	struct address address;
	struct aliases *aliases;
	struct buf out;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(vectors); i++) {
		const struct vector *v = &vectors[i];

		aliases = v->file == NULL
				  ? NULL
				  : aliases_parse(v->file, strlen(v->file),
					    tell_nobody, NULL);
		const struct local_names names = {
			aliases, v->domain, v->host, v->postmaster, ME};

		buf_init(&out, TEXT_MAX);
		buf_add(&out, "", 0);
		address = address_of(v->in);
		if (local_expand(&names, &address, on_address, &out) !=
				v->outcome ||
			strcmp(out.data, v->out) != 0)
			fail_msg("%zu %s: %s", i, v->in, out.data);
		buf_free(&out);
		aliases_free(&aliases);
	}
}

static void senders_get_a_domain(void **state)
{
	const struct local_names with = {NULL, "example.org", "web1", "", ME};
	const struct local_names without = {NULL, "", "web1", "", ME};
	struct address a = address_of("scanner");
	struct err err;
	char longest[ADDRESS_DOMAIN_MAX + 2];

	(void)state;
	assert_int_equal(local_qualify(&a, local_domain(&with), &err), 0);
	assert_string_equal(a.text, "scanner@example.org");
	assert_int_equal(local_qualify(&a, local_domain(&without), &err), 0);
	assert_string_equal(a.text, "scanner@example.org");
	a = address_of("\"a b\"");
	assert_int_equal(local_qualify(&a, local_domain(&without), &err), 0);
	assert_string_equal(a.text, "\"a b\"@web1");
	memset(&a, 0, sizeof(a));
	assert_int_equal(local_qualify(&a, "x.org", &err), 0);
	assert_string_equal(a.text, "");
	a = address_of("scanner");
	assert_int_equal(local_qualify(&a, "not a domain", &err), -1);
	assert_int_equal(err.kind, ERR_SYNTAX);
	memset(longest, 'a', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = '\0';
	assert_int_equal(local_qualify(&a, longest, &err), -1);
	assert_string_equal(a.text, "scanner");
}

static int refuse(void *arg, const struct address *address)
{
	(void)arg;
	(void)address;
	return -1;
}

static void the_caller_may_refuse(void **state)
{
	struct aliases *aliases =
		aliases_parse(file, strlen(file), tell_nobody, NULL);
	const struct local_names names = {aliases, "", "web1", OWNER, ME};
	static const char *const each[] = {"jan", "root", "postmaster", "lp"};
	struct address a;
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(each); i++) {
		a = address_of(each[i]);
		assert_int_equal(
			local_expand(&names, &a, refuse, NULL), LOCAL_FAILED);
	}
	aliases_free(&aliases);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(whom_they_mean),
		cmocka_unit_test(senders_get_a_domain),
		cmocka_unit_test(the_caller_may_refuse),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
