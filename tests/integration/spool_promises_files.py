"""Files of queue/ and failed/: none is used before the disk knows that its
record is done with, and a message on its way between them is always shown."""
import errno
import os
import re
import time

from lib.control import Refused
from lib.daemon import wait_for
from lib.faults import FDATASYNC, FSYNC, Faults
from lib.harness import main, scenario
from lib.mail import base64_lines, without_received
from lib.smtpclient import message

LATER = "451 4.3.0 Later"
NO_SUCH = "550 5.1.1 No such user"
DAY = 24 * 3600
LARGE = base64_lines(1, 150000)


def path_of(daemon, *names):
    return os.path.join(daemon.spool, *names)


def with_faults(t, fake, **settings):
    daemon = t.daemon(fake, **settings)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    return daemon.start(), faults


def refused(daemon, command, ident):
    try:
        daemon.ask(command, id=ident)
    except Refused as error:
        return error.kind
    return None


# -- the file wins, when the mark is synced -----------------------------------

def dies_before_the_mark(daemon, faults, data, directory, fails=False):
    """The relay dies when the message's file has its name, and its record no
    mark; the next one's marks are not synced. Returns the message's id and
    the fault."""
    named = faults.stop("mover", FSYNC, first=2)
    ident = daemon.send(data, sender="")
    named.wait_entered()
    assert os.path.exists(path_of(daemon, directory, ident)), "no file"
    unsynced = faults.fail("mark-syncer", FDATASYNC, errno.EIO) if fails \
        else faults.stop("mark-syncer", FDATASYNC)
    pid = daemon.kill_role("relay")
    named.end()
    daemon.wait_role_again("relay", pid)
    unsynced.wait_entered()
    return ident, unsynced


def the_rest_goes_on(t, fake, daemon):
    other = message()
    daemon.send(other, ["other@example.net"])
    daemon.ask("queue.flush")
    wait_for(lambda: [x.recipients for x in fake.messages] ==
             [["other@example.net"]], 20, "the other one")


def is_held(daemon):
    wait_for(lambda: daemon.status()["queue"]["held"] == 1 and
             not daemon.status()["queue"]["starting"], 20, "held")


@scenario
def a_file_of_queue_is_not_used_before_its_records_mark_is_synced(t):
    for data in (message(), message(body=LARGE)):
        fake = t.fake()
        fake.rule("RCPT", LATER, times=1)
        daemon, faults = with_faults(t, fake, retry=["1s"])
        ident, unsynced = dies_before_the_mark(daemon, faults, data, "queue")
        # its time has come, and more than that
        the_rest_goes_on(t, fake, daemon)
        row = wait_for(lambda: daemon.queue(), 20, "the queue")[0]
        t.equal((row["id"], row["state"], row["damaged"]),
                (ident, "waiting", False), "its row")
        daemon.ask("queue.hold", id=ident)
        t.equal(daemon.queue()[0]["state"], "held", "its state")
        unsynced.end()
        is_held(daemon)
        daemon.stop()
        daemon.start()
        is_held(daemon)
        daemon.ask("queue.release", id=ident)
        got = fake.wait_messages(2)[1]
        t.true(without_received(got.data) == data, "it arrives")
        daemon.wait_queue_empty()
        daemon.stop()


@scenario
def marks_that_cannot_be_synced_hold_up_only_theirs(t):
    fake = t.fake()
    fake.rule("RCPT", LATER, times=1)
    daemon, faults = with_faults(t, fake, retry=["1s"])
    _, failing = dies_before_the_mark(daemon, faults, message(), "queue",
                                      fails=True)
    failing.wait_entered(3)
    daemon.wait_log("mark-sync-failed")
    the_rest_goes_on(t, fake, daemon)
    t.equal(daemon.queue()[0]["state"], "waiting", "its state")
    failing.end()
    fake.wait_messages(2)
    daemon.wait_queue_empty()


@scenario
def a_file_of_failed_is_not_used_before_its_records_mark_is_synced(t):
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH, times=1)
    daemon, faults = with_faults(t, fake)
    data = message()
    ident, unsynced = dies_before_the_mark(daemon, faults, data, "failed")
    the_rest_goes_on(t, fake, daemon)
    row = wait_for(lambda: daemon.queue(failed=True), 20, "failed/")[0]
    t.equal((row["id"], row["damaged"]), (ident, False), "its row")
    for command in ("queue.retry", "queue.delete"):
        t.equal(refused(daemon, command, ident), "limit", command)
    t.true(os.path.exists(path_of(daemon, "failed", ident)), "it is there")
    unsynced.end()
    wait_for(lambda: refused(daemon, "queue.retry", ident) is None, 20,
             "a retry that is taken")
    t.equal(without_received(fake.wait_messages(2)[1].data), data, "message")
    daemon.wait_queue_empty()


# -- on the way ---------------------------------------------------------------

def shown_once(t, daemon, ident, what):
    rows = daemon.queue() + daemon.queue(failed=True)
    t.equal([(x["id"], x["damaged"]) for x in rows], [(ident, False)],
            "%s, rows" % what)
    t.equal(len(daemon.recipients(ident)), 1, "%s, recipients" % what)


@scenario
def a_message_that_is_moved_is_always_shown(t):
    fake = t.fake()
    rules = [fake.rule("RCPT", LATER, times=1)]
    daemon, faults = with_faults(t, fake, retry=["1h"])
    data = message(body=LARGE)
    ident = daemon.send(data, sender="")
    wait_for(lambda: daemon.queue()[0]["next_ms"] > 0, 20, "deferred")
    rules[0:] = [fake.rule("RCPT", NO_SUCH)]
    for command, directory in (("queue.flush", "queue"),
                               ("queue.retry", "failed")):
        # the new file, its name, the end of the old one
        steps = [faults.stop("mover", FSYNC, first=1 + i) for i in range(3)]
        daemon.ask(command, **({} if directory == "queue" else
                               {"id": ident}))
        for number, step in enumerate(steps, 1):
            step.wait_entered()
            shown_once(t, daemon, ident, "%s, step %d" % (command, number))
            t.equal(os.path.exists(path_of(daemon, directory, ident)),
                    number < 3, "the old file at step %d" % number)
            if directory == "failed":
                t.equal(refused(daemon, "queue.delete", ident), "limit",
                        "delete at step %d" % number)
                with fake.changed:
                    fake.rules.clear()
            step.end()
        faults.clear()
        if directory == "queue":
            wait_for(lambda: daemon.queue(failed=True), 20, "it has failed")
            t.equal(daemon.queue(), [], "queued messages")
    t.equal(without_received(fake.wait_messages(1)[0].data), data, "message")
    daemon.wait_queue_empty()


# -- what is damaged ----------------------------------------------------------

def reports(fake):
    return [x for x in list(fake.messages) if x.header("Auto-Submitted")]


def is_set_aside(t, daemon, ident, legible=True):
    """In failed/, told once, and shown; never tried again."""
    row = wait_for(lambda: [x for x in daemon.queue(failed=True)
                            if x["id"] == ident], 20, "it in failed/")[0]
    t.true(row["damaged"], "its row says so: %r" % row)
    t.equal("from" in row, legible, "its envelope")
    if legible:
        t.true(row["reason"].startswith("damaged in the spool: "),
               "its reason: %r" % row)
    t.true(ident not in [x["id"] for x in daemon.queue()], "not in the queue")
    t.true(os.path.exists(path_of(daemon, "failed", ident)), "its file")
    t.true(not os.path.exists(path_of(daemon, "queue", ident)), "the old one")
    t.true(refused(daemon, "queue.retry", ident) == "damaged", "a retry")
    return row


def what_is_left(daemon, ident):
    """By the documented way: what is printed, and the exit status."""
    done = daemon.ctl_run("queue", "cat", ident, json_output=False)
    return done.stdout, done.returncode, done.stderr


def is_told(t, fake, daemon, ident, recipients=("person@example.net",)):
    """One report, to the sender, that blames nobody else."""
    fake.wait(lambda: len(reports(fake)) == 1, 20, "a report")
    body = reports(fake)[0].body.decode()
    t.equal(reports(fake)[0].recipients, ["device@example.org"], "to whom")
    for address in recipients:
        t.true("Final-Recipient: rfc822; %s\r\nAction: failed\r\n"
               "Status: 5.3.0\r\n" % address in body, "%s in %s" % (
                   address, body))
    t.true("Diagnostic-Code" not in body and "queue retry" not in body,
           "nothing that is not so: %s" % body)
    t.true("damaged" in body and "queue cat %s" % ident in body,
           "what happened: %s" % body)


def stays_so(t, fake, daemon, ident, legible=True):
    """A new start, other mail, and the end by hand."""
    count = len(reports(fake))
    daemon.stop()
    daemon.start()
    wait_for(lambda: not daemon.status()["queue"]["starting"], 20, "a start")
    is_set_aside(t, daemon, ident, legible)
    daemon.ask("queue.flush")
    other = message()
    daemon.send(other, ["other@example.net"])
    fake.wait(lambda: any(x.data.endswith(other) for x in fake.messages), 20,
              "other mail")
    t.equal(len(reports(fake)), count, "reports")
    daemon.ctl("queue", "delete", ident)
    wait_for(lambda: not os.path.exists(path_of(daemon, "failed", ident)), 20,
             "its end")
    t.equal(daemon.queue(failed=True), [], "failed messages")


def deferred(t, data, recipients=("person@example.net",), **rule):
    """A message in queue/ of a daemon that does not run."""
    fake = t.fake()
    fake.rule("RCPT", LATER, **(rule or {"times": 1}))
    daemon = t.daemon(fake, retry=["1h"]).start()
    ident = daemon.send(data, list(recipients))
    path = path_of(daemon, "queue", ident)
    wait_for(lambda: daemon.queue() and daemon.queue()[0]["next_ms"] > 0, 20,
             "deferred")
    daemon.stop()
    return fake, daemon, ident, path


def body_of(path):
    """The path of the body file that a queue file names."""
    with open(path, "rb") as file:
        name = re.search(rb"\nbody (\S+)", file.read())[1].decode()
    return os.path.join(os.path.dirname(os.path.dirname(path)), "large", name)


def change(path, offset, octets):
    with open(path, "r+b") as file:
        file.seek(offset)
        file.write(octets)


@scenario
def a_queue_file_that_lost_its_end_is_set_aside_and_told(t):
    fake, daemon, ident, path = deferred(t, message(body=b"line\r\n" * 50))
    os.truncate(path, os.path.getsize(path) - 10)
    daemon.start()
    is_set_aside(t, daemon, ident)
    t.equal(daemon.status()["queue"]["failed_unseen"], 1, "status")
    is_told(t, fake, daemon, ident)
    text, status, error = what_is_left(daemon, ident)
    t.true(text.startswith("Received:") and text.endswith("\nline\nli"),
           "what is left: %r" % text)
    t.equal(status, 1, "the exit status")
    t.true("what is left" in error, "and says that it is not all: " + error)
    t.true("damaged in the spool" in daemon.ctl_run(
        "queue", "list", "--failed", json_output=False).stdout, "the list")
    stays_so(t, fake, daemon, ident)


@scenario
def a_queue_file_that_cannot_be_read_is_kept_as_it_is(t):
    fake, daemon, ident, path = deferred(t, message(body=LARGE))
    body = body_of(path)
    change(path, 0, b"gmrelay-envelope 9\n")
    with open(path, "rb") as file:
        octets = file.read()
    daemon.start()
    is_set_aside(t, daemon, ident, legible=False)
    with open(path_of(daemon, "failed", ident), "rb") as file:
        t.equal(file.read(), octets, "its file")
    text, status, _ = what_is_left(daemon, ident)
    t.equal((text.encode(), status), (octets, 1), "what is left")
    t.true("cannot be read" in daemon.ctl_run(
        "queue", "list", "--failed", json_output=False).stdout, "the list")
    t.equal(reports(fake), [], "reports")
    stays_so(t, fake, daemon, ident, legible=False)
    # nobody knew whose body it was until now
    t.true(os.path.exists(body), "the body")
    daemon.stop()
    daemon.start()
    wait_for(lambda: not os.path.exists(body), 20, "the end of the body")


@scenario
def a_body_that_is_damaged_is_set_aside_and_told(t):
    for spoil, left in ((lambda body: change(body, 140000, b"X"), True),
                        (lambda body: os.truncate(body, 1000), False),
                        (os.unlink, False)):
        people = ["one@example.net", "two@example.net"]
        fake, daemon, ident, path = deferred(t, message(body=LARGE), people,
                                             match="two@", times=1)
        got = fake.wait_messages(1)
        t.equal(got[0].recipients, people[:1], "who got it")
        body = body_of(path)
        spoil(body)
        daemon.start()
        daemon.ask("queue.flush")
        is_set_aside(t, daemon, ident)
        is_told(t, fake, daemon, ident, people[1:])
        t.true("one@" not in reports(fake)[0].body.decode(), "who got it")
        t.equal(os.path.exists(body), spoil is not os.unlink, "the body")
        text, status, _ = what_is_left(daemon, ident)
        t.equal(text.startswith("Received:"), left, "what is left")
        t.equal(status, 1, "the exit status")
        stays_so(t, fake, daemon, ident)
        wait_for(lambda: not os.path.exists(body), 20, "its body's end")
        daemon.stop()


def in_the_journal(t, data):
    """A message that upstream did not get, the relay's next start is to come;
    returns its place too."""
    fake = t.fake()
    closed = fake.rule("BANNER", action="drop")
    daemon = t.daemon(fake, backoff=["1h", "1h"]).start()
    ident = daemon.send(data)
    wait_for(lambda: daemon.account_state()["backing_off"], 20, "no way out")
    for name in os.listdir(path_of(daemon, "journal")):
        path = path_of(daemon, "journal", name)
        with open(path, "rb") as file:
            octets = file.read(1024 * 1024)
        if ident.encode() in octets:
            break
    with fake.changed:
        fake.rules.remove(closed)
    return fake, daemon, ident, path, octets


@scenario
def a_record_that_is_damaged_after_it_was_read_is_set_aside(t):
    fake, daemon, ident, path, octets = in_the_journal(
        t, message(body=b"text of it\r\n" * 100))
    change(path, octets.index(b"text of it"), b"TEXT")
    daemon.ask("queue.flush")
    is_set_aside(t, daemon, ident)
    is_told(t, fake, daemon, ident)
    t.true("TEXT of it" in what_is_left(daemon, ident)[0], "what is left")
    stays_so(t, fake, daemon, ident)


@scenario
def a_record_without_an_envelope_is_kept_as_it_is(t):
    fake, daemon, ident, path, octets = in_the_journal(
        t, message(body=b"text of it\r\n" * 100))
    change(path, octets.index(b"gmrelay-envelope"), bytes(100))
    daemon.ask("queue.flush")
    is_set_aside(t, daemon, ident, legible=False)
    t.true("text of it" in what_is_left(daemon, ident)[0], "what is left")
    t.equal(reports(fake), [], "reports")
    stays_so(t, fake, daemon, ident, legible=False)


@scenario
def a_file_that_somebody_removed_is_told_and_forgotten(t):
    fake, daemon, ident, path = deferred(t, message())
    daemon.start()
    wait_for(lambda: daemon.queued() == 1, 20, "it is read")
    os.unlink(path)
    daemon.ask("queue.flush")
    daemon.wait_log("spool-missing id=" + ident)
    daemon.wait_queue_empty()
    t.equal(daemon.queue(failed=True), [], "failed messages")


@scenario
def a_time_far_away_is_no_sooner_and_no_later(t):
    fake, daemon, ident, path = deferred(t, message())
    with open(path, "rb") as file:
        text = file.read()
    with open(path, "wb") as file:
        file.write(re.sub(rb"\nnext \d+\n", b"\nnext %d\n" % (2 ** 63 - 1),
                          text, count=1))
    daemon.start()
    row = wait_for(lambda: daemon.queue(), 20, "the message")[0]
    t.true(3500 * 1000 < row["next_ms"] <= 3600 * 1000,
           "the longest retry: %r" % row)
    t.equal((row["id"], row["attempts"]), (ident, 1), "its row")
    t.equal(fake.messages, [], "messages")


@scenario
def a_damaged_one_outlives_failed_keep_until_it_is_deleted(t):
    fake, daemon, ident, path = deferred(t, message())
    change(path, 0, b"X")
    os.utime(path, (0, 0))
    for _ in range(2):
        daemon.start()
        is_set_aside(t, daemon, ident, legible=False)
        daemon.stop()
    daemon.start()
    stays_so(t, fake, daemon, ident, legible=False)


@scenario
def what_failed_long_ago_goes_at_a_start(t):
    """Not what failed while the clock was not yet set."""
    fake = t.fake()
    fake.rule("RCPT", NO_SUCH)
    daemon = t.daemon(fake, failed_keep="2d").start()
    idents = [daemon.send(message(body=LARGE), sender="") for _ in range(3)]
    wait_for(lambda: len(daemon.queue(failed=True)) == 3, 20, "all failed")
    daemon.stop()
    now = time.time()
    for ident, age in zip(idents, (3 * DAY, DAY, now - 100)):
        os.utime(path_of(daemon, "failed", ident), (now - age, now - age))
    daemon.start()
    wait_for(lambda: not os.path.exists(
        path_of(daemon, "failed", idents[0])), 20, "the end of the first")
    daemon.wait_log("failed-removed id=%s" % idents[0])
    wait_for(lambda: len(os.listdir(path_of(daemon, "large"))) == 4, 20,
             "two bodies, and two in stock")
    t.equal(sorted(x["id"] for x in daemon.queue(failed=True)),
            sorted(idents[1:]), "those that stay")


@scenario
def bodies_stay_while_something_in_queue_cannot_be_read(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    daemon.send(message())
    fake.wait_messages(1)
    daemon.wait_queue_empty()
    daemon.stop()
    left = path_of(daemon, "large", "00000000000000aa")
    for directory in ("queue", "failed"):
        for name in ("README", "00000000000000ab"):
            bad = path_of(daemon, directory, name)
            with open(left, "wb") as file:
                file.write(LARGE)
            os.mkdir(bad)
            for path in (left, bad):
                os.chown(path, os.stat(path_of(daemon, "large")).st_uid, -1)
            daemon.start()
            daemon.wait_log("bodies-kept")
            count = len(fake.messages)
            daemon.send(message(body=LARGE))
            fake.wait_messages(count + 1)
            daemon.wait_queue_empty()
            t.true(os.path.exists(left), "with %s/%s it stays" % (
                directory, name))
            daemon.stop()
            os.rmdir(bad)
            daemon.start()
            wait_for(lambda: not os.path.exists(left), 20, "its end")
            t.true("bodies-kept" not in daemon.log_now(), "not told")
            daemon.stop()


if __name__ == "__main__":
    main()
