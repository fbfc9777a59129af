"""Each recipient has a result of its own: who got the message does not get it
again, who is refused is reported, who must wait is tried again."""
import re

from lib.harness import main, scenario, wait_for
from lib.mail import base64_lines, without_received
from lib.smtpclient import message

PEOPLE = ["a@example.net", "b@example.net", "c@example.net"]


def deliveries(fake):
    """{recipient: how often}, without reports."""
    counts = {}
    for got in fake.messages:
        if not got.header("Auto-Submitted"):
            for recipient in got.recipients:
                counts[recipient] = counts.get(recipient, 0) + 1
    return counts


def reports(fake):
    return [x for x in fake.messages if x.header("Auto-Submitted")]


@scenario
def one_refused_for_good_one_for_now(t):
    fake = t.fake()
    fake.rule("RCPT", ["550 5.1.1 The email account that you tried to reach "
                       "does not exist.", "550 5.1.1 Please check"],
              match="^TO:<b@")
    fake.rule("RCPT", "451 4.3.0 Mail server temporarily rejected message",
              match="^TO:<c@", times=1)
    daemon = t.daemon(fake).start()
    data = message()
    daemon.send(data, PEOPLE, sender="owner@example.org")
    fake.wait(lambda: deliveries(fake).get("c@example.net"), 30, "c's mail")
    fake.wait(lambda: reports(fake), 30, "the report")
    daemon.wait_queue_empty()
    t.equal(deliveries(fake), {"a@example.net": 1, "c@example.net": 1},
            "deliveries")
    for got in fake.messages:
        if not got.header("Auto-Submitted"):
            t.equal(without_received(got.data), data, "the same for both")
    report = reports(fake)
    t.equal(len(report), 1, "reports")
    t.equal(report[0].recipients, ["owner@example.org"], "who is told")
    t.true(b"b@example.net" in report[0].body, "the report names b")
    t.true(b"Final-Recipient: rfc822; a@" not in report[0].body.replace(
        b"rfc822;a", b"rfc822; a"), "and a not as failed")
    t.equal(len(daemon.queue(failed=True)), 1, "messages in failed/")
    t.clean(fake)


@scenario
def a_bad_address_costs_nobody_else(t):
    fake = t.fake()
    fake.rule("RCPT", "553 5.1.3 The recipient address is not a valid RFC "
              "5321 address", match="^TO:<x@")
    daemon = t.daemon(fake).start()
    daemon.send(message(), ["x@example.net"] + PEOPLE)
    daemon.send(message(), PEOPLE[:1])
    fake.wait(lambda: deliveries(fake).get("a@example.net") == 2)
    daemon.wait_queue_empty()
    t.equal(deliveries(fake), {"a@example.net": 2, "b@example.net": 1,
                               "c@example.net": 1}, "deliveries")


@scenario
def all_refused_sends_no_data(t):
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 nobody", match="^TO:<[abc]@")
    daemon = t.daemon(fake).start()
    daemon.send(message(), PEOPLE)
    wait_for(lambda: daemon.queue(failed=True), 30, "failed/")
    t.equal(deliveries(fake), {}, "deliveries")
    states = daemon.recipients(daemon.queue(failed=True)[0]["id"])
    t.equal({k: v["state"] for k, v in states.items()},
            {x: "failed" for x in PEOPLE}, "results")
    t.true(all("5.1.1" in x["reply"] for x in states.values()),
           "the reply is kept: %r" % states)
    # the connection is good for the next message
    daemon.send(message(), ["d@example.net"])
    fake.wait(lambda: deliveries(fake).get("d@example.net"))


@scenario
def all_refused_for_now_are_tried_again(t):
    fake = t.fake()
    fake.rule("RCPT", "451 4.3.0 later", times=3)
    daemon = t.daemon(fake).start()
    daemon.send(message(), PEOPLE)
    fake.wait(lambda: len(deliveries(fake)) == 3, 30, "all three")
    daemon.wait_queue_empty()
    t.equal(deliveries(fake), {x: 1 for x in PEOPLE}, "deliveries")
    t.equal(reports(fake), [], "reports")


@scenario
def too_many_recipients_are_split_not_failed(t):
    for code in ("452 4.5.3", "552 5.5.3"):
        fake = t.fake()
        fake.behaviour.recipients = 10
        if code.startswith("552"):  # RFC 5321 4.5.3.1.10: means 452
            fake.behaviour.recipients = 100
            fake.rule("RCPT", code + " Too many recipients", nth=11, times=15)
        daemon = t.daemon(fake).start()
        people = ["p%02d@example.net" % i for i in range(25)]
        daemon.send(message(), people)
        fake.wait(lambda: len(deliveries(fake)) == 25, 30, "all 25")
        daemon.wait_queue_empty()
        t.equal(deliveries(fake), {x: 1 for x in people}, "deliveries")
        t.equal(reports(fake), [], "reports")
        daemon.stop()


def lines(daemon, event, count):
    """The log's lines about an event, without their time; one by one."""
    return [x[0] for x in daemon.wait_log(r"\b%s id=.*$" % event, count=count)]


def reasons(daemon, failed=True):
    """What people are shown: (first recipient, reason, reply) of each row."""
    return [(x["to"][0], x["reason"], x["reply"])
            for x in daemon.queue(failed=failed)]


@scenario
def log_and_list_tell_why_it_failed_and_for_whom(t):
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 nobody here", match="^TO:<b@")
    daemon = t.daemon(fake).start()
    daemon.send(message(), PEOPLE, sender="")
    line = lines(daemon, "failed", 1)[0]
    t.true("to=b@example.net nrcpt=3 delivered=2 failed=1" in line and
           'reply="550 5.1.1 nobody here"' in line, "the log: %s" % line)
    refused = lines(daemon, "refused", 1)
    t.equal(len(refused), 1, "refusals in the log")
    t.true('to=b@example.net result=failed reply="550 5.1.1 nobody here"' in
           refused[0], "the log: %s" % refused[0])
    wait_for(lambda: daemon.queue(failed=True), 20, "failed/")
    t.equal(reasons(daemon), [("b@example.net", "550 5.1.1 nobody here",
                               "550 5.1.1 nobody here")], "what is listed")


@scenario
def log_and_list_tell_why_it_waits_and_for_whom(t):
    fake = t.fake()
    fake.rule("RCPT", "450 4.2.1 not now", match="^TO:<a@")
    daemon = t.daemon(fake, retry=["1h"]).start()
    daemon.send(message(), PEOPLE[:2], sender="")
    line = lines(daemon, "deferred", 1)[0]
    t.true("to=a@example.net nrcpt=2 delivered=1 failed=0 deferred=1" in line
           and 'reply="450 4.2.1 not now"' in line, "the log: %s" % line)
    t.true("result=deferred" in lines(daemon, "refused", 1)[0], "refused")
    wait_for(lambda: reasons(daemon, False) ==
             [("a@example.net", None, "450 4.2.1 not now")], 20, "the list")


@scenario
def a_refusal_of_an_earlier_transaction_is_not_forgotten(t):
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 nobody here", match="^TO:<p006@")
    daemon = t.daemon(fake).start()
    daemon.send(message(), ["p%03d@example.net" % i for i in range(120)],
                sender="")
    line = lines(daemon, "failed", 1)[0]
    t.true("to=p006@example.net" in line and "nobody here" in line and
           "message_nrcpt=120 message_failed=1" in line, "the log: %s" % line)
    t.equal(len(lines(daemon, "refused", 1)), 1, "refusals in the log")
    wait_for(lambda: daemon.queue(failed=True), 20, "failed/")
    t.equal(reasons(daemon), [("p006@example.net", "550 5.1.1 nobody here",
                               "550 5.1.1 nobody here")], "what is listed")


@scenario
def many_put_off_do_not_flood_the_log(t):
    fake = t.fake()
    fake.rule("RCPT", "450 4.2.1 not now")
    daemon = t.daemon(fake, retry=["1h"]).start()
    daemon.send(message(), ["p%03d@example.net" % i for i in range(60)],
                sender="")
    refused = lines(daemon, "refused", 11)
    lines(daemon, "deferred", 1)
    t.equal(len(lines(daemon, "refused", 11)), 11, "lines")
    t.true("more=50 result=deferred" in refused[10], refused[10])


@scenario
def a_refused_message_is_reported(t):
    fake = t.fake()
    fake.rule("FINAL", "552 5.7.0 This message was blocked because its "
              "content presents a potential security issue",
              match="Subject: virus", times=1)
    daemon = t.daemon(fake).start()
    daemon.send(message(subject="virus"), PEOPLE[:2],
                sender="owner@example.org")
    daemon.send(message(subject="fine"), PEOPLE[:1])
    fake.wait(lambda: reports(fake), 30, "the report")
    daemon.wait_queue_empty()
    t.equal(deliveries(fake), {"a@example.net": 1}, "deliveries")
    text = reports(fake)[0].body
    t.true(b"a@example.net" in text and b"b@example.net" in text,
           "both are named")
    t.true(b"potential security issue" in text, "Gmail's words are told")


@scenario
def a_deferred_message_keeps_its_message_id(t):
    fake = t.fake()
    fake.rule("FINAL", "451 4.3.0 Mail server temporarily rejected message",
              times=2)
    daemon = t.daemon(fake).start()
    daemon.send(b"Subject: bare\r\n\r\nno Message-ID\r\n", PEOPLE)
    got = fake.wait_messages(1, deadline=30)[0]
    daemon.wait_queue_empty()
    t.equal(len(fake.transactions), 3, "attempts")
    t.equal(len({x.data for x in fake.transactions}), 1,
            "the same bytes each time")
    t.equal(got.recipients, PEOPLE, "recipients")


@scenario
def a_lost_final_answer_is_in_doubt_and_tried_again(t):
    fake = t.fake()
    fake.rule("FINAL", action="drop", taken=True, times=1)
    daemon = t.daemon(fake).start()
    message_id = daemon.send(message())
    got = fake.wait_messages(2)
    daemon.wait_queue_empty()
    t.equal(got[0].header("Message-ID"), got[1].header("Message-ID"),
            "Message-ID")
    line = daemon.wait_log(r"^.*%s.*$" % message_id, count=2)
    t.true(any("doubt" in x[0] for x in line), "the log says in doubt")
    t.equal(daemon.status()["counters"]["relay"]["in_doubt"], 1, "counter")


def interrupted(name, phase, strip=(), **how):
    """Whatever breaks, the message arrives once, whole."""
    def run(t):
        fake = t.fake()
        fake.behaviour.strip = set(strip)
        rule = fake.rule(phase, times=1, **how)
        daemon = t.daemon(fake).start()
        data = message(body=base64_lines(7, 500000))
        daemon.send(data, PEOPLE)
        fake.wait(lambda: rule.used, 30, "the interruption")

        def arrives():  # a 421 of Gmail's pauses the account for a minute
            daemon.ask("queue.flush")
            return daemon.queued() == 0

        wait_for(arrives, 60, "an empty queue")
        t.equal(deliveries(fake), {x: 1 for x in PEOPLE}, "deliveries")
        t.equal(without_received(fake.messages[0].data), data, "message")
        t.equal(reports(fake), [], "reports")
        t.clean(fake)

    run.__name__ = name
    scenario(run)


interrupted("dropped_at_mail", "MAIL", action="drop")
interrupted("dropped_at_rcpt", "RCPT", action="drop", nth=2)
interrupted("dropped_at_data", "DATA", action="drop", strip={"CHUNKING"})
interrupted("dropped_in_the_message", "MIDDATA", action="drop",
            after_bytes=100000)
interrupted("reset_in_the_message", "MIDDATA", action="reset",
            after_bytes=100000)
interrupted("told_421_at_mail", "MAIL",
            reply="421 4.7.0 Connection expired, try reconnecting.")
interrupted("told_421_in_the_message", "MIDDATA", after_bytes=100000,
            reply="421 4.3.0 Temporary System Problem. Try again later (10).")
interrupted("told_421_at_the_end", "FINAL",
            reply="421 4.3.0 Temporary System Problem. Try again later (10).")
interrupted("told_451_at_rcpt", "RCPT", nth=3,
            reply="451 4.4.2 Timeout - closing connection.")


@scenario
def a_slow_trickle_is_no_trouble(t):
    fake = t.fake()
    fake.behaviour.trickle = 0.001
    daemon = t.daemon(fake).start()
    daemon.send(message(), PEOPLE)
    fake.wait_messages(1, deadline=60)
    daemon.wait_queue_empty()
    t.equal(deliveries(fake), {x: 1 for x in PEOPLE}, "deliveries")


@scenario
def a_stalled_upstream_times_out_and_is_left(t):
    fake = t.fake()
    fake.rule("MAIL", action="stall", times=1)
    daemon = t.daemon(fake, account={"reply_timeout": "2s"}).start()
    daemon.send(message())
    fake.wait_messages(1, deadline=60)
    t.equal(fake.messages[0].session > 1, True, "by another connection")
    t.true(re.search(r"MAIL within 2 s", daemon.log_now()), "the log says why")


if __name__ == "__main__":
    main()
