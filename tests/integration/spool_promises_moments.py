"""A role dies at a chosen moment, the other lives on: in the middle of a
write, before a sync, between two steps. What was acknowledged arrives whole,
once, or is told of; nothing is left lying about."""
import os
import threading
import time

from lib.daemon import wait_for
from lib.faults import (FDATASYNC, FSYNC, LINK, OPEN, PWRITE, RENAME, UNLINK,
                        WRITE, Faults)
from lib.harness import main, print_comment, scenario
from lib.mail import base64_lines, key_of, without_received
from lib.smtpclient import Client, Refused, message

LARGE = base64_lines(1, 200000)
SMALL = b"text\r\n" * 100
EACH = 3  # messages of each kind
KINDS = [(who, body) for who in ("ok", "later", "bad")
         for body in (SMALL, LARGE)]
LOOP_R, LOOP_W = "gmrelayd-recv", "gmrelayd-relay"

# (thread, call, which one of them)
RECEIVER_MOMENTS = [
    (LOOP_R, PWRITE, 1), (LOOP_R, PWRITE, 2), (LOOP_R, PWRITE, 4),
    (LOOP_R, PWRITE, 9), ("committer", FDATASYNC, 1),
    ("committer", FDATASYNC, 3), ("body-syncer", FDATASYNC, 1),
    ("body-syncer", FDATASYNC, 3)]
MAKER_MOMENTS = [
    ("segment-maker", WRITE, 1), ("segment-maker", WRITE, 100),
    ("segment-maker", FSYNC, 1), ("segment-maker", FSYNC, 2),
    ("segment-maker", OPEN, 1), ("segment-maker", OPEN, 4),
    ("segment-maker", FSYNC, 4)]
MARK_MOMENTS = [
    (LOOP_W, PWRITE, 1), (LOOP_W, PWRITE, 3), ("mark-syncer", FDATASYNC, 1),
    ("mark-syncer", FSYNC, 1), ("mark-syncer", FDATASYNC, 2)]
MOVE_MOMENTS = [
    ("mover", WRITE, 1), ("mover", WRITE, 2), ("mover", WRITE, 5),
    ("mover", FSYNC, 1), ("mover", FSYNC, 2), ("mover", FSYNC, 3),
    ("mover", FSYNC, 6), ("mover", LINK, 1), ("mover", LINK, 3),
    ("mover", RENAME, 1), ("mover", RENAME, 2), ("mover", UNLINK, 1),
    ("mover", UNLINK, 2), ("mover", UNLINK, 4), (LOOP_W, UNLINK, 1),
    (LOOP_W, UNLINK, 2)]
# A relay that dies between upstream's 250 and its mark sends again what was
# in the air: the one that was answered and those sent ahead.
IN_THE_AIR = 3
# The relay begins nothing new while the disk has so many to write.
DISK_JOBS = 16
# One each of those that are refused, small and large.
UNACKNOWLEDGED = 2


class Senders:
    """A client a kind of message, each tries again until it was accepted."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.accepted = {}  # key: (kind of recipient, message)
        self.threads = [threading.Thread(target=self._run, args=kind,
                                         daemon=True) for kind in KINDS]
        for thread in self.threads:
            thread.start()

    def _run(self, who, body):
        end = time.monotonic() + 60
        count = 0
        while count < EACH and time.monotonic() < end:
            try:
                with Client(("127.0.0.1", self.daemon.port)) as client:
                    client.ehlo()
                    while count < EACH:
                        count += self._one(client, who, body)
            except (OSError, Refused, AssertionError):
                time.sleep(0.02)

    def _one(self, client, who, body):
        data = message(body=body)
        reply = client.mail("sender@example.org", [who + "@example.net"],
                            data)
        if reply.code == 250:
            self.accepted[key_of(data)] = (who, data)
        return reply.code == 250

    def join(self, t):
        for thread in self.threads:
            thread.join(90)
        t.equal(len(self.accepted), EACH * len(KINDS), "accepted messages")


def arrivals(fake):
    """{key: how often}, reports apart: how many."""
    counts, reports = {}, 0
    for got in list(fake.messages):
        if got.header("Auto-Submitted"):
            reports += 1
            continue
        key = got.header("Message-ID")[0]
        counts[key] = counts.get(key, 0) + 1
    return counts, reports


def leftovers(daemon):
    """Files that should not be there when all is done."""
    found = []
    for directory in ("queue", "failed"):
        names = os.listdir(os.path.join(daemon.spool, directory))
        found += [x for x in names
                  if x.startswith(".") or directory == "queue"]
    large = os.path.join(daemon.spool, "large")
    filled = [x for x in os.listdir(large)
              if os.path.getsize(os.path.join(large, x)) > 0]
    return found, filled


def judge(t, fake, daemon, senders, repeats_allowed):
    due = {key for key, (who, _) in senders.accepted.items() if who != "bad"}
    bad = len(senders.accepted) - len(due)

    def all_there():
        daemon.ask("queue.flush")
        return due <= set(arrivals(fake)[0])

    wait_for(all_there, 60, "what was acknowledged upstream")
    daemon.wait_queue_empty(60)
    counts, reports = arrivals(fake)
    for got in fake.messages:
        key = (got.header("Message-ID") or [""])[0]
        if key in senders.accepted:
            t.true(without_received(got.data) == senders.accepted[key][1],
                   "a message is whole")
    repeats = sum(x - 1 for x in counts.values())
    t.true(repeats <= repeats_allowed, "repeats: %d" % repeats)
    # what was written, but not acknowledged when the receiver died, may come
    failed = daemon.status()["queue"]["failed"]
    t.true(bad <= failed <= bad + UNACKNOWLEDGED, "failed messages: %d, %d "
           "are due" % (failed, bad))
    t.true(bad <= reports <= failed + IN_THE_AIR, "reports: %d for %d" % (
        reports, failed))
    try:
        wait_for(lambda: leftovers(daemon)[0] == [] and
                 EACH <= len(leftovers(daemon)[1]) <=
                 EACH + UNACKNOWLEDGED, 20,
                 "nothing left over")
    except AssertionError as error:
        raise AssertionError("%s: %r" % (error, leftovers(daemon))) from None
    return repeats


def dies_at(t, role, moment, repeats_allowed):
    who, call, which = moment
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
    fake.rule("RCPT", "451 4.3.0 Later", match="later@", times=EACH)
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    rule = faults.stop(who, call, first=which)
    daemon.start()
    roles = daemon.wait_roles()
    senders = Senders(daemon)
    rule.wait_entered()
    os.kill(roles[role], 9)
    faults.clear()
    daemon.wait_role_again(role, roles[role])
    senders.join(t)
    repeats = judge(t, fake, daemon, senders, repeats_allowed)
    t.equal({x for x in daemon.roles().values() if x in roles.values()},
            {pid for name, pid in roles.items() if name != role},
            "the other role is the same")
    daemon.stop()
    t.clean(fake)
    return repeats


def all_moments(t, role, moments, repeats_allowed):
    for moment in moments:
        try:
            repeats = dies_at(t, role, moment, repeats_allowed)
        except AssertionError as error:
            raise AssertionError("%s dies at %r: %s" % (
                role, moment, error)) from error
        print_comment("%s dies at %r: %d repeats" % (role, moment, repeats))


@scenario(seconds=600)
def the_receiver_dies(t):
    all_moments(t, "receiver", RECEIVER_MOMENTS, 0)


@scenario(seconds=600)
def the_relay_dies_making_segments_and_bodies(t):
    all_moments(t, "relay", MAKER_MOMENTS, IN_THE_AIR)


@scenario(seconds=600)
def the_relay_dies_marking(t):
    all_moments(t, "relay", MARK_MOMENTS, IN_THE_AIR)


@scenario(seconds=600)
def the_relay_dies_moving(t):
    all_moments(t, "relay", MOVE_MOMENTS, IN_THE_AIR)


@scenario
def delivered_from_queue_is_not_sent_again(t):
    """However long the removals wait for the disk."""
    fake = t.fake()
    fake.rule("RCPT", "451 4.3.0 Later", times=10)
    daemon = t.daemon(fake, retry=["1h"])
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    accepted = sorted(daemon.send(message()) for _ in range(10))
    wait_for(lambda: sorted(os.listdir(os.path.join(
        daemon.spool, "queue"))) == accepted, 20, "all in queue/")
    wait_for(lambda: all(row["state"] == "waiting"
                         for row in daemon.queue()), 20, "all at rest")
    rule = faults.stop("mover", FSYNC)
    daemon.ask("queue.flush")
    fake.wait_messages(10)
    rule.wait_entered()
    wait_for(lambda: daemon.queued() == 0, 20, "an empty queue")
    pid = daemon.kill_role("relay")
    faults.clear()
    daemon.wait_role_again("relay", pid)
    daemon.send(message())
    fake.wait_messages(11)
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), 11, "messages upstream")


@scenario
def a_slow_disk_slows_what_has_to_be_written(t):
    """Messages with a history wait for their files: few at a time, so that few
    are sent again after a kill, and little memory is taken."""
    fake = t.fake()
    closed = fake.rule("BANNER", action="drop")
    later = fake.rule("RCPT", "451 4.3.0 Later", match="later@")
    daemon = t.daemon(fake, retry=["1h"],
                      account={"messages_per_connection": 1000})
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    both = ["ok@example.net", "later@example.net"]
    ids = [daemon.send(message(), both) for _ in range(100)]
    rule = faults.stop("mover", FSYNC)
    with fake.changed:
        fake.rules.remove(closed)
    daemon.ask("queue.flush")
    fake.wait_messages(DISK_JOBS)
    # no more of them begin: asked after the last one was answered
    daemon.status()
    time.sleep(0.2)  # would be enough for all of them
    first = len(fake.messages)
    t.true(first <= DISK_JOBS + IN_THE_AIR, "messages that wait for the disk: "
           "%d" % first)
    rule.wait_entered()
    pid = daemon.kill_role("relay")
    faults.clear()
    daemon.wait_role_again("relay", pid)
    fake.wait_messages(len(ids) + first)
    wait_for(lambda: len(os.listdir(os.path.join(
        daemon.spool, "queue"))) == len(ids), 30, "all in queue/")
    wait_for(lambda: all(x["state"] == "waiting" for x in daemon.queue()), 20,
             "all at rest")
    with fake.changed:
        fake.rules.remove(later)
    daemon.ask("queue.flush")
    daemon.wait_queue_empty()
    counts = {}
    for got in fake.messages:
        for who in got.recipients:
            counts[who] = counts.get(who, 0) + 1
    t.equal(counts, {both[0]: len(ids) + first, both[1]: len(ids)},
            "deliveries")


@scenario
def a_relay_that_comes_back_finds_what_the_receiver_holds(t):
    """The receiver fills segments and bodies while no relay lives."""
    fake = t.fake()
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    daemon.start()
    daemon.send(message())
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    wait_for(lambda: len(os.listdir(os.path.join(daemon.spool, "large"))) == 2,
             20, "bodies in stock, the first of them handed over")
    # the next relay gets as far as its first look at the spool
    rule = faults.stop(LOOP_W, FSYNC)
    pid = daemon.kill_role("relay")
    rule.wait_entered()
    sent = [message(body=SMALL * (1 + i)) for i in range(30)]
    with daemon.client(timeout=60) as client:
        client.ehlo()
        for data in sent:
            t.equal(client.mail("a@example.org", ["b@example.net"],
                                data).code, 250, "small ones")
        reply = None
        while reply is None or reply.code == 250:
            sent.append(message(body=LARGE))
            reply = client.mail("a@example.org", ["b@example.net"], sent[-1])
        sent.pop()
        t.equal((reply.code, reply.enhanced), (452, "4.3.1"), "the reply")
        t.true(31 <= len(sent) <= 32, "large ones, in the bodies in stock: %d"
               % (len(sent) - 30))
        faults.clear()
        daemon.wait_role_again("relay", pid)
        sent.append(message(body=LARGE))
        wait_for(lambda: client.mail("a@example.org", ["b@example.net"],
                                     sent[-1]).code == 250, 30,
                 "the next one")
    got = fake.wait_messages(1 + len(sent))
    daemon.wait_queue_empty()
    t.equal(sorted(x.header("Message-ID")[0] for x in got[1:]),
            sorted(map(key_of, sent)), "messages")


if __name__ == "__main__":
    main()
