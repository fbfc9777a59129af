"""Mail for root, or from root, has no domain and reaches a person: by
/etc/aliases, by default-domain, or because somebody owns the machine."""
import signal

from lib.harness import main, scenario
from lib.smtpclient import message

REFUSAL = "550 5.1.1 The email account that you tried to reach does not exist"


def ready(t, aliases=None, **settings):
    fake = t.fake()
    if aliases is not None:
        settings["aliases"] = t.path("aliases")
        with open(settings["aliases"], "w", encoding="utf-8") as out:
            out.write(aliases)
    return fake, t.daemon(fake, **settings).start()


def hand_in(daemon, recipients, sender="root", data=None):
    """As cron's sendmail would."""
    with daemon.client() as client:
        client.ehlo()
        return client.mail(sender, recipients, data or message())


@scenario
def root_becomes_who_the_alias_says(t):
    fake, daemon = ready(t, "root: jan, ann@example.org\n"
                         "jan: Jan@example.net\n")
    hand_in(daemon, ["root"], data=b"From: root (Cron Daemon)\r\n"
            b"To: root\r\nSubject: Cron <root@web1> backup\r\n\r\ndone\r\n")
    got = fake.wait_messages(1)[0]
    t.equal(got.recipients, ["Jan@example.net", "ann@example.org"],
            "recipients")
    t.equal(got.header("To"), ["root@relay.example.org"], "To")
    daemon.wait_log(r"accepted id=\S+ from=root@relay.example.org "
                    r"to=Jan@example.net local-to=root nrcpt=2 .*"
                    r"repairs=\S*domain-added")
    t.clean(fake)


@scenario
def without_an_alias_the_owner_gets_it(t):
    fake, daemon = ready(t)
    hand_in(daemon, ["root@localhost"])
    t.equal(fake.wait_messages(1)[0].recipients, [fake.behaviour.user],
            "the account")
    fake.messages.clear()
    daemon.write_config(postmaster="owner@example.org")
    daemon.reload()
    hand_in(daemon, ["www-data", "postmaster", "root"])
    t.equal(fake.wait_messages(1)[0].recipients, ["owner@example.org"],
            "the postmaster, once")
    t.clean(fake)


@scenario
def who_is_nobody_is_refused_with_the_cure(t):
    fake, daemon = ready(t, "pipe: |/usr/bin/procmail\n")
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<scanner>", 250)
        reply = client.cmd("RCPT TO:<jan>")
        t.equal((reply.code, reply.enhanced), (550, "5.1.1"), "jan")
        t.true("alias" in reply.text and "default-domain" in reply.text,
               "the cure: %r" % reply)
        reply = client.cmd("RCPT TO:<pipe>")
        t.equal((reply.code, reply.enhanced), (550, "5.2.1"), "pipe")
    daemon.wait_log(r"aliases:1: pipe: \|/usr/bin/procmail starts a program")
    daemon.wait_log(r"refused to=jan from=scanner@relay.example.org ")
    daemon.write_config(default_domain="example.net")
    daemon.reload()
    hand_in(daemon, ["jan"], "scanner")
    got = fake.wait_messages(1)[0]
    t.equal((got.sender, got.recipients),
            ("scanner@example.net", ["jan@example.net"]), "with a domain")
    t.clean(fake)


@scenario
def a_reload_reads_the_file_anew(t):
    fake, daemon = ready(t, "root: one@example.net\n")
    hand_in(daemon, ["root"])
    with open(t.path("aliases"), "w", encoding="utf-8") as out:
        out.write("root: two@example.net\n")
    daemon.reload()
    hand_in(daemon, ["root"])
    t.equal(sorted(x.recipients[0] for x in fake.wait_messages(2)),
            ["one@example.net", "two@example.net"], "recipients")
    # a file that was named must be right, or nothing changes
    with open(t.path("aliases"), "w", encoding="utf-8") as out:
        out.write("root: jan\njan: root\n")
    status, said = daemon.check_config()
    t.equal(status, 1, "exit status of -t")
    t.true("%s:1: root: jan leads back" % t.path("aliases") in said, said)
    daemon.signal(signal.SIGHUP)
    daemon.wait_log(r"reload refused")
    hand_in(daemon, ["root"])
    fake.wait_messages(3)
    t.clean(fake)


@scenario
def reports_to_local_senders_follow_the_alias(t):
    fake, daemon = ready(t, "root: admin@example.org\n")
    fake.rule("RCPT", REFUSAL, match="^TO:<lost@")
    hand_in(daemon, ["lost@example.net"])
    report = fake.wait_messages(1)[0]
    t.equal(report.recipients, ["admin@example.org"], "who is told")
    t.true(report.header("Auto-Submitted"), "it is a report")


if __name__ == "__main__":
    main()
