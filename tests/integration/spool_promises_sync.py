"""250 means that the message is on disk: it waits for the sync, nothing else
waits with it, and a sync that fails is no 250."""
import errno
import os
import re
import signal
import threading

from lib.daemon import wait_for
from lib.faults import FDATASYNC, FSYNC, PWRITE, STATVFS, WRITE, Faults
from lib.harness import main, scenario
from lib.mail import base64_lines, key_of
from lib.smtpclient import message, stuff
from lib.syscalls import Trace

LARGE = base64_lines(1, 300000)
SENDERS = 20
WRITES = ("pwrite64", "write", "writev", "sendto", "sendmsg", "fdatasync")


def ready(t, **settings):
    fake = t.fake()
    daemon = t.daemon(fake, **settings)
    faults = Faults(daemon)
    t.at_end.append(faults.clear)
    return fake, daemon.start(), faults


def keys(fake):
    return sorted(x.header("Message-ID")[0] for x in fake.messages)


def begun(client, data, recipient="b@example.net"):
    """All of a transaction but the answer to the final dot."""
    client.expect("MAIL FROM:<a@example.org>", 250)
    client.expect("RCPT TO:<%s>" % recipient, 250)
    client.expect("DATA", 354)
    client.send(stuff(data) + b".\r\n")


def silent(client):
    """Nothing was said that was not read yet."""
    client.sock.setblocking(False)
    try:
        return client.sock.recv(1000, 0) is None
    except BlockingIOError:
        return client.buffer == b""
    finally:
        client.sock.settimeout(client.timeout)


def send_all(daemon, messages):
    """All at once, a client each; returns their replies in order."""
    replies = [None] * len(messages)

    def one(i):
        with daemon.client(timeout=60) as client:
            client.ehlo()
            replies[i] = client.mail("a@example.org", ["b@example.net"],
                                     messages[i])

    threads = [threading.Thread(target=one, args=(i,), daemon=True)
               for i in range(len(messages))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(90)
    return replies


def segments(daemon):
    return {x for x in os.listdir(os.path.join(daemon.spool, "journal"))
            if not x.endswith(".done")}


def bodies(daemon):
    return os.listdir(os.path.join(daemon.spool, "large"))


# -- a slow sync ------------------------------------------------------------

def dialogues_while(t, daemon, fake, first):
    """While first waits for its 250, others get all answers but theirs."""
    waiting = []
    for i in range(SENDERS):
        other = daemon.client()
        waiting.append(other)
        other.ehlo()
        other.expect("NOOP", 250)
        other.expect("VRFY x@example.net", 252)
        begun(other, message())
        with daemon.client() as visitor:  # also behind the final dot
            visitor.ehlo()
            visitor.expect("QUIT", 221)
    t.true(all(silent(x) for x in [first] + waiting),
           "no answer to a final dot before the sync")
    t.equal(len(fake.messages), 0, "messages upstream before the sync")
    return waiting


@scenario
def others_are_served_while_a_sync_takes_its_time(t):
    fake, daemon, faults = ready(t)
    sync = faults.stop("committer", FDATASYNC)
    with daemon.client() as first:
        first.ehlo()
        begun(first, message())
        sync.wait_entered()
        waiting = dialogues_while(t, daemon, fake, first)
        t.equal((sync.entered, sync.left), (1, 0), "syncs begun and done")
        # the second one covers all that came meanwhile
        again = faults.stop("committer", FDATASYNC)
        sync.end()
        t.equal(first.reply().code, 250, "the first, behind its sync")
        again.wait_entered()
        t.true(all(silent(x) for x in waiting), "the others wait for theirs")
        again.end()
        codes = [x.reply().code for x in waiting]
        t.equal(codes, [250] * SENDERS, "the others")
        t.equal(again.entered, 1, "one sync for all of them")
    for client in waiting:
        client.close()
    fake.wait_messages(1 + SENDERS)
    t.clean(fake)


@scenario
def a_large_body_syncs_beside_small_mail(t):
    fake, daemon, faults = ready(t)
    sync = faults.stop("body-syncer", FDATASYNC)
    with daemon.client() as client:
        client.ehlo()
        data = message(body=LARGE)
        begun(client, data)
        sync.wait_entered()
        for _ in range(5):
            daemon.send(message())
        fake.wait_messages(5)
        t.true(silent(client), "no answer before the body is on disk")
        sync.end()
        t.equal(client.reply().code, 250, "behind its sync")
    fake.wait_messages(6)
    t.true(key_of(data) in keys(fake), "the large one upstream")


@scenario
def a_slow_disk_of_the_relay_holds_up_no_mail(t):
    fake, daemon, faults = ready(t)
    fake.rule("RCPT", "450-4.2.1 The user you are trying to contact is "
              "receiving mail at a rate", match="later@", times=1)
    rules = [faults.stop("mover", FSYNC),
             faults.stop("mark-syncer", FDATASYNC)]
    daemon.send(message(), ["later@example.net"])
    rules[0].wait_entered()
    for _ in range(10):
        daemon.send(message())
    fake.wait_messages(10)
    rules[1].wait_entered()
    daemon.send(message(body=LARGE))
    fake.wait_messages(11)
    faults.clear()
    daemon.ask("queue.flush")
    fake.wait_messages(12)
    daemon.wait_queue_empty()
    t.equal(len(keys(fake)), len(set(keys(fake))), "each of them once")


# -- the order of the system calls ------------------------------------------

def check_order(t, calls, message_id):
    """Record written, synced after it, then 250: by their places. Returns the
    call that wrote the record, and the last such sync."""
    mine = [x for x in calls if x.name == "pwrite64" and
            message_id in x.text and "/journal/" in x.path]
    t.true(mine, "a record of %s is written to the journal" % message_id)
    record = mine[0]
    t.true(record.result and record.result % 4096 == 0, "whole blocks")
    answers = [x for x in calls if x.name in ("write", "writev", "sendto",
                                              "sendmsg") and
               "250 2.0.0 queued as " + message_id in x.text]
    t.equal(len(answers), 1, "answers with the id")
    syncs = [x for x in calls if x.name == "fdatasync" and
             x.path == record.path and x.began > record.ended and
             x.ended is not None and x.result == 0 and
             x.ended < answers[0].began]
    t.true(syncs, "a sync begun behind %r and ended before %r" % (
        record, answers[0]))
    return record, syncs[-1]


def traced(t, daemon):
    return Trace(t, daemon.wait_roles()["receiver"], WRITES)


@scenario
def appended_then_synced_then_250(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    trace = traced(t, daemon)
    ids = [daemon.send(message())]
    replies = send_all(daemon, [message() for _ in range(SENDERS)])
    t.equal([x.code for x in replies], [250] * SENDERS, "replies")
    ids += [daemon.id_of(x) for x in replies]
    for message_id in ids:  # strace writes behind the clients' backs
        trace.wait_for_text("queued as " + message_id)
    calls = trace.end()
    for message_id in ids:
        record, sync = check_order(t, calls, message_id)
        check_blocks(t, calls, record, sync)
    syncs = [x for x in calls if x.name == "fdatasync"]
    t.true(len(syncs) <= len(ids), "no more syncs than messages: %d" %
           len(syncs))
    fake.wait_messages(len(ids))


def offset_of(call):
    return int(re.search(r", (\d+)\) += ", call.text)[1])


def check_blocks(t, calls, record, sync):
    """No block of an acknowledged record is written again, nor from the
    beginning of the sync that it is acknowledged for."""
    end = offset_of(record) + record.result
    for call in calls:
        if call.name == "pwrite64" and call.path == record.path and \
                call.began > sync.began:
            t.true(offset_of(call) >= end,
                   "an acknowledged block is written again: %r" % call)


@scenario
def a_large_body_is_synced_before_its_record_is_written(t):
    fake = t.fake()
    daemon = t.daemon(fake).start()
    trace = traced(t, daemon)
    message_id = daemon.send(message(body=LARGE))
    trace.wait_for_text("queued as " + message_id)
    calls = trace.end()
    record, _ = check_order(t, calls, message_id)
    body = [x for x in calls if "/large/" in x.path]
    pieces = [x for x in body if x.name == "pwrite64"]
    syncs = [x for x in body if x.name == "fdatasync" and x.result == 0]
    t.true(sum(x.result for x in pieces) > len(LARGE), "the body is written")
    t.equal(len({x.path for x in body}), 1, "files for it")
    t.equal(len(syncs), 1, "syncs of it")
    t.true(max(x.ended for x in pieces) < syncs[0].began,
           "the sync is behind the last piece")
    t.true(syncs[0].ended < record.began, "the record is behind the sync")
    t.true(os.path.basename(body[0].path) in record.text,
           "the record names the body")
    fake.wait_messages(1)


# -- a sync that fails ------------------------------------------------------

def nothing_but(t, fake, daemon, accepted, how_often=1):
    """These arrive, each once, and nothing else does: not even when the roles
    die and everything is read once more."""
    fake.wait_messages(len(accepted))
    daemon.wait_queue_empty()
    t.equal(keys(fake), sorted(map(key_of, accepted)), "upstream")
    for _ in range(how_often):
        daemon.stop()
        daemon.start()
        last = message()
        daemon.send(last)
        accepted = accepted + [last]
        fake.wait_messages(len(accepted))
        daemon.wait_queue_empty()
        t.equal(keys(fake), sorted(map(key_of, accepted)),
                "upstream after a restart")


@scenario
def a_failed_sync_is_451_and_the_next_segment_serves(t):
    fake, daemon, faults = ready(t)
    accepted = [message()]
    daemon.send(accepted[0])
    before = segments(daemon)
    failing = faults.fail("committer", FDATASYNC, errno.EIO, times=1)
    with daemon.client() as client:
        client.ehlo()
        reply = client.mail("a@example.org", ["b@example.net"], message())
        t.equal((reply.code, reply.enhanced), (451, "4.3.0"), "the reply")
        t.equal(failing.left, 1, "failed syncs")
        accepted.append(message())
        reply = client.mail("a@example.org", ["b@example.net"], accepted[1])
        t.equal(reply.code, 250, "the next one")
    wait_for(lambda: before - segments(daemon), 20,
             "the end of the segment whose sync failed")
    nothing_but(t, fake, daemon, accepted)
    t.clean(fake)


@scenario
def a_failed_sync_among_many_costs_what_it_was_for(t):
    fake, daemon, faults = ready(t)
    accepted = []
    for first in (1, 2, 3):
        failing = faults.fail("committer", FDATASYNC, errno.EIO, first=first,
                              times=1)
        messages = [message(body=base64_lines(i, 100 + 3000 * i))
                    for i in range(SENDERS)]
        replies = send_all(daemon, messages)
        t.true({x.code for x in replies} <= {250, 451}, "replies: %r" %
               replies)
        refused = sum(x.code == 451 for x in replies)
        t.true(refused > 0 or failing.left == 0, "somebody is refused")
        accepted += [data for data, reply in zip(messages, replies)
                     if reply.code == 250]
        faults.clear()
    nothing_but(t, fake, daemon, accepted)


@scenario
def a_failed_sync_is_not_heard_of_after_a_kill(t):
    """The relay was dead when it happened: the next one must not take the
    record for mail, however the segment is found."""
    fake, daemon, faults = ready(t)
    accepted = [message()]
    daemon.send(accepted[0])
    fake.wait_messages(1)
    daemon.wait_queue_empty()  # and marked
    failing = faults.stop("committer", FDATASYNC)
    with daemon.client() as client:
        client.ehlo()
        begun(client, message())
        failing.wait_entered()
        relay = daemon.kill_role("relay")
        faults.fail("committer", FDATASYNC, errno.EIO, times=1)
        failing.end()
        # the one under way ends well, the one behind it does not
        t.equal(client.reply().code, 250, "synced after all")
        reply = client.mail("a@example.org", ["b@example.net"], message())
        t.equal(reply.code, 451, "the sync that failed")
        t.equal(client.cmd("NOOP").code, 250, "NOOP")
    daemon.wait_role_again("relay", relay)
    fake.wait_messages(2)
    receiver = daemon.kill_role("receiver")
    daemon.wait_role_again("receiver", receiver)
    accepted.append(message())
    daemon.send(accepted[1])
    fake.wait_messages(3)
    daemon.wait_queue_empty()
    t.equal(len(keys(fake)), 3, "messages upstream")


@scenario
def a_failed_body_sync_is_that_messages_alone(t):
    fake, daemon, faults = ready(t)
    failing = faults.fail("body-syncer", FDATASYNC, errno.EIO, times=1)
    messages = [message(body=base64_lines(i, 100000)) for i in range(5)]
    replies = send_all(daemon, messages)
    t.equal(sorted(x.code for x in replies), [250] * 4 + [451], "replies")
    t.equal(failing.left, 1, "failed syncs")
    accepted = [data for data, reply in zip(messages, replies)
                if reply.code == 250]
    nothing_but(t, fake, daemon, accepted)
    wait_for(lambda: len(bodies(daemon)) <= 2, 20,
             "only empty bodies in large/")


@scenario
def a_failed_write_is_451_or_452(t):
    fake, daemon, faults = ready(t)
    accepted = []
    for error, body, expected in (
            (errno.EIO, b"x\r\n", 451), (errno.EIO, LARGE, 451),
            (errno.ENOSPC, LARGE, 452)):
        rule = faults.fail("gmrelayd-recv", PWRITE, error, times=1)
        with daemon.client() as client:
            client.ehlo()
            reply = client.mail("a@example.org", ["b@example.net"],
                                message(body=body))
            t.equal((reply.code, rule.left), (expected, 1), "the reply")
            accepted.append(message(body=body))
            reply = client.mail("a@example.org", ["b@example.net"],
                                accepted[-1])
            t.equal(reply.code, 250, "the next one")
        faults.clear()
    nothing_but(t, fake, daemon, accepted)


@scenario
def a_disk_that_fails_for_long_is_survived(t):
    fake, daemon, faults = ready(t)
    accepted = [message()]
    daemon.send(accepted[0])
    fake.wait_messages(1)
    faults.fail("committer", FDATASYNC, errno.EIO)
    # also what makes new segments: two are there, then none
    faults.fail("segment-maker", FSYNC, errno.EIO)
    codes = set()
    with daemon.client() as client:
        client.ehlo()
        for _ in range(5):
            reply = client.mail("a@example.org", ["b@example.net"],
                                message())
            codes.add((reply.code, reply.enhanced))
            if reply.code == 452:
                break
        t.true(codes <= {(451, "4.3.0"), (452, "4.3.1")} and codes,
               "replies: %r" % codes)
        t.true((452, "4.3.1") in codes, "no segments in the end: %r" % codes)
        faults.clear()

        def taken():
            data = message()
            reply = client.mail("a@example.org", ["b@example.net"], data)
            if reply.code == 250:
                accepted.append(data)
            return reply.code == 250

        wait_for(taken, 60, "mail is taken again")
    nothing_but(t, fake, daemon, accepted)


# -- the relay's writes -----------------------------------------------------

@scenario
def marks_that_fail_are_made_up_for(t):
    fake, daemon, faults = ready(t)
    accepted = [message() for _ in range(3)]
    # .done of this segment exists from here on
    daemon.send(accepted[0])
    fake.wait_messages(1)
    faults.fail("gmrelayd-relay", PWRITE, errno.ENOSPC)
    daemon.send(accepted[1])
    fake.wait_messages(2)
    daemon.wait_log("mark-failed")
    faults.clear()
    faults.fail("mark-syncer", FDATASYNC, errno.EIO)
    accepted.append(message())
    daemon.send(accepted[2])
    fake.wait_messages(3)
    daemon.wait_log("mark-sync-failed")
    faults.clear()
    accepted = accepted[:3]
    nothing_but(t, fake, daemon, accepted)


@scenario
def a_queue_file_that_fails_leaves_the_message_where_it_is(t):
    fake, daemon, faults = ready(t)
    fake.rule("RCPT", "450 4.2.1 later", match="later@", times=1)
    failing = faults.fail("mover", FSYNC | WRITE, errno.ENOSPC)
    data = message()
    daemon.send(data, ["later@example.net"])
    daemon.wait_log("spool-write-failed")
    t.equal(os.listdir(os.path.join(daemon.spool, "queue")), [], "queue/")
    daemon.send(message())
    fake.wait_messages(1)
    wait_for(lambda: daemon.queued() == 1, 20, "the other one is done")
    # killed like this, it begins anew from the journal
    pid = daemon.kill_role("relay")
    daemon.wait_role_again("relay", pid)
    fake.wait_messages(2)
    t.true(failing.left > 0, "writes that failed")
    t.true(key_of(data) in keys(fake), "the message upstream")
    faults.clear()
    daemon.wait_queue_empty()


@scenario
def no_room_to_make_segments_is_told_and_over_when_it_is_there(t):
    fake, daemon, faults = ready(t)
    accepted = [message()]
    daemon.send(accepted[0])
    faults.fail("gmrelayd-relay", STATVFS, errno.EIO)
    faults.fail("segment-maker", STATVFS, errno.EIO)
    with daemon.client(timeout=30) as client:
        client.ehlo()
        reply = None
        while reply is None or reply.code == 250:  # two bodies are out
            accepted.append(message(body=LARGE))
            reply = client.mail("a@example.org", ["b@example.net"],
                                accepted[-1])
        accepted.pop()
        t.equal((reply.code, reply.enhanced), (452, "4.3.1"), "the reply")
        accepted.append(message())
        reply = client.mail("a@example.org", ["b@example.net"], accepted[-1])
        t.equal(reply.code, 250, "a small one, in the segment that is there")
        daemon.wait_log("spool-full")
        faults.clear()
        daemon.wait_log("spool-has-room")
        accepted.append(message(body=LARGE))
        reply = client.mail("a@example.org", ["b@example.net"], accepted[-1])
        t.equal(reply.code, 250, "a large one again")
    nothing_but(t, fake, daemon, accepted)


if __name__ == "__main__":
    signal.signal(signal.SIGPIPE, signal.SIG_IGN)
    main()
