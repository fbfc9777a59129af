"""lives.py - messages of every fate, what became of each, and the accounts.

The recipient says what becomes of a message: ok@ is delivered at once; later@
is refused for now, and is delivered from queue/ or failed/; bad@ is given up,
with a report to the sender, who is another one for each message.

    lives = Lives(t, fake)          # sets the upstream's rules
    lives.send_all(daemon, LIVES)   # at once, in threads
    lives.settle(daemon)            # until nothing is queued
    lives.judge(t)                  # nothing missing, nothing partial
"""
import os
import random
import re
import threading

from .daemon import wait_for
from .mail import base64_lines, key_of, without_received
from .smtpclient import Refused, message

SMALL = b"text\r\n" * 20
LARGE = base64_lines(3, 100000)
# What one connection can have in the air: a message, and one ahead of its answer.
AIR_MAX = 2
SENDERS = 4
LIVES = [(who, body) for who in ("ok", "later", "bad")
         for body in (SMALL, LARGE)]


class Letter:
    """code: of the answer to the last byte; None when there was none. dropped:
    handed in by way of drop/."""

    def __init__(self, who, body, number):
        self.who = who
        self.data = message(body=body)
        self.key = key_of(self.data)
        self.sender = "s%d@example.org" % number
        self.code = None
        self.dropped = False


class Load:
    """SENDERS threads that connect again and again until they are stopped, and
    hand in up to most messages a connection, each by one(client, rng); they do
    not mind a closed connection. ending is set when they are to stop."""

    def __init__(self, daemon, seed, most):
        self.daemon = daemon
        self.most = most
        self.ending = threading.Event()
        self.threads = [
            threading.Thread(target=self._run, daemon=True,
                             args=(random.Random(seed + number),))
            for number in range(SENDERS)]

    def _run(self, rng):
        while not self.ending.is_set():
            try:
                with self.daemon.client() as client:
                    client.ehlo()
                    for _ in range(rng.randint(1, self.most)):
                        self.one(client, rng)
            except (Refused, OSError, AssertionError):
                self.ending.wait(0.02)

    def one(self, client, rng):
        raise NotImplementedError

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.ending.set()
        for thread in self.threads:
            thread.join(60)


class Lives:
    def __init__(self, t, fake):
        self.t = t
        self.fake = fake
        self.lock = threading.Lock()
        self.letters = {}
        self.count = 0
        fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")

    def letter(self, who, body):
        with self.lock:
            self.count += 1
            letter = Letter(who, body, self.count)
            self.letters[letter.key] = letter
        return letter

    def send(self, daemon, letter, timeout=20):
        """Notes the answer, or that there was none."""
        try:
            with daemon.client(timeout=timeout) as client:
                client.ehlo()
                self.hand_in(client, letter)
        except (Refused, OSError):
            pass
        except AssertionError as error:
            if not re.search("was answered 4[25]", str(error)):
                raise
        return letter.code

    def send_until_taken(self, daemon, who, body):
        """A relay that has just begun may have no room to give yet."""
        def taken():
            letter = self.letter(who, body)
            return self.send(daemon, letter) == 250 and letter

        return wait_for(taken, 60, "an acknowledged message")

    @staticmethod
    def hand_in(client, letter):
        letter.code = client.mail(letter.sender,
                                  [letter.who + "@example.net"],
                                  letter.data).code

    def send_all(self, daemon, kinds, timeout=20):
        """One of each kind at once."""
        letters = [self.letter(*kind) for kind in kinds]
        threads = [threading.Thread(target=self.send, daemon=True,
                                    args=(daemon, letter, timeout))
                   for letter in letters]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(90)
        return letters

    def drop(self, sendmail, letter):
        """By the command, as if the daemon did not run."""
        sendmail.ok("-f", letter.sender, letter.who + "@example.net",
                    text=letter.data.replace(b"\r\n", b"\n"),
                    env={"GMRELAY_SUBMIT": self.t.path("nobody.sock")})
        letter.dropped = True
        letter.code = 250

    def settle(self, daemon, deadline=60):
        """Until nothing waits: neither in the queue nor in drop/."""
        def idle():
            try:
                daemon.ask("queue.flush")
                queue = daemon.status()["queue"]
            except (OSError, AssertionError):
                return False  # between one relay and the next
            drop = os.path.join(daemon.spool, "drop")
            left = os.listdir(drop) if os.path.isdir(drop) else []
            return not left and not queue["starting"] and \
                queue["queued"] == 0 and not self.due()

        try:
            wait_for(idle, deadline, "the end of all lives")
        except AssertionError as error:
            raise AssertionError("%s: missing %s" % (error, [
                (x.who, len(x.data), x.dropped) for x in self.due()])) from None

    # -- the accounts -------------------------------------------------------

    def acknowledged(self):
        return [x for x in self.letters.values() if x.code == 250]

    def arrivals(self):
        """({key: [messages]}, {sender: reports})"""
        got, reports = {}, {}
        for each in list(self.fake.messages):
            if each.header("Auto-Submitted"):
                to = each.recipients[0]
                reports[to] = reports.get(to, 0) + 1
            else:
                got.setdefault(each.header("Message-ID")[0], []).append(each)
        return got, reports

    def due(self):
        """Acknowledged, but neither upstream nor reported."""
        got, reports = self.arrivals()
        return [x for x in self.acknowledged()
                if (reports.get(x.sender, 0) if x.who == "bad" else
                    len(got.get(x.key, []))) == 0]

    def judge(self, in_the_air=True):
        """Returns the repeats, as a list of letters. in_the_air: an answer can
        have been lost only where a connection ended; marks were written."""
        t = self.t
        got, reports = self.arrivals()
        t.equal([(x.who, len(x.data)) for x in self.due()], [],
                "acknowledged, but not upstream")
        t.equal(sorted(set(got) - set(self.letters)), [], "strangers' mail")
        repeats = []
        for key, copies in got.items():
            letter = self.letters[key]
            t.true(letter.who != "bad", "one to bad@ arrived")
            t.true(letter.code in (None, 250),
                   "arrived, though refused with %s" % letter.code)
            for copy in copies:
                t.true(same_mail(copy, letter), "a message is not whole")
            if in_the_air and len(copies) > 1 and not letter.dropped:
                self.were_in_the_air(copies[:-1])
            repeats += [letter] * (len(copies) - 1)
        senders = {x.sender: x for x in self.letters.values()}
        for sender, count in reports.items():
            t.equal(senders[sender].who, "bad", "reported")
            repeats += [senders[sender]] * (count - 1)
        t.clean(self.fake)
        return repeats

    def were_in_the_air(self, copies):
        """Each was among the last that its connection delivered."""
        for copy in copies:
            later = [x for x in self.fake.messages
                     if x.session == copy.session]
            self.t.true(copy in later[-AIR_MAX:], "a repeat of what was "
                        "delivered long before: %r" % copy.header(
                            "Message-ID"))


def same_mail(copy, letter):
    """By way of drop/ there is one Received field more."""
    data = without_received(copy.data)
    return data == letter.data or \
        (letter.dropped and data.startswith(b"Received:") and
         without_received(data) == letter.data)
