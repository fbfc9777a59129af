/*
 * mail.c - one mail transaction: sender, recipients, message, outcome.
 */
#include "config.h"

#include "receiver/mail.h"

#include "base/counters.h"
#include "base/log.h"
#include "base/util.h"
#include "proto/header.h"
#include "proto/local.h"
#include "receiver/budget.h"

#include <stdlib.h>
#include <string.h>

int mail_begin(struct mail *m, const struct command_mail *command,
	struct budget *budget)
{
	m->setup.budget = budget;
	buf_init(&m->local_rcpts, MAIL_LOCAL_RCPTS_MAX);
	m->env = envelope_new();
	if (m->env == NULL)
		return -1;
	if (envelope_set_reverse_path(m->env, command->reverse_path.text) !=
			0 ||
		envelope_set_envid(m->env, command->envid) != 0) {
		mail_reset(m);
		return -1;
	}
	m->env->ret = command->ret;
	m->env->smtputf8 = command->smtputf8 || command->reverse_path.utf8;
	m->setup.smtputf8 = command->smtputf8;
	m->began_ms = clock_boot_ms();
	return 0;
}

/* FNV-1a over the address in lower case, as address_same() compares. */
static uint32_t hash_address(const char *text)
{
	uint32_t hash = 2166136261U;
	unsigned char c;

	for (; *text != '\0'; text++) {
		c = (unsigned char)*text;
		if (c >= 'A' && c <= 'Z')
			c += 'a' - 'A';
		hash = (hash ^ c) * 16777619U;
	}
	return hash;
}

static struct envelope_rcpt *find_rcpt(
	const struct mail *m, const char *address, uint32_t hash)
{
	size_t i;

	for (i = 0; i < m->env->rcpt_count; i++)
		if (m->hashes[i] == hash &&
			address_same(m->env->rcpts[i].address, address))
			return &m->env->rcpts[i];
	return NULL;
}

static int keep_hash(struct mail *m, uint32_t hash)
{
	const size_t count = m->env->rcpt_count;
	uint32_t *grown;
	size_t cap;

	if (count == m->hash_cap) {
		cap = m->hash_cap > 0 ? 2 * m->hash_cap : 4;
		grown = realloc(m->hashes, cap * sizeof(*grown));
		if (grown == NULL)
			return -1;
		m->hashes = grown;
		m->hash_cap = cap;
	}
	m->hashes[count] = hash;
	return 0;
}

/* address, because of asked. */
static enum rx_reply add_one(struct mail *m, const struct address *address,
	const struct command_rcpt *asked, unsigned rcpts_max)
{
	uint32_t hash = hash_address(address->text);
	struct envelope_rcpt *rcpt = find_rcpt(m, address->text, hash);

	if (rcpt != NULL) {
		rcpt->notify = dsn_merge(rcpt->notify, asked->notify);
		return RX_RECIPIENT_OK;
	}
	if (m->env->rcpt_count >= rcpts_max)
		return RX_TOO_MANY_RCPTS;
	m->rcpts_size += sizeof(*m->env->rcpts) + strlen(address->text) + 1 +
			 strlen(asked->orcpt) + 1;
	if (budget_take(m->setup.budget, &m->share, m->rcpts_size) != 0 ||
		keep_hash(m, hash) != 0 ||
		envelope_add_rcpt(m->env, address->text) != 0)
		return RX_NO_MEMORY;
	rcpt = &m->env->rcpts[m->env->rcpt_count - 1];
	rcpt->notify = asked->notify;
	m->env->smtputf8 |= address->utf8;
	if (envelope_set_orcpt(rcpt, asked->orcpt) == 0)
		return RX_RECIPIENT_OK;
	envelope_truncate(m->env, m->env->rcpt_count - 1);
	return RX_NO_MEMORY;
}

struct adding {
	struct mail *mail;
	const struct command_rcpt *asked;
	unsigned rcpts_max;
	enum rx_reply reply;
};

static int on_expanded(void *arg, const struct address *address)
{
	struct adding *a = arg;

	a->reply = add_one(a->mail, address, a->asked, a->rcpts_max);
	return a->reply == RX_RECIPIENT_OK ? 0 : -1;
}

/* For the log; one that finds no room is left out. */
static void keep_local(struct mail *m, const struct address *rcpt)
{
	struct buf *kept = &m->local_rcpts;
	const size_t len = kept->len;

	if ((len > 0 && buf_add_string(kept, ",") != 0) ||
		buf_add_string(kept, rcpt->text) != 0)
		kept->len = len;
}

enum rx_reply mail_add_rcpt(struct mail *m, const struct command_rcpt *rcpt,
	const struct local_names *names, unsigned rcpts_max)
{
	const size_t before = m->env->rcpt_count;
	struct adding a = {.mail = m, .asked = rcpt, .rcpts_max = rcpts_max};

	switch (local_expand(names, &rcpt->address, on_expanded, &a)) {
	case LOCAL_NOT:
		return add_one(m, &rcpt->address, rcpt, rcpts_max);
	case LOCAL_KNOWN:
		keep_local(m, &rcpt->address);
		return RX_RECIPIENT_OK;
	case LOCAL_NOBODY:
		return RX_NOBODY;
	case LOCAL_REFUSED:
		return RX_ALIAS_REFUSED;
	case LOCAL_FAILED:
		break;
	}
	/* all or nobody; in a message of its own it may find room */
	envelope_truncate(m->env, before);
	if (a.reply == RX_TOO_MANY_RCPTS && before == 0)
		return RX_ALIAS_TOO_LARGE;
	return a.reply;
}

void mail_reset(struct mail *m)
{
	buf_free(&m->local_rcpts);
	intake_free(&m->intake);
	envelope_free(&m->env);
	free(m->hashes);
	if (m->share > 0)
		budget_return(m->setup.budget, &m->share);
	memset(m, 0, sizeof(*m));
}

bool mail_overdue(const struct mail *m)
{
	return m->env != NULL &&
	       clock_boot_ms() - m->began_ms > MAIL_TIME_MAX_MS;
}

enum rx_reply mail_reply_of(enum draft_result result)
{
	switch (result) {
	case DRAFT_DURABLE:
		return RX_QUEUED;
	case DRAFT_NO_ROOM:
		return RX_NO_ROOM;
	case DRAFT_IO_ERROR:
		return RX_IO_ERROR;
	}
	bug("no such result of a draft: %d", (int)result);
}

static void count(
	struct receiver_counters *counters, enum rx_reply reply, uint64_t size)
{
	if (reply == RX_QUEUED) {
		counters->accepted++;
		counters->accepted_bytes += size;
	} else if (rx_reply_code(reply) >= 500) {
		counters->rejected++;
	} else {
		counters->deferred++;
	}
}

/* What every line about a message begins with. */
struct description {
	char id[HEX64_SIZE];
	struct log_text from, to;
};

static void describe(const struct mail *m, struct description *out)
{
	const struct envelope *env = m->env;

	hex64(out->id, intake_id(m->intake));
	log_text(&out->from, env->reverse_path);
	log_text(&out->to, env->rcpt_count > 0 ? env->rcpts[0].address : "");
}

static void log_no_disk(
	const struct mail *m, enum rx_reply reply, const char *peer)
{
	struct description d;

	describe(m, &d);
	log_err("deferred id=%s from=%s to=%s nrcpt=%zu size=%llu peer=%s "
		"reply=\"%s\" reason=\"%s\" advice=\"%s\"",
		d.id, d.from.text, d.to.text, m->env->rcpt_count,
		(unsigned long long)intake_size(m->intake), peer,
		rx_reply_codes(reply),
		intake_disk_error(m->intake) != 0
			? strerror(intake_disk_error(m->intake))
			: "the relay has no room to give",
		reply == RX_IO_ERROR
			? "look at the disk that holds the spool"
			: "make room in the spool; gmrelayctl status tells "
			  "more");
}

static void log_turned_down(
	const struct mail *m, enum rx_reply reply, const char *peer)
{
	struct description d;

	describe(m, &d);
	log_info("%s id=%s from=%s to=%s nrcpt=%zu size=%llu peer=%s "
		 "reply=\"%s\"",
		rx_reply_code(reply) >= 500 ? "rejected" : "deferred", d.id,
		d.from.text, d.to.text, m->env->rcpt_count,
		(unsigned long long)intake_size(m->intake), peer,
		rx_reply_codes(reply));
}

static void log_accepted(const struct mail *m, const char *peer)
{
	const struct envelope *env = m->env;
	const bool has_local = m->local_rcpts.len > 0;
	char repairs[HEADER_REPAIRS_SIZE];
	struct log_text helo, local;
	struct description d;

	describe(m, &d);
	header_repairs_print(
		intake_repairs(m->intake), repairs, sizeof(repairs));
	log_info("accepted id=%s from=%s to=%s%s%s nrcpt=%zu size=%llu peer=%s "
		 "helo=%s repairs=%s delay=%lldms",
		d.id, d.from.text, d.to.text, has_local ? " local-to=" : "",
		has_local ? log_text(&local, m->local_rcpts.data) : "",
		env->rcpt_count, (unsigned long long)env->size, peer,
		log_text(&helo, m->setup.helo),
		repairs[0] != '\0' ? repairs : "none",
		(long long)(clock_boot_ms() - m->ended_ms));
}

void mail_log_outcome(const struct mail *m, enum rx_reply reply,
	const char *peer, struct receiver_counters *counters)
{
	count(counters, reply, intake_size(m->intake));
	if (reply == RX_QUEUED)
		log_accepted(m, peer);
	else if (reply == RX_IO_ERROR || reply == RX_NO_ROOM)
		log_no_disk(m, reply, peer);
	else
		log_turned_down(m, reply, peer);
}

void mail_log_lost(const struct mail *m, const char *peer, const char *why)
{
	struct log_text from;
	char id[HEX64_SIZE];

	if (m->intake == NULL || intake_problem(m->intake) != RX_NONE)
		return;
	log_info("discarded id=%s from=%s nrcpt=%zu size=%llu peer=%s "
		 "reason=\"%s\"%s",
		hex64(id, intake_id(m->intake)),
		log_text(&from, m->env->reverse_path), m->env->rcpt_count,
		(unsigned long long)intake_size(m->intake), peer, why,
		intake_ends_by_dot(m->intake)
			? " advice=\"its text ended with a dot by a bare line "
			  "feed: if that is how it ends each message, set "
			  "lf-dot in its client section\""
			: "");
}
