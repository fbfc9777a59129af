"""Each kind of poison in each directory of the spool: truncated, not ours, a
symbolic link, huge, of another owner. The rest goes on, the bad one is told, and
nothing is sent that is not whole."""
import os
import shutil
import subprocess

from lib import proc
from lib.daemon import wait_for
from lib.harness import SANITIZED, main, print_comment, scenario
from lib.lives import LARGE, SMALL, Lives, same_mail
from lib.sendmail import Sendmail
from lib.smtpclient import message

HUGE = 8 << 30  # sparse
PEAK_MAX_KB = 200 * 1024
TARGET = b"somebody else's"


class Stock:
    """A spool with mail in every directory, to be copied."""

    def __init__(self, t):
        self.t = t
        self.fake = t.fake()
        self.lives = Lives(t, self.fake)
        later = self.fake.rule("RCPT", "451 4.3.0 Later", match="later@")
        daemon = t.daemon(self.fake, retry=["1h"]).start()
        self.files = {}     # directory: path below the spool
        self.hit = {}       # directory: the keys of what the file holds
        self._queue_and_failed(daemon)
        closed = self.fake.rule("BANNER", action="drop")
        for session in list(self.fake.sessions):
            session.abort()
        self._journal(daemon)
        daemon.stop()
        self.hit["state"] = set()
        self.files["state"] = "state/" + os.listdir(
            os.path.join(daemon.spool, "state"))[0]
        self._drop(daemon)
        with self.fake.changed:
            self.fake.rules.remove(closed)
            self.fake.rules.remove(later)
        self.spool = daemon.spool
        self.due = {x.key for x in self.lives.acknowledged()
                    if x.who != "bad"}

    def _send(self, daemon, who, body):
        return self.lives.send_until_taken(daemon, who, body)

    def _queue_and_failed(self, daemon):
        def names(directory):
            return [x for x in os.listdir(os.path.join(
                daemon.spool, directory)) if not x.startswith(".")]

        for directory, who in (("queue", "later"), ("failed", "bad")):
            letter = self._send(daemon, who, SMALL)
            wait_for(lambda d=directory: names(d), 20, directory)
            self.files[directory] = "%s/%s" % (directory, names(directory)[0])
            self.hit[directory] = {letter.key}
            self._send(daemon, who, LARGE)
            wait_for(lambda d=directory: len(names(d)) == 2, 20, directory)
        daemon.wait_account("active")

    def _journal(self, daemon):
        large = os.path.join(daemon.spool, "large")
        before = {x for x in os.listdir(large)
                  if os.stat(os.path.join(large, x)).st_size > 0}
        letters = [self._send(daemon, "ok", body)
                   for body in (SMALL, SMALL, LARGE)]
        self.hit["journal"] = {x.key for x in letters}
        self.hit["large"] = {letters[-1].key}
        for directory, piece in (("journal", letters[0].key.encode()),
                                 ("large", LARGE[:1000])):
            folder = os.path.join(daemon.spool, directory)
            for name in set(os.listdir(folder)) - before:
                with open(os.path.join(folder, name), "rb") as file:
                    if piece in file.read():
                        self.files[directory] = "%s/%s" % (directory, name)

    def _drop(self, daemon):
        sendmail = Sendmail(self.t, daemon)
        letters = [self.lives.letter("ok", SMALL) for _ in range(2)]
        self.lives.drop(sendmail, letters[0])
        self.files["drop"] = "drop/" + os.listdir(sendmail.drop)[0]
        self.hit["drop"] = {letters[0].key}
        self.lives.drop(sendmail, letters[1])


def truncated(path, _target):
    os.truncate(path, os.stat(path).st_size // 3)
    if "/journal/" in path:  # behind its first record
        os.truncate(path, 4096 + 100)


def foreign(path, _target):
    with open(path, "r+b") as file:
        if "/journal/" in path:  # all but the head of its first record
            file.seek(100)
        file.write(os.urandom(50000))


def symbolic_link(path, target):
    os.unlink(path)
    os.symlink(target, path)


def huge(path, _target):
    os.truncate(path, HUGE)


def wrong_owner(path, _target):
    os.chown(path, 0, 0)
    os.chmod(path, 0)


POISONS = [truncated, foreign, symbolic_link, huge, wrong_owner]
# What is longer than it should be harms nobody: so much of it as belongs to a
# message is read.
SILENT = {("large", "huge"), ("journal", "huge"), ("state", "huge")}


class Case:
    def __init__(self, stock, daemon, fake, target):
        self.t = stock.t
        self.stock = stock
        self.daemon = daemon
        self.fake = fake
        self.target = target

    def run(self, directory, poison):
        daemon, stock = self.daemon, self.stock
        subprocess.run(["cp", "-a", "--sparse=always", stock.spool,
                        daemon.spool], check=True)
        bad = stock.files[directory]
        poison(os.path.join(daemon.spool, bad), self.target)
        first = len(self.fake.messages)
        daemon.start()
        roles = daemon.wait_roles()
        due = stock.due - stock.hit[directory]
        due.add(stock.lives.send_until_taken(daemon, "ok", SMALL).key)

        def arrived():
            daemon.ask("queue.flush")
            return due <= {x.header("Message-ID")[0]
                           for x in self.fake.messages[first:]}

        wait_for(arrived, 60, "the rest")
        if (directory, poison.__name__) not in SILENT:
            name = os.path.basename(bad).split(".")[0]
            if directory == "large":
                name += "|spool-damaged"  # told by the message's id
            daemon.wait_log(r" (error|warning): .*(%s)" % name)
        self.check(first)
        peak = max(int(proc.status(x)["VmHWM"].split()[0])
                   for x in roles.values())
        self.t.true(SANITIZED or peak < PEAK_MAX_KB, "peak of %d KiB" % peak)
        self.t.equal(daemon.roles(), roles, "roles")
        daemon.stop()
        shutil.rmtree(daemon.spool)
        return peak

    def check(self, first):
        for got in self.fake.messages[first:]:
            if got.header("Auto-Submitted"):
                continue
            letter = self.stock.lives.letters[got.header("Message-ID")[0]]
            self.t.true(same_mail(got, letter), "whole")
        with open(self.target, "rb") as file:
            self.t.equal(file.read(), TARGET, "what the link leads to")


def poisoned(directory):
    def run(t):
        t.need_root()
        stock = Stock(t)
        fake = t.fake()
        fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
        daemon = t.daemon(fake, retry=["1h"])
        target = t.path("target")
        with open(target, "wb") as file:
            file.write(TARGET)
        case = Case(stock, daemon, fake, target)
        peak = 0
        for poison in POISONS:
            try:
                peak = max(peak, case.run(directory, poison))
            except AssertionError as error:
                raise AssertionError("%s, %s: %s" % (
                    directory, poison.__name__, error)) from error
        print_comment("%s/: %d kinds of poison, the rest arrived; peak %d KiB"
                      % (directory, len(POISONS), peak))

    run.__name__ = "poison_in_%s_costs_itself_alone" % directory
    scenario(run)


for each in ("journal", "large", "queue", "failed", "state", "drop"):
    poisoned(each)

@scenario
def what_has_failed_is_not_lost_in_queue(t):
    """A person moves its file there, to have it sent again: nobody is left to
    send it to, but it is not done with."""
    fake = t.fake()
    fake.rule("RCPT", "550 5.1.1 No such user.", match="bad@", times=1)
    daemon = t.daemon(fake).start()
    ident = daemon.send(message(), ["bad@example.net"])

    def has_failed():
        return daemon.queued() == 0 and \
            [x["id"] for x in daemon.queue(failed=True)] == [ident]

    wait_for(has_failed, 20, "it fails")
    daemon.stop()
    os.rename(os.path.join(daemon.spool, "failed", ident),
              os.path.join(daemon.spool, "queue", ident))
    daemon.start()
    wait_for(has_failed, 20, "it is in failed/ again")
    # as it is to be done
    daemon.ask("queue.retry", id=ident)
    fake.wait_messages(2)
    daemon.wait_queue_empty()
    t.equal([x.recipients for x in fake.messages
             if not x.header("Auto-Submitted")], [["bad@example.net"]],
            "it arrives")
    t.equal(len(fake.messages), 2, "messages: it, and one report")


if __name__ == "__main__":
    main()
