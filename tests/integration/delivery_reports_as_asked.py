"""Reports as the client asked for them (RFC 3461): NOTIFY, RET, ENVID and ORCPT,
for what is delivered, fails, is late or is given up."""
import collections
import email
import email.policy
import os
import subprocess

from lib.faults import FSYNC, KILL_BEFORE, LINK, RENAME, UNLINK, Faults
from lib.harness import main, print_comment, scenario
from lib.sendmail import Sendmail
from lib.smtpclient import message, stuff

# a defect anywhere is an exception
STRICT = email.policy.default.clone(raise_on_defect=True)
REFUSAL = "550 5.1.1 The email account that you tried to reach does not exist"
LATER = "450 4.0.0 later"
TO = "person@example.net"
# No message takes more calls of the kinds that are looked at.
CALLS_MAX = 40

# NOTIFY, and the Actions of which its sender hears when a message is ...
WISHES = [
    # NOTIFY                 delivered  failed    late       given up
    (None,                   "",        "failed", "delayed", "failed"),
    ("NEVER",                "",        "",       "",        ""),
    ("SUCCESS",              "relayed", "",       "",        ""),
    ("FAILURE",              "",        "failed", "",        "failed"),
    ("DELAY",                "",        "",       "delayed", ""),
    ("FAILURE,DELAY",        "",        "failed", "delayed", "failed"),
    ("SUCCESS,FAILURE",      "relayed", "failed", "",        "failed"),
    ("SUCCESS,FAILURE,DELAY", "relayed", "failed", "delayed", "failed"),
    # overlooked: as if nothing had been asked
    ("NEVER,FAILURE",        "",        "failed", "delayed", "failed"),
]


def sender_of(row):
    return "row%d@example.org" % row


def notify(wish):
    return "" if wish is None else " NOTIFY=" + wish


def hand_in(daemon, recipients, sender="owner@example.org", params="",
            data=None):
    """recipients: what follows RCPT TO:. Returns the message's id."""
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<%s>%s" % (sender, params), 250)
        for recipient in recipients:
            client.expect("RCPT TO:" + recipient, 250)
        client.expect("DATA", 354)
        client.send(stuff(data or message()) + b".\r\n")
        reply = client.reply()
        client.cmd("QUIT")
    return daemon.id_of(reply)


class Report:
    """One as it arrived, taken apart by a parser that overlooks nothing."""

    def __init__(self, got):
        self.to = got.recipients
        self.raw = got.data
        self.mail = email.message_from_bytes(got.data, policy=STRICT)
        for part in self.mail.walk():
            assert not part.defects, part.defects
        parts = list(self.mail.iter_parts())
        self.words = parts[0].get_content()
        self.fields, *self.rows = parts[1].get_payload()
        self.returned = parts[2] if len(parts) > 2 else None

    def actions(self):
        """{recipient: Action}"""
        return {row["Final-Recipient"].split("; ")[1]: row["Action"]
                for row in self.rows}


def reports(fake):
    return [Report(x) for x in list(fake.messages)
            if x.header("Auto-Submitted")]


def told(fake):
    """{sender: [Action, ...]} of all reports."""
    found = collections.defaultdict(list)
    for report in reports(fake):
        for action in report.actions().values():
            found[report.to[0]].append(action)
    return found


def wait_report(fake, deadline=30):
    fake.wait(lambda: reports(fake), deadline, "a report")
    return reports(fake)[0]


def wait_told(fake, expected, deadline=60):
    fake.wait(lambda: sum(map(len, told(fake).values())) >=
              sum(map(len, expected.values())), deadline,
              "reports: %r" % expected)


def expected_of(column):
    return {sender_of(row): [wish[column]]
            for row, wish in enumerate(WISHES) if wish[column]}


def sort(found):
    return {key: sorted(value) for key, value in found.items() if value}


def hand_in_all(daemon, name):
    for row, wish in enumerate(WISHES):
        hand_in(daemon, ["<%s%d@example.net>%s" % (name, row, notify(wish[0]))],
                sender_of(row))


@scenario
def each_notify_when_it_is_delivered(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    hand_in_all(daemon, "found")
    wait_told(fake, expected_of(1))
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), expected_of(1), "who was told of what")
    t.equal(len(fake.messages) - len(reports(fake)), len(WISHES), "messages")
    t.clean(fake)


@scenario
def each_notify_when_it_fails(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    hand_in_all(daemon, "lost")
    wait_told(fake, expected_of(2))
    t.wait_for(lambda: len(daemon.queue(failed=True)) == len(WISHES), 30,
               "all in failed/")
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), expected_of(2), "who was told of what")
    t.clean(fake)


@scenario
def each_notify_when_it_is_late_and_then_delivered(t):
    fake = t.fake()
    slow = fake.rule("RCPT", LATER, match="^TO:<slow")
    daemon = t.daemon(fake, delay_notice="1s").start()
    hand_in_all(daemon, "slow")
    wait_told(fake, expected_of(3))
    # who is told a second time, or later than others
    seen = slow.seen
    fake.wait(lambda: slow.seen >= seen + 2 * len(WISHES), 60,
              "further attempts")
    t.equal(sort(told(fake)), expected_of(3), "who was told of what")
    fake.clear_rules()
    both = {sender_of(row): sorted(x for x in (wish[3], wish[1]) if x)
            for row, wish in enumerate(WISHES) if wish[3] or wish[1]}
    wait_told(fake, both)
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), both, "after the delivery")
    t.clean(fake)


@scenario
def each_notify_when_it_is_given_up(t):
    fake = t.fake()
    fake.rule("RCPT", LATER, match="^TO:<slow")
    daemon = t.daemon(fake, expire="2s", delay_notice="1h").start()
    hand_in_all(daemon, "slow")
    wait_told(fake, expected_of(4))
    t.wait_for(lambda: len(daemon.queue(failed=True)) == len(WISHES), 60,
               "all in failed/")
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), expected_of(4), "who was told of what")
    t.clean(fake)


@scenario
def one_report_tells_each_what_became_of_it(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    hand_in(daemon, ["<asked@example.net> NOTIFY=SUCCESS,FAILURE",
                     "<unasked@example.net>",
                     "<lost@example.net> NOTIFY=FAILURE",
                     "<lost2@example.net>",
                     "<lost3@example.net> NOTIFY=NEVER"])
    report = wait_report(fake)
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")
    t.equal(report.actions(), {"asked@example.net": "relayed",
                               "lost@example.net": "failed",
                               "lost2@example.net": "failed"}, "Actions")
    t.true("handed over to" in report.words and
           "no further report" in report.words, report.words)
    # put back, and delivered now: who was told is not told again
    fake.clear_rules()
    daemon.ask("queue.retry", id=daemon.queue(failed=True)[0]["id"])
    fake.wait(lambda: any("lost3@example.net" in x.recipients
                          for x in fake.messages), 30, "the others")
    daemon.wait_queue_empty()
    t.equal(len(reports(fake)), 1, "reports")


@scenario
def what_it_says_of_the_envelope(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    hand_in(daemon, ["<found@example.net> NOTIFY=SUCCESS "
                     "ORCPT=rfc822;First+2BLast+3Dx@old.example.net",
                     "<lost@example.net> ORCPT=utf-8;j\\x{FC}rg@example.net",
                     "<lost2@example.net> ORCPT=x-pager;+2B49+20170"],
            params=" ENVID=QQ+2B314+20159+3D")
    report = wait_report(fake)
    t.equal(report.fields["Original-Envelope-Id"], "QQ+314 159=",
            "Original-Envelope-Id")
    t.equal([x["Original-Recipient"] for x in report.rows],
            ["rfc822; First+Last=x@old.example.net",
             "utf-8; j\\x{FC}rg@example.net", "x-pager; +49 170"],
            "Original-Recipient")
    t.equal([x["Status"] for x in report.rows], ["2.0.0", "5.1.1", "5.1.1"],
            "Status")
    daemon.wait_queue_empty()
    # nothing of it went upstream, which did not offer DSN
    t.equal([x.params for x in fake.messages
             if {"RET", "ENVID"} & set(x.params)], [], "MAIL upstream")
    t.clean(fake)


@scenario
def a_server_that_reports_is_asked_to(t):
    """RFC 3461 5.2.1, for as long as the reverse-path stays the sender's."""
    fake = t.fake()
    fake.behaviour.dsn = True
    slow = fake.rule("RCPT", LATER, match="^TO:<slow", times=1)
    daemon = t.daemon(fake).start()
    hand_in(daemon, ["<one@example.net> NOTIFY=SUCCESS,DELAY "
                     "ORCPT=rfc822;o+2Bne@x", "<two@example.net> NOTIFY=NEVER",
                     "<three@example.net>", "<slow@example.net> NOTIFY=SUCCESS"
                     ], params=" RET=FULL ENVID=id+3D1")
    got = fake.wait_messages(2)
    t.true(slow.used, "one was late")
    t.equal([(x.params.get("RET"), x.params.get("ENVID")) for x in got],
            [("FULL", "id+3D1")] * 2, "MAIL")
    t.equal(got[0].rcpt_params,
            {"one@example.net": {"NOTIFY": "SUCCESS,DELAY",
                                 "ORCPT": "rfc822;o+2Bne@x"},
             "two@example.net": {"NOTIFY": "NEVER"}, "three@example.net": {}},
            "RCPT")
    t.equal(got[1].rcpt_params, {"slow@example.net": {"NOTIFY": "SUCCESS"}},
            "RCPT of the late one")
    daemon.wait_queue_empty()
    t.equal(reports(fake), [], "reports of ours")
    t.clean(fake)


@scenario
def under_another_reverse_path_it_is_not(t):
    fake = t.fake()
    fake.behaviour.dsn = True
    daemon = t.daemon(fake, account={"from": None}).start()
    hand_in(daemon, ["<one@example.net> NOTIFY=SUCCESS ORCPT=rfc822;one@x"],
            params=" RET=FULL ENVID=1")
    t.equal(wait_report(fake).actions(), {"one@example.net": "relayed"},
            "Actions")
    daemon.wait_queue_empty()
    t.equal([(sorted(set(x.params) - {"SIZE"}), x.rcpt_params[x.recipients[0]])
             for x in fake.messages], [([], {})] * 2, "what was asked")
    t.clean(fake)


BODY = b"The body of the message.\r\n" * 3
EIGHT_BIT = b"MIME-Version: 1.0\r\nContent-Type: text/plain; charset=utf-8\r\n" \
    b"Content-Transfer-Encoding: 8bit\r\n"


@scenario
def ret_says_what_is_returned(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    large = b"x" * 76 + b"\r\n"
    large *= 2000000 // len(large)
    for row, (ret, subject, extra, body, whole) in enumerate((
            ("", "unsaid", b"", BODY, False),
            (" RET=HDRS", "header", b"", BODY, False),
            (" RET=FULL", "all", b"", BODY, True),
            (" RET=FULL", "medium", b"", large[:300300], True),
            (" RET=FULL", "8bit", EIGHT_BIT, "Grüße\r\n".encode(), True),
            (" RET=FULL", "large", b"", large, False),
            (" RET=FULL", "long lines", b"", b"y" * 1200 + b"\r\n", False))):
        data = message(subject=subject, extra=extra, body=body)
        hand_in(daemon, ["<lost@example.net>"], sender_of(row), ret, data)
        fake.wait(lambda: len(reports(fake)) == row + 1, 60, subject)
        report = reports(fake)[-1]
        t.equal(report.returned.get_content_type(),
                "message/rfc822" if whole else "text/rfc822-headers", subject)
        t.equal(data in report.raw, whole, "%s: all of it" % subject)
        t.true(("Subject: %s\r\n" % subject).encode() in report.raw,
               "%s: its header" % subject)
        t.true(whole or body[:1200] not in report.raw, "%s: no body" % subject)
    # what was refused for its content would be again in a report
    fake.rule("FINAL", "552 5.7.0 This message was blocked because its content "
              "presents a potential security issue", match=BODY[:20])
    hand_in(daemon, ["<found@example.net>"], sender_of(99), " RET=FULL",
            message(subject="virus", body=BODY))
    fake.wait(lambda: len(reports(fake)) == 8, 60, "virus")
    t.true(BODY not in reports(fake)[-1].raw, "no body of what was blocked")
    fake.clear_rules()
    # success has the header at most
    hand_in(daemon, ["<found@example.net> NOTIFY=SUCCESS"], sender_of(98),
            " RET=FULL", message(subject="success", body=BODY))
    fake.wait(lambda: len(reports(fake)) == 9, 60, "success")
    t.true(BODY not in reports(fake)[-1].raw, "no body of what arrived")
    daemon.wait_queue_empty()
    t.clean(fake)


@scenario
def upstreams_limit_bounds_what_is_returned(t):
    fake = t.fake()
    fake.behaviour.size = 100000
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    body = b"z" * 76 + b"\r\n"
    # the first is taken before the limit is known
    for row, (lines, whole) in enumerate(((1270, False), (1200, True))):
        data = message(body=body * lines)
        hand_in(daemon, ["<lost@example.net>"], sender_of(row), " RET=FULL",
                data)
        fake.wait(lambda: len(reports(fake)) == row + 1, 60, "a report")
        t.equal(data in reports(fake)[-1].raw, whole,
                "%d octets returned" % len(data))
    daemon.wait_queue_empty()
    t.equal([x for x in fake.messages if len(x.data) > 100000], [],
            "messages that are too large")
    t.clean(fake)


@scenario
def nobody_is_told_who_has_no_address(t):
    """A null reverse-path, and what we sent ourselves."""
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<(lost|owner)")
    daemon = t.daemon(fake, postmaster="admin@example.org").start()
    hand_in(daemon, ["<found@example.net> NOTIFY=SUCCESS,FAILURE,DELAY",
                     "<lost@example.net> NOTIFY=SUCCESS,FAILURE,DELAY"], "")
    hand_in(daemon, ["<lost@example.net> NOTIFY=FAILURE"])
    t.wait_for(lambda: len(daemon.queue(failed=True)) == 3, 30,
               "two messages and a report in failed/")
    daemon.wait_queue_empty()
    t.equal(reports(fake), [], "reports")


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


@scenario
def an_alias_passes_it_on(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    aliases = t.path("aliases")
    with open(aliases, "w", encoding="ascii") as out:
        out.write("jan: found@example.net, lost@example.net\n")
    daemon = t.daemon(fake, aliases=aliases).start()
    # named again, for whom more is wanted
    hand_in(daemon, ["<jan> NOTIFY=SUCCESS ORCPT=rfc822;jan@host",
                     "<lost@example.net> NOTIFY=FAILURE"])
    report = wait_report(fake)
    t.equal(report.actions(), {"found@example.net": "relayed",
                               "lost@example.net": "failed"}, "Actions")
    t.equal({x["Original-Recipient"] for x in report.rows},
            {"rfc822; jan@host"}, "Original-Recipient")
    daemon.wait_queue_empty()


@scenario
def a_strict_profile_refuses_what_is_wrong(t):
    fake = t.fake()
    daemon = t.daemon(fake, clients=[{"networks": ["127.0.0.1"],
                                      "syntax": "strict"}]).start()
    with daemon.client() as client:
        t.true("DSN" in client.ehlo(), "DSN is offered")
        for wrong in ("RET=BODY", "RET=FULL RET=FULL", "ENVID=a=b",
                      "ENVID=" + 101 * "x", "ENVID=a+0Ab"):
            t.equal(client.cmd("MAIL FROM:<a@example.org> " + wrong).code, 501,
                    wrong)
        t.equal(client.cmd("MAIL FROM:<a@example.org> XYZ=1").code, 555, "XYZ")
    # another connection: too many errors end one
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<a@example.org> RET=FULL ENVID=" + 100 * "x",
                      250)
        for wrong in ("NOTIFY=NEVER,SUCCESS", "NOTIFY=", "NOTIFY=ALWAYS",
                      "NOTIFY=DELAY NOTIFY=DELAY", "ORCPT=a@b",
                      "ORCPT=rfc822;" + 494 * "x", "ORCPT=rfc822;a+0Db"):
            t.equal(client.cmd("RCPT TO:<%s> %s" % (TO, wrong)).code, 501,
                    wrong)
        t.equal(client.cmd("RCPT TO:<%s> RET=FULL" % TO).code, 555, "RET")
        client.expect("RCPT TO:<%s> NOTIFY=SUCCESS,FAILURE,DELAY "
                      "ORCPT=rfc822;%s" % (TO, 493 * "x"), 250)


# --- those who ask ------------------------------------------------------------

@scenario
def msmtp(t):
    t.need("msmtp")
    fake = t.fake()
    daemon = t.daemon(fake).start()
    done = subprocess.run(
        ["msmtp", "--file=/dev/null", "--host=127.0.0.1", "--port=%d" %
         daemon.port, "--from=owner@example.org", "--dsn-notify=success",
         "--dsn-return=full", TO], input=message(), capture_output=True,
        timeout=60)
    t.equal((done.returncode, done.stderr), (0, b""), "msmtp")
    t.equal(wait_report(fake).actions(), {TO: "relayed"}, "Actions")


@scenario
def smtplib(t):
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    with daemon.smtplib() as client:
        client.ehlo()
        t.true(client.has_extn("dsn"), "DSN is offered")
        client.sendmail("owner@example.org", ["lost@example.net"],
                        message(body=BODY), ["RET=FULL", "ENVID=py"],
                        ["NOTIFY=FAILURE", "ORCPT=rfc822;lost@example.net"])
    report = wait_report(fake)
    t.equal(report.fields["Original-Envelope-Id"], "py", "ENVID")
    t.true(BODY in report.raw, "RET=FULL")


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
