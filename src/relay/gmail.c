/*
 * gmail.c - what a reply of Gmail means: the table, and who reads it.
 */
#include "config.h"

#include "relay/gmail.h"

#include "base/util.h"

#include <string.h>

#define ON(phase) (1u << PHASE_##phase)

enum {
	ANY = 0,
	MAIL = ON(MAIL),
	RCPT = ON(RCPT),
	DATA = ON(DATA) | ON(FINAL),
	MESSAGE = ON(MAIL) | ON(RCPT) | ON(DATA) | ON(FINAL),
	/* where no message is under way */
	BETWEEN = ON(READY) | ON(RSET) | ON(QUIT),
	START = ON(CONNECT) | ON(BANNER) | ON(EHLO) | ON(STARTTLS) | ON(TLS),
	TWICE = MESSAGE | GMAIL_AGAIN,
};

/* Sentences that several rows share. */
static const char too_fast[] =
	"Gmail is slowing this account down, usually because many messages went out in a short time; sending pauses and goes on by itself. If this comes often, set a longer message-gap.";
static const char unusual_rate[] =
	"Gmail sees an unusual amount of mail from this account or network and has stopped it for some hours. Find out what is sending so much (gmrelayctl queue list); sending goes on by itself later.";
static const char our_bug[] =
	"Gmail did not understand this program; that is a fault of ours, not of the message, which is kept and tried again. Please report it with the reply.";
static const char reconnect[] =
	"Gmail closed a connection that had been open or idle for long. Nothing needs to be done: a new one is opened at once.";
static const char app_password[] =
	"Gmail wants an app password, not the account's own password. Switch on 2-Step Verification, create an app password at https://myaccount.google.com/apppasswords and put it into the password-file; then run gmrelayctl reload.";
static const char bad_password[] =
	"Gmail does not accept the username and password. Use the full e-mail address as username and an app password in the password-file; app passwords end when the Google password is changed, so create a new one if it worked before. Then run gmrelayctl reload.";
static const char web_login[] =
	"Google wants the account's owner to confirm the login. Log in to the account with a web browser, look at its security alerts and confirm that it was you; then run gmrelayctl account resume.";
static const char over_quota[] =
	"The account has sent as much as Gmail allows in 24 hours. Mail is kept and goes out by itself when Gmail takes it again, usually within a day.";
static const char sender_policy[] =
	"The sending domain's SPF, DKIM, DMARC, TLS or reverse DNS records do not satisfy the receiving side. The domain's administrator has to set these records right.";
static const char loop[] =
	"The message has gone round in a circle between mail servers. Look for a forwarding rule that leads back here, or an upstream host that is this machine.";
static const char bad_header[] =
	"Gmail does not take the message's header (From, Message-ID or a field that occurs twice). Correct the program or device that wrote the message.";
static const char too_big[] =
	"The message, its header or its attachments are larger than Gmail takes (about 25 MB of attachments). Send less at once, for instance scan with a lower resolution.";
static const char split_rcpts[] =
	"Gmail takes no more recipients in one go; the rest follow in a further transaction by themselves.";
static const char bad_recipient[] =
	"The recipient's address is not written correctly. Correct it in the address book of the program or device.";
static const char bad_sender[] =
	"Gmail does not accept the sender's address. Set a valid e-mail address as sender in the program or device.";
static const char rcpt_known_only[] =
	"The recipient's domain takes mail from known addresses only. Ask its administrator; it is tried again meanwhile.";
static const char rcpt_tls_only[] =
	"The recipient's domain insists on TLS all the way. Ask its administrator; it is tried again meanwhile.";
static const char rcpt_later[] =
	"The recipient's mailbox takes no mail just now; it is tried again later by itself.";
static const char smtputf8[] =
	"An address holds letters beyond ASCII, and the receiving side does not take such addresses. Use an address in plain ASCII letters.";
static const char policy[] =
	"A policy of the sending or the receiving organisation forbids this mail. Ask the administrator of that domain.";
static const char not_registered[] =
	"Google does not let this account or machine relay mail. In the Google Admin console check that the account is active and that this machine's address is registered for the SMTP relay service.";

/* First fit wins: texts before bare codes, bare codes before defaults.
 * An enhanced code whose class contradicts the reply code never gets here
 * (proto/reply.h), so no row asks for one. A row with a recipient's or a
 * message's scope names phases in which there is one. */
static const struct gmail_rule
	rules[] =
		{
			/* --- 421: the connection ends in any case --- */
			{421, 0, NULL, "connection expired", ANY,
				SCOPE_CONNECTION, ACTION_RECONNECT, PAUSE_NONE,
				reconnect},
			{421, 0, NULL, "same message-id", MESSAGE,
				SCOPE_MESSAGE, ACTION_RETRY, PAUSE_SAME,
				"Gmail has seen this very message too often. It is kept and tried again later; if the program sends it again and again, stop that."},
			{421, 0, NULL, "unusual rate", ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_RATE, unusual_rate},
			{421, 0, "4.7.28", NULL, ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_RATE, unusual_rate},
			{421, 0, NULL, "whitelist", RCPT | DATA,
				SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_NONE,
				rcpt_known_only},
			{421, 0, NULL, "TLS required", RCPT | DATA,
				SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_NONE,
				rcpt_tls_only},
			{421, 0, NULL, "try again later, closing connection",
				ANY, SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_EHLO,
				"Gmail turned the connection away, often because of the name given in EHLO or because of too many connections. Set hostname to this machine's full name (host.example.com); it is tried again by itself."},
			{421, 0, "4.3.0", NULL, ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_BRIEF, too_fast},
			{421, 0, "4.4.5", NULL, ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_BRIEF, too_fast},
			{421, 0, NULL, "temporary system problem", ANY,
				SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_BRIEF,
				too_fast},

			/* --- PTR, SPF, DKIM, DMARC, TLS of the sender --- */
			{0, 4, "4.7.23", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.24", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.25", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.26", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.27", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.29", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.30", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 4, "4.7.32", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.23", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.24", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.25", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.26", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.27", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.29", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.30", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},
			{0, 5, "5.7.32", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, sender_policy},

			/* --- 450 to 454 --- */
			{450, 0, NULL, "relay limit exceeded", ANY,
				SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_PEAK,
				"The organisation has sent as much as Google's relay takes in ten minutes. Sending pauses and goes on by itself."},
			{450, 0, "4.2.1", NULL, RCPT | DATA, SCOPE_RECIPIENT,
				ACTION_RETRY, PAUSE_MAILBOX,
				"The recipient gets more mail than Gmail lets through at a time; it is tried again later by itself."},
			{451, 0, NULL, "multiple destination domains", RCPT,
				SCOPE_RECIPIENT, ACTION_SPLIT, PAUSE_NONE,
				split_rcpts},
			{451, 0, "4.3.0", NULL, DATA, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE,
				"Gmail put the message off for a while; it is tried again by itself."},
			{451, 0, "4.4.2", NULL, ANY, SCOPE_CONNECTION,
				ACTION_RECONNECT, PAUSE_NONE, reconnect},
			{451, 0, "4.5.0", NULL, TWICE, SCOPE_MESSAGE,
				ACTION_RETRY, PAUSE_NONE, our_bug},
			{451, 0, "4.5.0", NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{452, 0, "4.2.2", NULL, MAIL, SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD,
				"The Google account that sends has no storage left (what is sent is kept in its Sent folder). Free some storage in it or get more, then run gmrelayctl account resume."},
			{452, 0, "4.2.2", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_RETRY, PAUSE_NONE,
				"The recipient's mailbox is full; it is tried again later by itself."},
			{452, 0, "4.5.3", "domain policy size", RCPT,
				SCOPE_RECIPIENT, ACTION_SPLIT, PAUSE_NONE,
				split_rcpts},
			{452, 0, "4.5.3", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_SPLIT, PAUSE_NONE, split_rcpts},
			{452, 0, NULL, "too many recipients", RCPT,
				SCOPE_RECIPIENT, ACTION_SPLIT, PAUSE_NONE,
				split_rcpts},
			{454, 0, "4.5.0", NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{454, 0, NULL, "may not be repeated", ANY,
				SCOPE_CONNECTION, ACTION_BACK_OFF, PAUSE_NONE,
				our_bug},
			{454, 0, NULL, "too many login attempts", ANY,
				SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_LOGINS,
				"This account has logged in too often. Sending pauses and goes on by itself; if another program uses the same account, let it log in less often."},
			{454, 0, "4.7.0", NULL, ON(AUTH), SCOPE_ACCOUNT,
				ACTION_THROTTLE,
				PAUSE_AUTH_4XX, "Gmail cannot check logins at the moment; that is no fault of the password. It is tried again by itself."},

			/* --- 500 to 504, 523, 525: syntax, order --- */
			{501, 0, "5.5.2", NULL, ON(AUTH), SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD,
				"Gmail cannot read the login. Check username and password-file for stray characters, then run gmrelayctl account resume."},
			{501, 0, "5.5.2", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, bad_recipient},
			{501, 0, NULL, NULL, ON(EHLO) | GMAIL_AGAIN,
				SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_HOLD,
				"Gmail does not take the name this machine gives in EHLO. Set hostname to the machine's full name (host.example.com) and reload."},
			{501, 0, "5.7.11", NULL, ON(STARTTLS), SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{502, 0, NULL, NULL, ON(EHLO), SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server does not know EHLO, so it can offer neither TLS nor login. Check host and port; a firewall that rewrites SMTP can cause this too."},
			{502, 0, NULL, NULL, TWICE, SCOPE_MESSAGE, ACTION_RETRY,
				PAUSE_NONE, our_bug},
			{502, 0, NULL, NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{503, 0, "5.7.0", NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{503, 0, NULL, NULL, TWICE, SCOPE_MESSAGE, ACTION_RETRY,
				PAUSE_NONE, our_bug},
			{503, 0, NULL, NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{504, 0, NULL, NULL, ON(AUTH), SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD,
				"The server offers no way to log in that this program knows (PLAIN, LOGIN). Check that host and port are those of a submission server."},
			{523, 0, NULL, NULL, ON(STARTTLS), SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},
			{525, 0, NULL, NULL, ON(STARTTLS), SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE, our_bug},

			/* --- 530 to 535: login --- */
			{530, 0, NULL, "STARTTLS", ANY, SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD,
				"The server says that TLS is missing although it is on; something between this machine and Gmail interferes, or host and port are wrong. Check them, then run gmrelayctl account resume."},
			{530, 0, NULL, NULL, TWICE, SCOPE_ACCOUNT, ACTION_HOLD,
				PAUSE_HOLD,
				"Gmail says that nobody is logged in although the login had worked. Check that the account may send mail by SMTP, then run gmrelayctl account resume."},
			{534, 0, NULL, "application-specific", ANY,
				SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_HOLD,
				app_password},
			{534, 0, NULL, NULL, ANY, SCOPE_ACCOUNT, ACTION_HOLD,
				PAUSE_WEB, web_login},
			{535, 0, NULL, "application-specific", ANY,
				SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_HOLD,
				app_password},
			{535, 0, "5.5.4", NULL, ON(AUTH), SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD, our_bug},
			{535, 0, NULL, NULL, ANY, SCOPE_ACCOUNT, ACTION_HOLD,
				PAUSE_HOLD, bad_password},

			/* --- the account's own trouble, by whichever 5yz ---
			 */
			{0, 5, "5.4.5", NULL, ANY, SCOPE_ACCOUNT, ACTION_QUOTA,
				PAUSE_QUOTA, over_quota},
			{0, 5, NULL, "sending limit exceeded", ANY,
				SCOPE_ACCOUNT, ACTION_QUOTA, PAUSE_QUOTA,
				over_quota},
			{0, 5, NULL, "sending quota exceeded", ANY,
				SCOPE_ACCOUNT, ACTION_QUOTA, PAUSE_QUOTA,
				over_quota},
			{0, 5, NULL, "relay limit exceeded", ANY, SCOPE_ACCOUNT,
				ACTION_QUOTA, PAUSE_QUOTA, over_quota},
			{0, 5, NULL, "mail relay denied", ANY, SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD, not_registered},
			{0, 5, NULL, "mail sending denied", ANY, SCOPE_ACCOUNT,
				ACTION_HOLD, PAUSE_HOLD, not_registered},
			{0, 5, NULL, "invalid credentials for relay", ANY,
				SCOPE_ACCOUNT, ACTION_HOLD, PAUSE_HOLD,
				not_registered},
			{0, 5, NULL, "unusual rate", ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_TRUST, unusual_rate},
			{0, 5, NULL, "rate limited", ANY, SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_TRUST, unusual_rate},
			{0, 5, NULL,
				"low reputation", ANY, SCOPE_ACCOUNT, ACTION_THROTTLE, PAUSE_TRUST, "Gmail distrusts the address or domain that this mail comes from; the message is not at fault. Sending pauses and goes on by itself; if it stays so, ask your Internet provider about the address."},

			/* --- 550 --- */
			{550, 0, "5.1.1", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE,
				"There is no such mailbox. Check the spelling of the recipient's address."},
			{550, 0, "5.2.1", "at a rate", RCPT | DATA,
				SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_RATE,
				"The recipient gets more mail than Gmail lets through at a time; it is tried again later by itself."},
			{550, 0, "5.2.1", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE,
				"The recipient's account is disabled. Use another address of that person."},
			{550, 0, "5.4.6", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, loop},
			{550, 0, "5.6.7", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, smtputf8},
			{550, 0, "5.6.7", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, smtputf8},
			{550, 0, NULL, "likely unsolicited", MESSAGE,
				SCOPE_MESSAGE, ACTION_FAIL, PAUSE_SPAM,
				"Gmail takes this message for unwanted mail. Look at what it holds (links, attachments), change it and send it again."},
			{550, 0, NULL, "likely suspicious", MESSAGE,
				SCOPE_MESSAGE, ACTION_FAIL, PAUSE_SPAM,
				"Gmail takes this message for dangerous. Look at what it holds (links, attachments), change it and send it again."},
			{550, 0, NULL, "suspicious content", MESSAGE,
				SCOPE_MESSAGE, ACTION_FAIL, PAUSE_SPAM,
				"Gmail takes this message for dangerous. Look at what it holds (links, attachments), change it and send it again."},
			{550, 0, "5.7.1", "email quota exceeded", RCPT | DATA,
				SCOPE_RECIPIENT, ACTION_RETRY, PAUSE_NONE,
				rcpt_later},
			{550, 0, "5.7.1", "gcdp", RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, policy},
			{550, 0, "5.7.1", "gcdp", MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, policy},
			{550, 0, "5.7.1", "has a policy", RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, policy},
			{550, 0, "5.7.1", "has a policy", MESSAGE,
				SCOPE_MESSAGE, ACTION_FAIL, PAUSE_NONE, policy},
			{550, 0, "5.7.1", "from: header", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "from header", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "'from' header", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "duplicate header", DATA,
				SCOPE_MESSAGE, ACTION_FAIL, PAUSE_NONE,
				bad_header},
			{550, 0, "5.7.1", "5322", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "message-id", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "messageid", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "encoded-word", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "encoded word", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},
			{550, 0, "5.7.1", "unicode", DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, bad_header},

			/* --- 552 to 555 --- */
			{552, 0, "5.2.2", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE,
				"The recipient's mailbox is full and out of use. Use another address of that person."},
			{552, 0, "5.2.3", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, too_big},
			{552, 0, "5.3.4", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, too_big},
			{552, 0, "5.7.0", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE,
				"Gmail never takes attachments of this kind (programs and scripts, also inside archives). Share the file another way."},
			/* RFC 5321 4.5.3.1.10: older spellings of 452 4.5.3 */
			{0, 5, "5.5.3", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_SPLIT, PAUSE_NONE, split_rcpts},
			{0, 5, NULL, "too many recipients", RCPT,
				SCOPE_RECIPIENT, ACTION_SPLIT, PAUSE_NONE,
				split_rcpts},
			{553, 0, "5.1.2", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE,
				"The recipient's domain does not exist. Check the spelling of the part behind the @."},
			{553, 0, "5.1.3", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, bad_recipient},
			{553, 0, "5.1.3", NULL, MAIL, SCOPE_MESSAGE,
				ACTION_SENDER, PAUSE_SUSPECT, bad_sender},
			{553, 0, "5.1.7", NULL, MAIL, SCOPE_MESSAGE,
				ACTION_SENDER, PAUSE_SUSPECT, bad_sender},
			{553, 0, "5.6.7", NULL, RCPT, SCOPE_RECIPIENT,
				ACTION_FAIL, PAUSE_NONE, smtputf8},
			{553, 0, "5.6.7", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, smtputf8},
			{554, 0, "5.4.6", NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, loop},
			{554, 0, "5.6.0", "hops", MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, loop},
			{554, 0, "5.6.0", "loop", MESSAGE, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE, loop},
			{554, 0, "5.6.0", NULL, DATA, SCOPE_MESSAGE,
				ACTION_FAIL, PAUSE_NONE,
				"Gmail finds the message malformed. Correct the program or device that wrote it."},
			{554, 0, NULL, "too many unauthenticated commands", ANY,
				SCOPE_CONNECTION, ACTION_BACK_OFF, PAUSE_NONE,
				our_bug},
			{555, 0, NULL, NULL, RCPT, SCOPE_RECIPIENT, ACTION_FAIL,
				PAUSE_NONE, bad_recipient},
			{555, 0, NULL, NULL, MAIL, SCOPE_MESSAGE, ACTION_SENDER,
				PAUSE_SUSPECT, bad_sender},

			/* --- the default rules --- */
			{0, 2, NULL, NULL, ANY, SCOPE_NONE, ACTION_NONE,
				PAUSE_NONE, "All is well."},
			{421, 0, NULL, NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server closed the connection for now; it is tried again by itself."},
			{0, 4, NULL, NULL, ON(AUTH), SCOPE_ACCOUNT,
				ACTION_THROTTLE, PAUSE_AUTH_4XX,
				"The server cannot take logins at the moment; it is tried again by itself."},
			{0, 5, NULL, NULL, ON(AUTH), SCOPE_ACCOUNT, ACTION_HOLD,
				PAUSE_HOLD,
				"The server refuses the login. Check username and password-file and that the account may send mail by SMTP, then run gmrelayctl account resume."},
			{0, 4, NULL, NULL, START, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server takes no connection at the moment; it is tried again by itself."},
			{0, 5, NULL, NULL, START, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server turns this machine away. Check host and port, and whether a firewall or the Internet provider stands between; it is tried again meanwhile."},
			{0, 4, NULL, NULL, RCPT, SCOPE_RECIPIENT, ACTION_RETRY,
				PAUSE_NONE,
				"The recipient was refused for the moment; it is tried again by itself."},
			{0, 5, NULL, NULL, RCPT, SCOPE_RECIPIENT, ACTION_FAIL,
				PAUSE_NONE,
				"The recipient was refused. Check the address; the reply tells more."},
			{0, 4, NULL, NULL, MESSAGE, SCOPE_MESSAGE, ACTION_RETRY,
				PAUSE_NONE,
				"The message was refused for the moment; it is tried again by itself."},
			{0, 5, NULL, NULL, MESSAGE, SCOPE_MESSAGE,
				ACTION_SUSPECT, PAUSE_SUSPECT,
				"The message was refused for a reason this program does not know. It is tried once more; the reply tells more."},
			{0, 4, NULL, NULL, BETWEEN, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server ended the connection between two messages; it is tried again by itself."},
			{0, 5, NULL, NULL, BETWEEN, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server ended the connection between two messages; it is tried again by itself."},
			{0, 0, NULL, NULL, ANY, SCOPE_CONNECTION,
				ACTION_BACK_OFF, PAUSE_NONE,
				"The server gave an answer that does not fit the question. Check that host and port are those of a submission server; it is tried again meanwhile."},
};

static bool fits(
	const struct gmail_rule *rule, enum phase phase, const struct reply *r)
{
	if (rule->phases != ANY && (rule->phases & 1u << phase) == 0)
		return false;
	if (rule->code != 0 && rule->code != r->code)
		return false;
	if (rule->code_class != 0 && rule->code_class != r->code / 100)
		return false;
	if (rule->enhanced != NULL && strcmp(rule->enhanced, r->enhanced) != 0)
		return false;
	return rule->fragment == NULL ||
	       strcasestr(r->text, rule->fragment) != NULL;
}

const struct gmail_rule *gmail_judge(enum phase phase, const struct reply *r)
{
	const struct gmail_rule *rule = rules;

	/* the last row fits everything */
	while (!fits(rule, phase, r))
		rule++;
	return rule;
}

const struct gmail_rule *gmail_misfit(void)
{
	return &rules[COUNT_OF(rules) - 1];
}

const struct gmail_rule *gmail_rules(size_t *count_out)
{
	*count_out = COUNT_OF(rules);
	return rules;
}

#define MINUTES(n) ((n)*INT64_C(60000))

static const struct {
	int64_t first_ms;
	int64_t factor;
	int64_t cap_ms;
} pauses[PAUSE_COUNT] = {
	[PAUSE_NONE] = {0, 1, 0},
	[PAUSE_BRIEF] = {MINUTES(1), 2, MINUTES(30)},
	[PAUSE_EHLO] = {MINUTES(5), 2, MINUTES(60)},
	[PAUSE_LOGINS] = {MINUTES(15), 2, MINUTES(4 * 60)},
	[PAUSE_AUTH_4XX] = {MINUTES(5), 2, MINUTES(60)},
	[PAUSE_PEAK] = {MINUTES(10), 2, MINUTES(60)},
	[PAUSE_RATE] = {MINUTES(60), 2, MINUTES(6 * 60)},
	[PAUSE_QUOTA] = {MINUTES(60), 2, MINUTES(4 * 60)},
	[PAUSE_HOLD] = {MINUTES(60), 12, MINUTES(12 * 60)},
	[PAUSE_WEB] = {MINUTES(12 * 60), 1, MINUTES(12 * 60)},
	[PAUSE_SUSPECT] = {MINUTES(30), 1, MINUTES(30)},
	[PAUSE_MAILBOX] = {MINUTES(30), 2, MINUTES(4 * 60)},
	[PAUSE_SAME] = {MINUTES(4 * 60), 1, MINUTES(4 * 60)},
	[PAUSE_TRUST] = {MINUTES(4 * 60), 1, MINUTES(4 * 60)},
	[PAUSE_SPAM] = {MINUTES(60), 2, MINUTES(6 * 60)},
};

int64_t gmail_pause_ms(enum pause pause, unsigned step)
{
	int64_t ms = pauses[pause].first_ms;

	while (step-- > 0 && ms < pauses[pause].cap_ms)
		ms *= pauses[pause].factor;
	return ms < pauses[pause].cap_ms ? ms : pauses[pause].cap_ms;
}

const char *phase_name(enum phase phase)
{
	static const char *const names[PHASE_COUNT] = {
		[PHASE_CONNECT] = "CONNECT",
		[PHASE_BANNER] = "BANNER",
		[PHASE_EHLO] = "EHLO",
		[PHASE_STARTTLS] = "STARTTLS",
		[PHASE_TLS] = "TLS",
		[PHASE_AUTH] = "AUTH",
		[PHASE_READY] = "READY",
		[PHASE_MAIL] = "MAIL",
		[PHASE_RCPT] = "RCPT",
		[PHASE_DATA] = "DATA",
		[PHASE_FINAL] = "FINAL",
		[PHASE_RSET] = "RSET",
		[PHASE_QUIT] = "QUIT",
	};

	return phase < PHASE_COUNT ? names[phase] : "?";
}

bool gmail_means_loop(const char *advice)
{
	return advice == loop;
}

bool gmail_means_our_bug(const char *advice)
{
	return advice == our_bug;
}

/* An hour is told like a hold. That the name in EHLO is wrong is for a person
 * to mend, and plain when it was said three times in a row. */
#define LASTING_MS      MINUTES(60)
#define EHLO_LASTS_FROM 2

bool gmail_pause_is_lasting(enum pause pause, unsigned step)
{
	return gmail_pause_ms(pause, step) >= LASTING_MS ||
	       (pause == PAUSE_EHLO && step >= EHLO_LASTS_FROM);
}

/* A refusal that ends by itself is worth a look when it does not. */
#define ALARM_EVERY 3

bool gmail_is_alarming(const struct gmail_rule *rule, unsigned attempt)
{
	if (rule->advice == rcpt_known_only || rule->advice == rcpt_tls_only)
		return attempt % ALARM_EVERY == 0;
	if (rule->action == ACTION_FAIL)
		return rule->advice == sender_policy ||
		       rule->pause == PAUSE_SPAM;
	return rule->advice == our_bug || rule->pause == PAUSE_SAME;
}

const char *action_name(enum action action)
{
	static const char *const names[] = {
		[ACTION_NONE] = "none",
		[ACTION_RETRY] = "retry",
		[ACTION_FAIL] = "fail",
		[ACTION_SPLIT] = "split",
		[ACTION_RECONNECT] = "reconnect",
		[ACTION_BACK_OFF] = "back-off",
		[ACTION_THROTTLE] = "throttle",
		[ACTION_QUOTA] = "quota",
		[ACTION_HOLD] = "hold",
		[ACTION_SENDER] = "sender",
		[ACTION_SUSPECT] = "suspect",
	};

	return action < COUNT_OF(names) ? names[action] : "?";
}

const char *scope_name(enum scope scope)
{
	static const char *const names[] = {
		[SCOPE_NONE] = "none",
		[SCOPE_RECIPIENT] = "recipient",
		[SCOPE_MESSAGE] = "message",
		[SCOPE_CONNECTION] = "connection",
		[SCOPE_ACCOUNT] = "account",
	};

	return scope < COUNT_OF(names) ? names[scope] : "?";
}
