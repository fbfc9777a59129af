"""Whoever a program says it is, what arrives upstream has a From that Gmail
keeps, and says who it was."""
import email
import email.policy
from email.message import EmailMessage

from lib.harness import main, scenario
from lib.mail import without_received
from lib.smtpclient import message

PERSON = "person@example.net"


def pair(t, fake=None, **account):
    fake = fake or t.fake()
    account.setdefault("from", "auto")
    return fake, t.daemon(fake, account=account).start()


def parsed(got):
    return email.message_from_bytes(got.data, policy=email.policy.default)


def only_from(t, got):
    """The one mailbox of the one From field."""
    fields = parsed(got).get_all("From")
    t.equal(len(fields), 1, "From fields")
    t.equal(fields[0].defects, (), "defects of From")
    t.equal(len(fields[0].addresses), 1, "mailboxes in From")
    return fields[0].addresses[0]


def send_from(daemon, text, sender="root@localhost"):
    with daemon.smtplib() as client:
        client.sendmail(sender, [PERSON], text.replace("\n", "\r\n").encode())


@scenario
def python_smtplib_from_root_at_localhost(t):
    fake, daemon = pair(t)
    sent = EmailMessage()
    sent["From"], sent["To"], sent["Subject"] = "root@localhost", PERSON, "x"
    sent["Date"], sent["Message-ID"] = "Sun, 22 Nov 2026 04:05:06 +0000", \
        "<1@localhost>"
    sent.set_content("text\n")
    with daemon.smtplib() as client:
        client.send_message(sent)
    got = fake.wait_messages(1)[0]
    mailbox = only_from(t, got)
    t.equal((mailbox.display_name, mailbox.addr_spec),
            ("root@localhost", fake.behaviour.user), "From")
    t.equal(got.sender, fake.behaviour.user, "reverse-path")
    t.equal(got.header("Reply-To"), [], "Reply-To")
    t.equal(got.header("X-Original-From"), ["root@localhost"],
            "X-Original-From")
    t.equal((got.header("Message-ID"), got.header("Date")),
            (["<1@localhost>"], ["Sun, 22 Nov 2026 04:05:06 +0000"]),
            "Message-ID and Date")
    t.equal(got.body, b"text\r\n", "body")
    daemon.wait_log(r"accepted id=\S+ from=root@localhost .* "
                    r"repairs=from-rewritten ")
    daemon.wait_log(r"delivered id=\S+ from=root@localhost ")
    t.clean(fake)


@scenario
def php_mail_and_cron(t):
    fake, daemon = pair(t)
    send_from(daemon, "To: %s\nSubject: php\nFrom: Shop <shop@example.com>\n"
              "X-Mailer: PHP/8.2\n\norder\n" % PERSON, "www-data@web1.lan")
    send_from(daemon, "From: root (Cron Daemon)\nTo: root\n"
              "Subject: Cron <root@web1> backup\n\ndone\n")
    got = {x.header("Subject")[0].split()[0]: x
           for x in fake.wait_messages(2)}
    php, cron = only_from(t, got["php"]), only_from(t, got["Cron"])
    t.equal((php.display_name, php.addr_spec),
            ("Shop (shop@example.com)", fake.behaviour.user), "PHP: From")
    t.equal(parsed(got["php"])["Reply-To"].addresses[0].addr_spec,
            "shop@example.com", "PHP: Reply-To")
    t.equal((cron.display_name, cron.addr_spec),
            ("Cron Daemon (root@relay.example.org)", fake.behaviour.user),
            "cron: From")
    t.equal(got["Cron"].header("Reply-To"), [], "cron: Reply-To")
    for x in got.values():
        t.equal(x.sender, fake.behaviour.user, "reverse-path")
    t.clean(fake)


@scenario
def names_in_other_charsets(t):
    fake, daemon = pair(t)
    for name in ("=?iso-8859-15?Q?B=FCro_=A4?=", "\"=?utf-8?B?QsO8cm8g4oKs?=\""):
        send_from(daemon, "From: %s <scan@mfp.lan>\n\nx\n" % name)
    for got in fake.wait_messages(2):
        t.equal(only_from(t, got).display_name, "Büro € (scan@mfp.lan)",
                "From")
        t.true(got.data.isascii(), "8-bit octets in the header")
    t.clean(fake)


@scenario
def the_accounts_own_addresses_stay(t):
    fake = t.fake()
    alias = "Alerts@example.com"
    fake, daemon = pair(t, fake, send_as=[alias.lower()])
    for own in (fake.behaviour.user, alias):
        data = message(sender=own)
        daemon.send(data, [PERSON], sender=own)
        got = fake.wait_messages(1)[-1]
        fake.messages.clear()
        t.equal(without_received(got.data), data, "message of %s" % own)
        t.equal(got.sender, own, "reverse-path")
    t.equal(len(daemon.wait_log(r"accepted .*repairs=none ", count=2)), 2,
            "repairs")
    t.clean(fake)


@scenario
def account_makes_no_exception_and_keep_does(t):
    alias = "alerts@example.com"
    for mode, expected in (("account", None), ("keep", alias)):
        fake = t.fake()
        fake, daemon = pair(t, fake, send_as=[alias], **{"from": mode})
        daemon.send(message(sender=alias), [PERSON], sender=alias)
        got = fake.wait_messages(1)[0]
        expected = expected or fake.behaviour.user
        t.equal((only_from(t, got).addr_spec, got.sender),
                (expected, expected), "From and reverse-path, " + mode)
        t.clean(fake)


@scenario
def reports_go_to_the_original_sender(t):
    fake, daemon = pair(t)
    fake.rule("RCPT", "550 5.1.1 The email account does not exist",
              match="^TO:<person@")
    daemon.send(message(sender="owner@example.org"), [PERSON],
                sender="owner@example.org")
    report = fake.wait_messages(1)[0]
    t.equal(report.recipients, ["owner@example.org"], "the report goes to")


@scenario
def no_field_gets_in_by_a_name(t):
    fake, daemon = pair(t)
    send_from(daemon, "From: =?utf-8?Q?a=0D=0ABcc:_x@example.com=0D=0A=0D=0A?= "
              "<a@mfp.lan>\nSender: b@mfp.lan\nFrom: c@example.com\n"
              "Subject: one\nSubject: two\n\nx\n")
    got = fake.wait_messages(1)[0]
    t.equal(only_from(t, got).display_name,
            "a Bcc: x@example.com (a@mfp.lan)", "From")
    for name in ("Bcc", "Sender", "Reply-To"):
        t.equal(got.header(name), [], name)
    t.equal(got.header("Subject"), ["one"], "Subject")
    daemon.wait_log(r"accepted .*repairs=\S*duplicate-removed,from-rewritten,"
                    r"sender-removed ")
    t.clean(fake)


if __name__ == "__main__":
    main()
