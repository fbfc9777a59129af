/*
 * deliver.c - -bm: a message from standard input to the daemon, or to drop/.
 *
 * Addresses are read, and what the header lacks is added, before anything is
 * sent: so the message in drop/ is the one the daemon would have got.
 */
#include "config.h"

#include "sendmail/deliver.h"

#include "base/util.h"
#include "proto/header.h"
#include "proto/mailbox.h"
#include "sendmail/drop.h"
#include "sendmail/message.h"
#include "sendmail/recipients.h"
#include "submit/client.h"
#include "submit/drop_format.h"

#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sysexits.h>
#include <time.h>
#include <unistd.h>

enum { HOST_MAX = 255, NAME_MAX_KEPT = 256, ARGUMENT_SHOWN_MAX = 100 };

struct delivery {
	const struct options *options;
	const struct rights *rights;
	char host[HOST_MAX + 1];
	char name[NAME_MAX_KEPT]; /* of the user who runs us, in full */
	struct address login;     /* that user's */
	struct address sender;    /* "" is <> */
	struct recipients rcpts;
	struct message message;
	int status; /* the gravest refusal's */
};

static int fail(int status, const struct err *err)
{
	fprintf(stderr, "gmrelay-sendmail: %s\n", err->text);
	return status;
}

/* --- who sends ------------------------------------------------------------ */

/* The host's name as it is; nothing is looked up, since the network may be what
 * this message is about. */
static void find_host(struct delivery *d)
{
	struct address a;
	char text[HOST_MAX + 8];

	if (gethostname(d->host, sizeof(d->host)) != 0)
		d->host[0] = '\0';
	d->host[HOST_MAX] = '\0';
	snprintf(text, sizeof(text), "root@%s", d->host);
	if (address_parse(&a, text, strlen(text), false, NULL) != 0 ||
		a.text[a.local_len + 1] == '[')
		snprintf(d->host, sizeof(d->host), "localhost");
	else
		snprintf(d->host, sizeof(d->host), "%s",
			a.text + a.local_len + 1);
}

/* The first field of gecos; '&' stands for the login name there (finger(1)). */
static void copy_name(char *to, size_t size, const struct passwd *pw)
{
	const char *from = pw->pw_gecos != NULL ? pw->pw_gecos : "";
	size_t len = 0;

	for (to[0] = '\0'; *from != '\0' && *from != ',' && len + 1 < size;
		from++) {
		if (*from == '&') {
			snprintf(to + len, size - len, "%s", pw->pw_name);
			len = strlen(to);
		} else {
			to[len++] = *from;
			to[len] = '\0';
		}
	}
}

/* What these names mean is the daemon's to say, so they get no domain here. */
static void find_user(struct delivery *d)
{
	const struct passwd *pw = getpwuid(getuid());
	char text[16];

	if (pw != NULL) {
		copy_name(d->name, sizeof(d->name), pw);
		if (address_parse(&d->login, pw->pw_name, strlen(pw->pw_name),
			    true, NULL) == 0)
			return;
	}
	snprintf(text, sizeof(text), "uid%u", (unsigned)getuid());
	address_parse(&d->login, text, strlen(text), true, NULL);
}

/* -f: an address, in whatever form, or nothing at all for <>. */
static int find_sender(struct delivery *d, struct err *err)
{
	const char *text = d->options->sender;
	struct mailbox box;

	d->sender = d->login;
	if (text == NULL)
		return 0;
	memset(&d->sender, 0, sizeof(d->sender));
	if (strcmp(text, "") == 0 || strcmp(text, "<>") == 0)
		return 0;
	mailbox_first(&box, text, strlen(text));
	if (box.address.text[0] == '\0')
		return err_set(
			err, ERR_SYNTAX, "-f %.100s: this is no address", text);
	d->sender = box.address;
	return 0;
}

/* --- for whom ------------------------------------------------------------- */

static void on_bad(void *arg, const char *text)
{
	struct delivery *d = arg;

	fprintf(stderr,
		"gmrelay-sendmail: not sent to %s: this is no address\n", text);
	d->status = EX_NOUSER;
}

/* One argument, which may hold several addresses. With a line end in it none
 * of them is to be trusted. */
static int add_argument(struct delivery *d, const char *text, struct err *err)
{
	size_t shown = 0;

	if (options_is_one_line(text))
		return recipients_add(&d->rcpts, text, strlen(text), err);
	while (shown < ARGUMENT_SHOWN_MAX && text[shown] >= ' ' &&
		text[shown] <= '~')
		shown++;
	fprintf(stderr,
		"gmrelay-sendmail: not sent to %.*s...: a recipient has no "
		"line end or other control character in it\n",
		(int)shown, text);
	d->rcpts.bad++;
	d->status = EX_NOUSER;
	return 0;
}

static int find_recipients(
	struct delivery *d, const struct header_block *h, struct err *err)
{
	const struct options *o = d->options;
	size_t i;

	for (i = 0; i < o->rcpt_count; i++)
		if (add_argument(d, o->rcpts[i], err) != 0)
			return -1;
	if (!o->from_header)
		return 0;
	if (h->too_large || (!h->ended && d->message.fd >= 0))
		return err_set(err, ERR_LIMIT,
			"the header of the message is too large");
	return recipients_add_header(&d->rcpts, h->text.data, h->text.len, err);
}

/* --- handing over --------------------------------------------------------- */

static void on_refused(void *arg, size_t i, const struct reply *reply)
{
	struct delivery *d = arg;
	char text[ERR_TEXT_MAX];

	fprintf(stderr, "gmrelay-sendmail: not sent to %s: gmrelayd says %s\n",
		d->rcpts.all[i], reply_print(reply, text, sizeof(text)));
	/* the message, not the recipient, is what is wrong */
	d->status = reply->code == 552 || reply->code == 554 ? EX_DATAERR
							     : EX_NOUSER;
}

static void on_taken(void *arg, const struct reply *reply)
{
	const struct delivery *d = arg;
	char text[ERR_TEXT_MAX];

	if (d->options->verbose)
		printf("gmrelayd says %s\n",
			reply_print(reply, text, sizeof(text)));
}

static int hand_over(struct delivery *d, struct submit_message *m)
{
	const char *socket =
		rights_setting(d->rights, "GMRELAY_SUBMIT", SUBMIT_SOCKET);
	const char *directory =
		rights_setting(d->rights, "GMRELAY_DROP", DROP_DIRECTORY);
	struct err why, err;

	if (submit_deliver(socket, d->host, m, &why) == 0)
		return d->status;
	if (drop_message(directory, d->rights, m, &err) == 0) {
		if (d->options->verbose)
			printf("%s; the message waits in %s\n", why.text,
				directory);
		return d->status;
	}
	fprintf(stderr,
		"gmrelay-sendmail: not taken, try again later: %s; %s\n",
		why.text, err.text);
	return EX_TEMPFAIL;
}

static int hand_over_all(struct delivery *d)
{
	struct submit_message m = {
		.from = d->sender.text,
		.rcpts = (const char *const *)d->rcpts.all,
		.rcpt_count = d->rcpts.count,
		.smtputf8 = d->sender.utf8,
		.notify = d->options->notify,
		.ret = d->options->ret,
		.envid = d->options->envid,
		.on_refused = on_refused,
		.on_taken = on_taken,
		.arg = d,
	};
	const char *c;
	size_t i;
	int status;

	for (i = 0; i < d->rcpts.count; i++)
		for (c = d->rcpts.all[i]; *c != '\0'; c++)
			m.smtputf8 |= (unsigned char)*c >= 0x80;
	m.part_count = message_parts(&d->message, m.parts);
	m.fates = xcalloc(d->rcpts.count, sizeof(*m.fates));
	status = hand_over(d, &m);
	free(m.fates);
	return status;
}

static int complete(
	struct delivery *d, const struct header_block *h, struct err *err)
{
	const struct options *o = d->options;
	time_t now = time(NULL);
	struct message_author author = {
		.name = o->full_name != NULL ? o->full_name : d->name,
		.address = d->sender.text[0] != '\0' ? d->sender.text
						     : d->login.text,
		.host = d->host,
		.now_s = now,
		.id = random_u64(),
	};
	struct tm local;

	/* a name belongs to its address */
	if (o->full_name == NULL && o->sender != NULL &&
		strcmp(d->sender.text, d->login.text) != 0)
		author.name = "";
	if (localtime_r(&now, &local) != NULL)
		author.utc_offset_s = (int)local.tm_gmtoff;
	return message_complete(&d->message, h, &author, err);
}

static int deliver_message(struct delivery *d)
{
	const struct err nobody = {
		ERR_SYNTAX, "the message names no recipients"};
	struct header_block header;
	struct err err;
	int status;

	message_header(&d->message, &header);
	if (find_recipients(d, &header, &err) != 0)
		status = fail(EX_DATAERR, &err);
	else if (complete(d, &header, &err) != 0)
		status = fail(EX_OSERR, &err);
	else if (d->rcpts.count > 0)
		status = hand_over_all(d);
	else if (d->rcpts.bad > 0)
		status = d->status;
	else
		status = fail(EX_USAGE, &nobody);
	header_block_free(&header);
	return status;
}

int deliver(const struct options *options, const struct rights *rights)
{
	struct delivery d = {.options = options, .rights = rights};
	struct err err;
	int status;

	find_host(&d);
	find_user(&d);
	recipients_init(&d.rcpts);
	d.rcpts.on_bad = on_bad;
	d.rcpts.arg = &d;
	message_init(&d.message, options->keep_dots);
	err_set(&err, ERR_SYNTAX,
		"no recipients: name them, or use -t to take them from the "
		"message");
	if (options->rcpt_count == 0 && !options->from_header)
		status = fail(EX_USAGE, &err);
	else if (find_sender(&d, &err) != 0)
		status = fail(EX_USAGE, &err);
	else if (message_read(&d.message, STDIN_FILENO, &err) != 0)
		status = fail(
			err.kind == ERR_LIMIT ? EX_DATAERR : EX_IOERR, &err);
	else
		status = deliver_message(&d);
	message_free(&d.message);
	recipients_free(&d.rcpts);
	return status;
}
