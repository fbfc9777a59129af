"""The power goes at a random moment: of all that no sync has covered, sectors and
names are there or not, in any order. The real daemon starts on what is left:
what got its 250 arrives or has arrived, whole; what was refused never does."""
import collections
import os
import random
import shutil
import threading

from lib.daemon import wait_for
from lib.faults import Faults
from lib.harness import LONG, SANITIZED, main, print_comment, scenario
from lib.lives import LARGE, SMALL, Lives, same_mail
from lib.mail import base64_lines
from lib.powercut import Disk, Trace
from lib.sendmail import Sendmail
from lib.smtpclient import stuff

SEED = int(os.environ.get("CRASH_SEED", "0")) or random.randrange(1 << 32)
RECORDINGS = 10 if LONG else 1
CUTS = 1000 if LONG else 12 if SANITIZED else 30
SENDERS = 4
MESSAGES_EACH = 12
DROPPED = 4
BODIES = [SMALL, base64_lines(1, 3000), base64_lines(2, 60000), LARGE,
          base64_lines(4, 300000)]
# The last recording of a long form: segments become full, and are used again.
HEAVY_EACH = 150
HEAVY_BODIES = [base64_lines(2, 60000)]
# How much of what is in doubt is there.
KEEPS = (0, 0.1, 0.5, 0.9, 1)


class Recording:
    """Mail of every fate, and for each moment what was known then."""

    def __init__(self, t, seed, heavy):
        self.t = t
        self.count = HEAVY_EACH if heavy else MESSAGES_EACH
        self.bodies = HEAVY_BODIES if heavy else BODIES
        self.rng = random.Random(seed)
        self.fake = t.fake()
        self.lives = Lives(t, self.fake)
        self.fake.rule("RCPT", "451 4.3.0 Later", match="later@", times=12)
        self.told = {}      # key: where the trace was when its 250 was here
        self.refused = set()
        self.arrived = []   # (where the trace was, message upstream)
        self.fake.on_event = self._on_event
        self.daemon = t.daemon(self.fake)
        Faults(self.daemon)  # the shim
        self.trace = Trace(self.daemon)
        self._run()

    def _on_event(self, _number, kind, _text):
        """Before it is answered; there is one connection at a time."""
        if kind == "message":
            self.arrived.append((self.trace.place(), self.fake.messages[-1]))

    def _run(self):
        daemon = self.daemon.start()
        sendmail = Sendmail(self.t, daemon)
        threads = [threading.Thread(target=self._send, daemon=True,
                                    args=(self.rng.random(),))
                   for _ in range(SENDERS)]
        for thread in threads:
            thread.start()
        for _ in range(DROPPED):
            self.lives.drop(sendmail, self.lives.letter("ok", SMALL))
        for thread in threads:
            thread.join(120)
        self.lives.settle(daemon)
        self.lives.judge()
        self.end = self.trace.place()
        daemon.stop()

    def _send(self, seed):
        rng = random.Random(seed)
        for _ in range(self.count):
            letter = self.lives.letter(
                rng.choice(["ok", "ok", "later", "bad"]), rng.choice(self.bodies))
            fate = rng.random()
            if fate < 0.1:
                self._leave(letter)
            elif fate < 0.2:
                self._refused(letter)
            else:
                self.t.equal(self.lives.send(self.daemon, letter, 60), 250,
                             "answer")
                self.told[letter.key] = self.trace.place()

    def _leave(self, letter):
        """A client that goes before the last byte."""
        self.refused.add(letter.key)
        with self.daemon.client() as client:
            client.ehlo()
            client.expect("MAIL FROM:<%s>" % letter.sender, 250)
            client.expect("RCPT TO:<%s@example.net>" % letter.who, 250)
            client.expect("DATA", 354)
            client.send(stuff(letter.data))

    def _refused(self, letter):
        """For a NUL, at its end."""
        self.refused.add(letter.key)
        with self.daemon.client() as client:
            client.ehlo()
            reply = client.mail(letter.sender, [letter.who + "@example.net"],
                                letter.data + b"a\0b\r\n")
            self.t.equal(reply.code, 554, "answer to a NUL")


class Cut:
    """A daemon on the image of one moment."""

    def __init__(self, recording, disk, rng, at):
        self.t = recording.t
        self.recording = recording
        self.rng = rng
        self.at = at
        lives = recording.lives
        self.due = {key for key, place in recording.told.items()
                    if place <= at}
        self.before = collections.Counter()
        for place, message in recording.arrived:
            if place <= at:
                self.before[what(message)] += 1
        self.letters = lives.letters
        self.disk = disk

    def run(self, daemon, fake, keeps):
        self.disk.write(daemon.spool, self.rng, keeps)
        first = len(fake.messages)
        log_at = len(daemon.log())
        daemon.start()
        wait_for(lambda: self.is_idle(daemon), 60, "the end of all lives")
        after = collections.Counter(map(what, fake.messages[first:]))
        self.check(fake.messages[first:], after)
        self.check_log(daemon.log()[log_at:])
        daemon.stop()
        shutil.rmtree(daemon.spool)
        return sum((self.before & after).values())

    @staticmethod
    def is_idle(daemon):
        daemon.ask("queue.flush")
        queue = daemon.status()["queue"]
        return not queue["starting"] and queue["queued"] == 0

    def check(self, messages, after):
        t = self.t
        arrived = self.before + after
        missing = [(x.who, len(x.data)) for x in map(
            self.letters.get, self.due) if not arrived[x.sender if
                                                       x.who == "bad" else
                                                       x.key]]
        t.equal(missing, [], "acknowledged, but nothing came of it")
        t.equal([x for x in self.recording.refused if arrived[x]], [],
                "refused, and yet upstream")
        for message in messages:
            if message.header("Auto-Submitted"):
                continue
            letter = self.letters.get(what(message))
            t.true(letter is not None, "strangers' mail")
            t.true(same_mail(message, letter), "a message is not whole")
            t.true(letter.who != "bad", "one to bad@ arrived")
        twice = [x for x, count in after.items() if count > 1 and not (
            x in self.letters and self.letters[x].dropped)]
        t.equal(twice, [], "twice by one daemon")

    def check_log(self, text):
        """What was cut off is no damage."""
        for line in text.splitlines():
            self.t.true(" error: " not in line, line)


def what(message):
    """The key of a message, or the sender that a report goes to."""
    if message.header("Auto-Submitted"):
        return message.recipients[0]
    return message.header("Message-ID")[0]


def cut_all(t, seed, count, tally, heavy=False):
    recording = Recording(t, seed, heavy)
    rng = random.Random(seed)
    disk = Disk(recording.trace.read(), recording.daemon.spool)
    places = [x[0] for x in disk.entries]
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
    daemon = t.daemon(fake)
    for number, at in enumerate(sorted(rng.sample(places, count))):
        disk.advance(at)
        keeps = rng.choice(KEEPS)
        cut = Cut(recording, disk, rng, at)
        try:
            tally["repeats"] += cut.run(daemon, fake, keeps)
        except AssertionError as error:
            raise AssertionError("cut %d of seed %d, at %d, %d %% kept: %s" % (
                number, seed, at, keeps * 100, error)) from error
        tally["cuts"] += 1
        tally["due"] += len(cut.due)
        tally["after"] += len(fake.messages)
        fake.messages.clear()
    t.clean(fake)
    tally["calls"] += len(disk.entries)
    tally["messages"] += len(recording.lives.letters)
    recording.trace.close()


@scenario(seconds=7200 if LONG else 600)
def nothing_acknowledged_is_missing_after_it(t):
    tally = collections.Counter()
    for i in range(RECORDINGS):
        cut_all(t, SEED + i, CUTS // RECORDINGS, tally,
                heavy=0 < i == RECORDINGS - 1)
    print_comment(
        "seed %d: %d messages in traces of %d entries; %d cuts, %d "
        "acknowledged before them, 0 missing, %d arrived after them, %d "
        "repeats" % (SEED, tally["messages"], tally["calls"], tally["cuts"],
                     tally["due"], tally["after"], tally["repeats"]))


if __name__ == "__main__":
    main()
