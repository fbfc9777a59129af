"""What a client asked of reports is kept, wherever its message waits: through
queue/, failed/, restarts and deaths, and in drop/ while the daemon is down."""
import os

from lib.dsn import LATER, REFUSAL, hand_in, reports, sort, told, wait_report
from lib.faults import FSYNC, KILL_BEFORE, LINK, RENAME, UNLINK, Faults
from lib.harness import main, print_comment, scenario
from lib.sendmail import Sendmail
from lib.smtpclient import message

TO = "person@example.net"
BODY = b"The body of the message.\r\n" * 3
# No message takes more calls of the kinds that are looked at.
CALLS_MAX = 40


@scenario
def it_is_kept_through_queue_failed_and_restarts(t):
    fake = t.fake()
    slow = fake.rule("RCPT", LATER, match="^TO:<slow")
    daemon = t.daemon(fake).start()
    message_id = hand_in(
        daemon, ["<found@example.net> NOTIFY=SUCCESS,DELAY ORCPT=rfc822;f@x",
                 "<slow@example.net> NOTIFY=SUCCESS,FAILURE ORCPT=rfc822;s@x",
                 "<slow2@example.net> NOTIFY=NEVER"],
        params=" RET=FULL ENVID=kept", data=message(body=BODY))
    # who was delivered is told at the end of the round, not of the message
    report = wait_report(fake)
    t.equal(report.actions(), {"found@example.net": "relayed"}, "Actions")
    t.wait_for(lambda: daemon.queue()[0]["attempts"] > 0, 30, "in queue/")
    daemon.kill_all()
    with open("%s/queue/%s" % (daemon.spool, message_id), "rb") as file:
        lines = file.read().split(b"\n\n")[0].split(b"\n")
    # SUCCESS was told of
    for line in (b"ret FULL", b"envid kept", b"done found@example.net",
                 b"notify DELAY", b"orcpt rfc822;f@x",
                 b"notify SUCCESS,FAILURE", b"orcpt rfc822;s@x",
                 b"notify NEVER"):
        t.true(line in lines, "%r is not in %r" % (line, lines))
    slow.reply = [REFUSAL]
    daemon.start()
    fake.wait(lambda: len(reports(fake)) == 2, 30, "the second report")
    report = reports(fake)[1]
    t.equal(report.actions(), {"slow@example.net": "failed"}, "Actions")
    t.equal(report.rows[0]["Original-Recipient"], "rfc822; s@x", "ORCPT")
    t.equal(report.fields["Original-Envelope-Id"], "kept", "ENVID")
    t.true(BODY in report.raw, "RET=FULL")
    daemon.wait_queue_empty()
    daemon.stop()
    daemon.start()
    fake.clear_rules()
    t.wait_for(lambda: daemon.queue(failed=True), 30, "failed/ is read")
    daemon.ask("queue.retry", id=message_id)
    fake.wait(lambda: len(reports(fake)) == 3, 30, "the third report")
    report = reports(fake)[2]
    t.equal(report.actions(), {"slow@example.net": "relayed"}, "Actions")
    t.equal(report.fields["Original-Envelope-Id"], "kept", "ENVID")
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 3, "reports")
    t.clean(fake)


@scenario
def the_report_is_durable_before_the_mark(t):
    """So a relay that dies between sends again, rather than telling nobody."""
    for size in (1, 2000):
        fake = t.fake()
        daemon = t.daemon(fake)
        faults = Faults(daemon)
        daemon.start()
        moment = faults.stop("mover", LINK)
        hand_in(daemon, ["<found@example.net> NOTIFY=SUCCESS"],
                data=message(subject="once",
                             body=(b"b" * 70 + b"\r\n") * size))
        moment.wait_entered()
        t.equal(len(fake.messages), 1, "messages upstream")
        pid = daemon.kill_role("relay")
        faults.clear()
        daemon.wait_role_again("relay", pid)
        fake.wait(lambda: reports(fake), 30, "the report")
        daemon.wait_queue_empty()
        t.equal(len(copies(fake, "once")), 2, "arrivals")
        t.equal(len(reports(fake)), 1, "reports")


def copies(fake, subject):
    return [x for x in list(fake.messages) if x.header("Subject") == [subject]]


def reports_to(fake, sender):
    return [x for x in reports(fake) if x.to == [sender]]


def dies(t, daemon, faults, name, nth):
    """The relay, before that call of its mover. Returns whether there was
    such a call."""
    fake = daemon.fake
    sender = "%s%d@example.org" % (name, nth)
    pid = daemon.wait_roles()["relay"]
    rule = faults.kill("gmrelayd-relay", LINK | UNLINK | FSYNC | RENAME,
                       KILL_BEFORE, "mover", first=nth)
    hand_in(daemon, ["<%s%d@example.net> NOTIFY=SUCCESS" % (name, nth)],
            sender, data=message(subject=sender))
    t.wait_for(lambda: rule.entered or (
        reports_to(fake, sender) and daemon.status()["queue"]["queued"] == 0),
               60, "an end")
    faults.clear()
    hit = rule.entered > 0
    if hit:
        daemon.wait_role_again("relay", pid)
        daemon.reload()  # the next death is again the first for the parent
    fake.wait(lambda: reports_to(fake, sender), 60, "a report to " + sender)
    daemon.wait_queue_empty()
    t.true(1 <= len(copies(fake, sender)) <= 1 + hit, "arrivals: %d" % len(
        copies(fake, sender)))
    # it may have left before the message was sent again: the same, then
    found = reports_to(fake, sender)
    t.equal(len({x.mail["Message-ID"] for x in found}), 1,
            "reports of call %d that differ" % nth)
    t.true(len(found) <= len(copies(fake, sender)), "no report by itself")
    return hit


@scenario
def a_relay_that_dies_at_any_call_tells_in_the_end(t):
    """From the journal, and from queue/."""
    fake = t.fake()
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    daemon.start()
    for nth in range(1, CALLS_MAX):
        fake.rule("RCPT", LATER, match="^TO:<slow%d@" % nth, times=1)
    for name, step in (("found", 1), ("slow", 2)):
        deaths = 0
        while dies(t, daemon, faults, name, 1 + deaths * step):
            deaths += 1
            t.true(1 + deaths * step < CALLS_MAX, "calls of one message")
        print_comment("%s: %d deaths" % (name, deaths))
        t.true(deaths >= 3, "a report takes calls")
    t.clean(fake)


@scenario
def a_body_file_goes_when_its_sender_was_told(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    hand_in(daemon, ["<found@example.net> NOTIFY=SUCCESS"],
            data=message(body=b"c" * 70 + b"\r\n" * 100000))
    wait_report(fake)
    daemon.wait_queue_empty()
    # the receiver has empty ones in hand
    t.wait_for(lambda: not [x for x in os.scandir(daemon.spool + "/large")
                            if x.stat().st_size > 0], 20, "no body in large/")


# --- the sendmail command ------------------------------------------------------

def sendmail_asks(t, sendmail, fake, meanwhile):
    """The options of the command, with the daemon there or not."""
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    text = b"Subject: s\n\nthe body\n"
    sendmail.ok("-fone@example.org", "-Nsuccess", "-V", "id+2B1", TO,
                text=text)
    sendmail.ok("-ftwo@example.org", "-N", "never", "lost@example.net",
                text=text)
    sendmail.ok("-fthree@example.org", "-N", "failure", "-R", "full",
                "lost@example.net", text=text)
    sendmail.ok("-ffour@example.org", "-N", "delay", "lost@example.net", TO,
                text=text)
    daemon = sendmail.daemon
    meanwhile()
    fake.wait(lambda: len(reports(fake)) == 2, 60, "the reports")
    t.wait_for(lambda: len(daemon.queue(failed=True)) == 3, 30, "failed/")
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), {"one@example.org": ["relayed"],
                               "three@example.org": ["failed"]}, "who is told")
    for report in reports(fake):
        if report.to == ["one@example.org"]:
            t.equal(report.fields["Original-Envelope-Id"], "id+1", "ENVID")
        else:
            t.true(b"the body" in report.raw, "RET=FULL")
    t.clean(fake)


@scenario
def the_sendmail_command(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    sendmail_asks(t, Sendmail(t, daemon), fake, lambda: None)


@scenario
def the_sendmail_command_while_the_daemon_is_down(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.stop()
    sendmail_asks(t, Sendmail(t, daemon), fake, daemon.start)


@scenario
def what_the_receiver_refuses_of_dropped_mail(t):
    """It never came so far as to be in the queue."""
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.stop()
    sendmail = Sendmail(t, daemon)
    # a name of this machine that nobody has
    for sender, how in (("one", []), ("two", ["-N", "never"]),
                        ("three", ["-N", "success,delay"]),
                        ("four", ["-N", "failure", "-V", "mine"])):
        sendmail.ok("-f%s@example.org" % sender, *how, "nobodyhere",
                    text=b"Subject: s\n\nx\n")
    daemon.start()
    fake.wait(lambda: len(reports(fake)) == 2, 60, "the reports")
    daemon.wait_log(r"drop-refused ", count=4)
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), {"one@example.org": ["failed"],
                               "four@example.org": ["failed"]}, "who is told")
    t.equal(sorted(str(x.fields["Original-Envelope-Id"])
                   for x in reports(fake)), ["None", "mine"], "ENVID")


if __name__ == "__main__":
    main()
