"""Everything goes wrong at random while mail flows: the upstream, the disk, the
processes, the clock, reloads and pauses. In the end the accounts agree: what was
acknowledged is delivered, or reported, or still queued."""
import collections
import errno
import os
import random
import signal
import time

from lib.daemon import free_port, wait_for
from lib.faults import (FDATASYNC, FSYNC, KILL_AFTER, KILL_BEFORE, LINK, OPEN,
                        PWRITE, RENAME, RESOLVE, SENDMSG, SHORT, SOCKET,
                        STATVFS, UNLINK, WRITE, Faults)
from lib.harness import LONG, SANITIZED, main, print_comment, scenario
from lib.lives import LARGE, SMALL, Lives, Load
from lib.mail import base64_lines

SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1 << 32)
SECONDS = int(os.environ.get("SOAK_SECONDS", "0")) or (1200 if LONG else 20)
DAY = 24 * 3600
BODIES = [SMALL, base64_lines(1, 3000), base64_lines(2, 60000), LARGE]
KINDS = ["ok"] * 6 + ["later", "bad"]
# A role that dies again and again waits before it comes; a parent forgives.
DEATHS_A_PARENT = 3
SETTLE = 240 if SANITIZED else 120

UPSTREAM = [
    (phase, how)
    for phase in ("BANNER", "EHLO", "MAIL", "RCPT", "DATA", "BDAT", "FINAL")
    for how in ({"action": "drop"}, {"action": "reset"},
                {"reply": "421 4.3.0 Temporary System Problem."},
                {"reply": "451 4.3.0 Not now."},
                {"raw": b"\xff\xfe What?\r\n"})
] + [
    ("CONNECT", {"action": "drop"}), ("TLS", {"action": "drop"}),
    ("STARTTLS", {"reply": "454 4.7.0 TLS not available."}),
    ("AUTH", {"reply": "454 4.7.0 Temporary authentication failure."}),
    ("MIDDATA", {"action": "reset", "after_bytes": 20000}),
    ("FINAL", {"action": "drop", "taken": True}),
    ("FINAL", {"reply": "452 4.3.1 Out of storage."}),
    ("RSET", {"action": "drop"}), ("QUIT", {"action": "reset"}),
    ("FINAL", {"delay": 0.5}),
]
DISK = [(PWRITE, errno.EIO), (PWRITE, errno.ENOSPC), (PWRITE, SHORT),
        (WRITE, errno.EDQUOT), (WRITE, SHORT), (FDATASYNC, errno.EIO),
        (FSYNC, errno.EIO), (OPEN, errno.EMFILE), (RENAME, errno.EIO),
        (LINK, errno.ENOSPC), (UNLINK, errno.EIO), (STATVFS, errno.EIO),
        (SOCKET, errno.EMFILE), (RESOLVE, errno.EAGAIN)]
PROCESSES = ["gmrelayd-recv", "gmrelayd-relay"]


class Clients(Load):
    def __init__(self, lives, daemon):
        super().__init__(daemon, SEED, most=8)
        self.lives = lives
        self.start()

    def one(self, client, rng):
        self.lives.hand_in(client, self.lives.letter(
            rng.choice(KINDS), rng.choice(BODIES)))
        self.ending.wait(rng.random() * 0.1)


class Trouble:
    """One kind of it at a time, each a method."""

    def __init__(self, t):
        self.rng = random.Random(SEED)
        self.fake = t.fake()
        self.lives = Lives(t, self.fake)
        self.fake.rule("RCPT", "451 4.3.0 Later", match="later@",
                       times=10 * SECONDS)
        self.lasting = list(self.fake.rules)
        # a fixed port: another parent has to be found
        self.daemon = t.daemon(
            self.fake, listen=["127.0.0.1:%d" % free_port()],
            account={"messages_per_connection": 1000, "connections": 2,
                     "reply_timeout": "10s", "final_timeout": "10s"})
        self.faults = Faults(self.daemon)
        t.at_end.append(self.faults.clear)
        self.deaths = 0
        self.counts = collections.Counter()
        self.daemon.start()

    def one(self):
        action = self.rng.choice([
            self.upstream, self.upstream, self.upstream, self.disk, self.disk,
            self.kill, self.die, self.reload, self.pause, self.clock,
            self.parent, self.flush])
        action()
        self.counts[action.__name__] += 1

    def control(self, command, **arguments):
        """As far as there is a relay that answers."""
        try:
            self.daemon.ask(command, **arguments)
        except (OSError, AssertionError):
            pass

    def upstream(self):
        phase, how = self.rng.choice(UPSTREAM)
        with self.fake.changed:
            self.fake.rules[:] = self.lasting
        self.fake.rule(phase, times=self.rng.randint(1, 3), **how)

    def disk(self):
        self.faults.clear()
        calls, error = self.rng.choice(DISK)
        self.faults.fail("", calls, error, first=self.rng.randint(1, 10),
                         times=self.rng.randint(1, 5))

    def kill(self):
        roles = self.daemon.roles()
        if not roles:
            return
        os.kill(self.rng.choice(list(roles.values())), signal.SIGKILL)
        self.died()

    def die(self):
        """At a call of its own."""
        self.faults.clear()
        self.faults.kill(
            self.rng.choice(PROCESSES),
            self.rng.choice([PWRITE, FDATASYNC, FSYNC, SENDMSG]),
            self.rng.choice([KILL_BEFORE, KILL_AFTER]),
            first=self.rng.randint(1, 20))
        self.died()

    def died(self):
        self.deaths += 1
        if self.deaths >= DEATHS_A_PARENT:
            self.parent()

    def parent(self):
        """Dies; another one takes its place, without faults of its start."""
        self.faults.clear()
        self.daemon.kill_all()
        self.daemon.start(60)
        self.deaths = 0

    def reload(self):
        self.daemon.signal(signal.SIGHUP)

    def pause(self):
        self.control("account.pause", all=True)
        time.sleep(self.rng.random() * 0.5)
        self.control("account.resume", all=True)

    def clock(self):
        self.faults.move_clock(self.rng.choice([-DAY, 0, 0, DAY]))

    def flush(self):
        self.control("account.resume", all=True)
        self.control("queue.flush")

    def end(self):
        self.faults.clear()
        self.faults.move_clock(0)
        with self.fake.changed:
            self.fake.rules[:] = self.lasting[:1]  # bad@
        wait_for(self.resumed, 90, "a relay that answers")
        self.lives.settle(self.daemon, SETTLE)

    def resumed(self):
        try:
            self.daemon.ask("account.resume", all=True)
            return True
        except (OSError, AssertionError):
            return False


@scenario(seconds=SECONDS + 600)
def the_accounts_agree_in_the_end(t):
    print_comment("seed %d, %d s" % (SEED, SECONDS))
    trouble = Trouble(t)
    load = Clients(trouble.lives, trouble.daemon)
    until = time.monotonic() + SECONDS
    try:
        while time.monotonic() < until:
            time.sleep(trouble.rng.random() * 0.6)
            trouble.one()
    finally:
        load.stop()
    trouble.end()
    lives = trouble.lives
    repeats = lives.judge(in_the_air=False)
    sent = lives.acknowledged()
    reported = sum(x.who == "bad" for x in sent)
    print_comment("trouble: %s" % ", ".join(
        "%s %d" % x for x in sorted(trouble.counts.items())))
    print_comment("%d tried, %d sent = %d delivered + %d reported + %d queued;"
                  " %d repeats" % (
                      len(lives.letters), len(sent), len(sent) - reported,
                      reported, trouble.daemon.queued(), len(repeats)))
    t.true(len(sent) > SECONDS, "mail was flowing")


if __name__ == "__main__":
    main()
