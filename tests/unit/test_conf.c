/*
 * test_conf.c - the configuration as a whole: structure, lines, files.
 */
#include "config.h"

#include "base/buf.h"

#include "conf_fixture.h"

#include <sys/stat.h>

static void test_three_lines_and_defaults(void **state)
{
	struct fixture *f = *state;
	const char *text = "account {\n  username = \"someone@gmail.com\"\n"
			   "  password-file = \"/etc/gmrelayd/password\"\n}\n";
	struct conf *c = load(f, text, strlen(text));
	const struct conf_account *a;

	assert_non_null(c);
	assert_int_equal(f->problems.errors, 0);
	assert_int_equal(f->problems.warnings, 1);
	assert_true(problem_is(f, 0, "W5: postmaster is not set"));
	assert_string_equal(c->file, f->file);
	assert_string_equal(c->hostname, "");
	assert_string_equal(c->spool, "/var/spool/gmrelayd");
	assert_int_equal(c->listen_count, 2);
	assert_string_equal(c->listen[0].text, "127.0.0.1:25");
	assert_string_equal(c->listen[1].text, "[::1]:25");
	assert_true(c->listen[0].defaulted && c->listen[1].defaulted);
	assert_string_equal(c->control, "/run/gmrelayd/control.sock");
	assert_string_equal(c->submit, "/run/gmrelayd/submit.sock");
	assert_string_equal(c->user, "gmrelayd");
	assert_string_equal(c->relay_user, "gmrelayd-relay");
	assert_int_equal(c->message_size, 0);
	assert_int_equal(c->max_clients, 1000);
	assert_int_equal(c->max_clients_per_address, 100);
	assert_int_equal(c->max_recipients, 1000);
	assert_int_equal(c->client_timeout_ms, 300000);
	assert_int_equal(c->retry_count, 5);
	assert_int_equal(c->retry_ms[0], 60000);
	assert_int_equal(c->retry_ms[4], 3600000);
	assert_int_equal(c->backoff_first_ms, 5000);
	assert_int_equal(c->backoff_cap_ms, 300000);
	assert_int_equal(c->delay_notice_ms, 4 * 3600000);
	assert_int_equal(c->expire_ms, 5 * 86400000);
	assert_int_equal(c->failed_keep_ms, 30 * 86400000LL);
	assert_string_equal(c->postmaster, "");
	assert_string_equal(c->aliases, "/etc/aliases");
	assert_false(c->aliases_written);
	assert_string_equal(c->default_domain, "");
	assert_int_equal(c->account_count, 1);
	a = &c->accounts[0];
	assert_string_equal(a->name, "default");
	assert_string_equal(a->username, "someone@gmail.com");
	assert_string_equal(a->password_file, "/etc/gmrelayd/password");
	assert_string_equal(a->host, "smtp.gmail.com");
	assert_int_equal(a->port, 587);
	assert_int_equal(a->tls, CONF_TLS_STARTTLS);
	assert_string_equal(a->ca_file, "");
	assert_int_equal(a->connect_timeout_ms, 30000);
	assert_int_equal(a->reply_timeout_ms, 300000);
	assert_int_equal(a->final_timeout_ms, 600000);
	assert_int_equal(a->connections, 1);
	assert_int_equal(a->messages_per_connection, 50);
	assert_int_equal(a->message_gap_ms, 1000);
	assert_int_equal(a->daily_messages, 0);
	assert_int_equal(a->daily_recipients, 0);
	assert_int_equal(a->sender.mode, SENDER_AUTO);
	assert_int_equal(a->sender.send_as_count, 0);
	assert_int_equal(a->line, 1);
	conf_free(&c);
	conf_free(&c);
}

/* For gmrelayctl where no configuration can be read. */
static void test_default_of_a_setting(void **state)
{
	(void)state;
	assert_string_equal(
		conf_default("control"), "/run/gmrelayd/control.sock");
	assert_string_equal(
		conf_default("submit"), "/run/gmrelayd/submit.sock");
	assert_string_equal(conf_default("spool"), "/var/spool/gmrelayd");
}

static const char everything[] =
	"\xef\xbb\xbfhostname = 'relay.example.com' // BOM, quotes\r\n"
	"spool = /var//spool/x   # bare, two slashes\r\n"
	"listen = { \"127.0.0.1:0\", # a comment in a list, \"x\"\n"
	"  [::1]:2525, /* and\n another \"*/ \"*:26\", }\n"
	"allow = {127.0.0.0/8, \"::1\", 192.168.7.0/24 , fd00::/8}\n"
	"control = \"/tmp/a\" submit = \"/tmp/b\\\\\\\"c\"\n"
	"user = 1001 relay-user = \"1002\"\n"
	"message-size = 30M max-clients = 4000\n"
	"max-clients-per-address = 7\nmax-recipients = 10000\n"
	"client-timeout = 90s retry = 1m backoff = {1s,1h}\n"
	"delay-notice = 1h expire = 2d failed-keep = 90d\n"
	"postmaster = \"p#q//r@example.com\"\n"
	"aliases = \"/etc/aliases\"\n"
	"default-domain = \"example.com\"\n"
	"account { name = a.b-c_1 username = \"x@example.org\"\n"
	" password-file = \"/pw\" host = \"[::1]\" port = 465\n"
	" tls = implicit ca-file = \"/dev/../etc/passwd\"\n"
	" connect-timeout = 1s reply-timeout = 2s final-timeout = 3s\n"
	" connections = 20 messages-per-connection = 1000\n"
	" message-gap = 0 daily-messages = 5 daily-recipients = 6\n"
	" from = auto send-as = {\"A@b.org\", c@d.org} }\n"
	"account { username = 'y@example.org' password-file = '/q'"
	" from = keep }";

static void check_everything_global(const struct conf *c)
{
	assert_string_equal(c->hostname, "relay.example.com");
	assert_string_equal(c->spool, "/var//spool/x");
	assert_int_equal(c->listen_count, 4);
	assert_string_equal(c->listen[0].text, "127.0.0.1:0");
	assert_string_equal(c->listen[1].text, "[::1]:2525");
	assert_string_equal(c->listen[2].text, "0.0.0.0:26");
	assert_string_equal(c->listen[3].text, "[::]:26");
	assert_false(c->listen[0].defaulted || c->listen[1].defaulted ||
		     c->listen[2].defaulted);
	assert_true(c->listen[3].defaulted);
	assert_int_equal(c->listen[2].sa.ss_family, AF_INET);
	assert_int_equal(c->listen[3].sa.ss_family, AF_INET6);
	assert_int_equal(c->listen[2].len, sizeof(struct sockaddr_in));
	assert_int_equal(c->listen[3].len, sizeof(struct sockaddr_in6));
	assert_int_equal(c->clients[0].networks.count, 4);
	assert_int_equal(c->clients[0].networks.items[2].bits, 96 + 24);
	assert_int_equal(c->clients[0].networks.items[3].bits, 8);
	assert_string_equal(c->submit, "/tmp/b\\\"c");
	assert_string_equal(c->user, "1001");
	assert_string_equal(c->relay_user, "1002");
	assert_int_equal(c->message_size, 30 * 1048576);
	assert_int_equal(c->max_clients, 4000);
	assert_int_equal(c->max_clients_per_address, 7);
	assert_int_equal(c->max_recipients, 10000);
	assert_int_equal(c->client_timeout_ms, 90000);
	assert_int_equal(c->retry_count, 1);
	assert_int_equal(c->retry_ms[0], 60000);
	assert_int_equal(c->backoff_first_ms, 1000);
	assert_int_equal(c->backoff_cap_ms, 3600000);
	assert_int_equal(c->expire_ms, 2 * 86400000);
	assert_string_equal(c->postmaster, "p#q//r@example.com");
	assert_true(c->aliases_written);
	assert_string_equal(c->default_domain, "example.com");
}

static void check_everything_account(const struct conf *c)
{
	const struct conf_account *a;

	assert_int_equal(c->account_count, 2);
	a = &c->accounts[0];
	assert_string_equal(a->name, "a.b-c_1");
	assert_string_equal(a->host, "::1");
	assert_int_equal(a->port, 465);
	assert_int_equal(a->tls, CONF_TLS_IMPLICIT);
	assert_string_equal(a->ca_file, "/dev/../etc/passwd");
	assert_int_equal(a->final_timeout_ms, 3000);
	assert_int_equal(a->connections, 20);
	assert_int_equal(a->messages_per_connection, 1000);
	assert_int_equal(a->message_gap_ms, 0);
	assert_int_equal(a->daily_messages, 5);
	assert_int_equal(a->daily_recipients, 6);
	assert_int_equal(a->sender.mode, SENDER_AUTO);
	assert_int_equal(a->sender.send_as_count, 2);
	assert_string_equal(a->sender.send_as[0], "A@b.org");
	assert_string_equal(a->sender.send_as[1], "c@d.org");
	assert_int_equal(a->line, 17);
	assert_string_equal(c->accounts[1].name, "default");
	assert_string_equal(c->accounts[1].username, "y@example.org");
	assert_int_equal(c->accounts[1].line, 24);
	assert_int_equal(c->accounts[1].sender.mode, SENDER_KEEP);
	assert_string_equal(c->accounts[1].sender.account, "y@example.org");
}

static void test_everything_written(void **state)
{
	struct fixture *f = *state;
	struct conf *c = load(f, everything, strlen(everything));

	if (c == NULL)
		show_problems(f, everything);
	assert_non_null(c);
	assert_int_equal(f->problems.count, 0);
	check_everything_global(c);
	check_everything_account(c);
	conf_free(&c);
}

static const struct vector structure_vectors[] = {
	{"", {"E1: there is no account"}},
	{"# only\n# comments\n", {"E3: there is no account"}},
	{"account {\n username = \"a@b.c\"\n password-file = \"/p\"\n",
		{"E1: is not closed; \"}\" is missing before the end"}},
	{"\naccount { username = \"a@b.c\"\naccount {\n}\n}",
		{"E2: is not closed; \"}\" is missing before line 3"}},
	{"}\n", {"E1: \"}\" without a \"{\""}},
	{ACCOUNT "}\n", {"E2: \"}\" without"}},
	{POSTMASTER "account foo {\n username = \"a@b.c\"\n"
		    " password-file = \"/p\"\n}\n",
		{"E2: an account has no title"}},
	{POSTMASTER "account \"foo\" { password-file = \"/p\" }\n",
		{"E2: an account has no title", "E2: username: is missing"}},
	{"account = { username = \"a@b.c\" }", {"E1: \"{\" is missing"}},
	{"account foo bar {", {"E1: title", "E1: \"{\" is missing"}},
	{"account", {"E1: \"{\" is missing behind \"account\""}},
	{"Account {\n}\n",
		{"E1: section \"Account\"; did you mean \"account\"?"}},
	{"server {\n}\n", {"E1: unknown section \"server\"; there are"}},
	{"clients {\n}\n",
		{"E1: section \"clients\"; did you mean \"client\"?"}},
	{"hostname { \"x\" }", {"E1: \"=\" is missing behind"}},
	{"hostname \"x.y\"", {"E1: found text in quotes"}},
	{"hostname x.y", {"E1: found \"x.y\""}},
	{"hostname", {"E1: found the end of the file"}},
	{"hostname =", {"E1: \"hostname\" has no value"}},
	{"\nhostname =\nspool = \"/x\"\n",
		{"E2: \"hostname\" has no value: found the end of the"}},
	{"hostname = = \"x\"", {"E1: \"hostname\" has no value"}},
	{"hostname = }", {"E1: \"hostname\" has no value"}},
	{"\"hostname\" = \"x.y\"", {"E1: the name of a setting"}},
	{"max-clients = 5;", {"E1: unexpected \";\""}},
	{"hostname = (x)", {"E1: unexpected \"(\""}},
	{"hostname = $x", {"E1: unexpected \"$\""}},
	{"hostname = \xc3\xa4", {"E1: unexpected character 0xc3"}},
	{"\n\n/* never\nended", {"E3: the comment that begins here"}},
	{"\nhostname = \"relay\nspool = \"/x\"\n",
		{"E2: the quote \" that begins here does not end"}},
	{"hostname = 'relay", {"E1: the quote ' that begins here"}},
	{"hostname = \"relay\r\n", {"E1: does not end on its line"}},
	{"hostname = \"a\tb\"", {"E1: control character (0x09)"}},
	{"hostname = \"a\rb\"", {"E1: control character (0x0d)"}},
	{"allow = {\"::1\"\nuser = \"x\"\n",
		{"E2: a comma is missing before \"user\", or \"}\" to "
		 "end the list opened in line 1"}},
	{"allow = {\n\"::1\", \"127.0.0.1\"\n",
		{"E3: unexpected the end of the file in the list"}},
	{"allow = {,\"::1\"}", {"E1: unexpected \",\" in the list"}},
	{"allow = {\"::1\",,}", {"E1: unexpected \",\" in the list"}},
	{"allow = {{\"::1\"}}", {"E1: unexpected \"{\" in the list"}},
	{"allow = {\"::1\" = }", {"E1: unexpected \"=\" in the list"}},
	{"include(\"/etc/passwd\")", {"E1: unexpected \"(\""}},
	{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
	 "aaaaaaaaaaaaaaaaaaaaaaaa = 1",
		{"E1: not a word of 86 letters"}},
};

static void test_structure(void **state)
{
	run_whole(state, structure_vectors, COUNT_OF(structure_vectors));
}

static const struct vector names_whole_vectors[] = {
	/* the form of all messages */
	{POSTMASTER "account {\n usrname = \"a@gmail.com\"\n"
		    " password-file = \"/p\"\n}",
		{"E3: unknown setting \"usrname\" in account; did you "
		 "mean \"username\"?"}},
	{POSTMASTER "account { user = \"a@b.c\" password-file = \"/p\"}",
		{"E2: did you mean \"username\"?"}},
	{POSTMASTER "account { login = \"a@b.c\" \npassword_file = /p }",
		{"E2: did you mean \"username\"?",
			"E3: did you mean \"password-file\"?"}},
	{POSTMASTER "account { username = \"a@b.c\"\n"
		    "password-file = /p listen = {\"::1\"}\n}",
		{"E3: \"listen\" does not belong to an account; write "
		 "it outside"}},
	{POSTMASTER "account { username = \"a@b.c\"\n"
		    "password-file = /p\nzzzzzzzzzzzz = 1\n}",
		{"E4: unknown setting \"zzzzzzzzzzzz\" in account; "
		 "gmrelayd.conf(5)"}},
	/* the password is shown nowhere */
	{POSTMASTER "account {\n username = \"a@b.c\"\n"
		    " password = \"abcd efgh ijkl mnop\"\n}",
		{"E4: secrets never stand in this file"}},
	{"account {\n pass abcd efgh\n}", {"E2: secrets never stand"}},
	{"Passwd = x", {"E1: secrets never stand"}},
	{"account { app_password = {", {"E1: secrets never stand"}},
};

static const struct vector names_vectors[] = {
	{"hostnam = \"x.y\"", {"E1: did you mean \"hostname\"?"}},
	{"Hostname = \"x.y\"", {"E1: did you mean \"hostname\"?"}},
	{"max_client = 5", {"E1: did you mean \"max-clients\"?"}},
	{"delaynotice = 5h", {"E1: did you mean \"delay-notice\"?"}},
	{"mynetworks = {a, \"b\", c}", {"E1: did you mean \"allow\"?"}},
	{"retyr = {\n1s,\n2s}\nexpier = 5d",
		{"E1: did you mean \"retry\"?",
			"E4: did you mean \"expire\"?"}},
	{"\nport = 465",
		{"E2: \"port\" belongs to an account; write it inside"}},
	{"frobnicate = 1", {"E1: unknown setting \"frobnicate\"; "}},
	{"hostname = a.b\n# c\nhostname = \"c.d\"",
		{"E3: \"hostname\" is set for the second time, first "
		 "in line 1"}},
	{"allow = {\"::1\"}\nallow = {\"127.0.0.1\"}",
		{"E2: \"allow\" is set for the second time"}},
	{"allow += {\"192.168.1.0/24\"}",
		{"E1: \"+=\" is not understood; write \"allow =\""}},
	{"hostname = {\"a.b\"}", {"E1: takes one value, not a list"}},
	/* several at once, in the order of lines */
	{"expire = 5\nfoobarbaz = 1\nuser = \"root\"",
		{"E1: expire: \"5\" has no unit", "E2: unknown setting",
			"E3: user: \"root\" would keep"}},
	/* lines behind comments and inside lists */
	{"/* 1\n2\n3 */ # x\n// 4\nretry = { # { 5\n 1s, // }\n"
	 " \"2\", /* 7\n*/ 3 }",
		{"E7: retry: \"2\" has no unit",
			"E8: retry: \"3\" has no unit"}},
	{"hostname = \"${HOME}.example\"", {"E1: \"${...}\" is not"}},
	{"hostname = \"\\${HOME}\"", {"E1: a backslash in quotes"}},
	{"\nhostname = \"a\\0b\"", {"E2: a backslash in quotes"}},
	{"hostname = \"a\\x41\"", {"E1: a backslash in quotes"}},
	{"spool = '/$${x}/a\\'b'", {NULL}},
	{"spool = '/a\\nb'", {"E1: a backslash in quotes"}},
};

static void test_names(void **state)
{
	run_whole(state, names_whole_vectors, COUNT_OF(names_whole_vectors));
	run(state, names_vectors, COUNT_OF(names_vectors));
}

static void test_no_secret_shown(void **state)
{
	static const char *const texts[] = {
		"account { password = \"hunter2hunter2\" }",
		"account { password = hunter2hunter2 }",
		"account { password \"hunter2hunter2\" }",
		"account { password hunter2hunter2 }",
		"account { pasword = \"hunter2hunter2\" }",
		"account { pasword \"hunter2hunter2\" }",
		"account { password-file = \"hunter2hunter2\" }",
		"account { password-file = \"hunter2 hunter2\" }",
		"account { password-file = {\"hunter2 hunter2\"} }",
	};
	struct fixture *f = *state;
	size_t i, j;

	for (i = 0; i < COUNT_OF(texts); i++) {
		assert_null(load(f, texts[i], strlen(texts[i])));
		assert_true(f->problems.count > 0);
		for (j = 0; j < f->problems.count; j++)
			assert_null(
				strstr(f->problems.items[j].text, "hunter2"));
	}
}

static void test_file(void **state)
{
	struct fixture *f = *state;
	char other[128];
	char *big;

	assert_null(conf_load(f->dir, &f->problems));
	assert_non_null(strstr(f->problems.items[0].text, "is a directory"));
	snprintf(other, sizeof(other), "%s/none", f->dir);
	assert_null(conf_load(other, &f->problems));
	assert_non_null(strstr(f->problems.items[0].text,
		"/none: cannot be read: No such file"));
	assert_int_equal(mkfifo(other, 0600), 0);
	assert_null(conf_load(other, &f->problems));
	assert_non_null(strstr(f->problems.items[0].text, "not a regular"));
	unlink(other);

	big = xcalloc(1, CONF_FILE_SIZE_MAX + 2);
	memset(big, '\n', CONF_FILE_SIZE_MAX + 1);
	memcpy(big, ACCOUNT POSTMASTER, strlen(ACCOUNT POSTMASTER));
	assert_null(load(f, big, CONF_FILE_SIZE_MAX + 1));
	assert_true(problem_is(f, 0, "E0: has 262145 octets, 262144 are"));
	{
		struct conf *c = load(f, big, CONF_FILE_SIZE_MAX);

		assert_non_null(c);
		conf_free(&c);
	}
	free(big);

	assert_int_equal(chmod(f->file, 0666), 0);
	{
		struct conf *c = conf_load(f->file, &f->problems);

		assert_non_null(c);
		assert_true(problem_is(f, 0, "W0: may be written by everyone"));
		conf_free(&c);
	}
	unlink(f->file);
	assert_null(load(f, "hostname = \"a\0b\"", 16));
	assert_true(problem_is(f, 0, "E1: control character (0x00)"));
	assert_null(load(f, "a\0", 2));
	assert_true(problem_is(f, 0, "E1: unexpected character 0x00"));
}

static void test_unreadable_file(void **state)
{
	struct fixture *f = *state;
	uid_t was = geteuid();
	struct conf *c = load_with_account(f, "");

	assert_non_null(c);
	conf_free(&c);
	assert_int_equal(chmod(f->file, 0), 0);
	if (was == 0)
		assert_int_equal(seteuid(65534), 0);
	assert_null(conf_load(f->file, &f->problems));
	if (was == 0)
		assert_int_equal(seteuid(was), 0);
	assert_non_null(strstr(
		f->problems.items[0].text, "cannot be read: Permission"));
}

static void test_many_problems(void **state)
{
	struct fixture *f = *state;
	struct buf b;
	struct conf *c;
	size_t i;

	buf_init(&b, 65536);
	for (i = 0; i < 25; i++)
		buf_addf(&b, "nonsense%zu = x\n", i);
	assert_null(load_with_account(f, b.data));
	assert_int_equal(f->problems.errors, 25);
	assert_int_equal(f->problems.count, CONF_PROBLEMS_MAX);
	for (i = 0; i < CONF_PROBLEMS_MAX; i++)
		assert_false(f->problems.items[i].warning);

	/* an error is shown even where warnings have taken all places */
	buf_clear(&b);
	buf_add_string(&b, "max-clients = 9999\n" FAR "allow = {");
	for (i = 0; i < 30; i++)
		buf_addf(&b, "8.8.%zu.0/24,\n", i);
	buf_add_string(&b, "}\nexpire = 5\n");
	assert_null(load_with_account(f, b.data));
	assert_int_equal(f->problems.errors, 2);
	assert_int_equal(f->problems.warnings, 30);
	assert_int_equal(f->problems.count, CONF_PROBLEMS_MAX);
	assert_true(problem_is(f, 0, "E1: is too large"));
	assert_true(problem_is(f, 1, "W2: is a public network"));
	assert_true(problem_is(
		f, CONF_PROBLEMS_MAX - 1, "E33: expire: \"5\" has no unit"));

	/* as many accounts as may be, and one more */
	buf_clear(&b);
	for (i = 0; i < CONF_ACCOUNTS_MAX; i++)
		buf_addf(&b,
			"account { name = n%zu username = a@b.c "
			"password-file = /p }\n",
			i);
	c = load(f, b.data, b.len);
	assert_non_null(c);
	assert_int_equal(c->account_count, CONF_ACCOUNTS_MAX);
	conf_free(&c);
	assert_null(load_with_account(f, b.data));
	assert_true(problem_is(f, 0, "E34: more than 32 accounts"));
	buf_free(&b);
}

static const char good_file[] =
	"# comment \"x\n"
	"hostname = \"relay.example.com\" /* { */\n"
	"listen = {\"127.0.0.1:25\", // }\n"
	"  '[::1]:25'}\n"
	"retry = {1m, 5m, \"1h\"}\n"
	"submit = '/tmp/a\\'b'\n"
	"account {\n"
	"  username = \"some\\\"one@gmail.com\" port = 587\n"
	"  password-file = \"/etc/gmrelayd/password\"\n"
	"  connections = 1 message-gap = \"0\"\n"
	"}\n"
	"account { name = 'b' username = a@b.c password-file = /p }\n";

/* Either a configuration or an error with words for it; and never the one that
 * means that libconfuse and our walk disagree. */
static void check_sane(struct fixture *f, struct conf **c, const char *text)
{
	bool sane = (*c != NULL) == (f->problems.errors == 0);
	size_t i;

	for (i = 0; i < f->problems.count; i++)
		if (strstr(f->problems.items[i].text, "cannot be read;"))
			sane = false;
	if (!sane)
		show_problems(f, text);
	assert_true(sane);
	conf_free(c);
}

static void test_cut_anywhere(void **state)
{
	struct fixture *f = *state;
	struct conf *c;
	size_t len;

	for (len = 0; len < sizeof(good_file); len++) {
		c = load(f, good_file, len);
		check_sane(f, &c, good_file);
	}
}

/* Random changes, always the same ones. */
static void test_damaged_anywhere(void **state)
{
	static const char bytes[] = "{}=,\"'\\\n\r\t #/*$+;()[]a0\0\x80\xff";
	struct fixture *f = *state;
	char text[sizeof(good_file)];
	uint32_t seed = 1, round, changes;
	size_t len = sizeof(good_file) - 1;
	struct conf *c;

	for (round = 0; round < 6000; round++) {
		memcpy(text, good_file, sizeof(text));
		for (changes = round % 5 + 1; changes > 0; changes--) {
			seed = seed * 1664525 + 1013904223;
			text[(seed >> 8) % len] =
				bytes[(seed >> 20) % (sizeof(bytes) - 1)];
		}
		c = load(f, text, len);
		check_sane(f, &c, text);
	}
	/* a scan that went wrong leaves nothing behind */
	c = load_with_account(f, "");
	assert_non_null(c);
	conf_free(&c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_default_of_a_setting),
		cmocka_unit_test_setup_teardown(
			test_three_lines_and_defaults, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_everything_written, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_structure, setup, teardown),
		cmocka_unit_test_setup_teardown(test_names, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_no_secret_shown, setup, teardown),
		cmocka_unit_test_setup_teardown(test_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_unreadable_file, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_many_problems, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_cut_anywhere, setup, teardown),
		cmocka_unit_test_setup_teardown(
			test_damaged_anywhere, setup, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
