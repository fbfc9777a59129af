"""Files of queue/ and failed/: none is used before the disk knows that its
record is done with, and a message on its way between them is always shown."""
import errno
import os

from lib.control import Refused
from lib.daemon import wait_for
from lib.faults import FDATASYNC, FSYNC, Faults
from lib.harness import main, scenario
from lib.mail import base64_lines, without_received
from lib.smtpclient import message

LATER = "451 4.3.0 Later"
NO_SUCH = "550 5.1.1 No such user"
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
        wait_for(lambda: daemon.status()["queue"]["held"] == 1, 20, "held")
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


if __name__ == "__main__":
    main()
