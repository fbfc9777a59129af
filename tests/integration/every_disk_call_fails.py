"""Each disk call of a message's whole life fails in turn, in each way that disks
have. No 250 without the disk, nothing lost or cut, nothing sent twice, no role
dies, and the log says what happened."""
import errno
import itertools
import os
import re
import threading

from lib.daemon import wait_for
from lib.faults import (FDATASYNC, FSYNC, LINK, OPEN, PWRITE, RENAME, SHORT,
                        STATVFS, UNLINK, WRITE, Faults)
from lib.harness import main, print_comment, scenario
from lib.mail import base64_lines, key_of, without_received
from lib.smtpclient import Client, Refused, message

SMALL = b"text\r\n" * 20
LARGE = base64_lines(3, 100000)

CALLS = {"fdatasync": FDATASYNC, "fsync": FSYNC, "pwrite": PWRITE,
         "write": WRITE, "open": OPEN, "rename": RENAME, "unlink": UNLINK,
         "link": LINK, "fstatvfs": STATVFS}
WAYS = [("pwrite", "EIO"), ("pwrite", "ENOSPC"), ("pwrite", "SHORT"),
        ("write", "ENOSPC"), ("write", "EDQUOT"), ("write", "SHORT"),
        ("fdatasync", "EIO"), ("fsync", "EIO"), ("fsync", "ENOSPC"),
        ("open", "EMFILE"), ("open", "EIO"), ("rename", "EIO"),
        ("link", "EDQUOT"), ("unlink", "EIO"), ("fstatvfs", "EIO")]
# What cannot be opened now or removed is tried again, and costs nothing.
UNTOLD = ("open", "unlink")
# The recipient says what becomes of it: delivered at once; after a refusal,
# from queue/; given up, with a report.
LIVES = [(who, body) for who in ("ok", "later", "bad")
         for body in (SMALL, LARGE)]
# No life of a message takes more calls of one kind than this; beyond, the test
# itself would be wrong.
CALLS_MAX = 60
SERIAL = itertools.count()


class Lives:
    """A message of each kind at the same time; what was acknowledged."""

    def __init__(self, daemon):
        self.daemon = daemon
        self.accepted = {}
        self.replies = []

    def _one(self, who, body):
        data = message(body=body)
        # each has one of its own, so that reports come singly
        sender = "sender%d@example.org" % next(SERIAL)
        try:
            with Client(("127.0.0.1", self.daemon.port)) as client:
                client.ehlo()
                reply = client.mail(sender, [who + "@example.net"], data)
        except Refused as refused:
            reply = refused.reply
        self.replies.append(reply.code)
        if reply.code == 250:
            self.accepted[key_of(data)] = (who, data)

    def run(self, t):
        threads = [threading.Thread(target=self._one, args=life, daemon=True)
                   for life in LIVES]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(60)
        t.equal(len(self.replies), len(LIVES), "answers")
        t.true(set(self.replies) <= {250, 451, 452}, "answers: %s" %
               self.replies)


def arrived(fake):
    """{Message-ID: [messages]}, and how many reports."""
    got, reports = {}, 0
    for each in list(fake.messages):
        if each.header("Auto-Submitted"):
            reports += 1
        else:
            got.setdefault(each.header("Message-ID")[0], []).append(each)
    return got, reports


class Run:
    def __init__(self, t):
        self.t = t
        self.fake = t.fake()
        self.fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
        self.daemon = t.daemon(self.fake, retry=["1s"], account={
            "messages_per_connection": 1000000})
        self.faults = Faults(self.daemon)
        t.at_end.append(self.faults.clear)
        self.daemon.start()
        self.roles = self.daemon.wait_roles()
        self.bad = 0
        self.hits = 0

    def settled(self, lives):
        """All of them have come to their end."""
        due = {key for key, (who, _) in lives.accepted.items() if who != "bad"}
        self.daemon.ask("queue.flush")
        got, reports = arrived(self.fake)
        return due <= set(got) and reports >= self.bad and \
            self.daemon.queued() == 0

    def case(self, call, way, nth):
        """Returns False when there was no nth call."""
        error = SHORT if way == "SHORT" else getattr(errno, way)
        later = self.fake.rule("RCPT", "451 4.3.0 Later", match="later@",
                               times=2)
        log_at = len(self.daemon.log_now())
        rule = self.faults.fail("", CALLS[call], error, first=nth, times=1)
        lives = Lives(self.daemon)
        lives.run(self.t)
        self.bad += sum(who == "bad" for who, _ in lives.accepted.values())
        wait_for(lambda: self.settled(lives), 60, "the end of all lives")
        hit = rule.entered > 0
        self.faults.clear()
        with self.fake.changed:
            self.fake.rules.remove(later)
        self.check(lives)
        self.hits += hit
        if hit and way != "SHORT" and call not in UNTOLD:
            # of the very last call it comes a moment after all else
            wait_for(lambda: re.search(r" (warning|error): ",
                                       self.daemon.log_now()[log_at:]),
                     10, "a word in the log")
        return hit

    def check(self, lives):
        got, _ = arrived(self.fake)
        for key, (who, data) in lives.accepted.items():
            copies = got.get(key, [])
            self.t.equal(len(copies), 0 if who == "bad" else 1,
                         "copies upstream of one to %s" % who)
            for copy in copies:
                self.t.true(without_received(copy.data) == data,
                            "the message is whole")
        self.t.equal(self.daemon.roles(), self.roles, "roles")


def walk(t, ways):
    run = Run(t)
    for call, way in ways:
        nth = 1
        try:
            while run.case(call, way, nth):
                nth += 1
                t.true(nth <= CALLS_MAX, "calls of one life")
        except AssertionError as error:
            raise AssertionError("%s number %d fails by %s: %s" % (
                call, nth, way, error)) from error
        print_comment("%s, %s: %d calls" % (call, way, nth - 1))
        t.true(nth > 1, "%s is called at all" % call)
    print_comment("faults: %d" % run.hits)
    # what no mark says is sent once more at most by the next process
    before = len(run.fake.messages)
    run.daemon.stop()
    run.daemon.start()
    run.daemon.wait_queue_empty(60)
    print_comment("repeats after a restart: %d" % (
        len(run.fake.messages) - before))
    t.equal(run.daemon.status()["queue"]["failed"], run.bad, "failed messages")
    t.equal(os.listdir(os.path.join(run.daemon.spool, "queue")), [], "queue/")


def scenario_of(name, chosen):
    def run(t):
        walk(t, chosen)
    run.__name__ = name
    scenario(seconds=600)(run)


scenario_of("each_write_fails", [x for x in WAYS if "write" in x[0]])
scenario_of("each_sync_fails", [x for x in WAYS if "sync" in x[0]])
scenario_of("each_other_call_fails",
            [x for x in WAYS if "write" not in x[0] and "sync" not in x[0]])

if __name__ == "__main__":
    main()
