"""Trouble that comes twice: pauses must end, clocks must run, and what nobody
knows must neither bounce good mail nor keep bad mail for ever."""
import json
import os
import re
import shutil
import signal
import socket

from lib.harness import main, scenario, wait_for
from lib.mail import without_received
from lib.smtpclient import message

UNKNOWN = "550 5.9.9 Something that nobody has heard of"
NO_SUCH = "550 5.1.1 The email account that you tried to reach does not exist."
LATER = "450 4.3.9 Not now."
FULL = "450 4.2.2 The email account that you tried to reach is over quota."
FOREVER = 0xffffffff  # epoll_wait(2) without a timeout
LARGE = b"".join(b"%06d %s\r\n" % (i, b"x" * 60) for i in range(3000))


def people(count):
    return ["p%d@example.net" % i for i in range(count)]


def reports(fake):
    return [x for x in list(fake.messages) if x.header("Auto-Submitted")]


def only_row(daemon):
    rows = daemon.queue()
    return rows[0] if len(rows) == 1 else None


def wait_attempts(daemon, count, deadline=20):
    """Until the only message was tried so often; returns its row."""
    def tried():
        row = only_row(daemon)
        return row if row and row.get("attempts", 0) >= count else None

    return wait_for(tried, deadline, "attempt %d" % count)


def has_verdict(daemon, count):
    """It is given up, or was tried more than count times."""
    row = only_row(daemon)
    return daemon.queue(failed=True) or (row and row.get("attempts", 0) > count)


def deliver_one(fake, daemon, left):
    """A good message goes through while so many others stay queued."""
    count = len(fake.messages)
    daemon.send(message(), ["good@example.net"])
    fake.wait_messages(count + 1)
    wait_for(lambda: daemon.queued() == left, 20, "the good one is gone")


def poll_timeout_ms(t, pid):
    """How long the process is about to sleep; None: it does not."""
    try:
        with open("/proc/%d/syscall" % pid, encoding="ascii") as source:
            fields = source.read().split()
    except OSError:
        t.skip("/proc/PID/syscall cannot be read")
    return int(fields[4], 16) & 0xffffffff if len(fields) > 5 else None


def sleeps_until_then(t, daemon, account):
    """The relay has a timer for the end of the pause."""
    pid = daemon.wait_roles()["relay"]

    def has_timer():
        timeout = poll_timeout_ms(t, pid)
        return timeout is not None and timeout != FOREVER and \
            30 * 1000 < timeout <= account["next_ms"] + 1000

    wait_for(has_timer, 10, "a timer of up to %d ms" % account["next_ms"])


@scenario
def a_paused_account_wakes_by_itself(t):
    fake = t.fake()
    fake.rule("AUTH", "454 4.7.0 Cannot authenticate due to temporary system "
              "problem.", times=1)
    daemon = t.daemon(fake).start()
    sent = message()
    daemon.send(sent)
    account = daemon.wait_account("throttled")
    t.true(account["next_ms"] > 30 * 1000, "it waits: %r" % account)
    sleeps_until_then(t, daemon, account)
    daemon.ask("account.resume", name="default")
    t.equal(without_received(fake.wait_messages(1)[0].data), sent, "message")


@scenario
def a_days_limit_reached_ends_by_itself(t):
    fake = t.fake()
    daemon = t.daemon(fake, account={"daily_messages": 1}).start()
    daemon.send(message())
    daemon.wait_queue_empty()
    daemon.send(message())
    account = daemon.wait_account("over-quota")
    sleeps_until_then(t, daemon, account)
    t.equal(daemon.queued(), 1, "queued messages")


@scenario
def an_unknown_550_to_everything_bounces_nothing(t):
    fake = t.fake()
    daemon = t.daemon(fake, retry=["1s"]).start()
    deliver_one(fake, daemon, 0)
    rule = fake.rule("FINAL", UNKNOWN)
    sent = [message() for _ in range(8)]
    daemon.send(sent[0])
    wait_attempts(daemon, 2)
    for data in sent[1:]:
        daemon.send(data)
    daemon.wait_account("throttled")
    used = rule.used
    daemon.ask("queue.flush")
    fake.wait(lambda: rule.used > used, 20, "a probe")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    t.equal(daemon.queued(), len(sent), "queued messages")
    fake.clear_rules()
    daemon.ask("account.resume", all=True)
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    got = fake.messages[1:]
    t.equal(sorted(without_received(x.data) for x in got), sorted(sent),
            "messages")
    t.equal(reports(fake), [], "reports")


def refused_alone(name, count):
    def run(t):
        fake = t.fake()
        fake.rule("FINAL", UNKNOWN, match="STRANGE")
        daemon = t.daemon(fake, retry=["1h"]).start()
        deliver_one(fake, daemon, 0)
        daemon.send(message(subject="STRANGE"), people(count), sender="")
        wait_attempts(daemon, 1)
        # nothing went through meanwhile: no verdict
        daemon.ask("queue.flush")
        wait_attempts(daemon, 2)
        t.equal(daemon.queue(failed=True), [], "failed too early")
        deliver_one(fake, daemon, 1)
        # then one round settles it, in however many transactions
        daemon.ask("queue.flush")
        wait_for(lambda: has_verdict(daemon, 2), 20, "a verdict")
        failed = daemon.queue(failed=True)
        t.equal(len(failed), 1, "failed messages")
        states = daemon.recipients(failed[0]["id"])
        t.equal(len(states), count, "recipients")
        for address, told in states.items():
            t.true("5.9.9" in told["reply"], "%s: %r" % (address, told))
        t.equal(daemon.account_state()["state"], "active", "the account")

    run.__name__ = name
    scenario(run)


refused_alone("a_message_refused_alone_is_given_up", 1)
refused_alone("a_message_refused_alone_is_given_up_to_150_people", 150)
refused_alone("a_message_refused_alone_is_given_up_to_350_people", 350)


def refused_one_after_the_other(t, owner=None):
    """bad1 is refused at once, bad2 when it is tried again: two reports."""
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH, match="<bad1")
    fake.rule("RCPT", LATER, match="<bad2", times=1)
    fake.rule("RCPT", NO_SUCH, match="<bad2")
    if owner:
        fake.rule("RCPT", owner, match="<owner", times=1)
    daemon = t.daemon(fake, retry=["2s"]).start()
    daemon.send(message(),
                ["bad1@example.net"] + people(120) + ["bad2@example.net"],
                sender="owner@example.org")
    fake.wait(lambda: len(reports(fake)) >= 2, 20, "two reports")
    daemon.wait_queue_empty()
    got = reports(fake)
    t.equal(len(got), 2, "reports")
    t.equal(len({tuple(x.header("Message-ID")) for x in got}), 2,
            "different Message-IDs")
    for address in (b"bad1@", b"bad2@"):
        t.equal(sum(address in x.body for x in got), 1,
                "reports about %r" % address)


@scenario
def two_reports_about_one_message_both_arrive(t):
    refused_one_after_the_other(t)


@scenario
def a_second_report_arrives_while_the_first_waits(t):
    refused_one_after_the_other(t, owner=LATER)


@scenario
def a_stop_while_a_report_is_written_is_clean(t):
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH, match="<bad")
    stalled = fake.rule("FINAL", action="stall")
    daemon = t.daemon(fake).start()
    sent = message()
    daemon.send(sent, ["bad@example.net", "good@example.net"],
                sender="owner@example.org")
    fake.wait(lambda: stalled.used, 20, "the last byte")
    daemon.signal(signal.SIGTERM)
    t.equal(daemon.wait_exit(60), 0, "gmrelayd's status")
    t.equal(re.findall(r".*role died.*", daemon.log_now()), [], "deaths")
    t.equal(daemon.sanitizer_reports(), [], "sanitizers' reports")
    fake.clear_rules()
    fake.rule("RCPT", NO_SUCH, match="<bad")
    # the old connection's answer is late: whatever it took is its own
    old = len(fake.sessions)
    daemon.start()
    daemon.wait_queue_empty()
    got = [x for x in fake.messages
           if x.session > old and "good@example.net" in x.recipients]
    t.equal([without_received(x.data) for x in got], [sent], "messages")
    t.equal(sum(b"bad@example.net" in x.body for x in reports(fake)), 1,
            "reports")


@scenario
def a_dropped_banner_does_not_stop_the_clock(t):
    fake = t.fake()
    fake.rule("BANNER", action="drop", times=1)
    fake.rule("RCPT", FULL, match="<full")
    daemon = t.daemon(fake, expire="4s").start()
    daemon.send(message(), ["full@example.net"], sender="")
    # never, if it was stopped; the fake goes on refusing
    wait_for(lambda: daemon.queue(failed=True), 30, "it is given up")
    t.equal(daemon.account_state()["state"], "active", "the account")
    t.equal(daemon.account_state()["backing_off"], False, "backing off")


def ask_at_once(daemon, *requests):
    """Several commands in one write; returns the last line of each answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as sock:
        sock.settimeout(20)
        sock.connect(daemon.control)
        sock.sendall(b"".join(json.dumps(x).encode() + b"\n"
                              for x in requests))
        ends = []
        with sock.makefile("rb") as lines:
            while len(ends) < len(requests):
                line = lines.readline()
                assert line, "the connection ended after %r" % ends
                answer = json.loads(line)
                if answer.get("done"):
                    ends.append(answer)
    return ends


def files_of(daemon, ident):
    return [x for x in ("queue", "failed")
            if os.path.exists(os.path.join(daemon.spool, x, ident))]


def retried_and(t, then):
    """A large message that failed, tried again and then at once this."""
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH, times=1)
    daemon = t.daemon(fake).start()
    sent = message(body=LARGE)
    ident = daemon.send(sent, sender="")
    wait_for(lambda: daemon.queue(failed=True), 20, "it has failed")
    ends = ask_at_once(daemon, {"command": "queue.retry", "id": ident},
                       dict(then, id=ident))
    t.true("error" not in ends[0], "the retry: %r" % ends[0])
    wait_for(lambda: not files_of(daemon, ident), 20, "it is gone")
    daemon.wait_queue_empty()
    got = [without_received(x.data) for x in fake.messages]
    t.true(got in ([], [sent]), "it arrives whole or not at all")
    t.equal(re.findall(".*damaged.*", daemon.log_now()), [], "damage")
    t.equal(daemon.queue(failed=True), [], "failed messages")
    daemon.stop()
    t.equal(files_of(daemon, ident), [], "files")
    return got, ends[1]


@scenario
def a_retry_and_a_delete_at_once_leave_nothing_behind(t):
    got, deleted = retried_and(t, {"command": "queue.delete"})
    t.true(got or "error" not in deleted, "gone, though told: %r" % deleted)


@scenario
def a_retry_and_a_look_at_once_send_it_once(t):
    got, _shown = retried_and(t, {"command": "queue.show", "seen": True})
    t.equal(len(got), 1, "messages")


@scenario
def many_recipients_deferred_are_one_attempt(t):
    fake = t.fake()
    rule = fake.rule("RCPT", LATER)
    daemon = t.daemon(fake, retry=["1h"]).start()
    daemon.send(message(), people(250), sender="")
    for count in (1, 2):
        row = wait_attempts(daemon, count)
        t.equal(row["attempts"], count, "attempts")
        t.equal(rule.used, 250 * count, "recipients that were tried")
        # the file is there a moment before the schedule knows
        wait_for(lambda: only_row(daemon)["next_ms"] > 60 * 1000, 20,
                 "an hour's wait")
        if count == 1:
            daemon.ask("queue.flush")
    states = daemon.recipients(row["id"])
    t.equal({x["state"] for x in states.values()}, {"pending"}, "states")


def closed(path):
    os.chmod(path, 0)


def cut_behind_the_body_line(path):
    os.truncate(path, 100)


def cut_in_its_first_lines(path):
    os.truncate(path, 30)


def without_its_end_line(path):
    os.truncate(path, os.path.getsize(path) - 20)


def replaced_by_a_directory(path):
    os.unlink(path)
    os.mkdir(path)


def replaced_by_a_link(path):
    os.unlink(path)
    os.symlink("/nowhere", path)


def replaced_by_nothing(path):
    os.truncate(path, 0)


def replaced_by_noise(path):
    with open(path, "wb") as file:
        file.write(os.urandom(1000))


def renamed(path):
    os.rename(path, path + ".bak")


def without_its_body_line(path):
    with open(path, "rb") as file:
        text = file.read()
    with open(path, "wb") as file:
        file.write(text.replace(b"\nbody ", b"\nb0dy "))


def with_another_bodys_name(path):
    with open(path, "rb") as file:
        text = file.read()
    with open(path, "wb") as file:
        file.write(re.sub(rb"\nbody .", b"\nbody 0", text)[:-20])


def queue_file_with_body(daemon):
    """A refused large message's file in queue/, and its body's in large/."""
    ident = daemon.send(message(body=LARGE), sender="")
    path = os.path.join(daemon.spool, "queue", ident)
    wait_for(lambda: os.path.exists(path), 20, "a file in queue/")
    daemon.stop()
    with open(path, "rb") as source:
        body = re.search(rb"\nbody (\S+)", source.read())[1].decode()
    body = os.path.join(daemon.spool, "large", body)
    assert os.path.getsize(body) > len(LARGE), "%s is short" % body
    return path, body


def start_and_read(daemon):
    daemon.start()
    wait_for(lambda: not daemon.status()["queue"]["starting"], 20,
             "all files read")


def unreadable_scenario(spoil):
    def run(t):
        fake = t.fake()
        fake.rule("RCPT", LATER, times=1)
        daemon = t.daemon(fake, retry=["1h"]).start()
        path, body = queue_file_with_body(daemon)
        saved = os.path.join(daemon.folder, "saved")
        shutil.copy2(path, saved)
        os.chown(saved, os.stat(path).st_uid, os.stat(path).st_gid)
        spoil(path)
        start_and_read(daemon)
        daemon.stop()
        t.true(os.path.exists(body), "the body is still there")
        if os.path.isdir(path):
            os.rmdir(path)
        os.rename(saved, path)
        start_and_read(daemon)
        daemon.ask("queue.flush")
        got = fake.wait_messages(1)
        t.true(got[0].data.endswith(LARGE), "it arrives whole")

    run.__name__ = "a_body_outlives_a_queue_file_%s" % spoil.__name__
    scenario(run)


for _spoil in (closed, cut_behind_the_body_line, cut_in_its_first_lines,
               without_its_end_line, replaced_by_a_directory,
               replaced_by_a_link, replaced_by_nothing, replaced_by_noise,
               renamed, without_its_body_line, with_another_bodys_name):
    unreadable_scenario(_spoil)


@scenario
def a_hold_outlasts_a_file_that_could_not_be_read(t):
    fake = t.fake()
    fake.rule("RCPT", LATER, match="<held@", times=1)
    daemon = t.daemon(fake, retry=["1h"]).start()
    ident = daemon.send(message(), ["held@example.net"])
    wait_attempts(daemon, 1)
    daemon.ask("queue.hold", id=ident)
    wait_for(lambda: daemon.status()["queue"]["held"] == 1, 20, "the hold")
    daemon.stop()
    path = os.path.join(daemon.spool, "queue", ident)
    mode = os.stat(path).st_mode
    os.chmod(path, 0)
    start_and_read(daemon)
    os.chmod(path, mode)
    daemon.ask("queue.flush")
    deliver_one(fake, daemon, 1)
    t.equal([x.recipients for x in fake.messages], [["good@example.net"]],
            "what was sent")
    t.equal(only_row(daemon)["state"], "held", "its state")
    daemon.ask("queue.release", id=ident)
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 2, "messages")


if __name__ == "__main__":
    main()
