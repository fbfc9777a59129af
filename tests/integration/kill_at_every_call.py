"""Each process ends itself, as by kill -9, at each call by which a message is
committed and delivered: before it, behind it, and half-way through a write.
Nothing acknowledged is missing, nothing partial is sent, repeats are only what
was in the air, and the next process serves."""
import collections
import os
import random
import re
import signal

from lib.daemon import wait_for
from lib.faults import (FDATASYNC, FSTATAT, FSYNC, FTRUNCATE, KILL_AFTER, KILL_BEFORE,
                        KILL_HALF, LINK, MKDIR, OPEN, PWRITE, RENAME, SENDMSG,
                        STATVFS, UNLINK, WRITE, Faults)
from lib.harness import LONG, SANITIZED, main, print_comment, scenario
from lib.lives import LARGE, LIVES, SMALL, Lives
from lib.sendmail import Sendmail
from lib.smtpclient import Refused, message, stuff

PROCESS = {"parent": "gmrelayd", "receiver": "gmrelayd-recv",
           "relay": "gmrelayd-relay"}
RECEIVER_CALLS = {"pwrite": (PWRITE, ""), "fdatasync": (FDATASYNC, ""),
                  "sendmsg": (SENDMSG, "")}
# What fills a new segment with zeros is one call in hundreds.
RELAY_CALLS = {
    "write": (WRITE, "mover"), "pwrite": (PWRITE, ""),
    "fdatasync": (FDATASYNC, ""), "fsync": (FSYNC, ""), "open": (OPEN, ""),
    "rename": (RENAME, ""), "unlink": (UNLINK, ""), "link": (LINK, ""),
    "fstatvfs": (STATVFS, ""), "sendmsg": (SENDMSG, "")}
# Nothing of these is in a loop that waits.
START_CALLS = FDATASYNC | FSYNC | PWRITE | OPEN | RENAME | UNLINK | LINK | SENDMSG
PARENT_CALLS = START_CALLS | FTRUNCATE | MKDIR
HOW = {KILL_BEFORE: "before", KILL_HALF: "half-way", KILL_AFTER: "behind"}
# No batch of lives takes more calls of a kind; beyond, the test would be wrong.
CALLS_MAX = 400
SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1 << 32)
# The short form takes the first call of each kind, and of the others one in so
# many.
ONE_IN = 1 if LONG else 12 if SANITIZED else 4
START_STEP = 1 if LONG else 30


class Walk:
    """One daemon, a batch of lives for each call."""

    def __init__(self, t):
        self.t = t
        self.fake = t.fake()
        self.lives = Lives(t, self.fake)
        self.daemon = t.daemon(self.fake, account={
            "messages_per_connection": 1000000})
        self.faults = Faults(self.daemon)
        t.at_end.append(self.faults.clear)
        self.sendmail = Sendmail(t, self.daemon)
        self.kills = collections.Counter()
        self.repeats = collections.Counter()
        self.repeated = 0
        self.daemon.start()
        self.daemon.send(message())  # all that is made once is made
        self.fake.wait_messages(1)
        self.daemon.wait_queue_empty()
        self.fake.messages.clear()

    def case(self, role, calls, how, nth):
        """Returns False when there was no nth call."""
        kind, thread = calls
        self.lives.send_until_taken(self.daemon, "ok", SMALL)
        pid = self.daemon.wait_roles()[role]
        later = self.fake.rule("RCPT", "451 4.3.0 Later", match="later@",
                               times=2)
        if role == "relay":  # it takes in what lies in drop/
            self.lives.drop(self.sendmail, self.lives.letter("ok", SMALL))
        rule = self.faults.kill(PROCESS[role], kind, how, thread, first=nth)
        self.lives.send_all(self.daemon, LIVES)
        wait_for(lambda: self.done(rule, role, pid), 60, "an end")
        hit = rule.entered > 0
        self.faults.clear()
        if hit:
            self.daemon.wait_role_again(role, pid)
        self.lives.settle(self.daemon)
        with self.fake.changed:
            self.fake.rules.remove(later)
        self.count(role, how, hit)
        if hit:  # the next death is again the first one for the parent
            self.daemon.reload()
        return hit

    def done(self, rule, role, pid):
        if rule.entered:
            return self.daemon.roles().get(role) != pid
        try:
            self.lives.settle(self.daemon, 0)
        except AssertionError:
            return False
        return True

    def count(self, role, how, hit):
        repeats = len(self.lives.judge())
        new, self.repeated = repeats - self.repeated, repeats
        if role == "receiver" or not hit:
            self.t.equal(new, 0, "repeats")
        if hit:
            self.kills[how] += 1
            self.repeats[how] += new



def walk(t, role, calls):
    rng = random.Random(SEED)
    it = Walk(t)
    print_comment("seed %d, one call in %d" % (SEED, ONE_IN))
    for name, call in calls.items():
        it.kills.clear()
        it.repeats.clear()
        for how in HOW:
            if how != KILL_HALF or "write" in name:
                walk_calls(it, role, name, call, how, rng)
        print_comment("%s, %s: %d kills (%s), %d repeats" % (
            role, name, it.kills.total(), ", ".join(
                "%d %s" % (count, HOW[how])
                for how, count in it.kills.items()), it.repeats.total()))
    acknowledged = len(it.lives.acknowledged())
    print_comment("%s: %d messages, %d acknowledged, 0 missing" % (
        role, len(it.lives.letters), acknowledged))
    # nothing of it is left over, and nothing comes again
    before = len(it.fake.messages)
    it.daemon.stop()
    it.daemon.start()
    it.lives.settle(it.daemon)
    t.equal(len(it.fake.messages), before, "messages after a restart")
    for name in ("queue", "large"):
        wait_for(lambda name=name: len(os.listdir(os.path.join(
            it.daemon.spool, name))) <= left_in(name, it), 20,
            "an empty %s/" % name)


def left_in(name, it):
    """The receiver's two empty bodies, and those of what failed."""
    failed = sum(x.who == "bad" for x in it.lives.letters.values())
    return 2 + failed if name == "large" else 0


def walk_calls(it, role, name, call, how, rng):
    nth = 1
    try:
        while it.case(role, call, how, nth):
            nth += rng.randint(1, 2 * ONE_IN - 1)
            it.t.true(nth <= CALLS_MAX, "calls of one batch")
    except AssertionError as error:
        raise AssertionError("the %s dies %s %s number %d: %s" % (
            role, HOW[how], name, nth, error)) from error
    it.t.true(nth > 1, "%s is called at all" % name)


@scenario(seconds=3000 if LONG else 600)
def the_receiver_dies_at_each_call(t):
    walk(t, "receiver", RECEIVER_CALLS)


@scenario(seconds=6000 if LONG else 900)
def the_relay_dies_at_each_call(t):
    walk(t, "relay", RELAY_CALLS)


# -- moments with a name -----------------------------------------------------

def dies_behind_its_sync(t, body):
    """The receiver. Returns the message and what the client was told."""
    fake = t.fake()
    lives = Lives(t, fake)
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    daemon.start()
    pid = daemon.wait_roles()["receiver"]
    letter = lives.letter("ok", body)
    with daemon.client() as client:
        client.ehlo()
        client.expect("MAIL FROM:<%s>" % letter.sender, 250)
        client.expect("RCPT TO:<ok@example.net>", 250)
        client.expect("DATA", 354)
        rule = faults.kill(PROCESS["receiver"], FDATASYNC, KILL_AFTER,
                           "committer")
        client.send(stuff(letter.data) + b".\r\n")
        try:
            letter.code = client.reply().code
        except (Refused, OSError):
            pass
        rule.wait_entered()
    daemon.wait_role_again("receiver", pid)
    return lives, daemon, letter


@scenario
def a_receiver_that_dies_between_sync_and_announcement_loses_nothing(t):
    for body in (SMALL, LARGE):
        # it is durable, and nobody was told: neither relay nor client
        lives, daemon, letter = dies_behind_its_sync(t, body)
        t.equal(letter.code, None, "no answer")
        wait_for(lambda lives=lives, letter=letter:
                 letter.key in lives.arrivals()[0], 20, "the message upstream")
        lives.settle(daemon)
        t.equal(lives.judge(), [], "repeats")


@scenario
def a_report_that_a_dead_relay_left_is_sent_once(t):
    """It is on disk, its message is not in failed/ yet."""
    fake = t.fake()
    lives = Lives(t, fake)
    daemon = t.daemon(fake)
    faults = Faults(daemon)
    daemon.start()
    pid = daemon.wait_roles()["relay"]
    died = faults.kill(PROCESS["relay"], LINK, KILL_AFTER, "mover")
    # the next relay's mover is late: the report is sent before
    late = faults.stop("mover", FSTATAT, first=2)
    lives.send_all(daemon, [("bad", SMALL)])
    died.wait_entered()
    daemon.wait_role_again("relay", pid)
    fake.wait_messages(1)
    wait_for(lambda: late.entered or
             daemon.status()["queue"]["failed"] == 1, 20, "its message's end")
    late.end()
    lives.settle(daemon)
    t.equal(lives.judge(), [], "repeats")


# -- starts -------------------------------------------------------------------

@scenario(seconds=1200)
def the_parent_dies_at_each_call_of_its_start(t):
    """And while it starts a role again: the next parent serves."""
    fake = t.fake()
    lives = Lives(t, fake)
    daemon = t.daemon(fake)
    daemon.crashes_expected = True
    faults = Faults(daemon)
    kills = collections.Counter()
    rng = random.Random(SEED)
    for how in (KILL_BEFORE, KILL_AFTER):
        nth, hit = 1, True
        while hit:
            hit = parent_dies(daemon, faults, lives, how, nth)
            kills[how] += hit
            nth += rng.randint(1, START_STEP)
            t.true(nth < CALLS_MAX, "calls of a start")
    daemon.start()
    lives.settle(daemon)
    lives.judge()
    print_comment("seed %d, parent: %d kills before, %d behind a call" % (
        SEED, kills[KILL_BEFORE], kills[KILL_AFTER]))
    t.true(kills[KILL_BEFORE] > 1, "a start has calls")


def parent_dies(daemon, faults, lives, how, nth):
    rule = faults.kill(PROCESS["parent"], PARENT_CALLS, how, first=nth)
    daemon.start(wait=False)
    wait_for(lambda: rule.entered or (daemon.process.poll() is None and
                                      "ready listen=" in daemon.log_now()),
             30, "a start, or its end")
    if not rule.entered:
        # the start has fewer calls; a role that comes again has more of them
        pid = daemon.wait_roles()["relay"]
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: rule.entered or re.findall(
            r"role ready role=relay pid=(\d+)", daemon.log_now())[-1] !=
            str(pid), 30, "another relay, or the end")
    hit = rule.entered > 0
    faults.clear()
    if hit:
        daemon.kill_all()
        daemon.start()
    else:
        daemon.wait_ready()
    lives.send_until_taken(daemon, "ok", SMALL)
    daemon.stop()
    return hit


@scenario(seconds=3000 if LONG else 600)
def a_relay_dies_at_each_call_of_its_start(t):
    """With mail everywhere in the spool: the one after it gets through."""
    rng = random.Random(SEED)
    it = Walk(t)
    nth, kills = 1, 0
    it.lives.send_until_taken(it.daemon, "ok", SMALL)
    while start_dies(it, nth):
        kills += 1
        nth += rng.randint(1, START_STEP)
    it.lives.settle(it.daemon)
    repeats = len(it.lives.judge())
    print_comment("seed %d: %d kills, %d messages, %d repeats" % (
        SEED, kills, len(it.lives.letters), repeats))
    t.true(kills > 0, "a start has calls")


def start_dies(it, nth):
    """Returns False when the start has no nth call."""
    daemon = it.daemon
    closed = it.fake.rule("BANNER", action="drop")
    for session in list(it.fake.sessions):
        session.abort()
    later = it.fake.rule("RCPT", "451 4.3.0 Later", match="later@", times=2)
    it.lives.send_all(daemon, LIVES)
    it.lives.drop(it.sendmail, it.lives.letter("ok", SMALL))
    pid = daemon.wait_roles()["relay"]
    rule = it.faults.kill(PROCESS["relay"], START_CALLS, KILL_BEFORE,
                          first=nth)
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass  # it was its own call
    wait_for(lambda: rule.entered or (daemon.roles().get("relay") != pid and
                                      is_started(daemon)), 30, "a start")
    hit = rule.entered > 0
    it.faults.clear()
    wait_for(lambda: is_started(daemon), 30, "the relay after it")
    with it.fake.changed:
        it.fake.rules.remove(closed)
    it.lives.settle(daemon)
    it.lives.judge()
    with it.fake.changed:
        it.fake.rules.remove(later)
    if hit:
        daemon.reload()
    return hit


def is_started(daemon):
    try:
        return not daemon.status()["queue"]["starting"]
    except (OSError, AssertionError):
        return False  # it dies, or is not there


if __name__ == "__main__":
    main()
