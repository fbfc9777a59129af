"""Reports as the client asked for them (RFC 3461): NOTIFY, RET, ENVID and ORCPT,
for what is delivered, fails, is late or is given up."""
import collections
import subprocess

from lib.dsn import (LATER, REFUSAL, hand_in, reports, sort, told,
                     wait_report)
from lib.harness import main, scenario
from lib.smtpclient import message

TO = "person@example.net"

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


def wait_told(fake, expected, deadline=60):
    fake.wait(lambda: sum(map(len, told(fake).values())) >=
              sum(map(len, expected.values())), deadline,
              "reports: %r" % expected)


def expected_of(column):
    return {sender_of(row): [wish[column]]
            for row, wish in enumerate(WISHES) if wish[column]}


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


def nobody_gets_it(t, reply, column, **settings):
    fake = t.fake()
    fake.rule("RCPT", reply, match="^TO:<lost")
    daemon = t.daemon(fake, **settings).start()
    hand_in_all(daemon, "lost")
    wait_told(fake, expected_of(column))
    t.wait_for(lambda: len(daemon.queue(failed=True)) == len(WISHES), 60,
               "all in failed/")
    daemon.wait_queue_empty()
    t.equal(sort(told(fake)), expected_of(column), "who was told of what")
    t.clean(fake)


@scenario
def each_notify_when_it_fails(t):
    nobody_gets_it(t, REFUSAL, 2)


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
    nobody_gets_it(t, LATER, 4, expire="2s", delay_notice="1h")


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
def only_failures_are_put_off(t):
    """Ten an hour: what nobody asked for does not wait for a digest, and what
    was asked for one by one does not either."""
    fake = t.fake()
    fake.rule("RCPT", REFUSAL, match="^TO:<lost")
    daemon = t.daemon(fake).start()
    for number in range(12):
        hand_in(daemon, ["<lost%d@example.net> NOTIFY=NEVER" % number])
        hand_in(daemon, ["<found%d@example.net> NOTIFY=SUCCESS" % number])
    for number in range(12):
        hand_in(daemon, ["<lost%d@example.net> NOTIFY=FAILURE" % number,
                         "<found%d@example.net> NOTIFY=SUCCESS" % number])
    t.wait_for(lambda: len(daemon.queue(failed=True)) == 24, 60, "failed/")
    fake.wait(lambda: len(reports(fake)) == 24, 60, "reports")
    daemon.wait_queue_empty()
    actions = collections.Counter(
        action for x in reports(fake) for action in x.actions().values())
    t.equal(dict(actions), {"relayed": 24, "failed": 10}, "Actions")
    t.equal(sum(row["untold"] for row in daemon.queue(failed=True)), 2,
            "who is still to be told of")


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


if __name__ == "__main__":
    main()
