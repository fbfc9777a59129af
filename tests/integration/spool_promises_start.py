"""A start takes up what is there: a long backlog, each message once; and what
is damaged, truncated or not ours costs only itself, and is told."""
import os
import signal
import stat
import threading

from lib.daemon import wait_for
from lib.faults import LINK, Faults
from lib.harness import SANITIZED, main, print_comment, scenario
from lib.mail import base64_lines, key_of, without_received
from lib.smtpclient import Client, message

SEGMENT_SIZE = 16 * 1024 * 1024
JOURNAL_AT_REST = 4  # one in use, a spare, two in stock
BACKLOG = 1300 if SANITIZED else 4500
BACKLOG_BODY = base64_lines(1, 12500)
SENDERS = 10


def keys(fake):
    return sorted(x.header("Message-ID")[0] for x in list(fake.messages)
                  if not x.header("Auto-Submitted"))


def place(daemon, directory, name=""):
    return os.path.join(daemon.spool, directory, name)


def segments(daemon):
    return sorted(x for x in os.listdir(place(daemon, "journal"))
                  if not x.endswith(".done"))


def closed(fake):
    """Upstream answers nobody until the function returned is called."""
    rule = fake.rule("BANNER", action="drop")

    def opens():
        with fake.changed:
            fake.rules.remove(rule)

    return opens


# -- a backlog --------------------------------------------------------------

def fill(daemon, count):
    """Returns the keys of count accepted messages."""
    accepted = []

    def run():
        with Client(("127.0.0.1", daemon.port), timeout=60) as client:
            client.ehlo()
            for _ in range(count // SENDERS):
                data = message(body=BACKLOG_BODY)
                if client.mail("a@example.org", ["b@example.net"],
                               data).code == 250:
                    accepted.append(key_of(data))

    threads = [threading.Thread(target=run, daemon=True)
               for _ in range(SENDERS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(120)
    return accepted


def wait_reclaimed(daemon):
    """Few segments are left, and marks of these only."""
    def at_rest():
        names = segments(daemon)
        numbers = {x.split(".")[0] for x in names}
        marks = {x.split(".")[0] for x in os.listdir(
            place(daemon, "journal")) if x.endswith(".done")}
        return len(names) <= JOURNAL_AT_REST and marks <= numbers

    try:
        wait_for(at_rest, 60, "segments that are done with go")
    except AssertionError as error:
        raise AssertionError("%s: %r" % (error, sorted(os.listdir(
            place(daemon, "journal"))))) from None


@scenario(seconds=600)
def a_backlog_over_segments_goes_out_once(t):
    fake = t.fake()
    opens = closed(fake)
    daemon = t.daemon(fake, account={"messages_per_connection": 1000})
    daemon.start()
    accepted = fill(daemon, BACKLOG)
    t.equal(len(accepted), BACKLOG, "accepted messages")
    used = sum(1 for x in segments(daemon)
               if has_records(place(daemon, "journal", x)))
    print_comment("%d messages in %d segments" % (BACKLOG, used))
    if not SANITIZED:
        t.true(used > 3, "segments with records: %d" % used)
    daemon.stop()
    opens()
    daemon.start()
    # a stop in the middle of it
    fake.wait_messages(BACKLOG // 3, 120)
    daemon.stop()
    got = len(fake.messages)
    daemon.start()
    fake.wait_messages(BACKLOG, 240)
    daemon.wait_queue_empty(60)
    print_comment("%d before the second start" % got)
    t.equal(keys(fake), sorted(accepted), "messages, each once")
    wait_reclaimed(daemon)
    # and nothing of it is found again
    daemon.stop()
    daemon.start()
    daemon.send(message())
    fake.wait_messages(BACKLOG + 1)
    daemon.wait_queue_empty()
    t.equal(len(fake.messages), BACKLOG + 1, "messages in the end")
    wait_reclaimed(daemon)
    t.clean(fake)


def has_records(path):
    with open(path, "rb") as file:
        return b"gmrelay-envelope" in file.read(65536)


STUCK_BACKLOG = 3300  # over two segments
STUCK_AT = 1000       # over three quarters of one, less than one


@scenario(seconds=600)
def a_backlog_that_drains_goes_out_from_the_journal(t):
    """No segment's rest is written to queue/ that leaves a moment later."""
    fake = t.fake()
    opens = closed(fake)
    daemon = t.daemon(fake, account={"messages_per_connection": 1000})
    faults = Faults(daemon)
    files = faults.delay("mover", LINK, 0)  # counts, and does nothing else
    daemon.start()
    accepted = fill(daemon, STUCK_BACKLOG)
    # marks are synced once a second: here is little left of the first segment
    fake.rule("FINAL", nth=STUCK_AT, times=1, delay=3)
    opens()
    daemon.ask("queue.flush")
    fake.wait_messages(STUCK_BACKLOG, 240)
    daemon.wait_queue_empty(60)
    t.equal(keys(fake), sorted(accepted), "messages, each once")
    t.equal(files.entered, 0, "files made in queue/")
    wait_reclaimed(daemon)


@scenario(seconds=600)
def the_rest_of_a_segment_that_is_stuck_moves_to_queue(t):
    """So that the segment is free; with it the few that held it go on."""
    fake = t.fake()
    opens = closed(fake)
    daemon = t.daemon(fake, backoff=["1h", "1h"],
                      account={"messages_per_connection": STUCK_AT}).start()
    accepted = fill(daemon, STUCK_BACKLOG)
    oldest = segments(daemon)[0]
    opens()
    fake.rule("BANNER", action="drop", nth=2)
    daemon.ask("queue.flush")
    fake.wait_messages(STUCK_AT, 120)
    wait_for(lambda: daemon.account_state()["backing_off"], 20, "no way out")
    # the others are in their segments, and stay there
    wait_for(lambda: oldest not in segments(daemon), 60, "it is free")
    names = os.listdir(place(daemon, "queue"))
    t.true(0 < len(names) < STUCK_AT // 2, "files in queue/: %d" % len(names))
    fake.clear_rules()
    daemon.ask("queue.flush")
    fake.wait_messages(STUCK_BACKLOG, 240)
    daemon.wait_queue_empty(60)
    t.equal(keys(fake), sorted(accepted), "messages, each once")


@scenario(seconds=600)
def a_backlog_that_upstream_defers_moves_to_queue(t):
    """All of it has a history then; segments are free again."""
    count = BACKLOG // 3
    fake = t.fake()
    refusing = fake.rule("RCPT", "451 4.3.0 Later")
    daemon = t.daemon(fake, retry=["1h"],
                      account={"messages_per_connection": 1000}).start()
    accepted = fill(daemon, count)
    t.equal(len(accepted), count // SENDERS * SENDERS, "accepted messages")

    def files():
        return sum(not x.startswith(".")
                   for x in os.listdir(place(daemon, "queue")))

    wait_for(lambda: files() == len(accepted), 120, "all of it in queue/")
    wait_reclaimed(daemon)
    with fake.changed:
        fake.rules.remove(refusing)
    daemon.stop()
    daemon.start()
    # what is not read yet is meant as well
    daemon.ask("queue.flush")
    daemon.send(message())
    fake.wait_messages(1 + len(accepted), 240)
    daemon.wait_queue_empty(60)
    t.equal(len(set(keys(fake))), 1 + len(accepted), "messages")
    t.equal(files(), 0, "files in queue/")


# -- what is not ours -------------------------------------------------------

def owned(daemon, path):
    """As if the relay had made it."""
    os.chown(path, os.stat(place(daemon, "journal")).st_uid, -1,
             follow_symlinks=False)
    return path


def plant(daemon, directory, name, content=b"not ours\n"):
    path = place(daemon, directory, name)
    with open(path, "wb") as file:
        file.write(content)
    return owned(daemon, path)


class Planted:
    """Files, links, pipes and directories under names that are wrong, or right
    for something else."""

    def __init__(self, t, daemon):
        self.target = t.path("target")
        with open(self.target, "wb") as file:
            file.write(b"somebody else's")
        os.chmod(self.target, 0o666)
        self.told = []   # what the log must name
        self.stays = []  # what must still be there
        self.goes = []
        for directory, right in (
                ("journal", "00000000000000%02x.0123456789abcdef"),
                ("queue", "00000000000001%02x"),
                ("failed", "00000000000002%02x"),
                ("large", "00000000000003%02x")):
            self._plant(daemon, directory, right)

    def _plant(self, daemon, directory, right):
        self.foreign(plant(daemon, directory, "README"))
        self.foreign(plant(daemon, directory, "12345"))
        link = place(daemon, directory, right % 0xa1)
        os.symlink(self.target, link)
        pipe = place(daemon, directory, right % 0xa2)
        os.mkfifo(pipe)
        folder = place(daemon, directory, right % 0xa3)
        os.mkdir(folder)
        for path in (link, pipe, folder):
            owned(daemon, path)
        empty = plant(daemon, directory, right % 0xa4, b"")
        noise = plant(daemon, directory, right % 0xa5, os.urandom(100000))
        if directory == "large":
            # a damaged file of queue/ may name any of them
            self.stays += [folder]
        elif directory == "journal":
            self.told += [link, pipe, folder]
            self.stays += [link, pipe, folder]
            self.goes += [empty, noise]
            # a number no segment gets, or its own marks would be there soon
            self.goes += [plant(daemon, directory, "00000000000000a0.done",
                                b"x" * 100)]
        else:
            self.told += [link, pipe, folder, empty, noise]
            self.stays += [link, pipe, folder]
            # what could be a message is set aside
            self.stays += [place(daemon, "failed", os.path.basename(x))
                           for x in (empty, noise)]
            self.goes += [plant(daemon, directory, ".new.0123456789abcdef")]

    def foreign(self, path):
        self.told.append(path)
        self.stays.append(path)

    def check(self, t, daemon):
        for path in self.told:
            name = os.path.basename(path).split(".")[0]
            directory = os.path.basename(os.path.dirname(path))
            daemon.wait_log(r"(dir=%s name=\"?%s|file=(%s|failed)/%s|id=%s)"
                            % (directory, name, directory, name, name))
        wait_for(lambda: not any(map(os.path.lexists, self.goes)), 30,
                 "the end of %s" % [x for x in self.goes
                                    if os.path.lexists(x)])
        wait_for(lambda: all(map(os.path.lexists, self.stays)), 30,
                 "what is not ours: %s" % [x for x in self.stays
                                           if not os.path.lexists(x)])
        with open(self.target, "rb") as file:
            t.equal(file.read(), b"somebody else's", "what the links lead to")


def some_of_each(t, fake, daemon):
    """Messages in journal/, queue/ (and large/) and failed/, with upstream
    closed; returns (those that arrive, opens)."""
    fake.rule("RCPT", "451 4.3.0 Later", match="later@", times=2)
    bad = fake.rule("RCPT", "550 5.1.1 No such user", match="bad@")
    big = base64_lines(3, 150000)
    data = {who: message(body=body) for who, body in (
        ("later", b"x\r\n"), ("later2", big), ("bad", big), ("small", b"y\r\n"),
        ("large", big))}
    daemon.send(data["later"], ["later@example.net"])
    daemon.send(data["later2"], ["later@example.net"])
    failed = daemon.send(data["bad"], ["bad@example.net"])
    wait_for(lambda: daemon.status()["queue"]["failed"] == 1, 20, "failed/")
    wait_for(lambda: len(os.listdir(place(daemon, "queue"))) == 2, 20,
             "queue/")
    with fake.changed:
        fake.rules.remove(bad)
    opens = closed(fake)
    for session in list(fake.sessions):
        session.abort()
    daemon.send(data["small"])
    daemon.send(data["large"])
    return data, failed, opens


@scenario
def what_is_not_ours_is_left_alone_and_told(t):
    fake = t.fake()
    daemon = t.daemon(fake, retry=["1h"]).start()
    data, failed, opens = some_of_each(t, fake, daemon)
    daemon.stop()
    planted = Planted(t, daemon)
    opens()
    for _ in range(2):  # and again
        daemon.start()
        planted.check(t, daemon)
        last = message()
        daemon.send(last)
        data[last] = last
        fake.wait(lambda: key_of(last) in keys(fake))
        daemon.stop()
    daemon.start()
    wait_for(lambda: not daemon.status()["queue"]["starting"], 20, "the start")
    daemon.ask("queue.flush")
    daemon.ask("queue.retry", id=failed)
    fake.wait(lambda: len(keys(fake)) >= len(data), 30, "all of them")
    t.equal(keys(fake), sorted(map(key_of, data.values())), "messages")
    for got in fake.messages:
        if not got.header("Auto-Submitted"):
            t.true(without_received(got.data) in data.values(), "whole")


@scenario
def what_nobody_names_leaves_large(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    daemon.stop()
    target = t.path("target")
    with open(target, "wb") as file:
        file.write(b"somebody else's")
    name = "00000000000003%02x"
    os.symlink(target, place(daemon, "large", name % 1))
    os.mkfifo(place(daemon, "large", name % 2))
    os.mkdir(place(daemon, "large", name % 3))
    plant(daemon, "large", name % 4, b"")
    plant(daemon, "large", name % 5, os.urandom(100000))
    plant(daemon, "large", "README")
    daemon.start()
    wait_for(lambda: not {name % i for i in (1, 2, 4, 5)} & set(
        os.listdir(place(daemon, "large"))), 30, "the end of what is left")
    t.true({name % 3, "README"} <= set(os.listdir(place(daemon, "large"))),
           "what is no body is left alone")
    daemon.wait_log("foreign-file dir=large name=README")
    with open(target, "rb") as file:
        t.equal(file.read(), b"somebody else's", "what the link leads to")
    daemon.send(message(body=base64_lines(1, 100000)))
    fake.wait_messages(2)


@scenario
def a_damaged_copy_in_failed_removes_nothing(t):
    fake = t.fake()
    fake.rule("RCPT", "451 4.3.0 Later", times=1)
    daemon = t.daemon(fake, retry=["1h"]).start()
    message_id = daemon.send(message())
    wait_for(lambda: os.listdir(place(daemon, "queue")) == [message_id], 20,
             "queue/")
    daemon.stop()
    plant(daemon, "failed", message_id)
    daemon.start()
    daemon.wait_log("spool-damaged file=failed/" + message_id)
    daemon.ask("queue.flush")
    fake.wait_messages(1)


@scenario
def a_state_that_makes_no_sense_is_survived(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    daemon.stop()
    for name in os.listdir(place(daemon, "state")) + ["README"]:
        plant(daemon, "state", name, os.urandom(5000))
    daemon.start()
    daemon.send(message())
    fake.wait_messages(2)
    daemon.stop()
    for name in os.listdir(place(daemon, "state")):
        os.unlink(place(daemon, "state", name))
        os.mkfifo(place(daemon, "state", name))
    daemon.start()
    daemon.send(message())
    fake.wait_messages(3)


# -- what is damaged --------------------------------------------------------

class Journal:
    """Messages in one segment, each in a block of its own."""

    def __init__(self, t, count=6):
        self.fake = t.fake()
        self.opens = closed(self.fake)
        self.daemon = t.daemon(self.fake).start()
        self.data = [message(body=b"text " * 1000 + b"\r\n")
                     for _ in range(count)]
        for data in self.data:
            self.daemon.send(data)
        self.daemon.stop()
        self.path = [x for x in (place(self.daemon, "journal", y)
                                 for y in segments(self.daemon))
                     if has_records(x)][0]

    def at(self, number):
        """Where the message stands in the segment."""
        with open(self.path, "rb") as file:
            return file.read().index(key_of(self.data[number]).encode())

    def write(self, offset, octets):
        with open(self.path, "r+b") as file:
            file.seek(offset)
            file.write(octets)

    def starts(self, t, lost):
        """The others arrive; returns when they have."""
        self.opens()
        self.daemon.start()
        last = message()
        self.daemon.send(last)
        due = [x for i, x in enumerate(self.data) if i not in lost] + [last]
        self.fake.wait_messages(len(due))
        self.daemon.wait_queue_empty()
        t.equal(keys(self.fake), sorted(map(key_of, due)), "messages")


@scenario
def a_damaged_record_costs_its_message(t):
    journal = Journal(t)
    journal.write(journal.at(2) + 500, b"X")
    journal.starts(t, [2])
    journal.daemon.wait_log("journal-record-damaged")


@scenario
def a_block_of_zeros_costs_its_message(t):
    journal = Journal(t)
    block = journal.at(3) // 4096 * 4096
    journal.write(block, bytes(4096))
    journal.starts(t, [3])


@scenario
def a_truncated_segment_costs_what_was_cut(t):
    journal = Journal(t)
    os.truncate(journal.path, journal.at(4) + 1000)
    journal.starts(t, [4, 5])
    journal.daemon.wait_log("journal-record-damaged")


@scenario
def marks_that_make_no_sense_are_no_marks(t):
    journal = Journal(t)
    done = os.path.basename(journal.path).split(".")[0] + ".done"
    plant(journal.daemon, "journal", done, os.urandom(1003))
    journal.starts(t, [])


@scenario
def marks_that_are_no_file_are_told(t):
    for make in (os.mkfifo, os.mkdir,
                 lambda path: os.symlink("/etc/passwd", path)):
        journal = Journal(t)
        path = place(journal.daemon, "journal", os.path.basename(
            journal.path).split(".")[0] + ".done")
        if os.path.exists(path):
            os.unlink(path)
        make(path)
        owned(journal.daemon, path)
        journal.opens()
        journal.daemon.start()
        journal.fake.wait_messages(len(journal.data))
        journal.daemon.wait_log("marks-read-failed")
        journal.daemon.wait_log("mark-failed")
        journal.daemon.stop()
        t.equal(keys(journal.fake), sorted(map(key_of, journal.data)),
                "messages")


@scenario
def a_segment_that_cannot_be_opened_holds_up_nothing(t):
    t.need_root()  # the relay is another user
    journal = Journal(t)
    os.chown(journal.path, 0, 0)
    os.chmod(journal.path, 0)
    journal.opens()
    journal.daemon.start()
    journal.daemon.send(message())
    journal.fake.wait_messages(1)
    journal.daemon.wait_log("journal-read-failed")
    os.chmod(journal.path, stat.S_IRUSR | stat.S_IWUSR)
    owned(journal.daemon, journal.path)
    # it is looked at again soon
    journal.fake.wait_messages(1 + len(journal.data), 40)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
