/*
 * test_conf_client.c - sections of clients: their settings, and whose they are.
 */
#include "config.h"

#include "base/buf.h"

#include "conf_fixture.h"

#include <arpa/inet.h>
#include <sys/un.h>

#define CERT "tls-cert = /c tls-key = /k "
#define LO   "networks = {\"127.0.0.9\"} "
#define LAN  FAR "client { networks = {\"192.168.1.0/24\"} "

static const char everything[] =
	FAR CERT "users-file = /u proxy = {\"10.0.0.5\", \"8.8.8.8\"}\n"
		 "client { name = printers networks = {\"192.168.1.0/24\",\n"
		 " \"fd00:1::/64\"} auth = any tls = require min-tls = 1.0\n"
		 " syntax = strict lf-dot = no account = SECOND\n"
		 " default-sender = \"scanner@example.com\"\n"
		 " messages-per-hour = 200 message-size = 30M }\n"
		 "client { networks = {\"192.168.1.7\"} auth = users"
		 " lf-dot = true }\n"
		 "account { name = other username = a@b.c"
		 " password-file = /p }\n"
		 "account { name = second username = d@b.c"
		 " password-file = /p }\n" POSTMASTER;

static void check_defaults(const struct conf_client *p)
{
	assert_int_equal(p->auth, CONF_AUTH_NONE);
	assert_int_equal(p->tls, CONF_CLIENT_TLS_OFFER);
	assert_int_equal(p->min_tls, CONF_TLS_1_2);
	assert_int_equal(p->syntax, CONF_SYNTAX_TOLERANT);
	assert_false(p->lf_dot);
	assert_string_equal(p->name, "");
	assert_string_equal(p->account, "");
	assert_int_equal(p->account_index, 0);
	assert_string_equal(p->default_sender, "");
	assert_int_equal(p->messages_per_hour, 0);
	assert_int_equal(p->message_size, 0);
}

static void test_everything(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, everything, strlen(everything));
	const struct conf_client *p;

	if (c == NULL)
		show_problems(f, everything);
	assert_non_null(c);
	/* 8.8.8.8 is one address: no warning */
	assert_int_equal(f->problems.count, 0);
	assert_string_equal(c->tls_cert, "/c");
	assert_string_equal(c->tls_key, "/k");
	assert_string_equal(c->users_file, "/u");
	assert_int_equal(c->proxy.count, 2);
	assert_string_equal(c->proxy.items[1].text, "8.8.8.8");
	assert_int_equal(c->client_count, 3);
	check_defaults(&c->clients[0]);
	assert_int_equal(c->clients[0].line, 0);
	assert_ptr_equal(conf_client_local(c), &c->clients[0]);
	p = &c->clients[1];
	assert_string_equal(p->name, "printers");
	assert_int_equal(p->networks.count, 2);
	assert_string_equal(p->networks.items[1].text, "fd00:1::/64");
	assert_int_equal(p->networks.items[1].line, 3);
	assert_int_equal(p->auth, CONF_AUTH_ANY);
	assert_int_equal(p->tls, CONF_CLIENT_TLS_REQUIRE);
	assert_int_equal(p->min_tls, CONF_TLS_1_0);
	assert_int_equal(p->syntax, CONF_SYNTAX_STRICT);
	assert_false(p->lf_dot);
	assert_string_equal(p->account, "SECOND");
	assert_int_equal(p->account_index, 1);
	assert_string_equal(p->default_sender, "scanner@example.com");
	assert_int_equal(p->messages_per_hour, 200);
	assert_int_equal(p->message_size, 30 * 1048576);
	assert_int_equal(p->line, 2);
	assert_int_equal(c->clients[2].auth, CONF_AUTH_USERS);
	assert_true(c->clients[2].lf_dot);
	assert_int_equal(c->clients[2].line, 7);
	conf_free(&c);
	c = load_with_account(f, "");
	assert_non_null(c);
	assert_int_equal(c->client_count, 1);
	check_defaults(&c->clients[0]);
	assert_int_equal(c->clients[0].networks.count, 2);
	assert_string_equal(
		c->clients[0].networks.items[0].text, "127.0.0.0/8");
	assert_string_equal(c->clients[0].networks.items[1].text, "::1");
	assert_true(c->clients[0].networks.items[0].defaulted);
	conf_free(&c);
}

static const struct vector value_vectors[] = {
	{"client { " LO "}", {NULL}},
	{"client { }", {"E1: networks: is missing"}},
	{"client { networks = {} }", {"E1: networks: is missing"}},
	{"client {\nnetworks = {\"x\"}\n}", {"E2: networks: \"x\" is not"}},
	{"client { " LO "name = \"\" }", {NULL}},
	{"client { " LO "name = \"a b\" }", {"E1: cannot be a name"}},
	{"client { " LO "name = a }\nclient { networks = {\"::1\"}\n"
	 "name = A }",
		{"E3: the name \"A\" is taken by the client in line 1; give "
		 "each client"}},
	/* an account may be called the same */
	{"client { " LO "name = default }", {NULL}},
	{"client { " LO "auth = yes }",
		{"E1: auth: \"yes\" is unknown; write"}},
	{"client { " LO "tls = starttls }", {"E1: how an account connects"}},
	{"client { " LO "min-tls = 1.4 }", {"E1: \"1.4\" is unknown"}},
	{"client { " LO "syntax = lax }", {"E1: \"tolerant\" or \"strict\""}},
	{"client { " LO "lf-dot = on }", {"E1: write true or false"}},
	{"client { " LO "lf-dot = no }", {NULL}},
	{"client { " LO "lf-dot = true }", {NULL}},
	{"client { " LO "\nlf-dot = yes syntax = strict }",
		{"W2: lf-dot is of no use with syntax = \"strict\""}},
	{"client { " LO "default-sender = scanner }", {"E1: not a mail addr"}},
	{"client { " LO "default-sender = a.@b.c }", {"E1: not a mail addr"}},
	{"client { " LO "messages-per-hour = -1 }", {"E1: is not a number"}},
	{"client { " LO "messages-per-hour = 1000001 }", {"E1: too large"}},
	{"client { " LO "message-size = 1 }", {"E1: too small"}},
	{"client { " LO "message-size = 2000M }", {"E1: too large"}},
	{"client { " LO "account = defualt }",
		{"E1: no account \"defualt\"; did you mean \"default\"?"}},
	{"client { " LO "account = zzzzzzzzzzzz }",
		{"E1: no account \"zzzzzzzzzzzz\"; write the name"}},
	{"client { " LO "account = \"a b\" }", {"E1: cannot be a name"}},
	{"client { " LO "account = \"\" }", {NULL}},
	{"tls-cert = c", {"E1: tls-cert: \"c\" is not an absolute path",
				 "E1: of no use without its key"}},
	{"proxy = {\"lan\"}", {"E1: proxy: \"lan\" is not an address"}},
};

static const struct vector structure_vectors[] = {
	{"client printers { " LO "}", {"E1: a client has no title"}},
	{"client { " LO "frobnicate = 1 }",
		{"E1: unknown setting \"frobnicate\" in client; gmrelayd"}},
	{"client { network = {\"127.0.0.9\"} }",
		{"E1: in client; did you mean \"networks\"?"}},
	{"client { " LO "listen = {} }",
		{"E1: \"listen\" does not belong to a client; write it "
		 "outside of client { }"}},
	{"client { " LO "host = x }",
		{"E1: \"host\" belongs to an account; write it inside of acc"}},
	{"lf-dot = true",
		{"E1: \"lf-dot\" belongs to a client; write it inside of cl"}},
	{"client { " LO "password = x }", {"E1: secrets never stand"}},
};

static const struct vector structure_whole_vectors[] = {
	{"client { " LO "\naccount { username = a@b.c }",
		{"E1: the client that begins here is not closed; \"}\" is "
		 "missing before line 2"}},
	{"client { " LO "\nclient { username = a@b.c }",
		{"E1: the client that begins here is not closed; \"}\" is "
		 "missing before line 2"}},
	{"client { " LO, {"E1: missing before the end of the file"}},
	{"client = { }", {"E1: \"{\" is missing behind \"client\""}},
};

static void test_values(void **state)
{
	run(state, value_vectors, COUNT_OF(value_vectors));
	run(state, structure_vectors, COUNT_OF(structure_vectors));
	run_whole(state, structure_whole_vectors,
		COUNT_OF(structure_whole_vectors));
}

static const struct vector together_vectors[] = {
	/* one network, one place */
	{"client { " LO "}\nclient {\n" LO "}",
		{"E3: networks: \"127.0.0.9\" stands in line 1 already"}},
	{"allow = {\"127.0.0.0/8\",\n\"127.0.0.9\"}\nclient { " LO "}",
		{"E3: networks: \"127.0.0.9\" stands in line 2 already"}},
	{"client { networks = {\"127.0.0.0/8\"} }", {NULL}},
	{"allow = {\"127.0.0.0/8\"} client { networks = {\"127.0.0.0/8\"} }",
		{"E1: \"127.0.0.0/8\" stands in line 1 already"}},
	{"client { networks = {\"127.0.0.0/9\"} }", {NULL}},
	/* TLS */
	{"client { " LO "tls = require }", {"E1: needs a certificate"}},
	{CERT "client { " LO "tls = require }", {NULL}},
	{"client { " LO "tls = offer }", {"W1: offers nothing without"}},
	{"client { " LO "tls = none }", {NULL}},
	{"tls-cert = /c", {"E1: of no use without its key"}},
	{"\ntls-key = /k", {"E2: of no use without its certificate"}},
	{"tls-cert = c tls-key = /k client { " LO "tls = require }",
		{"E1: is not an absolute path"}},
	/* users */
	{"client { " LO "auth = users }", {"E1: needs to know them"}},
	{"users-file = /u client { " LO "auth = users }", {NULL}},
	{"users-file = /u client { " LO "auth = users tls = none }", {NULL}},
	{"users-file = /u client { " LO "auth = usrs }", {"E1: is unknown"}},
	{"users-file = u client { " LO "auth = users }", {"E1: absolute"}},
	{"\nusers-file = /u", {"W2: users-file is of use only to a client"}},
	{"users-file = /u " LAN "\nauth = users }",
		{"E2: needs a certificate, so that passwords"}},
	{CERT "users-file = /u " LAN "auth = users }", {NULL}},
	{CERT "users-file = /u " LAN "\nauth = users tls = none }",
		{"E2: is done under TLS alone"}},
	/* who can be reached, and by whom */
	{FAR "client { " LO "}", {"E1: but allow names none"}},
	{LAN "}", {NULL}},
	{FAR "client { networks = {\"x\"} }", {"E1: is not an address"}},
	{"client { networks = {\"192.168.1.0/24\"} }\n\n",
		{"W6: a client names other machines, but listen has no"}},
	{"proxy = {\"127.0.0.1\"} allow = {\"192.168.1.0/24\"}", {NULL}},
	{FAR "proxy = {\"192.168.1.1\"}", {"E1: but allow names none"}},
};

static void test_together(void **state)
{
	run(state, together_vectors, COUNT_OF(together_vectors));
}

/* The index of the profile for the address, or -1. */
static int profile_of(const struct conf *c, const char *address)
{
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_in6 v6 = {.sin6_family = AF_INET6};
	const struct sockaddr *sa = (const struct sockaddr *)&v4;
	const struct conf_client *found;

	if (inet_pton(AF_INET, address, &v4.sin_addr) != 1) {
		assert_int_equal(
			inet_pton(AF_INET6, address, &v6.sin6_addr), 1);
		sa = (const struct sockaddr *)&v6;
	}
	found = conf_client_for(c, sa);
	return found == NULL ? -1 : (int)(found - c->clients);
}

static void test_most_specific(void **state)
{
	static const struct {
		const char *address;
		int profile;
	} v[] = {
		{"127.0.0.1", 3},
		{"::1", 0},
		{"10.1.2.3", 0},
		{"10.2.0.1", 1},
		{"10.2.3.1", 2},
		{"::ffff:10.2.3.1", 2},
		{"10.2.3.4", 1},
		{"::ffff:10.2.3.4", 1},
		{"11.0.0.1", -1},
		{"fd00::1", 0},
		{"fd00:0:0:1::", 2},
		{"fe80::1", -1},
		{"::ffff:11.0.0.1", -1},
	};
	struct fixture *f = *state;
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct conf *c = load_with_account(f,
		FAR "allow = {\"::1\", \"10.0.0.0/8\", \"fd00::/8\"}\n"
		    "client { networks = {\"10.2.0.0/16\", \"10.2.3.4\"} }\n"
		    "client { networks = {\"fd00:0:0:1::/64\","
		    " \"10.2.3.0/24\"} }\n"
		    "client { networks = {\"127.0.0.1\"} }");
	size_t i;

	assert_non_null(c);
	for (i = 0; i < COUNT_OF(v); i++)
		if (profile_of(c, v[i].address) != v[i].profile)
			fail_msg("%s: %d", v[i].address,
				profile_of(c, v[i].address));
	assert_null(conf_client_for(c, (struct sockaddr *)&un));
	conf_free(&c);

	/* a default gives way to the same network of a client */
	c = load_with_account(
		f, "client { networks = {\"127.0.0.0/8\", \"::1\"} }");
	assert_non_null(c);
	assert_int_equal(profile_of(c, "127.9.9.9"), 1);
	assert_int_equal(profile_of(c, "::1"), 1);
	conf_free(&c);
}

static void test_is_proxy(void **state)
{
	struct fixture *f = *state;
	struct sockaddr_in v4 = {.sin_family = AF_INET};
	struct sockaddr_un un = {.sun_family = AF_UNIX};
	struct conf *c =
		load_with_account(f, "proxy = {\"10.0.0.0/24\", \"::1\"}");

	assert_non_null(c);
	v4.sin_addr.s_addr = htonl(0x0a000007);
	assert_true(conf_is_proxy(c, (struct sockaddr *)&v4));
	v4.sin_addr.s_addr = htonl(0x0a000107);
	assert_false(conf_is_proxy(c, (struct sockaddr *)&v4));
	assert_false(conf_is_proxy(c, (struct sockaddr *)&un));
	/* that alone lets nobody in */
	v4.sin_addr.s_addr = htonl(0x0a000007);
	assert_null(conf_client_for(c, (struct sockaddr *)&v4));
	conf_free(&c);
}

static void test_limits(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	struct conf *c;
	size_t i;

	buf_init(&b, 65536);
	for (i = 0; i < CONF_PROFILES_MAX; i++)
		buf_addf(&b, "client { networks = {\"127.0.1.%zu\"} }\n", i);
	c = load_with_account(f, b.data);
	assert_non_null(c);
	assert_int_equal(c->client_count, CONF_PROFILES_MAX + 1);
	conf_free(&c);
	buf_add_string(&b, "client { " LO "}\n");
	assert_null(load_with_account(f, b.data));
	assert_true(problem_is(f, 0, "E33: more than 32 clients"));
	buf_free(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(
			test_everything, setup, teardown),
		cmocka_unit_test_setup_teardown(test_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_together, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_most_specific, setup, teardown),
		cmocka_unit_test_setup_teardown(test_is_proxy, setup, teardown),
		cmocka_unit_test_setup_teardown(test_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
