"""What becomes of mail that cannot be delivered: somebody who can act is told,
in words, once, and never in a loop."""
import email
import email.policy

from lib.harness import main, scenario, wait_for
from lib.smtpclient import message

REFUSAL = "550 5.1.1 The email account that you tried to reach does not exist"


def refused(t, **settings):
    """A daemon whose upstream knows nobody called lost@."""
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost@")
    return fake, t.daemon(fake, **settings).start()


def reports(fake):
    return [x for x in fake.messages if x.header("Auto-Submitted")]


def wait_report(fake, count=1, deadline=30):
    fake.wait(lambda: len(reports(fake)) >= count, deadline, "a report")
    return reports(fake)[-1]


def parse(got):
    return email.message_from_bytes(got.data, policy=email.policy.default)


def status_fields(report):
    """Fields of the message/delivery-status part: [per message, per
    recipient, ...]."""
    part = next(x for x in report.walk()
                if x.get_content_type() == "message/delivery-status")
    return part.get_payload()


@scenario
def a_report_is_as_rfc_3464_says(t):
    fake, daemon = refused(t)
    sent = message(subject="the lost one")
    daemon.send(sent, ["lost@example.net", "found@example.net"],
                sender="owner@example.org")
    got = wait_report(fake)
    t.equal(got.recipients, ["owner@example.org"], "who is told")
    t.equal(got.sender, fake.behaviour.user, "reverse-path on the wire")
    report = parse(got)
    t.equal(report.get_content_type(), "multipart/report", "content type")
    t.equal(report.get_param("report-type"), "delivery-status", "report type")
    t.equal(report["Auto-Submitted"], "auto-replied", "Auto-Submitted")
    t.true("owner@example.org" in report["To"], "To: %s" % report["To"])
    parts = list(report.iter_parts())
    t.equal([x.get_content_type() for x in parts][:2],
            ["text/plain", "message/delivery-status"], "parts")
    t.true(parts[2].get_content_type() in ("text/rfc822-headers",
                                           "message/rfc822"), "third part")
    words = parts[0].get_content()
    t.true("lost@example.net" in words and "does not exist" in words,
           "the words for a person: %r" % words)
    t.true("found@example.net" not in words, "who got it is not named")
    fields = status_fields(report)
    t.true(fields[0]["Reporting-MTA"], "Reporting-MTA")
    t.equal(len(fields), 2, "recipients reported")
    t.true("lost@example.net" in fields[1]["Final-Recipient"],
           "Final-Recipient: %s" % fields[1]["Final-Recipient"])
    t.equal((fields[1]["Action"], fields[1]["Status"]), ("failed", "5.1.1"),
            "Action and Status")
    t.true("5.1.1" in fields[1]["Diagnostic-Code"], "Diagnostic-Code")
    t.true(b"Subject: the lost one" in got.data, "the original's header")
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def one_report_tells_of_all_transactions(t):
    fake, daemon = refused(t)
    fake.rule("RCPT", REFUSAL, match="^TO:<p")
    people = ["p%03d@example.net" % i for i in range(210)]
    daemon.send(message(), people[:205] + ["found@example.net"],
                sender="owner@example.org")
    got = wait_report(fake)
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")
    fields = status_fields(parse(got))[1:]
    t.equal(sorted(x["Final-Recipient"] for x in fields),
            ["rfc822; " + x for x in people[:205]], "who is reported")
    words = list(parse(got).iter_parts())[0].get_content()
    t.true("What to do:" in words, "the words for a person: %r" % words)
    daemon.stop()
    daemon.start()
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports after a restart")


@scenario
def what_failed_before_a_restart_is_reported_after_it(t):
    fake, daemon = refused(t)
    fake.rule("RCPT", action="stall", match="^TO:<found@", times=1)
    people = ["lost@example.net"] + ["p%03d@example.net" % i
                                     for i in range(99)]
    daemon.send(message(subject="one"), people + ["found@example.net"],
                sender="owner@example.org")
    fake.wait(lambda: fake.messages, 20, "the first hundred")
    wait_for(lambda: daemon.recipients(daemon.queue()[0]["id"])[
        "lost@example.net"]["state"] == "failed", 20, "lost has failed")
    t.equal(reports(fake), [], "reports")
    daemon.kill_all()
    daemon.start()
    got = wait_report(fake)
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")
    t.true(b"lost@example.net" in got.body, "it names lost@")


@scenario
def failed_messages_are_kept_counted_and_sent_again(t):
    fake, daemon = refused(t)
    message_id = daemon.send(message(), ["lost@example.net"])
    wait_report(fake)
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, 20, "failed/")
    t.equal(daemon.status()["queue"]["failed_unseen"], 1, "not looked at")
    rows = daemon.queue(failed=True)
    t.equal([x["id"] for x in rows], [message_id], "the message's id")
    daemon.stop()
    daemon.start()
    wait_for(lambda: not daemon.status()["queue"]["starting"], 20, "the start")
    t.equal([x["id"] for x in daemon.queue(failed=True)], [message_id],
            "after a restart")
    fake.clear_rules()
    daemon.ask("queue.retry", id=message_id)
    fake.wait(lambda: any("lost@example.net" in x.recipients
                          for x in fake.messages), 20, "the message")
    wait_for(lambda: daemon.status()["queue"]["failed"] == 0, 20,
             "an empty failed/")


@scenario
def no_report_for_a_null_sender(t):
    fake, daemon = refused(t)
    daemon.send(message(), ["lost@example.net"], sender="")
    wait_for(lambda: daemon.queue(failed=True), 30, "failed/")
    daemon.send(message(), ["found@example.net"])
    fake.wait(lambda: fake.messages, 20, "the next message")
    daemon.wait_queue_empty()
    t.equal(reports(fake), [], "reports")


@scenario
def no_report_about_a_report(t):
    fake, daemon = refused(t)
    fake.rule("RCPT", REFUSAL, match="^TO:<owner@")
    daemon.send(message(), ["lost@example.net"], sender="owner@example.org")
    wait_for(lambda: len(daemon.queue(failed=True)) == 2, 30,
             "message and report in failed/")
    daemon.wait_queue_empty()
    t.equal(fake.messages, [], "messages upstream")


@scenario
def postmaster_is_told_where_the_sender_cannot_be(t):
    fake, daemon = refused(t, postmaster="admin@example.org")
    for i, sender in enumerate(("root@localhost", "printer@printer.local"),
                               1):
        with daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<%s>" % sender, 250)
            client.expect("RCPT TO:<lost@example.net>", 250)
            client.expect("DATA", 354)
            client.send(message() + b".\r\n")
            t.equal(client.reply().code, 250, "from %s" % sender)
        got = wait_report(fake, i)
        t.equal(got.recipients, ["admin@example.org"],
                "who is told of %s" % sender)


@scenario
def what_expires_is_reported(t):
    fake = t.fake()
    fake.rule("RCPT", "450 4.0.0 later", match="^TO:<slow@")
    daemon = t.daemon(fake, expire="3s", delay_notice="1h").start()
    daemon.send(message(), ["slow@example.net", "quick@example.net"],
                sender="owner@example.org")
    got = wait_report(fake, deadline=60)
    fields = status_fields(parse(got))
    t.equal(len(fields), 2, "recipients reported")
    t.true("slow@example.net" in fields[1]["Final-Recipient"], "who")
    t.equal(fields[1]["Action"], "failed", "Action")
    t.true(fields[1]["Status"].startswith(("4.", "5.")), "Status")
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")


@scenario
def a_long_delay_is_told_once(t):
    fake = t.fake()
    slow = fake.rule("RCPT", "450 4.0.0 later", match="^TO:<slow@")
    daemon = t.daemon(fake, delay_notice="1s").start()
    daemon.send(message(), ["slow@example.net"], sender="owner@example.org")
    got = wait_report(fake, deadline=60)
    fields = status_fields(parse(got))
    t.equal(fields[1]["Action"], "delayed", "Action")
    seen = slow.seen
    fake.wait(lambda: slow.seen >= seen + 3, 60, "more attempts")
    t.equal(len(reports(fake)), 1, "reports")
    fake.clear_rules()
    fake.wait(lambda: any("slow@example.net" in x.recipients
                          for x in fake.messages), 30, "the message")
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")


@scenario
def account_trouble_expires_nothing(t):
    fake = t.fake()
    fake.rule("AUTH", "454 4.7.0 Cannot authenticate due to temporary system "
              "problem")
    daemon = t.daemon(fake, expire="1s", delay_notice="1h").start()
    daemon.send(message())
    daemon.wait_account("throttled")
    daemon.ask("queue.flush")
    fake.wait(lambda: len(fake.logins) >= 2, 30, "another try")
    wait_for(lambda: daemon.log_now().count("account-throttled") >= 2, 30,
             "its refusal")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    t.equal(daemon.queued(), 1, "queued messages")
    fake.clear_rules()
    daemon.ask("queue.flush")
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    t.equal(reports(fake), [], "reports")


if __name__ == "__main__":
    main()
