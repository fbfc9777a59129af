/*
 * test_receiver.c - the role as a process of its own, on a fake journal: who is
 *                   let in, the limits on clients, draining, the channel.
 */
#include "config.h"

#include "fake_journal.h"
#include "receiver/receiver.h"

#include "base/channel.h"
#include "base/conf.h"
#include "base/counters.h"
#include "base/log.h"
#include "base/role.h"
#include "base/util.h"
#include "proto/local.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

enum { WAIT_MS = 30 * 1000, LINE_SIZE = 512, BACKLOG = 16 };

#define GREETING "220 relay.example.org ESMTP gmrelayd\r\n"

struct role_process {
	struct conf conf;
	struct local_names names;
	struct conf_account account;
	struct conf_client profile;
	struct conf_network allow;
	struct receiver_counters *counters; /* shared with it */
	struct counters pages;
	struct listener listeners[2];
	struct role role;
	unsigned files_max; /* RLIMIT_NOFILE for it; 0: as it is */
	bool lose_links;    /* its journal does */
	struct sockaddr_in smtp;
	struct sockaddr_un submit;
	int channel; /* our end */
	pid_t pid;
};

static void listen_tcp(struct role_process *p)
{
	socklen_t len = sizeof(p->smtp);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);

	p->smtp.sin_family = AF_INET;
	p->smtp.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	assert_int_equal(
		bind(fd, (struct sockaddr *)&p->smtp, sizeof(p->smtp)), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&p->smtp, &len), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	p->listeners[0].fd = fd;
	p->listeners[0].kind = LISTENER_SMTP;
	snprintf(p->listeners[0].name, sizeof(p->listeners[0].name),
		"127.0.0.1:%u", ntohs(p->smtp.sin_port));
}

/* In the abstract name space: no file is left behind. */
static void listen_unix(struct role_process *p)
{
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);

	p->submit.sun_family = AF_UNIX;
	snprintf(p->submit.sun_path + 1, sizeof(p->submit.sun_path) - 1,
		"gmrelay-test-%ld", (long)getpid());
	assert_int_equal(
		bind(fd, (struct sockaddr *)&p->submit, sizeof(p->submit)), 0);
	assert_int_equal(listen(fd, BACKLOG), 0);
	p->listeners[1].fd = fd;
	p->listeners[1].kind = LISTENER_SUBMIT;
	snprintf(p->listeners[1].name, sizeof(p->listeners[1].name), "submit");
}

/* 127.0.0.0/8, and room for what a test changes. */
static void configure(struct role_process *p)
{
	static char host[] = "relay.example.org", none[] = "",
		    user[] = "someone@gmail.com";

	memset(p, 0, sizeof(*p));
	p->account.name = none;
	p->account.username = user;
	p->conf.hostname = host;
	p->conf.postmaster = none;
	p->conf.tls_cert = none;
	p->conf.tls_key = none;
	p->conf.users_file = none;
	p->conf.accounts = &p->account;
	p->conf.account_count = 1;
	p->profile.name = none;
	p->profile.account = none;
	p->profile.default_sender = none;
	p->profile.networks.items = &p->allow;
	p->profile.networks.count = 1;
	p->conf.clients = &p->profile;
	p->conf.client_count = 1;
	p->allow.prefix.s6_addr[10] = 0xff;
	p->allow.prefix.s6_addr[11] = 0xff;
	p->allow.prefix.s6_addr[12] = 127;
	p->allow.bits = 96 + 8;
	p->conf.max_clients_per_address = 1;
	p->conf.max_recipients = 10;
	p->conf.client_timeout_ms = 300 * 1000;
	p->counters = mmap(NULL, sizeof(*p->counters), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	assert_true(p->counters != MAP_FAILED);
	p->pages.receiver = p->counters;
	p->role.conf = &p->conf;
	p->role.max_clients = 10;
	p->names = (struct local_names){
		.default_domain = none,
		.host = host,
		.postmaster = none,
		.account = user,
	};
	p->role.names = &p->names;
	p->role.counters = &p->pages;
	p->role.listeners = p->listeners;
	p->role.listener_count = 2;
	p->role.control_fd = -1;
	listen_tcp(p);
	listen_unix(p);
}

static void run_child(struct role_process *p)
{
	const struct rlimit limit = {p->files_max, p->files_max};
	struct receiver_secrets *secrets;
	struct err err;

	close(p->channel);
	if (p->files_max > 0)
		setrlimit(RLIMIT_NOFILE, &limit);
	log_set_role("receiver");
	fake_reset();
	fake_journal()->lose_links = p->lose_links;
	secrets = receiver_secrets_read(&p->conf, getegid(), &err);
	assert_non_null(secrets);
	exit(receiver_run(&p->role, &secrets));
}

static void wait_readable(int fd)
{
	struct pollfd poll_fd = {.fd = fd, .events = POLLIN};

	assert_int_equal(poll(&poll_fd, 1, WAIT_MS), 1);
}

static void expect_packet(struct role_process *p, enum channel_message type)
{
	struct channel_packet packet;
	struct err err;

	wait_readable(p->channel);
	assert_int_equal(channel_receive(p->channel, &packet, &err), 1);
	assert_int_equal(packet.type, type);
}

static void start(struct role_process *p)
{
	struct err err;
	int fds[2];

	assert_int_equal(channel_pair(fds, &err), 0);
	p->channel = fds[0];
	p->role.channel_fd = fds[1];
	fflush(NULL);
	p->pid = fork();
	assert_true(p->pid >= 0);
	if (p->pid == 0)
		run_child(p);
	close(fds[1]);
	expect_packet(p, CHANNEL_READY);
}

static void tell(struct role_process *p, enum channel_message type, int fd)
{
	struct err err;

	assert_int_equal(channel_send(p->channel, type, fd, NULL, &err), 0);
}

/* It ends by itself, and well. */
static void expect_end(struct role_process *p)
{
	int status;

	assert_int_equal(waitpid(p->pid, &status, 0), p->pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 0);
	assert_int_equal(p->counters->open_sessions, 0);
	close(p->channel);
	close(p->listeners[0].fd);
	close(p->listeners[1].fd);
	munmap(p->counters, sizeof(*p->counters));
}

static int connect_to(const struct sockaddr *sa, socklen_t len)
{
	int fd = socket(sa->sa_family, SOCK_STREAM, 0);

	assert_int_equal(connect(fd, sa, len), 0);
	return fd;
}

static int connect_smtp(struct role_process *p)
{
	return connect_to((struct sockaddr *)&p->smtp, sizeof(p->smtp));
}

/* Sends text and wants one line that begins with reply; NULL: the end. */
static void expect(int fd, const char *text, const char *reply)
{
	char line[LINE_SIZE];
	size_t len = 0;
	ssize_t n = 1;

	if (*text != '\0')
		assert_int_equal(send(fd, text, strlen(text), MSG_NOSIGNAL),
			strlen(text));
	while (n > 0 && len < sizeof(line) - 1 &&
		(len == 0 || line[len - 1] != '\n')) {
		wait_readable(fd);
		n = recv(fd, line + len, 1, 0);
		len += n > 0 ? (size_t)n : 0;
	}
	line[len] = '\0';
	if (reply == NULL)
		assert_string_equal(line, "");
	else
		assert_memory_equal(line, reply, strlen(reply));
}

static void expect_greeting(int fd)
{
	expect(fd, "", GREETING);
}

static void begin_transaction(int fd)
{
	expect(fd, "MAIL FROM:<a@example.org>\r\n", "250 2.1.0");
	expect(fd, "RCPT TO:<b@example.net>\r\n", "250 2.1.5");
	expect(fd, "DATA\r\n", "354 ");
}

static void serves_and_ends_with_its_parent(void **state)
{
	struct role_process p;
	int tcp, local;

	(void)state;
	configure(&p);
	start(&p);
	tcp = connect_smtp(&p);
	expect_greeting(tcp);
	local = connect_to((struct sockaddr *)&p.submit, sizeof(p.submit));
	expect_greeting(local);
	begin_transaction(tcp);
	expect(tcp, "a: b\r\n\r\nx\r\n.\r\n", "250 2.0.0 queued as ");
	begin_transaction(local);
	expect(local, "a: b\r\n\r\nx\r\n.\r\n", "250 2.0.0 queued as ");
	expect(tcp, "QUIT\r\n", "221 2.0.0");
	expect(tcp, "", NULL);
	assert_int_equal(p.counters->accepted, 2);
	assert_int_equal(p.counters->connections, 2);
	/* its end of the channel tells that the parent is gone */
	shutdown(p.channel, SHUT_RDWR);
	expect(local, "", "421 4.3.2");
	expect(local, "", NULL);
	expect_end(&p);
	close(tcp);
	close(local);
}

static void strangers(void **state)
{
	struct role_process p;
	int fd;

	(void)state;
	configure(&p);
	p.allow.prefix.s6_addr[12] = 10;
	start(&p);
	fd = connect_smtp(&p);
	expect(fd, "", "554 5.7.1 ");
	expect(fd, "", NULL);
	close(fd);
	assert_int_equal(p.counters->refused, 1);
	assert_int_equal(p.counters->connections, 0);
	/* the machine's own users are no strangers */
	fd = connect_to((struct sockaddr *)&p.submit, sizeof(p.submit));
	expect_greeting(fd);
	close(fd);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

static void when_full_the_idle_one_goes(void **state)
{
	struct role_process p;
	int a, b, c, d;

	(void)state;
	configure(&p);
	p.role.max_clients = 2;
	start(&p);
	a = connect_smtp(&p);
	expect_greeting(a);
	b = connect_smtp(&p);
	expect_greeting(b);
	expect(a, "NOOP\r\n", "250 ");
	c = connect_smtp(&p);
	expect_greeting(c);
	expect(b, "", "421 4.3.2");
	expect(b, "", NULL);
	expect(a, "MAIL FROM:<>\r\n", "250 ");
	expect(c, "MAIL FROM:<>\r\n", "250 ");
	d = connect_smtp(&p);
	expect(d, "", "421 4.3.2");
	expect(d, "", NULL);
	assert_int_equal(p.counters->busy, 2);
	close(a);
	close(b);
	close(c);
	close(d);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

static void draining_lets_transactions_end(void **state)
{
	struct role_process p;
	int idle, busy, late, door;

	(void)state;
	configure(&p);
	door = dup(p.listeners[0].fd);
	start(&p);
	idle = connect_smtp(&p);
	expect_greeting(idle);
	busy = connect_smtp(&p);
	expect_greeting(busy);
	begin_transaction(busy);
	tell(&p, CHANNEL_DRAIN, -1);
	expect(idle, "", "421 4.3.2");
	expect(idle, "", NULL);
	/* waits in the queue for whoever comes next */
	late = connect_smtp(&p);
	expect(busy, "a: b\r\n\r\n.\r\n", "250 2.0.0 queued as ");
	expect(busy, "", "421 4.3.2");
	expect(busy, "", NULL);
	close(busy);
	expect_end(&p);
	close(idle);
	busy = accept(door, NULL, NULL);
	assert_true(busy >= 0);
	close(busy);
	close(late);
	close(door);
}

static void draining_comes_to_an_end(void **state)
{
	struct role_process p;
	int fd;

	(void)state;
	configure(&p);
	start(&p);
	fd = connect_smtp(&p);
	expect_greeting(fd);
	begin_transaction(fd);
	tell(&p, CHANNEL_DRAIN, -1);
	expect(fd, "for ever and", "421 4.3.2");
	expect(fd, "", NULL);
	expect_end(&p);
	close(fd);
}

static void a_link_is_taken(void **state)
{
	struct role_process p;
	struct err err;
	int fds[2];
	char byte;

	(void)state;
	configure(&p);
	start(&p);
	assert_int_equal(channel_pair(fds, &err), 0);
	tell(&p, CHANNEL_PEER_GONE, -1);
	tell(&p, CHANNEL_LINK, fds[1]);
	close(fds[1]);
	/* the fake journal closes it */
	wait_readable(fds[0]);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	close(fds[0]);
	/* a descriptor that nobody asked for is closed too */
	assert_int_equal(channel_pair(fds, &err), 0);
	tell(&p, CHANNEL_FLUSH, fds[1]);
	close(fds[1]);
	wait_readable(fds[0]);
	assert_int_equal(recv(fds[0], &byte, 1, 0), 0);
	close(fds[0]);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

/* Only another process gets another one. */
static void a_link_that_is_lost_ends_it(void **state)
{
	struct role_process p;
	struct err err;
	int fds[2], fd;

	(void)state;
	configure(&p);
	p.lose_links = true;
	start(&p);
	fd = connect_smtp(&p);
	expect_greeting(fd);
	assert_int_equal(channel_pair(fds, &err), 0);
	tell(&p, CHANNEL_LINK, fds[1]);
	close(fds[1]);
	expect(fd, "", "421 4.3.2");
	expect_end(&p);
	close(fd);
	close(fds[0]);
}

static void the_watchdog_is_fed(void **state)
{
	struct role_process p;

	(void)state;
	configure(&p);
	p.role.watchdog_ms = 5;
	start(&p);
	expect_packet(&p, CHANNEL_ALIVE);
	expect_packet(&p, CHANNEL_ALIVE);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

static void no_descriptor_left(void **state)
{
	struct role_process p;
	struct pollfd ready;
	int fds[64], probe, i, count = 0;

	(void)state;
	configure(&p);
	p.role.max_clients = 100;
	probe = open("/dev/null", O_RDONLY);
	assert_true(probe >= 0);
	close(probe);
	p.files_max = (unsigned)probe + 12;
	start(&p);
	/* more than there are descriptors; the last ones wait */
	for (i = 0; i < (int)COUNT_OF(fds) && i < BACKLOG; i++) {
		fds[i] = connect_smtp(&p);
		ready = (struct pollfd){.fd = fds[i], .events = POLLIN};
		if (poll(&ready, 1, 500) != 1)
			break;
		expect_greeting(fds[i]);
		count++;
	}
	assert_true(count > 0 && count < BACKLOG);
	close(fds[0]);
	expect_greeting(fds[count]);
	for (i = 1; i <= count; i++)
		close(fds[i]);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

static void signals_are_the_parents(void **state)
{
	static const int sent[] = {SIGINT, SIGTERM, SIGHUP, SIGUSR1, SIGPIPE};
	struct role_process p;
	size_t i;
	int fd;

	(void)state;
	configure(&p);
	start(&p);
	for (i = 0; i < COUNT_OF(sent); i++)
		assert_int_equal(kill(p.pid, sent[i]), 0);
	fd = connect_smtp(&p);
	expect_greeting(fd);
	close(fd);
	tell(&p, CHANNEL_DRAIN, -1);
	expect_end(&p);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(serves_and_ends_with_its_parent),
		cmocka_unit_test(strangers),
		cmocka_unit_test(when_full_the_idle_one_goes),
		cmocka_unit_test(draining_lets_transactions_end),
		cmocka_unit_test(draining_comes_to_an_end),
		cmocka_unit_test(a_link_is_taken),
		cmocka_unit_test(a_link_that_is_lost_ends_it),
		cmocka_unit_test(the_watchdog_is_fed),
		cmocka_unit_test(no_descriptor_left),
		cmocka_unit_test(signals_are_the_parents),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
