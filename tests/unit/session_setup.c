/*
 * session_setup.c - what a session stands on: two accounts, one profile, a fake
 *                   journal. It requires nothing, so that any program can link
 *                   it.
 */
#include "config.h"

#include "session_fixture.h"

#include "fake_journal.h"

#include <stdio.h>
#include <string.h>

static char none[] = "", user[] = "someone@gmail.com";

static void on_gone(void *arg)
{
	struct fixture *f = arg;

	f->gone++;
}

static void set_conf(struct fixture *f)
{
	static char name[] = "default", second[] = "second",
		    office[] = "office@gmail.com";

	f->accounts[0].name = name;
	f->accounts[0].username = user;
	f->accounts[0].sender.account = user;
	f->accounts[0].sender.mode = SENDER_KEEP;
	f->accounts[1].name = second;
	f->accounts[1].username = office;
	f->accounts[1].sender.account = office;
	f->accounts[1].sender.mode = SENDER_AUTO;
	f->conf.hostname = none;
	f->conf.postmaster = none;
	f->conf.accounts = f->accounts;
	f->conf.account_count = 2;
	f->profile.name = none;
	f->profile.account = none;
	f->profile.default_sender = none;
	f->conf.clients = &f->profile;
	f->conf.client_count = 1;
	f->conf.max_clients = 10;
	f->conf.max_clients_per_address = 5;
	f->conf.max_recipients = FIXTURE_RECIPIENTS_MAX;
	f->conf.client_timeout_ms = 300 * 1000;
}

void fixture_set_up(struct fixture *f, struct event_base *base)
{
	memset(f, 0, sizeof(*f));
	fake_reset();
	f->fd = -1;
	buf_init(&f->said, FIXTURE_SAID_MAX);
	set_conf(f);
	f->names = (struct local_names){
		.default_domain = none,
		.host = f->shared.host,
		.postmaster = none,
		.account = user,
	};
	f->base = base;
	f->shared.base = base;
	f->shared.conf = &f->conf;
	f->shared.names = &f->names;
	f->shared.journal = journal_new(base, NULL);
	f->shared.counters = &f->counters;
	f->shared.on_gone = on_gone;
	f->shared.arg = f;
	snprintf(f->shared.host, sizeof(f->shared.host), "relay.example.org");
	snprintf(f->shared.id_domain, sizeof(f->shared.id_domain),
		"relay.example.org");
	session_shared_init(&f->shared);
}
