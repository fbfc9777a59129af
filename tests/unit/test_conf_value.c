/*
 * test_conf_value.c - every rule for numbers, names, hosts and accounts.
 */
#include "config.h"

#include "conf_fixture.h"

#include <arpa/inet.h>
#include <ifaddrs.h>

static const struct vector amounts_vectors[] = {
	{"client-timeout = 300",
		{"E1: client-timeout: \"300\" has no unit; write "
		 "\"300s\", \"300m\""}},
	{"client-timeout = \"5 m\"", {"E1: \"5 m\" is not a time"}},
	{"client-timeout = \"5M\"", {"E1: \"5M\" is not a time"}},
	{"client-timeout = \"5ms\"", {"E1: is not a time"}},
	{"client-timeout = \"\"", {"E1: \"\" is not a time"}},
	{"client-timeout = \"-5m\"", {"E1: is not a time"}},
	{"client-timeout = 0",
		{"E1: \"0\" is too small; from 1s to 1d is allowed"}},
	{"client-timeout = 25h", {"E1: \"25h\" is too large"}},
	{"client-timeout = 86400s", {NULL}},
	{"client-timeout = 999999999999d", {"E1: is too large"}},
	{"client-timeout = 99999999999999999999d", {"E1: is too large"}},
	{"retry = {}", {"E1: retry: 0 times; from 1 to 16"}},
	{"retry = {1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1d}", {NULL}},
	{"retry = {1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s,1s}",
		{"E1: retry: 17 times"}},
	{"retry = {1h,\n1m,\n2d}", {"E3: retry: \"2d\" is too large"}},
	{"retry = {0}", {"E1: retry: \"0\" is too small"}},
	{"backoff = 5s", {"E1: backoff: 1 time; two are needed"}},
	{"backoff = {1s,2s,3s}", {"E1: backoff: 3 times"}},
	{"backoff = {5m, 5s}", {"E1: write {\"5s\", \"5m\"}"}},
	{"backoff = {5s, x}", {"E1: backoff: \"x\" is not a time"}},
	{"expire = 4h", {"W1: delay-notice is not shorter"}},
	{"\nexpire = 2h\ndelay-notice = 3h", {"W3: delay-notice is"}},
	{"expire = 2h\ndelay-notice = 2h", {NULL}},
	{"delay-notice = 5d", {NULL}},
	{"delay-notice = 6d", {"W1: delay-notice is"}},
	{"message-size = 1K", {NULL}},
	{"message-size = 35882577", {NULL}},
	{"message-size = 35882578", {"W1: is more than Gmail takes"}},
	{"message-size = 1000M", {"W1: is more than Gmail takes"}},
	{"message-size = \"30MB\"", {"E1: \"30MB\" is not a size"}},
	{"message-size = 30m", {"E1: \"30m\" is not a size"}},
	{"message-size = 1023",
		{"E1: \"1023\" is too small; from 1K to 1024M"}},
	{"message-size = 1025M", {"E1: \"1025M\" is too large"}},
	{"max-clients = 0", {"E1: \"0\" is too small; from 1 to 4000"}},
	{"max-clients = 4001", {"E1: \"4001\" is too large"}},
	{"max-clients = 4294967297", {"E1: is too large"}},
	{"max-clients = 0x10", {"E1: \"0x10\" is not a number"}},
	{"max-clients = 010", {"E1: \"010\" is not a number"}},
	{"max-clients = -1", {"E1: \"-1\" is not a number"}},
	{"max-clients = 1K", {"E1: \"1K\" is not a number"}},
	{"max-clients = \"\"", {"E1: \"\" is not a number"}},
	{"max-recipients = 10001", {"E1: is too large"}},
};

static void test_amounts(void **state)
{
	run(state, amounts_vectors, COUNT_OF(amounts_vectors));
}

static const struct vector names_and_paths_vectors[] = {
	{"hostname = \"relay.example.com\"", {NULL}},
	{"hostname = \"\"", {NULL}},
	{"hostname = \"[192.0.2.1]\"", {NULL}},
	{"hostname = \"[IPv6:2001:db8::1]\"", {NULL}},
	{"hostname = \"localhost\"", {"E1: tells Gmail nothing"}},
	{"hostname = \"LocalHost.localdomain\"", {"E1: tells Gmail"}},
	{"hostname = \"printer\"", {"W1: is no full name"}},
	{"hostname = \"192.0.2.1\"", {"E1: write it in brackets"}},
	{"hostname = \"2001:db8::1\"", {"E1: write it in brackets"}},
	{"hostname = \"[192.0.2]\"", {"E1: is not an address literal"}},
	{"hostname = \"[::1]\"", {"E1: is not an address literal"}},
	{"hostname = \"[IPv6:1.2.3.4]\"", {"E1: is not an address"}},
	{"hostname = \"[]\"", {"E1: is not an address literal"}},
	{"hostname = \"a_b.c\"", {"E1: is not a host name"}},
	{"hostname = \"-a.b\"", {"E1: is not a host name"}},
	{"hostname = \"a-.b\"", {"E1: is not a host name"}},
	{"hostname = \"a..b\"", {"E1: is not a host name"}},
	{"hostname = \"a.b.\"", {"E1: is not a host name"}},
	{"hostname = \"a b\"", {"E1: is not a host name"}},
	{"hostname = \"a,b.c\"", {"E1: is not a host name"}},
	{"hostname = "
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaa.b\"",
		{NULL}},
	{"hostname = "
	 "\"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaa.b\"",
		{"E1: is not a host name"}},
	{"spool = \"var/spool\"", {"E1: is not an absolute path"}},
	{"spool = \"\"", {"E1: is not an absolute path"}},
	{"control = \"x\"", {"E1: is not an absolute path"}},
	{"control = \"/x\"\n\nsubmit = \"/x\"",
		{"E3: submit and control are the same socket"}},
	/* 107 octets, then 108 */
	{"control = "
	 "\"/1234567890123456789012345678901234567890123456789012345678"
	 "901234567890123456789012345678901234567890123456\"",
		{NULL}},
	{"control = "
	 "\"/1234567890123456789012345678901234567890123456789012345678"
	 "9012345678901234567890123456789012345678901234567\"",
		{"E1: has 108 octets, a socket's path at most 107"}},
	{"user = \"root\"", {"E1: would keep all of root's rights"}},
	{"relay-user = 0", {"E1: like \"gmrelayd-relay\""}},
	{"user = \"00\"", {"E1: would keep all of root's rights"}},
	{"user = \"\"", {"E1: is neither a user's name nor a number"}},
	{"user = \"a:b\"", {"E1: is neither a user's name"}},
	{"user = \"-1\"", {"E1: is neither a user's name"}},
	{"user = \"x\"\nrelay-user = \"x\"", {"E2: are the same"}},
};

static const struct vector aliases_vectors[] = {
	{"aliases = \"\"", {NULL}},
	{"aliases = \"/x/y\"", {NULL}},
	{"aliases = \"aliases\"", {"E1: is not an absolute path"}},
	{"alias-maps = \"/x\"", {"E1: aliases"}},
	{"default-domain = \"\"", {NULL}},
	{"default-domain = \"example.com\"", {NULL}},
	{"default-domain = \"@example.com\"",
		{"E1: begins with an @; write \"example.com\""}},
	{"default-domain = \"localhost\"", {"E1: is not a domain that takes"}},
	{"default-domain = \"a b\"", {"E1: is not a domain that takes mail"}},
	{"default-domain = \"192.0.2.1\"", {"E1: is not a domain that takes"}},
	{"default-domain = \"a@b.c\"", {"E1: is not a domain that takes"}},
	{"myorigin = \"x\"", {"E1: default-domain"}},
};

static void test_aliases(void **state)
{
	run(state, aliases_vectors, COUNT_OF(aliases_vectors));
}

static const struct vector names_and_paths_whole_vectors[] = {
	{"postmaster = \"root\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"a@b@c\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"a@-b\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"a..b@c.d\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \".a@c.d\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"a.@c.d\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"a.b@c.d\"\n" ACCOUNT, {NULL}},
	{"postmaster = \"A <a@b.c>\"\n" ACCOUNT, {"E1: is not a mail"}},
	{"postmaster = \"\xc3\xa4@b\xc3\xa4.c\"\n" ACCOUNT, {NULL}},
	{"postmaster = \"\"\n" ACCOUNT, {"W1: postmaster is not set"}},
	{ACCOUNT "\n\n", {"W4: postmaster is not set"}},
};

static void test_names_and_paths(void **state)
{
	run(state, names_and_paths_vectors, COUNT_OF(names_and_paths_vectors));
	run_whole(state, names_and_paths_whole_vectors,
		COUNT_OF(names_and_paths_whole_vectors));
}

/* An account with one more setting, or another value; line 2. */
#define A(more)                                                                \
	POSTMASTER "account { username = \"a@gmail.com\" "                     \
		   "password-file = \"/p\"\n" more "}\n"

static const struct vector account_vectors[] = {
	{POSTMASTER "\naccount {\n}\n",
		{"E3: username: is missing; an account needs three "
		 "lines",
			"E3: password-file: is missing"}},
	{POSTMASTER "account { password-file = /p\nusername = \"\" }",
		{"E3: username: is missing"}},
	{POSTMASTER "account { password-file = /p username = bob }",
		{"E2: is not a full address; write "
		 "\"bob@gmail.com\""}},
	{POSTMASTER "account { password-file = /p\n"
		    "username = \"Bob <bob@gmail.com>\" }",
		{"E3: is not a mail address; write it bare"}},
	{POSTMASTER "account { password-file = /p username = \"@b\" }",
		{"E2: is not a mail address"}},
	{POSTMASTER "account { password-file = /p username = \"a@\" }",
		{"E2: is not a mail address"}},
	/* systemd's credential: others than the daemon do not see it */
	{POSTMASTER "account { username = a@b.c\npassword-file = pw }", {NULL}},
	{POSTMASTER "account { username = a@b.c\n"
		    "password-file = 'ab cd' }",
		{"E3: password-file: this is not the path of a file"}},
	{A("host = \"POP.gmail.com\""),
		{"E3: write host = \"smtp.gmail.com\""}},
	{A("host = \"imap.gmail.com\""),
		{"E3: write host = \"smtp.gmail.com\""}},
	{A("host = \"\""), {"E3: is neither a host name nor"}},
	{A("host = \"smtp.gmail.com:587\""), {"E3: has a port in it"}},
	{A("host = \"smtps://smtp.gmail.com\""), {"E3: is a URL"}},
	{"message-size = 50M\n" A("host = \"smtps://smtp.gmail.com\""),
		{"E4: is a URL"}},
	{A("host = \"192.0.2\""), {"E3: is neither a host name nor"}},
	{A("host = \"2001:db8::x\""), {"E3: is neither a host name"}},
	{A("host = \"a b\""), {"E3: is neither a host name nor"}},
	{A("host = \"192.0.2.1\""), {NULL}},
	{A("host = \"[192.0.2.1]\""), {NULL}},
	{A("host = \"2001:db8::1\""), {NULL}},
	{A("port = 0"), {"E3: from 1 to 65535 is allowed"}},
	{A("port = 65536"), {"E3: is too large"}},
	{A("port = smtp"), {"E3: \"smtp\" is not a number"}},
	{A("port = 25"), {"W3: port 25 is closed to most"}},
	{A("port = 25 host = \"mail.example.org\""), {NULL}},
	{A("port = 465"), {"W3: write tls = \"implicit\""}},
	{A("port = 465 tls = \"implicit\""), {NULL}},
	{A("\ntls = \"implicit\""), {"W4: write port = 465"}},
	{A("port = 587\n\ntls = \"implicit\""), {"W3: write port"}},
	{A("tls = \"none\""), {"E3: never without TLS"}},
	{A("tls = \"STARTTLS\""), {"E3: write \"starttls\""}},
	{A("ca-file = \"x.pem\""), {"E3: is not an absolute path"}},
	{A("ca-file = \"/nonexistent/x\""), {"E3: cannot be read"}},
	{A("ca-file = \"/tmp\""), {"E3: cannot be read as a file"}},
	{A("ca-file = \"/dev/null\""), {"E3: cannot be read as a"}},
	{A("connections = 0"), {"E3: is too small"}},
	{A("connections = 101"), {"E3: is too large"}},
	{A("messages-per-connection = 0"), {"E3: is too small"}},
	{A("message-gap = 1"), {"E3: has no unit"}},
	{A("message-gap = 61m"), {"E3: is too large; from 0 to 1h"}},
	{A("from = \"auto\" send-as = {\"b@x.org\"}"), {NULL}},
	{A("from = \"account\""), {NULL}},
	{A("from = \"b@x.org\""), {"E3: write \"auto\""}},
	{A("from = \"Auto\""), {"E3: is unknown"}},
	{A("send-as = {}"), {NULL}},
	{A("send-as = {\"b@x.org\",\n\"B <b@x.org>\"}"),
		{"E4: is not a mail address"}},
	{A("send-as = {\"\"}"), {"E3: is not a mail address"}},
	{A("from = \"keep\"\nsend-as = {\"b@x.org\"}"), {"W4: only with from"}},
	{A("daily-messages = 100000001"), {"E3: is too large"}},
	{A("name = \"\""), {"E3: cannot be a name"}},
	{A("name = \"a b\""), {"E3: cannot be a name"}},
	{A("name = \"a/b\""), {"E3: cannot be a name"}},
	{A("name = x") "account {\nname = \"X\"\nusername = b@b.c "
		       "password-file = /p }",
		{"E5: the name \"X\" is taken by the account in line "
		 "2"}},
	{ACCOUNT POSTMASTER "\n" ACCOUNT,
		{"E4: the name \"default\" is taken by the account in "
		 "line 1; give each"}},
};

static void test_account(void **state)
{
	run_whole(state, account_vectors, COUNT_OF(account_vectors));
}

static const struct vector credentials_directory_vectors[] = {
	{POSTMASTER "account { username = a@b.c password-file = pw-1 }",
		{NULL}},
	{POSTMASTER "account { username = a@b.c password-file = a/b }",
		{"E2: this is not the path of a file"}},
};

static void test_credentials_directory(void **state)
{
	setenv("CREDENTIALS_DIRECTORY", "/run/credentials/x", 1);
	run_whole(state, credentials_directory_vectors,
		COUNT_OF(credentials_directory_vectors));
	unsetenv("CREDENTIALS_DIRECTORY");
}

static const struct vector loops_vectors[] = {
	{A("host = localhost port = 25\n}\naccount { name = b "
	   "username = a@b.c password-file = /q"),
		{"E3: is this relay itself (listen \"127.0.0.1:25\")"}},
	{A("host = localhost port = 2525"), {NULL}},
	{A("host = \"127.0.0.1\" port = 25"), {"E3: relay itself"}},
	/* next door, as stunnel has it */
	{A("host = \"127.9.9.9\" port = 25"), {NULL}},
	{"listen = {\"127.0.0.2:587\"}\n" A("host = \"127.0.0.1\""), {NULL}},
	{"listen = {\"127.0.0.2:587\"}\n" A("host = \"127.0.0.2\""),
		{"E4: relay itself"}},
	{"listen = {\"127.0.0.2:587\"}\n" A("host = localhost"), {NULL}},
	{"listen = {\"[::1]:587\"}\n" A("host = \"127.0.0.1\""), {NULL}},
	{"listen = {\"[::]:587\"} allow = \"fd00::/8\"\n" A(
		 "host = \"127.0.0.1\""),
		{NULL}},
	{"listen = {\"127.0.0.1:587\"}\n" A("host = \"localhost.localdomain\""),
		{"E4: relay itself"}},
	{"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"LocalHost.localdomain\""),
		{"E4: relay itself"}},
	{"listen = {\"[::1]:587\"}\n" A("host = \"ip6-localhost\""),
		{"E4: relay itself"}},
	{"listen = {\"127.0.0.1:587\"}\n" A("host = \"mail.localhost\""),
		{"E4: relay itself"}},
	{"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"localhost.example.com\""),
		{NULL}},
	{A("host = \"::1\" port = 25"), {"E3: relay itself"}},
	{A("host = \"0.0.0.0\" port = 25"), {"E3: relay itself"}},
	{"listen = {\"192.0.2.7:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"192.0.2.7\""),
		{"E4: is this relay itself (listen \"192.0.2.7:587\")"}},
	{"listen = {\"192.0.2.7:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"192.0.2.8\""),
		{NULL}},
	{"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"192.0.2.8\""),
		{NULL}},
	{"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n" A(
		 "host = \"127.0.0.1\""),
		{"E4: relay itself"}},
	{"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n"
	 "hostname = \"mail.example.org\"\n" A("host = \"MAIL.example.org\""),
		{"E5: relay itself"}},
	{"listen = {\"127.0.0.1:587\"}\n"
	 "hostname = \"mail.example.org\"\n" A("host = \"mail.example.org\""),
		{NULL}},
};

static void test_loops(void **state)
{
	run_whole(state, loops_vectors, COUNT_OF(loops_vectors));
}

/* An address of one of this machine's interfaces other than loopback, if it
 * has one: then a listener on all addresses is reached by it. */
static void test_loop_by_own_address(void **state)
{
	struct fixture *f = *state;
	struct ifaddrs *all, *i;
	char text[512], host[64];
	struct sockaddr_in v4;
	struct conf *c;

	assert_int_equal(getifaddrs(&all), 0);
	for (i = all; i != NULL; i = i->ifa_next) {
		if (i->ifa_addr == NULL || i->ifa_addr->sa_family != AF_INET)
			continue;
		memcpy(&v4, i->ifa_addr, sizeof(v4));
		inet_ntop(AF_INET, &v4.sin_addr, host, sizeof(host));
		snprintf(text, sizeof(text),
			"listen = {\"*:587\"} allow = \"10.0.0.0/8\"\n" A(
				"host = \"%s\""),
			host);
		c = load(f, text, strlen(text));
		assert_null(c);
		assert_true(problem_is(f, 0, "E4: relay itself"));
	}
	freeifaddrs(all);
}

static void test_daily_limits(void **state)
{
	static const struct {
		const char *username, *host;
		unsigned messages, recipients;
	} v[] = {
		{"a@gmail.com", "smtp.gmail.com", 500, 500},
		{"a@GMail.com", "SMTP.gmail.com", 500, 500},
		{"a@googlemail.com", "smtp.googlemail.com", 500, 500},
		{"a@example.com", "smtp.gmail.com", 2000, 10000},
		{"a@notgmail.com", "smtp-relay.gmail.com", 2000, 10000},
		{"a@example.com", "mail.example.com", 0, 0},
		{"a@example.com", "smtp.notgmail.com", 0, 0},
		{"a@gmail.com", "127.0.0.1", 0, 0},
	};
	struct conf_account a = {0};
	size_t i;

	(void)state;
	for (i = 0; i < COUNT_OF(v); i++) {
		a.username = xstrdup(v[i].username);
		a.host = xstrdup(v[i].host);
		a.daily_messages = a.daily_recipients = 0;
		assert_int_equal(conf_daily_messages(&a), v[i].messages);
		assert_int_equal(conf_daily_recipients(&a), v[i].recipients);
		a.daily_messages = 7;
		a.daily_recipients = 8;
		assert_int_equal(conf_daily_messages(&a), 7);
		assert_int_equal(conf_daily_recipients(&a), 8);
		free(a.username);
		free(a.host);
	}
}

/* The longest that may be, and one octet more. */
static void test_long_values(void **state)
{
	static const struct {
		const char *before;
		size_t max;
		const char *after, *words;
	} v[] = {
		{"spool = \"/", 1023, "\"\n", "is longer than 1024 octets"},
		{"hostname = \"a", 252, ".b\"\n", "is not a host name"},
		{"postmaster = \"", 64, "@b\"\n", "is not a mail address"},
		{"account { name = b username = a@b.c password-file = \"/",
			1023, "\" }\n", "is longer than 1024 octets"},
	};
	struct fixture *f = *state;
	char text[4096], filler[2048];
	struct conf *c;
	size_t i, more, j;

	for (i = 0; i < COUNT_OF(v); i++)
		for (more = 0; more < 2; more++) {
			for (j = 0; j < v[i].max + more; j++)
				filler[j] = j % 50 == 49 ? '.' : 'x';
			filler[j] = '\0';
			snprintf(text, sizeof(text), "%s%s%s%s", v[i].before,
				filler, v[i].after, ACCOUNT);
			c = load(f, text, strlen(text));
			assert_int_equal(c != NULL, more == 0);
			if (c == NULL)
				assert_non_null(strstr(
					f->problems.items[0].text, v[i].words));
			conf_free(&c);
		}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_amounts, setup, teardown),
		cmocka_unit_test_setup_teardown(test_aliases, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_names_and_paths, setup, teardown),
		cmocka_unit_test_setup_teardown(test_account, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_credentials_directory, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_long_values, setup, teardown),
		cmocka_unit_test_setup_teardown(test_loops, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_loop_by_own_address, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_daily_limits, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
